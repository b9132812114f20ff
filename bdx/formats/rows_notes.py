"""Rows between the header and the records of a sheet that explain the columns: units, meanings, allowed words, remarks."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from bdx import spec
from bdx.formats.rows_cells import parse
from bdx.formats.rows_header import Heading, fold

MOST = 5
"""Rows below a header that may explain it."""

_LEAST = 2


def notes(cells: pa.RecordBatch, headings: Sequence[Heading], table: str, decimal: str) -> int:
    """Return how many of the first rows of text explain the columns and are no records.

    One that begins with "# " does; so does one whose cells repeat what the columns are called or mean, and one in which none of at
    least two cells under columns of numbers, dates or fixed words can be read.
    """
    facts = spec.table(table)
    head = cells.slice(0, MOST)
    rows = [{name: text for name, text in row.items() if text and text.strip()} for row in head.to_pylist()]
    columns = [facts.by_name.get(heading.column) for heading in headings]
    read: dict[str, list[object]] = {}
    for name, heading, column in zip(head.schema.names, headings, columns, strict=True):
        if column is not None and (column.enum or column.type not in ("string", "strings", "json")):
            values = parse(head.column(name), column, decimal, heading.unit).to_pylist()
            read[name] = [None if column.enum and value not in column.enum else value for value in values]
    described = {name: _described(column) for name, column in zip(head.schema.names, columns, strict=True) if column is not None}
    for number, row in enumerate(rows):
        first = next(iter(row.values()), "")
        typed = [name for name in row if name in read]
        unread = [name for name in typed if read[name][number] is None]
        echoes = [name for name, text in row.items() if fold(text) in described.get(name, ())]
        if not (first.startswith("# ") or len(echoes) >= _LEAST or (len(unread) >= _LEAST and len(unread) == len(typed))):
            return number
    return len(rows)


def _described(column: spec.Column) -> set[str]:
    """Return what a row of explanations may say of a column, folded."""
    return {fold(text) for text in (column.meaning, column.label, column.name) if text}
