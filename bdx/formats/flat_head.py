"""The head of a flat export: its encoding and separator, and where the header of a table stands, of one row or of several."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bdx.errors import CorruptSource, SourceError
from bdx.formats.delimited_head import Head, heads
from bdx.formats.source import HEAD_BYTES, Source
from bdx.names import matches

SEPARATORS = (";", "\t", "|", ",")
APART = " > "
"""Between the names of a header of several rows, outermost first."""

_MOST = 64 << 20
_LINES = 200
_RUN = re.compile(rb"[\x80-\xff]+")
_PAIRS = re.compile(rb"(?:[\x81-\xfe][\x40-\x7e\x80-\xfe])+")
_UNIT = re.compile(r"[\[(]?([^\[\]()]{0,14})[\])]?")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the header of one table is laid out: its rows, whether the last is one of units, and the names it is known by."""

    names: tuple[str, ...]
    rows: int = 1
    units: bool = False


def text_head(source: Source, facts: Mapping[str, Any]) -> Head:
    """Return the first lines of a text file in the encoding that the facts name, or that its bytes show.

    Raises: CorruptSource where the bytes are text in no encoding that is tried.
    """
    sample = _telling(source)
    named = facts.get("encoding")
    try:
        guessed = [str(named)] if named else encodings(sample)
        "".encode(guessed[0])
        found = next(heads(source.head, {"encodings": tuple(guessed)}), None)
    except LookupError as error:
        raise SourceError(f"encoding '{named}' is not known; expected one such as utf-8, cp1252, gb18030", path=source.uri) from error
    if found is None or (b"\0" in source.head[:1024] and not found.encoding.startswith("utf-16")):
        raise CorruptSource("is no text of rows and columns", path=source.uri)
    if named or source.head.isascii():
        found = Head(str(named or guessed[0]), found.newline, found.lines, found.whole) if not _marked(found.encoding) else found
    return found


def encodings(sample: bytes) -> list[str]:
    """Return the encodings that bytes may be in, the likeliest first.

    Chinese in GB 18030 stands in runs of pairs; a German umlaut in cp1252 stands alone between letters.
    """
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            runs = _RUN.findall(sample)
            even = sum(len(run) for run in runs if len(run) % 2 == 0)
            east = even * 2 > sum(map(len, runs)) and any(len(run) >= 4 for run in runs)
            return ["gb18030", "cp1252"] if east else ["cp1252", "gb18030"]
    return ["utf-8", "cp1252", "gb18030"]


def _marked(encoding: str) -> bool:
    return encoding.startswith("utf-16") or encoding == "utf-8-sig"


def _telling(source: Source) -> bytes:
    """Return the first bytes, or the first megabyte with a character beyond ASCII: a header is often plain and the rows are not."""
    if not source.head.isascii() or len(source.head) < HEAD_BYTES or source.path is None:
        return source.head
    done = 0
    with source.stream() as stream:
        while done < _MOST and (chunk := stream.read(1 << 20)):
            if not chunk.isascii():
                return chunk[next(place for place, byte in enumerate(chunk) if byte > 0x7F) :]
            done += len(chunk)
    return source.head


def separator_of(head: Head, facts: Mapping[str, Any]) -> str:
    """Return the separator: the one named, else the one under which most lines have the same number of cells, more than one."""
    if facts.get("separator"):
        return str(facts["separator"])
    best = (0, 0, ",")
    for mark in SEPARATORS:
        widths = Counter(len(head.row(number, mark)[0]) for number in range(min(_LINES, len(head.lines))) if head.lines[number].strip())
        widths.pop(1, None)
        if widths:
            width, often = max(widths.items(), key=lambda pair: (pair[1], pair[0]))
            best = max(best, (often, width, mark), key=lambda found: found[:2])
    return best[2]


def composed(rows: Sequence[Sequence[str]], *, units: bool = False) -> list[str]:
    """Return one name per column of a header of several rows: the names of its groups and its own, "Mixing > Speed > Actual".

    A group stands in its first column only, as merged cells do, and holds up to the next; a cell with nothing below it is the
    name of its own column alone. A row of units gives each name its unit, "Speed [1/min]". A name that comes again is numbered.
    """
    width = max(map(len, rows), default=0)
    filled = [[*(" ".join(cell.split()) for cell in row), *[""] * (width - len(row))] for row in rows]
    below = filled.pop() if units and len(filled) > 1 else []
    names: list[str] = []
    groups = [""] * len(filled)
    for place in range(width):
        own = [row[place] for row in filled]
        deepest = max((level for level, cell in enumerate(own) if cell), default=-1)
        for level, cell in enumerate(own):
            if cell:
                groups[level:] = [cell, *[""] * (len(groups) - level - 1)]
        names.append(APART.join(group for group in groups[: deepest + 1] if group) if deepest >= 0 else "")
        if deepest >= 0:
            groups[deepest:] = [""] * (len(groups) - deepest)
    if below:
        names = [_with_unit(name, unit) for name, unit in zip(names, below, strict=True)]
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name] += 1
        if name and seen[name] > 1:
            names[place] = f"{name} #{seen[name]}"
    return names


def _with_unit(name: str, unit: str) -> str:
    match = _UNIT.fullmatch(unit)
    bare = (match[1] if match is not None else unit).strip()
    return f"{name} [{bare}]" if bare.strip("-\u2013/ ") and name else name


def fits(rows: Sequence[Sequence[str]], layout: Layout) -> int:
    """Return how many of its names a layout finds in some rows; 0 where that is less than half of them, or one of several."""
    if len(rows) < layout.rows:
        return 0
    found = len(matches(composed(rows[: layout.rows], units=layout.units), layout.names))
    return found if found * 2 >= len(layout.names) and found > min(1, len(layout.names) - 1) else 0
