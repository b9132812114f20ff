"""Findings for people: one line each, grouped by source, worst first, counts at the end."""

from __future__ import annotations

import re

from bdx.canon import Finding, Loss
from bdx.pipeline.result import SourceSummary, ValidationResult
from bdx.report.words import name_of, plural

LOSSES_SHOWN = 5
_COLORS = {"error": "31", "warning": "33", "info": "36"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def render(result: ValidationResult, *, color: bool = False) -> str:
    """Return the report; coloured with ANSI codes where `color` says so."""
    lines: list[str] = []
    summaries = {source.uri: source for source in result.sources}
    for uri in result.uris():
        findings = result.of(uri)
        lines += [_line(finding, color=color) for finding in findings]
        if not findings:
            lines.append(f"{_paint(plain(uri), '1', color=color)}: nothing found{_held(summaries.get(uri))}")
        lines += _losses(uri, [loss for loss in result.losses if loss.source == uri])
    counts = ", ".join(plural(count, severity) if severity != "info" else f"{count:,} info" for severity, count in result.counts.items())
    lines.append(f"{counts} in {plural(len(result.uris()), 'source')}; {plural(result.checked, 'value')} checked")
    if result.findings:
        lines.append(f"`bdx rules {_first_code(result)}` explains a code")
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Return text on one line whose control characters are visible, so data cannot write to the terminal."""
    flat = text.replace("\n", "\\n").replace("\t", "\\t")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", flat)


def _line(finding: Finding, *, color: bool) -> str:
    source = _paint(plain(finding.source), "1", color=color)
    severity = _paint(finding.severity, _COLORS[finding.severity], color=color)
    return f"{source}: {finding.code} {name_of(finding.code)} {severity}: {plain(finding.message)}{_where(finding)}"


def _where(finding: Finding) -> str:
    """Return how often and where, as in " (12 times, rows 3, 4, 5, 6, 7 ...)"."""
    parts = [plain(finding.locator)] if finding.locator else []
    if finding.count > 1:
        rows = ", ".join(str(row) for row in finding.examples)
        more = " ..." if finding.count > len(finding.examples) else ""
        parts.append(f"{finding.count:,} times" + (f", rows {rows}{more}" if rows else ""))
    return f" ({'; '.join(parts)})" if parts else ""


def _held(summary: SourceSummary | None) -> str:
    if summary is None:
        return ""
    rows = ", ".join(f"{table} {count:,}" for table, count in summary.rows.items())
    return f" ({summary.format}{'; rows: ' + rows if rows else ''})"


def _losses(uri: str, losses: list[Loss]) -> list[str]:
    lines = [f"{plain(uri)}: not carried: {plain(loss.what)}: {plain(loss.why)}" + _times(loss.count) for loss in losses[:LOSSES_SHOWN]]
    if len(losses) > LOSSES_SHOWN:
        lines.append(f"{plain(uri)}: not carried: {len(losses) - LOSSES_SHOWN} more kinds")
    return lines


def _times(count: int) -> str:
    return f" ({count:,} times)" if count > 1 else ""


def _first_code(result: ValidationResult) -> str:
    return next(finding.code for uri in result.uris() for finding in result.of(uri))


def _paint(text: str, code: str, *, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color else text
