"""Places and machines of production steps -> rows of equipment, with the properties and test results of machines."""

from __future__ import annotations

from typing import Any

from bdx.mapping.segment_nodes import Node, first, many
from bdx.mapping.segment_results import Results
from bdx.mapping.segment_rows import Run

_EQUIPMENT_LEAVES = frozenset(("ID", "EquipmentID", "EquipmentClassID", "Description"))
_EQUIPMENT_MANY = frozenset(("EquipmentActualProperty", "EquipmentActual", "TestResult"))


class Places:
    """Adds the equipment of the open step."""

    def __init__(self, run: Run, results: Results) -> None:
        self.run = run
        self.nodes = run.nodes
        self.values = run.values
        self.results = results

    def scope(self, levels: tuple[Node, ...]) -> tuple[str | None, str | None] | None:
        """Return the site and the innermost place of the nearest hierarchy scope, if any; its places become equipment."""
        scope = next((many(node, "HierarchyScope")[0] for node in levels if "HierarchyScope" in node), None)
        if scope is None:
            return None
        site = place = None
        while isinstance(scope, dict):
            node = self.nodes.named(scope)
            here = self.values.identifier(first(node, "EquipmentID"), "equipment", "equipment_id", self.run.locator)
            level = (first(node, "EquipmentElementLevel") or "").strip()
            if here:
                self.run.add_equipment(here, place, level or None, None, None, None)
                place = here
                if level.casefold() == "site":
                    site = here
            scope = next(iter(many(node, "HierarchyScope")), None)
        return site, place

    def equipment(self, segment: Node, place: str | None, extra: dict[str, Any]) -> str | None:
        """Return the first equipment used; adds all of it, with its properties."""
        found: str | None = None
        waiting = [(node, place) for node in reversed(many(segment, "EquipmentActual"))]
        while waiting:
            raw, parent = waiting.pop()
            node = self.nodes.named(raw) if isinstance(raw, dict) else {"EquipmentID": raw}
            here = self.values.identifier(first(node, "EquipmentID"), "equipment", "equipment_id", self.run.locator)
            rest: dict[str, Any] = {}
            self.nodes.leftover(node, _EQUIPMENT_LEAVES, _EQUIPMENT_MANY, "", rest)
            if here:
                kind = self.values.identifier(first(node, "EquipmentClassID"), "equipment", "class_id", self.run.locator)
                if not self.run.add_equipment(here, parent, None, kind, first(node, "Description"), rest) and rest:
                    extra[f"EquipmentActual[{here}]"] = rest
                if found is None:
                    found = here
                else:
                    extra.setdefault("EquipmentActual", []).append(here)
            elif node:
                extra.setdefault("EquipmentActual", []).append(raw)
            if "EquipmentActualProperty" in node:
                self.results.parameters(many(node, "EquipmentActualProperty"), "EquipmentActualProperty", "actual", None, here or "")
            if "TestResult" in node:
                self.results.results(many(node, "TestResult"), None, {"EquipmentID": here} if here else None)
            waiting.extend((child, here or parent) for child in reversed(many(node, "EquipmentActual")))
        return found
