"""Convert: any sources into one destination, streaming where one source suffices, merged where several speak of one battery."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from bdx import canon, formats, mapping
from bdx.canon import Chunk, Log
from bdx.errors import BdxError, SinkError, SourceError, UsageError
from bdx.formats.canonical import WriteOptions
from bdx.formats.packing import packed
from bdx.formats.sink import INTERRUPTED, Destination
from bdx.pipeline.apart import may_hold_tests
from bdx.pipeline.converted import TOLD, ConvertResult, LossError
from bdx.pipeline.evidence_file import EvidenceFile, place
from bdx.pipeline.folders import open_all
from bdx.pipeline.gate import Gate
from bdx.pipeline.gathering import gather_all, parked
from bdx.pipeline.giving import evidence_of, filled, given
from bdx.pipeline.ids_file import Ids, read_ids
from bdx.pipeline.joining import Gathered, gather, join
from bdx.pipeline.judging import judged
from bdx.pipeline.personal import shielded
from bdx.pipeline.precedence import Precedence, precedence
from bdx.pipeline.reading import Opened, ReadOptions, chunks
from bdx.pipeline.rejecting import AllRejected, Rejects, rejecting
from bdx.pipeline.repairing import held_by_none
from bdx.pipeline.repairs import asked
from bdx.pipeline.seams import Seams
from bdx.pipeline.supplementing import plan, supplemented
from bdx.pipeline.targets import Shape, check_sources, shape_of, target_of
from bdx.pipeline.weighing import analysis_of, view_of
from bdx.spec import FormatSpec

_WITH_STEPS = ("dataset", "h5")
"""Canonical formats that hold all tables; steps are derived for those, for passports, and where the table is asked for."""


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
    prefer: str | Sequence[str] = "",
    tolerance: Sequence[str] = (),
    ids: str | Path = "",
    require: Sequence[str] = (),
    require_each: bool = False,
    category: str | None = None,
    as_of: date | None = None,
    jobs: int = 1,
    repair: Sequence[str] = (),
    reject: str | Path = "",
    by_part: bool = False,
    give: Sequence[str] = (),
    personal: str = "drop",
    evidence: str | Path | None = "",
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
    stood, and the rest passes. A folder among the sources stands for the files of known formats in it. Where sources disagree,
    `prefer` names sources whose values win, or methods (measured, derived, declared) in their order; `tolerance` is the share
    within which numbers agree, as "2%" or "rated_capacity_ah=0.5%". `ids` is a file of names that mean the same item.
    `require` names profiles: nothing is written unless what would be has no gap by them, judged for `category` on the day
    `as_of`; with `require_each` records with gaps go to the file `reject` and the others are written. `jobs` is the number of
    processes that read cycler files, 0 for as many as there are processors where there are many files. `by_part` gives each part of
    a document a file of its own in a folder.
    `give` are values as COLUMN=VALUE for records whose sources have none; the evidence says that they were given.
    `personal` says what becomes of names of persons: drop, hash (keyed pseudonyms) or keep.
    `evidence` is where the evidence of passports goes that were merged or derived: a path, "" for a file beside the destination
    (DESTINATION.evidence.jsonl), None for nowhere.
    `progress` is called with the number of rows of each chunk written.
    Raises: UsageError, SourceError and its kin, MappingError, SinkError; LossError where `strict` and anything is lost;
    AllRejected where nothing passed; GateError where a required profile has gaps.
    """
    target = target_of(str(destination), to)
    uris = [str(source) for source in sources]
    check_sources(uris)
    gate = Gate(require, category, as_of, view_of(target), reject=str(reject), each=require_each)
    words, wishes = tuple(item.word for item in asked(repair)), given(give)
    options = ReadOptions(from_format, str(by) or None, assume_tz, current_sign, keep_going=keep_going, repair=words)
    shape = shape_of(str(destination), target, by_part=by_part)
    options.steps = target.world == "passport" or target.id in _WITH_STEPS or shape.folder or table in ("step", "resistance")
    log = Log()
    opened = open_all(uris, options, log)
    parked(opened)
    uris = [item.uri for item in opened]
    merging = _Merging(battery, precedence(prefer, tolerance, uris), read_ids(str(ids)) if ids else None, jobs, Seams(forced=join_tests))
    result = ConvertResult(str(destination), target.full_id)
    stream = filled(_chunks(opened, options, target, log, merging), wishes, log)
    stream = shielded(stream, personal, log, opened[0].uri if len(uris) == 1 else "merged record")
    profile = target.raw.get("profile") if target.world == "passport" else None
    analysis = analysis_of(profile, category, as_of) if profile else None
    if require_each:
        stream = gate.each(stream, lambda: options.rejects or Rejects(), target, log)
    stream = gate.watch(stream)
    stream = _count(stream, result, progress, analysis, view_of(target) if analysis is not None else None)
    wanted = bool(evidence or len(uris) > 1 or give or repair) or opened[0].format.world not in ("passport", "canonical")
    told = EvidenceFile(place(evidence, str(destination), target), force=force, wanted=wanted)
    with ExitStack() as stack:
        stack.enter_context(told)
        rejects = stack.enter_context(
            rejecting(str(reject), force=force, apart=[*uris, str(destination)], judges=len(uris) == 1 or not require_each)
        )
        options.rejects = rejects
        sink = stack.enter_context(
            Destination(str(destination), force=force, folder=shape.folder, whole=strict or bool(require), sources=uris)
        )
        sink = told.beginning(sink, str(destination), uris)
        stream = told.watching(stream)
        stream = _passed(stream, rejects, str(reject), opened, log)
        _write(stream, sink, target, log, table, shape, source=opened[0].uri if len(uris) == 1 else "merged record")
        for item in opened:
            log.merge(item.log, item.uri)
        if not any(result.rows.values()) and not any(item.format.world == "canonical" for item in opened):
            raise SourceError("holds no rows of any canonical table", path=", ".join(uris))
        if strict:
            _held_whole(log)
        gate.finish()
        result.rejected = rejects.count if rejects is not None else 0
        asked_for: dict[str, Any] = {"from_format": from_format, "mapping": str(by), "assume_tz": assume_tz, "current_sign": current_sign}
        asked_for |= {"keep_going": keep_going, "repair": list(words), "battery": battery, "prefer": prefer}
        asked_for |= {"ids": str(ids), "tolerance": list(tolerance)}
        told.finish(sink, {"name": Path(destination).name, "format": target.full_id}, opened, asked_for)
    result.evidence_file, result.evidence_rows = told.written, told.rows
    result.findings, result.losses = log.findings, log.losses
    if not result.told:
        result.told = [canon.from_rows("evidence", [row for item in opened for row in item.repairs.evidence()] + evidence_of(wishes))]
    result.gaps = analysis.finish(log) if analysis is not None else None
    return result


@dataclass(slots=True)
class _Merging:
    """How sources become one record each."""

    battery: str
    precedence: Precedence
    ids: Ids | None
    jobs: int
    seams: Seams


def _held_whole(log: Log) -> None:
    """Raise LossError where anything was lost, or was an error."""
    if log.losses:
        first = log.losses[0]
        more = f"; and {len(log.losses) - 1} more of the kind" if len(log.losses) > 1 else ""
        raise LossError(f"--strict: {first.source}: not carried: {first.what} ({first.why}){more}")
    unread = next((found for found in log.findings if found.severity == "error"), None)
    if unread is not None:
        raise LossError(f"--strict: {unread.code} {unread.message}")


def _passed(stream: Iterable[Chunk], rejects: Rejects | None, path: str, opened: Sequence[Opened], log: Log) -> Iterator[Chunk]:
    """Yield the chunks; a broken record that stops them is told with what would let the rest pass.

    Raises: AllRejected at the end where every record was turned away.
    """
    some = False
    try:
        for chunk in stream:
            some = some or any(batch.num_rows for name, batch in chunk.items() if name not in ("source", "evidence"))
            yield chunk
    except SourceError as error:
        advise = rejects is None and any(item.format.engine == "document" for item in opened)
        if advise and str(error.offset or "").startswith(("line ", "item ")):
            error.args = (f"{error}; --reject FILE puts such records aside and lets the rest pass",)
        raise
    if rejects is not None and rejects.count and not some:
        why = [found for one in (log, *(item.log for item in opened)) for found in one.findings]
        raise AllRejected(f"all {rejects.count:,} records were rejected; {path} holds them, nothing else was written", why)


def _chunks(opened: Sequence[Opened], options: ReadOptions, target: FormatSpec, log: Log, merging: _Merging) -> Iterator[Chunk]:
    """Yield what the target is to hold: one source streams through, several are merged; last the evidence of repairs.

    Raises: UsageError where no source holds what a repair is for.
    """
    yield from _merged(opened, options, target, log, merging)
    unused = held_by_none(item.repairs for item in opened)
    if unused:
        raise UsageError(unused)
    rows = [row for item in opened for row in item.repairs.evidence()]
    if rows:
        yield {"evidence": canon.from_rows("evidence", rows)}


def _merged(opened: Sequence[Opened], options: ReadOptions, target: FormatSpec, log: Log, merging: _Merging) -> Iterator[Chunk]:
    speaks_of_batteries = target.world == "passport"
    battery, seams = merging.battery, merging.seams
    if len(opened) == 1 and (not speaks_of_batteries or opened[0].format.world in ("passport", "canonical")) and not battery:
        yield from judged(opened[0], chunks(opened[0], options))
        return
    base = plan(opened) if len(opened) > 1 and not battery and not options.repair and merging.ids is None else None
    if base is not None:
        yield from supplemented(opened, options, base, log, merging.precedence)
        return
    gathered: list[Gathered] = []
    if speaks_of_batteries:
        for _, chunk in gather_all(opened, options, gathered, merging.precedence, merging.jobs):
            if "source" in chunk:
                yield {"source": chunk["source"]}
        yield from join(gathered, log, battery, merging.precedence, merging.ids)
        return
    tests = len(opened) > 1 and sum(map(may_hold_tests, opened))
    for item in opened:
        stream = judged(item, gather(item, options, gathered, merging.precedence, alone=len(opened) == 1))
        stream = item.repairs.keyed(stream)
        yield from item.repairs.keyed(seams.pieces(item, stream)) if tests > 1 and item.format.world == "instrument" else stream
    yield from seams.finish()
    if any(found.rows or found.makes_items for found in gathered):
        yield from (chunk for chunk in join(gathered, log, battery, merging.precedence, merging.ids) if chunk["battery"].num_rows)


def _count(
    stream: Iterable[Chunk], result: ConvertResult, progress: Any, analysis: Any, view: Callable[[Chunk], Chunk] | None
) -> Iterator[Chunk]:
    """Yield the chunks on their way out; the gaps are those of what the target can hold, and no document holds evidence."""
    for chunk in stream:
        if INTERRUPTED.is_set():
            raise KeyboardInterrupt
        for name, batch in chunk.items():
            if analysis is None or name not in ("source", "evidence"):
                result.rows[name] = result.rows.get(name, 0) + batch.num_rows
        if analysis is not None:
            analysis.watch(chunk if view is None else view(chunk))
            if "evidence" in chunk and sum(batch.num_rows for batch in result.told) < TOLD:
                result.told.append(chunk["evidence"])
        if progress is not None:
            progress(max((batch.num_rows for batch in chunk.values()), default=0))
        yield chunk


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
