"""Rows made of events: one list of tuples per canonical table, turned into chunks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from bdx import canon
from bdx.canon import Chunk
from bdx.mapping import Context
from bdx.mapping.segment_values import Values

COLUMNS: dict[str, tuple[str, ...]] = {
    "process_step": (
        *("step_run_id", "step_code", "step_name_raw", "step_seq", "order_id", "equipment_id", "site_id", "ended_at", "tz_basis"),
        *("ended_raw", "state", "step_type", "qty_in", "qty_good", "qty_unit", "recorded_at", "result", "locator", "extra"),
    ),
    "process_parameter": (
        *("step_run_id", "item_id", "parameter_code", "parameter_name_raw", "role", "value_num", "value_text", "unit", "value_raw"),
        *("unit_raw", "condition", "measured_at", "quality", "equipment_id", "statistic", "value_bool", "tz_basis", "locator", "extra"),
    ),
    "item": (
        *("item_id", "granularity", "lot_id", "serial_number", "name", "material_definition_id", "produced_by_step_run_id", "produced_at"),
        *("quantity", "quantity_unit", "quantity_raw", "status", "gtin", "locator"),
    ),
    "genealogy": (
        *("input_item_id", "output_item_id", "relation", "step_run_id", "quantity", "unit", "occurred_at", "match_basis", "is_estimated"),
        *("removed_at", "locator"),
    ),
    "quality_result": (
        *("item_id", "step_run_id", "characteristic_code", "characteristic_name_raw", "value_num", "value_text", "unit", "value_raw"),
        *("unit_raw", "condition", "measured_at", "characteristic_type", "gage_id", "tz_basis", "locator", "extra"),
    ),
    "equipment": ("equipment_id", "parent_equipment_id", "level", "gln", "locator"),
}

_WORTH = 16_384
"""Rows of one table that make a chunk: what waits in lists weighs far more than in Arrow."""


class Rows:
    """The rows of one source so far; `values` parses single values and counts what is odd about them."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.values = Values(context)
        self.rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in COLUMNS}

    def add(self, table: str, *row: Any) -> None:
        """Add a row, its values in the order of COLUMNS."""
        self.rows[table].append(row)

    def note(self, code: str, table: str, column: str, value: object, locator: str) -> None:
        """Count a fault."""
        self.values.remarks.note(code, table, column, str(value), locator)

    def full(self) -> bool:
        """Say whether the rows are worth a chunk."""
        return any(len(rows) >= _WORTH for rows in self.rows.values())

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows so far, in pieces no longer than a batch may be, and start anew."""
        size = canon.BATCH_ROWS
        rows, self.rows = self.rows, {name: [] for name in COLUMNS}
        for start in range(0, max(map(len, rows.values())), size):
            yield {name: self._batch(name, found[start : start + size]) for name, found in rows.items() if len(found) > start}

    def _batch(self, name: str, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        columns: dict[str, Any] = {}
        for column, values in zip(COLUMNS[name], zip(*rows, strict=True), strict=True):
            columns[column] = pa.array(values, canon.field_of(name, column).type)
        columns["source_id"] = pa.array([self.context.source_id] * len(rows), pa.string())
        return canon.batch(name, columns)

    def tell(self) -> None:
        """Hand the remarks of the pass to the log."""
        self.values.remarks.tell(self.context.log, self.context.source)
