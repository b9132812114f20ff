"""The delimited engine: dialects are probed from bytes, faults are named with their place, blocks leave no trace."""

import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bdx import formats, mapping, spec
from bdx.canon import Document, Finding, Table
from bdx.errors import SourceError, UnsupportedVersion
from bdx.formats import Source, delimited, delimited_blocks
from bdx.formats.delimited_names import split_unit
from bdx.formats.delimited_probe import probe

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "fixtures/formats/neware-csv"
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/instrument"
NEWARE = spec.format_spec("neware-csv")
HEADER = "DataPoint,Cycle Index,Step Index,Step Type,Time,Total Time,Current(A),Voltage(V),Note"


def row(index: int, note: str = "ok", volt: str = "36.5") -> str:
    return f"{index},1,2,CC Chg,00:00:{index % 60:02d},00:00:{index % 60:02d},7.0,{volt},{note}"


def read(data: bytes) -> tuple[pa.Table, dict[str, Finding], dict[str, Any]]:
    source = Source("-", stdin=io.BytesIO(data))
    document, table = delimited.read(source, NEWARE)
    assert isinstance(document, Document)
    assert isinstance(table, Table)
    rows = pa.Table.from_batches(table.batches, table.schema)
    return rows, {finding.code: finding for finding in source.log.findings}, document.value


def text(rows: list[str], header: str = HEADER, end: str = "\n") -> bytes:
    return end.join([header, *rows, ""]).encode()


def test_fields_carry_name_unit_and_place() -> None:
    table, findings, info = read(text([row(1)]))
    field = table.schema.field("Voltage(V)")
    assert field.metadata == {b"bdx.name": b"Voltage", b"bdx.unit": b"V", b"bdx.locator": b"line 1"}
    assert table.schema.field("DataPoint").type == pa.int64()
    assert table.schema.field("Step Index").type == pa.string()
    assert info["dialect"] == {"encoding": "utf-8", "separator": ",", "decimal": "."}
    assert not findings


def test_ragged_rows_are_named_with_line_and_width() -> None:
    table, findings, _ = read(text([row(1), "2,1,2,CC Chg", row(3), row(4) + ",more", row(5)]))
    assert table["DataPoint"].to_pylist() == [1, 3, 5]
    assert findings["F041"].count == 2
    assert findings["F041"].locator == "line 3"
    assert "4 cells where the header has 9" in findings["F041"].message


def test_a_bad_cell_beyond_the_head_becomes_null_and_is_named() -> None:
    rows = [row(index) for index in range(1, 5001)]
    rows[3000] = row(3001, volt="36,5x".replace(",", "."))
    rows[4000] = row(4001, volt="overflow")
    assert len(text(rows[:3000])) > formats.source.HEAD_BYTES
    table, findings, _ = read(text(rows))
    assert table.num_rows == 5000
    assert table["Voltage(V)"].null_count == 2
    found = findings["F040"]
    assert (found.row, found.locator, found.value, found.count) == (3000, "line 3002", "36.5x", 2)
    assert found.examples == [3000, 4000]


def test_a_cut_last_line_is_named_and_a_whole_one_without_line_break_kept() -> None:
    whole, findings, _ = read(text([row(1), row(2)]).removesuffix(b"\n"))
    assert whole.num_rows == 2
    assert not findings
    cut, findings, _ = read(text([row(1), row(2)])[:-25])
    assert cut.num_rows == 1
    assert findings["F042"].locator == "line 3"
    shorter, findings, _ = read(text([row(1), row(2)])[:-2])
    assert shorter.num_rows == 2
    assert findings["F049"].locator == "line 3"


def test_nul_bytes_are_left_out_and_counted() -> None:
    table, findings, _ = read(text([row(1), row(2) + "\0\0\0", row(3)]))
    assert table["Note"].to_pylist() == ["ok", "ok", "ok"]
    assert (findings["F043"].count, findings["F043"].locator) == (3, "line 3")


def test_bytes_outside_the_encoding_are_replaced_and_counted() -> None:
    rows = [row(index) for index in range(1, 3001)]
    table, findings, info = read(text(rows) + row(3001).encode().replace(b"ok", b"\xb5\xff"))
    assert info["dialect"]["encoding"] == "utf-8"
    assert table["Note"][-1].as_py() == "\ufffd\ufffd"
    assert (findings["F044"].count, findings["F044"].locator) == (2, "line 3002")


def test_quotes_hold_separators_and_a_stray_one_swallows_nothing() -> None:
    table, findings, _ = read(text([row(1, '"a, b"'), row(2, '"open'), row(3), row(4, '"say ""no"""')]))
    assert table["Note"].to_pylist() == ["a, b", "open", "ok", 'say "no"']
    assert (findings["F047"].count, findings["F047"].locator) == (1, "line 3")


def test_repeated_names_and_nameless_cells_are_named() -> None:
    table, findings, _ = read(text([row(1) + ",9,", row(2) + ",8,"], HEADER + ",Voltage(V),"))
    assert table.num_columns == 10
    assert findings["F046"].value == "Voltage(V)"
    assert "F048" not in findings
    late = [row(index) + ",9," for index in range(1, 3000)]
    _, findings, _ = read(text([*late, row(3000) + ",9,lost"], HEADER + ",Voltage(V),"))
    assert findings["F048"].value == "lost"


def test_header_without_rows() -> None:
    table, findings, _ = read(text([]))
    assert table.num_rows == 0
    assert set(findings) == {"F045"}


@pytest.mark.parametrize("case", sorted(path.parent for path in CASES.glob("*/input.*")), ids=lambda path: path.name)
def test_blocks_leave_no_trace(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def parts() -> tuple[list[Any], list[Finding]]:
        source = Source(str(next(case.glob("input.*"))))
        chunks = mapping.to_canonical(formats.read(source, NEWARE), NEWARE, mapping.Context("x", "s1", source.log))
        return [row for chunk in chunks for batch in chunk.values() for row in batch.to_pylist()], source.log.findings

    whole = parts()
    for size in (997, 4096):
        monkeypatch.setattr(delimited_blocks, "_CHUNK", size)
        assert parts() == whole


@pytest.mark.parametrize(
    ("cell", "style", "expected"),
    [
        ("Current(mA)", "(U)", ("Current", "mA")),
        ("Time(h:min:s.ms)", "(U)", ("Time", "h:min:s.ms")),
        ("电压\uff08V\uff09", "(U)", ("电压", "V")),
        ("T1 [degC]", "[U]", ("T1", "degC")),
        ("dQ/dV(mAh/V)", "(U)", ("dQ/dV", "mAh/V")),
        ("time/s", "/U", ("time", "s")),
        ("Voltage#V", "#U", ("Voltage", "V")),
        ("Status", "(U)", ("Status", "")),
        ("(only)", "(U)", ("(only)", "")),
    ],
)
def test_units_in_headers(cell: str, style: str, expected: tuple[str, str]) -> None:
    assert split_unit(cell, style) == expected


def test_decimal_comma_follows_the_separator_never_the_cell() -> None:
    facts = NEWARE.raw["delimited"]
    semicolon = text([row(1).replace(".", ",").replace(",", ";", 7)], HEADER.replace(",", ";"))
    comma = b";".join([b"1", b"1", b"2", b"CC Chg", b"00:00:01", b"00:00:01", b"7,0", b"36,5", b"x\n"])
    found = probe(HEADER.replace(",", ";").encode() + b"\n" + comma, facts)
    assert found is not None
    assert (found.separator, found.decimal) == (";", ",")
    assert probe(semicolon, facts) is not None
    table, findings, _ = read(text([row(1, volt='"36,5"')]))
    assert table["Voltage(V)"].to_pylist() == ["36,5"], "under a comma as separator a comma in a cell is text"
    assert not findings


def test_a_layout_that_is_known_and_not_read_is_refused_by_name() -> None:
    refuse = {"title": "summary of cycles", "advice": "export the records", "empty": 1, "any": ["Cycle"]}
    form = replace(NEWARE, raw={**NEWARE.raw, "delimited": {**NEWARE.raw["delimited"], "refuse": (refuse,)}})
    head = b",Cycle,Chg. Cap.(Ah)\n,1,0.1\n"
    assert delimited.sniff(head, form)
    with pytest.raises(UnsupportedVersion, match="summary of cycles is not read; export the records"):
        list(delimited.read(Source("-", stdin=io.BytesIO(head)), form))


@pytest.mark.parametrize(
    "header",
    [
        "Test Time / s,Voltage / V,Current / A",
        "test_time_second,voltage_volt,current_ampere,cycle_count,record_index",
        "Data_Point,Test_Time(s),Date_Time,Step_Time(s),Step_Index,Cycle_Index,Current(A),Voltage(V)",
        "channel_index,cycle_index,step_index,date_time_iso_string,test_time_s,step_time_s,current_A,voltage_V",
        "Rec#,Cyc#,Step,Test (Sec),Step (Sec),Amp-hr,Watt-hr,Amps,Volts,State",
        "System Time,Relative Time(Sec),Voltage(V),Current(A),Cycle ID,Step ID,Step State",
        "a,b,c",
    ],
)
def test_other_formats_are_not_claimed(header: str) -> None:
    assert not delimited.sniff(f"{header}\n1,2,3,4,5,6,7,8\n".encode(), NEWARE)


@pytest.mark.parametrize("data", [b"", b"\0" * 600, b"PK\x03\x04" + bytes(range(256)) * 9, b"{" * 60_000, b"\xff\xfe\x00"])
def test_bytes_of_other_kinds_are_refused(data: bytes) -> None:
    assert not delimited.sniff(data, NEWARE)
    with pytest.raises(SourceError):
        read(data)


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the specs that a test may add to."""

    def forget() -> None:
        for function in (spec.facts, spec.format_spec, spec.formats, spec.table, spec.tables, spec.rules):
            function.cache_clear()

    shutil.copytree(spec.root(), tmp_path / "specs")
    monkeypatch.setattr(spec, "root", lambda: tmp_path / "specs")
    forget()
    yield tmp_path / "specs"
    monkeypatch.undo()
    forget()


MADE_UP_FORMAT = """
id = "pulsar-txt"
title = "Pulsar P4 text export"
engine = "delimited"
world = "instrument"
sniff = true
source = "invented for this test"
[delimited]
separators = [";"]
unit = "row"
preamble = "="
text = ["Phase"]
[[delimited.group]]
any = ["U_cell"]
[[delimited.group]]
any = ["I_cell"]
"""
MADE_UP_MAPPING = """
kind = "columns"
format = "pulsar-txt"
[[column]]
from = ["t_run"]
to = "test_time_second"
[[column]]
from = ["U_cell"]
to = "voltage_volt"
[[column]]
from = ["I_cell"]
to = "current_ampere"
by = "sign"
[[column]]
from = ["Phase"]
to = "step_type"
by = "words"
with = "phases"
[[column]]
from = ["Stamp"]
to = "local_time"
order = "dmy"
[words.phases]
1 = "load"
2 = "drain"
[sign]
state = "step_type"
charge = ["load"]
discharge = ["drain"]
[[test]]
from = ["Slot"]
to = "channel"
[[test]]
from = ["Mass"]
to = "active_mass_mg"
unit = "g"
"""
MADE_UP_FILE = """Pulsar P4
Slot = 7
Mass = 0.25
Owner = lab 2
t_run;U_cell;I_cell;Phase;Stamp;Humidity
[min];[mV];[mA];;;[%]
0;36000;7000;1;02.03.2026 07:30;41,5
1,5;36500;7000;1;02.03.2026 07:31;41,0
3;36400;7000;2;02.03.2026 07:33;40,5
"""


def test_a_new_dialect_needs_no_python(specs: Path) -> None:
    (specs / "formats/pulsar-txt.toml").write_text(MADE_UP_FORMAT)
    (specs / "mappings/pulsar-txt.toml").write_text(MADE_UP_MAPPING)
    source = Source("-", stdin=io.BytesIO(MADE_UP_FILE.encode()))
    found = formats.detect(source)
    assert found.id == "pulsar-txt"
    rows, test = mapping.to_canonical(formats.read(source, found), found, mapping.Context("x", "s1", source.log))
    assert rows["timeseries"].to_pydict() == {
        "test_time_second": [0.0, 90.0, 180.0],
        "step_type": ["load", "load", "drain"],
        "voltage_volt": [36.0, 36.5, 36.4],
        "current_ampere": [7.0, 7.0, -7.0],
        "local_time": [pa.scalar(f"2026-03-02 07:{minute}:00").cast(pa.timestamp("us")).as_py() for minute in (30, 31, 33)],
        "extra_humidity": [41.5, 41.0, 40.5],
    }
    only = test["test"].to_pylist()[0]
    assert (only["channel"], only["active_mass_mg"], only["current_sign"]) == ("7", 250.0, "state")
    assert '"Owner":"lab 2"' in only["extra"]
    assert not source.log.findings


# What the index of samples says: rows, then first, last, min, max of voltage and current in V and A, and of test time in s.
EXPECTED = {
    "interp-test.csv": (333, (0.0002, 0.0002, 0.0002, 0.0002), (0, 0, 0, 0), (0, 1800)),
    "neware_cn_gb18030.csv": (1000, (2.917, 0.7873, 0.4242, 2.9559), (0, 0.00024861, 0, 0.00024866), (0, 191816)),
    "neware_semicolon_comma.csv": (1000, (2.917, 0.7873, 0.4242, 2.9559), (0, 0.0002486, 0, 0.0002487), (0, 191816)),
    "neware_utf16_tab.txt": (1000, (2.917, 0.7873, 0.4242, 2.9559), (0, 0.0002486, 0, 0.0002487), (0, 191816)),
    "neware_3level_head.csv": (412, (4.3185, 4.1519, 3.9, 4.7), (0, 0, -0.5, 0.5), (0, 3295)),
    "neware_uio.csv": (9065, (2.917, 0.4251, 0.05, 2.957), (0, 0.00099171, -0.0009918, 0.00099174), (0, 518538)),
    "flat.csv": (3, (3.5, 3.55, 3.5, 3.6), (1, -1, -1, 1), None),
}


def sample(name: str) -> tuple[pa.Table, dict[str, Any], set[str]]:
    source = Source(str(SAMPLES / "neware_csv" / name))
    assert formats.detect(source).id == "neware-csv"
    chunks = list(mapping.to_canonical(formats.read(source, NEWARE), NEWARE, mapping.Context("x", "s1", source.log)))
    table = pa.Table.from_batches([chunk["timeseries"] for chunk in chunks if "timeseries" in chunk])
    return table, chunks[-1]["test"].to_pylist()[0], {finding.code for finding in source.log.findings}


@pytest.mark.skipif(not SAMPLES.exists(), reason="samples are not here")
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_samples_read_as_the_index_says(name: str) -> None:
    rows, volts, amperes, times = EXPECTED[name]
    table, test, findings = sample(name)
    assert table.num_rows == rows
    for column, expected in (("voltage_volt", volts), ("current_ampere", amperes)):
        values = table[column].to_pylist()
        assert (values[0], values[-1], min(values), max(values)) == pytest.approx(expected, rel=1e-9)
    if times is None:
        assert "test_time_second" not in table.schema.names
        assert (test["current_sign"], findings) == ("state", {"M023"})
        assert table["step_time_second"].to_pylist() == [0.0, 10.0, 0.0]
    else:
        assert (table["test_time_second"][0].as_py(), table["test_time_second"][-1].as_py()) == times
        assert findings == set()


@pytest.mark.skipif(not SAMPLES.exists(), reason="samples are not here")
def test_sample_agrees_with_a_peer_row_for_row() -> None:
    import numpy as np
    import pyarrow.parquet as pq

    peer = pq.read_table(SAMPLES / "neware_csv/expected/neware_txt_cellpy_raw.parquet")
    table, _, _ = sample("neware_uio.csv")
    pairs = {
        "voltage_volt": "voltage",
        "current_ampere": "current",
        "test_time_second": "test_time",
        "step_time_second": "step_time",
        "power_watt": "power",
        "record_index": "data_point",
        "cycle_count": "cycle_index",
    }
    for mine, theirs in pairs.items():
        np.testing.assert_allclose(table[mine].to_numpy(), peer[theirs].to_numpy(), rtol=1e-12, atol=0)
    assert table["local_time"].to_pylist() == peer["date_time"].to_pylist()


@pytest.mark.skipif(not SAMPLES.exists(), reason="samples are not here")
def test_of_all_samples_only_neware_text_is_claimed() -> None:
    claimed = set()
    for path in SAMPLES.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                head = file.read(formats.source.HEAD_BYTES)
            if delimited.sniff(head, NEWARE):
                claimed.add(path.parent.name)
    assert claimed == {"neware_csv"}
