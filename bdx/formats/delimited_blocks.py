"""A byte stream in any encoding -> blocks of whole lines in UTF-8, with the number of their first line; memory stays flat."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from bdx.errors import CorruptSource
from bdx.formats.delimited_probe import Dialect
from bdx.formats.source import Source

_CHUNK = 4 << 20
_LONGEST_LINE = 64 << 20
_REPLACED = "\ufffd".encode()


@dataclass(slots=True)
class Block:
    """Whole lines of rows. `first_line` counts from 1 in the file; only the last block may end without a line break."""

    data: bytes
    first_line: int


def blocks(source: Source, dialect: Dialect) -> Iterator[Block]:
    """Yield the lines after the header in blocks of a few megabytes.

    NUL bytes are left out and bytes outside the encoding replaced; both are logged, as is a last line without an
    end whose last cell is shorter than the one above it.
    Raises: CorruptSource where no line ends within 64 MiB.
    """
    newline = dialect.newline.encode()
    line = 1
    rest = before = b""
    with source.stream() as stream:
        for chunk, replaced in _decoded(stream, dialect):
            data = rest + chunk
            if replaced:
                at = line + data.count(newline, 0, data.index(_REPLACED))
                source.log.find("F044", source=source.uri, locator=f"line {at}", count=replaced, value=dialect.encoding)
            cut = data.rfind(newline) + 1
            if not cut and len(data) > _LONGEST_LINE:
                raise CorruptSource("no line ends within 64 MiB; expected lines of text", path=source.uri, offset=f"line {line}")
            whole, rest = data[:cut], data[cut:]
            if whole:
                before = whole[whole.rfind(newline, 0, len(whole) - 1) + 1 :]
                yield from _after_header(_without_nuls(whole, line, newline, source), line, dialect)
                line += whole.count(newline)
    if rest:
        if line > dialect.first_line and 0 < _last_cell(rest, dialect) < _last_cell(before, dialect):
            shown = rest[-40:].decode("utf-8", "replace").strip()
            source.log.find("F049", source=source.uri, locator=f"line {line}", value=shown)
        yield from _after_header(_without_nuls(rest, line, newline, source), line, dialect)


def _last_cell(line: bytes, dialect: Dialect) -> int:
    """Return the length of the last cell of a line."""
    return len(line.rpartition(dialect.separator.encode())[2].strip())


def _after_header(data: bytes, line: int, dialect: Dialect) -> Iterator[Block]:
    """Yield the block without the lines before the first row."""
    newline = dialect.newline.encode()
    start = 0
    while line < dialect.first_line:
        end = data.find(newline, start)
        if end < 0:
            return
        start = end + 1
        line += 1
    if start < len(data):
        yield Block(data[start:] if start else data, line)


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
