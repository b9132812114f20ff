"""Statistics per cycle -> rows of `cycle` and the `test` they are of; what a cycle has no column for stays beside as extra columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon
from bdx.canon import Chunk, Part, Table
from bdx.mapping import Context, dates, numbers
from bdx.mapping.info import test_row
from bdx.mapping.segment_values import parse
from bdx.names import fold, snake
from bdx.spec import Facts

_SECOND = 1e-6


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield the test, then its cycles; the item is the one that the comment or else the name of the file says."""
    said: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, Table):
            yield from statistics(part, said, facts, context, test_id=context.source_id, name=context.source)
        elif part.name == "info":
            said.update(part.value)


def statistics(
    table: Table,
    said: dict[str, Any],
    facts: Facts,
    context: Context,
    *,
    test_id: str,
    name: str,
    links: tuple[str | None, str | None] = (None, None),
) -> Iterator[Chunk]:
    """Yield the test and the cycles of one table. `links` are the item and the step that something else says the file is of."""
    started = _start(said, facts, context)
    row = test_row({key: value for key, value in said.items() if key != "preamble"}, facts, context)
    comment = row.get("comment") or ""
    item = links[0] or (comment if comment and not any(map(str.isspace, comment)) else _item(name, row.get("channel"), facts))
    row |= {"test_id": test_id, "source_id": context.source_id, "item_id": item, "step_run_id": links[1], "started_local": started}
    yield {"test": canon.from_rows("test", [row])}
    for batch in table.batches:
        yield {"cycle": _cycles(batch, started, facts, context, test_id)}


def _start(said: dict[str, Any], facts: Facts, context: Context) -> Any:
    """Return the wall time a test began at; one that is no day number stays where it is."""
    raw = said.get(facts["started"])
    if raw is None:
        return None
    number, _ = parse(str(raw).strip())
    if number is None:
        found = dates.wall_times(pa.array([str(raw)]))[0].as_py()
    else:
        found = dates.serial(pa.array([number], pa.float64()), facts["date_count"])[0].as_py()
    if found is None:
        context.log.find("F310", source=context.source, table="test", column="started_local", value=raw)
    else:
        del said[facts["started"]]
    return found


def _item(name: str, channel: str | None, facts: Facts) -> str | None:
    """Return the item that a file is named after, if it is named so; the number behind it is its channel."""
    stem = re.sub(r"\.[A-Za-z]{2,4}$", "", re.split(r"[\\/]", name)[-1])
    found = re.match(facts["item"], stem, re.IGNORECASE)
    if found is None:
        return None
    number = found["channel"]
    if number is not None and channel is not None and int(number) != int(channel):
        return f"{found['item']}-{number}"
    return found["item"]


def _cycles(batch: pa.RecordBatch, started: Any, facts: Facts, context: Context, test_id: str) -> pa.RecordBatch:
    """Return the canonical cycles of one batch."""
    known = {fold(name): row["to"] for row in facts["column"] for name in row["from"]}
    days = {fold(name) for name in facts["date"]}
    columns: dict[str, Any] = {"test_id": pa.array([test_id] * batch.num_rows, pa.string())}
    extra: dict[str, tuple[pa.Array, dict[str, str]]] = {}
    for field, values in zip(batch.schema, batch.columns, strict=True):
        metadata = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        name = metadata.get("bdx.name", field.name)
        target = known.get(fold(name), "")
        if target and target not in columns:
            columns[target] = numbers.integers(values) if target == "cycle_count" else numbers.numbers(values)
        elif fold(name) in days and "end_time_s" not in columns and (ended := _ended(values, started, facts)) is not None:
            columns["end_time_s"] = ended
        else:
            unit = metadata.get("bdx.unit") or facts["units"].get(name, "")
            extra[f"extra_{snake(name)}"] = (values, {"bdx.source_name": name, **({"bdx.unit": unit} if unit else {})})
    columns["basis"] = pa.array(["counter"] * batch.num_rows, pa.string())
    return canon.batch("cycle", columns, extra)


def _ended(values: pa.Array, started: Any, facts: Facts) -> pa.Array | None:
    """Return seconds from the start of the test to the dates; None where there is no start, or a value is no date."""
    if started is None:
        return None
    stamps = dates.serial(values, facts["date_count"]) if numbers.is_number(values.type) else dates.wall_times(values)
    if stamps.null_count > values.null_count:
        return None
    since = pc.subtract(stamps.cast(pa.int64()), pa.scalar(started, pa.timestamp("us")).cast(pa.int64()))
    return pc.multiply(since.cast(pa.float64()), _SECOND)
