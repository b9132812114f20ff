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
from bdx.derive.flows import COUNTERS, GOES_ON, carried_on, counted, integrated

BLOCK_ROWS = 65_536
"""Rows are folded in blocks of this many, however they arrive: the sums round the same for any batch size."""

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

_QUANTITIES = ("charging_capacity_ah", "discharging_capacity_ah", "charging_energy_wh", "discharging_energy_wh")
_NAMES = {"cycle": "cycle_count", "voltage": "voltage_volt", "current": "current_ampere"}
_SCOPES = ("step_", "cycle_")
_RESTARTING = ("step_charging_capacity_ah", "step_discharging_capacity_ah")
_CARRIED = ("cycle", "step", "time", "current", "voltage", *COUNTERS)
_RISEN = "risen"
_STRONG = 0.01
"""Share of the largest current so far below which a record counts as rest."""
_PHASE = 0.05
"""Share of a cycle's largest charge or discharge below which a phase is not one."""


@dataclass(slots=True)
class _Cycle:
    """What is known of one cycle so far; the four sums are charge in, charge out, energy in, energy out."""

    records: int = 0
    start: float = np.nan
    end: float = np.nan
    low: Floats = field(default_factory=lambda: np.full(3, np.nan))
    high: Floats = field(default_factory=lambda: np.full(3, np.nan))
    counted: dict[str, Floats] = field(default_factory=lambda: {source: np.zeros(4) for source in (*_SCOPES, _RISEN)})
    integral: Floats = field(default_factory=lambda: np.zeros(4))
    phases: list[list[float]] = field(default_factory=list)


class Cycles:
    """A fold over `timeseries`: `watch` every batch in file order, then `finish` once.

    Capacity and energy come from the instrument's counters that restart with each step (or cycle), the largest value of
    each step added up; else from the rise of its other counters; where the file has none, or they stand still while current flows,
    from integrating current and power over time by the trapezoid rule within a step. Time that runs backwards adds nothing.
    Cycles keep the instrument's numbers.
    """

    def __init__(self) -> None:
        self._cycles: dict[int, _Cycle] = {}
        self._waiting: list[dict[str, Floats]] = []
        self._rows = 0
        self._present: set[str] = set()
        self._last: dict[str, float] = {}
        self._open: dict[str, tuple[int, Floats]] = {}
        self._largest = 0.0

    def watch(self, batch: pa.RecordBatch) -> None:
        """Take in one batch of `timeseries`; one without `cycle_count` is passed over."""
        if "cycle_count" not in batch.schema.names or not batch.num_rows:
            return
        self._waiting.append(self._columns(batch))
        self._rows += batch.num_rows
        if self._rows < BLOCK_ROWS:
            return
        columns = _join(self._waiting)
        whole = self._rows // BLOCK_ROWS * BLOCK_ROWS
        for start in range(0, whole, BLOCK_ROWS):
            self._fold({name: values[start : start + BLOCK_ROWS] for name, values in columns.items()})
        self._rows -= whole
        self._waiting = [{name: values[whole:] for name, values in columns.items()}] if self._rows else []

    def finish(self, test_id: str) -> pa.RecordBatch | None:
        """Return the rows of `cycle` in the order the cycles began; None where the series has no cycle numbers."""
        if self._rows:
            self._fold(_join(self._waiting))
            self._waiting, self._rows = [], 0
        for scope in _SCOPES:
            self._close(scope)
        if not self._cycles:
            return None
        source = self._source()
        return canon.from_rows("cycle", [_row(test_id, number, cycle, source, self._present) for number, cycle in self._cycles.items()])

    def _columns(self, batch: pa.RecordBatch) -> dict[str, Floats]:
        """Return the columns the fold needs as floats, NaN where empty or absent."""
        names = set(batch.schema.names)
        clock = "test_time_second" if "test_time_second" in names else "unix_time_second"
        step = "step_count" if "step_count" in names else ""
        wanted = {**_NAMES, "time": clock, "step": step}
        wanted |= {name: name for scope in _SCOPES for name in (scope + quantity for quantity in _QUANTITIES)}
        wanted |= {name: name for name in COUNTERS if name in names}
        found = {}
        for key, name in wanted.items():
            found[key] = _floats(batch, name) if name in names else np.full(batch.num_rows, np.nan)
        heat = [_floats(batch, name) for name in batch.schema.names if name.endswith("_celsius")]
        found["temperature"] = np.fmax.reduce(heat) if heat else np.full(batch.num_rows, np.nan)
        return found

    def _fold(self, columns: dict[str, Floats]) -> None:
        """Add one block of rows to the cycles; values beyond any float's reach only spoil their own sums."""
        with np.errstate(invalid="ignore", over="ignore"):
            self._add(columns)

    def _add(self, columns: dict[str, Floats]) -> None:
        self._present |= {name for name, values in columns.items() if not np.isnan(values).all()}
        columns |= {name: carried_on(columns[name], self._last.get(name, np.nan)) for name in GOES_ON if name in columns}
        before = {name: np.append(self._last.get(name, np.nan), values[:-1]) for name, values in columns.items() if name in _CARRIED}
        self._last = {name: float(columns[name][-1]) for name in _CARRIED if name in columns}
        cycle = columns["cycle"]
        new_cycle = ~_same(cycle, before["cycle"])
        new_step = new_cycle | ~_same(columns["step"], before["step"])
        starts = np.flatnonzero(new_cycle)
        starts = starts if len(starts) and starts[0] == 0 else np.append(0, starts)
        flows = integrated(columns, before, new_step)
        told = any(self._present.issuperset(scope + quantity for quantity in _QUANTITIES) for scope in _SCOPES)
        risen = None if told else counted(columns, before, new_step, new_cycle)
        self._sum(columns, np.concatenate([flows, np.zeros_like(flows) if risen is None else risen]), starts)
        self._count("step_", columns, new_step | _restarts(columns, before))
        self._count("cycle_", columns, new_cycle)
        self._turn(columns["current"], cycle, flows if risen is None or not risen.any() else risen)

    def _at(self, number: float) -> _Cycle:
        return self._cycles.setdefault(int(number), _Cycle())

    def _sum(self, columns: Mapping[str, Floats], flows: Floats, starts: Places) -> None:
        """Add records, extremes and integrals of each run of one cycle."""
        lengths = np.diff(np.append(starts, len(columns["cycle"])))
        sums = np.add.reduceat(flows, starts, axis=1)
        extremes = [columns[name] for name in ("voltage", "current", "temperature")]
        low = np.stack([np.fmin.reduceat(values, starts) for values in extremes])
        high = np.stack([np.fmax.reduceat(values, starts) for values in extremes])
        ends = starts + lengths - 1
        for k, start in enumerate(starts.tolist()):
            number = columns["cycle"][start]
            if np.isnan(number):
                continue
            cycle = self._at(number)
            if not cycle.records:
                cycle.start = columns["time"][start]
            cycle.end = columns["time"][ends[k]]
            cycle.records += int(lengths[k])
            cycle.low, cycle.high = np.fmin(cycle.low, low[:, k]), np.fmax(cycle.high, high[:, k])
            cycle.integral += sums[:4, k]
            cycle.counted[_RISEN] += sums[4:, k]

    def _count(self, scope: str, columns: Mapping[str, Floats], new: npt.NDArray[np.bool_]) -> None:
        """Add the largest counter of each finished step (or cycle) to its cycle; the last one stays open for the next block."""
        names = [scope + quantity for quantity in _QUANTITIES]
        if self._present.isdisjoint(names):
            return
        starts = np.flatnonzero(new)
        if not len(starts) or starts[0] > 0:
            starts = np.append(0, starts)
        peaks = np.nan_to_num(np.stack([np.fmax.reduceat(np.abs(columns[name]), starts) for name in names], axis=1))
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
        for scope in _SCOPES:
            names = [scope + quantity for quantity in _QUANTITIES]
            if self._present.issuperset(names):
                return scope
            if self._present.issuperset(names[:2]) and not self._present.issuperset(("time", "current")):
                return scope
        risen = sum(float(cycle.counted[_RISEN][:2].sum()) for cycle in self._cycles.values())
        return _RISEN if risen > 0 else ""


def _restarts(columns: Mapping[str, Floats], before: Mapping[str, Floats]) -> npt.NDArray[np.bool_]:
    """Return where a counter falls to less than half: without step numbers that is where a step began."""
    found = np.zeros(len(columns["cycle"]), np.bool_)
    for name in _RESTARTING:
        found |= np.abs(columns[name]) < np.abs(before[name]) / 2
    return found & np.isnan(columns["step"])


def _floats(batch: pa.RecordBatch, name: str) -> Floats:
    column = batch.column(batch.schema.get_field_index(name))
    values = column.cast(pa.float64(), safe=False)
    if values.null_count:
        values = values.fill_null(float("nan"))
    return values.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _join(pieces: list[dict[str, Floats]]) -> dict[str, Floats]:
    """Return the pieces as one; a column that some of them lack is empty there."""
    if len(pieces) == 1:
        return pieces[0]
    names = {name: None for piece in pieces for name in piece}
    return {name: np.concatenate([piece.get(name, np.full(len(piece["cycle"]), np.nan)) for piece in pieces]) for name in names}


def _same(now: Floats, before: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray((now == before) | (np.isnan(now) & np.isnan(before)))


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
        has_energy = {source + quantity for quantity in _QUANTITIES} <= present if source else {"time", "current", "voltage"} <= present
    charge, discharge, energy_in, energy_out = (
        value if known else None for value, known in zip(sums, (has_charge, has_charge, has_energy, has_energy), strict=True)
    )
    below = bool(cycle.low[0] < 0)  # an electrode below its reference: energy is a size without a direction, and no mean of voltage
    return {
        "test_id": test_id,
        "cycle_count": number,
        "records": cycle.records,
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
