"""Canonical rows waiting on disk until their step is told: rows of one step may come in any chunk, memory stays flat."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon

Row = dict[str, Any]

HELD = 6
"""Batches of one table that are held at a time."""
ROWS = 4_096
"""Rows of one such batch."""


class Spool:
    """The rows of one table in a temporary file; times come back as microseconds, columns without any value not at all."""

    def __init__(self, table: str, columns: Iterable[str]) -> None:
        self.table = table
        self.columns = tuple(columns)
        self.rows = 0
        self.filled: set[str] = set()
        self._starts: list[int] = []
        self._file: Any = None
        self._sink: Any = None
        self._reader: Any = None
        self._held: OrderedDict[int, pa.RecordBatch] = OrderedDict()

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep a batch."""
        arrays = []
        for name in self.columns:
            known = name in batch.schema.names
            array = batch.column(name) if known else pa.nulls(batch.num_rows, canon.field_of(self.table, name).type)
            if array.null_count < len(array):
                self.filled.add(name)
            arrays.append(array.cast(pa.int64()) if pa.types.is_timestamp(array.type) else array)
        plain = pa.RecordBatch.from_arrays(arrays, names=list(self.columns))
        if self._sink is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the last row is told
            self._sink = pa.ipc.new_file(self._file, plain.schema)
        for start in range(0, plain.num_rows, ROWS):
            piece = plain.slice(start, ROWS)
            self._sink.write_batch(piece)
            self._starts.append(self.rows)
            self.rows += piece.num_rows

    def finish(self) -> None:
        """Make the rows ready to be taken."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None
            self._file.seek(0)
            self._reader = pa.ipc.open_file(self._file)

    def close(self) -> None:
        """Give the temporary file back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column."""
        if self._reader is None:
            return pa.chunked_array([], pa.string())
        return pa.chunked_array([self._own(number, name) for number in range(len(self._starts))])

    def _own(self, number: int, name: str) -> pa.Array:
        """Return a column of a batch in memory of its own: as it is read, it would keep the whole batch alive."""
        found = self._reader.get_batch(number).column(name)
        return found.take(pa.array(np.arange(len(found))))

    def take(self, numbers: np.ndarray[Any, Any]) -> list[Row]:
        """Return rows by their numbers, which must ascend, as dicts of the columns that hold anything, nulls included."""
        if not len(numbers):
            return []
        names = [name for name in self.columns if name in self.filled]
        owners = np.searchsorted(self._starts, numbers, side="right") - 1
        found: list[Row] = []
        for owner in np.unique(owners):
            batch = self._batch(int(owner))
            mine = batch.select(names).take(pa.array(numbers[owners == owner] - self._starts[int(owner)]))
            columns = [column.to_pylist() for column in mine.columns]
            found.extend(dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))
        return found

    def _batch(self, number: int) -> pa.RecordBatch:
        held = self._held.get(number)
        if held is None:
            held = self._reader.get_batch(number)
            self._held[number] = held
            if len(self._held) > HELD:
                self._held.popitem(last=False)
        else:
            self._held.move_to_end(number)
        return held


class ByKey:
    """The rows of a spool by the place of their key among `keys`; those of no key have the place -1."""

    def __init__(self, spool: Spool, column: str, keys: pa.Array) -> None:
        self.spool = spool
        places = np.full(spool.rows, -1, np.int32)
        if spool.rows and column in spool.filled:
            start = 0
            for chunk in spool.column(column).chunks:
                found = pc.fill_null(pc.index_in(chunk, value_set=keys, skip_nulls=True), -1)
                places[start : start + len(chunk)] = found.to_numpy(zero_copy_only=False)
                start += len(chunk)
        self._order = np.argsort(places, kind="stable")
        self._sorted = places[self._order]

    def numbers(self, places: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return the numbers of the rows of some keys, ascending, and the key's place of each."""
        starts = np.searchsorted(self._sorted, places, "left")
        ends = np.searchsorted(self._sorted, places, "right")
        counts = ends - starts
        if not counts.any():
            return np.empty(0, np.int64), np.empty(0, np.int64)
        offsets = np.repeat(starts - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
        numbers = self._order[np.arange(counts.sum()) + offsets]
        owners = np.repeat(places, counts)
        ascending = np.argsort(numbers, kind="stable")
        return numbers[ascending], owners[ascending]

    def take(self, places: np.ndarray[Any, Any]) -> dict[int, list[Row]]:
        """Return the rows of some keys, by the place of the key; each row says its own number as `#`."""
        numbers, owners = self.numbers(places)
        found: dict[int, list[Row]] = {}
        for row, number, owner in zip(self.spool.take(numbers), numbers.tolist(), owners.tolist(), strict=True):
            row["#"] = number
            found.setdefault(owner, []).append(row)
        return found
