"""Checks over the steps of a chunk: their order, their times against those around them, and values that repeat each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk
from bdx.rules.register import Bad, across

_SECOND = 1_000_000


def _times(values: pa.Array) -> Any:
    """Return times as float microseconds, NaN for null."""
    return values.cast(pa.int64()).cast(pa.float64()).to_numpy(zero_copy_only=False)


def _presences(chunk: Chunk, steps: pa.RecordBatch) -> pa.Table:
    """Return one row per item and step that it was made, used or measured in: item, place of the step."""
    sources = (
        ("process_parameter", "item_id", "step_run_id"),
        ("quality_result", "item_id", "step_run_id"),
        ("item", "item_id", "produced_by_step_run_id"),
        ("genealogy", "input_item_id", "step_run_id"),
        ("genealogy", "output_item_id", "step_run_id"),
    )
    pairs = [(chunk[name].column(item), chunk[name].column(step)) for name, item, step in sources if name in chunk]
    if not pairs:
        return pa.table({"item": pa.array([], pa.string()), "step": pa.array([], pa.int32())})
    items = pa.chunked_array([item for item, _ in pairs], pa.string())
    places = pc.index_in(pa.chunked_array([step for _, step in pairs], pa.string()), steps.column("step_run_id"))
    table = pa.table({"item": items, "step": places})
    table = table.filter(pc.and_(pc.is_valid(table["item"]), pc.is_valid(table["step"])))
    return table.group_by(["item", "step"], use_threads=False).aggregate([])


def _single(chunk: Chunk, met: pa.Table) -> pa.Table:
    """Return the rows of items that are single pieces, as the item table says."""
    items = chunk.get("item")
    if items is None:
        return met.slice(0, 0)
    pieces = items.column("item_id").filter(pc.equal(items.column("granularity"), "serial").fill_null(fill_value=False))
    return met.filter(pc.is_in(met["item"], pieces))


@across("steps_out_of_order")
def steps_out_of_order(chunk: Chunk, *, pairs: tuple[str, ...]) -> Iterator[Bad]:
    """Yield steps that began before a step that has to precede them on the same single piece; `pairs` holds "first second".

    The first of several steps of one kind counts.
    """
    steps = chunk.get("process_step")
    if steps is None:
        return
    met = _single(chunk, _presences(chunk, steps))
    place = met["step"].combine_chunks()
    table = pa.table({
        "item": met["item"],
        "code": steps.column("step_code").take(place),
        "start": steps.column("started_at").take(place),
        "place": place,
    })  # fmt: skip
    table = table.filter(pc.is_valid(table["start"])).sort_by([("start", "ascending"), ("place", "ascending")])
    rows = steps.num_rows
    bad, other = np.zeros(rows, dtype=bool), np.zeros(rows, dtype=np.int64)
    for pair in pairs:
        first, second = (_earliest(table, code) for code in pair.split())
        index = pc.index_in(second["item"], first["item"].combine_chunks())
        before = first["start"].take(index)
        wrong = pc.less(second["start"], before).fill_null(fill_value=False).to_numpy()
        hit = second["place"].to_numpy()[wrong]
        bad[hit] = True
        other[hit] = first["place"].take(index).to_numpy()[wrong]
    yield Bad("process_step", "started_at", pa.array(bad), {
        "step": steps.column("step_code"),
        "earlier": steps.column("step_code").take(pa.array(other)),
        "its_start": steps.column("started_at").take(pa.array(other)),
    })  # fmt: skip


def _earliest(table: pa.Table, code: str) -> pa.Table:
    """Return the first row of each item among the rows of one step code; the table is sorted by start."""
    rows = table.filter(pc.equal(table["code"], code))
    codes = rows["item"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return rows.take(pa.array(np.sort(np.unique(codes, return_index=True)[1])))


@across("at_two_places")
def at_two_places(chunk: Chunk, *, slack_s: int) -> Iterator[Bad]:
    """Yield steps that began while the same single piece was still in a step at another machine, nested steps left out."""
    steps = chunk.get("process_step")
    if steps is None:
        return
    parents = pc.is_in(steps.column("step_run_id"), steps.column("parent_step_run_id").drop_null())
    whole = pc.and_(pc.is_valid(steps.column("started_at")), pc.is_valid(steps.column("ended_at")))
    judged = pc.and_(pc.and_(whole, pc.invert(parents)), pc.is_valid(steps.column("equipment_id")))
    met = _single(chunk, _presences(chunk, steps))
    place = met["step"].combine_chunks()
    table = pa.table({"item": met["item"], "start": steps.column("started_at").take(place), "place": place})
    table = table.filter(judged.take(place)).sort_by([("item", "ascending"), ("start", "ascending"), ("place", "ascending")])
    places = table["place"].to_numpy()
    items = table["item"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    starts, ends = (_times(steps.column(name))[places] for name in ("started_at", "ended_at"))
    machines = steps.column("equipment_id").dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)[places]
    bad, other = np.zeros(steps.num_rows, dtype=bool), np.zeros(steps.num_rows, dtype=np.int64)
    if len(places) > 1:
        same = (items[1:] == items[:-1]) & (machines[1:] != machines[:-1])
        over = np.flatnonzero(same & (np.minimum(ends[:-1], ends[1:]) - starts[1:] > slack_s * _SECOND)) + 1
        bad[places[over]] = True
        other[places[over]] = places[over - 1]
    there = pa.array(other)
    yield Bad("process_step", "started_at", pa.array(bad), {
        "equipment": steps.column("equipment_id"),
        "elsewhere": steps.column("equipment_id").take(there),
        "until": steps.column("ended_at").take(there),
    })  # fmt: skip


@across("outside_parent")
def outside_parent(chunk: Chunk, *, slack_s: int) -> Iterator[Bad]:
    """Yield steps that begin before, or end after, the step they are part of."""
    steps = chunk.get("process_step")
    if steps is None:
        return
    place = pc.index_in(steps.column("parent_step_run_id"), steps.column("step_run_id").drop_null())
    place = pc.if_else(pc.is_valid(steps.column("parent_step_run_id")), place, None)
    begin, end = steps.column("started_at").take(place), steps.column("ended_at").take(place)
    slack = pa.scalar(slack_s * _SECOND, pa.duration("us"))
    early = pc.greater(pc.subtract(begin, steps.column("started_at")), slack).fill_null(fill_value=False)
    late = pc.greater(pc.subtract(steps.column("ended_at"), end), slack).fill_null(fill_value=False)
    shown = {"end": steps.column("ended_at"), "parent_start": begin, "parent_end": end}
    yield Bad("process_step", "started_at", pc.or_(early, late), shown)


@across("measured_before_step")
def measured_before_step(chunk: Chunk, *, slack_s: int, roles: tuple[str, ...]) -> Iterator[Bad]:
    """Yield values measured before the step began that they are said to come from."""
    steps, values = chunk.get("process_step"), chunk.get("process_parameter")
    if steps is None or values is None:
        return
    begin = steps.column("started_at").take(pc.index_in(values.column("step_run_id"), steps.column("step_run_id")))
    early = pc.greater(pc.subtract(begin, values.column("measured_at")), pa.scalar(slack_s * _SECOND, pa.duration("us")))
    judged = pc.is_in(values.column("role"), pa.array(roles, pa.string()))
    bad = pc.and_(early, judged).fill_null(fill_value=False)
    yield Bad("process_parameter", "measured_at", bad, {"begin": begin, "parameter": values.column("parameter_code")})


@across("parameters_disagree")
def parameters_disagree(chunk: Chunk, *, result: str, first: str, second: str, form: str, share: float, points: float) -> Iterator[Bad]:
    """Yield values of parameter `result` unlike what `first` and `second` of the same step and item give.

    `form` is "difference" (second - first) or "percent" (second / first * 100). A step with several values of one kind is not judged.
    """
    for name, code in (("process_parameter", "parameter_code"), ("quality_result", "characteristic_code")):
        batch = chunk.get(name)
        if batch is None:
            continue
        found = [_alone(batch, code, wanted) for wanted in (result, first, second)]
        keys = found[0]["key"].combine_chunks()
        a, b = (part["value"].combine_chunks().take(pc.index_in(keys, part["key"].combine_chunks())) for part in found[1:])
        given = pc.subtract(b, a) if form == "difference" else pc.multiply(pc.divide(b, a), 100.0)
        off = pc.abs(pc.subtract(found[0]["value"].combine_chunks(), given))
        allowed = pc.max_element_wise(pc.multiply(pc.abs(given), share), points)
        wrong = pc.and_(pc.is_finite(given), pc.greater(off, allowed)).fill_null(fill_value=False).to_numpy(zero_copy_only=False)
        bad, shown = np.zeros(batch.num_rows, dtype=bool), np.full(batch.num_rows, np.nan)
        places = found[0]["place"].to_numpy()
        bad[places] = wrong
        shown[places] = given.to_numpy(zero_copy_only=False)
        yield Bad(name, "value_num", pa.array(bad), {"given": pa.array(shown), "unit": batch.column("unit")})


def _alone(batch: pa.RecordBatch, code: str, wanted: str) -> pa.Table:
    """Return key, value and place of the rows of one parameter that are its only number in their step and item."""
    mask = pc.and_(pc.equal(batch.column(code), wanted), pc.is_valid(batch.column("value_num"))).fill_null(fill_value=False)
    if "role" in batch.schema.names:
        mask = pc.and_(mask, pc.invert(pc.is_in(batch.column("role"), pa.array(["setpoint", "limit_low", "limit_high"]))))
    places = pc.indices_nonzero(mask)
    rows = batch.take(places)
    keys = [rows.column(name).fill_null("") for name in ("step_run_id", "item_id")]
    table = pa.table({
        "key": pc.binary_join_element_wise(*keys, "\x1f"),
        "value": rows.column("value_num"),
        "place": places.cast(pa.int64()),
    })  # fmt: skip
    counts = table["key"].value_counts()
    once = counts.field("values").filter(pc.equal(counts.field("counts"), 1))
    return table.filter(pc.is_in(table["key"], once))
