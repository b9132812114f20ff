"""Edges of a production graph that close a circle, so that a mass balance can leave them out."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdx.derive.lineage_graph import Graph


def circles(graph: Graph, used: Any) -> Any:
    """Return the numbers of used edges that lead from an item back to what it is made of; none in a sound genealogy.

    Items nothing is made of are peeled off until none is left; what stays lies on a circle or was put into one, and only
    that is walked item by item.
    """
    source, target = graph.edges.source, graph.edges.target
    nodes = len(graph.ids)
    open_ends = np.bincount(source[used], minlength=nodes)
    done = np.zeros(nodes, bool)
    front = np.flatnonzero(open_ends == 0)
    while len(front):
        done[front] = True
        edges = graph.up.edges[graph.up.places(front)] if len(front) else front
        edges = edges[used[edges]]
        inputs, counts = np.unique(source[edges], return_counts=True)
        open_ends[inputs] -= counts
        front = inputs[open_ends[inputs] == 0]
    if done.all():
        return np.zeros(0, np.int64)
    kept = np.flatnonzero(used & ~done[source] & ~done[target])
    leaving = np.flatnonzero(used & ~done[source] & done[target])
    return _backward(source[kept], target[kept], kept, np.unique(source[leaving]))


def _backward(source: Any, target: Any, numbers: Any, first: Any) -> Any:
    """Return the edges that lead back to an item on the way, walking inputs from `first` on, then from any other item."""
    inputs: dict[int, list[tuple[int, int]]] = {}
    for item, output, edge in zip(source.tolist(), target.tolist(), numbers.tolist(), strict=True):
        inputs.setdefault(output, []).append((item, edge))
    state: dict[int, int] = {}
    found: list[int] = []
    for start in [*first.tolist(), *inputs]:
        if start in state:
            continue
        state[start] = 1
        path = [(start, iter(inputs.get(start, ())))]
        while path:
            item, rest = path[-1]
            step = next(rest, None)
            if step is None:
                state[item] = 2
                path.pop()
            elif state.get(step[0]) == 1:
                found.append(step[1])
            elif step[0] not in state:
                state[step[0]] = 1
                path.append((step[0], iter(inputs.get(step[0], ()))))
    return np.asarray(sorted(found), np.int64)
