"""Battery Pass 1.0 to 1.2.1: official examples there and back, detection, what crosses to other models, schemas and their defects."""

import io
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from passport_reading import damaged

from bdx import formats, mapping, spec
from bdx.canon import Chunk, Document, Log
from bdx.cli import run
from bdx.errors import BdxError
from bdx.formats.source import Source
from bdx.mapping.paths_extra import same
from bdx.mapping.paths_plan import plan
from bdx.mapping.transforms import make
from bdx.mapping.transforms_base import Fault, Options
from bdx.mapping.transforms_numbers import converter
from bdx.rules.documents import DocumentCheck

HERE = Path(__file__).resolve()
FIXTURES = HERE.parents[1] / "fixtures"
SAMPLES = HERE.parents[2] / "shared/samples/passport"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the public sample files are not here")

sys.path.insert(0, str(FIXTURES / "make"))
import battery_pass as made  # noqa: E402
import passports  # noqa: E402

BP = spec.format_spec("battery-pass")
RELEASES = {
    "battery-pass@1.2.1": made.battery_pass,
    "battery-pass@1.2.0": made.release_1_2_0,
    "battery-pass@1.0.0": made.release_1_0_0,
}
STORY = made.battery_pass()


def parsed(data: bytes) -> list[Document]:
    return list(formats.read(Source("-", stdin=io.BytesIO(data)), BP))  # type: ignore[arg-type]


def named(value: Any) -> str:
    return parsed(json.dumps(value).encode())[0].name


def detected(value: Any) -> str:
    return formats.detect(Source("-", stdin=io.BytesIO(json.dumps(value).encode()))).id  # type: ignore[arg-type]


def read(values: list[Any], model: str, **options: Any) -> tuple[list[Chunk], Log]:
    log = Log()
    parts = (Document(model, value, f"line {number}") for number, value in enumerate(values, 1))
    return list(mapping.to_canonical(parts, spec.model(model), mapping.Context("in", "s1", log, model, options))), log


def written(chunks: list[Chunk], model: str) -> tuple[list[Any], Log]:
    log = Log()
    parts = mapping.from_canonical(iter(chunks), spec.model(model), mapping.Context("in", "s1", log, model))
    return [part.value for part in parts], log  # type: ignore[union-attr]


def rows(chunks: list[Chunk], table: str) -> list[dict[str, Any]]:
    return [row for chunk in chunks if table in chunk for row in chunk[table].to_pylist()]


def checked(value: Any, model: str) -> tuple[DocumentCheck, Log]:
    log = Log()
    check = DocumentCheck(log, "x")
    check.check([Document(model, value)])
    return check, log


def lost(log: Log) -> dict[str, int]:
    return {loss.what: loss.count for loss in log.losses}


# ---- the same model


@pytest.mark.parametrize("model", RELEASES)
def test_story_survives_and_is_valid(model: str) -> None:
    values = [RELEASES[model](number) for number in (42, 43)]
    chunks, log = read(values, model)
    found, out = written(chunks, model)
    assert all(map(same, values, found))
    assert not log.findings and not out.losses
    assert all(named(value) == model for value in values)
    check, faults = checked(values[0], model)
    assert not check.failed, faults.findings


def examples() -> list[Path]:
    found = [*SAMPLES.glob("battery_pass/*/*/*.json"), *SAMPLES.glob("dpp_lint_fixtures/*/*.json")]
    return sorted(path for path in found if "schema" not in path.name and "-ld" not in path.name)


@needs_samples
def test_there_are_official_examples() -> None:
    assert len(examples()) == 17


@needs_samples
@pytest.mark.parametrize("path", examples(), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_official_examples_survive(path: Path) -> None:
    assert formats.detect(Source(str(path))).id == BP.id
    (document,) = list(formats.read(Source(str(path)), BP))
    chunks, _ = read([document.value], document.name)
    (found,), out = written(chunks, document.name)
    assert same(found, document.value) and not out.losses
    release = path.parent.parent.name
    if "1.0.0" in release and "CarbonFootprint" not in path.name:
        assert document.name == "battery-pass@1.0.0"
    elif "Performance" in path.name:
        assert document.name == "battery-pass@1.2.0"


def manifest(kind: str) -> list[tuple[Path, bool]]:
    if not SAMPLES.exists():
        return []
    lines = [line.split("\t") for line in (SAMPLES / "MANIFEST.tsv").read_text("utf-8").splitlines()[1:]]
    return [(SAMPLES / row[0], row[0].startswith(("battery_pass/", "dpp_lint_fixtures/"))) for row in lines if row[1] == kind]


@needs_samples
def test_no_example_of_another_model_is_taken_and_none_of_ours_missed() -> None:
    wrong, ours = [], 0
    for path, mine in manifest("example"):
        if path.suffix not in (".json", ".jsonld"):
            continue
        try:
            found = formats.detect(Source(str(path))).id
        except BdxError as error:
            found = type(error).__name__
        ours += mine
        if (found == BP.id) != mine:
            wrong.append((path.name, found))
    assert not wrong and ours >= 17


JUNK: list[Any] = [
    *(None, True, 0, -1, 1.5, 80, 20, 2**70, -(2**63), 1e308, 1.7976931348623157e308, 5e-324, "", "x", [], {}, [{}], [None], [1], "--06"),
    *("2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T01:02:03.5+01:00", "2026-13-01T00:00:00Z", "pack", "cell", "Lead", {"en": "x"}),
    *([{"atSoC": 80, "powerCapabilityAt": 1.0}], [{"atSoC": 50, "powerCapabilityAt": 1.0}, {"atSoC": 20}], {"/": {"~": 1}}, ["x", "y"]),
]


@pytest.mark.parametrize("model", RELEASES)
def test_whatever_stands_in_a_document_comes_back(model: str) -> None:
    chance = random.Random(7)
    values = [damaged(RELEASES[model](), chance, JUNK) for _ in range(400)]
    for number, value in enumerate(values):
        general = value.get("generalProductInformation")
        if isinstance(general, dict):
            general["productIdentifier"] = f"b{number}"
    chunks, log = read(values, model)
    found, _ = written(chunks, model)
    assert len(found) == len(values)
    for value, back in zip(values, found, strict=True):
        assert same(value, back), json.dumps(value)
    assert {finding.code for finding in log.findings} >= {"M001", "M003", "M004"}


# ---- shapes of the whole


@pytest.mark.parametrize(
    "names",
    [
        {name: name[0].upper() + name[1:] for name in STORY},
        {name: name.casefold() for name in STORY},
        {name: "".join(f"_{c.lower()}" if c.isupper() else c for c in name) for name in STORY},
        {"carbonFootprintForBatteries": "carbonFootprint", "labeling": "labels", "performanceAndDurability": "performance"},
    ],
    ids=["as the files", "lower", "snake", "short"],
)
def test_submodels_under_other_spellings(names: dict[str, str]) -> None:
    value = {names.get(name, name): part for name, part in STORY.items()}
    assert detected(value) == BP.id
    (found,) = parsed(json.dumps(value).encode())
    assert found.value == STORY and found.name == BP.full_id


def test_lone_submodels_and_all_laid_into_one() -> None:
    for name, part in STORY.items():
        assert detected(part) == BP.id
        assert [found.value for found in parsed(json.dumps(part).encode())] == [{name: part}]
    merged = made.flat(STORY) | {"note": 1}
    (found,) = parsed(json.dumps(merged).encode())
    assert found.value == STORY | {"generalProductInformation": STORY["generalProductInformation"] | {"note": 1}}


def test_a_submodel_that_is_there_twice_is_not_overwritten() -> None:
    twice = {"Circularity": {"recycledContent": []}, "circularity": STORY["circularity"], "x": 1}
    (found,) = parsed(json.dumps(twice).encode())
    assert found.value == twice
    chunks, _ = read([found.value], found.name)
    assert same(written(chunks, found.name)[0], [twice])


def test_releases_are_told_apart_by_their_keys_and_may_be_mixed() -> None:
    data = b"".join(json.dumps(make_()).encode() + b"\n" for make_ in (*RELEASES.values(), made.battery_pass))
    assert [document.name for document in parsed(data)] == [*RELEASES, "battery-pass@1.2.1"]
    for model, make_ in RELEASES.items():
        parts = make_()
        for name, part in parts.items():
            told = named(part)
            same_in_both = name == "carbonFootprintForBatteries" or (model.endswith("1.2.0") and name != "performanceAndDurability")
            assert told == ("battery-pass@1.2.1" if same_in_both else model), name
    only = {"batteryTechicalProperties": {"temperatureRangeIdleState": 20.0}}
    assert named(only) == "battery-pass@1.2.0"


def test_every_encoding() -> None:
    text = json.dumps(STORY, ensure_ascii=False, indent=1).replace("\n", "\r\n")
    for data in (text.encode("utf-16"), ("\ufeff" + text).encode("utf-16-be"), text.encode("utf-8-sig"), text.encode("utf-16-le")):
        assert [found.value for found in parsed(data)] == [STORY]


# ---- what it means


def test_units_of_the_model_move_the_decimal_point() -> None:
    value = made.battery_pass()
    value["performanceAndDurability"]["batteryTechicalProperties"]["ratedMaximumPower"] = 1.005
    value["materialComposition"]["batteryMaterials"][0]["batteryMaterialMass"] = 123.4567
    chunks, _ = read([value], BP.full_id)
    assert rows(chunks, "battery")[0]["max_permitted_power_w"] == 1005.0
    assert rows(chunks, "material")[0]["mass_kg"] == 0.1234567
    assert all('"ratedMaximumPower"' not in (row["extra"] or "") for row in rows(chunks, "battery"))


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6), st.sampled_from([("kW", "W"), ("W", "kW"), ("g", "kg"), ("mm", "m")]))
def test_a_power_of_ten_gives_the_number_that_is_meant(value: Any, pair: tuple[str, str]) -> None:
    from decimal import Decimal

    there, back = converter(*pair), converter(*pair[::-1])
    number = float(value)
    scale = Decimal(1000) if pair == ("kW", "W") else Decimal("0.001")
    assert there(number) == float(Decimal(repr(number)) * scale)
    assert back(there(number)) == number


def test_a_number_that_its_unit_takes_beyond_a_float_is_a_fault() -> None:
    value = made.absurd()
    chunks, log = read([value], BP.full_id)
    row = rows(chunks, "battery")[0]
    assert row["max_permitted_power_w"] is None and row["full_cycles"] is None
    assert row["expected_lifetime_cycles"] == -4979411194606956234
    found = {(finding.code, finding.column) for finding in log.findings}
    assert {("M006", "max_permitted_power_w"), ("M006", "full_cycles"), ("M006", "value"), ("M006", "time_high_temperature_min")} <= found
    assert same(written(chunks, BP.full_id)[0], [value])


def transform(name: str, column: str) -> Any:
    table, _, field = column.partition(".")
    return make(spec.table(table).column(field), {"at": "x", "as": name}, Options())


def test_a_month_of_the_year_counts_months_up_to_twelve() -> None:
    used = transform("month-of-year", "battery.warranty_period_months")
    assert [used.read(f"--{month:02d}") for month in range(1, 13)] == list(range(1, 13))
    assert used.read("--06Z") == 6 and used.write(6) == "--06"
    assert used.write(24) is None and used.write(0) is None
    for raw in ("--13", "--00", "06", 6, "--6", "2 years", None):
        with pytest.raises(Fault):
            used.read(raw)
    chunks, _ = read([passports.catenax()], "catenax-battery-pass@6.1.0")
    (found,), log = written(chunks, BP.full_id)
    assert "warrentyPeriod" not in found["generalProductInformation"] and lost(log)["battery.warranty_period_months"] == 1


def test_dates_are_written_as_the_start_of_their_day_and_read_as_the_day_they_name() -> None:
    used = transform("date-time", "battery.manufacturing_date")
    assert used.write(used.read("2026-10-05T23:30:00+02:00")) == "2026-10-05T00:00:00Z"
    for raw in ("x2023-02-31T00:00:00garbage", "2023-02-31T00:00:00Z", 5):
        with pytest.raises(Fault):
            used.read(raw)


# ---- powers at other states of charge


def points(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    return [{"atSoC": soc, "powerCapabilityAt": watt} for soc, watt in pairs]


def with_powers(raw: Any) -> dict[str, Any]:
    value = made.battery_pass()
    value["performanceAndDurability"]["batteryTechicalProperties"]["originalPowerCapability"] = raw
    return value


@pytest.mark.parametrize(
    ("raw", "columns", "others", "kept"),
    [
        (points((80, 700.0), (20, 600.0)), (700.0, 600.0), [], False),
        (points((80, 700.0), (20, 600.0), (50, 660.0), (95, 710.0)), (700.0, 600.0), [(50, 660.0), (95, 710.0)], False),
        (points((20, 600.0), (50, 660.0), (80, 700.0)), (700.0, 600.0), [(50, 660.0)], True),
        (points((50, 660.0)), (None, None), [(50, 660.0)], False),
        (points((80, 700.0), (80, 701.0)), (700.0, None), [(80, 701.0)], False),
        ([*points((80, 700.0)), {"atSoC": 50, "powerCapabilityAt": 1.0, "note": "x"}], (700.0, None), [(50, 1.0)], False),
        ([], (None, None), [], True),
        ([{"atSoC": 50}], (None, None), [(50, None)], False),
    ],
)
@pytest.mark.parametrize("model", ["battery-pass", "idta-02035"])
def test_powers_beyond_the_picked_are_rows(raw: Any, columns: Any, others: Any, kept: bool, model: str) -> None:
    if model == "idta-02035":
        value: dict[str, Any] = passports.idta()
        value["TechnicalData"]["TechnicalPropertyAreas"]["PowerCapability"]["OriginalPowerCapability"] = raw
    else:
        value = with_powers(raw)
    chunks, log = read([value], model)
    row = rows(chunks, "battery")[0]
    assert (row["original_power_w_at_80_soc"], row["original_power_w_at_20_soc"]) == columns
    found = [(p["state_of_charge_percent"], p["power_w"]) for p in rows(chunks, "power_capability") if p["kind"] == "original"]
    assert found == others and not log.findings
    assert ("riginalPowerCapability" in (row["extra"] or "")) == kept
    assert same(written(chunks, model)[0], [value])


def test_powers_cross_from_one_model_to_the_other() -> None:
    chunks, _ = read([with_powers(points((20, 600.0), (50, 660.0), (80, 700.0)))], BP.full_id)
    (found,), log = written(chunks, "idta-02035")
    areas = found["TechnicalData"]["TechnicalPropertyAreas"]
    assert areas["PowerCapability"]["OriginalPowerCapability"] == points((80, 700.0), (20, 600.0), (50, 660.0))
    assert not any("ower" in what for what in lost(log))
    (flat,), log = written(chunks, "catenax-battery-pass@6.1.0")
    assert flat["performance"]["rated"]["power"] == {"value": 750.0, "at20SoC": 600.0, "at80SoC": 700.0}
    assert any("power_capability" in what for what in lost(log))


def test_present_powers_after_the_first_are_rows_with_their_time() -> None:
    value = made.release_1_2_0()
    chunks, _ = read([value], "battery-pass@1.2.0")
    (point,) = [row for row in rows(chunks, "power_capability") if row["kind"] == "remaining"]
    assert (point["state_of_charge_percent"], point["power_w"]) == (20.0, 594.0) and point["at"] is not None
    (found,), log = written(chunks, BP.full_id)
    assert found["performanceAndDurability"]["batteryCondition"]["remainingPowerCapability"] == made.remaining(80.0, 693.0)
    assert lost(log)["power_capability[kind=remaining]"] == 1


def test_one_faulty_point_does_not_cost_the_others() -> None:
    value = with_powers([*points((80, 700.0)), {"atSoC": 20, "powerCapabilityAt": "600 W"}])
    condition = value["performanceAndDurability"]["batteryCondition"]
    condition["internalResistanceIncrease"][0]["lastUpdate"] = "2026-11-20T08:15:00"
    chunks, log = read([value], BP.full_id)
    row = rows(chunks, "battery")[0]
    assert row["original_power_w_at_80_soc"] == 700.0 and row["original_power_w_at_20_soc"] is None
    assert row["internal_resistance_increase_pack_percent"] == 1.0
    assert row["internal_resistance_increase_pack_percent_time"] is None
    assert row["internal_resistance_increase_cell_percent_time"] is not None
    where = {(finding.code, finding.locator.split("/")[-1]) for finding in log.findings}
    assert where == {("M001", "powerCapabilityAt"), ("M005", "lastUpdate")}
    assert same(written(chunks, BP.full_id)[0], [value])


def test_rest_of_a_list_that_no_field_takes_is_a_fault_of_the_mapping() -> None:
    facts = plan("battery-pass", Options())
    assert [place.pointer for place in facts.rows if place.rest] == [
        "/performanceAndDurability/batteryTechicalProperties/originalPowerCapability"
    ]


# ---- other models


def test_class_and_study_are_said_once_here_and_of_every_footprint_elsewhere() -> None:
    chunks, _ = read([passports.catenax()], "catenax-battery-pass@6.1.0")
    (found,), log = written(chunks, BP.full_id)
    footprint = found["carbonFootprintForBatteries"]
    assert footprint["carbonFootprintPerformanceClass"] == "B" and footprint["carbonFootprintStudy"].endswith("cf-study.pdf")
    assert footprint["batteryCarbonFootprint"] == passports.TOTAL and len(footprint["carbonFootprintPerLifecycleStage"]) == 4
    assert not {"carbon_footprint.performance_class", "carbon_footprint.study_url"} & lost(log).keys()
    chunks, _ = read([STORY], BP.full_id)
    (found,), log = written(chunks, "catenax-battery-pass@6.1.0")
    assert {item["performanceClass"] for item in found["sustainability"]["carbonFootprint"]} == {"B"}
    assert not {"battery.cf_performance_class", "battery.cf_study_url"} & lost(log).keys()


def test_footprints_that_disagree_are_lost_by_number() -> None:
    value = passports.catenax()
    value["sustainability"]["carbonFootprint"][3]["performanceClass"] = "C"
    chunks, _ = read([value], "catenax-battery-pass@6.1.0")
    (found,), log = written(chunks, BP.full_id)
    assert found["carbonFootprintForBatteries"]["carbonFootprintPerformanceClass"] == "B"
    assert lost(log)["carbon_footprint.performance_class"] == 1


def test_a_footprint_of_another_impact_is_not_taken_for_the_carbon_footprint() -> None:
    value = passports.catenax()
    value["sustainability"]["carbonFootprint"][0]["type"] = "Acidification"
    chunks, _ = read([value], "catenax-battery-pass@6.1.0")
    (found,), log = written(chunks, BP.full_id)
    assert "batteryCarbonFootprint" not in found["carbonFootprintForBatteries"]
    assert any(what.startswith("carbon_footprint[") for what in lost(log))


def difference(before: Any, after: Any, pointer: str = "") -> list[str]:
    """Return the pointers, numbers of lists left out, of what the first holds and the second does not hold the same."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [at for key, item in before.items() for at in difference(item, after.get(key), f"{pointer}/{key}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [at for pair in zip(before, after, strict=True) for at in difference(*pair, f"{pointer}/*")]
    return [] if same(before, after) else [pointer]


GENERAL, CIRCULAR = "/generalProductInformation", "/circularity"
TECHNICAL, CONDITION = "/performanceAndDurability/batteryTechicalProperties", "/performanceAndDurability/batteryCondition"
NO_OPERATOR = [f"{GENERAL}/operatorInformation/{name}" for name in ("contactName", "postalAddress", "webAddress")]
GONE = {
    "catenax-battery-pass@6.1.0": [
        *(f"{GENERAL}/manufacturerInformation/{name}" for name in ("contactName", "postalAddress", "webAddress")),
        *NO_OPERATOR,
        f"{GENERAL}/manufacturingPlace",
        f"{CIRCULAR}/dismantlingAndRemovalInformation/*/documentType",
        *(
            f"{CIRCULAR}/sparePartSources/*/{n}"
            for n in ("nameOfSupplier", "addressOfSupplier", "emailAddressOfSupplier", "supplierWebAddress")
        ),
        *(f"{CIRCULAR}/recycledContent/*/{name}" for name in ("preConsumerShare", "postConsumerShare")),
        f"{CIRCULAR}/endOfLifeInformation/informationOnCollection",
        f"{CIRCULAR}/renewableContent",
        "/labeling/labels",
        "/materialComposition/batteryChemistry/clearName",
        "/materialComposition/batteryMaterials/*/batteryMaterialMass",
        "/materialComposition/hazardousSubstances/*/hazardousSubstanceClass",
        f"{TECHNICAL}/originalPowerCapability",
        f"{TECHNICAL}/powerCapabilityRatio",
        f"{CONDITION}/evolutionOfSelfDischarge",
        f"{CONDITION}/currentSelfDischargingRate/lastUpdate",
        f"{CONDITION}/remainingPowerCapability/remainingPowerCapabilityValue/atSoC",
        f"{CONDITION}/temperatureInformation",
        f"{CONDITION}/negativeEvents/*/lastUpdate",
        "/supplyChainDueDiligence/supplyChainIndicies",
    ],
    "idta-02035@1.0.1": [
        *NO_OPERATOR,
        f"{GENERAL}/manufacturingPlace",
        f"{CIRCULAR}/dismantlingAndRemovalInformation/*/documentType",
        f"{CONDITION}/capacityFade/lastUpdate",
        f"{CONDITION}/internalResistanceIncrease/*/lastUpdate",
        "/supplyChainDueDiligence",
    ],
    "battery-pass@1.2.0": [
        f"{TECHNICAL}/temperatureRangeIdleState",
        f"{CONDITION}/energyThroughput/lastUpdate",
        f"{CONDITION}/evolutionOfSelfDischarge/lastUpdate",
    ],
}


@pytest.mark.parametrize("other", GONE)
def test_there_and_back_keeps_all_but_what_is_known(other: str) -> None:
    chunks, _ = read([STORY], BP.full_id)
    (between,), there = written(chunks, other)
    chunks, log = read([between], other)
    (back,), _ = written(chunks, BP.full_id)
    assert set(difference(STORY, back)) == set(GONE[other])
    assert not log.findings
    # Nothing goes without being named.
    assert len(lost(there)) >= len(GONE[other])


def test_catenax_becomes_what_its_values_allow() -> None:
    chunks, _ = read([passports.catenax()], "catenax-battery-pass@6.1.0")
    (found,), log = written(chunks, BP.full_id)
    check, faults = checked(found, BP.full_id)
    missing = {finding.column.split(" ")[0] for finding in faults.findings if finding.code == "D001"}
    assert check.failed and missing == {
        "/generalProductInformation/manufacturerInformation/contactName",
        "/generalProductInformation/manufacturerInformation/postalAddress",
        "/generalProductInformation/operatorInformation/contactName",
        "/generalProductInformation/operatorInformation/postalAddress",
        "/generalProductInformation/manufacturingPlace",
        "/generalProductInformation/warrentyPeriod",
        "/circularity/dismantlingAndRemovalInformation/*/documentType",
        "/circularity/sparePartSources/*/nameOfSupplier",
        "/circularity/sparePartSources/*/addressOfSupplier",
        "/circularity/sparePartSources/*/emailAddressOfSupplier",
        "/circularity/sparePartSources/*/supplierWebAddress",
        "/circularity/recycledContent/*/preConsumerShare",
        "/circularity/recycledContent/*/postConsumerShare",
        "/circularity/endOfLifeInformation/informationOnCollection",
        "/circularity/renewableContent",
        "/labeling/labels",
        "/materialComposition/batteryChemistry/clearName",
        "/materialComposition/batteryMaterials/*/batteryMaterialMass",
        "/materialComposition/hazardousSubstances/*/hazardousSubstanceClass",
        "/performanceAndDurability/batteryTechicalProperties/powerCapabilityRatio",
        "/performanceAndDurability/batteryCondition/evolutionOfSelfDischarge",
        "/performanceAndDurability/batteryCondition/currentSelfDischargingRate/lastUpdate",
        "/performanceAndDurability/batteryCondition/negativeEvents",
        "/performanceAndDurability/batteryCondition/temperatureInformation",
        "/performanceAndDurability/batteryCondition/remainingPowerCapability/remainingPowerCapabilityValue/atSoC",
    }
    # The number of an UUID has hyphens, which the pattern of the schema does not take.
    assert [finding.column.split(" ")[0] for finding in faults.findings if finding.code == "D002"] == [
        "/generalProductInformation/batteryPassportIdentifier"
    ]
    assert lost(log)["battery.model_id"] == 1


# ---- the schema check


OFFICIAL = {
    "battery-pass@1.2.1": {
        "generalProductInformation": "1.2.0/GeneralProductInformation/GeneralProductInformation-schema.json",
        "carbonFootprintForBatteries": "1.2.0/CarbonFootprint/CarbonFootprintForBatteries-schema.json",
        "circularity": "1.2.0/Circularity/Circularity-schema.json",
        "labeling": "1.2.0/Labels/Labeling-schema.json",
        "materialComposition": "1.2.0/MaterialComposition/MaterialComposition-schema.json",
        "performanceAndDurability": "1.2.1/Performance/PerformanceAndDurability.schema.json",
        "supplyChainDueDiligence": "1.2.0/SupplyChainDueDiligence/SupplyChainDueDiligence-schema.json",
    },
    "battery-pass@1.2.0": {"performanceAndDurability": "1.2.0/Performance/PerformanceAndDurability-schema.json"},
    "battery-pass@1.0.0": {
        "generalProductInformation": "1.0.0/GeneralProductInformation/GeneralProductInformation-schema.json",
        "carbonFootprintForBatteries": "1.0.0/CarbonFootprint/CarbonFootprint-schema.json",
        "circularity": "1.0.0/Circularity/Circularity-schema.json",
        "labeling": "1.0.0/Labels/Labels-schema.json",
        "materialComposition": "1.0.0/MaterialComposition/MaterialComposition-schema.json",
        "performanceAndDurability": "1.0.0/Performance/PerformanceAndDurability-schema.json",
    },
}


def loaded(path: Path) -> Any:
    data = path.read_bytes()
    return json.loads(data.decode("utf-16" if data[:2] == b"\xff\xfe" else "utf-8-sig"))


@needs_samples
@pytest.mark.parametrize(("model", "part"), [(model, part) for model, parts in OFFICIAL.items() for part in parts])
def test_our_schema_judges_as_the_official_one(model: str, part: str) -> None:
    import jsonschema

    theirs = jsonschema.Draft4Validator(loaded(SAMPLES / "battery_pass" / OFFICIAL[model][part]))
    ours = jsonschema.Draft202012Validator(spec.schema(spec.model(model).schema))
    story = RELEASES[model]()[part]
    bases = [story]
    for path in examples():
        (document,) = list(formats.read(Source(str(path)), BP))
        if document.name == model and part in document.value:
            bases.append(document.value[part])
    chance = random.Random(5)
    verdicts = []
    for number in range(200 + len(bases)):
        value = bases[number] if number < len(bases) else damaged(bases[number % len(bases)], chance, JUNK)
        whole = {part: value}
        verdicts.append(theirs.is_valid(value))
        assert ours.is_valid(whole) == verdicts[-1], json.dumps(value)
        check, log = checked(whole, model)
        assert (not check.failed) == verdicts[-1]
        assert bool(log.findings) == bool(check.failed)
    assert verdicts[0] and 5 < sum(verdicts) < len(verdicts)


def test_no_official_text_in_our_schemas() -> None:
    for path in spec.root().glob("schemas/battery-pass*.json"):
        text = path.read_text("utf-8")
        assert not any(word in text for word in ('"description"', '"title"', '"example', "x-samm", "samm:"))


def findings_of(change: Any, model: str = "battery-pass@1.2.1") -> dict[str, str]:
    value = RELEASES[model]()
    change(value)
    check, log = checked(value, model)
    assert check.failed == 1
    return {finding.column: finding.code for finding in log.findings}


def test_what_the_schema_wrongly_refuses_is_its_own_fault() -> None:
    mail, number = (
        "/generalProductInformation/operatorInformation/emailAddress pattern",
        "/generalProductInformation/batteryPassportIdentifier pattern",
    )
    for good in ("operator@example.com", "a.b+c@sub.example.org"):
        found = findings_of(lambda v, good=good: v["generalProductInformation"]["operatorInformation"].update(emailAddress=good))
        assert found == {mail: "D002"}
    found = findings_of(lambda v: v["generalProductInformation"]["operatorInformation"].update(emailAddress="operator(at)example.com"))
    assert found == {mail: "D001"}
    for good in ("urn:uuid:0b1c36aa-36b0-4d10-8a00-000000000042", "https://id.example.com/x", "urn:Maker:A/1"):
        assert findings_of(lambda v, good=good: v["generalProductInformation"].update(batteryPassportIdentifier=good)) == {number: "D002"}
    assert findings_of(lambda v: v["generalProductInformation"].update(batteryPassportIdentifier="42")) == {number: "D001"}


def test_what_the_law_does_not_ask_of_a_category_is_not_missed() -> None:
    soce = "/performanceAndDurability/batteryCondition/stateOfCertifiedEnergy required"
    capacity = "/performanceAndDurability/batteryCondition/remainingCapacity required"

    def without(name: str, category: str) -> Any:
        def change(value: Any) -> None:
            del value["performanceAndDurability"]["batteryCondition"][name]
            value["generalProductInformation"]["batteryCategory"] = category

        return change

    assert findings_of(without("stateOfCertifiedEnergy", "lmt")) == {soce: "D002"}
    assert findings_of(without("stateOfCertifiedEnergy", "ev")) == {soce: "D001"}
    assert findings_of(without("remainingCapacity", "ev")) == {capacity: "D002"}
    assert findings_of(without("remainingCapacity", "lmt")) == {capacity: "D001"}


@pytest.mark.parametrize("model", RELEASES)
def test_every_known_defect_names_a_place_of_its_schema(model: str) -> None:
    schema = spec.schema(spec.model(model).schema)
    for row in schema["x-defects"]:
        node = schema
        *above, last = row["at"].split("/")[1:]
        for step in above:
            node = node["items"] if step == "*" else node["properties"][step]
        assert last in node["properties"] and row["reason"]
        assert row["rule"] in node["properties"][last] if row["rule"] != "required" else last in node["required"]
        assert row.keys() <= {"at", "rule", "reason", "meant", "where"}


@needs_samples
def test_a_real_suppliers_faults_are_told_from_those_of_the_schema() -> None:
    path = SAMPLES / "dpp_lint_fixtures/battery_pass-1.2.0/brandt-incoming-GeneralProductInformation.json"
    (document,) = list(formats.read(Source(str(path)), BP))
    _, log = checked(document.value, document.name)
    found = {(finding.code, finding.column.split("/")[-1]) for finding in log.findings}
    assert found == {
        ("D001", "batteryMass type"),
        ("D001", "warrentyPeriod required"),
        ("D001", "emailAddress pattern"),
        ("D002", "emailAddress pattern"),
        ("D002", "batteryPassportIdentifier pattern"),
    }


def test_the_oldest_release_is_read_and_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(FIXTURES / "formats/battery-pass/release-1.0.0/input.json")
    assert run(["convert", source, "-o", str(tmp_path / "x.json"), "-t", "battery-pass@1.0.0"]) == 2
    assert "battery-pass@1.0.0 can be read, not written" in capsys.readouterr().err
    for release in ("1.2.0", "1.2.1"):
        target = tmp_path / f"{release}.json"
        assert run(["convert", source, "-o", str(target), "-t", f"battery-pass@{release}", "-q"]) == 0
        found = json.loads(target.read_bytes())
        assert found["generalProductInformation"]["batteryMass"] == 3.1
        assert named(found) == f"battery-pass@{release}"


def test_validate_tells_the_schemas_faults_from_the_datas(capsys: pytest.CaptureFixture[str]) -> None:
    source = str(FIXTURES / "formats/battery-pass/faults/input.json")
    assert run(["validate", source, "-O", "json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    at = {(finding["code"], finding["column"].split("/")[-1]) for finding in found if finding["code"] in ("D001", "D002")}
    assert ("D001", "emailAddress pattern") in at and ("D001", "batteryMass type") in at
    assert {pair for pair in at if pair[0] == "D002"} == {("D002", "emailAddress pattern"), ("D002", "batteryPassportIdentifier pattern")}
    assert {finding["severity"] for finding in found if finding["code"] == "D002"} == {"warning"}
