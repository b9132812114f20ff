"""Chunks laid aside until all sources are read: in memory while they are few, then in a temporary file that nobody else can open."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.canon import Chunk

HELD = 64 << 20
"""Bytes that wait in memory before the first go to a file."""

STEP = 8192
"""Batteries of one chunk laid aside: so many are merged at a time."""

_Place = tuple[str, int, int]


class Spool:
    """Keeps chunks by number; what does not fit in memory stands in a file without a name, as Arrow streams of the filled columns."""

    def __init__(self, held: int = HELD) -> None:
        self._room = held
        self._size = 0
        self._chunks: list[Chunk | tuple[_Place, ...]] = []
        self._file: BinaryIO | None = None
        self._end = 0

    def add(self, chunk: Chunk) -> int:
        """Lay a chunk of canonical tables aside and return its number."""
        size = sum(batch.get_total_buffer_size() for batch in chunk.values())
        if self._file is None and self._size + size <= self._room:
            self._size += size
            self._chunks.append(chunk)
        else:
            self._spill()
            self._chunks.append(self._written(chunk))
        return len(self._chunks) - 1

    def read(self, number: int) -> Chunk:
        """Return a chunk as it was laid aside."""
        found = self._chunks[number]
        if isinstance(found, dict):
            return found
        return {table: _whole(table, self._read(start, length)) for table, start, length in found}

    def keep(self, thing: Any) -> tuple[int, int]:
        """Lay an object of bdx aside and return its place; only this process ever reads it."""
        self._open()
        return self._append(pickle.dumps(thing, pickle.HIGHEST_PROTOCOL))

    def kept(self, place: tuple[int, int]) -> Any:
        """Return an object laid aside."""
        return pickle.loads(self._read(*place))  # noqa: S301 - written by this process to a file without a name

    def _spill(self) -> None:
        """Write what waited in memory, once."""
        if self._file is None:
            self._open()
            self._chunks = [self._written(item) if isinstance(item, dict) else item for item in self._chunks]

    def _open(self) -> BinaryIO:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="bdx-")  # noqa: SIM115 - lives as long as the spool
            weakref.finalize(self, self._file.close)
        return self._file

    def _written(self, chunk: Chunk) -> tuple[_Place, ...]:
        return tuple((table, *self._append(_stream(batch))) for table, batch in chunk.items())

    def _append(self, data: Any) -> tuple[int, int]:
        file, start = self._open(), self._end
        file.seek(start)
        file.write(data)
        self._end += len(data)
        return start, len(data)

    def _read(self, start: int, length: int) -> bytes:
        file = self._open()
        file.seek(start)
        return file.read(length)


def _stream(batch: pa.RecordBatch) -> pa.Buffer:
    """Return a batch as an Arrow stream without its empty columns and the facts of the others."""
    filled = [place for place, column in enumerate(batch.columns) if column.null_count < len(column)] or [0]
    bare = pa.schema([pa.field(batch.schema.field(place).name, batch.schema.field(place).type) for place in filled])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, bare, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays([batch.column(place) for place in filled], schema=bare))
    return sink.getvalue()


def _whole(table: str, data: bytes) -> pa.RecordBatch:
    with pa.ipc.open_stream(data) as reader:
        batch = reader.read_next_batch()
    known = spec.table(table).by_name
    names = batch.schema.names
    columns = {name: batch.column(name) for name in names if name in known}
    further: dict[str, Any] = {name: (batch.column(name), {}) for name in names if name not in known}
    return canon.batch(table, columns, further)


def slices(chunk: Chunk) -> list[Chunk]:
    """Return the batteries of a chunk in pieces of `STEP`, children with their batteries."""
    batch = chunk["battery"]
    if batch.num_rows <= STEP:
        return [chunk]
    return [picked(chunk, pa.array(range(start, min(start + STEP, batch.num_rows)))) for start in range(0, batch.num_rows, STEP)]


def picked(chunk: Chunk, rows: pa.Array) -> Chunk:
    """Return some batteries of a chunk with their children."""
    some = chunk["battery"].take(rows)
    found: Chunk = {"battery": some}
    for table, batch in chunk.items():
        if table != "battery" and spec.table(table).parent == "battery":
            mine = batch.filter(pc.is_in(batch.column("battery_key"), value_set=some.column("battery_key")))
            found |= {table: mine} if mine.num_rows else {}
    return found
