"""Validate and list gaps: every source is read once, rules and requirements watch the chunks go by."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bdx import mapping
from bdx.canon import Chunk, Document, Finding, Log
from bdx.errors import BdxError, MappingError, SourceError, UsageError
from bdx.pipeline import baseline
from bdx.pipeline.expecting import Expectations
from bdx.pipeline.given_schema import given_schema
from bdx.pipeline.mapped import by_mapping
from bdx.pipeline.reading import Opened, ReadOptions, chunks, open_source
from bdx.pipeline.rejecting import Rejects
from bdx.pipeline.result import SourceSummary, ValidationResult, worst_first
from bdx.pipeline.settings import Settings
from bdx.rules import Checker, chosen
from bdx.rules.documents import DocumentCheck


def validate(
    sources: Sequence[str | Path],
    *,
    from_format: str | None = None,
    by: str | Path = "",
    assume_tz: str | None = None,
    current_sign: str | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    allow_empty: bool = False,
    settings: Settings | None = None,
    schema: str | Path | None = None,
    ended: Callable[[list[Finding]], None] | None = None,
) -> ValidationResult:
    """Check every record of every source against the rules and return the findings.

    `settings` holds what a project asks for beside `select` and `ignore`: severities, thresholds, expectations, a baseline.
    `schema` names a JSON Schema that every value of the JSON sources is checked against as well, or an XML Schema (or a folder
    of them) for the XML sources.
    `by` is a mapping file for flat exports.
    `ended` is given the findings of each source, worst first, as soon as that is read.
    A source that cannot be read becomes finding F000 and does not stop the next one; `result.failures` keeps its error.
    Raises: UsageError for an unknown rule code, a schema that is none, or where nothing was checked and `allow_empty` is not set.
    """
    started = time.perf_counter()
    if by:
        by_mapping(str(by))  # A fault in it is none of the sources.
    options = ReadOptions(from_format, str(by) or None, assume_tz, current_sign, rejects=Rejects())
    log = Log()
    summaries: list[SourceSummary] = []
    failures: list[BdxError] = []
    checked, held = 0, False
    wanted = settings or Settings()
    wanted = replace(wanted, select=(*wanted.select, *select), ignore=(*wanted.ignore, *ignore))
    chosen(wanted.select, wanted.ignore, wanted.enable)
    given = given_schema(schema) if schema else None
    for number, source in enumerate(sources, 1):
        uri = str(source)
        own = Log()
        try:
            opened = open_source(uri, number, options)
            own = opened.log
            by_schema = given.check(opened) if given else 0
            summary, looked_at = _validate_one(opened, options, wanted)
            summary.rules = (*summary.rules, *(given.codes if given and by_schema else ()))
            summaries.append(summary)
            checked += looked_at + by_schema
            held = held or bool(by_schema) or _held(opened, summary)
        except (SourceError, MappingError) as error:
            failures.append(error)
            own.find("F000", source=uri, locator=_place(error), value=_without_path(str(error), uri))
        log.merge(_selected(own, wanted), uri)
        wanted.judge(own)
        if ended is not None:
            ended(worst_first(_fresh(own, wanted)[0]))
    if not summaries and not failures:
        raise UsageError("no source given")
    if not (held and checked) and not failures and not allow_empty:
        why = "no rule that was chosen looks at what the sources hold" if held else "the sources hold no rows"
        raise UsageError(f"nothing was checked: {why} (--allow-empty accepts that)")
    if given and not failures and not allow_empty:
        given.told()
    wanted.judge(log)
    findings, known = _fresh(log, wanted)
    return ValidationResult(findings, log.losses, summaries, checked, time.perf_counter() - started, failures, known)


def _fresh(log: Log, wanted: Settings) -> tuple[list[Finding], int]:
    """Return the findings that the baseline does not hold, and how many it does."""
    return baseline.new(wanted.baseline, log.findings) if wanted.baseline else (log.findings, 0)


def _validate_one(opened: Opened, options: ReadOptions, wanted: Settings) -> tuple[SourceSummary, int]:
    checker = Checker(opened.log, opened.uri, wanted.select, wanted.ignore, enable=wanted.enable, args=wanted.args, every=wanted.every)
    expected = Expectations(wanted.expect, opened.uri)
    documents = None
    if opened.format.world == "passport" and opened.format.schema:
        documents = DocumentCheck(opened.log, opened.uri)
    count = 0

    def look(batch: list[Document]) -> None:
        nonlocal count
        count += len(batch)
        assert documents is not None
        documents.check(batch)

    rows: dict[str, int] = {}
    summary = SourceSummary(opened.uri, opened.format.full_id, rows)
    for chunk in chunks(opened, options, look if documents is not None else None):
        checker.watch(chunk)
        expected.watch(chunk)
        for name, batch in chunk.items():
            rows[name] = rows.get(name, 0) + batch.num_rows
        _identify(summary, chunk)
    checker.finish()
    summary.format = opened.told
    expected.finish(opened.log)
    _say_lines(opened, rows.get("timeseries", 0))
    _say_pointers(opened, rows)
    by_schema = ("D001", "D002") if count else ()
    summary.rules = (*checker.codes_run, *(code for code in by_schema if code in chosen(wanted.select, wanted.ignore, wanted.enable)))
    return summary, checker.checked + count


def _say_lines(opened: Opened, rows: int) -> None:
    """Give the findings on rows of a time series the line they stand on, where each record of a text file became one row."""
    lines = opened.source.lines
    if lines is None or lines.records != rows:
        return
    for found in opened.log.findings:
        if found.table == "timeseries" and found.row is not None and not found.locator and (line := lines.of(found.row)):
            found.locator = f"line {line}"


def _say_pointers(opened: Opened, rows: Mapping[str, int]) -> None:
    """Add to findings on the records of a document the JSON pointer of their column, where it is known which document."""
    if opened.format.world != "passport":
        return
    places = mapping.places(opened.format)
    for found in opened.log.findings:
        pointer = places.get(f"{found.table}.{found.column}")
        if pointer and found.row is not None and "/" not in found.locator and (found.locator or rows[found.table] == 1):
            found.locator = f"{found.locator} {pointer}".strip()


def _held(opened: Opened, summary: SourceSummary) -> bool:
    """Say whether a source held anything to check: rows of its own, beside those that say what was read."""
    own = ("source",) if opened.format.world == "canonical" else ("source", "test")
    return any(count and table not in own for table, count in summary.rows.items())


def _identify(summary: SourceSummary, chunk: Chunk) -> None:
    """Give a source the hash and length that its own row of `source` holds; where there is none, nothing is hashed for it."""
    batch = chunk.get("source")
    for row in batch.to_pylist() if batch is not None and batch.num_rows == 1 else ():
        if row["uri"] == summary.uri and row["bytes"] is not None:
            summary.sha256, summary.bytes = row["sha256"] or "", row["bytes"]


def _selected(log: Log, wanted: Settings) -> Log:
    """Return the log less the findings of drivers and mappings that were not selected; F000 and expectations always stay."""
    codes = chosen(wanted.select, wanted.ignore, wanted.enable) | {"F000", "S040", "S041", "S042"}
    log.keep(codes.__contains__)
    return log


def _place(error: SourceError | MappingError) -> str:
    """Return where a source could not be read on, empty where that is not known."""
    offset = error.offset if isinstance(error, SourceError) else None
    return f"byte {offset}" if isinstance(offset, int) else offset or ""


def _without_path(message: str, uri: str) -> str:
    return message.removeprefix(uri).removeprefix(": ")
