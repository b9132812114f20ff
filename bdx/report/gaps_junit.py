"""Gaps as JUnit XML: a suite per profile, a case per requirement, so that a dashboard shows when one closed."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from bdx import __version__
from bdx.gaps.result import GapResult, Outcome
from bdx.pipeline.gap_run import GapRun
from bdx.pipeline.reading import now
from bdx.report.gaps_text import told, words
from bdx.report.junit import attribute, token


def render(run: GapRun) -> str:
    """Return the XML. A case fails where a mandatory requirement is not met and is skipped where nothing was weighed or asked for."""
    stamp = now().strftime("%Y-%m-%dT%H:%M:%S")
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for number, result in enumerate(run.results):
        lines += _suite(number, result, run, stamp)
    return "\n".join([*lines, "</testsuites>", ""])


def _suite(number: int, result: GapResult, run: GapRun, stamp: str) -> Iterator[str]:
    kinds = [_kind(outcome) for outcome in result.outcomes]
    name = token(result.profile.id)
    yield (
        f'  <testsuite name={name} package={name} id="{number}" timestamp="{stamp}" hostname="localhost" time="0" '
        f'tests="{len(kinds)}" failures="{kinds.count("failure")}" errors="0" skipped="{kinds.count("skipped")}">'
    )
    yield "    <properties>"
    facts = (
        ("bdx.version", __version__),
        ("bdx.profile", f"{result.profile.id} {result.profile.version}"),
        ("bdx.records", str(result.records)),
    )
    for key, value in (
        *facts,
        *(("bdx.source", uri) for uri in run.sources),
        *((("bdx.as_of", str(result.as_of)),) if result.as_of else ()),
    ):
        yield f"      <property name={token(key)} value={attribute(value)}/>"
    yield "    </properties>"
    for outcome, kind in zip(result.outcomes, kinds, strict=True):
        wanted = outcome.requirement
        head = (
            f'    <testcase name={token(f"{wanted.id} {wanted.name}")} classname={token(f"{result.profile.id}.{wanted.section}")} time="0"'
        )
        if not kind:
            yield f"{head}/>"
            continue
        yield f"{head}>"
        if kind == "failure":
            yield f'      <failure type="{outcome.status}" message={attribute(_message(outcome))}>{escape(_text(outcome))}</failure>'
        else:
            yield f"      <skipped type={attribute(outcome.status)} message={attribute(_message(outcome))}/>"
        yield "    </testcase>"
    yield "    <system-out/>"
    yield "    <system-err/>"
    yield "  </testsuite>"


def _kind(outcome: Outcome) -> str:
    return "failure" if outcome.is_gap else "" if outcome.status in ("present", "derivable") else "skipped"


def _message(outcome: Outcome) -> str:
    why = f" ({', '.join(outcome.reasons)})" if outcome.status == "not applicable" and outcome.reasons else ""
    strength = "" if outcome.is_gap or outcome.status in ("not applicable", "withheld") else f", {outcome.strength}"
    return f"{told(outcome)}{strength}{why}"


def _text(outcome: Outcome) -> str:
    wanted = outcome.requirement
    due = f"; from {wanted.due}" if wanted.due else ""
    lacks = [f"lacks {need.replace(' | ', ' or ')}" for need in outcome.lacking]
    from_whom = f"{wanted.basis}; {words(wanted.tier)}{due}; can come from {', '.join(map(words, wanted.supplier))}"
    return "\n".join([from_whom, *lacks, f"next: {wanted.action}", *(f"next: {hint}" for hint in outcome.hints)])
