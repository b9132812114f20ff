"""bdx schema: list canonical tables and the forms bdx writes, or show one."""

from __future__ import annotations

import json
from typing import Any

import click

from bdx import spec
from bdx.cli import options

JSON_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "int32": {"type": "integer"},
    "int64": {"type": "integer"},
    "float64": {"type": "number"},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
    "local_timestamp": {"type": "string"},
    "decimal": {"type": ["string", "number"], "pattern": "^[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?$"},  # text, so that no digit is lost
    "strings": {"type": "array", "items": {"type": "string"}},
    "json": {"type": "string", "contentMediaType": "application/json"},
}


DOCUMENTS = {"findings": "bdx-findings", "gaps": "bdx-gaps"}
"""What bdx itself writes as JSON -> its schema."""


@click.command("schema", short_help="list canonical tables, or show one")
@click.argument("table", required=False, metavar="[TABLE|findings|gaps]")
@options.output("text", "json-schema", "markdown")
def command(table: str | None, form: str) -> None:
    """List the canonical tables, or show the columns of one; -O json-schema publishes it for partners.

    findings and gaps print the JSON Schema of what `validate` and `gaps` write with -O json.
    """
    if table is None:
        options.emit(
            "\n".join(f"{name:20} {len(spec.table(name).columns):4} columns  {spec.table(name).meaning}" for name in spec.tables())
        )
        for name, path in DOCUMENTS.items():
            options.emit(f"{name:20}    JSON Schema  {spec.schema(path)['description'].partition('. ')[0].rstrip('.')}.")
        return
    if table in DOCUMENTS:
        options.emit(json.dumps(spec.schema(DOCUMENTS[table]), ensure_ascii=False, indent=2))
        return
    facts = spec.table(table)
    if form == "json-schema":
        options.emit(json.dumps(json_schema(facts), ensure_ascii=False, indent=2))
        return
    rows = [(c.name, c.type, c.unit, c.meaning) for c in facts.columns]
    if form == "markdown":
        options.emit(
            "\n".join(["| column | type | unit | meaning |", "|---|---|---|---|", *("| " + " | ".join(row) + " |" for row in rows)])
        )
        return
    width = max(len(row[0]) for row in rows)
    lines = [f"{facts.name}: {facts.meaning}"]
    if facts.key:
        lines.append(f"key: {', '.join(facts.key)}")
    lines += ["", *(f"{name:{width}}  {kind:15}  {unit:13}  {meaning}" for name, kind, unit, meaning in rows)]
    options.emit("\n".join(lines))


def json_schema(facts: spec.TableSpec) -> dict[str, Any]:
    """Return a canonical table as JSON Schema (draft 2020-12) of one row as an object."""
    properties: dict[str, Any] = {}
    for column in facts.columns:
        shape = dict(JSON_TYPES[column.type])
        if column.enum:
            shape["enum"] = list(column.enum)
        if not column.required:
            # Rows are written with every column, null where nothing is known.
            shape["type"] = [*([shape["type"]] if isinstance(shape["type"], str) else shape["type"]), "null"]
            shape |= {"enum": [*column.enum, None]} if column.enum else {}
        shape |= {key: getattr(column, key) for key in ("pattern", "minimum", "maximum") if getattr(column, key) not in ("", None)}
        shape["description"] = column.meaning
        shape |= {f"x-{key}": getattr(column, key) for key in ("unit", "source", "tier", "term") if getattr(column, key)}
        properties[column.name] = shape
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": facts.name,
        "description": facts.meaning,
        "type": "object",
        "properties": properties,
        "required": [column.name for column in facts.columns if column.required],
    }
