"""Records of old Neware archives (ndc 5), which hold everything themselves -> columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx.formats.neware_ndc import Rows
from bdx.spec import Facts


def fat_columns(rows: Rows, ranges: tuple[Facts, ...]) -> dict[str, pa.Array]:
    """Return vendor name -> values of fat records, in file order.

    Current and counters are whole numbers times a factor that depends on the current range of the record; a step counts
    one more wherever its serial changes or its time starts again. The wall time has no zone.
    Units: s, 0.1 mV, mA, mAs, mWs.
    """
    factor = _factor(rows["range"].astype(np.int64), ranges)
    step_time = rows["step_time"].astype(np.float64)
    starts = np.ones(len(rows), np.int64)
    starts[1:] = (rows["serial"][1:] != rows["serial"][:-1]) | (step_time[1:] < step_time[:-1])
    columns: dict[str, pa.Array] = {
        "Record ID": pa.array(rows["index"].astype(np.int64)),
        "Voltage": pa.array(rows["voltage"].astype(np.int32)),
        "Current": pa.array(rows["current"] * factor),
        "Total Time": pa.array(rows["total_time"].astype(np.float64) / 1000.0),
        "Step Time": pa.array(step_time / 1000.0),
        "Date": _wall_time(rows),
        "Cycle": pa.array(rows["cycle"].astype(np.int64) + 1),
        "Step Count": pa.array(np.cumsum(starts)),
        "Step ID": pa.array(rows["program"].astype(np.int64)).cast(pa.string()),
    }
    for name, key in (("Charge Capacity", "charge"), ("Discharge Capacity", "discharge")):
        columns[name] = pa.array(np.abs(rows[key] * factor))
        columns[name.replace("Capacity", "Energy")] = pa.array(np.abs(rows[f"{key}_energy"] * factor))
    return columns


def _factor(ranges: npt.NDArray[np.int64], facts: tuple[Facts, ...]) -> npt.NDArray[np.float64]:
    place = np.searchsorted([row["below"] for row in facts], np.abs(ranges), "right")
    place = np.minimum(place, len(facts) - 1)
    positive = np.array([row["positive"] for row in facts])[place]
    negative = np.array([row["negative"] for row in facts])[place]
    # A range of 0 is written by devices whose unit is 0.1 mA.
    return np.where(ranges > 0, positive, np.where(ranges < 0, negative, 0.1))


def _wall_time(rows: Rows) -> pa.Array:
    parts: dict[str, Any] = {name: rows[name].astype(np.int64) for name in ("year", "month", "day", "hour", "minute", "second")}
    limits = {"month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59), "second": (0, 59), "year": (1970, 2200)}
    bad = np.zeros(len(rows), np.bool_)
    for name, (low, high) in limits.items():
        bad |= (parts[name] < low) | (parts[name] > high)
    parts = {name: np.where(bad, 1970 if name == "year" else 1, values) for name, values in parts.items()}
    months = (parts["year"] - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (parts["month"] - 1)
    days = months.astype("datetime64[D]") + (parts["day"] - 1)
    seconds = ((days.astype(np.int64) * 24 + parts["hour"]) * 60 + parts["minute"]) * 60 + parts["second"]
    return pa.array((seconds * 1_000_000).view("datetime64[us]"), pa.timestamp("us"), mask=bad)
