"""Internal resistance from impedance spectra: the real part where the imaginary part vanishes, and that at 1 kHz."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bdx import canon
from bdx.derive.pieces import Floats, floats
from bdx.derive.tested import Refused

_AC_HZ = 1000.0
"""Frequency at which AC resistance is stated (IEC 61960-3 7.7.2, IEC 62620 6.5)."""
_NEAR = 2.5
"""Factor by which two neighbouring frequencies may differ that an impedance is interpolated between."""
_RESTART = 10.0
"""A frequency that goes back against its sweep by more than this factor begins another spectrum."""
_FEWEST = 5
_MOST = 1_000_000
"""Records of spectra that are kept of one test."""
_NAMES = {
    "frequency": "frequency_hertz",
    "real": "real_impedance_ohm",
    "imaginary": "imaginary_impedance_ohm",
    "size": "absolute_impedance_ohm",
    "phase": "phase_degree",
    "time": "test_time_second",
    "cycle": "cycle_count",
    "step": "step_count",
    "voltage": "voltage_volt",
    "heat": "temperature_t1_celsius",
}
_KEPT = ("row", "frequency", "real", "imaginary", "time", "cycle", "step", "voltage", "heat")


class Spectra:
    """A fold over `timeseries`: `watch` every batch in file order, then `finish` once; `refused` then says what gave no value.

    Of each sweep the real part where the imaginary part turns from inductive to capacitive, seen from its highest frequency, and the
    real part at 1 kHz; between two frequencies the parts are interpolated over the logarithm of frequency.
    """

    def __init__(self, *, first_row: int = 1) -> None:
        self._row = first_row
        self._held: list[Floats] = []
        self._count = 0
        self._beyond = 0
        self.refused: list[Refused] = []

    def watch(self, batch: pa.RecordBatch) -> None:
        """Take in one batch of `timeseries`; only records of impedance are kept."""
        first, names = self._row, set(batch.schema.names)
        self._row += batch.num_rows
        if "frequency_hertz" not in names or batch.column(batch.schema.get_field_index("frequency_hertz")).null_count == batch.num_rows:
            return
        nothing = np.full(batch.num_rows, np.nan)
        found = {key: floats(batch, name) if name in names else nothing for key, name in _NAMES.items()}
        found["row"] = np.arange(first, first + batch.num_rows, dtype=np.float64)
        angle = np.radians(found["phase"])
        with np.errstate(invalid="ignore", over="ignore"):
            found["real"] = np.where(np.isnan(found["real"]), found["size"] * np.cos(angle), found["real"])
            found["imaginary"] = np.where(np.isnan(found["imaginary"]), found["size"] * np.sin(angle), found["imaginary"])
            kept = (found["frequency"] > 0) & np.isfinite(found["real"] + found["imaginary"]) & (found["real"] != 0)
        some = np.array([found[name] for name in _KEPT])[:, kept]
        room = max(_MOST - self._count, 0)
        self._beyond += max(some.shape[1] - room, 0)
        self._held.append(some[:, :room])
        self._count += self._held[-1].shape[1]

    def finish(self, test_id: str) -> pa.RecordBatch | None:
        """Return the rows of `resistance`, two per sweep at most; None where no sweep gives one."""
        if not self._count:
            return None
        held = np.concatenate(self._held, axis=1)
        rows: list[dict[str, Any]] = []
        sweeps = np.split(held, _begins(held), axis=1)
        reasons: dict[str, list[str]] = {}
        for sweep in sweeps:
            for result in _resistances(sweep):
                if isinstance(result, _None):
                    reasons.setdefault(result.kind, []).append(result.why)
                else:
                    rows.append({"test_id": test_id, "method": "impedance", **result, **_place(sweep)})
        for kind, whys in reasons.items():
            first = "the first: " if len(whys) > 1 else ""
            self.refused.append(Refused("M169", f"{len(whys)} of {len(sweeps)} spectra give no {kind}; {first}{whys[0]}"))
        if self._beyond:
            self.refused.append(Refused("M169", f"{self._beyond} records of impedance after the first {_MOST} are left out"))
        return canon.from_rows("resistance", rows) if rows else None


def _begins(held: Floats) -> Any:
    """Return where a sweep begins: frequency leaps back, or cycle or step change."""
    order = np.diff(np.log10(held[1]))
    way = np.sign(np.median(order[order != 0])) if np.any(order != 0) else -1.0
    leap = order * way < -np.log10(_RESTART)
    for number in (5, 6):
        known = np.isfinite(held[number])
        leap |= (held[number][1:] != held[number][:-1]) & known[1:] & known[:-1]
    return np.flatnonzero(leap) + 1


def _place(sweep: Floats) -> dict[str, Any]:
    """Return where and when a sweep was taken."""
    row, _, _, _, time, cycle, _, voltage, heat = sweep
    return {
        "first_row": int(row.min()),
        "last_row": int(row.max()),
        "time_s": _known(time[0]),
        "cycle_count": None if np.isnan(cycle[0]) else int(cycle[0]),
        "voltage_v": _known(np.nanmean(voltage)) if np.isfinite(voltage).any() else None,
        "temperature_c": _known(np.nanmean(heat)) if np.isfinite(heat).any() else None,
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


@dataclass(frozen=True, slots=True)
class _None:
    """What a sweep does not give, and why."""

    kind: str
    why: str


def _resistances(sweep: Floats) -> list[dict[str, float] | _None]:
    """Return the two resistances of a sweep, each as a value with its frequency or as the reason why there is none."""
    order = np.argsort(-sweep[1], kind="stable")
    frequency, real, imaginary = sweep[1][order], sweep[2][order], sweep[3][order]
    if len(frequency) < _FEWEST:
        return [_None("resistance", f"it has {len(frequency)} frequencies, fewer than {_FEWEST}")]
    return [_crossing(frequency, real, imaginary), _at(_AC_HZ, frequency, real)]


def _crossing(frequency: Floats, real: Floats, imaginary: Floats) -> dict[str, float] | _None:
    """Return the real part where the imaginary part falls through zero for good, seen from the highest frequency."""
    kind = "resistance at the zero of the imaginary part"
    turns = np.flatnonzero((imaginary[:-2] >= 0) & (imaginary[1:-1] < 0) & (imaginary[2:] < 0))
    if not len(turns):
        if (imaginary >= 0).all():
            return _None(kind, "it is nowhere negative")
        return _None(kind, f"it is {imaginary[0]:.4g} ohm at the highest frequency ({frequency[0]:.6g} Hz) and does not cross zero below")
    k = int(turns[0])
    if frequency[k] > _NEAR * frequency[k + 1]:
        return _None(kind, f"{frequency[k]:.6g} and {frequency[k + 1]:.6g} Hz are too far apart to find the zero between them")
    share = float(imaginary[k] / (imaginary[k] - imaginary[k + 1]))
    value = float(real[k] + share * (real[k + 1] - real[k]))
    hertz = float(np.exp(np.log(frequency[k]) + share * (np.log(frequency[k + 1]) - np.log(frequency[k]))))
    return {"resistance_ohm": value, "frequency_hz": hertz} if value > 0 else _None(kind, f"the real part is {value:.4g} ohm there")


def _at(hertz: float, frequency: Floats, real: Floats) -> dict[str, float] | _None:
    """Return the real part at a frequency."""
    kind = f"resistance at {hertz:g} Hz"
    if not frequency[-1] <= hertz <= frequency[0]:
        return _None(kind, f"its frequencies run from {frequency[-1]:.4g} to {frequency[0]:.4g} Hz")
    k = int(np.searchsorted(-frequency, -hertz))
    if frequency[k] != hertz and frequency[k - 1] > _NEAR * frequency[k]:
        return _None(kind, f"{frequency[k - 1]:.6g} and {frequency[k]:.6g} Hz are too far apart to interpolate between them")
    value = float(np.interp(-np.log(hertz), -np.log(frequency), real))
    return {"resistance_ohm": value, "frequency_hz": hertz} if value > 0 else _None(kind, f"the real part is {value:.4g} ohm there")
