"""One row per step of a test: what each run of records with one step of the program and one direction moved, and what it held constant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx import canon
from bdx.derive.blocks import Block

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Pieces = dict[str, Floats]

_WEAK = 0.002
"""Share of the test's largest current below which a record is at rest."""
_NEAR = 0.98
"""Share of the step's largest current so far from which on current counts as held."""
_HELD = 0.97
"""Mean over peak from which on current counts as constant,"""
_HELD_POWER = 0.985
"""and from which on power does."""
_FLAT = 0.005
"""Spread of voltage, of its size, that a constant voltage may have."""
_SOME = 0.05
"""Share of a step's time below which a phase of constant current or of falling current is none."""

_SUMS = ("seconds", "net", "in", "out", "energy_in", "energy_out", "near", "heat", "heated", "records")
_COUNTED = ("counted_in", "counted_out", "counted_energy_in", "counted_energy_out")
_LOWS = ("coldest", "taper_low")
_HIGHS = ("hottest", "taper_high", "peak", "peak_power")
_LASTS = ("last_row", "end", "end_voltage", "end_current")


class Steps:
    """A fold over blocks of records: `take` every one, then `finish` once; memory grows with steps, not with records."""

    def __init__(self) -> None:
        self._pieces: list[Pieces] = []
        self._largest = 0.0
        self._direction = np.nan
        self._peak = 0.0

    def take(self, block: Block) -> None:
        """Take in one block of records, cut where a step of the program, a cycle or the direction of current begins."""
        current = block.columns["current"]
        size = np.abs(np.nan_to_num(current))
        largest = np.maximum(np.maximum.accumulate(size), self._largest)
        self._largest = float(largest[-1])
        direction = np.where(size > _WEAK * largest, np.sign(np.nan_to_num(current)), 0.0)
        new = block.new_step.copy()
        new[1:] |= direction[1:] != direction[:-1]
        new[0] |= direction[0] != self._direction
        self._direction = float(direction[-1])
        goes_on = not new[0]
        new[0] = True
        starts = np.flatnonzero(new)
        held = self._held(size, np.cumsum(new) - 1, goes_on=goes_on)
        pieces = _pieces(block, size, held, starts)
        pieces["way"] = direction[starts]
        pieces["begins"] = np.ones(len(starts))
        pieces["begins"][0] = float(not goes_on)
        pieces["program_step"] = block.new_step[starts].astype(np.float64)
        self._pieces.append(pieces)

    def _held(self, size: Floats, piece: npt.NDArray[np.intp], *, goes_on: bool) -> Mask:
        """Return where current is near its largest of the step so far."""
        scale = max(float(size.max(initial=0.0)), self._peak, 1e-300)
        share = size / scale
        if goes_on:
            share[0] = max(share[0], self._peak / scale)
        peaks = np.maximum.accumulate(piece + share) - piece  # each piece lies one above the last, so none sees the peak before it
        self._peak = float(peaks[-1]) * scale
        return np.asarray(size >= _NEAR * peaks * scale)

    def finish(self, test_id: str, present: set[str], nominal_ah: float | None = None) -> pa.RecordBatch | None:
        """Return the rows of `step` in file order; `nominal_ah` turns currents into rates. None where the series has no current."""
        if not self._pieces or "current" not in present:
            return None
        names = {name: None for pieces in self._pieces for name in pieces}
        whole = {name: np.concatenate([_padded(pieces, name) for pieces in self._pieces]) for name in names}
        with np.errstate(invalid="ignore", divide="ignore"):
            return _table(test_id, _settled(whole), present, nominal_ah)


def _padded(pieces: Pieces, name: str) -> Floats:
    return pieces[name] if name in pieces else np.full(len(pieces["begins"]), np.nan if name not in _COUNTED else 0.0)


def _pieces(block: Block, size: Floats, held: Mask, starts: npt.NDArray[np.intp]) -> Pieces:
    """Return sums, extremes, first and last values of each piece of a block."""
    columns, before = block.columns, block.before
    ends = np.append(starts[1:], len(size)) - 1
    seconds = columns["time"] - before["time"]
    seconds = np.where(seconds > 0, seconds, 0.0)
    warm = ~np.isnan(columns["temperature"])
    sums = [seconds, block.integral[0] - block.integral[1], *block.integral, np.where(held, seconds, 0.0)]
    sums += [np.where(warm, columns["temperature"] * seconds, 0.0), np.where(warm, seconds, 0.0)]
    found: Pieces = {name: np.add.reduceat(values, starts) for name, values in zip(_SUMS, sums, strict=False)}
    found["records"] = (ends - starts + 1).astype(np.float64)
    if block.risen is not None:
        found |= dict(zip(_COUNTED, np.add.reduceat(block.risen, starts, axis=1), strict=True))
    taper = np.where(held, np.nan, columns["voltage"])
    found["taper_low"], found["taper_high"] = np.fmin.reduceat(taper, starts), np.fmax.reduceat(taper, starts)
    found["coldest"] = np.fmin.reduceat(columns.get("coldest", columns["temperature"]), starts)
    found["hottest"] = np.fmax.reduceat(columns["temperature"], starts)
    found["peak"] = np.maximum.reduceat(size, starts)
    found["peak_power"] = np.fmax.reduceat(size * np.abs(columns["voltage"]), starts)
    nothing = np.full(len(starts), np.nan)
    for name, column in (("cycle", "cycle"), ("step", "step"), ("program", "program"), ("start", "time"), ("start_voltage", "voltage")):
        found[name] = columns[column][starts] if column in columns else nothing
    for name, column in (("end", "time"), ("end_voltage", "voltage"), ("end_current", "current")):
        found[name] = columns[column][ends]
    found["first_row"], found["last_row"] = block.first_row + starts.astype(np.float64), block.first_row + ends.astype(np.float64)
    return found


def _settled(pieces: Pieces) -> Pieces:
    """Return the steps: pieces that a block cut are one, as are rest and flow within one numbered step, and rest beside rest."""
    pieces = _merged(pieces, pieces["begins"] > 0)
    largest = float(pieces["peak"].max(initial=0.0))
    way = np.where(pieces["peak"] > _WEAK * largest, np.sign(pieces["net"]) + (pieces["net"] == 0) * pieces["way"], 0.0)
    numbered = ~np.isnan(pieces["step"]) | ~np.isnan(pieces["program"])
    inner = ~(pieces["program_step"] > 0)
    # Within a numbered step, rest takes the direction of the flow before it, else of the flow after it.
    group = np.cumsum(~inner)
    known = np.maximum.accumulate(np.where(way != 0, np.arange(len(way)), -1))
    mine = (known >= 0) & (group[known] == group)
    later = np.minimum.accumulate(np.where(way != 0, np.arange(len(way)), len(way))[::-1])[::-1]
    theirs = (later < len(way)) & (group[np.minimum(later, len(way) - 1)] == group)
    lent = np.where(mine, way[known], np.where(theirs, way[np.minimum(later, len(way) - 1)], 0.0))
    pieces["way"] = np.where(numbered & (way == 0), lent, way)
    begins = ~inner
    begins[1:] |= pieces["way"][1:] != pieces["way"][:-1]
    begins[:1] = True
    return _merged(pieces, begins)


def _merged(pieces: Pieces, begins: Mask) -> Pieces:
    """Return the pieces with each joined to the one before it where it does not begin a step."""
    starts = np.flatnonzero(begins)
    if len(starts) == len(begins):
        return pieces
    ends = np.append(starts[1:], len(begins)) - 1
    merged: Pieces = {}
    for name, values in pieces.items():
        if name in _SUMS or name in _COUNTED:
            merged[name] = np.add.reduceat(values, starts)
        elif name in _LOWS:
            merged[name] = np.fmin.reduceat(values, starts)
        elif name in _HIGHS:
            merged[name] = np.fmax.reduceat(values, starts)
        else:
            merged[name] = values[ends if name in _LASTS else starts]
    return merged


def _table(test_id: str, steps: Pieces, present: set[str], nominal_ah: float | None) -> pa.RecordBatch:
    """Return the steps as rows of the table; what the series cannot tell stays empty."""
    way, seconds = steps["way"], steps["seconds"]
    timed = "time" in present
    counts = "counted_in" in steps and float(steps["counted_in"].sum() + steps["counted_out"].sum()) > 0
    kept = "counted_" if counts else ""
    amounts = [steps[kept + name] for name in ("in", "out", "energy_in", "energy_out")]
    charge, energy = (np.where(way > 0, into, np.where(way < 0, out, into + out)) for into, out in (tuple(amounts[:2]), tuple(amounts[2:])))
    mean = np.where(seconds > 0, steps["net"] * 3600.0 / seconds, steps["end_current"])
    kinds = np.array(["discharge", "rest", "charge"], object)[way.astype(np.int64) + 1]
    rate = np.abs(mean) / nominal_ah if nominal_ah else None
    columns: dict[str, Any] = {
        "test_id": pa.array([test_id] * len(way), pa.string()),
        "step_number": np.arange(1, len(way) + 1),
        "cycle_count": steps["cycle"],
        "step_id": steps["program"],
        "kind": pa.array(kinds, pa.string()),
        "control": pa.array(_controls(steps, way) if timed else [None] * len(way), pa.string()),
        "first_row": steps["first_row"],
        "last_row": steps["last_row"],
        "start_time_s": steps["start"],
        "duration_s": np.maximum(steps["end"] - steps["start"], 0.0),
        "start_voltage_v": steps["start_voltage"],
        "end_voltage_v": steps["end_voltage"],
        "mean_current_a": mean if timed else None,
        "end_current_a": steps["end_current"],
        "capacity_ah": charge if timed or counts else None,
        "energy_wh": energy if "voltage" in present and (timed or counts) else None,
        "c_rate": rate if timed else None,
        "mean_temperature_c": np.where(steps["heated"] > 0, steps["heat"] / steps["heated"], np.nan),
        "min_temperature_c": steps["coldest"],
        "max_temperature_c": steps["hottest"],
    }
    return canon.batch("step", {name: _array("step", name, values, len(way)) for name, values in columns.items()})


def _array(table: str, name: str, values: Any, rows: int) -> pa.Array:
    kind = canon.schema(table).field(name).type
    if values is None:
        return pa.nulls(rows, kind)
    if isinstance(values, pa.Array):
        return values
    array = pa.array(values, from_pandas=True)  # NaN becomes null
    return array.cast(kind)


def _controls(steps: Mapping[str, Floats], way: Floats) -> list[str]:
    """Return what each step held constant."""
    seconds = np.where(steps["seconds"] > 0, steps["seconds"], np.nan)
    near = np.nan_to_num(steps["near"] / seconds, nan=1.0)
    mean = np.nan_to_num((steps["in"] + steps["out"]) * 3600.0 / seconds / steps["peak"], nan=1.0)
    power = (steps["energy_in"] + steps["energy_out"]) * 3600.0 / seconds / steps["peak_power"]
    size = np.maximum(np.abs(steps["taper_low"]), np.abs(steps["taper_high"]))
    flat = steps["taper_high"] - steps["taper_low"] <= _FLAT * size
    falls = 1.0 - near >= _SOME
    words = np.select(
        [way == 0, (near >= 1.0 - _SOME / 2) & (mean >= _HELD), power >= _HELD_POWER, falls & flat & (near < _SOME), falls & flat],
        ["none", "cc", "cp", "cv", "cccv"],
        "other",
    )
    return words.tolist()  # type: ignore[no-any-return]
