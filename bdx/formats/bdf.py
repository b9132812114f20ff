"""Battery Data Format as CSV and as Parquet: read under any name the ontology knows, written complete or refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.canon import Chunk, Part
from bdx.errors import SinkError, UsageError
from bdx.formats import delimited
from bdx.formats.canonical import WriteOptions, single_table, workspace
from bdx.formats.delimited_probe import probe
from bdx.formats.parquet_records import foreign_names, parts
from bdx.formats.parquet_table import MAX_GROUP_ROWS
from bdx.formats.rows_cells import lines
from bdx.formats.source import Source
from bdx.spec import FormatSpec

TABLE = "timeseries"

REPAIRS = "bdx.repairs"
"""Footer entry that holds what was repaired before the file was written, as JSON."""

_TIME = re.compile(r"(?:(?:[Tt]est|[Uu]nix) [Tt]ime / \S+|(?:test|unix)_time_[a-z]+)")
_VOLTAGE = re.compile(r"(?:[Vv]oltage / \S+|voltage_[a-z]+)")
_CURRENT = re.compile(r"(?:[Cc]urrent / \S+|current_[a-z]+)")
_OWN = re.compile(r"extra_.*|test_id|local_time")
"""Names that only the canonical tables of bdx have."""


def sniff(head: bytes, format_spec: FormatSpec) -> bool:
    """Say whether the header spells time, voltage and current as the Battery Data Format does."""
    facts = format_spec.raw.get("delimited")
    dialect = probe(head, facts) if facts is not None else None
    return dialect is not None and _named([heading.written for heading in dialect.headings])


def sniff_source(source: Source, format_spec: FormatSpec) -> bool:
    """Say the same of a source; a Parquet file is told by its footer, which must not bear the mark of a canonical table."""
    if "delimited" in format_spec.raw:
        return sniff(source.head, format_spec)
    return _named(foreign_names(source))


def near(head: bytes, format_spec: FormatSpec) -> tuple[float, list[str]]:
    """Return how near the header of a text comes to the format, and what it lacks."""
    return delimited.near(head, format_spec) if "delimited" in format_spec.raw else (0.0, [])


def _named(names: Iterable[str]) -> bool:
    plain = [name.strip() for name in names]
    wanted = (_TIME, _VOLTAGE, _CURRENT)
    return (
        bool(plain)
        and not any(_OWN.fullmatch(name) for name in plain)
        and all(any(term.fullmatch(name) for name in plain) for term in wanted)
    )


def read(source: Source, format_spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the file, then its records under the names and units of its header.

    Raises: SourceError where no line is a header of the format, CorruptSource.
    """
    if "delimited" in format_spec.raw:
        yield from delimited.read(source, format_spec)
        return
    yield from parts(source, "/U")


def write_chunks(chunks: Iterable[Chunk], sink: BinaryIO, format_spec: FormatSpec, options: WriteOptions) -> None:
    """Write the time series of one test; columns without a term and other tables are losses.

    CSV has preferred labels ("Test Time / s"), Parquet machine-readable names (test_time_second), as the reference files do.
    Raises: SinkError naming the required columns that lack, or where the rows are of several tests.
    """
    kind = "BDF CSV" if "delimited" in format_spec.raw else "BDF Parquet"
    if options.table not in (None, TABLE):
        raise UsageError(f"{kind} holds table {TABLE}, not {options.table}")
    options = WriteOptions(log=options.log, table=TABLE, source=options.source)
    if "delimited" in format_spec.raw:
        _write_csv(_termed(single_table(_termless_aside(chunks, options), options, kind), kind), sink)
        return
    repairs: list[dict[str, Any]] = []
    chunks = _termless_aside(_repairs_aside(chunks, repairs), options)
    with workspace(sink) as file:
        _write_parquet(_termed(single_table(chunks, options, kind), kind), file, repairs)


def _termed(stream: Iterable[pa.RecordBatch], kind: str) -> Iterator[pa.RecordBatch]:
    """Yield the batches with the columns that BDF names, all of one test."""
    names: list[str] = []
    test: str | None = None
    for batch in stream:
        names = names or _known(batch.schema, kind)
        test = _one_test(batch, test, kind)
        yield batch.select(names)


def _write_csv(stream: Iterable[pa.RecordBatch], sink: BinaryIO) -> None:
    begun = False
    for batch in stream:
        if not begun:
            sink.write((",".join(_label(name) for name in batch.schema.names) + "\n").encode())
            begun = True
        for start in range(0, batch.num_rows, canon.BATCH_ROWS):
            sink.write(lines(batch.slice(start, canon.BATCH_ROWS)))


def _repairs_aside(chunks: Iterable[Chunk], held: list[dict[str, Any]]) -> Iterator[Chunk]:
    """Yield the chunks less the evidence of repairs, which is appended to `held` for the footer."""
    for chunk in chunks:
        others = {name: batch for name, batch in chunk.items() if name != "evidence"}
        if "evidence" in chunk:
            repaired = pc.fill_null(pc.equal(chunk["evidence"].column("method"), "repaired"), fill_value=False)
            held += chunk["evidence"].filter(repaired).to_pylist()
            rest = chunk["evidence"].filter(pc.invert(repaired))
            others |= {"evidence": rest} if rest.num_rows else {}
        if others:
            yield others


def _write_parquet(stream: Iterable[pa.RecordBatch], sink: BinaryIO, repairs: list[dict[str, Any]]) -> None:
    """Write row groups whose size does not depend on that of the batches; the schema bears no mark of bdx, the footer its repairs."""
    import pyarrow.parquet as pq

    writer: Any = None
    held: list[pa.RecordBatch] = []
    try:
        for batch in stream:
            schema = pa.schema([field.remove_metadata() for field in batch.schema])
            writer = writer or pq.ParquetWriter(sink, schema, write_page_checksum=True)
            held.append(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
            while sum(item.num_rows for item in held) >= MAX_GROUP_ROWS:
                table = pa.Table.from_batches(held)
                writer.write_table(table.slice(0, MAX_GROUP_ROWS))
                held = table.slice(MAX_GROUP_ROWS).to_batches()
        if held:
            writer.write_table(pa.Table.from_batches(held))
        if repairs and writer is not None:
            writer.add_key_value_metadata({REPAIRS: canon.dumps(repairs)})
    finally:
        if writer is not None:
            writer.close()


def _label(name: str) -> str:
    column = spec.table(TABLE).by_name.get(name)
    return column.label if column else ""


def _known(schema: pa.Schema, kind: str) -> list[str]:
    """Return the columns that BDF names.

    Raises: SinkError where a required one is missing.
    """
    required = [column for column in spec.table(TABLE).columns if column.required]
    missing = [f"{column.name} ({column.label})" for column in required if column.name not in schema.names]
    if missing:
        other = "Parquet or CSV" if kind == "BDF CSV" else "Parquet"
        raise SinkError(f"BDF requires {', '.join(missing)}, which the data do not hold; write {other} instead")
    return [name for name in schema.names if _label(name)]


def _termless_aside(chunks: Iterable[Chunk], options: WriteOptions) -> Iterator[Chunk]:
    """Yield the chunks and count the values of columns that BDF has no term for."""
    for chunk in chunks:
        batch = chunk.get(TABLE)
        for field, array in zip(batch.schema, batch.columns, strict=True) if batch is not None else ():
            if not _label(field.name) and field.name != "test_id" and array.null_count < len(array):
                why = "the Battery Data Format has no term for it"
                options.log.lose(options.source, f"column {TABLE}.{field.name}", why, len(array) - array.null_count)
        yield chunk


def _one_test(batch: pa.RecordBatch, test: str | None, kind: str) -> str | None:
    place = batch.schema.get_field_index("test_id")
    if place < 0:
        return test
    found = {*pc.unique(batch.column(place)).to_pylist(), *([test] if test is not None else [])} - {None}
    if len(found) > 1:
        raise SinkError(f"{kind} holds one test, the data hold {', '.join(sorted(found))}; convert each alone")
    return next(iter(found), test)
