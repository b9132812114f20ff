"""Tests whose time, steps and counters stand in sparse stamps -> columns of every record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx.formats.neware_blocks import Rows
from bdx.formats.neware_columns import Column, Spread, field
from bdx.formats.neware_nda_columns import COUNTERS
from bdx.formats.neware_ndc import stamps
from bdx.formats.source import Source
from bdx.spec import Facts

_TIMES = (("Total Time", "total_time"), ("Step Time", "step_time"), ("Absolute Time", "unix"))
_STEP = "data_step.ndc"


class Stamped:
    """The stamps of a test laid over its records; where the stamps were `cut`, records after the last one are not whole."""

    def __init__(self, source: Source, facts: Facts, version: Facts, main: Rows, run: Rows, steps: Rows, cut: bool) -> None:
        self._source, self._facts, self._steps = source, facts, steps
        self._units = facts["units"][version["units"]]
        self.count = min(len(main), int(run["index"].max())) if cut and len(run) else len(main)
        self._voltage = np.ascontiguousarray(main["voltage"][: self.count])
        self._current = np.ascontiguousarray(main["current"][: self.count])
        self._laid = stamps(run, self._voltage, self._current, self._units)
        self._report()

    @property
    def first(self) -> datetime | None:
        """The moment of the first stamp."""
        unix = float(self._laid.unix[0]) / 1000.0 if len(self._laid.unix) else 0.0
        return datetime.fromtimestamp(unix, UTC) if unix > 0 else None

    def columns(self) -> list[Column]:
        """Return the columns; without stamps these are number, voltage and current."""
        laid, units, voltage, current = self._laid, self._units, self._voltage, self._current
        found = [
            Column(pa.field("Record ID", pa.int64()), lambda a, b: np.arange(a + 1, b + 1)),
            Column(field("Voltage", pa.float32(), units["voltage"]), lambda a, b: voltage[a:b]),
            Column(field("Current", pa.float32(), units["current"]), lambda a, b: current[a:b]),
        ]
        if laid.total and not len(laid.at):
            return found
        spread = Spread(laid)
        found += [Column(field(header, pa.float64(), ["s"]), spread.getter(key)) for header, key in _TIMES]
        found.append(Column(pa.field("Step Count", pa.int64()), spread.getter("step")))
        found += [Column(field(header, pa.float64(), units[unit]), spread.getter(key)) for header, key, unit in COUNTERS]
        return found + (self._by_step(spread) if len(self._steps) or not laid.total else [])

    def _by_step(self, spread: Spread) -> list[Column]:
        """Return cycle, program step and step type by the number of the step execution."""
        laid, steps = self._laid, self._steps
        missing = (laid.step < 1) | (laid.step > len(steps))
        if missing.any():
            lost, value = int(laid.counts[missing].sum()), int(laid.step[missing][0])
            self._source.log.find("F030", source=self._source.uri, locator=_STEP, count=lost, value=value)
        place = spread.getter("step")
        cycles = pa.array(steps["cycle"].astype(np.int64) + 1)
        programs = pa.array(steps["program"]).cast(pa.string())
        kinds = step_types(steps["kind"], self._facts["step_types"], self._source)

        def pick(values: pa.Array) -> Any:
            def of(start: int, stop: int) -> pa.Array:
                step = place(start, stop)
                return values.take(pa.array(step - 1, mask=(step < 1) | (step > len(values))))

            return of

        return [
            Column(pa.field("Cycle", pa.int64()), pick(cycles)),
            Column(pa.field("Step ID", pa.string()), pick(programs)),
            Column(pa.field("Step Type", pa.string()), pick(kinds)),
        ]

    def _report(self) -> None:
        log, uri, laid, rows = self._source.log, self._source.uri, self._laid, self._laid.total
        if laid.unstamped_head:
            log.find("F025", source=uri, row=1, count=laid.unstamped_head)
        if laid.reckoned:
            log.find("F020", source=uri, count=laid.reckoned, rows=rows)
        if laid.unjoined:
            log.find("F021", source=uri, row=laid.unjoined_at, count=laid.unjoined)
        if laid.tail:
            log.find("F022", source=uri, row=rows - laid.tail + 1, count=laid.tail)
        if laid.strangers:
            log.find("F023", source=uri, count=len(laid.strangers), value=laid.strangers[0], rows=rows)


def step_types(codes: npt.NDArray[Any], names: Facts, source: Source) -> pa.Array:
    """Return the names of step type codes; an unknown code is remarked on and stays empty."""
    for code in np.unique(codes).tolist():
        if str(code) not in names:
            source.log.find("F027", source=source.uri, value=code)
    table = [names.get(str(code)) for code in range(256)]
    return pa.array(table, pa.string()).take(pa.array(codes.astype(np.uint8)))
