"""Which measurements of resistance stand for a battery: at which state of charge, in which order, and of what item they tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from bdx.derive.pulses_search import REST
from bdx.derive.tested import Refused, Row, Tested

INSTANTS = (10.0, 18.0, 30.0, 2.0, 0.1)
"""Seconds of pulse in the order they are asked for: IEC 62660-1 and HPPC, ISO 12405-4, HPPC, then the shorter ones."""
MIDDLE = 50.0
"""State of charge (percent) internal resistance is stated at: IEC 62620 6.5 and IEC 62660-1 7.4."""
_WITHIN = 10.0
"""Points of state of charge around the middle within which a measurement counts."""
_SAME_CHARGE, _SAME_HEAT, _SAME_CURRENT = 5.0, 3.0, 0.2
"""Points, kelvin and share within which two measurements have one definition."""
_STRONG = 0.5
"""Share of the largest current of such pulses below which one is left aside: a discharge that sets the state of charge is no pulse."""
_CELL_V = 5.0
"""No single cell of lithium, sodium, lead or nickel has a higher voltage."""
_WHOLE = (0.75, 1.34)
"""Voltage of the tested item over the declared nominal voltage, where the item is the battery,"""
_PART = 0.56
"""and below which it is a part of it."""


def pulses(tested: Tested) -> list[Row]:
    """Return the measurements by pulse that began at rest, in file order."""
    if "resting_pulses" not in tested.memory:
        rows = [row for row in tested.rows("resistance") if row["method"] == "pulse"]
        at_rest = [row for row in rows if abs(row["current_before_a"]) <= REST * abs(row["current_a"])]
        tested.memory["resting_pulses"] = at_rest
    return tested.memory["resting_pulses"]  # type: ignore[no-any-return]


def words(row: Row) -> str:
    """Return a measurement in words: its definition and where it stands."""
    where = f"cycle {row['cycle_count']} of {row['test_id']}" if row["cycle_count"] is not None else str(row["test_id"])
    if row["method"] == "impedance":
        return f"real part of the impedance at {row['frequency_hz']:.4g} Hz in {where}"
    kind = "discharge" if row["current_a"] < 0 else "charge"
    charge = row["state_of_charge_percent"]
    state = f" at {charge:.3g} % state of charge" if charge is not None else " at unknown state of charge"
    heat = f", {row['temperature_c']:.3g} degC" if row["temperature_c"] is not None else ""
    what = f"change of voltage over change of current {row['pulse_s']:.3g} s after a {kind} of {abs(row['current_a']):.4g} A began"
    return f"{what}{state}{heat}, {where}"


def alike(a: Row, b: Row) -> bool:
    """Say whether two pulses measure the same: instant, direction, current, state of charge and, where both have one, temperature."""
    charge, other = a["state_of_charge_percent"], b["state_of_charge_percent"]
    known = charge is not None and other is not None and abs(charge - other) <= _SAME_CHARGE
    heat, others = a["temperature_c"], b["temperature_c"]
    warm = heat is None or others is None or abs(heat - others) <= _SAME_HEAT
    return (
        known
        and warm
        and abs(a["pulse_s"] - b["pulse_s"]) <= 0.1 * a["pulse_s"]
        and abs(a["current_a"] - b["current_a"]) <= _SAME_CURRENT * abs(a["current_a"])
    )


def at_charge(tested: Tested, percent: float, within: float, *, discharges: bool, least_s: float = 0.0) -> list[Row]:
    """Return the pulses near a state of charge, all of the first instant that has any, the nearest strong one of each cycle."""
    some = [row for row in pulses(tested) if row["state_of_charge_percent"] is not None and (row["current_a"] < 0) == discharges]
    some = [row for row in some if abs(row["state_of_charge_percent"] - percent) <= within]
    for instant in INSTANTS:
        here = [row for row in some if instant >= least_s and _of(row, instant)]
        if here:
            most = max(abs(row["current_a"]) for row in here)
            here = [row for row in here if abs(row["current_a"]) >= _STRONG * most]
            nearest: dict[Any, Row] = {}
            for row in here:
                old = nearest.get((row["test_id"], row["cycle_count"]))
                if old is None or abs(row["state_of_charge_percent"] - percent) < abs(old["state_of_charge_percent"] - percent):
                    nearest[row["test_id"], row["cycle_count"]] = row
            return list(nearest.values())
    return []


def _of(row: Row, instant: float) -> bool:
    return abs(row["pulse_s"] - instant) <= 0.01 * instant or (instant == INSTANTS[-1] and row["pulse_s"] <= instant)


def middle(tested: Tested) -> list[Row] | Refused:
    """Return the measurements internal resistance is stated by: pulses around 50 %, discharges first; else spectra."""
    for discharges in (True, False):
        found = at_charge(tested, MIDDLE, _WITHIN, discharges=discharges)
        if found:
            return found
    some = pulses(tested)
    spectra: list[Row] = [row for row in tested.rows("resistance") if row["method"] == "impedance" and row["frequency_hz"] == 1000.0]
    if spectra and not some:
        return spectra
    return _nowhere(tested, MIDDLE, _WITHIN)


def _nowhere(tested: Tested, percent: float, within: float) -> Refused:
    some = pulses(tested)
    if not some:
        mid = sum(row["method"] == "pulse" for row in tested.rows("resistance"))
        return Refused("M165", f"no step of current from rest gives a resistance{f' ({mid} between two currents)' if mid else ''}")
    states = [row["state_of_charge_percent"] for row in some if row["state_of_charge_percent"] is not None]
    if not states:
        return Refused(
            "M165", f"{len(some)} measurements, of none the state of charge is known: no full charge and full discharge in the test"
        )
    near = min(states, key=lambda state: abs(state - percent))
    return Refused("M165", f"{len(some)} measurements, the nearest to {percent:g} % at {near:.3g} %, expected within {within:g} points")


def near_charge(tested: Tested, percent: float, least_s: float) -> list[Row] | Refused:
    """Return the discharge pulses within 5 points of a state of charge."""
    found = at_charge(tested, percent, _SAME_CHARGE, discharges=True, least_s=least_s)
    return found or _nowhere(tested, percent, _SAME_CHARGE)


def ends(rows: Sequence[Row], value: Callable[[Row], float] | None = None) -> tuple[Row, Row] | Refused:
    """Return the first measurement and the last one that is alike, of another cycle or test."""
    first = rows[0]
    same = [row for row in rows[1:] if (row["test_id"], row["cycle_count"]) != (first["test_id"], first["cycle_count"])]
    later = [row for row in same if (row["method"] == "impedance" and first["method"] == "impedance") or _both(first, row)]
    if later:
        return first, later[-1]
    if not same:
        return Refused("M166", f"only one cycle has it: {words(first)}")
    return Refused("M166", f"no later one is like the first; first: {words(first)}; last: {words(same[-1])}")


def _both(a: Row, b: Row) -> bool:
    return a["method"] == b["method"] == "pulse" and alike(a, b)


def level(tested: Tested) -> tuple[str, bool] | Refused:
    """Return whether the tests are of a cell, a module or a pack, and whether that is the battery itself.

    The kind of item that other sources state decides, then the declared nominal voltage against the voltage of the test at rest.
    """
    names = {row.get("item_id") for row in tested.rows("test")} - {None}
    items = [row for row in tested.rows("item") if names & {row.get("item_id"), row.get("serial_number")}]
    kinds = {str(row["item_kind"]) for row in items} & {"cell", "module", "pack"}
    volts = [abs(row["voltage_before_v"]) for row in tested.rows("resistance") if row["voltage_before_v"]]
    volts = volts or [abs(row["voltage_v"]) for row in tested.rows("resistance") if row["voltage_v"]]
    measured = median(volts) if volts else None
    nominal = tested.said.get("nominal_voltage_v")
    whole = bool(nominal and measured and _WHOLE[0] <= measured / float(nominal) <= _WHOLE[1])
    if len(kinds) == 1:
        kind = kinds.pop()
        return kind, whole or kind == "pack"
    if not nominal or measured is None:
        told = f"{measured:.4g} V at rest" if measured else "no voltage at rest"
        return Refused("M164", f"no source states the kind of the tested item or the nominal voltage of the battery; the test has {told}")
    if whole:
        return "pack", True
    if measured <= _PART * float(nominal):
        return ("cell" if measured <= _CELL_V else "module"), False
    return Refused("M164", f"{measured:.4g} V at rest fits neither the battery ({float(nominal):.4g} V nominal) nor a part of it")
