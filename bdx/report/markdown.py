"""Findings as Markdown for the summary page of a CI job: counts per source, the worst findings, everything else folded."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from bdx import spec
from bdx.canon import Finding
from bdx.names import shortened
from bdx.pipeline.result import WORST_FIRST, SourceSummary, ValidationResult, worst_first
from bdx.report.place import column_of
from bdx.report.run import Run
from bdx.report.words import name_of, plain, plural, said, tally, where

_WORST = 10
_MOST = 1000
"""Rows of all details together: services take about a megabyte."""

_LONGEST = 400
_SPECIAL = re.compile(r"([\\`*_{}\[\]|~#!$])")


def render(result: ValidationResult, run: Run) -> str:
    """Return the summary; a job appends it to the file its CI names for that."""
    blocks = ["\n".join(_head(result, run))]
    if result.sources or result.findings:
        blocks.append("\n".join(_counts(result)))
    ranked = worst_first(result.findings)
    if ranked:
        blocks.append("\n".join(["### Worst first", "", *_table(ranked[:_WORST], source=True)]))
    room = _MOST
    for uri in result.uris():
        findings = result.of(uri)
        if findings:
            blocks.append("\n".join(_details(uri, findings, room)))
            room = max(0, room - len(findings))
    return "\n\n".join(blocks) + "\n"


def _head(result: ValidationResult, run: Run) -> Iterator[str]:
    failed = any(map(run.fails, result.findings))
    verdict = "not read" if result.failures else "failed" if failed else "passed"
    yield f"## bdx validate: {verdict}"
    yield ""
    known = f"; {plural(result.known, 'known finding')} left out" if result.known else ""
    yield f"{tally(result.counts)} in {plural(len(result.uris()), 'source')}; {plural(result.checked, 'value')} checked{known}."


def _counts(result: ValidationResult) -> Iterator[str]:
    read = {source.uri: source for source in result.sources}
    yield f"| source | {' | '.join(WORST_FIRST)} | holds |"
    yield f"|---|{'--:|' * len(WORST_FIRST)}---|"
    for uri in result.uris():
        found = [finding.severity for finding in result.of(uri)]
        counts = " | ".join(f"{found.count(severity):,}" for severity in WORST_FIRST)
        yield f"| {_text(uri)} | {counts} | {_held(read.get(uri))} |"


def _held(source: SourceSummary | None) -> str:
    if source is None:
        return "not read"
    return _text(", ".join([source.format, *(f"{count:,} {table}" for table, count in source.rows.items())]))


def _table(findings: list[Finding], *, source: bool) -> Iterator[str]:
    yield f"| severity | rule | {'source | ' if source else ''}column | what was found |"
    yield f"|---|---|{'---|' if source else ''}---|---|"
    for finding in findings:
        place = where(finding)
        cells = [finding.severity, f"{finding.code} {name_of(finding.code)}", *([finding.source] if source else []), column_of(finding)]
        cells.append(f"{said(finding)}{f' ({place})' if place else ''}")
        yield f"| {' | '.join(map(_text, cells))} |"


def _details(uri: str, findings: list[Finding], room: int) -> Iterator[str]:
    counts = {severity: sum(finding.severity == severity for finding in findings) for severity in WORST_FIRST}
    yield f"<details><summary>{html.escape(plain(uri))}: {tally(counts)}</summary>"
    yield ""
    shown = findings[:room]
    if shown:
        yield from _table(shown, source=False)
    if len(findings) > len(shown):
        yield ""
        yield f"and {plural(len(findings) - len(shown), 'more finding')}."
    yield ""
    for code in dict.fromkeys(finding.code for finding in shown):
        if rule := spec.rules().get(code):
            yield f"- **{code} {rule.name}**: {_text(rule.what)} {_text(rule.why)}"
    yield ""
    yield "</details>"


def _text(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML, no link, no end of the cell."""
    short = shortened(plain(text), _LONGEST)
    return _SPECIAL.sub(r"\\\1", html.escape(short, quote=False)).replace("://", ":&#47;&#47;")
