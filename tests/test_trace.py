"""Evidence stays with a passport, and a value is followed back to the rows, the line or the file it came from."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import jsonschema_rs
import pyarrow as pa
import pytest

from bdx import canon, spec
from bdx.cli import run
from bdx.errors import BdxError, SinkError
from bdx.formats.sink import Destination
from bdx.pipeline import evidence_file
from bdx.pipeline.converting import convert
from bdx.pipeline.evidence_lines import lines
from bdx.pipeline.evidence_reading import read_evidence
from bdx.pipeline.rows_again import Picked, references
from bdx.pipeline.value_names import meant
from bdx.pipeline.value_trace import trace_value

WORLD = Path(__file__).resolve().parents[1] / "fixtures/world"
SERIAL = "BX36-000042"
SOURCES = ("cycler.ndax", "line.xml", "master.csv")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sources of the fixture world and the passport made of them, each beside the other."""
    folder = tmp_path_factory.mktemp("made")
    for name in SOURCES:
        shutil.copy(WORLD / name, folder)
    convert([folder / name for name in SOURCES], folder / "passport.json", to="idta-02035")
    return folder


@pytest.fixture
def world(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder that a test may change; the sources are found beside the passport."""
    folder = tmp_path / "world"
    shutil.copytree(made, folder)
    header, rows = read(folder / "passport.json.evidence.jsonl")
    for source in header["sources"]:
        source["uri"] = Path(source["uri"]).name
    write(folder / "passport.json.evidence.jsonl", header, rows)
    return folder


def read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    header, *rows = (json.loads(line) for line in path.read_text("utf-8").splitlines())
    return header, rows


def write(path: Path, header: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in (header, *rows)), "utf-8")


def codes(path: Path, word: str) -> list[str]:
    return [found.code for found in trace_value(str(path), word).findings]


# The file.


def test_evidence_names_its_document_and_its_sources(made: Path) -> None:
    header, rows = read(made / "passport.json.evidence.jsonl")
    data = (made / "passport.json").read_bytes()
    assert header["document"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert header["document"]["bytes"] == len(data)
    assert header["rows"] == len(rows)
    for source, name in zip(header["sources"], SOURCES, strict=True):
        assert source["sha256"] == hashlib.sha256((WORLD / name).read_bytes()).hexdigest()
    by_column = {row["column"]: row for row in rows if row["table"] == "battery"}
    assert (by_column["rated_capacity_ah"]["method"], by_column["rated_capacity_ah"]["source_id"]) == ("measured", "s1")
    assert (by_column["manufacturing_date"]["method"], by_column["manufacturing_date"]["source_id"]) == ("derived", "s2")
    assert (by_column["model_name"]["method"], by_column["model_name"]["locator"]) == ("declared", "row 2")


def test_every_line_follows_the_published_schema(made: Path) -> None:
    judge = jsonschema_rs.validator_for(spec.schema("bdx-evidence"))
    for line in (made / "passport.json.evidence.jsonl").read_text("utf-8").splitlines():
        assert not list(judge.iter_errors(json.loads(line)))
    assert list(judge.iter_errors({"table": "battery"}))


def test_derived_values_name_version_and_rows(made: Path) -> None:
    _, rows = read(made / "passport.json.evidence.jsonl")
    told = [row for row in rows if row.get("by")]
    assert told
    assert all(row.get("version") for row in told)
    assert all(row.get("rows") for row in told if row["table"] == "battery"), [row for row in told if not row.get("rows")]


def test_no_evidence_where_it_is_not_wanted_or_there_is_none(world: Path, tmp_path: Path) -> None:
    sources = [world / name for name in SOURCES]
    assert convert(sources, tmp_path / "a.json", to="idta-02035", evidence=None).evidence_file == ""
    assert convert([world / "passport.json"], tmp_path / "b.json", to="catenax-battery-pass").evidence_file == ""
    assert convert(sources, tmp_path / "c.parquet", table="battery").evidence_file == ""
    assert not list(tmp_path.glob("*.jsonl"))


def test_evidence_goes_where_it_is_asked_for(world: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    sources = [str(world / name) for name in SOURCES]
    assert run(["convert", *sources, "-t", "idta-02035", "--evidence", str(tmp_path / "e.jsonl")]) == 0
    header, _ = read(tmp_path / "e.jsonl")
    assert header["document"]["sha256"] == hashlib.sha256(capsysbinary.readouterr().out).hexdigest()
    assert run(["convert", *sources, "-t", "idta-02035", "--evidence", "x", "--no-evidence"]) == 2
    assert run(["convert", *sources, "-t", "idta-02035", "-o", str(tmp_path / "p.json"), "--evidence", sources[2], "--force"]) == 4
    assert (world / "master.csv").read_bytes() == (WORLD / "master.csv").read_bytes()


def test_the_summary_names_the_file(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", *(str(world / name) for name in SOURCES), "-t", "idta-02035", "-o", str(tmp_path / "p.json")]) == 0
    assert re.search(r"wrote .*p\.json\.evidence\.jsonl \(evidence of \d+ values\)", capsys.readouterr().err)


def test_both_appear_or_none(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [world / name for name in SOURCES]
    target = tmp_path / "p.json"
    (tmp_path / "p.json.evidence.jsonl").write_text("mine")
    with pytest.raises(SinkError, match=r"evidence\.jsonl' exists"):
        convert(sources, target, to="idta-02035")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["p.json.evidence.jsonl"]
    commit = Destination._commit

    def refuse(self: Destination) -> None:
        if self.name == str(target):
            raise OSError(28, "No space left on device")
        commit(self)

    monkeypatch.setattr(Destination, "_commit", refuse)
    with pytest.raises(SinkError, match="No space"):
        convert(sources, target, to="idta-02035", force=True)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["p.json.evidence.jsonl"]
    assert (tmp_path / "p.json.evidence.jsonl").read_text() == "mine"
    (tmp_path / "p.json.evidence.jsonl").unlink()
    with pytest.raises(SinkError, match="No space"):
        convert(sources, target, to="idta-02035")
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


@pytest.mark.parametrize("room", [evidence_file._ROOM, 200])
def test_a_long_file_is_the_same_as_a_short_one(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """What does not wait in memory stands behind room for the header, which is widened where it is too narrow."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1780000000")
    monkeypatch.setattr(evidence_file, "_ROOM", room)
    sources = [made / name for name in SOURCES]
    convert(sources, tmp_path / "p.json", to="idta-02035")
    short = (tmp_path / "p.json.evidence.jsonl").read_bytes()
    monkeypatch.setattr(evidence_file, "_HELD", 0)
    monkeypatch.setattr(evidence_file, "_ROWS", 7)
    convert(sources, tmp_path / "p.json", to="idta-02035", force=True)
    long = (tmp_path / "p.json.evidence.jsonl").read_bytes()
    assert len(long) >= room
    assert [json.loads(line) for line in long.splitlines()] == [json.loads(line) for line in short.splitlines()]
    assert not trace_value(str(tmp_path / "p.json"), "rated_capacity_ah").findings


def test_lines_hold_any_text() -> None:
    odd = ['"', "\\", "\n", "\x00\x1f", "ä", "\U0001f50b", "", None, '["Water","CO2"]', "a" * 5000]
    rows = [{"table": "battery", "key": str(text or number), "column": "x", "value": text} for number, text in enumerate(odd)]
    for batch in (canon.from_rows("evidence", rows), canon.from_rows("evidence", rows * 9).slice(3, 41)):
        data = lines(batch)
        assert data is not None
        found = [json.loads(line) for line in data.to_pybytes().decode().split("\n")[:-1]]
        assert found == [{key: value for key, value in row.items() if value is not None} for row in batch.to_pylist()]


def test_a_folder_of_documents_has_one_file_beside_it(world: Path, tmp_path: Path) -> None:
    result = convert([world / name for name in SOURCES], f"{tmp_path}/out/", to="idta-02035")
    assert Path(result.evidence_file) == tmp_path / "out.evidence.jsonl"
    (document,) = (tmp_path / "out").iterdir()
    trace = trace_value(str(document), "rated_capacity_ah")
    assert (trace.document, trace.findings) == ("unchanged", [])
    document.write_bytes(document.read_bytes() + b"\n")
    assert codes(document, "rated_capacity_ah") == ["M180"]


def test_packed_documents_have_evidence_too(world: Path, tmp_path: Path) -> None:
    convert([world / name for name in SOURCES], tmp_path / "p.jsonl.gz", to="idta-02035")
    assert gzip.decompress((tmp_path / "p.jsonl.gz").read_bytes())
    assert not codes(tmp_path / "p.jsonl.gz", "rated_capacity_ah")


def test_evidence_in_a_folder_is_no_source_of_it(world: Path, tmp_path: Path) -> None:
    (world / "passport.json").unlink()
    result = convert([world], tmp_path / "p.json", to="idta-02035")
    header, _ = read(Path(result.evidence_file))
    assert [Path(source["uri"]).name for source in header["sources"]] == sorted(SOURCES)


# The trace.


def test_a_measured_value_ends_at_the_rows_of_the_cycler(world: Path) -> None:
    trace = trace_value(str(world / "passport.json"), "rated_capacity_ah")
    (origin,) = trace.origins
    assert (trace.document, trace.findings, trace.unit) == ("unchanged", [], "Ah")
    assert origin.source is not None and origin.said is not None
    assert (Path(origin.source.path).name, origin.source.state) == ("cycler.ndax", "unchanged")
    assert "IEC 62660-1" in origin.authority
    assert (origin.said.value, origin.agrees) == (origin.told["value"], True)
    (series,) = [item for item in origin.said.rows if item.table == "timeseries"]
    last = series.rows[-1][1]
    assert series.met == series.last - series.first + 1 > 100
    assert last["step_discharging_capacity_ah"] == pytest.approx(float(origin.told["value"]), rel=1e-4)


def test_a_day_ends_at_the_line_of_the_mes(world: Path) -> None:
    (origin,) = trace_value(str(world / "passport.json"), "/BatteryNameplate/DateOfManufacture").origins
    assert origin.said is not None and origin.source is not None
    rows = [row for item in origin.said.rows for _, row in item.rows]
    assert (rows[0]["step_run_id"], rows[0]["locator"]) == ("SR-3001", "line 596")
    assert "SR-3001" in origin.said.line
    assert (origin.value, origin.said.value, origin.source.uri) == ("2026-10-02", "2026-10-02", "line.xml")


def test_a_declared_value_ends_at_its_line(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trace", str(world / "passport.json"), SERIAL, "model_name"]) == 0
    text = capsys.readouterr().out
    assert "declared in master.csv, row 2; nothing further" in text
    assert "BX36-14,BX36 e-bike pack 14 Ah,lmt" in text


def test_masses_go_to_their_lots_and_lines(world: Path) -> None:
    trace = trace_value(str(world / "passport.json"), "material.mass_kg")
    assert len(trace.origins) == 3
    assert not trace.findings
    for origin in trace.origins:
        assert origin.said is not None
        tables = {item.table for item in origin.said.rows}
        assert "genealogy" in tables, origin.told
        assert all(item.met for item in origin.said.rows)
    one = trace_value(str(world / "passport.json"), "material[2].mass_kg").origins
    assert [origin.value for origin in one] == [trace.origins[1].value]


@pytest.mark.parametrize("model", ["idta-02035", "catenax-battery-pass", "battery-pass"])
def test_every_value_of_a_passport_is_traced(world: Path, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)
    convert(SOURCES, tmp_path / "p.json", to=model)
    _, rows = read(tmp_path / "p.json.evidence.jsonl")
    columns = [row["column"] for row in rows if row["table"] == "battery" and row["column"] != "*"]
    for column in columns:
        trace = trace_value(str(tmp_path / "p.json"), column)
        assert not trace.findings, column
        assert all(origin.agrees for origin in trace.origins), column


def test_data_sets_hold_their_evidence(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)
    for name in ("ds/", "all.h5"):
        convert(SOURCES, f"{tmp_path}/{name}")
        trace = trace_value(f"{tmp_path}/{name}".rstrip("/"), "rated_capacity_ah", serial=SERIAL)
        assert not trace.findings
        assert trace.origins[0].source is not None and trace.origins[0].source.uri == "cycler.ndax"


def test_what_streams_past_is_traced_to_its_own_line(tmp_path: Path) -> None:
    names = [f"A{number}" for number in range(30)]
    (tmp_path / "a.csv").write_text("serial_number,model_id\n" + "".join(f"{name},M{name}\n" for name in names))
    (tmp_path / "b.csv").write_text("serial_number,rated_capacity_ah\n" + "".join(f"{name},14\n" for name in reversed(names)))
    convert([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "p.jsonl", to="catenax-battery-pass")
    for word, place in (("model_id", "row 9"), ("rated_capacity_ah", "row 24")):
        trace = trace_value(str(tmp_path / "p.jsonl"), word, serial="A7")
        (origin,) = trace.origins
        assert (origin.told["locator"], origin.agrees, trace.findings) == (place, True, [])
        assert origin.said is not None and origin.said.line.startswith("A7,")


def test_given_values_say_who_gave_them(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert([world / "passport.json"], tmp_path / "p.json", to="idta-02035", give=["rte_fade_percent=3"])
    assert run(["trace", str(tmp_path / "p.json"), "EnergyRoundTripEfficiencyFade"]) == 0
    assert "--set rte_fade_percent=3" in capsys.readouterr().out


def test_a_changed_source_is_told(world: Path) -> None:
    master = world / "master.csv"
    master.write_text(master.read_text().replace("BX36 e-bike pack 14 Ah", "BX36 e-bike pack 15 Ah"))
    assert codes(world / "passport.json", "model_name") == ["M182", "M183"]
    assert codes(world / "passport.json", "battery_category") == ["M182"]
    assert codes(world / "passport.json", "rated_capacity_ah") == []
    assert run(["trace", str(world / "passport.json"), "battery_category"]) == 1
    master.write_text("serial_number\nB\nC\n")
    assert codes(world / "passport.json", "model_name") == ["M182", "M184"]


def test_a_source_that_is_gone_is_told_and_no_fault(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (world / "cycler.ndax").unlink()
    assert run(["trace", str(world / "passport.json"), "rated_capacity_ah"]) == 0
    text = capsys.readouterr().out
    assert "not at hand" in text and "cannot be checked again" in text


def test_a_changed_passport_is_told(world: Path) -> None:
    path = world / "passport.json"
    path.write_text(path.read_text().replace("14.0506", "15.5"))
    assert codes(path, "rated_capacity_ah") == ["M181", "M180"] or set(codes(path, "rated_capacity_ah")) == {"M180", "M181"}
    assert codes(path, "manufacturing_date") == ["M180"]


def test_forged_evidence_is_told(world: Path) -> None:
    path = world / "passport.json.evidence.jsonl"
    header, rows = read(path)
    for row in rows:
        if row["column"] == "rated_capacity_ah":
            row["value"], row["rows"] = "15", "timeseries[90000:90010]"
    write(path, header, rows)
    assert set(codes(world / "passport.json", "rated_capacity_ah")) == {"M181", "M183", "M184"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["rated_capacit"], 2, "did you mean"),
        (["/BatteryNameplate"], 2, "holds several values"),
        (["/Nowhere"], 2, "no value at"),
        (["BX36-00004", "rated_capacity_ah"], 2, f"did you mean '{SERIAL}'"),
        (["a", "b", "c"], 2, "arguments"),
        (["material[9].mass_kg"], 2, "no number 9"),
        (["put_into_service_date"], 3, "nothing to trace"),
        (["rated_capacity_ah", "--evidence", "nowhere"], 3, "nowhere"),
    ],
)
def test_what_cannot_be_traced_says_why(
    world: Path, arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["trace", str(world / "passport.json"), *arguments]) == code
    assert says in capsys.readouterr().err


def test_no_evidence_is_told(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (world / "passport.json.evidence.jsonl").unlink()
    assert run(["trace", str(world / "passport.json"), "rated_capacity_ah"]) == 3
    assert "passport.json.evidence.jsonl" in capsys.readouterr().err
    assert run(["trace", str(world / "cycler.ndax"), "rated_capacity_ah"]) == 3


def test_json_and_mermaid(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trace", str(world / "passport.json"), "RatedCapacity", "-O", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["column"], found["document"]) == ("bdx-trace/1", "rated_capacity_ah", "unchanged")
    assert found["origins"][0]["again"]["agrees"] is True
    assert run(["trace", str(world / "passport.json"), "RatedCapacity", "-O", "mermaid"]) == 0
    first, *drawn = capsys.readouterr().out.splitlines()
    assert first == "flowchart LR"
    boxes = {match[1] for line in drawn if (match := re.fullmatch(r'  (\w+)\["[^"]*"\]', line))}
    arrows = [match for line in drawn if (match := re.fullmatch(r"  (\w+) (?:-->|-\.->) (\w+)", line))]
    assert len(boxes) + len(arrows) == len(drawn)
    assert all(match[1] in boxes and match[2] in boxes for match in arrows)


def test_names_mean_one_value() -> None:
    model = spec.format_spec("idta-02035")
    pointer = "/TechnicalData/TechnicalPropertyAreas/CapacityEnergyVoltage/RatedCapacity"
    for word in (
        "rated_capacity_ah",
        "battery.rated_capacity_ah",
        "RatedCapacity",
        "CapacityEnergyVoltage.RatedCapacity",
        "Rated capacity",
        pointer,
    ):
        asked = meant(word, model)
        assert (asked.table, asked.column, asked.pointer) == ("battery", "rated_capacity_ah", pointer), word
    asked = meant("/MaterialComposition/BatteryMaterials/1/BatteryMaterialMass", model)
    assert (asked.table, asked.column, asked.number) == ("material", "mass_kg", 2)


# Hostile evidence.


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "{}",
        "[]",
        "null\n",
        '{"schema":"bdx-evidence/2"}',
        '{"schema":"other/1"}',
        '{"schema":7}',
        "\x00\xff",
        "[" * 100_000,
        '{"schema":"bdx-evidence/1","bdx":"0","document":{"name":"p","sha256":null},"rows":5,"sources":[]}\n',
        '{"schema":"bdx-evidence/1","bdx":"0","document":{"name":"p","sha256":null},"rows":1,"sources":[]}\n"BX36-000042"\n',
        '{"schema":"bdx-evidence/1","bdx":"0","document":{"name":"p","sha256":null},"rows":1,"sources":[]}\n{"key":"BX36-000042"}\n',
        '{"schema":"bdx-evidence/1","bdx":"0","document":{"name":"p","sha256":"zz"},"rows":0,"sources":[]}\n',
    ],
)
def test_what_is_no_evidence_is_refused(world: Path, text: str) -> None:
    path = world / "passport.json.evidence.jsonl"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BdxError):
        trace_value(str(world / "passport.json"), "rated_capacity_ah")


def test_a_cut_file_is_told(world: Path) -> None:
    path = world / "passport.json.evidence.jsonl"
    data = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(data[:-3]))
    with pytest.raises(BdxError, match="its header says"):
        read_evidence(str(path), [SERIAL])


def test_damaged_evidence_raises_only_what_bdx_raises(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)
    path = world / "passport.json.evidence.jsonl"
    data = path.read_bytes()
    dice = random.Random(7)
    for _ in range(60):
        broken = bytearray(data)
        for _ in range(dice.randint(1, 12)):
            at = dice.randrange(len(broken))
            if dice.random() < 0.5:
                broken[at] = dice.randrange(256)
            else:
                del broken[at : at + dice.randint(1, 40)]
        path.write_bytes(bytes(broken))
        try:
            trace_value("passport.json", dice.choice(["rated_capacity_ah", "model_name", "manufacturing_date"]))
        except BdxError:
            continue


@pytest.mark.parametrize("uri", ["/dev/zero", "/dev/stdin", "-", "<stdin>", "..", "", "a\0b", "x" * 5000, "passport.json", "fifo", None])
def test_hostile_sources_do_no_harm(world: Path, uri: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)
    if hasattr(os, "mkfifo"):
        os.mkfifo(world / "fifo")
    path = world / "passport.json.evidence.jsonl"
    header, rows = read(path)
    header["sources"][0]["uri"] = uri
    write(path, header, rows)
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(trace_value("passport.json", "rated_capacity_ah")), daemon=True)
    thread.start()
    thread.join(20)
    assert done and done[0].origins[0].agrees is not True


@pytest.mark.parametrize(
    "rows",
    ["timeseries[1:999999999999999]", "timeseries[5:1]", "cycle[0]", "[[[", "battery[x]", "step[1:9] " * 500, "item[%zz]", "nowhere[1]"],
)
def test_hostile_rows_are_told_or_passed_over(world: Path, rows: str) -> None:
    path = world / "passport.json.evidence.jsonl"
    header, told = read(path)
    for row in told:
        if row["column"] == "rated_capacity_ah":
            row["rows"] = rows
    write(path, header, told)
    assert set(codes(world / "passport.json", "rated_capacity_ah")) <= {"M184"}


def test_many_are_searched_not_parsed(tmp_path: Path) -> None:
    """The lines of one battery among many are found; one whose name begins like another's is not taken for it."""
    count = 20_000
    keys = pa.array([f"A{number}" for number in range(count)])
    batch = canon.batch("evidence", {"table": ["battery"] * count, "key": keys, "column": ["model_id"] * count, "value": keys})
    data = lines(batch)
    assert data is not None
    header = {"schema": "bdx-evidence/1", "bdx": "0", "document": {"name": "p", "sha256": None}, "rows": count, "sources": []}
    (tmp_path / "e").write_bytes(json.dumps(header).encode() + b"\n" + data.to_pybytes())
    assert [row["key"] for row in read_evidence(str(tmp_path / "e"), ["A17"]).rows] == ["A17"]


def test_results_are_found_by_their_name_or_by_their_item() -> None:
    rows = [{"result_id": "TR-1", "item_id": "P-1", "value_num": 1.0}, {"result_id": None, "item_id": "P-2", "value_num": 2.0}]
    chunk = {"quality_result": canon.from_rows("quality_result", rows)}
    found = references("quality_result[TR-1] quality_result[P-2] quality_result[P-9]", None)
    Picked(found).watch(chunk)
    assert [[row["value_num"] for _, row in item.rows] for item in found] == [[1.0], [2.0], []]


def test_a_passport_named_without_a_folder_has_no_evidence_beside_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert([WORLD / "master.csv"], tmp_path / "lone.json", to="idta-02035", evidence=None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BdxError, match=r"\(lone.json.evidence.jsonl would be\)"):
        trace_value("lone.json", "rated_capacity_ah")
