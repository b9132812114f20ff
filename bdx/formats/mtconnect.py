"""MTConnect: the answers of an agent as XML or JSON, and the text of an adapter (SHDR), as observations and components."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bdx.canon import Part
from bdx.formats import mtconnect_json, mtconnect_shdr
from bdx.formats.document_text import encoding
from bdx.formats.mtconnect_xml import MIME, Reader, decoded
from bdx.formats.source import Source
from bdx.spec import FormatSpec

_ROOT = re.compile(r"<(?:[\w.-]+:)?(MTConnect(?:Streams|Devices|Assets|Error))[\s>/]")
_NOT_ELEMENTS = re.compile(r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>", re.DOTALL)
_JSON = re.compile(
    r"""\s*\[?\s*\{(?:\s*"[A-Za-z]{1,32}"\s*:\s*(?:"[^"]{0,256}"|[0-9.]{1,16})\s*,){0,8}\s*"MTConnect(?:Streams|Devices|Assets|Error)"\s*:"""
)


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the first element, or the first object, is an MTConnect document, or the first lines are of SHDR."""
    name, skip = encoding(head)
    text = head[skip:].decode("latin-1" if name == "utf-8" else name, "ignore")
    if _JSON.match(text):
        return True
    bare = _NOT_ELEMENTS.sub("", text)
    lead, mark, _ = bare.partition("<")
    if mark and (not lead.strip() or MIME.fullmatch(lead.encode("utf-8", "replace"))):
        return _ROOT.match(bare[len(lead) :]) is not None
    return mtconnect_shdr.fits(text)


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the parts of every document in the source, one after the other.

    `Document("Header", ...)` begins a document: `kind`, the namespace's `version`, and the attributes of its header.
    `Document("Component", ...)` is a device or component of a probe, in the order of the file: `type`, `attributes`,
    `device` (attributes of its device), `parent` (attributes of what it is part of, None for a device), `items` and `rest`.
    `Table("Observations")` has columns `item` (JSON of what stays the same: device, component, category, element,
    attributes), `timestamp`, `sequence`, `text`, `entry`, `cell` and `removed`, all as written.
    Raises: SourceError with the text of an error answer; UnsupportedVersion for assets; UnsafeSource for document types,
    entities, excess; CorruptSource and TruncatedSource with the line.
    """
    name, skip = encoding(source.head)
    start = source.head[skip:].decode("latin-1" if name == "utf-8" else name, "ignore").lstrip()
    if start[:1] in ("{", "["):
        yield from mtconnect_json.read(source, spec)
        return
    if mtconnect_shdr.fits(start):
        yield from mtconnect_shdr.read(source, spec)
        return
    reader = Reader(source, spec.raw)
    with source.stream() as stream:
        for data in decoded(stream, source):
            yield from reader.feed(data)
        yield from reader.finish()
