"""Gaps as Markdown: the coverage of each profile, then its gaps as a list to work through."""

from __future__ import annotations

from collections.abc import Iterator

from bdx.gaps.result import GapResult
from bdx.pipeline.gap_run import GapRun
from bdx.report.gaps_text import COLUMNS, coverage, told, words
from bdx.report.words import plain, plural


def render(run: GapRun) -> str:
    """Return the run as GitHub's Markdown."""
    lines = [line for result in run.results for line in _profile(result)]
    if run.contradictions:
        lines += ["## Where the profiles contradict one another", ""]
        lines += [f"- {_safe(found.text)}" for found in run.contradictions] + [""]
    if run.baseline:
        lines += [f"## Since {_safe(run.baseline)}", ""]
        lines += [f"- {c.kind}: `{c.id}` {_safe(c.name)}: {c.before or '-'} → {c.after or '-'}" for c in run.changes] or [
            "Nothing changed."
        ]
        lines.append("")
    return "\n".join(lines)


def _profile(result: GapResult) -> Iterator[str]:
    gaps = [outcome for outcome in result.outcomes if outcome.is_gap]
    yield f"## {_safe(result.profile.title)}"
    yield ""
    verdict = plural(len(gaps), "gap") if gaps else "no gaps" if result.weighed else "nothing weighed"
    day = f", as of {result.as_of}" if result.as_of else ""
    yield f"**{verdict}** in {plural(result.records, 'record')} (`{result.profile.id}` {result.profile.version}{day})"
    yield ""
    yield "| requirements | " + " | ".join(COLUMNS) + " |"
    yield "|---|" + "---:|" * len(COLUMNS)
    for section, counts in coverage(result):
        yield f"| {_safe(section)} | " + " | ".join(str(count or "") for count in counts) + " |"
    yield ""
    if not gaps:
        return
    yield "| gap | records | basis | from | can come from | next step |"
    yield "|---|---|---|---|---|---|"
    for outcome in gaps:
        wanted = outcome.requirement
        step = "; ".join((wanted.action, *outcome.hints))
        cells = (
            f"`{wanted.id}` {_safe(wanted.name)}",
            told(outcome),
            wanted.basis,
            str(wanted.due or ""),
            ", ".join(map(words, wanted.supplier)),
        )
        yield "| " + " | ".join((cells[0], *map(_safe, (*cells[1:], step)))) + " |"
    yield ""


def _safe(text: str) -> str:
    return plain(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
