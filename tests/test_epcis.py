"""EPCIS: what the reader yields, refuses and survives, what its mapping makes of it, and what is written."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bdx import canon, formats, mapping, spec, units
from bdx.canon import Log
from bdx.errors import BdxError, CorruptSource, SinkError, TruncatedSource, UnsafeSource, UnsupportedVersion
from bdx.formats import epcis
from bdx.formats.source import Source
from bdx.mapping.epcis_names import Names, gln

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
CASES = sorted((FIXTURES / "formats/epcis").iterdir())
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="sample files are not here")
FORMAT = spec.format_spec("epcis")
NAMES = Names(spec.facts("mappings", "epcis"))
CONTEXT = "https://ref.gs1.org/standards/epcis/epcis-context.jsonld"


def source(data: bytes | Path, log: Log | None = None) -> Source:
    return Source("-", log, io.BytesIO(data)) if isinstance(data, bytes) else Source(str(data), log)


def chunks(data: bytes | Path) -> tuple[list[canon.Chunk], Log]:
    log = Log()
    context = mapping.Context("test.json", "s1", log)
    return list(mapping.to_canonical(epcis.read(source(data, log), FORMAT), FORMAT, context)), log


def rows(found: list[canon.Chunk], name: str) -> list[dict[str, Any]]:
    return [row for chunk in found if name in chunk for row in chunk[name].to_pylist()]


def written(found: list[canon.Chunk], *, lines: bool = False) -> tuple[bytes, Log]:
    log = Log()
    sink = io.BytesIO()
    epcis.write(mapping.from_canonical(found, FORMAT, mapping.Context("test", "s1", log)), sink, FORMAT, lines=lines)
    return sink.getvalue(), log


def document(*events: dict[str, Any]) -> bytes:
    body = {"eventList": list(events)}
    head = {"@context": CONTEXT, "type": "EPCISDocument", "schemaVersion": "2.0", "creationDate": "2026-03-06T12:00:00Z"}
    return json.dumps({**head, "epcisBody": body}).encode()


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "eventTime": "2026-03-02T07:00:00+01:00", "eventTimeZoneOffset": "+01:00", **fields}


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_fixture(case: Path) -> None:
    expected = json.loads((case / "expect.json").read_text("utf-8"))
    assert formats.detect(source(case / "input.json")).id == "epcis"
    found, log = chunks(case / "input.json")
    assert {name for chunk in found for name in chunk} == set(expected["tables"])
    for name, facts in expected["tables"].items():
        held = rows(found, name)
        assert len(held) == facts["rows"], name
        for column, marks in facts.get("columns", {}).items():
            values = [row[column] for row in held]
            stated = [value for value in values if value is not None]
            got = {"first": stated[0], "last": stated[-1], "nulls": len(values) - len(stated)}
            for mark, value in marks.items():
                assert (got[mark] if isinstance(got[mark], int | float) else str(got[mark])) == value, (name, column, mark)
    assert {found.code for found in log.findings} == set(expected["findings"])


@pytest.mark.parametrize(
    ("uri", "granularity", "gtin", "lot", "serial"),
    [
        ("urn:epc:id:sgtin:4012345.011122.25", "serial", "04012345111224", None, "25"),
        ("urn:epc:class:lgtin:4012345.012345.998877", "lot", "04012345123456", "998877", None),
        ("urn:epc:idpat:sgtin:4012345.098765.*", None, "04012345987652", None, None),
        ("urn:epc:id:grai:4012345.55555.987", "carrier", None, None, None),
        ("urn:epc:id:sscc:0614141.1234567890", "carrier", None, None, None),
        ("https://id.gs1.org/01/00614141777778/10/987", "lot", "00614141777778", "987", None),
        ("https://example.com/x/01/04012345666663/10/L1/21/7", "serial", "04012345666663", "L1", "7"),
        ("https://id.gs1.org/01/04012345666663", None, "04012345666663", None, None),
        ("https://id.gs1.org/8004/4000001111", "serial", None, None, "4000001111"),
        ("urn:example:thing", None, None, None, None),
    ],
)
def test_what_an_identifier_names(uri: str, granularity: str | None, gtin: str | None, lot: str | None, serial: str | None) -> None:
    named = NAMES.named(uri)
    assert (named.item_id, named.granularity, named.gtin, named.lot, named.serial) == (uri, granularity, gtin, lot, serial)


@pytest.mark.parametrize("text", ["L-1", "Rolle 7/a", "批次 3", "C:1", "", "50%"])
def test_own_identifiers_come_back(text: str) -> None:
    uri, own = NAMES.uri(text, "item")
    assert own
    assert uri.isascii()
    assert NAMES.named(uri).item_id == text


def test_location_numbers() -> None:
    assert gln("urn:epc:id:sgln:4012345.00001.0") == "4012345000016"
    assert gln("https://id.gs1.org/414/9521234000044") == "9521234000044"
    assert gln("urn:example:hall-2") is None


def test_codes_of_units_come_back() -> None:
    for name, code in spec.facts("mappings", "epcis")["uom"].items():
        assert units.unit(code).name == name


def test_parts_of_a_transformation_are_joined() -> None:
    first = event("TransformationEvent", eventID="urn:x:1", transformationID="urn:x:t", inputEPCList=["urn:x:a"])
    second = event(
        "TransformationEvent", eventID="urn:x:2", transformationID="urn:x:t", inputEPCList=["urn:x:b"], outputEPCList=["urn:x:c"]
    )
    found, _ = chunks(document(first, second))
    assert [(row["input_item_id"], row["output_item_id"]) for row in rows(found, "genealogy")] == [
        ("urn:x:a", "urn:x:c"),
        ("urn:x:b", "urn:x:c"),
    ]


def test_many_by_many_is_estimated_and_too_many_is_a_loss() -> None:
    wide = [f"urn:x:{number}" for number in range(400)]
    found, log = chunks(document(event("TransformationEvent", inputEPCList=wide, outputEPCList=[f"{name}-o" for name in wide])))
    assert not rows(found, "genealogy")
    assert log.losses[0].what.startswith("400 x 400")
    found, _ = chunks(document(event("TransformationEvent", inputEPCList=wide[:2], outputEPCList=["urn:x:o", "urn:x:p"])))
    assert [row["is_estimated"] for row in rows(found, "genealogy")] == [True] * 4


def test_time_without_offset_takes_the_one_stated() -> None:
    told = event("ObjectEvent", epcList=["urn:x:a"], action="ADD")
    found, log = chunks(document({**told, "eventTime": "2026-03-02T07:00:00"}))
    step = rows(found, "process_step")[0]
    assert (str(step["ended_at"]), step["tz_basis"]) == ("2026-03-02 06:00:00+00:00", "assumed")
    assert "F241" in {found.code for found in log.findings}


def test_extensions_come_back() -> None:
    told = event("ObjectEvent", eventID="urn:x:1", action="ADD", epcList=["urn:x:a"], bizStep="commissioning", ilmd={"ex:grade": "A"})
    told["ex:field"] = {"ex:deep": [1, 2.5, None]}
    again = json.loads(written(chunks(document(told))[0])[0])
    assert again["epcisBody"]["eventList"] == [told | {"eventID": "urn:x:1"}]
    assert again["creationDate"] == "2026-03-06T12:00:00Z"


def told(found: list[canon.Chunk], name: str) -> list[dict[str, Any]]:
    """Return the rows of a table without places; words of the standard count as the same however they are prefixed."""
    kept = [{key: value for key, value in row.items() if key not in ("extra", "locator")} for row in rows(found, name)]
    return [row | {"step_name_raw": NAMES.word(row["step_name_raw"])} if row.get("step_name_raw") else row for row in kept]


@pytest.mark.parametrize("case", [case for case in CASES if case.name not in ("empty", "faults")], ids=lambda path: path.name)
def test_round_trip(case: Path) -> None:
    found, _ = chunks(case / "input.json")
    data, log = written(found)
    again, _ = chunks(data)
    assert not log.losses
    for name in ("process_step", "item", "genealogy", "quality_result", "equipment"):
        assert told(found, name) == told(again, name), name
    assert written(again)[0] == data


def test_lines_are_single_events() -> None:
    found, _ = chunks(FIXTURES / "formats/epcis/document/input.json")
    lines = written(found, lines=True)[0].splitlines()
    assert len(lines) == 5
    assert all("@context" in json.loads(line) for line in lines)


def plant() -> list[canon.Chunk]:
    """Return canonical rows of a plant that knows no URIs, its tables in chunks of their own as a data set has them."""
    at = "2026-03-02T06:00:00+00:00"
    step = {"step_run_id": "SR 1", "step_code": "slurry_mixing", "ended_at": _time(at), "started_at": _time(at), "order_id": "PO-7"}
    edge = {"relation": "consumed", "step_run_id": "SR 1", "match_basis": "scan", "is_estimated": False}
    return [
        {"process_step": canon.from_rows("process_step", [step])},
        {
            "genealogy": canon.from_rows(
                "genealogy",
                [
                    {**edge, "input_item_id": "NMC-L778", "output_item_id": "SL-1", "quantity": 9.6, "unit": "kg"},
                    {**edge, "input_item_id": "PVDF-L12", "output_item_id": "SL-1"},
                    {**edge, "input_item_id": "C1", "output_item_id": "M1", "relation": "assembled", "removed_at": _time(at)},
                ],
            )
        },
        {
            "item": canon.from_rows(
                "item", [{"item_id": "SL-1", "granularity": "lot", "quantity": 9.8, "quantity_unit": "kg"}, {"item_id": "X"}]
            )
        },
        {"timeseries": canon.batch("timeseries", {"voltage_volt": pa.array([1.0])})},
    ]


def _time(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)


def test_rows_without_uris_are_written_and_what_is_lost_is_named() -> None:
    data, log = written(plant())
    events = json.loads(data)["epcisBody"]["eventList"]
    assert [(event["type"], event.get("action")) for event in events] == [("TransformationEvent", None), ("AssociationEvent", "DELETE")]
    assert events[0]["inputQuantityList"] == [{"epcClass": "urn:bdx:item:NMC-L778", "quantity": 9.6, "uom": "KGM"}]
    assert events[0]["inputEPCList"] == ["urn:bdx:item:PVDF-L12"]
    assert events[0]["eventTime"] == "2026-03-02T06:00:00.000+00:00"
    assert all(event["eventID"].startswith("ni:///sha-256;") for event in events)
    assert {found.code for found in log.findings} == {"F253"}
    lost = {loss.what for loss in log.losses}
    assert {"process_step.started_at", "rows of timeseries", "items that no step made, used or measured"} <= lost
    again, _ = chunks(data)
    assert {row["step_run_id"] for row in rows(again, "genealogy")} == {"SR 1"}
    assert [row["step_code"] for row in rows(again, "process_step")] == ["slurry_mixing"]
    assert [(row["input_item_id"], row["output_item_id"], row["quantity"]) for row in rows(again, "genealogy")] == [
        ("PVDF-L12", "SL-1", None), ("NMC-L778", "SL-1", 9.6), ("C1", "M1", None),
    ]  # fmt: skip
    assert written(plant())[0] == data


def test_nothing_to_tell_is_refused() -> None:
    with pytest.raises(SinkError):
        written([{"timeseries": canon.batch("timeseries", {"voltage_volt": pa.array([1.0])})}])
    untimed = canon.from_rows("process_step", [{"step_run_id": "A", "step_code": "coating"}])
    with pytest.raises(SinkError):
        written([{"process_step": untimed}])


def test_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = chunks(FIXTURES / "formats/epcis/document/input.json")[0]
    monkeypatch.setattr("bdx.mapping.epcis_rows._WORTH", 1)
    monkeypatch.setattr("bdx.formats.epcis.CHUNK", 7)
    small = chunks(FIXTURES / "formats/epcis/document/input.json")[0]
    assert len(small) > len(whole)
    for name in ("process_step", "item", "genealogy", "quality_result", "equipment"):
        assert rows(small, name) == rows(whole, name)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b'{"type":"EPCISDocument","epcisBody":{"eventList":[{"type":"ObjectEvent"}', TruncatedSource),
        (b'{"type":"EPCISDocument","epcisBody":{"eventList":[{"type":"Obj', TruncatedSource),
        (b'{"type":"EPCISDocument","epcisBody":{"eventList":[7]}}', CorruptSource),
        (b'{"type":"EPCISDocument","epcisBody":{"eventList":[{"a":1} {"b":2}]}}', CorruptSource),
        (b'{"type":"EPCISDocument","epcisBody":{"eventList":[{"a":]}]}}', CorruptSource),
        (b'{"type":"EPCISDocument","epcisBody":{"eventList":[{"a":1}]}]', CorruptSource),
        (b'{"type":"EPCISDocument","epcisBody":{"eventList":[{"a":1,"a":2}]}}', CorruptSource),
        (b'{"type":"ObjectEvent","action":"ADD"} nonsense', CorruptSource),
        (b'{"type":"other"}', CorruptSource),
        (b'{"a":' * 300, UnsafeSource),
        (b'{"type":"EPCISDocument","epcisBody":{"eventList":[' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"]}}", UnsafeSource),
    ],
)
def test_hostile_bytes(data: bytes, error: type[BdxError]) -> None:
    with pytest.raises(error):
        chunks(data)


def test_an_event_beyond_bounds_is_refused() -> None:
    with pytest.raises(UnsafeSource):
        chunks(document(event("ObjectEvent", action="ADD", epcList=["x" * (17 << 20)])))


@pytest.mark.parametrize("seed", range(150))
def test_flipped_and_cut_files_fail_by_name(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray((FIXTURES / "formats/epcis" / chance.choice(("document", "faults", "lines")) / "input.json").read_bytes())
    for _ in range(chance.randrange(1, 6)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    if seed % 3 == 0:
        del data[chance.randrange(len(data)) :]
    try:
        found, _ = chunks(bytes(data))
        if found:
            written(found)
    except BdxError:
        return


@pytest.mark.parametrize("odd", [None, 7, "x", [], {}, [[]], [None], {"id": 3}, True])
def test_any_field_may_be_anything(odd: Any) -> None:
    fields = spec.facts("mappings", "epcis")["fields"]["standard"]
    for kind in FORMAT.raw["events"]:
        for name in fields:
            told = {**event(kind, action="ADD", parentID="urn:x:p", epcList=["urn:x:a"]), "childEPCs": ["urn:x:a"], name: odd}
            found, _ = chunks(document(told))
            try:
                written(found)
            except SinkError:
                continue


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b'2026-03-02 S6F11 W\n<L [2]\n  <U4 [1] 12>\n  <A "COATER">\n>.\n', "SECS/GEM"),
        (b'S1F13 W <L\n <A "COATER">\n>.\n', "SECS/GEM"),
        (bytes.fromhex("0000000affff0000000100000001"), "HSMS"),
        (b'{"MessageName": "CFX.Production.Processing.UnitsProcessed", "Version": "1.7"}', "IPC-CFX"),
        (b'{"topic":"spBv1.0/PLANT-1/DDATA/edge/coater","seq":4}\n{"topic":"spBv1.0/PLANT-1/DDATA/edge/coater"}\n', "Sparkplug"),
        (b'<?xml version="1.0"?><CAEXFile FileName="p.aml"/>', "AutomationML"),
        (b'<?xml version="1.0"?><UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd"/>', "nodeset"),
        ('<?xml version="1.0" encoding="UTF-16"?><q:QIFDocument/>'.encode("utf-16"), "QIF"),
        (b'<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:2"/>', "EPCIS events as XML"),
    ],
)
def test_known_and_refused(data: bytes, what: str) -> None:
    with pytest.raises(UnsupportedVersion, match=what):
        formats.detect(source(data))


SAMPLE_ROWS = {
    "doc_AggregationEvent_with_digitalLink.json": {"process_step": 1, "item": 5, "genealogy": 4},
    "doc_AssociationEvent.json": {"process_step": 2, "item": 5, "genealogy": 4},
    "doc_TransformationEvent_with_digitalLink.json": {"process_step": 1, "item": 9, "genealogy": 20},
    "doc_ObjectEvent_with_sensorData.json": {"process_step": 1, "item": 1, "quality_result": 12},
    "doc_ObjectEvent_with_error_declaration.json": {"process_step": 2, "item": 1},
    "event_AssociationEvent.json": {"process_step": 1, "item": 4, "genealogy": 3, "process_parameter": 2},
    "gs1_Example_9.6.4-TransformationEvent.jsonld": {"process_step": 1, "item": 9, "genealogy": 20},
    "coil_transformation-rolling.jsonld": {"process_step": 1, "item": 2, "genealogy": 1},
    "battery_state-of-health.jsonld": {"process_step": 1, "item": 1, "quality_result": 9},
}
INVALID = {
    "invalid_Combination_of_events_with_missing_mandatory_fields.json": {"F242"},
    "invalid_Combination_of_multiple_invalid_fields.json": {"F240", "F242", "F243", "F245"},
    "invalid_Combination_of_non_standard_bizStep_and_disposition.json": {"F243"},
    "invalid_EPCISDocument_without_context.json": {"F246"},
    "invalid_ObjectEvent_with_ilmd_field_without_namespace.json": {"F245"},
    "invalid_ObjectEvent_with_invalid_action.json": {"F242"},
    "invalid_ObjectEvent_with_non_standard_disposition.json": {"F243"},
    "invalid_ObjectEvent_without_action_and_eventTime.json": {"F240", "F242"},
}


def samples() -> list[Path]:
    found = [path for path in (SAMPLES / "mes/epcis").glob("*.json*") if "Schema" not in path.name]
    return sorted([*found, *(SAMPLES / "passport/openepcis_battery_events").rglob("*.jsonld")])


@needs_samples
@pytest.mark.parametrize("path", samples(), ids=lambda path: path.name)
def test_sample(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    valid = jsonschema.Draft7Validator(json.loads((SAMPLES / "mes/epcis/EPCIS-JSON-Schema.json").read_text("utf-8")))
    original = json.loads(path.read_text("utf-8"))
    assert formats.detect(source(path)).id == "epcis"
    found, log = chunks(path)
    assert len(rows(found, "process_step")) == len(original.get("epcisBody", {}).get("eventList", [0]))
    for name, count in SAMPLE_ROWS.get(path.name, {}).items():
        assert len(rows(found, name)) == count, name
    assert INVALID.get(path.name, set()) <= {found.code for found in log.findings}
    if path.name == "invalid_ObjectEvent_without_action_and_eventTime.json":
        return
    data = json.loads(written(found)[0])
    faults = sum(1 for _ in valid.iter_errors(data))
    # What is sound stays sound; what is not is at least no worse, and words and numbers in foreign clothes are put right.
    assert faults <= (0 if not any(valid.iter_errors(original)) else sum(1 for _ in valid.iter_errors(original)))


@needs_samples
@pytest.mark.parametrize("path", sorted([*SAMPLES.glob("mes/qif/*"), *SAMPLES.glob("mes/epcis/*.xml")]), ids=lambda path: path.name)
def test_sample_refused(path: Path) -> None:
    with pytest.raises(UnsupportedVersion, match="which is not read"):
        formats.detect(source(path))


@needs_samples
def test_a_line_of_b2mml_is_valid_as_events() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    valid = jsonschema.Draft7Validator(json.loads((SAMPLES / "mes/epcis/EPCIS-JSON-Schema.json").read_text("utf-8")))
    line = FIXTURES / "world/line.xml"
    b2mml = spec.format_spec("b2mml")
    found = list(mapping.to_canonical(formats.read(source(line), b2mml), b2mml, mapping.Context("line", "s1", Log())))
    data = json.loads(written(found)[0])
    assert not list(valid.iter_errors(data))
    ids = [event["eventID"] for event in data["epcisBody"]["eventList"]]
    assert len(ids) == len(set(ids)) > 100
    again, _ = chunks(json.dumps(data).encode())
    edges = {(row["input_item_id"], row["output_item_id"], row["step_run_id"]) for row in rows(found, "genealogy")}
    assert edges == {(row["input_item_id"], row["output_item_id"], row["step_run_id"]) for row in rows(again, "genealogy")}
