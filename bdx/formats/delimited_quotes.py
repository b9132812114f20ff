"""Text -> whole rows: line breaks within quoted cells are kept, quotation marks without their pair are taken out and named."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bdx.formats.delimited_probe import Dialect
from bdx.formats.source import Source

Ints = npt.NDArray[np.int64]

SPAN = 16
"""A quoted cell holds at most so many lines; one that would hold more is a stray quotation mark."""
_QUOTE = ord('"')


@lru_cache(maxsize=16)
def row_pattern(separator: str, *, breaks: bool = False) -> re.Pattern[bytes]:
    """Return the pattern of a whole row: a cell that starts with a quotation mark ends with the one that closes it.

    With `breaks` such a cell may hold line breaks.
    """
    apart = re.escape(separator.encode())
    quoted = rb'"(?:[^"]|"")*"' if breaks else rb'"(?:[^"\r\n]|"")*"'
    cell = rb"(?>" + quoted + rb'|[^"\r\n' + apart + rb"][^\r\n" + apart + rb"]*|)"
    return re.compile(rb"(?>" + cell + rb"(?:" + apart + cell + rb")*)")


@dataclass(slots=True)
class Quotes:
    """Cuts text at the end of a row; the cut never falls into a quoted cell, so it leaves no trace in the rows."""

    source: Source
    dialect: Dialect
    widths: frozenset[int]
    """How many cells a row can have."""
    prose: bool = False
    """Whether cells hold sentences: then the line that closes one may have as many separators as a row."""
    breaks: bool = False
    """Whether a quoted cell with a line break has been met."""
    _odd: re.Pattern[bytes] = field(init=False)

    def __post_init__(self) -> None:
        row = row_pattern(self.dialect.parsed_separator).pattern
        self._odd = re.compile(rb"(?:(?<=[\r\n])|\A)(?!" + row + rb"(?:[\r\n]|\Z))[^\r\n]+")

    def settle(self, data: bytes, first_line: int, *, final: bool) -> tuple[bytes, bytes]:
        """Return (whole rows, the rest): the rest is to be given again with what follows it, and is empty if this is final."""
        newline = self.dialect.newline.encode()
        cut = len(data) if final else data.rfind(newline) + 1
        if data.find(b'"', 0, cut) < 0:
            return data[:cut], data[cut:]
        ends = np.flatnonzero(np.frombuffer(data, np.uint8, cut) == newline[0])
        starts = np.concatenate(([0], ends + 1))
        starts = starts[starts < cut]
        marks = np.flatnonzero(np.frombuffer(data, np.uint8, cut) == _QUOTE)
        counts = np.bincount(np.searchsorted(starts, marks, "right") - 1, minlength=len(starts))
        odd = np.flatnonzero(counts % 2).tolist()
        if not odd and self._paired(data, marks):
            return data[:cut], data[cut:]
        bounds = [*starts.tolist(), cut]
        joined: list[tuple[int, int]] = []
        place = 0
        while place < len(odd):
            line = odd[place]
            after = odd[place + 1] if place + 1 < len(odd) else None
            if after is None and not final and len(starts) - line <= SPAN:
                cut = bounds[line]
                break
            place += 1
            if after is not None and after - line < SPAN and self._is_row(data[bounds[line] : bounds[after + 1]], newline):
                joined.append((bounds[line], bounds[after + 1]))
                place += 1
        self.breaks = self.breaks or bool(joined)
        return self._without_strays(data[:cut], joined, first_line, newline), data[cut:]

    def _paired(self, data: bytes, marks: Ints) -> bool:
        """Say whether, where every line has an even number of marks, each opens or closes a cell or is doubled within one."""
        buffer = np.frombuffer(data, np.uint8)
        border = np.zeros(256, np.bool_)
        border[[_QUOTE, *self.dialect.parsed_separator.encode(), *b"\r\n"]] = True
        opening, closing = marks[0::2], marks[1::2]
        opens = border[buffer[np.maximum(opening - 1, 0)]] | (opening == 0)
        closes = border[buffer[np.minimum(closing + 1, len(buffer) - 1)]] | (closing == len(buffer) - 1)
        return bool(opens.all() and closes.all())

    def _is_row(self, text: bytes, newline: bytes) -> bool:
        """Say whether lines are one row of a known width, and none of them but the first, or in prose the last, could be one."""
        separator = self.dialect.parsed_separator.encode()
        width = re.sub(rb'"(?:[^"]|"")*"', b"", text).count(separator) + 1
        lines = text.rstrip(b"\r\n").split(newline)
        if width not in self.widths or any(line.count(separator) >= width - 1 for line in lines[1 : -1 if self.prose else None]):
            return False
        return row_pattern(self.dialect.parsed_separator, breaks=True).fullmatch(text.rstrip(b"\r\n")) is not None

    def _without_strays(self, data: bytes, joined: list[tuple[int, int]], first_line: int, newline: bytes) -> bytes:
        """Return the data with the quotation marks taken out of lines where they do not pair up.

        Left in, such a mark would swallow the lines after it, and which ones would depend on where the block ends.
        """
        pieces, start, passed = [], 0, 0
        for match in self._odd.finditer(data):
            while passed < len(joined) and joined[passed][1] <= match.start():
                passed += 1
            if passed < len(joined) and joined[passed][0] <= match.start():
                continue
            line = first_line + data.count(newline, 0, match.start())
            self.source.log.find("F047", source=self.source.uri, locator=f"line {line}", value=match.group().decode("utf-8", "replace"))
            pieces += [data[start : match.start()], match.group().replace(b'"', b"")]
            start = match.end()
        return b"".join([*pieces, data[start:]]) if pieces else data
