"""Rows of production as small columns of numbers: identifiers by hash, words by their place in a list, corrections applied last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Array = npt.NDArray[Any]
NOBODY = 0
"""Hash of an identifier that is null or blank."""
ACTIONS = ("add", "change", "delete")
ADD, CHANGE, DELETE = range(3)
MOST_WORDS = 4_096
"""Distinct words of one column that are told apart; later ones count as the last of them, so memory is bounded."""


def hashes(names: pa.Array) -> Array:
    """Return identifiers as 64-bit hashes of this process, NOBODY where one is null or blank."""
    coded = names.dictionary_encode()
    known = (hash(name) or 1 if name.strip() else NOBODY for name in coded.dictionary.to_pylist())
    table = np.fromiter((*known, NOBODY), np.int64, len(coded.dictionary) + 1)
    return np.asarray(table[coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)])


def joined(*columns: Array) -> Array:
    """Return one hash for the hashes of several columns."""
    found = np.zeros(len(columns[0]), np.uint64)
    with np.errstate(over="ignore"):
        for column in columns:
            found = (found ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            found ^= found >> np.uint64(29)
    return found.astype(np.int64)


def codes(texts: pa.Array, words: Iterable[str]) -> Array:
    """Return for each text its place in a short list, -1 where it is not of it."""
    places = pc.index_in(texts, pa.array(tuple(words), pa.string()))
    return np.asarray(places.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int8)


class Words:
    """Words in the order they were met; place 0 is no word."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {"": 0}

    def places(self, texts: pa.Array) -> Array:
        """Return for each text its place among the words met so far, it included."""
        coded = texts.dictionary_encode()
        table = [self._place((text or "").strip()) for text in coded.dictionary.to_pylist()]
        return np.asarray(np.array([*table, 0], np.int32)[coded.indices.fill_null(len(table)).to_numpy(zero_copy_only=False)])

    def _place(self, word: str) -> int:
        if word not in self.known and len(self.known) >= MOST_WORDS:
            return MOST_WORDS - 1
        return self.known.setdefault(word, len(self.known))

    @property
    def all(self) -> list[str]:
        """The words by their place."""
        return list(self.known)


class Rows:
    """Columns of numbers that grow batch by batch."""

    def __init__(self, **columns: str) -> None:
        self._types = columns
        self._parts: list[Mapping[str, Array]] = []

    def add(self, **columns: Array) -> None:
        """Append the rows of a batch, each column in its own narrow type."""
        self._parts.append({name: np.asarray(values, dtype=self._types[name]) for name, values in columns.items()})

    def all(self) -> dict[str, Array]:
        """Return every column as one array, in the order the rows came; the parts are given up one by one."""
        found = {}
        for name, kind in self._types.items():
            found[name] = np.concatenate([np.empty(0, kind), *(part[name] for part in self._parts)])
        self._parts = []
        return found


def standing(key: Array, action: Array) -> Array:
    """Return the places of the rows that stand once corrections are applied, in their order.

    Of an identifier that was changed the last row stands alone; of one that was deleted last, none. Rows of an identifier that
    nobody corrected all stand.
    """
    if not (action > ADD).any():
        return np.arange(len(key))
    corrected = np.isin(key, key[action > ADD])
    backwards = np.flatnonzero(corrected)[::-1]
    _, first = np.unique(key[backwards], return_index=True)
    last = backwards[first]
    last = last[action[last] != DELETE]
    return np.sort(np.concatenate([np.flatnonzero(~corrected), last]))


def actions(batch: pa.RecordBatch) -> Array:
    """Return what each row asks for, ADD where it does not say."""
    if "record_action" not in batch.schema.names:
        return np.zeros(batch.num_rows, np.int8)
    return np.maximum(codes(batch.column("record_action"), ACTIONS), ADD)


def column(batch: pa.RecordBatch, name: str, kind: pa.DataType) -> pa.Array:
    """Return a column, nulls where the batch has none."""
    return batch.column(name) if name in batch.schema.names else pa.nulls(batch.num_rows, kind)


def texts(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Return a column of texts, nulls where the batch has none."""
    return column(batch, name, pa.string())


def numbers(batch: pa.RecordBatch, name: str) -> Array:
    """Return a column of numbers, NaN where there is none."""
    return np.asarray(column(batch, name, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


NO_TIME = np.iinfo(np.int64).min


def moments(batch: pa.RecordBatch, name: str) -> Array:
    """Return a column of times as microseconds since 1970, NO_TIME where there is none."""
    values = column(batch, name, pa.timestamp("us", tz="UTC"))
    return np.asarray(values.cast(pa.int64()).fill_null(NO_TIME).to_numpy(zero_copy_only=False), dtype=np.int64)
