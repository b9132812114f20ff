"""One canonical table as JSON lines: an object per row, numbers as numbers, decimals and times as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.canon import Chunk, Part
from bdx.errors import BdxError, SourceError, did_you_mean
from bdx.formats.canonical import WriteOptions, as_parts, single_table, source_id_of
from bdx.formats.rows_cells import EXPECTED, KEY_FROM, joined_bytes, parse, text_of
from bdx.formats.rows_header import choose, exact
from bdx.formats.source import HEAD_BYTES, Source
from bdx.spec import Column, FormatSpec

LINES = 4096
"""Lines held at a time: an object of a battery is some hundred times its share of a column."""

_WORDS = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}


def read(source: Source, format_spec: FormatSpec) -> Iterator[Part]:
    """Yield one part per batch, named by its canonical table."""
    return as_parts(read_chunks(source, format_spec))


def sniff(head: bytes, _format_spec: FormatSpec) -> bool:
    """Say whether the first line is an object whose keys are canonical names, for the better part; extra_* count for neither."""
    try:
        keys = [key for key in _keys(head) if not key.startswith("extra_")]
    except BdxError:
        return False
    return exact(keys) >= 2 and exact(keys) * 2 >= len(keys)


def read_chunks(source: Source, _format_spec: FormatSpec) -> Iterator[Chunk]:
    """Yield the rows as chunks of the canonical table their keys name.

    A sparse table has the columns met in the first 64 KiB. A value of another type is null and finding F001; a key that
    is not of the table is a loss; a line that is not an object is finding F006.
    Raises: SourceError where no table fits the keys.
    """
    keys = _keys(source.head, source.uri)
    table = choose(keys, source.uri, PurePath(source.uri).stem)
    builder = _Builder(table, keys, source)
    empty = True
    for rows, numbers in _objects(source):
        empty = False
        yield {table: builder.batch(rows, numbers)}
    if empty:
        yield {table: builder.batch([], [])}


def _keys(head: bytes, uri: str = "") -> list[str]:
    """Return the keys of the objects in the head, in the order they were met."""
    lines = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    found: dict[str, None] = {}
    for line in lines if len(head) < HEAD_BYTES else lines[:-1] or lines:
        row = _object(line)
        if isinstance(row, dict):
            found.update(dict.fromkeys(row))
        elif line.strip() and not found:
            break
    if not found:
        raise SourceError("does not start with a line that is a JSON object", path=uri)
    return list(found)


def _object(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _objects(source: Source) -> Iterator[tuple[list[dict[str, Any]], list[int]]]:
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    with source.stream() as raw:
        for number, line in enumerate(raw, 1):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if not text.strip():
                continue
            row = _object(text)
            if not isinstance(row, dict):
                shown = text[:60].decode("utf-8", "replace").strip()
                source.log.find("F006", source=source.uri, row=number, locator=f"line {number}", value=shown)
                continue
            rows.append(row)
            numbers.append(number)
            if len(rows) == LINES:
                yield rows, numbers
                rows, numbers = [], []
    if rows:
        yield rows, numbers


class _Builder:
    """Makes canonical batches of objects."""

    def __init__(self, table: str, keys: list[str], source: Source) -> None:
        facts = spec.table(table)
        self._table = table
        self._source = source
        self._columns = [column for column in facts.columns if column.name in keys or not facts.sparse]
        self._extra = [key for key in keys if facts.sparse and key.startswith("extra_")]
        self._known = {*(column.name for column in self._columns), *self._extra}
        self._numeric = self._numeric_extras()

    def _numeric_extras(self) -> set[str]:
        rows = [row for row in map(_object, self._source.head.split(b"\n")) if isinstance(row, dict)]
        values = {key: [row[key] for row in rows if row.get(key) is not None] for key in self._extra}
        return {key for key, met in values.items() if met and all(_is_number(value) for value in met)}

    def batch(self, rows: list[dict[str, Any]], numbers: list[int]) -> pa.RecordBatch:
        """Return the canonical batch of some objects."""
        for row in rows:
            if not row.keys() <= self._known:
                self._lose(row)
        known = {column.name: self._array(column, rows, numbers) for column in self._columns}
        extra: dict[str, tuple[pa.Array, dict[str, str]]] = {}
        for key in self._extra:
            extra[key] = (self._array(Column(key, "float64" if key in self._numeric else "string"), rows, numbers), {})
        if self._table == "battery":
            known["battery_key"] = self._keys(known, numbers)
        return canon.batch(self._table, known, extra)

    def _keys(self, known: dict[str, pa.Array], numbers: list[int]) -> pa.Array:
        made = pa.array([f"{source_id_of(self._source)}:{number}" for number in numbers], pa.string())
        return pc.coalesce(*(known[name] for name in ("battery_key", *KEY_FROM)), made)

    def _lose(self, row: dict[str, Any]) -> None:
        facts = spec.table(self._table)
        for key in row.keys() - self._known:
            if row[key] is not None:
                why = f"table {self._table} has no such column{did_you_mean(key, facts.by_name)}"
                if key in facts.by_name or key.startswith("extra_"):
                    why = "the column does not appear in the first 64 KiB"
                self._source.log.lose(self._source.uri, f"key '{key}'", why)

    def _array(self, column: Column, rows: list[dict[str, Any]], numbers: list[int]) -> pa.Array:
        target = canon.TYPES[column.type]
        values = [row.get(column.name) for row in rows]
        try:
            if column.type in ("string", "int32", "int64", "bool", "strings") or _all_numbers(column, values):
                found = pa.array(values, target)
                return parse(found, column) if column.enum else found
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass  # at least one value is of another type: each is looked at as text
        text = pa.array([_text(value) for value in values], pa.string())
        found = parse(text, column)
        self._report(column, text, found, numbers)
        return found

    def _report(self, column: Column, text: pa.Array, found: pa.Array, numbers: list[int]) -> None:
        lost = text.is_valid().to_numpy(zero_copy_only=False) & found.is_null().to_numpy(zero_copy_only=False)
        bad = [int(place) for place in np.flatnonzero(lost)]
        if bad:
            self._source.log.find(
                "F001",
                source=self._source.uri,
                table=self._table,
                column=column.name,
                row=numbers[bad[0]],
                locator=f"line {numbers[bad[0]]}",
                count=len(bad),
                value=text[bad[0]].as_py(),
                examples=[numbers[place] for place in bad[:5]],
                expected=EXPECTED[column.type],
            )


def _is_number(value: Any) -> bool:
    return (isinstance(value, (int, float)) and not isinstance(value, bool)) or value in ("NaN", "Infinity", "-Infinity")


def _all_numbers(column: Column, values: list[Any]) -> bool:
    return column.type == "float64" and all(value is None or type(value) in (int, float) for value in values)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        return canon.dumps(value)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def write_chunks(chunks: Iterable[Chunk], sink: BinaryIO, _format_spec: FormatSpec, options: WriteOptions) -> None:
    """Write one table as JSON lines; nulls stand in the first line, which thereby declares the columns, and in sparse tables.

    Raises: SinkError where there is nothing to write or a time cannot be told in text.
    """
    begun = False
    for batch in single_table(chunks, options, "JSON lines"):
        sparse = spec.table(canon.table_of(batch.schema)).sparse
        if not begun:
            sink.write(_lines(batch.slice(0, 1), nulls=True))
        for start in range(0 if begun else 1, batch.num_rows, canon.BATCH_ROWS):
            sink.write(_lines(batch.slice(start, canon.BATCH_ROWS), nulls=sparse))
        begun = begun or batch.num_rows > 0


def _lines(batch: pa.RecordBatch, *, nulls: bool) -> bytes:
    """Return the rows as objects; each cell is made as `,"key":value`, the first comma becomes the brace."""
    cells = []
    for field, array in zip(batch.schema, batch.columns, strict=True):
        if array.null_count == len(array) and not nulls:
            continue
        key = "," + orjson.dumps(field.name).decode() + ":"
        cell = pc.binary_join_element_wise(key, _values(array, field), "")
        cells.append(pc.fill_null(cell, key + "null" if nulls else ""))
    if not cells:
        return bytes(b"{}\n" * int(batch.num_rows))
    joined = pc.binary_join_element_wise(*cells, "")
    return joined_bytes(pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(joined, 1), "}\n", ""))


def _values(array: pa.Array, field: pa.Field) -> pa.Array:
    """Return a column as JSON text, null where it is null."""
    kind = array.type
    if pa.types.is_string(kind):
        coded = array.dictionary_encode()
        quoted = [orjson.dumps(text).decode() for text in coded.dictionary.to_pylist()]
        return pa.array(quoted, pa.string()).take(coded.indices)
    text = text_of(array, field)
    if pa.types.is_floating(kind):
        # JSON has no word for these three; they are written as text.
        place = pc.index_in(text, value_set=pa.array(list(_WORDS)), skip_nulls=True)
        return pc.coalesce(pa.array(list(_WORDS.values())).take(place), text) if place.null_count < len(place) else text
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_list(kind):
        return text
    return pc.binary_join_element_wise('"', text, '"', "")
