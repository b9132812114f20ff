"""Walks over the graph without recursion: what an item reaches, which edges hold, and the circles on the way."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdx.derive.lineage_edges import ALWAYS, NEVER
from bdx.derive.lineage_graph import Graph, Ways

_ROUNDS = 64
"""Layers peeled off at once before the rest is walked item by item; real genealogies are about twenty deep."""

_WIDENINGS = 16
"""How often the time and stretch known of an item may grow before everything is taken to hold; without it circles might never end."""


def reach(ways: Ways, begin: Any, usable: Any) -> tuple[Any, Any]:
    """Return the items reached from `begin` over usable edges, nearest first, and of every item its distance, -1 for not reached."""
    level = np.full(ways.nodes, -1, np.int32)
    level[begin] = 0
    front, found, depth = begin, [begin], 0
    turn = np.empty(ways.nodes, np.int32)
    while len(front):
        depth += 1
        places = ways.places(front)
        ends = ways.ends[places]
        front = ends[usable[ways.edges[places]] & (level[ends] < 0)]
        if len(front) > 1:
            # Of an item met several times in this layer the last place stays.
            places = np.arange(len(front), dtype=np.int32)
            turn[front] = places
            front = front[turn[front] == places]
        level[front] = depth
        found.append(front)
    return np.concatenate(found), level


def leaving(ways: Ways, nodes: Any, usable: Any) -> Any:
    """Return the usable edges that leave the items."""
    edges = ways.edges[ways.places(nodes)] if len(nodes) else np.zeros(0, np.int32)
    return edges[usable[edges]]


class Holding:
    """Times and stretches along the way: which edges hold for what is asked, going up or down.

    What is in an item is there from when until when, and between which metres of it; an edge is followed where it meets both.
    What several ways bring is taken together as one span, so that rather too much than too little is followed.
    """

    def __init__(self, graph: Graph, *, down: bool) -> None:
        self._graph = graph
        self._ways = graph.down if down else graph.up
        edges = graph.edges
        near, far = ("in", "out") if down else ("out", "in")
        self._near = _span(edges.number(f"{near}_from_m"), edges.number(f"{near}_to_m"))
        self._far = edges.number(f"{far}_from_m"), edges.number(f"{far}_to_m")
        self._turned = edges.number(f"{near}_from_m") > edges.number(f"{near}_to_m")

    def held(self, nodes: Any, begin: Any, usable: Any, asked: tuple[float, float]) -> Any:
        """Return which edges hold, of those that leave `nodes`."""
        ways, edges = self._ways, self._graph.edges
        held = np.zeros(len(edges), bool)
        place = np.full(ways.nodes, -1, np.int64)
        place[nodes] = np.arange(len(nodes))
        low, high = np.full((2, len(nodes)), np.inf), np.full((2, len(nodes)), -np.inf)
        low[:, place[begin]], high[:, place[begin]] = [[-np.inf], [asked[0]]], [[np.inf], [asked[1]]]
        widened = np.zeros(len(nodes), np.int32)
        front = np.unique(place[begin])
        while len(front):
            at = ways.places(nodes[front])
            counts = ways.starts[nodes[front] + 1] - ways.starts[nodes[front]]
            own = np.repeat(front, counts)
            kept = usable[ways.edges[at]]
            edge, end, own = ways.edges[at][kept], place[ways.ends[at][kept]], own[kept]
            meets, lows, highs = self._followed(edge, low[:, own], high[:, own])
            held[edge[meets]] = True
            end, lows, highs = end[meets], lows[:, meets], highs[:, meets]
            ends = np.unique(end)
            was = low[:, ends], high[:, ends]
            for side in (0, 1):
                np.minimum.at(low[side], end, lows[side])
                np.maximum.at(high[side], end, highs[side])
            front = ends[((low[:, ends] < was[0]) | (high[:, ends] > was[1])).any(axis=0)]
            widened[front] += 1
            wide = front[widened[front] > _WIDENINGS]
            low[:, wide], high[:, wide] = -np.inf, np.inf
        return held

    def _followed(self, edge: Any, low: Any, high: Any) -> tuple[Any, Any, Any]:
        """Return which edges meet time and stretch of the items they leave, and the time and stretch at their ends."""
        since, until = self._graph.edges.since[edge].astype(np.float64), self._graph.edges.until[edge].astype(np.float64)
        since[self._graph.edges.since[edge] == ALWAYS], until[self._graph.edges.until[edge] == NEVER] = -np.inf, np.inf
        begins, ends = np.maximum(low[0], since), np.minimum(high[0], until)
        gathers = self._graph.gathers[edge]
        first, last = self._near[0][edge], self._near[1][edge]
        known = np.isfinite(first) & np.isfinite(last)
        start, stop = np.maximum(low[1], np.where(known, first, -np.inf)), np.minimum(high[1], np.where(known, last, np.inf))
        meets = (begins < ends) & ((start < stop) | ((start == stop) & (first == last)))
        far_first, far_last = self._far[0][edge], self._far[1][edge]
        mapped = np.isfinite(far_first) & np.isfinite(far_last)
        share = np.where(known & (last > first), last - first, 1.0)
        from_, to = (
            np.where(known & (last > first), (start - first) / share, 0.0),
            np.where(known & (last > first), (stop - first) / share, 1.0),
        )
        from_, to = np.where(self._turned[edge], 1 - to, from_), np.where(self._turned[edge], 1 - from_, to)
        one, other = far_first + from_ * (far_last - far_first), far_first + to * (far_last - far_first)
        lows = np.stack([np.where(gathers, begins, since), np.where(mapped, np.minimum(one, other), -np.inf)])
        highs = np.stack([np.where(gathers, ends, np.inf), np.where(mapped, np.maximum(one, other), np.inf)])
        return meets, lows, highs


def _span(first: Any, last: Any) -> tuple[Any, Any]:
    return np.minimum(first, last), np.maximum(first, last)


def circle(source: Any, target: Any) -> list[int]:
    """Return the items of one circle of the edges, in their order; empty where there is none."""
    own = np.flatnonzero(source == target)
    if len(own):
        return [int(source[own[0]])]
    nodes, numbers = np.unique(np.concatenate([source, target]), return_inverse=True)
    begins, ends = numbers[: len(source)], numbers[len(source) :]
    left = np.arange(len(source))
    for _ in range(_ROUNDS):
        entered, left_from = np.zeros(len(nodes), bool), np.zeros(len(nodes), bool)
        entered[ends[left]] = True
        left_from[begins[left]] = True
        kept = left[entered[begins[left]] & left_from[ends[left]]]
        if len(kept) in (0, len(left)):
            left = kept
            break
        left = kept
    return [int(nodes[number]) for number in _named(begins[left].tolist(), ends[left].tolist())]


def _named(begins: list[int], ends: list[int]) -> list[int]:
    """Return a circle of the edges, found by going on until an item is met again; dead ends are left for good."""
    onward: dict[int, list[int]] = {}
    for begin, end in zip(begins, ends, strict=True):
        onward.setdefault(begin, []).append(end)
    done: set[int] = set()
    for start in onward:
        if start in done:
            continue
        way, place = [start], {start: 0}
        while way:
            nexts = onward.get(way[-1])
            if not nexts:
                done.add(way[-1])
                del place[way.pop()]
                continue
            end = nexts.pop()
            if end in place:
                return way[place[end] :]
            if end not in done:
                place[end] = len(way)
                way.append(end)
    return []
