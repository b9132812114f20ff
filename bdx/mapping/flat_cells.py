"""Columns of text -> numbers, times, words and the JSON of what has no home: kernels over whole columns, nothing guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx.errors import UsageError
from bdx.mapping.dates import serial, wall_times, without_offset
from bdx.names import fold

Mask = npt.NDArray[np.bool_]
STAMP = pa.timestamp("us", tz="UTC")
_GROUPED = {
    ",": r"[0-9]{1,3}(?:,[0-9]{3})+",
    ".": r"[0-9]{1,3}(?:\.[0-9]{3})+",
    " ": r"[0-9]{1,3}(?:[ \x{00a0}\x{202f}][0-9]{3})+",
    "'": r"[0-9]{1,3}(?:['\x{2019}][0-9]{3})+",
}
_TAIL = r"(?:[eE][+-]?[0-9]+)?$"
_AMBIGUOUS = r"^[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+$"
_OFFSET = r"[0-9] ?(?P<offset>Z|z|UTC|[+-][0-9]{2}:?[0-9]{2})$"
_DAY_NUMBER = r"^[2-7][0-9]{4}(?:[.,][0-9]+)?$"


@dataclass(frozen=True, slots=True)
class Times:
    """Times in UTC, where each zone comes from, and which cells hold a date that could be two days or nothing that is one."""

    stamps: pa.Array
    basis: pa.Array
    zoneless: Mask
    two_ways: Mask
    unreadable: Mask


def mask(values: pa.Array) -> Mask:
    """Return a boolean column as a numpy mask, null as False."""
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), np.bool_)


def trimmed(cells: pa.Array, nulls: Sequence[str]) -> pa.Array:
    """Return the cells without blanks around them; empty ones and the words for no value are null."""
    text = pc.utf8_trim_whitespace(cells)
    nothing = pc.is_in(text, pa.array(["", *nulls], pa.string()))
    return pc.if_else(nothing, None, text) if pc.any(nothing).as_py() else text


def numbers(text: pa.Array, decimal: str, thousands: str) -> tuple[pa.Array, Mask]:
    """Return the numbers that cells write with the decimal mark of the file, and the mask of those that could be two numbers.

    Without a decimal mark a comma is one only where it cannot separate thousands; a cell with the other mark is no number.
    """
    mark = decimal or "."
    whole = r"^[+-]?(?:[0-9]+"
    grouped = thousands or ("." if decimal == "," else "")
    if grouped:
        whole += "|" + _GROUPED[grouped]
    pattern = whole + rf")(?:[{mark}][0-9]*)?" + _TAIL
    readable = pc.or_(pc.match_substring_regex(text, pattern), pc.match_substring_regex(text, rf"^[+-]?[{mark}][0-9]+" + _TAIL))
    plain = text
    if grouped:
        plain = (
            pc.replace_substring_regex(plain, r"[ \x{00a0}\x{202f}'\x{2019}]", "")
            if grouped in " '"
            else pc.replace_substring(plain, grouped, "")
        )
    plain = pc.replace_substring(plain, ",", ".") if mark == "," else plain
    doubtful = np.zeros(len(text), np.bool_)
    if not decimal:
        comma = pc.match_substring_regex(text, r"^[+-]?[0-9]+,[0-9]+" + _TAIL)
        two = pc.match_substring_regex(text, _AMBIGUOUS)
        doubtful = mask(two)
        plain = pc.if_else(comma, pc.replace_substring(text, ",", "."), plain)
        readable = pc.or_(readable, pc.and_(comma, pc.invert(two)))
    return pc.if_else(readable, plain, None).cast(pa.float64()), doubtful


def times(text: pa.Array, order: str, zone: str) -> Times:
    """Return the times that cells write: ISO 8601, days first with points, day numbers of a workbook, or as `order` says.

    A date with slashes is read without an order only where one of its parts cannot be a month. A time without an offset gets `zone`.
    Raises: UsageError for a zone that does not exist.
    """
    given = mask(text.is_valid())
    offset = pc.match_substring_regex(text, _OFFSET)
    bare = without_offset(text)
    wall, two_ways = _wall(bare, order)
    dated_only = mask(pc.invert(pc.match_substring(bare, ":"))) & ~mask(pc.match_substring_regex(bare, _DAY_NUMBER)) & mask(wall.is_valid())
    has_offset = mask(offset) & ~dated_only
    utc = _shifted(wall, text, has_offset)
    known = has_offset.copy()
    assumed = np.zeros(len(text), np.bool_)
    if zone:
        in_zone, certain = _in_zone(wall, zone)
        assumed = certain & ~has_offset & ~dated_only
        utc = pc.if_else(pa.array(has_offset), utc, in_zone)
        known |= assumed
    read = mask(wall.is_valid())
    basis = np.where(has_offset, 0, np.where(assumed, 1, np.where(dated_only, 2, 3)))
    names = pa.array(["offset", "assumed", "date_only", "unknown"]).take(pa.array(basis, mask=~given))
    return Times(pc.if_else(pa.array(known), utc, None), names, read & ~known, two_ways, given & ~read & ~two_ways)


def _wall(bare: pa.Array, order: str) -> tuple[pa.Array, Mask]:
    """Return wall times and the mask of dates that could be of two days."""
    if order:
        found = wall_times(bare, order)
    else:
        points = pc.match_substring_regex(bare, r"^[0-9]{1,2}\.[0-9]{1,2}\.")
        first, second = wall_times(bare, "dmy"), wall_times(bare, "mdy")
        second = pc.if_else(pc.fill_null(points, False), first, second)
        one = pc.coalesce(first, second)
        agree = pc.fill_null(pc.equal(first, second), True)
        found = pc.if_else(agree, one, None)
        two_ways = ~mask(agree)
    found = pc.coalesce(found, serial(_day_numbers(bare), "excel"))
    return found, two_ways if not order else np.zeros(len(bare), np.bool_)


def _day_numbers(bare: pa.Array) -> pa.Array:
    days = pc.if_else(pc.match_substring_regex(bare, _DAY_NUMBER), bare, None)
    return pc.replace_substring(days, ",", ".").cast(pa.float64())


def _shifted(wall: pa.Array, text: pa.Array, which: Mask) -> pa.Array:
    """Return wall times less the offset each is written with."""
    if not which.any():
        return wall.cast(pa.int64()).cast(STAMP)
    offsets = pc.dictionary_encode(pc.struct_field(pc.extract_regex(text, _OFFSET), 0))
    micros = [_micros(word) for word in offsets.dictionary.to_pylist()]
    shift = pa.array(micros, pa.int64()).take(offsets.indices)
    return pc.subtract(wall.cast(pa.int64()), pc.fill_null(shift, 0)).cast(STAMP)


def _micros(word: str | None) -> int:
    if not word or word[0] not in "+-":
        return 0
    return (-1 if word[0] == "-" else 1) * (int(word[1:3]) * 3600 + int(word[-2:]) * 60) * 1_000_000


def _in_zone(wall: pa.Array, zone: str) -> tuple[pa.Array, Mask]:
    """Return wall times in a zone as UTC, and the mask of those that the zone settles: not the hour a change of clocks repeats or skips."""
    try:
        early = pc.assume_timezone(wall, zone, ambiguous="earliest", nonexistent="earliest")
        late = pc.assume_timezone(wall, zone, ambiguous="latest", nonexistent="latest")
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise UsageError(f"no time zone '{zone}'; expected an IANA name, as in Europe/Berlin") from error
    return early.cast(STAMP), mask(pc.equal(early, late))


def words(text: pa.Array, known: Mapping[str, str]) -> tuple[pa.Array, Mask]:
    """Return the values that words stand for, and the mask of words that stand for none."""
    coded = pc.dictionary_encode(text)
    meant = [known.get(fold(word) or word) if word is not None else None for word in coded.dictionary.to_pylist()]
    found = pa.array(meant, pa.string()).take(coded.indices)
    return found, mask(pc.and_(text.is_valid(), found.is_null()))


def objects(columns: Sequence[tuple[str, pa.Array]], rows: int) -> pa.Array:
    """Return a JSON object per row of the named cells that hold anything; null where none does."""
    joined = filled("", rows)
    for name, cells in sorted(columns, key=lambda pair: pair[0]):
        if cells.null_count < len(cells):
            key = json.dumps(name, ensure_ascii=False)
            member = pc.binary_join_element_wise(f',{key}:"', _escaped(cells), '"', "")
            joined = pc.binary_join_element_wise(joined, pc.fill_null(member, ""), "")
    found = pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(joined, 1), "}", "")
    return pc.if_else(pc.equal(joined, ""), None, found)


def _escaped(cells: pa.Array) -> pa.Array:
    """Return texts as they stand between the quotation marks of JSON."""
    if not pc.any(pc.match_substring_regex(cells, r'["\\\x00-\x1f]')).as_py():
        return cells
    text = pc.replace_substring(pc.replace_substring(cells, "\\", "\\\\"), '"', '\\"')
    for letter in range(0x20):
        text = pc.replace_substring(text, chr(letter), json.dumps(chr(letter))[1:-1])
    return text


def places(lines: pa.Array, sheet: str) -> pa.Array:
    """Return where rows stand: "line 12", of a workbook "sheet 'Cells', row 12"."""
    before = f"sheet '{sheet}', row " if sheet else "line "
    return pc.binary_join_element_wise(before, lines.cast(pa.string()), "")


def filled(value: Any, rows: int, kind: pa.DataType | None = None) -> pa.Array:
    """Return a column of one value."""
    return pa.repeat(pa.scalar(value, kind or pa.string()), rows)
