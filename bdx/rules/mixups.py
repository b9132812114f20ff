"""Judgements over columns of a test that do not belong together: exchanged, a row late, or against the name of the step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.rules.folds import STEP, StepWords
from bdx.rules.register import Hit, fold
from bdx.rules.view import CURRENT, VOLTAGE, Floats, View, settled


@fold("current_at_rest")
class CurrentAtRest:
    """Steps named rest or pause that carry a current throughout; the first record of a step may still show the one before."""

    KEPT = 64

    def __init__(self, *, rest: str, share: float, least_ampere: float, rows: int = 4) -> None:
        self._rest = re.compile(rest, re.IGNORECASE)
        self._share = share
        self._least = least_ampere
        self._fewest = rows
        self._most = 0.0
        self._open = ("", 0, 0.0)
        self._end = 0
        self._found: list[tuple[float, int, str]] = []

    def feed(self, view: View) -> None:
        """Note every rest that ends in this batch; the last one stays open."""
        if not (view.has("step_type") and view.has(CURRENT)):
            return
        low, high = view.span(CURRENT)
        self._most = max(self._most, -low, high)
        self._end = view.first + view.rows
        starts = view.starts(*STEP)
        coded = view.array("step_type").take(pa.array(starts)).dictionary_encode()
        names = [word or "" for word in coded.dictionary.to_pylist()]
        known = pa.array([bool(self._rest.search(word)) for word in names], pa.bool_())
        rests = np.flatnonzero(known.take(coded.indices).fill_null(fill_value=False).to_numpy(zero_copy_only=False))
        size = np.abs(view.floats(CURRENT)) if len(rests) or self._open[0] else np.zeros(0)
        word, row, amount = self._open
        if word:
            head = int(starts[0]) if len(starts) else view.rows
            self._open = (word, row, amount + float(np.nansum(size[:head])))
        if len(starts):
            self._close(view.first + int(starts[0]))
        for place in rests.tolist():
            begin, end = int(starts[place]), int(starts[place + 1]) if place + 1 < len(starts) else view.rows
            self._open = (names[coded.indices[place].as_py()], view.first + begin, float(np.nansum(size[begin + 1 : end])))
            if place + 1 < len(starts):
                self._close(view.first + end)

    def finish(self) -> Iterator[Hit]:
        """Yield one hit for all rests that carry more than a share of the largest current."""
        self._close(self._end)
        bad = sorted((row, word) for mean, row, word in self._found if mean > max(self._least, self._share * self._most))
        if bad:
            slots: dict[str, object] = {"state": bad[0][1]}
            yield Hit("timeseries", CURRENT, bad[0][0], len(bad), bad[0][1], [row for row, _ in bad[:5]], slots)

    def _close(self, end: int) -> None:
        """Keep the open rest where its current is among the largest."""
        word, row, amount = self._open
        self._open = ("", 0, 0.0)
        if word and end - row >= self._fewest and amount > 0:
            self._found = sorted([*self._found, (settled(amount) / (end - row - 1), row, word)], reverse=True)[: self.KEPT]


@fold("voltage_like_current")
class VoltageLikeCurrent:
    """A voltage that is exactly zero at rest and leaps from there to both signs, while the current at rest is large, if there is one."""

    KEPT = 64

    def __init__(self, *, leap: float, leaps: int, share: float) -> None:
        self._leap = leap
        self._fewest = leaps
        self._share = share
        self._rows = self._zeros = 0
        self._low, self._high = np.inf, -np.inf
        self._leaps: list[tuple[int, float]] = []
        self._most = self._at_zero = 0.0
        self._beside = False

    def feed(self, view: View) -> None:
        """Note the leaps from zero of a batch that is not positive throughout."""
        if not view.has(VOLTAGE):
            return
        low, high = view.span(VOLTAGE)
        self._low, self._high = min(self._low, low), max(self._high, high)
        if view.has(CURRENT):
            least, most = view.span(CURRENT)
            self._most, self._beside = max(self._most, -least, most), True
        self._rows += view.rows
        before = float(view.floats_before(VOLTAGE)[0])
        if low > 0 and before != 0:
            return
        now, earlier = view.floats(VOLTAGE), view.floats_before(VOLTAGE)
        zero = now == 0
        self._zeros += int(np.count_nonzero(zero))
        if self._beside and view.has(CURRENT):
            self._at_zero += float(np.nansum(np.abs(view.floats(CURRENT)[zero])))
        for row in np.flatnonzero((earlier == 0) & (now != 0) & np.isfinite(now))[: self.KEPT - len(self._leaps)]:
            self._leaps.append((view.first + int(row), float(now[row])))

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where that holds."""
        size = max(-self._low, self._high)
        both = min(-self._low, self._high) > 0.1 * size
        leaps = [(row, value) for row, value in self._leaps if abs(value) > self._leap * size]
        signs = {value > 0 for _, value in leaps}
        large = not self._beside or settled(self._at_zero) > 0.5 * self._most * self._zeros
        if both and large and len(leaps) >= self._fewest and len(signs) == 2 and self._zeros > self._share * self._rows:
            rows = [row for row, _ in leaps]
            yield Hit("timeseries", VOLTAGE, rows[0], len(rows), leaps[0][1], rows[:5])


@fold("row_late")
class RowLate:
    """Leaps of current that the voltage answers one row before, or only one row after: a column slipped by a row.

    Both are sampled at one time, so a resistance shows in the same row. Every leap whose voltage moves by `least_volt` votes.
    """

    def __init__(self, *, share: float, times: float, least_volt: float, leaps: int = 6) -> None:
        self._share = share
        self._times = times
        self._least = least_volt
        self._fewest = leaps
        self._held = (np.nan, np.nan, 0.0)
        self._votes = {"current": 0.0, "voltage": 0.0, "none": 0.0}
        self._count = {"current": 0, "voltage": 0, "none": 0}
        self._examples: dict[str, list[int]] = {"current": [], "voltage": [], "none": []}

    def feed(self, view: View) -> None:
        """Count the votes of a batch; a leap in its last row waits for the row after it."""
        if not (view.has(VOLTAGE) and view.has(CURRENT)):
            return
        current, move, answer = view.floats(CURRENT), view.delta(CURRENT), view.delta(VOLTAGE)
        places = np.flatnonzero(np.abs(move) > 0.5 * np.abs(current))
        places = places[np.abs(move[places]) > 0.5 * np.abs(current[places] - move[places])]
        last, earlier, waiting = self._held
        if waiting:
            self._vote(np.array([view.first - 1]), np.array([waiting]), *(np.array([value]) for value in (earlier, last, answer[0])))
        ends = float(abs(move[-1])) if len(places) and int(places[-1]) == view.rows - 1 else 0.0
        inner = places[:-1] if ends else places
        if len(inner):
            before = np.where(inner > 0, answer[inner - 1], last)
            self._vote(view.first + inner, np.abs(move[inner]), before, answer[inner], answer[inner + 1])
        self._held = (float(answer[-1]), float(answer[-2]) if view.rows > 1 else last, ends)

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where nearly all leaps, by their size, say so."""
        votes = {name: settled(size) for name, size in self._votes.items()}
        for late, column in (("current", CURRENT), ("voltage", VOLTAGE)):
            if self._count[late] >= self._fewest and votes[late] >= self._share * sum(votes.values()):
                rows = self._examples[late]
                slots: dict[str, object] = {"late": late, "early": "voltage" if late == "current" else "current"}
                yield Hit("timeseries", column, rows[0], self._count[late], "", rows, slots)

    def _vote(self, rows: Any, sizes: Floats, before: Floats, now: Floats, after: Floats) -> None:
        first, same, next_ = (np.nan_to_num(np.abs(values)) for values in (before, now, after))
        current = first > self._times * np.maximum(same, next_)
        voltage = next_ > self._times * np.maximum(first, same)
        judged = np.maximum(np.maximum(first, same), next_) >= self._least
        for late, mask in (("current", current), ("voltage", voltage), ("none", ~(current | voltage))):
            found = np.flatnonzero(mask & judged)
            self._votes[late] += float(sizes[found].sum())
            self._count[late] += len(found)
            self._examples[late] += [int(row) for row in rows[found[: 5 - len(self._examples[late])]]]


@fold("erratic_voltage")
class ErraticVoltage:
    """Voltage that leaps up and down from row to row under a current that stays."""

    def __init__(self, *, leap: float, rows: int, least_volt: float, steady: float = 0.05) -> None:
        self._leap = leap
        self._fewest = rows
        self._least = least_volt
        self._steady = steady
        self._last = 0.0
        self._count = 0
        self._examples: list[int] = []

    def feed(self, view: View) -> None:
        """Count the rows at which the voltage leaps one way after it leapt the other way in the row before."""
        if not (view.has(VOLTAGE) and view.has(CURRENT)):
            return
        voltage, move = view.floats(VOLTAGE), view.delta(VOLTAGE)
        places = np.flatnonzero(np.abs(move) > self._leap * np.abs(voltage))
        leaps = self._steady_leaps(view, places, voltage, move)
        last, self._last = self._last, float(move[-1]) if len(leaps) and leaps[-1] == view.rows - 1 else 0.0
        if not len(leaps):
            return
        before = np.where(np.diff(leaps, prepend=-2) == 1, move[leaps - 1], 0.0)
        if leaps[0] == 0:
            before[0] = last
        turned = leaps[before * move[leaps] < 0]
        self._count += len(turned)
        self._examples += [view.first + int(row) for row in turned[: 5 - len(self._examples)]]

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where there are many."""
        if self._count >= self._fewest:
            yield Hit("timeseries", VOLTAGE, self._examples[0], self._count, "", self._examples)

    def _steady_leaps(self, view: View, places: Any, voltage: Floats, move: Floats) -> Any:
        """Return the rows of leaps worth judging: of a cell's voltage, under a current that is that of the row before."""
        if not len(places):
            return places
        current, change = view.floats(CURRENT)[places], view.delta(CURRENT)[places]
        steady = (np.abs(change) <= self._steady * np.abs(current)) & (current != 0)
        return places[steady & (np.abs(voltage[places]) + np.abs(move[places]) >= self._least)]


@fold("state_against_voltage")
class StateAgainstVoltage:
    """Steps named charge over which the voltage falls, or named discharge over which it rises, where most steps are like that."""

    def __init__(self, *, charge: str, discharge: str, move: float, share: float, rows: int = 10, steps: int = 2) -> None:
        self._words = StepWords(charge, discharge)
        self._move = move
        self._share = share
        self._fewest = rows
        self._steps = steps
        self._open = (0, 0, 0.0, "")
        self._last = (0, 0.0)
        self._judged = self._count = 0
        self._examples: list[tuple[int, float, str]] = []

    def feed(self, view: View) -> None:
        """Judge every step that ends in this batch; the last one stays open."""
        if not (view.has("step_type") and view.has(VOLTAGE)):
            return
        starts, voltage = view.starts(*STEP), view.floats(VOLTAGE)
        self._last = (view.first + view.rows, float(voltage[-1]))
        if not len(starts):
            return
        words = view.array("step_type").take(pa.array(starts)).to_pylist()
        ends = view.floats_before(VOLTAGE)[starts]
        for place, start in enumerate(starts.tolist()):
            self._close(view.first + start, float(ends[place]))
            self._open = (self._words.direction(words[place]), view.first + start, float(voltage[start]), words[place] or "")

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where most steps that moved the voltage moved it the wrong way."""
        self._close(*self._last)
        if self._count >= self._steps and self._count >= self._share * self._judged:
            row, value, word = self._examples[0]
            yield Hit("timeseries", VOLTAGE, row, self._count, value, [item[0] for item in self._examples], {"state": word})

    def _close(self, end: int, voltage: float) -> None:
        """Judge the open step by the voltage it ends with."""
        way, row, begin, word = self._open
        moved = voltage - begin
        if not way or end - row < self._fewest or not abs(moved) > self._move * max(abs(begin), abs(voltage)):
            return
        self._judged += 1
        if way * moved < 0:
            self._count += 1
            if len(self._examples) < 5:
                self._examples.append((row, begin, word))
