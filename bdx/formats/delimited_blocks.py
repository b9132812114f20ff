"""A byte stream in any encoding -> blocks of whole lines in UTF-8, with the number of their first line; memory stays flat."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from bdx.errors import CorruptSource
from bdx.formats.delimited_probe import Dialect
from bdx.formats.delimited_quotes import Quotes
from bdx.formats.source import Source

_CHUNK = 4 << 20
_LONGEST_LINE = 64 << 20
_REPLACED = "\ufffd".encode()


@dataclass(slots=True)
class Block:
    """Whole rows. `first_line` counts from 1 in the file; only the last block may end without a line break.

    `breaks`: a quoted cell may hold a line break; `last`: the file ends here.
    """

    data: bytes
    first_line: int
    breaks: bool = False
    last: bool = False


def blocks(source: Source, dialect: Dialect, widths: frozenset[int] = frozenset(), *, prose: bool = False) -> Iterator[Block]:
    """Yield the lines after the header in blocks of a few megabytes; a row has the width of the header, or one of those given.

    NUL bytes are left out and bytes outside the encoding replaced; both are logged, as is a last line without an
    end whose last cell is shorter than the one above it.
    Raises: CorruptSource where no line ends within 64 MiB.
    """
    newline = dialect.newline.encode()
    quotes = Quotes(source, dialect, widths or frozenset({len(dialect.headings)}), prose)
    line = 1
    rest = before = b""
    held: Block | None = None
    with source.stream() as stream:
        for chunk, replaced in _decoded(stream, dialect):
            data = rest + (chunk.replace(b"\r", b"\n") if dialect.carriage else chunk)
            if replaced:
                at = line + data.count(newline, 0, data.index(_REPLACED))
                source.log.find("F044", source=source.uri, locator=f"line {at}", count=replaced, value=dialect.encoding)
            data = _without_nuls(data, line, newline, source)
            dropped, data = _without_lines(data, dialect.first_line - line, newline)
            line += dropped
            whole, rest = quotes.settle(data, line, final=False) if line >= dialect.first_line else (b"", data)
            if not whole and len(rest) > _LONGEST_LINE:
                raise CorruptSource("no line ends within 64 MiB; expected lines of text", path=source.uri, offset=f"line {line}")
            if whole:
                before = whole[whole.rfind(newline, 0, len(whole) - 1) + 1 :]
                if held is not None:
                    yield held
                held = Block(whole, line, quotes.breaks)
                line += whole.count(newline)
    if rest and line >= dialect.first_line:
        whole, _ = quotes.settle(rest, line, final=True)
        _report_cut(source, dialect, before, whole, line)
        if held is not None:
            yield held
        held = Block(whole, line, quotes.breaks)
    if held is not None:
        held.last = True
        yield held


def _report_cut(source: Source, dialect: Dialect, before: bytes, rest: bytes, line: int) -> None:
    """Log a last line without an end whose last cell is shorter than the one above it."""
    newline = dialect.newline.encode()
    above, _, last = rest.rpartition(newline)
    before = above[above.rfind(newline) + 1 :] if above else before
    apart = dialect.separator.encode()
    if last.count(apart) != before.count(apart):
        return
    if 0 < _last_cell(last, dialect) < _last_cell(before, dialect):
        shown = last[-40:].decode("utf-8", "replace").strip()
        source.log.find("F049", source=source.uri, locator=f"line {line + rest.count(newline)}", value=shown)


def _last_cell(line: bytes, dialect: Dialect) -> int:
    """Return the length of the last cell of a line."""
    return len(line.rpartition(dialect.separator.encode())[2].strip())


def _without_lines(data: bytes, count: int, newline: bytes) -> tuple[int, bytes]:
    """Return how many of the first lines, `count` at most, are whole and were left out, and the data after them."""
    start = dropped = 0
    while dropped < count:
        end = data.find(newline, start)
        if end < 0:
            break
        start = end + 1
        dropped += 1
    return dropped, data[start:] if start else data


def _without_nuls(data: bytes, line: int, newline: bytes, source: Source) -> bytes:
    if b"\0" not in data:
        return data
    at = line + data.count(newline, 0, data.index(b"\0"))
    source.log.find("F043", source=source.uri, locator=f"line {at}", count=data.count(b"\0"))
    return data.replace(b"\0", b"")


def _decoded(stream: BinaryIO, dialect: Dialect) -> Iterator[tuple[bytes, int]]:
    """Yield the stream in UTF-8 without a byte order mark, and how many characters were replaced; ASCII passes untouched."""
    encoding = "utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding
    ascii_alike = not encoding.startswith("utf-16")
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    first = True
    while chunk := stream.read(_CHUNK):
        raw = chunk.removeprefix(codecs.BOM_UTF8) if first and encoding == "utf-8" else chunk
        first = False
        if ascii_alike and not decoder.getstate()[0] and raw.isascii():
            yield raw, 0
            continue
        already = (decoder.getstate()[0] + raw).count(_REPLACED) if encoding == "utf-8" else 0
        data = decoder.decode(raw).encode()
        yield data, data.count(_REPLACED) - already
    tail = decoder.decode(b"", final=True).encode()
    if tail:
        yield tail, tail.count(_REPLACED)
