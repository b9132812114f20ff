"""What the elements of an MTConnect document do: handlers of expat, closures over what is open, the fastest form Python has for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bdx.canon import Document
from bdx.formats.mtconnect_nodes import Node
from bdx.formats.mtconnect_rows import Entry

if TYPE_CHECKING:
    from bdx.formats.mtconnect_xml import Reader

Done = Callable[[Node, str], None]
_HEADER, _DEVICE, _COMPONENT, _CATEGORY, _OBSERVATION, _ENTRY, _CELL = 2, 3, 4, 5, 6, 7, 8
"""How deep elements stand in streams; the root is 1."""


class _Around:
    """What is open around and inside an observation."""

    def __init__(self, reader: Reader, head: dict[str, str]) -> None:
        self.reader = reader
        self.head = head
        self.device: dict[str, str] = {}
        self.component: dict[str, str] = {}
        self.key, self.removed = "", False
        self.cell: str | None = None
        self.celled = False
        self.entries: list[Entry] = []

    def enter(self, depth: int, given: str, attributes: dict[str, str]) -> bool:
        """Take in an element that is no observation; says whether it is known at its place."""
        reader = self.reader
        name, attributes = reader.name(given), reader.attributes(attributes)
        if depth == _HEADER and name == "Header":
            reader.emit(Document("Header", {**self.head, **attributes, "ordinal": reader.rows.document}, reader.line()))
        elif depth == _DEVICE and name == "DeviceStream":
            self.device = attributes
        elif depth == _COMPONENT and name == "ComponentStream":
            self.component = attributes
        elif depth == _CATEGORY and name in reader.facts["categories"]:
            reader.rows.place(self.device, self.component, name)
        elif depth == _ENTRY and name == "Entry":
            self.key, self.removed, self.celled = attributes.get("key", ""), attributes.get("removed") == "true", False
        elif depth == _CELL and name == "Cell":
            self.cell = attributes.get("key", "")
        elif depth != _HEADER or name != "Streams":
            reader.source.log.lose(reader.source.uri, f"element '{name}'", "is not known at its place in a document of streams")
            return False
        return True

    def leave(self, depth: int, text: str) -> None:
        """Take in the end of an entry or of a cell."""
        if depth == _CELL:
            self.entries.append((self.key, self.cell, text.strip(), False))
            self.celled = True
        elif not self.celled:
            self.entries.append((self.key, None, None if self.removed else text.strip(), self.removed))
        if len(self.entries) > self.reader.limits["entries"]:
            raise self.reader.unsafe(f"one observation has more than {self.reader.limits['entries']:,} entries")

    def taken(self) -> list[Entry]:
        """Return the entries of the observation that ends."""
        entries, self.entries = self.entries, []
        return entries


def streams(reader: Reader, head: dict[str, str]) -> None:
    """Read a document of streams: its header, then observations into the rows of the reader."""
    around = _Around(reader, head)
    parser, rows, longest = reader.parser, reader.rows, reader.limits["text"]
    rows.document += 1
    depth = 1
    said: dict[str, str] = {}
    text = ""

    def start(given: str, attributes: dict[str, str]) -> None:
        nonlocal depth, said, text
        depth += 1
        if depth == _OBSERVATION:
            said = attributes
        elif not around.enter(depth, given, attributes):
            depth -= 1
            _skip(reader)
        text = ""

    def end(given: str) -> None:
        nonlocal depth, text
        if depth == _OBSERVATION:
            if around.entries:
                rows.entries(reader.name(given), said, around.taken())
            else:
                time, sequence = said.pop("timestamp", None), said.pop("sequence", None)
                key = (given, *said, *said.values())
                item = rows.items.get(key)
                rows.rows.append((rows.new(key, reader.name(given), said) if item is None else item, time, sequence, text))
        elif depth > _OBSERVATION:
            around.leave(depth, text)
            text = ""
        elif depth == 1:
            reader.open = False
        depth -= 1

    def chars(data: str) -> None:
        nonlocal text
        if not text:
            # The first piece is never longer than expat's buffer.
            text = data
            return
        text += data
        if len(text) > longest:
            raise reader.unsafe(f"the text of one element exceeds {longest:,} characters")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, chars


def _skip(reader: Reader) -> None:
    """Pass over the element that has just begun and all in it, then give the parser its handlers back."""
    parser, deepest = reader.parser, reader.limits["depth"]
    handlers = parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler
    depth = 1

    def start(_: str, __: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > deepest:
            raise reader.unsafe(f"elements are nested more than {deepest} deep")

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1
        if not depth:
            parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = handlers

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, None


def trees(reader: Reader, head: dict[str, str], wanted: str, done: Done) -> None:
    """Read a document whose elements named `wanted` are handed to `done` as nodes, each with the place it began at.

    A device is whatever stands in Devices; the others stand below the root.
    """
    parser, limits = reader.parser, reader.limits
    depth, begun, line = 1, 0, ""
    stack: list[Node] = []

    def start(given: str, attributes: dict[str, str]) -> None:
        nonlocal depth, begun, line
        depth += 1
        if depth > limits["depth"]:
            raise reader.unsafe(f"elements are nested more than {limits['depth']} deep")
        name, attributes = reader.name(given), reader.attributes(attributes)
        if not stack:
            if depth == _HEADER and name == "Header":
                reader.emit(Document("Header", {**head, **attributes, "ordinal": 0}, reader.line()))
            if name not in (wanted, wanted.removesuffix("s")) and not (wanted == "Device" and depth == _DEVICE):
                return
            begun, line = parser.CurrentByteIndex, reader.line()
        elif parser.CurrentByteIndex - begun > limits["unit_bytes"]:
            raise reader.unsafe(f"one element '{wanted}' exceeds {limits['unit_bytes']:,} bytes")
        node = Node(name, attributes)
        if stack:
            stack[-1].children.append(node)
        stack.append(node)

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1
        if stack:
            node = stack.pop()
            node.text = node.text.strip()
            if not stack:
                done(node, line)
        if not depth:
            reader.open = False

    def chars(data: str) -> None:
        if stack:
            stack[-1].text += data
            if len(stack[-1].text) > limits["text"]:
                raise reader.unsafe(f"the text of one element exceeds {limits['text']:,} characters")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, chars
