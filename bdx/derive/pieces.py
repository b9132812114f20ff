"""Columns of batches laid together and cut anew into blocks of one size: a fold over them rounds the same for any batch size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BLOCK_ROWS = 65_536
"""Rows of a block, however they arrive."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Columns = dict[str, Floats]

ROWS = "rows"
"""Stands in every piece beside its columns; only its length is read."""


class Pieces:
    """Holds the columns of batches until they make a block."""

    def __init__(self) -> None:
        self._waiting: list[Columns] = []
        self._rows = 0

    @property
    def waiting(self) -> bool:
        """Whether any rows are held."""
        return bool(self._waiting)

    def cut(self, columns: Columns) -> Iterator[Columns]:
        """Yield the blocks that the columns of a further batch complete, each of `BLOCK_ROWS` rows."""
        self._waiting.append(columns)
        self._rows += len(columns[ROWS])
        if self._rows < BLOCK_ROWS:
            return
        whole = joined(self._waiting)
        end = self._rows // BLOCK_ROWS * BLOCK_ROWS
        for start in range(0, end, BLOCK_ROWS):
            yield {name: values[start : start + BLOCK_ROWS] for name, values in whole.items()}
        self._rows -= end
        self._waiting = [{name: values[end:] for name, values in whole.items()}] if self._rows else []

    def rest(self) -> Iterator[Columns]:
        """Yield the last block, where any rows are held."""
        if self._rows:
            yield joined(self._waiting)
            self._waiting, self._rows = [], 0


def row_count(count: int) -> Floats:
    """Return what stands for the number of rows of a piece."""
    return np.broadcast_to(np.float64(0.0), count)


def floats(batch: pa.RecordBatch, name: str) -> Floats:
    """Return a column as floats, NaN where empty."""
    values = batch.column(batch.schema.get_field_index(name)).cast(pa.float64(), safe=False)
    if values.null_count:
        values = values.fill_null(float("nan"))
    return values.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def joined(pieces: list[Columns]) -> Columns:
    """Return the pieces as one; a column that some of them lack is empty there."""
    if len(pieces) == 1:
        return pieces[0]
    names = {name: None for piece in pieces for name in piece if name != ROWS}
    count = sum(len(piece[ROWS]) for piece in pieces)
    whole = {name: np.concatenate([piece[name] if name in piece else _empty(piece) for piece in pieces]) for name in names}
    return {ROWS: row_count(count)} | whole


def _empty(piece: Columns) -> Floats:
    return np.full(len(piece[ROWS]), np.nan)
