"""Rows made of batch records: which columns they fill, the record that is open, and how its elements are named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from bdx import spec
from bdx.canon import Chunk
from bdx.mapping import Context
from bdx.mapping.row_lists import RowLists
from bdx.mapping.segment_nodes import Node, Nodes, first, leaf, many
from bdx.mapping.segment_results import Results
from bdx.mapping.segment_rows import COLUMNS as SEGMENT_COLUMNS
from bdx.mapping.segment_rows import Run
from bdx.spec import Facts

COLUMNS: dict[str, tuple[str, ...]] = {
    "process_step": (
        *("step_run_id", "parent_step_run_id", "step_code", "step_name_raw", "step_seq", "product_definition_id", "equipment_id"),
        *("operator_ref", "started_at", "ended_at", "tz_basis", "started_raw", "ended_raw", "state", "step_type", "recipe_id"),
        *("recipe_version", "recorded_at", "locator", "extra"),
    ),
    "process_parameter": (
        *("step_run_id", "item_id", "parameter_code", "parameter_name_raw", "role", "value_num", "value_text", "unit", "value_raw"),
        *("unit_raw", "condition", "index", "measured_at", "tz_basis", "quality", "group_path", "equipment_id", "locator", "extra"),
    ),
    "item": (
        *("item_id", "item_kind", "granularity", "lot_id", "material_definition_id", "name", "produced_by_step_run_id", "quantity"),
        *("quantity_unit", "quantity_raw", "locator", "extra"),
    ),
    "genealogy": ("input_item_id", "output_item_id", "relation", "step_run_id", "match_basis", "is_estimated", "locator"),
    "quality_result": (
        *("result_id", "item_id", "step_run_id", "characteristic_code", "characteristic_name_raw", "value_num", "value_text", "unit"),
        *("value_raw", "unit_raw", "verdict", "verdict_raw", "verdict_source", "measured_at", "measured_raw", "tz_basis", "gage_id"),
        *("method", "expires_at", "locator", "extra"),
    ),
    "test": ("test_id", "item_id", "step_run_id", "started_at", "current_sign", "extra"),
}


class Batch(RowLists):
    """One pass over one source: the rows so far, and the steps and the item of the record that is open."""

    def __init__(self, facts: Facts, context: Context) -> None:
        super().__init__(context, COLUMNS)
        self.facts = facts
        self.nodes = Nodes(facts, context.log, context.source)
        self.run = Run(spec.facts("mappings", facts["segments"]), context)
        self.run.values = self.values
        self.parameters = Results(self.run)
        self.locator = ""
        self.steps: dict[int, str] = {}
        self.references: dict[str, str] = {}
        self.beside: dict[str, list[Any]] = {}
        self.words = {
            kind: {word.casefold(): name for name, words in facts[kind].items() for word in words}
            for kind in ("states", "verdicts", "qualities", "series")
        }

    def at(self, locator: str) -> None:
        """Set the place that the next rows stand at."""
        self.locator = self.run.locator = locator

    def flat(self, node: Node) -> Node:
        """Return an element under the names of the newest version, with what its header says as if it said it itself."""
        header = node.get("Header")
        if isinstance(header, dict):
            node = {**header, **{name: value for name, value in node.items() if name != "Header"}}
        return self.named(node)

    def named(self, node: Node) -> Node:
        """Return an element under the names of the newest version; one without an identifier goes by that of its entry."""
        found = self.nodes.named(node)
        if "EntryID" not in found or "ID" in found:
            return found
        return {"ID" if name == "EntryID" else name: value for name, value in found.items()}

    def identifier(self, node: Node, name: str, table: str, column: str) -> str | None:
        """Return the text of the first child of that name as an identifier."""
        return self.values.identifier(first(node, name), table, column, self.locator)

    def item(self, levels: list[Node]) -> tuple[str | None, Node]:
        """Return the lot that a record or recipe makes, by its lot or else its batch, and the element that says so."""
        for node in levels:
            found = self.identifier(node, "LotID", "item", "item_id") or self.identifier(node, "BatchID", "item", "item_id")
            if found:
                return found, node
        return None, {}

    def step_of(self, ordinal: int, node: Node, above: list[dict[str, Any]]) -> str:
        """Return the identifier of the step that an element is; elements around it get theirs first."""
        known = self.steps.get(ordinal)
        if known is not None:
            return known
        outer = ""
        if above:
            last = above[-1]
            outer = self.step_of(last["ordinal"], self.flat(last["said"]), above[:-1])
        stated = self.identifier(node, "ID", "process_step", "step_run_id")
        if stated is None:
            self.values.remarks.note("M052", "process_step", "step_run_id", "", self.locator)
            name = f"{outer or self.context.source_id}:{'element' if above else 'record'}-{ordinal}"
        else:
            batch = self.item([self.flat(level["said"]) for level in above])[0] if above else None
            # Names of recipe elements are those of the recipe: without the batch, all its batches would share them.
            own = not above or stated.startswith(outer) or bool(batch and stated.startswith(batch))
            name = stated if own else f"{outer}/{stated}"
            if not self.run.seen_steps.add(name):
                self.values.remarks.note("M051", "process_step", "step_run_id", name, self.locator)
                name = f"{name}#{ordinal}"
            if len(self.references) < self.facts["limits"]["references"]:
                self.references.setdefault(stated, name)
        self.steps[ordinal] = name
        return name

    def referred(self, node: Node, name: str, otherwise: str) -> tuple[str, str | None]:
        """Return the step that an element refers to, the whole batch where that is not known; and the reference if it is not."""
        stated = self.identifier(node, name, "process_step", "step_run_id")
        if not stated:
            return otherwise, None
        found = self.references.get(stated)
        if found is None:
            self.values.remarks.note("M093", "process_step", "step_run_id", stated, self.locator)
            return otherwise, stated
        return found, None

    def word(self, kind: str, raw: str | None, table: str, column: str, unknown: str | None) -> str | None:
        """Return the canonical word for one as written, `unknown` with a remark where there is none."""
        if raw is None or not raw.strip():
            return None
        found = self.words[kind].get(raw.strip().casefold())
        if found is None:
            self.values.remarks.note("M056", table, column, raw, self.locator)
        return found or unknown

    def equipment(self, node: Node, extra: dict[str, Any]) -> str | None:
        """Return the first equipment an element names, else the scope it states; adds all of it, as part of the scope."""
        scope = self.identifier(node, "EquipmentScope", "equipment", "equipment_id")
        if scope:
            self.run.add_equipment(scope, None, None, None, None, None)
        found: str | None = None
        for raw in many(node, "EquipmentID"):
            here = self.values.identifier(leaf(raw), "equipment", "equipment_id", self.locator)
            if not here:
                continue
            self.run.add_equipment(here, scope if scope != here else None, None, None, None, None)
            if found is None:
                found = here
            else:
                extra.setdefault("EquipmentID", []).append(here)
        return found or scope

    def collect(self) -> None:
        """Take over the parameters that the mapping of segments has made, so that all stand in one order."""
        names = SEGMENT_COLUMNS["process_parameter"]
        for row in self.run.rows["process_parameter"]:
            said = dict(zip(names, row, strict=True))
            self.rows["process_parameter"].append(tuple(map(said.get, COLUMNS["process_parameter"])))
        self.run.rows["process_parameter"].clear()

    def aside(self, name: str, said: Any) -> None:
        """Keep something that no table takes with the record, up to a bound."""
        held = self.beside.setdefault(name, [])
        if said and len(held) < self.facts["limits"]["beside"]:
            held.append(said)
        elif said:
            self.context.log.lose(self.context.source, name, "more than a record can keep")

    def longest(self) -> int:
        """Return the rows of the longest table."""
        return max(self.run.longest(), *map(len, self.rows.values()))

    def all_chunks(self) -> Iterator[Chunk]:
        """Yield the rows so far, of both lists, and start anew."""
        yield from self.chunks()
        yield from self.run.chunks()


def acted(chunk: Chunk, action: str) -> Chunk:
    """Return a chunk whose rows say what the message asks its receiver to do."""
    if not action:
        return chunk
    found: Chunk = {}
    for name, batch in chunk.items():
        place = batch.schema.get_field_index("record_action")
        if place >= 0:
            said = pa.array([action]).take(pa.array([0] * batch.num_rows, pa.int32()))
            batch = batch.set_column(place, batch.schema.field(place), said)  # noqa: PLW2901 - the column is replaced
        found[name] = batch
    return found
