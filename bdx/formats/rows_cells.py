"""Cells of text to canonical columns and back: columnar, exact, a cell that cannot be read is told and never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec, units
from bdx.errors import SinkError, UsageError
from bdx.spec import Column

EXPECTED = {
    "int32": "a whole number",
    "int64": "a whole number",
    "float64": "a number",
    "decimal": "a decimal number",
    "bool": "true or false",
    "date": "a date as 2026-03-31 or 31.03.2026",
    "timestamp": "a time with its zone as 2026-03-31T12:00:00Z",
    "local_timestamp": "a time without zone as 2026-03-31T12:00:00",
    "strings": 'a list as ["a", "b"]',
}
KEY_FROM = ("serial_number", "battery_id", "passport_id")
"""Where a battery without a key takes it from, in this order; else it is named after its source and row."""

_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")
_NUMERIC = r"[0-9]|(?i:nan|inf)"
_YEARS = (-62_135_596_800_000_000, 253_402_300_799_999_999)
"""Years 1 to 9999 in microseconds: the times that ISO 8601 text can tell."""


def parse(cells: pa.StringArray, column: Column, decimal: str = ".", unit: str = "") -> pa.Array:
    """Return the values of one column of text; null where a cell is null or cannot be read as the column's type.

    Units: a number written in `unit` is converted to the unit of the column.
    """
    target = canon.TYPES[column.type]
    if column.type in ("string", "json"):
        return _enum(cells, column.enum) if column.enum else cells
    if column.type == "strings":
        return _lists(cells)
    if column.type == "bool":
        return _bools(cells)
    if unit:
        return _converted(_numbers(cells, pa.float64(), decimal), unit, column)
    if column.type in ("date", "timestamp", "local_timestamp"):
        return _times(cells, column.type, target)
    return _numbers(cells, target, decimal)


def _numbers(cells: pa.StringArray, target: pa.DataType, decimal: str) -> pa.Array:
    if decimal == ".":
        try:
            return cells.cast(target)
        except pa.ArrowInvalid:
            pass  # at least one cell is odd: blanks, a plus sign, a word
    text = pc.utf8_trim_whitespace(cells)
    text = pc.if_else(pc.match_substring_regex(text, _NUMERIC), text, None)
    if decimal == ",":
        # Beside a decimal comma a point may mean thousands: 1.234 is left unread.
        text = pc.replace_substring(pc.if_else(pc.match_substring(text, "."), None, text), ",", ".")
    text = pc.replace_substring_regex(text, r"^\+", "")
    if pa.types.is_integer(target):
        text = pc.replace_substring_regex(text, r"\.0*$", "")
    return cast_or_null(text, target)


def cast_or_null(text: pa.Array, target: pa.DataType) -> pa.Array:
    """Return the values cast, null where a single one cannot be; good stretches are cast whole."""
    try:
        return text.cast(target)
    except pa.ArrowInvalid:
        if len(text) == 1:
            return pa.nulls(1, target)
    half = len(text) // 2
    return pa.concat_arrays([cast_or_null(text.slice(0, half), target), cast_or_null(text.slice(half), target)])


def _converted(values: pa.Array, unit: str, column: Column) -> pa.Array:
    scale, offset = units.factor(unit, column.unit)
    # Multiply, then divide: 36500 mV / 1000 is 36.5, where 36500 * 0.001 may be off by one in the last place.
    found = pc.divide(pc.multiply(values, float(scale.numerator)), float(scale.denominator))
    if offset:
        found = pc.add(found, float(offset))
    target = canon.TYPES[column.type]
    if pa.types.is_integer(target):
        return pc.if_else(pc.equal(found, pc.round(found)), pc.round(found), None).cast(target)
    return found if target == pa.float64() else found.cast(target)


def _bools(cells: pa.StringArray) -> pa.Array:
    folded = pc.utf8_lower(pc.utf8_trim_whitespace(cells))
    place = pc.index_in(folded, value_set=pa.array([*_TRUE, *_FALSE]), skip_nulls=True)
    return pc.less(place, len(_TRUE))


def _times(cells: pa.StringArray, kind: str, target: pa.DataType) -> pa.Array:
    try:
        return cells.cast(target)
    except pa.ArrowInvalid:
        pass  # at least one cell is written otherwise
    text = pc.utf8_trim_whitespace(cells)
    text = pc.if_else(pc.match_substring_regex(text, r"^[0-9]"), text, None)
    if kind == "date":
        text = pc.replace_substring_regex(text, r"^([0-9])\.", r"0\1.")
        text = pc.replace_substring_regex(text, r"\.([0-9])\.", r".0\1.")
        text = pc.replace_substring_regex(text, r"^([0-9]{2})\.([0-9]{2})\.([0-9]{4})$", r"\3-\2-\1")
        text = pc.replace_substring_regex(text, r"[T ]00:00(:00)?(\.0+)?$", "")
    return cast_or_null(text, target)


def in_zone(cells: pa.StringArray, zone: str) -> pa.Array:
    """Return the moments of dates with a time of day but no zone, taken in a zone; null for other cells and hours that a clock skips.

    Raises: UsageError for a zone nobody knows.
    """
    text = pc.utf8_trim_whitespace(cells)
    text = pc.replace_substring_regex(text, r"^([0-9]{2})\.([0-9]{2})\.([0-9]{4})", r"\3-\2-\1")
    text = pc.if_else(pc.match_substring_regex(text, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{1,2}:[0-9]{2}[0-9:.]*$"), text, None)
    naive = cast_or_null(text, pa.timestamp("us"))
    try:
        found = pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="earliest")
        skipped = pc.not_equal(pc.local_timestamp(found), naive)
    except pa.ArrowInvalid as error:
        raise UsageError(f"--assume-tz: no zone '{zone}' is known") from error
    return pc.if_else(skipped, None, found).cast(canon.TYPES["timestamp"])


def _lists(cells: pa.StringArray) -> pa.Array:
    found: list[list[str] | None] = []
    for cell in cells.to_pylist():
        text = (cell or "").strip()
        if not text.startswith("["):
            found.append([text] if text else None)
            continue
        try:
            values = orjson.loads(text)
        except orjson.JSONDecodeError:
            values = None
        good = isinstance(values, list) and all(value is None or isinstance(value, str) for value in values)
        found.append(values if good else None)
    return pa.array(found, pa.list_(pa.string()))


def _enum(cells: pa.StringArray, allowed: Sequence[str]) -> pa.Array:
    """Return the cells with the allowed values in their own spelling, whatever case or blanks they were written in."""
    coded = cells.dictionary_encode()
    folded = {_fold(value): value for value in allowed}
    names = [value if value in allowed else folded.get(_fold(value), value) for value in coded.dictionary.to_pylist()]
    return pa.array(names, pa.string()).take(coded.indices)


def _fold(text: str) -> str:
    return "_".join(text.casefold().replace("-", " ").replace("_", " ").split())


def lines(batch: pa.RecordBatch) -> bytes:
    """Return the rows of a batch as lines of comma-separated cells: null is empty, an empty text is quoted.

    Raises: SinkError for a time that ISO 8601 text cannot tell.
    """
    cells = [_quoted(text_of(array, field)) if _is_text(array) else text_of(array, field) for field, array in _pairs(batch)]
    cells = [pc.fill_null(cell, "") for cell in cells]
    cells[-1] = pc.binary_join_element_wise(cells[-1], "\n", "")
    joined = pc.binary_join_element_wise(*cells, ",") if len(cells) > 1 else cells[0]
    return joined_bytes(joined)


def joined_bytes(text: pa.StringArray) -> bytes:
    """Return the texts of an array one after the other, which is how it holds them."""
    if not len(text):
        return b""
    _, offsets, data = text.buffers()
    ends = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1]
    return bytes(data[int(ends[0]) : int(ends[-1])])


def _pairs(batch: pa.RecordBatch) -> list[tuple[pa.Field, pa.Array]]:
    return list(zip(batch.schema, batch.columns, strict=True))


def _is_text(array: pa.Array) -> bool:
    return bool(pa.types.is_string(array.type) or pa.types.is_list(array.type) or pa.types.is_large_string(array.type))


def _quoted(text: pa.Array) -> pa.Array:
    needs = pc.match_substring_regex(text, '[",\r\n]|^$')
    if not pc.any(needs).as_py():
        return text
    wrapped = pc.binary_join_element_wise('"', pc.replace_substring(text, '"', '""'), '"', "")
    return pc.if_else(needs, wrapped, text)


def text_of(array: pa.Array, field: pa.Field) -> pa.Array:
    """Return a column as text: shortest numbers that read back the same, ISO 8601 times, lists as JSON.

    Raises: SinkError for a time that ISO 8601 text cannot tell.
    """
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        _check_years(array, field.name)
        text = pc.replace_substring(array.cast(pa.string()), " ", "T")
        return pc.replace_substring_regex(text, r"\.0+(Z?)$", r"\1")
    if pa.types.is_decimal(kind):
        text = array.cast(pa.string())
        text = pc.replace_substring_regex(text, r"^(-?[0-9]+)(\.[0-9]*?)0+(E[-+]?[0-9]+)?$", r"\1\2\3")
        return pc.replace_substring_regex(pc.replace_substring_regex(text, r"\.(E|$)", r"\1"), r"^-?0E.*$", "0")
    if pa.types.is_list(kind):
        return pa.array([None if row is None else orjson.dumps(row).decode() for row in array.to_pylist()], pa.string())
    return array.cast(pa.string())


def _check_years(array: pa.Array, name: str) -> None:
    if array.null_count == len(array):
        return
    moments: Any = array.cast(pa.timestamp("us")) if pa.types.is_date(array.type) else array
    span = pc.min_max(moments.cast(pa.int64()))
    if span["min"].as_py() < _YEARS[0] or span["max"].as_py() > _YEARS[1]:
        raise SinkError(f"column {name} holds a time outside the years 1 to 9999, which text cannot tell")


@cache
def column(table: str, name: str) -> Column:
    """Return the facts of a column; those of a vendor column (extra_*) are its name and a type of text."""
    return spec.table(table).by_name.get(name) or Column(name, "string")
