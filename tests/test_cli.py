"""The command line as a stranger meets it: exit codes, one-line errors, nothing half-written."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bdx.cli import COMMANDS, run

WORLD = Path(__file__).resolve().parents[1] / "fixtures" / "world"
CYCLER, LINE, MASTER = (str(WORLD / name) for name in ("cycler.ndax", "line.xml", "master.csv"))


def bdx(
    *args: str, stdin: bytes | None = None, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "bdx", *args],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        timeout=120,
        env={**os.environ, **(env or {})},
        check=False,
    )


@pytest.fixture(scope="module")
def passport(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("passport") / "passport.json"
    assert run(["convert", CYCLER, LINE, MASTER, "-t", "idta-02035", "-o", str(path), "-q"]) == 0
    return path


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert "Usage: bdx " + command in capsys.readouterr().out


def test_unknown_command_and_format_suggest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["convrt"]) == 2
    assert "did you mean 'convert'" in capsys.readouterr().err
    assert run(["convert", CYCLER, "-t", "parqet", "-o", str(tmp_path / "x")]) == 2
    assert "did you mean 'parquet'" in capsys.readouterr().err
    assert run(["validate", MASTER, "--select", "T0O1"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_the_world_becomes_a_passport(passport: Path) -> None:
    document = json.loads(passport.read_text("utf-8"))
    assert document["BatteryNameplate"]["SerialNumber"] == "BX36-000042"
    assert document["TechnicalData"]["TechnicalPropertyAreas"]["CapacityEnergyVoltage"]["RatedCapacity"] == pytest.approx(14.05, abs=0.2)


def test_losses_findings_and_gaps_go_to_stderr(tmp_path: Path) -> None:
    done = bdx("convert", CYCLER, LINE, MASTER, "-t", "idta-02035", "-o", str(tmp_path / "p.json"))
    assert done.returncode == 0
    assert done.stdout == b""
    text = done.stderr.decode()
    assert "M061" in text and "manufacturing_date" in text
    assert "ec-guidance" in text


def test_passport_crosses_and_diff_tells(passport: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "cx.json"
    assert run(["convert", str(passport), "-t", "catenax-battery-pass", "-o", str(other), "-q"]) == 0
    capsys.readouterr()
    assert run(["diff", str(passport), str(passport)]) == 0
    code = run(["diff", str(passport), str(other), "-O", "json"])
    text = capsys.readouterr().out
    result = json.loads(text[text.index('{\n  "schema": "bdx-diff/1"') :])
    columns = {item["column"] for item in result["differences"]}
    assert code == 1
    assert not columns & {"rated_capacity_ah", "nominal_voltage_v", "serial_number", "manufacturing_date"}


def test_pipe_from_ndax_to_hdf5(tmp_path: Path) -> None:
    first = bdx("convert", "-", "-t", "arrow", "--personal", "keep", stdin=Path(CYCLER).read_bytes())
    assert first.returncode == 0
    target = tmp_path / "x.h5"
    second = bdx("convert", "-", "-o", str(target), "--personal", "keep", stdin=first.stdout)
    assert second.returncode == 0, second.stderr
    assert run(["diff", CYCLER, str(target)]) == 0


@pytest.mark.parametrize("name", ["x.parquet", "x.h5", "x.arrow", "x/", "x.csv", "x.jsonl"])
def test_every_canonical_form_keeps_the_series(name: str, tmp_path: Path) -> None:
    target = f"{tmp_path}/{name}"
    assert run(["convert", CYCLER, "-o", target, "-q"]) == 0
    import bdx as library

    before, after = library.read(CYCLER)["timeseries"], library.read(target)["timeseries"]
    assert after.num_rows == before.num_rows
    for column in before.column_names:
        assert after.column(column).to_pylist() == before.column(column).to_pylist(), column


def test_existing_file_is_kept_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "x.parquet"
    target.write_text("precious")
    assert run(["convert", CYCLER, "-o", str(target)]) == 4
    assert target.read_text() == "precious"
    assert "--force" in capsys.readouterr().err
    assert run(["convert", CYCLER, "-o", str(target), "--force", "-q"]) == 0
    assert target.read_bytes()[:4] == b"PAR1"


def test_strict_writes_nothing_on_a_loss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "x.csv"
    assert run(["convert", CYCLER, "-o", str(target), "--strict"]) == 1
    assert "--strict" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    for arguments in (["-t", "csv"], ["-t", "arrow", "--table", "timeseries"]):
        done = bdx("convert", CYCLER, *arguments, "--strict")
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, b"", 1)
    maccor = str(WORLD.parent / "formats/maccor/server-signed/input.txt")
    assert run(["convert", maccor, "-o", str(tmp_path / "whole.parquet"), "--strict"]) == 0


def test_an_unproven_sign_does_not_pass_through_a_pipe_as_whole(tmp_path: Path) -> None:
    rows = "".join(f"{second},3.6,1\n" for second in range(50))
    (tmp_path / "x.csv").write_text("Test Time [s],Voltage [V],Current [A]\n" + rows)
    line = (
        f'"{sys.executable}" -m bdx convert x.csv -t arrow | "{sys.executable}" -m bdx convert - -o out.parquet; echo "${{PIPESTATUS[*]}}"'
    )
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=60, check=False, cwd=tmp_path)
    assert done.stdout.strip() == b"3 3"
    assert not (tmp_path / "out.parquet").exists()


def test_closed_streams_and_odd_names_are_one_line(tmp_path: Path) -> None:
    line = f'"{sys.executable}" -m bdx convert "{CYCLER}" -t csv >&-; echo "$?"; "{sys.executable}" -m bdx convert - -t csv <&-; echo "$?"'
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=60, check=False)
    assert b"Traceback" not in done.stderr
    assert (done.stdout.split(), len(done.stderr.splitlines())) == ([b"4", b"3"], 2)
    odd = os.fsdecode(b"\xff odd.ndax")
    (tmp_path / odd).write_bytes(Path(CYCLER).read_bytes())
    assert run(["convert", str(tmp_path / odd), "-o", str(tmp_path / "x.parquet"), "-q"]) == 0
    (tmp_path / "loop").symlink_to("loop")
    assert run(["convert", CYCLER, "-o", str(tmp_path / "loop"), "-t", "csv", "-q"]) == 4
    assert run(["convert", str(tmp_path / "loop"), "-t", "csv", "-q"]) == 3


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"", "empty"), (b"hello, world\n", "no known format"), (b"PK\x03\x04 not a zip", ""), (b"{" * 100_000, ""), (b"<a><b></a>", "")],
)
def test_bad_input_is_one_line_and_exit_3(content: bytes, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "bad.dat"
    source.write_bytes(content)
    for command in (["convert", str(source), "-o", str(tmp_path / "out.parquet")], ["inspect", str(source)]):
        assert run(command) == 3
        error = capsys.readouterr().err
        assert expected in error
        assert len(error.strip().splitlines()) == 1
        assert "Traceback" not in error
    assert not (tmp_path / "out.parquet").exists()


def test_missing_file_exits_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(tmp_path / "nowhere.csv")]) == 3
    assert "nowhere.csv" in capsys.readouterr().err


def test_validate_goes_on_after_an_unreadable_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.json"
    bad.write_bytes(b'{"identification": ')
    code = run(["validate", str(bad), CYCLER, "-O", "json"])
    result = json.loads(capsys.readouterr().out)
    assert code == 3
    assert result["schema"] == "bdx-findings/1"
    assert any(found["code"] == "F000" for found in result["findings"])


def test_validate_forms(passport: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("text", "json", "github"):
        assert run(["validate", CYCLER, str(passport), "-O", form, "--exit-zero"]) == 0
        text = capsys.readouterr().out
        assert "\x1b" not in text
        assert text.strip() or form == "github"


def test_gaps_exit_code_and_json(passport: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["gaps", str(passport), "--profile", "ec-guidance", "--category", "ev", "--as-of", "2027-02-18"]
    assert run(args) == 1
    assert "ec-guidance" in capsys.readouterr().out
    assert run([*args, "-O", "json", "--exit-zero"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["schema"] == "bdx-gaps/1"
    assert len(result["requirements"]) == 71
    assert run(["gaps", CYCLER, "--profile", "bdf"]) == 0


def test_a_closed_pipe_ends_quietly() -> None:
    line = f'"{sys.executable}" -m bdx convert "{CYCLER}" -t csv | head -c 100 > /dev/null; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=60, check=False)
    assert b"Traceback" not in done.stderr
    assert done.stdout.strip() in (b"0", b"141")


def test_same_input_same_bytes(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        assert bdx("convert", CYCLER, "-o", str(tmp_path / name), "-q", env={"SOURCE_DATE_EPOCH": "1790000000"}).returncode == 0
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_report_file_lists_losses(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert run(["convert", CYCLER, "-o", str(tmp_path / "x.csv"), "--report", str(report), "-q"]) == 0
    document = json.loads(report.read_text())
    assert document["schema"] == "bdx-convert/1"
    assert document["losses"]


def test_listings(capsys: pytest.CaptureFixture[str]) -> None:
    for args in (["formats"], ["formats", "neware-ndax"], ["schema"], ["schema", "battery"], ["rules"], ["rules", "T001"], ["profiles"]):
        assert run(args) == 0
        assert capsys.readouterr().out.strip()
    assert run(["schema", "timeseries", "-O", "json-schema"]) == 0
    import jsonschema

    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert "_BDX_COMPLETE" in capsys.readouterr().out


def test_version_imports_little() -> None:
    heavy = ("pyarrow", "numpy", "h5py", "jsonschema")
    code = f"import sys; from bdx.cli import run; run(['--version']); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_a_report_never_replaces_what_it_is_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_bytes(Path(MASTER).read_bytes())
    target = tmp_path / "x.parquet"
    for command in (
        ["validate", str(sheet), "--output", str(sheet)],
        ["gaps", str(sheet), "--profile", "ec-guidance", "--output", str(sheet)],
        ["convert", str(sheet), "-o", str(target), "--report", str(sheet)],
        ["convert", str(sheet), "-o", str(target), "--report", str(target)],
    ):
        assert run(command) == 4
        assert "a name of its own" in capsys.readouterr().err
    assert sheet.read_bytes() == Path(MASTER).read_bytes()
    assert not target.exists()


@pytest.mark.skipif(not hasattr(os, "kill") or sys.platform == "win32", reason="signals of POSIX")
def test_a_terminated_run_leaves_nothing(tmp_path: Path) -> None:
    import signal
    import threading
    import time

    head, *rows = bdx("convert", CYCLER, "-t", "csv", "-q").stdout.splitlines(keepends=True)
    command = [sys.executable, "-m", "bdx", "convert", "-", "-o", str(tmp_path / "x.arrow"), "-q"]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert running.stdin is not None

    def feed(pipe: Any) -> None:
        with contextlib.suppress(OSError, ValueError):
            pipe.write(head)
            while running.poll() is None:
                pipe.writelines(rows)

    writer = threading.Thread(target=feed, args=(running.stdin,), daemon=True)
    writer.start()
    deadline = time.monotonic() + 60
    while not any(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert any(tmp_path.iterdir()), "the temporary file was there"
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 130
    writer.join(10)
    with contextlib.suppress(OSError):
        running.stdin.close()
    assert list(tmp_path.iterdir()) == []


def test_nothing_weighed_is_no_pass(capsys: pytest.CaptureFixture[str]) -> None:
    early = ["gaps", MASTER, "--profile", "ec-guidance", "--as-of", "2026-01-01"]
    assert run(early) == 2
    assert "nothing was weighed" in capsys.readouterr().err
    assert run([*early, "--allow-empty"]) == 0


def test_battery_picks_one_of_a_sheet(tmp_path: Path) -> None:
    head, first = Path(MASTER).read_text("utf-8").splitlines()
    second = first.replace("BX36-000042", "BX36-000077").replace("0042", "0077")
    sheet = tmp_path / "two.csv"
    sheet.write_text("\n".join((head, first, second)) + "\n", "utf-8")
    target = tmp_path / "p.json"
    assert run(["convert", CYCLER, str(sheet), "--battery", "BX36-000077", "-t", "idta-02035", "-o", str(target), "-q"]) == 0
    assert json.loads(target.read_text("utf-8"))["BatteryNameplate"]["SerialNumber"] == "BX36-000077"
    assert run(["convert", CYCLER, str(sheet), "--prefer", "nope.csv", "-t", "idta-02035", "-o", str(tmp_path / "q.json")]) == 2
