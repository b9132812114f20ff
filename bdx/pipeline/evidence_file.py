"""The evidence that stays with a passport: a file of JSON lines beside it, which appears with it or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import pyarrow as pa

from bdx import __version__
from bdx.canon import Chunk
from bdx.errors import BdxError, SinkError
from bdx.formats.canonical import concat
from bdx.formats.sink import Destination, same_path
from bdx.pipeline.evidence_lines import SCHEMA, lines, of_records
from bdx.pipeline.reading import Opened, source_row
from bdx.spec import FormatSpec

ENDING = ".evidence.jsonl"

_HELD = 4 << 20
"""Bytes of lines that wait in memory; what is longer stands behind room for the header,"""
_ROOM = 1 << 16
"""which is this long, or made wider at the end."""
_ROWS = 32_768
"""Rows that become lines at a time."""
_STEP = 8 << 20


def beside(destination: str) -> str:
    """Return where the evidence of a document or a folder of documents stands."""
    return destination.rstrip("/\\") + ENDING


def place(asked: str | Path | None, destination: str, target: FormatSpec) -> str:
    """Return where evidence goes: where it is asked for, nowhere for None, else beside documents that become files."""
    if asked or asked is None:
        return str(asked or "")
    path = Path(destination)
    is_file = destination != "-" and (path.is_file() or path.is_dir() or not path.exists())
    return beside(destination) if target.world == "passport" and is_file else ""


class EvidenceFile:
    """Takes the evidence out of a stream of chunks and writes it, once the document it belongs to is whole.

    `path` is where it goes, "" for none. It is written where `wanted`, else from the first row of evidence on. As a context
    manager it stands around the destination of the document: where that fails, the evidence goes too, and what stood there
    before is back.
    """

    def __init__(self, path: str, *, force: bool, wanted: bool) -> None:
        self.path = path
        self._force = force
        self._wanted = wanted
        self._lines = _Lines(path, force=force)
        self._sources: dict[str, dict[str, Any]] = {}
        self._hashed: _Hashed | None = None
        self._older: Path | None = None
        self._written = False

    @property
    def rows(self) -> int:
        """How many rows were taken."""
        return self._lines.rows

    @property
    def written(self) -> str:
        """The path, where evidence was written."""
        return self.path if self._written else ""

    def __enter__(self) -> EvidenceFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lines.drop()
        if error is not None and self._written:
            self._written = False
            Path(self.path).unlink(missing_ok=True)
            if self._older is not None:
                self._older.replace(self.path)
        elif self._older is not None:
            self._older.unlink(missing_ok=True)

    def beginning(self, sink: Any, destination: str, sources: Sequence[str]) -> Any:
        """Return the sink of the document; for standard output, whose bytes cannot be read again, one that counts them.

        Raises: SinkError where the evidence exists and `force` was not given, or it would be a source or the document itself.
        """
        if self.path == "-":
            raise SinkError("evidence goes to a file, not to standard output; give a path")
        if self.path and any(same_path(self.path, other) for other in (*sources, destination)):
            raise SinkError(f"'{self.path}' is a source or the destination of this run; give the evidence a file of its own")
        if self.path and not self._force and Path(self.path).exists():
            raise SinkError(f"'{self.path}' exists; give --force to replace it, or --no-evidence")
        if destination != "-" or not self.path:
            return sink
        self._hashed = _Hashed(sink)
        return self._hashed

    def watching(self, stream: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks; their evidence is written on the way."""
        if not self.path:
            yield from stream
            return
        for chunk in stream:
            for row in chunk["source"].to_pylist() if "source" in chunk else ():
                self._sources.setdefault(row["source_id"], row)
            self._wanted = self._wanted or bool("evidence" in chunk and chunk["evidence"].num_rows)
            if self._wanted:
                if "battery" in chunk:
                    self._lines.take(of_records(chunk["battery"]))
                if "evidence" in chunk:
                    self._lines.take(chunk["evidence"])
            yield chunk

    def finish(self, sink: Any, document: Mapping[str, Any], opened: Sequence[Opened], options: Mapping[str, Any]) -> None:
        """Write the header and let the file appear; `sink` is the whole document, `document` says its name and format."""
        if not self.path or not self._wanted or not self.rows:
            return
        for item in opened:
            if item.id not in self._sources:
                self._sources[item.id] = source_row(item).to_pylist()[0]
        header = {
            "schema": SCHEMA,
            "bdx": __version__,
            "document": {**document, **self._digest(sink)},
            "rows": self.rows,
            "options": {name: value for name, value in options.items() if value},
            "sources": [{key: _plain(value) for key, value in row.items()} for row in self._sources.values()],
        }
        self._lines.end(json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode())
        self._keep_older()
        self._lines.appear()
        self._written = True

    def _keep_older(self) -> None:
        """Keep what the evidence replaces until the document stands, on file systems that know links."""
        path = Path(self.path)
        if not path.is_file():
            return
        with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", suffix=".old", dir=path.parent) as file:
            older = Path(file.name)
        try:
            older.hardlink_to(path)
        except OSError:
            return
        self._older = older

    def _digest(self, sink: Any) -> dict[str, Any]:
        """Return SHA-256 and length of the document; of a folder those of its files, see `folder_digest`."""
        if self._hashed is not None:
            return {"sha256": self._hashed.digest.hexdigest(), "bytes": self._hashed.length}
        if isinstance(sink, Path):
            return folder_digest(sink)
        sink.flush()
        if not sink.readable() or not sink.seekable():
            return {"sha256": None, "bytes": None}
        length = sink.seek(0, io.SEEK_END)
        sink.seek(0)
        return {"sha256": hashlib.file_digest(sink, "sha256").hexdigest(), "bytes": length}


class _Lines:
    """Rows of evidence on their way into a file whose first line is known last."""

    def __init__(self, path: str, *, force: bool) -> None:
        self.rows = 0
        self._path, self._force = path, force
        self._destination: Destination | None = None
        self._sink: BinaryIO | None = None
        self._held: list[bytes] = []
        self._size = 0
        self._spilled = False
        self._waiting: list[pa.RecordBatch] = []
        self._count = 0

    def take(self, batch: pa.RecordBatch) -> None:
        """Take rows of `evidence`."""
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        self._count += batch.num_rows
        self._waiting.append(batch)
        if self._count >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        """Turn the rows that wait into lines."""
        if not self._waiting:
            return
        whole = concat(self._waiting, self._waiting[0].schema)
        self._waiting, self._count = [], 0
        for start in range(0, whole.num_rows, _ROWS):
            made = lines(whole.slice(start, _ROWS))
            data = made.to_pybytes() if made is not None else b""
            self._size += len(data)
            self._held.append(data)
        if self._size > _HELD:
            sink = self._open()
            if not self._spilled:
                sink.write(b" " * (_ROOM - 1) + b"\n")
            self._spilled = True
            sink.writelines(self._held)
            self._held = []

    def _open(self) -> BinaryIO:
        if self._destination is None:
            self._destination = Destination(self._path, force=self._force)
            self._sink = self._destination.__enter__()
        assert self._sink is not None
        return self._sink

    def end(self, header: bytes) -> None:
        """Write the rows that wait, and the header before all of them."""
        self._flush()
        sink = self._open()
        if not self._spilled:
            sink.writelines([header, b"\n", *self._held])
            return
        missing = len(header) + 1 - _ROOM
        if missing > 0:
            _moved(sink, _ROOM, missing)
        sink.seek(0)
        sink.write(header.ljust(_ROOM - 1) + b"\n")

    def appear(self) -> None:
        """Let the file stand."""
        destination, self._destination = self._destination, None
        if destination is not None:
            destination.__exit__(None, None, None)

    def drop(self) -> None:
        """Leave nothing of a file that does not stand yet."""
        destination, self._destination = self._destination, None
        if destination is not None:
            destination.__exit__(BdxError, BdxError("dropped"), None)


def folder_digest(folder: Path) -> dict[str, Any]:
    """Return SHA-256 over the lines `SHA-256, two blanks, path` of all files of a folder, sorted by path, and their bytes."""
    whole, length, count = hashlib.sha256(), 0, 0
    for path in sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.relative_to(folder).as_posix()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{digest}  ".encode() + os.fsencode(path.relative_to(folder).as_posix()) + b"\n")
        length += path.stat().st_size
        count += 1
    return {"sha256": whole.hexdigest(), "bytes": length, "files": count}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _moved(sink: BinaryIO, start: int, by: int) -> None:
    """Move everything from `start` on further down, the end first."""
    end = sink.seek(0, io.SEEK_END)
    while end > start:
        size = min(_STEP, end - start)
        sink.seek(end - size)
        data = sink.read(size)
        sink.seek(end - size + by)
        sink.write(data)
        end -= size


class _Hashed(io.RawIOBase):
    """Standard output with the SHA-256 and the number of the bytes that went there."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.digest = hashlib.sha256()
        self.length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._sink.write(data)
        self.digest.update(data)
        self.length += memoryview(data).nbytes
        return memoryview(data).nbytes

    def flush(self) -> None:
        if not self._sink.closed:
            self._sink.flush()
