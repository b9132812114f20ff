"""Time and peak memory of a generated .mpr to Arrow: bdx against galvani where it is installed, else against a bare record view.

    python tests/benchmarks/biologic_mpr.py [--rows 1000000] [--galvani PYTHON] [--rounds 5] [--limit 1.5]

PYTHON is an interpreter of another environment in which galvani (GPL) can be imported; it only ever runs as a process of its own.
"bare" maps the file as one numpy record array and copies every column to Arrow: no names, no units, no wall time, no current.
bdx does more than either (flags, mean current from charge, wall time). Exit code 1 above the limit times the peer.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from bdx import canon, formats, spec

MAKE = Path(__file__).resolve().parents[2] / "fixtures" / "make"
IDS = (1, 2, 3, 21, 31, 65, 131, 4, 7, 13, 5, 6, 39, 467, 468)
FIELDS = [
    ("flags", "u1"),
    ("ns", "<u2"),
    ("time", "<f8"),
    ("dq", "<f8"),
    ("q", "<f8"),
    ("control", "<f4"),
    ("ewe", "<f4"),
    ("range", "<u2"),
]
FIELDS += [("half_q", "<f8"), ("half", "<u4")]
GALVANI = """
import resource, sys, time
import numpy as np, galvani
start = time.perf_counter()
data = galvani.BioLogic.MPRfile(sys.argv[1]).data
columns = [np.ascontiguousarray(data[name]) for name in data.dtype.names]
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(data))
"""


def generate(path: Path, rows: int) -> int:
    """Write a GCPL test of that many records, a second apart, and return their number."""
    sys.path.insert(0, str(MAKE))
    import biologic

    records = np.zeros(rows, FIELDS)
    index = np.arange(rows)
    records["flags"] = 1 | 4 | (index % 900 == 0) * 32
    records["ns"] = index // 900 % 4
    records["time"] = index
    records["dq"] = np.where(index // 3600 % 2 == 0, 1.0, -1.0) * 1400 / 3600
    records["q"] = np.cumsum(records["dq"])
    records["ewe"] = 3.3 + records["q"] / 2000
    records["half"] = index // 3600
    parts = (biologic.settings(style=3), biologic.data_module(IDS, records.tobytes(), rows, style=3), biologic.log(style=3))
    path.write_bytes(biologic.modules(*parts))
    return rows


def ours(path: str) -> int:
    """Return the number of records that bdx decodes to Arrow."""
    parts = formats.read(formats.Source(path), spec.format_spec("biologic-mpr"))
    return sum(batch.num_rows for part in parts if isinstance(part, canon.Table) for batch in part.batches)


def bare(path: str) -> int:
    """Return the number of records of a bare view, every column copied to Arrow."""
    data = Path(path).read_bytes()
    start = data.index(b"MODULEVMP data") + 57 + 406
    count = int.from_bytes(data[start - 406 : start - 402], "little")
    view = np.frombuffer(data, FIELDS, count, start)
    return len(pa.table({name: np.ascontiguousarray(view[name]) for name in view.dtype.names or ()}))


def once(words: list[str]) -> tuple[float, float, int]:
    """Return seconds, peak MiB and rows that one process reports."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{words[0]} failed: {done.stderr.strip()[-400:]}")
    seconds, memory, rows = done.stdout.split()
    return float(seconds), float(memory), int(rows)


def main() -> int:
    """Run the comparison and print one line per reader."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--galvani", default="", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=1.5)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        reader = {"bdx": ours, "bare": bare, "make": lambda path: generate(Path(path), options.rows)}[options.worker[0]]
        formats.engine(spec.format_spec("biologic-mpr"))
        start = time.perf_counter()
        rows = reader(options.worker[1])
        print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, rows)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.mpr"
        # In a process of its own: a process inherits the peak memory of the one that starts it.
        once([sys.executable, __file__, "--rows", str(options.rows), "--worker", "make", str(path)])
        commands = {name: [sys.executable, __file__, "--worker", name, str(path)] for name in ("bdx", "bare")}
        if options.galvani:
            commands["galvani"] = [options.galvani, "-c", GALVANI, str(path)]
        found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in commands}
        for _ in range(options.rounds + 1):
            for name, words in commands.items():
                found[name].append(once(words))
        size = path.stat().st_size
    print(f"{options.rows:,} records, {size / 1e6:.0f} MB; imports are outside the clock")
    medians = {name: statistics.median(seconds for seconds, _, _ in runs[1:]) for name, runs in found.items()}
    for name, runs in found.items():
        if runs[-1][2] != options.rows:
            raise SystemExit(f"{name} read {runs[-1][2]} of {options.rows} records")
        print(f"{name:8} {medians[name]:6.3f} s  {runs[-1][1]:6.0f} MiB  {medians['bdx'] / medians[name]:5.2f} bdx/{name}")
    return int(medians["bdx"] > options.limit * medians["galvani" if options.galvani else "bare"])


if __name__ == "__main__":
    raise SystemExit(main())
