"""Capacity, energy, voltages and round-trip efficiency, from full discharges and the charges before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bdx.derive.performance_runs import Full, Run, window
from bdx.derive.tested import Method, Refused, Tested, Value, row_range

_RETURNED = (95.0, 102.0)
"""Discharge over charge capacity, percent, of a cycle that ends in the state it began in."""
_SAME_RATE = 0.2
_SAME_HEAT = 5.0

FullMethod = Callable[[Tested, Sequence[Full]], Value | Refused]


def needs_full(method: FullMethod) -> Method:
    """Return the derivation for tests that have a full discharge; refuses all others."""

    def of(tested: Tested) -> Value | Refused:
        found = window(tested)
        return found.refused if found.refused is not None else method(tested, found.full)

    return of


def told(run: Run) -> str:
    """Return a run in words: where, how fast, down to what."""
    rate = f"{run.current:.4g} A, {run.current / run.capacity:.2g} C" if run.seconds else "no time"
    return f"{run.name} of {run.test_id} ({rate}, to {run.end_voltage:.4g} V)"


def alike(a: Run, b: Run) -> bool:
    """Say whether two discharges can be compared: currents within 20 %, temperatures, where known, within 5 K."""
    warm = a.temperature is None or b.temperature is None or abs(a.temperature - b.temperature) <= _SAME_HEAT
    return warm and abs(a.current - b.current) <= _SAME_RATE * max(a.current, b.current)


def latest(full: Sequence[Full]) -> Full | Refused:
    """Return the last full discharge that compares with the first."""
    same = [item for item in full[1:] if alike(full[0].discharge, item.discharge)]
    if same:
        return same[-1]
    if len(full) == 1:
        return Refused("M143", f"only one full discharge ({full[0].discharge.name}): nothing to compare it with")
    first, last = full[0].discharge, full[-1].discharge
    heat = "".join(f", {run.temperature:.1f} degC" for run in (first, last) if run.temperature is not None)
    return Refused("M143", f"no later full discharge is like the first: {first.current:.4g} A and {last.current:.4g} A{heat}")


def efficiencies(full: Sequence[Full]) -> list[tuple[Full, float]]:
    """Return the cycles from the lower limit to full and back that returned their charge, each with its energy efficiency in percent."""
    found = []
    for item in full:
        a, b = item.charge, item.discharge
        if item.from_empty and a.energy and b.energy and _RETURNED[0] <= b.capacity / a.capacity * 100.0 <= _RETURNED[1]:
            share = b.energy / a.energy * 100.0
            if share <= 100.0:
                found.append((item, share))
    return found


def no_efficiency(full: Sequence[Full]) -> Refused:
    """Return why no cycle has a round-trip efficiency."""
    last = full[-1]
    if not any(item.from_empty for item in full):
        return Refused("M144", f"no charge before a full discharge began at the lower limit (last one: {last.charge.name})")
    share = last.discharge.capacity / last.charge.capacity * 100.0
    told_of = f"the {last.discharge.name} gave {share:.2f} % of the charge before it"
    return Refused("M144", f"no cycle returned its charge: {told_of}, expected {_RETURNED[0]:.0f} to {_RETURNED[1]:.0f} %")


def energy_of(run: Run) -> Value | Refused:
    """Return the energy of a discharge in kWh."""
    if run.energy is None:
        return Refused("M148", "the test has no voltage to compute energy with")
    return Value(run.energy / 1000.0, f"energy of the {told(run)}", row_range([run.evidence]))


def _rated(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    run = full[0].discharge
    return Value(run.capacity, f"capacity of the {told(run)}", row_range([run.evidence]))


def _energy(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    return energy_of(full[0].discharge)


def _nominal(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    run = full[0].discharge
    if run.energy is None:
        return Refused("M148", "the test has no voltage")
    return Value(run.energy / run.capacity, f"{run.energy:.6g} Wh over {run.capacity:.6g} Ah of the {told(run)}", row_range([run.evidence]))


def _lower(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    run = min((item.discharge for item in full), key=lambda run: run.end_voltage)
    return Value(run.end_voltage, f"voltage at the end of the {told(run)}", row_range([run.evidence]))


def _upper(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    run = max((item.charge for item in full), key=lambda run: run.end_voltage)
    return Value(run.end_voltage, f"voltage at the end of the {told(run)}", row_range([run.evidence]))


def _initial_rte(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    found = efficiencies(full)
    return rte(*found[0]) if found else no_efficiency(full)


def rte(item: Full, share: float) -> Value:
    """Return the round-trip efficiency of a cycle as a value."""
    inputs = f"{item.discharge.energy:.6g} Wh of the {told(item.discharge)} over {item.charge.energy:.6g} Wh of the {item.charge.name}"
    return Value(share, inputs, row_range([item.charge.evidence, item.discharge.evidence]))


def _temperature(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    return heat([full[0].discharge])


def _rte_temperature(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    found = efficiencies(full)
    return heat([found[0][0].charge, found[0][0].discharge]) if found else no_efficiency(full)


def heat(some: Sequence[Run]) -> Value | Refused:
    """Return the mean over time of the temperature of some runs."""
    warm = [(run.temperature, run.seconds) for run in some if run.temperature is not None]
    if len(warm) < len(some):
        return Refused("M148", f"the {some[0].name} has no temperature")
    mean = sum(value * seconds for value, seconds in warm) / sum(seconds for _, seconds in warm)
    names = told(some[0]) if len(some) == 1 else f"{some[0].name} to {some[-1].name}"
    return Value(mean, f"mean temperature of the {names}", row_range(run.evidence for run in some))


def _full_equivalent(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    rated, rows = full[0].discharge, tested.rows("cycle")
    moved = [row["discharge_capacity_ah"] for row in rows]
    if not moved or None in moved:
        return Refused("M148", f"{moved.count(None)} of {len(moved)} cycles have no discharge capacity")
    inputs = f"{sum(moved):.6g} Ah discharged in {len(rows)} cycles over {rated.capacity:.6g} Ah of the {told(rated)}"
    return Value(int(sum(moved) / rated.capacity), inputs, every(rows))


def every(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the range of `cycle` that holds some of its neighbouring rows."""
    numbers = [row["cycle_count"] for row in rows]
    return f"cycle[{min(numbers)}:{max(numbers)}]" if numbers else ""


METHODS: Mapping[str, Method] = {
    "discharge_capacity": needs_full(_rated),
    "discharge_energy": needs_full(_energy),
    "energy_over_charge": needs_full(_nominal),
    "lower_voltage": needs_full(_lower),
    "upper_voltage": needs_full(_upper),
    "energy_efficiency": needs_full(_initial_rte),
    "discharge_temperature": needs_full(_temperature),
    "efficiency_temperature": needs_full(_rte_temperature),
    "full_equivalent_cycles": needs_full(_full_equivalent),
}
"""Derivations from full discharges, by the name in `by`."""
