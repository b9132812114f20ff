"""Lots and sub-lots of a message -> items, the edges between them, their properties and test results."""

from __future__ import annotations

from typing import Any, NamedTuple

from bdx import canon
from bdx.mapping.record_rows import RecordRun
from bdx.mapping.segment_nodes import Node, first, leaf, many
from bdx.mapping.segment_results import Results

_LEAVES = frozenset(("ID", "Description", "MaterialDefinitionID", "MaterialClassID", "MaterialLotID", "Status", "Disposition"))
_INNER = frozenset(
    (
        *("EffectiveStartDate", "EffectiveEndDate", "MaterialLotProperty", "Quantity", "StorageLocation", "AssemblyLot"),
        *("AssemblySubLot", "MaterialSubLot", "TestResult"),
    )
)
_PART = frozenset(("ID", "Quantity"))
_PLACES = ("Location", "EquipmentID")

Names = tuple[str, str | None, str | None]
"""Identifier, lot and definition of an item."""
Amounts = tuple[float | None, str | None, str | None, float | None]
"""Quantity, its unit, both as written, and the mass of the item."""

_Told = tuple[str, str | None, float | None, str | None]


class Lot(NamedTuple):
    """One lot or sub-lot as told, and how it stands to the one around it."""

    said: Any
    sublot: bool
    owner: str | None = None
    relation: str = ""
    lot: str | None = None
    definition: str | None = None


class Lots:
    """Adds lots one by one; `definitions` holds the name and the class of every definition met."""

    def __init__(self, run: RecordRun, results: Results, definitions: dict[str, tuple[str | None, str | None]]) -> None:
        self.run = run
        self.values = run.values
        self.results = results
        self.definitions = definitions
        self._orphans: dict[int, list[_Told]] = {}

    def take(self, unit: dict[str, Any], extra: dict[str, Any]) -> None:
        """Add the rows of a lot and of what is assembled into it; `extra` is what the levels around it said."""
        owner = definition = None
        if unit["parent"] is not None:
            around = self.run.nodes.named(unit["parent"]["said"])
            owner = self._identifier(around, "ID")
            definition = self._identifier(around, "MaterialDefinitionID")
        sublot = unit["element"] != "MaterialLot"
        waiting = [Lot(unit["segment"], sublot, owner, "split" if owner else "", owner, definition)]
        outermost = True
        while waiting:
            told = waiting.pop()
            rest = extra if outermost else {}
            found = self._lot(told, rest, waiting)
            if outermost:
                self._family(unit, found, told)
            outermost = False

    def _family(self, unit: dict[str, Any], found: _Told | None, told: Lot) -> None:
        """Join a lot to sub-lots that were read before it because its identifier came after them, and to its own holder."""
        waiting = self._orphans.pop(unit["ordinal"], ())
        if found is None:
            return
        for child, lot, quantity, unit_name in waiting:
            if lot != found[0]:
                self._edge(found[0], child, "split", quantity, unit_name)
        if unit["parent"] is not None and told.owner is None:
            self._orphans.setdefault(unit["parent"]["ordinal"], []).append(found)

    def _lot(self, told: Lot, extra: dict[str, Any], waiting: list[Lot]) -> _Told | None:
        """Add one lot and put what it holds in line; returns its identifier, lot, quantity and unit."""
        run = self.run
        node = run.nodes.named(told.said) if type(told.said) is dict else {"ID": told.said}
        here = self._identifier(node, "ID")
        if here is None:
            self._nameless(told, node, extra)
            return None
        lot = self._identifier(node, "MaterialLotID") or told.lot if told.sublot else here
        definition = self._identifier(node, "MaterialDefinitionID") or told.definition
        quantity, unit, raw = self._quantity(node, extra)
        if told.owner is not None and told.owner != here:
            pair = (told.owner, here) if told.relation == "split" else (here, told.owner)
            self._edge(*pair, told.relation, quantity, unit)
        elif told.sublot and lot and lot != here:
            self._edge(lot, here, "split", quantity, unit)
        mass = self._properties(node, here)
        waiting.extend(
            Lot(child, True, here, "split", lot, definition)
            if name == "MaterialSubLot"
            else Lot(child, name != "AssemblyLot", here, "assembled")
            for name in ("MaterialSubLot", "AssemblySubLot", "AssemblyLot")
            for child in reversed(many(node, name))
        )
        new = run.seen_items.add(here)
        if told.relation == "assembled":
            # The quantity of a part is what was taken of it: it stands on the edge.
            raw = raw if quantity is None else None
            if not new and raw is None and node.keys() <= _PART:
                return here, lot, quantity, unit
            self._row(told, node, (here, lot, definition), (None, None, raw, mass), extra, quantity == 1 and unit == "1")
            return here, lot, quantity, unit
        if not new:
            self.values.remarks.note("M083", "item", "item_id", here, run.locator)
        self._row(told, node, (here, lot, definition), (quantity, unit, raw, mass), extra, quantity == 1 and unit == "1")
        return here, lot, quantity, unit

    def _row(self, told: Lot, node: Node, names: Names, amounts: Amounts, extra: dict[str, Any], one: bool) -> None:
        """Add the row of an item; a sub-lot of `one` piece is that piece."""
        run = self.run
        here, lot, definition = names
        serial = here if told.sublot and one else None
        title, kind = self.definitions.get(definition or "", (None, None))
        description = (first(node, "Description") or "").strip()
        run.nodes.leftover(node, _LEAVES, _INNER, "", extra)
        begins = run.stamp(node, "EffectiveStartDate", "item", "effective_from", extra)
        ends = run.stamp(node, "EffectiveEndDate", "item", "effective_to", extra)
        disposition = run.word("dispositions", first(node, "Disposition"), "item", "disposition", "other")
        if disposition == "other":
            extra.setdefault("Disposition", (first(node, "Disposition") or "").strip())
        place = self._place(node, extra)
        action = None if told.relation == "assembled" and run.said == "delete" else run.said
        run.rows["item"].append(
            (
                *(here, None, "serial" if serial else "sublot" if told.sublot else "lot", lot, serial, definition),
                *(description or title, None, None, *amounts, place, run.locator, canon.dumps(extra) if extra else None),
                *((first(node, "Status") or "").strip() or None, disposition, here if told.sublot else None),
                *(self._identifier(node, "MaterialClassID") or kind, begins, ends, action),
            )
        )

    def _place(self, node: Node, extra: dict[str, Any]) -> str | None:
        """Return where a lot is kept: the text of its storage location, or the place that it names first."""
        stated = node.get("StorageLocation")
        if not stated:
            return None
        if type(stated) is not str:
            extra["StorageLocation"] = self.run.nodes.plain(stated)
        inner = many(node, "StorageLocation")[0]
        text = leaf(inner).strip()
        if not text and type(inner) is dict:
            text = next((first(inner, name) or "" for name in _PLACES if name in inner), "").strip()
        return text or None

    def _quantity(self, node: Node, extra: dict[str, Any]) -> tuple[float | None, str | None, str | None]:
        """Return the first quantity, its unit and both as written."""
        stated = many(node, "Quantity")
        if not stated:
            return None, None, None
        text, written, key = self.results.value(stated[0], extra)
        quantity, _, unit, _ = self.values.number(text, written, "", "Quantity", "item", self.run.locator)
        if key:
            extra["Quantity/Key"] = key
        if len(stated) > 1:
            extra["Quantity"] = self.run.nodes.plain(stated[1:])
        return quantity, unit, f"{text.strip()} {written.strip()}".strip() or None

    def _properties(self, node: Node, here: str) -> float | None:
        """Add the properties of a lot and its test results; returns its mass where one of them is that."""
        run = self.run
        starts = {name: len(run.rows[name]) for name in ("process_parameter", "quality_result")}
        mass = None
        if "MaterialLotProperty" in node:
            mass = self.results.parameters(many(node, "MaterialLotProperty"), "MaterialLotProperty", "material_property", here, "")
        if "TestResult" in node:
            measured = self.results.results(many(node, "TestResult"), here)
            mass = measured if measured is not None else mass
        run.widen("process_parameter", starts["process_parameter"], None, None, None, run.said)
        run.widen("quality_result", starts["quality_result"], None, None, None, None, run.said)
        return mass

    def _edge(self, source: str, target: str, relation: str, quantity: float | None, unit: str | None) -> None:
        run = self.run
        run.rows["genealogy"].append(
            (
                source,
                target,
                relation,
                None,
                quantity,
                unit if quantity is not None else None,
                None,
                "declared",
                False,
                run.locator,
                run.said,
            )
        )

    def _nameless(self, told: Lot, node: Node, extra: dict[str, Any]) -> None:
        """Count a lot without identifier: nothing can refer to it, so that it has no row."""
        run = self.run
        self.values.remarks.note("M081", "item", "item_id", first(node, "MaterialDefinitionID") or "", run.locator)
        what = "MaterialSubLot" if told.sublot else "MaterialLot"
        run.context.log.lose(run.context.source, what, "it has no identifier")
        for name in extra:
            run.context.log.lose(run.context.source, name, "the record that would keep it has no identifier")

    def _identifier(self, node: Node, name: str) -> str | None:
        return self.values.identifier(first(node, name), "item", name, self.run.locator)
