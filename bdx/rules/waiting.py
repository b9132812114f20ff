"""Small chunks put together before rules look at them: what a rule costs per batch is paid once for many documents."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa

from bdx.canon import Chunk

ENOUGH = 16_384
"""Rows of all tables that wait at most; a chunk as long is looked at as it is."""


@dataclass(slots=True)
class Together:
    """The rows of one or more chunks by table, in the order they came."""

    tables: Chunk
    chunks: list[Chunk]

    def home(self, table: str, place: int) -> tuple[Chunk, int]:
        """Return the chunk that a row came in, and its place there."""
        if len(self.chunks) == 1:
            return self.chunks[0], place
        holders = [chunk for chunk in self.chunks if table in chunk]
        ends = list(accumulate(chunk[table].num_rows for chunk in holders))
        number = bisect_right(ends, place)
        return holders[number], place - (ends[number - 1] if number else 0)


class Waiting:
    """Chunks that wait for more rows. Memory is bounded by `ENOUGH` rows; tables of another shape are not put together."""

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []
        self._rows = 0
        self._schemas: dict[str, pa.Schema] = {}

    def add(self, chunk: Chunk) -> Iterator[Together]:
        """Yield what has waited long enough, now that a chunk follows."""
        rows = sum(batch.num_rows for batch in chunk.values())
        if rows + self._rows > ENOUGH or any(self._schemas.get(name, batch.schema) != batch.schema for name, batch in chunk.items()):
            yield from self.rest()
        if rows >= ENOUGH:
            yield Together(chunk, [chunk])
            return
        self._chunks.append(chunk)
        self._rows += rows
        self._schemas.update((name, batch.schema) for name, batch in chunk.items())

    def rest(self) -> Iterator[Together]:
        """Yield what waits."""
        chunks, self._chunks, self._rows, self._schemas = self._chunks, [], 0, {}
        if len(chunks) > 1:
            pieces: dict[str, list[pa.RecordBatch]] = {}
            for chunk in chunks:
                for name, batch in chunk.items():
                    pieces.setdefault(name, []).append(batch)
            yield Together({name: pa.concat_batches(found) for name, found in pieces.items()}, chunks)
        elif chunks:
            yield Together(chunks[0], chunks)
