"""bdx profiles: list requirement profiles, or show one."""

from __future__ import annotations

import json

import click

from bdx import spec
from bdx.cli import options


@click.command("profiles", short_help="list requirement profiles, or show one")
@click.argument("name", required=False)
@options.output("text", "json", "markdown")
def command(name: str | None, form: str) -> None:
    """List the requirement profiles `bdx gaps` knows, or show the requirements of one."""
    if name:
        facts = spec.facts("profiles", name)
        if form == "json":
            options.emit(json.dumps(facts, ensure_ascii=False, indent=2, default=_plain))
            return
        lines = [f"{facts['id']}: {facts['title']}", f"source: {facts['source']}", ""]
        for row in facts["requirement"]:
            status = ", ".join(f"{category} {strength}" for category, strength in row["status"].items())
            lines.append(f"{row['id']:8} {row['name']}\n         {', '.join(row['columns'])}\n         {row['basis']}; {status}")
        options.emit("\n".join(lines))
        return
    rows = [spec.facts("profiles", item) for item in spec.names("profiles")]
    if form == "json":
        options.emit(json.dumps([{"id": r["id"], "title": r["title"], "requirements": len(r["requirement"])} for r in rows], indent=2))
    elif form == "markdown":
        options.emit(
            "\n".join(
                [
                    "| profile | requirements | what it holds |",
                    "|---|---|---|",
                    *(f"| {r['id']} | {len(r['requirement'])} | {r['title']} |" for r in rows),
                ]
            )
        )
    else:
        options.emit("\n".join(f"{r['id']:14} {len(r['requirement']):4} requirements  {r['title']}" for r in rows))


def _plain(value: object) -> object:
    return dict(value) if hasattr(value, "keys") else str(value)  # type: ignore[call-overload]
