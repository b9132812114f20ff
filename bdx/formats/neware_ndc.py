"""Sparse stamps of a Neware test -> time, step and counters of every record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bdx.formats.neware_blocks import Rows
from bdx.spec import Facts

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

COUNTERS = ("charge", "discharge", "charge_energy", "discharge_energy")


@dataclass(slots=True)
class Stamps:
    """Where the instrument wrote time, step and counters: one entry per stamped record, the rest follows from them.

    Between two stamps the recording interval is constant, so time there is exact; it is checked against the next stamp.
    Counters between stamps lie on a straight line over time; after the last stamp of a step they grow with the mean current.
    Units: milliseconds; counters in the unit of the file.
    """

    at: Ints
    counts: Ints
    step: Ints
    time: Floats
    rate: Floats
    base: Floats
    unix: Floats
    counters: Mapping[str, tuple[Floats, Floats]]
    total: int
    strangers: list[int]
    reckoned: int
    unjoined: int
    unjoined_at: int
    tail: int

    @property
    def unstamped_head(self) -> int:
        """How many records come before the first stamp."""
        return int(self.at[0]) if len(self.at) else self.total

    def spread(self, start: int, stop: int) -> dict[str, Any]:
        """Return the columns of records [start, stop): step, total_time, step_time, unix (s) and the counters.

        Records before the first stamp get NaN and step -1.
        """
        first = max(int(np.searchsorted(self.at, start, "right")) - 1, 0)
        last = int(np.searchsorted(self.at, stop, "left"))
        at, rate = self.at[first:last], self.rate[first:last]
        begin = np.maximum(at, start)
        lengths = np.diff(np.append(begin, stop)) if len(at) else np.empty(0, np.int64)
        head = stop - start - int(lengths.sum())
        beyond = np.arange(start + head, stop) - np.repeat(at, lengths)

        def full(values: npt.NDArray[Any], slope: Floats | None = None) -> npt.NDArray[Any]:
            line = np.repeat(values[first:last], lengths)
            if slope is not None:
                with np.errstate(invalid="ignore", over="ignore"):
                    line = line + np.repeat(slope, lengths) * beyond
            return np.concatenate([np.full(head, np.nan if line.dtype.kind == "f" else -1, line.dtype), line]) if head else line

        step_time = full(self.time, rate)
        columns = {
            "step": full(self.step),
            "step_time": step_time / 1000.0,
            "total_time": (step_time + full(self.base)) / 1000.0,
            "unix": full(self.unix, rate) / 1000.0,
        }
        for name, (values, slope) in self.counters.items():
            columns[name] = full(values, slope[first:last])
        return columns


def stamps(run: Rows, voltage: npt.NDArray[np.float32], current: npt.NDArray[np.float32], units: Facts) -> Stamps:
    """Return the stamps of `run` (runInfo rows) laid over the records that have `voltage` and `current`.

    A record stamped twice keeps its first stamp; a stamp of a record that does not exist is kept as a stranger.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        return _stamps(run, voltage, current, units)


def _stamps(run: Rows, voltage: npt.NDArray[np.float32], current: npt.NDArray[np.float32], units: Facts) -> Stamps:
    total = len(voltage)
    index = run["index"].astype(np.int64)
    inside = (index >= 1) & (index <= total)
    strangers = index[~inside].tolist()
    at, chosen = np.unique(index[inside] - 1, return_index=True)
    run = run[inside][chosen]
    counts = np.diff(np.append(at, total))
    step = run["step"].astype(np.int64)
    time, interval = run["step_time"].astype(np.float64), np.maximum(run["interval"], 0).astype(np.float64)
    new_run = np.ones(len(at), np.bool_)
    new_run[1:] = (step[1:] != step[:-1]) | (time[1:] < time[:-1])
    joined = ~np.append(new_run[1:], True)
    rate, unjoined = _rates(time, interval, counts, joined)
    ends = time + rate * (counts - 1)
    base = np.cumsum(np.where(new_run, np.append(0.0, ends[:-1]), 0.0)) if len(at) else np.empty(0)
    gaps = np.flatnonzero(unjoined)
    tail = int(counts[-1]) - 1 if len(at) else 0
    return Stamps(
        at=at,
        counts=counts,
        step=step,
        time=time,
        rate=rate,
        base=base,
        unix=run["unix"].astype(np.float64) * 1000.0 + run["millis"],
        counters=_counters(run, (at, counts, joined, rate), voltage, current, units),
        total=total,
        strangers=strangers,
        reckoned=int((counts[:-1] - 1)[~unjoined[:-1]].sum()) if len(at) else 0,
        unjoined=int((counts - 1)[gaps].sum()),
        unjoined_at=int(at[gaps[0]]) + 2 if len(gaps) else 0,
        tail=tail,
    )


def _rates(time: Floats, interval: Floats, counts: Ints, joined: npt.NDArray[np.bool_]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return milliseconds per record after each stamp, and where the interval does not lead to the next stamp of the run."""
    rate = interval.copy()
    unjoined = np.zeros(len(time), np.bool_)
    if len(time) > 1:
        expected = time[:-1] + interval[:-1] * (counts[:-1] - 1)
        unjoined[:-1] = joined[:-1] & (counts[:-1] > 1) & (expected + interval[1:] != time[1:])
        line = (time[1:] - time[:-1]) / counts[:-1]
        rate[:-1] = np.where(unjoined[:-1], line, rate[:-1])
    return rate, unjoined


def _counters(
    run: Rows,
    shape: tuple[Ints, Ints, npt.NDArray[np.bool_], Floats],
    voltage: npt.NDArray[np.float32],
    current: npt.NDArray[np.float32],
    units: Facts,
) -> dict[str, tuple[Floats, Floats]]:
    """Return value and growth per record of each counter at each stamp; discharge counts up, as charge does."""
    at, counts, joined, rate = shape
    found: dict[str, tuple[Floats, Floats]] = {}
    span = np.diff(run["step_time"].astype(np.float64))
    share = np.divide(rate[:-1], span, out=np.zeros(len(span)), where=joined[:-1] & (span > 0)) if len(at) else np.empty(0)
    last = np.flatnonzero(~joined & (counts > 1))
    pieces = [slice(int(at[k]) + 1, int(at[k]) + int(counts[k])) for k in last]
    for name in COUNTERS:
        values = np.abs(run[name].astype(np.float64))
        slope = np.zeros(len(at))
        slope[:-1] = np.diff(values) * share
        sign = -1.0 if name.startswith("discharge") else 1.0
        for k, piece in zip(last, pieces, strict=True):
            flow = current[piece].astype(np.float64) * sign
            if name.endswith("energy"):
                flow = flow * voltage[piece]
            divisor = units["energy_divisor"] if name.endswith("energy") else units["charge_divisor"]
            slope[k] = np.maximum(flow, 0.0).mean() * rate[k] / 1000.0 / divisor
        found[name] = (values, slope)
    return found
