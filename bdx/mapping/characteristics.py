"""Characteristics and their measured values -> quality results, with the pieces, lots, steps and equipment they name; and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon
from bdx.canon import Chunk, Document, Part, Table
from bdx.errors import SpecError
from bdx.mapping import Context
from bdx.mapping.characteristic_columns import coalesced, counts, decimals, objects, without
from bdx.mapping.characteristic_facts import RESULT, Description
from bdx.mapping.characteristic_sides import Sides
from bdx.mapping.characteristic_times import moments
from bdx.mapping.characteristic_write import written
from bdx.mapping.numbers import Scale
from bdx.spec import Facts

Ints = npt.NDArray[np.int64]


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield chunks of quality_result, and with them item, process_step, process_parameter and equipment where they are first named.

    A characteristic without values has one row, without a value. What no column takes stands in `extra` under its K-field: that of
    a value with it; that of a characteristic, of its part and of the file with the first value of each.
    """
    results: _Results | None = None
    for part in parts:
        if isinstance(part, Document):
            results = _Results(Description(part.value, facts, context), facts, context)
        elif results is None or not isinstance(part, Table):
            raise SpecError(f"mapping 'characteristics' takes a description, then values; not '{part.name}'")
        else:
            for batch in part.batches:
                if batch.num_rows:
                    yield results.chunk(batch)
    if results is not None:
        yield from results.finish()


def from_canonical(chunks: Iterable[Chunk], facts: Facts, context: Context) -> Iterator[Part]:
    """Yield tables of values, then the description they need; what AQDEF cannot hold is a loss."""
    return written(chunks, facts, context)


class _Results:
    """Turns batches of values into rows; the arrays of what characteristics share are built anew where one is added."""

    def __init__(self, description: Description, facts: Facts, context: Context) -> None:
        self.known = description
        self.facts = facts
        self.names = facts["value"]
        self.context = context
        self.remarks = description.remarks
        self.sides = Sides(description, facts, context)
        self.zone = context.options.get("assume_tz") or None
        self.values = np.zeros(0, np.int64)
        self.shared: dict[str, pa.Array] = {}
        self.scales: list[tuple[Scale, npt.NDArray[np.bool_]]] = []

    def chunk(self, batch: pa.RecordBatch) -> Chunk:
        """Return the rows of a batch of values, and those of what they name for the first time."""
        at = self._places(batch)
        held = {name: batch.column(name) for name in batch.schema.names if name.startswith("K")}
        held |= {name: without(held[name], ("0",)) for name in self.facts["catalogue"]["fields"] if name in held}
        held[self.names["batch"]] = without(self._said(held, "batch", batch), ("#",))
        locators = pc.binary_join_element_wise(f"{self.known.prefix}line ", batch.column("line").cast(pa.string()), "")
        columns = self._common(at) | {"locator": locators}
        self._value(held, at, columns, batch)
        self._counted(held, at, columns, batch)
        self._time(held, columns, batch)
        columns["attribute_code"] = counts(self._said(held, "attribute", batch))[0]
        columns["result_id"] = self._said(held, "result", batch)
        columns["cavity"] = self._said(held, "cavity", batch)
        columns["defect_code"] = self._said(held, "defect", batch)
        columns["inspector_ref"] = coalesced(self._said(held, "inspector", batch), columns["inspector_ref"])
        columns["gage_id"] = coalesced(self._said(held, "gage", batch), columns["gage_id"])
        columns["subgroup"] = self._subgroups(at)
        sides = self.sides.take(at, held, columns, batch)
        columns["extra"] = objects(self._rest(held), self._once(at), batch.num_rows)
        self._judge(columns)
        return self._chunk(columns, sides)

    def finish(self) -> Iterator[Chunk]:
        """Yield the characteristics that have no value; hands the remarks to the log."""
        self._grow()
        without_values = np.flatnonzero(self.values[: len(self.known.all)] == 0)
        for start in range(0, len(without_values), canon.BATCH_ROWS):
            at = without_values[start : start + canon.BATCH_ROWS]
            columns = self._common(at)
            columns["locator"] = pa.array([f"K2001/{self.known.all[place].index}" for place in at.tolist()])
            columns["extra"] = objects([], self._once(at), len(at))
            columns["verdict"] = pa.array(["not_evaluated"] * len(at))
            columns["verdict_source"] = pa.array(["derived"] * len(at))
            self.sides.name_steps(at, columns)
            yield self._chunk(columns, {})
        rest = self.sides.left()
        if rest:
            yield rest
        self._tell()

    def _chunk(self, columns: dict[str, Any], sides: Chunk) -> Chunk:
        rows = len(columns["locator"])
        columns["source_id"] = pa.array([self.context.source_id] * rows, pa.string())
        return {**sides, **self.sides.left(), RESULT: canon.batch(RESULT, columns)}

    def _places(self, batch: pa.RecordBatch) -> Ints:
        """Return the number of the characteristic of each value; one that nothing describes is told of."""
        section = batch.column("section").to_numpy().astype(np.int64)
        index = batch.column("characteristic").to_numpy()
        _, row, back = np.unique(section * (1 << 32) + index, return_index=True, return_inverse=True)
        known = len(self.known.all)
        numbers = np.array([self.known.place(int(section[at]), int(index[at])) for at in row.tolist()], np.int64)
        places = numbers[back]
        for number in range(known, len(self.known.all)):
            line, found = int(batch.column("line")[int(np.argmax(places == number))].as_py()), self.known.all[number]
            self.remarks.note("F221", RESULT, "", str(found.index), f"line {line}", int((places == number).sum()))
        self._grow()
        return places

    def _grow(self) -> None:
        """Build the arrays of what characteristics share, where there are more of them than before."""
        found = self.known.all
        if len(found) == len(self.values) and self.shared:
            return
        self.values = np.append(self.values, np.zeros(len(found) - len(self.values), np.int64))
        texts = {name: [item.texts[name] for item in found] for name in (*self.facts["texts"], *self.facts["part"])}
        texts |= {"characteristic_code": [item.code for item in found], "unit": [item.unit for item in found]}
        texts |= {"group_path": [item.group for item in found], "characteristic_name_raw": [item.name for item in found]}
        texts["characteristic_type"] = ["attribute" if item.counting else "variable" for item in found]
        self.shared = {name: pa.array(values, pa.string()) for name, values in texts.items()}
        for name in self.facts["numbers"]:
            self.shared[name] = pa.array([item.numbers.get(name) for item in found], pa.float64())
        scales = {item.scale for item in found if item.scale is not None}
        self.scales = [(scale, np.array([item.scale == scale for item in found])) for scale in scales]

    def _common(self, at: Ints) -> dict[str, Any]:
        """Return the columns that all values of a characteristic share."""
        places = pa.array(at)
        return {name: shared.take(places) for name, shared in self.shared.items()}

    def _said(self, held: dict[str, pa.Array], what: str, batch: pa.RecordBatch) -> pa.Array:
        """Return the column of a K-field, nulls where the source has none of it."""
        found = held.get(self.names[what])
        return pa.nulls(batch.num_rows, pa.string()) if found is None else found

    def _value(self, held: dict[str, pa.Array], at: Ints, columns: dict[str, Any], batch: pa.RecordBatch) -> None:
        """Set value_num, value_text and value_raw; a value marked as missing has neither."""
        raw = self._said(held, "number", batch)
        number, commas = decimals(raw)
        code = counts(self._said(held, "attribute", batch))[0]
        missing = pc.fill_null(pc.is_in(code, value_set=pa.array(self.facts["attributes"]["missing"], pa.int32())), False)
        odd = pc.and_(pc.and_(raw.is_valid(), number.is_null()), pc.invert(missing))
        self._note("F226", "value_num", missing, pc.fill_null(raw, ""), columns)
        self._note("M045", "value_num", odd, raw, columns)
        self._note("F229", "value_num", commas, raw, columns)
        if pc.any(missing).as_py():
            number = pc.if_else(missing, None, number)
        for scale, members in self.scales:
            rows = pa.array(members[at])
            number = pc.replace_with_mask(number, rows, scale.apply(number.filter(rows)))
        columns |= {"value_raw": raw, "value_num": number, "missing": missing}
        columns["value_text"] = pc.if_else(odd, raw, None) if pc.any(odd).as_py() else pa.nulls(len(raw), pa.string())
        self.values += np.bincount(at, minlength=len(self.values))
        for place, row, count in zip(*(found.tolist() for found in np.unique(at, return_index=True, return_counts=True)), strict=True):
            item = self.known.all[place]
            if item.fault:
                self.remarks.note(item.fault, RESULT, "unit", item.texts["unit_raw"] or item.name, columns["locator"][row].as_py(), count)
            if item.code == "other":
                self.remarks.note("M041", RESULT, "characteristic_code", item.name, columns["locator"][row].as_py(), count)

    def _counted(self, held: dict[str, pa.Array], at: Ints, columns: dict[str, Any], batch: pa.RecordBatch) -> None:
        """Set sample size and number of faults; what is not written as the format says stays in `extra`."""
        sample, odd_sample = counts(self._said(held, "sample", batch), self.facts["sample"]["scale"])
        faults, odd_faults = counts(self._said(held, "faults", batch))
        columns |= {"sample_size": sample, "defect_count": faults}
        for what, odd in (("sample", odd_sample), ("faults", odd_faults)):
            name = self.names[what]
            if name in held:
                self._note("F228", "sample_size", odd, held[name], columns)
                held[name] = pc.if_else(odd, held[name], None)

    def _time(self, held: dict[str, pa.Array], columns: dict[str, Any], batch: pa.RecordBatch) -> None:
        raw = self._said(held, "measured", batch)
        if raw.null_count == len(raw):
            return
        columns["measured_at"], columns["tz_basis"], bad = moments(raw, self.zone)
        bad = pc.fill_null(bad, False)
        columns["measured_raw"] = raw
        self._note("F230", "measured_at", bad, raw, columns)
        zoneless = pc.and_(pc.and_(raw.is_valid(), columns["measured_at"].is_null()), pc.invert(bad))
        self._note("M048", "measured_at", zoneless, raw, columns)

    def _note(self, code: str, column: str, which: pa.Array, values: pa.Array, columns: dict[str, Any]) -> None:
        """Count a fault of the rows marked, with the value and the place of the first."""
        if not pc.any(which).as_py():
            return
        row = pc.index(which, True).as_py()
        self.remarks.note(code, RESULT, column, values[row].as_py(), columns["locator"][row].as_py(), pc.sum(which).as_py())

    def _subgroups(self, at: Ints) -> pa.Array:
        """Return the number of the subgroup of each value, where subgroups have one size."""
        sizes = np.array([item.subgroup for item in self.known.all], np.int64)[at]
        if not sizes.any():
            return pa.nulls(len(at), pa.int32())
        order = np.argsort(at, kind="stable")
        heads = np.flatnonzero(np.diff(at[order], prepend=-1))
        rank = np.empty(len(at), np.int64)
        rank[order] = np.arange(len(at)) - np.repeat(heads, np.diff(np.append(heads, len(at))))
        before = (self.values - np.bincount(at, minlength=len(self.values)))[at]
        return pa.array(((before + rank) // np.maximum(sizes, 1) + 1).astype(np.int32), mask=sizes == 0)

    def _judge(self, columns: dict[str, Any]) -> None:
        """Set the verdict that the limits give; AQDEF holds none of its own."""
        value, low, high = columns["value_num"], columns["lower_limit"], columns["upper_limit"]
        fails = pc.or_(pc.fill_null(pc.less(value, low), False), pc.fill_null(pc.greater(value, high), False))
        limited = pc.and_(value.is_valid(), pc.or_(low.is_valid(), high.is_valid()))
        single = pc.fill_null(pc.and_(pc.equal(columns["sample_size"], 1), columns["defect_count"].is_valid()), False)
        fails = pc.or_(fails, pc.and_(single, pc.fill_null(pc.greater(columns["defect_count"], 0), False)))
        judged = pc.or_(limited, single)
        missing = columns.pop("missing")
        verdict = pc.if_else(judged, pc.if_else(fails, "fail", "pass"), pc.if_else(missing, "not_evaluated", None))
        columns["verdict"] = verdict
        columns["verdict_source"] = pc.if_else(verdict.is_valid(), "derived", None)

    def _rest(self, held: dict[str, pa.Array]) -> list[tuple[str, pa.Array]]:
        """Return the K-fields of values that no column holds as they are written, in the order of their names."""
        names = self.names
        taken = {names[what] for what in ("number", "attribute", "measured", "cavity", "inspector", "gage", "defect", "result")}
        return [(name, held[name]) for name in sorted(held) if name not in taken]

    def _once(self, at: Ints) -> dict[int, str]:
        """Return, by row, what the first value of a characteristic tells of it."""
        places, rows = np.unique(at, return_index=True)
        found = {}
        for place, row in zip(places.tolist(), rows.tolist(), strict=True):
            item = self.known.all[place]
            if item.once:
                found[row], item.once = item.once, ""
        return found

    def _tell(self) -> None:
        self.remarks.tell(self.context.log, self.context.source)
