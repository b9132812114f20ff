"""How full the columns are that a missing value could be derived from, by source: what to mend where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk
from bdx.gaps.presence import filled
from bdx.gaps.tally import Place


class Supplied:
    """Counts rows and values of some columns, by source."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._wanted: dict[str, list[str]] = {}
        for table, column in sorted(places):
            self._wanted.setdefault(table, []).append(column)
        self._counts: dict[Place, dict[str, tuple[int, int]]] = {}

    def watch(self, chunk: Chunk) -> None:
        """Count one chunk."""
        for table in self._wanted.keys() & chunk.keys():
            batch = chunk[table]
            sources = _sources(batch)
            for column in self._wanted[table]:
                if column not in batch.schema.names:
                    continue
                mask = filled(batch.column(column))
                counts = self._counts.setdefault((table, column), {})
                for name, rows in sources.items():
                    known = counts.get(name, (0, 0))
                    counts[name] = (known[0] + int(rows.sum()), known[1] + int((rows & mask).sum()))

    def empty(self, places: Iterable[Place], names: Mapping[str, str]) -> Iterator[str]:
        """Yield one sentence per column and source with rows that hold nothing; `names` are the sources by id."""
        for table, column in places:
            for source, (rows, values) in self._counts.get((table, column), {}).items():
                if values < rows:
                    share = f"all {rows:,}" if not values else f"{rows - values:,} of {rows:,}"
                    place = names.get(source, "")
                    yield f"{f'{place}: ' if place else ''}{table}.{column} is empty in {share} rows"


def _sources(batch: pa.RecordBatch) -> dict[str, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return which rows come from which source."""
    if "source_id" not in batch.schema.names:
        return {"": np.ones(batch.num_rows, dtype=bool)}
    column = batch.column("source_id")
    names = pc.unique(column)
    if len(names) == 1:
        return {names[0].as_py() or "": np.ones(batch.num_rows, dtype=bool)}
    return {name or "": _is(column, name) for name in names.to_pylist()}


def _is(column: pa.Array, name: str | None) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    mask = pc.is_null(column) if name is None else pc.fill_null(pc.equal(column, name), False)
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = mask.to_numpy(zero_copy_only=False)
    return found
