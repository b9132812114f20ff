"""Evidence as lines of JSON: one line per value, written from columns, never row by row."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec

SCHEMA = "bdx-evidence/1"
EVERY = "*"
"""Column (or key) of a row that speaks of all values of a record (or of all records) that no other row names."""

_FEW = 4
"""A column with this many rows per different value is written value by value."""


def quoted(text: str) -> str:
    """Return text as it stands in a line."""
    return json.dumps(text, ensure_ascii=False)


def lines(batch: pa.RecordBatch) -> pa.Buffer | None:
    """Return the rows of `evidence` as lines of JSON without empty values, None where there are none."""
    if not batch.num_rows:
        return None
    pieces = []
    for column in spec.table("evidence").columns:
        values = batch.column(column.name)
        if values.null_count < len(values):
            pieces.append(pc.binary_join_element_wise(f'"{column.name}":', _quoted(values), ""))
    body = pc.binary_join_element_wise(*pieces, ",", null_handling="skip")
    text = pc.binary_join_element_wise("{", body, "}\n", "")
    return _data(text)


def of_records(batteries: pa.RecordBatch) -> pa.RecordBatch:
    """Return one row of `evidence` per battery that says where all its values stand that no other row names."""
    known = batteries.filter(batteries.column("source_id").is_valid())
    rows = known.num_rows
    columns = {"table": ["battery"] * rows, "key": known.column("battery_key"), "column": [EVERY] * rows, "method": ["declared"] * rows}
    return canon.batch("evidence", columns | {name: known.column(name) for name in ("source_id", "locator")})


def _quoted(values: pa.Array) -> pa.Array:
    """Return texts as JSON strings; null stays null."""
    coded = values.dictionary_encode()
    if len(coded.dictionary) * _FEW <= len(values):
        few = pa.array([None if text is None else quoted(text) for text in coded.dictionary.to_pylist()], pa.string())
        return few.take(coded.indices)
    plain = pc.binary_join_element_wise('"', values, '"', "")
    odd = _odd(values)
    if not odd.any():
        return plain
    written = [quoted(text) for text in values.filter(pa.array(odd)).to_pylist()]
    return pc.replace_with_mask(plain, pa.array(odd), pa.array(written, pa.string()))


def _odd(values: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which texts hold a quote, a backslash or a control character."""
    found = np.zeros(len(values), np.bool_)
    offsets = _offsets(values)
    data = np.frombuffer(_data(values), np.uint8)
    places = np.flatnonzero((data < 0x20) | (data == 0x22) | (data == 0x5C))
    if len(places):
        found[np.searchsorted(offsets - offsets[0], places, side="right") - 1] = True
    return found


def _offsets(values: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    buffer = values.buffers()[1]
    return np.frombuffer(buffer, np.int32)[values.offset : values.offset + len(values) + 1]


def _data(values: pa.Array) -> pa.Buffer:
    """Return the characters of a column of texts, one text after the other."""
    offsets = _offsets(values)
    buffer = values.buffers()[2]
    return buffer.slice(int(offsets[0]), int(offsets[-1] - offsets[0])) if buffer is not None else pa.py_buffer(b"")
