"""Checks over a battery and the rows that belong to it: materials, substances, metals and footprints against the battery."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk
from bdx.rules.register import Bad, across
from bdx.rules.view import nowhere, texts_of


def _owner(rows: pa.RecordBatch, batteries: pa.RecordBatch | None, column: str) -> pa.Array:
    """Return for each row what its battery says in a column; null where the battery is not in the chunk."""
    if batteries is None:
        return pa.nulls(rows.num_rows, pa.string())
    return batteries.column(column).take(pc.index_in(rows.column("battery_key"), batteries.column("battery_key")))


@across("shares_exceed")
def shares_exceed(chunk: Chunk, *, limit: float) -> Iterator[Bad]:
    """Yield the first material of batteries whose materials have shares that add up to more than `limit` percent."""
    rows = chunk.get("material")
    if rows is None:
        return
    table = pa.table({"key": rows.column("battery_key"), "share": rows.column("concentration_percent")})
    sums = table.group_by("key", use_threads=False).aggregate([("share", "sum")])
    keys = rows.column("battery_key")
    if not pc.any(pc.greater(sums["share_sum"], limit)).as_py():
        yield Bad("material", "concentration_percent", nowhere(rows.num_rows))
        return
    place = pc.index_in(keys, sums["key"].combine_chunks())
    added = sums["share_sum"].combine_chunks().take(place)
    first = pc.equal(pc.index_in(keys, keys), np.arange(rows.num_rows, dtype=np.int32))
    bad = pc.and_(first, pc.greater(added, limit)).fill_null(fill_value=False)
    yield Bad("material", "concentration_percent", bad, {"added": added})


@across("substance_above")
def substance_above(chunk: Chunk, *, identifiers: tuple[str, ...], names: str, limit: float, categories: tuple[str, ...]) -> Iterator[Bad]:
    """Yield substances, by number or name, above a limit in batteries of the categories; no category means every battery."""
    rows = chunk.get("hazardous_substance")
    if rows is None:
        return
    above = pc.greater(rows.column("concentration_percent"), limit)
    if not above.true_count:
        yield Bad("hazardous_substance", "concentration_percent", above)
        return
    by_number = pc.is_in(rows.column("identifier"), texts_of(identifiers))
    by_name = pc.match_substring_regex(rows.column("name"), names, ignore_case=True).fill_null(fill_value=False)
    bad = pc.and_(pc.or_(by_number, by_name), above)
    if categories:
        bad = pc.and_(bad, pc.is_in(_owner(rows, chunk.get("battery"), "battery_category"), texts_of(categories)))
    yield Bad("hazardous_substance", "concentration_percent", bad.fill_null(fill_value=False), {"name": rows.column("name")})


@across("metal_not_in_chemistry")
def metal_not_in_chemistry(chunk: Chunk, *, chemistry: str, blends: str, metals: tuple[str, ...]) -> Iterator[Bad]:
    """Yield recycled shares of metals that a chemistry does not hold; a chemistry that also matches `blends` is not judged."""
    rows, batteries = chunk.get("recycled_content"), chunk.get("battery")
    if rows is None or batteries is None:
        return
    names = [batteries.column(name).fill_null("") for name in ("battery_chemistry", "battery_chemistry_name")]
    coded = pc.utf8_trim_whitespace(pc.binary_join_element_wise(*names, " ")).dictionary_encode()
    owner = coded.indices.take(pc.index_in(rows.column("battery_key"), batteries.column("battery_key")))
    holds = pc.match_substring_regex(coded.dictionary, chemistry, ignore_case=True)
    judged = pc.and_not(holds, pc.match_substring_regex(coded.dictionary, blends, ignore_case=True)).take(owner)
    shares = [rows.column(name).fill_null(0.0) for name in ("pre_consumer_percent", "post_consumer_percent", "total_percent")]
    largest = pc.max_element_wise(*shares)
    metal = pc.is_in(rows.column("material"), texts_of(metals))
    bad = pc.and_(pc.and_(judged, metal), pc.greater(largest, 0.0))
    yield Bad(
        "recycled_content", "material", bad.fill_null(fill_value=False), {"share": largest, "chemistry": coded.dictionary.take(owner)}
    )


@across("class_without_total")
def class_without_total(chunk: Chunk) -> Iterator[Bad]:
    """Yield batteries that name a carbon footprint class while footprint rows travel with them and none is a total with a value."""
    rows, batteries = chunk.get("carbon_footprint"), chunk.get("battery")
    if rows is None or batteries is None:
        return
    keys = batteries.column("battery_key")
    total = pc.and_(pc.equal(rows.column("stage"), "total"), pc.is_valid(rows.column("value"))).fill_null(fill_value=False)
    has_rows = pc.is_in(keys, rows.column("battery_key"))
    has_total = pc.is_in(keys, rows.column("battery_key").filter(total))
    classed = pc.is_valid(batteries.column("cf_performance_class"))
    yield Bad("battery", "cf_performance_class", pc.and_(classed, pc.and_(has_rows, pc.invert(has_total))))
