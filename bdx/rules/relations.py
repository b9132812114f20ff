"""Masks over several columns of one row, for what a passport and a production record say twice."""

from __future__ import annotations

from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec, units
from bdx.errors import BdxError
from bdx.rules.checks import Mask
from bdx.rules.register import check
from bdx.rules.view import number, numbers_of, texts_of
from bdx.spec import Column


def _is_number(column: Column) -> bool:
    return column.type in ("float64", "int32", "int64", "decimal")


# --- any table


@check("not_between", applies=_is_number)
def not_between(now: pa.Array, *, low: float, high: float) -> Mask:
    """Return where a number is below `low` or above `high`; negative ones have their own rule."""
    values = now.cast(pa.float64(), safe=False)
    return pc.and_(pc.greater_equal(values, number(0.0)), pc.or_(pc.less(values, number(low)), pc.greater(values, number(high))))


@check("is_negative", applies=_is_number)
def is_negative(now: pa.Array) -> Mask:
    """Return where a number is below zero."""
    return pc.less(now, 0)


@check("is_zero", applies=_is_number)
def is_zero(now: pa.Array) -> Mask:
    """Return where a number is zero."""
    return pc.equal(now, 0)


@check("absent_in", nulls=True)
def absent_in(now: pa.Array, state: pa.Array, *, states: tuple[str, ...]) -> Mask:
    """Return where a value is absent though `state` is one of `states`."""
    return pc.and_(pc.is_null(now), pc.is_in(state, texts_of(states)))


@check("too_much_for")
def too_much_for(now: pa.Array, kind: pa.Array, *, limits: tuple[str, ...]) -> Mask:
    """Return where a number is above the limit of its kind; `limits` holds "kind limit"."""
    names, most = zip(*(text.split() for text in limits), strict=True)
    place = pc.index_in(kind, texts_of(names))
    return pc.greater(now, numbers_of(tuple(map(float, most))).take(place))


@check("below_in_kind")
def below_in_kind(now: pa.Array, kind: pa.Array, *, limits: tuple[str, ...]) -> Mask:
    """Return where a number is below the limit of its kind; `limits` holds "kind limit"."""
    names, least = zip(*(text.split() for text in limits), strict=True)
    place = pc.index_in(kind, texts_of(names))
    return pc.less(now, numbers_of(tuple(map(float, least))).take(place))


@check("at_most_in")
def at_most_in(now: pa.Array, kind: pa.Array, *, kinds: tuple[str, ...], limit: float) -> Mask:
    """Return where a number is at most `limit` in a row whose `kind` is one of `kinds`."""
    return pc.and_(pc.less_equal(now, number(limit)), pc.is_in(kind, texts_of(kinds)))


@check("total_exceeds")
def total_exceeds(now: pa.Array, other: pa.Array, limit: pa.Array, kind: pa.Array, *, times: float, spared: tuple[str, ...]) -> Mask:
    """Return where a value and another add up to more than `times` a third; rows whose `kind` is among `spared` are not judged."""
    total = pc.add(now, pc.fill_null(other, number(0.0)))
    judged = pc.and_(pc.greater(limit, number(0.0)), pc.invert(pc.is_in(kind, texts_of(spared))))
    return pc.and_(judged, pc.greater(total, pc.multiply(limit, number(times))))


@check("lasts_longer")
def lasts_longer(now: pa.Array, end: pa.Array, *, days: int) -> Mask:
    """Return where a time `now` lies more than a number of days before `end`."""
    return pc.greater(pc.subtract(end, now), pa.scalar(days * 86_400_000_000, pa.duration("us")))


@check("earlier_than_day", applies=lambda column: column.type == "timestamp")
def earlier_than_day(now: pa.Array, day: pa.Array, *, days: int) -> Mask:
    """Return where a moment lies more than a number of days before a date."""
    begin = pc.cast(pc.cast(day, pa.timestamp("us")), pa.timestamp("us", tz="UTC"))
    return pc.greater(pc.subtract(begin, now), pa.scalar(days * 86_400_000_000, pa.duration("us")))


# --- passports


@check("off_share")
def off_share(now: pa.Array, part: pa.Array, whole: pa.Array, *, points: float) -> Mask:
    """Return where a percentage differs from part / whole by more than a number of points."""
    share = pc.multiply(pc.divide(part, whole), number(100.0))
    return pc.and_(pc.greater(whole, number(0.0)), pc.greater(pc.abs(pc.subtract(now, share)), number(points)))


@check("off_rise")
def off_rise(now: pa.Array, first: pa.Array, present: pa.Array, *, points: float) -> Mask:
    """Return where a rise in percent differs from (present / first - 1) * 100 by more than a number of points."""
    rise = pc.multiply(pc.subtract(pc.divide(present, first), number(1.0)), number(100.0))
    return pc.and_(pc.greater(first, number(0.0)), pc.greater(pc.abs(pc.subtract(now, rise)), number(points)))


@check("off_quotient")
def off_quotient(now: pa.Array, top: pa.Array, bottom: pa.Array, *, scale: float, factor: float) -> Mask:
    """Return where a value is more than `factor` times off top / bottom * scale, up or down."""
    ratio = pc.divide(now, pc.multiply(pc.divide(top, bottom), number(scale)))
    judged = pc.and_(pc.greater(now, number(0.0)), pc.and_(pc.greater(top, number(0.0)), pc.greater(bottom, number(0.0))))
    return pc.and_(judged, pc.or_(pc.greater(ratio, number(factor)), pc.less(ratio, number(1.0 / factor))))


@check("off_throughput")
def off_throughput(now: pa.Array, cycles: pa.Array, capacity: pa.Array, *, low: float, high: float, least: float) -> Mask:
    """Return where charge passed is less than `low` or more than `high` times cycles * capacity, from `least` cycles on."""
    made = cycles.cast(pa.float64(), safe=False)
    ratio = pc.divide(now, pc.multiply(made, capacity))
    judged = pc.and_(pc.greater_equal(made, number(least)), pc.and_(pc.greater(now, number(0.0)), pc.greater(capacity, number(0.0))))
    return pc.and_(judged, pc.or_(pc.less(ratio, number(low)), pc.greater(ratio, number(high))))


@check("off_voltage")
def off_voltage(now: pa.Array, charge: pa.Array, low: pa.Array, high: pa.Array, *, share: float) -> Mask:
    """Return where energy (kWh) over charge (Ah) is a voltage outside low and high by more than a share."""
    volts = pc.divide(pc.multiply(now, number(1000.0)), charge)
    judged = pc.and_(pc.greater(now, number(0.0)), pc.and_(pc.greater(charge, number(0.0)), pc.greater(low, number(0.0))))
    return pc.and_(
        judged, pc.or_(pc.less(volts, pc.multiply(low, number(1 - share))), pc.greater(volts, pc.multiply(high, number(1 + share))))
    )


@check("beyond_source")
def beyond_source(now: pa.Array, resistance: pa.Array, voltage: pa.Array) -> Mask:
    """Return where a power is more than a source of this voltage and inner resistance can give: V^2 / (4 R)."""
    most = pc.divide(pc.multiply(voltage, voltage), pc.multiply(resistance, number(4.0)))
    judged = pc.and_(pc.greater(resistance, number(0.0)), pc.greater(voltage, number(0.0)))
    return pc.and_(judged, pc.greater(now, most))


@check("unlikely_in_unit")
def unlikely_in_unit(now: pa.Array, unit: pa.Array, kind: pa.Array, *, unit_is: str, kind_is: str, limit: float) -> Mask:
    """Return where a value of one unit and kind is above `limit`."""
    right = pc.and_(pc.equal(unit, unit_is), pc.equal(kind, kind_is))
    return pc.and_(right, pc.greater(pc.cast(now, pa.float64()), number(limit)))


@check("negative_stage")
def negative_stage(now: pa.Array, stage: pa.Array, *, stages: tuple[str, ...]) -> Mask:
    """Return where a value is below zero in a row whose stage is one of `stages`."""
    return pc.and_(pc.less(now, 0), pc.is_in(stage, texts_of(stages)))


# --- production


@check("outside_either")
def outside_either(now: pa.Array, lower: pa.Array, upper: pa.Array) -> Mask:
    """Return where a value is below `lower` or above `upper`, which are themselves in order."""
    return pc.and_(pc.less_equal(lower, upper), pc.or_(pc.less(now, lower), pc.greater(now, upper)))


@check("failed_inside")
def failed_inside(now: pa.Array, lower: pa.Array, upper: pa.Array, verdict: pa.Array, *, failed: str) -> Mask:
    """Return where a verdict is `failed` though the value lies within both its limits."""
    inside = pc.and_(pc.greater_equal(now, lower), pc.less_equal(now, upper))
    return pc.and_(pc.equal(verdict, failed), inside)


@check("judged_without_limits")
def judged_without_limits(now: pa.Array, verdict: pa.Array, lower: pa.Array, upper: pa.Array, *, verdicts: tuple[str, ...]) -> Mask:
    """Return where a number carries one of the verdicts and no limit."""
    judged = pc.is_in(verdict, texts_of(verdicts))
    return pc.and_(pc.is_valid(now), pc.and_(judged, pc.and_(pc.is_null(lower), pc.is_null(upper))))


@check("outside_by_code")
def outside_by_code(now: pa.Array, parameter: pa.Array, unit: pa.Array, *, ranges: tuple[str, ...]) -> Mask:
    """Return where a number is outside the range of its code and unit; `ranges` holds "code unit low high"."""
    table = _ranges(ranges)
    pair = pc.binary_join_element_wise(parameter, unit, " ")
    place = pc.index_in(pair, table["pair"])
    outside = pc.or_(pc.less(now, table["low"].take(place)), pc.greater(now, table["high"].take(place)))
    return pc.and_(pc.is_finite(now), outside)


@cache
def _ranges(ranges: tuple[str, ...]) -> dict[str, pa.Array]:
    rows = [text.split() for text in ranges]
    low, high = ([float(row[place]) for row in rows] for place in (2, 3))
    return {"pair": pa.array([f"{row[0]} {row[1]}" for row in rows]), "low": pa.array(low), "high": pa.array(high)}


@check("unit_of_other_quantity")
def unit_of_other_quantity(now: pa.Array, parameter: pa.Array) -> Mask:
    """Return where a unit does not convert to the unit that the vocabulary has for the parameter."""
    pairs = pc.binary_join_element_wise(parameter, now, "\x1f").dictionary_encode()
    verdicts = [_other_quantity(*text.split("\x1f")) for text in pairs.dictionary.to_pylist()]
    if not any(verdicts):
        return None
    return pa.array(verdicts, pa.bool_()).take(pairs.indices).fill_null(fill_value=False)


@cache
def _other_quantity(code: str, unit: str) -> bool:
    wanted = _vocabulary_units().get(code, "")
    if not wanted or not unit or unit == wanted:
        return False
    try:
        units.factor(unit, wanted)
    except BdxError:
        return True
    return False


@cache
def _vocabulary_units() -> dict[str, str]:
    rows = spec.load(spec.root() / "vocabulary.toml", "vocabulary")["parameter"]
    return {row["code"]: row.get("unit", "") for row in rows}


@check("number_as_text", nulls=True)
def number_as_text(now: pa.Array, text: pa.Array, parameter: pa.Array, *, pattern: str) -> Mask:
    """Return where a number is absent and the text in its place reads like one, for parameters that have a unit."""
    measured = pa.array([name for name, unit in _vocabulary_units().items() if unit], pa.string())
    reads = pc.match_substring_regex(text, pattern).fill_null(fill_value=False)
    return pc.and_(pc.and_(pc.is_null(now), reads), pc.is_in(parameter, measured))
