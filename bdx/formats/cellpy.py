"""cellpy .cellpy archives (file version 9): facts in meta.json, records in raw.parquet."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import BATCH_ROWS, Document, Part, Table
from bdx.errors import CorruptSource, TruncatedSource, UnsafeSource, UnsupportedVersion
from bdx.formats.canonical import guard
from bdx.formats.packed import ZIP_FAULTS
from bdx.formats.parquet_table import batches
from bdx.formats.source import Source
from bdx.spec import FormatSpec

_END = b"PK\x05\x06"
_MAX_META = 16 << 20
_MAX_MEMBER = 64 << 30
_FREE = 64 << 20
_MAX_RATIO = 500
_MAX_TESTS = 1000


def sniff_source(source: Source, spec: FormatSpec) -> bool:
    """Say whether a ZIP lists the two members that every such archive has."""
    try:
        with source.seekable() as file, zipfile.ZipFile(file) as archive:
            return {spec.raw["meta"], spec.raw["records"]} <= set(archive.namelist())
    except ZIP_FAULTS:
        return spec.raw["records"].encode() in source.head and spec.raw["meta"].encode() in source.head


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts, then the records; where the archive holds several tests, the facts of each before its records.

    Raises: TruncatedSource, CorruptSource, UnsafeSource, UnsupportedVersion, each naming the member.
    """
    with source.seekable() as file, _archive(file, source) as archive:
        meta = _meta(archive, spec, source)
        with _unpacked(archive, spec.raw["records"], source) as raw:
            parquet = _parquet(raw, source)
            _report_losses(archive, spec, source)
            tests = meta.pop("tests", None)
            tests = tests if isinstance(tests, dict) else {}
            yield Document("info", meta)
            yield from _records(parquet, spec, meta, tests, source)


@contextmanager
def _archive(file: BinaryIO, source: Source) -> Iterator[zipfile.ZipFile]:
    size = file.seek(0, 2)
    try:
        archive = zipfile.ZipFile(file)
    except ZIP_FAULTS as error:
        file.seek(max(0, size - 66_000))
        if _END not in file.read():
            raise TruncatedSource("has no end of directory; the archive was cut", path=source.uri, offset=size) from error
        raise CorruptSource(f"is not a readable archive: {error}", path=source.uri) from error
    with archive:
        yield archive


@contextmanager
def _unpacked(archive: zipfile.ZipFile, name: str, source: Source) -> Iterator[BinaryIO]:
    """Yield the bytes of a member in a temporary file, never more than it declares."""
    if name not in archive.namelist():
        raise CorruptSource(f"has no member {name}; a cellpy archive holds one", path=source.uri)
    item = archive.getinfo(name)
    if item.file_size > _MAX_MEMBER or (item.file_size > _FREE and item.file_size > _MAX_RATIO * max(1, item.compress_size)):
        raise UnsafeSource(f"declares {item.file_size} bytes packed in {item.compress_size}", path=source.uri, offset=name)
    if item.flag_bits & 1:
        raise CorruptSource("is encrypted; expected a plain member", path=source.uri, offset=name)
    with tempfile.TemporaryFile() as copy:
        try:
            with archive.open(item) as member:
                shutil.copyfileobj(member, copy, 1 << 20)
        except ZIP_FAULTS as error:
            raise CorruptSource(f"cannot be unpacked: {error}", path=source.uri, offset=name) from error
        copy.seek(0)
        yield copy  # type: ignore[misc]


def _meta(archive: zipfile.ZipFile, spec: FormatSpec, source: Source) -> dict[str, Any]:
    name = spec.raw["meta"]
    with _unpacked(archive, name, source) as file:
        data = file.read(_MAX_META + 1)
    if len(data) > _MAX_META:
        raise UnsafeSource(f"holds more than {_MAX_META} bytes of facts", path=source.uri, offset=name)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptSource(f"is not JSON: {error}", path=source.uri, offset=name) from error
    if not isinstance(found, dict):
        raise CorruptSource("is not a JSON object", path=source.uri, offset=name)
    version = found.get("cellpy_file_version")
    if not isinstance(version, int) or str(version) not in spec.versions:
        raise UnsupportedVersion(
            f"is of cellpy file version {version!r:.40}; known: {', '.join(spec.versions)}", path=source.uri, offset=name
        )
    return found


def _parquet(file: BinaryIO, source: Source) -> Any:
    import pyarrow.parquet as pq

    with guard(source.uri, "Parquet"):
        return pq.ParquetFile(file, page_checksum_verification=True)


def _report_losses(archive: zipfile.ZipFile, spec: FormatSpec, source: Source) -> None:
    """Log the members that are not carried, with their rows."""
    why = spec.raw["lost"]
    for item in archive.infolist():
        if item.filename in (spec.raw["meta"], spec.raw["records"]):
            continue
        if not item.filename.endswith(".parquet"):
            source.log.lose(source.uri, item.filename, why.get("", "bdx carries records and facts of the test"))
            continue
        with _unpacked(archive, item.filename, source) as file:
            rows = _parquet(file, source).metadata.num_rows
        source.log.lose(source.uri, f"rows of {item.filename}", why.get(item.filename.removesuffix(".parquet"), why[""]), rows)


def _records(parquet: Any, spec: FormatSpec, meta: dict[str, Any], tests: dict[str, Any], source: Source) -> Iterator[Part]:
    column = spec.raw["tests"]
    keys = _keys(parquet, column, source)
    names = [name for name in parquet.schema_arrow.names if name != column]
    schema = pa.schema([_field(parquet.schema_arrow.field(name), spec, meta) for name in names])
    for key in keys:
        facts = {column: key, **_facts_of(key, tests, alone=len(keys) == 1)}
        yield Document("test" if len(keys) > 1 else "info", facts)
        yield Table("records", schema, _rows(parquet, schema, column, key if len(keys) > 1 else None, source))
    if not keys:
        yield Document("info", _facts_of(None, tests, alone=True))
        yield Table("records", schema, _rows(parquet, schema, column, None, source))


def _keys(parquet: Any, column: str, source: Source) -> list[Any]:
    """Return the tests the records name, in the order they are met."""
    if column not in parquet.schema_arrow.names:
        return []
    found: dict[Any, None] = {}
    with guard(source.uri, "Parquet"):
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=[column]):
            found.update(dict.fromkeys(pc.unique(batch.column(0)).to_pylist()))
            if len(found) > _MAX_TESTS:
                raise CorruptSource(f"names more than {_MAX_TESTS} tests in {column}", path=source.uri)
    return list(found)


def _facts_of(key: Any, tests: dict[str, Any], *, alone: bool) -> dict[str, Any]:
    """Return what the archive says of a test: under its number, that of the cycler, or the only one there is."""
    entries = [entry for entry in tests.values() if isinstance(entry, dict)]
    for name in ("test_id", "tester_assigned_test_id"):
        for entry in entries:
            if key is not None and entry.get(name) == key:
                return dict(entry)
    return dict(entries[0]) if alone and len(entries) == 1 else {}


def _field(field: pa.Field, spec: FormatSpec, meta: dict[str, Any]) -> pa.Field:
    units = meta.get("raw_units")
    unit = units.get(spec.raw["units"].get(field.name, "")) if isinstance(units, dict) else None
    kind = pa.string() if pa.types.is_large_string(field.type) or pa.types.is_null(field.type) else field.type
    if pa.types.is_timestamp(kind):
        kind = pa.timestamp("us", tz=kind.tz)
    return pa.field(field.name, kind, metadata={"bdx.unit": unit} if isinstance(unit, str) else None)


def _rows(parquet: Any, schema: pa.Schema, column: str, key: Any, source: Source) -> Iterator[pa.RecordBatch]:
    for batch in batches(parquet, source.uri, BATCH_ROWS):
        with guard(source.uri, "Parquet"):
            rows = batch if key is None else batch.filter(pc.equal(batch.column(column), key))
            arrays = [_array(rows.column(field.name), field.type) for field in schema]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return the values in their type; NaN is how a data frame says that there is none."""
    if pa.types.is_floating(array.type):
        values = array.to_numpy(zero_copy_only=False)
        return pa.array(np.asarray(values), array.type, from_pandas=True)
    return array.cast(kind, safe=False)
