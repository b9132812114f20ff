"""Battery Data Format parts -> canonical tables, as other tables of columns, with the faults that files under this name are known for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.canon import Chunk, Part, Table
from bdx.mapping import Context, columns, numbers
from bdx.names import fold
from bdx.spec import Facts

_PEEK_ROWS = 100
_COUNTS = ("cycle_count", "step_count", "record_index", "step_record_index")
_STEP_INDEX = ("stepindex", "stepindex1")
_TURN = 2 * math.pi
_FAR = 21_600.0
"""Six hours between two records, in seconds."""
_MANY = 5


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield the chunks of `columns`; counts that are not whole are kept aside, doubtful signs and times are reported.

    Raises: MappingError for a unit that is unknown or of another quantity.
    """
    gaps = _Gaps()
    for chunk in columns.to_canonical(_checked(parts, facts, context), facts, context):
        if "timeseries" in chunk:
            gaps.watch(chunk["timeseries"])
        if "test" in chunk and chunk["test"].column("current_sign")[0].as_py() in ("reversed", "state"):
            context.log.find("M100", source=context.source, table="timeseries", column="current_ampere")
        yield chunk
    gaps.report(context)


def _checked(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Part]:
    """Yield the parts; fields whose first rows contradict their name bear another one."""
    homes = {fold(name): row["to"] for row in facts["column"] for name in row["from"]}
    for part in parts:
        yield _renamed(part, homes, context) if isinstance(part, Table) else part


def _renamed(part: Table, homes: dict[str, str], context: Context) -> Table:
    first: list[pa.RecordBatch] = []
    rows = 0
    for batch in part.batches:
        first.append(batch)
        rows += batch.num_rows
        if rows >= _PEEK_ROWS:
            break
    begin = pa.Table.from_batches(first, schema=part.schema).slice(0, _PEEK_ROWS)
    fields = []
    for place, item in enumerate(part.schema):
        name = (item.metadata or {}).get(b"bdx.name", item.name.encode()).decode()
        values = _floats(begin.column(place).combine_chunks())
        home = homes.get(fold(name), fold(name))
        if home in _COUNTS and len(values) and values[0] != math.floor(values[0]):
            name = _kept_aside(home, float(values[0]), context)
        elif fold(name) in _STEP_INDEX and _numbers_steps(values):
            context.log.find("M103", source=context.source, table="timeseries", column="step_id", value=item.name)
            name = "step_id"
        fields.append(item.with_metadata({**(item.metadata or {}), b"bdx.name": name.encode()}))
    schema = pa.schema(fields)
    stream = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in chain(first, part.batches))
    return Table(part.name, schema, stream)


def _floats(raw: pa.Array) -> Any:
    """Return the numbers of a field without its missing values; none where it holds no numbers."""
    if not (numbers.is_number(raw.type) and len(raw)):
        return np.zeros(0)
    values = numbers.numbers(raw).drop_null().to_numpy(zero_copy_only=False)
    return values[np.isfinite(values)]


def _kept_aside(home: str, value: float, context: Context) -> str:
    """Log a count that is not whole and return the name under which it becomes an extra column."""
    turns = value / _TURN
    near = abs(turns - round(turns)) < 1e-9 * max(1.0, abs(turns)) and round(turns) != 0
    hint = f" ({round(turns)} times 2 pi)" if near else ""
    kept = f"{home}_as_written"
    context.log.find("M101", source=context.source, table="timeseries", column=home, value=value, hint=hint, kept=f"extra_{kept}")
    return kept


def _numbers_steps(values: Any) -> bool:
    """Say whether a number stays the same more often than it rises by one: it numbers steps, not the records within them."""
    moves = np.diff(values)
    return bool(len(moves) and np.count_nonzero(moves == 0) > np.count_nonzero(moves == 1))


@dataclass(slots=True)
class _Gaps:
    """Neighbouring intervals of test time longer than six hours."""

    rows: int = 0
    last: float = math.nan
    run: int = 0
    longest: int = 0
    count: int = 0
    first: tuple[int, float] = (0, 0.0)

    def watch(self, batch: pa.RecordBatch) -> None:
        """Take in the test time of one batch."""
        place = batch.schema.get_field_index("test_time_second")
        if place < 0 or not batch.num_rows:
            return
        times = batch.column(place).to_numpy(zero_copy_only=False)
        far = np.diff(times, prepend=self.last) > _FAR
        places = np.flatnonzero(far)
        if len(places) and not self.count:
            row = int(places[0])
            before = times[row - 1] if row else self.last
            self.first = (self.rows + row, float(times[row] - before))
        self.count += len(places)
        if len(places):
            self._runs(far)
        elif len(far):
            self.run = 0
        self.rows += batch.num_rows
        self.last = float(times[-1])

    def _runs(self, far: Any) -> None:
        """Carry on the longest run of far intervals, over the border of batches."""
        ends = np.flatnonzero(~far)
        bounds = np.concatenate([[-1 - self.run], ends, [len(far)]])
        self.longest = max(self.longest, int(np.diff(bounds).max()) - 1)
        self.run = int(len(far) - 1 - ends[-1]) if len(ends) else self.run + len(far)

    def report(self, context: Context) -> None:
        """Log the intervals where at least five follow one another."""
        if self.longest >= _MANY:
            row, value = self.first
            context.log.find(
                "M102",
                source=context.source,
                table="timeseries",
                column="test_time_second",
                row=row,
                value=round(value, 3),
                count=self.count,
            )
