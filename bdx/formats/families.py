"""Children travel with their parents: their order in a chunk, and chunks put together again from one stream per table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.canon import Chunk
from bdx.errors import CorruptSource, UnsafeSource
from bdx.formats.canonical import WriteOptions, absent, concat, nothing

PARENT_ROWS = 1024
"""Parents read at a time: their children travel in the same chunk and may be hundreds for each."""

CHUNK_ROWS = 1 << 22
"""Upper bound of children in one chunk; more means a hostile or broken file."""


@cache
def children(parent: str) -> tuple[str, ...]:
    """Return the tables whose rows travel with a row of `parent`, in documented order."""
    return tuple(name for name in spec.tables() if spec.table(name).parent == parent)


@cache
def link(table: str) -> tuple[str, str]:
    """Return (column of the child, key column of its parent) that tie a child table to its parent."""
    facts = spec.table(table)
    key = spec.table(facts.parent).key[0]
    target = f"{facts.parent}.{key}"
    return next(column.name for column in facts.columns if column.references == target), key


def settle(chunk: Chunk, options: WriteOptions) -> Chunk:
    """Return the chunk with the children of each parent in the parent's order; children of nobody are a loss."""
    settled: Chunk = {}
    for table, batch in chunk.items():
        parent = spec.table(table).parent
        settled[table] = _in_parent_order(table, batch, chunk[parent], options) if parent in chunk else batch
    return settled


def wanted_batches(chunks: Iterable[Chunk], options: WriteOptions) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield (table, batch) of all chunks, children in their parents' order; tables the user did not ask for are a loss.

    Raises: SinkError at the end where there was nothing to write.
    """
    wanted = options.wanted()
    seen: set[str] = set()
    written = False
    for chunk in chunks:
        seen.update(chunk)
        for table, batch in settle(chunk, options).items():
            if wanted and table != wanted:
                options.lose(table, batch.num_rows, f"only table {wanted} was asked for")
                continue
            written = True
            yield table, batch
    if not seen:
        raise nothing()
    if not written:
        raise absent(wanted, seen)


def _in_parent_order(table: str, batch: pa.RecordBatch, parent: pa.RecordBatch, options: WriteOptions) -> pa.RecordBatch:
    column, key = link(table)
    place = pc.index_in(batch.column(column), value_set=parent.column(key))
    if place.null_count:
        options.lose(table, place.null_count, f"no {spec.table(table).parent} has their {column}")
        batch = batch.filter(place.is_valid())
        place = place.drop_null()
    order = place.to_numpy()
    if len(order) > 1 and (np.diff(order) < 0).any():
        batch = batch.take(pa.array(np.argsort(order, kind="stable")))
    return batch


class _Follower:
    """The rows of one child table, handed out parent batch by parent batch."""

    def __init__(self, table: str, batches: Iterator[pa.RecordBatch], path: str) -> None:
        self._table = table
        self._column = link(table)[0]
        self._batches = batches
        self._rest: pa.RecordBatch | None = None
        self._path = path
        self._seen = 0

    def _fill(self) -> pa.RecordBatch | None:
        while self._rest is None or not self._rest.num_rows:
            self._rest = next(self._batches, None)
            if self._rest is None:
                return None
        return self._rest

    def take(self, keys: pa.Array) -> pa.RecordBatch | None:
        """Return the next rows that belong to one of `keys`, or None."""
        found: list[pa.RecordBatch] = []
        rows = 0
        while (rest := self._fill()) is not None:
            strangers = pc.is_null(pc.index_in(rest.column(self._column), value_set=keys))
            stop = pc.index(strangers, True).as_py()
            mine = rest if stop < 0 else rest.slice(0, stop)
            rows += mine.num_rows
            if rows > CHUNK_ROWS:
                raise UnsafeSource(f"more than {CHUNK_ROWS} rows of {self._table} belong to {len(keys)} parents", path=self._path)
            if mine.num_rows:
                found.append(mine)
            self._rest = None if stop < 0 else rest.slice(stop)
            if stop >= 0:
                break
        self._seen += rows
        return concat(found, found[0].schema) if found else None

    def finish(self) -> None:
        """Refuse what no parent asked for.

        Raises: CorruptSource naming the first row left over.
        """
        rest = self._fill()
        if rest is None:
            return
        value = rest.column(self._column)[0].as_py()
        parent = spec.table(self._table).parent
        found = f"row {self._seen + 1} of table {self._table} has {self._column} {value!r}"
        raise CorruptSource(f"{found}, expected the rows in the order of table {parent} and a row there for each", path=self._path)


def regroup(
    parent: str, batches: Iterator[pa.RecordBatch], followers: Mapping[str, Iterator[pa.RecordBatch]], path: str
) -> Iterator[Chunk]:
    """Yield chunks closed under keys from one stream of parents and one of each child, all in the parents' order."""
    key = spec.table(parent).key[0]
    streams = {table: _Follower(table, rows, path) for table, rows in followers.items()}
    for batch in batches:
        chunk: Chunk = {parent: batch}
        for table, stream in streams.items():
            rows = stream.take(batch.column(key))
            if rows is not None:
                chunk[table] = rows
        yield chunk
    for stream in streams.values():
        stream.finish()


def arrange(sizes: Mapping[str, int], rows: Callable[[str, int], Iterator[pa.RecordBatch]], path: str) -> Iterator[Chunk]:
    """Yield the chunks of a file that holds each table for itself: parents with their children, long tables, then the short ones.

    `sizes` are the rows per table in the file's order; `rows(table, step)` yields a table in batches of `step` rows.
    """
    adopted = {table for table in sizes if spec.table(table).parent in sizes}
    short: Chunk = {}
    for table, count in sizes.items():
        if table in adopted:
            continue
        followers = {child: rows(child, canon.BATCH_ROWS) for child in sizes if spec.table(child).parent == table}
        if followers:
            yield from regroup(table, rows(table, PARENT_ROWS), followers, path)
        elif count > canon.BATCH_ROWS:
            for batch in rows(table, canon.BATCH_ROWS):
                yield {table: batch}
        else:
            held = list(rows(table, canon.BATCH_ROWS))
            short[table] = concat(held, held[0].schema)
    if short:
        yield short
