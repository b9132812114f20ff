"""What an item was made of and what became of it: the two sides of a trace, with what is estimated, over, missing or circular."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bdx.derive.lineage_edges import NEVER
from bdx.derive.lineage_graph import Graph
from bdx.derive.lineage_walk import Holding, circle, leaving, reach

WHOLE = (-np.inf, np.inf)


@dataclass(slots=True)
class Side:
    """All that lies in one direction: items, nearest first and what was asked for at the head, and the edges between them."""

    down: bool
    nodes: Any
    edges: Any
    usable: Any
    """Of every edge of the graph: whether it was followed where it was met."""
    level: Any
    """Distance of every item of the graph, -1 for those not reached."""
    estimated: Any
    """Of `nodes`: whether every way there has an estimated edge."""
    former: Any
    """Of `nodes`: whether every way there has an edge that ended again."""
    circle: list[int] = field(default_factory=list)
    carriers: int = 0
    """Edges to and from carriers that were not followed."""


@dataclass(slots=True)
class Counted:
    """What a side comes to: items by kind, how many are estimated, former, scrap; of the pieces, how many sit in a whole."""

    kinds: dict[str, int] = field(default_factory=dict)
    estimated: int = 0
    former: int = 0
    scrapped: int = 0
    pieces: str = ""
    piece_count: int = 0
    whole: str = ""
    whole_count: int = 0
    in_whole: int = 0


@dataclass(slots=True)
class Lineage:
    """The trace of one or several items."""

    graph: Graph
    begin: Any
    stretch: tuple[float, float]
    up: Side | None
    down: Side | None
    missing: Any
    """Items on the way that something must have gone into, and nothing is recorded."""
    counted: dict[str, Counted] = field(default_factory=dict)

    @property
    def sides(self) -> dict[str, Side]:
        """The sides that were asked for, by name."""
        return {name: side for name, side in (("up", self.up), ("down", self.down)) if side is not None}


def trace(
    graph: Graph, begin: Any, *, up: bool = True, down: bool = True, carriers: bool = False, stretch: tuple[float, float] = WHOLE
) -> Lineage:
    """Return what the items `begin` (numbers of the graph) were made of and what became of them.

    `carriers` follows trays and pallets too; `stretch` asks for the metres of a roll between two marks only.
    """
    begin = np.unique(np.asarray(begin, np.int64))
    sides = {name: _side(graph, begin, down=name == "down", carriers=carriers, stretch=stretch) for name in _wanted(up, down)}
    missing = np.unique(np.concatenate([side.nodes[graph.unfed[side.nodes]] for side in sides.values()]))
    found = Lineage(graph, begin, stretch, sides.get("up"), sides.get("down"), missing)
    found.counted = {name: _counted(graph, side) for name, side in sides.items()}
    return found


def _wanted(up: bool, down: bool) -> list[str]:
    return [name for name, wanted in (("up", up), ("down", down)) if wanted]


def _side(graph: Graph, begin: Any, *, down: bool, carriers: bool, stretch: tuple[float, float]) -> Side:
    ways = graph.down if down else graph.up
    usable = graph.edges.source != graph.edges.target
    skipped = np.zeros(0, np.int32)
    if not carriers:
        # A carrier that was asked for itself is followed.
        own = leaving(ways, begin[graph.carrier[begin]], usable)
        usable &= ~graph.on_carrier
        usable[own] = True
    nodes, level = reach(ways, begin, usable)
    edges = leaving(ways, nodes, usable)
    if stretch != WHOLE or graph.bounded[edges].any():
        usable = Holding(graph, down=down).held(nodes, begin, usable, stretch)
        nodes, level = reach(ways, begin, usable)
        edges = leaving(ways, nodes, usable)
    if not carriers:
        skipped = leaving(ways, nodes, graph.on_carrier & ~usable)
    unsure, over = graph.unsure[edges].any(), (graph.edges.until[edges] != NEVER).any()
    none = np.zeros(len(nodes), bool)
    estimated = reach(ways, begin, usable & ~graph.unsure)[1][nodes] < 0 if unsure else none
    former = reach(ways, begin, usable & (graph.edges.until == NEVER))[1][nodes] < 0 if over else none
    return Side(down, nodes, edges, usable, level, estimated, former, _circle(graph, ways, nodes, edges, level), len(skipped))


def _circle(graph: Graph, ways: Any, nodes: Any, edges: Any, level: Any) -> list[int]:
    """Return the items of a circle among the edges, or one that goes into itself."""
    own = leaving(ways, nodes, graph.edges.source == graph.edges.target)
    if len(own):
        return [int(graph.edges.source[own[0]])]
    source, target = graph.edges.source[edges], graph.edges.target[edges]
    steps = (level[target] - level[source]) * (1 if ways is graph.down else -1)
    # Where every edge leads further away there is no way back.
    return circle(source, target) if (steps <= 0).any() else []


def _counted(graph: Graph, side: Side) -> Counted:
    """Return what lies on a side by kind; what was asked for is not counted."""
    others = side.level[side.nodes] > 0
    nodes = side.nodes[others]
    found = Counter[str]()
    for kind in np.unique(graph.kind[nodes]):
        of_kind = nodes[graph.kind[nodes] == kind]
        if kind >= 0:
            found[graph.kinds[kind]] = len(of_kind)
            continue
        for grain in np.unique(graph.grain[of_kind]):
            word = graph.grains[grain] if grain >= 0 else "unknown"
            found[word] += int((graph.grain[of_kind] == grain).sum())
    counted = Counted(dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))))
    words = graph.facts
    counted.pieces = next((kind for kind in words["pieces"] if found.get(kind)), "") or next(iter(counted.kinds), "")
    counted.whole = next((kind for kind in words["wholes"] if found.get(kind)), "") if side.down else ""
    counted.estimated, counted.former = int(side.estimated[others].sum()), int(side.former[others].sum())
    counted.scrapped = int(graph.scrap[nodes].sum())
    counted.piece_count, counted.whole_count = found.get(counted.pieces, 0), found.get(counted.whole, 0)
    if counted.whole and counted.pieces != counted.whole:
        counted.in_whole = _inside(graph, side, nodes, counted)
    return counted


def _inside(graph: Graph, side: Side, nodes: Any, counted: Counted) -> int:
    """Return how many of the pieces of a side sit in one of its wholes now."""
    usable = np.zeros(len(graph.edges), bool)
    usable[side.edges[graph.edges.until[side.edges] == NEVER]] = True
    _, level = reach(graph.up, nodes[graph.is_kind(counted.whole)[nodes]], usable)
    return int((graph.is_kind(counted.pieces)[nodes] & (level[nodes] >= 0)).sum())
