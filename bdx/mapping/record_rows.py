"""Rows made of records: which columns they fill beside those of segments, times, and places that are only mentioned."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast

import pyarrow as pa

from bdx import canon
from bdx.mapping import Context
from bdx.mapping.segment_nodes import Node, first, many
from bdx.mapping.segment_rows import COLUMNS, Run
from bdx.mapping.segment_values import Values
from bdx.spec import Facts

MORE: dict[str, tuple[str, ...]] = {
    "process_step": (),
    "process_parameter": ("measured_at", "equipment_id", "tz_basis", "record_action"),
    "item": ("status", "disposition", "sublot_id", "material_class", "effective_from", "effective_to", "record_action"),
    "genealogy": ("record_action",),
    "quality_result": ("expires_at", "spec_id", "spec_version", "method", "record_action"),
    "equipment": ("manufacturer", "model", "serial_number", "physical_asset_id", "valid_from", "valid_to", "record_action"),
}
_MENTIONS = 100_000


class RecordRun(Run):
    """One pass over the records of a source; rows are those of segments, widened by the columns of `MORE`."""

    def __init__(self, facts: Facts, context: Context, values: Values) -> None:
        super().__init__(facts, context, {table: columns + MORE[table] for table, columns in COLUMNS.items()})
        self.values = values
        self.step_id = cast("str", None)  # records belong to no step
        self.mentioned: dict[str, tuple[Any, ...]] = {}

    def _batch(self, name: str, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        return super(Run, self)._batch(name, rows)

    @property
    def said(self) -> str | None:
        """What the message asks for, as a row says it."""
        return self.action or None

    def widen(self, table: str, start: int, *more: Any) -> None:
        """Give the rows from `start` on, made as those of segments, the values of the further columns."""
        rows = self.rows[table]
        rows[start:] = [row + more for row in rows[start:]]

    def carry(self, table: str, at: int, extra: dict[str, Any]) -> None:
        """Add to what a row keeps beside its columns."""
        if not extra:
            return
        place = self._columns[table].index("extra")
        row = self.rows[table][at]
        known = json.loads(row[place]) if row[place] else {}
        self.rows[table][at] = (*row[:place], canon.dumps({**extra, **known}), *row[place + 1 :])

    def stamp(self, node: Node, name: str, table: str, column: str, extra: dict[str, Any]) -> int | None:
        """Return the time an element tells; its text is kept where it cannot be told from that alone."""
        raw = first(node, name)
        if not raw or raw.isspace():
            return None
        moment, _ = self.values.time(raw, table, column, self.locator)
        if moment is None or not is_plain(moment, raw):
            extra[name] = raw.strip()
        return moment

    def add_equipment(self, here: str, parent: str | None, level: str | None, kind: str | None, name: str | None, extra: Any) -> bool:
        """Remember a place that is mentioned; it becomes a row in the end if no record describes it."""
        if here in self.mentioned or here in self.seen_equipment or len(self.mentioned) >= _MENTIONS:
            return False
        self.mentioned[here] = (here, parent, level, kind, name, self.locator, canon.dumps(extra) if extra else None)
        return True

    def scope(self, node: Node) -> str | None:
        """Return the innermost place of a hierarchy scope; its places are mentioned."""
        place: str | None = None
        scope: Any = next(iter(many(node, "HierarchyScope")), None)
        while isinstance(scope, dict):
            inner = self.nodes.named(scope)
            here = self.values.identifier(first(inner, "EquipmentID"), "equipment", "equipment_id", self.locator)
            if here:
                self.add_equipment(here, place, (first(inner, "EquipmentElementLevel") or "").strip() or None, None, None, None)
                place = here
            scope = next(iter(many(inner, "HierarchyScope")), None)
        return place

    def places(self) -> None:
        """Add the places that were mentioned and not described."""
        for here, row in self.mentioned.items():
            if self.seen_equipment.add(here):
                self.rows["equipment"].append(row + (None,) * len(MORE["equipment"]))
        self.mentioned = {}


def is_plain(moment: int, raw: str) -> bool:
    """Say whether a text is how a time in UTC is written, so that nothing of it is lost."""
    written = datetime.fromtimestamp(moment // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return raw.strip() == f"{written}Z" and moment % 1_000_000 == 0
