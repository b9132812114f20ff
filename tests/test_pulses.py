"""Internal resistance from pulses, spectra and what instruments state: planted values are found, all else is refused with a reason."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import generator

from bdx import canon, spec
from bdx.derive import performance
from bdx.derive.impedance import Spectra
from bdx.derive.pieces import BLOCK_ROWS
from bdx.derive.pulses import METHODS, Resistances
from bdx.derive.pulses_rest import losses
from bdx.derive.tested import Refused, Value
from bdx.derive.tested import Tested as Tables
from bdx.pipeline.reading import ReadOptions, chunks, open_source

CASE = Path(__file__).resolve().parents[1] / "fixtures/formats/bdf-csv/pulses/input.csv"
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/instrument"
Arrays = dict[str, np.ndarray[Any, Any]]


@cache
def measured() -> dict[str, pa.Table]:
    """Return the tables of the fixture: a cell new and aged, pulses near 80, 50 and 20 %."""
    options = ReadOptions(steps=True)
    found: dict[str, list[pa.RecordBatch]] = {}
    for chunk in chunks(open_source(str(CASE), 1, options), options):
        for name, batch in chunk.items():
            found.setdefault(name, []).append(batch)
    return {name: pa.Table.from_batches(batches) for name, batches in found.items()}


def fold(columns: Arrays, rows: int = 1000) -> tuple[list[dict[str, Any]], list[Refused]]:
    """Return the rows of `resistance` and the remarks, of columns cut to batches."""
    resistances = Resistances()
    count = len(next(iter(columns.values())))
    for start in range(0, count, rows):
        resistances.watch(canon.batch("timeseries", {name: pa.array(values[start : start + rows]) for name, values in columns.items()}))
    found = resistances.finish("t1")
    return (found.to_pylist() if found is not None else []), resistances.refused


def pulsed(ohm: float, *, every: float = 0.1, noise: float = 0.0, digits: int = 9, ampere: float = -5.0, steps: bool = True) -> Arrays:
    """Return a series with five pulses of 35 s after rests of 60 s, over a resistance and nothing else."""
    length = round(95 / every)
    time = np.arange(5 * length) * every
    place = np.arange(5 * length) % length
    on = place > round(60 / every)
    current = np.where(on, ampere, 0.0)
    voltage = 3.7 + ohm * current + np.random.default_rng(7).normal(0.0, noise, len(time))
    columns = {"test_time_second": time, "voltage_volt": np.round(voltage, digits), "current_ampere": current}
    return columns | ({"step_count": (np.cumsum(np.abs(np.diff(on, prepend=False))) + 1).astype(np.int64)} if steps else {})


def codes(refused: list[Refused]) -> dict[str, str]:
    return {item.code: item.why for item in refused}


@settings(max_examples=30, deadline=None)
@given(
    ohm=st.floats(0.002, 2.0),
    ampere=st.sampled_from([-50.0, -5.0, -0.5, 3.0]),
    signal=st.floats(250.0, 5000.0),
    rows=st.integers(3, 3000),
    every=st.sampled_from([0.05, 0.1, 0.5, 1.0]),
)
def test_planted_resistance_is_found(ohm: float, ampere: float, signal: float, rows: int, every: float) -> None:
    """A known resistance under known noise is found within 2 % at every instant, however the records are cut to batches."""
    step = abs(ohm * ampere)
    found, _ = fold(pulsed(ohm, every=every, noise=step / signal, digits=12, ampere=ampere), rows)
    assert {row["pulse_s"] for row in found} >= {2.0, 10.0, 18.0, 30.0}
    assert len(found) in (20, 25)
    assert {row["first_row"] for row in found} == {k * round(95 / every) + round(60 / every) + 1 for k in range(5)}
    assert np.allclose([row["resistance_ohm"] for row in found], ohm, rtol=0.02)


@settings(max_examples=12, deadline=None)
@given(rows=st.integers(1, 1500))
def test_batches_do_not_matter(rows: int) -> None:
    series = {name: column.to_numpy() for name, column in _series().items()}
    assert fold(series, rows) == fold(series, len(series["voltage_volt"]))


def _series() -> dict[str, pa.ChunkedArray]:
    table = measured()["timeseries"]
    names = (
        "test_time_second",
        "voltage_volt",
        "current_ampere",
        "step_count",
        "cycle_count",
        "step_time_second",
        "temperature_t1_celsius",
    )
    return {name: table.column(name) for name in names}


@pytest.mark.parametrize("shift", range(-12, 13, 3))
def test_pulse_across_a_block(shift: int) -> None:
    """A pulse that begins at the end of a block, or goes on over it, is measured as any other."""
    alone = pulsed(0.03)
    lead = BLOCK_ROWS - 600 + shift
    joined = {name: np.concatenate([np.full(lead, values[0]), values]) for name, values in alone.items() if name != "test_time_second"}
    joined["test_time_second"] = np.arange(len(joined["voltage_volt"])) * 0.1
    found, _ = fold(joined, 5000)
    assert [(row["first_row"] - lead, row["last_row"] - lead, row["pulse_s"]) for row in found] == [
        (row["first_row"], row["last_row"], row["pulse_s"]) for row in fold(alone)[0]
    ]
    assert np.allclose([row["resistance_ohm"] for row in found], 0.03)


def test_end_of_file_ends_a_pulse() -> None:
    cut = {name: values[: 600 + 100] for name, values in pulsed(0.03).items()}  # 9.9 s of pulse
    assert [row["pulse_s"] for row in fold(cut)[0]] == [0.1, 2.0, 10.0]


def test_current_that_rises_over_records() -> None:
    """Records on the way from one current to the other are neither before nor in the pulse."""
    series = pulsed(0.03, every=0.01)
    first = int(np.flatnonzero(series["current_ampere"])[0])
    series["current_ampere"][first : first + 2] = (-1.5, -4.0)
    series["voltage_volt"][first : first + 2] = (3.69, 3.66)
    rows = [row for row in fold(series)[0] if row["first_row"] == first]
    assert [row["pulse_s"] for row in rows] == [0.1, 2.0, 10.0, 18.0, 30.0]
    assert np.allclose([row["resistance_ohm"] for row in rows], 0.03)


def test_state_of_charge_against_the_planted() -> None:
    rows = [row for row in measured()["resistance"].to_pylist() if row["pulse_s"] == 10.0 and row["current_a"] < 0]
    made = generator("pulses")
    usable = measured()["cycle"].to_pylist()[0]["discharge_capacity_ah"]
    assert usable < made.CAPACITY_AH
    # 20, 50 and 80 % of the nominal charge are taken out before the three pulses, and a percent or so by each of these.
    moved = (0.2, 0.5 + (18 * 2 - 10 * 1.5) / 3600, 0.8 + 2 * (18 * 2 - 10 * 1.5) / 3600)
    expected = [100.0 - share * made.CAPACITY_AH / usable * 100.0 for share in moved]
    assert [row["state_of_charge_percent"] for row in rows[:3]] == pytest.approx(expected, abs=0.5)


def test_instants_against_the_planted_cell() -> None:
    """Voltage of the invented cell is known at any instant: its resistance, its slow part, and what the charge moves."""
    made = generator("pulses")
    cell = made.Cell()
    for row in measured()["resistance"].to_pylist():
        aged = 1.15 if row["cycle_count"] == 4 else 1.0
        slow = cell.slow_ohm * (1 - np.exp(-row["pulse_s"] / cell.slow_s))
        moved = made.RISE_V * row["pulse_s"] / 3600 / made.CAPACITY_AH
        assert row["resistance_ohm"] == pytest.approx(aged * (cell.ohm + slow) + moved, rel=0.005), row


def test_passport_attributes() -> None:
    found = performance.attributes(measured(), {"nominal_voltage_v": 36.0})
    values = {value.column: value for value in found.values}
    assert values["initial_internal_resistance_cell_ohm"].value == pytest.approx(0.02834, rel=0.01)
    assert values["present_internal_resistance_cell_ohm"].value == pytest.approx(0.0324, rel=0.01)
    assert values["internal_resistance_increase_cell_percent"].value == pytest.approx(14.4, abs=0.4)
    evidence = values["initial_internal_resistance_cell_ohm"]
    assert "10 s after a discharge of 5 A began at 47.5 % state of charge, 25 degC" in evidence.inputs
    assert evidence.rows == "timeseries[244:264]"
    assert evidence.version == "1"
    assert values["resistance_test_temperature_c"].value == 25.0
    assert found.refused["initial_internal_resistance_pack_ohm"].code == "M164"
    assert found.refused["original_power_w_at_80_soc"].code == "M164", "the power of a cell is not that of its pack"


def test_power_of_the_battery_itself() -> None:
    found = {
        value.column: value.value for value in performance.attributes(measured(), {"nominal_voltage_v": 3.6, "min_voltage_v": 3.0}).values
    }
    rows = [row for row in measured()["resistance"].to_pylist() if row["pulse_s"] == 10.0 and row["current_a"] < 0]
    powers = [3.0 * (row["voltage_before_v"] - 3.0) / row["resistance_ohm"] for row in rows]
    assert found["original_power_w_at_80_soc"] == pytest.approx(powers[0], rel=1e-5)
    assert found["original_power_w_at_20_soc"] == pytest.approx(powers[2], rel=1e-5)
    assert found["remaining_power_w"] == pytest.approx(powers[3], rel=1e-5)
    assert found["power_fade_percent"] == pytest.approx((1 - powers[3] / powers[0]) * 100, rel=1e-4)
    assert found["remaining_power_at_soc_percent"] == pytest.approx(79.13, abs=0.05)


@pytest.mark.parametrize(
    ("said", "items", "expected"),
    [
        ({}, [], "M164"),
        ({"nominal_voltage_v": 3.6}, [], "pack"),
        ({"nominal_voltage_v": 36.0}, [], "cell"),
        ({"nominal_voltage_v": 5.0}, [], "M164"),
        ({}, [{"item_id": "X1", "item_kind": "module"}], "module"),
        ({"nominal_voltage_v": 3.6}, [{"item_id": "X1", "item_kind": "cell"}], "cell"),
        ({}, [{"item_id": "X2", "item_kind": "cell"}], "M164"),
    ],
)
def test_cell_or_pack(said: dict[str, Any], items: list[dict[str, Any]], expected: str) -> None:
    tables = dict(measured()) | {
        "test": canon.from_rows("test", [{"test_id": "s1", "item_id": "X1"}]),
        "item": canon.from_rows("item", items),
    }
    for kind in ("cell", "module", "pack"):
        result = METHODS[f"pulse_resistance_{kind}"](Tables(tables, said))
        if kind == expected:
            assert isinstance(result, Value)
        else:
            assert isinstance(result, Refused)
            assert result.code == "M164"


def _with(**changes: Any) -> Tables:
    rows = [row | {name: change(row) for name, change in changes.items()} for row in measured()["resistance"].to_pylist()]
    return Tables(dict(measured()) | {"resistance": canon.from_rows("resistance", rows)}, {"nominal_voltage_v": 3.6, "min_voltage_v": 3.0})


def test_refusals_of_methods() -> None:
    """Without state of charge, at another one, with no second cycle or another temperature, the values are refused, and told why."""
    unknown = METHODS["pulse_resistance_pack"](_with(state_of_charge_percent=lambda row: None))
    assert unknown == Refused(
        "M165", "30 measurements, of none the state of charge is known: no full charge and full discharge in the test"
    )
    high = METHODS["pulse_resistance_pack"](_with(state_of_charge_percent=lambda row: 97.0))
    assert high == Refused("M165", "30 measurements, the nearest to 50 % at 97 %, expected within 10 points")
    for name in ("resistance_increase_pack", "power_fade", "last_power"):
        once = METHODS[name](_with(cycle_count=lambda row: 2))
        assert isinstance(once, Refused)
        assert once.code == "M166"
        warmer = METHODS[name](_with(temperature_c=lambda row: 25.0 if row["cycle_count"] == 2 else 28.5))
        assert isinstance(warmer, Refused)
        assert "no later one is like the first" in warmer.why
    assert isinstance(METHODS["last_resistance_pack"](_with(temperature_c=lambda row: 25.0 if row["cycle_count"] == 2 else 28.5)), Refused)
    assert isinstance(
        METHODS["resistance_increase_pack"](_with(temperature_c=lambda row: 25.0 if row["cycle_count"] == 2 else 27.5)), Value
    )
    nothing = METHODS["pulse_resistance_pack"](Tables({}))
    assert nothing == Refused("M165", "no step of current from rest gives a resistance")


def test_coarse_voltage_is_refused() -> None:
    """Voltage of 10 mV steps tells nothing of a step of 50 mV; of one of 300 mV it does."""
    found, refused = fold(pulsed(0.0103, digits=2, noise=0.004))
    assert found == []
    assert "by no more than" in codes(refused)["M162"]
    assert len(fold(pulsed(0.06, digits=2, noise=0.0))[0]) == 25


def test_noisy_voltage_is_refused() -> None:
    found, refused = fold(pulsed(0.01, noise=0.005))
    assert found == []
    assert "M162" in codes(refused)


def test_sampling_bounds_the_instants() -> None:
    """Nothing is interpolated across the step, over more than half of the instant, or where the step's moment is not known."""
    assert {row["pulse_s"] for row in fold(pulsed(0.03, every=1.0))[0]} == {2.0, 10.0, 18.0, 30.0}
    unknown, refused = fold(pulsed(0.03, every=1.0, steps=False))
    assert {row["pulse_s"] for row in unknown} == {10.0, 18.0, 30.0}
    assert "the moment the current stepped is not known well enough" in codes(refused)["M161"]
    assert {row["pulse_s"] for row in fold(pulsed(0.03, every=5.0, steps=True))[0]} == {10.0, 18.0, 30.0}
    assert {row["pulse_s"] for row in fold(pulsed(0.03, every=12.0, steps=True))[0]} <= {30.0}


def test_nothing_to_measure() -> None:
    series = pulsed(0.03)
    still, refused = fold(series | {"current_ampere": np.zeros(len(series["current_ampere"]))})
    assert still == []
    assert codes(refused) == {"M160": "no current flows"}
    assert codes(fold({"test_time_second": np.arange(5.0)})[1]) == {"M160": "the series has no current, voltage and time together"}
    ramp = np.linspace(0.0, 5.0, len(series["current_ampere"]))
    assert "no step of current" in codes(fold(series | {"current_ampere": ramp})[1])["M160"]
    back, refused = fold(series | {"voltage_volt": 7.4 - series["voltage_volt"]})
    assert back == []
    assert codes(refused)["M163"] == "in 25 of 25 measurements voltage moves against the current"


def test_noise_of_current_at_rest_is_no_pulse() -> None:
    series = pulsed(0.03)
    noise = np.random.default_rng(3).normal(0.0, 1e-3, len(series["current_ampere"]))
    assert len(fold(series | {"current_ampere": series["current_ampere"] + noise})[0]) == 25


def spectrum(*, top: float = 4.0, inductance: float = 1e-7, points: int = 10) -> Arrays:
    """Return one sweep of a resistance of 15 mohm, a resistance of 8 mohm beside a capacitance, and an inductance in series."""
    hertz = np.logspace(top, -1, round((top + 1) * points) + 1)
    omega = 2 * np.pi * hertz
    value = 0.015 + 0.008 / (1 + 1j * omega * 0.008 * 2.0) + 1j * omega * inductance
    return {"frequency_hertz": hertz, "real_impedance_ohm": value.real, "imaginary_impedance_ohm": value.imag}


def test_spectrum() -> None:
    """Where the imaginary part vanishes is found to the planted resistance; at 1 kHz the real part is interpolated."""
    found, refused = fold(spectrum())
    assert refused == []
    zero, kilo = found
    assert zero["method"] == kilo["method"] == "impedance"
    assert zero["resistance_ohm"] == pytest.approx(0.015, rel=0.005)
    assert 300 < zero["frequency_hz"] < 400
    assert kilo["frequency_hz"] == 1000.0
    assert kilo["resistance_ohm"] == pytest.approx(0.015 + 0.008 / (1 + (2000 * np.pi * 0.016) ** 2), rel=1e-3)
    assert (zero["first_row"], zero["last_row"]) == (1, 51)


def test_sweeps_are_told_apart_and_batches_do_not_matter() -> None:
    three = {name: np.tile(values, 3) for name, values in spectrum().items()}
    found, _ = fold(three, 7)
    assert [(row["first_row"], row["last_row"]) for row in found] == [(1, 51)] * 2 + [(52, 102)] * 2 + [(103, 153)] * 2
    assert found == fold(three, 1000)[0]
    upwards = {name: values[::-1] for name, values in spectrum().items()}
    assert fold(upwards)[0][0]["resistance_ohm"] == pytest.approx(fold(spectrum())[0][0]["resistance_ohm"])


@pytest.mark.parametrize(
    ("series", "why"),
    [
        (spectrum(inductance=0.0), "gives? no resistance at the zero of the imaginary part; it is -.* ohm at the highest frequency"),
        (spectrum(top=2.0), "resistance at 1000 Hz; its frequencies run from 0.1 to 100 Hz"),
        (spectrum(points=1, inductance=3e-7), "too far apart"),
        ({name: values[:4] for name, values in spectrum().items()}, "it has 4 frequencies, fewer than 5"),
    ],
)
def test_spectrum_refuses(series: Arrays, why: str) -> None:
    _, refused = fold(series)
    assert re.search(why.replace("gives?", "give"), codes(refused)["M169"])


def test_magnitude_and_phase_give_the_same() -> None:
    parts = spectrum()
    value = parts["real_impedance_ohm"] + 1j * parts["imaginary_impedance_ohm"]
    polar = {
        "frequency_hertz": parts["frequency_hertz"],
        "absolute_impedance_ohm": np.abs(value),
        "phase_degree": np.degrees(np.angle(value)),
    }
    assert [row["resistance_ohm"] for row in fold(polar)[0]] == pytest.approx([row["resistance_ohm"] for row in fold(parts)[0]])


def test_stated_resistance() -> None:
    """What the instrument states counts once per new value, and is compared with the pulse beside it."""
    series = pulsed(0.03)
    stated = np.where(series["test_time_second"] > 65, 0.031, 0.0)
    found, refused = fold(series | {"internal_resistance_ohm": stated}, 77)
    rows = [row for row in found if row["method"] == "reported"]
    assert [(row["resistance_ohm"], row["first_row"], row["reported_as"]) for row in rows] == [(0.031, 652, "internal_resistance_ohm")]
    assert refused == []
    _, refused = fold(series | {"internal_resistance_ohm": stated * 1.3})
    assert codes(refused)["M167"].startswith("internal_resistance_ohm: 1 of 1 values; the first: 0.0403 ohm stated in record 652")
    _, refused = fold(series | {"ac_internal_resistance_ohm": stated * 0.3})
    assert refused == [], "a resistance under alternating current is another quantity"


def test_loss_at_rest() -> None:
    step = {"test_id": "t1", "start_voltage_v": 4.15, "end_voltage_v": 4.15, "first_row": 10, "last_row": 90}
    rows = [
        step | {"step_number": 1, "kind": "charge", "duration_s": 3600.0},
        step | {"step_number": 2, "kind": "rest", "duration_s": 360_000.0, "end_voltage_v": 4.14},
        step | {"step_number": 3, "kind": "discharge", "duration_s": 3600.0},
        step | {"step_number": 4, "kind": "rest", "duration_s": 360_000.0, "end_voltage_v": 4.10},
    ]
    (remark,) = losses(canon.from_rows("step", rows))
    assert remark.code == "M168"
    assert remark.why == "1 rests of 24 h or more after a charge: rows 10 to 90, from 4.15 V to 4.14 V in 100 h, 0.1 mV/h"
    assert losses(canon.from_rows("step", [rows[0], rows[1] | {"duration_s": 86_000.0}])) == []


def test_every_derivation_has_its_method_and_rule() -> None:
    rows = spec.load(spec.root() / "derivations.toml", "derivations")["derivation"]
    ours = {row["by"] for row in rows if any(name.startswith("resistance.") for name in row["from"])}
    assert ours == set(METHODS)
    assert {f"M{number}" for number in range(160, 170)} <= set(spec.rules())


@pytest.mark.skipif(not SAMPLES.exists(), reason="no sample files")
def test_agrees_with_an_instrument() -> None:
    """The instrument states the resistance of each record of its pulse; the same is found at the same instants."""
    options = ReadOptions(steps=True)
    found: list[dict[str, Any]] = []
    for chunk in chunks(open_source(str(SAMPLES / "basytec/sample_data_basytec.txt"), 1, options), options):
        found += chunk["resistance"].to_pylist() if "resistance" in chunk else []
    stated = {row["first_row"]: row["resistance_ohm"] for row in found if row["method"] == "reported"}
    pulses = [row for row in found if row["method"] == "pulse" and row["last_row"] in stated]
    assert len(pulses) >= 3
    for row in pulses:
        assert row["resistance_ohm"] == pytest.approx(stated[row["last_row"]], rel=0.01)


@pytest.mark.skipif(not SAMPLES.exists(), reason="no sample files")
def test_fast_charge_to_the_limit_is_no_full_charge() -> None:
    """A charge at 5 C reaches the upper limit at 82 % and is followed by one at constant voltage that fills the cell."""
    options = ReadOptions(steps=True)
    for chunk in chunks(open_source(str(SAMPLES / "arbin_csv/arbin_example.csv"), 1, options), options):
        for row in chunk["resistance"].to_pylist() if "resistance" in chunk else []:
            if row["method"] == "pulse":
                assert row["state_of_charge_percent"] == pytest.approx(82.0, abs=1.0)


def test_spectra_alone_without_time() -> None:
    fold_ = Spectra()
    fold_.watch(canon.batch("timeseries", {name: pa.array(values) for name, values in spectrum().items()}))
    rows = fold_.finish("t1")
    assert rows is not None
    tested = Tables({"resistance": rows, "test": canon.from_rows("test", [{"test_id": "t1", "item_id": "X1"}])}, {})
    assert isinstance(METHODS["pulse_resistance_cell"](tested), Refused)
    tested = Tables({**tested.tables, "item": canon.from_rows("item", [{"item_id": "X1", "item_kind": "cell"}])}, {})
    value = METHODS["pulse_resistance_cell"](tested)
    assert isinstance(value, Value)
    assert value.inputs == "real part of the impedance at 1000 Hz in t1"


def test_fixture_is_what_its_generator_writes() -> None:
    made = generator("pulses")
    cell = made.Cell()
    cell.run(0.0, 60.0, 10.0)
    cell.test()
    cell.aged = 1.15
    cell.test()
    assert made.text(cell) == CASE.read_text("utf-8")
