"""Twelve files on which readers of battery data go wrong without a word: what bdx, bdf and bds make of each, side by side.

    python tests/benchmarks/silent_corruptions.py [--bdf PATH] [--bds PATH]

The files are written here. bdf is the command of `batterydf`, bds that of `battery-data-standard`; one that is not found is left
out. Prints a Markdown table. A tool is right (or names the fault) or wrong in silence; exit code 1 where bdx is the latter.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
BDX = [sys.executable, "-m", "bdx"]


@dataclass
class Run:
    """What a tool did: its exit code, what it printed, the table it wrote if any."""

    code: int
    said: str
    table: pa.Table | None = None
    files: int = 0

    def column(self, *names: str) -> list[object] | None:
        """Return the values of the first column whose name starts like one of these, whatever its case and punctuation."""
        for wanted in names:
            for name in self.table.column_names if self.table is not None else ():
                if _plain(name).startswith(_plain(wanted)):
                    return self.table.column(name).to_pylist()  # type: ignore[union-attr,no-any-return]
        return None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _run(command: list[str], folder: Path) -> Run:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, timeout=600)
    return Run(done.returncode, done.stdout + done.stderr)


def _table(path: Path) -> pa.Table | None:
    if not path.is_file():
        return None
    if path.suffix == ".parquet":
        return pq.read_table(path)
    return pcsv.read_csv(path)


class Tool:
    """One command line tool: how it converts, validates and converts a folder."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name, self.command = name, command

    def convert(self, path: Path, *extra: str) -> Run:
        """Convert a file and return the table written."""
        target = path.parent / f"{self.name}.{'parquet' if self.name == 'bdx' else 'csv'}"
        if self.name == "bdx":
            run = _run([*self.command, "convert", str(path), "-o", str(target), "--force"], path.parent)
        elif self.name == "bdf":
            before = set(path.parent.iterdir())
            run = _run([*self.command, "convert", str(path)], path.parent)
            made = [item for item in path.parent.iterdir() if item not in before and item.suffix == ".csv"]
            target = made[0] if made else target
        else:
            run = _run([*self.command, "convert", str(path), str(target), *extra], path.parent)
        run.table = _table(target)
        return run

    def validate(self, path: Path) -> Run:
        """Check a file; bds does so as it converts, its own `validate` knows the tables of bds only."""
        words = ["convert", str(path), str(path.with_suffix(".out.csv"))] if self.name == "bds" else ["validate", str(path)]
        return _run([*self.command, *words], path.parent)

    def folder(self, folder: Path) -> Run | None:
        """Convert all files of a folder in one command; None where the tool has no such command."""
        target = folder.parent / f"{self.name}-out"
        if self.name == "bdf":
            return None
        if self.name == "bds":
            run = _run([*self.command, "batch", str(folder), str(target)], folder.parent)
            run.files = len([item for item in target.rglob("*.csv") if "manifest" not in item.name]) if target.exists() else 0
            return run
        files = [str(item) for item in sorted(folder.iterdir())]
        run = _run([*self.command, "convert", *files, "-o", f"{target}/", "--force"], folder.parent)
        tests = pq.read_table(target / "timeseries.parquet").column("test_id") if (target / "timeseries.parquet").exists() else None
        run.files = len(pc.unique(tests)) if tests is not None else 0
        return run


MACCOR = "Rec#\tCyc#\tStep\tTest (Min)\tStep (Min)\tAmp-hr\tWatt-hr\tAmps\tVolts\tState\tES\tDPt Time\tACImp/Ohms\tDCIR/Ohms"
STATES = [("R", 0.0)] * 4 + [("C", 1.5)] * 8 + [("D", 1.5)] * 8


def _maccor(path: Path, seconds: float = 10.25) -> Path:
    lines = [
        f"Today's Date 04/04/2026  Date of Test:\t03/31/2026\t Filename:\tC:\\Data\\{path.name} Procedure: p.000\tComment/Barcode: BX-1",
        MACCOR,
    ]
    for index, (state, current) in enumerate(STATES):
        time = index * seconds
        volts = 3.6 + (0.05 if state == "C" else -0.05 if state == "D" else 0.0) + index * 0.001
        clock = f"03/31/2026 16:{5 + int(time) // 60:02d}:{int(time) % 60:02d}"
        lines.append(
            f"{index + 1}\t0\t1\t{time / 60:.4f}\t{time / 60:.4f}\t{index * 0.004:.6f}\t{index * 0.014:.6f}\t{current:.4f}\t{volts:.5f}"
            f"\t{state}\t1\t{clock}\t0.00000\t0.01234"
        )
    path.write_text("\r\n".join(lines) + "\r\n", "latin-1")
    return path


def _neware(path: Path) -> Path:
    lines = ["DataPoint,Cycle Index,Step Index,Step Type,Time,Total Time,Current(A),Voltage(V),Capacity(Ah),Energy(Wh),Date"]
    for index in range(30):
        state, current = ("CC Chg", 1.0) if index < 15 else ("CC DChg", -1.0)
        clock = f"00:{index:02d}:00"
        lines.append(f"{index + 1},1,1,{state},{clock},{clock},{current},{3.5 + current * 0.1:.3f},0.1,0.3,2026-03-31 10:{index:02d}:00")
    path.write_text("\r\n".join(lines) + "\r\n", "utf-8")
    return path


def _bdf(path: Path, rows: Iterator[tuple[object, ...]], header: str = "Test Time / s,Voltage / V,Current / A") -> Path:
    path.write_text(header + "\n" + "".join(",".join(str(cell) for cell in row) + "\n" for row in rows), "utf-8")
    return path


def _adaptive() -> Iterator[tuple[object, ...]]:
    time = 0.0
    for index in range(400):
        time += 40.0 if index % 10 == 9 else 10.0
        yield time, 3.6 + math.sin(index / 9) / 10, 0.01 if index % 2 else 0.02


def _never(_: Run) -> str:
    return ""


def _times_wrong(run: Run) -> str:
    values = run.column("test_time", "Test Time")
    if values is None or not values:
        return "no test time"
    last = values[-1]
    if isinstance(last, str) or not isinstance(last, (int, float)):
        return f"test time is text ({last})"
    truth = 29 * 60.0 if len(values) == 30 else 19 * 10.25
    if abs(last - truth) < 0.01:
        return ""
    return f"test time ends at {last:g} s, truth is {truth:g} s"


def _fraction_lost(run: Run) -> str:
    values = run.column("test_time", "Test Time")
    if values is None or len(values) < 2 or not isinstance(values[1], (int, float)):
        return "no test time"
    if abs(float(values[1]) - 10.25) < 0.01:
        return ""
    return f"second row at {values[1]:g} s, truth is 10.25 s"


def _ndax_wrong(run: Run) -> str:
    found = []
    cycles = [value for value in run.column("cycle_count", "Cycle Count", "cycle") or [] if isinstance(value, (int, float))]
    if any(float(value) != round(float(value)) for value in cycles):
        found.append(f"cycle count {cycles[0]:.4f}")
    times = [value for value in run.column("test_time", "Test Time") or [] if isinstance(value, (int, float))]
    if not times:
        found.append("no test time")
    elif any(after < before for before, after in itertools.pairwise(times)):
        found.append("test time runs back")
    stamps = [value for value in run.column("unix_time", "Unix Time") or [] if isinstance(value, (int, float))]
    if stamps and not 1e9 < stamps[0] < 3e9:
        found.append(f"unix time {stamps[0]:g}")
    return ", ".join(found)


def _columns_dropped(run: Run) -> str:
    width = len(MACCOR.split("\t"))
    kept = len([name for name in run.table.column_names if not name.startswith("test_id")]) if run.table is not None else 0
    named = all(word in run.said for word in ("ACImp", "DCIR"))
    return "" if kept >= width or named else f"{width} columns in, {kept} out, none named"


def _rows_changed(rows: int) -> Callable[[Run], str]:
    def judge(run: Run) -> str:
        found = run.table.num_rows if run.table is not None else 0
        return "" if found == rows else f"{rows} rows in, {found} out"

    return judge


def _repeats_changed(run: Run) -> str:
    values = run.column("test_time", "Test Time")
    truth = [0.0, 1.0, 1.0, 2.0, 2.0, 3.0] + [float(index) for index in range(4, 20)]
    if values is None:
        return "no test time"
    return "" if [float(value) for value in values] == truth else "times of repeated stamps were changed"  # type: ignore[arg-type]


@dataclass
class Case:
    """One trap: the file, what is done with it, and how to tell that the result is wrong."""

    name: str
    make: Callable[[Path], Path]
    action: str
    wrong: Callable[[Run], str] = _never
    extra: tuple[str, ...] = ()


CASES = [
    Case("Maccor `Test (Min)`: minutes", lambda at: _maccor(at / "m.txt"), "convert", _times_wrong),
    Case("Neware `Total Time` as `hh:mm:ss`", lambda at: _neware(at / "n.csv"), "convert", _times_wrong),
    Case(
        "Neware .ndax: cycles, clocks",
        lambda at: Path(shutil.copy(ROOT / "fixtures/world/cycler.ndax", at / "c.ndax")),
        "convert",
        _ndax_wrong,
    ),
    Case(
        "cycle count of 2 pi in BDF",
        lambda at: _bdf(
            at / "p.bdf.csv",
            ((index, 3.6 + index / 1000, 1.0, 6.283185307179586 * (1 + index // 20)) for index in range(60)),
            "Test Time / s,Voltage / V,Current / A,Cycle Count / 1",
        ),
        "validate",
    ),
    Case(
        "a voltage of `abc`",
        lambda at: _bdf(at / "v.bdf.csv", iter([(0, 3.7, 1), (1, "abc", 1), (2, 3.7, 1), (3, 3.7, 1)])),
        "validate",
    ),
    Case(
        "999 V and -50000 A",
        lambda at: _bdf(at / "v.bdf.csv", iter([(0, 3.7, 1), (1, 3.7, 1), (2, 999, -50000), (3, 3.7, 1)])),
        "validate",
    ),
    Case(
        "test time resets at steps",
        lambda at: _bdf(at / "r.bdf.csv", ((index % 40, 3.6 + index / 1000, 1.0) for index in range(200))),
        "validate",
    ),
    Case("14 columns, BDF knows 9", lambda at: _maccor(at / "d.txt"), "convert", _columns_dropped),
    Case("adaptive sampling", lambda at: _bdf(at / "a.bdf.csv", _adaptive()), "convert", _rows_changed(400)),
    Case(
        "repeated time stamps",
        lambda at: _bdf(at / "t.bdf.csv", ((time, 3.6, 1.0) for time in [0.0, 1.0, 1.0, 2.0, 2.0, 3.0] + [float(i) for i in range(4, 20)])),
        "convert",
        _repeats_changed,
        ("--repair-policy", "repair"),
    ),
    Case("cell.001 and cell.002 in one folder", lambda at: at / "folder", "folder"),
    Case("stamps of 1 s beside 0.25 s records", lambda at: _maccor(at / "s.txt"), "convert", _fraction_lost),
]


def verdict(tool: Tool, case: Case, folder: Path) -> tuple[bool, str]:
    """Return whether a tool is right or says what is wrong, and the words for the table."""
    path = case.make(folder)
    if case.action == "validate":
        run = tool.validate(path)
        if run.code:
            return True, f"named, exit {run.code}"
        return False, "**passed**, exit 0" if tool.name != "bds" else "**converted**, exit 0"
    if case.action == "folder":
        path.mkdir()
        for suffix in ("001", "002"):
            _maccor(path / f"cell.{suffix}")
        batch = tool.folder(path)
        if batch is None:
            return True, "no such command"
        return (True, "right") if batch.files == 2 else (False, f"**{batch.files} of 2 kept**, exit {batch.code}")
    run = tool.convert(path, *case.extra)
    if run.table is None:
        return True, f"refused, exit {run.code}"
    fault = case.wrong(run)
    return (True, "right") if not fault else (False, f"**{fault}**, exit {run.code}")


def tools(given: argparse.Namespace) -> list[Tool]:
    """Return the tools that are there, bdx first."""
    found = [Tool("bdx", BDX)]
    for name in ("bdf", "bds"):
        path = getattr(given, name) or shutil.which(name)
        if path:
            found.append(Tool(name, [path]))
        else:
            print(f"{name} is not installed; its column is left out", file=sys.stderr)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bdf", help="path of bdf, the command of batterydf")
    parser.add_argument("--bds", help="path of bds, the command of battery-data-standard")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    present = tools(parser.parse_args())
    rows = []
    silent = 0
    for case in CASES:
        row = [case.name]
        for tool in present:
            with tempfile.TemporaryDirectory() as folder:
                right, words = verdict(tool, case, Path(folder))
            silent += not right and tool.name == "bdx"
            row.append(words)
        rows.append(row)
    if "--json" in sys.argv:
        print(json.dumps(rows, indent=2))
    else:
        print("| file | " + " | ".join(tool.name for tool in present) + " |")
        print("|---" * (len(present) + 1) + "|")
        for row in rows:
            print("| " + " | ".join(row) + " |")
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
