"""The evidence of one battery, out of a file beside its passport that may be of a million, or out of the tables of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

from bdx import spec
from bdx.errors import CorruptSource, SourceError, TruncatedSource, UnsupportedVersion
from bdx.names import shortened
from bdx.pipeline.evidence_lines import EVERY, SCHEMA, quoted

_STEP = 8 << 20
_LONGEST = 256 << 20
_MOST = 200_000
"""Rows of evidence one battery may have."""

Row = dict[str, Any]


@dataclass(slots=True)
class Evidence:
    """What is known of where the values of some batteries come from: rows of `evidence`, the sources they name, the document."""

    path: str
    rows: list[Row]
    sources: dict[str, Row]
    document: Row = field(default_factory=dict)
    options: Row = field(default_factory=dict)

    def of(self, table: str, key: str, column: str) -> Row | None:
        """Return what says most of a value: its own row, that of all records, or that of the rest of its record."""
        found: dict[tuple[str, str], Row] = {}
        for row in self.rows:
            if row["table"] == table or (row["column"] == EVERY and row["table"] == "battery"):
                found[row["key"], row["column"]] = row
        battery = key.rpartition("#")[0] if table != "battery" else key
        places = ((key, column), (EVERY, column), (key, EVERY), (battery, EVERY))
        return next((found[place] for place in places if place in found), None)

    def keys(self, table: str, battery: str) -> list[str]:
        """Return the keys of the child rows of a battery that evidence names, in their order."""
        found = {row["key"]: None for row in self.rows if row["table"] == table and row["key"].rpartition("#")[0] == battery}
        return sorted(found, key=lambda key: (len(key), key))


@cache
def _judges() -> tuple[Any, Any]:
    """Return what judges a header, and what judges a row."""
    whole = spec.schema("bdx-evidence")
    header, row = ({"$defs": whole["$defs"], "$ref": f"#/$defs/{name}"} for name in ("header", "row"))
    return jsonschema_rs.validator_for(header), jsonschema_rs.validator_for(row)


def read_evidence(path: str, names: Sequence[str]) -> Evidence:
    """Return the evidence of the battery that goes by any of the names, from a file of JSON lines.

    Only lines with one of the names are parsed. Raises: SourceError where it cannot be read, CorruptSource where it is no evidence,
    TruncatedSource where lines are missing, UnsupportedVersion.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.readline(_LONGEST)
            header = _header(head, path)
            wanted = [text.encode() for name in names if name for text in (quoted(name), quoted(name)[:-1] + "#")]
            rows = _rows(_lines(_blocks(file, path), wanted, header["rows"], path), path)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", path=path) from error
    keys = {row["key"] for row in rows if row["key"] in names or (row["value"] in names and row["column"] in _IDENTIFIERS)}
    mine = [row for row in rows if row["key"] in keys or row["key"].rpartition("#")[0] in keys or row["key"] == EVERY]
    strange = keys - set(names)
    if strange:
        return read_evidence(path, [*names, *sorted(strange)])
    sources = {row["source_id"]: row for row in header["sources"]}
    return Evidence(path, mine, sources, header["document"], header.get("options", {}))


def document_of(path: str) -> Row:
    """Return what a file of evidence says of its document: name, format, hash.

    Raises: SourceError where it cannot be read, CorruptSource where it is no evidence, UnsupportedVersion.
    """
    try:
        with Path(path).open("rb") as file:
            return _header(file.readline(_LONGEST), path)["document"]  # type: ignore[no-any-return]
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", path=path) from error


_IDENTIFIERS = ("serial_number", "battery_id", "passport_id")


def from_tables(path: str, rows: Iterable[Row], sources: Iterable[Row], names: Sequence[str]) -> Evidence:
    """Return the evidence of a battery from rows of the tables `evidence` and `source` of a data set."""
    mine = [row for row in rows if row["key"] in names or row["key"].rpartition("#")[0] in names or row["key"] == EVERY]
    return Evidence(path, mine, {row["source_id"]: row for row in sources})


def _header(line: bytes, path: str) -> Row:
    found = _parsed(line, path, 1)
    if isinstance(found, dict) and isinstance(found.get("schema"), str) and found["schema"] != SCHEMA:
        if found["schema"].startswith("bdx-evidence/"):
            raise UnsupportedVersion(f"is '{shortened(found['schema'], 40)}', this bdx reads {SCHEMA}", path=path)
        raise CorruptSource(f"is '{shortened(found['schema'], 40)}', expected {SCHEMA}", path=path, offset="line 1")
    _held(found, _judges()[0], path, 1)
    return found  # type: ignore[no-any-return]


def _rows(lines: Iterator[tuple[int, bytes]], path: str) -> list[Row]:
    names = [column.name for column in spec.table("evidence").columns]
    found = []
    for number, line in lines:
        row = _parsed(line, path, number)
        _held(row, _judges()[1], path, number)
        found.append({name: row.get(name) for name in names})
        if len(found) > _MOST:
            raise CorruptSource(f"has more than {_MOST:,} rows of evidence for one battery", path=path, offset=f"line {number}")
    return found


def _parsed(line: bytes, path: str, number: int) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise CorruptSource(f"is no line of JSON ({error}), expected {SCHEMA}", path=path, offset=f"line {number}") from error


def _held(value: Any, judge: Any, path: str, number: int) -> None:
    """Raise CorruptSource where a line is not what it should be."""
    for fault in judge.iter_errors(value):
        where = "/".join(str(step) for step in fault.instance_path)
        raise CorruptSource(f"is no {SCHEMA}: {where or 'line'}: {shortened(fault.message, 120)}", path=path, offset=f"line {number}")


def _blocks(file: Any, path: str) -> Iterator[bytes]:
    """Yield the rest of a file in blocks that end where lines end."""
    rest = b""
    while data := file.read(_STEP):
        cut = data.rfind(b"\n") + 1
        if not cut:
            rest += data
            if len(rest) > _LONGEST:
                raise CorruptSource(f"has a line of more than {_LONGEST:,} bytes", path=path)
            continue
        yield rest + data[:cut]
        rest = data[cut:]
    if rest:
        yield rest


def _lines(blocks: Iterable[bytes], wanted: Sequence[bytes], rows: int, path: str) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold one of the texts, or speak of all records, with their numbers.

    Raises: TruncatedSource where there are not as many lines as the header says.
    """
    needles = [*wanted, f'"key":{quoted(EVERY)}'.encode()]
    seen = 1
    for block in blocks:
        starts: set[int] = set()
        for needle in needles:
            place = block.find(needle)
            while place >= 0:
                end = block.find(b"\n", place)
                starts.add(block.rfind(b"\n", 0, place) + 1)
                place = block.find(needle, end) if end >= 0 else -1
        before, counted = 0, seen
        for start in sorted(starts):
            counted += block.count(b"\n", before, start)
            before = start
            end = block.find(b"\n", start)
            yield counted + 1, block[start : end if end >= 0 else len(block)]
        seen += block.count(b"\n") + (not block.endswith(b"\n"))
    if seen - 1 != rows:
        raise TruncatedSource(f"holds {seen - 1:,} rows, its header says {rows:,}", path=path)
