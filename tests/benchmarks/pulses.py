"""Time and memory of the search for pulses in ten million records, against one bare group-by of the same columns.

python tests/benchmarks/pulses.py [ROWS]
"""

import resource
import sys
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from bdx import canon
from bdx.derive.pulses import Resistances

PER_CYCLE = 10_000


def batches(rows: int) -> Iterator[pa.RecordBatch]:
    """Yield cycles of charge, rest, discharge, rest."""
    for start in range(0, rows, canon.BATCH_ROWS):
        place = np.arange(start, min(start + canon.BATCH_ROWS, rows))
        phase = (place % PER_CYCLE) / PER_CYCLE
        part = np.searchsorted([0.45, 0.5, 0.95], phase, side="right")
        current = np.array([2.0, 0.0, -2.0, 0.0])[part]
        columns = {
            "test_time_second": place * 1.0,
            "cycle_count": place // PER_CYCLE + 1,
            "step_count": place // PER_CYCLE * 4 + part + 1,
            "voltage_volt": 3.0 + 1.2 * np.abs(np.sin(phase * np.pi)) + 0.02 * current,
            "current_ampere": current,
            "temperature_t1_celsius": 20.0 + phase,
        }
        yield canon.batch("timeseries", {name: pa.array(values) for name, values in columns.items()})


def main() -> None:
    """Print both times, their ratio and the memory that the search added."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    held = list(batches(rows))
    table = pa.Table.from_batches(held)
    wanted = [(name, how) for name in table.schema.names if name != "cycle_count" for how in ("min", "max")]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    best = {"search": float("inf"), "group-by": float("inf")}
    found = None
    for _ in range(3):
        began = time.perf_counter()
        search = Resistances()
        for batch in held:
            search.watch(batch)
        found = search.finish("s1")
        best["search"] = min(best["search"], time.perf_counter() - began)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        began = time.perf_counter()
        table.group_by("cycle_count", use_threads=False).aggregate(wanted)
        best["group-by"] = min(best["group-by"], time.perf_counter() - began)
    count = found.num_rows if found is not None else 0
    print(f"{rows:,} records, {count:,} resistances, {(after - before) / 1024:.0f} MiB more")
    print(f"search {best['search']:.2f} s, group-by {best['group-by']:.2f} s, ratio {best['search'] / best['group-by']:.2f}")


if __name__ == "__main__":
    main()
