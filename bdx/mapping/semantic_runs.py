"""Graphs of process runs -> steps, values, items, genealogy and equipment; attached statistics -> tests and cycles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bdx import spec
from bdx.canon import Chunk, Document, Part, Table
from bdx.mapping import Context
from bdx.mapping.kipro_cycles import statistics
from bdx.mapping.kipro_graph import unescaped_name
from bdx.mapping.kipro_runs import Runs
from bdx.spec import Facts


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield the rows of all graphs in bounded chunks, then those of the attached files, each a test of its own."""
    runs = Runs(facts, context)
    attached = spec.facts("mappings", facts["attached"]["mapping"])
    said: dict[str, Any] = {}
    name, done = "", False
    for part in parts:
        if isinstance(part, Document) and part.name == "Graph":
            runs.take(part.value["nodes"], part.value["file"])
            if runs.rows.full():
                yield from runs.rows.chunks()
            continue
        if not done:
            yield from runs.rows.chunks()
            done = True
        if isinstance(part, Table):
            yield from _attached(part, name, said, runs, attached)
        elif part.name == "Attached":
            name, said = part.value["file"], {}
        else:
            said.update(part.value)
    yield from runs.rows.chunks()
    runs.rows.tell()


def _attached(table: Table, name: str, said: dict[str, Any], runs: Runs, facts: Facts) -> Iterator[Chunk]:
    """Yield the test and cycles of one attached file, with the item and step that a parameter names it for."""
    stem = name.rsplit("/", 1)[-1]
    links = runs.files.get(unescaped_name(stem), (None, None))
    test_id = f"{runs.context.source_id}:{name.rsplit('.', 1)[0]}"
    yield from statistics(table, said, facts, runs.context, test_id=test_id, name=stem, links=links)
