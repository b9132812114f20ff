"""The words of production: names of steps and parameters in any of three languages -> canonical codes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from bdx import spec
from bdx.errors import SpecError
from bdx.spec import Facts

_SEPARATORS = re.compile(r"[\s_\-./:]+")
_NUMBER = re.compile(r"^(.*?)_?(\d{1,4})$")
OTHER = "other"
TITLES = ("title", "title_de", "title_zh")
"""Keys of the names of a step or parameter in English, German and Chinese."""


@dataclass(frozen=True, slots=True)
class Step:
    """A production step: what it makes, how inputs become outputs, whether it handles single pieces or raw materials."""

    code: str
    produces: str = ""
    relation: str = "consumed"
    pieces: bool = False
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as named in a source: canonical code and unit, role, and the zone, layer or pass in the name."""

    code: str
    unit: str = ""
    role: str = ""
    index: int | None = None


UNKNOWN_STEP = Step(OTHER)
UNKNOWN_PARAMETER = Parameter(OTHER)


def plain(name: str) -> str:
    """Return a name as aliases are compared: folded case, any run of blanks, hyphens, dots and slashes as one underscore."""
    return _SEPARATORS.sub("_", name.casefold()).strip("_")


@lru_cache(maxsize=8_192)
def step(name: str) -> Step | None:
    """Return the step of a name, its trailing number ("pass 2") left out of account; None where no alias fits."""
    known = _steps()
    word = plain(name)
    while word and word not in known:
        shorter = _without_count(word)[0]
        if shorter == word:
            return None
        word = shorter
    return known.get(word)


@lru_cache(maxsize=65_536)
def parameter(name: str, group: str = "") -> Parameter | None:
    """Return the parameter of a name; None where no alias fits.

    A role word before or after the name ("temperature setpoint") and a number after it ("zone 3") are understood; a
    name that is only a number, or a counting word and a number, takes its meaning from the group it stands in.
    """
    known = _parameters()
    word = plain(name)
    if word in known:
        return known[word]
    bare, role = _without_role(word)
    if bare in known:
        return Parameter(known[bare].code, known[bare].unit, role or known[bare].role)
    shorter, index = _without_count(bare)
    if index is None:
        return None
    found = known.get(shorter) if shorter else None
    if not shorter and group:
        found = parameter(group)
    return Parameter(found.code, found.unit, role or found.role, index) if found else None


def role_words() -> tuple[str, ...]:
    """Return the words that say what a value is, as aliases are compared."""
    return tuple(word for word, _ in _roles())


def _without_role(word: str) -> tuple[str, str]:
    for mark, role in _roles():
        if word.endswith("_" + mark):
            return word[: -len(mark) - 1], role
        if word.startswith(mark + "_"):
            return word[len(mark) + 1 :], role
        if not mark.isascii() and word.endswith(mark) and word != mark:
            return word[: -len(mark)].strip("_"), role
    return word, ""


def _without_count(word: str) -> tuple[str, int | None]:
    """Return a word without the number at its end and the counting word before that, and the number."""
    match = _NUMBER.match(word)
    if match is None:
        return word, None
    rest = match[1]
    for mark in _facts()["counting"]["words"]:
        if rest == mark or rest.endswith("_" + mark):
            rest = rest[: -len(mark)].strip("_")
            break
    return rest, int(match[2])


@cache
def _facts() -> Facts:
    return spec.load(spec.root() / "vocabulary.toml", "vocabulary")


@cache
def _roles() -> tuple[tuple[str, str], ...]:
    marks = ((plain(mark), role) for role, marks in _facts()["roles"].items() for mark in marks)
    return tuple(sorted(marks, key=lambda pair: -len(pair[0])))


@cache
def _steps() -> dict[str, Step]:
    found: dict[str, Step] = {}
    for row in _facts()["step"]:
        made = Step(row["code"], row.get("produces", ""), row.get("relation", "consumed"), row.get("pieces", False), row.get("raw", False))
        _add(found, row, made)
    return found


@cache
def _parameters() -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for row in _facts()["parameter"]:
        _add(found, row, Parameter(row["code"], row.get("unit", ""), row.get("role", "")))
    return found


def _add(found: dict[str, Any], row: Facts, made: Any) -> None:
    for name in dict.fromkeys(plain(word) for word in (row["code"], *(row[title] for title in TITLES), *row["aliases"])):
        if name in found:
            raise SpecError(f"specs/vocabulary.toml: '{name}' means two things, '{row['code']}' is one of them")
        found[name] = made
