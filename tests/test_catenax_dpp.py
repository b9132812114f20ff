"""The Catena-X generic product passport 5.0.0 to 7.0.0: told apart and from battery passports, written back equal, judged as officially."""

import json
import random
from typing import Any

import pytest
from making import generator
from passport_reading import (
    SAMPLES,
    agrees,
    assert_survives_and_is_valid,
    back,
    crossed,
    faults,
    judged,
    lost,
    mutated,
    needs_samples,
    read,
    rows,
    source_of,
    taken_for,
    told,
)

from bdx import formats, spec
from bdx.canon import Document
from bdx.errors import UnsupportedVersion
from bdx.formats.source import Source
from bdx.mapping.paths_extra import same
from bdx.pipeline import losing

make = generator("catenax_dpp")
passports = generator("passports")
ID = "catenax-dpp"
STORIES = {f"{ID}@{version}": release for version, release in make.RELEASES.items()}


# ---- which model and release a document is


@pytest.mark.parametrize("model", STORIES)
def test_release_is_told_by_its_keys(model: str) -> None:
    assert told(STORIES[model]()) == model


@pytest.mark.parametrize(
    ("value", "version"),
    [
        (
            {
                "metadata": {"specVersion": "urn:io.catenax.generic.digital_product_passport:6.1.0"},
                "identification": {},
                "materials": {"materialComposition": {}},
            },
            "6.1.0",
        ),
        ({"metadata": {"language": "en"}, "identification": {}, "sustainability": {"productFootprint": {}}}, "6.0.0"),
        ({"metadata": {}, "identification": {}, "sustainability": {"productFootprint": {}}}, "5.0.0"),
        ({"metadata": {}, "composition": {"materialInformation": {"materials": []}}}, "7.0.0"),
    ],
)
def test_few_keys_are_enough(value: dict[str, Any], version: str) -> None:
    assert told(value) == f"{ID}@{version}"


@pytest.mark.parametrize("keep", [True, False])
def test_a_battery_passport_is_none_of_it_with_additional_data_or_without(keep: bool) -> None:
    value = make.release_6_1()
    if not keep:
        del value["additionalData"]
    assert told(value) == f"{ID}@6.1.0"
    assert told(passports.catenax()) == "catenax-battery-pass@6.1.0"


@pytest.mark.parametrize(
    ("change", "version"),
    [
        ({"typology": {}, "metadata": {"passportIdentifier": "x", "economicOperator": {}}}, "3.0.0"),
        ({"typology": {}, "metadata": {"economicOperator": {}}}, "2.0.0"),
        ({"handling": {"spareParts": {}}}, "4.0.0"),
    ],
)
def test_older_releases_are_refused_by_name_with_advice(change: dict[str, Any], version: str) -> None:
    value = {**make.release_5_0(), **change}
    item = formats.detect(source_of(value))
    assert item.id == ID
    with pytest.raises(UnsupportedVersion, match=rf"is catenax-dpp {version} .*reads 5\.0\.0, .*newer release"):
        list(formats.read(source_of(value), item))


def test_what_a_connector_wraps_around_it_is_named() -> None:
    value = {"metadata": {"negotiation": {"@type": "NegotiationInitiateRequestDto"}}, "aspect": make.release_7_0()}
    with pytest.raises(UnsupportedVersion, match=r"connector around an aspect.*give the aspect"):
        formats.detect(source_of(value))


@needs_samples
def test_only_its_own_examples_are_taken_for_it() -> None:
    taken = taken_for(ID)
    assert taken == {
        "catenax_dpp/6.1.0/DigitalProductPassport.json": f"{ID}@6.1.0",
        "catenax_dpp/7.0.0/DigitalProductPassport.json": f"{ID}@7.0.0",
        "tractusx_demo/HEAD/example.json": f"{ID}@5.0.0",
        "tractusx_demo/HEAD/example_explorer.json": f"{ID}@5.0.0",
    }


@needs_samples
@pytest.mark.parametrize("version", ["2.0.0", "3.0.0", "4.0.0"])
def test_official_examples_of_older_releases_are_refused_by_name(version: str) -> None:
    path = SAMPLES / "catenax_dpp" / version / "DigitalProductPassport.json"
    with pytest.raises(UnsupportedVersion, match=f"is catenax-dpp {version}"):
        list(formats.read(Source(str(path)), formats.detect(Source(str(path)))))


# ---- the same release: nothing is lost


@pytest.mark.parametrize("model", STORIES)
def test_story_survives_and_is_valid(model: str) -> None:
    assert_survives_and_is_valid(model, STORIES[model])


@needs_samples
@pytest.mark.parametrize(
    ("name", "version", "valid"),
    [
        ("catenax_dpp/6.1.0/DigitalProductPassport.json", "6.1.0", True),
        ("catenax_dpp/7.0.0/DigitalProductPassport.json", "7.0.0", True),
        ("tractusx_demo/HEAD/example.json", "5.0.0", True),
        ("tractusx_demo/HEAD/example_explorer.json", "5.0.0", False),
    ],
)
def test_official_example_survives(name: str, version: str, valid: bool) -> None:
    value = json.loads((SAMPLES / name).read_text("utf-8"))
    found, out = back(value, f"{ID}@{version}")
    assert same(found, value) and not out.losses
    assert (not judged(value, f"{ID}@{version}")) == valid


@pytest.mark.parametrize("model", STORIES)
def test_any_document_survives_its_own_release(model: str) -> None:
    story = STORIES[model]()
    for seed in range(150):
        value = mutated(story, random.Random(seed))
        found, out = back(value, model)
        assert same(found, value), seed
        assert not out.losses


# ---- what it means


def test_categories_say_what_documents_are_for() -> None:
    chunks, _ = read([make.release_7_0()], f"{ID}@7.0.0")
    roles = [row["role"] for row in rows(chunks, "document")]
    words = spec.facts("mappings", ID)["words"]["category"]
    assert roles[0] == "product_image" and roles[-1] == "documentation"
    assert {words[role] for role in roles[1:-1]} == {category for _, category in make.CATEGORIES.values()} - {"User Manuals and Guides"}
    assert rows(chunks, "document")[-1]["class_id"] == "User Manuals and Guides"


def test_what_is_hazardous_is_a_row_of_its_own_within_its_material() -> None:
    value = make.release_7_0()
    chunks, _ = read([value], f"{ID}@7.0.0")
    (hazard,) = rows(chunks, "hazardous_substance")
    assert (hazard["identifier"], hazard["identifier_type"], hazard["hazard_class"]) == ("21324-40-3", "CAS", "Acute toxicity")
    assert hazard["component"] == "electrolyte"
    old, _ = crossed(value, f"{ID}@7.0.0", f"{ID}@6.1.0")
    assert [one["id"][0]["id"] for one in old["materials"]["substancesOfConcern"]["content"]] == ["21324-40-3"]
    assert old["materials"]["substancesOfConcern"]["applicable"] is True
    new, log = crossed(old, f"{ID}@6.1.0", f"{ID}@7.0.0")
    inside = [one.get("substancesOfConcernInformation") for one in new["composition"]["materialInformation"]["materials"]]
    assert inside[:4] == [None] * 4, "the others are not said to be harmless"
    assert inside[4]["applicable"] is True and inside[4]["content"]["hazardClassifications"][0]["hazardClass"] == "Acute toxicity"
    assert "hazardous_substance" not in lost(log)


def test_a_hazardous_substance_that_is_no_material_of_the_list_is_lost_by_name() -> None:
    value = make.release_6_1()
    _, log = crossed(value, f"{ID}@6.1.0", f"{ID}@7.0.0")
    assert "hazardous_substance" in lost(log)


def test_a_warranty_in_other_units_than_months() -> None:
    value = make.release_7_0()
    value["characteristics"]["lifespan"][0].update(lifeValue=2, lifeUnit="unit:year")
    chunks, log = read([value], f"{ID}@7.0.0")
    assert rows(chunks, "battery")[0]["warranty_period_months"] == 24 and not log.findings
    value["characteristics"]["lifespan"][0].update(lifeValue=36, lifeUnit="unit:day")
    chunks, log = read([value], f"{ID}@7.0.0")
    assert rows(chunks, "battery")[0]["warranty_period_months"] is None
    assert faults(log) == {("M007", "/characteristics/lifespan")}
    assert same(back(value, f"{ID}@7.0.0")[0], value)


def test_faults_are_named_one_by_one() -> None:
    chunks, log = read([make.faults()], f"{ID}@7.0.0")
    assert faults(log) == {
        ("M004", "/commercial/placedOnMarket"),
        ("M002", "/sustainability/productStatus"),
        ("M001", "/characteristics/physicalDimension/weight/value"),
        ("M007", "/characteristics/physicalDimension/length/value"),
        ("M003", "/identification/dataCarriers"),
        ("M007", "/sustainability/productFootprint/carbon/1/value"),
    }
    assert rows(chunks, "battery")[0]["battery_mass_kg"] is None, "and nothing is guessed"


# ---- from one model to another


def test_neighbouring_releases_keep_all_that_both_have() -> None:
    story = make.release_6_1()
    found, log = crossed(story, f"{ID}@6.1.0", f"{ID}@6.0.0")
    assert not log.losses and same(found, make.release_6_0())
    again, log = crossed(found, f"{ID}@6.0.0", f"{ID}@6.1.0")
    assert not log.losses and same(again, story)


def test_the_battery_passport_has_all_but_what_is_any_products() -> None:
    found, log = crossed(make.release_6_1(), f"{ID}@6.1.0", "catenax-battery-pass@6.1.0")
    assert lost(log) == {
        "battery /additionalData",
        "battery /characteristics/physicalDimension/grossVolume",
        "battery /characteristics/physicalDimension/grossWeight",
        "battery /characteristics/physicalDimension/volume",
        "battery /characteristics/physicalState",
        "battery /commercial/recallInformation",
        "battery /identification/classification",
        "battery /identification/codes",
        "battery /metadata/language",
        "battery /operation/import",
        "carbon_footprint /declaration/*/contentType",
        "carbon_footprint /declaration/*/header",
        "carbon_footprint /rulebook/*/contentType",
        "carbon_footprint /rulebook/*/header",
        "hazardous_substance /concentrationRange",
        "hazardous_substance /documentation",
        "hazardous_substance /exemption",
        "hazardous_substance /hazardClassification/category",
        "hazardous_substance /hazardClassification/statement",
        "hazardous_substance.hazard_class",
        "material /documentation",
    }
    whole = passports.catenax()
    for path in (("operation", "manufacturer"), ("commercial",), ("sources",), ("characteristics", "warranty")):
        there, here = whole, found
        for key in path:
            there, here = there[key], here[key]
        assert same(there, here), path


# What a battery passport holds and the generic one has no place for, beside its performance.
GENERIC = {
    "battery.battery_category",
    "battery.battery_chemistry",
    "battery.battery_id",
    "battery.cycle_life_reference_test",
    "battery.eu_declaration_of_conformity_id",
    "battery.extinguishing_agents",
    "battery.extinguishing_fire_class",
    "battery.put_into_service_date",
}


HEADER = {f"battery.{name}" for name in ("battery_chemistry_name", "passport_granularity", "passport_last_update", "passport_status")}


@pytest.mark.parametrize("source", ["catenax-battery-pass@6.1.0", "idta-02035@1.0.1"])
def test_what_is_a_batterys_alone_is_lost_by_name(source: str) -> None:
    story = passports.catenax() if source.startswith("catenax") else passports.idta()
    found, log = crossed(story, source, f"{ID}@7.0.0")
    gone = {what for what in lost(log) if what.startswith("battery.")}
    units = ("_ah", "_kwh", "_percent", "_v", "_w", "_ohm", "_c", "_time", "_soc", "_month", "_years", "_cycles", "_wh", "_rate", "_min")
    assert {what for what in gone if not what.endswith(units)} <= GENERIC | HEADER
    assert {"battery.rated_capacity_ah", "battery.battery_category"} <= gone
    assert all(reason.endswith(("required", "enum")) for reason in judged(found, f"{ID}@7.0.0")), "what is missing is missing, not made up"


def test_loss_knows_the_generic_passport() -> None:
    lost_to = {item.attribute for item in losing.loss("catenax-battery-pass", ID).lost}
    assert {"battery.rated_capacity_ah", "battery.battery_id", "material.renewable_percent"} <= lost_to
    assert "battery.battery_mass_kg" not in lost_to


# ---- the schema


@needs_samples
@pytest.mark.parametrize("version", make.RELEASES)
def test_our_schema_judges_as_the_official_one(version: str) -> None:
    official = json.loads((SAMPLES / "catenax_dpp" / version / "DigitalProductPassport-schema.json").read_text("utf-8"))
    values = [make.RELEASES[version]()]
    example = SAMPLES / "catenax_dpp" / ("7.0.0" if version == "7.0.0" else "6.1.0") / "DigitalProductPassport.json"
    values.append(json.loads(example.read_text("utf-8")))
    valid, wrong = agrees(f"{ID}@{version}", official, values)
    assert not wrong and 5 < valid < 195


def test_a_document_of_one_release_is_held_to_its_schema() -> None:
    assert judged(make.release_6_1(), f"{ID}@6.1.0") == set()
    assert Document(f"{ID}@6.1.0", {}).name.endswith("6.1.0") and judged({}, f"{ID}@6.1.0") > {"/metadata required"}


def test_generated_fixtures_are_the_committed_ones() -> None:
    text = (make.FIXTURES / "formats" / ID / "story/input.json").read_text("utf-8")
    assert json.loads(text) == make.release_7_0()
