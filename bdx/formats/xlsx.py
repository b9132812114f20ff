"""The engine of workbooks (.xlsx): a cycler's export is an [xlsx] section in a format spec, and no code.

Keys of [xlsx], all but `group` optional:

    [[xlsx.group]] any = [names]   a row within the first 64 is the header of records when each group has a name in it
    never = [names]    a row with one of these is no header
    skip = "regex"     sheets of these names hold no records
    series = "regex"   sheets whose names agree in the group `series` hold one test, and its group `channel` says whose facts are
                       its own; without it all sheets hold one test
    unit, null, text, integer     as in the delimited engine
    dates = [names]    numbers without the look of a date under these are days since 1899-12-30, seconds or 100 ns since 1970 UTC
    row = [names]      a row is a record when it holds a number under each of these that the header has
    order = [names]    the first of these that the header has rises from sheet to sheet
    [xlsx.facts] table = "regex"  sheets with a row of names and rows of values below it;  pairs = "regex"  sheets of name and value
    [xlsx.preamble] key = "regex with one group"     facts found in the rows before the header; without it they are read as pairs
    [[xlsx.aux]] sheets = "regex", key = [names], drop = [names], rename = [[regex, name, unit], ...]
                       sheets whose numbers belong to the records of the same key; their header is the row with a key name

A sheet's XML is read as a stream and cells are decoded column by column, so memory does not grow with the length of a
sheet (shared strings and auxiliary columns are held). Sheets of one test are read one after the other, in the workbook's order.
Yielded are Document("info", ...) and, per test, Table("records", ...) - behind a Document("test", ...) where there are several.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Document, Part, Table
from bdx.errors import SourceError
from bdx.formats.delimited_names import folded
from bdx.formats.source import Source
from bdx.formats.xlsx_aux import Beside, beside
from bdx.formats.xlsx_book import Workbook
from bdx.formats.xlsx_sheet import Header, Sheet
from bdx.formats.xlsx_values import Field
from bdx.names import fold
from bdx.spec import Facts, FormatSpec

_PART = re.compile(rb"PK\x03\x04.{26}xl/(?:workbook|worksheets|sharedStrings|styles|theme|_rels)", re.DOTALL)
_FACT_ROWS = 64
_TRIED = 24


def sniff_source(source: Source, spec: FormatSpec) -> bool:
    """Say whether a sheet of the workbook has a header of this format."""
    facts = spec.raw["xlsx"]
    try:
        with source.seekable() as file:
            book = Workbook(file, source.uri)
            names = [name for name in book.sheets if not _matches(facts.get("skip"), name)]
            return any(Sheet(book, name, facts).header() is not None for name in names[:_TRIED])
    except SourceError:
        # A ZIP of something else is none of this format; a workbook that is cut or damaged says so itself.
        if _PART.search(source.head) is not None:
            raise
        return False


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the workbook, then the records of each test.

    Raises: SourceError where no sheet has a header of this format; CorruptSource, TruncatedSource, UnsafeSource.
    """
    with source.seekable() as file:
        yield from _Run(source, spec.raw["xlsx"], Workbook(file, source.uri)).parts()


@dataclass(slots=True)
class _Run:
    """One reading of one workbook."""

    source: Source
    facts: Facts
    book: Workbook
    headers: dict[str, Header] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def parts(self) -> Iterator[Part]:
        """Yield the parts; see read."""
        for name in self.book.sheets:
            if not _matches(self.facts.get("skip"), name):
                header = Sheet(self.book, name, self.facts).typed()
                if header is not None:
                    self.headers[name] = header
        if not self.headers:
            wanted = "; ".join(" | ".join(group["any"][:4]) for group in self.facts["group"])
            known = ", ".join(list(self.book.sheets)[:8]) or "none"
            raise SourceError(f"no sheet has a header of these names: {wanted}; sheets: {known}", path=self.source.uri)
        self.used.update(self.headers)
        shared, own = self.info()
        columns = [part for part in (self._beside(wish) for wish in self.facts.get("aux", ())) if part is not None]
        self.report_losses()
        series: dict[str, list[str]] = {}
        for name in self.headers:
            series.setdefault(self._series(name)[0], []).append(name)
        if len(series) == 1:
            channel = self._series(next(iter(self.headers)))[1]
            yield Document("info", {**shared, **self._own(own, channel, alone=True)})
        else:
            some = ", ".join(list(series)[:8])
            self.source.log.find("F075", source=self.source.uri, count=len(series), value=some)
            yield Document("info", shared)
        for title, sheets in series.items():
            if len(series) > 1:
                yield Document("test", {"Sheet": title, **self._own(own, self._series(sheets[0])[1], alone=False)})
            yield self._records(sheets, columns)
        for part in columns:
            if part.left:
                self.source.log.find("F093", source=self.source.uri, count=part.left, rows=part.rows, value=part.sheets)

    def info(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the facts of the whole workbook, and the rows of facts that each belong to one channel."""
        wishes = self.facts.get("facts", {})
        shared: dict[str, Any] = {}
        own: list[dict[str, Any]] = []
        for name in self.book.sheets:
            table, pairs = _matches(wishes.get("table"), name), _matches(wishes.get("pairs"), name)
            if name in self.headers or not (table or pairs):
                continue
            self.used.add(name)
            rows = Sheet(self.book, name, self.facts).grid(_FACT_ROWS)
            if table:
                own.extend(_table(rows, shared))
            else:
                _pairs([list(row.values()) for row in rows], name, shared)
        for name, header in self.headers.items():
            if header.row > 1:
                self._preamble(
                    [list(row.values()) for row in Sheet(self.book, name, self.facts).grid(header.row - 1, before=header.row)], shared
                )
        return shared, own

    def _preamble(self, rows: list[list[Any]], shared: dict[str, Any]) -> None:
        """Put what stands before a header into `shared`."""
        wishes = self.facts.get("preamble")
        if wishes is None:
            _pairs(rows, "preamble", shared)
            return
        text = "\n".join("\t".join(str(value) for value in row) for row in rows)
        for key, pattern in wishes.items():
            match = re.search(pattern, text)
            if match is not None:
                shared.setdefault(key, match.group(1).strip())
        if text:
            shared.setdefault("preamble", text.splitlines())

    def report_losses(self) -> None:
        """Log the sheets that are not carried."""
        for name in self.book.sheets:
            if name not in self.used and not self.book.is_empty(name):
                why = "bdx carries records and facts of the test; steps and cycles follow from the records"
                self.source.log.lose(self.source.uri, f"sheet '{name}'", why)

    def _own(self, own: list[dict[str, Any]], channel: str, *, alone: bool) -> dict[str, Any]:
        for row in own:
            if channel and str(row.get("Channel", "")) == channel:
                return row
        return own[0] if own and alone else {}

    def _series(self, name: str) -> tuple[str, str]:
        """Return the series and the channel that the name of a sheet shows."""
        pattern = self.facts.get("series")
        match = re.fullmatch(pattern, name) if pattern else None
        if pattern is None:
            return "", ""
        return (match.group("series"), match.group("channel") or "") if match else (name, "")

    def _beside(self, wish: Facts) -> Beside | None:
        sheets = [name for name in self.book.sheets if name not in self.headers and _matches(wish["sheets"], name)]
        self.used.update(sheets)
        return beside(self.book, sheets, wish, self.facts, self.source) if sheets else None

    def _records(self, sheets: list[str], columns: list[Beside]) -> Table:
        header = self.headers[sheets[0]]
        wanted = self._wanted(header, sheets)
        key = next((index for index, item in enumerate(wanted) if any(fold(item.name) in part.key for part in columns)), None)
        known = columns if key is not None else []
        schema = pa.schema([item.arrow() for item in wanted] + [item for part in known for item in part.fields])
        return Table("records", schema, self._batches(sheets, wanted, known, key, schema))

    def _wanted(self, header: Header, sheets: list[str]) -> tuple[Field, ...]:
        """Return the columns of the first sheet; a column that a later sheet has beside them is lost."""
        names = {fold(item.written) for item in header.fields}
        written = [item.written for item in header.fields]
        for text in sorted({text for text in written if written.count(text) > 1}):
            self.source.log.find("F046", source=self.source.uri, column=text, locator=f"sheet '{sheets[0]}'", value=text)
        for name in sheets[1:]:
            for item in self.headers[name].fields:
                if fold(item.written) not in names:
                    self.source.log.lose(
                        self.source.uri, f"column '{item.written}' of sheet '{name}'", "the first sheet has no such column"
                    )
        return header.fields

    def _batches(
        self, sheets: list[str], wanted: tuple[Field, ...], columns: list[Beside], key: int | None, schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        place = _order(wanted, self.facts)
        rows, reached = 0, None
        for number, name in enumerate(sheets):
            fresh = number > 0
            for batch in Sheet(self.book, name, self.facts).batches(self.headers[name], wanted, self.source):
                if fresh:
                    self._seam(name, rows, batch, place, reached)
                    fresh = False
                if place is not None:
                    reached = pc.max(batch.column(place)).as_py()
                rows += batch.num_rows
                arrays = list(batch.columns)
                for part in columns:
                    assert key is not None
                    arrays.extend(part.columns(batch.column(key)))
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        if not rows:
            self.source.log.find("F045", source=self.source.uri, locator=f"sheet '{sheets[0]}', row {self.headers[sheets[0]].row}")

    def _seam(self, name: str, rows: int, batch: pa.RecordBatch, place: int | None, reached: Any) -> None:
        first = batch.column(place)[0].as_py() if place is not None else None
        if first is not None and reached is not None and first <= reached:
            found = {"locator": f"sheet '{name}'", "header": batch.schema.names[place], "reached": reached, "value": first}
            self.source.log.find("F092", source=self.source.uri, row=rows + 1, **found)
        else:
            self.source.log.find("F091", source=self.source.uri, row=rows + 1, locator=f"sheet '{name}'", value=name)


def _matches(pattern: str | None, name: str) -> bool:
    return pattern is not None and re.fullmatch(pattern, name) is not None


def _order(wanted: tuple[Field, ...], facts: Facts) -> int | None:
    for name in facts.get("order", ()):
        for index, item in enumerate(wanted):
            if fold(item.name) == fold(name) and item.kind in ("number", "integer", "date", "ticks", "seconds"):
                return index
    return None


def _table(rows: list[dict[int, Any]], shared: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows below the row of names, which is the one with most words; what stands above it goes to `shared`."""
    if not rows:
        return
    at = max(range(len(rows)), key=lambda index: (sum(isinstance(value, str) for value in rows[index].values()), -index))
    above = [list(row.values()) for row in rows[:at]]
    if above:
        shared["report"] = above
    for row in rows[at + 1 :]:
        yield {str(rows[at][column]): value for column, value in row.items() if column in rows[at] and value != ""}


def _pairs(rows: list[list[Any]], name: str, shared: dict[str, Any]) -> None:
    """Put names and values into `shared`: two cells of a row, or one cell with a colon; other rows as they are."""
    rest = []
    for row in rows:
        texts = [value for value in row if value != ""]
        key, mark, value = str(texts[0]).partition(":") if len(texts) == 1 else ("", "", "")
        if len(texts) == 2 and isinstance(texts[0], str):
            shared.setdefault(texts[0].strip().rstrip(":").strip(), texts[1])
        elif mark and key.strip() and value.strip() and folded([key]) != {""}:
            shared.setdefault(key.strip(), value.strip())
        elif texts:
            rest.append(texts)
    if rest:
        shared[name] = rest
