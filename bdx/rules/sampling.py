"""Judgements over how a test was sampled: records that are missing, and a voltage that hung."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdx.rules.register import Hit, fold
from bdx.rules.view import BOUNDS, CURRENT, TIME, VOLTAGE, Floats, View


@fold("sampling_gap")
class SamplingGap:
    """Lone long intervals of test time amid dense records of one step under steady current.

    `times` is how much longer than both its neighbours, `least_second` how long it must be; where records are numbered and a
    number is missing, another rule speaks.
    """

    KEPT = 64

    def __init__(self, *, times: float, least_second: float, share: float = 0.01) -> None:
        self._times = times
        self._least = least_second
        self._share = share
        self._passed = np.zeros(0)
        self._level = np.zeros(0, dtype=bool)
        self._rows = 0
        self._found: list[tuple[int, float]] = []
        self._count = 0
        self._usual = least_second

    def feed(self, view: View) -> None:
        """Look at every interval that has a neighbour on both sides; the last two rows are held for the next batch."""
        if not (view.has(TIME) and view.has(CURRENT)):
            return
        self._rows += view.rows
        passed = view.delta(TIME)
        if not (passed > self._least).any() and not (self._passed > self._least).any():
            self._hold(passed[-2:], self._steady(view, slice(-2, None)))
            return
        intervals = np.concatenate((self._passed, passed))
        steady = np.concatenate((self._level, self._steady(view, slice(None))))
        first = view.first + view.rows - len(intervals)
        self._hold(intervals[-2:], steady[-2:])
        around = np.maximum(intervals[:-2], intervals[2:])
        lone = (intervals[1:-1] > self._least) & (intervals[1:-1] > self._times * around) & (around > 0)
        lone &= steady[:-2] & steady[1:-1] & steady[2:]
        others = intervals[1:-1][~lone]
        self._usual = float(np.fmax.reduce(others, initial=self._usual))
        for place in np.flatnonzero(lone):
            self._count += 1
            if len(self._found) < self.KEPT:
                self._found.append((first + int(place) + 1, float(intervals[place + 1])))

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where such intervals are few and far longer than all others: many are the way the test was recorded."""
        found = [(row, passed) for row, passed in self._found if passed > 5 * self._usual]
        if found and self._count <= min(self.KEPT, max(1.0, self._share * self._rows)):
            yield Hit("timeseries", TIME, found[0][0], len(found), found[0][1], [row for row, _ in found[:5]])

    def _hold(self, passed: Floats, steady: Any) -> None:
        """Keep the last two rows for the next batch."""
        self._passed = np.concatenate((self._passed, passed))[-2:]
        self._level = np.concatenate((self._level, steady))[-2:]

    @staticmethod
    def _steady(view: View, part: slice) -> Any:
        """Return where a row goes on with the step and the current of the row before, and no record is missing."""
        now, before = view.floats(CURRENT)[part], view.floats_before(CURRENT)[part]
        steady = (np.abs(now - before) <= 0.05 * np.abs(before)) & (np.abs(now) > 1e-6) & ~view.changed(*BOUNDS)[part]
        if view.has("record_index"):
            steady &= ~(view.delta("record_index")[part] > 1)
        return steady


@dataclass(slots=True)
class _Run:
    """Successive rows with one voltage: first row, voltage, smallest and largest current, and how many rows once it is over."""

    row: int = 0
    value: float = 0.0
    low: float = 0.0
    high: float = 0.0
    rows: int = 0

    @property
    def size(self) -> float:
        """Return the larger magnitude of current."""
        return max(abs(self.low), abs(self.high))


@fold("frozen_voltage")
class FrozenVoltage:
    """Voltage that keeps exactly one value over many rows under strong, steady current while it moves elsewhere.

    A hold at constant voltage is none: its current falls. A flat plateau is none either: it has neighbours as long as itself.
    `rows` is the shortest run judged, `times` how much longer than all but `few` others it must be.
    """

    KEPT = 8

    def __init__(self, *, rows: int, times: float, strong: float = 0.05, steady: float = 0.02, few: int = 3) -> None:
        self._fewest = rows
        self._times = times
        self._strong = strong
        self._steady = steady
        self._few = few
        # Shorter runs decide nothing.
        self._short = int(rows / times)
        self._open = _Run()
        self._end = 0
        self._most = 0.0
        self._runs: list[_Run] = []

    def feed(self, view: View) -> None:
        """Note every long run that ends in this batch; the last one stays open."""
        if not (view.has(VOLTAGE) and view.has(CURRENT)):
            return
        current, voltage = view.floats(CURRENT), view.floats(VOLTAGE)
        low, high = view.span(CURRENT)
        self._most = max(self._most, -low, high)
        self._end = view.first + view.rows
        moves = np.flatnonzero(view.delta(VOLTAGE) != 0)
        head = current[: moves[0]] if len(moves) else current
        self._open.low = float(np.fmin.reduce(head, initial=self._open.low))
        self._open.high = float(np.fmax.reduce(head, initial=self._open.high))
        if not len(moves):
            return
        self._close(view.first + int(moves[0]))
        for first, end in self._long(current, moves):
            self._open = self._begun(view, current[first:end], first, voltage)
            self._close(view.first + end)
        last = int(moves[-1])
        self._open = self._begun(view, current[last:], last, voltage)

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where a few runs are far longer than all others."""
        self._close(self._end)
        runs = [run for run in self._runs if run.size >= self._strong * self._most]
        for few in range(1, min(self._few, len(runs)) + 1):
            rest = runs[few].rows if len(runs) > few else self._short
            if runs[few - 1].rows >= max(self._fewest, self._times * rest):
                longest = sorted(runs[:few], key=lambda run: run.row)
                slots: dict[str, object] = {"rows": longest[0].rows, "current": longest[0].high}
                rows = [run.row for run in longest]
                yield Hit("timeseries", VOLTAGE, rows[0], sum(run.rows for run in longest), longest[0].value, rows, slots)
                return

    def _long(self, current: Floats, moves: Any) -> list[tuple[int, int]]:
        """Return first row and end of the longest loaded, steady runs between moves, longer than those known already."""
        lengths = np.diff(moves)
        places = np.flatnonzero(lengths > (self._runs[-1].rows if len(self._runs) == self.KEPT else self._short))
        if not len(places):
            return []
        edges = np.stack([moves[places], moves[places + 1]], axis=1)
        lows, highs = np.fmin.reduceat(current, edges.ravel())[::2], np.fmax.reduceat(current, edges.ravel())[::2]
        size = np.maximum(np.abs(lows), np.abs(highs))
        judged = np.flatnonzero((size > 0) & (highs - lows <= self._steady * size))
        judged = judged[np.argsort(-lengths[places[judged]], kind="stable")][: self.KEPT]
        return [(int(first), int(end)) for first, end in edges[judged]]

    def _begun(self, view: View, current: Floats, row: int, voltage: Floats) -> _Run:
        return _Run(view.first + row, float(voltage[row]), float(np.fmin.reduce(current)), float(np.fmax.reduce(current)))

    def _close(self, end: int) -> None:
        """Keep the open run where it is long, loaded and steady."""
        run = self._open
        run.rows = end - run.row
        if run.rows > self._short and run.size > 0 and run.high - run.low <= self._steady * run.size:
            self._runs = sorted([*self._runs, run], key=lambda run: (-run.rows, run.row))[: self.KEPT]
