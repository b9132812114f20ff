"""One row per cycle from a stream of time series batches, in one pass and constant memory per cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx import canon
from bdx.derive.blocks import QUANTITIES, SCOPES, Block, Blocks
from bdx.derive.steps import Steps

__all__ = ["AGREE", "Cycles"]

AGREE = 0.005
"""Counters and integral agree within this share."""

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

_RESTARTING = ("step_charging_capacity_ah", "step_discharging_capacity_ah")
_RISEN = "risen"
_STRONG = 0.01
"""Share of the largest current so far below which a record counts as rest."""
_PHASE = 0.05
"""Share of a cycle's largest charge or discharge below which a phase is not one."""


@dataclass(slots=True)
class _Cycle:
    """What is known of one cycle so far; the four sums are charge in, charge out, energy in, energy out."""

    records: int = 0
    first_row: int = 0
    last_row: int = 0
    start: float = np.nan
    end: float = np.nan
    low: Floats = field(default_factory=lambda: np.full(2, np.nan))
    high: Floats = field(default_factory=lambda: np.full(3, np.nan))
    counted: dict[str, Floats] = field(default_factory=lambda: {source: np.zeros(4) for source in (*SCOPES, _RISEN)})
    integral: Floats = field(default_factory=lambda: np.zeros(4))
    phases: list[list[float]] = field(default_factory=list)


class Cycles:
    """A fold over `timeseries`: `watch` every batch in file order, then `finish` once.

    Capacity and energy come from the instrument's counters that restart with each step (or cycle), the largest value of
    each step added up; else from the rise of its other counters; where the file has none, or they stand still while current flows,
    from integrating current and power over time by the trapezoid rule within a step. Time that runs backwards adds nothing.
    Cycles keep the instrument's numbers.
    """

    def __init__(self, *, steps: bool = False, first_row: int = 1) -> None:
        self._cycles: dict[int, _Cycle] = {}
        self._blocks = Blocks(steps=steps, first_row=first_row)
        self._steps = Steps() if steps else None
        self._open: dict[str, tuple[int, Floats]] = {}
        self._largest = 0.0

    def watch(self, batch: pa.RecordBatch) -> None:
        """Take in one batch of `timeseries`; one without `cycle_count` is passed over, unless for its steps."""
        for block in self._blocks.cut(batch):
            self._fold(block)

    def finish(self, test_id: str) -> pa.RecordBatch | None:
        """Return the rows of `cycle` in the order the cycles began; None where the series has no cycle numbers."""
        for block in self._blocks.rest():
            self._fold(block)
        for scope in SCOPES:
            self._close(scope)
        if not self._cycles:
            return None
        source, present = self._source(), self._blocks.present
        return canon.from_rows("cycle", [_row(test_id, number, cycle, source, present) for number, cycle in self._cycles.items()])

    def steps(self, test_id: str, nominal_ah: float | None = None) -> pa.RecordBatch | None:
        """Return the rows of `step`, after `finish`; None where none were asked for or the series has no current."""
        return None if self._steps is None else self._steps.finish(test_id, self._blocks.present, nominal_ah)

    def deviations(self) -> list[tuple[str, float, float]]:
        """Return per quantity what the instrument counted and what integrating gives, over all cycles, after `finish`."""
        source, present = self._source(), self._blocks.present
        if not source or not self._cycles or not {"time", "current", "voltage"} <= present:
            return []
        sums = [np.sum([cycle.counted[source] for cycle in self._cycles.values()], axis=0)]
        sums.append(np.sum([cycle.integral for cycle in self._cycles.values()], axis=0))
        counts = any({f"{scope}{name}" for name in QUANTITIES[2:]} <= present for scope in ("step_", "cycle_", "schedule_", ""))
        names = QUANTITIES if counts else QUANTITIES[:2]
        return [(name, float(a), float(b)) for name, a, b in zip(names, *sums, strict=False)]

    def _fold(self, block: Block) -> None:
        """Add one block of rows to the cycles; values beyond any float's reach only spoil their own sums."""
        with np.errstate(invalid="ignore", over="ignore"):
            if "cycle" in self._blocks.present:
                self._add(block)
            if self._steps is not None:
                self._steps.take(block)

    def _add(self, block: Block) -> None:
        columns = block.columns
        starts = np.flatnonzero(block.new_cycle)
        starts = starts if len(starts) and starts[0] == 0 else np.append(0, starts)
        risen = None if self._blocks.told else block.risen
        self._sum(block, risen, starts)
        numbered = block.new_step if "step" in self._blocks.present else block.new_cycle
        self._count("step_", columns, numbered | _restarts(columns, block.before))
        self._count("cycle_", columns, block.new_cycle)
        self._turn(columns["current"], columns["cycle"], block.integral if risen is None or not risen.any() else risen)

    def _at(self, number: float) -> _Cycle:
        return self._cycles.setdefault(int(number), _Cycle())

    def _sum(self, block: Block, risen: Floats | None, starts: Places) -> None:
        """Add records, extremes and what moved to each run of one cycle."""
        columns = block.columns
        lengths = np.diff(np.append(starts, len(columns["cycle"])))
        sums = np.add.reduceat(block.integral, starts, axis=1)
        rises = None if risen is None else np.add.reduceat(risen, starts, axis=1)
        extremes = [columns[name] for name in ("voltage", "current", "temperature")]
        low = np.stack([np.fmin.reduceat(values, starts) for values in extremes[:2]])
        high = np.stack([np.fmax.reduceat(values, starts) for values in extremes])
        ends = starts + lengths - 1
        for k, start in enumerate(starts.tolist()):
            number = columns["cycle"][start]
            if np.isnan(number):
                continue
            cycle = self._at(number)
            if not cycle.records:
                cycle.start, cycle.first_row = columns["time"][start], block.first_row + start
            cycle.end, cycle.last_row = columns["time"][ends[k]], block.first_row + int(ends[k])
            cycle.records += int(lengths[k])
            cycle.low, cycle.high = np.fmin(cycle.low, low[:, k]), np.fmax(cycle.high, high[:, k])
            cycle.integral += sums[:, k]
            if rises is not None:
                cycle.counted[_RISEN] += rises[:, k]

    def _count(self, scope: str, columns: Mapping[str, Floats], new: npt.NDArray[np.bool_]) -> None:
        """Add the largest counter of each finished step (or cycle) to its cycle; the last one stays open for the next block."""
        names = [scope + quantity for quantity in QUANTITIES]
        if self._blocks.present.isdisjoint(names):
            return
        starts = np.flatnonzero(new)
        if not len(starts) or starts[0] > 0:
            starts = np.append(0, starts)
        peaks = np.zeros((len(starts), 4))
        for k, name in enumerate(names):
            if name in columns:
                peaks[:, k] = np.nan_to_num(np.fmax.reduceat(np.abs(columns[name]), starts))
        numbers = columns["cycle"][starts]
        if scope in self._open and not new[0]:
            peaks[0] = np.maximum(peaks[0], self._open.pop(scope)[1])
        self._close(scope)
        for number, peak in zip(numbers[:-1].tolist(), peaks[:-1], strict=True):
            if not np.isnan(number):
                self._at(number).counted[scope] += peak
        if not np.isnan(numbers[-1]):
            self._open[scope] = (int(numbers[-1]), peaks[-1])

    def _close(self, scope: str) -> None:
        if scope in self._open:
            number, peak = self._open.pop(scope)
            self._at(number).counted[scope] += peak

    def _turn(self, current: Floats, cycle: Floats, flows: Floats) -> None:
        """Append the phases of charge and discharge to their cycles; neighbours of one direction are one phase."""
        size = np.nan_to_num(np.abs(current))
        largest = np.maximum(np.maximum.accumulate(size), self._largest)
        self._largest = float(largest[-1])
        moving = np.flatnonzero((size > 0) & (size >= _STRONG * largest) & ~np.isnan(cycle))
        if not len(moving):
            return
        direction, number = np.sign(current[moving]), cycle[moving]
        starts = np.append(0, np.flatnonzero((direction[1:] != direction[:-1]) | (number[1:] != number[:-1])) + 1)
        charge = np.add.reduceat((flows[0] + flows[1])[moving], starts)
        for sign, number_, amount in zip(direction[starts].tolist(), number[starts].tolist(), charge.tolist(), strict=True):
            phases = self._at(number_).phases
            if phases and phases[-1][0] == sign:
                phases[-1][1] += amount
            else:
                phases.append([sign, amount])

    def _source(self) -> str:
        """Return which counters to trust, or "" to integrate.

        Of those of a step or cycle both capacities and both energies must be there; the capacities alone serve where nothing can be
        integrated. Counters that stand at zero while current flows are not kept by the instrument.
        """
        for scope in SCOPES:
            names = [scope + quantity for quantity in QUANTITIES]
            if self._blocks.present.issuperset(names):
                return scope
            if self._blocks.present.issuperset(names[:2]) and not self._blocks.present.issuperset(("time", "current")):
                return scope
        risen = sum(float(cycle.counted[_RISEN][:2].sum()) for cycle in self._cycles.values())
        return _RISEN if risen > 0 else ""


def _restarts(columns: Mapping[str, Floats], before: Mapping[str, Floats]) -> npt.NDArray[np.bool_]:
    """Return where a counter falls to less than half: without step numbers that is where a step began."""
    found = np.zeros(len(columns["cycle"]), np.bool_)
    for name in _RESTARTING:
        if name in columns:
            found |= np.abs(columns[name]) < np.abs(before[name]) / 2
    return found & np.isnan(columns["step"])


def _turns(phases: list[list[float]]) -> int:
    """Return how often the cycle turned between charge and discharge, small phases left out."""
    largest = max((amount for _, amount in phases), default=0.0)
    signs = [sign for sign, amount in phases if amount >= _PHASE * largest > 0]
    return sum(1 for a, b in pairwise(signs) if a != b)


def _row(test_id: str, number: int, cycle: _Cycle, source: str, present: set[str]) -> dict[str, Any]:
    """Return one row of the table; what the series cannot tell stays empty."""
    sums: list[float | None] = (cycle.counted[source] if source else cycle.integral).tolist()
    has_charge = bool(source) or {"time", "current"} <= present
    if source == _RISEN:
        has_energy = bool(cycle.counted[_RISEN][2:].any()) or "voltage" in present
    else:
        has_energy = {source + quantity for quantity in QUANTITIES} <= present if source else {"time", "current", "voltage"} <= present
    charge, discharge, energy_in, energy_out = (
        value if known else None for value, known in zip(sums, (has_charge, has_charge, has_energy, has_energy), strict=True)
    )
    below = bool(cycle.low[0] < 0)  # an electrode below its reference: energy is a size without a direction, and no mean of voltage
    return {
        "test_id": test_id,
        "cycle_count": number,
        "records": cycle.records,
        "first_row": cycle.first_row,
        "last_row": cycle.last_row,
        "start_time_s": _known(cycle.start),
        "end_time_s": _known(cycle.end),
        "charge_capacity_ah": charge,
        "discharge_capacity_ah": discharge,
        "charge_energy_wh": energy_in,
        "discharge_energy_wh": energy_out,
        "coulombic_efficiency_percent": _ratio(discharge, charge, 100.0),
        "energy_efficiency_percent": None if below else _ratio(energy_out, energy_in, 100.0),
        "mean_charge_voltage_v": None if below else _ratio(energy_in, charge),
        "mean_discharge_voltage_v": None if below else _ratio(energy_out, discharge),
        "min_voltage_v": _known(cycle.low[0]),
        "max_voltage_v": _known(cycle.high[0]),
        "min_current_a": _known(cycle.low[1]),
        "max_current_a": _known(cycle.high[1]),
        "max_temperature_c": _known(cycle.high[2]),
        "direction_changes": _turns(cycle.phases) if {"time", "current"} <= present else None,
        "basis": None if not has_charge else "counter" if source else "integral",
    }


def _ratio(above: float | None, below: float | None, factor: float = 1.0) -> float | None:
    return above / below * factor if above and below else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
