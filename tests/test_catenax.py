"""Catena-X battery passports 3.0.0 to 6.1.0: told apart, read and written exactly, moved between releases, judged as officially."""

import io
import json
import random
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from passport_reading import assert_survives_and_is_valid, crossed, judged, lost, mutated, read, source_of, written

from bdx import canon, formats, spec
from bdx.canon import Chunk
from bdx.errors import BdxError, SpecError
from bdx.formats.source import Source
from bdx.mapping import paths_kin
from bdx.mapping.paths_extra import same
from bdx.mapping.paths_plan import plan
from bdx.mapping.transforms_base import Fault, Options
from bdx.mapping.transforms_choices import Either, Keyed, Street

HERE = Path(__file__).resolve()
FIXTURES = HERE.parents[1] / "fixtures"
SAMPLES = HERE.parents[2] / "shared/samples/passport"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the public sample files are not here")

sys.path.insert(0, str(FIXTURES / "make"))
import catenax as make  # noqa: E402

CX = "catenax-battery-pass"
VERSIONS = tuple(make.RELEASES)
STORIES = {f"{CX}@{version}": release for version, release in make.RELEASES.items()}
ALL = tuple(STORIES)


def battery(chunks: list[Chunk]) -> dict[str, Any]:
    return chunks[0]["battery"].to_pylist()[0]  # type: ignore[no-any-return]


# ---- which release a document is


@pytest.mark.parametrize("model", ALL)
def test_release_is_told_by_its_keys(model: str) -> None:
    value = STORIES[model]()
    item = formats.detect(source_of(value))
    assert item.id == CX
    assert [part.name for part in formats.read(source_of(value), item)] == [model]  # type: ignore[union-attr]


def test_releases_may_be_mixed_in_one_stream() -> None:
    text = "\n".join(json.dumps(release(number)) for number, release in enumerate(STORIES.values())).encode()
    parts = list(formats.read(Source("-", stdin=io.BytesIO(text)), spec.format_spec(CX)))  # type: ignore[arg-type]
    assert tuple(part.name for part in parts) == ALL


def test_a_document_that_tells_nothing_is_of_the_newest() -> None:
    value = {"identification": {"idDmc": "x"}, "performance": {}}
    assert [part.name for part in formats.read(source_of(value), spec.format_spec(CX))] == [f"{CX}@6.1.0"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "version"),
    [
        ({"identification": {"idDmc": "x"}, "chemicalMaterial": {}}, "4.0.0"),
        ({"identification": {"idDmc": "x"}, "handling": {"spareParts": {}}}, "5.0.0"),
        ({"identification": {"idDmc": "x"}, "handling": {"spareParts": {}}, "commercial": {}}, "5.0.0"),
        ({"identification": {"idDmc": "x"}, "commercial": {}}, "6.0.0"),
        ({"batteryIdentification": {}, "electrochemicalProperties": {}}, "3.0.1"),
        ({"batteryIdentification": {}, "electrochemicalProperties": {"batteryPower": {"originalPower": 1}}}, "3.0.0"),
    ],
)
def test_few_keys_are_enough(value: dict[str, Any], version: str) -> None:
    assert formats.detect(source_of(value)).id == CX
    assert [part.name for part in formats.read(source_of(value), spec.format_spec(CX))] == [f"{CX}@{version}"]  # type: ignore[union-attr]


@cache
def manifest() -> tuple[tuple[str, ...], ...]:
    lines = (SAMPLES / "MANIFEST.tsv").read_text("utf-8").splitlines()[1:]
    return tuple(tuple(line.split("\t")) for line in lines)


@needs_samples
def test_only_its_own_examples_are_taken_for_it() -> None:
    taken: dict[str, str] = {}
    for row in manifest():
        if row[1] != "example" or not row[0].endswith(".json"):
            continue
        path = Source(str(SAMPLES / row[0]))
        try:
            item = formats.detect(path)
            if item.id == CX:
                taken[row[0]] = next(iter(formats.read(path, item))).name
        except BdxError:
            continue
    official = {name for name in taken if name.startswith("catenax_battery_pass/")}
    assert {taken[name] for name in official} == {f"{CX}@{version}" for version in ("3.0.0", "3.0.1", "6.0.0", "6.1.0")}
    assert all(taken[name] == f"{CX}@{name.split('/')[1]}" for name in official)
    assert all(name.startswith("tractusx_demo/") and taken[name].startswith(f"{CX}@3.0") for name in taken.keys() - official)
    assert len(taken) - len(official) == 11


# ---- the same release: nothing is lost


@pytest.mark.parametrize("model", ALL)
def test_story_survives_and_is_valid(model: str) -> None:
    assert_survives_and_is_valid(model, STORIES[model])


@needs_samples
@pytest.mark.parametrize("version", ["3.0.0", "3.0.1", "6.0.0", "6.1.0"])
def test_official_example_survives(version: str) -> None:
    path = SAMPLES / "catenax_battery_pass" / version / "BatteryPass.json"
    value = json.loads(path.read_text("utf-8"))
    chunks, _ = read([value], f"{CX}@{version}")
    found, out = written(chunks, f"{CX}@{version}")
    assert same(found[0], value) and not out.losses
    assert bool(judged(value, f"{CX}@{version}")) == version.startswith("3")


@needs_samples
def test_demo_payloads_survive_with_a_finding_per_fault() -> None:
    seen = 0
    for path in sorted(SAMPLES.glob("tractusx_demo/*/*.json")):
        value = json.loads(path.read_text("utf-8-sig"))
        if not isinstance(value, dict) or "electrochemicalProperties" not in value:
            continue
        seen += 1
        model = next(iter(formats.read(Source(str(path)), spec.format_spec(CX)))).name
        chunks, log = read([value], model)
        found, out = written(chunks, model)
        assert same(found[0], value) and not out.losses
        places = {(finding.code, (finding.locator or "").removeprefix("line 1 ")) for finding in log.findings}
        if re.fullmatch(r"\d\d\.\d\d\.\d{4}", value.get("datePlacedOnMarket") or ""):
            assert ("M004", "/datePlacedOnMarket") in places
        if isinstance(value["composition"]["components"]["componentsPartNumber"], str):
            assert ("M003", "/composition/components/componentsPartNumber") in places
        if isinstance(value["warrantyPeriod"], str):
            assert ("M001", "/warrantyPeriod") in places
    assert seen == 11


TEXTS = (
    "2026-10-05",
    "2026-11-20T08:15:00Z",
    "BPNL00000000BX36",
    "BPNA12345678PL01",
    "urn:uuid:0b1c36aa-36b0-4d10-8a00-000000000042",
    "unit:month",
    "27-04-06-02",
    "Pb, Cd",
    "+49 351 000000",
    "a.b@example.com",
    "01067",
    "partInstanceId",
    "batchId",
    "x",
)


def filled(node: dict[str, Any], schema: dict[str, Any], chance: random.Random) -> Any:
    """Return a value that a schema takes: every branch of it comes up sooner or later."""
    while "$ref" in node:
        found: Any = schema
        for step in node["$ref"].split("/")[1:]:
            found = found[step]
        node = found
    if "allOf" in node:
        return filled(node["allOf"][0], schema, chance)
    if "oneOf" in node:
        key = chance.choice(node["oneOf"])["required"][0]
        return {key: filled(node["properties"][key], schema, chance)}
    if "enum" in node:
        return chance.choice(node["enum"])
    if node["type"] == "object":
        keys = [key for key in node.get("properties", ()) if key in node.get("required", ()) or chance.random() < 0.85]
        return {key: filled(node["properties"][key], schema, chance) for key in keys}
    if node["type"] == "array":
        items = [filled(node["items"], schema, chance) for _ in range(chance.choice([1, 1, 2, 3]))]
        return [item for number, item in enumerate(items) if item not in items[:number]]
    if node["type"] == "string":
        if "pattern" in node:
            return chance.choice([text for text in TEXTS if re.search(node["pattern"], text)])
        return chance.choice(TEXTS) + str(chance.randrange(99))
    if node["type"] == "boolean":
        return chance.random() < 0.5
    whole = chance.randrange(int(node.get("minimum", -50)), int(node.get("maximum", 500)))
    return whole if node["type"] == "integer" else chance.choice([float(whole), whole + 0.375])


def schema_of(version: str, official: bool) -> dict[str, Any]:
    if not official:
        return spec.schema(f"{CX}@{version}")
    return json.loads((SAMPLES / "catenax_battery_pass" / version / "BatteryPass-schema.json").read_text("utf-8"))  # type: ignore[no-any-return]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("official", [False, pytest.param(True, marks=needs_samples)])
def test_whatever_a_schema_takes_survives(version: str, official: bool) -> None:
    """Two releases have no example of their own; their schemas make some, left and right."""
    schema, model = schema_of(version, official), f"{CX}@{version}"
    told: set[str] = set()
    for seed in range(40):
        value = filled(schema, schema, random.Random(seed))
        told |= {part.name for part in formats.read(source_of(value), spec.format_spec(CX))}  # type: ignore[union-attr]
        chunks, _ = read([value], model)
        found, out = written(chunks, model)
        assert same(found[0], value), seed
        assert not out.losses
    # 6.1.0 without its version is 6.0.0 to the letter.
    assert told - ({f"{CX}@6.0.0"} if version == "6.1.0" else set()) == {model}


JUNK = [
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    "27.04.2022",
    "7,5",
    [],
    {},
    ["x"],
    [None],
    [{}],
    {"left": "a", "right": "b"},
    {"right": None},
    10**25,
]


@pytest.mark.parametrize("model", ALL)
def test_any_document_survives_its_own_release(model: str) -> None:
    story = STORIES[model]()
    for seed in range(120):
        value = mutated(story, random.Random(seed), JUNK)
        chunks, _ = read([value], model)
        found, out = written(chunks, model)
        assert same(found[0], value), seed
        assert not out.losses


# ---- what it means


def test_units_of_the_flat_model() -> None:
    value = make.release_3_1()
    row = battery(read([value], f"{CX}@3.0.1")[0])
    assert row["initial_internal_resistance_cell_ohm"] == 0.025 and row["initial_internal_resistance_pack_ohm"] == 0.085
    assert row["certified_usable_energy_kwh"] == 0.504 and row["battery_mass_kg"] == 3.1
    assert row["manufacturer_street"] == "Werkstraße 1" and row["battery_status"] == "original"


def test_faults_of_a_careless_supplier_are_named_one_by_one() -> None:
    chunks, log = read([make.careless()], f"{CX}@3.0.1")
    found = {(finding.code, (finding.locator or "").removeprefix("line 1 ")) for finding in log.findings}
    assert found == {
        ("M004", "/datePlacedOnMarket"),
        ("M001", "/warrantyPeriod"),
        ("M001", "/cO2FootprintTotal"),
        ("M002", "/stateOfBattery/statusBattery"),
        ("M003", "/composition/components/componentsPartNumber"),
        ("M001", "/cellChemistry/anodeActiveMaterials/0/materialPercentageMassFraction"),
        ("M006", "/batteryCycleLife/expectedLifetime"),
    }
    row = battery(chunks)
    assert row["initial_internal_resistance_cell_ohm"] == 0.025, "the misspelt key is read"
    assert row["placed_on_market_date"] is None and row["warranty_period_months"] is None, "and nothing is guessed"


def test_left_and_right_are_one_column() -> None:
    value = make.release_4_0()
    chunks, _ = read([value], f"{CX}@4.0.0")
    row = battery(chunks)
    assert (row["manufacturer_id"], row["manufacturer_name"]) == (make.MAKER, None)
    assert (row["economic_operator_id"], row["economic_operator_name"]) == (None, "Beispiel Akku GmbH")
    assert row["passport_predecessor_id"] == "none" and row["passport_id"].startswith("urn:uuid:")
    actors = chunks[0]["actor"].to_pylist()
    assert [(actor["actor_id"], actor["name"]) for actor in actors] == [(make.MAKER, None), (None, "Beispiel Ersatzteile GmbH")]
    critical = [row for row in chunks[0]["material"].to_pylist() if row["is_critical"]]
    assert [row["identifier"] for row in critical] == ["7440-50-8"]


def test_of_two_shapes_one_is_written_and_the_other_lost() -> None:
    columns = {"manufacturer_id": make.MAKER, "manufacturer_name": "Beispiel Akku GmbH", "manufacturer_city": "Musterstadt"}
    chunk = {"battery": canon.from_rows("battery", [{"battery_key": "k", **columns}])}
    found, log = written([chunk], f"{CX}@4.0.0")
    assert found[0]["generalInformation"]["manufacturer"]["manufacturer"] == {
        "right": [{"businessIdentifier": {"left": make.MAKER}, "businessIdentifierType": "BPNL"}]
    }
    assert lost(log) == {"battery.manufacturer_name", "battery.manufacturer_city"}
    del columns["manufacturer_id"]
    chunk = {"battery": canon.from_rows("battery", [{"battery_key": "k", **columns}])}
    found, log = written([chunk], f"{CX}@4.0.0")
    company = found[0]["generalInformation"]["manufacturer"]["manufacturer"]["left"]
    assert company == {
        "companyName": ["Beispiel Akku GmbH"],
        "address": {"locality": {"value": "Musterstadt", "technicalKey": "CITY"}},
    }
    assert not log.losses


def test_a_document_with_both_shapes_survives() -> None:
    value = make.release_4_0()
    value["metadata"]["economicOperator"]["economicOperatorId"]["right"] = make.bpn()
    chunks, _ = read([value], f"{CX}@4.0.0")
    row = battery(chunks)
    assert (row["economic_operator_id"], row["economic_operator_name"]) == (make.MAKER, "Beispiel Akku GmbH")
    assert same(written(chunks, f"{CX}@4.0.0")[0][0], value)


def test_a_concentration_without_its_value_leaves_its_unit_noted() -> None:
    value = make.release_4_0()
    substance = value["chemicalMaterial"]["otherMaterials"]["left"][0]
    substance["concentration"] = {"left": [{"min": 29.0, "max": 31.0}]}
    value["chemicalMaterial"]["otherMaterials"]["left"][1]["substanceUnit"] = "unit:partPerMillion"
    chunks, log = read([value], f"{CX}@4.0.0")
    assert not log.findings
    found = chunks[0]["material"].column("concentration_percent").to_pylist()
    assert found[:3] == [None, 15.0 / 1e4, 10.0]
    assert same(written(chunks, f"{CX}@4.0.0")[0][0], value)


# ---- from one release to another


LOST_5 = {"battery.passport_last_update", "battery.placed_on_market_date", "battery.intended_purpose"}


def test_neighbouring_releases_keep_all_that_both_have() -> None:
    story = make.catenax()
    found, log = crossed(story, f"{CX}@6.1.0", f"{CX}@6.0.0")
    assert not log.losses and same(found, make.release_6_0()) and not judged(found, f"{CX}@6.0.0")
    back, log = crossed(found, f"{CX}@6.0.0", f"{CX}@6.1.0")
    assert not log.losses and same(back, story)
    found, log = crossed(story, f"{CX}@6.1.0", f"{CX}@5.0.0")
    assert lost(log) == LOST_5
    assert judged(found, f"{CX}@5.0.0") == {
        "/conformity/declarationOfConformityId/*/contentType required",
        "/conformity/declarationOfConformityId/*/header required",
        "/materials/composition/*/name/type required",
        "/materials/hazardous/other/*/materialName/type required",
    }
    found, log = crossed(make.release_5_0(), f"{CX}@5.0.0", f"{CX}@6.1.0")
    assert judged(found, f"{CX}@6.1.0") == {"/commercial required"}
    assert lost(log) == {
        "battery /conformity/declarationOfConformityId/*/contentType",
        "battery /conformity/declarationOfConformityId/*/header",
        "battery /identification/identification/codes/*/description",
        "hazardous_substance /materialName/type",
        "material /name/type",
    }


def test_what_crosses_releases_comes_back() -> None:
    """Columns that both releases have a place for hold the same after a way there and back."""
    for source, target in [(f"{CX}@6.1.0", name) for name in ALL] + [(name, f"{CX}@6.1.0") for name in ALL]:
        before, _ = read([STORIES[source]()], source)
        there, log = written(before, target)
        after, _ = read(there, target)
        named = lost(log)
        assert set(before[0]) - set(after[0]) <= named | {what.partition("[")[0] for what in named}
        for name in set(before[0]["battery"].schema.names) - {"extra", "locator", "source_id", "battery_key", "passport_schema_version"}:
            was = before[0]["battery"].column(name).to_pylist()[0]
            now = battery(after).get(name)
            assert was is None or now == was or f"battery.{name}" in named, (source, target, name)


LOST_3 = {
    "battery /composition/criticalRawMaterials",
    "battery /electrochemicalProperties/batteryPower/originalPowerCapability",
    "battery /electrochemicalProperties/batteryPower/originalPowerCapabilityLimits",
    "battery /manufacturer/contact/phoneNumber",
    "battery /physicalDimensions/diameter",
    "battery /stateOfBattery/stateOfHealth",
    "battery.manufacturer_city",
    "battery.manufacturer_country",
    "battery.manufacturer_email",
    "battery.manufacturer_name",
    "battery.manufacturer_postal_code",
    "battery.manufacturer_street",
    "battery.manufacturer_web",
    "battery.manufacturing_place_city",
    "battery.manufacturing_place_country",
    "battery.manufacturing_place_postal_code",
    "battery.manufacturing_place_street",
    "battery.power_energy_ratio_w_per_wh",
    "actor",
    "actor /contact/phoneNumber",
    "actor.city",
    "actor.country",
    "actor.email",
    "actor.name",
    "actor.postal_code",
    "actor.street",
    "actor.web",
    "document[role=packaging]",
    "document[role=transport]",
    "material.mass_kg",
    "recycled_content.name",
}


def test_the_flat_model_moves_to_the_newest() -> None:
    found, log = crossed(make.release_3_1(), f"{CX}@3.0.1", f"{CX}@6.1.0")
    assert lost(log) == LOST_3
    assert found["performance"]["rated"]["resistance"] == {"cell": 0.025, "pack": 0.085}
    assert found["characteristics"]["warranty"] == {"lifeValue": 24, "lifeUnit": "unit:month"}
    assert found["sustainability"]["status"] == "original"
    assert found["sustainability"]["carbonFootprint"] == [{"value": 33.5, "unit": "kg CO2", "lifecycle": "total"}]
    assert found["materials"]["active"]["nickel"]["recycled"] == 6.5


def test_notes_of_another_release_are_cut_to_what_this_one_has() -> None:
    notes = {
        "/identification/identification/codes": [{"key": "TARIC", "value": "x", "description": "y"}, "z"],
        "/identification/identification/classification": "text",
        "/identification/unheard": 1,
        "/operation/intoServiceDate": "27.04.2022",
        "/conformity/declarationOfConformityId/0/header": "h",
        "/handling/spareParts": {"producer": []},
        "-": ["/identification/identification/serial/0/key", "/specVersion"],
        "#": "/nowhere",
    }
    kept, rest = paths_kin.carried(notes, "battery", f"{CX}@5.0.0", f"{CX}@6.0.0", Options())
    assert kept == {
        "/identification/identification/codes": [{"key": "TARIC", "value": "x"}],
        "/operation/intoServiceDate": "27.04.2022",
        "-": ["/identification/identification/serial/0/key"],
    }
    assert rest == {
        "/identification/identification/codes/0/description": "y",
        "/identification/identification/codes/1": "z",
        "/identification/identification/classification": "text",
        "/identification/unheard": 1,
        "/conformity/declarationOfConformityId/0/header": "h",
        "/handling/spareParts": {"producer": []},
    }
    assert not paths_kin.akin(f"{CX}@5.0.0", "idta-02035") and not paths_kin.akin(f"{CX}@9.9.9", CX)


@pytest.mark.parametrize("model", ALL)
def test_every_release_crosses_to_idta_and_says_what_it_loses(model: str) -> None:
    before, _ = read([STORIES[model]()], model)
    there, log = written(before, "idta-02035")
    after, _ = read(there, "idta-02035")
    named = lost(log)
    for name in set(before[0]["battery"].schema.names) - {"extra", "locator", "source_id", "battery_key", "passport_schema_version"}:
        was = before[0]["battery"].column(name).to_pylist()[0]
        assert was is None or battery(after).get(name) == was or f"battery.{name}" in named, name


# ---- our schemas


@needs_samples
@pytest.mark.parametrize("version", VERSIONS)
def test_our_schema_judges_as_the_official_one(version: str) -> None:
    import jsonschema

    theirs = jsonschema.Draft4Validator(schema_of(version, official=True))
    ours = jsonschema.Draft202012Validator(schema_of(version, official=False))
    path = SAMPLES / "catenax_battery_pass" / version / "BatteryPass.json"
    if path.exists():
        example = json.loads(path.read_text("utf-8"))
        assert ours.is_valid(example) == theirs.is_valid(example) == (version[0] == "6")
    chance = random.Random(5)
    verdicts: list[bool] = []
    for number in range(200):
        official = schema_of(version, official=True)
        base = filled(official, official, chance) if number % 2 else STORIES[f"{CX}@{version}"](number)
        value = mutated(base, chance, JUNK) if number > 1 else base
        verdicts.append(theirs.is_valid(value))
        assert ours.is_valid(value) == verdicts[-1], number
        assert bool(judged(value, f"{CX}@{version}")) != verdicts[-1]
    assert verdicts[0] and verdicts[1] and 20 < sum(verdicts) < 195


@pytest.mark.parametrize("version", VERSIONS)
def test_every_word_of_a_mapping_is_in_its_schema(version: str) -> None:
    text = json.dumps(spec.schema(f"{CX}@{version}"))
    words = spec.facts("mappings", spec.model(f"{CX}@{version}").mapping or CX).get("words", {})
    for name, known in words.items():
        for word in known.values():
            first = word if isinstance(word, str) else word[0]
            assert name in {"stage", "status", "recycled"} or json.dumps(first) in text, (name, first)


# ---- the functions for choices


UUID = "^[0-9a-f]{4}$"


def test_either_side_by_form() -> None:
    plain = Either({"to": "passport_id", "pattern": UUID})
    assert plain.read({"left": "12ab"}) == plain.read({"right": "12ab"}) == ("12ab",)
    assert plain.write(("12ab",)) == {"left": "12ab"} and plain.write(("other",)) == {"right": "other"} and plain.write((None,)) is None
    assert plain.keeps({"left": "12ab"}, ("12ab",)) and not plain.keeps({"right": "12ab"}, ("12ab",))
    named = Either({"to": "facility_id", "pattern": "^BPNA\\d$", "value": "id", "kind_at": "kind", "kind": "BPNA"})
    assert named.write(("BPNA1",)) == {"id": {"left": "BPNA1"}, "kind": "BPNA"}
    assert named.write(("PLANT-1",)) == {"id": {"right": "PLANT-1"}}
    assert named.read({"id": {"right": "PLANT-1"}, "kind": "own"}) == ("PLANT-1",)
    for raw, code in (("12ab", "M003"), ({"left": 5}, "M001"), ([], "M003")):
        with pytest.raises(Fault) as caught:
            plain.read(raw)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Werkstraße 1", ("Werkstraße", "1")),
        ("Am Alten Werk 12 a", ("Am Alten Werk", "12 a")),
        ("Straße des 17. Juni 135-137", ("Straße des 17. Juni", "135-137")),
        ("Hafen", ("Hafen", None)),
        ("12", ("12", None)),
    ],
)
def test_street_and_house_number(text: str, parts: tuple[str, str | None]) -> None:
    street = Street({"to": "manufacturer_street", "value": "value", "number": "number", "kind_at": "technicalKey", "kind": "STREET"})
    raw = {"value": parts[0], "technicalKey": "STREET"} | ({"number": parts[1]} if parts[1] else {})
    assert street.write((text,)) == raw and street.read(raw) == (text,) and street.keeps(raw, (text,))
    with pytest.raises(Fault):
        street.read({"value": 5})
    with pytest.raises(Fault):
        street.read("Werkstraße 1")
    assert street.read({"value": None, "number": ""}) == (None,) and street.write((None,)) is None


def test_keyed_items_with_and_without_units() -> None:
    picks = [{"is": "guaranteed lifetime", "to": "warranty_period_months", "unit_at": "unit", "word": "unit:month"}]
    lifespan = Keyed({"table": "battery", "key": "key", "value": "value", "picks": picks})
    assert lifespan.read([{"key": "technical lifetime", "value": 8, "unit": "unit:year"}]) == (None,)
    assert lifespan.read([{"key": "guaranteed lifetime", "value": 2, "unit": "unit:year"}]) == (24,)
    assert lifespan.write((24,)) == [{"key": "guaranteed lifetime", "value": 24, "unit": "unit:month"}]
    for raw, code in (
        ("x", "M003"),
        ([{"key": "guaranteed lifetime", "value": 2}], "M007"),
        ([{"key": "guaranteed lifetime", "value": "2", "unit": "unit:year"}], "M001"),
    ):
        with pytest.raises(Fault) as caught:
            lifespan.read(raw)
        assert caught.value.code == code
    names = Keyed({"table": "battery", "key": "key", "value": "value", "picks": [{"is": "BatchId", "to": "batch_number"}]})
    assert names.read([{"key": "BatchId"}, {"key": "BatchId", "value": "b"}]) == ("b",) and names.write((None,)) is None
    with pytest.raises(Fault):
        names.read([{"key": "BatchId", "value": 5}])


def test_a_choice_needs_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {
        "kind": "paths",
        "format": "x",
        "key": ["serial_number"],
        "fields": [{"at": "a.left", "to": "serial_number"}, {"at": "a.right", "to": "batch_number"}],
        "choices": [{"at": "a", "of": ["right", "left"]}],
    }
    monkeypatch.setattr("bdx.mapping.paths_plan.extended", lambda name: facts)
    with pytest.raises(SpecError, match="choice 'a'"):
        plan("invented", Options())
