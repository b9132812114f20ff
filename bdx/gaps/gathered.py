"""Rows of a run kept until its end, where those of one record come in several chunks: keys and presence, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
import pyarrow as pa

from bdx.canon import Chunk
from bdx.gaps.presence import held
from bdx.gaps.profile import ColumnPath, Profile


class Gathered:
    """Keeps the columns that a profile looks at; of other tables only the rows that hold something it asks for."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._paths: dict[str, dict[ColumnPath, None]] = {profile.table: {}}
        for path in _paths(profile):
            self._paths.setdefault(path.table, {})[path] = None
        scope = (
            profile.key,
            profile.category_column,
            profile.granularity_column,
            *(name for limit in profile.limits for name in limit.product),
        )
        self._columns = {
            table: tuple(
                dict.fromkeys(
                    (
                        *(filter(None, scope) if table == profile.table else (profile.joins[table],)),
                        *(name for path in paths for name in (path.column, *(pair[0] for pair in path.where))),
                    )
                )
            )
            for table, paths in self._paths.items()
        }
        self._batches: dict[str, list[pa.RecordBatch]] = {table: [] for table in self._paths}

    @staticmethod
    def needed(profile: Profile) -> bool:
        """Say whether a profile looks beyond its own table, and that table is not the battery's, whose children travel with it."""
        return profile.table != "battery" and any(path.table != profile.table for path in _paths(profile))

    def keep(self, chunk: Chunk) -> None:
        """Keep what the profile looks at of one chunk."""
        for table, paths in self._paths.items():
            batch = chunk.get(table)
            if batch is None or not batch.num_rows:
                continue
            kept = batch.select([name for name in self._columns[table] if name in batch.schema.names])
            if table != self._profile.table:
                kept = kept.filter(pa.array(np.logical_or.reduce([held(batch, path) for path in paths])))
            if kept.num_rows:
                self._batches[table].append(kept)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the records, each chunk with all rows of the other tables."""
        others = {}
        for table, batches in self._batches.items():
            if table != self._profile.table and batches:
                others[table] = pa.Table.from_batches(_alike(batches)).combine_chunks().to_batches()[0]
        for batch in self._batches[self._profile.table]:
            yield {self._profile.table: batch, **others}


def _paths(profile: Profile) -> Iterator[ColumnPath]:
    for requirement in profile.requirements:
        yield from requirement.paths
        for condition in chain.from_iterable(requirement.when):
            yield condition.path


def _alike(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Return batches with the columns that any of them has; a sparse table carries only what its source supplies."""
    schema = pa.unify_schemas([batch.schema.remove_metadata() for batch in batches])
    return [
        pa.RecordBatch.from_arrays(
            [
                batch.column(field.name).cast(field.type) if field.name in batch.schema.names else pa.nulls(batch.num_rows, field.type)
                for field in schema
            ],
            schema=schema,
        )
        for batch in batches
    ]
