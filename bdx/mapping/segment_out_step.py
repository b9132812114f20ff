"""One process step with its rows -> one segment response, as the reader would have met it."""

from __future__ import annotations

from typing import Any

from bdx.mapping import vocabulary
from bdx.mapping.segment_nodes import Node
from bdx.mapping.segment_out_fit import Fit, Tree, is_moment, put_back
from bdx.mapping.segment_out_materials import Mentions, Of
from bdx.mapping.segment_out_rows import Row
from bdx.mapping.segment_out_values import Stated, extra_of, moment
from bdx.spec import Facts

KIND = "OpSegmentResponse"
_ABOVE = ("message/", "performance/", "response/", "after ")
_SCOPES = 12


class Equipment:
    """All equipment by its identifier; what is said of one is told where it is first used."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.met: set[str] = set()
        self.told: set[str] = set()

    def scope(self, equipment: str | None, site: str | None) -> Node | None:
        """Return the places around a piece of equipment, from the outermost in."""
        chain: list[str] = []
        here = self.rows.get(equipment or "", {}).get("parent_equipment_id")
        while here is not None and here not in chain and here != equipment and len(chain) < _SCOPES:
            chain.append(here)
            here = self.rows.get(here, {}).get("parent_equipment_id")
        if site is not None and site not in chain:
            chain.append(site)
        node: Node | None = None
        for name in chain:
            self.met.add(name)
            level = self.rows.get(name, {}).get("level") or ("Site" if name == site else "Other")
            around: Node = {"EquipmentID": name, "EquipmentElementLevel": level}
            if node is not None:
                around["HierarchyScope"] = node
            node = around
        return node


class Segments:
    """Makes segment responses."""

    def __init__(self, fit: Fit, facts: Facts, uses: Facts, equipment: Equipment) -> None:
        self.fit = fit
        self.stated = Stated(fit, facts)
        self.mentions = Mentions(fit, self.stated, uses)
        self.equipment = equipment
        self.untold: list[int] = []
        """Results that no element of a step has a place for: a message of tests tells them."""
        self.child = "SegmentResponseChild" if fit.holds(KIND, "SegmentResponseChild") else "SegmentResponse"
        self._states = self._words(facts["states"], "ResponseState")
        self._types = self._words(facts["types"], "OperationsType")
        self.dispositions = self._words(facts["dispositions"], "Disposition")
        self._deep = fit.holds("OpEquipmentActualProperty", "EquipmentActualProperty")
        self._nests = fit.holds("OpEquipmentActual", "EquipmentActual")

    def _words(self, words: Facts, kind: str) -> dict[str, str]:
        """Return the word of this version for each canonical one, else the newest version's."""
        known = self.fit.words(kind) if self.fit.is_leaf(kind) else ()
        return {canonical: next((word for word in said if word in known), said[0]) for canonical, said in words.items()}

    def tree(self, of: Of, rows: list[Row], results: list[Row], name: str, children: list[Tree], order: str | None) -> Tree | None:
        """Return the element of a step; `order` is what the response around it says."""
        of.extra = {key: value for key, value in extra_of(of.step).items() if not key.startswith(_ABOVE)}
        self.fit.restart()
        node = self._head(of, order)
        machines, data = self._sort(of, rows)
        for row in results:
            of.results.setdefault(row.get("item_id"), []).append(row)
        materials = self.mentions.elements(of)
        loose = of.properties.pop(None, [])
        if data or loose:
            node["SegmentData"] = self.stated.nested([*data, *loose], "SegmentData", "OpSegmentData", "actual")
        used = self._machines(of, machines)
        if used:
            node["EquipmentActual"] = used
        if materials:
            node["MaterialActual"] = materials
        self.untold.extend(row["#"] for left in of.results.values() for row in left)
        for left in of.properties.values():
            self.stated.at("process_parameter", left[0])
            self.fit.lose("rows of an item", "the step does not mention it", len(left))
        self.stated.at("process_step", of.step)
        for path in put_back(self.fit, KIND, node, of.extra):
            self.fit.lose(f"extra {path.partition('[')[0]}", "the schema has no place for it")
        found = self.fit.tree(name, KIND, node)
        if found is not None and children:
            inner = found[2]
            at = len(inner) - (inner[-1][0] == "RequiredByRequestedSegmentResponse" if inner else 0)
            inner[at:at] = children
        return found

    def _head(self, of: Of, order: str | None) -> Node:
        """Return what a step says of itself."""
        step, extra = of.step, of.extra
        self.stated.at("process_step", step)
        node: Node = {"ID": step["step_run_id"]}
        self._named(step, extra, node)
        for name, column in (("ActualStartTime", "started"), ("ActualEndTime", "ended")):
            text = self._time(step.get(f"{column}_at"), step.get(f"{column}_raw"), step.get("tz_basis"), column)
            if text is not None:
                node[name] = text
        scope = self.equipment.scope(step.get("equipment_id"), step.get("site_id"))
        if scope is not None:
            node["HierarchyScope"] = scope
        if step.get("order_id") and step["order_id"] != order:
            node["OperationsRequestID"] = step["order_id"]
        if step.get("product_definition_id"):
            node["OperationsDefinitionID"] = step["product_definition_id"]
        if step.get("step_type"):
            node["OperationsType"] = self._types[step["step_type"]]
        if step.get("state"):
            node["SegmentState"] = extra.pop("SegmentState", None) or self._states[step["state"]]
        if step.get("operator_ref"):
            node["PersonnelActual"] = {"PersonID": step["operator_ref"]}
        return node

    def _named(self, step: Row, extra: dict[str, Any], node: Node) -> None:
        """Name the step so that its code and its words are found again."""
        name, code = step.get("step_name_raw"), step.get("step_code")
        found = vocabulary.step(name) if name else None
        description = extra.pop("Description", None)
        if name is None or (code not in (None, "other") and (found is None or found.code != code)):
            if code not in (None, "other"):
                node["ProcessSegmentID"] = code
            description = description if name is None else name if description is None else [name, description]
        elif "ProcessSegmentID" not in extra:
            node["ProcessSegmentID"] = name
        elif description is None:
            description = name
        if "ProcessSegmentID" in extra:
            node["ProcessSegmentID"] = extra.pop("ProcessSegmentID")
        if description is not None:
            node["Description"] = description

    def _time(self, at: int | None, raw: str | None, basis: str | None, column: str) -> str | None:
        text = (raw or "").strip()
        if is_moment(text) and (at is None or basis == "offset"):
            return raw
        if at is not None:
            if text:
                self.fit.lose(f"{column}_raw", "its moment is written in UTC: the text is no time of XML, or has no zone of its own")
            return moment(at)
        if text:
            self.fit.lose(f"{column}_raw", "it is no date and time as XML has them")
        return None

    def _sort(self, of: Of, rows: list[Row]) -> tuple[dict[str, list[Row]], list[Row]]:
        """Part the parameters of a step: those of its machines, and of the step itself; those of items go to `of`."""
        machines: dict[str, list[Row]] = {}
        data: list[Row] = []
        names = [name for name in (of.step.get("equipment_id"), *self._more(of)) if isinstance(name, str)]
        for row in rows:
            item, path = row.get("item_id"), row.get("group_path") or ""
            if item is not None and row["parameter_name_raw"] == "Quantity" and row.get("role") == "actual" and not path:
                of.quantities.append(row)
            elif item is not None or row.get("role") == "material_property":
                of.properties.setdefault(item, []).append(row)
            else:
                owner = next((name for name in names if path == name or (self._deep and path.startswith(f"{name}/"))), None)
                (machines.setdefault(owner, []) if owner is not None else data).append(row)
        return machines, data

    def _more(self, of: Of) -> list[Any]:
        more = of.extra.get("EquipmentActual")
        return more if isinstance(more, list) else [] if more is None else [more]

    def _machines(self, of: Of, properties: dict[str, list[Row]]) -> list[Node]:
        """Return the equipment used: the step's own first, then what else it says was used."""
        first, more = of.step.get("equipment_id"), self._more(of)
        of.extra.pop("EquipmentActual", None)
        made: dict[str, Node] = {}
        nodes: list[Node] = []
        for name in ([first] if first is not None else []) + more:
            if not isinstance(name, str):
                nodes.append(name)
                continue
            node = self._machine(name, of)
            if name in properties:
                node["EquipmentActualProperty"] = self.stated.nested(
                    properties[name], "EquipmentActualProperty", "OpEquipmentActualProperty", "actual", name
                )
            results = self._results_of(of, name, alone=name == first)
            if results:
                node["TestResult"] = self.stated.results(results)
            around = made.get(self.equipment.rows.get(name, {}).get("parent_equipment_id") or "")
            if around is not None and self._nests:
                around.setdefault("EquipmentActual", []).append(node)
            else:
                nodes.append(node)
            made[name] = node
        return nodes

    def _results_of(self, of: Of, name: str, *, alone: bool) -> list[Row]:
        """Take the results without an item that are of this equipment, or of nothing else where it is the step's own."""
        if None not in of.results or not self.fit.holds("OpEquipmentActual", "TestResult"):
            return []
        mine = [row for row in of.results[None] if extra_of(row).get("EquipmentID", name if alone else None) == name]
        rest = [row for row in of.results[None] if not any(row is other for other in mine)]
        if rest:
            of.results[None] = rest
        else:
            del of.results[None]
        return mine

    def _machine(self, name: str, of: Of) -> Node:
        node: Node = {"EquipmentID": name}
        row = self.equipment.rows.get(name)
        beside = of.extra.pop(f"EquipmentActual[{name}]", None)
        if row is not None and name not in self.equipment.told:
            self.equipment.told.add(name)
            self.stated.at("equipment", row)
            if row.get("class_id"):
                node["EquipmentClassID"] = row["class_id"]
            if row.get("name"):
                node["Description"] = row["name"]
            beside = extra_of(row) | (beside or {})
        self.equipment.met.add(name)
        for path in put_back(self.fit, "OpEquipmentActual", node, beside if isinstance(beside, dict) else {}):
            self.fit.lose(f"extra {path}", "the schema has no place for it")
        return node
