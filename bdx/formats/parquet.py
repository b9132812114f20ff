"""One canonical table as Parquet: its children nested in its rows, small companion tables in the key-value metadata."""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.canon import Chunk, Part
from bdx.errors import CorruptSource, SourceError
from bdx.formats.canonical import (
    WriteOptions,
    absent,
    as_parts,
    concat,
    conform,
    fit,
    fitting,
    guard,
    lean,
    nothing,
    spellings,
    widest,
    workspace,
)
from bdx.formats.families import PARENT_ROWS, children, link, settle
from bdx.formats.parquet_table import TableWriter, batches, open_file
from bdx.formats.source import Source
from bdx.spec import FormatSpec

COMPANIONS = "bdx.companions"
COMPANION_BYTES = 1 << 20
"""Room for companion tables in the footer, as base64."""


def read(source: Source, format_spec: FormatSpec) -> Iterator[Part]:
    """Yield one part per batch, named by its canonical table."""
    return as_parts(read_chunks(source, format_spec))


def read_chunks(source: Source, _format_spec: FormatSpec) -> Iterator[Chunk]:
    """Yield the rows with the children nested in them, then one chunk of the companion tables.

    A file that another program wrote is accepted where every column belongs to one canonical table.
    Raises: SourceError where it does not, CorruptSource.
    """
    file = open_file(source)
    with guard(source.uri, "Parquet"):
        schema = file.schema_arrow
    table = _table(schema, source)
    nested = [name for name in schema.names if name in children(table) and pa.types.is_list(schema.field(name).type)]
    named = spellings(table)
    for batch in batches(file, source.uri, PARENT_ROWS if children(table) else canon.BATCH_ROWS):
        plain = batch.select([name for name in batch.schema.names if name not in nested])
        plain = plain.rename_columns([named.get(name, name) for name in plain.schema.names])
        chunk = {table: conform(plain, table, source)}
        for child in nested:
            with guard(source.uri, "Parquet"):
                rows = _unnest(batch.column(child), chunk[table], child)
            if rows.num_rows:
                chunk[child] = conform(rows, child, source)
        yield chunk
    with guard(source.uri, "Parquet"):
        packed = (file.metadata.metadata or {}).get(COMPANIONS.encode())
    if packed is not None:
        yield _unpack(packed, source)


def _table(schema: pa.Schema, source: Source) -> str:
    table = canon.table_of(schema)
    if table:
        if table not in spec.tables():
            raise CorruptSource(f"is tagged as table '{table}', which bdx does not know", path=source.uri)
        return table
    table = fitting(schema.names)
    if table:
        return table
    names = ", ".join(schema.names[:6]) + (", ..." if len(schema.names) > 6 else "")
    advice = "rename them to canonical ones (`bdx schema` lists all)"
    raise SourceError(f"is Parquet whose columns ({names}) are not those of one canonical table; {advice}", path=source.uri)


def _unnest(lists: pa.ListArray, parent: pa.RecordBatch, child: str) -> pa.RecordBatch:
    """Return the rows of a child table that stand in a column of lists, each with the key of its parent."""
    column, key = link(child)
    rows = lists.flatten()
    keys = parent.column(key).take(lists.value_parent_indices())
    fields = rows.type
    names = [fields.field(place).name for place in range(fields.num_fields)]
    return pa.RecordBatch.from_arrays([keys, *rows.flatten()], names=[column, *names])


def _nest(chunk: Chunk, table: str) -> pa.RecordBatch:
    """Return the parent's rows with one column of lists per child table in the chunk; no rows of a child is null."""
    parent = chunk[table]
    arrays, fields = list(parent.columns), list(parent.schema)
    for child in children(table):
        rows = chunk.get(child)
        if rows is None:
            continue
        column, key = link(child)
        place = pc.index_in(rows.column(column), value_set=parent.column(key))
        counts = np.bincount(place.to_numpy(), minlength=parent.num_rows)[: parent.num_rows]
        offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
        inner = [field for field in lean(rows.schema) if field.name != column]
        structs = pa.StructArray.from_arrays([rows.column(field.name) for field in inner], fields=inner)
        lists = pa.ListArray.from_arrays(offsets, structs, mask=pa.array(counts == 0))
        arrays.append(lists)
        fields.append(pa.field(child, lists.type))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields, metadata=parent.schema.metadata))


class _Companions:
    """Small tables that ride in the footer; one that grows too large is a loss."""

    def __init__(self, options: WriteOptions, table: str) -> None:
        self._options = options
        self._why = f"a Parquet file holds one table ({table}) and small companions; a dataset folder (-o NAME/) holds all"
        self._held: dict[str, list[pa.RecordBatch]] = {}
        self._bytes: dict[str, int] = {}

    def add(self, table: str, batch: pa.RecordBatch) -> None:
        """Keep the rows of a table, or count them as lost once the table has no room."""
        size = self._bytes[table] = self._bytes.get(table, 0) + batch.nbytes
        self._held.setdefault(table, []).append(batch)
        if size > COMPANION_BYTES:
            self._drop(table)

    def _drop(self, table: str) -> None:
        held, self._held[table] = self._held[table], []
        self._options.lose(table, sum(batch.num_rows for batch in held), self._why)

    def metadata(self) -> dict[str, str]:
        """Return the footer entry that holds the companions, empty where there are none."""
        held = {table: rows for table, rows in self._held.items() if rows}
        packed = {table: base64.b64encode(_stream(table, rows)).decode() for table, rows in held.items()}
        while sum(map(len, packed.values())) > COMPANION_BYTES:
            largest = max(packed, key=lambda name: len(packed[name]))
            del packed[largest]
            self._drop(largest)
        return {COMPANIONS: json.dumps(packed)} if packed else {}


def _stream(table: str, held: list[pa.RecordBatch]) -> bytes:
    schema = held[0].schema
    for batch in held[1:]:
        schema = widest(schema, batch.schema)
    schema = lean(schema.with_metadata({"bdx.table": table}))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(concat([fit(batch, schema) for batch in held], schema))
    return sink.getvalue()


def _unpack(packed: bytes, source: Source) -> Chunk:
    chunk: Chunk = {}
    with guard(source.uri, "the companion tables of a Parquet file"):
        try:
            entries = json.loads(packed)
            if not isinstance(entries, dict):
                raise CorruptSource(f"{COMPANIONS} is {type(entries).__name__}, expected an object", path=source.uri)
            for table, text in entries.items():
                if table not in spec.tables():
                    raise CorruptSource(f"{COMPANIONS} names table '{table}', which bdx does not know", path=source.uri)
                rows = pa.ipc.open_stream(base64.b64decode(text, validate=True)).read_all()
                rows.validate(full=True)
                for batch in rows.combine_chunks().to_batches()[:1]:
                    chunk[table] = conform(batch, table, source)
        except (binascii.Error, RecursionError) as error:
            raise CorruptSource(f"{COMPANIONS} is not readable: {error}", path=source.uri) from error
    return chunk


def write_chunks(chunks: Iterable[Chunk], sink: BinaryIO, _format_spec: FormatSpec, options: WriteOptions) -> None:
    """Write one table, `options.table` or the main table of the first chunk, its children and companions inside.

    Raises: SinkError where there is nothing to write or no chunk holds the table that was asked for.
    """
    with ExitStack() as stack:
        file = stack.enter_context(workspace(sink))
        writer: TableWriter | None = None
        table, companions = options.wanted(), None
        seen: set[str] = set()
        for chunk in chunks:
            table = table or next(iter(chunk))
            companions = companions or _Companions(options, table)
            seen.update(chunk)
            settled = settle(chunk, options) if table in chunk else chunk
            if table in chunk:
                nested = _nest(settled, table)
                writer = writer or stack.enter_context(TableWriter(file, nested.schema))
                writer.write(nested)
            for name, batch in settled.items():
                if name != table and not (table in chunk and name in children(table)):
                    companions.add(name, batch)
        if companions is None:
            raise nothing()
        if writer is None:
            raise absent(table, seen)
        writer.finish(companions.metadata())
