"""Rows of a flat file -> rows of the tables that have one for each: items, steps, equipment, what went into what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon
from bdx.mapping import vocabulary
from bdx.mapping.flat_cells import Mask, filled, mask, words
from bdx.mapping.flat_view import View, step_codes, unit_name
from bdx.mapping.flat_words import values

_KEYS = {"item": "item_id", "equipment": "equipment_id", "process_step": "step_run_id"}
_UNIT_OF = {
    "item": (("quantity",), "quantity_unit"),
    "genealogy": (("quantity",), "unit"),
    "process_step": (("qty_good", "qty_in", "qty_scrap", "qty_rework"), "qty_unit"),
}
Ints = npt.NDArray[np.int64]


def rows_of(table: str, view: View) -> pa.RecordBatch:
    """Return the rows of a table that a view gives, in its order; outside the main table nothing is said twice."""
    if table == "process_step":
        batch = _interleaved([_steps(view, step) for step in view.plan.steps or ("",)])
    elif table == "genealogy":
        inputs = [value for value in view.plan.values if value.table == "genealogy"]
        whole = [_edges(view)] if view.has_edge else []
        batch = _interleaved([*whole, *(_edges_of(view, value.place, value.code) for value in inputs)])
    else:
        batch = _interleaved([_plain(table, view)])
    return batch if table in (view.plan.main, "genealogy") else _unsaid(table, batch, view)


def run_ids(view: View, step: str = "") -> pa.Array | None:
    """Return the identifiers of the executions that rows belong to; where none is written, made of the item and the step.

    None where neither is known.
    """
    own = view.text("step_run_id")
    codes = _codes(view, step)
    if codes is None:
        return own
    item = view.text("item_id")
    base = item if item is not None else view.text("order_id")
    place = pc.binary_join_element_wise(view.run.context.source_id, view.locators, " ")
    made = pc.binary_join_element_wise(pc.coalesce(base, place) if base is not None else place, codes, "/")
    return pc.coalesce(own, made) if own is not None else made


def _codes(view: View, step: str) -> pa.Array | None:
    if step:
        return filled(step, view.rows)
    names = view.text("step")
    return step_codes(names)[0] if names is not None else None


def _columns(table: str, view: View, step: str = "") -> dict[str, pa.Array]:
    """Return the columns of a table that fields fill."""
    made: dict[str, pa.Array] = {}
    for column, name in view.plan.feeding(table, step):
        for key, array in view.column(table, column, name, step).items():
            made[key] = pc.coalesce(made[key], array) if key == "tz_basis" and key in made else array
    quantities, unit = _UNIT_OF.get(table, ((), ""))
    given = {name: view.plan.unit(name, step) for name in quantities if name in made and view.plan.unit(name, step)}
    if given and unit not in made:
        first = next(iter(given.values()))
        made.update(view.units_of(table, unit, first))
        for name in [name for name, other in given.items() if unit_name(other) != unit_name(first)]:
            _set_aside(table, name, view, step)
            made[name] = pa.nulls(view.rows, pa.float64())
    return made


def _set_aside(table: str, name: str, view: View, step: str) -> None:
    """Keep the cells of a quantity as they are: it is in another unit than the others of its row, which have one unit for all."""
    text, header = view.text(name, step), view.header(name, step)
    if text is not None:
        stated = mask(text.is_valid())
        view.keep(header, text, stated)
        view.note_first("M078", table, name, filled(header, view.rows), stated)


def _finish(table: str, view: View, made: dict[str, pa.Array], kept: Mask) -> tuple[pa.RecordBatch, Ints]:
    """Return the rows that are kept, with their places and what has no home, and their numbers in the view."""
    made["locator"] = view.locators
    made["source_id"] = filled(view.run.context.source_id, view.rows)
    if table == view.plan.main:
        made["extra"] = view.extra()
        dropped = ~kept
        if dropped.any():
            first = view.locators[int(np.flatnonzero(dropped)[0])].as_py()
            view.run.remarks.note("M075", table, _KEYS.get(table, "input_item_id"), "", first, int(dropped.sum()))
            why = f"they name no {_KEYS.get(table, 'item')}, and so make no row of {table}"
            view.run.context.log.lose(view.run.context.source, f"rows for {table}", why, int(dropped.sum()))
    batch = canon.batch(table, made)
    rows = np.flatnonzero(kept)
    return (batch if kept.all() else batch.filter(pa.array(kept))), rows


def _interleaved(found: Sequence[tuple[pa.RecordBatch, Ints]]) -> pa.RecordBatch:
    """Return batches as one, the rows that come from one row of the file next to each other."""
    if len(found) == 1:
        return found[0][0]
    order = np.argsort(np.concatenate([rows for _, rows in found]), kind="stable")
    return pa.concat_batches([batch for batch, _ in found]).take(pa.array(order))


def _plain(table: str, view: View) -> tuple[pa.RecordBatch, Ints]:
    made = _columns(table, view)
    kept = mask(made[_KEYS[table]].is_valid()) if _KEYS[table] in made else np.zeros(view.rows, np.bool_)
    written = view.text("quantity")
    if table == "item" and written is not None:
        unit = view.plan.unit("quantity") or view.text("unit")
        joined = pc.binary_join_element_wise(written, unit, " ", null_handling="skip") if unit is not None else written
        made["quantity_raw"] = pc.if_else(written.is_valid(), joined, None)
    return _finish(table, view, made, kept)


def _steps(view: View, step: str) -> tuple[pa.RecordBatch, Ints]:
    """Return the executions that rows tell of: those of the step they name, or of one that some columns are of."""
    made = _columns("process_step", view, step)
    ids = run_ids(view, step)
    names = view.text("step")
    if step:
        made["step_code"] = filled(step, view.rows)
        made["step_name_raw"] = made.get("step_name_raw", filled(step, view.rows))
    elif names is not None:
        made["step_code"], strange = step_codes(names)
        view.note("M040", "process_step", "step_code", names, strange)
    else:
        made["step_code"] = filled(vocabulary.OTHER, view.rows)
    kept = np.ones(view.rows, np.bool_)
    if step:
        kept = np.zeros(view.rows, np.bool_)
        places = [value.place for value in view.plan.values if value.step == step]
        places += [place for (_, own), place in view.plan.fields.items() if own == step]
        for place in places:
            kept |= mask(view.cells(place).is_valid())
    if ids is not None:
        own = view.text("step_run_id")
        missing = kept & (mask(own.is_null()) if own is not None else np.ones(view.rows, np.bool_)) & mask(ids.is_valid())
        view.note_first("M073", "process_step", "step_run_id", ids, missing)
        made["step_run_id"] = ids
        kept &= mask(ids.is_valid())
    else:
        kept[:] = False
    return _finish("process_step", view, made, kept)


def _edges(view: View) -> tuple[pa.RecordBatch, Ints]:
    """Return one edge per row; where only one end is written the row stays, as a gap."""
    made = _columns("genealogy", view)
    ends = [mask(made[name].is_valid()) for name in ("input_item_id", "output_item_id") if name in made]
    either, both = np.logical_or.reduce(ends), np.logical_and.reduce(ends) & (len(ends) == 2)
    view.note_first("M075", "genealogy", "input_item_id", view.locators, either & ~both)
    return _finish("genealogy", view, _with_relation(made, view), either)


def _edges_of(view: View, place: int, role: str) -> tuple[pa.RecordBatch, Ints]:
    """Return the edges from the lots that one column names to the items of the rows."""
    made = {name: array for name, array in _columns("genealogy", view).items() if name in ("step_run_id", "relation")}
    made["input_item_id"] = view.cells(place)
    item = view.text("item_id")
    made["output_item_id"] = item if item is not None else pa.nulls(view.rows, pa.string())
    known = words(filled(role, view.rows), values("genealogy.role"))[0]
    made["role"] = pc.fill_null(known, "other")
    runs = run_ids(view)
    if runs is not None:
        made["step_run_id"] = runs
    return _finish("genealogy", view, _with_relation(made, view), mask(view.cells(place).is_valid()))


def _with_relation(made: dict[str, pa.Array], view: View) -> dict[str, pa.Array]:
    """Return the columns of edges with what a file leaves unsaid: the relation follows from the step, else input was consumed."""
    codes = _codes(view, "")
    usual = filled("consumed", view.rows)
    if codes is not None:
        coded = pc.dictionary_encode(codes)
        known = [(vocabulary.step(code) or vocabulary.UNKNOWN_STEP).relation for code in coded.dictionary.to_pylist()]
        usual = pa.array(known, pa.string()).take(coded.indices)
    made["relation"] = pc.coalesce(made["relation"], usual) if "relation" in made else usual
    made["match_basis"] = filled("declared", view.rows)
    made["is_estimated"] = filled(False, view.rows, pa.bool_())
    return made


def _unsaid(table: str, batch: pa.RecordBatch, view: View) -> pa.RecordBatch:
    """Return the rows that say something which no row of this source said before; their place does not count."""
    if not batch.num_rows:
        return batch
    names = [field.name for field in batch.schema if field.name not in ("locator", "extra", "source_id")]
    names = [name for name in names if batch.column(name).null_count < batch.num_rows]
    keyed = pa.Table.from_batches([batch.select(names)]).append_column("row", pa.array(np.arange(batch.num_rows)))
    first = np.sort(keyed.group_by(names, use_threads=False).aggregate([("row", "min")]).column("row_min").to_numpy())
    said = view.run.made.setdefault(table, set())
    kept = batch.select(names).take(pa.array(first))
    told = [pc.fill_null(array.cast(pa.string()), "\0") for array in kept.columns]
    rows = [hash(row) for row in pc.binary_join_element_wise(*told, "\x1f").to_pylist()]
    fresh = [place for place, row in zip(first.tolist(), rows, strict=True) if row not in said]
    said.update(rows)
    return batch if len(fresh) == batch.num_rows else batch.take(pa.array(fresh, pa.int64()))
