"""The UNTP product passport 0.4.0 to 0.6.1: an unsigned credential told by its context, shares and units exact, nothing made up."""

import json
import random
from decimal import Decimal
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
    written,
)

from bdx import canon, formats, spec
from bdx.errors import UnknownFormat, UnsupportedVersion
from bdx.mapping.paths_extra import same
from bdx.pipeline import losing

make = generator("untp")
passports = generator("passports")
ID = "untp-dpp"
STORIES = {f"{ID}@{version}": release for version, release in make.RELEASES.items()}
OFFICIAL = {
    "0.4.0": "0.4.0/DigitalProductPassport_instance-v0.4.0.json",
    "0.4.1": "0.4.1/DigitalProductPassport_instance-v0.4.1.json",
    "0.4.2": "0.4.2/DigitalProductPassport_instance-v0.4.2.json",
    "0.6.0": "0.6.0/ref-impl-example-data.json",
    "0.6.1": "0.6.1-main/untp-dpp-instance.json",
}
SIMPLE = "0.6.1-main/product-passport-simple.json"


def official(name: str) -> Any:
    return json.loads((SAMPLES / "untp_dpp" / name).read_text("utf-8"))


# ---- which model and release a document is


@pytest.mark.parametrize("model", STORIES)
def test_release_is_told_by_its_context(model: str) -> None:
    assert told(STORIES[model]()) == model


@pytest.mark.parametrize("model", STORIES)
def test_release_is_told_by_its_keys_where_the_context_says_nothing(model: str) -> None:
    value = STORIES[model]()
    value["@context"] = value["@context"][:1]
    # 0.4.1 and 0.4.2 have the same keys.
    assert told(value) == model.replace("0.4.1", "0.4.2")


@pytest.mark.parametrize("version", ["0.3.10", "0.7.0"])
def test_other_releases_are_refused_by_name(version: str) -> None:
    value = make.untp()
    value["@context"][1] = f"https://test.uncefact.org/vocabulary/untp/dpp/{version}/"
    with pytest.raises(UnsupportedVersion, match=rf"is untp-dpp {version}; bdx reads 0\.4\.0, .*0\.6\.1"):
        list(formats.read(source_of(value), formats.detect(source_of(value))))


def test_the_draft_context_is_read_as_its_release() -> None:
    value = make.untp()
    value["@context"][1] = "https://test.uncefact.org/vocabulary/untp/dpp/working/"
    assert told(value) == f"{ID}@0.6.1" and not judged(value, f"{ID}@0.6.1")
    found, _ = back(value, f"{ID}@0.6.1")
    assert same(found, value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": ["DigitalConformityCredential", "VerifiableCredential"]}, "no product passport"),
        ({"type": ["DigitalFacilityRecord", "VerifiableCredential"]}, "no product passport"),
        ({"type": "EnvelopedVerifiableCredential", "credentialSubject": None}, "signed UNTP credential in its envelope"),
    ],
)
def test_other_credentials_are_refused_by_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedVersion, match=words):
        formats.detect(source_of({**make.untp(), **change}))


def test_the_subject_alone_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedVersion, match=r"without its credential.*credentialSubject"):
        formats.detect(source_of(make.untp()["credentialSubject"]))


def test_a_credential_about_anything_is_no_passport() -> None:
    with pytest.raises(UnknownFormat):
        formats.detect(source_of({"@context": ["https://www.w3.org/ns/credentials/v2"], "credentialSubject": {"id": "x"}}))


@needs_samples
def test_only_its_own_examples_are_taken_for_it() -> None:
    own = {f"untp_dpp/{name}": f"{ID}@{version}" for version, name in OFFICIAL.items()}
    assert taken_for(ID) == {**own, f"untp_dpp/{SIMPLE}": f"{ID}@0.6.1"}


# ---- the same release: nothing is lost


@pytest.mark.parametrize("model", STORIES)
def test_story_survives_and_is_valid(model: str) -> None:
    assert_survives_and_is_valid(model, STORIES[model])


@needs_samples
@pytest.mark.parametrize(("version", "name"), [*OFFICIAL.items(), ("0.6.1", SIMPLE)])
def test_official_example_survives(version: str, name: str) -> None:
    value = official(name)
    chunks, log = read([value], f"{ID}@{version}")
    found, out = written(chunks, f"{ID}@{version}")
    assert same(found[0], value) and not out.losses
    assert not judged(value, f"{ID}@{version}")
    # The examples give lengths in kilograms.
    wrong = {"/" + place.rpartition("/dimensions/")[2] for code, place in faults(log) if code == "M007"}
    assert wrong == (set() if name == SIMPLE else {"/length/value", "/width/value", "/height/value"})


@pytest.mark.parametrize("model", STORIES)
def test_any_document_survives_its_own_release(model: str) -> None:
    story = STORIES[model]()
    for seed in range(150):
        value = mutated(story, random.Random(seed))
        found, out = back(value, model)
        assert same(found, value), seed
        assert not out.losses


# ---- what it means


@pytest.mark.parametrize(
    ("fraction", "percent"), [(0.3, 30.0), (0.07, 7.0), (0.105, 10.5), (0.0005, 0.05), (1, 100.0), (0.3333333, 33.33333)]
)
def test_shares_are_fractions_to_the_last_digit(fraction: float, percent: float) -> None:
    value = make.untp()
    value["credentialSubject"]["materialsProvenance"][0].update(massFraction=fraction, recycledMassFraction=fraction)
    chunks, _ = read([value], f"{ID}@0.6.1")
    row = rows(chunks, "material")[0]
    assert (row["concentration_percent"], row["recycled_percent"]) == (percent, percent)
    for chunk in chunks:
        chunk["material"] = chunk["material"].drop_columns(["extra"])
    again = written(chunks, f"{ID}@0.6.1")[0][0]["credentialSubject"]["materialsProvenance"][0]
    assert (again["massFraction"], again["recycledMassFraction"]) == (fraction, fraction), "without a note of what was read"


@pytest.mark.parametrize(
    ("unit", "value", "kilograms"),
    [("KGM", 3.1, 3.1), ("GRM", 3100, 3.1), ("TNE", 0.0031, 3.1), ("MTR", 1.0, None)],
)
def test_units_are_codes_of_recommendation_20(unit: str, value: float, kilograms: float | None) -> None:
    story = make.untp()
    story["credentialSubject"]["product"]["dimensions"]["weight"] = {"value": value, "unit": unit}
    chunks, log = read([story], f"{ID}@0.6.1")
    assert rows(chunks, "battery")[0]["battery_mass_kg"] == kilograms
    assert {code for code, _ in faults(log)} == (set() if kilograms is not None else {"M007"})
    assert same(back(story, f"{ID}@0.6.1")[0], story)


@pytest.mark.parametrize(
    ("scope", "unit", "stage", "per"),
    [("CradleToGrave", "KWH", "total", "kwh"), ("CradleToGrave", "C62", "total", "piece"), ("CradleToGate", "KGM", "other", "other")],
)
def test_a_footprint_is_per_its_unit_and_total_only_to_the_grave(scope: str, unit: str, stage: str, per: str) -> None:
    value = make.untp()
    value["credentialSubject"]["emissionsScorecard"].update(operationalScope=scope, declaredUnit=unit)
    chunks, _ = read([value], f"{ID}@0.6.1")
    (row,) = rows(chunks, "carbon_footprint")
    assert (row["stage"], row["functional_unit"], row["value"]) == (stage, per, Decimal("0.083"))
    assert (row["stage_raw"], row["unit_raw"]) == (scope, unit)
    assert same(back(value, f"{ID}@0.6.1")[0], value)


def test_faults_are_named_one_by_one() -> None:
    _, log = read([make.faults()], f"{ID}@0.6.1")
    assert faults(log) == {
        ("M001", "/credentialSubject/product/dimensions/weight/value"),
        ("M007", "/credentialSubject/product/dimensions/length/value"),
        ("M004", "/credentialSubject/product/productionDate"),
        ("M002", "/credentialSubject/granularityLevel"),
        ("M001", "/credentialSubject/materialsProvenance/0/massFraction"),
        ("M003", "/credentialSubject/materialsProvenance/1"),
    }


# ---- from one model to another


@pytest.mark.parametrize("source", ["catenax-battery-pass@6.1.0", "idta-02035@1.0.1"])
def test_a_passport_of_a_battery_as_a_credential(source: str) -> None:
    found, log = crossed(passports.catenax() if source.startswith("catenax") else passports.idta(), source, f"{ID}@0.6.1")
    subject = found["credentialSubject"]
    assert found["@context"][1].endswith("/untp/dpp/0.6.1/") and found["type"][0] == "DigitalProductPassport"
    assert subject["product"]["dimensions"]["weight"] == {"value": 3.1, "unit": "KGM"}
    assert subject["emissionsScorecard"]["carbonFootprint"] == 0.083
    assert subject["emissionsScorecard"]["operationalScope"] == "CradleToGrave"
    assert "conformityClaim" not in subject and "characteristics" not in subject["product"], "no bag for what has no place"
    gone = lost(log)
    assert {"battery.rated_capacity_ah", "battery.nominal_voltage_v", "battery.battery_category", "carbon_footprint"} <= gone
    assert {"document[role=eu_declaration_of_conformity]", "document[role=test_report]", "material.identifier"} <= gone
    missing = judged(found, f"{ID}@0.6.1")
    assert "/credentialSubject/emissionsScorecard/primarySourcedRatio required" in missing
    assert all(reason.endswith(" required") for reason in missing), "what is missing is missing, not made up"


def test_an_issuer_nobody_named_is_not_made_up() -> None:
    chunk = {"battery": canon.from_rows("battery", [{"battery_key": "k", "serial_number": "k"}])}
    found, log = written([chunk], f"{ID}@0.6.1")
    assert found[0] == {
        "@context": ["https://www.w3.org/ns/credentials/v2", "https://test.uncefact.org/vocabulary/untp/dpp/0.6.1/"],
        "type": ["DigitalProductPassport", "VerifiableCredential"],
        "credentialSubject": {"type": ["ProductPassport"], "product": {"type": ["Product"], "serialNumber": "k"}},
    }
    assert not log.losses
    assert {"/id required", "/issuer required"} <= judged(found[0], f"{ID}@0.6.1")


def test_there_and_back_keeps_what_both_have() -> None:
    story = make.untp()
    old, log = crossed(story, f"{ID}@0.6.1", f"{ID}@0.5.0")
    assert {what for what in lost(log) if "." in what} == set(), "no column is lost, only fields of the one release"
    again, log = crossed(old, f"{ID}@0.5.0", f"{ID}@0.6.1")
    dimensions = story["credentialSubject"]["product"]["dimensions"]
    assert same(
        again["credentialSubject"]["product"]["dimensions"], {key: dimensions[key] for key in ("weight", "length", "width", "height")}
    )
    assert [one["mass"] for one in again["credentialSubject"]["materialsProvenance"]] == [
        one["mass"] for one in story["credentialSubject"]["materialsProvenance"]
    ]
    generic, log = crossed(story, f"{ID}@0.6.1", "catenax-dpp@7.0.0")
    assert generic["composition"]["materialInformation"]["materials"][0]["materialOrigin"] == "FI"
    assert {"battery.passport_granularity", "material.mass_kg", "battery.battery_id"} <= lost(log)
    photo = generic["identification"]["productImages"]
    assert [one["content"] for one in photo] == ["https://docs.example.com/bx36-14/photo.pdf"]


def test_what_it_names_in_its_context_is_kept_and_not_carried_over() -> None:
    chunks, _ = read([make.untp()], f"{ID}@0.6.1")
    assert rows(chunks, "battery")[0]["content_specification_ids"] == make.untp()["@context"]
    found, log = written(chunks, f"{ID}@0.6.0")
    assert found[0]["@context"][1].endswith("/dpp/0.6.0/")
    assert not any("content_specification" in what for what in lost(log))


def test_loss_knows_the_credential() -> None:
    gone = {item.attribute for item in losing.loss("catenax-battery-pass", ID).lost}
    assert {"battery.rated_capacity_ah", "battery.battery_chemistry", "document[role=test_report]"} <= gone
    assert not {"battery.battery_id", "battery.battery_mass_kg", "material.concentration_percent"} & gone


# ---- the schema


@needs_samples
@pytest.mark.parametrize("version", [*OFFICIAL, "0.5.0"])
def test_our_schema_judges_as_the_official_one(version: str) -> None:
    folder = "0.6.1-main/untp-dpp-schema.json" if version == "0.6.1" else f"{version}/schema.json"
    story = make.RELEASES[version]()
    theirs = official(folder)
    if version == "0.6.1":  # the mirror has the draft, which names itself; ours takes the published name too
        story["@context"][1] = story["@context"][1].replace("0.6.1", "working")
    values = [story] if version == "0.5.0" else [story, official(OFFICIAL[version])]
    valid, wrong = agrees(f"{ID}@{version}", theirs, values)
    assert not wrong and 5 < valid < 195


def test_units_of_the_mapping_are_known() -> None:
    from bdx import units

    names = spec.facts("mappings", ID)["units"]
    assert all(units.known(name) for name in names.values())
