"""Passport values from tests: what a plain test supports, and why tests that are cut, too fast or too short support nothing."""

from pathlib import Path
from typing import Any

import pytest

from bdx import canon, spec
from bdx.derive import performance
from bdx.derive.performance import Supported
from bdx.pipeline.converting import convert
from bdx.pipeline.reading import ReadOptions, chunks, open_source

ROOT = Path(__file__).resolve().parents[1]


class Test:
    """A test under construction: its steps and cycles as rows."""

    __test__ = False

    def __init__(self, **nominal: float) -> None:
        self.steps: list[dict[str, Any]] = []
        self.cycles: list[dict[str, Any]] = []
        self._row = 1
        self.tests = [{"test_id": "s1", **nominal}]

    def step(self, kind: str, ampere: float, hours: float, volts: tuple[float, float], **more: Any) -> None:
        """Add a step of 100 records."""
        capacity = ampere * hours
        energy = capacity * more.pop("mean", 3.7)
        row = {"test_id": "s1", "step_number": len(self.steps) + 1, "cycle_count": len(self.cycles), "kind": kind, "control": "cc"}
        row |= {"first_row": self._row, "last_row": self._row + 99, "duration_s": hours * 3600.0, "start_voltage_v": volts[0]}
        row |= {
            "end_voltage_v": volts[1],
            "mean_current_a": ampere,
            "capacity_ah": capacity,
            "energy_wh": energy,
            "mean_temperature_c": 25.0,
        }
        self._row += 100
        self.steps.append(row | more)

    def cycle(
        self, capacity: float = 14.0, ampere: float = 7.0, low: float = 3.0, high: float = 4.2, rest: float = 0.1, **more: Any
    ) -> "Test":
        """Add a cycle: charge, rest, discharge."""
        self.cycles.append({})
        into = more.pop("into", capacity)
        self.step("charge", 7.0, into / 7.0, (3.3, high), mean=3.9, **more)
        self.step("rest", 0.0, rest, (high, high - 0.05))
        self.step("discharge", ampere, capacity / ampere, (high - 0.1, low), mean=3.7, **more)
        self.cycles[-1] = {"test_id": "s1", "cycle_count": len(self.cycles), "charge_capacity_ah": into, "discharge_capacity_ah": capacity}
        self.cycles[-1] |= {
            "charge_energy_wh": into * 3.9,
            "discharge_energy_wh": capacity * 3.7,
            "direction_changes": 1,
            "max_current_a": 7.0,
        }
        return self

    def supports(self, **said: Any) -> Supported:
        """Return what the test supports; the program goes on after it with a rest."""
        if self.steps and self.steps[-1]["kind"] != "rest":
            self.step("rest", 0.0, 0.1, (3.0, 3.2))
        tables = {"step": canon.from_rows("step", self.steps), "cycle": canon.from_rows("cycle", self.cycles)}
        return performance.attributes(tables | {"test": canon.from_rows("test", self.tests)}, said)


def values(found: Supported) -> dict[str, Any]:
    return {value.column: value.value for value in found.values}


def test_every_derivation_from_tests_has_a_method_and_none_is_idle() -> None:
    named = {row["by"] for row in performance.derivations()}
    assert named == set(performance.METHODS)
    for row in performance.derivations():
        spec.table("battery").column(row["to"].removeprefix("battery."))
        for name in row["from"]:
            table, _, column = name.partition(".")
            spec.table(table).column(column)


def test_a_plain_test() -> None:
    found = Test().cycle(14.0).cycle(13.9).cycle(13.8).supports()
    got = values(found)
    assert got["rated_capacity_ah"] == 14.0 and got["remaining_capacity_ah"] == 13.8
    assert got["capacity_fade_percent"] == pytest.approx(0.2 / 14 * 100, rel=1e-5)
    assert got["certified_usable_energy_kwh"] == pytest.approx(14.0 * 3.7 / 1000)
    assert (got["nominal_voltage_v"], got["min_voltage_v"], got["max_voltage_v"]) == (3.7, 3.0, 4.2)
    assert got["initial_rte_percent"] == pytest.approx(370 / 3.9, rel=1e-5)
    assert (got["full_cycles"], got["capacity_throughput_ah"]) == (2, pytest.approx(2 * 41.7))
    assert got["capacity_test_temperature_c"] == 25.0
    rated = next(value for value in found.values if value.column == "rated_capacity_ah")
    assert (rated.rows, rated.version) == ("timeseries[201:300]", "2") and "cycle 1" in rated.inputs
    initial = next(value for value in found.values if value.column == "initial_rte_percent")
    assert initial.rows == "timeseries[301:400] timeseries[501:600]", "not of the first cycle: nobody knows how it began"
    codes = {column: why.code for column, why in found.refused.items() if why.code < "M160"}
    assert codes == {
        "rte_fade_percent": "M143",
        "rte_50_percent_life_percent": "M145",
        "soce_percent": "M146",
        "expected_lifetime_cycles": "M145",
        "cycle_life_test_c_rate": "M147",
        "cycle_life_test_charge_c_rate": "M147",
        "cycle_life_test_dod_percent": "M147",
        "cycle_life_test_temperature_c": "M147",
        "initial_self_discharge_percent_per_month": "M149",
    }


def partial(low: float = 3.0, high: float = 4.2) -> Test:
    """A test of shallow cycles: none of them reaches a limit that voltage shows to be one."""
    test = Test()
    for _ in range(3):
        test.cycle(5.0, ampere=3.5, low=low, high=high)
    return test


@pytest.mark.parametrize(
    ("test", "said", "code", "words"),
    [
        (partial(low=3.55, high=3.9), {}, "M140", "ended at 3.55 V, near its mean of 3.7 V"),
        (partial(low=3.2), {"min_voltage_v": 2.5}, "M140", "it ended in the discharge of cycle 1 at 3.2 V, the lower limit is 2.5 V"),
        (partial(high=4.0), {"max_voltage_v": 4.2}, "M140", "charge of cycle 1 ended at 4 V, the upper limit is 4.2 V"),
        (Test().cycle(14.0, ampere=28.0), {}, "M141", "ran at 2 C (28 A), expected 0.1 to 1.2 C"),
        (Test().cycle(14.0, ampere=0.7), {}, "M141", "ran at 0.05 C"),
        (Test(nominal_capacity_ah=28.0).cycle(14.0, ampere=2.0), {}, "M141", "ran at 0.0714 C (2 A)"),
    ],
)
def test_why_there_is_no_capacity(test: Test, said: dict[str, Any], code: str, words: str) -> None:
    found = test.supports(**said)
    assert "rated_capacity_ah" not in values(found)
    refused = found.refused["rated_capacity_ah"]
    assert refused.code == code and words in refused.why
    assert {"capacity_throughput_ah", "energy_throughput_kwh"} == set(values(found)), "what moved is known all the same"


def test_the_limits_that_a_source_declares_hold() -> None:
    assert values(partial(low=3.55, high=3.9).supports(min_voltage_v=3.5, max_voltage_v=3.9))["rated_capacity_ah"] == 5.0


def test_a_test_that_stops_in_its_discharge() -> None:
    test = Test().cycle(14.0).cycle(6.0, low=3.6)
    tables = {"step": canon.from_rows("step", test.steps), "cycle": canon.from_rows("cycle", test.cycles)}
    found = performance.attributes(tables)
    assert values(found)["rated_capacity_ah"] == 14.0 and found.refused["remaining_capacity_ah"].code == "M143"
    tables["step"], tables["cycle"] = tables["step"].slice(3), tables["cycle"].slice(1)
    refused = performance.attributes(tables, {"min_voltage_v": 3.0}).refused["rated_capacity_ah"]
    assert refused.code == "M142" and "the test stopped in the discharge of cycle" in refused.why


def test_a_discharge_with_pauses_or_several_currents_is_no_capacity() -> None:
    test = Test()
    test.cycles.append({})
    test.step("charge", 7.0, 2.0, (3.3, 4.2), mean=3.9)
    for volts in ((4.1, 3.7), (3.8, 3.5), (3.6, 3.0)):
        test.step("discharge", 7.0, 0.6, volts)
        test.step("rest", 0.0, 1.0, (volts[1], volts[1] + 0.05))
    test.cycles = Test().cycle(12.6).cycles
    assert "rested for 7200 s" in test.supports().refused["rated_capacity_ah"].why
    test.steps = [row for row in test.steps if row["kind"] != "rest"]
    assert "no one current" in test.supports().refused["rated_capacity_ah"].why


def test_pulses_of_charge_part_a_discharge() -> None:
    test = Test().cycle(14.0)
    first = test.steps[-1]
    test.steps[-1] = first | {"capacity_ah": 7.0, "energy_wh": 26.0, "end_voltage_v": 3.7, "duration_s": 3600.0}
    test.step("charge", 7.0, 0.003, (3.7, 3.75))
    test.step("discharge", 7.0, 1.0, (3.7, 3.0))
    found = test.supports()
    assert "rated_capacity_ah" not in values(found) and found.refused["rated_capacity_ah"].code == "M140"


def test_no_round_trip_without_the_state_it_began_in() -> None:
    one = Test().cycle(14.0).supports()
    assert one.refused["initial_rte_percent"].code == "M144" and "began at the lower limit" in one.refused["initial_rte_percent"].why
    lossy = Test().cycle(14.0).cycle(14.0, into=16.0).supports()
    assert "gave 87.50 % of the charge" in lossy.refused["initial_rte_percent"].why


def test_state_of_certified_energy_and_cycle_life() -> None:
    test = Test()
    for number in range(120):
        test.cycle(14.0 - 0.03 * number)
    got = values(test.supports(certified_usable_energy_kwh=0.05))
    assert got["soce_percent"] == pytest.approx((14.0 - 0.03 * 119) * 3.7 / 50 * 100, rel=1e-5)
    assert got["expected_lifetime_cycles"] == 95, "14 Ah less 94 times 0.03 Ah is the first below 11.2 Ah"
    assert got["cycle_life_test_c_rate"] == got["cycle_life_test_charge_c_rate"] == 0.5
    assert got["cycle_life_test_dod_percent"] == 100.0 and got["cycle_life_test_temperature_c"] == 25.0
    assert got["rte_50_percent_life_percent"] == pytest.approx(370 / 3.9, rel=1e-5)
    assert values(test.supports(capacity_threshold_exhaustion_percent=90.0))["expected_lifetime_cycles"] == 48


def test_a_last_weak_cycle_does_not_end_a_life() -> None:
    refused = Test().cycle(14.0).cycle(14.0).cycle(10.0).supports().refused["expected_lifetime_cycles"]
    assert refused.code == "M145" and "only the last one is below" in refused.why


def test_self_discharge_by_capacity_before_and_after_a_rest() -> None:
    got = values(Test().cycle(14.0).cycle(13.86, rest=10 * 24.0).supports())
    assert got["initial_self_discharge_percent_per_month"] == pytest.approx(1.0 * 30.4375 / 10, rel=1e-5)
    alone = Test().cycle(13.86, rest=240.0).supports()
    assert "no full discharge without rest" in alone.refused["initial_self_discharge_percent_per_month"].why


def test_fade_needs_discharges_that_compare() -> None:
    slower = Test().cycle(14.0).cycle(14.6, ampere=2.8).supports()
    assert "7 A and 2.8 A" in slower.refused["capacity_fade_percent"].why
    grown = Test().cycle(14.0).cycle(14.2).supports()
    assert "fell by -1.4 %" in grown.refused["capacity_fade_percent"].why


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "it holds no cycle"),
        ([(0.0, 0.0, 1)], "no cycle has charge or discharge capacity"),
        ([(5.0, None, 1)], "no cycle is complete: discharge is missing (cycle 1)"),
        ([(None, 5.0, 1)], "no cycle is complete: charge is missing (cycle 1)"),
        (
            [(5.0, 14.0, 1), (6.0, 14.0, 1), (14.0, 14.0, 9)],
            "no cycle is complete: discharge is not 50 to 120 % of charge (cycles 1, 2); "
            "current turns more than twice, so the number covers several cycles (cycle 3)",
        ),
        ([(14.1, 14.0, 1)], ""),
    ],
)
def test_why_nothing_is_derived(rows: list[tuple[float | None, float | None, int]], reason: str) -> None:
    names = ("charge_capacity_ah", "discharge_capacity_ah", "direction_changes")
    cycles = [{"test_id": "s1", "cycle_count": number} | dict(zip(names, row, strict=True)) for number, row in enumerate(rows, 1)]
    batch = canon.from_rows("cycle", cycles)
    assert performance.why_not(batch) == reason
    supported = performance.attributes({"cycle": batch})
    assert bool(reason) is ("capacity_throughput_ah" not in [value.column for value in supported.values])
    assert bool(reason) is ("rated_capacity_ah" not in supported.refused), "all is said at once, or attribute by attribute"


def test_the_world_has_the_figures_of_the_story() -> None:
    options = ReadOptions(steps=True)
    tables: dict[str, Any] = {}
    for chunk in chunks(open_source(str(ROOT / "fixtures/world/cycler.ndax"), 1, options), options):
        tables |= {name: batch for name, batch in chunk.items() if name in ("cycle", "step", "test")}
    got = values(performance.attributes(tables))
    assert got["rated_capacity_ah"] == pytest.approx(14.05, abs=0.005)
    assert got["certified_usable_energy_kwh"] == pytest.approx(0.516, abs=0.001)
    assert got["initial_rte_percent"] == pytest.approx(95.1, abs=0.1)
    assert (got["min_voltage_v"], got["max_voltage_v"]) == (pytest.approx(30.0, abs=0.01), pytest.approx(42.0, abs=0.01))
    assert got["full_cycles"] == 2


@pytest.mark.parametrize(("share", "found"), [(1.0, False), (1.004, False), (1.01, True), (0.5, True)])
def test_counters_that_the_series_does_not_bear_out_are_named(share: float, found: bool, tmp_path: Path) -> None:
    lines = ["Test Time / s,Cycle Count / 1,Voltage / V,Current / A,Charging Capacity / Ah,Discharging Capacity / Ah"]
    lines += [f"{60 * k},1,3.7,1.0,{share * k / 60:.6f},0.0" for k in range(121)]
    path = tmp_path / "a.bdf.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    told = [item for item in convert([path], tmp_path / "ds", to="dataset").findings if item.code == "M150"]
    assert bool(told) is found
    if found:
        assert told[0].column == "charging_capacity_ah" and f"counted {2 * share:.6g} in" in told[0].message
        assert "adds up to 2 (" in told[0].message
