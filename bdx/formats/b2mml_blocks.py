"""Blocks of a message on their way to the parser: a unit of a known shape passes it without a call for each element."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bdx.formats.b2mml_shapes import Shape, Shapes

if TYPE_CHECKING:
    from bdx.formats.b2mml_levels import Reader

_STEP = 1 << 14
"""Bytes read at a time until the first unit is met."""
_NAME = re.compile(rb"<([^\s<>/\0]+)")
_ENCODINGS = ("utf-8", "utf8", "us-ascii", "ascii")


class Blocks:
    """Feeds the parser of a reader; every byte goes through it, so that whatever is not well-formed is found as ever.

    A unit that has the markup of an earlier one is cut out and fed by itself, without handlers; its element is made of its
    texts instead.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._parser = reader.parser
        self._shapes = Shapes()
        self._opening = self._closing = b""
        self._plain = self._lines = True
        self._parser.XmlDeclHandler = self._declared
        self._parser.StartCdataSectionHandler = self._verbatim
        self._parser.StartNamespaceDeclHandler = self._parser.EndNamespaceDeclHandler = self.forget

    def forget(self, *_: object) -> None:
        """Forget all shapes, because names mean something else from here on."""
        self._shapes.forget()

    def level(self, around: int) -> None:
        """Be told that a level begins, with so many around it: at an outermost one, other names may begin levels."""
        if not around:
            self._shapes.forget()

    def feed(self, data: bytes | str) -> None:
        """Have a block parsed; raises what the parser and its handlers raise."""
        if isinstance(data, str) or not self._plain:
            self._parser.Parse(data, False)
            return
        # Line ends of another kind are left for the parser to count.
        self._lines = b"\r" not in data
        at = 0
        while not self._opening and at < len(data):
            self._parse(data, at, at + _STEP)
            at = min(at + _STEP, len(data))
            self._look(data)
        whole = True
        while whole and self._opening and self._plain:
            start = data.find(self._opening, at)
            if start < 0:
                break
            found = self._shapes.find(data, start)
            end = found[1].end() if found is not None else data.find(self._closing, start) + len(self._closing)
            if end <= start:
                break
            whole = self._parse(data, at, start)
            if found is not None and whole and self._plain and self._shapes.holds(found[0]):
                end = self._pass(data, start, found[0], found[1])
            elif whole:
                whole = self._parse(data, start, end)
                self._learn(data, start, end)
            else:
                end = start
            at = end
        self._parse(data, at, len(data))
        self._look(data)

    def _parse(self, data: bytes, start: int, end: int) -> bool:
        """Have bytes parsed; says whether the parser is through with all of them, and not within a comment or a tag.

        Where it is not, the rest of the block must follow in one go: it would go through its beginning again and again.
        """
        if start < end:
            self._parser.Parse(memoryview(data)[start:end], False)
        return self._parser.CurrentByteIndex == self._reader.fed + min(end, len(data))

    def _pass(self, data: bytes, start: int, shape: Shape, texts: re.Match[bytes]) -> int:
        """Have a unit, and those like it that follow, parsed without handlers, then hand their elements on; returns where they end."""
        parser, reader, handlers = self._parser, self._reader, self._reader.handlers
        line, end = parser.CurrentLineNumber, texts.end()
        run = [(start, texts)]
        while self._lines:
            begin = data.find(self._opening, end)
            more = shape.match(data, begin) if begin >= 0 and not data[end:begin].strip() else None
            if more is None:
                break
            run.append((begin, more))
            end = more.end()
        parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
        parser.Parse(memoryview(data)[start:end], False)
        parser.StartElementHandler = handlers.start
        parser.EndElementHandler = handlers.end
        parser.CharacterDataHandler = handlers.chars
        for begin, found in run:
            line += data.count(b"\n", start, begin)
            start = begin
            reader.line = line
            handlers.whole(shape.name, shape.node(found), shape.depth)
        reader.line = 0
        return end

    def _learn(self, data: bytes, start: int, end: int) -> None:
        """Learn the shape of what was parsed last, if that was a unit and no more."""
        reader = self._reader
        began, ended, node = reader.unit
        if began == reader.fed + start and ended == reader.fed + end - len(self._closing):
            self._shapes.learn(reader.begun[0], data[start:end], node, reader.levels.known)

    def _look(self, data: bytes) -> None:
        """Look out for units named as the last that was met in this block."""
        place = self._reader.begun[1] - self._reader.fed
        name = _NAME.match(data, place) if place >= 0 else None
        if name is not None:
            self._opening, self._closing = b"<" + name[1], b"</" + name[1] + b">"

    def _declared(self, _version: str, encoding: str | None, _alone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            self._plain = False

    def _verbatim(self) -> None:
        # Within CDATA, what looks like an element is text.
        self._plain = False
