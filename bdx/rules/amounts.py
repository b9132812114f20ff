"""Masks over single rows of a test: dates and amounts that cannot be, alone or beside another column."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.rules.checks import Mask
from bdx.rules.register import check
from bdx.rules.view import Span, View
from bdx.spec import Column


@check("before_moment")
def before_moment(now: pa.Array, view: View, facts: Column, *, moment: str) -> Mask:
    """Return where a wall clock, in seconds or as a time, is before a moment in UTC."""
    bad = view.floats(facts.name) < datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    return pa.array(bad) if bad.any() else None


@check("after_now")
def after_now(now: pa.Array, view: View, facts: Column, *, days: float, ceiling: float) -> Mask:
    """Return where a wall clock is more than `days` ahead of this computer; from `ceiling` seconds on another rule speaks.

    SOURCE_DATE_EPOCH stands in for the clock of the computer where it is set, so that a run can be repeated.
    """
    values = view.floats(facts.name)
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    bad = values > (float(epoch) if epoch.isdigit() else datetime.now(UTC).timestamp()) + days * 86400.0
    return pa.array(bad & (values < ceiling)) if bad.any() else None


@check("above")
def above(now: pa.Array, span: Span, *, limit: float, ceiling: float = float("inf")) -> Mask:
    """Return where a number is above `limit`; from `ceiling` on another rule speaks."""
    return None if span[1] <= limit else pc.and_(pc.greater(now, limit), pc.less(now, ceiling))


@check("drop_beyond_voltage")
def drop_beyond_voltage(now: pa.Array, view: View, facts: Column, *, current: str, voltage: str, times: float, least_ampere: float) -> Mask:
    """Return where a resistance times the current is more than `times` the voltage, under at least `least_ampere`."""
    if not (view.has(current) and view.has(voltage)):
        return None
    amperes, volts = np.abs(view.floats(current)), np.abs(view.floats(voltage))
    bad = (amperes >= least_ampere) & (volts > 0) & (view.floats(facts.name) * amperes > times * volts)
    return pa.array(bad) if bad.any() else None


@check("mean_outside")
def mean_outside(now: pa.Array, low: pa.Array, high: pa.Array, amount: pa.Array, *, share: float, least: float) -> Mask:
    """Return where a mean is below `low` or above `high` by more than a share of it, over an amount worth judging."""
    slack = pc.multiply(pc.abs(now), share)
    out = pc.or_(pc.less(pc.add(now, slack), low), pc.greater(pc.subtract(now, slack), high))
    return pc.and_(pc.greater_equal(amount, least), out)


@check("per_mass_beyond")
def per_mass_beyond(now: pa.Array, mass: pa.Array, *, scale: float, limit: float, defaults: tuple[str, ...] = ()) -> Mask:
    """Return where an amount per mass, times `scale`, is above `limit`; masses in `defaults` were never entered."""
    entered = pc.and_(pc.greater(mass, 0), pc.invert(pc.is_in(mass, pa.array([float(text) for text in defaults], pa.float64()))))
    return pc.and_(entered, pc.greater(pc.divide(pc.multiply(now, scale), mass), limit))
