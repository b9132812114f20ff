"""What the head of a text file shows of its dialect: encoding, separator, decimal mark, header and the kind of every column."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bdx.errors import SpecError
from bdx.spec import Facts

HEADER_LINES = 64
"""A header stands within this many decoded lines."""
HEADER_WIDTH = 16_384
"""A longer line is no header; it keeps detection quick on documents that are one line."""

_NOT_WORD = re.compile(r"[\W_]+")
_UNITS = {
    "(U)": re.compile("(.*\\S)\\s*[(\uff08]([^()\uff08\uff09]*)[)\uff09]"),
    "[U]": re.compile(r"(.*\S)\s*\[([^\[\]]*)\]"),
    "/U": re.compile(r"(.*\S)\s*/\s*(\S+)"),
    "#U": re.compile(r"(.*\S)\s*#(\S+)"),
    "row": re.compile(r"(?!)"),
    "": re.compile(r"(?!)"),
}
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NUMBER = {mark: re.compile(rf"\s*[+-]?(?:[0-9]+{re.escape(mark)}?[0-9]*|{re.escape(mark)}[0-9]+)(?:[eE][+-]?[0-9]+)?\s*") for mark in ".,"}
_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,18}\s*")
_COMMA = re.compile(r"\s*[+-]?[0-9]+,[0-9]+\s*")
_POINT = re.compile(r"\s*[+-]?[0-9]*\.[0-9]+\s*")


@dataclass(frozen=True, slots=True)
class Heading:
    """One column of the header: as written, its name without the unit, the unit, and how its cells are parsed."""

    written: str
    name: str
    unit: str
    kind: str
    """text | number | integer | blank (no name and nothing below it in the head)"""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one file is written. Rows begin on line `header_line` + 1 (lines count from 1) after a row of units, if any."""

    encoding: str
    newline: str
    separator: str
    decimal: str
    header_line: int
    first_line: int
    headings: tuple[Heading, ...]
    preamble: tuple[str, ...]
    refused: Facts | None = None


def fold(name: str) -> str:
    """Return the name in one case without blanks, underscores and punctuation."""
    return _NOT_WORD.sub("", name).casefold()


def probe(head: bytes, dialect: Facts) -> Dialect | None:
    """Return the dialect of a file from its first bytes and the [delimited] facts of a format, or None if it is another format."""
    for encoding in _encodings(head, dialect):
        try:
            text = codecs.getincrementaldecoder(encoding)("strict").decode(head)
        except UnicodeDecodeError:
            continue
        found = _find_header(text, dialect, needs_script=encoding == "gb18030")
        if found is not None:
            return _describe(text, encoding, found, dialect)
    return None


def _encodings(head: bytes, dialect: Facts) -> tuple[str, ...]:
    """Return the encodings to try: that of the byte order mark alone, else those of the format in their order."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return (encoding,)
    for encoding, other_half in (("utf-16-le", head[1:64:2]), ("utf-16-be", head[:64:2])):
        if other_half and not any(other_half):
            return (encoding,)
    known = tuple(dialect.get("encodings", ("utf-8", "cp1252")))
    return known[:1] if head.isascii() else known


@dataclass(frozen=True, slots=True)
class _Found:
    line: int
    separator: str
    cells: list[str]
    refused: Facts | None


def _find_header(text: str, dialect: Facts, *, needs_script: bool) -> _Found | None:
    """Return the first line that holds a name of every group, or that of a layout the format refuses by name.

    Any bytes are valid GB18030 more often than not, so there names in Chinese must be among those recognised.
    """
    for number, line in enumerate(_lines(text)[:HEADER_LINES]):
        best: _Found | None = None
        for separator in dialect.get("separators", (",", ";", "\t")):
            if separator not in line or len(line) > HEADER_WIDTH:
                continue
            cells = split(line, separator)
            refused = _refused(cells, dialect)
            hits = _hits(cells, dialect)
            if refused is None and not hits:
                continue
            if needs_script and all(hit.isascii() for hit in hits):
                continue
            if best is None or len(cells) > len(best.cells):
                best = _Found(number, separator, cells, refused)
        if best is not None:
            return best
    return None


def _hits(cells: list[str], dialect: Facts) -> list[str]:
    """Return one matching name per group; empty where a group has none or a name appears that must not."""
    names = {fold(split_unit(cell, dialect.get("unit", ""))[0]) for cell in cells} - {""}
    if any(fold(name) in names for name in dialect.get("never", ())):
        return []
    hits = []
    for group in dialect["group"]:
        hit = next((name for name in group["any"] if fold(name) in names), None)
        if hit is None:
            return []
        hits.append(hit)
    return hits


def _refused(cells: list[str], dialect: Facts) -> Facts | None:
    for layout in dialect.get("refuse", ()):
        empty = layout["empty"]
        if len(cells) > empty and not any(cell.strip() for cell in cells[:empty]):
            name = fold(split_unit(cells[empty], dialect.get("unit", ""))[0])
            if name in {fold(word) for word in layout["any"]}:
                return layout  # type: ignore[no-any-return]
    return None


def split_unit(cell: str, style: str) -> tuple[str, str]:
    """Return (name, unit) of a header cell; an empty unit where it has none.

    Raises: SpecError for a style that is not "(U)", "[U]", "/U", "#U", "row" or "".
    """
    pattern = _UNITS.get(style)
    if pattern is None:
        raise SpecError(f"delimited: unit = '{style}'; expected one of {', '.join(repr(key) for key in _UNITS)}")
    cell = cell.strip()
    match = pattern.fullmatch(cell)
    return (match.group(1), match.group(2).strip()) if match else (cell, "")


def split(line: str, separator: str) -> list[str]:
    """Return the cells of one line, quotation marks taken off."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return line.split(separator)


def _newline(text: str) -> str:
    return "\n" if "\n" in text or "\r" not in text else "\r"


def _lines(text: str) -> list[str]:
    """Return the lines of the head, the last one only if it is complete or alone."""
    newline = _newline(text)
    lines = [line.rstrip("\r\n") for line in text.removeprefix("\ufeff").split(newline)]
    return lines[:-1] if len(lines) > 1 and not lines[-1] else lines


def _describe(text: str, encoding: str, found: _Found, dialect: Facts) -> Dialect:
    lines = _lines(text)
    cells = found.cells
    first = found.line + 1
    units: list[str] = []
    if dialect.get("unit") == "row" and first < len(lines):
        units = split(lines[first], found.separator)
        first += 1
    # The head is cut at a fixed number of bytes: its last line may be half a line and says nothing.
    rows = [split(line, found.separator) for line in lines[first : max(first, len(lines) - 1)][:400] if line.strip()]
    if not rows and first < len(lines):
        rows = [split(lines[first], found.separator)]
    if rows and len(rows[0]) == len(cells) + 1 and not rows[0][-1].strip():
        cells = [*cells, ""]
    rows = [row for row in rows if len(row) == len(cells)] or rows
    decimal = _decimal(rows, found.separator)
    return Dialect(
        encoding=encoding,
        newline=_newline(text),
        separator=found.separator,
        decimal=decimal,
        header_line=found.line + 1,
        first_line=first + 1,
        headings=tuple(_headings(cells, units, rows, decimal, dialect)),
        preamble=tuple(lines[: found.line]),
        refused=found.refused,
    )


def _decimal(rows: list[list[str]], separator: str) -> str:
    """Return the decimal mark of the whole file: a comma only where the separator leaves it free and no cell has a point."""
    if separator == ",":
        return "."
    cells = [cell for row in rows for cell in row]
    comma = any(_COMMA.fullmatch(cell) for cell in cells)
    return "," if comma and not any(_POINT.fullmatch(cell) for cell in cells) else "."


def _headings(cells: list[str], units: list[str], rows: list[list[str]], decimal: str, dialect: Facts) -> Iterator[Heading]:
    texts = {fold(name) for name in dialect.get("text", ())}
    whole = {fold(name) for name in dialect.get("integer", ())}
    nulls = {"", *dialect.get("null", ())}
    for index, cell in enumerate(cells):
        name, unit = split_unit(cell, dialect.get("unit", ""))
        unit = units[index].strip(" []()") if index < len(units) else unit
        below = [row[index] for row in rows if index < len(row) and row[index].strip() not in nulls]
        folded = fold(name)
        if folded in texts:
            kind = "text"
        elif not name and not below:
            kind = "blank"
        elif folded in whole and below and all(_WHOLE.fullmatch(text) for text in below):
            kind = "integer"
        elif below and all(_NUMBER[decimal].fullmatch(text) for text in below):
            kind = "number"
        else:
            kind = "text"
        yield Heading(cell, name, unit, kind)


def preamble_facts(lines: tuple[str, ...], dialect: Facts) -> dict[str, Any]:
    """Return the lines before the header as key -> value where they have the format's mark, else as a list of remarks."""
    found: dict[str, Any] = {}
    remarks: list[str] = []
    mark = dialect.get("preamble", "")
    for line in lines:
        key, _, value = line.strip().partition(mark) if mark else ("", "", "")
        text = value.strip().strip(",;\t").strip()
        if mark and key.strip() and mark in line and key.strip() not in found:
            found[key.strip()] = text
        elif line.strip():
            remarks.append(line.strip())
    if remarks:
        found["preamble"] = remarks
    return found
