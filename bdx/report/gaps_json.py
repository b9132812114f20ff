"""What `bdx gaps -O json` and `-O jsonl` print: schema bdx-gaps/1, checked by specs/schemas/bdx-gaps.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bdx.gaps.result import GapResult, Outcome
from bdx.pipeline.gap_run import SCHEMA, SET, GapRun


def render(run: GapRun) -> str:
    """Return a run as JSON: one document for one profile, a set of them for several; the same run gives the same bytes."""
    more = {"baseline": run.baseline, "changes": [asdict(change) for change in run.changes]} if run.baseline else {}
    if len(run.results) == 1:
        document: dict[str, Any] = {**told(run.results[0]), **more}
    else:
        document = {
            "schema": SET,
            "has_gaps": run.has_gaps,
            "results": [told(result) for result in run.results],
            "contradictions": [{**asdict(found), "text": found.text} for found in run.contradictions],
            **more,
        }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def lines(run: GapRun) -> str:
    """Return a run as JSON lines: one requirement of one profile per line, after those what contradicts and what changed."""
    rows: list[Mapping[str, Any]] = [
        {"type": "requirement", "profile": result.profile.id, **_requirement(outcome)}
        for result in run.results
        for outcome in result.outcomes
    ]
    rows += [{"type": "contradiction", **asdict(found), "text": found.text} for found in run.contradictions]
    rows += [{"type": "change", **asdict(change)} for change in run.changes]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def told(result: GapResult) -> dict[str, Any]:
    """Return one result as the document that JSON holds."""
    profile = result.profile
    return {
        "schema": SCHEMA,
        "profile": {
            "id": profile.id,
            "version": profile.version,
            "title": profile.title,
            "source": profile.source,
            "licence": profile.licence,
        },
        "category": result.category,
        "as_of": None if result.as_of is None else result.as_of.isoformat(),
        "tier": result.tier,
        "has_gaps": result.has_gaps,
        "requirements": [_requirement(outcome) for outcome in result.outcomes],
        "summary": result.summary,
    }


def _requirement(outcome: Outcome) -> dict[str, Any]:
    wanted = outcome.requirement
    return {
        "id": wanted.id,
        "name": wanted.name,
        "section": wanted.section,
        "column": str(wanted.paths[0]),
        "columns": [[str(path) for path in need] for need in wanted.needs],
        "status": outcome.status,
        "strength": outcome.strength,
        "strengths": dict(wanted.strength),
        "basis": wanted.basis,
        "from": None if wanted.due is None else wanted.due.isoformat(),
        "tier": wanted.tier,
        "level": wanted.level,
        "supplier": list(wanted.supplier),
        "action": wanted.action,
        "condition": wanted.condition,
        "note": wanted.note,
        "verified": wanted.verified,
        "gap": outcome.is_gap,
        "gaps": outcome.gaps,
        "records": dict(outcome.records),
        "lacking": dict(outcome.lacking),
        "reasons": dict(outcome.reasons),
        "derivations": list(outcome.derivations),
        "faults": list(outcome.faults),
        "hints": list(outcome.hints),
    }
