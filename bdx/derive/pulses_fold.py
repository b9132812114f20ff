"""Internal resistance from steps of current: one row per step and instant after it, from a stream of time series batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from bdx import canon
from bdx.derive.pieces import Floats, Mask
from bdx.derive.pulses_charge import Charge
from bdx.derive.pulses_search import COLUMNS, INSTANTS, SHARE, Search, broken
from bdx.derive.pulses_series import Block, Series
from bdx.derive.tested import Refused

_QUANTA = 10.0
"""A step of voltage is larger than this many steps of the voltage's resolution,"""
_NOISE = 20.0
"""and than this many standard deviations of its noise at rest."""
_MEDIAN = 0.6745 * 6**0.5
"""Median size of the second difference of noise, in standard deviations of the noise."""
_FEW = 20
_SOME = 2048
_DECIMALS = 9
"""Decimals of voltage are looked for in so many records of each block, up to so many."""
_WORDS = {
    "sparse": "no record close enough to interpolate between",
    "unsure": "the moment the current stepped is not known well enough",
    "unsteady": "the current had changed by then",
}


class Pulses:
    """A fold over `timeseries`: `watch` every batch in file order, then `finish` once; `refused` then says what gave no value and why.

    A step of current is larger than 5 % of the test's largest, starts from rest or another current that was held, leads to a current
    that holds for 0.1 s or more, and is measured as change of voltage over change of current against the last record before it, at
    0.1 s, 2 s, 10 s, 18 s and 30 s. Between two records of the pulse voltage and current are interpolated where these lie no further
    apart than half the instant; beyond that nothing is measured. Current that steps to rest is not measured.
    """

    def __init__(self, *, first_row: int = 1) -> None:
        self._series = Series(first_row=first_row)
        self._search = Search()
        self._charge = Charge()
        self._block: Block | None = None
        self._quantum = np.inf
        self._decimals = 0
        self._noise: list[float] = []
        self._complete = False
        self.refused: list[Refused] = []

    def watch(self, batch: pa.RecordBatch) -> None:
        """Take in one batch of `timeseries`."""
        for block in self._series.cut(batch):
            self._fold(block)

    def finish(self, test_id: str) -> pa.RecordBatch | None:
        """Return the rows of `resistance` by time, then instant; None where no step of current gives one."""
        for block in self._series.rest():
            self._fold(block)
        self._search.finish()
        self._charge.finish(self._block)
        rows = self._search.rows[0] if self._search.rows else np.empty((len(COLUMNS), 0))
        kept = rows[:, self._resolved(rows)]
        self._refuse(rows.shape[1], kept.shape[1])
        return _table(test_id, kept, self._charge.states(kept[0], kept[9])) if kept.shape[1] else None

    def _fold(self, block: Block) -> None:
        """Look at one block of records; impedance measured by an alternating current is no pulse."""
        columns = block.columns
        if not {"time", "current", "voltage"} <= columns.keys():
            return
        self._complete = True
        frequency = columns.get("frequency")
        if frequency is not None and np.isfinite(frequency).any():
            columns["current"] = np.where(frequency > 0, np.nan, columns["current"])
        current = columns["current"]
        self._search.largest = float(np.fmax.reduce(np.abs(current), initial=self._search.largest))
        self._block = block
        with np.errstate(invalid="ignore", over="ignore"):
            leaps = broken(block, self._search.largest)
            self._resolve(columns["voltage"], current, leaps)
            charge = self._charge.follow(block, leaps, self._search.largest)
            self._search.look(block, charge, leaps)

    def _resolve(self, voltage: Floats, current: Floats, leaps: Mask) -> None:
        """Take note of the resolution of voltage, and of its noise at rest.

        Resolution is the smallest step of voltage while current stays, and no finer than the decimals of the numbers.
        """
        steps = np.diff(voltage)
        sizes = np.abs(steps)
        self._quantum = float(np.fmin.reduce(sizes, where=(sizes > 1e-12) & ~leaps[1:], initial=self._quantum))
        some = np.unique(voltage[:_SOME][np.isfinite(voltage[:_SOME])])
        while len(some) >= _FEW and self._decimals < _DECIMALS and not _whole_numbers(some * 10.0**self._decimals):
            self._decimals += 1
        rest = np.abs(current) < 1e-3 * self._search.largest
        still = rest[2:] & rest[1:-1] & rest[:-2]
        if np.count_nonzero(still) >= _FEW:
            self._noise.append(float(np.median(np.abs(np.diff(steps)[still]))) / _MEDIAN)

    def _resolved(self, rows: Floats) -> Mask:
        """Return the measurements whose step of voltage stands out of resolution and noise and goes the way of the current."""
        step = rows[8] - rows[7]
        self._small = np.abs(step) <= self._least()
        self._against = ~self._small & (np.sign(step) != np.sign(rows[6] - rows[5]))
        return np.asarray(~self._small & ~self._against)

    def _least(self) -> float:
        quantum = max(self._quantum if np.isfinite(self._quantum) else 0.0, 10.0**-self._decimals if self._decimals else 0.0)
        noise = float(np.median(self._noise)) if self._noise else 0.0
        return max(_QUANTA * quantum, _NOISE * noise)

    def _without(self) -> str:
        return "no current flows" if self._complete else "the series has no current, voltage and time together"

    def _refuse(self, measured: int, kept: int) -> None:
        """Say which steps of current gave no value, and why."""
        largest = self._search.largest
        counts = {reason: int(sum(len(sizes) for sizes in found)) for reason, found in self._search.refused.items()}
        if not measured and not any(counts.values()):
            why = f"no step of current from a steady one exceeds {SHARE:.0%} of the largest ({largest:.4g} A) and is held for 0.1 s"
            self.refused.append(Refused("M160", why if largest else self._without()))
        for reason, count in counts.items():
            if count:
                instants = ", ".join(f"{instant:g}" for instant in INSTANTS)
                self.refused.append(Refused("M161", f"{count} of the instants {instants} s after steps of current: {_WORDS[reason]}"))
        small, against = int(self._small.sum()), int(self._against.sum())
        if small:
            least = f"{self._least() * 1e3:.3g} mV (10 times its resolution, 20 times its noise)"
            self.refused.append(Refused("M162", f"in {small} of {measured} measurements voltage moves by no more than {least}"))
        if against:
            self.refused.append(Refused("M163", f"in {against} of {measured} measurements voltage moves against the current"))
        if self._search.left_out:
            why = f"{self._search.left_out} measurements in the middle of the test are left out, {kept} kept"
            self.refused.append(Refused("M161", why))


def _table(test_id: str, rows: Floats, states: Floats) -> pa.RecordBatch:
    """Return rows of `resistance`, ordered by the record before the pulse and the instant."""
    order = np.lexsort((rows[4], rows[0]))
    values = dict(zip(COLUMNS, rows[:, order], strict=True))
    count = rows.shape[1]
    columns: dict[str, pa.Array | list[Any]] = {
        "test_id": [test_id] * count,
        "method": ["pulse"] * count,
        "resistance_ohm": (values["voltage"] - values["voltage_before"]) / (values["current"] - values["before"]),
        "cycle_count": _whole(values["cycle"]),
        "step_number": _whole(values["step"]),
        "first_row": _whole(values["first_row"]),
        "last_row": _whole(values["last_row"]),
        "time_s": values["time"],
        "pulse_s": values["pulse"],
        "current_before_a": values["before"],
        "current_a": values["current"],
        "voltage_before_v": values["voltage_before"],
        "voltage_v": values["voltage"],
        "state_of_charge_percent": states[order],
        "temperature_c": values["heat"],
    }
    return canon.batch("resistance", {name: _array(item) for name, item in columns.items()})


def _array(values: Any) -> pa.Array | list[Any]:
    return pa.array(values, from_pandas=True) if isinstance(values, np.ndarray) else values


def _whole_numbers(values: Floats) -> bool:
    return bool((np.abs(values - np.round(values)) <= 1e-6).all())


def _whole(values: Floats) -> pa.Array:
    """Return whole numbers, empty where unknown."""
    return pa.array(values, from_pandas=True).cast(pa.int64(), safe=False)
