"""The sign of current, established from the rows themselves: charge positive whatever the instrument wrote.

Evidence is the first row in a charge state, and the first in a discharge state, whose |I| is at least 1 % of the largest |I|
up to that row. A negative value in a discharge state means a signed column, a positive one an unsigned column (the state gives the sign)
or, together with a negative value in a charge state, a discharge-positive column. Each row is corrected by the evidence up to and
including that row, so the result does not depend on how rows are batched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Log
from bdx.mapping.response import Classes, Counters, Floats, Response
from bdx.names import fold
from bdx.spec import Facts

_STRONG = 0.01
_MAX_WORDS = 50
_MIXED = 0.1
_SAME_POWER = 0.02
_MANY = 3
_IDLE, _CHARGE, _DISCHARGE = 0, 1, -1


class SignOfCurrent:
    """Corrects columns that follow the direction of current, and says at the end how the sign was established."""

    def __init__(self, facts: Facts, said: str = "") -> None:
        """`said` is "signed" or "reversed" where the user knows; it stands above all evidence."""
        self._known = said or facts.get("known", "")
        self._said = bool(said)
        self._default = facts.get("default", "")
        self._turned: bool | None = None
        self._state = facts.get("state", "")
        self._counters = Counters()
        self._response = Response()
        self._carried = 0
        self._classes: dict[str, int] = {}
        for key, value in (("idle", _IDLE), ("charge", _CHARGE), ("discharge", _DISCHARGE)):
            self._classes.update({fold(word): value for word in facts.get(key, ())})
        self._charge = 0
        self._discharge = 0
        self._largest = 0.0
        self._rows = 0
        self._contrary = 0
        self._first_contrary: int | None = None
        self._strange: dict[str, int] = {}

    def factors(self, columns: Mapping[str, pa.Array]) -> Floats | None:
        """Return what each row of this batch is multiplied by (1 or -1), or None where nothing changes.

        `columns` are canonical, among them `current_ampere`.
        """
        values = np.nan_to_num(columns["current_ampere"].to_numpy(zero_copy_only=False))
        volts = columns.get("voltage_volt")
        floats = np.asarray(volts.to_numpy(zero_copy_only=False), np.float64) if volts is not None else np.full(len(values), np.nan)
        jump = self._response.watch(values, floats)
        if self._known:
            return np.full(len(values), -1.0) if self._known == "reversed" else None
        size = np.abs(values)
        largest = np.maximum(np.maximum.accumulate(size), self._largest) if len(size) else size
        strong = (size > 0) & (size >= _STRONG * largest)
        classes = self._classes_of(columns, strong, len(values))
        if classes is None:
            factors = self._by_response(len(values), jump)
        else:
            factors = self._apply_evidence(values, classes, strong)
            self._count_contrary(values if factors is None else values * factors, classes, strong)
        self._largest = float(largest[-1]) if len(size) else self._largest
        self._rows += len(values)
        return factors

    def _classes_of(self, columns: Mapping[str, pa.Array], strong: npt.NDArray[np.bool_], rows: int) -> Classes | None:
        """Return the class of every row: by its state if the file writes states, else by the counters that rise; None without either."""
        if self._state in columns:
            return self._classify(columns[self._state], strong, rows)
        rising = self._counters.classes(columns, rows)
        if rising is None:
            return None
        # A counter may stand still for some rows: the way the voltage went when current set in, or the row before, tells then.
        told = np.where(rising != 0, rising, self._response.starts)
        place = np.maximum.accumulate(np.where((told != 0) | ~strong, np.arange(rows), -1))
        classes = np.where(place < 0, self._carried, told[place]).astype(np.int8) if rows else told
        self._carried = int(classes[-1]) if rows else self._carried
        return classes

    def _by_response(self, rows: int, jump: int | None) -> Floats | None:
        """Return the factors where only the voltage's answer tells.

        A column whose sign nobody defines is turned from the first jump on, if the voltage goes against it there. One whose format
        defines a sign is turned as a whole, and only if the first batch with jumps shows several, nearly all against it.
        """
        if self._default:
            if self._turned is None and self._response.first:
                self._turned = self._answer < 0 and self._response.against >= _MANY
            return np.full(rows, -1.0) if self._turned else None
        if self._response.first >= 0:
            return None
        turned = np.full(rows, -1.0)
        turned[: jump or 0] = 1.0
        return turned

    @property
    def verdict(self) -> str:
        """How the sign was established: signed, state, reversed or unproven (or what the format defines where nothing shows it)."""
        if self._known:
            return str(self._known)
        if not (self._charge or self._discharge):
            return self._by_voltage
        return self._by_states

    @property
    def _by_voltage(self) -> str:
        """What the voltage's answers say, beside the sign that the format defines: signed, reversed or unproven."""
        if self._default:
            return "unproven" if self._turned and self._answer >= 0 else "reversed" if self._turned else str(self._default)
        answer = self._answer
        return "unproven" if not answer or answer != self._response.first else "signed" if answer > 0 else "reversed"

    @property
    def _by_states(self) -> str:
        """What the first strong rows of a charge and of a discharge say: signed, reversed or state."""
        if self._charge < 0 and self._discharge >= 0:
            return "reversed"
        if self._discharge > 0 or (self._charge < 0 and self._discharge < 0):
            return "state"
        return "signed"

    @property
    def _answer(self) -> int:
        """What the voltage's answers say: 1 charge is positive, -1 discharge is, 0 they do not agree or there are none."""
        seen = self._response
        total = seen.followed + seen.against
        if not total or min(seen.followed, seen.against) > _MIXED * total:
            return 0
        return 1 if seen.followed > seen.against else -1

    def report(self, log: Log, source: str) -> None:
        """Log what stays doubtful; a column of zeros only is no doubt."""
        place: dict[str, Any] = {"source": source, "table": "timeseries", "column": "current_ampere"}
        defined = (self._known == "signed" and not self._said) or (self._default == "signed" and self.verdict == "signed")
        if defined and self._answer < 0 and self._response.against >= _MANY:
            log.find("M018", **place, count=self._response.against, followed=self._response.followed)
        if self.verdict == "unproven" and self._largest > 0:
            log.find("M020", **place)
        if self._contrary:
            log.find("M021", **place, row=self._first_contrary, count=self._contrary)
        if self._by_states == "state" and self._strange:
            log.find("M022", **place, count=sum(self._strange.values()), value=", ".join(self._strange))

    def _classify(self, states: pa.Array, strong: npt.NDArray[np.bool_], rows: int) -> Classes:
        """Return per row whether the instrument charged (1), discharged (-1) or did neither or something unknown (0)."""
        coded = states if pa.types.is_dictionary(states.type) else pc.dictionary_encode(states)
        words = [fold(word or "") for word in coded.dictionary.to_pylist()]
        codes = coded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
        for index, word in enumerate(words):
            if word and word not in self._classes and (word in self._strange or len(self._strange) < _MAX_WORDS):
                count = int(np.count_nonzero((codes == index) & strong))
                if count:
                    self._strange[word] = self._strange.get(word, 0) + count
        table = np.array([*(self._classes.get(word, _IDLE) for word in words), _IDLE], np.int8)
        found: Classes = table[codes]
        return found

    def _apply_evidence(self, values: Floats, classes: Classes, strong: npt.NDArray[np.bool_]) -> Floats | None:
        """Return the factor of each row; evidence met on the way changes it from its own row on."""
        events: list[tuple[int, int, int]] = []
        for kind, known in ((_CHARGE, self._charge), (_DISCHARGE, self._discharge)):
            if not known:
                first = _first(strong & (classes == kind))
                if first is not None:
                    events.append((first, kind, 1 if values[first] > 0 else -1))
        factors = np.ones(len(values))
        start = 0
        for row, kind, sign in [*sorted(events), (len(values), 0, 0)]:
            factors[start:row] = self._rule()[classes[start:row]]
            start = row
            if kind == _CHARGE:
                self._charge = sign
            elif kind == _DISCHARGE:
                self._discharge = sign
        return None if (factors == 1.0).all() else factors

    def _rule(self) -> Floats:
        """Return the factors by class, indexed 0 idle, 1 charge, -1 discharge."""
        verdict = self._by_states
        if verdict == "state":
            return np.array([1.0, self._charge or 1, -self._discharge])
        return np.full(3, -1.0 if verdict == "reversed" else 1.0)

    def _count_contrary(self, values: Floats, classes: Classes, strong: npt.NDArray[np.bool_]) -> None:
        against = strong & (values * classes < 0)
        count = int(np.count_nonzero(against))
        if count:
            self._contrary += count
            if self._first_contrary is None:
                self._first_contrary = self._rows + int(np.argmax(against))


def power_against(power: pa.Array, voltage: pa.Array, current: pa.Array) -> npt.NDArray[np.bool_]:
    """Return the rows whose power is the size of voltage times current and has the other sign."""
    watts, volts, amperes = (np.asarray(array.to_numpy(zero_copy_only=False), np.float64) for array in (power, voltage, current))
    with np.errstate(invalid="ignore", over="ignore"):
        product = volts * amperes
        against = (watts * product < 0) & (np.abs(watts + product) <= _SAME_POWER * np.abs(product))
    return np.asarray(against)


def turn(array: pa.Array, factors: Floats | None) -> pa.Array:
    """Return the float64 values with their sign corrected; zero stays plain zero."""
    if factors is None:
        return array
    return pc.add(pc.multiply(array, pa.array(factors)), 0.0)


def _first(mask: Any) -> int | None:
    index = int(np.argmax(mask)) if len(mask) else 0
    return index if len(mask) and mask[index] else None
