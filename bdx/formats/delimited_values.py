"""Blocks of lines -> record batches; cells and rows that do not fit are named, never shifted or guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import BATCH_ROWS
from bdx.errors import CorruptSource
from bdx.formats.delimited_blocks import Block
from bdx.formats.delimited_probe import Dialect, split
from bdx.formats.source import Source

TYPES = {"text": pa.string(), "number": pa.float64(), "integer": pa.int64(), "blank": pa.string()}
_FLOAT = r"^\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*$"
_WHOLE = r"^\s*[+-]?[0-9]{1,18}\s*$"


@dataclass(slots=True)
class Parser:
    """Parses blocks of one file. Columns without a name and without values are left out of the batches."""

    source: Source
    dialect: Dialect
    nulls: list[str]
    rows: int = 0
    _ragged: list[tuple[int, str]] = field(default_factory=list)

    @property
    def schema(self) -> pa.Schema:
        """The fields of the batches, as the header writes them, with name, unit and place of each in their metadata."""
        fields = []
        for heading in self.dialect.headings:
            if heading.kind == "blank":
                continue
            metadata = {"bdx.name": heading.name, "bdx.unit": heading.unit, "bdx.locator": f"line {self.dialect.header_line}"}
            fields.append(pa.field(heading.written.strip(), TYPES[heading.kind], metadata={k: v for k, v in metadata.items() if v}))
        return pa.schema(fields)

    def batches(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a block in bounded batches."""
        data = self._without_stray_quotes(self._without_cut_line(block), block)
        if not data.strip():
            return
        self._ragged = []
        try:
            table = self._parse(data, strict=True)
        except pa.ArrowInvalid:
            self._ragged = []
            table = self._parse_text(data, block)
        if self._ragged:
            self._report_ragged(data, block)
        schema = self.schema
        kept = [index for index, heading in enumerate(self.dialect.headings) if heading.kind != "blank"]
        self._report_nameless(table, block)
        table = pa.Table.from_arrays([table.column(index) for index in kept], schema=schema).combine_chunks()
        self.rows += table.num_rows
        yield from table.to_batches(max_chunksize=BATCH_ROWS)

    def _parse(self, data: bytes, *, strict: bool) -> pa.Table:
        """Return the table of a block; columns are typed if strict, else all text."""
        from pyarrow import csv

        headings = self.dialect.headings
        names = [str(index) for index in range(len(headings))]
        types = [TYPES[heading.kind] if strict else pa.string() for heading in headings]
        return csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(column_names=names, block_size=max(len(data), 1)),
            csv.ParseOptions(delimiter=self.dialect.separator, invalid_row_handler=self._skip),
            csv.ConvertOptions(
                column_types=dict(zip(names, types, strict=True)),
                null_values=self.nulls,
                strings_can_be_null=True,
                decimal_point=self.dialect.decimal if strict else ".",
                check_utf8=False,
            ),
        )

    def _skip(self, row: object) -> str:
        self._ragged.append((row.actual_columns, row.text))  # type: ignore[attr-defined]
        return "skip"

    def _parse_text(self, data: bytes, block: Block) -> pa.Table:
        """Return the table read as text and cast cell by cell where a typed reading failed; bad cells become null and are logged."""
        try:
            table = self._parse(data, strict=False)
        except pa.ArrowInvalid as error:
            raise CorruptSource(f"cannot be split into cells: {error}", path=self.source.uri, offset=f"line {block.first_line}") from error
        columns = []
        for index, heading in enumerate(self.dialect.headings):
            cells = table.column(index).combine_chunks()
            if heading.kind in ("number", "integer"):
                cells = self._cast(cells, heading.kind, heading.written, data, block)
            columns.append(cells)
        return pa.Table.from_arrays(columns, names=table.column_names)

    def _cast(self, cells: pa.Array, kind: str, header: str, data: bytes, block: Block) -> pa.Array:
        text = cells if self.dialect.decimal == "." or kind == "integer" else pc.replace_substring(cells, self.dialect.decimal, ".")
        readable = pc.match_substring_regex(text, _FLOAT if kind == "number" else _WHOLE)
        values = pc.utf8_trim_whitespace(pc.if_else(readable, text, None)).cast(TYPES[kind])
        blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(cells)), 0)
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
        """Yield (line number, text, cells) of every row that is not blank; a lone carriage return also ends a row."""
        for offset, raw in enumerate(data.split(self.dialect.newline.encode())):
            for text in raw.decode("utf-8", "replace").split("\r"):
                if text:
                    yield block.first_line + offset, text, len(split(text, self.dialect.separator))

    def _line_of(self, row: int, data: bytes, block: Block) -> int:
        """Return the line a row of the block stands on."""
        width = len(self.dialect.headings)
        whole = (line for line, _, cells in self._lines(data, block) if cells == width)
        return next((line for index, line in enumerate(whole) if index == row), block.first_line)

    def _without_stray_quotes(self, data: bytes, block: Block) -> bytes:
        """Return the data with the quotation marks taken out of lines where they do not pair up.

        Left in, such a mark would swallow the lines after it, and which ones would depend on where the block ends.
        """
        if b'"' not in data:
            return data
        newline = self.dialect.newline.encode()
        pieces, start = [], 0
        for match in self._odd_line.finditer(data):
            line = block.first_line + data.count(newline, 0, match.start())
            self.source.log.find("F047", source=self.source.uri, locator=f"line {line}", value=match.group().decode("utf-8", "replace"))
            pieces += [data[start : match.start()], match.group().replace(b'"', b"")]
            start = match.end()
        return b"".join([*pieces, data[start:]]) if pieces else data

    @property
    def _odd_line(self) -> re.Pattern[bytes]:
        """A line in which some cell starts with a quotation mark and does not end with the one that closes it."""
        apart = re.escape(self.dialect.separator.encode())
        cell = rb'(?>"(?:[^"\r\n]|"")*"|[^"\r\n' + apart + rb"][^\r\n" + apart + rb"]*|)"
        whole = rb"(?>" + cell + rb"(?:" + apart + cell + rb")*)"
        return re.compile(rb"(?:(?<=[\r\n])|\A)(?!" + whole + rb"(?:[\r\n]|\Z))[^\r\n]+")

    def _report_ragged(self, data: bytes, block: Block) -> None:
        found, text = self._ragged[0]
        first = next((line for line, content, _ in self._lines(data, block) if content == text.strip("\r\n")), block.first_line)
        self.source.log.find(
            "F041",
            source=self.source.uri,
            locator=f"line {first}",
            count=len(self._ragged),
            value=text.strip("\r\n"),
            found=found,
            expected=len(self.dialect.headings),
        )

    def _report_nameless(self, table: pa.Table, block: Block) -> None:
        for index, heading in enumerate(self.dialect.headings):
            column = table.column(index)
            if heading.kind == "blank" and column.null_count < len(column):
                value = column.drop_null()[0].as_py()
                count = len(column) - column.null_count
                self.source.log.find("F048", source=self.source.uri, locator=f"lines from {block.first_line}", count=count, value=value)

    def _without_cut_line(self, block: Block) -> bytes:
        """Return the data without a last line that has no line break and too few cells."""
        newline = self.dialect.newline.encode()
        if block.data.endswith(newline):
            return block.data
        start = block.data.rfind(newline) + 1
        text = block.data[start:].decode("utf-8", "replace")
        found, expected = len(split(text, self.dialect.separator)), len(self.dialect.headings)
        if not text.strip() or found >= expected:
            return block.data
        line = block.first_line + block.data.count(newline)
        self.source.log.find("F042", source=self.source.uri, locator=f"line {line}", value=text, found=found, expected=expected)
        return block.data[:start]
