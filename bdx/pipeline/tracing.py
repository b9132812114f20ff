"""Lineage: any sources into one graph of items, and the trace of one of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bdx import spec
from bdx.canon import Finding, Log, Loss
from bdx.derive.lineage import WHOLE, Lineage, trace
from bdx.derive.lineage_graph import Graph
from bdx.derive.lineage_names import Wanted, matches, nearest
from bdx.derive.lineage_rows import COLUMNS, Rows
from bdx.errors import SourceError, UsageError
from bdx.formats import dataset
from bdx.mapping.epcis_names import Names
from bdx.names import shortened
from bdx.pipeline.folders import open_all
from bdx.pipeline.reading import ReadOptions, chunks

_STRETCH = re.compile(r"^(.+)@(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)m$", re.DOTALL)
_LISTED = 8


@dataclass(slots=True)
class Factory:
    """The graph of all sources, with what their reading remarked on; it can be asked again and again."""

    graph: Graph
    sources: list[str]
    findings: list[Finding] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


@dataclass(slots=True)
class LineageResult:
    """The trace of an item: `asked` is what the user wrote, `findings` are those of reading and of the trace."""

    asked: str
    sources: list[str]
    lineage: Lineage
    findings: list[Finding]
    losses: list[Loss]


def load(sources: Sequence[str | Path], *, from_format: str | None = None, by: str | Path = "", assume_tz: str | None = None) -> Factory:
    """Return the graph of production of all sources; the same identifier in several is one item. `by` is a mapping file for flat exports.

    Raises: SourceError and its kin where a source cannot be read, or none tells of items or of what went into what.
    """
    options = ReadOptions(from_format=from_format, mapping=str(by) or None, assume_tz=assume_tz)
    rows, log = Rows(), Log()
    opened = open_all([str(uri) for uri in sources], options, log)
    for item in opened:
        if item.format.engine == "dataset":
            for table, batch in dataset.read_columns(item.source, COLUMNS):
                rows.take(table, batch)
        else:
            for chunk in chunks(item, options):
                for table, batch in chunk.items():
                    rows.take(table, batch)
        log.merge(item.log, item.uri)
    uris = [item.uri for item in opened]
    if not rows.counts["genealogy"] and not rows.counts["item"]:
        raise SourceError("holds no items and no genealogy", path=", ".join(uris))
    graph = Graph(rows, spec.load(spec.root() / "lineage.toml", "lineage"))
    if graph.edges.nameless:
        log.lose(", ".join(uris), "rows of genealogy", "they name no input or no output", graph.edges.nameless)
    return Factory(graph, uris, log.findings, log.losses)


def follow(
    factory: Factory, item: str, *, up: bool = True, down: bool = True, carriers: bool = False, every: bool = False
) -> LineageResult:
    """Return the trace of an item of a graph; see `lineage`."""
    graph = factory.graph
    text, stretch, found = item, WHOLE, matches(graph, _wanted(item))
    cut = _STRETCH.match(item)
    if not found and cut is not None:
        text, stretch = cut[1], (float(cut[2]), float(cut[3]))
        if stretch[0] >= stretch[1]:
            raise UsageError(f"the stretch of '{shortened(item, 80)}' ends where it begins or before; expected ITEM@FROM-TOm")
        found = matches(graph, _wanted(text))
    if not found:
        raise UsageError(f"no item '{shortened(text, 80)}'{shortened(nearest(graph, text), 200)} in {', '.join(factory.sources)}")
    if len(found) > 1 and not every:
        some = ", ".join(f"{shortened(graph.id(node), 60)} ({graph.label(node)})" for node in found[:_LISTED])
        more = f" and {len(found) - _LISTED:,} more" if len(found) > _LISTED else ""
        raise UsageError(f"'{shortened(text, 80)}' means {len(found):,} items: {some}{more}; name one, or follow all with --every")
    made = trace(graph, np.array(found), up=up, down=down, carriers=carriers, stretch=stretch)
    log = Log()
    for side in made.sides.values():
        if side.circle:
            names = [shortened(graph.id(node), 60) for node in side.circle]
            around, onward = " -> ".join([*names[:_LISTED], names[0]]), names[1 % len(names)]
            where = {"source": ", ".join(factory.sources), "table": "genealogy", "column": "input_item_id"}
            log.find("P013", **where, value=names[0], output=onward, at=around, count=len(names))  # type: ignore[arg-type]
            break
    return LineageResult(item, factory.sources, made, factory.findings + log.findings, factory.losses)


def lineage(
    sources: Sequence[str | Path],
    item: str,
    *,
    up: bool = True,
    down: bool = True,
    carriers: bool = False,
    every: bool = False,
    from_format: str | None = None,
    by: str | Path = "",
    assume_tz: str | None = None,
) -> LineageResult:
    """Return what an item was made of (`up`) and what became of it (`down`), from sources of any formats.

    `item` is an identifier, serial number, lot, sub-lot or the URI of one; `ITEM@12.5-30m` asks for a piece of a roll. `carriers`
    follows trays and pallets too, `every` follows all items that the text means. `by` is a mapping file for flat exports.
    Raises: UsageError for an unknown item or a text that means several, SourceError and its kin.
    """
    factory = load(sources, from_format=from_format, by=by, assume_tz=assume_tz)
    return follow(factory, item, up=up, down=down, carriers=carriers, every=every)


def _wanted(text: str) -> Wanted:
    """Return a text with what it names where it is a URI of EPCIS or a link of GS1."""
    if ":" not in text or len(text) > 2_000:
        return Wanted(text)
    named = Names(spec.facts("mappings", "epcis")).named(text)
    return Wanted(text, named.item_id, named.gtin or "", named.lot or "", named.serial or "")
