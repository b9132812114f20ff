"""From a path or a pipe to canonical chunks, with the rows bdx itself adds: where the data came from, and the cycles."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from bdx import canon, formats, mapping
from bdx.canon import Chunk, Document, Log, Part
from bdx.derive.cycles import Cycles
from bdx.formats.source import Source
from bdx.spec import FormatSpec


@dataclass(slots=True)
class ReadOptions:
    """How sources are read: `from_format` overrides detection, `assume_tz` gives naive times a zone."""

    from_format: str | None = None
    assume_tz: str | None = None
    stdin: BinaryIO | None = None


@dataclass(slots=True)
class Opened:
    """A source whose format is known; `log` keeps what its reading remarks on."""

    source: Source
    format: FormatSpec
    id: str
    log: Log

    @property
    def uri(self) -> str:
        """The source as the user named it."""
        return self.source.uri


def open_source(uri: str, number: int, options: ReadOptions) -> Opened:
    """Return source `number` (from 1), its format detected by its bytes or taken from the options.

    Raises: SourceError where it cannot be read, UnknownFormat, AmbiguousFormat, UsageError for an unknown id.
    """
    log = Log()
    source = Source(uri, log, options.stdin)
    source.source_id = f"s{number}"
    format_spec = formats.resolve(options.from_format) if options.from_format else formats.detect(source)
    return Opened(source, format_spec, f"s{number}", log)


def chunks(opened: Opened, options: ReadOptions, documents: Callable[[list[Document]], None] | None = None) -> Iterator[Chunk]:
    """Yield the canonical chunks of a source, last the rows of `cycle` (derived) and `source`.

    `documents` sees every document before it is mapped.
    """
    if opened.format.world == "canonical":
        yield from _canonical(opened)
        return
    context = mapping.Context(
        source=opened.uri,
        source_id=opened.id,
        log=opened.log,
        model=opened.format.full_id,
        options={"assume_tz": options.assume_tz},
    )
    parts = formats.read(opened.source, opened.format)
    if documents is not None:
        parts = _tee(parts, documents)
    cycles = Cycles()
    for chunk in mapping.to_canonical(parts, opened.format, context):
        if "timeseries" in chunk:
            cycles.watch(chunk["timeseries"])
        yield chunk
    derived = cycles.finish(opened.id)
    if derived is not None and derived.num_rows:
        yield {"cycle": derived}
    yield {"source": source_row(opened)}


def _canonical(opened: Opened) -> Iterator[Chunk]:
    """Yield the chunks of a canonical source; a sheet or file that names no origin gets a source row of its own."""
    named = False
    for chunk in formats.engine(opened.format).read_chunks(opened.source, opened.format):
        named = named or "source" in chunk
        yield chunk
    if not named:
        yield {"source": source_row(opened)}


def read(source: str | Path, *, from_format: str | None = None, assume_tz: str | None = None) -> dict[str, pa.Table]:
    """Return a whole source as canonical tables in memory, table name -> pyarrow Table.

    Raises: SourceError and its kin where the source cannot be read.
    """
    options = ReadOptions(from_format=from_format, assume_tz=assume_tz)
    opened = open_source(str(source), 1, options)
    found: dict[str, list[pa.RecordBatch]] = {}
    for chunk in chunks(opened, options):
        for name, batch in chunk.items():
            found.setdefault(name, []).append(batch)
    return {name: pa.Table.from_batches(batches) for name, batches in found.items()}


def source_row(opened: Opened) -> pa.RecordBatch:
    """Return the `source` row of a source: uri, SHA-256, length, format and time of reading."""
    digest, length = ("", None) if opened.source.is_directory else opened.source.sha256()
    return canon.from_rows(
        "source",
        [
            {
                "source_id": opened.id,
                "uri": opened.uri,
                "sha256": digest or None,
                "bytes": length,
                "format": opened.format.full_id,
                "read_at": now(),
            }
        ],
    )


def now() -> datetime:
    """Return the time of this run in UTC; SOURCE_DATE_EPOCH where that is set, so that bytes can be reproduced."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)


def _tee(parts: Iterator[Part], documents: Callable[[list[Document]], None]) -> Iterator[Part]:
    """Yield the parts; each document is looked at first, one at a time while it is warm in the processor's cache."""
    for part in parts:
        if isinstance(part, Document):
            documents([part])
        yield part
