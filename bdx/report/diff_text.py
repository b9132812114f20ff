"""What `bdx diff` prints: one line per difference, in canonical terms."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from bdx.names import shortened
from bdx.pipeline.comparing import DiffResult


def render(result: DiffResult) -> str:
    """Return the differences as text, grouped by table; the last line counts them."""
    lines = [f"--- {result.left}", f"+++ {result.right}"]
    table = ""
    for item in result.differences:
        if item.table != table:
            table = item.table
            lines.append(f"{table}")
        place = f"{item.key} " if item.key else ""
        times = f"  ({item.count:,} rows)" if item.count > 1 else ""
        lines.append(f"  {place}{item.column}: {_text(item.left)} -> {_text(item.right)}{times}")
    count = len(result.differences)
    lines.append(f"{count} difference{'s' if count != 1 else ''}, {result.compared:,} values compared")
    return "\n".join(lines) + "\n"


def render_json(result: DiffResult) -> str:
    """Return the differences as JSON, schema bdx-diff/1."""
    document = {"schema": "bdx-diff/1", **dataclasses.asdict(result)}
    return json.dumps(document, ensure_ascii=False, indent=2, default=str)


def _text(value: Any) -> str:
    return "(none)" if value is None else shortened(str(value), 100)
