"""Judgements over what sensors show through a test: cut off at full scale, hung, wired the wrong way round, in another unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from bdx.rules.register import Hit, fold
from bdx.rules.view import CURRENT, VOLTAGE, Floats, View, settled


@dataclass(slots=True)
class _Stay:
    """A run of rows at one extreme: first row, current there, rows in all and those with that current."""

    row: int
    level: float
    rows: int = 0
    steady: int = 0


@dataclass(slots=True)
class _Extreme:
    """The largest value so far, negated for the smallest, and how long the voltage stayed there."""

    sign: float
    value: float = -np.inf
    stays: list[_Stay] = field(default_factory=list)
    open: bool = False

    KEPT = 64

    def feed(self, first: int, highest: float, voltage: Floats, current: Floats, steady: float) -> None:
        """Add the rows of a batch that stand at the extreme."""
        if highest > self.value:
            self.value, self.stays, self.open = highest, [], False
        if not highest >= self.value or not np.isfinite(highest):
            self.open = False
            return
        rows = np.flatnonzero(self.sign * voltage == self.value)
        edges = np.flatnonzero(np.diff(rows, prepend=-2) > 1)
        for begin, end in zip(edges, [*edges[1:], len(rows)], strict=True):
            run = rows[begin:end]
            if not (run[0] == 0 and self.open):
                if len(self.stays) == self.KEPT:
                    break
                self.stays.append(_Stay(first + int(run[0]), float(current[run[0]])))
            stay = self.stays[-1]
            stay.rows += len(run)
            stay.steady += int(np.count_nonzero(np.abs(current[run] - stay.level) <= steady * abs(stay.level)))
        self.open = bool(len(rows)) and int(rows[-1]) == len(voltage) - 1


@fold("saturated_voltage")
class SaturatedVoltage:
    """Voltage that stands at its extreme, to the last digit, while the current of a charge or discharge goes on unchanged.

    A hold at constant voltage is none: its current falls soon. A coarse resolution is none: it shows everywhere. Extremes smaller
    than `least_volt` are no battery's.
    """

    def __init__(self, *, rows: int, share: float, least_volt: float, steady: float = 0.02, strong: float = 0.05) -> None:
        self._fewest = rows
        self._share = share
        self._least = least_volt
        self._steady = steady
        self._strong = strong
        self._ends = (_Extreme(1.0), _Extreme(-1.0))
        self._rows = self._moves = 0
        self._most = 0.0

    def feed(self, view: View) -> None:
        """Look at the rows that stand at the largest and smallest voltage so far."""
        if not (view.has(VOLTAGE) and view.has(CURRENT)):
            return
        voltage, current = view.floats(VOLTAGE), view.floats(CURRENT)
        low, high = view.span(VOLTAGE)
        least, most = view.span(CURRENT)
        self._most = max(self._most, -least, most)
        self._rows += view.rows
        self._moves += int(np.count_nonzero(view.delta(VOLTAGE)))
        for end, extreme in zip(self._ends, (high, -low), strict=True):
            end.feed(view.first, extreme, voltage, current, self._steady)

    def finish(self) -> Iterator[Hit]:
        """Yield a hit for the ends at which that holds for long enough."""
        for end in self._ends:
            stays = [stay for stay in end.stays if abs(stay.level) >= self._strong * self._most > 0]
            rows, steady = sum(stay.rows for stay in stays), sum(stay.steady for stay in stays)
            outside = self._rows - sum(stay.rows for stay in end.stays)
            moving = outside >= self._fewest and self._moves >= 0.5 * outside and abs(end.value) >= self._least
            if moving and steady >= max(self._fewest, self._share * rows) and max(stay.steady for stay in stays) >= self._fewest // 2:
                value = end.sign * end.value
                yield Hit("timeseries", VOLTAGE, stays[0].row, steady, value, [stay.row for stay in stays[:5]], {"current": stays[0].level})
                return


@dataclass(slots=True)
class _Runs:
    """The longest runs of one value in a column: first row, rows, value; and the run that goes on."""

    row: int = 0
    longest: list[tuple[int, int, float]] = field(default_factory=list)

    KEPT = 8

    def close(self, end: int, value: float) -> None:
        """Keep the open run where it is among the longest."""
        if np.isfinite(value):
            self.longest = sorted([*self.longest, (self.row, end - self.row, value)], key=lambda run: (-run[1], run[0]))[: self.KEPT]


@fold("stuck_sensor")
class StuckSensor:
    """A temperature that keeps exactly one value for hundreds of records though it moves with nearly every other one.

    `rows` is the shortest run judged, `calm` the longest run that a moving sensor may show elsewhere, `few` how many may be stuck.
    """

    def __init__(self, *, rows: int, calm: int, few: int = 4) -> None:
        self._fewest = rows
        self._calm = calm
        self._few = few
        self._runs: dict[str, _Runs] = {}
        self._end = 0
        self._last: dict[str, float] = {}

    def feed(self, view: View) -> None:
        """Note the longest runs of each temperature that end in this batch; the last one stays open."""
        self._end = view.first + view.rows
        for name in view.names():
            if "temperature" in name and name.endswith("celsius"):
                self._look(view, name)

    def finish(self) -> Iterator[Hit]:
        """Yield a hit per temperature that hung for a few runs and moves with nearly every record elsewhere."""
        for name, runs in self._runs.items():
            runs.close(self._end, self._last[name])
            for few in range(1, min(self._few, len(runs.longest) - 1) + 1):
                stuck, rest = runs.longest[:few], runs.longest[few]
                rows = sum(run[1] for run in stuck)
                if stuck[-1][1] >= self._fewest and rest[1] <= self._calm and self._end - rows >= self._fewest:
                    first, _, value = min(stuck)
                    yield Hit("timeseries", name, first, rows, value, sorted(run[0] for run in stuck)[:5])
                    break

    def _look(self, view: View, name: str) -> None:
        runs = self._runs.setdefault(name, _Runs(view.first))
        values = view.floats(name)
        moves = np.flatnonzero(view.delta(name) != 0)
        self._last[name] = float(values[-1])
        if not len(moves):
            return
        runs.close(view.first + int(moves[0]), float(view.floats_before(name)[moves[0]]))
        lengths = np.diff(moves)
        least = runs.longest[-1][1] if len(runs.longest) == runs.KEPT else 0
        places = np.flatnonzero(lengths > least)
        for place in places[np.argsort(-lengths[places], kind="stable")][: runs.KEPT]:
            runs.row = view.first + int(moves[place])
            runs.close(runs.row + int(lengths[place]), float(values[moves[place]]))
        runs.row = view.first + int(moves[-1])


@fold("polarity_reversed")
class PolarityReversed:
    """Voltage that is below `limit` in every row of a test with charge and discharge: the leads are exchanged."""

    def __init__(self, *, limit: float, rows: int = 100) -> None:
        self._limit = limit
        self._fewest = rows
        self._rows = 0
        self._high = -np.inf
        self._current = (0.0, 0.0)

    def feed(self, view: View) -> None:
        """Note the largest voltage, and which ways current flows."""
        if view.has(VOLTAGE) and view.has(CURRENT):
            self._rows += view.rows - view.array(VOLTAGE).null_count
            self._high = max(self._high, view.span(VOLTAGE)[1])
            low, high = view.span(CURRENT)
            self._current = (min(self._current[0], low), max(self._current[1], high))

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where none is above the limit."""
        low, high = self._current
        both = min(-low, high) > 0.05 * max(-low, high) > 0
        if both and self._rows >= self._fewest and -np.inf < self._high < self._limit:
            yield Hit("timeseries", VOLTAGE, count=self._rows, value=self._high)


@fold("voltage_a_thousandth")
class VoltageAThousandth:
    """Voltage that stays in a thousandth of the range in which cells stay, while current flows."""

    def __init__(self, *, least: float, most: float, spread: float, rows: int = 10) -> None:
        self._least = least
        self._most = most
        self._spread = spread
        self._fewest = rows
        self._rows = 0
        self._low, self._high = np.inf, -np.inf
        self._flows = False

    def feed(self, view: View) -> None:
        """Note smallest and largest voltage, and whether any current flows."""
        if not (view.has(VOLTAGE) and view.has(CURRENT)):
            return
        self._rows += view.rows
        low, high = view.span(VOLTAGE)
        self._low, self._high = min(self._low, low), max(self._high, high)
        least, most = view.span(CURRENT)
        self._flows = self._flows or least < 0 or most > 0

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where that holds for the whole test."""
        narrow = self._least <= self._low <= self._high <= min(self._most, self._spread * self._low)
        if self._rows >= self._fewest and self._flows and narrow:
            yield Hit("timeseries", VOLTAGE, count=self._rows, value=self._high, slots={"low": self._low})


@fold("fahrenheit_beside_celsius")
class FahrenheitBesideCelsius:
    """Two temperatures of which, before anything warms up, one reads like the other in degrees Fahrenheit."""

    def __init__(self, *, apart: float, tolerance: float, rows: int = 60) -> None:
        self._apart = apart
        self._tolerance = tolerance
        self._wanted = rows
        self._rows = 0
        self._sums: dict[str, float] = {}

    def feed(self, view: View) -> None:
        """Add up the first rows of the table."""
        if self._rows >= self._wanted:
            return
        taken = slice(0, self._wanted - self._rows)
        for name in view.names():
            if "temperature" in name and name.endswith("celsius"):
                self._sums[name] = self._sums.get(name, 0.0) + float(view.floats(name)[taken].sum())
        self._rows += min(view.rows, self._wanted - self._rows)

    def finish(self) -> Iterator[Hit]:
        """Yield a hit for each temperature that stands that far from another."""
        means = {name: settled(total) / self._rows for name, total in self._sums.items() if np.isfinite(total)}
        for name, mean in means.items():
            for other, beside in means.items():
                if mean - beside > self._apart and abs(mean - (1.8 * beside + 32.0)) <= self._tolerance:
                    yield Hit("timeseries", name, value=f"{mean:.1f}", slots={"other": other, "beside": f"{beside:.1f}"})
                    break
