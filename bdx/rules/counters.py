"""Charge and energy counters against the current: how much they rise, and what current and power integrate to meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bdx.rules.register import Hit, fold
from bdx.rules.view import ABSURD, CURRENT, TIME, VOLTAGE, Floats, View, settled


@dataclass(slots=True)
class Sums:
    """One counter: its rises and those against the current, what flows its way and the other, the doubt in that, smallest rise, steps."""

    counter: float = 0.0
    against: float = 0.0
    integral: float = 0.0
    other: float = 0.0
    doubt: float = 0.0
    smallest: float = float("inf")
    steps: int = 0

    def rounded(self) -> Sums:
        """Return the sums without the last digits, which depend on where batches end."""
        counter, against, integral, other, doubt = map(settled, (self.counter, self.against, self.integral, self.other, self.doubt))
        return Sums(counter, against, integral, other, doubt, self.smallest, self.steps)

    @property
    def granted(self) -> float:
        """What sampling can hide: half the change of flow times the interval, and one smallest rise per step."""
        return self.doubt + (self.smallest * self.steps if np.isfinite(self.smallest) else 0.0)


@dataclass(slots=True)
class CounterTally:
    """Rises of every counter of charge or energy within its steps, and the trapezoid of current or power over the same rows."""

    sums: dict[str, Sums] = field(default_factory=dict)

    def feed(self, view: View) -> None:
        """Add one batch."""
        names = [name for name in view.names() if name.endswith(("charging_capacity_ah", "charging_energy_wh"))]
        if not names or not (view.has(TIME) and view.has(CURRENT)):
            return
        step = view.delta(TIME) * (0.5 / 3600.0)
        inside = (step > 0) & ~view.changed("step_count")
        steps = len(view.starts("step_count"))
        for kind in ("capacity_ah", "energy_wh"):
            counters = [name for name in names if name.endswith(kind)]
            if counters and (kind == "capacity_ah" or view.has(VOLTAGE)):
                now, before = _flows(view, kind)
                self._add(view, counters, now, before, step, inside, steps)

    def _add(self, view: View, counters: list[str], now: Floats, before: Floats, step: Floats, inside: Any, steps: int) -> None:
        moved, doubt = now + before, now - before
        moved *= step
        np.abs(doubt, out=doubt)
        doubt *= step
        sound = inside & (np.abs(moved) < ABSURD)
        charged = {"": moved > 0, "dis": moved < 0}
        for name in counters:
            way = "dis" if "discharging" in name else ""
            rise = view.delta(name)
            good = sound & (rise >= 0) & (rise < ABSURD)
            mine, others = good & charged[way], good & charged["" if way else "dis"]
            sums = self.sums.setdefault(name, Sums())
            sums.counter += float(rise.sum(where=good))
            sums.smallest = min(sums.smallest, float(rise.min(initial=np.inf, where=good & (rise > 0))))
            if mine.any():
                sums.integral += abs(float(moved.sum(where=mine)))
                sums.doubt += float(doubt.sum(where=mine))
            if others.any():
                sums.other += abs(float(moved.sum(where=others)))
                sums.against += float(rise.sum(where=others))
            sums.steps += steps


def _flows(view: View, kind: str) -> tuple[Floats, Floats]:
    """Return current or power of each row and of the row before it."""
    now, before = view.floats(CURRENT), view.floats_before(CURRENT)
    if kind == "capacity_ah":
        return now, before
    return now * view.floats(VOLTAGE), before * view.floats_before(VOLTAGE)


class _Judge:
    """What the three judgements on a counter share: its sums, and which verdict goes first."""

    def __init__(self, *, ending: str, least: float, share: float, factors: tuple[str, ...]) -> None:
        self._ending = ending
        self._least = least
        self._share = share
        self._factors = [float(text) for text in factors]
        self._tally: CounterTally | None = None

    def feed(self, view: View) -> None:
        """Have the counters added up, once for all judgements."""
        self._tally = view.tally(CounterTally)

    def _off(self) -> Iterator[tuple[str, Sums, float]]:
        """Yield every counter that differs from the integral by more than is granted, with its ratio to it.

        Energy is passed over where the charge counter beside it is off by the same ratio: current or time is to blame.
        """
        for name, sums, ratio in self._unlike(self._ending):
            charge = name.replace("energy_wh", "capacity_ah")
            beside = [other for found, _, other in self._unlike(charge) if found == charge and charge != name]
            if not any(abs(other - ratio) <= 0.05 * ratio or other == ratio for other in beside):
                yield name, sums, ratio

    def _unlike(self, ending: str) -> Iterator[tuple[str, Sums, float]]:
        for name, raw in (self._tally.sums if self._tally else {}).items():
            if name.endswith(ending):
                sums = raw.rounded()
                larger = max(sums.counter, sums.integral)
                if larger >= self._least and abs(sums.counter - sums.integral) > self._share * larger + sums.granted:
                    yield name, sums, sums.counter / sums.integral if sums.integral else float("inf")

    def _swapped(self, sums: Sums) -> bool:
        """Say whether a counter rises while the current flows the other way."""
        return sums.counter >= self._least and sums.against > 0.9 * sums.counter and sums.other > 0.5 * sums.counter

    def _beside_swapped(self, name: str) -> bool:
        """Say whether the counter of the other direction counts this one, so that nothing is left for it."""
        other = name.replace("discharging", "charging") if "discharging" in name else name.replace("charging", "discharging")
        found = self._tally.sums.get(other) if self._tally else None
        return found is not None and self._swapped(found)

    @staticmethod
    def _told(found: list[tuple[str, Sums, float]], name: str) -> Iterator[Hit]:
        """Yield one hit per ratio, at its first counter, with how many share it: current or time is to blame for all of them."""
        ratios: list[float] = []
        for column, sums, ratio in found:
            alike = [other for _, _, other in found if abs(other - ratio) <= 0.01 * ratio or other == ratio]
            if not any(abs(other - ratio) <= 0.01 * ratio or other == ratio for other in ratios):
                ratios.append(ratio)
                yield Hit("timeseries", column, count=len(alike), value=sums.counter, slots={"integral": sums.integral, name: ratio})

    def _factor(self, ratio: float) -> float | None:
        """Return the factor of units that a ratio comes near, if any."""
        return next((factor for factor in self._factors if abs(ratio / factor - 1) <= 0.2), None)


@fold("counter_against_integral")
class CounterAgainstIntegral(_Judge):
    """Counters that differ from the integral of current or power by no ratio of units."""

    def __init__(self, *, ending: str, least: float, share: float, factors: tuple[str, ...]) -> None:
        super().__init__(ending=ending, least=least, share=share, factors=factors)

    def finish(self) -> Iterator[Hit]:
        """Yield one hit per ratio that the current does not explain."""
        off = [(name, sums, ratio) for name, sums, ratio in self._off() if not self._swapped(sums) and not self._beside_swapped(name)]
        yield from self._told([found for found in off if self._factor(found[2]) is None], "ratio")


@fold("counter_scale")
class CounterScale(_Judge):
    """Counters that differ from the integral of current or power by a ratio of units, such as 1000."""

    def __init__(self, *, ending: str, least: float, share: float, factors: tuple[str, ...]) -> None:
        super().__init__(ending=ending, least=least, share=share, factors=factors)

    def finish(self) -> Iterator[Hit]:
        """Yield one hit per factor."""
        off = [(name, sums, self._factor(ratio)) for name, sums, ratio in self._off() if not self._swapped(sums)]
        yield from self._told([(name, sums, factor) for name, sums, factor in off if factor is not None], "factor")


@fold("counter_swapped")
class CounterSwapped(_Judge):
    """Counters of charge that rise on discharge, and the other way round."""

    def __init__(self, *, ending: str, least: float) -> None:
        super().__init__(ending=ending, least=least, share=0.0, factors=())

    def finish(self) -> Iterator[Hit]:
        """Yield one hit per counter."""
        for name, sums in (self._tally.sums if self._tally else {}).items():
            if name.endswith(self._ending) and self._swapped(sums):
                yield Hit("timeseries", name, value=settled(sums.counter), slots={"integral": settled(sums.other)})


@fold("counter_not_reset")
class CounterNotReset:
    """Counters of a scope that go on where the next scope begins: the total stands under the name of a step or cycle.

    A boundary counts where the counter stood at `least` or more before it; it goes on where it does not fall at all, at that row
    or at the one after, which some instruments write first.
    """

    def __init__(self, *, scope: str, bounds: tuple[str, ...], least: float, times: int = 3, share: float = 0.8) -> None:
        self._scope = scope
        self._bounds = bounds
        self._least = least
        self._fewest = times
        self._share = share
        self._found: dict[str, _Runs] = {}

    def feed(self, view: View) -> None:
        """Look at every boundary; one at the last row waits for the row after it."""
        bound = next((name for name in self._bounds if view.has(name)), None)
        if bound is None:
            return
        for name in view.names():
            if name.startswith(self._scope) and name.endswith(COUNTED):
                self._judge(name, view, view.starts(bound))

    def finish(self) -> Iterator[Hit]:
        """Yield one hit per counter that goes on at most boundaries."""
        for name, runs in self._found.items():
            if runs.judged >= self._fewest and runs.on > self._share * runs.judged:
                yield Hit("timeseries", name, runs.examples[0], runs.on, runs.value, runs.examples)

    def _judge(self, name: str, view: View, starts: Any) -> None:
        runs = self._found.setdefault(name, _Runs())
        values = view.floats(name)
        if runs.waiting is not None:
            before, now = runs.waiting
            runs.waiting = None
            runs.add(view.first - 1, before, float(np.fmin(now, values[0])), self._least)
        places = starts[starts < view.rows - 1]
        before, after = view.floats_before(name)[places], np.fmin(values[places], values[places + 1])
        for place in np.flatnonzero(before >= self._least):
            runs.add(view.first + int(places[place]), float(before[place]), float(after[place]), self._least)
        if len(places) < len(starts):
            runs.waiting = (float(view.floats_before(name)[-1]), float(values[-1]))


COUNTED = ("_charging_capacity_ah", "discharging_capacity_ah", "cumulative_capacity_ah", "_charging_energy_wh", "discharging_energy_wh")


@dataclass(slots=True)
class _Runs:
    """Boundaries judged for one counter, and those it ran over."""

    judged: int = 0
    on: int = 0
    value: float = 0.0
    examples: list[int] = field(default_factory=list)
    waiting: tuple[float, float] | None = None

    def add(self, row: int, before: float, after: float, least: float) -> None:
        """Note one boundary."""
        if not before >= least or not np.isfinite(after):
            return
        self.judged += 1
        if after >= before:
            self.value = self.value if self.on else after
            self.on += 1
            if len(self.examples) < 5:
                self.examples.append(row)
