"""AQDEF: what is read of every kind of Q-DAS file, what is refused and survived, and what is written comes back."""

from __future__ import annotations

import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bdx import canon, formats, mapping, spec
from bdx.canon import Log
from bdx.errors import BdxError, CorruptSource, SinkError, TruncatedSource, UnsafeSource, UnsupportedVersion, UsageError
from bdx.formats import aqdef, aqdef_header
from bdx.formats.source import Source
from bdx.mapping.characteristic_times import moments
from bdx.pipeline.converting import convert
from bdx.pipeline.reading import ReadOptions, chunks, open_source

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/formats/aqdef"
CASES = sorted(FIXTURES.iterdir())
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/mes/aqdef"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="sample files are not here")
SI, DC4 = "\x0f", "\x14"
HEAD = ["K0100 2", "K1001/1 P", "K2001/1 1", "K2002/1 OCV", "K2142/1 V", "K2001/2 2", "K2002/2 Mass", "K2142/2 kg"]

# Name of sample -> rows of quality_result, of item, of process_step, values that are null, codes found; what it is known to hold.
KNOWN = {
    "attributiveDfq_attributiveCharacteristic_and_errorLogSheet.dfq": (2, 0, 0, 2),
    "basicDfq_singlePart_singleCharacteristic_noValues.dfq": (1, 0, 1, 1),
    "basicDfq_singlePart_threeCharacteristics.dfq": (9, 0, 1, 0),
    "basicDfq_threeParts_differentNumberOfCharacteristics.dfq": (26, 0, 3, 0),
    "characteristicHierarchy_characteristicOrder.dfq": (6, 0, 0, 6),
    "characteristicHierarchy_singlePart_singleGroup_twoCharacteristics.dfq": (2, 0, 0, 0),
    "characteristicHierarchy_singlePart_threeCharacteristics.dfq": (3, 0, 0, 0),
    "characteristicHierarchy_singlePart_twoChildCharacteristics_twoGroups.dfq": (4, 0, 0, 0),
    "testmeasures_uncoded_with_K0053_lines.dfq": (10, 1, 0, 0),
    "zeiss_SAMPLE_DATA.dfq": (2240, 7, 1, 0),
}


def tables(path: Path | str, **options: Any) -> tuple[dict[str, pa.Table], Log]:
    asked = ReadOptions(**options)
    opened = open_source(str(path), 1, asked)
    found: dict[str, list[pa.RecordBatch]] = {}
    for chunk in chunks(opened, asked):
        for name, batch in chunk.items():
            assert batch.num_rows <= canon.BATCH_ROWS
            found.setdefault(name, []).append(batch)
    return {name: pa.Table.from_batches(batches) for name, batches in found.items()}, opened.log


def read(*lines: str, end: str = "\n", encoding: str = "utf-8", **options: Any) -> tuple[list[dict[str, Any]], Log]:
    """Return the quality results of a file of these lines."""
    log, facts = Log(), spec.format_spec("aqdef")
    source = Source("-", log, io.BytesIO("".join(line + end for line in lines).encode(encoding)))
    context = mapping.Context("test.dfq", "s1", log, options=options)
    rows: list[dict[str, Any]] = []
    for chunk in mapping.to_canonical(aqdef.read(source, facts), facts, context):
        rows += chunk["quality_result"].to_pylist() if "quality_result" in chunk else []
    return rows, log


def codes(log: Log) -> set[str]:
    return {found.code for found in log.findings}


def same(table: pa.Table | None) -> list[str]:
    """Return the rows of a table without where they stood, in one order."""
    if table is None:
        return []
    rows = ({key: value for key, value in row.items() if key != "locator"} for row in table.to_pylist())
    return sorted(json.dumps(row, default=str, sort_keys=True) for row in rows)


def value(number: str, *, attribute: str = "0", date: str = "04.05.2026/06:00:00", batch: str = "#", nest: str = "0") -> str:
    return DC4.join((number, attribute, date, "", batch, nest, "0", "0", "", "0"))


@needs_samples
@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.df*")) if SAMPLES.exists() else [], ids=lambda path: path.name[:40])
def test_samples_are_read_and_come_back(path: Path, tmp_path: Path) -> None:
    found, log = tables(path, assume_tz="Europe/Berlin")
    counts = tuple(found[name].num_rows if name in found else 0 for name in ("quality_result", "item", "process_step"))
    if path.name in KNOWN:
        assert (*counts, found["quality_result"].column("value_num").null_count) == KNOWN[path.name]
    assert not codes(log) & {"F220", "F221", "F222", "F227", "F230", "F233"}
    convert([str(path)], tmp_path / "back.dfq", assume_tz="Europe/Berlin", personal="keep")
    back, _ = tables(tmp_path / "back.dfq", assume_tz="Europe/Berlin")
    for name in ("quality_result", "item", "process_step", "equipment"):
        assert same(found.get(name)) == same(back.get(name)), name


@needs_samples
def test_a_real_export_is_read_value_by_value() -> None:
    found, log = tables(SAMPLES / "testmeasures_uncoded_with_K0053_lines.dfq", assume_tz="Europe/Berlin")
    first, last = (found["quality_result"].to_pylist()[place] for place in (0, -1))
    assert first["value_raw"] == "2.49960000000000E+0002"
    assert (first["subgroup"], last["subgroup"]) == (1, 3)
    assert json.loads(first["extra"])["K0053"] == "615 647"
    assert "K0053" not in json.loads(last["extra"])
    assert "F223" in codes(log), "one characteristic was given the limits of the other"
    assert last["lower_limit"] is None


@needs_samples
def test_groups_are_paths() -> None:
    found, _ = tables(SAMPLES / "characteristicHierarchy_characteristicOrder.dfq")
    paths = {row["characteristic_id"]: row["group_path"] for row in found["quality_result"].to_pylist()}
    assert paths["<characteristic_code_1>"] is None
    assert paths["<characteristic_code_3>"] == "<characteristic_code_2>"
    assert paths["<characteristic_code_6>"] == "<group_5>"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_written_comes_back(case: Path, tmp_path: Path) -> None:
    source = next(path for path in case.iterdir() if path.suffix in (".dfq", ".dfd"))
    result = convert([str(source)], tmp_path / "back.dfq", assume_tz="Europe/Berlin", personal="keep")
    found, _ = tables(source, assume_tz="Europe/Berlin")
    back, log = tables(tmp_path / "back.dfq", assume_tz="Europe/Berlin")
    expected = {"faults": {"K2344", "K0002", "quality_result.value_text"}, "end-of-line": {"quality_result.inspector_ref"}}
    expected["wide"] = {"the zone of measured_at"}
    assert {loss.what for loss in result.losses} == expected.get(case.name, set())
    assert codes(log) & {"F220", "F222", "F227"} == set()
    if case.name in ("coded", "parts-and-groups", "counted", "pair", "wide"):
        left, right = ([json.loads(row) for row in same(table["quality_result"])] for table in (found, back))
        for row in left:
            row["value_raw"] = row["value_raw"] and row["value_raw"].replace(",", ".")
        if case.name in ("coded", "parts-and-groups", "counted"):
            assert sorted(map(str, left)) == sorted(map(str, right))
        assert [row["value_num"] for row in left] == [row["value_num"] for row in right]
        assert same(found.get("item")) == same(back.get("item"))


@pytest.mark.parametrize("size", [61, 509, 4093])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_length_of_blocks_changes_nothing(case: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = next(path for path in case.iterdir() if path.suffix in (".dfq", ".dfd"))
    whole, log = tables(source)
    monkeypatch.setattr(aqdef, "BLOCK", size)
    pieces, again = tables(source)
    for name in whole.keys() - {"source"}:
        assert whole[name].to_pylist() == pieces[name].to_pylist()
    assert [(found.code, found.count) for found in log.findings] == [(found.code, found.count) for found in again.findings]


@pytest.mark.parametrize("case", ["coded", "counted", "end-of-line", "pair", "parts-and-groups"])
def test_line_by_line_is_as_block_by_block(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = next(path for path in (FIXTURES / case).iterdir() if path.suffix in (".dfq", ".dfd"))
    fast, _ = tables(source)
    plain = aqdef_header.scan

    def slow(*given: Any) -> aqdef_header.Scan:
        found = plain(*given)
        found.numbered = True
        return found

    monkeypatch.setattr(aqdef, "scan", slow)
    assert fast["quality_result"].to_pylist() == tables(source)[0]["quality_result"].to_pylist()


def test_missing_is_never_zero() -> None:
    rows, log = read(*HEAD, SI.join((value("0.00000000000000E+0000", attribute="256"), value("5", attribute="255"))), value("3.6"))
    assert [row["value_num"] for row in rows] == [None, None, 3.6]
    assert [row["verdict"] for row in rows] == ["not_evaluated", "not_evaluated", None]
    assert rows[0]["value_raw"] == "0.00000000000000E+0000"
    assert "F226" in codes(log)


def test_values_in_k_fields_may_be_interleaved_and_fields_may_come_first() -> None:
    rows, _ = read(*HEAD, "K0001/1 1", "K0001/2 2", "K0014/1 A", "K0014/2 B", "K0001/1 3", "K0014/1 C")
    assert [(row["value_num"], row["item_id"]) for row in rows] == [(1, "A"), (2, "B"), (3, "C")]
    rows, _ = read(*HEAD, "K0014/1 A", "K0001/1 1", "K0014/1 C", "K0001/1 3")
    assert [(row["value_num"], row["item_id"]) for row in rows[:2]] == [(1, "A"), (3, "C")]


def test_fields_of_all_and_fields_by_number() -> None:
    rows, _ = read(*HEAD, "K0001/1 1", "K0001/2 2", "K0014/0 A", "K0001/1 3", "K0001/2 4", "K0014/0/2 B", "K0009/1/1 first")
    assert [row["item_id"] for row in rows] == ["A", "A", "B", "B"]
    assert json.loads(rows[0]["extra"])["K0009"] == "first"
    rows, log = read(*HEAD, "K0001/1 1", "K0014/1/7 A")
    assert len(rows) == 2
    assert "F227" in codes(log)


def test_two_data_sets_in_one_file_keep_their_own_indexes() -> None:
    second = ["K0100 1", "K1001 Q", "K2001 9", "K2002 Width", "K2142 mm", "K0001 4"]
    rows, log = read(*HEAD, value("3.6"), *second)
    assert [(row["spec_id"], row["value_num"]) for row in rows if row["value_num"]] == [("P", 3.6), ("Q", 4)]
    assert "F220" not in codes(log)


def test_a_line_of_values_reaches_over_all_parts() -> None:
    head = ["K0100 2", "K1001/1 P", "K2001/1 1", "K1001/2 Q", "K2001/2 1"]
    rows, _ = read(*head, SI.join((value("1"), value("2"))), value("3"))
    assert [(row["spec_id"], row["value_num"]) for row in rows] == [("P", 1), ("Q", 2), ("P", 3)]


def test_empty_places_in_a_line_are_no_values() -> None:
    rows, log = read(*HEAD, f"{SI}{value('2')}", value("1") + SI, f"{DC4}{DC4}{SI}{value('4')}")
    assert [(row["characteristic_id"], row["value_num"]) for row in rows] == [("2", 2), ("1", 1), ("2", 4)]
    assert codes(log) == {"M048"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_and_ends_of_lines(encoding: str, end: str) -> None:
    rows, log = read(*HEAD, "K2900/1 Prüfling für Überwurf", "K0001/1 1", "K0009/1 Größe", end=end, encoding=encoding)
    assert json.loads(rows[0]["extra"])["K0009"] == "Größe"
    assert json.loads(rows[0]["extra"])["characteristic"]["K2900"] == "Prüfling für Überwurf"
    assert ("F224" in codes(log)) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("9.5.2018/10:05:59", "2018-05-09T10:05:59"),
        ("09.05.18/10:05", "2018-05-09T10:05:00"),
        ("5/9/18/10:5:59", "2018-05-09T10:05:59"),
        ("05/09/2018.10:05:59", "2018-05-09T10:05:59"),
        ("18-05-09 10:05:59", "2018-05-09T10:05:59"),
        ("2018-5-9/10:05:59", "2018-05-09T10:05:59"),
        ("9.5.2018.10:05:59", "2018-05-09T10:05:59"),
        ("2018-05-09T10:05:59.25", "2018-05-09T10:05:59.250000"),
        ("20/05/2018/18:05:10", None),
        ("31.02.2018/10:05:59", None),
        ("20-05-2018/18:05:10", None),
        ("9.5.2018/25:00", None),
        ("yesterday", None),
    ],
)
def test_dates(text: str, moment: str | None) -> None:
    found, basis, bad = moments(pa.array([text, None]), "UTC")
    assert bad[0].as_py() == (moment is None)
    assert basis[0].as_py() == ("assumed" if moment else "unknown")
    assert found[0].as_py() == (datetime.fromisoformat(moment).replace(tzinfo=UTC) if moment else None)


def test_zones() -> None:
    texts = pa.array(["2018-05-09T10:00:00+02:00", "09.05.2018/10:00:00", "09.05.2018", "28.10.2018/02:30:00", "25.03.2018/02:30:00"])
    found, basis, _ = moments(texts, "Europe/Berlin")
    assert basis.to_pylist() == ["offset", "assumed", "date_only", "unknown", "unknown"]
    assert [moment and moment.hour for moment in found.to_pylist()] == [8, 8, None, None, None]
    assert moments(texts, None)[1].to_pylist() == ["offset", "unknown", "date_only", "unknown", "unknown"]
    with pytest.raises(UsageError, match="no time zone"):
        moments(texts, "Mars/Olympus")


def test_units_limits_and_counts_are_those_of_the_format() -> None:
    head = ["K0100 2", "K1001/1 P", "K2001/1 1", "K2002/1 OCV", "K2141/1 7", "K4082/7 mV", "K2110/1 3500", "K2111/1 3,7E3"]
    rows, log = read(
        *head, "K2001/2 2", "K2004/2 1", "K0001/1 3 600", "K0001/1 3600", "K0020/2 155000", "K0021/2 8", "K0020/2 7", "K0021/2 x"
    )
    assert (rows[1]["value_num"], rows[1]["unit"], rows[1]["lower_limit"], rows[1]["upper_limit"]) == (3.6, "V", 3.5, 3.7)
    assert (rows[0]["value_num"], rows[0]["value_text"]) == (None, "3 600")
    assert [(row["sample_size"], row["defect_count"]) for row in rows[2:]] == [(155, 8), (None, None)]
    assert json.loads(rows[3]["extra"]) == {"K0020": "7", "K0021": "x"}
    assert {"M045", "F228"} <= codes(log)


def test_people_are_in_their_columns_or_nowhere() -> None:
    line = DC4.join(("3.6", "0", "", "", "#", "0", "12", "0", "", "0"))
    head = [*HEAD[:2], "K1222/1 Inspector Name", "K1344/1 Planner Name", *HEAD[2:], "K2422/2 Second Name", "K4092/12 Twelve Name"]
    rows, log = read(*head, f"{line}{SI}2")
    assert [row["inspector_ref"] for row in rows] == ["12", "Second Name"]
    assert not any("Name" in (row["extra"] or "") for row in rows)
    assert {loss.what for loss in log.losses} == {"K1344", "K4092"}


def test_machines_of_values_are_steps() -> None:
    line = DC4.join(("3.6", "0", "", "", "#", "0", "0", "4", "2/1", "0"))
    facts, log = spec.format_spec("aqdef"), Log()
    data = "\n".join([*HEAD, "K4063/4 Coater", line, value("2")]).encode()
    context = mapping.Context("t", "s1", log)
    found: dict[str, list[dict[str, Any]]] = {}
    for chunk in mapping.to_canonical(aqdef.read(Source("-", log, io.BytesIO(data)), facts), facts, context):
        for name, batch in chunk.items():
            found.setdefault(name, []).extend(batch.to_pylist())
    assert [row["step_run_id"] for row in found["quality_result"]] == ["s1:part-1:machine-4", None, None]
    assert found["process_step"][0]["equipment_id"] == "4"
    assert (found["equipment"][0]["equipment_id"], found["equipment"][0]["name"]) == ("4", "Coater")
    assert (found["process_parameter"][0]["value_raw"], found["process_parameter"][0]["step_run_id"]) == ("2/1", "s1:part-1:machine-4")


def test_older_hierarchies_and_circles() -> None:
    head = ["K0100 3", "K1001/1 P", "K2001/1 1", "K2002/1 Top", "K2030/1 1", "K2001/2 2", "K2031/2 1", "K2001/3 3"]
    rows, _ = read(*head)
    assert [row["group_path"] for row in rows] == [None, "Top", None]
    links = ["K5112/1 1", "K5112/2 2", "K5102/1 2", "K5102/2 1"]
    rows, log = read(*head[:4], "K2001/2 2", *links)
    assert [row["group_path"] for row in rows] == [None, None]
    assert "F233" in codes(log)


def test_a_part_without_characteristics_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "bare.dfq"
    path.write_text("K0100 0\nK1001/1 P-9\nK1002/1 Bare\n")
    found, _ = tables(path)
    row = found["process_step"].to_pylist()[0]
    assert row["product_definition_id"] == "P-9"
    assert json.loads(row["extra"])["part"]["K1002"] == "Bare"
    with pytest.raises(SinkError, match="characteristics"):
        convert([str(path)], tmp_path / "out.dfq")


def test_a_pair_is_found_from_either_side(tmp_path: Path) -> None:
    for given, other in ((".dfd", ".dfx"), (".DFD", ".DFX")):
        for suffix, kind in ((given, ".dfd"), (other, ".dfx")):
            shutil.copy(FIXTURES / "pair" / f"input{kind}", tmp_path / f"batch{suffix}")
    for name in ("batch.dfd", "batch.dfx", "batch.DFD", "batch.DFX"):
        found, log = tables(tmp_path / name)
        assert found["quality_result"].num_rows == 40
        assert "F225" not in codes(log)
    assert tables(tmp_path / "batch.dfd")[0]["quality_result"].column("locator")[0].as_py() == "batch.dfx line 1"


def test_half_a_pair(tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "pair/input.dfx", tmp_path / "alone.dfx")
    with pytest.raises(UnsupportedVersion, match=r"give the \.dfd"):
        tables(tmp_path / "alone.dfx")
    shutil.copy(FIXTURES / "pair/input.dfd", tmp_path / "only.dfd")
    found, log = tables(tmp_path / "only.dfd")
    assert found["quality_result"].column("value_num").null_count == 2
    assert "F225" in codes(log)


def test_detection_is_by_the_first_lines(tmp_path: Path) -> None:
    fits = {b"K0100 1\r\n": True, b"\xef\xbb\xbfK0101/1 2\n": True, "K0100 3".encode("utf-16"): True, b"1.5\x140\x14": True}
    fits |= {b"K1001/1 x\nK1002/1\nK2001 y\n": True, b"K1001/1 x\n": False, b"K100 5\n": False, b"Key0100 1\n": False, b"1.5,2\n": False}
    for head, expected in fits.items():
        assert aqdef.sniff(head, spec.format_spec("aqdef")) == expected, head


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"K0100 1\nK1001/1 " + b"x" * (17 << 20), UnsafeSource),
        (b"K0100 1\n", CorruptSource),
        (b"K0100 1\nnothing of use\n", CorruptSource),
        ("K0100 1\nK1001/1 x\nK2001/1 y\n".encode("utf-16")[:-1], TruncatedSource),
        (b"\xff\xfeK\x000\x001\x000\x000\x00\n\x00\x00\xdc\x00\xdc", CorruptSource),
    ],
)
def test_hostile_bytes(data: bytes, error: type[BdxError]) -> None:
    with pytest.raises(error):
        list(formats.read(Source("-", Log(), io.BytesIO(data)), spec.format_spec("aqdef")))


def test_too_many_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {**spec.format_spec("aqdef").raw, "limits": {**spec.format_spec("aqdef").raw["limits"], "header_fields": 3}}
    with pytest.raises(UnsafeSource, match="more than 3 fields"):
        aqdef_header.scan(Source("-", Log(), io.BytesIO("\n".join(HEAD).encode())), facts)


def test_odd_indexes_are_lines_not_understood() -> None:
    rows, log = read(*HEAD, "K0001/1 1", "K0001/99999999999 2", "K2002/1/1 x", "K2002/1-1 x", "K0001/4 5")
    assert [row["value_num"] for row in rows] == [1, 5, None]
    assert {"F221", "F222"} <= codes(log)


def test_results_of_another_source_become_characteristics(tmp_path: Path) -> None:
    rows = [
        {
            "characteristic_code": "ocv",
            "characteristic_name_raw": "OCV",
            "value_num": 3.6,
            "value_raw": "3600",
            "unit": "V",
            "unit_raw": "mV",
        },
        {"characteristic_code": "ocv", "characteristic_name_raw": "OCV", "value_num": 3.7, "unit": "V", "verdict": "pass"},
        {"characteristic_code": "other", "characteristic_name_raw": "Visual", "verdict": "fail", "verdict_source": "reported"},
        {
            "characteristic_code": "grade",
            "characteristic_name_raw": "Grade",
            "value_text": "K1",
            "value_raw": "K1",
            "expires_at": datetime.now(UTC),
        },
    ]
    rows = [
        row | {"item_id": f"C-{number}", "lower_limit": 3.5 if row["characteristic_code"] == "ocv" else None}
        for number, row in enumerate(rows)
    ]
    rows[1]["measured_at"] = datetime(2026, 5, 4, 6, tzinfo=UTC)
    rows[1]["item_id"] = "L-1"
    chunk = {
        "quality_result": canon.from_rows("quality_result", rows),
        "item": canon.from_rows("item", [{"item_id": "L-1", "granularity": "lot", "material_definition_id": "CELL", "name": "Cell"}]),
        "genealogy": canon.from_rows("genealogy", [{"input_item_id": "a", "output_item_id": "b", "relation": "split"}]),
    }
    log, sink, facts = Log(), io.BytesIO(), spec.format_spec("aqdef")
    formats.write(mapping.from_canonical([chunk], facts, mapping.Context("x", "s1", log)), sink, facts)
    lost = {loss.what for loss in log.losses}
    expected = {
        "table genealogy",
        "quality_result.verdict",
        "quality_result.value_text",
        "quality_result.expires_at",
        "the zone of measured_at",
    }
    assert lost == expected
    path = tmp_path / "made.dfq"
    path.write_bytes(sink.getvalue())
    found, after = tables(path, assume_tz="UTC")
    back = found["quality_result"].to_pylist()
    assert [row["value_num"] for row in back] == [3.6, 3.7, None, None]
    assert [row["item_id"] for row in back] == ["C-0", "L-1", "C-2", "C-3"]
    assert [row["lower_limit"] for row in back] == [3.5, 3.5, None, None]
    assert back[1]["measured_at"] == datetime(2026, 5, 4, 6, tzinfo=UTC)
    assert (back[2]["verdict"], back[2]["sample_size"], back[2]["defect_count"]) == ("fail", 1, 1)
    assert back[1]["spec_id"] == "CELL"
    assert json.loads(back[3]["extra"])["K0009"] == "K1"
    assert codes(after) <= {"F226", "M041", "M042"}


def test_texts_cannot_break_lines() -> None:
    rows = [{"characteristic_code": "other", "characteristic_name_raw": "a\r\nK2001/9 b", "value_num": 1.0, "spec_id": "p\x0fq"}]
    sink, facts = io.BytesIO(), spec.format_spec("aqdef")
    chunk = {"quality_result": canon.from_rows("quality_result", rows)}
    formats.write(mapping.from_canonical([chunk], facts, mapping.Context("x", "s1", Log())), sink, facts)
    assert [line for line in sink.getvalue().decode().split("\r\n") if line.startswith("K2001")] == []
    assert sink.getvalue().decode().count("K0100") == 1
