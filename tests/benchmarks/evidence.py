"""What evidence costs: passports merged with master data, with and without the file beside them, and one battery found in it again.

    python tests/benchmarks/evidence.py [--batteries 100000]

Budget: under 15 % of the conversion, in flat memory. Both ways run in a process of their own, in turn, and the fastest of three counts.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORLD = Path(__file__).resolve().parents[2] / "fixtures/world"


def generate(folder: Path, count: int) -> None:
    """Write so many passports as JSON lines, and a table of master data with two values for each."""
    document = (WORLD / "passport-idta.json").read_text("utf-8")
    import json

    line = json.dumps(json.loads(document), separators=(",", ":"), ensure_ascii=False)
    with (folder / "many.jsonl").open("w") as many, (folder / "more.csv").open("w") as more:
        more.write("serial_number,manufacturer_web,model_name\n")
        for number in range(count):
            serial = f"BX36-{number:06d}"
            many.write(line.replace("BX36-000042", serial).replace("0b6f8a4d0042", f"{number:012d}") + "\n")
            more.write(f"{serial},https://a.example/{number},Model {number % 7}\n")


def convert(folder: Path, evidence: str) -> None:
    """Convert once and print seconds of the processor, rows of evidence and megabytes."""
    from bdx.pipeline.converting import convert as run

    begin = time.process_time()
    told = "" if evidence == "with" else None
    result = run([folder / "many.jsonl", folder / "more.csv"], folder / "out.jsonl", to="idta-02035", force=True, evidence=told)
    took = time.process_time() - begin
    print(f"{took:.2f} {result.evidence_rows} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}")


def main() -> None:
    """Print a line for each way, the ratio, and how long one battery takes to be found."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--batteries", type=int, default=100_000)
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--evidence", default="")
    asked = arguments.parse_args()
    if asked.folder is not None:
        convert(asked.folder, asked.evidence)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(folder, asked.batteries)
        best: dict[str, list[float]] = {}
        for way in ("without", "with") * 3:
            command = [sys.executable, __file__, "--folder", name, "--evidence", way]
            figures = [float(word) for word in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]
            best[way] = min(best.get(way, figures), figures)
        for way, (took, rows, memory) in best.items():
            print(f"{way:8} {took:7.2f} s  {rows:12,.0f} rows  {memory:6,.0f} MB")
        print(f"ratio    {best['with'][0] / best['without'][0]:7.2f}")
        from bdx.pipeline.evidence_reading import read_evidence

        begin = time.perf_counter()
        found = read_evidence(str(folder / "out.jsonl.evidence.jsonl"), [f"BX36-{asked.batteries - 1:06d}"])
        print(f"found    {time.perf_counter() - begin:7.2f} s  {len(found.rows):12,} rows")


if __name__ == "__main__":
    main()
