"""Polls of a potentiostat as tomato writes them: one JSON object with the running technique, the state and the rows met since.

`technique.start_time` says when the technique began within the run; the rows count their time from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa

from bdx.canon import BATCH_ROWS, Document, Part, Table
from bdx.errors import CorruptSource, UnsafeSource
from bdx.formats.source import Source
from bdx.spec import FormatSpec

_MOST_BYTES = 64 << 20


def read(source: Source, _spec: FormatSpec) -> Iterator[Part]:
    """Yield the technique and the state of the instrument, then the rows.

    Raises: UnsafeSource beyond 64 MiB; CorruptSource for what is no such object.
    """
    with source.stream() as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise UnsafeSource("is a single JSON object of more than 64 MiB", path=source.uri)
    try:
        tree = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise CorruptSource(f"is not valid JSON: {error}", path=source.uri) from error
    technique, rows = (tree.get("technique"), tree.get("data")) if isinstance(tree, dict) else (None, None)
    if not isinstance(technique, dict) or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CorruptSource("holds no technique with a list of rows under 'data'", path=source.uri)
    current = tree.get("current")
    yield Document("info", {"technique": technique, "current": current if isinstance(current, dict) else {}}, "line 1")
    declared = technique.get("data_rows")
    if isinstance(declared, int) and declared != len(rows):
        source.log.find("F110", source=source.uri, locator="technique", part="the technique", declared=declared, found=len(rows))
    schema = _schema(rows, technique)
    yield Table("records", schema, _rows(rows, schema, technique, source))


def _schema(rows: list[dict[str, Any]], technique: dict[str, Any]) -> pa.Schema:
    """Return the columns: technique, those of the rows, and test time where the start of the technique is known."""
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["time"]
    fields = [pa.field("technique.index", pa.string()), pa.field("technique.name", pa.string())]
    fields += [pa.field(name, pa.float64()) for name in names]
    start = technique.get("start_time")
    if "time" in names and isinstance(start, (int, float)) and not isinstance(start, bool):
        fields.append(pa.field("test time", pa.float64(), metadata={"bdx.offset": repr(start)}))
    return pa.schema(fields)


def _rows(rows: list[dict[str, Any]], schema: pa.Schema, technique: dict[str, Any], source: Source) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(rows), BATCH_ROWS):
        part = rows[start : start + BATCH_ROWS]
        arrays: list[pa.Array] = []
        for field in schema:
            if field.name.startswith("technique."):
                word = technique.get(field.name.removeprefix("technique."))
                arrays.append(pa.repeat(pa.scalar(None if word is None else str(word), pa.string()), len(part)))
                continue
            arrays.append(_column(part, "time" if field.name == "test time" else field.name, start, source))
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(rows: list[dict[str, Any]], name: str, start: int, source: Source) -> pa.Array:
    """Return the numbers of a column; what is none is logged and read as empty."""
    values = [row.get(name) for row in rows]
    good = [value if isinstance(value, (int, float)) and not isinstance(value, bool) else None for value in values]
    bad = [place for place, value in enumerate(values) if value is not None and good[place] is None]
    if bad:
        where = start + bad[0]
        source.log.find("F040", source=source.uri, column=name, row=where, locator=f"row {where}", count=len(bad), value=values[bad[0]])
    return pa.array([None if value is None else float(value) for value in good], pa.float64())
