"""Where profiles ask for different things of one value: one profile never stands for another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

from bdx import spec
from bdx.gaps.profile import Profile, Requirement

_WORDS = {
    "not_filled": "not to be filled",
    "legitimate_interest": "legitimate interest",
    "item_legitimate_interest": "legitimate interest, item",
}


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two profiles that disagree on a column: in what, and what each says (requirement id and words)."""

    columns: tuple[str, ...]
    about: str
    says: tuple[tuple[str, str, str], ...]
    """Profile, requirement, what it says."""
    source: str = ""

    @property
    def text(self) -> str:
        """The contradiction in one sentence."""
        sides = "; ".join(f"{profile}{f' {row}' if row else ''}: {word}" for profile, row, word in self.says)
        return f"{' or '.join(self.columns)}: {self.about}: {sides}"


def contradictions(profiles: Sequence[Profile], category: str | None = None) -> tuple[Contradiction, ...]:
    """Return where some profiles disagree about the same columns, for one category or any they share.

    A profile may ask for one column in several requirements: it disagrees where none of them agrees.
    """
    found: list[Contradiction] = []
    for first, second in combinations(profiles, 2):
        others: dict[frozenset[str], list[Requirement]] = {}
        for row in second.requirements:
            others.setdefault(_columns(row), []).append(row)
        for row in first.requirements:
            for other in others.get(_columns(row), ()):
                found += _of(first, row, second, other, category)
        found += _stated(first, second)
    return tuple(found)


def _columns(row: Requirement) -> frozenset[str]:
    return frozenset(map(str, row.paths))


def _of(first: Profile, row: Requirement, second: Profile, other: Requirement, category: str | None) -> Iterator[Contradiction]:
    columns = tuple(dict.fromkeys(map(str, row.paths)))

    def differ(about: str, one: str, two: str) -> Contradiction:
        return Contradiction(columns, about, ((first.id, row.id, _word(one)), (second.id, other.id, _word(two))))

    found: dict[tuple[str, str], list[str]] = {}
    for word in _shared(row, other, category):
        one, two = _strength(row, word), _strength(other, word)
        leaves = second if two == "not_filled" else first
        if {one, two} == {"mandatory", "not_filled"} and not _asks(leaves, _columns(row), word):
            found.setdefault((one, two), []).append(word)
    for (one, two), words in found.items():
        yield differ("whether it is due" + ("" if words == ["all"] else f" ({', '.join(words)})"), one, two)
    if row.tier not in _tiers(second, row) and other.tier not in _tiers(first, row):
        yield differ("who may see it", row.tier, other.tier)
    yield from (differ(about, one, two) for about, one, two in _days(row, other, category))


def _strength(row: Requirement, category: str) -> str:
    return row.strength.get(category, row.strength.get("all", ""))


def _asks(profile: Profile, columns: frozenset[str], category: str) -> bool:
    """Say whether a profile asks for one of some columns in any of its requirements."""
    return any(_strength(row, category) == "mandatory" and columns & _columns(row) for row in profile.requirements)


def _tiers(profile: Profile, like: Requirement) -> set[str]:
    """Return the tiers that a profile gives the columns of a requirement."""
    return {row.tier for row in profile.requirements if _columns(row) == _columns(like)}


def _days(row: Requirement, other: Requirement, category: str | None) -> Iterator[tuple[str, str, str]]:
    """Yield the days that differ, category by category where one of the profiles tells them apart."""
    if not row.due_by and not other.due_by:
        if row.due and other.due and row.due != other.due:
            yield "from when", str(row.due), str(other.due)
        return
    found: dict[tuple[str, str], list[str]] = {}
    for word in _shared(row, other, category):
        one, two = row.dues([word]), other.dues([word])
        if one and two and one != two:
            found.setdefault((str(one[0]), str(two[0])), []).append(word)
    for (first, second), words in found.items():
        yield f"from when ({', '.join(words)})", first, second


def _shared(row: Requirement, other: Requirement, category: str | None) -> list[str]:
    if "all" in row.strength or "all" in other.strength:
        names = {*row.strength, *other.strength} - {"all"} or {"all"}
    else:
        names = set(row.strength) & set(other.strength)
    return sorted(names if category is None else names & {category, "all"})


def _word(text: str) -> str:
    return _WORDS.get(text, text)


def _stated(first: Profile, second: Profile) -> Iterator[Contradiction]:
    """Yield what specs/conflicts.toml says of the forms and meanings of values, which no table of requirements shows."""
    for row in _facts():
        says = row["says"]
        if first.id in says and second.id in says and says[first.id] != says[second.id]:
            sides = ((first.id, "", says[first.id]), (second.id, "", says[second.id]))
            yield Contradiction(tuple(row["columns"]), row["about"], sides, row["source"])


@cache
def _facts() -> tuple[Any, ...]:
    return spec.load(spec.root() / "conflicts.toml", "conflicts")["conflict"]  # type: ignore[no-any-return]
