"""B2MML messages as a stream of documents, one per segment response, lot, test result, equipment or event, in the words of the file."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from bdx.canon import Part
from bdx.errors import CorruptSource, TruncatedSource
from bdx.formats.b2mml_json import JsonReader
from bdx.formats.b2mml_levels import Reader
from bdx.formats.b2mml_names import NAMESPACE, readable, verb_and_noun
from bdx.formats.b2mml_write import write, write_folder
from bdx.formats.document_text import encoding, utf8
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

__all__ = ["read", "sniff", "write", "write_folder"]

BLOCK = 1 << 18
_ELEMENT = re.compile(r"<(?:([\w.-]+):)?([A-Za-z_][\w.-]*)([^>]*)>?")
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_NOT_ELEMENTS = re.compile(r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>", re.DOTALL)
_MESSAGE = re.compile(r'\s*\[?\s*\{\s*(?:"[$@][^"]*"\s*:\s*"[^"]*"\s*,\s*)*"(?:[\w.-]+:)?(\w+)"\s*:\s*[{\[]')
_NAMED = re.compile(r'"(?:[\w.-]+:)?ID"\s*:')


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the first element, or the key of the first object, is a B2MML noun or transaction, or an envelope around one."""
    facts = spec.raw
    name, skip = encoding(head)
    if message := _MESSAGE.match(head[skip:].decode(name, "ignore")):
        return _of_json(message, facts)
    text = _NOT_ELEMENTS.sub("", _text_of(head)).lstrip("\ufeff \t\r\n")
    first = _ELEMENT.match(text)
    if first is None:
        return False
    prefix, root, attributes = first.groups()
    verb, noun = verb_and_noun(root, facts)
    if noun in facts["batch_nouns"]:
        return False
    space = re.search(rf"""xmlns{":" + prefix if prefix else ""}\s*=\s*["']([^"']*)""", attributes)
    ours = space is not None and NAMESPACE.search(space[1]) is not None
    if root == "Envelope":
        nouns = (verb_and_noun(name, facts) for _, name, _ in _ELEMENT.findall(text))
        return any(verb or _alone(noun, facts) for verb, noun in nouns)
    return ours or bool(verb) or _alone(noun, facts)


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield one document per unit, `Document(name, value, place)`, nested ones before the one they are part of.

    The name is "SegmentResponse", "Record" (lot, test result, equipment, event), "Definition" (class, definition,
    specification) or, for a level that holds none, "Empty" (of segments) or "NoRecords". `value` holds `segment` (the unit's
    element), `element` (its name), `ordinal` (from 1, by place of the beginning), `parent` (of the unit it is nested in:
    ordinal, element and what it said so far; or None), `message`, `performance`, `response`, `collection` (what the levels
    above said before their first unit; the same object for all units of one), `action` (what the receiver is asked for: ""
    to add, "change", "delete") and `after` (element name -> what was said after it).
    An element is a dict of child local name -> element, or a list of those where the name is repeated, "@name" ->
    attribute, "" -> text beside them; one that has only text is that text. Vendor elements keep their namespace in the
    name, as `{uri}Name`.
    Raises: UnsafeSource for document types, entities, excess; UnsupportedVersion for other B2MML messages;
    CorruptSource and TruncatedSource with the line.
    """
    name, skip = encoding(source.head)
    with source.stream() as stream:
        if source.head[skip:].decode(name, "ignore").lstrip()[:1] in ("{", "["):
            lines = JsonReader(source, spec.raw)
            decoder = codecs.getincrementaldecoder("utf-8")()
            for data in utf8(stream, source.head, source.uri, BLOCK):
                yield from lines.feed(_decoded(decoder, data, source, lines))
            yield from lines.feed(_decoded(decoder, b"", source, lines))
            yield from lines.finish()
            return
        reader = Reader(source, spec.raw)
        for block in _blocks(stream, source, spec.raw):
            yield from reader.feed(block)
        yield from reader.finish()


def _alone(noun: str, facts: Facts) -> bool:
    """Say whether a noun tells B2MML by itself; many a file has something called Equipment."""
    return noun in facts["performances"] or noun in facts["responses"] or noun in facts["collections"]


def _of_json(message: re.Match[str], facts: Facts) -> bool:
    verb, noun = verb_and_noun(message[1], facts)
    if noun in facts["batch_nouns"]:
        return False
    begun = message.string[message.end() : message.end() + 4_096]
    return bool(verb) or _alone(noun, facts) or (readable(noun, facts) and _NAMED.search(begun) is not None)


def _decoded(decoder: codecs.IncrementalDecoder, data: bytes, source: Source, reader: JsonReader) -> str:
    try:
        return decoder.decode(data, final=not data)
    except UnicodeDecodeError as error:
        raise CorruptSource(f"byte {error.object[error.start]:#04x} is not UTF-8", path=source.uri, offset=reader.where()) from error


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
