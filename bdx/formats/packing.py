"""Output packed as its name says: gzip, bzip2, xz or zstd, the same bytes for the same data."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

PACKINGS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}


def split(name: str) -> tuple[str, str]:
    """Return (name without the suffix of a packing, the packing), the packing "" where the name has none."""
    for suffix, packing in PACKINGS.items():
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], packing
    return name, ""


@contextmanager
def packed(sink: BinaryIO, packing: str) -> Iterator[BinaryIO]:
    """Give a stream whose bytes reach the sink packed; the sink itself stays open."""
    if packing == "gzip":
        with gzip.GzipFile(filename="", fileobj=sink, mode="wb", mtime=0, compresslevel=6) as stream:
            yield cast(BinaryIO, stream)
    elif packing == "bzip2":
        with bz2.BZ2File(sink, "wb") as second:
            yield cast(BinaryIO, second)
    elif packing == "xz":
        with lzma.LZMAFile(sink, "wb") as third:
            yield cast(BinaryIO, third)
    elif packing == "zstd":
        import pyarrow as pa

        stream = pa.CompressedOutputStream(pa.PythonFile(_Kept(sink), "w"), "zstd")
        yield stream
        stream.close()
    else:
        yield sink


class _Kept:
    """A sink that stays open when what writes to it is closed."""

    closed = False

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink

    def write(self, data: bytes) -> int:
        return self._sink.write(data)

    def flush(self) -> None:
        self._sink.flush()

    def close(self) -> None:
        self.flush()
