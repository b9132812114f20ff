"""Durations and wall times written as text or numbers -> seconds and timestamps, vectorised over Arrow buffers.

Texts are grouped by length and by the place of their digits, so every group is read as one fixed-width matrix: no loop over rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]

_DURATION = re.compile(r"\s*(?:(0+) ?d(?:ays?)?,? ?)?(0+):(0+):(0+)(?:[.,](0+))?\s*")
_STAMP = re.compile(r"\s*(0+)[-/.](0+)[-/.](0+)(?:[T ] ?(0+):(0+)(?::(0+)(?:[.,](0+))?)?(?: ?([AaPp])[Mm])?)?\s*")
_ORDERS = {"ymd": (0, 1, 2), "mdy": (2, 0, 1), "dmy": (2, 1, 0)}
_MAX_WIDTH = 40
_MICROSECONDS = 1_000_000


def is_text(kind: pa.DataType) -> bool:
    """Say whether an Arrow type holds text, plain or dictionary encoded."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def durations(array: pa.Array) -> pa.Array:
    """Return seconds (float64) of duration texts; what is no duration becomes null.

    Read are "h:m:s", "h:m:s.fff" (any number of hours) and either after a number of days ("1d 02:00:00").
    Shape: one value per text. Units: s. A text with up to six decimals gives the float nearest to it.
    """
    values = np.zeros(len(array), np.float64)
    bad = np.ones(len(array), np.bool_)
    for rows, template, matrix in _alike(array):
        layout = _DURATION.fullmatch(template)
        if layout is None:
            continue
        days, hours, minutes, seconds, fraction = (_number(matrix, layout, index) for index in range(1, 6))
        whole = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        digits = len(layout.group(5) or "")
        values[rows] = (whole * 10**digits + fraction) / 10.0**digits if digits <= 6 else whole + fraction / 10.0**digits
        bad[rows] = (minutes > 59) | (seconds > 59)
    return pa.array(values, pa.float64(), mask=bad)


def wall_times(array: pa.Array, order: str = "ymd") -> pa.Array:
    """Return wall times (timestamp[us], no zone) of date texts; what is no date becomes null.

    `order` is that of the date's parts: ymd, mdy or dmy; the year has four digits. Time of day may be absent, have no
    seconds, have decimals (beyond microseconds they are cut) or be of twelve hours with AM or PM.
    """
    values = np.zeros(len(array), np.int64)
    bad = np.ones(len(array), np.bool_)
    for rows, template, matrix in _alike(array):
        layout = _STAMP.fullmatch(template)
        places = [index + 1 for index in _ORDERS[order]]
        if layout is None or len(layout.group(places[0])) != 4:
            continue
        values[rows], bad[rows] = _microseconds(matrix, layout, places)
    return pa.array(values.view("datetime64[us]"), pa.timestamp("us"), mask=bad)


def _microseconds(matrix: npt.NDArray[np.uint8], layout: re.Match[str], places: list[int]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return microseconds since 1970 and the mask of impossible dates."""
    year, month, day = (_number(matrix, layout, place) for place in places)
    hour, minute, second = (_number(matrix, layout, place) for place in (4, 5, 6))
    half = layout.group(8)
    wrong = (month < 1) | (month > 12) | (day < 1) | (minute > 59) | (second > 59)
    if half is not None:
        wrong |= (hour < 1) | (hour > 12)
        hour = hour % 12 + (12 if half in "Pp" else 0)
    wrong |= hour > 23
    digits = len(layout.group(7) or "")
    fraction = _number(matrix, layout, 7)
    fraction = fraction * 10 ** (6 - digits) if digits <= 6 else fraction // 10 ** (digits - 6)
    months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    days = months.astype("datetime64[D]") + (day - 1)
    wrong |= days.astype("datetime64[M]") != months
    seconds = ((days.astype(np.int64) * 24 + hour) * 60 + minute) * 60 + second
    return seconds * _MICROSECONDS + fraction, wrong


def unix_seconds(array: pa.Array) -> pa.Array:
    """Return seconds since 1970 UTC (float64) of timestamps that carry a zone."""
    exact = array.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    numbers = exact.fill_null(0).to_numpy(zero_copy_only=False)
    return pa.array(numbers / float(_MICROSECONDS), pa.float64(), mask=_nulls(array))


def _nulls(array: pa.Array) -> npt.NDArray[np.bool_] | None:
    return array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None


def _number(matrix: npt.NDArray[np.uint8], layout: re.Match[str], group: int) -> Any:
    """Return the integers in the digit columns of one group of the layout; 0 where the group is absent."""
    start, end = layout.span(group)
    if start < 0:
        return np.zeros(len(matrix), np.int64)
    number = matrix[:, start].astype(np.int64) - 48
    for column in range(start + 1, min(end, start + 18)):
        number = number * 10 + (matrix[:, column] - 48)
    return number


def _alike(array: pa.Array) -> Iterator[tuple[Any, str, npt.NDArray[np.uint8]]]:
    """Yield (rows, template, matrix) of texts with digits in the same places; the template shows each digit as "0".

    Texts longer than any clock or with bytes beyond ASCII are left out.
    """
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    array = array.cast(pa.string())
    if not len(array) or array.buffers()[2] is None:
        return
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    data = np.frombuffer(array.buffers()[2], np.uint8)
    lengths = np.diff(offsets)
    if array.null_count:
        lengths[array.is_null().to_numpy(zero_copy_only=False)] = 0
    for width in np.unique(lengths).tolist():
        if not 0 < width <= _MAX_WIDTH:
            continue
        rows = np.flatnonzero(lengths == width)
        if len(rows) == len(lengths) and offsets[-1] - offsets[0] == width * len(rows):
            matrix = data[offsets[0] : offsets[-1]].reshape(len(rows), width)
        else:
            matrix = data[offsets[rows][:, None] + np.arange(width)]
        yield from _by_template(rows, matrix)


def _by_template(rows: Ints, matrix: npt.NDArray[np.uint8]) -> Iterator[tuple[Any, str, npt.NDArray[np.uint8]]]:
    shapes = np.where((matrix >= 48) & (matrix <= 57), np.uint8(48), matrix)
    if (shapes == shapes[0]).all():
        if (shapes[0] < 128).all():
            yield rows, shapes[0].tobytes().decode("ascii"), matrix
        return
    flat = np.ascontiguousarray(shapes).view(np.dtype((np.void, matrix.shape[1]))).ravel()
    kinds, kind_of = np.unique(flat, return_inverse=True)
    for index, kind in enumerate(kinds):
        template = bytes(kind)
        if template.isascii():
            same = np.flatnonzero(kind_of == index)
            yield rows[same], template.decode("ascii"), matrix[same]
