"""Maccor, Basytec, Digatron, Novonix, PEC: what their fixtures do not reach, and the real exports where they are at hand."""

import csv
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bdx.pipeline.reading import ReadOptions, chunks, open_source

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures/formats"
SHARED = ROOT.parent / "shared"
OURS = ("maccor", "basytec", "digatron", "novonix", "pec")
CUT = "maccor_two.txt"
"""Its last line ends in the middle of the fifth number: the line is left out, so there is one row less than lines."""
HEADER = "Rec#\tCyc#\tStep\tTestTime\tStepTime\tAmp-hr\tWatt-hr\tAmps\tVolts\tState\tES\tDPt Time\n"


def read(path: Path) -> tuple[pa.Table, dict[str, Any], list[Any], str]:
    opened = open_source(str(path), 1, ReadOptions())
    rows, test = [], {}
    for chunk in chunks(opened, ReadOptions()):
        if "timeseries" in chunk:
            rows.append(chunk["timeseries"])
        if "test" in chunk:
            test = chunk["test"].to_pylist()[0]
    return pa.Table.from_batches(rows), test, list(opened.log.findings), opened.format.id


def maccor(path: Path, rows: list[tuple[str, str, str, str, str]], header: str = HEADER) -> Path:
    """Write records of (time, current, volts, state, stamp) as Maccor does."""
    lines = ["\t".join((str(n + 1), "0", "1", t, t, "0", "0", i, v, state, "1", stamp)) for n, (t, i, v, state, stamp) in enumerate(rows)]
    path.write_text(header + "\n".join(lines) + "\n")
    return path


def test_a_preamble_longer_than_the_head_is_read(tmp_path: Path) -> None:
    text = (FIXTURES / "novonix/uhpc-json/input.csv").read_text("utf-8")
    step = '{"StepType":3,"Conditions":"step time, > 10 hours"}'
    assert step in text
    long = tmp_path / "long.csv"
    long.write_text(text.replace(step, ",".join([step] * 4000)), "utf-8")
    rows, test, _, name = read(long)
    assert (name, rows.num_rows, test["instrument"]) == ("novonix", 80, "Novonix UHPC")


def test_a_time_of_the_test_that_falls_back_is_that_of_the_step(tmp_path: Path) -> None:
    times = ["0:00:00", "0:01:00", "0:00:00", "0:01:00"]
    rows = "".join(f"{n},1,{1 + n // 2},恒流充电,{time},0.5,3.7\n" for n, time in enumerate(times))
    path = tmp_path / "steps.csv"
    path.write_bytes(("数据序号,循环号,工步号,工步类型,测试时间,电流(A),电压(V)\n" + rows).encode("gb18030"))
    table, _, findings, name = read(path)
    assert (name, "test_time_second" in table.schema.names) == ("neware-csv", False)
    assert table.column("step_time_second").to_pylist() == [0, 60, 0, 60]
    assert {finding.code for finding in findings} == {"M023", "M104"}


def test_minutes_are_told_by_the_clock_across_a_pause(tmp_path: Path) -> None:
    stamps = [f"03/02/2026 07:{minute:02d}:00" for minute in range(30)] + [f"03/03/2026 09:{minute:02d}:00" for minute in range(30)]
    path = maccor(tmp_path / "paused.txt", [(f"{n}.0000", "0.5", "3.7", "C", stamp) for n, stamp in enumerate(stamps)])
    rows, _, findings, _ = read(path)
    assert rows.column("test_time_second").to_pylist()[-1] == 59 * 60
    assert rows.column("step_time_second").to_pylist()[-1] == 59 * 60, "the time of the step is in the same unit"
    assert {finding.code for finding in findings} == {"M027", "M106"}


def test_time_without_unit_and_clock_is_said_to_be_assumed(tmp_path: Path) -> None:
    path = maccor(tmp_path / "plain.txt", [(f"{n}.0", "0.5", "3.7", "C", "N/A") for n in range(9)])
    rows, _, findings, _ = read(path)
    assert rows.column("test_time_second").to_pylist()[-1] == 8
    assert [finding.code for finding in findings] == ["M028"]


def test_a_signed_file_keeps_its_sign_under_strange_states(tmp_path: Path) -> None:
    currents, states = ["0", "1", "1", "-1", "-1", "0.5"], ["R", "C", "W", "W", "D", "X"]
    stamps = [f"01/13/2026 10:00:{n}0" for n in range(6)]
    path = maccor(
        tmp_path / "odd.txt", [(f"{n}0", i, "3.7", state, stamps[n]) for n, (i, state) in enumerate(zip(currents, states, strict=True))]
    )
    rows, test, findings, _ = read(path)
    assert rows.column("current_ampere").to_pylist() == [float(current) for current in currents]
    assert test["current_sign"] == "signed"
    assert not findings


def test_an_unsigned_file_with_a_state_nobody_knows_says_so(tmp_path: Path) -> None:
    states = ["R", "C", "D", "W"]
    path = maccor(tmp_path / "odd.txt", [(f"{n}0", str(n), "3.7", state, f"01/13/2026 10:00:{n}0") for n, state in enumerate(states)])
    rows, test, findings, _ = read(path)
    assert rows.column("current_ampere").to_pylist() == [0.0, 1.0, -2.0, 3.0]
    assert (test["current_sign"], [finding.code for finding in findings]) == ("state", ["M022"])


def test_thousands_are_not_guessed(tmp_path: Path) -> None:
    header = HEADER.replace("TestTime", "Test (Sec)").replace("StepTime", "Step (Sec)")
    rows = [(f"1,00{n}.5", "0.5", "3.7", "C", f"01/13/2026 10:00:0{n}") for n in range(5)]
    table, _, findings, _ = read(maccor(tmp_path / "thousands.txt", rows, header))
    assert table.column("test_time_second").null_count == 5
    assert {finding.code for finding in findings} == {"M024"}


def test_midnight_has_no_time_of_day(tmp_path: Path) -> None:
    stamps = ["10/21/2019 11:59:59 PM", "10/22/2019", "10/22/2019 12:00:01 AM"]
    table, _, _, _ = read(maccor(tmp_path / "night.txt", [(f"0d 00:00:0{n}", "0", "3.7", "R", stamp) for n, stamp in enumerate(stamps)]))
    assert [str(value) for value in table.column("local_time").to_pylist()] == [
        "2019-10-21 23:59:59", "2019-10-22 00:00:00", "2019-10-22 00:00:01",
    ]  # fmt: skip


def expected() -> list[tuple[str, int]]:
    """Return (path, rows) of the real exports of these makers that have an independent reading."""
    listing = SHARED / "research/instrument_samples.tsv"
    if not listing.exists():
        return []
    with listing.open(encoding="utf-8") as file:
        found = [(row["dest"], re.search(r"rows=(\d+)", row["expected"] or "")) for row in csv.DictReader(file, delimiter="\t")]
    return [(dest, int(rows[1])) for dest, rows in found if rows and dest.split("/")[-2] in OURS and (SHARED / dest).exists()]


@pytest.mark.skipif(not expected(), reason="the real exports are not at hand")
@pytest.mark.parametrize(("path", "count"), expected())
def test_real_exports_read_without_a_fault(path: str, count: int) -> None:
    rows, _, findings, name = read(SHARED / path)
    cut = path.endswith(CUT)
    assert (name, rows.num_rows) == (path.split("/")[-2], count - cut)
    assert all(rows.column(column).null_count == 0 for column in ("test_time_second", "voltage_volt", "current_ampere"))
    loud = {finding.code for finding in findings if finding.severity != "info"}
    assert loud <= ({"F042"} if cut else {"M026"} if "002" in path else set())
