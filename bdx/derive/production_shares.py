"""How much of an item is in each of those it went into: by stated quantities, else by what was made of it, else evenly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.derive.lineage_edges import NEVER
from bdx.derive.production_circles import circles
from bdx.derive.production_items import Plant, dimension, in_base

_SLACK = 1.001
"""More than this share of a lot taken out of it means that its stated quantity is not all there was."""
_WHOLE = ("transformed", "renamed")
"""Relations in which all of the input becomes the output, where nothing else is stated."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Arrays over the edges of the graph."""

    used: Any
    """Whether mass follows the edge: not a carrier, not taken out again, not a guess, not round a circle."""
    guessed: Any
    """Whether the edge is a guess of its step."""
    share: Any
    """Share of the input that is in the output."""
    estimated: Any
    """Whether that share is divided evenly, or by quantities that may not be all."""
    last: Any
    """Whether the input is a material: it has no inputs of its own, or cannot be divided."""
    mass: Any
    """Mass in kg of the input that is in the output, NaN where it cannot be told; of materials only."""
    guessed_mass: Any
    """Whether that mass is estimated."""
    circular: Any
    """Numbers of edges that close a circle."""


def shares(plant: Plant) -> Shares:
    """Return the shares of all edges of a plant."""
    graph = plant.graph
    source, target = graph.edges.source, graph.edges.target
    guessed = np.asarray(graph.edges.estimated, bool)
    used = ~guessed & ~graph.on_carrier & (graph.edges.until == NEVER) & (source != target)
    circular = circles(graph, used)
    used[circular] = False
    nodes = len(graph.ids)
    edges = np.flatnonzero(used)
    fed = np.bincount(target[edges], minlength=nodes) > 0
    quantity, kind = in_base(graph.edges.number("quantity"), _units(graph.edges.facts.column("unit")))
    share, estimated = np.zeros(len(source)), np.zeros(len(source), bool)
    share[edges], estimated[edges], exact = _divided(plant, edges, quantity[edges], kind[edges])
    mass_kind = dimension("mass")
    weighed = kind == mass_kind
    own = np.where(plant.piece, plant.numbers("mass_kg"), np.nan)
    amount, amount_kind = plant.amounts
    own = np.where(np.isnan(own) & (amount_kind == mass_kind), amount, own)
    comparable = np.zeros(len(source), bool)
    comparable[edges] = exact
    last = ~fed[source] | (weighed & ~comparable & ~plant.piece[source])
    mass = np.where(weighed, quantity, own[source] * share)
    return Shares(used, guessed, share, estimated, last, mass, ~weighed & estimated, circular)


def _units(column: pa.ChunkedArray) -> pa.DictionaryArray:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], pa.string())
    return array if pa.types.is_dictionary(array.type) else array.cast(pa.string()).dictionary_encode()


def _divided(plant: Plant, edges: Any, quantity: Any, kind: Any) -> tuple[Any, Any, Any]:
    """Return share, whether it is estimated, and whether it is a stated quantity of a stated whole."""
    graph = plant.graph
    source, target = graph.edges.source[edges], graph.edges.target[edges]
    nodes = len(graph.ids)

    def total(values: Any) -> Any:
        return np.bincount(source, values, minlength=nodes)

    count = total(np.ones(len(edges)))
    amount, amount_kind = plant.amounts
    exact = (kind >= 0) & (amount_kind[source] == kind) & (amount[source] > 0)
    share = np.where(exact, quantity / np.where(exact, amount[source], 1.0), 0.0)
    taken = total(share)
    over = taken > _SLACK
    share = np.where(over[source], share / np.where(over, taken, 1.0)[source], share)
    estimated = exact & over[source]
    left = np.maximum(0.0, 1.0 - taken)
    rest = ~exact & (total(exact) > 0)[source]
    share = np.where(rest, left[source] / np.maximum(1.0, total(rest))[source], share)
    none = ~exact & ~rest
    weights, sure = _weights(plant, source, target, quantity, kind, count)
    summed = total(weights)
    share = np.where(none, weights / np.where(summed > 0, summed, 1.0)[source], share)
    relation, words = graph.edges.text("relation")
    becomes = np.isin(relation[edges], [number for number, word in enumerate(words) if word in _WHOLE]) & (kind < 0)
    whole = (count[source] == 1) & (plant.piece[source] | becomes)
    estimated |= rest | (none & ~sure)
    return np.where(whole, 1.0, share), estimated & ~whole, exact


def _weights(plant: Plant, source: Any, target: Any, quantity: Any, kind: Any, count: Any) -> tuple[Any, Any]:
    """Return by what an item without a comparable quantity is divided, and whether that is all that was made of it."""
    nodes = len(count)
    amount, amount_kind = plant.amounts
    taken = _alike(source, kind, nodes, count)
    made = _alike(source, amount_kind[target], nodes, count) & (count > 1)
    weights = np.where(made[source], amount[target], 1.0)
    weights = np.where(taken[source], quantity, weights)
    return np.nan_to_num(weights), made[source] & ~taken[source]


def _alike(source: Any, kind: Any, nodes: int, count: Any) -> Any:
    """Return of which items all edges have a quantity of one dimension."""
    low, high = np.full(nodes, np.iinfo(np.int64).max), np.full(nodes, -1, np.int64)
    np.minimum.at(low, source, kind)
    np.maximum.at(high, source, kind)
    return (low == high) & (low >= 0) & (count > 0)
