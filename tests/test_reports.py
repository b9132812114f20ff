"""The reports on findings: text for people, JSON by its schema, workflow commands by their escapes."""

from __future__ import annotations

import json
import re

import jsonschema_rs
import pytest

from bdx import spec
from bdx.canon import Finding, Log, Loss
from bdx.errors import TruncatedSource, UsageError
from bdx.report import REPORTS, SourceSummary, ValidationResult, render


def result(*, nasty: bool = False) -> ValidationResult:
    """Two sources: one with findings of each severity, one clean; and one that could not be read."""
    uri = "dir/a:b,c%\n.csv" if nasty else "data/test.csv"
    step = "SR\x1b[31m1\n" if nasty else "SR-1"
    fall = "test_time_second falls from 4 to 0.5 s at row 5; it must not decrease"
    zone = f"times have no zone at row 0 ({step}) (1 steps); give one with --assume-tz"
    findings = [
        Finding("T001", "error", fall, uri, "timeseries", "test_time_second", 5, "", 2, "0.5", [5, 11]),
        Finding("T004", "warning", "record_index jumps at row 19", uri, "timeseries", "record_index", 19, "", 1, "90", [19]),
        Finding("P009", "warning", zone, uri, "process_step", "started_at", 0, "line 7", 1, "not given", [0]),
        Finding("P007", "info", "1 edge is estimated", uri, "genealogy", "is_estimated", 0, "", 1, "true", [0]),
        Finding("F000", "error", "cut.ndax: ends at byte 12", "cut.ndax"),
    ]
    if nasty:
        findings.insert(3, Finding("P008", "warning", f"'{step}' holds a line break", uri, "process_step", "step_run_id", 0, "line 7"))
    sources = [
        SourceSummary(uri, "neware-csv", {"timeseries": 20, "process_step": 1}, ("T001", "T002", "P009"), "ab" * 32, 512),
        SourceSummary("ok.csv", "neware-csv", {"timeseries": 1200}, ("T001",)),
    ]
    losses = [Loss(uri, "column Comment", "no canonical home", 20)]
    return ValidationResult(findings, losses, sources, 1234, 0.5, [TruncatedSource("ends", path="cut.ndax", offset=12)])


def test_text_says_path_code_name_severity_message_count_and_rows() -> None:
    lines = render("text", result()).splitlines()
    fault = "test_time_second falls from 4 to 0.5 s at row 5; it must not decrease"
    assert lines[0] == "data/test.csv (neware-csv; rows: timeseries 20, process_step 1)"
    assert lines[1] == f"  error   T001 time-goes-back: {fault} (2 times, rows 5, 11)"
    zone = "  warning P009 zone-missing: times have no zone at row 0 (SR-1) (1 steps); give one with --assume-tz (line 7)"
    assert zone in lines
    assert "ok.csv: nothing found (neware-csv; rows: timeseries 1,200)" in lines
    assert lines[-2] == "2 errors, 2 warnings, 1 info in 3 sources; 1,234 values checked"
    assert lines[-1] == "`bdx rules T001` explains a code"


def test_text_is_grouped_by_source_and_worst_first() -> None:
    block = render("text", result()).partition("data/test.csv")[2].partition("ok.csv")[0]
    severities = re.findall(r"^  (\w+) +[A-Z]\d{3} \S+: ", block, re.MULTILINE)
    assert severities == ["error", "warning", "warning", "info"]


def test_text_without_findings_has_no_hint() -> None:
    clean = ValidationResult([], [], [SourceSummary("ok.csv", "neware-csv", {})], 1, 0.0)
    assert render("text", clean) == "ok.csv: nothing found (neware-csv)\n0 errors, 0 warnings, 0 info in 1 source; 1 value checked\n"


def test_only_text_is_coloured_and_only_when_told() -> None:
    assert "\x1b[31merror  \x1b[0m T001" in render("text", result(), color=True)
    for name in REPORTS:
        assert "\x1b" not in render(name, result(), color=name != "text")


def test_data_cannot_write_to_the_terminal() -> None:
    text = render("text", result(nasty=True))
    assert "\x1b" not in text
    assert "SR\\x1b[31m1\\n" in text
    assert len(text.splitlines()) == len(render("text", result()).splitlines()) + 1  # P008 sees the line break in the identifier


def test_json_keeps_to_its_schema() -> None:
    validator = jsonschema_rs.validator_for(spec.schema("bdx-findings"))
    for made in (result(), result(nasty=True), ValidationResult([], [], [], 0, 0.0)):
        value = json.loads(render("json", made))
        assert [fault.message for fault in validator.iter_errors(value)] == []
    broken = json.loads(render("json", result()))
    broken["findings"][0]["count"] = 0
    assert not validator.is_valid(broken)


def test_json_has_stable_keys_and_counts() -> None:
    value = json.loads(render("json", result()))
    assert list(value) == ["schema", "findings", "losses", "sources", "summary"]
    assert value["schema"] == "bdx-findings/1"
    assert value["summary"] == {"error": 2, "warning": 2, "info": 1, "sources": 3, "failed": 1, "checked": 1234, "known": 0}
    first = next(finding for finding in value["findings"] if finding["code"] == "T001")
    assert first == {
        "code": "T001",
        "name": "time-goes-back",
        "severity": "error",
        "source": "data/test.csv",
        "table": "timeseries",
        "column": "test_time_second",
        "row": 5,
        "locator": "",
        "count": 2,
        "value": "0.5",
        "message": "test_time_second falls from 4 to 0.5 s at row 5; it must not decrease",
        "examples": [5, 11],
    }


def test_machine_reports_are_the_same_bytes_for_the_same_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    slow = result()
    slow.seconds = 99.0
    for name in REPORTS:
        assert render(name, slow) == render(name, result())


def test_github_commands_are_escaped_and_worst_first() -> None:
    lines = render("github", result(nasty=True)).splitlines()
    assert [line.split(" ", 1)[0] for line in lines[:-1]] == ["::error"] * 2 + ["::warning"] * 3 + ["::notice"]
    time = next(line for line in lines if "T001" in line)
    assert time == (
        "::error title=T001 time-goes-back,file=dir/a%3Ab%2Cc%25%0A.csv::"
        "test_time_second falls from 4 to 0.5 s at row 5; it must not decrease (2 times)"
    )
    zone = next(line for line in lines if "P009" in line)
    assert ",line=7::" in zone
    assert zone.count("%0A") == 2
    assert lines[-1] == "bdx: 2 error, 3 warning, 1 info in 3 sources"


def test_github_names_no_file_for_standard_input() -> None:
    log = Log()
    log.find("F000", source="<stdin>", value="empty")
    assert render("github", ValidationResult(log.findings, [], [], 0, 0.0)).startswith("::error title=F000 unreadable-source::")


def test_an_unknown_report_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'github'"):
        render("githup", result())
