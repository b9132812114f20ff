"""B2MML as it is written: valid against the schemas, read back the same, what has no place named."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bdx import canon, mapping, spec
from bdx.canon import Chunk, Log
from bdx.errors import SinkError, UnsupportedVersion
from bdx.formats import b2mml, b2mml_write
from bdx.formats.source import Source
from bdx.mapping.segment_out_fit import content, is_moment
from bdx.pipeline.converting import convert

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/formats"
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/mes"
SCHEMAS = SAMPLES / "b2mml-xsd"
CASES = [case / "input.xml" for case in sorted((FIXTURES / "b2mml").iterdir()) if (case / "input.xml").exists()]
SYNTHETIC = sorted((SAMPLES / "b2mml-synthetic").glob("*.xml")) if SAMPLES.exists() else []
WILD = [SAMPLES / "b2mml" / name for name in ("PES-20121229115825-53107.xml", "wild_aspen_apem_ProductionPerformance_no_namespace.xml")]
STEPS = [case for case in CASES if case.parent.name in ("v4-production", "v6-nested", "v7-small", "v7-utf16", "jobs-v7")]
NAMES = {"7": "http://www.mesa.org/xml/B2MML", "6": "http://www.mesa.org/xml/B2MML-V0600"}

ADDED = ("message/", "performance/", "response/", "after ")
"""What an envelope adds to `extra`, and where it moves what stood after a level."""


def read(data: bytes | Path) -> tuple[list[Chunk], Log]:
    log, facts = Log(), spec.format_spec("b2mml")
    source = Source("-", log, io.BytesIO(data)) if isinstance(data, bytes) else Source(str(data), log)
    return list(mapping.to_canonical(b2mml.read(source, facts), facts, mapping.Context("x", "s1", log))), log


def write(chunks: list[Chunk], version: str = "7", **options: Any) -> tuple[bytes, Log]:
    log, facts, out = Log(), spec.format_spec("b2mml"), io.BytesIO()
    context = mapping.Context("x", "s1", log, model=f"b2mml@{version}", options=options)
    b2mml_write.write(mapping.from_canonical(chunks, facts, context), out, facts)
    return out.getvalue(), log


def losses(log: Log) -> dict[str, int]:
    return {loss.what: loss.count for loss in log.losses}


def tables(chunks: list[Chunk]) -> dict[str, Counter[str]]:
    """Return the rows of each table without place, and without what the envelope around them says."""
    found: dict[str, Counter[str]] = {}
    for chunk in chunks:
        for name, batch in chunk.items():
            for row in batch.to_pylist():
                said = {key: value for key, value in row.items() if value is not None and key != "locator"}
                extra = {key: value for key, value in json.loads(said.pop("extra", "{}")).items() if not key.startswith(ADDED)}
                if extra:
                    said["extra"] = extra
                found.setdefault(name, Counter())[json.dumps(said, sort_keys=True, default=str)] += 1
    return found


@cache
def schema(version: str, noun: str) -> Any:
    etree = pytest.importorskip("lxml.etree")
    path = SCHEMAS / "v0701/AllSchemas.xsd" if version == "7" else SCHEMAS / f"v0600/B2MML-V0600-{noun}.xsd"
    if not path.exists():
        pytest.skip("the schemas are not here")
    return etree.XMLSchema(etree.parse(str(path)))


def hold(data: bytes, version: str) -> None:
    """Hold a message against the schema of its version."""
    etree = pytest.importorskip("lxml.etree")
    root = etree.fromstring(data)
    assert root.tag.startswith("{" + NAMES[version] + "}")
    noun = next((name for name in ("Material", "Equipment") if name in root.tag), "OperationsPerformance")
    held = schema(version, noun)
    assert held.validate(root), held.error_log


@pytest.mark.parametrize("version", ["7", "6"])
@pytest.mark.parametrize("path", [*CASES, *SYNTHETIC, *WILD], ids=lambda path: path.parent.name + "-" + path.stem[:12])
def test_every_message_is_written_valid(path: Path, version: str) -> None:
    if not path.exists():
        pytest.skip("sample files are not here")
    chunks, _ = read(path)
    data, _ = write(chunks, version)
    hold(data, version)
    assert write(chunks, version)[0] == data


@pytest.mark.parametrize("path", [*STEPS, *SYNTHETIC, WILD[0]], ids=lambda path: path.parent.name + "-" + path.stem[:12])
def test_steps_read_back_the_same(path: Path) -> None:
    if not path.exists():
        pytest.skip("sample files are not here")
    chunks, _ = read(path)
    before, after = tables(chunks), tables(read(write(chunks)[0])[0])
    if path.parent.name == "jobs-v7":
        # V7 wants an ID of every response; the one made stands in response_id from then on.
        after = {
            name: Counter({row.replace('"response_id": "R1", ', ""): count for row, count in rows.items()}) for name, rows in after.items()
        }
    assert after == before


@pytest.mark.parametrize(
    "path", [case for case in STEPS if case.parent.name in ("v6-nested", "v4-production")], ids=lambda path: path.parent.name
)
def test_six_to_seven_to_six_keeps_everything(path: Path) -> None:
    first, _ = write(read(path)[0], "6")
    again, log = write(read(write(read(first)[0], "7")[0])[0], "6")
    assert tables(read(again)[0]) == tables(read(first)[0]) == tables(read(path)[0])
    assert not [loss for loss in log.losses if "message/" not in loss.what]


def test_what_cannot_stand_is_named() -> None:
    chunks, _ = read(FIXTURES / "b2mml/oddities/input.xml")
    data, log = write(chunks)
    assert losses(log)["process_step: ended_raw"] == 1
    assert losses(log)["item rows that no step mentions"] == 1
    assert b'<SegmentState OtherValue="Activated">Other</SegmentState>' in data
    before, after = tables(chunks), tables(read(data)[0])
    for name in ("process_parameter", "genealogy", "equipment"):
        assert after.get(name) == before.get(name)


def test_six_has_results_of_steps_in_a_message_of_their_own(tmp_path: Path) -> None:
    chunks, _ = read(FIXTURES / "b2mml/v7-small/input.xml")
    data, log = write(chunks, "6")
    assert b"TestResult" not in data
    assert losses(log)["quality_result rows that no step has a place for"] == 1
    out = tmp_path / "out"
    convert([FIXTURES / "b2mml/v7-small/input.xml"], f"{out}/", to="b2mml@6")
    assert sorted(path.name for path in out.iterdir()) == ["performance.xml", "tests.xml"]
    for path in out.iterdir():
        hold(path.read_bytes(), "6")
    back, _ = read(out / "tests.xml")
    row = next(row for chunk in back if "quality_result" in chunk for row in chunk["quality_result"].to_pylist())
    assert (row["item_id"], row["value_raw"], row["unit_raw"], row["value_num"]) == ("SL-1", "3800", "cP", 3.8)


@pytest.mark.parametrize(("use", "version"), [("Scrap", "7"), ("Scrap", "6")])
def test_scrap_has_no_word_of_its_own(use: str, version: str) -> None:
    rows: dict[str, list[dict[str, Any]]] = {
        "process_step": [{"step_run_id": "S", "step_code": "coating", "step_name_raw": "coating"}],
        "item": [{"item_id": "X", "item_kind": "scrap", "granularity": "lot", "lot_id": "X", "produced_by_step_run_id": "S"}],
    }
    data, _ = write([{name: canon.from_rows(name, found) for name, found in rows.items()}], version)
    assert f'<MaterialUse OtherValue="{use}">Other</MaterialUse>'.encode() in data
    hold(data, version)


def steps(*rows: dict[str, Any], **others: list[dict[str, Any]]) -> list[Chunk]:
    named = [{"step_code": "coating", "step_name_raw": "coating", **row} for row in rows]
    return [
        {"process_step": canon.from_rows("process_step", named)},
        *({name: canon.from_rows(name, found)} for name, found in others.items()),
    ]


def test_a_parent_before_its_children_is_nested_all_the_same() -> None:
    chunks = steps({"step_run_id": "A"}, {"step_run_id": "B", "parent_step_run_id": "A"}, {"step_run_id": "C", "parent_step_run_id": "B"})
    data, log = write(chunks)
    hold(data, "7")
    assert data.count(b"<SegmentResponseChild>") == 2
    assert not losses(log)
    back = [row for chunk in read(data)[0] for row in chunk["process_step"].to_pylist()]
    assert {row["step_run_id"]: row["parent_step_run_id"] for row in back} == {"A": None, "B": "A", "C": "B"}


def test_parents_that_are_unknown_or_form_a_loop_are_left_out_by_name() -> None:
    chunks = steps(
        {"step_run_id": "A", "parent_step_run_id": "B"},
        {"step_run_id": "B", "parent_step_run_id": "A"},
        {"step_run_id": "C", "parent_step_run_id": "Z"},
    )
    data, log = write(chunks)
    assert data.count(b"<SegmentResponse>") == 3
    assert losses(log)["process_step.parent_step_run_id"] == 3


def test_edges_that_lists_would_blur_are_assemblies() -> None:
    edges = [
        {
            "input_item_id": i,
            "output_item_id": o,
            "relation": "assembled",
            "step_run_id": "S",
            "match_basis": "declared",
            "is_estimated": False,
        }
        for i, o in (("a", "x"), ("b", "y"))
    ]
    data, _ = write(steps({"step_run_id": "S"}, genealogy=edges))
    hold(data, "7")
    back = [row for chunk in read(data)[0] for row in chunk["genealogy"].to_pylist()]
    assert {(row["input_item_id"], row["output_item_id"], row["is_estimated"]) for row in back} == {("a", "x", False), ("b", "y", False)}


def test_a_guess_told_as_an_assembly_and_a_second_name_of_a_piece_are_named() -> None:
    edge = {"input_item_id": "a", "output_item_id": "x", "relation": "transformed", "step_run_id": "S", "match_basis": "declared"}
    piece = {"item_id": "x", "serial_number": "0042", "granularity": "serial", "produced_by_step_run_id": "S"}
    log = write(steps({"step_run_id": "S"}, genealogy=[{**edge, "is_estimated": True}], item=[piece]))[1]
    assert losses(log)["genealogy: is_estimated"] == 1
    assert losses(log)["item: serial_number"] == 1
    log = write(steps({"step_run_id": "S"}, genealogy=[{**edge, "is_estimated": False}], item=[{**piece, "serial_number": "x"}]))[1]
    assert not {"genealogy: is_estimated", "item: serial_number"} & losses(log).keys()


def test_rows_that_take_back_are_not_told_as_facts() -> None:
    chunks = steps({"step_run_id": "A"}, {"step_run_id": "B", "record_action": "delete"})
    data, log = write(chunks)
    assert b"<ID>B</ID>" not in data
    assert losses(log)["process_step rows that delete"] == 1


def test_characters_that_xml_cannot_hold_are_named() -> None:
    rows = [{"step_run_id": "A", "parameter_code": "other", "parameter_name_raw": "p", "value_raw": 'a\x01<&>"\r\n\tb'}]
    data, log = write(steps({"step_run_id": "A", "locator": "row 3"}, process_parameter=rows))
    hold(data, "7")
    assert losses(log) == {"process_step: characters that XML cannot hold, first at row 3": 1}
    back = [row for chunk in read(data)[0] for row in chunk["process_parameter"].to_pylist()]
    assert back[0]["value_raw"] == 'a\ufffd<&>"\r\n\tb'


def test_the_time_of_the_message_is_never_now(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks, _ = read(FIXTURES / "b2mml/v7-small/input.xml")
    assert b"<CreationDateTime>2026-03-02T10:10:00Z</CreationDateTime>" in write(chunks)[0]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert b"<CreationDateTime>1970-01-02T00:00:00Z</CreationDateTime>" in write(chunks)[0]


def test_only_six_and_seven_are_written() -> None:
    with pytest.raises(UnsupportedVersion, match="versions 6 and 7"):
        write(steps({"step_run_id": "A"}), "5")
    with pytest.raises(SinkError, match="holds no steps"):
        write([])


@pytest.mark.parametrize("name", ["aqdef", "epcis"])
@pytest.mark.parametrize("version", ["7", "6"])
def test_what_other_formats_say_is_written_valid(name: str, version: str, tmp_path: Path) -> None:
    written = 0
    for case in sorted((FIXTURES / name).iterdir()):
        source = next(iter(sorted(case.glob("input.*"))), None)
        if source is None or json.loads((case / "expect.json").read_text("utf-8")).get("error"):
            continue
        out = tmp_path / case.name
        try:
            convert([source], f"{out}/", to=f"b2mml@{version}")
        except SinkError:
            continue
        for path in out.iterdir():
            hold(path.read_bytes(), version)
            written += 1
    assert written


def test_the_result_does_not_depend_on_the_chunks() -> None:
    chunks, _ = read(FIXTURES / "b2mml/v7-small/input.xml")
    whole, _ = write(chunks)
    apart = [{name: batch.slice(row, 1)} for chunk in chunks for name, batch in reversed(chunk.items()) for row in range(batch.num_rows)]
    assert write(apart)[0] == whole


@pytest.mark.parametrize("text", ["2026-03-02T08:00:00", "2026-03-02T08:00:00.123456789Z", "2026-03-02T08:00:00+14:00"])
def test_times_of_xml(text: str) -> None:
    assert is_moment(text)


@pytest.mark.parametrize(
    "text", ["", "2026-03-02", "2026-03-02 08:00:00", "2026-02-30T08:00:00", "2026-03-02T08:00:00+15:00", "02.03.2026 12:00"]
)
def test_texts_that_are_no_times_of_xml(text: str) -> None:
    assert not is_moment(text)


def test_the_order_of_elements_is_that_of_the_schema() -> None:
    etree = pytest.importorskip("lxml.etree")
    if not SCHEMAS.exists():
        pytest.skip("the schemas are not here")
    for version, pattern in (("7", "v0701/B2MML-*.xsd"), ("6", "v0600/B2MML-*.xsd")):
        held: dict[str, list[str]] = {}
        for path in SCHEMAS.glob(pattern):
            for kind in etree.parse(str(path)).getroot().iter("{*}complexType"):
                names = [element.get("name") for element in kind.iter("{*}element") if element.get("name")]
                held.setdefault(re.sub("Type$", "", kind.get("name") or ""), names)
        for name, rows in content()[f"v{version}"]["types"].items():
            mine = [row.split()[0] for row in rows]
            assert mine == [found for found in held[name] if found in mine], (version, name)


NAME = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)
ITEM = st.sampled_from(["L1", "L2", "C1", "C2", " x ", "ä<&"])
STEP = st.sampled_from(["S1", "S2", "S3", "nobody"])
EXTRA = st.dictionaries(
    st.sampled_from(["Description", "PostingDate", "StorageLocation", "ID/@schemeID", "{urn:x}Y", "Quantity", "@a"]), NAME
)
COLUMNS: dict[str, dict[str, Any]] = {
    "process_step": {"parent_step_run_id": STEP, "order_id": NAME, "response_id": NAME, "equipment_id": ITEM, "site_id": NAME},
    "process_parameter": {
        "step_run_id": STEP,
        "item_id": ITEM,
        "group_path": NAME,
        "value_raw": NAME,
        "unit_raw": NAME,
        "value_num": st.floats(),
    },
    "item": {"item_kind": st.sampled_from(["scrap", "sample", "carrier", "other", "cell"]), "lot_id": ITEM, "quantity": st.floats()},
    "genealogy": {"step_run_id": STEP, "quantity": st.floats(allow_nan=False)},
    "quality_result": {
        "step_run_id": STEP,
        "item_id": ITEM,
        "result_id": NAME,
        "value_raw": NAME,
        "verdict": st.sampled_from(["pass", "fail"]),
    },
    "equipment": {"parent_equipment_id": ITEM, "level": NAME, "name": NAME},
}
NEEDED: dict[str, dict[str, Any]] = {
    "process_step": {"step_run_id": STEP, "step_code": st.sampled_from(["coating", "stacking", "other"]), "step_name_raw": NAME},
    "process_parameter": {"parameter_code": st.just("other"), "parameter_name_raw": NAME},
    "item": {"item_id": ITEM, "produced_by_step_run_id": STEP},
    "genealogy": {
        "input_item_id": ITEM,
        "output_item_id": ITEM,
        "relation": st.sampled_from(["consumed", "assembled", "sampled", "split"]),
        "match_basis": st.just("declared"),
        "is_estimated": st.booleans(),
    },
    "quality_result": {"characteristic_code": st.just("other"), "characteristic_name_raw": NAME},
    "equipment": {"equipment_id": ITEM},
}


@st.composite
def made(draw: st.DrawFn) -> list[Chunk]:
    chunks: list[Chunk] = []
    for table, needed in NEEDED.items():
        optional = dict(COLUMNS[table])
        if table != "genealogy":
            optional["extra"] = EXTRA.map(canon.dumps)
        rows = draw(st.lists(st.fixed_dictionaries(needed, optional=optional), min_size=table == "process_step", max_size=4))
        if rows:
            chunks.append({table: canon.from_rows(table, rows)})
    return chunks


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(made(), st.sampled_from(["7", "6"]))
def test_any_tables_become_a_valid_message(chunks: list[Chunk], version: str) -> None:
    data, _ = write(chunks, version)
    hold(data, version)
    again, _ = read(data)
    assert sum(pa.Table.from_batches([chunk["process_step"]]).num_rows for chunk in again if "process_step" in chunk) == sum(
        chunk["process_step"].num_rows for chunk in chunks if "process_step" in chunk
    )
