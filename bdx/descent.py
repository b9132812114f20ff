"""Who descends from whom: numbered edges -> everything that is reached, layer by layer, without recursion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def numbered(*columns: npt.NDArray[Any]) -> tuple[list[Ints], npt.NDArray[Any]]:
    """Return several columns of identifiers as numbers from 0, equal ones alike, and the identifiers by number."""
    names, numbers = np.unique(np.concatenate(columns), return_inverse=True)
    ends = np.cumsum([len(column) for column in columns])[:-1]
    return [part.astype(np.int64) for part in np.split(numbers, ends)], names


def reached(source: Ints, target: Ints, start: Sequence[int] | Ints, nodes: int) -> Bools:
    """Return which of `nodes` numbers are in `start` or reached from there along edges source -> target; circles end by themselves."""
    order = np.argsort(source, kind="stable")
    ends = target[order]
    begins = np.searchsorted(source[order], np.arange(nodes + 1))
    found = np.zeros(nodes, dtype=bool)
    layer = np.unique(np.asarray(start, dtype=np.int64))
    found[layer] = True
    while len(layer):
        counts = begins[layer + 1] - begins[layer]
        total = int(counts.sum())
        if not total:
            break
        offsets = np.repeat(begins[layer] - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
        following = ends[offsets + np.arange(total)]
        layer = np.unique(following[~found[following]])
        found[layer] = True
    return found
