"""`bdx convert` of B2MML to a data set of Parquet files against a bare iterparse of the same file: ratio of the times, and peak memory.

    python tests/benchmarks/b2mml.py [--megabytes 20]       100 for some 50,000 segment responses

Budget: at most three times the bare parse, under 150 MB.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<OperationsPerformance xmlns="http://www.mesa.org/xml/B2MML">
  <ID>OP-BENCH</ID>
  <HierarchyScope><EquipmentID>PLANT-1</EquipmentID><EquipmentLevel>Site</EquipmentLevel></HierarchyScope>
  <OperationsType>Production</OperationsType>
  <OperationsResponse>
    <ID>OR-1</ID>
    <OperationsRequestID>PO-1</OperationsRequestID>
"""
SEGMENT = """    <SegmentResponse>
      <ID>SR-{n:08d}</ID>
      <ActualStartTime>2026-09-{day:02d}T{hour:02d}:{minute:02d}:00+02:00</ActualStartTime>
      <ActualEndTime>2026-09-{day:02d}T{hour:02d}:{minute:02d}:40+02:00</ActualEndTime>
      <ProcessSegmentID>electrolyte_filling</ProcessSegmentID>
      <SegmentState>Completed</SegmentState>
      <SegmentData><ID>pressure</ID><Value><ValueString>{pressure}</ValueString><DataType>double</DataType><UnitOfMeasure>mbar</UnitOfMeasure></Value></SegmentData>
      <SegmentData><ID>temperature</ID><Value><ValueString>{temperature}</ValueString><DataType>double</DataType><UnitOfMeasure>Cel</UnitOfMeasure></Value></SegmentData>
      <EquipmentActual><ID>EA-1</ID><EquipmentID>FILL-{machine:02d}</EquipmentID></EquipmentActual>
      <MaterialActual>
        <ID>MA-1</ID>
        <MaterialDefinitionID>DRY-CELL</MaterialDefinitionID>
        <MaterialLotID>DC-{n:08d}</MaterialLotID>
        <MaterialUse>Consumed</MaterialUse>
        <Quantity><QuantityString>1</QuantityString><DataType>integer</DataType><UnitOfMeasure>C62</UnitOfMeasure></Quantity>
      </MaterialActual>
      <MaterialActual>
        <ID>MA-2</ID>
        <MaterialDefinitionID>LP57</MaterialDefinitionID>
        <MaterialLotID>EL-{lot:04d}</MaterialLotID>
        <MaterialUse>Consumed</MaterialUse>
        <Quantity><QuantityString>{electrolyte}</QuantityString><DataType>decimal</DataType><UnitOfMeasure>g</UnitOfMeasure></Quantity>
      </MaterialActual>
      <MaterialActual>
        <ID>MA-3</ID>
        <MaterialDefinitionID>FILLED-CELL</MaterialDefinitionID>
        <MaterialSubLotID>FC-{n:08d}</MaterialSubLotID>
        <MaterialUse>Produced</MaterialUse>
        <Quantity><QuantityString>1</QuantityString><DataType>integer</DataType><UnitOfMeasure>C62</UnitOfMeasure></Quantity>
        <TestResult><ID>TR-{n:08d}</ID><EvaluatedCriterionResult>Pass</EvaluatedCriterionResult>
          <PropertyMeasurement><ID>mass</ID><Value><ValueString>{mass}</ValueString><DataType>double</DataType><UnitOfMeasure>g</UnitOfMeasure></Value></PropertyMeasurement>
        </TestResult>
      </MaterialActual>
    </SegmentResponse>
"""
TAIL = "  </OperationsResponse>\n</OperationsPerformance>\n"


def generate(path: Path, megabytes: float) -> int:
    """Write a file of about that size; return the number of its segments."""
    written = count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        while written < megabytes * 1_000_000:
            count += 1
            text = SEGMENT.format(
                n=count,
                day=1 + count // 2880 % 28,
                hour=count // 120 % 24,
                minute=count // 2 % 60,
                machine=count % 8,
                lot=count // 1000,
                pressure=40 + count % 20,
                temperature=round(22 + count % 30 / 10, 1),
                electrolyte=round(5.2 + count % 17 / 100, 2),
                mass=round(68.4 + count % 23 / 100, 2),
            )
            written += file.write(text)
        file.write(TAIL)
    return count


def bare(path: Path) -> None:
    """Parse and forget every segment: what any reader has to pay."""
    import xml.etree.ElementTree as ET

    for _, element in ET.iterparse(path):
        if element.tag.endswith("}SegmentResponse"):
            element.clear()


def whole(path: Path, folder: Path) -> None:
    """Do what `bdx convert line.xml -o line/` does: read, map, and write a data set of Parquet files."""
    from bdx.pipeline.converting import convert

    convert([str(path)], f"{folder}/out/", force=True)


def measure(what: str, path: Path, folder: Path) -> tuple[float, float]:
    """Return seconds and peak megabytes of one part, run in a process of its own."""
    code = [sys.executable, __file__, "--run", what, str(path), str(folder)]
    env = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"}  # as the command sets it
    seconds, megabytes = subprocess.run(code, check=True, capture_output=True, text=True, env=env).stdout.split()
    return float(seconds), float(megabytes)


def main() -> None:
    """Generate, measure both parts three times, print the best of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--run", nargs=3, metavar=("PART", "FILE", "FOLDER"))
    given = parser.parse_args()
    if given.run:
        part, path, folder = given.run
        start = time.perf_counter()
        if part == "bare":
            bare(Path(path))
        else:
            whole(Path(path), Path(folder))
        print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "line.xml"
        count = generate(path, given.megabytes)
        runs = {part: [measure(part, path, folder) for _ in range(3)] for part in ("bare", "whole")}
    times = {part: min(seconds for seconds, _ in found) for part, found in runs.items()}
    peaks = {part: max(megabytes for _, megabytes in found) for part, found in runs.items()}
    print(f"{given.megabytes:g} MB, {count:,} segments: bare {times['bare']:.2f} s, to Parquet {times['whole']:.2f} s")
    print(f"ratio {times['whole'] / times['bare']:.2f} (budget 3), peak {peaks['whole']:.0f} MB (budget 150), bare {peaks['bare']:.0f} MB")


if __name__ == "__main__":
    main()
