"""Repairs: each against its cases, taken back again, in batches of any size; told, kept as evidence, and never done unasked."""

import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bdx
from bdx import canon, spec
from bdx.canon import Chunk, Finding, Log
from bdx.cli import run
from bdx.derive.repairs import KEEPING, body
from bdx.errors import UsageError
from bdx.pipeline.checking import validate
from bdx.pipeline.converting import convert
from bdx.pipeline.repairing import Repairs
from bdx.pipeline.repairs import SELF_INVERSE, answering, asked, repairs
from bdx.rules import Checker

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "repairs"
NAMES = list(repairs())


@cache
def cases(kind: str) -> list[Any]:
    return [
        pytest.param(path.stem, case, id=f"{path.stem}: {case['why']}")
        for path in sorted(FOLDER.glob("*.toml"))
        for case in tomllib.loads(path.read_text("utf-8")).get(kind, ())
    ]


def spread(values: Any) -> Iterator[Any]:
    for item in values if isinstance(values, list) else [values]:
        if isinstance(item, dict) and "repeat" in item:
            yield from [item["repeat"]] * item["times"]
        elif isinstance(item, dict):
            yield from ((item["first"] + item["step"] * number) / item.get("over", 1) for number in range(item["times"]))
        else:
            yield None if item == "null" else item


def batch_of(table: str, columns: dict[str, Any]) -> pa.RecordBatch:
    plain: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, values in columns.items():
        home = name.removeprefix("extra_").removesuffix("_as_read")
        array = pa.array(list(spread(values)), canon.field_of(table, home).type)
        if name == home:
            plain[name] = array
        else:
            unit = spec.table(table).column(home).unit
            extra[name] = (array, {"bdx.source_name": home, **({"bdx.unit": unit} if unit else {})})
    return canon.batch(table, plain, extra)


def cut(batch: pa.RecordBatch, marks: Sequence[int]) -> list[pa.RecordBatch]:
    bounds = sorted({0, batch.num_rows, *(mark % (batch.num_rows + 1) for mark in marks)})
    return [batch.slice(start, end - start) for start, end in pairwise(bounds)] or [batch]


def repaired(table: str, batches: Sequence[pa.RecordBatch], *words: str) -> tuple[pa.Table, list[Finding]]:
    log = Log()
    repairs_ = Repairs(words, log, "case", "s1")
    found = [chunk[table] for chunk in repairs_.chunks({table: batch} for batch in batches)]
    return pa.Table.from_batches(found).combine_chunks(), log.findings


def same(one: pa.Table, other: pa.Table) -> bool:
    """Say whether two tables are the same to the last bit and the last word of their schema."""
    if not one.schema.equals(other.schema, check_metadata=True) or one.num_rows != other.num_rows:
        return False
    return all(_bits(a) == _bits(b) for a, b in zip(one.columns, other.columns, strict=True))


def _bits(column: pa.ChunkedArray) -> list[Any]:
    return [None if value is None else value.hex() if isinstance(value, float) else value for value in column.to_pylist()]


def rules_on(chunk: Chunk) -> set[str]:
    log = Log()
    checker = Checker(log, "case")
    checker.watch(chunk)
    checker.finish()
    return {finding.code for finding in log.findings}


# The cases


def test_every_repair_has_a_case() -> None:
    assert {param.values[0] for param in cases("case")} == set(NAMES)


@pytest.mark.parametrize(("name", "case"), cases("case"))
def test_a_case_is_repaired_and_taken_back(name: str, case: dict[str, Any]) -> None:
    table = repairs()[name].table
    before = batch_of(table, case["before"])
    wanted = pa.Table.from_batches([batch_of(table, {**case["before"], **case["after"]})])
    after, findings = repaired(table, [before], name)
    assert after.to_pylist() == wanted.to_pylist()
    assert after.schema.equals(wanted.schema, check_metadata=True)
    single, alike = repaired(table, [before.slice(row, 1) for row in range(before.num_rows)], name)
    assert same(single, after)
    assert alike == findings
    assert {found.code for found in findings} == set(case.get("tells", ())) | ({"M120"} if "M121" not in case.get("tells", ()) else set())
    back, _ = repaired(table, after.to_batches(), f"{name}:undo")
    assert same(back, pa.Table.from_batches([before]))


@pytest.mark.parametrize(("name", "case"), [param for param in cases("case") if "silences" in param.values[1]])
def test_a_repair_silences_the_rule_it_answers(name: str, case: dict[str, Any]) -> None:
    repair = repairs()[name]
    assert set(case["silences"]) <= set(repair.answers)
    before = batch_of(repair.table, case["before"])
    after, _ = repaired(repair.table, [before], name)
    assert rules_on({repair.table: before}) >= set(case["silences"])
    assert not rules_on({repair.table: after.to_batches()[0]}) & set(repair.answers)


@pytest.mark.parametrize(("name", "case"), cases("refused"))
def test_a_repair_that_does_not_fit_is_refused(name: str, case: dict[str, Any]) -> None:
    table = repairs()[name].table
    with pytest.raises(UsageError) as caught:
        repaired(table, [batch_of(table, case["before"])], name)
    assert case["words"] in str(caught.value)
    assert str(caught.value).startswith("case: --repair ")


# The facts


@pytest.mark.parametrize("name", NAMES)
def test_a_repair_names_what_exists(name: str) -> None:
    repair = repairs()[name]
    known = spec.table(repair.table).by_name
    assert repair.columns
    assert set(repair.beside) <= set(known)
    assert set(repair.answers) <= set(spec.rules())
    for code in repair.answers:
        assert name in answering(code)
    for column in repair.columns:
        assert known[column].type in ("float64", "local_timestamp")
        if repair.by == "rescale":
            assert known[column].unit == repair.args["to"], column
    for undo in (False, True):
        assert body(repair.by, repair.columns, repair.beside, repair.args, undo=undo)


def test_unknown_repairs_suggest_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'turn-current'"):
        asked(["turn-curent"])
    with pytest.raises(UsageError, match="expected turn-current or turn-current:undo"):
        asked(["turn-current:und"])
    with pytest.raises(UsageError, match="expected turn-current or"):
        asked(["turn-current:"])
    assert [item.inverse for item in asked(["turn-current", "time-hours", "time-hours:undo"])] == [
        "turn-current",
        "time-hours:undo",
        "time-hours",
    ]


# Repair, then undo: the same table, whatever the batches

NUMBERS = [name for name in NAMES if repairs()[name].by == "rescale"]
MARKS = st.lists(st.integers(0, 60), max_size=6)
WRITTEN = st.builds(lambda digits, places: digits / 10**places, st.integers(-(10**9), 10**9), st.integers(0, 6))
FLOAT32 = st.floats(min_value=float(np.float32(1e-3)), max_value=float(np.float32(1e6)), width=32)
ANY = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e200, max_value=1e200).filter(
    lambda value: value == 0 or abs(value) > 1e-200
)
ODD = st.sampled_from([None, float("nan"), float("inf"), float("-inf"), 0.0, -0.0])


@pytest.mark.parametrize("name", NUMBERS)
@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.one_of(WRITTEN, FLOAT32, ODD), max_size=60), marks=MARKS, others=MARKS)
def test_units_come_back_bit_for_bit(name: str, values: list[float | None], marks: list[int], others: list[int]) -> None:
    repair = repairs()[name]
    before = canon.batch(repair.table, {repair.columns[0]: pa.array(values, pa.float64())})
    if repair.args["from"] in ("K", "degF"):  # a sum with a constant keeps the sign of no zero, and of 32-bit floats only so many bits
        values = [None if value is None else round(value, 3) + 0.0 for value in values if value is None or abs(value) < 1e6]
        before = canon.batch(repair.table, {repair.columns[0]: pa.array(values, pa.float64())})
    whole, _ = repaired(repair.table, [before], name)
    after, _ = repaired(repair.table, cut(before, marks), name)
    back, _ = repaired(repair.table, cut(after.to_batches()[0] if len(after) else before, others), f"{name}:undo")
    assert same(after, whole)
    assert same(back, pa.Table.from_batches([before]))


@pytest.mark.parametrize("name", NUMBERS)
@settings(max_examples=60, deadline=None)
@given(values=st.lists(ANY, min_size=1, max_size=60))
def test_any_float_comes_back_to_one_unit_in_the_last_place(name: str, values: list[float]) -> None:
    repair = repairs()[name]
    column = repair.columns[0]
    after, findings = repaired(repair.table, [canon.batch(repair.table, {column: values})], name)
    back, _ = repaired(repair.table, after.to_batches(), f"{name}:undo")
    again, _ = repaired(repair.table, back.to_batches(), name)
    assert _bits(again[column]) == _bits(after[column])  # what was repaired is repaired alike
    told = [finding.message for finding in findings]
    differing = sum(one != other for one, other in zip(_bits(back[column]), [float(value).hex() for value in values], strict=True))
    differing -= sum(value == 0 and str(value) == "-0.0" for value in values) if repair.args["from"] in ("K", "degF") else 0
    assert bool(differing) == any("to the last bit" in message for message in told)
    assert not differing or f"all but {differing} values to the last bit" in told[0]
    room = 1e-13 if repair.args["from"] in ("K", "degF") else 0.0
    found, wanted = back[column].to_numpy(), np.array(values)
    steps = 3 if repair.args["from"] == "degF" else 1  # three roundings on the way there
    assert (np.abs(found - wanted) <= np.maximum(steps * np.spacing(np.abs(wanted)), room)).all()


@pytest.mark.parametrize("name", [name for name in NAMES if repairs()[name].by in SELF_INVERSE])
@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(ANY, ANY), min_size=1, max_size=40), marks=MARKS)
def test_what_is_its_own_inverse_is(name: str, rows: list[tuple[float, float]], marks: list[int]) -> None:
    repair = repairs()[name]
    columns = [column for column in repair.columns if column.startswith(("charging_cap", "discharging_cap", "current", "power"))]
    before = canon.batch(repair.table, {column: [row[place] + 0.0 for row in rows] for place, column in enumerate(columns)})
    after, _ = repaired(repair.table, cut(before, marks), name)
    assert same(repaired(repair.table, after.to_batches(), name)[0], pa.Table.from_batches([before]))
    assert same(repaired(repair.table, cut(before, marks), name, name)[0], pa.Table.from_batches([before]))


@st.composite
def ticking(draw: st.DrawFn) -> pa.RecordBatch:
    """Some tests whose time restarts and whose clocks jump, with holes."""
    rows = draw(st.integers(1, 60))
    seconds = st.one_of(st.none(), st.floats(0, 1e5), st.sampled_from([0.0, 10.0, 20.0]))
    hours = draw(st.lists(st.sampled_from([0, 0, 0, 0, -3600, 3600]), min_size=rows, max_size=rows))
    time = draw(st.lists(seconds, min_size=rows, max_size=rows))
    clock = [None if value is None else 1.79e9 + value + hour for value, hour in zip(time, np.cumsum(hours).tolist(), strict=True)]
    holes = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
    clock = [None if hole and number % 5 == 0 else value for number, (value, hole) in enumerate(zip(clock, holes, strict=True))]
    counts = st.lists(st.integers(0, 1), min_size=rows, max_size=rows)
    columns: dict[str, Any] = {
        "test_time_second": pa.array(time, pa.float64()),
        "unix_time_second": pa.array(clock, pa.float64()),
        "step_count": np.cumsum(draw(counts)).tolist(),
        "step_id": [None if value else str(value) for value in draw(counts)],
        "local_time": pa.array([None if value is None else round(value * 1e6) for value in clock], pa.timestamp("us")),
    }
    if draw(st.booleans()):
        columns["test_id"] = [f"t{number}" for number in np.cumsum(draw(counts)) // 8]
    return canon.batch("timeseries", columns)


@pytest.mark.parametrize("name", [name for name in NAMES if repairs()[name].by in KEEPING])
@settings(max_examples=80, deadline=None)
@given(before=ticking(), marks=MARKS, others=MARKS)
def test_times_come_back_and_do_not_depend_on_batches(name: str, before: pa.RecordBatch, marks: list[int], others: list[int]) -> None:
    whole, findings = repaired("timeseries", [before], name)
    after, alike = repaired("timeseries", cut(before, marks), name)
    assert same(after, whole)
    assert alike == findings
    back, _ = repaired("timeseries", cut(after.to_batches()[0], others), f"{name}:undo")
    assert same(back, pa.Table.from_batches([before]))


def test_a_value_beyond_floats_is_refused() -> None:
    with pytest.raises(UsageError, match=r"test_time_second is 1e\+306, beyond"):
        repaired("timeseries", [canon.batch("timeseries", {"test_time_second": [1.0, 1e306]})], "time-hours")


def test_repairs_follow_one_another_in_the_order_given() -> None:
    batch = canon.batch("timeseries", {"current_ampere": [1500.0, -3.0]})
    after, findings = repaired("timeseries", [batch], "current-milliampere", "turn-current")
    assert after["current_ampere"].to_pylist() == [-1.5, 0.003]
    assert "--repair turn-current --repair current-milliampere:undo takes it back" in findings[0].message
    assert findings[0].count == 2
    back, _ = repaired("timeseries", after.to_batches(), "turn-current", "current-milliampere:undo")
    assert back["current_ampere"].to_pylist() == [1500.0, -3.0]


# Convert

HEADER = "DataPoint,Cycle Index,Step Index,Step Type,Total Time(s),Current(A),Voltage(V),Date\n"


def neware(path: Path, *, first: int = 1, factor: float = 1000.0) -> Path:
    """Write 200 records of a cycler whose current is `factor` times what it should be."""
    lines = []
    for index in range(first, first + 200):
        number = index - 1
        state, current = ("CC Chg", 2.5) if number % 20 < 10 else ("CC DChg", -2.5)
        clock = f"2026-03-31 {10 + number // 360:02d}:{number // 6 % 60:02d}:{number % 6 * 10:02d}"
        volts = 3.6 + current / 20
        lines.append(f"{index},{1 + number // 20},{1 + number // 10 % 2},{state},{number * 10.0},{current * factor},{volts:.4f},{clock}\n")
    path.write_text(HEADER + "".join(lines))
    return path


def restarting(path: Path) -> Path:
    """Write 200 records under names of the Battery Data Format whose test time starts anew with each step."""
    lines = ["Test Time / s,Cycle Count / 1,Step Count / 1,Current / A,Voltage / V\n"]
    for number in range(200):
        current = 2.5 if number % 20 < 10 else -2.5
        lines.append(f"{number % 10 * 10.0},{1 + number // 40},{1 + number // 10},{current},{3.6 + current / 20:.4f}\n")
    path.write_text("".join(lines))
    return path


def codes(found: Any) -> set[str]:
    return {finding.code for finding in found.findings}


def facts(row: dict[str, Any]) -> dict[str, Any]:
    return json.loads(row["inputs"])  # type: ignore[no-any-return]


def test_rules_on_the_way_and_cycles_see_what_was_repaired(tmp_path: Path) -> None:
    source = neware(tmp_path / "a.csv")
    assert "U001" in codes(convert([source], tmp_path / "wrong.parquet"))
    result = convert([source], tmp_path / "right.parquet", repair=["current-milliampere"])
    assert "U001" not in codes(result)
    told = next(finding for finding in result.findings if finding.code == "M120")
    assert (told.severity, told.count, told.table, told.column) == ("info", 200, "timeseries", "current_ampere")
    wrong, right = (bdx.read(tmp_path / f"{name}.parquet")["cycle"] for name in ("wrong", "right"))
    sizes = [table["discharge_capacity_ah"].to_pylist() for table in (wrong, right)]
    assert sizes[1] == pytest.approx([value / 1000 for value in sizes[0]])
    convert([neware(tmp_path / "true.csv", factor=1.0)], tmp_path / "true.parquet")
    assert pq.read_table(tmp_path / "right.parquet").equals(pq.read_table(tmp_path / "true.parquet"))


def test_nothing_is_repaired_unasked_and_validate_never_does(tmp_path: Path) -> None:
    source = neware(tmp_path / "a.csv")
    convert([source], tmp_path / "a.parquet")
    assert max(pq.read_table(tmp_path / "a.parquet")["current_ampere"].to_pylist()) == 2500.0
    assert "U001" in codes(validate([source]))
    assert "evidence" not in bdx.read(tmp_path / "a.parquet")


@pytest.mark.parametrize("target", ["x.parquet", "x.h5", "x.arrow", "x/"])
def test_every_canonical_form_keeps_the_evidence(target: str, tmp_path: Path) -> None:
    name = f"{tmp_path}/{target}"
    convert([neware(tmp_path / "a.csv")], name, repair=["current-milliampere"])
    (row,) = bdx.read(name)["evidence"].to_pylist()
    assert (row["table"], row["key"], row["column"], row["source_id"]) == ("timeseries", "s1", "current_ampere", "s1")
    assert (row["method"], row["by"], row["locator"]) == ("repaired", "current-milliampere", "rows 0 to 199")
    assert facts(row) == {
        "after": [-2.5, 2.5],
        "before": [-2500.0, 2500.0],
        "from": "mA",
        "rows": 200,
        "to": "A",
        "undo": "--repair current-milliampere:undo",
    }


@pytest.mark.parametrize("target", ["x.parquet", "x.h5", "x.arrow", "x/", "x.csv", "x.jsonl"])
@pytest.mark.parametrize(("name", "make"), [("current-milliampere", neware), ("step-time-restarts", restarting)])
def test_a_file_is_repaired_and_taken_back(target: str, name: str, make: Callable[[Path], Path], tmp_path: Path) -> None:
    source = make(tmp_path / "a.csv")
    plain, there, back = (f"{tmp_path}/{folder}-{target}" for folder in ("plain", "there", "back"))
    convert([source], plain)
    convert([source], there, repair=[name])
    result = convert([there], back, repair=[f"{name}:undo"])
    before, after = bdx.read(plain), bdx.read(back)
    assert after["timeseries"].equals(before["timeseries"])
    assert not bdx.read(there)["timeseries"].equals(before["timeseries"])
    if "cycle" in before:
        assert after["cycle"].equals(before["cycle"])
    if target not in ("x.csv", "x.jsonl"):
        assert "M125" in codes(result)


def test_a_form_that_cannot_hold_evidence_says_so_and_the_report_has_it(tmp_path: Path) -> None:
    source = neware(tmp_path / "a.csv")
    result = convert([source], tmp_path / "a.bdf.csv", repair=["current-milliampere"])
    assert "rows of evidence" in {loss.what for loss in result.losses}
    report = tmp_path / "report.json"
    arguments = ["convert", str(source), "-o", str(tmp_path / "b.csv"), "--repair", "current-milliampere", "--report", str(report), "-q"]
    assert run(arguments) == 0
    (row,) = json.loads(report.read_text())["evidence"]
    assert row["by"] == "current-milliampere"


def test_bdf_parquet_keeps_the_evidence_in_its_footer(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    result = convert([neware(tmp_path / "a.csv")], path, to="bdf-parquet", repair=["current-milliampere"])
    assert "rows of evidence" not in {loss.what for loss in result.losses}
    (row,) = json.loads(pq.ParquetFile(path).metadata.metadata[b"bdx.repairs"])
    assert row["by"] == "current-milliampere"
    assert "bdx.repairs" in bdx.read(path)["test"]["extra"][0].as_py()


def test_repairing_twice_is_named(tmp_path: Path) -> None:
    convert([neware(tmp_path / "a.csv")], tmp_path / "a.parquet", repair=["current-milliampere"])
    again = convert([tmp_path / "a.parquet"], tmp_path / "b.parquet", repair=["current-milliampere"])
    assert "M122" in codes(again)
    assert bdx.read(tmp_path / "b.parquet")["evidence"]["by"].to_pylist() == ["current-milliampere"] * 2
    undone = convert([tmp_path / "b.parquet"], tmp_path / "c.parquet", repair=["current-milliampere:undo"])
    assert "M122" not in codes(undone)


def test_no_destination_appears_where_a_repair_is_refused(tmp_path: Path) -> None:
    source = neware(tmp_path / "a.csv")
    for words, message in (
        (["temperature-kelvin"], r"a\.csv: --repair temperature-kelvin needs timeseries\.\*_celsius; the source does not hold it"),
        (["step-time-restarts:undo"], "needs extra_test_time_second_as_read"),
        (["no-such"], "no repair 'no-such'"),
    ):
        with pytest.raises(UsageError, match=message):
            convert([source], tmp_path / "x.parquet", repair=words)
    with pytest.raises(UsageError, match="no source holds rows of timeseries"):
        convert([FOLDER.parent / "world" / "master.csv"], tmp_path / "x.parquet", repair=["turn-current"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv"]


def test_evidence_goes_by_the_ids_of_the_run(tmp_path: Path) -> None:
    convert([neware(tmp_path / "a.csv")], tmp_path / "a.parquet")
    parts = [neware(tmp_path / "b.csv"), neware(tmp_path / "c.csv", first=201), tmp_path / "a.parquet"]
    convert(parts, tmp_path / "out", to="dataset", repair=["current-milliampere"])
    tables = bdx.read(tmp_path / "out")
    rows = [(row["key"], row["source_id"], row["locator"]) for row in tables["evidence"].to_pylist()]
    assert rows == [("s1", "s1", "rows 0 to 199"), ("s1", "s2", "rows 0 to 199"), ("s3", None, "rows 0 to 199")]
    assert set(tables["timeseries"]["test_id"].to_pylist()) == {"s1", "s3"}
    assert max(tables["timeseries"]["current_ampere"].to_pylist()) == 2.5


def test_a_passport_rests_on_the_repaired_series(tmp_path: Path) -> None:
    sources = [neware(tmp_path / "a.csv"), FOLDER.parent / "world" / "master.csv"]
    result = convert(sources, tmp_path / "p.json", to="idta-02035", repair=["current-milliampere"])
    assert [row["by"] for row in result.evidence if row["method"] == "repaired"] == ["current-milliampere"]
    moved = [row for row in result.evidence if row["column"] == "capacity_throughput_ah" and row["method"] == "measured"]
    assert float(moved[0]["value"]) < 10, "ampere-hours: of milliamperes taken for amperes it would be a thousand times that"


def test_repair_list_and_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", "--repair", "list"]) == 0
    shown = capsys.readouterr().out
    assert all(f"{name}\n" in shown for name in NAMES)
    source = str(neware(tmp_path / "a.csv"))
    assert run(["convert", source, "-o", str(tmp_path / "a.parquet")]) == 0
    assert (
        "hint: repairs for U001: current-milliampere (--repair NAME, or NAME:undo; nothing is repaired unasked)" in capsys.readouterr().err
    )
    assert run(["convert", source, "-o", str(tmp_path / "b.parquet"), "--repair", "current-milliampere"]) == 0
    told = capsys.readouterr().err
    assert "hint:" not in told
    assert "info: M120 " in told and "(200x)" in told


def test_a_repair_that_finds_nothing_is_named(tmp_path: Path) -> None:
    result = convert([neware(tmp_path / "a.csv", factor=1.0)], tmp_path / "a.parquet", repair=["step-time-restarts"])
    assert codes(result) >= {"M121"}
    assert "evidence" not in bdx.read(tmp_path / "a.parquet")
