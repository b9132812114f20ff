"""Weigh chunks against a profile: count per requirement which records meet it, in memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType

import numpy as np

from bdx import spec
from bdx.canon import Chunk, Log
from bdx.gaps.conditions import MET, UNMET, weigh
from bdx.gaps.faults import Faults, Records
from bdx.gaps.gathered import Gathered
from bdx.gaps.groups import LEVELS, OUTSIDE, UNKNOWN, Codes, Groups
from bdx.gaps.loading import load
from bdx.gaps.presence import Presence
from bdx.gaps.profile import NOT_DUE, TIERS, Profile, Requirement, tier_of
from bdx.gaps.result import GapResult, Outcome, strongest, worst
from bdx.gaps.supplied import Supplied
from bdx.gaps.tally import Place, Tally, closure, place


class Analysis:
    """Watches chunks go by and says at the end what the profile asks for and they do not hold.

    `category` is taken for every record; without it each record's own category counts. `as_of` leaves out requirements that
    come into force later; without it all count as in force. `tier` is the viewer's: what lies above it is withheld.
    The children of a battery travel in its chunk; rows of other tables may come at any time, so what a profile needs of
    them is kept until the end (key and presence only).
    Raises: UsageError for an unknown profile, category or tier.
    """

    def __init__(self, profile: str | Profile, *, category: str | None = None, as_of: date | None = None, tier: str | None = None) -> None:
        self.profile: Profile = load(profile) if isinstance(profile, str) else profile
        self.category = None if category is None else self.profile.category(category)
        self.as_of = as_of
        self.tier = None if tier is None else tier_of(tier)
        self._groups = Groups(self.profile, self.category)
        # Two more groups for records that do not meet a requirement's conditions, or do not say whether they do.
        self._tallies = [Tally(requirement, self.profile, len(self._groups) + 2) for requirement in self.profile.requirements]
        self._gathered = Gathered(self.profile) if Gathered.needed(self.profile) else None
        self._inputs = {place(text) for row in spec.derivations() for text in row["from"]}
        self._seen: set[Place] = set()
        self._supplied = Supplied(pair for pair in self._inputs if pair[0] != self.profile.table)

    def watch(self, chunk: Chunk) -> None:
        """Count what one chunk supplies."""
        self._supplied.watch(chunk)
        for table, batch in chunk.items():
            for number, name in enumerate(batch.schema.names):
                key = (table, name)
                wanted = key not in self._seen and (key in self._inputs or table == self.profile.table)
                if wanted and batch.column(number).null_count < batch.num_rows:
                    self._seen.add(key)
        if self._gathered is not None:
            self._gathered.keep(chunk)
        elif self.profile.table in chunk and chunk[self.profile.table].num_rows:
            self._count(chunk)

    def _count(self, chunk: Chunk) -> None:
        rows = Presence(chunk, self.profile)
        codes = self._groups.of(rows)
        for tally in self._tallies:
            tally.add(rows, self._bound(tally.requirement, rows, codes))

    def _bound(self, requirement: Requirement, rows: Presence, codes: Codes) -> Codes:
        """Return the group of every record, those that a condition leaves out in groups of their own."""
        if not requirement.when:
            return codes
        verdict = weigh(requirement.when, rows)
        return np.where(verdict == MET, codes, len(self._groups) + verdict - UNMET)

    def finish(self, log: Log, names: Mapping[str, str] = MappingProxyType({})) -> GapResult:
        """Return the outcome of every requirement; errors that `log` holds about a column make its values invalid.

        `names` are the sources by id, for hints that say where columns are empty.
        """
        if self._gathered is not None:
            for chunk in self._gathered.chunks():
                self._count(chunk)
        seen = closure(self._seen)
        faults = Faults(log)
        outcomes = tuple(self._outcome(tally, seen, faults, names) for tally in self._tallies)
        return GapResult(
            profile=self.profile,
            category=self.category,
            as_of=self.as_of,
            tier=self.tier,
            records=int(self._groups.counts.sum()),
            outcomes=outcomes,
            categories=self._groups.by_category(),
            outside=dict(sorted(self._groups.outside.items())),
            notes=tuple(self._notes(outcomes)),
        )

    def _outcome(self, tally: Tally, seen: set[Place], faults: Faults, names: Mapping[str, str]) -> Outcome:
        requirement = tally.requirement
        read = bool(self._groups.counts.any())
        counts = tally.counts(self._seen, None if read else self._groups.default)
        dues = set[date]()
        shares: list[tuple[str, Records]] = []
        reasons: dict[str, int] = {}
        strengths: set[str] = set()
        lacking: dict[int, int] = {}
        methods: dict[str, None] = {}
        for group in map(int, np.flatnonzero(counts.sum(axis=1))):
            if group >= len(self._groups):
                reason = ("condition not met", "condition unknown")[group - len(self._groups)]
                reasons[reason] = int(counts[group].sum())
                strengths |= set(requirement.strength.values())
                continue
            category, level = self._groups.name(group)
            strength, reason = self._binding(requirement, category, level)
            if category != OUTSIDE:
                strengths.add(strength)
                dues |= set(requirement.dues(self._possible(category)))
            if reason:
                reasons[reason] = reasons.get(reason, 0) + int(counts[group].sum())
            elif self._withheld(requirement):
                shares.append((strength, {"withheld": int(counts[group].sum())}))
            else:
                judged = tally.judge(counts[group], seen)
                shares.append((strength, judged.records))
                methods |= judged.methods
                for bit, count in judged.lacking.items():
                    lacking[bit] = lacking.get(bit, 0) + count
        shares.sort(key=lambda share: share[0] != "mandatory")
        codes = faults.spoil(requirement, [records for _, records in shares])
        total, gaps = _sum(shares, reasons)
        return Outcome(
            requirement=replace(requirement, due=min(dues)) if dues else requirement,
            status=worst(total),
            strength=strongest(strengths),
            records=total if read else {},
            gaps=gaps if read else 0,
            is_gap=gaps > 0,
            reasons={reason: count if read else 0 for reason, count in reasons.items()},
            lacking={" | ".join(map(str, requirement.needs[bit])): lacking[bit] for bit in sorted(lacking)} if read else {},
            derivations=tuple(methods),
            faults=codes,
            hints=tuple(self._supplied.empty(tally.inputs, names)) if total.get("missing") else (),
        )

    def _withheld(self, requirement: Requirement) -> bool:
        return self.tier is not None and TIERS.index(requirement.tier) > TIERS.index(self.tier)

    def _binding(self, requirement: Requirement, category: str, level: str) -> tuple[str, str]:
        """Return how firmly a requirement binds records of a category and level, and why not where it does not."""
        if category == OUTSIDE:
            return "not_filled", "outside"
        strengths = set(requirement.strength.values()) if category == UNKNOWN else {requirement.strength[category]}
        strength = strongest(strengths)
        if len(strengths) > 1:
            return strength, "category unknown"
        if strength in NOT_DUE:
            return strength, "pending" if strength == "pending" else "not filled"
        days = requirement.dues(self._possible(category))
        if self.as_of is not None and days and self.as_of < days[-1]:
            return strength, "not yet" if self.as_of < days[0] else "category unknown"
        belongs = LEVELS.index(requirement.level) if requirement.level in LEVELS else len(LEVELS) - 1
        return strength, "other level" if belongs < LEVELS.index(level) else ""

    def _possible(self, category: str) -> tuple[str, ...]:
        return self.profile.categories if category == UNKNOWN else (category,)

    def _notes(self, outcomes: tuple[Outcome, ...]) -> Iterator[str]:
        if not self._groups.counts.any():
            yield f"no {self.profile.table} record was read: every requirement is weighed against what can be derived"
        if unknown := self._groups.by_category().get(UNKNOWN, 0):
            skipped = sum("category unknown" in outcome.reasons for outcome in outcomes)
            yield f"records without a known category: {unknown}; {skipped} requirements that depend on it were not weighed for them"
        for label, count in sorted(self._groups.outside.items()):
            yield f"records of category {label}: {count}; the profile does not bind them"
        if coarse := self._groups.coarse():
            yield f"records of a model or batch: {coarse}; what belongs to a single item was not weighed for them"
        if later := [outcome.requirement.due for outcome in outcomes if "not yet" in outcome.reasons and outcome.requirement.due]:
            yield f"requirements not in force on {self.as_of}: {len(later)}; the first come into force on {min(later)}"


def _sum(shares: list[tuple[str, Records]], reasons: dict[str, int]) -> tuple[Records, int]:
    """Return records per status over all shares, and how many of them miss a mandatory value."""
    total: Records = {}
    gaps = 0
    for strength, records in shares:
        for status, count in records.items():
            if count:
                total[status] = total.get(status, 0) + count
                gaps += count if strength == "mandatory" and status in ("missing", "invalid") else 0
    if reasons:
        total["not applicable"] = sum(reasons.values())
    return total, gaps
