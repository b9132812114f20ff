"""One chunk on its way out: its columns as values, and what its rows note for the model being written."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from bdx import canon
from bdx.canon import Chunk
from bdx.mapping.paths_extra import Notes, loads
from bdx.mapping.paths_loss import Losses
from bdx.mapping.paths_resolve import ready_batch
from bdx.mapping.paths_tree import Plan, Rows
from bdx.mapping.transforms_base import plain


class Held:
    """The tables of a chunk, each column made into values once; `places` says where each child row is written."""

    def __init__(self, chunk: Chunk, facts: Plan, losses: Losses) -> None:
        self.plan = facts
        self.losses = losses
        self.batches: dict[str, pa.RecordBatch] = {table: ready_batch(chunk, table, facts, losses) for table in facts.tables}
        self.places: dict[str, list[Rows | None]] = {}
        self._values: dict[tuple[str, str], list[Any]] = {}
        self._notes: dict[str, list[Notes | None]] = {}

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
            known = self._notes[table] = [self._own(table, row, cell) for row, cell in enumerate(self.values(table, "extra"))]
        return known

    def _own(self, table: str, row: int, cell: str | None) -> Notes | None:
        if not cell:
            return None
        models = loads(cell)
        mine = models.pop(self.plan.model, None)
        for model, notes in models.items():
            if isinstance(notes, dict):
                self.losses.foreign(table, model, notes, lambda column: self.values(table, column)[row])
            else:
                self.losses.add(f"{table}.extra", f"it has no place for what '{model}' noted", 1)
        if not isinstance(mine, dict) or not mine:
            return None
        absent = mine.get("-", [])
        if not isinstance(absent, list) or not all(isinstance(pointer, str) for pointer in absent):
            del mine["-"]
        return mine
