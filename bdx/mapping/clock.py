"""Durations written as text -> seconds, vectorised over Arrow buffers.

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

_DURATION = re.compile(r"\s*(?:(0+)(?: ?d(?:ays?)?,? ?|[- ]))?(0+):(0+):(0+)(?:[.,](0+)|:(000))?\s*")
_MAX_WIDTH = 40


def is_text(kind: pa.DataType) -> bool:
    """Say whether an Arrow type holds text, plain or dictionary encoded."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def durations(array: pa.Array) -> pa.Array:
    """Return seconds (float64) of duration texts; what is no duration becomes null.

    Read are "h:m:s", "h:m:s.fff", "h:m:s:fff" (any number of hours) and each after a number of days ("1d 02:00:00").
    Shape: one value per text. Units: s. A text with up to six decimals gives the float nearest to it.
    """
    values = np.zeros(len(array), np.float64)
    bad = np.ones(len(array), np.bool_)
    for rows, template, matrix in alike(array):
        layout = _DURATION.fullmatch(template)
        if layout is None:
            continue
        days, hours, minutes, seconds = (digits(matrix, layout, index) for index in range(1, 5))
        fraction = digits(matrix, layout, 6 if layout.group(6) else 5)
        whole = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        places = len(layout.group(6) or layout.group(5) or "")
        values[rows] = (whole * 10**places + fraction) / 10.0**places if places <= 6 else whole + fraction / 10.0 ** min(places, 18)
        bad[rows] = (minutes > 59) | (seconds > 59)
    return pa.array(values, pa.float64(), mask=bad)


def digits(matrix: npt.NDArray[np.uint8], layout: re.Match[str], group: int) -> Any:
    """Return the integers in the digit columns of one group of the layout; 0 where the group is absent."""
    start, end = layout.span(group)
    if start < 0:
        return np.zeros(len(matrix), np.int64)
    number = matrix[:, start].astype(np.int64) - 48
    for column in range(start + 1, min(end, start + 18)):
        number = number * 10 + (matrix[:, column] - 48)
    return number


def alike(array: pa.Array) -> Iterator[tuple[Any, str, npt.NDArray[np.uint8]]]:
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
