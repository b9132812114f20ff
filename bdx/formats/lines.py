"""On which line of a text file each record stands: a few numbers per block of lines, so that memory stays flat."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable

import numpy as np

_MOST = 1_000_000
"""Numbers of lines kept for blocks that hold more than records; beyond that a line is not known."""

_BLANK = np.isin(np.arange(256, dtype=np.uint8), np.frombuffer(b" \t\r\n", np.uint8))


class Lines:
    """Grows while the blocks of a file are parsed; `records` counts the records so far.

    A line is said only where every line of a block is accounted for: none is ever guessed.
    """

    def __init__(self) -> None:
        self.records = 0
        self._starts: list[int] = []
        self._blocks: list[Callable[[int], int | None]] = []
        self._kept = 0

    def note(self, records: int, data: bytes, first_line: int, newline: bytes, whole_rows: Callable[[], Iterable[int]]) -> None:
        """Take in a block of lines that gave so many records; `whole_rows` yields the lines of its rows where they must be looked at."""
        if not records:
            return
        self._starts.append(self.records)
        self._blocks.append(self._place(records, data, first_line, newline, whole_rows))
        self.records += records

    def of(self, record: int) -> int | None:
        """Return the line of a record, both counted as their readers do: lines from 1, records from 0; None where it is not known."""
        block = bisect_right(self._starts, record) - 1
        return self._blocks[block](record - self._starts[block]) if block >= 0 and record < self.records else None

    def _place(
        self, records: int, data: bytes, first_line: int, newline: bytes, whole_rows: Callable[[], Iterable[int]]
    ) -> Callable[[int], int | None]:
        lines = data.count(newline) + (not data.endswith(newline))
        if lines == records:
            return lambda record: first_line + record
        blank = _blank_lines(data, newline) if self._kept < _MOST else None
        if blank is None or self._kept + min(len(blank), records) > _MOST:
            return lambda _: None
        if lines - len(blank) == records:
            self._kept += len(blank)
            before = (blank - np.arange(len(blank))).astype(np.int32)  # records above each blank line
            return lambda record: first_line + record + int(np.searchsorted(before, record, side="right"))
        self._kept += records
        exact = np.fromiter(whole_rows(), np.int64)
        return (lambda record: int(exact[record])) if len(exact) == records else lambda _: None


def _blank_lines(data: bytes, newline: bytes) -> np.ndarray:
    """Return the places among the lines of a block of those that hold nothing but blanks."""
    buffer = np.frombuffer(data, np.uint8)
    starts = np.concatenate(([0], np.flatnonzero(buffer == newline[-1]) + 1))
    starts = starts[starts < len(buffer)]
    return np.flatnonzero(np.logical_and.reduceat(_BLANK[buffer], starts))
