"""Short marks for texts: 64-bit hashes of a whole array at once, for judgements that remember what they met."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa

Marks = np.ndarray[Any, np.dtype[np.uint64]]

_LONGEST = 96
"""Bytes up to which texts are hashed together; longer ones one by one."""
_WEIGHTS = np.array(
    [int.from_bytes(hashlib.blake2b(bytes([place]), digest_size=8).digest(), "little") | 1 for place in range(_LONGEST)], np.uint64
)


def marks(texts: pa.Array) -> Marks:
    """Return a 64-bit hash per text, never 0, and 0 for null. Equal texts have equal marks on every machine.

    A sum of the bytes times fixed random weights, mixed at the end; the length counts as well.
    """
    if not len(texts):
        return np.zeros(0, np.uint64)
    ends = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, 4 * texts.offset).astype(np.int64)
    data = texts.buffers()[2]
    held = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    starts, sizes = ends[:-1], np.diff(ends)
    short = np.minimum(sizes, _LONGEST)
    widest = int(short.max())
    total = sizes.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for place in range(widest):
        inside = short > place
        here = held[np.where(inside, starts + place, 0)].astype(np.uint64) + np.uint64(1)
        total += np.where(inside, here * _WEIGHTS[place], np.uint64(0))
    for row in np.flatnonzero(sizes > _LONGEST):
        text = held[starts[row] : ends[row + 1]].tobytes()
        total[row] = np.uint64(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))
    total ^= total >> np.uint64(32)
    total *= np.uint64(0xD6E8FEB86659FD93)
    total ^= total >> np.uint64(32)
    total |= np.uint64(1)
    return np.where(texts.is_valid().to_numpy(zero_copy_only=False), total, np.uint64(0))
