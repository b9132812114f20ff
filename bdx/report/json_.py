"""Findings for programs: one JSON object of schema bdx-findings/1, stable keys, the same bytes for the same input."""

from __future__ import annotations

import json
from typing import Any

from bdx.canon import Finding
from bdx.pipeline.result import ValidationResult, worst_first
from bdx.report.run import Run
from bdx.report.words import name_of

SCHEMA = "bdx-findings/1"


def render(result: ValidationResult, run: Run) -> str:
    """Return the report as indented JSON; specs/schemas/bdx-findings.json describes it. Run time is left out on purpose."""
    value = {"schema": SCHEMA, "findings": [as_object(finding) for finding in worst_first(result.findings)], **rest(result)}
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def rest(result: ValidationResult) -> dict[str, Any]:
    """Return what a machine form says beside the findings: losses, sources and summary."""
    return {
        "losses": [{"source": loss.source, "what": loss.what, "why": loss.why, "count": loss.count} for loss in result.losses],
        "sources": [
            {
                "uri": source.uri,
                "format": source.format,
                "rows": dict(source.rows),
                "rules": list(source.rules),
                "sha256": source.sha256,
                "bytes": source.bytes,
            }
            for source in result.sources
        ],
        "summary": {
            **result.counts,
            "sources": len(result.uris()),
            "failed": len(result.failures),
            "checked": result.checked,
            "known": result.known,
        },
    }


def as_object(finding: Finding) -> dict[str, Any]:
    """Return one finding as the JSON object that every machine form shares."""
    return {
        "code": finding.code,
        "name": name_of(finding.code),
        "severity": finding.severity,
        "source": finding.source,
        "table": finding.table,
        "column": finding.column,
        "row": finding.row,
        "locator": finding.locator,
        "count": finding.count,
        "value": finding.value,
        "message": finding.message,
        "examples": finding.examples,
    }
