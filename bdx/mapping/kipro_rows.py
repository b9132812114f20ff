"""Rows made of process runs: which columns of the canonical tables they fill, and what was met before."""

from __future__ import annotations

from typing import Any

from bdx.mapping import Context
from bdx.mapping.row_lists import RowLists
from bdx.mapping.segment_rows import Seen

COLUMNS: dict[str, tuple[str, ...]] = {
    "process_step": (
        *("step_run_id", "step_code", "step_name_raw", "step_seq", "response_id", "product_definition_id", "equipment_id", "operator_ref"),
        *("started_at", "ended_at", "tz_basis", "started_raw", "ended_raw", "state", "recipe_id", "recorded_at", "locator", "extra"),
    ),
    "process_parameter": (
        *("step_run_id", "item_id", "parameter_code", "parameter_name_raw", "role", "value_num", "value_text", "unit", "value_raw"),
        *("unit_raw", "index", "quality", "equipment_id", "statistic", "locator", "extra"),
    ),
    "item": (
        *("item_id", "item_kind", "granularity", "material_definition_id", "name", "produced_by_step_run_id", "produced_at", "quantity"),
        *("quantity_unit", "quantity_raw", "locator", "extra"),
    ),
    "genealogy": (
        *("input_item_id", "output_item_id", "relation", "step_run_id", "occurred_at", "match_basis", "is_estimated", "role", "locator"),
        "extra",
    ),
    "quality_result": (
        *("item_id", "step_run_id", "characteristic_code", "characteristic_name_raw", "value_num", "value_text", "unit", "value_raw"),
        *("unit_raw", "measured_at", "characteristic_type", "locator", "extra"),
    ),
    "equipment": ("equipment_id", "class_id", "locator", "extra"),
}

_WORTH = 16_384
"""Rows of one table that make a chunk."""


class Rows(RowLists):
    """The rows made of the runs of one source."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, COLUMNS)
        self.nodes = Seen()
        self.tools = Seen()

    def add(self, table: str, *row: Any) -> None:
        """Add a row, its values in the order of COLUMNS."""
        self.rows[table].append(row)

    def note(self, code: str, table: str, column: str, value: object, locator: str, count: int = 1) -> None:
        """Count a fault."""
        self.values.remarks.note(code, table, column, str(value), locator, count)

    def full(self) -> bool:
        """Say whether the rows are worth a chunk."""
        return any(len(rows) >= _WORTH for rows in self.rows.values())
