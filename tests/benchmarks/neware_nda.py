"""Reading of one large .nda into Arrow, in one process each: bdx to canonical columns against fastnda.

    python tests/benchmarks/neware_nda.py [FILE] [--records 1500000] [--version 29] [--aux] [--peer PYTHON] [--rounds 5] [--limit 1.0]

Without FILE one is made by fixtures/make/neware_nda.py. `--peer` (or $BDX_PEER_PYTHON, else this interpreter) is a Python that has fastnda;
without it only bdx is timed. Rounds alternate, so that a busy machine slows both alike; the best rounds are compared, start of the
process and imports left out. Exit code 1 where bdx takes more than `limit` times as long, or its memory is not flat.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMED = """
import sys, time
{setup}
best, rows = 1e9, 0
for _ in range(3):
    start = time.perf_counter()
    rows = {call}
    best = min(best, time.perf_counter() - start)
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(best, rows, peak / 1024)
"""
OURS = TIMED.format(
    setup="""
from bdx import formats, mapping, spec
from bdx.formats.source import Source
FORM = spec.format_spec("neware-nda")
def read(path):
    source = Source(path)
    context = mapping.Context(source=path, source_id="s1", log=source.log)
    parts = formats.read(source, FORM)
    return sum(chunk["timeseries"].num_rows for chunk in mapping.to_canonical(parts, FORM, context) if "timeseries" in chunk)
""",
    call="read(sys.argv[1])",
)
PEER = TIMED.format(setup="import fastnda", call="fastnda.read(sys.argv[1], cycle_mode='raw').to_arrow().num_rows")


def once(python: str, code: str, path: str) -> tuple[float, int, float]:
    """Return seconds, rows and peak memory in MB of the best of three readings in a process of its own."""
    done = subprocess.run([python, "-c", code, path], capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.stderr.strip()[-400:])
    seconds, rows, megabytes = done.stdout.split()[-3:]
    return float(seconds), int(rows), float(megabytes)


def has_peer(python: str) -> bool:
    """Say whether an interpreter has fastnda."""
    return subprocess.run([python, "-c", "import fastnda"], capture_output=True, check=False).returncode == 0


def made(folder: Path, records: int, version: int, aux: bool) -> str:
    """Return the path of a generated file."""
    sys.path.insert(0, str(ROOT / "fixtures" / "make"))
    import neware_nda

    path = folder / "large.nda"
    neware_nda.large(path, records, version, aux)
    return str(path)


def main() -> int:
    """Run the comparison and print one line per reader."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", nargs="?")
    parser.add_argument("--records", type=int, default=1_500_000)
    parser.add_argument("--version", type=int, default=29)
    parser.add_argument("--aux", action="store_true")
    parser.add_argument("--peer", default=os.environ.get("BDX_PEER_PYTHON", sys.executable))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=1.0)
    parser.add_argument("--memory", type=float, default=250.0, help="most MB bdx may take")
    options = parser.parse_args()
    readers = {"bdx": (sys.executable, OURS)}
    if has_peer(options.peer):
        readers["fastnda"] = (options.peer, PEER)
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or made(Path(folder), options.records, options.version, options.aux)
        runs: dict[str, list[tuple[float, int, float]]] = {name: [] for name in readers}
        for _ in range(options.rounds):
            for name, reader in readers.items():
                runs[name].append(once(*reader, path))
    best = {name: min(found) for name, found in runs.items()}
    for name, (seconds, rows, megabytes) in best.items():
        print(f"{name:8} {seconds:6.3f} s  {rows / seconds / 1e6:5.2f} Mrow/s  {megabytes:6.0f} MB")
    slow = best["bdx"][2] > options.memory
    if "fastnda" in best:
        ratio = best["bdx"][0] / best["fastnda"][0]
        print(f"{ratio:.2f} bdx/fastnda")
        slow |= ratio > options.limit
    else:
        print("no fastnda to compare with; name a Python that has it with --peer")
    return int(slow)


if __name__ == "__main__":
    raise SystemExit(main())
