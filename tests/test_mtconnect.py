"""MTConnect: what is read of streams, probes and adapters, how a probe lends its units, and what is refused and survived."""

from __future__ import annotations

import io
import json
import random
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from making import compared, generator

from bdx import canon, formats, mapping, spec
from bdx.canon import Chunk, Log, Table
from bdx.errors import BdxError, CorruptSource, SourceError, TruncatedSource, UnknownFormat, UnsafeSource, UnsupportedVersion
from bdx.formats import mtconnect
from bdx.formats.source import Source
from bdx.pipeline.reading import ReadOptions, open_source
from bdx.pipeline.reading import chunks as read_chunks

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/mes"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="sample files are not here")
FORMAT = spec.format_spec("mtconnect")
MAKE = generator("machines")


def source(data: bytes | str, log: Log | None = None) -> Source:
    return Source("-", log, io.BytesIO(data.encode() if isinstance(data, str) else data))


def chunks(data: bytes | str, run: dict[str, Any] | None = None, **options: Any) -> tuple[list[Chunk], Log]:
    log = Log()
    context = mapping.Context("test.xml", "s1", log, options={"run": run if run is not None else {}, **options})
    return list(mapping.to_canonical(mtconnect.read(source(data, log), FORMAT), FORMAT, context)), log


def rows(found: list[Chunk], name: str = "process_parameter") -> list[dict[str, Any]]:
    return [row for chunk in found if name in chunk for row in chunk[name].to_pylist()]


def codes(log: Log) -> list[str]:
    return [found.code for found in log.findings]


def stream(observations: str, category: str = "Samples", namespace: str = "urn:mtconnect.org:MTConnectStreams:2.0") -> str:
    return (
        f'<MTConnectStreams xmlns="{namespace}"><Streams><DeviceStream name="D" uuid="U"><ComponentStream component="Linear" '
        f'componentId="x" name="X"><{category}>{observations}</{category}></ComponentStream></DeviceStream></Streams></MTConnectStreams>'
    )


def test_the_fixtures_are_what_their_generator_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MAKE, "CASES", tmp_path / "formats")
    MAKE.main()
    made, differ = compared(tmp_path)
    assert made == 26 and not differ


def test_a_probe_lends_its_units_to_the_sources_after_it() -> None:
    run: dict[str, Any] = {}
    alone, log = chunks(MAKE.streams())
    assert "M110" in codes(log)
    pressure = [row for row in rows(alone) if row["parameter_name_raw"] == "chamber"]
    assert [(row["value_num"], row["unit"], row["quality"]) for row in pressure] == [
        (5000.0, None, "uncertain"),
        (4500.5, None, "uncertain"),
    ]
    machines = rows(chunks(MAKE.PROBE, run)[0], "equipment")
    assert [row["parent_equipment_id"] for row in machines] == [None, "FILL-01", "FILL-01/sys", "FILL-01/sys", "FILL-01", "FILL-01/ax"]
    found, log = chunks(MAKE.streams(), run)
    assert "M110" not in codes(log) and not rows(found, "equipment")
    pressure = [row for row in rows(found) if row["parameter_name_raw"] == "chamber"]
    assert [(row["value_num"], row["unit"], row["unit_raw"]) for row in pressure] == [(50.0, "mbar", "PASCAL"), (45.005, "mbar", "PASCAL")]
    assert [row["measured_at"].isoformat() for row in pressure] == ["2026-03-02T07:00:01.250000+00:00", "2026-03-02T07:00:02.250000+00:00"]
    assert [row["value_raw"] for row in pressure] == ["5000", "4500.5"]


def test_the_pipeline_hands_a_probe_on(tmp_path: Path) -> None:
    (tmp_path / "probe.xml").write_text(MAKE.PROBE)
    (tmp_path / "sample.xml").write_text(MAKE.streams())
    options = ReadOptions()
    units = []
    for number, name in enumerate(("probe.xml", "sample.xml"), 1):
        opened = open_source(str(tmp_path / name), number, options)
        units += [row["unit"] for row in rows(list(read_chunks(opened, options))) if row["parameter_code"] == "pressure"]
    assert units == ["mbar", "mbar"]


def test_an_identifier_of_another_kind_lends_no_unit() -> None:
    run: dict[str, Any] = {}
    chunks(MAKE.PROBE, run)
    text = stream('<Temperature dataItemId="p1" timestamp="2026-03-02T07:00:00Z" sequence="1">21</Temperature>').replace(
        'uuid="U"', 'uuid="FILL-01"'
    )
    found, log = chunks(text, run)
    assert [(row["value_num"], row["unit"]) for row in rows(found)] == [(21.0, None)] and codes(log) == ["M111"]


def test_vectors_series_sets_tables_and_conditions() -> None:
    run: dict[str, Any] = {}
    chunks(MAKE.PROBE, run)
    found = {}
    for row in rows(chunks(MAKE.streams(), run)[0]):
        found.setdefault(row["parameter_name_raw"], []).append(row)
    assert [(row["index"], row["value_num"]) for row in found["Zpos"]] == [(1, 1.5), (2, 2.5), (3, 3.5)]
    assert [row["value_num"] for row in found["vibration"]] == [1.0, 1.5, -0.5, 0.0]
    assert json.loads(found["vibration"][3]["extra"])["sampleRate"] == "100"
    assert [(row["condition"], row["value_text"], row["quality"]) for row in found["vars"]] == [
        ("R1", "5", "good"), ("R2", "LP57", "good"), ("R3", None, "missing"),
    ]  # fmt: skip
    assert [(row["condition"], row["value_num"]) for row in found["wo"]] == [("G54/X", 1.25), ("G54/Y", 2.0)]
    fault, normal = found["p1c"]
    assert (fault["parameter_code"], fault["value_text"], fault["value_raw"]) == ("condition", "Fault", "Leck über Ventil 3")
    assert json.loads(fault["extra"]) == {
        "category": "CONDITION", "dataItemId": "p1c", "nativeCode": "E7", "nativeSeverity": "3", "qualifier": "HIGH", "sequence": 105,
        "type": "PRESSURE",
    }  # fmt: skip
    assert normal["value_text"] == "Normal" and normal["value_num"] is None
    assert (found["pump"][0]["quality"], found["pump"][0]["value_num"], found["pump"][0]["value_raw"]) == ("missing", None, "UNAVAILABLE")
    assert (found["plate"][0]["statistic"], found["Zset"][0]["role"], found["pid"][0]["value_text"]) == ("mean", "setpoint", "0042")
    for row in (row for held in found.values() for row in held):
        assert row["extra"] == canon.dumps(json.loads(row["extra"]))


def test_both_versions_of_json_say_the_same() -> None:
    one, two = (rows(chunks(json.dumps(MAKE.as_json(version)))[0]) for version in (1, 2))
    assert one == two and len(one) == 9
    lines = "\n".join(json.dumps(MAKE.as_json(2)) for _ in range(3))
    assert len(rows(chunks(lines)[0])) == 27


def test_a_probe_as_json_says_what_the_xml_says() -> None:
    item = {"id": "p1", "name": "chamber", "type": "PRESSURE", "category": "SAMPLE", "units": "PASCAL"}
    device = {"id": "d1", "uuid": "FILL-01", "name": "Filling", "Description": {"manufacturer": "Beispiel", "value": "Filling"}}
    one = {"Components": [{"Pneumatic": {"id": "vac", "name": "vacuum", "DataItems": [{"DataItem": item}]}}]}
    two = {"Components": {"Pneumatic": [{"id": "vac", "name": "vacuum", "DataItems": {"DataItem": [item]}}]}}
    said = []
    for devices in ([{"Device": {**device, **one}}], {"Device": [{**device, **two}]}):
        run: dict[str, Any] = {}
        said.append(rows(chunks(json.dumps({"MTConnectDevices": {"Header": {"instanceId": 1}, "Devices": devices}}), run)[0], "equipment"))
        assert [row["unit"] for row in rows(chunks(MAKE.streams(), run)[0]) if row["parameter_name_raw"] == "chamber"] == ["mbar", "mbar"]
    assert said[0] == said[1] and [row["equipment_id"] for row in said[0]] == ["FILL-01", "FILL-01/vac"]
    assert said[0][0]["manufacturer"] == "Beispiel"


def test_keys_of_an_adapter_get_their_meaning_from_the_probe() -> None:
    run: dict[str, Any] = {}
    chunks(MAKE.PROBE, run)
    found, log = chunks(MAKE.SHDR.replace("FILL-01:chamber", "FILL-01:chamber").replace("|pump|", "|FILL-01:pump|"), run)
    named = {row["parameter_name_raw"]: row for row in rows(found)}
    assert (named["chamber"]["value_num"], named["chamber"]["unit"], named["pump"]["quality"]) == (50.0, "mbar", "missing")
    assert (named["leak"]["value_text"], named["msg"]["value_text"]) == ("Fault", "Change filter")
    assert "F265" in codes(log)


def test_times_without_a_zone_are_utc_unless_the_user_says_otherwise() -> None:
    text = stream('<Position dataItemId="a" timestamp="2026-07-02T07:00:00.5" sequence="1">1</Position>')
    found, log = chunks(text)
    assert rows(found)[0]["measured_at"].isoformat() == "2026-07-02T07:00:00.500000+00:00" and "M112" in codes(log)
    found, log = chunks(text, assume_tz="Europe/Berlin")
    assert rows(found)[0]["measured_at"].isoformat() == "2026-07-02T05:00:00.500000+00:00" and "M112" not in codes(log)
    found, log = chunks(text.replace("2026-07-02T07:00:00.5", "yesterday"))
    assert rows(found)[0]["measured_at"] is None and "M049" in codes(log)


def test_numbers_that_are_none_stay_as_text() -> None:
    made = "".join(
        f'<Load dataItemId="l" timestamp="2026-03-02T07:00:00Z" sequence="{n}">{text}</Load>'
        for n, text in enumerate(("1e2", "NaN", "", "n/a"), 1)
    )
    found, log = chunks(stream(made))
    assert [(row["value_num"], row["value_text"], row["quality"]) for row in rows(found)] == [
        (100.0, None, "uncertain"), (None, "NaN", "uncertain"), (None, None, "missing"), (None, "n/a", "uncertain"),
    ]  # fmt: skip
    assert next(found.count for found in log.findings if found.code == "M045") == 2


def test_batches_do_not_change_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = MAKE.recorded(MAKE.PROBE, MAKE.streams(), MAKE.streams())
    whole = rows(chunks(text)[0])
    for size in (1, 3, 7):
        monkeypatch.setattr(canon, "BATCH_ROWS", size)
        found, _ = chunks(text)
        assert (
            rows(found) == whole
            and max(batch.num_rows for chunk in found for name, batch in chunk.items() if name == "process_parameter") <= size
        )


def test_a_long_series_comes_in_bounded_batches() -> None:
    values = " ".join(str(n) for n in range(150_000))
    found, _ = chunks(
        stream(f'<PositionTimeSeries dataItemId="a" timestamp="2026-03-02T07:00:00Z" sequence="1">{values}</PositionTimeSeries>')
    )
    sizes = [chunk["process_parameter"].num_rows for chunk in found if "process_parameter" in chunk]
    assert sum(sizes) == 150_000 and max(sizes) <= canon.BATCH_ROWS
    assert rows(found)[-1]["index"] == 150_000 and rows(found)[-1]["value_num"] == 149_999.0


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_documents_behind_each_other_are_found_wherever_blocks_end(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bdx.formats.mtconnect_xml.BLOCK", block)
    text = MAKE.recorded(MAKE.short(7, 1, 10, 9), MAKE.short(7, 11, 20, 15), MAKE.short(7, 21, 30, 25))
    found, log = chunks(text)
    assert [json.loads(row["extra"])["sequence"] for row in rows(found)] == [9, 15, 25] and not log.findings


def test_gaps_between_sources_of_one_agent_are_found() -> None:
    run: dict[str, Any] = {}
    chunks(MAKE.short(7, 1, 10, 9), run)
    _, log = chunks(MAKE.short(7, 40, 50, 45), run)
    assert "29 from sequence 11 on" in next(found.message for found in log.findings if found.code == "F263")
    _, log = chunks(MAKE.short(7, 5, 20, 15), run)
    assert not log.findings


def test_what_an_agent_refuses_is_told_in_its_words() -> None:
    with pytest.raises(SourceError, match="OUT_OF_RANGE: 'from' must be less than 115"):
        chunks(MAKE.ERROR)
    with pytest.raises(SourceError, match="OUT_OF_RANGE: too far"):
        chunks(json.dumps({"MTConnectError": {"Errors": [{"Error": {"errorCode": "OUT_OF_RANGE", "value": "too far"}}]}}))
    with pytest.raises(UnsupportedVersion, match=r"CuttingTool \(2\), RawMaterial \(1\)"):
        chunks(MAKE.ASSETS)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("<!DOCTYPE MTConnectStreams [<!ENTITY a 'b'>]>" + stream(""), UnsafeSource, "document type"),
        (stream("<A>" * 100), UnsafeSource, "nested"),
        (stream("<Load" + "".join(f' a{n}="1"' for n in range(80)) + ">1</Load>"), UnsafeSource, "attributes"),
        (stream(f"<Message>{'x' * 1_100_000}</Message>", "Events"), UnsafeSource, "text of one element"),
        (stream("<Load>1</Load>")[:-30], TruncatedSource, "closed"),
        (stream("<Load>1</Loud>"), CorruptSource, "mismatched"),
        (stream("<Load>1</Load>") + "rubbish", CorruptSource, "rubbish"),
        (stream("") + "<Other/>", CorruptSource, "Other"),
        ('<?xml version="1.0" encoding="klingon"?>' + stream(""), CorruptSource, "klingon"),
        ('{"MTConnectStreams": []}', CorruptSource, "no object"),
        ('{"MTConnectStreams": {"Streams": ', TruncatedSource, "ends"),
    ],
)
def test_hostile_documents_are_refused(text: str, error: type[BdxError], words: str) -> None:
    with pytest.raises(error, match=words):
        chunks(text)


def test_elements_out_of_place_are_a_loss() -> None:
    text = stream('<Load dataItemId="l" timestamp="2026-03-02T07:00:00Z" sequence="1">1</Load>').replace(
        "<Streams>", "<Streams><x:Odd xmlns:x='urn:y'><b><c/></b></x:Odd>"
    )
    found, log = chunks(text)
    assert len(rows(found)) == 1 and [loss.what for loss in log.losses] == ["element 'x:Odd'"]


def test_other_encodings_are_read() -> None:
    plain = stream('<Message dataItemId="m" timestamp="2026-03-02T07:00:00Z" sequence="1">注液 Füllung</Message>', "Events")
    for name, written in (("GB18030", "gb18030"), ("UTF-16", "utf-16"), ("UTF8", "utf-8"), ("utf-8", "utf-8-sig")):
        data = (f'<?xml version="1.0" encoding="{name}"?>' + plain).encode(written)
        assert formats.detect(source(data)).id == "mtconnect"
        found, log = chunks(data)
        assert rows(found)[0]["value_text"] == "注液 Füllung" and ("F260" in codes(log)) == (name == "UTF8")


def test_text_with_bars_is_not_taken_for_an_adapter() -> None:
    for text in ("a|b|c\n1|2|3\n", "2026-03-02|1|2\n", "2026-03-02T07:00:00Z,1,2\n"):
        with pytest.raises(UnknownFormat):
            formats.detect(source(text))


EXPECTED = {
    "streams.xml": (2, {"F262", "M113"}),
    "threeaxis-current.xml": (24, {"F262", "M110", "M112"}),
    "i200ST-sim-current.xml": (129, {"M110", "M113"}),
    "spindlecurrent.xml": (46, {"M110", "M112"}),
    "spindlecurrentbad.xml": (46, {"F260", "M110", "M112"}),
    "MTConnectStreamsResponseDocument.json": (242, set()),
}


@needs_samples
@pytest.mark.parametrize("name", EXPECTED)
def test_samples_are_read_as_expected(name: str) -> None:
    path = SAMPLES / "mtconnect" / name
    assert formats.detect(Source(str(path))).id == "mtconnect"
    found, log = chunks(path.read_bytes())
    count, expected = EXPECTED[name]
    made = rows(found)
    assert len(made) == count and expected <= set(codes(log)) and not log.losses
    assert all(row["measured_at"] is not None and row["equipment_id"] for row in made)
    if path.suffix == ".xml":
        tree = ET.fromstring(path.read_text("utf-8").replace('encoding="UTF8"', ""))
        plain = [leaf for leaf in tree.iter() if "dataItemId" in leaf.attrib]
        texts = [leaf.text.strip() for leaf in plain if leaf.text and leaf.text.strip()]
        raw = {row["value_raw"] for row in made}
        assert {text for text in texts if " " not in text} <= raw
        assert len({row["locator"] for row in made}) == len({leaf.attrib["sequence"] for leaf in plain})


@needs_samples
def test_sample_of_a_probe_joins_its_streams() -> None:
    run: dict[str, Any] = {}
    probe = rows(chunks((SAMPLES / "mtconnect/threeaxis-probe.xml").read_bytes(), run)[0], "equipment")
    assert [row["equipment_id"] for row in probe] == [
        "HM1",
        "HM1/a",
        "HM1/y",
        "HM1/x",
        "HM1/z",
        "HM1/c",
        "HM1/cont",
        "HM1/path",
        "HM1/sensor",
    ]
    found, _ = chunks((SAMPLES / "mtconnect/threeaxis-current.xml").read_bytes(), run)
    units = {
        row["parameter_name_raw"]: row["unit"]
        for row in rows(found)
        if row["value_num"] is not None and row["parameter_code"] == "position"
    }
    assert units == {"Yact": "mm", "Xact": "mm", "Zact": "mm"}
    spindle = [row for row in rows(found) if row["parameter_code"] == "rotary_velocity"]
    assert [(row["value_num"], row["unit"], row["quality"]) for row in spindle] == [(77.5098, None, "uncertain"), (None, None, "missing")]


@needs_samples
def test_samples_of_others_are_left_alone() -> None:
    for path in [
        SAMPLES / "mtconnect/mtconnectlog_head500.csv",
        *sorted((SAMPLES / "b2mml").glob("*")),
        *sorted((SAMPLES / "qif").glob("*")),
    ]:
        assert mtconnect.sniff(path.read_bytes()[:65_536], FORMAT) == ("mtconnect_asset" in path.name), path.name
    with pytest.raises(UnsupportedVersion, match="ProductDefinition"):
        chunks((SAMPLES / "b2mml/mtconnect_asset_wrapping_b2mml_v0600.xml").read_bytes())


def test_only_bdx_errors_come_out_of_broken_bytes() -> None:
    dice = random.Random(7)
    for case in sorted((FIXTURES / "formats/mtconnect").glob("*/input.*")):
        data = case.read_bytes()
        for _ in range(120):
            made = bytearray(data)
            for _ in range(dice.choice((1, 2, 8))):
                made[dice.randrange(len(made))] = dice.randrange(256)
            cut = bytes(made[: dice.randrange(len(made))]) if dice.random() < 0.3 else bytes(made)
            try:
                found, _ = chunks(cut)
            except BdxError as error:
                assert "\n" not in str(error)
            else:
                assert isinstance(found, list)


def test_any_json_in_any_place_is_survived() -> None:
    odd: list[Any] = [
        None,
        True,
        0,
        2**70,
        "x",
        "",
        [],
        {},
        [[]],
        {"value": {}},
        {"value": [1, {}]},
        [None, {"a": []}],
        {"value": {"k": {"c": 1}}},
    ]
    dice = random.Random(3)
    for _ in range(2_000):
        one = {key: dice.choice(odd) for key in dice.sample(["value", "timestamp", "sequence", "dataItemId", "type", "name"], 3)}
        part = {
            "component": dice.choice(odd),
            "componentId": dice.choice(odd),
            "Samples": dice.choice([*odd, {"Load": one}, {"Load": [one, 1]}, [{"Load": one}]]),
        }
        device = {
            "uuid": dice.choice(odd),
            "ComponentStream": dice.choice([*odd, part, [part], [{"ComponentStream": dice.choice([part, *odd])}]]),
        }
        item = {"id": dice.choice(odd), "type": dice.choice(odd), "units": dice.choice(odd), "category": dice.choice(odd)}
        probe = {
            "id": dice.choice(odd),
            "uuid": "x",
            "DataItems": dice.choice([*odd, {"DataItem": [item]}]),
            "Components": dice.choice(odd),
        }
        probe["Description"] = dice.choice(odd)
        run: dict[str, Any] = {}
        for text in (
            {"MTConnectDevices": {"Header": dice.choice(odd), "Devices": dice.choice([*odd, {"Device": probe}, [{"Device": probe}]])}},
            {
                "MTConnectStreams": {
                    "Header": dice.choice(odd),
                    "Streams": dice.choice([*odd, {"DeviceStream": device}, [{"DeviceStream": [device]}]]),
                }
            },
        ):
            try:
                chunks(json.dumps(text), run)
            except BdxError as error:
                assert "\n" not in str(error)


def test_parts_are_as_the_reader_says() -> None:
    parts = list(mtconnect.read(source(MAKE.recorded(MAKE.PROBE, MAKE.streams())), FORMAT))
    assert [part.name for part in parts] == ["Header", *["Component"] * 6, "Header", "Observations"]
    table = parts[-1]
    assert isinstance(table, Table)
    assert sum(batch.num_rows for batch in table.batches) == 18
