"""Cumulative and net counters against the charge and discharge counters they are made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bdx.rules.register import Hit, fold
from bdx.rules.view import Floats, View


@fold("parts_unlike_sum")
class PartsUnlikeSum:
    """Cumulative and net counters that are not charge plus, or minus, discharge of the same scope, counted from the first record."""

    def __init__(self, *, whole: str, sign: float, share: float, least: float) -> None:
        self._whole = whole
        self._sign = sign
        self._share = share
        self._least = least
        self._first: dict[str, float] = {}
        self._found: dict[str, Hit] = {}

    def feed(self, view: View) -> None:
        """Compare every row that has all three."""
        for name in [name for name in view.names() if f"{self._whole}_" in name]:
            scope, _, rest = name.partition(self._whole)
            charge, discharge = f"{scope}charging{rest}", f"{scope}discharging{rest}"
            if view.has(charge) and view.has(discharge):
                self._compare(name, view, view.floats(charge), view.floats(discharge))

    def finish(self) -> Iterator[Hit]:
        """Yield one hit per counter."""
        yield from self._found.values()

    def _compare(self, name: str, view: View, charge: Floats, discharge: Floats) -> None:
        apart = view.floats(name) - (charge + self._sign * discharge)
        known = apart[np.isfinite(apart)]
        if not len(known):
            return
        first = self._first.setdefault(name, float(known[0]))
        size = np.maximum(np.abs(charge), np.abs(discharge))
        # Totals may have begun before the first record: a difference that stays is no fault. Within a step or cycle it is one.
        apart = np.abs(apart if name.startswith(("step_", "cycle_")) else apart - first)
        bad = np.flatnonzero(apart > self._share * size + self._least)
        if len(bad):
            place = int(bad[0])
            slots: dict[str, object] = {"charge": float(charge[place]), "discharge": float(discharge[place])}
            hit = self._found.setdefault(name, Hit("timeseries", name, view.first + place, 0, float(view.floats(name)[place]), [], slots))
            hit.count += len(bad)
            hit.examples += [view.first + int(row) for row in bad[: 5 - len(hit.examples)]]
