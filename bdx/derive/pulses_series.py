"""Records of a time series in blocks of one size, with the few columns that steps of current are found and measured by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx.derive.pieces import ROWS, Columns, Floats, Pieces, floats, joined, row_count

PREFIX = 8
"""Records of the block before that stand in front of each block: what came before a step of current is among them."""

Places = npt.NDArray[np.intp]

_NAMES = {
    "current": "current_ampere",
    "voltage": "voltage_volt",
    "step": "step_count",
    "clock": "step_time_second",
    "cycle": "cycle_count",
    "frequency": "frequency_hertz",
}
_AROUND = "ambient_temperature_celsius"


@dataclass(slots=True)
class Block:
    """Records in file order; the first `known` of them were the last ones of the block before."""

    first_row: int
    """Row of the time series that the first record is, from 1."""
    known: int
    columns: Columns
    seconds: Floats
    """Time since the record before, 0 where it goes back or is unknown."""
    run: Floats
    """Sum of these: a time that never goes back, within the block."""

    def at(self, name: str, places: Places) -> Floats:
        """Return the values of a column at some records, NaN where the source lacks it."""
        values = self.columns.get(name)
        return np.full(len(places), np.nan) if values is None else values[places]

    def heat(self, places: Places) -> Floats:
        """Return the temperature of the warmest sensor at the cell at some records, that of the room where there is no other."""
        sensors = [values[places] for name, values in self.columns.items() if name.endswith("_celsius") and name != _AROUND]
        return np.fmax.reduce(sensors) if sensors else self.at(_AROUND, places)


class Series:
    """Cuts batches of `timeseries` into blocks; batches without time, current and voltage give none."""

    def __init__(self, *, first_row: int = 1) -> None:
        self._row = first_row
        self._pieces = Pieces()
        self._tail: Columns = {}

    def cut(self, batch: pa.RecordBatch) -> Iterator[Block]:
        """Yield the blocks that a further batch completes."""
        if not batch.num_rows:
            return
        for columns in self._pieces.cut(_columns(batch)):
            yield self._block(columns)

    def rest(self) -> Iterator[Block]:
        """Yield the last block, where any records wait."""
        for columns in self._pieces.rest():
            yield self._block(columns)

    def _block(self, columns: Columns) -> Block:
        fresh = len(columns[ROWS])
        known = len(self._tail[ROWS]) if self._tail else 0
        columns = joined([self._tail, columns]) if known else columns
        seconds = np.zeros(known + fresh)
        if "time" in columns:
            seconds[1:] = np.diff(columns["time"])
            seconds[~(seconds > 0)] = 0.0
        block = Block(self._row - known, known, columns, seconds, np.cumsum(seconds))
        self._tail = {name: values[-PREFIX:] for name, values in columns.items()}
        self._row += fresh
        return block


def _columns(batch: pa.RecordBatch) -> Columns:
    names = set(batch.schema.names)
    clock = "test_time_second" if "test_time_second" in names else "unix_time_second"
    wanted = {"time": clock, **_NAMES} | {name: name for name in batch.schema.names if name.endswith("_celsius") and name[:6] != "extra_"}
    found = {ROWS: row_count(batch.num_rows)}
    return found | {key: floats(batch, name) for key, name in wanted.items() if name in names}
