"""Compressed sources: gzip, bzip2, xz, zstd and a ZIP that holds one file are read as what is inside, with the swell of a bomb refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from typing import BinaryIO, cast

from bdx.errors import CorruptSource, SourceError, TruncatedSource, UnsafeSource

ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError, KeyError)
"""What Python's reader of ZIP archives raises over bytes that are none, are cut or are damaged."""
_MAGIC: dict[bytes, str] = {b"\x1f\x8b\x08": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


def _zstd(raw: BinaryIO) -> io.IOBase:
    import pyarrow as pa

    return cast(io.IOBase, pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"))


_OPEN: dict[str, Callable[[BinaryIO], io.IOBase]] = {
    "gzip": lambda raw: gzip.GzipFile(fileobj=raw),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zstd": _zstd,
}
_MOST_RATIO = 400
_FREE = 256 << 20
"""A stream may swell to this size whatever its ratio; beyond it, tables of numbers never reach _MOST_RATIO."""


def kind(head: bytes) -> str:
    """Return gzip, bzip2, xz or zstd by the first bytes, or an empty string."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def opened(raw: BinaryIO, packing: str, path: str) -> BinaryIO:
    """Return a stream of the bytes inside; its reads raise CorruptSource, TruncatedSource or UnsafeSource."""
    counted = _Counted(raw)
    return io.BufferedReader(_Unpacked(_OPEN[packing](cast(BinaryIO, counted)), counted, path), 1 << 18)


def single_member(raw: BinaryIO, path: str) -> str:
    """Return the name of the only file in a ZIP, or an empty string where it holds none or several, or is no ZIP.

    Raises: UnsafeSource for a member that says it is far larger than its bytes.
    """
    try:
        with zipfile.ZipFile(raw) as archive:
            files = [item for item in archive.infolist() if not item.filename.endswith("/") and not item.filename.startswith("__MACOSX/")]
            if len(files) != 1 or files[0].flag_bits & 1:
                return ""
            if files[0].file_size > _FREE and files[0].file_size > _MOST_RATIO * max(files[0].compress_size, 1):
                raise UnsafeSource(f"member {files[0].filename} would swell to {files[0].file_size:,} bytes", path=path)
            return files[0].filename
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError):
        # Not a ZIP that Python reads: the formats that start with PK name the fault in their own words.
        return ""


def member(raw: BinaryIO, name: str, path: str) -> BinaryIO:
    """Return a stream of one member of a ZIP."""
    try:
        archive = zipfile.ZipFile(raw)  # closed with the stream it gives
        stream = archive.open(name)
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError, NotImplementedError) as error:
        raw.close()
        raise CorruptSource(f"member {name} cannot be read: {error}", path=path) from error
    size = archive.getinfo(name).compress_size
    return io.BufferedReader(_Unpacked(cast(io.IOBase, stream), _Fixed(size, raw), path), 1 << 18)


class _Fixed:
    """A count of packed bytes that is known beforehand."""

    def __init__(self, taken: int, raw: BinaryIO) -> None:
        self.taken = taken
        self._raw = raw

    def close(self) -> None:
        self._raw.close()


class _Counted(io.RawIOBase):
    """A raw stream that counts what was taken from it."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self._raw.read(len(view)) or b""
        view[: len(data)] = data
        self.taken += len(data)
        return len(data)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Unpacked(io.RawIOBase):
    """The bytes inside; faults of the packing become errors of the source."""

    def __init__(self, inner: io.IOBase, counted: _Counted | _Fixed, path: str) -> None:
        self._inner = inner
        self._counted = counted
        self._path = path
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._inner.read(len(view)) or b""  # type: ignore[attr-defined]
        except EOFError as error:
            raise TruncatedSource("the compressed data end too early", path=self._path, offset=self._given) from error
        except SourceError:
            raise
        except OSError as error:
            if "Truncated" in str(error):
                raise TruncatedSource("the compressed data end too early", path=self._path, offset=self._given) from error
            raise CorruptSource(f"the compressed data are damaged: {error}", path=self._path, offset=self._given) from error
        except (zlib.error, lzma.LZMAError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise CorruptSource(f"the compressed data are damaged: {error}", path=self._path, offset=self._given) from error
        view[: len(data)] = data
        self._given += len(data)
        if self._given > _FREE and self._given > _MOST_RATIO * max(self._counted.taken, 1):
            raise UnsafeSource(f"{self._counted.taken:,} bytes swell to more than {self._given:,}", path=self._path)
        return len(data)

    def close(self) -> None:
        self._inner.close()
        self._counted.close()
        super().close()
