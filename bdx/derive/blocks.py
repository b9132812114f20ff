"""The records of a time series in blocks of one size, however they arrive: what moved, where cycles and steps begin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.derive.flows import COUNTERS, GOES_ON, carried_on, counted, integrated
from bdx.derive.pieces import BLOCK_ROWS, ROWS, Columns, Floats, Mask, Pieces, floats, row_count

QUANTITIES = ("charging_capacity_ah", "discharging_capacity_ah", "charging_energy_wh", "discharging_energy_wh")
SCOPES = ("step_", "cycle_")
_NAMES = {"cycle": "cycle_count", "voltage": "voltage_volt", "current": "current_ampere", "step": "step_count"}
_STEP_TIME = "step_time_second"
_ALWAYS = ("cycle", "voltage", "current", "step", "time", "temperature")
_CARRIED = ("cycle", "step", "program", "time", "current", "voltage", *COUNTERS)
_NOTHING = np.full(BLOCK_ROWS, np.nan)
_NOTHING.flags.writeable = False


@dataclass(slots=True)
class Block:
    """Some records in file order, with the record before each; columns that the source lacks are NaN."""

    first_row: int
    """Row of the test's time series that the first record is, from 1."""
    columns: Columns
    before: Columns
    new_cycle: Mask
    new_step: Mask
    integral: Floats
    """Charge in, charge out (Ah), energy in, energy out (Wh) since the record before, integrated. Shape: (4, rows)."""
    risen: Floats | None
    """The same by the instrument's counters, None where it has none or nobody needs them."""


class Blocks:
    """Cuts batches of `timeseries` into blocks. `steps`: somebody needs steps; else a series without cycle numbers gives no block."""

    def __init__(self, *, steps: bool = False, first_row: int = 1) -> None:
        self.present: set[str] = set()
        """Columns that held a value so far."""
        self._steps = steps
        self._row = first_row
        self._pieces = Pieces()
        self._last: dict[str, float] = {}

    @property
    def told(self) -> bool:
        """Whether the instrument counts both capacities and both energies within steps or cycles."""
        return any(self.present.issuperset(scope + quantity for quantity in QUANTITIES) for scope in SCOPES)

    def cut(self, batch: pa.RecordBatch) -> Iterator[Block]:
        """Yield the blocks that a further batch completes."""
        names = set(batch.schema.names)
        if not batch.num_rows:
            return
        if not self._pieces.waiting and "cycle_count" not in names and not (self._steps and "current_ampere" in names):
            self._row += batch.num_rows
            return
        for columns in self._pieces.cut(self._columns(batch, names)):
            yield self._block(columns)

    def rest(self) -> Iterator[Block]:
        """Yield the last block, where any records wait."""
        for columns in self._pieces.rest():
            yield self._block(columns)

    def _columns(self, batch: pa.RecordBatch, names: set[str]) -> Columns:
        """Return the columns that folds need as floats, NaN where empty."""
        clock = "test_time_second" if "test_time_second" in names else "unix_time_second"
        wanted = {**_NAMES, "time": clock}
        wanted |= {name: name for name in COUNTERS}
        found = {ROWS: row_count(batch.num_rows)}
        found |= {key: floats(batch, name) for key, name in wanted.items() if name in names}
        if _STEP_TIME in names:
            found["step_time"] = floats(batch, _STEP_TIME)
        heat = [floats(batch, name) for name in batch.schema.names if name.endswith("_celsius")]
        if heat:
            found["temperature"] = heat[0] if len(heat) == 1 else np.fmax.reduce(heat)
        if heat and self._steps:
            found["coldest"] = heat[0] if len(heat) == 1 else np.fmin.reduce(heat)
        if "step_id" in names and (self._steps or "step_count" not in names):
            found["program"] = _numbers(batch.column(batch.schema.get_field_index("step_id")))
        return found

    def _block(self, columns: Columns) -> Block:
        """Return one block; values beyond any float's reach only spoil their own sums."""
        rows = len(columns.pop(ROWS))
        with np.errstate(invalid="ignore", over="ignore"):
            self.present |= {name for name, values in columns.items() if name not in self.present and not np.isnan(values).all()}
            nothing = _NOTHING[:rows]
            program = "program" in columns and "step" not in columns
            for name in _ALWAYS:
                columns.setdefault(name, nothing)
            columns |= {name: carried_on(columns[name], self._last.get(name, np.nan)) for name in GOES_ON if name in columns}
            before = {name: self._before(name, values) for name, values in columns.items() if name in _CARRIED}
            self._last |= {name: float(columns[name][-1]) for name in before}
            new_cycle = _changes(columns["cycle"], before["cycle"])
            restarts = new_cycle | _changes(columns["step"], before["step"])
            new_step = restarts | _changes(columns["program"], before["program"]) if program else restarts
            integral = integrated(columns, before, new_step)
            # A step of the program that repeats has no number of its own, so only a fall shows whether its counters began anew.
            risen = None if self.told and not self._steps else counted(columns, before, restarts, new_cycle)
        block = Block(self._row, columns, before, new_cycle, new_step, integral, risen)
        self._row += rows
        return block

    def _before(self, name: str, values: Floats) -> Floats:
        shifted = np.empty_like(values)
        shifted[0] = self._last.get(name, np.nan)
        shifted[1:] = values[:-1]
        return shifted


def _numbers(column: pa.Array) -> Floats:
    """Return step ids that are whole numbers as floats, NaN for others."""
    short = pc.match_substring_regex(column, "^[0-9]{1,9}$")
    digits = pc.if_else(short, column, pa.scalar(None, column.type))
    return digits.cast(pa.float64()).fill_null(float("nan")).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _changes(now: Floats, before: Floats) -> Mask:
    """Return where a number is not that of the record before; two that are unknown are the same."""
    return np.asarray((now != before) & ~(np.isnan(now) & np.isnan(before)))
