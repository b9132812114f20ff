"""Names as 64-bit numbers, a whole column at a time: millions of names are held and compared in a few bytes each."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx.rules.marks import marks

Hashes = npt.NDArray[np.uint64]

_AT_ONCE = 16_384
"""Names hashed together: what they take on the way stays in the processor's cache."""


def hashes(names: pa.Array) -> Hashes:
    """Return a number for each name, 0 for none and for an empty one.

    Two names may share a number (one pair in 10 million for a million names): whoever joins by it compares the names as well.
    """
    pieces = [_hashes(names.slice(start, _AT_ONCE)) for start in range(0, len(names), _AT_ONCE)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.uint64)


def _hashes(names: pa.Array) -> Hashes:
    texts = names.cast(pa.string())
    found = marks(texts)
    found[pc.equal(pc.binary_length(texts), 0).fill_null(fill_value=False).to_numpy(zero_copy_only=False)] = 0
    return found


def hashes_of(names: Iterable[str]) -> Hashes:
    """Return the numbers of some names."""
    return hashes(pa.array(list(names), pa.string()))
