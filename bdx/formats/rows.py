"""One canonical table as CSV, read back from the sheets people fill in: any separator, encoding, decimal mark or unit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.canon import Chunk, Part
from bdx.errors import BdxError
from bdx.formats.canonical import WriteOptions, as_parts, guard, single_table, source_id_of
from bdx.formats.dataset import write_csv
from bdx.formats.rows_cells import EXPECTED, KEY_FROM, in_zone, lines, parse
from bdx.formats.rows_header import Heading, choose, exact, fit, headings
from bdx.formats.rows_notes import notes
from bdx.formats.rows_text import Sheet, Utf8, probe
from bdx.formats.source import Source
from bdx.spec import FormatSpec

BLOCK_BYTES = 1 << 22


def read(source: Source, format_spec: FormatSpec) -> Iterator[Part]:
    """Yield one part per batch, named by its canonical table."""
    return as_parts(read_chunks(source, format_spec))


def sniff(head: bytes, _format_spec: FormatSpec) -> bool:
    """Say whether the header is made of canonical names, for the better part; extra_* are those of any vendor and count for neither."""
    try:
        sheet = probe(head, exact, "")
    except BdxError:
        return False
    named = [cell for cell in sheet.cells if cell.strip() and not cell.strip().startswith("extra_")]
    known = exact(named)
    return known >= 2 and max(known, fit(named)[0]) * 2 >= len(named)


def _rank(cells: list[str]) -> int:
    return fit(cells)[0]


def read_chunks(source: Source, _format_spec: FormatSpec) -> Iterator[Chunk]:
    """Yield the rows of a sheet as chunks of the canonical table its headers name.

    A cell that cannot be read is null and finding F001; a column that is not of the table is a loss.
    Raises: SourceError where no table fits the headers, CorruptSource.
    """
    sheet = probe(source.head, _rank, source.uri)
    table = choose(sheet.cells, source.uri, PurePath(source.uri).stem)
    columns = Columns(table, sheet, source)
    if sheet.above:
        source.log.find("F126", source=source.uri, row=sheet.skip, locator=f"row {sheet.skip}", value=sheet.above)
    for cells, numbers in _cells(sheet, source):
        batch = columns.batch(cells, numbers)
        for start in range(0, max(batch.num_rows, 1), canon.BATCH_ROWS):
            yield {table: batch.slice(start, canon.BATCH_ROWS)}


def _cells(sheet: Sheet, source: Source) -> Iterator[tuple[pa.RecordBatch, Any]]:
    """Yield (text cells, row numbers as a spreadsheet counts them) without blank and ragged rows; at least one batch."""
    from pyarrow import csv

    names = [f"c{place}" for place in range(len(sheet.cells))]
    ragged: list[int] = []

    def leave_out(row: Any) -> str:
        number = row.number + sheet.skip
        ragged.append(number)
        source.log.find("F002", source=source.uri, row=row.number, locator=f"row {number}", width=row.expected_columns)
        return "skip"

    options: dict[str, Any] = {
        "read_options": csv.ReadOptions(use_threads=False, column_names=names, block_size=BLOCK_BYTES),
        "parse_options": csv.ParseOptions(
            delimiter=sheet.separator, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=leave_out
        ),
        "convert_options": csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    }
    schema = pa.schema([(name, pa.string()) for name in names])
    nothing = pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in names], schema=schema)
    count = 0
    last: tuple[pa.RecordBatch, Any] | None = None
    with source.stream() as raw, guard(source.uri, "CSV"):
        text = Utf8(raw, source)
        if not text.skip(sheet.skip):
            yield nothing, np.array([], np.int64)
            return
        for batch in csv.open_csv(text, **options):
            place = np.arange(count, count + batch.num_rows)
            count += batch.num_rows
            valid_before = np.array(ragged, np.int64) - sheet.skip - 1 - np.arange(len(ragged))
            numbers = place + sheet.skip + 1 + np.searchsorted(valid_before, place, side="right")
            filled = _filled(batch)
            blank = int((~filled).sum())
            if blank:
                first = int(numbers[~filled][0])
                source.log.find("F004", source=source.uri, row=first - sheet.skip, locator=f"row {first}", count=blank)
            yield (batch.filter(pa.array(filled)) if blank else batch), numbers[filled]
            last = (batch, numbers)
        if last is not None and text.unended:
            _report_unended(*last, source)


def _report_unended(batch: pa.RecordBatch, numbers: Any, source: Source) -> None:
    """Log a last line without an end whose last value is shorter than the one above it: it may have been cut within that."""
    ends = batch.column(batch.num_columns - 1).slice(max(0, batch.num_rows - 2)).to_pylist()
    if len(ends) == 2 and len(ends[1] or "") < len(ends[0] or ""):
        source.log.find("F049", source=source.uri, locator=f"row {numbers[-1]}", value=ends[1] or "")


def _filled(batch: pa.RecordBatch) -> Any:
    found = np.zeros(batch.num_rows, bool)
    for array in batch.columns:
        found |= array.is_valid().to_numpy(zero_copy_only=False)
        if found.all():
            break
    return found


class Columns:
    """Makes canonical batches of text cells: what each heading means, what was not carried, keys where none were given."""

    def __init__(self, table: str, sheet: Sheet, source: Source) -> None:
        self._table = table
        self._sheet = sheet
        self._source = source
        self._given = 0
        self._begun = False
        self._numeric: dict[str, bool] = {}
        self._headings: list[Heading] = []
        met: set[str] = set()
        for heading in headings(sheet.cells, table):
            if heading.column in met:
                source.log.find("F005", source=source.uri, table=table, column=heading.column, value=heading.written)
                heading = Heading(heading.written, why=f"column {heading.column} appears twice")  # noqa: PLW2901
            met.add(heading.column)
            met.discard("")
            self._headings.append(heading)
        self._met = met

    def batch(self, cells: pa.RecordBatch, numbers: Any) -> pa.RecordBatch:
        """Return the canonical batch of some rows of text."""
        cells, numbers = self._without_notes(cells, numbers)
        facts = spec.table(self._table)
        known: dict[str, pa.Array] = {}
        extra: dict[str, tuple[pa.Array, dict[str, str]]] = {}
        for heading, text in zip(self._headings, cells.columns, strict=True):
            if heading.extra:
                extra[heading.column] = self._extra(heading, text, numbers)
            elif heading.column:
                known[heading.column] = self._read(facts.by_name[heading.column], heading.unit, text, numbers)
            elif text.null_count < len(text):
                what = f"column '{heading.written}'" if heading.written else "a column without a header"
                self._source.log.lose(self._source.uri, what, heading.why, len(text) - text.null_count)
        self._provenance(known, numbers)
        if self._table == "battery":
            known["battery_key"] = self._keys(known, cells.num_rows)
        self._given += cells.num_rows
        return canon.batch(self._table, known, extra)

    def _without_notes(self, cells: pa.RecordBatch, numbers: Any) -> tuple[pa.RecordBatch, Any]:
        """Return the rows without those between the header and the first record that explain the columns."""
        if self._begun or not cells.num_rows:
            return cells, numbers
        count = notes(cells, self._headings, self._table, self._sheet.decimal)
        self._begun = count < cells.num_rows
        for row in range(count):
            first = next((text for column in cells.columns if (text := column[row].as_py())), "")
            where: dict[str, Any] = {"row": int(numbers[row]) - self._sheet.skip, "locator": f"{self._sheet.place}row {numbers[row]}"}
            self._source.log.find("F120", source=self._source.uri, table=self._table, value=first, **where)
        return cells.slice(count), numbers[count:]

    def _read(self, column: spec.Column, unit: str, text: pa.Array, numbers: Any) -> pa.Array:
        values = parse(text, column, self._sheet.decimal, unit)
        if column.type == "timestamp" and self._source.assume_tz and values.null_count > text.null_count:
            values = pc.coalesce(values, in_zone(text, self._source.assume_tz))
        if values.null_count == text.null_count:
            return values
        lost = pc.and_(values.is_null(), pc.and_(text.is_valid(), pc.not_equal(pc.utf8_trim_whitespace(text), "")))
        rows = np.flatnonzero(pc.fill_null(lost, False).to_numpy(zero_copy_only=False))
        if len(rows):
            first, below = int(rows[0]), self._sheet.skip
            self._source.log.find(
                "F001",
                source=self._source.uri,
                table=self._table,
                column=column.name,
                row=int(numbers[first]) - below,
                locator=f"{self._sheet.place}row {numbers[first]}",
                count=len(rows),
                value=text[first].as_py(),
                examples=[int(numbers[row]) - below for row in rows[:5]],
                expected=EXPECTED[column.type],
            )
        return values

    def _extra(self, heading: Heading, text: pa.Array, numbers: Any) -> tuple[pa.Array, dict[str, str]]:
        """Return a vendor column: numbers where the header states a unit and one of the first cells is a number, else text."""
        if not heading.unit:
            return text, {}
        if heading.column not in self._numeric and text.null_count < len(text):
            values = parse(text, spec.Column(heading.column, "float64"), self._sheet.decimal)
            self._numeric[heading.column] = values.null_count < len(values)
        kind = "float64" if self._numeric.get(heading.column, True) else "string"
        return self._read(spec.Column(heading.column, kind), "", text, numbers), {"bdx.unit": heading.unit}

    def _provenance(self, known: dict[str, pa.Array], numbers: Any) -> None:
        facts = spec.table(self._table)
        if "source_id" in facts.by_name and "source_id" not in (*self._met, *facts.key):
            known["source_id"] = pa.array([source_id_of(self._source)] * len(numbers), pa.string())
        if "locator" in facts.by_name and "locator" not in self._met:
            known["locator"] = pc.binary_join_element_wise(f"{self._sheet.place}row", pa.array(numbers, pa.int64()).cast(pa.string()), " ")

    def _keys(self, known: dict[str, pa.Array], rows: int) -> pa.Array:
        numbers = pa.array(np.arange(self._given + 1, self._given + rows + 1), pa.int64()).cast(pa.string())
        made = pc.binary_join_element_wise(source_id_of(self._source), numbers, ":")
        return pc.coalesce(*(known[name] for name in ("battery_key", *KEY_FROM) if name in known), made)


def write_chunks(chunks: Iterable[Chunk], sink: BinaryIO | Path, _format_spec: FormatSpec, options: WriteOptions) -> None:
    """Write one table as CSV in UTF-8; a vendor column of numbers carries its unit in the header, as in `extra_x [degC]`.

    A folder becomes a data set with a CSV file for each table.
    Raises: SinkError where there is nothing to write or a time cannot be told in text.
    """
    if isinstance(sink, Path):
        write_csv(chunks, sink, options)
        return
    begun = False
    for batch in single_table(chunks, options, "CSV"):
        if not begun:
            sink.write((",".join(_header(field) for field in batch.schema) + "\n").encode())
            begun = True
        for start in range(0, batch.num_rows, canon.BATCH_ROWS):
            sink.write(lines(batch.slice(start, canon.BATCH_ROWS)))


def _header(field: pa.Field) -> str:
    unit = (field.metadata or {}).get(b"bdx.unit", b"").decode("utf-8", "replace")
    number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    name = f"{field.name} [{unit}]" if unit and number and field.name.startswith("extra_") else field.name
    return '"' + name.replace('"', '""') + '"' if any(mark in name for mark in ',"\r\n') else name
