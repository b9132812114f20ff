"""A trace as a tree for people: what an item was made of, what became of it, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterator

from bdx.derive.lineage import Lineage, Side
from bdx.names import shortened
from bdx.report import lineage_words as words
from bdx.report.lineage_rows import Extent, Row, rows
from bdx.report.words import plain, plural

_TITLES = {"up": "made of", "down": "went into"}
_DRAWN = 40
"""Levels that are drawn; below them the level stands as a number, or a long chain would be all indentation."""
_LISTED = 20


def render(lineage: Lineage, extent: Extent, *, color: bool = False, missing: bool = False) -> Iterator[str]:
    """Yield the lines of the tree, then one line for each side, then the gaps where they were asked for."""
    for node in lineage.begin.tolist():
        yield _title(lineage, node, color)
    for name, side in lineage.sides.items():
        if len(side.nodes) > len(lineage.begin):
            yield _paint("held" if name == "up" and words.holds(lineage) else _TITLES[name], "1", color)
            yield from _tree(lineage, side, extent, color)
    yield ""
    yield from words.summary(lineage)
    if missing:
        yield from _gaps(lineage, color)
    elif len(lineage.missing):
        yield f"{plural(len(lineage.missing), 'item')} without recorded inputs (--missing names them)"


def _title(lineage: Lineage, node: int, color: bool) -> str:
    graph = lineage.graph
    said = graph.items([node])[0]
    facts = [words.kind(graph, graph.label(node))]
    facts += [plain(shortened(str(said[name]), 60)) for name in ("name", "material_definition_id", "status") if name in said]
    if said.get("serial_number", graph.id(node)) != graph.id(node):
        facts.append(f"serial {plain(shortened(said['serial_number'], 60))}")
    low, high = lineage.stretch
    stretch = f" metres {low:g} to {high:g}" if low > float("-inf") else ""
    return f"{_paint(words.name(graph, node), '1', color)}{stretch}  {', '.join(facts)}"


def _tree(lineage: Lineage, side: Side, extent: Extent, color: bool) -> Iterator[str]:
    """Yield one line per row, drawn with the branches of those above."""
    above: list[bool] = []
    for row in rows(lineage, side, extent):
        del above[row.level - 1 :]
        above.append(row.last)
        yield _branch(above, row, color) + _line(lineage, row, color)


def _branch(above: list[bool], row: Row, color: bool) -> str:
    level = len(above)
    sign = _paint("~", "33", color) if row.estimated else "─"
    corner = ("└─" if row.last else "├─") + sign + " "
    if level > _DRAWN:
        return f"{'   ' * _DRAWN}[{level:,}] {corner}"
    return "".join("   " if last else "│  " for last in above[:-1]) + corner


def _line(lineage: Lineage, row: Row, color: bool) -> str:
    graph = lineage.graph
    if row.mark == "more":
        return words.more(graph, row.count, row.label)
    told = words.edge(graph.relations([row.edge])[0])
    marks = {"again": "  (see above)", "circle": "  (a circle: it stands above in this branch)"}.get(row.mark, "")
    scrap = "  " + _paint("scrapped", "31", color) if graph.scrap[row.node] and graph.label(row.node) != "scrap" else ""
    kind = words.kind(graph, graph.label(row.node))
    return f"{words.name(graph, row.node)}  {kind}{scrap}  {_paint(told, '2', color)}{marks}".rstrip()


def _gaps(lineage: Lineage, color: bool) -> Iterator[str]:
    """Yield the items without recorded inputs."""
    graph, count = lineage.graph, len(lineage.missing)
    if not count:
        yield "every item on the way that is made of something has recorded inputs"
        return
    yield _paint(f"{plural(count, 'item')} without recorded inputs", "1", color)
    for node in lineage.missing[:_LISTED].tolist():
        yield f"  {words.name(graph, node)}  {words.kind(graph, graph.label(node))}"
    if count > _LISTED:
        yield f"  ... and {count - _LISTED:,} more (-O json lists all)"


def _paint(text: str, code: str, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color else text
