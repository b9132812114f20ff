"""Lines of the body -> plain rows: marks and headers written again are blanked, rows in quotation marks or of blanks unfolded.

No line is added or taken out, so the number of a line in a block stays its number in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bdx.formats.delimited_blocks import Block
from bdx.formats.delimited_head import BLANKS
from bdx.formats.delimited_probe import Dialect
from bdx.formats.source import Source
from bdx.spec import Facts

KEPT_LINES = 1000
"""So many lines after the end of the rows are kept."""

_WRAPPED = re.compile(rb'(?m)^"((?:[^"\r\n]|"")*)"[ \t]*(?=\r*$)')
_DATED = re.compile(rb"([0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4})\t([0-9]{1,2}:[0-9]{2})")
_END_OF_LINE = re.compile(r"(?<![\\\[])\$")


@dataclass(slots=True)
class Rows:
    """Makes the blocks of one file plain; `after` holds the lines that follow the end of the rows."""

    source: Source
    dialect: Dialect
    facts: Facts
    ended: bool = False
    after: list[str] = field(default_factory=list)
    _skip: re.Pattern[bytes] | None = field(init=False)
    _end: re.Pattern[bytes] | None = field(init=False)
    _header: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._skip = _in_bytes(self.facts.get("skip"))
        self._end = _in_bytes(self.facts.get("end"))
        self._header = [line.encode() for line in self.dialect.header if any(letter.isalnum() for letter in line)]

    def plain(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """Yield the blocks as plain rows up to the line that ends them."""
        for block in blocks:
            if self.ended:
                self._keep(block.data)
                continue
            data = self._up_to_end(block.data)
            data = self._without_headers(data, block.first_line)
            if self._skip is not None:
                data = self._blanked(data, self._skip, "F051", block.first_line)
            if self.dialect.wrapped:
                data = _without_wraps(data)
            if self.dialect.separator == BLANKS:
                newline = self.dialect.newline.encode()
                data = newline.join(b"\t".join(line.split()) for line in data.split(newline))
                data = _DATED.sub(rb"\1 \2", data) if self.dialect.dated else data
            yield replace(block, data=data, last=block.last and not self.ended)

    def _up_to_end(self, data: bytes) -> bytes:
        match = self._end.search(data) if self._end is not None else None
        if match is None:
            return data
        start = _line_start(data, match.start())
        self.ended = True
        self._keep(data[start:])
        return data[:start]

    def _keep(self, data: bytes) -> None:
        lines = [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
        room = KEPT_LINES - len(self.after)
        self.after += lines[:room]
        if len(lines) > room:
            self.source.log.lose(self.source.uri, "lines after the rows", f"the first {KEPT_LINES} are kept", len(lines) - room)

    def _without_headers(self, data: bytes, first_line: int) -> bytes:
        """Return the data with every line blanked that is a line of the header, written again."""
        if not any(header in data for header in self._header):
            return data
        either = b"|".join(re.escape(header) for header in self._header)
        whole = re.compile(rb"(?:(?<=[\r\n])|\A)(?:" + either + rb")(?=[\r\n]|\Z)")
        return self._blanked(data, whole, "F050", first_line)

    def _blanked(self, data: bytes, pattern: re.Pattern[bytes], code: str, first_line: int) -> bytes:
        """Return the data with the lines blanked that a pattern is found in; they are counted."""
        newline = self.dialect.newline.encode()
        pieces: list[bytes] = []
        start, lines, first = 0, 0, b""
        for match in pattern.finditer(data):
            if match.start() < start:
                continue
            begin = _line_start(data, match.start())
            end = min((found for found in (data.find(b"\n", begin), data.find(b"\r", begin)) if found >= 0), default=len(data))
            if not data[begin:end].strip():
                continue
            if not lines:
                first = data[begin:end]
                place = first_line + data.count(newline, 0, begin)
            lines += 1
            pieces.append(data[start:begin])
            start = end
        if not lines:
            return data
        shown = first.decode("utf-8", "replace").strip()
        self.source.log.find(code, source=self.source.uri, locator=f"line {place}", count=lines, value=shown)
        return b"".join([*pieces, data[start:]])


def _in_bytes(text: str | None) -> re.Pattern[bytes] | None:
    """Return a pattern for lines as one for bytes; before the end of a line there may be carriage returns."""
    return re.compile(_END_OF_LINE.sub(r"(?=\\r*$)", text).encode(), re.MULTILINE) if text is not None else None


def _line_start(data: bytes, place: int) -> int:
    return max(data.rfind(b"\n", 0, place), data.rfind(b"\r", 0, place)) + 1


def _without_wraps(data: bytes) -> bytes:
    """Return the data with the marks taken off rows that stand whole in quotation marks."""
    ends = data.count(b'"\n') + data.count(b'"\r') + data.endswith(b'"')
    starts = data.count(b'\n"') + data.startswith(b'"')
    if b'""' not in data and data.count(b'"') == ends + starts:
        return data.replace(b'"', b"")
    return _WRAPPED.sub(_unwrapped, data)


def _unwrapped(match: re.Match[bytes]) -> bytes:
    return match.group(1).replace(b'""', b'"')
