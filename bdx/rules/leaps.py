"""Counters of charge and energy that rise by more between two records than any current between them explains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from bdx.rules.register import Hit, fold
from bdx.rules.view import ABSURD, CURRENT, TIME, VOLTAGE, Floats, View, settled


@dataclass(slots=True)
class _Leaps:
    """The rises of one counter: all of them added up, how many leap, and the largest leaps with their rows."""

    total: float = 0.0
    count: int = 0
    largest: list[tuple[float, int]] = field(default_factory=list)

    KEPT = 8


@fold("counter_leaps")
class CounterLeaps:
    """A counter that rises in a row by more than `times` what the larger current of both records gives in the time between them.

    Judged are leaps of at least `share` of all the counter rises, in tests of `rows` rows or more. Many leaps are the way a test was
    recorded.
    """

    def __init__(self, *, times: float, share: float, least: float, rows: int = 100, few: int = 4) -> None:
        self._times = times
        self._share = share
        self._least = least
        self._fewest = rows
        self._few = few
        self._rows = 0
        self._found: dict[str, _Leaps] = {}

    def feed(self, view: View) -> None:
        """Note the rises of every counter of the test, the cycle and the step."""
        names = [name for name in view.names() if name.endswith(("charging_capacity_ah", "charging_energy_wh"))]
        if not names or not (view.has(TIME) and view.has(CURRENT)):
            return
        self._rows += view.rows
        hours = np.maximum(view.delta(TIME), 0.0) * (self._times / 3600.0)
        charge = np.maximum(np.abs(view.floats(CURRENT)), np.abs(view.floats_before(CURRENT))) * hours
        energy = charge * np.maximum(np.abs(view.floats(VOLTAGE)), np.abs(view.floats_before(VOLTAGE))) if view.has(VOLTAGE) else None
        for name in names:
            granted = charge if name.endswith("_ah") else energy
            if granted is not None:
                self._look(name, view, granted)

    def finish(self) -> Iterator[Hit]:
        """Yield one hit per counter with few, large leaps."""
        for name, leaps in self._found.items():
            total = settled(leaps.total)
            rows = sorted(row for rise, row in leaps.largest if rise >= self._share * total)
            if rows and leaps.count <= self._few and self._rows >= self._fewest:
                rise = max(leaps.largest)[0]
                yield Hit("timeseries", name, rows[0], len(rows), f"{rise:.6g}", rows[:5])

    def _look(self, name: str, view: View, granted: Floats) -> None:
        leaps = self._found.setdefault(name, _Leaps())
        rise = view.delta(name)
        leaps.total += float(rise.sum(where=(rise > 0) & (rise < ABSURD)))
        rows = np.flatnonzero(rise > granted + self._least)
        if len(rows):
            leaps.count += len(rows)
            found = [(float(rise[row]), view.first + int(row)) for row in rows[np.argsort(-rise[rows], kind="stable")][: leaps.KEPT]]
            leaps.largest = sorted([*leaps.largest, *found], key=lambda leap: (-leap[0], leap[1]))[: leaps.KEPT]
