"""Several sources of one test: told by test time and record number that go on, or joined because the user says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk
from bdx.derive.cycles import Cycles
from bdx.errors import MappingError
from bdx.pipeline.apart import tagged
from bdx.pipeline.reading import Opened

_CLOCKS = ("unix_time_second", "local_time")


@dataclass(slots=True)
class _End:
    """How one source ended: its last test time, record number and stamps."""

    opened: Opened
    time: float | None = None
    record: int | None = None
    stamps: dict[str, Any] | None = None


class Seams:
    """Gives every source its test: a new one, or that of the source before it. Time moved by a seam stays moved until the next.

    `forced` joins all instrument sources whatever they show.
    """

    def __init__(self, *, forced: bool) -> None:
        self._forced = forced
        self._end: _End | None = None
        self._test = ""
        self._cycles = Cycles(steps=True)
        self._steps = False
        self._moved = 0.0

    def pieces(self, opened: Opened, stream: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks of the next instrument source under the test they belong to.

        Chunks of `cycle` and `step` are held back and derived anew over the whole test; the `test` row of a continued source is a loss.
        Raises: MappingError where `forced` and the source holds several tests, or time starts again without a wall clock to place it.
        """
        fresh = False
        begun = False
        for chunk in stream:
            batch = chunk.get("timeseries")
            if batch is not None and (batch.num_rows or not begun) and "test_id" not in batch.schema.names:
                if not begun:
                    fresh = not self._continues(opened, batch)
                    if fresh:
                        yield from self.finish()
                        self._test, self._cycles, self._moved = opened.id, Cycles(steps=True), 0.0
                begun = True
                batch = _moved(batch, self._moved)
                self._cycles.watch(batch)
                self._remember(opened, batch)
                yield {**chunk, "timeseries": tagged(batch, self._test)}
            elif self._forced and batch is not None and "test_id" in batch.schema.names:
                raise MappingError(f"{opened.uri} cannot be joined: it holds several tests of its own; leave out --join")
            elif ("cycle" in chunk or "step" in chunk) and begun:
                self._steps = self._steps or "step" in chunk
            elif "test" in chunk and begun and not fresh:
                opened.log.lose(opened.uri, "test facts of a continued source", f"the test is that of {self._test}", chunk["test"].num_rows)
            else:
                yield chunk

    def finish(self) -> Iterator[Chunk]:
        """Yield the cycles of the test that ends here, and its steps where the sources brought theirs."""
        rows = self._cycles.finish(self._test) if self._test else None
        if rows is not None and rows.num_rows:
            yield {"cycle": rows}
        steps = self._cycles.steps(self._test) if self._test and self._steps else None
        if steps is not None and steps.num_rows:
            yield {"step": steps}
        self._test, self._cycles, self._steps, self._end = "", Cycles(steps=True), False, None

    def _continues(self, opened: Opened, batch: pa.RecordBatch) -> bool:
        """Say whether a source goes on with the test of the one before it; logs the seam."""
        end = self._end
        if end is None or not batch.num_rows:
            return False
        time, record = _first(batch, "test_time_second"), _first(batch, "record_index")
        forward = time is not None and end.time is not None and time + self._moved >= end.time
        follows = record is not None and end.record is not None and record == end.record + 1
        same_kind = end.opened.format.id == opened.format.id
        if not (self._forced or (same_kind and follows and forward and time > 0)):
            return False
        place = {"source": opened.uri, "table": "timeseries", "before": end.opened.uri}
        if forward or time is None or end.time is None:
            gap = (
                f"{time + self._moved - end.time:g} s later" if forward and time is not None and end.time is not None else "without a time"
            )
            numbered = f", record {record} after {end.record}" if record is not None and end.record is not None else ""
            opened.log.find("F008", **place, value=f"{gap}{numbered}")  # type: ignore[arg-type]
            return True
        self._moved = end.time - time + self._elapsed(end, opened, batch)
        opened.log.find("F009", **place, value=f"{self._moved:g}")  # type: ignore[arg-type]
        return True

    def _elapsed(self, end: _End, opened: Opened, batch: pa.RecordBatch) -> float:
        """Return the seconds of wall time between the end of one source and the start of the next."""
        for name in _CLOCKS:
            now, before = _first(batch, name), (end.stamps or {}).get(name)
            if now is not None and before is not None:
                passed = (now - before).total_seconds() if name == "local_time" else now - before
                if passed < 0:
                    raise MappingError(f"{opened.uri} starts {-passed:g} s before {end.opened.uri} ends; give the sources in their order")
                return float(passed)
        raise MappingError(f"{opened.uri} cannot be joined to {end.opened.uri}: its test time starts again and no wall clock places it")

    def _remember(self, opened: Opened, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        end = self._end if self._end is not None and self._end.opened is opened else _End(opened, stamps={})
        end.time = _last(batch, "test_time_second", end.time)
        end.record = _last(batch, "record_index", end.record)
        end.stamps = {name: _last(batch, name, (end.stamps or {}).get(name)) for name in _CLOCKS}
        self._end = end


def _first(batch: pa.RecordBatch, name: str) -> Any:
    return batch.column(name)[0].as_py() if name in batch.schema.names and batch.num_rows else None


def _last(batch: pa.RecordBatch, name: str, before: Any) -> Any:
    if name not in batch.schema.names:
        return before
    known = batch.column(name).drop_null()
    return known[len(known) - 1].as_py() if len(known) else before


def _moved(batch: pa.RecordBatch, seconds: float) -> pa.RecordBatch:
    """Return the batch with its test time moved."""
    place = batch.schema.get_field_index("test_time_second")
    if not seconds or place < 0:
        return batch
    return batch.set_column(place, batch.schema.field(place), pc.add(batch.column(place), seconds))
