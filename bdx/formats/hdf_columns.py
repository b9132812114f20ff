"""One canonical table as a group of HDF5 datasets: how each Arrow type is stored, appended and read back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.errors import CorruptSource, SinkError, UnsafeSource
from bdx.formats.canonical import guard, widest
from bdx.formats.source import Source

CHUNK, TEXT_CHUNK = 8192, 1024
GROWING: Mapping[str, Any] = {"maxshape": (None,), "compression": "gzip", "compression_opts": 1}
MASK = "__valid"
FILTERS = frozenset({1, 2, 3})
"""HDF5 filters bdx decodes: deflate, shuffle, checksum; another would load a plug-in."""

_NATIVE = {str(kind): kind for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())}
_NATIVE |= {str(kind): kind for kind in (pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.timestamp("us"))}
"""Types a vendor column (extra_*) keeps; any other becomes text."""


class TableGroup:
    """Appends batches of one table to a group, column by column; columns that come late are filled with nulls."""

    def __init__(self, group: Any, table: str) -> None:
        self._group = group
        self._table = table
        self._sparse = spec.table(table).sparse
        self._schema: pa.Schema | None = None
        self._columns: dict[str, Any] = {}
        self._masks: dict[str, Any] = {}
        self._rows = 0

    def append(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch.

        Raises: SinkError where a column changes its type or holds a NUL character.
        """
        self._schema = batch.schema if self._schema is None else widest(self._schema, batch.schema)
        end = self._rows + batch.num_rows
        for field, array in zip(batch.schema, batch.columns, strict=True):
            if field.name not in self._columns:
                if array.null_count == len(array) and not self._sparse:
                    continue
                self._create(field)
            self._store(field.name, array, end)
        for name in self._columns.keys() - set(batch.schema.names):
            self._store(name, pa.nulls(batch.num_rows, pa.string()), end)
        self._rows = end

    def finish(self) -> None:
        """Write the row count and the order of the columns."""
        self._group.attrs["rows"] = self._rows
        names = self._schema.names if self._schema is not None else []
        self._group.attrs["columns"] = json.dumps([name for name in names if name in self._columns])

    def _create(self, field: pa.Field) -> None:
        import h5py

        kind = _stored_as(field.type)
        dtype: Any = h5py.string_dtype("utf-8") if kind is None else kind
        options: dict[str, Any] = {"fletcher32": kind is not None, "chunks": (TEXT_CHUNK if kind is None else CHUNK,)}
        if kind is not None and np.issubdtype(kind, np.floating):
            options["fillvalue"] = np.nan
        dataset = self._group.create_dataset(field.name, shape=(self._rows,), dtype=dtype, **GROWING, **options)
        for key, value in (field.metadata or {}).items():
            if key.startswith(b"bdx."):
                dataset.attrs[key.decode()[4:]] = value.decode("utf-8", "replace")
        known = spec.table(self._table).by_name.get(field.name)
        stored = str(field.type) if str(field.type) in _NATIVE else "string"
        dataset.attrs["type"] = known.type if known else stored
        self._columns[field.name] = dataset
        if self._rows:
            self._mask(field.name, np.zeros(self._rows, np.uint8))

    def _mask(self, name: str, values: np.ndarray[Any, Any]) -> None:
        self._masks[name] = self._group.create_dataset(name + MASK, data=values, chunks=(CHUNK,), fletcher32=True, **GROWING)

    def _store(self, name: str, array: pa.Array, end: int) -> None:
        dataset = self._columns[name]
        start = dataset.shape[0]
        if array.null_count and name not in self._masks:
            self._mask(name, np.ones(start, np.uint8))
        dataset.resize((end,))
        if array.null_count < len(array):
            try:
                dataset[start:end] = _encode(array)
            except (TypeError, ValueError, pa.ArrowException) as error:
                raise SinkError(f"HDF5 cannot hold {self._table}.{name}: {error}") from error
        if name in self._masks:
            self._masks[name].resize((end,))
            self._masks[name][start:end] = array.is_valid().to_numpy(zero_copy_only=False).astype(np.uint8)


def _stored_as(kind: pa.DataType) -> Any:
    """Return the NumPy type a column is stored as, None for text."""
    if pa.types.is_timestamp(kind):
        return np.dtype("i8") if kind.unit == "us" else None
    if pa.types.is_date32(kind):
        return np.dtype("i4")
    native = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return np.dtype(kind.to_pandas_dtype()) if native and str(kind) in _NATIVE else None


def _encode(array: pa.Array) -> np.ndarray[Any, Any]:
    """Return the values as HDF5 stores them; what stands for a null is told by the mask."""
    kind = array.type
    stored = _stored_as(kind)
    if stored is not None:
        if pa.types.is_temporal(kind):
            array = array.view(pa.int32() if pa.types.is_date32(kind) else pa.int64())
        if array.null_count:
            array = pc.fill_null(array, np.nan if stored.kind == "f" else False if stored.kind == "b" else 0)
        return array.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    if pa.types.is_list(kind):
        return np.array(["" if row is None else json.dumps(row, ensure_ascii=False) for row in array.to_pylist()], dtype=object)
    text = array.cast(pa.string())
    if pc.any(pc.match_substring(text, "\0")).as_py():
        raise ValueError("a text with a NUL character")
    return pc.fill_null(text, "").to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def read_table(group: Any, table: str, rows: int, step: int, source: Source) -> Iterator[pa.RecordBatch]:
    """Yield a table in batches of `step` rows, at least one.

    Raises: CorruptSource where a dataset is not what its column needs, UnsafeSource for data kept outside the file.
    """
    with guard(source.uri, "HDF5"):
        columns = {name: _dataset(group, name, rows, source) for name in _listed(group, table, source)}
        masks = {name: _dataset(group, name + MASK, rows, source) for name in columns if group.get(name + MASK, getlink=True) is not None}
    facts = spec.table(table)
    for start in range(0, max(rows, 1), step):
        stop = min(start + step, rows)
        known: dict[str, pa.Array] = {}
        extra: dict[str, tuple[pa.Array, Mapping[str, str]]] = {}
        with guard(source.uri, "HDF5"):
            for name, dataset in columns.items():
                kind = str(dataset.attrs["type"])
                target = canon.TYPES[facts.by_name[name].type] if name in facts.by_name else _NATIVE[kind]
                array = _decode(dataset[start:stop], target, masks[name][start:stop] if name in masks else None)
                if name in facts.by_name:
                    known[name] = array
                else:
                    metadata = {f"bdx.{key}": str(value) for key, value in dataset.attrs.items() if key != "type"}
                    extra[name] = (array, metadata)
            if not known and not facts.sparse:
                first = facts.columns[0]
                known[first.name] = pa.nulls(stop - start, canon.TYPES[first.type])
        yield canon.batch(table, known, extra)


def _listed(group: Any, table: str, source: Source) -> list[str]:
    names = json.loads(str(group.attrs["columns"]))
    facts = spec.table(table)
    if not isinstance(names, list) or len({str(name) for name in names}) < len(names):
        raise CorruptSource(f"/{table} lists columns {names!r:.80}, expected names, each once", path=source.uri)
    for name in names:
        if name not in facts.by_name and not (facts.sparse and str(name).startswith("extra_")):
            raise CorruptSource(f"/{table} has a column {name!r:.60} that bdx does not know", path=source.uri)
    return names


def _dataset(group: Any, name: str, rows: int, source: Source) -> Any:
    import h5py

    where = f"{group.name}/{name}"
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise UnsafeSource(f"{where} is missing or a link to somewhere else; bdx does not follow links", path=source.uri)
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.shape != (rows,):
        raise CorruptSource(f"{where} is not a dataset of {rows} rows", path=source.uri)
    plist = dataset.id.get_create_plist()
    filters = {plist.get_filter(place)[0] for place in range(plist.get_nfilters())}
    if dataset.is_virtual or dataset.external or not filters <= FILTERS:
        raise UnsafeSource(f"{where} keeps its data in another file or needs a plug-in", path=source.uri)
    if dataset.dtype.kind not in "iufb" and h5py.check_string_dtype(dataset.dtype) is None:
        raise CorruptSource(f"{where} holds {dataset.dtype}, expected numbers or text", path=source.uri)
    return dataset


def _decode(values: np.ndarray[Any, Any], target: pa.DataType, valid: np.ndarray[Any, Any] | None) -> pa.Array:
    missing = None if valid is None else valid == 0
    if values.dtype.kind in {"O", "S"}:
        text = pa.array(values, pa.binary(), mask=missing).cast(pa.string())
        if pa.types.is_list(target):
            return pa.array([None if row is None else json.loads(row) for row in text.to_pylist()], target)
        return text if target == pa.string() else text.cast(target)
    if pa.types.is_date32(target):
        return pa.array(values.astype(np.int32), pa.int32(), mask=missing).view(target)
    if pa.types.is_timestamp(target):
        return pa.array(values.astype(np.int64), pa.int64(), mask=missing).view(target)
    return pa.array(values, mask=missing).cast(target)
