"""What `bdx rules` prints: a line per rule, or one rule with its reasons, an example that fails and one that passes."""

from __future__ import annotations

import dataclasses
import html
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from bdx.names import shortened
from bdx.report.words import plain
from bdx.rules.examples import Example, examples
from bdx.spec import RuleSpec

_ROWS = 10
_LONGEST = 48
_SPECIAL = re.compile(r"([\\`*_{}\[\]|<>])")

Shown = list[tuple[int, dict[str, Any]]]
"""Row numbers and cells of a table; not of all its rows."""


def listed(rules: Iterable[RuleSpec], form: str) -> str:
    """Return every rule on a line of its own, as text, as a Markdown table or as a JSON array of its facts."""
    if form == "json":
        return json.dumps([facts(rule) for rule in rules], ensure_ascii=False, indent=2) + "\n"
    if form == "markdown":
        rows = [f"| {rule.code} | {rule.name} | {rule.severity} | {_markdown(rule.what)} |" for rule in rules]
        return "\n".join(["| code | fault | severity | what it finds |", "|---|---|---|---|", *rows, ""])
    return "".join(f"{rule.code}  {rule.severity:8} {rule.name}{_status(rule)}\n" for rule in rules)


def explained(rule: RuleSpec, form: str) -> str:
    """Return what one rule finds and why, with examples, as text, Markdown or JSON."""
    cases = examples(rule.code)
    if form == "json":
        return json.dumps({**facts(rule), "examples": [_object(case) for case in cases]}, ensure_ascii=False, indent=2) + "\n"
    sections = _as_markdown(rule, cases) if form == "markdown" else _as_text(rule, cases)
    return "\n\n".join(sections) + "\n"


def facts(rule: RuleSpec) -> dict[str, Any]:
    """Return the row of data a rule is made of."""
    found = {field.name: getattr(rule, field.name) for field in dataclasses.fields(rule)}
    return {**found, "args": {key: _plain(value) for key, value in rule.args.items()}}


def _object(case: Example) -> dict[str, Any]:
    found = {"message": case.message, "column": case.column, "rows": list(case.rows)} if case.fails else {}
    return {"fails": case.fails, "why": case.why, "tables": {name: _records(shown) for name, _, shown in _tables(case)}, **found}


def _records(shown: Shown) -> list[dict[str, Any]]:
    return [{"row": row, **{key: _plain(value) for key, value in cells.items()}} for row, cells in shown]


def _status(rule: RuleSpec) -> str:
    return "" if rule.status == "active" else f" ({rule.status})"


def _head(rule: RuleSpec) -> str:
    where = ".".join(part for part in (rule.table, rule.column) if part)
    return f"{rule.severity}, since {rule.since}, {rule.status}" + (f"; looks at {where}" if where else "")


def _thresholds(rule: RuleSpec) -> str:
    """Return the numbers of a rule that a project may set."""
    return ", ".join(f"{key} = {value:g}" for key, value in rule.args.items() if isinstance(value, int | float) and value is not True)


def _as_text(rule: RuleSpec, cases: Sequence[Example]) -> Iterator[str]:
    yield f"{rule.code} {rule.name}"
    yield _head(rule)
    yield f"What it finds\n  {rule.what}"
    yield f"Why it matters\n  {rule.why}"
    for case in _chosen(cases):
        lines = [f"{'Fails' if case.fails else 'Passes'}: {case.why}"]
        for name, total, shown in _tables(case):
            lines += [f"  {name}", *(f"    {line}".rstrip() for line in _columns(shown)), *_more(total, shown)]
        yield "\n".join([*lines, *([f"  says: {plain(case.message)}"] if case.fails else [])])
    if not cases:
        yield f"It says\n  {rule.message}"
    if _thresholds(rule):
        yield f"Thresholds ([args.{rule.code}] in bdx.toml)\n  {_thresholds(rule)}"
    yield f"Source\n  {rule.source}"


def _as_markdown(rule: RuleSpec, cases: Sequence[Example]) -> Iterator[str]:
    yield f"# {rule.code} {rule.name}"
    yield _markdown(_head(rule))
    yield f"## What it finds\n\n{_markdown(rule.what)}"
    yield f"## Why it matters\n\n{_markdown(rule.why)}"
    for case in _chosen(cases):
        yield f"## {'Fails' if case.fails else 'Passes'}: {_markdown(case.why)}"
        yield from (_table(*table) for table in _tables(case))
        if case.fails:
            yield f"> {_markdown(plain(case.message))}"
    if not cases:
        yield f"## It says\n\n> {_markdown(rule.message)}"
    if _thresholds(rule):
        yield f"## Thresholds\n\n`[args.{rule.code}]` in `bdx.toml`: {_markdown(_thresholds(rule))}"
    yield f"## Source\n\n{_markdown(rule.source)}"


def _table(name: str, total: int, shown: Shown) -> str:
    """Return a table as Markdown, its name above it."""
    heads = ["row", *(shown[0][1] if shown else ())]
    rows = [heads, *([str(row), *map(_cell, cells.values())] for row, cells in shown)]
    first, *rest = [f"| {' | '.join(map(_markdown, line))} |" for line in rows]
    return "\n".join([f"`{name}`", "", first, f"|{'--:|' * len(heads)}", *rest, *(f"\n{line.strip()}" for line in _more(total, shown))])


def _chosen(cases: Sequence[Example]) -> list[Example]:
    """Return one example that fails and one that passes: the first that can be shown whole, else the shortest."""
    found = []
    for fails in (True, False):
        alike = sorted((case for case in cases if case.fails is fails), key=lambda case: max(_ROWS, _length(case)))
        found += alike[:1]
    return found


def _length(case: Example) -> int:
    return sum(batch.num_rows for batch in case.tables.values())


def _tables(case: Example) -> Iterator[tuple[str, int, Shown]]:
    """Yield name, number of rows and the rows to show of each table: the first, or those around what was found."""
    for name, batch in case.tables.items():
        wanted = range(min(batch.num_rows, _ROWS))
        if batch.num_rows > _ROWS and any(row < batch.num_rows for row in case.rows):
            near = sorted({row + step for row in case.rows for step in (-2, -1, 0, 1)} & set(range(batch.num_rows)))
            wanted = near[:_ROWS]  # type: ignore[assignment]
        yield name, batch.num_rows, [(row, batch.slice(row, 1).to_pylist()[0]) for row in wanted]


def _columns(shown: Shown) -> Iterator[str]:
    """Yield the lines of a table, every column as wide as its widest cell."""
    rows = [["row", *(shown[0][1] if shown else ())], *([str(row), *map(_cell, cells.values())] for row, cells in shown)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for line in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))


def _more(total: int, shown: Shown) -> list[str]:
    return [f"    of {total:,} rows"] if total > len(shown) else []


def _cell(value: Any) -> str:
    return "-" if value is None else shortened(plain(f"{value:.10g}" if isinstance(value, float) else str(_plain(value))), _LONGEST)


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it; numbers it has no sign for, dates and decimals as text."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)


def _markdown(text: str) -> str:
    return html.escape(_SPECIAL.sub(r"\\\1", text), quote=False)
