"""Internal resistance as the instrument states it, one row per value it put down, and whether the pulses beside it agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from bdx import canon
from bdx.derive.pieces import Floats, floats
from bdx.derive.tested import Refused

COLUMNS = ("internal_resistance_ohm", "dc_internal_resistance_ohm", "ac_internal_resistance_ohm")
"""Columns of `timeseries` an instrument states it in; the last is of an alternating current and compared with no pulse."""
APART = 0.2
"""Share by which a stated value and that of a pulse may differ."""
_MOST = 100_000
"""Values that are kept of one test and column."""
_AT_ONCE_S, _LONG_S = 0.1, 10.0
"""Seconds after a step of current up to which a resistance is the least, and from which on the most that a stated one can be."""
_NEAR_S = 60.0
"""Seconds around a stated value in which a pulse is taken to be the one it was measured with."""


class Reported:
    """A fold over `timeseries`: `watch` every batch in file order, then `finish` once.

    Instruments repeat the last value in every record; a record counts that states another value than the one before. Zero is no value.
    """

    def __init__(self, *, first_row: int = 1) -> None:
        self._row = first_row
        self._last = dict.fromkeys(COLUMNS, np.nan)
        self._held: dict[str, list[Floats]] = {name: [] for name in COLUMNS}
        self._counts = dict.fromkeys(COLUMNS, 0)
        self.refused: list[Refused] = []

    def watch(self, batch: pa.RecordBatch) -> None:
        """Take in one batch of `timeseries`."""
        names = set(batch.schema.names)
        for name in COLUMNS:
            if name in names and batch.num_rows and batch.column(batch.schema.get_field_index(name)).null_count < batch.num_rows:
                self._take(batch, name, names)
        self._row += batch.num_rows

    def _take(self, batch: pa.RecordBatch, name: str, names: set[str]) -> None:
        values = floats(batch, name)
        before = np.append(self._last[name], values[:-1])
        self._last[name] = float(values[-1])
        places = np.flatnonzero(np.isfinite(values) & (values > 0) & (values != before))
        self._counts[name] += len(places)
        places = places[: max(_MOST - sum(piece.shape[1] for piece in self._held[name]), 0)]
        if not len(places):
            return
        facts = [values[places], places + float(self._row)]
        others = ("test_time_second", "cycle_count", "step_count")
        facts += [floats(batch, other)[places] if other in names else np.full(len(places), np.nan) for other in others]
        self._held[name].append(np.array(facts))

    def finish(self, test_id: str, pulses: pa.RecordBatch | None) -> pa.RecordBatch | None:
        """Return the rows of `resistance`, None where the instrument states none; `pulses` are those they are compared with."""
        tables = []
        for name in COLUMNS:
            if not self._held[name]:
                continue
            facts = np.concatenate(self._held[name], axis=1)
            if self._counts[name] > facts.shape[1]:
                self.refused.append(Refused("M161", f"{self._counts[name] - facts.shape[1]} later values of {name} are left out"))
            tables.append(_table(test_id, name, facts))
            if pulses is not None and name != COLUMNS[2]:
                self._compare(name, facts, pulses)
        return pa.Table.from_batches(tables).combine_chunks().to_batches()[0] if tables else None

    def _compare(self, name: str, facts: Floats, pulses: pa.RecordBatch) -> None:
        """Say where stated values lie beyond those of the pulse next to them.

        Voltage goes on moving during a pulse: a value below counts against one taken at once, a value above against one after 10 s.
        """
        begun, ohm, row, after = (floats(pulses, column) for column in ("time_s", "resistance_ohm", "first_row", "pulse_s"))
        order = np.argsort(begun, kind="stable")
        begun, ohm, row, after = begun[order], ohm[order], row[order], after[order]
        starts = np.append(0, np.flatnonzero(row[1:] != row[:-1]) + 1)
        low = np.where(np.minimum.reduceat(after, starts) <= _AT_ONCE_S, np.minimum.reduceat(ohm, starts), 0.0)
        high = np.where(np.maximum.reduceat(after, starts) >= _LONG_S, np.maximum.reduceat(ohm, starts), np.inf)
        times = begun[starts]
        right = np.clip(np.searchsorted(times, facts[2]), 0, len(times) - 1)
        left = np.maximum(right - 1, 0)
        with np.errstate(invalid="ignore"):
            next_to = np.where(np.abs(times[right] - facts[2]) < np.abs(times[left] - facts[2]), right, left)
            near = np.abs(times[next_to] - facts[2]) <= _NEAR_S
            apart = near & ((facts[0] > high[next_to] * (1 + APART)) | (facts[0] < low[next_to] * (1 - APART)))
        if not apart.any():
            return
        k = int(np.flatnonzero(apart)[0])
        values = ohm[row == row[starts[next_to[k]]]]
        pulse = f"{values.min():.4g} to {values.max():.4g} ohm by the pulse at {times[next_to[k]]:.6g} s"
        where = f"{facts[0][k]:.4g} ohm stated in record {facts[1][k]:.0f}, {pulse}"
        self.refused.append(Refused("M167", f"{name}: {int(apart.sum())} of {int(near.sum())} values; the first: {where}"))


def _table(test_id: str, name: str, facts: Floats) -> pa.RecordBatch:
    count = facts.shape[1]
    row, cycle, step = (pa.array(facts[k], from_pandas=True).cast(pa.int64(), safe=False) for k in (1, 3, 4))
    columns: dict[str, pa.Array | list[Any]] = {
        "test_id": [test_id] * count,
        "method": ["reported"] * count,
        "resistance_ohm": pa.array(facts[0]),
        "cycle_count": cycle,
        "step_number": step,
        "first_row": row,
        "last_row": row,
        "time_s": pa.array(facts[2], from_pandas=True),
        "reported_as": [name] * count,
    }
    return canon.batch("resistance", columns)
