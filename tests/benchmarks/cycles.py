"""How fast cycles and steps are folded: 10 million rows of a test against one bare group-by of the same columns in pyarrow.

    python tests/benchmarks/cycles.py [ROWS] [--limit 4]

Once with the counters of a cycler, once with current, voltage, time and temperature alone. Exit code 1 above the limit, or where the
sums are not those of the group-by.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from bdx import canon
from bdx.derive.cycles import Cycles

CYCLE_ROWS = 10_000
COUNTERS = ("charging_capacity_ah", "discharging_capacity_ah", "charging_energy_wh", "discharging_energy_wh")


def batches(rows: int, *, counters: bool) -> list[pa.RecordBatch]:
    """Return a test of cycles with two rests, at 1 Hz, in memory."""
    found = []
    for first in range(0, rows, canon.BATCH_ROWS):
        index = np.arange(first, min(first + canon.BATCH_ROWS, rows))
        share = index % CYCLE_ROWS / CYCLE_ROWS
        part = np.searchsorted([0.45, 0.5, 0.95], share, side="right")
        current = np.array([2.0, 0.0, -2.0, 0.0])[part]
        columns: dict[str, Any] = {
            "test_time_second": index * 1.0,
            "cycle_count": index // CYCLE_ROWS + 1,
            "step_count": index // CYCLE_ROWS * 4 + part + 1,
            "voltage_volt": 3.0 + 1.2 * np.abs(np.sin(share * np.pi)),
            "current_ampere": current,
            "temperature_t1_celsius": 20 + share,
        }
        for name, moves in zip(COUNTERS if counters else (), (current > 0, current < 0) * 2, strict=False):
            columns[f"step_{name}"] = np.where(moves, share, 0.0)
        found.append(canon.batch("timeseries", {name: pa.array(values) for name, values in columns.items()}))
    return found


def bare(table: pa.Table) -> pa.Table:
    """Return least and largest values by cycle."""
    values = [name for name in table.schema.names if name != "cycle_count"]
    return table.group_by("cycle_count").aggregate([(name, what) for name in values for what in ("min", "max")])


def folded(some: list[pa.RecordBatch], *, steps: bool) -> pa.RecordBatch:
    """Return the cycles."""
    cycles = Cycles(steps=steps)
    for batch in some:
        cycles.watch(batch)
    found = cycles.finish("s1")
    if steps:
        cycles.steps("s1")
    assert found is not None
    return found


def best(task: Callable[[], Any]) -> tuple[float, Any]:
    """Return the least of three times, and what the task gave."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        found = task()
        times.append(time.perf_counter() - start)
    return min(times), found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="?", type=int, default=10_000_000)
    parser.add_argument("--limit", type=float, default=4.0)
    asked = parser.parse_args()
    slow = False
    for counters in (True, False):
        some = batches(asked.rows, counters=counters)
        table = pa.Table.from_batches(some)
        floor, expected = best(lambda: bare(table))  # noqa: B023 - called at once
        cycles, found = best(lambda: folded(some, steps=False))  # noqa: B023
        both, _ = best(lambda: folded(some, steps=True))  # noqa: B023
        same = expected.sort_by("cycle_count").column("voltage_volt_max").to_pylist() == found.column("max_voltage_v").to_pylist()
        slow = slow or cycles > asked.limit * floor or not same
        kind = "with counters" if counters else "integrated"
        told = f"group-by {floor:.2f} s, cycles {cycles:.2f} s ({cycles / floor:.2f}x), with steps {both:.2f} s ({both / floor:.2f}x)"
        print(f"{asked.rows:,} rows, {kind}: {told}")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
