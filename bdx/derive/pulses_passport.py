"""Internal resistance, its increase, power and its fade, from measurements of resistance: the derivations by their name in the specs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bdx.derive.performance_runs import window
from bdx.derive.pulses_pick import ends, level, middle, near_charge, words
from bdx.derive.tested import Method, Refused, Row, Tested, Value, row_range

_LEAST_S = 2.0
"""Seconds of pulse from which on a resistance tells power: at once only the ohmic part of it has answered."""
_SAME = 0.1
"""Percent below which two measurements of a power do not differ."""


def _of(kind: str, method: Method) -> Method:
    """Return the derivation for tests of a cell, a module or a pack; refuses tests of another item."""

    def of(tested: Tested) -> Value | Refused:
        found = level(tested)
        if isinstance(found, Refused):
            rows = middle(tested)
            return rows if isinstance(rows, Refused) else found
        if found[0] != kind:
            return Refused("M164", f"the tested item is a {found[0]}, not a {kind}")
        return method(tested)

    return of


def _measured(rows: Sequence[Row], place: int) -> Value:
    row = rows[place]
    return Value(row["resistance_ohm"], words(row), row_range([row]))


def _initial(tested: Tested) -> Value | Refused:
    rows = middle(tested)
    return rows if isinstance(rows, Refused) else _measured(rows, 0)


def _present(tested: Tested) -> Value | Refused:
    rows = middle(tested)
    if isinstance(rows, Refused):
        return rows
    last = ends(rows)
    if isinstance(last, Refused):
        return _measured(rows, 0) if len(rows) == 1 else last
    return _measured(last, 1)


def _increase(tested: Tested) -> Value | Refused:
    rows = middle(tested)
    both = rows if isinstance(rows, Refused) else ends(rows)
    if isinstance(both, Refused):
        return both
    was, now = both[0]["resistance_ohm"], both[1]["resistance_ohm"]
    inputs = f"{now:.6g} ohm ({words(both[1])}) against {was:.6g} ohm ({words(both[0])})"
    return Value((now / was - 1) * 100.0, inputs, row_range(both))


def _heat(tested: Tested) -> Value | Refused:
    return _heat_of(middle(tested))


def _power_heat(tested: Tested) -> Value | Refused:
    found = _powers(tested, 80.0)
    return _heat_of(found if isinstance(found, Refused) else found[0])


def _heat_of(rows: Sequence[Row] | Refused) -> Value | Refused:
    if isinstance(rows, Refused):
        return rows
    if rows[0]["temperature_c"] is None:
        return Refused("M165", f"no temperature was recorded: {words(rows[0])}")
    return Value(rows[0]["temperature_c"], f"warmest sensor; {words(rows[0])}", row_range([rows[0]]))


def _powers(tested: Tested, percent: float) -> tuple[list[Row], float] | Refused:
    """Return the pulses near a state of charge and the lower limit of voltage, where the tested item is the battery itself."""
    rows = near_charge(tested, percent, _LEAST_S)
    if isinstance(rows, Refused):
        return rows
    found = level(tested)
    if isinstance(found, Refused):
        return found
    if not found[1]:
        return Refused("M164", f"the tested item is a {found[0]}, a part of the battery: its power is not that of the battery")
    limits = window(tested)
    declared = tested.said.get("min_voltage_v")
    if limits.refused is not None and not declared:
        return Refused("M165", f"the lower limit of voltage is not known: {limits.refused.why}")
    lower = float(declared) if declared else limits.lower
    flat = [row for row in rows if row["voltage_before_v"] <= lower]
    return (
        Refused("M165", f"{flat[0]['voltage_before_v']:.4g} V at rest is not above the limit of {lower:.4g} V") if flat else (rows, lower)
    )


def _power(row: Row, lower: float) -> Value:
    """Return the power at which the lower limit would be reached at the instant of the pulse, were resistance the same at that current."""
    current = (row["voltage_before_v"] - lower) / row["resistance_ohm"]
    how = f"{lower:.4g} V x ({row['voltage_before_v']:.5g} V - {lower:.4g} V) / {row['resistance_ohm']:.5g} ohm"
    beyond = f"{current:.4g} A, {current / abs(row['current_a']):.2g} times the current of the pulse"
    return Value(lower * current, f"{how} = power at the lower limit of voltage, at {beyond}; {words(row)}", row_range([row]))


def _original(percent: float) -> Method:
    def of(tested: Tested) -> Value | Refused:
        found = _powers(tested, percent)
        return found if isinstance(found, Refused) else _power(found[0][0], found[1])

    return of


def _both_powers(tested: Tested) -> tuple[Row, Row, float] | Refused:
    """Return the first and the last pulse at 80 %, else at 20 %, and the lower limit."""
    first: Refused | None = None
    for percent in (80.0, 20.0):
        found = _powers(tested, percent)
        both = found if isinstance(found, Refused) else ends(found[0])
        if not isinstance(found, Refused) and not isinstance(both, Refused):
            return both[0], both[1], found[1]
        first = first or (both if isinstance(both, Refused) else None)
    return first or Refused("M165", "no power")


def _remaining(tested: Tested) -> Value | Refused:
    found = _both_powers(tested)
    return found if isinstance(found, Refused) else _power(found[1], found[2])


def _remaining_at(tested: Tested) -> Value | Refused:
    found = _both_powers(tested)
    if isinstance(found, Refused):
        return found
    return Value(found[1]["state_of_charge_percent"], words(found[1]), row_range([found[1]]))


def _fade(tested: Tested) -> Value | Refused:
    found = _both_powers(tested)
    if isinstance(found, Refused):
        return found
    was, now = _power(found[0], found[2]), _power(found[1], found[2])
    share = (1 - now.value / was.value) * 100.0
    inputs = f"{now.value:.6g} W ({now.inputs}) against {was.value:.6g} W ({was.inputs})"
    if share < _SAME:
        return Refused("M166", f"power fell by {share:.2g} %, less than two measurements scatter: {inputs}")
    return Value(share, inputs, row_range(found[:2]))


METHODS: Mapping[str, Method] = {
    **{f"pulse_resistance_{kind}": _of(kind, _initial) for kind in ("cell", "module", "pack")},
    **{f"last_resistance_{kind}": _of(kind, _present) for kind in ("cell", "module", "pack")},
    **{f"resistance_increase_{kind}": _of(kind, _increase) for kind in ("cell", "module", "pack")},
    "resistance_temperature": _heat,
    "power_temperature": _power_heat,
    "power_at_80": _original(80.0),
    "power_at_20": _original(20.0),
    "last_power": _remaining,
    "last_power_charge": _remaining_at,
    "power_fade": _fade,
}
"""The closed list of derivations from resistance, by the name in `by`."""
