"""Masks over rows of production: values, definitions, limits, reasons and times that are not there."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from bdx.rules.checks import Mask
from bdx.rules.register import check
from bdx.rules.view import texts_of


@check("absent_all", nulls=True)
def absent_all(now: pa.Array, text: pa.Array, flag: pa.Array, parameter: pa.Array) -> Mask:
    """Return where a value is null and so are two others that would do; `parameter` names the row in the message."""
    found = pc.and_(pc.is_null(now), pc.and_(pc.is_null(text), pc.is_null(flag)))
    return pc.and_(found, pc.is_valid(parameter)) if found.true_count else None


@check("no_limits")
def no_limits(now: pa.Array, lower: pa.Array, upper: pa.Array, verdict: pa.Array, name: pa.Array, *, judged: tuple[str, ...]) -> Mask:
    """Return where a number has no limit and no verdict of `judged`; `name` names it in the message."""
    bare = pc.and_(pc.is_null(lower), pc.is_null(upper))
    silent = pc.invert(pc.is_in(verdict, texts_of(judged)))
    return pc.and_(pc.and_(pc.is_valid(now), pc.is_valid(name)), pc.and_(bare, silent))


@check("without_reason", nulls=True)
def without_reason(now: pa.Array, reason: pa.Array, result: pa.Array | None = None, *, results: tuple[str, ...] = ()) -> Mask:
    """Return where a quantity is above zero, or the result is one of `results`, and no reason is stated."""
    told = pc.greater(now, 0).fill_null(fill_value=False)
    if result is not None:
        told = pc.or_(told, pc.is_in(result, texts_of(results)))
    blank = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(reason.fill_null(""))), 0)
    return pc.and_(told, blank)


@check("finished_untimed", nulls=True)
def finished_untimed(now: pa.Array, began: pa.Array, raw: pa.Array, state: pa.Array, *, states: tuple[str, ...]) -> Mask:
    """Return where a state is one of `states` and neither a start nor an end stands in the row, not even as written."""
    return pc.and_(pc.is_in(state, texts_of(states)), pc.and_(pc.and_(pc.is_null(now), pc.is_null(began)), pc.is_null(raw)))
