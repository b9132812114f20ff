"""EPCIS events <-> steps, items, genealogy and measured values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bdx.canon import Chunk, Document, Part
from bdx.mapping import Context
from bdx.mapping.epcis_read import Events, chunks
from bdx.mapping.epcis_write import Writer
from bdx.spec import Facts


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield chunks of process_step, process_parameter, item, genealogy, quality_result and equipment, in the order of the events."""
    yield from chunks(Events(facts, context), (part for part in parts if isinstance(part, Document)))


def from_canonical(stream: Iterable[Chunk], facts: Facts, context: Context) -> Iterator[Part]:
    """Yield a part "Document" and parts "Event", one for each step and group of edges; what EPCIS has no place for is a loss."""
    writer = Writer(facts, context)
    for chunk in stream:
        writer.gather(chunk)
    yield from writer.parts()
