"""What BioLogic's headers mean: name and unit of each, the names of the codes of its techniques, and wall time from elapsed time.

The binary and the text files write the same headers, so one mapping serves both. Names that differ only in brackets are told apart
in words: "<I>" is "I average", "|Ewe|/V" is "Ewe amplitude", "-Im(Z)" is "negative Im(Z)".
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx import spec
from bdx.spec import Facts

WALL_TIME = "wall time"
_TYPO = re.compile(r"<([^<>/]+)/([^<>]+)>")
_AMPLITUDE_UNITS = ("V", "A", "mA", "mV")
_LONGEST = 1e10
"""Seconds; a longer test than three centuries is no elapsed time."""


def shared() -> Facts:
    """Return the facts that text and binary files share."""
    return spec.format_spec("biologic-mpr").raw


@cache
def describe(header: str) -> tuple[str, str]:
    """Return (name, unit) of a header as BioLogic writes it; an empty unit where it has none."""
    facts = shared()["header"]
    written = header.strip()
    for wrong, right in facts["respell"]:
        written = written.replace(wrong, right)
    written = _TYPO.sub(r"<\1>/\2", written)
    name, unit = written, ""
    place = written.find("/")
    while place > 0:
        if written[place + 1 :].strip() in facts["units"]:
            name, unit = written[:place].strip(), written[place + 1 :].strip()
            break
        place = written.find("/", place + 1)
    if name.startswith("<") and name.endswith(">"):
        name = f"{name[1:-1]} average"
    elif name.startswith("|") and name.endswith("|") and unit in _AMPLITUDE_UNITS:
        name = f"{name[1:-1]} amplitude"
    elif name.startswith("-"):
        name = f"negative {name[1:]}"
    renamed: dict[str, str] = dict(facts["rename"])
    return renamed.get(f"{name}/{unit}", renamed.get(name, name)), unit


def field(header: str, kind: pa.DataType, **metadata: str) -> pa.Field:
    """Return the Arrow field of a column with its name and unit in the metadata."""
    name, unit = describe(header)
    known = {"bdx.name": name, "bdx.unit": unit, **metadata}
    return pa.field(header, kind, metadata={key: value for key, value in known.items() if value})


def wall_field() -> pa.Field:
    """Return the field of the wall time that is reckoned from the start."""
    return pa.field(WALL_TIME, pa.timestamp("us"), metadata={"bdx.name": WALL_TIME})


def wall_times(start: datetime, seconds: npt.NDArray[np.float64]) -> pa.Array:
    """Return naive wall times `seconds` after the start; null where no sensible time is given.

    Shape: one per value. Units: s in, microseconds out.
    """
    good = np.abs(np.nan_to_num(seconds, nan=np.inf)) < _LONGEST
    elapsed = np.round(np.where(good, seconds, 0.0) * 1e6).astype("timedelta64[us]")
    return pa.array(np.datetime64(start, "us") + elapsed, pa.timestamp("us"), mask=~good)


def from_ole(days: float) -> datetime | None:
    """Return the wall time of an OLE date to the millisecond that BioLogic counts in, None for no sensible date."""
    if not 20_000.0 < days < 80_000.0:
        return None
    return datetime(1899, 12, 30) + timedelta(milliseconds=round(days * 86_400_000))


def half_cell(names: list[str]) -> bool:
    """Say whether the voltage taken is that of one electrode although the other was measured too."""
    found = {name.removesuffix(" average") for name in names}
    return "Ecell" not in found and "Ewe" in found and bool(found & {"Ece", "Ewe-Ece"})


def entered(info: dict[str, Any], mass_mg: float | None, capacity_ah: float | None) -> None:
    """Add mass and capacity to the facts of a test unless they are the defaults that EC-Lab writes for "not entered"."""
    if mass_mg is not None and mass_mg > 0 and abs(mass_mg - 0.001) > 1e-9:
        info["active mass"] = mass_mg
    if capacity_ah is not None and capacity_ah > 0:
        info["nominal capacity"] = capacity_ah
