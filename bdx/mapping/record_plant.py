"""Equipment and physical assets of a message -> rows of equipment."""

from __future__ import annotations

from typing import Any

from bdx import canon
from bdx.mapping.record_rows import RecordRun
from bdx.mapping.segment_nodes import Node, first, leaf, many
from bdx.mapping.segment_results import Results

_LEAVES = frozenset(("ID", "Description", "EquipmentLevel", "EquipmentClassID", "PhysicalAssetClassID", "PhysicalAssetID", "VendorID"))
_INNER = frozenset(("EquipmentAssetMapping",))
_MAPPED = frozenset(("EquipmentID", "PhysicalAssetID", "StartTime", "EndTime"))
_COLUMNS = ("name", "manufacturer", "model", "serial_number")


class Plant:
    """Adds equipment and assets one by one."""

    def __init__(self, run: RecordRun, results: Results) -> None:
        self.run = run
        self.results = results
        self._words = {word.casefold(): column for column, words in run.facts["equipment"].items() for word in words}

    def take(self, unit: dict[str, Any], extra: dict[str, Any]) -> None:
        """Add the row of a piece of equipment or an asset; `extra` is what the levels around it said."""
        run, node = self.run, unit["segment"]
        asset = unit["element"].startswith("PhysicalAsset")
        here = self._identifier(node, "ID")
        if here is None:
            run.values.remarks.note("M081", "equipment", "equipment_id", first(node, "Description") or "", run.locator)
            run.context.log.lose(run.context.source, unit["element"], "it has no identifier")
            return
        parent = self._identifier(unit["parent"]["said"], "ID") if unit["parent"] is not None else None
        place = run.scope({"HierarchyScope": node["HierarchyScope"]}) if "HierarchyScope" in node else None
        if not run.seen_equipment.add(here):
            run.values.remarks.note("M083", "equipment", "equipment_id", here, run.locator)
        told = self._told(node, "PhysicalAssetProperty" if asset else "EquipmentProperty", here)
        kind = self._identifier(node, "PhysicalAssetClassID" if asset else "EquipmentClassID")
        physical, begins, ends = self._mapping(node, here, asset, extra)
        level = self._level(node)
        run.nodes.leftover(node, _LEAVES, _INNER, "", extra)
        name = (first(node, "Description") or "").strip() or told.get("name")
        maker = self._identifier(node, "VendorID") or told.get("manufacturer")
        run.rows["equipment"].append(
            (
                *(
                    here,
                    parent or (place if place != here else None),
                    level,
                    kind,
                    name,
                    run.locator,
                    canon.dumps(extra) if extra else None,
                ),
                *(maker, told.get("model"), told.get("serial_number"), physical, begins, ends, run.said),
            )
        )

    def _level(self, node: Node) -> str | None:
        """Return the level of the hierarchy: V7 says it as a word, V6 and V4 in a scope of which the place is this equipment."""
        for name in ("EquipmentLevel", "Location"):
            for stated in many(node, name):
                inner = stated if type(stated) is dict else {"": stated if name == "EquipmentLevel" else ""}
                text = leaf(inner) or first(inner, "EquipmentElementLevel") or first(inner, "EquipmentLevel") or ""
                if text.strip().casefold() == "other" and inner.get("@OtherValue"):
                    text = inner["@OtherValue"]
                if text.strip():
                    return text.strip()
        return None

    def _told(self, node: Node, element: str, here: str) -> dict[str, str]:
        """Return what the properties say that has a column; adds their test results."""
        found: dict[str, str] = {}
        waiting = list(reversed(many(node, element)))
        while waiting:
            said = waiting.pop()
            if type(said) is not dict:
                continue
            inner = self.run.nodes.named(said)
            name = (first(inner, "ID") or "").strip()
            column = self._words.get(name.casefold())
            values = many(inner, "Value")
            if column is not None and values:
                text = self.results.value(values[0], {})[0].strip()
                if text:
                    found.setdefault(column, text)
            if "TestResult" in inner:
                start = len(self.run.rows["quality_result"])
                self.results.results(many(inner, "TestResult"), None, {"EquipmentID": here}, title=name)
                self.run.widen("quality_result", start, None, None, None, None, self.run.said)
            waiting.extend(reversed(many(inner, element)))
        return found

    def _mapping(self, node: Node, here: str, asset: bool, extra: dict[str, Any]) -> tuple[str | None, int | None, int | None]:
        """Return the asset behind a piece of equipment, from when and until when; an asset's own mappings become equipment."""
        run = self.run
        physical = here if asset else self._identifier(node, "PhysicalAssetID")
        begins = ends = None
        stated = [said for said in many(node, "EquipmentAssetMapping") if type(said) is dict]
        for number, said in enumerate(stated):
            times: dict[str, Any] = {}
            moments = [
                run.stamp(said, name, "equipment", column, times) for name, column in (("StartTime", "valid_from"), ("EndTime", "valid_to"))
            ]
            if asset:
                used = self._identifier(said, "EquipmentID")
                if used and used != here and run.seen_equipment.add(used):
                    row = (used, None, None, None, None, run.locator, None, None, None, None, here, *moments, None)
                    run.rows["equipment"].append(row)
            elif number == 0:
                physical = self._identifier(said, "PhysicalAssetID") or physical
                begins, ends = moments
            if asset or times or number or said.keys() - _MAPPED or (self._identifier(said, "EquipmentID") or here) != here:
                extra.setdefault("EquipmentAssetMapping", []).append(run.nodes.plain(said))
        return physical, begins, ends

    def _identifier(self, node: Node, name: str) -> str | None:
        return self.run.values.identifier(first(node, name), "equipment", name, self.run.locator)
