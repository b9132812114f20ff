"""Columns that are laid out batch by batch: a field, and its values for any stretch of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx.canon import BATCH_ROWS
from bdx.formats.neware_ndc import Stamps


@dataclass(frozen=True, slots=True)
class Column:
    """One column to hand out: its field, and its values for records [start, stop)."""

    field: pa.Field
    values: Callable[[int, int], Any]


class Spread:
    """The columns that follow from stamps, laid out once per batch and handed out by name."""

    def __init__(self, laid: Stamps) -> None:
        self._laid = laid
        self._place = (-1, -1)
        self._columns: dict[str, Any] = {}

    def getter(self, key: str) -> Callable[[int, int], npt.NDArray[Any]]:
        """Return a function (start, stop) -> values of that column."""

        def of(start: int, stop: int) -> npt.NDArray[Any]:
            if self._place != (start, stop):
                self._columns, self._place = self._laid.spread(start, stop), (start, stop)
            return self._columns[key]  # type: ignore[no-any-return]

        return of


def field(name: str, kind: pa.DataType, unit: Sequence[str] = ()) -> pa.Field:
    """Return a field with its unit, and the scale of its raw numbers where there is one."""
    keys = [key for key, text in zip(("bdx.unit", "bdx.scale"), unit, strict=False) if text]
    return pa.field(name, kind, metadata=dict(zip(keys, unit, strict=False)) or None)


def held(name: str, values: pa.Array, unit: Sequence[str] = ()) -> Column:
    """Return a column whose values are all at hand."""
    return Column(field(name, values.type, unit), lambda start, stop: values.slice(start, stop - start))


def batches(columns: list[Column], schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the columns in batches; NaN and the step -1 mean: no value."""
    for start in range(0, rows, BATCH_ROWS):
        stop = min(start + BATCH_ROWS, rows)
        arrays = []
        for column in columns:
            values = column.values(start, stop)
            if not isinstance(values, pa.Array):
                bad = np.isnan(values) if values.dtype == np.float64 else values < 0 if column.field.name == "Step Count" else None
                values = pa.array(values, column.field.type, mask=bad if bad is not None and bad.any() else None)
            arrays.append(values)
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
