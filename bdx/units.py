"""Exact conversion between named units: (from, to) -> scale, offset; nothing is guessed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache

from bdx import spec
from bdx.errors import MappingError, SpecError, did_you_mean


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as an exact affine step to the base unit of its quantity: base = value * scale + offset."""

    name: str
    quantity: str
    scale: Fraction
    offset: Fraction
    ucum: str


@cache
def _table() -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for row in spec.load(spec.root() / "units.toml", "units")["unit"]:
        unit = Unit(row["name"], row["quantity"], Fraction(row.get("scale", "1")), Fraction(row.get("offset", "0")), row.get("ucum", ""))
        for name in (row["name"], *row.get("aliases", ())):
            if name in found:
                raise SpecError(f"specs/units.toml: '{name}' is defined twice")
            found[name] = unit
    return found


def known(name: str) -> bool:
    """Say whether `name` is a unit or an alias of one."""
    return name.strip() in _table()


def unit(name: str) -> Unit:
    """Return the unit of that name or alias; case matters (mAh is not MAh).

    Raises: MappingError for a name that is not in specs/units.toml.
    """
    found = _table().get(name.strip())
    if found is None:
        raise MappingError(f"unit '{name}' is not known{did_you_mean(name, _table())}; bdx does not guess units")
    return found


@cache
def factor(source: str, target: str) -> tuple[Fraction, Fraction]:
    """Return exact (scale, offset) with target_value = source_value * scale + offset.

    Raises: MappingError where a unit is unknown or the two measure different quantities.
    """
    a, b = unit(source), unit(target)
    if a.quantity != b.quantity:
        raise MappingError(f"unit '{source}' ({a.quantity}) cannot become '{target}' ({b.quantity})")
    return a.scale / b.scale, (a.offset - b.offset) / b.scale


def convert(value: float, source: str, target: str) -> float:
    """Return one float converted; exact in rational arithmetic, rounded once at the end."""
    scale, offset = factor(source, target)
    return float(Fraction(value) * scale + offset)


def convert_decimal(value: Decimal, source: str, target: str) -> Decimal:
    """Return one decimal converted without passing through binary floating point."""
    scale, offset = factor(source, target)
    exact = Fraction(value) * scale + offset
    return Decimal(exact.numerator) / Decimal(exact.denominator)
