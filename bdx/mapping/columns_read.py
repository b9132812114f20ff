"""One field of a batch -> canonical values: the readers a mapping may name, and the choices that the first rows settle."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import units
from bdx.errors import MappingError
from bdx.mapping import Context, clock, dates, numbers
from bdx.mapping.columns_plan import Plan, Step, add_extra
from bdx.mapping.numbers import Scale
from bdx.spec import Facts

_MILLIVOLTS = 1000.0
"""No cell or pack is written in volts above this beside currents in mA."""
_CLOSE = 0.05
_DAYS = (20_000.0, 90_000.0)
"""Day numbers of the years 1954 to 2146."""
_SIZES = ((1e8, 1e10, "1"), (1e11, 1e13, "1/1000"), (1e14, 3e15, "1/1000000"), (3e15, 1e17, "1/10000000"), (1e17, 1e19, "1/1000000000"))
"""Where a count since 1970 lies, from 1973 on, and its unit in seconds."""
_ORDERS = {"ymd": "year, month, day", "mdy": "month, day, year", "dmy": "day, month, year"}
_LEAST_SPAN = 10.0
_PLACES = 200


def convert(raw: pa.Array, step: Step) -> pa.Array:
    """Return the canonical values of one field; what has no reading is null.

    Raises: MappingError for a type that cannot be read as the column's.
    """
    if step.words:
        raw = _look_up(raw, step.words)
    return _READERS[step.read](raw, step)


def sentinels(raw: pa.Array, step: Step) -> pa.Array | None:
    """Return the mask of values that the instrument writes where it has none, or None where the spec names no such numbers."""
    if not step.null and step.below is None:
        return None
    values = pc.add(numbers.numbers(raw), pa.scalar(0.0))  # turns -0.0 into 0.0, which a set tells apart
    mask = pc.is_in(values, pa.array(step.null, pa.float64()))
    if step.below is not None:
        mask = pc.or_(mask, pc.less(values, step.below))
    return mask.fill_null(fill_value=False)


def settle(plan: Plan, batch: pa.RecordBatch, context: Context) -> None:
    """Decide by the first rows what headers leave open: order of dates, zone, unit of time, volts or millivolts."""
    for step in list(plan.steps):
        if step.read == "datetime" and clock.is_text(batch.column(step.index).type):
            _settle_dates(plan, step, batch, context)
    for step in list(plan.steps):
        if step.epoch:
            _settle_epoch(plan, step, batch, context)
    known: dict[tuple[str, ...], str] = {}
    for step in plan.steps:
        if step.choices:
            _settle_unit(plan, step, batch, context, known)
        if step.millivolts:
            _settle_millivolts(step, batch, context)
        if step.restarts:
            _settle_restarts(plan, step, batch, context)


def _settle_dates(plan: Plan, step: Step, batch: pa.RecordBatch, context: Context) -> None:
    raw = batch.column(step.index)
    step.zoned = dates.has_offset(raw)
    if step.order not in ("", "ymd", "mdy", "dmy"):
        return
    place: dict[str, Any] = {"source": context.source, "table": "timeseries", "column": step.to, "header": step.header}
    texts = dates.without_offset(raw) if step.zoned else raw
    if not _first(raw).strip():
        return
    shown = dates.order_of(texts)
    step.order = shown or dates.order_of(texts, step.order)
    if step.order and not shown:
        context.log.find("M106", **place, value=_first(raw), order=_ORDERS[step.order])
    if not step.order:
        context.log.find("M026", **place, value=_first(raw))
        plan.steps.remove(step)
        add_extra(plan, step.index, batch.schema.field(step.index))


def _settle_unit(plan: Plan, step: Step, batch: pa.RecordBatch, context: Context, known: dict[tuple[str, ...], str]) -> None:
    """Choose the unit of a time column by the wall clock beside it; further columns with the same choice follow the first."""
    place: dict[str, Any] = {"source": context.source, "table": "timeseries", "column": step.to, "header": step.header}
    raw = numbers.numbers(batch.column(step.index)) if not clock.is_text(batch.column(step.index).type) else None
    if raw is None or not len(raw):
        return
    wall = next((clock_step for clock_step in plan.steps if clock_step.to == "local_time"), None)
    scales = {unit: Scale(*units.factor(unit, "s")) for unit in step.choices}
    chosen = known.get(step.choices, "")
    if wall is not None and not chosen:
        fits = _fitting(scales, convert(batch.column(wall.index), wall), raw)
        chosen = fits[0] if len(fits) == 1 else ""
    if chosen and chosen != step.choices[0]:
        context.log.find("M027", **place, value=chosen)
    elif not chosen and _span(raw):
        context.log.find("M028", **place, value=step.choices[0], others=", ".join(step.choices[1:]))
    chosen = known[step.choices] = chosen or step.choices[0]
    step.scale = step.scale.then(scales[chosen].scale, scales[chosen].offset)
    step.choices = ()


def _fitting(scales: dict[str, Scale], stamps: pa.Array, raw: pa.Array) -> list[str]:
    """Return the units under which the counter runs as the wall clock does, over all rows or, where the test paused, over most."""
    both = pc.and_(stamps.is_valid(), raw.is_valid())
    wall, counted = (values.filter(both).to_numpy(zero_copy_only=False) for values in (stamps.cast(pa.int64()), raw))
    stride = max(1, len(wall) // _PLACES)
    for places in ([0, len(wall) - 1], range(0, len(wall), stride)):
        if len(wall) < 2:
            break
        elapsed, passed = np.diff(wall[places]) / 1e6, np.diff(counted[places])
        clear = (elapsed >= _LEAST_SPAN) & (passed > 0)
        if not clear.any():
            continue
        pace = float(np.median(elapsed[clear] / passed[clear]))
        fits = [unit for unit, scale in scales.items() if abs(float(scale.scale) - pace) <= _CLOSE * pace]
        if fits:
            return fits
    return []


def _settle_millivolts(step: Step, batch: pa.RecordBatch, context: Context) -> None:
    step.millivolts = False
    largest = pc.max(pc.abs(numbers.numbers(batch.column(step.index)))).as_py() or 0.0
    if largest > _MILLIVOLTS:
        step.scale = step.scale.then(Fraction(1, 1000), Fraction(0))
        context.log.find("M029", source=context.source, table="timeseries", column=step.to, header=step.header, value=largest)


def _settle_epoch(plan: Plan, step: Step, batch: pa.RecordBatch, context: Context) -> None:
    """Take what a number of time counts from its size: days since 1899-12-30, or a unit of seconds since 1970."""
    step.epoch = False
    known = step.scale.apply(numbers.numbers(batch.column(step.index)).drop_null())
    if not len(known):
        return
    first = known[0].as_py()
    unit = next((Fraction(unit) for low, high, unit in _SIZES if low <= first < high), None)
    place = {"source": context.source, "table": "timeseries", "column": step.to, "header": step.header, "value": first}
    if unit is not None:
        step.scale = step.scale.then(unit, Fraction(0))
    elif _DAYS[0] <= first < _DAYS[1] and all(other.to != "local_time" for other in plan.steps):
        step.to, step.read, step.order = "local_time", "datetime", "excel"
        context.log.find("M105", **place)
    else:
        context.log.find("M026", **place)
        plan.steps.remove(step)
        add_extra(plan, step.index, batch.schema.field(step.index))


def _settle_restarts(plan: Plan, step: Step, batch: pa.RecordBatch, context: Context) -> None:
    """Give a time that falls back within the first rows to the column of the spec that counts anew with each step."""
    falls = pc.less(pc.pairwise_diff(convert(batch.column(step.index), step)), 0.0)
    if pc.any(falls).as_py() and all(other.to != step.restarts for other in plan.steps):
        row = pc.index(falls, True).as_py()
        context.log.find("M104", source=context.source, table="timeseries", column=step.restarts, row=row, header=step.header)
        step.to = step.restarts


def _span(values: pa.Array) -> float:
    known = values.drop_null()
    return float(known[len(known) - 1].as_py() - known[0].as_py()) if len(known) else 0.0


def _first(raw: pa.Array) -> str:
    known = raw.drop_null()
    return str(known[0].as_py()) if len(known) else ""


def _look_up(raw: pa.Array, words: Facts) -> pa.Array:
    """Return the values as text with known words replaced; one look-up per distinct value."""
    coded = raw if pa.types.is_dictionary(raw.type) else pc.dictionary_encode(raw)
    texts = numbers.text(coded.dictionary).to_pylist()
    return pa.array([words.get(text, text) for text in texts], pa.string()).take(coded.indices)


def wide(raw: pa.Array) -> pa.Array:
    """Return float32 as float64: text then shows the very number, and reads back as it."""
    return raw.cast(pa.float64()) if pa.types.is_float32(raw.type) else raw


def extra(raw: pa.Array, metadata: dict[str, str]) -> tuple[pa.Array, dict[str, str]]:
    """Return a column without a home in the unit that its metadata names, and the metadata without the step that led there."""
    scale = Scale(numbers.exact(metadata.get("bdx.scale", "1")), numbers.exact(metadata.get("bdx.offset", "0")))
    kept = {key: value for key, value in metadata.items() if key not in ("bdx.scale", "bdx.offset")}
    if scale == Scale() or not numbers.is_number(raw.type):
        return wide(raw), metadata if scale != Scale() else kept
    return scale.apply(numbers.numbers(raw)), kept


def _number(raw: pa.Array, step: Step) -> pa.Array:
    return step.scale.apply(numbers.numbers(raw))


def _integer(raw: pa.Array, step: Step) -> pa.Array:
    return numbers.integers(raw)


def _text(raw: pa.Array, step: Step) -> pa.Array:
    return numbers.text(raw)


def _duration(raw: pa.Array, step: Step) -> pa.Array:
    """Return seconds; a text is a clock unless a unit of time says that it is a number."""
    if clock.is_text(raw.type) and step.clock:
        values = clock.durations(raw)
        if values.null_count == len(raw) > raw.null_count:
            plain = numbers.numbers(raw)
            return step.scale.apply(plain) if plain.null_count < len(raw) else values
        return values
    return _number(raw, step)


def _datetime(raw: pa.Array, step: Step) -> pa.Array:
    if pa.types.is_timestamp(raw.type):
        if not raw.type.tz:
            return raw.cast(pa.timestamp("us"), safe=False)
        if step.to == "unix_time_second":
            return dates.unix_seconds(raw)
        return pc.local_timestamp(raw.cast(pa.timestamp("us", raw.type.tz), safe=False))
    if step.order in ("excel", "matlab"):
        return dates.serial(numbers.numbers(raw), step.order)
    if not clock.is_text(raw.type):
        raise MappingError(f"values of type {raw.type} cannot be read as dates")
    if step.to == "unix_time_second":
        return dates.instants(raw, step.order)
    return dates.wall_times(dates.without_offset(raw) if step.zoned else raw, step.order)


_READERS: dict[str, Callable[[pa.Array, Step], pa.Array]] = {
    "number": _number,
    "integer": _integer,
    "text": _text,
    "duration": _duration,
    "datetime": _datetime,
}


def instants(raw: pa.Array, step: Step) -> pa.Array | None:
    """Return seconds since 1970 UTC where a wall time is written with its offset or has a zone, else None."""
    if step.read != "datetime" or step.to == "unix_time_second":
        return None
    if pa.types.is_timestamp(raw.type) and raw.type.tz:
        return dates.unix_seconds(raw)
    return dates.instants(raw, step.order) if step.zoned else None
