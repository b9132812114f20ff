"""Chunks into documents: routes child rows to their places, prepares every cell by column, runs a compiled writer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

from bdx.canon import Chunk, Document
from bdx.mapping import Context
from bdx.mapping.paths_compile import writer
from bdx.mapping.paths_extra import MISSING, Notes, in_order, lookup, put, remove, same
from bdx.mapping.paths_held import Held
from bdx.mapping.paths_loss import Losses
from bdx.mapping.paths_made import Values, count_made
from bdx.mapping.paths_nodes import Copy, Group, Leaf
from bdx.mapping.paths_plan import plan
from bdx.mapping.paths_quantity import Quantity
from bdx.mapping.paths_read import paused_collector
from bdx.mapping.paths_route import routed
from bdx.mapping.paths_tree import Object, Plan, Scope
from bdx.mapping.transforms_base import Options
from bdx.mapping.transforms_bounds import ANY
from bdx.mapping.transforms_numbers import shortest

_ABOUT_SOURCES = ("source", "evidence")
"""Tables that speak of where values came from, not of the battery."""


def to_documents(chunks: Iterable[Chunk], mapping: str, context: Context, options: Options) -> Iterator[Document]:
    """Yield one document per row of the main table; what the model has no place for goes to the log as a loss."""
    facts = plan(mapping, options)
    for chunk in chunks:
        documents = _written(chunk, facts, mapping, context, options)
        while True:
            # One at a time: a document is written to its sink while it is still in the processor's cache.
            with paused_collector():
                document = next(documents, None)
            if document is None:
                break
            yield document


def _written(chunk: Chunk, facts: Plan, mapping: str, context: Context, options: Options) -> Iterator[Document]:
    losses = Losses(facts, context, options)
    main = facts.tables[0]
    made = facts.made_of()
    for table, batch in chunk.items():
        if table in made:
            count_made(table, batch, made[table], facts, losses.add)
        elif table not in facts.tables and table not in _ABOUT_SOURCES and batch.num_rows:
            losses.add(table, "it has no place for this table", batch.num_rows)
    if main not in chunk or not chunk[main].num_rows:
        for table in facts.tables[1:]:
            if table in chunk:
                losses.add(table, f"these rows came without their {main}", chunk[table].num_rows)
        losses.report()
        return
    held = Held(chunk, facts, losses)
    run = WriteRun(held)
    make, cells = writer(mapping, options)
    groups = routed(held)
    notes = [held.notes(table) for table in facts.tables]
    write = make([run.cell(scope, node) for scope, node in cells], groups, notes, run.patch, run.rows, run.choose, run.once)
    held.count_foreign()
    keys = held.values(main, "battery_key")
    for number in range(chunk[main].num_rows):
        yield Document(facts.model, write(number), keys[number] or "")
    losses.report()


class WriteRun:
    """Prepares the cells of one chunk and finishes what the generated writer makes of them."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.losses = held.losses
        self._barred: dict[tuple[int, str], set[int]] = {}

    def cell(self, scope: Scope, node: Any) -> list[Any]:
        """Return the raw value of a node for every row of its table, None where nothing is to be written."""
        limit = scope.only_for.get(node.pointer)
        if limit is not None:
            self._bar(scope, node, *limit)
        found = self._cell(scope, node)
        barred = self._barred.get((scope.number, node.pointer), ())
        return [None if row in barred else value for row, value in enumerate(found)] if barred else found

    def _bar(self, scope: Scope, node: Any, column: str, values: frozenset[str]) -> None:
        """Bar the rows of a kind for which the model does not have a place, but for those that came from there."""
        told, held = self.held.values(scope.table, column), [self.held.values(scope.table, name) for name in node.columns]
        kept = self.held.notes(scope.table)
        for row, value in enumerate(told):
            if value is None or value in values or node.pointer in (kept[row] or {}).get("+", ()):
                continue
            self._barred.setdefault((scope.number, node.pointer), set()).add(row)
            why = f"it has no place for this column where {column} is '{value}'"
            for name, known in zip(node.columns, held, strict=True):
                self.losses.add(f"{scope.table}.{name}", why, known[row] is not None)

    def _cell(self, scope: Scope, node: Any) -> list[Any]:
        table = scope.table
        if isinstance(node, Copy):
            array = self.held.array(table, node.first.column)
            return [None] * len(array) if node.read_only else node.transform.written(array)
        if isinstance(node, Group):
            columns = list(zip(*(self.held.values(table, column) for column in node.columns), strict=True))
            if hasattr(node.transform, "unfit"):
                for row, times in self._rows_of(scope, node.pointer):
                    for column, why in node.transform.unfit(columns[row]):
                        self.losses.add(f"{table}.{column}", why, times)
            return [node.transform.write(values) for values in columns]
        if isinstance(node, Quantity):
            return self._quantities(scope, node)
        return self._leaves(scope, node)

    def _leaves(self, scope: Scope, node: Leaf) -> list[Any]:
        array = self.held.array(scope.table, node.column)
        if array.null_count == len(array) and not node.fallback and not node.sum_of and not node.made:
            return [None] * len(array)
        found = node.transform.written(array)
        if node.sum_of:
            parts = zip(*(self.held.values(scope.table, column) for column in node.sum_of), strict=True)
            found = [_sum(values) if first is None else first for first, values in zip(found, parts, strict=True)]
        if node.fallback:
            other = self.held.values(scope.table, node.fallback)
            found = [second if first is None else first for first, second in zip(found, other, strict=True)]
        for way in node.made:
            way.fill(found, Values(scope.table, partial(self.held.values, scope.table), self.held.chunk), self.losses.add)
        if found.count(None) != array.null_count:
            self._wordless(scope, node, found)
        if node.transform.narrow or node.transform.part:
            self._narrowed(scope, node)
        return found

    def _wordless(self, scope: Scope, node: Leaf | Quantity, found: list[Any]) -> None:
        """Count values that the model has no word, unit or number for."""
        if node.column in scope.unread:
            return
        held = self.held.values(scope.table, node.column)
        lost: Counter[str] = Counter()
        why = node.transform.why if isinstance(node, Leaf) else node.bounds.why if node.bounds != ANY else ""
        for row, times in self._rows_of(scope, node.pointer):
            if held[row] is not None and found[row] is None:
                lost[why or f"it has no word for '{held[row]}'"] += times
        for reason, count in lost.items():
            self.losses.add(f"{scope.table}.{node.column}", reason, count)

    def _narrowed(self, scope: Scope, node: Leaf) -> None:
        held = self.held.values(scope.table, node.column)
        found: Counter[Any] = Counter()
        for row, times in self._rows_of(scope, node.pointer):
            value = held[row]
            found[tuple(value) if type(value) is list else value] += times
        for value, count in found.items():
            if type(value) is tuple:
                if len(value) > 1:
                    self.losses.add(f"{scope.table}.{node.column}", f"it holds the first of {len(value)}", count)
            elif value in node.transform.narrow:
                word = node.transform.narrow[value]
                self.losses.add(f"{scope.table}.{node.column}", f"its nearest word for '{value}' is '{word}'", count)
            elif node.transform.part and value is not None and node.transform.read(node.transform.write(value)) != value:
                self.losses.add(f"{scope.table}.{node.column}", "it holds only a part of the value (the day)", count)

    def _rows_of(self, scope: Scope, pointer: str) -> Iterator[tuple[int, int]]:
        """Yield the rows written by a scope and how many each stands for, less those whose raw value at the pointer is put back."""
        places, weights = self.held.places.get(scope.table), self.held.weights.get(scope.table)
        for row, notes in enumerate(self.held.notes(scope.table)):
            here = places is None or ((place := places[row]) is not None and place.scope is scope)
            if here and not (notes and pointer in notes) and row not in self._barred.get((scope.number, pointer), ()):
                yield row, weights[row] if weights else 1

    def _quantities(self, scope: Scope, node: Quantity) -> list[Any]:
        held = self.held.values(scope.table, node.column)
        per = self.held.values(scope.table, node.per) if node.per else [None] * len(held)
        if node.sum_of:
            parts = zip(*(self.held.values(scope.table, column) for column in node.sum_of), strict=True)
            held = [_sum(values) if first is None else first for first, values in zip(held, parts, strict=True)]
        found: list[Any] = []
        for value, unit in zip(held, per, strict=True):
            raw, word = node.write(value, unit) if value is not None else (None, None)
            found.append(None if raw is None else (shortest(raw) if isinstance(raw, Decimal) else raw, word))
        if found.count(None) != held.count(None):
            self._wordless(scope, node, found)
        return found

    def once(self, write: Callable[[int], Any], table: str) -> Callable[[int], Any]:
        """Return a writer of child rows that writes a row once, however many batteries it stands for."""
        weights = self.held.weights.get(table)
        if weights is None:
            return write
        done: dict[int, Any] = {}

        def known(number: int) -> Any:
            if number not in done:
                self.losses.times = weights[number]
                done[number] = write(number)
                self.losses.times = 1
            return done[number]

        return known

    def rows(self, write: Any, numbers: list[int], table: str) -> list[Any]:
        """Return the items of a list; a row that leaves nothing to write is lost."""
        items = [item for item in map(write, numbers) if item is not MISSING]
        if len(items) != len(numbers):
            self.losses.add(table, "nothing of these rows has a place in it", len(numbers) - len(items))
        return items

    def choose(self, element: dict[str, Any], node: Object, scope: Scope) -> None:
        """Keep the first key of a choice that says something; what only the others say is lost."""
        kept, *others = [key for key in node.choice if key in element] or [""]
        for key in others:
            gone = {"": element.pop(key)}
            for pointer, known in scope.nodes.items():
                inner = pointer.removeprefix(f"{node.pointer}/{key}/")
                if inner != pointer and lookup(gone, f"//{inner}") is not MISSING:
                    for column in known.columns:
                        self.losses.add(f"{scope.table}.{column}", f"it holds either '{kept}' or '{key}' at {node.pointer}", 1)

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
