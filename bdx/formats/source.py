"""A source of bytes: a file or standard input, opened once, hashed on the side, with room for a driver's remarks."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from bdx.canon import Log
from bdx.errors import SourceError
from bdx.formats import packed
from bdx.formats.lines import Lines

HEAD_BYTES = 65_536


class Source:
    """One input. `uri` is what the user wrote ("-" reads as "<stdin>"); `head` holds the first 64 KiB.

    A driver calls `stream()` to read forward, `seekable()` where it must jump (standard input is then spooled to
    a temporary file), and `log.find(code, ...)` to remark on the bytes without stopping. gzip, bzip2, xz and zstd are read as what
    they hold; `path` is then None, as for standard input, and a driver that opens it by name uses `seekable()`.
    `assume_tz` is the zone of times that state none, where the user says so.
    `lines` is set by a driver whose records stand on lines of text.
    Where `unread` is set, a driver of records hands it each that cannot be read (its bytes, the fault, the place) and goes on.
    Raises: SourceError where the path does not exist, is a directory or may not be read.
    """

    def __init__(self, uri: str, log: Log | None = None, stdin: BinaryIO | None = None) -> None:
        # A name that is no text is shown with marks in place of its odd bytes; it is opened as it stands.
        self.uri = "<stdin>" if uri == "-" else os.fsencode(uri).decode("utf-8", "replace")
        self.log = log if log is not None else Log()
        self.source_id = "s1"
        self.assume_tz = ""
        self.unread: Callable[[bytes | None, SourceError, str], None] | None = None
        self.path: Path | None = None if uri == "-" else Path(uri)
        self.packing = ""
        self.lines: Lines | None = None
        self._file = self.path
        self._member = ""
        self._stdin = stdin
        self._head: bytes | None = b""
        self._raw_head = b""
        self._raw_spool: BinaryIO | None = None
        self._spool: BinaryIO | None = None
        self._copies: list[BinaryIO] = []
        self._closing = weakref.finalize(self, _close, self._copies)
        self._hash: threading.Thread | None = None
        self._digest = hashlib.sha256()
        self._length = 0
        if self.path is not None and self.path.is_dir():
            self.head = b""
            return
        if self.path is None:
            if stdin is None and sys.stdin is None:
                raise SourceError("standard input is closed; give a path", path=self.uri)
            self._stdin = stdin or sys.stdin.buffer
            self.head = self._raw_head = _read_up_to(self._stdin, HEAD_BYTES)
        else:
            try:
                with self.path.open("rb") as file:
                    self.head = self._raw_head = _read_up_to(file, HEAD_BYTES)
            except OSError as error:
                raise SourceError(f"cannot be read: {error.strerror or error}", path=self.uri) from error
        if packing := packed.kind(self.head):
            self._unpack(packing)

    @property
    def head(self) -> bytes:
        """The first 64 KiB."""
        if self._head is None:
            assert self._file is not None
            try:
                with self._file.open("rb") as file:
                    self._head = self._raw_head = _read_up_to(file, HEAD_BYTES)
            except OSError as error:
                raise SourceError(f"cannot be read: {error.strerror or error}", path=self.uri) from error
        return self._head

    @head.setter
    def head(self, data: bytes) -> None:
        self._head = data

    def rest(self) -> None:
        """Let go of the head of a plain file until it is asked for again: thousands of sources may wait for their turn."""
        if self._file is not None and not self.packing and not self.is_directory:
            self._head, self._raw_head = None, b""

    def unzip(self) -> bool:
        """Read the only file of a ZIP instead of the ZIP, from now on; return whether it holds just one."""
        if self.packing or not self.head.startswith(b"PK\x03\x04"):
            return False
        with self._raw(jump=True) as raw:
            self._member = packed.single_member(raw, self.uri)
        if self._member:
            self._unpack("zip")
        return bool(self._member)

    def _unpack(self, packing: str) -> None:
        self.packing, self.path = packing, None
        if self._stdin is not None:
            # What was read of a pipe for its head cannot be read again: the packed bytes are kept.
            self._spool_raw()
        with self.stream() as stream:
            self.head = _read_up_to(stream, HEAD_BYTES)

    @property
    def is_directory(self) -> bool:
        """Whether the source is a folder: a data set, or one of documents."""
        return self.path is not None and self.path.is_dir()

    @property
    def size(self) -> int | None:
        """Length in bytes, or None for a stream that has not been spooled."""
        if self.path is not None and not self.is_directory:
            return self.path.stat().st_size
        return None

    def stream(self) -> BinaryIO:
        """Return a binary stream from the first byte, read forward once."""
        if self.packing == "zip":
            return packed.member(self._raw(jump=True), self._member, self.uri)
        if self.packing:
            return packed.opened(self._raw(), self.packing, self.uri)
        return self._raw()

    def seekable(self) -> BinaryIO:
        """Return a binary stream that can jump; standard input and what is packed are copied to a temporary file first."""
        if self.path is not None:
            return self._raw()
        if not self.packing:
            return self._raw(jump=True)
        if self._spool is None:
            self._copies.append(spool := tempfile.TemporaryFile())  # noqa: SIM115 - lives as long as the source
            with self.stream() as stream:
                shutil.copyfileobj(stream, spool, 1 << 20)
            self._spool = spool
        return _shared(self._spool)

    def _raw(self, *, jump: bool = False) -> BinaryIO:
        """Return the bytes as they came, packed or not."""
        if self._file is not None:
            self._hash_in_background()
            return self._file.open("rb")
        if jump:
            self._spool_raw()
        if self._raw_spool is not None:
            return _shared(self._raw_spool)
        assert self._stdin is not None
        return io.BufferedReader(_Replay(self._raw_head, self._stdin, self._count))

    def _spool_raw(self) -> None:
        if self._raw_spool is None:
            assert self._stdin is not None
            self._copies.append(spool := tempfile.TemporaryFile())  # noqa: SIM115 - lives as long as the source
            shutil.copyfileobj(io.BufferedReader(_Replay(self._raw_head, self._stdin, self._count)), spool, 1 << 20)
            self._raw_spool = spool

    def sha256(self) -> tuple[str, int]:
        """Return the SHA-256 and length of all bytes; waits for the hash that runs beside the reading."""
        if self._file is not None and not self.is_directory:
            self._hash_in_background()
            assert self._hash is not None
            self._hash.join()
        return self._digest.hexdigest(), self._length

    def close(self) -> None:
        """Let go of temporary copies."""
        self._closing()

    def _count(self, data: bytes) -> None:
        self._digest.update(data)
        self._length += len(data)

    def _hash_in_background(self) -> None:
        if self._hash is None:
            self._hash = threading.Thread(target=self._hash_file, daemon=True)
            self._hash.start()

    def _hash_file(self) -> None:
        assert self._file is not None
        try:
            with self._file.open("rb", buffering=0) as file:
                while data := file.read(1 << 20):
                    self._count(data)
        except OSError:
            # The reader meets the same fault on the same file and reports it with its place.
            return


def _close(copies: list[BinaryIO]) -> None:
    for copy in copies:
        copy.close()


class _Replay(io.RawIOBase):
    """The bytes already peeked, then the rest of a stream that cannot seek."""

    def __init__(self, head: bytes, rest: BinaryIO, seen: object) -> None:
        self._head = head
        self._rest = rest
        self._seen = seen

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        if self._head:
            data, self._head = self._head[: len(view)], self._head[len(view) :]
        else:
            data = self._rest.read(len(view)) or b""
        view[: len(data)] = data
        if data:
            self._seen(data)  # type: ignore[operator]
        return len(data)


class _View(io.RawIOBase):
    """A place of its own in a file that others read too."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence)
        self._at = max(0, (self._file.seek(0, io.SEEK_END) if start is None else start) + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        self._file.seek(self._at)
        data = self._file.read(len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def _shared(spool: BinaryIO) -> BinaryIO:
    """Return a stream of its own over a temporary file, from the first byte; closing it leaves the file."""
    return io.BufferedReader(_View(spool), 1 << 16)


def _read_up_to(file: BinaryIO, count: int) -> bytes:
    parts = []
    while count > 0 and (data := file.read(count)):
        parts.append(data)
        count -= len(data)
    return b"".join(parts)
