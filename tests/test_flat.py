"""Flat factory exports: what is proposed from headers, what a mapping file makes of a file, and what is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bdx import canon, spec
from bdx.cli import run
from bdx.errors import BdxError, SourceError, UnknownFormat, UsageError
from bdx.formats.flat_even import evened
from bdx.formats.flat_head import composed, encodings
from bdx.mapping import flat_cells, flat_file, flat_words
from bdx.mapping.flat_headers import meaning
from bdx.names import fold
from bdx.pipeline.proposing import propose
from bdx.pipeline.proposing_check import check
from bdx.pipeline.proposing_text import render
from bdx.pipeline.reading import ReadOptions, chunks, open_source, read

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures" / "flat"
CASES = sorted(path.parent for path in FIXTURES.glob("*/expect.json"))
SAMPLES = ROOT.parent / "shared" / "samples" / "mes"
KIPRO = SAMPLES / "kiprobatt" / "flat-csv"
with_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="samples are not here")


def input_of(case: Path) -> Path:
    return next(path for path in case.iterdir() if path.name.startswith("input"))


def mapped(path: Path, by: Path, assume_tz: str | None = None) -> tuple[dict[str, pa.Table], list[str]]:
    options = ReadOptions(mapping=str(by), assume_tz=assume_tz)
    opened = open_source(str(path), 1, options)
    found: dict[str, list[pa.RecordBatch]] = {}
    for chunk in chunks(opened, options):
        for name, batch in chunk.items():
            found.setdefault(name, []).append(batch)
    return {name: pa.Table.from_batches(batches) for name, batches in found.items()}, sorted({item.code for item in opened.log.findings})


def proposed(path: Path, folder: Path) -> Path:
    by = folder / "proposed.toml"
    by.write_text(render(propose(path)), "utf-8")
    return by


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case_reads_as_expected_with_the_proposal_as_it_stands(case: Path, tmp_path: Path) -> None:
    expect = json.loads((case / "expect.json").read_text("utf-8"))
    own = case / "mapping.toml"
    by = own if own.exists() else proposed(input_of(case), tmp_path)
    tables, codes = mapped(input_of(case), by, expect.get("assume_tz"))
    assert {name: table.num_rows for name, table in tables.items() if name != "source"} == {
        name: wanted["rows"] for name, wanted in expect["tables"].items()
    }
    for name, wanted in expect["tables"].items():
        for column, values in wanted["columns"].items():
            found = tables[name].column(column).to_pylist()
            assert [value if isinstance(value, float | type(None)) else str(value) for value in found] == values, f"{name}.{column}"
    assert codes == expect["findings"]


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_length_of_batches_changes_nothing(rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = FIXTURES / "german-wide"
    by = proposed(input_of(case), tmp_path)
    whole, codes = mapped(input_of(case), by, "Europe/Berlin")
    monkeypatch.setattr(canon, "BATCH_ROWS", rows)
    monkeypatch.setattr("bdx.pipeline.evening.ROWS", rows)
    parts, other = mapped(input_of(case), by, "Europe/Berlin")
    assert codes == other
    for name in set(whole) - {"source"}:
        assert whole[name].to_pylist() == parts[name].to_pylist(), name


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (["Temp [°C]"], {"parameter": "temperature", "unit": "°C"}),
        (["Temp (°C)"], {"parameter": "temperature", "unit": "°C"}),
        (["temp_c"], {"parameter": "temperature", "unit": "°C"}),
        (["Mass_g"], {"parameter": "mass", "unit": "g"}),
        (["Masse in kg"], {"parameter": "mass", "unit": "kg"}),
        (["Temp (Soll) [°C]"], {"parameter": "temperature", "unit": "°C", "role": "setpoint"}),
        (["Mischen", "Drehzahl", "Istwert"], {"parameter": "mixing_speed", "step": "slurry_mixing", "role": "actual"}),
        (["搅拌温度(℃)"], {"parameter": "temperature", "unit": "℃", "step": "slurry_mixing"}),
        (["交流内阻(mΩ)"], {"result": "acir", "unit": "mΩ"}),
        (["Kathodencharge"], {"given_input": "cathode"}),
        (["电芯条码"], {"field": "item_id"}),
        (["Beschichten Startzeit"], {"field": "started_at", "step": "coating"}),
        (["Dicke Mittelwert [µm]"], {"parameter": "thickness", "statistic": "mean"}),
    ],
)
def test_headers_are_understood(levels: list[str], expected: dict[str, str]) -> None:
    found = meaning(levels)
    assert found is not None
    assert {key: getattr(found, key) for key in expected} == expected


@pytest.mark.parametrize("name", ["side_A", "Bemerkung", "x", ""])
def test_what_no_word_fits_stays_unknown(name: str) -> None:
    assert meaning([name]) is None


def test_merged_headers_carry_their_group_to_the_next() -> None:
    rows = [
        ["ID", "Mix", "", "", "Coat"],
        ["", "Speed", "", "Start", "Gap"],
        ["", "set", "act", "", ""],
        ["", "1/min", "1/min", "-", "[um]"],
    ]
    assert composed(rows, units=True) == ["ID", "Mix > Speed > set [1/min]", "Mix > Speed > act [1/min]", "Mix > Start", "Coat > Gap [um]"]
    assert composed([["a", "b", "a", ""]]) == ["a", "b", "a #2", ""]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Größe;Wert °C\nä;1,5 µm\n".encode("cp1252"), "cp1252"),
        ("电芯条码\t温度\n".encode("gb18030"), "gb18030"),
        ("Größe".encode(), "utf-8"),
    ],
)
def test_encodings_are_told_apart(text: bytes, first: str) -> None:
    assert encodings(text)[0] == first


@pytest.mark.parametrize(
    ("text", "decimal", "thousands", "expected"),
    [
        ("1.234,5", ",", "", 1234.5),
        ("1.234", ",", "", 1234.0),
        ("12.5", ",", "", None),
        ("-0,5", ",", "", -0.5),
        ("1,5e-3", ",", "", 0.0015),
        ("1 234,5", ",", " ", 1234.5),
        ("1,234.5", ".", ",", 1234.5),
        ("1,5", "", "", 1.5),
        ("1,234", "", "", None),
        ("1,5", ".", "", None),
        ("n/a", "", "", None),
    ],
)
def test_numbers_are_read_by_the_marks_of_the_file(text: str, decimal: str, thousands: str, expected: float | None) -> None:
    found, _ = flat_cells.numbers(pa.array([text]), decimal, thousands)
    assert found[0].as_py() == expected


@pytest.mark.parametrize(
    ("text", "order", "zone", "expected", "basis"),
    [
        ("31.12.2025 14:03", "", "Europe/Berlin", "2025-12-31 13:03:00+00:00", "assumed"),
        ("2025-12-31T14:03:00+01:00", "", "", "2025-12-31 13:03:00+00:00", "offset"),
        ("12/31/2025 14:03", "", "UTC", "2025-12-31 14:03:00+00:00", "assumed"),
        ("03/04/2025 14:03", "", "UTC", "None", "unknown"),
        ("03/04/2025 14:03", "mdy", "UTC", "2025-03-04 14:03:00+00:00", "assumed"),
        ("45992.5", "", "UTC", "2025-12-01 12:00:00+00:00", "assumed"),
        ("31.12.2025", "", "UTC", "None", "date_only"),
        ("26.10.2025 02:30", "", "Europe/Berlin", "None", "unknown"),
        ("31.12.2025 14:03", "", "", "None", "unknown"),
    ],
)
def test_times_are_read_or_left(text: str, order: str, zone: str, expected: str, basis: str) -> None:
    found = flat_cells.times(pa.array([text]), order, zone)
    assert (str(found.stamps[0].as_py()), found.basis[0].as_py()) == (expected, basis)


def test_extra_is_json_whatever_the_cells_hold() -> None:
    cells = pa.array(['say "x"\\\t', None, "Größe"])
    found = flat_cells.objects([('a"b', cells), ("c", pa.array(["1", None, None]))], 3).to_pylist()
    assert [json.loads(text) if text else None for text in found] == [{'a"b': 'say "x"\\\t', "c": "1"}, None, {'a"b': "Größe"}]


TABLE = 'kind = "flat"\n[[table]]\nmakes = ["process_step"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kind = "flat"\n[[table]\n', "not valid TOML"),
        (TABLE + 'header_row = 2\n[table.columns]\na = "item_id"\n', "line 4: no key 'header_row' in table .did you mean 'header_rows'"),
        (TABLE + '[table.columns]\na = "item_id"\n"b c" = "itemid"\n', "line 6: 'b c' is 'itemid': no field .*did you mean 'item_id'"),
        (TABLE + '[table.columns]\na = { parametr = "ocv" }\n', "line 5: 'a' has no key 'parametr' .did you mean 'parameter'"),
        (TABLE + '[table.columns]\na = { parameter = "tempratur" }\n', "line 5: .*did you mean 'temperature'"),
        (TABLE + '[table.columns]\na = { parameter = "ocv", step = "coatin" }\n', "line 5: .*did you mean 'coating'"),
        (TABLE + '[table.set]\nelectrode = "anod"\n[table.columns]\na = "item_id"\n', "line 5: .*did you mean 'anode'"),
        (TABLE + '[table.columns]\na = "parameter"\n', "none that is 'value'"),
        ('kind = "flat"\n[[table]]\nmakes = ["item", "lots"]\n[table.columns]\na = "item_id"\n', "line 3: .*lots"),
    ],
)
def test_a_fault_in_a_mapping_file_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        flat_file.parse(text, "my.toml")


def test_columns_that_are_not_there_are_named_with_the_nearest(tmp_path: Path) -> None:
    by = tmp_path / "my.toml"
    by.write_text(TABLE + '[table.columns]\nCharg = "item_id"\nArbeitsgng = "step"\n', "utf-8")
    with pytest.raises(SourceError, match=r"'Charg' .did you mean 'Charge'"):
        mapped(input_of(FIXTURES / "record-types"), by)


def test_rows_of_a_kind_that_is_not_named_are_a_finding_and_a_loss(tmp_path: Path) -> None:
    by = tmp_path / "my.toml"
    by.write_text(
        TABLE + 'where = { column = "Satzart", is = "AVO" }\n[table.columns]\nCharge = "item_id"\nArbeitsgang = "step"\n', "utf-8"
    )
    made = check(by, input_of(FIXTURES / "record-types"))
    assert made.rows == {"process_step": 2}
    assert next(found.count for found in made.findings if found.code == "M076") == 3
    assert {loss.what for loss in made.losses} == {"rows of 'LOT'", "rows of 'XXX'"}


@pytest.mark.parametrize("case", [case for case in CASES if case.name != "faults"], ids=lambda case: case.name)
def test_an_export_without_a_mapping_file_gets_the_hint(case: Path) -> None:
    with pytest.raises(UnknownFormat, match="bdx map init"):
        open_source(str(input_of(case)), 1, ReadOptions())


def test_a_source_of_a_known_format_is_read_as_such_beside_flat_ones() -> None:
    other = next((ROOT / "fixtures" / "formats" / "b2mml").glob("*/input.xml"))
    opened = open_source(str(other), 1, ReadOptions(mapping=str(FIXTURES / "faults" / "mapping.toml")))
    assert opened.format.id == "b2mml"


@pytest.mark.parametrize("name", ["cut.xlsx", "nul.csv", "empty.csv", "noise.csv", "one.csv", "long.csv", "quote.csv", "flip.xlsx"])
def test_hostile_files_raise_only_what_bdx_raises(name: str, tmp_path: Path) -> None:
    book = input_of(FIXTURES / "mixed-sheets").read_bytes()
    text = input_of(FIXTURES / "german-wide").read_bytes()
    data = {
        "cut.xlsx": book[: len(book) // 2],
        "nul.csv": b"\0" * 5000,
        "empty.csv": b"",
        "noise.csv": bytes(range(256)) * 40,
        "one.csv": b"Charge",
        "long.csv": b"Charge;Temp [\xb0C]\n" + b"x" * 300_000 + b";1\n",
        "quote.csv": text.replace(b'"Anlauf; ok"', b'"Anlauf; ok'),
        "flip.xlsx": book[:700] + bytes(byte ^ 0x55 for byte in book[700:760]) + book[760:],
    }[name]
    path = tmp_path / name
    path.write_bytes(data)
    for act in (lambda: propose(path), lambda: mapped(path, proposed(input_of(FIXTURES / "german-wide"), tmp_path))):
        try:
            act()
        except BdxError as error:
            assert str(path) in str(error)


def test_the_command_proposes_checks_and_converts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, by = str(input_of(FIXTURES / "german-wide")), str(tmp_path / "line.toml")
    assert run(["map", "init", source, "-o", by]) == 0
    assert run(["map", "init", source, "-o", by]) == 4  # an existing one is not replaced
    assert run(["map", "check", by, source]) == 0
    shown = capsys.readouterr().out
    assert "Flächengewicht [mg/cm²]" in shown and "process_step: 7 rows" in shown
    assert run(["map", "check", by, source, "-O", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["genealogy"] == 10
    assert run(["convert", "-q", "-m", by, source, "--assume-tz", "Europe/Berlin", "-o", str(tmp_path / "out") + "/"]) == 0
    assert pq.read_table(tmp_path / "out" / "process_step.parquet").column("qty_scrap").to_pylist()[3:5] == [20.0, 5.0]
    assert run(["validate", "-m", by, source, "--exit-zero"]) == 0
    assert run(["inspect", "-m", by, source]) == 0
    assert run(["map", "fields"]) == 0


def test_words_of_fields_are_unambiguous_and_feed_real_columns() -> None:
    assert flat_words.by_word()[fold("Zell-ID")] == "item_id"
    for item in flat_words.fields().values():
        for table, column in item.feeds.items():
            spec.table(table).column(column)
        assert not item.instead or item.instead in flat_words.fields()
    for target, words in flat_words.facts()["values"].items():
        table, _, column = target.partition(".")
        allowed = spec.table(table).column(column).enum
        assert not allowed or set(words) <= set(allowed)


@with_samples
@pytest.mark.parametrize(
    ("name", "table", "rows"),
    [
        ("process_step", "process_step", 1009),
        ("process_parameter", "process_parameter", 4316),
        ("genealogy", "genealogy", 1707),
        ("object", "item", 1353),
        ("process_parameter_german_excel", "process_parameter", 800),
    ],
)
def test_published_pilot_line_is_read_by_its_proposal(name: str, table: str, rows: int, tmp_path: Path) -> None:
    path = KIPRO / f"{name}.csv"
    tables, _ = mapped(path, proposed(path, tmp_path))
    assert {key: value.num_rows for key, value in tables.items() if key != "source"} == {table: rows}


@with_samples
def test_german_spreadsheet_says_what_the_plain_file_says(tmp_path: Path) -> None:
    german, _ = mapped(KIPRO / "process_parameter_german_excel.csv", proposed(KIPRO / "process_parameter_german_excel.csv", tmp_path))
    plain, _ = mapped(KIPRO / "process_parameter.csv", proposed(KIPRO / "process_parameter.csv", tmp_path))
    names = ["step_run_id", "item_id", "parameter_name_raw", "value_num", "unit"]
    every = {tuple(row.values()) for row in plain["process_parameter"].select(names).to_pylist()}
    found = [tuple(row.values()) for row in german["process_parameter"].select(names).to_pylist()]
    assert sum(row in every for row in found) == len(found)


@with_samples
def test_a_log_of_a_machine_is_refused_with_its_headers() -> None:
    with pytest.raises(SourceError, match=r"no column names an item, a step or a parameter; headers found: 'Timestamp', 'Device'"):
        propose(SAMPLES / "mtconnect" / "mtconnectlog_head500.csv")


def test_api_reads_by_a_mapping_file(tmp_path: Path) -> None:
    path = input_of(FIXTURES / "english-genealogy")
    assert read(path, by=proposed(path, tmp_path))["genealogy"].num_rows == 5


def test_line_breaks_in_quoted_cells_part_no_row_and_no_header(tmp_path: Path) -> None:
    rows = [
        f'"L{number}";"{"first" + chr(13) + chr(10) + "second; part" if number % 7 == 0 else "plain"}";{number},5'
        for number in range(1, 61)
    ]
    path = tmp_path / "notes.csv"
    path.write_bytes(("\r\n".join(['"Lot";"Bemerkung";"Dicke\r\n[µm]"', *rows]) + "\r\n").encode("cp1252"))
    tables, codes = mapped(path, proposed(path, tmp_path))
    assert tables["item"].column("item_id").to_pylist() == [f"L{number}" for number in range(1, 61)]
    assert tables["process_parameter"].column("value_num").to_pylist() == [number + 0.5 for number in range(1, 61)]
    assert json.loads(tables["item"].column("extra")[6].as_py())["Bemerkung"].split() == ["first", "second;", "part"]
    assert tables["item"].column("locator").to_pylist()[:9] == [f"line {number}" for number in (3, 4, 5, 6, 7, 8, 9, 11, 12)]
    assert not {"F041", "F042", "F047"} & set(codes)


def test_a_row_of_totals_is_no_lot(tmp_path: Path) -> None:
    path = tmp_path / "totals.csv"
    path.write_text("Lot,Operation,Input Qty,Good Qty,Scrap Qty\nL1,Coating,100,95,5\nTotal loss,Coating,1,0,1\nTotal,,101,95,6\n", "utf-8")
    by = proposed(path, tmp_path)
    tables, codes = mapped(path, by)
    assert tables["process_step"].column("step_run_id").to_pylist() == ["L1/coating", "Total loss/coating"]
    assert tables["process_step"].column("qty_in").to_pylist() == [100.0, 1.0]
    assert "M077" in codes
    options = ReadOptions(mapping=str(by))
    opened = open_source(str(path), 1, options)
    list(chunks(opened, options))
    assert [(loss.what, loss.count) for loss in opened.log.losses] == [("rows of totals", 1)]


def test_quantities_in_several_units_make_no_yield(tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    path.write_text("Lot,Operation,Input Qty [kg],Good Qty [pcs],Scrap Qty [pcs]\nL1,Coating,100,95,5\n", "utf-8")
    tables, codes = mapped(path, proposed(path, tmp_path))
    row = tables["process_step"].to_pylist()[0]
    assert (row["qty_in"], row["qty_good"], row["qty_scrap"], row["qty_unit"]) == (None, 95.0, 5.0, "1")
    assert json.loads(row["extra"]) == {"Input Qty [kg]": "100"}
    assert "M078" in codes


def test_the_unit_of_a_quantity_is_that_of_its_step(tmp_path: Path) -> None:
    path, by = tmp_path / "steps.csv", tmp_path / "steps.toml"
    path.write_text("Lot,Mixed [kg],Coated [m]\nL1,100,95\n", "utf-8")
    columns = [f'"{name}" = {{ field = "qty_good", unit = "{unit}", step = "{step}" }}' for name, unit, step in [
        ("Mixed [kg]", "kg", "slurry_mixing"), ("Coated [m]", "m", "coating")
    ]]  # fmt: skip
    by.write_text(
        "\n".join(['kind = "flat"', "[[table]]", 'makes = ["process_step"]', "[table.columns]", 'Lot = "item_id"', *columns]), "utf-8"
    )
    tables, _ = mapped(path, by)
    assert tables["process_step"].select(["qty_good", "qty_unit"]).to_pylist() == [
        {"qty_good": 100.0, "qty_unit": "kg"},
        {"qty_good": 95.0, "qty_unit": "m"},
    ]


def test_quantities_without_a_unit_are_asked_for_theirs(tmp_path: Path) -> None:
    path = tmp_path / "line.csv"
    path.write_text("Lot,Operation,Input Qty,Good Qty\nL1,Coating,100,95\n", "utf-8")
    by = proposed(path, tmp_path)
    text = by.read_text("utf-8")
    assert '# qty_unit = "pcs"' in text
    by.write_text(text.replace("# qty_unit", "qty_unit"), "utf-8")
    assert mapped(path, by)[0]["process_step"].column("qty_unit").to_pylist() == ["1"]


def test_values_of_a_second_lot_in_a_row_are_not_given_to_the_first(tmp_path: Path) -> None:
    path = tmp_path / "sides.csv"
    path.write_text("Anode;;Cathode;\nLot;Thickness [µm];Lot;Thickness [µm]\nA1;80;K1;70\nA2;81;K2;71\n", "utf-8")
    by = proposed(path, tmp_path)
    assert "a second item in each row" in by.read_text("utf-8")
    rows = mapped(path, by)[0]["process_parameter"].select(["item_id", "value_num"]).to_pylist()
    assert rows == [{"item_id": "A1", "value_num": 80.0}, {"item_id": "A2", "value_num": 81.0}]


def test_lineage_of_a_flat_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = input_of(FIXTURES / "english-genealogy")
    by = proposed(source, tmp_path)
    edge = read(source, by=by)["genealogy"].to_pylist()[0]
    assert run(["lineage", "-m", str(by), str(source), edge["output_item_id"], "--up"]) == 0
    assert edge["input_item_id"] in capsys.readouterr().out


def test_persons_in_columns_nobody_mapped_do_not_leave(tmp_path: Path) -> None:
    path, out = tmp_path / "shift.csv", tmp_path / "out"
    path.write_text("Lot,Operation,Bediener,Schichtführer,班长,Colour\nL1,Coating,A. Muster,B. Bauer,C. Li,red\n", "utf-8")
    assert run(["convert", "-q", "-m", str(proposed(path, tmp_path)), str(path), "-t", "csv", "-o", f"{out}/"]) == 0
    written = (out / "process_step.csv").read_text("utf-8")
    assert "red" in written
    assert not any(name in written for name in ("Muster", "Bauer", 'Li"'))


def test_the_unit_in_the_header_of_a_long_table_is_that_of_its_values(tmp_path: Path) -> None:
    path, by = tmp_path / "long.csv", tmp_path / "long.toml"
    path.write_text("Cell ID,Parameter,Value [mm]\nC1,thickness,0.12\n", "utf-8")
    columns = ['"Cell ID" = "item_id"', 'Parameter = "parameter"', '"Value [mm]" = { field = "value", unit = "mm" }']
    by.write_text("\n".join(['kind = "flat"', "[[table]]", 'makes = ["process_parameter"]', "[table.columns]", *columns]), "utf-8")
    row = mapped(path, by)[0]["process_parameter"].to_pylist()[0]
    assert (row["value_num"], row["unit"], row["unit_raw"]) == (120.0, "um", "mm")


@pytest.mark.parametrize(
    ("text", "expected", "short"),
    [
        ("a,b,c\n1,2\n", "a,b,c\n1,2,\n", (1, 1)),
        ("1,2,,,\r\n3,4,5\r\n", "1,2,\r\n3,4,5\r\n", (0, 0)),
        ('"x",2\n1,2,3', '"x",2,\n1,2,3', (1, 0)),
        ("1,2,3,4\n,,\n\nnote\n", "1,2,3,4\n,,\n\nnote\n", (0, 0)),
        ("1,2,3\n", "1,2,3\n", (0, 0)),
        ("", "", (0, 0)),
    ],
)
def test_rows_are_brought_to_the_width_of_their_header(text: str, expected: str, short: tuple[int, int]) -> None:
    data, *found = evened(text.encode(), ",", 3)
    assert (data.decode(), tuple(found)) == (expected, short)


def test_a_row_that_is_too_long_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("Lot,Operation,Good Qty,Scrap Qty\nL1,Coating,10,1\nL2,Coating,11,0,oops\nL3,Coating,12\nL4,Coating,13,2\n", "utf-8")
    tables, found = mapped(path, proposed(path, tmp_path))
    assert tables["process_step"].column("qty_good").to_pylist() == [10.0, 11.0, 12.0, 13.0]
    assert "F270" in found
