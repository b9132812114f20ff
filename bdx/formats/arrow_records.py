"""An Arrow file (Feather) or stream that another program wrote -> a part of records: names, units and values as they stand."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from bdx import canon
from bdx.errors import TruncatedSource
from bdx.formats.canonical import FAULTS, guard
from bdx.formats.source import Source

FILE_MAGIC = b"ARROW1"
_STREAM_MAGIC = b"\xff\xff\xff\xff"
_FIRST = 8
"""A file begins with its mark and two bytes; a stream with the same batches follows, then the table of contents and the mark again."""


def is_arrow(head: bytes) -> bool:
    """Say whether the first bytes are those of an Arrow file or stream."""
    return head.startswith((FILE_MAGIC, _STREAM_MAGIC))


def head_schema(head: bytes) -> pa.Schema | None:
    """Return the schema, which stands first; None where the head does not hold it whole."""
    try:
        schema = pa.ipc.open_stream(io.BytesIO(head[_FIRST:] if head.startswith(FILE_MAGIC) else head)).schema
        return schema if schema.names else None  # asked here: the names of damaged bytes may be no text
    except FAULTS:
        return None


def opened(source: Source) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the schema with plain types, and the rows of the one table in bounded batches.

    Raises: CorruptSource where the bytes contradict the format; TruncatedSource, after the whole batches, where they are cut.
    """
    stored, found = stored_batches(source)
    schema = pa.schema([field.with_type(_plain(field.type)) for field in stored], metadata=stored.metadata)
    return schema, _bounded(found, schema, source)


def stored_batches(source: Source) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the schema and the checked batches of a file or of the first stream as they were stored.

    Raises: CorruptSource, TruncatedSource.
    """
    found = _stored(source)
    return next(found).schema, found


def _stored(source: Source) -> Iterator[pa.RecordBatch]:
    """Yield an empty batch that shows the schema, then all batches; begun, it closes the file whenever it is let go."""
    file = source.head.startswith(FILE_MAGIC)
    with source.seekable() if file else source.stream() as raw:
        with guard(source.uri, "Arrow data"):
            cut = file and not _ends(raw)
            if file and not cut:
                reader: Any = pa.ipc.open_file(raw)
                found = (reader.get_batch(place) for place in range(reader.num_record_batches))
            else:
                raw.read(_FIRST if file else 0)
                reader = pa.ipc.open_stream(raw)
                found = iter(reader)
            kinds = [reader.schema.field(place).type for place in range(len(reader.schema.names))]  # names that are no text fail here
            shown = pa.RecordBatch.from_arrays([pa.array([], kind) for kind in kinds], schema=reader.schema)
        yield shown
        yield from _checked(found, source, cut=cut)


def _ends(raw: BinaryIO) -> bool:
    """Say whether a file ends with its mark; without it there is no table of contents, but the batches still stand in a row."""
    size = raw.seek(0, os.SEEK_END)
    raw.seek(max(0, size - len(FILE_MAGIC)))
    found = raw.read(len(FILE_MAGIC)) == FILE_MAGIC and size > _FIRST
    raw.seek(0)
    return found


def _checked(found: Iterator[pa.RecordBatch], source: Source, *, cut: bool) -> Iterator[pa.RecordBatch]:
    rows = 0
    while True:
        with guard(source.uri, "Arrow data"):
            try:
                batch = next(found, None)
            except (OSError, EOFError, pa.ArrowException) as error:
                if not cut and source.head.startswith(FILE_MAGIC):
                    raise
                why = f"stops within a batch, after {rows:,} rows; expected the end of the Arrow data"
                raise TruncatedSource(why, path=source.uri) from error
            if batch is None:
                break
            # The buffers come from a stranger: offsets out of bounds would reach beyond memory.
            batch.validate(full=True)
        rows += batch.num_rows
        yield batch
    if cut:
        raise TruncatedSource(f"stops after {rows:,} rows; expected the end of an Arrow file ({FILE_MAGIC.decode()})", path=source.uri)


def _bounded(found: Iterator[pa.RecordBatch], schema: pa.Schema, source: Source) -> Iterator[pa.RecordBatch]:
    for batch in found:
        with guard(source.uri, "Arrow data"):
            arrays = [array.cast(field.type) for array, field in zip(batch.columns, schema, strict=True)]
        whole = pa.RecordBatch.from_arrays(arrays, schema=schema)
        for start in range(0, batch.num_rows, canon.BATCH_ROWS):
            yield whole.slice(start, canon.BATCH_ROWS)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type without the ways a program saves room: categories and long or viewed texts are texts."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind
