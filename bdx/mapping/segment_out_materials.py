"""Items, edges and quantities of one step -> MaterialActual elements: what went in, what came out, what was assembled into what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bdx.mapping import vocabulary
from bdx.mapping.segment_nodes import Node
from bdx.mapping.segment_out_amounts import Quantities
from bdx.mapping.segment_out_fit import Fit, put_back
from bdx.mapping.segment_out_rows import Row
from bdx.mapping.segment_out_values import ONE_NAME, Stated, extra_of
from bdx.spec import Facts

KIND = "OpMaterialActual"
_AMOUNTS = (("qty_in", "in"), ("qty_good", "out"), ("qty_scrap", "scrap"))
_OUT = ("out", "by", "scrap", "sample")


@dataclass(slots=True)
class Known:
    """What the rows of an item say of it: its identifiers, and the rows that are not told yet."""

    lot: str | None = None
    granularity: str | None = None
    first: Row | None = None
    """The row of its first mention, where that is not its production."""


@dataclass(slots=True)
class Of:
    """What is known of one step's materials."""

    step: Row
    edges: list[Row] = field(default_factory=list)
    made: list[Row] = field(default_factory=list)
    properties: dict[str | None, list[Row]] = field(default_factory=dict)
    quantities: list[Row] = field(default_factory=list)
    results: dict[str | None, list[Row]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


class Mentions:
    """Makes the MaterialActual elements of one step after the other."""

    def __init__(self, fit: Fit, stated: Stated, uses: Facts) -> None:
        self.fit = fit
        self.stated = stated
        self.uses = uses
        self.items: dict[str, Known] = {}
        self.amounts = Quantities()
        self._tests = fit.holds(KIND, "TestResult")

    def elements(self, of: Of) -> list[Node]:
        """Return the materials of a step; takes what it uses out of `of.extra`, `of.properties` and `of.results`."""
        plain, relation = self._is_plain(of), vocabulary.step(of.step.get("step_name_raw") or "") or vocabulary.UNKNOWN_STEP
        self._relations(of, plain, relation.relation)
        made = {row["item_id"]: row for row in of.made}
        flat = [edge for edge in of.edges if plain and edge["relation"] != "assembled"]
        joined = [edge for edge in of.edges if not plain or edge["relation"] == "assembled"]
        uses: dict[str, list[str]] = {role: [] for role in ("in", *_OUT, "carrier", "")}
        uses["in"] = list(dict.fromkeys(edge["input_item_id"] for edge in flat))
        parts = {edge["input_item_id"] for edge in joined}
        outputs = [edge["output_item_id"] for edge in flat]
        outputs += [edge["output_item_id"] for edge in joined if edge["output_item_id"] not in parts]
        stated: dict[str, dict[str, list[Row]]] = {"in": {}, "out": {}, "": {}}
        for row in of.quantities:
            role = {"produced_quantity": "out", "consumed_quantity": "in"}.get(row["parameter_code"], "")
            stated[role].setdefault(row["item_id"], []).append(row)
        sampled = {edge["output_item_id"] for edge in flat if edge["relation"] == "sampled"}
        several = len(made) > 1
        for item in dict.fromkeys((*made, *outputs, *stated["out"])):
            if item not in uses["in"] and (item in made or item not in parts):
                uses[self._role(item, made.get(item), sampled, several)].append(item)
        uses["in"] += [item for item in stated["in"] if item not in uses["in"]]
        told = {item for items in uses.values() for item in items} | parts
        self._others(of, stated[""], told, uses)
        nodes: list[tuple[str, Node]] = []
        amounts = {edge["input_item_id"]: edge for edge in flat if edge.get("quantity") is not None}
        for role, items in uses.items():
            for item in items:
                rows = stated["out" if role in _OUT else "in" if role == "in" else ""].get(item, [])
                node = self._mention(item, role, made.get(item) if role in _OUT else None, of, last=role != "in" or not _again(item, uses))
                self._amount(node, rows, amounts.get(item) if role == "in" else None)
                self._assembled(node, item, joined, of, {item})
                nodes.append((role, node))
                nodes += [(role, self._again(node, row)) for row in rows[1:]]
        self._nameless(of, nodes)
        self._totals(of, nodes)
        return [node for _, node in nodes]

    def _is_plain(self, of: Of) -> bool:
        """Say whether lists of inputs and outputs say exactly the edges there are, neither more nor fewer nor surer."""
        edges = [edge for edge in of.edges if edge["relation"] != "assembled"]
        if not edges:
            return True
        inputs = {edge["input_item_id"] for edge in edges}
        outputs = {edge["output_item_id"] for edge in edges}
        made = {row["item_id"]: row for row in of.made}
        assembled = {edge["input_item_id"] for edge in of.edges if edge["relation"] == "assembled"}
        if inputs & outputs or inputs & assembled or inputs & made.keys() or len(edges) != len(inputs) * len(outputs):
            return False
        groups: dict[str, list[Row]] = {}
        sampled = {edge["output_item_id"] for edge in edges if edge["relation"] == "sampled"}
        for edge in edges:
            item = edge["output_item_id"]
            groups.setdefault(self._role(item, made.get(item), sampled, len(made) > 1), []).append(edge)
        for item in made:
            if item not in outputs:
                return False
        for mine in groups.values():
            unsure = len({edge["output_item_id"] for edge in mine}) > 1 and len(inputs) > 1
            if any(bool(edge["is_estimated"]) != unsure for edge in mine):
                return False
        return True

    def _relations(self, of: Of, plain: bool, usual: str) -> None:
        """Count what of the edges themselves is not carried."""
        self.fit.table = "genealogy"
        for edge in of.edges:
            if edge["relation"] not in ("assembled", "sampled", usual) or (not plain and edge["relation"] != "assembled"):
                self.fit.lose("relation", "a message says it by the name of the step, or that parts were assembled")
            basis = "time_window" if edge["is_estimated"] else "declared"
            if edge["match_basis"] != basis or (edge["is_estimated"] and not plain):
                self.fit.lose("match_basis", "a message does not say how an edge is known")
            if edge["is_estimated"] and not plain:
                self.fit.lose("is_estimated", "what a message says of an assembly reads as certain")
            if edge.get("occurred_at") is not None and edge["occurred_at"] != of.step.get("ended_at"):
                self.fit.lose("occurred_at", "an edge has the end of its step for its time")

    def _role(self, item: str, row: Row | None, sampled: set[str], several: bool) -> str:
        kind = row.get("item_kind") if row is not None else None
        if kind in ("scrap", "sample"):
            return str(kind)
        if item in sampled:
            return "sample"
        return "by" if kind == "other" and several else "out"

    def _others(self, of: Of, stated: dict[str, list[Row]], told: set[str], uses: dict[str, list[str]]) -> None:
        """Add items that are only measured in the step: they passed through where it has quantities, else their use is open."""
        left = [item for item in dict.fromkeys((*of.properties, *of.results, *stated)) if item is not None and item not in told]
        passes = not uses["in"] and not uses["out"] and of.step.get("qty_in") is not None and of.step.get("qty_good") is not None
        for item in left:
            known = self.items.get(item)
            if passes and item not in stated:
                uses["in"].append(item)
                uses["out"].append(item)
            else:
                uses["carrier" if known is not None and known.granularity == "carrier" else ""].append(item)

    def _mention(self, item: str, role: str, made: Row | None, of: Of, *, last: bool) -> Node:
        """Return the element of one mention with all that is said of the item there."""
        known = self.items.setdefault(item, Known())
        node: Node = {}
        if known.lot is not None and known.lot != item:
            node["MaterialLotID"], node["MaterialSubLotID"] = known.lot, item
        elif known.lot is None and known.granularity in ("sublot", "serial", "carrier"):
            node["MaterialSubLotID"] = item
        else:
            node["MaterialLotID"] = item
        if role:
            node["MaterialUse"] = self.uses[role]
        row = made if made is not None else known.first
        beside = of.extra.pop(f"MaterialActual[{item}]", None) if last else None
        if row is not None:
            self._facts(node, row, role)
            if row is known.first:
                known.first = None
        elif isinstance(beside, dict):
            self.stated.at("process_step", of.step)
            self._beside(node, beside)
        if last:
            properties, results = of.properties.pop(item, []), of.results.pop(item, [])
            if properties:
                node["MaterialActualProperty"] = self.stated.nested(
                    properties, "MaterialActualProperty", "OpMaterialActualProperty", "material_property"
                )
            if results and self._tests:
                node["TestResult"] = self.stated.results(results)
            elif results:
                of.results[item] = results
        return node

    def _facts(self, node: Node, row: Row, role: str) -> None:
        """Put into an element what an item row says beyond its identifiers."""
        self.stated.at("item", row)
        if row.get("serial_number") not in (None, row["item_id"]):
            self.fit.lose("serial_number", ONE_NAME)
        for name, column in (("MaterialDefinitionID", "material_definition_id"), ("MaterialClassID", "material_class")):
            if row.get(column):
                node[name] = row[column]
        if row.get("name"):
            node["Description"] = row["name"]
        extra = extra_of(row)
        place = row.get("storage_location")
        if place and "StorageLocation" not in extra:
            written = place if self.fit.is_leaf(self._kind("StorageLocation")) else {"Location": place, "LocationType": "Description"}
            node["StorageLocation"] = written
        if role != "in" and (row.get("quantity_raw") or row.get("quantity") is not None):
            node["Quantity"] = self.amounts.quantity(row.get("quantity_raw"), row.get("quantity"), row.get("quantity_unit"))
        elif row.get("quantity") is not None:
            self.fit.lose("quantity", "of a material that went in, a message says how much of it did")
        self._beside(node, extra)

    def _kind(self, name: str) -> str:
        place = self.fit.place(KIND, name)
        return place.kind if place is not None else ""

    def _beside(self, node: Node, extra: dict[str, Any]) -> None:
        key = extra.pop("Quantity/Key", None)
        more = extra.pop("Quantity", None)
        stated = node.get("Quantity")
        if key is not None and isinstance(stated, dict):
            stated["Key"] = key
        rest = put_back(self.fit, KIND, node, extra)
        if isinstance(stated, dict):
            rest = put_back(self.fit, "QuantityValue", stated, rest)
        if more is not None:
            node["Quantity"] = [*([stated] if stated is not None else []), *(more if isinstance(more, list) else [more])]
        for path in rest:
            self.fit.lose(f"extra {path}", "the schema has no place for it")

    def _amount(self, node: Node, rows: list[Row], edge: Row | None) -> None:
        """Set the quantity of a mention from its own row, or from the edge that has it."""
        if rows:
            node["Quantity"] = self.amounts.quantity(rows[0].get("value_raw"), rows[0].get("value_num"), rows[0].get("unit"))
        elif edge is not None:
            node["Quantity"] = self.amounts.quantity(None, edge["quantity"], edge.get("unit"))

    def _again(self, node: Node, row: Row) -> Node:
        """Return one more mention of a material, with a quantity of its own."""
        names = ("MaterialLotID", "MaterialSubLotID", "MaterialUse")
        again = {name: node[name] for name in names if name in node}
        self._amount(again, [row], None)
        return again

    def _assembled(self, node: Node, item: str, edges: list[Row], of: Of, above: set[str]) -> None:
        """Nest what was assembled into an item; a loop of assemblies ends where it would close."""
        mine = [edge for edge in edges if edge["output_item_id"] == item and "told" not in edge]
        for edge in mine:
            edge["told"] = True
        for edge in mine:
            part = edge["input_item_id"]
            inner = self._mention(part, "in", None, of, last=True)
            self._amount(inner, [], edge if edge.get("quantity") is not None else None)
            if part not in above and len(above) < 12:
                self._assembled(inner, part, edges, of, above | {part})
            node.setdefault("AssemblyActual", []).append(inner)

    def _nameless(self, of: Of, nodes: list[tuple[str, Node]]) -> None:
        """Put back materials that have neither lot nor sub-lot."""
        numbered = [key for key in of.extra if key.startswith("MaterialActual[") and key[15:-1].isdigit()]
        for key in sorted(numbered, key=lambda key: int(key[15:-1])):
            said = of.extra.pop(key)
            if not isinstance(said, dict):
                continue
            node = dict(said)
            if None in of.properties:
                rows = of.properties.pop(None)
                node["MaterialActualProperty"] = self.stated.nested(
                    rows, "MaterialActualProperty", "OpMaterialActualProperty", "material_property"
                )
            if None in of.results and self._tests:
                node["TestResult"] = self.stated.results(of.results.pop(None))
            nodes.append((self._use(node), node))

    def _use(self, node: Node) -> str:
        stated = node.get("MaterialUse")
        word = stated.get("@OtherValue") or stated.get("text") or stated.get("") if isinstance(stated, dict) else stated
        return next(
            (role for role, use in self.uses.items() if use.casefold() == str(word).casefold()), "out" if word == "Produced" else ""
        )

    def _totals(self, of: Of, nodes: list[tuple[str, Node]]) -> None:
        """Let the quantities of the step be those of its materials: on its only one, or on one without a lot."""
        self.stated.at("process_step", of.step)
        unit = of.step.get("qty_unit")
        for column, role in _AMOUNTS:
            wanted = of.step.get(column)
            if wanted is None:
                continue
            mine = [node for use, node in nodes if use == role]
            if not mine:
                nodes.append((role, {"MaterialUse": self.uses[role], "Quantity": self.amounts.quantity(None, wanted, unit)}))
            elif len(mine) == 1 and "Quantity" not in mine[0]:
                mine[0]["Quantity"] = self.amounts.quantity(None, wanted, unit)
            elif self.amounts.sum(mine, unit) != wanted:
                self.fit.lose(column, "the materials of the step have other quantities, or none")


def _again(item: str, uses: dict[str, list[str]]) -> bool:
    """Say whether an item that went in is mentioned again in the step."""
    return any(item in items for role, items in uses.items() if role != "in")
