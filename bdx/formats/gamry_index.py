"""The facts of a Gamry file and where its curves stand, from one walk over its lines; no row is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from bdx.errors import UnsafeSource
from bdx.formats.curves import Curve, Walk, apart, encoding_of
from bdx.formats.source import Source
from bdx.spec import Facts

_MOST_FACTS = 5_000
_MOST_NOTES = 200
_MOST_CURVES = 100_000
_KEY = re.compile(rb"[A-Za-z][A-Za-z0-9_]*\t")


@dataclass(slots=True)
class Index:
    """What a file states of its test, its curves in their order, and the names of its other tables."""

    encoding: str
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    aborted: int = 0
    """The line that says the experiment was aborted; 0 where none does."""


def index(file: BinaryIO, source: Source, facts: Facts) -> Index:
    """Return the facts and curves of a file read from its first byte.

    Raises: CorruptSource for a line beyond 1 MiB; UnsafeSource for more tables than any experiment has.
    """
    found = Index(encoding_of(source.head))
    walk = Walk(file, source)
    line = walk.next().removeprefix(b"\xef\xbb\xbf")
    while line:
        if not _KEY.match(line):
            if line.startswith(b"EXPERIMENTABORTED"):
                found.aborted = walk.number
            line = walk.next()
            continue
        cells = _cells(line, found.encoding)
        if len(found.curves) + len(found.others) > _MOST_CURVES:
            raise UnsafeSource(f"holds more than {_MOST_CURVES:,} tables", path=source.uri, offset=f"line {walk.number}")
        if len(cells) > 1 and cells[1] == "TABLE":
            line = _table(walk, cells, found, facts)
        elif len(cells) > 1 and cells[1] == "NOTES":
            line = _notes(walk, cells, found)
        else:
            _fact(cells, found, walk.number)
            line = walk.next()
    _explain(found)
    return found


def _cells(line: bytes, encoding: str) -> list[str]:
    return [cell.strip() for cell in line.decode(encoding, "replace").rstrip("\r\n").split("\t")]


def _fact(cells: list[str], found: Index, number: int) -> None:
    """Keep `KEY <tab> TYPE <tab> value ... <tab> explanation`; a line of two cells is a key and its value."""
    if cells[0] == "EXPERIMENTABORTED":
        found.aborted = number
    if len(cells) < 2 or len(found.info) >= _MOST_FACTS:
        return
    value = cells[1] if len(cells) == 2 else cells[2]
    if len(cells) > 3 and cells[1] == "TWOPARAM":
        value = " ".join(cells[2:5])
    if cells[0] not in found.info:
        found.info[cells[0]] = value


def _notes(walk: Walk, cells: list[str], found: Index) -> bytes:
    """Keep the declared number of lines as a remark and return the line after them."""
    declared = cells[2] if len(cells) > 2 else ""
    count = min(int(declared), _MOST_NOTES) if declared.isdecimal() and len(declared) < 9 else 0
    notes: list[str] = []
    line = walk.next()
    while count and line and not _KEY.match(line):
        notes.append(line.decode(found.encoding, "replace").strip())
        count -= 1
        line = walk.next()
    text = "\n".join(notes).strip()
    if text:
        found.info[cells[0]] = text
    return line


def _table(walk: Walk, cells: list[str], found: Index, facts: Facts) -> bytes:
    """Note a table and return the line after it; where the file ends within its two header lines it has no columns."""
    declared = cells[2] if len(cells) > 2 else ""
    count = int(declared) if declared.isdecimal() and len(declared) < 12 else None
    curve = Curve(cells[0], walk.number, count, lead=1)
    names = _cells(walk.next(), found.encoding)[1:]
    units = _cells(walk.next(), found.encoding)[1:]
    while names and not names[-1]:
        names.pop()
    curve.names = list(apart(names))
    curve.units = [*units, *[""] * len(names)][: len(names)]
    if not re.fullmatch(facts["curve"], curve.name):
        found.others.append(curve.name)
    elif names:
        found.curves.append(curve)
    line = walk.next()
    curve.start, curve.body_line = walk.offset, walk.number
    sample: list[bytes] = []
    last = b""
    while line and not _ends(line):
        if line[:1] == b"\t":
            if len(sample) < 20:
                sample.append(line)
            last = line
        line = walk.next()
    curve.end = walk.offset
    rows = [_cells(each, found.encoding)[1:] for each in (*sample, last) if each]
    curve.describe(rows, facts["text"], facts["integer"])
    place = next((place for place, name in enumerate(curve.names) if name in facts["time"]), None)
    if place is not None:
        curve.clock(rows, place)
    return line


def _ends(line: bytes) -> bool:
    return (line[:1] not in b"\t\r\n " and _KEY.match(line) is not None) or line.startswith(b"EXPERIMENTABORTED")


def _explain(found: Index) -> None:
    """Add what follows from several facts: instrument, software, and the start where the order of its date is certain."""
    info = found.info
    if info.get("PSTAT"):
        info["instrument"] = f"Gamry {info['PSTAT']}"
    if info.get("FRAMEWORKVERSION"):
        info["software"] = f"Gamry Framework {info['FRAMEWORKVERSION']}"
    comma = any(curve.decimal == "," for curve in found.curves)
    started = _start(info, comma)
    if started:
        info["started"] = started


_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})")


def _start(info: dict[str, Any], comma: bool) -> str:
    """Return date and time in ISO order; empty where day and month could be exchanged.

    The order is that of the regional settings of the computer. It is certain where the year stands first, a number is above 12,
    day and month are equal, dots or a decimal comma show a locale that begins with the day, or another date of the file that is
    written with the same mark shows it.
    """
    match = _DATE.fullmatch(str(info.get("DATE", "")).strip())
    time = re.fullmatch(r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?", str(info.get("TIME", "")).strip())
    if match is None:
        return ""
    first, mark, second, third = match.groups()
    order = "dmy" if mark == "." or comma else ""
    for key in ("DATE", "DCCALDATE", "ACCALDATE"):
        other = _DATE.fullmatch(str(info.get(key, "")).strip())
        order = order or (_order(other) if other is not None and other.group(2) == mark else "")
    if len(first) == 4:
        year, month, day = first, second, third
    elif order == "dmy" or first == second:
        year, month, day = third, second, first
    elif order == "mdy":
        year, month, day = third, first, second
    else:
        return ""
    year = f"20{year}" if len(year) == 2 else year
    clock = time.group().replace(",", ".") if time else "00:00:00"
    return f"{year}-{month:0>2}-{day:0>2} {clock:0>8}"


def _order(date: re.Match[str]) -> str:
    """Return the order that a date itself shows."""
    first, second = int(date.group(1)), int(date.group(3))
    return "" if first > 31 or (first > 12) == (second > 12) else "dmy" if first > 12 else "mdy"
