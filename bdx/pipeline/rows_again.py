"""Rows that evidence names, picked out of chunks as a source is read again: `table[first:last]` and `table[key]`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk

_REFERENCE = re.compile(r"([a-z_]+)\[([^\s\[\]]*)\]")
_RANGE = re.compile(r"(\d{1,15}):(\d{1,15})")
_MOST = 64
"""References of one value that are followed."""
_EDGES = 2
"""Rows shown from the begin and from the end of a range."""
_ROWS = 12
"""Rows shown of a key."""
_ORDINALS = {"cycle": "cycle_count", "step": "step_number"}
"""Columns that a range of these tables counts by; of `timeseries` it is the place in the file."""
_KEYS = {"genealogy": ("input_item_id", "output_item_id")}
_EITHER = {"quality_result": ("result_id", "item_id")}
"""Columns of a table without a key of its own that one name may stand in: results without an identifier go by their item."""
_OLD = (
    (re.compile(r"\bcycle (\d+) of "), r"cycle[\1]"),
    (re.compile(r"\b(item|process_step|quality_result)\.\w+ of (\S+) \("), r"\1[\2]"),
)
"""How evidence without rows says in words what it rests on."""

Row = dict[str, Any]


@dataclass(slots=True)
class Reference:
    """Rows of one table: by range (first to last) or by key. `rows` are those found, with their numbers where they have one."""

    text: str
    table: str
    key: tuple[str, ...] = ()
    first: int = 0
    last: int = 0
    met: int = 0
    rows: list[tuple[int | None, Row]] = field(default_factory=list)

    @property
    def by_range(self) -> bool:
        """Whether it names a range."""
        return not self.key


def references(rows: str | None, inputs: str | None) -> list[Reference]:
    """Return what a value rests on, by the column `rows` of its evidence, else by what `inputs` says in words."""
    text = rows or " ".join(found.expand(form) for pattern, form in _OLD for found in pattern.finditer(inputs or ""))
    found: dict[str, Reference] = {}
    for match in _REFERENCE.finditer(text):
        if match[1] in spec.tables() and match[0] not in found and len(found) < _MOST:
            found[match[0]] = _reference(match)
    return list(found.values())


def _reference(match: re.Match[str]) -> Reference:
    span = _RANGE.fullmatch(match[2])
    table = match[1]
    if span is not None and (table == "timeseries" or table in _ORDINALS):
        return Reference(match[0], table, first=int(span[1]), last=int(span[2]))
    if table in _ORDINALS and match[2].isdigit() and len(match[2]) < 16:
        return Reference(match[0], table, first=int(match[2]), last=int(match[2]))
    return Reference(match[0], table, tuple(unquote(part) for part in match[2].split("->")))


def covered(cycles: Iterable[Reference]) -> list[Reference]:
    """Return the records that found rows of `cycle` and `step` cover, where these say so."""
    spans = {(row.get("first_row"), row.get("last_row")): None for item in cycles for _, row in item.rows}
    return [Reference(f"timeseries[{a}:{b}]", "timeseries", first=a, last=b) for a, b in spans if a and b][:_EDGES]


class Picked:
    """Takes the rows of some references out of the chunks it watches."""

    def __init__(self, wanted: Iterable[Reference]) -> None:
        self._wanted: dict[str, list[Reference]] = {}
        for item in wanted:
            self._wanted.setdefault(item.table, []).append(item)
        self._seen = 0

    def watch(self, chunk: Chunk) -> None:
        """Look at one chunk; the records of time series are counted in the order of the file."""
        for table, batch in chunk.items():
            for item in self._wanted.get(table, ()):
                if item.by_range:
                    self._span(item, batch)
                else:
                    self._keyed(item, batch)
        if "timeseries" in chunk:
            self._seen += chunk["timeseries"].num_rows

    def _span(self, item: Reference, batch: pa.RecordBatch) -> None:
        if item.table == "timeseries":
            begin, end = max(item.first - 1 - self._seen, 0), min(item.last - self._seen, batch.num_rows)
            if begin < end:
                places = np.arange(begin, end)
                self._take(item, batch, places, places + self._seen + 1)
            return
        numbers = batch.column(_ORDINALS[item.table])
        inside = pc.and_(pc.greater_equal(numbers, item.first), pc.less_equal(numbers, item.last)).fill_null(False)
        places = np.flatnonzero(inside.to_numpy(zero_copy_only=False))
        self._take(item, batch, places, numbers.take(pa.array(places)).to_pylist())

    def _take(self, item: Reference, batch: pa.RecordBatch, places: Any, numbers: Any) -> None:
        """Keep the first and the last rows of a range."""
        item.met += len(places)
        room = max(_EDGES - len(item.rows), 0)
        for at in [*range(min(room, len(places))), *range(max(len(places) - _EDGES, min(room, len(places))), len(places))]:
            item.rows.append((int(numbers[at]), batch.slice(int(places[at]), 1).to_pylist()[0]))
        del item.rows[_EDGES:-_EDGES]

    def _keyed(self, item: Reference, batch: pa.RecordBatch) -> None:
        mask = _either(item, batch) if item.table in _EITHER else _all(item, batch)
        if mask is None:
            return
        rows = batch.filter(mask)
        item.met += rows.num_rows
        item.rows += [(None, row) for row in rows.slice(0, max(_ROWS - len(item.rows), 0)).to_pylist()]


def _either(item: Reference, batch: pa.RecordBatch) -> pa.Array | None:
    """Return the rows that go by a name in any of the columns that may hold it."""
    present = [batch.column(name) for name in _EITHER[item.table] if name in batch.schema.names]
    masks = [pc.equal(column.cast(pa.string()), item.key[0]).fill_null(False) for column in present]
    return reduce(pc.or_, masks) if masks else None


def _all(item: Reference, batch: pa.RecordBatch) -> pa.Array | None:
    """Return the rows that hold every part of a key in its column."""
    columns = _KEYS.get(item.table) or spec.table(item.table).key[:1] or ("item_id",)
    if any(name not in batch.schema.names for name, _ in zip(columns, item.key, strict=False)):
        return None
    return reduce(pc.and_, [pc.equal(batch.column(name).cast(pa.string()), key) for name, key in zip(columns, item.key, strict=False)])
