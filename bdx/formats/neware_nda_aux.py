"""Auxiliary rows of an .nda file, joined to its records by their number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx.formats.neware_blocks import Rows, row_type
from bdx.formats.neware_join import join, lay
from bdx.formats.neware_nda_rows import Section, whole_rows
from bdx.spec import Facts

QUANTITIES = ("voltage", "temperature")
_LOOK = 65_536
"""Rows at each end of the records that are searched for auxiliary rows between them."""
_KEPT = 64
"""Batches of auxiliary rows (0.7 MB each) that are kept between finding the channels and joining them; more are read twice."""
_COMPACT = np.dtype([("index", "<u4"), ("voltage", "<i4"), ("temperature", "<i2"), ("channel", "u1")], align=True)


@dataclass(slots=True)
class Auxiliary:
    """The auxiliary rows of a file: which channels there are, and their values for each batch of records.

    Rows between the records are handed in with `add`; rows of a section of their own are read as the records reach them,
    or all at once where they do not follow the order of the records. Memory holds only rows no record has met yet.
    """

    file: BinaryIO
    section: Section | None
    layout: Facts
    mark: int
    channels: list[tuple[int, str]] = field(default_factory=list)
    silent: list[tuple[int, str]] = field(default_factory=list)
    between: bool = False
    unmatched: int = 0
    _waiting: Rows = field(default_factory=lambda: np.empty(0, _COMPACT))
    _source: Iterator[Rows] | None = None
    _ordered: bool = True
    _numbers: set[int] = field(default_factory=set)

    def scan(self, records: list[Section]) -> None:
        """Find the channels and what each measures; a quantity that is 0 in every row is not measured.

        Between the records they are looked for in the first and the last rows only: a cycler that writes them writes them throughout.
        """
        seen: dict[tuple[int, str], bool] = {}
        for part in (piece for whole in records for piece in _ends(whole, self.layout["size"])):
            for rows in self._rows(part):
                self._look(rows, seen)
                self.between = True
        kept: list[Rows] | None = []
        last = -1
        for rows in self._rows(self.section) if self.section else ():
            self._look(rows, seen)
            index = rows["index"]
            self._ordered &= bool((index[1:] >= index[:-1]).all()) and int(index[0]) >= last
            last = int(index[-1])
            if kept is not None:
                kept = [*kept, rows] if len(kept) < _KEPT else None
        self._numbers = {number for number, _ in seen}
        self.channels = sorted(key for key, measured in seen.items() if measured)
        self.silent = sorted(key for key, measured in seen.items() if not measured)
        if self.section is not None:
            self._source = self._rows(self.section) if kept is None else iter(kept)
            if not self._ordered:
                self.add(np.concatenate([np.empty(0, _COMPACT), *self._source]))
                self._source = None

    def add(self, rows: Rows) -> None:
        """Take in rows that wait for their record."""
        if len(rows):
            rows = rows if rows.dtype == _COMPACT else self._compact(rows)
            self._waiting = np.concatenate([self._waiting, rows]) if len(self._waiting) else rows

    def take(self, index: npt.NDArray[np.uint32]) -> dict[tuple[int, str], pa.Array]:
        """Return the values of each channel for the records of that number; empty where a record has none."""
        top = int(index.max()) if len(index) else 0
        while self._source is not None and not (len(self._waiting) and int(self._waiting["index"][-1]) > top):
            rows = next(self._source, None)
            if rows is None:
                self._source = None
            else:
                self.add(rows)
        due = self._waiting["index"] <= top
        rows, self._waiting = (self._waiting, self._waiting[:0]) if due.all() else (self._waiting[due], self._waiting[~due])
        found = {}
        for number in sorted({number for number, _ in self.channels}):
            mine = rows if len(self._numbers) == 1 else rows[rows["channel"] == number]
            hit, place = join(mine["index"], index)
            self.unmatched += len(mine) - len(place)
            for quantity in (name for known, name in self.channels if known == number):
                found[number, quantity] = lay(mine[quantity][hit], place, len(index))
        return found

    def finish(self) -> int:
        """Return how many auxiliary rows met no record, reading those that are left."""
        left = len(self._waiting)
        if self._source is not None:
            left += sum(len(rows) for rows in self._source)
        return self.unmatched + left

    def _rows(self, part: Section) -> Iterator[Rows]:
        for raw in whole_rows(self.file, part, self.layout["size"]):
            mine = raw.view(np.uint8).reshape(-1, self.layout["size"])[:, 0] == self.mark
            if mine.any():
                yield self._compact(raw[mine])

    def _compact(self, raw: Rows) -> Rows:
        """Return what is needed of rows as they stand in the file."""
        rows = raw.view(row_type(self.layout["fields"], self.layout["size"]))
        found = np.empty(len(rows), _COMPACT)
        for name in _COMPACT.names or ():
            found[name] = rows[name]
        return found

    def _look(self, rows: Rows, seen: dict[tuple[int, str], bool]) -> None:
        numbers = np.flatnonzero(np.bincount(rows["channel"])).tolist()
        for number in numbers:
            mine = rows if len(numbers) == 1 else rows[rows["channel"] == number]
            for quantity in QUANTITIES:
                seen[number, quantity] = seen.get((number, quantity), False) or bool(mine[quantity].any())


def _ends(part: Section, size: int) -> list[Section]:
    """Return the first and the last rows of a section, or the whole of a short one."""
    rows = part.held // size
    if rows <= 2 * _LOOK:
        return [part]
    length = _LOOK * size
    return [Section(at, length, length) for at in (part.begin, part.begin + (rows - _LOOK) * size)]
