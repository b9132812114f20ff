"""Wall times written as text or as day numbers -> timestamps, and their offsets -> UTC; vectorised over Arrow buffers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx.errors import UsageError
from bdx.mapping.clock import Ints, alike, digits

_STAMP = re.compile(r"\s*(0+)[-/.](0+)[-/.](0+)(?:[T ]{0,2}(0+):(0+)(?::(0+)(?:[.,:](0+))?)?(?: ?([AaPp])[Mm])?)?\s*")
_ORDERS = {"ymd": (0, 1, 2), "mdy": (2, 0, 1), "dmy": (2, 1, 0)}
_MICROSECONDS = 1_000_000
_DAY = 86_400
_NEAR = 6 * 3600 * _MICROSECONDS
"""Records no further apart than this belong to one stretch of recording."""
_EPOCHS = {"excel": 25_569, "matlab": 719_529}
"""Day number of 1970-01-01 in each way of counting days."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED = r"(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b"
_OFFSET = r"[0-9] ?(?P<offset>Z|z|UTC|[+-][0-9]{2}:?[0-9]{2})$"
_PIVOT = 70
"""A year of two digits below this is of this century."""


def wall_times(array: pa.Array, order: str = "ymd") -> pa.Array:
    """Return wall times (timestamp[us], no zone) of date texts; what is no date becomes null.

    `order` is that of the date's parts where the year does not stand first: mdy or dmy. Months may be English names, a year
    written last may have two digits (1970 to 2069). Time of day may be absent, have no seconds, have decimals (beyond
    microseconds they are cut) or be of twelve hours with AM or PM.
    """
    array, order = _numbered(array, order)
    values = np.zeros(len(array), np.int64)
    bad = np.ones(len(array), np.bool_)
    for rows, template, matrix in alike(array):
        layout = _STAMP.fullmatch(template)
        if layout is None:
            continue
        first = _ORDERS["ymd"] if len(layout.group(1)) == 4 else _ORDERS.get(order, _ORDERS["ymd"])
        places = [index + 1 for index in first]
        if len(layout.group(places[0])) != 4 and (places[0] == 1 or len(layout.group(places[0])) != 2):
            continue
        values[rows], bad[rows] = _microseconds(matrix, layout, places)
    return pa.array(values.view("datetime64[us]"), pa.timestamp("us"), mask=bad)


def order_of(array: pa.Array, usual: str = "") -> str:
    """Return the order that the values themselves show ("ymd", "mdy", "dmy"), or "" where none is shown.

    A part above 12 is a day, and nobody writes points between the parts but with the day first. Else it is the only order under which
    a midnight passes between two records, or the only one under which the times never run backwards, or the `usual` one of the format;
    but where that has the day first, a clock of twelve hours tells of a computer set to American ways.
    """
    array, order = _numbered(array, "")
    if order:
        return order
    last: list[tuple[Any, Any]] = []
    points = True
    for rows, template, matrix in alike(array):
        layout = _STAMP.fullmatch(template)
        if layout is not None and len(layout.group(1)) == 4:
            return "ymd"
        if layout is not None and len(rows):
            last.append((digits(matrix, layout, 1), digits(matrix, layout, 2)))
            points = points and template[layout.end(1)] == "."
    if not last:
        return usual if array.null_count == len(array) else ""
    first, second = (int(max(part.max() for part in parts)) for parts in zip(*last, strict=True))
    if first > 12 or second > 12:
        return "" if first > 12 and second > 12 else "dmy" if first > 12 else "mdy"
    if points:
        return "dmy"
    stamps = {order: wall_times(array, order) for order in ("mdy", "dmy")}
    for shows in (_passes_midnight, _forward):
        shown = [order for order, times in stamps.items() if shows(times)]
        if len(shown) == 1:
            return shown[0]
    half = any(layout.group(8) for _, template, _ in alike(array) if (layout := _STAMP.fullmatch(template)) is not None)
    return "mdy" if half and usual == "dmy" else usual


def has_offset(array: pa.Array) -> bool:
    """Say whether the first value is written with its offset from UTC ("Z", "+02:00")."""
    known = array.drop_null()
    if pa.types.is_dictionary(known.type):
        known = known.dictionary_decode()
    return bool(len(known)) and re.search(_OFFSET, str(known[0].as_py()).strip()) is not None


def without_offset(array: pa.Array) -> pa.Array:
    """Return the texts without an offset at their end."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return pc.replace_substring_regex(pc.utf8_trim_whitespace(array), r"([0-9]) ?(?:Z|z|UTC|[+-][0-9]{2}:?[0-9]{2})$", r"\1")


def instants(array: pa.Array, order: str = "ymd") -> pa.Array:
    """Return seconds since 1970 UTC (float64) of texts that end in an offset; a text without one becomes null."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    texts = pc.utf8_trim_whitespace(array)
    offsets = pc.dictionary_encode(pc.struct_field(pc.extract_regex(texts, _OFFSET), 0))
    seconds = pa.array([_seconds(text) for text in offsets.dictionary.to_pylist()], pa.float64()).take(offsets.indices)
    exact = wall_times(without_offset(texts), order)
    numbers = pa.array(exact.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False) / float(_MICROSECONDS), mask=_nulls(exact))
    return pc.subtract(numbers, seconds)


def serial(days: pa.Array, count: str) -> pa.Array:
    """Return wall times (timestamp[us]) of day numbers counted as `excel` or `matlab` do, to the millisecond, which is what they hold."""
    values = days.fill_null(0).to_numpy(zero_copy_only=False)
    sane = np.abs(values) < 1e7
    milliseconds = np.rint((np.where(sane, values, 0.0) - _EPOCHS[count]) * (_DAY * 1000)).astype(np.int64)
    bad = ~sane | np.asarray(days.is_null().to_numpy(zero_copy_only=False), np.bool_)
    return pa.array((milliseconds * 1000).view("datetime64[us]"), pa.timestamp("us"), mask=bad)


def in_zone(stamps: pa.Array, zone: str) -> pa.Array:
    """Return seconds since 1970 UTC (float64) of wall times in a zone; an hour that comes twice is taken as the first.

    Raises: UsageError for a zone that does not exist.
    """
    try:
        return unix_seconds(pc.assume_timezone(stamps, zone, ambiguous="earliest", nonexistent="earliest"))
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise UsageError(f"no time zone '{zone}'; expected an IANA name, as in Europe/Berlin") from error


def unix_seconds(array: pa.Array) -> pa.Array:
    """Return seconds since 1970 UTC (float64) of timestamps that carry a zone."""
    exact = array.cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.int64())
    numbers = exact.fill_null(0).to_numpy(zero_copy_only=False)
    return pa.array(numbers / float(_MICROSECONDS), pa.float64(), mask=_nulls(array))


def _numbered(array: pa.Array, order: str) -> tuple[pa.Array, str]:
    """Return the texts with English month names as numbers, day first, and the order that this gives."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    known = array.drop_null()
    if not len(known) or re.search(_NAMED, str(known[0].as_py())) is None:
        return array, order
    texts = pc.replace_substring_regex(array, r"(?i)^\s*(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s*", "")
    found = pc.struct_field(pc.extract_regex(texts, _NAMED.replace("(jan", "(?P<month>jan", 1)), 0)
    for name in {str(text).lower() for text in pc.unique(found).to_pylist() if text}:
        number, word = f"{_MONTHS.index(name) + 1:02d}", rf"(?i)\b{name}[a-z]*\b\.?"
        texts = pc.replace_substring_regex(texts, rf"([0-9]{{1,2}})[- /.]*{word}[- /.,]*([0-9]{{2,4}})", rf"\1-{number}-\2")
        texts = pc.replace_substring_regex(texts, rf"{word}[- /.]*([0-9]{{1,2}})[- ,/]+([0-9]{{2,4}})", rf"\1-{number}-\2")
    return pc.replace_substring_regex(texts, r",\s*", " "), "dmy"


def _forward(stamps: pa.Array) -> bool:
    values = stamps.drop_null().cast(pa.int64()).to_numpy(zero_copy_only=False)
    return len(values) == len(stamps) - stamps.null_count and stamps.null_count < len(stamps) and bool((np.diff(values) >= 0).all())


def _passes_midnight(stamps: pa.Array) -> bool:
    """Say whether the date changes between two records that are hours apart; under the wrong order it changes by a month."""
    values = stamps.drop_null().cast(pa.int64()).to_numpy(zero_copy_only=False)
    gaps = np.diff(values)
    return bool(((np.diff(values // (_DAY * _MICROSECONDS)) == 1) & (gaps <= _NEAR)).any())


def _microseconds(matrix: npt.NDArray[np.uint8], layout: re.Match[str], order: list[int]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return microseconds since 1970 and the mask of impossible dates."""
    year, month, day = (digits(matrix, layout, place) for place in order)
    if len(layout.group(order[0])) == 2:
        year = year + np.where(year < _PIVOT, 2000, 1900)
    hour, minute, second = (digits(matrix, layout, place) for place in (4, 5, 6))
    half = layout.group(8)
    wrong = (year < 1) | (month < 1) | (month > 12) | (day < 1) | (minute > 59) | (second > 59)
    if half is not None:
        wrong |= (hour < 1) | (hour > 12)
        hour = hour % 12 + (12 if half in "Pp" else 0)
    wrong |= hour > 23
    places = len(layout.group(7) or "")
    fraction = digits(matrix, layout, 7)
    fraction = fraction * 10 ** (6 - places) if places <= 6 else fraction // 10 ** (min(places, 18) - 6)
    months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    days = months.astype("datetime64[D]") + (day - 1)
    wrong |= days.astype("datetime64[M]") != months
    seconds = ((days.astype(np.int64) * 24 + hour) * 60 + minute) * 60 + second
    return seconds * _MICROSECONDS + fraction, wrong


def _seconds(text: str | None) -> float | None:
    """Return the seconds that an offset stands for."""
    if not text:
        return None
    if text[0] not in "+-":
        return 0.0
    hours, minutes = text[1:3], text[-2:]
    return (-1.0 if text[0] == "-" else 1.0) * (int(hours) * 3600 + int(minutes) * 60)


def _nulls(array: pa.Array) -> npt.NDArray[np.bool_] | None:
    return array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
