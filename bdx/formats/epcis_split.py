"""The events of a JSON text one by one, without holding their list: spans found over bytes, all else kept as the text around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from bdx.errors import CorruptSource, TruncatedSource, UnsafeSource
from bdx.formats.document_text import BLANKS
from bdx.spec import Facts

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]', re.DOTALL)
_INSIDE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_CLOSE = {0x7B: b"}", 0x5B: b"]"}
_DEEPEST = 254


class Piece(NamedTuple):
    """One span of the text: an "event", or what stands "before" a list of events and "after" it, closed so that it is JSON."""

    kind: str
    text: bytes
    offset: int


class Splitter:
    """Walks over JSON values that follow each other; memory is bounded by one event and by the text around the events."""

    def __init__(self, chunks: Iterator[bytes], uri: str, facts: Facts) -> None:
        self._chunks = chunks
        self._uri = uri
        self._lists = [tuple(path) for path in facts["lists"]]
        self._limits = facts["limits"]
        self._text = b""
        self._at = 0
        self._base = 0
        self._around: list[bytes] = []
        self._size = 0
        self._open: list[int] = []
        self._path: list[str] = []

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces in their order; a value without a list of events is one piece "after".

        Raises: CorruptSource, TruncatedSource, UnsafeSource.
        """
        while self._next_value():
            yield from self._value()

    def _next_value(self) -> bool:
        """Stand at the next value; return whether there is one."""
        while True:
            rest = self._text[self._at :].lstrip(BLANKS)
            if rest:
                self._at = len(self._text) - len(rest)
                if rest[:1] not in (b"{", b"["):
                    raise CorruptSource("is not JSON: an object or a list was expected", path=self._uri, offset=self._base + self._at)
                return True
            if not self._more(self._at):
                return False

    def _value(self) -> Iterator[Piece]:
        """Yield the pieces of one value."""
        self._around, self._size, self._open, self._path = [], 0, [], []
        begun, key, pair, listed = self._at, "", False, False
        start = self._at
        while True:
            found = _TOKEN.search(self._text, self._at)
            if found is None:
                begun, start = self._refill(begun, start)
                continue
            mark = found[0][0]
            self._at = found.end()
            if mark == 0x22:
                key, pair = (found[0][1:-1].decode("utf-8", "replace") if len(found[0]) < 64 else ""), False
            elif mark == 0x3A:
                pair = True
            elif mark in _CLOSE:
                self._down(mark, key if pair else "")
                pair = False
                if mark == 0x5B and self._is_list():
                    self._keep(self._text[begun : self._at])
                    if not listed:
                        yield Piece("before", self._closed(), self._base + start)
                    listed = True
                    yield from self._items()
                    begun = self._at
            elif mark in (0x7D, 0x5D):
                if self._open and _CLOSE[self._open[-1]][0] != mark:
                    raise CorruptSource("is not JSON: brackets do not match", path=self._uri, offset=self._base + found.start())
                self._open.pop()
                self._path.pop()
                if not self._open:
                    self._keep(self._text[begun : self._at])
                    yield Piece("after", b"".join(self._around), self._base + start)
                    return

    def _items(self) -> Iterator[Piece]:
        """Yield the events of the list that is open; its closing bracket is left for the caller."""
        first = True
        while True:
            mark = self._peek()
            if mark == 0x5D:
                return
            if not first:
                if mark != 0x2C:
                    raise self._odd("a comma or the end of the list was expected after an event")
                self._at += 1
                mark = self._peek()
            if mark != 0x7B:
                raise self._odd("an event was expected, which is an object")
            first = False
            yield self._event()

    def _event(self) -> Piece:
        """Return the object that begins here."""
        depth, start, at = 0, self._at, self._at
        while True:
            for found in _INSIDE.finditer(self._text, at):
                mark = found[0][0]
                if mark in _CLOSE:
                    depth += 1
                elif mark != 0x22:
                    depth -= 1
                    if not depth:
                        self._at = found.end()
                        return Piece("event", self._text[start : self._at], self._base + start)
                at = found.end()
            offset = self._base + start
            at -= start
            if len(self._text) - start > self._limits["event_bytes"]:
                raise UnsafeSource(f"one event exceeds {self._limits['event_bytes']:,} bytes", path=self._uri, offset=offset)
            if not self._more(start):
                raise TruncatedSource("ends inside an event", path=self._uri, offset=offset)
            start = 0

    def _down(self, mark: int, key: str) -> None:
        self._open.append(mark)
        self._path.append(key)
        if len(self._open) > _DEEPEST:
            raise UnsafeSource(f"nests deeper than {_DEEPEST} levels", path=self._uri, offset=self._base + self._at)

    def _is_list(self) -> bool:
        """Say whether the bracket just opened begins a list of events: one that the format names, or the whole value."""
        return len(self._open) == 1 or (0x5B not in self._open[:-1] and tuple(self._path[1:]) in self._lists)

    def _refill(self, begun: int, start: int) -> tuple[int, int]:
        """Read on within a value; returns where its unkept text and the value begin then."""
        if len(self._text) - begun + self._size > self._limits["around_bytes"]:
            raise UnsafeSource(f"more than {self._limits['around_bytes']:,} bytes stand around the events", path=self._uri)
        if len(self._text) - self._at > self._limits["event_bytes"]:
            raise UnsafeSource(f"one text exceeds {self._limits['event_bytes']:,} bytes", path=self._uri, offset=self._base + self._at)
        # What is scanned is kept apart, so that a long value is not searched again.
        scanned = self._at
        self._keep(self._text[begun:scanned])
        if not self._more(scanned):
            raise TruncatedSource("JSON ends before its value is complete", path=self._uri, offset=self._base + len(self._text))
        return 0, start - scanned

    def _keep(self, text: bytes) -> None:
        self._around.append(text)
        self._size += len(text)
        if self._size > self._limits["around_bytes"]:
            raise UnsafeSource(f"more than {self._limits['around_bytes']:,} bytes stand around the events", path=self._uri)

    def _closed(self) -> bytes:
        """Return the text so far with all that is open closed."""
        return b"".join(self._around) + b"".join(_CLOSE[mark] for mark in reversed(self._open))

    def _peek(self) -> int:
        """Return the next byte that is no blank."""
        while True:
            while self._at < len(self._text):
                mark = self._text[self._at]
                if mark not in BLANKS:
                    return mark
                self._at += 1
            if not self._more(self._at):
                raise TruncatedSource("ends inside the list of events", path=self._uri, offset=self._base + self._at)

    def _more(self, keep: int) -> bool:
        """Read a chunk and let go of what stands before `keep`, which is 0 then; return whether there was one."""
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._base += keep
        self._at = max(self._at - keep, 0)
        self._text = self._text[keep:] + chunk
        return True

    def _odd(self, what: str) -> CorruptSource:
        return CorruptSource(f"is not a list of events: {what}", path=self._uri, offset=self._base + self._at)
