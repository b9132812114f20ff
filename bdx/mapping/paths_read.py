"""Documents into chunks: runs a compiled reader, gathers its rows, and makes record batches of them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon
from bdx.canon import Chunk, Document, Part
from bdx.errors import MappingError
from bdx.mapping import Context
from bdx.mapping.paths_compile import reader
from bdx.mapping.paths_extra import Notes, dumps
from bdx.mapping.paths_plan import plan
from bdx.mapping.paths_resolve import resolve_rows
from bdx.mapping.paths_tree import Plan, run_columns
from bdx.mapping.transforms_base import Options

BATCH_DOCUMENTS = 2048
"""Documents per chunk; fewer where their child rows fill a batch first or a key comes again."""


def to_chunks(parts: Iterable[Part], mapping: str, context: Context, options: Options) -> Iterator[Chunk]:
    """Yield one chunk per batch of documents: the main table first, then the children that have rows.

    Raises: MappingError where a part is no document.
    """
    facts = plan(mapping, options)
    run = ReadRun(facts, context)
    read = reader(mapping, options)(run, [run.rows[table].append for table in facts.tables])
    source = iter(parts)
    going = True
    while going:
        with paused_collector():
            going = run.fill(source, read)
            ready = run.take(finish=not going)
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


class ReadRun:
    """One run of a reader: the document at hand, the rows so far, and where faults go."""

    def __init__(self, facts: Plan, context: Context) -> None:
        self.plan = facts
        self.source_id = context.source_id
        self.locator = ""
        self.rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in facts.tables}
        self._context = context
        self._number = 0
        self._keys: set[str] = set()
        self._links: dict[tuple[int, tuple[Any, ...]], int] = {}
        self._ready: list[Chunk] = []

    def fill(self, source: Iterator[Part], read: Callable[[Any], None]) -> bool:
        """Read documents until a batch is full; say whether there may be more."""
        main = self.rows[self.plan.tables[0]]
        children = [self.rows[table] for table in self.plan.tables[1:]]
        for part in source:
            if not isinstance(part, Document):
                raise MappingError(f"{self.plan.model} is read from documents, not from the table '{part.name}'")
            if type(part.value) is not dict:
                raise MappingError(f"{self._context.source}: {part.locator or 'the document'} is not a JSON object")
            self._number += 1
            self.locator = part.locator
            if self._links:
                self._links.clear()
            read(part.value)
            if len(main) >= BATCH_DOCUMENTS or any(len(rows) >= canon.BATCH_ROWS for rows in children) or self._ready:
                return True
        return False

    def take(self, *, finish: bool) -> list[Chunk]:
        """Return the chunks that are complete."""
        if not self._ready or finish:
            self._flush()
        ready, self._ready = self._ready, []
        return ready

    def _flush(self) -> None:
        if self.rows[self.plan.tables[0]]:
            self._ready.append(self._chunk())
            for rows in self.rows.values():
                rows.clear()
        self._keys.clear()

    def _chunk(self) -> Chunk:
        chunk: Chunk = {}
        if self.plan.resolve is not None and self.plan.resolve.get("entries"):
            resolve_rows(self.plan, self.rows, self._context)
        for table, rows in self.rows.items():
            if rows:
                names = run_columns(self.plan, table)
                columns = zip(*rows, strict=True)
                arrays = {name: _array(table, name, column) for name, column in zip(names, columns, strict=True)}
                for name in names:
                    if needed := self.plan.only_with.get(f"{table}.{name}"):
                        arrays[name] = pc.if_else(arrays[needed].is_null(), None, arrays[name])
                chunk[table] = canon.batch(table, arrays)
        return chunk

    def begin(self, key: str) -> None:
        """Start the rows of a document; a key that the batch holds already starts a new one, so children stay apart."""
        if key in self._keys:
            self._flush()
        self._keys.add(key)

    def number_key(self) -> str:
        """Return a key for a document that names none of its own."""
        return f"{self.source_id}:{self._number}"

    def notes_of(self, notes: Notes) -> str:
        """Return the `extra` cell of a row."""
        return dumps({self.plan.model: notes})

    def shape(self, value: Any, pointer: str, notes: Notes, base: str, table: str, expected: str) -> None:
        """Note a value that is not the object or list it should be; null and an empty list are no fault."""
        notes[pointer] = value
        if value is None or (value == [] and expected == "a list"):
            return
        self.fault("M003", table, "", base + pointer, value, expected)

    def many(
        self,
        read: Callable[..., None],
        items: Any,
        key: str,
        notes: Notes,
        base: str,
        pointer: str,
        mark: Any,
        cells: tuple[Any, ...],
        many: bool,
        scalars: bool,
        table: str,
    ) -> None:
        """Read every item of a list, or one object, into rows of a child table."""
        if not many:
            if type(items) is dict:
                read(items, key, base + pointer, mark, *cells)
            else:
                self.shape(items, pointer, notes, base, table, "an object")
            return
        if type(items) is not list or not items:
            self.shape(items, pointer, notes, base, table, "a list")
            return
        for number, item in enumerate(items):
            if scalars or type(item) is dict:
                read(item, key, f"{base}{pointer}/{number}", mark, *cells)
            else:
                notes[f"{pointer}/{number}"] = item
                self.fault("M003", table, "", f"{base}{pointer}/{number}", item, "an object")

    def link(self, place: int, values: tuple[Any, ...]) -> int | None:
        """Return the number of a parent among its siblings where the linked values alone do not tell it, else None."""
        number = sum(1 for known in self._links if known[0] == place)
        told = any(value is not None for value in values)
        if told and (place, values) not in self._links:
            self._links[place, values] = number
            return None
        self._links[place, (number,)] = number
        return number

    def fault(self, code: str, table: str, column: str, pointer: str, value: Any, expected: str) -> None:
        """Record a fault at a pointer of the document being read."""
        where = f"{self.locator} {pointer}" if self.locator else pointer
        self._context.log.find(
            code, source=self._context.source, table=table, column=column, locator=where, value=_shown(value), expected=expected
        )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)


def _array(table: str, name: str, values: tuple[Any, ...]) -> pa.Array:
    """Return a column of row tuples as Arrow; dates and times travel as numbers."""
    target = canon.field_of(table, name).type
    if pa.types.is_date32(target):
        return pa.array(values, pa.int32()).cast(target)
    if pa.types.is_timestamp(target):
        return pa.array(values, pa.int64()).cast(target)
    return pa.array(values, target)
