"""Requirement profiles: load specs/profiles/<id>.toml, check it against the canonical tables, hand out typed requirements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from types import MappingProxyType

from bdx import spec
from bdx.errors import SpecError, UsageError, did_you_mean
from bdx.spec import Facts

TIERS = ("public", "legitimate_interest", "item_legitimate_interest", "authorities")
"""Who may see a data point, narrowest reading last; a viewer sees its own tier and those before it.

Source: Art 77(2) and Annex XIII of Regulation (EU) 2023/1542: point 1 is for everyone, point 2 for a legitimate interest and the
Commission, point 4 the same about a single battery, point 3 for notified bodies, market surveillance authorities and the Commission.
Annex XIII draws circles, not a ladder (point 4 does not name the authorities of point 3); bdx orders them as a ladder because each
step takes in fewer viewers, and a data set made for one step must hold nothing of the steps after it.
"""

NOT_DUE = ("not_filled", "pending")
"""Strengths of a requirement that nobody has to meet: never to be filled, or not before an act is adopted."""

ALL = "all"
"""The only category of a profile that does not tell categories apart."""

_PATH = re.compile(r"([a-z_]+)\.([a-z][a-z0-9_]*)(?:\[([^\]]+)\])?")


@dataclass(frozen=True, slots=True)
class ColumnPath:
    """A canonical column, in a child table perhaps only of the rows where other columns have given values."""

    table: str
    column: str
    where: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        tail = ",".join(f"{name}={value}" for name, value in self.where)
        return f"{self.table}.{self.column}" + (f"[{tail}]" if tail else "")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing the receiver asks for: all of `needs`, each met by any one of its columns."""

    id: str
    name: str
    section: str
    needs: tuple[tuple[ColumnPath, ...], ...]
    columns: tuple[str, ...]
    any: bool
    basis: str
    tier: str
    level: str
    supplier: tuple[str, ...]
    strength: Mapping[str, str]
    action: str
    due: date | None = None
    condition: str = ""
    note: str = ""
    verified: bool = False

    @property
    def paths(self) -> tuple[ColumnPath, ...]:
        """All columns that can serve, in the order of the profile."""
        return tuple(path for need in self.needs for path in need)


@dataclass(frozen=True, slots=True)
class Limit:
    """Records of a category whose product of columns is not above the limit are outside the profile."""

    category: str
    product: tuple[str, ...]
    above: float
    label: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A list of requirements on the records of one canonical table, and which records they bind."""

    id: str
    title: str
    version: str
    source: str
    licence: str
    table: str
    presence: str
    categories: tuple[str, ...]
    requirements: tuple[Requirement, ...]
    note: str = ""
    as_of: date | None = None
    category_column: str = ""
    granularity_column: str = ""
    same_as: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    outside: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()

    def category(self, name: str) -> str:
        """Return the category of the profile that `name` belongs to.

        Raises: UsageError for a name the profile does not know, or one it does not bind.
        """
        found = self.same_as.get(name, name)
        if found in self.categories:
            return found
        known = (*self.categories, *self.same_as)
        if not known:
            raise UsageError(f"profile {self.id} tells no categories apart: leave out '{name}'")
        why = "asks nothing of" if name in self.outside else "has no"
        raise UsageError(f"profile {self.id} {why} category '{name}'{did_you_mean(name, known)}; known: {', '.join(known)}")


def tier_of(name: str) -> str:
    """Return `name` if it is a tier.

    Raises: UsageError for any other word.
    """
    if name not in TIERS:
        raise UsageError(f"no tier '{name}'{did_you_mean(name, TIERS)}; known: {', '.join(TIERS)}")
    return name


@cache
def load(profile_id: str) -> Profile:
    """Return the profile of that id, every column of it checked against specs/tables.

    Raises: UsageError for an unknown id, SpecError naming the file, the requirement and what is wrong.
    """
    return build(spec.facts("profiles", profile_id), f"specs/profiles/{profile_id}.toml", profile_id)


def build(facts: Facts, where: str, profile_id: str) -> Profile:
    """Return the profile that frozen facts describe; `where` names them in messages.

    Raises: SpecError naming the requirement and what is wrong.
    """
    if facts["id"] != profile_id:
        raise SpecError(f"{where}: id is '{facts['id']}', expected '{profile_id}'")
    _known_table(facts["table"], where)
    scope = facts.get("scope", {})
    profile = Profile(
        id=facts["id"],
        title=facts["title"],
        version=facts["version"],
        source=facts["source"],
        licence=facts["licence"],
        table=facts["table"],
        presence=facts["presence"],
        categories=facts["categories"],
        requirements=_requirements(facts, where),
        note=facts.get("note", ""),
        as_of=_date(facts, "as_of", where),
        category_column=scope.get("category_column", ""),
        granularity_column=scope.get("granularity_column", ""),
        same_as=scope.get("same_as", MappingProxyType({})),
        outside=scope.get("outside", ()),
        limits=tuple(Limit(**limit) for limit in scope.get("limit", ())),
    )
    _check_scope(profile, where)
    return profile


def parse_path(text: str, where: str) -> ColumnPath:
    """Return the column path written as `table.column` or `table.column[column=value,...]`.

    Raises: SpecError for a path that is malformed or names what specs/tables does not have.
    """
    match = _PATH.fullmatch(text)
    if match is None:
        raise SpecError(f"{where}: '{text}' is no column path, expected table.column or table.column[column=value]")
    table, column, filters = match.groups()
    _known_table(table, where)
    wanted = []
    for pair in filters.split(",") if filters else ():
        name, equals, value = pair.partition("=")
        if not equals or not value:
            raise SpecError(f"{where}: '{text}' filters by '{pair}', expected column=value")
        wanted.append((name, value))
    try:
        spec.table(table).column(column)
        for name, value in wanted:
            facts = spec.table(table).column(name)
            if facts.type != "string" or (facts.enum and value not in facts.enum):
                raise SpecError(f"{table}.{name} is never '{value}'{did_you_mean(value, facts.enum)}")
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from error
    return ColumnPath(table, column, tuple(wanted))


def _requirements(facts: Facts, where: str) -> tuple[Requirement, ...]:
    found: dict[str, Requirement] = {}
    for row in facts["requirement"]:
        place = f"{where}: {row['id']}"
        if row["id"] in found:
            raise SpecError(f"{place}: the id is used twice")
        needs = tuple(tuple(parse_path(part.strip(), place) for part in entry.split("|")) for entry in row["columns"])
        for path in (path for need in needs for path in need):
            if facts["table"] not in (path.table, spec.table(path.table).parent):
                raise SpecError(f"{place}: '{path}' is neither in table {facts['table']} nor in a child of it")
        if row.get("any", False):
            needs = (tuple(path for need in needs for path in need),)
        expected = set(facts["categories"]) or {ALL}
        if set(row["status"]) != expected:
            raise SpecError(f"{place}: status names {sorted(row['status'])}, expected {sorted(expected)}")
        found[row["id"]] = Requirement(
            id=row["id"],
            name=row["name"],
            section=row["section"],
            needs=needs,
            columns=row["columns"],
            any=row.get("any", False),
            basis=row["basis"],
            tier=row["tier"],
            level=row["level"],
            supplier=row["supplier"],
            strength=row["status"],
            action=row["action"],
            due=_date(row, "from", place),
            condition=row.get("condition", ""),
            note=row.get("note", ""),
            verified=row.get("verified", facts.get("verified", False)),
        )
    return tuple(found.values())


def _check_scope(profile: Profile, where: str) -> None:
    named = {*profile.same_as.values(), *(limit.category for limit in profile.limits)}
    for name in sorted(named - set(profile.categories)):
        raise SpecError(f"{where}: scope names category '{name}', expected one of {', '.join(profile.categories)}")
    columns = [profile.category_column, profile.granularity_column, *(name for limit in profile.limits for name in limit.product)]
    for column in filter(None, columns):
        parse_path(f"{profile.table}.{column}", f"{where}: scope")
    if profile.categories and not profile.category_column:
        raise SpecError(f"{where}: categories are named, but no scope.category_column tells them apart")


def _known_table(name: str, where: str) -> None:
    if name not in spec.tables():
        raise SpecError(f"{where}: no table '{name}'{did_you_mean(name, spec.tables())}")


def _date(facts: Facts, key: str, where: str) -> date | None:
    text = facts.get(key)
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SpecError(f"{where}: {key} is '{text}', expected a calendar date") from error
