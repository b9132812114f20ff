"""One file per output form of findings and gaps; machine forms are never coloured."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from bdx.errors import UsageError, did_you_mean
from bdx.pipeline.result import SourceSummary, ValidationResult

__all__ = ["REPORTS", "SourceSummary", "ValidationResult", "render"]

REPORTS: Mapping[str, str] = {"text": "bdx.report.text", "json": "bdx.report.json_", "github": "bdx.report.github"}
"""Name of a report on findings -> module with `render(result, *, color) -> str`."""


def render(name: str, result: ValidationResult, color: bool = False) -> str:
    """Return the report of that name as text that ends with a line break; `color` concerns the text form alone.

    Raises: UsageError for an unknown name, with the nearest known one.
    """
    if name not in REPORTS:
        raise UsageError(f"no report '{name}'{did_you_mean(name, REPORTS)}; known: {', '.join(REPORTS)}")
    return str(importlib.import_module(REPORTS[name]).render(result, color=color))
