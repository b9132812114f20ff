"""What a requirement profile is: requirements on the records of one canonical table, and which records they bind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from bdx.errors import UsageError, did_you_mean

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


@dataclass(frozen=True, slots=True)
class ColumnPath:
    """A canonical column, in a child table perhaps only of the rows where other columns have given values.

    `field` is the name of a source's own field kept in the column `extra`.
    """

    table: str
    column: str
    where: tuple[tuple[str, str], ...] = ()
    field: str = ""

    def __str__(self) -> str:
        tail = ",".join(f"{name}={value}" for name, value in self.where)
        return f"{self.table}.{self.column}" + (f"#{self.field}" if self.field else "") + (f"[{tail}]" if tail else "")


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison that a record must meet to be bound: a column, an operator of `= != < <= > >= ~ ?`, a value ("?" takes none).

    `~` is for texts that hold the value in any case of letters.
    """

    path: ColumnPath
    operator: str
    value: str | float = ""

    def __str__(self) -> str:
        return f"{self.path}{self.operator}{self.value}"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing the receiver asks for: all of `needs`, each met by any one of its columns.

    It binds records that meet all of `when`, each met by any one of its conditions; `due` is the first day it binds any
    category, `due_by` the day of each category where they differ.
    """

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
    when: tuple[tuple[Condition, ...], ...] = ()
    note: str = ""
    verified: bool = False
    due_by: Mapping[str, date] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def paths(self) -> tuple[ColumnPath, ...]:
        """All columns that can serve, in the order of the profile."""
        return tuple(path for need in self.needs for path in need)

    def dues(self, categories: Iterable[str]) -> list[date]:
        """Return the days from which it binds some categories, the first one first; without a day it has always bound."""
        days = (self.due_by.get(name) if self.due_by else self.due for name in categories)
        return sorted({day for day in days if day is not None})


@dataclass(frozen=True, slots=True)
class Limit:
    """Records of a category whose product of columns is not above the limit are outside the profile."""

    category: str
    product: tuple[str, ...]
    above: float
    label: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A list of requirements on the records of one canonical table, and which records they bind.

    `joins` names, per other table, the column that holds the key of the record its rows belong to.
    """

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
    key: str = ""
    joins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    extends: str = ""

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
