"""Tags of data sets: what is announced of each, which unit fits which column, what stands between values and rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from bdx import spec, units
from bdx.errors import MappingError

_BREAKS = {"\\n": "\n", "\\r\\n": "\n", "\\t": "\t", "lf": "\n", "crlf": "\n", "tab": "\t", "comma": ",", "semicolon": ";", "": ""}


@dataclass(slots=True)
class Tag:
    """One tag of a data set: its index and name, its unit, and what it is: a column of the series, the time, or neither."""

    index: str
    name: str
    unit: str
    column: str = ""
    expected: str = ""
    is_time: bool = False
    step: str = ""
    equipment: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def order_of(tag: Tag) -> float:
    """Return the number of a tag, after all others where it has none."""
    try:
        number = float(tag.index)
    except ValueError:
        return math.inf
    return number if math.isfinite(number) else math.inf


def unit_of(column: str) -> str:
    """Return the unit of a column of the time series."""
    return spec.table("timeseries").column(column).unit or ""


def fits(unit: str, expected: str) -> bool:
    """Say whether a unit as written is of the quantity of a column."""
    try:
        return units.unit(unit).quantity == units.unit(expected).quantity
    except MappingError:
        return False


def delimiter(text: str | None, otherwise: str) -> str:
    """Return the mark between fields or rows, written as itself, by its name, or as a line break in the file."""
    if text is None or not text:
        return otherwise
    bare = text.strip()
    if not bare:
        return "\n" if "\n" in text or "\r" in text else text
    return _BREAKS.get(bare.casefold(), bare) or otherwise
