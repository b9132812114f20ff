"""Runs of charge and of discharge in a test: which discharges are full, between which voltages, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.derive.tested import Refused, Tested

SHARE = 0.05
"""Runs of less than this share of the largest one are pulses: they part other runs and are none themselves."""
RATES = (0.1, 1.2)
"""Currents, as a share of the capacity per hour, at which capacity is measured: IEC 62660-1 takes 1/3 C and 1 C, IEC 62620 0.2 C."""
UPPER, LOWER = 0.01, 0.02
"""How far, as a share of it, a voltage may stay from the limit it was to reach; at the lower one voltage falls fast between records."""
_STEEP = 0.08
"""How far under its mean voltage a discharge ends at least, where nobody says what the lower limit is."""
_PAUSED = 0.05
"""Share of its time that a discharge may rest."""
_ONE_CURRENT = 0.9
"""Share of the charge that one step of a discharge moves at least."""


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring steps of one direction, rests between them included."""

    test_id: str
    number: int
    """Place among all runs of the test, pulses counted: the run before has the number before."""
    charges: bool
    cycle: int | None
    first_row: int | None
    last_row: int | None
    capacity: float
    energy: float | None
    seconds: float
    paused: float
    rested: float
    """Seconds of rest before it."""
    end_voltage: float
    main: float
    """Share of the charge that its largest step moved."""
    temperature: float | None
    last: bool
    """Whether the test ends with it."""
    ends_constant: bool
    """Whether it ends at constant voltage."""

    @property
    def current(self) -> float:
        """Mean current, without sign."""
        return self.capacity * 3600.0 / self.seconds if self.seconds else 0.0

    @property
    def name(self) -> str:
        """The run in words."""
        kind = "charge" if self.charges else "discharge"
        return f"{kind} of cycle {self.cycle}" if self.cycle is not None else f"{kind} in rows {self.first_row} to {self.last_row}"

    @property
    def evidence(self) -> dict[str, Any]:
        """First and last row, as `row_range` takes them."""
        return {"first_row": self.first_row, "last_row": self.last_row}


@dataclass(frozen=True, slots=True)
class Full:
    """A discharge from full charge to the lower limit at a fit current, and the charge before it."""

    charge: Run
    discharge: Run
    from_empty: bool
    """Whether the charge began where a discharge had reached the lower limit, so that both moved between the same states."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was found out of a test: its voltage limits, its full discharges, and why no other one counts."""

    upper: float
    lower: float
    full: tuple[Full, ...]
    refused: Refused | None


def window(tested: Tested) -> Window:
    """Return the limits and full discharges of all tests, with the reason where there is no full one."""
    if "window" not in tested.memory:
        tested.memory["window"] = _window(runs(tested), tested)
    return tested.memory["window"]  # type: ignore[no-any-return]


def runs(tested: Tested) -> list[Run]:
    """Return the runs of all tests in file order, pulses left out."""
    if "runs" not in tested.memory:
        table = tested.tables.get("step")
        table = pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table
        found: list[Run] = []
        if table is not None and table.num_rows:
            names = table.column("test_id").combine_chunks().to_numpy(zero_copy_only=False)
            starts = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
            for start, end in pairwise(starts):
                found += _runs(table.slice(start, end - start), str(names[start]))
        tested.memory["runs"] = found
    return tested.memory["runs"]  # type: ignore[no-any-return]


def _runs(steps: pa.Table, test_id: str) -> list[Run]:
    """Return the runs of one test."""
    kinds = steps.column("kind").to_numpy()
    moving = np.flatnonzero(kinds != "rest")
    if not len(moving):
        return []
    charges = kinds[moving] == "charge"
    first = np.append(0, np.flatnonzero(charges[1:] != charges[:-1]) + 1)
    capacity = np.nan_to_num(_numbers(steps, "capacity_ah"))
    moved = np.add.reduceat(capacity[moving], first)
    last = np.append(first[1:], len(moving)) - 1
    held = {name: _numbers(steps, name) for name in ("duration_s", "energy_wh", "end_voltage_v", "mean_temperature_c", "first_row")}
    held |= {name: _numbers(steps, name) for name in ("last_row", "cycle_count")}
    held |= {"capacity_ah": capacity, "moves": (kinds != "rest").astype(np.float64)}
    controls = steps.column("control")
    found = []
    for number in np.flatnonzero(moved >= SHARE * moved.max(initial=0.0)).tolist() if moved.max(initial=0.0) > 0 else ():
        a, b = int(moving[first[number]]), int(moving[last[number]])
        before = int(moving[last[number - 1]]) + 1 if number else 0
        rested = float(np.nansum(held["duration_s"][before:a]))
        run = {name: values[a : b + 1] for name, values in held.items()}
        found.append(
            _run(run, test_id, number, bool(charges[first[number]]), rested, b == len(kinds) - 1, controls[b].as_py() in ("cv", "cccv"))
        )
    return found


def _run(run: dict[str, Any], test_id: str, number: int, charges: bool, rested: float, last: bool, ends_constant: bool) -> Run:
    moves = run["moves"] > 0
    seconds = np.nan_to_num(run["duration_s"])
    moved = float(run["capacity_ah"][moves].sum())
    energy = float(run["energy_wh"][moves].sum())
    warm = moves & ~np.isnan(run["mean_temperature_c"]) & (seconds > 0)
    temperature = float(np.average(run["mean_temperature_c"][warm], weights=seconds[warm])) if warm.any() else None
    return Run(
        test_id,
        number,
        charges,
        _whole(run["cycle_count"][0]),
        _whole(run["first_row"][0]),
        _whole(run["last_row"][-1]),
        moved,
        None if np.isnan(energy) else energy,
        float(seconds[moves].sum()),
        float(seconds[~moves].sum()),
        rested,
        float(run["end_voltage_v"][-1]),
        float(run["capacity_ah"][moves].max()) / moved,
        temperature,
        last,
        ends_constant,
    )


def _numbers(steps: pa.Table, name: str) -> Any:
    return steps.column(name).combine_chunks().cast(pa.float64()).to_numpy(zero_copy_only=False)


def _whole(value: float) -> int | None:
    return None if np.isnan(value) else int(value)


def _window(found: list[Run], tested: Tested) -> Window:
    """Return the limits, declared or reached, and what discharges between them there are."""
    ends = [[run.end_voltage for run in found if run.charges is kind and not np.isnan(run.end_voltage)] for kind in (True, False)]
    if not ends[0] or not ends[1]:
        what = "no step" if not found else "no discharge" if ends[0] else "no charge" if ends[1] else "no voltage"
        return Window(np.nan, np.nan, (), Refused("M140", f"the test has {what}"))
    upper, lower = float(tested.said.get("max_voltage_v") or max(ends[0])), float(tested.said.get("min_voltage_v") or min(ends[1]))
    by_number = {(run.test_id, run.number): run for run in found}
    full, why = [], []
    for run in found:
        if run.charges:
            continue
        before = by_number.get((run.test_id, run.number - 1))
        refused = _fault(run, before, upper, lower, tested)
        if refused is None and before is not None:
            earlier = by_number.get((run.test_id, before.number - 1))
            full.append(Full(before, run, earlier is not None and _empty(earlier, lower)))
        elif refused is not None:
            why.append(refused)
    return Window(upper, lower, tuple(full), None if full else _told(why))


def _fault(run: Run, before: Run | None, upper: float, lower: float, tested: Tested) -> Refused | None:
    """Return why a discharge is not a full one at a fit current, None where it is."""
    if before is None:
        return Refused("M140", f"no charge comes right before the {run.name}")
    if before.end_voltage < upper * (1 - UPPER):
        return Refused("M140", f"the {before.name} ended at {before.end_voltage:.4g} V, the upper limit is {upper:.4g} V")
    if not _empty(run, lower):
        code = "M142" if run.last else "M140"
        stopped = "the test stopped" if run.last else "it ended"
        return Refused(code, f"{stopped} in the {run.name} at {run.end_voltage:.4g} V, the lower limit is {lower:.4g} V")
    mean = run.energy / run.capacity if run.energy else np.nan
    if not tested.said.get("min_voltage_v") and not run.end_voltage <= mean * (1 - _STEEP):
        return Refused("M140", f"the {run.name} ended at {run.end_voltage:.4g} V, near its mean of {mean:.4g} V: that is no lower limit")
    if run.paused > _PAUSED * run.seconds:
        return Refused("M142", f"the {run.name} rested for {run.paused:.0f} s of {run.paused + run.seconds:.0f} s")
    if run.main < _ONE_CURRENT:
        return Refused("M141", f"no step of the {run.name} moved more than {run.main * 100:.0f} % of its charge, so it had no one current")
    rate = run.current / _reference(run, tested)
    if not RATES[0] <= rate <= RATES[1]:
        return Refused("M141", f"the {run.name} ran at {rate:.3g} C ({run.current:.4g} A), expected {RATES[0]:g} to {RATES[1]:g} C")
    return None


def _reference(run: Run, tested: Tested) -> float:
    """Return the capacity that the rate of a discharge refers to: the operator's nominal one, else its own."""
    nominal = [row.get("nominal_capacity_ah") for row in tested.rows("test") if row.get("test_id") == run.test_id]
    plausible = nominal and nominal[0] and 0.5 <= run.capacity / nominal[0] <= 2.0
    return float(nominal[0]) if plausible and nominal[0] else run.capacity


def _empty(run: Run, lower: float) -> bool:
    return not run.charges and run.end_voltage <= lower + LOWER * abs(lower)


def _told(why: Iterable[Refused]) -> Refused:
    """Return the reasons as one; that of a wrong current or of an aborted cycle where it is the only one in the way."""
    reasons = list(why)
    codes = {reason.code for reason in reasons}
    code = "M141" if "M141" in codes else "M142" if codes == {"M142"} else "M140"
    first = [reason.why for reason in reasons if reason.code == code][:2]
    more = f"; and {len(reasons) - len(first)} more discharges" if len(reasons) > len(first) else ""
    return Refused(code, ("; ".join(first) or "no discharge of more than a pulse") + more)
