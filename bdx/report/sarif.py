"""Findings as SARIF 2.1.0, the form that code scanning services take: one run, its rules, results with lasting fingerprints."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from bdx import __version__, spec
from bdx.canon import Finding
from bdx.errors import BdxError, SourceError
from bdx.names import shortened
from bdx.pipeline.result import SourceSummary, ValidationResult, worst_first
from bdx.report.place import byte_of, column_of, line_of, path_of, pointer_of, prints
from bdx.report.run import Run
from bdx.report.words import name_of, plain, plural, said, where
from bdx.spec import RuleSpec

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
ROOT = "%SRCROOT%"

MOST_RESULTS = 25_000
"""Results that GitHub takes in one run; it refuses a file with more."""

_FAMILIES = {"F": "file", "M": "mapping", "S": "schema", "U": "units", "T": "time", "E": "electrical", "D": "document", "P": "production"}
_LONGEST = 1000
_PLACEHOLDER = re.compile(r"\{(?=\d+\})")
_ABSOLUTE = re.compile(r"^([A-Za-z]:)?/")


def render(result: ValidationResult, run: Run) -> str:
    """Return the log as indented JSON: the worst findings first, at most as many as code scanning takes."""
    ranked = worst_first(result.findings)
    codes = sorted({finding.code for finding in ranked})
    places = {code: place for place, code in enumerate(codes)}
    paths = {uri: place for place, uri in enumerate(dict.fromkeys(map(path_of, result.uris())))}
    shown = [_result(*item, places, paths) for item in prints(ranked[:MOST_RESULTS])]
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "bdx", "version": __version__, "rules": [_rule(code) for code in codes]}},
                "invocations": [_invocation(result, run, len(ranked) - len(shown))],
                "originalUriBaseIds": {ROOT: {"description": {"text": "The folder bdx was called in."}}},
                "artifacts": _artifacts(result, paths),
                "results": shown,
                "properties": {**result.counts, "sources": len(result.uris()), "checked": result.checked},
            }
        ],
    }
    return json.dumps(log, ensure_ascii=False, indent=2) + "\n"


def _rule(code: str) -> dict[str, Any]:
    """Return a rule as its descriptor; what it does, why it matters and where that is said stand in the help."""
    rule = spec.rules().get(code)
    if rule is None:
        return {"id": code}
    tags = ["battery-data", _FAMILIES.get(code[0], "data")]
    return {
        "id": code,
        "name": rule.name,
        "shortDescription": {"text": shortened(rule.name.replace("-", " "), _LONGEST)},
        "fullDescription": {"text": shortened(rule.what, _LONGEST)},
        "help": {"text": _help(rule), "markdown": _help(rule, bold="**")},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"tags": tags, "problem.severity": _problem(rule.severity), "since": rule.since},
    }


def _help(rule: RuleSpec, bold: str = "") -> str:
    parts = (("What", rule.what), ("Why", rule.why), ("Source", rule.source), ("More", f"bdx rules {rule.code}"))
    return "\n\n".join(f"{bold}{title}:{bold} {text}" for title, text in parts if text)


def _problem(severity: str) -> str:
    return "recommendation" if severity == "info" else severity


def _result(finding: Finding, print_: str, number: int, places: dict[str, int], paths: dict[str, int]) -> dict[str, Any]:
    place = where(finding)
    facts = {"count": finding.count, "value": finding.value, "table": finding.table, "column": finding.column, "row": finding.row}
    facts |= {"locator": finding.locator, "examples": finding.examples}
    return {
        "ruleId": finding.code,
        "ruleIndex": places[finding.code],
        "level": LEVELS[finding.severity],
        "message": {"text": message_text(f"{said(finding)} ({place})" if place else said(finding)) or name_of(finding.code)},
        "locations": [_location(finding, paths)],
        "partialFingerprints": {"bdxFinding/v1": f"{print_}:{number}", "primaryLocationLineHash": f"{print_}:{number}"},
        "occurrenceCount": finding.count,
        "properties": {key: value for key, value in facts.items() if value not in ("", None, [])},
    }


def message_text(text: str) -> str:
    """Return text in which nothing reads as a link or a placeholder of SARIF messages."""
    return _PLACEHOLDER.sub("{ ", text.replace("](", "] ("))


def _location(finding: Finding, paths: dict[str, int]) -> dict[str, Any]:
    """Return the one location of a result; line 1 stands for the file where no line is known, since code scanning wants a line."""
    region = {"startLine": line_of(finding) or 1}
    if (byte := byte_of(finding)) is not None:
        region["byteOffset"] = byte
    physical = {"artifactLocation": artifact(path_of(finding.source), paths), "region": region}
    logical: list[dict[str, Any]] = []
    if column := column_of(finding):
        logical.append({"name": plain(finding.column or finding.table), "fullyQualifiedName": plain(column), "kind": "member"})
    if finding.row is not None:
        logical.append({"fullyQualifiedName": plain(f"{finding.table or 'row'}[{finding.row}]"), "kind": "element"})
    if pointer := pointer_of(finding):
        logical.append({"fullyQualifiedName": plain(pointer), "kind": "value"})
    return {"physicalLocation": physical, **({"logicalLocations": logical} if logical else {})}


def artifact(path: str, paths: dict[str, int]) -> dict[str, Any]:
    """Return where a file is: below the working folder by a relative URI, elsewhere by an absolute one."""
    place = {"index": paths[path]} if path in paths else {}
    if "://" in path:
        return {"uri": quote(path, safe=":/?#[]@!$&'()*+,;=%~"), **place}
    uri = quote(path.encode("utf-8", "backslashreplace"), safe="/~@!$&'()*+,;=")
    if _ABSOLUTE.match(path):
        return {"uri": f"file://{'' if path.startswith('/') else '/'}{uri.replace('%3A', ':', 1)}", **place}
    return {"uri": uri, "uriBaseId": ROOT, **place}


def _artifacts(result: ValidationResult, paths: dict[str, int]) -> list[dict[str, Any]]:
    read = {path_of(source.uri): source for source in result.sources}
    return [_file(path, paths, read.get(path)) for path in paths]


def _file(path: str, paths: dict[str, int], source: SourceSummary | None) -> dict[str, Any]:
    found: dict[str, Any] = {"location": artifact(path, paths), "roles": ["analysisTarget"]}
    if source is None:
        return found
    if source.bytes is not None:
        found["length"] = source.bytes
    if source.sha256:
        found["hashes"] = {"sha-256": source.sha256}
    return {**found, "properties": {"format": source.format, "rows": dict(source.rows)}}


def _invocation(result: ValidationResult, run: Run, left_out: int) -> dict[str, Any]:
    notes = [_unread(error) for error in result.failures]
    if left_out:
        text = f"{plural(left_out, 'more finding')} left out: code scanning takes {MOST_RESULTS:,} in one run."
        notes.append({"level": "warning", "message": {"text": text}})
    code = {} if run.exit_code is None else {"exitCode": run.exit_code}
    return {"executionSuccessful": not result.failures, **code, "toolExecutionNotifications": notes}


def _unread(error: BdxError) -> dict[str, Any]:
    """Return the notification on a source that could not be read."""
    found: dict[str, Any] = {"level": "error", "message": {"text": plain(str(error))}}
    if isinstance(error, SourceError) and error.path:
        found["locations"] = [{"physicalLocation": {"artifactLocation": artifact(path_of(error.path), {})}}]
    return found
