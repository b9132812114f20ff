"""Headers of a sheet to canonical columns: which table it is, what each column means, in which unit it was written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from bdx import spec, units
from bdx.errors import MappingError, SourceError, did_you_mean
from bdx.formats.canonical import spellings

_BRACKETS = re.compile(r"\s*(.*?\S)\s*(?:\[([^\[\]]*)\]|\(([^()]*)\)|\s/\s(\S+))\s*")


SHOWN = 40
"""Letters of a header cell that a message shows."""

MAX_CELLS = 1000
"""Header cells looked at to find the table; no table has a third of that."""


@dataclass(frozen=True, slots=True)
class Heading:
    """One column of a sheet: its header as written, the canonical column ("" where there is none), the unit to convert from."""

    written: str
    column: str = ""
    unit: str = ""
    why: str = ""
    extra: bool = False


def headings(cells: Sequence[str], table: str) -> list[Heading]:
    """Return what each header cell means in a table, and why where it means nothing there."""
    found = [_heading(cell.strip(), table) for cell in cells]
    known = spec.table(table).by_name
    unknown = f"table {table} has no such column"
    return [
        heading if heading.column or heading.why else Heading(heading.written, why=unknown + did_you_mean(fold(heading.written), known))
        for heading in found
    ]


def _heading(cell: str, table: str) -> Heading:
    facts = spec.table(table)
    known = _folded(table)
    exact = spellings(table).get(cell) or known.get(fold(cell))
    if exact:
        return Heading(cell, exact)
    base, unit = _parted(cell)
    if facts.sparse and base.startswith("extra_"):
        return Heading(cell, base, unit, extra=True)
    found = [name for name in (_stems(table).get(fold(base), ()) or [known.get(fold(base), "")]) if name] if unit else []
    if not found:
        return Heading(cell)
    fitting = [name for name in found if _converts(unit, facts.by_name[name].unit)]
    if len(fitting) != 1:
        expected = " or ".join(f"{facts.by_name[name].unit or 'none'} ({name})" for name in found)
        return Heading(cell, why=f"its unit '{unit}' does not become {expected}")
    scale, offset = units.factor(unit, facts.by_name[fitting[0]].unit)
    return Heading(cell, fitting[0], "" if scale == 1 and offset == 0 else unit)


@lru_cache(4096)
def _parted(cell: str) -> tuple[str, str]:
    """Return (name, unit) of a header such as "Mass [g]", "Mass (g)" or "Mass / g"."""
    bracket = _BRACKETS.fullmatch(cell)
    return (bracket[1], (bracket[2] or bracket[3] or bracket[4] or "").strip()) if bracket else (cell, "")


@cache
def _converts(unit: str, target: str) -> bool:
    try:
        units.factor(unit, target)
    except MappingError:
        return False
    return bool(target)


@lru_cache(4096)
def fold(name: str) -> str:
    """Return a name in lower snake case."""
    return re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")


@cache
def _folded(table: str) -> dict[str, str]:
    return {fold(name): column for name, column in reversed(list(spellings(table).items()))}


@cache
def _stems(table: str) -> dict[str, list[str]]:
    """Return the columns by their name without the ending that tells their unit."""
    endings = spec.format_spec("csv").raw["endings"]
    found: dict[str, list[str]] = {}
    for column in spec.table(table).columns:
        for ending in endings.get(column.unit, ()):
            if column.name.endswith(f"_{ending}"):
                found.setdefault(column.name.removesuffix(f"_{ending}"), []).append(column.name)
    return found


def fit(cells: Sequence[str]) -> tuple[int, list[str]]:
    """Return (how many headers are known, the tables that know that many)."""
    best = 0
    found: list[str] = []
    names = [cell.strip() for cell in cells[:MAX_CELLS]]
    for table in spec.tables():
        known = {heading.column for name in names if (heading := _heading(name, table)).column and not heading.extra}
        if len(known) > best:
            best, found = len(known), []
        if known and len(known) == best:
            found.append(table)
    return best, found


def exact(cells: Sequence[str]) -> int:
    """Return how many of the cells are names of columns of one table, the most that any table has."""
    names = {cell.strip() for cell in cells}
    return max(len(names & spec.table(table).by_name.keys()) for table in spec.tables())


def choose(cells: Sequence[str], source: str, stem: str) -> str:
    """Return the table whose columns the headers name; `stem`, the file's name, decides between equals.

    Raises: SourceError where no table fits, or several fit alike.
    """
    count, found = fit(cells)
    if not count or (count < 2 and len(cells) > 1):
        shown = ", ".join(" ".join(cell.split())[:SHOWN] for cell in cells[:6])
        raise SourceError(f"has headers no canonical table knows ({shown}); `bdx schema TABLE` lists the columns", path=source)
    if len(found) > 1 and stem in found:
        return stem
    whole = [table for table in found if all(column.name in cells for column in spec.table(table).columns if column.required)]
    found = whole or found
    if len(found) > 1:
        names = ", ".join(found)
        raise SourceError(
            f"has headers that fit the tables {names} alike; name the file after one or add a column only it has", path=source
        )
    return found[0]
