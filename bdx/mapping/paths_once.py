"""What one model says once of a battery and another says of every row of a list: a column of both tables, spoken for by either."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.mapping.paths_tree import Plan


def said_once(facts: Plan, batches: dict[str, pa.RecordBatch]) -> None:
    """Move values in place to where the model being written says them: from rows to their battery, or from it to its rows.

    A battery takes the value of the first of its rows that has one, the total's before the others'; a row that says another
    keeps it and is then lost. Rows take the battery's value where they have none. What is already in its place stays.
    """
    main = facts.tables[0]
    for column, other in spec.facts("tables", main).get("once", {}).items():
        table, _, name = other.partition(".")
        if table not in batches or not batches[table].num_rows:
            continue
        above, below = column in facts.columns(main), name in facts.columns(table)
        if above == below:
            continue
        batteries, rows = batches[main], batches[table]
        own, values = _values(batteries, main, column), _values(rows, table, name)
        source = values if above else own
        if source.null_count == len(source):
            continue
        at = pc.index_in(rows.column("battery_key"), value_set=batteries.column("battery_key"))
        own, values = _lifted(rows, at, own, values) if above else _lowered(at, own, values)
        batches[main] = _with(batteries, main, column, own)
        batches[table] = _with(rows, table, name, values)


def _lifted(rows: pa.RecordBatch, at: pa.Array, own: pa.Array, values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the batteries' values, filled from their rows, and what the rows say beside that."""
    said = pc.and_(values.is_valid(), at.is_valid())
    total = pc.fill_null(pc.equal(rows.column("stage"), "total"), False) if "stage" in rows.schema.names else said
    first = pc.indices_nonzero(pc.and_(said, total)).to_numpy()
    order = np.concatenate([first, pc.indices_nonzero(pc.and_not(said, total)).to_numpy()])
    batteries, begins = np.unique(at.take(pa.array(order)).to_numpy(zero_copy_only=False), return_index=True)
    chosen = np.full(len(own), -1, np.int64)
    chosen[batteries.astype(np.int64)] = order[begins]
    own = pc.coalesce(own, values.take(pa.array(chosen, mask=chosen < 0)))
    told = pc.fill_null(pc.equal(values, own.take(at)), False)
    return own, pc.if_else(told, pa.scalar(None, values.type), values)


def _lowered(at: pa.Array, own: pa.Array, values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return what the batteries say that none of their rows does, and the rows' values, filled from their battery."""
    above = own.take(at)
    values = pc.coalesce(values, above)
    taken = np.zeros(len(own), bool)
    taken[at.filter(pc.fill_null(pc.equal(values, above), False)).to_numpy(zero_copy_only=False)] = True
    return pc.if_else(pa.array(taken), pa.scalar(None, own.type), own), values


def _values(batch: pa.RecordBatch, table: str, name: str) -> pa.Array:
    at = batch.schema.get_field_index(name)
    return batch.column(at) if at >= 0 else pa.nulls(batch.num_rows, canon.field_of(table, name).type)


def _with(batch: pa.RecordBatch, table: str, name: str, values: pa.Array) -> pa.RecordBatch:
    field, at = canon.field_of(table, name), batch.schema.get_field_index(name)
    return batch.set_column(at, field, values) if at >= 0 else batch.append_column(field, values)
