"""Masks over amounts whose size betrays another unit or a mix-up, each with the advice that its size suggests."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.rules.checks import Mask, Told
from bdx.rules.register import check
from bdx.rules.view import Floats, View
from bdx.spec import Column


def _is_number(column: Column) -> bool:
    return column.type in ("float64", "int32", "int64")


@cache
def _slips(slips: tuple[str, ...]) -> tuple[tuple[float, str], ...]:
    """Return factors and what they mean: "1000 it looks like kW" says that the value was divided by 1000."""
    return tuple((float(text.partition(" ")[0]), text.partition(" ")[2]) for text in slips)


def advised(ratio: Floats, low: Floats | float, high: Floats | float, slips: tuple[str, ...]) -> pa.Array:
    """Return for each ratio the words of the first slip whose factor brings it between `low` and `high`, else nothing."""
    words = np.full(len(ratio), "", dtype=object)
    for factor, text in reversed(_slips(slips)):
        moved = ratio * factor
        words[(moved >= low) & (moved <= high)] = f"; {text}"
    return pa.array(words, pa.string())


@check("off_scale", applies=_is_number)
def off_scale(
    view: View,
    facts: Column,
    now: pa.Array,
    over: pa.Array | None = None,
    *,
    low: float,
    high: float,
    scale: float = 1.0,
    beyond: float = 1e30,
    slips: tuple[str, ...] = (),
) -> Told:
    """Return where a positive amount, times `scale` and over another where one is named, is not within `low` and `high`, with advice.

    From `beyond` on another rule speaks. Where the row lacks the other amount it is not judged.
    """
    values = view.floats(facts.name)
    ratio = values * scale if over is None else values * scale / over.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    bad = np.isfinite(ratio) & (ratio > 0) & (values > 0) & (values < beyond) & ((ratio < low) | (ratio > high))
    return (pa.array(bad), {"ratio": pa.array(ratio), "advice": advised(ratio, low, high, slips)}) if bad.any() else None


@check("off_product")
def off_product(
    now: pa.Array, first: pa.Array, second: pa.Array, *, scale: float, share: float, slips: tuple[str, ...] = (), same: str = ""
) -> Told:
    """Return where a value differs from first * second * scale by more than a share of that product, with advice.

    `same` is the advice where the value is that of `first`.
    """
    amount, one, other = (values.to_numpy(zero_copy_only=False) for values in (now, first, second))
    ratio = amount / (one * other * scale)
    bad = (one * other * scale > 0) & (np.abs(ratio - 1) > share)
    if not bad.any():
        return None
    words = advised(ratio, 1 - share, 1 + share, slips)
    return pa.array(bad), {"advice": pc.if_else(pa.array(np.isclose(amount, one)), f"; {same}", words) if same else words}


@check("drop_of_rated_current", applies=_is_number)
def drop_of_rated_current(now: pa.Array, capacity: pa.Array, voltage: pa.Array, *, share: float, slips: tuple[str, ...] = ()) -> Told:
    """Return where a resistance takes more than a share of the voltage under the current that empties the battery in an hour."""
    drop = (now.to_numpy(False) * capacity.to_numpy(False)) / voltage.to_numpy(False)
    bad = np.isfinite(drop) & (drop > share)
    return (pa.array(bad), {"advice": advised(drop, 0.0, share, slips)}) if bad.any() else None


@check("same_as_energy")
def same_as_energy(now: pa.Array, energy: pa.Array, rated: pa.Array, voltage: pa.Array, *, low: float, high: float) -> Mask:
    """Return where a capacity is less than `low` of the rated one and reads as its energy: as given, or rated capacity times voltage.

    `high` is the share of the rated energy up to which it does.
    """
    value, full = now.to_numpy(False), rated.to_numpy(False)
    kwh = full * voltage.to_numpy(False) / 1000.0
    like = np.isclose(value, energy.to_numpy(False), rtol=0.01) | ((value > 0.5 * kwh) & (value < high * kwh))
    bad = (value > 0) & (value < low * full) & like
    return pa.array(bad) if bad.any() else None


@check("not_celsius", applies=_is_number)
def not_celsius(now: pa.Array, *, low: float, high: float) -> Told:
    """Return where a temperature is not within `low` and `high` degrees Celsius, and whether it would be in kelvin or fahrenheit."""
    value = now.to_numpy(zero_copy_only=False)
    bad = (value < low) | (value > high)
    if not bad.any():
        return None
    words = np.full(len(value), "", dtype=object)
    fahrenheit = (value - 32) / 1.8
    words[(fahrenheit >= low) & (fahrenheit <= high)] = "; it looks like degrees Fahrenheit"
    words[(value >= low + 273.15) & (value <= high + 273.15)] = "; it looks like kelvin"
    return pa.array(bad), {"advice": pa.array(words, pa.string())}


@check("implausible_density")
def implausible_density(
    now: pa.Array, length: pa.Array, width: pa.Array, height: pa.Array, *, low: float, high: float, slips: tuple[str, ...] = ()
) -> Told:
    """Return where a mass (kg) over the box that holds it (mm) is not within `low` and `high` kg per litre, with advice."""
    volume = np.prod([values.to_numpy(False) for values in (length, width, height)], axis=0) * 1e-6
    ratio = now.to_numpy(False) / volume
    bad = np.isfinite(ratio) & (ratio > 0) & ((ratio < low) | (ratio > high))
    return (pa.array(bad), {"ratio": pa.array(ratio), "advice": advised(ratio, low, high, slips)}) if bad.any() else None


@check("beyond_own_limit", applies=_is_number)
def beyond_own_limit(view: View, facts: Column, now: pa.Array, *, limits: tuple[str, ...], ceiling: float) -> Told:
    """Return where an amount is above the limit of its column, and that limit; from `ceiling` on another rule speaks.

    `limits` holds "column limit".
    """
    limit = _limits(limits).get(facts.name)
    if limit is None:
        return None
    values = view.floats(facts.name)
    bad = (values > limit) & (values < ceiling)
    return (pa.array(bad), {"limit": pa.repeat(limit, len(values))}) if bad.any() else None


@cache
def _limits(limits: tuple[str, ...]) -> dict[str, float]:
    return {name: float(number) for name, number in (text.split() for text in limits)}
