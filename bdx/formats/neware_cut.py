"""A ZIP that lost its end -> the members before the cut, the last one as far as it goes."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

from bdx.errors import UnsafeSource

_HEADER = struct.Struct("<4sHHHHHIIIHH")
_LOCAL, _DESCRIPTOR = b"PK\x03\x04", b"PK\x07\x08"
_STORED, _DEFLATED = 0, 8
_PIECE = 1 << 20
_UNKNOWN = 0xFFFFFFFF


def members(file: BinaryIO, size: int, limit: int, path: str) -> tuple[dict[str, bytes], str]:
    """Return name -> bytes of the members whose headers stand before the end of the file, and which of them is not whole.

    Raises: UnsafeSource where they unpack to more than `limit` bytes.
    """
    found: dict[str, bytes] = {}
    partial = ""
    place = 0
    while place + _HEADER.size <= size:
        file.seek(place)
        mark, _, flags, method, _, _, _, packed, _, name_bytes, extra = _HEADER.unpack(file.read(_HEADER.size))
        if mark != _LOCAL or flags & 1 or method not in (_STORED, _DEFLATED):
            break
        name = file.read(name_bytes).decode("utf-8", "replace")
        start = place + _HEADER.size + name_bytes + extra
        streamed = bool(flags & 8) and not packed
        if method == _STORED and streamed:
            break
        room = size - start if streamed or packed == _UNKNOWN else min(packed, size - start)
        room = max(room, 0)
        left = limit - sum(len(data) for data in found.values())
        unpack = _inflated if method == _DEFLATED else _copied
        data, used, whole = unpack(file, start, room, left, path)
        found.setdefault(name, data)
        partial = "" if whole and (streamed or used == packed) else name
        place = start + used + (_descriptor(file, start + used) if flags & 8 else 0)
    return found, partial


def _copied(file: BinaryIO, start: int, room: int, left: int, path: str) -> tuple[bytes, int, bool]:
    if room > left:
        raise UnsafeSource(f"unpacks to more than {left} bytes", path=path, offset=start)
    file.seek(start)
    return file.read(room), room, True


def _inflated(file: BinaryIO, start: int, room: int, left: int, path: str) -> tuple[bytes, int, bool]:
    """Return what a deflated stream holds up to its end, its first fault or the end of the file, its length and whether it ended."""
    stream, out, done = zlib.decompressobj(-15), bytearray(), 0
    file.seek(start)
    while done < room and not stream.eof:
        piece = file.read(min(_PIECE, room - done))
        if not piece:
            break
        done += len(piece)
        try:
            out += stream.decompress(piece, left + 1 - len(out))
        except zlib.error:
            break
        if len(out) > left:
            raise UnsafeSource(f"unpacks to more than {left} bytes", path=path, offset=start)
    return bytes(out), done - len(stream.unused_data), stream.eof


def _descriptor(file: BinaryIO, place: int) -> int:
    """Return the length of the sums that follow a member whose header left them out."""
    file.seek(place)
    return 16 if file.read(4) == _DESCRIPTOR else 12
