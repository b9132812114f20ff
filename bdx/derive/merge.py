"""One passport out of many sources: joined on identifiers, precedence explicit, disagreement named, each value with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from bdx import canon, spec
from bdx.canon import Chunk, Log
from bdx.derive.children import Child, join_children
from bdx.derive.claims import BOOKKEEPING, IDENTIFIERS, Claim, Terms, declared
from bdx.derive.tolerance import TOLERANCE, agree
from bdx.derive.weighed import Value, standing

__all__ = ["BOOKKEEPING", "IDENTIFIERS", "TOLERANCE", "Claim", "Terms", "agree", "declared", "merge", "merged", "text"]


@dataclass(slots=True)
class _Record:
    first: Claim
    values: dict[str, Value] = field(default_factory=dict)
    children: dict[str, list[Child]] = field(default_factory=dict)
    extra: str | None = None
    locator: str = ""
    source_id: str = ""


def merge(claims: Sequence[Claim], log: Log, terms: Terms | None = None) -> Chunk:
    """Return one chunk with a battery row per record, its children and the evidence of every value.

    Claims that name a battery found or join its record; those that name none join the only record there is; those
    that name one nobody else knows are left out, with a finding (M060). Two values that disagree beyond the tolerance
    are a finding (M061), a value replaced by one that agrees is one too (M064); the higher rank wins, the earlier
    source among equals. Two serial numbers are two batteries, whatever other identifier they share (M065).
    """
    return merged(claims, log, terms or Terms())[0]


def merged(claims: Sequence[Claim], log: Log, terms: Terms) -> tuple[Chunk, list[Claim]]:
    """Return what `merge` does, and the claim that founded each battery."""
    records: dict[str, _Record] = {}
    known: dict[str, str] = {}
    for claim in sorted(claims, key=lambda c: (not c.founds or not c.identifiers, -c.rank)):
        key = _known(claim, known, records, log)
        if key is None and claim.founds and claim.identifiers:
            key = claim.identifiers[0]
        elif key is None:
            key = _only(claim, records, log)
        if key is None:
            continue
        record = records.setdefault(key, _Record(claim))
        for name in claim.identifiers:
            known.setdefault(name, key)
        _join(record, key, claim, log, terms)
    return _chunk(records), [record.first for record in records.values()]


def _known(claim: Claim, known: dict[str, str], records: dict[str, _Record], log: Log) -> str | None:
    """Return the key of the record that shares an identifier with a claim, unless their serial numbers differ."""
    serial = next((item.value for item in claim.values if item.column == "serial_number"), None)
    for name in claim.identifiers:
        key = known.get(name)
        if key is None:
            continue
        other = records[key].values.get("serial_number")
        if serial is None or other is None or agree(serial, other.value):
            return key
        log.find("M065", source=claim.source, table="battery", column="serial_number", value=serial, other=other.value, shared=name)
    return None


def _only(claim: Claim, records: dict[str, _Record], log: Log) -> str | None:
    """Return the key a claim without a known identifier belongs to, or None where that cannot be told."""
    named = claim.identifiers[0] if claim.identifiers else ""
    if not records:
        return named or f"{claim.source_id}:1"
    if len(records) == 1 and not named:
        return next(iter(records))
    left_out(claim, log, next(iter(records)) if len(records) == 1 else "SERIAL")
    return None


def left_out(claim: Claim, log: Log, battery: str = "SERIAL") -> None:
    """Tell that a claim joins no record: it names a battery that nobody else knows, or none where there are several."""
    named = claim.identifiers[0] if claim.identifiers else ""
    if named:
        log.find("M060", source=claim.source, table="battery", column="serial_number", value=named, battery=battery)
    elif claim.method == "measured":
        log.find("M068", source=claim.source)
    why = f"names '{named}', which no other source knows" if named else "names no battery, and there are several"
    log.lose(claim.source, f"{len(claim.values)} {claim.method} values", f"the source {why}")


def _join(record: _Record, key: str, claim: Claim, log: Log, terms: Terms) -> None:
    for item in claim.values:
        new = Value(item.value, claim, item.by, item.inputs, item.rows, item.version)
        old = record.values.get(item.column)
        record.values[item.column] = new if old is None else standing(old, new, key, ("battery", item.column), log, terms)
    for table in claim.children:
        join_children(record.children.setdefault(table, []), key, table, claim, log, terms)
    if claim.method == "declared" and record.extra is None:
        record.extra, record.locator, record.source_id = claim.extra, claim.locator, claim.source_id


def _chunk(records: dict[str, _Record]) -> Chunk:
    batteries: list[dict[str, Any]] = []
    children: dict[str, list[dict[str, Any]]] = {}
    evidence: list[dict[str, Any]] = []
    for key, record in records.items():
        serial = record.values.get("serial_number")
        name = str(serial.value) if serial else key
        batteries.append(
            {column: value.value for column, value in record.values.items()}
            | {"battery_key": name, "extra": record.extra, "locator": record.locator or None, "source_id": record.source_id or None}
        )
        evidence += [_evidence("battery", name, column, value) for column, value in record.values.items()]
        for table, rows in record.children.items():
            for number, child in enumerate(rows, 1):
                children.setdefault(table, []).append(child.row() | {"battery_key": name})
                evidence += [_evidence(table, f"{name}#{number}", column, value) for column, value in child.values.items()]
    chunk: Chunk = {"battery": _batch("battery", batteries)}
    for table in spec.tables():
        if table in children:
            chunk[table] = _batch(table, children[table])
    chunk["evidence"] = _batch("evidence", evidence)
    return chunk


def _batch(table: str, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Return rows as a batch; most tables have far more columns than any source fills."""
    names = dict.fromkeys(name for row in rows for name in row)
    return canon.batch(table, {name: [row.get(name) for row in rows] for name in names}) if names else canon.from_rows(table, rows)


def _evidence(table: str, key: str, column: str, value: Value) -> dict[str, Any]:
    return {
        "table": table,
        "key": key,
        "column": column,
        "value": text(value.value),
        "method": value.claim.method,
        "by": value.by or None,
        "version": value.version or None,
        "source_id": value.claim.source_id,
        "rows": value.rows or None,
        "locator": value.claim.locator or None,
        "inputs": value.inputs or None,
    }


def text(value: Any) -> str:
    """Return a value as evidence keeps it: ISO 8601 for times, shortest exact text for numbers."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return canon.dumps(value) if isinstance(value, list | dict) else str(value)
