"""Records of old Neware archives (ndc 5), which hold everything themselves -> columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from bdx.formats.neware_blocks import Rows
from bdx.formats.neware_range import divisors
from bdx.spec import Facts


def fat_columns(rows: Rows, ranges: tuple[Facts, ...]) -> dict[str, pa.Array]:
    """Return vendor name -> values of fat records, in file order.

    Current and counters are whole numbers over a divisor that depends on the current range of the record; a step counts
    one more wherever its serial changes or its time starts again. The wall time has no zone.
    Units: s, 0.1 mV, mA, mAs, mWs.
    """
    divisor = divisors(rows["range"], ranges)
    step_time = rows["step_time"].astype(np.float64)
    starts = np.ones(len(rows), np.int64)
    starts[1:] = (rows["serial"][1:] != rows["serial"][:-1]) | (step_time[1:] < step_time[:-1])
    columns: dict[str, pa.Array] = {
        "Record ID": pa.array(rows["index"].astype(np.int64)),
        "Voltage": pa.array(rows["voltage"].astype(np.int32)),
        "Current": pa.array(rows["current"] / divisor),
        "Total Time": pa.array(rows["total_time"].astype(np.float64) / 1000.0),
        "Step Time": pa.array(step_time / 1000.0),
        "Date": wall_time(rows),
        "Cycle": pa.array(rows["cycle"].astype(np.int64) + 1),
        "Step Count": pa.array(np.cumsum(starts)),
        "Step ID": pa.array(rows["program"].astype(np.int64)).cast(pa.string()),
    }
    for name, key in (("Charge Capacity", "charge"), ("Discharge Capacity", "discharge")):
        columns[name] = pa.array(np.abs(rows[key] / divisor))
        columns[name.replace("Capacity", "Energy")] = pa.array(np.abs(rows[f"{key}_energy"] / divisor))
    return columns


def wall_time(rows: Rows) -> pa.Array:
    """Return the wall time in `year` ... `second` of each record, without zone; empty where it is no moment."""
    year, month, day = (np.ascontiguousarray(rows[name]) for name in ("year", "month", "day"))
    starts = np.flatnonzero((day[1:] != day[:-1]) | (month[1:] != month[:-1]) | (year[1:] != year[:-1])) + 1
    starts = np.append(0, starts)[: len(rows)]
    lengths = np.diff(np.append(starts, len(rows)))
    midnight, bad = _midnights(*(part[starts].astype(np.int64) for part in (year, month, day)))
    hour, minute, second = (np.ascontiguousarray(rows[name]) for name in ("hour", "minute", "second"))
    moments = (hour.astype(np.int64) * 60 + minute) * 60 + second + np.repeat(midnight, lengths)
    wrong = np.repeat(bad, lengths) | (hour > 23) | (minute > 59) | (second > 59)
    return pa.array((moments * 1_000_000).view("datetime64[us]"), pa.timestamp("us"), mask=wrong if wrong.any() else None)


def _midnights(year: Any, month: Any, day: Any) -> tuple[Any, Any]:
    """Return seconds since 1970 of the beginning of days, and which of them are in no calendar."""
    bad = (year < 1970) | (year > 2200) | (month < 1) | (month > 12) | (day < 1) | (day > 31)
    year, month, day = (np.where(bad, low, part) for low, part in ((1970, year), (1, month), (1, day)))
    months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    days = months.astype("datetime64[D]") + (day - 1)
    return days.astype(np.int64) * 86_400, bad | (days.astype("datetime64[M]") != months)
