"""One chunk on its way out: its columns as values, and what its rows note for the model being written."""

from __future__ import annotations

import copy
import itertools
from functools import partial
from typing import Any

import pyarrow as pa

from bdx import canon
from bdx.canon import Chunk
from bdx.mapping.paths_extra import Notes, loads
from bdx.mapping.paths_kin import akin, carried
from bdx.mapping.paths_loss import Losses
from bdx.mapping.paths_once import said_once
from bdx.mapping.paths_resolve import ready_batch
from bdx.mapping.paths_tree import Plan, Rows
from bdx.mapping.transforms_base import plain


class Held:
    """The tables of a chunk, each column made into values once; `places` says where each child row is written."""

    def __init__(self, chunk: Chunk, facts: Plan, losses: Losses) -> None:
        self.plan = facts
        self.chunk = chunk
        self.losses = losses
        self.batches: dict[str, pa.RecordBatch] = {table: ready_batch(chunk, table, facts, losses) for table in facts.tables}
        said_once(facts, self.batches)
        self.places: dict[str, list[Rows | None]] = {}
        self.weights: dict[str, list[int]] = {}
        self._values: dict[tuple[str, str], list[Any]] = {}
        self._notes: dict[str, list[Notes | None]] = {}
        self._others: list[tuple[str, str, Any, list[int]]] = []

    def share(self, table: str, first: Any, counts: list[int]) -> None:
        """Keep one row of each kind of a table; `weights` says for how many each of them stands."""
        self.batches[table] = self.batches[table].take(pa.array(first, pa.int64()))
        self.weights[table] = counts
        self._forget(table)

    def unshare(self, table: str, batch: pa.RecordBatch) -> None:
        """Take the whole rows of a table back."""
        self.batches[table] = batch
        self.weights.pop(table, None)
        self._forget(table)

    def _forget(self, table: str) -> None:
        self._values = {key: values for key, values in self._values.items() if key[0] != table}
        self._notes.pop(table, None)
        self._others = [other for other in self._others if other[0] != table]

    def array(self, table: str, column: str) -> pa.Array:
        """Return a column as Arrow, nulls where the chunk does not carry it."""
        batch = self.batches[table]
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
            said: dict[str, list[int]] = {}
            cells = self.values(table, "extra")
            known = self._notes[table] = [None] * len(cells)
            for row, cell in enumerate(cells):
                if cell:
                    said.setdefault(cell, []).append(row)
            for cell, rows in said.items():
                mine = self._own(table, cell, rows)
                if mine is None:
                    continue
                for row in rows:
                    known[row] = mine if len(rows) == 1 or not _nested(mine) else copy.deepcopy(mine)
        return known

    def count_foreign(self) -> None:
        """Count what rows note for other models and this one has no place for."""
        for table, model, notes, rows in self._others:
            weights = self.weights.get(table)
            times = [weights[row] for row in rows] if weights else [1] * len(rows)
            if isinstance(notes, dict):
                self.losses.foreign(table, model, notes, partial(self._values_at, table, rows), times)
            else:
                self.losses.add(f"{table}.extra", f"it has no place for what '{model}' noted", sum(times))

    def _values_at(self, table: str, rows: list[int], column: str) -> list[Any]:
        values = self.values(table, column)
        return [values[row] for row in rows]

    def _own(self, table: str, cell: str, rows: list[int]) -> Notes | None:
        models = loads(cell)
        mine = models.pop(self.plan.model, None)
        for model, found in models.items():
            notes = found
            if isinstance(found, dict) and akin(model, self.plan.model):
                kept, notes = carried(found, table, model, self.plan.model, self.losses.options)
                mine = {**kept, **mine} if isinstance(mine, dict) else kept
            self._others.append((table, model, notes, rows))
        if not isinstance(mine, dict) or not mine:
            return None
        for mark in ("-", "+"):
            listed = mine.get(mark, [])
            if not isinstance(listed, list) or not all(isinstance(pointer, str) for pointer in listed):
                del mine[mark]
        return mine


def _nested(notes: Notes) -> bool:
    """Say whether one pointer leads into what stands at another: putting it there changes the noted value itself."""
    pointers = sorted(pointer + "/" for pointer in notes)
    return any(second.startswith(first) for first, second in itertools.pairwise(pointers))
