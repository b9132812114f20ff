"""A source that evidence names, found again, held against its hash, and read again for the rows and the value it gave."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc

from bdx.canon import Chunk, Log
from bdx.derive.merge import text
from bdx.errors import BdxError
from bdx.formats import packed
from bdx.pipeline.evidence_reading import Row
from bdx.pipeline.joining import Gathered, gather, join
from bdx.pipeline.reading import Opened, ReadOptions, chunks, open_source
from bdx.pipeline.rows_again import Picked, Reference, covered

_PLACE = re.compile(r"(?:line|row) (\d{1,12})")
_LINE = 1 << 20
_SHOWN = 150
_BEFORE = 40

UNCHANGED, CHANGED, UNHASHED, GONE = "unchanged", "changed since", "not hashed", "not at hand"


@dataclass(slots=True)
class SourceAgain:
    """A source as evidence names it, where it stands now ("" where it does not), and whether it is still the same."""

    id: str
    uri: str = ""
    format: str = ""
    sha256: str = ""
    length: int | None = None
    read_at: str = ""
    path: str = ""
    state: str = GONE
    digest: str = ""
    """SHA-256 of what stands there now."""


@dataclass(slots=True)
class Said:
    """What a source says when it is read again: the value (None where it does not), who made it, a line of its text, what went wrong."""

    value: str | None = None
    by: str = ""
    line: str = ""
    fault: str = ""
    rows: list[Reference] = field(default_factory=list)


def found_again(row: Row, passport: str) -> SourceAgain:
    """Return a source of evidence with where it stands: from here, or beside the passport; the one with the right hash first."""
    uri = str(row.get("uri") or "")
    source = SourceAgain(
        str(row.get("source_id") or ""),
        uri,
        str(row.get("format") or ""),
        str(row.get("sha256") or ""),
        row.get("bytes"),
        str(row.get("read_at") or ""),
    )
    places = dict.fromkeys(_places(uri, passport))
    for path in places:
        state, digest = _state(path, source.sha256)
        if state == UNCHANGED or (state != GONE and not source.path):
            source.path, source.state, source.digest = path, state, digest
        if state == UNCHANGED:
            break
    return source


def _places(uri: str, passport: str) -> list[str]:
    if not uri or "\0" in uri or uri in ("-", "<stdin>"):
        return []
    folder = Path(passport).parent
    return [uri, str(folder / uri), str(folder / re.split(r"[/\\]", uri.rstrip("/\\"))[-1])]


def _state(path: str, sha256: str) -> tuple[str, str]:
    """Return whether a path is there and has the hash, and the hash it has; only files and folders are looked at."""
    try:
        if Path(path).is_dir():
            return UNHASHED, ""
        if not Path(path).is_file():
            return GONE, ""
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return GONE, ""
    return (UNHASHED if not sha256 else UNCHANGED if digest == sha256 else CHANGED), digest


def say_again(
    source: SourceAgain,
    asked: Sequence[tuple[Row, Said]],
    table: str,
    names: Sequence[str],
    options: Row,
    others: Sequence[SourceAgain] = (),
) -> None:
    """Fill in what a source says now of values: declared ones at their places, derived ones by deriving them again.

    Each value is asked for by its evidence and by what is to be filled, with the rows it rests on; `names` are those of the battery,
    `others` further sources at hand, for what cannot be derived from this one alone.
    """
    derived = [(told, said) for told, said in asked if told["method"] in ("measured", "derived")]
    declared = [(told, said) for told, said in asked if told["method"] not in ("measured", "derived")]
    try:
        if derived:
            _derived_again(source, derived, table, names, options, others)
        if declared:
            _declared_again(source, declared, table, names, options)
        for told, said in asked:
            said.line = _line(source, told, said.value, names)
    except BdxError as error:
        for _, said in asked:
            said.fault = str(error)


def _options(options: Row) -> ReadOptions:
    return ReadOptions(
        options.get("from_format") or None,
        options.get("mapping") or None,
        options.get("assume_tz") or None,
        options.get("current_sign") or None,
        keep_going=bool(options.get("keep_going")),
        repair=tuple(options.get("repair") or ()),
        steps=True,
    )


def _opened(source: SourceAgain, options: ReadOptions) -> Opened:
    number = re.fullmatch(r"s(\d{1,9})", source.id)
    return open_source(source.path, int(number[1]) if number else 1, options)


def _derived_again(
    source: SourceAgain,
    asked: Sequence[tuple[Row, Said]],
    table: str,
    names: Sequence[str],
    options: Row,
    others: Sequence[SourceAgain],
) -> None:
    reading = _options(options)
    opened = _opened(source, reading)
    picked, gathered = Picked(item for _, said in asked for item in said.rows), list[Gathered]()
    for chunk in gather(opened, reading, gathered, alone=True):
        picked.watch(chunk)
    _records(source, [said for _, said in asked], options)
    _fill(asked, gathered, table, names)
    if any(said.value is None for _, said in asked) and others:
        # Some derivations need what another source declares: then all that is at hand is merged again.
        for other in others:
            reading = _options(options)
            for _ in gather(_opened(other, reading), reading, gathered):
                continue
        _fill([(told, said) for told, said in asked if said.value is None], gathered, table, names)


def _fill(asked: Sequence[tuple[Row, Said]], gathered: list[Gathered], table: str, names: Sequence[str]) -> None:
    """Merge what was gathered and take from it the values that came about in the same way."""
    rows = [row for chunk in join(gathered, Log(), names[0]) for row in chunk["evidence"].to_pylist() if row["table"] == table]
    for told, said in asked:
        for row in rows:
            fits = (row["column"], row["method"]) == (told["column"], told["method"])
            if fits and (table == "battery" or row["value"] == told["value"]) and (said.value is None or row["by"] == told["by"]):
                said.value, said.by = row["value"], row["by"] or ""


def _records(source: SourceAgain, every: Sequence[Said], options: Row) -> None:
    """Add the records that cycles and steps cover, where the evidence itself names none: the source is read once more."""
    more: list[Reference] = []
    for said in every:
        if not any(item.table == "timeseries" for item in said.rows):
            below = covered(item for item in said.rows if item.table in ("cycle", "step"))
            said.rows += below
            more += below
    if not more:
        return
    reading = _options(options)
    again = Picked(more)
    for chunk in chunks(_opened(source, reading), reading):
        again.watch(chunk)


def _declared_again(source: SourceAgain, asked: Sequence[tuple[Row, Said]], table: str, names: Sequence[str], options: Row) -> None:
    reading = _options(options)
    for chunk in chunks(_opened(source, reading), reading):
        for told, said in asked:
            for row in _candidates(chunk, told, table, names):
                value = row.get(told["column"])
                written = None if value in (None, []) else text(value)
                if written is not None and (said.value is None or same(written, told["value"])):
                    said.value = written
        if all(same(said.value, told["value"]) for told, said in asked):
            return


def _candidates(chunk: Chunk, told: Row, table: str, names: Sequence[str]) -> Iterable[Row]:
    """Return the rows of a chunk that may have said a value: at its place, or of its battery."""
    if table not in chunk:
        return []
    batch = chunk[table]
    if told["locator"] and "locator" in batch.schema.names and table == "battery":
        return batch.filter(pc.equal(batch.column("locator"), told["locator"]).fill_null(False)).to_pylist()  # type: ignore[no-any-return]
    mask = pc.is_in(batch.column("battery_key"), pc.unique(pc.cast(list(names), "string")))
    rows: list[Row] = batch.filter(mask).to_pylist()
    return rows or (batch.to_pylist() if batch.num_rows == 1 else [])


def _line(source: SourceAgain, told: Row, value: str | None, names: Sequence[str]) -> str:
    """Return the line of text that a value stands on, "" where the source is no text or the line does not speak of it."""
    place = _PLACE.search(told["locator"] or told["inputs"] or "")
    if place is None or not Path(source.path).is_file():
        return ""
    try:
        with Path(source.path).open("rb") as file:
            head = file.read(4096)
            if packed.kind(head) or b"\0" in head or head.startswith(b"PK"):
                return ""
            file.seek(0)
            for _ in range(int(place[1]) - 1):
                while (part := file.readline(_LINE)) and not part.endswith(b"\n"):
                    continue
                if not part:
                    return ""
            line = file.readline(_LINE).decode("utf-8", "replace").strip()
    except OSError:
        return ""
    at = next((line.find(word) for word in (value or "", *names) if word and word in line), -1)
    if at < 0:
        return ""
    begin = max(at - _BEFORE, 0) if len(line) > _SHOWN else 0
    cut = line[begin : begin + _SHOWN]
    return f"{'...' if begin else ''}{cut}{'...' if begin + _SHOWN < len(line) else ''}"


def same(a: str | None, b: str | None) -> bool:
    """Say whether two texts of evidence mean one value: equal, or numbers that differ by rounding alone."""
    if a == b or a is None or b is None:
        return a == b
    try:
        x, y = float(a), float(b)
    except ValueError:
        return " ".join(a.split()) == " ".join(b.split()) or _moment(a) == _moment(b)
    return abs(x - y) <= 1e-9 * max(abs(x), abs(y))


def _moment(text_: str) -> str:
    return re.sub(r"(?<=\d)(?:\.0+)?(?:\+00:00|Z)$", "Z", text_.replace(" ", "T", 1) if text_[4:5] == "-" else text_)
