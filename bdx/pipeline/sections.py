"""The sections a passport is read and filled in by: which columns and child tables stand where, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from bdx import spec
from bdx.errors import SpecError
from bdx.spec import Column, Facts

OTHER = "other"
"""Section of columns that specs/sections.toml gives no place."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section: columns of `battery` in the order they are read, child tables, who can tell such values."""

    id: str
    title: str
    columns: tuple[str, ...]
    tables: tuple[str, ...]
    supplier: tuple[str, ...]


@cache
def _facts() -> Facts:
    return spec.load(spec.root() / "sections.toml", "sections")


def hidden() -> tuple[str, ...]:
    """Return the columns that are bookkeeping of bdx and shown to nobody."""
    return tuple(_facts()["hidden"])


def suppliers() -> Mapping[str, str]:
    """Return who can supply values, by the word that profiles use."""
    return _facts()["suppliers"]  # type: ignore[no-any-return]


def roles() -> Mapping[str, str]:
    """Return the roles a document may have, and what each means."""
    return _facts()["roles"]  # type: ignore[no-any-return]


@cache
def sections() -> tuple[Section, ...]:
    """Return the sections in order, each column of `battery` in one of them; the time of a value right behind the value.

    Raises: SpecError for a name that is no column or table.
    """
    columns = spec.table("battery").by_name
    rows = _facts()["section"]
    named = {name for row in rows for name in row["columns"]}
    free = [name for name in columns if name not in hidden() and not _is_time(name, columns)]
    found = []
    for row in rows:
        mine: list[str] = []
        for pattern in row["columns"]:
            fitting = [name for name in free if _fits(name, pattern, named)]
            if not fitting and not pattern.endswith("*"):
                raise SpecError(f"specs/sections.toml: section {row['id']}: table battery has no column '{pattern}'")
            mine += fitting
            free = [name for name in free if name not in fitting]
        for table in row["tables"]:
            if spec.table(table).parent != "battery":
                raise SpecError(f"specs/sections.toml: section {row['id']}: '{table}' is no child table of battery")
        found.append(Section(row["id"], row["title"], tuple(_timed(mine, columns)), row["tables"], row["supplier"]))
    placed = {table for section in found for table in section.tables}
    rest = tuple(table for table in spec.tables() if spec.table(table).parent == "battery" and table not in placed)
    if free or rest:
        found.append(Section(OTHER, "Other", tuple(_timed(free, columns)), rest, ("master_data",)))
    return tuple(found)


def _is_time(name: str, columns: Mapping[str, Column]) -> bool:
    return name.endswith("_time") and name.removesuffix("_time") in columns


def _fits(name: str, pattern: str, named: set[str]) -> bool:
    """Say whether a column is what a pattern means; a column that is named in full somewhere stands there only."""
    return name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]) and name not in named)


def _timed(names: list[str], columns: Mapping[str, Column]) -> list[str]:
    return [item for name in names for item in (name, f"{name}_time") if item in columns]


@cache
def label(table: str, name: str) -> str:
    """Return what a column is called in words, without the unit its name ends in."""
    column = spec.table(table).column(name)
    given = column.label or _facts()["labels"].get(name)
    if given:
        return str(given)
    known = spec.table(table).by_name
    if _is_time(name, known):
        base = label(table, name.removesuffix("_time"))
        return f"Time of {base if base[:2].isupper() else base[:1].lower() + base[1:]}"
    words = _facts()["words"]
    base = name
    for ending in _endings().get(column.unit, ()):
        if name.endswith(f"_{ending}"):
            base = name.removesuffix(f"_{ending}")
            break
    text = f"_{base}_"
    for word, written in words.items():
        text = text.replace(f"_{word}_", f"_{written}_")
    text = text.strip("_").replace("_", " ")
    return text[:1].upper() + text[1:]


@cache
def _endings() -> Mapping[str, tuple[str, ...]]:
    """Return the endings by which names tell units, longest first."""
    raw = spec.format_spec("csv").raw["endings"]
    return MappingProxyType({unit: tuple(sorted(endings, key=len, reverse=True)) for unit, endings in raw.items()})
