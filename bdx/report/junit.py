"""Findings as JUnit XML: a suite per source, a case per rule that looked at it, so that dashboards show a rule's history.

The output keeps to what the schemas of Ant and of Jenkins both allow: the first wants every attribute and element in its
place, the second forbids what it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from bdx import __version__
from bdx.canon import SEVERITIES, Finding
from bdx.pipeline.reading import now
from bdx.pipeline.result import SourceSummary, ValidationResult
from bdx.report.run import Run
from bdx.report.words import name_of, plain, said, where

UNREAD = "F000"
_MOST = 200
"""Findings that one case lists."""


def render(result: ValidationResult, run: Run) -> str:
    """Return the XML. A case fails where its rule found something that fails the run, and is skipped where it found less.

    A source that could not be read is an error. Cases have the same name whether they pass or not.
    """
    read = {source.uri: source for source in result.sources}
    stamp = now().strftime("%Y-%m-%dT%H:%M:%S")
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for number, uri in enumerate(result.uris()):
        lines += _suite(number, uri, read.get(uri), result.of(uri), stamp, run)
    return "\n".join([*lines, "</testsuites>", ""])


def _suite(number: int, uri: str, source: SourceSummary | None, findings: list[Finding], stamp: str, run: Run) -> Iterator[str]:
    found: dict[str, list[Finding]] = {code: [] for code in (UNREAD, *(source.rules if source else ()))}
    for finding in findings:
        found.setdefault(finding.code, []).append(finding)
    outcomes = {code: _outcome(hits, run) for code, hits in sorted(found.items())}
    counts = {name: sum(outcome == name for outcome in outcomes.values()) for name in ("failure", "error", "skipped")}
    name = token(uri)
    yield (
        f'  <testsuite name={name} package={name} id="{number}" timestamp="{stamp}" hostname="localhost" time="0" '
        f'tests="{len(outcomes)}" failures="{counts["failure"]}" errors="{counts["error"]}" skipped="{counts["skipped"]}">'
    )
    yield "    <properties>"
    for key, value in _properties(source):
        yield f"      <property name={token(key)} value={attribute(value)}/>"
    yield "    </properties>"
    for code, outcome in outcomes.items():
        yield from _case(code, outcome, found[code], uri)
    yield "    <system-out/>"
    yield "    <system-err/>"
    yield "  </testsuite>"


def _outcome(hits: list[Finding], run: Run) -> str:
    if any(hit.code == UNREAD for hit in hits):
        return "error"
    return "" if not hits else "failure" if any(map(run.fails, hits)) else "skipped"


def _case(code: str, outcome: str, hits: list[Finding], uri: str) -> Iterator[str]:
    head = f'    <testcase name={token(f"{code} {name_of(code)}")} classname={token(_class(uri))} time="0"'
    if not hits:
        yield f"{head}/>"
        return
    worst = max(hits, key=lambda hit: SEVERITIES.index(hit.severity))
    more = f" (and {len(hits) - 1} more)" if len(hits) > 1 else ""
    yield f"{head}>"
    yield f'      <{outcome} type="{worst.severity}" message={attribute(said(worst) + more)}>{escape(_text(hits))}</{outcome}>'
    yield "    </testcase>"


def _text(hits: list[Finding]) -> str:
    """Return what a dashboard shows of a case: a line per finding, with its place."""
    lines = []
    for hit in hits[:_MOST]:
        place = "; ".join(part for part in (plain(f"{hit.table}.{hit.column}".strip(".")), where(hit)) if part)
        lines.append(f"{plain(hit.source)}: {hit.severity}: {said(hit)}{f' ({place})' if place else ''}")
    if len(hits) > _MOST:
        lines.append(f"and {len(hits) - _MOST:,} more")
    return "\n".join(lines)


def _properties(source: SourceSummary | None) -> Iterator[tuple[str, str]]:
    yield "bdx.version", __version__
    if source is not None:
        yield "bdx.format", source.format
        if source.sha256:
            yield "bdx.sha256", source.sha256
        for table, count in source.rows.items():
            yield f"bdx.rows.{table}", str(count)


def _class(uri: str) -> str:
    """Return a source as a class name, whose dots dashboards take for folders."""
    return uri.strip("./").replace(".", "_").replace("/", ".") or "stdin"


def token(text: str) -> str:
    """Return an attribute value of XML Schema's type token: never empty, blanks single."""
    return attribute(" ".join(text.split()) or "-")


def attribute(text: str) -> str:
    """Return a quoted attribute value."""
    return quoteattr(plain(text))
