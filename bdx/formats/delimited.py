"""The engine of delimited text: one dialect of a cycler's export is a [delimited] section in a format spec, and no code.

Keys of [delimited], all but `group` (or `columns`) optional:

    encodings = ["utf-8", "gb18030", "cp1252"]   tried in this order after the byte order mark
    separators = [",", ";", "\\t"]                 the one that makes a header of a line; " " stands for runs of blanks
    header_lines = 64  a header stands within this many lines of the head (64 KiB)
    beyond = "regex"   a head in which this is found is of this format though it ends before the header: that stands within 4 MiB
    start = "regex"    the header (or, with `columns`, the first row) stands after the first line this is found in
    end = "regex"      the first line of the body this is found in ends the rows; what follows is kept as the fact "after"
    skip = "regex"     lines of the body this is found in are no rows (repeated headers, marks); counted
    unit = "(U)"       how a header cell writes its unit: "(U)" "[U]" "/U" "#U", "row" for a line of units below the header, "" for none;
                       a list of these is tried in its order, cell by cell
    null = ["", "--"]  cells that mean: no value
    text = [names]     columns kept as text (states, clocks, dates); a column not named is numeric if all its cells in the head are
                       ("Step (Sec)" beside "Step" is another column, and no text)
    integer = [names]  columns of whole numbers; every other numeric column is read as float64
    never = [names]    a line with one of these is not this format's header
    cased = true       names that differ only in the case of letters are different columns (dq and dQ)
    short = true       rows may end before the last names of the header: those get no column, and are named
    unit_beside = [names]  a column of this name holds the unit of the column before it, and is kept as text
    columns = [names]  there is no header line: these are the columns, as a header would write them (unit included)
    preamble = ":"     mark between key and value in the lines before the header; without it they are kept as remarks
    facts = { key = "regex with one group" }     facts of the test found anywhere in the preamble
    part = "records"   name of the part
    [[delimited.group]] any = [names]            a line is the header when each group has a name in it
    [[delimited.refuse]] title, advice, empty = 2, any = [names]
                       a layout that is this maker's but not read: `empty` empty cells, then one of the names
    [delimited.levels] cycle = 0, step = 1, record = 2
                       rows of several levels in one file, told apart by the number of leading empty cells; each level has a header
                       line of its own; the cells of the outer rows are carried into the records as further columns

Rows wrapped whole in quotation marks, quoted cells with line breaks, a header written again, blank lines, empty cells behind the last
one, and the words for NaN (no value) and infinity are read as what they are in every dialect. One decimal mark holds for the file, save
for columns that can only be numbers with the other one. A row of another width than the header is left out and named.

Names are compared without their unit, in one case, without blanks and punctuation. Yielded are Document("info", ...) and
Table("records", ...) whose fields carry `bdx.name`, `bdx.unit` and `bdx.locator`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from bdx.canon import Document, Part, Table
from bdx.errors import CorruptSource, SourceError, UnsupportedVersion
from bdx.formats.delimited_blocks import blocks
from bdx.formats.delimited_columns import NO_VALUE
from bdx.formats.delimited_head import LINES, heads
from bdx.formats.delimited_header import nearest, pattern
from bdx.formats.delimited_probe import Dialect, claims, preamble_facts, probe
from bdx.formats.delimited_rows import Rows
from bdx.formats.delimited_values import Parser
from bdx.formats.lines import Lines
from bdx.formats.source import HEAD_BYTES, Source
from bdx.spec import Facts, FormatSpec

_LONG_HEAD = 4 << 20


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the head holds the header of this dialect, or of a layout that its reader refuses by name."""
    return claims(head, spec.raw["delimited"]) or _goes_beyond(head, spec.raw["delimited"])


def _goes_beyond(head: bytes, facts: Facts) -> bool:
    """Say whether the head is the preamble of this dialect and ends before its header."""
    return "beyond" in facts and len(head) >= HEAD_BYTES and pattern(facts["beyond"]).search(head.decode("latin-1")) is not None


def _probe(source: Source, facts: Facts) -> Dialect | None:
    """Return the dialect by the head of a source or, where the preamble is longer than that, by its first megabytes."""
    found = probe(source.head, facts)
    if found is not None or not _goes_beyond(source.head, facts):
        return found
    with source.seekable() as file:
        return probe(file.read(_LONG_HEAD), facts)


def near(head: bytes, spec: FormatSpec) -> tuple[float, list[str]]:
    """Return how near the head is to this dialect (0 to 1) and the groups of names that its best line lacks.

    For a file that no format claims: the nearest one says what is missing from it. A group is written as its names, "Current, Cur".
    """
    best: tuple[float, list[str]] = (0.0, [])
    if head.lstrip()[:1] in (b"{", b"[", b"<"):
        return best
    for candidate in heads(head, spec.raw["delimited"]):
        best = max(best, nearest(candidate, spec.raw["delimited"]), key=lambda item: item[0])
    return best


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the preamble and dialect, then the table of records; rows keep their order and number.

    What follows the end of the rows is yielded after them, as the fact "after".
    Raises: SourceError where no line is a header of this dialect; UnsupportedVersion for a layout that is refused;
    CorruptSource for bytes that are no lines of cells, or rows that have a value more than the header has names.
    """
    facts = spec.raw["delimited"]
    dialect = _probe(source, facts)
    if dialect is None:
        raise _no_header(source, spec)
    if dialect.refused is not None:
        title, advice = dialect.refused["title"], dialect.refused["advice"]
        raise UnsupportedVersion(f"{title} is not read; {advice}", path=source.uri, offset=f"line {dialect.header_line}")
    if dialect.unnamed:
        width = len(dialect.headings)
        message = f"the header names {width - 1} columns and the rows hold {width} values; which name is missing cannot be known"
        raise CorruptSource(message, path=source.uri, offset=f"line {dialect.header_line}")
    _report_header(source, dialect, cased=facts.get("cased", False))
    written = {"encoding": dialect.encoding, "separator": dialect.separator, "decimal": dialect.decimal}
    yield Document("info", {**preamble_facts(dialect.preamble, facts), "dialect": written}, f"line {dialect.header_line}")
    source.lines = Lines()
    parser = Parser(source, dialect, [*NO_VALUE, *facts.get("null", ())])
    plain = Rows(source, dialect, facts)
    yield Table(facts.get("part", "records"), parser.schema, _rows(source, dialect, parser, plain))
    if plain.after:
        yield Document("info", {"after": plain.after}, "after the rows")


def _no_header(source: Source, spec: FormatSpec) -> SourceError:
    """Return the refusal of a file that is not of this dialect."""
    facts = spec.raw["delimited"]
    lines = facts.get("header_lines", LINES)
    score, lacking = near(source.head, spec)
    if score:
        wanted = "; ".join(" | ".join(names.split(", ")) for names in lacking)
        return SourceError(f"no header of {spec.id} in the first {lines} lines; the nearest line lacks one of: {wanted}", path=source.uri)
    wanted = "; ".join(" | ".join(group["any"]) for group in facts.get("group", ())) or f"rows of {len(facts['columns'])} numbers"
    return SourceError(f"no header of {spec.id} in the first {lines} lines; expected names from each of: {wanted}", path=source.uri)


def _rows(source: Source, dialect: Dialect, parser: Parser, plain: Rows) -> Iterator[pa.RecordBatch]:
    try:
        for block in plain.plain(blocks(source, dialect)):
            yield from parser.batches(block)
    except OSError as error:
        raise CorruptSource(f"cannot be read on: {error}", path=source.uri, offset=f"row {parser.rows}") from error
    if not parser.rows:
        source.log.find("F045", source=source.uri, locator=f"line {dialect.header_line}")


def _report_header(source: Source, dialect: Dialect, *, cased: bool) -> None:
    """Log the names that the header has twice, and those that no row has a cell for."""
    where = f"line {dialect.header_line}"
    names = [" ".join(heading.written.split()) for heading in dialect.headings]
    names = names if cased else [name.casefold() for name in names]
    for heading, name in zip(dialect.headings, names, strict=True):
        if heading.name and names.count(name) > 1:
            source.log.find("F046", source=source.uri, column=heading.written, locator=where, value=heading.written)
    for name in dialect.unfilled:
        source.log.find("F052", source=source.uri, column=name, locator=where, value=name)
