"""The only room that knows formats, mapping, rules and gaps together: convert, validate, gaps, inspect, diff, read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from bdx.pipeline.reading import ReadOptions, chunks, open_source

__all__ = ["read"]


def read(source: str | Path, *, from_format: str | None = None, assume_tz: str | None = None) -> dict[str, pa.Table]:
    """Return a whole source as canonical tables in memory, table name -> pyarrow Table.

    Raises: SourceError and its kin where the source cannot be read.
    """
    options = ReadOptions(from_format=from_format, assume_tz=assume_tz)
    opened = open_source(str(source), 1, options)
    found: dict[str, list[pa.RecordBatch]] = {}
    for chunk in chunks(opened, options):
        for name, batch in chunk.items():
            found.setdefault(name, []).append(batch)
    return {name: pa.Table.from_batches(batches) for name, batches in found.items()}
