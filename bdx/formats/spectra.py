"""Text of impedance analysers: one table whose header is told by what its names mean, or that has no header at all.

The engine of delimited text folds punctuation away; here a prime or a minus sign is the name: Z', Z'', -Z''.
Keys of [spectra] in the format spec, all optional but `needs` or `columns`:

    encodings = ["utf-8", "cp1252"]  tried in this order after the byte order mark
    separators = [",", "\\t"]         tried in this order; " " stands for runs of blanks
    needs = [["Frequency"], ["Zre"]] a line is the header when it has one of each of these roles
    columns = ["Frequency", ...]     there is no header: the roles or names of the columns; rows start at the first line of so many numbers
    start = "regex"                  header or rows stand after the first line this is found in
    null = ["NaN"]                   cells that mean: no value
    facts = { key = "regex" }        facts of the test found in the lines before the rows; groups are joined by a blank,
                                     groups named y, m, d and t by the order of a date
    declared = "regex with a group"  the number of rows as a line before the rows states it; a lone number above them counts too
    instrument = "CH Instruments"    maker, a fact of the test

Roles and the names that mean them stand once for all, under [roles] of specs/formats/eis-csv.toml. A name of imaginary part or phase
with a minus sign in front is that column negated (`bdx.scale` -1); the values themselves never decide. A header written again
between rows is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from bdx.canon import Document, Part, Table
from bdx.errors import CorruptSource, SourceError
from bdx.formats.delimited_blocks import blocks
from bdx.formats.delimited_rows import Rows
from bdx.formats.delimited_values import Parser
from bdx.formats.lines import Lines
from bdx.formats.source import Source
from bdx.formats.spectra_head import Head, find
from bdx.spec import FormatSpec

_MANY = 5
_ONE_SIDED = 0.9
_RESTART = 10.0
"""A frequency that goes back against its sweep by more than this factor begins another spectrum."""


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the head of a file holds such a table."""
    return find(head, spec.raw["spectra"]) is not None


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the lines before the table, then the rows as they stand.

    Raises: SourceError where there is no such table; CorruptSource for bytes that are no lines of cells.
    """
    facts = spec.raw["spectra"]
    head = find(source.head, facts)
    if head is None:
        wanted = "rows of " + ", ".join(facts["columns"]) if "columns" in facts else "a header with " + _wanted(facts["needs"])
        raise SourceError(f"no table of {spec.id} in the first 64 KiB; expected {wanted}", path=source.uri)
    yield Document("info", head.info, f"line {head.dialect.header_line}")
    source.lines = Lines()
    parser = Parser(source, head.dialect, ["", *facts.get("null", ())])
    yield Table("records", _schema(head, parser.schema), _rows(source, head, parser))


def _wanted(needs: tuple[tuple[str, ...], ...]) -> str:
    return ", ".join(" or ".join(group) for group in needs)


def _schema(head: Head, schema: pa.Schema) -> pa.Schema:
    """Return the schema with the factor of every negated column in its metadata."""
    fields = []
    for item in schema:
        name = item.metadata.get(b"bdx.name", b"").decode() if item.metadata else ""
        fields.append(item.with_metadata({**(item.metadata or {}), "bdx.scale": "-1"}) if name in head.negated else item)
    return pa.schema(fields)


def _rows(source: Source, head: Head, parser: Parser) -> Iterator[pa.RecordBatch]:
    schema = _schema(head, parser.schema)
    watch = _Watch(head, schema)
    try:
        for block in Rows(source, head.dialect, {}).plain(blocks(source, head.dialect)):
            for batch in parser.batches(block):
                watch.see(batch)
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
    except OSError as error:
        raise CorruptSource(f"cannot be read on: {error}", path=source.uri, offset=f"row {parser.rows}") from error
    where = f"line {head.dialect.header_line}"
    if head.declared is not None and head.declared != parser.rows:
        source.log.find("F110", source=source.uri, locator=where, part="the head", declared=head.declared, found=parser.rows)
    if not parser.rows:
        source.log.find("F045", source=source.uri, locator=where)
    watch.report(source)


class _Watch:
    """What the whole of the rows shows: an imaginary part that is never negative, a sweep that starts anew."""

    def __init__(self, head: Head, schema: pa.Schema) -> None:
        names = [(item.metadata or {}).get(b"bdx.name", b"").decode() for item in schema]
        self._frequency = names.index("Frequency") if "Frequency" in names else None
        self._imaginary = names.index("Zim") if "Zim" in names and "Zim" not in head.negated else None
        self._header = schema.names[self._imaginary] if self._imaginary is not None else ""
        self._positive = self._negative = self._restarts = 0
        self._last: float | None = None
        self._way = 0.0

    def see(self, batch: pa.RecordBatch) -> None:
        """Take in one batch."""
        if self._imaginary is not None:
            values = _floats(batch.column(self._imaginary))
            self._positive += int(np.count_nonzero(values > 0))
            self._negative += int(np.count_nonzero(values < 0))
        if self._frequency is not None:
            values = _floats(batch.column(self._frequency))
            values = values[values > 0]
            if len(values):
                self._sweep(np.log(values if self._last is None else np.append(self._last, values)))
                self._last = float(values[-1])

    def _sweep(self, logs: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
        moves = np.diff(logs)
        if not self._way and len(moves) and moves.any():
            self._way = float(np.sign(moves[np.flatnonzero(moves)[0]]))
        self._restarts += int(np.count_nonzero(moves * self._way < -np.log(_RESTART)))

    def report(self, source: Source) -> None:
        """Log what was seen."""
        if self._positive >= _MANY and self._positive > _ONE_SIDED * (self._positive + self._negative):
            source.log.find("F112", source=source.uri, column=self._header, count=self._positive)
        if self._restarts:
            source.log.find("F113", source=source.uri, count=self._restarts + 1)


def _floats(array: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if not pa.types.is_floating(array.type):
        return np.zeros(0)
    return np.asarray(array.fill_null(0.0).to_numpy(zero_copy_only=False), np.float64)
