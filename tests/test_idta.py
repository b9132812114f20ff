"""IDTA 02035 in its releases: what tells them, what each says of the same battery, official examples, schemas and templates."""

import io
import json
import random
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bdx import formats, mapping, spec
from bdx.canon import Chunk, Document, Log
from bdx.errors import BdxError, UnknownFormat, UnsupportedVersion
from bdx.formats.source import Source
from bdx.mapping import paths
from bdx.mapping.paths_extra import same
from bdx.mapping.transforms import make
from bdx.mapping.transforms_base import Fault, Options
from bdx.rules.documents import DocumentCheck

HERE = Path(__file__).resolve()
FIXTURES = HERE.parents[1] / "fixtures"
SAMPLES = HERE.parents[2] / "shared/samples"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the public sample files are not here")

sys.path.insert(0, str(FIXTURES / "make"))
import idta  # noqa: E402
import passports  # noqa: E402

IDTA = "idta-02035"
RELEASES = ("1.0.0", "1.0.1", "1.0.2")


def documents(data: bytes | Path, version: str = "") -> list[Document]:
    """Return the documents of a text or a file as the format reads them; `version` pins the release."""
    source = Source(str(data)) if isinstance(data, Path) else Source("-", stdin=io.BytesIO(data))  # type: ignore[arg-type]
    used = spec.format_spec(IDTA)
    if version:
        used = replace(used.release(version), pinned=True)
    return list(formats.read(source, used))  # type: ignore[arg-type]


def read(parts: list[Document], **options: Any) -> tuple[list[Chunk], Log]:
    log = Log()
    used = spec.format_spec(parts[0].name.partition("@")[0])
    return list(mapping.to_canonical(iter(parts), used, mapping.Context("in", "s1", log, used.full_id, options))), log


def written(chunks: list[Chunk], model: str, **options: Any) -> tuple[list[Any], Log]:
    log = Log()
    used = spec.model(model)
    context = mapping.Context("in", "s1", log, used.full_id, options)
    return [part.value for part in mapping.from_canonical(iter(chunks), used, context)], log  # type: ignore[union-attr]


def text_of(value: Any) -> bytes:
    return json.dumps(value).encode()


def story(version: str) -> Document:
    return Document(f"{IDTA}@{version}", idta.STORIES[version]())


def rows(chunks: list[Chunk], table: str) -> list[dict[str, Any]]:
    return [row for chunk in chunks if table in chunk for row in chunk[table].to_pylist()]


def lost(log: Log) -> set[str]:
    return {loss.what for loss in log.losses}


# ---- releases


@pytest.mark.parametrize("version", RELEASES)
def test_a_release_is_told_by_its_keys_and_survives(version: str) -> None:
    (found,) = documents(text_of(idta.STORIES[version]()))
    assert found.name == f"{IDTA}@{version}"
    chunks, log = read([found])
    assert not log.findings
    again, out = written(chunks, found.name)
    assert same(again[0], found.value) and not out.losses


@pytest.mark.parametrize(
    ("part", "version"),
    [("TechnicalData", "1.0.0"), ("TechnicalData", "1.0.2"), ("CarbonFootprint", "1.0.2"), ("ProductCondition", "1.0.2")],
)
def test_a_lone_part_tells_its_release(part: str, version: str) -> None:
    value = idta.STORIES[version]()[part]
    assert [(item.name, item.value) for item in documents(text_of(value))] == [(f"{IDTA}@{version}", {part: value})]


def test_what_no_key_tells_can_be_named() -> None:
    """A lone part 6 looks the same in grams and in kilograms."""
    value = text_of(idta.release_1_0_0()["MaterialComposition"])
    assert documents(value)[0].name == f"{IDTA}@1.0.1"
    pinned = documents(value, "1.0.0")
    assert pinned[0].name == f"{IDTA}@1.0.0"
    chunks, _ = read(pinned)
    assert [row["mass_kg"] for row in rows(chunks, "material")] == [0.93, 0.465, 0.31, 0.62]


def test_what_is_written_in_grams_says_so() -> None:
    """Nothing else might: neither an article number nor the end of a warranty need be known."""
    chunks, _ = read([Document("catenax-battery-pass@6.1.0", passports.catenax()), story("1.0.2")])
    for found in written(chunks, f"{IDTA}@1.0.0")[0]:
        found["TechnicalData"]["GeneralInformation"].pop("ManufacturerArticleNumber", None)
        found["TechnicalData"]["GeneralInformation"].pop("ManufacturerProductDesignation", None)
        assert documents(text_of(found))[0].name == f"{IDTA}@1.0.0"
    again, _ = read(documents(text_of(written(chunks, f"{IDTA}@1.0.0")[0])))
    assert [row["mass_kg"] for row in rows(again, "material")] == [row["mass_kg"] for row in rows(chunks, "material")]
    other = {"DppMetadata": {"dppSchemaVersion": "IDTA-02035:v9.0.0"}}
    with pytest.raises(UnsupportedVersion, match=r"idta-02035 9\.0\.0; bdx reads 1\.0\.0, 1\.0\.1, 1\.0\.2"):
        documents(text_of(other))


def test_releases_mean_the_same_battery() -> None:
    found = {version: read([story(version)])[0] for version in RELEASES}
    skip = {"extra", "warranty_period_months", "warranty_end_date", "model_id", "model_name"}
    first = rows(found["1.0.1"], "battery")[0]
    for version, absent in (("1.0.0", {"operating_temperature_c"}), ("1.0.2", {"cycle_life_reference_test"})):
        other = rows(found[version], "battery")[0]
        assert {name for name in first if first[name] != other[name]} - skip == absent
        assert all(other[name] is None for name in absent)
        for table in ("material", "carbon_footprint", "recycled_content", "document", "actor", "event"):
            ignored = {"extra", "unit_raw"}
            assert [{k: v for k, v in row.items() if k not in ignored} for row in rows(found[version], table)] == [
                {k: v for k, v in row.items() if k not in ignored} for row in rows(found["1.0.1"], table)
            ]
    old = rows(found["1.0.0"], "battery")[0]
    assert (old["warranty_period_months"], old["warranty_end_date"]) == (None, date(2028, 10, 31))
    assert (old["model_id"], old["model_name"]) == ("BX36-14", "BX36 14 Ah")


CROSSINGS = {
    ("1.0.0", "1.0.1"): {
        "battery.model_id",
        "battery.model_name",
        "battery.warranty_end_date",
        "battery /TechnicalData/GeneralInformation/ManufacturerOrderCode",
        "battery /TechnicalData/GeneralInformation/ManufacturerProductDesignation/*/de",
    },
    ("1.0.1", "1.0.0"): {"battery.warranty_period_months", "battery.operating_temperature_c"},
    ("1.0.1", "1.0.2"): {"battery.cycle_life_reference_test", "battery /BatteryNameplate/AddressInformation/ZipCode/*/de"},
    ("1.0.2", "1.0.1"): {"battery /BatteryNameplate/AddressInformation/Zipcode/*/de"},
    ("1.0.2", "1.0.0"): {
        "battery.warranty_period_months",
        "battery.operating_temperature_c",
        "battery /BatteryNameplate/AddressInformation/Zipcode/*/de",
    },
}


@pytest.mark.parametrize(("source", "target"), CROSSINGS)
def test_what_a_release_cannot_say_is_named(source: str, target: str) -> None:
    chunks, _ = read([story(source)])
    found, log = written(chunks, f"{IDTA}@{target}")
    assert lost(log) == CROSSINGS[source, target]
    (again,) = documents(text_of(found[0]), target)
    assert same(written(read([again])[0], again.name)[0][0], again.value)
    wanted = rows(chunks, "material")
    assert [row["mass_kg"] for row in rows(read([again])[0], "material")] == [row["mass_kg"] for row in wanted]
    if target != "1.0.0":
        # What the older release has and the newer has not is what is lost; all else is as the newer one says it.
        assert told_of(target, found[0]) == told_of(target, idta.STORIES[target]()) - LESS.get((source, target), set())


LESS = {
    ("1.0.0", "1.0.1"): {
        "TechnicalData.GeneralInformation.WarrantyInformation.WarrantyPeriod",
        "ProductCondition.TemperatureInformation.MeasuredTemp",
    },
    ("1.0.2", "1.0.1"): {"TechnicalData.TechnicalPropertyAreas.Lifetime.CycleLifeReferenceTest[]"},
}


def told_of(version: str, value: Any) -> set[str]:
    """Return the paths of all leaves of a document, languages and the schema version (which no other release writes) apart."""
    skip = ("DppMetadata.dppSchemaVersion", "HandoverDocumentation")
    return {path for path in leaves(value) if not path.startswith(skip)}


def leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict) and not value.keys() <= {"de", "en", "und"}:
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for item in value:
            yield from leaves(item, f"{path}[]")
    elif value != []:
        yield path


def test_grams_are_moved_not_multiplied() -> None:
    value = idta.release_1_0_0()
    value["MaterialComposition"]["BatteryMaterials"][0]["BatteryMaterialMass"] = 1005.7
    chunks, _ = read([Document(f"{IDTA}@1.0.0", value)])
    assert rows(chunks, "material")[0]["mass_kg"] == 1.0057
    assert written(chunks, f"{IDTA}@1.0.0")[0][0]["MaterialComposition"]["BatteryMaterials"][0]["BatteryMaterialMass"] == 1005.7
    newest = written(chunks, f"{IDTA}@1.0.1")[0][0]
    assert newest["MaterialComposition"]["BatteryMaterials"][0]["BatteryMaterialMass"] == 1.0057


def test_capacity_now_is_the_same_number_in_every_release() -> None:
    """Its declared unit, kWh before 1.0.2, is a mistake of the model."""
    for version in RELEASES:
        assert rows(read([story(version)])[0], "battery")[0]["remaining_capacity_ah"] == 13.93


def test_a_month_is_its_last_day_and_a_day_loses_its_day() -> None:
    used = make(spec.table("battery").column("warranty_end_date"), {"at": "x", "as": "year-month"}, Options())
    for month, day in (("2028-02", "2028-02-29"), ("2031-12", "2031-12-31"), ("1900-02", "1900-02-28")):
        assert used.read(month) == (date.fromisoformat(day) - date(1970, 1, 1)).days
        assert used.write(used.read(month)) == month
    assert used.read("2031-10Z") == used.read("2031-10") and used.part
    for raw, code in (("2031-13", "M004"), ("2031", "M004"), ("P24M", "M004"), ("0000-01", "M004"), (2031, "M001")):
        with pytest.raises(Fault) as caught:
            used.read(raw)
        assert caught.value.code == code


# ---- what the careless write


def test_careless_shapes_are_read_and_kept() -> None:
    (found,) = documents(FIXTURES / "formats/idta-02035/careless/input.json")
    for language, name in (("", "Example Battery Ltd"), ("de", "Beispiel Akku GmbH")):
        chunks, log = read([found], language=language)
        battery = rows(chunks, "battery")[0]
        assert battery["manufacturer_name"] == name and not log.findings
        assert (battery["manufacturer_city"], battery["manufacturer_country"], battery["battery_status"]) == (
            "Musterstadt",
            "DE",
            "original",
        )
        assert battery["extinguishing_agents"] == ["water"]
        assert rows(chunks, "actor")[0]["name"] == "Beispiel Ersatzteile GmbH"
        footprint = rows(chunks, "carbon_footprint")[1]
        assert (footprint["stage"], footprint["methods"], footprint["functional_unit"]) == ("raw_material", ["ISO 14067"], "kwh")
        assert same(written(chunks, IDTA, language=language)[0][0], found.value)
    log = Log()
    check = DocumentCheck(log, "x")
    check.check([found])
    assert check.failed == 1 and {finding.code for finding in log.findings} == {"D001"}


def test_both_spellings_of_a_key_are_read_in_every_release() -> None:
    mixed = idta.release_1_0_2()
    mixed["CarbonFootprint"]["ProductCarbonFootprints"][1]["PcfCo2eq"] = mixed["CarbonFootprint"]["ProductCarbonFootprints"][1].pop(
        "PcfCO2eq"
    )
    areas = mixed["TechnicalData"]["TechnicalPropertyAreas"]
    areas["Resistance"]["InitialInternalResistanceAtBatteryPackLevel"] = areas["Resistance"].pop(
        "InitialInternalResistanceOnBatteryPackLevel"
    )
    power = areas["PowerCapability"]
    power["RatioNorminalBatteryPowerAndBatteryEnergy"] = power.pop("RatioNominalBatteryPowerAndBatteryEnergy")
    for version in ("1.0.1", "1.0.2"):
        chunks, log = read([Document(f"{IDTA}@{version}", mixed)])
        battery = rows(chunks, "battery")[0]
        assert battery["initial_internal_resistance_pack_ohm"] == 0.085 and battery["initial_internal_resistance_cell_ohm"] == 0.025
        assert battery["power_energy_ratio_w_per_wh"] == 1.488 and battery["cycle_life_test_c_rate"] == 1.0
        assert battery["remaining_power_w"] == 693.0 and battery["manufacturer_postal_code"] == "12345"
        assert [row["value"] for row in rows(chunks, "carbon_footprint")[:2]] == [Decimal("0.083"), Decimal("0.052")]
        assert not log.findings and same(written(chunks, f"{IDTA}@{version}")[0][0], mixed)


# ---- lists that say more than a column


def test_power_at_other_states_of_charge_is_rows() -> None:
    value = idta.points()
    for version in ("1.0.1", "1.0.0"):
        chunks, _ = read([Document(f"{IDTA}@{version}", value)])
        battery = rows(chunks, "battery")[0]
        assert (battery["original_power_w_at_80_soc"], battery["original_power_w_at_20_soc"]) == (720.0, 600.0)
        points = [(row["kind"], row["state_of_charge_percent"], row["power_w"]) for row in rows(chunks, "power_capability")]
        assert points == [("original", 100.0, 760.0), ("original", 50.0, 660.0), ("original", 10.0, 580.0)]
        assert same(written(chunks, f"{IDTA}@{version}")[0][0], value)
    found, log = written(chunks, f"{IDTA}@1.0.2")
    power = found[0]["TechnicalData"]["TechnicalPropertyAreas"]["PowerCapability"]["OriginalPowerCapability"]
    assert sorted(point["atSoc"] for point in power) == [10, 20, 50, 80, 100] and "power_capability" not in lost(log)


@pytest.mark.parametrize(
    ("phases", "unit", "stage", "functional"),
    [
        (["A1 - raw material supply (and upstream production)"], "kwH", "raw_material", "kwh"),
        (["A3 - production"], "kWh", "production", "kwh"),
        (["A4 - transport to final destination"], "kwH", "distribution", "kwh"),
        (["C3 - recycling, waste treatment"], "kwH", "end_of_life", "kwh"),
        (list(reversed(spec.facts("mappings", IDTA)["words"]["phase"].values())), "piece", "total", "piece"),
        (["A1-A3"], "piece", "other", "piece"),
        (["A3 - production", "A4 - transport to final destination"], "kg", "other", "other"),
    ],
)
@pytest.mark.parametrize("version", RELEASES)
def test_phases_and_units_of_a_footprint(version: str, phases: list[str], unit: str, stage: str, functional: str) -> None:
    value = idta.STORIES[version]()["CarbonFootprint"]
    entry = value["ProductCarbonFootprints"][0]
    entry.update(LifeCyclePhases=phases, ReferenceImpactUnitForCalculation=unit)
    part = Document(f"{IDTA}@{version}", {"CarbonFootprint": value})
    chunks, _ = read([part])
    row = rows(chunks, "carbon_footprint")[0]
    assert (row["stage"], row["functional_unit"]) == (stage, functional)
    assert same(written(chunks, part.name)[0][0], part.value)


def test_the_word_of_a_unit_is_that_of_the_release() -> None:
    chunks, _ = read([Document("catenax-battery-pass@6.1.0", passports.catenax())])
    for version, word in (("1.0.0", "kwH"), ("1.0.1", "kwH"), ("1.0.2", "kWh")):
        entry = written(chunks, f"{IDTA}@{version}")[0][0]["CarbonFootprint"]["ProductCarbonFootprints"][0]
        assert entry["ReferenceImpactUnitForCalculation"] == word and entry["QuantityOfMeasureForCalculation"] == 1.0


def test_documents_are_named_by_identifier_here_and_by_url_elsewhere() -> None:
    value = idta.documents()
    chunks, log = read([Document(IDTA, value)])
    assert [(item.code, item.table, item.column, item.value) for item in log.findings] == [
        ("M008", "carbon_footprint", "study_url", "cf-study-2"),
    ]
    assert same(written(chunks, IDTA)[0][0], value)
    found, _ = written(chunks, "catenax-battery-pass")
    text = json.dumps(found[0])
    assert "https://docs.example.com/bx36-14/accident-1.pdf" in text and "https://docs.example.com/bx36-14/cycle-life.pdf" in text
    studies = [entry["declaration"][0]["content"] for entry in found[0]["sustainability"]["carbonFootprint"]]
    assert studies == ["https://docs.example.com/bx36-14/cf-study.pdf"] * 4 + ["cf-study-2"]


def test_every_reference_that_is_written_resolves() -> None:
    """From models that name documents by URL: part 2 has an entry for each."""
    chunks, _ = read([Document("catenax-battery-pass@6.1.0", passports.catenax())])
    for version in RELEASES:
        found = written(chunks, f"{IDTA}@{version}")[0][0]
        listed = {item["DocumentIdentifier"] for paper in found["HandoverDocumentation"]["Documents"] for item in paper["DocumentIds"]}
        named = {
            *found["BatteryNameplate"]["EUDeclarationOfConformity"],
            *found["BatteryNameplate"]["ResultsOfTestReportsProvingCompliance"],
            *found["Circularity"]["DismantlingAndRemovalInformation"],
            *found["Circularity"]["SafetyMeasures"]["SafetyInstructions"],
            *found["Circularity"]["EndOfLifeInformation"]["WastePrevention"],
        }
        assert len(named) > 4 and named <= listed


# ---- official examples


def examples() -> list[tuple[Path, str, int]]:
    """Return (file, release, violations of its own schema) of every official example."""
    known = {
        "idta_batterypass_carbon_footprint/1.0.0/CarbonFootprintBattery.json": ("1.0.1", 2),
        "idta_batterypass_circularity/1.0.0/CircularityBattery.json": ("1.0.1", 6),
        "idta_batterypass_digital_nameplate/1.0.0/NameplateBattery.json": ("1.0.1", 23),
        "idta_batterypass_handover_documentation/1.0.0/HandoverDocumentationBattery.json": ("1.0.1", 1),
        "idta_batterypass_material_composition/1.0.1/MaterialCompositionBattery.json": ("1.0.1", 0),
        "idta_batterypass_product_condition/1.0.0/ProductConditionBattery.json": ("1.0.1", 0),
        "idta_batterypass_technical_data/1.0.1/TechnicalDataBattery.json": ("1.0.1", 0),
        "idta_dpp_metadata/1.0.0/DppMetadata.json": ("1.0.1", 0),
        "ichub_idta_batterypass/2026-07/idta-BatteryPass-CarbonFootprintBattery-example.json": ("1.0.1", 0),
        "ichub_idta_batterypass/2026-07/idta-BatteryPass-HandoverDocumentationBattery-example.json": ("1.0.1", 0),
        "ichub_idta_batterypass/2026-07/idta-BatteryPass-MaterialCompositionBattery-example.json": ("1.0.1", 0),
    }
    return [(SAMPLES / "passport" / path, *facts) for path, facts in known.items()]


@needs_samples
def test_no_official_example_is_forgotten() -> None:
    found = {path for pattern in ("idta_batterypass_*", "ichub_*", "idta_dpp*") for path in SAMPLES.glob(f"passport/{pattern}/*/*.json")}
    assert {path for path in found if not path.name.endswith("-schema.json")} == {path for path, _, _ in examples()}


@needs_samples
@pytest.mark.parametrize(("path", "release", "violations"), examples(), ids=lambda value: value.name if isinstance(value, Path) else None)
def test_official_examples_are_read_whole_checked_and_written_back(path: Path, release: str, violations: int) -> None:
    assert formats.detect(Source(str(path))).id == IDTA
    (found,) = documents(path)
    assert found.name == f"{IDTA}@{release}"
    assert list(found.value.values()) == [json.loads(path.read_text("utf-8"))]
    for options in ({}, {"assume_tz": "Europe/Berlin"}, {"language": "de"}):
        chunks, _ = read([found], **options)
        again, out = written(chunks, found.name, **options)
        assert same(again[0], found.value) and not out.losses
    log = Log()
    check = DocumentCheck(log, "x")
    check.check([found])
    assert sum(finding.count for finding in log.findings) == violations
    assert check.failed == bool(violations)


@needs_samples
def test_lists_given_as_scalars_are_read_whole() -> None:
    whole: dict[str, Any] = {}
    for path, _, violations in examples():
        if violations:
            whole |= documents(path)[0].value
    assert len(whole) == 4
    chunks, _ = read([Document(IDTA, whole)], assume_tz="UTC")
    battery = rows(chunks, "battery")[0]
    assert (battery["manufacturer_name"], battery["manufacturer_country"]) == ("Muster AG", "DE")
    assert battery["battery_key"] == "A12345-X75EN" and battery["extinguishing_agents"] == ["0ds2fkjV"]
    footprint = rows(chunks, "carbon_footprint")[0]
    assert (footprint["methods"], footprint["stage_raw"], footprint["stage"]) == (["ISO 14067"], "C4 - landfill", "other")
    assert rows(chunks, "actor")[0]["name"] == "ABC Company"
    assert next(row["language"] for row in rows(chunks, "document") if row["role"] == "handover") == "en"
    assert same(written(chunks, IDTA)[0][0], whole)


@needs_samples
def test_examples_of_other_models_are_not_taken_for_this_one() -> None:
    own = {path for path, _, _ in examples()}
    manifest = (SAMPLES / "passport/MANIFEST.tsv").read_text("utf-8").splitlines()[1:]
    others = [SAMPLES / "passport" / line.split("\t")[0] for line in manifest if line.split("\t")[1] == "example"]
    others = [path for path in others if path not in own and path.suffix == ".json"]
    assert len(others) > 100
    for path in others:
        try:
            assert formats.detect(Source(str(path))).id != IDTA, path
        except (UnknownFormat, UnsupportedVersion):
            continue


@needs_samples
@pytest.mark.parametrize("target", ["catenax-battery-pass", "battery-pass"])
def test_official_examples_cross_to_other_models(target: str) -> None:
    """Whatever is official here can be written there, and read again."""
    if not spec.has("formats", target):
        pytest.skip(f"{target} is not among the formats")
    for path, _, _ in examples():
        chunks, _ = read(documents(path), assume_tz="UTC")
        found, _ = written(chunks, target)
        assert len(found) == 1
        again, log = read([Document(spec.format_spec(target).full_id, found[0])])
        assert len(rows(again, "battery")) == 1
        assert not {finding.code for finding in log.findings} - {"M006"}, path.name


# ---- conversion of the story


STORY_LOSSES = tomllib.loads((HERE.parent / "idta_losses.toml").read_text("utf-8"))


@pytest.mark.parametrize("target", STORY_LOSSES)
def test_what_another_model_cannot_carry_is_known(target: str) -> None:
    if not spec.has("formats", target):
        pytest.skip(f"{target} is not among the formats")
    chunks, _ = read([story("1.0.1")])
    _, out = written(chunks, target)
    assert lost(out) == {table + what for table, every in STORY_LOSSES[target].items() for what in every}


@pytest.mark.parametrize("target", STORY_LOSSES)
@pytest.mark.parametrize("version", RELEASES)
def test_the_story_crosses_to_another_model_and_back(target: str, version: str) -> None:
    """Every value of the battery that both models have a place for is the same again, or was named as lost."""
    if not spec.has("formats", target):
        pytest.skip(f"{target} is not among the formats")
    chunks, _ = read([story(version)])
    there, out = written(chunks, target)
    back, _ = written(read([Document(spec.format_spec(target).full_id, there[0])])[0], f"{IDTA}@{version}")
    before, after = rows(chunks, "battery")[0], rows(read([Document(f"{IDTA}@{version}", back[0])])[0], "battery")[0]
    both = {name.partition(".")[2] for name in paths.supplies(IDTA) & paths.supplies(target) if name.startswith("battery.")}
    said = {what.removeprefix("battery.") for what in lost(out)}
    # A document by the identifier that part 2 has for it comes back by its URL.
    skip = said | {"battery_key", "passport_schema_version", "cycle_life_reference_test"}
    assert len(both) > 50
    assert {name: (before[name], after[name]) for name in both - skip if before[name] != after[name]} == {}


# ---- schemas


PARTS = {
    "BatteryNameplate": ("digital_nameplate", "NameplateBattery"),
    "HandoverDocumentation": ("handover_documentation", "HandoverDocumentationBattery"),
    "CarbonFootprint": ("carbon_footprint", "CarbonFootprintBattery"),
    "TechnicalData": ("technical_data", "TechnicalDataBattery"),
    "ProductCondition": ("product_condition", "ProductConditionBattery"),
    "MaterialComposition": ("material_composition", "MaterialCompositionBattery"),
    "Circularity": ("circularity", "CircularityBattery"),
    "DppMetadata": ("", "DppMetadata"),
}


@cache
def official(part: str, version: str) -> Any:
    """Return the official schema of a part in a release of the whole; a part without that version has its nearest older one."""
    folder, name = PARTS[part]
    held = SAMPLES / "passport" / (f"idta_batterypass_{folder}" if folder else "idta_dpp_metadata")
    paths_ = [held / found / f"{name}-schema.json" for found in (version, "1.0.0")]
    return json.loads(next(path for path in paths_ if path.exists()).read_text("utf-8"))


@needs_samples
@pytest.mark.parametrize("version", ["1.0.0", "1.0.1"])
@pytest.mark.parametrize("part", PARTS)
def test_our_schema_judges_as_the_official_one(part: str, version: str) -> None:
    import jsonschema
    from test_documents import mutated

    theirs = jsonschema.Draft4Validator(official(part, version))
    ours = jsonschema.Draft202012Validator(spec.schema(spec.model(f"{IDTA}@{version}").schema))
    bases = [idta.STORIES[version]()[part]]
    bases += [found for path, _, _ in examples() if part in (found := documents(path)[0].value)][:2]
    values = [base.get(part, base) for base in bases]
    chance = random.Random(f"{part} {version}")
    verdicts = []
    for number in range(200):
        value = values[number] if number < len(values) else mutated(values[number % len(values)], chance)
        verdict = theirs.is_valid(value)
        assert ours.is_valid({part: value}) == verdict, f"{number}: {list(theirs.iter_errors(value))[:1]}"
        verdicts.append(verdict)
    assert theirs.is_valid(values[0])
    assert 5 < sum(verdicts) < 195


TEMPLATES = {
    "BatteryNameplate": "aas/newest_from_smtv/02035-1_v1.1.json",
    "CarbonFootprint": "aas/02035/part3_v1.0.json",
    "TechnicalData": "aas/newest_from_smtv/02035-4_v1.0.2.json",
    "ProductCondition": "aas/newest_from_smtv/02035-5_v1.0.2.json",
    "MaterialComposition": "aas/02035/part6_v1.0.1.json",
    "Circularity": "aas/02035/part7_v1.0.1.json",
}


@needs_samples
@pytest.mark.parametrize("part", TEMPLATES)
def test_the_newest_release_has_the_names_of_the_templates(part: str) -> None:
    """Every element of a template is named in our schema, required where it stands once, and nothing else is."""
    model = json.loads((SAMPLES / TEMPLATES[part]).read_text("utf-8"))["submodels"][0]
    wanted = set(elements(model["submodelElements"]))
    schema = spec.schema(f"{IDTA}@1.0.2")
    found = set(named(schema["properties"][part], schema))
    # The address is a template of its own, from which this one takes the whole; its cardinalities are not said here.
    outside = ("AddressInformation.", "GeneralInformation.WarrantyInformation")
    assert {item for item in found if not item[0].startswith(outside)} == {item for item in wanted if not item[0].startswith(outside)}


def elements(items: list[Any], path: str = "") -> Iterator[tuple[str, bool]]:
    """Yield path and whether it must be there; what stands in a list has a name in older templates, which is no key."""
    for item in items:
        at = f"{path}.{item['idShort']}" if path else item["idShort"]
        yield at, next((q["value"] for q in item.get("qualifiers", ()) if q["type"].endswith("ardinality")), "").startswith("One")
        if item["modelType"] == "SubmodelElementCollection":
            yield from elements(item.get("value", []), at)
        elif item["modelType"] == "SubmodelElementList":
            for inner in item["value"]:
                if inner["modelType"] == "SubmodelElementCollection":
                    yield from elements(inner["value"], f"{at}[]")


def named(node: Any, schema: Any, path: str = "") -> Iterator[tuple[str, bool]]:
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    for key, inner in node.get("properties", {}).items():
        if key in ("value", "contentType"):
            continue
        yield f"{path}.{key}" if path else key, key in node.get("required", ())
        yield from named(inner, schema, f"{path}.{key}" if path else key)
    if "items" in node:
        yield from named(node["items"], schema, f"{path}[]")


@pytest.mark.parametrize("version", RELEASES)
def test_the_story_is_valid_in_its_release(version: str) -> None:
    log = Log()
    check = DocumentCheck(log, "x")
    check.check([story(version)])
    assert (check.checked, check.failed, log.findings) == (1, 0, [])


def test_a_release_is_held_to_its_own_schema() -> None:
    log = Log()
    check = DocumentCheck(log, "x")
    check.check([Document(f"{IDTA}@1.0.1", idta.release_1_0_0()), Document(f"{IDTA}@1.0.0", idta.release_1_0_0())])
    assert (check.checked, check.failed) == (2, 1)
    assert {finding.column for finding in log.findings} == {"/TechnicalData/GeneralInformation/WarrantyInformation required"}


def test_hostile_parts_raise_only_our_errors() -> None:
    chance = random.Random(3)
    data = text_of(idta.release_1_0_2())
    for _ in range(150):
        cut = bytearray(data)
        del cut[chance.randrange(len(cut)) :]
        for _ in range(chance.choice([0, 1, 3])):
            if cut:
                cut[chance.randrange(len(cut))] = chance.randrange(256)
        try:
            read(documents(bytes(cut)))
        except BdxError:
            continue
