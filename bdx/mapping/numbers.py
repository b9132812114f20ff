"""Raw values -> numbers in canonical units: text cells read with a mask, units applied exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import CAST_FAULTS
from bdx.errors import MappingError

_NUMBER = r"^\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*$"
_EXACT = 2**53
"""Integers up to this have an exact float."""


@dataclass(frozen=True, slots=True)
class Scale:
    """An exact affine step to the canonical unit: value * scale + offset.

    `scale` is applied as one correctly rounded operation wherever its numerator or denominator is 1: 4200 mV / 1000 is
    the float nearest to 4.2, while 4200 * 0.001 is not always. Otherwise the product with the numerator is divided by
    the denominator; a fraction too long for both is rounded to one float first.
    """

    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)

    def then(self, scale: Fraction, offset: Fraction) -> Scale:
        """Return this step followed by another."""
        return Scale(self.scale * scale, self.offset * scale + offset)

    def apply(self, values: pa.Array) -> pa.Array:
        """Return the float64 values in the canonical unit; the array itself where nothing changes."""
        above, below = self.scale.numerator, self.scale.denominator
        if abs(above) > _EXACT or below > _EXACT:
            values = pc.multiply(values, _scalar(float(self.scale)))
        else:
            if above != 1:
                values = pc.multiply(values, _scalar(float(above)))
            if below != 1:
                values = pc.divide(values, _scalar(float(below)))
        if above < 0:
            values = pc.add(values, _scalar(0.0))  # zero stays plain zero
        return pc.add(values, _scalar(float(self.offset))) if self.offset else values


def _scalar(value: float) -> pa.Scalar:
    """Return a typed scalar: for a bare float pyarrow would look for its type anew, and for optional packages, on every call."""
    return pa.scalar(value, pa.float64())


def exact(written: str) -> Fraction:
    """Return the number of a decimal or rational text ("0.0001", "1/3600").

    Raises: MappingError for anything else.
    """
    try:
        return Fraction(written)
    except (ValueError, ZeroDivisionError) as error:
        raise MappingError(f"scale '{written}' is no number; expected a decimal or a fraction") from error


def numbers(array: pa.Array) -> pa.Array:
    """Return float64 values; text that is no number becomes null.

    Raises: MappingError for a type that has no reading as a number (dates, lists).
    """
    if pa.types.is_float64(array.type):
        return array
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        readable = pc.match_substring_regex(array, _NUMBER)
        return pc.utf8_trim_whitespace(pc.if_else(readable, array, None)).cast(pa.float64())
    try:
        return array.cast(pa.float64(), safe=False)
    except CAST_FAULTS as error:
        raise MappingError(f"values of type {array.type} cannot be read as numbers") from error


def integers(array: pa.Array) -> pa.Array:
    """Return int64 values; what is no whole number becomes null."""
    if pa.types.is_integer(array.type) and not pa.types.is_uint64(array.type):
        return array.cast(pa.int64())
    values = numbers(array)
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less_equal(pc.abs(values), float(_EXACT)))
    return pc.if_else(whole, values, None).cast(pa.int64(), safe=False)


def text(array: pa.Array) -> pa.Array:
    """Return string values without surrounding blanks; whole numbers are written without a fraction."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return pc.utf8_trim_whitespace(array).cast(pa.string())
    try:
        return array.cast(pa.string())
    except CAST_FAULTS as error:
        raise MappingError(f"values of type {array.type} cannot be read as text") from error


def is_number(kind: pa.DataType) -> bool:
    """Say whether an Arrow type is one of numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
