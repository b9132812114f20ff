"""A data frame that pandas stored in HDF5, handed out slice by slice: integers become instants, bytes texts, NaN nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx.canon import BATCH_ROWS
from bdx.errors import CorruptSource
from bdx.formats.canonical import guard
from bdx.formats.source import Source

Array = npt.NDArray[Any]

_NAT = np.iinfo(np.int64).min
_UNITS = ("s", "ms", "us", "ns")


@dataclass(slots=True)
class FrameColumn:
    """One column: its name, how its values are kept ("float64", "datetime64[us]", "bytes176", ...) and where."""

    name: str
    kind: str
    block: str
    place: int
    zoned: bool = False


@dataclass(slots=True)
class Frame:
    """The columns and rows of a stored frame; `slices` gives the values of a block for rows [start, stop)."""

    path: str
    source: Source
    rows: int
    columns: list[FrameColumn]
    slices: Callable[[str, int, int], Array]
    encoding: str = "utf-8"
    missing: str = "nan"
    unread: list[str] = field(default_factory=list)
    """Columns whose layout bdx does not follow."""

    def schema(self) -> pa.Schema:
        """Return the Arrow schema of the frame."""
        return pa.schema([pa.field(column.name, array.type) for column, array in zip(self.columns, self._arrays(0, 0), strict=True)])

    def batches(self, runs: list[tuple[int, int]] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows, or those of some runs [start, stop), in bounded batches."""
        schema = self.schema()
        for begin, end in runs if runs is not None else [(0, self.rows)]:
            for start in range(begin, end, BATCH_ROWS):
                yield pa.RecordBatch.from_arrays(self._arrays(start, min(start + BATCH_ROWS, end)), schema=schema)

    def column(self, name: str) -> Array | None:
        """Return all values of a numeric column; None where there is none of that name."""
        for item in self.columns:
            if item.name == name:
                parts = [
                    self._read(item.block, start, min(start + BATCH_ROWS, self.rows))[:, item.place].copy()
                    for start in range(0, self.rows, BATCH_ROWS)
                ]
                return np.concatenate(parts) if parts else np.empty(0)
        return None

    def row(self, place: int) -> dict[str, Any]:
        """Return one row as name -> plain value; NaN and empty texts are left out."""
        found: dict[str, Any] = {}
        for column in self.columns:
            values = self._read(column.block, place, place + 1)[:, column.place]
            with guard(self.source.uri, f"/{self.path}"):
                found[column.name] = values[0] if values.dtype.kind == "O" else self._array(values, column)[0].as_py()
        return {name: value for name, value in found.items() if value not in (None, "") and not _is_nan(value)}

    def _read(self, block: str, start: int, stop: int) -> Array:
        with guard(self.source.uri, f"/{self.path}"):
            values = self.slices(block, start, stop)
            if values.ndim != 2 or values.shape[0] != stop - start:
                raise CorruptSource(f"/{self.path} has a block {block} of shape {values.shape}", path=self.source.uri)
        return values

    def _arrays(self, start: int, stop: int) -> list[pa.Array]:
        blocks: dict[str, Array] = {}
        arrays = []
        for column in self.columns:
            if column.block not in blocks:
                blocks[column.block] = self._read(column.block, start, stop)
            with guard(self.source.uri, f"/{self.path}"):
                arrays.append(self._array(blocks[column.block][:, column.place], column))
        return arrays

    def _array(self, values: Array, column: FrameColumn) -> pa.Array:
        if column.kind.startswith(("datetime64", "timedelta64")):
            return _times(values.astype(np.int64), column)
        if values.dtype.kind in "SO":
            return _texts(values, self.encoding, self.missing)
        if values.dtype.kind not in "iufb":
            raise CorruptSource(f"/{self.path}: column {column.name} holds {values.dtype}", path=self.source.uri)
        native = values.dtype.newbyteorder("=")
        return pa.array(np.ascontiguousarray(values.astype(native)), from_pandas=True)  # pandas writes NaN for no value


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _times(values: Array, column: FrameColumn) -> pa.Array:
    """Return instants as microseconds and durations as seconds; both are kept as integers of the unit in brackets, else ns."""
    unit = column.kind.partition("[")[2].rstrip("]").partition(",")[0]
    unit = unit if unit in _UNITS else "ns"
    missing = values == _NAT
    if column.kind.startswith("timedelta64"):
        return pa.array(values / 10.0 ** (3 * _UNITS.index(unit)), mask=missing)
    stamps = pa.array(values, pa.int64(), mask=missing).view(pa.timestamp(unit, tz="UTC" if column.zoned else None))
    return stamps.cast(pa.timestamp("us", tz="UTC" if column.zoned else None), safe=False)


def _texts(values: Array, encoding: str, missing: str) -> pa.Array:
    decoded = [item.decode(encoding, "replace") if isinstance(item, bytes) else item for item in values.tolist()]
    return pa.array([None if item is None or str(item) == missing else str(item) for item in decoded], pa.string())
