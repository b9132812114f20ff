"""Steps of current in a block of records: where they begin, and voltage and current at the instants after it that standards name."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bdx.derive.pieces import Floats, Mask
from bdx.derive.pulses_series import Block, Places

INSTANTS = (0.1, 2.0, 10.0, 18.0, 30.0)
"""Seconds after the step of current: ISO 12405-4 (0.1, 2, 10, 18), IEC 62660-1 (10), HPPC (10, 30)."""
SHARE = 0.05
"""A step of current is larger than this share of the test's largest current,"""
REST = 0.02
"""leads to a current larger than this share of the step (else it leads to rest),"""
_BREAK = 0.01
"""and lies between records whose current stays within this share of the largest current."""
_SETTLED = 0.05
"""Share of the step by which current may waver before it, and at the instant against the pulse's first record."""
_CLOSE = 0.01
"""Share of an instant within which a record counts as taken at it,"""
_APART = 0.5
"""by which two records may lie apart that voltage is interpolated between,"""
_UNSURE = 0.1
"""and by which the beginning of a pulse may be unknown."""

COLUMNS = (
    *("first_row", "last_row", "time", "pulse", "instant", "before", "current", "voltage_before", "voltage"),
    *("charge", "heat", "cycle", "step"),
)
"""What is kept of one measurement; `charge` is the net charge moved since the start of the test, in Ah."""
REASONS = ("unsure", "sparse", "unsteady")
"""Why an instant of a pulse gives no value: its beginning is unknown, no records lie around it, its current does not hold."""
MOST = 200_000
"""Measurements that are kept of one test; of more than that the first and the last half."""
_LEAPS = 5
"""Records that a step of current may take from one current to the other."""


@dataclass(slots=True)
class Pulse:
    """Steps of current that are being measured, one entry of each array per step."""

    first: Places
    start: Places
    end: Places
    begun: Floats
    unsure: Floats
    facts: Floats
    """Time, current before, voltage before, charge, heat, cycle, step. Shape: (7, steps)."""
    size: Floats
    """Current at the first record of the pulse less that before."""
    lead: Floats
    """Current at the first record of the pulse."""

    def picked(self, which: Mask) -> Pulse:
        """Return some of the steps."""
        return Pulse(*(getattr(self, name)[..., which] for name in self.__slots__))

    def moved(self, rows: int) -> Pulse:
        """Return the steps with their places counted from another record."""
        return Pulse(self.first - rows, self.start - rows, self.end - rows, self.begun, self.unsure, self.facts, self.size, self.lead)


@dataclass(slots=True)
class Search:
    """Finds the steps of a test block by block; `rows` holds measurements as columns, `refused` the sizes of steps without a value."""

    largest: float = 0.0
    rows: list[Floats] = field(default_factory=list)
    refused: dict[str, list[Floats]] = field(default_factory=lambda: {reason: [] for reason in REASONS})
    left_out: int = 0
    _open: Pulse | None = None
    _block: Block | None = None

    def look(self, block: Block, charge: Floats, broken: Mask) -> None:
        """Measure the steps that begin or go on in a block; `charge` is the net charge at each record, `broken` tells a leap of current."""
        breaks = np.append(np.flatnonzero(broken), len(broken))
        found = _found(block, charge, broken, breaks, self.largest)
        if self._open is not None and self._block is not None:
            old = self._open.moved(block.first_row - self._block.first_row)
            old.end[:] = breaks[np.searchsorted(breaks, block.known)] - 1
            self._measure(block, old, seen=block.known - 1)
        self._measure(block, found)
        last = len(broken) - 1
        going = [pulses.picked(pulses.end == last) for pulses in ((old,) if self._open is not None else ()) + (found,)]
        self._open = next((pulses for pulses in going if len(pulses.start)), None)
        self._block = block
        self._prune()

    def finish(self) -> None:
        """Measure what the end of the test leaves open."""
        if self._open is not None and self._block is not None:
            self._measure(self._block, self._open, seen=len(self._block.columns["time"]) - 1, over=True)
        self._open = self._block = None
        self._prune()

    def _measure(self, block: Block, pulses: Pulse, *, seen: int = -1, over: bool = False) -> None:
        """Take voltage and current at every instant that lies in the block, past record `seen`; one beyond it waits with its pulse."""
        if not len(pulses.start):
            return
        time = block.columns["time"]
        for instant in INSTANTS:
            moment = pulses.begun + instant
            here = np.ones(len(moment), np.bool_) if over else (pulses.end < len(time) - 1) | (moment <= time[-1])
            if seen >= 0:
                here &= moment > time[seen]
            if here.any():
                self._instant(block, pulses.picked(here), instant)

    def _instant(self, block: Block, mine: Pulse, instant: float) -> None:
        """Take voltage and current at one instant: from the record at it, else interpolated between the two around it."""
        run, time, current, voltage = block.run, *(block.columns[name] for name in ("time", "current", "voltage"))
        start = np.maximum(mine.start, 0)
        goal = run[start] + (mine.begun + instant - time[start])
        high = np.clip(np.searchsorted(run, goal), start, mine.end)
        low = np.clip(high - 1, start, mine.end)
        above, below = run[high] - goal, goal - run[low]
        exact = np.where(np.abs(above) <= np.abs(below), high, low)
        close = np.minimum(np.abs(above), np.abs(below)) <= _CLOSE * instant
        between = ~close & (above >= 0) & (below >= 0) & (run[high] - run[low] <= _APART * instant)
        ended = mine.begun + instant > time[mine.end]
        if instant == INSTANTS[0]:  # the first record of the pulse stands for "at once" where none lies closer
            own = ~close & ~between & ~ended & (time[start] - mine.begun <= instant) & (time[start] > mine.begun)
            exact, close = np.where(own, start, exact), close | own
        else:
            own = np.zeros_like(close)
        weight = np.where(between, below / np.maximum(run[high] - run[low], 1e-300), 0.0)
        left = np.where(between, low, exact)
        amps = current[left] + weight * (current[high] - current[left])
        volts = voltage[left] + weight * (voltage[high] - voltage[left])
        after = np.where(own, time[left] - mine.begun, instant)
        found = close | between
        steady = np.abs(amps - mine.lead) <= _SETTLED * np.abs(mine.size)
        sure = mine.unsure <= _UNSURE * instant
        for reason, mask in (("sparse", ~found & ~ended), ("unsure", found & ~sure), ("unsteady", found & sure & ~steady)):
            self.refused[reason].append(np.abs(mine.size[mask]))
        good = found & sure & steady & np.isfinite(volts)
        if good.any():
            begun, before, volts_before, *others = mine.facts[:, good]
            first, last = mine.first[good] + block.first_row, np.where(between, high, left)[good] + block.first_row
            values = (begun, after[good], np.full(len(begun), instant), before, amps[good], volts_before, volts[good])
            self.rows.append(np.array([first, last, *values, *others], np.float64))

    def _prune(self) -> None:
        """Drop steps that are small against the largest current seen since (noise before the first pulse gives many)."""
        if self.rows:
            rows = np.concatenate(self.rows, axis=1)
            rows = rows[:, np.abs(rows[6] - rows[5]) > SHARE * self.largest]
            if rows.shape[1] > MOST:
                self.left_out += rows.shape[1] - MOST
                rows = np.concatenate([rows[:, : MOST // 2], rows[:, -MOST // 2 :]], axis=1)
            self.rows = [rows]
        for reason, sizes in self.refused.items():
            joined = np.concatenate(sizes) if sizes else np.empty(0)
            self.refused[reason] = [joined[joined > SHARE * self.largest]]


def broken(block: Block, largest: float) -> Mask:
    """Return where current leaps, is unknown, or time goes back against the record before."""
    current, time = block.columns["current"], block.columns["time"]
    found = np.zeros(len(current), np.bool_)
    with np.errstate(invalid="ignore"):
        found[1:] = ~((np.abs(np.diff(current)) <= _BREAK * largest) & (np.diff(time) >= 0))
    return found


def _found(block: Block, charge: Floats, broken: Mask, breaks: Places, largest: float) -> Pulse:
    """Return the steps whose second record is new in this block."""
    current, voltage = block.columns["current"], block.columns["voltage"]
    leaps = breaks[:-1]
    lone = np.append(True, np.diff(leaps) > 1)[: len(leaps)]
    heads = leaps[np.maximum.accumulate(np.where(lone, np.arange(len(leaps)), 0))] if len(leaps) else leaps
    starts, first = leaps, heads - 1  # the last record in front of the run of leaps that ends at the start
    kept = (starts + 1 >= max(block.known, 1)) & (starts + 1 < len(current)) & (first >= 1) & (starts - first <= _LEAPS)
    starts, first = starts[kept], first[kept]
    size = current[starts] - current[first]
    kept = ~broken[starts + 1] & (np.abs(size) > SHARE * largest) & (np.abs(current[starts]) > REST * np.abs(size))
    kept &= np.isfinite(voltage[first]) & (block.columns["time"][starts] >= block.columns["time"][first])
    kept &= np.abs(current[first] - current[first - 1]) <= _SETTLED * np.abs(size)
    starts, first, size = starts[kept], first[kept], size[kept]
    begun, unsure = _begun(block, first, starts)
    ends = breaks[np.searchsorted(breaks, starts, side="right")] - 1
    facts = [begun, current[first], voltage[first], charge[first], block.heat(first), block.at("cycle", starts), block.at("step", starts)]
    return Pulse(first, starts, ends, begun, unsure, np.array(facts), size, current[starts])


def _begun(block: Block, first: Places, starts: Places) -> tuple[Floats, Floats]:
    """Return when pulses begin and by how many seconds that is unknown.

    The clock of the step tells it; else a new step begins at the last record of the old one, if it is recorded as often from its
    start as afterwards; else the pulse begins somewhere between two records.
    """
    time = block.columns["time"]
    clock = time[starts] - block.at("clock", starts)
    gap = time[starts] - time[first]
    slack = 1e-3 + 1e-3 * gap
    with np.errstate(invalid="ignore"):
        told = (clock >= time[first] - slack) & (clock <= time[starts] + slack)
        step = block.at("step", first + 1) != block.at("step", first)
        step &= np.isfinite(block.at("step", starts)) & (time[first + 1] - time[first] <= 1.5 * (time[starts + 1] - time[starts]) + slack)
    begun = np.where(told, np.clip(clock, time[first], time[starts]), time[first])
    return begun, np.where(told | step, 0.0, gap)
