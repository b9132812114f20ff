"""The facts of specs/headers.toml: fields of flat exports, the words for them, and the words of enumerations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from bdx import spec
from bdx.errors import SpecError
from bdx.names import fold
from bdx.spec import Facts

LONG = ("parameter", "value")
"""Fields that together make one measured value of each row."""


@dataclass(frozen=True, slots=True)
class Field:
    """What a column may be: the canonical columns it fills, by table, and whether it is read as a number or a time."""

    name: str
    title: str
    feeds: Mapping[str, str]
    instead: str = ""
    time: bool = False
    number: bool = False


@cache
def facts() -> Facts:
    """Return the facts as they stand."""
    return spec.load(spec.root() / "headers.toml", "headers")


@cache
def fields() -> Mapping[str, Field]:
    """Return all fields by name."""
    found: dict[str, Field] = {}
    for row in facts()["field"]:
        feeds = {table: column for table, _, column in (target.partition(".") for target in row["feeds"])}
        plain = {key: row[key] for key in ("instead", "time", "number") if key in row}
        found[row["name"]] = Field(row["name"], row["title"], feeds, **plain)
    return found


@cache
def by_word() -> Mapping[str, str]:
    """Return the field of each word in its folded form.

    Raises: SpecError where a word means two fields.
    """
    found: dict[str, str] = {}
    for row in facts()["field"]:
        for word in (row["name"], *row["words"]):
            if found.setdefault(fold(word), row["name"]) != row["name"]:
                raise SpecError(f"specs/headers.toml: '{word}' means two fields, '{row['name']}' is one of them")
    return found


@cache
def totals() -> frozenset[str]:
    """Return the words, in their folded form, for a row that sums up others."""
    return frozenset(fold(word) for word in facts()["totals"])


@cache
def values(target: str) -> Mapping[str, str]:
    """Return the value of an enumeration for each word in its folded form; `target` is "table.column"."""
    table, _, column = target.partition(".")
    found = {fold(value): value for value in spec.table(table).column(column).enum}
    for value, words in facts()["values"].get(target, {}).items():
        found.update({fold(word) or word: value for word in words})
    return found
