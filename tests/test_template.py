"""How a maker fills in master data: templates, workbooks both ways, sheets as people write them, supplements in bulk, given values."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import bdx
from bdx import canon, formats, mapping, spec
from bdx.canon import Log
from bdx.cli import cli
from bdx.errors import UsageError
from bdx.formats import sheets_write, xlsx_write
from bdx.formats.canonical import WriteOptions
from bdx.pipeline import templating
from bdx.pipeline.converting import ConvertResult, convert
from bdx.pipeline.giving import given as meant
from bdx.pipeline.sections import OTHER, hidden, sections

ROOT = Path(__file__).resolve().parents[1]
FORMATS = ROOT / "fixtures/formats"
STORY = FORMATS / "catenax-battery-pass/story/input.json"
PASSPORTS = [item.id for item in spec.formats() if item.world == "passport" and item.writes]
FEW_FACTS = ("catenax-dpp", "traction-battery-code")
"""Models whose documents are not told as such when they hold only what the sheets of these tests do."""


def run(*words: str) -> str:
    done = CliRunner().invoke(cli, list(words))
    assert done.exit_code == 0, done.output
    return done.stdout


def rows(name: Path, table: str = "battery") -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if value is not None} for row in bdx.read(name)[table].to_pylist()]


def codes(result: ConvertResult) -> list[str]:
    return sorted({found.code for found in result.findings})


# Templates


def test_every_column_has_one_place_among_the_sections() -> None:
    placed = [name for section in sections() for name in section.columns]
    wanted = {column.name for column in spec.table("battery").columns} - set(hidden())
    assert sorted(placed) == sorted(wanted)
    assert OTHER not in {section.id for section in sections()}, "specs/sections.toml gives a column no place"
    children = {name for name in spec.tables() if spec.table(name).parent == "battery"}
    assert {table for section in sections() for table in section.tables} == children


def test_the_header_is_read_as_its_own_table() -> None:
    for name in templating.names():
        header = run("template", name).strip().split(",")
        assert len(set(header)) == len(header)
        assert set(header) <= set(spec.table(templating.table_of(name)).by_name)
        assert not {"source_id", "locator", "extra"} & set(header)


@pytest.mark.parametrize("category", ["lmt", "ev", "industrial"])
def test_a_profile_narrows_a_template(category: str) -> None:
    whole = templating.template(templating.PASSPORT)
    some = templating.template(templating.PASSPORT, "ec-guidance", category)
    assert 30 < len(some) < len(whole)
    assert all(entry.needed or entry.name == "serial_number" for entry in some)
    assert ("soce_percent" in {entry.name for entry in some}) == (category == "ev")
    assert "document" in templating.workbook(templating.PASSPORT, "ec-guidance", category)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("template", "materials"), "did you mean 'material'"),
        (("template", "battery-passport", "--category", "lmt"), "goes with --profile"),
        (("template", "component", "--profile", "ec-guidance", "--category", "lmt"), "asks nothing of component"),
        (("template", "battery-passport", "-o", "a.ods"), ".csv or an .xlsx"),
        (("template", "battery-passport", "--profile", "ec-guidance", "--category", "sli"), "asks nothing of category 'sli'"),
    ],
)
def test_what_no_template_can_be_is_refused(words: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(cli, list(words))
    assert done.exit_code != 0
    assert message in str(done.exception) + done.output


def test_each_column_is_explained() -> None:
    found = list(csv.DictReader(io.StringIO(run("template", "battery-passport", "--explain", "-O", "csv"))))
    named = {row["column"]: row for row in found}
    assert named["rated_capacity_ah"]["unit"] == "Ah"
    assert named["rated_capacity_ah"]["label"] == "Rated capacity"
    assert "Annex" in named["rated_capacity_ah"]["law"]
    assert named["battery_category"]["words"].startswith("lmt | ev | industrial")
    assert named["put_into_service_date"]["tier"] == "item legitimate interest"
    assert all(row["meaning"] and row["label"] and row["who can tell it"] for row in found)
    text = run("template", "battery-passport", "--explain", "--profile", "ec-guidance", "--category", "lmt")
    assert "mandatory: ec-6 Battery category" in text
    markdown = run("template", "document", "--explain", "-O", "markdown").splitlines()
    assert len({line.count("|") - line.count("\\|") for line in markdown}) == 1


def test_a_workbook_has_a_sheet_per_table_help_and_lists_of_words(tmp_path: Path) -> None:
    path = tmp_path / "master.xlsx"
    run("template", "battery-passport", "-o", str(path))
    first = path.read_bytes()
    run("template", "battery-passport", "-o", str(path), "--force")
    assert path.read_bytes() == first
    with zipfile.ZipFile(path) as book:
        assert book.testzip() is None
        members = {name: book.read(name).decode() for name in book.namelist()}
    names = [part.split('"')[1] for part in members["xl/workbook.xml"].split("<sheet name=")[1:]]
    names = [part.split('"')[0] for part in members["xl/workbook.xml"].split('<sheet name="')[1:]]
    assert names[0] == "battery"
    assert {"material", "document", "carbon_footprint", "columns", "words"} <= set(names)
    battery = members["xl/worksheets/sheet1.xml"]
    assert 'state="frozen"' in battery
    assert '"lmt,ev,industrial,stationary,sli,portable,incorporated"' in battery
    document = members[f"xl/worksheets/sheet{names.index('document') + 1}.xml"]
    assert "<formula1>words!$A$2:$A$" in document
    assert formats.detect(formats.Source(str(path))).id == "xlsx"
    tables = bdx.read(path)
    assert tables["battery"].num_rows == 0
    assert not {"columns", "words"} & set(tables)


# A filled template, to every model


FILLED = """\
serial_number;battery_category;manufacturer_name;manufacturer_city;rated_capacity_ah;nominal_voltage_v;battery_mass [g];manufacturing_date
text;lmt | ev | industrial;text;text;in Ah;in V;in g;a day

BX36-000042;LMT;Beispiel Akku GmbH;Köln;14,5;36;3100;01.10.2026

;;;;;;;
BX36-000043;lmt;Beispiel Akku GmbH;Köln;14,5;36;3100;2026-10-02
"""


def held_to(target: str, path: Path, wanted: dict[str, list[Any]]) -> None:
    """Check that passports read back with the values that their model has a place for, where it tells documents of so few facts."""
    if target in FEW_FACTS:
        assert len(path.read_text("utf-8").splitlines()) == len(wanted["serial_number"])
        return
    table = bdx.read(path, from_format=target)["battery"]
    places = mapping.supplies(spec.format_spec(target)) or frozenset()
    for column, values in wanted.items():
        if f"battery.{column}" in places:
            assert table.column(column).to_pylist() == values, column


@pytest.mark.parametrize("target", PASSPORTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_sheet_as_people_save_it_becomes_every_passport(target: str, encoding: str, tmp_path: Path) -> None:
    master, material, out = tmp_path / "master.csv", tmp_path / "material.csv", tmp_path / "out.jsonl"
    master.write_bytes(FILLED.encode(encoding))
    material.write_text("battery_key;name;identifier;mass_kg\nBX36-000043;Nickel;7440-02-0;0,41\n", "utf-8")
    result = convert([master, material], out, to=target)
    assert result.rows["battery"] == 2
    assert result.rows["material"] == 1
    assert {"F004", "F120"} <= set(codes(result))
    assert not [found for found in result.findings if found.severity == "error"]
    assert len(out.read_text("utf-8").splitlines()) == 2
    held_to(
        target, out, {"serial_number": ["BX36-000042", "BX36-000043"], "rated_capacity_ah": [14.5, 14.5], "battery_mass_kg": [3.1, 3.1]}
    )


@pytest.mark.parametrize("target", PASSPORTS)
def test_a_filled_workbook_becomes_every_passport(target: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = convert([FORMATS / "xlsx/filled/input.xlsx"], out, to=target)
    assert (result.rows["battery"], result.rows["material"]) == (3, 6)
    held_to(target, out, {"serial_number": ["BX36-000042", "BX36-000043", "4012345000009"], "rated_capacity_ah": [14.5, 14.5, None]})


def test_csv_and_workbook_of_the_same_facts_are_the_same_passport(tmp_path: Path) -> None:
    header = "serial_number,battery_category,rated_capacity_ah,manufacturing_date,intended_purpose,full_cycles_time"
    (tmp_path / "a.csv").write_text(f'{header}\nBX36-1,lmt,14.5,2026-10-01,"[""a"",""b""]",2026-10-01T12:00:00Z\n')
    convert([tmp_path / "a.csv"], tmp_path / "a.xlsx")
    for name in ("a.csv", "a.xlsx"):
        convert([tmp_path / name], tmp_path / f"{name}.json", to="idta-02035")
    assert (tmp_path / "a.csv.json").read_bytes() == (tmp_path / "a.xlsx.json").read_bytes()


def test_a_passport_goes_through_a_workbook_unchanged(tmp_path: Path) -> None:
    convert([STORY], tmp_path / "a.xlsx")
    convert([tmp_path / "a.xlsx"], tmp_path / "b.json", to="catenax-battery-pass")
    assert json.loads((tmp_path / "b.json").read_text()) == json.loads(STORY.read_text())


def test_titles_and_explanations_are_told_apart_from_records(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Master data,,\n\nserial_number,rated_capacity_ah,battery_category\n# how to fill in,,\nBX1,14,lmt\n")
    log = convert([path], tmp_path / "o.jsonl")
    assert codes(log) == ["F004", "F120", "F126"] or codes(log) == ["F120", "F126"]
    assert [row["serial_number"] for row in rows(path)] == ["BX1"]
    path.write_text("serial_number,rated_capacity_ah,battery_category\nBX1,abc,lmt\nBX2,14,lmt\n")
    assert [row["serial_number"] for row in rows(path)] == ["BX1", "BX2"]


def test_moments_without_zone_need_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("serial_number,full_cycles,full_cycles_time\nBX1,3,2026-11-20T08:15:00\n")
    assert "full_cycles_time" not in rows(path)[0]
    convert([path], tmp_path / "b.jsonl", assume_tz="Europe/Berlin")
    assert rows(tmp_path / "b.jsonl")[0]["full_cycles_time"] == datetime(2026, 11, 20, 7, 15, tzinfo=UTC)
    convert([FORMATS / "xlsx/foreign/input.xlsx"], tmp_path / "c.jsonl", assume_tz="Europe/Berlin")
    assert rows(tmp_path / "c.jsonl")[0]["remaining_capacity_ah_time"] == datetime(2026, 11, 20, 7, 15, tzinfo=UTC)


# Workbooks hold what they are given


CELLS = {
    "serial_number": st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12).filter(str.strip),
    "intended_purpose": st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=5), max_size=3),
    "rated_capacity_ah": st.floats(),
    "full_cycles": st.integers(-(2**63), 2**63 - 1),
    "manufacturing_date": st.dates(),
    "full_cycles_time": st.datetimes(timezones=st.just(UTC)),
}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({name: st.none() | values for name, values in CELLS.items()}), min_size=1, max_size=5))
def test_any_value_comes_back_from_a_workbook(records: list[dict[str, Any]]) -> None:
    for number, row in enumerate(records):
        row["battery_key"] = f"k{number}"
    batch = canon.from_rows("battery", records)
    sink = io.BytesIO()
    item = spec.format_spec("xlsx")
    formats.engine(item).write_chunks([{"battery": batch}], sink, item, WriteOptions(Log()))
    source = formats.Source("-", Log(), io.BytesIO(sink.getvalue()))
    found = [chunk["battery"] for chunk in formats.engine(item).read_chunks(source, item)]
    back = pa.Table.from_batches(found).to_pylist()
    assert len(back) == len(records)
    for mine, row in zip(back, batch.to_pylist(), strict=True):
        for name in CELLS:
            assert mine[name] == row[name] or str(mine[name]) == str(row[name]) == "nan", name
    assert not source.log.findings


def test_what_a_sheet_cannot_hold_is_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets_write, "MOST_ROWS", 3)
    path = tmp_path / "a.jsonl"
    texts = ["x" * 40_000, "", "c", "d", "e"]
    path.write_text("".join(json.dumps({"serial_number": f"S{n}", "model_name": text}) + "\n" for n, text in enumerate(texts)))
    result = convert([path], tmp_path / "a.xlsx")
    lost = {loss.what: loss.count for loss in result.losses}
    assert lost == {"rows of battery": 2, "texts of battery.model_name": 1, "empty texts of battery.model_name": 1}
    assert [row.get("model_name") for row in rows(tmp_path / "a.xlsx")] == [None, None, "c"]


def test_a_long_series_goes_to_a_workbook_piece_by_piece(tmp_path: Path) -> None:
    cycler = next((FORMATS / "arbin-csv").glob("*/input.csv"))
    convert([cycler], tmp_path / "a.xlsx")
    series, back = bdx.read(cycler)["timeseries"], bdx.read(tmp_path / "a.xlsx")["timeseries"]
    assert back.select(["voltage_volt", "current_ampere"]).equals(series.select(["voltage_volt", "current_ampere"]))


def test_decimals_keep_every_digit(tmp_path: Path) -> None:
    value = Decimal("0.123456789012345678")
    chunk = {
        "battery": canon.from_rows("battery", [{"battery_key": "a", "serial_number": "a"}]),
        "carbon_footprint": canon.from_rows("carbon_footprint", [{"battery_key": "a", "stage": "total", "value": value}]),
    }
    with (tmp_path / "a.xlsx").open("w+b") as sink:
        sheets_write.write_chunks([chunk], sink, spec.format_spec("xlsx"), WriteOptions(Log()))
    assert rows(tmp_path / "a.xlsx", "carbon_footprint")[0]["value"] == value


def test_no_workbook_of_a_cycler_is_taken_for_ours() -> None:
    for path in sorted(FORMATS.glob("*/*/input.xlsx")):
        assert formats.detect(formats.Source(str(path))).id == path.parents[1].name


def test_cells_are_escaped_and_back() -> None:
    odd = ["_x0041_", "a\r\nb", "\x07", "<&>", " x ", "_x005F_", "\uffff", "\U0001f600"]
    cells = xlsx_write.text_cells(pa.array(odd)).to_pylist()
    assert all("\x07" not in cell and "\r" not in cell for cell in cells)
    assert "_x005F_x0041_" in cells[0]


# Supplements


def bulk(folder: Path, count: int) -> Path:
    """Return passports as JSON lines, each with a serial number of its own."""
    text = json.dumps(json.loads(STORY.read_text()))
    path = folder / "passports.jsonl"
    path.write_text("".join(text.replace("BX36-000042", f"BX36-{number:06d}") + "\n" for number in range(count)))
    return path


def supplement(folder: Path, count: int, *more: str) -> Path:
    path = folder / "supplement.csv"
    lines = [f"BX36-{number:06d},tag-{number},{20 if number == 7 else 14}" for number in range(count)]
    path.write_text("\n".join(["serial_number,traction_battery_code,rated_capacity_ah", *lines, *more]) + "\n")
    return path


def test_a_supplement_fills_what_passports_lack_and_says_so(tmp_path: Path) -> None:
    result = convert([bulk(tmp_path, 2500), supplement(tmp_path, 2500)], tmp_path / "o.jsonl", to="catenax-battery-pass")
    assert result.rows["battery"] == 2500
    told = [row for row in result.evidence if row["column"] == "traction_battery_code"]
    assert len(told) == 2500
    assert told[3] == told[3] | {"key": "BX36-000003", "value": "tag-3", "source_id": "s2", "locator": "row 5", "method": "declared"}
    (found,) = [found for found in result.findings if found.code == "M061"]
    assert (found.column, found.count, found.source) == ("rated_capacity_ah", 1, str(tmp_path / "supplement.csv"))
    assert "kept 14.0" in found.message


def test_the_order_of_sources_and_prefer_say_who_wins(tmp_path: Path) -> None:
    passports, extra = bulk(tmp_path, 8), supplement(tmp_path, 8)
    for sources, prefer, kept in (
        ([passports, extra], "", 14.0),
        ([extra, passports], "", 20.0),
        ([passports, extra], str(extra), 20.0),
        ([extra, passports], str(passports), 14.0),
    ):
        convert(sources, tmp_path / "o.jsonl", prefer=prefer, force=True, table="battery")
        found = {row["serial_number"]: row["rated_capacity_ah"] for row in rows(tmp_path / "o.jsonl")}
        assert found["BX36-000007"] == kept
        assert found["BX36-000006"] == 14.0


def test_the_result_does_not_hang_on_the_size_of_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [bulk(tmp_path, 300), supplement(tmp_path, 300)]
    made = []
    for step in (7, 1024):
        monkeypatch.setattr("bdx.pipeline.supplementing.STEP", step)
        made.append(convert(sources, tmp_path / f"{step}.jsonl", to="battery-pass"))
    assert (tmp_path / "7.jsonl").read_bytes() == (tmp_path / "1024.jsonl").read_bytes()
    assert made[0].evidence == made[1].evidence
    assert [found.message for found in made[0].findings] == [found.message for found in made[1].findings]


def test_rows_of_a_model_are_of_each_of_its_batteries(tmp_path: Path) -> None:
    (tmp_path / "packs.csv").write_text("serial_number,model_id\nA1,M\nA2,M\nA3,N\n")
    (tmp_path / "models.csv").write_text("model_id,rated_capacity_ah,battery_category\nM,14,lmt\nX,9,lmt\n")
    (tmp_path / "material.csv").write_text("battery_key,name,mass_kg\nM,Nickel,0.4\nA3,Lead,1\nZ9,Tin,1\n")
    sources = [tmp_path / name for name in ("packs.csv", "models.csv", "material.csv")]
    result = convert(sources, tmp_path / "o.xlsx")
    found = rows(tmp_path / "o.xlsx")
    assert [row.get("rated_capacity_ah") for row in found] == [14, 14, None]
    materials = [(row["battery_key"], row["name"]) for row in rows(tmp_path / "o.xlsx", "material")]
    assert materials == [("A1", "Nickel"), ("A2", "Nickel"), ("A3", "Lead")]
    assert "F121" in codes(result)
    lost = {loss.what: loss.why for loss in result.losses}
    assert "which no battery is of" in lost["declared values of a row"]
    assert lost["rows of material"] == "they name no battery of the data"


def test_what_no_other_source_knows_is_a_record_of_its_own(tmp_path: Path) -> None:
    result = convert([bulk(tmp_path, 3), supplement(tmp_path, 3, "BX36-999999,tag,14")], tmp_path / "o.jsonl", to="battery-pass")
    assert result.rows["battery"] == 4


def test_children_named_alike_are_one_row(tmp_path: Path) -> None:
    (tmp_path / "material.csv").write_text(
        "battery_key,name,mass_kg,concentration_percent\nBX36-000042,graphite,0.46,99\nBX36-000042,Tin,0.1,3\n"
    )
    result = convert([STORY, tmp_path / "material.csv"], tmp_path / "o.xlsx")
    found = {row["name"]: row for row in rows(tmp_path / "o.xlsx", "material")}
    assert len(found) == 5
    assert (found["Graphite"]["mass_kg"], found["Graphite"]["concentration_percent"]) == (0.46, 15.0)
    (told,) = [item for item in result.findings if item.code == "M061"]
    assert (told.table, told.column) == ("material", "concentration_percent")
    named = {(row["key"], row["column"]) for row in rows(tmp_path / "o.xlsx", "evidence") if row["table"] == "material"}
    assert ("BX36-000042#2", "mass_kg") in named
    assert ("BX36-000042#5", "name") in named


def test_serial_numbers_that_differ_are_not_joined_by_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("serial_number,battery_id,model_id\nA1,urn:x,M\n")
    (tmp_path / "b.csv").write_text("serial_number,battery_id,model_name\nB1,urn:x,N\n")
    result = convert([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "o.jsonl", table="battery")
    assert codes(result) == ["M065"]
    assert [row["serial_number"] for row in rows(tmp_path / "o.jsonl")] == ["A1", "B1"]


# Given values


@pytest.mark.parametrize(
    ("word", "column", "value"),
    [
        ("battery.model_id=BX36-14", "model_id", "BX36-14"),
        ("model_id=14 Ah pack", "model_id", "14 Ah pack"),
        ("rated_capacity=14Ah", "rated_capacity_ah", 14.0),
        ("rated_capacity_ah=14000 mAh", "rated_capacity_ah", 14.0),
        ("battery_mass=3100g", "battery_mass_kg", 3.1),
        ("certified_usable_energy=504Wh", "certified_usable_energy_kwh", 0.504),
        ("idle_temperature_min_c=-20", "idle_temperature_min_c", -20.0),
        ("battery_category=LMT", "battery_category", "lmt"),
        ("manufacturing_date=01.10.2026", "manufacturing_date", date(2026, 10, 1)),
        ("intended_purpose=e-bike", "intended_purpose", ["e-bike"]),
    ],
)
def test_what_is_given_has_type_and_unit(word: str, column: str, value: Any) -> None:
    (item,) = meant([word])
    assert (item.table, item.column, item.value) == ("battery", column, value)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model_id", "expected COLUMN=VALUE"),
        ("rated_capacity=14", "rated_capacity needs a unit"),
        ("rated_capacity=14kg", "unit 'kg' does not become Ah"),
        ("rated_capacity_ah=nan", "is not a number"),
        ("full_cycles=1.5", "is not a whole number"),
        ("full_cycles=3 foo", "is not a whole number"),
        ("battery_category=lmtt", "did you mean 'lmt'"),
        ("manufacturer_country=Germany", "does not look like"),
        ("battery_mass_kg=-1", "from 0 kg"),
        ("modelid=x", "did you mean 'model_id'"),
        ("name=Nickel", "say which"),
        ("battery_key=x", "no table has a column 'battery_key'"),
        ("timeseries.voltage_volt=3", "no table 'timeseries'"),
    ],
)
def test_what_cannot_be_given_is_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace(".", r"\.")):
        meant([word])


def test_given_values_fill_what_is_missing_and_replace_nothing(tmp_path: Path) -> None:
    give = ["traction_battery_code=X1", "rated_capacity=15Ah", "material.mass_kg=0.2"]
    result = convert([bulk(tmp_path, 3)], tmp_path / "o.xlsx", give=give)
    found = rows(tmp_path / "o.xlsx")
    assert {(row["traction_battery_code"], row["rated_capacity_ah"]) for row in found} == {("X1", 14.0)}
    assert {row["mass_kg"] for row in rows(tmp_path / "o.xlsx", "material")} == {0.2}
    (told,) = [item for item in result.findings if item.code == "M066"]
    assert (told.column, told.count) == ("rated_capacity_ah", 3)
    evidence = {row["column"]: (row["method"], row["by"], row["inputs"]) for row in rows(tmp_path / "o.xlsx", "evidence")}
    assert evidence["traction_battery_code"] == ("given", "--set traction_battery_code=X1", "filled in 3 of 3 records")
    assert evidence["rated_capacity_ah"][2] == "filled in 0 of 3 records"


def test_given_values_reach_a_passport_and_its_report(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("serial_number,model_id\nA1,M\n")
    out, report = tmp_path / "o.json", tmp_path / "r.json"
    run(
        "convert",
        str(tmp_path / "a.csv"),
        "-t",
        "idta-02035",
        "-o",
        str(out),
        "--set",
        "nominal_voltage=36V",
        "--report",
        str(report),
        "-q",
    )
    assert '"NominalVoltage":36' in out.read_text().replace(" ", "")
    (told,) = [row for row in json.loads(report.read_text())["evidence"] if row["method"] == "given"]
    assert (told["column"], told["value"]) == ("nominal_voltage_v", "36.0")


def test_one_name_is_not_given_to_two_batteries(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("model_id,battery_category\nM,lmt\nM,lmt\n")
    with pytest.raises(UsageError, match="would name 2 batteries alike"):
        convert([tmp_path / "a.csv"], tmp_path / "o.jsonl", give=["serial_number=A1"])
    assert not (tmp_path / "o.jsonl").exists()


def test_a_given_value_needs_a_table_to_go_to(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("serial_number,model_id\nA1,M\n")
    with pytest.raises(UsageError, match="hold no row of table document"):
        convert([tmp_path / "a.csv"], tmp_path / "o.jsonl", give=["document.language=de"])


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    yield
