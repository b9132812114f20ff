"""One sheet of a workbook as a table: its header, the kind of each column, and its rows as typed batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import BATCH_ROWS
from bdx.errors import SourceError
from bdx.formats.delimited_names import folded, split_unit
from bdx.formats.source import Source
from bdx.formats.xlsx_book import Workbook
from bdx.formats.xlsx_values import CLASSES, CLOCK, DATE, NUMBER, PLAIN, WORD, Classes, Field, Reading
from bdx.formats.xlsx_xml import Cells, cells
from bdx.names import fold
from bdx.spec import Facts

HEADER_ROWS = 64
_HEAD_ROWS = 1_000
"""Rows that decide what kind of values a column holds."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header: the number of its row in the sheet, and its columns."""

    row: int
    fields: tuple[Field, ...]


@dataclass(slots=True)
class Piece:
    """Cells with their shared strings in place and what each cell is."""

    cells: Cells
    text: pa.Array
    classes: Classes

    def column(self, number: int) -> tuple[Any, pa.Array, Classes]:
        """Return the rows of the cells of a column, their texts and classes."""
        which = np.flatnonzero(self.cells.column == number)
        return self.cells.row[which], self.text.take(pa.array(which)), self.classes[which]


class Sheet:
    """One sheet of an opened workbook, read by the [xlsx] facts of a format."""

    def __init__(self, book: Workbook, name: str, facts: Facts) -> None:
        self.book = book
        self.name = name
        self._facts = facts
        self._reading = Reading(facts, book.since_1904)

    def header(self) -> Header | None:
        """Return the header in the first rows, or None where no row has a name of every group; columns are not typed yet."""
        return next((self._header_in(piece) for piece in self.pieces(HEADER_ROWS)), None)

    def grid(self, most: int, before: int | None = None) -> list[dict[int, Any]]:
        """Return the first rows (those above row `before`) as column -> value: dates as datetime, numbers as int or float, or text."""
        for piece in self.pieces(most):
            rows: list[dict[int, Any]] = [{} for _ in piece.cells.numbers]
            for place in np.lexsort((piece.cells.column, piece.cells.row)).tolist():
                rows[int(piece.cells.row[place])][int(piece.cells.column[place])] = self._reading.one(
                    piece.text[place].as_py(), int(piece.classes[place])
                )
            return rows if before is None else rows[: int((piece.cells.numbers < before).sum())]
        return []

    def typed(self) -> Header | None:
        """Return the header with the kind of each column as the first rows below it show."""
        head: list[Piece] = []
        header: Header | None = None
        try:
            for piece in self.pieces(None):
                header = header or self._header_in(piece)
                head.append(piece)
                if header is None or sum(len(part.cells.numbers) for part in head) >= _HEAD_ROWS:
                    break
        except SourceError:
            # A fault below the header is met again where the rows are read, after those that are whole.
            if header is None:
                raise
        if header is None:
            return None
        return Header(header.row, tuple(self._typed(field, header.row, head) for field in header.fields))

    def batches(self, header: Header, wanted: tuple[Field, ...], source: Source) -> Iterator[pa.RecordBatch]:
        """Yield the rows below a header as columns of the wanted fields; a field this sheet has no column for is null.

        `wanted` are the typed fields of the first sheet; they are found again by their names as written.
        """
        schema = pa.schema([field.arrow() for field in wanted])
        here = {fold(field.written): field.column for field in header.fields}
        places = [here.get(fold(field.written), -1) for field in wanted]
        keys = [places[index] for index, field in enumerate(wanted) if fold(field.name) in folded(self._facts.get("row", ()))]
        for piece in self.pieces(None):
            numbers = piece.cells.numbers
            kept = (numbers > header.row) & self._filled(piece, keys, len(numbers))
            skipped = int((numbers > header.row).sum() - kept.sum())
            if skipped:
                first = int(numbers[(numbers > header.row) & ~kept][0])
                source.log.find("F094", source=source.uri, row=first, count=skipped, value=self.name)
            if not kept.any():
                continue
            self._report_nameless(piece, header, kept, source)
            target = np.where(kept, np.cumsum(kept) - 1, -1)
            arrays = [
                self._column(piece, place, field, target, int(kept.sum()), source) for place, field in zip(places, wanted, strict=True)
            ]
            batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)

    def pieces(self, most: int | None) -> Iterator[Piece]:
        """Yield the cells of the sheet with their shared strings in place; `most` rows of the first piece, or everything."""
        dates, clocks = (np.array(sorted(styles), np.int64) for styles in self.book.dated())
        for found in cells(self.book.stream(self.book.sheets[self.name]), self.book.path):
            part = found if most is None else found.take(found.row < most)
            if most is not None:
                part.numbers = part.numbers[:most]
            words = part.kind.dictionary.to_pylist()
            indices = part.kind.indices.to_numpy(zero_copy_only=False)
            text = self._with_shared(part.text, np.array([word == "s" for word in words])[indices])
            classes = np.array([CLASSES.get(word, WORD) for word in words], np.int8)[indices]
            classes[(classes == PLAIN) & np.isin(part.style, dates)] = DATE
            classes[(classes == PLAIN) & np.isin(part.style, clocks)] = CLOCK
            yield Piece(part, text, classes)

    def _with_shared(self, text: pa.Array, shared: npt.NDArray[np.bool_]) -> pa.Array:
        if not shared.any():
            return text
        written = text.filter(pa.array(shared))
        indices = pc.if_else(pc.match_substring_regex(written, "^[0-9]{1,9}$"), written, None).cast(pa.int64())
        known = self.book.texts(pc.max(indices).as_py())
        indices = pc.if_else(pc.less(indices, len(known)), indices, None)
        return pc.replace_with_mask(text, pa.array(shared), pc.fill_null(known.take(indices), ""))

    def _header_in(self, piece: Piece) -> Header | None:
        cells, style = piece.cells, self._facts.get("unit", "")
        styles = style if isinstance(style, str) else tuple(style)
        groups = [folded(group["any"]) for group in self._facts["group"]]
        never = folded(self._facts.get("never", ()))
        for row in range(min(len(cells.numbers), HEADER_ROWS)):
            which = np.flatnonzero((cells.row == row) & (piece.classes == WORD))
            if len(which) < len(groups):
                continue
            which = which[np.argsort(cells.column[which], kind="stable")]
            written = [" ".join(text.split()) for text in piece.text.take(pa.array(which)).to_pylist()]
            parts = [split_unit(text, styles) for text in written]
            names = {fold(name) for name, _ in parts} - {""}
            if names & never or not all(names & group for group in groups):
                continue
            fields = zip(cells.column[which].tolist(), written, parts, strict=True)
            return Header(int(cells.numbers[row]), tuple(Field(column, text, name, unit) for column, text, (name, unit) in fields if text))
        return None

    def _typed(self, field: Field, row: int, head: list[Piece]) -> Field:
        texts, classes = [], []
        for piece in head:
            rows, text, kinds = piece.column(field.column)
            below = piece.cells.numbers[rows] > row
            texts.append(text.filter(pa.array(below)))
            classes.append(kinds[below])
        kind = self._reading.kind(field, pa.concat_arrays(texts), np.concatenate(classes))
        return Field(field.column, field.written, field.name, field.unit, kind)

    def _report_nameless(self, piece: Piece, header: Header, kept: npt.NDArray[np.bool_], source: Source) -> None:
        """Remark on cells that no name of the header stands above."""
        stray = np.flatnonzero(~np.isin(piece.cells.column, [field.column for field in header.fields]) & kept[piece.cells.row])
        if len(stray):
            row = int(piece.cells.numbers[piece.cells.row[stray[0]]])
            place = f"sheet '{self.name}', row {row}"
            source.log.find("F048", source=source.uri, row=row, locator=place, count=len(stray), value=piece.text[int(stray[0])].as_py())

    def _filled(self, piece: Piece, keys: list[int], rows: int) -> npt.NDArray[np.bool_]:
        """Return the mask of rows that hold a number under every key column (anything at all where there is no key)."""
        kept = np.ones(rows, np.bool_)
        for key in keys:
            at, text, _ = piece.column(key)
            has = np.zeros(rows, np.bool_)
            has[at[pc.match_substring_regex(text, NUMBER).to_numpy(zero_copy_only=False)]] = True
            kept &= has
        return kept

    def _column(self, piece: Piece, place: int, field: Field, target: Any, size: int, source: Source) -> pa.Array:
        """Return the values of one column for the rows that are kept (`target` is the new place of each row, -1 for none)."""
        at, text, classes = piece.column(place)
        spots = target[at]
        values, bad = self._reading.values(text, classes, field)
        wrong = np.flatnonzero(bad & (spots >= 0))
        if len(wrong):
            first = int(wrong[0])
            number = int(piece.cells.numbers[at[first]])
            facts = {"locator": f"sheet '{self.name}'", "value": text[first].as_py(), "kind": field.kind}
            source.log.find("F090", source=source.uri, column=field.written, row=number, count=len(wrong), **facts)
        order = np.full(size, -1, np.int64)
        order[spots[spots >= 0]] = np.flatnonzero(spots >= 0)
        return values.take(pa.array(order, mask=order < 0)).cast(field.arrow().type)
