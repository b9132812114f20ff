"""Steps from a time series: cut at program steps and directions, judged by what they hold constant, the same for any batches."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import bdx
from bdx import canon
from bdx.derive.cycles import Cycles
from bdx.derive.pieces import BLOCK_ROWS
from bdx.pipeline.converting import convert

ROOT = Path(__file__).resolve().parents[1]


def series(**columns: Any) -> pa.RecordBatch:
    return canon.batch("timeseries", {name: pa.array(values) for name, values in columns.items()})


def fold(*batches: pa.RecordBatch, nominal: float | None = None, first_row: int = 1) -> list[dict[str, Any]]:
    cycles = Cycles(steps=True, first_row=first_row)
    for batch in batches:
        cycles.watch(batch)
    cycles.finish("s1")
    found = cycles.steps("s1", nominal)
    return [] if found is None else found.to_pylist()


def charged_and_discharged(*, numbered: bool) -> pa.RecordBatch:
    """A rest, a charge at 2 A and then at 4.2 V, a rest, a discharge at 1 A and one at 3 W."""
    parts: list[tuple[np.ndarray, np.ndarray, int]] = []
    minutes = np.arange(61) / 60.0
    parts.append((np.zeros(61), np.full(61, 3.5), 1))
    parts.append((np.full(61, 2.0), 3.6 + 0.6 * minutes, 2))
    parts.append((2.0 * np.exp(-3.0 * minutes[1:]), np.full(60, 4.2), 2))
    parts.append((np.zeros(61), np.full(61, 4.18), 3))
    parts.append((np.full(61, -1.0), 4.1 - 0.9 * minutes, 4))
    volts = 3.2 - 0.6 * minutes
    parts.append((-3.0 / volts, volts, 5))
    current, voltage = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    numbers = np.concatenate([np.full(len(part[0]), part[2]) for part in parts])
    columns = {"test_time_second": np.arange(len(current)) * 60.0, "voltage_volt": voltage, "current_ampere": current}
    columns |= {"step_count": numbers} if numbered else {}
    return series(**columns, temperature_t1_celsius=np.linspace(20, 30, len(current)), temperature_t2_celsius=np.full(len(current), 22.0))


def test_steps_of_a_program() -> None:
    rows = fold(charged_and_discharged(numbered=True), nominal=2.0)
    assert [(row["kind"], row["control"]) for row in rows] == [
        ("rest", "none"),
        ("charge", "cccv"),
        ("rest", "none"),
        ("discharge", "cc"),
        ("discharge", "cp"),
    ]
    assert [row["step_number"] for row in rows] == [1, 2, 3, 4, 5]
    assert [(row["first_row"], row["last_row"]) for row in rows] == [(1, 61), (62, 182), (183, 243), (244, 304), (305, 365)]
    discharge = rows[3]
    assert discharge["capacity_ah"] == pytest.approx(61 / 60) and discharge["mean_current_a"] == pytest.approx(-1.0)
    assert discharge["energy_wh"] == pytest.approx(4.1 / 60 + 3.65)
    assert (discharge["start_voltage_v"], discharge["end_voltage_v"]) == (pytest.approx(4.1), pytest.approx(3.2))
    assert discharge["c_rate"] == pytest.approx(0.5) and discharge["duration_s"] == 3600.0
    assert rows[0]["min_temperature_c"] == pytest.approx(20.0) and rows[0]["max_temperature_c"] == 22.0
    assert rows[4]["max_temperature_c"] == pytest.approx(30.0)


def test_without_step_numbers_the_direction_of_current_parts_steps() -> None:
    rows = fold(charged_and_discharged(numbered=False))
    assert [row["kind"] for row in rows] == ["rest", "charge", "rest", "discharge"]
    assert rows[3]["control"] == "other", "two programs in one"


def test_a_charge_at_constant_voltage_alone() -> None:
    minutes = np.arange(121) / 60.0
    row = fold(series(test_time_second=minutes * 3600, voltage_volt=np.full(121, 4.2), current_ampere=2 * np.exp(-2 * minutes)))[0]
    assert (row["kind"], row["control"]) == ("charge", "cv") and row["end_current_a"] == pytest.approx(2 * np.exp(-4))


def test_noise_at_rest_is_rest_even_before_any_current_flows() -> None:
    dice = np.random.default_rng(3)
    noise = dice.normal(0, 1e-4, 500)
    current = np.concatenate([noise, np.full(500, -2.0), noise])
    rows = fold(series(test_time_second=np.arange(1500.0), voltage_volt=np.full(1500, 3.7), current_ampere=current))
    assert [(row["kind"], row["first_row"], row["last_row"]) for row in rows] == [
        ("rest", 1, 500),
        ("discharge", 501, 1000),
        ("rest", 1001, 1500),
    ]


def test_a_step_without_current_is_none_and_records_without_time_have_no_means() -> None:
    assert fold(series(test_time_second=[0.0, 1.0], voltage_volt=[3.0, 3.0])) == []
    row = fold(series(voltage_volt=[3.0, 3.1], current_ampere=[1.0, 1.0]))[0]
    assert (row["kind"], row["capacity_ah"], row["mean_current_a"], row["control"]) == ("charge", None, None, None)


def test_time_before_a_step_is_no_time_of_its_current() -> None:
    """A device that logs nothing between steps: the step time of the first record says that its current had just begun."""
    times = [0.0, 60.0, 4000.0, 4060.0]
    facts = {"test_time_second": times, "voltage_volt": [3.7] * 4, "current_ampere": [0.0, 0.0, 1.0, 1.0], "step_count": [1, 1, 2, 2]}
    assert fold(series(**facts, step_time_second=[0.0, 60.0, 0.0, 60.0]))[1]["capacity_ah"] == pytest.approx(60 / 3600)
    assert fold(series(**facts))[1]["capacity_ah"] == pytest.approx(4000 / 3600)


@pytest.mark.parametrize("scope", ["step_", "", "none"])
def test_the_result_is_the_same_for_any_batches(scope: str) -> None:
    dice = np.random.default_rng(11)
    rows = 2 * BLOCK_ROWS + 4321
    place = np.arange(rows)
    step = place // 997
    current = np.select([step % 3 == 0, step % 3 == 1], [2.0, -2.0 * (1 + (place % 997) / 997)], 0.0) + dice.normal(0, 1e-4, rows)
    count = np.abs(current) * (place % 997) / 3600
    counters = {
        f"{scope}charging_capacity_ah": np.where(current > 1, count, 0.0),
        f"{scope}discharging_capacity_ah": np.where(current < -1, count, 0),
    }
    whole = series(
        test_time_second=place * 1.0,
        cycle_count=step // 3,
        step_id=[str(number % 3) for number in step.tolist()],
        current_ampere=current,
        voltage_volt=3.7 + 0.1 * np.sin(place / 500),
        temperature_t1_celsius=pa.array(20 + dice.random(rows), mask=dice.random(rows) < 0.01),
        **({} if scope == "none" else counters),
    )
    expected = fold(whole)
    assert len(expected) == step[-1] + 1 and {row["step_id"] for row in expected} == {0, 1, 2}
    chance = random.Random(5)
    for largest in (777, BLOCK_ROWS, 100_000):
        batches, start = [], 0
        while start < rows:
            batches.append(whole.slice(start, chance.randrange(1, largest)))
            start += batches[-1].num_rows
        assert fold(*batches) == expected


def test_rows_of_cycles_and_steps_lead_back_to_the_series(tmp_path: Path) -> None:
    convert([ROOT / "fixtures/world/cycler.ndax"], tmp_path / "ds", to="dataset")
    tables = bdx.read(tmp_path / "ds")
    current = tables["timeseries"]["current_ampere"].to_numpy()
    volts = tables["timeseries"]["voltage_volt"].to_numpy()
    steps = tables["step"].to_pylist()
    assert steps[0]["first_row"] == 1 and steps[-1]["last_row"] == len(current)
    for row in steps:
        run = slice(row["first_row"] - 1, row["last_row"])
        assert volts[run][-1] == row["end_voltage_v"] and current[run][-1] == row["end_current_a"]
        assert {"charge": (current[run] > 0).all(), "discharge": (current[run] < 0).all(), "rest": (current[run] == 0).all()}[row["kind"]]
    for row in tables["cycle"].to_pylist():
        numbers = tables["timeseries"]["cycle_count"].to_numpy()[row["first_row"] - 1 : row["last_row"]]
        assert set(numbers) == {row["cycle_count"]} and len(numbers) == row["records"]


def test_steps_are_not_made_where_nobody_holds_them(tmp_path: Path) -> None:
    result = convert([ROOT / "fixtures/world/cycler.ndax"], tmp_path / "a.parquet")
    assert "step" not in result.rows
    assert convert([ROOT / "fixtures/world/cycler.ndax"], tmp_path / "s.csv", table="step").rows["step"] == 15


def test_sources_that_are_one_test_have_its_steps_once(tmp_path: Path) -> None:
    head = "Test Time / s,Cycle Count / 1,Voltage / V,Current / A,Unix Time / s"
    parts = []
    for number in range(2):
        lines = [f"{60 * k},{number + 1},3.7,{1.0 if k < 30 else -1.0},{1e9 + 3600 * number + 60 * k:.0f}" for k in range(60)]
        parts.append(tmp_path / f"{number}.bdf.csv")
        parts[-1].write_text("\n".join([head, *lines]) + "\n", "utf-8")
    convert(parts, tmp_path / "ds", to="dataset", join_tests=True)
    rows = bdx.read(tmp_path / "ds")["step"].to_pylist()
    assert [(row["test_id"], row["step_number"], row["first_row"], row["last_row"]) for row in rows] == [
        ("s1", 1, 1, 30),
        ("s1", 2, 31, 60),
        ("s1", 3, 61, 90),
        ("s1", 4, 91, 120),
    ]


def test_steps_of_a_repaired_series_are_made_anew(tmp_path: Path) -> None:
    lines = ["Test Time / s,Cycle Count / 1,Voltage / V,Current / A", *(f"{60 * k},1,3.7,2000.0" for k in range(61))]
    (tmp_path / "a.bdf.csv").write_text("\n".join(lines) + "\n", "utf-8")
    convert([tmp_path / "a.bdf.csv"], tmp_path / "wrong", to="dataset")
    convert([tmp_path / "wrong"], tmp_path / "right", to="dataset", repair=["current-milliampere"])
    (before,), (after,) = (bdx.read(tmp_path / name)["step"].to_pylist() for name in ("wrong", "right"))
    assert before["capacity_ah"] == pytest.approx(2000.0) and after["capacity_ah"] == pytest.approx(2.0)
