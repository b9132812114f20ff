"""Masks that compare each row of a test with the row before it: clocks and counters."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx.rules.checks import Mask
from bdx.rules.register import check
from bdx.rules.view import View
from bdx.spec import Column


@check("falls", before=1)
def falls(now: pa.Array, before: pa.Array, view: View, facts: Column, *, by: float = 0.0, not_at: tuple[str, ...] = ()) -> Mask:
    """Return where a number or a time (seconds) is more than `by` below the row before it.

    `not_at` names counters: where one of them changes at that row, another rule speaks.
    """
    bad = _drop(view, facts) > by
    if not bad.any():
        return None
    return pa.array(bad & ~_boundary(view, not_at) if any(view.has(name) for name in not_at) else bad)


@check("falls_at", before=1)
def falls_at(now: pa.Array, before: pa.Array, view: View, facts: Column, *, at: tuple[str, ...], by: float = 0.0) -> Mask:
    """Return where a number is more than `by` below the row before it and one of the counters in `at` changes at that row."""
    bad = _drop(view, facts) > by
    if not bad.any() or not any(view.has(name) for name in at):
        return None
    return pa.array(bad & _boundary(view, at))


@check("falls_about", before=1)
def falls_about(now: pa.Array, before: pa.Array, view: View, facts: Column, *, low: float, high: float) -> Mask:
    """Return where a time falls by `low` to `high` seconds."""
    drop = _drop(view, facts)
    return pa.array((drop >= low) & (drop <= high))


@check("falls_otherwise", before=1)
def falls_otherwise(now: pa.Array, before: pa.Array, view: View, facts: Column, *, by: float, low: float, high: float) -> Mask:
    """Return where a time falls by more than `by` seconds, but not by `low` to `high`."""
    drop = _drop(view, facts)
    return pa.array((drop > by) & ~((drop >= low) & (drop <= high)))


@check("repeats", before=1)
def repeats(now: pa.Array, before: pa.Array, view: View, *, beside: tuple[str, ...]) -> Mask:
    """Return where a value equals the row before it and every column of `beside` that is present does too."""
    same = pc.equal(now, before)
    if not same.true_count:
        return None
    present = [name for name in beside if view.has(name)]
    return pc.and_(same, pa.array(~view.changed(*present)))


@check("jumps", before=1)
def jumps(now: pa.Array, before: pa.Array, *, by: int) -> Mask:
    """Return where a counter rises by more than `by` between two rows."""
    return pc.greater(pc.subtract(now, before), by)


@check("outruns", before=1)
def outruns(now: pa.Array, before: pa.Array, view: View, facts: Column, *, clock: str, by: float) -> Mask:
    """Return where the column advances by `by` seconds more than the column `clock` does."""
    if not view.has(clock):
        return None
    mine = view.floats(facts.name) - view.floats_before(facts.name)
    other = view.floats(clock) - view.floats_before(clock)
    return pa.array((mine - other > by) & (other >= 0))


def _drop(view: View, facts: Column) -> Any:
    return view.floats_before(facts.name) - view.floats(facts.name)


def _boundary(view: View, counters: tuple[str, ...]) -> Any:
    return view.changed(*counters)
