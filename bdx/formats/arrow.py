"""Arrow IPC streams of canonical tables: consecutive streams, each tagged with its table; a plain consumer gets the first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from bdx import canon, spec
from bdx.canon import Chunk, Part
from bdx.errors import CorruptSource, SourceError, TruncatedSource
from bdx.formats.arrow_records import FILE_MAGIC, stored_batches
from bdx.formats.canonical import WriteOptions, as_parts, conform, fitting, guard, lean, nothing, spellings
from bdx.formats.source import Source
from bdx.spec import FormatSpec

JOINS = "bdx.joins"
"""Schema metadata: "1" where the stream's one batch belongs to the chunk of the stream before it, "0" where it starts a chunk."""

READ_STEP = 1 << 24


def read(source: Source, format_spec: FormatSpec) -> Iterator[Part]:
    """Yield one part per record batch, named by its canonical table."""
    return as_parts(read_chunks(source, format_spec))


def read_chunks(source: Source, _format_spec: FormatSpec) -> Iterator[Chunk]:
    """Yield the chunks of consecutive IPC streams, read forward and never past the end marker of the last.

    Shape: one chunk per batch of a stream; the streams of children, and those marked to join, complete the chunk before.
    What another program wrote is accepted where every column belongs to one canonical table.
    Raises: SourceError for a stream of nobody's table, TruncatedSource, CorruptSource.
    """
    if source.head.startswith(FILE_MAGIC):
        yield from _read_file(source)
        return
    with source.stream() as raw:
        stream = _Counted(raw)
        held: Chunk | None = None
        sizes = 0
        while stream.more():
            with guard(source.uri, "an Arrow stream"):
                reader = pa.ipc.open_stream(stream)
                table = _table(reader.schema, source)
                joins = held is not None and _joins(reader.schema, table, held)
            if joins and sizes > 1:
                why = f"a stream of {table} follows {sizes} batches of {next(iter(held or {}))}; expected it after each batch"
                raise CorruptSource(why, path=source.uri, offset=stream.offset)
            for place, batch in enumerate(_batches(reader, table, source, stream)):
                if joins and held is not None:
                    if place:
                        raise CorruptSource(f"a joined stream of {table} has two batches", path=source.uri, offset=stream.offset)
                    held[table] = batch
                    continue
                sizes = place + 1
                if held is not None:
                    yield held
                held = {table: batch}
        if held is not None:
            yield held


class _Counted:
    """A forward stream as pyarrow wants it: exact reads in bounded steps, the offset known for messages."""

    closed = False

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._peeked = b""
        self.offset = 0
        self.ended = False

    def readable(self) -> bool:
        """Say yes, as pyarrow asks."""
        return True

    def close(self) -> None:
        """Stay open: the next stream follows in the same bytes."""

    def more(self) -> bool:
        """Say whether another byte follows."""
        if not self._peeked:
            self._peeked = self._raw.read(1)
        return bool(self._peeked)

    def read(self, size: int = -1) -> bytes:
        """Return `size` bytes, fewer only at the end of the data."""
        parts = [self._peeked[:size]] if size else []
        self._peeked = self._peeked[len(parts[0]) if parts else 0 :]
        wanted = size - sum(map(len, parts))
        while wanted > 0:
            data = self._raw.read(min(wanted, READ_STEP))
            if not data:
                self.ended = True
                break
            parts.append(data)
            wanted -= len(data)
        found = parts[0] if len(parts) == 1 else b"".join(parts)
        self.offset += len(found)
        return found


def _batches(reader: Any, table: str, source: Source, stream: _Counted) -> Iterator[pa.RecordBatch]:
    while True:
        with guard(source.uri, "an Arrow stream"):
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                break
            # The buffers come from a stranger: offsets out of bounds would reach beyond memory.
            batch.validate(full=True)
            checked = _conformed(batch, table, source)
        yield checked
    if stream.ended:
        raise TruncatedSource(f"the stream of table {table} stops without its end marker", path=source.uri, offset=stream.offset)


def _joins(schema: pa.Schema, table: str, held: Chunk) -> bool:
    marked = (schema.metadata or {}).get(JOINS.encode())
    return table not in held and (spec.table(table).parent in held if marked is None else marked == b"1")


def _table(schema: pa.Schema, source: Source) -> str:
    table = canon.table_of(schema)
    if table in spec.tables():
        return table
    if table:
        raise SourceError(f"is Arrow data tagged as table '{table}', which bdx does not know", path=source.uri)
    found = fitting(schema.names)
    if found:
        return found
    names = ", ".join(schema.names[:6]) + (", ..." if len(schema.names) > 6 else "")
    why = "has no bdx.table in its schema, and its columns"
    advice = "rename them to canonical ones (`bdx schema` lists all)"
    raise SourceError(f"is Arrow data that {why} ({names}) are not those of one canonical table; {advice}", path=source.uri)


def _conformed(batch: pa.RecordBatch, table: str, source: Source) -> pa.RecordBatch:
    """Return a batch in the canonical shape; one that another program wrote may go by any name of a column."""
    named = {} if canon.table_of(batch.schema) else spellings(table)
    return conform(batch.rename_columns([named.get(name, name) for name in batch.schema.names]) if named else batch, table, source)


def _read_file(source: Source) -> Iterator[Chunk]:
    """Yield the batches of an Arrow file (Feather version 2), which holds one table."""
    schema, found = stored_batches(source)
    table = _table(schema, source)
    for batch in found:
        with guard(source.uri, "an Arrow file"):
            checked = _conformed(batch, table, source)
        for start in range(0, max(checked.num_rows, 1), canon.BATCH_ROWS):
            yield {table: checked.slice(start, canon.BATCH_ROWS)}


def write_chunks(chunks: Iterable[Chunk], sink: BinaryIO, _format_spec: FormatSpec, options: WriteOptions) -> None:
    """Write every table of every chunk, one stream after the other; a run of like chunks shares one stream."""
    writer: Any = None
    schema: pa.Schema | None = None
    written = False
    for chunk in chunks:
        picked = {table: batch for table, batch in chunk.items() if options.table in (None, table)}
        for table in [name for name in chunk if name not in picked]:
            options.lose(table, chunk[table].num_rows, f"only table {options.table} was asked for")
        alone = len(picked) == 1
        for place, (table, batch) in enumerate(picked.items()):
            marked = lean(batch.schema).with_metadata({"bdx.table": table, JOINS: "1" if place else "0"})
            if writer is None or not alone or schema is None or not marked.equals(schema, check_metadata=True):
                if writer is not None:
                    writer.close()
                writer, schema = pa.ipc.new_stream(sink, marked), marked
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=marked))
            written = True
    if writer is not None:
        writer.close()
    if not written:
        raise nothing()
