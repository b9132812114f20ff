"""State of charge at steps of current: net charge since the battery was full, over that of a full discharge of the same test."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bdx.derive.pieces import Floats, Mask
from bdx.derive.pulses_series import Block, Places

Ways = npt.NDArray[np.int8]

_FLOW = 0.005
"""Share of the largest current above which a record counts as charge or discharge."""
_LONG_S = 60.0
"""A charge or discharge that ends at a limit of voltage lasts at least this long: a pulse is none."""
_FULL = 0.99
"""Share of the highest voltage a charge ended at from which on a battery counts as full when charging ends,"""
_EMPTY = 1.02
"""and multiple of the lowest voltage a discharge ended at up to which it counts as empty when discharging ends;"""
_BEYOND = 0.03
"""no pulse went further beyond these voltages than this share of them, else they were no limits."""
_CHARGED, _DISCHARGED = 0.6, 1.2
"""Current at the end of a full charge and of a full discharge, at most, over the largest charge between two such ends, per hour."""
_BACK = 0.1
"""Share of its charge that may have gone back in during a full discharge."""
_BOUNDS = (-5.0, 105.0)
"""State of charge (percent) beyond these is not known."""


@dataclass(slots=True)
class Charge:
    """Net charge along a test, and the places where the battery was full or empty."""

    net: float = 0.0
    high: float = -np.inf
    low: float = np.inf
    ends: list[Floats] = field(default_factory=list)
    """Ends of long charges and discharges: way, row, net charge, voltage, charge put in so far, current. Shape of each: (6, ends)."""
    _put: float = 0.0
    _run: float = 0.0
    _way: int = 0
    _since: float = 0.0

    def follow(self, block: Block, broken: Mask, largest: float) -> Floats:
        """Return the net charge (Ah) at each record of a block; those of the block before that stand in front have that of then."""
        current, voltage = block.columns["current"], block.columns["voltage"]
        flow = current if np.isfinite(current.sum()) else np.nan_to_num(current)
        moved = flow.copy()
        moved[1:] += flow[:-1]
        jumps = np.flatnonzero(broken)
        moved[jumps] = 2 * flow[jumps]  # the record after a leap tells the current since the leap
        moved *= block.seconds
        moved /= 7200.0
        net = np.cumsum(moved)
        place = max(block.known - 1, 0)
        net += self.net - net[place]
        self.net = float(net[-1])
        least = _FLOW * largest
        way = (flow > least).astype(np.int8) - (flow < -least)
        self._limits(voltage, way)
        turns = np.flatnonzero(way[1:] != way[:-1]) + 1
        self._end(block, way, net, turns[turns >= max(block.known, 1)])
        return net

    def _limits(self, voltage: Floats, way: Ways) -> None:
        """Widen the range of voltage under current."""
        self.high = float(np.fmax.reduce(voltage, where=way > 0, initial=self.high))
        self.low = float(np.fmin.reduce(voltage, where=way < 0, initial=self.low))

    def _end(self, block: Block, way: Ways, net: Floats, turns: Places) -> None:
        """Note the charges and discharges that end in a block near the limits of voltage so far."""
        place = max(block.known - 1, 0)
        run = block.run + (self._run - block.run[place])
        if way[place] != self._way:
            self._way, self._since = int(way[place]), float(run[place])
        bounds = np.append(place, turns - 1)
        put = self._put + np.append(0.0, np.cumsum(np.maximum(np.diff(net[bounds]), 0.0)))
        self._put, self._run = float(put[-1] + max(net[-1] - net[bounds[-1]], 0.0)), float(run[-1])
        since, last = np.append(self._since, run[turns - 1]), turns - 1
        long = (run[last] - since[:-1] >= _LONG_S) & (way[last] != 0)
        self._way, self._since = int(way[-1]), float(since[-1])
        if long.any():
            voltage, current = (block.columns[name][last] for name in ("voltage", "current"))
            found = np.array([way[last], last + float(block.first_row), net[last], voltage, put[1:], np.abs(current)])[:, long]
            self.ends = [self._near(np.concatenate([*self.ends, found], axis=1))]

    def _near(self, ends: Floats) -> Floats:
        """Return the ends near the limits so far."""
        way, voltage = ends[0], ends[3]
        high = np.fmax.reduce(voltage, where=way > 0, initial=-np.inf)
        low = np.fmin.reduce(voltage, where=way < 0, initial=np.inf)
        full = (way > 0) & (voltage >= max(_FULL * high, (1 - _BEYOND) * self.high))
        empty = (way < 0) & (voltage <= min(_EMPTY * low, (1 + _BEYOND) * self.low))
        return ends[:, full | empty]

    def finish(self, block: Block | None) -> None:
        """Count the end of the test as the end of what goes on there."""
        if block is None or not self._way or self._run - self._since < _LONG_S:
            return
        voltage, current = block.columns["voltage"], block.columns["current"]
        last = block.first_row + len(voltage) - 1.0
        end = np.array([[self._way], [last], [self.net], [voltage[-1]], [self._put], [abs(current[-1])]])
        self.ends = [self._near(np.concatenate([*self.ends, end], axis=1))]

    def states(self, rows: Floats, charge: Floats) -> Floats:
        """Return the state of charge in percent at some rows, NaN where no full charge or no full discharge tells it."""
        unknown = np.full(len(rows), np.nan)
        if not self.ends:
            return unknown
        way, row, net, _, put, current = self.ends[0]
        most = float(np.ptp(net)) if len(net) else 0.0
        full, empty = np.flatnonzero((way > 0) & (current <= _CHARGED * most)), np.flatnonzero((way < 0) & (current <= _DISCHARGED * most))
        before = np.searchsorted(full, empty) - 1  # the full charge each full discharge began at
        swings, begins = empty[before >= 0], full[before[before >= 0]]
        straight = put[swings] - put[begins] <= _BACK * (net[begins] - net[swings])
        swings, begins = swings[straight], begins[straight]
        if not len(swings):
            return unknown
        capacity = net[begins] - net[swings]
        # Of the full discharges: the one under way, else the one completed last, else the first one.
        last_full = np.searchsorted(row[full], rows, side="right") - 1
        next_swing = np.minimum(np.searchsorted(row[swings], rows), len(swings) - 1)
        own = (last_full >= 0) & (begins[next_swing] == full[np.maximum(last_full, 0)])
        chosen = np.where(own, next_swing, np.maximum(np.searchsorted(row[swings], rows, side="right") - 1, 0))
        last_empty = np.searchsorted(row[empty], rows, side="right") - 1
        from_full = capacity[chosen] - (net[full[np.maximum(last_full, 0)]] - charge)
        from_empty = charge - (net[empty[np.maximum(last_empty, 0)]] if len(empty) else 0.0)
        left = np.where(last_full >= 0, from_full, np.where(last_empty >= 0, from_empty, np.nan))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(capacity[chosen] > 0, left / capacity[chosen] * 100.0, np.nan)
        return np.where((share >= _BOUNDS[0]) & (share <= _BOUNDS[1]), share, np.nan)
