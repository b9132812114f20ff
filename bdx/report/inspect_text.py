"""What `bdx inspect` prints: the source, its tables with spans and units, first rows, oddities."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from bdx import spec
from bdx.names import shortened
from bdx.pipeline import line_view
from bdx.pipeline.viewing import ColumnView, InspectResult, TableView
from bdx.report import line_text, passport_text
from bdx.report.words import times

WIDTH = 100


def render(result: InspectResult, color: bool = False) -> str:
    """Return the result as a page of text."""
    lines = [_strong(result.source, color), f"  {result.title} ({result.format})"]
    if result.bytes is not None:
        lines.append(f"  {result.bytes:,} bytes, sha256 {result.sha256[:16]}...")
    if not result.tables:
        lines.append("  holds no rows")
    if result.passport is not None:
        lines += ["", *passport_text.render(result.passport, color)]
    if result.line is not None:
        lines += ["", *line_text.render(result.line, color)]
    for view in result.tables.values():
        if result.passport is not None and "battery" in (view.name, spec.table(view.name).parent):
            continue
        lines += ["", *(_record(view, color) if view.rows <= 2 else _table(view, color))]
    if result.findings or result.losses:
        lines += ["", _strong("oddities", color)]
        lines += [f"  {found.severity}: {found.code} {found.message}{times(found.count)}" for found in result.findings]
        lines += [f"  loss: {loss.what} not carried: {loss.why}{times(loss.count)}" for loss in result.losses]
    return "\n".join(lines) + "\n"


def render_json(result: InspectResult) -> str:
    """Return the result as JSON, schema bdx-inspect/1."""
    document = {"schema": "bdx-inspect/1", **dataclasses.asdict(dataclasses.replace(result, passport=None, line=None))}
    document["passport"] = passport_text.as_json(result.passport) if result.passport is not None else None
    document["line"] = line_view.as_json(result.line) if result.line is not None else None
    return json.dumps(document, ensure_ascii=False, indent=2, default=_plain)


def _table(view: TableView, color: bool) -> list[str]:
    """Return one line per column that has values: its unit and span, first and last value."""
    lines = [f"{_strong(view.name, color)}  {view.rows:,} rows"]
    filled = [column for column in view.columns.values() if column.values]
    width = max((len(column.name) for column in filled), default=0)
    for column in filled:
        absent = view.rows - column.values
        note = f"  ({absent:,} absent)" if absent else ""
        origin = f"  <- {column.source_name}" if column.source_name and column.name.startswith("extra_") else ""
        lines.append(f"  {column.name:{width}}  {column.unit:8} {_span(column)}{note}{origin}")
    empty = [column.name for column in view.columns.values() if not column.values]
    if empty:
        lines.append(f"  without values: {len(empty)} columns")
    lines += _head(view)
    return lines


def _record(view: TableView, color: bool) -> list[str]:
    """Return the values of a table of one or two rows, one to a line."""
    lines = [f"{_strong(view.name, color)}  {view.rows:,} row{'s' if view.rows > 1 else ''}"]
    for number, row in enumerate(view.head):
        if number:
            lines.append("  --")
        present = {name: value for name, value in row.items() if value not in (None, [], "")}
        width = max((len(name) for name in present), default=0)
        for name, value in present.items():
            unit = view.columns[name].unit
            lines.append(f"  {name:{width}}  {_text(value)}{' ' + unit if unit and unit != '1' else ''}")
    return lines


def _span(column: ColumnView) -> str:
    if column.low is None:
        return f"{_text(column.first)} .. {_text(column.last)}"
    if column.low == column.high:
        return f"{_text(column.low)} throughout"
    return f"{_text(column.low)} to {_text(column.high)}, first {_text(column.first)}, last {_text(column.last)}"


def _head(view: TableView) -> list[str]:
    """Return the first rows as far as they fit a page."""
    names = [column.name for column in view.columns.values() if column.values]
    cells = [[_text(row.get(name), 18) for name in names] for row in view.head]
    widths = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(names)]
    fits, used = 0, 2
    for width in widths:
        used += width + 2
        if used > WIDTH:
            break
        fits += 1
    if not fits:
        return []
    rows = [names[:fits], *(row[:fits] for row in cells)]
    more = f"  ... {len(names) - fits} more columns" if len(names) > fits else ""
    lines = ["  " + "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=False)) for row in rows]
    return [f"  first rows{more}", *lines]


def _text(value: Any, limit: int = 60) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.7g}" if abs(value) < 1e6 else f"{value:,.2f}".removesuffix(".00")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value)
    text = " ".join(str(value).split())
    return shortened(text, limit)


def _strong(text: str, color: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if color else text


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return str(value)
