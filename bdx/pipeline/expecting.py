"""Expectations: what a laboratory's own contract says of a data set - rows, columns, ranges - held against what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk, Log
from bdx.errors import UsageError, did_you_mean

_KEYS = ("table", "source", "rows", "columns", "ranges")
_PAIR = 2


class Expectations:
    """A fold over the chunks of one source.

    Each expectation is a table: `table` (default timeseries), `source` (a glob of source names), `rows` = [least, most] or one
    number, `columns` that must hold values, `ranges` of column = [low, high].
    Raises: UsageError for an unknown key, table or column, or a bound that is no number.
    """

    def __init__(self, wishes: Sequence[Mapping[str, Any]], uri: str) -> None:
        for wish in wishes:
            _check(wish)
        self._wishes = [wish for wish in wishes if fnmatch(uri, str(wish.get("source", "*")))]
        self._uri = uri
        self._rows: dict[str, int] = {}
        self._filled: set[tuple[str, str]] = set()
        self._beyond: dict[tuple[str, str, float, float], tuple[int, int, Any]] = {}

    def watch(self, chunk: Chunk) -> None:
        """Look at one chunk."""
        for wish in self._wishes:
            table = str(wish.get("table", "timeseries"))
            batch = chunk.get(table)
            if batch is None:
                continue
            for name in (*wish.get("columns", ()), *wish.get("ranges", {})):
                place = batch.schema.get_field_index(name)
                if place >= 0 and batch.column(place).null_count < batch.num_rows:
                    self._filled.add((table, name))
            for name, (low, high) in wish.get("ranges", {}).items():
                if batch.schema.get_field_index(name) >= 0:
                    self._judge(table, name, float(low), float(high), batch.column(name))
        for name, batch in chunk.items():
            self._rows[name] = self._rows.get(name, 0) + batch.num_rows

    def finish(self, log: Log) -> None:
        """Log what was not as expected."""
        for wish in self._wishes:
            table = str(wish.get("table", "timeseries"))
            found = self._rows.get(table, 0)
            least, most = _bounds(wish.get("rows", (0, None)))
            if found < least or (most is not None and found > most):
                wanted = f"{least:,}" if most == least else f"at least {least:,}" if most is None else f"{least:,} to {most:,}"
                log.find("S040", source=self._uri, table=table, value=f"{found:,}", wanted=wanted)
            for name in wish.get("columns", ()):
                if (table, name) not in self._filled:
                    log.find("S041", source=self._uri, table=table, column=name)
        for (table, name, low, high), (row, count, value) in self._beyond.items():
            log.find(
                "S042", source=self._uri, table=table, column=name, row=row, count=count, value=value, low=f"{low:g}", high=f"{high:g}"
            )

    def _judge(self, table: str, name: str, low: float, high: float, values: pa.Array) -> None:
        bad = pc.or_(pc.less(values, low), pc.greater(values, high)).fill_null(fill_value=False)
        count = bad.true_count
        if not count:
            return
        place = pc.index(bad, pa.scalar(value=True)).as_py()
        row, before, value = self._beyond.get((table, name, low, high), (self._rows.get(table, 0) + place, 0, values[place].as_py()))
        self._beyond[table, name, low, high] = (row, before + count, value)


def _check(wish: Mapping[str, Any]) -> None:
    for key in wish:
        if key not in _KEYS:
            raise UsageError(f"expect: no key '{key}'{did_you_mean(key, _KEYS)}; known: {', '.join(_KEYS)}")
    name = str(wish.get("table", "timeseries"))
    if name not in spec.tables():
        raise UsageError(f"expect: no table '{name}'{did_you_mean(name, spec.tables())}")
    _bounds(wish.get("rows", (0, None)))
    known = spec.table(name).by_name
    ranges = wish.get("ranges", {})
    for column in (*wish.get("columns", ()), *ranges):
        if column not in known and not str(column).startswith("extra_"):
            raise UsageError(f"expect: table {name} has no column '{column}'{did_you_mean(str(column), known)}")
    for column, span in ranges.items():
        if not isinstance(span, Sequence) or len(span) != _PAIR or not all(isinstance(value, int | float) for value in span):
            raise UsageError(f"expect: the range of {column} is {span!r}; expected [low, high]")


def _bounds(rows: Any) -> tuple[int, int | None]:
    if isinstance(rows, int) and not isinstance(rows, bool):
        return rows, rows
    if (
        isinstance(rows, Sequence)
        and not isinstance(rows, str)
        and len(rows) in (1, _PAIR)
        and all(value is None or type(value) is int for value in rows)
    ):
        return rows[0] or 0, rows[1] if len(rows) == _PAIR else None
    raise UsageError(f"expect: rows is {rows!r}; expected a number, [least] or [least, most]")
