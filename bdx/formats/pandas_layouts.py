"""Where pandas keeps the blocks of a frame in HDF5: its "table" layout, one compound table, and its "fixed" layout, one array per type."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bdx.errors import CorruptSource
from bdx.formats import pickle_text
from bdx.formats.canonical import guard
from bdx.formats.hdf_foreign import dataset, get, number, raw, text
from bdx.formats.pandas_frame import Array, Frame, FrameColumn
from bdx.formats.source import Source

_MAX_COLUMNS = 10_000


def open_frame(parent: Any, path: str, source: Source) -> Frame | None:
    """Return the frame stored at a path; None where nothing of pandas stands there.

    Raises: CorruptSource where the layout contradicts itself, UnsafeSource, UnsupportedVersion.
    """
    group = get(parent, path, source)
    kind = text(group, "pandas_type", source) if group is not None else ""
    if kind == "frame_table":
        return _table_frame(group, path, source)
    if kind == "frame":
        return _fixed_frame(group, path, source)
    return None


def _codec(group: Any, source: Source) -> str:
    written = text(group, "encoding", source)
    return written if written.lower() in ("utf-8", "latin-1", "latin1", "ascii", "cp1252") else "utf-8"


def _names(data: bytes, where: str, source: Source) -> list[str]:
    try:
        found = pickle_text.names(data)
    except pickle_text.NotPlain as error:
        raise CorruptSource(f"/{where} does not hold a list of column names: {error}", path=source.uri) from error
    if len(found) > _MAX_COLUMNS:
        raise CorruptSource(f"/{where} lists {len(found)} columns", path=source.uri)
    return found


def _table_frame(group: Any, path: str, source: Source) -> Frame:
    """Return a frame kept as one compound table: an index, blocks of columns of one type, single columns."""
    table = dataset(get(group, "table", source), f"/{path}/table", source)
    if table.dtype.names is None or table.ndim != 1:
        raise CorruptSource(f"/{path}/table is not a table of records", path=source.uri)
    facts = _unpickled(group, "info", source)
    columns: list[FrameColumn] = []
    unread: list[str] = []
    for name in table.dtype.names:
        kind = text(table, f"{name}_dtype", source)
        data = raw(table, f"{name}_kind", source)
        if name == "index":
            columns += _index(group, text(table, "index_kind", source), source)
            continue
        found = _names(data, f"{path}/table {name}_kind", source) if data else [name]
        width = int(np.prod(table.dtype[name].shape, dtype=np.int64))
        if len(found) != width:
            raise CorruptSource(f"/{path}/table names {len(found)} columns in {name}, which is {width} wide", path=source.uri)
        if text(table, f"{name}_meta", source) == "category":
            unread += found
            continue
        own = facts.get(name) if isinstance(facts, dict) else None
        zoned = isinstance(own, dict) and own.get("tz") is not None
        columns += [FrameColumn(column, kind, name, place, zoned) for place, column in enumerate(found)]

    def slices(block: str, start: int, stop: int) -> Array:
        values: Array = cache.get(start, stop)[block]
        return values.reshape(stop - start, math.prod(values.shape[1:]))

    cache = _Rows(table)
    return _ordered(Frame(path, source, table.shape[0], columns, slices, _codec(group, source), _nan_rep(group, source), unread), group)


def _nan_rep(group: Any, source: Source) -> str:
    written = text(group, "nan_rep", source)
    return written if written not in ("", "N.") else "nan"


class _Rows:
    """The rows of a compound table last read: all its blocks are cut out of one slice."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._place = (-1, -1)
        self._rows: Any = None

    def get(self, start: int, stop: int) -> Any:
        """Return rows [start, stop)."""
        if self._place != (start, stop):
            self._rows, self._place = self._table[start:stop], (start, stop)
        return self._rows


def _index(group: Any, kind: str, source: Source) -> list[FrameColumn]:
    """Return the index as a column where it has a name."""
    facts = _unpickled(group, "info", source)
    inner = facts.get("index") if isinstance(facts, dict) else None
    name = inner.get("index_name") if isinstance(inner, dict) else None
    return [FrameColumn(name, kind, "index", 0)] if isinstance(name, str) and name != "index" else []


def _ordered(frame: Frame, group: Any) -> Frame:
    """Put the columns in the order of the frame; an index that repeats a column is left out."""
    axes = _unpickled(group, "non_index_axes", frame.source)
    try:
        order = {str(name): place for place, name in enumerate(axes[0][1])}
    except (IndexError, TypeError, KeyError):
        order = {}
    inside = {column.name for column in frame.columns if column.block != "index"}
    frame.columns = [column for column in frame.columns if column.block != "index" or column.name not in inside]
    frame.columns.sort(key=lambda column: order.get(column.name, -1))
    return frame


def _fixed_frame(group: Any, path: str, source: Source) -> Frame:
    """Return a frame kept as one array per type; arrays of objects are pickles, read as opcodes."""
    encoding = _codec(group, source)
    axis = dataset(get(group, "axis1", source), f"/{path}/axis1", source)
    rows = _length(axis, source)
    columns: list[FrameColumn] = []
    unread: list[str] = []
    blocks: dict[str, Callable[[int, int], Array]] = {}
    for place in range(min(number(group, "nblocks", source) or 0, _MAX_COLUMNS)):
        items = dataset(get(group, f"block{place}_items", source), f"/{path}/block{place}_items", source)
        values = dataset(get(group, f"block{place}_values", source), f"/{path}/block{place}_values", source)
        with guard(source.uri, "HDF5"):
            found = [item.decode(encoding, "replace") if isinstance(item, bytes) else str(item) for item in items[()].ravel().tolist()]
        kind = text(values, "value_type", source)
        reader = _block(values, kind, rows, len(found), source)
        if reader is None:
            unread += found
            continue
        blocks[f"block{place}"] = reader
        zoned = raw(values, "tz", source) not in (b"", b"N.")
        columns += [FrameColumn(column, kind, f"block{place}", index, zoned) for index, column in enumerate(found)]
    index = _fixed_index(axis, rows, source)
    if index is not None and all(column.name != index[0].name for column in columns):
        columns.append(index[0])
        blocks["index"] = index[1]
    order = _fixed_order(group, encoding, source)
    columns.sort(key=lambda column: order.get(column.name, -1))
    return Frame(path, source, rows, columns, lambda block, start, stop: blocks[block](start, stop), encoding, "nan", unread)


def _length(axis: Any, source: Source) -> int:
    """Return the number of rows of an axis; PyTables keeps one row of an empty one and its true shape beside it."""
    if axis.shape is None or axis.ndim != 1:
        raise CorruptSource(f"{axis.name} is not an axis of rows", path=source.uri)
    return 0 if _unpickled(axis, "shape", source) == (0,) else int(axis.shape[0])


def _unpickled(holder: Any, name: str, source: Source) -> Any:
    """Return what an attribute holds where it is a pickle of plain values, else None."""
    try:
        return pickle_text.literals(raw(holder, name, source))
    except pickle_text.NotPlain:
        return None


def _fixed_index(axis: Any, rows: int, source: Source) -> tuple[FrameColumn, Callable[[int, int], Array]] | None:
    """Return the index as a column where it has a name of its own."""
    name = text(axis, "name", source)
    if name in ("", "N.", "index") or not rows or axis.dtype.kind not in "iufS":
        return None
    kind = text(axis, "value_type", source) or text(axis, "kind", source)
    return FrameColumn(name, kind, "index", 0), lambda start, stop: axis[start:stop].reshape(stop - start, 1)


def _fixed_order(group: Any, encoding: str, source: Source) -> dict[str, int]:
    axis = dataset(get(group, "axis0", source), "axis0", source)
    with guard(source.uri, "HDF5"):
        found = axis[()].ravel().tolist() if axis.shape is not None else []
    return {item.decode(encoding, "replace") if isinstance(item, bytes) else str(item): place for place, item in enumerate(found)}


def _block(values: Any, kind: str, rows: int, width: int, source: Source) -> Callable[[int, int], Array] | None:
    """Return how rows of a block are read; None where it holds objects that are neither texts nor numbers."""
    if values.dtype.kind == "O":
        with guard(source.uri, "HDF5"):
            pickled = b"".join(np.asarray(item).tobytes() for item in values[:1])
        try:
            found = pickle_text.objects(pickled)
        except pickle_text.NotPlain:
            return None
        if len(found) != rows * width:
            return None
        matrix = np.array(found, dtype=object).reshape(width, rows, order="A").T if rows > 1 else np.array([found], dtype=object)
        return lambda start, stop: matrix[start:stop]
    if not rows:
        return lambda start, stop: np.empty((0, width), values.dtype)
    flipped = values.ndim == 2 and values.shape == (width, rows) and values.shape != (rows, width)
    if values.ndim != 2 or (values.shape != (rows, width) and not flipped):
        raise CorruptSource(f"{values.name} has shape {values.shape}, expected {(rows, width)}", path=source.uri)
    if flipped:
        return lambda start, stop: values[:, start:stop].T
    return lambda start, stop: values[start:stop]
