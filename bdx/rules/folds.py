"""Judgements over a whole test in constant memory: feed batches, then ask what the test as a whole does wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdx.rules.register import Hit, fold
from bdx.rules.view import Floats, View

TIME = "test_time_second"
CURRENT = "current_ampere"
VOLTAGE = "voltage_volt"
ABSURD = 1e9
"""Amounts from here on are left out of sums: S005 and S008 speak of them, and one would drown all others."""
STEP = ("step_count", "cycle_count", "step_type")


def _add(total: float, values: Floats) -> float:
    """Return total + values summed strictly in order, so that the result does not depend on where batches end.

    `values` is used up.
    """
    values[0] += total
    return float(np.cumsum(values, out=values)[-1])


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


@fold("clock_scale")
class ClockScale:
    """Test time that runs against the wall clock at a telling factor (60: minutes written as seconds).

    Rows are dealt to eight accumulators in runs of sixteen, so a pause of the test spoils one of them and not the verdict.
    """

    HANDS = 8
    RUN = 16

    def __init__(self, *, factors: tuple[str, ...], tolerance: float = 0.05, rows: int = 10) -> None:
        self._factors = [float(text) for text in factors]
        self._tolerance = tolerance
        self._least = rows
        self._rows = 0
        self._test = np.zeros(self.HANDS)
        self._wall = np.zeros(self.HANDS)

    def feed(self, view: View) -> None:
        """Add up both clocks where both move forward."""
        wall = next((name for name in ("unix_time_second", "local_time") if view.has(name)), None)
        if wall is None or not view.has(TIME):
            return
        test = view.floats(TIME) - view.floats_before(TIME)
        clock = view.floats(wall) - view.floats_before(wall)
        both = (test >= 0) & (clock >= 0) & (np.maximum(test, clock) < np.inf)
        self._rows += int(both.sum())
        hands = (np.arange(view.first, view.first + view.rows) // self.RUN) % self.HANDS
        self._test = self._deal(self._test, hands, np.where(both, test, 0.0))
        self._wall = self._deal(self._wall, hands, np.where(both, clock, 0.0))

    def _deal(self, sums: Floats, hands: Any, values: Floats) -> Floats:
        """Return the sums with each value added to its hand, in order."""
        places = np.concatenate((np.arange(self.HANDS), hands))
        dealt: Floats = np.bincount(places, np.concatenate((sums, values)), self.HANDS).astype(np.float64, copy=False)
        return dealt

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where all accumulators but one agree on one factor."""
        ratios = [wall / test for test, wall in zip(self._test, self._wall, strict=True) if test > 0 and wall > 0]
        if self._rows < self._least or not ratios:
            return
        for factor in self._factors:
            near = [ratio for ratio in ratios if abs(ratio / factor - 1) <= self._tolerance]
            if len(near) >= max(1, len(ratios) - 1):
                rate = f"{1 / factor:.6g}"
                yield Hit("timeseries", TIME, count=self._rows, value=rate, slots={"unit": _MEANING.get(rate, "in another unit")})
                return


@fold("sign_against_state")
class SignAgainstState:
    """Steps named charge whose current is negative throughout, or named discharge with positive current.

    A step is a run of rows with one step type and counter. It is judged where it has at least `rows` rows and
    nearly all its current has the wrong sign, so noise around zero and the first sample of a new step do not count.
    """

    def __init__(self, *, charge: str, discharge: str, rows: int = 3, share: float = 0.9) -> None:
        self._charge = re.compile(charge, re.IGNORECASE)
        self._discharge = re.compile(discharge, re.IGNORECASE)
        self._least = rows
        self._share = share
        self._signed = self._total = 0.0
        self._open: tuple[str, int, float, float] = ("", 0, 0.0, 0.0)
        self._end = 0
        self._count = 0
        self._rows: list[int] = []
        self._state = ""

    def feed(self, view: View) -> None:
        """Judge every step that ends in this batch; the last one stays open."""
        if not view.has("step_type") or not view.has(CURRENT):
            return
        current = view.floats(CURRENT)
        current = np.where(np.abs(current) < ABSURD, current, 0.0)
        starts = np.flatnonzero(view.changed(*STEP))
        signed = np.cumsum(np.concatenate(([self._signed], current)))
        total = np.cumsum(np.concatenate(([self._total], np.abs(current))))
        word, row, base, base_total = self._open
        words = [word, *view.array("step_type").take(starts).to_pylist()]
        rows = np.concatenate(([row], starts + view.first))
        self._judge(words, rows, np.concatenate(([base], signed[starts])), np.concatenate(([base_total], total[starts])))
        if len(starts):
            last = int(starts[-1])
            self._open = (words[-1] or "", view.first + last, float(signed[last]), float(total[last]))
        self._signed, self._total, self._end = float(signed[-1]), float(total[-1]), view.first + view.rows

    def finish(self) -> Iterator[Hit]:
        """Yield one hit for all steps of the wrong sign."""
        word, row, base, base_total = self._open
        self._judge([word, ""], np.array([row, self._end]), np.array([base, self._signed]), np.array([base_total, self._total]))
        if self._count:
            yield Hit("timeseries", CURRENT, self._rows[0], self._count, self._state, self._rows, {"state": self._state})

    def _judge(self, words: list[str | None], rows: Any, signed: Floats, total: Floats) -> None:
        """Judge the steps between consecutive marks: first row, sum of current and of its magnitude before that row."""
        known = {word: self._direction(word or "") for word in set(words)}
        expected = np.array([known[word] for word in words[:-1]])
        amount = np.diff(total)
        wrong = (np.diff(rows) >= self._least) & (amount > 0) & (-expected * np.diff(signed) > self._share * amount)
        for place in np.flatnonzero(wrong):
            self._count += 1
            if len(self._rows) < 5:
                self._state = self._state or words[place] or ""
                self._rows.append(int(rows[place]))

    def _direction(self, word: str) -> int:
        """Return 1 for a word that says charge, -1 for discharge, 0 for neither or both."""
        rest, discharges = self._discharge.subn(" ", word)
        charges = bool(self._charge.search(rest))
        return 0 if charges and discharges else int(charges) - int(bool(discharges))


@fold("counter_against_integral")
class CounterAgainstIntegral:
    """Charge counters of the instrument that differ from the current integrated over time.

    Rises of a counter within a step are compared with the trapezoid of the current over the same rows. Before `share` is
    granted what sampling can hide (half the change of current times the interval, while current flows that way) and one
    smallest rise per step.
    """

    def __init__(self, *, share: float, least_ah: float) -> None:
        self._share = share
        self._least = least_ah
        self._sums: dict[str, _Sums] = {}

    def feed(self, view: View) -> None:
        """Add up rises and integrals of both directions."""
        counters = [name for name in view.names() if name.endswith("charging_capacity_ah")]
        if not counters or not view.has(TIME) or not view.has(CURRENT):
            return
        step = view.floats(TIME) - view.floats_before(TIME)
        new_step = view.changed("step_count")
        inside = (step > 0) & ~new_step
        step *= 0.5 / 3600.0
        charge = (view.floats(CURRENT) + view.floats_before(CURRENT)) * step
        doubt = np.abs(view.floats(CURRENT) - view.floats_before(CURRENT)) * step
        inside &= np.abs(charge) < ABSURD
        steps = int(np.count_nonzero(new_step))
        for name in counters:
            flow = np.maximum(-charge if "discharging" in name else charge, 0.0)
            rise = view.floats(name) - view.floats_before(name)
            good = inside & (rise >= 0) & (rise < ABSURD)
            sums = self._sums.setdefault(name, _Sums())
            smallest = np.min(rise, initial=np.inf, where=good & (rise > 0))
            sums.doubt = _add(sums.doubt, np.where(good & (flow > 0), doubt, 0.0))
            sums.counter = _add(sums.counter, np.where(good, rise, 0.0))
            sums.integral = _add(sums.integral, np.where(good, flow, 0.0))
            sums.smallest = min(sums.smallest, float(smallest))
            sums.steps += steps

    def finish(self) -> Iterator[Hit]:
        """Yield one hit per counter that the current does not explain."""
        for name, sums in self._sums.items():
            larger = max(sums.counter, sums.integral)
            granted = sums.doubt + (sums.smallest * sums.steps if np.isfinite(sums.smallest) else 0.0)
            if larger >= self._least and abs(sums.counter - sums.integral) > self._share * larger + granted:
                ratio = sums.counter / sums.integral if sums.integral else float("inf")
                yield Hit("timeseries", name, value=sums.counter, slots={"integral": sums.integral, "ratio": ratio})


@dataclass(slots=True)
class _Sums:
    """One counter in Ah: its rises, the current's integral, the doubt in that, the smallest rise and how many steps."""

    counter: float = 0.0
    integral: float = 0.0
    doubt: float = 0.0
    smallest: float = float("inf")
    steps: int = 0


@fold("power_off_product")
class PowerOffProduct:
    """Power that is not voltage times current, over all rows that carry a load worth judging."""

    def __init__(self, *, share: float, least_watt: float, rows: int = 10) -> None:
        self._share = share
        self._least = least_watt
        self._fewest = rows
        self._rows = 0
        self._power = self._product = 0.0

    def feed(self, view: View) -> None:
        """Add up the magnitudes of both."""
        if not (view.has("power_watt") and view.has(VOLTAGE) and view.has(CURRENT)):
            return
        product = np.abs(view.floats(VOLTAGE) * view.floats(CURRENT))
        power = np.abs(view.floats("power_watt"))
        judged = (product >= self._least) & (product < ABSURD) & (power < ABSURD)
        self._rows += int(np.count_nonzero(judged))
        self._power = _add(self._power, np.where(judged, power, 0.0))
        self._product = _add(self._product, np.where(judged, product, 0.0))

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where the sums differ by more than the share."""
        if self._rows < self._fewest:
            return
        ratio = self._power / self._product
        if abs(ratio - 1) > self._share:
            yield Hit("timeseries", "power_watt", count=self._rows, value=ratio, slots={"ratio": ratio})


@fold("lone_spikes")
class LoneSpikes:
    """Single rows whose value leaps away from both neighbours, which agree with each other: a glitch or a slip of the hand."""

    def __init__(self, *, of: str, leap: float, agree: float) -> None:
        self._column = of
        self._leap = leap
        self._agree = agree
        self._held = np.zeros(0)
        self._count = 0
        self._rows: list[int] = []
        self._value = 0.0

    def feed(self, view: View) -> None:
        """Look at every row that has a neighbour on both sides; the last two rows are held for the next batch."""
        if not view.has(self._column):
            return
        first = view.first - len(self._held)
        values = np.concatenate((self._held, view.floats(self._column)))
        self._held = values[-2:].copy()
        if len(values) < 3:
            return
        before, now, after = values[:-2], values[1:-1], values[2:]
        size = np.maximum(np.abs(before), np.abs(after))
        calm = (size > 0) & (np.abs(before - after) <= self._agree * size)
        spikes = np.flatnonzero(calm & (np.minimum(np.abs(now - before), np.abs(now - after)) > self._leap * size))
        if len(spikes):
            self._value = self._value if self._count else float(now[spikes[0]])
            self._count += len(spikes)
            self._rows += [first + 1 + int(place) for place in spikes[: 5 - len(self._rows)]]

    def finish(self) -> Iterator[Hit]:
        """Yield one hit with the first rows."""
        if self._count:
            yield Hit("timeseries", self._column, self._rows[0], self._count, self._value, self._rows)
