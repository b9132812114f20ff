"""Findings as workflow commands, which GitHub shows as annotations beside the change; worst first, since it shows ten of a kind."""

from __future__ import annotations

from bdx.canon import Finding
from bdx.pipeline.result import ValidationResult, worst_first
from bdx.report.place import STDIN, line_of
from bdx.report.run import Run
from bdx.report.words import name_of, plain, plural

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def render(result: ValidationResult, run: Run) -> str:
    """Return one command per finding and a plain line with the counts, which the log shows."""
    lines = [_command(finding) for finding in worst_first(result.findings)]
    counts = ", ".join(f"{count:,} {severity}" for severity, count in result.counts.items())
    lines.append(f"bdx: {counts} in {plural(len(result.uris()), 'source')}")
    return "\n".join(lines) + "\n"


def _command(finding: Finding) -> str:
    properties = [f"title={_property(f'{finding.code} {name_of(finding.code)}')}"]
    if finding.source not in STDIN:
        properties.append(f"file={_property(finding.source)}")
    line = line_of(finding)
    if line:
        properties.append(f"line={line}")
    times = f" ({finding.count:,} times)" if finding.count > 1 else ""
    return f"::{_COMMANDS[finding.severity]} {','.join(properties)}::{_data(finding.message + times)}"


def _data(text: str) -> str:
    """Return text with the characters escaped that would end a command or steer the terminal of its log."""
    lines = [plain(line) for line in text.replace("\r\n", "\n").split("\n")]
    return "%0A".join(line.replace("%", "%25") for line in lines)


def _property(text: str) -> str:
    """Return text with the characters escaped that would end a property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
