"""Evidence for the direction of current from the rows themselves: counters that rise, and a voltage that follows the current.

A cell's voltage rises at once when more charge current flows and falls when more is drawn, whatever its kind; a jump of current with
the voltage moving the other way therefore shows a column that counts discharge as positive.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int8]

_JUMP = 0.2
"""Share of the largest current so far that a change must have to count as a jump."""
_REST = 0.01
_SCOPES = ("step_", "cycle_", "schedule_", "")


class Counters:
    """Tells charge (1) from discharge (-1) per row by the capacity counters that rise there; the last row is carried on."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def classes(self, columns: Mapping[str, pa.Array], rows: int) -> Classes | None:
        """Return the class of every row, 0 where no counter rises; None where there are no such counters."""
        for scope in _SCOPES:
            names = (f"{scope}charging_capacity_ah", f"{scope}discharging_capacity_ah")
            if all(name in columns for name in names):
                rising, falling = (self._change(name, columns[name]) > 0 for name in names)
                return (rising & ~falling).astype(np.int8) - (falling & ~rising).astype(np.int8)
        for scope in _SCOPES:
            if f"{scope}net_capacity_ah" in columns:
                return np.sign(self._change(f"{scope}net_capacity_ah", columns[f"{scope}net_capacity_ah"])).astype(np.int8)
        return None

    def _change(self, name: str, values: pa.Array) -> Floats:
        floats = np.asarray(values.to_numpy(zero_copy_only=False), np.float64)
        before = self._last.get(name, np.nan)
        if len(floats):
            self._last[name] = float(floats[-1])
        return np.nan_to_num(np.diff(floats, prepend=before))


class Response:
    """Counts the jumps of current that the voltage followed, and those it went against; the first one is the evidence."""

    def __init__(self) -> None:
        self.followed = 0
        self.against = 0
        self.first = 0
        self.starts: Classes = np.zeros(0, np.int8)
        """Rows of the last batch where current sets in from rest: 1 where the voltage rose, -1 where it fell, else 0."""
        self._last = (np.nan, np.nan)
        self._largest = 0.0

    def watch(self, current: Floats, voltage: Floats) -> int | None:
        """Take in one batch; return the row of the very first jump if it is in this batch, else None."""
        if not len(current):
            return None
        before = np.append(self._last[0], current[:-1])
        jump = current - before
        move = np.diff(voltage, prepend=self._last[1])
        largest = np.maximum(np.fmax.accumulate(np.abs(current)), self._largest)
        self._last, self._largest = (float(current[-1]), float(voltage[-1])), float(np.nan_to_num(largest[-1]))
        with np.errstate(invalid="ignore"):
            agreement = np.where((np.abs(jump) >= _JUMP * largest) & (jump != 0), np.sign(jump) * np.sign(move), 0.0)
            set_in = (agreement != 0) & (np.abs(before) <= _REST * largest)
        agreement = np.nan_to_num(agreement)
        self.starts = np.where(set_in, np.nan_to_num(np.sign(move)), 0).astype(np.int8)
        self.followed += int(np.count_nonzero(agreement > 0))
        self.against += int(np.count_nonzero(agreement < 0))
        places = np.flatnonzero(agreement)
        if self.first or not len(places):
            return None
        self.first = int(agreement[places[0]])
        return int(places[0])
