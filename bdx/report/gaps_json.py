"""What `bdx gaps -O json` prints: schema bdx-gaps/1, checked by specs/schemas/bdx-gaps.json."""

from __future__ import annotations

import json
from typing import Any

from bdx.gaps.result import GapResult, Outcome

SCHEMA = "bdx-gaps/1"


def render(result: GapResult) -> str:
    """Return the result as JSON; the same result gives the same bytes."""
    profile = result.profile
    document = {
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
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


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
    }
