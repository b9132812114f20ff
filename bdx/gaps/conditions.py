"""Whether a record meets the conditions of a requirement: yes, no, or not to be told because it lacks what is compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx.gaps.presence import Mask, Presence
from bdx.gaps.profile import Condition

MET, UNMET, UNTOLD = 0, 1, 2

_ARROW = {
    "~": partial(pc.match_substring, ignore_case=True),
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def weigh(conditions: Sequence[Sequence[Condition]], rows: Presence) -> npt.NDArray[np.int64]:
    """Return MET, UNMET or UNTOLD for every record; of several ways to meet a condition one is enough.

    One condition that is not met in any way settles the matter.
    """
    verdict = np.full(len(rows), MET, dtype=np.int64)
    for ways in conditions:
        known, met = np.ones(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
        for condition in ways:
            told = rows.has_value(condition.path)
            met |= told if condition.operator == "?" else _met(condition, rows)
            known &= told | (condition.operator == "?")
        verdict[~met & ~known & (verdict == MET)] = UNTOLD
        verdict[~met & known] = UNMET
    return verdict


def _met(condition: Condition, rows: Presence) -> Mask:
    path = condition.path
    array = rows.column(path.column) if path.table == rows.table else None
    if path.table == rows.table:
        mask = np.zeros(len(rows), dtype=bool) if array is None else _compare(array, condition)
        return mask & rows.has_value(path) if path.where else mask
    child = rows.rows_of(path.table)
    if child is None or path.column not in child.schema.names:
        return np.zeros(len(rows), dtype=bool)
    mask = _compare(child.column(path.column), condition)
    for name, value in path.where:
        mask = mask & _compare(child.column(name), Condition(path, "=", value))
    return rows.of_children(path.table, mask)


def _compare(array: Any, condition: Condition) -> Mask:
    value: Any = condition.value
    kind = array.type
    if pa.types.is_dictionary(kind):
        array, kind = array.cast(kind.value_type), kind.value_type
    if pa.types.is_boolean(kind):
        value = str(value).casefold() == "true"
    elif pa.types.is_date(kind):
        value = pa.scalar(date.fromisoformat(str(value)), kind)
    found: Mask = pc.fill_null(_ARROW[condition.operator](array, value), False).to_numpy(zero_copy_only=False)
    return found
