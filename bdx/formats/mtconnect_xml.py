"""MTConnect documents as XML, one or many behind each other, read by expat: memory bounded by one table of observations."""

from __future__ import annotations

import codecs
import gc
import re
from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.parsers import expat

from bdx.canon import Part
from bdx.errors import CorruptSource, SourceError, TruncatedSource, UnsafeSource
from bdx.formats.document_text import encoding, utf8
from bdx.formats.mtconnect_elements import streams, trees
from bdx.formats.mtconnect_json import held_assets
from bdx.formats.mtconnect_nodes import Node, components
from bdx.formats.mtconnect_rows import Observations
from bdx.formats.source import Source
from bdx.spec import Facts

BLOCK = 1 << 18
GAP = 1 << 18
"""Most bytes that may stand before, between and behind documents."""
_LEAD = rb"(?:[ \t]*|--[^\r\n]*|HTTP/[^\r\n]*|[A-Za-z][A-Za-z-]*:[^\r\n]*)"
MIME = re.compile(_LEAD + rb"(?:\r?\n" + _LEAD + rb")*")
"""What may stand between the documents of a recorded answer: blanks, boundaries, header lines."""

_ENCODING = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_VERSION = re.compile(r"mtconnect\.(?:org|com):MTConnect[A-Za-z]+:([0-9]+(?:\.[0-9]+)*)", re.IGNORECASE)
_ENDED = frozenset({3, 5, 6, 20})
"""Expat's codes for a document that stops: no element left, unclosed token, part of a character, unclosed CDATA."""
_AFTER = frozenset({9, 17})
"""Expat's codes for a document that is followed by something: text or an element, an XML declaration."""


def decoded(stream: BinaryIO, source: Source) -> Iterator[bytes]:
    """Yield the bytes as UTF-8, whatever encoding the first document declares.

    Raises: CorruptSource for an encoding nobody knows, and for bytes that are not in the one declared.
    """
    name, skip = encoding(source.head)
    if name != "utf-8":
        yield from utf8(stream, source.head, source.uri, BLOCK)
        return
    stream.read(skip)
    declared = _ENCODING.search(source.head[skip : skip + 4096])
    written = declared[1].decode("ascii") if declared else "utf-8"
    try:
        codec = codecs.lookup(written).name
        decoder = codecs.getincrementaldecoder(codec)()
    except LookupError as error:
        raise CorruptSource(f"declares the encoding '{written}', which is not known", path=source.uri, offset="line 1") from error
    if codec == "utf-8" and written.lower() != "utf-8":
        source.log.find("F260", source=source.uri, locator="line 1", value=written)
    offset = skip
    while data := stream.read(BLOCK):
        if codec in ("utf-8", "ascii"):
            yield data
            continue
        try:
            yield decoder.decode(data).encode("utf-8")
        except UnicodeError as error:
            raise CorruptSource(f"is not {written}, the encoding it declares: {error}", path=source.uri, offset=offset) from error
        offset += len(data)


class Reader:
    """Reads documents block by block; `feed` and `finish` yield the parts that are complete."""

    def __init__(self, source: Source, facts: Facts) -> None:
        self.source = source
        self.facts = facts
        self.limits = facts["limits"]
        self.rows = Observations(self.attributes)
        self.ready: list[Part] = []
        self.names: dict[str, str] = {}
        self.lines = 0
        self.documents = 0
        self.open = False
        self.parser: Any = None
        self._gap = self._before = b""
        self._fed = self._mark = 0

    def feed(self, data: bytes) -> Iterator[Part]:
        """Yield the parts that a block completes."""
        while data:
            if self.parser is None and not (data := self._begin(data)):
                break
            data = self._parse(data)
            self._flush(whole=self.rows.full() or self._consumed() - self._mark > self.limits["unit_bytes"])
            yield from self._handed_on()

    def finish(self) -> Iterator[Part]:
        """Yield the last parts.

        Raises: TruncatedSource where elements are still open, CorruptSource where there was no document.
        """
        if self.parser is not None:
            try:
                self.parser.Parse(b"", True)
            except expat.ExpatError as error:
                self._flush(whole=True)
                yield from self._handed_on()
                raise self._broken(error, final=True) from error
        elif not MIME.fullmatch(self._gap):
            raise self._stray(self._gap)
        self._flush(whole=True)
        yield from self._handed_on()
        if not self.documents:
            raise CorruptSource("has no MTConnect document", path=self.source.uri)

    def name(self, given: str) -> str:
        """Return the name of an element: local for MTConnect's own, with its prefix for a vendor's."""
        known = self.names.get(given)
        if known is None:
            if len(self.names) >= self.limits["names"]:
                raise self.unsafe(f"has more than {self.limits['names']:,} different names of elements")
            uri, _, rest = given.partition(" ")
            local, _, prefix = rest.partition(" ")
            own = not rest or "mtconnect" in uri.lower() or not prefix
            known = self.names[given] = (local or uri) if own else f"{prefix}:{local}"
        return known

    def emit(self, part: Part) -> None:
        """Keep a part until the block is read."""
        self.ready.append(part)

    def unsafe(self, what: str) -> UnsafeSource:
        """Return the error for a document that would harm the reader."""
        return UnsafeSource(what, path=self.source.uri, offset=self.line())

    def line(self) -> str:
        """Return the place in the source."""
        return f"line {self.lines + self.parser.CurrentLineNumber}"

    def attributes(self, given: dict[str, str]) -> dict[str, str]:
        """Return attributes by local name, within bounds; those of namespaces of other standards (xsi, xlink) are left out."""
        if len(given) > self.limits["attributes"] or any(len(text) > self.limits["attribute_text"] for text in given.values()):
            raise self.unsafe(f"an element has more than {self.limits['attributes']} attributes, or a very long one")
        return {
            name.split(" ")[1] if " " in name else name: text for name, text in given.items() if not name.startswith("http://www.w3.org")
        }

    def _begin(self, data: bytes) -> bytes:
        """Start a parser at the next document; returns the text from there on, nothing where none is in sight."""
        text, self._gap = self._gap + data, b""
        place = text.find(b"<")
        if place < 0:
            if len(text) > GAP:
                raise CorruptSource(f"has {len(text):,} bytes beside its documents", path=self.source.uri)
            self._gap = text
            return b""
        if not MIME.fullmatch(text[:place]):
            raise self._stray(text[:place])
        self.lines += text.count(b"\n", 0, place)
        self.parser = parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        parser.namespace_prefixes = True
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._root
        self._before, self._fed, self._mark = b"", 0, 0
        return text[place:]

    def _parse(self, data: bytes) -> bytes:
        """Parse a block; returns what of it belongs to the next document."""
        base = self._fed - len(self._before)
        self._fed += len(data)
        collects = gc.isenabled()
        gc.disable()  # Rows in the making are walked again and again otherwise, and nothing is found.
        try:
            self.parser.Parse(data, False)
        except expat.ExpatError as error:
            if error.code in _AFTER and self.documents and not self.open:
                rest = (self._before + data)[self.parser.ErrorByteIndex - base :]
                self.lines += error.lineno - 1
                self.parser, self._before = None, b""
                return rest
            self._flush(whole=True)
            raise self._broken(error, final=False) from error
        finally:
            if collects:
                gc.enable()
        if self._fed - self.parser.CurrentByteIndex > self.limits["unit_bytes"]:
            raise self.unsafe(f"one element exceeds {self.limits['unit_bytes']:,} bytes")
        self._before = data
        return b""

    def _consumed(self) -> int:
        return int(self.parser.CurrentByteIndex) if self.parser is not None else 0

    def _flush(self, *, whole: bool) -> None:
        if whole and (part := self.rows.part()) is not None:
            self.ready.append(part)
            self._mark = self._consumed()

    def _handed_on(self) -> Iterator[Part]:
        ready, self.ready = self.ready, []
        yield from ready

    def _root(self, given: str, attributes: dict[str, str]) -> None:
        uri, _, rest = given.partition(" ")
        kind = rest.partition(" ")[0] or uri
        if kind not in (self.facts[name] for name in ("streams", "devices", "assets", "error")):
            raise CorruptSource(
                f"has the element '{kind}' where an MTConnect document was expected", path=self.source.uri, offset=self.line()
            )
        self.documents += 1
        self.open = True
        version = _VERSION.search(uri)
        if version is None and kind != self.facts["error"]:
            self.source.log.find("F261", source=self.source.uri, locator=self.line(), value=uri)
        head = {"kind": kind, "schema": version[1] if version else ""}
        if kind == self.facts["streams"]:
            streams(self, head)
        elif kind == self.facts["devices"]:
            trees(self, head, "Device", self._device)
        elif kind == self.facts["assets"]:
            trees(self, head, "Assets", self._assets)
        else:
            trees(self, head, "Errors", self._error)

    def _device(self, node: Node, line: str) -> None:
        self.ready += components(node, line)

    def _assets(self, node: Node, line: str) -> None:
        raise held_assets([child.name for child in node.children], self.source)

    def _error(self, node: Node, line: str) -> None:
        found = [
            f"{one.attributes.get('errorCode', one.name)}: {one.text or next((c.text for c in one.children), '')}" for one in node.children
        ]
        text = "; ".join(found[:5]) or node.text
        raise SourceError(f"is the error answer of an agent: {text}", path=self.source.uri, offset=line)

    def _doctype(self, *_: object) -> None:
        raise self.unsafe("has a document type declaration; MTConnect has none, and entities could harm the reader")

    def _stray(self, text: bytes) -> CorruptSource:
        shown = " ".join(text[:200].decode("utf-8", "replace").split())[:40]
        return CorruptSource(
            f"has '{shown}' where an MTConnect document was expected", path=self.source.uri, offset=f"line {self.lines + 1}"
        )

    def _broken(self, error: expat.ExpatError, *, final: bool) -> SourceError:
        where = f"line {self.lines + error.lineno}, column {error.offset + 1}"
        what = expat.ErrorString(error.code) or str(error)
        if final and error.code in _ENDED:
            return TruncatedSource(f"ends before its elements are closed ({what})", path=self.source.uri, offset=where)
        return CorruptSource(f"is not well-formed XML: {what}", path=self.source.uri, offset=where)
