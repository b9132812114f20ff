"""Time series as Battery Data Format CSV: columns under their preferred labels ("Test Time / s"), refused where a required one lacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.canon import Chunk
from bdx.errors import SinkError, UsageError
from bdx.formats.canonical import WriteOptions, single_table
from bdx.formats.rows_cells import lines
from bdx.spec import FormatSpec

TABLE = "timeseries"


def write_chunks(chunks: Iterable[Chunk], sink: BinaryIO, _format_spec: FormatSpec, options: WriteOptions) -> None:
    """Write the time series of one test; columns without a label and other tables are losses.

    Raises: SinkError naming the required columns that lack, or where the rows are of several tests.
    """
    if options.table not in (None, TABLE):
        raise UsageError(f"BDF CSV holds table {TABLE}, not {options.table}")
    options = WriteOptions(log=options.log, table=TABLE, source=options.source)
    labelled: list[str] = []
    test: str | None = None
    for batch in single_table(_unlabelled_aside(chunks, options), options, "BDF CSV"):
        if not labelled:
            labelled = _labelled(batch.schema)
            sink.write((",".join(str(_label(name)) for name in labelled) + "\n").encode())
        test = _one_test(batch, test)
        for start in range(0, batch.num_rows, canon.BATCH_ROWS):
            sink.write(lines(batch.select(labelled).slice(start, canon.BATCH_ROWS)))


def _label(name: str) -> str:
    column = spec.table(TABLE).by_name.get(name)
    return column.label if column else ""


def _labelled(schema: pa.Schema) -> list[str]:
    """Return the columns that BDF names.

    Raises: SinkError where a required one is missing.
    """
    required = [column for column in spec.table(TABLE).columns if column.required]
    missing = [f"{column.name} ({column.label})" for column in required if column.name not in schema.names]
    if missing:
        raise SinkError(f"BDF requires {', '.join(missing)}, which the data do not hold; write Parquet or CSV instead")
    return [name for name in schema.names if _label(name)]


def _unlabelled_aside(chunks: Iterable[Chunk], options: WriteOptions) -> Iterator[Chunk]:
    """Yield the chunks and count the values of columns that BDF has no term for."""
    for chunk in chunks:
        batch = chunk.get(TABLE)
        for field, array in zip(batch.schema, batch.columns, strict=True) if batch is not None else ():
            if not _label(field.name) and field.name != "test_id" and array.null_count < len(array):
                why = "the Battery Data Format has no term for it"
                options.log.lose(options.source, f"column {TABLE}.{field.name}", why, len(array) - array.null_count)
        yield chunk


def _one_test(batch: pa.RecordBatch, test: str | None) -> str | None:
    place = batch.schema.get_field_index("test_id")
    if place < 0:
        return test
    found = {*pc.unique(batch.column(place)).to_pylist(), *([test] if test is not None else [])} - {None}
    if len(found) > 1:
        raise SinkError(f"BDF CSV holds one test, the data hold {', '.join(sorted(found))}; convert each alone")
    return next(iter(found), test)
