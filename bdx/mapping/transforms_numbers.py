"""Numbers of documents: floats, whole numbers, exact decimals, and their units."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx import units
from bdx.mapping.transforms_base import Fault, Options, Transform, plain, same
from bdx.spec import Column, Facts


def as_float(raw: Any) -> float:
    """Return a raw number as the nearest float; Fault for anything else and for what no float reaches."""
    if type(raw) is float:
        return raw
    if type(raw) is int or (isinstance(raw, Decimal) and -400 < raw.adjusted() < 400):
        try:
            number = float(raw)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
        raise Fault("M006", "a number below 1.8e308")
    if isinstance(raw, Decimal):
        raise Fault("M006", "a number below 1.8e308 and above 1e-400")
    raise Fault("M001", "a number")


def _finite(array: pa.Array) -> list[Any]:
    values = array.to_pylist()
    if array.null_count < len(array) and not pc.all(pc.is_finite(array)).as_py():
        values = [value if value is not None and math.isfinite(value) else None for value in values]
    return values  # type: ignore[no-any-return]


def _shift(places: int) -> Callable[[float], float]:
    """Return a move of the decimal point in the number a float prints as, so that 1.005 kW is 1005 W and not 1004.9999999999999."""
    factor = float(10 ** abs(places))

    def shifted(value: float) -> float:
        moved = value * factor if places > 0 else value / factor
        whole = moved if places > 0 else value
        if -_WHOLE < whole < _WHOLE and whole.is_integer() and (places < 0 or moved / factor == value):
            return moved
        if not math.isfinite(value):
            return value
        digits, _, exponent = repr(value).partition("e")
        return float(f"{digits}e{int(exponent or 0) + places}")

    return shifted


_WHOLE = 2**53
"""Below this, whole floats are exact, and so is one division or multiplication that ends in one."""

_TENS = {Fraction(10) ** places: places for places in range(-9, 10) if places}


def converter(source: str, target: str) -> Callable[[float], float]:
    """Return the exact conversion between two units, rounded once; powers of ten move the point of the decimal number."""
    scale, offset = units.factor(source, target)
    if not offset and scale == 1:
        return same
    if not offset and scale in _TENS:
        return _shift(_TENS[scale])
    if not offset and scale.denominator == 1 and scale.numerator < 2**53:
        factor = float(scale)
        return lambda value: value * factor
    if not offset and scale.numerator == 1 and scale.denominator < 2**53:
        divisor = float(scale.denominator)
        return lambda value: value / divisor
    return lambda value: float(Fraction(value) * scale + offset)


def number(column: Column, facts: Facts, options: Options) -> Transform:
    """A float64, in the unit of the model where the field names one."""
    unit = facts.get("unit", column.unit)
    if unit == column.unit:
        return Transform(as_float, same, "number", _finite)
    forward, back = converter(unit, column.unit), converter(column.unit, unit)

    def read(raw: Any) -> float:
        value = forward(as_float(raw))
        if math.isinf(value):
            raise Fault("M006", f"a number below 1.8e308 {column.unit}")
        return value

    def write(value: float) -> float | None:
        return back(value) if math.isfinite(value) else None

    return Transform(read, write)


_NUMERAL = re.compile(r"-?\d{1,300}(\.\d{1,300})?")


def number_text(column: Column, facts: Facts, options: Options) -> Transform:
    """A number that the model says as a text, where any other text may stand as well: that one has no number, and is no fault."""

    def read(raw: Any) -> float | None:
        if type(raw) is not str:
            raise Fault("M001", "a text")
        return float(raw) if _NUMERAL.fullmatch(raw) else None

    def write(value: float) -> str | None:
        return repr(value).removesuffix(".0") if math.isfinite(value) else None

    return Transform(read, write)


def as_integer(raw: Any) -> int:
    """Return a raw number as an int64; Fault for fractions and for what 64 bits do not hold."""
    number = raw
    if isinstance(raw, Decimal) and raw.adjusted() < 30:
        number = int(raw) if raw == raw.to_integral_value() else raw
    elif type(raw) is float and raw.is_integer():
        number = int(raw)
    if type(number) is int:
        if -(2**63) <= number < 2**63:
            return number
        raise Fault("M006", "a whole number of 64 bits")
    raise Fault("M006" if isinstance(raw, float | Decimal) else "M001", "a whole number")


def integer(column: Column, facts: Facts, options: Options) -> Transform:
    """An int64, in the unit of the model where the field names one; fractions are a fault."""
    unit = facts.get("unit", column.unit)
    if unit == column.unit:
        return Transform(as_integer, same, "integer", plain)
    scale, _ = units.factor(unit, column.unit)

    def read(raw: Any) -> int:
        exact = Fraction(as_float(raw)) * scale
        return as_integer(int(exact) if exact.denominator == 1 else float(exact))

    def write(value: int) -> float:
        exact = value / scale
        return int(exact) if exact.denominator == 1 else float(exact)

    return Transform(read, write)


_EXACT = Context(prec=60)
_PLACES = Decimal(1).scaleb(-18)


def as_decimal(raw: Any) -> Decimal:
    """Return a raw number as decimal(38, 18); Fault for what is no number or has more than 20 digits before the point."""
    if type(raw) is float:
        number = Decimal(repr(raw))
    elif (type(raw) is int and abs(raw) < 10**30) or isinstance(raw, Decimal):
        number = Decimal(raw)
    else:
        raise Fault("M006" if type(raw) is int else "M001", "a number")
    if not number.is_finite() or (number and number.adjusted() > 19):
        raise Fault("M006", "a number below 1e20")
    try:
        return number.quantize(_PLACES, context=_EXACT)
    except InvalidOperation as error:
        raise Fault("M006", "a number below 1e20") from error


def shortest(value: Decimal) -> float | Decimal:
    """Return a decimal as a float where that writes the same number, else as it is, trailing zeros left out."""
    number = float(value)
    return number if Decimal(repr(number)) == value else value.normalize(_EXACT)


def decimal(column: Column, facts: Facts, options: Options) -> Transform:
    """A decimal(38, 18), written as a float where that is the same number."""
    return Transform(as_decimal, shortest)
