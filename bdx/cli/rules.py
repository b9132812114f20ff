"""bdx rules: list rules, or explain one."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click

from bdx import spec
from bdx.cli import options
from bdx.errors import UsageError, did_you_mean


@click.command("rules", short_help="list rules, or explain one")
@click.argument("code", required=False)
@options.output("text", "json", "markdown")
def command(code: str | None, form: str) -> None:
    """List the rules, or explain the one with CODE: what it finds, why it matters, an example, its source."""
    known = spec.rules()
    if code is None:
        _list(list(known.values()), form)
        return
    rule = known.get(code.upper()) or next((item for item in known.values() if item.name == code.lower()), None)
    if rule is None:
        names = [*known, *(item.name for item in known.values())]
        raise UsageError(f"no rule '{code}'{did_you_mean(code.upper(), known) or did_you_mean(code, names)}; `bdx rules` lists all")
    options.emit(json.dumps(_facts(rule), ensure_ascii=False, indent=2) if form == "json" else _explain(rule, markdown=form == "markdown"))


def _facts(rule: spec.RuleSpec) -> dict[str, Any]:
    facts = {field.name: getattr(rule, field.name) for field in dataclasses.fields(rule)}
    facts["args"] = {key: list(value) if isinstance(value, tuple) else value for key, value in rule.args.items()}
    return facts


def _explain(rule: spec.RuleSpec, *, markdown: bool) -> str:
    title = f"{rule.code} {rule.name}"
    where = ".".join(part for part in (rule.table, rule.column) if part)
    lines = [
        f"# {title}" if markdown else title,
        "",
        f"{rule.severity}, since {rule.since}, {rule.status}" + (f"; looks at {where}" if where else ""),
    ]
    lines += ["", "What it finds", f"  {rule.what}", "", "Why it matters", f"  {rule.why}", "", "It says", f"  {rule.message}"]
    lines += ["", "Source", f"  {rule.source}"]
    return "\n".join(lines)


def _list(rules: list[spec.RuleSpec], form: str) -> None:
    if form == "json":
        options.emit(json.dumps([_facts(rule) for rule in rules], ensure_ascii=False, indent=2))
    elif form == "markdown":
        rows = [f"| {rule.code} | {rule.name} | {rule.severity} | {rule.what} |" for rule in rules]
        options.emit("\n".join(["| code | fault | severity | what it finds |", "|---|---|---|---|", *rows]))
    else:
        options.emit("\n".join(f"{rule.code}  {rule.severity:8} {rule.name}" for rule in rules))
