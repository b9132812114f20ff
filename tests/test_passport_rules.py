"""Rules of passports on whole documents: silent where a passport is sound, loud where an official example is absurd."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bdx import canon, formats, mapping
from bdx.canon import Finding, Log
from bdx.formats.source import Source
from bdx.rules import Checker, waiting

ROOT = Path(__file__).resolve().parents[1]
STORIES = sorted(
    path
    for model in ("battery-pass", "catenax-battery-pass", "idta-02035")
    for path in (ROOT / "fixtures/formats" / model / "story").glob("input.*")
)
SAMPLES = ROOT.parent / "shared/samples/passport"

LOUD = {
    "battery_pass/1.0.0/Circularity/Circularity-sample.json": "D028 D034 D051 D114",
    "battery_pass/1.0.0/GeneralProductInformation/GeneralProductInformation-sample.json": "D028 D058",
    "battery_pass/1.0.0/Labels/Labels-sample.json": "D051",
    "battery_pass/1.2.0/CarbonFootprint/CarbonFootprintForBatteries-payload.json": "D051 D064 D065",
    "battery_pass/1.2.0/GeneralProductInformation/GeneralProductInformation-payload.json": "D028 D051 D058 D114",
    "battery_pass/1.2.0/Performance/PerformanceAndDurability-payload.json": "D022 D056 D141 D145 S003 S008",
    "battery_pass/1.2.0/SupplyChainDueDiligence/SupplyChainDueDiligence-payload.json": "D051 S008",
    "catenax_battery_pass/3.0.1/BatteryPass.json": "D023 D028 D119 D131 D140 S003 S008",
    "catenax_battery_pass/6.1.0/BatteryPass.json": "D021 D023 D024 D027 D036 D053 D062 D073 D074 D078 D089 D094 D098 D099 D121 D130 D131",
    "idta_batterypass_technical_data/1.0.1/TechnicalDataBattery.json": "D023 D032 D062 D130 D131 D132 S003 S008",
    "idta_batterypass_circularity/1.0.0/CircularityBattery.json": "D034 S003",
    "idta_batterypass_digital_nameplate/1.0.0/NameplateBattery.json": "D126",
    "idta_batterypass_material_composition/1.0.1/MaterialCompositionBattery.json": "D128",
    "idta_batterypass_product_condition/1.0.0/ProductConditionBattery.json": "D146",
    "idta_batterypass_carbon_footprint/1.0.0/CarbonFootprintBattery.json": "D127",
}


def findings_of(path: Path) -> list[Finding]:
    log = Log()
    source = Source(str(path), log)
    facts = formats.detect(source)
    checker = Checker(log, str(path), ("D", "S", "U"))
    context = mapping.Context(source=str(path), source_id="s1", log=log, model=facts.full_id)
    for chunk in mapping.to_canonical(formats.read(source, facts), facts, context):
        checker.watch(chunk)
    checker.finish()
    return log.findings


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.parents[1].name)
def test_a_sound_passport_raises_no_alarm(path: Path) -> None:
    assert [finding.message for finding in findings_of(path)] == []


@pytest.mark.skipif(not SAMPLES.exists(), reason="no official examples here")
@pytest.mark.parametrize(("name", "codes"), LOUD.items(), ids=list(LOUD))
def test_an_absurd_official_example_is_named(name: str, codes: str) -> None:
    assert set(codes.split()) <= {finding.code for finding in findings_of(SAMPLES / name)}


BATTERIES = st.lists(
    st.fixed_dictionaries(
        {
            "battery_key": st.sampled_from(["1", "2", "3", "4"]),
            "model_id": st.sampled_from(["A", "B", None]),
            "manufacturer_id": st.sampled_from(["BPNL00000000BX36", None]),
            "battery_chemistry": st.sampled_from(["NMC", "nmc", "LFP", None]),
            "rated_capacity_ah": st.sampled_from([14.0, 10.0, None]),
            "passport_id": st.sampled_from(["urn:bx36:1", "urn:bx36:2", None]),
        }
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(rows=BATTERIES, size=st.integers(1, 9))
def test_what_is_said_twice_is_found_whatever_the_batches(rows: list[dict[str, object]], size: int) -> None:
    batch = canon.from_rows("battery", rows)

    def judged(parts: list[canon.Chunk]) -> list[Finding]:
        log = Log()
        checker = Checker(log, "case", ("D030", "D111", "D112", "D113"))
        for part in parts:
            checker.watch(part)
        checker.finish()
        return log.findings

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "ENOUGH", 1)
        assert judged([{"battery": batch.slice(first, size)} for first in range(0, len(rows), size)]) == judged([{"battery": batch}])


def test_the_clock_of_the_run_is_that_of_source_date_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = canon.from_rows("battery", [{"battery_key": "1", "full_cycles": 3, "full_cycles_time": datetime(2026, 11, 20, tzinfo=UTC)}])
    codes = {}
    for year in (2025, 2027):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(datetime(year, 1, 1, tzinfo=UTC).timestamp())))
        log = Log()
        checker = Checker(log, "case", ("D092",))
        checker.watch({"battery": batch})
        checker.finish()
        codes[year] = [finding.code for finding in log.findings]
    assert codes == {2025: ["D092"], 2027: []}


def test_integers_beyond_every_float_are_judged() -> None:
    row = {
        "battery_key": "1",
        "full_cycles": -4979411194606956234,
        "expected_lifetime_cycles": 9000000000000000001,
        "rated_capacity_ah": 14.0,
    }
    log = Log()
    checker = Checker(log, "case")
    checker.watch({"battery": canon.from_rows("battery", [row | {"capacity_throughput_ah": 84.0}])})
    checker.finish()
    assert {"S003", "D071", "D144"} <= {finding.code for finding in log.findings}
