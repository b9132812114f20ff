"""Faults planted one by one in clean data: each is found by a code that names it, and the clean data gives none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from planting import cycling, run
from planting.layouts import layouts

from bdx import canon, spec
from bdx.canon import Chunk, Log
from bdx.rules import Checker

NOW = "1795305600"
"""The clock of the rules: 22 November 2026, so that no date of the fixtures is still to come."""


@pytest.fixture(autouse=True)
def same_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict on dates does not depend on the day of the run."""
    monkeypatch.setitem(os.environ, "SOURCE_DATE_EPOCH", NOW)


def named(fault: run.Fault) -> str:
    return f"{fault.family}: {fault.name}"


@pytest.mark.parametrize("fault", [fault for fault in run.faults() if not fault.open], ids=named)
def test_a_planted_fault_is_found_by_a_code_that_names_it(fault: run.Fault, tmp_path: Path) -> None:
    found = run.findings(run.plant(fault, tmp_path), fault)
    assert set(run.seen(found)) & set(fault.codes), f"{fault.what} {[finding.message for finding in found]}"


@pytest.mark.parametrize("fault", [fault for fault in run.faults() if fault.open], ids=named)
def test_what_is_said_not_to_be_found_is_not(fault: run.Fault, tmp_path: Path) -> None:
    found = run.findings(run.plant(fault, tmp_path), fault)
    assert not set(run.seen(found)) & set(fault.codes), "found after all: take `open` away"


def clean_data() -> list[run.Fault]:
    """One fault for each base and layout that faults are planted in."""
    return list({(fault.base, fault.layout): fault for fault in run.faults()}.values())


@pytest.mark.parametrize("fault", clean_data(), ids=lambda fault: f"{fault.base} {fault.layout}")
def test_the_data_before_planting_gives_no_finding(fault: run.Fault, tmp_path: Path) -> None:
    found = run.findings(run.clean(fault, tmp_path), replace(fault, profile="", expect=()))
    assert [finding.message for finding in found if finding.severity in run.LOUD] == []


def test_the_list_is_long_and_spread() -> None:
    found = run.faults()
    assert len(found) >= 250
    assert len({named(fault) for fault in found}) == len(found)
    families = {
        family: sum(fault.family == family for fault in found) for family in ("timeseries", "files", "documents", "production", "tables")
    }
    assert sum(families.values()) == len(found)
    assert min(families.values()) >= 15
    assert sum(bool(fault.open) for fault in found) <= 0.03 * len(found)


def test_every_base_and_layout_is_used_and_every_code_known() -> None:
    assert {fault.base for fault in run.faults()} | {base.tables_of for base in run.bases().values()} >= set(run.bases())
    assert {fault.layout for fault in run.faults()} == set(layouts())
    assert {code for fault in run.faults() for code in fault.codes} <= set(spec.rules())


def test_every_fault_changes_its_data() -> None:
    untouched = [named(fault) for fault in run.faults() if not (fault.frame or fault.text or fault.document or fault.tables)]
    # The chemistry asked for is another, and the file is another one's: nothing in the file is wrong.
    assert untouched == ["timeseries: voltage-of-the-other-chemistry", "timeseries: another-test"]


def codes_of(tables: Chunk, *select: str) -> list[str]:
    log = Log()
    checker = Checker(log, "case", select)
    checker.watch(tables)
    checker.finish()
    return [f"{finding.code} {finding.table}" for finding in log.findings]


def test_a_rule_leaves_the_word_to_one_that_names_the_cause_unless_that_was_not_chosen() -> None:
    tables = {"timeseries": canon.batch("timeseries", {"test_time_second": [0.0], "voltage_volt": [3.7], "current_ampere": [20000.0]})}
    assert codes_of(tables) == ["U001 timeseries"]
    assert codes_of(tables, "E009") == ["E009 timeseries"]
    assert codes_of(tables, "E009", "U001") == ["U001 timeseries"]


def test_what_is_wrong_with_the_records_is_not_said_again_of_their_cycles() -> None:
    records = {"test_time_second": [0.0], "voltage_volt": [float("inf")], "current_ampere": [0.0]}
    cycles = {"test_id": ["t"], "cycle_count": [1], "max_voltage_v": [float("inf")]}
    both = {"timeseries": canon.batch("timeseries", records), "cycle": canon.batch("cycle", cycles)}
    assert codes_of(both, "S005") == ["S005 timeseries"]
    assert codes_of({"cycle": both["cycle"]}, "S005") == ["S005 cycle"]


@pytest.mark.parametrize("battery", [cycling.CELL, cycling.PACK], ids=["cell", "pack"])
def test_the_clean_test_is_a_test(battery: cycling.Battery) -> None:
    frame = cycling.test(battery, cycles=2)
    voltage, current = frame["voltage_volt"], frame["current_ampere"]
    assert len(voltage) > 2000
    assert voltage.max() == pytest.approx(battery.series * battery.high, rel=0.01)
    assert voltage.min() == pytest.approx(battery.series * battery.low, rel=0.03)
    assert current.max() == pytest.approx(battery.charge_rate * battery.capacity_ah, rel=0.02)
    assert current.min() == pytest.approx(-battery.discharge_rate * battery.capacity_ah, rel=0.01)
    assert frame["discharging_capacity_ah"][-1] == pytest.approx(2 * battery.capacity_ah, rel=0.1)
    assert frame["net_capacity_ah"] == pytest.approx(frame["charging_capacity_ah"] - frame["discharging_capacity_ah"], abs=1e-6)
