"""`bdx rules`: every rule is listed and explained, with examples that its own check judges, in each form."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bdx import spec
from bdx.cli import run
from bdx.errors import SpecError
from bdx.report import rule_text
from bdx.report.words import plain
from bdx.rules import examples as cases
from bdx.spec import RuleSpec

ROOT = Path(__file__).resolve().parents[1]
RULES = list(spec.rules().values())
CHECKED = [rule for rule in RULES if rule.check and rule.status in ("active", "preview")]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["rules", *arguments]) == 0
    text: str = capsys.readouterr().out
    return text


def cells(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line)) - 1


# The list.


def test_the_list_has_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys).splitlines()
    assert [line.split()[0] for line in lines] == [rule.code for rule in RULES]
    assert all(rule.severity in line and rule.name in line for line, rule in zip(lines, RULES, strict=True))
    assert sum("(preview)" in line for line in lines) == sum(rule.status == "preview" for rule in RULES)


def test_the_list_as_markdown_is_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, "-O", "markdown").splitlines()
    assert len(lines) == len(RULES) + 2
    assert {cells(line) for line in lines} == {4}
    assert not [line for line in lines if re.search(r"(?<!\\)[<>]", line.replace("&lt;", "").replace("&gt;", ""))]


def test_the_list_as_json_is_the_rows_of_data(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(shown(capsys, "-O", "json"))
    assert {item["code"]: (item["name"], item["severity"], item["status"]) for item in listed} == {
        rule.code: (rule.name, rule.severity, rule.status) for rule in RULES
    }
    assert all(item["what"] and item["why"] and item["source"] and item["since"] for item in listed)


@pytest.mark.parametrize(("word", "expected"), [("T", "T"), ("t0", "T0"), ("d02", "D02")])
def test_a_family_is_listed_by_its_letter(word: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    codes = [line.split()[0] for line in shown(capsys, word).splitlines()]
    assert codes == [rule.code for rule in RULES if rule.code.startswith(expected)]
    assert len(codes) > 1


@pytest.mark.parametrize("word", ["T003", "t003", "wall-clock-goes-back", "Wall-Clock-Goes-Back"])
def test_a_rule_is_found_by_code_and_name(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, word).startswith("T003 wall-clock-goes-back\n")


@pytest.mark.parametrize(("word", "near"), [("T0003", "T003"), ("wall-clock-gos-back", "wall-clock-goes-back"), ("Q9", "")])
def test_an_unknown_rule_is_misuse(word: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", word]) == 2
    message = capsys.readouterr().err
    assert f"no rule '{word}'" in message
    assert (f"did you mean '{near}'" in message) == bool(near)


# One rule.


@pytest.mark.parametrize("rule", CHECKED, ids=lambda rule: rule.code)
def test_every_checked_rule_is_shown_failing_and_passing(rule: RuleSpec) -> None:
    found = cases.examples(rule.code)
    assert {case.fails for case in found} == {True, False}
    assert [case.fails for case in found] == sorted((case.fails for case in found), reverse=True)
    text = rule_text.explained(rule, "text")
    says = [line.strip() for line in text.splitlines() if line.startswith("  says: ")]
    assert len(says) == 1
    assert says[0].removeprefix("says: ") in [plain(case.message) for case in found]
    assert len(re.findall(r"^Fails: .", text, re.M)) == len(re.findall(r"^Passes: .", text, re.M)) == 1
    assert not re.search(r"\{[a-z_]+\}", text.split("Fails: ")[1])
    for word in (rule.what, rule.why, rule.source, rule.severity, rule.since, rule.status):
        assert word in text
    assert max(map(len, text.splitlines())) < 700
    assert text.count("\n") < 70


@pytest.mark.parametrize("rule", [rule for rule in RULES if not rule.check], ids=lambda rule: rule.code)
def test_a_rule_of_a_reader_is_explained_by_its_message(rule: RuleSpec) -> None:
    text = rule_text.explained(rule, "text")
    assert f"\nIt says\n  {rule.message}\n" in text
    assert rule.what in text
    assert rule.why in text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_an_explanation_as_markdown_has_sound_tables(rule: RuleSpec) -> None:
    text = rule_text.explained(rule, "markdown")
    assert text.startswith(f"# {rule.code} {rule.name}\n\n")
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({cells(line) for line in block.splitlines()}) == 1
    assert len(re.findall("^## Fails: ", text, re.M)) == len(re.findall("^## Passes: ", text, re.M)) == bool(rule.check)
    assert text.endswith("\n")
    assert "\n\n\n" not in text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_an_explanation_as_json_holds_every_case(rule: RuleSpec) -> None:
    value = json.loads(rule_text.explained(rule, "json"), parse_constant=pytest.fail)
    assert value["code"] == rule.code
    path = ROOT / "fixtures/rules" / f"{rule.code}.toml"
    written: dict[str, Any] = tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    found = [(case["fails"], case["why"]) for case in value["examples"]]
    assert found == [(kind == "fail", case["why"]) for kind in ("fail", "pass") for case in written.get(kind, [])]
    for case in value["examples"]:
        assert case["tables"]
        assert ("message" in case) == case["fails"]
        shown_rows = {row["row"] for rows in case["tables"].values() for row in rows}
        assert not case.get("rows") or set(case["rows"]) & shown_rows


def test_a_long_case_is_shown_around_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "T001.toml").write_text(
        '[[fail]]\nwhy = "late"\n[fail.timeseries]\ntest_time_second = [{ first = 0.0, step = 1.0, times = 5000 }, 3.0]\n'
        '[[pass]]\nwhy = "rises | <b>"\n[pass.timeseries]\ntest_time_second = [{ first = 0.0, step = 1.0, times = 1234 }, "null"]\n'
    )
    monkeypatch.setattr(cases, "_folder", lambda: tmp_path)
    text = rule_text.explained(spec.rules()["T001"], "text")
    fails, passes = text.split("Passes: ")
    assert re.findall(r"^ +(\d+) ", fails, re.M) == ["4998", "4999", "5000"]
    assert "of 5,001 rows" in fails
    assert re.findall(r"^ +(\d+) ", passes, re.M) == [str(row) for row in range(10)]
    assert "of 1,235 rows" in passes
    assert r"## Passes: rises \| \&lt;b\&gt;" in rule_text.explained(spec.rules()["T001"], "markdown")


def test_a_broken_case_is_a_fault_of_the_specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "T001.toml").write_text("[[fail]\n")
    monkeypatch.setattr(cases, "_folder", lambda: tmp_path)
    with pytest.raises(SpecError, match=r"T001\.toml: not valid TOML"):
        cases.examples("T001")
    monkeypatch.setattr(cases, "_folder", lambda: None)
    assert cases.examples("T001") == []


def test_a_wheel_carries_the_cases() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]["fixtures/rules"] == "bdx/_examples"
