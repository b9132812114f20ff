"""Sheets of a workbook as flat tables: cells as the text a person reads, dates in place of day numbers, with the number of each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import BATCH_ROWS, Part, Table
from bdx.errors import SourceError, did_you_mean
from bdx.formats.flat_head import Layout, composed, fits
from bdx.formats.source import Source
from bdx.formats.xlsx_book import Workbook
from bdx.formats.xlsx_sheet import Piece, Sheet
from bdx.formats.xlsx_values import CLOCK, PLAIN, Reading
from bdx.names import fold, matches
from bdx.spec import Facts

_HEADER_ROWS = 64
_MAGIC = b"PK\x03\x04"
_ODD = r"[eE]|^[+-]?[0-9]*\.?[0-9]{16,}|\.[0-9]{12,}"
_NO_FACTS: Facts = {"group": ()}


@dataclass(slots=True)
class First:
    """The first rows of a sheet that hold anything: their numbers and their texts by place."""

    numbers: list[int]
    rows: list[list[str]]


def is_workbook(head: bytes) -> bool:
    """Say whether bytes begin a ZIP, which a workbook is."""
    return head.startswith(_MAGIC)


def first_rows(book: Workbook, name: str, most: int = _HEADER_ROWS, decimal: str = ".") -> First:
    """Return the first rows of a sheet as text, empty cells where there is none."""
    found = First([], [])
    for piece in Sheet(book, name, _NO_FACTS).pieces(most):
        width = int(piece.cells.column.max()) + 1 if len(piece.cells.column) else 0
        columns = [_texts(piece, place, book, decimal).to_pylist() for place in range(width)]
        for place, number in enumerate(piece.cells.numbers.tolist()):
            row = [column[place] or "" for column in columns]
            if any(cell.strip() for cell in row):
                found.numbers.append(number)
                found.rows.append([cell.strip() for cell in row])
        break
    return found


def claims(source: Source, facts: Facts, wanted: list[Layout]) -> bool:
    """Say whether a sheet has the header of a table of the mapping."""
    try:
        with source.seekable() as file:
            book = Workbook(file, source.uri)
            return any(_header(first_rows(book, name).rows, facts, wanted, name) is not None for name in book.sheets)
    except SourceError:
        return False


def read(source: Source, facts: Facts, wanted: list[Layout]) -> Iterator[Part]:
    """Yield a table for each sheet with the header of a table of the mapping; the others are losses.

    Raises: SourceError where no sheet has one; CorruptSource, TruncatedSource, UnsafeSource.
    """
    decimal = facts.get("file", {}).get("decimal", ".")
    with source.seekable() as file:
        book = Workbook(file, source.uri)
        some = False
        seen: list[str] = []
        for name in book.sheets:
            first = first_rows(book, name)
            found = _header(first.rows, facts, wanted, name)
            if found is None:
                seen += [cell for row in first.rows[:8] for cell in row if cell]
                if first.rows:
                    source.log.lose(source.uri, f"sheet '{name}'", "it has no header of the mapping file")
                continue
            some = True
            at, tables = found
            layout = wanted[tables[0]]
            for number, row in zip(first.numbers[:at], first.rows[:at], strict=True):
                shown = " ".join(cell for cell in row if cell)[:80]
                source.log.lose(source.uri, f"sheet '{name}', row {number}: {shown}", "it stands above a header")
            names = composed(first.rows[at : at + layout.rows], units=layout.units)
            yield _table(book, name, names, first.numbers[at + layout.rows - 1], tables, decimal)
        if not some:
            lacking = [name for name in wanted[0].names if name not in matches(seen, wanted[0].names)]
            shown = ", ".join(f"'{name}'{did_you_mean(name, seen)}" for name in lacking[:4])
            raise SourceError(f"has no sheet with a header of the mapping file; not found: {shown or 'its columns'}", path=source.uri)


def _header(rows: list[list[str]], facts: Facts, wanted: list[Layout], sheet: str) -> tuple[int, tuple[int, ...]] | None:
    """Return the place of the header among the first rows of a sheet and the tables it is of."""
    best: tuple[int, int, tuple[int, ...]] = (0, 0, ())
    tables = facts["table"]
    free = [n for n in range(len(wanted)) if fold(tables[n].get("sheet", sheet)) == fold(sheet)]
    for at in range(min(len(rows), _HEADER_ROWS)):
        scores = {n: fits(rows[at : at + wanted[n].rows], wanted[n]) for n in free}
        most = max(scores.values(), default=0)
        if most > best[0]:
            layout = wanted[next(n for n in scores if scores[n] == most)]
            same = [n for n in free if scores[n] and (wanted[n].rows, wanted[n].units) == (layout.rows, layout.units)]
            kept = tuple(n for n in same if "where" in tables[n]) or tuple(n for n in same if scores[n] == most)[:1]
            best = (most, at, kept)
    return (best[1], best[2]) if best[0] else None


def _table(book: Workbook, name: str, names: Sequence[str], row: int, tables: tuple[int, ...], decimal: str) -> Table:
    fields = [
        pa.field(cell or f"column {place + 1}", pa.string(), metadata={"bdx.name": cell} if cell else {})
        for place, cell in enumerate(names)
    ]
    schema = pa.schema([*fields, pa.field("line", pa.int64())], metadata={"sheet": name})
    return Table(",".join(map(str, tables)), schema, _batches(book, name, schema, row, decimal))


def _batches(book: Workbook, name: str, schema: pa.Schema, row: int, decimal: str) -> Iterator[pa.RecordBatch]:
    width = len(schema) - 1
    for piece in Sheet(book, name, _NO_FACTS).pieces(None):
        arrays = [_texts(piece, place, book, decimal) for place in range(width)]
        filled = np.zeros(len(piece.cells.numbers), np.bool_)
        for array in arrays:
            filled |= array.is_valid().to_numpy(zero_copy_only=False)
        filled &= piece.cells.numbers > row
        whole = pa.RecordBatch.from_arrays([*arrays, pa.array(piece.cells.numbers, pa.int64())], schema=schema).filter(pa.array(filled))
        for start in range(0, whole.num_rows, BATCH_ROWS):
            yield whole.slice(start, BATCH_ROWS)


def _texts(piece: Piece, place: int, book: Workbook, decimal: str) -> pa.Array:
    """Return the cells of a column as text, null where there is none: dates written out, numbers as short as they are exact."""
    at, text, classes = piece.column(place)
    text = Reading({}, book.since_1904).as_text(text, np.where(classes == CLOCK, PLAIN, classes).astype(np.int8))
    plain = np.isin(classes, (PLAIN, CLOCK))
    if plain.any():
        text = _numbers(text, plain, decimal)
    order = np.full(len(piece.cells.numbers), -1, np.int64)
    order[at] = np.arange(len(at))
    found = text.take(pa.array(order, mask=order < 0))
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(found), ""), None, found)


def _numbers(text: pa.Array, plain: Any, decimal: str) -> pa.Array:
    """Return texts whose numbers are written as a person reads them: 0.5069, not 0.50690000000000002, with the file's decimal mark."""
    odd = pc.and_(pc.match_substring_regex(text, _ODD), pa.array(plain))
    if pc.any(odd).as_py():
        text = pc.replace_with_mask(text, odd, pa.array([_short(item) for item in text.filter(odd).to_pylist()], pa.string()))
    if decimal == ",":
        text = pc.if_else(pa.array(plain), pc.replace_substring(text, ".", ","), text)
    return text


def _short(text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
