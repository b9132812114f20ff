"""Neware .ndax: agreement with the vendor's export, versions, and what is done with damaged archives."""

import io
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from making import generator

from bdx import canon, formats, mapping, spec
from bdx.canon import Document, Table
from bdx.errors import BdxError, CorruptSource, TruncatedSource, UnsafeSource, UnsupportedVersion
from bdx.formats import neware_columns, neware_ndax
from bdx.formats.source import Source

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "fixtures" / "formats" / "neware-ndax"
SAMPLES = ROOT.parent / "shared" / "samples" / "instrument" / "neware_ndax"
SPEC = spec.format_spec("neware-ndax")
with_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the sample files are not here")


def read(path: Path) -> tuple[pa.Table | None, dict[str, Any], Source]:
    """Return the time series, the test row and the source with its log."""
    source = Source(str(path))
    context = mapping.Context(source=source.uri, source_id="s1", log=source.log)
    chunks = list(mapping.to_canonical(formats.read(source, SPEC), SPEC, context))
    series = [chunk["timeseries"] for chunk in chunks if "timeseries" in chunk]
    return (pa.Table.from_batches(series) if series else None), chunks[-1]["test"].to_pylist()[0], source


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repack(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def change(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies a fixture with some members replaced (None removes one)."""

    def of(case: str, **edits: bytes | None) -> Path:
        files = members(CASES / case / "input.ndax")
        for name, data in edits.items():
            if data is None:
                files.pop(name)
            else:
                files[name] = data
        return repack(tmp_path / "changed.ndax", files)

    return of


def flip(data: bytes, place: int, value: int) -> bytes:
    return data[:place] + bytes([value]) + data[place + 1 :]


COLUMNS = {
    "test_time_second": ("Total Time", 1.0, 0.0),
    "step_time_second": ("Time", 1.0, 0.0),
    "voltage_volt": ("Voltage(mV)", 1e-3, 5.1e-5),
    "current_ampere": ("Current(uA)", 1e-6, 5e-7),
    "step_count": ("Step Count", 1.0, 0.0),
    "temperature_t1_celsius": ("T1(?)", 1.0, 0.0501),
    "temperature_t2_celsius": ("T2(?)", 1.0, 0.0501),
    "extra_aux1_voltage": ("V1(mV)", 1.0, 0.05),
}


@with_samples
@pytest.mark.parametrize("expected", sorted(SAMPLES.glob("expected/*.fastnda.parquet")), ids=lambda path: path.name.split(".")[0])
def test_agrees_with_the_vendors_export(expected: Path) -> None:
    """Time to the bit, values to the places the export was rounded to, counters to the bend within a stretch between stamps."""
    theirs = pq.read_table(expected)
    ours, _, _ = read(SAMPLES / f"{expected.name.split('.')[0]}.ndax")
    assert ours is not None and ours.num_rows == theirs.num_rows
    if not theirs.num_rows:
        return
    for name, (other, factor, tolerance) in COLUMNS.items():
        assert (name in ours.column_names) == (other in theirs.column_names)
        if name in ours.column_names:
            difference = np.abs(ours[name].to_numpy() - theirs[other].to_numpy().astype(float) * factor)
            assert difference.max() <= tolerance, name
    assert ours["step_id"].to_pylist() == [str(step) for step in theirs["Step Index"].to_pylist()]
    assert ours["step_type"].to_pylist() == theirs["Step Type"].to_pylist()
    hours = (theirs["Date"].cast(pa.int64()).to_numpy() - np.round(ours["unix_time_second"].to_numpy() * 1000)) / 3.6e6
    assert (hours == hours[0]).all() and hours[0] == round(hours[0]), "the export is in local time"
    for kind, other in (("capacity_ah", "Capacity(mAs)"), ("energy_wh", "Energy(mWs)")):
        both = ours[f"step_charging_{kind}"].to_numpy() + ours[f"step_discharging_{kind}"].to_numpy()
        unsigned = np.abs(theirs[other].to_numpy().astype(float)) / 3.6e6
        assert np.abs(both - unsigned).max() <= 3e-4 * unsigned.max()


SEEN = {
    "BTS85-36-6-5-110-20240424": (699_677, 692_462.7, 45, 17),
    "nw4-120-6-1-36": (7_257, 60_921.7, 15, 0),
    "filetype14-0": (67, 655.4, 1, 0),
    "navani_test": (1_464, 43_800.0, 4, 0),
}


@with_samples
@pytest.mark.parametrize("name", sorted(SEEN))
def test_figures_of_samples(name: str) -> None:
    rows, end, steps, back = SEEN[name]
    ours, _, source = read(SAMPLES / f"{name}.ndax")
    assert ours is not None
    assert (ours.num_rows, ours["test_time_second"][-1].as_py(), ours["step_count"][-1].as_py()) == (rows, end, steps)
    assert (np.diff(ours["test_time_second"].to_numpy()) >= 0).all()
    if "unix_time_second" in ours.column_names:
        assert (np.diff(ours["unix_time_second"].to_numpy()) < 0).sum() == back
    assert "F021" not in {finding.code for finding in source.log.findings}


@with_samples
def test_time_and_counters_of_the_vendor_export() -> None:
    """BTSDA's own text export of the same test is the authority for time between stamps."""
    import csv

    text = (SAMPLES.parent / "neware_csv" / "interp-test.csv").read_text("cp1252")
    rows = list(csv.DictReader(io.StringIO(text)))
    ours, _, _ = read(SAMPLES / "interp-test.ndax")
    assert ours is not None and ours.num_rows == len(rows)
    seconds = [sum(float(part) * unit for part, unit in zip(row["Total Time"].split(":"), (3600, 60, 1), strict=True)) for row in rows]
    assert ours["test_time_second"].to_pylist() == seconds
    assert [str(count) for count in ours["cycle_count"].to_pylist()] == [row["Cycle Index"] for row in rows]


@pytest.mark.parametrize("batch_rows", [1, 7, 13])
@pytest.mark.parametrize("case", ["v14", "v14-tail", "v16-aux-pair", "v5-fat"])
def test_batch_size_changes_nothing(case: str, batch_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, row, _ = read(CASES / case / "input.ndax")
    monkeypatch.setattr(neware_columns, "BATCH_ROWS", batch_rows)
    pieces, again, _ = read(CASES / case / "input.ndax")
    assert whole is not None and pieces is not None and pieces.column(0).num_chunks > whole.column(0).num_chunks
    assert pieces.combine_chunks().equals(whole.combine_chunks())
    assert again == row


def test_parts_keep_vendor_names_units_and_raw_values() -> None:
    parts = list(formats.read(Source(str(CASES / "v16-aux-pair" / "input.ndax")), SPEC))
    info, table = parts
    assert isinstance(info, Document) and info.value["ndc"] == 16
    assert info.value["Channel"] == "12-1-3" and info.value["TestInfo"]["Remark"] == "温度 check"
    assert isinstance(table, Table)
    unit = {field.name: (field.metadata or {}) for field in table.schema}
    assert unit["Voltage"] == {b"bdx.unit": b"mV", b"bdx.scale": b"1/10"}
    assert unit["Charge Capacity"] == {b"bdx.unit": b"mAs"}
    assert unit["Aux1 Temperature"] == {b"bdx.unit": b"degC", b"bdx.scale": b"1/10"}
    first = next(table.batches)
    assert first.column("Voltage")[0].as_py() > 30_000
    assert first.num_rows <= canon.BATCH_ROWS


def test_facts_reach_the_test_row() -> None:
    _, row, source = read(ROOT / "fixtures" / "world" / "cycler.ndax")
    assert row["item_id"] == "BX36-000042" and row["nominal_capacity_ah"] == 14.0 and row["current_sign"] == "signed"
    assert row["started_local"].isoformat() == "2026-10-05T08:00:00"
    assert row["started_at"].isoformat() == "2026-10-05T06:00:00+00:00"
    assert {loss.what for loss in source.log.losses} == {"Step.xml: program steps and limits"}


@pytest.mark.parametrize("version", [1, 9, 12, 13, 18, 255])
def test_other_versions_are_named(version: int, change: Callable[..., Path]) -> None:
    data = members(CASES / "v14" / "input.ndax")["data.ndc"]
    path = change("v14", **{"data.ndc": flip(data, 2, version)})
    with pytest.raises(UnsupportedVersion, match=f"ndc version {version}; bdx reads versions 2, 5, 11, 14, 15, 16, 17"):
        read(path)


@pytest.mark.parametrize(("version", "words"), [(2, "whose records do not count up"), (15, "lays out rows of 0 bytes")])
def test_a_version_the_rows_deny(version: int, words: str, change: Callable[..., Path]) -> None:
    data = members(CASES / "v14" / "input.ndax")["data.ndc"]
    with pytest.raises(CorruptSource, match=words):
        read(change("v14", **{"data.ndc": flip(data, 2, version)}))


def test_mixed_versions_are_refused(change: Callable[..., Path]) -> None:
    data = members(CASES / "v14" / "input.ndax")["data_runInfo.ndc"]
    with pytest.raises(CorruptSource, match="ndc version 5, which has no"):
        read(change("v14", **{"data_runInfo.ndc": flip(data, 2, 5)}))


def test_a_block_that_promises_too_much(change: Callable[..., Path]) -> None:
    data = members(CASES / "v14" / "input.ndax")["data.ndc"]
    with pytest.raises(CorruptSource, match=r"data\.ndc byte 4098: announces 65535 rows"):
        read(change("v14", **{"data.ndc": data[:4098] + b"\xff\xff" + data[4100:]}))


def read_cut(path: Path) -> tuple[pa.Table | None, str]:
    """Return the time series that came before the error, and the error."""
    source = Source(str(path))
    context = mapping.Context(source=source.uri, source_id="s1", log=source.log)
    series: list[pa.RecordBatch] = []
    with pytest.raises(TruncatedSource) as error:
        for chunk in mapping.to_canonical(formats.read(source, SPEC), SPEC, context):
            series += [chunk["timeseries"]] if "timeseries" in chunk else []
    return (pa.Table.from_batches(series) if series else None), str(error.value)


@pytest.mark.parametrize(("keep", "rows"), [(8191, 52), (4096 + 132 + 30 * 8 + 3, 30), (4096 + 100, 0), (4096, 0)])
def test_a_member_cut_inside_a_block(keep: int, rows: int, change: Callable[..., Path]) -> None:
    case = CASES / "v14" / "input.ndax"
    path = change("v14", **{"data.ndc": members(case)["data.ndc"][:keep]})
    if keep == 4096:
        table, _, _ = read(path)
        assert table is not None and table.num_rows == 0
        return
    table, message = read_cut(path)
    assert f"data.ndc byte {keep}: ends inside a block; {rows} whole records were read" in message
    whole, _, _ = read(case)
    assert table is not None and whole is not None and table.num_rows == rows
    for name in ("voltage_volt", "current_ampere"):
        assert table[name].to_pylist() == whole[name].to_pylist()[:rows]


def test_stamps_that_were_cut_leave_no_record_without_its_own(change: Callable[..., Path]) -> None:
    """Time after the last stamp would have to be guessed across steps."""
    case = CASES / "v14" / "input.ndax"
    whole, _, _ = read(case)
    stamps = members(case)["data_runInfo.ndc"]
    table, message = read_cut(change("v14", **{"data_runInfo.ndc": stamps[: 4096 + 132 + 6 * 55 + 10]}))
    assert "data_runInfo.ndc byte" in message
    last = struct.unpack_from("<I", stamps, 4096 + 132 + 5 * 55 + 41)[0]
    assert table is not None and whole is not None and table.num_rows == last < whole.num_rows
    assert table["test_time_second"].to_pylist() == whole["test_time_second"].to_pylist()[:last]


def test_without_stamps_only_voltage_and_current_remain(change: Callable[..., Path]) -> None:
    table, _, source = read(change("v14", **{"data_runInfo.ndc": None}))
    assert table is not None
    assert set(table.column_names) == {
        "record_index",
        "voltage_volt",
        "current_ampere",
        "temperature_t1_celsius",
        "temperature_t2_celsius",
    }
    assert {"F025", "F026"} <= {finding.code for finding in source.log.findings}


def stamp(path: Path, number: int, layout: str, offset: int, value: int) -> bytes:
    """Return data_runInfo.ndc with one field of one stamp changed and its block's checksum made right again."""
    import zlib

    data = bytearray(members(path)["data_runInfo.ndc"])
    struct.pack_into(layout, data, 4096 + 132 + number * 55 + offset, value)
    struct.pack_into("<I", data, 8188, zlib.crc32(data[4096:8188]))
    return bytes(data)


def test_an_interval_that_misses_the_next_stamp(change: Callable[..., Path]) -> None:
    case = CASES / "v14" / "input.ndax"
    whole, _, _ = read(case)
    table, _, source = read(change("v14", **{"data_runInfo.ndc": stamp(case, 1, "<i", 29, 400)}))
    finding = next(found for found in source.log.findings if found.code == "F021")
    assert finding.count == 3 and finding.row == 3
    assert table is not None and whole is not None
    assert table["test_time_second"].to_pylist() == whole["test_time_second"].to_pylist()


def test_stamps_of_records_that_do_not_exist(change: Callable[..., Path]) -> None:
    case = CASES / "v14" / "input.ndax"
    _, _, source = read(change("v14", **{"data_runInfo.ndc": stamp(case, 1, "<I", 41, 9_999)}))
    finding = next(found for found in source.log.findings if found.code == "F023")
    assert (finding.count, finding.value) == (1, "9999")


def test_records_before_the_first_stamp_have_no_time(change: Callable[..., Path]) -> None:
    case = CASES / "v14" / "input.ndax"
    table, _, source = read(change("v14", **{"data_runInfo.ndc": stamp(case, 0, "<I", 41, 0)}))
    assert table is not None
    for name in ("test_time_second", "unix_time_second", "step_count", "cycle_count", "step_type", "step_charging_capacity_ah"):
        assert table[name].null_count == 1 and table[name][0].as_py() is None, name
    assert next(found for found in source.log.findings if found.code == "F025").count == 1


def test_a_duplicate_stamp_keeps_the_first(change: Callable[..., Path]) -> None:
    """Real files stamp record 1 twice, 100 ms apart; only the first leads to the next stamp."""
    case = CASES / "v14" / "input.ndax"
    data = bytearray(members(case)["data_runInfo.ndc"])
    rows = struct.unpack_from("<H", data, 4098)[0]
    start, end = 4096 + 132, 4096 + 132 + rows * 55
    double = bytearray(data[start : start + 55])
    struct.pack_into("<I", double, 0, 100)
    data[start + 55 : end + 110] = double + data[start + 55 : end + 55]
    data = data[: 4096 * 2]
    struct.pack_into("<H", data, 4098, rows + 1)
    data[4100 : 4100 + 128] = ((1 << rows + 1) - 1).to_bytes(128, "little")
    table, _, source = read(change("v14", **{"data_runInfo.ndc": bytes(data)}))
    whole, _, _ = read(case)
    assert table is not None and whole is not None and table.equals(whole)
    assert "F021" not in {found.code for found in source.log.findings}


def test_unknown_step_type_and_missing_step(change: Callable[..., Path]) -> None:
    steps = members(CASES / "v14" / "input.ndax")["data_step.ndc"]
    table, _, source = read(change("v14", **{"data_step.ndc": flip(steps, 4096 + 132 + 24, 99)}))
    assert table is not None and table["step_type"][0].as_py() is None and table["cycle_count"][0].as_py() == 1
    codes = {found.code: found for found in source.log.findings}
    assert codes["F027"].value == "99" and "F024" in codes
    shorter = flip(flip(steps, 4098, 3), 4100, 0b0111)
    table, _, source = read(change("v14", **{"data_step.ndc": shorter}))
    assert table is not None and table["cycle_count"].null_count == table["step_type"].null_count > 0
    missing = next(found for found in source.log.findings if found.code == "F030")
    assert missing.value == "4" and missing.count == table["cycle_count"].null_count


def test_auxiliary_channel_of_another_length(change: Callable[..., Path]) -> None:
    aux = members(CASES / "v14" / "input.ndax")["data_AUX_9_3_1.ndc"]
    table, _, source = read(change("v14", **{"data_AUX_9_3_1.ndc": flip(aux, 4100, 0b01111111)}))
    assert table is not None and table["temperature_t1_celsius"].null_count == 1
    assert table["temperature_t1_celsius"][-1].as_py() is None and "F029" in {found.code for found in source.log.findings}


def test_auxiliary_channels_without_test_info(change: Callable[..., Path]) -> None:
    """The names of the members alone tell temperature from voltage."""
    table, _, _ = read(change("v14", **{"TestInfo.xml": b"\xff\xfe not xml"}))
    assert table is not None and {"temperature_t1_celsius", "temperature_t2_celsius"} <= set(table.column_names)


def test_unknown_auxiliary_rows_are_left_out(change: Callable[..., Path]) -> None:
    aux = members(CASES / "v16-aux-pair" / "input.ndax")["data_1.ndc"]
    table, _, source = read(change("v16-aux-pair", **{"data_1.ndc": flip(aux, 4096 + 132, 0x74)}))
    assert table is not None and "temperature_t1_celsius" not in table.column_names
    assert "F031" in {found.code for found in source.log.findings}


@pytest.mark.parametrize("name", ["TestInfo.xml", "Step.xml", "VersionInfo.xml"])
@pytest.mark.parametrize(
    "attack",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>" * 100 + b"</a>" * 100,
    ],
)
def test_hostile_xml_is_refused(name: str, attack: bytes, change: Callable[..., Path]) -> None:
    with pytest.raises(UnsafeSource):
        read(change("v14", **{name: attack}))


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    path = repack(tmp_path / "bomb.ndax", {**members(CASES / "v14" / "input.ndax"), "data_log.ndc": bytes(80 << 20)})
    with pytest.raises(UnsafeSource, match="declares"):
        read(path)


def test_encrypted_and_strangely_packed_members(tmp_path: Path) -> None:
    whole = (CASES / "v14" / "input.ndax").read_bytes()
    entry = whole.index(b"data.ndc", whole.index(b"PK\x01\x02")) - 46
    broken = tmp_path / "broken.ndax"
    for place, value, words in ((entry + 8, 1, "encrypted"), (entry + 10, 12, "method 12")):
        broken.write_bytes(flip(whole, place, value))
        with pytest.raises(CorruptSource, match=words):
            read(broken)


def test_a_member_larger_than_it_declares(tmp_path: Path) -> None:
    whole = (CASES / "v14" / "input.ndax").read_bytes()
    entry = whole.index(b"data.ndc", whole.index(b"PK\x01\x02")) - 46
    broken = tmp_path / "broken.ndax"
    broken.write_bytes(whole[: entry + 24] + struct.pack("<I", 4096) + whole[entry + 28 :])
    with pytest.raises(CorruptSource, match=r"data\.ndc: cannot be unpacked"):
        read(broken)


@pytest.mark.parametrize("case", ["v14", "v5-fat", "v5-aux"])
def test_an_archive_cut_anywhere_is_truncated(case: str, tmp_path: Path) -> None:
    """What stands before the cut is read first: no record is lost that was whole, and none is made up."""
    path = CASES / case / "input.ndax"
    full, _, _ = read(path)
    assert full is not None
    whole, most = path.read_bytes(), 0
    broken = tmp_path / "broken.ndax"
    for length in range(40, len(whole) - 22, 37):
        broken.write_bytes(whole[:length])
        table, message = read_cut(broken)
        assert f"byte {length}: has no end of directory" in message
        rows = table.num_rows if table is not None else 0
        most = max(most, rows)
        if rows and table is not None:
            assert f"; {rows} whole records were read" in message
            assert table["voltage_volt"].to_pylist() == full["voltage_volt"].to_pylist()[:rows]
    assert most == full.num_rows


@pytest.mark.parametrize("case", ["v14", "v16-aux-pair", "v17", "v5-fat"])
def test_garbage_inside_sound_archives_raises_only_our_errors(case: str, tmp_path: Path) -> None:
    """The ZIP and the block checksums are right or wrong; the rows between them are anything."""
    dice = random.Random(case)
    files = members(CASES / case / "input.ndax")
    for _ in range(60):
        name = dice.choice(sorted(files))
        data = bytearray(files[name])
        for _ in range(dice.choice((1, 3, 40, 400))):
            low = 4096 if name.endswith(".ndc") and len(data) > 4096 and dice.random() < 0.9 else 0
            data[dice.randrange(low, len(data))] = dice.choice((0, 0xFF, 0x7F, dice.randrange(256)))
        path = repack(tmp_path / "garbage.ndax", {**files, name: bytes(data)})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                table, _, _ = read(path)
            except BdxError:
                continue
            if table is not None and "test_time_second" in table.column_names and case != "v5-fat":
                times = table["test_time_second"].drop_null().to_numpy()
                assert (np.diff(times) >= 0).all()


def test_sniff_tells_an_ndax_from_other_archives(tmp_path: Path) -> None:
    other = repack(tmp_path / "book.zip", {"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>", "my data.ndc.txt": b""})
    assert not neware_ndax.sniff(Source(str(other)).head, SPEC)
    files = members(CASES / "v14" / "input.ndax")
    late = {"TestInfo.xml": files["TestInfo.xml"], "noise.bin": random.Random(1).randbytes(70_000), **files}
    path = repack(tmp_path / "late.ndax", late)
    assert b"data.ndc" not in Source(str(path)).head
    assert formats.detect(Source(str(path))).id == "neware-ndax"


def test_standard_input_reads_the_same() -> None:
    path = CASES / "v14" / "input.ndax"
    source = Source("-", stdin=io.BytesIO(path.read_bytes()))
    piped = [part for part in formats.read(source, SPEC) if isinstance(part, Table)]
    direct = [part for part in formats.read(Source(str(path)), SPEC) if isinstance(part, Table)]
    assert pa.Table.from_batches(piped[0].batches).equals(pa.Table.from_batches(direct[0].batches))
    source.close()


def test_the_generator_makes_the_committed_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = generator("neware_ndax")
    monkeypatch.setattr(made, "ROOT", tmp_path)
    made.format_cases()
    made.world()
    for path in sorted(tmp_path.rglob("*.ndax")):
        assert members(path) == members(ROOT / "fixtures" / path.relative_to(tmp_path)), path
    for path in sorted(tmp_path.rglob("expect.json")):
        assert path.read_bytes() == (ROOT / "fixtures" / path.relative_to(tmp_path)).read_bytes(), path
