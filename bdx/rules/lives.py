"""Masks over the life of a battery: dates, status and history, counters and measured values against its age and its rated ones."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from bdx.rules.checks import Mask, Told
from bdx.rules.register import check
from bdx.rules.view import View, number, numbers_of, texts_of
from bdx.spec import Column

_DAY = 86_400_000_000
_NIL = r"(?i)(?:0{8}-(?:0{4}-){3}0{12}|^\s*(?:null|none|nil|n/?a|-|0)?\s*)$"
"""A predecessor that schemas demand and no battery has: the nil UUID, a word for nothing, or nothing."""


def now_us() -> int:
    """Return this moment in microseconds since 1970, by SOURCE_DATE_EPOCH where it is set, so that a run can be repeated."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(epoch) * 1_000_000 if epoch.isdigit() else int(datetime.now(UTC).timestamp() * 1e6)


def _moment(values: pa.Array) -> pa.Array:
    """Return dates and times as moments in UTC, a date as its beginning."""
    wanted = pa.timestamp("us", tz="UTC")
    return values if values.type == wanted else values.cast(pa.timestamp("us")).cast(wanted)


def _days(number: float) -> pa.Scalar:
    return pa.scalar(int(number * _DAY), pa.duration("us"))


def _told_predecessor(names: pa.Array) -> pa.BooleanArray:
    return pc.and_not(pc.is_valid(names), pc.match_substring_regex(names, _NIL).fill_null(fill_value=False))


@check("dated_ahead", applies=lambda column: column.type in ("date", "timestamp"))
def dated_ahead(now: pa.Array, *, days: float) -> Mask:
    """Return where a date or time lies more than a number of days after the moment of the run, or after SOURCE_DATE_EPOCH."""
    limit = pa.scalar(now_us() + int(days * _DAY), pa.timestamp("us", tz="UTC"))
    return pc.greater(_moment(now), limit)


@check("earlier_than_values")
def earlier_than_values(now: pa.Array, view: View, facts: Column, *, days: float) -> Told:
    """Return where the last update lies more than a number of days before the latest time of a value, and that time."""
    names = [name for name in view.names() if name.endswith("_time") and name != facts.name and view.array(name).null_count < view.rows]
    if not names:
        return None
    latest = pc.max_element_wise(*[view.array(name).cast(pa.int64()) for name in names]).cast(now.type)
    bad = pc.greater(pc.subtract(latest, now), _days(days)).fill_null(fill_value=False)
    return (bad, {"latest": latest}) if bad.true_count else None


@check("longer_than_life", applies=lambda column: column.type == "int64")
def longer_than_life(now: pa.Array, made: pa.Array, at: pa.Array, *, days: float) -> Mask:
    """Return where minutes counted are more than those since the battery was made, up to the moment of counting and some days."""
    life = pc.add(pc.subtract(_moment(at), _moment(made)), _days(days)).cast(pa.int64())
    return pc.greater(now, pc.divide(life, 60_000_000))


@check("above_other")
def above_other(now: pa.Array, other: pa.Array) -> Mask:
    """Return where a number is above another column of the same type."""
    return pc.greater(now, other)


@check("below_share")
def below_share(now: pa.Array, first: pa.Array, *, share: float) -> Mask:
    """Return where a positive number is below a share of the first value that was found."""
    return pc.and_(pc.greater(now, number(0.0)), pc.less(now, pc.multiply(first, number(share))))


@check("beyond_both")
def beyond_both(now: pa.Array, one: pa.Array, other: pa.Array | None = None, *, times: float) -> Mask:
    """Return where a number is above `times` the larger of two."""
    return pc.greater(now, pc.multiply(one if other is None else pc.max_element_wise(one, other), number(times)))


@check("fits_no_fade")
def fits_no_fade(
    now: pa.Array, present: pa.Array, first: pa.Array, second: pa.Array | None = None, charge: pa.Array | None = None, *, points: float
) -> Mask:
    """Return where a fade in percent is neither the loss relative to the first value, nor to the second, nor their difference.

    `charge` is the state of charge of the present value; only 80 and 20 percent, where first values are given, are judged.
    """
    fits = pa.repeat(pa.scalar(False), len(now))
    for begin in (first,) if second is None else (first, second):
        lost = pc.subtract(begin, present)
        for fade in (pc.multiply(pc.divide(lost, begin), number(100.0)), lost):
            fits = pc.or_(fits, pc.less_equal(pc.abs(pc.subtract(now, fade)), number(points)).fill_null(fill_value=False))
    judged = pc.and_(pc.is_valid(present), pc.greater(first, number(0.0)))
    if charge is not None:
        judged = pc.and_(judged, pc.is_in(charge.fill_null(80.0), numbers_of((80.0, 20.0))))
    return pc.and_(judged, pc.invert(fits))


@check("without_predecessor", nulls=True)
def without_predecessor(now: pa.Array, state: pa.Array, *, states: tuple[str, ...]) -> Mask:
    """Return where a battery in one of `states` names no earlier passport; the nil UUID names none."""
    return pc.and_not(pc.is_in(state, texts_of(states)), _told_predecessor(now))


@check("unfit_predecessor")
def unfit_predecessor(now: pa.Array, state: pa.Array, *, states: tuple[str, ...]) -> Mask:
    """Return where a battery in one of `states`, its first life, names an earlier passport."""
    return pc.and_(_told_predecessor(now), pc.is_in(state, texts_of(states)))


@check("faded_when_new")
def faded_when_new(now: pa.Array, state: pa.Array, since: pa.Array | None = None, cycles: pa.Array | None = None, *, limit: float) -> Mask:
    """Return where an original battery that no date and no cycle says was in use has lost more than a limit."""
    bad = pc.and_(pc.greater(now, number(limit)), pc.equal(state, "original"))
    if since is not None:
        bad = pc.and_(bad, pc.is_null(since))
    return bad if cycles is None else pc.and_(bad, pc.equal(pc.fill_null(cycles, 0), 0))


@check("below_in_state")
def below_in_state(now: pa.Array, whole: pa.Array, state: pa.Array, *, states: tuple[str, ...], share: float) -> Mask:
    """Return where a number is below a share of another in a row in one of `states`."""
    judged = pc.and_(pc.greater(whole, number(0.0)), pc.is_in(state, texts_of(states)))
    return pc.and_(judged, pc.less(now, pc.multiply(whole, number(share))))


@check("given_in", nulls=False)
def given_in(now: pa.Array, kind: pa.Array, *, kinds: tuple[str, ...]) -> Mask:
    """Return where a value is given in a row whose kind is one of `kinds`."""
    return pc.and_(pc.is_valid(now), pc.is_in(kind, texts_of(kinds)))
