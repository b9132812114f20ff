"""Battery Data Format: read under every name, told from canonical tables, written and read back exactly; other tables are not stolen."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bdx
from bdx import formats
from bdx.errors import SinkError, UnknownFormat, UnsupportedVersion
from bdx.pipeline.converting import convert
from bdx.pipeline.reading import ReadOptions, chunks, open_source, read

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures/formats"
SAMPLES = ROOT.parent / "shared/samples/instrument"
real = pytest.mark.skipif(not SAMPLES.exists(), reason="real files are not here")


def series(path: Path, batch_rows: int | None = None) -> pa.Table:
    opened = open_source(str(path), 1, ReadOptions())
    return pa.Table.from_batches([chunk["timeseries"] for chunk in chunks(opened, ReadOptions()) if "timeseries" in chunk])


def found(path: Path) -> dict[str, str]:
    opened = open_source(str(path), 1, ReadOptions())
    for _ in chunks(opened, ReadOptions()):
        pass
    return {finding.code: finding.message for finding in opened.log.findings}


def detected(data: bytes, tmp_path: Path) -> str:
    path = tmp_path / "unnamed"
    path.write_bytes(data)
    return formats.detect(formats.Source(str(path))).id


@pytest.mark.parametrize("target", ["bdf-csv", "bdf-parquet"])
@pytest.mark.parametrize("case", ["labels", "machine-names", "legacy-names"])
def test_what_is_written_reads_back_the_same(case: str, target: str, tmp_path: Path) -> None:
    source = FIXTURES / "bdf-csv" / case / "input.csv"
    copy = tmp_path / "copy"
    result = convert([str(source)], str(copy), to=target)
    assert not [loss for loss in result.losses if "column timeseries" in loss.what]
    assert formats.detect(formats.Source(str(copy))).id == target
    before, after = series(source), series(copy)
    assert after.schema.names == before.schema.names
    assert after.equals(before)


def test_a_suffix_picks_the_format_and_extras_are_losses(tmp_path: Path) -> None:
    source = FIXTURES / "arbin-csv/mits-pro-bom-tab/input.csv"
    result = convert([str(source)], str(tmp_path / "a.bdf.parquet"))
    assert result.format == "bdf-parquet"
    assert {"column timeseries.extra_tc_counter1", "column timeseries.local_time"} <= {loss.what for loss in result.losses}
    assert pq.read_schema(tmp_path / "a.bdf.parquet").names[:2] == ["record_index", "test_time_second"]
    assert "schedule_charging_capacity_ah" in series(tmp_path / "a.bdf.parquet").schema.names


def test_row_groups_do_not_depend_on_batches(tmp_path: Path) -> None:
    rows = 150_000
    table = pa.table({"test_time_second": range(rows), "voltage_volt": [3.7] * rows, "current_ampere": [1.0] * rows})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=7_001)
    convert([str(tmp_path / "in.parquet")], str(tmp_path / "out"), to="bdf-parquet")
    file = pq.ParquetFile(tmp_path / "out")
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [131_072, 18_928]
    assert series(tmp_path / "out").num_rows == rows


def test_parquet_without_a_required_column_is_refused(tmp_path: Path) -> None:
    source = FIXTURES / "repower-csv/restarts/input.csv"
    with pytest.raises(SinkError, match=r"test_time_second \(Test Time / s\)"):
        convert([str(source)], str(tmp_path / "x.bdf.parquet"))
    assert not (tmp_path / "x.bdf.parquet").exists()


def test_canonical_tables_stay_canonical(tmp_path: Path) -> None:
    source = FIXTURES / "bdf-csv/labels/input.csv"
    convert([str(source)], str(tmp_path / "x.parquet"))
    assert formats.detect(formats.Source(str(tmp_path / "x.parquet"))).id == "parquet"
    header = "test_id,test_time_second,voltage_volt,current_ampere"
    assert detected(f"{header}\ns1,0,3.7,1\n".encode(), tmp_path) == "csv"
    assert detected(header.replace("test_id", "extra_a").encode() + b"\n0,0,3.7,1\n", tmp_path) == "csv"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Test Time / s,Voltage / V,Current / A", "bdf-csv"),
        ("test_time_second,voltage_volt,current_ampere", "bdf-csv"),
        ("unix_time_second,current_ampere,voltage_volt", "bdf-csv"),
        ("Test Time / s;Voltage / V;Current / A;Cycle Index / 1", "bdf-csv"),
        ("TestTime,Voltage/V,Current/A,Cycle,Step", "landt-csv"),
        ("TestTime/h,Current/mA,Voltage/V,Capacity/mAh,Cycle-Index,Step-State", "landt-csv"),
        ("Data_Point,Test_Time,DateTime,Step_Time,Step_Index,Cycle_Index,Current,Voltage", "arbin-csv"),
        ("Test_Time(s),Step_Index,Cycle_Index,Voltage(V),Current(A)", "arbin-csv"),
        ("Date_Time,Test_Time (s),Cycle_Index,Current (A),Voltage (V)", "battery-archive-csv"),
        ("Cycle_Index,Time_s,Current_A,Voltage_V", "nrel-csv"),
        ("Time [s],Step,Event,Current [A],Voltage [V]", "generic-csv"),
        ("t/s;U/V;I/mA", "generic-csv"),
        ('"Total Time, S","Cycle","Loop Counter #1","Current, A","Voltage, V"', "bitrode-csv"),
        ("System Time,Relative Time(Hour),Voltage(V),Current(A),Cycle ID", "repower-csv"),
    ],
)
def test_headers_are_told_apart(header: str, expected: str, tmp_path: Path) -> None:
    separator = ";" if header.count(";") > header.count(",") else ","
    row = separator.join(["0"] * (header.count(separator) - header.count(", ") * (separator == ",") + 1))
    assert detected(f"{header}\n{row}\n{row}\n".encode(), tmp_path) == expected


@pytest.mark.parametrize(
    "header",
    [
        "Cycle_Index,Amphr,Charge_Capacity_Ah,Discharge_Capacity_Ah,Cycle_Label",
        ",test_id,device_id,iv_ch_id,first_start_datetime,schedule_file_name,item_id",
        "Time,Current,Voltage",
        "Time [s],Current [furlong],Voltage [V]",
        "Time [V],Current [A],Voltage [s]",
        "test_time,current,voltage",
    ],
)
def test_tables_that_do_not_say_what_they_hold_stay_unknown(header: str, tmp_path: Path) -> None:
    row = ",".join(["1"] * (header.count(",") + 1))
    with pytest.raises(UnknownFormat):
        detected(f"{header}\n{row}\n".encode(), tmp_path)


@pytest.mark.parametrize(
    "header",
    [
        "Cycle_Index,Start_Time,End_Time,Test_Time (s),Min_Current (A),Max_Current (A),Min_Voltage (V),Max_Voltage (V)",
        "Channel_Index,Cycle_Index,Test_Time(s),Date_Time,Current(A),Voltage(V),Charge_Capacity(Ah),Vmax_On_Cycle(V),Charge_Time(s)",
        "Cycle Index,Chg. Cap.(Ah),DChg. Cap.(Ah),Chg.-DChg. Eff(%),Chg. Energy(Wh),DChg. Energy(Wh)",
        "Cycle Index,Step Index,Step Number,Step Type,Step Time,Oneset Date,End Date,Capacity(Ah),Oneset Volt.(V)",
    ],
)
def test_tables_of_cycles_and_steps_are_no_time_series(header: str, tmp_path: Path) -> None:
    row = ",".join(["1"] * (header.count(",") + 1))
    with pytest.raises(UnsupportedVersion, match="one row per"):
        detected(f"{header}\n{row}\n".encode(), tmp_path)


def test_a_table_without_units_is_told_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat, match="generic-csv is nearest but lacks a unit behind each of time, voltage and current"):
        detected(b"Time,Voltage,Current,Mode\n1,3.7,0.1,x\n", tmp_path)


def test_unknown_unit_under_a_label_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.bdf.csv"
    path.write_text("Test Time / s,Voltage / furlong,Current / A\n0,1,2\n")
    with pytest.raises(bdx.BdxError, match="furlong"):
        read(path)


def test_hours_apart_are_found_over_the_border_of_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bdx import canon

    rows = "".join(f"{place * 108000 if place < 9 else 864000 + place},3.7,0\n" for place in range(40))
    (tmp_path / "a").write_text("test_time_second,voltage_volt,current_ampere\n" + rows)
    whole = found(tmp_path / "a")
    monkeypatch.setattr(canon, "BATCH_ROWS", 3)
    monkeypatch.setattr("bdx.formats.delimited_values.BATCH_ROWS", 3)
    assert found(tmp_path / "a") == whole
    assert "M102" in whole
    assert "108000" in whole["M102"]


def test_four_far_intervals_are_no_finding(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("test_time_second,voltage_volt,current_ampere\n" + "".join(f"{n * 30000},3.7,0\n" for n in range(5)))
    assert "M102" not in found(tmp_path / "a")


@pytest.mark.parametrize(("values", "column"), [((1, 1, 1, 2, 2), "step_id"), ((1, 2, 3, 1, 2), "step_record_index")])
def test_step_index_is_told_by_its_values(values: tuple[int, ...], column: str, tmp_path: Path) -> None:
    rows = "".join(f"{place},3.7,0,{value}\n" for place, value in enumerate(values))
    (tmp_path / "a").write_text("test_time_second,voltage_volt,current_ampere,step_index\n" + rows)
    assert column in series(tmp_path / "a").schema.names
    assert ("M103" in found(tmp_path / "a")) == (column == "step_id")


def test_a_count_that_is_not_whole_keeps_its_values(tmp_path: Path) -> None:
    table = series(FIXTURES / "bdf-csv/cycle-times-two-pi/input.csv")
    assert "cycle_count" not in table.schema.names
    assert set(table.column("extra_cycle_count_as_written").to_pylist()) == {6.283185307179586}
    assert "1 times 2 pi" in found(FIXTURES / "bdf-csv/cycle-times-two-pi/input.csv")["M101"]
    assert "2 pi" not in _count_message(1.5, tmp_path)


def _count_message(value: float, tmp_path: Path) -> str:
    (tmp_path / "a").write_text(f"test_time_second,voltage_volt,current_ampere,cycle_count\n0,3.7,0,{value}\n1,3.7,0,{value}\n")
    return found(tmp_path / "a")["M101"]


def test_the_format_says_the_sign_where_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("Test Time / s,Voltage / V,Current / A\n0,3.7,0.1\n1,3.6,0.1\n")
    tables = read(tmp_path / "a")
    assert tables["test"].column("current_sign").to_pylist() == ["signed"]
    assert found(tmp_path / "a") == {}


@pytest.mark.parametrize(
    ("written", "column", "value", "code"),
    [
        ("1499006353.5", "unix_time_second", 1499006353.5, None),
        ("1499006353500", "unix_time_second", 1499006353.5, None),
        ("1499006353500000", "unix_time_second", 1499006353.5, None),
        ("14990063535000000", "unix_time_second", 1499006353.5, None),
        ("44140.25", "local_time", "2020-11-05 06:00:00", "M105"),
        ("12.5", "extra_datetime", 12.5, "M026"),
        ("03/02/2026 06:00:00", "local_time", "2026-03-02 06:00:00", "M106"),
    ],
)
def test_a_number_of_time_is_told_by_its_size(written: str, column: str, value: object, code: str | None, tmp_path: Path) -> None:
    rows = f"1,0,{written},1,1,1,3.7\n2,1,{written},1,1,1,3.8\n"
    (tmp_path / "a").write_text("Data_Point,Test_Time,DateTime,Step_Index,Cycle_Index,Current,Voltage\n" + rows)
    first = series(tmp_path / "a").column(column)[0].as_py()
    assert (first if isinstance(value, float) else str(first)) == value
    assert set(found(tmp_path / "a")) == ({code} if code else set())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("names", ["测试时间/Sec\t电压/V\t电流/mA\t循环序号", "TestTime/Sec\tVoltage/V\tCurrent/mA\tCycleNo"])
def test_landt_is_read_in_every_encoding(names: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(f"{names}\r\n0\t3.7\t0\t1\r\n10\t3.8\t500\t1\r\n".encode(encoding))
    assert formats.detect(formats.Source(str(tmp_path / "a"))).id == "landt-csv"
    assert series(tmp_path / "a").column("current_ampere").to_pylist() == [0.0, 0.5]


def test_a_duration_of_days_before_a_dash(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("TestTime,Voltage/V,Current/A,Cycle\n23:59:59,3.7,0.1,1\n1-00:00:01,3.7,0.1,1\n")
    assert series(tmp_path / "a").column("test_time_second").to_pylist() == [86399.0, 86401.0]


@real
@pytest.mark.parametrize(
    ("name", "codes", "rows"),
    [
        ("bdf/sample.bdf.csv", set(), 3),
        ("bdf/batmo_head.bdf.csv", {"M100", "M103"}, 2000),
        ("bdf/dlr_pocv_head.bdf.csv", {"M102"}, 1000),
        ("bdf/SINTEF__G20M7-202512-Gru6mV__20251228__C30__25degC__Neware.bdf.csv", {"M101", "M103"}, 17587),
        ("bdf/legacy.bdf.parquet", set(), 5000),
        ("arbin_csv/arbin_example.csv", set(), 2142),
        ("arbin_csv/sample_data_arbin.csv", set(), 13),
        ("batteryarchive_csv/CALCE_CX2-33_prism_LCO_25C_0-100_0.5-0.5C_d_timeseries.csv", set(), 15),
        ("nrel_csv/p492-13-raw.csv", {"M031"}, 2021),
        ("landt/landt_head.csv", set(), 800),
        ("bitrode/bitrode_plain.csv", set(), 240),
        ("generic_csv/custom_data_001.csv", {"F051"}, 2442),
    ],
)
def test_real_files_read_without_surprise(name: str, codes: set[str], rows: int) -> None:
    assert set(found(SAMPLES / name)) == codes
    assert series(SAMPLES / name).num_rows == rows


@real
def test_resets_of_a_reference_file_are_all_named() -> None:
    path = next(SAMPLES.glob("bdf/*Time_Bug.bdf.csv"))
    findings = json.loads(json.dumps([[f.code, f.count] for f in bdx.validate([str(path)]).findings]))
    assert ["T002", 19] in findings
