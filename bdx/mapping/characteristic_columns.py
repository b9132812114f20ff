"""Columns of text as Q-DAS files hold them -> numbers, counts and JSON, vectorised over Arrow buffers."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.mapping import numbers

_PLAIN = np.ones(256, np.bool_)
_PLAIN[:32] = False
_PLAIN[[34, 92]] = False


def decimals(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the numbers of texts (null for what is none, or not finite), and which of them were written with a comma."""
    try:
        values = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        commas = pc.and_(pc.equal(pc.count_substring(texts, ","), 1), pc.invert(pc.match_substring(texts, ".")))
        commas = pc.fill_null(commas, False)
        values = numbers.numbers(pc.if_else(commas, pc.replace_substring(texts, ",", "."), texts))
        commas = pc.and_(commas, values.is_valid())
    else:
        commas = pa.array(np.zeros(len(texts), np.bool_))
    finite = pc.fill_null(pc.is_finite(values), False)
    return (values if pc.all(finite).as_py() else pc.if_else(finite, values, None)), commas


def counts(texts: pa.Array, scale: int = 1) -> tuple[pa.Array, pa.Array]:
    """Return whole numbers (int32), each divided by `scale`, and which texts are no such number."""
    coded = texts.dictionary_encode()
    values = numbers.integers(coded.dictionary)
    parts = values.fill_null(0).to_numpy(zero_copy_only=False)
    good = (parts % scale == 0) & (parts >= 0) & (parts // scale < 1 << 31) & values.is_valid().to_numpy(zero_copy_only=False)
    found = pa.array((np.where(good, parts, 0) // scale).astype(np.int32), mask=~good)
    return found.take(coded.indices), pc.fill_null(pa.array(~good).take(coded.indices), False)


def without(texts: pa.Array, words: Sequence[str]) -> pa.Array:
    """Return the texts; those that are one of some words are null."""
    if texts.null_count == len(texts):
        return texts
    none = pc.is_in(texts, value_set=pa.array(words, pa.string()))
    return pc.if_else(none, None, texts) if pc.any(none).as_py() else texts


def coalesced(*columns: pa.Array) -> pa.Array:
    """Return the first of some columns that has a value, row by row."""
    some = [column for column in columns if column.null_count < len(column)]
    return pc.coalesce(*some) if some else columns[0]


def objects(columns: Sequence[tuple[str, pa.Array]], once: dict[int, str], rows: int) -> pa.Array:
    """Return a JSON object of named texts per row, null where a row has none; `once` holds members of single rows, ready made.

    Shape: `rows` values; the columns are in the order of their names.
    """
    members = [pc.binary_join_element_wise(f',"{name}":"', _escaped(texts), '"', "") for name, texts in columns if texts.null_count < rows]
    if once:
        at = np.full(rows, -1, np.int64)
        at[list(once)] = np.arange(len(once))
        members.append(pa.array([f",{text}" for text in once.values()], pa.string()).take(pa.array(at, mask=at < 0)))
    if not members:
        return pa.nulls(rows, pa.string())
    joined = pc.binary_join_element_wise(*members, "", null_handling="replace", null_replacement="")
    whole = pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(joined, 1), "}", "")
    return pc.if_else(pc.equal(joined, ""), None, whole)


def _escaped(texts: pa.Array) -> pa.Array:
    """Return texts as they stand within quotes in JSON."""
    data = texts.buffers()[2]
    if data is None or _PLAIN[np.frombuffer(data, np.uint8)].all():
        return texts
    coded = texts.dictionary_encode()
    words = [None if text is None else json.dumps(text, ensure_ascii=False)[1:-1] for text in coded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(coded.indices)
