"""Instrument data that was saved as pandas frames in HDF5: which frame holds records, facts or neither is said by the spec.

Keys of a format of this engine, beyond the common ones:

    [[frame]]                        one stored frame, first match of its path wins; those not named are reported as lost
    path = "CellpyData/raw"
    as = "records"                   records | facts | lost
    why = "..."                      for lost: the reason given
    tests = "Test_ID"                for records: a column that tells tests apart; facts with that column go to their test
    [frame.units]                    for records: column -> key of the facts that holds its unit
    current = "raw_unit_current"

    any = ["CellpyData/raw", ...]    a file of the format holds one of these
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.canon import Document, Part, Table
from bdx.errors import CorruptSource
from bdx.formats.canonical import guard
from bdx.formats.hdf_foreign import get, members, opened
from bdx.formats.pandas_frame import Frame
from bdx.formats.pandas_layouts import open_frame
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

_MAX_FACT_ROWS = 1000
_ELSEWHERE = "bdx carries the records and the facts of the test"


def sniff_source(source: Source, spec: FormatSpec) -> bool:
    """Say whether an HDF5 file holds one of the frames that only this format has."""
    return not members(source).isdisjoint(spec.raw["any"])


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts, then the records; where the file holds several tests, the facts of each before its records.

    Raises: CorruptSource, TruncatedSource, UnsafeSource, UnsupportedVersion, each naming the place.
    """
    with opened(source) as file:
        rows = _present(file, spec.raw["frame"], source)
        records = [row for row in rows if row["as"] == "records"]
        if not records:
            wanted = " or ".join(f"/{row['path']}" for row in spec.raw["frame"] if row["as"] == "records")
            raise CorruptSource(f"holds no frame of records; expected {wanted}", path=source.uri)
        facts, by_test = _facts(file, [row for row in rows if row["as"] == "facts"], records[0].get("tests", ""), source)
        frame = _open(file, records[0]["path"], source)
        _report_losses(file, rows, records[0], source)
        yield Document("info", facts)
        yield from _records(frame, records[0], facts, by_test)


def _present(file: Any, rows: tuple[Facts, ...], source: Source) -> list[Facts]:
    return [row for row in rows if get(file, row["path"], source) is not None]


def _open(file: Any, path: str, source: Source) -> Frame:
    frame = open_frame(file, path, source)
    if frame is None:
        raise CorruptSource(f"/{path} is not a frame of pandas", path=source.uri)
    if frame.unread:
        why = "its layout (categories or objects) is not read"
        source.log.lose(source.uri, f"/{path}: {', '.join(frame.unread[:6])}", why, frame.rows * len(frame.unread))
    return frame


def _facts(file: Any, rows: list[Facts], tests: str, source: Source) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """Return the facts of the whole file, and those of each test where a frame of facts has a row per test."""
    facts: dict[str, Any] = {}
    by_test: dict[int, dict[str, Any]] = {}
    for row in rows:
        frame = _open(file, row["path"], source)
        if frame.rows > _MAX_FACT_ROWS:
            source.log.lose(source.uri, f"/{row['path']}", f"bdx reads {_MAX_FACT_ROWS} rows of facts", frame.rows - _MAX_FACT_ROWS)
        for place in range(min(frame.rows, _MAX_FACT_ROWS)):
            found = frame.row(place)
            if tests and tests in found:
                by_test[int(found[tests])] = found
            elif not place:
                facts |= {name: value for name, value in found.items() if name not in facts}
            else:
                source.log.lose(source.uri, f"/{row['path']}", "only the first row of these facts is carried")
    return facts, by_test


def _report_losses(file: Any, rows: list[Facts], read: Facts, source: Source) -> None:
    """Log the frames of the file that are not carried, with their rows."""
    named = {row["path"]: row for row in rows}
    for path in sorted(members(source)):
        row = named.get(path)
        if (row is not None and (row is read or row["as"] == "facts")) or path.startswith("@"):
            continue
        frame = open_frame(file, path, source)
        if frame is not None:
            why = row.get("why", _ELSEWHERE) if row is not None else _ELSEWHERE
            source.log.lose(source.uri, f"rows of /{path} ({len(frame.columns)} columns)", why, frame.rows)


def _records(frame: Frame, row: Facts, facts: dict[str, Any], by_test: dict[int, dict[str, Any]]) -> Iterator[Part]:
    """Yield the records as one table, or one after each test's facts where the file holds several tests."""
    tests = row.get("tests", "")
    column = frame.column(tests) if tests else None
    frame.columns = [item for item in frame.columns if item.name != tests]
    schema = _with_units(frame.schema(), row.get("units", {}), facts)
    runs = _runs(column) if column is not None and len(column) else {}
    for key, places in runs.items():
        yield Document("test" if len(runs) > 1 else "info", {tests: key, **by_test.get(key, {})})
        yield Table("records", schema, _cast(frame, schema, places))
    if not runs:
        yield Table("records", schema, _cast(frame, schema, None))


def _runs(column: np.ndarray[Any, Any]) -> dict[int, list[tuple[int, int]]]:
    """Return where the rows of each test stand, tests in the order they are met."""
    column = np.nan_to_num(column).astype(np.int64)
    starts = np.append(0, np.flatnonzero(column[1:] != column[:-1]) + 1)
    runs: dict[int, list[tuple[int, int]]] = {}
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(column)], strict=True):
        runs.setdefault(int(column[start]), []).append((start, stop))
    return runs


def _with_units(schema: pa.Schema, units: Facts, facts: dict[str, Any]) -> pa.Schema:
    fields = []
    for field in schema:
        unit = facts.get(units.get(field.name, ""), "")
        fields.append(field.with_metadata({"bdx.unit": unit}) if isinstance(unit, str) and unit else field)
    return pa.schema(fields)


def _cast(frame: Frame, schema: pa.Schema, runs: list[tuple[int, int]] | None) -> Iterator[pa.RecordBatch]:
    for batch in frame.batches(runs):
        with guard(frame.source.uri, f"/{frame.path}"):
            arrays = [
                array if array.type == field.type else array.cast(field.type) for field, array in zip(schema, batch.columns, strict=True)
            ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
