"""Ways to spoil a test as numbers: each takes the frame, the rows and columns chosen by the fault, and returns the spoilt frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from planting.cycling import Array, Frame

Act = Callable[..., Frame]
ACTS: dict[str, Act] = {}
WHERE = ("step", "cycle", "starts", "rows")
"""Keys of a fault that choose rows; what is left is given to the act."""


def act(run: Act) -> Act:
    """Register an act under the name of its function."""
    ACTS[run.__name__] = run
    return run


def spoil(frame: Frame, facts: dict[str, Any]) -> Frame:
    """Return a spoilt copy of a frame; `do` names the act, `step`, `cycle`, `starts` (share of the chosen rows) and `rows` choose."""
    given = dict(facts)
    run = ACTS[given.pop("do")]
    chosen = rows_of(frame, {key: given.pop(key) for key in WHERE if key in given})
    return run(dict(frame), chosen, **given)


def rows_of(frame: Frame, where: dict[str, Any]) -> Array:
    """Return the numbers of the chosen rows: all, or of one step or cycle, from a share of them on, so many."""
    size = len(frame["test_time_second"])
    mask = np.ones(size, dtype=bool)
    if "step" in where:
        mask &= np.isin(frame["step_type"].astype(str), where["step"])
    if "cycle" in where:
        mask &= np.isin(frame["cycle_count"], where["cycle"])
    rows = np.flatnonzero(mask)
    rows = rows[int(where.get("starts", 0.0) * len(rows)) :]
    return rows[: where.get("rows", size)]


def _cells(values: Array) -> Array:
    """Return values as objects, so that one of them can be a text or nothing."""
    return np.array(values.tolist(), dtype=object)


@act
def scale(frame: Frame, rows: Array, *, columns: list[str], by: float) -> Frame:
    """Multiply."""
    for name in columns:
        values = frame[name].astype(float)
        values[rows] *= by
        frame[name] = np.round(values, 9)
    return frame


@act
def shift(frame: Frame, rows: Array, *, columns: list[str], by: float) -> Frame:
    """Add."""
    for name in columns:
        values = frame[name].copy()
        values[rows] += np.timedelta64(int(by * 1e6), "us") if values.dtype.kind == "M" else type(values[0].item())(by)
        frame[name] = values
    return frame


@act
def put(frame: Frame, rows: Array, *, columns: list[str], to: Any) -> Frame:
    """Write one value into every chosen cell; the text "null" stands for nothing."""
    for name in columns:
        values = _cells(frame[name]) if not isinstance(to, float | int) or frame[name].dtype.kind != "f" else frame[name].copy()
        values[rows] = None if to == "null" else to
        frame[name] = values
    return frame


@act
def clip(frame: Frame, rows: Array, *, columns: list[str], low: float = -np.inf, high: float = np.inf) -> Frame:
    """Cut off what is beyond a limit."""
    for name in columns:
        values = frame[name].copy()
        values[rows] = np.clip(values[rows], low, high)
        frame[name] = values
    return frame


@act
def freeze(frame: Frame, rows: Array, *, columns: list[str]) -> Frame:
    """Keep the first chosen value."""
    for name in columns:
        values = frame[name].copy()
        values[rows] = values[rows[0]]
        frame[name] = values
    return frame


@act
def drift(frame: Frame, rows: Array, *, columns: list[str], gain: float) -> Frame:
    """Let values run ahead of the first chosen one by a share of their distance from it."""
    for name in columns:
        values = frame[name].copy()
        values[rows] = np.round(values[rows] + gain * (values[rows] - values[rows[0]]), 3)
        frame[name] = values
    return frame


@act
def restart(frame: Frame, rows: Array, *, columns: list[str]) -> Frame:
    """Count from the first chosen row anew."""
    for name in columns:
        values = frame[name].copy()
        values[rows] -= values[rows[0]]
        frame[name] = values
    return frame


@act
def copy(frame: Frame, rows: Array, *, columns: list[str], of: str) -> Frame:
    """Write what another column holds."""
    for name in columns:
        values = frame[name].copy()
        values[rows] = frame[of][rows]
        frame[name] = values
    return frame


@act
def swap(frame: Frame, rows: Array, *, columns: list[str]) -> Frame:
    """Exchange two columns."""
    one, other = columns
    first, second = frame[one].copy(), frame[other].copy()
    first[rows], second[rows] = frame[other][rows], frame[one][rows]
    frame[one], frame[other] = first, second
    return frame


@act
def lag(frame: Frame, rows: Array, *, columns: list[str], by: int) -> Frame:
    """Move columns down by some rows; what falls off the end is gone, the first value fills the beginning."""
    for name in columns:
        frame[name] = np.concatenate((np.repeat(frame[name][:1], by), frame[name][:-by]))
    return frame


@act
def mix(frame: Frame, rows: Array, *, columns: list[str], seed: int = 5) -> Frame:
    """Deal the chosen values out at random."""
    for name in columns:
        values = frame[name].copy()
        values[rows] = np.random.default_rng(seed).permutation(values[rows])
        frame[name] = values
    return frame


@act
def leave_out(frame: Frame, rows: Array, *, columns: list[str]) -> Frame:
    """Take whole columns away."""
    return {name: values for name, values in frame.items() if name not in columns}


@act
def drop(frame: Frame, rows: Array) -> Frame:
    """Take rows away."""
    return {name: np.delete(values, rows) for name, values in frame.items()}


@act
def twice(frame: Frame, rows: Array, *, block: bool = False) -> Frame:
    """Write rows a second time: each behind itself, or all of them as one block behind the last."""
    order = np.insert(np.arange(len(frame["test_time_second"])), rows[-1] + 1 if block else rows + 1, rows)
    return {name: values[order] for name, values in frame.items()}


@act
def turn(frame: Frame, rows: Array) -> Frame:
    """Write rows in reverse order."""
    order = np.arange(len(frame["test_time_second"]))
    order[rows] = rows[::-1]
    return {name: values[order] for name, values in frame.items()}


@act
def append(frame: Frame, rows: Array, *, columns: list[str] | None = None) -> Frame:
    """Write the whole test again behind itself; `columns` go on where they ended, all others begin anew."""
    found = {}
    for name, values in frame.items():
        again = values + values[-1] if name in (columns or ()) else values
        found[name] = np.concatenate((values, again))
    return found


@act
def whole(frame: Frame, rows: Array, *, columns: list[str]) -> Frame:
    """Round down."""
    for name in columns:
        values = frame[name].copy()
        values[rows] = np.floor(values[rows])
        frame[name] = values
    return frame
