"""A cell or pack on a cycler: rests, charge at constant current and voltage, discharge, with every counter an instrument keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Frame = dict[str, Array]
"""Canonical column of `timeseries` -> one value per record."""

START = 1772436600.0
"""2 March 2026, 07:30 UTC: no change of the clocks near."""
ZONE = 3600.0


@dataclass(frozen=True)
class Battery:
    """What is cycled: capacity, cells in series, resistance, window of one cell, rate of charge and discharge."""

    capacity_ah: float
    series: int
    resistance_ohm: float
    low: float = 2.8
    high: float = 4.2
    charge_rate: float = 0.7
    discharge_rate: float = 1.0


CELL = Battery(2.5, 1, 0.03)
PACK = Battery(14.0, 10, 0.09, low=3.0, charge_rate=0.5)


def rest_voltage(charge: Array | float) -> Array | float:
    """Return the voltage of one cell at rest over its state of charge: a sloped curve with two shoulders."""
    return 3.35 + 0.75 * charge + 0.09 * np.tanh((charge - 0.55) / 0.1) - 0.55 * np.exp(-charge / 0.045)


def steps(battery: Battery, cycles: int) -> list[tuple[int, str, str]]:
    """Return the program: cycle, name and program number of every step."""
    program = [("Rest", "1"), ("CC Chg", "2"), ("CV Chg", "3"), ("Rest", "4"), ("CC DChg", "5"), ("Rest", "6")]
    return [(cycle, name, number) for cycle in range(1, cycles + 1) for name, number in program]


def test(battery: Battery = CELL, *, cycles: int = 3, seed: int = 7, rest_s: float = 900.0) -> Frame:
    """Return a whole test: records every 5 to 10 s under load, every 30 s at rest, noise of a good instrument."""
    noise = np.random.default_rng(seed)
    rows: list[tuple[float, ...]] = []
    words: list[tuple[str, str]] = []
    state = _State(battery)
    for count, (cycle, name, number) in enumerate(steps(battery, cycles), 1):
        for passed in state.run(name, rest_s):
            rows.append((state.time, passed, state.voltage, state.current, state.warmth, cycle, count))
            words.append((name, number))
    return _frame(np.array(rows), words, noise)


class _State:
    """The battery while it is cycled, advanced by one record at a time."""

    def __init__(self, battery: Battery) -> None:
        self.battery = battery
        self.time = 0.0
        self.charge = 0.02
        self.slow = 0.0
        self.current = 0.0
        self.voltage = 0.0
        self.warmth = 0.0

    def run(self, name: str, rest_s: float) -> Any:
        """Yield the step time of each record of a step until its end."""
        passed, interval = 0.0, {"Rest": 30.0, "CC Chg": 10.0, "CV Chg": 10.0, "CC DChg": 5.0}[name]
        while True:
            self.current = self._current(name)
            self.advance(interval)
            passed += interval
            yield passed
            if self._over(name, passed, rest_s):
                return

    def advance(self, interval: float) -> None:
        """Let current flow for an interval: charge, slow polarisation, warmth, and what the terminals show."""
        battery = self.battery
        self.time += interval
        self.charge += self.current * interval / 3600.0 / battery.capacity_ah
        self.slow += (0.6 * battery.resistance_ohm * self.current - self.slow) * (1 - np.exp(-interval / 240.0))
        rest = battery.series * rest_voltage(self.charge)
        self.voltage = float(rest + battery.resistance_ohm * self.current + self.slow)
        heat = self.current**2 * battery.resistance_ohm / (battery.capacity_ah * 0.2)
        self.warmth += (heat * 4.0 - self.warmth) * (1 - np.exp(-interval / 900.0))

    def _current(self, name: str) -> float:
        battery = self.battery
        if name == "Rest":
            return 0.0
        if name == "CC DChg":
            return -battery.discharge_rate * battery.capacity_ah
        if name == "CC Chg":
            return battery.charge_rate * battery.capacity_ah
        lacking = battery.series * battery.high - battery.series * float(rest_voltage(self.charge)) - self.slow
        return max(0.0, lacking / battery.resistance_ohm * 0.98)

    def _over(self, name: str, passed: float, rest_s: float) -> bool:
        battery = self.battery
        if name == "Rest":
            return passed >= rest_s
        if name == "CC Chg":
            return self.voltage >= battery.series * battery.high - 0.002 * battery.series
        if name == "CV Chg":
            return self.current <= 0.05 * battery.capacity_ah
        return self.voltage <= battery.series * battery.low


def _frame(rows: Array, words: list[tuple[str, str]], noise: np.random.Generator) -> Frame:
    """Return the columns of a test from its records: what an instrument measures, then what it counts."""
    time, step_time, volts, amperes, warmth, cycle, step = rows.T
    size = len(rows)
    loaded = amperes != 0
    frame: Frame = {
        "record_index": np.arange(1, size + 1),
        "test_time_second": np.round(time, 3),
        "unix_time_second": np.round(START + time, 3),
        "local_time": np.round((START + ZONE + time) * 1e6).astype("int64").astype("datetime64[us]"),
        "cycle_count": cycle.astype("int64"),
        "step_count": step.astype("int64"),
        "step_id": np.array([number for _, number in words], dtype=object),
        "step_type": np.array([name for name, _ in words], dtype=object),
        "step_time_second": np.round(step_time, 3),
        "voltage_volt": np.round(volts + noise.normal(0, 0.00025, size), 5),
        "current_ampere": np.round(np.where(loaded, amperes + noise.normal(0, 0.0001, size) * np.abs(amperes), 0.0), 5),
        "ambient_temperature_celsius": np.round(25.0 + 0.3 * np.sin(time / 4000.0) + noise.normal(0, 0.02, size), 2),
        "surface_temperature_celsius": np.round(25.2 + warmth + noise.normal(0, 0.03, size), 2),
    }
    frame["step_record_index"] = _ordinals(frame["step_count"])
    frame["power_watt"] = np.round(frame["voltage_volt"] * frame["current_ampere"], 6)
    _count(frame)
    return frame


def _ordinals(step: Array) -> Array:
    first = np.flatnonzero(np.diff(step, prepend=step[0] - 1))
    return np.arange(len(step)) - np.repeat(first, np.diff(np.append(first, len(step)))) + 1


def _count(frame: Frame) -> None:
    """Add the counters of charge and energy: of the test, of the cycle, of the step; charge, discharge, net and cumulative."""
    hours = np.diff(frame["test_time_second"], prepend=0.0) / 3600.0
    same = np.diff(frame["step_count"], prepend=0) == 0
    for kind, flow in (("capacity_ah", frame["current_ampere"]), ("energy_wh", frame["power_watt"])):
        before = np.where(same, np.roll(flow, 1), flow)
        moved = 0.5 * (flow + before) * hours
        parts = {"charging": np.clip(moved, 0, None), "discharging": np.clip(-moved, 0, None)}
        parts["cumulative"], parts["net"] = parts["charging"] + parts["discharging"], parts["charging"] - parts["discharging"]
        for way, amounts in parts.items():
            total = np.cumsum(amounts)
            frame[f"{way}_{kind}"] = np.round(total, 7)
            for scope in ("cycle", "step"):
                first = np.flatnonzero(np.diff(frame[f"{scope}_count"], prepend=0))
                offset = np.repeat(total[first] - amounts[first], np.diff(np.append(first, len(total))))
                frame[f"{scope}_{way}_{kind}"] = np.round(total - offset, 7)


def spectra(sweeps: int = 2, *, points: int = 46, seed: int = 3) -> Frame:
    """Return impedance spectra of a cell from 10 kHz to 10 mHz: a resistance, an inductance, two arcs and diffusion."""
    noise = np.random.default_rng(seed)
    frequency = np.tile(np.logspace(4, -2, points), sweeps)
    angular = 2j * np.pi * frequency
    arc = 0.008 / (1 + angular * 0.002) + 0.012 / (1 + angular * 0.15)
    impedance = 0.021 + 3e-8 * angular + arc + 0.0016 / np.sqrt(angular)
    impedance *= 1 + noise.normal(0, 0.002, len(frequency)) + 1j * noise.normal(0, 0.002, len(frequency))
    return {
        "test_time_second": np.round(np.cumsum(2.0 / frequency + 1.0), 3),
        "frequency_hertz": frequency,
        "real_impedance_ohm": impedance.real,
        "imaginary_impedance_ohm": impedance.imag,
        "absolute_impedance_ohm": np.abs(impedance),
        "phase_degree": np.degrees(np.angle(impedance)),
        "voltage_volt": np.round(3.68 + noise.normal(0, 0.0002, len(frequency)), 5),
        "current_ampere": np.zeros(len(frequency)),
    }
