"""Child rows of one battery from two sources: one row for what both name, the others one after the other, each with its evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon
from bdx.canon import Log
from bdx.derive.children import NAMED_BY, held_together, twin
from bdx.derive.merge import BOOKKEEPING, agree, text
from bdx.derive.tolerance import Tolerance
from bdx.formats.canonical import concat
from bdx.formats.rows_cells import text_of


def added(rows: pa.RecordBatch, table: str, source_id: str) -> pa.RecordBatch:
    """Return the evidence of child rows that one source alone gives: a row for each value, named BATTERY#1, BATTERY#2."""
    keys = rows.column("battery_key")
    numbers = pa.array(_counted(keys) + 1, pa.int64()).cast(pa.string())
    named = pc.binary_join_element_wise(keys, numbers, "#")
    found = []
    for field, array in zip(rows.schema, rows.columns, strict=True):
        valid = array.is_valid()
        if field.name in BOOKKEEPING or not pc.any(valid).as_py():
            continue
        values = array.filter(valid)
        columns = {"table": [table] * len(values), "key": named.filter(valid), "column": [field.name] * len(values)}
        columns |= {"value": text_of(values, field), "method": ["declared"] * len(values), "source_id": [source_id] * len(values)}
        found.append(canon.batch("evidence", columns))
    return concat(found, canon.schema("evidence"))


def _counted(keys: pa.Array) -> Any:
    """Return how often each key stood before."""
    codes = keys.dictionary_encode().indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(codes[order]) != 0]) if len(codes) else np.array([], np.int64)
    found = np.zeros(len(codes), np.int64)
    found[order] = np.arange(len(codes)) - np.repeat(starts, np.diff(np.r_[starts, len(codes)]))
    return found


class Blend:
    """Puts child rows of another source beside those of the first; `wins` says why its value counts, else `stays` why not."""

    def __init__(
        self, table: str, sources: tuple[str, str], source_id: str, log: Log, *, wins: str, stays: str, tolerance: Tolerance
    ) -> None:
        self._table, self._log, self._wins, self._stays = table, log, wins, stays
        self._tolerance = tolerance
        self._mine, self._theirs = sources
        self._source_id = source_id
        self._evidence: list[dict[str, Any]] = []

    def of(self, mine: pa.RecordBatch, theirs: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """Return the rows of both in the order of the first, and the evidence of what the other gave."""
        shared = pc.is_in(theirs.column("battery_key"), value_set=mine.column("battery_key"))
        alone = theirs.filter(pc.invert(shared))
        evidence = added(alone, self._table, self._source_id) if alone.num_rows else canon.from_rows("evidence", [])
        if not pc.any(shared).as_py():
            return concat([mine, theirs], mine.schema), evidence
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in mine.to_pylist():
            rows.setdefault(row["battery_key"], []).append(row)
        for row in theirs.filter(shared).to_pylist():
            self._add(rows[row["battery_key"]], row)
        merged = canon.from_rows(self._table, [row for some in rows.values() for row in some])
        return concat([merged, alone], merged.schema), concat([evidence, canon.from_rows("evidence", self._evidence)], evidence.schema)

    def _add(self, known: list[dict[str, Any]], row: dict[str, Any]) -> None:
        place = twin(known, row, self._table)
        if place is None:
            known.append(row)
            for column, value in row.items():
                self._note(row, column, value, len(known))
            return
        mine, number = known[place], place + 1
        together = held_together(self._table, mine, row, self._tolerance)
        for column, value in row.items():
            if column in BOOKKEEPING or value in (None, []):
                continue
            if mine[column] in (None, []):
                if column not in together or self._wins:
                    mine[column] = value
                    self._note(row, column, value, number)
            elif not agree(mine[column], value, self._tolerance.of(self._table, column)):
                self._differs(mine, column, value, row.get("locator"))
                if self._wins:
                    mine[column] = value
                    self._note(row, column, value, number)
        for column in together if self._wins else ():
            if row[column] is None:
                mine[column] = None

    def _differs(self, mine: dict[str, Any], column: str, value: Any, locator: str | None) -> None:
        names = " ".join(str(mine[name]) for name in NAMED_BY.get(self._table, ()))
        facts = {"battery": f"{mine['battery_key']}, {names}", "other": mine[column], "other_source": self._mine}
        facts |= {"at": f" ({locator})" if locator else "", "other_at": f" ({mine['locator']})" if mine.get("locator") else ""}
        facts |= {"kept": value if self._wins else mine[column], "why": self._wins or self._stays}
        self._log.find("M061", source=self._theirs, table=self._table, column=column, value=value, **facts)

    def _note(self, row: dict[str, Any], column: str, value: Any, number: int) -> None:
        if column in BOOKKEEPING or value is None or value == []:
            return
        where = {"table": self._table, "key": f"{row['battery_key']}#{number}", "column": column}
        self._evidence.append(where | {"value": text(value), "method": "declared", "source_id": self._source_id})
