"""Gaps as one HTML page: a matrix that a manager reads, a list that an engineer works through; it fetches nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from bdx import __version__
from bdx.gaps.result import GapResult, Outcome
from bdx.pipeline.gap_run import GapRun
from bdx.report.gaps_text import COLUMNS, coverage, told, words
from bdx.report.page import POLICY, STYLE
from bdx.report.words import plain, plural

_KINDS = {"missing": "error", "invalid": "error", "derivable": "warning", "withheld": "info", "present": "good", "not applicable": "none"}
_GAPS_STYLE = """
:root { --good: #1f6f3f; --none: #8a8a8a; }
@media (prefers-color-scheme: dark) { :root { --good: #74d39b; --none: #8f8f8f; } }
.bar { display: flex; height: .8rem; min-width: 6rem; border-radius: .2rem; overflow: hidden; background: var(--panel); }
.bar span { display: block; } .bar .error { background: var(--error); } .bar .warning { background: var(--warning); }
.bar .info { background: var(--info); } .bar .good { background: var(--good); } .bar .none { background: var(--none); opacity: .35; }
.scroll { overflow-x: auto; overflow-wrap: normal; } .scroll td, .scroll th[scope=col] { white-space: nowrap; }
.big { font-size: 2rem; font-weight: bold; margin: .3rem 0; } .big.error { color: var(--error); } .big.good { color: var(--good); }
tr.all th, tr.all td { border-top: 2px solid var(--rule); font-weight: bold; }
.next { font-weight: bold; } article.good { border-color: var(--good); }
"""


def render(run: GapRun) -> str:
    """Return the page: for each profile the verdict, the coverage by section, the gaps with their next steps, and the rest folded."""
    gaps = sum(outcome.is_gap for result in run.results for outcome in result.outcomes)
    title = f"bdx gaps: {plural(gaps, 'gap') if gaps else 'no gaps' if run.weighed else 'nothing weighed'}"
    lines = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">',
        f"<title>{title}</title>\n<style>{STYLE}{_GAPS_STYLE}</style>\n</head>\n<body>",
        f"<header>\n<h1>{title}</h1>\n<p>{_safe(', '.join(run.sources[:5]))}",
        f"and {len(run.sources) - 5:,} more" if len(run.sources) > 5 else "",
        "</p>\n</header>\n<main>",
    ]
    for number, result in enumerate(run.results):
        lines += _profile(number, result)
    lines += _contradictions(run)
    lines += _changes(run)
    lines.append(f"</main>\n<footer><p>bdx {__version__}. <code>bdx profiles NAME</code> shows a profile.</p></footer>\n</body>\n</html>\n")
    return "\n".join(lines)


def _profile(number: int, result: GapResult) -> Iterator[str]:
    profile = result.profile
    gaps = [outcome for outcome in result.outcomes if outcome.is_gap]
    kind = "error" if gaps or not result.weighed else "good"
    yield f'<section aria-labelledby="p{number}">\n<h2 id="p{number}">{_safe(profile.title)}</h2>'
    met = sum(outcome.strength == "mandatory" and outcome.status == "present" for outcome in result.outcomes)
    verdict = f"{plural(len(gaps), 'gap')}, {met} met" if gaps else "No gaps" if result.weighed else "Nothing weighed"
    yield f'<p class="big {kind}">{verdict}</p>'
    told_ = [plural(result.records, "record"), f"{profile.id} {profile.version}"]
    told_ += [f"as of {result.as_of}"] if result.as_of else []
    told_ += [f"seen by: {words(result.tier)}"] if result.tier else []
    yield f"<p>{_safe(', '.join(told_))}. Source: {_safe(profile.source)}.</p>"
    for note in (*result.notes, *filter(None, [profile.note])):
        yield f'<p class="place">{_safe(note)}</p>'
    yield from _matrix(result)
    if gaps:
        yield "<h3>Gaps to close</h3>"
        for outcome in gaps:
            yield from _article(outcome)
    yield from _folded("Derivable: bdx convert can compute them", [o for o in result.outcomes if o.derivations and not o.is_gap])
    lesser = [o for o in result.outcomes if o.status in ("missing", "invalid") and not o.is_gap]
    yield from _folded("Missing, but asked for only in some cases", lesser)
    yield from _folded("Withheld from this viewer", [o for o in result.outcomes if o.status == "withheld"])
    yield from _folded("Present", [o for o in result.outcomes if o.status == "present"])
    yield from _folded("Not applicable", [o for o in result.outcomes if o.status == "not applicable"])
    yield "</section>"


def _matrix(result: GapResult) -> Iterator[str]:
    heads = "".join(f'<th scope="col" class="count">{status}</th>' for status in COLUMNS)
    yield '<div class="scroll" tabindex="0" role="region" aria-label="Coverage by section">'
    yield "<table>\n<caption>Requirements by section and status</caption>"
    yield f'<thead><tr><th scope="col">section</th><th scope="col">share</th>{heads}</tr></thead>\n<tbody>'
    rows = coverage(result)
    for section, counts in rows:
        total = sum(counts) or 1
        cells = "".join(f'<td class="count">{count or "·"}</td>' for count in counts)
        parts = "".join(
            f'<span class="{_KINDS[status]}" style="width:{100 * count / total:.1f}%"></span>'
            for status, count in zip(COLUMNS, counts, strict=True)
            if count
        )
        mark = ' class="all"' if (section, counts) == rows[-1] else ""
        yield f'<tr{mark}><th scope="row">{_safe(section)}</th><td><div class="bar" aria-hidden="true">{parts}</div></td>{cells}</tr>'
    yield "</tbody>\n</table>\n</div>"


def _article(outcome: Outcome) -> Iterator[str]:
    wanted = outcome.requirement
    kind = _KINDS[outcome.status]
    yield f'<article class="{kind}">\n<h4><code>{_safe(wanted.id)}</code> {_safe(wanted.name)}'
    yield f'<span class="badge">{_safe(told(outcome))}</span></h4>'
    yield f'<p class="next">{_safe(wanted.action)}</p>'
    items = [*outcome.hints, *(f"by {method}" for method in outcome.derivations if not outcome.is_gap)]
    items += [f"lacks {need.replace(' | ', ' or ')}" for need in outcome.lacking]
    items += [f"faults {', '.join(outcome.faults)} were found in it"] if outcome.faults else []
    if items:
        yield "<ul>" + "".join(f"<li>{_safe(item)}</li>" for item in items) + "</ul>"
    due = f"; from {wanted.due}" if wanted.due else ""
    doubt = "" if wanted.verified else "; read from a transcription, not verified"
    when = f"; {wanted.condition}" if wanted.condition else ""
    place = f"{wanted.basis}{due}; {words(wanted.tier)}; can come from {', '.join(map(words, wanted.supplier))}{when}{doubt}"
    yield f'<p class="place">{_safe(place)}</p>\n</article>'


def _folded(title: str, outcomes: Iterable[Outcome]) -> Iterator[str]:
    found = list(outcomes)
    if found:
        yield f"<details>\n<summary>{title}: {len(found)}</summary>"
        for outcome in found:
            yield from _article(outcome)
        yield "</details>"


def _contradictions(run: GapRun) -> Iterator[str]:
    if run.contradictions:
        yield "<section>\n<h2>Where the profiles contradict one another</h2>\n<ul>"
        yield from (f"<li>{_safe(found.text)}</li>" for found in run.contradictions)
        yield "</ul>\n</section>"


def _changes(run: GapRun) -> Iterator[str]:
    if run.baseline:
        yield f"<section>\n<h2>Since {_safe(run.baseline)}</h2>\n<ul>"
        for change in run.changes:
            passed = " → ".join(filter(None, (change.before, change.after)))
            yield f"<li><strong>{change.kind}</strong> <code>{_safe(change.id)}</code> {_safe(change.name)}: {_safe(passed)}</li>"
        yield "</ul>\n</section>" if run.changes else "<li>Nothing changed.</li></ul>\n</section>"


def _safe(text: str) -> str:
    return escape(plain(text))
