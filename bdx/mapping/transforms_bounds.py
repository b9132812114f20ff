"""Numbers that a place of a model can hold: whole ones, or those between two limits. Others are not rounded; they stay out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bdx.mapping.transforms_base import Transform
from bdx.spec import Facts

_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Bounds:
    """What numbers a place holds: `whole` ones, none below `least` and none above `most`."""

    whole: bool = False
    least: float = -math.inf
    most: float = math.inf

    def fitted(self, value: Any) -> Any:
        """Return a number as the place holds it, an int where it must be whole; None where it does not fit."""
        if not self.least <= value <= self.most:
            return None
        if not self.whole or type(value) is int:
            return value
        # Beyond 2**53 a float stands for the digits that it prints as, not for those it is stored as.
        exact = value if isinstance(value, Decimal) or -_EXACT < value < _EXACT else Decimal(repr(value))
        if not math.isfinite(exact) or exact != (exact.to_integral_value() if isinstance(exact, Decimal) else math.floor(exact)):
            return None
        return int(exact)

    @property
    def beyond(self) -> str:
        """Name the numbers that do not fit."""
        between = "" if self.least == -math.inf and self.most == math.inf else f"numbers outside {self.least:g} to {self.most:g}"
        return " and ".join(part for part in ("numbers that are not whole" if self.whole else "", between) if part)

    @property
    def why(self) -> str:
        """What to say of a number that does not fit."""
        kind = "whole numbers" if self.whole else "numbers"
        if self.least == -math.inf and self.most == math.inf:
            return f"it holds {kind} only"
        return f"it holds {kind} from {self.least:g} to {self.most:g} only"


ANY = Bounds()


def bounds_of(entry: Facts) -> Bounds:
    """Return the bounds of a line of a mapping: `whole` and `limits` with the least and the most."""
    least, most = entry.get("limits", (-math.inf, math.inf))
    return Bounds(entry.get("whole", False), least, most)


def bounded(transform: Transform, entry: Facts) -> Transform:
    """Return a transform that writes only what fits the bounds of a line; one without bounds is left as it is."""
    bounds, write = bounds_of(entry), transform.write
    if bounds == ANY:
        return transform

    def fitted(value: Any) -> Any:
        raw = write(value)
        return None if raw is None else bounds.fitted(raw)

    return Transform(transform.read, fitted, limit=bounds.beyond, why=bounds.why)
