"""bdx formats: list formats, or show one."""

from __future__ import annotations

import json

import click

from bdx import formats, spec
from bdx.cli import options


@click.command("formats", short_help="list formats, or show one")
@click.argument("name", required=False)
@options.output("text", "json", "markdown")
def command(name: str | None, form: str) -> None:
    """List the formats bdx reads and writes, or show one of them."""
    if name:
        item = formats.resolve(name)
        facts = {key: value for key, value in _row(item).items() if value not in ("", [], None)}
        options.emit(
            json.dumps(facts, ensure_ascii=False, indent=2) if form == "json" else "\n".join(f"{k:12} {_show(v)}" for k, v in facts.items())
        )
        return
    rows = [_row(item) for item in spec.formats()]
    if form == "json":
        options.emit(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    options.emit(_table(rows, markdown=form == "markdown"))


def _row(item: spec.FormatSpec) -> dict[str, object]:
    return {
        "id": item.id,
        "version": item.version,
        "versions": list(item.versions),
        "title": item.title,
        "world": item.world,
        "reads": item.reads,
        "writes": item.writes,
        "extensions": list(item.extensions),
        "engine": item.engine,
        "source": item.source,
    }


def _table(rows: list[dict[str, object]], *, markdown: bool) -> str:
    head = ("format", "world", "read", "write", "title")
    cells = [
        (
            f"{row['id']}@{row['version']}" if row["version"] else str(row["id"]),
            str(row["world"]),
            "yes" if row["reads"] else "-",
            "yes" if row["writes"] else "-",
            str(row["title"]),
        )
        for row in rows
    ]
    if markdown:
        return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(cell) + " |" for cell in cells)])
    widths = [max(len(row[i]) for row in (head, *cells)) for i in range(len(head) - 1)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False)) + "  " + row[-1] for row in (head, *cells)]
    return "\n".join(lines)


def _show(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
