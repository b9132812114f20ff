"""Whole-process time of one large .ndax to Parquet: bdx against the command lines of fastnda and batterydf.

    python tests/benchmarks/ndax.py FILE [--bdx CMD] [--fastnda CMD] [--bdf CMD] [--rounds 5] [--limit 1.0]

A peer that is neither named nor on the PATH (or in $FASTNDA, $BDF) is left out. Runs alternate, so that a busy machine
slows all alike; medians are compared. Exit code 1 where bdx takes more than `limit` times the fastest peer.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TARGETS = {"bdx": "bdx.parquet", "fastnda": "fastnda.parquet", "bdf": "peer.bdf.parquet"}
ARGUMENTS = {
    "bdx": ("convert", "{source}", "-o", "{target}", "--force"),
    "fastnda": ("convert", "{source}", "{target}"),
    "bdf": ("convert", "{source}", "--to", "{target}"),
}


def command(name: str, given: str) -> list[str] | None:
    """Return the words that start a tool, or None where it is not installed."""
    words = shlex.split(given or os.environ.get(name.upper(), ""))
    if not words and name == "bdx":
        return [sys.executable, "-m", "bdx"] if shutil.which("bdx") is None else ["bdx"]
    if not words:
        found = shutil.which(name)
        return [found] if found else None
    return words


def once(words: list[str], name: str, source: str, folder: Path) -> float:
    """Return the seconds one conversion takes, start of the process included; nothing is left behind."""
    target = folder / TARGETS[name]
    target.unlink(missing_ok=True)
    line = [*words, *(word.format(source=source, target=target) for word in ARGUMENTS[name])]
    start = time.perf_counter()
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode or not target.is_file():
        raise SystemExit(f"{name} failed ({done.returncode}): {done.stderr.strip()[-400:]}")
    return seconds


def main() -> int:
    """Run the comparison and print one line per tool."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=1.0)
    for name in ARGUMENTS:
        parser.add_argument(f"--{name}", default="", metavar="CMD")
    options = parser.parse_args()
    tools = {name: command(name, getattr(options, name)) for name in ARGUMENTS}
    times: dict[str, list[float]] = {name: [] for name, words in tools.items() if words}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds + 1):
            for name, seconds in times.items():
                seconds.append(once(tools[name] or [], name, options.file, Path(folder)))
        sizes = {name: (Path(folder) / TARGETS[name]).stat().st_size for name in times}
    medians = {name: statistics.median(seconds[1:]) for name, seconds in times.items()}
    for name, median in medians.items():
        ratio = f"{medians['bdx'] / median:5.2f} bdx/{name}" if name != "bdx" else ""
        print(f"{name:8} {median:6.3f} s  {sizes[name] / 1e6:6.1f} MB  {ratio}")
    peers = [median for name, median in medians.items() if name != "bdx"]
    if not peers:
        print("no peer to compare with; name one with --fastnda or --bdf")
        return 0
    return int(medians["bdx"] > options.limit * min(peers))


if __name__ == "__main__":
    raise SystemExit(main())
