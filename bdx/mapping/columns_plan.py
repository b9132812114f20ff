"""Header fields -> what becomes of each: a canonical column with its reader and exact scale, or an extra column."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from bdx import spec, units
from bdx.errors import MappingError, SpecError
from bdx.mapping import Context, numbers
from bdx.mapping.numbers import Scale
from bdx.names import fold, snake
from bdx.spec import Facts

CLOCK = "clock"
_CLOCK = re.compile(r"(?i)(?:d{1,3} )?h{1,3}:m(?:m|in)?:s{1,2}(?:[.:](?:ms|[xfs0]{1,6}))?")
"""A unit that shows how a duration is written."""
READERS = ("number", "integer", "text", "duration", "datetime")
_SERIALS = ("excel", "matlab")
_READ_OF_TYPE = {"float64": "number", "int64": "integer", "int32": "integer", "string": "text", "local_timestamp": "datetime"}


@dataclass(slots=True)
class Step:
    """How one field becomes one canonical column; `choices` and `order` are settled by the first rows."""

    index: int
    header: str
    to: str
    read: str
    scale: Scale
    clock: bool
    order: str
    words: Facts
    follows_sign: bool
    null: tuple[float, ...] = ()
    below: float | None = None
    choices: tuple[str, ...] = ()
    millivolts: bool = False
    zoned: bool = False
    restarts: str = ""
    epoch: bool = False


@dataclass(slots=True)
class Plan:
    """What becomes of every field of one schema: canonical columns, then extras (index, name, metadata)."""

    steps: list[Step]
    extras: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)


def plan(schema: pa.Schema, facts: Facts, context: Context) -> Plan:
    """Return what becomes of every field; the first synonym of the spec that a header matches wins.

    A header whose unit is of another quantity than the column's is left for a later row of the spec ("Capacity (mWh)" is energy).
    Raises: MappingError where no row takes such a header, or where no header has a canonical home.
    """
    by_name: dict[str, list[int]] = {}
    for index, item in enumerate(schema):
        by_name.setdefault(fold(meta(item, "bdx.name") or item.name), []).append(index)
    steps: list[Step] = []
    homes: set[str] = set()
    taken: set[int] = set()
    refused: dict[int, MappingError] = {}
    for row in _rows(facts):
        if row["to"] in homes:
            continue
        for index in (index for name in row["from"] for index in by_name.get(fold(name), ()) if index not in taken):
            try:
                steps.append(_step(index, schema, row, facts, context))
            except MappingError as error:
                if not row.get("optional"):
                    refused.setdefault(index, error)
                continue
            taken.add(index)
            homes.add(row["to"])
            break
    for index, fault in refused.items():
        if index not in taken:
            raise fault
    if not steps:
        raise MappingError(f"{context.source}: no column has a canonical home; headers: {', '.join(schema.names)}")
    found = Plan(steps)
    for index, item in enumerate(schema):
        if index not in taken:
            add_extra(found, index, item)
    return found


def add_extra(found: Plan, index: int, item: pa.Field) -> None:
    """Give a field a place among the extras, under a name of its own."""
    used = {name for _, name, _ in found.extras}
    base = name = f"extra_{snake(meta(item, 'bdx.name') or item.name).removeprefix('extra_')}"
    count = 1
    while name in used:
        count += 1
        name = f"{base}_{count}"
    metadata = {"bdx.source_name": item.name, "bdx.unit": meta(item, "bdx.unit")}
    metadata |= {key: meta(item, key) for key in ("bdx.scale", "bdx.offset")}
    found.extras.append((index, name, {key: value for key, value in metadata.items() if value}))


def meta(item: pa.Field, key: str) -> str:
    """Return a text of a field's metadata, empty where it has none."""
    return str((item.metadata or {}).get(key.encode(), b"").decode())


def _rows(facts: Facts) -> Iterator[Facts]:
    """Yield the rows of the spec, then, if it says so, one for each canonical column under its own names."""
    yield from facts.get("column", ())
    if not facts.get("canonical"):
        return
    signed = {row["to"] for row in facts.get("column", ()) if row.get("by") == "sign"} | {"current_ampere", "power_watt"}
    for column in spec.table("timeseries").columns:
        names = [column.name] + ([column.label.rpartition(" / ")[0] or column.label] if column.label else [])
        yield {"from": names, "to": column.name, **({"by": "sign"} if column.name in signed else {})}


def _step(index: int, schema: pa.Schema, row: Facts, facts: Facts, context: Context) -> Step:
    item = schema.field(index)
    target = spec.table("timeseries").column(row["to"])
    read = row.get("read", _READ_OF_TYPE.get(target.type, ""))
    if read not in READERS:
        raise SpecError(f"mapping {facts['format']}: column {row['to']}: no reader '{read}'; known: {', '.join(READERS)}")
    if read == "datetime" and row.get("order", "") not in _SERIALS and numbers.is_number(item.type):
        raise MappingError(f"{context.source}: column '{item.name}' holds numbers ({item.type}), which are no dates in this format")
    by = row.get("by", "")
    if by not in ("", "words", "sign"):
        raise SpecError(f"mapping {facts['format']}: column {row['to']}: by = '{by}'; expected words or sign")
    default: Any = row.get("unit", "")
    written = meta(item, "bdx.unit") or (default if isinstance(default, str) else "")
    unit = facts.get("units", {}).get(written, CLOCK if _CLOCK.fullmatch(written) else written)
    scale = Scale(numbers.exact(meta(item, "bdx.scale") or "1"), numbers.exact(meta(item, "bdx.offset") or "0"))
    if target.unit and unit and unit != CLOCK and read in ("number", "duration"):
        try:
            scale = scale.then(*units.factor(unit, target.unit))
        except MappingError as error:
            where = meta(item, "bdx.locator") or "header"
            raise MappingError(f"{context.source}: {where}: column '{item.name}' with unit '{written}': {error}") from error
    if "scale" in row:
        scale = scale.then(numbers.exact(row["scale"]), numbers.exact("0"))
    beside = {fold(meta(other, "bdx.name") or other.name) for other in schema}
    return Step(
        index,
        item.name,
        row["to"],
        read,
        scale,
        clock=unit in ("", CLOCK),
        order=row.get("order", ""),
        words=facts.get("words", {}).get(row.get("with", ""), {}) if by == "words" else {},
        follows_sign=by == "sign",
        null=tuple(float(value) for value in row.get("null", ())),
        below=row.get("below"),
        choices=tuple(default) if not isinstance(default, str) and not unit else (),
        millivolts=not unit and any(fold(name) in beside for name in row.get("mv", ())),
        restarts=row.get("restarts", ""),
        epoch=row.get("epoch") == "size",
    )
