"""Text of potentiostats and impedance analysers beyond what the fixtures show: names of headers, refusals, real files where they are."""

import csv
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bdx import formats
from bdx.errors import CorruptSource, MappingError, SourceError, TruncatedSource, UnsupportedVersion
from bdx.formats.spectra_head import cell_of
from bdx.pipeline.reading import ReadOptions, chunks, open_source

ROOT = Path(__file__).resolve().parents[2] / "shared"
SAMPLES = ROOT / "samples"
LIST = ROOT / "research/instrument_samples.tsv"
FOLDERS = {
    "gamry": "gamry",
    "zplot": "zplot",
    "ivium": "ivium",
    "autolab": "autolab",
    "chi": "chi",
    "parstat": "parstat",
    "powersuite": "powersuite",
    "versastudio": "versastudio",
    "camlab": "camlab",
    "i2b": "i2b",
    "eis_csv": "eis-csv",
}


def read(path: Path) -> tuple[dict[str, pa.Table], Any]:
    opened = open_source(str(path), 1, ReadOptions())
    found: dict[str, list[pa.RecordBatch]] = {}
    for chunk in chunks(opened, ReadOptions()):
        for name, batch in chunk.items():
            found.setdefault(name, []).append(batch)
    return {name: pa.Table.from_batches(batches) for name, batches in found.items()}, opened


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "input"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("written", "role", "unit", "negated"),
    [
        ("f", "Frequency", "", False),
        ("Frequency (Hz)", "Frequency", "Hz", False),
        ("freq/Hz", "Frequency", "Hz", False),
        ("frequency_Hz", "Frequency", "Hz", False),
        ("Z'", "Zre", "", False),
        ("Z\u2032 / \u03a9", "Zre", "\u03a9", False),
        ("Z'(a)", "Zre", "", False),
        ("Re(Z)/Ohm", "Zre", "Ohm", False),
        ("Re(Z)", "Zre", "", False),
        ("Z_real_ohm", "Zre", "ohm", False),
        ("Z''", "Zim", "", False),
        ('Z"/ohm', "Zim", "ohm", False),
        ("-Z''", "Zim", "", True),
        ("\u2212Z\u2033 (\u03a9)", "Zim", "\u03a9", True),
        ("-Im(Z)/Ohm", "Zim", "Ohm", True),
        ("- Imag", "Zim", "", True),
        ("|Z| (Ohm)", "Zmod", "Ohm", False),
        ("-Phase (\u00b0)", "Phase", "\u00b0", True),
        ("Current (A)", "Current", "A", False),
        ("-Z'", "-Z'", "", False),
        ("Zinc (mg)", "Zinc", "mg", False),
    ],
)
def test_header_cell_says_role_unit_and_sign(written: str, role: str, unit: str, negated: bool) -> None:
    cell = cell_of(written)
    assert (cell.role, cell.unit, cell.negated) == (role, unit, negated)


def test_a_table_of_something_else_is_no_spectrum(tmp_path: Path) -> None:
    path = write(tmp_path, "f,Z,name\n1,2,x\n3,4,y\n")
    with pytest.raises(SourceError):
        formats.detect(formats.Source(str(path)))


def test_unit_that_is_none_of_impedance_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, "Frequency (Hz),Z' (ohm.cm2),Z'' (ohm.cm2)\n10,1,-1\n1,2,-1\n")
    with pytest.raises(MappingError, match=r"ohm\.cm2"):
        read(path)


GAMRY = "EXPLAIN\nTAG\tCV\nDATE\tLABEL\t{date}\tDate\nTIME\tLABEL\t07:30:00\tTime\n{more}"
CURVE = "{name}\tTABLE\n\tPt\tT\tVf\tIm\n\t#\ts\tV vs. Ref.\tA\n{rows}"


def gamry(date: str = "3/4/2026", more: str = "", starts: tuple[int, ...] = (0,)) -> str:
    curves = [
        CURVE.format(name=f"CURVE{number}", rows="".join(f"\t{place}\t{start + place}\t3.6\t1.0\n" for place in range(3)))
        for number, start in enumerate(starts, 1)
    ]
    return GAMRY.format(date=date, more=more) + "".join(curves)


def test_gamry_clock_that_starts_anew_counts_within_the_curve(tmp_path: Path) -> None:
    running, _ = read(write(tmp_path, gamry(starts=(0, 3, 6))))
    assert running["timeseries"].column("test_time_second").to_pylist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    anew, _ = read(write(tmp_path, gamry(starts=(0, 0, 0))))
    assert "test_time_second" not in anew["timeseries"].column_names
    assert anew["timeseries"].column("step_time_second").to_pylist() == [0, 1, 2] * 3
    assert anew["timeseries"].column("step_id").unique().to_pylist() == ["CURVE1", "CURVE2", "CURVE3"]


@pytest.mark.parametrize(
    ("date", "more", "start"),
    [
        ("3/14/2026", "", "2026-03-14 07:30:00"),
        ("14/3/2026", "", "2026-03-14 07:30:00"),
        ("4.3.2026", "", "2026-03-04 07:30:00"),
        ("2026-03-04", "", "2026-03-04 07:30:00"),
        ("4/4/2026", "", "2026-04-04 07:30:00"),
        ("3/4/2026", "", None),
        ("3/4/2026", "DCCALDATE\tLABEL\t8/19/2025\tDC\n", "2026-03-04 07:30:00"),
        ("3-4-2026", "DCCALDATE\tLABEL\t8/19/2025\tDC\n", None),
        ("today", "", None),
    ],
)
def test_gamry_start_is_read_where_its_order_is_certain(tmp_path: Path, date: str, more: str, start: str | None) -> None:
    tables, _ = read(write(tmp_path, gamry(date, more)))
    found = tables["test"].column("started_local")[0].as_py()
    assert (None if found is None else str(found)) == start


def test_gamry_without_a_curve(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no table of a curve"):
        read(write(tmp_path, GAMRY.format(date="3/4/2026", more="")))


def test_gamry_table_that_is_no_curve_is_reported(tmp_path: Path) -> None:
    text = gamry() + "EVENTS\tTABLE\n\tPt\tWhat\n\t#\t\n\t0\tstart\n"
    tables, opened = read(write(tmp_path, text))
    assert tables["timeseries"].num_rows == 3
    assert [loss.what for loss in opened.log.losses] == ["table EVENTS"]


def test_gamry_is_the_same_in_any_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, gamry(starts=(0, 3)))
    whole, _ = read(path)
    monkeypatch.setattr("bdx.formats.curves._CHUNK", 7)
    pieces, _ = read(path)
    assert pieces["timeseries"].equals(whole["timeseries"])


def ivium(method: str, rows: int, declared: int) -> str:
    lines = [f"Method={method}", "Technique=Standard", "Title=x", "Mconfig=0", "primary_data    ", "3", str(declared)]
    return "\r\n".join([*lines, *["1.0E0  -2.0E0 3.0E0 "] * rows, ""])


def test_ivium_method_whose_columns_are_not_known(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedVersion, match="CyclicVoltammetry"):
        read(write(tmp_path, ivium("CyclicVoltammetry", 3, 3)))


def test_rows_before_the_cut_come_first(tmp_path: Path) -> None:
    opened = open_source(str(write(tmp_path, ivium("Impedance", 5, 9))), 1, ReadOptions())
    rows = 0
    with pytest.raises(TruncatedSource, match="4 rows before the 9"):
        for chunk in chunks(opened, ReadOptions()):
            rows += chunk["timeseries"].num_rows if "timeseries" in chunk else 0
    assert rows == 5


def test_fra_file_of_another_version_or_cut(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedVersion, match=r"VERSION9\.0"):
        read(write(tmp_path, "VERSION9.0\n1\n0\n" + "1\n" * 9))
    with pytest.raises(TruncatedSource, match="1 points before the 2"):
        read(write(tmp_path, "VERSION8.0\n2\n0\n" + "1\n" * 12))
    with pytest.raises(CorruptSource, match="is no number"):
        read(write(tmp_path, "VERSION8.0\n1\n0\n1\n2\nx\n"))


def samples() -> list[Any]:
    if not LIST.exists():
        return []
    with LIST.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [pytest.param(row, id=row["dest"]) for row in rows if row["dest"].split("/")[2:3] and row["dest"].split("/")[2] in FOLDERS]


@pytest.mark.skipif(not SAMPLES.exists(), reason="no real files here")
@pytest.mark.parametrize("row", samples())
def test_real_file_reads_as_listed(row: dict[str, str]) -> None:
    path = ROOT / row["dest"]
    tables, opened = read(path)
    table = tables["timeseries"]
    assert opened.format.id == FOLDERS[path.parent.name]
    if path.name == "data.idf":
        # The longest block of numbers there is a wave form; the primary data are 29 points.
        assert (table.num_rows, table["frequency_hertz"][0].as_py(), table["imaginary_impedance_ohm"][28].as_py()) == (
            29,
            10000.0,
            -90.6181,
        )
        return
    if path.parent.name == "gamry":
        assert table.num_rows == sum(map(int, re.findall(r"found (\d+)", row["expected"])))
        return
    listed = re.search(r"block (\d+) rows .*? first \[(.*?)\] last \[(.*?)\]", row["expected"])
    assert listed is not None
    assert table.num_rows == int(listed.group(1))
    for place, text in ((0, listed.group(2)), (-1, listed.group(3))):
        # Long lines are listed cut. Zeros may mean that there is no value; the column of -Z'' is negated.
        cells = re.split(r"[,;\s]+", text.strip())[: -1 if len(text) > 100 else None]
        wanted = [abs(float(cell)) for cell in cells if float(cell)]
        assert len(wanted) >= 3
        seen = [abs(value) for value in table.slice(place % table.num_rows, 1).to_pylist()[0].values() if isinstance(value, (int, float))]
        for number in wanted:
            assert any(value == pytest.approx(number, rel=1e-9) for value in seen), number
