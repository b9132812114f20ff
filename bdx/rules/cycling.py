"""Judgements over the cycles of a test and what its operator entered."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bdx.rules.register import Hit, fold
from bdx.rules.view import View, settled

CHARGED = "charge_capacity_ah"
DISCHARGED = "discharge_capacity_ah"
NOMINAL = "nominal_capacity_ah"


@fold("out_exceeds_in")
class OutExceedsIn:
    """Cycles that together give more charge than they took, by more than a cell could have held at the start."""

    def __init__(self, *, cycles: int, share: float, charges: float) -> None:
        self._fewest = cycles
        self._share = share
        self._charges = charges
        self._cycles = 0
        self._in = self._out = self._largest = 0.0

    def feed(self, view: View) -> None:
        """Add up the cycles that have both directions."""
        if not (view.has(CHARGED) and view.has(DISCHARGED)):
            return
        charged, discharged = view.floats(CHARGED), view.floats(DISCHARGED)
        both = (charged > 0) & (discharged > 0)
        self._cycles += int(np.count_nonzero(both))
        self._in += float(charged.sum(where=both))
        self._out += float(discharged.sum(where=both))
        self._largest = float(discharged.max(where=both, initial=self._largest))

    def finish(self) -> Iterator[Hit]:
        """Yield a hit for all cycles together."""
        put_in, out = settled(self._in), settled(self._out)
        surplus = out - put_in
        if self._cycles >= self._fewest and surplus > self._share * put_in and surplus > self._charges * self._largest:
            yield Hit("cycle", DISCHARGED, count=self._cycles, value=out, slots={"charged": put_in})


@fold("nominal_off_scale")
class NominalOffScale:
    """A nominal capacity that is about a thousand times, or a thousandth of, what the cycles give."""

    def __init__(self, *, low: float, high: float) -> None:
        self._low = low
        self._high = high
        self._nominal: list[float] = []
        self._largest = 0.0

    def feed(self, view: View) -> None:
        """Note what the operator entered and the largest discharge."""
        if view.table == "test" and view.has(NOMINAL):
            given = view.floats(NOMINAL)
            self._nominal = (self._nominal + [float(value) for value in given[given > 0][:2]])[:2]
        if view.table == "cycle" and view.has(DISCHARGED):
            self._largest = float(np.fmax.reduce(view.floats(DISCHARGED), initial=self._largest))

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where one test alone was described."""
        if len(self._nominal) != 1 or not self._largest > 0:
            return
        ratio = self._nominal[0] / self._largest
        if self._low <= max(ratio, 1 / ratio) <= self._high:
            yield Hit("test", NOMINAL, 0, value=self._nominal[0], examples=[0], slots={"largest": self._largest})
