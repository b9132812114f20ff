"""Where a value came from as a drawing for Mermaid: the passport to the left, the files to the right."""

from __future__ import annotations

from collections.abc import Iterator

from bdx.names import shortened
from bdx.pipeline.source_again import UNCHANGED
from bdx.pipeline.value_trace import Origin, ValueTrace
from bdx.report.lineage_drawn import entities
from bdx.report.trace_text import facts, how, reference, said
from bdx.report.words import plain

_LABEL = 80
_MOST = 24


def render(trace: ValueTrace) -> Iterator[str]:
    """Yield the lines of a Mermaid flow chart."""
    yield "flowchart LR"
    unit = f" {trace.unit}" if trace.unit else ""
    files: dict[str, str] = {}
    for number, origin in enumerate(trace.origins, 1):
        value = f"v{number}"
        told = f"{said(origin.value or origin.told['value'])}{unit}"
        yield _box(value, [f"{origin.key} {origin.table}.{origin.column}", told, f"in {trace.passport}"])
        yield from _steps(origin, number, files)


def _steps(origin: Origin, number: int, files: dict[str, str]) -> Iterator[str]:
    value, derivation = f"v{number}", f"d{number}"
    yield _box(derivation, [how(origin), *([origin.definition] if origin.definition else [])])
    yield f"  {value} --> {derivation}"
    ends = []
    for place, item in enumerate(origin.said.rows[:_MOST] if origin.said is not None else (), 1):
        name = f"r{number}_{place}"
        yield _box(name, [reference(item), *(facts(item.table, row) for _, row in item.rows[:1])])
        yield f"  {derivation} --> {name}"
        ends.append(name)
    if origin.source is None:
        return
    if origin.source.id not in files:
        files[origin.source.id] = f"s{len(files) + 1}"
        yield _box(files[origin.source.id], [origin.source.uri or origin.source.id, origin.source.state])
    arrow = "-->" if origin.source.state == UNCHANGED and origin.agrees is not False else "-.->"
    for end in ends or [derivation]:
        yield f"  {end} {arrow} {files[origin.source.id]}"


def _box(name: str, lines: list[str]) -> str:
    return f'  {name}["{"<br/>".join(entities(plain(shortened(line, _LABEL))) for line in lines)}"]'
