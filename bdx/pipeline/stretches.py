"""The stretches of a time series around what was found, read again from their sources for a report that plots them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.errors import BdxError
from bdx.pipeline.reading import ReadOptions, chunks, open_source
from bdx.pipeline.result import ValidationResult

LIMIT = 20
"""Most stretches of one report."""

POINTS = 300
"""Most points of a stretch, and the width in rows within which further bad rows are taken along."""

REACH = 40
"""Rows shown before the first bad row and after the last."""

SHOWN = ("voltage_volt", "current_ampere")
"""Columns every stretch carries beside the one at fault."""

TIME = "test_time_second"

CLOCKS = (TIME, "unix_time_second", "step_time_second")
"""Columns that tell time; where one of them is at fault, the wall clock is shown beside it."""


@dataclass(slots=True)
class Stretch:
    """Some rows of `timeseries` around one finding.

    `finding` is its place in `result.findings`; `rows` holds row numbers from 0, `step` apart (more than 1 where the whole
    series is shown thinned out), `bad` those that the rule names; `series` maps column to one value per row, None where
    there is none or it is not finite.
    """

    finding: int
    first: int
    end: int
    step: int = 1
    bad: tuple[int, ...] = ()
    rows: list[int] = field(default_factory=list)
    series: dict[str, list[float | None]] = field(default_factory=dict)


def stretches(result: ValidationResult, options: ReadOptions, limit: int = LIMIT) -> list[Stretch]:
    """Return what can be plotted of a result: for each rule and column that fails in a time series, the rows around its first hits.

    At most `limit` stretches of a few hundred points, worst first. Each source concerned is read once more, up to its
    last row needed; what is no file (a pipe) or cannot be read again has none.
    """
    chosen = _chosen(result, limit)
    for uri in dict.fromkeys(result.findings[stretch.finding].source for stretch in chosen):
        own = [stretch for stretch in chosen if result.findings[stretch.finding].source == uri]
        if Path(uri).is_file() or Path(uri).is_dir():
            with contextlib.suppress(BdxError):
                _fill(own, {stretch.finding: result.findings[stretch.finding].column for stretch in own}, uri, options)
    return [stretch for stretch in chosen if len(stretch.rows) > 1 and stretch.series.keys() - {TIME}]


def _chosen(result: ValidationResult, limit: int) -> list[Stretch]:
    lengths = {source.uri: source.rows.get("timeseries", 0) for source in result.sources}
    hits: dict[tuple[str, str, str], list[int]] = {}
    firsts: dict[tuple[str, str, str], int] = {}
    severity = {"error": 0, "warning": 1, "info": 2}
    ranked = sorted(range(len(result.findings)), key=lambda place: severity[result.findings[place].severity])
    for place in ranked:
        found = result.findings[place]
        key = (found.source, found.code, found.column)
        if found.table == "timeseries" and lengths.get(found.source) and (key in firsts or len(firsts) < limit):
            firsts.setdefault(key, place)
            hits.setdefault(key, []).extend(found.examples or ([] if found.row is None else [found.row]))
    return [_stretch(place, sorted(set(hits[key])), lengths[key[0]]) for key, place in firsts.items()]


def _stretch(place: int, hits: list[int], length: int) -> Stretch:
    """Return an empty stretch over the first bad rows, or over the whole series where the rule names none."""
    bad = [row for row in hits if row < length and row - hits[0] < POINTS - 2 * REACH]
    if not bad:
        return Stretch(place, 0, length, math.ceil(length / POINTS))
    return Stretch(place, max(0, bad[0] - REACH), min(length, bad[-1] + REACH + 1), 1, tuple(bad))


def _fill(wanted: Iterable[Stretch], columns: Mapping[int, str], uri: str, options: ReadOptions) -> None:
    """Read a source as far as its last stretch goes and fill them."""
    end = max(stretch.end for stretch in wanted)
    stream = chunks(open_source(uri, 1, options), options)
    try:
        row = 0
        for chunk in stream:
            batch = chunk.get("timeseries")
            if batch is None:
                continue
            for stretch in wanted:
                _take(stretch, batch, row, _columns(columns[stretch.finding]))
            row += batch.num_rows
            if row >= end:
                return
    finally:
        close: Any = getattr(stream, "close", None)
        if close is not None:
            close()


def _columns(column: str) -> tuple[str, ...]:
    """Return what a stretch shows where `column` is at fault."""
    return tuple(dict.fromkeys((TIME, column, *(CLOCKS[1:2] if column in CLOCKS else ()), *SHOWN)))


def _take(stretch: Stretch, batch: pa.RecordBatch, row: int, names: Iterable[str]) -> None:
    """Append what a batch, whose first row has number `row`, holds of a stretch."""
    first, end = max(stretch.first, row), min(stretch.end, row + batch.num_rows)
    first += -(first - stretch.first) % stretch.step
    if first >= end:
        return
    places = np.arange(first - row, end - row, stretch.step)
    for name in names:
        if name in batch.schema.names and name in spec.table("timeseries").by_name and _is_number(batch.column(name).type):
            values = pc.take(batch.column(name), pa.array(places)).cast(pa.float64(), safe=False).to_pylist()
            kept = stretch.series.setdefault(name, [None] * len(stretch.rows))
            kept.extend(value if value is not None and math.isfinite(value) else None for value in values)
    stretch.rows.extend((places + row).tolist())
    for kept in stretch.series.values():
        kept.extend([None] * (len(stretch.rows) - len(kept)))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))
