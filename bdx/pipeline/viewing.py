"""Inspect: what a source is, what it holds, its first rows, spans and units, and what looks odd."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Finding, Loss
from bdx.pipeline.line_view import LineView, LineViewer
from bdx.pipeline.passport_view import PassportView, Viewer
from bdx.pipeline.reading import ReadOptions, chunks, open_source
from bdx.rules import Checker

HEAD_ROWS = 3


@dataclass(slots=True)
class ColumnView:
    """One column: its unit, how many values it has, and their span."""

    name: str
    type: str
    unit: str
    source_name: str
    values: int = 0
    low: Any = None
    high: Any = None
    first: Any = None
    last: Any = None


@dataclass(slots=True)
class TableView:
    """One table: rows, columns and the first rows."""

    name: str
    rows: int = 0
    columns: dict[str, ColumnView] = field(default_factory=dict)
    head: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class InspectResult:
    """What `bdx inspect` tells of one source."""

    source: str
    format: str
    title: str
    bytes: int | None
    sha256: str
    tables: dict[str, TableView]
    findings: list[Finding]
    losses: list[Loss]
    passport: PassportView | None = None
    line: LineView | None = None


def inspect(
    source: str | Path,
    *,
    from_format: str | None = None,
    by: str | Path = "",
    assume_tz: str | None = None,
    current_sign: str | None = None,
    keep_going: bool = False,
    battery: str = "",
) -> InspectResult:
    """Return what a source is and holds; it is read once, to its end, in flat memory.

    `by` is a mapping file for flat exports; `battery` names the one passport to show of many.
    """
    options = ReadOptions(from_format, str(by) or None, assume_tz, current_sign, keep_going=keep_going)
    opened = open_source(str(source), 1, options)
    checker = Checker(opened.log, opened.uri)
    tables: dict[str, TableView] = {}
    viewer, line = Viewer(battery), LineViewer()
    digest, length = "", None
    for chunk in chunks(opened, options):
        checker.watch(chunk)
        viewer.watch(chunk)
        line.watch(chunk)
        for name, batch in chunk.items():
            if name == "source" and not batch.num_rows:
                continue
            if name == "source":
                row = batch.slice(0, 1).to_pylist()[0]
                digest, length = row["sha256"] or "", row["bytes"]
                continue
            _look(tables.setdefault(name, TableView(name)), batch)
    checker.finish()
    ordered = {name: tables[name] for name in sorted(tables, key=_order)}
    log, facts = opened.log, (opened.uri, opened.told, opened.format.title, length, digest)
    return InspectResult(*facts, ordered, log.findings, log.losses, viewer.finish(), line.finish())


def _order(name: str) -> int:
    return spec.tables().index(name)


def _look(view: TableView, batch: pa.RecordBatch) -> None:
    view.rows += batch.num_rows
    if len(view.head) < HEAD_ROWS:
        view.head += batch.slice(0, HEAD_ROWS - len(view.head)).to_pylist()
    for column, array in zip(batch.schema, batch.columns, strict=True):
        facts = {key.decode(): value.decode() for key, value in (column.metadata or {}).items()}
        seen = view.columns.setdefault(
            column.name, ColumnView(column.name, str(column.type), facts.get("bdx.unit", ""), facts.get("bdx.source_name", ""))
        )
        _span(seen, array)


def _span(seen: ColumnView, array: pa.Array) -> None:
    """Add one batch of a column to its count and span."""
    if array.null_count == len(array):
        return
    seen.values += len(array) - array.null_count
    present = array.drop_null() if array.null_count else array
    seen.first = present[0].as_py() if seen.first is None else seen.first
    seen.last = present[-1].as_py()
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
        span = pc.min_max(present).as_py()
        seen.low = span["min"] if seen.low is None else min(seen.low, span["min"])
        seen.high = span["max"] if seen.high is None else max(seen.high, span["max"])
