"""What is known and not read is refused by name; doctor says what a file comes near to and writes a masked head."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bdx import spec
from bdx.errors import UnknownFormat, UnsupportedVersion, UsageError
from bdx.formats import detect
from bdx.formats.source import Source
from bdx.pipeline.doctoring import examine

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/instrument"
CSV = max((FIXTURES / "formats/neware-csv").glob("*/input.csv"), key=lambda path: path.stat().st_size)


@pytest.mark.parametrize(
    "row",
    [row for row in spec.refusals() if row.get("magic") and not row.get("contains") and row["id"] != "hdf5"],
    ids=lambda row: row["id"],
)
def test_every_refused_kind_is_named_with_advice(row: spec.Facts, tmp_path: Path) -> None:
    for number, place in enumerate(row["magic"]):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(b"\x01" * place["at"] + bytes.fromhex(place["hex"]) + b"\x02" * 600)
        with pytest.raises(UnsupportedVersion) as error:
            detect(Source(str(path)))
        assert row["title"] in str(error.value)
        assert row["advice"] in str(error.value)


def test_hdf5_of_an_unknown_layout_is_named(tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["somewhere/else"] = [1.0, 2.0]
    assert (
        examine(path).error
        == "is HDF5 of no layout that is read (it holds somewhere); expected bdx, battdat, cellpy, MATR, Arbin SQL or Indigo"
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EC-LAB SETTING FILE\r\n\r\nNumber of linked techniques : 1\r\n", "EC-Lab or BT-Lab settings"),
        ("BT-Lab LOG FILE\r\nGalvanostatic\r\n", "EC-Lab log"),
        ('<?xml version="1.0"?>\n<MaccorTestProcedure>\n</MaccorTestProcedure>', "Maccor test procedure"),
        ("<!DOCTYPE html>\n<html><body>Sign in</body></html>", "HTML page"),
        ('{"@module": "beep.structure", "raw_data": {}}', "structured file of beep"),
    ],
)
def test_texts_that_hold_no_measurements_are_named(text: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text(text)
    with pytest.raises(UnsupportedVersion, match=kind):
        detect(Source(str(path)))


def test_the_nearest_format_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "near.csv"
    path.write_text("DataPoint,Cycle Index,Step Type,Time,Voltage(V)\n1,1,Rest,00:00:00,3.5\n")
    with pytest.raises(UnknownFormat, match=r"nearest.*lacks"):
        detect(Source(str(path)))
    assert any(near.id == "neware-csv" and near.lacks for near in examine(path).nearest)


def test_doctor_tells_what_a_reading_gives() -> None:
    result = examine(CSV)
    assert result.format == "neware-csv"
    assert result.rows["timeseries"] > 0
    assert {"voltage_volt", "current_ampere"} <= set(result.supplied)
    assert "unix_time_second" in result.missing


def test_a_sample_keeps_rows_and_header_and_masks_the_preamble(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    header = "Rec#\tCyc#\tStep\tTest (Sec)\tStep (Sec)\tAmp-hr\tWatt-hr\tAmps\tVolts\tState\tES\tDPt Time"
    rows = [f"{n}\t0\t1\t{n}.0\t{n}.0\t0.0\t0.0\t0.0\t3.5\tR\t0\t12/16/2025 14:03:{n:02d}" for n in range(1, 9)]
    path.write_text(
        "Today's Date 09/01/2025  Date of Test:\t12/16/2025\t Filename:\tC:\\Alice\\cell-77.034\n" + "\n".join([header, *rows]) + "\n"
    )
    out = tmp_path / "masked.txt"
    result = examine(path, sample=out)
    masked = out.read_text("utf-8")
    assert result.sample == str(out)
    assert "Alice" not in masked
    assert "77" not in masked.splitlines()[0]
    assert masked.splitlines()[1:] == [header, *rows]
    assert examine(out).format == result.format == "maccor"


TEXTS = [
    path
    for path in sorted((FIXTURES / "formats").glob("*/*/input.*"))
    if path.suffix in {".csv", ".txt", ".mpt", ".DTA", ".z", ".par", ".P00", ".dfr", ".json", ".jsonl", ".xml"} and path.stat().st_size
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_no_sample_names_the_pack_or_its_maker(path: Path, tmp_path: Path) -> None:
    try:
        examine(path, sample=tmp_path / "masked")
    except UsageError as error:
        assert "is no text" in str(error)
        return
    shown = (tmp_path / "masked").read_bytes().replace(b"\0", b"")
    assert not any(name in shown for name in (b"BX36-000042", b"Beispiel", b"PLANT-1"))


def test_a_pipe_is_read_as_a_file_is() -> None:
    done = subprocess.run([sys.executable, "-m", "bdx", "doctor", "-"], input=CSV.read_bytes(), capture_output=True, check=False)
    assert done.returncode == 0
    assert b"neware-csv" in done.stdout
    assert b"timeseries rows" in done.stdout


def test_a_binary_file_cannot_be_masked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no text"):
        examine(FIXTURES / "world/cycler.ndax", sample=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_the_command_prints_json_and_exits_by_what_it_found(tmp_path: Path) -> None:
    good = subprocess.run([sys.executable, "-m", "bdx", "doctor", str(CSV), "-O", "json"], capture_output=True, text=True, check=False)
    assert (good.returncode, json.loads(good.stdout)["format"]) == (0, "neware-csv")
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(range(256)) * 8)
    bad = subprocess.run([sys.executable, "-m", "bdx", "doctor", str(path)], capture_output=True, text=True, check=False)
    assert bad.returncode == 3
    assert "no known format" in bad.stdout
    assert "Traceback" not in bad.stderr


@pytest.mark.skipif(not SAMPLES.exists(), reason="the sample files are not beside the repository")
@pytest.mark.parametrize("name", ["not_data/PredictionDiagnostics_parameters.csv", "not_data/unsupported_test.csv"])
def test_what_is_no_test_is_not_taken_for_one(name: str) -> None:
    with pytest.raises(UnknownFormat):
        detect(Source(str(SAMPLES / name)))
