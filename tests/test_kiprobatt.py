"""Process runs of a laboratory wiki: what is read of graphs and of the files beside them, and what a damaged set does."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from damaging import flipped_and_cut
from making import compared, generator

import bdx
from bdx import formats, spec
from bdx.errors import BdxError, CorruptSource, SourceError, UnknownFormat, UnsafeSource
from bdx.formats.source import Source
from bdx.mapping.kipro_graph import amount, plain_text, words
from bdx.pipeline.reading import ReadOptions, chunks, open_source

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
LINE = FIXTURES / "formats/kiprobatt/line/input"
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/mes"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="sample files are not here")
MAKE = generator("kiprobatt")


def read(path: Path | str, **options: Any) -> tuple[dict[str, list[dict[str, Any]]], Counter[str], Any]:
    opened = open_source(str(path), 1, ReadOptions(**options))
    found: dict[str, list[dict[str, Any]]] = {}
    for chunk in chunks(opened, ReadOptions(**options)):
        for name, batch in chunk.items():
            found.setdefault(name, []).extend(batch.to_pylist())
    codes: Counter[str] = Counter()
    for finding in opened.log.findings:
        codes[finding.code] += finding.count
    return found, codes, opened


def one(tmp_path: Path, run: Any, name: str = "run.jsonld") -> tuple[dict[str, list[dict[str, Any]]], Counter[str]]:
    (tmp_path / name).write_text(MAKE.graph(run.nodes), "utf-8")
    found, codes, _ = read(tmp_path / name)
    return found, codes


def test_fixtures_are_as_the_generator_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MAKE, "CASES", tmp_path / "formats")
    MAKE.main()
    assert compared(tmp_path) == (23, [])


def test_a_cell_is_followed_from_magazines_to_its_test() -> None:
    found, codes, opened = read(LINE)
    assert opened.format.id == "kiprobatt" and not codes
    made_of: dict[str, list[str]] = {}
    for edge in found["genealogy"]:
        made_of.setdefault(edge["output_item_id"], []).append(edge["input_item_id"])
        assert not edge["is_estimated"] and edge["match_basis"] == "declared"
    test = found["test"][0]
    seen, wanted = set(), [test["item_id"]]
    while wanted:
        item = wanted.pop()
        if item not in seen:
            seen.add(item)
            wanted.extend(made_of.get(item, ()))
    assert {"LabObject:OSLMAGAZINEA", "LabObject:OSLMAGAZINEC", "LabObject:OSLSEPARATOR", "LabObject:OSLELECTROLYTE"} <= seen
    assert test["step_run_id"].endswith("/S0010") and test["channel"] == "7"
    assert {row["test_id"] for row in found["cycle"]} == {test["test_id"]}
    assert [loss.count for loss in opened.log.losses] == [1]


def test_a_step_says_its_run_its_equipment_its_person_and_its_files() -> None:
    found, _, _ = read(LINE)
    dry, form = found["process_step"][0], found["process_step"][-1]
    assert (dry["step_code"], dry["step_name_raw"], dry["step_seq"]) == ("vacuum_drying", "Drying", 10)
    assert dry["equipment_id"] == "LabObject:OSLOVEN" and dry["operator_ref"] == "Erika Beispiel"
    assert dry["response_id"].startswith("LabObject:OSL") and dry["recipe_id"].startswith("LabProcess:OSL")
    assert json.loads(dry["extra"])["run"]["description"] == "Trocknen über Nacht"
    assert [file["file"] for file in json.loads(form["extra"])["files"]] == ["Pack-042-007 -STATS-.txt", "OSL4S0010.jpeg"]
    roles = {edge["role"] for edge in found["genealogy"]}
    assert roles == {None, "anode", "cathode", "separator", "electrolyte"}


@pytest.mark.parametrize(
    ("asked", "written", "said", "expected", "codes"),
    [
        ("HasDuration", "4,3 h", {}, (4.3, "h", "4,3", "h"), {"M131"}),
        ("HasDuration", "12 h", {"HasDuration": 43200.0}, (12.0, "h", "12", "h"), set()),
        ("HasDuration", "90 min", {"HasDuration": 5400.0}, (1.5, "h", "90", "min"), set()),
        ("HasMass", "-7.4477 g", {"HasMass": -0.0074477}, (-7.4477, "g", "-7.4477", "g"), set()),
        ("HasMass", "0.5 g", {"HasMass": 0.6}, (0.5, "g", "0.5", "g"), {"M132"}),
        ("HasVolume", "1.1 ml", {"HasVolume": 1.1e-06}, (1.1, "mL", "1.1", "ml"), set()),
        ("HasVolume", None, {"HasVolume": 1.1e-06}, (0.0011, "L", "1.1e-06", None), set()),
        ("HasNumberOfEntities", "11", {"HasNumberOfEntities": 11.0}, (11.0, "1", "11", None), set()),
        ("HasPressure", None, {}, (None, None, None, None), {"M047"}),
        ("HasDuration", "1,500 h", {"HasDuration": 5400000.0}, (None, None, "1,500", "h"), {"M046"}),
    ],
)
def test_value(tmp_path: Path, asked: str, written: str | None, said: dict[str, Any], expected: tuple[Any, ...], codes: set[str]) -> None:
    run = MAKE.Run(1, "Drying Protocol")
    step = run.step(10, "Drying", "2026-03-02T06:00:00+00:00", "2026-03-02T18:00:00+00:00")
    names = {"HasMass": "PredryingMass01", "HasDuration": "Duration", "HasPressure": "Pressure"}
    run.parameter(step, 1, names.get(asked, "Anything"), asked, written, **said)
    found, seen = one(tmp_path, run)
    row = found["process_parameter"][0]
    assert (row["value_num"], row["unit"], row["value_raw"], row["unit_raw"]) == expected
    assert row["quality"] == ("missing" if written is None and not said else "uncertain" if "M046" in codes else "good")
    assert set(seen) == codes


def test_texts_in_identifiers() -> None:
    assert plain_text("pilot:4-2C3_h", ("LabObject",)) == "4,3 h"
    assert plain_text("pilot:-2D7.4_g", ("LabObject",)) == "-7.4 g"
    assert plain_text("pilot:110_-C2-B0C", ("LabObject",)) == "110 °C"
    assert plain_text("pilot:DryCell@en", ("LabObject",)) == "DryCell"
    assert plain_text("LabObject:OSL1-23O0001", ("LabObject",)) == "LabObject:OSL1-23O0001"
    assert amount("0.5041000000000002 g") == ("0.5041000000000002", "g") and amount("V1.34") == ("V1.34", "")
    assert words("PredryingMass02") == ("predrying mass", 2) and words("MagazineSelection 7") == ("magazine selection", 7)


def test_rules_find_what_cannot_be() -> None:
    codes = {finding.code for finding in bdx.validate([str(FIXTURES / "formats/kiprobatt/faults/input")]).findings}
    assert {"P001", "P004", "M130", "M131", "F305"} <= codes
    assert not {"P001", "P002", "P003", "P004"} & {finding.code for finding in bdx.validate([str(LINE)]).findings}
    found, _, _ = read(FIXTURES / "formats/kiprobatt/faults/input")
    backwards = [row for row in found["process_step"] if row["ended_at"] < row["started_at"]]
    assert len(backwards) == 1 and len(found["process_step"]) == 3
    concluded = [edge for edge in found["genealogy"] if edge["is_estimated"]]
    assert [json.loads(edge["extra"]) for edge in concluded] == [{"concluded": "run"}]
    assert sum(json.loads(row["extra"]).get("open_slots") is not None for row in found["process_step"]) == 1


def test_objects_alike_share_an_edge_that_names_one_of_them(tmp_path: Path) -> None:
    run = MAKE.Run(5, "Separation Protocol")
    foil, sheets = run.object(90, "ElectrodeFoil"), [run.object(number, "Magazine1", output=True) for number in (1, 2, 3)]
    said = {"HasInput": MAKE.ref(foil), "HasOutput": MAKE.ref(sheets[0])}
    run.step(10, "Electrode Foil Separation", "2026-03-02T06:00:00+00:00", "2026-03-02T07:00:00+00:00", **said)
    found, codes = one(tmp_path, run)
    assert [(row["input_item_id"], row["output_item_id"], row["is_estimated"]) for row in found["genealogy"]] == [
        (foil, sheet, number > 0) for number, sheet in enumerate(sheets)
    ]
    assert codes == {"M133": 2}
    assert [row["item_kind"] for row in found["item"]] == ["raw_material_lot", "magazine", "magazine", "magazine"]
    assert all(row["produced_by_step_run_id"] for row in found["item"][1:])


def test_the_order_of_files_and_batches_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _, _ = read(LINE)
    monkeypatch.setattr("bdx.mapping.kipro_rows._WORTH", 1)
    pieces, _, _ = read(LINE)
    assert {name: rows for name, rows in whole.items() if name != "source"} == {n: r for n, r in pieces.items() if n != "source"}


def test_a_folder_is_known_by_a_later_file(tmp_path: Path) -> None:
    shutil.copytree(LINE, tmp_path / "set")
    (tmp_path / "set/about.json").write_text('{"title": "pilot line"}', "utf-8")
    found, codes, opened = read(tmp_path / "set")
    assert opened.format.id == "kiprobatt" and codes == {"F307": 1} and len(found["process_step"]) == 5


def test_others_are_not_taken(tmp_path: Path) -> None:
    for case in sorted((FIXTURES / "formats").iterdir()):
        if case.name == "kiprobatt":
            continue
        for path in sorted(case.glob("*/input.json*")):
            try:
                assert formats.detect(Source(str(path))).id != "kiprobatt", path
            except SourceError:
                continue
    (tmp_path / "about.json").write_text('{"title": "pilot line"}', "utf-8")
    with pytest.raises(UnknownFormat):
        formats.detect(Source(str(tmp_path)))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b'{"colour": "blue"}', CorruptSource),
        (b"[1, 2]", CorruptSource),
        (b'{"@context": {}, "@graph": [', BdxError),
        (b'{"@graph": "\x81"}', CorruptSource),
        (b'{"@graph": ' + b"[" * 5000 + b"]" * 5000 + b"}", UnsafeSource),
    ],
)
def test_refused(data: bytes, error: type[BdxError]) -> None:
    with pytest.raises(error):
        read("-", from_format="kiprobatt", stdin=io.BytesIO(data))


def test_a_file_that_is_too_long_is_refused() -> None:
    facts = {**spec.format_spec("kiprobatt").raw, "limits": {"file_bytes": 100}}
    source = Source("-", stdin=io.BytesIO(b'{"@graph": []}' + b" " * 100))
    with pytest.raises(UnsafeSource, match="more than 100 bytes"):
        list(formats.read(source, replace(spec.format_spec("kiprobatt"), raw=facts)))


def test_damaged_graphs_raise_only_errors_of_bdx() -> None:
    whole = (FIXTURES / "formats/kiprobatt/single/input.jsonld").read_bytes()
    for cut in flipped_and_cut(whole, 5, 150, 5):
        try:
            read("-", from_format="kiprobatt", stdin=io.BytesIO(cut))
        except BdxError:
            continue


ODD = [
    None,
    True,
    7,
    -1.5,
    "",
    "x",
    "a:b",
    [],
    [[]],
    {},
    {"@id": None},
    {"@id": 5},
    {"@value": {}},
    [{"@id": "LabObject:OSL1"}] * 3,
    "-2C" * 9,
]


def test_nodes_of_odd_shapes_raise_only_errors_of_bdx() -> None:
    chance = random.Random(6)
    for _ in range(200):
        nodes = json.loads((FIXTURES / "formats/kiprobatt/single/input.jsonld").read_bytes())["@graph"]
        for node in nodes:
            for key in list(node):
                if chance.random() < 0.25:
                    node[key] = chance.choice(ODD)
        if chance.random() < 0.5:
            nodes.insert(0, chance.choice(ODD))
        try:
            read("-", from_format="kiprobatt", stdin=io.BytesIO(json.dumps({"@context": {}, "@graph": nodes}).encode()))
        except BdxError:
            continue


def test_many_alike_do_not_multiply(tmp_path: Path) -> None:
    run = MAKE.Run(5, "Separation Protocol")
    foils, sheets = [run.object(n, "Foil") for n in range(3000)], [run.object(n + 5000, "Magazine1", output=True) for n in range(3000)]
    said = {"HasInput": MAKE.ref(foils[0]), "HasOutput": MAKE.ref(sheets[0])}
    run.step(10, "Electrode Foil Separation", "2026-03-02T06:00:00+00:00", "2026-03-02T07:00:00+00:00", **said)
    found, _ = one(tmp_path, run)
    assert len(found["genealogy"]) == 1


def raw_counts(folder: Path) -> Counter[str]:
    """Count over the JSON as it stands, by nothing that bdx reads with."""
    found: Counter[str] = Counter()
    for path in folder.glob("*.jsonld"):
        data = path.read_bytes()
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("cp1252")
            found["cp1252"] += 1
        nodes = json.loads(text).get("@graph", [])
        found["empty"] += not nodes
        for node in nodes:
            types = node.get("@type", [])
            asked = json.dumps(node.get("Property:HasProperty", ""))
            found["steps"] += "Category:ProcessStepInstance" in types
            found["objects"] += "Category:LabProcess-2FObject" in types
            if "Category:LabProcess-2FParameter-2FInstance" not in types:
                continue
            if "HasFile" in asked:
                found["files"] += 1
            elif "HasPredecessor" in asked:
                found["links"] += 1
                found["open"] += "Property:HasPredecessor" not in node
            else:
                found["values"] += 1
                wanted = "Property:HasTool" if "HasTool" in asked else "Property:HasValue"
                found["without"] += wanted not in node
                mass = node.get("Property:HasMass")
                found["negative"] += isinstance(mass, float) and mass < 0
    return found


@needs_samples
def test_samples_are_counted_alike() -> None:
    folder = SAMPLES / "kiprobatt/jsonld"
    wanted = raw_counts(folder)
    found, codes, opened = read(folder)
    slots = [edge for edge in found["genealogy"] if "slot" in json.loads(edge["extra"])]
    results = found.get("quality_result", [])
    values = found["process_parameter"] + results
    masses = [row for row in found["process_parameter"] if "mass" in row["parameter_code"] and (row["value_num"] or 0) < 0]
    assert opened.format.id == "kiprobatt"
    assert len(found["process_step"]) == wanted["steps"] and len(found["item"]) == wanted["objects"] and len(values) == wanted["values"]
    assert codes["M130"] == wanted["open"] and len(slots) + codes["M130"] == wanted["links"]
    assert sum(row["value_num"] is None and row["value_text"] is None for row in values) == codes["M047"] == wanted["without"]
    assert len(masses) == wanted["negative"]
    assert codes["F305"] == wanted["cp1252"] and codes["F306"] == wanted["empty"]
    assert sum(len(json.loads(row["extra"]).get("files", [])) for row in found["process_step"]) == wanted["files"]
    assert {row["quality"] for row in values} <= {"good", "missing"}
    duration = {(row["value_raw"], row["unit_raw"], row["value_num"]) for row in values if row["parameter_code"] == "duration"}
    assert ("4,3", "h", 4.3) in duration


@needs_samples
def test_a_whole_sample_set_is_one_source() -> None:
    found, _, opened = read(SAMPLES / "kiprobatt")
    assert opened.format.id == "kiprobatt"
    assert len(found["test"]) == len(list((SAMPLES / "kiprobatt/maccor-stats").iterdir()))
    assert len({row["test_id"] for row in found["cycle"]}) == len(found["test"])
