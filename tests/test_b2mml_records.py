"""B2MML beyond performances: lots, test results, equipment, events, messages that correct, and messages in JSON."""

# ruff: noqa: E501 - a message reads better with one element to the line

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from damaging import cut_and_flipped

from bdx import canon, formats, mapping, spec
from bdx.canon import Log
from bdx.errors import BdxError, CorruptSource, SourceError, TruncatedSource, UnsafeSource, UnsupportedVersion
from bdx.formats import b2mml
from bdx.formats.source import Source

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/formats/b2mml"
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/mes/b2mml"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="sample files are not here")
NAMESPACE = ' xmlns="http://www.mesa.org/xml/B2MML"'


def tables(data: bytes | str | Path) -> tuple[dict[str, list[dict[str, Any]]], Log]:
    log = Log()
    facts = spec.format_spec("b2mml")
    source = (
        Source(str(data), log) if isinstance(data, Path) else Source("-", log, io.BytesIO(data.encode() if isinstance(data, str) else data))
    )
    found: dict[str, list[pa.RecordBatch]] = {}
    for chunk in mapping.to_canonical(b2mml.read(source, facts), facts, mapping.Context("test.xml", "s1", log)):
        for name, batch in chunk.items():
            assert batch.num_rows <= canon.BATCH_ROWS
            found.setdefault(name, []).append(batch)
    return {name: pa.Table.from_batches(batches).to_pylist() for name, batches in found.items()}, log


def codes(log: Log) -> set[str]:
    return {found.code for found in log.findings}


def transaction(root: str, verb: str, inside: str) -> str:
    return (
        f'<{root}{NAMESPACE} releaseID="x"><ApplicationArea><BODID>B</BODID></ApplicationArea><DataArea>{verb}{inside}</DataArea></{root}>'
    )


def lots(inside: str) -> str:
    return f"<MaterialInformation{NAMESPACE}>{inside}</MaterialInformation>"


def expression(code: str, path: str = "/DataArea/MaterialLot") -> str:
    return f'<Sync><ActionCriteria><ActionExpression actionCode="{code}">{path}</ActionExpression></ActionCriteria></Sync>'


STEP = "<OperationsPerformance><OperationsResponse><SegmentResponse><ID>{0}</ID><ProcessSegmentID>coating</ProcessSegmentID><EquipmentActual><EquipmentID>M1</EquipmentID></EquipmentActual><MaterialActual><MaterialLotID>IN</MaterialLotID><MaterialUse>Consumed</MaterialUse></MaterialActual><MaterialActual><MaterialLotID>OUT</MaterialLotID><MaterialUse>Produced</MaterialUse></MaterialActual></SegmentResponse></OperationsResponse></OperationsPerformance>"


@pytest.mark.parametrize("case", sorted(path.parent.name for path in FIXTURES.glob("*/expect.json")))
def test_fixtures_are_detected(case: str) -> None:
    (path,) = (FIXTURES / case).glob("input.*")
    assert formats.detect(Source(str(path))).id == "b2mml"


def test_definitions_name_lots_and_travel_with_the_first() -> None:
    found, log = tables(FIXTURES / "material-v7/input.xml")
    first = found["item"][0]
    extra = json.loads(first["extra"])
    assert (first["name"], first["material_class"]) == ("NMC 622 active material", "ACTIVE-MATERIAL")
    assert extra["collection/MaterialDefinition"] == [
        {"Description": "NMC 622 active material", "ID": "NMC622", "MaterialClassID": "ACTIVE-MATERIAL"}
    ]
    assert extra["collection/MaterialClass"][0]["ID"] == "ACTIVE-MATERIAL"
    assert extra["EffectiveEndDate"] == "2027-09-01T00:00:00+02:00"
    assert "EffectiveStartDate" not in extra, "a time in UTC says it all"
    assert not log.losses


def test_definitions_after_the_last_lot_travel_with_it_and_without_a_lot_are_lost() -> None:
    late = "<MaterialDefinition><ID>D</ID><Description>Name</Description></MaterialDefinition>"
    found, log = tables(
        lots(
            f"<MaterialLot><ID>A</ID></MaterialLot><MaterialLot><ID>B</ID><MaterialDefinitionID>D</MaterialDefinitionID></MaterialLot>{late}"
        )
    )
    assert [row["name"] for row in found["item"]] == [None, "Name"]
    assert json.loads(found["item"][1]["extra"]) == {"collection/MaterialDefinition": [{"Description": "Name", "ID": "D"}]}
    assert not log.losses
    found, log = tables(lots(late + late.replace("D<", "E<")))
    assert not found
    assert [(loss.what, loss.count) for loss in log.losses] == [("MaterialDefinition", 2)]


def test_sublots_stand_in_their_lot_wherever_its_identifier_is() -> None:
    inner = "<MaterialSubLot><ID>S1</ID></MaterialSubLot><MaterialSubLot><ID>S2</ID><MaterialLotID>L</MaterialLotID></MaterialSubLot>"
    for data in (lots(f"<MaterialLot><ID>L</ID>{inner}</MaterialLot>"), lots(f"<MaterialLot>{inner}<ID>L</ID></MaterialLot>")):
        found, _ = tables(data)
        edges = {(row["input_item_id"], row["output_item_id"], row["relation"], row["match_basis"]) for row in found["genealogy"]}
        assert edges == {("L", "S1", "split", "declared"), ("L", "S2", "split", "declared")}
        assert len(found["genealogy"]) == 2
        assert {row["item_id"] for row in found["item"]} == {"L", "S1", "S2"}


@pytest.mark.parametrize(
    ("lot", "sub"), [("AssemblyLot", "AssemblySubLot"), ("AssemblyLotID", "AssemblySubLotID"), ("AssemblyLotID", "AssemblySublotID")]
)
def test_parts_are_assembled(lot: str, sub: str) -> None:
    full = f"<{lot}><ID>A</ID><MaterialSubLot><ID>A.1</ID></MaterialSubLot><Status>ok</Status></{lot}>"
    found, _ = tables(lots(f"<MaterialLot><ID>P</ID>{full}<{sub}>C</{sub}></MaterialLot>"))
    edges = {(row["input_item_id"], row["output_item_id"], row["relation"]) for row in found["genealogy"]}
    assert edges == {("A", "P", "assembled"), ("A", "A.1", "split"), ("C", "P", "assembled")}
    kinds = {row["item_id"]: row["granularity"] for row in found["item"]}
    assert kinds == {"P": "lot", "A": "lot", "A.1": "sublot", "C": "sublot"}


@pytest.mark.parametrize("name", ["MaterialLotProperty", "MaterialSubLotProperty", "MaterialSublotProperty"])
def test_properties_by_any_of_their_names(name: str) -> None:
    inside = f"<{name}><ID>mass</ID><Value><ValueString>5,5</ValueString><UnitOfMeasure>g</UnitOfMeasure></Value></{name}>"
    found, _ = tables(f"<MaterialSubLot{NAMESPACE}><ID>S</ID>{inside}</MaterialSubLot>")
    (row,) = found["process_parameter"]
    assert (row["item_id"], row["role"], row["value_num"], row["unit"], row["value_raw"], row["step_run_id"]) == (
        "S",
        "material_property",
        0.0055,
        "kg",
        "5,5",
        None,
    )
    assert found["item"][0]["mass_kg"] == 0.0055


def test_unknown_elements_of_a_lot_are_kept() -> None:
    data = lots(
        '<ID>MI</ID><MaterialLot><ID schemeName="S">L</ID><PublishedDate>2026-01-01</PublishedDate><x:Own xmlns:x="urn:v">7</x:Own></MaterialLot><Later>1</Later>'
    )
    found, _ = tables(data)
    assert json.loads(found["item"][0]["extra"]) == {
        "ID/@schemeName": "S", "PublishedDate": "2026-01-01", "{urn:v}Own": "7", "collection/ID": "MI", "after MaterialInformation/Later": "1",
    }  # fmt: skip


def test_what_a_transaction_says_after_its_records_is_kept() -> None:
    data = transaction("SyncMaterialLot", "<Sync/>", "<MaterialLot><ID>A</ID></MaterialLot><MaterialLot><ID>B</ID></MaterialLot>").replace(
        "</DataArea>", "</DataArea><Trailer>t</Trailer>"
    )
    extra = [row["extra"] for row in tables(data)[0]["item"]]
    assert json.loads(extra[0]) == {"message/@releaseID": "x", "message/ApplicationArea": {"BODID": "B"}}
    assert json.loads(extra[1]) == {"after SyncMaterialLot/Trailer": "t"}


@pytest.mark.parametrize(
    ("root", "verb", "action"),
    [
        ("ChangeMaterialLot", "<Change/>", "change"),
        ("CancelMaterialLot", "<Cancel/>", "delete"),
        ("DeleteMaterialLot", "<Delete/>", "delete"),
        ("SyncMaterialLot", expression("Delete"), "delete"),
        ("SyncMaterialLot", expression("Delete", "/SyncMaterialLot/DataArea/MaterialLot[ID='L/1']"), "delete"),
        ("SyncMaterialLot", expression("Replace"), "change"),
        ("SyncMaterialLot", expression("Change", "/DataArea/MaterialLot/Status"), "change"),
        ("SyncMaterialLot", expression("Add"), None),
        ("SyncMaterialLot", "<Sync/>", None),
    ],
)
def test_corrections_of_lots(root: str, verb: str, action: str | None) -> None:
    data = transaction(
        root, verb, "<MaterialLot><ID>L</ID><MaterialSubLot><ID>S</ID></MaterialSubLot><AssemblyLot><ID>A</ID></AssemblyLot></MaterialLot>"
    )
    found, log = tables(data)
    assert {row["item_id"]: row["record_action"] for row in found["item"]} == {
        "L": action, "S": action, "A": None if action == "delete" else action,
    }  # fmt: skip
    assert {row["record_action"] for row in found["genealogy"]} == {action}
    assert [(one.code, one.count) for one in log.findings] == ([("M080", 2)] if action else [])


def test_a_cancelled_step_takes_away_what_it_made_and_nothing_else() -> None:
    found, _ = tables(transaction("CancelOperationsPerformance", "<Cancel/>", STEP.format("S")))
    assert {row["record_action"] for table in ("process_step", "genealogy") for row in found[table]} == {"delete"}
    assert {row["item_id"]: row["record_action"] for row in found["item"]} == {"IN": None, "OUT": "delete"}
    assert {row["record_action"] for row in found["equipment"]} == {None}


@pytest.mark.parametrize(
    ("verb", "match"),
    [
        (expression("Add") + expression("Delete").replace("Sync", "Process"), "at once"),
        (expression("Delete", "/DataArea/MaterialLot/Quantity"), "a part of what it holds"),
    ],
)
def test_corrections_that_no_row_can_say_are_refused(verb: str, match: str) -> None:
    with pytest.raises(UnsupportedVersion, match=match):
        tables(transaction("SyncMaterialLot", verb, "<MaterialLot><ID>L</ID></MaterialLot>"))


def test_tests_carry_their_specification() -> None:
    first, _, visual = tables(FIXTURES / "tests-v7/input.xml")[0]["quality_result"]
    assert (first["spec_id"], first["spec_version"], first["method"]) == ("TS-EOL", "3", "End of line")
    (carried,) = json.loads(first["extra"])["collection/TestSpecification"]
    assert carried["TestSpecificationCriteria"]["Expression"] == "OCV between 36.0 and 37.0 V"
    assert (visual["verdict"], visual["value_raw"], visual["item_id"]) == ("fail", None, "BX36-000042")


def test_a_test_result_that_says_nothing_is_still_a_row() -> None:
    (row,) = tables(f"<TestResult{NAMESPACE}><ID>T</ID></TestResult>")[0]["quality_result"]
    assert (row["result_id"], row["verdict"], row["value_raw"]) == ("T", None, None)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("<EquipmentLevel>WorkUnit</EquipmentLevel>", "WorkUnit"),
        ('<EquipmentLevel OtherValue="Cabinet">Other</EquipmentLevel>', "Cabinet"),
        ("<EquipmentLevel><EquipmentID>E</EquipmentID><EquipmentElementLevel>Unit</EquipmentElementLevel></EquipmentLevel>", "Unit"),
        ("<Location><EquipmentID>E</EquipmentID><EquipmentElementLevel>Area</EquipmentElementLevel></Location>", "Area"),
        ("", None),
    ],
)
def test_levels_of_equipment_in_any_version(level: str, expected: str | None) -> None:
    found, _ = tables(f"<EquipmentInformation{NAMESPACE}><Equipment><ID>E</ID>{level}</Equipment></EquipmentInformation>")
    assert [(row["equipment_id"], row["level"]) for row in found["equipment"]] == [("E", expected)]


def test_assets_and_what_they_stand_for() -> None:
    asset = "<PhysicalAsset><ID>A</ID><VendorID>Maker</VendorID><EquipmentAssetMapping><EquipmentID>E</EquipmentID><PhysicalAssetID>A</PhysicalAssetID><StartTime>2026-01-01T00:00:00Z</StartTime></EquipmentAssetMapping><PhysicalAssetChild><ID>A.1</ID></PhysicalAssetChild></PhysicalAsset>"
    found, _ = tables(f"<PhysicalAssetInformation{NAMESPACE}>{asset}</PhysicalAssetInformation>")
    rows = {row["equipment_id"]: row for row in found["equipment"]}
    assert {name: row["physical_asset_id"] for name, row in rows.items()} == {"A": "A", "A.1": "A.1", "E": "A"}
    assert (rows["A"]["manufacturer"], rows["A.1"]["parent_equipment_id"], str(rows["E"]["valid_from"])) == (
        "Maker",
        "A",
        "2026-01-01 00:00:00+00:00",
    )


def test_a_place_that_is_mentioned_and_described_is_one_row() -> None:
    scope = "<HierarchyScope><EquipmentID>PLANT</EquipmentID><EquipmentLevel>Site</EquipmentLevel></HierarchyScope>"
    found, _ = tables(
        f"<EquipmentInformation{NAMESPACE}>{scope}<Equipment><ID>M</ID>{scope}</Equipment><Equipment><ID>PLANT</ID><Description>Works</Description></Equipment></EquipmentInformation>"
    )
    assert {row["equipment_id"]: (row["name"], row["parent_equipment_id"]) for row in found["equipment"]} == {
        "M": (None, "PLANT"),
        "PLANT": ("Works", None),
    }
    assert len(found["equipment"]) == 2


@pytest.mark.parametrize(
    "noun", ["OperationsPerformance", "ProductionPerformance", "WorkPerformance", "WorkPerformaance", "JobResponseList"]
)
def test_performances_by_any_name(noun: str) -> None:
    found, _ = tables(
        f"<{noun}{NAMESPACE}><WorkResponse><JobResponse><ID>J</ID><workype>Production</workype><EndTime>2026-01-01T00:00:00Z</EndTime></JobResponse></WorkResponse></{noun}>"
    )
    (row,) = found["process_step"]
    assert (row["step_run_id"], row["step_type"], str(row["ended_at"])) == ("J", "production", "2026-01-01 00:00:00+00:00")


def test_bare_jobs() -> None:
    found, _ = tables(
        transaction(
            "SyncJobResponse",
            "<Sync/>",
            "<JobResponse><ID>A</ID><JobResponse><ID>A.1</ID></JobResponse></JobResponse><JobResponse><ID>B</ID></JobResponse>",
        )
    )
    assert [(row["step_run_id"], row["parent_step_run_id"]) for row in found["process_step"]] == [("A.1", "A"), ("A", None), ("B", None)]


@pytest.mark.parametrize(
    "around", ["<s:Envelope xmlns:s='urn:soap'><s:Header/><s:Body>{0}</s:Body></s:Envelope>", "<Export xmlns='urn:plant'>{0}</Export>"]
)
def test_messages_are_found_in_what_wraps_them(around: str) -> None:
    inner = transaction("SyncMaterialLot", "<Sync/>", "<MaterialLot><ID>L</ID></MaterialLot>")
    assert [row["item_id"] for row in tables(around.format(inner))[0]["item"]] == ["L"]
    with pytest.raises(UnsupportedVersion, match="holds ProductDefinition"):
        tables(around.format(f"<ProductDefinition{NAMESPACE}><ID>P</ID></ProductDefinition>"))
    with pytest.raises(UnsupportedVersion, match="GetMaterialLot"):
        tables(around.format(transaction("GetMaterialLot", "<Get/>", "<MaterialLot><ID>%</ID></MaterialLot>")))


def test_lots_and_steps_in_one_export() -> None:
    found, _ = tables(
        f"<Export{NAMESPACE}>{lots('<MaterialLot><ID>IN</ID></MaterialLot>')}{STEP.format('S')}<EquipmentInformation><Equipment><ID>M9</ID></Equipment></EquipmentInformation></Export>"
    )
    assert [row["step_run_id"] for row in found["process_step"]] == ["S"]
    assert {row["equipment_id"] for row in found["equipment"]} == {"M1", "M9"}
    assert {row["item_id"] for row in found["item"]} == {"IN", "OUT"}


@pytest.mark.parametrize("root", ["SyncMaterialLot", "ShowEquipmentInformation", "EquipmentInformation"])
def test_empty_messages_say_so(root: str) -> None:
    found, log = tables(f"<{root}{NAMESPACE}><DataArea/></{root}>")
    assert not found
    assert codes(log) == {"M082"}


def test_json_says_the_same_as_xml() -> None:
    for one, other in (("v7-small/input.xml", "v7-json/input.json"),):
        mine, theirs = tables(FIXTURES / one)[0], tables(FIXTURES / other)[0]
        assert mine.keys() == theirs.keys()
        for name, rows in mine.items():
            assert [{**row, "locator": ""} for row in rows] == [{**row, "locator": ""} for row in theirs[name]], name


@pytest.mark.parametrize(
    "text",
    [
        '{"MaterialLot":{"ID":"L","Quantity":{"QuantityString":800.000,"UnitOfMeasure":"kg"},"MaterialLotProperty":{"ID":"layers","Value":{"ValueString":{"$":"7","@unitCode":"C62"}}}}}',
        '[{"b:MaterialLot" : {"b:ID": ["L"], "Quantity": [{"QuantityString": {"$": 800.000}, "UnitOfMeasure":"kg"}], "Description": null, "MaterialLotProperty":[{"ID":"layers","Value":[{"ValueString":{"@unitCode":"C62","$":7}}]}]}}]',
    ],
)
def test_json_is_read_in_any_of_its_shapes(text: str) -> None:
    for data in (text.encode(), text.encode("utf-16"), b"\xef\xbb\xbf" + text.encode()):
        assert b2mml.sniff(data, spec.format_spec("b2mml"))
        found, log = tables(data)
        assert [(row["item_id"], row["quantity_raw"]) for row in found["item"]] == [("L", "800.000 kg")]
        assert [(row["value_raw"], row["unit_raw"]) for row in found["process_parameter"]] == [("7", "C62")]
        assert "F060" not in codes(log)


def test_json_lines_are_messages_of_their_own() -> None:
    lines = [json.dumps({"SyncMaterialLot": {"DataArea": {"Sync": {}, "MaterialLot": [{"ID": f"L{n}"}]}}}) for n in range(3)]
    found, _ = tables("\n".join([*lines, lines[0].replace("Sync", "Cancel")]))
    assert [(row["item_id"], row["record_action"]) for row in found["item"]] == [("L0", None), ("L1", None), ("L2", None), ("L0", "delete")]
    assert [row["locator"].split()[:2] for row in found["item"]] == [["line", str(n)] for n in range(1, 5)]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"MaterialLot": {"ID": "L"', TruncatedSource), ('{"MaterialLot": {"ID": "L', TruncatedSource), ('{"MaterialLot": tr', TruncatedSource),
        ('{"MaterialLot": {"ID": "L"}]', CorruptSource), ('{"MaterialLot": {"ID" "L"}}', CorruptSource), ('{"MaterialLot": {"ID": 00}}', CorruptSource),
        ('{"MaterialLot": [[{"ID": "L"}]]}', CorruptSource), ('{"MaterialLot": {"ID": "\\ud800"}}', CorruptSource), ('{"MaterialLot": {,}}', CorruptSource),
        ('{"MaterialLot": {"ID": "L"}} x', CorruptSource), ('["MaterialLot"]', CorruptSource), ('{"MaterialLot": {"ID": "a\nb"}}', CorruptSource),
        ('{"a": {"b": 1}}', UnsupportedVersion), ("{}", UnsupportedVersion), ("[]", UnsupportedVersion), ('{"GetMaterialLot": {}}', UnsupportedVersion),
        ('{"MaterialLot": ' + '{"X": ' * 70 + "1" + "}" * 71, UnsafeSource), ('{"MaterialLot": {"ID": "' + "x" * 1_100_000 + '"}}', UnsafeSource),
        ('{"MaterialLot": {' + ",".join(f'"X{n}": 1' for n in range(5_000)) + "}}", UnsafeSource),
        ('{"MaterialLot": {"X": [' + ",".join(['"some text"'] * 1_500_000) + "]}}", UnsafeSource),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else value[:30],
)  # fmt: skip
def test_broken_json(text: str, error: type[SourceError]) -> None:
    with pytest.raises(error):
        tables(text)


@pytest.mark.parametrize(
    "case",
    ["material-v7/input.xml", "record-oddities/input.xml", "material-lines/input.jsonl", "v7-json/input.json", "equipment-v7/input.xml"],
)
def test_cut_and_flipped_bytes_raise_only_source_errors(case: str) -> None:
    data = (FIXTURES / case).read_bytes()
    for broken in cut_and_flipped(data, 7, 150):
        b2mml.sniff(broken, spec.format_spec("b2mml"))
        try:
            tables(broken)
        except SourceError:
            continue
        except BdxError as error:
            pytest.fail(f"{type(error).__name__}: {error}")


@pytest.mark.parametrize("case", ["material-v7/input.xml", "material-lines/input.jsonl", "v7-json/input.json", "record-oddities/input.xml"])
def test_the_result_does_not_depend_on_blocks_and_batches(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, log = tables(FIXTURES / case)
    monkeypatch.setattr(b2mml, "BLOCK", 13)
    monkeypatch.setattr(canon, "BATCH_ROWS", 2)
    pieces, other = tables(FIXTURES / case)
    assert whole == pieces
    assert [found.message for found in log.findings] == [found.message for found in other.findings]


@pytest.mark.parametrize(
    "text",
    [
        '{"Equipment": {"name": "x"}}',
        '{"TestResult": [1, 2]}',
        '{"a": {"MaterialInformation": {}}}',
        "[]",
        "{}",
        '{"BatchProductionRecord": {"ID": "x"}}',
    ],
)
def test_other_json_is_not_taken_for_b2mml(text: str) -> None:
    assert not b2mml.sniff(text.encode(), spec.format_spec("b2mml"))


@needs_samples
def test_samples_by_eye() -> None:
    found, log = tables(SAMPLES / "LOT-20121210170718-0001L0001.xml")
    assert [(row["item_id"], row["status"], row["locator"]) for row in found["item"]] == [("CRBN0001_LOT01", "Valid", "line 13")]
    assert [(row["parameter_name_raw"], row["value_text"]) for row in found["process_parameter"]] == [
        ("ExpiryDate", "2013-12-08T00:00:00.0Z")
    ]
    found, log = tables(SAMPLES / "MAT-20121210170256-CRBN0001.xml")
    assert not found
    assert [(loss.what, loss.count) for loss in log.losses] == [("MaterialDefinition", 1)]
    plant, log = tables(SAMPLES / "amplab2mml_ShowEquipmentInformation_v0400.xml")
    rows = {row["equipment_id"]: row for row in plant["equipment"]}
    assert len(rows) == len(plant["equipment"]) == 8
    crusher = rows["AcmeMining.NorthMine.CrusherPlant"]
    assert (crusher["parent_equipment_id"], crusher["level"], crusher["class_id"], crusher["name"]) == (
        "AcmeMining.NorthMine",
        "Area",
        "Crusher.JawCrusher",
        "CrusherPlant",
    )
    assert json.loads(crusher["extra"])["ID/@schemeName"] == "Fullname"
    assert len(json.loads(rows["AcmeMining"]["extra"])["collection/EquipmentClass"]) == 2
    assert not log.findings and not log.losses
