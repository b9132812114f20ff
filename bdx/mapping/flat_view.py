"""Rows of a flat file as their mapping sees them: fields as text, numbers, times or words, with remarks on what does not parse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec, units
from bdx.errors import MappingError
from bdx.mapping import Context, vocabulary
from bdx.mapping.flat_cells import Mask, filled, mask, numbers, objects, times, trimmed, words
from bdx.mapping.flat_plan import Plan
from bdx.mapping.flat_words import values
from bdx.mapping.segment_values import Remarks
from bdx.names import fold
from bdx.spec import Facts

_NOTED = 50


class Run:
    """What holds for a whole source: how its cells are written, the remarks so far, which rows were made already."""

    def __init__(self, facts: Facts, context: Context) -> None:
        file = facts.get("file", {})
        self.context = context
        self.remarks = Remarks()
        self.decimal = file.get("decimal", "")
        self.thousands = file.get("thousands", "")
        self.dates = file.get("dates", "")
        self.zone = context.options.get("assume_tz") or file.get("timezone", "")
        self.nulls = tuple(file.get("null", ()))
        self.made: dict[str, set[int]] = {}


class View:
    """Some rows under a plan; `locators` says where each stands. Cells that a table cannot take are gathered in `homeless`."""

    def __init__(self, batch: pa.RecordBatch, plan: Plan, run: Run, locators: pa.Array) -> None:
        self.plan = plan
        self.run = run
        self.rows = batch.num_rows
        self.locators = locators
        self._batch = batch
        self._cells: dict[int, pa.Array] = {}
        self._homeless: dict[str, pa.Array] = {}

    def cells(self, place: int) -> pa.Array:
        """Return the cells of a column without blanks around them; those without a value are null."""
        if place not in self._cells:
            self._cells[place] = trimmed(self._batch.column(place), self.run.nulls)
        return self._cells[place]

    def text(self, name: str, step: str = "") -> pa.Array | None:
        """Return a field as text, None where the file has none."""
        place = self.plan.fields.get((name, step), self.plan.fields.get((name, "")))
        if place is not None:
            return self.cells(place)
        given = self.plan.given.get(name)
        return filled(given, self.rows) if given is not None else None

    def header(self, name: str, step: str = "") -> str:
        """Return the header of a field's column, or the field's name where it is given."""
        place = self.plan.fields.get((name, step), self.plan.fields.get((name, "")))
        return self._batch.schema.names[place] if place is not None else name

    def column(self, table: str, column: str, name: str, step: str = "") -> dict[str, pa.Array]:
        """Return what a field gives to a column of a table: its typed values, and for times their text and the basis of their zone."""
        facts = spec.table(table).column(column)
        text = self.text(name, step)
        assert text is not None
        if facts.type == "timestamp":
            return self._times(table, column, text, self.header(name, step))
        if facts.type in ("float64", "int32"):
            return {column: self._numbers(table, column, text, self.header(name, step), whole=facts.type == "int32")}
        if facts.enum:
            return {column: self.word(table, column, name, text, self.header(name, step))}
        if column in ("quantity_unit", "qty_unit", "unit"):
            return {column: self._units(table, column, text, self.header(name, step))}
        if column.endswith("_id"):
            self._say_blanks(table, column, name, step)
        return {column: text}

    def word(self, table: str, column: str, name: str, text: pa.Array, header: str) -> pa.Array:
        """Return the values of an enumeration that words stand for; unknown ones are noted and kept as they are."""
        known = dict(values(f"{table}.{column}"))
        known.update({fold(word) or word: value for word, value in self.plan.words.get(name, {}).items()})
        found, strange = words(text, known)
        self.note("M056", table, column, text, strange)
        self.keep(header, text, strange)
        return found

    def note(self, code: str, table: str, column: str, shown: pa.Array, which: Mask) -> None:
        """Remark on some rows: the first few by their text, the others by number."""
        spots = np.flatnonzero(which)
        for place in spots[:_NOTED].tolist():
            self.run.remarks.note(code, table, column, shown[place].as_py() or "", self.locators[place].as_py())
        if len(spots) > _NOTED:
            place = int(spots[_NOTED])
            self.run.remarks.note(code, table, column, shown[place].as_py() or "", self.locators[place].as_py(), len(spots) - _NOTED)

    def note_first(self, code: str, table: str, column: str, shown: pa.Array, which: Mask) -> None:
        """Remark on some rows as one, shown by the first."""
        if which.any():
            place = int(np.flatnonzero(which)[0])
            self.run.remarks.note(code, table, column, shown[place].as_py() or "", self.locators[place].as_py(), int(which.sum()))

    @property
    def has_edge(self) -> bool:
        """Whether rows name an end of an edge."""
        return self.plan.has("input_item_id") or self.plan.has("output_item_id")

    def units_of(self, table: str, column: str, unit: str) -> dict[str, pa.Array]:
        """Return the column of a unit that the mapping gives to a quantity."""
        return {column: self._units(table, column, filled(unit, self.rows), unit)}

    def extra(self) -> pa.Array:
        """Return what has no canonical home, as JSON: the columns that are not mapped, and cells that did not parse."""
        unmapped = {name: self.cells(place) for place, name in self.plan.extra.items()}
        return objects(list({**unmapped, **self._homeless}.items()), self.rows)

    def keep(self, header: str, text: pa.Array, which: Mask) -> None:
        """Keep some cells under their header for `extra`."""
        if which.any():
            self._homeless[header] = pc.if_else(pa.array(which), text, None)

    def _times(self, table: str, column: str, text: pa.Array, header: str) -> dict[str, pa.Array]:
        found = times(text, self.run.dates, self.run.zone)
        self.note("M048", table, column, text, found.zoneless)
        self.note("M071", table, column, text, found.two_ways)
        self.note("M072", table, column, text, found.unreadable)
        made = {column: found.stamps}
        known = spec.table(table).by_name
        raw = column.replace("_at", "_raw")
        if raw in known:
            made[raw] = text
        else:
            self.keep(header, text, mask(pc.and_(text.is_valid(), found.stamps.is_null())))
        if "tz_basis" in known:
            made["tz_basis"] = found.basis
        return made

    def _numbers(self, table: str, column: str, text: pa.Array, header: str, *, whole: bool) -> pa.Array:
        found, doubtful = numbers(text, self.run.decimal, self.run.thousands)
        if whole:
            found = pc.if_else(pc.and_(pc.equal(pc.floor(found), found), pc.less(pc.abs(found), 2.0**31)), found, None).cast(pa.int32())
        bad = mask(pc.and_(text.is_valid(), found.is_null()))
        self.note("M046", table, column, text, doubtful)
        self.note("M045", table, column, text, bad & ~doubtful)
        self.keep(header, text, bad)
        return found

    def _units(self, table: str, column: str, text: pa.Array, header: str) -> pa.Array:
        found, strange = _canonical_units(text)
        self.note("M043", table, column, text, strange)
        self.keep(header, text, strange)
        return found

    def _say_blanks(self, table: str, column: str, name: str, step: str) -> None:
        place = self.plan.fields.get((name, step), self.plan.fields.get((name, "")))
        if place is not None:
            written = self._batch.column(place)
            self.note("M050", table, column, written, mask(pc.not_equal(written, pc.utf8_trim_whitespace(written))))


def _canonical_units(text: pa.Array) -> tuple[pa.Array, Mask]:
    """Return canonical units and the mask of those that are not known."""
    coded = pc.dictionary_encode(text)
    meant = [unit_name(word) for word in coded.dictionary.to_pylist()]
    found = pa.array(meant, pa.string()).take(coded.indices)
    return found, mask(pc.and_(text.is_valid(), found.is_null()))


def unit_name(word: Any) -> str | None:
    """Return the canonical name of a unit, None for one that is not known."""
    try:
        return units.unit(word).name if word is not None else None
    except MappingError:
        return None


def step_codes(names: pa.Array) -> tuple[pa.Array, Mask]:
    """Return the canonical steps of names, "other" for those that no alias fits, and the mask of these."""
    coded = pc.dictionary_encode(names)
    known = [vocabulary.step(name) if name is not None else None for name in coded.dictionary.to_pylist()]
    found = pa.array([step.code if step is not None else None for step in known], pa.string()).take(coded.indices)
    strange = mask(pc.and_(names.is_valid(), found.is_null()))
    return pc.fill_null(found, vocabulary.OTHER), strange
