"""Rows made of segments: which columns they fill, what was seen before, and the step that is open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from bdx import canon
from bdx.canon import Chunk
from bdx.mapping import Context
from bdx.mapping.row_lists import RowLists
from bdx.mapping.segment_nodes import Nodes
from bdx.mapping.vocabulary import UNKNOWN_STEP, Step
from bdx.spec import Facts

COLUMNS: dict[str, tuple[str, ...]] = {
    "process_step": (
        *(
            "step_run_id",
            "parent_step_run_id",
            "step_code",
            "step_name_raw",
            "step_seq",
            "order_id",
            "response_id",
            "product_definition_id",
        ),
        *(
            "equipment_id",
            "site_id",
            "operator_ref",
            "started_at",
            "ended_at",
            "tz_basis",
            "started_raw",
            "ended_raw",
            "state",
            "step_type",
        ),
        *("qty_in", "qty_good", "qty_scrap", "qty_unit", "locator", "extra"),
    ),
    "process_parameter": (
        *("step_run_id", "item_id", "parameter_code", "parameter_name_raw", "role", "value_num", "value_text", "unit", "value_raw"),
        *("unit_raw", "condition", "index", "quality", "group_path", "locator", "extra"),
    ),
    "item": (
        *("item_id", "item_kind", "granularity", "lot_id", "serial_number", "material_definition_id", "name", "produced_by_step_run_id"),
        *("produced_at", "quantity", "quantity_unit", "quantity_raw", "mass_kg", "storage_location", "locator", "extra"),
    ),
    "genealogy": (
        *("input_item_id", "output_item_id", "relation", "step_run_id", "quantity", "unit", "occurred_at", "match_basis", "is_estimated"),
        "locator",
    ),
    "quality_result": (
        *("result_id", "item_id", "step_run_id", "characteristic_code", "characteristic_name_raw", "value_num", "value_text", "unit"),
        *("value_raw", "unit_raw", "condition", "verdict", "verdict_raw", "measured_at", "locator", "extra"),
    ),
    "equipment": ("equipment_id", "parent_equipment_id", "level", "class_id", "name", "locator", "extra"),
}

_SPELLINGS = 1_024
"""Words of one kind that are known as they are written."""


class Seen:
    """Remembers identifiers by their hash; after `limit` new ones the older half is forgotten, so memory is bounded.

    A forgotten identifier counts as new again: its row is written once more, with the same content.
    """

    def __init__(self, limit: int = 2_000_000) -> None:
        self._half = limit // 2
        self._young: set[int] = set()
        self._old: set[int] = set()

    def add(self, name: str) -> bool:
        """Say whether the identifier is new, and remember it."""
        key = hash(name)
        if key in self._young:
            return False
        known = key in self._old
        self._young.add(key)
        if len(self._young) >= self._half:
            self._old, self._young = self._young, set()
        return not known

    def __contains__(self, name: str) -> bool:
        key = hash(name)
        return key in self._young or key in self._old


class Run(RowLists):
    """One pass over one source: the rows so far, what was seen before, and the step that is open."""

    def __init__(self, facts: Facts, context: Context, columns: Mapping[str, tuple[str, ...]] = COLUMNS) -> None:
        super().__init__(context, columns)
        self.facts = facts
        self.nodes = Nodes(facts, context.log, context.source)
        self.action = ""
        self.closed: list[Chunk] = []
        self._forget()
        self.locator = ""
        self.step_id = ""
        self.step: Step = UNKNOWN_STEP
        self.ended: int | None = None
        self._words: dict[str, dict[str, str]] = {
            kind: {word.casefold(): canonical for canonical, words in facts[kind].items() for word in words}
            for kind in ("states", "types", "verdicts", "uses", "dispositions")
            if kind in facts
        }

    def turn(self, action: str) -> None:
        """Begin a message that corrects, or one after it: identifiers it repeats are not repeated ones, they are the same records."""
        if action != self.action:
            self.closed.extend(self.chunks())
        self.action = action
        self._forget()

    def _forget(self) -> None:
        self.seen_steps, self.seen_items, self.made_items, self.raw_items, self.seen_equipment = Seen(), Seen(), Seen(), Seen(), Seen()

    def _batch(self, name: str, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        """Return rows as a batch; those of a message that corrects say so.

        What a step only mentions is not what it corrects: its equipment, and items that it did not make.
        """
        batch = super()._batch(name, rows)
        if not self.action or name == "equipment":
            return batch
        place = batch.schema.get_field_index("record_action")
        said: list[str | None] = [self.action] * len(rows)
        if name == "item":
            said = [self.action if made else None for made in batch.column("produced_by_step_run_id").is_valid().to_pylist()]
        return batch.set_column(place, batch.schema.field(place), pa.array(said, batch.schema.field(place).type))

    def open_step(self, step_id: str, step: Step, ended: int | None) -> None:
        """Set the step that the next rows belong to."""
        self.step_id, self.step, self.ended = step_id, step, ended

    def word(self, kind: str, raw: str | None, table: str, column: str, unknown: str | None) -> str | None:
        """Return the canonical word for one as written, `unknown` with a remark where there is none, None for none."""
        if raw is None or not raw or raw.isspace():
            return None
        known = self._words[kind]
        found = known.get(raw)
        if found is not None:
            return found
        found = known.get(raw.strip().casefold())
        if found is None:
            self.values.remarks.note("M056", table, column, raw, self.locator)
            return unknown
        if len(known) < _SPELLINGS:
            known[raw] = found
        return found

    def add_equipment(self, here: str, parent: str | None, level: str | None, kind: str | None, name: str | None, extra: Any) -> bool:
        """Add a piece of equipment at its first mention; says whether this was the first."""
        if not self.seen_equipment.add(here):
            return False
        stored = canon.dumps(extra) if extra else None
        self.rows["equipment"].append((here, parent, level, kind, name, self.locator, stored))
        return True

    def longest(self) -> int:
        """Return the rows of the longest table."""
        return max(map(len, self.rows.values()))
