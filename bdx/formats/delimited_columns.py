"""The cells of a header and what stands below them -> columns: name, unit and how the cells of each are parsed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bdx.formats.delimited_header import Found, empty_cells
from bdx.formats.delimited_names import folded, measures, split_unit
from bdx.names import fold
from bdx.spec import Facts

NO_VALUE = ("", "NaN", "nan", "NAN", "-nan", "-NaN", "nan(ind)", "-nan(ind)", "1.#QNAN", "-1.#IND", "1.#IND", "#N/A")
"""Words that mean: no value, in every dialect."""

_INFINITE = r"(?:[+-]?inf(?:inity)?)"
NUMBER = {
    mark: re.compile(
        rf"\s*(?:[+-]?(?:[0-9]+{re.escape(mark)}?[0-9]*|{re.escape(mark)}[0-9]+)(?:[eE][+-]?[0-9]+)?|{_INFINITE})\s*", re.IGNORECASE
    )
    for mark in ".,"
}
_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,18}\s*")
_COMMA = re.compile(r"\s*[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?\s*")
_POINT = re.compile(r"\s*[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?\s*")
_THOUSANDS = re.compile(r"\s*[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+\s*")


@dataclass(frozen=True, slots=True)
class Heading:
    """One column of the header: as written, its name without the unit, the unit, and how its cells are parsed."""

    written: str
    name: str
    unit: str
    kind: str
    """text | number | integer | blank (no name and nothing below it in the head) | comma (decimal commas in a file of points)"""


def decimal_mark(rows: list[list[str]], separator: str) -> str:
    """Return the decimal mark of the whole file: a comma only where the separator leaves it free and no cell has a point."""
    if separator == ",":
        return "."
    cells = [cell for row in rows for cell in row]
    comma = any(_COMMA.fullmatch(cell) for cell in cells)
    return "," if comma and not any(_POINT.fullmatch(cell) for cell in cells) else "."


def is_number(cell: str) -> bool:
    """Say whether a cell is a number with either decimal mark."""
    return any(pattern.fullmatch(cell) for pattern in NUMBER.values())


def headings(
    cells: Iterable[str], units: list[str], rows: list[list[str]], decimal: str, separator: str, dialect: Facts
) -> tuple[Heading, ...]:
    """Return the columns under the cells of a header; `units` are those of a row of units, `rows` the cells below in the head."""
    texts, whole = folded(dialect.get("text", ())), folded(dialect.get("integer", ()))
    beside = folded(dialect.get("unit_beside", ()))
    nulls = {*NO_VALUE, *dialect.get("null", ())}
    found: list[Heading] = []
    for index, cell in enumerate(cells):
        name, unit = split_unit(cell, dialect.get("unit", ""))
        unit = unit or (units[index].strip().strip("[]()").strip() if index < len(units) else "")
        below = [row[index] for row in rows if index < len(row) and row[index].strip() not in nulls]
        if fold(name) in beside and found and found[-1].name:
            found[-1], column = _with_unit(found[-1], cell, name, below)
            found.append(column)
        elif fold(name) in texts and not (measures(unit, "time") and any(fold(other.name) == fold(name) for other in found)):
            # Of "Step" and "Step (Sec)" only the first is a word.
            found.append(Heading(cell, name, unit, "text"))
        elif not name and not below:
            found.append(Heading(cell, name, unit, "blank"))
        else:
            found.append(Heading(cell, name, unit, _kind(below, decimal, separator, whole=fold(name) in whole)))
    return tuple(found)


def _kind(below: list[str], decimal: str, separator: str, *, whole: bool) -> str:
    """Return how the cells of a column are parsed."""
    if whole and below and all(_WHOLE.fullmatch(text) for text in below):
        return "integer"
    if below and all(NUMBER[decimal].fullmatch(text) for text in below):
        return "number"
    return "comma" if decimal == "." and separator != "," and _has_commas(below) else "text"


def _with_unit(value: Heading, cell: str, name: str, below: list[str]) -> tuple[Heading, Heading]:
    """Return a column with the one unit that the column beside it states, and that column named after it."""
    stated = {text.strip() for text in below}
    unit = value.unit or (stated.pop() if len(stated) == 1 else "")
    return replace(value, unit=unit), Heading(f"{value.written.strip()} {cell.strip()}", f"{value.name} {name}", "", "text")


def _has_commas(cells: list[str]) -> bool:
    """Say whether a column holds numbers with decimal commas; where three digits follow each comma these may be thousands."""
    if not all(NUMBER[","].fullmatch(cell) for cell in cells):
        return False
    return any(_COMMA.fullmatch(cell) and not _THOUSANDS.fullmatch(cell) for cell in cells)


def outer_headings(found: Found, rows: list[list[str]], decimal: str, dialect: Facts) -> tuple[tuple[Heading, ...], ...]:
    """Return the columns of the outer levels. A row of a level may go on with the first row of the next one.

    A name that the records have too, or that is none of the format's texts and whole numbers, gets that of its level in front:
    the total of a cycle is not the column of the records.
    """
    levels = {empty: name for name, empty in dialect["levels"].items()}
    own = folded((*dialect.get("text", ()), *dialect.get("integer", ())))
    records = {fold(split_unit(cell, dialect.get("unit", ""))[0]) for cell in found.cells}
    widths = [len(cells) - empty_cells(cells) for cells in found.outer]
    result = []
    for index, cells in enumerate(found.outer):
        depth = empty_cells(cells)
        level = levels.get(depth, f"level {depth}")
        below = [row[depth:] for row in rows if empty_cells(row) == depth]
        below += [row[empty_cells(row) + sum(widths[up:index]) :] for up in range(index) for row in rows if empty_cells(row) == up]
        columns = headings(cells[depth:], [], [row for row in below if row], decimal, found.separator, dialect)
        result.append(
            tuple(replace(item, name=item.name if fold(item.name) in own - records else f"{level} {item.name}") for item in columns)
        )
    return tuple(result)
