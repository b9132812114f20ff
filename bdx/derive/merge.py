"""One passport out of many sources: joined on identifiers, precedence explicit, disagreement named, each value with its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from bdx import canon, spec
from bdx.canon import Chunk, Log
from bdx.derive.derived import Derived

TOLERANCE = 0.02
"""Two numbers for one attribute agree within this share of the larger one."""

IDENTIFIERS = ("serial_number", "battery_id", "passport_id")
"""Columns of `battery` that name one battery, the nearest to the factory first."""

BOOKKEEPING = ("battery_key", "source_id", "locator", "extra")


@dataclass(slots=True)
class Claim:
    """What one source says of one battery.

    `identifiers` are the names it gives the battery (none: it speaks of the only one), `rank` its standing
    (higher wins), `method` how its values came about: declared, measured, derived.
    """

    source: str
    source_id: str
    method: str
    rank: int
    identifiers: tuple[str, ...]
    values: list[Derived]
    children: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    extra: str | None = None
    locator: str = ""
    founds: bool = True
    """Whether the claim may found a record of its own where no other source knows the battery."""


@dataclass(slots=True)
class _Value:
    value: Any
    claim: Claim
    by: str
    inputs: str


@dataclass(slots=True)
class _Record:
    values: dict[str, _Value] = field(default_factory=dict)
    children: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    extra: str | None = None
    locator: str = ""
    source_id: str = ""


def declared(chunk: Chunk, source: str, source_id: str, rank: int = 1) -> list[Claim]:
    """Return one claim per battery row of a chunk, with its children."""
    children: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name, batch in chunk.items():
        if spec.table(name).parent == "battery":
            for row in batch.to_pylist():
                children.setdefault(row["battery_key"], {}).setdefault(name, []).append(row)
    claims = []
    for row in chunk["battery"].to_pylist():
        values = [
            Derived(column, value, "", row["locator"] or "")
            for column, value in row.items()
            if value is not None and value != [] and column not in BOOKKEEPING
        ]
        names = tuple(str(row[column]) for column in IDENTIFIERS if row[column])
        claims.append(
            Claim(
                source, source_id, "declared", rank, names, values, children.get(row["battery_key"], {}), row["extra"], row["locator"] or ""
            )
        )
    return claims


def merge(claims: Sequence[Claim], log: Log) -> Chunk:
    """Return one chunk with a battery row per record, its children and the evidence of every value.

    Claims that name a battery found or join its record; those that name none join the only record there is; those
    that name one nobody else knows are left out, with a finding (M060). Two values that disagree beyond the tolerance
    are a finding (M061), a value replaced by one that agrees is one too (M064); the higher rank wins, the earlier
    source among equals. Two serial numbers are two batteries, whatever other identifier they share (M065).
    """
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
        record = records.setdefault(key, _Record())
        for name in claim.identifiers:
            known.setdefault(name, key)
        _join(record, key, claim, log)
    return _chunk(records)


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
    if named:
        battery = next(iter(records)) if len(records) == 1 else "SERIAL"
        log.find("M060", source=claim.source, table="battery", column="serial_number", value=named, battery=battery)
    why = f"names '{named}', which no other source knows" if named else "names no battery, and there are several"
    log.lose(claim.source, f"{len(claim.values)} {claim.method} values", f"the source {why}")
    return None


def _join(record: _Record, key: str, claim: Claim, log: Log) -> None:
    for item in claim.values:
        new = _Value(item.value, claim, item.by, item.inputs)
        old = record.values.get(item.column)
        if old is None:
            record.values[item.column] = new
            continue
        if not agree(old.value, new.value):
            _disagree(key, f"battery.{item.column}", old, new, log)
        elif claim.rank > old.claim.rank and old.value != item.value:
            _replaced(key, item.column, old, new, log)
        if claim.rank > old.claim.rank:
            record.values[item.column] = new
    for table, rows in claim.children.items():
        _join_children(record, key, table, rows, claim, log)
    if claim.method == "declared" and record.extra is None:
        record.extra, record.locator, record.source_id = claim.extra, claim.locator, claim.source_id


def _join_children(record: _Record, key: str, table: str, rows: list[dict[str, Any]], claim: Claim, log: Log) -> None:
    """Add child rows; a material that is known by name is compared, not written twice."""
    present = record.children.setdefault(table, [])
    names = {str(row.get("name") or "").casefold(): row for row in present if table == "material"}
    for row in rows:
        twin = names.get(str(row.get("name") or "").casefold()) if row.get("name") else None
        if twin is None:
            present.append({**row, "_claim": claim})
            continue
        for column, value in row.items():
            mine = twin.get(column)
            if column.startswith("_") or column in BOOKKEEPING or value is None:
                continue
            if mine is None:
                twin[column] = value
            elif not agree(mine, value):
                label = f"{table}.{column} of {row['name']}"
                _disagree(key, label, _Value(mine, twin["_claim"], "", ""), _Value(value, claim, "", ""), log)


def _disagree(key: str, what: str, old: _Value, new: _Value, log: Log) -> None:
    table, _, column = what.partition(".")
    wins = new if new.claim.rank > old.claim.rank else old
    log.find(
        "M061",
        source=new.claim.source,
        table=table,
        column=column,
        value=new.value,
        battery=key,
        other=old.value,
        other_source=old.claim.source,
        kept=wins.value,
    )


def _replaced(key: str, column: str, old: _Value, new: _Value, log: Log) -> None:
    log.find(
        "M064",
        source=new.claim.source,
        table="battery",
        column=column,
        value=new.value,
        battery=key,
        method=new.claim.method,
        other=old.value,
        other_source=old.claim.source,
    )


def agree(a: Any, b: Any) -> bool:
    """Say whether two values of one attribute mean the same: numbers within 2 %, text but for case and blanks."""
    if isinstance(a, bool) or isinstance(b, bool):
        return bool(a) == bool(b)
    if isinstance(a, (int, float, Decimal)) and isinstance(b, (int, float, Decimal)):
        x, y = float(a), float(b)
        return abs(x - y) <= TOLERANCE * max(abs(x), abs(y))
    if isinstance(a, str) and isinstance(b, str):
        return " ".join(a.split()).casefold() == " ".join(b.split()).casefold()
    return bool(a == b)


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
            for number, row in enumerate(rows, 1):
                claim: Claim | None = row.get("_claim")
                clean = {column: value for column, value in row.items() if not column.startswith("_")}
                children.setdefault(table, []).append(clean | {"battery_key": name})
                if claim is not None:
                    evidence += _evidence_of_child(table, f"{name}#{number}", clean, claim)
    chunk: Chunk = {"battery": canon.from_rows("battery", batteries)}
    for table in spec.tables():
        if table in children:
            chunk[table] = canon.from_rows(table, children[table])
    chunk["evidence"] = canon.from_rows("evidence", evidence)
    return chunk


def _evidence(table: str, key: str, column: str, value: _Value) -> dict[str, Any]:
    return {
        "table": table,
        "key": key,
        "column": column,
        "value": text(value.value),
        "method": value.claim.method,
        "by": value.by or None,
        "source_id": value.claim.source_id,
        "locator": value.claim.locator or None,
        "inputs": value.inputs or None,
    }


def _evidence_of_child(table: str, key: str, row: dict[str, Any], claim: Claim) -> Iterable[dict[str, Any]]:
    for column, value in row.items():
        if value is not None and column not in BOOKKEEPING:
            yield _evidence(table, key, column, _Value(value, claim, "", ""))


def text(value: Any) -> str:
    """Return a value as evidence keeps it: ISO 8601 for times, shortest exact text for numbers."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return canon.dumps(value) if isinstance(value, list | dict) else str(value)
