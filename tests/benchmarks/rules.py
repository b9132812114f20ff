"""How fast the rules are: 10 million rows of a test against one bare pass of four kernels over the same columns.

    python tests/benchmarks/rules.py [ROWS] [--wide] [--limit 3]

Batches are made one at a time, outside the clock, so memory stays flat. `--wide` adds the columns that a cycler with every counter
writes. Exit code 1 above the limit, or where the rules remark on the data.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon
from bdx.canon import Log
from bdx.rules import Checker

STEP_ROWS = 3_600


def batches(rows: int, *, wide: bool = False) -> Iterator[pa.RecordBatch]:
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
                **(_more(index, step, within, charging) if wide else {}),
            },
        )


def _more(index: Any, step: Any, within: Any, charging: Any) -> dict[str, pa.Array]:
    """Return further clocks, counters of charge and energy in two scopes, and a second temperature."""
    moved, whole, hour = within * 2.0 / 3600.0, step // 2 * 2.0, STEP_ROWS / 3600.0
    first = 3.6 * moved + 0.3 * moved * within / STEP_ROWS / 2
    second = 3.9 * moved - 0.3 * moved * within / STEP_ROWS / 2
    cycle = 2.0 * hour * 3.75
    return {
        "step_time_second": pa.array(within.astype(float)),
        "step_id": pa.array(step % 2 + 1),
        "charging_capacity_ah": pa.array(np.where(charging, whole + moved, whole + 2.0 * hour)),
        "discharging_capacity_ah": pa.array(np.where(charging, whole, whole + moved)),
        "charging_energy_wh": pa.array(np.where(charging, step // 2 * cycle + first, (step // 2 + 1) * cycle)),
        "discharging_energy_wh": pa.array(np.where(charging, step // 2 * cycle, step // 2 * cycle + second)),
        "step_charging_energy_wh": pa.array(np.where(charging, first, 0.0)),
        "step_discharging_energy_wh": pa.array(np.where(charging, 0.0, second)),
        "temperature_t1_celsius": pa.array(26.0 + np.sin(index / 900.0)),
        "local_time": pa.array((1_700_000_000 + index) * 1_000_000, pa.timestamp("us")),
    }


def bare(batch: pa.RecordBatch) -> None:
    """Run the four kernels over every column of numbers."""
    for column in batch.columns:
        if not pa.types.is_string(column.type):
            values = column.view(pa.int64()) if pa.types.is_timestamp(column.type) else column
            _ = values.null_count, pc.min_max(values)
            _ = pc.less(pc.subtract(values[1:], values[:-1]), 0).true_count


def main() -> int:
    """Print rows per second, the ratio to the bare pass, and peak memory."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", type=int, nargs="?", default=10_000_000)
    parser.add_argument("--wide", action="store_true")
    parser.add_argument("--limit", type=float, default=3.0)
    options = parser.parse_args()
    rows, log = options.rows, Log()
    checker = Checker(log, "benchmark")
    watched = passed = 0.0
    for batch in batches(rows, wide=options.wide):
        start = time.perf_counter()
        bare(batch)
        middle = time.perf_counter()
        checker.watch({"timeseries": batch})
        watched += time.perf_counter() - middle
        passed += middle - start
    checker.finish()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    speed = f"{rows / watched / 1e6:.1f} M rows/s, {checker.checked / watched / 1e6:.0f} M values/s"
    print(f"{rows:,} rows of {batch.num_columns} columns, {checker.rules_run} rules: {watched:.2f} s ({speed})")
    print(f"bare pass {passed:.2f} s; ratio {watched / passed:.1f}; peak {peak:.0f} MB; findings {[f.code for f in log.findings]}")
    return int(watched > options.limit * passed or bool(log.findings))


if __name__ == "__main__":
    sys.exit(main())
