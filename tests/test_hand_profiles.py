"""The profiles made by hand: what they owe to the vocabulary, to one another and to the law; days per category, conditions."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from bdx import canon, spec
from bdx.canon import Chunk, Log
from bdx.cli import gaps
from bdx.errors import SpecError
from bdx.gaps import Analysis, GapResult, load
from bdx.gaps.contradictions import contradictions
from bdx.gaps.profile import Requirement

BY_HAND = ("eu-battery-regulation", "din-spec-99100", "cell-line", "recycler", "carbon-footprint", "due-diligence")
LAW = ("eu-battery-regulation", "din-spec-99100")
NINE = {
    *(f"carbon_footprint.value[stage={stage}]" for stage in ("total", "raw_material", "production", "distribution", "end_of_life")),
    *("battery.cf_study_url", "battery.cf_performance_class", "marking.symbol_url[subject=carbon_footprint]"),
    "document.url[role=due_diligence_policy]",
}
OWN = (
    'id = "ours"\ntitle = "t"\nversion = "1"\nsource = "us"\nlicence = "ours"\npresence = "value"\ntable = "battery"\n'
    'categories = ["ev", "lmt"]\nscope = { category_column = "battery_category", others = "not_filled" }\n[[requirement]]\nid = "a"\n'
    'section = "s"\ncolumns = ["battery.model_id"]\nbasis = "b"\nstatus = "mandatory"\n'
)


def asked(profile: str) -> dict[str, Requirement]:
    return {row.id: row for row in load(profile).requirements}


def run(folder: Path, text: str, chunk: Chunk, as_of: date | None = None) -> GapResult:
    path = folder / "ours.toml"
    path.write_text(OWN + text, "utf-8")
    analysis = Analysis(str(path), as_of=as_of)
    analysis.watch(chunk)
    return analysis.finish(Log())


@pytest.mark.parametrize("name", BY_HAND)
def test_every_profile_by_hand_has_its_cases(name: str) -> None:
    folder = spec.root().parent / "fixtures/profiles" / name
    cases = {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}
    assert not cases["complete"]["has_gaps"]
    assert any(case["has_gaps"] and "gap_ids" in case for name, case in cases.items() if name.startswith("poor"))
    told = {row for case in cases.values() for row in (*case["statuses"], *case.get("gap_ids", ()))}
    untold = {row.id for row in load(name).requirements if row.when} - told
    assert not untold, "a condition without a case"


def test_cell_line_agrees_with_the_vocabulary() -> None:
    """Every choice of the minimum of a step is one requirement of that step alone, and nothing else is asked of a step by code."""
    steps = spec.load(spec.root() / "vocabulary.toml", "vocabulary")["step"]
    profile = load("cell-line")
    assert profile.categories == tuple(step["code"] for step in steps)
    found: dict[str, set[frozenset[str]]] = {}
    for row in profile.requirements:
        bound = [step for step, strength in row.strength.items() if strength == "mandatory"]
        codes = frozenset(value for path in row.paths for name, value in path.where if name.endswith("_code"))
        if len(bound) == 1 and codes and row.id != "line-supplier":
            found.setdefault(bound[0], set()).add(codes)
    wanted = {step["code"]: {frozenset(choice.split("|")) for choice in step["minimum"]} for step in steps if step.get("minimum")}
    assert {step: found.get(step) for step in wanted} == wanted
    assert set(found) == set(wanted)


def test_what_the_guidance_holds_back_is_named(tmp_path: Path) -> None:
    path = tmp_path / "passport.jsonl"
    path.write_text('{"battery_key": "a", "battery_category": "lmt"}\n', "utf-8")
    said = contradictions([load("gefeg-1.0"), load("ec-guidance")])
    due = [row for row in said if row.about.startswith("whether it is due")]
    assert {column for row in due for column in row.columns} == NINE
    assert {row.says[1][2] for row in due} == {"held back until its acts are adopted"}
    wanted = ["--profile", "gefeg-1.0", "--profile", "ec-guidance", "--category", "lmt", "--exit-zero"]
    shown = CliRunner().invoke(gaps.command, [str(path), *wanted])
    assert shown.exit_code == 0, shown.output
    text = re.sub(r"\s+", "", shown.output)
    assert {column for column in NINE if column not in text} == set()


def test_one_profile_that_asks_twice_does_not_contradict() -> None:
    """The guidance leaves the capacity out under one number and asks for it under another: that is no contradiction."""
    said = contradictions([load("eu-battery-regulation"), load("ec-guidance")])
    assert not [row for row in said if row.columns == ("battery.rated_capacity_ah",)]
    assert [row for row in said if row.columns[0].startswith("recycled_content") and row.about.startswith("from when")]


def test_equal_statements_are_no_contradiction() -> None:
    said = contradictions([load("gefeg-1.0"), load("battery-pass-1.2")])
    assert "unit of the life cycle stages" not in {row.about for row in said}
    assert "unit of the life cycle stages" in {row.about for row in contradictions([load("din-spec-99100"), load("battery-pass-1.2")])}


def test_every_statement_of_conflicts_names_profiles_and_columns_that_are_there() -> None:
    for row in spec.load(spec.root() / "conflicts.toml", "conflicts")["conflict"]:
        assert set(row["says"]) <= set(spec.names("profiles")), row["about"]
        for column in row["columns"]:
            table, _, name = column.partition("[")[0].partition(".")
            assert name in spec.table(table).by_name, column


@pytest.mark.parametrize("name", LAW)
def test_what_was_not_read_is_not_called_verified(name: str) -> None:
    assert not [row.id for row in load(name).requirements if row.verified]


def test_verified_rows_of_the_footprint_are_those_of_the_exchange() -> None:
    rows = load("carbon-footprint").requirements
    assert {row.section for row in rows if row.verified} == {"exchange"} == {row.section for row in rows} & {"exchange"}


@pytest.mark.parametrize("name", LAW)
def test_tiers_follow_the_point_of_the_annex(name: str) -> None:
    tiers = {"1": "public", "2": "legitimate_interest", "3": "authorities", "4": "item_legitimate_interest"}
    for row in load(name).requirements:
        points = set(re.findall(r"Annex XIII ([1-4])", row.basis))
        if len(points) == 1 and row.id != "din-6-7-2-5":
            assert row.tier == tiers[points.pop()], row.id


def test_every_point_of_the_annex_is_asked_for() -> None:
    points = {point for row in load("eu-battery-regulation").requirements for point in re.findall(r"Annex XIII (\d(?:\(\w\))?)", row.basis)}
    assert points >= {*(f"1({letter})" for letter in "abcdefghijklmnopqrs"), *(f"2({letter})" for letter in "abcd"), "3"}
    assert points >= {f"4({letter})" for letter in "abcd"}
    label = {point for row in load("eu-battery-regulation").requirements for point in re.findall(r"Annex VI A\((\d+)\)", row.basis)}
    assert label == {str(number) for number in range(1, 11)}


def test_days_of_categories_are_those_of_the_articles() -> None:
    footprint, shares = asked("eu-battery-regulation")["eu-1c-total"], asked("eu-battery-regulation")["eu-1e-lead"]
    assert {name: day.isoformat() for name, day in footprint.due_by.items()} == {
        "ev": "2025-02-18",
        "industrial": "2026-02-18",
        "stationary": "2026-02-18",
        "lmt": "2028-08-18",
        "industrial_external_storage": "2030-08-18",
    }
    assert {name: day.isoformat() for name, day in shares.due_by.items()} == {
        **dict.fromkeys(("ev", "industrial", "stationary"), "2028-08-18"),
        "lmt": "2033-08-18",
    }
    assert set(footprint.strength.values()) == {"pending"}
    assert shares.due == date(2028, 8, 18)


@pytest.mark.parametrize(
    ("category", "as_of", "expected", "due"),
    [
        ("ev", "2028-08-18", {"missing": 1}, "2028-08-18"),
        ("lmt", "2028-08-18", {"not yet": 1}, "2033-08-18"),
        ("lmt", "2033-08-18", {"missing": 1}, "2033-08-18"),
        (None, "2028-08-17", {"not yet": 1}, "2028-08-18"),
        (None, "2030-01-01", {"category unknown": 1}, "2028-08-18"),
        (None, "2033-08-18", {"missing": 1}, "2028-08-18"),
        (None, None, {"missing": 1}, "2028-08-18"),
    ],
)
def test_a_day_per_category(category: str | None, as_of: str | None, expected: dict[str, int], due: str, tmp_path: Path) -> None:
    rows = {"battery": canon.from_rows("battery", [{"battery_key": "a", "battery_category": category}])}
    text = 'from = { ev = "2028-08-18", lmt = "2033-08-18" }\n'
    outcome = run(tmp_path, text, rows, date.fromisoformat(as_of) if as_of else None).outcomes[0]
    found = {**outcome.records, **outcome.reasons}
    found.pop("not applicable", None)
    assert found == expected
    assert str(outcome.requirement.due) == due


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("battery.battery_chemistry~nmc", {"missing": 1, "condition not met": 1, "condition unknown": 1}),
        ("battery.battery_chemistry ~ NMC | battery.serial_number = B", {"missing": 2, "condition unknown": 1}),
        ("battery.battery_chemistry~nmc | battery.serial_number?", {"missing": 2, "condition unknown": 1}),
        ("material.name~cobalt | battery.battery_chemistry~LFP", {"missing": 1, "condition unknown": 2}),
        ("material.name[component=anode]~COBALT", {"condition unknown": 3}),
    ],
)
def test_parts_of_texts_and_ways_to_meet_a_condition(condition: str, expected: dict[str, int], tmp_path: Path) -> None:
    batteries = [
        {"battery_key": "a", "battery_category": "ev", "battery_chemistry": "NMC622"},
        {"battery_key": "b", "battery_category": "ev", "battery_chemistry": "LFP", "serial_number": "B"},
        {"battery_key": "c", "battery_category": "ev"},
    ]
    chunk = {
        "battery": canon.from_rows("battery", batteries),
        "material": canon.from_rows("material", [{"battery_key": "c", "name": "Graphite", "component": "cathode"}]),
    }
    outcome = run(tmp_path, f'when = ["{condition}"]\n', chunk).outcomes[0]
    found = {**outcome.records, **outcome.reasons}
    found.pop("not applicable", None)
    assert found == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('from = { ev = "2028-08-18", lnt = "2033-08-18" }', r"from names \['lnt'\]"),
        ('from = { ev = "2028-02-30" }', "expected a calendar date"),
        ('when = ["battery.battery_mass_kg~3"]', "looks for a part of a text"),
        ('when = ["battery.battery_category~ev"]', "looks for a part of a text"),
        ('when = ["battery.model_id? | battery.modell?"]', "no column 'modell'"),
    ],
)
def test_what_is_wrong_is_named(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(OWN + text + "\n", "utf-8")
    with pytest.raises(SpecError, match=expected):
        load(str(path))
