"""A trace as a drawing for Graphviz or Mermaid: the rows of the tree as a graph, inputs to the left, estimated edges dashed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bdx.derive.lineage import Lineage
from bdx.names import shortened
from bdx.report import lineage_words as words
from bdx.report.lineage_rows import Extent, Row, rows

_LABEL = 60
_NOT_PLAIN = re.compile(r"[^\w \-.,:/()+]", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Box:
    name: str
    label: list[str]
    asked: bool = False


@dataclass(frozen=True, slots=True)
class _Arrow:
    begin: str
    end: str
    label: str = ""
    dashed: bool = False


def dot(lineage: Lineage, extent: Extent) -> Iterator[str]:
    """Yield the lines of a Graphviz digraph."""
    yield "digraph lineage {"
    yield '  rankdir=LR; node [shape=box, fontname="sans-serif"]; edge [fontname="sans-serif", fontsize=10];'
    for what in _drawn(lineage, extent):
        if isinstance(what, _Box):
            text = "\\n".join(_quoted(line) for line in what.label)
            yield f'  {what.name} [label="{text}"{", style=bold" if what.asked else ""}];'
        else:
            yield f'  {what.begin} -> {what.end} [label="{_quoted(what.label)}"{", style=dashed" if what.dashed else ""}];'
    yield "}"


def mermaid(lineage: Lineage, extent: Extent) -> Iterator[str]:
    """Yield the lines of a Mermaid flow chart."""
    yield "flowchart LR"
    for what in _drawn(lineage, extent):
        if isinstance(what, _Box):
            yield f'  {what.name}["{"<br/>".join(entities(line) for line in what.label)}"]{":::asked" if what.asked else ""}'
        else:
            label = f'|"{entities(what.label)}"|' if what.label else ""
            yield f"  {what.begin} {'-.->' if what.dashed else '-->'}{label} {what.end}"
    yield "  classDef asked stroke-width:3px"


def _drawn(lineage: Lineage, extent: Extent) -> Iterator[_Box | _Arrow]:
    """Yield the items and edges of the tree, each once."""
    graph = lineage.graph
    known: set[int] = set()
    seen: set[int] = set()
    more = 0
    for node in lineage.begin.tolist():
        known.add(node)
        yield _Box(f"n{node}", _label(lineage, node), asked=True)
    for side in lineage.sides.values():
        for row in rows(lineage, side, extent):
            if row.mark == "more":
                more += 1
                yield _Box(f"m{more}", [words.more(graph, row.count, row.label)])
                yield _Arrow(*_ends(f"n{row.parent}", f"m{more}", down=side.down))
                continue
            if row.node not in known:
                known.add(row.node)
                yield _Box(f"n{row.node}", _label(lineage, row.node))
            if row.edge not in seen:
                seen.add(row.edge)
                ends = _ends(f"n{row.parent}", f"n{row.node}", down=side.down)
                yield _Arrow(*ends, _told(lineage, row), bool(graph.unsure[row.edge]))


def _ends(near: str, far: str, *, down: bool) -> tuple[str, str]:
    return (near, far) if down else (far, near)


def _label(lineage: Lineage, node: int) -> list[str]:
    graph = lineage.graph
    return [words.name(graph, node, _LABEL), words.kind(graph, graph.label(node)) + (", scrapped" if graph.scrap[node] else "")]


def _told(lineage: Lineage, row: Row) -> str:
    return shortened(words.edge(lineage.graph.relations([row.edge])[0]), 100)


def _quoted(text: str) -> str:
    """Return text as it stands inside a quoted string of Graphviz."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def entities(text: str) -> str:
    """Return text in which Mermaid reads nothing but text: every sign with a meaning as its number."""
    return _NOT_PLAIN.sub(lambda found: f"#{ord(found[0])};", text)
