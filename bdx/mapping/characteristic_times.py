"""Dates as Q-DAS files write them -> moments in UTC and how their zone is known; vectorised over Arrow buffers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx.errors import UsageError
from bdx.mapping.clock import alike, digits

_SHAPE = re.compile(
    r"\s*(0{1,4})([-./])(0{1,2})\2(0{1,4})(?:[/. T]{1,2}(0{1,2}):(0{1,2})(?::(0{1,2})(?:[.,](0{1,9}))?)?)?\s*(Z|[+-]00:?00)?\s*"
)
_PIVOT = 70
"""A year of two digits below this is of this century."""
_BASES = pa.array(["unknown", "date_only", "assumed", "offset"])
UNKNOWN, DATE_ONLY, ASSUMED, OFFSET = range(4)

Ints = npt.NDArray[np.int64]


def moments(texts: pa.Array, zone: str | None) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Return moments (timestamp[us, UTC]), the basis of their zone, and which texts are no date of the format.

    Read are day.month.year, month/day/year and year-month-day (the year with two digits or four), then the time of day after a slash,
    blank, point or T. A time without a zone has no moment unless `zone` says where the clock hung; nor has one that a change of
    clocks repeats or skips.
    Raises: UsageError for a zone that does not exist.
    """
    coded = texts.dictionary_encode()
    values, basis, bad = _walls(coded.dictionary)
    walls = pa.array(values.view("datetime64[us]"), pa.timestamp("us"))
    known = pc.assume_timezone(walls, "UTC").cast(pa.timestamp("us", tz="UTC"))
    if zone:
        early, late = _in_zone(walls, zone, "earliest"), _in_zone(walls, zone, "latest")
        naive = pa.array(basis == ASSUMED)
        certain = pc.or_(pc.invert(naive), pc.equal(early, late))
        basis = np.where(certain.to_numpy(zero_copy_only=False), basis, UNKNOWN)
        known = pc.if_else(naive, early, known)
    else:
        basis = np.where(basis == ASSUMED, UNKNOWN, basis)
    known = pc.if_else(pa.array(bad | (basis < ASSUMED)), None, known)
    bases = _BASES.take(pa.array(basis))
    return known.take(coded.indices), bases.take(coded.indices), pa.array(bad).take(coded.indices)


def _in_zone(walls: pa.Array, zone: str, which: str) -> pa.Array:
    try:
        return pc.assume_timezone(walls, zone, ambiguous=which, nonexistent=which).cast(pa.timestamp("us", tz="UTC"))
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise UsageError(f"'{zone}' is no time zone; expected an IANA name such as Europe/Berlin") from error


def _walls(texts: pa.Array) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Return microseconds since 1970 on the clock that was read, the basis of each, and what is no date."""
    values, basis = np.zeros(len(texts), np.int64), np.full(len(texts), UNKNOWN, np.int64)
    bad = np.ones(len(texts), np.bool_)
    for rows, template, matrix in alike(texts):
        layout = _SHAPE.fullmatch(template)
        order = _order(layout) if layout is not None else None
        if layout is None or order is None:
            continue
        days, wrong = _days(matrix, layout, order)
        hour, minute, second = (digits(matrix, layout, place) for place in (5, 6, 7))
        wrong |= (hour > 23) | (minute > 59) | (second > 59)
        places = len(layout[8] or "")
        fraction = digits(matrix, layout, 8)
        fraction = fraction * 10 ** (6 - places) if places <= 6 else fraction // 10 ** (places - 6)
        seconds = ((days * 24 + hour) * 60 + minute) * 60 + second - _offset(matrix, layout)
        values[rows] = np.where(wrong, 0, seconds * 1_000_000 + fraction)
        basis[rows] = np.where(wrong, UNKNOWN, DATE_ONLY if layout[5] is None else OFFSET if layout[9] else ASSUMED)
        bad[rows] = wrong
    return values, basis, bad


def _order(layout: re.Match[str]) -> tuple[int, int, int] | None:
    """Return the groups of year, month and day, None where the format has no such date."""
    first, mark, last = layout[1], layout[2], layout[4]
    if len(first) == 4:
        return (1, 3, 4) if len(last) <= 2 else None
    if len(first) > 2 or len(last) not in ((1, 2) if mark == "-" else (2, 4)):
        return None
    return {".": (4, 3, 1), "/": (4, 1, 3), "-": (1, 3, 4)}[mark]


def _days(matrix: npt.NDArray[np.uint8], layout: re.Match[str], order: tuple[int, int, int]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    year, month, day = (digits(matrix, layout, place) for place in order)
    if len(layout[order[0]]) <= 2:
        year = year + np.where(year < _PIVOT, 2000, 1900)
    wrong = (year < 1) | (month < 1) | (month > 12) | (day < 1) | (day > 31)
    months = (np.where(wrong, 1970, year) - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (np.where(wrong, 1, month) - 1)
    days = months.astype("datetime64[D]") + (np.where(wrong, 1, day) - 1)
    wrong |= days.astype("datetime64[M]") != months
    return days.astype(np.int64), wrong


def _offset(matrix: npt.NDArray[np.uint8], layout: re.Match[str]) -> Any:
    """Return the seconds east of Greenwich that the texts of one shape state."""
    if not layout[9] or layout[9] == "Z":
        return 0
    start, end = layout.span(9)
    ten, one, six, unit = (matrix[:, place].astype(np.int64) - 48 for place in (start + 1, start + 2, end - 2, end - 1))
    return (1 if layout[9][0] == "+" else -1) * ((ten * 10 + one) * 3600 + (six * 10 + unit) * 60)
