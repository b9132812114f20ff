"""Loss of voltage over long rests after a charge: the k value, as far as a rest tells it."""

from __future__ import annotations

import pyarrow as pa

from bdx.derive.tested import Refused

_LONG_S = 86_400.0
"""Seconds from which on a rest is long."""


def losses(steps: pa.RecordBatch) -> list[Refused]:
    """Return one remark on the long rests after a charge: how far voltage fell in the first of them and in the one it fell most.

    Voltage of the first record less that of the last, over the time between; the first hours after a charge relax, so that a rest
    of a day says less than one of a week.
    """
    kinds = steps.column("kind").to_pylist()
    names = ("duration_s", "start_voltage_v", "end_voltage_v", "first_row", "last_row")
    columns = {name: steps.column(name).to_pylist() for name in names}
    found = []
    for place, kind in enumerate(kinds):
        seconds, begin, end, first, last = (columns[name][place] for name in names)
        after_charge = place > 0 and kinds[place - 1] == "charge"
        if kind == "rest" and after_charge and seconds and seconds >= _LONG_S and begin is not None and end is not None:
            found.append(((begin - end) * 1e3 / (seconds / 3600.0), seconds / 3600.0, begin, end, first, last))
    if not found:
        return []
    most = max(found)
    told = [_told(*found[0])] + ([_told(*most)] if most is not found[0] else [])
    return [Refused("M168", f"{len(found)} rests of 24 h or more after a charge: {'; most in '.join(told)}")]


def _told(k: float, hours: float, begin: float, end: float, first: int, last: int) -> str:
    return f"rows {first} to {last}, from {begin:.5g} V to {end:.5g} V in {hours:.4g} h, {k:.4g} mV/h"
