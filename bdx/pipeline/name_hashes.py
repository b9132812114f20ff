"""Names as 64-bit numbers, a whole column at a time: millions of names are held and compared in a few bytes each."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_AT_ONCE = 16_384
_LONGEST = 4096
"""Bytes of a name that count; longer ones are told apart by their length beside them."""


def hashes(names: pa.Array) -> Hashes:
    """Return a number for each name, 0 for none and for an empty one.

    Two names may share a number (one pair in 10 million for a million names): whoever joins by it compares the names as well.
    """
    if len(names) > _AT_ONCE:
        return np.concatenate([hashes(names.slice(start, _AT_ONCE)) for start in range(0, len(names), _AT_ONCE)])
    names = names.cast(pa.large_string()) if not pa.types.is_large_string(names.type) else names
    count = len(names)
    buffers = names.buffers()
    offsets = np.frombuffer(buffers[1], np.int64, count + 1, names.offset * 8) if count else np.zeros(1, np.int64)
    data = np.frombuffer(buffers[2], np.uint8) if buffers[2] is not None else np.zeros(0, np.uint8)
    lengths = np.diff(offsets)
    found = lengths.astype(np.uint64)
    kept = np.minimum(lengths, _LONGEST)
    filled = np.flatnonzero(kept)
    if len(filled):
        sizes = kept[filled]
        starts = np.r_[0, np.cumsum(sizes)[:-1]]
        place = np.arange(int(sizes.sum())) - np.repeat(starts, sizes)
        letters = data[np.repeat(offsets[:-1][filled], sizes) + place].astype(np.uint64)
        with np.errstate(over="ignore"):
            found[filled] += np.add.reduceat((letters + np.uint64(1)) * _powers()[place], starts)
    with np.errstate(over="ignore"):
        found = (found ^ (found >> np.uint64(30))) * _MIX[0]
        found = (found ^ (found >> np.uint64(27))) * _MIX[1]
        found ^= found >> np.uint64(31)
    nothing = lengths == 0
    if names.null_count:
        nothing |= np.asarray(names.is_null().to_numpy(zero_copy_only=False))
    found[nothing] = 0
    return found


def hashes_of(names: Iterable[str]) -> Hashes:
    """Return the numbers of some names."""
    return hashes(pa.array(list(names), pa.large_string()))


@cache
def _powers() -> Any:
    with np.errstate(over="ignore"):
        return np.cumprod(np.full(_LONGEST, _FACTOR, np.uint64))
