"""Where a finding stands: the line of a text file, the pointer into a document, the line of an XML file, the byte of a binary one."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from bdx import formats
from bdx.canon import Table
from bdx.cli import run
from bdx.formats import delimited_blocks
from bdx.formats.lines import Lines
from bdx.formats.source import Source

ROOT = Path(__file__).resolve().parents[1]
TEXTS = sorted(
    path for path in (ROOT / "fixtures/formats").glob("*/*/input.*") if path.suffix in (".csv", ".txt", ".tsv", ".dta", ".mpt", ".z")
)


def findings(capsys: pytest.CaptureFixture[str], *arguments: str, form: str = "json") -> Any:
    run(["validate", *arguments, "-O", form])
    shown = capsys.readouterr().out
    return json.loads(shown)["findings"] if form == "json" else shown


def locators(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    return {found["code"]: found["locator"] for found in findings(capsys, *arguments)}


# Lines of text.


def held(path: Path) -> tuple[Source, list[dict[str, Any]]]:
    """Return a source after reading, and its records."""
    source = Source(str(path))
    rows: list[dict[str, Any]] = []
    for part in formats.read(source, formats.detect(source)):
        for batch in part.batches if isinstance(part, Table) else ():
            rows += batch.to_pylist()
    return source, rows


def numbers(line: str) -> list[float]:
    """Return every number of a line, whatever parts and decimals it has."""
    found = [float(text) for text in re.findall(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?", line)]
    return found + [float(text.replace(",", ".")) for text in re.findall(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?", line)]


def holds(line: list[float], value: Any) -> bool:
    """Say whether a number stands among those of a line; one that is missing or none cannot be looked for."""
    return not isinstance(value, float) or not math.isfinite(value) or any(math.isclose(value, number) for number in line)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_the_line_of_a_record_holds_its_numbers(path: Path) -> None:
    source, rows = held(path)
    if source.lines is None or not source.lines.records:
        pytest.skip("its records are not known by their lines")
    assert source.lines.records == len(rows)
    raw = path.read_bytes()
    text = raw.decode("utf-16") if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else raw.decode("latin-1")
    lines = text.replace("\r\n", "\n").split("\n")
    there = [numbers(lines[(source.lines.of(record) or 0) - 1]) for record in range(len(rows))]
    told = [
        name
        for name in rows[0]
        if len({row[name] for row in rows if isinstance(row[name], float)}) >= min(5, len(rows))
        and all(holds(line, row[name]) for row, line in zip(rows, there, strict=True))
    ]
    # Not every column: a driver reckons time from dates, and carries cells of outer rows down.
    assert told
    assert None not in [source.lines.of(record) for record in range(len(rows))]
    assert source.lines.of(len(rows)) is None


def test_texts_that_have_lines_are_many() -> None:
    assert len(TEXTS) > 50


BODY = ["0,3.6,0", "1,3.6,0", "", "2,3.6,0", "   ", "3,3.6,0,7", "4,3.6,0", "3,3.6,0", ""]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("chunk", [7, 64, 1 << 20])
def test_lines_left_out_are_counted(tmp_path: Path, newline: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited_blocks, "_CHUNK", chunk)
    path = tmp_path / "t.csv"
    path.write_bytes(newline.join(["", "Test Time / s,Voltage / V,Current / A", *BODY]).encode())
    source, rows = held(path)
    assert source.lines is not None
    assert [source.lines.of(record) for record in range(len(rows))] == [3, 4, 6, 9, 10]


def test_a_line_that_cannot_be_known_is_not_said() -> None:
    lines = Lines()
    lines.note(2, b"1,2\n3,4\n", 5, b"\n", list)
    lines.note(2, b"1\n2\n3\n", 7, b"\n", list)
    lines.note(1, b"9\n", 10, b"\n", list)
    assert [lines.of(record) for record in range(-1, 6)] == [None, 5, 6, None, None, 10, None]


def test_memory_of_lines_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bdx.formats.lines._MOST", 3)
    lines = Lines()
    for first in (1, 5, 9):
        lines.note(2, b"1\n\n2\n\n", first, b"\n", list)
    assert [lines.of(record) for record in range(6)] == [1, 3, None, None, None, None]


def test_a_fault_of_a_text_file_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text("Test Time / s,Voltage / V,Current / A\n0,3.6,0\n\n1,abc,0\n0.5,3.6,0\n")
    arguments = (str(path), "--current-sign", "charge-positive")
    assert locators(capsys, *arguments) == {"M024": "line 4", "S001": "line 4", "T001": "line 5"}
    assert re.search(r"T001[^:]*,line=5::", findings(capsys, *arguments, form="github"))
    assert "(line 5)" in findings(capsys, *arguments, form="text")


def test_every_bad_row_has_its_own_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text("Test Time / s,Voltage / V,Current / A\n" + "5,3.6,0\n\n4,3.6,0\n" * 50)
    arguments = (str(path), "--current-sign", "charge-positive", "--select", "T001")
    (grouped,) = findings(capsys, *arguments)
    assert (grouped["count"], grouped["locator"], grouped["examples"]) == (50, "line 4", [1, 3, 5, 7, 9])
    every = findings(capsys, *arguments, "--every")
    assert [(found["row"], found["locator"], found["count"]) for found in every] == [
        (2 * number + 1, f"line {3 * number + 4}", 1) for number in range(50)
    ]


# Documents, XML, bytes.


@pytest.mark.parametrize(
    ("name", "pointer"),
    [("passport-idta.json", "/BatteryNameplate/URIOfTheProduct"), ("passport-catenax.json", "/identification/idDmc")],
)
def test_a_fault_of_a_document_has_its_pointer(name: str, pointer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = json.loads((ROOT / "fixtures/world" / name).read_text("utf-8").replace("/01/04012345000009", "/01/04012345000008"))
    one, two = tmp_path / "one.json", tmp_path / "two.jsonl"
    one.write_text(json.dumps(broken))
    two.write_text(f"{(ROOT / 'fixtures/world' / name).read_text('utf-8').replace(chr(10), ' ')}\n{json.dumps(broken)}\n")
    assert locators(capsys, str(one), "--select", "D020") == {"D020": pointer}
    assert locators(capsys, str(two), "--select", "D020") == {"D020": f"line 2 {pointer}"}
    at = broken
    for step in pointer.split("/")[1:]:
        at = at[step]
    assert "/01/04012345000008" in str(at)
    (result,) = json.loads(findings(capsys, str(two), "--select", "D020", form="sarif"))["runs"][0]["results"]
    (location,) = result["locations"]
    assert location["physicalLocation"]["region"] == {"startLine": 2}
    assert location["logicalLocations"][-1] == {"fullyQualifiedName": pointer, "kind": "value"}


def test_a_fault_of_an_xml_file_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "fixtures/world/line.xml"
    found = locators(capsys, str(path))
    lines = path.read_text("utf-8").splitlines()
    place = int(found["M042"].removeprefix("line "))
    assert "areal_loading" in "".join(lines[place - 1 : place + 4])


def test_a_file_that_ends_early_has_its_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cut.mpr"
    path.write_bytes((ROOT / "fixtures/formats/biologic-mpr/gcpl-current-from-charge/input.mpr").read_bytes()[:-700])
    byte = int(locators(capsys, str(path))["F000"].removeprefix("byte "))
    assert 0 < byte <= path.stat().st_size
    assert findings(capsys, str(path), form="text").count(f"byte {byte}") == 1
    results = json.loads(findings(capsys, str(path), form="sarif"))["runs"][0]["results"]
    regions = {item["ruleId"]: item["locations"][0]["physicalLocation"]["region"] for item in results}
    assert regions["F000"] == {"startLine": 1, "byteOffset": byte}


def test_a_table_without_lines_says_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "t.csv"
    text.write_text("Test Time / s,Voltage / V,Current / A\n0,3.6,0\n5,3.6,0\n1,3.6,0\n")
    assert run(["convert", str(text), "-o", str(tmp_path / "t.parquet"), "--current-sign", "charge-positive"]) == 0
    assert locators(capsys, str(tmp_path / "t.parquet"), "--select", "T001") == {"T001": ""}
