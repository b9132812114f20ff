"""Canonical tables in a workbook: sheets named after them, or whose header names their columns; filled in by hand or by bdx."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bdx import canon, spec
from bdx.canon import Chunk, Part
from bdx.errors import SourceError
from bdx.formats.canonical import as_parts
from bdx.formats.rows import Columns
from bdx.formats.rows_header import Heading, choose, exact, fit, fold, headings
from bdx.formats.rows_text import Sheet as Written
from bdx.formats.sheets_cells import Reader
from bdx.formats.sheets_family import PARENT, families
from bdx.formats.sheets_write import write_chunks
from bdx.formats.source import Source
from bdx.formats.xlsx_book import Workbook
from bdx.formats.xlsx_sheet import Piece, Sheet
from bdx.spec import Facts, FormatSpec

__all__ = ["read", "read_chunks", "sniff_source", "write_chunks"]

_PART = re.compile(rb"PK\x03\x04.{26}xl/(?:workbook|worksheets|sharedStrings|styles|theme|_rels)", re.DOTALL)
_HEADER_ROWS = 20
_LEAST = 2
_NO_FACTS: Facts = {"group": ()}


@dataclass(frozen=True, slots=True)
class _Found:
    """A sheet that holds a table: the row of its header, the places and the texts of the header's cells, what stands above."""

    name: str
    table: str
    row: int
    places: tuple[int, ...]
    cells: tuple[str, ...]
    above: str


def sniff_source(source: Source, _format_spec: FormatSpec) -> bool:
    """Say whether a sheet is named after a canonical table and has columns of it, or one has a header made of canonical names."""
    try:
        with source.seekable() as file:
            book = Workbook(file, source.uri)
            return any(_is_table(book, name) for name in book.sheets)
    except SourceError:
        # A ZIP of something else is none of this format; a workbook that is cut or damaged says so itself.
        if _PART.search(source.head) is not None:
            raise
        return False


def _is_table(book: Workbook, name: str) -> bool:
    rows = _first_rows(book, name)
    if fold(name) in spec.tables():
        return any(_known(cells, fold(name)) for _, _, cells in rows)
    return any(_canonical(cells) for _, _, cells in rows)


def _canonical(cells: tuple[str, ...]) -> bool:
    """Say whether cells are names of columns, for the better part; of a battery also as people write them ("Rated Capacity [mAh]")."""
    known, (count, tables) = exact(cells), fit(cells)
    if known >= _LEAST:
        return max(known, count) * 2 >= len(cells)
    of_battery = all(PARENT in (table, spec.table(table).parent) for table in tables)
    return count > _LEAST and count * 2 >= len(cells) and of_battery


def _known(cells: tuple[str, ...], table: str) -> int:
    return len({heading.column for heading in headings(cells, table)} - {""})


def _first_rows(book: Workbook, name: str) -> list[tuple[int, tuple[int, ...], tuple[str, ...]]]:
    """Return (number, places, texts) of the first rows of a sheet that hold anything."""
    found: dict[int, list[tuple[int, str]]] = {}
    for piece in Sheet(book, name, _NO_FACTS).pieces(_HEADER_ROWS):
        numbers = piece.cells.numbers[piece.cells.row].tolist()
        for number, place, text in zip(numbers, piece.cells.column.tolist(), piece.text.to_pylist(), strict=True):
            if text.strip():
                found.setdefault(number, []).append((place, " ".join(text.split())))
        break
    rows = []
    for number, cells in found.items():
        cells.sort()
        rows.append((number, tuple(place for place, _ in cells), tuple(text for _, text in cells)))
    return rows


def read(source: Source, format_spec: FormatSpec) -> Iterator[Part]:
    """Yield one part per batch, named by its canonical table."""
    return as_parts(read_chunks(source, format_spec))


def read_chunks(source: Source, format_spec: FormatSpec) -> Iterator[Chunk]:
    """Yield the tables of a workbook, child rows with the battery they name by serial number, battery id or passport id.

    A cell that cannot be read is null and a finding; columns and sheets that are no canonical ones are losses.
    Raises: SourceError where no sheet holds a canonical table; CorruptSource, TruncatedSource, UnsafeSource.
    """
    with source.seekable() as file:
        book = Workbook(file, source.uri)
        found = [sheet for name in book.sheets if (sheet := _sheet(book, name, source, format_spec)) is not None]
        if not found:
            known = ", ".join(list(book.sheets)[:8]) or "none"
            raise SourceError(f"no sheet is named after a canonical table or has its columns; sheets: {known}", path=source.uri)
        tables: dict[str, list[_Found]] = {}
        for sheet in found:
            if sheet.table in tables:
                source.log.find("F127", source=source.uri, table=sheet.table, value=sheet.name)
            tables.setdefault(sheet.table, []).append(sheet)
        yield from families(list(tables), lambda table: _rows(book, tables[table], source), source)


def tables(source: Source, _format_spec: FormatSpec) -> list[str]:
    """Return the tables that the sheets of a workbook are named after or have the columns of."""
    with source.seekable() as file:
        book = Workbook(file, source.uri)
        rows = {name: _first_rows(book, name) for name in book.sheets}
        found = []
        for name, lines in rows.items():
            if fold(name) in spec.tables():
                found.append(fold(name))
            else:
                found += [choose(cells, source.uri, fold(name)) for _, _, cells in lines if _canonical(cells)][:1]
        return found


def _sheet(book: Workbook, name: str, source: Source, format_spec: FormatSpec) -> _Found | None:
    """Return what a sheet holds; one that holds no canonical table is a loss, save the help of a template and what is empty."""
    rows = _first_rows(book, name)
    help_of = format_spec.raw["help"].get(name)
    if help_of is not None and (not rows or rows[0][2][: len(help_of)] == tuple(help_of)):
        return None
    named = fold(name) if fold(name) in spec.tables() else ""
    scores = [_known(cells, named) if named else fit(cells)[0] for _, _, cells in rows]
    best = max(scores, default=0)
    if best < (1 if named else _LEAST):
        if rows:
            source.log.lose(source.uri, f"sheet '{name}'", "it is not named after a canonical table and has no header of one")
        return None
    number, places, cells = rows[scores.index(best)]
    above = rows[0][2][0] if number != rows[0][0] else ""
    return _Found(name, named or choose(cells, source.uri, fold(name)), number, places, cells, above)


def _rows(book: Workbook, sheets: list[_Found], source: Source) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one table, sheet by sheet, as canonical batches; an empty one where there are no rows."""
    nothing = None
    some = False
    for sheet in sheets:
        if sheet.above:
            source.log.find("F126", source=source.uri, table=sheet.table, row=sheet.row, locator=f"sheet '{sheet.name}'", value=sheet.above)
        columns = Columns(sheet.table, Written("", ".", sheet.cells, sheet.row, place=f"sheet '{sheet.name}', "), source)
        reader = Reader(book.since_1904, sheet.table, source)
        known = headings(sheet.cells, sheet.table)
        nothing = columns.batch(_nothing(len(sheet.cells)), np.array([], np.int64))
        for piece in Sheet(book, sheet.name, _NO_FACTS).pieces(None):
            cells, numbers = _texts(piece, sheet, known, reader)
            for start in range(0, cells.num_rows, canon.BATCH_ROWS):
                batch = columns.batch(cells.slice(start, canon.BATCH_ROWS), numbers[start : start + canon.BATCH_ROWS])
                if batch.num_rows:
                    some = True
                    yield batch
    if nothing is not None and not some:
        yield nothing


def _nothing(width: int) -> pa.RecordBatch:
    names = [f"c{place}" for place in range(width)]
    return pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in names], names)


def _texts(piece: Piece, sheet: _Found, known: list[Heading], reader: Reader) -> tuple[pa.RecordBatch, Any]:
    """Return the cells below the header as texts, and the numbers of their rows; rows without any are left out."""
    numbers = piece.cells.numbers
    arrays = []
    for place, heading in zip(sheet.places, known, strict=True):
        at, text, classes = piece.column(place)
        arrays.append(reader.column(heading, text, classes, numbers, at, len(numbers)))
    filled = np.zeros(len(numbers), np.bool_)
    for array in arrays:
        filled |= array.is_valid().to_numpy(zero_copy_only=False)
    filled &= numbers > sheet.row
    batch = pa.RecordBatch.from_arrays(arrays, [f"c{place}" for place in range(len(arrays))])
    return batch.filter(pa.array(filled)), numbers[filled]
