"""The JSON document engine: one object, an array or JSON lines, each document a part of its own."""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, BinaryIO

import orjson

from bdx.canon import Document, Part
from bdx.errors import CorruptSource, SinkError, SourceError, UnsafeSource, UnsupportedVersion
from bdx.formats.json_text import MAX_BYTES, dumps, parse
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

_CHUNK = 1 << 20
_BLANKS = b" \t\r\n"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the head is JSON that names all keys of one of the spec's `keys` groups, in any order.

    Keys deep inside do not make a document: those of one of the `root` groups must stand at its root, none of `root_not`.
    """
    encoding, skip = _encoding(head)
    text = head[skip:]
    if encoding != "utf-8":
        text = text.decode(encoding, "ignore").encode("utf-8", "ignore")
    if not text.lstrip(_BLANKS).startswith((b"{", b"[")):
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
    for token in _TOKEN.finditer(text.removeprefix(b"[") if (text := text.lstrip(_BLANKS))[:1] == b"[" else text):
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

    Raises: CorruptSource, TruncatedSource, UnsafeSource, UnsupportedVersion.
    """
    found = False
    for value, locator in values(source):
        found = True
        if not isinstance(value, dict):
            raise CorruptSource(f"expected a JSON object, found {_kind(value)}", path=source.uri, offset=locator or None)
        _check_version(value, spec, source.uri, locator)
        yield Document(spec.id, _whole(value, spec), locator)
    if not found:
        raise SourceError("holds no document", path=source.uri)


def values(source: Source) -> Iterator[tuple[Any, str]]:
    """Yield (value, locator) of every document as it stands, whatever holds them and whatever model they are of."""
    with source.stream() as raw:
        chunks = _utf8(raw, source)
        head = _first_line(chunks, source.uri)
        text = head.lstrip(_BLANKS)
        end = text.find(b"\n")
        if text[:1] == b"{" and end >= 0 and _complete(text[:end]):
            parts, more = [head], text[end + 1 :].strip(_BLANKS)
            while not more and (chunk := next(chunks, b"")):
                parts.append(chunk)
                more = chunk.strip(_BLANKS)
            if more:
                yield from _lines(itertools.chain(parts, chunks), source.uri)
                return
            head = b"".join(parts)
        yield from _lone(head, chunks, source.uri)


def _first_line(chunks: Iterator[bytes], uri: str) -> bytes:
    """Return whole chunks up to the one that ends the first line of an object; less for an array, which has no lines."""
    parts: list[bytes] = []
    size, begun = 0, False
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        text = chunk if begun else chunk.lstrip(_BLANKS)
        if (not begun and text[:1] == b"[") or (text and b"\n" in text):
            break
        begun = begun or bool(text)
        if size > MAX_BYTES:
            raise UnsafeSource(f"one document of more than {MAX_BYTES:,} bytes; write one per line instead", path=uri)
    return b"".join(parts)


def _complete(line: bytes) -> bool:
    """Say whether a line is JSON on its own."""
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _lone(head: bytes, chunks: Iterator[bytes], uri: str) -> Iterator[tuple[Any, str]]:
    parts, size = [head], len(head)
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_BYTES:
            raise UnsafeSource(f"one document of more than {MAX_BYTES:,} bytes; write one per line instead", path=uri)
        parts.append(chunk)
    text = b"".join(parts)
    del parts, head
    if not text.strip(_BLANKS):
        return
    value = parse(text, uri)
    del text
    if isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield item, f"item {number}"
        return
    yield value, ""


def _lines(chunks: Iterable[bytes], uri: str) -> Iterator[tuple[Any, str]]:
    """Yield the value of every non-blank line; a line may span chunks."""
    number, open_parts, open_size = 0, [b""], 0
    for chunk in chunks:
        lines = chunk.split(b"\n")
        open_parts.append(lines[0])
        open_size += len(lines[0])
        if open_size > MAX_BYTES:
            raise UnsafeSource(f"a line of more than {MAX_BYTES:,} bytes", path=uri, offset=f"line {number + 1}")
        if len(lines) == 1:
            continue
        lines[0] = b"".join(open_parts)
        last = lines.pop()
        open_parts, open_size = [last], len(last)
        for line in lines:
            number += 1
            if line and not line.isspace():
                yield parse(line, uri, f"line {number}"), f"line {number}"
    line = b"".join(open_parts)
    if line.strip(_BLANKS):
        yield parse(line, uri, f"line {number + 1}"), f"line {number + 1}"


def _encoding(head: bytes) -> tuple[str, int]:
    """Return the encoding of a JSON text and the length of its byte order mark; without one, zero bytes tell (RFC 4627, 3)."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name, len(mark)
    zeros = tuple(byte == 0 for byte in head[:2])
    if zeros == (False, True):
        return "utf-16-le", 0
    if zeros == (True, False):
        return "utf-16-be", 0
    return "utf-8", 0


def _utf8(raw: BinaryIO, source: Source) -> Iterator[bytes]:
    """Yield the bytes of a stream in chunks of UTF-8, the mark at the front left out."""
    encoding, skip = _encoding(source.head)
    raw.read(skip)
    if encoding == "utf-8":
        while data := raw.read(_CHUNK):
            yield data
        return
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        while data := raw.read(_CHUNK):
            if text := decoder.decode(data):
                yield text.encode("utf-8")
        if text := decoder.decode(b"", final=True):
            yield text.encode("utf-8")
    except UnicodeError as error:
        raise CorruptSource(f"is not {encoding}: {error}", path=source.uri) from error


def _check_version(value: dict[str, Any], spec: FormatSpec, uri: str, locator: str) -> None:
    """Refuse a document of a version whose shape differs; the spec says which keys tell."""
    at = spec.raw.get("version_at")
    told = _lookup(value, at["path"]) if at else None
    if isinstance(told, str):
        found = re.search(at["pattern"], told)  # type: ignore[index]
        if found and found[1] not in spec.versions:
            raise UnsupportedVersion(f"is {spec.id} {found[1]}; bdx reads {', '.join(spec.versions)}", path=uri, offset=locator or None)
    for row in spec.raw.get("other_version", ()):
        if all(_lookup(value, path) is not None for path in row["has"]):
            raise UnsupportedVersion(
                f"is {spec.id} {row['version']} (it holds '{row['has'][0]}'); bdx reads {', '.join(spec.versions)}",
                path=uri,
                offset=locator or None,
            )


def _lookup(value: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _whole(value: dict[str, Any], spec: FormatSpec) -> dict[str, Any]:
    """Return the document as the model's whole; a lone part is put in its place of the whole."""
    parts: tuple[Facts, ...] = spec.raw.get("part", ())
    if not parts or any(part["name"] in value and isinstance(value[part["name"]], dict) for part in parts):
        return value
    for part in parts:
        if any(key in value for key in part["keys"]):
            return {part["name"]: value}
    return value


def write(parts: Iterable[Part], sink: BinaryIO, spec: FormatSpec, lines: bool = False) -> None:
    """Write documents: one as an indented object, several as an array; `lines` writes one per line.

    Raises: SinkError where a part is no document, or there is none.
    """
    count = 0
    held: bytes | None = None
    for part in parts:
        if not isinstance(part, Document):
            raise SinkError(f"{spec.id} holds documents, not the table '{part.name}'")
        count += 1
        if lines:
            sink.write(dumps(part.value))
            sink.write(b"\n")
            continue
        if held is not None:
            sink.write(b"[\n" if count == 2 else b",\n")
            sink.write(held)
        held = dumps(part.value, indent=True)
    if held is not None:
        sink.write(held if count == 1 else b",\n" + held + b"\n]")
        sink.write(b"\n")
    if not count:
        raise SinkError(f"there is no battery to write as {spec.id}")


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
