"""Canonical `timeseries`, `cycle` and `test` -> tables and facts of an instrument format, by the same description that reads it.

Keys of the spec beyond those of columns.py, for formats that can be written:

    [write]
    records = "raw_data"             name of the Table parts of records; one series of parts per test, named in schema metadata `bdx.test`
    spectra = "eis_data"             name of those whose rows have a frequency
    cycles = "cycle_stats"           name of the Table parts of [[cycle]]; left out: cycles are lost
    facts = "metadata"               name of the Document parts, one per test
    rest = "bdx"                     key for facts of a test that no [[test]] row writes (and for the time of day of a date)

    [[column]] write = "current"     header of the column when written, in the `unit` of its row. A canonical column that no row writes
                                     keeps its own name, a vendor column (extra_*) its own
    [[cycle]]  to = "...", write = "...", unit = "..."   columns of `cycle`
    [[test]]   write = "protocol.cycler"                 key of a fact, a dot steps into a nested object
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec, units
from bdx.canon import Chunk, Document, Part, Table
from bdx.errors import MappingError, SpecError
from bdx.mapping import Context, numbers
from bdx.mapping.numbers import Scale
from bdx.names import fold
from bdx.spec import Column, Facts

_SPECTRAL = "frequency_hertz"
_TEST = "test_id"


def from_canonical(chunks: Iterable[Chunk], facts: Facts, context: Context) -> Iterator[Part]:
    """Yield the records (and spectra and cycles) batch by batch, and the facts of each test; other tables are logged as lost.

    Raises: SpecError for a format that cannot be written, MappingError for units that do not convert.
    """
    wanted = facts.get("write")
    if wanted is None:
        raise SpecError(f"mapping {facts['format']} does not say how the format is written")
    for chunk in chunks:
        for table, batch in chunk.items():
            if table == "timeseries":
                yield from _records(batch, facts, wanted)
            elif table == "cycle" and "cycles" in wanted:
                yield from _cycles(batch, facts, wanted["cycles"], context)
            elif table == "test":
                for row in batch.to_pylist():
                    yield Document(wanted["facts"], _facts(row, facts), str(row[_TEST]))
            elif batch.num_rows:
                context.log.lose(context.source, f"rows of {table}", f"{facts['format']} holds records of tests", batch.num_rows)


def _records(batch: pa.RecordBatch, facts: Facts, wanted: Facts) -> Iterator[Table]:
    for test, rows in _by_test(batch):
        if _SPECTRAL not in rows.schema.names:
            yield _part(rows, facts, wanted["records"], test)
            continue
        spectral = rows.column(rows.schema.get_field_index(_SPECTRAL)).is_valid()
        for name, part in ((wanted["records"], rows.filter(pc.invert(spectral))), (wanted["spectra"], rows.filter(spectral))):
            if part.num_rows:
                yield _part(part, facts, name, test)


def _by_test(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield the rows of each test in the order tests are met."""
    place = batch.schema.get_field_index(_TEST)
    if place < 0:
        yield "", batch
        return
    tests = pc.fill_null(batch.column(place), "")
    for test in pc.unique(tests).to_pylist():
        yield test, batch.filter(pc.equal(tests, test))


def _part(rows: pa.RecordBatch, facts: Facts, name: str, test: str) -> Table:
    """Return rows as a table of the format: columns of the spec by their headers, all others by their own names."""
    written = {row["to"]: row for row in facts["column"] if "write" in row}
    known = spec.table("timeseries").by_name
    meant = {fold(name) for row in facts["column"] for name in row["from"]}
    taken = {written[column]["write"] if column in written else column for column in known}
    fields: list[pa.Field] = []
    arrays: list[pa.Array] = []
    for field, array in zip(rows.schema, rows.columns, strict=True):
        if field.name == _TEST or (array.null_count == len(array) and name != facts["write"]["records"]):
            continue
        metadata = {key.decode(): value.decode("utf-8", "replace") for key, value in (field.metadata or {}).items()}
        header, unit = field.name, metadata.get("bdx.unit", "")
        values = array
        if field.name in written:
            header, values, unit = _as_written(array, known[field.name], written[field.name], facts)
        elif field.name not in known:
            short = field.name.removeprefix("extra_")
            header = field.name if short in taken or fold(short) in meant else short
        said = {"bdx.unit": unit, "bdx.source_name": metadata.get("bdx.source_name", "")}
        fields.append(pa.field(header, values.type, metadata={key: text for key, text in said.items() if text} or None))
        arrays.append(values)
    schema = pa.schema(fields, metadata={"bdx.test": test})
    return Table(name, schema, iter([pa.RecordBatch.from_arrays(arrays, schema=schema)]))


def _as_written(array: pa.Array, column: Column, row: Facts, facts: Facts) -> tuple[str, pa.Array, str]:
    """Return header, values and unit of a column as the format writes it."""
    unit = row.get("unit", "")
    if not isinstance(unit, str):
        raise MappingError(f"mapping {facts['format']}: column {column.name} is written in one unit, the spec lists {len(unit)}")
    if not pa.types.is_floating(array.type):
        return row["write"], array, unit
    scale = Scale()
    if unit and column.unit:
        scale = Scale(*units.factor(column.unit, facts.get("units", {}).get(unit, unit)))
    if "scale" in row:
        scale = scale.then(1 / numbers.exact(row["scale"]), numbers.exact("0"))
    return row["write"], scale.apply(array), unit


def _cycles(batch: pa.RecordBatch, facts: Facts, name: str, context: Context) -> Iterator[Table]:
    known = spec.table("cycle").by_name
    written = {row["to"]: row for row in facts.get("cycle", ())}
    for field, array in zip(batch.schema, batch.columns, strict=True):
        if field.name not in written and field.name != _TEST and array.null_count < len(array):
            why = f"{facts['format']} has no such column; it follows from the records"
            context.log.lose(context.source, f"column cycle.{field.name}", why, len(array) - array.null_count)
    for test, rows in _by_test(batch):
        fields, arrays = [], []
        for field, array in zip(rows.schema, rows.columns, strict=True):
            if field.name in written:
                header, values, unit = _as_written(array, known[field.name], written[field.name], facts)
                fields.append(pa.field(header, values.type, metadata={"bdx.unit": unit} if unit else None))
                arrays.append(values)
        schema = pa.schema(fields, metadata={"bdx.test": test})
        yield Table(name, schema, iter([pa.RecordBatch.from_arrays(arrays, schema=schema)]))


def _facts(row: dict[str, Any], facts: Facts) -> dict[str, Any]:
    """Return the facts of a test under the keys of the format, those it has no key for under `rest`; empty ones are left out."""
    found: dict[str, Any] = {}
    rest = {name: value for name, value in row.items() if value is not None and name not in (_TEST, "source_id", "current_sign")}
    for wish in facts.get("test", ()):
        value = row.get(wish["to"])
        if "write" not in wish or value is None:
            continue
        *path, last = wish["write"].split(".")
        place = found
        for step in path:
            place = place.setdefault(step, {})
        if isinstance(value, datetime):
            place[last] = value.date().isoformat()
            if value.time() == time(0):
                del rest[wish["to"]]
        else:
            place[last] = rest.pop(wish["to"])
    if "extra" in rest:
        rest["extra"] = json.loads(rest["extra"])
    kept = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in rest.items()}
    return {**found, facts["write"]["rest"]: kept} if kept and "rest" in facts["write"] else found
