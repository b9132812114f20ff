"""Judgements over impedance spectra: frequencies, the parts of impedance against each other, and signs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.rules.checks import Mask
from bdx.rules.register import Hit, check, fold
from bdx.rules.view import Floats, View

FREQUENCY = "frequency_hertz"
REAL = "real_impedance_ohm"
IMAGINARY = "imaginary_impedance_ohm"
SIZE = "absolute_impedance_ohm"
PHASE = "phase_degree"


def _measured(view: View) -> Any:
    """Return where a row holds an impedance; instruments fill other rows with zeros."""
    known = np.zeros(view.rows, dtype=bool)
    for name in (REAL, IMAGINARY, SIZE):
        if view.has(name):
            values = view.floats(name)
            known |= np.isfinite(values) & (values != 0)
    return known


@dataclass(slots=True)
class _Count:
    """Rows that are wrong among those judged, and the first of them."""

    judged: int = 0
    wrong: int = 0
    value: float = 0.0
    examples: list[int] = field(default_factory=list)

    def add(self, view: View, judged: Any, wrong: Any, values: Floats) -> None:
        """Add one batch."""
        self.judged += int(np.count_nonzero(judged))
        rows = np.flatnonzero(wrong)
        if len(rows):
            self.value = self.value if self.wrong else float(values[rows[0]])
            self.wrong += len(rows)
            self.examples += [view.first + int(row) for row in rows[: 5 - len(self.examples)]]

    def often(self, fewest: int, share: float) -> bool:
        """Say whether enough rows were judged and more than a share of them is wrong."""
        return self.judged >= fewest and self.wrong > share * self.judged

    def hit(self, column: str) -> Hit:
        """Return what is to be said about a column."""
        return Hit("timeseries", column, self.examples[0], self.wrong, self.value, self.examples)


@check("no_frequency")
def no_frequency(now: pa.Array, view: View) -> Mask:
    """Return where an impedance stands beside a frequency of zero."""
    bad = _measured(view) & (view.floats(FREQUENCY) == 0)
    return pa.array(bad) if bad.any() else None


@check("off_size")
def off_size(now: pa.Array, real: pa.Array, imaginary: pa.Array, view: View, *, share: float) -> Mask:
    """Return where the magnitude of an impedance is not the root of the sum of squares of its parts."""
    size, expected = view.floats(SIZE), np.hypot(view.floats(REAL), view.floats(IMAGINARY))
    bad = (expected > 0) & (np.abs(size - expected) > share * np.maximum(expected, np.abs(size)))
    return pa.array(bad) if bad.any() else None


@fold("off_phase")
class OffPhase:
    """Phase that is not the angle of the parts of the impedance, in degrees; `radians` judges phase that is it in radians."""

    def __init__(self, *, degrees: float, share: float, radians: bool, rows: int = 5) -> None:
        self._degrees = degrees
        self._share = share
        self._radians = radians
        self._fewest = rows
        self._off = _Count()
        self._as_radians = _Count()

    def feed(self, view: View) -> None:
        """Compare every row that has all three."""
        if not all(view.has(name) for name in (PHASE, REAL, IMAGINARY)):
            return
        phase = view.floats(PHASE)
        angle = np.degrees(np.arctan2(view.floats(IMAGINARY), view.floats(REAL)))
        # Near zero both readings agree.
        judged = _measured(view) & np.isfinite(phase) & (np.abs(angle) > 2 * self._degrees)
        self._off.add(view, judged, judged & (_turn(phase, angle) > self._degrees), phase)
        self._as_radians.add(view, judged, judged & (_turn(np.degrees(phase), angle) <= self._degrees), phase)

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where that holds for more than a share of the rows."""
        radians = self._as_radians
        if self._off.often(self._fewest, self._share) and (radians.wrong > 0.9 * radians.judged) == self._radians:
            yield self._off.hit(PHASE)


def _turn(left: Floats, right: Floats) -> Floats:
    """Return the angle between two directions in degrees."""
    apart: Floats = np.abs((left - right + 180.0) % 360.0 - 180.0)
    return apart


@fold("always_negative")
class AlwaysNegative:
    """A real part of the impedance that is negative nearly everywhere."""

    def __init__(self, *, share: float, rows: int = 5) -> None:
        self._share = share
        self._fewest = rows
        self._rows = _Count()

    def feed(self, view: View) -> None:
        """Count rows by sign."""
        if view.has(REAL):
            real = view.floats(REAL)
            self._rows.add(view, np.isfinite(real) & (real != 0), real < 0, real)

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where that holds for more than a share of the rows."""
        if self._rows.often(self._fewest, self._share):
            yield self._rows.hit(REAL)


@fold("always_inductive")
class AlwaysInductive:
    """An imaginary part that is positive at nearly all frequencies at which every cell is capacitive."""

    def __init__(self, *, share: float, below: float, rows: int = 5) -> None:
        self._share = share
        self._below = below
        self._fewest = rows
        self._rows = _Count()

    def feed(self, view: View) -> None:
        """Count rows at low frequency by sign."""
        if view.has(IMAGINARY) and view.has(FREQUENCY):
            frequency, imaginary = view.floats(FREQUENCY), view.floats(IMAGINARY)
            low = (frequency > 0) & (frequency < self._below) & np.isfinite(imaginary) & (imaginary != 0)
            self._rows.add(view, low, low & (imaginary > 0), imaginary)

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where that holds for more than a share of the rows."""
        if self._rows.often(self._fewest, self._share):
            yield self._rows.hit(IMAGINARY)


@fold("sweep_turns")
class SweepTurns:
    """Frequencies that run one way but for a few rows: a row out of place, or with `repeats` the same frequency twice.

    A new sweep begins where the frequency leaps by a factor of `leap` or more.
    """

    def __init__(self, *, repeats: bool, share: float = 0.2, leap: float = 10.0, rows: int = 8) -> None:
        self._repeats = repeats
        self._share = share
        self._leap = np.log10(leap)
        self._fewest = rows
        self._last = np.nan
        self._falls, self._rises, self._stays = _Count(), _Count(), _Count()

    def feed(self, view: View) -> None:
        """Count rows by where the frequency goes."""
        if not view.has(FREQUENCY):
            return
        rows = np.flatnonzero(_measured(view) & (view.floats(FREQUENCY) > 0))
        if not len(rows):
            return
        frequency = view.floats(FREQUENCY)
        level = np.log10(frequency[rows])
        steps = np.full(view.rows, np.nan)
        steps[rows] = np.diff(level, prepend=self._last)
        self._last = float(level[-1])
        steps[np.abs(steps) >= self._leap] = np.nan
        known = np.isfinite(steps)
        for count, wrong in ((self._falls, steps < 0), (self._rises, steps > 0), (self._stays, steps == 0)):
            count.add(view, known, wrong, frequency)

    def finish(self) -> Iterator[Hit]:
        """Yield a hit for the few rows that do not go the way of the others."""
        few, many = sorted((self._falls, self._rises), key=lambda count: count.wrong)
        found = self._stays if self._repeats else few
        if many.wrong >= self._fewest and 0 < found.wrong <= self._share * many.wrong:
            yield found.hit(FREQUENCY)


@fold("sweep_again")
class SweepAgain:
    """Runs of rows that repeat earlier rows of impedance in every digit; the first `most` rows of a source are remembered."""

    def __init__(self, *, rows: int, most: int = 1 << 16) -> None:
        self._fewest = rows
        self._most = most
        self._seen: dict[tuple[float, float, float], int] = {}
        self._run: list[int] = []
        self._count = 0
        self._examples: list[int] = []

    def feed(self, view: View) -> None:
        """Look every row up among those before."""
        if not all(view.has(name) for name in (FREQUENCY, REAL, IMAGINARY)):
            return
        places = np.flatnonzero(_measured(view) & (view.floats(FREQUENCY) > 0))
        columns = [view.floats(name)[places].tolist() for name in (FREQUENCY, REAL, IMAGINARY)]
        for place, *key in zip(places.tolist(), *columns, strict=True):
            self._look(view.first + place, (key[0], key[1], key[2]))

    def finish(self) -> Iterator[Hit]:
        """Yield one hit for all runs that are long enough."""
        self._close()
        if self._count:
            yield Hit("timeseries", FREQUENCY, self._examples[0], self._count, "", self._examples)

    def _look(self, row: int, key: tuple[float, float, float]) -> None:
        earlier = self._seen.get(key)
        if earlier is None:
            self._close()
            if len(self._seen) < self._most:
                self._seen[key] = row
        elif not self._run or row - self._run[0] == len(self._run):
            self._run.append(row)
        else:
            self._close()
            self._run = [row]

    def _close(self) -> None:
        """Count the open run where it is long enough."""
        if len(self._run) >= self._fewest:
            self._count += len(self._run)
            self._examples = [*self._examples, *self._run][:5]
        self._run = []
