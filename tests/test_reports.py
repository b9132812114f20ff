"""The reports on findings: text for people, JSON by its schema, workflow commands by their escapes."""

from __future__ import annotations

import json
import re

import jsonschema_rs
import pytest

from bdx import canon, spec
from bdx.canon import Log
from bdx.errors import TruncatedSource, UsageError
from bdx.report import REPORTS, SourceSummary, ValidationResult, render
from bdx.rules import Checker


def result(*, nasty: bool = False) -> ValidationResult:
    """Two sources: one with findings of each severity, one clean; and one that could not be read."""
    log = Log()
    uri = "dir/a:b,c%\n.csv" if nasty else "data/test.csv"
    checker = Checker(log, uri)
    times = [float(row) for row in range(20)]
    times[5] = times[11] = 0.5
    batch = canon.batch("timeseries", {"record_index": [*range(19), 90], "test_time_second": times, "voltage_volt": [3.6] * 20})
    checker.watch({"timeseries": batch})
    steps = [{"step_run_id": "SR\x1b[31m1\n" if nasty else "SR-1", "step_code": "mixing", "tz_basis": "unknown", "locator": "line 7"}]
    checker.watch({"process_step": canon.from_rows("process_step", steps)})
    checker.watch({"genealogy": canon.from_rows("genealogy", [_edge()])})
    checker.finish()
    log.find("F000", source="cut.ndax", value="ends at byte 12")
    log.lose(uri, "column Comment", "no canonical home", 20)
    sources = [
        SourceSummary(uri, "neware-csv", {"timeseries": 20, "process_step": 1}),
        SourceSummary("ok.csv", "neware-csv", {"timeseries": 1200}),
    ]
    return ValidationResult(log.findings, log.losses, sources, 1234, 0.5, [TruncatedSource("ends", path="cut.ndax", offset=12)])


def _edge() -> dict[str, object]:
    return {"input_item_id": "A", "output_item_id": "B", "relation": "consumed", "match_basis": "time_window", "is_estimated": True}


def test_text_says_path_code_name_severity_message_count_and_rows() -> None:
    lines = render("text", result()).splitlines()
    fault = "test_time_second falls from 4 to 0.5 s at row 5; it must not decrease"
    assert lines[0] == f"data/test.csv: T001 time-goes-back error: {fault} (2 times, rows 5, 11)"
    zone = "data/test.csv: P009 zone-missing warning: times have no zone at row 0 (SR-1) (1 steps); give one with --assume-tz (line 7)"
    assert zone in lines
    assert "ok.csv: nothing found (neware-csv; rows: timeseries 1,200)" in lines
    assert lines[-2] == "2 errors, 3 warnings, 1 info in 3 sources; 1,234 values checked"
    assert lines[-1] == "`bdx rules T001` explains a code"


def test_text_is_grouped_by_source_and_worst_first() -> None:
    severities = re.findall(r"^data/test.csv: [A-Z]\d{3} \S+ (\w+):", render("text", result()), re.MULTILINE)
    assert severities == ["error", "warning", "warning", "warning", "info"]


def test_text_without_findings_has_no_hint() -> None:
    clean = ValidationResult([], [], [SourceSummary("ok.csv", "neware-csv", {})], 1, 0.0)
    assert render("text", clean) == "ok.csv: nothing found (neware-csv)\n0 errors, 0 warnings, 0 info in 1 source; 1 value checked\n"


def test_only_text_is_coloured_and_only_when_told() -> None:
    assert "\x1b[31merror\x1b[0m" in render("text", result(), color=True)
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
    assert value["summary"] == {"error": 2, "warning": 3, "info": 1, "sources": 3, "failed": 1, "checked": 1234}
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


def test_machine_reports_are_the_same_bytes_for_the_same_input() -> None:
    slow = result()
    slow.seconds = 99.0
    for name in REPORTS:
        assert render(name, slow) == render(name, result())


def test_github_commands_are_escaped_and_worst_first() -> None:
    lines = render("github", result(nasty=True)).splitlines()
    assert [line.split(" ", 1)[0] for line in lines[:-1]] == ["::error"] * 2 + ["::warning"] * 4 + ["::notice"]
    time = next(line for line in lines if "T001" in line)
    assert time == (
        "::error title=T001 time-goes-back,file=dir/a%3Ab%2Cc%25%0A.csv::"
        "test_time_second falls from 4 to 0.5 s at row 5; it must not decrease (2 times)"
    )
    zone = next(line for line in lines if "P009" in line)
    assert ",line=7::" in zone
    assert zone.count("%0A") == 2
    assert lines[-1] == "bdx: 2 error, 4 warning, 1 info in 3 sources"


def test_github_names_no_file_for_standard_input() -> None:
    log = Log()
    log.find("F000", source="<stdin>", value="empty")
    assert render("github", ValidationResult(log.findings, [], [], 0, 0.0)).startswith("::error title=F000 unreadable-source::")


def test_an_unknown_report_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'github'"):
        render("githup", result())
