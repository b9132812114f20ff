"""Checks over the production tables of a chunk: who went into whom, in which order, and whether that can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk
from bdx.rules.register import Bad, across

_ROUNDS = 64
"""Layers peeled off a graph at once before the rest is walked edge by edge; real genealogies are about twenty deep."""


def _none(rows: int) -> Any:
    return np.zeros(rows, dtype=bool)


def _sure(edges: pa.RecordBatch, relations: tuple[str, ...]) -> Any:
    """Return which edges are recorded, not estimated, and of one of the relations."""
    known = pc.and_(pc.is_in(edges.column("relation"), pa.array(relations, pa.string())), pc.invert(edges.column("is_estimated")))
    return known.fill_null(fill_value=False).to_numpy(zero_copy_only=False)


@across("own_ancestor")
def own_ancestor(chunk: Chunk, *, relations: tuple[str, ...]) -> Iterator[Bad]:
    """Yield recorded edges on a circle, or between two circles, of items that are made of each other."""
    edges = chunk.get("genealogy")
    if edges is None:
        return
    ends = pa.chunked_array([edges.column("input_item_id"), edges.column("output_item_id")]).combine_chunks().dictionary_encode()
    numbers = ends.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    source, target = numbers[: edges.num_rows], numbers[edges.num_rows :]
    alive = _sure(edges, relations) & (source >= 0) & (target >= 0) & (source != target)
    places = np.flatnonzero(alive)
    left = _circles(source[places], target[places], len(ends.dictionary))
    bad = _none(edges.num_rows)
    bad[places[left]] = True
    yield Bad("genealogy", "input_item_id", pa.array(bad), {"output": edges.column("output_item_id")})


def _circles(source: Any, target: Any, nodes: int) -> Any:
    """Return the places of edges left when nodes that nothing enters or nothing leaves are taken off again and again."""
    left = np.arange(len(source))
    for _ in range(_ROUNDS):
        entered, leaving = _none(nodes), _none(nodes)
        entered[target[left]] = True
        leaving[source[left]] = True
        kept = left[entered[source[left]] & leaving[target[left]]]
        if len(kept) == len(left):
            return left
        left = kept
    return _walked(source, target, left, nodes)


def _walked(source: Any, target: Any, left: Any, nodes: int) -> Any:
    """Return the same for a graph of many layers, one node at a time, from its beginnings."""
    entries = np.bincount(target[left], minlength=nodes)
    order = left[np.argsort(source[left], kind="stable")]
    starts = np.searchsorted(source[order], np.arange(nodes + 1))
    waiting = np.flatnonzero(entries == 0).tolist()
    gone = _none(nodes)
    while waiting:
        node = waiting.pop()
        gone[node] = True
        for edge in order[starts[node] : starts[node + 1]].tolist():
            entries[target[edge]] -= 1
            if entries[target[edge]] == 0:
                waiting.append(int(target[edge]))
    return left[~gone[source[left]]]


@across("in_two_assemblies")
def in_two_assemblies(chunk: Chunk, *, relations: tuple[str, ...], kinds: tuple[str, ...]) -> Iterator[Bad]:
    """Yield recorded edges that put a single piece of one of the kinds into a second assembly."""
    edges, items = chunk.get("genealogy"), chunk.get("item")
    if edges is None or items is None:
        return
    single = pc.and_(
        pc.equal(items.column("granularity"), "serial"), pc.is_in(items.column("item_kind"), pa.array(kinds, pa.string()))
    ).fill_null(fill_value=False)
    ids = items.column("item_id").filter(single)
    pieces = pc.is_in(edges.column("input_item_id"), ids).to_numpy(zero_copy_only=False)
    places = np.flatnonzero(_sure(edges, relations) & pieces)
    taken = edges.take(pa.array(places))
    parts = taken.column("input_item_id").dictionary_encode().indices.to_numpy(zero_copy_only=False)
    wholes = taken.column("output_item_id").dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    bad, first = _none(edges.num_rows), np.arange(edges.num_rows)
    _, begin, inverse = np.unique(parts, return_index=True, return_inverse=True)
    first_place = begin[inverse]
    bad[places] = wholes != wholes[first_place] if len(places) else False
    first[places] = places[first_place]
    yield Bad("genealogy", "input_item_id", pa.array(bad), {
        "output": edges.column("output_item_id"),
        "earlier": edges.column("output_item_id").take(pa.array(first)),
    })  # fmt: skip


@across("edge_again")
def edge_again(chunk: Chunk) -> Iterator[Bad]:
    """Yield recorded edges whose input, output, step, time and quantity stand in an earlier row already."""
    edges = chunk.get("genealogy")
    if edges is None:
        return
    names = ("input_item_id", "output_item_id", "step_run_id", "relation", "quantity", "occurred_at")
    texts = [edges.column(name).cast(pa.string()).fill_null("") for name in names]
    codes = pc.binary_join_element_wise(*texts, "\x1f").dictionary_encode().indices.to_numpy(zero_copy_only=False)
    bad = ~_none(edges.num_rows)
    bad[np.unique(codes, return_index=True)[1]] = False
    yield Bad("genealogy", "input_item_id", pa.array(bad), {"output": edges.column("output_item_id")})


@across("used_before_made")
def used_before_made(chunk: Chunk, *, slack_s: int) -> Iterator[Bad]:
    """Yield edges whose step ended, or that happened, more than `slack_s` before their input was produced."""
    edges, items = chunk.get("genealogy"), chunk.get("item")
    if edges is None or items is None:
        return
    known = items.filter(pc.is_valid(items.column("produced_at")))
    made = known.column("produced_at").take(pc.index_in(edges.column("input_item_id"), known.column("item_id")))
    used = edges.column("occurred_at")
    steps = chunk.get("process_step")
    if steps is not None:
        ended = steps.column("ended_at").take(pc.index_in(edges.column("step_run_id"), steps.column("step_run_id")))
        used = pc.coalesce(ended, used)
    late = pc.greater(pc.subtract(made, used), pa.scalar(slack_s * 1_000_000, pa.duration("us")))
    sure = pc.invert(edges.column("is_estimated"))
    bad = pc.and_(late, sure).fill_null(fill_value=False)
    yield Bad("genealogy", "input_item_id", bad, {"output": edges.column("output_item_id"), "made": made, "used": used})


@across("made_from_nothing")
def made_from_nothing(chunk: Chunk, *, kinds: tuple[str, ...]) -> Iterator[Bad]:
    """Yield items of the kinds that a step assembled and that no edge of the chunk leads to, where most others have one."""
    edges, items, steps = chunk.get("genealogy"), chunk.get("item"), chunk.get("process_step")
    if edges is None or items is None or steps is None:
        return
    of_kind = pc.is_in(items.column("item_kind"), pa.array(kinds, pa.string()))
    made = pc.is_in(items.column("produced_by_step_run_id"), steps.column("step_run_id"))
    made = pc.and_(made, pc.is_valid(items.column("produced_by_step_run_id")))
    fed = pc.is_in(items.column("item_id"), edges.column("output_item_id"))
    judged = pc.and_(of_kind, made)
    if 2 * pc.and_(judged, fed).true_count < judged.true_count:
        # A record that seldom states inputs, or whose edges travel in another chunk.
        return
    yield Bad("item", "item_id", pc.and_(judged, pc.invert(fed)), {"kind": items.column("item_kind")})


@across("failed_part_used")
def failed_part_used(chunk: Chunk, *, relations: tuple[str, ...]) -> Iterator[Bad]:
    """Yield assembled inputs that failed in a characteristic and passed in none of that name afterwards."""
    edges, results = chunk.get("genealogy"), chunk.get("quality_result")
    if edges is None or results is None:
        return
    names = pc.binary_join_element_wise(results.column("item_id"), results.column("characteristic_name_raw"), "\x1f")
    failed = pc.equal(results.column("verdict"), "fail").fill_null(fill_value=False)
    passed = pc.equal(results.column("verdict"), "pass").fill_null(fill_value=False)
    open_ones = pc.and_(failed, pc.invert(pc.is_in(names, names.filter(passed))))
    bad_items = results.column("item_id").filter(open_ones)
    hit = pc.and_(pc.is_in(edges.column("input_item_id"), bad_items), pc.is_valid(edges.column("input_item_id")))
    what = results.column("characteristic_name_raw").filter(open_ones).take(pc.index_in(edges.column("input_item_id"), bad_items))
    bad = pc.and_(hit, pa.array(_sure(edges, relations)))
    yield Bad("genealogy", "input_item_id", bad, {"output": edges.column("output_item_id"), "what": what})


@across("serial_again")
def serial_again(chunk: Chunk) -> Iterator[Bad]:
    """Yield items that share material and serial number with an earlier item of another identifier."""
    items = chunk.get("item")
    if items is None:
        return
    names = pc.binary_join_element_wise(items.column("material_definition_id"), items.column("serial_number"), "\x1f")
    given = pc.and_(pc.is_valid(names), pc.not_equal(items.column("serial_number"), "").fill_null(fill_value=False))
    first = pc.index_in(names, names)
    earlier = items.column("item_id").take(first)
    bad = pc.and_(given, pc.not_equal(items.column("item_id"), earlier)).fill_null(fill_value=False)
    yield Bad("item", "serial_number", bad, {"earlier": earlier, "item": items.column("item_id")})
