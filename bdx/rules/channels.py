"""Judgements over voltage, current and power of a whole test: signs that physics forbids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.rules.register import Hit, fold
from bdx.rules.view import CURRENT, TIME, VOLTAGE, View, settled

POWER = "power_watt"


@fold("current_against_voltage")
class CurrentAgainstVoltage:
    """Steps of current that the voltage answers the wrong way: resistance comes out negative, so the sign of current is reversed.

    Rows of steps whose name says charge or discharge are judged by that name elsewhere and have no vote here. Every step of
    current votes with its size.
    """

    def __init__(self, *, named: str, share: float, least_volt: float, steps: int = 5, within: float = 60.0) -> None:
        self._named = re.compile(named, re.IGNORECASE)
        self._share = share
        self._least = least_volt
        self._fewest = steps
        self._within = within
        self._right = self._wrong = 0.0
        self._count = 0
        self._examples: list[int] = []

    def feed(self, view: View) -> None:
        """Count the votes of a batch."""
        if not (view.has(VOLTAGE) and view.has(CURRENT) and view.has(TIME)):
            return
        step = np.abs(view.delta(CURRENT))
        turns = np.flatnonzero(step > 0.5 * np.abs(view.floats(CURRENT)))
        if not len(turns):
            return
        step, answer, passed = step[turns], view.delta(VOLTAGE)[turns], view.delta(TIME)[turns]
        before = np.abs(view.floats_before(CURRENT)[turns])
        judged = (step > 0.5 * before) & (np.abs(answer) >= self._least) & (passed <= self._within) & (passed >= 0)
        turns, step, answer = turns[judged], step[judged], answer[judged]
        agrees = (answer > 0) == (view.delta(CURRENT)[turns] > 0)
        self._right += float(step[agrees].sum())
        wrong = self._unnamed(view, turns[~agrees])
        if len(wrong):
            self._wrong += float(np.abs(view.delta(CURRENT)[wrong]).sum())
            self._count += len(wrong)
            self._examples += [view.first + int(row) for row in wrong[: 5 - len(self._examples)]]

    def finish(self) -> Iterator[Hit]:
        """Yield a hit where nearly all votes say so."""
        wrong, right = settled(self._wrong), settled(self._right)
        if self._count >= self._fewest and wrong > self._share * (wrong + right):
            yield Hit("timeseries", CURRENT, self._examples[0], self._count, "", self._examples)

    def _unnamed(self, view: View, rows: Any) -> Any:
        """Return the rows whose step, and the step before, has no name that tells its direction."""
        if not len(rows) or not view.has("step_type"):
            return rows
        named = np.zeros(len(rows), dtype=bool)
        for words in (view.array("step_type"), view.before("step_type")):
            coded = words.take(pa.array(rows)).dictionary_encode()
            known = pa.array([bool(self._named.search(word or "")) for word in coded.dictionary.to_pylist()], pa.bool_())
            named |= known.take(coded.indices).fill_null(fill_value=False).to_numpy(zero_copy_only=False)
        return rows[~named]


@fold("power_against_current")
class PowerAgainstCurrent:
    """Power whose sign is not that of voltage times current, on charge or on discharge."""

    def __init__(self, *, share: float, least_watt: float, rows: int = 10) -> None:
        self._share = share
        self._least = least_watt
        self._fewest = rows
        self._rows = {"charge": 0, "discharge": 0}
        self._wrong = {"charge": 0, "discharge": 0}
        self._examples: dict[str, list[int]] = {"charge": [], "discharge": []}

    def feed(self, view: View) -> None:
        """Count rows by direction and sign."""
        if not (view.has(POWER) and view.has(VOLTAGE) and view.has(CURRENT)):
            return
        power, product = view.floats(POWER), view.floats(VOLTAGE) * view.floats(CURRENT)
        loaded = np.abs(power) >= self._least
        for way, flows in (("charge", product >= self._least), ("discharge", product <= -self._least)):
            judged = loaded & flows
            wrong = judged & (power < 0 if way == "charge" else power > 0)
            self._rows[way] += int(np.count_nonzero(judged))
            if wrong.any():
                rows = np.flatnonzero(wrong)
                self._wrong[way] += len(rows)
                self._examples[way] += [view.first + int(row) for row in rows[: 5 - len(self._examples[way])]]

    def finish(self) -> Iterator[Hit]:
        """Yield a hit for the directions in which nearly all power has the wrong sign."""
        ways = [way for way, wrong in self._wrong.items() if self._rows[way] >= self._fewest and wrong > self._share * self._rows[way]]
        if ways:
            rows = sorted(row for way in ways for row in self._examples[way])[:5]
            count = sum(self._wrong[way] for way in ways)
            yield Hit("timeseries", POWER, rows[0], count, "", rows, {"ways": " and ".join(ways)})
