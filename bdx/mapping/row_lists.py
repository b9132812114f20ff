"""Rows under construction: one list of tuples per canonical table, turned into chunks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from bdx import canon
from bdx.canon import Chunk
from bdx.mapping import Context
from bdx.mapping.segment_values import Values


class RowLists:
    """The rows of one source so far; `values` parses single values and counts what is odd about them.

    `columns` names the columns of each table's tuples; every row gets the id of the source besides.
    """

    def __init__(self, context: Context, columns: Mapping[str, tuple[str, ...]]) -> None:
        self.context = context
        self.values = Values(context)
        self.rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in columns}
        self._columns = columns

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows so far, in pieces no longer than a batch may be, and start anew."""
        size = canon.BATCH_ROWS
        rows, self.rows = self.rows, {name: [] for name in self._columns}
        for start in range(0, max(map(len, rows.values())), size):
            yield {name: self._batch(name, found[start : start + size]) for name, found in rows.items() if len(found) > start}

    def _batch(self, name: str, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        columns: dict[str, Any] = {}
        for column, values in zip(self._columns[name], zip(*rows, strict=True), strict=True):
            columns[column] = _array(values, canon.field_of(name, column).type)
        columns["source_id"] = pa.repeat(pa.scalar(self.context.source_id, pa.string()), len(rows))
        return canon.batch(name, columns)

    def tell(self) -> None:
        """Hand the remarks of the pass to the log."""
        self.values.remarks.tell(self.context.log, self.context.source)


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    """Return a column; nothing or one text all along is not looked at row by row."""
    value = values[0]
    if value is None and values.count(None) == len(values):
        return pa.nulls(len(values), kind)
    if type(value) is str and value == values[-1] and values.count(value) == len(values):
        return pa.repeat(pa.scalar(value, kind), len(values))
    return pa.array(values, kind)
