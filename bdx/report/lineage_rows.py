"""The rows of a trace as a person sees them: depth first, every item opened once, long lists and deep ends cut and counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bdx.derive.lineage import Lineage, Side
from bdx.derive.lineage_walk import leaving

CHILDREN = 5
LINES = 400


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is shown: `depth` steps away, `children` of one kind below an item, `lines` in all; None is everything."""

    depth: int | None = None
    children: int | None = CHILDREN
    lines: int | None = LINES


EVERYTHING = Extent(None, None, None)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the item and the edge that led to it; `mark` is empty, "again", "circle" or "more".

    In a row "more" `count` items are not shown, of the kind `label` where it is given. `level` says how deep the row stands,
    `last` whether nothing comes below it in its level, `parent` which item is above.
    """

    level: int
    node: int
    edge: int
    parent: int
    mark: str = ""
    count: int = 0
    label: str = ""
    estimated: bool = False
    last: bool = True


@dataclass(slots=True)
class _Open:
    """An item whose rows are being shown: edges and, with the edge -1, what is not shown; `at` is the next of them."""

    node: int
    rows: list[tuple[int, int, str]]
    estimated: bool = False
    at: int = 0


def rows(lineage: Lineage, side: Side, extent: Extent) -> Iterator[Row]:
    """Yield the rows below the items asked for; an item met again is named and not opened again."""
    graph = lineage.graph
    ends = graph.edges.target if side.down else graph.edges.source
    opened: set[int] = set()
    lines = 0
    for begin in lineage.begin.tolist():
        stack = [_Open(begin, _below(lineage, side, begin, extent))]
        path = {begin}
        opened.add(begin)
        while stack:
            top, level = stack[-1], len(stack)
            if top.at == len(top.rows):
                path.discard(stack.pop().node)
                continue
            if extent.lines is not None and lines >= extent.lines:
                yield Row(level, -1, -1, top.node, "more", sum(count for _, count, _ in top.rows[top.at :]))
                top.at = len(top.rows)
                continue
            edge, count, label = top.rows[top.at]
            top.at += 1
            last = top.at == len(top.rows)
            if edge < 0:
                yield Row(level, -1, -1, top.node, "more", count, label, last=last)
                continue
            lines += 1
            node, estimated = int(ends[edge]), top.estimated or bool(graph.unsure[edge])
            mark = "circle" if node in path else "again" if node in opened else ""
            yield Row(level, node, edge, top.node, mark, estimated=estimated, last=last)
            if mark:
                continue
            below = _below(lineage, side, node, extent)
            if extent.depth is not None and level >= extent.depth:
                if below:
                    yield Row(level + 1, -1, -1, node, "more", sum(count for _, count, _ in below))
                continue
            opened.add(node)
            path.add(node)
            stack.append(_Open(node, below, estimated))


def _below(lineage: Lineage, side: Side, node: int, extent: Extent) -> list[tuple[int, int, str]]:
    """Return the rows below an item: its edges by the kind of what they lead to, of each kind the first ones and how many more."""
    graph = lineage.graph
    edges = leaving(graph.down if side.down else graph.up, np.array([node]), side.usable)
    if extent.children is None or len(edges) <= extent.children:
        return [(edge, 1, "") for edge in edges.tolist()]
    nodes = (graph.edges.target if side.down else graph.edges.source)[edges]
    kinds = np.where(graph.kind[nodes] >= 0, graph.kind[nodes], len(graph.kinds) + 1 + graph.grain[nodes])
    found: list[tuple[int, int, str]] = []
    firsts = np.unique(kinds, return_index=True)[1]
    for first in np.sort(firsts).tolist():
        alike = edges[kinds == kinds[first]]
        # One row that says "and 1 more" is no shorter than the row itself.
        shown = extent.children if len(alike) > extent.children + 1 else len(alike)
        found += [(edge, 1, "") for edge in alike[:shown].tolist()]
        if len(alike) > shown:
            found.append((-1, len(alike) - shown, graph.label(int(nodes[first]))))
    return found
