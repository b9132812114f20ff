"""A sheet's bytes as UTF-8, whatever it was saved in, and what its head shows: separator, header, decimal mark."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from bdx.errors import CorruptSource, SourceError
from bdx.formats.source import HEAD_BYTES, Source

SEPARATORS = (",", ";", "\t", "|")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
READ_STEP = 1 << 20
_LOOKED_AT, _TITLES = 230, 20
_NAMES = 2
"""Names of columns that make a line a header where the first line names none."""

_COMMA = re.compile(r"\s*[-+]?[0-9]+,[0-9]+\s*")


class Utf8:
    """A forward stream of UTF-8 made of UTF-8, UTF-16 or Windows-1252; only what is neither ASCII nor UTF-8 is the last.

    Raises: CorruptSource with the offset of the byte that fits no encoding.
    """

    closed = False

    def __init__(self, raw: BinaryIO, source: Source) -> None:
        self._raw = raw
        self._source = source
        mark, self._encoding = next(((mark, name) for mark, name in _BOMS if source.head.startswith(mark)), (b"", _guess(source.head)))
        self._offset = len(raw.read(len(mark)))
        self._carry = b""
        self._plain = True
        self._ready = b""
        self.unended = False
        """Whether the bytes read so far stop within a line."""

    def readable(self) -> bool:
        """Say yes, as pyarrow asks."""
        return True

    def close(self) -> None:
        """Close the bytes below."""
        self._raw.close()

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes of UTF-8, none only at the end."""
        while not self._ready and self._fill():
            pass
        found, self._ready = (self._ready[:size], self._ready[size:]) if size > 0 else (self._ready, b"")
        self.unended = not found.endswith(b"\n") if found else self.unended
        return found

    def skip(self, lines: int) -> bool:
        """Read past so many lines; say whether anything follows."""
        for _ in range(lines):
            while (end := self._ready.find(b"\n")) < 0:
                if not self._fill():
                    return False
            self._ready = self._ready[end + 1 :]
        while not self._ready and self._fill():
            pass
        return bool(self._ready)

    def _fill(self) -> bool:
        data = self._raw.read(READ_STEP)
        self._ready += self._decode(data)
        return bool(data)

    def _decode(self, data: bytes) -> bytes:
        whole = self._carry + data
        self._carry = b""
        if self._encoding == "utf-8" and whole.isascii():
            self._offset += len(whole)
            return whole
        try:
            if self._encoding != "utf-8":
                text, used = codecs.getdecoder(self._encoding)(whole) if not data else self._partial(whole)
                found = text.encode("utf-8", "strict")
            else:
                _, used = codecs.utf_8_decode(whole, "strict", not data)
                found = whole[:used]
        except UnicodeError as error:
            return self._other(whole, data, error)
        self._plain = False
        self._carry = whole[used:]
        self._offset += used
        return found

    def _partial(self, whole: bytes) -> tuple[str, int]:
        if self._encoding == "cp1252":
            return codecs.getdecoder("cp1252")(whole)
        decode: Callable[..., tuple[str, int]] = codecs.utf_16_le_decode if self._encoding.endswith("le") else codecs.utf_16_be_decode
        return decode(whole, "strict", False)

    def _other(self, whole: bytes, data: bytes, error: UnicodeError) -> bytes:
        start = getattr(error, "start", 0)
        if self._encoding != "utf-8" or not self._plain or not whole[:start].isascii():
            where = self._offset + start
            raise CorruptSource(f"is not {self._encoding} text", path=self._source.uri, offset=where) from error
        self._encoding = "cp1252"
        self._source.log.find("F003", source=self._source.uri, value="Windows-1252", locator=f"byte {self._offset + start}")
        self._carry = b""
        return self._decode(whole) if data or whole else b""


def _guess(head: bytes) -> str:
    if b"\0" in head[:512]:
        return "utf-16-le" if not any(head[1:64:2]) else "utf-16-be"
    return "utf-8"


@dataclass(frozen=True, slots=True)
class Sheet:
    """How a sheet is written: separator, decimal mark, header cells, lines up to and with the header."""

    separator: str
    decimal: str
    cells: tuple[str, ...]
    skip: int
    above: str = ""
    """How what stands above the header begins, if anything does."""
    place: str = ""
    """What a locator says before the row, where a source holds several sheets."""


def probe(head: bytes, score: Callable[[list[str]], int], uri: str) -> Sheet:
    """Return how the sheet is written; the separator is the one whose header cells score best.

    Raises: SourceError where the head holds no line with text.
    """
    text = _head_text(head)
    whole = len(head) < HEAD_BYTES
    if "\r" in text and "\n" not in text:
        raise SourceError("ends its lines with a carriage return alone; save it as CSV with line feeds", path=uri)
    best: tuple[int, int, Sheet] | None = None
    for separator in SEPARATORS:
        found = _header(text, separator, score, whole=whole)
        if found is None:
            continue
        cells, skip, following, above = found
        decimal = "," if separator != "," and any(_COMMA.fullmatch(cell) for row in following for cell in row) else "."
        rank = (score(cells), len(cells))
        if best is None or rank > best[:2]:
            best = (*rank, Sheet(separator, decimal, tuple(cells), skip, above))
    if best is None:
        raise SourceError("holds no line with text; expected a header", path=uri)
    return best[2]


def _head_text(head: bytes) -> str:
    mark, encoding = next(((mark, name) for mark, name in _BOMS if head.startswith(mark)), (b"", _guess(head)))
    body = head[len(mark) :]
    if encoding == "utf-8":
        try:
            return codecs.utf_8_decode(body, "strict", False)[0]
        except UnicodeDecodeError:
            return body.decode("cp1252", "replace")
    return body.decode(encoding, "replace")


def _header(
    text: str, separator: str, score: Callable[[list[str]], int], *, whole: bool
) -> tuple[list[str], int, list[list[str]], str] | None:
    """Return (header cells, lines up to and with it, some rows below, what stands above) for a separator.

    The header is the first line with text, unless that names no columns and one soon after does.
    """
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    lines: list[tuple[list[str], int]] = []
    try:
        for row in rows:
            lines.append((row, rows.line_num))
            if len(lines) == _LOOKED_AT:
                break
    except csv.Error:
        if not lines:
            return None
    filled = [at for at, (row, _) in enumerate(lines) if any(cell.strip() for cell in row)]
    if filled and filled[0] == 0 and text.startswith("sep="):
        filled = filled[1:]
    if not filled:
        return None
    at = next((place for place in filled[:_TITLES] if score(lines[place][0]) >= _NAMES), filled[0])
    below = [row for row, _ in lines[at + 1 : at + 201]]
    above = next((cell for cell in lines[filled[0]][0] if cell.strip()), "").strip() if at > filled[0] else ""
    return lines[at][0], lines[at][1], below if whole or len(below) == 200 else below[:-1], above
