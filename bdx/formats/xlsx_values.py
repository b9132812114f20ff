"""The cells of one column of a sheet -> what they are, and typed values of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx.formats.delimited_names import folded
from bdx.names import fold
from bdx.spec import Facts

NUMBER = r"^\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*$"
_DAY = 86_400_000
_EPOCH, _EPOCH_1904 = 25_569, 24_107
"""Day number of 1970-01-01 in workbooks that count from 1899-12-30, and in those that count from 1904."""
_TICKS, _SECONDS, _DAYS, _MOST_DAYS = 1e15, 1e9, 2e4, 2_958_466.0
_EXACT = 2.0**53
WORD, PLAIN, DATE, CLOCK, ERROR = range(5)
CLASSES = {"": PLAIN, "n": PLAIN, "e": ERROR}
"""What a cell is by the type it is written with; any other is a word."""

Classes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a header. `kind` is text | number | integer | date | clock (parts of a day) | ticks (100 ns) | seconds (since 1970)."""

    column: int
    written: str
    name: str
    unit: str
    kind: str = "text"

    def arrow(self) -> pa.Field:
        """Return the Arrow field of the column; its unit is that of the kind where a kind has one."""
        kinds = {"text": pa.string(), "integer": pa.int64(), "date": pa.timestamp("us")}
        kind = kinds.get(self.kind, pa.float64())
        unit = {"clock": "d", "ticks": "s", "seconds": "s"}.get(self.kind, self.unit)
        metadata = {"bdx.name": self.name, "bdx.unit": unit, "bdx.scale": "1/10000000" if self.kind == "ticks" else ""}
        return pa.field(self.written, kind, metadata={key: value for key, value in metadata.items() if value})


class Reading:
    """How the cells of one format's workbooks are read."""

    def __init__(self, facts: Facts, since_1904: bool) -> None:
        self._facts = facts
        self._since_1904 = since_1904
        self._nothing = pa.array(["", *facts.get("null", ())], pa.string())

    def kind(self, field: Field, text: pa.Array, classes: Classes) -> str:
        """Return the kind of values that the first cells of a column show."""
        known = np.asarray(pc.invert(pc.is_in(text, self._nothing)).to_numpy(zero_copy_only=False), np.bool_)
        known &= classes != ERROR
        text, classes = text.filter(pa.array(known)), classes[known]
        name = fold(field.name)
        if not len(text) or name in folded(self._facts.get("text", ())):
            return "text"
        if (classes == DATE).all():
            return "date"
        if not pc.all(pc.match_substring_regex(text, NUMBER)).as_py():
            return "text"
        values = pc.utf8_trim_whitespace(text).cast(pa.float64()).to_numpy(zero_copy_only=False)
        if (classes == CLOCK).all():
            return "date" if values.max() > _DAYS else "clock"
        if (classes >= DATE).any():
            return "text"
        if name in folded(self._facts.get("dates", ())):
            low = float(values.min())
            return "ticks" if low > _TICKS else "seconds" if low > _SECONDS else "date" if low > _DAYS else "number"
        whole = name in folded(self._facts.get("integer", ())) and bool((values == np.floor(values)).all())
        return "integer" if whole else "number"

    def values(self, text: pa.Array, classes: Classes, field: Field) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
        """Return the typed values of cells and the mask of those that hold something else."""
        if field.kind != "text":
            values, bad = self._numbers(text)
            if field.kind == "date":
                return self._stamps(values), bad
            if field.kind == "integer":
                numbers = values.fill_null(0).to_numpy(zero_copy_only=False)
                broken = (numbers != np.floor(numbers)) | (np.abs(numbers) > _EXACT)
                return pc.if_else(pa.array(broken), None, values).cast(pa.int64()), bad | broken
            return values, bad
        empty = pc.is_in(pc.utf8_trim_whitespace(text), self._nothing)
        return self.as_text(pc.if_else(pc.or_(empty, pa.array(classes == ERROR)), None, text), classes), classes == ERROR

    def _numbers(self, text: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
        """Return the numbers of cells and the mask of cells that hold neither a number nor what means nothing."""
        try:
            values = text.cast(pa.float64())
            if pc.all(pc.is_finite(values)).as_py() is not False:
                return values, np.zeros(len(text), np.bool_)
        except pa.ArrowInvalid:
            # Some cell is no number: each is looked at.
            pass
        readable = pc.match_substring_regex(text, NUMBER)
        values = pc.utf8_trim_whitespace(pc.if_else(readable, text, None)).cast(pa.float64())
        known = pc.or_(readable, pc.is_in(pc.utf8_trim_whitespace(text), self._nothing))
        return values, np.asarray(pc.invert(known).to_numpy(zero_copy_only=False), np.bool_)

    def as_text(self, text: pa.Array, classes: Classes) -> pa.Array:
        """Return cells as text; a number shown as a date is written as one."""
        dated = pa.array(classes == DATE)
        if not pc.any(dated).as_py():
            return text
        written = text.filter(dated)
        days = pc.if_else(pc.match_substring_regex(written, NUMBER), written, None).cast(pa.float64())
        return pc.replace_with_mask(text, dated, pc.strftime(self._stamps(days), "%Y-%m-%d %H:%M:%S").cast(pa.string()))

    def _stamps(self, days: pa.Array) -> pa.Array:
        """Return wall times of day numbers, to the millisecond, which is what they hold."""
        numbers = days.fill_null(0).to_numpy(zero_copy_only=False)
        sane = np.abs(numbers) < _MOST_DAYS
        epoch = _EPOCH_1904 if self._since_1904 else _EPOCH
        micro = np.rint((np.where(sane, numbers, 0) - epoch) * _DAY).astype(np.int64) * 1000
        mask = ~sane | np.asarray(days.is_null().to_numpy(zero_copy_only=False), np.bool_)
        return pa.array(micro, pa.int64(), mask=mask).cast(pa.timestamp("us"))

    def one(self, text: str, kind: int) -> Any:
        """Return the value of one cell: a datetime, an int or a float where it is one, else its text."""
        if kind in (PLAIN, DATE, CLOCK) and re.match(NUMBER, text):
            number = float(text)
            if kind == DATE:
                return self._stamps(pa.array([number]))[0].as_py()
            return int(number) if number.is_integer() and abs(number) < 1e15 else number
        return text
