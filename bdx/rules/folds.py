"""Judgements over a whole test in constant memory: feed batches, then ask what the test as a whole does wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.rules.register import Hit, fold
from bdx.rules.view import ABSURD, CURRENT, VOLTAGE, Floats, View, settled

STEP = ("step_count", "cycle_count", "step_type")


class StepWords:
    """What the name of a step says of the direction of its current, by two regular expressions."""

    def __init__(self, charge: str, discharge: str) -> None:
        self._charge = re.compile(charge, re.IGNORECASE)
        self._discharge = re.compile(discharge, re.IGNORECASE)
        self._known: dict[str, int] = {}

    def direction(self, word: str | None) -> int:
        """Return 1 for a word that says charge, -1 for discharge, 0 for neither or both."""
        if not word:
            return 0
        if word not in self._known and len(self._known) < 1024:
            rest, discharges = self._discharge.subn(" ", word)
            charges = bool(self._charge.search(rest))
            self._known[word] = 0 if charges and discharges else int(charges) - int(bool(discharges))
        return self._known.get(word, 0)


@fold("sign_against_state")
class SignAgainstState:
    """Steps named charge whose current is negative throughout, or named discharge with positive current.

    A step is a run of rows with one step type and counter. It is judged where it has at least `rows` rows and
    nearly all its current has the wrong sign, so noise around zero and the first sample of a new step do not count.
    """

    def __init__(self, *, charge: str, discharge: str, rows: int = 3, share: float = 0.9) -> None:
        self._words = StepWords(charge, discharge)
        self._least = rows
        self._share = share
        self._open: tuple[str | None, int, float, float] = ("", 0, 0.0, 0.0)
        self._end = 0
        self._count = 0
        self._rows: list[int] = []
        self._state = ""

    def feed(self, view: View) -> None:
        """Judge every step that ends in this batch; the last one stays open."""
        if not view.has("step_type") or not view.has(CURRENT):
            return
        current = view.floats(CURRENT)
        size = np.abs(current)
        if not size.max() < ABSURD:
            current, size = (np.where(size < ABSURD, values, 0.0) for values in (current, size))
        starts = view.starts(*STEP)
        edges = starts if len(starts) and not starts[0] else np.concatenate(([0], starts))
        signed, total = np.add.reduceat(current, edges), np.add.reduceat(size, edges)
        word, row, base, base_total = self._open
        if len(edges) > len(starts):
            # The first stretch goes on with the open step.
            signed[0] += base
            total[0] += base_total
        else:
            signed, total = np.concatenate(([base], signed)), np.concatenate(([base_total], total))
        words = [word, *view.array("step_type").take(pa.array(starts)).to_pylist()]
        rows = np.concatenate(([row], starts + view.first))
        self._judge(words, rows, signed[:-1], total[:-1])
        self._open = (words[-1], int(rows[-1]), float(signed[-1]), float(total[-1]))
        self._end = view.first + view.rows

    def finish(self) -> Iterator[Hit]:
        """Yield one hit for all steps of the wrong sign."""
        word, row, base, base_total = self._open
        self._judge([word, ""], np.array([row, self._end]), np.array([base]), np.array([base_total]))
        if self._count:
            yield Hit("timeseries", CURRENT, self._rows[0], self._count, self._state, self._rows, {"state": self._state})

    def _judge(self, words: list[str | None], rows: Any, signed: Floats, amount: Floats) -> None:
        """Judge the steps between consecutive first rows: the sums of their current and of its magnitude."""
        known = {word: self._words.direction(word) for word in set(words)}
        expected = np.array([known[word] for word in words[:-1]])
        wrong = (np.diff(rows) >= self._least) & (amount > 0) & (-expected * signed > self._share * amount)
        for place in np.flatnonzero(wrong):
            self._count += 1
            if len(self._rows) < 5:
                self._state = self._state or words[place] or ""
                self._rows.append(int(rows[place]))


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
        self._power += float(power[judged].sum())
        self._product += float(product[judged].sum())

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where the sums differ by more than the share."""
        if self._rows < self._fewest:
            return
        ratio = settled(settled(self._power) / settled(self._product))
        if abs(ratio - 1) > self._share:
            yield Hit("timeseries", "power_watt", count=self._rows, value=ratio, slots={"ratio": ratio})


@fold("lone_spikes")
class LoneSpikes:
    """Single rows whose value leaps away from both neighbours, which agree with each other: a glitch or a slip of the hand.

    `leap` is how far, as a share of the larger neighbour; neighbours smaller than `least` need a leap of their whole size. A leap of
    nearly the whole size always counts; a smaller one only while `steady` stays as it is. Where `deaf` is given, that column must not
    move by more than `share`.
    """

    def __init__(
        self, *, of: str, leap: float, agree: float, least: float = 0.0, steady: str = "", deaf: str = "", share: float = 0.2
    ) -> None:
        self._column = of
        self._leap = leap
        self._agree = agree
        self._least = least
        self._beside = steady or deaf
        self._always = 0.9 if steady else np.inf
        self._share = share
        self._waiting: tuple[int, Floats, Floats] | None = None
        self._count = 0
        self._rows: list[int] = []
        self._value = 0.0

    def feed(self, view: View) -> None:
        """Look at every row that leaps; one at the last row waits for the row after it."""
        if not view.has(self._column):
            return
        if self._waiting is not None:
            row, values, beside = self._waiting
            fresh = view.fresh()[0]
            after = np.nan if fresh else float(view.floats(self._column)[0])
            other = float(view.floats(self._beside)[0]) if view.has(self._beside) else 0.0
            self._judge(np.array([row]), np.append(values, [[after]], axis=0), np.append(beside, [[other]], axis=0))
            self._waiting = None
        low, high = view.span(self._column)
        before, move = view.floats_before(self._column), view.delta(self._column)
        if low > 0 and high - low <= self._leap * low and not abs(move[0]) > self._leap * abs(before[0]):
            # No value is far enough from any other.
            return
        places = np.flatnonzero(np.abs(move) > self._leap * np.abs(before))
        if not len(places):
            return
        values = np.stack([before[places], view.floats(self._column)[places]])
        beside = self._others(view, places)
        if places[-1] == view.rows - 1:
            self._waiting = (view.first + int(places[-1]), values[:, -1:], beside[:, -1:])
            places, values, beside = places[:-1], values[:, :-1], beside[:, :-1]
        after = values[1] + move[places + 1]
        last = view.floats(self._beside)[places + 1] if view.has(self._beside) else np.zeros(len(places))
        self._judge(view.first + places, np.vstack((values, after)), np.vstack((beside, last)))

    def finish(self) -> Iterator[Hit]:
        """Yield one hit with the first rows."""
        if self._count:
            yield Hit("timeseries", self._column, self._rows[0], self._count, self._value, self._rows)

    def _others(self, view: View, places: Any) -> Floats:
        """Return the column beside in the rows before the places, and in them; zeros where it is missing."""
        if not view.has(self._beside):
            return np.zeros((2, len(places)))
        return np.stack([view.floats_before(self._beside)[places], view.floats(self._beside)[places]])

    def _judge(self, rows: Any, values: Floats, beside: Floats) -> None:
        """Count the spikes among rows, given before, now and after of both columns."""
        before, now, after = values
        size = np.maximum(np.abs(before), np.abs(after))
        leap = np.minimum(np.abs(now - before), np.abs(now - after))
        calm = (size > 0) & (np.abs(before - after) <= self._agree * size) & np.isfinite(now)
        far = leap > np.where(size >= self._least, self._leap, max(1.0, self._leap)) * size
        largest = np.abs(beside).max(axis=0, initial=0.0)
        stays = np.abs(np.diff(beside, axis=0)).max(axis=0, initial=0.0) <= self._share * largest
        spikes = np.flatnonzero(calm & far & (stays | (leap > self._always * size)))
        if len(spikes):
            self._value = self._value if self._count else float(now[spikes[0]])
            self._count += len(spikes)
            self._rows += [int(row) for row in rows[spikes[: 5 - len(self._rows)]]]
