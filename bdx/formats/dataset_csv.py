"""Tables of a data set as CSV: one file per table with a header of canonical names, read back equal."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk
from bdx.errors import CorruptSource
from bdx.formats.canonical import WriteOptions, conform, guard
from bdx.formats.families import wanted_batches
from bdx.formats.parquet_table import TableWriter, batches, open_file
from bdx.formats.rows_cells import lines, parse
from bdx.formats.source import Source

BLOCK_BYTES = 1 << 22
MEDIA_TYPE = "text/csv"
_KINDS = {"number": "float64", "integer": "int64"}
"""What vendor columns of a Data Package type are."""


def write_tables(chunks: Iterable[Chunk], folder: Path, options: WriteOptions) -> dict[str, tuple[pa.Schema, int]]:
    """Write every table of every chunk to a CSV file of its name; returns schema and number of rows of each.

    Rows wait as Parquet until the last of them is there: only then is it known which columns a sparse table has.
    Raises: SinkError where there is nothing to write or a time cannot be told in text.
    """
    found: dict[str, tuple[pa.Schema, int]] = {}
    with ExitStack() as stack:
        spooled = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        writers: dict[str, TableWriter] = {}
        files: dict[str, Any] = {}
        for table, batch in wanted_batches(chunks, options):
            if table not in writers:
                files[table] = stack.enter_context((spooled / table).open("w+b"))
                writers[table] = stack.enter_context(TableWriter(files[table], batch.schema))
            writers[table].write(batch)
        for table, writer in writers.items():
            writer.finish()
            files[table].flush()
            path = spooled / table
            held = open_file(Source(str(path), options.log), str(path))
            with (folder / f"{table}.csv").open("wb") as sink:
                sink.write((",".join(writer.schema.names) + "\n").encode())
                for batch in batches(held, str(path), 8_192):
                    sink.write(lines(batch))
            path.unlink()
            found[table] = (writer.schema, writer.rows)
    return found


def rows(path: Path, table: str, step: int, fields: Any, source: Source) -> Iterator[pa.RecordBatch]:
    """Yield batches of at most `step` rows of a CSV file that `write_tables` wrote; `fields` are those of its descriptor.

    Raises: CorruptSource where it is no CSV or a cell is not of its column's type.
    """
    from pyarrow import csv

    told = {field["name"]: field for field in fields if isinstance(field, dict) and isinstance(field.get("name"), str)}
    with guard(str(path), "CSV"):
        with path.open("rb") as file:
            names = file.readline(1 << 20).decode().rstrip("\r\n").split(",")
        reader = csv.open_csv(
            str(path),
            read_options=csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
            ),
        )
        empty = True
        for cells in reader:
            batch = conform(_typed(cells, table, told, path), table, source)
            for start in range(0, batch.num_rows, step):
                empty = False
                yield batch.slice(start, step)
        if empty:
            nothing = pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in names], names=names)
            yield conform(_typed(nothing, table, told, path), table, source)


def _typed(cells: pa.RecordBatch, table: str, told: dict[str, Any], path: Path) -> pa.RecordBatch:
    """Return the cells as values of their columns."""
    known = spec.table(table).by_name
    arrays: list[pa.Array] = []
    fields: list[pa.Field] = []
    for name, text in zip(cells.schema.names, cells.columns, strict=True):
        facts = told.get(name, {})
        column = known.get(name) or spec.Column(name, _KINDS.get(str(facts.get("type")), "string"))
        values = parse(text, column, ".", "")
        if values.null_count > text.null_count:
            lost = pc.and_(values.is_null(), text.is_valid())
            first = pc.index(lost, True).as_py()
            raise CorruptSource(f"column {name} holds {text[first].as_py()!r:.60}, expected {column.type}", path=str(path))
        metadata = {key: value for key, value in facts.items() if key.startswith("bdx.") and isinstance(value, str)}
        arrays.append(values)
        fields.append(pa.field(name, values.type, metadata=metadata or None))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
