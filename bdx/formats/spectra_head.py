"""What the head of an impedance analyser's text shows: header or first row, separator, decimal mark, the role of every column."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from bdx import spec
from bdx.formats.delimited_head import BLANKS, heads, split
from bdx.formats.delimited_probe import Dialect, Heading
from bdx.spec import Facts

_LINES = 2_000
_HEADER_LINES = 300
"""A header stands within so many lines of the head, rows without one within so many more."""
_WIDTH = 4_096
"""A longer line is no header and no row."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?")
_LONE = re.compile(r"\s*\"?\s*([0-9]{1,9})\s*\"?\s*")
_ENCLOSED = re.compile("(.*\\S)\\s*[(\\[\uff08]([^()\\[\\]\uff08\uff09]*)[)\\]\uff09]")
_SLASHED = re.compile(r"(.*\S)\s*/\s*([^/\s]+)")
_BARE = re.compile(r"(.*\S)[ _]+([^ _]+)")
# Primes, quotation marks set for primes, and minus signs of several kinds.
_PRIME, _DOUBLE, _MINUS = "\u2032\u2019\u2018\u00b4`", '\u2033\u201c\u201d"', "\u2212\u2013"
_MARKS = str.maketrans({**dict.fromkeys(_PRIME, "'"), **dict.fromkeys(_DOUBLE, "''"), **dict.fromkeys(_MINUS, "-")})


@dataclass(frozen=True, slots=True)
class Head:
    """How one file is written: the columns that a minus sign negates, the number of rows it states, its facts."""

    dialect: Dialect
    negated: frozenset[str]
    declared: int | None
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cell:
    """One header cell: as written, its role (or the name as written), unit, and whether a minus sign stands in front."""

    written: str
    role: str
    unit: str
    negated: bool


@cache
def _roles() -> tuple[Mapping[str, str], Facts]:
    """Return name -> role, and the other facts of roles."""
    facts = spec.format_spec("eis-csv").raw["roles"]
    names = {_plain(name): role for role, known in facts["names"].items() for name in known}
    return names, facts


def _plain(name: str) -> str:
    """Return a name in one case and one kind of primes, without blanks and underscores."""
    return re.sub(r"[\s_]+", "", unicodedata.normalize("NFKC", name.translate(_MARKS)).translate(_MARKS)).casefold()


@cache
def _words(roles: tuple[str, ...]) -> tuple[tuple[str, ...], re.Pattern[str]]:
    """Return what stands in every header with one of these roles: words, or a letter or two on its own."""
    known = [name for role in roles for name in spec.format_spec("eis-csv").raw["roles"]["names"][role]]
    plain = {name.casefold().split()[0] for name in known}
    short = {name for name in plain if len(name) < 3 and name.isascii()}
    long = sorted(name for name in plain - short if not any(other in name for other in plain - short - {name}))
    return tuple(long), re.compile(r"(?<![a-z])(?:" + "|".join(map(re.escape, sorted(short))) + r")(?![a-z])")


def _likely(lines: Sequence[str], begin: int, roles: tuple[str, ...]) -> list[int]:
    """Return the lines that can be a header with one of these roles; it keeps detection quick on other text."""
    long, short = _words(roles)
    found = []
    for number in range(begin, min(len(lines), begin + _HEADER_LINES)):
        text = lines[number].casefold() if len(lines[number]) <= _WIDTH else ""
        if any(word in text for word in long) or short.search(text):
            found.append(number)
    return found


@lru_cache(maxsize=4096)
def cell_of(written: str) -> Cell:
    """Return what a header cell says."""
    names, facts = _roles()
    text = written.strip()
    name, unit = text, ""
    for pattern in (_ENCLOSED, _SLASHED, _BARE):
        match = pattern.fullmatch(text)
        if match and match.group(2).strip() not in facts["no_unit"] and (pattern is not _BARE or match.group(2) in facts["bare_units"]):
            name, unit = match.group(1).rstrip(" ,_"), match.group(2).strip()
            break
    plain = _plain(name)
    role = names.get(plain)
    if role is None and plain.startswith("-"):
        role = names.get(plain.lstrip("-"))
        if role in facts["negatable"]:
            return Cell(text, str(role), unit, negated=True)
        role = None
    return Cell(text, role or name, unit, negated=False)


def find(head: bytes, facts: Facts) -> Head | None:
    """Return how a file is written, or None where its head holds no such table."""
    for candidate in heads(head, facts):
        lines = candidate.lines[:_LINES]
        begin = 0
        if "start" in facts:
            begin = next((number + 1 for number, line in enumerate(lines) if re.search(facts["start"], line)), 0)
        likely = _likely(lines, begin, tuple(facts["needs"][0])) if "needs" in facts else []
        for separator in facts.get("separators", (",", ";", "\t")):
            made = _with_header(lines, likely, separator, facts) if "needs" in facts else _without(lines, begin, separator, facts)
            if made is not None:
                number, cells, header = made
                return _describe(lines, number, cells, separator, (candidate.encoding, candidate.newline, header), facts)
    return None


def _split(line: str, separator: str) -> list[str]:
    """Return the cells of a line; a quotation mark that is a double prime (Z") is no mark of that kind."""
    plain = '"' not in line or separator == BLANKS or _balanced(line, separator)
    return [cell.strip() for cell in (split(line, separator) if plain else line.split(separator))]


def _balanced(line: str, separator: str) -> bool:
    """Say whether every quotation mark of a line opens or closes a whole cell."""
    return all(cell.count('"') == 0 or (cell[0] == cell[-1] == '"' and len(cell) > 1) for cell in map(str.strip, line.split(separator)))


def _with_header(lines: Sequence[str], likely: Sequence[int], separator: str, facts: Facts) -> tuple[int, list[Cell], str] | None:
    """Return (number of the header line, its cells, the line) of the first line that has all roles needed."""
    for number in likely:
        line = lines[number]
        if separator != BLANKS and separator not in line:
            continue
        # Where blanks separate, a unit in brackets behind a blank belongs to the name before it.
        plain = re.sub(r"[ \t]+(?=[(\[])", "", line) if separator == BLANKS else line
        cells = [cell_of(cell) for cell in _split(plain, separator)]
        roles = {cell.role for cell in cells}
        if all(roles & set(group) for group in facts["needs"]) and _fits(lines, number + 1, separator, cells):
            return number, cells, line
    return None


def _fits(lines: Sequence[str], begin: int, separator: str, cells: list[Cell]) -> bool:
    """Say whether the first row has as many cells as the header; one more or less may be empty."""
    first, _ = _first_row(lines, begin, separator)
    row = _split(lines[first], separator) if first < len(lines) else []
    return len(row) < 2 or len("\0".join(row).rstrip("\0").split("\0")) <= len(cells) <= len(row) + 1


def _without(lines: Sequence[str], begin: int, separator: str, facts: Facts) -> tuple[int, list[Cell], str] | None:
    """Return (number of the line before the rows, cells of the columns of the spec, "")."""
    width = len(facts["columns"])
    for number in range(begin, len(lines)):
        if len(lines[number]) > _WIDTH:
            continue
        row = _split(lines[number], separator)
        if len(row) == width + 1 and not row[-1]:
            row.pop()
        if len(row) == width and all(_NUMBER.fullmatch(cell) for cell in row):
            return number - 1, [cell_of(name) for name in facts["columns"]], ""
    return None


def _describe(lines: Sequence[str], number: int, cells: list[Cell], separator: str, written: tuple[str, str, str], facts: Facts) -> Head:
    encoding, newline, header = written
    first, declared = _first_row(lines, number + 1, separator)
    rows = [_split(line, separator) for line in lines[first : first + 400] if line.strip() and line != header]
    comma = separator != "," and any(_COMMA.fullmatch(cell) for row in rows for cell in row)
    point = any(re.fullmatch(r"[+-]?[0-9]*\.[0-9]+.*", cell) for row in rows for cell in row)
    while cells and not cells[-1].written and all(len(row) < len(cells) for row in rows):
        cells.pop()
    if rows and len(rows[0]) == len(cells) + 1 and not rows[0][-1]:
        cells = [*cells, Cell("", "", "", negated=False)]
    seen: set[str] = set()
    headings: list[Heading] = []
    negated: set[str] = set()
    for place, cell in enumerate(cells):
        name = cell.role if cell.role not in seen else cell.written
        seen.add(name)
        if cell.negated and name == cell.role:
            negated.add(name)
        headings.append(Heading(cell.written, name, cell.unit, _kind(place, cell.written, rows)))
    preamble = lines[: max(number, 0)] if header else lines[: number + 1]
    stated, info = _info(preamble, facts)
    dialect = Dialect(
        encoding=encoding,
        newline=newline,
        separator=separator,
        decimal="," if comma and not point else ".",
        header_line=max(number, 0) + 1,
        first_line=first + 1,
        headings=tuple(headings),
        preamble=tuple(preamble),
        header=(header,) if header else (),
    )
    return Head(dialect, frozenset(negated), stated if declared is None else declared, info)


def _first_row(lines: Sequence[str], begin: int, separator: str) -> tuple[int, int | None]:
    """Return the line of the first row and the number of rows that a line of one number above it states."""
    declared: int | None = None
    for number in range(max(begin - 2, 0), min(begin + 8, len(lines))):
        lone = _LONE.fullmatch(lines[number])
        if lone:
            declared = int(lone.group(1))
        elif number >= begin and lines[number].strip() and len(_split(lines[number], separator)) > 1:
            return number, declared
    return begin, declared


def _kind(place: int, written: str, rows: Sequence[Sequence[str]]) -> str:
    below = [row[place] for row in rows if place < len(row) and row[place]]
    if not written and not below:
        return "blank"
    return "number" if not below or any(_NUMBER.fullmatch(cell) for cell in below) else "text"


def _info(preamble: Sequence[str], facts: Facts) -> tuple[int | None, dict[str, Any]]:
    """Return the stated number of rows and the facts of the lines before the table."""
    text = "\n".join(preamble)
    info: dict[str, Any] = {}
    for key, pattern in facts.get("facts", {}).items():
        match = re.search(pattern, text, re.MULTILINE)
        if match:
            named = match.groupdict()
            info[key] = "{y}-{m}-{d} {t}".format_map(named) if named else " ".join(group.strip() for group in match.groups() if group)
    if "instrument" in facts:
        info["instrument"] = " ".join([facts["instrument"], *([info["model"]] if info.get("model") else [])])
    remarks = [line.strip() for line in preamble if line.strip(' \t"')]
    if remarks:
        info["preamble"] = remarks[:200]
    stated = re.search(facts["declared"], text, re.MULTILINE) if "declared" in facts else None
    return (int(stated.group(1)) if stated else None), info
