"""Requirement profiles and the gap analysis: cases are data in fixtures/profiles/<profile>/<case>.json."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jsonschema_rs
import pyarrow as pa
import pytest

from bdx import canon, spec
from bdx.canon import Chunk, Log
from bdx.errors import SpecError, UsageError
from bdx.gaps import Analysis, GapResult, load
from bdx.gaps.loading import build
from bdx.gaps.result import REASONS, STATUSES
from bdx.pipeline.gap_run import GapRun
from bdx.report import gaps_json, gaps_text

ROOT = Path(__file__).resolve().parents[1]
CASES = sorted((ROOT / "fixtures/profiles").glob("*/*.json"))
GUIDANCE = ROOT.parent / "shared/samples/passport/ec_guidance/2026-07-28/ec-guidance-datapoints.json"
PARSE = {"date": date.fromisoformat, "timestamp": datetime.fromisoformat, "local_timestamp": datetime.fromisoformat, "decimal": Decimal}


def chunk_of(tables: dict[str, list[dict[str, Any]]]) -> Chunk:
    """Return a chunk from rows as JSON holds them."""
    found = {}
    for table, rows in tables.items():
        facts = spec.table(table)
        kinds = {name: PARSE.get(facts.column(name).type) for row in rows for name in row}
        parsed = [{name: kinds[name](value) if kinds[name] and value is not None else value for name, value in row.items()} for row in rows]
        if facts.sparse:
            found[table] = canon.batch(
                table, {name: [row.get(name) for row in parsed] for name in dict.fromkeys(n for r in rows for n in r)}
            )
        else:
            found[table] = canon.from_rows(table, parsed)
    return found


def analyse(profile: str, chunks: list[Chunk], options: dict[str, Any] | None = None, log: Log | None = None) -> GapResult:
    options = dict(options or {})
    if options.get("as_of"):
        options["as_of"] = date.fromisoformat(options["as_of"])
    analysis = Analysis(profile, **options)
    for chunk in chunks:
        analysis.watch(chunk)
    return analysis.finish(log or Log())


def lone(result: GapResult) -> GapRun:
    return GapRun(("data",), (result,))


def one_by_one(chunk: Chunk) -> list[Chunk]:
    """Return the chunk cut into one per record of its first table, children with their battery."""
    main = next(iter(chunk))
    if main not in ("battery", "timeseries"):
        return [chunk]
    cut = []
    for number in range(chunk[main].num_rows):
        row = chunk[main].slice(number, 1)
        piece = {main: row}
        for table, batch in list(chunk.items())[1:]:
            piece[table] = batch.filter(pa.compute.equal(batch.column("battery_key"), row.column("battery_key")[0]))
        cut.append(piece)
    return cut


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_case(path: Path) -> None:
    case = json.loads(path.read_text("utf-8"))
    chunks = [chunk_of(tables) for tables in case["chunks"]]
    result = analyse(path.parent.name, chunks, case.get("options"))
    found = {outcome.requirement.id: outcome for outcome in result.outcomes}
    assert {name: found[name].status for name in case["statuses"]} == case["statuses"]
    assert result.has_gaps is case["has_gaps"]
    if "gap_ids" in case:
        assert [outcome.requirement.id for outcome in result.outcomes if outcome.is_gap] == case["gap_ids"]
    for part, field in (("records", "records"), ("strengths", "strength"), ("gaps", "gaps")):
        assert {name: getattr(found[name], field) for name in case.get(part, {})} == case.get(part, {})
    summary = result.summary
    assert {name: summary[name] for name in case.get("summary", {})} == case.get("summary", {})
    for outcome in result.outcomes:
        assert sum(outcome.records.values()) == result.records, "every record has one status"
        assert sum(outcome.reasons.values()) == outcome.records.get("not applicable", 0)
    assert analyse(path.parent.name, [piece for chunk in chunks for piece in one_by_one(chunk)], case.get("options")) == result
    assert analyse(path.parent.name, chunks[::-1], case.get("options")) == result


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_reports(path: Path) -> None:
    case = json.loads(path.read_text("utf-8"))
    result = analyse(path.parent.name, [chunk_of(tables) for tables in case["chunks"]], case.get("options"))
    document = json.loads(gaps_json.render(lone(result)))
    jsonschema_rs.validator_for(spec.schema("bdx-gaps")).validate(document)
    assert document["schema"] == "bdx-gaps/1"
    assert {row["id"]: row["status"] for row in document["requirements"]}.items() >= case["statuses"].items()
    assert document["has_gaps"] is case["has_gaps"]
    text = gaps_text.render(lone(result))
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert text.endswith("\n")
    told = text.partition("\nGaps:")[2].partition("\n\n")[0]
    assert {name for row in document["requirements"] if row["gap"] for name in [row["id"]]} == {
        line.split()[0] for line in told.splitlines()[1:] if line[:3].strip() and not line.startswith(" " * 3)
    }
    plain = gaps_text.render(lone(result), color=True)
    assert "\x1b[" in plain
    assert "".join(part.partition("m")[2] if number else part for number, part in enumerate(plain.split("\x1b["))) == text


def test_schema_and_code_agree() -> None:
    rows = spec.schema("bdx-gaps")["properties"]["requirements"]["items"]["properties"]
    assert set(rows["status"]["enum"]) == set(STATUSES)
    assert set(rows["reasons"]["propertyNames"]["enum"]) == set(REASONS)


@pytest.mark.skipif(not GUIDANCE.exists(), reason="the transcription of the guidance is not here")
def test_profile_agrees_with_the_guidance() -> None:
    points = json.loads(GUIDANCE.read_text("utf-8"))["dataPoints"]
    profile = load("ec-guidance")
    assert [wanted.id for wanted in profile.requirements] == [f"ec-{point['nr']}" for point in points]
    words = {"notToBeFilled": "not_filled"}
    tiers = {"notifiedBodiesAndAuthorities": {"authorities"}, "legitimateInterest": {"legitimate_interest", "item_legitimate_interest"}}
    cells = 0
    for wanted, point in zip(profile.requirements, points, strict=True):
        for category, facts in point["applicability"].items():
            assert wanted.strength[category] == words.get(facts["status"], facts["status"]), (wanted.id, category)
            cells += 1
        if point["source"]:
            assert wanted.basis == point["source"].removeprefix("BR ").replace("Article", "Art").replace(" (", "(").replace(" (", "("), (
                wanted.id
            )
        assert wanted.tier in tiers.get(point["accessTier"], {point["accessTier"]})
        assert (wanted.level == "item") >= (point["lifecycle"] == "dynamic"), wanted.id
        assert (wanted.due is None) == (set(wanted.strength.values()) <= {"pending", "not_filled"}), wanted.id
        conditional = "conditional" in wanted.strength.values()
        assert not conditional or wanted.condition, f"{wanted.id} is conditional on what?"
    assert cells == 71 * 3


def test_tiers_of_the_profile_are_not_below_those_of_its_columns() -> None:
    """A data point is not shown to fewer than its columns allow, unless the column serves a public data point as well."""
    profile = load("ec-guidance")
    public = {path for wanted in profile.requirements if wanted.tier == "public" for path in wanted.paths}
    for wanted in profile.requirements:
        for path in wanted.paths:
            tier = spec.table(path.table).column(path.column).tier
            if tier and path not in public and not path.where:
                assert tier == wanted.tier, (wanted.id, str(path))


def test_bdf_profile_is_the_obligation_of_the_columns() -> None:
    asked = {path.column: wanted.strength["all"] for wanted in load("bdf").requirements for path in wanted.paths}
    columns = spec.table("timeseries").columns
    assert asked == {
        column.name: "mandatory" if column.required else "optional" for column in columns if column.required or column.recommended
    }


def rule(code: str, check: str) -> spec.RuleSpec:
    return spec.RuleSpec(code, "a-fault", "error", "{table}.{column}", "", "", "", "0.1", check=check)


def log_of(monkeypatch: pytest.MonkeyPatch, *findings: tuple[str, str, str, int]) -> Log:
    rules = MappingProxyType({"X001": rule("X001", "out_of_limits"), "X002": rule("X002", ""), "X003": rule("X003", "missing")})
    monkeypatch.setattr(spec, "rules", lambda: rules)
    log = Log()
    for code, column, severity, count in findings:
        table, _, name = column.partition(".")
        log.find(code, table=table, column=name, count=count, severity=severity)
    return log


MASS = [{"battery_key": str(n), "battery_category": "lmt", "battery_mass_kg": 3.0 if n < 7 else None} for n in range(10)]


@pytest.mark.parametrize(
    ("findings", "expected", "faults"),
    [
        ([("X001", "battery.battery_mass_kg", "error", 2)], {"present": 5, "missing": 3, "invalid": 2}, ("X001",)),
        ([("X001", "battery.battery_mass_kg", "error", 99)], {"missing": 3, "invalid": 7}, ("X001",)),
        ([("X002", "battery.battery_mass_kg", "error", 2)], {"present": 7, "missing": 1, "invalid": 2}, ("X002",)),
        ([("X002", "battery.battery_mass_kg", "error", 5)], {"present": 5, "invalid": 5}, ("X002",)),
        ([("X003", "battery.battery_mass_kg", "error", 3)], {"present": 7, "missing": 3}, ()),
        ([("X001", "battery.battery_mass_kg", "warning", 2)], {"present": 7, "missing": 3}, ()),
        ([("X001", "battery.min_voltage_v", "error", 2)], {"present": 7, "missing": 3}, ()),
        (
            [("X001", "battery.battery_mass_kg", "error", 2), ("X002", "battery.battery_mass_kg", "error", 1)],
            {"present": 5, "missing": 2, "invalid": 3},
            ("X001", "X002"),
        ),
    ],
)
def test_faults_make_values_invalid(
    monkeypatch: pytest.MonkeyPatch, findings: list[Any], expected: dict[str, int], faults: tuple[str, ...]
) -> None:
    result = analyse("ec-guidance", [{"battery": canon.from_rows("battery", MASS)}], log=log_of(monkeypatch, *findings))
    outcome = next(outcome for outcome in result.outcomes if outcome.requirement.id == "ec-10")
    assert outcome.records == expected
    assert outcome.status == ("invalid" if "invalid" in expected else "missing")
    assert outcome.faults == faults
    assert outcome.gaps == expected.get("invalid", 0) + expected.get("missing", 0)
    assert result.has_gaps


def test_a_fault_above_the_viewers_tier_stays_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"battery_key": "a", "battery_category": "lmt", "capacity_fade_percent": 300.0}]
    log = log_of(monkeypatch, ("X001", "battery.capacity_fade_percent", "error", 1))
    result = analyse("ec-guidance", [{"battery": canon.from_rows("battery", rows)}], {"tier": "public"}, log)
    assert next(outcome for outcome in result.outcomes if outcome.requirement.id == "ec-52").records == {"withheld": 1}


def test_not_a_number_is_no_value() -> None:
    rows = [{"battery_key": "a", "battery_category": "lmt", "battery_mass_kg": float("nan")}]
    result = analyse("ec-guidance", [{"battery": canon.from_rows("battery", rows)}])
    assert next(outcome for outcome in result.outcomes if outcome.requirement.id == "ec-10").status == "missing"


def test_dictionary_encoded_columns_read_alike() -> None:
    path = ROOT / "fixtures/profiles/ec-guidance/three-of-four-dated.json"
    chunk = chunk_of(json.loads(path.read_text("utf-8"))["chunks"][0])
    encoded = {}
    for table, batch in chunk.items():
        arrays = [array.dictionary_encode() if pa.types.is_string(array.type) else array for array in batch.columns]
        encoded[table] = pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
    assert analyse("ec-guidance", [encoded]) == analyse("ec-guidance", [chunk])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"profile": "ec-guidanc"}, r"no profile 'ec-guidanc' \(did you mean 'ec-guidance'\?\)"),
        ({"profile": "ec-guidance", "category": "lnt"}, r"has no category 'lnt' \(did you mean 'lmt'\?\)"),
        ({"profile": "ec-guidance", "category": "sli"}, "asks nothing of category 'sli'"),
        ({"profile": "bdf", "category": "ev"}, "tells no categories apart"),
        ({"profile": "ec-guidance", "tier": "publik"}, r"no tier 'publik' \(did you mean 'public'\?\)"),
    ],
)
def test_usage(arguments: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        Analysis(**arguments)


GOOD = tomllib.loads("""
id = "x"
title = "X"
version = "1"
source = "nobody"
licence = "none"
table = "battery"
presence = "value"
categories = ["ev"]
scope = { category_column = "battery_category" }
[[requirement]]
id = "x-1"
section = "s"
name = "n"
columns = ["battery.battery_id"]
basis = "b"
tier = "public"
level = "item"
supplier = ["mes"]
status = { ev = "mandatory" }
action = "a"
""")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"columns": ["battery.batery_id"]}, r"x-1: table battery has no column 'batery_id' \(did you mean"),
        ({"columns": ["batery.battery_id"]}, r"x-1: no table 'batery' \(did you mean 'battery'\?\)"),
        ({"columns": ["battery_id"]}, "x-1: 'battery_id' is no column path"),
        ({"columns": ["document.url[role]"]}, "filters by 'role'"),
        ({"columns": ["document.url[kind=a]"]}, "table document has no column 'kind'"),
        ({"columns": ["marking.name[subject=waste]"]}, "marking.subject is never 'waste'"),
        ({"columns": ["cycle.records"]}, "neither in table battery nor in a child of it"),
        ({"status": {"ev": "mandatory", "lmt": "mandatory"}}, r"status names \['ev', 'lmt'\], expected \['ev'\]"),
        ({"from": "2027-02-30"}, "from is '2027-02-30', expected a calendar date"),
    ],
)
def test_profile_faults_are_named(change: dict[str, Any], expected: str) -> None:
    facts = {**GOOD, "requirement": [{**GOOD["requirement"][0], **change}]}
    with pytest.raises(SpecError, match=expected):
        build(spec.freeze(facts), "x.toml", "x")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"requirement": GOOD["requirement"] * 2}, "x-1: the id is used twice"),
        ({"id": "y"}, "id is 'y', expected 'x'"),
        ({"table": "batery"}, "no table 'batery'"),
        ({"scope": {"category_column": "category"}}, "table battery has no column 'category'"),
        ({"scope": {"category_column": "battery_category", "same_as": {"stationary": "ind"}}}, "scope names category 'ind'"),
        ({"scope": {}}, "no scope.category_column"),
    ],
)
def test_profile_wide_faults_are_named(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(SpecError, match=expected):
        build(spec.freeze({**GOOD, **change}), "x.toml", "x")


def test_good_profile_is_good() -> None:
    profile = build(spec.freeze(GOOD), "x.toml", "x")
    assert [str(path) for path in profile.requirements[0].paths] == ["battery.battery_id"]
    assert replace(profile, id="z").id == "z"


def test_the_cases_are_what_their_generator_writes(tmp_path: Path) -> None:
    makers = sorted((ROOT / "fixtures/make").glob("profiles*.py"))
    for maker in makers:
        script = maker.read_text("utf-8").replace('parents[1] / "profiles"', "parents[0]")
        (tmp_path / maker.name).write_text(script, "utf-8")
    for maker in makers:
        subprocess.run([sys.executable, str(tmp_path / maker.name)], check=True)
    made = {path.relative_to(tmp_path): path.read_text("utf-8") for path in tmp_path.glob("*/*.json")}
    assert made == {path.relative_to(ROOT / "fixtures/profiles"): path.read_text("utf-8") for path in CASES}
    assert CASES


def test_documents_of_no_battery_serve_no_battery() -> None:
    documents = [{"battery_key": "stray", "role": "test_report", "url": "https://docs.example.com/a.pdf"}]
    rows = [{"battery_key": None, "battery_category": "lmt"}, {"battery_key": "a", "battery_category": "lmt"}]
    chunk = {"battery": canon.from_rows("battery", rows), "document": canon.from_rows("document", documents)}
    result = analyse("ec-guidance", [chunk])
    assert next(outcome for outcome in result.outcomes if outcome.requirement.id == "ec-50").records == {"missing": 2}


def roles_in(facts: Any) -> set[str]:
    """Return every document role that a mapping spec gives or takes."""
    if isinstance(facts, tuple):
        return set().union(*map(roles_in, facts)) if facts else set()
    if not hasattr(facts, "items"):
        return set()
    own = facts.get("role")
    return ({own} if isinstance(own, str) else set(own or ())) | set().union(*map(roles_in, facts.values()))


def test_every_role_asked_for_is_one_that_a_mapping_supplies() -> None:
    supplied = set().union(*(roles_in(spec.facts("mappings", name)) for name in spec.names("mappings")))
    asked = {value for wanted in load("ec-guidance").requirements for path in wanted.paths for name, value in path.where if name == "role"}
    # No passport model has a place for these two yet; they come in a document table of master data.
    assert asked - supplied <= {"instructions", "cycle_life_test"}
