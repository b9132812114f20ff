"""Tables of a source in batches of one length, so that what a mapping decides by the first rows does not hang on how they were read."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from bdx.canon import Part, Table
from bdx.errors import SourceError

ROWS = 65_536
"""Rows of every batch but the last."""


def even(parts: Iterator[Part]) -> Iterator[Part]:
    """Yield the parts; the rows of a table in batches of `ROWS`, whatever the lengths they come in."""
    for part in parts:
        yield Table(part.name, part.schema, _batches(part)) if isinstance(part, Table) else part


def _batches(part: Table) -> Iterator[pa.RecordBatch]:
    """Yield the rows in order; a batch that has the length already passes untouched, as does a table without rows.

    Raises: SourceError as the reader does, after the rows that came before the fault.
    """
    waiting: list[pa.RecordBatch] = []
    rows = 0
    try:
        for batch in part.batches:
            waiting.append(batch)
            rows += batch.num_rows
            while rows >= ROWS:
                room = waiting[-1].num_rows - (rows - ROWS)
                rest = waiting[-1].slice(room)
                yield _one([*waiting[:-1], waiting[-1].slice(0, room)])
                waiting, rows = ([rest] if rest.num_rows else []), rest.num_rows
    except SourceError:
        if waiting:
            yield _one(waiting)
        raise
    if waiting:
        yield _one(waiting)


def _one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    held = [batch for batch in batches if batch.num_rows]
    return pa.concat_batches(held) if len(held) > 1 else (held or batches)[0]
