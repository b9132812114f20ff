"""A map of names: rows of names that mean the same item, as a cycler, a factory and a laboratory call it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Log
from bdx.errors import CorruptSource, SourceError, UsageError
from bdx.formats import flat_sheets
from bdx.formats.flat_head import separator_of, text_head
from bdx.formats.source import Source
from bdx.formats.xlsx_book import Workbook
from bdx.names import shortened
from bdx.pipeline.name_hashes import hashes, hashes_of

_ITEM = ("serial_number", "serial", "battery_id", "passport_id", "item_id", "item", "cell_id", "seriennummer")
"""Headers of the column that says which item a row is of, the plainest first."""

_ROWS = 65_536
_MOST_TOLD = 5
_SHEET_ROWS = 1 << 21


@dataclass(slots=True)
class _Rows:
    """The names of a map by column, and the line each row stands on."""

    headers: list[str]
    columns: list[pa.Array]
    lines: Any


class Ids:
    """Which names mean one item; `of` gives the other names of a name, `first` the one all of them are known by.

    Names of files count with and without their endings. Held as numbers and plain texts: some 50 bytes for a name.
    """

    def __init__(self, uri: str, rows: _Rows) -> None:
        self._uri = uri
        self._rows = rows
        place = _item_column(rows)
        self._groups, labels = _groups(rows, place)
        texts = pa.concat_arrays([column.drop_null() for column in rows.columns]) if rows.columns else pa.array([], pa.string())
        owners = np.concatenate([self._groups[_filled(column)] for column in rows.columns] or [np.zeros(0, np.int64)])
        numbers = hashes(texts)
        order = np.argsort(numbers, kind="stable")
        self._numbers, self._owners, self._texts = numbers[order], owners[order], texts.take(pa.array(order))
        self._labels, self._label_numbers = labels, hashes(labels)
        self._used = np.zeros(len(labels), np.bool_)
        self._refuse_conflicts()

    def first(self, name: str) -> str:
        """Return the name by which an item is known, the name itself where the map does not hold it."""
        group = self._group(name)
        return name if group is None else str(self._labels[group].as_py())

    def known(self, names: Sequence[str]) -> dict[str, str]:
        """Return of many names those that the map holds, each with the one its item is known by."""
        numbers = hashes_of(names)
        at = np.minimum(np.searchsorted(self._numbers, numbers), max(len(self._numbers) - 1, 0))
        met = np.flatnonzero(self._numbers[at] == numbers) if len(self._numbers) else np.zeros(0, np.int64)
        return {names[place]: self.first(names[place]) for place in met.tolist() if self._group(names[place]) is not None}

    def all_of(self, name: str) -> list[str]:
        """Return all names of the item that a name means."""
        group = self._group(name)
        if group is None:
            return []
        return self._texts.filter(pa.array(self._owners == group)).to_pylist()  # type: ignore[no-any-return]

    def of_file(self, uri: str) -> str:
        """Return the item that a file is of by its name; empty where the map does not hold it."""
        path = PurePath(uri.replace("\\", "/"))
        stems = [path.name[: found.start()] for found in re.finditer(r"\.", path.name) if found.start()]
        for name in (uri, path.name, *reversed(stems)):
            if self._group(name) is not None:
                return self.first(name)
        return ""

    def firsts(self, numbers: Any) -> Any:
        """Return hashes of names with those of mapped ones replaced by the hash of the name their item is known by."""
        at = np.minimum(np.searchsorted(self._numbers, numbers), max(len(self._numbers) - 1, 0))
        if not len(self._numbers):
            return numbers
        met = (self._numbers[at] == numbers) & (numbers != 0)
        groups = self._owners[at]
        self._used[groups[met]] = True
        return np.where(met, self._label_numbers[groups], numbers)

    def tell(self, log: Log) -> None:
        """Tell how many rows name nothing that any source spoke of."""
        idle = np.flatnonzero(~self._used[self._groups]) if len(self._labels) else np.zeros(0, np.int64)
        if len(idle):
            row = int(idle[0])
            names = " = ".join(text for column in self._rows.columns if (text := column[row].as_py()))
            facts: dict[str, Any] = {
                "rows": f"{len(self._groups):,}",
                "value": names,
                "locator": f"line {self._rows.lines[row]}",
                "count": len(idle),
            }
            log.find("M067", source=self._uri, **facts)

    def _group(self, name: str) -> int | None:
        if not name or not len(self._numbers):
            return None
        number = hashes_of([name])[0]
        at = int(np.searchsorted(self._numbers, number))
        while at < len(self._numbers) and self._numbers[at] == number:
            if self._texts[at].as_py() == name:
                self._used[self._owners[at]] = True
                return int(self._owners[at])
            at += 1
        return None

    def _refuse_conflicts(self) -> None:
        """Raise UsageError where one name stands in rows of two items."""
        same = (self._numbers[1:] == self._numbers[:-1]) & (self._owners[1:] != self._owners[:-1])
        suspects = np.flatnonzero(same)
        told: dict[str, None] = {}
        for at in suspects.tolist():
            one, other = self._texts[at].as_py(), self._texts[at + 1].as_py()
            if one == other:
                told.setdefault(one)
        if not told:
            return
        parts = []
        for name in list(told)[:_MOST_TOLD]:
            places = np.zeros(len(self._groups), np.bool_)
            for column in self._rows.columns:
                places |= np.asarray(pc.fill_null(pc.equal(column, name), False).to_numpy(zero_copy_only=False), np.bool_)
            rows = np.flatnonzero(places)
            owners = self._groups[rows]
            shown = [int(rows[np.flatnonzero(owners == group)[0]]) for group in dict.fromkeys(owners.tolist())]
            items = " and ".join(f"{self._labels[int(self._groups[row])].as_py()} (line {self._rows.lines[row]})" for row in shown)
            parts.append(f"'{shortened(name, 60)}' names {items}")
        more = f"; and {len(told) - _MOST_TOLD:,} more names" if len(told) > _MOST_TOLD else ""
        raise UsageError(f"--ids {self._uri}: one name for two items: {'; '.join(parts)}{more}")


def read_ids(path: str) -> Ids:
    """Return the map of names that a file holds: CSV, TSV, XLSX, JSON lines or a JSON list; a header and two columns or more.

    The column of a header such as serial_number, battery_id or item_id says which item a row is of, else the first column by
    which no name is that of two items; several rows may add names to one item.
    Raises: UsageError where one name is that of two items, and for fewer than two columns; SourceError where it cannot be read.
    """
    source = Source(path)
    if source.is_directory or not source.head.strip():
        raise SourceError("is a folder" if source.is_directory else "is empty; expected a table of names", path=path)
    start = source.head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    rows = _gathered(_sheet(source) if flat_sheets.is_workbook(source.head) else _json(source) if start in b"{[" else _text(source), path)
    filled = [place for place, column in enumerate(rows.columns) if column.null_count < len(column)]
    if len(filled) < 2:
        raise UsageError(f"--ids {path}: expected two columns of names or more, found {len(filled)}")
    rows = _Rows([rows.headers[place] for place in filled], [rows.columns[place] for place in filled], rows.lines)
    return Ids(path, rows)


def _gathered(stream: Iterator[tuple[int, Sequence[str]]], path: str) -> _Rows:
    """Return rows of cells by column; the first is the header.

    Raises: SourceError where there is none.
    """
    first = next(stream, None)
    if first is None:
        raise SourceError("holds no rows; expected a header and names", path=path)
    headers = [cell.strip() for cell in first[1]]
    pieces: list[list[pa.Array]] = [[] for _ in headers]
    lines: list[int] = []
    held: list[Sequence[str]] = []

    def put() -> None:
        for place, column in enumerate(pieces):
            cells = (row[place].strip() if place < len(row) else "" for row in held)
            column.append(pa.array([cell or None for cell in cells], pa.large_string()))
        held.clear()

    for line, cells in stream:
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(headers) :]):
            raise CorruptSource(f"has {len(cells)} cells, expected {len(headers)}", path=path, offset=f"line {line}")
        lines.append(line)
        held.append(cells)
        if len(held) == _ROWS:
            put()
    put()
    return _Rows(headers, [pa.concat_arrays(column) for column in pieces], np.array(lines, np.int64))


def _text(source: Source) -> Iterator[tuple[int, Sequence[str]]]:
    head = text_head(source, {})
    with io.TextIOWrapper(source.stream(), head.encoding, newline="") as text:
        reader = csv.reader(text, delimiter=separator_of(head, {}), strict=True)
        try:
            for cells in reader:
                if any(cells):
                    cells[0] = cells[0].removeprefix("\ufeff")
                    yield reader.line_num, cells
        except (csv.Error, UnicodeDecodeError) as error:
            raise CorruptSource(f"is no table of names: {error}", path=source.uri, offset=f"line {reader.line_num + 1}") from error


def _sheet(source: Source) -> Iterator[tuple[int, Sequence[str]]]:
    with source.seekable() as file:
        book = Workbook(file, source.uri)
        name = next(iter(book.sheets), None)
        if name is not None:
            found = flat_sheets.first_rows(book, name, _SHEET_ROWS)
            yield from zip(found.numbers, found.rows, strict=True)


def _json(source: Source) -> Iterator[tuple[int, Sequence[str]]]:
    headers: dict[str, int] = {}
    rows: list[tuple[int, dict[str, Any]]] = []
    for line, value in _objects(source):
        if not isinstance(value, dict):
            raise CorruptSource(f"is {type(value).__name__}, expected an object of names", path=source.uri, offset=f"line {line}")
        for name in value:
            headers.setdefault(str(name), len(headers))
        rows.append((line, value))
    yield 1, list(headers)
    for line, value in rows:
        yield line, [_cell(value.get(name), source.uri, line) for name in headers]


def _objects(source: Source) -> Iterator[tuple[int, Any]]:
    with source.stream() as stream:
        data = stream.read().removeprefix(b"\xef\xbb\xbf")
    line = 0
    try:
        if data.lstrip()[:1] == b"[":
            yield from enumerate(json.loads(data), 1)
            return
        for line, text in enumerate(data.split(b"\n"), 1):
            if text.strip():
                yield line, json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptSource(f"is not JSON: {error}", path=source.uri, offset=f"line {line}" if line else None) from error


def _cell(value: Any, uri: str, line: int) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool) or not isinstance(value, int):
        raise CorruptSource(f"holds {shortened(str(value), 40)}, expected names as text", path=uri, offset=f"line {line}")
    return str(value)


def _item_column(rows: _Rows) -> int:
    """Return the column that says which item a row is of: by its header, else the first by which no name is that of two items."""
    folded = [re.sub(r"[^a-z0-9]+", "_", header.casefold()).strip("_") for header in rows.headers]
    named = next((folded.index(word) for word in _ITEM if word in folded), None)
    if named is not None:
        return named
    return next((place for place in range(len(rows.columns)) if not _torn(rows, place)), 0)


def _torn(rows: _Rows, place: int) -> bool:
    """Say whether some name stands in rows of two items, were the items those of this column."""
    groups, _ = _groups(rows, place)
    numbers = np.concatenate([hashes(column)[_filled(column)] for column in rows.columns])
    owners = np.concatenate([groups[_filled(column)] for column in rows.columns])
    order = np.lexsort((owners, numbers))
    numbers, owners = numbers[order], owners[order]
    return bool(((numbers[1:] == numbers[:-1]) & (owners[1:] != owners[:-1])).any())


def _groups(rows: _Rows, place: int) -> tuple[Any, pa.Array]:
    """Return the item of each row by number, and the name of each item; a row without a name in the column is an item by itself."""
    column = rows.columns[place]
    others: Iterable[pa.Array] = (other for number, other in enumerate(rows.columns) if number != place)
    named = pc.coalesce(column, *others)
    encoded = named.dictionary_encode()
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int64), encoded.dictionary


def _filled(column: pa.Array) -> Any:
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_)
