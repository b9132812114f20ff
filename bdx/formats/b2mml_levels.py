"""The levels of a performance message, read by expat: performance, response, segment; one document per segment, bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from bdx.canon import Document
from bdx.errors import CorruptSource, SourceError, TruncatedSource, UnsafeSource, UnsupportedVersion
from bdx.formats.b2mml_names import ORDER, Levels, Names, verb_and_noun
from bdx.formats.source import Source
from bdx.spec import Facts

_ENDED = frozenset({3, 5, 6, 20})
"""Expat's codes for a document that stops: no element left, unclosed token, part of a character, unclosed CDATA."""
_LOCATION = ("schemaLocation", "noNamespaceSchemaLocation")

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Frame:
    """One open level: its kind and element name, how deep it stands, where it began."""

    level: str
    name: str
    depth: int
    ordinal: int
    line: int


class Reader:
    """Follows the levels of one message; `feed` and `finish` yield the segments that are complete."""

    def __init__(self, source: Source, facts: Facts) -> None:
        self.source = source
        self.facts = facts
        self.limits = facts["limits"]
        self.names = Names(source, self.limits["names"])
        self.levels = Levels(self.names, facts)
        self.frames: list[_Frame] = []
        self.message: Node | None = None
        self.said: dict[str, Node | None] = {"performances": None, "responses": None}
        self.ordinal = 0
        self.held: Document | None = None
        self.ready: list[Document] = []
        self.progress = 0
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.buffer_size = 1 << 16
        self.parser.StartDoctypeDeclHandler = self._doctype
        _attach(self)

    def feed(self, data: bytes | str) -> Iterator[Document]:
        """Yield the documents that a block completes."""
        try:
            self.parser.Parse(data, False)
        except expat.ExpatError as error:
            raise self._broken(error, final=False) from error
        except (LookupError, ValueError) as error:
            raise CorruptSource(f"declares an encoding that cannot be read: {error}", path=self.source.uri, offset="line 1") from error
        if self.parser.CurrentByteIndex - self.progress > self.limits["unit_bytes"]:
            raise self.unsafe(f"one segment response, or what stands before it, exceeds {self.limits['unit_bytes']:,} bytes")
        ready, self.ready = self.ready, []
        yield from ready

    def finish(self) -> Iterator[Document]:
        """Yield the last document.

        Raises: TruncatedSource where elements are still open; UnsupportedVersion where there was no performance.
        """
        try:
            self.parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise self._broken(error, final=True) from error
        yield from self.ready
        if self.held is not None:
            yield self.held
        if self.message is None:
            raise self._unsupported("has no performance message")

    def enter(self, name: str, around: list[Node | None]) -> bool:
        """Say whether an element begins the first performance; keeps what the elements `around` it said.

        Raises: UnsupportedVersion where the root is another message, or the message is a correction.
        """
        uri, _, plain = name.rpartition(" ")
        if len(around) == 1:
            verb, noun = verb_and_noun(plain, self.facts)
            if verb in self.facts["refused_verbs"] or noun in self.facts["other_nouns"]:
                raise self._unsupported(f"is {plain}")
        if self.levels.known.get(plain, "segments") == "segments":
            return False
        if self.names[name] != plain:
            # A plant's own namespace: a performance stands in it, so it is taken for B2MML's.
            self.names.own.add(uri)
            self.names.clear()
            self.levels.clear()
        self.message = {key: value for node in around if node for key, value in node.items()}
        for verb in self.facts["data_verbs"]:
            for action in _actions(self.message.get(verb)):
                if action in self.facts["refused_actions"]:
                    raise self._unsupported(f"asks the receiver to {action.lower()} what it holds")
        if not uri:
            self.source.log.find("F060", source=self.source.uri, locator=self._line())
        return True

    def open(self, name: str, stack: list[Node | None]) -> None:
        """Open the level an element begins, where it stands in the level it belongs to."""
        level, depth = self.levels[name], len(stack)
        outer = self.frames[-1] if self.frames else None
        if outer is None:
            if level == "segments":
                return
        elif depth != outer.depth + 1 or ORDER[level] < ORDER[outer.level]:
            return
        elif outer.level != "segments":
            self._pause(outer, stack)
        if level == "segments":
            self.ordinal += 1
            self.progress = self.parser.CurrentByteIndex
        self.frames.append(_Frame(level, self.names[name], depth, self.ordinal, self.parser.CurrentLineNumber))

    def close(self, node: Node, around: Node | None) -> Node | None:
        """Close the innermost level; returns what the element around it holds from now on."""
        frame = self.frames.pop()
        if frame.level == "segments":
            self._hold("SegmentResponse", frame, node, around)
            return around if self.frames[-1].level == "segments" else None
        if self.said[frame.level] is None:
            self._hold("Empty", frame, node, None)
        elif node:
            self._after(frame, node)
        self.said[frame.level] = None
        return None

    def unsafe(self, what: str) -> UnsafeSource:
        """Return the error for a message that would harm the reader."""
        return UnsafeSource(what, path=self.source.uri, offset=self._line())

    def _pause(self, outer: _Frame, stack: list[Node | None]) -> None:
        """Note what a level said before its first child, or between two."""
        container = stack[-1]
        if self.said[outer.level] is None:
            self.said[outer.level] = container or {}
        elif container:
            self._after(outer, container)
        stack[-1] = None

    def _after(self, frame: _Frame, node: Node) -> None:
        assert self.held is not None
        self.held.value["after"].setdefault(frame.name, []).append(node)

    def _hold(self, kind: str, frame: _Frame, node: Node, around: Node | None) -> None:
        """Keep a finished unit until the next one, so that what its level says after it can travel with it."""
        parent = None
        if self.frames and self.frames[-1].level == "segments":
            parent = {"ordinal": self.frames[-1].ordinal, "said": dict(around or {})}
        value = {
            "segment": node,
            "element": frame.name,
            "ordinal": frame.ordinal,
            "parent": parent,
            "message": self.message,
            "performance": self.said["performances"] or {},
            "response": self.said["responses"] or {},
            "after": {},
        }
        if self.held is not None:
            self.ready.append(self.held)
        self.held = Document(kind, value, f"line {frame.line}")
        self.progress = self.parser.CurrentByteIndex

    def _doctype(self, *_: object) -> None:
        raise self.unsafe("has a document type declaration; B2MML has none, and entities could harm the reader")

    def _line(self) -> str:
        return f"line {self.parser.CurrentLineNumber}, column {self.parser.CurrentColumnNumber + 1}"

    def _unsupported(self, what: str) -> SourceError:
        known = ", ".join(self.facts["performances"])
        verbs = ", ".join(self.facts["data_verbs"])
        return UnsupportedVersion(f"{what}; bdx reads {known}, bare or in {verbs} transactions", path=self.source.uri, offset=self._line())

    def _broken(self, error: expat.ExpatError, *, final: bool) -> SourceError:
        where = f"line {error.lineno}, column {error.offset + 1}"
        what = expat.ErrorString(error.code) or str(error)
        if final and error.code in _ENDED:
            return TruncatedSource(f"ends before its elements are closed ({what})", path=self.source.uri, offset=where)
        return CorruptSource(f"is not well-formed XML: {what}", path=self.source.uri, offset=where)


def _attach(reader: Reader) -> None:
    """Give the reader's parser its handlers: closures over the open element, the fastest form Python has for them."""
    parser, names, levels, frames = reader.parser, reader.names, reader.levels, reader.frames
    stack: list[Node | None] = []
    depth, longest = reader.limits["depth"], reader.limits["text"]
    node: Node | None = None
    text = ""

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal node, text
        if text and not text.isspace():
            node = _with_text(node, text)
        text = ""
        stack.append(node)
        if len(stack) > depth:
            raise reader.unsafe(f"elements are nested more than {depth} deep")
        node = _attributes(reader, attributes) if attributes else None
        if levels[name]:
            reader.open(name, stack)

    def first_start(name: str, attributes: dict[str, str]) -> None:
        if reader.enter(name, [*stack[1:], node] if stack else [node]):
            parser.StartElementHandler = start
        start(name, attributes)

    def end(name: str) -> None:
        nonlocal node, text
        value: Any = node
        if value is None:
            value = text
        elif text and not text.isspace():
            value = _with_text(value, text)
        text = ""
        node = stack.pop()
        if levels[name] and frames and frames[-1].depth == len(stack) + 1:
            node = reader.close(value if type(value) is dict else _with_text(None, value), node)
            return
        local = names[name]
        if node is None:
            node = {local: value}
        elif local in node:
            _again(node, local, value)
        else:
            node[local] = value

    def chars(data: str) -> None:
        nonlocal text
        if not text:
            # The first piece is never longer than expat's buffer.
            text = data
            return
        text += data
        if len(text) > longest:
            raise reader.unsafe(f"the text of one element exceeds {longest:,} characters")

    parser.StartElementHandler = first_start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = chars


def _again(node: Node, name: str, value: Any) -> None:
    """Add one more child of a name that the node holds already."""
    known = node[name]
    if type(known) is list:
        known.append(value)
    else:
        node[name] = [known, value]


def _with_text(node: Node | None, text: str) -> Node:
    """Return a node with the text that stands beside its children, if it says anything."""
    found = node if node is not None else {}
    if text.strip():
        found[""] = found.get("", "") + text
    return found


def _attributes(reader: Reader, attributes: dict[str, str]) -> Node | None:
    count, length = reader.limits["attributes"], reader.limits["attribute_text"]
    if len(attributes) > count or any(len(text) > length for text in attributes.values()):
        raise reader.unsafe(f"an element has more than {count} attributes, or one longer than {length:,} characters")
    plain = ((name.rpartition(" ")[2], text) for name, text in attributes.items())
    return {f"@{name}": text for name, text in plain if name not in _LOCATION} or None


def _actions(verb: Any) -> Iterator[str]:
    """Yield the action codes anywhere in a transaction's verb."""
    waiting = [verb]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += [child for name, child in node.items() if name != "@actionCode"]
            if "@actionCode" in node:
                yield node["@actionCode"]
