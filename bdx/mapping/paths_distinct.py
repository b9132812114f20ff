"""Which rows of a child table say the same but for their battery: a passport shares most of its lists with the others of its model."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_LEAST = 64
"""Fewer rows than this are not worth the look."""

_MOST_SHARE = 0.5
"""Where more of the rows than this differ, each is taken for itself."""

_BETWEEN = "\x1f"

Numbers = npt.NDArray[np.int64]


def distinct(batch: pa.RecordBatch, key: str) -> tuple[Numbers, Numbers] | None:
    """Return (first row of each kind, kind of each row), kinds in the order of their first rows; None where that does not pay.

    Rows are of one kind where every column but `key` is the same to the last bit.
    """
    rows = batch.num_rows
    if rows < _LEAST:
        return None
    codes, size = np.zeros(rows, np.int64), 1
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if name == key or array.null_count == rows:
            continue
        for part in _plain(array) or (None,):
            if part is None:
                return None
            encoded = part.dictionary_encode("encode")
            kinds = len(encoded.dictionary)
            if kinds > rows * _MOST_SHARE:
                return None
            if kinds == 1:
                continue
            if size > 2**62 // kinds:
                told, codes = np.unique(codes, return_inverse=True)
                size = len(told)
            codes = codes * kinds + encoded.indices.to_numpy(zero_copy_only=False)
            size *= kinds
    _, first, kind = np.unique(codes, return_index=True, return_inverse=True)
    if len(first) > rows * _MOST_SHARE:
        return None
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return first[order], rank[kind]


def _plain(array: pa.Array) -> tuple[Any, ...]:
    """Return a column as columns that can be told apart bit by bit; none where that cannot be done."""
    if pa.types.is_float64(array.type):
        return (array.view(pa.int64()),)
    if not pa.types.is_list(array.type):
        return (array,)
    texts = array.flatten()
    if texts.null_count or not pa.types.is_string(texts.type) or pc.any(pc.match_substring(texts, _BETWEEN)).as_py():
        return ()
    return pc.list_value_length(array), pc.binary_join(array, _BETWEEN)
