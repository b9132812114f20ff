"""Findings for people: one line each, grouped by source, worst first, counts at the end."""

from __future__ import annotations

import re

from bdx.canon import SEVERITIES, Finding
from bdx.pipeline.result import SourceSummary, ValidationResult
from bdx.report.words import name_of, plural

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
    message = plain(finding.message.removeprefix(f"{finding.source}: "))
    return f"{source}: {finding.code} {name_of(finding.code)} {severity}: {message}{_where(finding)}"


def _where(finding: Finding) -> str:
    """Return how often and where, as in " (12 times, rows 3, 4, 5, 6, 7 ...)"."""
    parts = [plain(finding.locator)] if finding.locator and finding.locator not in finding.message else []
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


def _first_code(result: ValidationResult) -> str:
    shown = [finding for uri in result.uris() for finding in result.of(uri)]
    return max(shown, key=lambda finding: SEVERITIES.index(finding.severity)).code


def _paint(text: str, code: str, *, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color else text
