"""Access databases (Jet 4, ACE): their pages, catalogue and definitions of tables, read without any database software."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from bdx.errors import CorruptSource, SourceError, TruncatedSource, UnsupportedVersion

PAGE = 4096
Pages = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

_NAMES = (b"Standard Jet DB", b"Standard ACE DB")
_VERSIONS = {0: "Jet 3 (Access 97)"}
_NEWEST = 6
_MASKED = (0x18, 128)
_MASK = bytes((0xC7, 0xDA, 0x39, 0x6B))
_DATA, _DEFINITION, _USAGE = 1, 2, 5
_COLUMN = 25
_CHAIN = 64
_RUN = 1024
"""Pages read at once."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: where its value stands in a row. `offset` counts from the first byte after the row's own column count."""

    name: str
    kind: int
    id: int
    fixed: bool
    offset: int
    variable: int


@dataclass(frozen=True, slots=True)
class Definition:
    """One table: its definition page, the rows it says it has, where its map of pages stands, and its columns."""

    name: str
    page: int
    rows: int
    map: tuple[int, int]
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column | None:
        """Return the column of that name in any case, or None."""
        return next((column for column in self.columns if column.name.casefold() == name.casefold()), None)


class Database:
    """An opened database. `missing` says how many bytes of its last page are not there; `count` counts whole pages.

    Raises: UnsupportedVersion for versions before Access 2000, later than known, or with encoded pages; CorruptSource.
    """

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self.path = path
        size = file.seek(0, 2)
        self.size = size
        self.count = size // PAGE
        file.seek(0)
        head = file.read(PAGE)
        if head[:4] != b"\0\1\0\0" or head[4:19] not in _NAMES:
            raise CorruptSource("does not start as an Access database; expected 'Standard Jet DB'", path=path, offset=4)
        if len(head) < PAGE:
            raise TruncatedSource(f"ends within its first page of {PAGE} bytes", path=path, offset=size)
        self.version = head[20]
        if self.version in _VERSIONS or self.version > _NEWEST:
            known = _VERSIONS.get(self.version, f"version {self.version}")
            raise UnsupportedVersion(f"is an Access database of {known}; read are Access 2000 to 2019", path=path, offset=20)
        start, length = _MASKED
        plain = _unmask(head[start : start + length])
        if any(plain[0x3E - start : 0x42 - start]):
            raise UnsupportedVersion("has encoded pages (an encrypted database); save a copy without encryption", path=path, offset=0x3E)

    def page(self, number: int, kind: int | None = None) -> bytes:
        """Return one page.

        Raises: TruncatedSource beyond the end of the file; CorruptSource where the page is not of that kind.
        """
        if not 0 <= number < self.count:
            raise TruncatedSource(f"names page {number}; the file holds {self.count}", path=self.path, offset=self.size)
        self._file.seek(number * PAGE)
        data = self._file.read(PAGE)
        if kind is not None and data[0] != kind:
            raise CorruptSource(f"is a page of kind {data[0]}; expected {kind}", path=self.path, offset=number * PAGE)
        return data

    def pages(self, numbers: Numbers) -> Pages:
        """Return pages in the order of ascending numbers. Shape: (pages, 4096)."""
        found = np.empty((len(numbers), PAGE), np.uint8)
        breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
        for start, stop in zip([0, *breaks.tolist()], [*breaks.tolist(), len(numbers)], strict=True):
            if start == stop:
                continue
            self._file.seek(int(numbers[start]) * PAGE)
            data = self._file.read((stop - start) * PAGE)
            if len(data) < (stop - start) * PAGE:
                raise TruncatedSource("ends while it is read", path=self.path, offset=int(numbers[start]) * PAGE + len(data))
            found[start:stop] = np.frombuffer(data, np.uint8).reshape(-1, PAGE)
        return found

    def define(self, name: str, page: int) -> Definition:
        """Return the definition of the table whose definition starts on that page.

        Raises: CorruptSource, TruncatedSource.
        """
        data, following, seen = b"", page, 0
        while following:
            part = self.page(following, _DEFINITION)
            data += part if not data else part[8:]
            following = int.from_bytes(part[4:8], "little")
            seen += 1
            if seen > _CHAIN:
                raise CorruptSource(
                    f"the definition of table {name} runs over more than {_CHAIN} pages", path=self.path, offset=page * PAGE
                )
        try:
            return _definition(name, page, data)
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise CorruptSource(f"the definition of table {name} cannot be read: {error}", path=self.path, offset=page * PAGE) from error

    def owned(self, table: Definition) -> tuple[Numbers, int]:
        """Return the data pages of a table, ascending, and the number of pages it names beyond the end of the file.

        The table's own map of pages is used; where the map is damaged, every page of the file is asked for its owner.
        """
        try:
            named = self._map(*table.map)
        except SourceError:
            named = np.arange(self.count, dtype=np.int64)
        here = named[named < self.count]
        found = [np.empty(0, np.int64)]
        for start in range(0, len(here), _RUN):
            part = here[start : start + _RUN]
            heads = self.pages(part)[:, :8]
            owners = np.ascontiguousarray(heads[:, 4:8]).view("<u4")[:, 0]
            found.append(part[(heads[:, 0] == _DATA) & (owners == table.page)])
        return np.concatenate(found), len(named) - len(here)

    def _map(self, row: int, page: int) -> Numbers:
        """Return the page numbers whose bits are set in a map of pages."""
        data = self.page(page, _DATA)
        start, end = slot(data, row)
        record = data[start:end]
        if len(record) < 5 or record[0] > 1:
            raise CorruptSource("holds no map of pages", path=self.path, offset=page * PAGE + start)
        if record[0] == 0:
            return int.from_bytes(record[1:5], "little") + _bits(record[5:])
        parts = [np.empty(0, np.int64)]
        for index, (at,) in enumerate(struct.iter_unpack("<I", record[1 : 1 + (len(record) - 1) // 4 * 4])):
            if at:
                parts.append(index * (PAGE - 4) * 8 + _bits(self.page(at, _USAGE)[4:]))
        return np.concatenate(parts)


def slot(page: bytes, row: int) -> tuple[int, int]:
    """Return where a row of a data page starts and ends; (0, 0) where there is no such row."""
    count = int.from_bytes(page[12:14], "little")
    if row >= count or 14 + 2 * count > PAGE:
        return 0, 0
    start = int.from_bytes(page[14 + 2 * row : 16 + 2 * row], "little") & 0x1FFF
    end = int.from_bytes(page[12 + 2 * row : 14 + 2 * row], "little") & 0x1FFF if row else PAGE
    return (start, end) if 14 + 2 * count <= start <= end <= PAGE else (0, 0)


def _bits(data: bytes) -> Numbers:
    return np.flatnonzero(np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")).astype(np.int64)


def _definition(name: str, page: int, data: bytes) -> Definition:
    rows = struct.unpack_from("<I", data, 16)[0]
    width = struct.unpack_from("<H", data, 45)[0]
    indexes = struct.unpack_from("<I", data, 51)[0]
    place = data[55], int.from_bytes(data[56:59], "little")
    at = 63 + indexes * 12
    entries = []
    for _ in range(width):
        kind, number, variable = data[at], *struct.unpack_from("<HH", data, at + 5)
        flags, offset = data[at + 15], struct.unpack_from("<H", data, at + 21)[0]
        entries.append((kind, number, bool(flags & 1), offset, variable))
        at += _COLUMN
    columns = []
    for kind, number, fixed, offset, variable in entries:
        length = struct.unpack_from("<H", data, at)[0]
        text = data[at + 2 : at + 2 + length]
        if len(text) < length:
            raise IndexError("it ends within the names of columns")
        columns.append(Column(text.decode("utf-16-le"), kind, number, fixed, offset, variable))
        at += 2 + length
    return Definition(name, page, rows, place, tuple(sorted(columns, key=lambda column: column.id)))


def _unmask(data: bytes) -> bytes:
    """Return the part of the first page that every Access file hides by RC4 under one known key."""
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + _MASK[i % len(_MASK)]) & 255
        state[i], state[j] = state[j], state[i]
    plain = bytearray()
    i = j = 0
    for byte in data:
        i = (i + 1) & 255
        j = (j + state[i]) & 255
        state[i], state[j] = state[j], state[i]
        plain.append(byte ^ state[(state[i] + state[j]) & 255])
    return bytes(plain)
