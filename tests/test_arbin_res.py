"""Arbin .res: order, tests, moved rows, damage and what the samples say, beyond what the fixtures show."""

import io
import struct
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from making import generator

from bdx.errors import CorruptSource, SourceError, TruncatedSource, UnsupportedVersion
from bdx.formats import jet_order, jet_rows
from bdx.pipeline import evening
from bdx.pipeline.reading import Opened, ReadOptions, chunks, open_source

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures/formats/arbin-res"
SAMPLES = ROOT.parent / "shared/samples/instrument/arbin_res"
PAGE = 4096


@pytest.fixture(scope="module")
def make() -> ModuleType:
    return generator("arbin_res")


def read(path: Path | str, stdin: bytes | None = None) -> tuple[pa.Table, Opened]:
    options = ReadOptions(stdin=io.BytesIO(stdin)) if stdin is not None else ReadOptions()
    opened = open_source(str(path), 1, options)
    batches = [chunk["timeseries"] for chunk in chunks(opened, options) if "timeseries" in chunk]
    return pa.Table.from_batches(batches), opened


def until_fault(path: Path) -> tuple[int, SourceError]:
    """Return the number of rows that came before a fault, and the fault."""
    rows = 0
    with pytest.raises(SourceError) as caught:
        for chunk in chunks(open_source(str(path), 1, ReadOptions()), ReadOptions()):
            rows += chunk["timeseries"].num_rows if "timeseries" in chunk else 0
    return rows, caught.value


def saved(make: Any, folder: Path, *tables: Any) -> Path:
    path = folder / "made.res"
    path.write_bytes(make.database([make.Table("Global_Table", make.GLOBAL, [[make.about()]]), *tables]))
    return path


def codes(opened: Opened) -> set[str]:
    return {finding.code for finding in opened.log.findings}


@pytest.mark.parametrize("case", sorted(path.name for path in FIXTURES.iterdir()))
def test_standard_input_reads_as_the_file(case: str) -> None:
    path = FIXTURES / case / "input.res"
    assert read("-", path.read_bytes())[0].equals(read(path)[0])


def test_the_result_does_not_depend_on_how_much_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    path = FIXTURES / "stored-out-of-order/input.res"
    whole = read(path)[0]
    monkeypatch.setattr(jet_order, "BATCH_ROWS", 7)
    monkeypatch.setattr(jet_order, "_RUN", 1)
    monkeypatch.setattr(evening, "ROWS", 7)
    small = read(path)[0]
    assert len(small.to_batches()) > len(whole.to_batches())
    assert small.combine_chunks().equals(whole.combine_chunks())


def test_rows_are_found_by_a_map_on_pages_of_its_own(make: Any, tmp_path: Path) -> None:
    base = make.records()
    rows = [base[index % 80] | {"Data_Point": index + 1} for index in range(4200)]
    path = saved(make, tmp_path, make.Table("Channel_Normal_Table", make.RECORDS, make.spread(rows, 8)))
    table, opened = read(path)
    assert table.column("record_index").to_pylist() == list(range(1, 4201))
    assert not codes(opened)


def test_a_damaged_map_of_pages_loses_nothing(tmp_path: Path) -> None:
    path = FIXTURES / "stored-out-of-order/input.res"
    data = bytearray(path.read_bytes())
    data[PAGE] = 9
    (tmp_path / "broken.res").write_bytes(data)
    assert read(tmp_path / "broken.res")[0].equals(read(path)[0])


def test_whole_records_come_before_a_cut(tmp_path: Path) -> None:
    data = (FIXTURES / "two-auxiliary-channels/input.res").read_bytes()
    (tmp_path / "cut.res").write_bytes(data[: 10 * PAGE + 99])
    rows, fault = until_fault(tmp_path / "cut.res")
    assert 0 < rows <= 80
    assert isinstance(fault, TruncatedSource)
    assert "pages of table" in str(fault)


def test_whole_records_come_before_a_damaged_page(tmp_path: Path) -> None:
    data = bytearray((FIXTURES / "newer-columns-ace/input.res").read_bytes())
    owners = [struct.unpack_from("<BxHI", data, at) for at in range(0, len(data), PAGE)]
    records = [page for page, (kind, _, owner) in enumerate(owners) if kind == 1 and owner == 4]
    struct.pack_into("<H", data, records[1] * PAGE + 12, 4000)
    (tmp_path / "broken.res").write_bytes(data)
    rows, fault = until_fault(tmp_path / "broken.res")
    assert rows == 45
    assert isinstance(fault, CorruptSource)
    assert fault.offset == records[1] * PAGE


def test_encoded_old_and_newer_databases_are_refused_by_name(tmp_path: Path) -> None:
    data = (FIXTURES / "newer-columns-ace/input.res").read_bytes()
    for place, value, words in ((0x3E, data[0x3E] ^ 7, "encoded"), (20, 0, "Access 97"), (20, 9, "version 9")):
        changed = bytearray(data)
        changed[place] = value
        (tmp_path / "other.res").write_bytes(changed)
        with pytest.raises(UnsupportedVersion, match=words):
            read(tmp_path / "other.res")


def test_a_database_of_something_else_is_named(make: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"without the table Channel_Normal_Table; its tables: Global_Table"):
        read(saved(make, tmp_path))


def test_rows_written_before_a_column_was_added_have_no_value_for_it(make: Any, tmp_path: Path) -> None:
    class Grown(make.Table):  # type: ignore[name-defined, misc]
        def row(self, values: dict[str, Any]) -> bytes:
            """Return the row as the table was when it had one column less."""
            shorter = make.Table(self.name, self.columns[:-1], [])
            return bytes(shorter.row(values) if values["Data_Point"] <= 10 else make.Table.row(self, values))

    table, _ = read(saved(make, tmp_path, Grown("Channel_Normal_Table", make.RECORDS, make.spread(make.records(), 40))))
    assert table.column("internal_resistance_ohm").to_pylist() == [None] * 10 + [0.03125] * 70
    assert table.column("voltage_volt").null_count == 0


def test_a_thermocouple_in_volts_is_no_temperature(make: Any, tmp_path: Path) -> None:
    rows = make.records()
    labels = [{"Channel_Index": 5, "Auxiliary_Index": 0, "Data_Type": 1, "Nickname": "", "Unit": "mV"}]
    path = saved(
        make,
        tmp_path,
        make.Table("Channel_Normal_Table", make.RECORDS, make.spread(rows, 40)),
        make.Table("Auxiliary_Table", make.AUXILIARY, make.spread([row for row in make.auxiliary(rows) if row["Data_Type"] == 1], 140)),
        make.Table("Aux_Global_Data_Table", make.LABELS, [labels]),
    )
    names = read(path)[0].schema.names
    assert "extra_aux_temperature_1_mv" in names
    assert not any(name.startswith("temperature_") for name in names)


def test_a_table_without_records_says_so(make: Any, tmp_path: Path) -> None:
    table, opened = read(saved(make, tmp_path, make.Table("Channel_Normal_Table", make.RECORDS, [])))
    assert table.num_rows == 0
    assert "F074" in codes(opened)


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (b"\xff\xfeabc", "abc"),
        ("cell 電".encode("utf-16-le"), "cell 電"),
        (b"\xff\xfeab\x00" + "電池".encode("utf-16-le") + b"\x00cd", "ab電池cd"),
        (b"", ""),
        (b"\xff\xfe", ""),
        (b"a", "\ufffd"),
    ],
)
def test_text_is_read_in_its_long_and_short_form(stored: bytes, text: str) -> None:
    assert jet_rows._text(stored) == text


@pytest.mark.skipif(not SAMPLES.exists(), reason="the public sample files are not beside this checkout")
def test_a_real_file_reads_bit_for_bit_as_another_reader_does() -> None:
    table, opened = read(SAMPLES / "20160805_test001_45_cc_01.res")
    known = pq.read_table(SAMPLES / "expected/arbin_res_cellpy_raw.parquet")
    names = {
        "data_point": "record_index",
        "test_time": "test_time_second",
        "step_time": "step_time_second",
        "cycle_index": "cycle_count",
        "current": "current_ampere",
        "voltage": "voltage_volt",
        "charge_capacity": "schedule_charging_capacity_ah",
        "discharge_capacity": "schedule_discharging_capacity_ah",
        "charge_energy": "schedule_charging_energy_wh",
        "internal_resistance": "internal_resistance_ohm",
    }
    for theirs, ours in names.items():
        assert np.array_equal(known.column(theirs).to_numpy(), table.column(ours).to_numpy()), theirs
    theirs, ours = (stamps.cast(pa.timestamp("us")).to_numpy() for stamps in (known.column("date_time"), table.column("local_time")))
    assert np.abs(theirs - ours).max() <= np.timedelta64(1, "ms")
    assert not codes(opened)


@pytest.mark.skipif(not SAMPLES.exists(), reason="the public sample files are not beside this checkout")
def test_a_real_auxiliary_channel_stands_beside_its_records() -> None:
    table, _ = read(SAMPLES / "aux_one_x_dx.res")
    warm = table.column("temperature_t1_celsius")
    assert warm.null_count == 0
    assert warm[0].as_py() == pytest.approx(24.40658, abs=1e-5)
    assert table.column("extra_aux_dt_dt_1")[0].as_py() == pytest.approx(0.1116178, abs=1e-6)
