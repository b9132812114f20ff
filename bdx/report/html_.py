"""Findings as one HTML page for people: by source and severity, each rule with its reasons, curves beside what they show.

The page holds everything it needs and fetches nothing; its own policy forbids it to.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from html import escape

from bdx import __version__, spec
from bdx.canon import Finding
from bdx.pipeline.result import WORST_FIRST, SourceSummary, ValidationResult
from bdx.pipeline.stretches import Stretch
from bdx.report.page import POLICY, STYLE
from bdx.report.place import STDIN, column_of
from bdx.report.plot import svg
from bdx.report.run import Run
from bdx.report.words import name_of, plain, plural, said, tally, where

_MOST = 200
"""Findings of one rule in one source that are listed."""

_TITLES = {"error": "Errors", "warning": "Warnings", "info": "Remarks"}


def render(result: ValidationResult, run: Run) -> str:
    """Return the page; it has a plot for every stretch of `run.stretches`."""
    plots = {id(result.findings[stretch.finding]): (stretch, number) for number, stretch in enumerate(run.stretches)}
    verdict = "Not all was read" if result.failures else "Failed" if any(map(run.fails, result.findings)) else "Passed"
    lines = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">',
        f"<title>bdx validate: {verdict.lower()}, {tally(result.counts)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        f"<header>\n<h1>bdx validate: {verdict.lower()}</h1>",
        f"<p>{tally(result.counts)} in {plural(len(result.uris()), 'source')}; {plural(result.checked, 'value')} checked.</p>\n</header>",
        "<main>",
        *_overview(result),
    ]
    read = {source.uri: source for source in result.sources}
    for number, uri in enumerate(result.uris()):
        lines += _section(number, uri, read.get(uri), result.of(uri), plots)
    lines += _losses(result)
    known = f" {plural(result.known, 'known finding')} left out." if result.known else ""
    lines.append(
        f"</main>\n<footer><p>bdx {__version__}.{known} <code>bdx rules CODE</code> explains a rule.</p></footer>\n</body>\n</html>\n"
    )
    return "\n".join(lines)


def _overview(result: ValidationResult) -> Iterator[str]:
    heads = "".join(f'<th scope="col" class="count">{severity}</th>' for severity in WORST_FIRST)
    yield f'<table>\n<caption>Findings by source</caption>\n<thead><tr><th scope="col">source</th>{heads}</tr></thead>\n<tbody>'
    for number, uri in enumerate(result.uris()):
        found = [finding.severity for finding in result.of(uri)]
        cells = "".join(f'<td class="count">{found.count(severity):,}</td>' for severity in WORST_FIRST)
        yield f'<tr><th scope="row"><a href="#s{number}">{_safe(uri)}</a></th>{cells}</tr>'
    yield "</tbody>\n</table>"


def _section(
    number: int, uri: str, source: SourceSummary | None, findings: list[Finding], plots: dict[int, tuple[Stretch, int]]
) -> Iterator[str]:
    yield f'<section aria-labelledby="s{number}">\n<h2 id="s{number}">{_safe(uri)}</h2>'
    if source is not None:
        rows = ", ".join(f"{count:,} {table}" for table, count in source.rows.items())
        yield f"<p>{_safe(source.format)}{f'; rows: {_safe(rows)}' if rows else ''}</p>"
    if not findings:
        yield "<p>Nothing found.</p>"
    for severity in WORST_FIRST:
        alike: dict[str, list[Finding]] = {}
        for finding in findings:
            if finding.severity == severity:
                alike.setdefault(finding.code, []).append(finding)
        if alike:
            yield f'<h3 class="{severity}">{_TITLES[severity]}</h3>'
        for code, group in alike.items():
            yield from _article(code, severity, group, plots)
    yield "</section>"


def _article(code: str, severity: str, group: list[Finding], plots: dict[int, tuple[Stretch, int]]) -> Iterator[str]:
    """Yield one rule in one source: what was found and where, plots, and the rule's own words."""
    yield f'<article class="{severity}">\n<h4><code>{_safe(code)}</code> {_safe(name_of(code))} <span class="badge">{severity}</span></h4>'
    yield "<ul>"
    for finding in group[:_MOST]:
        place = "; ".join(part for part in (_safe(column_of(finding)), _safe(where(finding))) if part)
        yield f"<li>{_safe(said(finding))} " + (f'<span class="place">{place}</span></li>' if place else "</li>")
    if len(group) > _MOST:
        yield f"<li>and {plural(len(group) - _MOST, 'more finding')}</li>"
    yield "</ul>"
    for finding in group:
        if id(finding) in plots:
            stretch, number = plots[id(finding)]
            yield f"<figure>{svg(stretch, finding, number)}<figcaption>{_caption(stretch, finding)}</figcaption></figure>"
    yield from _reasons(code, group[0])
    yield "</article>"


def _reasons(code: str, finding: Finding) -> Iterator[str]:
    rule = spec.rules().get(code)
    if rule is None:
        return
    how = f"<code>bdx rules {code}</code> shows the rule"
    if finding.source not in STDIN:
        how += f"; <code>bdx validate {_safe(shlex.quote(finding.source))} --select {code} -O jsonl</code> lists it alone"
    told = (("What", _safe(rule.what)), ("Why", _safe(rule.why)), ("Source", _safe(rule.source)), ("How to look closer", how))
    yield "<details>\n<summary>What it means</summary>\n<dl>"
    yield from (f"<dt>{title}</dt><dd>{text}</dd>" for title, text in told if text)
    yield "</dl>\n</details>"


def _caption(stretch: Stretch, finding: Finding) -> str:
    if stretch.step > 1:
        return f"Rows {stretch.rows[0]:,} to {stretch.rows[-1]:,}, one of every {stretch.step:,}."
    marked = f"; {'row' if len(stretch.bad) == 1 else 'rows'} {', '.join(map(str, stretch.bad))} marked" if stretch.bad else ""
    more = f", {finding.count:,} bad in all" if finding.count > max(1, len(stretch.bad)) else ""
    return f"Rows {stretch.rows[0]:,} to {stretch.rows[-1]:,}{marked}{more}."


def _losses(result: ValidationResult) -> Iterator[str]:
    if not result.losses:
        return
    yield f"<section>\n<details>\n<summary>Not carried into canonical tables: {plural(len(result.losses), 'kind')} of data</summary>\n<ul>"
    for loss in result.losses[:_MOST]:
        times = f" ({loss.count:,} times)" if loss.count > 1 else ""
        yield f"<li>{_safe(loss.source)}: {_safe(loss.what)}{times}: {_safe(loss.why)}</li>"
    if len(result.losses) > _MOST:
        yield f"<li>and {len(result.losses) - _MOST:,} more</li>"
    yield "</ul>\n</details>\n</section>"


def _safe(text: str) -> str:
    """Return text that a page shows as it is."""
    return escape(plain(text))
