"""Which records hold a value for a column path: null masks for their own columns, one join per child table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk
from bdx.gaps.fields import holding
from bdx.gaps.profile import ColumnPath, Profile

Mask = npt.NDArray[np.bool_]


def filled(array: Any) -> Mask:
    """Return where an Arrow array holds something: not null, not NaN, not an empty or blank text, not an empty list."""
    if array.null_count == len(array):
        return np.zeros(len(array), dtype=bool)
    kind = array.type
    if pa.types.is_dictionary(kind):
        return filled(array.cast(kind.value_type))
    if pa.types.is_floating(kind):
        mask = pc.invert(pc.is_nan(array))
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        mask = pc.and_not(pc.greater(pc.binary_length(array), 0), pc.utf8_is_space(array))
    elif pa.types.is_list(kind):
        mask = pc.greater(pc.list_value_length(array), 0)
    else:
        mask = pc.is_valid(array)
    return _numpy(mask)


class Presence:
    """Answers for one chunk which records of its main table are supplied; every answer is worked out once."""

    def __init__(self, chunk: Chunk, profile: Profile) -> None:
        self._chunk = chunk
        self.table = profile.table
        self._key = profile.key
        self._links: Mapping[str, str] = profile.joins
        self._main = chunk[profile.table]
        self._masks: dict[ColumnPath, Mask] = {}
        self._joins: dict[str, npt.NDArray[np.int64]] = {}
        self._keys: Any = None
        self._key_codes: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return int(self._main.num_rows)

    def column(self, name: str) -> Any:
        """Return a column of the main table, or None where the batch does not carry it."""
        return self._main.column(name) if name in self._main.schema.names else None

    def has_column(self, path: ColumnPath) -> Mask:
        """Return for every record whether its batch carries the column at all."""
        return np.full(len(self), path.column in self._main.schema.names)

    def has_value(self, path: ColumnPath) -> Mask:
        """Return for every record whether it, or any of its child rows that the path names, holds a value."""
        mask = self._masks.get(path)
        if mask is None:
            mask = self._masks[path] = held(self._main, path) if path.table == self.table else self._of_children(path)
        return mask

    def of_children(self, table: str, rows: Mask) -> Mask:
        """Return for every record whether one of its rows in another table is among `rows`."""
        parents = self._parents(table)
        met = np.zeros(len(self._keys) + 1, dtype=bool)
        met[parents[rows]] = True
        met[-1] = False  # the place of child rows, and of records, without a key
        return met[self._codes()]

    def rows_of(self, table: str) -> Any:
        """Return the rows of another table, or None where the chunk has none."""
        found = self._chunk.get(table)
        return found if found is not None and found.num_rows else None

    def _of_children(self, path: ColumnPath) -> Mask:
        child = self.rows_of(path.table)
        if child is None or path.column not in child.schema.names:
            return np.zeros(len(self), dtype=bool)
        return self.of_children(path.table, held(child, path))

    def _codes(self) -> npt.NDArray[np.int64]:
        if self._key_codes is None:
            # Two passports may share a key; a dictionary gives both their children, a plain look-up only the first.
            encoded = self.column(self._key).dictionary_encode()
            self._keys = encoded.dictionary
            self._key_codes = _positions(encoded.indices)
        return self._key_codes

    def _parents(self, table: str) -> npt.NDArray[np.int64]:
        found = self._joins.get(table)
        if found is None:
            self._codes()
            found = self._joins[table] = _positions(pc.index_in(self._chunk[table].column(self._links[table]), value_set=self._keys))
        return found


def _positions(indices: Any) -> npt.NDArray[np.int64]:
    return pc.fill_null(indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]


def held(batch: Any, path: ColumnPath) -> Mask:
    """Return which rows of a batch hold a value in a column, and the wanted values beside it."""
    names = batch.schema.names
    if path.column not in names:
        return np.zeros(batch.num_rows, dtype=bool)
    array = batch.column(path.column)
    mask = holding(array, path.field) if path.field else filled(array)
    for name, value in path.where:
        mask = mask & _equal(batch.column(name) if name in names else None, value, batch.num_rows)
    return mask


def _equal(array: Any, value: str, rows: int) -> Mask:
    if array is None:
        return np.zeros(rows, dtype=bool)
    return _numpy(pc.equal(array, value))


def _numpy(mask: Any) -> Mask:
    return pc.fill_null(mask, False).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
