"""The first bytes of a text file as lines in each encoding it may have; split once, shared by all formats that look at them."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from bdx.formats.delimited_names import split_unit
from bdx.formats.source import HEAD_BYTES
from bdx.names import fold
from bdx.spec import Facts

HEADER_WIDTH = 16_384
"""A longer line is no header; it keeps detection quick on documents that are one line."""
QUOTED_LINES = 8
"""A header with line breaks within its quoted cells spans at most so many lines."""
BLANKS = " "
"""The separator that stands for runs of blanks and tabs."""
LINES = 64
"""A header stands within this many lines unless the format says otherwise."""

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_BAD_SHARE = 1000
_CJK = re.compile("[\u2e80-\u9fff\uf900-\ufaff]")
Names = frozenset[str]


@dataclass(slots=True)
class Head:
    """The lines of the head in one encoding; the head is cut at a number of bytes, so the last one may be half a line."""

    encoding: str
    newline: str
    lines: list[str]
    whole: bool
    """Whether the last line has its end."""
    _cells: dict[tuple[int, str], tuple[list[str], int]] = field(default_factory=dict)
    _names: dict[tuple[int, str, tuple[str, ...]], Names] = field(default_factory=dict)
    _folded: list[str] = field(default_factory=list)

    def row(self, number: int, separator: str) -> tuple[list[str], int]:
        """Return the cells of a row that starts on a line, and how many lines it takes (line breaks within quoted cells)."""
        found = self._cells.get((number, separator))
        if found is None:
            line, span = self.lines[number], 1
            if line.count('"') % 2:
                joined = line
                for more in self.lines[number + 1 : number + QUOTED_LINES]:
                    joined, span = f"{joined}\n{more}", span + 1
                    if joined.count('"') % 2 == 0:
                        line = joined
                        break
                else:
                    span = 1
            found = self._cells[number, separator] = ([" ".join(cell.split("\n")) for cell in split(line, separator)], span)
        return found

    def names(self, number: int, separator: str, styles: tuple[str, ...]) -> Names:
        """Return the folded names, without their units, of the cells of a line."""
        found = self._names.get((number, separator, styles))
        if found is None:
            cells, _ = self.row(number, separator)
            found = self._names[number, separator, styles] = frozenset(fold(split_unit(cell, styles)[0]) for cell in cells) - {""}
        return found

    def folded(self, count: int) -> list[str]:
        """Return the first lines, `count` at least, in folded form: a name that is not in one of them is not in that line."""
        for line in self.lines[len(self._folded) : count]:
            self._folded.append(fold.__wrapped__(line[:HEADER_WIDTH]))
        return self._folded


def split(line: str, separator: str) -> list[str]:
    """Return the cells of one line, quotation marks taken off those of cells and of a row that is wrapped whole."""
    if separator == BLANKS:
        return line.split()
    try:
        cells = next(csv.reader([line], delimiter=separator), [])
        if len(cells) == 1 and separator in cells[0] and line.lstrip().startswith('"'):
            cells = next(csv.reader(cells, delimiter=separator), [])
    except csv.Error:
        return line.split(separator)
    return cells


def heads(head: bytes, dialect: Facts) -> Iterator[Head]:
    """Yield the head in the encodings it may have under a format's list of them, the likeliest first.

    The byte order mark decides, then valid UTF-8. Text that is UTF-8 but for a few bytes, less than one in a thousand,
    stays UTF-8; otherwise the listed encodings follow, first those without a bad byte.
    """
    return (found for found in _candidates(head, tuple(dialect.get("encodings", ("utf-8", "cp1252")))) if found is not None)


def _candidates(head: bytes, known: tuple[str, ...]) -> Iterator[Head | None]:
    marked = next((encoding for mark, encoding in _BOMS if head.startswith(mark)), None)
    for encoding, other_half in (("utf-16-le", head[1:64:2]), ("utf-16-be", head[:64:2])):
        if marked is None and other_half and not any(other_half):
            marked = encoding
    if marked is not None or head.isascii():
        yield _lenient(head, marked) if marked is not None else _strict(head, known[0])
        return
    strict = _strict(head, "utf-8")
    if strict is not None:
        yield strict
        return
    nearly = _mostly_utf8(head)
    if nearly:
        yield _lenient(head, "utf-8")
    others = [name for name in known if name != "utf-8" and not (name == "cp1252" and _only_ff(head))]
    for name in others:
        yield _strict(head, name)
    for name in () if nearly else ("utf-8", *others):
        yield _lenient(head, name)


def _strict(head: bytes, encoding: str) -> Head | None:
    return _read(head, encoding) if len(head) <= HEAD_BYTES else _read.__wrapped__(head, encoding)


def _lenient(head: bytes, encoding: str) -> Head | None:
    return _mend(head, encoding) if len(head) <= HEAD_BYTES else _mend.__wrapped__(head, encoding)


@lru_cache(maxsize=8)
def _read(head: bytes, encoding: str) -> Head | None:
    """Return the head if it has no bad byte."""
    try:
        return _of(codecs.getincrementaldecoder(encoding)("strict").decode(head), encoding)
    except UnicodeDecodeError:
        return None


@lru_cache(maxsize=8)
def _mend(head: bytes, encoding: str) -> Head | None:
    """Return the head with its bad bytes replaced, or None if they are one in a thousand or more."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    bad = text.count("\ufffd") - (head.count(b"\xef\xbf\xbd") if encoding == "utf-8" else 0)
    return _of(text, encoding) if bad <= max(1, len(head) // _BAD_SHARE) else None


def _of(text: str, encoding: str) -> Head:
    newline = "\n" if "\n" in text or "\r" not in text else "\r"
    lines = [line.rstrip("\r\n") for line in text.removeprefix("\ufeff").split(newline)]
    return Head(encoding, newline, lines[:-1] if len(lines) > 1 and not lines[-1] else lines, text.endswith(newline))


@lru_cache(maxsize=8)
def _mostly_utf8(head: bytes) -> bool:
    """Say whether at least as many characters beyond ASCII are good UTF-8 as are not."""
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(head)
    strange = [letter for letter in text if letter > "\x7f"]
    return 0 < strange.count("\ufffd") <= len(strange) / 2


@lru_cache(maxsize=8)
def _only_ff(head: bytes) -> bool:
    """Say whether the only bytes beyond ASCII are FF, which no text in a code page is made of."""
    return all(byte == 0xFF for byte in head if byte > 0x7F)


def has_script(names: Names) -> bool:
    """Say whether a name is written in Chinese characters."""
    return any(_CJK.search(name) for name in names)
