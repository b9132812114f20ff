"""Where a value came from, for machines: JSON of schema bdx-trace/1."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from bdx import spec
from bdx.pipeline.rows_again import Reference
from bdx.pipeline.value_trace import Origin, ValueTrace
from bdx.report.clean import clean


def render(trace: ValueTrace) -> str:
    """Return a trace as JSON."""
    document = {
        "schema": "bdx-trace/1",
        "passport": trace.passport,
        "model": trace.model,
        "battery": trace.battery,
        "table": trace.asked.table,
        "column": trace.asked.column,
        "pointer": trace.asked.pointer or None,
        "unit": trace.unit or None,
        "document": trace.document,
        "evidence": trace.evidence,
        "origins": [_origin(origin) for origin in trace.origins],
        "findings": [dataclasses.asdict(clean(found)) for found in trace.findings],
    }
    text = json.dumps(document, ensure_ascii=False, indent=2, default=str)
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def _origin(origin: Origin) -> dict[str, Any]:
    told = {key: value for key, value in origin.told.items() if key not in ("table", "key", "column")}
    again = None
    if origin.said is not None:
        again = {
            "value": origin.said.value,
            "by": origin.said.by or None,
            "agrees": origin.agrees,
            "line": origin.said.line or None,
            "fault": origin.said.fault or None,
            "rows": [_reference(item) for item in origin.said.rows],
        }
    return {
        "key": origin.key,
        "value": origin.value,
        "evidence": told,
        "definition": {"text": origin.definition, "source": origin.authority} if origin.definition else None,
        "source": dataclasses.asdict(origin.source) if origin.source is not None else None,
        "again": again,
    }


def _reference(item: Reference) -> dict[str, Any]:
    """Return rows that were found again: of a range the first and the last; names of persons are left out."""
    hidden = {name for name, column in spec.table(item.table).by_name.items() if column.personal}
    shown = [(number, {key: value for key, value in row.items() if value is not None and key not in hidden}) for number, row in item.rows]
    rows = [{"row": number, **row} for number, row in shown]
    return {"reference": item.text, "table": item.table, "found": item.met, "rows": rows}
