"""A trace for machines: every item and every edge, never cut, as JSON of schema bdx-lineage/1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np

from bdx.derive.lineage import Lineage
from bdx.pipeline.tracing import LineageResult
from bdx.report import lineage_words as words

_BLOCK = 10_000


def render(result: LineageResult) -> Iterator[str]:
    """Yield the document line by line: one item, one edge to a line."""
    lineage = result.lineage
    graph = lineage.graph
    head: dict[str, Any] = {"schema": "bdx-lineage/1", "asked": result.asked, "items": [graph.id(node) for node in lineage.begin.tolist()]}
    head |= {"sources": result.sources, "stretch_m": list(lineage.stretch) if np.isfinite(lineage.stretch[0]) else None}
    lines = [f'"{key}": {_dumped(value)}' for key, value in head.items()]
    yield "{" + ",\n".join(lines) + ',\n"nodes": ['
    yield from _commas(_nodes(lineage))
    yield '],\n"edges": ['
    yield from _commas(_edges(lineage))
    tail = {
        "missing": [graph.id(node) for node in lineage.missing.tolist()],
        "circles": [[graph.id(node) for node in side.circle] for side in lineage.sides.values() if side.circle],
        "summary": {name: asdict(found) | {"carriers": lineage.sides[name].carriers} for name, found in lineage.counted.items()},
        "text": words.summary(lineage),
    }
    yield "],\n" + ",\n".join(f'"{key}": {_dumped(value)}' for key, value in tail.items()) + "}"


def _nodes(lineage: Lineage) -> Iterator[dict[str, Any]]:
    graph = lineage.graph
    for name, side in lineage.sides.items():
        for start in range(0, len(side.nodes), _BLOCK):
            nodes = side.nodes[start : start + _BLOCK]
            marks = (nodes.tolist(), side.estimated[start : start + _BLOCK].tolist(), side.former[start : start + _BLOCK].tolist())
            for node, estimated, former, said in zip(*marks, graph.items(nodes), strict=True):
                level = int(side.level[node])
                if level == 0 and name != next(iter(lineage.sides)):
                    continue
                facts = {"id": graph.id(node), "side": name if level else "asked", "level": level, "estimated": estimated, "former": former}
                facts |= {"class_level": bool(graph.whole_class[node]), "scrapped": bool(graph.scrap[node])}
                yield facts | said


def _edges(lineage: Lineage) -> Iterator[dict[str, Any]]:
    graph = lineage.graph
    for name, side in lineage.sides.items():
        for start in range(0, len(side.edges), _BLOCK):
            edges = side.edges[start : start + _BLOCK]
            ends = graph.edges.source[edges].tolist(), graph.edges.target[edges].tolist(), graph.unsure[edges].tolist()
            for source, target, unsure, said in zip(*ends, graph.relations(edges), strict=True):
                yield {"from": graph.id(source), "to": graph.id(target), "side": name, "estimated": unsure, **said}


def _commas(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Yield each row as a line, with a comma where another follows."""
    held = ""
    for row in rows:
        if held:
            yield held + ","
        held = _dumped(row)
    if held:
        yield held


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value.item()
