"""Findings for pipes: one JSON object a line as soon as it is known, and a last line that says the report is whole."""

from __future__ import annotations

import json
from typing import Any

from bdx.canon import Finding
from bdx.pipeline.result import ValidationResult
from bdx.report.clean import clean, writable
from bdx.report.json_ import SCHEMA, as_object, rest
from bdx.report.run import Run


def render(result: ValidationResult, run: Run) -> str:
    """Return the report: by source in the order read, worst first within it, then the line of the summary."""
    lines = [line(finding) for uri in result.uris() for finding in result.of(uri)]
    return "".join([*lines, last(result)])


def line(finding: Finding) -> str:
    """Return the line of one finding; a run that streams writes these as each source ends."""
    return _dumps(as_object(clean(finding)))


def last(result: ValidationResult) -> str:
    """Return the last line: schema, losses, sources and summary. Where it is missing, the report was cut."""
    return _dumps({"schema": SCHEMA, **rest(writable(result))})


_ENDS = {number: f"\\u{number:04x}" for number in (0x85, 0x2028, 0x2029)}
"""Ends of lines that JSON takes as they are; readers that go line by line stop at them."""


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ENDS) + "\n"
