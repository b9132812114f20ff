"""Convert: any sources into one destination, streaming where one source suffices, merged where several speak of one battery."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from bdx import canon, formats, gaps, mapping
from bdx.canon import Chunk, Finding, Log, Loss
from bdx.errors import BdxError, MappingError, SinkError, SourceError, UsageError
from bdx.formats.canonical import WriteOptions
from bdx.formats.packing import packed
from bdx.formats.sink import INTERRUPTED, Destination
from bdx.pipeline.apart import may_hold_tests
from bdx.pipeline.giving import evidence_of, filled, given
from bdx.pipeline.joining import Gathered, gather, join
from bdx.pipeline.personal import shielded
from bdx.pipeline.reading import Opened, ReadOptions, chunks, open_source
from bdx.pipeline.rejecting import AllRejected, Rejects, rejecting
from bdx.pipeline.repairing import held_by_none
from bdx.pipeline.repairs import asked
from bdx.pipeline.seams import Seams
from bdx.pipeline.supplementing import plan, supplemented
from bdx.pipeline.targets import Shape, check_sources, shape_of, target_of
from bdx.rules import Checker
from bdx.spec import FormatSpec

_KEYS = ("battery_key", "test_id")
ON_THE_WAY = ("T001", "T002", "U001", "U002", "U003", "E009")
"""Rules that a cycler file is held to even where it is only carried: time that runs back, a wrong unit, values no battery has."""


@dataclass(slots=True)
class ConvertResult:
    """What a conversion did: rows written per table, findings met on the way, what was not carried, gaps of the target."""

    destination: str
    format: str
    rows: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    told: list[pa.RecordBatch] = field(default_factory=list)
    """Rows of the table `evidence`, as they came."""
    gaps: Any = None
    rejected: int = 0

    @property
    def evidence(self) -> list[dict[str, Any]]:
        """Which source, method and place each value came from that is not of its record's own source, or was repaired or given."""
        return [row for batch in self.told for row in batch.to_pylist()]


class LossError(SinkError):
    """The target cannot hold everything and --strict was given; nothing was written (exit 1)."""

    exit_code = 1


def convert(
    sources: Sequence[str | Path],
    destination: str | Path = "-",
    *,
    to: str | None = None,
    from_format: str | None = None,
    by: str | Path = "",
    table: str | None = None,
    strict: bool = False,
    force: bool = False,
    assume_tz: str | None = None,
    current_sign: str | None = None,
    keep_going: bool = False,
    join_tests: bool = False,
    battery: str = "",
    prefer: str = "",
    repair: Sequence[str] = (),
    reject: str | Path = "",
    by_part: bool = False,
    give: Sequence[str] = (),
    personal: str = "drop",
    progress: Any = None,
) -> ConvertResult:
    """Convert sources of any known formats to one destination and return what was done.

    `by` is a mapping file that says what the columns of flat exports are.
    `to` names the target format (`id` or `id@version`), else the suffix of the destination does. Several sources
    are merged into one data set; with a passport target they become one passport per battery, joined by serial.
    Sources whose records go on where the one before ended are one test, as are all with `join_tests`. `keep_going` keeps
    the whole records of a damaged source; `current_sign` says what a file does not show. `repair` names repairs of
    specs/repairs.toml (`NAME`, or `NAME:undo` to take one back), done in this order before anything is judged or derived.
    Documents that cannot be read, do not follow their schema or hold a value without meaning go to the file `reject` as they
    stood, and the rest passes. `by_part` gives each part of a document a file of its own in a folder.
    `give` are values as COLUMN=VALUE for records whose sources have none; the evidence says that they were given.
    `personal` says what becomes of names of persons: drop, hash (keyed pseudonyms) or keep.
    `progress` is called with the number of rows of each chunk written.
    Raises: UsageError, SourceError and its kin, MappingError, SinkError; LossError where `strict` and anything is lost;
    AllRejected where nothing passed.
    """
    target = target_of(str(destination), to)
    uris = [str(source) for source in sources]
    check_sources(uris, prefer)
    words, wishes = tuple(item.word for item in asked(repair)), given(give)
    options = ReadOptions(from_format, str(by) or None, assume_tz, current_sign, keep_going=keep_going, repair=words)
    log = Log()
    opened = [open_source(uri, number, options) for number, uri in enumerate(uris, 1)]
    result = ConvertResult(str(destination), target.full_id)
    shape = shape_of(str(destination), target, by_part=by_part)
    stream = filled(_chunks(opened, options, target, log, battery, prefer, Seams(forced=join_tests)), wishes, log)
    stream = shielded(stream, personal, log, opened[0].uri if len(uris) == 1 else "merged record")
    profile = target.raw.get("profile") if target.world == "passport" else None
    analysis = gaps.Analysis(profile, category=None, as_of=None, tier=None) if profile else None
    stream = _count(stream, result, progress, analysis, mapping.supplies(target) if analysis is not None else None)
    with ExitStack() as stack:
        rejects = stack.enter_context(rejecting(str(reject), force=force, apart=[*uris, str(destination)]))
        options.rejects = rejects
        sink = stack.enter_context(Destination(str(destination), force=force, folder=shape.folder, whole=strict, sources=uris))
        stream = _passed(stream, rejects, str(reject), advise=any(item.format.engine == "document" for item in opened))
        _write(stream, sink, target, log, table, shape, source=opened[0].uri if len(uris) == 1 else "merged record")
        for item in opened:
            log.merge(item.log, item.uri)
        if not any(result.rows.values()) and not any(item.format.world == "canonical" for item in opened):
            raise SourceError("holds no rows of any canonical table", path=", ".join(uris))
        if strict:
            _held_whole(log)
        result.rejected = rejects.count if rejects is not None else 0
    result.findings, result.losses = log.findings, log.losses
    if not result.told:
        result.told = [canon.from_rows("evidence", [row for item in opened for row in item.repairs.evidence()] + evidence_of(wishes))]
    result.gaps = analysis.finish(log) if analysis is not None else None
    return result


def _held_whole(log: Log) -> None:
    """Raise LossError where anything was lost, or was an error."""
    if log.losses:
        first = log.losses[0]
        more = f"; and {len(log.losses) - 1} more of the kind" if len(log.losses) > 1 else ""
        raise LossError(f"--strict: {first.source}: not carried: {first.what} ({first.why}){more}")
    unread = next((found for found in log.findings if found.severity == "error"), None)
    if unread is not None:
        raise LossError(f"--strict: {unread.code} {unread.message}")


def _passed(stream: Iterable[Chunk], rejects: Rejects | None, path: str, *, advise: bool) -> Iterator[Chunk]:
    """Yield the chunks; a broken record that stops them is told with what would let the rest pass.

    Raises: AllRejected at the end where every record was turned away.
    """
    some = False
    try:
        for chunk in stream:
            some = some or any(batch.num_rows for name, batch in chunk.items() if name not in ("source", "evidence"))
            yield chunk
    except SourceError as error:
        if advise and rejects is None and str(error.offset or "").startswith(("line ", "item ")):
            error.args = (f"{error}; --reject FILE puts such records aside and lets the rest pass",)
        raise
    if rejects is not None and rejects.count and not some:
        raise AllRejected(f"all {rejects.count:,} records were rejected; {path} holds them, nothing else was written")


def _chunks(
    opened: Sequence[Opened], options: ReadOptions, target: FormatSpec, log: Log, battery: str, prefer: str, seams: Seams
) -> Iterator[Chunk]:
    """Yield what the target is to hold: one source streams through, several are merged; last the evidence of repairs.

    Raises: UsageError where no source holds what a repair is for.
    """
    yield from _merged(opened, options, target, log, battery, prefer, seams)
    unused = held_by_none(item.repairs for item in opened)
    if unused:
        raise UsageError(unused)
    rows = [row for item in opened for row in item.repairs.evidence()]
    if rows:
        yield {"evidence": canon.from_rows("evidence", rows)}


def _merged(
    opened: Sequence[Opened], options: ReadOptions, target: FormatSpec, log: Log, battery: str, prefer: str, seams: Seams
) -> Iterator[Chunk]:
    speaks_of_batteries = target.world == "passport"
    if len(opened) == 1 and (not speaks_of_batteries or opened[0].format.world in ("passport", "canonical")) and not battery:
        yield from _judged(opened[0], chunks(opened[0], options))
        return
    base = plan(opened) if len(opened) > 1 and not battery and not options.repair else None
    if base is not None:
        yield from supplemented(opened, options, base, log, prefer)
        return
    gathered: list[Gathered] = []
    tests = len(opened) > 1 and sum(map(may_hold_tests, opened))
    for item in opened:
        stream = item.repairs.keyed(_judged(item, gather(item, options, gathered, prefer, alone=len(opened) == 1)))
        if tests > 1 and item.format.world == "instrument" and not speaks_of_batteries:
            yield from item.repairs.keyed(seams.pieces(item, stream))
            continue
        for chunk in stream:
            if not speaks_of_batteries:
                yield chunk
    yield from seams.finish()
    if not speaks_of_batteries and not any(found.claims or found.makes_items for found in gathered):
        return
    merged = join(gathered, log, battery, prefer)
    if merged["battery"].num_rows or speaks_of_batteries:
        yield merged


def _judged(item: Opened, stream: Iterator[Chunk]) -> Iterator[Chunk]:
    """Yield the chunks of a source; those of an instrument are watched by the rules of ON_THE_WAY.

    Raises: MappingError where nothing shows the sign of current: within the stream, so that no writer ends it as whole.
    """
    if item.format.world != "instrument":
        yield from stream
        return
    checker = Checker(item.log, item.uri, ON_THE_WAY)
    for chunk in stream:
        checker.watch(chunk)
        yield chunk
    checker.finish()
    unproven = next((found for found in item.log.findings if found.code == "M020"), None)
    if unproven is not None:
        raise MappingError(f"{item.uri}: {unproven.message}")


def _count(
    stream: Iterable[Chunk], result: ConvertResult, progress: Any, analysis: Any, supplied: frozenset[str] | None
) -> Iterator[Chunk]:
    """Yield the chunks on their way out; the gaps are those of what the target can hold, and no document holds evidence."""
    for chunk in stream:
        if INTERRUPTED.is_set():
            raise KeyboardInterrupt
        for name, batch in chunk.items():
            if analysis is None or name not in ("source", "evidence"):
                result.rows[name] = result.rows.get(name, 0) + batch.num_rows
        if analysis is not None:
            analysis.watch(chunk if supplied is None else _as_held(chunk, supplied))
            if "evidence" in chunk:
                result.told.append(chunk["evidence"])
        if progress is not None:
            progress(max((batch.num_rows for batch in chunk.values()), default=0))
        yield chunk


def _as_held(chunk: Chunk, supplied: frozenset[str]) -> Chunk:
    """Return the chunk as the target will hold it: columns without a place there are null."""
    held: Chunk = {}
    for table, batch in chunk.items():
        arrays = [
            array if field.name in _KEYS or f"{table}.{field.name}" in supplied else pa.nulls(len(array), field.type)
            for field, array in zip(batch.schema, batch.columns, strict=True)
        ]
        held[table] = pa.RecordBatch.from_arrays(arrays, schema=batch.schema)
    return held


def _write(stream: Iterator[Chunk], sink: Any, target: FormatSpec, log: Log, table: str | None, shape: Shape, *, source: str) -> None:
    """Write the chunks through the target's engine, canonical directly, others through their mapping."""
    engine = formats.engine(target)
    if hasattr(engine, "write_chunks"):
        engine.write_chunks(stream, sink, target, WriteOptions(table=table, log=log, source=source))
        return
    if table:
        raise UsageError(f"--table goes with canonical formats; {target.id} has a shape of its own")
    context = mapping.Context(source=source, source_id="s1", log=log, model=target.full_id, options={"folder": shape.folder})
    try:
        parts = mapping.from_canonical(stream, target, context)
        if shape.folder:
            engine.write_folder(parts, Path(sink), target, by_part=shape.by_part)
            return
        with packed(sink, shape.packing) as packing:
            engine.write(parts, packing, target, lines=shape.lines)
    except BdxError:
        raise
    except (OverflowError, RecursionError) as error:
        raise SinkError(f"{target.id} cannot hold the data: {error}") from error
