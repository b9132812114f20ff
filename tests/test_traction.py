"""Traction battery codes: the aspect with its tree of parts, and the code of GB/T 34014-2017 read, made and checked."""

import json
import random
from datetime import date
from typing import Any

import pytest
from making import generator
from passport_reading import (
    SAMPLES,
    agrees,
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

from bdx import canon, spec
from bdx.errors import BdxError, UsageError
from bdx.identifiers import traction
from bdx.mapping.paths_extra import same

make = generator("traction")
passports = generator("passports")
ID = "traction-battery-code"
NEWEST = f"{ID}@2.0.0"


# ---- the aspect


def test_it_is_told_by_its_key() -> None:
    assert told(make.pack()) == NEWEST
    assert told({"tractionBatteryCode": "x"}) == NEWEST


@needs_samples
def test_only_its_own_example_is_taken_for_it() -> None:
    assert taken_for(ID) == {"catenax_traction_battery_code/1.0.0/TractionBatteryCode.json": NEWEST}


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("story", [make.pack, make.deep, make.alike, make.faults])
def test_any_tree_survives(version: str, story: Any) -> None:
    found, out = back(story(), f"{ID}@{version}")
    assert same(found, story()) and not out.losses


@needs_samples
def test_official_example_survives() -> None:
    value = json.loads((SAMPLES / "catenax_traction_battery_code/1.0.0/TractionBatteryCode.json").read_text("utf-8"))
    found, out = back(value, NEWEST)
    assert same(found, value) and not out.losses and not judged(value, NEWEST)


@pytest.mark.parametrize("story", [make.pack, make.deep, make.alike])
def test_any_document_survives(story: Any) -> None:
    for seed in range(150):
        value = mutated(story(), random.Random(seed))
        found, out = back(value, NEWEST)
        assert same(found, value), seed
        assert not out.losses


def test_parts_know_what_they_are_in() -> None:
    chunks, log = read([make.pack(42), make.pack(43)], NEWEST)
    found = rows(chunks, "component")
    assert len(found) == 84 and not log.findings
    modules = {row["component_id"] for row in found if row["kind"] == "module"}
    assert all(row["parent_id"] is None for row in found if row["kind"] == "module")
    assert {row["parent_id"] for row in found if row["kind"] == "cell"} == modules and len(modules) == 4
    assert [row["traction_battery_code"] for row in rows(chunks, "battery")] == [make.code("P", 42), make.code("P", 43)]


def test_parts_are_put_together_by_what_they_say_alone() -> None:
    """Tables that no document was read into: no notes, any order."""
    parts = [
        {"battery_key": "p", "kind": "cell", "component_id": "c2", "parent_id": "m2"},
        {"battery_key": "p", "kind": "module", "component_id": "m1"},
        {"battery_key": "p", "kind": "cell", "component_id": "c1", "parent_id": "m1"},
        {"battery_key": "p", "kind": "module", "component_id": "m2"},
        {"battery_key": "p", "kind": "cell", "component_id": "lone"},
        {"battery_key": "p", "kind": "cell", "component_id": "nowhere", "parent_id": "m9"},
    ]
    chunk = {
        "battery": canon.from_rows("battery", [{"battery_key": "p", "traction_battery_code": "P"}]),
        "component": canon.from_rows("component", parts),
    }
    found, log = written([chunk], NEWEST)
    inside = [
        (one["tractionBatteryCode"], [two["tractionBatteryCode"] for two in one.get("subcomponents", ())])
        for one in found[0]["subcomponents"]
    ]
    assert inside == [("m1", ["c1"]), ("m2", ["c2"]), ("lone", [])]
    assert [(loss.what, loss.count) for loss in log.losses] == [("component", 1)], "a part of a module that is not there"


def test_depth_beyond_the_tables_is_kept_and_lost_by_name_elsewhere() -> None:
    chunks, _ = read([make.deep()], NEWEST)
    assert len(rows(chunks, "component")) == 6
    _, log = written(chunks, "catenax-dpp@7.0.0")
    assert "component /subcomponents" in lost(log) and "component.parent_id" in lost(log)


def test_parts_go_to_a_product_passport_and_back() -> None:
    generic, log = crossed(make.pack(), NEWEST, "catenax-dpp@7.0.0")
    listed = generic["composition"]["componentInformation"]["content"]
    assert len(listed) == 42 and listed[-1] == {"componentCode": make.code("M", 4201)}
    assert lost(log) == {"battery.traction_battery_code", "component.kind", "component.parent_id"}


def test_a_battery_passport_has_no_place_for_the_code() -> None:
    found, log = crossed(make.pack(), NEWEST, "catenax-battery-pass@6.1.0")
    assert lost(log) == {"battery.traction_battery_code", "component"}
    found, log = crossed(passports.catenax(), "catenax-battery-pass@6.1.0", NEWEST)
    assert found == {"productType": "pack"} and "battery.serial_number" in lost(log)
    assert judged(found, NEWEST) == {"/tractionBatteryCode required"}


def test_faults_are_named_one_by_one() -> None:
    chunks, log = read([make.faults()], NEWEST)
    assert faults(log) == {
        ("M002", "/subcomponents/0/productType"),
        ("M001", "/subcomponents/0/subcomponents/0/tractionBatteryCode"),
        ("M003", "/subcomponents/1/subcomponents"),
    }
    assert traction.faults(rows(chunks, "battery")[0]["traction_battery_code"]) == ["it has 23 places, not 24 or 19"]


@needs_samples
@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_our_schema_judges_as_the_official_one(version: str) -> None:
    official = json.loads((SAMPLES / "catenax_traction_battery_code" / version / "TractionBatteryCode-schema.json").read_text("utf-8"))
    small = make.part("pack", 1, [make.part("module", 2, [make.part("cell", 3)])])
    valid, wrong = agrees(f"{ID}@{version}", official, [small, make.deep()])
    assert not wrong and 5 < valid < 195


def test_battery_passports_are_none_of_it() -> None:
    for value in (passports.catenax(), {**passports.catenax(), "nested": {"tractionBatteryCode": "x"}}):
        assert told(value) == "catenax-battery-pass@6.1.0"
    with pytest.raises(BdxError):
        told({"parts": [{"tractionBatteryCode": "x"}]})
    assert source_of(make.pack()).head.startswith(b"{")


# ---- the code itself


@pytest.mark.parametrize(
    ("text", "vendor", "product", "chemistry", "made", "serial"),
    [
        # Two codes as sellers of cells show them, with the parts that they name.
        ("04QCB76836300JBC40000903", "04Q", "cell", "lithium iron phosphate", date(2021, 12, 4), "0000903"),
        ("001CB240000003B3C0221953", "001", "cell", "lithium iron phosphate", date(2021, 3, 12), "0221953"),
        ("X12MCPM27KLPCLX2M2382320", "X12", "module", "lithium manganese oxide", date(2040, 2, 21), "2382320"),
    ],
)
def test_codes_are_read(text: str, vendor: str, product: str, chemistry: str, made: date, serial: str) -> None:
    code = traction.decode(f" {text}\n")
    assert (code.vendor, code.product, code.chemistry, code.production_date, code.serial) == (vendor, product, chemistry, made, serial)
    assert code.text == text and not code.reused and len(code.trace) == 7
    assert any("date is read by tables" in notice for notice in code.notices), "never a date without its notice"


def test_what_rests_on_one_source_says_so() -> None:
    assert len(traction.decode("001CB240000003B3C0221953").notices) == 1
    assert traction.decode("X12MCPM27KLPCLX2M2382320").notices[0].startswith("what 'C' means")


def test_a_day_that_does_not_exist_is_no_date() -> None:
    code = traction.decode("001CB240000003B2Y0221953")
    assert code.production_date is None and code.notices[-1] == "'B2Y' gives no date of the calendar"
    assert traction.decode("001CB240000003B200221953").production_date is None


def test_a_battery_used_again_has_a_code_of_its_own() -> None:
    code = traction.decode("BX3ME14GA50000042RP")
    assert code.reused and (code.product, code.taken_from, code.trace) == ("module", "pack", "")
    with pytest.raises(UsageError, match="counts 18 places"):
        traction.decode("BX3ME14GA50000042R")


def test_codes_are_made_and_read_back() -> None:
    chance = random.Random(34014)
    for _ in range(300):
        made = date.fromordinal(chance.randint(date(2011, 1, 1).toordinal(), date(2040, 12, 31).toordinal()))
        facts: dict[str, Any] = {
            "vendor": "BX3",
            "product": chance.choice(["pack", "module", "cell"]),
            "chemistry": chance.choice(list("ABCDEFGZ")),
            "specification": "14",
            "production_date": made,
            "serial": chance.randrange(10**7),
        }
        facts |= {"taken_from": chance.choice(["pack", "module"])} if chance.random() < 0.3 else {"trace": "0000001"}
        text = traction.encode(**facts)
        code = traction.decode(text)
        assert traction.faults(text) == [] and len(text) == (19 if "taken_from" in facts else 24)
        assert (code.product, code.production_date, int(code.serial)) == (facts["product"], made, facts["serial"])
        assert (code.taken_from, code.trace) == (facts.get("taken_from", ""), facts.get("trace", ""))


def test_the_fixtures_have_codes_that_the_library_makes() -> None:
    facts = {"vendor": "BX3", "product": "M", "chemistry": "E", "specification": "14", "trace": "0000001", "production_date": make.MADE}
    assert make.code("M", 4201) == traction.encode(**facts, serial=4201)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vendor": "BX"}, "vendor 'BX': expected 3"),
        ({"vendor": "BXI"}, "vendor 'BXI'"),
        ({"product": "rack"}, "product 'rack': expected one of pack, module, cell"),
        ({"chemistry": "H"}, "chemistry 'H': expected one of nickel"),
        ({"trace": ""}, "trace '': expected 7"),
        ({"serial": 10**7}, "serial '10000000': expected 7"),
        ({"serial": "00A0001"}, "serial '00A0001'"),
        ({"production_date": date(2010, 12, 31)}, "no year 2010; expected 2011 to"),
        ({"production_date": date(2042, 1, 1)}, "no year 2042"),
        ({"taken_from": "pack"}, "no part for tracing"),
    ],
)
def test_what_makes_no_code_is_refused_by_its_part(change: dict[str, Any], words: str) -> None:
    facts: dict[str, Any] = {
        "vendor": "BX3",
        "product": "pack",
        "chemistry": "E",
        "specification": "14",
        "trace": "0000001",
        "production_date": date(2026, 10, 5),
        "serial": 42,
    }
    with pytest.raises(UsageError, match=words):
        traction.encode(**{**facts, **change})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 places"),
        ("X12MCPM27KLPCLX2M238232", "23 places"),
        ("X12XCPM27KLPCLX2M2382320", "place 4 is 'X'"),
        ("X12MHPM27KLPCLX2M2382320", "place 5 is 'H'"),
        ("X12MCPM27KLPCLO2M2382320", "place 15 is 'O'"),
        ("X12MCPM27KLPCLXDM2382320", "place 16 is 'D'"),
        ("X12MCPM27KLPCLX2M238232A", "place 24 is 'A'"),
        ("x12mcpm27klpclx2m2382320", "place 1 is 'x'"),
        ("BX3ME14GA50000042XP", "place 18 is 'X'"),
    ],
)
def test_what_is_no_code_is_refused_by_its_place(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        traction.decode(text)
    assert traction.faults(text)


@needs_samples
def test_what_the_aspects_pattern_takes_is_a_code_but_for_letters_it_should_not() -> None:
    import re

    official = json.loads((SAMPLES / "catenax_traction_battery_code/2.0.0/TractionBatteryCode-schema.json").read_text("utf-8"))
    pattern = official["components"]["schemas"]["TractionBatteryCodeTrait"]["pattern"]
    chance = random.Random(7)
    letters = spec.load(spec.root() / "traction_code.toml", "traction_code")["alphabets"]["any"]
    for _ in range(3000):
        text = list("X12MCPM27KLPCLX2M2382320" if chance.random() < 0.7 else "X12MCPMX2M2382320RP")
        for _ in range(chance.randrange(3)):
            text[chance.randrange(len(text))] = chance.choice(letters + "IO")
        code = "".join(text)
        takes = re.search(pattern, code) is not None
        mine = not traction.faults(code)
        assert mine <= takes, code
        assert mine == takes or "I" in code or "O" in code, code
