"""Sections of an .nda file -> batches of its records, told from events and auxiliary rows by their mark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from bdx.canon import BATCH_ROWS
from bdx.errors import TruncatedSource
from bdx.formats.neware_blocks import Rows, row_type
from bdx.spec import Facts


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of one size: where they begin, their bytes as the head states them, how many of these the file has and where they end."""

    begin: int
    length: int
    held: int
    end: int = 0

    @property
    def cut(self) -> bool:
        """Whether the file ends before the section does."""
        return self.held < self.length


def section(begin: int, length: int, size: int) -> Section:
    """Return a section of a file of `size` bytes; one without length goes on to the end of the file."""
    room = max(size - begin, 0)
    held = min(length or room, room)
    return Section(begin, length or max(room, int(begin > size)), held, min(begin + held, size))


@dataclass(slots=True)
class Records:
    """The records of some sections, and what was met beside them; `together` keeps a record and what follows it in one batch."""

    file: BinaryIO
    path: str
    sections: list[Section]
    layout: Facts
    together: bool = False
    found: int = 0
    events: int = 0
    strange: dict[int, int] = field(default_factory=dict)

    def batches(self) -> Iterator[tuple[Rows, Rows]]:
        """Yield the records of each batch and, as they stand, the auxiliary rows between them.

        Raises: TruncatedSource after the last whole record of a file that was cut.
        """
        kind = row_type(self.layout["fields"], self.layout["size"])
        for part in self.sections:
            for raw in self._pieces(part):
                rows = raw.view(kind)
                marks = np.ascontiguousarray(rows["mark"])
                keep = np.isin(marks, self.layout["marks"]) if len(self.layout["marks"]) > 1 else marks == self.layout["marks"][0]
                if 0 in self.layout["marks"]:
                    keep &= rows["index"] > 0
                aside = None
                if not keep.all():
                    aside = marks == (self.layout["aux"] if self.together else -1)
                    self._count(marks[~keep & ~aside])
                    aside, rows = raw[aside], raw[keep].view(kind)
                self.found += len(rows)
                yield rows, raw[:0] if aside is None else aside
            self._check(part)

    def _pieces(self, part: Section) -> Iterator[Rows]:
        size, place = self.layout["size"], self.layout["mark_at"]
        if not self.together:
            yield from whole_rows(self.file, part, size)
            return
        held = np.empty(0, f"V{size}")
        for more in whole_rows(self.file, part, size):
            rows = np.concatenate([held, more])
            marks = rows.view(np.uint8).reshape(-1, size)[:, place]
            records = np.flatnonzero(marks == self.layout["marks"][0])
            last = int(records[-1]) if len(records) else 0
            held = rows[last:]
            if last:
                yield rows[:last]
        if len(held):
            yield held

    def _count(self, marks: npt.NDArray[np.uint8]) -> None:
        values, counts = np.unique(marks, return_counts=True)
        for mark, count in zip(values.tolist(), counts.tolist(), strict=True):
            if mark in self.layout["events"]:
                self.events += count
            else:
                self.strange[mark] = self.strange.get(mark, 0) + count

    def _check(self, part: Section) -> None:
        size = self.layout["size"]
        if part.cut or part.length % size:
            whole, what = part.held // size, "ends before" if part.begin > part.end else "ends inside"
            announced = f"its head announces {part.length // size}" if part.cut else f"{part.held % size} bytes are left over"
            read = f"{whole} whole rows of {size} bytes with {self.found} records were read"
            raise TruncatedSource(f"{what} its rows from byte {part.begin} on: {read}, {announced}", path=self.path, offset=part.end)


def whole_rows(file: BinaryIO, part: Section, size: int) -> Iterator[Rows]:
    """Yield the whole rows of a section as they stand, in bounded batches; one batch is overwritten by the next."""
    left = part.held // size
    place = part.begin
    room = bytearray(min(left, BATCH_ROWS) * size)
    while left > 0:
        file.seek(place)
        count = _fill(file, memoryview(room)[: min(left, BATCH_ROWS) * size]) // size
        if not count:
            return
        yield np.frombuffer(room, f"V{size}", count)
        left -= count
        place += count * size


def _fill(file: BinaryIO, room: memoryview) -> int:
    """Read into memory that is there already, which spares the system from clearing new pages for every batch."""
    done = 0
    while done < len(room):
        got = file.readinto(room[done:])  # type: ignore[attr-defined]
        if not got:
            break
        done += got
    return done
