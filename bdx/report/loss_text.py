"""Losses between models as text, JSON, CSV and Markdown: one pair attribute by attribute, or the matrix of all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bdx.report.words import plural

_HEAD = ("attribute", "what becomes of it", "why", "meaning")


def pair(source: str, target: str, found: Any, form: str) -> str:
    """Return what `target` cannot carry of `source`; `found` is a Comparison."""
    rows = [(item.attribute, item.becomes, item.why, item.meaning) for item in found.lost]
    if form == "json":
        facts = {"from": source, "to": target, "attributes": found.attributes, "left_out": found.dropped}
        return json.dumps({**facts, "lost": [asdict(item) for item in found.lost]}, ensure_ascii=False, indent=2)
    if form == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows((_HEAD, *rows))
        return text.getvalue().rstrip("\n")
    if form == "markdown":
        return "\n".join(_markdown((_HEAD, *rows)))
    said = f"{plural(found.attributes, 'attribute')} of {source}: {target} leaves out {found.dropped:,}"
    if not rows:
        return f"{said}; nothing else is lost"
    widths = [max(len(row[place]) for row in (_HEAD, *rows)) for place in range(2)]
    lines = ["  ".join((row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2])) for row in (_HEAD, *rows)]
    return "\n".join([*lines, "", said])


def matrix(rows: Sequence[str], columns: Sequence[str], cells: Mapping[tuple[str, str], Any], form: str) -> str:
    """Return the attributes that the model of a column leaves out of the model of a row, with how many that has."""
    if form == "json":
        facts = [{"from": a, "to": b, "attributes": cells[a, b].attributes, "left_out": cells[a, b].dropped} for a in rows for b in columns]
        return json.dumps(facts, indent=2)
    table = [("from / to", "attributes", *columns)]
    for a in rows:
        counts = [str(cells[a, b].dropped) if a != b else "-" for b in columns]
        table.append((a, str(cells[a, columns[0]].attributes), *counts))
    if form == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(table)
        return text.getvalue().rstrip("\n")
    if form == "markdown":
        return "\n".join(_markdown(table))
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return "\n".join(_aligned(row, widths) for row in table)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(zip(row, widths, strict=True)))
    return "  ".join(cells)


def _markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0]), *("| " + " | ".join(row) + " |" for row in rows[1:])]
