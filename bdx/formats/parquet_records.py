"""A Parquet or Arrow file that another program wrote -> a part of records: names, units and values as they stand, in bounded batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from bdx import canon
from bdx.canon import Document, Part, Table
from bdx.errors import SourceError
from bdx.formats import arrow_records
from bdx.formats.canonical import guard
from bdx.formats.delimited_names import Styles, split_unit
from bdx.formats.parquet_table import batches, open_file
from bdx.formats.source import Source

_NOT_FACTS = (b"ARROW:schema", b"pandas")
"""Footer entries that describe the table itself, not the test."""


def foreign_names(source: Source) -> list[str]:
    """Return the column names of a Parquet or Arrow file that bears no mark of a canonical table; none where it is not one."""
    try:
        schema = arrow_records.head_schema(source.head) if arrow_records.is_arrow(source.head) else open_file(source).schema_arrow
    except SourceError:
        return []
    return [] if schema is None or canon.table_of(schema) else list(schema.names)


def parts(source: Source, unit: Styles) -> Iterator[Part]:
    """Yield the facts in the footer, then the records; `unit` says how column names write their unit.

    Raises: CorruptSource where the bytes contradict the format.
    """
    if arrow_records.is_arrow(source.head):
        whole, found = arrow_records.opened(source)
        schema = pa.schema([_field(place, item, unit) for place, item in enumerate(whole)])
        facts = {key: text for key, text in (whole.metadata or {}).items() if key not in _NOT_FACTS}
        yield Document("info", {_text(key): _text(value) for key, value in facts.items()}, "schema")
        yield Table("records", schema, _shown(found, schema, source))
        return
    file = open_file(source)
    with guard(source.uri, "Parquet"):
        schema = pa.schema([_field(place, item, unit) for place, item in enumerate(file.schema_arrow)])
        footer = {key: text for key, text in (file.metadata.metadata or {}).items() if key not in _NOT_FACTS}
    yield Document("info", {_text(key): _text(value) for key, value in footer.items()}, "footer")
    yield Table("records", schema, _shown(batches(file, source.uri, canon.BATCH_ROWS), schema, source))


def _field(place: int, item: pa.Field, unit: Styles) -> pa.Field:
    name, written = split_unit(item.name, unit)
    metadata = {"bdx.name": name, "bdx.unit": written, "bdx.locator": f"column {place + 1}"}
    return pa.field(item.name, item.type, metadata={key: text for key, text in metadata.items() if text})


def _shown(found: Iterable[pa.RecordBatch], schema: pa.Schema, source: Source) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in found:
        rows += batch.num_rows
        yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
    if not rows:
        source.log.find("F045", source=source.uri)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
