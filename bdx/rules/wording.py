"""The words of a finding: what fills a rule's message, and where a row stands."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk
from bdx.rules.register import Bad, Bound
from bdx.spec import Column

_KEYLESS = ("battery_key", "parameter_name_raw", "characteristic_name_raw")
"""What names a row of a table without a key."""


def words(bound: Bound, bad: Bad, place: int, batch: pa.RecordBatch, row: int) -> dict[str, object]:
    """Return what fills the message beside the finding's own fields."""
    slots: dict[str, object] = {name: show(value) for name, value in bound.literals.items()}
    slots.update({name: show(values[place].as_py()) for name, values in bad.slots.items()})
    facts = spec.table(bad.table).by_name.get(bad.column)
    slots.setdefault("unit", unit_of(bad.table, bad.column))
    slots["expected"] = expected(facts) if facts else ""
    keys = spec.table(bad.table).key or _KEYLESS
    cells = [batch.column(key)[place].as_py() for key in keys if key in batch.schema.names and key not in ("test_id", "record_index")]
    named = [str(cell) for cell in cells if cell is not None]
    slots["at"] = f"row {row}" + (f" ({' > '.join(named)})" if named else "")
    return slots


def locator(table: str, batch: pa.RecordBatch, place: int, chunk: Chunk) -> str:
    """Return where the row stood in the source: its own locator, else that of the battery it belongs to."""
    if "locator" in batch.schema.names:
        return batch.column("locator")[place].as_py() or ""
    owners = chunk.get("battery")
    if spec.table(table).parent != "battery" or owners is None or "battery_key" not in batch.schema.names:
        return ""
    owner = pc.index(owners.column("battery_key"), batch.column("battery_key")[place]).as_py()
    return (owners.column("locator")[owner].as_py() or "") if owner >= 0 and "locator" in owners.schema.names else ""


def unit_of(table: str, column: str) -> str:
    """Return the unit of a column, empty where it has none."""
    facts = spec.table(table).by_name.get(column)
    return facts.unit if facts and facts.unit != "1" else ""


def expected(facts: Column) -> str:
    """Return what a column may hold, in words."""
    if facts.enum:
        return "one of " + ", ".join(facts.enum)
    if facts.pattern:
        return facts.pattern
    if facts.minimum is not None and facts.maximum is not None:
        return f"{facts.minimum:g} to {facts.maximum:g}"
    if facts.minimum is not None:
        return f"{facts.minimum:g} or more"
    return f"{facts.maximum:g} or less" if facts.maximum is not None else facts.type


def show(value: object) -> str:
    """Return a value as a message shows it: floats short, times in ISO 8601, lists with commas."""
    if value is None:
        return "not given"
    if isinstance(value, float):
        return f"{value:.13g}" if abs(value) >= 1e6 else f"{value:.6g}"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(str(item) for item in value)
    return str(value)
