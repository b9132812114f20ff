"""Diff: what differs between two sources of any formats, told in canonical terms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import dumps
from bdx.errors import SourceError
from bdx.pipeline.reading import read

SKIPPED_TABLES = ("source", "evidence")
SKIPPED_COLUMNS = frozenset({"battery_key", "source_id", "locator", "extra", "test_id"})
RELATIVE = 1e-9
"""Floats this close are one value: two formats may round the last digit differently."""


MADE = ("step", "resistance")
"""Tables that bdx makes of a series for those targets that hold them."""


@dataclass(slots=True)
class Difference:
    """One difference: a column of a row, or a row or table that only one side has."""

    table: str
    key: str
    column: str
    left: Any
    right: Any
    count: int = 1


@dataclass(slots=True)
class DiffResult:
    """What differs between `left` and `right`, and how many values were compared."""

    left: str
    right: str
    differences: list[Difference] = field(default_factory=list)
    compared: int = 0


def diff(left: str | Path, right: str | Path, *, assume_tz: str | None = None) -> DiffResult:
    """Return the differences between two sources; where they came from and bdx's own keys do not count.

    Batteries and other keyed rows are matched by key, time series row by row, other tables as sets of rows.
    """
    a, b = _tables(left, assume_tz), _tables(right, assume_tz)
    result = DiffResult(str(left), str(right))
    if not (set(a) | set(b)) - {"test"}:
        raise SourceError("neither source holds rows to compare", path=f"{left}, {right}")
    for name in spec.tables():
        if name in SKIPPED_TABLES or (name not in a and name not in b):
            continue
        if name in MADE and "timeseries" in a.keys() & b.keys() and not (name in a and name in b):
            continue  # made of the series where somebody wants it, and the series is compared
        if name not in a or name not in b:
            here, there = (a[name].num_rows, 0) if name in a else (0, b[name].num_rows)
            result.differences.append(Difference(name, "", "(rows)", here, there))
        elif name == "timeseries":
            _by_position(name, a[name], b[name], result)
        elif name == "battery" or (spec.table(name).key and not spec.table(name).parent):
            _by_key(name, a[name], b[name], result)
        else:
            _as_sets(name, a[name], b[name], result)
    return result


def _tables(source: str | Path, assume_tz: str | None) -> dict[str, pa.Table]:
    return {name: table for name, table in read(source, assume_tz=assume_tz).items() if table.num_rows}


def _by_position(name: str, a: pa.Table, b: pa.Table, result: DiffResult) -> None:
    """Compare two time series column by column over the rows both have."""
    if a.num_rows != b.num_rows:
        result.differences.append(Difference(name, "", "(rows)", a.num_rows, b.num_rows))
    rows = min(a.num_rows, b.num_rows)
    for column in dict.fromkeys((*a.column_names, *b.column_names)):
        if column in SKIPPED_COLUMNS:
            continue
        if column not in a.column_names or column not in b.column_names:
            here, there = ("present", "absent") if column in a.column_names else ("absent", "present")
            result.differences.append(Difference(name, "", column, here, there))
            continue
        x, y = a.column(column).slice(0, rows), b.column(column).slice(0, rows)
        result.compared += rows
        wrong = _unequal(x, y)
        count = pc.sum(wrong).as_py() or 0
        if count:
            row = pc.index(wrong, True).as_py()
            result.differences.append(Difference(name, f"row {row}", column, x[row].as_py(), y[row].as_py(), count))


def _unequal(x: pa.ChunkedArray, y: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_floating(x.type) and pa.types.is_floating(y.type):
        size = pc.max_element_wise(pc.abs(x), pc.abs(y))
        differ = pc.greater(pc.abs(pc.subtract(x, y)), pc.multiply(size, RELATIVE))
    elif x.type != y.type:
        differ = pc.not_equal(x.cast(pa.string()), y.cast(pa.string()))
    else:
        differ = pc.not_equal(x, y)
    one_null = pc.xor(pc.is_null(x), pc.is_null(y))
    return pc.or_(pc.fill_null(differ, False), one_null)


def _by_key(name: str, a: pa.Table, b: pa.Table, result: DiffResult) -> None:
    keys = ("battery_key",) if name == "battery" else spec.table(name).key
    left, right = (dict(_keyed(table, keys)) for table in (a, b))
    if name == "battery" and len(left) == len(right) == 1:
        # One passport against one: their identifiers may be what differs.
        right = dict(zip(left, right.values(), strict=True))
    for key in dict.fromkeys((*left, *right)):
        if key not in left or key not in right:
            here, there = ("present", "absent") if key in left else ("absent", "present")
            result.differences.append(Difference(name, key, "(row)", here, there))
            continue
        _columns(name, key, left[key], right[key], result)


def _keyed(table: pa.Table, keys: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in table.to_pylist():
        names = [key for key in keys if key not in SKIPPED_COLUMNS or key == "battery_key"]
        yield " / ".join(str(row.get(key)) for key in names), row


TELLING = ("material", "stage", "role", "identifier", "name", "part_number", "subject", "mineral")
"""Columns that may tell the rows of a battery's children apart, tried in this order."""


def _telling(name: str, a: pa.Table, b: pa.Table) -> str:
    """Return the column that, with the battery, is filled and unique in both tables; an empty string where there is none."""
    if spec.table(name).parent != "battery":
        return ""
    for column in TELLING:
        if column in a.column_names and all(_unique(table, column) for table in (a, b)):
            return column
    return ""


def _unique(table: pa.Table, column: str) -> bool:
    keys = table.select(["battery_key", column])
    return not keys.column(column).null_count and keys.group_by(["battery_key", column]).aggregate([]).num_rows == table.num_rows


def _matched(name: str, telling: str, a: pa.Table, b: pa.Table, result: DiffResult) -> None:
    """Compare child rows matched by battery and the column that tells them apart."""
    left, right = ({(row["battery_key"], row[telling]): row for row in table.to_pylist()} for table in (a, b))
    if len({key for key, _ in left}) == len({key for key, _ in right}) == 1:
        here = next(iter(left))[0]
        right = {(here, value): row for (_, value), row in right.items()}
    for key in dict.fromkeys((*left, *right)):
        label = f"{key[0]} {key[1]}"
        if key not in left or key not in right:
            here, there = ("present", "absent") if key in left else ("absent", "present")
            result.differences.append(Difference(name, label, "(row)", here, there))
            continue
        _columns(name, label, left[key], right[key], result)


def _columns(name: str, label: str, left: dict[str, Any], right: dict[str, Any], result: DiffResult) -> None:
    for column, x in left.items():
        if column in SKIPPED_COLUMNS:
            continue
        y = right.get(column)
        result.compared += 1
        if not same(x, y):
            result.differences.append(Difference(name, label, column, x, y))


def _as_sets(name: str, a: pa.Table, b: pa.Table, result: DiffResult) -> None:
    telling = _telling(name, a, b)
    if telling:
        _matched(name, telling, a, b, result)
        return
    left, right = _rows(a), _rows(b)
    result.compared += sum(left.values())
    for row in (left - right).elements():
        result.differences.append(Difference(name, "", "(row)", row, "absent"))
    for row in (right - left).elements():
        result.differences.append(Difference(name, "", "(row)", "absent", row))


def _rows(table: pa.Table) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in table.to_pylist():
        found[dumps({column: value for column, value in row.items() if column not in SKIPPED_COLUMNS and value is not None})] += 1
    return found


def same(x: Any, y: Any) -> bool:
    """Say whether two values are one: floats within 1e-9, instants whatever their offset, the rest equal."""
    if isinstance(x, float) and isinstance(y, (int, float)):
        return math.isclose(x, y, rel_tol=RELATIVE) or (math.isnan(x) and math.isnan(y))
    if isinstance(x, datetime) and isinstance(y, datetime):
        return x == y
    return bool(x == y)
