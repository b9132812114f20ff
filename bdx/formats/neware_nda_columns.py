"""Records of an .nda file -> columns with vendor names, raw values and units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx.formats.neware_blocks import Rows
from bdx.formats.neware_fat import wall_time
from bdx.formats.neware_range import divisors
from bdx.formats.neware_steps import Steps
from bdx.spec import Facts

Floats = npt.NDArray[np.float64]

COUNTERS = (
    ("Charge Capacity", "charge", "capacity"),
    ("Discharge Capacity", "discharge", "capacity"),
    ("Charge Energy", "charge_energy", "energy"),
    ("Discharge Energy", "discharge_energy", "energy"),
)
_TIMES = ("Total Time", "Step Time")


@dataclass(slots=True)
class Columns:
    """Turns batches of records into columns; what runs through all batches (steps) is kept here.

    `device` is the current range of the device, `first` the number the file gives to the first cycle.
    """

    layout: Facts
    ranges: tuple[Facts, ...]
    names: tuple[str | None, ...]
    directions: npt.NDArray[np.int8]
    device: int
    first: int
    steps: Steps = field(default_factory=Steps)
    strange: set[int] = field(default_factory=set)

    def fields(self) -> list[pa.Field]:
        """Return the fields in the order in which `of` gives the arrays."""
        have = self.layout["fields"]
        time = ["s"] if "total_time" in have else self.unit("step_time")
        clock = pa.float64() if "total_time" in have else pa.int64()
        found = [pa.field("Record ID", pa.int64()), *(_field(name, clock, time) for name in _TIMES)]
        if "unix" in have:
            found.append(_field("Absolute Time", pa.float64() if "unix_nanos" in have else pa.int64(), self.unit("unix")))
        if "year" in have:
            found.append(pa.field("Date", pa.timestamp("us")))
        if "cycle" in have:
            found.append(pa.field("Cycle", pa.int64()))
        found += [pa.field("Step Count", pa.int64()), pa.field("Step ID", pa.string()), pa.field("Step Type", pa.string())]
        whole = have["voltage"][1] == "<i4"
        found.append(_field("Voltage", pa.int32() if whole else pa.float32(), self.unit("voltage")))
        found.append(_field("Current", pa.float64() if whole else pa.float32(), self.unit("current")))
        found += [_field(name, pa.float64(), self.unit(kind)) for name, _, kind in COUNTERS]
        if "temperature" in have:
            found.append(_field("Aux1 Temperature", pa.float32(), ["degC"]))
        return found

    def unit(self, quantity: str) -> tuple[str, ...]:
        """Return the unit of a raw quantity, and its scale where there is one."""
        return tuple(self.layout["units"][quantity])

    def of(self, rows: Rows) -> list[pa.Array]:
        """Return the columns of a batch of records."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._of(rows)

    def _of(self, rows: Rows) -> list[pa.Array]:
        have = self.layout["fields"]
        whole = have["voltage"][1] == "<i4"
        index = np.ascontiguousarray(rows["index"])
        program = np.ascontiguousarray(rows["program"])
        keys = [program, np.ascontiguousarray(rows["serial"])] if "serial" in have else [program]
        if "total_time" in have:
            total = rows["total_time"] + rows["total_nanos"] / 1e9
            self.steps.running = True
            count, base, begins = self.steps.lay(keys, total, index)
            step_time = rows["step_time"] + rows["step_nanos"] / 1e9 if "step_nanos" in have else total - base
        else:
            step_time = rows["step_time"].astype(np.int64)
            count, base, begins = self.steps.lay(keys, step_time, index)
            total = step_time + base
        found: list[Any] = [index.astype(np.int64), total, step_time]
        if "unix" in have:
            found.append(rows["unix"] + rows["unix_nanos"] / 1e9 if "unix_nanos" in have else rows["unix"].astype(np.int64))
        if "year" in have:
            found.append(wall_time(rows))
        if "cycle" in have:
            found.append(rows["cycle"].astype(np.int64) + (1 - self.first))
        found += [count, _spread(program, begins), self._types(rows["kind"])]
        divisor = self._divisor(rows) if whole else 1.0
        current = rows["current"] / divisor if whole else np.ascontiguousarray(rows["current"])
        found += [np.ascontiguousarray(rows["voltage"]), current]
        found += self._counters(rows, divisor, current)
        if "temperature" in have:
            found.append(np.ascontiguousarray(rows["temperature"]))
        return [values if isinstance(values, pa.Array) else pa.array(values) for values in found]

    def _divisor(self, rows: Rows) -> Floats | float:
        ranges = rows["range"] if "range" in self.layout["fields"] else np.zeros(1, np.int32)
        return divisors(ranges, self.ranges, self.device)

    def _counters(self, rows: Rows, divisor: Floats | float, current: npt.NDArray[Any]) -> list[pa.Array]:
        """Return charge and discharge counters, both counting up; one counter for both goes to the side its step moves."""
        if "charge" in self.layout["fields"]:
            return [pa.array(_size(rows[key], divisor)) for _, key, _ in COUNTERS]
        side = self.directions[rows["kind"]]
        side = np.where(side == 0, np.sign(current).astype(np.int8), side)
        signed = self.layout.get("signed", False)
        found = []
        for name, _, kind in COUNTERS:
            values = rows[kind].astype(np.float64) / divisor
            mine = 1 if name.startswith("Charge") else -1
            toward = np.sign(values) if signed else side
            found.append(pa.array(np.where(toward == mine, np.abs(values), 0.0), mask=(toward == 0) & (values != 0)))
        return found

    def _types(self, codes: npt.NDArray[np.uint8]) -> pa.Array:
        present = np.flatnonzero(np.bincount(codes, minlength=256))
        self.strange.update(code for code in present.tolist() if self.names[code] is None)
        return pa.array(self.names, pa.string()).take(pa.array(np.ascontiguousarray(codes)))


def _spread(program: npt.NDArray[Any], begins: npt.NDArray[np.intp]) -> pa.Array:
    """Return the program step of each record as text; it changes only where a step begins."""
    words = pa.array(program[begins]).cast(pa.string())
    return words.take(pa.array(np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(program))))))


def _field(name: str, kind: pa.DataType, unit: Mapping[int, str] | tuple[str, ...] | list[str]) -> pa.Field:
    return pa.field(name, kind, metadata=dict(zip(("bdx.unit", "bdx.scale"), unit, strict=False)))


def _size(raw: npt.NDArray[Any], divisor: Floats | float) -> Floats:
    """Return what counters stand at; discharge counts up, as charge does."""
    values = raw.astype(np.float64)
    values /= divisor
    return np.abs(values, out=values)


def direction_table(ways: Facts) -> npt.NDArray[np.int8]:
    """Return by step type whether it charges (1), discharges (-1) or does what its current says (0)."""
    return np.array([1 if code in ways["charge"] else -1 if code in ways["discharge"] else 0 for code in range(256)], np.int8)
