"""Checks of what a step says twice: masses in and out by genealogy, and self-discharge by two voltages and the time between."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import units
from bdx.canon import Chunk
from bdx.errors import BdxError
from bdx.rules.register import Bad, across
from bdx.rules.view import texts_of


@cache
def _factor(unit: str, wanted: str) -> float:
    try:
        scale, offset = units.factor(unit, wanted)
    except BdxError:
        return float("nan")
    return float(scale) if not offset else float("nan")


def _in(values: pa.Array, unit: pa.Array, wanted: str) -> pa.Array:
    """Return numbers in the unit wanted, null where there is none or it does not convert."""
    coded = unit.dictionary_encode()
    table = pa.array([_factor(name, wanted) for name in coded.dictionary.to_pylist()], pa.float64())
    found = pc.multiply(values, table.take(coded.indices))
    return pc.if_else(pc.is_finite(found), found, None)


def _whole(keys: pa.Array, masses: pa.Array) -> pa.Table:
    """Return the sum of the masses by key, null where one of them is null."""
    table = pa.table({"key": keys, "mass": masses, "none": pc.cast(pc.is_null(masses), pa.int64())})
    table = table.filter(pc.is_valid(table["key"]))
    sums = table.group_by("key", use_threads=False).aggregate([("mass", "sum"), ("none", "sum")])
    return pa.table({"key": sums["key"], "mass": pc.if_else(pc.equal(sums["none_sum"], 0), sums["mass_sum"], None)})


@across("mass_out_of_balance")
def mass_out_of_balance(chunk: Chunk, *, more: float, less: float, closed: tuple[str, ...]) -> Iterator[Bad]:
    """Yield steps whose outputs weigh over `more` times their inputs, or under `less` times where `closed` says nothing leaves.

    Judged are steps all of whose inputs and outputs have a mass.
    """
    steps, edges, items = (chunk.get(name) for name in ("process_step", "genealogy", "item"))
    if steps is None or edges is None or items is None:
        return
    pair = pc.binary_join_element_wise(edges.column("step_run_id"), edges.column("input_item_id"), "\x1f")
    through = pc.is_in(pair, pc.binary_join_element_wise(edges.column("step_run_id"), edges.column("output_item_id"), "\x1f"))
    mass = _in(edges.column("quantity"), edges.column("unit"), "kg")
    # An input of several outputs states its quantity once: null only where none of its edges has one.
    stated = pa.table({"pair": pair, "run": edges.column("step_run_id"), "mass": mass, "through": through})
    stated = stated.filter(pc.and_(pc.is_valid(stated["pair"]), pc.invert(stated["through"])))
    inputs = stated.group_by(["pair", "run"], use_threads=False).aggregate([("mass", "sum")])
    used = _whole(inputs["run"].combine_chunks(), inputs["mass_sum"].combine_chunks())
    weighed = pc.coalesce(_in(items.column("quantity"), items.column("quantity_unit"), "kg"), items.column("mass_kg"))
    first = pc.equal(pc.index_in(items.column("item_id"), items.column("item_id")), pa.array(range(items.num_rows), pa.int32()))
    made = _whole(pc.if_else(first, items.column("produced_by_step_run_id"), None), weighed)
    run = steps.column("step_run_id")
    went = used["mass"].combine_chunks().take(pc.index_in(run, used["key"].combine_chunks()))
    came = made["mass"].combine_chunks().take(pc.index_in(run, made["key"].combine_chunks()))
    ratio = pc.divide(came, pc.if_else(pc.greater(went, 0.0), went, None))
    shut = pc.is_in(steps.column("step_code"), texts_of(closed))
    bad = pc.or_(pc.greater(ratio, more), pc.and_(shut, pc.less(ratio, less))).fill_null(fill_value=False)
    yield Bad("process_step", "step_run_id", bad, {"out": _short(came), "used": _short(went)})


def _short(values: pa.Array) -> pa.Array:
    return pa.array([None if value is None else float(f"{value:.4g}") for value in values.to_pylist()], pa.float64())


_TOLD = (("process_parameter", "parameter_code"), ("quality_result", "characteristic_code"))


@across("k_value_disagrees")
def k_value_disagrees(chunk: Chunk, *, share: float, points: float) -> Iterator[Bad]:
    """Yield k values whose size is not the drop from `ocv1` to `ocv2` of the same item over the time between, in mV/h."""
    first, second = (_voltages(chunk, code) for code in ("ocv1", "ocv2"))
    if first is None or second is None:
        return
    for name, column in _TOLD:
        batch = chunk.get(name)
        if batch is None:
            continue
        item = batch.column("item_id")
        volts, moments = [], []
        for table in (first, second):
            place = pc.index_in(item, table["item"].combine_chunks())
            volts.append(table["volt"].combine_chunks().take(place).to_numpy(zero_copy_only=False))
            moments.append(table["at"].combine_chunks().take(place).cast(pa.int64()).cast(pa.float64()).to_numpy(zero_copy_only=False))
        hours = (moments[1] - moments[0]) / 3.6e9
        given = np.abs(volts[0] - volts[1]) * 1000 / np.where(hours > 0, hours, np.nan)
        stated = np.abs(_in(batch.column("value_num"), batch.column("unit"), "mV/h").to_numpy(zero_copy_only=False))
        off = np.abs(stated - given) > np.maximum(share * given, points)
        judged = pc.and_(pc.equal(batch.column(column), "k_value"), pc.is_valid(item)).fill_null(fill_value=False)
        bad = pc.and_(judged, pa.array(off & np.isfinite(given) & np.isfinite(stated)))
        yield Bad(name, "value_num", bad, {"unit": batch.column("unit"), "given": _short(pa.array(given, pa.float64()))})


def _voltages(chunk: Chunk, code: str) -> pa.Table | None:
    """Return item, voltage and time of the items that have exactly one value of a code in the chunk; None where none has."""
    parts = []
    for name, column in _TOLD:
        batch = chunk.get(name)
        if batch is None:
            continue
        told = pc.and_(pc.equal(batch.column(column), code), pc.is_valid(batch.column("item_id")))
        volt = _in(batch.column("value_num"), batch.column("unit"), "V")
        table = pa.table({"item": batch.column("item_id"), "volt": volt, "at": batch.column("measured_at")})
        parts.append(table.filter(pc.and_(told, pc.and_(pc.is_valid(volt), pc.is_valid(batch.column("measured_at")))).fill_null(False)))
    rows = pa.concat_tables(parts) if parts else None
    if rows is None or not rows.num_rows:
        return None
    counts = rows["item"].value_counts()
    return rows.filter(pc.is_in(rows["item"], counts.field("values").filter(pc.equal(counts.field("counts"), 1))))
