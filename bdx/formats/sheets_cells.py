"""Cells of a workbook under a canonical column as text that says what the cell means: dates of day numbers, names of digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.formats.rows_header import Heading
from bdx.formats.source import Source
from bdx.formats.xlsx_values import CLOCK, DATE, ERROR, NUMBER, PLAIN, WORD, Classes, Reading
from bdx.formats.xlsx_write import unescaped

_NUMBERS = ("int32", "int64", "float64", "decimal")
_DAYS = (20_000.0, 80_000.0)
"""Day numbers of the years 1954 to 2119: a plain number in a column of dates means one of these."""

_KEPT = 1e15
"""From here on a workbook does not keep every digit of a whole number."""


class Reader:
    """Reads the columns of one sheet."""

    def __init__(self, since_1904: bool, table: str, source: Source) -> None:
        self._reading = Reading({}, since_1904)
        self._table = table
        self._source = source

    def column(self, heading: Heading, text: pa.Array, classes: Classes, numbers: Any, at: Any, rows: int) -> pa.Array:
        """Return the texts of a column, one for each of `rows` rows (`at` is the row of each cell), null where there is no cell."""
        column = spec.table(self._table).by_name.get(heading.column)
        kind = column.type if column is not None else "float64" if heading.extra and heading.unit else "string"
        text = _plain(text)
        place = numbers[at]
        if (classes == ERROR).any():
            text = self._errors(text, classes, heading, kind, place)
        dated = (classes == DATE) | (classes == CLOCK)
        if kind in _NUMBERS:
            text = _with_points(text, classes)
        else:
            if kind == "date":
                text = self._days(text, classes, heading, place)
            if dated.any():
                text = self._dates(text, classes, heading, kind, place)
            if kind in ("string", "strings", "json") and (classes == PLAIN).any():
                text = self._names(text, classes, heading, place)
        order = np.full(rows, -1, np.int64)
        order[at] = np.arange(len(at))
        found = text.take(pa.array(order, mask=order < 0))
        return pc.if_else(pc.equal(pc.utf8_trim_whitespace(found), ""), None, found)

    def _find(self, code: str, which: Any, text: pa.Array, heading: Heading, place: Any, **facts: Any) -> None:
        spots = np.flatnonzero(which)
        if len(spots):
            first = int(spots[0])
            where = {"row": int(place[first]), "locator": f"row {place[first]}", "value": text[first].as_py(), "count": len(spots)}
            self._source.log.find(
                code, source=self._source.uri, table=self._table, column=heading.column or heading.written, **where, **facts
            )

    def _errors(self, text: pa.Array, classes: Classes, heading: Heading, kind: str, place: Any) -> pa.Array:
        """Return the texts without what a formula failed with; under typed columns it is told there."""
        if kind in ("string", "strings", "json"):
            self._find("F001", classes == ERROR, text, heading, place, expected="a text (a formula failed)")
            return pc.if_else(pa.array(classes == ERROR), None, text)
        return text

    def _days(self, text: pa.Array, classes: Classes, heading: Heading, place: Any) -> pa.Array:
        """Return the texts of a column of dates, day numbers whose format was lost as dates."""
        values = _floats(text, classes == PLAIN)
        days = (values >= _DAYS[0]) & (values <= _DAYS[1]) & (values == np.floor(values))
        if not days.any():
            return text
        shown = self._shown(text, np.where(days, DATE, PLAIN).astype(np.int8))
        self._find("F123", days, text, heading, place, read=shown[int(np.flatnonzero(days)[0])].as_py())
        return pc.if_else(pa.array(days), shown, text)

    def _dates(self, text: pa.Array, classes: Classes, heading: Heading, kind: str, place: Any) -> pa.Array:
        """Return the texts with dates in place of day numbers; one with a time of day is refused where a zone is needed."""
        dated = ((classes == DATE) | (classes == CLOCK)) & ~np.isnan(_floats(text, classes != WORD))
        shown = self._shown(text, np.where(dated, DATE, PLAIN).astype(np.int8))
        if kind == "timestamp" and not self._source.assume_tz:
            self._find("F125", dated, shown, heading, place)
            shown = pa.nulls(len(text), pa.string())
        return pc.if_else(pa.array(dated), shown, text)

    def _shown(self, text: pa.Array, classes: Classes) -> pa.Array:
        found = pc.replace_substring(self._reading.as_text(text, classes), " ", "T")
        return pc.replace_substring_regex(pc.replace_substring_regex(found, r"(\.0+)$", ""), "T00:00:00$", "")

    def _names(self, text: pa.Array, classes: Classes, heading: Heading, place: Any) -> pa.Array:
        """Return texts with whole numbers written out: a serial number of 13 digits is not 4.0E+12."""
        values = _floats(text, classes == PLAIN)
        whole = (values == np.floor(values)) & np.isfinite(values)
        self._find("F124", whole & (np.abs(values) >= _KEPT), text, heading, place)
        odd = whole & np.asarray(pc.match_substring_regex(text, r"[.eE]").to_numpy(zero_copy_only=False), np.bool_)
        if not odd.any():
            return text
        written = pa.array([str(int(value)) for value in values[odd].tolist()], pa.string())
        return pc.replace_with_mask(text, pa.array(odd), written)


def _plain(text: pa.Array) -> pa.Array:
    """Return texts with the characters their stand-ins mean."""
    if not pc.any(pc.match_substring_regex(text, "_x[0-9A-Fa-f]{4}_")).as_py():
        return text
    return pa.array([unescaped(item) for item in text.to_pylist()], pa.string())


def _floats(text: pa.Array, which: Any) -> Any:
    """Return the numbers among the cells of a mask, NaN elsewhere."""
    readable = pc.and_(pc.match_substring_regex(text, NUMBER), pa.array(which))
    return pc.utf8_trim_whitespace(pc.if_else(readable, text, None)).cast(pa.float64()).to_numpy(zero_copy_only=False)


def _with_points(text: pa.Array, classes: Classes) -> pa.Array:
    """Return numbers that were typed as text with a decimal comma with a point; 1,234 may mean thousands and is left as it is."""
    comma = pc.and_(pa.array(classes == WORD), pc.match_substring_regex(text, r"^\s*[-+]?[0-9]+,([0-9]{1,2}|[0-9]{4,})\s*$"))
    return pc.if_else(comma, pc.replace_substring(text, ",", "."), text)
