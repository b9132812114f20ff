"""The lines of a Q-DAS text: bytes in any of its encodings -> blocks of whole lines in UTF-8, with the K-field of each line taken apart."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx.errors import CorruptSource, TruncatedSource, UnsafeSource
from bdx.formats.source import Source
from bdx.spec import Facts

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

BLOCK = 1 << 19
"""Bytes read at a time."""
SI, DC4 = 15, 20
"""What stands between the characteristics of a line of values, and between the fields of one."""
_WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
BLANK = np.isin(np.arange(256), np.frombuffer(b" \t\x00\x1a", np.uint8))
_NUMERIC = np.isin(np.arange(256), np.frombuffer(b"0123456789+-.,\x0f\x14", np.uint8))
_DIGITS = 9
"""Digits an index may have."""


def wide_encoding(head: bytes) -> str:
    """Return the encoding of two bytes per character that a text starts in, or an empty string."""
    for mark, name in _WIDE.items():
        if head.startswith(mark):
            return name
    return {b"K\0": "utf-16-le", b"\0K": "utf-16-be"}.get(head[:2], "")


@dataclass(slots=True)
class Block:
    """Whole lines: `data` in UTF-8 with a line feed after each, the first of them line `first` of the source (from 1)."""

    data: bytes
    first: int
    buffer: Bytes
    starts: Ints
    ends: Ints

    def line(self, index: int) -> bytes:
        """Return one line, by its place in the block."""
        return self.data[int(self.starts[index]) : int(self.ends[index])]


def block_of(data: bytes, first: int) -> Block:
    """Return the block of some bytes that end in a line feed; blanks before the first letter of a line are no part of it."""
    buffer = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(buffer == 10)
    starts = np.empty_like(ends)
    starts[:1] = 0
    starts[1:] = ends[:-1] + 1
    while True:
        indented = (starts < ends) & BLANK[buffer[np.minimum(starts, len(buffer) - 1)]]
        if not indented.any():
            return Block(data, first, buffer, starts, ends)
        starts = starts + indented


@dataclass(slots=True)
class Keys:
    """The K-fields of the lines of a block, by line: what is no K-field has key -1, a line that only looks like one -2.

    `index` is 1 where none is written, `nth` (the number of the value) -1; the text starts at `text`.
    """

    key: Ints
    index: Ints
    nth: Ints
    text: Ints


def keys_of(block: Block) -> Keys:
    """Return the K-field that each line starts with."""
    buffer, starts, ends = block.buffer, block.starts, block.ends
    count, last = len(starts), len(buffer) - 1
    key = np.full(count, -1, np.int64)
    index, nth, text = np.ones(count, np.int64), np.full(count, -1, np.int64), starts.copy()
    rows = np.flatnonzero((starts < ends) & (buffer[np.minimum(starts, last)] == ord("K")))
    if not len(rows):
        return Keys(key, index, nth, text)
    at, end = starts[rows], ends[rows]
    number, good = np.zeros(len(rows), np.int64), end - at >= 5
    for place in range(1, 5):
        digit = buffer[np.minimum(at + place, last)].astype(np.int64) - 48
        good &= (digit >= 0) & (digit <= 9)
        number = number * 10 + digit
    at = at + 5
    first, at, well = _number(buffer, at, end, good)
    second, at, also = _number(buffer, at, end, good & (first >= 0))
    good &= well & also & ((at >= end) | BLANK[buffer[np.minimum(at, last)]])
    key[rows] = np.where(good, number, -2)
    index[rows] = np.where(first < 0, 1, first)
    nth[rows] = second
    text[rows] = np.minimum(at + 1, end)
    return Keys(key, index, nth, text)


def _number(buffer: Bytes, at: Ints, end: Ints, asked: Flags) -> tuple[Ints, Ints, Flags]:
    """Return the numbers behind a slash (-1 where there is no slash), where they end, and whether a slash has a number."""
    last = len(buffer) - 1
    slash = asked & (at < end) & (buffer[np.minimum(at, last)] == ord("/"))
    at = at + slash
    value, going = np.where(slash, 0, -1), slash.copy()
    digits = np.zeros(len(at), np.int64)
    for _ in range(_DIGITS):
        if not going.any():
            break
        digit = buffer[np.minimum(at, last)].astype(np.int64) - 48
        going &= (at < end) & (digit >= 0) & (digit <= 9)
        value = np.where(going, value * 10 + digit, value)
        digits, at = digits + going, at + going
    # "K1001/ part" is written for an empty index: it is that of the first.
    empty = slash & (digits == 0)
    closed = (at >= end) | BLANK[buffer[np.minimum(at, last)]]
    return np.where(empty, -1, value), at, ~empty | closed


def spans(buffer: Bytes, starts: Ints, ends: Ints) -> pa.StringArray:
    """Return the texts between places of a buffer that are in order and do not overlap; an empty text is null.

    Shape: one value per span.
    """
    lengths = ends - starts
    change = np.zeros(len(buffer) + 1, np.int8)
    filled = lengths > 0
    # Two spans may touch: the end of the one is the start of the other, and nothing changes there.
    change[starts[filled]] += 1
    change[ends[filled]] -= 1
    inside = np.cumsum(change[:-1], dtype=np.int8).view(np.bool_)
    offsets = np.zeros(len(starts) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    valid = pa.py_buffer(np.packbits(filled, bitorder="little"))
    return pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(buffer[inside]), valid)


def value_lines(block: Block, keys: Keys) -> Flags:
    """Say of each line whether it holds values without K-fields: it starts like a number or holds a separator."""
    begins = block.buffer[np.minimum(block.starts, len(block.buffer) - 1)]
    plain = (keys.key == -1) & (block.starts < block.ends)
    found = plain & _NUMERIC[begins]
    for row in np.flatnonzero(plain & ~found).tolist():
        line = block.line(row)
        found[row] = bytes([SI]) in line or bytes([DC4]) in line
    return found  # type: ignore[no-any-return]


def blocks(source: Source, encoding: str, facts: Facts, size: int = BLOCK) -> Iterator[Block]:
    """Yield the lines of a source in blocks of about `size` bytes, one feed at the end of each line whatever it was.

    `encoding` is that of the bytes; an empty one leaves them as they are, where nobody knows it yet.
    Raises: UnsafeSource for a line beyond all bounds, CorruptSource and TruncatedSource for half characters.
    """
    most = facts["limits"]["line_bytes"]
    with source.seekable() as stream:
        first, kept = 1, b""
        for data in _feeds(_texts(stream, encoding, source, size)):
            kept += data
            cut = kept.rfind(b"\n") + 1
            if not cut:
                if len(kept) > most:
                    raise UnsafeSource(f"line {first} is longer than {most:,} bytes", path=source.uri, offset=f"line {first}")
                continue
            block = block_of(kept[:cut], first)
            yield block
            first, kept = first + len(block.ends), kept[cut:]
        if kept:
            yield block_of(kept + b"\n", first)


def _feeds(texts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the texts with every end of line as one line feed."""
    kept = b""
    for text in texts:
        data = kept + text
        kept = b"\r" if data.endswith(b"\r") else b""
        data = data.removesuffix(kept)
        yield data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data
    if kept:
        yield b"\n"


def _texts(stream: BinaryIO, encoding: str, source: Source, size: int) -> Iterator[bytes]:
    """Yield the bytes of a stream in UTF-8."""
    plain, wide = encoding in ("", "utf-8"), encoding in _WIDE.values()
    decoder: Any = None if plain else codecs.getincrementaldecoder(encoding)()
    offset = 0
    while data := stream.read(size):
        if decoder is None or (not wide and data.isascii()):
            yield data.removeprefix(codecs.BOM_UTF8) if not offset else data
            offset += len(data)
            continue
        try:
            text = decoder.decode(data)
        except UnicodeDecodeError as error:
            raise CorruptSource(f"holds a character that is not {encoding}", path=source.uri, offset=offset + error.start) from error
        yield text.removeprefix("\ufeff").encode() if not offset else text.encode()
        offset += len(data)
    if decoder is not None and decoder.getstate()[0]:
        raise TruncatedSource(f"ends inside a character ({encoding})", path=source.uri, offset=offset)
