"""Time and peak memory of a generated Neware CSV to Parquet: bdx against bare pyarrow, each in its own process.

    python tests/benchmarks/neware_csv.py [--gigabytes 0.25] [--limit 1.5]

"bare" streams pyarrow.csv into pyarrow.parquet with default types: no units, no clocks, no sign, no checks. Exit code 1
above the limit.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEADER = (
    "DataPoint,Cycle Index,Step Index,Step Type,Time,Total Time,Current(mA),Voltage(V),Capacity(mAh),Spec. Cap.(mAh/g),Chg. Cap.(mAh),"
    "Chg. Spec. Cap.(mAh/g),DChg. Cap.(mAh),DChg. Spec. Cap.(mAh/g),Energy(mWh),Spec. Energy(mWh/g),Chg. Energy(mWh),"
    "Chg. Spec. Energy(mWh/g),DChg. Energy(mWh),DChg. Spec. Energy(mWh/g),Date,Power(mW),dQ/dV(mAh/V),dQm/dV(mAh/V.g),"
    "Contact resistance(mO),Module start-stop switch"
)
STEPS = ("Rest", "CC DChg", "Rest", "CC Chg")


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _row(index: int) -> str:
    """One record: a record a minute, steps of 900 records, four steps a cycle."""
    step, within = index // 900 % 4, index % 900
    current = (0.0, -700.0, 0.0, 700.0)[step] + (index * 7919 % 100) / 1000 * (step % 2)
    voltage = 3.2 + (index * 104729 % 9000) / 10000
    capacity = abs(current) * within / 60
    charge, discharge = (capacity, 0.0) if current > 0 else (0.0, capacity)
    day = 1 + index // 1440
    date = f"{2020 + day // 336}-{1 + day % 336 // 28:02d}-{1 + day % 28:02d} {index // 60 % 24:02d}:{index % 60:02d}:00"
    numbers = (capacity, capacity / 9, charge, charge / 9, discharge, discharge / 9)
    text = ",".join(f"{value:.4f}" for value in (*numbers, *(value * voltage for value in numbers)))
    return (
        f"{index + 1},{index // 3600 + 1},{step + 1},{STEPS[step]},{_clock(within * 60)},{_clock(index * 60)},{current:.4f},{voltage:.4f},"
        f"{text},{date},{current * voltage:.4f},{index * 31 % 1000 / 7:.4f},{index * 17 % 1000 / 3:.4f},0,Close\r\n"
    )


def generate(path: Path, size: int) -> None:
    """Write a file of about `size` bytes."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER + "\r\n")
        index, written = 0, 0
        while written < size:
            written += file.write("".join(_row(index + step) for step in range(10_000)))
            index += 10_000


def bare(path: str, target: str) -> int:
    """Convert with pyarrow alone and return the number of rows."""
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    rows = 0
    with pc.open_csv(path) as reader, pq.ParquetWriter(target, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def full(path: str, target: str) -> int:
    """Convert through the reader and the mapping of bdx and return the number of rows."""
    import pyarrow.parquet as pq

    from bdx import mapping, spec
    from bdx.formats import Source, read

    source = Source(path)
    form = spec.format_spec("neware-csv")
    writer = None
    rows = 0
    for chunk in mapping.to_canonical(read(source, form), form, mapping.Context(path, "s1", source.log)):
        batch = chunk.get("timeseries")
        if batch is not None:
            writer = writer or pq.ParquetWriter(target, batch.schema)
            writer.write_batch(batch)
            rows += batch.num_rows
    if writer is not None:
        writer.close()
    return rows


def _measure(name: str, path: Path, target: Path) -> float:
    """Run one way in its own process, print what it took and return the seconds."""
    run = subprocess.run([sys.executable, __file__, "--run", name, str(path), str(target)], check=True, capture_output=True, text=True)
    rows, seconds, peak = run.stdout.split()
    size = path.stat().st_size / 1e6
    print(f"{name:5} {int(rows):>10} rows  {float(seconds):7.2f} s  {size / float(seconds):6.0f} MB/s  peak {int(peak) / 1024:5.0f} MiB")
    return float(seconds)


def main() -> int:
    """Run the benchmark, or one way of it when called by itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=0.25)
    parser.add_argument("--limit", type=float, default=1.5)
    parser.add_argument("--run", nargs=3, metavar=("WAY", "CSV", "PARQUET"))
    options = parser.parse_args()
    if options.run:
        way, path, target = options.run
        start = time.perf_counter()
        rows = {"bare": bare, "bdx": full}[way](path, target)
        print(rows, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "neware.csv"
        generate(path, int(options.gigabytes * 1e9))
        times = {name: _measure(name, path, Path(folder) / f"{name}.parquet") for name in ("bare", "bdx")}
    ratio = times["bdx"] / times["bare"]
    print(f"ratio {ratio:.2f} (limit {options.limit:.2f})")
    return int(ratio > options.limit)


if __name__ == "__main__":
    sys.exit(main())
