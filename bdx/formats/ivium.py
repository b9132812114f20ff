"""Ivium data files (.idf, .ids): keys and values, then the primary data as declared numbers of columns and rows.

Keys of [ivium.methods] in the format spec: method -> the columns of its primary data, in their order. A method that is not
there is refused by name, for its columns are not known. A data set (.ids) holds several measurements one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from bdx.canon import Document, Part, Table
from bdx.errors import CorruptSource, SourceError, TruncatedSource, UnsupportedVersion
from bdx.formats.curves import Walk
from bdx.formats.numbers_text import LINES, numbers_in
from bdx.formats.source import Source
from bdx.spec import FormatSpec

_MOST_FACTS = 2_000
_LONGEST_ROW = 4096
_KEY = re.compile(r"([A-Za-z][^=\x00-\x1f]{0,80})=(.*)")
_WHOLE = re.compile(rb"\s*([0-9]{1,9})\s*")


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the first measurement, then the rows of all.

    Raises: SourceError where there is no primary data; UnsupportedVersion for a method whose columns are not known;
    TruncatedSource, after the rows that are there, where the file ends before the declared number of them.
    """
    methods = spec.raw["ivium"]["methods"]
    with source.seekable() as file:
        walk = Walk(file, source)
        info = _facts(walk, source)
        if info is None:
            raise SourceError("holds no primary data; expected a line 'primary_data'", path=source.uri)
        yield Document("info", _explained(info), "line 1")
        columns = _columns(info, methods, source, walk)
        words = [pa.field("Measurement", pa.string()), pa.field("Method", pa.string())]
        fields = [pa.field(name, pa.float64(), metadata={"bdx.name": name.split(" (")[0], "bdx.unit": _unit(name)}) for name in columns]
        yield Table("records", pa.schema([*words, *fields]), _rows(walk, source, info, columns, methods))


def _unit(name: str) -> str:
    return name.partition(" (")[2].rstrip(")")


def _facts(walk: Walk, source: Source) -> dict[str, Any] | None:
    """Return the keys and values up to the next primary data, None where there is none; arrays are left out and reported."""
    info: dict[str, Any] = {}
    arrays = 0
    while line := walk.next():
        if line.strip() == b"primary_data":
            if arrays:
                source.log.lose(source.uri, "numbered settings such as timing.time[1]", "they are no facts of the test", arrays)
            return info
        match = _KEY.fullmatch(line.decode("latin-1").strip("\r\n"))
        if match is None:
            continue
        key, value = match.group(1).strip(), re.sub(r"[\x00-\x1f]+", "; ", match.group(2)).strip("; ")
        if key.endswith("]"):
            arrays += 1
        elif value and len(info) < _MOST_FACTS:
            info.setdefault(key, value)
    return None


def _explained(info: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(info)
    found["instrument"] = " ".join(word for word in ("Ivium", info.get("serialnumber", "")) if word)
    if info.get("software"):
        found["software"] = f"IviumSoft {info['software']}"
    if info.get("Method"):
        found["protocol"] = " ".join(word for word in (info["Method"], info.get("Technique", "")) if word)
    return found


def _columns(info: Mapping[str, Any], methods: Mapping[str, Any], source: Source, walk: Walk) -> tuple[str, ...]:
    """Return the columns of a method.

    Raises: UnsupportedVersion for one that is not known.
    """
    method = str(info.get("Method", ""))
    known = {re.sub(r"\W", "", name).casefold(): columns for name, columns in methods.items()}
    columns = known.get(re.sub(r"\W", "", method).casefold())
    if columns is None:
        message = f"an Ivium measurement by method '{method}' is not read, for the order of its columns is not known; export it as text"
        raise UnsupportedVersion(f"{message} (known: {', '.join(methods)})", path=source.uri, offset=f"line {walk.number}")
    return tuple(columns)


def _rows(
    walk: Walk, source: Source, info: dict[str, Any], columns: tuple[str, ...], methods: Mapping[str, Any]
) -> Iterator[pa.RecordBatch]:
    number, current = 1, info
    while True:
        title = current.get("Title") or f"measurement {number}"
        yield from _measurement(walk, source, (title, str(current.get("Method", ""))), columns)
        following = _facts(walk, source)
        if following is None:
            return
        number, current = number + 1, following
        found = _columns(current, methods, source, walk)
        if found != columns:
            message = "one data set holds spectra and records over time, which have no columns in common; export them one by one"
            raise UnsupportedVersion(message, path=source.uri, offset=f"line {walk.number}")


def _measurement(walk: Walk, source: Source, words: tuple[str, str], columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one measurement; `words` are its title and method."""
    where = f"line {walk.number}"
    counts = [_WHOLE.fullmatch(walk.next()) for _ in range(2)]
    if not all(counts):
        raise CorruptSource("the primary data do not begin with the numbers of columns and rows", path=source.uri, offset=where)
    width, declared = (int(match.group(1)) for match in counts if match is not None)
    if width != len(columns):
        raise CorruptSource(f"the primary data have {width} columns; expected {len(columns)}", path=source.uri, offset=where)
    left = declared
    while left > 0:
        first = walk.number + 1
        lines: list[bytes] = []
        while len(lines) < min(left, LINES) and (line := walk.next()):
            if len(line) > _LONGEST_ROW:
                raise CorruptSource("a row of primary data does not end", path=source.uri, offset=f"line {walk.number}")
            lines.append(line)
        found = numbers_in(lines, width, source, first)
        rows = found.shape[0]
        values = [pa.array(found[:, place]) for place in range(width)]
        texts = [pa.repeat(pa.scalar(word, pa.string()), rows) for word in words]
        yield pa.RecordBatch.from_arrays([*texts, *values], names=["Measurement", "Method", *columns])
        if len(lines) < min(left, LINES):
            message = f"the file ends {left - len(lines)} rows before the {declared} that it declares"
            raise TruncatedSource(message, path=source.uri, offset=f"line {walk.number}")
        left -= len(lines)


def sniff(head: bytes, _spec: FormatSpec) -> bool:
    """Say whether the head reads like an Ivium file: lines of its keys, and primary data unless they begin beyond the head."""
    return b"primary_data" in head or len(head) >= 1 << 16
