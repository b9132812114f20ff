"""A source of bytes: a file or standard input, opened once, hashed on the side, with room for a driver's remarks."""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import BinaryIO

from bdx.canon import Log
from bdx.errors import SourceError

HEAD_BYTES = 65_536


class Source:
    """One input. `uri` is what the user wrote ("-" reads as "<stdin>"); `head` holds the first 64 KiB.

    A driver calls `stream()` to read forward, `seekable()` where it must jump (standard input is then spooled to
    a temporary file), and `log.find(code, ...)` to remark on the bytes without stopping.
    Raises: SourceError where the path does not exist, is a directory or may not be read.
    """

    def __init__(self, uri: str, log: Log | None = None, stdin: BinaryIO | None = None) -> None:
        self.uri = "<stdin>" if uri == "-" else uri
        self.log = log if log is not None else Log()
        self.source_id = "s1"
        self.path: Path | None = None if uri == "-" else Path(uri)
        self._stdin = stdin
        self._spool: BinaryIO | None = None
        self._hash: threading.Thread | None = None
        self._digest = hashlib.sha256()
        self._length = 0
        if self.path is None:
            self._stdin = stdin or sys.stdin.buffer
            self.head = _read_up_to(self._stdin, HEAD_BYTES)
            return
        if self.path.is_dir():
            self.head = b""
            return
        try:
            with self.path.open("rb") as file:
                self.head = _read_up_to(file, HEAD_BYTES)
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror or error}", path=self.uri) from error

    @property
    def is_directory(self) -> bool:
        """Whether the source is a folder (only the dataset format reads one)."""
        return self.path is not None and self.path.is_dir()

    @property
    def size(self) -> int | None:
        """Length in bytes, or None for a stream that has not been spooled."""
        if self.path is not None and not self.is_directory:
            return self.path.stat().st_size
        return None

    def stream(self) -> BinaryIO:
        """Return a binary stream from the first byte, read forward once."""
        if self.path is not None:
            self._hash_in_background()
            return self.path.open("rb")
        if self._spool is not None:
            self._spool.seek(0)
            return self._spool
        assert self._stdin is not None
        return io.BufferedReader(_Replay(self.head, self._stdin, self._count))

    def seekable(self) -> BinaryIO:
        """Return a binary stream that can jump; standard input is copied to a temporary file first."""
        if self.path is not None:
            return self.stream()
        if self._spool is None:
            spool = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the source
            shutil.copyfileobj(self.stream(), spool, 1 << 20)
            self._spool = spool
        self._spool.seek(0)
        return self._spool

    def sha256(self) -> tuple[str, int]:
        """Return the SHA-256 and length of all bytes; waits for the hash that runs beside the reading."""
        if self.path is not None and not self.is_directory:
            self._hash_in_background()
            assert self._hash is not None
            self._hash.join()
        return self._digest.hexdigest(), self._length

    def close(self) -> None:
        """Let go of the temporary copy of standard input."""
        if self._spool is not None:
            self._spool.close()

    def _count(self, data: bytes) -> None:
        self._digest.update(data)
        self._length += len(data)

    def _hash_in_background(self) -> None:
        if self._hash is None:
            self._hash = threading.Thread(target=self._hash_file, daemon=True)
            self._hash.start()

    def _hash_file(self) -> None:
        assert self.path is not None
        try:
            with self.path.open("rb", buffering=0) as file:
                while data := file.read(1 << 20):
                    self._count(data)
        except OSError:
            # The reader meets the same fault on the same file and reports it with its place.
            return


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


def _read_up_to(file: BinaryIO, count: int) -> bytes:
    parts = []
    while count > 0 and (data := file.read(count)):
        parts.append(data)
        count -= len(data)
    return b"".join(parts)
