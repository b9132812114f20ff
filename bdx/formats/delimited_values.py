"""Blocks of lines -> record batches; cells and rows that do not fit are named, never shifted or guessed."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import BATCH_ROWS
from bdx.errors import CorruptSource
from bdx.formats.delimited_blocks import Block
from bdx.formats.delimited_head import split
from bdx.formats.delimited_levels import Levels
from bdx.formats.delimited_probe import Dialect, Heading
from bdx.formats.delimited_quotes import row_pattern
from bdx.formats.source import Source

TYPES = {"text": pa.string(), "number": pa.float64(), "comma": pa.float64(), "integer": pa.int64(), "blank": pa.string()}
_FLOAT = r"(?i)^\s*[+-]?(?:[0-9]+\.?[0-9]*(?:e[+-]?[0-9]+)?|\.[0-9]+(?:e[+-]?[0-9]+)?|inf(?:inity)?)\s*$"
_WHOLE = r"^\s*[+-]?[0-9]{1,18}\s*$"


@dataclass(slots=True)
class Parser:
    """Parses blocks of one file. Columns without a name and without values are left out of the batches."""

    source: Source
    dialect: Dialect
    nulls: list[str]
    rows: int = 0
    _ragged: list[tuple[int, str]] = field(default_factory=list)
    _levels: Levels | None = field(init=False)

    def __post_init__(self) -> None:
        self._levels = Levels(self.source, self.dialect, self.nulls) if self.dialect.outer else None

    @property
    def schema(self) -> pa.Schema:
        """The fields of the batches, as the header writes them, with name, unit and place of each in their metadata."""
        fields = []
        for place, heading in enumerate(self._shown()):
            metadata = {"bdx.name": heading.name, "bdx.unit": heading.unit, "bdx.locator": f"line {self.dialect.header_line}"}
            name = heading.written.strip() or f"column {place + 1}"
            fields.append(pa.field(name, TYPES[heading.kind], metadata={k: v for k, v in metadata.items() if v}))
        return pa.schema(fields)

    def _shown(self) -> list[Heading]:
        """The columns of the batches: those carried from outer rows, then those of the rows themselves."""
        carried = self._levels.headings if self._levels is not None else []
        return [*(self._text_if_blank(heading) for heading in carried), *(item for item in self.dialect.headings if item.kind != "blank")]

    @staticmethod
    def _text_if_blank(heading: Heading) -> Heading:
        return heading if heading.kind != "blank" else Heading(heading.written, heading.name, heading.unit, "text")

    def batches(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a block in bounded batches."""
        data = self._without_cut_line(block)
        if self._levels is not None:
            data = self._levels.laid_out(Block(data, block.first_line))
        if not data.strip():
            return
        table, text = self._read(data, block)
        if self._ragged and (fitted := self._fitted(data)) != data:
            data = fitted
            table, text = self._read(data, block)
        if text:
            table = self._casted(table, text, data, block)
        if self._ragged:
            self._report_ragged(data, block)
        kept = [index for index, heading in enumerate(self.dialect.headings) if heading.kind != "blank"]
        self._report_nameless(table, block)
        carried = self._levels.columns(table.column(0).combine_chunks()) if self._levels is not None else ()
        table = pa.Table.from_arrays([*carried, *(table.column(index) for index in kept)], schema=self.schema).combine_chunks()
        self.rows += table.num_rows
        self._note_lines(table.num_rows, data, block)
        yield from table.to_batches(max_chunksize=BATCH_ROWS)

    def _read(self, data: bytes, block: Block) -> tuple[pa.Table, tuple[str, ...]]:
        """Return the table of a block, and the kinds of column in it that are still text: all where a typed reading fails."""
        self._ragged = []
        try:
            return self._parse(data, block, strict=True), ("comma",) if "comma" in self._kinds() else ()
        except pa.ArrowInvalid:
            self._ragged = []
        try:
            return self._parse(data, block, strict=False), ("number", "comma", "integer")
        except pa.ArrowInvalid as error:
            raise CorruptSource(f"cannot be split into cells: {error}", path=self.source.uri, offset=f"line {block.first_line}") from error

    def _kinds(self) -> list[str]:
        """Return how the cells of each column are parsed; the first cell of a record under outer rows holds the number of that row."""
        kinds = [heading.kind for heading in self.dialect.headings]
        return ["integer", *kinds[1:]] if self._levels is not None else kinds

    def _parse(self, data: bytes, block: Block, *, strict: bool) -> pa.Table:
        """Return the table of a block; columns are typed if strict, else all text."""
        from pyarrow import csv as arrow

        names = [str(index) for index in range(len(self.dialect.headings))]
        types = [TYPES[kind] if strict and kind != "comma" else pa.string() for kind in self._kinds()]
        return arrow.read_csv(
            pa.BufferReader(data),
            arrow.ReadOptions(column_names=names, block_size=max(len(data), 1)),
            arrow.ParseOptions(delimiter=self.dialect.parsed_separator, invalid_row_handler=self._skip, newlines_in_values=block.breaks),
            arrow.ConvertOptions(
                column_types=dict(zip(names, types, strict=True)),
                null_values=self.nulls,
                strings_can_be_null=True,
                decimal_point=self.dialect.decimal if strict else ".",
                check_utf8=False,
            ),
        )

    def _skip(self, row: object) -> str:
        if row.text.strip():  # type: ignore[attr-defined]
            self._ragged.append((row.actual_columns, row.text))  # type: ignore[attr-defined]
        return "skip"

    def _casted(self, table: pa.Table, kinds: tuple[str, ...], data: bytes, block: Block) -> pa.Table:
        """Return the table with the columns of some kinds cast from text; cells that do not fit become null and are logged."""
        columns = []
        for index, (kind, heading) in enumerate(zip(self._kinds(), self.dialect.headings, strict=True)):
            cells = table.column(index).combine_chunks()
            if kind in kinds:
                cells = self._cast(cells, kind, heading.written, data, block)
            columns.append(cells)
        return pa.Table.from_arrays(columns, names=table.column_names)

    def _cast(self, cells: pa.Array, kind: str, header: str, data: bytes, block: Block) -> pa.Array:
        mark = "," if kind == "comma" else self.dialect.decimal
        text = cells if mark == "." or kind == "integer" else pc.replace_substring(cells, mark, ".")
        readable = pc.match_substring_regex(text, _WHOLE if kind == "integer" else _FLOAT)
        values = pc.utf8_trim_whitespace(pc.if_else(readable, text, None)).cast(TYPES[kind])
        blank = pc.is_in(pc.utf8_trim_whitespace(cells), pa.array(self.nulls))
        bad = np.flatnonzero(pc.and_(values.is_null(), pc.and_not(cells.is_valid(), blank.fill_null(False))).to_numpy(zero_copy_only=False))
        if len(bad):
            places = [self.rows + int(row) for row in bad[:5]]
            self.source.log.find(
                "F040",
                source=self.source.uri,
                column=header,
                row=places[0],
                locator=f"line {self._line_of(int(bad[0]), data, block)}",
                count=len(bad),
                value=cells[int(bad[0])].as_py(),
                examples=places,
            )
        return values

    def _lines(self, data: bytes, block: Block) -> Iterator[tuple[int, str, int]]:
        """Yield (line number, text, cells) of every row that is not blank; a lone carriage return outside quotes also ends a row."""
        newline = self.dialect.newline.encode()
        row, rows = (row_pattern(self.dialect.parsed_separator, breaks=breaks) for breaks in (False, True))
        open_row = b""
        for offset, raw in enumerate(data.split(newline)):
            found = open_row + raw
            if block.breaks and (rows if open_row else row).fullmatch(found.rstrip(b"\r")) is None:
                open_row = found + newline
                continue
            text = found.decode("utf-8", "replace")
            for line in [text] if open_row else text.split("\r"):
                if line:
                    yield block.first_line + offset - found.count(newline), line, self._width(line)
            open_row = b""

    def _width(self, row: str) -> int:
        """Return the number of cells of a row, quotation marks around the whole of it taken as those of a cell."""
        try:
            return next((len(cells) for cells in csv.reader([row.strip("\r\n")], delimiter=self.dialect.parsed_separator)), 0)
        except csv.Error:
            return row.count(self.dialect.parsed_separator) + 1

    def _line_of(self, row: int, data: bytes, block: Block) -> int:
        """Return the line a row of the block stands on."""
        width = len(self.dialect.headings)
        whole = (line for line, _, cells in self._lines(data, block) if cells == width)
        return next((line for index, line in enumerate(whole) if index == row), block.first_line)

    def _note_lines(self, rows: int, data: bytes, block: Block) -> None:
        """Tell the source on which lines the rows of a block stand."""
        if self.source.lines is not None:
            width = len(self.dialect.headings)
            newline = self.dialect.newline.encode()
            whole = (line for line, _, cells in self._lines(data, block) if cells == width)
            self.source.lines.note(rows, data, block.first_line, newline, lambda: whole)

    def _fitted(self, data: bytes) -> bytes:
        """Return the data with empty cells taken off rows that end in some beyond the header, or added for the nameless last column."""
        newline = self.dialect.newline
        wrong = {text.strip("\r\n") for _, text in self._ragged}
        lines = (line.rstrip("\r") if line.rstrip("\r") in wrong else line for line in data.decode("utf-8", "replace").split(newline))
        return newline.join(self._fitted_line(line) if line in wrong else line for line in lines).encode()

    def _fitted_line(self, line: str) -> str:
        width, apart = len(self.dialect.headings), self.dialect.parsed_separator
        cells = split(line, apart)
        if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
            return apart.join(line.split(apart)[: width - len(cells)])
        return line + apart if self.dialect.headings[-1].kind == "blank" and len(cells) == width - 1 else line

    def _report_ragged(self, data: bytes, block: Block) -> None:
        found, text = self._ragged[0]
        text = text.strip("\r\n")
        first = next((line for line, content, _ in self._lines(data, block) if content == text), block.first_line)
        self.source.log.find(
            "F041",
            source=self.source.uri,
            locator=f"line {first}",
            count=len(self._ragged),
            value=text.lstrip("0123456789") if self._levels is not None else text,
            found=found,
            expected=len(self.dialect.headings),
        )

    def _report_nameless(self, table: pa.Table, block: Block) -> None:
        for index, heading in enumerate(self.dialect.headings):
            column = table.column(index)
            if heading.kind == "blank" and column.null_count < len(column) and not (index == 0 and self._levels is not None):
                value = column.drop_null()[0].as_py()
                count = len(column) - column.null_count
                self.source.log.find("F048", source=self.source.uri, locator=f"lines from {block.first_line}", count=count, value=value)

    def _without_cut_line(self, block: Block) -> bytes:
        """Return the data without the last line of the file if that has too few cells."""
        newline = self.dialect.newline.encode()
        if not block.last:
            return block.data
        start = block.data.removesuffix(newline).rfind(newline) + 1
        text = block.data[start:].decode("utf-8", "replace").rstrip("\r\n")
        if block.breaks and text.count('"') % 2:
            return block.data
        found, expected = len(split(text, self.dialect.parsed_separator)), len(self.dialect.headings)
        spare = int(self.dialect.headings[-1].kind == "blank")
        if not text.strip() or found >= expected - spare:
            return block.data
        if self._levels is not None and not text.startswith(self.dialect.separator * self._levels.depth):
            return block.data
        line = block.first_line + block.data.count(newline, 0, start)
        self.source.log.find("F042", source=self.source.uri, locator=f"line {line}", value=text, found=found, expected=expected)
        return block.data[:start]
