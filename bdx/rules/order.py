"""Masks that compare each row of a test with the row before it: clocks and counters."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.rules.checks import Mask
from bdx.rules.register import check
from bdx.rules.view import TIME, Floats, Span, View
from bdx.spec import Column


@check("falls", before=1)
def falls(now: pa.Array, before: pa.Array, view: View, facts: Column, *, by: float = 0.0, not_at: tuple[str, ...] = ()) -> Mask:
    """Return where a number or a time (seconds) is more than `by` below the row before it.

    `not_at` names counters: where one of them changes at that row, another rule speaks.
    """
    bad = _rise(now, before, view, facts) < -by
    if not bad.any():
        return None
    return pa.array(bad & ~_boundary(view, not_at) if any(view.has(name) for name in not_at) else bad)


@check("falls_at", before=1)
def falls_at(now: pa.Array, before: pa.Array, view: View, facts: Column, *, at: tuple[str, ...], by: float = 0.0) -> Mask:
    """Return where a number is more than `by` below the row before it and one of the counters in `at` changes at that row."""
    bad = view.delta(facts.name) < -by
    if not bad.any() or not any(view.has(name) for name in at):
        return None
    return pa.array(bad & _boundary(view, at))


@check("falls_about", before=1)
def falls_about(now: pa.Array, before: pa.Array, view: View, facts: Column, *, low: float, high: float) -> Mask:
    """Return where a time falls by `low` to `high` seconds."""
    rise = view.delta(facts.name)
    bad = rise <= -low
    return pa.array(bad & (rise >= -high)) if bad.any() else None


@check("falls_otherwise", before=1)
def falls_otherwise(now: pa.Array, before: pa.Array, view: View, facts: Column, *, by: float, low: float, high: float) -> Mask:
    """Return where a time falls by more than `by` seconds, but not by `low` to `high`."""
    rise = view.delta(facts.name)
    bad = rise < -by
    return pa.array(bad & ~((rise <= -low) & (rise >= -high))) if bad.any() else None


@check("repeats", before=1)
def repeats(now: pa.Array, before: pa.Array, view: View, *, beside: tuple[str, ...]) -> Mask:
    """Return where a value equals the row before it and every column of `beside` that is present does too."""
    same = pc.equal(now, before)
    if not same.true_count:
        return None
    present = [name for name in beside if view.has(name)]
    return pc.and_(same, pa.array(~view.changed(*present)))


@check("jumps", before=1)
def jumps(now: pa.Array, before: pa.Array, view: View, facts: Column, *, by: int) -> Mask:
    """Return where a counter rises by more than `by` between two rows."""
    bad = _rise(now, before, view, facts) > by
    return pa.array(bad) if bad.any() else None


@check("outruns", before=1)
def outruns(now: pa.Array, before: pa.Array, view: View, facts: Column, *, clock: str, by: float, ceiling: float = 1e11) -> Mask:
    """Return where the column advances by `by` seconds more than the column `clock` does; from `ceiling` on another rule speaks."""
    if not view.has(clock):
        return None
    mine = view.delta(facts.name)
    if not np.nanmax(mine, initial=-np.inf) > by:
        return None
    other = view.delta(clock)
    return pa.array((mine - other > by) & (other >= 0) & (view.floats(facts.name) < ceiling))


@check("falls_inside", before=1)
def falls_inside(
    now: pa.Array,
    before: pa.Array,
    view: View,
    facts: Column,
    *,
    by: float,
    inside: str,
    else_inside: tuple[str, ...] = (),
    beside: tuple[str, ...] = (),
) -> Mask:
    """Return where a number is more than `by` below the row before it though the counter `inside` goes on with the same value.

    A source without `inside` is judged where all of `else_inside` stay and a column that fits one of the globs `beside`, which
    would begin anew with the step, goes on from above zero while none falls.
    """
    bad = view.delta(facts.name) < -by
    if not bad.any():
        return None
    if view.has(inside):
        return pa.array(bad & ~view.changed(inside))
    others = [name for name in view.names() if name != facts.name and any(fnmatchcase(name, glob) for glob in beside)]
    if not others or not any(view.has(name) for name in else_inside):
        return None
    goes_on, falls = np.zeros(view.rows, dtype=bool), view.changed(*else_inside).copy()
    for name in others:
        goes_on |= (view.floats_before(name) > 0) & (view.delta(name) >= 0)
        falls |= view.delta(name) < 0
    return pa.array(bad & goes_on & ~falls)


@check("does_not_rise", before=1)
def does_not_rise(now: pa.Array, before: pa.Array, view: View, facts: Column, *, above: float) -> Mask:
    """Return where a number is not above the row before it; one that is not above `above` begins a new count.

    A row that keeps both number and test time is a second reading of one record, or a row written twice: another rule speaks.
    """
    bad = view.delta(facts.name) <= 0
    if not bad.any():
        return None
    bad &= view.floats(facts.name) > above
    if view.has(TIME):
        bad &= ~((view.delta(facts.name) == 0) & (view.delta(TIME) == 0))
    return pa.array(bad)


@check("begins_beyond")
def begins_beyond(now: pa.Array, view: View, *, limit: float, unless_beyond: float = float("inf")) -> Mask:
    """Return where the first row of a test is above `limit`; from `unless_beyond` on another rule speaks."""
    fresh = view.fresh()
    if not fresh.any():
        return None
    return pc.and_(pa.array(fresh), pc.and_(pc.greater(now, limit), pc.less(now, unless_beyond)))


@check("leaps", before=1)
def leaps(
    now: pa.Array, before: pa.Array, view: View, facts: Column, span: Span, *, by: float, within: float, low: float, high: float
) -> Mask:
    """Return where a value within `low` and `high` moves by more than `by` in at most `within` seconds, from another such value."""
    if span[1] - span[0] <= by and abs(view.delta(facts.name)[0]) <= by:
        return None
    found, earlier = view.floats(facts.name), view.floats_before(facts.name)
    bad = np.abs(view.delta(facts.name)) > by
    if not bad.any() or not view.has(TIME):
        return None
    bad &= (view.delta(TIME) >= 0) & (view.delta(TIME) <= within)
    return pa.array(bad & (found >= low) & (found <= high) & (earlier >= low) & (earlier <= high))


@check("changes_alone", before=1)
def changes_alone(now: pa.Array, before: pa.Array, view: View, facts: Column, *, counter: str) -> Mask:
    """Return where a value changes between two rows of a test though `counter` stays."""
    if not view.has(counter):
        return None
    bad = view.changed(facts.name) & ~view.changed(counter)
    if not bad.any():
        return None
    return pc.and_(pa.array(bad), pc.and_(pc.is_valid(now), pc.is_valid(before)))


@check("off_ordinal", before=1)
def off_ordinal(now: pa.Array, before: pa.Array, view: View, facts: Column, *, within: str, records: str) -> Mask:
    """Return where a number does not begin with 0 or 1 at a change of `within` and rise by 1 elsewhere.

    Where `records` jumps too, another rule speaks; the first row of a test may be any.
    """
    if not view.has(within):
        return None
    begins = view.changed(within)
    rise = view.delta(facts.name)
    bad = np.where(begins, view.floats(facts.name) > 1, np.isfinite(rise) & (rise != 1)) & ~view.fresh()
    if bad.any() and view.has(records):
        bad &= ~(view.delta(records) > 1)
    return pa.array(bad)


def _rise(now: pa.Array, before: pa.Array, view: View, facts: Column) -> Floats:
    """Return by how much each row is above the row before it; counters that stand still in most rows are looked at where they move."""
    if not facts.type.startswith("int"):
        return view.delta(facts.name)
    if np.count_nonzero(view.changed(facts.name)) > view.rows // 8:
        return view.delta(facts.name)
    places = pa.array(view.starts(facts.name))
    rise = np.zeros(view.rows)
    moved = pc.subtract(now.take(places), before.take(places)).cast(pa.float64())
    rise[places.to_numpy()] = moved.to_numpy(zero_copy_only=False)
    return rise


def _boundary(view: View, counters: tuple[str, ...]) -> Any:
    return view.changed(*counters)
