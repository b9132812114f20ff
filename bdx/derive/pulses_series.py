"""Records of a time series in blocks of one size, with the few columns that steps of current are found and measured by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BLOCK_ROWS = 65_536
"""Rows are looked at in blocks of this many, however they arrive, so the result is the same for any batch size."""
PREFIX = 8
"""Records of the block before that stand in front of each block: what came before a step of current is among them."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
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
    columns: dict[str, Floats]
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
        self._waiting: list[dict[str, Floats]] = []
        self._rows = 0
        self._tail: dict[str, Floats] = {}

    def cut(self, batch: pa.RecordBatch) -> Iterator[Block]:
        """Yield the blocks that a further batch completes."""
        if not batch.num_rows:
            return
        self._waiting.append(_columns(batch))
        self._rows += batch.num_rows
        if self._rows < BLOCK_ROWS:
            return
        columns = _joined(self._waiting)
        whole = self._rows // BLOCK_ROWS * BLOCK_ROWS
        for start in range(0, whole, BLOCK_ROWS):
            yield self._block({name: values[start : start + BLOCK_ROWS] for name, values in columns.items()}, BLOCK_ROWS)
        self._rows -= whole
        self._waiting = [{name: values[whole:] for name, values in columns.items()}] if self._rows else []

    def rest(self) -> Iterator[Block]:
        """Yield the last block, where any records wait."""
        if self._rows:
            yield self._block(_joined(self._waiting), self._rows)
            self._waiting, self._rows = [], 0

    def _block(self, columns: dict[str, Floats], rows: int) -> Block:
        known = len(self._tail["rows"]) if self._tail else 0
        columns = _joined([self._tail, columns]) if known else columns
        seconds = np.zeros(known + rows)
        if "time" in columns:
            seconds[1:] = np.diff(columns["time"])
            seconds[~(seconds > 0)] = 0.0
        block = Block(self._row - known, known, columns, seconds, np.cumsum(seconds))
        self._tail = {name: values[-PREFIX:] for name, values in columns.items()}
        self._row += rows
        return block


def _columns(batch: pa.RecordBatch) -> dict[str, Floats]:
    names = set(batch.schema.names)
    clock = "test_time_second" if "test_time_second" in names else "unix_time_second"
    wanted = {"time": clock, **_NAMES} | {name: name for name in batch.schema.names if name.endswith("_celsius") and name[:6] != "extra_"}
    found = {"rows": np.broadcast_to(np.float64(0.0), batch.num_rows)}  # its length alone is read
    return found | {key: floats(batch, name) for key, name in wanted.items() if name in names}


def floats(batch: pa.RecordBatch, name: str) -> Floats:
    """Return a column as floats, NaN where empty."""
    values = batch.column(batch.schema.get_field_index(name)).cast(pa.float64(), safe=False)
    if values.null_count:
        values = values.fill_null(float("nan"))
    return values.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _joined(pieces: list[dict[str, Floats]]) -> dict[str, Floats]:
    """Return the pieces as one; a column that some of them lack is empty there."""
    if len(pieces) == 1:
        return pieces[0]
    names = {name: None for piece in pieces for name in piece if name != "rows"}
    count = sum(len(piece["rows"]) for piece in pieces)
    whole = {name: np.concatenate([piece[name] if name in piece else _empty(piece) for piece in pieces]) for name in names}
    return {"rows": np.broadcast_to(np.float64(0.0), count)} | whole


def _empty(piece: dict[str, Floats]) -> Floats:
    return np.full(len(piece["rows"]), np.nan)
