"""Rows of documents, of one release or of several in turn, gathered into chunks whose keys are unique."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa

from bdx import canon
from bdx.canon import Chunk, Document, Part
from bdx.errors import MappingError
from bdx.mapping import Context
from bdx.mapping.paths_run import ReadRun
from bdx.mapping.transforms_base import Options

BATCH_DOCUMENTS = 2048
"""Documents per chunk; fewer where their child rows fill a batch first or a key comes again."""

STEP = 512
"""Documents whose values are Python objects at a time: few enough to stay in the processor's cache."""


def to_chunks(parts: Iterable[Part], mapping_of: Callable[[str], str], context: Context, options: Options) -> Iterator[Chunk]:
    """Yield one chunk per batch of documents: the main table first, then the children that have rows.

    `mapping_of` names the mapping of a document's model; rows stand in the order of the documents, whatever their models.
    Raises: MappingError where a part is no document.
    """
    gathered = _Gathered(mapping_of, context, options)
    source = iter(parts)
    going = True
    while going:
        with paused_collector():
            going = gathered.fill(source)
            ready = gathered.take(finish=not going)
        yield from ready


@contextmanager
def paused_collector() -> Iterator[None]:
    """Keep the cyclic garbage collector out of a batch: documents are trees, and it would walk them in vain."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


class _Gathered:
    """The rows of a stream of documents, by table, until they make a chunk."""

    def __init__(self, mapping_of: Callable[[str], str], context: Context, options: Options) -> None:
        self._mapping_of = mapping_of
        self._context = context
        self._options = options
        self._runs: dict[str, ReadRun] = {}
        self._by_name: dict[str, ReadRun] = {}
        self._read = self._settled = 0
        self._unusable: Callable[[Document, str, str, str], None] | None = context.options.get("unusable")
        self._keys: dict[str, int] = {}
        self._pieces: dict[str, list[pa.RecordBatch]] = {}
        self._counts: dict[str, int] = {}
        self._ready: list[Chunk] = []

    def fill(self, source: Iterator[Part]) -> bool:
        """Read documents until a step is done; say whether there may be more."""
        end = self._read + STEP
        for part in source:
            if not isinstance(part, Document):
                raise MappingError(f"{self._context.model} is read from documents, not from the table '{part.name}'")
            if type(part.value) is not dict:
                raise MappingError(f"{self._context.source}: {part.locator or 'the document'} is not a JSON object")
            self._read += 1
            run = self._by_name.get(part.name) or self._run(part.name)
            if self._unusable is None:
                run.read(part, self._read)
            else:
                self._read_if_usable(run, part)
            if self._read >= end or self._ready or len(self._keys) >= BATCH_DOCUMENTS or run.most() >= canon.BATCH_ROWS:
                return True
        return False

    def _read_if_usable(self, run: ReadRun, document: Document) -> None:
        """Read a document; take its rows back where a value has no canonical meaning."""
        starts, settled = {table: len(rows) for table, rows in run.rows.items()}, self._settled
        run.read(document, self._read)
        if run.unusable is not None:
            found = run.withdraw(starts if settled == self._settled else {})
            self._unusable(document, *found)  # type: ignore[misc]

    def _run(self, name: str) -> ReadRun:
        mapping = self._mapping_of(name)
        run = self._runs.get(mapping)
        if run is None:
            run = self._runs[mapping] = ReadRun(mapping, self._context, self._options, self._begin)
        self._by_name[name] = run
        return run

    def _begin(self, key: str) -> None:
        """Start the rows of a document; a key that the chunk holds already starts a new one, so children stay apart."""
        if key in self._keys:
            self._flush()
        self._keys[key] = len(self._keys)

    def take(self, *, finish: bool) -> list[Chunk]:
        """Return the chunks that are complete."""
        if not self._ready:
            self._settle()
            if finish or len(self._keys) >= BATCH_DOCUMENTS or any(n >= canon.BATCH_ROWS for n in self._counts.values()):
                self._flush()
        elif finish:
            self._flush()
        ready, self._ready = self._ready, []
        return ready

    def _settle(self) -> None:
        """Make record batches of the rows so far."""
        self._settled += 1
        found: dict[str, list[pa.RecordBatch]] = {}
        for run in self._runs.values():
            for table, batch in run.build().items():
                found.setdefault(table, []).append(batch)
        for table, batches in found.items():
            piece = batches[0] if len(batches) == 1 else self._in_order(batches)
            self._pieces.setdefault(table, []).append(piece)
            self._counts[table] = self._counts.get(table, 0) + piece.num_rows

    def _in_order(self, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        """Return batches of several releases as one, in the order in which the documents came."""
        whole = pa.concat_batches(batches)
        turns = [self._keys[key] for key in whole.column("battery_key").to_pylist()]
        return whole.take(pa.array(sorted(range(len(turns)), key=turns.__getitem__), pa.int64()))

    def _flush(self) -> None:
        self._settle()
        if self._pieces:
            order = dict.fromkeys(table for run in self._runs.values() for table in run.plan.tables)
            self._ready.append({table: pa.concat_batches(self._pieces[table]) for table in order if table in self._pieces})
        self._pieces, self._counts = {}, {}
        self._keys.clear()
