"""The levels of a message: performance, response, segment, or collection and record; one document per unit, bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.parsers import expat

from bdx.canon import Document
from bdx.errors import CorruptSource, SourceError, TruncatedSource, UnsafeSource, UnsupportedVersion
from bdx.formats.b2mml_actions import asked
from bdx.formats.b2mml_blocks import Blocks
from bdx.formats.b2mml_elements import Handlers, Node, beyond, handlers
from bdx.formats.b2mml_names import NAMESPACE, UNITS, Levels, Names, readable, verb_and_noun
from bdx.formats.source import Source
from bdx.spec import Facts

_ENDED = frozenset({3, 5, 6, 20})
"""Expat's codes for a document that stops: no element left, unclosed token, part of a character, unclosed CDATA."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """One open level: its kind and element name, how deep it stands, where it began."""

    level: str
    name: str
    depth: int
    ordinal: int
    place: str


class LevelReader:
    """Follows the levels of messages, whatever the syntax they are written in; what is complete waits in `ready`."""

    namespaces = True
    """Whether names of the syntax have namespaces."""

    def __init__(self, source: Source, facts: Facts) -> None:
        self.source = source
        self.facts = facts
        self.limits = facts["limits"]
        self.names = Names(source, self.limits["names"])
        self.levels = Levels(self.names, facts)
        self.frames: list[_Frame] = []
        self.said: dict[str, Node | None] = {"performances": None, "responses": None, "collections": None}
        self.ordinal = 0
        self.held: Document | None = None
        self.ready: list[Document] = []
        self.progress = 0
        self.handlers: Handlers = handlers(self)
        self.forget()

    def forget(self) -> None:
        """Begin a new message."""
        self.message: Node | None = None
        self.action = ""
        self.root = self.verb = self.noun = self.met = ""
        self.levels.turn("")

    def offset(self) -> int:
        """Return how far the text has been read."""
        raise NotImplementedError

    def place(self) -> str:
        """Return where the element stands that has just begun, as rows say it."""
        raise NotImplementedError

    def where(self) -> str:
        """Return where reading stands, as errors say it."""
        raise NotImplementedError

    def entered(self) -> None:
        """Be told that the first level begins."""
        raise NotImplementedError

    def enter(self, name: str, around: list[Node | None]) -> bool:
        """Say whether an element begins the first level; keeps what the elements `around` it said, of which the root has none.

        Raises: UnsupportedVersion where a message is one that is not read, or asks for what rows cannot say.
        """
        uri, _, plain = name.rpartition(" ")
        self._judge(plain, uri, outermost=not around)
        level = self.levels.known.get(plain, "")
        if not level or not (level != "segments" or plain in self.levels.bare):
            return False
        if fault := self._begun(name, around):
            raise self._unsupported(fault, advise=False)
        if not uri and self.namespaces:
            self.source.log.find("F060", source=self.source.uri, locator=self.where())
        return True

    def _begun(self, name: str, around: list[Node | None]) -> str:
        """Keep what the elements around the first level said; return what of it is not read, if anything."""
        uri, _, plain = name.rpartition(" ")
        if self.names[name] != plain:
            # A plant's own namespace: a message stands in it, so it is taken for B2MML's.
            self.names.own.add(uri)
            self.names.clear()
            self.levels.clear()
        self.message = {key: value for node in around if node for key, value in node.items()}
        self.action, fault = asked(self.message, self.verb, self.levels.known, self.facts)
        return fault

    def open(self, name: str, stack: list[Node | None]) -> None:
        """Open the level an element begins, where it stands in the level it belongs to."""
        level, depth = self.levels[name], len(stack)
        outer = self.frames[-1] if self.frames else None
        if outer is None:
            if not self.levels.begins(level, name):
                return
            self.levels.turn(level)
        elif depth != outer.depth + 1 or not self.levels.belongs(level, name, outer.level, outer.name):
            return
        elif outer.level not in UNITS:
            self._pause(outer, stack)
        if level in UNITS:
            self.ordinal += 1
            self.progress = self.offset()
        self.frames.append(_Frame(level, self.names[name], depth, self.ordinal, self.place()))

    def close(self, node: Node, around: Node | None) -> Node | None:
        """Close the innermost level; returns what the element around it holds from now on."""
        frame = self.frames.pop()
        if frame.level in UNITS:
            self._hold(UNITS[frame.level], frame, node, around)
            return around if self.frames and self.frames[-1].level in UNITS else None
        if self.said[frame.level] is None:
            self._hold("NoRecords" if frame.level == "collections" else "Empty", frame, node, None)
        elif node:
            self._after(frame.name, node)
        self.said[frame.level] = None
        return None

    def ended(self) -> list[Document]:
        """Return the last documents of a message; a transaction that holds nothing is an empty one.

        Raises: UnsupportedVersion where there was no message that is read.
        """
        rest = self.handlers.rest()
        if self.message is None:
            if not self.root or not readable(self.noun, self.facts):
                met = f"; it holds {self.met}" if self.met else ""
                raise self._unsupported(f"has no message that is read{met}")
            self.message = {}
            self._hold("NoRecords", _Frame("collections", self.root, 1, self.ordinal, self.place()), {}, None)
        elif said := beyond(rest, self.message):
            for name, value in said.items():
                self._after(name, value if type(value) is dict else {"": value})
        found, self.ready = self.ready, []
        if self.held is not None:
            found.append(self.held)
            self.held = None
        return found

    def bound(self) -> None:
        """Refuse a unit, or what stands before one, that is too large to be held."""
        if self.offset() - self.progress > self.limits["unit_bytes"]:
            raise self.unsafe(f"one record or segment response, or what stands before it, exceeds {self.limits['unit_bytes']:,} bytes")

    def unsafe(self, what: str) -> UnsafeSource:
        """Return the error for a message that would harm the reader."""
        return UnsafeSource(what, path=self.source.uri, offset=self.where())

    def _judge(self, plain: str, uri: str, *, outermost: bool) -> None:
        """Note a message's verb and noun; refuse what is no data, or not read."""
        verb, noun = verb_and_noun(plain, self.facts)
        if outermost:
            self.root, self.noun = plain, noun
        if verb:
            self.verb, self.noun = verb, noun
        other = noun in self.facts["other_nouns"] or noun in self.facts.get("batch_nouns", ())
        if verb in self.facts["refused_verbs"]:
            raise self._unsupported(f"is {plain}, which asks or answers and holds no data", advise=False)
        if other and (outermost or verb or NAMESPACE.search(uri)):
            raise self._unsupported(f"is {plain}" if outermost else f"holds {plain}")
        if other and not self.met:
            self.met = plain

    def _pause(self, outer: _Frame, stack: list[Node | None]) -> None:
        """Note what a level said before its first child, or between two."""
        container = stack[-1]
        if self.said[outer.level] is None:
            self.said[outer.level] = container or {}
        elif container:
            self._after(outer.name, container)
        stack[-1] = None

    def _after(self, name: str, node: Node) -> None:
        if self.held is not None:
            self.held.value["after"].setdefault(name, []).append(node)
        elif self.said["collections"] is not None:
            self.said["collections"].update(node)

    def _hold(self, kind: str, frame: _Frame, node: Node, around: Node | None) -> None:
        """Keep a finished unit until the next one, so that what its level says after it can travel with it."""
        parent = None
        if self.frames and self.frames[-1].level in UNITS:
            parent = {"ordinal": self.frames[-1].ordinal, "element": self.frames[-1].name, "said": dict(around or {})}
        value = {
            "segment": node,
            "element": frame.name,
            "ordinal": frame.ordinal,
            "parent": parent,
            "message": self.message,
            "performance": self.said["performances"] or {},
            "response": self.said["responses"] or {},
            "collection": self.said["collections"] or {},
            "action": self.action,
            "after": {},
        }
        if self.held is not None:
            self.ready.append(self.held)
        self.held = Document(kind, value, frame.place)
        self.progress = self.offset()

    def _unsupported(self, what: str, *, advise: bool = True) -> SourceError:
        advice = f"; {self.facts['advice']}" if advise and "advice" in self.facts else ""
        return UnsupportedVersion(what + advice, path=self.source.uri, offset=self.where())


class Reader(LevelReader):
    """Reads messages written as XML with expat; `feed` and `finish` yield the units that are complete."""

    def __init__(self, source: Source, facts: Facts) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.fed = 0
        super().__init__(source, facts)
        self.parser.buffer_text, self.parser.buffer_size = True, 1 << 16
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self.handlers.first
        self.parser.EndElementHandler = self.handlers.end
        self.parser.CharacterDataHandler = self.handlers.chars
        # For `blocks`: line of a unit handed on; name and begin of the last unit; begin, end tag and element of the last simple unit.
        self.line = 0
        self.begun = "", -1
        self.unit: tuple[int, int, Node] = -1, -1, {}
        self.blocks = Blocks(self)

    def feed(self, data: bytes | str) -> Iterator[Document]:
        """Yield the documents that a block completes."""
        try:
            self.blocks.feed(data)
        except expat.ExpatError as error:
            raise self._broken(error, final=False) from error
        except (LookupError, ValueError) as error:
            raise CorruptSource(f"declares an encoding that cannot be read: {error}", path=self.source.uri, offset="line 1") from error
        self.fed += len(data)
        if self.fed - self.offset() > self.limits["text"] + (1 << 20):
            # Expat goes through a name, a comment or an attribute from its start again with each block.
            raise self.unsafe(f"a comment, a tag or an attribute exceeds {self.limits['text']:,} bytes")
        self.bound()
        ready, self.ready = self.ready, []
        yield from ready

    def open(self, name: str, stack: list[Node | None]) -> None:
        """Open a level as any reader does, and note where it began."""
        count = len(self.frames)
        super().open(name, stack)
        if len(self.frames) > count:
            self.begun = (name, self.offset()) if self.frames[-1].level in UNITS else self.begun
            self.blocks.level(count)

    def close(self, node: Node, around: Node | None) -> Node | None:
        """Close a level as any reader does, and note what it was where it held no other."""
        if self.frames[-1].ordinal == self.ordinal and self.frames[-1].level in UNITS:
            self.unit = self.begun[1], self.offset(), node
        return super().close(node, around)

    def finish(self) -> Iterator[Document]:
        """Yield the last documents.

        Raises: TruncatedSource where elements are still open; UnsupportedVersion where there was no message that is read.
        """
        try:
            self.parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise self._broken(error, final=True) from error
        yield from self.ended()

    def offset(self) -> int:
        """Return how far the text has been read, in bytes."""
        return self.parser.CurrentByteIndex

    def place(self) -> str:
        """Return the line an element begins on."""
        return f"line {self.line or self.parser.CurrentLineNumber}"

    def where(self) -> str:
        """Return line and column."""
        return f"line {self.parser.CurrentLineNumber}, column {self.parser.CurrentColumnNumber + 1}"

    def entered(self) -> None:
        """Let the faster handler take over."""
        self.parser.StartElementHandler = self.handlers.start

    def _doctype(self, *_: object) -> None:
        raise self.unsafe("has a document type declaration; B2MML has none, and entities could harm the reader")

    def _broken(self, error: expat.ExpatError, *, final: bool) -> SourceError:
        where = f"line {error.lineno}, column {error.offset + 1}"
        what = expat.ErrorString(error.code) or str(error)
        if final and error.code in _ENDED:
            return TruncatedSource(f"ends before its elements are closed ({what})", path=self.source.uri, offset=where)
        return CorruptSource(f"is not well-formed XML: {what}", path=self.source.uri, offset=where)
