"""The sign and unit of cycle_capacity and cycle_energy in battdat files, read off the rows: files and their own description differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bdx.canon import BATCH_ROWS
from bdx.formats.canonical import guard
from bdx.formats.source import Source

Floats = npt.NDArray[np.float64]

_CAPACITY, _ENERGY = "cycle_capacity", "cycle_energy"
_NEEDED = ("test_time", "current", "voltage")
_JOULE = 3600.0


def factors(table: Any, described: dict[str, str], source: Source) -> dict[str, dict[str, str]]:
    """Return field metadata that corrects the two columns where the first rows show another sign or unit than charge, Ah and Wh.

    The toolkit describes both as positive on discharge and energy in joule, and writes them positive on charge and in watt
    hours. The rise of each is compared with current (and power) integrated over the same rows; a finding names what was taken.
    """
    names = set(table.dtype.names)
    if not names.issuperset(_NEEDED) or not names & {_CAPACITY, _ENERGY}:
        return {}
    with guard(source.uri, "HDF5"):
        rows = table[:BATCH_ROWS]
    if any(rows[name].dtype.kind not in "iuf" or rows[name].ndim != 1 for name in (*_NEEDED, *(names & {_CAPACITY, _ENERGY}))):
        return {}
    with np.errstate(all="ignore"):  # absurd values in a damaged file are no evidence
        return _evidence(rows, names, described, table.name, source)


def _evidence(rows: Any, names: set[str], described: dict[str, str], where: str, source: Source) -> dict[str, dict[str, str]]:
    time, current, voltage = (np.asarray(rows[name], np.float64) for name in _NEEDED)
    found = {}
    for name, flow, unit, units in ((_CAPACITY, current, "Ah", {1.0: "Ah"}), (_ENERGY, current * voltage, "Wh", {1.0: "Wh", _JOULE: "J"})):
        if name not in names:
            continue
        ratio = _ratio(np.asarray(rows[name], np.float64), time, flow)
        if ratio is None:
            continue
        size = min(units, key=lambda known: abs(np.log(abs(ratio) / known)))
        reversed_ = ratio < 0
        found[name] = {"bdx.unit": units[size], **({"bdx.scale": "-1"} if reversed_ else {})}
        said = described.get(name, "")
        if not reversed_ or (said and said != units[size] and not (said == "A-hr" and unit == "Ah")):
            words = f"{units[size]}, positive on {'discharge' if reversed_ else 'charge'}"
            source.log.find(
                "F082",
                source=source.uri,
                column=name,
                locator=where,
                value=name,
                described=f"{said}, positive on discharge",
                found=words,
            )
    return found


def _ratio(counter: Floats, time: Floats, flow: Floats) -> float | None:
    """Return the rise of a counter over the integral of its flow (per hour), None where too little flows to tell."""
    hours = np.diff(time) / 3600.0
    integral = (flow[1:] + flow[:-1]) / 2.0 * hours
    rise = np.diff(counter)
    good = (hours > 0) & np.isfinite(rise) & np.isfinite(integral) & (flow[1:] * flow[:-1] > 0)
    if not good.any():
        return None
    rise, integral = rise[good], integral[good]
    usual = np.abs(rise) <= 4.0 * np.median(np.abs(rise))  # where the counter restarts with a cycle it jumps
    total = float(np.dot(integral[usual], integral[usual]))
    ratio = float(np.dot(rise[usual], integral[usual])) / total if total > 0 else 0.0
    return ratio if ratio and np.isfinite(ratio) else None
