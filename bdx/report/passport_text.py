"""What `bdx inspect` prints of passports: one by sections, with labels, units and dates; of many a table and counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from bdx.names import shortened
from bdx.pipeline.passport_view import SHOWN, SUMMARY, ListShown, PassportView, SectionShown
from bdx.pipeline.sections import label
from bdx.report.words import plain

_UNITS = {"percent": "%", "percent/month": "% per month", "degC": "°C", "month": "months", "year": "years", "1/h": "C"}
_CELL, _WIDE = 34, 118
_COUNTS = 8


def render(view: PassportView, color: bool = False) -> list[str]:
    """Return the lines of a view."""
    return list(_one(view, color) if view.one else _many(view, color))


def _one(view: PassportView, color: bool) -> Iterator[str]:
    yield _strong(f"battery passport of {view.name}", color)
    width = max((len(shown.label) for section in view.sections for shown in section.values), default=0)
    for section in view.sections:
        if section.values or section.lists:
            yield from _section(section, width, color)
    given = sum(len(section.values) for section in view.sections)
    absent = ", ".join(f"{section.missing} of {section.title.lower()}" for section in view.sections if section.missing)
    yield ""
    yield f"{given} values given; not given: {absent or 'none'}"


def _section(section: SectionShown, width: int, color: bool) -> Iterator[str]:
    yield ""
    yield _strong(section.title, color)
    for shown in section.values:
        at = f"  (at {_text(shown.time)})" if shown.time is not None else ""
        yield f"  {shown.label:{width}}  {_quantity(shown.value, shown.unit)}{at}"
    for listed in section.lists:
        yield from _list(listed)


def _list(listed: ListShown) -> Iterator[str]:
    """Yield the rows of a child table: under each other where they fit a page, else one after the other."""
    yield f"  {listed.title} ({len(listed.rows)})"
    heads = [name if not unit else f"{name} [{_unit(unit)}]" for _, name, unit in listed.columns]
    cells = [[_text(row[column], _CELL) for column, _, _ in listed.columns] for row in listed.rows]
    widths = [max(len(head), *(len(row[place]) for row in cells)) for place, head in enumerate(heads)]
    if sum(widths) + 2 * len(widths) <= _WIDE:
        for line in (heads, *cells):
            yield "    " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        return
    same = {column for column, _, _ in listed.columns if len(cells) > 1 and _alike(listed, column)}
    if same:
        yield f"    all: {_said([(name, listed.rows[0][column], unit) for column, name, unit in listed.columns if column in same])}"
    for row in listed.rows:
        own = [
            (name, row[column], unit) for column, name, unit in listed.columns if column not in same and row[column] not in (None, "", [])
        ]
        if own:
            name, value, unit = own[0]
            head = _quantity(value, unit) if name == listed.columns[0][1] else _said(own[:1])
            yield f"    {head}" + (f": {_said(own[1:])}" if own[1:] else "")


def _alike(listed: ListShown, column: str) -> bool:
    return all(row[column] == listed.rows[0][column] for row in listed.rows)


def _said(values: list[tuple[str, Any, str]]) -> str:
    return "; ".join(
        f"{name if name[:2].isupper() else name[:1].lower() + name[1:]} {_quantity(value, unit)}" for name, value, unit in values
    )


def _many(view: PassportView, color: bool) -> Iterator[str]:
    yield _strong(f"{view.records:,} battery passports", color)
    heads = [label("battery", name) for name in SUMMARY]
    heads = [f"{head} [Ah]" if name == "rated_capacity_ah" else head for head, name in zip(heads, SUMMARY, strict=True)]
    cells = [[_text(row[name], _CELL) for name in SUMMARY] for row in view.first]
    widths = [max(len(head), *(len(row[place]) for row in cells)) for place, head in enumerate(heads)]
    for line in (heads, *cells):
        yield "  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
    if view.records > SHOWN:
        yield f"  ... {view.records - SHOWN:,} more (--battery SERIAL shows one)"
    for name, counts in view.counts.items():
        said = ", ".join(
            f"{shortened(str(value), _CELL) if value is not None else 'none given'} {count:,}"
            for value, count in list(counts.items())[:_COUNTS]
        )
        more = f", and {len(counts) - _COUNTS:,} more" if len(counts) > _COUNTS else ""
        yield f"  {label('battery', name)}: {said}{more}"
    if view.children:
        yield "  with " + ", ".join(f"{count:,} rows of {table}" for table, count in view.children.items())


def as_json(view: PassportView) -> dict[str, Any]:
    """Return a view as plain values: the sections of one passport, or the first of many and the counts."""
    if not view.one:
        counts = {name: [{"value": value, "records": count} for value, count in found.items()] for name, found in view.counts.items()}
        return {"records": view.records, "first": view.first, "counts": counts, "children": view.children}
    return {
        "records": view.records,
        "battery": view.name,
        "sections": [
            {
                "id": section.id,
                "title": section.title,
                "missing": section.missing,
                "values": [
                    {"column": shown.column, "label": shown.label, "value": shown.value, "unit": shown.unit, "time": shown.time}
                    for shown in section.values
                ],
                "lists": {listed.table: listed.rows for listed in section.lists},
            }
            for section in view.sections
        ],
    }


def _quantity(value: Any, unit: str) -> str:
    return f"{_text(value, 90)} {_unit(unit)}".rstrip()


def _text(value: Any, limit: int = 60) -> str:
    """Return a value as a person writes it, on one line."""
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.7g}" if abs(value) < 1e7 else f"{value:.7e}"
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat(" ", "minutes").replace("+00:00", " UTC")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value)
    return shortened(plain(" ".join(str(value).split())), limit)


def _unit(unit: str) -> str:
    return _UNITS.get(unit, unit)


def _strong(text: str, color: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if color else text
