"""What a whole number in a Neware record counts: a power of ten that follows from the range of current it was measured in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bdx.spec import Facts

Floats = npt.NDArray[np.float64]

_ZERO = 10.0
"""A range of 0 is written by devices whose unit is 0.1 mA."""


def divisors(ranges: npt.NDArray[Any], facts: tuple[Facts, ...], device: int = 0) -> Floats | float:
    """Return by what raw current, capacity and energy of each record is divided to give mA, mAs and mWs; one number if all agree.

    `device` is the range of the device, which holds where a record names none (0).
    Units: ranges in mA, negative for devices of finer resolution.
    """
    if len(ranges) and (ranges == ranges[0]).all():
        return float(_divisors(ranges[:1].astype(np.int64), facts, device)[0])
    return _divisors(ranges.astype(np.int64), facts, device)


def _divisors(ranges: npt.NDArray[np.int64], facts: tuple[Facts, ...], device: int) -> Floats:
    ranges = np.where(ranges == 0, device, ranges)
    place = np.searchsorted([row["below"] for row in facts], np.abs(ranges), "right")
    place = np.minimum(place, len(facts) - 1)
    positive, negative = (np.rint(1.0 / np.array([row[sign] for row in facts])) for sign in ("positive", "negative"))
    return np.where(ranges > 0, positive[place], np.where(ranges < 0, negative[place], _ZERO))
