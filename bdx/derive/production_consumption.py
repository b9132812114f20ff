"""What a plant used per good piece: raw material with all scrap in it, and metered energy by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import units
from bdx.derive.production import FINISHED
from bdx.derive.production_balance import balance, by_lot
from bdx.derive.production_items import Plant
from bdx.derive.production_shares import shares
from bdx.derive.production_words import vapours
from bdx.errors import MappingError

_ENERGY = "energy"


@dataclass(frozen=True, slots=True)
class Consumption:
    """Mass of one material that went in per good piece, in kg, and the part of it that the pieces hold."""

    material: str
    pieces: int
    consumed_kg: float
    held_kg: float

    @property
    def consumed_per_piece_kg(self) -> float:
        """Mass consumed for one good piece, scrap and leftovers spread over the good ones."""
        return self.consumed_kg / self.pieces

    @property
    def used_percent(self) -> float:
        """Share of what was consumed that is in good pieces."""
        return 100.0 * self.held_kg / self.consumed_kg if self.consumed_kg else float("nan")


@dataclass(frozen=True, slots=True)
class Energy:
    """Metered energy of all runs of a step, per good piece; of `runs` with a meter, out of `of_runs`."""

    step_code: str
    kwh: float
    good: float
    runs: int
    of_runs: int

    @property
    def kwh_per_piece(self) -> float:
        """Energy per good piece, of the runs that say both."""
        return self.kwh / self.good


def consumption(tables: Mapping[str, pa.Table], kind: str = "cell") -> list[Consumption]:
    """Return what went in per good piece of a kind (cell, module or pack), by material, the most first.

    Good pieces are those of the kind that were made and are not scrap. Solvents count as consumed, not as held. Lots
    whose mass cannot be told, and pieces that estimates alone connect, are left out.
    """
    if kind not in FINISHED or not {"item", "genealogy"} <= tables.keys():
        return []
    plant = Plant(tables)
    graph, divided = plant.graph, shares(plant)
    good = np.flatnonzero(graph.is_kind(kind) & plant.piece & ~graph.scrap)
    held = by_lot(plant, balance(plant, divided, good, vapours(plant)).materials)
    inside: dict[str, float] = {}
    names = _names(plant)
    for item, mass in zip(held.item.tolist(), held.mass.tolist(), strict=True):
        inside[names[item]] = inside.get(names[item], 0.0) + mass
    fed = np.zeros(len(graph.ids), bool)
    fed[graph.edges.target[divided.used]] = True
    raw = np.flatnonzero(divided.used & ~fed[graph.edges.source] & ~np.isnan(divided.mass) & _below(plant, divided.used, good))
    total: dict[str, float] = {}
    for item, mass in zip(graph.edges.source[raw].tolist(), divided.mass[raw].tolist(), strict=True):
        total[names[item]] = total.get(names[item], 0.0) + mass
    found = [Consumption(name, len(good), mass, inside.get(name, 0.0)) for name, mass in total.items()] if len(good) else []
    return sorted(found, key=lambda one: (-one.consumed_kg, one.material))


def _below(plant: Plant, used: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return which edges lead to something that a good piece was made of, whatever became of the rest of it."""
    graph = plant.graph
    reached = np.zeros(len(graph.ids), bool)
    reached[good] = True
    front = good
    while len(front):
        edges = graph.up.edges[graph.up.places(front)]
        front = np.unique(graph.edges.source[edges[used[edges]]])
        front = front[~reached[front]]
        reached[front] = True
    found: np.ndarray = reached[graph.edges.target]
    return found


def _names(plant: Plant) -> list[str]:
    columns = [plant.texts(column) for column in ("material_definition_id", "name")]
    names: list[str] = pc.coalesce(*columns, plant.graph.ids.cast(pa.string())).to_pylist()
    return names


def energy(tables: Mapping[str, pa.Table]) -> list[Energy]:
    """Return the metered energy per good piece of each step that counts pieces, in the order of the table of steps.

    A meter is a process parameter `energy` that was measured, in a unit of energy; a run without one, or without a good
    quantity in pieces, is not counted in.
    """
    steps, values = tables.get("process_step"), tables.get("process_parameter")
    if steps is None or values is None or not steps.num_rows or not values.num_rows:
        return []
    metered: dict[str, float] = {}
    kept = pc.and_(pc.equal(values["parameter_code"], _ENERGY), pc.and_(values["value_num"].is_valid(), values["unit"].is_valid()))
    planned = pc.is_in(pc.fill_null(values["role"], ""), value_set=pa.array(["setpoint", "limit_low", "limit_high"]))
    for row in (
        values.select(["step_run_id", "value_num", "unit"]).filter(pc.and_(pc.fill_null(kept, False), pc.invert(planned))).to_pylist()
    ):
        try:
            kwh = units.convert(row["value_num"], row["unit"], "kWh")
        except MappingError:
            continue
        metered[row["step_run_id"]] = metered.get(row["step_run_id"], 0.0) + kwh
    sums: dict[str, list[float]] = {}
    for row in steps.select(["step_run_id", "step_code", "qty_good", "qty_unit"]).to_pylist():
        of = sums.setdefault(row["step_code"], [0.0, 0.0, 0, 0])
        of[3] += 1
        if row["step_run_id"] in metered and row["qty_good"] and row["qty_unit"] == "1":
            of[0] += metered[row["step_run_id"]]
            of[1] += row["qty_good"]
            of[2] += 1
    return [Energy(code, of[0], of[1], int(of[2]), int(of[3])) for code, of in sums.items() if of[1]]
