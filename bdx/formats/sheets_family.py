"""Tables of one workbook put together: batteries stream, the rows of their child tables are found by any name of the battery."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk
from bdx.formats.canonical import concat
from bdx.formats.families import PARENT_ROWS, link
from bdx.formats.rows_cells import KEY_FROM
from bdx.formats.source import Source

PARENT = "battery"
MODEL = "model_id"
"""What a child row may name instead of a battery: it is then true of every battery of the model."""

Rows = Callable[[str], Iterator[pa.RecordBatch]]


def families(tables: Sequence[str], rows: Rows, source: Source) -> Iterator[Chunk]:
    """Yield the chunks of a workbook: batteries with their children, then each further table by itself.

    `rows(table)` yields the rows of a table from its first. Child rows may stand in any order and are held meanwhile.
    """
    children = [name for name in tables if spec.table(name).parent == PARENT and PARENT in tables]
    if PARENT in tables:
        held = [Children(name, list(rows(name)), source) for name in children]
        only = _only(rows) if any(child.nameless for child in held) else None
        for batch in rows(PARENT):
            for start in range(0, max(batch.num_rows, 1), PARENT_ROWS):
                yield _family(batch.slice(start, PARENT_ROWS), held, only)
        for child in held:
            rest = child.rest()
            if rest is not None:
                yield {child.table: rest}
    for name in tables:
        if name != PARENT and name not in children:
            for batch in rows(name):
                yield {name: batch}


def _only(rows: Rows) -> str | None:
    """Return the key of the only battery, None where there are more or none."""
    found: list[str] = []
    for batch in rows(PARENT):
        found += batch.column("battery_key").to_pylist()
        if len(found) > 1:
            return None
    return found[0] if found else None


def _family(batch: pa.RecordBatch, held: Sequence[Children], only: str | None) -> Chunk:
    chunk: Chunk = {PARENT: batch}
    for child in held:
        found = child.of(batch, only)
        if found is not None:
            chunk[child.table] = found
    return chunk


class Children:
    """The rows of one child table, handed out with the batteries they name; a row that names a model is of each battery of it."""

    def __init__(self, table: str, batches: list[pa.RecordBatch], source: Source) -> None:
        self.table = table
        self._source = source
        self._key = link(table)[0]
        self._rows = concat(batches, batches[0].schema)
        self._taken = np.zeros(self._rows.num_rows, np.bool_)
        codes = self._rows.column(self._key).dictionary_encode()
        groups = np.asarray(pc.fill_null(codes.indices, -1).to_numpy(zero_copy_only=False), np.int64)
        self._names: pa.Array = codes.dictionary
        self._order = np.argsort(groups, kind="stable")
        self._ends = np.searchsorted(groups[self._order], np.arange(len(self._names) + 1), side="left")
        self._blank = self._order[: int(self._ends[0])]

    @property
    def nameless(self) -> bool:
        """Whether rows leave open which battery they belong to."""
        return len(self._blank) > 0

    def of(self, batteries: pa.RecordBatch, only: str | None, known: pa.Array | None = None) -> pa.RecordBatch | None:
        """Return the rows that belong to batteries, in their order, with the key they are joined by; None where there are none.

        `only` is the key of the only battery there is; `known` are further names of the batteries.
        """
        names = [known] if known is not None else []
        names += [batteries.column(name) for name in ("battery_key", *KEY_FROM)]
        groups = [pc.index_in(column, value_set=self._names, skip_nulls=True).to_pylist() for column in names]
        models = pc.index_in(batteries.column(MODEL), value_set=self._names, skip_nulls=True).to_pylist()
        places: list[Any] = []
        keys: list[str] = []
        for key, model, *found in zip(batteries.column("battery_key").to_pylist(), models, *groups, strict=True):
            own = list(dict.fromkeys(group for group in found if group is not None))
            mine = [self._order[self._ends[group] : self._ends[group + 1]] for group in own]
            mine = [rows[~self._taken[rows]] for rows in mine]
            if model is not None and model not in own:
                mine.append(self._order[self._ends[model] : self._ends[model + 1]])
            mine += [self._blank] if only == key and self.nameless else []
            for rows in mine:
                self._taken[rows] = True
                places.append(rows)
                keys += [key] * len(rows)
        if only is not None and only in keys and self.nameless:
            self._source.log.find("F122", **self._where(int(self._blank[0])), column=self._key, count=len(self._blank), value=only)
        return self._taken_as(np.concatenate(places), keys) if keys else None

    def rest(self) -> pa.RecordBatch | None:
        """Return the rows of no battery, with a finding; None where there are none."""
        left = np.flatnonzero(~self._taken)
        if not len(left):
            return None
        named = self._rows.column(self._key).take(pa.array(left))
        first = next((name for name in named.to_pylist() if name), "")
        self._source.log.find("F121", **self._where(int(left[0])), column=self._key, count=len(left), value=first)
        return self._rows.take(pa.array(left))

    def _where(self, row: int) -> dict[str, Any]:
        return {"source": self._source.uri, "table": self.table, "row": row + 1, "locator": f"record {row + 1}"}

    def _taken_as(self, places: Any, keys: list[str]) -> pa.RecordBatch:
        batch = self._rows.take(pa.array(places))
        place = batch.schema.get_field_index(self._key)
        return batch.set_column(place, batch.schema.field(place), pa.array(keys, pa.string()))
