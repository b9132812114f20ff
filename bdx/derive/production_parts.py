"""The parts a finished battery is built of: modules, cells and others with an identity, each with what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bdx import units
from bdx.derive.production_balance import Held
from bdx.derive.production_content import fold
from bdx.derive.production_items import Plant, key
from bdx.errors import MappingError

_KINDS = {"pack": "pack", "module": "module", "cell": "cell", "filled_cell": "cell", "dry_cell": "cell"}
FAILED = "fail"


class Parts:
    """Rows of `component` of batteries; `tested` are results by item and characteristic."""

    def __init__(self, plant: Plant, held: Held, tested: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        self.plant, self.held, self.tested = plant, held, tested
        items = np.unique(plant.graph.edges.source[held.edge])
        columns = ("item_kind", "serial_number", "material_definition_id", "name", "mass_kg")
        places = plant.place[items]
        rows = plant.rows(places[places >= 0], columns)
        self._rows = dict(zip(items[places >= 0].tolist(), rows, strict=True))
        outputs = np.unique(plant.graph.edges.target[held.edge])
        places = plant.place[outputs]
        self._names = {
            number: row["serial_number"] or row["item_id"]
            for number, row in zip(outputs[places >= 0].tolist(), plant.rows(places[places >= 0], ("serial_number",)), strict=True)
        }
        self._kind: dict[str, str] = {}

    def of(self, first: int, end: int, battery: int) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the rows of one battery, whose parts stand from `first` to `end`, and the rows each rests on; pieces once."""
        edges = self.held.edge[first:end]
        source, target = self.plant.graph.edges.source[edges].tolist(), self.plant.graph.edges.target[edges].tolist()
        found: dict[int, dict[str, Any]] = {}
        rests: list[str] = []
        for item, output in zip(source, target, strict=True):
            row = self._rows.get(item)
            if row is None or item in found:
                continue
            said = {
                "kind": self._kind_of(row),
                "component_id": row["serial_number"] or row["item_id"],
                "parent_id": None if output == battery else self._names.get(output),
                "part_number": row["material_definition_id"],
                "name": row["name"],
                "quantity": 1.0,
                "mass_kg": None if row["mass_kg"] is None else float(f"{row['mass_kg']:.15g}"),
            }
            said |= self._measured(row["item_id"])
            found[item] = {column: value for column, value in said.items() if value is not None}
            rests.append(f"{key('item', row['item_id'])} {key('genealogy', row['item_id'], self.plant.graph.id(output))}")
        return list(found.values()), rests

    def _kind_of(self, row: Mapping[str, Any]) -> str:
        known = _KINDS.get(row["item_kind"] or "")
        if known:
            return known
        words = f"{row['name'] or ''} {row['material_definition_id'] or ''}"
        if words not in self._kind:
            said = f" {fold(words)} "
            parts = self.plant.facts["part"].items()
            self._kind[words] = next((kind for kind, names in parts if any(f" {fold(name)}" in said for name in names)), "other")
        return self._kind[words]

    def _measured(self, item: str) -> dict[str, float]:
        results = self.tested.get(item)
        if not results:
            return {}
        found = {}
        for column, facts in self.plant.facts["result"].items():
            result = next((results[code] for code in facts["codes"] if code in results), None)
            value = in_unit(result, facts["unit"]) if result is not None and result["verdict"] != FAILED else None
            if value is not None:
                found[column] = value
        return found


def in_unit(result: Mapping[str, Any], unit: str) -> float | None:
    """Return the value of a result in a unit, None where its own does not fit."""
    if result["unit"] == unit:
        return float(result["value_num"])
    try:
        return float(f"{units.convert(result['value_num'], result['unit'], unit):.15g}")
    except MappingError:
        return None
