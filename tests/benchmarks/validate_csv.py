"""Time and peak memory of the whole command `bdx validate big.csv` against `bdx convert big.csv -o out.parquet`, in turn.

    python tests/benchmarks/validate_csv.py [--gigabytes 0.25] [--dialect neware|bdf] [--runs 3] [--limit 1.3] [--keep FILE]

The file is a clean test at 1 Hz of a 2 Ah cell: charge, rest, discharge, rest, with a rising and falling voltage, counters,
clocks and amounts that agree with each other. The least of several runs counts. Exit code 1 above the limit, or where the
rules remark on the data: then it is not clean, and part of the time went into the remarks.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

ROWS = 200_000
CAPACITY = 2.0
STEPS = ("CC Chg", "Rest", "CC DChg", "Rest")
LENGTHS = np.array([3600, 600, 3600, 600])
CYCLE = int(LENGTHS.sum())
DIALECTS = ("neware", "bdf")
EARTH = 1_700_000_000
WAYS = {"convert": "bdx convert", "validate": "bdx validate"}


def world(first: int, rows: int) -> dict[str, Any]:
    """Return what happens in the cell from second `first` on, as arrays: one row a second."""
    index = np.arange(first, first + rows)
    cycle, within = index // CYCLE, index % CYCLE
    edges = np.concatenate(([0], LENGTHS.cumsum()))
    step = np.searchsorted(edges, within, side="right") - 1
    passed = within - edges[step]
    sign = np.array([1, 0, -1, 0])[step]
    size = CAPACITY * (1 - 2e-5 * cycle)
    current = sign * size
    moved = size * passed / 3600
    charge = np.select([step == 0, step == 1, step == 2], [passed / 3600, 1.0, 1 - passed / 3600], 0.0)
    voltage = _voltage(charge, current) + 2e-4 * np.sin(index / 7.0)
    return {
        "index": index,
        "cycle": cycle + 1,
        "step": step,
        "passed": passed,
        "current": current,
        "voltage": voltage,
        "moved": np.where(sign == 0, 0.0, moved),
        "energy": _ENERGY[within] * (size / CAPACITY),
        "sign": sign,
        "temperature": 25.0 + 2.0 * np.sin(index / 1800.0),
    }


def _voltage(charge: Any, current: Any) -> Any:
    """Return the voltage at a state of charge from 0 to 1 under a current."""
    return 3.0 + 1.1 * charge - 0.25 * np.sin(np.pi * charge) * (1 - charge) + 0.02 * current


def _energy() -> Any:
    """Return the energy moved since the step began, in watt hours, for every second of a cycle."""
    up = np.linspace(0.0, 1.0, 3601)
    rises, falls = (np.cumsum(_voltage(charge, current)) * CAPACITY / 3600 for charge, current in ((up, CAPACITY), (up[::-1], -CAPACITY)))
    return np.concatenate((rises[:3600], np.zeros(600), falls[:3600], np.zeros(600)))


_ENERGY = _energy()


def _fixed(values: Any, digits: int = 4) -> pa.Array:
    """Return numbers with a fixed count of digits after the point, as instruments write them."""
    return pc.cast(pa.array(np.round(values * 10**digits) / 10**digits), pa.decimal128(18, digits), safe=False)


def _clock(seconds: Any) -> pa.Array:
    hours, rest = np.divmod(seconds, 3600)
    parts = [pc.utf8_lpad(pa.array(part).cast(pa.string()), 2, "0") for part in (hours, *np.divmod(rest, 60))]
    return pc.binary_join_element_wise(*parts, ":")


def neware(now: dict[str, Any]) -> pa.RecordBatch:
    """Return rows as the export of a Neware cycler writes them: 26 columns, milliampere, clocks."""
    up, down = now["sign"] > 0, now["sign"] < 0
    charge, discharge = now["moved"] * up * 1000, now["moved"] * down * 1000
    energy_in, energy_out = now["energy"] * up * 1000, now["energy"] * down * 1000
    mass = 9.0
    stamps = pa.array((EARTH + now["index"]).astype("datetime64[s]"))
    zero = np.zeros(len(up), dtype=int)
    columns = {
        "DataPoint": pa.array(now["index"] + 1),
        "Cycle Index": pa.array(now["cycle"]),
        "Step Index": pa.array(now["step"] + 1),
        "Step Type": pa.array(STEPS).take(pa.array(now["step"])),
        "Time": _clock(now["passed"]),
        "Total Time": _clock(now["index"]),
        "Current(mA)": _fixed(now["current"] * 1000),
        "Voltage(V)": _fixed(now["voltage"]),
        "Capacity(mAh)": _fixed(charge + discharge),
        "Spec. Cap.(mAh/g)": _fixed((charge + discharge) / mass),
        "Chg. Cap.(mAh)": _fixed(charge),
        "Chg. Spec. Cap.(mAh/g)": _fixed(charge / mass),
        "DChg. Cap.(mAh)": _fixed(discharge),
        "DChg. Spec. Cap.(mAh/g)": _fixed(discharge / mass),
        "Energy(mWh)": _fixed(energy_in + energy_out),
        "Spec. Energy(mWh/g)": _fixed((energy_in + energy_out) / mass),
        "Chg. Energy(mWh)": _fixed(energy_in),
        "Chg. Spec. Energy(mWh/g)": _fixed(energy_in / mass),
        "DChg. Energy(mWh)": _fixed(energy_out),
        "DChg. Spec. Energy(mWh/g)": _fixed(energy_out / mass),
        "Date": pc.strftime(stamps, "%Y-%m-%d %H:%M:%S"),
        "Power(mW)": _fixed(now["current"] * now["voltage"] * 1000),
        "dQ/dV(mAh/V)": _fixed(now["index"] % 1000 / 7),
        "dQm/dV(mAh/V.g)": _fixed(now["index"] % 1000 / 63),
        "Contact resistance(mO)": pa.array(zero),
        "Module start-stop switch": pa.repeat("Close", len(up)),
    }
    return pa.RecordBatch.from_pydict(columns)


def bdf(now: dict[str, Any]) -> pa.RecordBatch:
    """Return rows as Battery Data Format: few columns, canonical units, so that reading is as cheap as it can be."""
    up, down = now["sign"] > 0, now["sign"] < 0
    columns = {
        "Test Time / s": _fixed(now["index"], 3),
        "Voltage / V": _fixed(now["voltage"], 6),
        "Current / A": _fixed(now["current"], 6),
        "Unix Time / s": _fixed(EARTH + now["index"], 3),
        "Cycle Count / 1": pa.array(now["cycle"]),
        "Step Count / 1": pa.array((now["cycle"] - 1) * 4 + now["step"] + 1),
        "Ambient Temperature / degC": _fixed(now["temperature"], 3),
        "Step Charging Capacity / Ah": _fixed(now["moved"] * up, 6),
        "Step Discharging Capacity / Ah": _fixed(now["moved"] * down, 6),
        "Power / W": _fixed(now["current"] * now["voltage"], 6),
    }
    return pa.RecordBatch.from_pydict(columns)


def generate(path: Path, size: int, dialect: str) -> int:
    """Write a file of about `size` bytes and return its number of rows."""
    laid = {"neware": neware, "bdf": bdf}[dialect]
    rows = 0
    options = csv.WriteOptions(quoting_style="none")
    with path.open("wb") as file:
        names = laid(world(0, 1)).schema.names
        file.write(",".join(names).encode() + b"\n")
        plain = csv.WriteOptions(include_header=False, quoting_style=options.quoting_style)
        while file.tell() < size:
            csv.write_csv(laid(world(rows, ROWS)), file, plain)
            rows += ROWS
    return rows


def measured(command: list[str]) -> tuple[float, float, float, str]:
    """Return seconds, seconds of processor time, peak MiB and output of one whole process; exit code 0 or 1."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, output


def main() -> int:
    """Print one line for each command and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=0.25)
    parser.add_argument("--dialect", choices=DIALECTS, default="neware")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--limit", type=float, default=1.3)
    parser.add_argument("--keep", type=Path, help="write the file here and leave it; one that exists is used as it is")
    parser.add_argument("--write", nargs=2, metavar=("FILE", "BYTES"), help="only write the file")
    options = parser.parse_args()
    if options.write:
        generate(Path(options.write[0]), int(options.write[1]), options.dialect)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / f"{options.dialect}.csv"
        if not path.exists():
            # In a process of its own: what it takes would count as the peak of every process that this one starts.
            wanted = str(int(options.gigabytes * 1e9))
            subprocess.run([sys.executable, __file__, "--dialect", options.dialect, "--write", str(path), wanted], check=True)
        size, bdx = path.stat().st_size / 1e6, [sys.executable, "-m", "bdx"]
        commands = {
            "convert": [*bdx, "convert", str(path), "-o", str(Path(folder) / "out.parquet"), "--force"],
            "validate": [*bdx, "validate", str(path), "-O", "json"],
        }
        taken: dict[str, list[tuple[float, float, float, str]]] = {way: [] for way in commands}
        for _ in range(options.runs):
            for way, command in commands.items():
                taken[way].append(measured(command))
    for way, runs in taken.items():
        wall, processor, peak = min(run[0] for run in runs), min(run[1] for run in runs), max(run[2] for run in runs)
        speed = f"{size:6.0f} MB  {wall:6.2f} s  ({processor:6.2f} s processor)  {size / wall:5.0f} MB/s"
        print(f"{WAYS[way]:13} {speed}  peak {peak:4.0f} MiB")
    report = json.loads(taken["validate"][0][3])
    remarks = sorted({finding["code"] for finding in report["findings"] if finding["severity"] != "info"})
    ratio = min(run[0] for run in taken["validate"]) / min(run[0] for run in taken["convert"])
    work = min(run[1] for run in taken["validate"]) / min(run[1] for run in taken["convert"])
    print(f"ratio {ratio:.2f} (limit {options.limit:.2f}), of processor time {work:.2f}; findings {remarks}")
    return int(ratio > options.limit or bool(remarks))


if __name__ == "__main__":
    sys.exit(main())
