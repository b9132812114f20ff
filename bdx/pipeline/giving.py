"""Values the user gives on the command line: they fill what no source says, never replace, and stand in the evidence as given."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.canon import Chunk, Log
from bdx.derive.merge import IDENTIFIERS, text
from bdx.errors import SpecError, UsageError, did_you_mean
from bdx.formats.rows_cells import EXPECTED, parse
from bdx.formats.rows_header import fold, headings
from bdx.pipeline.agreeing import agreeing
from bdx.pipeline.sections import hidden

_ORIGIN = "--set"
_QUANTITY = re.compile(r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*(\S.*?)?\s*")
_BESIDE = ("source", "evidence")


@dataclass(slots=True)
class Given:
    """One value for one column of all records that have none."""

    word: str
    table: str
    column: str
    value: Any
    filled: int = 0
    seen: int = 0


def given(words: Sequence[str]) -> list[Given]:
    """Return what `[TABLE.]COLUMN=VALUE` words mean; a number may carry its unit, a column may leave out the unit it ends in.

    Raises: UsageError for a column, a unit or a value that does not fit, and for a column that is given twice.
    """
    found: dict[tuple[str, str], Given] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set '{word}': expected COLUMN=VALUE, as in battery.model_id=BX36-14")
        item = _meant(word, name.strip(), value)
        if (item.table, item.column) in found:
            raise UsageError(f"--set '{word}': {item.table}.{item.column} is given twice")
        found[item.table, item.column] = item
    return list(found.values())


def filled(stream: Iterable[Chunk], items: Sequence[Given], log: Log) -> Iterator[Chunk]:
    """Yield the chunks with the given values where a record has none, last the evidence; one that differs is a finding (M066).

    Raises: UsageError where one identifier would be given to several batteries, and where no source holds the table.
    """
    if not items:
        yield from stream
        return
    for chunk in stream:
        yield {table: _filled(batch, [item for item in items if item.table == table], log) for table, batch in chunk.items()}
    absent = next((item for item in items if not item.seen), None)
    if absent is not None:
        raise UsageError(f"--set '{absent.word}': the data hold no row of table {absent.table}")
    yield {"evidence": canon.from_rows("evidence", evidence_of(items))}


def _filled(batch: pa.RecordBatch, items: Sequence[Given], log: Log) -> pa.RecordBatch:
    for item in items:
        place = batch.schema.get_field_index(item.column)
        field, known = batch.schema.field(place), batch.column(place)
        value = pa.array([item.value], field.type).take(pa.array(np.zeros(len(known), np.int64)))
        missing = pc.is_null(known) if not pa.types.is_list(field.type) else pc.equal(pc.fill_null(pc.list_value_length(known), 0), 0)
        count = int(pc.sum(missing).as_py() or 0)
        item.seen += len(known)
        item.filled += count
        if item.table == "battery" and item.column in IDENTIFIERS and item.filled > 1:
            raise UsageError(f"--set '{item.word}' would name {item.filled} batteries alike; {item.column} is that of one battery")
        differs = np.flatnonzero(pc.invert(agreeing(known, value)).to_numpy(zero_copy_only=False))
        if len(differs):
            row = int(differs[0])
            key = batch.column(0)[row].as_py()
            facts = {"value": text(item.value), "other": text(known[row].as_py()), "record": key, "count": len(differs)}
            log.find("M066", source=_ORIGIN, table=item.table, column=item.column, **facts)
        if count:
            order = np.arange(len(known))
            order[np.asarray(missing.to_numpy(zero_copy_only=False), np.bool_)] += len(known)
            batch = batch.set_column(place, field, pa.concat_arrays([known, value]).take(pa.array(order)))
    return batch


def evidence_of(items: Sequence[Given]) -> list[dict[str, Any]]:
    """Return the evidence of given values: one row for each, with how many records it filled."""
    return [
        {
            "table": item.table,
            "key": "*",
            "column": item.column,
            "value": text(item.value),
            "method": "given",
            "by": f"{_ORIGIN} {item.word}",
            "inputs": f"filled in {item.filled:,} of {item.seen:,} records",
        }
        for item in items
    ]


def _meant(word: str, name: str, value: str) -> Given:
    table, column, unit, number = _column(word, name, value)
    facts = spec.table(table).column(column)
    numeric = facts.type in ("int32", "int64", "float64", "decimal")
    cell = number if numeric and number and facts.unit else value.strip()
    found = parse(pa.array([cell], pa.string()), facts, unit=unit)[0].as_py() if cell else None
    if found is None or (isinstance(found, float) and not math.isfinite(found)):
        expected = EXPECTED.get(facts.type, "a text")
        raise UsageError(f"--set '{word}': '{value}' is not {expected}{f' in {facts.unit}' if facts.unit else ''}")
    if facts.enum and found not in facts.enum:
        raise UsageError(
            f"--set '{word}': {column} is never '{found}'{did_you_mean(str(found), facts.enum)}; known: {', '.join(facts.enum)}"
        )
    if facts.pattern and not re.search(facts.pattern, str(found)):
        raise UsageError(f"--set '{word}': '{found}' does not look like {column}, which fits {facts.pattern}")
    low, high = facts.minimum, facts.maximum
    if numeric and ((low is not None and found < low) or (high is not None and found > high)):
        span = f"from {low:g}" if high is None else f"from {low:g} to {high:g}" if low is not None else f"up to {high:g}"
        raise UsageError(f"--set '{word}': {column} is {span}{f' {facts.unit}' if facts.unit else ''}, not {found:g}")
    return Given(word, table, column, found)


def _column(word: str, name: str, value: str) -> tuple[str, str, str, str]:
    """Return (table, column, unit to convert from, the number without its unit)."""
    before, dot, after = name.rpartition(".")
    tables = [before] if dot else _tables()
    if dot and before not in _tables():
        raise UsageError(
            f"--set '{word}': no table '{before}' to set values in{did_you_mean(before, _tables())}; known: {', '.join(_tables())}"
        )
    quantity = _QUANTITY.fullmatch(value)
    number, unit = (quantity.group(1), quantity.group(2) or "") if quantity else ("", "")
    found = []
    why = ""
    for table in tables:
        for cell, rest in ((after, ""), (f"{after} [{unit}]", unit)):
            heading = headings([cell], table)[0]
            why = why or (heading.why if rest and heading.why and "unit" in heading.why else "")
            known = heading.column and heading.column not in (*hidden(), "battery_key")
            plain = known and (rest or not unit or not _is_quantity(table, heading.column))
            if plain and (not rest or _is_quantity(table, heading.column)):
                found.append((table, heading.column, heading.unit, number))
                break
    if not found:
        raise UsageError(f"--set '{word}': {why or _unknown(tables, after, unit)}")
    if len(found) > 1 and found[0][0] != "battery":
        raise UsageError(
            f"--set '{word}': {after} is a column of {', '.join(item[0] for item in found)}; say which, as in {found[0][0]}.{after}"
        )
    return found[0]


def _is_quantity(table: str, column: str) -> bool:
    return bool(spec.table(table).column(column).unit)


def _unknown(tables: Sequence[str], name: str, unit: str) -> str:
    known = [column.name for table in tables for column in spec.table(table).columns if column.name not in hidden()]
    near = next((column for column in known if column.startswith(f"{fold(name)}_")), "")
    if near and not unit:
        return f"{name} needs a unit, as in {name}=1{_unit_of(tables, near)}, or write {near}=1"
    return f"no table has a column '{name}'{did_you_mean(name, known)}"


def _unit_of(tables: Sequence[str], column: str) -> str:
    for table in tables:
        try:
            return spec.table(table).column(column).unit
        except SpecError:
            continue
    return ""


def _tables() -> list[str]:
    """Return the tables whose records can be given values: all but time series and what bdx keeps for itself, batteries first."""
    known = [name for name in spec.tables() if not spec.table(name).sparse and name not in _BESIDE]
    return sorted(known, key=lambda name: (name != "battery", spec.table(name).parent != "battery"))
