"""From a path or a pipe to canonical chunks, with the rows bdx itself adds: where the data came from, and the cycles."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from bdx import canon, formats, mapping
from bdx.canon import Chunk, Document, Log, Part, Table
from bdx.errors import CorruptSource, TruncatedSource, UsageError, did_you_mean
from bdx.formats.source import Source
from bdx.pipeline.evening import even
from bdx.pipeline.mapped import told
from bdx.pipeline.measuring import with_resistance
from bdx.pipeline.rederiving import rederived, with_cycles, with_steps
from bdx.pipeline.rejecting import Rejects
from bdx.pipeline.repairing import Repairs
from bdx.spec import FormatSpec

SIGNS = {"charge-positive": "signed", "discharge-positive": "reversed"}


@dataclass(slots=True)
class ReadOptions:
    """How sources are read.

    `from_format` overrides detection, `mapping` is a mapping file for flat exports, `assume_tz` gives naive times a zone,
    `current_sign` (charge-positive or discharge-positive) says what the file does not show, `keep_going` keeps the whole records of a
    damaged source, `repair` names what is to be repaired, in this order, `rejects` takes records that are turned away while the others
    pass. `run` is the memory of sources read with the same options: what one says of machines, for those after it.
    `steps` asks for the rows of `step` and `resistance` beside those of `cycle`.
    """

    from_format: str | None = None
    mapping: str | None = None
    assume_tz: str | None = None
    current_sign: str | None = None
    keep_going: bool = False
    repair: tuple[str, ...] = ()
    rejects: Rejects | None = None
    stdin: BinaryIO | None = None
    run: dict[str, Any] = field(default_factory=dict)
    steps: bool = False


@dataclass(slots=True)
class Opened:
    """A source whose format is known; `log` keeps what its reading remarks on, `repairs` what the user wants repaired."""

    source: Source
    format: FormatSpec
    id: str
    log: Log
    repairs: Repairs
    releases: dict[str, None] = field(default_factory=dict)
    """Models and versions that the documents read so far are of, in the order met."""

    @property
    def uri(self) -> str:
        """The source as the user named it."""
        return self.source.uri

    @property
    def told(self) -> str:
        """The format with its version; of documents, the versions they are of, as far as read."""
        return ", ".join(self.releases) or self.format.full_id


def open_source(uri: str, number: int, options: ReadOptions) -> Opened:
    """Return source `number` (from 1), its format detected by its bytes or taken from the options.

    Raises: SourceError where it cannot be read, UnknownFormat, AmbiguousFormat, UsageError for an unknown id.
    """
    log = Log()
    source = Source(uri, log, options.stdin)
    source.source_id = f"s{number}"
    source.assume_tz = options.assume_tz or ""
    format_spec = formats.resolve(options.from_format) if options.from_format else told(source, options.mapping)
    if options.from_format and not format_spec.raw.get("magic"):
        source.unzip()
    own = "" if format_spec.world == "canonical" else f"s{number}"
    return Opened(source, format_spec, f"s{number}", log, Repairs(options.repair, log, uri, own))


def chunks(opened: Opened, options: ReadOptions, documents: Callable[[list[Document]], None] | None = None) -> Iterator[Chunk]:
    """Yield the canonical chunks of a source, last the rows of `cycle` (derived) and `source`.

    `documents` sees every document before it is mapped.
    """
    if opened.format.world == "canonical":
        yield from _canonical(opened, options)
        return
    if options.current_sign and options.current_sign not in SIGNS:
        raise UsageError(f"no sign '{options.current_sign}'{did_you_mean(options.current_sign, SIGNS)}; known: {', '.join(SIGNS)}")
    context = mapping.Context(
        source=opened.uri,
        source_id=opened.id,
        log=opened.log,
        model=opened.format.full_id,
        options={"assume_tz": options.assume_tz, "current_sign": SIGNS.get(options.current_sign or ""), "run": options.run},
    )
    turned = options.rejects.of(opened.uri, opened.log) if options.rejects is not None else None
    if turned is not None:
        opened.source.unread = turned.unread
    parts = formats.read(opened.source, opened.format)
    if turned is not None and options.rejects is not None and options.rejects.judges and opened.format.engine == "document":
        parts = turned.fitting(parts)
        context.options["unusable"] = turned.unusable
    if options.keep_going:
        parts = _Kept(opened).parts(parts)
    if opened.format.world == "passport":
        parts = _named(parts, opened.releases)
    if documents is not None:
        parts = _tee(parts, documents)
    stream = opened.repairs.chunks(mapping.to_canonical(even(parts), opened.format, context))
    stream = with_cycles(stream, opened.id, opened.repairs, opened.log, opened.uri, steps=options.steps)
    yield from with_resistance(stream, opened.id, opened.log, opened.uri) if options.steps else stream
    yield {"source": source_row(opened)}


class _Kept:
    """What --keep-going keeps of a source: everything before the place where reading failed, if there is anything."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._rows = 0
        self._over = False

    def parts(self, parts: Iterator[Part]) -> Iterator[Part]:
        """Yield the parts up to the first fault, which becomes a finding.

        Raises: CorruptSource or TruncatedSource where nothing was read before it.
        """
        try:
            for part in parts:
                yield Table(part.name, part.schema, self._batches(part)) if isinstance(part, Table) else part
                if self._over:
                    return
        except (CorruptSource, TruncatedSource) as error:
            self._stop(error)

    def chunks(self, stream: Iterator[Chunk]) -> Iterator[Chunk]:
        """Yield canonical chunks up to the first fault."""
        try:
            for chunk in stream:
                self._rows += max((batch.num_rows for batch in chunk.values()), default=0)
                yield chunk
        except (CorruptSource, TruncatedSource) as error:
            self._stop(error)

    def _batches(self, table: Table) -> Iterator[pa.RecordBatch]:
        try:
            for batch in table.batches:
                self._rows += batch.num_rows
                yield batch
        except (CorruptSource, TruncatedSource) as error:
            self._stop(error)

    def _stop(self, error: CorruptSource | TruncatedSource) -> None:
        if not self._rows:
            raise error
        self._over = True
        self._opened.log.find("F007", source=self._opened.uri, count=self._rows, value=str(error).removeprefix(f"{self._opened.uri}: "))


def _canonical(opened: Opened, options: ReadOptions) -> Iterator[Chunk]:
    """Yield the chunks of a canonical source; a sheet or file that names no origin gets a source row of its own."""
    named = False
    stream = formats.engine(opened.format).read_chunks(opened.source, opened.format)
    stream = opened.repairs.chunks(_Kept(opened).chunks(stream) if options.keep_going else stream)
    stream = rederived(stream, opened.repairs, opened.log, opened.uri)
    if options.steps:
        stream = with_resistance(with_steps(stream, opened.id, opened.log, opened.uri), opened.id, opened.log, opened.uri)
    for chunk in stream:
        named = named or "source" in chunk
        yield chunk
    if not named:
        yield {"source": source_row(opened)}


def read(
    source: str | Path,
    *,
    from_format: str | None = None,
    by: str | Path = "",
    assume_tz: str | None = None,
    current_sign: str | None = None,
) -> dict[str, pa.Table]:
    """Return a whole source as canonical tables in memory, table name -> pyarrow Table; `by` is a mapping file for flat exports.

    Raises: SourceError and its kin where the source cannot be read.
    """
    options = ReadOptions(from_format=from_format, mapping=str(by) or None, assume_tz=assume_tz, current_sign=current_sign)
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
                "format": opened.told,
                "read_at": now(),
            }
        ],
    )


def now() -> datetime:
    """Return the time of this run in UTC; SOURCE_DATE_EPOCH where that is set, so that bytes can be reproduced."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)


def _named(parts: Iterator[Part], releases: dict[str, None]) -> Iterator[Part]:
    """Yield the parts; the model and version of each is kept."""
    for part in parts:
        releases[part.name] = None
        yield part


def _tee(parts: Iterator[Part], documents: Callable[[list[Document]], None]) -> Iterator[Part]:
    """Yield the parts; each document is looked at first, one at a time while it is warm in the processor's cache."""
    for part in parts:
        if isinstance(part, Document):
            documents([part])
        yield part
