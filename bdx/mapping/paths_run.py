"""Documents into rows: runs the compiled reader of one mapping; what repeats from document to document is read once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.canon import Document
from bdx.mapping import Context
from bdx.mapping.paths_compile import reader
from bdx.mapping.paths_extra import Notes, dumps
from bdx.mapping.paths_memory import Memory
from bdx.mapping.paths_plan import plan
from bdx.mapping.paths_resolve import resolve_rows
from bdx.mapping.paths_tree import Object, Rows, run_columns
from bdx.mapping.transforms_base import Options


class ReadRun:
    """One run of a reader: the document at hand, the rows so far, and where faults go.

    `begin` is called with the key of every document before any of its rows is made; `number` counts documents.
    """

    def __init__(self, mapping: str, context: Context, options: Options, begin: Callable[[str], None]) -> None:
        self.plan = plan(mapping, options)
        self.source_id = context.source_id
        self.locator = ""
        self.number = 0
        self.faults = 0
        self.begin = begin
        self.unusable: tuple[str, str, str] | None = None
        self._turns_away = context.options.get("unusable") is not None
        self.rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in self.plan.tables}
        self._context = context
        self._links: set[tuple[int, tuple[Any, ...]]] = set()
        self._linked: dict[int, int] = {}
        self._builders = {table: _Builder(table, run_columns(self.plan, table), self.plan.only_with) for table in self.plan.tables}
        self._read = reader(mapping, options)(self, [self.rows[table].append for table in self.plan.tables])

    def read(self, document: Document, number: int) -> None:
        """Add the rows of a document, the `number`th of its source."""
        self.number = number
        self.locator = document.locator
        if self._linked:
            self._links.clear()
            self._linked.clear()
        self._read(document.value)

    def withdraw(self, starts: dict[str, int]) -> tuple[str, str, str]:
        """Take back the rows since `starts`; return the first value of their document that has no meaning: (place, value, expected)."""
        for table, rows in self.rows.items():
            del rows[starts.get(table, 0) :]
        assert self.unusable is not None
        found, self.unusable = self.unusable, None
        return found

    def build(self) -> dict[str, pa.RecordBatch]:
        """Return the rows so far, one batch per table that has any, and begin anew."""
        if self.plan.resolve is not None and self.plan.resolve.get("entries"):
            for table, rows in self.rows.items():
                self.rows[table][:] = map(_whole, rows)
            resolve_rows(self.plan, self.rows, self._context)
        found: dict[str, pa.RecordBatch] = {}
        for table, rows in self.rows.items():
            if rows:
                found[table] = self._builders[table].batch(rows)
                rows.clear()
        return found

    def most(self) -> int:
        """Return how many rows the fullest table has."""
        return max(map(len, self.rows.values()))

    def number_key(self) -> str:
        """Return a key for a document that names none of its own."""
        return f"{self.source_id}:{self.number}"

    def notes_of(self, notes: Notes) -> str | bytes:
        """Return the `extra` cell of a row."""
        try:
            return orjson.dumps({self.plan.model: notes}, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            return dumps({self.plan.model: notes})

    def shape(self, value: Any, pointer: str, notes: Notes, base: str, table: str, expected: str) -> None:
        """Note a value that is not the object or list it should be; null and an empty list are no fault."""
        notes[pointer] = value
        if value is None or (value == [] and expected == "a list"):
            return
        self.fault("M003", table, "", base + pointer, value, expected)

    def place(self, number: int, read: Callable[..., None]) -> Place:
        """Return the place of that number of the plan, read by a generated function."""
        facts = self.plan.rows[number]
        return Place(facts, read, self.rows[facts.scope.table])

    def many(self, place: Place, items: Any, key: str, notes: Notes, base: str) -> None:
        """Read every item of a list, or one object, into rows of a child table; what was read before is not read again."""
        memory = place.memory
        if memory is None:
            self.each(place, items, key, notes, base)
            return
        known = memory.get(items)
        if known is not None:
            append = place.rows.append
            for row in known:
                append((key, row))
            return
        start, faults, noted = len(place.rows), self.faults, len(notes)
        self.each(place, items, key, notes, base)
        if self.faults == faults and len(notes) == noted:
            memory.keep(place.rows[start:])

    def keep(self, memory: Memory, values: tuple[Any, ...], notes: Notes, faults: int) -> None:
        """Keep what was read of an object, and what it noted, unless there was a fault, which has a place of its own each time."""
        if self.faults == faults:
            memory.keep((values, notes))

    def each(
        self, place: Place, items: Any, key: str, notes: Notes, base: str, mark: Any = None, cells: tuple[Any, ...] | None = None
    ) -> None:
        """Read every item of a list, or one object, into rows of a child table; `cells` fill its columns that the place sets."""
        read, pointer, table = place.read, place.pointer, place.table
        filled = place.cells if cells is None else cells
        mark = place.mark if mark is None else mark
        if not place.many:
            if type(items) is dict or (place.scalars and items is not None):
                read(items, key, base + pointer, mark, *filled)
            else:
                self.shape(items, pointer, notes, base, table, "an object")
            return
        if type(items) is not list or not items:
            self.shape(items, pointer, notes, base, table, "a list")
            return
        for number, item in enumerate(items):
            if place.scalars or type(item) is dict:
                read(item, key, f"{base}{pointer}/{number}", mark, *filled)
            else:
                notes[f"{pointer}/{number}"] = item
                self.fault("M003", table, "", f"{base}{pointer}/{number}", item, "an object")

    def rest(self, place: Place, items: list[tuple[int, Any]], key: str, notes: Notes, base: str) -> None:
        """Read the items that a field leaves of its list into rows; each comes with its number in the list."""
        for number, item in items:
            pointer = f"{place.pointer}/{number}"
            if place.scalars or type(item) is dict:
                place.read(item, key, base + pointer, None, *place.cells)
            else:
                notes[pointer] = item
                self.fault("M003", place.table, "", base + pointer, item, "an object")

    def link(self, place: int, values: tuple[Any, ...], level: str = "") -> int | str | None:
        """Return the number of a parent among its siblings where the linked values alone do not tell it, else None.

        Among rows of their own table the level they stand at comes before the number.
        """
        number = self._linked.get(place, 0)
        self._linked[place] = number + 1
        if any(value is not None for value in values) and (place, values) not in self._links:
            self._links.add((place, values))
            return None
        return f"{level}.{number}" if level else number

    def fault(self, code: str, table: str, column: str, pointer: str, value: Any, expected: str) -> None:
        """Record a fault at a pointer of the document being read."""
        self.faults += 1
        where = f"{self.locator} {pointer}" if self.locator else pointer
        if self._turns_away:
            self.unusable = self.unusable or (where, _shown(value), expected)
            return
        self._context.log.find(
            code, source=self._context.source, table=table, column=column, locator=where, value=_shown(value), expected=expected
        )


_MOST_SHARE = 0.5
"""Where more of the rows than this differ, each is made for itself."""


class Place:
    """One place of child rows during a run, and the rows, without their key, of what stood there before."""

    __slots__ = ("cells", "many", "mark", "memory", "pointer", "read", "rows", "scalars", "table")

    def __init__(self, facts: Rows, read: Callable[..., None], rows: list[tuple[Any, ...]]) -> None:
        self.read = read
        self.rows = rows
        self.pointer = facts.pointer
        self.table = facts.scope.table
        self.many = facts.many
        self.mark = facts.pointer if facts.read_only else None
        self.scalars = not isinstance(facts.scope.root, Object)
        self.cells = tuple(facts.fills.get(column) for column in facts.scope.parameters)
        self.memory = None if facts.link or facts.scope.places else Memory()


class _Builder:
    """Makes record batches of one table from row tuples; dates and times travel as numbers."""

    def __init__(self, table: str, names: tuple[str, ...], only_with: Any) -> None:
        self._table = table
        self._schema = canon.schema(table)
        if spec.table(table).sparse:
            self._schema = pa.schema([field for field in self._schema if field.name in names], metadata=self._schema.metadata)
        self._plan = [(names.index(f.name) if f.name in names else -1, _stored(f.type), f.type) for f in self._schema]
        place = self._schema.get_field_index
        told = ((*key.partition(".")[::2], other) for key, other in only_with.items())
        self._key = place("battery_key")
        self._only_with = [(place(column), place(other)) for name, column, other in told if name == table and column in names]

    def batch(self, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        """Return rows as a batch with every column of the table."""
        keys = [row[0] for row in rows]
        kinds, numbers = _kinds(rows)
        if len(kinds) <= len(rows) * _MOST_SHARE:
            batch = self._batch(kinds).take(pa.array(numbers, pa.int32()))
            return batch.set_column(self._key, self._schema.field(self._key), pa.array(keys, self._schema.field(self._key).type))
        return self._batch([_whole(row) for row in rows])

    def _batch(self, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        count = len(rows)
        columns = tuple(zip(*rows, strict=True))
        arrays = [_array(columns[at], stored, wanted) if at >= 0 else pa.nulls(count, wanted) for at, stored, wanted in self._plan]
        for at, needed in self._only_with:
            arrays[at] = pc.if_else(arrays[needed].is_null(), pa.scalar(None, arrays[at].type), arrays[at])
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def _kinds(rows: list[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], list[int]]:
    """Return the rows that differ, and for every row which of these it says again: a remembered row stands as (key, row)."""
    kinds: list[tuple[Any, ...]] = []
    known: dict[int, int] = {}
    numbers: list[int] = []
    for row in rows:
        said = row[1] if len(row) == 2 else row
        number = known.get(id(said))
        if number is None:
            number = known[id(said)] = len(kinds)
            kinds.append(said)
        numbers.append(number)
    return kinds, numbers


def _whole(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row with all its cells, a remembered one under its own key."""
    return row if len(row) > 2 else (row[0], *row[1][1:])


def _stored(wanted: pa.DataType) -> pa.DataType:
    if pa.types.is_date32(wanted):
        return pa.int32()
    return pa.int64() if pa.types.is_timestamp(wanted) else wanted


def _array(values: tuple[Any, ...], stored: pa.DataType, wanted: pa.DataType) -> pa.Array:
    if values[0] is None and values[-1] is None and values.count(None) == len(values):
        return pa.nulls(len(values), wanted)
    array = pa.array(values, stored)
    return array if stored is wanted else array.cast(wanted)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)
