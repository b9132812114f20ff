"""Cycles and steps beside the series they are derived from; those of a series that was repaired are derived anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk, Log
from bdx.derive.cycles import AGREE, Cycles
from bdx.pipeline.repairing import Repairs, by_test

T = TypeVar("T")


def with_cycles(stream: Iterator[Chunk], test: str, repairs: Repairs, log: Log, uri: str, *, steps: bool) -> Iterator[Chunk]:
    """Yield the chunks, and after the rows of each test its cycles, unless the source brought its own, and its steps where asked for."""
    cycles, own, brought, rows = Cycles(steps=steps), False, 0, 0
    nominal: dict[str, float | None] = {}
    for chunk in stream:
        own = own or "cycle" in chunk
        brought += chunk["cycle"].num_rows if "cycle" in chunk else 0
        nominal |= _nominal(chunk) if steps else {}
        batch = chunk.get("timeseries")
        if batch is not None:
            named = _test_of(batch) or test
            if named != test:
                yield from _derived(cycles, test, nominal.get(test), log, uri, own=own)
                test, cycles = named, Cycles(steps=steps, first_row=rows + 1)
            cycles.watch(batch)
            rows += batch.num_rows
        yield chunk
    yield from _derived(cycles, test, nominal.get(test), log, uri, own=own)
    if own and repairs.changed_series:
        log.find("M124", source=uri, table="cycle", count=brought, value=repairs.changed_series)


def with_steps(stream: Iterator[Chunk], test: str, log: Log, uri: str) -> Iterator[Chunk]:
    """Yield the chunks of a canonical source, and last the steps of its tests where it has a series and no steps."""
    folds: dict[str, Cycles] = {}
    nominal: dict[str, float | None] = {}
    rows = 0
    own = False
    for chunk in stream:
        own = own or "step" in chunk
        nominal |= _nominal(chunk)
        for named, piece in by_test(chunk["timeseries"]) if "timeseries" in chunk and not own else ():
            if named not in folds:
                folds[named] = Cycles(steps=True, first_row=rows + 1)
            folds[named].watch(piece)
            rows += piece.num_rows
        yield chunk
    only = next(iter(nominal)) if len(nominal) == 1 else test
    for named, fold in folds.items() if not own else ():
        yield from _derived(fold, named or only, nominal.get(named or only), log, uri, own=True)


def _nominal(chunk: Chunk) -> dict[str, float | None]:
    """Return the nominal capacity that the operator entered, by test."""
    return {row["test_id"]: row["nominal_capacity_ah"] for row in chunk["test"].to_pylist()} if "test" in chunk else {}


def _derived(cycles: Cycles, test: str, nominal_ah: float | None, log: Log, uri: str, *, own: bool) -> Iterator[Chunk]:
    """Yield cycles and steps of a test that ended; where its counters differ from what its series adds up to, a finding says so."""
    rows = cycles.finish(test)
    if rows is not None and rows.num_rows and not own:
        yield {"cycle": rows}
    steps = cycles.steps(test, nominal_ah)
    if steps is None or not steps.num_rows:
        return
    yield {"step": steps}
    for name, counted, summed in cycles.deviations():
        if abs(counted - summed) > AGREE * max(counted, summed):
            share = f"{(summed / counted - 1) * 100:+.2f} %" if counted else "nothing was counted"
            log.find("M150", source=uri, table="timeseries", column=name, value=share, counted=f"{counted:.6g}", summed=f"{summed:.6g}")


def _test_of(batch: pa.RecordBatch) -> str | None:
    """Return the test a batch of one test belongs to, None where it does not say."""
    place = batch.schema.get_field_index("test_id")
    return batch.column(place)[0].as_py() if place >= 0 and batch.num_rows else None


def rederived(stream: Iterator[Chunk], repairs: Repairs, log: Log, uri: str) -> Iterator[Chunk]:
    """Yield the repaired chunks of a canonical source, its rows of `cycle` and `step` last and in accord with the series."""
    if not any(item.repair.table == "timeseries" for item in repairs.asked):
        yield from stream
        return
    held: dict[str, list[pa.RecordBatch]] = {"cycle": [], "step": []}
    folds: dict[str, Cycles] = {}
    nominal: dict[str, float | None] = {}
    rows = 0
    for chunk in stream:
        for table in held.keys() & chunk.keys():
            held[table].append(chunk[table])
        nominal |= _nominal(chunk)
        for test, piece in by_test(chunk["timeseries"]) if "timeseries" in chunk else ():
            if test not in folds:
                folds[test] = Cycles(steps=True, first_row=rows + 1)
            folds[test].watch(piece)
            rows += piece.num_rows
        others = {table: batch for table, batch in chunk.items() if table not in held}
        if others:
            yield others
    fresh = {test: fold.finish(test) for test, fold in folds.items()}
    if held["cycle"]:
        yield from _settled(pa.Table.from_batches(held["cycle"]), fresh, repairs, log, uri)
    if held["step"]:
        yield from _steps_anew(pa.Table.from_batches(held["step"]), folds, nominal, anew=bool(repairs.changed_series))


def _steps_anew(old: pa.Table, folds: dict[str, Cycles], nominal: dict[str, float | None], *, anew: bool) -> Iterator[Chunk]:
    """Yield the rows of `step` test by test, derived anew where the series changed: nothing but the series makes them."""
    for test, kept in _by_test(old):
        fold = _of_test(folds, test)
        fresh = fold.steps(test, nominal.get(test)) if fold is not None and anew else None
        yield {"step": kept if fresh is None else fresh}


def _settled(old: pa.Table, folded: dict[str, pa.RecordBatch | None], repairs: Repairs, log: Log, uri: str) -> Iterator[Chunk]:
    """Yield the rows of `cycle` test by test, in the order of the source."""
    why = repairs.changed_series
    anew = left = 0
    for test, kept in _by_test(old):
        ours = kept.column("basis").null_count < len(kept)
        fresh = _of_test(folded, test) if why and ours else None
        if fresh is not None:
            place = fresh.schema.get_field_index("test_id")
            fresh = fresh.set_column(place, fresh.schema.field(place), pa.array([test] * fresh.num_rows, pa.string()))
        anew += 0 if fresh is None else fresh.num_rows
        left += len(kept) if fresh is None else 0
        yield {"cycle": kept if fresh is None else fresh}
    if anew:
        log.find("M125", source=uri, table="cycle", count=anew)
    if left and why:
        log.find("M124", source=uri, table="cycle", count=left, value=why)


def _by_test(old: pa.Table) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield the rows of each test, in the order of the source."""
    for test in pc.unique(old.column("test_id")).to_pylist():
        rows = old.filter(pc.equal(old.column("test_id"), test)) if test is not None else old.filter(old.column("test_id").is_null())
        yield str(test), rows.combine_chunks().to_batches()[0]


def _of_test(folded: dict[str, T], test: str) -> T | None:
    """Return what was folded of a test; of the only one where the series names none."""
    return folded.get(test) or (folded.get("") if len(folded) == 1 else None)
