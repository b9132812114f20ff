"""Flat exports <-> factory tables by a mapping file of the user's (kind "flat"): rows and columns of text -> canonical rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon
from bdx.canon import Chunk, Part, Table
from bdx.mapping import Context
from bdx.mapping.flat_cells import mask, places
from bdx.mapping.flat_plan import VALUE_TABLES, Plan, plan
from bdx.mapping.flat_rows import rows_of
from bdx.mapping.flat_values import values_of
from bdx.mapping.flat_view import Run, View
from bdx.mapping.flat_words import totals
from bdx.names import fold
from bdx.spec import Facts

_NAMING = frozenset({"item_id", "serial_number", "lot_id", "order_id", "step", "step_run_id", "input_item_id", "output_item_id"})


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield the canonical rows of the tables of a flat file, in its order; what has no home goes to `extra`."""
    run = Run(facts, context)
    try:
        for part in parts:
            if isinstance(part, Table):
                yield from _table(part, facts, run)
    finally:
        run.remarks.tell(context.log, context.source)


def _table(part: Table, facts: Facts, run: Run) -> Iterator[Chunk]:
    names = [(field.metadata or {}).get(b"bdx.name", field.name.encode()).decode() for field in part.schema][:-1]
    sheet = (part.schema.metadata or {}).get(b"sheet", b"").decode()
    plans = [plan(facts["table"][int(number)], names) for number in part.name.split(",")]
    _tell_columns(plans, run, f"sheet '{sheet}'" if sheet else "the header")
    for batch in part.batches:
        locators = places(batch.column(batch.num_columns - 1), sheet)
        sums = _totals(plans, batch)
        if sums.any():
            _lose_totals(plans, batch, locators, sums, run)
        taken = sums.copy()
        for made in plans:
            which = _rows_of(made, batch) & ~sums
            taken |= which
            rows = batch if which.all() else batch.filter(pa.array(which))
            where = locators if which.all() else locators.filter(pa.array(which))
            yield from _chunks(made, rows, where, run)
        if not taken.all():
            _lose(plans, batch, locators, ~taken, run)


def _tell_columns(plans: list[Plan], run: Run, where: str) -> None:
    for made in plans:
        for name in made.missing:
            run.remarks.note("M070", made.main, "", name, where)
    every = [set(made.unmapped) for made in plans]
    for name in sorted(set.intersection(*every)):
        run.remarks.note("M074", plans[0].main, "extra", name, where)


def _rows_of(made: Plan, batch: pa.RecordBatch) -> np.ndarray:
    """Return the mask of rows that are of a table of the mapping."""
    if made.where is None:
        return np.ones(batch.num_rows, np.bool_)
    place, wanted = made.where
    coded = pc.dictionary_encode(pc.utf8_trim_whitespace(pc.fill_null(batch.column(place), "")))
    known = {fold(word) or word for word in wanted}
    meant = pa.array([(fold(text) or text) in known for text in coded.dictionary.to_pylist()], pa.bool_())
    return mask(meant.take(coded.indices))


def _totals(plans: list[Plan], batch: pa.RecordBatch) -> np.ndarray:
    """Return the mask of rows that sum up others: a word for that stands first in them, or where an identifier is read from."""
    places = {place for made in plans for (name, _), place in made.fields.items() if name in _NAMING}
    places |= {0} - {made.where[0] for made in plans if made.where is not None}
    found = np.zeros(batch.num_rows, np.bool_)
    for place in sorted(places):
        coded = pc.dictionary_encode(pc.fill_null(batch.column(place), ""))
        meant = pa.array([fold(text) in totals() for text in coded.dictionary.to_pylist()], pa.bool_())
        if pc.any(meant).as_py():
            found |= mask(meant.take(coded.indices))
    return found


def _lose_totals(plans: list[Plan], batch: pa.RecordBatch, locators: pa.Array, which: np.ndarray, run: Run) -> None:
    """Remark on rows of totals, which are left out: counted beside the rows they sum up they would double them."""
    row = int(np.flatnonzero(which)[0])
    shown = " | ".join(str(cell) for cell in list(batch.slice(row, 1).to_pylist()[0].values())[:-1] if cell is not None)[:80]
    run.remarks.note("M077", plans[0].main, "", shown, locators[row].as_py(), int(which.sum()))
    run.context.log.lose(run.context.source, "rows of totals", "they sum up other rows", int(which.sum()))


def _lose(plans: list[Plan], batch: pa.RecordBatch, locators: pa.Array, which: np.ndarray, run: Run) -> None:
    """Remark on rows that no table of the mapping is for."""
    place = next(made.where[0] for made in plans if made.where is not None)
    kinds = pc.value_counts(pc.fill_null(batch.column(place).filter(pa.array(which)), "")).to_pylist()
    first = locators[int(np.flatnonzero(which)[0])].as_py()
    for kind in kinds:
        run.remarks.note("M076", plans[0].main, batch.schema.names[place], kind["values"], first, kind["counts"])
        run.context.log.lose(run.context.source, f"rows of '{kind['values']}'", "no table of the mapping file is for them", kind["counts"])


def _chunks(made: Plan, batch: pa.RecordBatch, locators: pa.Array, run: Run) -> Iterator[Chunk]:
    """Yield the rows of every table that a plan makes, in pieces whose tables are no longer than a batch may be."""
    wide = max([1, len(made.steps), *(sum(value.table == table for value in made.values) for table in made.makes)])
    size = max(1, canon.BATCH_ROWS // (4 if made.long else wide))
    for start in range(0, batch.num_rows, size):
        view = View(batch.slice(start, size), made, run, locators.slice(start, size))
        found = {table: values_of(table, view) if table in VALUE_TABLES else rows_of(table, view) for table in _order(made)}
        chunk = {table: found[table] for table in made.makes if found[table].num_rows}
        if chunk:
            yield chunk


def _order(made: Plan) -> list[str]:
    """Return the tables to make, the main one last: it takes what did not parse anywhere."""
    return [*(table for table in made.makes if table != made.main), made.main]
