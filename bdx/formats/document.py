"""The JSON document engine: one object, an array, JSON lines or many files, each document a part of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from bdx.canon import Document, Part
from bdx.errors import CorruptSource, SourceError
from bdx.formats.document_members import Member, Parts, members
from bdx.formats.document_parts import whole
from bdx.formats.document_release import OtherModel, belongs, release_of
from bdx.formats.document_text import BLANKS, Record, encoding, records
from bdx.formats.document_write import write, write_folder
from bdx.formats.json_text import MAX_BYTES, dumps
from bdx.formats.source import Source
from bdx.spec import FormatSpec

__all__ = ["read", "sniff", "values", "write", "write_folder"]


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the head is JSON that names all keys of one of the spec's `keys` groups, in any order.

    Keys deep inside do not make a document: those of one of the `root` groups must stand at its root, none of `root_not`.
    """
    name, skip = encoding(head)
    text = head[skip:]
    if name != "utf-8":
        text = text.decode(name, "ignore").encode("utf-8", "ignore")
    if not text.lstrip(BLANKS).startswith((b"{", b"[")):
        return False
    if not any(all(_key(name).search(text) for name in group) for group in spec.raw.get("keys", ())):
        return False
    at_root = _root_keys(text)
    groups = spec.raw.get("root", ())
    return not at_root & set(spec.raw.get("root_not", ())) and (not groups or any(at_root >= set(group) for group in groups))


_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?|[{}\[\]]')


def _root_keys(text: bytes) -> frozenset[str]:
    """Return the keys of the first document as far as the text goes; a list around documents does not count."""
    found: set[str] = set()
    depth = 0
    for token in _TOKEN.finditer(text.removeprefix(b"[") if (text := text.lstrip(BLANKS))[:1] == b"[" else text):
        mark = token[0]
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if depth <= 0:
                break
        elif depth == 1 and token[2]:
            found.add(token[1].decode("utf-8", "replace"))
    return frozenset(found)


@cache
def _key(name: str) -> re.Pattern[bytes]:
    return re.compile(b'"' + re.escape(name.encode()) + rb'"\s*:')


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield every document of a source; `locator` is "line 7" in JSON lines, "item 3" in an array, "" for a lone one.

    Of a folder or a ZIP, the path of the file in there comes first; lone parts of one battery become one document.
    What cannot be read goes to `source.unread` where that is set.
    Raises: CorruptSource, TruncatedSource, UnsafeSource, UnsupportedVersion.
    """
    found = 0
    for record in _records(source, spec):
        found += 1
        try:
            yield _document(record, spec, source.uri, first=found == 1)
        except SourceError as error:
            if source.unread is None:
                raise
            source.unread(dumps(record.value) if record.raw is None else record.raw, error, record.locator)
    if not found:
        raise SourceError("holds no document", path=source.uri)


def _document(record: Record, spec: FormatSpec, uri: str, *, first: bool) -> Document:
    value, locator, raw = record
    if not isinstance(value, dict):
        raise CorruptSource(f"expected a JSON object, found {_kind(value)}", path=uri, offset=locator or None)
    value = whole(value, spec)
    if not first and not spec.pinned and not belongs(value, spec):
        keys = ", ".join(sorted(value)[:4])
        raise OtherModel(f"is no {spec.id}: it holds {keys or 'nothing'}", path=uri, offset=locator or None)
    name = spec.full_id if spec.pinned else release_of(value, spec, uri, locator)
    return Document(name, value, locator, raw)


def _records(source: Source, spec: FormatSpec) -> Iterator[Record]:
    """Yield the records of one file, or of the files of a folder or ZIP, whose lone parts are put together folder by folder."""
    inside = members(source)
    if inside is None:
        with source.stream() as stream:
            yield from records(stream, source.head, source.uri, MAX_BYTES, source.unread)
        return
    for _, here in itertools.groupby(inside, key=lambda member: member.folder):
        parts = Parts(spec, source.uri)
        for member in here:
            for record in _of_member(member, source):
                if not (isinstance(record.value, dict) and not record.locator and parts.take(record.value, member.name)):
                    yield record._replace(locator=f"{member.name} {record.locator}".rstrip())
        for value, place in parts.finish():
            yield Record(value, place, None)


def _of_member(member: Member, source: Source) -> Iterator[Record]:
    """Yield the records of one file; one that cannot be read at all goes to `unread`, and the next is read."""
    tell = source.unread
    unread = None if tell is None else lambda raw, error, place: tell(raw, error, f"{member.name} {place}".rstrip())
    try:
        opened = member.open()
        with opened.stream() as stream:
            yield from records(stream, opened.head, opened.uri, MAX_BYTES, unread)
    except SourceError as error:
        if tell is None:
            raise
        tell(None, error, member.name)


def values(source: Source) -> Iterator[tuple[Any, str]]:
    """Yield (value, locator) of every document as it stands, whatever holds them and whatever model they are of."""
    inside = members(source)
    if inside is None:
        with source.stream() as stream:
            for record in records(stream, source.head, source.uri, MAX_BYTES):
                yield record.value, record.locator
        return
    for member in inside:
        for record in _of_member(member, source):
            yield record.value, f"{member.name} {record.locator}".rstrip()


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
