"""BatteryPass-Ready (GEFEG) 1.0: five categories there and back, what it cannot hold, texts made of rows, schemas against the official."""

import copy
import io
import json
import random
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from passport_reading import damaged

from bdx import canon, formats, mapping, spec
from bdx.canon import Chunk, Document, Log
from bdx.errors import BdxError
from bdx.formats.source import Source
from bdx.mapping.paths_extra import same
from bdx.mapping.transforms_bounds import Bounds
from bdx.rules.documents import DocumentCheck

HERE = Path(__file__).resolve()
FIXTURES = HERE.parents[1] / "fixtures"
SAMPLES = HERE.parents[2] / "shared/samples/passport"
OFFICIAL = SAMPLES / "gefeg_batterypass_ready/1.0"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the public sample files are not here")

sys.path.insert(0, str(FIXTURES / "make"))
import battery_pass  # noqa: E402
import gefeg as made  # noqa: E402
import passports  # noqa: E402

MODEL = "gefeg@1.0"
STORY = made.gefeg()
OTHERS = {
    "catenax-battery-pass@6.1.0": passports.catenax,
    "idta-02035@1.0.1": passports.idta,
    "battery-pass@1.2.1": battery_pass.battery_pass,
}
LIVE = {
    "ev": "live-EV.schema.json",
    "lmt": "live-LMT.schema.json",
    "industrial": "live-OtherIndustrial2kWh.schema.json",
    "stationary": "live-StationaryIndustrial2kWh.schema.json",
    "without-bms": "live-IndustrialWithoutBMS.schema.json",
}


def read(values: list[Any], model: str = MODEL) -> tuple[list[Chunk], Log]:
    log = Log()
    parts = (Document(model, value, f"line {number}") for number, value in enumerate(values, 1))
    return list(mapping.to_canonical(parts, spec.model(model), mapping.Context("in", "s1", log, model))), log


def written(chunks: list[Chunk], model: str = MODEL) -> tuple[list[Any], Log]:
    log = Log()
    parts = mapping.from_canonical(iter(chunks), spec.model(model), mapping.Context("in", "s1", log, model))
    return [part.value for part in parts], log  # type: ignore[union-attr]


def row_of(chunks: list[Chunk], table: str = "battery") -> dict[str, Any]:
    return chunks[0][table].to_pylist()[0]  # type: ignore[no-any-return]


def lost(log: Log) -> dict[str, str]:
    return {loss.what: loss.why.removeprefix(f"{MODEL}: ").removeprefix("gefeg: ") for loss in log.losses}


def made_of(*, table: str = "battery", **columns: Any) -> Chunk:
    """Return a chunk of one battery with these values, and perhaps rows of a child table."""
    children = {name: columns.pop(name) for name in list(columns) if isinstance(columns[name], list) and name != "extinguishing_agents"}
    found = {table: canon.from_rows(table, [{"battery_key": "b1", "serial_number": "b1", **columns}])}
    for name, rows in children.items():
        found[name] = canon.from_rows(name, [{"battery_key": "b1", **row} for row in rows])
    return found


def performance(chunk: Chunk) -> tuple[dict[str, Any], dict[str, str]]:
    (found,), log = written([chunk])
    return found["Battery_Passport"].get("PerformanceAndDurability", {}), lost(log)


def checked(value: Any) -> tuple[bool, dict[str, str]]:
    log = Log()
    check = DocumentCheck(log, "x")
    check.check([Document(MODEL, value)])
    return not check.failed, {finding.column: finding.code for finding in log.findings}


# ---- the same model


@pytest.mark.parametrize("category", made.CATEGORIES)
def test_every_category_survives_and_is_valid(category: str) -> None:
    value = made.CATEGORIES[category]()
    assert formats.detect(Source("-", stdin=io.BytesIO(json.dumps(value).encode()))).id == "gefeg"  # type: ignore[arg-type]
    chunks, log = read([value])
    (found,), out = written(chunks)
    assert same(found, value)
    assert not log.findings and not out.losses
    assert checked(value) == (True, {})


def examples() -> list[Path]:
    return sorted(OFFICIAL.glob("*.gefeg.json"))


@needs_samples
def test_there_are_official_examples() -> None:
    assert len(examples()) == 4


@needs_samples
@pytest.mark.parametrize("path", examples(), ids=lambda path: path.name)
def test_official_examples_survive(path: Path) -> None:
    assert formats.detect(Source(str(path))).id == "gefeg"
    (document,) = list(formats.read(Source(str(path)), spec.format_spec("gefeg")))
    chunks, log = read([document.value])
    (found,), out = written(chunks)
    assert same(found, document.value) and not out.losses and not log.findings
    assert checked(document.value) == (True, {})


@needs_samples
def test_no_example_of_another_model_is_taken_and_none_of_ours_missed() -> None:
    taken, ours = [], 0
    for line in (SAMPLES / "MANIFEST.tsv").read_text("utf-8").splitlines()[1:]:
        name, role = line.split("\t")[:2]
        if role != "example" or not name.endswith((".json", ".jsonld")):
            continue
        mine = name.startswith("gefeg_batterypass_ready/")
        ours += mine
        try:
            found = formats.detect(Source(str(SAMPLES / name))).id
        except BdxError as error:
            found = type(error).__name__
        if (found == "gefeg") != mine:
            taken.append((name, found))
    assert not taken and ours == 4


@needs_samples
def test_a_schema_is_no_passport() -> None:
    with pytest.raises(BdxError):
        formats.detect(Source(str(OFFICIAL / "live-EV.schema.json")))


JUNK: list[Any] = [
    *(None, True, 0, -1, 1.5, 80, 14.0, 101, 2**70, -(2**63), 1e308, 5e-324, Decimal("0.12345678901234567890123"), "", "x", [], {}),
    *([{}], [None], "2026-01-01", "2026-01-01T00:00:00Z", "2026-13-01", "mAh", "Ah", "W", "kW", "%", "°C", "Li-ion LFP", "Pb"),
    *({"percentageValue": 1.5, "percent": "%"}, {"wattValueAt20SoC": 5, "watt": "W"}, {"wattValueAt80SoC": 5.5}, {"ohmValue": 1}, {"/": 1}),
    *(
        "LMT battery",
        "electric vehicle battery",
        "industrial battery without BMS",
        "72.50",
        "see report",
        "Active",
        {"chemicalCodeValue": 1},
    ),
]


@pytest.mark.parametrize("category", made.CATEGORIES)
def test_whatever_stands_in_a_document_comes_back(category: str) -> None:
    chance = random.Random(7)
    values = [damaged(made.CATEGORIES[category](), chance, JUNK, "Battery_Passport") for _ in range(300)]
    for number, value in enumerate(values):
        about = value["Battery_Passport"].get("IdentifiersAndProductData")
        if isinstance(about, dict):
            about["BatterySerialNumber"] = f"b{number}"
    chunks, log = read(values)
    found, _ = written(chunks)
    assert len(found) == len(values)
    for value, back in zip(values, found, strict=True):
        assert same(value, back), json.dumps(value, default=str)
    assert {finding.code for finding in log.findings} >= {"M001", "M003", "M007"}


# ---- what it cannot hold


@pytest.mark.parametrize(
    ("column", "value", "place", "raw"),
    [
        ("initial_internal_resistance_pack_ohm", 0.0015, "InitialInternalResistanceOfBatteryCellAndPackModuleRecommended", None),
        (
            "initial_internal_resistance_pack_ohm",
            2.0,
            "InitialInternalResistanceOfBatteryCellAndPackModuleRecommended",
            {"ohmValue": 2, "ohm": "Ohm"},
        ),
        ("remaining_capacity_ah", 13.93, "RemainingCapacity", None),
        ("remaining_capacity_ah", 13.0, "RemainingCapacity", made.charge(13)),
        ("max_permitted_power_w", 749.5, "MaximumPermittedBatteryPower", None),
        ("max_permitted_power_w", 1e23, "MaximumPermittedBatteryPower", {"wattValue": 10**23, "watt": "W"}),
        ("power_energy_ratio_w_per_wh", 1.488, "RatioBetweenNominalBatteryPowerAndBatteryEnergy", None),
        ("operating_temperature_c", 21.5, "TemperatureInformation", None),
        ("idle_temperature_min_c", -20.0, "TemperatureRangeIdleStateLowerBoundary", made.celsius(-20)),
        ("original_power_w_at_80_soc", 700.25, "OriginalPowerCapability", None),
        ("original_power_w_at_20_soc", 600.0, "OriginalPowerCapability", {"wattValueAt20SoC": 600, "watt": "W"}),
    ],
)
def test_a_number_that_is_not_whole_is_left_out_and_named(column: str, value: float, place: str, raw: Any) -> None:
    found, gone = performance(made_of(**{column: value}))
    assert found.get(place) == raw
    assert gone == ({f"battery.{column}": "it holds whole numbers only"} if raw is None else {})
    if raw is not None:
        assert not any(isinstance(number, float) for number in raw.values())


@pytest.mark.parametrize(
    ("value", "raw"), [(14.0, made.charge(14)), (14.5, made.charge(14500, "mAh")), (2.0005, None), (0.001, made.charge(1, "mAh"))]
)
def test_a_capacity_that_is_no_whole_number_of_ah_may_be_one_of_mah(value: float, raw: Any) -> None:
    found, gone = performance(made_of(rated_capacity_ah=value))
    assert found.get("RatedCapacity") == raw
    assert bool(gone) == (raw is None)


@pytest.mark.parametrize(("value", "held"), [(0.0, True), (100.0, True), (100.1, False), (-0.5, False)])
def test_shares_end_at_a_hundred(value: float, held: bool) -> None:
    found, gone = performance(made_of(internal_resistance_increase_pack_percent=value))
    assert ("InternalResistanceIncreaseOfPackCellAndModuleRecommended" in found) == held
    assert gone == ({} if held else {"battery.internal_resistance_increase_pack_percent": "it holds numbers from 0 to 100 only"})


def test_bounds_neither_round_nor_take_what_is_no_number() -> None:
    whole = Bounds(whole=True)
    assert whole.fitted(1e300) == 10**300 and whole.fitted(Decimal("8.000")) == 8 and whole.fitted(7) == 7
    assert all(whole.fitted(value) is None for value in (0.5, float("inf"), float("nan"), Decimal("8.1"), 1e-300))
    assert Bounds(least=0, most=100).fitted(float("nan")) is None


def test_an_absolute_footprint_that_is_not_whole_leaves_no_empty_object() -> None:
    rows = [{"stage": "total", "functional_unit": "piece", "value": Decimal("33.5")}]
    (found,), log = written([made_of(carbon_footprint=rows)])
    assert "BatteryCarbonFootprint" not in found["Battery_Passport"]
    assert lost(log)["carbon_footprint.value"] == "it holds whole numbers only"


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (date(2026, 11, 2), 24, "2028-11-02"),
        (date(2026, 8, 31), 6, "2027-02-28"),
        (date(2027, 8, 31), 6, "2028-02-29"),
        (date(2026, 12, 1), 0, "2026-12-01"),
        (None, 24, None),
        (date(2026, 11, 2), 120_000, None),
        (date(2026, 11, 2), 10**17, None),
    ],
)
def test_a_warranty_ends_on_a_day(start: date | None, months: int, end: str | None) -> None:
    (found,), log = written([made_of(put_into_service_date=start, warranty_period_months=months)])
    assert found["Battery_Passport"]["IdentifiersAndProductData"].get("WarrantyPeriodOfTheBattery") == end
    why = lost(log)["battery.warranty_period_months"].removeprefix("it holds the day of the end, ")
    assert why == (
        "counted from put_into_service_date"
        if end
        else "which is none of the calendar"
        if start
        else "and put_into_service_date is not known"
    )


def test_a_day_that_is_known_is_not_counted() -> None:
    (found,), log = written(
        [made_of(put_into_service_date=date(2026, 1, 1), warranty_period_months=24, warranty_end_date=date(2030, 1, 1))]
    )
    assert found["Battery_Passport"]["IdentifiersAndProductData"]["WarrantyPeriodOfTheBattery"] == "2030-01-01"
    assert lost(log) == {"battery.warranty_period_months": "it holds the day of the end in its place"}


# ---- what only some categories have


def test_what_a_category_does_not_have_is_left_out_unless_it_came_from_there() -> None:
    chunk = made_of(battery_category="ev", energy_throughput_kwh=12.5, soce_percent=98.0)
    found, gone = performance(chunk)
    assert set(found) == {"StateOfCertifiedEnergySOCE"}
    assert gone == {"battery.energy_throughput_kwh": "it has no place for this column where battery_category is 'ev'"}
    value = made.ev()
    made.part(value, "performance")["EnergyThroughput"] = made.energy(12.5)
    chunks, _ = read([value])
    assert row_of(chunks)["energy_throughput_kwh"] == 12.5
    (back,), log = written(chunks)
    assert same(back, value) and not log.losses
    (other,), _ = written(chunks, "catenax-battery-pass@6.1.0")
    assert other["performance"]["dynamic"]["energy"]["throughput"]["value"] == 12.5


def test_a_battery_of_no_known_category_keeps_what_it_has() -> None:
    found, gone = performance(made_of(energy_throughput_kwh=12.5, soce_percent=98.0))
    assert set(found) == {"EnergyThroughput", "StateOfCertifiedEnergySOCE"} and not gone


def test_both_words_for_a_battery_without_bms_are_read() -> None:
    value = made.without_bms()
    made.part(value, "identity")["BatteryCategory"]["batteryCategoryValue"] = "industrial battery without BMS"
    chunks, log = read([value])
    assert row_of(chunks)["battery_category"] == "industrial" and not log.findings
    assert same(written(chunks)[0][0], value)
    assert checked(value) == (True, {})


# ---- chemistry, powers, shares


@pytest.mark.parametrize(
    ("chemistry", "name", "raw", "named"),
    [
        ("NMC", None, {"chemicalCodeValue": "Li-ion NMC"}, None),
        ("ncm", None, {"chemicalCodeValue": "Li-ion NMC"}, "its word for 'ncm' is 'Li-ion NMC'"),
        (
            "LiFePO4",
            "iron phosphate",
            {"chemicalCodeValue": "Li-ion LFP", "additionallyPossibleValue": "iron phosphate"},
            "its word for 'LiFePO4'",
        ),
        ("LMFP", None, {"additionallyPossibleValue": "LMFP"}, None),
        ("LMFP", "iron and manganese", {"additionallyPossibleValue": "LMFP"}, "the words 'LMFP'"),
        (None, "iron and manganese", {"additionallyPossibleValue": "iron and manganese"}, None),
    ],
)
def test_a_chemistry_is_a_code_where_there_is_one(chemistry: str | None, name: str | None, raw: Any, named: str | None) -> None:
    (found,), log = written([made_of(battery_chemistry=chemistry, battery_chemistry_name=name)])
    assert found["Battery_Passport"]["BatteryMaterialsAndComposition"]["BatteryChemistry"] == raw
    assert (named in " ".join(lost(log).values())) if named else not log.losses


def test_remaining_power_is_told_with_its_state_of_charge() -> None:
    chunks, _ = read([STORY])
    row = row_of(chunks)
    assert (row["remaining_power_w"], row["remaining_power_at_soc_percent"]) == (693.0, 80.0)
    point = row_of(chunks, "power_capability")
    assert (point["kind"], point["state_of_charge_percent"], point["power_w"]) == ("remaining", 20.0, 594.0)
    for soc in (None, 50.0):
        found, gone = performance(made_of(remaining_power_w=693.0, remaining_power_at_soc_percent=soc))
        assert not found and gone["battery.remaining_power_w"] == "it has a place for it at remaining_power_at_soc_percent 80 only"
    found, gone = performance(made_of(power_capability=[{"kind": "remaining", "state_of_charge_percent": 20.0, "power_w": 594.0}]))
    assert found == {"RemainingPowerCapability": {"wattValueAt20SoC": 594, "watt": "W"}} and not gone


@pytest.mark.parametrize("unit", ["hp", "V", None, 1])
def test_powers_in_a_unit_that_is_none_are_no_powers(unit: Any) -> None:
    value = copy.deepcopy(STORY)
    known = made.part(value, "performance")
    for name in ("OriginalPowerCapability", "RemainingPowerCapability"):
        known[name]["watt"] = unit
    chunks, log = read([value])
    assert "power_capability" not in chunks[0] and row_of(chunks)["original_power_w_at_80_soc"] is None
    assert {finding.code for finding in log.findings} == {"M007"} and sum(finding.count for finding in log.findings) == 3
    assert same(written(chunks)[0][0], value)


def test_powers_in_another_unit_are_converted() -> None:
    value = copy.deepcopy(STORY)
    made.part(value, "performance")["OriginalPowerCapability"] = {"wattValueAt80SoC": 1.005, "watt": "kW"}
    chunks, log = read([value])
    assert row_of(chunks)["original_power_w_at_80_soc"] == 1005.0 and not log.findings
    assert same(written(chunks)[0][0], value)


def test_shares_before_and_after_use_are_one_row() -> None:
    chunks, _ = read([STORY])
    rows = {row["material"]: row for row in chunks[0]["recycled_content"].to_pylist()}
    assert (rows["cobalt"]["pre_consumer_percent"], rows["cobalt"]["post_consumer_percent"]) == (12.0, 5.0)
    assert rows["lead"]["total_percent"] == 0.0
    (found,), _ = written([made_of(recycled_content=[{"material": "lead", "pre_consumer_percent": 40.1, "post_consumer_percent": 45.2}])])
    assert found["Battery_Passport"]["CircularityAndResourceEfficiency"] == {"RecycledLeadShare": made.percent(85.3)}


def test_an_index_that_is_no_number_is_no_fault() -> None:
    value = copy.deepcopy(STORY)
    made.part(value, "diligence")["SupplyChainIndices"] = "see the report"
    chunks, log = read([value])
    assert row_of(chunks)["supply_chain_index"] is None and not log.findings
    assert same(written(chunks)[0][0], value)


# ---- texts made of rows


def test_rows_become_texts_that_are_not_read_back_as_rows() -> None:
    rows = [
        {
            "name": "Graphite",
            "identifier": "7782-42-5",
            "identifier_type": "CAS",
            "component": "anode",
            "mass_kg": 0.465,
            "is_critical": True,
        },
        {"name": "Separator", "concentration_percent": 3.0, "is_critical": False, "recycled_percent": 1.0},
    ]
    hazard = [{"name": "LiPF6", "identifier": "21324-40-3", "identifier_type": "CAS", "impacts": ["toxic", "corrosive"]}, {"name": "DMC"}]
    chunk = made_of(
        material=rows, hazardous_substance=hazard, manufacturer_street="Weg 1", manufacturer_city="Ort", manufacturer_country="DE"
    )
    (found,), log = written([chunk])
    part = found["Battery_Passport"]
    assert part["BatteryMaterialsAndComposition"] == {
        "CriticalRawMaterials": "Graphite (CAS 7782-42-5)",
        "MaterialsUsedInCathodeAnodeAndElectrolyte": "Graphite (CAS 7782-42-5, anode, 0.465 kg); Separator (3 %)",
        "HazardousSubstances": "LiPF6 (CAS 21324-40-3); DMC",
        "ImpactOfSubstancesOnEnvironmentHumanHealthSafetyPersons": "LiPF6 (toxic, corrosive)",
    }
    assert part["IdentifiersAndProductData"]["ManufacturerInformation"] == {"postalAddress": "Weg 1, Ort, DE"}
    gone = lost(log)
    assert gone["material"] == gone["hazardous_substance"] == "it holds the rows within one text"
    assert gone["material.recycled_percent"] == "it has no place for this column"
    assert gone["battery.manufacturer_city"] == "it holds it within one text"
    chunks, _ = read([found])
    assert set(chunks[0]) == {"battery"}
    assert row_of(chunks)["critical_raw_materials"] == "Graphite (CAS 7782-42-5)"
    assert row_of(chunks)["manufacturer_address"] == "Weg 1, Ort, DE" and row_of(chunks)["manufacturer_city"] is None


def test_a_text_of_its_own_goes_before_one_made_of_rows() -> None:
    (found,), log = written(
        [made_of(materials_text="as declared", material=[{"name": "Graphite"}], manufacturer_address="here", manufacturer_city="there")]
    )
    part = found["Battery_Passport"]
    assert part["BatteryMaterialsAndComposition"]["MaterialsUsedInCathodeAnodeAndElectrolyte"] == "as declared"
    assert part["IdentifiersAndProductData"]["ManufacturerInformation"]["postalAddress"] == "here"
    assert lost(log)["battery.manufacturer_city"] == "another text stands in its place"


# ---- other models


def difference(before: Any, after: Any, pointer: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        return [at for key, item in before.items() for at in difference(item, after.get(key), f"{pointer}/{key}")]
    return [] if same(before, after) else [pointer]


@pytest.mark.parametrize("other", OTHERS)
def test_fields_of_other_models_never_travel(other: str) -> None:
    value = OTHERS[other]()
    value["invented"] = {"by": "somebody"}
    chunks, _ = read([value], other)
    (found,), log = written(chunks)
    assert set(found) == {"Battery_Passport"} and "somebody" not in json.dumps(found)
    assert any("/invented" in loss.what for loss in log.losses)


@pytest.mark.parametrize("other", OTHERS)
def test_all_that_is_written_of_another_model_fits_the_schema(other: str) -> None:
    chunks, _ = read([OTHERS[other]()], other)
    (found,), _ = written(chunks)
    valid, faults = checked(found)
    # Only what the other model does not have is missing; nothing is of a wrong type or beyond its limits.
    assert not valid and all(place.endswith(" required") for place in faults), faults
    chunks, log = read([found])
    assert not log.findings and same(written(chunks)[0][0], found)


ID, PERFORMANCE = "IdentifiersAndProductData", "PerformanceAndDurability"
TEXTS = [
    f"BatteryMaterialsAndComposition/{name}"
    for name in (
        "CriticalRawMaterials",
        "MaterialsUsedInCathodeAnodeAndElectrolyte",
        "HazardousSubstances",
        "ImpactOfSubstancesOnEnvironmentHumanHealthSafetyPersons",
    )
]
SYMBOLS = "SymbolsLabelsAndDocumentationOfConformity"
ADDRESSES = [
    f"{ID}/{name}" for name in ("EconomicOperatorInformation/postalAddress", "ManufacturerInformation/postalAddress", "ManufacturingPlace")
]
TRADE = [f"{ID}/{name}/registeredTradeNameOrRegisteredTrademark" for name in ("EconomicOperatorInformation", "ManufacturerInformation")]
COUNTERS = [f"{PERFORMANCE}/{name}" for name in ("NumberOfDeepDischargeEvents", "NumberOfOverchargeEvents")]
AFTER_USE = [
    f"CircularityAndResourceEfficiency/{when}-consumerRecycled{metal}Share"
    for when in ("Pre", "Post")
    for metal in ("Nickel", "Cobalt", "Lithium")
]
ALWAYS = [f"{ID}/DPPSchemaVersion", f"{ID}/WarrantyPeriodOfTheBattery", *TEXTS, *ADDRESSES, *TRADE, *COUNTERS]
ALWAYS += [f"{SYMBOLS}/MeaningOfLabelsAndSymbols", "CircularityAndResourceEfficiency/PartNumbersForComponents"]
EXTREMES = [
    f"{PERFORMANCE}/TimeSpent{when}ExtremeTemperatures{side}Boundary" for when in ("In", "ChargingDuring") for side in ("Above", "Below")
]
LABELS = [f"{SYMBOLS}/{name}" for name in ("CarbonFootprintLabel", "SeparateCollectionSymbol", "SymbolsForCadmiumAndLead")]
LEAD, POINT = "CircularityAndResourceEfficiency/RecycledLeadShare", f"{PERFORMANCE}/RemainingPowerCapability/wattValueAt20SoC"
HEADER = [f"{ID}/{name}" for name in ("DPPGranularity", "DPPStatus", "Date-timeOfLatestUpdateOfDPP")]
GONE: dict[str, list[str]] = {
    "catenax-battery-pass@6.1.0": [
        *HEADER,
        *(f"{ID}/{name}" for name in ("EconomicOperatorInformation", "ManufacturerInformation")),
        *AFTER_USE,
        *LABELS,
        *EXTREMES,
        "CircularityAndResourceEfficiency/InformationOnBatteryCollectionPreparationForSecondLifeAndOnTreatmentAtEndOfLife",
        "CircularityAndResourceEfficiency/InformationOnSourcesOfSpareParts",
        "CircularityAndResourceEfficiency/RenewableContentShare",
        *(f"{PERFORMANCE}/{name}" for name in ("EvolutionOfSelf-dischargeRates", "InformationOnAccidents", "RemainingPowerCapability")),
        f"{PERFORMANCE}/TemperatureInformation",
        "SupplyChainDueDiligence/SupplyChainIndices",
    ],
    "idta-02035@1.0.1": [
        *(f"{ID}/{name}" for name in ("BatteryModelIdentifier", "EconomicOperatorInformation")),
        *(LEAD, POINT, "SupplyChainDueDiligence", f"{SYMBOLS}/ExtinguishingAgent/agentFireClass"),
    ],
    "battery-pass@1.2.1": [
        *HEADER,
        *(f"{ID}/{name}" for name in ("BatteryModelIdentifier", "BatterySerialNumber", "UniqueFacilityIdentifier")),
        *(f"{PERFORMANCE}/{name}" for name in ("InformationOnAccidents", "TemperatureInformation")),
        *(LEAD, POINT, f"{SYMBOLS}/ExtinguishingAgent/agentFireClass"),
    ],
}


@pytest.mark.parametrize("other", GONE)
def test_there_and_back_keeps_all_but_what_is_known(other: str) -> None:
    chunks, _ = read([STORY])
    (between,), there = written(chunks, other)
    chunks, log = read([between], other)
    (back,), _ = written(chunks)
    known = {*ALWAYS, *GONE[other]}
    known = {at for at in known if not any(at.startswith(f"{above}/") for above in known)}
    assert {at.removeprefix("/Battery_Passport/") for at in difference(STORY, back)} == known
    assert not log.findings
    assert len(there.losses) >= len(GONE[other])


# ---- the schema


def told(value: Any) -> tuple[Any, ...]:
    """Return what tells the schema of a document: its category, and what a lead battery without a management system lacks."""
    part = value.get("Battery_Passport")
    found = []
    for path in (
        ("IdentifiersAndProductData", "BatteryCategory", "batteryCategoryValue"),
        ("BatteryMaterialsAndComposition", "BatteryChemistry", "chemicalCodeValue"),
    ):
        node = part
        for key in path:
            node = node.get(key) if isinstance(node, dict) else None
        found.append(node if isinstance(node, str) else None)
    known = part.get("PerformanceAndDurability") if isinstance(part, dict) else None
    managed = isinstance(known, dict) and any(name in known for name in made.MANAGED)
    return (found[0], found[0] == "industrial/non-stationary battery" and found[1] == "Pb" and not managed)


@needs_samples
@pytest.mark.parametrize("category", made.CATEGORIES)
def test_our_schema_judges_as_the_official_one(category: str) -> None:
    import jsonschema

    theirs = jsonschema.Draft202012Validator(json.loads((OFFICIAL / LIVE[category]).read_text("utf-8")))
    bases = [made.CATEGORIES[category]()]
    for path in examples():
        value = json.loads(path.read_text("utf-8"))
        if theirs.is_valid(value):
            bases.append(value)
    chance = random.Random(5)
    verdicts: list[bool] = []
    while len(verdicts) < 200 + len(bases):
        number = len(verdicts)
        base = bases[number % len(bases)]
        value = base if number < len(bases) else plain(damaged(base, chance, JUNK, "Battery_Passport"))
        if told(value) != told(base):
            continue  # Another schema is asked then.
        verdicts.append(theirs.is_valid(value))
        valid, faults = checked(value)
        assert valid == verdicts[-1], json.dumps(value)
        assert bool(faults) != valid
    assert all(verdicts[: len(bases)]) and 5 < sum(verdicts) < len(verdicts)


def plain(value: Any) -> Any:
    """Return a value as JSON has it, for a judge that does not know exact decimals."""
    return json.loads(json.dumps(value, default=float))


def test_the_category_says_what_must_be_there() -> None:
    value = made.ev()
    del made.part(value, "performance")["StateOfCertifiedEnergySOCE"]
    place = "/Battery_Passport/PerformanceAndDurability/StateOfCertifiedEnergySOCE required"
    assert checked(value) == (False, {place: "D001"})
    made.part(value, "identity")["BatteryCategory"]["batteryCategoryValue"] = "industrial/non-stationary battery"
    assert checked(value) == (True, {})


def test_no_official_text_in_our_schema() -> None:
    text = (spec.root() / "schemas/gefeg@1.0.json").read_text("utf-8")
    assert not any(word in text for word in ('"description"', '"title"', '"example', "x-Access"))
