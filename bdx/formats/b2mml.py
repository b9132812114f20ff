"""B2MML performance messages as a stream of documents, one per segment response, in the words and order of the file."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from bdx.canon import Part
from bdx.errors import CorruptSource, TruncatedSource
from bdx.formats.b2mml_levels import Reader
from bdx.formats.b2mml_names import NAMESPACE, verb_and_noun
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

BLOCK = 1 << 18
_ELEMENT = re.compile(r"<(?:([\w.-]+):)?([A-Za-z_][\w.-]*)([^>]*)>?")
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_NOT_ELEMENTS = re.compile(r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>", re.DOTALL)


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the first element is a B2MML noun or transaction, or an envelope with a performance inside."""
    text = _NOT_ELEMENTS.sub("", _text_of(head)).lstrip("\ufeff \t\r\n")
    first = _ELEMENT.match(text)
    if first is None:
        return False
    prefix, root, attributes = first.groups()
    facts = spec.raw
    _, noun = verb_and_noun(root, facts)
    if noun in facts["performances"] or noun in facts["responses"]:
        return True
    space = re.search(rf"""xmlns{":" + prefix if prefix else ""}\s*=\s*["']([^"']*)""", attributes)
    ours = space is not None and NAMESPACE.search(space[1]) is not None
    if noun in facts["other_nouns"] or root != "Envelope":
        return ours or (noun in facts["other_nouns"] and noun != root)
    return any(verb_and_noun(name, facts)[1] in facts["performances"] for _, name, _ in _ELEMENT.findall(text))


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield one `Document("SegmentResponse", value, "line N")` per segment response, nested ones before the one they are part of.

    `value` holds `segment` (the element), `ordinal` (from 1, by place of the start tag), `parent` (ID and ordinal of
    the segment it is nested in, or None), `message`, `performance` and `response` (what the levels above said before their
    first segment; the same object for all segments of one) and `after` (element name -> what a level said after it).
    An element is a dict of child local name -> element, or a list of those where the name is repeated, "@name" ->
    attribute, "" -> text beside them; one that has only text is that text. Vendor elements keep their namespace in the
    name, as `{uri}Name`.
    Raises: UnsafeSource for document types, entities, excess; UnsupportedVersion for other B2MML messages;
    CorruptSource and TruncatedSource with the line.
    """
    reader = Reader(source, spec.raw)
    with source.stream() as stream:
        for data in _blocks(stream, source, spec.raw):
            yield from reader.feed(data)
        yield from reader.finish()


def _text_of(head: bytes) -> str:
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return head.decode("utf-16", "ignore")
    if head[:4] in (b"<\0?\0", b"\0<\0?"):
        return head.decode("utf-16-le" if head[1] == 0 else "utf-16-be", "ignore")
    return head.removeprefix(codecs.BOM_UTF8).decode("latin-1")


def _blocks(stream: BinaryIO, source: Source, facts: Facts) -> Iterator[bytes | str]:
    """Yield the bytes as they are, or as text where their declared encoding is one that expat does not know."""
    declared = _ENCODING.match(source.head.removeprefix(codecs.BOM_UTF8))
    name = declared[1].decode("ascii").lower() if declared else ""
    if name not in facts["decoded"]:
        while data := stream.read(BLOCK):
            yield data
        return
    decoder = codecs.getincrementaldecoder(name)()
    offset = 0
    while data := stream.read(BLOCK):
        try:
            text = decoder.decode(data)
        except UnicodeDecodeError as error:
            raise CorruptSource(
                f"byte {error.object[error.start]:#04x} is not {name}, the encoding the file declares",
                path=source.uri,
                offset=offset + error.start,
            ) from error
        offset += len(data)
        yield text
    if decoder.getstate()[0]:
        raise TruncatedSource(f"ends inside a character ({name})", path=source.uri, offset=offset)
