"""From a value of a passport to where it came from: the derivation, the rows it rests on, the source they stand in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bdx import spec
from bdx.canon import Finding, Log
from bdx.derive.merge import text
from bdx.errors import SourceError, UsageError
from bdx.pipeline.evidence_file import folder_digest
from bdx.pipeline.evidence_lines import EVERY
from bdx.pipeline.evidence_reading import Evidence, Row
from bdx.pipeline.passport_found import Found, evidence_of, passport
from bdx.pipeline.rows_again import references
from bdx.pipeline.source_again import CHANGED, UNCHANGED, Said, SourceAgain, found_again, same, say_again
from bdx.pipeline.value_names import Asked, meant

_FEW = 24
_SMALL = 64 << 20
"""Other sources that are read again where a value cannot be derived from its own alone: so many, and no longer than this."""


@dataclass(slots=True)
class Origin:
    """Where one value came from: what the passport says, its row of evidence, the definition, the source and what it says again."""

    table: str
    key: str
    column: str
    value: str | None
    told: Row
    definition: str = ""
    authority: str = ""
    version: str = ""
    source: SourceAgain | None = None
    said: Said | None = None
    agrees: bool | None = None
    """Whether the source gives the same value again; None where it could not be asked."""


@dataclass(slots=True)
class ValueTrace:
    """The origins of a value (of child rows several), with the document they stand in and what does not agree."""

    passport: str
    battery: str
    model: str
    asked: Asked
    evidence: str
    unit: str = ""
    document: str = ""
    """Whether the document is the one that the evidence was written with: unchanged, changed since, not hashed."""
    origins: list[Origin] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def trace_value(path: str, word: str, *, serial: str = "", evidence: str = "", from_format: str | None = None) -> ValueTrace:
    """Return where a value of a passport came from, its sources read again where they are at hand.

    `word` is a column, a field of the model or a JSON pointer; `evidence` a file of evidence, else the one beside the passport or the
    tables of the data set it stands in.
    Raises: UsageError for an unknown value or battery, SourceError where there is no evidence, or none for the value.
    """
    found = passport(path, serial, from_format, evidence)
    asked = meant(word, found.model)
    known = evidence_of(found, evidence)
    log = Log()
    trace = ValueTrace(path, found.names[0], found.model.full_id, asked, known.path)
    trace.unit = spec.table(asked.table).column(asked.column).unit
    trace.document = _document(found, known, log)
    for key, value, told in _told(found, known, asked):
        trace.origins.append(_origin(found, known, asked, key, value, told, log))
    _ask_again(trace.origins, found, known, log)
    trace.findings = log.findings
    return trace


def _document(found: Found, known: Evidence, log: Log) -> str:
    """Return whether the document still is what the evidence was written with."""
    expected = known.document.get("sha256")
    if not expected:
        return "not hashed"
    path = Path(found.path)
    whole = path.parent if "files" in known.document and path.is_file() else path
    try:
        digest = folder_digest(whole)["sha256"] if whole.is_dir() else found.opened.source.sha256()[0]
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", path=str(whole)) from error
    if digest == expected:
        return UNCHANGED
    log.find("M180", source=found.path, value=digest, expected=expected)
    return CHANGED


def _told(found: Found, known: Evidence, asked: Asked) -> Iterator[tuple[str, str | None, Row]]:
    """Yield (key, value in the passport, row of evidence) of each value that is meant.

    Raises: UsageError for a child row that is not there, SourceError where the passport or the evidence does not have the value.
    """
    name = f"{asked.table}.{asked.column}"
    battery = found.names[0]
    if asked.table == "battery":
        pairs = [(battery, found.row.get(asked.column))]
    else:
        rows = found.children.get(asked.table, [])
        if asked.number is not None and not 0 < asked.number <= len(rows):
            raise UsageError(f"{found.path} has {len(rows)} rows of {asked.table} for {battery}, there is no number {asked.number}")
        every = [(f"{battery}#{number}", row.get(asked.column)) for number, row in enumerate(rows, 1)]
        pairs = every[asked.number - 1 : asked.number] if asked.number else every
    there: list[tuple[str, str | None]] = [(key, text(value)) for key, value in pairs if value not in (None, [])]
    if not there:
        there = [(row["key"], None) for row in _unheld(known, asked)]
    if not there:
        raise SourceError(f"battery {battery} has no {name}, and its evidence names none: there is nothing to trace", path=found.path)
    for key, value in there:
        told = _row_of(found, known, asked, key, value)
        if told is None:
            raise SourceError(f"says nothing of {name} of {key}", path=known.path)
        yield key, value, told


def _unheld(known: Evidence, asked: Asked) -> list[Row]:
    """Return the evidence of values that the document has no place for."""
    rows = [row for row in known.rows if (row["table"], row["column"]) == (asked.table, asked.column) and row["key"] != EVERY]
    return [row for row in rows if asked.number is None or row["key"].rpartition("#")[2] == str(asked.number)]


def _row_of(found: Found, known: Evidence, asked: Asked, key: str, value: str | None) -> Row | None:
    """Return the evidence of a value under any name of its battery; of a child row the one that says the same, wherever it stands."""
    batteries = dict.fromkeys([*found.names, *(row["key"].rpartition("#")[0] or row["key"] for row in known.rows if row["key"] != EVERY)])
    number = key.rpartition("#")[2] if asked.table != "battery" else ""
    rows = [row for name in batteries if (row := known.of(asked.table, f"{name}#{number}" if number else name, asked.column)) is not None]
    if number and not any(same(row["value"], value) for row in rows):
        others = [known.of(asked.table, other, asked.column) for name in batteries for other in known.keys(asked.table, name)]
        rows = [row for row in others if row is not None and row["column"] == asked.column and same(row["value"], value)] or rows
    return min(rows, key=lambda row: row["column"] == EVERY) if rows else None


def _origin(found: Found, known: Evidence, asked: Asked, key: str, value: str | None, told: Row, log: Log) -> Origin:
    own = told["column"] != EVERY
    told = told if own else {**told, "column": asked.column, "value": value, "method": told["method"] or "declared"}
    made = Origin(asked.table, key, asked.column, value, told)
    definition = _definition(told, asked)
    made.definition, made.authority = definition.get("method", ""), definition.get("source", "")
    made.version = told["version"] or ""
    where: dict[str, Any] = {"table": asked.table, "column": asked.column, "battery": key}
    if value is not None and not same(value, told["value"]):
        log.find("M181", source=found.path, value=value, expected=told["value"], **where)
    if not told["source_id"] or told["method"] in ("given", "repaired"):
        return made
    made.source = SourceAgain(told["source_id"])
    return made


def _ask_again(origins: Sequence[Origin], found: Found, known: Evidence, log: Log) -> None:
    """Find the sources again, each once, and hold what they say now against the evidence."""
    by_source: dict[str, list[Origin]] = {}
    for made in origins:
        if made.source is not None:
            by_source.setdefault(made.source.id, []).append(made)
    for number, some in by_source.items():
        source = found_again(known.sources.get(number, {"source_id": number}), found.path)
        if source.state == CHANGED:
            log.find("M182", source=source.uri, value=source.digest, expected=source.sha256)
        for made in some:
            made.source = source
            if source.path:
                made.said = Said(rows=references(made.told["rows"], made.told["inputs"] if made.told["method"] != "declared" else ""))
        if source.path:
            asked = [(made.told, made.said) for made in some if made.said is not None]
            key = some[0].told["key"].rpartition("#")[0] if some[0].table != "battery" else some[0].told["key"]
            names = list(dict.fromkeys([*([key] if key not in ("", EVERY) else []), *found.names]))
            others = (
                [found_again(row, found.path) for key, row in known.sources.items() if key != number] if len(known.sources) <= _FEW else []
            )
            small = [other for other in others if other.state == UNCHANGED and (other.length or 0) < _SMALL]
            say_again(source, asked, some[0].table, names, known.options, small)
            for made in some:
                _judge(made, log)


def _judge(made: Origin, log: Log) -> None:
    """Hold what a source says again against its evidence."""
    assert made.source is not None and made.said is not None
    where: dict[str, Any] = {"table": made.table, "column": made.column, "battery": made.key}
    lost = [item.text for item in made.said.rows if not item.met]
    if lost:
        log.find("M184", source=made.source.uri, value=", ".join(lost), **where)
    if made.said.fault:
        log.find("M184", source=made.source.uri, value=f"it cannot be read ({made.said.fault})", **where)
        return
    if made.said.value is None:
        log.find("M184", source=made.source.uri, value=made.told["value"], **where)
        return
    made.agrees = same(made.said.value, made.told["value"])
    if not made.agrees:
        log.find("M183", source=made.source.uri, value=made.said.value, expected=made.told["value"], **where)


def _definition(told: Row, asked: Asked) -> Any:
    """Return the row of specs/derivations.toml by which a value was made; the time of a value goes by that of the value."""
    columns: Sequence[str] = (f"{asked.table}.{asked.column}", f"{asked.table}.{asked.column.removesuffix('_time')}")
    rows = [row for row in spec.derivations() if row["by"] == told["by"]]
    return next((row for row in rows if row["to"] in columns), rows[0] if rows else {})
