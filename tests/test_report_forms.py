"""Reports that other systems take: each keeps to the rules of its form, whatever the data hold."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import math
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema_rs
import pyarrow as pa
import pytest
from report_results import RESULTS, empty_result, every_result, finding, hostile_result, plain_result

from bdx import canon, report, spec
from bdx.canon import Chunk
from bdx.cli import run
from bdx.cli.validate import FORMS
from bdx.errors import UsageError
from bdx.pipeline import checking, reading
from bdx.pipeline import stretches as curves
from bdx.report import REPORTS, SourceSummary, ValidationResult, destination, render
from bdx.report.page import STYLE
from bdx.report.sarif import MOST_RESULTS

ROOT = Path(__file__).resolve().parents[1]
DIGATRON = str(ROOT / "fixtures/formats/digatron/milliseconds-named-seconds/input.csv")
LINE = str(ROOT / "fixtures/world/line.xml")


@pytest.fixture(params=list(RESULTS))
def result(request: pytest.FixtureRequest) -> ValidationResult:
    made: ValidationResult = RESULTS[request.param]()
    return made


# What holds for every form.


def test_the_command_offers_every_report() -> None:
    assert tuple(REPORTS) == FORMS
    assert set(report.SUFFIXES.values()) <= set(REPORTS)


@pytest.mark.parametrize("form", list(REPORTS))
def test_every_form_is_text_of_utf8_that_no_data_steers(form: str) -> None:
    text = render(form, hostile_result())
    text.encode("utf-8")
    assert text.endswith("\n")
    hidden = set(re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e\ufffe]", text))
    # JSON may hold any character but the controls; they stand there as escapes or as they are.
    assert not hidden - ({"\u2028", "\u202e", "\ufffe", "\x7f"} if form in ("json", "jsonl", "sarif", "gitlab") else set())


@pytest.mark.parametrize("form", list(REPORTS))
def test_every_form_names_every_fault_and_source(form: str) -> None:
    text = render(form, plain_result())
    for code in ("T001", "E010", "M042", "D001", "F020", "F000"):
        assert code in text
    for source in ("data/a b.csv", "mes.xml", "p.jsonl", "cut.ndax"):
        assert source in text or source.replace(" ", "%20") in text


@pytest.mark.parametrize("form", list(REPORTS))
def test_a_clean_run_is_said_and_not_silent(form: str) -> None:
    assert ("ok.csv" in render(form, empty_result())) == (form not in ("github", "gitlab"))


# JSON and JSON lines.


def part(name: str) -> Any:
    """Return the validator of one part of the published schema of findings."""
    whole = spec.schema("bdx-findings")
    return jsonschema_rs.validator_for({"$defs": whole["$defs"], "$ref": f"#/$defs/{name}"})


def test_jsonl_is_a_line_per_finding_and_a_last_one(result: ValidationResult) -> None:
    *lines, last = render("jsonl", result).split("\n")[:-1]
    whole = json.loads(render("json", result))
    found = [json.loads(line) for line in lines]
    assert sorted(map(str, found)) == sorted(map(str, whole.pop("findings")))
    assert json.loads(last) == whole
    assert all(part("finding").is_valid(line) for line in found)
    assert part("last").is_valid(json.loads(last))
    assert not part("last").is_valid(found[0] if found else {})


# JUnit.


def suites(result: ValidationResult, **facts: Any) -> list[ET.Element]:
    return list(ET.fromstring(render("junit", result, **facts)))


def test_junit_keeps_to_what_ant_and_jenkins_allow(result: ValidationResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    root = ET.fromstring(render("junit", result))
    assert (root.tag, root.attrib) == ("testsuites", {})
    assert [suite.get("id") for suite in root] == [str(number) for number in range(len(root))]
    for suite in root:
        wanted = {"name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors", "skipped", "time"}
        assert (suite.tag, set(suite.attrib)) == ("testsuite", wanted)
        assert suite.get("timestamp") == "2026-09-21T14:13:20"
        tags = [child.tag for child in suite]
        assert tags == ["properties", *["testcase"] * (len(tags) - 3), "system-out", "system-err"]
        assert all(set(item.attrib) == {"name", "value"} and item.get("name") for item in suite[0])
        inner = Counter(child.tag for case in suite.iter("testcase") for child in case)
        counts = {"tests": tags.count("testcase"), **{f"{tag}s": inner[tag] for tag in ("failure", "error")}, "skipped": inner["skipped"]}
        assert {name: int(suite.get(name, "")) for name in counts} == counts
        assert set(inner) <= {"failure", "error", "skipped"}
        names = [case.get("name", "") for case in suite.iter("testcase")]
        assert len(set(names)) == len(names)
        for case in suite.iter("testcase"):
            assert set(case.attrib) == {"name", "classname", "time"}
            assert len(case) <= 1
            assert all(set(child.attrib) == {"type", "message"} and child.text for child in case)
            for token in (case.get("name", ""), case.get("classname", ""), suite.get("name", "")):
                assert token
                assert token == " ".join(token.split())


def test_junit_passes_fails_skips_and_errs() -> None:
    first, second, third, unread = suites(plain_result())
    outcomes = {case.get("name"): [child.tag for child in case] for case in first.iter("testcase")}
    assert outcomes == {
        "E010 lone-spike": ["skipped"],
        "F000 unreadable-source": [],
        "F020 records-between-stamps": ["skipped"],
        "T001 time-goes-back": ["failure"],
        "T002 test-time-resets-at-step": [],
    }
    assert [suite.get("failures") for suite in (second, third)] == ["0", "1"]
    assert (unread.get("errors"), unread.get("tests")) == ("1", "1")
    text = next(first.iter("failure")).text or ""
    assert "timeseries.test_time_second" in text
    assert "rows 5, 11" in text
    strict = suites(plain_result(), fail_on="warning")[0]
    assert (strict.get("failures"), strict.get("skipped")) == ("2", "1")


def test_junit_has_one_case_for_a_rule_however_often_it_hits() -> None:
    (suite,) = suites(every_result())
    assert suite.get("tests") == "2"
    text = next(suite.iter("failure")).text or ""
    assert len(text.split("\n")) == 201
    assert text.endswith("and 50 more")


# SARIF.


def test_sarif_keeps_to_its_rules_and_to_those_of_code_scanning(result: ValidationResult) -> None:
    log = json.loads(render("sarif", result, exit_code=1))
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    assert len(log["runs"]) == 1
    (only,) = log["runs"]
    rules, files = only["tool"]["driver"]["rules"], only["artifacts"]
    assert only["tool"]["driver"]["name"] == "bdx"
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert 0 < len(rule["fullDescription"]["text"]) <= 1024
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
        assert 0 < len(rule["properties"]["tags"]) <= 20
    for place, item in enumerate(files):
        assert item["location"]["index"] == place
        assert re.fullmatch(r"[A-Za-z0-9%/._~!$&'()*+,;=:@?#-]+", item["location"]["uri"])
        assert all(re.fullmatch("[0-9a-f]{64}", value) for value in item.get("hashes", {}).values())
    assert len(only["results"]) == len(result.findings) <= MOST_RESULTS
    prints = Counter(item["partialFingerprints"]["bdxFinding/v1"] for item in only["results"])
    assert set(prints.values()) <= {1}
    for item in only["results"]:
        assert rules[item["ruleIndex"]]["id"] == item["ruleId"]
        assert item["level"] in ("error", "warning", "note")
        assert item["message"]["text"]
        assert not re.search(r"\]\(|\{\d+\}", item["message"]["text"])
        (location,) = item["locations"]
        assert location["physicalLocation"]["region"]["startLine"] >= 1
        place = location["physicalLocation"]["artifactLocation"]
        assert files[place["index"]]["location"] == place
        for logical in location.get("logicalLocations", []):
            assert logical["fullyQualifiedName"]
    (invocation,) = only["invocations"]
    assert invocation["exitCode"] == 1
    assert invocation["executionSuccessful"] == (not result.failures)
    assert len(invocation["toolExecutionNotifications"]) == len(result.failures)


def test_sarif_places_findings_by_line_column_row_and_pointer() -> None:
    only = json.loads(render("sarif", plain_result()))["runs"][0]
    by_code = {item["ruleId"]: item["locations"][0] for item in only["results"]}
    assert by_code["M042"]["physicalLocation"]["region"] == {"startLine": 18}
    names = {code: [item["fullyQualifiedName"] for item in place.get("logicalLocations", [])] for code, place in by_code.items()}
    assert names["T001"] == ["timeseries.test_time_second", "timeseries[5]"]
    assert names["D001"][-1] == "/a/7/b"
    assert by_code["T001"]["physicalLocation"]["artifactLocation"]["uri"] == "data/a%20b.csv"
    assert by_code["T001"]["physicalLocation"]["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
    assert only["artifacts"][0]["hashes"] == {"sha-256": "ab" * 32}
    assert [note["level"] for note in only["invocations"][0]["toolExecutionNotifications"]] == ["error"]


def test_fingerprints_outlive_counts_rows_and_places_in_lists() -> None:
    later = plain_result()
    for item in later.findings:
        item.count, item.row, item.value, item.examples = 77, 99, "other", [99]
        item.locator = item.locator.replace("/a/7/b", "/a/1/b").replace("line 18", "line 20")
    for form, key in (("sarif", "partialFingerprints"), ("gitlab", "fingerprint")):
        prints = []
        for made in (plain_result(), later):
            whole = json.loads(render(form, made))
            prints.append([item[key] for item in (whole["runs"][0]["results"] if form == "sarif" else whole)])
        assert prints[0] == prints[1]


def test_a_path_below_the_working_folder_is_relative_and_one_outside_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = [finding("T001", "error", source) for source in (f"{tmp_path}/in/a.csv", "./in/b.csv", "/elsewhere/c.csv", "<stdin>")]
    made = ValidationResult(found, [], [], 1, 0.0)
    places = [item["location"] for item in json.loads(render("sarif", made))["runs"][0]["artifacts"]]
    assert sorted(place["uri"] for place in places) == ["file:///elsewhere/c.csv", "in/a.csv", "in/b.csv", "stdin"]
    assert ["uriBaseId" in place for place in places if place["uri"].startswith("file:")] == [False]
    paths = {item["location"]["path"] for item in json.loads(render("gitlab", made))}
    assert paths == {"in/a.csv", "in/b.csv", "/elsewhere/c.csv", "stdin"}


def test_sarif_leaves_out_the_mildest_beyond_what_code_scanning_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bdx.report.sarif.MOST_RESULTS", 3)
    only = json.loads(render("sarif", plain_result()))["runs"][0]
    assert [item["level"] for item in only["results"]] == ["error"] * 3
    assert "3 more findings left out" in only["invocations"][0]["toolExecutionNotifications"][-1]["message"]["text"]


# GitLab, GitHub, Markdown.


def test_gitlab_entries_have_what_the_widget_wants(result: ValidationResult) -> None:
    entries = json.loads(render("gitlab", result))
    assert len(entries) == len(result.findings)
    assert len({entry["fingerprint"] for entry in entries}) == len(entries)
    for entry in entries:
        assert entry["description"]
        assert entry["check_name"]
        assert entry["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert not entry["location"]["path"].startswith("./")
        assert entry["location"]["lines"]["begin"] >= 1


def test_github_writes_one_command_a_line_and_data_write_none() -> None:
    *lines, last = render("github", hostile_result()).splitlines()
    assert [re.match(r"::(error|warning|notice) title=", line) is not None for line in lines] == [True] * 4
    assert last.startswith("bdx: ")


def test_markdown_counts_and_folds(result: ValidationResult) -> None:
    text = render("markdown", result)
    assert len(text.encode()) < 1_000_000
    assert text.count("<details>") == text.count("\n</details>") == sum(bool(result.of(uri)) for uri in result.uris())
    assert "<script" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    cells = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
    widths = {6, 5}
    assert set(cells) <= widths
    verdict = {"empty": "passed"}.get("empty" if not result.findings else "", "failed")
    assert text.startswith(f"## bdx validate: {'not read' if result.failures else verdict}\n")


def test_markdown_shows_markup_of_data_as_text() -> None:
    text = render("markdown", hostile_result())
    assert r"\[l\](https:&#47;&#47;evil.example)" in text
    assert r"\|\`a\`" in text
    assert not any(line.startswith("# ") for line in text.splitlines())


def test_markdown_keeps_below_what_a_job_may_show() -> None:
    long = [finding("S003", "error", "a.csv", message="x" * 5000, row=row) for row in range(5000)]
    text = render("markdown", ValidationResult(long, [], [], 1, 0.0))
    assert len(text.encode()) < 1_000_000
    assert "4,000 more findings" in text


# HTML.


class Page(HTMLParser):
    """Reads a page and notes what is open, which ids there are and what is pointed at."""

    VOID = frozenset({"meta", "br", "path", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.wanted: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")
            if name == "aria-labelledby":
                self.wanted |= set((value or "").split())
            if name == "href":
                self.wanted.add((value or "").removeprefix("#"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


ALLOWED = re.compile(
    "html|head|meta|title|style|body|header|h[1-4]|p|main|table|caption|thead|tbody|tr|th|td|a|section|article|ul|li|code|span|"
    "details|summary|dl|dt|dd|figure|figcaption|svg|desc|text|path|circle|footer"
)


def test_html_is_one_sound_page_that_fetches_nothing(result: ValidationResult) -> None:
    text = render("html", result)
    page = Page(text)
    assert page.open == []
    assert [tag for tag in page.tags if not ALLOWED.fullmatch(tag)] == []
    assert len(page.ids) == len(set(page.ids))
    assert page.wanted <= set(page.ids)
    assert not [name for _, name, _ in page.attributes if name in ("src", "srcset", "style", "action") or name.startswith("on")]
    assert all(value.startswith("#") for _, name, value in page.attributes if name == "href")
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import|https?://(?!id\.|evil\.)", text)
    assert "prefers-color-scheme: dark" in text
    assert page.tags["section"] - bool(result.losses) == len(result.uris())


def test_html_says_what_why_and_how_of_each_rule() -> None:
    text = render("html", plain_result())
    assert text.count("<dt>What</dt>") == text.count("<dt>How to look closer</dt>") == 6
    assert "bdx validate &#x27;data/a b.csv&#x27; --select T001" in text
    assert text.index("T001") < text.index("E010") < text.index("F020")


def luminance(colour: str) -> float:
    """Return how bright a colour of a page is, as WCAG 2 reckons it."""
    digits = colour.lstrip("#") if len(colour) == 7 else "".join(digit * 2 for digit in colour.lstrip("#"))
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_colour_of_text_stands_out(scheme: int) -> None:
    block = re.findall(r":root \{([^}]*--ink[^}]*)\}", STYLE)[scheme]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", block))
    for ground in ("paper", "panel"):
        for name in ("ink", "soft", "error", "warning", "info", "line"):
            low, high = sorted((luminance(colours[ground]), luminance(colours[name])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, f"{name} on {ground}"


def test_the_page_has_its_landmarks_and_heads_in_order() -> None:
    text = render("html", plain_result())
    page = Page(text)
    assert (page.tags["header"], page.tags["main"], page.tags["footer"], page.tags["h1"]) == (1, 1, 1, 1)
    assert ("html", "lang", "en") in page.attributes
    levels = [int(level) for level in re.findall(r"<h(\d)", text)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert {value for tag, name, value in page.attributes if (tag, name) == ("th", "scope")} == {"col", "row"}
    assert text.count("<th ") == text.count("<th scope=")
    assert "width=device-width" in text


# Curves.


def series(path: Path, faults: dict[int, float], rows: int = 2000) -> str:
    """Write a time series with faults of voltage at some rows."""
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["Test Time / s", "Voltage / V", "Current / A", "Cycle Count / 1"])
        for row in range(rows):
            lines.writerow([row * 10.0, faults.get(row, round(3.6 + 0.4 * math.sin(row / 100), 4)), round(2 * math.cos(row / 100), 4), 1])
    return str(path)


def found_at(path: str, *rows: int, length: int = 2000, column: str = "voltage_volt") -> ValidationResult:
    hits = [finding("E010", "warning", path, table="timeseries", column=column, row=rows[0] if rows else None, examples=list(rows))]
    return ValidationResult(hits, [], [SourceSummary(path, "bdf-csv", {"timeseries": length})], 1, 0.0)


OPTIONS = reading.ReadOptions(current_sign="charge-positive")


def test_a_stretch_is_the_rows_around_the_first_bad_ones(tmp_path: Path) -> None:
    path = series(tmp_path / "t.csv", {700: 38.0, 705: 38.0, 1500: 38.0})
    (found,) = curves.stretches(found_at(path, 700, 705, 1500), OPTIONS)
    assert found.rows == list(range(660, 746))
    assert found.bad == (700, 705)
    assert list(found.series) == ["test_time_second", "voltage_volt", "current_ampere"]
    assert found.series["voltage_volt"][40] == 38.0
    assert found.series["test_time_second"][0] == 6600.0


def test_a_stretch_without_a_row_is_the_whole_series_thinned_out(tmp_path: Path) -> None:
    path = series(tmp_path / "t.csv", {})
    (found,) = curves.stretches(found_at(path), OPTIONS)
    assert (found.rows[0], found.step) == (0, 7)
    assert found.rows == list(range(0, 2000, 7))
    assert len(found.rows) <= curves.POINTS


@pytest.mark.parametrize("size", [1, 7, 100])
def test_stretches_do_not_depend_on_the_batches(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = series(tmp_path / "t.csv", {300: 38.0})
    whole = reading.chunks
    made = {rows: curves.stretches(found_at(path, *rows), OPTIONS) for rows in ((300, 310), (), (0,), (1999,))}

    def small(*arguments: Any) -> Iterator[Chunk]:
        for chunk in whole(*arguments):
            batch = chunk.get("timeseries")
            if batch is not None:
                yield from ({"timeseries": batch.slice(start, size)} for start in range(0, batch.num_rows, size))

    monkeypatch.setattr(curves, "chunks", small)
    for rows, expected in made.items():
        assert curves.stretches(found_at(path, *rows), OPTIONS) == expected


def test_reading_stops_after_the_last_row_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = series(tmp_path / "t.csv", {})
    given = []

    def endless(*_: Any) -> Iterator[Chunk]:
        while True:
            given.append(1)
            yield {"timeseries": canon.batch("timeseries", {"voltage_volt": pa.array([3.6, None, math.inf] * 10)})}

    monkeypatch.setattr(curves, "chunks", endless)
    (found,) = curves.stretches(found_at(path, 100, length=10**9), OPTIONS)
    assert len(given) == 5
    assert found.series["voltage_volt"][:3] == [3.6, None, None]


def test_there_are_at_most_twenty_stretches_of_a_few_hundred_points(tmp_path: Path) -> None:
    path = series(tmp_path / "t.csv", {})
    hits = [
        finding(f"E{number:03}", "error", path, table="timeseries", column="voltage_volt", row=0, examples=[0, 100, 200, 210, 1999])
        for number in range(40)
    ]
    many = ValidationResult([*hits, *map(dataclasses.replace, hits)], [], [SourceSummary(path, "bdf-csv", {"timeseries": 2000})], 1, 0.0)
    found = curves.stretches(many, OPTIONS)
    assert len(found) == len({stretch.finding for stretch in found}) == curves.LIMIT
    assert max(len(stretch.rows) for stretch in found) <= curves.POINTS
    page = Page(render("html", many, stretches=found))
    assert page.tags["svg"] == curves.LIMIT


def test_what_is_no_file_or_has_gone_has_no_stretch(tmp_path: Path) -> None:
    gone = series(tmp_path / "t.csv", {})
    (tmp_path / "t.csv").write_bytes(b"\x00\x01")
    assert curves.stretches(found_at(gone, 5), OPTIONS) == []
    for name in ("<stdin>", "-", str(tmp_path / "never.csv")):
        assert curves.stretches(found_at(name, 5), OPTIONS) == []


def test_plots_mark_the_bad_rows_and_say_what_they_show(tmp_path: Path) -> None:
    path = series(tmp_path / "t.csv", {700: 38.0, 705: 38.0})
    made = found_at(path, 700, 705)
    text = render("html", made, stretches=curves.stretches(made, OPTIONS))
    page = Page(text)
    assert page.open == []
    assert (page.tags["svg"], page.tags["desc"], page.tags["figcaption"]) == (1, 1, 1)
    assert page.tags["circle"] == 4
    assert "rows 660 to 745; bad: 700, 705" in text
    assert ">38</text>" in text
    assert "nan" not in text
    assert "inf" not in re.sub(r"info|\binf[a-z]", "", text)


def test_time_at_fault_is_plotted_over_the_row(tmp_path: Path) -> None:
    path = series(tmp_path / "t.csv", {})
    made = found_at(path, 700, column="test_time_second")
    text = render("html", made, stretches=curves.stretches(made, OPTIONS))
    assert ">row</text>" in text
    assert ">test_time_second, s</text>" in text


# The command.


@pytest.mark.parametrize(
    ("word", "form", "path"),
    [
        ("r.sarif", "sarif", "r.sarif"),
        ("out/r.sarif.json", "sarif", "out/r.sarif.json"),
        ("TEST.XML", "junit", "TEST.XML"),
        ("r.html", "html", "r.html"),
        ("r.md", "markdown", "r.md"),
        ("r.jsonl", "jsonl", "r.jsonl"),
        ("r.json", "json", "r.json"),
        ("r.txt", "text", "r.txt"),
        ("a/gl-code-quality-report.json", "gitlab", "a/gl-code-quality-report.json"),
        ("gitlab=quality.json", "gitlab", "quality.json"),
        ("junit=r.out", "junit", "r.out"),
        ("json=a=b", "json", "a=b"),
        ("./a=b.json", "json", "./a=b.json"),
        ("my-run=2.json", "json", "my-run=2.json"),
    ],
)
def test_the_name_tells_the_report(word: str, form: str, path: str) -> None:
    assert destination(word) == (form, path)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("r.sarf", "tells no report"),
        ("sarf=r.json", "did you mean 'sarif'"),
        ("-", "-O"),
        ("", "-O"),
        ("json=-", "-O"),
        ("json=", "no file"),
    ],
)
def test_a_name_that_tells_no_report_is_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        destination(word)


def test_one_pass_writes_every_report(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    names = ["r.sarif", "r.xml", "r.html", "r.md", "r.jsonl", "r.json", "r.txt", "gl-code-quality-report.json", "github=r.log"]
    outputs = [argument for name in names for argument in ("--output", name)]
    monkeypatch.chdir(tmp_path)
    reads = []
    once = checking.open_source
    monkeypatch.setattr(checking, "open_source", lambda *arguments: reads.append(1) or once(*arguments))
    assert run(["validate", DIGATRON, LINE, "-O", "json", *outputs]) == 1
    assert len(reads) == 2
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert {path.name for path in tmp_path.iterdir()} == {name.rpartition("=")[2] for name in names}
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "<svg" in text
    only = json.loads((tmp_path / "r.sarif").read_text("utf-8"))["runs"][0]
    assert only["invocations"][0]["exitCode"] == 1
    assert all(re.fullmatch("[0-9a-f]{64}", item["hashes"]["sha-256"]) for item in only["artifacts"])
    (suite, _) = ET.parse(tmp_path / "r.xml").getroot()
    passed = [case.get("name", "")[:4] for case in suite.iter("testcase") if not len(case)]
    assert {"T001", "S003", "F000"} <= set(passed)
    assert "U003" not in passed
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert run(["validate", DIGATRON, LINE, "-O", "json", *outputs]) == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_jsonl_goes_out_as_each_source_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    seen = []
    once = checking.open_source
    monkeypatch.setattr(checking, "open_source", lambda *arguments: seen.append(capsys.readouterr().out) or once(*arguments))
    kept = tmp_path / "r.jsonl"
    assert run(["validate", DIGATRON, str(tmp_path / "never.csv"), LINE, "-O", "jsonl", "--output", str(kept)]) == 3
    parts = [*seen[1:], capsys.readouterr().out]
    assert [{json.loads(line).get("source") for line in part.splitlines()} for part in parts] == [
        {DIGATRON},
        {str(tmp_path / "never.csv")},
        {LINE, None},
    ]
    last = json.loads(parts[-1].splitlines()[-1])
    assert last["summary"]["failed"] == 1
    assert sorted("".join(parts).splitlines()) == sorted(kept.read_text("utf-8").splitlines())


def test_one_report_that_cannot_be_written_stops_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--output", str(tmp_path / "no/r.md"), "--output", str(tmp_path / "r.jsonl")]
    assert run(["validate", LINE, "-O", "github", *files]) == 4
    shown = capsys.readouterr()
    assert "no folder" in shown.err
    assert "::warning" in shown.out
    assert (tmp_path / "r.jsonl").read_text("utf-8").count("\n") > 1


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_what_standard_output_cannot_hold_is_written_as_utf8(form: str, tmp_path: Path) -> None:
    source = tmp_path / "\u7535\u6d41.xml"
    source.write_bytes(Path(LINE).read_bytes())
    command = [sys.executable, "-m", "bdx", "validate", str(source), "-O", form]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, check=False)
    assert done.returncode == 0, done.stderr
    assert source.name in done.stdout.decode("utf-8")


def test_reports_of_one_run_keep_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = str(tmp_path / "r.json")
    assert run(["validate", LINE, "--output", same, "--output", f"sarif={same}"]) == 2
    assert "twice" in capsys.readouterr().err
    assert run(["validate", LINE, "--output", f"json={LINE}"]) == 4
    assert "a name of its own" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_cannot_be_read_is_an_error_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = tmp_path / "cut.csv"
    cut.write_bytes(b"")
    assert run(["validate", str(cut), "-O", "junit", "--output", str(tmp_path / "r.sarif"), "--exit-zero"]) == 3
    assert '<error type="error" message="is empty' in capsys.readouterr().out
    only = json.loads((tmp_path / "r.sarif").read_text())["runs"][0]
    assert only["invocations"][0]["exitCode"] == 3
    assert only["invocations"][0]["executionSuccessful"] is False
