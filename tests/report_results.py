"""Results of validations as reports may meet them: of every kind, hostile, many, none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from bdx import canon
from bdx.canon import Finding, Log, Loss
from bdx.errors import CorruptSource, MappingError, TruncatedSource
from bdx.report import SourceSummary, ValidationResult

HOSTILE = (
    "x\x1b[31m\x00\x07]]>--></details></script><script>alert(1)</script>|`a`\r\n::error file=y::z\n# h\n"
    "[l](https://evil.example) {0} %0A &amp; \"q\" 'p' \u202ebidi\u2028 \ufffe \udcff \U0001f50b"
)


def finding(code: str, severity: str, source: str, **facts: Any) -> Finding:
    return Finding(code, severity, facts.pop("message", f"fault of {code}"), source, **facts)


def plain_result() -> ValidationResult:
    """Return findings of every severity and kind of place in three sources, and one source that could not be read."""
    findings = [
        finding("T001", "error", "data/a b.csv", table="timeseries", column="test_time_second", row=5, count=2, examples=[5, 11]),
        finding("E010", "warning", "data/a b.csv", table="timeseries", column="voltage_volt", row=7, value="38", examples=[7]),
        finding("M042", "warning", "mes.xml", table="process_parameter", column="unit", locator="line 18"),
        finding("D001", "error", "p.jsonl", column="/a/*/b type", locator="line 3 /a/7/b", count=4),
        finding("F020", "info", "data/a b.csv"),
        finding("F000", "error", "cut.ndax", message="cut.ndax: byte 12: ends"),
    ]
    sources = [
        SourceSummary("data/a b.csv", "neware-csv", {"timeseries": 20}, ("E010", "T001", "T002"), "ab" * 32, 512),
        SourceSummary("mes.xml", "b2mml", {"process_parameter": 9}, ("P003",)),
        SourceSummary("p.jsonl", "idta-02035@1.0.1", {"battery": 8}, ("D001",)),
    ]
    losses = [Loss("mes.xml", "comment", "no home", 3)]
    return ValidationResult(findings, losses, sources, 1234, 0.5, [TruncatedSource("ends", path="cut.ndax", offset=12)])


def hostile_result() -> ValidationResult:
    """Return findings all of whose texts try to break out of where they are shown."""
    log = Log()
    log.find("F000", source=HOSTILE, value=HOSTILE)
    facts = {"table": "timeseries", "column": HOSTILE, "locator": HOSTILE, "value": HOSTILE, "message": HOSTILE, "row": 0}
    findings = [*log.findings, *(finding("T001", level, HOSTILE, **facts) for level in canon.SEVERITIES)]
    sources = [SourceSummary(HOSTILE + "2", HOSTILE, {HOSTILE: 3}, ("T001",))]
    return ValidationResult(findings, [Loss(HOSTILE, HOSTILE, HOSTILE)], sources, 1, 0.1, [TruncatedSource(HOSTILE, path=HOSTILE)])


def every_result() -> ValidationResult:
    """Return many findings of one rule and column, as ungrouped hits come."""
    hits = [finding("S003", "error", "a.csv", table="timeseries", column="voltage_volt", row=row, examples=[row]) for row in range(250)]
    return ValidationResult(hits, [], [SourceSummary("a.csv", "bdf-csv", {"timeseries": 250}, ("S003",))], 250, 0.0)


def empty_result() -> ValidationResult:
    return ValidationResult([], [], [SourceSummary("ok.csv", "bdf-csv", {"timeseries": 3}, ("T001",))], 3, 0.0)


def kinds_result() -> ValidationResult:
    """Return a finding for every severity in every kind of place: with and without table, column, row, locator, value, examples."""
    findings = list(_kinds())
    seen = list(dict.fromkeys(found.source for found in findings))
    sources = [
        SourceSummary(uri, "bdf-csv", {"timeseries": 9}, ("T001", "M001"), "", size) for uri, size in zip(seen, (None, 0, 7), strict=False)
    ]
    failures = [CorruptSource("ends", path="cut.ndax", offset="line 7"), CorruptSource("ends"), MappingError("the unit 'x' is not known")]
    return ValidationResult(findings, [Loss(seen[0], "a", "b", 2)], sources, 9, 0.0, failures, known=3)


SOURCES = ("data/a b.csv", "/abs/ö.json", "C:/lab/x.csv", "-", "<stdin>", "s3://bucket/k?v=1#f", "../up/../a.csv", "a:b%20c.csv", "")
PLACES = ("", "line 12", "line 3 /a/7/b", "/a~1b/0", "byte 6974", "row 8", "sheet 'x'", "line 0", "byte 99999999999999999999")


def _kinds() -> Iterator[Finding]:
    for number, (severity, source, locator) in enumerate(product(canon.SEVERITIES, SOURCES, PLACES)):
        place = [("timeseries", "voltage_volt"), ("battery", ""), ("", "/a/*/b type"), ("", "")][number % 4]
        row = [None, 0, 5, 10**12][(number // 4) % 4]
        code = ("T001", "D001", "F000", "M001")[(number // 16) % 4]
        yield Finding(
            code,
            severity,
            ["fault", ".", f"{source}: falls, see [a](b) {{0}}"][number % 3],
            source,
            *place,
            row,
            locator,
            [1, 2, 10**15][number % 3],
            ["", "\u00e9" * 120, "0"][number % 3],
            [] if row is None else [row, row + 1],
        )


RESULTS = {"plain": plain_result, "hostile": hostile_result, "every": every_result, "empty": empty_result, "kinds": kinds_result}
