"""What a gap analysis found: one outcome per requirement, and the sums over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from bdx.gaps.profile import Profile, Requirement

STATUSES = ("invalid", "missing", "derivable", "withheld", "present", "not applicable")
"""Every status a requirement can have for a record, worst first."""

STRENGTHS = ("mandatory", "conditional", "optional", "pending", "not_filled")
"""How firmly a requirement binds, strongest first."""

REASONS = ("pending", "not filled", "not yet", "outside", "category unknown", "other level", "condition not met", "condition unknown")
"""Why a requirement is not applicable: no act yet, never to be filled, not in force on the day asked for, a record the profile
does not bind, a record whose category is unknown where the answer depends on it, a record of a model or batch where the data
point belongs to the single item, a record that does not meet the condition, a record that lacks what the condition compares."""


def worst(statuses: Iterable[str]) -> str:
    """Return the worst of some statuses, "not applicable" for none."""
    return min(statuses, key=STATUSES.index, default="not applicable")


def strongest(strengths: Iterable[str]) -> str:
    """Return the strongest of some strengths, "not_filled" for none."""
    return min(strengths, key=STRENGTHS.index, default="not_filled")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one requirement stands: records per status, and what would close the gap."""

    requirement: Requirement
    status: str
    strength: str
    records: Mapping[str, int]
    gaps: int = 0
    is_gap: bool = False
    reasons: Mapping[str, int] = field(default_factory=dict)
    lacking: Mapping[str, int] = field(default_factory=dict)
    derivations: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    """Columns that the missing values could be derived from and that are empty, with their source."""


@dataclass(frozen=True, slots=True)
class GapResult:
    """The outcomes of one run against one profile.

    `categories` counts records by category of the profile, those without one under "unknown" and those the profile
    does not bind under "outside"; `outside` says what the latter are.
    """

    profile: Profile
    category: str | None
    as_of: date | None
    tier: str | None
    records: int
    outcomes: tuple[Outcome, ...]
    categories: Mapping[str, int]
    outside: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @property
    def has_gaps(self) -> bool:
        """Whether a mandatory requirement is missing or invalid: the exit code of the command."""
        return any(outcome.is_gap for outcome in self.outcomes)

    @property
    def assessed(self) -> int:
        """Records that the profile binds."""
        return self.records - self.categories.get("outside", 0)

    @property
    def weighed(self) -> bool:
        """Whether anything was weighed: False where every requirement is withheld, or not applicable to any record on that day."""
        return any(outcome.status not in ("withheld", "not applicable") for outcome in self.outcomes)

    @property
    def summary(self) -> dict[str, Any]:
        """The sums: requirements per status, gaps, records per category, notes."""
        statuses = dict.fromkeys(reversed(STATUSES), 0)
        for outcome in self.outcomes:
            statuses[outcome.status] += 1
        return {
            "requirements": len(self.outcomes),
            "statuses": statuses,
            "gaps": sum(outcome.is_gap for outcome in self.outcomes),
            "derivable": statuses["derivable"],
            "records": self.records,
            "assessed": self.assessed,
            "weighed": self.weighed,
            "categories": dict(self.categories),
            "outside": dict(self.outside),
            "notes": list(self.notes),
        }
