"""Where a value came from, for people: one step under the other, from the passport down to the rows of a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from bdx.names import shortened
from bdx.pipeline.rows_again import Reference, references
from bdx.pipeline.source_again import CHANGED, GONE, UNCHANGED
from bdx.pipeline.value_trace import Origin, ValueTrace
from bdx.report.words import plain, plural

SERIES = ("test_time_second", "cycle_count", "step_count", "voltage_volt", "current_ampere")
"""Columns of a time series that are shown, before its counters and temperatures."""
_FIRST = {
    "cycle": ("records", "first_row", "last_row", "charge_capacity_ah", "discharge_capacity_ah", "discharge_energy_wh"),
    "step": ("kind", "control", "first_row", "last_row", "capacity_ah", "energy_wh"),
    "item": ("item_kind", "serial_number", "lot_id", "material_definition_id", "name", "produced_by_step_run_id", "produced_at", "mass_kg"),
    "process_step": ("step_code", "order_id", "equipment_id", "site_id", "started_raw", "ended_raw"),
    "genealogy": ("relation", "quantity", "unit", "step_run_id", "is_estimated"),
    "quality_result": ("item_id", "characteristic_code", "value_num", "unit", "verdict"),
}
_COLUMNS, _VALUE = 8, 48
_MOST = 12
"""Rows a value rests on that are shown one by one."""


def render(trace: ValueTrace, color: bool = False) -> Iterator[str]:
    """Yield the lines of a trace."""
    for number, origin in enumerate(trace.origins):
        if number:
            yield ""
        yield from _origin(trace, origin, color)


def _origin(trace: ValueTrace, origin: Origin, color: bool) -> Iterator[str]:
    unit = f" [{trace.unit}]" if trace.unit else ""
    name = f"{origin.table}.{origin.column}" if origin.table != "battery" else origin.column
    yield _strong(f"{plain(shortened(origin.key, 80))}  {name} = {said(origin.value or origin.told['value'])}{unit}", color)
    place = f" at {plain(trace.asked.pointer)}" if trace.asked.pointer else ""
    held = "in" if origin.value is not None else "not in"
    yield f"  {held} {plain(trace.passport)} ({trace.model}{place}); the document is {_state(trace.document, color)}"
    yield f"  evidence: {plain(trace.evidence)}"
    yield f"  └─ {how(origin)}"
    if origin.definition:
        yield f"     {plain(origin.definition)} [{plain(origin.authority)}]"
    if origin.told["inputs"] and origin.told["inputs"] != origin.told["locator"]:
        yield f"     from {plain(shortened(origin.told['inputs'], 200))}"
    yield from _rows(origin)
    yield from _source(origin, color)


def how(origin: Origin) -> str:
    """Return in words how a value came about."""
    told = origin.told
    by = f" by {plain(shortened(told['by'], 120))}" if told["by"] else ""
    version = f", version {plain(shortened(told['version'], 20))}" if told["version"] else ""
    where = f" in {plain(shortened(str(origin.source.uri), 120))}" if origin.source is not None and told["method"] == "declared" else ""
    locator = f", {plain(shortened(told['locator'], 80))}" if told["locator"] and where else ""
    return f"{told['method'] or 'declared'}{by}{version}{where}{locator}{'; nothing further' if told['method'] == 'declared' else ''}"


def _rows(origin: Origin) -> Iterator[str]:
    if origin.said is None:
        for item in references(origin.told["rows"], None)[:_MOST]:
            yield f"     └─ {reference(item)}"
        return
    shown = origin.said.rows
    for item in shown[:_MOST]:
        yield f"     └─ {reference(item)}{'' if item.met else ': not there any more'}"
        for number, row in item.rows:
            label = f"row {number:,}: " if number is not None and item.table == "timeseries" else ""
            yield f"        {label}{facts(item.table, row)}"
    if len(shown) > _MOST:
        yield f"     └─ and {plural(len(shown) - _MOST, 'more reference')} (-O json has all)"


def reference(item: Reference) -> str:
    """Return in words which rows are meant."""
    if not item.by_range:
        return f"{item.table.replace('_', ' ')} {' -> '.join(plain(shortened(part, 80)) for part in item.key)}"
    if item.table == "timeseries":
        return f"rows {item.first:,} to {item.last:,} of the time series"
    return f"{item.table} {item.first:,}" if item.first == item.last else f"{item.table}s {item.first:,} to {item.last:,}"


def facts(table: str, row: dict[str, Any]) -> str:
    """Return what a row says, the columns that tell most first."""
    if table == "timeseries":
        names = [name for name in SERIES if name in row]
        names += [name for name in row if name not in names and name.endswith(("_ah", "_celsius"))]
    else:
        names = [name for name in _FIRST.get(table, ()) if name in row]
        names = names or [name for name in row if name not in ("source_id", "locator", "extra")]
    parts = [f"{name} {said(row[name])}" for name in [name for name in names if row[name] not in (None, "", [])][:_COLUMNS]]
    where = f" ({plain(str(row['locator']))})" if row.get("locator") else ""
    return ", ".join(parts) + where


def said(value: Any) -> str:
    """Return a value as a person writes it, on one line."""
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds").replace("+00:00", " UTC")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return shortened(plain(" ".join(str(value).split())), _VALUE)


def _source(origin: Origin, color: bool) -> Iterator[str]:
    source = origin.source
    if source is None:
        yield "     └─ no source: the user gave it" if origin.told["method"] == "given" else "     └─ no source is named"
        return
    at = f", {plain(shortened(origin.told['locator'], 80))}" if origin.told["locator"] and origin.told["method"] != "declared" else ""
    size = f", {source.length:,} bytes" if source.length is not None else ""
    here = f" at {plain(source.path)}" if source.path and source.path != source.uri else ""
    read = f", read {plain(source.read_at[:19].replace('T', ' '))}" if source.read_at else ""
    name = plain(shortened(source.uri or source.id, 200))
    yield f"     └─ {name}{at} ({plain(source.format)}{size}{read}): {_state(source.state, color)}{here}"
    if source.sha256:
        yield f"        SHA-256 {source.sha256}"
    if origin.said is not None and origin.said.line:
        yield f"        {plain(origin.said.line)}"
    verdict = _verdict(origin)
    if verdict:
        yield f"        {verdict}"


def _verdict(origin: Origin) -> str:
    derived = origin.told["method"] in ("measured", "derived")
    if origin.said is None:
        return "its rows cannot be shown, the value cannot be checked again"
    if origin.said.fault:
        return f"it cannot be read again: {plain(origin.said.fault)}"
    if origin.said.value is None:
        return "it does not give the value again" if derived else "it does not say the value any more"
    word = "derived again" if derived else "read again"
    return f"{word}: {said(origin.said.value)}, {'the same' if origin.agrees else 'NOT what the evidence says'}"


def _state(state: str, color: bool) -> str:
    codes = {UNCHANGED: "32", CHANGED: "31", GONE: "33"}
    return f"\x1b[{codes[state]}m{state}\x1b[0m" if color and state in codes else state


def _strong(text: str, color: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if color else text
