"""Findings as a GitLab code quality report: one object each, tracked from run to run by its fingerprint."""

from __future__ import annotations

import json
from typing import Any

from bdx.canon import Finding
from bdx.pipeline.result import ValidationResult, worst_first
from bdx.report.place import line_of, path_of, prints
from bdx.report.run import Run
from bdx.report.words import name_of, said, where

SEVERITY = {"error": "critical", "warning": "major", "info": "info"}
"""Ours -> GitLab's scale of info, minor, major, critical, blocker."""


def render(result: ValidationResult, run: Run) -> str:
    """Return the report as a JSON array, worst first; no two entries share a fingerprint."""
    found = [_entry(*item) for item in prints(worst_first(result.findings))]
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def _entry(finding: Finding, print_: str, number: int) -> dict[str, Any]:
    place = where(finding)
    return {
        "type": "issue",
        "check_name": f"{finding.code} {name_of(finding.code)}".strip(),
        "description": f"{said(finding)} ({place})" if place else said(finding),
        "categories": ["Bug Risk"],
        "severity": SEVERITY[finding.severity],
        "fingerprint": print_ if number == 1 else f"{print_}-{number}",
        "location": {"path": path_of(finding.source), "lines": {"begin": line_of(finding) or 1}},
    }
