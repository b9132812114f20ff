"""Charge and energy moved from record to record: by the instrument's counters where it has them, and integrated over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_PAIRS = ("step_", "cycle_", "schedule_", "")
_SUMS = ("step_", "cycle_", "")
_PARTS = ("charging", "discharging", "net", "cumulative")
_UNITS = ("capacity_ah", "energy_wh")
_WAVER = 0.01

COUNTERS = tuple(f"{scope}{part}_{unit}" for scope in _PAIRS for part in _PARTS for unit in _UNITS)
"""Every counter that may tell what moved; a file has a few of them."""
GOES_ON = tuple(name for name in COUNTERS if not name.startswith(("step_", "cycle_")))
"""Counters that do not begin anew with a step or cycle: a record without a value stands where the last one stood."""


def integrated(columns: Mapping[str, Floats], before: Mapping[str, Floats], new_step: Mask) -> Floats:
    """Return per record charge in, charge out (Ah), energy in, energy out (Wh) since the record before.

    Shape: (4, rows). At the first record of a step its own current holds, not the mean with the step before. Energy goes the way
    the charge goes, whatever the sign of the voltage: so do the counters of instruments, where an electrode is below its reference.
    """
    hours = columns["time"] - before["time"]
    if "step_time" in columns:  # the first record of a step: what lies before its step is no time of its current
        since = columns["step_time"]
        hours = np.where(new_step & (since >= 0) & (since < hours), since, hours)
    hours = np.where(hours > 0, hours, 0.0) / 3600.0
    power, power_before = columns["current"] * columns["voltage"], before["current"] * before["voltage"]
    current = np.where(new_step, columns["current"], (columns["current"] + before["current"]) / 2)
    power = np.where(new_step, power, (power + power_before) / 2)
    charge, energy = np.nan_to_num(current * hours), np.abs(np.nan_to_num(power * hours))
    way = np.stack([charge > 0, charge < 0])
    return np.concatenate([np.where(way, np.abs(charge), 0.0), np.where(way, energy, 0.0)])


def counted(columns: Mapping[str, Floats], before: Mapping[str, Floats], new_step: Mask, new_cycle: Mask) -> Floats | None:
    """Return the same four by the counters of capacity and energy, or None where there are no counters of capacity.

    Shape: (4, rows). Unlike an integral they hold over pauses, over records that were not kept and over loops of other techniques.
    Energy without a counter is charge times the mean voltage of the two records.
    """
    charge = _moved("capacity_ah", columns, before, new_step, new_cycle)
    if charge is None:
        return None
    energy = _moved("energy_wh", columns, before, new_step, new_cycle)
    if energy is None:
        own = np.abs(columns["voltage"])
        both = (own + np.abs(before["voltage"])) / 2
        energy = charge * np.nan_to_num(np.where(new_step | np.isnan(both), own, both))
    return np.concatenate([charge, energy])


def _moved(unit: str, columns: Mapping[str, Floats], before: Mapping[str, Floats], new_step: Mask, new_cycle: Mask) -> Floats | None:
    """Return what moved in and out since the record before, by the first kind of counter there is. Shape: (2, rows)."""
    restarts = {"step_": new_step, "cycle_": new_cycle}
    never = np.zeros_like(new_step)

    def rise(name: str, scope: str) -> Floats:
        return _rise(np.abs(columns[name]), np.abs(before[name]), restarts.get(scope, never))

    for scope in _PAIRS:
        names = [f"{scope}{part}_{unit}" for part in ("charging", "discharging")]
        if all(_held(columns, name) for name in names):
            return np.stack([rise(name, scope) for name in names])
    net = f"net_{unit}"
    if _held(columns, net):
        change = np.nan_to_num(columns[net] - before[net])
        return np.stack([np.maximum(change, 0.0), np.maximum(-change, 0.0)])
    for scope in _SUMS:
        name = f"{scope}cumulative_{unit}"
        if _held(columns, name) and _held(columns, "current"):
            moved = rise(name, scope)
            way = np.where(np.nan_to_num(columns["current"]) != 0, columns["current"], before["current"])
            return np.stack([np.where(way > 0, moved, 0.0), np.where(way < 0, moved, 0.0)])
    return None


def _held(columns: Mapping[str, Floats], name: str) -> bool:
    return name in columns and not bool(np.isnan(columns[name]).all())


def _rise(now: Floats, before: Floats, restart: Mask) -> Floats:
    """Return how far a counter went up; where it began anew, or fell to less than half, it counts from zero.

    It wavers in its last digits at rest, and those steps cancel out; a larger fall that is no restart moved nothing.
    """
    anew = restart | (now < before / 2)
    return np.asarray(np.nan_to_num(np.where(anew, now, np.where(now < before * (1 - _WAVER), 0.0, now - before))))


def carried_on(values: Floats, last: float) -> Floats:
    """Return the values with each gap filled by the value before it, `last` before the first."""
    there = ~np.isnan(values)
    if there.all():
        return values
    places = np.maximum.accumulate(np.where(there, np.arange(len(values)), -1))
    return np.where(places < 0, last, values[places])
