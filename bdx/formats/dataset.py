"""All canonical tables as a folder: one Parquet or CSV file per table and datapackage.json with schemas, row counts and hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from bdx import canon, spec
from bdx.canon import Chunk, Part
from bdx.errors import CorruptSource, SourceError, UnsafeSource
from bdx.formats import dataset_csv
from bdx.formats.canonical import WriteOptions, as_parts, conform, guard
from bdx.formats.families import arrange, wanted_batches
from bdx.formats.parquet_table import TableWriter, batches, open_file
from bdx.formats.sink import DESCRIPTOR
from bdx.formats.source import Source
from bdx.spec import FormatSpec

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"

_LONG = 1 << 20
"""Rows of a few columns that are read at once."""

FIELD_TYPES = {
    "string": "string",
    "int32": "integer",
    "int64": "integer",
    "float64": "number",
    "bool": "boolean",
    "date": "date",
    "timestamp": "datetime",
    "local_timestamp": "datetime",
    "decimal": "number",
    "strings": "list",
    "json": "string",
}
"""Data Package field types of our column types."""


def read(source: Source, format_spec: FormatSpec) -> Iterator[Part]:
    """Yield one part per batch, named by its canonical table."""
    return as_parts(read_chunks(source, format_spec))


def read_chunks(source: Source, _format_spec: FormatSpec) -> Iterator[Chunk]:
    """Yield the tables of a folder, children with their parents, after checking every file against its hash and row count.

    Raises: SourceError where there is no descriptor, UnsafeSource for a path out of the folder, CorruptSource.
    """
    folder = Path(source.uri)
    files: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    for entry in _resources(folder, source):
        table, path = _check(entry, folder, source)
        if table in files:
            raise CorruptSource(f"{DESCRIPTOR} names table {table} twice", path=source.uri)
        if path.suffix == ".csv":
            sizes[table] = _told_rows(entry, source)
            files[table] = (path, entry)
            continue
        files[table] = open_file(source, str(path))
        with guard(str(path), "Parquet"):
            sizes[table] = files[table].metadata.num_rows
        if entry.get("bdx:rows") != sizes[table]:
            raise CorruptSource(f"has {sizes[table]} rows, {DESCRIPTOR} says {entry.get('bdx:rows')}", path=str(path))
    yield from arrange(sizes, lambda table, step: _rows(files[table], table, step, source), source.uri)


def read_columns(source: Source, wanted: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield (table, batch) of some columns of some tables, texts as dictionaries, columns without values left out.

    The other files are neither opened nor hashed.
    Raises: as `read_chunks`.
    """
    import pyarrow.parquet as pq

    for entry in _resources(Path(source.uri), source):
        if entry.get("name") not in wanted:
            continue
        table, path = _check(entry, Path(source.uri), source)
        if path.suffix == ".csv":
            yield from ((table, batch) for batch in _rows((path, entry), table, canon.BATCH_ROWS, source))
            continue
        texts = [name for name in wanted[table] if canon.field_of(table, name).type == pa.string()]
        with guard(str(path), "Parquet"):
            file = pq.ParquetFile(pa.OSFile(str(path)), page_checksum_verification=True, read_dictionary=texts)
            names = [name for name in _filled(file) if name in wanted[table]]
            if entry.get("bdx:rows") != file.metadata.num_rows:
                raise CorruptSource(f"has {file.metadata.num_rows} rows, {DESCRIPTOR} says {entry.get('bdx:rows')}", path=str(path))
            for batch in file.iter_batches(batch_size=_LONG, columns=names):
                batch.validate(full=True)
                yield table, pa.RecordBatch.from_arrays([_typed(batch.column(name), table, name) for name in names], names=names)


def _typed(array: pa.Array, table: str, name: str) -> pa.Array:
    """Return a column in the type it has in its table; texts may stay dictionaries."""
    kind = canon.field_of(table, name).type
    if pa.types.is_dictionary(array.type) and array.type.value_type == kind:
        return array
    return array if array.type == kind else array.cast(kind)


def _filled(file: Any) -> list[str]:
    """Return the columns of a Parquet file that may hold a value."""
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]

    def empty(group: Any, place: int) -> bool:
        told = group.column(place).statistics
        return told is not None and told.has_null_count and told.null_count == group.num_rows

    names = [file.metadata.schema.column(place).path for place in range(file.metadata.num_columns)]
    return [name for place, name in enumerate(names) if not groups or not all(empty(group, place) for group in groups)]


def sniff_folder(path: str) -> bool:
    """Say whether a folder is a data set: it holds the file that describes one."""
    return (Path(path) / DESCRIPTOR).is_file()


def _resources(folder: Path, source: Source) -> list[dict[str, Any]]:
    path = folder / DESCRIPTOR
    try:
        descriptor = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise SourceError(f"is a folder without {DESCRIPTOR}, not a data set of bdx", path=source.uri) from error
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", path=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise CorruptSource(f"is not JSON: {error}", path=str(path)) from error
    resources = descriptor.get("resources") if isinstance(descriptor, dict) else None
    if not isinstance(resources, list) or not all(isinstance(entry, dict) for entry in resources):
        raise CorruptSource("holds no list of resources", path=str(path))
    return resources


def _check(entry: dict[str, Any], folder: Path, source: Source) -> tuple[str, Path]:
    """Return (table, path) of a resource whose bytes are those its hash names."""
    table, name = entry.get("name"), entry.get("path")
    if table not in spec.tables():
        raise CorruptSource(f"{DESCRIPTOR} names a resource {table!r:.60}, expected a canonical table", path=source.uri)
    if not isinstance(name, str) or name not in (f"{table}.parquet", f"{table}.csv"):
        raise UnsafeSource(f"{DESCRIPTOR} keeps {table} in {name!r:.80}, expected {table}.parquet or .csv beside it", path=source.uri)
    path = folder / name
    try:
        if path.is_symlink() and folder.resolve() not in path.resolve().parents:
            raise UnsafeSource("leads out of the data set", path=str(path))
        with path.open("rb") as file:
            found = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CorruptSource(f"is named in {DESCRIPTOR} but cannot be read: {error.strerror or error}", path=str(path)) from error
    if entry.get("hash") != found:
        raise CorruptSource(f"has {found}, {DESCRIPTOR} says {entry.get('hash')!r:.80}", path=str(path))
    return str(table), path


def _told_rows(entry: dict[str, Any], source: Source) -> int:
    """Return the number of rows that the descriptor tells of a CSV file, which does not say it itself."""
    rows = entry.get("bdx:rows")
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 0:
        raise CorruptSource(f"{DESCRIPTOR} says {rows!r:.40} where the number of rows is expected", path=source.uri)
    return rows


def _csv_rows(path: Path, entry: dict[str, Any], table: str, step: int, source: Source) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a CSV file; raises CorruptSource where there are more or fewer than its descriptor says."""
    schema = entry.get("schema")
    fields = schema.get("fields") if isinstance(schema, dict) else None
    met = 0
    for batch in dataset_csv.rows(path, table, step, fields if isinstance(fields, list) else [], source):
        met += batch.num_rows
        yield batch
    if met != entry["bdx:rows"]:
        raise CorruptSource(f"has {met} rows, {DESCRIPTOR} says {entry['bdx:rows']}", path=str(path))


def _rows(file: Any, table: str, step: int, source: Source) -> Iterator[pa.RecordBatch]:
    if isinstance(file, tuple):
        held, entry = file
        yield from _csv_rows(held, entry, table, step, source)
        return
    path = f"{source.uri}/{table}.parquet"
    empty = True
    for batch in batches(file, path, step):
        empty = False
        yield conform(batch, table, source)
    if empty:
        with guard(path, "Parquet"):
            schema = file.schema_arrow
        yield conform(pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema), table, source)


def write_chunks(chunks: Iterable[Chunk], sink: Path, _format_spec: FormatSpec, options: WriteOptions) -> None:
    """Write every table of every chunk into the fresh folder `sink`; `options.table` limits it to one.

    Raises: SinkError where there is nothing to write.
    """
    writers: dict[str, TableWriter] = {}
    with ExitStack() as stack:
        for table, batch in wanted_batches(chunks, options):
            if table not in writers:
                file = stack.enter_context((sink / f"{table}.parquet").open("w+b"))
                writers[table] = stack.enter_context(TableWriter(file, batch.schema))
            writers[table].write(batch)
        for writer in writers.values():
            writer.finish()
    _describe(sink, [_resource(sink / f"{table}.parquet", table, writer.schema, writer.rows) for table, writer in writers.items()])


def write_csv(chunks: Iterable[Chunk], sink: Path, options: WriteOptions) -> None:
    """Write every table of every chunk into the fresh folder `sink` as CSV.

    Raises: SinkError where there is nothing to write or a time cannot be told in text.
    """
    written = dataset_csv.write_tables(chunks, sink, options)
    _describe(sink, [_resource(sink / f"{table}.csv", table, schema, rows) for table, (schema, rows) in written.items()])


def _describe(sink: Path, resources: list[dict[str, Any]]) -> None:
    descriptor = {"$schema": PROFILE, "name": "bdx-dataset", "resources": resources}
    (sink / DESCRIPTOR).write_text(json.dumps(descriptor, ensure_ascii=False, indent=2) + "\n", "utf-8")


def _resource(path: Path, table: str, held: pa.Schema, rows: int) -> dict[str, Any]:
    facts = spec.table(table)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    schema: dict[str, Any] = {"fields": [_field(field, table) for field in held]}
    if facts.key and all(name in held.names for name in facts.key):
        schema["primaryKey"] = list(facts.key)
    return {
        "name": table,
        "title": facts.title,
        "description": facts.meaning,
        "type": "table",
        "path": path.name,
        "format": path.suffix[1:],
        "mediatype": dataset_csv.MEDIA_TYPE if path.suffix == ".csv" else "application/vnd.apache.parquet",
        "bytes": path.stat().st_size,
        "hash": f"sha256:{digest}",
        "bdx:rows": rows,
        "schema": schema,
    }


def _field(field: pa.Field, table: str) -> dict[str, Any]:
    known = spec.table(table).by_name.get(field.name)
    if known is None:
        metadata = {key.decode(): value.decode("utf-8", "replace") for key, value in (field.metadata or {}).items()}
        kind = "integer" if pa.types.is_integer(field.type) else "number" if pa.types.is_floating(field.type) else "any"
        return {"name": field.name, "type": kind, **metadata}
    described = {"name": field.name, "type": FIELD_TYPES[known.type], "description": known.meaning}
    if known.unit:
        described["bdx:unit"] = known.unit
    if known.enum:
        described["categories"] = list(known.enum)
    return described
