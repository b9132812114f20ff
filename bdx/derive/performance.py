"""Cycles of a test -> attributes of a battery passport, by the named derivations of specs/derivations.toml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from bdx import spec
from bdx.derive.derived import Derived
from bdx.spec import Facts

__all__ = ["METHODS", "Derived", "attributes", "derivations", "why_not"]

_SHARE = 0.05
"""A cycle is complete when it both charges and discharges more than this share of the test's largest discharge,"""
_EFFICIENCY = (50.0, 120.0)
"""with a coulombic efficiency (percent) within these bounds,"""
_TURNS = 2
"""and turns between charge and discharge no more often than this."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Test:
    """All cycles of a test, and those that are complete."""

    cycles: list[Row]
    complete: list[Row]


def attributes(cycles: pa.RecordBatch) -> list[Derived]:
    """Return the passport attributes that the rows of `cycle` support; none where no cycle is complete (see `why_not`)."""
    test = _test(cycles)
    if not test.complete:
        return []
    found = []
    for row in derivations():
        result = METHODS[row["by"]](test)
        if result is not None:
            value, inputs = result
            found.append(Derived(row["to"].removeprefix("battery."), _significant(value), row["by"], inputs))
    return found


def _significant(value: float) -> float:
    """Return a derived value with six significant digits: no cycler measures more, and float32 records hold seven."""
    return value if isinstance(value, int) else float(f"{value:.6g}")


def why_not(cycles: pa.RecordBatch) -> str:
    """Return why no attribute can be derived, or "" where some can."""
    test = _test(cycles)
    if test.complete:
        return ""
    if not test.cycles:
        return "it holds no cycle"
    if not any(row["charge_capacity_ah"] or row["discharge_capacity_ah"] for row in test.cycles):
        return "no cycle has charge or discharge capacity"
    faults: dict[str, list[str]] = {}
    for row in test.cycles:
        faults.setdefault(_fault(row, _largest(test.cycles)), []).append(str(row["cycle_count"]))
    parts = [f"{fault} ({_listed(numbers)})" for fault, numbers in faults.items()]
    return "no cycle is complete: " + "; ".join(parts)


def derivations() -> list[Facts]:
    """Return the rows of specs/derivations.toml that start from cycles."""
    rows = spec.load(spec.root() / "derivations.toml", "derivations")["derivation"]
    return [row for row in rows if all(source.startswith("cycle.") for source in row["from"])]


def _test(cycles: pa.RecordBatch) -> _Test:
    rows = cycles.to_pylist()
    largest = _largest(rows)
    return _Test(rows, [row for row in rows if not _fault(row, largest)])


def _largest(rows: list[Row]) -> float:
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


def _discharge_capacity(test: _Test) -> tuple[Any, str]:
    first = test.complete[0]
    return first["discharge_capacity_ah"], _from(first, "discharge_capacity_ah")


def _discharge_energy(test: _Test) -> tuple[Any, str] | None:
    first = test.complete[0]
    energy = first["discharge_energy_wh"]
    return (energy / 1000.0, _from(first, "discharge_energy_wh")) if energy else None


def _energy_efficiency(test: _Test) -> tuple[Any, str] | None:
    """Return the efficiency of the second complete cycle, else the first; over 100 % is no efficiency but a charged start."""
    for row in [*test.complete[1:], test.complete[0]]:
        efficiency = row["energy_efficiency_percent"]
        if efficiency is not None and efficiency <= 100.0:
            return efficiency, _from(row, "energy_efficiency_percent")
    return None


def _full_equivalent_cycles(test: _Test) -> tuple[Any, str]:
    rated = test.complete[0]["discharge_capacity_ah"]
    moved = sum(row["discharge_capacity_ah"] or 0.0 for row in test.cycles)
    return int(moved / rated), f"{_all(test)} discharge_capacity_ah over {_from(test.complete[0], 'discharge_capacity_ah')}"


def _throughput(what: str, divisor: float) -> Callable[[_Test], tuple[Any, str] | None]:
    def of(test: _Test) -> tuple[Any, str] | None:
        pairs = [(row[f"charge_{what}"], row[f"discharge_{what}"]) for row in test.cycles]
        if any(value is None for pair in pairs for value in pair):
            return None
        return sum(a + b for a, b in pairs) / divisor, f"{_all(test)} charge_{what} + discharge_{what}"

    return of


def _from(row: Row, column: str) -> str:
    return f"cycle {row['cycle_count']} of {row['test_id']}: {column}"


def _all(test: _Test) -> str:
    return f"all {len(test.cycles)} cycles of {test.cycles[0]['test_id']}:"


METHODS: Mapping[str, Callable[[_Test], tuple[Any, str] | None]] = {
    "discharge_capacity": _discharge_capacity,
    "discharge_energy": _discharge_energy,
    "energy_efficiency": _energy_efficiency,
    "full_equivalent_cycles": _full_equivalent_cycles,
    "capacity_throughput": _throughput("capacity_ah", 1.0),
    "energy_throughput": _throughput("energy_wh", 1000.0),
}
"""The closed list of derivations from cycles, by the name in `by`."""
