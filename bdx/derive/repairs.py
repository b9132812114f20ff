"""What repairs do to the columns of one test: one small class per kind, fed batch after batch, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx import units

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

KEPT = "extra_{}_as_read"
"""Name of the column that keeps the values of another one as they were read."""

_DIGITS = 15
"""Significant digits that every float returns as they were written."""


class Body(Protocol):
    """One repair at work on one test."""

    def feed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the next rows repaired; columns it does not know are left alone."""


class Rescale:
    """Values in unit `frm` become values in unit `to`, or with `undo` the other way round."""

    def __init__(self, columns: Sequence[str], frm: str, to: str, *, undo: bool) -> None:
        self._columns = columns
        self._undo = undo
        scale, offset = units.factor(frm, to)
        self._times, self._over = float(scale.numerator), float(scale.denominator)
        self._before = float(offset / scale)

    def feed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with every one of the columns converted."""
        for name in _present(batch, self._columns):
            batch = _put(batch, name, _mapped(batch.column(name), self._back if self._undo else self._forth))
        return batch

    def inexact(self, old: Floats, new: Floats) -> int:
        """Return how many of the values converted would not come back to the last bit."""
        with np.errstate(all="ignore"):
            back = self._forth(new) if self._undo else self._back(new)
        return int(np.count_nonzero((back != old) & ~np.isnan(old)))

    def _forth(self, values: Floats) -> Floats:
        """Return the values converted: an offset, a factor and a divisor, each rounded once and left out where it does nothing."""
        values = values + self._before if self._before else values
        values = values * self._times if self._times != 1 else values
        return values / self._over if self._over != 1 else values

    def _back(self, values: Floats) -> Floats:
        """Return what `_forth` was given: of the floats it turns into these values the likeliest one."""
        near = values * self._over / self._times - self._before
        found, open_ = near.copy(), np.ones(len(near), np.bool_)
        for guess in self._guesses(near, values):
            hit = open_ & (self._forth(guess) == values)
            found[hit] = guess[hit]
            open_ &= ~hit
            if not open_.any():
                break
        return found

    def _guesses(self, near: Floats, values: Floats) -> Iterator[Floats]:
        """Yield what may have been written: a float32 of an instrument, a number of few digits, a float, its neighbours."""
        yield near.astype(np.float32).astype(np.float64)
        size = np.maximum(np.maximum(np.abs(near), abs(self._before)), np.abs(values) if self._before else 0.0)
        power = _DIGITS - 1 - np.floor(np.log10(np.where(size > 0, size, 1.0)))
        above, below = 10.0 ** np.maximum(power, 0), 10.0 ** np.maximum(-power, 0)
        yield np.rint(near * above / below) / above * below
        yield near
        up = down = near
        for _ in range(2):
            up, down = np.nextafter(up, np.inf), np.nextafter(down, -np.inf)
            yield up
            yield down


class Turn:
    """Values become zero minus themselves; zero stays plain zero."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    def feed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with the sign of every one of the columns turned."""
        for name in _present(batch, self._columns):
            batch = _put(batch, name, _mapped(batch.column(name), lambda values: 0.0 - values))
        return batch


class Exchange:
    """Columns of charge take the values of those of discharge, and the other way round."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._pairs = [(name.replace("discharging", "charging"), name) for name in columns if "discharging" in name]

    def feed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with the two columns of each pair exchanged."""
        names = set(batch.schema.names)
        for charge, discharge in self._pairs:
            if charge in names and discharge in names:
                held = batch.column(charge)
                batch = _put(_put(batch, charge, batch.column(discharge)), discharge, held)
        return batch


class RunOn:
    """A time that starts anew runs on: to each row is added where the time stood before each fall by more than `by`.

    A fall counts where one of the counters `beside` changes; `went_on` counts the changes at which time rises, and `first_on` is the
    first such row within the test. The values as they were read are kept in a column of their own.
    """

    def __init__(self, column: str, beside: Sequence[str], by: float) -> None:
        self.went_on = 0
        self.first_on = 0
        self._column = column
        self._beside = beside
        self._by = by
        self._rows = 0
        self._time = np.nan
        self._offset = 0.0
        self._last: dict[str, pa.Array] = {}

    def feed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with the running time, and the time as it was read behind the other columns."""
        raw = batch.column(self._column)
        values = floats(raw)
        known = np.flatnonzero(np.isfinite(values))
        times = values[known]
        before = np.append(self._time, times)[:-1]
        changed = self._changed(batch, known)
        falls = changed & (times < before - self._by)
        on = known[changed & (times > before)]
        self.first_on = self._rows + int(on[0]) if len(on) and not self.went_on else self.first_on
        self.went_on += len(on)
        # Added up one after the other, so that the sums are those of any other batch size.
        offsets = np.cumsum(np.append(self._offset, np.where(falls, before, 0.0)))[1:]
        moved = _mapped(raw, lambda found: found + _held(offsets, known, len(found), self._offset))
        if len(known):
            self._time, self._offset = float(times[-1]), float(offsets[-1])
        self._rows += len(values)
        return _kept(_put(batch, self._column, moved), self._column, raw)

    def _changed(self, batch: pa.RecordBatch, places: Places) -> npt.NDArray[np.bool_]:
        """Return where a counter differs from the one at the place before."""
        found = np.zeros(len(places), np.bool_)
        for name in _present(batch, self._beside) if len(places) else ():
            now = batch.column(name).take(pa.array(places))
            before = pa.concat_arrays([self._last.get(name, now[:1]), now[:-1]])
            unlike = pc.or_kleene(pc.not_equal(now, before), pc.not_equal(pc.is_null(now), pc.is_null(before)))
            found |= unlike.fill_null(fill_value=False).to_numpy(zero_copy_only=False)
            self._last[name] = pa.array([now[-1].as_py()], now.type)
        return found


class Unshift:
    """A clock that jumps by about `jump` seconds more than the time `beside` it loses the jump in all later rows.

    The values as they were read are kept in columns of their own.
    """

    def __init__(self, columns: Sequence[str], beside: str, jump: float, within: float) -> None:
        self._columns = columns
        self._beside = beside
        self._jump = jump
        self._within = within
        self._ends: dict[str, tuple[float, float, float]] = {}

    def feed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with the clocks that it carries, and these as they were read behind the other columns."""
        time = floats(batch.column(self._beside))
        for name in _present(batch, self._columns):
            raw = batch.column(name)
            moves = self._moves(name, floats(raw), time)
            if pa.types.is_timestamp(raw.type):
                moved = pc.add(raw, pa.array(np.rint(moves * 1e6).astype(np.int64), pa.duration("us")))
            else:
                moved = _mapped(raw, lambda values, moves=moves: values + moves)  # type: ignore[misc]
            batch = _kept(_put(batch, name, moved), name, raw)
        return batch

    def _moves(self, name: str, wall: Floats, time: Floats) -> Floats:
        """Return the seconds to be added to each row."""
        ended, ran, offset = self._ends.get(name, (np.nan, np.nan, 0.0))
        known = np.flatnonzero(np.isfinite(wall) & np.isfinite(time))
        gain = np.diff(wall[known], prepend=ended) - np.diff(time[known], prepend=ran)
        jumps = np.abs(gain - self._jump) <= self._within
        offsets: Floats = np.asarray(offset - self._jump * np.cumsum(jumps), np.float64)
        moves = _held(offsets, known, len(wall), offset)
        if len(known):
            self._ends[name] = (float(wall[known[-1]]), float(time[known[-1]]), float(offsets[-1]))
        return moves


class Restore:
    """Columns take back the values that were kept when they were repaired."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    def feed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch as it was read, without the columns that kept it."""
        for name in _present(batch, self._columns):
            kept = batch.schema.get_field_index(KEPT.format(name))
            if kept >= 0:
                found = batch.column(kept)
                batch = batch.remove_column(kept)
                batch = _put(batch, name, found.cast(batch.column(name).type))
        return batch


KEEPING = frozenset({"run_on", "unshift"})
"""Kinds that keep what they change beside it."""


def body(kind: str, columns: Sequence[str], beside: Sequence[str], args: Mapping[str, Any], *, undo: bool) -> Body:
    """Return a repair of the closed list, ready for the first batch of a test."""
    if undo and kind in KEEPING:
        return Restore(columns)
    made: Mapping[str, Callable[[], Body]] = {
        "rescale": lambda: Rescale(columns, args["from"], args["to"], undo=undo),
        "turn": lambda: Turn(columns),
        "exchange": lambda: Exchange(columns),
        "run_on": lambda: RunOn(columns[0], beside, args["by"]),
        "unshift": lambda: Unshift(columns, beside[0], args["jump"], args["within"]),
    }
    return made[kind]()


def _present(batch: pa.RecordBatch, names: Sequence[str]) -> list[str]:
    held = set(batch.schema.names)
    return [name for name in names if name in held]


def _put(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    place = batch.schema.get_field_index(name)
    return batch.set_column(place, batch.schema.field(place), values)


def _kept(batch: pa.RecordBatch, name: str, raw: pa.Array) -> pa.RecordBatch:
    """Return the batch with a column behind it that holds the values of another one as they were read."""
    unit = (batch.schema.field(name).metadata or {}).get(b"bdx.unit", b"").decode()
    metadata = {"bdx.source_name": name, **({"bdx.unit": unit} if unit else {})}
    return batch.append_column(pa.field(KEPT.format(name), raw.type, metadata=metadata), raw)


def _mapped(array: pa.Array, change: Callable[[Floats], Floats]) -> pa.Array:
    """Return an array of floats changed; nulls stay null."""
    with np.errstate(all="ignore"):
        found = change((array.fill_null(0.0) if array.null_count else array).to_numpy(zero_copy_only=False))
    mask = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    return pa.array(found, pa.float64(), mask=mask)


def floats(array: pa.Array) -> Floats:
    """Return numbers, or times in seconds, as floats; NaN for null."""
    if pa.types.is_timestamp(array.type):
        return floats(array.cast(pa.int64())) / 1e6
    found = array if pa.types.is_float64(array.type) else array.cast(pa.float64(), safe=False)
    return found.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _held(values: Floats, places: Places, rows: int, first: float) -> Floats:
    """Return for each row the value of the last place up to it, `first` before any."""
    if len(places) == rows:
        return values
    return np.append(first, values)[np.searchsorted(places, np.arange(rows), side="right")]  # type: ignore[no-any-return]
