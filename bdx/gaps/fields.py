"""A source's own fields, which the column `extra` keeps as JSON: which rows hold a value under a name."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow.compute as pc


def holding(array: Any, field: str) -> npt.NDArray[np.bool_]:
    """Return which JSON texts hold a value under `field`: at the top, or one level down, where a model keeps its own."""
    mask = np.zeros(len(array), dtype=bool)
    quoted = orjson.dumps(field).decode()
    candidates = pc.fill_null(pc.match_substring(array, quoted), False).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(candidates):
        mask[row] = _held(orjson.loads(array[int(row)].as_py()), field)
    return mask


def _held(value: Any, field: str) -> bool:
    if not isinstance(value, dict):
        return False
    if field in value:
        return value[field] not in (None, "", [], {}) and not (isinstance(value[field], str) and value[field].isspace())
    return any(isinstance(inner, dict) and inner.get(field) not in (None, "", [], {}) for inner in value.values())
