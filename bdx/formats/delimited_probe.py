"""What the head of a text file shows of its dialect: encoding, separator, decimal mark, header and the kind of every column."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from bdx.formats.delimited_columns import Heading, decimal_mark, headings, is_number, outer_headings
from bdx.formats.delimited_head import BLANKS, Head, heads, split
from bdx.formats.delimited_header import Found, empty_cells, find, pattern
from bdx.formats.delimited_names import ROW, styles_of
from bdx.spec import Facts

__all__ = ["Dialect", "Heading", "claims", "preamble_facts", "probe"]

HEAD_ROWS = 400

_DATE = re.compile(r"[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}")
_TIME = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9.,]+)?")
_UNIT_ROW = re.compile(r"[^0-9]*|.*\[[^\]]*\].*")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one file is written. Rows begin on line `first_line` (lines count from 1)."""

    encoding: str
    newline: str
    separator: str
    decimal: str
    header_line: int
    first_line: int
    headings: tuple[Heading, ...]
    preamble: tuple[str, ...]
    refused: Facts | None = None
    header: tuple[str, ...] = ()
    """The lines of the header as written, and of its units: written again among the rows they are no rows."""
    outer: tuple[tuple[Heading, ...], ...] = ()
    """The columns of the outer levels, where rows of several levels share the file."""
    wrapped: bool = False
    """Whether rows stand whole in quotation marks."""
    dated: bool = False
    """Whether a blank between date and time of day is no separator, where blanks separate."""
    unfilled: tuple[str, ...] = ()
    """Names at the end of the header that no row has a cell for."""
    carriage: bool = False
    """Whether lines end in a lone carriage return; the blocks have line feeds instead."""
    unnamed: int = 0
    """How many cells the rows have for which the header lacks a name, nobody knows which."""

    @property
    def parsed_separator(self) -> str:
        """The character between cells once runs of blanks are made one mark."""
        return "\t" if self.separator == BLANKS else self.separator


def probe(head: bytes, dialect: Facts) -> Dialect | None:
    """Return the dialect of a file from its first bytes and the [delimited] facts of a format, or None if it is another format."""
    for candidate in heads(head, dialect):
        found = find(candidate, dialect)
        if found is not None:
            return _describe(candidate, found, dialect)
    return None


def claims(head: bytes, dialect: Facts) -> bool:
    """Say whether the head is of this dialect, without a look at its rows."""
    return any(find(candidate, dialect) is not None for candidate in heads(head, dialect))


def _describe(head: Head, found: Found, dialect: Facts) -> Dialect:
    """Return the dialect of a file whose header was found."""
    styles = styles_of(dialect.get("unit", ""))
    first, units = _units(head, found, styles)
    header = tuple(head.lines[found.before : first])
    lines = _body(head, first, header, dialect)
    rows = [split(line, found.separator) for line in lines]
    if found.outer:
        depth = empty_cells(found.cells)
        outer_rows = [row for row in rows if empty_cells(row) < depth]
        rows = [row for row in rows if empty_cells(row) == depth]
    cells, rows, dated = _fitted(found.cells, rows, found.separator, short=bool(dialect.get("short")))
    # A table may close with a line of totals or a remark.
    filled = [row for row in rows[: max(1, len(rows) - 1)] if len(row) == len(cells)] or rows
    decimal = decimal_mark(filled, found.separator)
    return Dialect(
        encoding=head.encoding,
        newline="\n",
        carriage=head.newline == "\r",
        separator=found.separator,
        decimal=decimal,
        header_line=found.line + 1,
        first_line=first + 1,
        headings=headings(cells, units, filled, decimal, found.separator, dialect),
        preamble=tuple(head.lines[: found.before]),
        refused=found.refused,
        header=header,
        outer=outer_headings(found, outer_rows, decimal, dialect) if found.outer else (),
        wrapped=sum(_is_wrapped(line, found.separator) for line in lines) * 2 > len(lines),
        dated=dated,
        unfilled=tuple(cell.strip() for cell in found.cells[len(cells) :] if cell.strip()),
        unnamed=_unnamed(cells, rows),
    )


def _units(head: Head, found: Found, styles: tuple[str, ...]) -> tuple[int, list[str]]:
    """Return the number of the first line after the header and its units, and the units of the row below the header.

    That row has no cell with a number in it, save in brackets.
    """
    first = found.after
    if ROW not in styles:
        return first, []
    below = next((number for number in range(first, min(first + 3, len(head.lines))) if head.lines[number].strip()), None)
    if below is None:
        return first, []
    cells = split(head.lines[below], found.separator)
    if not any(cell.strip() for cell in cells) or any(is_number(cell) for cell in cells):
        return first, []
    if not all(_UNIT_ROW.fullmatch(cell) or len(cell.strip()) <= 8 for cell in cells):
        return first, []
    return below + 1, cells


def _body(head: Head, first: int, header: tuple[str, ...], dialect: Facts) -> list[str]:
    """Return the lines of rows in the head; half a line says nothing, unless it is alone."""
    last = len(head.lines) - (not head.whole)
    lines = head.lines[first : max(first, last)][:HEAD_ROWS] or head.lines[first:][:1]
    end = pattern(dialect["end"]) if "end" in dialect else None
    skip = pattern(dialect["skip"]) if "skip" in dialect else None
    rows: list[str] = []
    for line in lines:
        if end is not None and end.search(line):
            break
        if line.strip() and line not in header and not (skip is not None and skip.search(line)):
            rows.append(line)
    return rows


def _fitted(cells: list[str], rows: list[list[str]], separator: str, *, short: bool) -> tuple[list[str], list[list[str]], bool]:
    """Return the header cut or widened to the rows where the difference is a separator at the end of either, and the rows.

    In a format whose rows may be `short`, names after their last cell are cut off too. Where blanks separate and every row has
    a date and a time of day in neighbouring cells, one cell too many, they are one.
    """
    if not rows:
        return cells, rows, False
    width, often = Counter(map(len, rows)).most_common(1)[0]
    if separator == BLANKS and width == len(cells) + 1:
        joined = [_with_date(row) for row in rows]
        if all(len(row) == len(cells) for row in joined if len(row) > 2):
            return cells, joined, True
    if width < len(cells) and (short or not cells[width].strip()) and often * 2 > len(rows):
        return cells[:width], rows, False
    if width == len(cells) + 1 and not any(row[-1].strip() for row in rows if len(row) == width):
        return [*cells, ""], rows, False
    if width == len(cells) + 1 and not any(len(row) == len(cells) for row in rows) and len(rows) > 1:
        return [*cells, ""], rows, False
    return cells, rows, False


def _with_date(row: list[str]) -> list[str]:
    for index in range(len(row) - 1):
        if _DATE.fullmatch(row[index]) and _TIME.fullmatch(row[index + 1]):
            return [*row[:index], f"{row[index]} {row[index + 1]}", *row[index + 2 :]]
    return row


def _unnamed(cells: list[str], rows: list[list[str]]) -> int:
    """Return 1 where nearly all rows have a value below the nameless end of the header: some name is missing, the last or another."""
    if cells[-1].strip() or len(cells) < 2 or not all(cell.strip() for cell in cells[:-1]):
        return 0
    last = [row[-1] for row in rows if len(row) == len(cells)]
    return int(len(last) > 1 and sum(bool(cell.strip()) for cell in last) >= 0.9 * len(last))


def _is_wrapped(line: str, separator: str) -> bool:
    return line.startswith('"') and line.endswith('"') and separator in line and not line[1:-1].replace('""', "").count('"')


def preamble_facts(lines: tuple[str, ...], dialect: Facts) -> dict[str, Any]:
    """Return the lines before the header as key -> value where they have the format's mark, else as a list of remarks.

    Facts that the format names by a pattern come first.
    """
    text = "\n".join(lines)
    found: dict[str, Any] = {}
    for key, wanted in dialect.get("facts", {}).items():
        match = pattern(wanted).search(text)
        if match is not None and match.group(match.lastindex or 0):
            found[key] = match.group(match.lastindex or 0).strip()
    remarks: list[str] = []
    mark = dialect.get("preamble", "")
    for line in lines:
        key, _, value = line.strip().partition(mark) if mark else ("", "", "")
        value = value.strip().strip(",;\t").strip()
        if mark and key.strip() and mark in line and key.strip() not in found:
            found[key.strip()] = value
        elif line.strip():
            remarks.append(line.strip())
    if remarks:
        found["preamble"] = remarks
    return found
