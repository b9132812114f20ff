"""Materials of production steps -> items, the edges between them, and the quantities in, good and scrapped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bdx import canon
from bdx.mapping.segment_nodes import Node, first, leaf, many
from bdx.mapping.segment_results import Results
from bdx.mapping.segment_rows import Run

Amount = tuple[float | None, str | None, str | None]
"""Quantity, its unit, and both as written."""
Amounts = tuple[float | None, float | None, float | None, str | None]

_LEAVES = frozenset(("ID", "MaterialClassID", "MaterialDefinitionID", "MaterialLotID", "MaterialSubLotID", "Description", "MaterialUse"))
_MANY = frozenset(("AssemblyActual", "TestResult", "MaterialActualProperty", "Quantity", "StorageLocation"))
_KINDS = {"scrap": "scrap", "sample": "sample", "carrier": "carrier", "by": "other"}
_MEMO = 4_096
_GROUPS = ("out", "by", "scrap", "sample")


@dataclass(slots=True)
class _Material:
    """One mention of a material in a step."""

    role: str
    item: str | None
    lot: str | None
    sublot: str | None
    quantity: float | None
    unit: str | None
    raw: str | None
    node: Node
    extra: dict[str, Any]
    parent: _Material | None = None
    mass: float | None = None
    told: bool = field(default=False)
    """Whether the quantity stands in a row already."""


class Materials:
    """Adds items and genealogy of the open step."""

    def __init__(self, run: Run, results: Results) -> None:
        self.run = run
        self.results = results
        self.values = run.values
        self.elements = dict(run.facts["material"])
        self.edge_limit = run.facts["limits"]["estimated_edges"]
        self._amounts_known: dict[tuple[str, str], Amount] = {}

    def take(self, segment: Node, extra: dict[str, Any]) -> Amounts:
        """Add all materials of a segment; returns quantity in, good, scrapped and their unit."""
        materials: list[_Material] = []
        for name, use in self.elements.items():
            if name in segment:
                self._mentions(many(segment, name), use, materials)
        if not materials:
            return None, None, None, None
        by_role: dict[str, list[_Material]] = {}
        for material in materials:
            if material.parent is None:
                by_role.setdefault(material.role, []).append(material)
        passing: set[str | None] = set()
        if "in" in by_role and "out" in by_role:
            passing = {m.item for m in by_role["in"]} & {m.item for m in by_role["out"]} - {None}
        self._edges(materials, by_role, passing)
        for number, material in enumerate(materials, 1):
            self._item(material, passing, number, extra)
        return self._amounts(by_role)

    def _mentions(self, nodes: list[Any], use: str, into: list[_Material]) -> None:
        """Append every material of a list of elements, and those assembled into them."""
        waiting: list[tuple[Any, _Material | None]] = [(node, None) for node in reversed(nodes)]
        while waiting:
            raw, parent = waiting.pop()
            if type(raw) is not dict:
                continue
            node = self.results.nodes.named(raw)
            material = self._material(node, "in" if parent else self._role(node, use), parent)
            into.append(material)
            if "AssemblyActual" in node:
                waiting.extend((child, material) for child in reversed(many(node, "AssemblyActual")))
            if "TestResult" in node:
                material.mass = self.results.results(many(node, "TestResult"), material.item)
            if "MaterialActualProperty" in node:
                mass = self.results.parameters(
                    many(node, "MaterialActualProperty"), "MaterialActualProperty", "material_property", material.item, ""
                )
                material.mass = material.mass if material.mass is not None else mass

    def _role(self, node: Node, use: str) -> str:
        stated = node.get("MaterialUse")
        if stated is None:
            if not use:
                self.values.remarks.note(
                    "M058", "item", "", first(node, "MaterialLotID") or first(node, "MaterialDefinitionID") or "", self.run.locator
                )
                return ""
            return self.run.word("uses", use, "item", "item_kind", "") or ""
        text = leaf(stated)
        if len(text) >= len("other") and text.strip().casefold() == "other":
            text = stated.get("@OtherValue", "") if type(stated) is dict else ""
        return self.run.word("uses", text, "item", "item_kind", "") or ""

    def _material(self, node: Node, role: str, parent: _Material | None) -> _Material:
        run = self.run
        lot = sublot = None
        if "MaterialLotID" in node:
            lot = self.values.identifier(first(node, "MaterialLotID"), "item", "lot_id", run.locator)
        if "MaterialSubLotID" in node:
            sublot = self.values.identifier(first(node, "MaterialSubLotID"), "item", "item_id", run.locator)
        extra: dict[str, Any] = {}
        self.results.nodes.leftover(node, _LEAVES, _MANY, "", extra)
        if "MaterialClassID" in node:
            extra["MaterialClassID"] = first(node, "MaterialClassID")
        quantity = unit = raw = None
        if "Quantity" in node:
            stated = many(node, "Quantity")
            text, written, key = self.results.value(stated[0], extra)
            known = self._amounts_known.get((text, written))
            quantity, unit, raw = known if known is not None else self._amount(text, written)
            if key:
                extra["Quantity/Key"] = key
            if len(stated) > 1:
                extra["Quantity"] = self.results.nodes.plain(stated[1:])
        return _Material(role, sublot or lot, lot, sublot, quantity, unit, raw, node, extra, parent)

    def _amount(self, text: str, written: str) -> Amount:
        quantity, _, unit, quality = self.values.number(text, written, "", "Quantity", "item", self.run.locator)
        found = quantity, unit, f"{text.strip()} {written.strip()}".strip() or None
        if quality == "good" and len(self._amounts_known) < _MEMO:
            self._amounts_known[text, written] = found
        return found

    def _edges(self, materials: list[_Material], by_role: dict[str, list[_Material]], passing: set[str | None]) -> None:
        """Add declared edges of assemblies, then inputs by outputs, estimated where there are several of both."""
        run = self.run
        declared: set[str] = set()
        for child in materials:
            parent = child.parent
            if parent is None or child.item is None or parent.item is None or child.item == parent.item:
                continue
            declared.add(child.item)
            child.told = child.quantity is not None
            self._edge(child, parent.item, "assembled", child.quantity, "declared", False)
        inputs: dict[str, _Material] = {}
        for material in by_role.get("in", ()):
            if material.item is not None and material.item not in passing and material.item not in declared:
                known = inputs.get(material.item)
                if known is None:
                    inputs[material.item] = material
                elif known.unit == material.unit and known.quantity is not None and material.quantity is not None:
                    known.quantity += material.quantity
                    material.told = True
        for group in _GROUPS if inputs else ():
            if group not in by_role:
                continue
            outputs = list({m.item: None for m in by_role[group] if m.item is not None and m.item not in inputs})
            estimated = len(outputs) > 1 and len(inputs) > 1
            if estimated:
                if len(outputs) * len(inputs) > self.edge_limit:
                    run.context.log.lose(
                        run.context.source, f"{len(inputs)} x {len(outputs)} possible edges of one step", "too many to mean anything"
                    )
                    continue
                self.values.remarks.note("M054", "genealogy", "is_estimated", run.step_id, run.locator, len(outputs) * len(inputs))
            relation = "sampled" if group == "sample" else run.step.relation
            for material in inputs.values():
                for output in outputs:
                    alone = len(outputs) == 1 and group == "out"
                    material.told = material.told or (alone and material.quantity is not None)
                    self._edge(
                        material,
                        output,
                        relation,
                        material.quantity if alone else None,
                        "time_window" if estimated else "declared",
                        estimated,
                    )

    def _edge(self, material: _Material, output: str, relation: str, quantity: float | None, basis: str, estimated: bool) -> None:
        run = self.run
        unit = material.unit if quantity is not None else None
        run.rows["genealogy"].append(
            (material.item, output, relation, run.step_id, quantity, unit, run.ended, basis, estimated, run.locator)
        )

    def _item(self, material: _Material, passing: set[str | None], number: int, extra: dict[str, Any]) -> None:
        """Add the item row of a mention where it says something new; the rest of the mention goes to the step."""
        run, item = self.run, material.item
        if item is None:
            self._nameless(material, number, extra)
            return
        made = material.role in _GROUPS and item not in passing
        new = run.seen_items.add(item)
        if made:
            if run.made_items.add(item):
                self._row(material, new, made)
                return
            self.values.remarks.note("M055", "item", "produced_by_step_run_id", item, run.locator)
        elif new:
            if item in passing:
                run.made_items.add(item)
            self._row(material, new, made)
            if material.role != "in":
                return
        elif material.extra:
            extra[f"MaterialActual[{item}]"] = material.extra
        self._quantity(material)

    def _row(self, material: _Material, new: bool, made: bool) -> None:
        """Add an item row; a second one says only who produced the item."""
        run, node = self.run, material.node
        step = run.step
        kind = _KINDS.get(material.role)
        if kind is None and made:
            kind = step.produces or None
        elif kind is None and material.role == "in" and step.raw and material.parent is None:
            kind = "raw_material_lot"
            run.raw_items.add(material.item or "")
        serial = material.item if self._is_serial(material, made) else None
        granularity = "carrier" if material.role == "carrier" else "serial" if serial else "sublot" if material.sublot else "lot"
        if not new and (material.item or "") in run.raw_items:
            kind = None
        quantity, unit, raw = (material.quantity, material.unit, material.raw) if material.role != "in" else (None, None, None)
        place = node.get("StorageLocation")
        if place is not None and type(place) is not str:
            material.extra["StorageLocation"] = self.results.nodes.plain(place)
        run.rows["item"].append((
            material.item, kind, granularity if new else None, material.lot if new else None, serial,
            first(node, "MaterialDefinitionID"), first(node, "Description"), run.step_id if made else None,
            run.ended if made else None, quantity, unit, raw, material.mass,
            leaf(place).strip() or None if place else None, run.locator, canon.dumps(material.extra) if material.extra else None,
        ))  # fmt: skip

    def _is_serial(self, material: _Material, made: bool) -> bool:
        """Say whether an identifier names a single piece.

        It does where exactly one piece is stated and the identifier is a sub-lot, or the product of a step that handles
        pieces; and where such a step states a sub-lot without a quantity.
        """
        one = material.quantity == 1 and material.unit == "1"
        if material.sublot:
            return one or (material.raw is None and self.run.step.pieces)
        return one and made and self.run.step.pieces

    def _quantity(self, material: _Material) -> None:
        """Add the quantity of a mention as a parameter where no edge and no item row has it."""
        if material.raw is None or material.told or (material.quantity == 1 and material.unit == "1"):
            return
        run = self.run
        code = "produced_quantity" if material.role in _GROUPS else "consumed_quantity" if material.role == "in" else "other"
        text = None if material.quantity is not None else material.raw
        quality = "good" if material.quantity is not None else "uncertain"
        run.rows["process_parameter"].append(
            (
                *(run.step_id, material.item, code, "Quantity", "actual", material.quantity, text, material.unit, material.raw),
                *(None, None, None, quality, None, run.locator, None),
            )
        )

    def _nameless(self, material: _Material, number: int, extra: dict[str, Any]) -> None:
        """Keep a material without lot or sub-lot in the step: nothing can refer to it."""
        name = first(material.node, "MaterialDefinitionID") or ""
        self.values.remarks.note("M053", "item", "item_id", name, self.run.locator)
        said = {key: value for key, value in material.node.items() if key not in ("TestResult", "MaterialActualProperty", "AssemblyActual")}
        extra[f"MaterialActual[{number}]"] = self.results.nodes.plain(said)

    def _amounts(self, by_role: dict[str, list[_Material]]) -> Amounts:
        """Return quantity in, good, scrapped and their unit; a sum that mixes units is left out."""
        good, good_unit = _sum(by_role.get("out"))
        scrap, scrap_unit = _sum(by_role.get("scrap"))
        used, used_unit = _sum(by_role.get("in"))
        unit = good_unit or scrap_unit or used_unit
        return used if used_unit == unit else None, good, scrap if scrap_unit == unit else None, unit


def _sum(materials: list[_Material] | None) -> tuple[float | None, str | None]:
    """Return a total and its unit; neither where there is nothing to add up, or different units."""
    if not materials:
        return None, None
    total, unit = 0.0, materials[0].unit
    for material in materials:
        if material.quantity is None or material.unit is None or material.unit != unit:
            return None, None
        total += material.quantity
    # Fifteen digits are what a double carries: 9.6 + 0.2 is then 9.8, as the quantities were written.
    return float(f"{total:.15g}"), unit
