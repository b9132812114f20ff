"""Facts a file states about its test -> columns of the canonical table `test`; the rest stays as JSON."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from bdx import canon, spec, units
from bdx.errors import MappingError, SpecError
from bdx.mapping import Context, dates, numbers
from bdx.mapping.numbers import Scale
from bdx.spec import Column, Facts


def test_row(info: dict[str, Any], facts: Facts, context: Context) -> dict[str, Any]:
    """Return columns of the `test` row from the info document by the [[test]] rows of a mapping; the rest as `extra`.

    A value that cannot be read as its column's type is logged and stays in `extra`.
    """
    rest = copy.deepcopy(info)
    row: dict[str, Any] = {}
    for wish in facts.get("test", ()):
        column = spec.table("test").column(wish["to"])
        if column.name in row:
            continue
        if "value" in wish:
            row[column.name] = wish["value"]
            continue
        for path in wish["from"]:
            raw = _get(rest, path)
            if raw is None or raw == "":
                continue
            value = _value(raw, column, wish, facts)
            if value is None:
                context.log.find("M025", source=context.source, table="test", column=column.name, value=raw, key=path)
                continue
            row[column.name] = value
            _remove(rest, path)
            break
    rest = {key: value for key, value in rest.items() if value not in (None, "", {}, [])}
    if rest:
        row["extra"] = canon.dumps(rest)
    return row


def _value(raw: Any, column: Column, wish: Facts, facts: Facts) -> Any:
    """Return the value in the column's type and unit, or None where it cannot be read so."""
    if column.type == "string":
        return raw if isinstance(raw, str) else str(raw)
    if isinstance(raw, (int, float)) and wish.get("order"):
        raw = _instant(float(raw), column, wish["order"])
    if column.type == "local_timestamp":
        array = pa.array([raw]) if not isinstance(raw, str) else _wall_time(raw, wish.get("order", ""))
        return array[0].as_py() if pa.types.is_timestamp(array.type) and array.type.tz is None else None
    if column.type == "timestamp":
        array = pa.array([raw])
        return raw if pa.types.is_timestamp(array.type) and array.type.tz else None
    if column.type != "float64":
        raise SpecError(f"mapping {facts['format']}: no reading of test.{column.name} ({column.type})")
    try:
        number = numbers.numbers(pa.array([raw]))
    except MappingError:
        return None
    unit = facts.get("units", {}).get(wish.get("unit", ""), wish.get("unit", ""))
    scale = Scale(*units.factor(unit, column.unit)) if unit and column.unit else Scale()
    return scale.apply(number)[0].as_py()


def _instant(raw: float, column: Column, order: str) -> Any:
    """Return what a number of days or seconds becomes on the way to a time: a text of days, or an instant in UTC."""
    if order != "unix" or column.type != "timestamp":
        return str(raw)
    try:
        return datetime.fromtimestamp(raw, UTC)
    except (OverflowError, ValueError, OSError):
        return str(raw)


def _wall_time(raw: str, order: str) -> pa.Array:
    """Return the wall time of one text; in the order that it shows itself, else in that of the spec."""
    texts = pa.array([raw])
    if order in ("excel", "matlab"):
        days = numbers.numbers(texts)
        if days.null_count == 0:
            return dates.serial(days, order)
        order = ""
    texts = dates.without_offset(texts)
    return dates.wall_times(texts, dates.order_of(texts, order) or order or "ymd")


def _get(tree: Any, path: str) -> Any:
    """Return what stands at a dotted path; a key that itself holds dots is found as it is."""
    if not isinstance(tree, dict):
        return None
    if path in tree:
        return tree[path]
    head, _, tail = path.partition(".")
    return _get(tree.get(head), tail) if tail else None


def _remove(tree: dict[str, Any], path: str) -> None:
    if path in tree:
        del tree[path]
        return
    head, _, tail = path.partition(".")
    _remove(tree[head], tail)
    if not tree[head]:
        del tree[head]
