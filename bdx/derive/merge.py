"""One passport out of many sources: joined on identifiers, precedence explicit, disagreement named, each value with its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from bdx import canon, spec
from bdx.canon import Chunk, Log
from bdx.derive.claims import BOOKKEEPING, IDENTIFIERS, MOST_TOLD, PREFERRED, Claim, Terms, declared
from bdx.derive.derived import Derived
from bdx.derive.tolerance import TOLERANCE, agree, percent

__all__ = ["BOOKKEEPING", "IDENTIFIERS", "TOLERANCE", "Claim", "Terms", "agree", "declared", "merge", "merged", "text", "why_kept"]

REST = "_rest"
"""Key of a child row that is being merged: the Derived that says what it rests on."""


@dataclass(slots=True)
class _Value:
    value: Any
    claim: Claim
    by: str
    inputs: str
    rows: str = ""
    version: str = ""


@dataclass(slots=True)
class _Record:
    first: Claim
    values: dict[str, _Value] = field(default_factory=dict)
    children: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
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
        new = _Value(item.value, claim, item.by, item.inputs, item.rows, item.version)
        old = record.values.get(item.column)
        if old is None:
            record.values[item.column] = new
            continue
        share = terms.tolerance.of("battery", item.column)
        if not agree(old.value, new.value, share):
            _disagree(key, "battery", item.column, old, new, log, terms)
        elif claim.rank > old.claim.rank and old.value != item.value:
            _replaced(key, item.column, old, new, log, share)
        if claim.rank > old.claim.rank:
            record.values[item.column] = new
    for table, rows in claim.children.items():
        _join_children(record, key, table, rows, claim, log, terms)
    if claim.method == "declared" and record.extra is None:
        record.extra, record.locator, record.source_id = claim.extra, claim.locator, claim.source_id


def _join_children(record: _Record, key: str, table: str, rows: list[dict[str, Any]], claim: Claim, log: Log, terms: Terms) -> None:
    """Add child rows; a material that is known by name is compared, not written twice."""
    present = record.children.setdefault(table, [])
    names = {str(row.get("name") or "").casefold(): row for row in present if table == "material"}
    rests = claim.rests.get(table, ())
    for number, row in enumerate(rows):
        twin = names.get(str(row.get("name") or "").casefold()) if row.get("name") else None
        if twin is None:
            present.append({**row, "_claim": claim, "_rest": rests[number] if number < len(rests) else None})
            continue
        for column, value in row.items():
            mine = twin.get(column)
            if column.startswith("_") or column in BOOKKEEPING or value is None:
                continue
            if mine is None:
                twin[column] = value
            elif not agree(mine, value, terms.tolerance.of(table, column)):
                old, new = _Value(mine, twin["_claim"], "", ""), _Value(value, claim, "", "")
                _disagree(f"{key}, {row['name']}", table, column, old, new, log, terms, stays=True)


def _disagree(key: str, table: str, column: str, old: _Value, new: _Value, log: Log, terms: Terms, *, stays: bool = False) -> None:
    """Tell that two sources give one attribute different values: which, where, which one is kept and why."""
    turned = new.claim.rank > old.claim.rank and not stays
    facts = {
        "value": new.value,
        "at": _at(new),
        "battery": key,
        "other": old.value,
        "other_source": old.claim.source,
        "other_at": _at(old),
        "kept": new.value if turned else old.value,
        "why": why_kept(new.claim, old.claim) if turned else why_kept(old.claim, new.claim),
    }
    place = (new.claim.source, table, column)
    terms.told[place] += 1
    if terms.told[place] <= MOST_TOLD:
        log.find_each("M061", source=new.claim.source, table=table, column=column, key=key, locator=new.claim.locator, **facts)
    else:
        log.find("M061", source=new.claim.source, table=table, column=column, locator=new.claim.locator, **facts)


def _at(value: _Value) -> str:
    """Return where in its source a value stands: the place of the record, or what it was computed from."""
    where = value.claim.locator or value.inputs
    return f" ({where})" if where else ""


def why_kept(kept: Claim, other: Claim) -> str:
    """Return why the value of one claim stays where two disagree."""
    if kept.rank >= PREFERRED > other.rank or kept.rank > other.rank >= PREFERRED:
        return "as --prefer asks"
    if kept.rank > other.rank:
        return f"{_WORDS.get(kept.method, kept.method)} before {_WORDS.get(other.method, other.method)}"
    return "of the source named first"


_WORDS = {"derived": "derived from production"}


def _replaced(key: str, column: str, old: _Value, new: _Value, log: Log, share: float) -> None:
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
        tolerance=percent(share),
    )


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
                    evidence += _evidence_of_child(table, f"{name}#{number}", clean, claim, row.get(REST))
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


def _evidence(table: str, key: str, column: str, value: _Value) -> dict[str, Any]:
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


def _evidence_of_child(table: str, key: str, row: dict[str, Any], claim: Claim, rest: Derived | None) -> Iterable[dict[str, Any]]:
    by, inputs, rows, version = (rest.by, rest.inputs, rest.rows, rest.version) if rest is not None else ("", "", "", "")
    for column, value in row.items():
        if value is not None and column not in BOOKKEEPING:
            yield _evidence(table, key, column, _Value(value, claim, by, inputs, rows, version))


def text(value: Any) -> str:
    """Return a value as evidence keeps it: ISO 8601 for times, shortest exact text for numbers."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return canon.dumps(value) if isinstance(value, list | dict) else str(value)
