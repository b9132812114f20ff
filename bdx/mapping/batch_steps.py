"""Batch records, recipes and recipe elements -> process steps, the lot they make, and the parameters of each."""

from __future__ import annotations

import re
from typing import Any

from bdx import canon
from bdx.mapping import vocabulary
from bdx.mapping.batch_rows import Batch
from bdx.mapping.segment_nodes import Node, first, many

_HEADER = (
    *("ID", "Description", "EquipmentScope", "EquipmentID", "BatchID", "LotID", "MaterialDefinitionID", "MaterialName", "RecordStatus"),
    *("StartTime", "EndTime", "LastChangedDate", "CreationDate", "PublishedDate", "Version", "PersonID"),
)
_LEAVES = frozenset(_HEADER)
_INNER = frozenset(("Parameter", "OtherInformation", "Formula", "EquipmentID", "PersonID"))
_LAST = re.compile(r"[|/\\]")


class Steps:
    """Adds the step of a record, a recipe or an element of one."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def keep(self, kind: str, node: Node) -> None:
        """Keep a comment, a change or a signature with its record, less the persons."""
        batch = self.batch
        name = {"comment": "Comments", "change": "ChangeHistory"}.get(kind, "PersonnelIdentification")
        batch.aside(name, batch.nodes.plain(batch.named(node)) if node else "")

    def take(self, kind: str, unit: dict[str, Any]) -> None:
        """Add the rows of one record, recipe or element."""
        batch, ordinal, above = self.batch, unit["ordinal"], unit["above"]
        node = batch.flat(unit["node"])
        inner = node.get("RecipeElementType")
        if type(inner) is dict and "ID" in inner and "ID" not in node:
            node = batch.flat(inner)
        extra: dict[str, Any] = {}
        step_id = batch.step_of(ordinal, node, above)
        parent = batch.steps[above[-1]["ordinal"]] if above else None
        item, says = batch.item([*(batch.flat(level["said"]) for level in above), node])
        step, name = self._step(node)
        batch.nodes.leftover(node, _LEAVES, _INNER, "", extra)
        if item and says is node and batch.run.seen_items.add(item):
            self._item(item, node, step_id, step)
        elif item and says is node and kind == "record":
            extra["LotID"] = item
        equipment = batch.equipment(node, extra)
        planned = any(level["element"] == "ControlRecipe" for level in above) or unit["element"] == "ControlRecipe"
        self._parameters(node, step_id, item, "setpoint" if planned else "actual")
        if kind == "record":
            self._close(extra)
        recipe = (first(node, "ID"), first(node, "Version")) if kind == "recipe" else (None, None)
        if kind != "recipe" and "Version" in node:
            extra["Version"] = first(node, "Version")
        self._row(node, (step_id, parent, step.code, name, ordinal), equipment, recipe, extra)
        if ordinal in batch.steps:
            del batch.steps[ordinal]

    def _row(
        self, node: Node, named: tuple[Any, ...], equipment: str | None, recipe: tuple[str | None, str | None], extra: dict[str, Any]
    ) -> None:
        batch = self.batch
        values, locator = batch.values, batch.locator
        started_raw, ended_raw = first(node, "StartTime"), first(node, "EndTime")
        started, start_basis = values.time(started_raw, "process_step", "started_at", locator)
        ended, end_basis = values.time(ended_raw, "process_step", "ended_at", locator)
        recorded_raw = next((text for name in ("LastChangedDate", "CreationDate", "PublishedDate") if (text := first(node, name))), None)
        recorded, _ = values.time(recorded_raw, "process_step", "recorded_at", locator)
        for name in ("CreationDate", "PublishedDate", *(("LastChangedDate",) if recorded is None else ())):
            said = first(node, name)
            if said and said.strip() and (said != recorded_raw or recorded is None):
                extra[name] = said.strip()
        status = first(node, "RecordStatus")
        state = batch.word("states", status, "process_step", "state", "other")
        if state == "other" and status:
            extra["RecordStatus"] = status.strip()
        batch.rows["process_step"].append(
            (
                *named,
                *(batch.identifier(node, "MaterialDefinitionID", "process_step", "product_definition_id"), equipment, self._person(node)),
                *(started, ended, _basis(start_basis, end_basis), started_raw, ended_raw, state, "production", *recipe, recorded, locator),
                canon.dumps(extra) if extra else None,
            )
        )

    def _step(self, node: Node) -> tuple[vocabulary.Step, str | None]:
        """Return the canonical step and the words it was found by: description, name, building block, end of the name."""
        batch = self.batch
        stated = [text.strip() for name in ("Description", "ID", "BuildingBlockElementID") if (text := first(node, name)) and text.strip()]
        names = [*stated, *(_LAST.split(text)[-1] for text in stated[:2])]
        for name in names:
            step = vocabulary.step(name)
            if step is not None:
                return step, name
        name = names[0] if names else ""
        batch.values.remarks.note("M040", "process_step", "step_code", name, batch.locator)
        return vocabulary.UNKNOWN_STEP, name or None

    def _item(self, item: str, node: Node, step_id: str, step: vocabulary.Step) -> None:
        """Add the lot that a record says it makes."""
        batch = self.batch
        lot = batch.identifier(node, "LotID", "item", "lot_id")
        said = batch.identifier(node, "BatchID", "item", "lot_id")
        extra = {"BatchID": said} if said and said != item else {}
        name = first(node, "MaterialName")
        batch.rows["item"].append(
            (
                *(item, step.produces or None, "lot", lot or said, batch.identifier(node, "MaterialDefinitionID", "item", "item_id")),
                *(name.strip() or None if name else None, step_id, None, None, None, batch.locator, canon.dumps(extra) if extra else None),
            )
        )

    def _parameters(self, node: Node, step_id: str, item: str | None, role: str) -> None:
        batch = self.batch
        batch.run.open_step(step_id, vocabulary.UNKNOWN_STEP, None)
        formula = node.get("Formula")
        if type(formula) is dict:
            batch.parameters.parameters(many(batch.named(formula), "Parameter"), "Parameter", role, item, "Formula")
        if "Parameter" in node:
            batch.parameters.parameters(many(node, "Parameter"), "Parameter", role, item, "")
        if "OtherInformation" in node:
            batch.parameters.parameters(many(node, "OtherInformation"), "OtherInformation", "actual", item, "OtherInformation")
        batch.collect()

    def _person(self, node: Node) -> str | None:
        """Return the first person an element names; the others are counted as lost."""
        named = [text for raw in many(node, "PersonID") if (text := (first({"": raw}, "") or "").strip())]
        if len(set(named)) > 1:
            batch = self.batch
            batch.context.log.lose(batch.context.source, "PersonID", "of persons only the first of a step is carried", len(set(named)) - 1)
        return named[0] if named else None

    def _close(self, extra: dict[str, Any]) -> None:
        """Give the record what was kept for it, and forget what its elements were called."""
        extra |= {name: held for name, held in self.batch.beside.items() if held}
        self.batch.beside.clear()
        self.batch.references.clear()


def _basis(*found: str | None) -> str | None:
    return next((basis for basis in ("unknown", "date_only", "assumed", "offset") if basis in found), None)
