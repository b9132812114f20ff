"""Neware .nda files: agreement with the vendor's export and a peer, versions, cuts, auxiliary rows."""

import io
import os
import random
import re
import struct
import subprocess
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from making import compared, generator
from neware_reading import codes, read_as

from bdx import formats, spec
from bdx.canon import Document, Table
from bdx.errors import BdxError, CorruptSource, UnsupportedVersion
from bdx.formats import neware_nda_aux, neware_nda_rows
from bdx.formats.source import Source

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "fixtures" / "formats" / "neware-nda"
SAMPLES = ROOT.parent / "shared" / "samples" / "instrument"
NDA = spec.format_spec("neware-nda")
read = partial(read_as, NDA)
PEER = os.environ.get("BDX_PEER_PYTHON", "")
with_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the sample files are not here")


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that lays a sample out as a plain file."""

    def of(name: str) -> Path:
        path = SAMPLES / "neware_nda" / name
        if path.exists():
            return path
        with zipfile.ZipFile(path.with_name(f"{name}.zip")) as archive:
            return Path(archive.extract(name, tmp_path))

    return of


NAMES = ("2-1-6_61_07005012.nda", "nda_v22.nda", "nda_v8.nda", "new_nda_file.nda")
COLUMNS = {
    "test_time_second": ("Total Time", 1.0, 2e-3),
    "step_time_second": ("Time", 1.0, 2e-3),
    "voltage_volt": ("Voltage(mV)", 1e-3, 1e-5),
    "current_ampere": ("Current(uA)", 1e-6, 6e-6),
    "step_count": ("Step Count", 1.0, 0.0),
}


@with_samples
@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_the_vendors_export(name: str, unpacked: Callable[[str], Path]) -> None:
    """To the places the export was rounded to."""
    theirs = pq.read_table(SAMPLES / "neware_nda" / "expected" / f"{name.removesuffix('.nda')}.fastnda.parquet")
    ours, _, source, _ = read(unpacked(name))
    assert ours is not None and ours.num_rows == theirs.num_rows
    assert not source.log.findings
    for column, (other, factor, tolerance) in COLUMNS.items():
        difference = np.abs(ours[column].to_numpy() - theirs[other].to_numpy().astype(float) * factor)
        assert difference.max() <= tolerance, column
    assert ours["step_id"].to_pylist() == [str(step) for step in theirs["Step Index"].to_pylist()]
    words = {"Pulse Step": "Pulse"}
    assert ours["step_type"].to_pylist() == [words.get(word, word) for word in theirs["Step Type"].to_pylist()]
    for kind, other in (("capacity_ah", "Capacity(mAs)"), ("energy_wh", "Energy(mWs)")):
        both = ours[f"step_charging_{kind}"].to_numpy() + ours[f"step_discharging_{kind}"].to_numpy()
        unsigned = np.abs(theirs[other].to_numpy().astype(float)) / 3.6e6
        assert np.abs(both - unsigned).max() <= 6e-6 * unsigned.max() + 1.4e-8
    when = theirs["Date"].cast(pa.int64()).to_numpy()
    if "local_time" in ours.column_names:
        assert (ours["local_time"].cast(pa.int64()).to_numpy() // 1000 == when).all(), "wall time is exported as it was written"
    else:
        hours = (when - np.round(ours["unix_time_second"].to_numpy() * 1000)) / 3.6e6
        assert np.abs(hours - np.round(hours[0])).max() < 1e-6, "the export is in the local time of the exporting machine"


PEER_CODE = """
import sys, warnings
import fastnda
warnings.simplefilter("ignore")
fastnda.read(sys.argv[1], cycle_mode="raw", raw_categories=True).write_parquet(sys.argv[2])
"""


@with_samples
@pytest.mark.skipif(not PEER, reason="BDX_PEER_PYTHON names no interpreter with fastnda")
@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_fastnda_bit_for_bit(name: str, unpacked: Callable[[str], Path], tmp_path: Path) -> None:
    subprocess.run([PEER, "-c", PEER_CODE, str(unpacked(name)), str(tmp_path / "peer.parquet")], check=True, capture_output=True)
    theirs = pq.read_table(tmp_path / "peer.parquet")
    ours, _, _, _ = read(unpacked(name))
    assert ours is not None and ours.num_rows == theirs.num_rows

    def column(name: str) -> Any:
        return ours[name].to_numpy()

    single = np.float32
    assert (column("record_index") == theirs["index"].to_numpy()).all()
    assert (column("step_time_second") == theirs["step_time_s"].to_numpy()).all()
    assert (column("test_time_second") == theirs["total_time_s"].to_numpy()).all()
    assert ((column("current_ampere") * 1e3).astype(single) == theirs["current_mA"].to_numpy()).all()
    np.testing.assert_array_max_ulp(column("voltage_volt").astype(single), theirs["voltage_V"].to_numpy(), 1)
    for kind, other in (("capacity_ah", "capacity_mAh"), ("energy_wh", "energy_mWh")):
        net = column(f"step_charging_{kind}") - column(f"step_discharging_{kind}")
        np.testing.assert_array_max_ulp((net * 1e3).astype(single), theirs[other].to_numpy(), 1)
    assert (column("step_count") == theirs["step_count"].to_numpy()).all()
    if "cycle_count" in ours.column_names:
        assert (column("cycle_count") == theirs["cycle_count"].to_numpy()).all()


@with_samples
def test_facts_of_samples(unpacked: Callable[[str], Path]) -> None:
    """The v22 and v8 files were written in China: their start in words is eight hours ahead of their UTC."""
    _, row, _, _ = read(unpacked("nda_v22.nda"))
    assert row["started_at"].isoformat() == "2015-10-14T03:28:30+00:00" and row["started_local"].isoformat() == "2015-10-14T11:28:31"
    assert row["channel"] == "48-1-3" and row["active_mass_mg"] == 1.0 and row["current_sign"] == "signed"
    _, row, _, _ = read(unpacked("nda_v8.nda"))
    assert row["started_at"].isoformat() == "2015-09-16T04:08:43+00:00" and row["started_local"].isoformat() == "2015-09-16T12:08:41"
    _, row, _, _ = read(unpacked("navani_test.nda"))
    assert row["operator"] == "Frederik Huld" and row["software"] == "BTS 7.6.0.1408(2018.08.27)" and row["started_at"] is None


@with_samples
def test_a_sample_cut_before_its_records() -> None:
    table, _, _, error = read(SAMPLES / "neware_nda_bad" / "neware_truncated.nda")
    assert table is None
    assert "byte 82436: ends before its rows from byte 85385 on: 0 whole rows of 86 bytes with 0 records were read, its head" in error


def test_facts_reach_the_test_row() -> None:
    _, row, source, _ = read(CASES / "v29" / "input.nda")
    assert row["item_id"] == "CELL-0007" and row["comment"] == "温度 check" and row["protocol"] == "short_test"
    assert row["operator"] == "rig 2" and row["channel"] == "12-1-3" and row["active_mass_mg"] == 12.5
    assert row["started_local"].isoformat() == "2026-03-02T09:30:00" and row["started_at"] is None
    assert [loss.what for loss in source.log.losses] == ["event rows (start, pause and end of the test)"]
    _, row, _, _ = read(CASES / "v130-layout3" / "input.nda")
    assert row["started_at"].isoformat() == "2026-03-02T08:30:00+00:00" and row["operator"] == "rig 2"
    assert row["comment"] == "温度 check"
    _, row, _, _ = read(CASES / "v8" / "input.nda")
    assert row["started_local"].isoformat() == "2026-03-02T09:30:00" and row["started_at"].isoformat() == "2026-03-02T08:30:00+00:00"


def test_parts_keep_vendor_names_units_and_raw_values() -> None:
    info, table = formats.read(Source(str(CASES / "v22-aux" / "input.nda")), NDA)
    assert isinstance(info, Document) and info.value["nda"] == 22 and info.value["TestInfo"]["StartTime"] == "2026-03-02 09:30:00"
    assert isinstance(table, Table)
    unit = {field.name: (field.metadata or {}) for field in table.schema}
    assert unit["Voltage"] == {b"bdx.unit": b"mV", b"bdx.scale": b"1/10"} and unit["Current"] == {b"bdx.unit": b"mA"}
    assert unit["Step Time"] == {b"bdx.unit": b"ms"} and unit["Aux2 Voltage"] == {b"bdx.unit": b"mV", b"bdx.scale": b"1/10"}


def patched(path: Path, *edits: tuple[int, bytes]) -> bytes:
    data = bytearray(path.read_bytes())
    for place, new in edits:
        data[place : place + len(new)] = new
    return bytes(data)


@pytest.mark.parametrize("version", [0, 1, 4, 9, 10, 13, 15, 18, 19, 21, 25, 27, 30, 128, 131, 255])
def test_unknown_versions_are_refused_by_name(version: int, tmp_path: Path) -> None:
    path = tmp_path / "input.nda"
    path.write_bytes(patched(CASES / "v29" / "input.nda", (14, bytes([version]))))
    with pytest.raises(UnsupportedVersion, match=f"byte 14: is of nda version {version}; bdx reads 5, 6, 7, 8, 14, 16"):
        read(path)


def test_unknown_record_layouts_of_bts9_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "input.nda"
    path.write_bytes(patched(CASES / "v130-layout3" / "input.nda", (16, struct.pack("<H", 77))))
    with pytest.raises(UnsupportedVersion, match="is of nda version 130 with record layout 77; bdx reads 2, 3, 19, 42"):
        read(path)
    path.write_bytes(patched(CASES / "v130-layout3" / "input.nda", (16, struct.pack("<H", 19))))
    with pytest.raises(CorruptSource, match="has record layout 19, whose records of 52, 56, 60 bytes do not stand where"):
        read(path)


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_what_stands_before_a_cut_is_read_first(case: str, tmp_path: Path) -> None:
    whole, row, _, error = read(CASES / case / "input.nda")
    assert whole is not None and row and not error
    data, most = (CASES / case / "input.nda").read_bytes(), -1
    path = tmp_path / "cut.nda"
    for length in range(1024, len(data), 97):
        path.write_bytes(data[:length])
        table, _, _, error = read(path)
        rows = table.num_rows if table is not None else 0
        assert rows >= most
        most = max(most, rows)
        endless = case == "v8" and (len(data) - length) % 59 == 0
        assert rows == whole.num_rows or error or endless, length
        if error and rows:
            assert re.search(f"byte {length}: ends (inside|before) its rows", error) and f"with {rows} records were read" in error
        assert table is None or table["voltage_volt"].to_pylist() == whole["voltage_volt"].to_pylist()[:rows]
    assert most > 0.9 * whole.num_rows


@pytest.mark.parametrize("batch_rows", [1, 7, 13])
@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_batch_size_changes_nothing(case: str, batch_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, row, before, _ = read(CASES / case / "input.nda")
    monkeypatch.setattr(neware_nda_rows, "BATCH_ROWS", batch_rows)
    pieces, again, after, _ = read(CASES / case / "input.nda")
    assert whole is not None and pieces is not None and pieces.column(0).num_chunks > whole.column(0).num_chunks
    assert pieces.combine_chunks().equals(whole.combine_chunks()) and again == row
    assert after.log.losses == before.log.losses and codes(after) == codes(before)


def test_auxiliary_rows_are_read_twice_where_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _, _, _ = read(CASES / "v22-aux" / "input.nda")
    monkeypatch.setattr(neware_nda_rows, "BATCH_ROWS", 5)
    monkeypatch.setattr(neware_nda_aux, "_KEPT", 2)
    pieces, _, _, _ = read(CASES / "v22-aux" / "input.nda")
    assert whole is not None and pieces is not None and pieces.combine_chunks().equals(whole.combine_chunks())


def test_auxiliary_rows_that_turn_up_late_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the ends of long records are searched beforehand; what lies between them is named, not dropped in silence."""
    monkeypatch.setattr(neware_nda_aux, "_LOOK", 5)
    data = (CASES / "v29" / "input.nda").read_bytes()
    begin = struct.unpack_from("<I", data, 64)[0]
    path = tmp_path / "input.nda"
    path.write_bytes(patched(CASES / "v29" / "input.nda", (begin + 20 * 86, b"\x65")))
    table, _, source, _ = read(path)
    assert table is not None and not [name for name in table.column_names if name.startswith(("temperature", "extra"))]
    assert {loss.what: loss.count for loss in source.log.losses}["rows marked 0x65"] == 1
    table, _, _, _ = read(CASES / "v26-aux-between" / "input.nda")
    assert table is not None and "temperature_t1_celsius" in table.column_names


def aux_section(data: bytes) -> tuple[int, int]:
    begin, length = struct.unpack_from("<II", data, 72)
    return begin, length


@pytest.mark.parametrize("order", ["by channel", "backwards", "shuffled"])
@pytest.mark.parametrize("batch_rows", [4, 65_536])
def test_auxiliary_rows_in_any_order(order: str, batch_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (CASES / "v22-aux" / "input.nda").read_bytes()
    begin, length = aux_section(data)
    rows = [data[at : at + 86] for at in range(begin, begin + length, 86)]
    if order == "shuffled":
        random.Random(1).shuffle(rows)
    rows = {"by channel": rows[::2] + rows[1::2], "backwards": rows[::-1], "shuffled": rows}[order]
    path = tmp_path / "input.nda"
    path.write_bytes(data[:begin] + b"".join(rows))
    whole, _, _, _ = read(CASES / "v22-aux" / "input.nda")
    monkeypatch.setattr(neware_nda_rows, "BATCH_ROWS", batch_rows)
    table, _, source, _ = read(path)
    assert table is not None and whole is not None and table.combine_chunks().equals(whole.combine_chunks())
    assert not source.log.findings


def test_auxiliary_rows_without_a_record_and_quantities_nobody_measured(tmp_path: Path) -> None:
    data = (CASES / "v22-aux" / "input.nda").read_bytes()
    begin, _ = aux_section(data)
    path = tmp_path / "input.nda"
    path.write_bytes(patched(CASES / "v22-aux" / "input.nda", (begin + 2, struct.pack("<I", 9_999))))
    table, _, source, _ = read(path)
    assert table is not None and table["temperature_t1_celsius"].null_count == 1
    assert codes(source)["F033"].count == 1
    losses = {loss.what: loss.why for loss in source.log.losses}
    assert losses["Aux1 Voltage"] == "it is 0 in every row: not measured"


def test_rows_with_strange_marks_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "input.nda"
    data = (CASES / "v29" / "input.nda").read_bytes()
    begin = struct.unpack_from("<I", data, 64)[0]
    path.write_bytes(patched(CASES / "v29" / "input.nda", (begin + 3 * 86, b"\x77")))
    table, _, source, _ = read(path)
    whole, _, _, _ = read(CASES / "v29" / "input.nda")
    assert table is not None and whole is not None and table.num_rows == whole.num_rows - 1
    assert {loss.what: loss.count for loss in source.log.losses}["rows marked 0x77"] == 1


def test_records_are_found_where_the_head_does_not_say(tmp_path: Path) -> None:
    path = tmp_path / "input.nda"
    path.write_bytes(patched(CASES / "v29" / "input.nda", (64, bytes(8))))
    table, _, _, _ = read(path)
    whole, _, _, _ = read(CASES / "v29" / "input.nda")
    assert table is not None and table.equals(whole)
    path.write_bytes(patched(CASES / "v29" / "input.nda", (64, bytes(8)))[:2100])
    with pytest.raises(CorruptSource, match="points to no records and holds no record 1"):
        read(path)


def test_a_range_of_zero_is_the_range_of_the_device(tmp_path: Path) -> None:
    """The v29 fixture leaves ranges at 0 and names -100 for the device; 0 there means 0.1 mA."""
    data = (CASES / "v29" / "input.nda").read_bytes()
    device = struct.unpack_from("<I", data, 16)[0]
    path = tmp_path / "input.nda"
    path.write_bytes(patched(CASES / "v29" / "input.nda", (device + 26, bytes(4))))
    coarse, _, _, _ = read(path)
    fine, _, _, _ = read(CASES / "v29" / "input.nda")
    assert coarse is not None and fine is not None
    assert np.allclose(coarse["current_ampere"].to_numpy(), fine["current_ampere"].to_numpy() * 100, rtol=1e-12)


def test_ranges_may_change_from_record_to_record(tmp_path: Path) -> None:
    data = (CASES / "v22-aux" / "input.nda").read_bytes()
    begin = struct.unpack_from("<I", data, 64)[0]
    edits = [(begin + 86 * row + 78, struct.pack("<i", size)) for row, size in ((10, -2), (11, 500), (12, 6_000), (13, -3_000_000))]
    path = tmp_path / "input.nda"
    path.write_bytes(patched(CASES / "v22-aux" / "input.nda", *edits))
    table, _, _, _ = read(path)
    whole, _, _, _ = read(CASES / "v22-aux" / "input.nda")
    assert table is not None and whole is not None
    ours, before = table["current_ampere"].to_numpy(), whole["current_ampere"].to_numpy()
    for row, ratio in ((10, 1e-2), (11, 1e1), (12, 1e2), (13, 1e-5)):
        assert before[row - 1] and ours[row - 1] == pytest.approx(before[row - 1] * ratio, rel=1e-12)


def test_one_counter_for_both_ways_goes_where_the_step_moves(tmp_path: Path) -> None:
    data = (CASES / "v8" / "input.nda").read_bytes()
    begin = struct.unpack_from("<I", data, 64)[0]
    last = begin + 59 * ((len(data) - begin) // 59 - 2)
    whole, _, _, _ = read(CASES / "v8" / "input.nda")
    path = tmp_path / "input.nda"
    path.write_bytes(patched(CASES / "v8" / "input.nda", (last + 10, b"\x10"), (last + 19, struct.pack("<i", 0))))
    table, _, _, _ = read(path)
    assert table is not None and whole is not None
    assert table["step_type"][-1].as_py() == "Pulse"
    for name in ("step_charging_capacity_ah", "step_discharging_capacity_ah"):
        assert table[name][-1].as_py() is None, "a pulse without current says nothing of the way"
        assert table[name].to_pylist()[:-1] == whole[name].to_pylist()[:-1]


def test_dates_that_are_none_stay_empty(tmp_path: Path) -> None:
    data = (CASES / "v29" / "input.nda").read_bytes()
    begin = struct.unpack_from("<I", data, 64)[0] + 86
    wrong = [bytes([0, 0, 1, 1, 0, 0, 0]), struct.pack("<HBBBBB", 2026, 2, 30, 0, 0, 0), struct.pack("<HBBBBB", 2026, 2, 3, 24, 0, 0)]
    path = tmp_path / "input.nda"
    path.write_bytes(patched(CASES / "v29" / "input.nda", *((begin + 86 * row + 70, moment) for row, moment in enumerate(wrong))))
    table, _, _, _ = read(path)
    whole, _, _, _ = read(CASES / "v29" / "input.nda")
    assert table is not None and whole is not None
    assert table["local_time"].to_pylist()[:3] == [None] * 3 and table["local_time"].to_pylist()[3:] == whole["local_time"].to_pylist()[3:]


def test_a_record_written_twice_starts_no_step(tmp_path: Path) -> None:
    """Nothing is dropped or sorted, and time of the test does not jump."""
    data = (CASES / "v29" / "input.nda").read_bytes()
    begin, length = struct.unpack_from("<II", data, 64)
    at = begin + 86 * 10
    again = data[:at] + data[at - 2 * 86 :]
    path = tmp_path / "input.nda"
    path.write_bytes(again[:68] + struct.pack("<I", length + 2 * 86) + again[72:])
    table, _, _, _ = read(path)
    whole, _, _, _ = read(CASES / "v29" / "input.nda")
    assert table is not None and whole is not None and table.num_rows == whole.num_rows + 2
    assert table["step_count"][-1] == whole["step_count"][-1]
    assert table["test_time_second"].to_pylist()[-20:] == whole["test_time_second"].to_pylist()[-20:]


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_garbage_raises_only_our_errors(case: str, tmp_path: Path) -> None:
    dice = random.Random(case)
    data = (CASES / case / "input.nda").read_bytes()
    path = tmp_path / "garbage.nda"
    for _ in range(80):
        broken = bytearray(data)
        for _ in range(dice.choice((1, 3, 40, 400))):
            broken[dice.randrange(16, 260 if dice.random() < 0.3 else len(broken))] = dice.choice((0, 0xFF, 0x7F, dice.randrange(256)))
        path.write_bytes(bytes(broken))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                read(path)
            except BdxError:
                continue


def test_standard_input_reads_the_same() -> None:
    path = CASES / "v26-aux-between" / "input.nda"
    source = Source("-", stdin=io.BytesIO(path.read_bytes()))
    piped, row, _, _ = read(source)
    direct, again, _, _ = read(path)
    assert piped is not None and piped.equals(direct) and row == again
    source.close()


def test_the_generator_makes_the_committed_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = generator("neware_nda")
    monkeypatch.setattr(made, "ROOT", tmp_path)
    made.cases()
    assert compared(tmp_path) == (14, [])
