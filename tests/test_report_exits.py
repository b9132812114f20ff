"""What `bdx validate` returns: 0 clean, 1 findings, 2 misuse, 3 a source that cannot be read, 4 a report that cannot be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bdx.cli import run

ROOT = Path(__file__).resolve().parents[1]
CLEAN = str(ROOT / "fixtures/world/cycler.ndax")  # one remark
WARNED = str(ROOT / "fixtures/world/line.xml")
FAILING = str(ROOT / "fixtures/formats/digatron/milliseconds-named-seconds/input.csv")
EMPTY = str(ROOT / "fixtures/formats/neware-csv/header-only/input.csv")


@pytest.fixture
def cut(tmp_path: Path) -> str:
    path = tmp_path / "cut.ndax"
    path.write_bytes(Path(CLEAN).read_bytes()[:9000])
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([CLEAN], 0),
        ([WARNED], 0),
        ([FAILING], 1),
        ([CLEAN, FAILING], 1),
        ([CLEAN, "--fail-on", "warning"], 0),
        ([CLEAN, "--fail-on", "info"], 1),
        ([WARNED, "--fail-on", "warning"], 1),
        ([WARNED, "--fail-on", "warning", "--exit-zero"], 0),
        ([FAILING, "--exit-zero"], 0),
        ([FAILING, "--ignore", "U"], 0),
        ([FAILING, "--severity", "U=warning"], 0),
        ([FAILING, "--severity", "U=warning", "--fail-on", "warning"], 1),
        ([], 2),
        ([FAILING, "--fail-on", "never"], 2),
        ([FAILING, "--select", "NOPE"], 2),
        ([FAILING, "--severity", "U=mild"], 2),
        ([FAILING, "--output", "r.sarf"], 2),
        ([FAILING, "--config", "never.toml"], 2),
        ([FAILING, "--baseline", "never.json"], 2),
        ([FAILING, "-f", "no-format"], 2),
        (["never.csv"], 3),
        (["never.csv", FAILING], 3),
        ([FAILING, "never.csv", "--exit-zero"], 3),
        ([str(ROOT)], 3),
    ],
    ids=lambda value: " ".join(Path(word).name for word in value) if isinstance(value, list) else str(value),
)
@pytest.mark.parametrize("form", ["text", "sarif"])
def test_exit_codes(arguments: list[str], code: int, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["validate", *arguments, "-O", form]) == code
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["json", "junit", "github"])
def test_what_was_read_is_reported_beside_what_was_not(form: str, cut: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", FAILING, cut, "-O", form]) == 3
    shown = capsys.readouterr()
    assert "U003" in shown.out
    assert "F000" in shown.out
    assert shown.err == ""


# Nothing checked.


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([EMPTY], "the sources hold no rows"),
        ([EMPTY, EMPTY], "the sources hold no rows"),
        ([CLEAN, "--select", "P001"], "no rule that was chosen"),
        ([WARNED, "--select", "T"], "no rule that was chosen"),
    ],
)
def test_nothing_checked_is_no_pass(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", *arguments]) == 2
    message = capsys.readouterr().err
    assert "nothing was checked" in message
    assert why in message
    assert run(["validate", *arguments, "--allow-empty"]) == 0
    assert "\n0 errors" in capsys.readouterr().out


def test_one_empty_source_among_others_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", EMPTY, CLEAN]) == 0
    assert "no-rows" in capsys.readouterr().out


# A report that cannot be written.


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")


@pytest.mark.parametrize("more", [[], ["--exit-zero"], ["--write-baseline", "no/known.json"]], ids=" ".join)
@pytest.mark.parametrize("name", ["no/r.json", "json=folder", pytest.param("json=/dev/full", marks=FULL)])
def test_a_report_that_cannot_be_written_is_4(name: str, more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    assert run(["validate", FAILING, "--output", name, *more]) == 4
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_a_report_that_cannot_be_written_tells_more_than_a_bad_source(cut: str, tmp_path: Path) -> None:
    assert run(["validate", cut, "--output", str(tmp_path / "no/r.json")]) == 4


def bdx(arguments: list[str], redirected: str) -> subprocess.CompletedProcess[str]:
    line = f'exec "$0" -m bdx "$@" {redirected}'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(["bash", "-c", line, sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment)


@FULL
@pytest.mark.parametrize("form", ["text", "json", "jsonl", "sarif", "html"])
def test_a_full_disk_below_standard_output_is_4(form: str) -> None:
    done = bdx(["validate", FAILING, "-O", form], "> /dev/full")
    assert done.returncode == 4
    assert done.stderr.startswith("bdx: error: cannot write")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize(
    "arguments", [["validate", FAILING], ["validate", FAILING, "-O", "json"], ["rules", "T001"], ["rules"]], ids=" ".join
)
def test_a_closed_standard_output_is_4(arguments: list[str]) -> None:
    done = bdx(arguments, ">&-")
    assert (done.returncode, done.stderr) == (4, "bdx: error: standard output is closed; give a path\n")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
def test_a_reader_that_leaves_is_no_fault(tmp_path: Path) -> None:
    line = f'"{sys.executable}" -m bdx validate "{FAILING}" -O json --every | head -c 10; echo " ${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.split()[-1] in ("1", "141")


# Baselines.


def test_a_baseline_lets_old_findings_pass_and_no_new_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = str(tmp_path / "known.json")
    assert run(["validate", FAILING, "--write-baseline", known]) == 0
    assert run(["validate", FAILING, "--baseline", known]) == 0
    capsys.readouterr()
    assert run(["validate", FAILING, WARNED, "--baseline", known, "--fail-on", "warning", "-O", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert {found["source"] for found in report["findings"]} == {WARNED}
    assert report["summary"]["known"] > 0
