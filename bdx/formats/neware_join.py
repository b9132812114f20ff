"""Rows that name a record by its number, laid beside the records."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def join(numbers: npt.NDArray[Any], index: npt.NDArray[Any]) -> tuple[Any, npt.NDArray[np.intp]]:
    """Return which of the numbers are met in the index, and where there."""
    if len(numbers) == len(index) and (numbers == index).all():
        return slice(None), np.arange(len(index))
    if not len(index):
        return slice(0, 0), np.empty(0, np.intp)
    order = np.argsort(index, kind="stable") if (index[1:] < index[:-1]).any() else None
    place = np.minimum(np.searchsorted(index, numbers, sorter=order), len(index) - 1)
    place = place if order is None else order[place]
    hit = index[place] == numbers
    return hit, place[hit]


def lay(values: npt.NDArray[Any], place: npt.NDArray[np.intp], rows: int) -> pa.Array:
    """Return the values at their places in an array of so many rows, empty in between."""
    laid, empty = np.zeros(rows, values.dtype), np.ones(rows, np.bool_)
    laid[place], empty[place] = values, False
    return pa.array(laid, mask=empty if empty.any() else None)
