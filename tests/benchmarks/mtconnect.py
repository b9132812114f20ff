"""MTConnect streams to canonical rows against a bare iterparse of the same file: rows per second, ratio, and peak memory.

    python tests/benchmarks/mtconnect.py [--observations 1000000]

Budget: at most four times the bare parse, under 250 MB whatever the length.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<MTConnectStreams xmlns="urn:mtconnect.org:MTConnectStreams:2.0">
<Header creationTime="2026-03-02T08:00:00Z" sender="bench" instanceId="1" firstSequence="1" lastSequence="{last}" nextSequence="{next}"/>
<Streams><DeviceStream name="Filling" uuid="FILL-01">
"""
TAIL = "</DeviceStream></Streams>\n</MTConnectStreams>\n"
COMPONENT = '<ComponentStream component="Pneumatic" componentId="vac{n}" name="vacuum{n}"><Samples>\n'
SAMPLES = (
    '<Pressure dataItemId="p{n}" timestamp="2026-03-02T07:{m:02d}:{s:02d}.{ms:03d}Z" name="chamber{n}" sequence="{q}">{v}</Pressure>\n',
    '<Temperature dataItemId="t{n}" timestamp="2026-03-02T07:{m:02d}:{s:02d}.{ms:03d}Z" name="plate{n}" sequence="{q}">{v}</Temperature>\n',
    '<Load dataItemId="l{n}" timestamp="2026-03-02T07:{m:02d}:{s:02d}.{ms:03d}Z" name="pump{n}" sequence="{q}">UNAVAILABLE</Load>\n',
)


def generate(path: Path, count: int) -> None:
    """Write a file of so many observations, of 20 components."""
    with path.open("w", encoding="utf-8") as file:
        file.write(HEAD.format(last=count, next=count + 1))
        for n in range(20):
            file.write(COMPONENT.format(n=n))
            for q in range(count * n // 20, count * (n + 1) // 20):
                file.write(SAMPLES[q % 3].format(n=n, q=q + 1, m=q // 60_000 % 60, s=q // 1000 % 60, ms=q % 1000, v=1000 + q % 977 / 8))
            file.write("</Samples></ComponentStream>\n")
        file.write(TAIL)


BARE = """
import sys, time, xml.etree.ElementTree as ET
start = time.perf_counter(); count = 0
for _, element in ET.iterparse(sys.argv[1]):
    count += 1
    element.clear()
print(time.perf_counter() - start, count)
"""
OURS = """
import sys, time, resource
from bdx.pipeline.reading import ReadOptions, chunks, open_source
start = time.perf_counter(); count = 0
options = ReadOptions()
for chunk in chunks(open_source(sys.argv[1], 1, options), options):
    if "process_parameter" in chunk:
        count += chunk["process_parameter"].num_rows
print(time.perf_counter() - start, count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def run(code: str, path: Path) -> list[float]:
    """Return the figures that a program prints, run in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    """Print the figures; exit 1 where the budget is not kept."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--observations", type=int, default=1_000_000)
    count = parser.parse_args().observations
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "streams.xml"
        generate(path, count)
        bare = min(run(BARE, path)[0] for _ in range(2))
        seconds, rows, megabytes = min(run(OURS, path) for _ in range(2))
        print(f"{path.stat().st_size / 1e6:.0f} MB, {rows:,.0f} rows")
    speeds = f"bare iterparse {count / bare:,.0f} observations/s; bdx {rows / seconds:,.0f} rows/s"
    print(f"{speeds}, ratio {seconds / bare:.2f}, peak {megabytes:.0f} MB")
    if rows != count or seconds > 4 * bare or megabytes > 250:
        sys.exit(1)


if __name__ == "__main__":
    main()
