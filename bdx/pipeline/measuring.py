"""Internal resistance beside the series it is measured in: rows of `resistance` of each test, with remarks on what gave none."""

from __future__ import annotations

from collections.abc import Iterator

from bdx.canon import Chunk, Log
from bdx.derive.pulses import Resistances
from bdx.derive.pulses_rest import losses
from bdx.pipeline.repairing import by_test


def with_resistance(stream: Iterator[Chunk], test: str, log: Log, uri: str) -> Iterator[Chunk]:
    """Yield the chunks, and last the rows of `resistance` of each test, unless the source brought its own."""
    folds: dict[str, Resistances] = {}
    rows, own = 0, False
    for chunk in stream:
        own = own or "resistance" in chunk
        for named, piece in by_test(chunk["timeseries"]) if "timeseries" in chunk and not own else ():
            if named not in folds:
                folds[named] = Resistances(first_row=rows + 1)
            folds[named].watch(piece)
            rows += piece.num_rows
        if "step" in chunk:
            for remark in losses(chunk["step"]):
                log.find(remark.code, source=uri, table="step", value=remark.why)
        yield chunk
    for named, fold in folds.items() if not own else ():
        found = fold.finish(named or test)
        for remark in fold.refused:
            log.find(remark.code, source=uri, table="resistance", value=remark.why)
        if found is not None and found.num_rows:
            yield {"resistance": found}
