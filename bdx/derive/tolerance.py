"""How far two values of one attribute may lie apart and still agree: one share for all columns, others by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

TOLERANCE = 0.02
"""Two numbers for one attribute agree within this share of the larger one, unless the user says otherwise."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The share for all columns, and the shares of single ones by (table, column)."""

    share: float = TOLERANCE
    columns: Mapping[tuple[str, str], float] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, table: str, column: str) -> float:
        """Return the share within which two numbers of a column agree."""
        return self.columns.get((table, column), self.share)


def percent(share: float) -> str:
    """Return a share as people write it: 0.02 is "2 %"."""
    return f"{share * 100:.6g} %"


def agree(a: Any, b: Any, share: float = TOLERANCE) -> bool:
    """Say whether two values of one attribute mean the same: numbers within a share of the larger, text but for case and blanks."""
    if isinstance(a, bool) or isinstance(b, bool):
        return bool(a) == bool(b)
    if isinstance(a, (int, float, Decimal)) and isinstance(b, (int, float, Decimal)):
        x, y = float(a), float(b)
        return abs(x - y) <= share * max(abs(x), abs(y))
    if isinstance(a, str) and isinstance(b, str):
        return " ".join(a.split()).casefold() == " ".join(b.split()).casefold()
    return bool(a == b)
