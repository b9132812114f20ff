"""A stretch of a time series as inline SVG: one small panel per column over a shared axis, bad rows marked."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from bdx import spec
from bdx.canon import Finding
from bdx.pipeline.stretches import CLOCKS, TIME, Stretch

WIDTH = 600
PANEL = 96
_LEFT, _RIGHT, _TOP, _GAP, _FOOT = 92, 12, 22, 30, 42
"""Room for labels whose letters are as large as the page makes them on a phone."""

_PANELS = 3


def svg(stretch: Stretch, finding: Finding, number: int) -> str:
    """Return the plot as an SVG element whose title and description say what it shows; `number` makes its ids unique."""
    names = [name for name in dict.fromkeys((finding.column, *stretch.series)) if name in stretch.series and name != TIME]
    if finding.column == TIME:
        names.insert(0, TIME)
    names = names[:_PANELS]
    by_time = finding.column not in CLOCKS and _rises(stretch.series.get(TIME, ()))
    across: Sequence[float | None] = stretch.series[TIME] if by_time else [float(row) for row in stretch.rows]
    height = _TOP + len(names) * (PANEL + _GAP) - _GAP + _FOOT
    marks = [place for place, row in enumerate(stretch.rows) if row in stretch.bad]
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="p{number}t p{number}d">',
        f'<title id="p{number}t">{html.escape(", ".join(names))} at {html.escape(finding.code)}</title>',
        f'<desc id="p{number}d">{html.escape(_described(stretch))}</desc>',
    ]
    for place, name in enumerate(names):
        parts += _panel(name, stretch.series[name], across, marks, _TOP + place * (PANEL + _GAP))
    label = f"{TIME}, s" if by_time else "row"
    low, high = _ends(across)
    parts += [
        f'<text class="axis" x="{_LEFT}" y="{height - 24}">{_number(low)}</text>',
        f'<text class="axis end" x="{WIDTH - _RIGHT}" y="{height - 24}">{_number(high)}</text>',
        f'<text class="axis middle" x="{(_LEFT + WIDTH - _RIGHT) // 2}" y="{height - 4}">{label}</text>',
        "</svg>",
    ]
    return "".join(parts)


def _described(stretch: Stretch) -> str:
    if stretch.step > 1:
        return f"the whole series, every {stretch.step}th of rows {stretch.rows[0]} to {stretch.rows[-1]}"
    told = f"rows {stretch.rows[0]} to {stretch.rows[-1]}"
    return f"{told}; bad: {', '.join(map(str, stretch.bad))}" if stretch.bad else told


def _panel(name: str, values: Sequence[float | None], across: Sequence[float | None], marks: Sequence[int], top: int) -> Iterator[str]:
    facts = spec.table("timeseries").by_name.get(name)
    unit = facts.unit if facts and facts.unit != "1" else ""
    left, right, bottom = _LEFT, WIDTH - _RIGHT, top + PANEL
    across_ends, ends = _ends(across), _ends(values)
    yield f'<text class="name" x="{left}" y="{top - 6}">{html.escape(name)}{f", {html.escape(unit)}" if unit else ""}</text>'
    yield f'<path class="frame" d="M{left} {top}V{bottom}H{right}"/>'
    yield f'<text class="axis end" x="{left - 6}" y="{top + 10}">{_number(ends[1])}</text>'
    if ends[1] > ends[0]:
        yield f'<text class="axis end" x="{left - 6}" y="{bottom}">{_number(ends[0])}</text>'
    points = [_point(x, y, across_ends, ends, top) for x, y in zip(across, values, strict=True)]
    for place in marks:
        x = _scaled(across[place], across_ends, left, right)
        yield f'<path class="bad" d="M{x:.1f} {top}V{bottom}"/>'
    yield f'<path class="line" d="{_path(points)}"/>'
    for place in marks:
        if point := points[place]:
            yield f'<circle class="bad" cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="4"/>'


def _point(
    x: float | None, y: float | None, across: tuple[float, float], ends: tuple[float, float], top: int
) -> tuple[float, float] | None:
    if x is None or y is None:
        return None
    return _scaled(x, across, _LEFT, WIDTH - _RIGHT), _scaled(y, ends, top + PANEL - 3, top + 3)


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    """Return the path through the points, broken where one is missing; a lone point is a dot by its round cap."""
    parts, down = [], False
    for point in points:
        if point is not None:
            parts.append(f"{'L' if down else 'M'}{point[0]:.1f} {point[1]:.1f}{'' if down else 'h0'}")
        down = point is not None
    return "".join(parts)


def _scaled(value: float | None, ends: tuple[float, float], start: float, end: float) -> float:
    low, high = ends
    if value is None or high <= low:
        return (start + end) / 2
    return start + (value / 2 - low / 2) / (high / 2 - low / 2) * (end - start)  # halves: the span of two doubles may overflow


def _ends(values: Sequence[float | None]) -> tuple[float, float]:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else (0.0, 0.0)


def _rises(values: Sequence[float | None]) -> bool:
    """Say whether every value is known, none falls, and the last is above the first."""
    known = [value for value in values if value is not None]
    return len(known) == len(values) > 1 and known == sorted(known) and known[-1] > known[0]


def _number(value: float) -> str:
    return f"{value:.10g}" if 1e5 <= abs(value) < 1e10 else f"{value:.6g}"
