"""What `bdx inspect` prints of a production line: one row per step, scrap by reason, rolled yield, items and genealogy."""

from __future__ import annotations

from collections.abc import Iterator

from bdx.derive.line_facts import Amount, LineStep
from bdx.names import shortened
from bdx.pipeline.line_view import LineView, Rolled, moment
from bdx.report.words import plain, plural

_HEADS = ("step", "side", "runs", "in", "good", "scrap", "rework", "yield", "on", "first pass", "pieces", "twice", "median", "equipment")
_LEFT = ("step", "side", "on", "equipment")
_OPTIONAL = ("side", "in", "good", "scrap", "rework", "first pass", "pieces", "twice", "median", "equipment")
_NONE = "not stated"
_WIDE, _MACHINES, _REASONS = 28, 3, 8


def render(view: LineView, color: bool = False) -> list[str]:
    """Return the lines of a view."""
    first, *rest = _lines(view, color)
    return [first, *map(plain, rest)]


def _lines(view: LineView, color: bool) -> Iterator[str]:
    span = f", {moment(view.began)} to {moment(view.ended)}" if view.began is not None else ""
    yield f"{_strong('line', color)}  {plural(len(view.steps), 'step')}, {plural(view.runs, 'run')}{span}"
    if view.left_out:
        yield f"  {plural(view.left_out, 'row')} left out: deleted, or replaced by a later row"
    if view.steps:
        yield from _table([_row(step, name) for step, name in zip(view.steps, view.titles, strict=True)])
    for step, name in zip(view.steps, view.titles, strict=True):
        yield from _scrap(step, name)
    beyond = [shortened(name.lower(), _WIDE) for step, name in zip(view.steps, view.titles, strict=True) if step.more_out_than_in]
    if beyond:
        yield f"  more came out than went in: {', '.join(beyond)}; inputs are missing, or units differ"
    for rolled in view.rolled:
        yield f"  {_rolled(rolled)}"
    yield from _made(view)


def _row(step: LineStep, name: str) -> dict[str, str]:
    machines = [f"{shortened(machine, 20)} ({count:,})" for machine, count in list(step.equipment.items())[:_MACHINES]]
    more = len(step.equipment) - _MACHINES
    return {
        "step": shortened(name, _WIDE),
        "side": "" if step.electrode == "none" else shortened(step.electrode, 12),
        "runs": f"{step.runs:,}" if step.runs else "",
        "in": _amounts(step.amounts, "qty_in"),
        "good": _amounts(step.amounts, "qty_good"),
        "scrap": _amounts(step.amounts, "qty_scrap"),
        "rework": _amounts(step.amounts, "qty_rework"),
        "yield": _share(step.share),
        "on": _basis(step),
        "first pass": _share(step.first_pass),
        "pieces": f"{step.pieces:,}" if step.pieces else "",
        "twice": f"{step.reworked:,}" if step.reworked else "",
        "median": _duration(step.median_second),
        "equipment": ", ".join(machines) + (f" and {more} more" if more > 0 else ""),
    }


def _basis(step: LineStep) -> str:
    if step.basis == "quantities":
        amount = step.amounts[0]
        unit = "count" if amount.unit == "1" else amount.unit
        return unit if amount.runs == step.runs else f"{unit}, {amount.runs:,} of {step.runs:,} runs"
    return f"pieces, {step.judged:,} judged" if step.basis == "pieces" else ""


def _table(rows: list[dict[str, str]]) -> Iterator[str]:
    """Yield the rows in columns; a column that says nothing of any step is left out, one line below names those of quantities."""
    shown = [head for head in _HEADS if head not in _OPTIONAL or any(row[head] not in ("", _NONE) for row in rows)]
    widths = {head: max(len(head), *(len(row[head]) for row in rows)) for head in shown}
    for row in ({head: head for head in shown}, *rows):
        cells = (row[head].ljust(widths[head]) if head in _LEFT else row[head].rjust(widths[head]) for head in shown)
        yield "  " + "  ".join(cells).rstrip()
    silent = [head for head in ("in", "good", "scrap", "rework", "first pass") if head not in shown]
    if silent:
        yield f"  not stated of any step: {', '.join(silent)}"


def _scrap(step: LineStep, name: str) -> Iterator[str]:
    """Yield why material of a step was scrapped, the largest first."""
    if not step.scrap:
        return
    side = f" {shortened(step.electrode, 12)}" if step.electrode not in ("", "none") else ""
    told = []
    for item in step.scrap[:_REASONS]:
        amount = _number(item.quantity, item.unit) if item.quantity is not None else plural(item.runs, "run")
        told.append(f"{shortened(item.reason, 40) or 'no reason stated'} {amount}")
    more = f"; and {len(step.scrap) - _REASONS} more" if len(step.scrap) > _REASONS else ""
    yield f"  scrap of {shortened(name.lower(), _WIDE)}{side}: {'; '.join(told)}{more}"


def _rolled(rolled: Rolled) -> str:
    which = {"": "", "all": " of all lines together"}.get(rolled.electrode, f" of the {shortened(rolled.electrode, 12)} line")
    if rolled.share is not None:
        return f"rolled yield{which}: {_share(rolled.share)} over {plural(rolled.steps, 'step')}"
    names = ", ".join(dict.fromkeys(shortened(name.lower(), _WIDE) for name in rolled.without[:_REASONS]))
    more = f" and {len(rolled.without) - _REASONS} more" if len(rolled.without) > _REASONS else ""
    some = f"; {_share(rolled.over_stated)} over the {rolled.stated} that do" if rolled.over_stated is not None else ""
    return f"rolled yield{which}: not stated ({len(rolled.without)} of {rolled.steps} steps state no yield: {names}{more}{some})"


def _made(view: LineView) -> Iterator[str]:
    """Yield items by kind and how complete the genealogy is."""
    traced = view.traced
    if traced.items:
        kinds = ", ".join(f"{count:,} {kind.replace('_', ' ') or 'of no kind'}" for kind, count in traced.items.items())
        yield f"  items: {kinds}"
    if traced.produced:
        share = traced.produced_from_something / traced.produced
        yield f"  genealogy: {traced.produced_from_something:,} of {traced.produced:,} produced items have an input ({_share(share)})"
    if traced.finished:
        kind = traced.finished_kind.replace("_", " ")
        told = f"{traced.finished_from_raw:,} of {traced.finished:,} of kind {kind} reach a raw-material lot"
        sure = f", {traced.finished_surely_from_raw:,} without an estimated edge" if traced.estimated else ""
        yield f"  genealogy: {told} ({_share(traced.finished_from_raw / traced.finished)}){sure}" + (
            "" if traced.raw_known else "; no raw-material lot is known"
        )
    if traced.edges:
        estimated = f"{traced.estimated:,} estimated ({_share(traced.estimated / traced.edges)})"
        yield f"  genealogy: {traced.edges:,} edges, {estimated}, {traced.without_input:,} without a predecessor"


def _amounts(amounts: list[Amount], name: str) -> str:
    told = [_number(value, amount.unit) for amount in amounts if (value := getattr(amount, name)) is not None]
    return " + ".join(told) if told else _NONE


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return _NONE
    number = f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{number} {unit}" if unit not in ("", "1") else number + ("" if unit else " (no unit)")


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{100 * value:.1f} %"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length or (seconds >= length and unit != "d"):
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def _strong(text: str, color: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if color else text
