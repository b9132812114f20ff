"""Which repairs there are and which of them the user asks for; nothing is repaired unasked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from types import MappingProxyType

from bdx import spec
from bdx.errors import UsageError, did_you_mean
from bdx.spec import Facts

UNDO = "undo"
SELF_INVERSE = ("turn", "exchange")
"""Kinds that undo themselves."""


@dataclass(frozen=True, slots=True)
class Repair:
    """One row of specs/repairs.toml; `columns` are spelled out, `wanted` is as the row has them."""

    name: str
    title: str
    does: str
    table: str
    columns: tuple[str, ...]
    wanted: tuple[str, ...]
    answers: tuple[str, ...]
    by: str
    undo: str
    source: str
    since: str
    beside: tuple[str, ...] = ()
    args: Facts = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Asked:
    """A repair as the user asks for it: to be done, or to be undone."""

    repair: Repair
    undo: bool

    @property
    def word(self) -> str:
        """What the user writes after --repair."""
        return f"{self.repair.name}:{UNDO}" if self.undo else self.repair.name

    @property
    def inverse(self) -> str:
        """What takes it back, as the user would write it."""
        return self.repair.name if self.undo or self.repair.by in SELF_INVERSE else f"{self.repair.name}:{UNDO}"


@cache
def repairs() -> Mapping[str, Repair]:
    """Return every repair by name, in the order of specs/repairs.toml."""
    found = {}
    for row in spec.load(spec.root() / "repairs.toml", "repairs")["repair"]:
        known = [name for name in spec.table(row["table"]).by_name if any(fnmatchcase(name, wanted) for wanted in row["columns"])]
        found[row["name"]] = Repair(**{**row, "columns": tuple(known), "wanted": row["columns"]})
    return MappingProxyType(found)


def asked(words: Sequence[str]) -> tuple[Asked, ...]:
    """Return the repairs of these names, each `NAME` or `NAME:undo`, in the order given.

    Raises: UsageError for an unknown one, with the nearest known one.
    """
    found = []
    for word in words:
        name, colon, direction = word.partition(":")
        if name not in repairs():
            raise UsageError(f"no repair '{name}'{did_you_mean(name, repairs())}; `bdx convert --repair list` shows all")
        if colon and direction != UNDO:
            raise UsageError(f"no repair '{word}'; expected {name} or {name}:{UNDO}")
        found.append(Asked(repairs()[name], bool(colon)))
    return tuple(found)


def answering(code: str) -> tuple[str, ...]:
    """Return the names of the repairs that may remove what a rule found."""
    return tuple(name for name, repair in repairs().items() if code in repair.answers)
