"""A production line as a person reads it: its steps in the order of the vocabulary, rolled yield by line, what was made and whence."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from math import prod
from typing import Any

from bdx import spec
from bdx.canon import Chunk
from bdx.derive.line import Line
from bdx.derive.line_facts import LineFacts, LineStep, Traced

SIDES = ("anode", "cathode", "separator", "none", "")
"""Lines that run side by side, in the order they are shown."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """Yields of the steps of one line multiplied; `share` only where every step states one that can be."""

    electrode: str
    steps: int
    stated: int
    share: float | None
    over_stated: float | None
    without: tuple[str, ...]


@dataclass(slots=True)
class LineView:
    """The line of a source."""

    steps: list[LineStep]
    titles: list[str]
    rolled: list[Rolled]
    traced: Traced
    runs: int = 0
    began: int | None = None
    ended: int | None = None
    left_out: int = 0


class LineViewer:
    """Watches the chunks of a source for what a line did."""

    def __init__(self) -> None:
        self._line = Line()

    def watch(self, chunk: Chunk) -> None:
        """Look at one chunk."""
        self._line.watch(chunk)

    def finish(self) -> LineView | None:
        """Return the view, None where the source tells of no line."""
        facts = self._line.finish()
        return view_of(facts) if facts is not None else None


def view_of(facts: LineFacts) -> LineView:
    """Return what is told of a line, its steps in canonical order, anode beside cathode; unknown steps follow as they were met."""
    order = {code: place for place, code in enumerate(_titles())}
    steps = sorted(facts.steps, key=lambda step: (order.get(step.code, len(order)) if step.code else len(order) + 1, _side(step)))
    began = [step.began for step in steps if step.began is not None]
    ended = [step.ended for step in steps if step.ended is not None]
    return LineView(
        steps,
        [title(step) for step in steps],
        _rolled(steps),
        facts.traced,
        sum(step.runs for step in steps),
        min(began, default=None),
        max(ended, default=None),
        facts.left_out,
    )


def title(step: LineStep) -> str:
    """Return a step's name: that of the vocabulary, else that of the source."""
    return _titles().get(step.code) or step.name or step.code or "no step stated"


@cache
def _titles() -> dict[str, str]:
    return {row["code"]: row["title"] for row in spec.load(spec.root() / "vocabulary.toml", "vocabulary")["step"]}


def _side(step: LineStep) -> int:
    return SIDES.index(step.electrode) if step.electrode in SIDES else len(SIDES)


def _rolled(steps: list[LineStep]) -> list[Rolled]:
    """Return the rolled yield of each side, and of all sides together where there are several."""
    real = [step for step in steps if step.runs]
    sides = list(dict.fromkeys(step.electrode if step.electrode != "none" else "" for step in real))
    groups = [(side, [step for step in real if (step.electrode if step.electrode != "none" else "") == side]) for side in sides]
    if len(groups) > 1:
        groups.append(("all", real))
    return [_multiplied(side, mine) for side, mine in groups]


def _multiplied(side: str, steps: list[LineStep]) -> Rolled:
    shares = [step.share for step in steps if step.share is not None and not step.more_out_than_in]
    without = tuple(title(step) for step in steps if step.share is None or step.more_out_than_in)
    made = prod(shares) if shares else None
    return Rolled(side, len(steps), len(shares), made if not without else None, made, without)


def as_json(view: LineView) -> dict[str, Any]:
    """Return the view as plain values: times in ISO 8601, shares from 0 to 1, null for what is not stated."""
    traced = {name: value for name, value in dataclasses.asdict(view.traced).items() if name not in ("lots", "left_out")}
    return {
        "runs": view.runs,
        "began": moment(view.began),
        "ended": moment(view.ended),
        "left_out": view.left_out,
        "steps": [_step_json(step, name) for step, name in zip(view.steps, view.titles, strict=True)],
        "rolled": [dataclasses.asdict(item) for item in view.rolled],
        "items": traced.pop("items"),
        "genealogy": traced,
    }


def _step_json(step: LineStep, name: str) -> dict[str, Any]:
    told = {"title": name, **dataclasses.asdict(step)}
    for key in ("began", "ended"):
        told[key] = moment(told[key])
    return told | {"yield": step.share, "basis": step.basis or None, "more_out_than_in": step.more_out_than_in}


def moment(microseconds: int | None) -> str | None:
    """Return a time in UTC to the second, None for none."""
    if microseconds is None:
        return None
    try:
        return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return None
