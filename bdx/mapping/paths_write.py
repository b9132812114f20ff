"""Chunks into documents: routes child rows to their places, prepares every cell by column, runs a compiled writer."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa

from bdx import canon
from bdx.canon import Chunk, Document
from bdx.mapping import Context
from bdx.mapping.paths_compile import writer
from bdx.mapping.paths_extra import MISSING, Notes, in_order, loads, lookup, put, remove, same
from bdx.mapping.paths_loss import Losses
from bdx.mapping.paths_nodes import Copy, Group, Leaf
from bdx.mapping.paths_plan import plan
from bdx.mapping.paths_quantity import Quantity
from bdx.mapping.paths_read import paused_collector
from bdx.mapping.paths_resolve import ready_batch
from bdx.mapping.paths_tree import Object, Plan, Rows, Scope
from bdx.mapping.transforms_base import Options, plain
from bdx.mapping.transforms_numbers import shortest

_GROUP = 128
"""Documents made before the first of them is handed on."""

_ABOUT_SOURCES = ("source", "evidence")
"""Tables that speak of where values came from, not of the battery."""


def to_documents(chunks: Iterable[Chunk], mapping: str, context: Context, options: Options) -> Iterator[Document]:
    """Yield one document per row of the main table; what the model has no place for goes to the log as a loss."""
    facts = plan(mapping, options)
    for chunk in chunks:
        documents = _written(chunk, facts, mapping, context, options)
        while True:
            with paused_collector():
                group = list(itertools.islice(documents, _GROUP))
            if not group:
                break
            yield from group


def _written(chunk: Chunk, facts: Plan, mapping: str, context: Context, options: Options) -> Iterator[Document]:
    losses = Losses(facts, context, options)
    main = facts.tables[0]
    for table, batch in chunk.items():
        if table not in facts.tables and table not in _ABOUT_SOURCES and batch.num_rows:
            losses.add(table, "it has no place for this table", batch.num_rows)
    if main not in chunk or not chunk[main].num_rows:
        for table in facts.tables[1:]:
            if table in chunk:
                losses.add(table, f"these rows came without their {main}", chunk[table].num_rows)
        losses.report()
        return
    run = WriteRun(chunk, facts, losses)
    make, cells = writer(mapping, options)
    groups = run.route()
    notes = [run.notes(table) for table in facts.tables]
    write = make([run.cell(scope, node) for scope, node in cells], groups, notes, run.patch, run.rows)
    keys = run.values(main, "battery_key")
    for number in range(chunk[main].num_rows):
        yield Document(facts.model, write(number), keys[number] or "")
    losses.report()


class WriteRun:
    """One chunk on its way out: columns as values, child rows by place and parent, notes of this model by row."""

    def __init__(self, chunk: Chunk, facts: Plan, losses: Losses) -> None:
        self.plan = facts
        self.losses = losses
        self._batches: dict[str, pa.RecordBatch] = {table: ready_batch(chunk, table, facts, losses) for table in facts.tables}
        self._values: dict[tuple[str, str], list[Any]] = {}
        self._notes: dict[str, list[Notes | None]] = {}
        self._place_of: dict[str, list[Rows | None]] = {}

    def array(self, table: str, column: str) -> pa.Array:
        """Return a column as Arrow, nulls where the chunk does not carry it."""
        batch = self._batches[table]
        at = batch.schema.get_field_index(column)
        wanted = canon.field_of(table, column).type
        if at < 0:
            return pa.nulls(batch.num_rows, wanted)
        array = batch.column(at)
        return array if array.type == wanted else array.cast(wanted)

    def values(self, table: str, column: str) -> list[Any]:
        """Return a column as the values transforms work on."""
        known = self._values.get((table, column))
        if known is None:
            known = self._values[table, column] = plain(self.array(table, column))
        return known

    def notes(self, table: str) -> list[Notes | None]:
        """Return per row what it notes for this model; what it notes for others is looked at for losses."""
        known = self._notes.get(table)
        if known is None:
            known = self._notes[table] = [self._own(table, row, cell) for row, cell in enumerate(self.values(table, "extra"))]
        return known

    def _own(self, table: str, row: int, cell: str | None) -> Notes | None:
        if not cell:
            return None
        models = loads(cell)
        mine = models.pop(self.plan.model, None)
        for model, notes in models.items():
            self.losses.foreign(table, model, notes, lambda column: self.values(table, column)[row])
        return mine if isinstance(mine, dict) and mine else None

    def route(self) -> list[dict[int, list[int]]]:
        """Return for every place which rows go there, by the number of their parent row; rows without a place are lost."""
        groups: list[dict[int, list[int]]] = [{} for _ in self.plan.rows]
        main = self.plan.tables[0]
        parents: dict[str, int] = {}
        for number, key in enumerate(self.values(main, "battery_key")):
            parents.setdefault(key, number)
        linked = [place for place in self.plan.rows if place.link]
        for table in self.plan.tables[1:]:
            places = [place for place in self.plan.rows if place.scope.table == table and not place.link]
            if places:
                self._route_table(table, places, parents, groups)
        for place in linked:
            self._route_linked(place, groups)
        for table in self.plan.tables:
            self.losses.columns(table, self._batches[table], self._place_of.get(table))
        return groups

    def _route_table(self, table: str, places: list[Rows], parents: dict[str, int], groups: list[dict[int, list[int]]]) -> None:
        columns = tuple(dict.fromkeys(c for place in places for c in (*place.match, *place.implied)))
        told = list(zip(*(self.values(table, column) for column in columns), strict=True)) if columns else None
        memo: dict[tuple[Any, ...], list[Rows]] = {}
        chosen: list[Rows | None] = []
        notes = self.notes(table)
        for row, key in enumerate(self.values(table, "battery_key")):
            values = told[row] if told is not None else ()
            candidates = memo.get(values)
            if candidates is None:
                held = dict(zip(columns, values, strict=True))
                candidates = memo[values] = [place for place in places if _fits(place, held)]
            mark = (notes[row] or {}).get("#")
            if mark is not None:
                candidates = [place for place in places if place.pointer == mark] or candidates
            chosen.append(self._settle(candidates, parents.get(key), row, groups))
        self._place_of[table] = chosen

    @staticmethod
    def _settle(candidates: list[Rows], parent: int | None, row: int, groups: list[dict[int, list[int]]]) -> Rows | None:
        if parent is None:
            return None
        for place in candidates:
            taken = groups[place.number].setdefault(parent, [])
            if place.many or not taken:
                taken.append(row)
                return place
        return None

    def _route_linked(self, place: Rows, groups: list[dict[int, list[int]]]) -> None:
        """Give child rows to the parent row they link to: by the number they note, else by equal columns."""
        outer = next(p for p in self.plan.rows if place in p.scope.places)
        child, parent = place.scope.table, outer.scope.table
        keys = self.values(child, "battery_key")
        batteries = self.values(self.plan.tables[0], "battery_key")
        waiting: dict[str, list[int]] = {}
        for row, key in enumerate(keys):
            waiting.setdefault(key, []).append(row)
        wanted = [self.values(child, column) for column in place.link]
        given = [self.values(parent, column) for column in place.link.values()]
        notes = self.notes(child)
        chosen: list[Rows | None] = [None] * len(keys)
        for battery, rows in groups[outer.number].items():
            for number, parent_row in enumerate(rows):
                values = [column[parent_row] for column in given]
                for row in waiting.get(batteries[battery], ()):
                    mark = (notes[row] or {}).get("#")
                    linked = mark == number if mark is not None else [column[row] for column in wanted] == values
                    if chosen[row] is None and (linked or (mark is None and len(rows) == 1 and all(c[row] is None for c in wanted))):
                        chosen[row] = place
                        groups[place.number].setdefault(parent_row, []).append(row)
        self._place_of[child] = chosen

    def cell(self, scope: Scope, node: Any) -> list[Any]:
        """Return the raw value of a node for every row of its table, None where nothing is to be written."""
        table = scope.table
        if isinstance(node, Copy):
            return node.transform.written(self.array(table, node.first.column))
        if isinstance(node, Group):
            columns = [self.values(table, column) for column in node.columns]
            return [node.transform.write(values) for values in zip(*columns, strict=True)]
        if isinstance(node, Quantity):
            return self._quantities(scope, node)
        return self._leaves(scope, node)

    def _leaves(self, scope: Scope, node: Leaf) -> list[Any]:
        array = self.array(scope.table, node.column)
        if array.null_count == len(array) and not node.fallback and not node.sum_of:
            return [None] * len(array)
        found = node.transform.written(array)
        if node.sum_of:
            parts = zip(*(self.values(scope.table, column) for column in node.sum_of), strict=True)
            found = [_sum(values) if first is None else first for first, values in zip(found, parts, strict=True)]
        if node.fallback:
            other = self.values(scope.table, node.fallback)
            found = [second if first is None else first for first, second in zip(found, other, strict=True)]
        if found.count(None) != array.null_count:
            self._wordless(scope, node, found)
        if node.transform.narrow or node.transform.part:
            self._narrowed(scope, node)
        return found

    def _wordless(self, scope: Scope, node: Leaf | Quantity, found: list[Any]) -> None:
        """Count values that the model has no word, unit or number for."""
        if node.column in scope.unread:
            return
        held = self.values(scope.table, node.column)
        lost = Counter(str(held[row]) for row in self._rows_of(scope, node.pointer) if held[row] is not None and found[row] is None)
        for value, count in lost.items():
            self.losses.add(f"{scope.table}.{node.column}", f"it has no word for '{value}'", count)

    def _narrowed(self, scope: Scope, node: Leaf) -> None:
        held = self.values(scope.table, node.column)
        for value, count in Counter(held[row] for row in self._rows_of(scope, node.pointer)).items():
            if value in node.transform.narrow:
                word = node.transform.narrow[value]
                self.losses.add(f"{scope.table}.{node.column}", f"its nearest word for '{value}' is '{word}'", count)
            elif node.transform.part and value is not None and node.transform.read(node.transform.write(value)) != value:
                self.losses.add(f"{scope.table}.{node.column}", "it holds only a part of the value (the day)", count)

    def _rows_of(self, scope: Scope, pointer: str) -> Iterator[int]:
        """Yield the rows written by a scope, less those whose raw value at the pointer is put back."""
        places = self._place_of.get(scope.table)
        for row, notes in enumerate(self.notes(scope.table)):
            here = places is None or ((place := places[row]) is not None and place.scope is scope)
            if here and not (notes and pointer in notes):
                yield row

    def _quantities(self, scope: Scope, node: Quantity) -> list[Any]:
        held = self.values(scope.table, node.column)
        per = self.values(scope.table, node.per) if node.per else [None] * len(held)
        found: list[Any] = []
        for value, unit in zip(held, per, strict=True):
            raw, word = node.write(value, unit) if value is not None else (None, None)
            found.append(None if raw is None else (shortest(raw) if node.kind == "decimal" else raw, word))
        if found.count(None) != held.count(None):
            self._wordless(scope, node, found)
        return found

    def rows(self, write: Any, numbers: list[int], table: str) -> list[Any]:
        """Return the items of a list; a row that leaves nothing to write is lost."""
        items = [item for item in map(write, numbers) if item is not MISSING]
        if len(items) != len(numbers):
            self.losses.add(table, "nothing of these rows has a place in it", len(numbers) - len(items))
        return items

    def patch(self, element: Any, notes: Notes, scope: Scope) -> Any:
        """Return what was written with the notes of its row put back; MISSING where nothing is left."""
        if not isinstance(scope.root, Object):
            raw = notes.get("", MISSING)
            known = scope.nodes[""]
            if raw is not MISSING and isinstance(known, Leaf) and same(element, known.written(raw)):
                return raw
            return MISSING if element is None else element
        for pointer in notes.get("-", ()):
            remove(element, pointer)
        for pointer in in_order(notes):
            self._restore(element, pointer, notes, scope)
        return element if element or "" in notes or not scope.number else MISSING

    def _restore(self, element: Any, pointer: str, notes: Notes, scope: Scope) -> None:
        node, raw, lists = scope.nodes.get(pointer), notes[pointer], scope.lists
        if node is not None:
            node.restore(element, raw, notes, lists)
        elif pointer in scope.containers:
            if lookup(element, pointer) is MISSING:
                put(element, pointer, raw, lists, replace=False)
        elif not put(element, pointer, raw, lists, replace=False):
            self.losses.add(f"{scope.table} {pointer}", "what held it is not written", 1)


def _sum(values: tuple[Any, ...]) -> float | None:
    """Return the sum of the decimal numbers that floats print as; null where one is missing."""
    if any(value is None for value in values):
        return None
    return float(sum(Decimal(repr(value)) for value in values))


def _fits(place: Rows, held: dict[str, Any]) -> bool:
    for column in place.match:
        if held[column] != place.values[column] and held[column] not in place.accepts.get(column, ()):
            return False
    return all(held[column] is None or held[column] == value for column, value in place.implied.items())
