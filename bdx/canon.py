"""What flows: parts (vendor names, raw values), chunks (canonical tables), findings, losses and the log that keeps them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyarrow as pa

from bdx import spec
from bdx.errors import SpecError
from bdx.names import shortened

CAST_FAULTS = (pa.ArrowInvalid, pa.ArrowNotImplementedError)
"""What Arrow raises where a value or a type does not become another."""

BATCH_ROWS = 65_536
"""Upper bound of rows in one batch, everywhere."""

TYPES: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "local_timestamp": pa.timestamp("us"),
    "decimal": pa.decimal128(38, 18),
    "strings": pa.list_(pa.string()),
    "json": pa.string(),
}
"""Types a canonical column may have; `local_timestamp` is wall time whose zone nobody stated."""

SEVERITIES = ("info", "warning", "error")


@dataclass(slots=True)
class Table:
    """A part made of rows: vendor column names, raw values, unit facts in the Arrow field metadata.

    Field metadata keys a driver may set: `bdx.name` (header without its unit), `bdx.unit` (as written),
    `bdx.scale` and `bdx.offset` (raw * scale + offset is in `bdx.unit`; exact decimal or rational text).
    """

    name: str
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


@dataclass(slots=True)
class Document:
    """A part made of one tree of dicts, lists and scalars; `locator` says where it stood ("line 7"), `raw` is its line as it was."""

    name: str
    value: Any
    locator: str = ""
    raw: bytes | None = None


Part = Table | Document
Chunk = dict[str, pa.RecordBatch]
"""Canonical table name -> rows; closed under keys: the children of a battery travel in its chunk. Main table first."""


@dataclass(slots=True)
class Finding:
    """One fault of the data: which rule, where, how often, what was found and what was expected."""

    code: str
    severity: str
    message: str
    source: str = ""
    table: str = ""
    column: str = ""
    row: int | None = None
    locator: str = ""
    count: int = 1
    value: str = ""
    examples: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Loss:
    """Something a source holds and a target cannot: what, how often, and why."""

    source: str
    what: str
    why: str
    count: int = 1


class Log:
    """Collects findings and losses of one run; equal ones are counted, so memory stays flat."""

    def __init__(self) -> None:
        self._findings: dict[tuple[str, ...], Finding] = {}
        self._slots: dict[tuple[str, ...], dict[str, Any]] = {}
        self._losses: dict[tuple[str, str, str], Loss] = {}

    @property
    def findings(self) -> list[Finding]:
        """All findings, by source, then code, table and column."""
        return sorted(self._findings.values(), key=lambda f: (f.source, f.code, f.table, f.column, f.row or 0, f.locator))

    @property
    def losses(self) -> list[Loss]:
        """All losses in the order they were met."""
        return list(self._losses.values())

    def find(
        self,
        code: str,
        *,
        source: str = "",
        table: str = "",
        column: str = "",
        row: int | None = None,
        locator: str = "",
        count: int = 1,
        value: object = "",
        examples: Iterable[int] = (),
        **slots: Any,
    ) -> None:
        """Record a fault by rule code; same code, source, table and column add up, the first place is kept.

        `slots` fill the rule's message template beside source, table, column, row, locator, count and value.
        Raises: SpecError for a code that no rule defines.
        """
        key = (code, source, table, column)
        known = self._findings.get(key)
        if known is not None:
            known.count += count
            known.message = _worded(code, known, self._slots[key]) if key in self._slots else known.message
            room = 5 - len(known.examples)
            known.examples.extend(list(examples)[:room] if examples else [row] if row is not None and room > 0 else [])
            return
        self._slots[key] = slots
        self._findings[key] = finding(
            code, source=source, table=table, column=column, row=row, locator=locator, count=count, value=value, examples=examples, **slots
        )

    def find_each(self, code: str, *, source: str, table: str, column: str, row: int | None = None, key: str = "", **facts: Any) -> None:
        """Record a fault of one row, or of the record `key`, as a finding of its own, beside those of others."""
        found = finding(code, source=source, table=table, column=column, row=row, **facts)
        self._findings[code, source, table, column, key or str(row)] = found

    def lose(self, source: str, what: str, why: str, count: int = 1) -> None:
        """Record that `what` of `source` was not carried, `count` times, and why."""
        known = self._losses.setdefault((source, what, why), Loss(source, what, why, 0))
        known.count += count

    def keep(self, wanted: Callable[[str], bool]) -> None:
        """Drop the findings whose code is not wanted."""
        self._findings = {key: found for key, found in self._findings.items() if wanted(key[0])}

    def merge(self, other: Log, source: str = "") -> None:
        """Take over everything another log holds; what names no source gets `source`."""
        for (code, origin, *place), found in other._findings.items():
            found.source = origin or source
            key = (code, found.source, *place)
            mine = self._findings.setdefault(key, found)
            slots = other._slots.get((code, origin, *place))
            if slots is not None:
                self._slots.setdefault(key, slots)
            if mine is not found:
                mine.count += found.count
                mine.message = _worded(code, mine, self._slots[key]) if key in self._slots else mine.message
        for loss in other.losses:
            self.lose(loss.source or source, loss.what, loss.why, loss.count)


def finding(
    code: str,
    *,
    source: str = "",
    table: str = "",
    column: str = "",
    row: int | None = None,
    locator: str = "",
    count: int = 1,
    value: object = "",
    examples: Iterable[int] = (),
    severity: str = "",
    **slots: object,
) -> Finding:
    """Return a Finding whose severity and message come from the rule's row of data.

    Raises: SpecError for a code that no rule defines, or a message slot that nobody fills.
    """
    rule = spec.rules().get(code)
    if rule is None:
        raise SpecError(f"no rule has code {code}")
    first = list(examples)[:5] or ([row] if row is not None else [])
    text = shortened(str(value), 120)
    found = Finding(code, severity or rule.severity, "", source, table, column, row, locator, count, text, first)
    found.message = _worded(code, found, slots)
    return found


def _worded(code: str, found: Finding, slots: Mapping[str, Any]) -> str:
    """Return the message of a rule, filled with what was found; raises SpecError for a slot that nobody fills."""
    named = {name: getattr(found, name) for name in ("source", "table", "column", "row", "locator", "count", "value")}
    try:
        return spec.rules()[code].message.format(**{**named, **slots})
    except (KeyError, IndexError, ValueError) as error:
        raise SpecError(f"rule {code}: message slot {error} is not filled") from error


@cache
def field_of(table: str, column: str) -> pa.Field:
    """Return the Arrow field of a canonical column, with unit, meaning and source in its metadata."""
    facts = spec.table(table).column(column)
    metadata = {
        key: value
        for key, value in (
            ("unit", facts.unit),
            ("label", facts.label),
            ("meaning", facts.meaning),
            ("source", facts.source),
            ("tier", facts.tier),
            ("personal", "true" if facts.personal else ""),
        )
        if value
    }
    return pa.field(column, TYPES[facts.type], nullable=True, metadata={f"bdx.{key}": text for key, text in metadata.items()})


@cache
def schema(table: str) -> pa.Schema:
    """Return the full Arrow schema of a canonical table, tagged with its name (metadata `bdx.table`)."""
    fields = [field_of(table, column.name) for column in spec.table(table).columns]
    return pa.schema(fields, metadata={"bdx.table": table})


def batch(
    table: str, columns: Mapping[str, pa.Array | list[Any]], extra: Mapping[str, tuple[pa.Array, Mapping[str, str]]] | None = None
) -> pa.RecordBatch:
    """Return a record batch of a canonical table from named columns, in canonical order.

    A sparse table carries only the columns given, then `extra` (name -> array, field metadata; names start with
    `extra_`). Every other table carries all its columns; those not given are null.
    Raises: SpecError for a column the table does not have.
    """
    facts = spec.table(table)
    for name in columns:
        facts.column(name)
    rows = len(next(iter(columns.values()))) if columns else 0
    fields: list[pa.Field] = []
    arrays: list[pa.Array] = []
    for column in facts.columns:
        values = columns.get(column.name)
        if values is None and facts.sparse:
            continue
        target = field_of(table, column.name)
        if values is None:
            values = pa.nulls(rows, target.type)
        elif not isinstance(values, pa.Array):
            values = pa.array(values, target.type)
        elif values.type != target.type:
            values = values.cast(target.type)
        fields.append(target)
        arrays.append(values)
    for name, (array, metadata) in (extra or {}).items():
        fields.append(pa.field(name, array.type, metadata=dict(metadata)))
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields, metadata={"bdx.table": table}))


def from_rows(table: str, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Return a record batch of a non-sparse canonical table from row dicts; absent columns are null."""
    known = spec.table(table).by_name
    for row in rows:
        for name in row:
            if name not in known:
                spec.table(table).column(name)
    return batch(table, {name: [row.get(name) for row in rows] for name in known})


def table_of(schema: pa.Schema) -> str:
    """Return the canonical table a schema is tagged with, or an empty string."""
    return str((schema.metadata or {}).get(b"bdx.table", b"").decode())


def dumps(value: Any) -> str:
    """Return compact JSON with sorted keys: the form of every `json` column."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
