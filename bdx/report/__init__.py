"""One file per output form of findings and gaps; machine forms are never coloured."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from bdx.errors import UsageError, did_you_mean
from bdx.pipeline.result import SourceSummary, ValidationResult
from bdx.pipeline.stretches import Stretch
from bdx.report.clean import writable
from bdx.report.run import Run

__all__ = ["REPORTS", "SUFFIXES", "Run", "SourceSummary", "Stretch", "ValidationResult", "destination", "render"]

REPORTS: Mapping[str, str] = {
    "text": "bdx.report.text",
    "json": "bdx.report.json_",
    "jsonl": "bdx.report.jsonl",
    "junit": "bdx.report.junit",
    "sarif": "bdx.report.sarif",
    "github": "bdx.report.github",
    "gitlab": "bdx.report.gitlab",
    "markdown": "bdx.report.markdown",
    "html": "bdx.report.html_",
}
"""Name of a report on findings -> module with `render(result, run) -> str`."""

SUFFIXES: Mapping[str, str] = {
    ".sarif": "sarif",
    ".sarif.json": "sarif",
    ".xml": "junit",
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".txt": "text",
}
"""End of a file name -> report; the longest end that fits counts."""

_GITLAB = "gl-code-quality"


def render(
    name: str,
    result: ValidationResult,
    color: bool = False,
    *,
    full: bool = False,
    fail_on: str = "error",
    exit_code: int | None = None,
    stretches: Sequence[Stretch] = (),
) -> str:
    """Return the report of that name as text that ends with a line break; `Run` says what the options mean.

    Raises: UsageError for an unknown name, with the nearest known one.
    """
    if name not in REPORTS:
        raise UsageError(f"no report '{name}'{did_you_mean(name, REPORTS)}; known: {', '.join(REPORTS)}")
    run = Run(color, full, fail_on, exit_code, stretches)
    return str(importlib.import_module(REPORTS[name]).render(writable(result), run))


def destination(word: str) -> tuple[str, str]:
    """Return (report, path) of FILE, whose name tells the report, or of FORM=FILE.

    Raises: UsageError where the name tells none, the form is unknown, or FILE is standard output.
    """
    form, sign, path = word.partition("=")
    if sign and form in REPORTS:
        if path in ("", "-"):
            raise UsageError(f"--output {word} names no file; the report on standard output is chosen with -O")
        return form, path
    if sign and form.isalpha():
        raise UsageError(f"no report '{form}'{did_you_mean(form, REPORTS)}; known: {', '.join(REPORTS)} (a file of that name: ./{word})")
    if word in ("", "-"):
        raise UsageError("--output needs a file; the report on standard output is chosen with -O")
    name = PurePath(word).name.lower()
    if name.startswith(_GITLAB) and name.endswith(".json"):
        return "gitlab", word
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return SUFFIXES[suffix], word
    raise UsageError(f"the name of '{word}' tells no report; give FORM={word} with one of {', '.join(REPORTS)}")
