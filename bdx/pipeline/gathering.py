"""Sources of one record gathered one after the other, cycler files by several processes where there are many."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from bdx.canon import Chunk, Log
from bdx.errors import BdxError, SourceError
from bdx.formats.source import Source
from bdx.pipeline.joining import Gathered, gather
from bdx.pipeline.judging import judged
from bdx.pipeline.precedence import Precedence
from bdx.pipeline.reading import Opened, ReadOptions, open_source
from bdx.pipeline.spilling import Spool

MANY = 32
"""Cycler files from which on several processes read them, unless the user says how many."""

_AT_A_TIME = 4


@dataclass(slots=True)
class _Told:
    """What a process has read of one source: its small tables, in the order they came."""

    chunks: list[Chunk]
    source: pa.RecordBatch | None
    last_unix: float | None
    log: Log
    fault: BdxError | None = None


def gather_all(
    opened: Sequence[Opened], options: ReadOptions, into: list[Gathered], precedence: Precedence, jobs: int = 0
) -> Iterator[tuple[Opened, Chunk]]:
    """Yield the chunks of all sources less their records, which are laid aside; of those that processes read only `source`.

    `jobs` processes read cycler files, 0 for as many as there are processors where there are many files. The result is the same
    for any number.
    """
    spool = Spool()
    ready = _ready(opened, options, jobs)
    for item in opened:
        told = next(ready) if ready is not None and _apart(item) else None
        if told is None:
            stream = judged(item, gather(item, options, into, precedence, alone=len(opened) == 1, spool=spool))
            for chunk in item.repairs.keyed(stream):
                yield item, chunk
            item.source.rest()
            continue
        if told.fault is not None:
            raise told.fault
        found = Gathered(item, spool, precedence.rank("declared", item.uri))
        into.append(found)
        for chunk in told.chunks:
            found.take(chunk)
        found.last_unix = told.last_unix
        item.log.merge(told.log)
        if told.source is not None:
            yield item, {"source": told.source}


def _apart(item: Opened) -> bool:
    return item.format.world == "instrument" and item.source.path is not None


def _ready(opened: Sequence[Opened], options: ReadOptions, jobs: int) -> Iterator[_Told] | None:
    """Return what processes read of cycler files, in the order of the sources; None where this process reads them itself."""
    wanted = [item for item in opened if _apart(item)]
    jobs = jobs or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) * (len(wanted) >= MANY)
    if min(jobs, len(wanted)) < 2 or options.repair or options.rejects is not None:
        return None
    bare = replace(options, rejects=None, stdin=None, run={})
    tasks = [(str(item.source.path), item.id, item.format.full_id if options.from_format else "", bare) for item in wanted]
    return _run(tasks, min(jobs, len(wanted)))


def _run(tasks: Sequence[tuple[str, str, str, ReadOptions]], jobs: int) -> Iterator[_Told]:
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # A process that is forked while threads hash files may never end: each begins anew.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = []
        try:
            for task in tasks:
                waiting.append(pool.submit(_read, *task))
                if len(waiting) > jobs * _AT_A_TIME:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        except BrokenProcessPool as error:
            raise SourceError("a process that read cycler files ended before it was done (--jobs 1 reads them in this one)") from error
        finally:
            for future in waiting:
                future.cancel()


def _read(uri: str, source_id: str, _format: str, options: ReadOptions) -> _Told:
    """Return what one cycler file says, its time series aside: what a process does."""
    pa.set_cpu_count(1)
    log = Log()
    try:
        opened = open_source(uri, int(source_id.removeprefix("s")), options)
        log = opened.log
        into: list[Gathered] = []
        spool = Spool(1 << 62)
        rows = None
        for chunk in judged(opened, gather(opened, options, into, spool=spool)):
            rows = chunk.get("source", rows)
        found = into[0]
        chunks = [spool.read(number) for number in sorted(number for numbers in found.tables.values() for number in numbers)]
        return _Told(chunks, rows, found.last_unix, log)
    except BdxError as error:
        return _Told([], None, None, log, error)


def parked(opened: Sequence[Opened]) -> None:
    """Let go of the heads of sources that wait for their turn, where there are many."""
    if len(opened) > MANY:
        for item in opened:
            source: Source = item.source
            source.rest()
