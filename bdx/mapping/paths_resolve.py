"""Joins documents named by identifier with the list that describes them, and makes that list where a model needs one."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.canon import Chunk, Log
from bdx.mapping import Context
from bdx.mapping.paths_loss import Losses
from bdx.mapping.paths_tree import Plan, Rows, run_columns

COPIED = ("url", "mime_type", "title", "language", "class_id")
"""What a reference takes over from the entry it names."""

INDEX = "handover"
"""The role of the entries of a list of documents."""

REFERRING = ("battery.cycle_life_reference_test", "carbon_footprint.study_url", "event.document")
"""Columns that name a document: by its URL, or by the identifier that a list of documents has for it."""


def resolve_rows(plan: Plan, rows: dict[str, list[tuple[Any, ...]]], context: Context) -> None:
    """Fill references from the entries of the index role in place; a reference without an entry is a finding."""
    assert plan.resolve is not None
    table, role = "document", plan.resolve["role"]
    names = run_columns(plan, table)
    at = {name: names.index(name) for name in ("battery_key", "role", "identifier", *COPIED)}
    index: dict[tuple[str, str], tuple[Any, ...]] = {}
    listed: set[str] = set()
    for row in rows[table]:
        if row[at["role"]] == role:
            listed.add(row[at["battery_key"]])
            if row[at["identifier"]] is not None:
                index.setdefault((row[at["battery_key"]], row[at["identifier"]]), row)
    for number, row in enumerate(rows[table]):
        key, identifier = row[at["battery_key"]], row[at["identifier"]]
        if row[at["role"]] == role or identifier is None:
            continue
        entry = index.get((key, identifier))
        if entry is not None:
            filled = list(row)
            for name in COPIED:
                if filled[at[name]] is None:
                    filled[at[name]] = entry[at[name]]
            rows[table][number] = tuple(filled)
        elif key in listed:
            _dangling(context.log, context.source, key, row[at["role"]], identifier)
    for name in REFERRING if listed else ():
        table, _, column = name.partition(".")
        if column in run_columns(plan, table):
            _check_column(plan, rows[table], name, index.keys(), listed, context)


def _check_column(
    plan: Plan, rows: list[tuple[Any, ...]], name: str, known: Set[tuple[str, str]], listed: set[str], context: Context
) -> None:
    """Find values of a column that are neither an identifier of the list nor a URL of their own."""
    table, _, column = name.partition(".")
    names = run_columns(plan, table)
    at, keyed = names.index(column), names.index("battery_key")
    for row in rows:
        key, value = row[keyed], row[at]
        if value is not None and key in listed and (key, value) not in known and "://" not in value:
            _dangling(context.log, context.source, key, column, value, name)


def _dangling(log: Log, source: str, key: str, role: str, identifier: str, place: str = "document.identifier") -> None:
    table, _, column = place.partition(".")
    log.find("M008", source=source, table=table, column=column, locator=key, value=identifier, role=role)


def with_entries(
    rows: list[dict[str, Any]], role: str, also: tuple[str, ...], placed: frozenset[str], losses: Losses
) -> list[dict[str, Any]]:
    """Return document rows with an entry of the index role for every reference that has a URL and none yet.

    Rows of a role that is not `placed` are listed there without it. Rows of the roles `also` stand in the index themselves.
    An entry made here is known by its reference's identifier, by its URL where there is no identifier.
    """
    for row in rows:
        if row["role"] not in placed and row["role"] not in also and (row["url"] or row["identifier"]):
            losses.add(f"document.role={row['role']}", "it lists the document and does not say what it is for", 1)
            row["role"], row["identifier"] = role, row["url"] if row["identifier"] is None else row["identifier"]
        if row["role"] in also and row["identifier"] is None:
            row["identifier"] = row["url"]
    listed = {(row["battery_key"], row["identifier"]) for row in rows if row["role"] == role or row["role"] in also}
    made: list[dict[str, Any]] = []
    for row in rows:
        identifier = row["identifier"] if row["identifier"] is not None else row["url"]
        if row["role"] == role or row["role"] in also or row["url"] is None or (row["battery_key"], identifier) in listed:
            continue
        listed.add((row["battery_key"], identifier))
        made.append({**row, "identifier": identifier, "role": role, "extra": None})
    return rows + made


def without_covered(rows: list[dict[str, Any]], role: str) -> list[dict[str, Any]]:
    """Return document rows without those entries of the index role that another row speaks for."""
    spoken = {(row["battery_key"], row["identifier"]) for row in rows if row["role"] != role and row["identifier"] is not None}
    return [row for row in rows if row["role"] != role or (row["battery_key"], row["identifier"]) not in spoken]


def ready_batch(chunk: Chunk, table: str, facts: Plan, losses: Losses) -> pa.RecordBatch:
    """Return the batch of a table, empty where the chunk has none, its documents joined as the model wants them."""
    batch = chunk.get(table)
    if batch is None:
        batch = canon.from_rows(table, [])
    for place in facts.rows:
        for inner in place.scope.places:
            if place.scope.table == table and inner.scope.table in chunk:
                batch = _with_parents(batch, chunk[inner.scope.table], place, inner)
    if not batch.num_rows:
        return batch
    if facts.resolve is None or not facts.resolve.get("entries"):
        batch = _by_url(batch, table, chunk)
    if table == "document" and facts.resolve is not None:
        role = facts.resolve["role"]
        if facts.resolve.get("entries"):
            return _rebuilt(with_entries(_rows(batch), role, _accepted(facts, role), _placed(facts), losses))
        if "role" in batch.schema.names and pc.any(pc.equal(batch.column("role"), role)).as_py():
            return _rebuilt(without_covered(_rows(batch), role))
    return batch


def _by_url(batch: pa.RecordBatch, table: str, chunk: Chunk) -> pa.RecordBatch:
    """Return the batch of a table with the URL of a listed document in place of its identifier, for a model without such a list."""
    listed = chunk.get("document")
    names = [name for place in REFERRING for other, _, name in (place.partition("."),) if other == table and name in batch.schema.names]
    names = [name for name in names if batch.column(name).null_count < batch.num_rows]
    if not names or listed is None or "identifier" not in listed.schema.names or "url" not in listed.schema.names:
        return batch
    listed = listed.filter(pc.equal(listed.column("role"), INDEX))
    urls: dict[tuple[str, str], str] = {}
    for key, identifier, url in zip(*(listed.column(name).to_pylist() for name in ("battery_key", "identifier", "url")), strict=True):
        if identifier and url:
            urls.setdefault((key, identifier), url)
    keys = batch.column("battery_key").to_pylist() if urls else []
    for name in names if urls else ():
        at = batch.schema.get_field_index(name)
        values = [urls.get((key, value), value) for key, value in zip(keys, batch.column(at).to_pylist(), strict=True)]
        batch = batch.set_column(at, batch.schema.field(at), pa.array(values, batch.schema.field(at).type))
    return batch


def _with_parents(parents: pa.RecordBatch, children: pa.RecordBatch, place: Rows, inner: Rows) -> pa.RecordBatch:
    """Return parent rows, and for a battery with children and no parent to hold them those its children link to, else an empty one."""
    known = set(parents.column("battery_key").to_pylist())
    links = [name for name in inner.link if name in children.schema.names]
    told = zip(*(children.column(name).to_pylist() for name in ("battery_key", *links)), strict=True)
    orphaned = dict.fromkeys(values for values in told if values[0] not in known)
    if not orphaned:
        return parents
    filled = ["battery_key", *(inner.link[name] for name in links)]
    made = canon.from_rows(place.scope.table, [{**place.values, **dict(zip(filled, values, strict=True))} for values in orphaned])
    rows = [*parents.to_pylist(), *made.to_pylist()]
    return canon.from_rows(place.scope.table, [{name: row.get(name) for name in made.schema.names} for row in rows])


def _placed(facts: Plan) -> frozenset[str]:
    """Return the roles of documents that have a place of their own."""
    return frozenset(place.values["role"] for place in facts.rows if "role" in place.values and place.scope.table == "document")


def _accepted(facts: Plan, role: str) -> tuple[str, ...]:
    """Return the other roles whose documents stand in the index as well."""
    return next((place.accepts.get("role", ()) for place in facts.rows if place.values.get("role") == role), ())


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    names = [column.name for column in spec.table("document").columns]
    return [{name: row.get(name) for name in names} for row in batch.to_pylist()]


def _rebuilt(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    return canon.from_rows("document", rows)
