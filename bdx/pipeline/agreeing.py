"""Two columns that say the same: numbers within a share of the larger, texts but for case and blanks; whole columns at a time."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from bdx.derive.tolerance import TOLERANCE, agree


def agreeing(mine: pa.Array, theirs: pa.Array, share: float = TOLERANCE) -> pa.Array:
    """Return the mask of rows in which two columns of one type do not contradict each other; a missing value contradicts nothing."""
    both = pc.and_(mine.is_valid(), theirs.is_valid())
    if not pc.any(both).as_py():
        return pc.invert(both)
    kind = mine.type
    if pa.types.is_list(kind):
        pairs = zip(mine.to_pylist(), theirs.to_pylist(), strict=True)
        return pa.array([not a or not b or agree(a, b, share) for a, b in pairs], pa.bool_())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        x, y = mine.cast(pa.float64()), theirs.cast(pa.float64())
        room = pc.multiply(pc.max_element_wise(pc.abs(x), pc.abs(y)), share)
        same = pc.less_equal(pc.abs(pc.subtract(x, y)), room)
    elif pa.types.is_string(kind):
        same = pc.equal(_folded(mine), _folded(theirs))
    else:
        same = pc.equal(mine, theirs)
    return pc.or_(pc.invert(both), pc.fill_null(same, True))


def _folded(text: pa.Array) -> pa.Array:
    return pc.utf8_lower(pc.utf8_trim_whitespace(pc.replace_substring_regex(text, r"\s+", " ")))
