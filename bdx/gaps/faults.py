"""Which values of a requirement the run has already found at fault."""

from __future__ import annotations

from collections.abc import Sequence

from bdx import spec
from bdx.canon import Log
from bdx.gaps.profile import Requirement

Records = dict[str, int]

_ABSENCE = ("missing", "absent_beside")
"""Checks that blame a value for not being there: the count of records says that already."""

_UNREADABLE = ("", "not_finite")
"""What leaves no value behind: a driver or mapping that could not read it (no check), and a number that is none."""


class Faults:
    """The errors of a log by table and column: those a check found in a value, and those that kept a value from being read."""

    def __init__(self, log: Log) -> None:
        self._counts: dict[tuple[str, str], dict[tuple[str, bool], int]] = {}
        self._codes: dict[tuple[str, str], set[str]] = {}
        for found in log.findings:
            if found.severity != "error" or not found.column:
                continue
            rule = spec.rules().get(found.code)
            check = rule.check if rule else ""
            if check in _ABSENCE:
                continue
            kind = (found.source, check not in _UNREADABLE)
            for column in _blamed(found.table, found.column, rule):
                key = (found.table, column)
                counts = self._counts.setdefault(key, {})
                # Two rules may blame the same value: the larger count is certain, their sum is not.
                counts[kind] = max(counts.get(kind, 0), found.count)
                self._codes.setdefault(key, set()).add(found.code)

    def spoil(self, requirement: Requirement, shares: Sequence[Records]) -> tuple[str, ...]:
        """Move records to invalid, as many as faults were found in the requirement's columns; return the codes of those faults.

        A finding does not say which records it is about, so the first of `shares` are taken first. A value that a check
        blames is there; one that could not be read came out null, so it stands among the missing.
        """
        codes: set[str] = set()
        for key in dict.fromkeys((path.table, path.column) for path in requirement.paths):
            for (_, checked), count in self._counts.get(key, {}).items():
                left = count
                for status in ("present",) if checked else ("missing", "derivable", "present"):
                    for records in shares:
                        taken = min(left, records.get(status, 0))
                        if taken:
                            left -= taken
                            records[status] -= taken
                            records["invalid"] = records.get("invalid", 0) + taken
                if left < count:
                    codes |= self._codes[key]
        return tuple(sorted(codes))


def _blamed(table: str, column: str, rule: spec.RuleSpec | None) -> list[str]:
    """Return the columns a finding is about: its own, and those its rule holds it against, as any of them may be the wrong one."""
    known = spec.table(table).by_name if table in spec.tables() else {}
    named = [value for value in rule.args.values() if isinstance(value, str) and value in known] if rule else []
    return list(dict.fromkeys((column, *named)))
