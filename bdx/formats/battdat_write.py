"""Writes HDF5 files that the battery-data-toolkit and PyTables read: one compound table per kind of rows, described beside it."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Document, Part, Table
from bdx.errors import SinkError
from bdx.formats.canonical import FAULTS, workspace
from bdx.spec import Facts, FormatSpec

CHUNK = 8192
_NAME = re.compile(r"[^A-Za-z0-9_]")
_GROUP = {"CLASS": "GROUP", "TITLE": "", "VERSION": "1.0"}
_TABLE = {"CLASS": "TABLE", "TITLE": "", "VERSION": "2.7"}


def write(parts: Iterable[Part], sink: BinaryIO, spec: FormatSpec, *, lines: bool = False) -> None:
    """Write the tables of one test at the root, those of several tests in a group each.

    Rows wait in temporary files until all columns, and the longest text of each, are known.
    Raises: SinkError where there are no records or HDF5 cannot hold a value.
    """
    import h5py

    facts: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        spools: dict[tuple[str, str], _Spool] = {}
        for part in parts:
            if isinstance(part, Document):
                facts[part.locator] = part.value
            else:
                _take(part, spools, stack)
        records = {test: None for (test, name), spool in spools.items() if name != spec.raw["cycles"] and spool.rows}
        if not records:
            raise SinkError(f"{spec.id} holds records of a test; the data have none")
        target = stack.enter_context(workspace(sink))
        try:
            with h5py.File(target, "w", libver=("earliest", "v110")) as file:
                _root(file, facts, list(records), spec)
                for (test, name), spool in spools.items():
                    group = file if len(records) == 1 else _group(file, test, facts.get(test, {}), spec)
                    _table(group, name, spool, spec)
        except FAULTS as error:
            raise SinkError(f"{spec.id} cannot hold the data: {str(error).splitlines()[0] if str(error) else error}") from error


class _Spool:
    """Batches of one table in a temporary file, with what must be known before the first row is written."""

    def __init__(self, schema: pa.Schema, stack: ExitStack) -> None:
        self.schema = schema
        self.rows = 0
        self.widths: dict[str, int] = {}
        self.nulls: set[str] = set()
        self._seen = set(schema.names)
        self._files: list[tuple[BinaryIO, Any]] = []
        self._stack = stack

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next rows; a batch of another schema begins a file of its own."""
        if not self._files or not self._files[-1][1].schema_held.equals(batch.schema):
            file = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
            self._files.append((file, _Stream(file, batch.schema)))  # type: ignore[arg-type]
        self.schema = _union(self.schema, batch.schema)
        self._files[-1][1].write(batch)
        for field, array in zip(batch.schema, batch.columns, strict=True):
            if array.null_count:
                self.nulls.add(field.name)
            if _is_text(field.type):
                longest = pc.max(pc.binary_length(_text(array))).as_py() or 0
                self.widths[field.name] = max(self.widths.get(field.name, 1), longest)
        self.nulls.update(set(self.schema.names) - set(batch.schema.names))
        if self.rows:
            self.nulls.update(set(batch.schema.names) - self._seen)
        self._seen.update(batch.schema.names)
        self.rows += batch.num_rows

    def batches(self) -> Iterable[pa.RecordBatch]:
        """Yield all rows again, from the first on."""
        for file, stream in self._files:
            stream.close()
            file.seek(0)
            with pa.ipc.open_stream(file) as reader:
                yield from reader


def _union(old: pa.Schema, new: pa.Schema) -> pa.Schema:
    """Return the schema that holds both: numbers of two types become floats, anything else text."""
    fields = {field.name: field for field in old}
    for field in new:
        known = fields.setdefault(field.name, field)
        if known.type != field.type:
            numbers = not _is_text(known.type) and not _is_text(field.type)
            fields[field.name] = known.with_type(pa.float64() if numbers else pa.string())
    return pa.schema(list(fields.values()))


class _Stream:
    """An Arrow stream being written."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self.schema_held = schema
        self._writer = pa.ipc.new_stream(file, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def close(self) -> None:
        self._writer.close()


def _take(part: Table, spools: dict[tuple[str, str], _Spool], stack: ExitStack) -> None:
    test = (part.schema.metadata or {}).get(b"bdx.test", b"").decode()
    for batch in part.batches:
        key = (test, part.name)
        if key not in spools:
            spools[key] = _Spool(batch.schema, stack)
        if batch.num_rows or not spools[key].rows:
            spools[key].add(batch)


def _root(file: Any, facts: Mapping[str, dict[str, Any]], tests: list[str], spec: FormatSpec) -> None:
    """Write what PyTables and the toolkit look for in the root: of several tests, the facts they share."""
    own = [facts.get(test, {}) for test in tests] if len(tests) > 1 else list(facts.values())[:1]
    shared = own[0] if own and all(item == own[0] for item in own) else {}
    _attributes(file, {**_GROUP, "PYTABLES_FORMAT_VERSION": "2.1"})
    _attributes(file, {"metadata": _metadata(shared, spec), "battdat_version": spec.raw["battdat"]})


def _group(file: Any, test: str, facts: dict[str, Any], spec: FormatSpec) -> Any:
    name = _NAME.sub("_", test) or "test"
    if name not in file:
        group = file.create_group(name)
        _attributes(group, {**_GROUP, "metadata": _metadata(facts, spec)})
    return file[name]


def _metadata(facts: dict[str, Any], spec: FormatSpec) -> str:
    return json.dumps({"version": spec.raw["battdat"], "is_measurement": True, **facts}, sort_keys=True)


def _table(group: Any, name: str, spool: _Spool, spec: FormatSpec) -> None:
    """Write one compound table with the attributes of PyTables and the description of its columns."""
    headers = _headers(spool.schema.names)
    kinds = [(header, _stored(field, spool)) for header, field in zip(headers, spool.schema, strict=True)]
    dtype = np.dtype(kinds)
    rows = spool.rows
    table = group.create_dataset(
        name, (rows,), dtype, maxshape=(None,), chunks=(CHUNK,), compression="gzip", compression_opts=1, shuffle=True
    )
    start = 0
    for batch in spool.batches():
        if batch.num_rows:
            table[start : start + batch.num_rows] = _records(batch, dtype, spool.schema.names)
            start += batch.num_rows
    fields = {f"FIELD_{place}_NAME": header for place, (header, _) in enumerate(kinds)}
    _attributes(
        table,
        {
            **_TABLE,
            **fields,
            "metadata": _described(spool.schema, dtype, spec.raw["described"].get(name, ())),
            "battdat_version": spec.raw["battdat"],
        },
    )
    for place, (header, _) in enumerate(kinds):
        table.attrs.create(f"FIELD_{place}_FILL", np.zeros((), dtype[header]) if dtype[header].kind != "S" else np.bytes_(b""))
    table.attrs.create("NROWS", np.int64(rows))


def _headers(names: list[str]) -> list[str]:
    """Return names that PyTables takes: of plain letters, digits and underscores, each once."""
    found: list[str] = []
    for name in names:
        header = base = _NAME.sub("_", name).strip("_") or "column"
        count = 1
        while header in found:
            count += 1
            header = f"{base}_{count}"
        found.append(header)
    return found


def _records(batch: pa.RecordBatch, dtype: np.dtype[Any], names: list[str]) -> Any:
    found = np.zeros(batch.num_rows, dtype)
    for name, column in zip(dtype.names or (), names, strict=True):
        place = batch.schema.get_field_index(column)
        kind = dtype[name].kind
        if place < 0:
            found[name] = np.nan if kind == "f" else found[name]
            continue
        array = batch.column(place)
        if kind == "S":
            found[name] = np.array(pc.fill_null(_text(array), "").cast(pa.binary()).to_pylist(), dtype[name])
        elif kind == "f":
            found[name] = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        else:
            found[name] = array.to_numpy(zero_copy_only=False)
    return found


def _is_text(kind: pa.DataType) -> bool:
    return not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _text(array: pa.Array) -> pa.Array:
    return array.cast(pa.string())


def _stored(field: pa.Field, spool: _Spool) -> np.dtype[Any]:
    """Return how a column is kept: whole numbers with gaps become floats, since the tables have no other word for nothing."""
    if _is_text(field.type):
        return np.dtype(f"S{max(1, spool.widths.get(field.name, 1))}")
    if field.name in spool.nulls or pa.types.is_floating(field.type):
        return np.dtype("<f8")
    return np.dtype("u1") if pa.types.is_boolean(field.type) else np.dtype(field.type.to_pandas_dtype()).newbyteorder("<")


def _described(schema: pa.Schema, dtype: np.dtype[Any], rows: Iterable[Facts]) -> str:
    """Return the description of the columns as JSON, those of the toolkit by its rules, all others as extra columns."""
    known: Mapping[str, Facts] = {row["name"]: row for row in rows}
    own: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for header, field in zip(dtype.names or (), schema, strict=True):
        said = {key.decode(): value.decode("utf-8", "replace") for key, value in (field.metadata or {}).items()}
        kind = {"f": "float", "i": "integer", "u": "integer"}.get(dtype[header].kind, "other")
        row = known.get(header, {})
        words = {
            "required": bool(row.get("required", False)),
            "type": kind,
            "description": row.get("description", f"{said.get('bdx.source_name', field.name)}, as the instrument gives it"),
            "units": said.get("bdx.unit"),
            "monotonic": bool(row.get("monotonic", False)),
        }
        (own if row else extra)[header] = words
    return json.dumps({**own, "extra_columns": extra})


def _attributes(holder: Any, values: Mapping[str, str]) -> None:
    """Write texts as PyTables does: of fixed length, the empty one as no value at all."""
    import h5py

    for name, value in values.items():
        data = value.encode("ascii", "backslashreplace")
        holder.attrs.create(name, np.bytes_(data) if data else h5py.Empty("S1"))
