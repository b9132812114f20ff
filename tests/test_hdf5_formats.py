"""HDF5 and archive formats of others: what is written is what the toolkit reads, no pickle runs, nothing forged is believed."""

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import bdx
from bdx import canon, formats
from bdx.canon import Chunk
from bdx.errors import BdxError, CorruptSource, SinkError, SourceError, TruncatedSource, UnsafeSource, UnsupportedVersion
from bdx.formats import cellpy, matr, pandas_frame, pickle_text
from bdx.formats.source import Source
from bdx.pipeline.reading import ReadOptions, chunks, open_source

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures/formats"
SAMPLES = ROOT.parent / "shared/samples/instrument"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="no samples here")


def fixture(case: str) -> Path:
    return next(path for path in (FIXTURES / case).iterdir() if path.name.startswith("input"))


def series(path: Path) -> pa.Table:
    return bdx.read(path)["timeseries"]


# Pickles


class Bomb:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("exploded"),))


def test_no_pickle_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = pickle_text.literals(pickle.dumps([Bomb(), "name"], 2))
    assert not list(tmp_path.iterdir())
    assert isinstance(found[0], pickle_text.Made)
    with pytest.raises(pickle_text.NotPlain):
        pickle_text.names(pickle.dumps([Bomb()], 2))


@pytest.mark.parametrize("protocol", range(5))
def test_plain_pickles_of_every_protocol_are_read(protocol: int) -> None:
    words = ["test_time", "Größe", "dV/dt"]
    assert pickle_text.names(pickle.dumps(words, protocol)) == words
    assert pickle_text.literals(pickle.dumps({"a": (1, [2.5, None, True])}, protocol)) == {"a": (1, [2.5, None, True])}
    values = ["hfa", None, 3, 2.5]
    assert pickle_text.objects(pickle.dumps(np.array([values], dtype=object), protocol)) == values


@pytest.mark.parametrize("data", [b"", b".", b"garbage", b"(lp0\nVa\np1\na", b"\x80\x02]q\x00(X", b"cos\nsystem\n(S'x'\ntR."])
def test_what_is_no_list_of_names_is_refused(data: bytes) -> None:
    with pytest.raises(pickle_text.NotPlain):
        pickle_text.names(data)


# Forged files


def forged(path: Path, make: Any) -> Path:
    """Return a copy of a battdat file with `raw_data` made anew."""
    path.write_bytes(fixture("battdat-h5/plain").read_bytes())
    with h5py.File(path, "r+") as file:
        del file["raw_data"]
        make(file)
    return path


RECORD = np.dtype([("test_time", "<f8"), ("voltage", "<f8"), ("current", "<f8")])


def test_links_out_of_the_file_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    secret.write_bytes(fixture("battdat-h5/plain").read_bytes())
    for link in (h5py.ExternalLink(str(secret), "/raw_data"), h5py.SoftLink("/cycle_stats")):
        with pytest.raises(UnsafeSource, match="link"):
            series(forged(tmp_path / "it.h5", lambda file, link=link: file.__setitem__("raw_data", link)))


def test_data_in_another_file_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(bytes(RECORD.itemsize * 4))
    external = [(str(tmp_path / "rows"), 0, RECORD.itemsize * 4)]
    with pytest.raises(UnsafeSource, match="another file"):
        series(forged(tmp_path / "it.h5", lambda file: file.create_dataset("raw_data", (4,), RECORD, external=external)))


def test_a_claim_of_more_than_the_file_can_hold_is_refused(tmp_path: Path) -> None:
    def huge(file: Any) -> None:
        file.create_dataset("raw_data", (10**12,), RECORD, chunks=(1024,), compression="gzip")

    def wide(file: Any) -> None:
        file.create_dataset("raw_data", (1,), RECORD, maxshape=(None,), chunks=(10**8,), compression="gzip")

    with pytest.raises(UnsafeSource, match="claims 24000000000000 bytes"):
        series(forged(tmp_path / "it.h5", huge))
    with pytest.raises(UnsafeSource, match="chunks"):
        series(forged(tmp_path / "it.h5", wide))


@pytest.mark.parametrize(("code", "words"), [(305, "lzo.*ptrepack"), (32001, "blosc.*hdf5plugin"), (4711, "number 4711")])
def test_a_filter_that_is_not_there_is_named(tmp_path: Path, code: int, words: str) -> None:
    if h5py.h5z.filter_avail(code):
        pytest.skip("this filter is installed")

    def packed(file: Any) -> None:
        file.create_dataset("raw_data", (4,), RECORD, chunks=(4,), compression=code, allow_unknown_filter=True)

    with pytest.raises(UnsupportedVersion, match=words):
        series(forged(tmp_path / "it.h5", packed))


def test_a_cut_file_is_called_cut(tmp_path: Path) -> None:
    for case in ("battdat-h5/plain", "matr-mat/two-cells", "cellpy/v9"):
        data = fixture(case).read_bytes()
        path = tmp_path / "cut"
        path.write_bytes(data[: len(data) * 2 // 3])
        with pytest.raises(TruncatedSource):
            formats.detect(Source(str(path))) and series(path)


def test_own_and_foreign_hdf5_are_told_apart(tmp_path: Path) -> None:
    own = tmp_path / "own.h5"
    bdx.convert([fixture("battdat-h5/plain")], own, to="h5")
    assert formats.detect(Source(str(own))).id == "h5"
    with pytest.raises(SourceError, match="battdat"):
        bdx.read(fixture("battdat-h5/plain"), from_format="h5")
    with pytest.raises(SourceError, match="no raw_data"):
        series(forged(tmp_path / "stats.h5", lambda file: None))
    with h5py.File(tmp_path / "any.h5", "w") as file:
        file["speed"] = [1.0]
    with pytest.raises(BdxError):
        bdx.read(tmp_path / "any.h5")


# battdat, written


def test_battdat_reads_back_what_it_was_given(tmp_path: Path) -> None:
    first = series(fixture("battdat-h5/plain"))
    bdx.convert([fixture("battdat-h5/plain")], tmp_path / "a.h5", to="battdat-h5")
    again = series(tmp_path / "a.h5")
    assert set(again.schema.names) == set(first.schema.names)
    for name in first.schema.names:
        assert again.column(name).to_pylist() == first.column(name).to_pylist(), name
    test = bdx.read(tmp_path / "a.h5")["test"].to_pylist()[0]
    assert (test["item_id"], test["instrument"], test["nominal_capacity_ah"]) == ("BX36-000042", "bench 3", 14.0)


def test_battdat_tables_have_what_pytables_looks_for(tmp_path: Path) -> None:
    bdx.convert([fixture("battdat-h5/plain")], tmp_path / "a.h5", to="battdat-h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["CLASS"] == b"GROUP"
        assert file.attrs["PYTABLES_FORMAT_VERSION"] == b"2.1"
        for name in ("raw_data", "cycle_stats"):
            table = file[name]
            assert table.attrs["CLASS"] == b"TABLE"
            headers = [table.attrs[f"FIELD_{place}_NAME"].decode() for place in range(len(table.dtype.names))]
            assert headers == list(table.dtype.names)
            assert table.attrs["NROWS"] == table.shape[0]
        assert {"test_time", "voltage", "current", "cycle_number"} <= set(file["raw_data"].dtype.names)


def test_battdat_gives_each_test_a_group_and_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        bdx.convert([fixture("battdat-h5/groups")], tmp_path / name, to="battdat-h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5") as file:
        assert sorted(file) == ["s1_1", "s1_2", "s1_3"]
        assert [sorted(file[name]) for name in sorted(file)] == [["raw_data"], ["raw_data"], ["eis_data"]]
    found = bdx.read(tmp_path / "a.h5")
    assert found["test"].num_rows == 3
    spectral = found["timeseries"].filter(pc.is_valid(found["timeseries"].column("frequency_hertz")))
    assert spectral.num_rows == 20


def write_chunks(batches: list[pa.RecordBatch], path: Path) -> None:
    from bdx import mapping

    target = formats.resolve("battdat-h5")
    context = mapping.Context("here", "s1", canon.Log(), target.full_id)
    stream: list[Chunk] = [{"timeseries": batch} for batch in batches]
    with path.open("w+b") as sink:
        formats.engine(target).write(mapping.from_canonical(iter(stream), target, context), sink, target, lines=False)


def test_battdat_widens_for_columns_gaps_and_long_texts_that_come_late(tmp_path: Path) -> None:
    base = {"test_time_second": [0.0], "voltage_volt": [3.7], "current_ampere": [0.0]}
    late = {**base, "cycle_count": pa.array([2], pa.int64()), "step_type": pa.array(["Konstantstrom-Ladung µ"], pa.string())}
    first = {**base, "step_type": pa.array(["R"], pa.string())}
    write_chunks([canon.batch("timeseries", first), canon.batch("timeseries", late)], tmp_path / "a.h5")
    found = series(tmp_path / "a.h5")
    assert found.column("step_type").to_pylist() == ["R", "Konstantstrom-Ladung µ"]
    assert found.column("cycle_count").to_pylist() == [None, 2]


def test_battdat_keeps_facts_that_its_description_has_no_place_for(tmp_path: Path) -> None:
    before = bdx.read(fixture("cellpy/v9"))["test"].to_pylist()[0]
    bdx.convert([fixture("cellpy/v9")], tmp_path / "a.h5", to="battdat-h5", personal="keep")
    after = bdx.read(tmp_path / "a.h5")["test"].to_pylist()[0]
    assert str(before["started_local"]) == "2025-06-15 15:05:00"
    for name in ("item_id", "channel", "operator", "software", "started_local", "active_mass_mg"):
        assert after[name] == before[name] is not None, name


def test_battdat_headers_are_names_that_pytables_takes(tmp_path: Path) -> None:
    base = {"test_time_second": pa.array([0.0]), "voltage_volt": pa.array([3.7]), "current_ampere": pa.array([0.0])}
    extra = {"extra_dv_dt": (pa.array([1.0]), {"bdx.source_name": "dV/dt", "bdx.unit": "V/s"}), "extra_ort_ä": (pa.array(["x"]), {})}
    write_chunks([canon.batch("timeseries", base, extra)], tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert {"dv_dt", "ort"} <= set(file["raw_data"].dtype.names)
        described = json.loads(file["raw_data"].attrs["metadata"])["extra_columns"]["dv_dt"]
    assert described["units"] == "V/s"
    assert "dV/dt" in described["description"]


@pytest.mark.parametrize("case", ["basytec/seconds-tab-latin1", "arbin-xlsx/sql-dump-prefixed"])
def test_a_vendor_column_does_not_come_back_as_one_of_battdat(case: str, tmp_path: Path) -> None:
    """`extra_state` written as `state` would be read as the type of the step."""
    bdx.convert([fixture(case)], tmp_path / "x.h5", to="battdat-h5")
    before, after = series(fixture(case)), series(tmp_path / "x.h5")
    assert {name for name in before.column_names if name.startswith("extra_")} <= set(after.column_names)
    for name in ("step_type", "extra_state", "extra_test_id"):
        if name in before.column_names:
            assert after.column(name).to_pylist() == before.column(name).to_pylist(), name


def test_battdat_holds_records(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="records"):
        write_chunks([], tmp_path / "a.h5")


# Batches and order


@pytest.mark.parametrize(
    ("case", "module"), [("matr-mat/two-cells", matr), ("cellpy-h5/v6", pandas_frame), ("cellpy/v9-two-tests", cellpy)]
)
def test_the_size_of_batches_changes_nothing(case: str, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = series(fixture(case))
    monkeypatch.setattr(module, "BATCH_ROWS", 7)
    assert series(fixture(case)).equals(whole)


def test_tests_that_take_turns_keep_their_own_order() -> None:
    found = series(fixture("cellpy/v9-two-tests"))
    for test in ("s1.1", "s1.2"):
        time = found.filter(pc.equal(found.column("test_id"), test)).column("test_time_second").to_pylist()
        assert time == sorted(time)


def test_whole_cycles_before_damage_come_first(tmp_path: Path) -> None:
    path = tmp_path / "it.mat"
    path.write_bytes(fixture("matr-mat/one-cell-rate").read_bytes())
    with h5py.File(path, "r+") as file:
        cycles = file[file["batch/cycles"][0, 0]]
        cycles["V"][2, 0] = file["batch_date"].ref  # another length than its neighbours
    opened = open_source(str(path), 1, ReadOptions())
    rows = 0
    with pytest.raises(CorruptSource, match="unequal length"):
        for chunk in chunks(opened, ReadOptions()):
            rows += chunk["timeseries"].num_rows if "timeseries" in chunk else 0
    assert rows == 39, "the stub and the first cycle"


def test_an_unknown_version_of_a_cellpy_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "it.cellpy"
    with zipfile.ZipFile(path, "w") as archive, zipfile.ZipFile(fixture("cellpy/v9")) as known:
        archive.writestr("meta.json", '{"cellpy_file_version": 12}')
        archive.writestr("raw.parquet", known.read("raw.parquet"))
    with pytest.raises(UnsupportedVersion, match="12"):
        series(path)


# Real files


@needs_samples
@pytest.mark.parametrize("name", ["20160805_test001_45_cc_v4.h5", "20160805_test001_45_cc_v6.h5", "20160805_test001_45_cc_v8_with_fids.h5"])
def test_cellpy_files_agree_with_the_raw_file_they_came_from(name: str) -> None:
    peer = pq.read_table(SAMPLES / "arbin_res/expected/arbin_res_cellpy_raw.parquet")
    found = series(SAMPLES / "cellpy_h5" / name)
    pairs = {"test_time_second": "test_time", "voltage_volt": "voltage", "current_ampere": "current"}
    pairs |= {
        "cycle_charging_capacity_ah": "charge_capacity",
        "cycle_discharging_energy_wh": "discharge_energy",
        "record_index": "data_point",
    }
    for mine, theirs in pairs.items():
        assert found.column(mine).to_pylist() == peer.column(theirs).to_pylist(), mine
    gap = pc.subtract(found.column("local_time").cast(pa.int64()), peer.column("date_time").cast(pa.int64()))
    assert pc.max(pc.abs(gap)).as_py() <= 1


@needs_samples
def test_arbin_sql_agrees_with_its_peer() -> None:
    peer = pq.read_table(SAMPLES / "arbin_sql_h5/expected/arbin_sql_h5_cellpy_raw.parquet")
    found = series(SAMPLES / "arbin_sql_h5/20200624_test001_cc_01.h5")
    pairs = {"test_time_second": "test_time", "voltage_volt": "voltage", "record_index": "data_point", "power_watt": "power"}
    for mine, theirs in pairs.items():
        assert found.column(mine).to_pylist() == peer.column(theirs).to_pylist(), mine
    assert pc.value_counts(found.column("test_id")).to_pylist() == [
        {"values": "s1.1", "counts": 2},
        {"values": "s1.2", "counts": 11},
        {"values": "s1.3", "counts": 34},
    ]


@needs_samples
def test_battdat_agrees_with_its_parquet_twin() -> None:
    peer = pq.read_table(SAMPLES / "battdat_hdf/expected/complex_raw_data.parquet")
    found = series(SAMPLES / "battdat_hdf/single-resistor-complex-charge_from-discharged.hdf")
    for mine, theirs in {
        "test_time_second": "test_time",
        "voltage_volt": "voltage",
        "current_ampere": "current",
        "cycle_count": "cycle_number",
    }.items():
        assert found.column(mine).to_pylist() == peer.column(theirs).to_pylist(), mine


def test_cells_of_one_file_are_batteries_of_their_own(tmp_path: Path) -> None:
    for case, count in (("matr-mat/two-cells", 2), ("arbin-sql-h5/tests-1", 1)):
        bdx.convert([fixture(case)], tmp_path / "out.json", to="catenax-battery-pass", force=True)
        found = json.loads((tmp_path / "out.json").read_text("utf-8"))
        assert len(found if isinstance(found, list) else [found]) == count
