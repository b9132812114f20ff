"""All canonical tables as a folder: one Parquet file per table and datapackage.json with schemas, row counts and hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from bdx import spec
from bdx.canon import Chunk, Part
from bdx.errors import CorruptSource, SourceError, UnsafeSource
from bdx.formats.canonical import WriteOptions, as_parts, conform, guard
from bdx.formats.families import arrange, wanted_batches
from bdx.formats.parquet_table import TableWriter, batches, open_file
from bdx.formats.sink import DESCRIPTOR
from bdx.formats.source import Source
from bdx.spec import FormatSpec

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"

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
        files[table] = open_file(source, str(path))
        with guard(str(path), "Parquet"):
            sizes[table] = files[table].metadata.num_rows
        if entry.get("bdx:rows") != sizes[table]:
            raise CorruptSource(f"has {sizes[table]} rows, {DESCRIPTOR} says {entry.get('bdx:rows')}", path=str(path))
    yield from arrange(sizes, lambda table, step: _rows(files[table], table, step, source), source.uri)


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
    if not isinstance(name, str) or name != f"{table}.parquet":
        raise UnsafeSource(f"{DESCRIPTOR} keeps {table} in {name!r:.80}, expected {table}.parquet beside it", path=source.uri)
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


def _rows(file: Any, table: str, step: int, source: Source) -> Iterator[pa.RecordBatch]:
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
    resources = [_resource(sink / f"{table}.parquet", table, writer) for table, writer in writers.items()]
    descriptor = {"$schema": PROFILE, "name": "bdx-dataset", "resources": resources}
    (sink / DESCRIPTOR).write_text(json.dumps(descriptor, ensure_ascii=False, indent=2) + "\n", "utf-8")


def _resource(path: Path, table: str, writer: TableWriter) -> dict[str, Any]:
    facts = spec.table(table)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    schema: dict[str, Any] = {"fields": [_field(field, table) for field in writer.schema]}
    if facts.key and all(name in writer.schema.names for name in facts.key):
        schema["primaryKey"] = list(facts.key)
    return {
        "name": table,
        "title": facts.title,
        "description": facts.meaning,
        "type": "table",
        "path": path.name,
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        "bytes": path.stat().st_size,
        "hash": f"sha256:{digest}",
        "bdx:rows": writer.rows,
        "schema": schema,
    }


def _field(field: pa.Field, table: str) -> dict[str, Any]:
    known = spec.table(table).by_name.get(field.name)
    if known is None:
        metadata = {key.decode(): value.decode("utf-8", "replace") for key, value in (field.metadata or {}).items()}
        numeric = pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
        return {"name": field.name, "type": "number" if numeric else "any", **metadata}
    described = {"name": field.name, "type": FIELD_TYPES[known.type], "description": known.meaning}
    if known.unit:
        described["bdx:unit"] = known.unit
    if known.enum:
        described["categories"] = list(known.enum)
    return described
