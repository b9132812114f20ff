"""bdx profiles: list requirement profiles, show one, or check a profile of one's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from bdx import spec
from bdx.cli import options
from bdx.errors import UsageError

if TYPE_CHECKING:
    from bdx.gaps import Profile, Requirement


@click.command("profiles", short_help="list requirement profiles, show or check one", options_metavar="[OPTIONS]")
@click.argument("words", nargs=-1, metavar="[NAME | check FILE]")
@options.output("text", "json", "markdown")
def command(words: tuple[str, ...], form: str) -> None:
    """List the requirement profiles `bdx gaps` knows, show the requirements of one, or check a profile file of your own.

    \b
      bdx profiles
      bdx profiles ec-guidance
      bdx profiles check ours.toml
    """
    from bdx.gaps import load
    from bdx.gaps.loading import is_file

    if words and words[0] == "check" and len(words) == 2:
        profile = load(words[1] if is_file(words[1]) else f"./{words[1]}")
        own = f", extends {profile.extends}" if profile.extends else ""
        options.emit(f"{words[1]}: profile {profile.id} is sound: {len(profile.requirements)} requirements on table {profile.table}{own}")
        return
    if words == ("check",):
        raise UsageError("expected a file to check: bdx profiles check FILE")
    if len(words) > 1:
        raise UsageError(f"expected one profile or `check FILE`, found {' '.join(words)}")
    if words:
        _show(load(words[0]), form)
        return
    profiles = [load(name) for name in spec.names("profiles")]
    if form == "json":
        options.emit(json.dumps([{"id": p.id, "title": p.title, "requirements": len(p.requirements)} for p in profiles], indent=2))
    elif form == "markdown":
        rows = (f"| {p.id} | {len(p.requirements)} | {p.title} |" for p in profiles)
        options.emit("\n".join(["| profile | requirements | what it holds |", "|---|---|---|", *rows]))
    else:
        width = max(len(p.id) for p in profiles)
        options.emit("\n".join(f"{p.id:{width}} {len(p.requirements):4} requirements  {p.title}" for p in profiles))


def _show(profile: Profile, form: str) -> None:
    if form == "json":
        head = {name: getattr(profile, name) for name in ("id", "title", "version", "source", "licence", "table", "note", "extends")}
        categories = {"categories": list(profile.categories), "requirements": [_plain(row) for row in profile.requirements]}
        options.emit(json.dumps({**head, **categories}, ensure_ascii=False, indent=2))
        return
    if form == "markdown":
        lines = [
            f"# {profile.title}",
            "",
            f"Source: {profile.source}",
            "",
            "| id | what | columns | basis | from | status |",
            "|---|---|---|---|---|---|",
        ]
        cells = ((row.id, row.name, ", ".join(row.columns), row.basis, str(row.due or ""), _status(row)) for row in profile.requirements)
        lines += ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in cells]
    else:
        lines = [f"{profile.id}: {profile.title}", f"source: {profile.source}", ""]
        for row in profile.requirements:
            lines.append(f"{row.id:8} {row.name}\n         {', '.join(row.columns)}\n         {row.basis}; {_status(row)}")
            if not row.verified:
                lines[-1] += "; not verified"
    options.emit("\n".join(lines))


def _status(row: Requirement) -> str:
    words = dict(row.strength)
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return ", ".join(f"{category} {strength}" for category, strength in words.items() if strength != "not_filled" or len(words) <= 4)


def _plain(row: Requirement) -> dict[str, Any]:
    return {
        **{
            name: getattr(row, name)
            for name in ("id", "name", "section", "any", "basis", "tier", "level", "condition", "action", "note", "verified")
        },
        "columns": list(row.columns),
        "supplier": list(row.supplier),
        "status": dict(row.strength),
        "when": [" | ".join(map(str, ways)) for ways in row.when],
        "from": {name: day.isoformat() for name, day in row.due_by.items()} or (row.due.isoformat() if row.due else None),
    }
