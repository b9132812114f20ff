"""What production data say of a finished item itself: who it is, when and where it was finished, what it weighs and showed in its tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, ClassVar

from bdx.derive.derived import Derived
from bdx.derive.production_items import Plant, key
from bdx.derive.production_parts import FAILED, in_unit

_Found = tuple[Any, str, str] | None
_RESISTANCE = {"initial_internal_resistance_pack_ohm": "pack", "initial_internal_resistance_module_ohm": "module"}
_ASCENTS = 8


class Facts:
    """The finished items at `places` of a plant with their steps and results; each value by the name of its derivation."""

    BY: ClassVar[tuple[str, ...]]

    def __init__(self, plant: Plant, places: Any) -> None:
        self.plant, self.places = plant, places
        self.items = plant.rows(places)
        codes = [code for facts in plant.facts["result"].values() for code in facts["codes"]]
        self.tested: Mapping[str, Mapping[str, Mapping[str, Any]]] = plant.results(codes)
        self.steps = plant.steps([item["produced_by_step_run_id"] for item in self.items])
        for _ in range(_ASCENTS):
            above = [row["parent_step_run_id"] for row in self.steps.values() if row["parent_step_run_id"] not in self.steps]
            more = plant.steps(above)
            if not more:
                break
            self.steps |= more

    def value(self, rule: tuple[str, str, str], place: int) -> Derived | None:
        """Return the value that a derivation (column, name, version) gives, None where the records do not have it."""
        column, by, version = rule
        found = _BY[by](self, self.items[place], column)
        return None if found is None else Derived(column, found[0], by, found[1], found[2], version)

    def mass(self, place: int) -> float | None:
        """Return the mass of an item in kg, stated or measured."""
        found = _mass(self, self.items[place], "")
        return None if found is None else float(found[0])

    def refused(self, place: int) -> list[dict[str, Any]]:
        """Return which results of an item are not taken, and why."""
        found: list[dict[str, Any]] = []
        if self.items[place]["item_id"] not in self.tested:
            return found
        for name, facts in self.plant.facts["result"].items():
            result = self._result(self.items[place]["item_id"], name)
            if result is None:
                continue
            if result["verdict"] == FAILED:
                found.append({"value": f"{name} {result['value_num']:g} {result['unit']}", "why": "the result is judged as failed"})
            elif in_unit(result, facts["unit"]) is None:
                found.append({"value": f"{name} {result['value_num']:g} {result['unit']}", "why": f"its unit is none like {facts['unit']}"})
        return found

    def _result(self, item: str, name: str) -> Mapping[str, Any] | None:
        results = self.tested.get(item)
        if not results:
            return None
        return next((results[code] for code in self.plant.facts["result"][name]["codes"] if code in results), None)

    def measured(self, item: Mapping[str, Any], name: str) -> _Found:
        """Return a result of the item itself in the unit of specs/balance.toml, unless it failed."""
        result = self._result(item["item_id"], name)
        if result is None or result["verdict"] == FAILED:
            return None
        value = in_unit(result, self.plant.facts["result"][name]["unit"])
        if value is None:
            return None
        named = result["result_id"] or item["item_id"]
        return value, f"quality_result.value_num of {named} ({result['locator']})", key("quality_result", named)


def facts_of(plant: Plant, places: Any) -> Facts:
    """Return what is said of the items at some places."""
    return Facts(plant, places)


def _of(item: Mapping[str, Any], column: str) -> _Found:
    value = item[column]
    return None if value is None else (value, f"item.{column} of {item['item_id']} ({item['locator']})", key("item", item["item_id"]))


def _serial(_: Facts, item: Mapping[str, Any], _column: str) -> _Found:
    return _of(item, "serial_number")


def _lot(_: Facts, item: Mapping[str, Any], _column: str) -> _Found:
    lot = item["lot_id"]
    return None if lot is None or lot == item["serial_number"] else _of(item, "lot_id")


def _definition(_: Facts, item: Mapping[str, Any], _column: str) -> _Found:
    return _of(item, "material_definition_id")


def _date(facts: Facts, item: Mapping[str, Any], _column: str) -> _Found:
    """The day as the plant wrote it: in UTC it may be another one."""
    step = facts.steps.get(item["produced_by_step_run_id"])
    try:
        day = date.fromisoformat(((step or {}).get("ended_raw") or "").strip()[:10])
    except ValueError:
        moment = item["produced_at"]
        said = f"item.produced_at of {item['item_id']} ({item['locator']})"
        return None if moment is None else (moment.date(), said, key("item", item["item_id"]))
    return None if step is None else (day, *_in_step(step, "ended_raw"))


def _site(facts: Facts, item: Mapping[str, Any], _column: str) -> _Found:
    """The site of the step, else of the nearest step it is part of that says one."""
    step = facts.steps.get(item["produced_by_step_run_id"])
    for _ in range(_ASCENTS):
        if step is None or step["site_id"] is not None:
            break
        step = facts.steps.get(step["parent_step_run_id"])
    return None if step is None or step["site_id"] is None else (step["site_id"], *_in_step(step, "site_id"))


def _in_step(step: Mapping[str, Any], column: str) -> tuple[str, str]:
    return f"process_step.{column} of {step['step_run_id']} ({step['locator']})", key("process_step", step["step_run_id"])


def _mass(facts: Facts, item: Mapping[str, Any], _column: str) -> _Found:
    return _of(item, "mass_kg") or facts.measured(item, "mass_kg")


def _capacity(facts: Facts, item: Mapping[str, Any], _column: str) -> _Found:
    return facts.measured(item, "capacity_ah")


def _resistance(facts: Facts, item: Mapping[str, Any], column: str) -> _Found:
    """The resistance of a pack is that of the pack: a value of a cell goes to the row of that cell."""
    kind = _RESISTANCE.get(column, "cell")
    return facts.measured(item, "internal_resistance_ohm") if item["item_kind"] == kind else None


_BY: Mapping[str, Callable[[Facts, Mapping[str, Any], str], _Found]] = {
    "item_serial": _serial,
    "item_lot": _lot,
    "item_definition": _definition,
    "item_date": _date,
    "step_site": _site,
    "item_mass": _mass,
    "item_capacity": _capacity,
    "item_resistance": _resistance,
}
"""The closed list of derivations from one item, by the name that specs/derivations.toml uses."""

Facts.BY = tuple(_BY)
