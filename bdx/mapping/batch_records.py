"""Batch production records -> process steps, parameters, lots, results and traces; production messages inside them as elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.canon import Chunk, Document, Part
from bdx.errors import SpecError
from bdx.mapping import Context, segments
from bdx.mapping.batch_entries import Entries
from bdx.mapping.batch_rows import Batch, acted
from bdx.mapping.batch_series import Series
from bdx.mapping.batch_steps import Steps
from bdx.spec import Facts

SEGMENT = "SegmentResponse"
CHUNK_SHARE = 8
"""A chunk is closed once its longest table has this share of the largest allowed batch; memory stays flat."""


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield chunks of process_step, process_parameter, item, genealogy, quality_result, equipment, test and timeseries.

    The record is a step, its recipes and their elements are steps inside it; the lot it makes is an item, as is each sample.
    A data set whose tags are columns of `timeseries` becomes a test of its own; other tags become timed parameters.
    """
    batch = Batch(facts, context)
    records = _Records(batch)
    inside = partial(_inside, batch=batch, facts=facts, context=context)
    try:
        for is_segment, group in groupby(parts, lambda part: part.name == SEGMENT):
            for chunk in (inside if is_segment else records.chunks)(group):
                yield acted(chunk, records.action)
        for chunk in batch.all_chunks():
            yield acted(chunk, records.action)
    finally:
        batch.tell()


class _Records:
    """Hands each element to what maps it."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.steps = Steps(batch)
        self.entries = Entries(batch)
        self.series = Series(batch)
        self.action = ""

    def chunks(self, parts: Iterable[Part]) -> Iterator[Chunk]:
        """Yield the rows of elements of records, as chunks grow long."""
        for part in parts:
            if not isinstance(part, Document):
                raise SpecError(f"mapping 'batch_records' takes documents, not the table '{part.name}'")
            self.batch.at(part.locator)
            self._act(part)
            if part.name == "row":
                yield from self.series.row(part.value)
            elif part.name == "data set":
                yield from self.series.finish(part.value)
            else:
                self._take(part)
            if self.batch.longest() * CHUNK_SHARE >= canon.BATCH_ROWS:
                yield from self.batch.all_chunks()

    def _take(self, part: Document) -> None:
        kind, unit = part.name, part.value
        if kind in ("record", "recipe", "element"):
            self.steps.take(kind, unit)
        elif kind == "event":
            self.entries.event(unit)
        elif kind == "sample":
            self.entries.sample(unit)
        elif kind == "sample test":
            self.entries.test(unit)
        elif kind == "sample result":
            self.entries.result(unit)
        elif kind in ("comment", "change", "signature"):
            self.steps.keep(kind, unit["node"])
        elif kind == "plan":
            self.batch.context.log.lose(self.batch.context.source, unit["element"], "a recipe says what shall be made, not what was")

    def _act(self, part: Document) -> None:
        action = part.value["action"]
        if action and not self.action:
            self.action = action
            self.batch.context.log.find("M090", source=self.batch.context.source, locator=part.locator, value=action)


def _inside(group: Iterator[Part], batch: Batch, facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield the chunks of the production messages of a record; steps that are part of no other are part of the record's."""
    first = next(group)
    assert isinstance(first, Document)
    record = first.value["above"][0]
    batch.at(first.locator)
    whole = batch.step_of(record["ordinal"], batch.flat(record["said"]), [])

    yield from batch.all_chunks()

    def again() -> Iterator[Part]:
        yield first
        yield from group

    for chunk in segments.to_canonical(again(), spec.facts("mappings", facts["segments"]), context):
        steps = chunk.get("process_step")
        if steps is not None:
            place = steps.schema.get_field_index("parent_step_run_id")
            filled = pc.fill_null(steps.column(place), pa.scalar(whole))
            chunk["process_step"] = steps.set_column(place, steps.schema.field(place), filled)
        yield chunk
