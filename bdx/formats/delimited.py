"""The engine of delimited text: one dialect of a cycler's export is a [delimited] section in a format spec, and no code.

Keys of [delimited], all but `group` optional:

    encodings = ["utf-8", "gb18030", "cp1252"]   tried in this order after the byte order mark
    separators = [",", ";", "\\t"]                 the one that makes a header of a line
    unit = "(U)"       how a header cell writes its unit: "(U)" "[U]" "/U" "#U", "row" for a line of units below the header, "" for none
    null = ["", "--"]  cells that mean: no value
    text = [names]     columns kept as text (states, clocks, dates); a column not named is numeric if all its cells in the head are
    integer = [names]  columns of whole numbers; every other numeric column is read as float64
    never = [names]    a line with one of these is not this format's header
    preamble = ":"     mark between key and value in the lines before the header; without it they are kept as remarks
    part = "records"   name of the part
    [[delimited.group]] any = [names]            a line is the header when each group has a name in it (within the first 64 lines)
    [[delimited.refuse]] title, advice, empty = 2, any = [names]
                       a layout that is this maker's but not read: `empty` empty cells, then one of the names

Names are compared without their unit, in one case, without blanks and punctuation. Yielded are Document("info", ...) and
Table("records", ...) whose fields carry `bdx.name`, `bdx.unit` and `bdx.locator`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from bdx.canon import Document, Part, Table
from bdx.errors import CorruptSource, SourceError, UnsupportedVersion
from bdx.formats.delimited_blocks import blocks
from bdx.formats.delimited_probe import Dialect, fold, preamble_facts, probe
from bdx.formats.delimited_values import Parser
from bdx.formats.source import Source
from bdx.spec import FormatSpec


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the head holds the header of this dialect, or of a layout that its reader refuses by name."""
    return probe(head, spec.raw["delimited"]) is not None


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the preamble and dialect, then the table of records; rows keep their order and number.

    Raises: SourceError where no line is a header of this dialect; UnsupportedVersion for a layout that is refused;
    CorruptSource for bytes that are no lines of cells.
    """
    facts = spec.raw["delimited"]
    dialect = probe(source.head, facts)
    if dialect is None:
        wanted = "; ".join(" | ".join(group["any"]) for group in facts["group"])
        raise SourceError(f"no header of {spec.id} in the first 64 lines; expected names from each of: {wanted}", path=source.uri)
    if dialect.refused is not None:
        title, advice = dialect.refused["title"], dialect.refused["advice"]
        raise UnsupportedVersion(f"{title} is not read; {advice}", path=source.uri, offset=f"line {dialect.header_line}")
    _report_repeats(source, dialect)
    written = {"encoding": dialect.encoding, "separator": dialect.separator, "decimal": dialect.decimal}
    yield Document("info", {**preamble_facts(dialect.preamble, facts), "dialect": written}, f"line {dialect.header_line}")
    parser = Parser(source, dialect, ["", *facts.get("null", ())])
    yield Table(facts.get("part", "records"), parser.schema, _rows(source, dialect, parser))


def _rows(source: Source, dialect: Dialect, parser: Parser) -> Iterator[pa.RecordBatch]:
    try:
        for block in blocks(source, dialect):
            yield from parser.batches(block)
    except OSError as error:
        raise CorruptSource(f"cannot be read on: {error}", path=source.uri, offset=f"row {parser.rows}") from error
    if not parser.rows:
        source.log.find("F045", source=source.uri, locator=f"line {dialect.header_line}")


def _report_repeats(source: Source, dialect: Dialect) -> None:
    names = [fold(heading.written) for heading in dialect.headings if heading.name]
    for heading in dialect.headings:
        if heading.name and names.count(fold(heading.written)) > 1:
            source.log.find("F046", source=source.uri, column=heading.written, locator=f"line {dialect.header_line}", value=heading.written)
