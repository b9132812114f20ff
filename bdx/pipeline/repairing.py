"""Repairs on their way: applied to the chunks of one source, test by test, in the order the user asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import CAST_FAULTS, Chunk, Log
from bdx.derive.repairs import KEEPING, KEPT, Body, Rescale, RunOn, body, floats
from bdx.errors import UsageError
from bdx.pipeline.repaired import Ledger
from bdx.pipeline.repairs import Asked, Repair, asked

_GROUP = "test_id"


class Repairs:
    """The repairs asked for, at work on one source; without any, chunks pass as they are.

    The result does not depend on the size of the batches. `source_id` is empty where the source has ids of its own.
    Raises: UsageError for a repair that does not exist.
    """

    def __init__(self, words: Sequence[str], log: Log, uri: str, source_id: str) -> None:
        self.asked = asked(words)
        self.seen: set[str] = set()
        self._log = log
        self._uri = uri
        self._ledger = Ledger(self.asked, log, uri, source_id)
        self._bodies: dict[tuple[int, str], tuple[Body, int]] = {}
        self._met: set[int] = set()
        self._rows: dict[str, int] = {}
        self._tests: list[str] = []
        self._keys: dict[str, str] = {}

    @property
    def changed_series(self) -> str:
        """The repairs that changed values of `timeseries` so far, in words; empty where none did."""
        numbers = sorted(self._ledger.effective)
        return ", ".join(self.asked[number].word for number in numbers if self.asked[number].repair.table == "timeseries")

    def chunks(self, stream: Iterator[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks repaired; what was done is logged after the last one.

        Raises: UsageError where a column lacks that a repair needs, or a value would leave the range of floats.
        """
        return self._chunks(stream) if self.asked else stream

    def keyed(self, stream: Iterator[Chunk]) -> Iterator[Chunk]:
        """Yield the same chunks after tests were given ids of the run: evidence goes by these."""
        for chunk in stream:
            batch = chunk.get("timeseries")
            if self.asked and batch is not None and _GROUP in batch.schema.names:
                named = [str(name or "") for name in pc.unique(batch.column(_GROUP)).to_pylist()]
                if len(named) == len(self._tests):
                    self._keys.update(zip(self._tests, named, strict=True))
            yield chunk

    def evidence(self) -> list[dict[str, Any]]:
        """Return one row of `evidence` for each repair, column and test that it changed."""
        return self._ledger.evidence(self._keys)

    def _chunks(self, stream: Iterator[Chunk]) -> Iterator[Chunk]:
        tables = {item.repair.table for item in self.asked}
        for chunk in stream:
            if "evidence" in chunk:
                self._ledger.remember(chunk["evidence"])
            yield {table: self._repaired(table, batch) if table in tables else batch for table, batch in chunk.items()}
        self._finish()

    def _repaired(self, table: str, batch: pa.RecordBatch) -> pa.RecordBatch:
        self.seen.add(table)
        first = self._rows.get(table, 0)
        self._rows[table] = first + batch.num_rows
        pieces = list(by_test(batch))
        if table == "timeseries":
            self._tests = list(dict.fromkeys(test for test, _ in pieces))
        for number, item in enumerate(self.asked):
            if item.repair.table == table and _fits(item, set(pieces[0][1].schema.names), self._uri):
                self._met.add(number)
                pieces = list(self._applied(number, item, pieces, first))
        if len(pieces) == 1:
            return pieces[0][1]
        return pa.Table.from_batches([piece for _, piece in pieces]).combine_chunks().to_batches()[0]

    def _applied(
        self, number: int, item: Asked, pieces: Sequence[tuple[str, pa.RecordBatch]], row: int
    ) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yield the pieces of a batch, each of one test, after one repair; the first row of the batch is row `row` of the table."""
        repair = item.repair
        for test, piece in pieces:
            if (number, test) not in self._bodies:
                self._bodies[number, test] = (body(repair.by, repair.columns, repair.beside, repair.args, undo=item.undo), row)
            try:
                after = self._bodies[number, test][0].feed(piece)
            except CAST_FAULTS as error:
                raise UsageError(f"{self._uri}: --repair {item.word}: what was kept does not fit the column: {error}") from error
            for column in (name for name in repair.columns if name in piece.schema.names):
                self._compare(number, test, column, piece, after, row)
            row += piece.num_rows
            yield test, after

    def _compare(self, number: int, test: str, column: str, piece: pa.RecordBatch, after: pa.RecordBatch, row: int) -> None:
        """Count what a repair changed in a column.

        Raises: UsageError where a value left the range of floats.
        """
        old, new = (batch.column(batch.schema.get_field_index(column)) for batch in (piece, after))
        before, found = floats(old), floats(new)
        lost = np.isfinite(before) & ~np.isfinite(found)
        if lost.any():
            word = self.asked[number].word
            raise UsageError(f"{self._uri}: --repair {word}: {column} is {before[lost][0]:g}, beyond what can be repaired")
        worker = self._bodies[number, test][0]
        change = self._ledger.change(number, column, test, old.type)
        change.add(before, found, row)
        change.inexact += worker.inexact(before, found) if isinstance(worker, Rescale) else 0

    def _finish(self) -> None:
        """Log what was done.

        Raises: UsageError where the source holds the table of a repair and not its columns.
        """
        for number, item in enumerate(self.asked):
            if item.repair.table in self.seen and number not in self._met:
                raise UsageError(f"{self._uri}: --repair {item.word} needs {_needs(item.repair)}; the source does not hold it")
        self._ledger.tell()
        idle = [self.asked[number].word for number in sorted(self._met - self._ledger.effective)]
        if idle:
            self._log.find("M121", source=self._uri, value=", ".join(idle))
        for (number, _), (worker, first) in self._bodies.items():
            if isinstance(worker, RunOn) and worker.went_on:
                column, row = self.asked[number].repair.columns[0], first + worker.first_on
                self._log.find("M123", source=self._uri, table="timeseries", column=column, row=row, count=worker.went_on)


def held_by_none(all_repairs: Iterable[Repairs]) -> str:
    """Return which repair met its table in no source and what it needs, in words; empty where each met it in one."""
    found = list(all_repairs)
    seen = {table for repairs in found for table in repairs.seen}
    for item in found[0].asked if found else ():
        if item.repair.table not in seen:
            return f"--repair {item.word} needs {_needs(item.repair)}; no source holds rows of {item.repair.table}"
    return ""


def _needs(repair: Repair) -> str:
    """Return the columns a repair needs, in words."""
    columns = " or ".join(f"{repair.table}.{name}" for name in repair.wanted)
    return columns + (f" beside {' or '.join(repair.beside)}" if repair.beside else "")


def _fits(item: Asked, names: set[str], uri: str) -> bool:
    """Say whether a batch with columns of these names holds what a repair needs.

    Raises: UsageError where it holds only half of it.
    """
    repair = item.repair
    there = [name for name in repair.columns if name in names]
    if not there or (repair.beside and names.isdisjoint(repair.beside)):
        return False
    if repair.by == "exchange":
        for name in there:
            other = name.replace("discharging", "charging") if "discharging" in name else name.replace("charging", "discharging")
            if other not in names:
                raise UsageError(f"{uri}: --repair {item.word} needs {other} beside {name}; the source does not hold it")
    if item.undo and repair.by in KEEPING and names.isdisjoint(KEPT.format(name) for name in there):
        kept = " or ".join(KEPT.format(name) for name in there)
        raise UsageError(f"{uri}: --repair {item.word} needs {kept}, where the repair keeps what was read; the source does not hold it")
    return True


def by_test(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield the rows of a batch in runs of one test; "" where it names none."""
    place = batch.schema.get_field_index(_GROUP) if batch.num_rows else -1
    if place < 0:
        yield "", batch
        return
    tests = pc.fill_null(batch.column(place), "")
    starts = [0, *(pc.indices_nonzero(pc.not_equal(tests[1:], tests[:-1])).to_numpy() + 1).tolist(), batch.num_rows]
    for start, end in pairwise(starts):
        yield tests[start].as_py(), batch.slice(start, end - start)
