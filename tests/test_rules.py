"""Every rule against its cases in fixtures/rules, and the promises of the engine."""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bdx import canon, formats, mapping, spec
from bdx.canon import Chunk, Log
from bdx.errors import MappingError, SpecError, UsageError
from bdx.formats.source import Source
from bdx.rules import Checker, chosen, waiting
from bdx.rules.choice import bound_rules
from bdx.rules.examples import tables_of
from bdx.rules.register import bind
from bdx.spec import RuleSpec

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "rules"
CHECKED = sorted(code for code, rule in spec.rules().items() if rule.check and rule.status in ("active", "preview"))


@pytest.fixture(autouse=True, scope="module")
def no_waiting() -> Iterator[None]:
    """Rules look at every batch as it is cut here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "ENOUGH", 1)
        yield


def findings_of(chunks: list[Chunk], select: tuple[str, ...] = ()) -> list[canon.Finding]:
    log = Log()
    checker = Checker(log, "case", select)
    for chunk in chunks:
        checker.watch(chunk)
    checker.finish()
    return log.findings


def cases(kind: str) -> list[Any]:
    found: list[Any] = []
    for path in sorted(FOLDER.glob("*.toml")):
        rows = tomllib.loads(path.read_text("utf-8")).get(kind, [])
        found.extend(pytest.param(path.stem, case, id=f"{path.stem}: {case['why']}") for case in rows)
    return found


@pytest.mark.parametrize(("code", "case"), cases("pass"))
def test_passes(code: str, case: dict[str, Any]) -> None:
    assert findings_of([tables_of(case)], (code,)) == []


@pytest.mark.parametrize(("code", "case"), cases("fail"))
def test_fails(code: str, case: dict[str, Any]) -> None:
    found = findings_of([tables_of(case)], (code,))
    assert [finding.code for finding in found] == [code]
    assert found[0].column == case["column"]
    assert found[0].count == case["count"]
    if "rows" in case:
        assert found[0].examples == case["rows"]
        assert found[0].row == (case["rows"][0] if case["rows"] else None)
    assert "None" not in found[0].message
    assert not re.search(r"\{[a-z_]+\}", found[0].message)


@pytest.mark.parametrize(("code", "case"), cases("fail"))
def test_one_cause_has_one_code(code: str, case: dict[str, Any]) -> None:
    """A fault that one rule names is not named again by another rule for the same column of the same rows."""
    # Pairs that say different things about one number: its size and its contradiction with another.
    known = {("D023", "D027"), ("D027", "D023"), ("E002", "S003"), ("P005", "P008"), ("S003", "U004")}
    found = [f for f in findings_of([tables_of(case)]) if f.severity != "info"]
    mine = [f for f in found if f.code == code]
    doubled = [f.code for f in found for m in mine if f.code != code and (f.table, f.column, f.examples) == (m.table, m.column, m.examples)]
    assert [other for other in doubled if (code, other) not in known] == []


@pytest.mark.parametrize(("code", "case"), cases("fail") + cases("pass"))
def test_a_case_is_judged_alike_in_small_batches(code: str, case: dict[str, Any]) -> None:
    tables = tables_of(case)
    if len(tables) != 1 or not set(tables) <= {"timeseries", "cycle"}:
        pytest.skip("its rows belong together")
    ((name, batch),) = tables.items()
    size = 1 if batch.num_rows < 500 else 77
    parts = [{name: batch.slice(first, size)} for first in range(0, batch.num_rows, size)]
    assert findings_of(parts, (code,)) == findings_of([tables], (code,))


def test_every_checked_rule_has_cases_of_both_kinds() -> None:
    kinds = {kind: {param.values[0] for param in cases(kind)} for kind in ("pass", "fail")}
    assert sorted(kinds["pass"]) == CHECKED
    assert sorted(kinds["fail"]) == CHECKED


@pytest.mark.parametrize("rule", spec.rules().values(), ids=str)
def test_every_rule_says_what_why_and_whence(rule: RuleSpec) -> None:
    for text in (rule.what, rule.why, rule.source, rule.message, rule.since):
        assert text.strip() == text
        assert text
    assert not rule.check or rule in [bound.rule for bound in bound_rules()]


def test_a_checked_rule_shares_its_name_with_no_other() -> None:
    names = [rule.name for rule in spec.rules().values()]
    assert [code for code in CHECKED if names.count(spec.rules()[code].name) > 1] == []


# --- the engine


def timeseries(**columns: list[Any]) -> pa.RecordBatch:
    return canon.batch("timeseries", columns)


def noisy_test(rows: int, seed: int) -> pa.RecordBatch:
    """A test with a bit of everything wrong in it."""
    random = np.random.default_rng(seed)
    time = np.cumsum(random.choice([1.0, 1.0, 1.0, 0.0, -3.0, 900.0], rows))
    current = np.repeat(random.choice([1.0, -1.0, 0.0, 3000.0], rows // 4 + 1), 4)[:rows]
    voltage = np.round(3.6 + random.normal(0, 0.2, rows), 2)
    voltage[random.random(rows) < 0.05] = math.nan
    step = np.cumsum(random.random(rows) < 0.2)
    tests = ["a" if row < rows // 2 else "b" for row in range(rows)]
    current[random.random(rows) < 0.02] = random.choice([math.inf, -math.inf, 1.7e308, math.nan])
    counter = np.where(random.random(rows) < 0.03, 0.0, np.cumsum(random.random(rows)))
    with np.errstate(all="ignore"):
        power = voltage * current * 1000
    return timeseries(
        test_id=tests,
        record_index=np.cumsum(random.choice([1, 1, 1, 2], rows)).tolist(),
        test_time_second=[None if random.random() < 0.03 else float(value) for value in time],
        unix_time_second=(1.7e9 + 60 * time).tolist(),
        step_count=(step - (random.random(rows) < 0.03)).tolist(),
        step_type=[("CC_Chg", "CC_DChg", "Rest")[number % 3] for number in step],
        cycle_count=(step // 6).tolist(),
        voltage_volt=voltage.tolist(),
        current_ampere=current.tolist(),
        power_watt=power.tolist(),
        charging_capacity_ah=counter.tolist(),
        ambient_temperature_celsius=random.choice([25.0, 26.0, 1372.0], rows).tolist(),
        **more_noise(random, rows, time, counter),
        **(spectrum(random, rows) if seed % 3 == 0 else {}),
    )


def more_noise(random: np.random.Generator, rows: int, time: Any, counter: Any) -> dict[str, list[Any]]:
    """Columns that few instruments write, as wrong as the others."""
    steps = np.arange(rows) % 7
    return {
        "step_time_second": (time % 50).tolist(),
        "local_time": [datetime(2026, 3, 1) + timedelta(seconds=float(random.choice([60, 61]) * second)) for second in time // 8],
        "step_id": [str(number) for number in (np.arange(rows) // 6 % 4)],
        "step_record_index": steps.tolist(),
        "charging_energy_wh": (counter * 3.6).tolist(),
        "step_charging_capacity_ah": counter.tolist(),
        "step_discharging_capacity_ah": (counter[::-1] * random.choice([1.0, 1000.0])).tolist(),
        "step_cumulative_capacity_ah": (counter + counter[::-1]).tolist(),
        "cycle_charging_capacity_ah": (counter % 3).tolist(),
        "temperature_t1_celsius": random.choice([25.0, 100.0], rows).tolist(),
        "internal_resistance_ohm": random.choice([0.02, -1.0, 500.0], rows).tolist(),
    }


def spectrum(random: np.random.Generator, rows: int) -> dict[str, list[Any]]:
    """An impedance in every row; test time and voltage may then be missing."""
    sweep = np.where(random.random(rows) < 0.1, 0.0, 10.0 ** (4 - np.arange(rows) % 9 / 2))
    real, imaginary = random.normal(0.02, 0.02, rows), random.normal(0.0, 0.02, rows)
    return {
        "frequency_hertz": sweep.tolist(),
        "real_impedance_ohm": real.tolist(),
        "imaginary_impedance_ohm": imaginary.tolist(),
        "absolute_impedance_ohm": np.hypot(real, imaginary).tolist(),
        "phase_degree": np.arctan2(imaginary, real).tolist(),
    }


def cut(batch: pa.RecordBatch, marks: list[int]) -> list[Chunk]:
    edges = [0, *sorted({mark % (batch.num_rows + 1) for mark in marks}), batch.num_rows]
    return [{"timeseries": batch.slice(a, b - a)} for a, b in itertools.pairwise(edges)]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 120), marks=st.lists(st.integers(0, 200), max_size=12))
def test_findings_do_not_depend_on_the_batch_size(seed: int, rows: int, marks: list[int]) -> None:
    batch = noisy_test(rows, seed)
    whole = findings_of([{"timeseries": batch}])
    assert findings_of(cut(batch, marks)) == whole
    assert findings_of(cut(batch, list(range(rows)))) == whole


def test_the_noisy_test_trips_the_rules_it_should() -> None:
    found = {finding.code for finding in findings_of([{"timeseries": noisy_test(2000, 1)}])}
    assert {"S001", "S005", "T001", "T002", "T007", "U001", "U003", "E001", "E002", "E005", "E006", "E008"} <= found
    assert "E007" not in found, "U001 names the cause"


@settings(max_examples=40, deadline=None)
@given(keys=st.lists(st.integers(0, 30), min_size=1, max_size=60), marks=st.lists(st.integers(0, 60), max_size=6))
def test_repeated_keys_do_not_depend_on_the_batch_size(keys: list[int], marks: list[int]) -> None:
    batch = canon.batch("battery", {"battery_key": [f"k{key}" for key in keys]})
    chunks = [{"battery": part["timeseries"]} for part in cut(batch, marks)]
    found = findings_of(chunks, ("D030",))
    assert sum(finding.count for finding in found) == len(keys) - len(set(keys))
    assert found == findings_of([{"battery": batch}], ("D030",))


def test_checked_counts_values_whatever_the_batches() -> None:
    batch = noisy_test(100, 3)
    counts = []
    for chunks in ([{"timeseries": batch}], cut(batch, [10, 20, 90])):
        checker = Checker(Log(), "case")
        for chunk in chunks:
            checker.watch(chunk)
        checker.finish()
        counts.append(checker.checked)
    assert counts[0] == counts[1] > 100
    assert checker.rules_run > 15


def test_nothing_watched_is_nothing_checked() -> None:
    checker = Checker(Log(), "case")
    checker.watch({})
    checker.finish()
    assert (checker.checked, checker.rules_run) == (0, 0)


def test_findings_count_all_and_show_five_with_place_and_locator() -> None:
    rows = [{"step_run_id": f"SR-{n}", "step_code": "mixing", "tz_basis": "unknown", "locator": f"line {n + 2}"} for n in range(9)]
    found = findings_of(
        [{"process_step": canon.from_rows("process_step", rows[:4])}, {"process_step": canon.from_rows("process_step", rows[4:])}]
    )
    zone = next(finding for finding in found if finding.code == "P009")
    assert (zone.count, zone.examples, zone.row, zone.locator, zone.source) == (9, [0, 1, 2, 3, 4], 0, "line 2", "case")
    assert "SR-0" in zone.message


def test_a_child_row_is_found_where_its_battery_stands() -> None:
    chunk = {
        "battery": canon.from_rows("battery", [{"battery_key": "1", "locator": "line 1"}, {"battery_key": "2", "locator": "line 2"}]),
        "material": canon.from_rows("material", [{"battery_key": "2", "identifier": "7439-93-3", "identifier_type": "CAS"}]),
    }
    assert [(f.code, f.locator) for f in findings_of([chunk])] == [("D021", "line 2")]


def test_extra_columns_and_unknown_tables_are_passed_over() -> None:
    batch = canon.batch("timeseries", {"voltage_volt": [3.6]}, {"extra_charging_capacity_ah": (pa.array([math.nan]), {})})
    assert findings_of([{"timeseries": batch, "elsewhere": batch}], ("S005", "E002")) == []


def test_columns_of_another_type_are_converted_or_refused() -> None:
    narrow = pa.RecordBatch.from_pydict({"voltage_volt": pa.array([3.6, 9e9], pa.float32())})
    assert [f.code for f in findings_of([{"timeseries": narrow}], ("U002",))] == ["U002"]
    wrong = pa.RecordBatch.from_pydict({"voltage_volt": ["three"]})
    with pytest.raises(MappingError, match=r"timeseries\.voltage_volt is string, expected double"):
        findings_of([{"timeseries": wrong}])


# --- choosing


def test_codes_are_chosen_by_prefix() -> None:
    every = chosen()
    assert {"T001", "E002"} <= every
    assert chosen(("T",)) == {code for code in every if code.startswith("T")}
    assert chosen(("T", "E002"), ("T0",)) == {"E002"}


@pytest.mark.parametrize(("select", "ignore"), [(("T999",), ()), ((), ("Q",)), (("",), ()), (("t001",), ())])
def test_unknown_codes_are_refused(select: tuple[str, ...], ignore: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        Checker(Log(), "case", select, ignore)


def test_an_unknown_code_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'T0[01]1'"):
        chosen(("T0011",))


# --- rules as data


def rule(**change: Any) -> RuleSpec:
    facts: dict[str, Any] = {
        "code": "X001",
        "name": "x",
        "severity": "error",
        "message": "x",
        "what": "x",
        "why": "x",
        "source": "x",
        "since": "0.1",
        "check": "beyond",
        "table": "timeseries",
        "column": "voltage_volt",
        "args": {"limit": 5.0},
    }
    facts.update(change)
    facts["args"] = MappingProxyType(facts["args"])
    return RuleSpec(**facts)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"check": "beyonds"}, "X001: no check 'beyonds'.*did you mean 'beyond'"),
        ({"args": {"limits": 5.0}}, "X001: check beyond has no argument 'limits'.*did you mean 'limit'"),
        ({"args": {}}, "X001: check beyond needs argument 'limit'"),
        ({"args": {"limit": "5"}}, "X001: argument 'limit' is '5', expected float"),
        ({"args": {"limit": True}}, "X001: argument 'limit' is True, expected float"),
        ({"column": ""}, "X001: check beyond needs a table and a column"),
        ({"args": {"limit": 5.0, "skip": "x"}}, "X001: unless is a column name"),
        ({"check": "exceeds", "args": {}}, "X001: check exceeds needs argument 'limit'"),
        ({"check": "exceeds", "args": {"limit": "volts"}}, "table timeseries has no column 'volts'"),
        ({"check": "exceeds", "args": {"limit": 7}}, "X001: argument 'limit' is 7, expected a column name"),
        ({"check": "one_of", "args": {"values": ("a", 1)}}, "X001: argument 'values' is"),
    ],
)
def test_a_rule_that_does_not_fit_its_check_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        bind(rule(**change))


def test_an_integer_may_stand_for_a_float() -> None:
    assert bind(rule(args={"limit": 5})).literals == {"limit": 5.0}


# --- real files, where present

SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "samples" / "instrument"
CLEAN = ["neware_ndax/nw4-120-6-1-36.ndax", "neware_ndax/navani_test.ndax", "neware_ndax/test_2.ndax", "neware_csv/neware_uio.csv"]
real = pytest.mark.skipif(not SAMPLES.exists(), reason="no real files here")


def read_real(name: str) -> list[Chunk]:
    log = Log()
    source = Source(str(SAMPLES / name), log)
    facts = formats.detect(source)
    context = mapping.Context(source=name, source_id="s1", log=log, model=facts.full_id)
    return list(mapping.to_canonical(formats.read(source, facts), facts, context))


def spoilt(chunks: list[Chunk], name: str, factor: float) -> list[Chunk]:
    found = []
    for chunk in (chunk for chunk in chunks if "timeseries" in chunk):
        batch = chunk["timeseries"]
        place = batch.schema.get_field_index(name)
        batch = batch.set_column(place, batch.schema.field(place), pc.multiply(batch.column(place), factor))
        found.append({**chunk, "timeseries": batch})
    return found


@real
@pytest.mark.parametrize("name", CLEAN)
def test_clean_real_tests_raise_no_alarm(name: str) -> None:
    assert findings_of(read_real(name)) == []


@real
@pytest.mark.parametrize("name", [CLEAN[0], CLEAN[1], CLEAN[3]])
@pytest.mark.parametrize(
    ("column_name", "factor", "code"),
    [
        ("test_time_second", 1 / 60, "U003"),
        ("current_ampere", 1000.0, "U006"),
        ("current_ampere", -1.0, "E001"),
        ("voltage_volt", 1000.0, "U002"),
    ],
)
def test_spoilt_real_tests_do(name: str, column_name: str, factor: float, code: str) -> None:
    assert code in {finding.code for finding in findings_of(spoilt(read_real(name), column_name, factor))}
