"""How fast the rules are: 10 million rows of a test against one bare pass of four kernels over the same columns.

Run as `python tests/benchmarks/rules.py [ROWS]`. Batches are made one at a time, outside the clock, so memory stays flat.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon
from bdx.canon import Log
from bdx.rules import Checker

STEP_ROWS = 3_600


def batches(rows: int) -> Iterator[pa.RecordBatch]:
    """Yield a clean cycling test at 1 Hz: an hour of charge, an hour of discharge, and so on."""
    names = pa.array(["CC_Chg", "CC_DChg"])
    for first in range(0, rows, canon.BATCH_ROWS):
        index = np.arange(first, min(first + canon.BATCH_ROWS, rows))
        step, within = index // STEP_ROWS, index % STEP_ROWS
        charging = step % 2 == 0
        current = np.where(charging, 2.0, -2.0)
        moved = within * 2.0 / 3600.0
        voltage = 3.6 + 0.3 * np.where(charging, within, STEP_ROWS - within) / STEP_ROWS
        yield canon.batch(
            "timeseries",
            {
                "record_index": pa.array(index + 1),
                "test_time_second": pa.array(index.astype(float)),
                "unix_time_second": pa.array(1.7e9 + index),
                "cycle_count": pa.array(step // 2 + 1),
                "step_count": pa.array(step + 1),
                "step_type": names.take(pa.array(step % 2)),
                "voltage_volt": pa.array(voltage),
                "current_ampere": pa.array(current),
                "power_watt": pa.array(voltage * current),
                "step_charging_capacity_ah": pa.array(np.where(charging, moved, 0.0)),
                "step_discharging_capacity_ah": pa.array(np.where(charging, 0.0, moved)),
                "ambient_temperature_celsius": pa.array(25.0 + np.sin(index / 900.0)),
            },
        )


def bare(batch: pa.RecordBatch) -> None:
    """Run the four kernels over every column of numbers."""
    for column in batch.columns:
        if not pa.types.is_string(column.type):
            _ = column.null_count, pc.min_max(column)
            _ = pc.less(pc.subtract(column[1:], column[:-1]), 0).true_count


def main() -> None:
    """Print rows per second, the ratio to the bare pass, and peak memory."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    log = Log()
    checker = Checker(log, "benchmark")
    watched = passed = 0.0
    for batch in batches(rows):
        start = time.perf_counter()
        bare(batch)
        middle = time.perf_counter()
        checker.watch({"timeseries": batch})
        watched += time.perf_counter() - middle
        passed += middle - start
    checker.finish()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    speed = f"{rows / watched / 1e6:.1f} M rows/s, {checker.checked / watched / 1e6:.0f} M values/s"
    print(f"{rows:,} rows, {checker.rules_run} rules: {watched:.2f} s ({speed})")
    print(f"bare pass {passed:.2f} s; ratio {watched / passed:.1f}; peak {peak:.0f} MB; findings {[f.code for f in log.findings]}")


if __name__ == "__main__":
    main()
