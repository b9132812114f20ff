"""BioLogic: binary and text files of one test agree; layouts, damage and the shapes of text that fixtures do not reach."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from making import generator

from bdx import canon, formats, mapping, spec
from bdx.errors import BdxError, CorruptSource, TruncatedSource, UnsupportedVersion
from bdx.formats import biologic_mpr
from bdx.formats.biologic_names import describe, from_ole
from bdx.formats.source import Source

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT.parent / "shared" / "samples" / "instrument"
BINARY, TEXT = SAMPLES / "biologic_mpr", SAMPLES / "biologic_mpt"
with_samples = pytest.mark.skipif(not BINARY.exists(), reason="the sample files are not here")

# The text beside gcpl.mpr is of another test; EC-Lab recomputed the quality of these sine waves when it wrote the text.
PAIRS = [path for path in sorted(BINARY.glob("*.mpr")) if (TEXT / f"{path.stem}.mpt").exists() and path.stem != "gcpl"]
RECOMPUTED = {"geis.issue_149": ("extra_thd", "extra_nsd", "extra_nsr", "extra_ewe_h", "extra_i_h")}
# The battery's capacity was edited between the binary file and the export, or the export has no preamble.
EDITED = {
    "vsp_ocv_with": {"protocol"},
    "bcd.issue_241": {"nominal_capacity_ah"},
    "gcpl.pr_182.1": {"protocol", "comment", "active_mass_mg", "nominal_capacity_ah"},
}


make = generator("biologic")


def read(source: Source | Path) -> tuple[pa.Table, dict[str, Any], list[str]]:
    """Return the time series, the test row and the codes of the findings."""
    source = source if isinstance(source, Source) else Source(str(source))
    format_spec = formats.detect(source)
    context = mapping.Context(source=source.uri, source_id="s1", log=source.log)
    chunks = list(mapping.to_canonical(formats.read(source, format_spec), format_spec, context))
    source.close()
    series = pa.Table.from_batches([chunk["timeseries"] for chunk in chunks if "timeseries" in chunk])
    return series, chunks[-1]["test"].to_pylist()[0], [finding.code for finding in source.log.findings]


def written(tmp_path: Path, data: bytes | str) -> Path:
    path = tmp_path / "input"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def batches(path: Path) -> Iterator[pa.RecordBatch]:
    for part in formats.read(Source(str(path)), spec.format_spec("biologic-mpr")):
        if isinstance(part, canon.Table):
            yield from part.batches


@with_samples
@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.stem)
def test_binary_and_text_of_one_test_agree(path: Path) -> None:
    found, test, codes = read(path)
    expected, beside, _ = read(TEXT / f"{path.stem}.mpt")
    assert found.num_rows == expected.num_rows
    assert not [code for code in codes if code not in ("F100", "F101", "F104", "F105", "M030")]
    assert set(found.column_names) <= set(expected.column_names) | {"local_time"}
    for name in found.column_names:
        if name not in expected.column_names or name.startswith(RECOMPUTED.get(path.stem, "never")):
            continue
        one, other = found.column(name), expected.column(name)
        if not pa.types.is_floating(one.type):
            assert one.to_pylist() == other.to_pylist(), name
            continue
        a, b = (np.array(column.to_pylist(), np.float64) for column in (one, other))
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6 * np.nanmax(np.abs(b), initial=0), err_msg=name)
    for name, value in test.items():
        if name in ("extra", "instrument") or name in EDITED.get(path.stem, ()):
            continue
        if isinstance(value, str):
            assert " ".join(str(beside[name]).split()) == " ".join(value.split()), name
        else:
            assert beside[name] == (pytest.approx(value, rel=1e-3) if isinstance(value, float) else value), name


@with_samples
@pytest.mark.parametrize("path", sorted(BINARY.glob("*.mpr")), ids=lambda path: path.stem)
def test_every_binary_sample_is_read_without_warning(path: Path) -> None:
    series, test, codes = read(path)
    assert set(codes) <= {"F100", "F101", "F104", "F105", "M030"}
    assert test["protocol"] and not test["protocol"].startswith("technique")
    if series.num_rows:
        assert "voltage_volt" in series.column_names and "test_time_second" in series.column_names


@pytest.mark.parametrize(
    ("header", "name", "unit"),
    [
        ("control/V/mA", "control", "V/mA"),
        ("control/V", "control voltage", "V"),
        ("ox/red", "ox/red", ""),
        ("Q charge/discharge/mA.h", "Q charge/discharge", "mA.h"),
        ("<Ewe/V>", "Ewe average", "V"),
        ("|Ewe|/V", "Ewe amplitude", "V"),
        ("|Z|/Ohm", "|Z|", "Ohm"),
        ("-Im(Zce)/Ohm", "negative Im(Zce)", "Ohm"),
        ("|Conductivity|/mS/cm", "|Conductivity|", "mS/cm"),
        ("Temperature/°C/°c", "Temperature", "°C"),
        ("Capacitance charge/\ufffdF", "Capacitance charge", "µF"),
        ("d(Q-Qo)/dE/mA.h/V", "d(Q-Qo)/dE", "mA.h/V"),
    ],
)
def test_headers_are_taken_apart(header: str, name: str, unit: str) -> None:
    assert describe(header) == (name, unit)


def test_dates_beyond_reason_are_no_dates() -> None:
    assert from_ole(float("nan")) is None and from_ole(-1e300) is None and from_ole(0.0) is None
    assert str(from_ole(45301.460068125)) == "2024-01-10 11:02:29.886000"


def test_unknown_column_is_refused_with_its_id_and_width(tmp_path: Path) -> None:
    ids, rows = (4, 6, 60_000 + 99), make.records(10)
    body = b"".join(make.packed((4, 6), [row]) + b"\1\2\3\4\5\6\7\10" for row in rows)
    path = written(tmp_path, make.modules(make.settings(), make.data_module(ids, body, 10), make.log()))
    known = {row["id"] for row in spec.format_spec("biologic-mpr").raw["columns"]["quantities"]}
    assert ids[2] & 255 not in known
    with pytest.raises(UnsupportedVersion, match=rf"ID {ids[2]} .* records are 20 bytes, the known columns take 12, so 8"):
        read(path)


def test_columns_that_only_others_report_are_named(tmp_path: Path) -> None:
    rows = make.records(10)
    body = b"".join(make.packed((4, 6), [row]) + b"\0\0\x80\x3f" for row in rows)
    series, _, codes = read(written(tmp_path, make.modules(make.settings(), make.data_module((4, 6, 462), body, 10), make.log())))
    assert codes == ["F101", "F106"] and series.column("temperature_t1_celsius")[0].as_py() == 1.0


def test_width_against_columns_is_refused(tmp_path: Path) -> None:
    body = make.packed((4, 6), make.records(10))[:-3]
    with pytest.raises(CorruptSource, match="take 12"):
        read(written(tmp_path, make.modules(make.settings(), make.data_module((4, 6), body, 10))))


@pytest.mark.parametrize(("declared", "rows"), [(12, 10), (7, 7)])
def test_declared_number_of_records_is_checked(tmp_path: Path, declared: int, rows: int) -> None:
    body = make.packed((4, 6), make.records(10))
    series, _, codes = read(written(tmp_path, make.modules(make.settings(), make.data_module((4, 6), body, declared), make.log())))
    assert series.num_rows == rows and codes == ["F101", "F103"]


def test_unknown_version_of_the_data_is_named(tmp_path: Path) -> None:
    data = bytearray(make.data_module((4, 6), b"", 0))
    data[6 + 43] = 7
    with pytest.raises(UnsupportedVersion, match="version 7/11"):
        read(written(tmp_path, make.modules(make.settings(), bytes(data))))


@pytest.mark.parametrize("cut", [1, 7, 100, 1500])
def test_whole_records_come_before_the_fault(tmp_path: Path, cut: int) -> None:
    rows = make.records(50)
    whole = make.modules(make.settings(), make.data_module(make.GCPL, make.packed(make.GCPL, rows), 50))
    width = len(make.packed(make.GCPL, rows[:1]))
    path = written(tmp_path, whole[:-cut])
    seen = 0
    with pytest.raises(TruncatedSource, match="of 50 records"):
        for batch in batches(path):
            seen += batch.num_rows
    assert seen == 50 - -(-cut // width)


def test_damage_behind_the_records_comes_after_them(tmp_path: Path) -> None:
    rows = make.records(50)
    path = written(
        tmp_path, make.modules(make.settings(), make.data_module(make.GCPL, make.packed(make.GCPL, rows), 50), b"MODULO" + bytes(80))
    )
    seen = 0
    with pytest.raises(CorruptSource, match="expected a module"):
        for batch in batches(path):
            seen += batch.num_rows
    assert seen == 50


def test_result_does_not_depend_on_the_batch_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make.records(50)
    path = written(tmp_path, make.modules(make.settings(), make.data_module(make.GCPL, make.packed(make.GCPL, rows), 50), make.log()))
    whole = pa.Table.from_batches(list(batches(path))).combine_chunks()
    monkeypatch.setattr(biologic_mpr, "BATCH_ROWS", 7)
    small = list(batches(path))
    assert len(small) == 8 and pa.Table.from_batches(small).combine_chunks().equals(whole)


def test_standard_input_is_read_too() -> None:
    path = ROOT / "fixtures" / "formats" / "biologic-mpr" / "gcpl-current-from-charge" / "input.mpr"
    piped, _, _ = read(Source("-", stdin=io.BytesIO(path.read_bytes())))
    assert piped.equals(read(path)[0])


def test_bt_lab_records_the_cell_and_letters_the_channel() -> None:
    path = ROOT / "fixtures" / "formats" / "biologic-mpr" / "modulo-bat-older" / "input.mpr"
    series, test, _ = read(path)
    assert series.schema.field("voltage_volt") is not None and test["channel"] == "D8" and test["software"] == "BT-Lab 1.79"
    names = [
        item.name
        for part in formats.read(Source(str(path)), spec.format_spec("biologic-mpr"))
        if isinstance(part, canon.Table)
        for item in part.schema
    ]
    assert "Ecell/V" in names and "Ewe/V" not in names
    assert test["active_mass_mg"] is None and test["nominal_capacity_ah"] is None, "the defaults of EC-Lab were not entered by anyone"


@pytest.mark.parametrize("stdin", [False, True])
def test_header_beyond_the_first_64_kib(tmp_path: Path, *, stdin: bool) -> None:
    program = [f"ctrl{number:<15}" + "0.000               " * 120 for number in range(60)]
    data = make.text(make.CYCLED, make.records(20), [*make.preamble("Modulo Bat"), *program]).encode()
    assert data.index(b"mode\t") > 100_000
    series, test, codes = read(Source("-", stdin=io.BytesIO(data)) if stdin else written(tmp_path, data))
    assert series.num_rows == 20 and codes == ["F101"] and test["protocol"] == "Modulo Bat"


def test_file_that_ends_before_its_header(tmp_path: Path) -> None:
    data = make.text(make.CYCLED, make.records(20), make.preamble("Modulo Bat"))
    with pytest.raises(TruncatedSource, match="declares 28 header lines and ends after 20"):
        read(written(tmp_path, "\n".join(data.split("\n")[:20])))


def test_any_choice_of_columns_has_a_declared_header(tmp_path: Path) -> None:
    data = make.text(("time/s", "I/mA"), make.records(20), make.preamble("Modulo Bat"))
    series, _, _ = read(written(tmp_path, data))
    assert series.column_names == ["test_time_second", "current_ampere", "local_time"]


def test_points_and_commas_in_one_file(tmp_path: Path) -> None:
    data = "EC-Lab ASCII FILE\nNb header lines : 4\nTechnique : GCPL\nmode\ttime/s\tEwe/V\tI/mA\n1\t0\t3.500\t1,5\n1\t10\t3.490\t-2,0E+1\n"
    series, test, codes = read(written(tmp_path, data))
    assert series.column("current_ampere").to_pylist() == [0.0015, -0.02] and series.column("voltage_volt").to_pylist() == [3.5, 3.49]
    assert test["protocol"] == "GCPL" and not codes


def test_header_short_of_a_name_is_refused(tmp_path: Path) -> None:
    data = make.text(make.SWEPT, make.spectrum(), make.preamble("PEIS")).replace("freq/Hz\t", "", 1)
    with pytest.raises(BdxError, match=r"11 .*12"):
        read(written(tmp_path, data))


def test_facts_of_the_preamble(tmp_path: Path) -> None:
    _, test, _ = read(written(tmp_path, make.text(make.CYCLED, make.records(4), make.preamble("Constant Current")).encode("cp1252")))
    assert {key: test[key] for key in ("channel", "operator", "instrument", "software", "protocol", "comment")} == {
        "channel": "5",
        "operator": "ada",
        "instrument": "BioLogic VMP-300 (SN 0042)",
        "software": "EC-Lab 11.52",
        "protocol": "Constant Current",
        "comment": "BX36-000042 cell 1\n25 °C chamber",
    }
    assert (test["active_mass_mg"], test["nominal_capacity_ah"]) == (17.25, 1.4) and str(
        test["started_local"]
    ) == "2026-03-02 07:30:15.250000"


def test_flags_are_taken_out_of_their_byte() -> None:
    series, _, _ = read(ROOT / "fixtures" / "formats" / "biologic-btlab-csv" / "server-semicolon" / "input.csv")
    rows = make.records()
    assert series.column("extra_ox").to_pylist() == [int(row.values["ox/red"]) for row in rows]
    assert series.column("extra_ns_changes").to_pylist() == [int(row.values["Ns changes"]) for row in rows]
