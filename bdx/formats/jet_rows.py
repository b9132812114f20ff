"""Rows on the data pages of an Access table -> columns: found and decoded with numpy, in stored order or in the order of a key."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bdx.errors import CorruptSource
from bdx.formats.jet import PAGE, Column, Database, Definition, Numbers, slot

FIXED = {1: "?", 2: "u1", 3: "<i2", 4: "<i4", 5: "<i8", 6: "<f4", 7: "<f8", 8: "<f8", 19: "<i8"}
"""Jet type -> numpy type: yes/no, byte, integer, long, currency, single, double, date, big integer."""
_BOOL, _MONEY, TEXT = 1, 5, 10
_DELETED, _POINTER, _OFFSET = 0x8000, 0x4000, 0x1FFF

_MOST = 256 << 20

Values = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Rows:
    """Live rows of some pages: `flat` holds the bytes, `start` and `end` the place of each row, `page` the index of its page."""

    flat: npt.NDArray[np.uint8]
    start: Numbers
    end: Numbers
    page: Numbers
    damaged: list[int]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, which: Any) -> Rows:
        """Return the rows of a mask or in an order; the bytes are shared."""
        return Rows(self.flat, self.start[which], self.end[which], self.page[which], self.damaged)

    def values(self, column: Column) -> tuple[Values, Mask]:
        """Return the values of a column of fixed width and the mask of nulls."""
        kind = np.dtype(FIXED[column.kind])
        absent, bit = self._absent(column)
        if column.kind == _BOOL:
            return bit & ~absent, np.zeros(len(self), np.bool_)
        at = self.start + 2 + column.offset
        absent |= at + kind.itemsize > self.end - self.mask_bytes()
        window = np.ndarray((max(0, len(self.flat) - kind.itemsize + 1),), kind, self.flat.data, strides=(1,))
        values = window[np.where(absent, 0, at)] if len(window) else np.zeros(len(self), kind)
        if column.kind == _MONEY:
            values = values / 10_000.0
        return values, absent | ~bit

    def texts(self, column: Column) -> list[str | None]:
        """Return the values of a text column, row by row: for tables of few rows."""
        absent, bit = self._absent(column)
        ends = self.end - self.mask_bytes()
        found: list[str | None] = []
        for row in range(len(self)):
            text = None
            if bit[row] and not absent[row]:
                text = _text(_variable(self.flat[self.start[row] : ends[row]].tobytes(), column.variable))
            found.append(text)
        return found

    def _columns(self) -> Numbers:
        return self.flat[self.start].astype(np.int64) | (self.flat[self.start + 1].astype(np.int64) << 8)

    def mask_bytes(self) -> Numbers:
        """Return the length of the mask of nulls that ends each row."""
        return (self._columns() + 7) // 8

    def _absent(self, column: Column) -> tuple[Mask, Mask]:
        """Return the mask of rows that know nothing of the column (written before it was added), and its bit in the others."""
        absent = column.id >= self._columns()
        at = np.where(absent, 0, self.end - self.mask_bytes() + column.id // 8)
        return absent, (self.flat[at] >> (column.id % 8)) & 1 != 0


def rows_of(db: Database, numbers: Numbers) -> Rows:
    """Return the live rows of data pages in stored order; a page whose table of rows makes no sense is named as damaged."""
    pages = db.pages(numbers)
    count = pages[:, 12].astype(np.int64) | (pages[:, 13].astype(np.int64) << 8)
    sane = 14 + 2 * count <= PAGE
    count = np.where(sane, count, 0)
    owner = np.repeat(np.arange(len(numbers), dtype=np.int64), count)
    place = np.arange(len(owner), dtype=np.int64) - np.repeat(np.cumsum(count) - count, count)
    flat = pages.ravel()
    at = owner * PAGE + 14 + 2 * place
    word = flat[at].astype(np.int64) | (flat[at + 1].astype(np.int64) << 8)
    start = word & _OFFSET
    end = np.full_like(start, PAGE)
    end[1:] = np.where(place[1:] == 0, PAGE, start[:-1])
    good = (start >= 14 + 2 * count[owner]) & (start <= end) & (end <= PAGE)
    bad = ~sane
    bad[owner[~good]] = True
    live = ~bad[owner] & (word & _DELETED == 0)
    rows = Rows(flat, owner * PAGE + start, owner * PAGE + end, owner, numbers[bad].tolist())
    rows = _follow(db, rows, live, word & _POINTER != 0)
    rows = _drop(rows, rows.end - rows.start >= 3, numbers)
    return _drop(rows, rows.end - rows.start >= 2 + rows.mask_bytes(), numbers)


def _drop(rows: Rows, good: Mask, numbers: Numbers) -> Rows:
    if good.all():
        return rows
    rows.damaged.extend(numbers[np.unique(rows.page[~good])].tolist())
    return rows.take(good)


def _follow(db: Database, rows: Rows, live: Mask, pointer: Mask) -> Rows:
    """Return the live rows; rows that moved to another page are read there, in their old place."""
    moved = np.flatnonzero(live & pointer)
    kept = np.flatnonzero(live)
    if not len(moved):
        return rows.take(kept)
    parts, size = [rows.flat], len(rows.flat)
    for row in moved.tolist():
        target = int.from_bytes(rows.flat[rows.start[row] : rows.end[row]][:4].tobytes(), "little")
        number = target >> 8
        found = (0, 0)
        if rows.end[row] - rows.start[row] >= 4 and number < db.count:
            page = db.page(number)
            found = slot(page, target & 0xFF) if page[0] == 1 else found
            parts.append(np.frombuffer(page[found[0] : found[1]], np.uint8))
        rows.start[row], rows.end[row] = size, size + found[1] - found[0]
        size += found[1] - found[0]
        if size > _MOST:
            raise CorruptSource(f"points at more than {_MOST} bytes of moved rows in {len(rows.flat)} bytes of pages", path=db.path)
    rows.flat = np.concatenate(parts)
    return rows.take(kept)


def _variable(record: bytes, index: int) -> bytes:
    """Return the bytes of the column of that place among those of variable width; the row stands without its mask of nulls."""
    try:
        count = struct.unpack_from("<H", record, len(record) - 2)[0]
        if index >= count:
            return b""
        start, stop = (struct.unpack_from("<H", record, len(record) - 4 - 2 * place)[0] for place in (index, index + 1))
    except struct.error:
        return b""
    return record[start:stop]


def _text(data: bytes) -> str:
    """Return text stored as UTF-16, or with its zero bytes left out (after FF FE; a zero byte toggles)."""
    if data[:2] != b"\xff\xfe":
        return data.decode("utf-16-le", "replace")
    whole, at, short = bytearray(), 2, True
    while at < len(data):
        if data[at] == 0:
            short, at = not short, at + 1
        elif short:
            whole += bytes((data[at], 0))
            at += 1
        else:
            whole += data[at : at + 2]
            at += 2
    return whole.decode("utf-16-le", "replace")


def records(db: Database, table: Definition, limit: int) -> Iterator[dict[str, Any]]:
    """Yield up to `limit` rows of a small table as dicts of what is not null, in stored order."""
    numbers, _ = db.owned(table)
    for number in numbers.tolist():
        rows = rows_of(db, np.array([number], np.int64))
        if rows.damaged:
            raise CorruptSource(f"a page of table {table.name} cannot be read", path=db.path, offset=number * PAGE)
        columns: dict[str, list[Any]] = {}
        for column in table.columns:
            if column.fixed and column.kind in FIXED:
                values, nulls = rows.values(column)
                columns[column.name] = [None if null else value for value, null in zip(values.tolist(), nulls.tolist(), strict=True)]
            elif column.kind == TEXT:
                columns[column.name] = list(rows.texts(column))
        for row in range(min(len(rows), limit)):
            yield {name: values[row] for name, values in columns.items() if values[row] is not None}
        limit -= min(len(rows), limit)
        if not limit:
            return
