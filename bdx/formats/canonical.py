"""What the canonical formats share: write options, canonical shape, key order, regrouping of children, safe opening."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

import pyarrow as pa

from bdx import canon, spec
from bdx.canon import Chunk, Log, Part, Table
from bdx.errors import BdxError, CorruptSource, SinkError, SourceError, did_you_mean
from bdx.formats.source import Source

FAULTS = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, RuntimeError, ArithmeticError, MemoryError)
"""What pyarrow and h5py raise on bytes that contradict their format."""


@dataclass(slots=True)
class WriteOptions:
    """How canonical chunks are written: `table` where a format holds one, `source` names the data in losses."""

    log: Log
    table: str | None = None
    source: str = ""

    def wanted(self) -> str:
        """Return the table that was asked for, empty where none was.

        Raises: UsageError for a table that does not exist.
        """
        return spec.table(self.table).name if self.table else ""

    def lose(self, table: str, rows: int, why: str) -> None:
        """Record that rows of a table are not carried."""
        if rows:
            self.log.lose(self.source, f"rows of {table}", why, rows)


def source_id_of(source: Source) -> str:
    """Return the id the run gave a source, "s1" where nobody did."""
    return str(getattr(source, "source_id", "") or "s1")


@contextmanager
def guard(path: str, kind: str) -> Iterator[None]:
    """Turn what a library raises on bad bytes into a CorruptSource that names the file."""
    try:
        yield
    except BdxError:
        raise
    except OSError as error:
        if error.errno and error.strerror:
            raise SourceError(f"cannot be read: {error.strerror}", path=path) from error
        raise CorruptSource(f"is not readable as {kind}: {_first_line(error)}", path=path) from error
    except FAULTS as error:
        raise CorruptSource(f"is not readable as {kind}: {_first_line(error)}", path=path) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


@contextmanager
def workspace(sink: BinaryIO) -> Iterator[BinaryIO]:
    """Yield a file that can be read, written and sought: the sink itself, else a temporary one copied to it at the end."""
    if sink.seekable() and sink.readable():
        yield sink
        return
    with tempfile.TemporaryFile() as file:
        yield file  # type: ignore[misc]
        file.seek(0)
        shutil.copyfileobj(file, sink, 1 << 20)


def concat(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """Return one record batch of several of the same schema."""
    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(batches, schema=schema).combine_chunks()
    found = table.to_batches()
    if len(found) > 1:
        raise SinkError(f"{table.num_rows} rows of table {canon.table_of(schema)} do not fit one batch")
    return found[0] if found else pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def conform(batch: pa.RecordBatch, table: str, source: Source) -> pa.RecordBatch:
    """Return a batch read from a file in the canonical shape of its table; a column bdx does not know is a loss.

    Raises: CorruptSource where a column appears twice or its values are not of the canonical type.
    """
    facts = spec.table(table)
    columns: dict[str, pa.Array] = {}
    extra: dict[str, tuple[pa.Array, Mapping[str, str]]] = {}
    for column, array in zip(batch.schema, batch.columns, strict=True):
        name = column.name
        if name in columns or name in extra:
            raise CorruptSource(f"table {table} has two columns '{name}'", path=source.uri)
        if name in facts.by_name:
            columns[name] = _cast(array, canon.TYPES[facts.by_name[name].type], table, name, source.uri)
        elif facts.sparse and name.startswith("extra_"):
            metadata = {key.decode(): value.decode("utf-8", "replace") for key, value in (column.metadata or {}).items()}
            extra[name] = (array, {key: value for key, value in metadata.items() if key.startswith("bdx.")})
        else:
            why = f"table {table} has no such column{did_you_mean(name, facts.by_name)}"
            source.log.lose(source.uri, f"column '{name}'", why, len(array) - array.null_count)
    if not columns and not extra:
        raise CorruptSource(f"table {table} has no column that bdx knows", path=source.uri)
    return canon.batch(table, columns, extra)


def _cast(array: pa.Array, target: pa.DataType, table: str, column: str, path: str) -> pa.Array:
    if array.type == target:
        return array
    try:
        return array.cast(target)
    except (pa.ArrowException, ValueError) as error:
        found = f"is {array.type} in the file, expected {target}: {_first_line(error)}"
        raise CorruptSource(f"column {table}.{column} {found}", path=path) from error


@cache
def spellings(table: str) -> Mapping[str, str]:
    """Return canonical column by every name it goes by: its own, its label, its aliases."""
    found: dict[str, str] = {}
    for column in spec.table(table).columns:
        for name in (*column.aliases, column.label):
            if name:
                found.setdefault(name, column.name)
    return {**found, **{column.name: column.name for column in spec.table(table).columns}}


def fitting(names: Iterable[str]) -> str:
    """Return the first table that knows every one of these column names, or an empty string."""
    wanted = list(names)
    for table in spec.tables():
        known = spellings(table)
        sparse = spec.table(table).sparse
        if wanted and all(name in known or (sparse and name.startswith("extra_")) for name in wanted):
            return table
    return ""


def widest(old: pa.Schema, new: pa.Schema) -> pa.Schema:
    """Return the schema that holds both: canonical order first, then further columns in the order they were met."""
    fields: dict[str, pa.Field] = {field.name: field for field in old}
    for field in new:
        known = fields.get(field.name)
        if known is None:
            fields[field.name] = field
        elif known.type != field.type:
            fields[field.name] = known.with_type(_common(known.type, field.type))
    table = canon.table_of(old)
    nested = [name for name in spec.tables() if spec.table(name).parent == table]
    order = {name: place for place, name in enumerate([*(column.name for column in spec.table(table).columns), *nested])}
    ranked = sorted(fields.values(), key=lambda field: order.get(field.name, len(order)))
    return pa.schema(ranked, metadata=old.metadata)


def _common(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    if pa.types.is_null(a) or pa.types.is_null(b):
        return b if pa.types.is_null(a) else a
    numbers = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in (a, b))
    return pa.float64() if numbers else pa.string()


def fit(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch in a wider schema: columns it lacks are null."""
    arrays = []
    for field in schema:
        place = batch.schema.get_field_index(field.name)
        array = batch.column(place) if place >= 0 else pa.nulls(batch.num_rows, field.type)
        arrays.append(array if array.type == field.type else array.cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def lean(schema: pa.Schema) -> pa.Schema:
    """Return a schema as files carry it: of the canonical columns only unit and label, the rest is in specs/tables."""
    table = canon.table_of(schema)
    known = spec.table(table).by_name
    fields = []
    for field in schema:
        metadata = field.metadata or {}
        if field.name in known:
            metadata = {key: value for key, value in metadata.items() if key in (b"bdx.unit", b"bdx.label")}
        fields.append(field.with_metadata(metadata))
    return pa.schema(fields, metadata={"bdx.table": table})


def nothing() -> SinkError:
    """Return the error for a run that yields no chunk at all."""
    return SinkError("there is nothing to write: no source holds a row of a canonical table")


def absent(table: str, seen: Iterable[str]) -> SinkError:
    """Return the error for a table that was asked for and that no chunk holds."""
    return SinkError(f"the data hold no table {table}; they hold {', '.join(sorted(seen))}")


def single_table(chunks: Iterable[Chunk], options: WriteOptions, kind: str) -> Iterator[pa.RecordBatch]:
    """Yield the batches of one table in one schema: `options.table`, or the main table of the first chunk.

    The schema is that of the first batch; columns and tables beyond it are losses.
    Raises: SinkError where there is nothing to write or no chunk holds the table that was asked for.
    """
    table, schema = options.wanted(), None
    seen: set[str] = set()
    for chunk in chunks:
        seen.update(chunk)
        table = table or next(iter(chunk))
        for name, batch in chunk.items():
            if name != table:
                options.lose(name, batch.num_rows, f"{kind} holds one table ({table}); a dataset folder (-o NAME/) holds all")
                continue
            schema = schema or batch.schema
            for column, array in zip(batch.schema.names, batch.columns, strict=True):
                if column not in schema.names and array.null_count < len(array):
                    why = f"the header of {kind} was written before the column was met; Parquet or a dataset folder can be widened"
                    options.log.lose(options.source, f"column {table}.{column}", why, len(array) - array.null_count)
            yield fit(batch, schema)
    if not seen:
        raise nothing()
    if schema is None:
        raise absent(table, seen)


def as_parts(chunks: Iterable[Chunk]) -> Iterator[Part]:
    """Yield each batch of each chunk as a part whose name is its canonical table."""
    for chunk in chunks:
        for table, batch in chunk.items():
            yield Table(table, batch.schema, iter([batch]))
