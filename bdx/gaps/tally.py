"""One requirement's count of records by what they lack, and how each lack is judged once all tables have been seen."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bdx import spec
from bdx.gaps.groups import Codes
from bdx.gaps.presence import Presence
from bdx.gaps.profile import ColumnPath, Profile, Requirement

Place = tuple[str, str]
"""Table and column."""


@dataclass(frozen=True, slots=True)
class Option:
    """One way to derive a column: its inputs from other tables, its inputs on the record itself and the bit that says they are there."""

    method: str
    inputs: frozenset[Place]
    own: tuple[ColumnPath, ...]
    bit: int


@dataclass(slots=True)
class Judgement:
    """Records of some groups per status, what they lack per need, and the methods that would derive it."""

    records: dict[str, int] = field(default_factory=dict)
    lacking: dict[int, int] = field(default_factory=dict)
    methods: dict[str, None] = field(default_factory=dict)


class Tally:
    """Counts records by group and pattern: bit i of a pattern is set where need i is not met, higher bits belong to options."""

    def __init__(self, requirement: Requirement, profile: Profile, groups: int) -> None:
        self.requirement = requirement
        self._by_column = profile.presence == "column"
        self._bits = len(requirement.needs)
        self._options = tuple(tuple(self._ways(need, profile)) for need in requirement.needs)
        self._counts = np.zeros(groups << self._bits, dtype=np.int64)
        self._groups = groups

    def _ways(self, need: tuple[ColumnPath, ...], profile: Profile) -> list[Option]:
        ways = []
        for path in need:
            for row in spec.derivations():
                if path.where or row["to"] != f"{path.table}.{path.column}":
                    continue
                inputs = [place(text) for text in row["from"]]
                own = tuple(ColumnPath(*pair) for pair in inputs if profile.table in (pair[0], spec.table(pair[0]).parent))
                ways.append(Option(row["method"], frozenset(pair for pair in inputs if ColumnPath(*pair) not in own), own, self._bits))
                self._bits += bool(own)
        return ways

    @property
    def inputs(self) -> tuple[Place, ...]:
        """Columns of other tables that its own can be derived from."""
        return tuple(dict.fromkeys(pair for options in self._options for option in options for pair in sorted(option.inputs)))

    def add(self, rows: Presence, groups: Codes) -> None:
        """Count the records of one batch."""
        pattern = self.pattern(rows) | groups << self._bits
        self._counts += np.bincount(pattern, minlength=len(self._counts))

    def pattern(self, rows: Presence) -> Codes:
        """Return for each record which needs it does not meet, and which options have their own inputs."""
        met_by = rows.has_column if self._by_column else rows.has_value
        pattern = np.zeros(len(rows), dtype=np.int64)
        for bit, need in enumerate(self.requirement.needs):
            met = met_by(need[0])
            for path in need[1:]:
                met = met | met_by(path)
            pattern |= (~met).astype(np.int64) << bit
        for options in self._options:
            for option in options:
                if option.own:
                    ready = np.logical_and.reduce([rows.has_value(path) for path in option.own])
                    pattern |= ready.astype(np.int64) << option.bit
        return pattern

    def missing(self, patterns: Codes, seen: set[Place]) -> list[int]:
        """Return the patterns of records that lack something that cannot be derived either."""
        found = []
        for pattern in patterns.tolist():
            unmet = [bit for bit in range(len(self._options)) if pattern >> bit & 1]
            if unmet and not all(_method(self._options[bit], pattern, seen) for bit in unmet):
                found.append(pattern)
        return found

    def counts(self, seen: set[Place], nothing_read_in: int | None) -> npt.NDArray[np.int64]:
        """Return records by group and pattern.

        `nothing_read_in` is the group of a stand-in that holds nothing, where no record was read. A profile about columns
        does not count a column that never held a value.
        """
        counts = self._counts.reshape(self._groups, -1)
        if nothing_read_in is not None:
            counts = np.zeros_like(counts)
            counts[nothing_read_in, (1 << len(self.requirement.needs)) - 1] = 1
        elif self._by_column:
            empty = sum(
                1 << bit for bit, need in enumerate(self.requirement.needs) if not any((path.table, path.column) in seen for path in need)
            )
            moved = np.zeros_like(counts)
            for pattern in range(counts.shape[1]):
                moved[:, pattern | empty] += counts[:, pattern]
            counts = moved
        return counts

    def judge(self, patterns: npt.NDArray[np.int64], seen: set[Place]) -> Judgement:
        """Return how the records of one group stand, given the columns seen in the whole run."""
        found = Judgement()
        for pattern in map(int, np.flatnonzero(patterns)):
            count = int(patterns[pattern])
            unmet = [bit for bit in range(len(self._options)) if pattern >> bit & 1]
            methods = [_method(self._options[bit], pattern, seen) for bit in unmet]
            status = "missing" if unmet and not all(methods) else "derivable" if unmet else "present"
            found.records[status] = found.records.get(status, 0) + count
            for bit in unmet:
                found.lacking[bit] = found.lacking.get(bit, 0) + count
            if status == "derivable":
                found.methods.update(dict.fromkeys(methods))
        return found


def place(text: str) -> Place:
    """Return table and column of "table.column"."""
    table, _, column = text.partition(".")
    return table, column


def closure(seen: set[Place]) -> set[Place]:
    """Return the columns seen, and those that can be derived from them in turn."""
    known = set(seen)
    grown = True
    while grown:
        reach = {place(row["to"]) for row in spec.derivations() if all(place(text) in known for text in row["from"])}
        grown = not reach <= known
        known |= reach
    return known


def _method(options: tuple[Option, ...], pattern: int, seen: set[Place]) -> str:
    """Return the first method whose inputs are there, or an empty string."""
    for option in options:
        if option.inputs <= seen and (not option.own or pattern >> option.bit & 1):
            return option.method
    return ""
