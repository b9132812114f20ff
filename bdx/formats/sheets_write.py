"""Canonical tables as a workbook: a sheet for each, cells a person can read and edit, and what a sheet cannot hold named."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk
from bdx.formats.canonical import WriteOptions, workspace
from bdx.formats.families import wanted_batches
from bdx.formats.rows_cells import text_of
from bdx.formats.xlsx_write import (
    DATE,
    MOST_COLUMNS,
    MOST_LETTERS,
    MOST_ROWS,
    PLAIN,
    TEXT,
    Head,
    SheetOut,
    bool_cells,
    date_cells,
    number_cells,
    text_cells,
    write_book,
)
from bdx.spec import FormatSpec

_STEP = 8192
"""Rows made ready at a time: a row of texts may be long."""

_EPOCH = 25_569
"""Day number of 1970-01-01 in a workbook."""

_FIRST_DAY = (date(1900, 3, 1) - date(1970, 1, 1)).days
"""Before it, workbooks count a day that never was."""

_EXACT = 2**53
_DIGITS = 15


def write_chunks(chunks: Iterable[Chunk], sink: BinaryIO, _format_spec: FormatSpec, options: WriteOptions) -> None:
    """Write every table of every chunk as a sheet of its name; `options.table` limits it to one.

    Rows beyond the last of a sheet, columns beyond the last, texts longer than a cell and empty texts are losses.
    Raises: SinkError where there is nothing to write or a time cannot be told in text.
    """
    sheets: dict[str, SheetOut] = {}
    try:
        for table, batch in wanted_batches(chunks, options):
            if table not in sheets:
                sheets[table] = SheetOut(table)
            for start in range(0, batch.num_rows, _STEP):
                _append(sheets[table], table, batch.slice(start, _STEP), options)
            if not batch.num_rows:
                _places(sheets[table], table, batch, options)
        ordered = [sheets[table] for table in spec.tables() if table in sheets]
        with workspace(sink) as file:
            write_book(ordered, file)
    finally:
        for sheet in sheets.values():
            sheet.close()


def _append(sheet: SheetOut, table: str, batch: pa.RecordBatch, options: WriteOptions) -> None:
    room = MOST_ROWS - sheet.rows
    if batch.num_rows > room:
        options.lose(
            table, batch.num_rows - room, f"a sheet holds {MOST_ROWS:,} rows below its header; Parquet or a dataset folder holds all"
        )
        batch = batch.slice(0, room)
    places = _places(sheet, table, batch, options)
    columns = []
    for field, array in zip(batch.schema, batch.columns, strict=True):
        if field.name in places and array.null_count < len(array):
            columns.append((places[field.name], _cells(array, field, table, options)))
    if batch.num_rows:
        sheet.append(columns, batch.num_rows)


def _places(sheet: SheetOut, table: str, batch: pa.RecordBatch, options: WriteOptions) -> dict[str, int]:
    """Return the place of each column; one that was not met before stands behind the others."""
    known = {head.name: place for place, head in enumerate(sheet.heads)}
    found: dict[str, int] = {}
    for field, array in zip(batch.schema, batch.columns, strict=True):
        head = _head(table, field)
        if head.name not in known:
            if len(known) == MOST_COLUMNS:
                why = f"a sheet holds {MOST_COLUMNS:,} columns; Parquet or a dataset folder holds all"
                options.log.lose(options.source, f"column {table}.{field.name}", why, len(array) - array.null_count)
                continue
            known[head.name] = len(sheet.heads)
            sheet.heads.append(head)
        found[field.name] = known[head.name]
    return found


def _head(table: str, field: pa.Field) -> Head:
    """Return the header of a column; a vendor column of numbers carries its unit, as in `extra_x [degC]`."""
    column = spec.table(table).by_name.get(field.name)
    if column is not None:
        return head_of(column)
    unit = (field.metadata or {}).get(b"bdx.unit", b"").decode("utf-8", "replace")
    number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    return Head(f"{field.name} [{unit}]" if unit and number else field.name, PLAIN if number else TEXT)


def head_of(column: spec.Column) -> Head:
    """Return the header of a canonical column: how its cells are shown, and the words it takes."""
    styles = {"date": DATE, "bool": PLAIN, "decimal": PLAIN, "float64": PLAIN, "int32": PLAIN, "int64": PLAIN}
    return Head(column.name, styles.get(column.type, TEXT), words=column.enum)


def _cells(array: pa.Array, field: pa.Field, table: str, options: WriteOptions) -> pa.Array:
    """Return a column as cells; where a number or a day does not fit what a workbook counts with, its text stands there."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return bool_cells(array)
    if pa.types.is_date(kind):
        days = array.cast(pa.int32())
        shown = date_cells(pc.add(days, pa.scalar(_EPOCH, pa.int32())).cast(pa.string()))
        return pc.if_else(pc.less(days, _FIRST_DAY), text_cells(text_of(array, field)), shown)
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_finite(array), number_cells(array.cast(pa.string())), text_cells(array.cast(pa.string())))
    if pa.types.is_integer(kind):
        text = array.cast(pa.string())
        exact = pc.and_(pc.less_equal(array, _EXACT), pc.greater_equal(array, -_EXACT))
        return pc.if_else(exact, number_cells(text), text_cells(text))
    if pa.types.is_decimal(kind):
        text = text_of(array, field)
        digits = pc.utf8_length(pc.replace_substring_regex(pc.replace_substring_regex(text, "[-.]|E.*$", ""), "^0+", ""))
        return pc.if_else(pc.less_equal(digits, _DIGITS), number_cells(text), text_cells(text))
    return text_cells(_holdable(text_of(array, field), field.name, table, options))


def _holdable(text: pa.Array, column: str, table: str, options: WriteOptions) -> pa.Array:
    """Return texts a cell can hold; longer ones and empty ones are null and a loss."""
    sizes = pc.fill_null(pc.utf8_length(text), 1).to_numpy(zero_copy_only=False)
    long, empty = sizes > MOST_LETTERS, sizes == 0
    if long.any():
        why = f"a cell of a workbook holds {MOST_LETTERS:,} letters; Parquet or a dataset folder holds all"
        options.log.lose(options.source, f"texts of {table}.{column}", why, int(long.sum()))
    if empty.any() and column != "locator":  # no place says as much as an empty one
        options.log.lose(options.source, f"empty texts of {table}.{column}", "an empty cell of a workbook means no value", int(empty.sum()))
    return pc.if_else(pa.array(np.logical_or(long, empty)), None, text) if long.any() or empty.any() else text
