"""Test time checked against the wall clock beside it: a unit that is wrong by a known factor is named, nothing is rebuilt."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Log

FACTORS = {
    1e9: "nanoseconds",
    1e6: "microseconds",
    1e3: "milliseconds",
    1 / 60: "minutes",
    1 / 3600: "hours",
    1e-3: "thousands of seconds",
    60.0: "a sixtieth of a second",
    3600.0: "hours turned into seconds twice",
}
"""Seconds of test time per second of wall time, and what the column then holds."""
_CLOSE = 0.05
_LEAST_SPAN = 10.0
_LEAST_ROWS = 10
_CLOCKS = ("unix_time_second", "local_time")


class WallClock:
    """A fold over `timeseries` batches of one test: what passed on each clock between the first row and the last."""

    def __init__(self) -> None:
        self._rows = 0
        self._first: tuple[float, float] | None = None
        self._last: tuple[float, float] | None = None

    def watch(self, batch: pa.RecordBatch) -> None:
        """Take in the next batch; one without both clocks is passed over."""
        names = batch.schema.names
        wall = next((name for name in _CLOCKS if name in names and batch.column(name).null_count < batch.num_rows), "")
        if "test_time_second" not in names or not wall:
            return
        time, stamps = batch.column("test_time_second"), batch.column(wall)
        if wall == "local_time":
            stamps = pc.divide(stamps.cast(pa.int64()).cast(pa.float64(), safe=False), 1e6)
        both = pc.and_(time.is_valid(), stamps.is_valid())
        time, stamps = time.filter(both), stamps.filter(both)
        if not len(time):
            return
        self._rows += len(time)
        at = (time[0].as_py(), stamps[0].as_py())
        self._first = self._first or at
        self._last = (time[len(time) - 1].as_py(), stamps[len(time) - 1].as_py())

    def report(self, log: Log, source: str) -> None:
        """Log the factor by which test time and wall clock differ, where it is one of those that units make."""
        if self._first is None or self._last is None or self._rows < _LEAST_ROWS:
            return
        counted, elapsed = self._last[0] - self._first[0], self._last[1] - self._first[1]
        if elapsed < _LEAST_SPAN or counted <= 0:
            return
        ratio = counted / elapsed
        for factor, meaning in FACTORS.items():
            if abs(ratio - factor) <= _CLOSE * factor:
                place: dict[str, Any] = {"source": source, "table": "timeseries", "column": "test_time_second"}
                log.find("T008", **place, value=f"{ratio:g}", counted=f"{counted:g}", elapsed=f"{elapsed:g}", meaning=meaning)
                return
