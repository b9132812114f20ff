"""An Access table in the order of its key, whatever the order on its pages, with memory for the pages that interleave only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bdx.canon import BATCH_ROWS
from bdx.errors import CorruptSource
from bdx.formats.jet import Column, Database, Definition, Numbers
from bdx.formats.jet_rows import Rows, rows_of

_RUN = 512
"""Pages looked at together."""
_MAJOR = 32
_WHOLE = (2, 3, 4)
_MOST_CHANNELS = 4096

Keys = npt.NDArray[np.int64]


@dataclass(slots=True)
class Ordered:
    """A table whose rows have a key of two numbers (test, record).

    The first pass reads the keys alone and keeps, per page, the least and the greatest. `late` counts rows stored after a row of
    a greater key; `majors` counts rows per test; `channels` holds every combination of `by`.
    """

    db: Database
    table: Definition
    key: tuple[Column, Column]
    by: tuple[Column, ...] = ()
    rows: int = 0
    late: int = 0
    beyond: int = 0
    majors: dict[int, int] = field(default_factory=dict)
    channels: list[tuple[int, ...]] = field(default_factory=list)
    damaged: set[int] = field(default_factory=set)
    _pages: Numbers = field(default_factory=lambda: np.empty(0, np.int64))
    _least: Keys = field(default_factory=lambda: np.empty(0, np.int64))
    _greatest: Keys = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        numbers, self.beyond = self.db.owned(self.table)
        parts: list[tuple[Numbers, Keys, Keys]] = []
        channels: set[tuple[int, ...]] = set()
        top = np.iinfo(np.int64).min
        for start in range(0, len(numbers), _RUN):
            rows = rows_of(self.db, numbers[start : start + _RUN])
            self.damaged.update(rows.damaged)
            if not len(rows):
                continue
            keys = self.keys(rows)
            reached = np.maximum.accumulate(np.concatenate([[top], keys]))
            self.late += int((keys < reached[:-1]).sum())
            top = reached[-1]
            self.rows += len(rows)
            for major, count in zip(*np.unique(keys >> _MAJOR, return_counts=True), strict=True):
                self.majors[int(major)] = self.majors.get(int(major), 0) + int(count)
            if self.by:
                channels.update(map(tuple, np.unique(self.channel(rows), axis=0).tolist()))
            if len(self.majors) > _MOST_CHANNELS or len(channels) > _MOST_CHANNELS:
                text = f"table {self.table.name} names more than {_MOST_CHANNELS} tests or channels"
                raise CorruptSource(text, path=self.db.path)
            first = np.flatnonzero(np.diff(rows.page, prepend=-1))
            pages = numbers[start : start + _RUN][rows.page[first]]
            parts.append((pages, np.minimum.reduceat(keys, first), np.maximum.reduceat(keys, first)))
        self.channels = sorted(channels)
        if parts:
            self._pages, self._least, self._greatest = (np.concatenate(column) for column in zip(*parts, strict=True))

    def keys(self, rows: Rows) -> Keys:
        """Return the key of each row as one number: test above, record below."""
        major, minor = (rows.values(column)[0].astype(np.int64) for column in self.key)
        return (major << _MAJOR) + minor

    def channel(self, rows: Rows) -> npt.NDArray[np.int64]:
        """Return the values of `by`. Shape: (rows, columns of `by`)."""
        return np.stack([rows.values(column)[0].astype(np.int64) for column in self.by], axis=1)

    def batches(self, major: int) -> Iterator[tuple[Keys, Rows]]:
        """Yield (keys, rows) of one test in the order of the key; rows of one key keep their stored order."""
        low, high = major << _MAJOR, (major + 1) << _MAJOR
        pages = np.flatnonzero((self._least < high) & (self._greatest >= low))
        pages = pages[np.lexsort((self._pages[pages], self._least[pages]))]
        if not len(pages):
            return
        reached = np.maximum.accumulate(self._greatest[pages])
        apart = np.flatnonzero(self._least[pages][1:] > reached[:-1]) + 1
        group: list[int] = []
        average = max(1, self.rows // len(self._pages))
        for start, stop in zip([0, *apart.tolist()], [*apart.tolist(), len(pages)], strict=True):
            if group and (len(group) + stop - start) * average > BATCH_ROWS:
                yield from self._sorted(pages[group], low, high)
                group = []
            group.extend(range(start, stop))
        yield from self._sorted(pages[group], low, high)

    def between(self, low: int, high: int) -> Iterator[tuple[Keys, Rows]]:
        """Yield (keys, rows) whose key lies from `low` to `high`, in stored order."""
        pages = np.sort(self._pages[(self._least <= high) & (self._greatest >= low)])
        for start in range(0, len(pages), _RUN):
            rows = rows_of(self.db, pages[start : start + _RUN])
            keys = self.keys(rows)
            inside = (keys >= low) & (keys <= high)
            yield keys[inside], rows.take(inside)

    def _sorted(self, which: Numbers, low: int, high: int) -> Iterator[tuple[Keys, Rows]]:
        rows = rows_of(self.db, np.sort(self._pages[which]))
        keys = self.keys(rows)
        inside = (keys >= low) & (keys < high)
        if not inside.all():
            keys, rows = keys[inside], rows.take(inside)
        if len(keys) and (np.diff(keys) < 0).any():
            order = np.argsort(keys, kind="stable")
            keys, rows = keys[order], rows.take(order)
        for start in range(0, len(keys), BATCH_ROWS):
            part = slice(start, start + BATCH_ROWS)
            yield keys[part], rows.take(part)


def ordered(db: Database, table: Definition, key: tuple[str, str], by: tuple[str, ...] = ()) -> Ordered | None:
    """Return the table in the order of its key, or None where one of the columns is not there as a whole number."""
    columns = [table.column(name) for name in (*key, *by)]
    found = [column for column in columns if column is not None and column.fixed and column.kind in _WHOLE]
    if len(found) < len(columns):
        return None
    return Ordered(db, table, (found[0], found[1]), tuple(found[2:]))
