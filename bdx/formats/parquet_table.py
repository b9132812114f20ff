"""One canonical table in one Parquet file: written beside the reading, widened when needed, read in bounded batches."""

from __future__ import annotations

import shutil
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import cache
from threading import BoundedSemaphore
from types import TracebackType
from typing import Any, BinaryIO

import pyarrow as pa

from bdx import canon
from bdx.formats.canonical import FAULTS, fit, guard, lean, widest
from bdx.formats.source import Source

CELLS = 1 << 21
"""Numbers in a row group: 16 to 20 columns of a time series make about a hundred thousand rows."""

TEXT = 8
"""Numbers that one text counts for: it takes more memory while a row group is held, and several tables are held at once."""

LEAST_GROUP_ROWS, MAX_GROUP_ROWS = 1 << 13, 1 << 17


_WAITING = BoundedSemaphore(1)
"""One row group of all tables is encoded at a time and none waits: more would only take memory."""


@cache
def _worker() -> ThreadPoolExecutor:
    """Return the thread that encodes all tables: one for each would keep memory of its own."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="parquet")


class TableWriter:
    """Writes batches of one table to a file that can be read, written and sought.

    Row groups do not depend on the size of the batches. A batch with further columns widens what is already written.
    """

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self.rows = 0
        self._file = file
        self.schema = lean(schema)
        self._held: list[pa.RecordBatch] = []
        self._held_rows = 0
        self._pending: deque[Future[None]] = deque()
        self._open()

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for group in self._pending:
            group.cancel()
        wait(self._pending)  # what has begun ends before its file is closed
        with suppress(*FAULTS):
            self._writer.close()  # on the way out of an error: else it would write to a closed file when collected

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        if not batch.schema.equals(self.schema):
            schema = widest(self.schema, lean(batch.schema))
            if not schema.equals(self.schema):
                self._widen(schema)
        batch = fit(batch, self.schema)
        self.rows += batch.num_rows
        self._held.append(batch)
        self._held_rows += batch.num_rows
        while self._held_rows >= self._group_rows:
            self._flush(self._group_rows)

    def finish(self, metadata: Mapping[str, str] | None = None) -> None:
        """Write what is held and the footer, with further key-value metadata."""
        if self._held_rows:
            self._flush(self._held_rows)
        self._drain(0)
        if metadata:
            self._writer.add_key_value_metadata(dict(metadata))
        self._writer.close()

    def _open(self) -> None:
        import pyarrow.parquet as pq

        leaves = list(_leaves(self.schema))
        cells = sum(TEXT if pa.types.is_string(kind) else 1 for _, kind in leaves)
        self._group_rows = max(LEAST_GROUP_ROWS, min(MAX_GROUP_ROWS, CELLS // max(1, cells)))
        self._writer = pq.ParquetWriter(
            self._file,
            self.schema,
            compression="snappy",
            use_dictionary=[path for path, kind in leaves if pa.types.is_string(kind)],
            write_page_checksum=True,
        )

    def _flush(self, rows: int) -> None:
        taken, count = [], 0
        while count < rows:
            batch = self._held.pop(0)
            if batch.num_rows > rows - count:
                self._held.insert(0, batch.slice(rows - count))
                batch = batch.slice(0, rows - count)
            taken.append(batch)
            count += batch.num_rows
        self._held_rows -= count
        group = pa.Table.from_batches(taken, schema=self.schema)
        self._drain(1)
        _WAITING.acquire()
        self._pending.append(_worker().submit(self._encode, group, rows))
        self._pending[-1].add_done_callback(lambda _: _WAITING.release())

    def _encode(self, group: pa.Table, rows: int) -> None:
        self._writer.write_table(group, rows)
        if self._group_rows < MAX_GROUP_ROWS:
            pa.default_memory_pool().release_unused()  # what was many small texts goes back to the system

    def _drain(self, keep: int) -> None:
        while len(self._pending) > keep:
            self._pending.popleft().result()

    def _widen(self, schema: pa.Schema) -> None:
        """Start the file anew in a wider schema and carry over what it holds."""
        import pyarrow.parquet as pq

        held, self._held, self._held_rows = self._held, [], 0
        self._drain(0)
        self._writer.close()
        with tempfile.TemporaryFile() as copy:
            self._file.seek(0)
            shutil.copyfileobj(self._file, copy, 1 << 20)
            self._file.seek(0)
            self._file.truncate()
            self.schema, self.rows = schema, 0
            self._open()
            copy.seek(0)
            for batch in batches(pq.ParquetFile(copy), "the rows written so far", canon.BATCH_ROWS):
                self.write(fit(batch, schema))
        for batch in held:
            self.write(fit(batch, schema))


def _leaves(schema: pa.Schema) -> Iterator[tuple[str, pa.DataType]]:
    """Yield (path, type) of every leaf column as Parquet names them."""

    def walk(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
        if pa.types.is_list(kind):
            yield from walk(f"{path}.list.element", kind.value_type)
        elif pa.types.is_struct(kind):
            for field in kind:
                yield from walk(f"{path}.{field.name}", field.type)
        else:
            yield path, kind

    for field in schema:
        yield from walk(field.name, field.type)


def open_file(source: Source, path: str | None = None) -> Any:
    """Return the open Parquet file of a source, or of a file at `path` inside a folder source.

    Raises: CorruptSource where the footer is not one.
    """
    import pyarrow.parquet as pq

    with guard(path or source.uri, "Parquet"):
        if path is not None:
            return pq.ParquetFile(pa.OSFile(path), page_checksum_verification=True)
        if source.path is not None:
            source.stream().close()  # starts the hash that runs beside the reading
            return pq.ParquetFile(pa.OSFile(str(source.path)), page_checksum_verification=True)
        return pq.ParquetFile(source.seekable(), page_checksum_verification=True)


def batches(file: Any, path: str, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of an open Parquet file in batches of at most `rows`.

    Raises: CorruptSource where a page does not match its checksum or cannot be decoded.
    """
    with guard(path, "Parquet"):
        for group in range(file.num_row_groups):
            # One row group at a time: an iterator over all keeps the bytes of every group it has passed.
            for batch in file.iter_batches(batch_size=rows, row_groups=[group]):
                batch.validate(full=True)
                yield batch
