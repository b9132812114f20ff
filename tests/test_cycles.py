"""Cycles from a time series: counters and integrals agree, batches do not matter."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bdx import canon
from bdx.derive.cycles import Cycles
from bdx.derive.pieces import BLOCK_ROWS
from bdx.pipeline.reading import ReadOptions, chunks, open_source

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT.parent / "shared" / "samples" / "instrument" / "neware_ndax"
with_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the sample files are not here")


def series(**columns: Any) -> pa.RecordBatch:
    return canon.batch("timeseries", {name: pa.array(values) for name, values in columns.items()})


def fold(*batches: pa.RecordBatch) -> list[dict[str, Any]]:
    cycles = Cycles()
    for batch in batches:
        cycles.watch(batch)
    result = cycles.finish("s1")
    return [] if result is None else result.to_pylist()  # type: ignore[no-any-return]


def timeseries(path: Path) -> list[pa.RecordBatch]:
    options = ReadOptions()
    return [chunk["timeseries"] for chunk in chunks(open_source(str(path), 1, options), options) if "timeseries" in chunk]


def without_counters(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.select([name for name in batch.schema.names if not name.endswith(("_ah", "_wh"))])


def hour_at(ampere: float, volt: float, cycle: int, step: int, start: float) -> dict[str, list[Any]]:
    """Return one hour in steps of a minute at constant current and voltage."""
    times = [start + 60.0 * minute for minute in range(61)]
    return {
        "test_time_second": times,
        "cycle_count": [cycle] * 61,
        "step_count": [step] * 61,
        "voltage_volt": [volt] * 61,
        "current_ampere": [ampere] * 61,
    }


def join(*parts: dict[str, list[Any]]) -> pa.RecordBatch:
    return series(**{name: [value for part in parts for value in part[name]] for name in parts[0]})


def test_integral_of_constant_current() -> None:
    row = fold(join(hour_at(2.0, 4.0, 1, 1, 0.0), hour_at(-1.5, 3.0, 1, 2, 3600.0)))[0]
    assert row["charge_capacity_ah"] == pytest.approx(2.0, rel=1e-12)
    assert row["discharge_capacity_ah"] == pytest.approx(1.5, rel=1e-12)
    assert row["charge_energy_wh"] == pytest.approx(8.0, rel=1e-12)
    assert row["discharge_energy_wh"] == pytest.approx(4.5, rel=1e-12)
    assert row["coulombic_efficiency_percent"] == pytest.approx(75.0)
    assert row["energy_efficiency_percent"] == pytest.approx(56.25)
    assert (row["mean_charge_voltage_v"], row["mean_discharge_voltage_v"]) == (pytest.approx(4.0), pytest.approx(3.0))
    assert (row["records"], row["start_time_s"], row["end_time_s"]) == (122, 0.0, 7200.0)
    assert (row["min_current_a"], row["max_current_a"], row["min_voltage_v"], row["max_voltage_v"]) == (-1.5, 2.0, 3.0, 4.0)
    assert (row["basis"], row["direction_changes"]) == ("integral", 1)


def test_the_trapezoid_of_a_ramp_is_exact() -> None:
    seconds = np.arange(0.0, 3601.0, 7.2)
    row = fold(series(test_time_second=seconds, cycle_count=np.ones(len(seconds), np.int64), current_ampere=seconds / 3600.0))[0]
    assert row["charge_capacity_ah"] == pytest.approx(0.5, rel=1e-12)
    assert row["charge_energy_wh"] is None and row["discharge_capacity_ah"] == 0.0


def test_a_jump_between_steps_is_no_ramp() -> None:
    """The first record of a step that comes a minute late counts its own current, not the mean with the rest before."""
    rest = hour_at(0.0, 3.7, 1, 1, 0.0)
    late = {name: values[1:] for name, values in hour_at(1.0, 3.7, 1, 2, 3600.0).items()}
    assert fold(join(rest, late))[0]["charge_capacity_ah"] == pytest.approx(1.0, rel=1e-12)


def test_time_that_runs_backwards_adds_nothing() -> None:
    first, again = hour_at(1.0, 3.7, 1, 1, 0.0), hour_at(1.0, 3.7, 1, 1, 1800.0)
    assert fold(join(first, again))[0]["charge_capacity_ah"] == pytest.approx(2.0, rel=1e-12)


def test_counters_add_up_over_steps_and_outrank_the_integral() -> None:
    """Two charges of 1 Ah in one cycle are 2 Ah; a discharge counter may be written negative."""
    count = [i / 60 for i in range(61)]
    zero, down = [0.0] * 61, [-value * 0.9 for value in count]
    parts = [
        hour_at(1.0, 4.0, 7, 1, 0.0) | {"step_charging_capacity_ah": count, "step_discharging_capacity_ah": zero},
        hour_at(1.0, 4.0, 7, 2, 3600.0) | {"step_charging_capacity_ah": count, "step_discharging_capacity_ah": zero},
        hour_at(-5.0, 3.0, 7, 3, 7200.0) | {"step_charging_capacity_ah": zero, "step_discharging_capacity_ah": down},
    ]
    for part in parts:
        part["step_charging_energy_wh"] = [4.0 * value for value in part["step_charging_capacity_ah"]]
        part["step_discharging_energy_wh"] = [3.0 * value for value in part["step_discharging_capacity_ah"]]
    row = fold(join(*parts))[0]
    assert (row["cycle_count"], row["basis"]) == (7, "counter")
    assert row["charge_capacity_ah"] == pytest.approx(2.0) and row["discharge_capacity_ah"] == pytest.approx(0.9)
    assert row["charge_energy_wh"] == pytest.approx(8.0) and row["discharge_energy_wh"] == pytest.approx(2.7)


def test_step_counters_without_step_numbers_are_told_by_their_restart() -> None:
    times = np.arange(0.0, 6 * 3600.0, 60.0)
    count = np.tile(np.arange(60) / 59.0, 6)
    charge, discharge = np.where(np.arange(360) // 60 % 2, 0.0, count), np.where(np.arange(360) // 60 % 2, count, 0.0)
    whole = series(
        test_time_second=times,
        cycle_count=(np.arange(360) // 120 + 1),
        current_ampere=np.where(np.arange(360) // 60 % 2, -1.0, 1.0),
        voltage_volt=np.full(360, 3.7),
        step_charging_capacity_ah=charge,
        step_discharging_capacity_ah=discharge,
        step_charging_energy_wh=charge,
        step_discharging_energy_wh=discharge,
    )
    rows = fold(whole)
    assert [(row["charge_capacity_ah"], row["discharge_capacity_ah"]) for row in rows] == [(1.0, 1.0)] * 3
    assert {row["basis"] for row in rows} == {"counter"}


def test_cycle_counters_serve_where_there_are_no_step_counters() -> None:
    parts = [hour_at(1.0, 4.0, 1, 1, 0.0), hour_at(-1.0, 3.0, 1, 2, 3600.0), hour_at(1.0, 4.0, 2, 3, 7200.0)]
    up = [i / 60 for i in range(61)]
    for part, charge, discharge in zip(parts, (up, [1.0] * 61, up), ([0.0] * 61, up, [0.0] * 61), strict=True):
        for kind, values in (("charging", charge), ("discharging", discharge)):
            part[f"cycle_{kind}_capacity_ah"] = values
            part[f"cycle_{kind}_energy_wh"] = values
    rows = fold(join(*parts))
    assert [(row["charge_capacity_ah"], row["discharge_capacity_ah"], row["basis"]) for row in rows] == [
        (1.0, 1.0, "counter"),
        (1.0, 0.0, "counter"),
    ]


PAUSED = hour_at(2.0, 4.0, 1, 1, 0.0), hour_at(-1.0, 3.0, 1, 2, 90_000.0)
"""An hour of charge, almost a day of which no record was kept, an hour of discharge: by current alone the day discharged, too."""


@pytest.mark.parametrize(
    "counters",
    [
        {"schedule_charging_capacity_ah": (0.0, 2.0, 2.0, 2.0), "schedule_discharging_capacity_ah": (0.0, 0.0, 0.0, 1.0)},
        {"charging_capacity_ah": (5.0, 7.0, 7.0, 7.0), "discharging_capacity_ah": (9.0, 9.0, 9.0, 10.0)},
        {"net_capacity_ah": (-1.0, 1.0, 1.0, 0.0)},
        {"cumulative_capacity_ah": (3.0, 5.0, 5.0, 6.0)},
        {"step_cumulative_capacity_ah": (0.0, 2.0, 0.0, 1.0)},
        {"cycle_charging_capacity_ah": (0.0, 2.0, 2.0, 2.0), "cycle_discharging_capacity_ah": (0.0, 0.0, 0.0, 1.0)},
    ],
)
def test_other_counters_hold_over_a_pause_where_an_integral_does_not(counters: dict[str, tuple[float, ...]]) -> None:
    held = [dict(part) for part in PAUSED]
    for name, (first, last, next_first, next_last) in counters.items():
        for part, ends in zip(held, ((first, last), (next_first, next_last)), strict=True):
            part[name] = np.linspace(*ends, 61).tolist()
    row = fold(join(*held))[0]
    assert row["basis"] == "counter"
    assert row["charge_capacity_ah"] == pytest.approx(2.0) and row["discharge_capacity_ah"] == pytest.approx(1.0)
    assert row["charge_energy_wh"] == pytest.approx(8.0) and row["discharge_energy_wh"] == pytest.approx(3.0)
    assert fold(join(*PAUSED))[0]["discharge_capacity_ah"] > 20


def test_counters_that_begin_anew_waver_or_have_gaps() -> None:
    """A schedule that sets its counter back, the last digits at rest, and records without a value."""
    values = [0.0, 1.0, 0.2, 1.0, 0.999999, 1.0, None, 1.5, 1.2, 1.3]
    part = {"test_time_second": list(range(10)), "cycle_count": [1] * 10, "current_ampere": [1.0] * 10, "voltage_volt": [4.0] * 10}
    row = fold(series(**part, schedule_charging_capacity_ah=values, schedule_discharging_capacity_ah=[0.0] * 10))[0]
    assert row["charge_capacity_ah"] == pytest.approx(1.0 + 0.2 + 0.8 + 0.5 + 0.1)


def test_counters_that_stand_at_zero_while_current_flows_are_not_kept() -> None:
    zeros = {"schedule_charging_capacity_ah": [0.0] * 61, "schedule_discharging_capacity_ah": [0.0] * 61}
    row = fold(join(hour_at(2.0, 4.0, 1, 1, 0.0) | zeros))[0]
    assert row["charge_capacity_ah"] == pytest.approx(2.0) and row["basis"] == "integral"


def test_energy_goes_the_way_of_the_charge_below_zero_volt() -> None:
    row = fold(join(hour_at(2.0, -0.1, 1, 1, 0.0), hour_at(-1.0, -0.2, 1, 2, 3600.0)))[0]
    assert row["charge_energy_wh"] == pytest.approx(0.2) and row["discharge_energy_wh"] == pytest.approx(0.2)
    assert row["mean_charge_voltage_v"] is None and row["energy_efficiency_percent"] is None, "they have no meaning there"


def test_cycles_keep_their_numbers_and_order() -> None:
    rows = fold(join(hour_at(1.0, 4.0, 12, 1, 0.0), hour_at(-1.0, 3.0, 3, 2, 3600.0), hour_at(1.0, 4.0, 12, 3, 7200.0)))
    assert [(row["cycle_count"], row["records"]) for row in rows] == [(12, 122), (3, 61)]


def test_rows_without_a_cycle_number_are_left_out() -> None:
    part = hour_at(1.0, 4.0, 1, 1, 0.0)
    part["cycle_count"] = [None] * 31 + [1] * 30
    assert fold(join(part))[0]["records"] == 30


def test_no_cycle_numbers_no_cycles() -> None:
    part = hour_at(1.0, 4.0, 1, 1, 0.0)
    del part["cycle_count"]
    assert Cycles().finish("s1") is None
    assert fold(series(**part)) == []


def test_noise_at_rest_turns_nothing() -> None:
    dice = np.random.default_rng(3)
    parts = [hour_at(0.0, 3.7, 1, n, 3600.0 * n) for n in range(4)]
    for part, ampere in zip(parts, (0.0, 1.0, 0.0, -1.0), strict=True):
        part["current_ampere"] = (ampere + dice.normal(0.0, 1e-6, 61)).tolist()
    assert fold(join(*parts))[0]["direction_changes"] == 1


def long_series(rows: int) -> pa.RecordBatch:
    """Return noisy cycles with gaps, time that steps back, counters and a temperature, over more than two blocks."""
    dice = np.random.default_rng(11)
    step = np.cumsum(dice.random(rows) < 0.002)
    current = np.where(step % 3 == 0, 1.0, np.where(step % 3 == 1, -1.1, 0.0)) + dice.normal(0, 1e-3, rows)
    time = np.cumsum(dice.random(rows) + np.where(dice.random(rows) < 1e-4, -50.0, 0.0))
    start = np.maximum.accumulate(np.where(np.append(True, np.diff(step) > 0), np.arange(rows), 0))
    count = (np.arange(rows) - start) / 3600.0
    holes = dice.random(rows) < 0.01
    return series(
        test_time_second=time,
        cycle_count=pa.array(step // 3 + 4, mask=dice.random(rows) < 0.001),
        step_count=step,
        voltage_volt=pa.array(3.7 + 0.3 * current, mask=holes),
        current_ampere=current,
        step_charging_capacity_ah=np.where(step % 3 == 0, count, 0.0),
        step_discharging_capacity_ah=np.where(step % 3 == 1, count * 1.1, 0.0),
        step_charging_energy_wh=np.where(step % 3 == 0, 4 * count, 0.0),
        step_discharging_energy_wh=np.where(step % 3 == 1, 3.3 * count, 0.0),
        temperature_t1_celsius=pa.array(20 + dice.random(rows), mask=holes),
    )


@pytest.mark.parametrize("counters", ["step_", "", "none"])
def test_the_result_is_the_same_for_any_batches(counters: str) -> None:
    whole = long_series(2 * BLOCK_ROWS + 12_345)
    if counters == "none":
        whole = without_counters(whole)
    elif not counters:
        whole = whole.rename_columns([name.replace("step_charging", "charging").replace("step_dis", "dis") for name in whole.schema.names])
    expected = fold(whole)
    assert len(expected) > 50 and {row["basis"] for row in expected} == {"integral" if counters == "none" else "counter"}
    dice = random.Random(5)
    for largest in (777, 40_000, BLOCK_ROWS, 100_000):
        batches, start = [], 0
        while start < whole.num_rows:
            batches.append(whole.slice(start, dice.randrange(1, largest)))
            start += batches[-1].num_rows
        assert fold(*batches) == expected


def test_counters_and_integral_of_the_world_agree() -> None:
    batches = timeseries(ROOT / "fixtures" / "world" / "cycler.ndax")
    counted, integrated = fold(*batches), fold(*map(without_counters, batches))
    assert [row["cycle_count"] for row in counted] == [1, 2, 3]
    for a, b in zip(counted, integrated, strict=True):
        assert (a["basis"], b["basis"]) == ("counter", "integral")
        for name in ("charge_capacity_ah", "discharge_capacity_ah", "charge_energy_wh", "discharge_energy_wh"):
            assert b[name] == pytest.approx(a[name], rel=2e-3), name


@with_samples
@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("BTS85-36-6-5-110-20240424", 1e-3),
        ("nw4-120-6-1-36", 1e-3),
        ("navani_test", 4e-3),  # sampled every 30 s only
        ("TESTCELL0001-Test_Data_Collection_Ndc17", 1e-3),
        ("46_1_5_60_bts16", 1e-3),
    ],
)
def test_counters_and_integral_of_real_files_agree(name: str, tolerance: float) -> None:
    batches = timeseries(SAMPLES / f"{name}.ndax")
    counted, integrated = fold(*batches), fold(*map(without_counters, batches))
    assert counted and len(counted) == len(integrated)
    for key in ("charge_capacity_ah", "discharge_capacity_ah", "charge_energy_wh", "discharge_energy_wh"):
        a, b = (np.array([row[key] for row in rows]) for rows in (counted, integrated))
        assert (np.abs(a - b) <= tolerance * a.max()).all(), (key, np.abs(a - b).max() / a.max())
