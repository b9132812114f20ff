"""The engine of flat exports: text or a workbook, one table per file or several, as rows of text with the place of each.

Which tables a file holds is told by the facts of a mapping file (kind "flat"): the names in their headers, the sheet, how many rows
the header has. Yielded are Tables of text whose name lists the numbers of the mapping's tables with this header ("0,2"), whose fields
are named as the header writes them, and whose last column is the number of the line or row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.canon import Part, Table
from bdx.errors import CorruptSource, SourceError, did_you_mean
from bdx.formats import flat_sheets
from bdx.formats.delimited_blocks import Block, blocks
from bdx.formats.delimited_head import QUOTED_LINES, Head, split
from bdx.formats.delimited_probe import Dialect, Heading
from bdx.formats.delimited_values import Parser
from bdx.formats.flat_even import evened
from bdx.formats.flat_head import APART, Layout, composed, fits, separator_of, text_head
from bdx.formats.lines import Lines
from bdx.formats.source import Source
from bdx.names import matches
from bdx.spec import Facts, FormatSpec

PLACE = "line"
"""Name of the last column: where each row stands."""

_HEAD_LINES = 64


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the tables of a file in their order; what stands above a header is a loss, a row of another width a finding.

    Raises: SourceError where no table of the mapping has its header in the file; CorruptSource.
    """
    facts = spec.raw
    if flat_sheets.is_workbook(source.head):
        yield from flat_sheets.read(source, facts, layouts(facts))
        return
    yield from _Text(source, facts).parts()


def claims(source: Source, facts: Facts) -> bool:
    """Say whether the first lines of a text, or the sheets of a workbook, hold the header of a table of the mapping."""
    if source.is_directory:
        return False
    if flat_sheets.is_workbook(source.head):
        return flat_sheets.claims(source, facts, layouts(facts))
    try:
        text = _Text(source, facts)
    except SourceError:
        return False
    rows = [[cell.strip() for cell in text.head.row(number, text.separator)[0]] for number in range(min(_HEAD_LINES, len(text.head.lines)))]
    return any(fits(rows[at : at + layout.rows], layout) for at in range(len(rows)) for layout in text.wanted)


def layouts(facts: Facts) -> list[Layout]:
    """Return how the header of each table of a mapping is laid out."""
    return [Layout(tuple(row["columns"]), row.get("header_rows", 1), row.get("units_row", False)) for row in facts["table"]]


def no_table(source: Source, found: list[str], wanted: list[Layout]) -> SourceError:
    """Return the refusal of a file without the header of any table, with what its header has instead."""
    lacking = [name for name in wanted[0].names if name not in matches(found, wanted[0].names)]
    shown = ", ".join(f"'{name}'{did_you_mean(name, [cell for cell in found if cell])}" for name in lacking[:4])
    return SourceError(f"has no header of the mapping file; not found: {shown or 'any of its columns'}", path=source.uri)


@dataclass(slots=True)
class _Section:
    """Rows under one header: the tables it is of, its names, and the parser of its rows."""

    tables: tuple[int, ...]
    parser: Parser
    schema: pa.Schema


@dataclass(slots=True)
class _Text:
    """Cuts a text file at the headers of the mapping's tables, wherever these stand."""

    source: Source
    facts: Facts
    head: Head = field(init=False)
    wanted: list[Layout] = field(init=False)
    separator: str = field(init=False)
    deepest: int = field(init=False)

    def __post_init__(self) -> None:
        file = self.facts.get("file", {})
        self.head = text_head(self.source, file)
        self.separator = separator_of(self.head, file)
        self.wanted = layouts(self.facts)
        self.deepest = max(layout.rows for layout in self.wanted)

    def parts(self) -> Iterator[Part]:
        """Yield a table for each header met."""
        stream = self._pieces()
        piece = next(stream, None)
        if piece is None:
            cells = self.head.row(0, self.separator)[0] if self.head.lines else []
            raise no_table(self.source, cells, self.wanted)
        waiting: list[tuple[_Section, Block]] = [piece]
        while waiting:
            section = waiting[0][0]
            yield Table(",".join(map(str, section.tables)), section.schema, self._batches(section, waiting, stream))

    def _batches(self, section: _Section, waiting: list[tuple[_Section, Block]], stream: Any) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a section; the first piece of the next one is left waiting."""
        lines = Lines()
        try:
            while waiting and waiting[0][0] is section:
                _, block = waiting.pop()
                self.source.lines = lines
                before = lines.records
                batches = list(section.parser.batches(block))
                self.source.lines = None
                for batch in batches:
                    places = _places(lines, before, batch.num_rows)
                    before += batch.num_rows
                    yield pa.RecordBatch.from_arrays([*batch.columns, places], schema=section.schema)
                if (piece := next(stream, None)) is not None:
                    waiting.append(piece)
        except OSError as error:
            raise CorruptSource(f"cannot be read on: {error}", path=self.source.uri, offset=f"row {section.parser.rows}") from error
        finally:
            self.source.lines = None

    def _pieces(self) -> Iterator[tuple[_Section, Block]]:
        """Yield the rows below each header in blocks, the header's own lines left out."""
        needles = [_needles(layout) for layout in self.wanted]
        section: _Section | None = None
        held, first = b"", 1
        for block in blocks(self.source, self._dialect([""], 0, 1), self._widths(), prose=True):
            data, line = (held + block.data, first) if held else (block.data, block.first_line)
            # Rows of a header may stand on both sides of a block's end: its last lines wait for what follows.
            cut = len(data) if block.last or self.deepest == 1 else _before_last_lines(data, self.deepest)
            held, first = data[cut:], line + data.count(b"\n", 0, cut)
            data = data[:cut]
            cuts = self._cuts(data, held, line, needles)
            bounds = [(0, section, 0), *((place, made, made_lines) for place, (made, made_lines) in cuts), (len(data), None, 0)]
            for (start, owner, header), (end, _, _) in pairwise(bounds):
                begin = _after_lines(data, start, header)
                piece = data[begin:end] if end == len(data) else self._without_title(data[begin:end], line + data.count(b"\n", 0, begin))
                at = line + data.count(b"\n", 0, begin)
                if owner is None:
                    self._lose_above(piece, at)
                else:
                    last = block.last and end == len(data)
                    yield owner, Block(piece if block.breaks else self._even(piece, owner, at), at, block.breaks, last)
                    section = owner
            section = bounds[-2][1]

    def _even(self, piece: bytes, owner: _Section, line: int) -> bytes:
        data, short, first = evened(piece, self.separator, len(owner.schema) - 1)
        if short:
            self.source.log.find("F270", source=self.source.uri, locator=f"line {line + first}", count=short)
        return data

    def _widths(self) -> frozenset[int]:
        """Return how many cells the rows have that stand on one line of the head: a row with a line break in a cell has as many."""
        return frozenset(len(split(line, self.separator)) for line in self.head.lines if line.count('"') % 2 == 0) - {0, 1}

    def _cuts(self, data: bytes, held: bytes, line: int, needles: list[list[bytes]]) -> list[tuple[int, tuple[_Section, int]]]:
        """Return where headers start, each with its section: in the first lines of the file any, below that those spelled alike."""
        marks = {place for found in needles for place in _hits(data, found)}
        if line == 1:
            marks |= set(_starts(data, _HEAD_LINES))
        found: list[tuple[int, tuple[_Section, int]]] = []
        behind = 0
        whole = data + held
        for place in sorted(marks):
            if place < behind or not (score := self._score(whole, place)) or self._score(whole, _after_lines(whole, place, 1)) > score:
                continue
            made = self._section(whole, place, line)
            found.append((place, made))
            behind = _after_lines(whole, place, made[1])
        return found

    def _score(self, data: bytes, place: int) -> int:
        rows = _rows_at(data, place, self.deepest, self.separator)
        return max(fits(rows, layout) for layout in self.wanted)

    def _section(self, data: bytes, place: int, line: int) -> tuple[_Section, int]:
        """Return the section whose header starts at a place of the data, and how many lines the header has."""
        rows = _rows_at(data, place, self.deepest, self.separator)
        best = {number: fits(rows, layout) for number, layout in enumerate(self.wanted)}
        most = max(best.values())
        layout = self.wanted[max(best, key=lambda number: best[number])]
        same = tuple(n for n, score in best.items() if score and (self.wanted[n].rows, self.wanted[n].units) == (layout.rows, layout.units))
        tables = tuple(n for n in same if "where" in self.facts["table"][n]) or tuple(n for n in same if best[n] == most)[:1]
        names = composed(rows[: layout.rows], units=layout.units)
        end = place
        for _ in range(layout.rows):
            end = _row_end(data, end)
        below = _rows_at(data, end, 50, self.separator)
        blank = next((number for number, row in enumerate(below) if sum(map(bool, row)) <= 1 and len(row) < len(names)), len(below))
        width = max((len(row) for row in below[:blank]), default=len(names))
        names = names[: max(width, 1)] if not any(names[width:]) else names
        names += [""] * (width - len(names))
        parser = Parser(self.source, self._dialect(names, line + data.count(b"\n", 0, place), 1), [""])
        return _Section(tables, parser, parser.schema.append(pa.field(PLACE, pa.int64()))), data.count(b"\n", place, end)

    def _dialect(self, names: list[str], line: int, first: int) -> Dialect:
        headings = tuple(Heading(name or f"column {place + 1}", name, "", "text") for place, name in enumerate(names))
        return Dialect(
            self.head.encoding, "\n", self.separator, ".", line, first, headings, preamble=(), carriage=self.head.newline == "\r"
        )

    def _without_title(self, data: bytes, line: int) -> bytes:
        """Return the rows before the next header without the lines of its title, which hold one cell at most."""
        lines = data.split(b"\n")
        kept = len(lines)
        while kept and sum(bool(cell.strip()) for cell in split(lines[kept - 1].decode("utf-8", "replace"), self.separator)) <= 1:
            kept -= 1
        self._lose_above(b"\n".join(lines[kept:]), line + kept)
        return b"\n".join(lines[:kept]) + b"\n" if kept else b""

    def _lose_above(self, data: bytes, line: int) -> None:
        for number, text in enumerate(data.decode("utf-8", "replace").splitlines(), line):
            shown = text.strip(f" \ufeff{self.separator}")[:80]
            if shown and all(shown != table.get("name") for table in self.facts["table"]):
                self.source.log.lose(self.source.uri, f"line {number}: {shown}", "it stands above a header")


def _needles(layout: Layout) -> list[bytes]:
    """Return words that a line must hold to be the first of a header: of the names in that line the two longest."""
    words = {name.partition(APART)[0] for name in layout.names if not (layout.units and layout.rows == 1)}
    bare = {word.partition(" [")[0] if layout.units else word.partition(" #")[0] for word in words}
    return [word.encode() for word in sorted(bare, key=len)[-3:]]


def _hits(data: bytes, needles: list[bytes]) -> Iterator[int]:
    """Yield the starts of the lines that hold two of some words, or the only one."""
    for needle in needles:
        place = data.find(needle)
        while place >= 0:
            start = data.rfind(b"\n", 0, place) + 1
            end = data.find(b"\n", place)
            end = len(data) if end < 0 else end
            if sum(word in data[start:end] for word in needles) >= min(2, len(needles)):
                yield start
            place = data.find(needle, end)


def _starts(data: bytes, count: int) -> Iterator[int]:
    place = 0
    while place < len(data) and count:
        yield place
        place, count = _after_lines(data, place, 1), count - 1


def _rows_at(data: bytes, place: int, count: int, separator: str) -> list[list[str]]:
    found: list[list[str]] = []
    while place < len(data) and len(found) < count:
        end = _row_end(data, place)
        text = data[place:end].decode("utf-8", "replace").rstrip("\r\n")
        if len(text) < 65_536:
            found.append([" ".join(cell.split()) for cell in split(text, separator)])
        place = end
    return found


def _row_end(data: bytes, place: int) -> int:
    """Return where the row after this one starts: a line break within a quoted cell does not end it."""
    first = end = _after_lines(data, place, 1)
    for _ in range(QUOTED_LINES):
        if data.count(b'"', place, end) % 2 == 0:
            return end
        end = _after_lines(data, end, 1)
    return first


def _after_lines(data: bytes, place: int, count: int) -> int:
    for _ in range(count):
        end = data.find(b"\n", place)
        if end < 0:
            return len(data)
        place = end + 1
    return place


def _before_last_lines(data: bytes, count: int) -> int:
    place = len(data)
    for _ in range(count):
        place = data.rfind(b"\n", 0, max(place - 1, 0)) + 1
        if not place:
            return 0
    return place


def _places(lines: Lines, start: int, count: int) -> pa.Array:
    """Return the lines of records; one look at the first and the last says whether they follow each other."""
    if not count:
        return pa.array([], pa.int64())
    first, last = lines.of(start), lines.of(start + count - 1)
    if first is not None and last is not None and last - first == count - 1:
        return pa.array(np.arange(first, last + 1))
    return pa.array([lines.of(start + place) for place in range(count)], pa.int64())
