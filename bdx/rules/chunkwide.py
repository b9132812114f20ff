"""Checks over a chunk: what the rows of one table say about those of another."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk
from bdx.rules.magnitudes import advised
from bdx.rules.register import Bad, across
from bdx.rules.view import texts_of


@across("dangling")
def dangling(chunk: Chunk, *, tables: tuple[str, ...]) -> Iterator[Bad]:
    """Yield where a key names no row of a table in `tables` that travels in the same chunk."""
    for name, batch in chunk.items():
        for column in spec.table(name).columns:
            table, _, key = column.references.partition(".")
            # A parent step may stand in another chunk of the same document.
            if table not in tables or table not in chunk or table == name or column.name not in batch.schema.names:
                continue
            values = batch.column(column.name)
            known = pc.is_in(values, chunk[table].column(key))
            yield Bad(name, column.name, pc.and_(pc.is_valid(values), pc.invert(known)), {"target": pa.repeat(table, len(values))})


@across("parts_heavier")
def parts_heavier(chunk: Chunk, *, times: float, slips: tuple[str, ...] = ()) -> Iterator[Bad]:
    """Yield batteries whose materials together weigh more than `times` the battery, with advice."""
    batteries, materials = chunk.get("battery"), chunk.get("material")
    if batteries is None or materials is None:
        return
    table = pa.table({"key": materials.column("battery_key"), "mass": materials.column("mass_kg")})
    sums = table.group_by("key", use_threads=False).aggregate([("mass", "sum")])
    place = pc.index_in(batteries.column("battery_key"), sums.column("key").combine_chunks())
    added = sums.column("mass_sum").combine_chunks().take(place)
    mass = batteries.column("battery_mass_kg")
    bad = pc.and_(pc.greater(mass, 0), pc.greater(added, pc.multiply(mass, times))).fill_null(fill_value=False)
    if bad.true_count:
        ratio = pc.divide(added, mass).to_numpy(zero_copy_only=False)
        yield Bad("battery", "battery_mass_kg", bad, {"added": added, "advice": advised(ratio, 0.1, times, slips)})
    else:
        yield Bad("battery", "battery_mass_kg", bad)


@across("lonely_items")
def lonely_items(chunk: Chunk) -> Iterator[Bad]:
    """Yield items that no step of the chunk made or used and that nothing was measured on."""
    items, edges = chunk.get("item"), chunk.get("genealogy")
    if items is None or edges is None:
        return
    ids = items.column("item_id")
    known = [edges.column("input_item_id"), edges.column("output_item_id")]
    known += [chunk[name].column("item_id") for name in ("process_parameter", "quality_result") if name in chunk]
    met = pc.is_in(ids, pa.chunked_array(known))
    made = pc.is_valid(items.column("produced_by_step_run_id"))
    yield Bad("item", "item_id", pc.invert(pc.or_(met, made)))


@across("again_in_chunk")
def again_in_chunk(chunk: Chunk, *, tables: tuple[str, ...], spared: tuple[str, ...]) -> Iterator[Bad]:
    """Yield rows whose key an earlier row of the chunk has; keys that end in one of `spared` are not judged."""
    for name in tables:
        rows = chunk.get(name)
        if rows is None:
            continue
        keys = spec.table(name).key
        joined = pc.binary_join_element_wise(*[rows.column(key).cast(pa.string()) for key in keys], "\x1f")
        again = pc.less(pc.index_in(joined, joined), pa.array(range(rows.num_rows), pa.int32()))
        judged = pc.invert(pc.is_in(rows.column(keys[-1]), texts_of(spared)))
        yield Bad(name, keys[-1], pc.and_(pc.and_(again, judged), pc.is_valid(joined)).fill_null(fill_value=False))
