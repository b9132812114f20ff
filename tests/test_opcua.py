"""OPC UA PubSub as JSON: the shapes messages come in, how metadata lends its units, what a status means, and what is survived."""

from __future__ import annotations

import base64
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from making import generator

from bdx import formats, mapping, spec
from bdx.canon import Chunk, Log
from bdx.errors import BdxError, CorruptSource, TruncatedSource, UnknownFormat, UnsafeSource, UnsupportedVersion
from bdx.formats import opcua_pubsub
from bdx.formats.source import Source
from bdx.mapping.opcua_values import elements, status_of, unit_of, unwrapped

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/mes"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="sample files are not here")
FORMAT = spec.format_spec("opcua-pubsub")
FACTS = spec.facts("mappings", "opcua-pubsub")
MAKE = generator("machines")


def source(data: bytes | str, log: Log | None = None) -> Source:
    return Source("-", log, io.BytesIO(data.encode() if isinstance(data, str) else data))


def chunks(data: Any, run: dict[str, Any] | None = None) -> tuple[list[Chunk], Log]:
    log = Log()
    context = mapping.Context("test.json", "s1", log, options={"run": run if run is not None else {}})
    text = data if isinstance(data, bytes | str) else json.dumps(data)
    return list(mapping.to_canonical(opcua_pubsub.read(source(text, log), FORMAT), FORMAT, context)), log


def rows(found: list[Chunk], name: str = "process_parameter") -> list[dict[str, Any]]:
    return [row for chunk in found if name in chunk for row in chunk[name].to_pylist()]


def codes(log: Log) -> list[str]:
    return [found.code for found in log.findings]


def test_one_message_in_every_wrapping_reads_the_same() -> None:
    message = MAKE.network(1, {"Temperature": MAKE.stamped(21.5, 1)}, 1)
    hub = {"enqueuedTime": "2026-03-02T07:00:02Z", "properties": {}}
    text = json.dumps(message)
    shapes: list[Any] = [
        message, [message], text + "\n" + text, text + text, json.dumps(message, indent=2) + "\n" + json.dumps(message, indent=2),
        {"body": message, **hub}, {"body": [message], **hub}, {"body": text, **hub},
        {"Body": base64.b64encode(text.encode()).decode(), "EnqueuedTimeUtc": "x"},
        {**message, "Messages": message["Messages"][0]}, message["Messages"][0], message["Messages"],
    ]  # fmt: skip
    for shape in shapes:
        found, _ = chunks(shape)
        made = {(row["parameter_code"], row["value_num"], row["measured_at"].isoformat()) for row in rows(found)}
        assert made == {("temperature", 21.5, "2026-03-02T07:00:01.123456+00:00")}, shape
        data = shape if isinstance(shape, str) else json.dumps(shape)
        assert "Body" in data or formats.detect(source(data)).id == "opcua-pubsub"


def test_metadata_lends_units_to_later_messages_and_sources() -> None:
    run: dict[str, Any] = {}
    frames = MAKE.keyed()
    machines = rows(chunks(frames[0], run)[0], "equipment")
    assert [(row["equipment_id"], row["parent_equipment_id"]) for row in machines] == [
        (MAKE.PUBLISHER, None),
        (f"{MAKE.PUBLISHER}/12", MAKE.PUBLISHER),
    ]
    found, log = chunks(frames[1:], run)
    made = rows(found)
    assert [(row["parameter_code"], row["value_num"], row["unit"]) for row in made if row["unit"]] == [
        ("temperature", pytest.approx(40.0), "degC"), ("pressure", 50.0, "mbar"),
        ("temperature", pytest.approx(41.0), "degC"), ("pressure", 60.0, "mbar"),
    ]  # fmt: skip
    assert not rows(found, "equipment") and "F267" not in codes(log)
    assert [row["locator"] for row in made] == ["message 1"] * 4 + ["message 2", "message 4"]
    alone, log = chunks(frames[1:])
    assert not any(row["unit"] for row in rows(alone)) and "M114" in codes(log)
    assert {row["quality"] for row in rows(alone) if row["parameter_code"] == "pressure"} == {"uncertain"}


def test_a_delta_frame_gives_no_more_than_it_has() -> None:
    found, _ = chunks(MAKE.keyed())
    deltas = [row for row in rows(found) if "ua-deltaframe" in (row["extra"] or "")]
    assert [row["parameter_name_raw"] for row in deltas] == ["Temperature", "Pressure"]


def test_a_bad_value_is_no_value_and_an_uncertain_one_is_marked() -> None:
    found, log = chunks(MAKE.faulty())
    made = {(row["parameter_name_raw"], row["locator"]): row for row in rows(found)}
    bad = made["Pressure", "message 2"]
    assert (bad["value_num"], bad["value_text"], bad["quality"]) == (None, None, "bad")
    assert json.loads(bad["extra"])["StatusCode"] == {"Code": 0x80310000, "Symbol": "BadNoCommunication"}
    assert made["Temperature", "message 2"]["quality"] == "uncertain" and made["Temperature", "message 2"]["value_num"] is not None
    held, _ = chunks({"Messages": [{"Payload": {"Pressure": {"Value": 7, "StatusCode": 0x80000000}}}], "MessageType": "ua-data"})
    assert [(row["value_num"], row["value_raw"], row["quality"]) for row in rows(held)] == [(None, "7", "bad")]
    whole, _ = chunks({"Messages": [{"Status": 0x40000000, "Payload": {"Pressure": 7}}], "MessageType": "ua-data"})
    assert [row["quality"] for row in rows(whole)] == ["uncertain"]
    assert {"F266", "F267", "F268", "F269", "M115"} <= set(codes(log))


@pytest.mark.parametrize(
    ("held", "number", "text", "flag"),
    [
        (21.5, 21.5, None, None),
        (True, None, None, True),
        ("21.5", None, "21.5", None),
        ({"Type": 8, "Body": "9007199254740993"}, 9007199254740992.0, None, None),
        ({"UaType": 9, "Value": "17"}, 17.0, None, None),
        ({"Type": 11, "Body": "Infinity"}, None, "Infinity", None),
        ({"Type": 15, "Body": "AAECAw=="}, None, "AAECAw==", None),
        ({"Value": {"Type": 10, "Body": 1.5}, "SourceTimestamp": "2026-03-02T07:00:00Z"}, 1.5, None, None),
        ({"Locale": "de", "Text": "läuft"}, None, "läuft", None),
        ({"Name": "x", "Wert": 1}, None, '{"Name":"x","Wert":1}', None),
        (None, None, None, None),
    ],
)
def test_values_of_every_kind(held: Any, number: float | None, text: str | None, flag: bool | None) -> None:
    (row,) = rows(chunks({"MessageType": "ua-data", "Messages": [{"Payload": {"Tag": held}}]})[0])
    assert (row["value_num"], row["value_text"], row["value_bool"]) == (number, text, flag)


def test_arrays_become_rows_with_their_places() -> None:
    assert elements([1, 2]) == [((1,), 1), ((2,), 2)] and elements(5) == [((), 5)]
    found, _ = chunks({"MessageType": "ua-data", "Messages": [{"Payload": {"Grid": [[1, 2], [3, 4]], "Line": [5, 6]}}]})
    assert [(row["index"], row["condition"], row["value_num"]) for row in rows(found)] == [
        (1, "1/1", 1.0), (2, "1/2", 2.0), (3, "2/1", 3.0), (4, "2/2", 4.0), (1, None, 5.0), (2, None, 6.0),
    ]  # fmt: skip


def test_status_and_units_as_they_are_written() -> None:
    assert status_of({"Code": 0x80310000, "Symbol": "BadX"}) == (0x80310000, "BadX")
    assert status_of({"Symbol": "UncertainX"}) == (0x40000000, "UncertainX") and status_of("BadY") == (0x80000000, "BadY")
    assert status_of(0) == (0, "") and status_of({}) == (0, "")
    assert unwrapped({"Value": 1, "Other": 2}, FACTS).held == {"Value": 1, "Other": 2}
    assert unit_of({"Properties": [MAKE.unit(4604232, "Fahrenheit")]}, FACTS) == "FAH"
    assert unit_of({"Properties": [MAKE.unit(-1, "mbar")]}, FACTS) == "mbar"
    assert unit_of({"Properties": {"EngineeringUnits": {"Value": {"UnitId": 4408652, "NamespaceUri": MAKE.CEFACT}}}}, FACTS) == "CEL"
    assert (
        unit_of(
            {"Properties": [{"Key": "0:EngineeringUnits", "Value": {"UnitId": 4408652, "NamespaceUri": "urn:own", "DisplayName": "°C"}}]},
            FACTS,
        )
        == "°C"
    )


@pytest.mark.parametrize(
    ("numbers", "missing"), [((1, 2, 3), 0), ((1, 4), 2), ((65534, 65535, 0, 1), 0), ((4294967295, 1), 1), ((50, 1, 2), 0), ((3, 3), 0)]
)
def test_missing_messages_are_counted(numbers: tuple[int, ...], missing: int) -> None:
    _, log = chunks([MAKE.network(number, {"Temperature": 1.0}, 1) for number in numbers])
    assert sum(found.count for found in log.findings if found.code == "F267") == missing


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ('{"MessageType":"ua-data","Messages":[', TruncatedSource, "ends"),
        ('{"MessageType":"ua-data"} x', CorruptSource, "object or a list"),
        ('[{"a":1} {"b":2}]', CorruptSource, "comma"),
        ('{"MessageType":"ua-data","Messages":' + "[" * 300 + "]" * 300 + "}", UnsafeSource, "nests"),
        ('{"a":1,"a":2}', CorruptSource, "twice"),
    ],
)
def test_hostile_text_is_refused(text: str, error: type[BdxError], words: str) -> None:
    with pytest.raises(error, match=words):
        chunks(text)


def test_messages_about_publishers_are_a_loss() -> None:
    found, log = chunks([{"MessageType": "ua-status", "PublisherId": "p", "Status": 2}, MAKE.keyed()[1]])
    assert len(rows(found)) == 4 and [loss.what for loss in log.losses] == ["message 'ua-status'"]


def test_json_of_others_is_left_alone() -> None:
    for value in ({"Value": 1}, {"NodeId": "x"}, {"Payload": {}}, {"a": {"b": 1}}, [1, 2]):
        with pytest.raises(BdxError):
            assert formats.detect(source(json.dumps(value))).id != "opcua-pubsub"
            raise UnknownFormat("read as another format")


@needs_samples
def test_samples_are_read_as_expected() -> None:
    found, log = chunks((SAMPLES / "opcua-pubsub/networkmessage_iothub_wrapped.json").read_bytes())
    made = {row["parameter_name_raw"]: row for row in rows(found)}
    assert (made["AlternatingBoolean"]["value_bool"], made["StepUp"]["value_num"], made["RandomSignedInt32"]["value_num"]) == (
        True,
        23305.0,
        1076635612.0,
    )
    assert (made["BadFastUInt1"]["value_num"], made["BadFastUInt1"]["quality"]) == (None, "bad")
    assert made["StepUp"]["measured_at"].isoformat() == "2022-03-18T12:55:21.331353+00:00" and "M115" in codes(log)
    assert made["StepUp"]["equipment_id"] == "opc.tcp://opcplc:50000_70FB9F43/1000"
    (row,) = rows(chunks((SAMPLES / "opcua-pubsub/samples_mode.json").read_bytes())[0])
    assert (row["parameter_name_raw"], row["value_num"], row["measured_at"].isoformat()) == (
        "StepUp",
        21713.0,
        "2022-03-18T12:52:42.132754+00:00",
    )


REFUSED = {
    "sparkplug": ('{"topic":"spBv1.0/Plant/DDATA/Edge/Dev","payload":{"seq":1}}', "Sparkplug B"),
    "secs": ("2026-03-02 07:00:00 S6F11 W\n<L [3]\n  <U4 1>\n  <U4 100>\n  <L [0]>\n>.\n", "SECS/GEM"),
    "cfx": ('{"MessageName":"CFX.Production.UnitsProcessed","Version":"1.7","MessageBody":{}}', "IPC-CFX"),
    "qif": ('<?xml version="1.0"?><QIFDocument xmlns="http://qifstandards.org/xsd/qif3"/>', "QIF"),
    "aml": ('<?xml version="1.0"?><CAEXFile SchemaVersion="3.0" FileName="a.aml"/>', "AutomationML"),
    "nodeset": ('<?xml version="1.0"?><UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd"/>', "nodeset"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_languages_of_machines_are_refused_by_name(name: str) -> None:
    text, words = REFUSED[name]
    with pytest.raises(UnsupportedVersion, match=words) as caught:
        formats.detect(source(text))
    assert "; " in str(caught.value)


@needs_samples
def test_samples_of_other_languages_are_refused_by_name() -> None:
    for path in sorted((SAMPLES / "qif").iterdir()):
        with pytest.raises(UnsupportedVersion, match="QIF"):
            formats.detect(Source(str(path)))


def test_only_bdx_errors_come_out_of_broken_bytes() -> None:
    dice = random.Random(11)
    for case in sorted((FIXTURES / "formats/opcua-pubsub").glob("*/input.*")):
        data = case.read_bytes()
        for _ in range(150):
            made = bytearray(data)
            for _ in range(dice.choice((1, 2, 8))):
                made[dice.randrange(len(made))] = dice.randrange(256)
            try:
                chunks(bytes(made[: dice.randrange(len(made))]) if dice.random() < 0.3 else bytes(made))
            except BdxError as error:
                assert "\n" not in str(error)


def test_any_json_in_any_place_is_survived() -> None:
    odd: list[Any] = [None, True, 0, -1, 2**70, "x", "", [], {}, [[]], {"Value": {}}, {"Type": {}, "Body": []}, [None, {"a": []}]]
    keys = [
        "MessageType",
        "Messages",
        "PublisherId",
        "MetaData",
        "NodeId",
        "Value",
        "DataSetWriterId",
        "SequenceNumber",
        "Payload",
        "Status",
        "Timestamp",
    ]
    dice = random.Random(3)
    for _ in range(3_000):
        value = {key: dice.choice(odd) for key in dice.sample(keys, dice.randrange(1, 5))}
        message = {
            "MessageType": dice.choice(["ua-data", "ua-metadata", *odd]),
            "Messages": [value, {"Payload": {"f": dice.choice(odd), **value}}],
        }
        metadata = {
            "MessageType": "ua-metadata",
            "MetaData": {"Fields": dice.choice(odd), "ConfigurationVersion": dice.choice(odd), "Name": dice.choice(odd)},
        }
        for shape in (value, message, metadata):
            try:
                chunks([shape])
            except BdxError as error:
                assert "\n" not in str(error)
