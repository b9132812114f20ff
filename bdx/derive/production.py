"""Production tables -> what a passport says of each finished item: serial, model, day, place and mass of making, materials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec, units
from bdx.derive.derived import Derived
from bdx.errors import MappingError, SpecError

FINISHED = ("pack", "module", "cell")
"""Kinds of item that can be a battery, the largest first; the first kind that was made and not used up is meant."""

_UNFINISHED = ("scrap", "sample", "carrier")
_TABLES = ("item", "process_step", "genealogy")
_ITEM = (
    *("item_kind", "granularity", "lot_id", "serial_number", "material_definition_id", "name", "produced_by_step_run_id"),
    *("produced_at", "mass_kg", "locator"),
)


@dataclass(slots=True)
class Produced:
    """One finished item, its derived attributes and the materials stated for it."""

    serial: str | None
    item_id: str
    attributes: list[Derived] = field(default_factory=list)
    materials: list[dict[str, Any]] = field(default_factory=list)


def batteries(tables: Mapping[str, pa.Table], serials: set[str] | None = None) -> list[Produced]:
    """Return the finished items of production tables with what specs/derivations.toml derives of them.

    Finished are the items of the largest kind (pack, module, cell) that were produced and went into nothing else; where
    no item has such a kind, the single pieces that were. `serials` asks for the items of those serial numbers or
    identifiers instead. Scrap, samples and carriers are never finished.
    """
    if "item" not in tables or not tables["item"].num_rows:
        return []
    plant = _Plant(tables)
    rules = [row for row in spec.load(spec.root() / "derivations.toml", "derivations")["derivation"] if _is_production(row["from"])]
    for row in rules:
        if row["by"] not in _BY and row["by"] != "consumed_mass":
            raise SpecError(
                f"specs/derivations.toml: '{row['by']}' is no derivation of production data; known: {', '.join(_BY)}, consumed_mass"
            )
    found = []
    for number in plant.finished(serials):
        item = plant.item(number)
        made = Produced(item["serial_number"], item["item_id"])
        for row in rules:
            if row["by"] == "consumed_mass":
                made.materials = plant.materials(number)
                continue
            derived = _BY[row["by"]](plant, item)
            if derived is not None:
                made.attributes.append(Derived(row["to"].partition(".")[2], derived[0], row["by"], derived[1]))
        found.append(made)
    return found


def _is_production(columns: tuple[str, ...]) -> bool:
    return all(column.partition(".")[0] in _TABLES for column in columns)


class _Plant:
    """The tables by item number: rows merged per item, edges by output in compressed form, steps by identifier."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        self.items = _merged(tables["item"])
        self.ids: pa.Array = self.items["item_id"].combine_chunks()
        self.steps = tables.get("process_step")
        self.edges = tables.get("genealogy")
        self.masses = _measured(tables.get("quality_result"))
        count = len(self.ids)
        if self.edges is None or not self.edges.num_rows:
            empty = np.zeros(0, np.int64)
            self.inputs, self.order, self.starts, self.certain = empty, empty, np.zeros(count + 1, np.int64), np.zeros(0, bool)
            return
        self.inputs = _numbers(self.edges["input_item_id"], self.ids)
        outputs = _numbers(self.edges["output_item_id"], self.ids)
        self.certain = ~np.asarray(pc.fill_null(self.edges["is_estimated"], True).combine_chunks().to_numpy(zero_copy_only=False))
        kept = np.flatnonzero(outputs >= 0)
        self.order = kept[np.argsort(outputs[kept], kind="stable")]
        self.starts = np.searchsorted(outputs[self.order], np.arange(count + 1))

    def finished(self, serials: set[str] | None) -> list[int]:
        """Return the numbers of the items asked for, else of the finished ones, in the order of the table."""
        kinds = pc.fill_null(self.items["item_kind"], "").combine_chunks()
        if serials is not None:
            wanted = pa.array(sorted(serials), pa.string())
            asked = pc.or_(pc.is_in(self.items["item_id"], wanted), pc.is_in(pc.fill_null(self.items["serial_number"], ""), wanted))
            return [int(number) for number in np.flatnonzero(asked.to_numpy(zero_copy_only=False))]
        made = self.items["produced_by_step_run_id"].is_valid().to_numpy(zero_copy_only=False).copy()
        if self.edges is not None and self.edges.num_rows:
            used = self.inputs[(self.inputs >= 0) & (self.inputs != _numbers(self.edges["output_item_id"], self.ids))]
            made[used] = False
        for kind in FINISHED:
            found = np.flatnonzero(made & pc.equal(kinds, kind).to_numpy(zero_copy_only=False))
            if len(found):
                return [int(number) for number in found]
        pieces = pc.equal(pc.fill_null(self.items["granularity"], ""), "serial").to_numpy(zero_copy_only=False)
        spoiled = pc.is_in(kinds, pa.array(_UNFINISHED)).to_numpy(zero_copy_only=False)
        return [int(number) for number in np.flatnonzero(made & pieces & ~spoiled)]

    def item(self, number: int) -> dict[str, Any]:
        """Return one item as a row."""
        row: dict[str, Any] = self.items.slice(number, 1).to_pylist()[0]
        return row

    def step(self, step_id: str | None) -> dict[str, Any] | None:
        """Return the row of a step, or None."""
        if step_id is None or self.steps is None:
            return None
        place = pc.index(self.steps["step_run_id"], pa.scalar(step_id, pa.string())).as_py()
        return None if place < 0 else self.steps.slice(place, 1).to_pylist()[0]  # type: ignore[no-any-return]

    def into(self, number: int) -> list[int]:
        """Return the rows of genealogy whose output is the item, the certain ones."""
        rows = self.order[self.starts[number] : self.starts[number + 1]]
        return [int(row) for row in rows if self.certain[row]]

    def materials(self, number: int) -> list[dict[str, Any]]:
        """Return name, mass and lot of what went into an item and into the single pieces it is assembled of.

        A lot that is not a single piece is not followed further: its own inputs are shared with other items.
        """
        masses: dict[int, float] = {}
        seen = {number}
        waiting = [number]
        while waiting:
            for row in self.into(waiting.pop()):
                source = int(self.inputs[row])
                if source < 0 or (source in seen and self._is_piece(source)):
                    continue
                if self._is_piece(source) and self.starts[source] < self.starts[source + 1]:
                    seen.add(source)
                    waiting.append(source)
                    continue
                mass = self._mass(row)
                if mass is not None:
                    masses[source] = masses.get(source, 0.0) + mass
        return [self._material(source, mass) for source, mass in masses.items()]

    def _is_piece(self, number: int) -> bool:
        return bool(self.items["granularity"][number].as_py() == "serial")

    def _mass(self, row: int) -> float | None:
        assert self.edges is not None
        quantity, unit = self.edges["quantity"][row].as_py(), self.edges["unit"][row].as_py()
        if quantity is None or unit is None:
            return None
        try:
            return units.convert(quantity, unit, "kg")
        except MappingError:
            return None

    def _material(self, number: int, mass: float) -> dict[str, Any]:
        item = self.item(number)
        name = item["name"] or item["material_definition_id"] or item["item_id"]
        # Fifteen digits are what a double carries; the rest is noise of adding.
        return {"name": name, "mass_kg": float(f"{mass:.15g}"), "lot_id": item["lot_id"] or item["item_id"]}


def _merged(items: pa.Table) -> pa.Table:
    """Return one row per item: of each column the first value that any row of the item has."""
    known = [name for name in _ITEM if name in items.column_names]
    items = items.select(["item_id", *known]).combine_chunks()
    if pc.count_distinct(items["item_id"]).as_py() == items.num_rows:
        return items
    grouped = items.group_by("item_id", use_threads=False).aggregate([(name, "first") for name in known])
    return grouped.select(["item_id", *(f"{name}_first" for name in known)]).rename_columns(["item_id", *known])


def _numbers(column: pa.ChunkedArray, ids: pa.Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    found = pc.fill_null(pc.index_in(column, value_set=ids), -1).combine_chunks()
    return np.asarray(found.to_numpy(zero_copy_only=False)).astype(np.int64)


def _measured(results: pa.Table | None) -> dict[str, tuple[float, str]]:
    """Return item -> mass in kg and where it was measured; the latest row of an item counts."""
    if results is None or not results.num_rows:
        return {}
    rows = results.filter(pc.equal(results["characteristic_code"], "mass"))
    rows = rows.filter(pc.and_(pc.equal(rows["unit"], "kg"), pc.and_(rows["value_num"].is_valid(), rows["item_id"].is_valid())))
    columns = (rows[name].to_pylist() for name in ("item_id", "value_num", "result_id", "locator"))
    return {
        item: (mass, f"quality_result.value_num of {result or item} ({locator})")
        for item, mass, result, locator in zip(*columns, strict=True)
    }


_Found = tuple[Any, str] | None


def _serial(_: _Plant, item: dict[str, Any]) -> _Found:
    return _of(item, "serial_number")


def _lot(_: _Plant, item: dict[str, Any]) -> _Found:
    lot = item["lot_id"]
    return None if lot is None or lot == item["serial_number"] else _of(item, "lot_id")


def _definition(_: _Plant, item: dict[str, Any]) -> _Found:
    return _of(item, "material_definition_id")


def _of(item: dict[str, Any], column: str) -> _Found:
    value = item[column]
    return None if value is None else (value, f"item.{column} of {item['item_id']} ({item['locator']})")


def _date(plant: _Plant, item: dict[str, Any]) -> _Found:
    """The day as the plant wrote it: in UTC it may be another one."""
    step = plant.step(item["produced_by_step_run_id"])
    raw = (step or {}).get("ended_raw") or ""
    try:
        return date.fromisoformat(raw.strip()[:10]), f"process_step.ended_raw of {step['step_run_id']} ({step['locator']})" if step else ""
    except ValueError:
        moment = item["produced_at"]
        return None if moment is None else (moment.date(), f"item.produced_at of {item['item_id']} ({item['locator']})")


def _site(plant: _Plant, item: dict[str, Any]) -> _Found:
    step = plant.step(item["produced_by_step_run_id"])
    if step is None or step["site_id"] is None:
        return None
    return step["site_id"], f"process_step.site_id of {step['step_run_id']} ({step['locator']})"


def _mass(plant: _Plant, item: dict[str, Any]) -> _Found:
    return _of(item, "mass_kg") or plant.masses.get(item["item_id"])


_BY: Mapping[str, Callable[[_Plant, dict[str, Any]], _Found]] = {
    "item_serial": _serial,
    "item_lot": _lot,
    "item_definition": _definition,
    "item_date": _date,
    "step_site": _site,
    "item_mass": _mass,
}
"""The closed list of derivations from production data, by the name that specs/derivations.toml uses."""
