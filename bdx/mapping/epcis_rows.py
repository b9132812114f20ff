"""Rows made of events: which columns of the canonical tables an event can fill."""

from __future__ import annotations

from typing import Any

from bdx.mapping import Context
from bdx.mapping.row_lists import RowLists

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


class Rows(RowLists):
    """The rows made of the events of one source."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, COLUMNS)

    def add(self, table: str, *row: Any) -> None:
        """Add a row, its values in the order of COLUMNS."""
        self.rows[table].append(row)

    def note(self, code: str, table: str, column: str, value: object, locator: str) -> None:
        """Count a fault."""
        self.values.remarks.note(code, table, column, str(value), locator)

    def full(self) -> bool:
        """Say whether the rows are worth a chunk."""
        return any(len(rows) >= _WORTH for rows in self.rows.values())
