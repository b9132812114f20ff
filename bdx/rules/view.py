"""One batch of one table with the row before each row, as Arrow arrays and float arrays made once and shared by all rules."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.canon import CAST_FAULTS
from bdx.errors import MappingError

Floats = np.ndarray[Any, np.dtype[np.float64]]
Span = tuple[float, float]
"""Smallest and largest value of a batch, nulls and NaN left out; inf, -inf where there is none."""

_NOTHING: Span = (float("inf"), float("-inf"))

# The C library of Linux learns from the largest block freed so far how much freed memory to keep; without this the arrays of every
# batch go back to the system and are paged in again, which costs more than all sums over them.
np.empty(30 << 17)

TIME, CURRENT, VOLTAGE = "test_time_second", "current_ampere", "voltage_volt"
BOUNDS = ("step_count", "step_id", "cycle_count")
GROUP = "test_id"
"""A row of another test has no row before it."""
FEW = 64
"""Rows up to which texts are judged as they stand."""
_NO = pa.scalar(False)
ABSURD = 1e9
"""Amounts from here on are left out of sums: S005 and S008 speak of them, and one would drown all others."""


@cache
def texts_of(words: tuple[str, ...]) -> pa.Array:
    """Return words as an array made once: making one looks for pandas on the disk each time."""
    return pa.array(words, pa.string())


@cache
def numbers_of(values: tuple[float, ...]) -> pa.Array:
    """Return numbers as an array made once."""
    return pa.array(values, pa.float64())


@cache
def number(value: float) -> pa.Scalar:
    """Return a number for a kernel; one without a type makes Arrow look for pandas on the disk each time."""
    return pa.scalar(value, pa.float64())


def nowhere(rows: int) -> pa.BooleanArray:
    """Return a mask that holds in no row."""
    return pa.repeat(_NO, rows)


class Tally(typing.Protocol):
    """Sums over a whole table that several rules judge; made without arguments, fed each batch once."""

    def feed(self, view: View) -> None:
        """Add one batch."""


K = typing.TypeVar("K", bound=Tally)
T = typing.TypeVar("T")


class View:
    """A batch seen by rules. `first` is the index of its first row within the table of the source.

    `last` is the view of the batch before, cut to its last row; None where there was none. Columns that are not canonical
    (`extra_...`) are not seen.
    """

    def __init__(self, table: str, batch: pa.RecordBatch, first: int, last: View | None) -> None:
        self.table = table
        self.first = first
        self.rows = batch.num_rows
        self._batch = batch
        known = spec.table(table).by_name
        self._index = {name: number for number, name in enumerate(batch.schema.names) if name in known}
        self._last = last
        self._memo: dict[tuple[str, object], Any] = {}
        self._tallies: dict[type[Tally], Any] = last._tallies if last is not None else {}
        self._same = self._same_test()

    def has(self, name: str) -> bool:
        """Say whether the batch carries a column."""
        return name in self._index

    def names(self) -> Iterable[str]:
        """Return the names of the columns the batch carries."""
        return self._index

    def array(self, name: str) -> pa.Array:
        """Return a column in its canonical type.

        Raises: MappingError where the batch holds another type that does not convert.
        """
        key = ("array", name)
        if key not in self._memo:
            found = self._batch.column(self._index[name])
            wanted = canon.TYPES[spec.table(self.table).column(name).type]
            if found.type != wanted:
                try:
                    found = found.cast(wanted)
                except CAST_FAULTS as error:
                    raise MappingError(f"{self.table}.{name} is {found.type}, expected {wanted}") from error
            self._memo[key] = found
        return self._memo[key]

    def coded(self, name: str) -> pa.DictionaryArray | None:
        """Return a column of texts by its distinct ones; None where most of them are distinct or it holds no texts."""
        key = ("coded", name)
        if key not in self._memo:
            values = self.array(name)
            plain = values.type != pa.string() or self.rows < FEW
            # A column of identifiers is told by its first rows; to encode it would cost more than it saves.
            if not plain and self.rows > 2 * FEW:
                plain = len(pc.unique(values[:FEW])) > FEW // 2
            found = None if plain else values.dictionary_encode()
            self._memo[key] = found if found is not None and 2 * len(found.dictionary) <= self.rows else None
        return self._memo[key]

    def once(self, key: tuple[str, object], make: Callable[[], T]) -> T:
        """Return what `make` makes, made once per batch for all rules that ask by the same key."""
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]  # type: ignore[no-any-return]

    def before(self, name: str) -> pa.Array:
        """Return for each row the value of the row before it; null at the first row of a test."""
        key = ("before", name)
        if key not in self._memo:
            found = self._shift(name)
            self._memo[key] = found if self._same is None else pc.if_else(self._same, found, None)
        return self._memo[key]

    def floats(self, name: str) -> Floats:
        """Return a column as float64, NaN for null; times in seconds."""
        key = ("floats", name)
        if key not in self._memo:
            self._memo[key] = _floats(self.array(name))
        return self._memo[key]  # type: ignore[no-any-return]

    def floats_before(self, name: str) -> Floats:
        """Return for each row the float of the row before it; NaN at the first row of a test."""
        key = ("floats_before", name)
        if key not in self._memo:
            found = np.empty(self.rows)
            found[1:] = self.floats(name)[:-1]
            found[0] = self._last.floats(name)[0] if self._last is not None and self._last.has(name) else np.nan
            if self._same is not None:
                found[~_bools(self._same)] = np.nan
            self._memo[key] = found
        return self._memo[key]  # type: ignore[no-any-return]

    def delta(self, name: str) -> Floats:
        """Return for each row by how much a column rises since the row before it; NaN at the first row of a test."""
        key = ("delta", name)
        if key not in self._memo:
            self._memo[key] = self.floats(name) - self.floats_before(name)
        return self._memo[key]  # type: ignore[no-any-return]

    def span(self, name: str) -> Span:
        """Return the smallest and largest value of a numeric column."""
        key = ("span", name)
        if key not in self._memo:
            self._memo[key] = _span(self.array(name), self.floats(name) if pa.types.is_float64(self.array(name).type) else None)
        return self._memo[key]  # type: ignore[no-any-return]

    def changed(self, *names: str) -> Any:
        """Return a bool array, True where a row differs from the row before it in one of the columns that are present.

        The first row of a test counts as changed.
        """
        key = ("changed", ",".join(names))
        if key not in self._memo:
            found = self.fresh()
            for name in names:
                if self.has(name):
                    found |= self._differs(name)
            self._memo[key] = found
        return self._memo[key]

    def starts(self, *names: str) -> Any:
        """Return the numbers of the rows at which `changed` holds."""
        key = ("starts", ",".join(names))
        if key not in self._memo:
            self._memo[key] = np.flatnonzero(self.changed(*names))
        return self._memo[key]

    def fresh(self) -> Any:
        """Return a bool array, True at the first row of a test."""
        found = np.zeros(self.rows, dtype=bool) if self._same is None else ~_bools(self._same)
        if self.first == 0:
            found[0] = True
        return found

    def tally(self, kind: type[K]) -> K:
        """Return the one tally of this kind of the whole table, fed with this batch and all before it."""
        found = self._tallies.setdefault(kind, kind())
        if ("tally", kind.__name__) not in self._memo:
            self._memo["tally", kind.__name__] = True
            found.feed(self)
        return found  # type: ignore[no-any-return]

    def tail(self) -> View:
        """Return the last row alone, holding on to nothing else of the batch but the tallies."""
        end = self.rows - 1
        found = View(self.table, self._batch.take(pa.array([end], pa.int64())), self.first + end, None)
        found._tallies = self._tallies
        return found

    def _differs(self, name: str) -> Any:
        """Return a bool array, True where a column differs from the row before; null equals null."""
        key = ("differs", name)
        if key not in self._memo:
            values = self.array(name)
            found = np.zeros(self.rows, dtype=bool)
            found[1:] = _unlike(values[1:], values[:-1])
            if self._last is not None and self._last.has(name):
                found[:1] = _unlike(values[:1], self._last.array(name))
            else:
                found[0] = bool(values[0].is_valid)
            self._memo[key] = found
        return self._memo[key]

    def _same_test(self) -> pa.Array | None:
        """Return where a row belongs to the test of the row before it; None where that holds for every row but the very first."""
        if not self.has(GROUP):
            return None
        tests = self.array(GROUP)
        last = self._last.array(GROUP)[0] if self._last is not None and self._last.has(GROUP) else None
        if len(pc.unique(tests)) == 1 and (last is None or last.equals(tests[0])):
            return None
        return pc.equal(tests, self._shift(GROUP)).fill_null(fill_value=False)

    def _shift(self, name: str) -> pa.Array:
        values = self.array(name)
        last = self._last.array(name) if self._last is not None and self._last.has(name) else pa.nulls(1, values.type)
        return pa.concat_arrays([last, values[:-1]])


def settled(total: float) -> float:
    """Return a sum rounded to 11 digits: the last ones depend on where batches end."""
    return float(f"{total:.11g}")


def _unlike(values: pa.Array, others: pa.Array) -> Any:
    """Return where two arrays differ; null equals null."""
    if pa.types.is_integer(values.type) and not values.null_count and not others.null_count:
        return values.to_numpy() != others.to_numpy()
    unlike = pc.not_equal(values, others)
    if unlike.null_count:
        unlike = pc.or_kleene(unlike, pc.not_equal(pc.is_null(values), pc.is_null(others)))
    return _bools(unlike)


def _span(values: pa.Array, floats: Floats | None) -> Span:
    """Return the smallest and largest value; numpy finds those of floats twenty times as fast, and passes NaN over as Arrow does."""
    if floats is not None:
        low, high = float(np.fmin.reduce(floats)), float(np.fmax.reduce(floats))
        return (low, high) if low <= high else _NOTHING
    found = pc.min_max(values)
    low, high = found["min"].as_py(), found["max"].as_py()
    return _NOTHING if low is None else (float(low), float(high))


def _floats(values: pa.Array) -> Floats:
    if pa.types.is_timestamp(values.type):
        seconds = _floats(values.cast(pa.int64()))
        return seconds / 1e6
    if not pa.types.is_float64(values.type):
        values = values.cast(pa.float64(), safe=False)
    return values.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _bools(values: pa.Array) -> Any:
    return values.fill_null(fill_value=False).to_numpy(zero_copy_only=False)
