"""EPCIS 2.0 as JSON: documents, query answers, lists of events and single events, as a stream of one document per event."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from bdx.canon import Document, Part
from bdx.errors import CorruptSource, SinkError, SourceError
from bdx.formats.document_text import encoding, utf8
from bdx.formats.epcis_split import Piece, Splitter
from bdx.formats.json_text import dumps, parse
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

CHUNK = 1 << 18
_TOKEN = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"|[\[\]{}:,]')


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the first object is an EPCIS document, or an event with its time."""
    name, skip = encoding(head)
    text = head[skip:].decode(name, "ignore").lstrip(" \t\r\n")
    if text[:1] not in ("{", "["):
        return False
    said = _said(text)
    kinds = {said[key] for key in spec.raw["type_keys"] if key in said}
    if kinds & set(spec.raw["documents"]) or ("epcisBody" in said and ("schemaVersion" in said or not kinds)):
        return True
    if kinds & set(spec.raw["events"]):
        return bool(said.keys() & {"eventTime", "action", "eventTimeZoneOffset", "eventID"})
    return "eventTimeZoneOffset" in said and "eventTime" in said


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield one `Document("Event", value, "event N")` per event, in the order of the source.

    `value` holds `event` (as it stands), `ordinal` (from 1), `before` (what the document said before its events, on its first
    event, else None) and `after` (what it said that was not there yet, on its last). A document without events is
    `Document("Empty", {"before": ...})`.
    Raises: CorruptSource, TruncatedSource, UnsafeSource with the place.
    """
    ordinal, fresh = 0, True
    held: Document | None = None
    before: dict[str, Any] | None = None
    with source.stream() as stream:
        for piece in Splitter(utf8(stream, source.head, source.uri, CHUNK), source.uri, spec.raw).pieces():
            if piece.kind == "before":
                before = _object(piece, source)
                fresh = True
                continue
            if piece.kind == "event":
                if held is not None:
                    yield held
                ordinal += 1
                held = _event(piece, ordinal, before if fresh else None, source)
                fresh = held is None and fresh
                continue
            said = _object(piece, source)
            if before is None and _is_event(said, spec.raw):
                ordinal += 1
                context = {"@context": said.pop("@context")} if "@context" in said else None
                yield Document("Event", {"event": said, "ordinal": ordinal, "before": context, "after": None}, f"event {ordinal}")
                continue
            if held is not None:
                rest = {key: value for key, value in said.items() if key not in (before or {}) or key == "epcisBody"}
                if rest.get("epcisBody") == (before or {}).get("epcisBody"):
                    rest.pop("epcisBody", None)
                held.value["after"] = rest or None
                yield held
            elif before is not None or _is_document(said, spec.raw):
                yield Document("Empty", {"before": said}, f"byte {piece.offset}")
            else:
                raise CorruptSource("is neither an EPCIS document nor an event", path=source.uri, offset=piece.offset)
            held, before = None, None


def write(parts: Iterable[Part], sink: BinaryIO, spec: FormatSpec, lines: bool = False) -> None:
    """Write a document: a part "Document" with what stands around the events, then parts "Event", each on a line of its own.

    `lines` writes the events alone, one per line, each with the context of the document.
    Raises: SinkError where a part is none of these, or there is no event.
    """
    around: dict[str, Any] | None = None
    count = 0
    for part in parts:
        if not isinstance(part, Document):
            raise SinkError(f"{spec.id} holds events, not the table '{part.name}'")
        if part.name == "Document":
            around = dict(part.value)
            if not lines:
                sink.write(dumps(around).removesuffix(b"}") + b',"epcisBody":{"eventList":[')
            continue
        if lines:
            sink.write(dumps({"@context": (around or {}).get("@context"), **part.value}) + b"\n")
        else:
            sink.write((b",\n" if count else b"\n") + dumps(part.value))
        count += 1
    if around is None or not count:
        raise SinkError(f"there is no event to write as {spec.id}")
    if not lines:
        sink.write(b"\n]}}\n")


def _event(piece: Piece, ordinal: int, before: dict[str, Any] | None, source: Source) -> Document | None:
    place = f"event {ordinal}"
    try:
        event = parse(piece.text, source.uri, place)
    except SourceError as error:
        if source.unread is None:
            raise
        source.unread(piece.text, error, place)
        return None
    return Document("Event", {"event": event, "ordinal": ordinal, "before": before, "after": None}, place)


def _object(piece: Piece, source: Source) -> dict[str, Any]:
    """Return what stands around events; a bare list has nothing around them."""
    value = parse(piece.text, source.uri)
    return value if isinstance(value, dict) else {}


def _is_event(value: dict[str, Any], facts: Facts) -> bool:
    return "eventTime" in value or any(value.get(key) in facts["events"] for key in facts["type_keys"])


def _is_document(value: dict[str, Any], facts: Facts) -> bool:
    return any(value.get(key) in facts["documents"] for key in facts["type_keys"])


def _said(text: str) -> dict[str, str]:
    """Return the keys of the first object, with their values where these are texts; of a list, those of its first object."""
    found: dict[str, str] = {}
    depth, wanted, key, value, pair = 0, 1, "", "", False
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in ("{", "["):
            depth += 1
            if mark == "[" and depth == 1:
                wanted = 2
            elif depth == wanted + 1 and pair:
                found.setdefault(key, "")
            pair = False
        elif mark in ("}", "]"):
            depth -= 1
            if depth < wanted:
                break
        elif depth != wanted:
            continue
        elif mark == ":":
            key, pair = value, True
            found.setdefault(key, "")
        elif mark == ",":
            pair = False
        else:
            value = token[1]
            if pair:
                found[key], pair = value, False
    return found
