"""Judgements over the clocks of a whole test: test time, step time and wall clock against each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bdx.rules.register import Hit, fold
from bdx.rules.view import BOUNDS, TIME, Floats, View, settled

STEP_TIME = "step_time_second"
WALLS = ("unix_time_second", "local_time")


MILLISECONDS = 1e11
"""Unix time from here on is in another unit: U005 speaks, and test time is not to blame."""

_MEANING = {
    "1e-09": "in thousands of millions of seconds",
    "1e-06": "in millions of seconds",
    "0.001": "in thousands of seconds",
    "0.000277778": "in hours",
    "0.0166667": "in minutes",
    "60": "minutes turned into seconds twice",
    "3600": "hours turned into seconds twice",
    "1000": "in milliseconds",
    "1e+06": "in microseconds",
    "1e+09": "in nanoseconds",
}
"""What test time seems to hold, by how much of it passes in a second of the wall clock."""


def _wall(view: View) -> str | None:
    return next((name for name in WALLS if view.has(name)), None)


@fold("clock_scale")
class ClockScale:
    """A clock that runs against another at a telling factor (60: minutes written as seconds), within `within` where given.

    Rows are dealt to eight accumulators in runs of sixteen, so a pause of the test spoils one of them and not the verdict.
    """

    HANDS = 8
    RUN = 16

    def __init__(
        self,
        *,
        of: str,
        beside: tuple[str, ...],
        factors: tuple[str, ...],
        within: tuple[str, ...] = (),
        tolerance: float = 0.05,
        rows: int = 10,
    ) -> None:
        self._of = of
        self._beside = beside
        self._within = within
        self._factors = [float(text) for text in factors]
        self._tolerance = tolerance
        self._least = rows
        self._rows = 0
        self._test = np.zeros(self.HANDS)
        self._wall = np.zeros(self.HANDS)

    def feed(self, view: View) -> None:
        """Add up both clocks where both move forward."""
        other = next((name for name in self._beside if view.has(name)), None)
        if other is None or not view.has(self._of):
            return
        test, clock = view.delta(self._of), view.delta(other)
        both = (test >= 0) & (clock >= 0) & (np.maximum(test, clock) < np.inf)
        if other == WALLS[0] and view.span(other)[1] >= MILLISECONDS:
            both &= view.floats(other) < MILLISECONDS
        if self._within:
            both &= ~view.changed(*self._within)
        self._rows += int(both.sum())
        runs = np.arange(view.first // self.RUN, (view.first + view.rows - 1) // self.RUN + 1)
        edges = np.maximum(runs * self.RUN - view.first, 0)
        if not both.all():
            test, clock = np.where(both, test, 0.0), np.where(both, clock, 0.0)
        self._test += np.bincount(runs % self.HANDS, np.add.reduceat(test, edges), self.HANDS)
        self._wall += np.bincount(runs % self.HANDS, np.add.reduceat(clock, edges), self.HANDS)

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where all accumulators but one agree on one factor."""
        ratios = [wall / test for test, wall in zip(self._test, self._wall, strict=True) if test > 0 and wall > 0]
        if self._rows < self._least or not ratios:
            return
        for factor in self._factors:
            near = [ratio for ratio in ratios if abs(ratio / factor - 1) <= self._tolerance]
            if len(near) >= max(1, len(ratios) - 1):
                rate = f"{1 / factor:.6g}"
                yield Hit("timeseries", self._of, count=self._rows, value=rate, slots={"unit": _MEANING.get(rate, "in another unit")})
                return


@fold("clocks_apart")
class ClocksApart:
    """Unix time and local time whose difference is no offset of a time zone: no multiple of a quarter hour, or beyond 15 hours."""

    def __init__(self, *, tolerance: float, most: float = 54000.0, share: float = 0.5) -> None:
        self._tolerance = tolerance
        self._most = most
        self._share = share
        self._rows = self._bad = 0
        self._examples: list[int] = []
        self._value = 0.0

    def feed(self, view: View) -> None:
        """Compare both clocks in every row."""
        if not all(view.has(name) for name in WALLS):
            return
        apart = view.floats("local_time") - view.floats("unix_time_second")
        rest = np.abs(apart - np.round(apart / 900.0) * 900.0)
        bad = np.flatnonzero((rest > self._tolerance) | (np.abs(apart) > self._most))
        self._rows += int(np.count_nonzero(np.isfinite(apart)))
        if len(bad):
            self._value = self._value if self._bad else float(apart[bad[0]])
            self._bad += len(bad)
            self._examples += [view.first + int(row) for row in bad[: 5 - len(self._examples)]]

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where that holds for more than a share of the rows."""
        if self._bad > self._share * self._rows:
            yield Hit("timeseries", "local_time", self._examples[0], self._bad, self._value, self._examples)


@fold("clock_drift")
class ClockDrift:
    """A wall clock that gains or loses against test time steadily.

    Both are summed over runs of `RUN` rows within steps. A run in which they differ by more than a quarter holds a pause, one
    shorter than 20 ticks of the wall clock says nothing: both are left out.
    """

    RUN = 512

    def __init__(self, *, share: float, least_second: float = 3600.0, grace_second: float = 120.0, runs: int = 4) -> None:
        self._share = share
        self._least = least_second
        self._grace = grace_second
        self._fewest = runs
        self._open = -1
        self._sums = np.array([0.0, 0.0, np.inf])
        self._test = self._clock = 0.0
        self._runs = 0
        self._column = ""

    def feed(self, view: View) -> None:
        """Add up every run that ends in this batch; the last one stays open."""
        wall = _wall(view)
        if wall is None or not view.has(TIME):
            return
        self._column = wall
        test, clock = view.delta(TIME), view.delta(wall)
        good = (test >= 0) & (clock >= 0) & (np.maximum(test, clock) < np.inf) & ~view.changed(*BOUNDS)
        if not good.all():
            test, clock = np.where(good, test, 0.0), np.where(good, clock, 0.0)
        runs = np.arange(view.first // self.RUN, (view.first + view.rows - 1) // self.RUN + 1)
        edges = np.maximum(runs * self.RUN - view.first, 0)
        ticks = np.minimum.reduceat(np.where(clock > 0, clock, np.inf), edges)
        sums = np.stack([np.add.reduceat(test, edges), np.add.reduceat(clock, edges), ticks])
        if self._open == runs[0]:
            sums[:2, 0] += self._sums[:2]
            sums[2, 0] = min(sums[2, 0], self._sums[2])
        else:
            self._judge(self._sums[:, None])
        self._judge(sums[:, :-1])
        self._open, self._sums = int(runs[-1]), sums[:, -1]

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where the clock is off by more than the share."""
        self._judge(self._sums[:, None])
        test, clock = settled(self._test), settled(self._clock)
        if self._runs >= self._fewest and test >= self._least and abs(clock - test) > self._share * test + self._grace:
            yield Hit("timeseries", self._column, value=settled(clock / test), slots={"gain": settled((clock / test - 1) * 3600)})

    def _judge(self, sums: Floats) -> None:
        tests, clocks, ticks = sums
        plain = (tests > 0) & (np.abs(clocks - tests) <= 0.25 * tests) & (tests >= 20 * ticks)
        self._runs += int(np.count_nonzero(plain))
        self._test += float(tests[plain].sum())
        self._clock += float(clocks[plain].sum())


@fold("clock_still")
class ClockStill:
    """A wall clock that keeps one value for longer than its resolution can explain while test time goes on."""

    def __init__(self, *, least_second: float, rows: int = 10) -> None:
        self._least = least_second
        self._fewest = rows
        self._open = (0, 0.0)
        self._count = 0
        self._examples: list[int] = []
        self._value = 0.0
        self._column = ""
        self._last = (0, 0.0)

    def feed(self, view: View) -> None:
        """Judge every stretch of one value that ends in this batch; the last one stays open."""
        wall = _wall(view)
        if wall is None or not view.has(TIME):
            return
        self._column = wall
        time = view.floats(TIME)
        end = view.first + view.rows
        self._last = (end, float(time[-1]))
        still = view.delta(wall) == 0
        if not still.any():
            before = float(view.floats_before(TIME)[0])
            self._judge(np.array([self._open[0], view.first]), np.array([self._open[1]]), np.array([before]))
            self._open = (end - 1, float(time[-1]))
            return
        moves = np.flatnonzero(~still)
        rows = np.concatenate(([self._open[0]], moves + view.first))
        begins = np.concatenate(([self._open[1]], time[moves]))
        ends = np.concatenate((view.floats_before(TIME)[moves], time[-1:]))
        self._judge(rows, begins[:-1], ends[:-1])
        self._open = (int(rows[-1]), float(begins[-1]))

    def finish(self) -> Iterator[Hit]:
        """Yield a hit for all such stretches."""
        self._judge(np.array([self._open[0], self._last[0]]), np.array([self._open[1]]), np.array([self._last[1]]))
        if self._count:
            yield Hit("timeseries", self._column, self._examples[0], self._count, self._value, self._examples)

    def _judge(self, rows: Any, begins: Floats, ends: Floats) -> None:
        still = np.flatnonzero((np.diff(rows) >= self._fewest) & (ends - begins >= self._least))
        if len(still):
            self._value = self._value if self._count else float(ends[still[0]] - begins[still[0]])
            self._count += len(still)
            self._examples += [int(rows[place]) for place in still[: 5 - len(self._examples)]]


@fold("step_time_runs_on")
class StepTimeRunsOn:
    """Step time that goes on with test time where a step begins, instead of starting anew."""

    def __init__(self, *, steps: int = 2, share: float = 0.5) -> None:
        self._fewest = steps
        self._share = share
        self._steps = self._on = self._anew = 0
        self._examples: list[int] = []
        self._value = 0.0

    def feed(self, view: View) -> None:
        """Look at the first row of every step, and count where step time starts anew."""
        if not (view.has(STEP_TIME) and view.has(TIME)) or not (view.has("step_count") or view.has("step_id")):
            return
        self._anew += int(np.count_nonzero(view.delta(STEP_TIME) < 0))
        starts = view.starts("step_count") if view.has("step_count") else view.starts("step_id")
        before, rise, passed = (found[starts] for found in (view.floats_before(STEP_TIME), view.delta(STEP_TIME), view.delta(TIME)))
        known = (before > 0) & (passed > 0) & np.isfinite(rise)
        runs_on = starts[known & (np.abs(rise - passed) <= 0.01 * passed + 1e-6)]
        self._steps += int(np.count_nonzero(known))
        if len(runs_on):
            self._value = self._value if self._on else float(view.floats(STEP_TIME)[runs_on[0]])
            self._on += len(runs_on)
            self._examples += [view.first + int(row) for row in runs_on[: 5 - len(self._examples)]]

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where that holds for more than a share of the steps; one that starts anew half as often counts other steps."""
        if self._steps >= self._fewest and self._on > self._share * self._steps and self._on > 2 * self._anew:
            yield Hit("timeseries", STEP_TIME, self._examples[0], self._on, self._value, self._examples)
