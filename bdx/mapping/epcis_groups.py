"""Canonical rows by the step they belong to, held as Arrow and handed out one step at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa


class Groups:
    """The rows of one table, sorted by a column and within it as they came."""

    def __init__(self, batches: list[pa.RecordBatch], column: str) -> None:
        self._spans: dict[str, tuple[int, int]] = {}
        self._table: pa.Table | None = None
        if not batches:
            return
        table = pa.Table.from_batches([batch.replace_schema_metadata(None) for batch in batches]).combine_chunks()
        names = table[column].combine_chunks().fill_null("").dictionary_encode()
        if isinstance(names, pa.ChunkedArray):
            names = names.combine_chunks()
        codes = names.indices.to_numpy(zero_copy_only=False)
        order = np.argsort(codes, kind="stable")
        self._table = table.take(pa.array(order))
        counts = np.bincount(codes, minlength=len(names.dictionary))
        ends = np.cumsum(counts)
        for name, start, end in zip(names.dictionary.to_pylist(), (ends - counts).tolist(), ends.tolist(), strict=True):
            self._spans[name] = (start, end)

    def keys(self) -> list[str]:
        """Return all values of the column, as they were first met; "" for rows without one."""
        return list(self._spans)

    def take(self, key: str) -> list[dict[str, Any]]:
        """Return the rows of one value."""
        span = self._spans.get(key)
        if span is None or self._table is None:
            return []
        return self._table.slice(span[0], span[1] - span[0]).to_pylist()  # type: ignore[no-any-return]
