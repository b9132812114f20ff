"""Several sources of one test, damaged sources, and what the user has to say where a file does not."""

from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from bdx.errors import CorruptSource, MappingError, TruncatedSource
from bdx.pipeline.checking import validate
from bdx.pipeline.converting import convert

HEADER = "DataPoint,Cycle Index,Step Index,Step Type,Time,Total Time,Current(A),Voltage(V),Date\n"


def neware(path: Path, first: int, count: int = 30, *, start: float | None = None, day: str = "2026-03-31", cycle: int = 1) -> Path:
    """Write `count` records a second apart, numbered from `first`; time starts at `start` or goes on."""
    lines = []
    for index in range(first, first + count):
        time = index - first + start if start is not None else float(index)
        state, current = ("CC Chg", 1.0) if index % 20 < 10 else ("CC DChg", -1.0)
        clock = f"{day} 10:{index // 60:02d}:{index % 60:02d}"
        lines.append(f"{index},{cycle},1,{state},0,{time},{current},{3.6 + current / 20},{clock}\n")
    path.write_text(HEADER.replace("Total Time", "Total Time(s)") + "".join(lines))
    return path


def codes(result: object) -> dict[str, int]:
    return {finding.code: finding.count for finding in result.findings}  # type: ignore[attr-defined]


def test_a_source_that_goes_on_is_the_same_test(tmp_path: Path) -> None:
    parts = [neware(tmp_path / "a.csv", 1), neware(tmp_path / "b.csv", 31), neware(tmp_path / "c.csv", 500)]
    result = convert(parts, tmp_path / "out", to="dataset")
    tables = {path.stem: ds.dataset(path).to_table() for path in (tmp_path / "out").glob("*.parquet")}
    assert tables["timeseries"].column("test_id").to_pylist() == ["s1"] * 60 + ["s3"] * 30
    assert tables["test"].column("test_id").to_pylist() == ["s1", "s3"]
    cycles = tables["cycle"].select(["test_id", "cycle_count", "records"]).to_pylist()
    assert cycles == [{"test_id": "s1", "cycle_count": 1, "records": 60}, {"test_id": "s3", "cycle_count": 1, "records": 30}]
    seam = next(finding for finding in result.findings if finding.code == "F008")
    assert "record 31 after 30" in seam.message
    assert any("continued" in loss.what for loss in result.losses)


def test_tests_that_only_look_alike_stay_apart(tmp_path: Path) -> None:
    parts = [neware(tmp_path / "a.csv", 1, start=0.0), neware(tmp_path / "b.csv", 31, start=0.0)]
    convert(parts, tmp_path / "x.parquet")
    assert pa.compute.unique(pq.read_table(tmp_path / "x.parquet").column("test_id")).to_pylist() == ["s1", "s2"]


def test_join_moves_time_by_the_wall_clock_and_says_so(tmp_path: Path) -> None:
    parts = [neware(tmp_path / "a.csv", 1, start=0.0), neware(tmp_path / "b.csv", 41, start=0.0)]
    result = convert(parts, tmp_path / "x.parquet", join_tests=True)
    times = pq.read_table(tmp_path / "x.parquet").column("test_time_second").to_pylist()
    assert times == [float(value) for value in [*range(30), *range(40, 70)]]
    assert codes(result)["F009"] == 1


def test_join_in_the_wrong_order_is_refused(tmp_path: Path) -> None:
    parts = [neware(tmp_path / "b.csv", 41, start=0.0), neware(tmp_path / "a.csv", 1, start=0.0)]
    with pytest.raises(MappingError, match="give the sources in their order"):
        convert(parts, tmp_path / "x.parquet", join_tests=True)
    assert not (tmp_path / "x.parquet").exists()


def test_join_without_a_clock_is_refused(tmp_path: Path) -> None:
    parts = []
    for name in "ab":
        path = neware(tmp_path / f"{name}.csv", 1, start=0.0)
        path.write_text("\n".join(line.rpartition(",")[0] for line in path.read_text().splitlines()) + "\n")
        parts.append(path)
    with pytest.raises(MappingError, match="no wall clock"):
        convert(parts, tmp_path / "x.parquet", join_tests=True)


def damaged(path: Path) -> Path:
    """Write an Arrow stream whose second half is cut off."""
    table = pa.table({"test_time_second": [float(index) for index in range(2000)], "voltage_volt": [3.6] * 2000})
    table = table.replace_schema_metadata({"bdx.table": "timeseries"})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    return path


def test_whole_records_are_kept_only_on_request(tmp_path: Path) -> None:
    source = damaged(tmp_path / "x.arrow")
    with pytest.raises((CorruptSource, TruncatedSource)):
        convert([source], tmp_path / "x.parquet")
    assert not (tmp_path / "x.parquet").exists()
    result = convert([source], tmp_path / "x.parquet", keep_going=True)
    kept = pq.read_metadata(tmp_path / "x.parquet").num_rows
    assert 0 < kept < 2000
    found = next(finding for finding in result.findings if finding.code == "F007")
    assert (found.count, found.severity) == (kept, "error")


def unsigned(path: Path) -> Path:
    """Write a table whose current is positive while it charges and while it discharges."""
    rows = [(0, 3.50, 0), (1, 3.60, 1), (2, 3.62, 1), (3, 3.55, 0), (4, 3.40, 1), (5, 3.38, 1), (6, 3.45, 0)]
    path.write_text("Time [s],Voltage [V],Current [A]\n" + "".join(f"{t},{v},{i}\n" for t, v, i in rows))
    return path


def test_an_unproven_sign_is_refused_until_the_user_says_it(tmp_path: Path) -> None:
    source = unsigned(tmp_path / "x.csv")
    with pytest.raises(MappingError, match="--current-sign"):
        convert([source], tmp_path / "x.parquet")
    assert not (tmp_path / "x.parquet").exists()
    assert "M020" in codes(validate([source]))
    convert([source], tmp_path / "x.parquet", current_sign="discharge-positive")
    assert min(pq.read_table(tmp_path / "x.parquet").column("current_ampere").to_pylist()) == -1.0
    assert "M020" not in codes(validate([source], current_sign="charge-positive"))


@pytest.mark.parametrize("factor", [1.0, 1000.0, 1 / 60, 1 / 3600])
def test_the_wall_clock_checks_the_unit_of_test_time(factor: float, tmp_path: Path) -> None:
    lines = [f"{n},1,1,CC Chg,0,{n * 10 * factor},1.0,3.6,2026-03-31 10:{n // 6:02d}:{n % 6 * 10:02d}\n" for n in range(1, 40)]
    source = tmp_path / "x.csv"
    source.write_text(HEADER.replace("Total Time", "Total Time(s)") + "".join(lines))
    times = [n * 10 * factor for n in range(1, 40)]
    result = convert([source], tmp_path / "x.parquet")
    assert ("U003" in codes(result)) == ("U003" in codes(validate([source]))) == (factor != 1.0)
    assert pq.read_table(tmp_path / "x.parquet").column("test_time_second").to_pylist() == pytest.approx(times), "nothing is rebuilt"


def test_canonical_sources_keep_their_tests_apart(tmp_path: Path) -> None:
    """Two files of one test each name it alike, or not at all; their records must not run together."""
    for name, to in (("a", "parquet"), ("b", "dataset")):
        convert([neware(tmp_path / f"{name}.csv", 1)], tmp_path / name, to=to)
    neware(tmp_path / "c.csv", 31)
    convert([tmp_path / "a", tmp_path / "b", tmp_path / "c.csv"], tmp_path / "abc", to="dataset")
    convert([tmp_path / "abc", tmp_path / "a"], tmp_path / "again", to="dataset")
    for name, ids in (("abc", ["s1", "s2", "s3"]), ("again", ["s1", "s1.s2", "s1.s3", "s2"])):
        tables = {path.stem: ds.dataset(path).to_table() for path in (tmp_path / name).glob("*.parquet")}
        assert set(tables) - {"resistance"} == {"cycle", "source", "step", "test", "timeseries"}
        assert tables["timeseries"].column("test_id").to_pylist() == [name for name in ids for _ in range(30)]
        for table, column in (("test", "test_id"), ("test", "source_id"), ("cycle", "test_id"), ("source", "source_id")):
            assert sorted(tables[table].column(column).to_pylist()) == ids, (table, column)


def test_join_refuses_a_source_of_several_tests(tmp_path: Path) -> None:
    several = Path(__file__).parents[1] / "fixtures/formats/arbin-res/stored-out-of-order/input.res"
    with pytest.raises(MappingError, match="holds several tests of its own"):
        convert([neware(tmp_path / "a.csv", 1), several], tmp_path / "x.parquet", join_tests=True)
    assert not (tmp_path / "x.parquet").exists()
