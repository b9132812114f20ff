"""Cycles of a source whose series was repaired: those that bdx derived are derived anew, all others are left and named."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk, Log
from bdx.derive.cycles import Cycles
from bdx.pipeline.repairing import Repairs, by_test


def rederived(stream: Iterator[Chunk], repairs: Repairs, log: Log, uri: str) -> Iterator[Chunk]:
    """Yield the repaired chunks of a canonical source, its rows of `cycle` last and in accord with the series."""
    if not any(item.repair.table == "timeseries" for item in repairs.asked):
        yield from stream
        return
    held: list[pa.RecordBatch] = []
    folds: dict[str, Cycles] = {}
    for chunk in stream:
        if "cycle" in chunk:
            held.append(chunk["cycle"])
        for test, piece in by_test(chunk["timeseries"]) if "timeseries" in chunk else ():
            folds.setdefault(test, Cycles()).watch(piece)
        others = {table: batch for table, batch in chunk.items() if table != "cycle"}
        if others:
            yield others
    if held:
        yield from _settled(pa.Table.from_batches(held), folds, repairs, log, uri)


def _settled(old: pa.Table, folds: dict[str, Cycles], repairs: Repairs, log: Log, uri: str) -> Iterator[Chunk]:
    """Yield the rows of `cycle` test by test, in the order of the source."""
    why = repairs.changed_series
    anew = left = 0
    for test in pc.unique(old.column("test_id")).to_pylist():
        rows = old.filter(pc.equal(old.column("test_id"), test)) if test is not None else old.filter(old.column("test_id").is_null())
        kept = rows.combine_chunks().to_batches()[0]
        fold = folds.get(str(test)) or (folds.get("") if len(folds) == 1 else None)
        ours = kept.column("basis").null_count < len(kept)
        fresh = fold.finish(str(test)) if fold is not None and why and ours else None
        anew += 0 if fresh is None else fresh.num_rows
        left += len(kept) if fresh is None else 0
        yield {"cycle": kept if fresh is None else fresh}
    if anew:
        log.find("M125", source=uri, table="cycle", count=anew)
    if left and why:
        log.find("M124", source=uri, table="cycle", count=left, value=why)
