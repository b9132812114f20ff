"""The gate at the border: what lacks something a profile asks for is not written, or only what lacks nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bdx.cli import cli
from bdx.errors import UsageError
from bdx.pipeline.converting import ConvertResult, convert
from bdx.pipeline.gap_run import find_gaps
from bdx.pipeline.gate import GateError
from bdx.pipeline.rejecting import AllRejected

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
PROFILE = """
id = "ours"
title = "What we hand over"
version = "1"
source = "us"
licence = "ours"
note = "none"
table = "battery"
categories = ["lmt", "ev"]
verified = true
presence = "value"

[scope]
category_column = "battery_category"

[[requirement]]
id = "o-1"
section = "all"
name = "Serial number"
columns = ["battery.serial_number"]
basis = "ours"
tier = "public"
level = "item"
supplier = ["master_data"]
status = { lmt = "mandatory", ev = "mandatory" }
action = "say it"

[[requirement]]
id = "o-2"
section = "all"
name = "Rated capacity"
columns = ["battery.rated_capacity_ah"]
basis = "ours"
tier = "public"
level = "item"
supplier = ["master_data"]
status = { lmt = "mandatory", ev = "optional" }
action = "measure it"

[[requirement]]
id = "o-3"
section = "all"
name = "Voltage"
columns = ["battery.nominal_voltage_v"]
basis = "ours"
tier = "public"
level = "item"
supplier = ["master_data"]
status = { lmt = "mandatory", ev = "mandatory" }
action = "measure it"
"""
HEADER = "serial_number,battery_category,rated_capacity_ah,nominal_voltage_v,min_voltage_v,max_voltage_v"
GOOD = "BX36-001,lmt,14,36,30,42"
LACKING = "BX36-002,lmt,,36,30,42"
EV = "BX36-003,ev,,36,30,42"
WRONG = "BX36-004,lmt,14,36,30,-42"


def written(folder: Path, *rows: str) -> dict[str, Any]:
    """Write the profile and a master table; return what converts it."""
    (folder / "ours.toml").write_text(PROFILE)
    (folder / "master.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return {
        "sources": [folder / "master.csv"],
        "destination": folder / "out.jsonl",
        "to": "idta-02035",
        "require": [str(folder / "ours.toml")],
    }


def serials(path: Path) -> list[str]:
    return [json.loads(line)["BatteryNameplate"]["SerialNumber"] for line in path.read_text().splitlines()]


def test_what_has_no_gap_passes(tmp_path: Path) -> None:
    convert(**written(tmp_path, GOOD, EV))
    assert serials(tmp_path / "out.jsonl") == ["BX36-001", "BX36-003"]


@pytest.mark.parametrize("force", [False, True])
def test_what_has_a_gap_leaves_the_destination_untouched(tmp_path: Path, force: bool) -> None:
    wanted = written(tmp_path, GOOD, LACKING)
    if force:
        (tmp_path / "out.jsonl").write_text("as it was")
    with pytest.raises(GateError) as caught:
        convert(**wanted, force=force)
    assert caught.value.exit_code == 1
    assert [outcome.requirement.id for outcome in caught.value.results[0].outcomes if outcome.is_gap] == ["o-2"]
    assert (tmp_path / "out.jsonl").exists() == force
    assert not force or (tmp_path / "out.jsonl").read_text() == "as it was"
    assert {path.name for path in tmp_path.iterdir()} - {"out.jsonl"} == {"ours.toml", "master.csv"}


def test_category_is_taken_for_every_record(tmp_path: Path) -> None:
    convert(**written(tmp_path, LACKING), category="ev")
    assert serials(tmp_path / "out.jsonl") == ["BX36-002"]
    with pytest.raises(UsageError):
        convert(**written(tmp_path, LACKING), category="boat", force=True)


def test_records_with_gaps_are_put_aside_and_the_others_written(tmp_path: Path) -> None:
    wanted = written(tmp_path, GOOD, LACKING, EV, GOOD.replace("001", "005"))
    result: ConvertResult = convert(**wanted, require_each=True, reject=tmp_path / "rejects.jsonl")
    assert serials(tmp_path / "out.jsonl") == ["BX36-001", "BX36-003", "BX36-005"]
    assert serials(tmp_path / "rejects.jsonl") == ["BX36-002"]
    assert result.rejected == 1
    assert result.rows["battery"] == 3
    (found,) = [found for found in result.findings if found.code == "M185"]
    assert found.value == "BX36-002" and "battery.rated_capacity_ah (1)" in found.message
    assert not find_gaps([tmp_path / "out.jsonl"], str(tmp_path / "ours.toml")).has_gaps


def test_many_records_are_told_apart_exactly(tmp_path: Path) -> None:
    rows = [f"BX36-{number:04d},{'ev' if number % 5 == 0 else 'lmt'},{'' if number % 3 == 0 else 14},36,30,42" for number in range(300)]
    wanted = written(tmp_path, *rows)
    convert(**wanted, require_each=True, reject=tmp_path / "rejects.jsonl")
    lacking = {f"BX36-{number:04d}" for number in range(300) if number % 3 == 0 and number % 5}
    assert set(serials(tmp_path / "rejects.jsonl")) == lacking
    assert len(serials(tmp_path / "out.jsonl")) == 300 - len(lacking)


def test_rejects_can_be_filled_and_handed_in_again(tmp_path: Path) -> None:
    wanted = written(tmp_path, GOOD, LACKING)
    convert(**wanted, require_each=True, reject=tmp_path / "rejects.jsonl")
    (tmp_path / "more.csv").write_text("serial_number,rated_capacity_ah\nBX36-002,14\n")
    wanted |= {"sources": [tmp_path / "rejects.jsonl", tmp_path / "more.csv"], "destination": tmp_path / "late.jsonl"}
    convert(**wanted)
    assert serials(tmp_path / "late.jsonl") == ["BX36-002"]


def test_the_command_prints_the_gaps_and_exits_1(tmp_path: Path) -> None:
    written(tmp_path, GOOD, LACKING)
    words = ["convert", str(tmp_path / "master.csv"), "-t", "idta-02035", "--require", str(tmp_path / "ours.toml"), "--no-evidence"]
    done = CliRunner().invoke(cli, [*words, "-o", str(tmp_path / "out.jsonl")])
    assert done.exit_code != 0 and isinstance(done.exception, GateError)
    assert "o-2 Rated capacity" in done.stderr
    done = CliRunner().invoke(cli, [*words, "-o", str(tmp_path / "out.jsonl"), "--require-each", "--reject", str(tmp_path / "r.jsonl")])
    assert done.exit_code == 1, done.output
    assert "rejected 1 record to" in done.stderr and "M185" in done.stderr


def test_rejects_come_back_through_the_same_gate_with_what_they_lacked(tmp_path: Path) -> None:
    """Parts of a record that is put together need not follow the schema of the whole; cycler files have none."""
    wanted = written(tmp_path, GOOD, LACKING)
    convert(**wanted, require_each=True, reject=tmp_path / "rejects.jsonl")
    (tmp_path / "more.csv").write_text("serial_number,rated_capacity_ah\nBX36-002,14\nBX36-042,14\n")
    cycler = FIXTURES / "world/cycler.ndax"
    wanted |= {"sources": [cycler, tmp_path / "rejects.jsonl", tmp_path / "more.csv"], "destination": tmp_path / "late.jsonl"}
    convert(**wanted, require_each=True, reject=tmp_path / "still.jsonl")
    assert serials(tmp_path / "late.jsonl") == ["BX36-002"]
    assert serials(tmp_path / "still.jsonl") == ["BX36-042"]


def test_why_everything_was_put_aside_is_told(tmp_path: Path) -> None:
    wanted = written(tmp_path, LACKING)
    with pytest.raises(AllRejected) as caught:
        convert(**wanted, require_each=True, reject=tmp_path / "rejects.jsonl")
    assert [found.code for found in caught.value.findings] == ["M185"]


@pytest.mark.parametrize("each", [False, True])
def test_a_refusal_is_reported_too(tmp_path: Path, each: bool) -> None:
    written(tmp_path, LACKING)
    words = ["convert", str(tmp_path / "master.csv"), "-t", "idta-02035", "-o", str(tmp_path / "out.jsonl"), "--no-evidence"]
    words += ["--require", str(tmp_path / "ours.toml"), "--report", str(tmp_path / "report.json")]
    done = CliRunner().invoke(cli, [*words, *(["--require-each", "--reject", str(tmp_path / "r.jsonl")] if each else [])])
    assert done.exit_code == 1 and not (tmp_path / "out.jsonl").exists()
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["schema"] == "bdx-convert/1" and "nothing" in report["refused"]
    lacking = [row["id"] for result in report["required"] for row in result["requirements"] if row["gap"]]
    assert lacking == ([] if each else ["o-2"])
    assert ("M185" in done.stderr) == each == any(found["code"] == "M185" for found in report["findings"])


@pytest.mark.parametrize(
    "wanted", [{"require_each": True}, {"require_each": True, "require": [], "reject": "r"}, {"require": ["nothing-known"]}]
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, wanted: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        convert(**written(tmp_path, GOOD) | wanted)
