"""The first rows of a flat file as grids of text: one for each block of a text file, one for each sheet of a workbook."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bdx import units
from bdx.errors import SourceError
from bdx.formats import flat_sheets
from bdx.formats.delimited_head import Head, heads
from bdx.formats.flat_head import APART, composed, encodings, separator_of, text_head
from bdx.formats.source import Source
from bdx.formats.xlsx_book import Workbook
from bdx.mapping.flat_headers import Meaning, meaning

_MOST_BYTES = 1 << 20
_SAMPLE_ROWS = 400
_ABOVE = 12
_DEEPEST = 4
IDENTITY = ("item_id", "serial_number", "lot_id", "step", "step_run_id", "order_id", "input_item_id", "output_item_id", "parameter")
"""Fields that say what a row is of."""

_NUMBER = re.compile(r"[+-]?[0-9][0-9.,' ]*(?:[eE][+-]?[0-9]+)?%?")
_DATE = re.compile(r"[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}.*")


@dataclass(slots=True)
class Grid:
    """Rows of cells; `title` is the name of the sheet or the line above the block."""

    title: str
    rows: list[list[str]]
    sheet: bool = False


@dataclass(slots=True)
class Header:
    """A header in a grid: where its first row stands, how many rows it has, its names, what they mean, and the rows below."""

    at: int
    depth: int
    units: bool
    names: list[str]
    meanings: list[Meaning | None]
    below: list[list[str]]

    @property
    def known(self) -> int:
        """How many columns are known."""
        return sum(found is not None for found in self.meanings)

    def samples(self, place: int) -> list[str]:
        """Return the filled cells of a column."""
        return [row[place] for row in self.below if place < len(row) and row[place]]


@dataclass(slots=True)
class Written:
    """How a text file is written."""

    encoding: str
    separator: str


def grids(source: Source) -> tuple[list[Grid], Written | None]:
    """Return the grids of a file, and of a text how it is written.

    Raises: SourceError and its kin where it is no text of rows and columns and no workbook.
    """
    if source.is_directory:
        raise SourceError("is a folder; expected a file of rows and columns", path=source.uri)
    if not source.head:
        raise SourceError("is empty; expected rows and columns", path=source.uri)
    if flat_sheets.is_workbook(source.head):
        with source.seekable() as file:
            book = Workbook(file, source.uri)
            return [Grid(name, flat_sheets.first_rows(book, name, _SAMPLE_ROWS).rows, True) for name in book.sheets], None
    head = text_head(source, {})
    if not any(letter.isprintable() for line in head.lines[:5] for letter in line):
        raise SourceError("is no text of rows and columns", path=source.uri)
    separator = separator_of(head, {})
    return list(_blocks(_long_head(source, head), separator)), Written(head.encoding, separator)


def _long_head(source: Source, head: Head) -> Head:
    """Return the first megabyte in the encoding of the head, for a file of several blocks."""
    if head.whole and len(source.head) < 65_536:
        return head
    with source.seekable() as file:
        data = file.read(_MOST_BYTES)
    return next(heads(data, {"encodings": tuple(dict.fromkeys([head.encoding, *encodings(data)]))}), head) if data else head


def _blocks(head: Head, separator: str) -> Iterator[Grid]:
    """Yield the blocks of a text: rows that follow a line of one cell or none, and begin with what could be a header."""
    title = ""
    rows: list[list[str]] = []
    made: list[Grid] = []
    last = len(head.lines) - (not head.whole and len(head.lines) > 2)
    apart = True
    behind = 0
    for number in range(last):
        if number < behind:
            continue
        found, span = head.row(number, separator)
        behind = number + span
        cells = [cell.strip() for cell in found]
        filled = [cell for cell in cells if cell]
        if not filled or (len(filled) == 1 and (apart or len(cells) == 1) and any(separator in line for line in head.lines)):
            apart, title = True, (filled[0] if filled else title if apart else "")
            continue
        if apart and (not made or not any(map(_is_data, filled))):
            rows = []
            made.append(Grid(title, rows))
        apart = False
        if len(rows) < _SAMPLE_ROWS:
            rows.append(cells)
    yield from made


def header_of(rows: Sequence[list[str]]) -> Header | None:
    """Return the header of a grid: of the rows at its top those whose names tell the most; None where nothing is known."""
    best: Header | None = None
    for at in range(min(_ABOVE, len(rows))):
        for depth in range(1, _DEEPEST + 1):
            block = rows[at : at + depth]
            if len(block) < depth or any(_is_data(cell) for row in block for cell in row):
                break
            for with_units in (False, True) if depth > 1 else (False,):
                if with_units and not _are_units(block[-1]):
                    continue
                made = _header(rows, at, depth, with_units)
                if best is None or _rank(made) > _rank(best):
                    best = made
    return best if best is not None and best.known else None


def _rank(header: Header) -> tuple[bool, int, int, bool, int]:
    named = any(found is not None and found.field in IDENTITY for found in header.meanings)
    told = sum(bool(found.unit) + bool(found.step) + (found.role not in ("", "actual")) for found in header.meanings if found is not None)
    return named, header.known, told, header.units, -header.depth


def _header(rows: Sequence[list[str]], at: int, depth: int, with_units: bool) -> Header:
    names = composed(rows[at : at + depth], units=with_units)
    below = list(rows[at + depth :])
    while names and not names[-1] and not any(len(row) >= len(names) and row[len(names) - 1] for row in below):
        names.pop()
    meanings = [meaning([part.partition(" #")[0] for part in name.split(APART)]) if name else None for name in names]
    return Header(at, depth, with_units, names, meanings, below)


def _is_data(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell) or _DATE.fullmatch(cell))


def _are_units(cells: Sequence[str]) -> bool:
    filled = [cell.strip("[]() ") for cell in cells if cell.strip("[]()-\u2013 ")]
    return bool(filled) and all(units.known(cell) for cell in filled)
