"""From bytes to JSON values: one object, an array or JSON lines, in any Unicode encoding; a broken record need not stop the rest."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

import orjson

from bdx.errors import CorruptSource, SourceError, UnsafeSource
from bdx.formats.json_text import parse

BLANKS = b" \t\r\n"
_CHUNK = 1 << 16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Record(NamedTuple):
    """One JSON value, where it stood ("line 7", "item 3", "" for a lone one) and, of a line, its bytes."""

    value: Any
    locator: str
    raw: bytes | None


Unread = Callable[[bytes | None, SourceError, str], None]
"""Told of a record that cannot be read: its bytes (None where they were too many to keep), the fault, its place."""


def records(stream: BinaryIO, head: bytes, uri: str, most: int, unread: Unread | None = None) -> Iterator[Record]:
    """Yield every JSON value of a stream that begins with `head`.

    No document and no line may have more than `most` bytes; a broken line goes to `unread` where that is given.
    Raises: CorruptSource, TruncatedSource, UnsafeSource.
    """
    chunks = utf8(stream, head, uri)
    begun, of_lines = _beginning(chunks, uri, most)
    if of_lines:
        yield from _lines(itertools.chain(begun, chunks), uri, most, unread)
    else:
        yield from _lone(itertools.chain(begun, chunks), uri, most)


def encoding(head: bytes) -> tuple[str, int]:
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


def utf8(stream: BinaryIO, head: bytes, uri: str, size: int = _CHUNK) -> Iterator[bytes]:
    """Yield the bytes of a stream as UTF-8, read `size` bytes at a time, the mark at the front left out.

    Raises: CorruptSource where they are not in the encoding that their beginning shows.
    """
    name, skip = encoding(head)
    stream.read(skip)
    if name == "utf-8":
        while data := stream.read(size):
            yield data
        return
    try:
        decoder = codecs.getincrementaldecoder(name)()
        while data := stream.read(size):
            if text := decoder.decode(data):
                yield text.encode("utf-8")
        if text := decoder.decode(b"", final=True):
            yield text.encode("utf-8")
    except UnicodeError as error:
        raise CorruptSource(f"is not {name}: {error}", path=uri) from error


def _beginning(chunks: Iterator[bytes], uri: str, most: int) -> tuple[list[bytes], bool]:
    """Return the first chunks, and whether the text is JSON lines: its first line is an object, or the lines after that are."""
    parts: list[bytes] = []
    size, ended = 0, False
    while not ended:
        chunk = next(chunks, None)
        if chunk is None:
            ended = True
        else:
            parts.append(chunk)
            size += len(chunk)
            if size > most:
                raise _too_large(uri, most)
            if b"\n" not in chunk and not (chunk[:1] == b"[" and len(parts) == 1):
                continue
        of_lines = _of_lines(b"".join(parts), ended=ended)
        if of_lines is not None:
            return parts, of_lines
    return parts, False


def _of_lines(text: bytes, *, ended: bool) -> bool | None:
    """Say whether a beginning is of JSON lines, None where more of it would tell."""
    text = text.lstrip(BLANKS)
    if not text:
        return False if ended else None
    first, found, rest = text.partition(b"\n")
    if not found:
        return False if ended or text[:1] == b"[" else None
    # What is one object on its own line begins JSON lines, unless it is all there is.
    rest = rest.lstrip(BLANKS)
    if _is_object(first):
        return True if rest else (False if ended else None)
    second, found, third = rest.partition(b"\n")
    third = third.lstrip(BLANKS)
    if not (found and third) and not ended and text[:1] != b"[":
        # A broken first line: the two after it tell. A lone document has them in its first chunk, or is not of lines.
        return None if rest[:1] in (b"{", b"") else False
    return _is_object(second) and (third[:1] == b"{" or (not third and ended and text[:1] == b"{"))


def _is_object(line: bytes) -> bool:
    """Say whether a line is a JSON object on its own."""
    line = line.strip(BLANKS)
    if not (line.startswith(b"{") and line.endswith(b"}")):
        return False
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _lone(chunks: Iterable[bytes], uri: str, most: int) -> Iterator[Record]:
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise _too_large(uri, most)
        parts.append(chunk)
    text = b"".join(parts)
    del parts
    if not text.strip(BLANKS):
        return
    value = parse(text, uri)
    del text
    if isinstance(value, list):
        value.reverse()
        number = 0
        while value:
            # Taken off one by one: an item that was read is let go.
            number += 1
            yield Record(value.pop(), f"item {number}", None)
        return
    yield Record(value, "", None)


def _too_large(uri: str, most: int) -> UnsafeSource:
    return UnsafeSource(f"one document of more than {most:,} bytes; write one per line instead", path=uri)


def _lines(chunks: Iterable[bytes], uri: str, most: int, unread: Unread | None) -> Iterator[Record]:
    """Yield the value of every non-blank line."""
    for number, line in _split(chunks, uri, most, unread):
        if line and not line.isspace():
            try:
                value = parse(line, uri, f"line {number}")
            except SourceError as error:
                fault = _marked(line, uri, number) or error
                if unread is None:
                    raise fault from error
                unread(line, fault, f"line {number}")
                continue
            yield Record(value, f"line {number}", line)


def _marked(line: bytes, uri: str, number: int) -> CorruptSource | None:
    """Return the fault of a line that begins with a byte order mark: files put together as they were."""
    if not line.startswith(codecs.BOM_UTF8):
        return None
    return CorruptSource("a byte order mark stands before the record; it belongs at the start of a file", path=uri, offset=f"line {number}")


def _split(chunks: Iterable[bytes], uri: str, most: int, unread: Unread | None) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of all lines; a line may span chunks, one that is too long is left out."""
    number, held, size = 0, [b""], 0
    for chunk in chunks:
        lines = chunk.split(b"\n")
        size += len(lines[0])
        if size <= most:
            held.append(lines[0])
        else:
            held.clear()
            if unread is None:
                raise _too_long(uri, most, number + 1)
        if len(lines) == 1:
            continue
        if size > most and unread is not None:
            unread(None, _too_long(uri, most, number + 1), f"line {number + 1}")
        lines[0] = b"".join(held)
        last = lines.pop()
        held, size = [last], len(last)
        for line in lines:
            number += 1
            yield number, line
    if size > most and unread is not None:
        unread(None, _too_long(uri, most, number + 1), f"line {number + 1}")
    yield number + 1, b"".join(held)


def _too_long(uri: str, most: int, number: int) -> UnsafeSource:
    return UnsafeSource(f"a line of more than {most:,} bytes", path=uri, offset=f"line {number}")
