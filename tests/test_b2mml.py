"""B2MML: what the reader yields, refuses and survives, and what its mapping makes of it."""

# ruff: noqa: E501 - a message reads better with one element to the line

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from damaging import cut_and_flipped

from bdx import canon, mapping, spec
from bdx.canon import Log
from bdx.errors import BdxError, CorruptSource, SourceError, TruncatedSource, UnsafeSource, UnsupportedVersion, UsageError
from bdx.formats import b2mml
from bdx.formats.source import Source
from bdx.mapping import vocabulary
from bdx.mapping.segment_rows import Seen
from bdx.mapping.segment_values import parse

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
CASES = sorted((FIXTURES / "formats/b2mml").iterdir())
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/mes"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="sample files are not here")


def documents(data: bytes | Path, log: Log | None = None) -> list[canon.Document]:
    return list(b2mml.read(_source(data, log or Log()), spec.format_spec("b2mml")))  # type: ignore[arg-type]


def tables(data: bytes | Path, **options: Any) -> tuple[dict[str, pa.Table], Log]:
    log = Log()
    facts = spec.format_spec("b2mml")
    context = mapping.Context("test.xml", "s1", log, options=options)
    found: dict[str, list[pa.RecordBatch]] = {}
    for chunk in mapping.to_canonical(b2mml.read(_source(data, log), facts), facts, context):
        for name, batch in chunk.items():
            assert batch.num_rows <= canon.BATCH_ROWS
            found.setdefault(name, []).append(batch)
    return {name: pa.Table.from_batches(batches) for name, batches in found.items()}, log


def rows(found: dict[str, pa.Table], name: str) -> list[dict[str, Any]]:
    return found[name].to_pylist() if name in found else []


def codes(log: Log) -> set[str]:
    return {found.code for found in log.findings}


def _source(data: bytes | Path, log: Log) -> Source:
    return Source("-", log, io.BytesIO(data)) if isinstance(data, bytes) else Source(str(data), log)


def message(*segments: str, namespace: str = ' xmlns="http://www.mesa.org/xml/B2MML"') -> bytes:
    inside = "".join(segments)
    return f"<OperationsPerformance{namespace}><OperationsResponse>{inside}</OperationsResponse></OperationsPerformance>".encode()


def parameter(name: str, text: str, unit: str = "") -> str:
    return (
        f"<SegmentData><ID>{name}</ID><Value><ValueString>{text}</ValueString><UnitOfMeasure>{unit}</UnitOfMeasure></Value></SegmentData>"
    )


def step(ident: str, *inside: str, name: str = "coating") -> str:
    return f"<SegmentResponse><ID>{ident}</ID><ProcessSegmentID>{name}</ProcessSegmentID>{''.join(inside)}</SegmentResponse>"


def actual(use: str, lot: str = "", sublot: str = "", quantity: str = "", unit: str = "", inside: str = "") -> str:
    parts = f"<MaterialLotID>{lot}</MaterialLotID>" if lot else ""
    parts += f"<MaterialSubLotID>{sublot}</MaterialSubLotID>" if sublot else ""
    parts += f"<MaterialUse>{use}</MaterialUse>"
    if quantity:
        parts += f"<Quantity><QuantityString>{quantity}</QuantityString><UnitOfMeasure>{unit}</UnitOfMeasure></Quantity>"
    return f"<MaterialActual>{parts}{inside}</MaterialActual>"


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_fixture(case: Path) -> None:
    expected = json.loads((case / "expect.json").read_text("utf-8"))
    (path,) = case.glob("input.*")
    assert b2mml.sniff(path.read_bytes()[:65_536], spec.format_spec("b2mml"))
    found, log = tables(path)
    assert set(found) == set(expected["tables"])
    for name, facts in expected["tables"].items():
        assert found[name].num_rows == facts["rows"], name
        for column, marks in facts.get("columns", {}).items():
            values = found[name][column].to_pylist()
            stated = [value for value in values if value is not None]
            ends = {"first": stated[0] if stated else None, "last": stated[-1] if stated else None, "nulls": len(values) - len(stated)}
            for mark, value in marks.items():
                got = ends[mark] if isinstance(ends[mark], int | float) else str(ends[mark])
                assert got == value, (name, column, mark)
    assert codes(log) == set(expected["findings"])


def test_older_version_says_the_same() -> None:
    new, _ = tables(FIXTURES / "formats/b2mml/v7-small/input.xml")
    old, _ = tables(FIXTURES / "formats/b2mml/v6-nested/input.xml")
    for name in ("item", "genealogy", "equipment"):
        assert new[name].drop_columns(["locator"]) == old[name].drop_columns(["locator"])
    mine, other = rows(new, "process_step")[0], rows(old, "process_step")[1]
    for column in ("step_run_id", "step_code", "started_at", "ended_at", "qty_in", "qty_good", "qty_unit", "state", "equipment_id"):
        assert mine[column] == other[column] is not None, column


def test_nested_segments_come_before_the_one_they_are_part_of() -> None:
    inner = step("C", f"<SegmentResponseChild><ID>G</ID></SegmentResponseChild>{parameter('web_speed', '1', 'm/min')}")
    data = message(f"<SegmentResponse><ID>P</ID>{inner}</SegmentResponse>", step("Q"))
    found = documents(data)
    assert [doc.value["segment"]["ID"] for doc in found] == ["G", "C", "P", "Q"]
    steps = rows(tables(data)[0], "process_step")
    assert [(row["step_run_id"], row["parent_step_run_id"], row["step_seq"]) for row in steps] == [
        ("G", "C", 3), ("C", "P", 2), ("P", None, 1), ("Q", None, 4),
    ]  # fmt: skip


def test_nested_in_a_segment_without_identifier() -> None:
    data = message(f"<SegmentResponse>{step('C')}</SegmentResponse>", f"<SegmentResponse><ID>C</ID>{step('D')}</SegmentResponse>")
    steps = rows(tables(data)[0], "process_step")
    assert [(row["step_run_id"], row["parent_step_run_id"]) for row in steps] == [
        ("C", "s1:segment-1"), ("s1:segment-1", None), ("D", "C#3"), ("C#3", None),
    ]  # fmt: skip


def test_what_a_level_says_after_its_segments_is_kept() -> None:
    data = message(step("A"), step("B"), "<ResponseState>Completed</ResponseState>")
    found = rows(tables(data)[0], "process_step")
    assert found[0]["extra"] is None
    assert json.loads(found[1]["extra"]) == {"after OperationsResponse/ResponseState": "Completed"}


def test_unknown_elements_and_attributes_are_kept_by_path() -> None:
    data = message(
        '<SegmentResponse><ID schemeName="Fullname">A</ID><ProcessSegmentID>coating</ProcessSegmentID>'
        '<ScrapQuantity>3</ScrapQuantity><x:Recipe xmlns:x="urn:vendor"><x:ID>R7</x:ID></x:Recipe></SegmentResponse>'
    )
    extra = json.loads(rows(tables(data)[0], "process_step")[0]["extra"])
    assert extra == {"ID/@schemeName": "Fullname", "ScrapQuantity": "3", "{urn:vendor}Recipe": {"{urn:vendor}ID": "R7"}}


def test_a_person_fills_the_column_of_persons_and_stands_nowhere_else() -> None:
    person = "<PersonnelActual><PersonID>Erika M.</PersonID></PersonnelActual>"
    named = "<PersonnelActual><PersonID>Max</PersonID><Description>Max Mustermann</Description></PersonnelActual>"
    found, log = tables(message(step("A", person, named)))
    assert [(loss.what, loss.count) for loss in log.losses] == [("PersonnelActual", 1)]
    assert [row["operator_ref"] for row in rows(found, "process_step")] == ["Erika M."]
    told = [{**row, "operator_ref": None} for table in found.values() for row in table.to_pylist()]
    assert not any("Erika" in str(row) or "Max" in str(row) for row in told)


def test_prefixes_and_own_namespaces_do_not_matter() -> None:
    text = message(step("A")).decode().replace(' xmlns="http://www.mesa.org/xml/B2MML"', "")
    prefixed = text.replace("</", "</m:").replace("<", "<m:").replace("<m:/m:", "</m:")
    prefixed = prefixed.replace("<m:OperationsPerformance>", '<m:OperationsPerformance xmlns:m="urn:plant:messages">')
    found, log = tables(prefixed.encode())
    assert rows(found, "process_step")[0]["step_run_id"] == "A"
    assert not codes(log)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "iso-8859-1", "gb18030"])
def test_encodings(encoding: str) -> None:
    declared = "utf-8" if encoding.startswith("utf-8") else "utf-16" if encoding.startswith("utf-16") else encoding
    word = "涂布" if encoding not in ("cp1252", "iso-8859-1") else "Längsschneiden"
    text = f'<?xml version="1.0" encoding="{declared}"?>' + message(step("A", name=word)).decode()
    data = text.encode(encoding)
    assert b2mml.sniff(data, spec.format_spec("b2mml"))
    assert rows(tables(data)[0], "process_step")[0]["step_name_raw"] == word


def test_wrong_encodings_are_named() -> None:
    body = message(step("A", name="Längsschneiden")).decode()
    with pytest.raises(CorruptSource, match="line 1, column"):
        documents(body.encode("cp1252"))
    with pytest.raises(CorruptSource, match="encoding"):
        documents(f'<?xml version="1.0" encoding="klingon"?>{body}'.encode())
    with pytest.raises(CorruptSource, match="gb18030"):
        documents(b'<?xml version="1.0" encoding="gb18030"?><a>\xff\xff</a>')


DOCTYPES = {
    "external entity": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    "many laughs": '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;"><!ENTITY z "&y;&y;&y;&y;">]>',
    "external subset": '<!DOCTYPE a SYSTEM "http://example.com/a.dtd">',
}


@pytest.mark.parametrize("doctype", DOCTYPES.values(), ids=DOCTYPES)
def test_document_types_are_refused(doctype: str) -> None:
    with pytest.raises(UnsafeSource, match="document type"):
        documents(doctype.encode() + message(step("A")))


def test_excess_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "<SegmentResponseChild>" * 100 + "</SegmentResponseChild>" * 100
    with pytest.raises(UnsafeSource, match="deep"):
        documents(message(step("A", deep)))
    with pytest.raises(UnsafeSource, match="deep"):
        documents(message(step("A", "<X>" * 100 + "</X>" * 100)))
    assert len(documents(message(step("A", "<SegmentResponseChild>" * 50 + "</SegmentResponseChild>" * 50)))) == 51
    with pytest.raises(UnsafeSource, match="text of one element"):
        documents(message(step("A", "<X>" + "x" * 1_100_000 + "</X>")))
    with pytest.raises(UnsafeSource, match="attributes"):
        documents(message(step("A", "<X " + " ".join(f'a{n}="1"' for n in range(65)) + "/>")))
    with pytest.raises(UnsafeSource, match="attributes"):
        documents(message(step("A", f'<X a="{"y" * 70_000}"/>')))
    with pytest.raises(UnsafeSource, match="element names"):
        documents(message(step("A", "".join(f"<X{n}/>" for n in range(5_000)))))
    with pytest.raises(UnsafeSource, match="exceeds"):
        documents(message(step("A", "<X>some text</X>" * 1_200_000)))


REFUSED = (
    "GetOperationsPerformance",
    "AcknowledgeMaterialLot",
    "GetMaterialInformation",
    "SyncProductDefinition",
    "WorkSchedule",
    "ConfirmBOD",
)


@pytest.mark.parametrize("root", REFUSED)
def test_other_messages_are_recognised_and_refused_by_name(root: str) -> None:
    data = f'<{root} xmlns="http://www.mesa.org/xml/B2MML"><DataArea/></{root}>'.encode()
    assert b2mml.sniff(data, spec.format_spec("b2mml"))
    with pytest.raises(UnsupportedVersion, match=root):
        documents(data)


@pytest.mark.parametrize("root", ["BatchProductionRecord", "BatchInformation", "SyncBatchInformation"])
def test_batch_messages_are_left_to_others_and_refused_by_name(root: str) -> None:
    data = f'<{root} xmlns="http://www.mesa.org/xml/B2MML"><DataArea/></{root}>'.encode()
    assert not b2mml.sniff(data, spec.format_spec("b2mml"))
    with pytest.raises(UnsupportedVersion, match=root):
        documents(data)


@pytest.mark.parametrize(
    "text", ["<html><body/></html>", '{"a": 1}', "", "<Equipment/>", "<a><OperationsPerformance/></a>", "<?xml version='1.0'?>"]
)
def test_other_files_are_not_taken_for_b2mml(text: str) -> None:
    assert not b2mml.sniff(text.encode(), spec.format_spec("b2mml"))


def test_envelopes_are_opened() -> None:
    data = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>' + message(step("A")) + b"</s:Body></s:Envelope>"
    assert b2mml.sniff(data, spec.format_spec("b2mml"))
    assert len(documents(data)) == 1


def test_malformed_and_cut_files_say_where() -> None:
    data = message(step("A"), "\n", step("B"))
    with pytest.raises(TruncatedSource, match="line 2"):
        documents(data[:-30])
    with pytest.raises(CorruptSource, match=r"line 2, column \d+"):
        documents(data.replace(b"</ProcessSegmentID></SegmentResponse></Op", b"</X></SegmentResponse></Op"))
    with pytest.raises(CorruptSource, match="undefined entity"):
        documents(message(step("A", "<X>&nosuch;</X>")))


def test_cut_and_flipped_bytes_raise_only_source_errors() -> None:
    data = (FIXTURES / "formats/b2mml/v7-small/input.xml").read_bytes()
    for broken in cut_and_flipped(data, 42, 400):
        b2mml.sniff(broken, spec.format_spec("b2mml"))
        try:
            tables(broken)
        except SourceError:
            continue
        except BdxError as error:
            pytest.fail(f"{type(error).__name__}: {error}")


def test_the_result_does_not_depend_on_blocks_and_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    path = FIXTURES / "world/line.xml"
    whole, log = tables(path)
    monkeypatch.setattr(b2mml, "BLOCK", 61)
    monkeypatch.setattr(canon, "BATCH_ROWS", 50)
    pieces, other = tables(path)
    assert {name: table.to_pylist() for name, table in whole.items()} == {name: table.to_pylist() for name, table in pieces.items()}
    assert [found.message for found in log.findings] == [found.message for found in other.findings]
    assert pieces["genealogy"].column(0).num_chunks > 3


@pytest.mark.parametrize(
    ("text", "number", "ambiguous"),
    [
        ("800.000", 800.0, False), ("1,5", 1.5, False), ("0,125", 0.125, False), ("1,500", None, True), ("-12,345", None, True),
        ("1.234,5", 1234.5, False), ("1,234.5", 1234.5, False), ("1234,567", 1234.567, False), ("1e3", 1000.0, False), ("1_000", None, False),
        ("nan", None, False), ("INF", None, False), ("12 kg", None, False), ("1,2,3", None, False), ("1.2.3", None, False),
        ("12.34,5", None, False), (",5", None, False), ("+7", 7.0, False), ("1,", None, False), ("٣", 3.0, False), ("²,5", None, False),
    ],
)  # fmt: skip
def test_numbers(text: str, number: float | None, ambiguous: bool) -> None:
    assert parse(text) == (number, ambiguous)


def test_units_are_converted_kept_or_named() -> None:
    data = message(
        step(
            "A", parameter("mixing_time", "2", "h"), parameter("temperature", "300", "K"), parameter("web_speed", "5"), parameter("web_speed", "5", "knots"),
            parameter("web_speed", "5", "bar"), parameter("Own", "5", "bar"), parameter("Own", "0010"), parameter("layers", "7"), parameter("Temperatur Soll", "60", "°C"),
        )
    )  # fmt: skip
    found, log = tables(data)
    got = [(row["value_num"], row["unit"], row["unit_raw"], row["quality"], row["role"]) for row in rows(found, "process_parameter")]
    assert got == [
        (120.0, "min", "h", "good", "actual"),
        (26.85, "degC", "K", "good", "actual"),
        (5.0, None, None, "uncertain", "actual"),
        (5.0, None, "knots", "uncertain", "actual"),
        (5.0, "bar", "bar", "uncertain", "actual"),
        (5.0, "bar", "bar", "good", "actual"),
        (None, None, None, "good", "actual"),
        (7.0, "1", None, "good", "actual"),
        (60.0, "degC", "°C", "good", "setpoint"),
    ]
    assert codes(log) == {"M041", "M042", "M043", "M044"}
    assert "'Own'" in next(finding.message for finding in log.findings if finding.code == "M041")


def test_times() -> None:
    def ends(raw: str, **options: str) -> tuple[Any, str | None]:
        row = rows(tables(message(step("A", f"<ActualEndTime>{raw}</ActualEndTime>")), **options)[0], "process_step")[0]
        assert row["ended_raw"] == raw
        return row["ended_at"] and row["ended_at"].isoformat(), row["tz_basis"]

    assert ends("2026-03-02T12:00:00+01:00") == ("2026-03-02T11:00:00+00:00", "offset")
    assert ends("\n2024-01-11T02:01:18.000Z") == ("2024-01-11T02:01:18+00:00", "offset")
    assert ends("2012-11-29T11:58:25.3149559+01:00") == ("2012-11-29T10:58:25.314955+00:00", "offset")
    assert ends("2026-07-01T12:00:00") == (None, "unknown")
    assert ends("2026-07-01T12:00:00", assume_tz="Europe/Berlin") == ("2026-07-01T10:00:00+00:00", "assumed")
    assert ends("2026-10-25T02:30:00", assume_tz="Europe/Berlin") == (None, "unknown"), "the hour that is there twice"
    assert ends("2026-07-01") == (None, "date_only")
    assert ends("yesterday") == (None, "unknown")
    assert ends("0001-01-01T00:00:00+14:00") == (None, "unknown"), "before the first day of the calendar"
    assert ends("") == (None, None)
    with pytest.raises(UsageError, match="IANA"):
        ends("2026-07-01T12:00:00", assume_tz="Mars/Base")


def test_genealogy_of_several_in_and_out_is_estimated() -> None:
    two = [actual("Consumed", "I1", quantity="2", unit="kg"), actual("Consumed", "I2", quantity="3", unit="kg")]
    found, log = tables(message(step("A", *two, actual("Produced", "O1"), actual("Produced", "O2"))))
    edges = rows(found, "genealogy")
    assert len(edges) == 4
    assert all(edge["is_estimated"] and edge["quantity"] is None for edge in edges)
    assert "M054" in codes(log)
    kept = {(row["item_id"], row["value_num"]) for row in rows(found, "process_parameter") if row["parameter_code"] == "consumed_quantity"}
    assert kept == {("I1", 2.0), ("I2", 3.0)}


def test_quantities_of_one_lot_add_up_on_its_edge() -> None:
    taken = [actual("Consumed", "I1", quantity=text, unit="kg") for text in ("9.6", "0.2")]
    edges = rows(tables(message(step("A", *taken, actual("Produced", "O1"))))[0], "genealogy")
    assert [(edge["quantity"], edge["unit"]) for edge in edges] == [(pytest.approx(9.8), "kg")]


def test_assembly_names_its_parts_exactly() -> None:
    part = actual("Consumed", sublot="C{n}", quantity="1", unit="C62").replace("MaterialActual", "AssemblyActual")
    packs = [
        actual("Produced", "L", f"P{n}", "1", "C62", part.replace("{n}", str(2 * n)) + part.replace("{n}", str(2 * n + 1))) for n in (1, 2)
    ]
    listed = [actual("Consumed", sublot=f"C{n}", quantity="1", unit="C62") for n in (2, 3, 4, 5)]
    found, log = tables(message(step("A", *packs, *listed, name="module_assembly")))
    edges = {(row["input_item_id"], row["output_item_id"], row["relation"], row["is_estimated"]) for row in rows(found, "genealogy")}
    assert edges == {(f"C{n}", f"P{n // 2}", "assembled", False) for n in (2, 3, 4, 5)}
    assert "M054" not in codes(log)
    items = {row["item_id"]: row for row in rows(found, "item")}
    assert (items["P1"]["item_kind"], items["P1"]["serial_number"], items["P1"]["lot_id"]) == ("module", "P1", "L")
    assert items["C2"]["serial_number"] == "C2"


def test_an_item_that_passes_through_is_not_its_own_parent() -> None:
    data = message(
        step("S", actual("Produced", sublot="C1", quantity="1", unit="C62"), name="stacking"),
        step(
            "F",
            actual("Consumed", sublot="C1"),
            actual("Consumed", "EL", quantity="5", unit="g"),
            actual("Produced", sublot="C1"),
            name="formation",
        ),
    )
    found, log = tables(data)
    assert [(row["input_item_id"], row["output_item_id"]) for row in rows(found, "genealogy")] == [("EL", "C1")]
    assert [row["item_id"] for row in rows(found, "item")] == ["C1", "EL"]
    assert "M055" not in codes(log)


def test_scrap_samples_and_by_products_are_not_good_quantity() -> None:
    other = '<MaterialUse OtherValue="Ausschuss">Other</MaterialUse>'
    scrap = actual("X", "S1", quantity="12", unit="m").replace("<MaterialUse>X</MaterialUse>", other)
    sample = actual("Destructive Sample", "T1", quantity="1", unit="m")
    data = message(
        step("A", actual("Consumed", "I", quantity="451", unit="m"), actual("Produced", "O", quantity="438", unit="m"), scrap, sample)
    )
    found, _ = tables(data)
    row = rows(found, "process_step")[0]
    assert (row["qty_in"], row["qty_good"], row["qty_scrap"], row["qty_unit"]) == (451.0, 438.0, 12.0, "m")
    assert {row["item_id"]: row["item_kind"] for row in rows(found, "item")} == {
        "I": None,
        "O": "coated_roll",
        "S1": "scrap",
        "T1": "sample",
    }
    assert {row["output_item_id"]: row["relation"] for row in rows(found, "genealogy")} == {
        "O": "transformed",
        "S1": "transformed",
        "T1": "sampled",
    }


def test_items_consumed_before_they_are_produced_do_not_contradict() -> None:
    data = message(step("B", actual("Consumed", "L1"), name="slurry_mixing"), step("A", actual("Produced", "L1", quantity="3", unit="kg")))
    mine = [row for row in rows(tables(data)[0], "item") if row["item_id"] == "L1"]
    assert len(mine) == 2
    for column in mine[0]:
        if column not in ("locator", "extra"):
            assert None in (mine[0][column], mine[1][column]) or mine[0][column] == mine[1][column], column


def test_a_measured_mass_is_the_mass_of_the_item() -> None:
    test = (
        "<TestResult><ID>T</ID><EvaluatedCriterionResult>n.i.O.</EvaluatedCriterionResult><PropertyMeasurement><ID>Gewicht</ID>"
        "<Value><ValueString>70,25</ValueString><UnitOfMeasure>g</UnitOfMeasure></Value></PropertyMeasurement></TestResult>"
    )
    found, _ = tables(message(step("A", actual("Produced", sublot="C1", quantity="1", unit="C62", inside=test))))
    assert rows(found, "item")[0]["mass_kg"] == 0.07025
    result = rows(found, "quality_result")[0]
    assert (result["characteristic_code"], result["verdict"], result["item_id"], result["step_run_id"]) == ("mass", "fail", "C1", "A")


def test_a_verdict_without_measurement_is_a_result() -> None:
    test = "<TestResult><ID>Sichtprüfung</ID><EvaluatedCriterionResult>Pass</EvaluatedCriterionResult></TestResult>"
    result = rows(tables(message(step("A", actual("Produced", "L", inside=test))))[0], "quality_result")
    assert [(row["characteristic_name_raw"], row["verdict"], row["value_raw"]) for row in result] == [("Sichtprüfung", "pass", None)]


def test_vocabulary() -> None:
    assert vocabulary.step("Längsschneiden").code == "slitting"  # type: ignore[union-attr]
    assert vocabulary.step("注液").produces == "filled_cell"  # type: ignore[union-attr]
    assert vocabulary.step("calendering_pass_2").code == "calendering"  # type: ignore[union-attr]
    assert vocabulary.step("0815") is None
    assert vocabulary.step("") is None
    assert vocabulary.parameter("Oven-Zone-Temperature 3").index == 3  # type: ignore[union-attr]
    assert vocabulary.parameter("zone_2", "oven_zone_temperature").code == "oven_zone_temperature"  # type: ignore[union-attr]
    assert vocabulary.parameter("zone_2") is None
    assert vocabulary.parameter("温度设定值").role == "setpoint"  # type: ignore[union-attr]


def test_seen_forgets_the_oldest_in_bounded_memory() -> None:
    seen = Seen(limit=10)
    assert all(seen.add(str(number)) for number in range(100))
    assert not seen.add("99")
    assert seen.add("0")


@needs_samples
def test_samples_by_eye() -> None:
    found, log = tables(SAMPLES / "b2mml-synthetic/operations_performance_v0701_pilot_line.xml")
    assert {name: table.num_rows for name, table in found.items()} == {
        "process_step": 3, "process_parameter": 5, "item": 7, "genealogy": 7, "quality_result": 2, "equipment": 3,
    }  # fmt: skip
    assert not log.findings and not log.losses
    step = rows(found, "process_step")[1]
    assert (step["step_run_id"], step["qty_good"], step["qty_scrap"], step["site_id"], step["order_id"]) == (
        "SR-COAT-1",
        438.0,
        12.0,
        "PILOT-1",
        "PO-1001",
    )
    assert rows(found, "quality_result")[0]["condition"] == "shear_rate=10 1/s"
    courbon, _ = tables(SAMPLES / "b2mml/PES-20121229115825-53107.xml")
    item = rows(courbon, "item")[0]
    assert (item["item_id"], item["lot_id"], item["material_definition_id"], item["serial_number"]) == (
        "430147330000056734",
        "CRBN0001_LOT01",
        "CRBN0001",
        None,
    )
    assert [row["value_text"] for row in rows(courbon, "process_parameter")][1] == "0010"
    wild, log = tables(SAMPLES / "b2mml/wild_aspen_apem_ProductionPerformance_no_namespace.xml")
    assert rows(wild, "process_step")[0]["qty_good"] == 800.0
    assert {"F060", "M052", "M053"} <= codes(log)


@needs_samples
@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("batchml/ProductionBatchRecord_Example_v06.xml", "BatchProductionRecord"),
        ("batchml/cough_syrup_pmw.xml", "BatchInformation"),
        ("b2mml/mtconnect_asset_wrapping_b2mml_v0600.xml", "ProductDefinition"),
        ("batchml/RABatchRecord.xsd", "no message"),
    ],
)
def test_samples_of_other_messages(path: str, match: str) -> None:
    file = SAMPLES / path
    assert not b2mml.sniff(file.read_bytes()[:65_536], spec.format_spec("b2mml"))
    with pytest.raises(UnsupportedVersion, match=match):
        documents(file)


@needs_samples
@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("world/line.xml", "v0701/AllSchemas.xsd"),
        ("formats/b2mml/v7-small/input.xml", "v0701/AllSchemas.xsd"),
        ("formats/b2mml/v6-nested/input.xml", "v0600/B2MML-V0600-OperationsPerformance.xsd"),
        ("formats/b2mml/material-v7/input.xml", "v0701/AllSchemas.xsd"),
        ("formats/b2mml/material-v6/input.xml", "v0600/B2MML-V0600-Material.xsd"),
        ("formats/b2mml/material-change/input.xml", "v0701/AllSchemas.xsd"),
        ("formats/b2mml/tests-v7/input.xml", "v0701/AllSchemas.xsd"),
        ("formats/b2mml/equipment-v7/input.xml", "v0701/AllSchemas.xsd"),
        ("formats/b2mml/events-v7/input.xml", "v0701/AllSchemas.xsd"),
        ("formats/b2mml/jobs-v7/input.xml", "v0701/AllSchemas.xsd"),
    ],
)
def test_generated_messages_are_valid(path: str, schema: str) -> None:
    etree = pytest.importorskip("lxml.etree")
    etree.XMLSchema(etree.parse(SAMPLES / "b2mml-xsd" / schema)).assertValid(etree.parse(FIXTURES / path))
