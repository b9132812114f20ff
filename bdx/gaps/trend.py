"""What closed and what opened since an earlier gap report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bdx.gaps.result import GapResult, Outcome

Standing = tuple[str, bool, int]
"""Status, whether it is a gap, in how many records."""


@dataclass(frozen=True, slots=True)
class Change:
    """How one requirement stands against the earlier report: closed, opened, better, worse, new or gone."""

    kind: str
    profile: str
    id: str
    name: str
    before: str
    after: str


KINDS = ("opened", "worse", "closed", "better", "new", "gone")


def standings(documents: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[str, Standing]]:
    """Return name and standing of every requirement of earlier reports, by profile and requirement."""
    return {
        (document["profile"]["id"], row["id"]): (row["name"], (row["status"], bool(row["gap"]), int(row["gaps"])))
        for document in documents
        for row in document["requirements"]
    }


def changes(known: Mapping[tuple[str, str], tuple[str, Standing]], results: Iterable[GapResult]) -> Iterator[Change]:
    """Yield what changed, worst first within each profile; profiles that the earlier report did not have yield nothing."""
    before = dict(known)
    profiles = {profile for profile, _ in known}
    found: list[Change] = []
    for result in results:
        if result.profile.id not in profiles:
            continue
        for outcome in result.outcomes:
            wanted = outcome.requirement
            old = before.pop((result.profile.id, wanted.id), None)
            kind = _kind(old[1] if old else None, outcome)
            if kind:
                found.append(Change(kind, result.profile.id, wanted.id, wanted.name, *_both(old[1] if old else None, _standing(outcome))))
        left = [key for key in before if key[0] == result.profile.id]
        found += [Change("gone", *key, before[key][0], _words(before[key][1]), "") for key in left]
    yield from sorted(found, key=lambda change: KINDS.index(change.kind))


def _standing(outcome: Outcome) -> Standing:
    return outcome.status, outcome.is_gap, outcome.gaps


def _kind(old: Standing | None, outcome: Outcome) -> str:
    if old is None:
        return "new" if outcome.is_gap else ""
    if old[1] != outcome.is_gap:
        return "opened" if outcome.is_gap else "closed"
    if old[2] != outcome.gaps:
        return "worse" if outcome.gaps > old[2] else "better"
    return ""


def _both(old: Standing | None, new: Standing) -> tuple[str, str]:
    """Return both standings in words; where only the number of records changed, both say it."""
    counted = old is not None and old[:2] == new[:2]
    return _words(old, counted=counted) if old is not None else "", _words(new, counted=counted)


def _words(standing: Standing, *, counted: bool = False) -> str:
    status, is_gap, gaps = standing
    return f"{status} ({gaps:,})" if is_gap and (counted or gaps > 1) else status
