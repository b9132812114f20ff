"""Whole-process time of one large Arbin .res: bdx to Parquet against a plain dump of the same table by mdb-export or access_parser.

    python tests/benchmarks/arbin_res.py [--file FILE] [--records 200000] [--python WITH_ACCESS_PARSER] [--rounds 3] [--limit 1.0]

Without --file a database is generated. A peer that is not there (mdb-export on the PATH; access_parser importable by --python) is
left out, and with none of them only bdx is timed. Exit code 1 where bdx takes more than `limit` times the fastest peer.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MAKER = Path(__file__).resolve().parents[2] / "fixtures" / "make" / "arbin_res.py"
DUMP = """
import sys
from access_parser import AccessParser
print(len(AccessParser(sys.argv[1]).parse_table("Channel_Normal_Table")["Data_Point"]))
"""
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def generate(path: Path, count: int) -> None:
    """Write a database of that many records, half of its pages out of order."""
    made = importlib.util.spec_from_file_location("make_arbin_res", MAKER)
    assert made is not None and made.loader is not None
    maker: Any = importlib.util.module_from_spec(made)
    sys.modules[made.name] = maker
    made.loader.exec_module(maker)
    base = maker.records()
    rows = [
        row | {"Data_Point": index + 1, "Test_Time": 60.5 * (index + 1)} for index in range(count) for row in (base[index % len(base)],)
    ]
    pages = maker.spread(rows, 40)
    half = len(pages) // 2
    pages[:half] = pages[1:half:2] + pages[:half:2]
    tables = [maker.Table("Global_Table", maker.GLOBAL, [[maker.about()]]), maker.Table("Channel_Normal_Table", maker.RECORDS, pages)]
    path.write_bytes(maker.database(tables))


def timed(words: list[str], target: Path | None) -> float:
    """Return the seconds of one run, start of the process included."""
    start = time.perf_counter()
    with target.open("wb") if target is not None else tempfile.TemporaryFile() as sink:
        done = subprocess.run(words, stdout=sink, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"{words[0]} failed ({done.returncode}): {done.stderr.decode(errors='replace').strip()[-400:]}")
    return time.perf_counter() - start


def main() -> int:
    """Run the comparison and print one line per tool."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--file", type=Path)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=1.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = options.file or Path(folder) / "large.res"
        if options.file is None:
            generate(source, options.records)
        target = str(Path(folder) / "out.parquet")
        tools = {"bdx": [sys.executable, "-m", "bdx", "convert", str(source), "-o", target, "--force"]}
        if shutil.which("mdb-export"):
            tools["mdb-export"] = ["mdb-export", str(source), "Channel_Normal_Table"]
        if not subprocess.run([options.python, "-c", "import access_parser"], capture_output=True, check=False).returncode:
            tools["access_parser"] = [options.python, "-c", DUMP, str(source)]
        medians = {name: statistics.median(timed(words, None) for _ in range(options.rounds)) for name, words in tools.items()}
        size = source.stat().st_size
        peak = int(subprocess.run([sys.executable, "-c", PEAK, *tools["bdx"]], capture_output=True, check=True).stdout.split()[-1]) // 1024
    print(f"{size / 1e6:.1f} MB; bdx peaks at {peak} MB")
    for name, seconds in medians.items():
        print(f"{name:14} {seconds:8.2f} s")
    peers = {name: seconds for name, seconds in medians.items() if name != "bdx"}
    if not peers:
        print("neither mdb-export nor access_parser is installed; nothing to compare with")
        return 0
    ratio = medians["bdx"] / min(peers.values())
    print(f"bdx takes {ratio:.3f} times the fastest of them (limit {options.limit})")
    return int(ratio > options.limit)


if __name__ == "__main__":
    raise SystemExit(main())
