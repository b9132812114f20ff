"""`--schema` with XML Schemas: which file is taken, what is said of a message, and that nothing is fetched, expanded or held."""

from __future__ import annotations

import builtins
import io
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bdx.canon import Finding
from bdx.cli import cli as main
from bdx.errors import BdxError, CorruptSource, TruncatedSource, UnsafeSource, UsageError
from bdx.formats.source import Source
from bdx.pipeline import given_xsd
from bdx.pipeline.checking import validate
from bdx.pipeline.given_schema import given_schema
from bdx.pipeline.reading import Opened, ReadOptions, open_source
from bdx.rules import xsd_schema, xsd_violations

pytest.importorskip("lxml.etree")

SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/mes"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="sample files are not here")
CSV = Path(__file__).resolve().parents[1] / "fixtures/formats/csv/cycling/input.csv"
NS = "http://www.mesa.org/xml/B2MML"
COMMON = """
  <xs:complexType name="StepType"><xs:sequence>
    <xs:element name="ID" type="xs:string"/>
    <xs:element name="ActualStartTime" type="xs:dateTime" minOccurs="0"/>
    <xs:element name="SegmentResponse" type="StepType" minOccurs="0" maxOccurs="unbounded"/>
  </xs:sequence></xs:complexType>
"""
PERFORMANCE = """
  <xs:include schemaLocation="common.xsd"/>
  <xs:element name="OperationsPerformance"><xs:complexType><xs:sequence>
    <xs:element name="OperationsResponse" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="SegmentResponse" type="StepType" maxOccurs="unbounded"/>
    </xs:sequence></xs:complexType></xs:element>
  </xs:sequence><xs:attribute name="releaseID" use="required"/></xs:complexType></xs:element>
"""


def schema(inside: str, namespace: str = NS) -> str:
    space = f'targetNamespace="{namespace}" xmlns="{namespace}"' if namespace else ""
    return f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" {space} elementFormDefault="qualified">{inside}</xs:schema>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Schemas of two versions and of a namespace of its own, none of which is anybody's."""
    for name, inside, namespace in (
        ("v1/common.xsd", COMMON, NS),
        ("v1/performance.xsd", PERFORMANCE, NS),
        ("other/other.xsd", '<xs:element name="Other" type="xs:int"/>', "urn:other"),
    ):
        path = tmp_path / "xsd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(schema(inside, namespace), "utf-8")
    return tmp_path / "xsd"


def message(*segments: str, release: str = ' releaseID="1"') -> bytes:
    inside = "\n".join(segments)
    text = f'<OperationsPerformance xmlns="{NS}"{release}><OperationsResponse>\n{inside}\n</OperationsResponse></OperationsPerformance>'
    return text.encode()


def step(number: int, inside: str = "") -> str:
    return f"<SegmentResponse><ID>S-{number}</ID>{inside}</SegmentResponse>"


def check(data: bytes, path: Path) -> list[Finding]:
    options = ReadOptions(stdin=io.BytesIO(data))  # type: ignore[arg-type]
    opened = open_source("-", 1, options)
    given_schema(path).check(opened)
    return opened.log.findings


def test_sound_messages_are_sound(folder: Path) -> None:
    for path in (folder, folder / "v1", folder / "v1/performance.xsd"):
        assert check(message(step(1), step(2)), path) == []


def test_every_fault_has_its_line_and_like_ones_are_counted(folder: Path) -> None:
    bad = "<ActualStartTime>yesterday</ActualStartTime>"
    found = check(message(step(1, bad), step(2), step(3, bad), "<SegmentResponse/>", release=""), folder)
    assert [(item.code, item.locator, item.count, item.column) for item in found] == [
        ("F285", "line 2", 2, "ActualStartTime cvc_datatype_valid_1_2_1"),
        ("F285", "line 1", 1, "OperationsPerformance cvc_complex_type_4"),
        ("F285", "line 5", 1, "SegmentResponse element_content"),
    ]
    assert "'yesterday'" in found[0].message
    assert "'releaseID' is required" in found[1].message
    assert "performance.xsd" in found[0].message


def test_large_messages_are_judged_by_the_record_with_the_same_words(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = "<ActualStartTime>yesterday</ActualStartTime>"
    cases = [
        message(step(1), step(2)),
        message(step(1, bad), *map(step, range(500)), step(3, bad), "<SegmentResponse/>", release=""),
        message(step(1, step(11) + step(12, bad)), step(2, step(21, bad))),
        message(step(1, bad)),
        message(),
    ]
    for data in cases:
        whole = check(data, folder)
        with monkeypatch.context() as patch:
            patch.setattr(xsd_schema, "WHOLE", 0)
            assert check(data, folder) == whole
            patch.setattr(xsd_schema, "KEPT", 1)
            parts = check(data, folder)
        if b"<SegmentResponse" not in data:
            continue
        # Where there are too many parents to hold a record of each, nothing is said of what stands around the records.
        assert [item for item in parts if item.code != "F288"] == [item for item in whole if "Operations" not in item.column]
        assert [item.code for item in parts if item.code == "F288"] == ["F288"]


def test_envelopes_are_looked_into_and_undeclared_roots_are_named(folder: Path) -> None:
    inner = message(step(1, "<Wrong/>")).decode()
    soap = f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{inner}</s:Body></s:Envelope>'
    assert [item.code for item in check(soap.encode(), folder)] == ["F285"]
    (found,) = [item for item in check(inner.replace(f' xmlns="{NS}"', "").encode(), folder) if item.code.startswith("F28")]
    assert found.code == "F286"
    assert "in no namespace" in found.message
    assert f"declared for {NS}" in found.message


def test_only_so_many_kinds_are_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xsd_violations, "SHOWN", 2)
    found = check(message(*(f"<SegmentResponse><E{number}/></SegmentResponse>" for number in range(5))), folder)
    assert [(item.code, item.count) for item in found] == [("F285", 1), ("F285", 1), ("F287", 3)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "gb18030"])
def test_encodings(folder: Path, encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?>\n' + message(step(1, "<Wrong/>")).decode()
    (found,) = check(text.encode(encoding), folder)
    assert found.locator == "line 3"


@pytest.mark.parametrize(
    "start",
    ["<!DOCTYPE OperationsPerformance>", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "<!DOCTYPE a SYSTEM 'file:///etc/passwd'>"],
)
def test_document_types_are_refused_before_the_schema_sees_them(folder: Path, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[bytes] = []
    monkeypatch.setattr(xsd_schema._Check, "feed", lambda _, block: fed.append(block))
    data = start.encode() + message(step(1))
    with pytest.raises(UnsafeSource, match="document type"):
        given_schema(folder).check(_opened(data))
    assert fed == []


def _opened(data: bytes) -> Opened:
    plain = open_source("-", 1, ReadOptions(stdin=io.BytesIO(message(step(1)))))  # type: ignore[arg-type]
    plain.source = Source("-", plain.log, io.BytesIO(data))
    return plain


def test_broken_messages_raise_only_errors_of_the_source(folder: Path) -> None:
    data = message(*map(step, range(20)))
    given = given_schema(folder)
    for cut in range(1, len(data), 37):
        with pytest.raises((TruncatedSource, CorruptSource)):
            given.check(_opened(data[:cut]))
    for place in range(0, len(data), 31):
        flipped = data[:place] + bytes([data[place] ^ 0x15]) + data[place + 1 :]
        try:
            given.check(_opened(flipped))
        except BdxError as error:
            assert "Traceback" not in str(error)
    with pytest.raises(BdxError):
        given.check(_opened(message("<a>" * 400 + "</a>" * 400)))


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ('<xs:include schemaLocation="http://example.com/a.xsd"/>', "nothing is fetched"),
        ('<xs:import namespace="urn:x" schemaLocation="//server/share/a.xsd"/>', "nothing is fetched"),
        ('<xs:include schemaLocation="missing.xsd"/>', "missing.xsd, which does not stand beside it"),
        ('<xs:element name="a" type="NoSuchType"/>', "cannot be compiled"),
    ],
)
def test_schemas_that_cannot_be_used_are_named(tmp_path: Path, inside: str, words: str) -> None:
    path = tmp_path / "a.xsd"
    path.write_text(schema(inside), "utf-8")
    with pytest.raises(UsageError, match=words):
        given_schema(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("<a", "is no XML"),
        ("<a/>", "is no XML Schema; its root is a"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
    ],
)
def test_files_that_are_no_schema_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.xsd"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=words):
        given_schema(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"holds no \.xsd file"):
        given_schema(tmp_path / "empty")


def test_a_missing_lxml_is_an_error_that_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("lxml"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'bdx\[xsd\]'"):
        given_schema(folder)


def test_command(folder: Path, tmp_path: Path) -> None:
    good, bad, other = tmp_path / "good.xml", tmp_path / "bad.xml", CSV
    good.write_bytes(message(step(1)))
    bad.write_bytes(message(step(1), release=""))
    run = CliRunner().invoke
    assert run(main, ["validate", str(good), "--schema", str(folder), "--select", "F28"]).exit_code == 0
    found = run(main, ["validate", str(bad), "--schema", str(folder), "--select", "F28"])
    assert found.exit_code == 1
    assert "releaseID" in found.output
    assert run(main, ["validate", str(other), "--schema", str(folder)]).exit_code != 0
    with pytest.raises(UsageError, match="no source is XML"):
        validate([other], schema=folder)


def test_memory_is_flat(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xsd_schema, "WHOLE", 0)
    monkeypatch.setattr(xsd_schema, "RECORD", 1 << 20)
    judge = xsd_schema.XsdSchema(folder, {"SegmentResponse"})
    peaks = []
    for count in (2_000, 20_000):
        start, end = message("#").split(b"#")
        blocks = [start, *(b"".join(step(number).encode() for number in range(at, at + 1_000)) for at in range(0, count, 1_000)), end]
        log = _opened(b"<a/>").log
        tracemalloc.start()
        assert judge.check(iter(blocks), 1, log, "x.xml") == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert log.findings == []
    assert peaks[1] < peaks[0] + 500_000
    with pytest.raises(UnsafeSource, match="of more than"):
        judge.check(iter([message("<SegmentResponse><ID>#").split(b"#")[0], *[b"x" * 65_536] * 40]), 1, log, "x.xml")


@needs_samples
@pytest.mark.parametrize(
    ("path", "codes"),
    [
        ("b2mml/LOT-20121210170718-0001L0001.xml", {}),
        ("b2mml/MAT-20121210170256-CRBN0001.xml", {}),
        ("b2mml/PES-20121229115825-53107.xml", {"F285": 1}),
        ("b2mml/amplab2mml_ShowEquipmentInformation_v0400.xml", {"F286": 1}),
        ("b2mml/wild_aspen_apem_ProductionPerformance_no_namespace.xml", {"F286": 1}),
        ("b2mml-synthetic/operations_performance_v0600.xml", {}),
        ("b2mml-synthetic/operations_performance_v0701_pilot_line.xml", {}),
        ("batchml/ProductionBatchRecord_Example_v06.xml", {"F285": 11}),
    ],
)
def test_samples_against_the_published_schemas(path: str, codes: dict[str, int]) -> None:
    opened = open_source(str(SAMPLES / path), 1, ReadOptions())
    given_schema(SAMPLES / "b2mml-xsd").check(opened)
    assert {found.code: found.count for found in opened.log.findings if found.code in given_xsd.CODES} == codes
