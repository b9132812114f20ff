"""Machine reports against schemas: the published ones of SARIF and JUnit, our own stricter one, and the one bdx publishes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_rs
import published
import pytest
from lxml import etree
from report_results import RESULTS, hostile_result, plain_result

from bdx.cli import run
from bdx.report import ValidationResult, render

ROOT = Path(__file__).resolve().parents[1]
OWN = ROOT / "tests/schemas/junit.xsd"
SARIF = published.sarif()
JUNIT = [OWN, *published.junit()]
SOURCES = [
    "formats/digatron/milliseconds-named-seconds/input.csv",
    "formats/neware-csv/damaged/input.csv",
    "formats/b2mml/oddities/input.xml",
    "formats/biologic-mpr/gcpl-current-from-charge/input.mpr",
    "world/passport-catenax.json",
    "world/cycler.ndax",
]


@pytest.fixture(params=list(RESULTS))
def result(request: pytest.FixtureRequest) -> ValidationResult:
    made: ValidationResult = RESULTS[request.param]()
    return made


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the reports of one run over sources of several worlds, one of them cut."""
    folder = tmp_path_factory.mktemp("reports")
    cut = folder / "cut.ndax"
    cut.write_bytes((ROOT / "fixtures/world/cycler.ndax").read_bytes()[:9000])
    files = [argument for name in ("r.sarif", "r.xml", "r.json", "r.jsonl") for argument in ("--output", str(folder / name))]
    assert run(["validate", *(str(ROOT / "fixtures" / source) for source in SOURCES), str(cut), "--every", "-O", "github", *files]) == 3
    return folder


# SARIF.


def sarif_validator(path: Path) -> Any:
    schema = json.loads(path.read_text("utf-8"))
    return jsonschema.validators.validator_for(schema)(schema)  # some editions hold patterns that only Python takes


def faults(validator: Any, value: Any) -> list[tuple[str, str]]:
    return [(fault.json_path, fault.message) for fault in validator.iter_errors(value)]


def test_the_schema_of_sarif_is_the_one_its_reports_name() -> None:
    """The schema of OASIS is at hand wherever the dev extra is installed: these tests never pass by being skipped."""
    log = json.loads(render("sarif", plain_result()))
    assert json.loads(SARIF[0].read_text("utf-8"))["id"] == log["$schema"]


@pytest.mark.parametrize("path", SARIF, ids=lambda path: path.name)
def test_sarif_validates_against_the_published_schema(path: Path, result: ValidationResult) -> None:
    validator = sarif_validator(path)
    for code in (None, 0, 3):
        assert faults(validator, json.loads(render("sarif", result, exit_code=code))) == []


@pytest.mark.parametrize("path", SARIF, ids=lambda path: path.name)
def test_sarif_of_a_real_run_validates(path: Path, reports: Path) -> None:
    log = json.loads((reports / "r.sarif").read_text("utf-8"))
    assert faults(sarif_validator(path), log) == []
    assert {item["level"] for item in log["runs"][0]["results"]} == {"error", "warning", "note"}


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("version",), "2.0.0"),
        (("runs", 0, "invocations", 0, "executionSuccessful"), "yes"),
        (("runs", 0, "results", 0, "level"), "info"),
        (("runs", 0, "results", 0, "message"), {}),
        (("runs", 0, "results", 0, "locations", 0, "physicalLocation", "region", "startLine"), 0),
        (("runs", 0, "tool", "driver", "name"), None),
    ],
    ids=lambda place: str(place[-1]) if isinstance(place, tuple) else "",
)
@pytest.mark.parametrize("path", SARIF, ids=lambda path: path.name)
def test_the_schema_of_sarif_sees_what_is_wrong(path: Path, place: tuple[Any, ...], wrong: Any) -> None:
    log = json.loads(render("sarif", plain_result()))
    *inner, last = place
    at = log
    for step in inner:
        at = at[step]
    at[last] = wrong
    assert faults(sarif_validator(path), log)


# JUnit.


def junit_schema(path: Path) -> Any:
    return etree.XMLSchema(etree.parse(str(path)))


def test_a_published_schema_of_junit_is_at_hand() -> None:
    if len(JUNIT) == 1 and not os.environ.get("CI"):
        pytest.skip("no index of packages answers, and no schema lies beside the repository")
    assert len(JUNIT) > 1


@pytest.mark.parametrize("path", JUNIT, ids=lambda path: path.name)
def test_junit_validates_against_the_published_schema(path: Path, result: ValidationResult) -> None:
    schema = junit_schema(path)
    for level in ("error", "warning", "info"):
        schema.assertValid(etree.fromstring(render("junit", result, fail_on=level).encode()))


@pytest.mark.parametrize("path", JUNIT, ids=lambda path: path.name)
def test_junit_of_a_real_run_validates(path: Path, reports: Path) -> None:
    tree = etree.parse(str(reports / "r.xml"))
    junit_schema(path).assertValid(tree)
    assert {"failure", "skipped", "error"} <= {element.tag for element in tree.iter()}


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ("<testcase ", "<test "),
        ("<testsuites>", "<testsuites colour='red'>"),
        (' tests="', ' testz="'),
    ],
)
@pytest.mark.parametrize("path", JUNIT, ids=lambda path: path.name)
def test_the_schemas_of_junit_see_what_is_wrong(path: Path, found: str, wrong: str) -> None:
    text = render("junit", plain_result())
    assert found in text
    broken = re.sub(r"</testcase>", "</test>", text.replace(found, wrong)) if "test " in wrong else text.replace(found, wrong)
    assert not junit_schema(path).validate(etree.fromstring(broken.encode()))


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ('hostname="localhost"', 'hostname=""'),
        (' package="mes.xml"', ""),
        ("<system-err/>", ""),
        ('name="E010 lone-spike"', 'name="E010  lone-spike"'),
        ('id="1"', 'id="0"'),
        (' type="error"', ""),
        ('skipped="2"', 'skipped="-2"'),
        (re.compile(r"timestamp=\"[^\"]+"), 'timestamp="2026-09-21T14:13:20Z'),
    ],
    ids=str,
)
def test_our_own_schema_of_junit_is_strict(found: str | re.Pattern[str], wrong: str) -> None:
    text = render("junit", plain_result())
    broken = re.sub(found, wrong, text, count=1)
    assert broken != text
    schema = junit_schema(OWN)
    schema.assertValid(etree.fromstring(text.encode()))
    assert not schema.validate(etree.fromstring(broken.encode()))


# The schema that bdx publishes.


@pytest.fixture
def findings_schema(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return the validator of what `bdx schema findings` prints."""
    assert run(["schema", "findings"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_keeps_to_the_schema_that_is_published(result: ValidationResult, findings_schema: Any) -> None:
    value = json.loads(render("json", result))
    assert [fault.message for fault in jsonschema_rs.validator_for(findings_schema).iter_errors(value)] == []
    assert list(jsonschema.Draft202012Validator(findings_schema).iter_errors(value)) == []


def test_json_of_a_real_run_keeps_to_it(reports: Path, findings_schema: Any) -> None:
    value = json.loads((reports / "r.json").read_text("utf-8"))
    assert [fault.message for fault in jsonschema_rs.validator_for(findings_schema).iter_errors(value)] == []


def test_the_schema_of_findings_names_every_key_that_is_written(findings_schema: Any) -> None:
    """A key that reports gain or lose is named in the schema too: its objects are described whole and in their order."""
    jsonschema.Draft202012Validator.check_schema(findings_schema)
    value = json.loads(render("json", hostile_result()))
    inner = findings_schema["$defs"]
    described = [
        (value, findings_schema),
        (value["findings"][0], inner["finding"]),
        (value["losses"][0], inner["losses"]["items"]),
        (value["sources"][0], inner["sources"]["items"]),
        (value["summary"], inner["summary"]),
        (json.loads(render("jsonl", hostile_result()).splitlines()[-1]), inner["last"]),
    ]
    for written, schema in described:
        assert list(schema["properties"]) == list(written)
        assert set(schema["required"]) <= set(written)


@pytest.mark.parametrize("place", ["schema", "findings", "losses", "sources", "summary"])
def test_a_report_that_lacks_a_part_is_none(place: str, findings_schema: Any) -> None:
    value = json.loads(render("json", plain_result()))
    del value[place]
    assert not jsonschema_rs.validator_for(findings_schema).is_valid(value)
