"""Tests of an item -> attributes of a battery passport, by the named derivations of specs/derivations.toml; or why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from bdx import spec
from bdx.derive import performance_capacity, performance_life, pulses
from bdx.derive.derived import Derived
from bdx.derive.tested import Method, Refused, Row, Tested, significant
from bdx.spec import Facts

__all__ = ["METHODS", "Derived", "Supported", "attributes", "derivations", "why_not"]

METHODS: Mapping[str, Method] = {**performance_capacity.METHODS, **performance_life.METHODS, **pulses.METHODS}
"""The closed list of derivations from tests, by the name in `by`."""

TABLES = ("cycle.", "step.", "resistance.")
"""Tables whose columns a derivation from tests begins with."""

_SHARE = 0.05
"""A cycle is complete when it both charges and discharges more than this share of the test's largest discharge,"""
_EFFICIENCY = (50.0, 120.0)
"""with a coulombic efficiency (percent) within these bounds,"""
_TURNS = 2
"""and turns between charge and discharge no more often than this."""


@dataclass(slots=True)
class Supported:
    """The attributes that tests support, and per attribute that they do not support the reason."""

    values: list[Derived] = field(default_factory=list)
    refused: dict[str, Refused] = field(default_factory=dict)


def attributes(tables: Mapping[str, pa.Table | pa.RecordBatch], said: Mapping[str, Any] | None = None) -> Supported:
    """Return what the canonical tables of an item's tests support; nothing where no cycle is complete (see `why_not`).

    `said` are the columns of `battery` that other sources declare of it; a derivation that only `fills` leaves those alone. Of
    several derivations of one attribute the first that gives a value holds.
    """
    tested = Tested(tables, said or {})
    found = Supported()
    cycles = tested.rows("cycle")
    nothing = not any(not _fault(row, _largest(cycles)) for row in cycles)
    done: set[str] = set()
    for row in derivations():
        column = row["to"].removeprefix("battery.")
        of_cycles = any(name.startswith(("cycle.", "step.")) for name in row["from"])
        if column in done or (nothing and of_cycles) or (row.get("fills") and column in tested.said):
            continue
        result = METHODS[row["by"]](tested)
        if isinstance(result, Refused):
            found.refused.setdefault(column, result)
            continue
        done.add(column)
        found.values.append(Derived(column, significant(result.value), row["by"], result.inputs, result.rows, row["version"]))
    found.refused = {column: why for column, why in found.refused.items() if column not in done}
    return found


def why_not(cycles: pa.RecordBatch | pa.Table) -> str:
    """Return why no attribute can be derived, or "" where some can."""
    rows: Sequence[Row] = cycles.to_pylist()
    if not rows:
        return "it holds no cycle"
    largest = _largest(rows)
    faults: dict[str, list[str]] = {}
    for row in rows:
        faults.setdefault(_fault(row, largest), []).append(str(row["cycle_count"]))
    if "" in faults:
        return ""
    if not any(row["charge_capacity_ah"] or row["discharge_capacity_ah"] for row in rows):
        return "no cycle has charge or discharge capacity"
    parts = [f"{fault} ({_listed(numbers)})" for fault, numbers in faults.items()]
    return "no cycle is complete: " + "; ".join(parts)


def derivations() -> list[Facts]:
    """Return the rows of specs/derivations.toml that start from tests."""
    return [row for row in spec.derivations() if all(source.startswith(TABLES) for source in row["from"])]


def _largest(rows: Sequence[Row]) -> float:
    return max((row["discharge_capacity_ah"] or 0.0 for row in rows), default=0.0)


def _fault(row: Row, largest: float) -> str:
    """Return what keeps a cycle from being complete, or ""."""
    charge, discharge = row["charge_capacity_ah"] or 0.0, row["discharge_capacity_ah"] or 0.0
    if discharge <= _SHARE * largest or not discharge:
        return "discharge is missing"
    if charge <= _SHARE * largest or not charge:
        return "charge is missing"
    if not _EFFICIENCY[0] <= discharge / charge * 100.0 <= _EFFICIENCY[1]:
        return f"discharge is not {_EFFICIENCY[0]:.0f} to {_EFFICIENCY[1]:.0f} % of charge"
    if (row["direction_changes"] or 0) > _TURNS:
        return "current turns more than twice, so the number covers several cycles"
    return ""


def _listed(numbers: list[str]) -> str:
    return f"cycle{'s' if len(numbers) > 1 else ''} {', '.join(numbers[:5])}{', ...' if len(numbers) > 5 else ''}"
