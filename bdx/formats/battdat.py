"""HDF5 files of the battery-data-toolkit: compound tables raw_data, cycle_stats and eis_data, at the root or in a group per data set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.canon import BATCH_ROWS, Document, Part, Table
from bdx.errors import CorruptSource, SourceError
from bdx.formats import battdat_capacity
from bdx.formats.battdat_write import write
from bdx.formats.canonical import guard
from bdx.formats.hdf_foreign import dataset, get, members, opened, text
from bdx.formats.pandas_layouts import open_frame
from bdx.formats.source import Source
from bdx.spec import FormatSpec

__all__ = ["read", "sniff_source", "write"]

_RECORDS, _SPECTRA, _CYCLES = "raw_data", "eis_data", "cycle_stats"


def sniff_source(source: Source, spec: FormatSpec) -> bool:
    """Say whether an HDF5 file holds a table of the toolkit, beside its metadata or in a group."""
    found = members(source)
    tables = {name for name in found if name.rpartition("/")[2] in (_RECORDS, _SPECTRA, _CYCLES)}
    return bool(tables) and ("@metadata" in found or "@battdat_version" in found)


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts, then the records; several data sets, or records beside spectra, are tests of their own.

    Raises: CorruptSource, TruncatedSource, UnsafeSource, UnsupportedVersion, each naming the table.
    """
    with opened(source) as file:
        series = [(group, name) for name in (_RECORDS, _SPECTRA) for group in _groups(source, name)]
        if not series:
            raise SourceError(f"holds {_CYCLES} but no {_RECORDS} or {_SPECTRA}; bdx reads records", path=source.uri)
        series.sort(key=lambda item: item[0])
        yield Document("info", {**_json(file, "metadata", source), "battdat_version": text(file, "battdat_version", source)})
        tables = [_table(file, f"{group}/{name}".lstrip("/"), source) for group, name in series]
        schema = _common([table.schema for table in tables])
        for (group, name), table in zip(series, tables, strict=True):
            found = _json(get(file, group, source), "metadata", source) if group else {}
            facts = {**found, **({"dataset": group} if group else {}), **({"table": name} if name != _RECORDS else {})}
            yield Document("test" if len(series) > 1 else "info", facts)
            yield Table("records", schema, _fitted(table, schema, source))
        _report_losses(file, source)


def _common(schemas: list[pa.Schema]) -> pa.Schema:
    """Return the schema that holds all tables: rows of one source have one shape. Of two types of number the float is taken."""
    fields: dict[str, pa.Field] = {}
    for schema in schemas:
        for field in schema:
            known = fields.setdefault(field.name, field)
            if known.type != field.type:
                text = pa.string() in (known.type, field.type)
                fields[field.name] = known.with_type(pa.string() if text else pa.float64())
    return pa.schema(list(fields.values()))


def _fitted(table: Table, schema: pa.Schema, source: Source) -> Iterator[pa.RecordBatch]:
    for batch in table.batches:
        places = [batch.schema.get_field_index(field.name) for field in schema]
        with guard(source.uri, "HDF5"):
            arrays = [
                batch.column(place).cast(field.type) if place >= 0 else pa.nulls(batch.num_rows, field.type)
                for place, field in zip(places, schema, strict=True)
            ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _groups(source: Source, name: str) -> list[str]:
    """Return the groups that hold a table of that name; the root is the empty one."""
    return sorted(path.rpartition("/")[0] for path in members(source) if path.rpartition("/")[2] == name)


def _json(holder: Any, name: str, source: Source) -> dict[str, Any]:
    written = text(holder, name, source)
    try:
        found = json.loads(written) if written else {}
    except (ValueError, RecursionError) as error:
        where = f"attribute {name} of {holder.name}"
        raise CorruptSource(f"{where} is not JSON: {error}", path=source.uri) from error
    return {key: value for key, value in found.items() if value is not None} if isinstance(found, dict) else {}


def _report_losses(file: Any, source: Source) -> None:
    for group in _groups(source, _CYCLES):
        path = f"{group}/{_CYCLES}".lstrip("/")
        item = get(file, path, source)
        frame = open_frame(file, path, source)
        rows = frame.rows if frame is not None else int(dataset(item, f"/{path}", source).size or 0)
        source.log.lose(source.uri, f"rows of /{path}", "bdx derives the table cycle from the records", rows)


def _table(file: Any, path: str, source: Source) -> Table:
    """Return one table of the toolkit, units from its own description; older files hold a frame of pandas instead."""
    frame = open_frame(file, path, source)
    if frame is not None:
        schema = frame.schema()
        return Table("records", schema, frame.batches())
    table = dataset(get(file, path, source), f"/{path}", source)
    if table.dtype.names is None or table.ndim != 1:
        raise CorruptSource(f"/{path} is not a table of records", path=source.uri)
    described = _described(table, path, source)
    factors = battdat_capacity.factors(table, described, source) if path.rpartition("/")[2] == _RECORDS else {}
    columns: list[tuple[str, Any]] = []
    fields: list[pa.Field] = []
    for name in table.dtype.names:
        kind = _kind(table.dtype[name])
        if kind is None:
            source.log.lose(source.uri, f"/{path}: column {name}", f"it holds {table.dtype[name]} in each row", table.shape[0])
            continue
        unit = described.get(name, "")
        metadata = {"bdx.unit": unit} if unit else {}
        metadata |= factors.get(name, {})
        columns.append((name, kind))
        fields.append(pa.field(str(name), kind, metadata=metadata or None))
    schema = pa.schema(fields)
    return Table("records", schema, _rows(table, columns, schema, path, source))


def _described(table: Any, path: str, source: Source) -> dict[str, str]:
    """Return the unit of each column by the description beside the table."""
    found = _json(table, "metadata", source)
    extra = found.pop("extra_columns", {})
    rows = {**found, **(extra if isinstance(extra, dict) else {})}
    return {name: row["units"] for name, row in rows.items() if isinstance(row, dict) and isinstance(row.get("units"), str)}


def _kind(kind: np.dtype[Any]) -> pa.DataType | None:
    """Return the Arrow type of a column, None for one of arrays or of anything but numbers and texts."""
    if kind.kind == "S":
        return pa.string()
    if kind.kind not in "iufb" or kind.itemsize > 8 or kind.shape:
        return None
    return pa.from_numpy_dtype(kind.newbyteorder("="))


def _rows(table: Any, columns: list[tuple[str, Any]], schema: pa.Schema, path: str, source: Source) -> Iterator[pa.RecordBatch]:
    for start in range(0, table.shape[0], BATCH_ROWS):
        with guard(source.uri, f"/{path}"):
            rows = table[start : start + BATCH_ROWS]
            arrays = [_array(rows[name], kind) for name, kind in columns]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: np.ndarray[Any, Any], kind: pa.DataType) -> pa.Array:
    if kind == pa.string():
        texts = [value.decode("utf-8", "replace") for value in values.tolist()]
        return pa.array([None if value in ("", "nan", "None") else value for value in texts], kind)
    return pa.array(np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="))), kind, from_pandas=True)
