"""Canonical sources beside others: their tests and sources go by ids of this run, so that rows of two files never share one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from bdx import formats
from bdx.canon import Chunk, Log, field_of
from bdx.errors import BdxError
from bdx.formats.source import Source
from bdx.pipeline.reading import Opened

_IDS = ("test_id", "source_id")
_ONE_TABLE = ("csv", "jsonl", "parquet")
_ALONE = "s1"
"""The id of a source that was read alone, and of its test."""


def may_hold_tests(opened: Opened) -> bool:
    """Say whether a source may hold time series or tests: instruments do, of canonical files those that do not show otherwise."""
    if opened.format.world != "canonical" or opened.format.id not in _ONE_TABLE or opened.source.path is None:
        return opened.format.world in ("instrument", "canonical")
    try:
        shown: Chunk = next(formats.engine(opened.format).read_chunks(Source(opened.uri, Log()), opened.format), {})
    except BdxError:
        return True  # its own reading says so
    return bool({"timeseries", "test"} & shown.keys())


def kept_apart(opened: Opened, stream: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield the chunks of a canonical source with ids of this run: "s1" becomes that of the source, another one is put behind it.

    Records that name no test are those of the source's only one.
    """
    own = (_ALONE, opened.id) if opened.format.id in ("csv", "jsonl") else (_ALONE,)
    named = False
    for chunk in stream:
        if "source" in chunk and not named and chunk["source"].column("source_id").to_pylist() == [opened.id] != [_ALONE]:
            yield chunk  # the row that bdx adds where a file names no origin
            continue
        named = named or "source" in chunk
        yield {table: _renamed(batch, table, opened.id, own) for table, batch in chunk.items()}


def tagged(batch: pa.RecordBatch, test_id: str) -> pa.RecordBatch:
    """Return records with the test they belong to, needed once several sources share a table."""
    column = pa.array([test_id], pa.string()).take(pa.array([0] * batch.num_rows, pa.int32()))
    fields = pa.schema([field_of("timeseries", "test_id"), *batch.schema], metadata=batch.schema.metadata)
    return pa.RecordBatch.from_arrays([column, *batch.columns], schema=fields)


def _renamed(batch: pa.RecordBatch, table: str, new: str, own: tuple[str, ...]) -> pa.RecordBatch:
    if table == "timeseries" and "test_id" not in batch.schema.names:
        return tagged(batch, new)
    for name in _IDS:
        place = batch.schema.get_field_index(name)
        if place >= 0:
            known = batch.column(place)
            alone = pc.is_in(known, value_set=pa.array(own))
            further = pc.binary_join_element_wise(new, known, ".")
            batch = batch.set_column(place, batch.schema.field(place), pc.if_else(alone, new, further))
    return batch
