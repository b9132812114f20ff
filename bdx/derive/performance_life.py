"""How a battery aged in a test: fade of capacity and efficiency, cycles to the threshold, how it was cycled, what it lost at rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bdx.derive.performance_capacity import alike, efficiencies, energy_of, every, latest, needs_full, no_efficiency, rte, told
from bdx.derive.performance_runs import Full, Run, runs, window
from bdx.derive.tested import Method, Refused, Tested, Value, row_range

_THRESHOLD = 80.0
"""Percent of the rated capacity at which a battery counts as worn out, where nobody declares another share."""
_MANY = 50
"""Cycles from which on a test is one of cycle life,"""
_STEADY = 0.8
"""where this share of them moves charge at one current,"""
_SAME = 0.1
"""within this share of it."""
_RESTED = 86_400.0
"""Seconds of rest from which on a loss of charge can be told from the scatter of two discharges."""
_MONTH = 30.4375 * 86_400.0
_SCATTER = 0.001
"""Share of a quantity below which two measurements of it do not differ."""


def _remaining_capacity(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    last = latest(full)
    if isinstance(last, Refused):
        return last
    return Value(last.discharge.capacity, f"capacity of the {told(last.discharge)}", row_range([last.discharge.evidence]))


def _remaining_energy(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    last = latest(full)
    return last if isinstance(last, Refused) else energy_of(last.discharge)


def _capacity_fade(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    last = latest(full)
    if isinstance(last, Refused):
        return last
    return _fade("capacity", "Ah", (full[0].discharge, full[0].discharge.capacity), (last.discharge, last.discharge.capacity))


def _fade(what: str, unit: str, first: tuple[Run, float], last: tuple[Run, float]) -> Value | Refused:
    """Return how far a quantity fell, in percent of the first; less than two measurements scatter is no fade."""
    share = (1.0 - last[1] / first[1]) * 100.0
    facts = f"{last[1]:.6g} {unit} ({told(last[0])}) against {first[1]:.6g} {unit} ({told(first[0])})"
    if share < _SCATTER * 100.0:
        return Refused("M143", f"{what} fell by {share:.2g} %, less than two measurements scatter: {facts}")
    return Value(share, facts, row_range([first[0].evidence, last[0].evidence]))


def _certified(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    certified = tested.said.get("certified_usable_energy_kwh")
    if not certified:
        return Refused("M146", "no source declares the certified usable energy (certified_usable_energy_kwh)")
    present = energy_of(full[-1].discharge)
    if isinstance(present, Refused):
        return present
    share = present.value / float(certified) * 100.0
    return Value(share, f"{present.inputs}, {present.value:.6g} kWh, over the declared {float(certified):.6g} kWh", present.rows)


def _remaining_rte(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    found = _ends(full)
    return found if isinstance(found, Refused) else rte(*found[1])


def _rte_fade(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    found = _ends(full)
    if isinstance(found, Refused):
        return found
    (first, was), (last, now) = found
    return _fade("round-trip efficiency", "%", (first.discharge, was), (last.discharge, now))


def _ends(full: Sequence[Full]) -> tuple[tuple[Full, float], tuple[Full, float]] | Refused:
    """Return the first cycle with a round-trip efficiency and the last that compares with it."""
    found = efficiencies(full)
    if not found:
        return no_efficiency(full)
    later = [item for item in found[1:] if alike(found[0][0].discharge, item[0].discharge)]
    if not later:
        return Refused("M143", f"only one cycle has a round-trip efficiency ({found[0][0].discharge.name})")
    return found[0], later[-1]


def _worn(tested: Tested, full: Sequence[Full]) -> tuple[Full, int, float] | Refused:
    """Return the first full discharge below the threshold that the next one bears out, its place among the cycles, and the threshold."""
    share = float(tested.said.get("capacity_threshold_exhaustion_percent") or _THRESHOLD)
    same = [item for item in full if alike(full[0].discharge, item.discharge)]
    rated = same[0].discharge.capacity
    below = [item.discharge.capacity < share / 100.0 * rated for item in same]
    for place, item in enumerate(same[:-1]):
        if below[place] and below[place + 1]:
            places = [row["cycle_count"] for row in tested.rows("cycle")]
            if item.discharge.cycle in places:
                return item, places.index(item.discharge.cycle) + 1, share
    least = min(item.discharge.capacity for item in same)
    alone = ", and only the last one is below" if below[-1] else ""
    return Refused(
        "M145", f"capacity stayed at {least / rated * 100:.1f} % or more in {len(same)} full discharges, threshold {share:g} %{alone}"
    )


def _lifetime(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    worn = _worn(tested, full)
    if isinstance(worn, Refused):
        return worn
    item, place, share = worn
    run, rated = item.discharge, full[0].discharge
    inputs = f"{told(run)} is the first below {share:g} % of the {rated.capacity:.6g} Ah of the {rated.name}: {run.capacity:.6g} Ah"
    return Value(place, inputs, row_range([rated.evidence, run.evidence]))


def _half_life(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    worn = _worn(tested, full)
    if isinstance(worn, Refused):
        return worn
    found = efficiencies(full)
    if not found:
        return no_efficiency(full)
    places = {row["cycle_count"]: place for place, row in enumerate(tested.rows("cycle"), 1)}
    item, value = min(found, key=lambda pair: abs(places.get(pair[0].discharge.cycle, 0) - worn[1] / 2))
    apart = abs(places.get(item.discharge.cycle, 0) - worn[1] / 2)
    if apart > _SAME * worn[1]:
        return Refused("M144", f"the nearest cycle with an efficiency ({item.discharge.name}) is {apart:.0f} cycles from half of {worn[1]}")
    return rte(item, value)


def _cycled(tested: Tested) -> tuple[list[Run], float] | Refused:
    """Return the discharges of a cycle-life test, and their current."""
    some = [run for run in runs(tested) if not run.charges and run.seconds]
    if len(some) < _MANY:
        return Refused("M147", f"{len(some)} discharges, a test of cycle life has {_MANY} or more")
    current = median(run.current for run in some)
    steady = [run for run in some if abs(run.current - current) <= _SAME * current]
    if len(steady) < _STEADY * len(some):
        return Refused("M147", f"only {len(steady)} of {len(some)} discharges have the middle current of {current:.4g} A")
    return steady, current


def _cycle_rate(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    cycled = _cycled(tested)
    return cycled if isinstance(cycled, Refused) else _rate(cycled[1], f"mean current of {len(cycled[0])} discharges", full, tested)


def _charge_rate(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    """Return the rate of the constant current of the charges: the largest of each cycle, a mean would hold the constant voltage."""
    cycled = _cycled(tested)
    if isinstance(cycled, Refused):
        return cycled
    some = [row["max_current_a"] for row in tested.rows("cycle") if row["max_current_a"] and row["max_current_a"] > 0]
    current = median(some) if some else 0.0
    steady = sum(abs(value - current) <= _SAME * current for value in some)
    if len(some) < _MANY or steady < _STEADY * len(some):
        return Refused("M147", f"only {steady} of {len(some)} charges have the middle current of {current:.4g} A")
    return _rate(current, f"largest charge current of {len(some)} cycles", full, tested)


def _rate(current: float, what: str, full: Sequence[Full], tested: Tested) -> Value:
    rated = full[0].discharge
    inputs = f"middle of the {what}, {current:.6g} A, over {rated.capacity:.6g} Ah of the {told(rated)}"
    return Value(current / rated.capacity, inputs, every(tested.rows("cycle")))


def _depth(tested: Tested, full: Sequence[Full]) -> Value | Refused:
    cycled = _cycled(tested)
    if isinstance(cycled, Refused):
        return cycled
    # Each cycle against the full discharge before it, else a cell that wears out would seem to be cycled less and less deeply.
    shares, capacity, waiting = [], full[0].discharge.capacity, list(full)
    for run in cycled[0]:
        while waiting and waiting[0].discharge.number <= run.number and waiting[0].discharge.test_id == run.test_id:
            capacity = waiting.pop(0).discharge.capacity
        shares.append(run.capacity / capacity * 100.0)
    inputs = f"middle of {len(shares)} discharges, each over the full discharge before it"
    return Value(min(median(shares), 100.0), inputs, every(tested.rows("cycle")))


def _cycle_heat(tested: Tested) -> Value | Refused:
    cycled = _cycled(tested)
    if isinstance(cycled, Refused):
        return cycled
    warm = [run.temperature for run in cycled[0] if run.temperature is not None]
    if len(warm) < len(cycled[0]):
        return Refused("M148", f"{len(cycled[0]) - len(warm)} of {len(cycled[0])} discharges have no temperature")
    return Value(median(warm), f"middle of the mean temperature of {len(warm)} discharges", every(tested.rows("cycle")))


def _self_discharge(tested: Tested) -> Value | Refused:
    found = window(tested)
    if found.refused is not None:
        return found.refused
    rested = [item for item in found.full if item.discharge.rested >= _RESTED]
    fresh = [item for item in found.full if item.discharge.rested < _RESTED / 24]
    longest = max(item.discharge.rested for item in found.full)
    if not rested:
        return Refused(
            "M149", f"no rest of {_RESTED / 3600:.0f} h between a full charge and a full discharge (longest {longest / 3600:.2f} h)"
        )
    after = rested[0].discharge
    before = [
        item.discharge for item in fresh if item.discharge.first_row and after.first_row and item.discharge.first_row < after.first_row
    ]
    before = [run for run in before if alike(run, after)]
    if not before:
        return Refused("M149", f"no full discharge without rest, at the same current, before the {after.name}")
    lost = before[-1].capacity - after.capacity
    if lost < _SCATTER * before[-1].capacity:
        return Refused("M149", f"{lost:.4g} Ah lost in {after.rested / 3600:.1f} h, less than two discharges scatter")
    share = lost / before[-1].capacity * 100.0 * _MONTH / after.rested
    without = f"{before[-1].capacity:.6g} Ah without ({told(before[-1])})"
    inputs = f"{after.capacity:.6g} Ah ({told(after)}) after {after.rested / 3600:.1f} h of rest, {without}"
    return Value(share, inputs, row_range([before[-1].evidence, after.evidence]))


def _throughput(what: str, divisor: float) -> Method:
    def of(tested: Tested) -> Value | Refused:
        rows: list[dict[str, Any]] = tested.rows("cycle")
        pairs = [(row[f"charge_{what}"], row[f"discharge_{what}"]) for row in rows]
        unknown = sum(None in pair for pair in pairs)
        if unknown:
            return Refused("M148", f"{unknown} of {len(pairs)} cycles do not say what they moved ({what})")
        inputs = f"all {len(rows)} cycles of {rows[0]['test_id']}: charge_{what} + discharge_{what}"
        return Value(sum(a + b for a, b in pairs) / divisor, inputs, every(rows))

    return of


METHODS: Mapping[str, Method] = {
    "last_capacity": needs_full(_remaining_capacity),
    "last_energy": needs_full(_remaining_energy),
    "capacity_fade": needs_full(_capacity_fade),
    "certified_energy_left": needs_full(_certified),
    "last_efficiency": needs_full(_remaining_rte),
    "efficiency_fade": needs_full(_rte_fade),
    "half_life_efficiency": needs_full(_half_life),
    "cycles_to_threshold": needs_full(_lifetime),
    "cycling_rate": needs_full(_cycle_rate),
    "cycling_charge_rate": needs_full(_charge_rate),
    "cycling_depth": needs_full(_depth),
    "cycling_temperature": _cycle_heat,
    "charge_lost_at_rest": _self_discharge,
    "capacity_throughput": _throughput("capacity_ah", 1.0),
    "energy_throughput": _throughput("energy_wh", 1000.0),
}
"""Derivations from many cycles, by the name in `by`."""
