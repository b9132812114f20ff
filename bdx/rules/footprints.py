"""Checks over the carbon footprints of a battery against each other and against its energy; sums are decimal."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk
from bdx.rules.magnitudes import advised
from bdx.rules.register import Bad, across
from bdx.rules.view import Floats, texts_of

_APART = ("battery_key", "functional_unit", "unit_raw", "impact_category", "facility_id")
"""What a footprint is declared for: values of different ones are not added."""


@across("stages_unlike_total")
def stages_unlike_total(chunk: Chunk, *, share: float, stages: tuple[str, ...]) -> Iterator[Bad]:
    """Yield total carbon footprints that differ from the sum of their stages by more than a share of the total.

    Judged where a battery gives exactly one total and one value for each of `stages` in one functional unit, category and study;
    a stage given twice (two plants, two studies) leaves no verdict. Sums are decimal.
    """
    rows = chunk.get("carbon_footprint")
    if rows is None:
        return
    group, count = _groups(rows)
    value = rows.column("value")
    given = pc.is_valid(value).to_numpy(zero_copy_only=False)
    names = ("total", *stages, "other")
    place = pc.index_in(rows.column("stage").fill_null("?"), texts_of(names)).fill_null(len(names)).to_numpy()
    tally = np.bincount(group[given] * (len(names) + 1) + place[given], minlength=count * (len(names) + 1)).reshape(count, -1)
    sound = (tally[:, : len(stages) + 1] == 1).all(axis=1) & (tally[:, -2] <= 1) & (tally[:, -1] == 0)
    bad, said = np.zeros(rows.num_rows, bool), np.full(rows.num_rows, "", dtype=object)
    part = given & (place > 0) & sound[group]
    totals = np.flatnonzero(given & (place == 0) & sound[group])
    if len(totals):
        sums = (
            pa.table({"group": group[part], "value": value.filter(pa.array(part))})
            .group_by("group", use_threads=False)
            .aggregate([("value", "sum")])
        )
        added = sums["value_sum"].combine_chunks().take(pc.index_in(pa.array(group[totals]), sums["group"].combine_chunks()))
        # The difference of two decimals of 38 places has 39.
        wide = pa.decimal256(60, value.type.scale)
        whole = value.take(pa.array(totals))
        apart = pc.abs(pc.subtract(added.cast(wide), whole.cast(wide))).cast(pa.float64()).to_numpy(zero_copy_only=False)
        wrong = apart > share * np.abs(whole.cast(pa.float64()).to_numpy(zero_copy_only=False))
        bad[totals] = wrong
        said[totals[wrong]] = [f"{amount.normalize():f}" for amount in added.filter(pa.array(wrong)).to_pylist()]
    yield Bad("carbon_footprint", "value", pa.array(bad), {"added": pa.array(said, pa.string())})


def _groups(rows: pa.RecordBatch) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], int]:
    """Return a number per row for what its footprint is declared for, and how many such numbers there are."""
    found = np.zeros(rows.num_rows, np.int64)
    for name in _APART:
        coded = rows.column(name).fill_null("").dictionary_encode()
        if len(coded.dictionary) > 1:
            found = found * len(coded.dictionary) + coded.indices.to_numpy()
    _, found = np.unique(found, return_inverse=True)
    return found, int(found.max()) + 1


@across("absolute_against_relative")
def absolute_against_relative(chunk: Chunk, *, low: float, high: float, cycles: float, slips: tuple[str, ...]) -> Iterator[Bad]:
    """Yield total footprints per battery that the total per kWh does not explain, with advice.

    Their quotient is the energy that the declaration counts on: from `low` times the energy of one charge up to `high` times what
    the battery delivers over its life (`cycles` where the expected number is unknown).
    """
    found = _totals(chunk)
    if found is None:
        return
    absolute, relative, energy, life = found
    life = np.where(np.isfinite(life) & (life > 0), life, cycles)
    ratio = absolute / relative
    least, most = low * energy, high * energy * life
    bad = np.isfinite(ratio) & np.isfinite(energy) & (ratio > 0) & (energy > 0) & ((ratio < least) | (ratio > most))
    yield Bad(
        "carbon_footprint",
        "value",
        pa.array(bad),
        {"energy": pa.array(ratio), "relative": pa.array(relative), "advice": advised(ratio, least, most, slips)},
    )


@across("absolute_per_energy")
def absolute_per_energy(chunk: Chunk, *, low: float, high: float, slips: tuple[str, ...]) -> Iterator[Bad]:
    """Yield total footprints per battery that are not within `low` and `high` kg per kWh of its capacity, with advice."""
    found = _totals(chunk)
    if found is None:
        return
    absolute, _, energy, _ = found
    ratio = absolute / energy
    bad = np.isfinite(ratio) & (ratio > 0) & ((ratio < low) | (ratio > high))
    yield Bad("carbon_footprint", "value", pa.array(bad), {"ratio": pa.array(ratio), "advice": advised(ratio, low, high, slips)})


def _totals(chunk: Chunk) -> tuple[Floats, Floats, Floats, Floats] | None:
    """Return per footprint row, NaN where it is no total per battery: its value, the total per kWh, the energy and expected cycles."""
    rows, batteries = chunk.get("carbon_footprint"), chunk.get("battery")
    if rows is None or batteries is None:
        return None
    total = pc.equal(rows.column("stage"), "total")
    single = pc.and_(total, pc.equal(rows.column("quantity").cast(pa.float64()).fill_null(1.0), 1.0))
    per = {unit: pc.and_(single, pc.equal(rows.column("functional_unit"), unit)).fill_null(fill_value=False) for unit in ("piece", "kwh")}
    if not per["piece"].true_count:
        return None
    value = rows.column("value").cast(pa.float64())
    absolute = pc.if_else(per["piece"], value, float("nan")).fill_null(float("nan")).to_numpy(zero_copy_only=False)
    keys = rows.column("battery_key")
    relative = value.filter(per["kwh"]).take(pc.index_in(keys, keys.filter(per["kwh"])))
    owner = pc.index_in(keys, batteries.column("battery_key"))
    charge = pc.divide(pc.multiply(batteries.column("rated_capacity_ah"), batteries.column("nominal_voltage_v")), 1000.0)
    energy = pc.coalesce(batteries.column("certified_usable_energy_kwh"), charge).take(owner)
    cycles = batteries.column("expected_lifetime_cycles").cast(pa.float64(), safe=False).take(owner)
    return absolute, *(values.to_numpy(zero_copy_only=False) for values in (relative, energy, cycles))
