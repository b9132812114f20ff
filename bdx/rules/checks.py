"""Pure masks over single rows: columns in, True where a row is bad; a null is never bad unless the check is about nulls."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.rules.register import check
from bdx.rules.view import Span, View, number, texts_of
from bdx.spec import Column

Mask: TypeAlias = pa.BooleanArray | None
"""True = bad row; None where no row can be."""

Told: TypeAlias = tuple[pa.BooleanArray, dict[str, pa.Array]] | Mask
"""A mask, beside it arrays of the same length that fill the message: what was reckoned, what to do."""


def _is_float(column: Column) -> bool:
    return column.type == "float64"


def _is_number(column: Column) -> bool:
    return column.type in ("float64", "int32", "int64") and (column.minimum is not None or column.maximum is not None)


# --- any table, from the facts of its columns


@check("missing", applies=lambda column: column.required, nulls=True)
def missing(now: pa.Array, view: View, facts: Column, *, not_first: tuple[str, ...] = ()) -> Mask:
    """Return where a required value is null; columns in `not_first` may lack it in the first row of a test."""
    if not now.null_count:
        return None
    absent = pc.is_null(now)
    return pc.and_not(absent, pa.array(view.fresh())) if facts.name in not_first and view.table == "timeseries" else absent


@check("not_in_list", applies=lambda column: bool(column.enum), texts=True)
def not_in_list(now: pa.Array, facts: Column) -> Mask:
    """Return where a value is not one of the column's list."""
    return pc.and_(pc.is_valid(now), pc.invert(pc.is_in(now, texts_of(facts.enum))))


@check("out_of_limits", applies=_is_number)
def out_of_limits(now: pa.Array, facts: Column, span: Span) -> Mask:
    """Return where a finite number lies outside the column's minimum and maximum."""
    low = float("-inf") if facts.minimum is None else facts.minimum
    high = float("inf") if facts.maximum is None else facts.maximum
    if low <= span[0] and span[1] <= high:
        return None
    values = now.cast(pa.float64(), safe=False)
    return pc.and_(pc.is_finite(values), pc.or_(pc.less(values, number(low)), pc.greater(values, number(high))))


@check("not_as_pattern", applies=lambda column: bool(column.pattern), texts=True)
def not_as_pattern(now: pa.Array, facts: Column) -> Mask:
    """Return where a text does not have the column's form."""
    return pc.invert(pc.match_substring_regex(now, facts.pattern))


@check("not_finite", applies=_is_float)
def not_finite(now: pa.Array, view: View, facts: Column) -> Mask:
    """Return where a float is NaN or infinite."""
    if np.isfinite(view.floats(facts.name).sum()):
        return None
    finite = pc.is_finite(now)
    return None if finite.true_count == len(now) - now.null_count else pc.invert(finite)


@check("beyond", applies=_is_float)
def beyond(now: pa.Array, span: Span, *, limit: float, ceiling: float = float("inf")) -> Mask:
    """Return where a finite number is larger than `limit` in magnitude; from `ceiling` on another rule speaks."""
    if -limit <= span[0] and span[1] <= limit:
        return None
    size = pc.abs(now)
    return pc.and_(pc.is_finite(now), pc.and_(pc.greater(size, number(limit)), pc.less_equal(size, ceiling)))


@check("outside", applies=_is_float)
def outside(now: pa.Array, span: Span, *, low: float, high: float, floor: float = float("-inf")) -> Mask:
    """Return where a finite number is above `high` or below `low`; below `floor` another rule speaks."""
    if low <= span[0] and span[1] <= high:
        return None
    bad = pc.or_(pc.greater(now, number(high)), pc.and_(pc.less(now, number(low)), pc.greater_equal(now, floor)))
    return pc.and_(pc.is_finite(now), bad)


@check("share_of_one", applies=_is_float)
def share_of_one(now: pa.Array) -> Mask:
    """Return where a number is above 0 and at most 1."""
    return pc.and_(pc.greater(now, number(0.0)), pc.less_equal(now, number(1.0)))


@check("not_of_codes", texts=True)
def not_of_codes(now: pa.Array, *, codes: tuple[str, ...]) -> Mask:
    """Return where a text is not one of `codes`."""
    return pc.and_(pc.is_valid(now), pc.invert(pc.is_in(now, texts_of(codes))))


@check("one_of", texts=True)
def one_of(now: pa.Array, *, values: tuple[str, ...]) -> Mask:
    """Return where a text is one of `values`."""
    return pc.is_in(now, texts_of(values))


@check("is_true")
def is_true(now: pa.Array) -> Mask:
    """Return where a flag is set."""
    return now


@check("blanks_around", applies=lambda column: column.type == "string", texts=True)
def blanks_around(now: pa.Array) -> Mask:
    """Return where a text begins or ends with a blank, or holds a line break or another control character."""
    return pc.match_substring_regex(now, r"^\s|\s$|[\x00-\x1f\x7f]|^\x{A0}|\x{A0}$")


# --- several columns of one row


@check("out_of_order", nulls=True)
def out_of_order(now: pa.Array, low: pa.Array | None = None, high: pa.Array | None = None) -> Mask:
    """Return where low <= now <= high does not hold, each pair judged where both are given."""
    pairs = [(low, now), (now, high), (low, high)]
    masks = [pc.greater(a, b).fill_null(fill_value=False) for a, b in pairs if a is not None and b is not None]
    return _any(masks)


@check("exceeds")
def exceeds(now: pa.Array, limit: pa.Array, *, times: float = 1.0) -> Mask:
    """Return where a value is above `times` another column; a multiple is taken of positive numbers only."""
    if times == 1.0:
        return pc.greater(now, limit)
    # Integers beyond 2^53 would not convert by themselves.
    most = pc.multiply(limit.cast(pa.float64(), safe=False), number(times))
    return pc.and_(pc.greater(most, number(0.0)), pc.greater(now.cast(pa.float64(), safe=False), most))


@check("same_as")
def same_as(now: pa.Array, other: pa.Array) -> Mask:
    """Return where two texts are equal."""
    return pc.equal(now, other)


@check("sum_exceeds")
def sum_exceeds(now: pa.Array, other: pa.Array, *, limit: float) -> Mask:
    """Return where two columns add up to more than `limit`."""
    return pc.greater(pc.add(now, other), number(limit))


@check("off_fade")
def off_fade(now: pa.Array, first: pa.Array, present: pa.Array, *, points: float) -> Mask:
    """Return where a fade in percent differs from (1 - present / first) * 100 by more than `points`."""
    fade = pc.multiply(pc.subtract(number(1.0), pc.divide(present, first)), number(100.0))
    return pc.and_(pc.greater(first, number(0.0)), pc.greater(pc.abs(pc.subtract(now, fade)), number(points)))


@check("beyond_while_below")
def beyond_while_below(now: pa.Array, other: pa.Array, span: Span, *, limit: float, other_limit: float) -> Mask:
    """Return where a number is beyond `limit` in magnitude while another is below `other_limit`."""
    if -limit <= span[0] and span[1] <= limit:
        return None
    return pc.and_(pc.greater(pc.abs(now), number(limit)), pc.less(pc.abs(other), number(other_limit)))


@check("above_in_balance")
def above_in_balance(now: pa.Array, balance: pa.Array, *, limit: float, low: float, high: float) -> Mask:
    """Return where a value is above `limit` while `balance` lies within `low` and `high`."""
    return pc.and_(pc.greater(now, number(limit)), pc.and_(pc.greater_equal(balance, number(low)), pc.less_equal(balance, number(high))))


@check("absent_beside", nulls=True)
def absent_beside(now: pa.Array, beside: pa.Array, state: pa.Array | None = None, *, open_states: tuple[str, ...] = ()) -> Mask:
    """Return where a value is absent though `beside` is given; rows in one of `open_states` are not judged."""
    bad = pc.and_(pc.is_null(now), pc.is_valid(beside))
    if state is None or not open_states:
        return bad
    return pc.and_(bad, pc.invert(pc.is_in(state, texts_of(open_states))))


@check("without_unit")
def without_unit(now: pa.Array, unit: pa.Array, raw: pa.Array | None = None) -> Mask:
    """Return where a number has neither a unit nor a unit as written."""
    given = _filled(unit)
    return pc.and_(pc.is_valid(now), pc.invert(given if raw is None else pc.or_(given, _filled(raw))))


@check("passed_outside")
def passed_outside(now: pa.Array, lower: pa.Array, upper: pa.Array, verdict: pa.Array, *, passed: str) -> Mask:
    """Return where a verdict is `passed` though the value lies outside its limits."""
    out = [pc.less(now, lower).fill_null(fill_value=False), pc.greater(now, upper).fill_null(fill_value=False)]
    return pc.and_(pc.equal(verdict, passed).fill_null(fill_value=False), _any(out))


@check("impossible_amount")
def impossible_amount(
    now: pa.Array, parameter: pa.Array, unit: pa.Array, *, never_negative: str, never_above_100: str, differences: str, coldest: float
) -> Mask:
    """Return where a quantity that cannot be negative is, a share is above 100 percent, or a temperature below `coldest` degrees Celsius.

    The first two arguments are regular expressions of parameter codes; codes that match `differences` are not judged.
    """
    judged = pc.invert(pc.match_substring_regex(parameter, differences, ignore_case=True))
    below = pc.and_(pc.less(now, 0), pc.match_substring_regex(parameter, never_negative, ignore_case=True))
    percent = pc.is_in(unit, texts_of(("percent", "%")))
    above = pc.and_(pc.and_(pc.greater(now, 100), percent), pc.match_substring_regex(parameter, never_above_100, ignore_case=True))
    cold = pc.and_(pc.less(now, coldest), pc.is_in(unit, texts_of(("degC", "Cel", "°C"))))
    return pc.and_(judged.fill_null(fill_value=False), _any([mask.fill_null(fill_value=False) for mask in (below, above, cold)]))


def _any(masks: list[pa.BooleanArray]) -> Mask:
    """Return where one of the masks holds."""
    if not masks:
        return None
    found = masks[0]
    for mask in masks[1:]:
        found = pc.or_kleene(found, mask)
    return found


def _filled(texts: pa.Array) -> pa.BooleanArray:
    return pc.not_equal(pc.utf8_trim_whitespace(texts), "").fill_null(fill_value=False)
