"""Rows of production as far as lineage needs them: columns picked and encoded batch by batch, identifiers numbered at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bdx import canon

EDGE_TEXTS = ("relation", "unit", "match_basis", "role", "source_id")
EDGE_NUMBERS = ("quantity", "occurred_at", "removed_at", "position_index", "in_from_m", "in_to_m", "out_from_m", "out_to_m")
ITEM_FACTS = (
    *(
        "item_kind",
        "granularity",
        "lot_id",
        "sublot_id",
        "serial_number",
        "material_definition_id",
        "name",
        "supplier_id",
        "supplier_lot_id",
    ),
    *("gtin", "global_asset_id", "electrode", "grade", "quantity", "quantity_unit", "status", "disposition", "produced_at"),
    *("produced_by_step_run_id", "source_id"),
)
STEP_FACTS = ("step_code", "step_name_raw", "equipment_id", "order_id", "started_at", "ended_at", "result")

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "genealogy": ("input_item_id", "output_item_id", "step_run_id", "is_estimated", "record_action", *EDGE_TEXTS, *EDGE_NUMBERS),
    "item": ("item_id", "record_action", *ITEM_FACTS),
    "process_step": ("step_run_id", "record_action", *STEP_FACTS),
}
"""Table -> the columns lineage reads; everything else is left in the file."""

_CODES = pa.dictionary(pa.int32(), pa.string())


class Rows:
    """The rows of all sources in the order they came; texts are held as dictionaries."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, list[pa.Array]]] = {table: {name: [] for name in names} for table, names in COLUMNS.items()}
        self.counts = dict.fromkeys(COLUMNS, 0)

    def take(self, table: str, batch: pa.RecordBatch) -> None:
        """Keep what is needed of a batch of one table; other tables and columns are passed over."""
        held = self._held.get(table)
        if held is None or not batch.num_rows:
            return
        self.counts[table] += batch.num_rows
        for name, chunks in held.items():
            kind = canon.field_of(table, name).type
            place = batch.schema.get_field_index(name)
            array = batch.column(place) if place >= 0 else None
            if array is None or array.null_count == len(array):
                # Without values a column takes no room.
                array = pa.nulls(batch.num_rows)
            elif kind == pa.string() and not pa.types.is_dictionary(array.type):
                array = array.dictionary_encode()
            chunks.append(array)

    def column(self, table: str, name: str) -> pa.ChunkedArray:
        """Return a column of all batches, texts with a dictionary of their own each; of type null where it has no value."""
        kind, chunks = canon.field_of(table, name).type, self._held[table][name]
        if all(chunk.type == pa.null() for chunk in chunks):
            return pa.chunked_array(chunks, pa.null())
        kind = _CODES if kind == pa.string() else kind
        return pa.chunked_array([pa.nulls(len(chunk), kind) if chunk.type == pa.null() else chunk for chunk in chunks], kind)

    def codes(self, table: str, name: str) -> tuple[Any, list[str]]:
        """Return the numbers of the words of a column, -1 for null, and the words."""
        return codes_of(_unified(self.column(table, name)))

    def numbers(self, table: str, name: str) -> Any:
        """Return a column as a numpy array; null numbers are NaN, null times the lowest, null truths False."""
        column = self.column(table, name)
        if column.type == pa.null():
            column = column.cast(canon.field_of(table, name).type)
        if pa.types.is_timestamp(column.type):
            return column.cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy()
        if pa.types.is_boolean(column.type):
            return column.fill_null(False).to_numpy()
        return column.cast(pa.float64()).fill_null(float("nan")).to_numpy()

    def table(self, table: str, names: Sequence[str]) -> pa.Table:
        """Return columns side by side, each text column with one dictionary."""
        return pa.table({name: _unified(self.column(table, name)) for name in names}).combine_chunks()

    def drop(self, table: str) -> None:
        """Forget the rows of a table."""
        self._held[table] = {name: [] for name in self._held[table]}

    def coded(self, *columns: tuple[str, str]) -> tuple[list[Any], pa.Array]:
        """Return the numbers of the texts of several columns in one dictionary, -1 for null, and the dictionary."""
        chunked = [self.column(table, name) for table, name in columns]
        chunked = [column.cast(_CODES) if column.type == pa.null() else column for column in chunked]
        whole = pa.chunked_array([chunk for column in chunked for chunk in column.chunks], _CODES).unify_dictionaries()
        words = whole.chunk(0).dictionary if whole.num_chunks else pa.array([], pa.string())
        found, first = [], 0
        for column in chunked:
            chunks = whole.chunks[first : first + column.num_chunks]
            first += column.num_chunks
            parts = [chunk.indices.fill_null(-1).to_numpy() for chunk in chunks]
            found.append(np.concatenate(parts) if parts else np.zeros(0, np.int32))
        return found, words


def _unified(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column


def codes_of(column: pa.ChunkedArray | pa.Array) -> tuple[Any, list[str]]:
    """Return the numbers of a dictionary column, -1 for null, and its words."""
    if column.type == pa.null():
        return np.full(len(column), -1, np.int32), []
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], _CODES)
    return array.indices.fill_null(-1).to_numpy(), array.dictionary.to_pylist()
