"""What repairs did to one source: counted by column and test, told as findings, kept as rows of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bdx import canon
from bdx.canon import Log
from bdx.derive.repairs import Floats
from bdx.pipeline.repairs import SELF_INVERSE, Asked

METHOD = "repaired"
_Range = tuple[float, float]
_NONE: _Range = (float("inf"), float("-inf"))


@dataclass(slots=True)
class Change:
    """What one repair did to one column of one test: rows changed, the first and the last of them, ranges of the column.

    `inexact` counts the values that come back only to their last digit, not to their last bit.
    """

    kind: pa.DataType
    rows: int = 0
    inexact: int = 0
    first: int = 0
    last: int = 0
    before: _Range = _NONE
    after: _Range = _NONE

    def add(self, old: Floats, new: Floats, row: int) -> None:
        """Compare the next values, the first of which stands in row `row` of the table."""
        places = np.flatnonzero((old != new) & ~(np.isnan(old) & np.isnan(new)))
        if len(places):
            self.first = self.first if self.rows else row + int(places[0])
            self.last = row + int(places[-1])
            self.rows += len(places)
        self.before, self.after = _wider(self.before, _range(old)), _wider(self.after, _range(new))

    def joined(self, other: Change) -> Change:
        """Return what was done to two tests together."""
        one, two = (item if item.rows else None for item in (self, other))
        first = min(item.first for item in (one, two) if item) if one or two else 0
        before, after = _wider(self.before, other.before), _wider(self.after, other.after)
        return Change(self.kind, self.rows + other.rows, self.inexact + other.inexact, first, max(self.last, other.last), before, after)

    def shown(self, span: _Range) -> list[Any]:
        """Return a range as evidence keeps it: numbers, or moments as text; empty where there is none."""
        if span == _NONE:
            return []
        if pa.types.is_timestamp(self.kind):
            return [pa.scalar(round(seconds * 1e6), self.kind).as_py().isoformat() for seconds in span]
        return list(span)


class Ledger:
    """Changes by repair, column and test. `source_id` is empty where the source has ids of its own."""

    def __init__(self, asked: Sequence[Asked], log: Log, uri: str, source_id: str) -> None:
        self._asked = asked
        self._log = log
        self._uri = uri
        self._source_id = source_id
        self._changes: dict[tuple[int, str, str], Change] = {}
        self._history: dict[tuple[str, str], str] = {}

    @property
    def effective(self) -> set[int]:
        """The numbers of the repairs that changed a value."""
        return {number for (number, _, _), change in self._changes.items() if change.rows}

    def change(self, number: int, column: str, test: str, kind: pa.DataType) -> Change:
        """Return what a repair did so far to a column of a test, to be added to."""
        return self._changes.setdefault((number, column, test), Change(kind))

    def remember(self, evidence: pa.RecordBatch) -> None:
        """Take in what the source says it went through before."""
        for row in evidence.to_pylist():
            if row["method"] == METHOD:
                self._history[row["column"], str(row["by"]).partition(":")[0]] = row["by"]

    def evidence(self, keys: dict[str, str]) -> list[dict[str, Any]]:
        """Return one row of `evidence` for each repair, column and test that it changed; `keys` are new ids of tests."""
        rows = []
        for (number, column, test), change in self._changes.items():
            item = self._asked[number]
            before, after = change.shown(change.before), change.shown(change.after)
            facts = {"rows": change.rows, "before": before, "after": after, "undo": f"--repair {item.inverse}", **item.repair.args}
            facts |= {"inexact": change.inexact} if change.inexact else {}
            row: dict[str, Any] = {
                "table": item.repair.table,
                "key": keys.get(test, test) or self._source_id or "s1",
                "column": column,
                "method": METHOD,
                "by": item.word,
                "source_id": self._source_id or None,
                "locator": f"rows {change.first} to {change.last}",
                "inputs": canon.dumps(facts),
            }
            rows += [row] if change.rows else []
        return rows

    def tell(self) -> None:
        """Log one finding per column: all repairs in their order, its range before the first and after the last."""
        columns: dict[tuple[str, str], dict[int, Change]] = {}
        for (number, column, _), change in self._changes.items():
            held = columns.setdefault((self._asked[number].repair.table, column), {})
            held[number] = held[number].joined(change) if number in held else change
        for (table, column), changes in columns.items():
            done = {number: change for number, change in sorted(changes.items()) if change.rows}
            if done:
                self._tell(table, column, [self._asked[number] for number in done], list(done.values()))

    def _tell(self, table: str, column: str, asked: Sequence[Asked], changes: Sequence[Change]) -> None:
        inexact = max(change.inexact for change in changes)
        self._log.find(
            "M120",
            source=self._uri,
            table=table,
            column=column,
            row=min(change.first for change in changes),
            count=max(change.rows for change in changes),
            repairs=", then ".join(item.word for item in asked),
            before=_words(changes[0].shown(changes[0].before)),
            after=_words(changes[-1].shown(changes[-1].after)),
            undo=" ".join(f"--repair {item.inverse}" for item in reversed(asked)),
            exact=f", all but {inexact:,} values to the last bit" if inexact else "",
        )
        for item in asked:
            if self._history.get((column, item.repair.name)) == item.word and item.repair.by not in SELF_INVERSE:
                self._log.find("M122", source=self._uri, table=table, column=column, value=item.word)


def _range(values: Floats) -> _Range:
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if len(known) else _NONE


def _wider(one: _Range, other: _Range) -> _Range:
    return min(one[0], other[0]), max(one[1], other[1])


def _words(span: Sequence[Any]) -> str:
    return " to ".join(f"{value:.10g}" if isinstance(value, float) else str(value) for value in span) or "nothing"
