"""BatchML: what the reader yields and refuses, and what its mapping makes of records, recipes, traces, events and samples."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bdx import canon, formats, mapping, spec
from bdx.canon import Log
from bdx.errors import BdxError, UnsafeSource, UnsupportedVersion
from bdx.formats import batchml
from bdx.formats.source import Source

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "formats" / "batchml"
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/mes"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="sample files are not here")
XSI = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def source(data: bytes | Path, log: Log) -> Source:
    return Source("-", log, io.BytesIO(data)) if isinstance(data, bytes) else Source(str(data), log)


def chunks(data: bytes | Path, log: Log, **options: Any) -> Iterator[canon.Chunk]:
    facts = spec.format_spec("batchml")
    context = mapping.Context("record.xml", "s1", log, options=options)
    return mapping.to_canonical(batchml.read(source(data, log), facts), facts, context)


def tables(data: bytes | Path, **options: Any) -> tuple[dict[str, list[dict[str, Any]]], Log]:
    log = Log()
    found: dict[str, list[dict[str, Any]]] = {}
    for chunk in chunks(data, log, **options):
        for name, batch in chunk.items():
            assert batch.num_rows <= canon.BATCH_ROWS
            found.setdefault(name, []).extend(batch.to_pylist())
    return found, log


def record(*inside: str, namespace: str = "http://www.mesa.org/xml/B2MML", ident: str = "R-1", head: str = "") -> bytes:
    said = f' xmlns="{namespace}"' if namespace else ""
    text = f"<BatchProductionRecord{said}{XSI}><ID>{ident}</ID>{head}{''.join(inside)}</BatchProductionRecord>"
    return text.encode()


def tag(index: int, name: str, unit: str, kind: str = "double") -> str:
    inside = f"<TagIndex>{index}</TagIndex><DataType>{kind}</DataType><UnitOfMeasure>{unit}</UnitOfMeasure><Alias>{name}</Alias>"
    return f"<TagSpecification>{inside}</TagSpecification>"


def data_set(*inside: str, ident: str = "DS") -> str:
    return f"<DataSets><DataSet><EntryID>{ident}</EntryID>{''.join(inside)}</DataSet></DataSets>"


def block(text: str, between: str = ",", after: str = "|") -> str:
    marks = f"<TagDelimiter>{between}</TagDelimiter><OrderDelimiter>{after}</OrderDelimiter>"
    return f"<DelimitedDataBlock>{marks}<DelimitedData>{text}</DelimitedData></DelimitedDataBlock>"


def codes(log: Log) -> set[str]:
    return {found.code for found in log.findings}


@pytest.mark.parametrize("case", sorted(FIXTURES.iterdir()), ids=lambda path: path.name)
def test_fixtures_are_recognised_and_state_all_their_tables(case: Path) -> None:
    assert formats.detect(Source(str(case / "input.xml"))).id == "batchml"
    found, log = tables(case / "input.xml")
    expected = json.loads((case / "expect.json").read_text("utf-8"))
    assert {name: len(rows) for name, rows in found.items()} == {name: facts["rows"] for name, facts in expected["tables"].items()}
    assert codes(log) == set(expected["findings"])


def test_every_row_has_its_place_and_steps_stand_in_one_another() -> None:
    found, _ = tables(FIXTURES / "v7-mixing/input.xml")
    for name, rows in found.items():
        if name not in ("timeseries", "test"):
            assert all(row["locator"].startswith("line ") for row in rows), name
    parents = {row["step_run_id"]: row["parent_step_run_id"] for row in found["process_step"]}
    assert parents == {
        "BPR-42": None,
        "BPR-42/CR-MIX-36": "BPR-42",
        "BPR-42/CR-MIX-36/UP-01": "BPR-42/CR-MIX-36",
        "BPR-42/CR-MIX-36/UP-01/MIX-01": "BPR-42/CR-MIX-36/UP-01",
        "BPR-42/CR-MIX-36/UP-01/DOSE-01": "BPR-42/CR-MIX-36/UP-01",
        "SR-FILTER": "BPR-42",
    }
    lines = (FIXTURES / "v7-mixing/input.xml").read_text("utf-8").splitlines()
    for row in found["process_step"]:
        place = int(row["locator"].removeprefix("line "))
        assert f"<ID>{row['step_run_id'].rpartition('/')[2]}</ID>" in "".join(lines[place - 1 : place + 1])


def test_trace_belongs_to_the_step_its_tags_name_and_to_the_lot() -> None:
    found, _ = tables(FIXTURES / "v7-mixing/input.xml")
    (test,) = found["test"]
    assert (test["item_id"], test["step_run_id"]) == ("SL-042", "BPR-42/CR-MIX-36/UP-01/MIX-01")
    assert {row["test_id"] for row in found["timeseries"]} == {test["test_id"]}
    speeds = [row for row in found["process_parameter"] if row["parameter_code"] == "mixing_speed" and row["measured_at"]]
    assert [row["value_num"] for row in speeds] == [1200.0, 1201.0, 1202.0, 1203.0]
    assert [row["measured_at"].timestamp() for row in speeds] == [row["unix_time_second"] for row in found["timeseries"]]


def test_persons_fill_the_columns_of_persons_and_stand_nowhere_else() -> None:
    element = "<RuntimeRecipeElement><ID>P</ID><Performer>M. Muster</Performer></RuntimeRecipeElement>"
    recipe = f"<ExecutedControlRecipes><ExecutedControlRecipe><ID>C</ID>{element}</ExecutedControlRecipe></ExecutedControlRecipes>"
    event = "<Events><Event><EntryID>E</EntryID><EventType>Operator</EventType><PersonID>M. Muster</PersonID></Event></Events>"
    signed = "<PersonnelIdentifications><PersonnelIdentification><ID>S</ID><PersonName>M. Muster</PersonName><Reason>Approval</Reason></PersonnelIdentification></PersonnelIdentifications>"  # fmt: skip # noqa: E501
    found, log = tables(record(recipe, event, signed))
    assert [row["operator_ref"] for row in found["process_step"]] == ["M. Muster", None, None]
    for rows in found.values():
        for row in rows:
            assert "Muster" not in str({name: value for name, value in row.items() if name != "operator_ref"})
    assert json.loads(found["process_step"][-1]["extra"])["PersonnelIdentification"] == [{"ID": "S", "Reason": "Approval"}]
    assert sum(loss.count for loss in log.losses) == 2


def test_delimited_blocks() -> None:
    both = tag(1, "voltage", "mV") + tag(2, "current", "A")
    cases = {
        block("2026-03-02T07:00:00Z,3600,1|2026-03-02T07:00:01Z,3601,2"): "unix_time_second",
        block("0.5,3600,1|1.5,3601,2"): "test_time_second",
        block("3600,1\n3601,2\n", after="\n"): None,
        block("3600;1&#10;3601;2", between=";", after="LF"): None,
        block("3600\t1|3601\t2", between="TAB"): None,
    }
    for text, time in cases.items():
        found, log = tables(record(data_set(both, text)))
        assert [row["voltage_volt"] for row in found["timeseries"]] == [3.6, 3.601], text
        assert [row["current_ampere"] for row in found["timeseries"]] == [1.0, 2.0], text
        assert (time in found["timeseries"][0]) if time else ("M092" in codes(log))
        assert found["test"][0]["current_sign"] == "unproven"


def test_a_tag_may_be_the_time_and_order_of_tags_follows_their_index() -> None:
    tags = tag(2, "voltage", "V") + tag(1, "timestamp", "", "dateTime")
    found, log = tables(record(data_set(tags, block("2026-03-02T07:00:00Z,3.6|2026-03-02T07:00:01Z,3.7"))))
    assert [row["voltage_volt"] for row in found["timeseries"]] == [3.6, 3.7]
    assert "unix_time_second" in found["timeseries"][0]
    assert not codes(log) & {"M091", "M092"}


def test_times_without_zone_are_wall_time_until_a_zone_is_given() -> None:
    data = record(data_set(tag(1, "voltage", "V"), block("2026-03-02T07:00:00,3.6")))
    found, log = tables(data)
    assert str(found["timeseries"][0]["local_time"]) == "2026-03-02 07:00:00"
    assert "M048" in codes(log)
    found, log = tables(data, assume_tz="Europe/Berlin")
    assert found["timeseries"][0]["unix_time_second"] == 1772431200.0
    assert "M048" not in codes(log)


def test_a_tag_in_a_unit_of_another_quantity_or_none_is_no_column() -> None:
    tags = tag(1, "voltage", "kg") + tag(2, "current", "") + tag(3, "power", "W")
    found, _ = tables(record(data_set(tags, block("2026-03-02T07:00:00Z,1,2,3"))))
    assert set(found["timeseries"][0]) == {"test_id", "unix_time_second", "power_watt"}
    assert [(row["parameter_name_raw"], row["value_raw"], row["unit_raw"]) for row in found["process_parameter"]] == [
        ("voltage", "1", "kg"),
        ("current", "2", None),
    ]


def test_values_of_bad_quality_are_parameters_and_empty_in_the_series() -> None:
    rows = "<OrderedData><TimeValue>2026-03-02T07:00:00Z</TimeValue><DataValue><TagIndex>1</TagIndex><Value>9.99</Value><Quality>Bad</Quality></DataValue></OrderedData>"  # fmt: skip # noqa: E501
    found, _ = tables(record(data_set(tag(1, "voltage", "V"), rows)))
    assert found["timeseries"][0]["voltage_volt"] is None
    (kept,) = found["process_parameter"]
    assert (kept["quality"], kept["value_num"], kept["value_raw"]) == ("bad", 9.99, "9.99")


def test_a_set_of_other_tags_alone_makes_no_test_and_is_kept_with_the_record() -> None:
    found, _ = tables(record(data_set(tag(1, "mixing speed", "rpm"), block("2026-03-02T07:00:00Z,900"), ident="DS-9")))
    assert "test" not in found
    assert "timeseries" not in found
    assert found["process_parameter"][0]["group_path"] == "DataSets/DS-9"
    assert json.loads(found["process_step"][0]["extra"])["DataSets"][0]["ID"] == "DS-9"


def test_five_temperatures_take_the_five_sensors_and_a_sixth_is_a_parameter() -> None:
    tags = "".join(tag(number, "Temperatur", "Cel") for number in range(1, 7))
    found, _ = tables(record(data_set(tags, block("2026-03-02T07:00:00Z,1,2,3,4,5,6"))))
    assert [found["timeseries"][0][f"temperature_t{number}_celsius"] for number in range(1, 6)] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [row["value_num"] for row in found["process_parameter"]] == [6.0]


def test_two_records_in_one_message_do_not_mix() -> None:
    inner = "".join(
        f"<BatchProductionRecord><ID>R-{n}</ID><BatchID>B-{n}</BatchID><RecipeElements><RecipeElementRecord><RecipeElementType>"
        f"<ID>MIX</ID></RecipeElementType></RecipeElementRecord></RecipeElements><Events><Event><EntryID>E</EntryID>"
        f"<ProceduralElementReference>MIX</ProceduralElementReference></Event></Events></BatchProductionRecord>"
        for n in (1, 2)
    )
    data = (
        f'<SyncBatchProductionRecord xmlns="http://www.mesa.org/xml/B2MML"><DataArea><Sync/>{inner}</DataArea></SyncBatchProductionRecord>'
    )
    found, _ = tables(data.encode())
    assert [row["step_run_id"] for row in found["process_step"]] == ["R-1/MIX", "R-1", "R-2/MIX", "R-2"]
    assert [(row["step_run_id"], row["item_id"]) for row in found["process_parameter"]] == [("R-1/MIX", "B-1"), ("R-2/MIX", "B-2")]


def test_nested_records_and_vendor_elements() -> None:
    vendor = '<v:Tank xmlns:v="urn:acme"><v:Level unit="l">12</v:Level></v:Tank>'
    found, _ = tables(record(vendor, "<BatchProductionRecord><ID>R-2</ID></BatchProductionRecord>"))
    inner, outer = found["process_step"]
    assert (inner["step_run_id"], inner["parent_step_run_id"]) == ("R-1/R-2", "R-1")
    assert json.loads(outer["extra"])["{urn:acme}Tank"] == {"{urn:acme}Level": {"text": "12", "@unit": "l"}}


@pytest.mark.parametrize(
    ("root", "words"),
    [
        ("BatchInformation", "recipe"),
        ("MasterRecipe", "recipe"),
        ("SyncBatchInformation", "recipe"),
        ("GetBatchProductionRecord", "asks or answers"),
        ("AcknowledgeBatchProductionRecord", "asks or answers"),
    ],
)
def test_what_holds_no_record_is_named_and_refused(root: str, words: str) -> None:
    data = f'<{root} xmlns="http://www.wbf.org/xml/B2MML-V0401"><DataArea/></{root}>'.encode()
    assert formats.detect(Source("-", None, io.BytesIO(data))).id == "batchml"
    with pytest.raises(UnsupportedVersion, match=words):
        tables(data)


@pytest.mark.parametrize("text", ["<MasterRecipe/>", "<Equipment/>", "<html/>", '{"BatchProductionRecord": 1}', "BatchProductionRecord"])
def test_other_files_are_not_taken(text: str) -> None:
    assert not batchml.sniff(text.encode(), spec.format_spec("batchml"))


@pytest.mark.parametrize(
    "namespace", ["", "http://www.wbf.org/xml/b2mml-v0400", "http://www.mesa.org/xml/B2MML-V0600", "urn:plant:records"]
)
def test_namespaces_do_not_matter(namespace: str) -> None:
    found, log = tables(record(namespace=namespace, head="<BatchID>B</BatchID>"))
    assert found["item"][0]["item_id"] == "B"
    assert ("F060" in codes(log)) == (not namespace)


def test_envelopes_are_opened() -> None:
    inner = record().decode()
    data = f'<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><soap:Body>{inner}</soap:Body></soap:Envelope>'.encode()
    assert formats.detect(Source("-", None, io.BytesIO(data))).id == "batchml"
    assert tables(data)[0]["process_step"][0]["step_run_id"] == "R-1"


def test_memory_is_flat_in_the_length_of_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canon, "BATCH_ROWS", 1_000)

    class Rows(io.RawIOBase):
        """A record whose trace is made while it is read."""

        def __init__(self, count: int) -> None:
            start = record(data_set(tag(1, "voltage", "V"), "#")).decode().split("#")
            row = "<OrderedData><TimeValue>{}</TimeValue><DataValue><Value>3.6</Value></DataValue></OrderedData>"
            self.pieces = chain([start[0]], (row.format(number) for number in range(count)), [start[1]])
            self.left = b""

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            while len(self.left) < len(buffer):
                piece = next(self.pieces, None)
                if piece is None:
                    break
                self.left += piece.encode()
            taken, self.left = self.left[: len(buffer)], self.left[len(buffer) :]
            buffer[: len(taken)] = taken
            return len(taken)

    peaks = []
    for count in (4_000, 16_000):
        log = Log()
        facts = spec.format_spec("batchml")
        tracemalloc.start()
        parts = batchml.read(Source("-", log, io.BufferedReader(Rows(count), 1 << 16)), facts)  # type: ignore[arg-type]
        rows = sum(
            chunk["timeseries"].num_rows
            for chunk in mapping.to_canonical(parts, facts, mapping.Context("x", "s1", log))
            if "timeseries" in chunk
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert rows == count
    assert peaks[1] < peaks[0] * 1.5 + 1_000_000


def test_the_result_does_not_depend_on_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = tables(FIXTURES / "v7-mixing/input.xml")
    monkeypatch.setattr(canon, "BATCH_ROWS", 2)
    small, _ = tables(FIXTURES / "v7-mixing/input.xml")
    assert {name: len(rows) for name, rows in small.items()} == {name: len(rows) for name, rows in whole.items()}
    for name in ("process_step", "timeseries", "item", "quality_result"):
        assert small[name] == whole[name]


def test_excess_is_refused() -> None:
    with pytest.raises(UnsafeSource, match="nested more than"):
        tables(record("<a>" * 100 + "</a>" * 100))
    with pytest.raises(BdxError):
        tables(b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + record())


@needs_samples
def test_vendor_record_and_recipe_of_the_samples() -> None:
    path = SAMPLES / "batchml/ProductionBatchRecord_Example_v06.xml"
    found, log = tables(path)
    assert {name: len(rows) for name, rows in found.items()} == {"process_step": 17, "process_parameter": 39, "item": 1}
    events = [row for row in found["process_parameter"] if row["parameter_code"] == "event"]
    assert [row["step_run_id"].rpartition("|")[2] for row in events] == [
        "LIB-PH-PAVStrWException-01",
        "LIB-PH-PAVStr-05",
        "LIB-PH-PAVStr-05",
    ]
    assert json.loads(events[0]["extra"])["EventSubType/@Risk"] == "Low"
    assert sum(row["operator_ref"] == "mkuehne" for row in found["process_step"]) == 12
    assert not [row for rows in found.values() for row in rows if "mkuehne" in str({k: v for k, v in row.items() if k != "operator_ref"})]
    assert found["item"][0]["material_definition_id"] == "000399FG01"
    assert len(json.loads(found["process_step"][-1]["extra"])["Comments"]) == 2
    assert codes(log) == {"M040", "M041"}
    with pytest.raises(UnsupportedVersion, match="BatchInformation, a recipe"):
        tables(SAMPLES / "batchml/cough_syrup_pmw.xml")


@needs_samples
@pytest.mark.parametrize(
    ("case", "schema"), [("v7-mixing", "v0701/AllSchemas.xsd"), ("v4-delimited", "v0401/BatchML-V0401WD01-BatchProductionRecord.xsd")]
)
def test_generated_records_are_valid(case: str, schema: str) -> None:
    etree = pytest.importorskip("lxml.etree")
    judge = etree.XMLSchema(etree.parse(str(SAMPLES / "b2mml-xsd" / schema)))
    assert judge.validate(etree.parse(str(FIXTURES / case / "input.xml"))), judge.error_log


def test_batches_share_one_schema_per_trace() -> None:
    schemas: list[pa.Schema] = [
        chunk["timeseries"].schema for chunk in chunks(FIXTURES / "v7-mixing/input.xml", Log()) if "timeseries" in chunk
    ]
    assert len(set(map(str, schemas))) == 1
