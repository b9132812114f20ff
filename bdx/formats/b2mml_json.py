"""Messages written as JSON: tokens of the text become the beginnings and ends of elements, so that levels and bounds are those of XML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from bdx.canon import Document
from bdx.errors import CorruptSource, SourceError, TruncatedSource
from bdx.formats.b2mml_levels import LevelReader
from bdx.formats.source import Source
from bdx.spec import Facts

_TOKEN = re.compile(
    r'[ \t\r\n]*(?:("[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*")[ \t\r\n]*(:)?|([\[\]{},])|(-?\d[\d.eE+-]*|true|false|null))', re.DOTALL
)
_TEXT, _KEY, _MARK, _WORD = 1, 2, 3, 4
"""Groups of a token: a text, the colon that makes it a key, a bracket or comma, a number or word."""
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_CONTROL = re.compile(r"[\x00-\x1f]")
_BLANK = re.compile(r"[ \t\r\n]*")
_NAMELESS = ""


class JsonReader(LevelReader):
    """Reads one JSON value after the other, each a message or a list of messages; `feed` and `finish` yield the units that are complete.

    An object's key is the name of an element, or of several where a list is its value; a key "$" holds the text beside attributes,
    which are keys that begin with "@". Numbers and words are texts as they are written. A prefix of a name is left out.
    """

    namespaces = False

    def __init__(self, source: Source, facts: Facts) -> None:
        self._text = ""
        self._at = self._base = 0
        self._line, self._line_at = 1, 0
        # Open objects and lists: the mark, and the key or the number of the item that is read.
        self._open: list[list[str | int]] = []
        self._elements: list[str] = []
        self._names: dict[str, str] = {}
        self._wants = "value"
        super().__init__(source, facts)
        self._start = self.handlers.first

    def feed(self, data: str) -> Iterator[Document]:
        """Yield the documents that a block completes."""
        self._lines()
        self._text = self._text[self._at :] + data
        self._base += self._at
        self._line_at -= self._at
        self._at = 0
        self._tokens(final=False)
        self.bound()
        if len(self._text) - self._at > self.limits["text"] + len(data):
            raise self.unsafe(f"the text of one element exceeds {self.limits['text']:,} characters")
        ready, self.ready = self.ready, []
        yield from ready

    def finish(self) -> Iterator[Document]:
        """Yield the last documents.

        Raises: TruncatedSource where the text ends inside a value.
        """
        self._tokens(final=True)
        if self._open or self._wants not in ("value", "next"):
            raise TruncatedSource("JSON ends before its value is complete", path=self.source.uri, offset=self.where())
        if self.message is None and not self.ready:
            yield from self.ended()
        ready, self.ready = self.ready, []
        yield from ready

    def offset(self) -> int:
        """Return how far the text has been read, in characters."""
        return self._base + self._at

    def place(self) -> str:
        """Return line and JSON pointer of what begins here."""
        path = "".join(f"/{step}" for _, step in self._open if step != _NAMELESS)
        return f"line {self._lines()} {path}"

    def where(self) -> str:
        """Return line and column."""
        begun = self._text.rfind("\n", 0, self._at)
        column = self._at - begun if begun >= 0 else self._at + 1
        return f"line {self._lines()}, column {column}"

    def entered(self) -> None:
        """Let the faster handler take over."""
        self._start = self.handlers.start

    def _lines(self) -> int:
        """Return the number of the line that reading stands in."""
        self._line += self._text.count("\n", max(self._line_at, 0), self._at)
        self._line_at = self._at
        return self._line

    def _tokens(self, *, final: bool) -> None:
        """Take the tokens that are complete."""
        text, size, match = self._text, len(self._text), _TOKEN.match
        while True:
            found = match(text, self._at)
            if found is None:
                blank = _BLANK.match(text, self._at)
                assert blank is not None
                self._at = blank.end()
                rest = text[self._at : self._at + 8]
                unfinished = rest[:1] in ('"', "-") or any(word.startswith(rest) for word in ("true", "false", "null"))
                if not rest or (unfinished and not final):
                    return
                raise self._stuck(unfinished, rest)
            kind, end = found.lastindex, found.end()
            if end == size and kind != _MARK and not final:
                return
            if kind == _MARK:
                self._at = end - 1
                self._mark(text[end - 1])
            elif kind == _WORD:
                self._at = found.start(_WORD)
                self._word(found[_WORD])
            else:
                self._at = found.start(_TEXT)
                self._string(found[_TEXT], key=kind == _KEY)
            self._at = end

    def _stuck(self, unfinished: bool, rest: str) -> SourceError:
        """Return the error for text that is no token, now that all of it is there."""
        if unfinished and not _CONTROL.search(self._text, self._at):
            return TruncatedSource("JSON ends inside a text or a word", path=self.source.uri, offset=self.where())
        return CorruptSource(f"is not JSON at {rest!r}", path=self.source.uri, offset=self.where())

    def _mark(self, mark: str) -> None:
        inside = self._open[-1][0] if self._open else ""
        if mark in "{[":
            self._expect("value")
            if mark == "[" and inside == "[":
                raise self._odd("a list stands in a list, where an element was expected")
            if mark == "{":
                self._begin()
            self._open.append([mark, _NAMELESS if mark == "{" else 0])
            if len(self._open) > 2 * self.limits["depth"]:
                raise self.unsafe(f"elements are nested more than {self.limits['depth']} deep")
            self._wants = "key or end" if mark == "{" else "value or end"
        elif mark in "}]":
            if inside != ("{" if mark == "}" else "[") or self._wants not in ("next", "key or end", "value or end"):
                raise self._odd(f"'{mark}' was not expected")
            self._open.pop()
            if mark == "}":
                self._end()
            self._done()
        else:
            if not self._open or self._wants != "next":
                raise self._odd("',' was not expected")
            if inside == "[":
                self._open[-1][1] = int(self._open[-1][1]) + 1
            self._wants = "key" if inside == "{" else "value"

    def _string(self, token: str, *, key: bool) -> None:
        text = token[1:-1]
        if "\\" in text:
            try:
                text = json.loads(token, strict=False)
                text.encode("utf-8")
            except ValueError as error:
                raise self._odd("a text with an escape that JSON does not have") from error
        if len(text) > self.limits["text"]:
            raise self.unsafe(f"the text of one element exceeds {self.limits['text']:,} characters")
        if not key:
            self._value(text)
            return
        if self._wants not in ("key", "key or end"):
            raise self._odd(f"{self._wants} was expected")
        self._open[-1][1] = text
        self._wants = "value"

    def _word(self, word: str) -> None:
        if word[0] not in "tfn" and _NUMBER.fullmatch(word) is None:
            raise self._odd(f"{word[:20]} is no number")
        self._value("" if word == "null" else word)

    def _value(self, text: str) -> None:
        """Take a text, a number or a word: an element of its own, or the text beside attributes."""
        self._expect("value")
        key = self._key()
        if key is None:
            raise self._odd("a message was expected, which is an object")
        if key == "$":
            self.handlers.chars(text)
        else:
            name = self._names.get(key) or self._named(key)
            self._start(name, {})
            if text:
                self.handlers.chars(text)
            self.handlers.end(name)
        self._wants = "next"

    def _key(self) -> str | None:
        """Return the key that the value read now belongs to; None for a message, which has none."""
        for mark, step in reversed(self._open):
            if mark == "{":
                return str(step)
        return None

    def _named(self, key: str) -> str:
        """Return the name of an element: the key without its prefix."""
        name = key if key.startswith("@") else key.rpartition(":")[2]
        if len(self._names) < self.limits["names"]:
            self._names[key] = name
        return name

    def _begin(self) -> None:
        """Begin the element of an object; the one around a message is none."""
        key = self._key()
        if key is None:
            self._elements.append(_NAMELESS)
            self._start = self.handlers.first
            self.forget()
            return
        name = self._names.get(key) or self._named(key)
        self._elements.append(name)
        self._start(name, {})

    def _end(self) -> None:
        name = self._elements.pop()
        if self._elements:
            self.handlers.end(name)
            return
        self.ready = self.ended()

    def _done(self) -> None:
        self._wants = "next" if self._open else "value"

    def _expect(self, wanted: str) -> None:
        if not self._wants.startswith(wanted):
            raise self._odd(f"{self._wants} was expected")

    def _odd(self, what: str) -> SourceError:
        return CorruptSource(f"is not a message in JSON: {what}", path=self.source.uri, offset=self.where())
