"""Reports of the gap analysis: every form tells the same gaps, keeps to its schema, and shows hostile text as text."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import published
import pytest
from click.testing import CliRunner, Result
from lxml import etree

from bdx.cli import gaps

WORLD = Path(__file__).resolve().parents[1] / "fixtures/world"
PASSPORT = str(WORLD / "passport-idta.json")
JUNIT = [Path(__file__).resolve().parent / "schemas/junit.xsd", *published.junit()]
FORMS = ("text", "json", "jsonl", "csv", "markdown", "html", "junit", "sarif")
PROFILES = ("--profile", "ec-guidance", "--profile", "gefeg-1.0")


def run(*args: str) -> Result:
    return CliRunner().invoke(gaps.command, list(args))


def ids_of(form: str, text: str) -> set[str]:
    """Return the ids of the gaps that a report of one profile tells."""
    if form == "json":
        return {row["id"] for row in json.loads(text)["requirements"] if row["gap"]}
    if form == "jsonl":
        return {row["id"] for row in map(json.loads, text.splitlines()) if row.get("gap")}
    if form == "csv":
        return {row["id"] for row in csv.DictReader(io.StringIO(text)) if row["gap"] == "true"}
    if form == "junit":
        return {case.attrib["name"].split()[0] for case in ET.fromstring(text).iter("testcase") if case.find("failure") is not None}
    if form == "sarif":
        results = json.loads(text)["runs"][0]["results"]
        return {row["ruleId"].rpartition("/")[2] for row in results if row["level"] == "error"}
    if form == "html":
        return set(re.findall(r"<code>(ec-\d+)</code>", text.split("Gaps to close")[1].split("<details>", maxsplit=1)[0]))
    if form == "markdown":
        return set(re.findall(r"^\| `(ec-\d+)`", text, re.MULTILINE))
    return set(re.findall(r"^  (ec-\d+)", text.split("Gaps: ")[1].split("\n\n", maxsplit=1)[0], re.MULTILINE))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_tells_the_same_gaps(form: str) -> None:
    found = run(PASSPORT, "--profile", "ec-guidance", "-O", form)
    assert found.exit_code == 1
    expected = ids_of("json", run(PASSPORT, "--profile", "ec-guidance", "-O", "json").output)
    assert len(expected) > 2
    assert ids_of(form, found.output) == expected


@pytest.mark.parametrize("form", FORMS)
def test_the_same_run_gives_the_same_bytes(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    assert run(PASSPORT, *PROFILES, "-O", form).output == run(PASSPORT, *PROFILES, "-O", form).output


def test_sarif_keeps_to_its_schema() -> None:
    schema = json.loads(published.sarif()[0].read_text("utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [fault.message for fault in validator.iter_errors(json.loads(run(PASSPORT, *PROFILES, "-O", "sarif").output))] == []


@pytest.mark.parametrize("path", JUNIT, ids=lambda path: path.name)
def test_junit_keeps_to_its_schemas(path: Path) -> None:
    schema = etree.XMLSchema(etree.parse(str(path)))
    assert schema.validate(etree.fromstring(run(PASSPORT, *PROFILES, "-O", "junit").output.encode())), schema.error_log


def test_a_baseline_tells_what_opened_and_closed(tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    run(PASSPORT, "--profile", "ec-guidance", "-O", "json", "--output", str(base))
    same = run(PASSPORT, "--profile", "ec-guidance", "--baseline", str(base))
    assert "nothing changed" in same.output
    other = json.loads(run(str(WORLD / "passport-catenax.json"), "--profile", "ec-guidance", "--baseline", str(base), "-O", "json").output)
    before = ids_of("json", base.read_text("utf-8"))
    after = {row["id"] for row in other["requirements"] if row["gap"]}
    assert {row["id"] for row in other["changes"] if row["kind"] == "closed"} == before - after
    assert {row["id"] for row in other["changes"] if row["kind"] == "opened"} == after - before


def test_a_baseline_of_other_profiles_is_refused(tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    run(PASSPORT, "--profile", "ec-guidance", "-O", "json", "--output", str(base))
    found = run(PASSPORT, "--profile", "eu-battery-regulation", "--baseline", str(base))
    assert found.exit_code != 0 and "reports on ec-guidance, not on eu-battery-regulation" in str(found.exception)


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "bdx-findings/1"}', '{"schema": "bdx-gaps/1"}', "[]", "[" * 100_000])
def test_a_file_that_is_no_report_is_no_baseline(text: str, tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    base.write_text(text, "utf-8")
    found = run(PASSPORT, "--profile", "ec-guidance", "--baseline", str(base))
    assert found.exit_code != 0
    assert "no report of bdx gaps" in str(found.exception) or "expected bdx-gaps/1" in str(found.exception)


def test_hostile_text_is_shown_as_text(tmp_path: Path) -> None:
    profile = tmp_path / "p.toml"
    name = "<script>alert(1)</script> | =cmd\\u202e"
    lines = [
        *('id = "own"', f'title = "{name}"', 'version = "1"', 'source = "us"', 'licence = "x"', 'table = "battery"', 'presence = "value"'),
        *("categories = []", "[[requirement]]", 'id = "a"', f'name = "{name}"', 'section = "=1+1"', 'basis = "b"', 'status = "mandatory"'),
        'columns = ["battery.traction_battery_code"]',
    ]
    profile.write_text("\n".join(lines), "utf-8")
    page = run(PASSPORT, "--profile", str(profile), "-O", "html").output
    assert "<script" not in page
    assert "\u202e" not in page
    rows = list(csv.reader(io.StringIO(run(PASSPORT, "--profile", str(profile), "-O", "csv").output)))
    assert rows[1][2] == "'=1+1"
    assert "<script" not in run(PASSPORT, "--profile", str(profile), "-O", "markdown").output
    ET.fromstring(run(PASSPORT, "--profile", str(profile), "-O", "junit").output)


def test_the_page_fetches_nothing() -> None:
    page = run(PASSPORT, "--profile", "ec-guidance", "-O", "html").output
    assert "default-src 'none'" in page
    assert not re.search(r"<(?:script|img|link|iframe|object)|url\(|@import|(?:src|href)=", page)
    assert page.count("<h1>") == 1
