"""Findings for people: a block per source, one line per rule and column, worst first, counts at the end."""

from __future__ import annotations

from collections.abc import Iterator

from bdx.canon import SEVERITIES, Finding
from bdx.pipeline.result import SourceSummary, ValidationResult
from bdx.report.run import Run
from bdx.report.words import name_of, plain, plural, said, tally, where

_COLORS = {"error": "31", "warning": "33", "info": "36"}
_ALIKE = 5
"""Lines of one rule in one source before the rest is folded into one."""


def render(result: ValidationResult, run: Run) -> str:
    """Return the report; coloured with ANSI codes where `run.color` says so."""
    lines: list[str] = []
    summaries = {source.uri: source for source in result.sources}
    for uri in result.uris():
        findings = result.of(uri)
        held = _held(summaries.get(uri))
        title = _paint(plain(uri), "1", run)
        if findings:
            lines.append(f"{title}{held}")
            lines += _block(findings, run)
        else:
            lines.append(f"{title}: nothing found{held}")
    known = f"; {plural(result.known, 'known finding')} left out" if result.known else ""
    lines.append(f"{tally(result.counts)} in {plural(len(result.uris()), 'source')}; {plural(result.checked, 'value')} checked{known}")
    if result.findings:
        lines.append(f"`bdx rules {_first_code(result)}` explains a code")
    return "\n".join(lines) + "\n"


def _block(findings: list[Finding], run: Run) -> Iterator[str]:
    """Yield the lines of one source; of a rule that fails in many columns the first few, unless nothing is to be folded."""
    alike: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        alike.setdefault((finding.severity, finding.code), []).append(finding)
    for (severity, code), group in alike.items():
        shown = group if run.full or len(group) <= _ALIKE + 1 else group[:_ALIKE]
        label = f"{_paint(f'{severity:7}', _COLORS[severity], run)} {code} {name_of(code)}"
        for finding in shown:
            place = where(finding)
            yield f"  {label}: {said(finding)}{f' ({place})' if place else ''}"
        if rest := group[len(shown) :]:
            count = sum(finding.count for finding in rest)
            yield f"  {label}: and {plural(len(rest), 'more place')}, {plural(count, 'fault')} in all (-O jsonl lists them)"


def _held(summary: SourceSummary | None) -> str:
    if summary is None:
        return ""
    rows = ", ".join(f"{table} {count:,}" for table, count in summary.rows.items())
    return plain(f" ({summary.format}{'; rows: ' + rows if rows else ''})")


def _first_code(result: ValidationResult) -> str:
    shown = [finding for uri in result.uris() for finding in result.of(uri)]
    return max(shown, key=lambda finding: SEVERITIES.index(finding.severity)).code


def _paint(text: str, code: str, run: Run) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if run.color else text
