"""What a project may ask of validate: its settings file, severities, thresholds, chemistry windows, expectations, a baseline."""

import json
from pathlib import Path
from typing import Any

import pytest

from bdx import spec
from bdx.errors import UsageError
from bdx.pipeline import baseline, settings
from bdx.pipeline.checking import validate
from bdx.pipeline.settings import Settings
from bdx.rules import chosen

HEADER = "Test Time / s,Voltage / V,Current / A\n"


def data(folder: Path, name: str = "x.bdf.csv", rows: str = "0,3.7,1\n1,3.7,1\n2,4.9,1\n3,3.7,-20000\n4,3.7,-20000\n") -> Path:
    path = folder / name
    path.write_text(HEADER + rows)
    return path


def found(path: Path, **facts: Any) -> dict[str, tuple[str, int]]:
    result = validate([path], settings=Settings(**facts))
    return {finding.code: (finding.severity, finding.count) for finding in result.findings}


def test_the_nearest_settings_file_is_used(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.bdx]\nignore = ["E009"]\n')
    assert settings.nearest(deep).ignore == ("E009",)
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert settings.nearest(deep).ignore == ("E009",), "a project without [tool.bdx] says nothing"
    (deep / "bdx.toml").write_text('select = ["T"]\n')
    assert settings.nearest(deep).select == ("T",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('selct = ["T"]', "selct.*did you mean 'select'"),
        ("select = 3", "expected a list of texts"),
        ('severity = "high"', "expected a table"),
        ('[severity]\nE009 = "high"', "level"),
        ('[severity]\nQ1 = "info"', "no rule code"),
        ('profile = ["nmcc"]', "did you mean 'nmc'"),
        ('fail-on = "never"', "fail-on"),
        ("select = [", "TOML"),
    ],
)
def test_a_faulty_settings_file_is_named(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bdx.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        settings.load(path)


def test_severities_by_code_and_prefix_the_longest_wins(tmp_path: Path) -> None:
    path = data(tmp_path)
    assert found(path)["U001"] == ("error", 2)
    assert found(path, severity={"U": "info"})["U001"] == ("info", 2)
    assert found(path, severity={"U": "info", "U001": "warning"})["U001"] == ("warning", 2)
    assert settings.with_severity(Settings(), ["U001=warning"]).severity == {"U001": "warning"}
    for pair in ("U001", "U001=loud", "=error", "Q=error"):
        with pytest.raises(UsageError):
            settings.with_severity(Settings(), [pair])


def test_thresholds_replace_those_of_a_rule(tmp_path: Path) -> None:
    path = data(tmp_path)
    assert "U001" not in found(path, args={"U001": {"limit": 30000}})
    with pytest.raises(UsageError, match="has no argument"):
        found(path, args={"U001": {"limmit": 1.0}})
    with pytest.raises(UsageError, match="no rule code"):
        found(path, args={"E999": {"limit": 1.0}})


@pytest.mark.parametrize("name", spec.names("rulesets"))
def test_every_profile_of_rules_fits_the_rules(name: str, tmp_path: Path) -> None:
    made = settings.with_profile(Settings(), name)
    assert chosen(made.select, made.ignore, made.enable)
    validate([data(tmp_path)], settings=made)


def test_a_window_of_a_chemistry_runs_on_request_only(tmp_path: Path) -> None:
    path = data(tmp_path)
    assert "E050" not in found(path)
    made = settings.with_profile(Settings(), "nmc")
    hit = next(finding for finding in validate([path], settings=made).findings if finding.code == "E050")
    assert (hit.count, hit.row) == (1, 2)
    assert "2 to 4.45 V" in hit.message
    assert "U001" in {finding.code for finding in validate([path], settings=made).findings}, "the other rules run too"


def test_every_hit_on_its_own(tmp_path: Path) -> None:
    path = data(tmp_path)
    rows = [(finding.row, finding.count) for finding in validate([path], settings=Settings(every=True)).findings if finding.code == "U001"]
    assert rows == [(3, 1), (4, 1)]


def test_expectations_of_a_project(tmp_path: Path) -> None:
    path = data(tmp_path)
    good = {"rows": [5, 5], "columns": ["voltage_volt"], "ranges": {"voltage_volt": [3.0, 5.0]}}
    assert not {"S040", "S041", "S042"} & set(found(path, expect=(good,)))
    bad = {"rows": [6], "columns": ["ambient_temperature_celsius"], "ranges": {"voltage_volt": [3.0, 4.5]}}
    codes = found(path, expect=(bad,))
    assert {code: codes[code] for code in ("S040", "S041", "S042")} == {"S040": ("error", 1), "S041": ("error", 1), "S042": ("error", 1)}
    assert not {"S040"} & set(found(path, expect=({**bad, "source": "*.parquet"},)))
    assert "S040" in found(path, expect=({"rows": 4},), select=("T",)), "a selection of rules does not switch off expectations"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"row": 3}, "did you mean 'rows'"),
        ({"table": "timeserie"}, "did you mean 'timeseries'"),
        ({"columns": ["voltage"]}, "no column 'voltage'"),
        ({"ranges": {"voltage_volt": [1]}}, "expected \\[low, high\\]"),
        ({"rows": "many"}, "expected a number"),
    ],
)
def test_a_faulty_expectation_is_named(wish: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        found(data(tmp_path), expect=(wish,))


def test_a_baseline_holds_what_is_known_and_lets_new_findings_through(tmp_path: Path) -> None:
    path = data(tmp_path)
    file = tmp_path / "baseline.json"
    first = validate([path]).findings
    assert first
    assert baseline.write(str(file), first) == len(first)
    assert json.loads(file.read_text())["findings"][0]["source"] == "x.bdf.csv"
    again = validate([path], settings=Settings(baseline=str(file)))
    assert (again.findings, again.known) == ([], len(first))
    data(tmp_path, rows="0,3.7,1\n1,3.7,1\n2,4.9,1\n3,3.7,-20000\n4,3.7,-20000\n5,3.7,-20000\n")
    grown = validate([path], settings=Settings(baseline=str(file))).findings
    assert [(finding.code, finding.count) for finding in grown] == [("U001", 1)]
    other = data(tmp_path, "y.bdf.csv")
    assert {finding.source for finding in validate([path, other], settings=Settings(baseline=str(file))).findings if finding.count > 1} == {
        str(other)
    }


def test_what_is_no_baseline_is_refused(tmp_path: Path) -> None:
    path = data(tmp_path)
    for text in ("", "[]", '{"schema": "other", "findings": []}', '{"schema": "bdx-baseline/1", "findings": [{}]}'):
        (tmp_path / "b.json").write_text(text)
        with pytest.raises(UsageError):
            validate([path], settings=Settings(baseline=str(tmp_path / "b.json")))
