"""What of the records the target will hold, and what weighs them by the target's own profile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pyarrow as pa

from bdx import gaps, mapping
from bdx.canon import Chunk
from bdx.spec import FormatSpec

_KEYS = ("battery_key", "test_id")


def analysis_of(name: str, category: str | None, as_of: date | None) -> gaps.Analysis:
    """Return what weighs records by the target's own profile; a category that it does not tell apart is left out."""
    profile = gaps.load(name)
    fits = category is not None and category in (*profile.categories, *profile.same_as)
    return gaps.Analysis(profile, category=category if fits else None, as_of=as_of, tier=None)


def view_of(target: FormatSpec) -> Callable[[Chunk], Chunk]:
    """Return what shows of a chunk what the target will hold: all where it is no document."""
    supplied = mapping.supplies(target) if target.world == "passport" else None
    return (lambda chunk: chunk) if supplied is None else (lambda chunk: _as_held(chunk, supplied))


def _as_held(chunk: Chunk, supplied: frozenset[str]) -> Chunk:
    """Return the chunk as the target will hold it: columns without a place there are null."""
    held: Chunk = {}
    for table, batch in chunk.items():
        arrays = [
            array if field.name in _KEYS or f"{table}.{field.name}" in supplied else pa.nulls(len(array), field.type)
            for field, array in zip(batch.schema, batch.columns, strict=True)
        ]
        held[table] = pa.RecordBatch.from_arrays(arrays, schema=batch.schema)
    return held
