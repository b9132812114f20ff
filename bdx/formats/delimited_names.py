"""A header cell -> its name, its unit, and the form in which names are compared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from bdx import units
from bdx.errors import MappingError, SpecError
from bdx.names import fold

# A number behind the unit belongs to the name: "Aux_Temperature(C)_1" is "Aux_Temperature_1".
_TAIL = r"(_\w{1,16}|[ ]?\#?[0-9]{1,4}|)"
_UNITS = {
    "(U)": re.compile("(.*\\S)\\s*[(\uff08]([^()\uff08\uff09]*)[)\uff09]" + _TAIL),
    "[U]": re.compile(r"(.*\S)\s*\[([^\[\]]*)\]" + _TAIL),
    "/U": re.compile(r"(.*\S)\s*/\s*(\S+)()"),
    "#U": re.compile(r"(.*\S)\s*#(\S+)()"),
}
ROW = "row"
_STYLES = (*_UNITS, ROW, "")

Styles = str | tuple[str, ...]


def folded(names: Iterable[str]) -> frozenset[str]:
    """Return the folded forms of names."""
    return _folded(tuple(names))


@lru_cache(maxsize=2048)
def _folded(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(fold(name) for name in names)


def styles_of(unit: Styles) -> tuple[str, ...]:
    """Return the styles in which units are written as a tuple.

    Raises: SpecError for a style that is not known.
    """
    styles = (unit,) if isinstance(unit, str) else tuple(unit)
    for style in styles:
        if style not in _STYLES:
            raise SpecError(f"delimited: unit = '{style}'; expected one of {', '.join(repr(known) for known in _STYLES)}")
    return styles


def split_unit(cell: str, style: Styles) -> tuple[str, str]:
    """Return (name, unit) of a header cell by the first style that fits; an empty unit where none does.

    Raises: SpecError for a style that is not "(U)", "[U]", "/U", "#U", "row" or "".
    """
    return _split(cell.strip(), styles_of(style))


@lru_cache(maxsize=16_384)
def _split(cell: str, styles: tuple[str, ...]) -> tuple[str, str]:
    for style in styles:
        pattern = _UNITS.get(style)
        match = pattern.fullmatch(cell) if pattern is not None else None
        if match is None:
            continue
        name, unit = match.group(1) + match.group(3), match.group(2).strip()
        # Charge and energy may be given per mass: "SpeCapacity/mAh/g" is in mAh/g, not in g.
        shorter, _, above = name.rpartition("/")
        if style == "/U" and shorter.strip() and measures(above.strip(), "electric_charge", "energy"):
            return shorter.strip(), f"{above.strip()}/{unit}"
        return name, unit
    return cell, ""


def measures(unit: str, *quantities: str) -> bool:
    """Say whether a text is a unit of one of these quantities."""
    try:
        return bool(unit) and units.unit(unit).quantity in quantities
    except MappingError:
        return False
