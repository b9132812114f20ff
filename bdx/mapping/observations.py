"""Observations and components of MTConnect -> process parameters and equipment, a table at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon
from bdx.canon import Chunk, Part, Table
from bdx.errors import UnsafeSource
from bdx.mapping import Context
from bdx.mapping.numbers import numbers
from bdx.mapping.observations_items import Item, Items
from bdx.mapping.observations_probe import Probes
from bdx.mapping.observations_times import first_of, moments
from bdx.mapping.segment_values import Remarks
from bdx.spec import Facts

_MEMO = 65_536
_TABLE = "process_parameter"
_HEAVIEST = 1 << 30
"""Bytes of attributes that the values of one observation may have in all."""
_NUMBER = r"^[0-9]{1,18}$"


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield chunks of equipment and process_parameter: one row per observation, per value of a vector or series, per entry of a set.

    What a probe says of data items is remembered for the sources that follow it in the run (`context.options["run"]`).
    """
    probes = Probes(facts, context)
    rows = _Rows(facts, context, probes)
    for part in parts:
        if not isinstance(part, Table):
            probes.take(part)
            continue
        for batch in part.batches:
            yield from rows.chunks(batch)
    if (chunk := probes.equipment()) is not None:
        yield chunk
    rows.remarks.tell(context.log, context.source)


class _Rows:
    """Turns tables of observations into rows."""

    def __init__(self, facts: Facts, context: Context, probes: Probes) -> None:
        self.context = context
        self.facts = facts
        self.probes = probes
        self.items = Items(facts, probes.declared)
        self.remarks = Remarks()
        self.memo: dict[str, Item] = {}
        self.seen = 0

    def chunks(self, batch: pa.RecordBatch) -> Iterator[Chunk]:
        """Yield the rows of a table, in batches no longer than one may be."""
        described = batch.column("item").dictionary.to_pylist()
        if len(self.memo) > _MEMO:
            self.memo.clear()
        for text in described:
            if text not in self.memo:
                self.memo[text] = self.items.item(text)
                self.probes.met(text)
        items = [self.memo[text] for text in described]
        if (chunk := self.probes.equipment()) is not None:
            yield chunk
        self._sequences(batch)
        kinds = np.array([item.kind == "SAMPLE" for item in items], np.bool_)
        which = batch.column("item").indices.to_numpy()
        text = pc.utf8_trim_whitespace(batch.column("text"))
        several = pc.and_(pa.array(kinds[which]), pc.match_substring_regex(text, r"\s")).fill_null(False).to_numpy(zero_copy_only=False)
        lengths = np.ones(len(which), np.int64)
        if several.any():
            lengths[several] = pc.count_substring_regex(text.filter(pa.array(several)), r"\s+").to_numpy() + 1
            weight = int((lengths * np.array([len(held) for held in described])[which]).max())
            if weight > _HEAVIEST:
                raise UnsafeSource(
                    f"a series of {int(lengths.max()):,} values has attributes too long to stand with each", path=self.context.source
                )
        ends = np.cumsum(lengths)
        start = 0
        while start < len(which):
            reached = int(ends[start - 1]) if start else 0
            stop = max(int(np.searchsorted(ends, reached + canon.BATCH_ROWS, "right")), start + 1)
            part = slice(start, stop)
            yield from self._rows(batch.slice(start, stop - start), text.slice(start, stop - start), items, several[part], lengths[part])
            start = stop
        self.seen += len(which)

    def _rows(self, batch: pa.RecordBatch, text: pa.Array, items: list[Item], several: Any, lengths: Any) -> Iterator[Chunk]:
        """Yield the rows of observations whose values are `lengths` many each."""
        ordinals = np.arange(self.seen + 1, self.seen + 1 + len(lengths))
        index = pa.nulls(len(lengths), pa.int32())
        if several.any():
            parent = np.repeat(np.arange(len(lengths)), lengths)
            within = np.arange(len(parent)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
            index = pa.array(within.astype(np.int32), mask=~several[parent])
            values = pc.list_flatten(pc.utf8_split_whitespace(text.filter(pa.array(several))))
            alone = pc.if_else(pa.array(several), pa.scalar("", pa.string()), text)  # A long text is not repeated.
            text = pc.replace_with_mask(alone.take(pa.array(parent)), pa.array(several[parent]), values)
            batch = batch.set_column(batch.schema.get_field_index("text"), "text", alone)
            batch, ordinals = (
                pa.RecordBatch.from_arrays([c.take(pa.array(parent)) for c in batch.columns], schema=batch.schema),
                ordinals[parent],
            )
        which = batch.column("item").indices
        column = _Columns(items, which)
        sequence = pc.if_else(pc.match_substring_regex(batch.column("sequence"), _NUMBER), batch.column("sequence"), None)
        locator = pc.if_else(
            sequence.is_valid(),
            pc.binary_join_element_wise("sequence", sequence, " "),
            pc.binary_join_element_wise("observation", pa.array(ordinals).cast(pa.string()), " "),
        )
        measured, basis = moments(batch.column("timestamp"), self.context.options.get("assume_tz"))
        values = self._values(column, text, batch, locator)
        self._times(batch.column("timestamp"), measured, basis, locator)
        self._kinds(column, locator)
        columns = {
            "parameter_code": column.text("code"),
            "parameter_name_raw": column.text("name"),
            "role": column.text("role"),
            "unit_raw": column.text("unit_raw"),
            "condition": _keys(batch.column("entry"), batch.column("cell")),
            "index": index,
            "measured_at": measured,
            "tz_basis": basis,
            "group_path": column.text("group"),
            "equipment_id": column.text("equipment"),
            "statistic": column.text("statistic"),
            "locator": locator,
            "source_id": pa.array([self.context.source_id], pa.string()).take(pa.array(np.zeros(len(which), np.int8))),
            "extra": column.rest(sequence),
            **values,
        }
        made = canon.batch(_TABLE, columns)
        for start in range(0, made.num_rows, canon.BATCH_ROWS):
            yield {_TABLE: made.slice(start, canon.BATCH_ROWS)}

    def _values(self, column: _Columns, text: pa.Array, batch: pa.RecordBatch, locator: pa.Array) -> dict[str, pa.Array]:
        """Return the columns of the value: number, text, unit, as written, quality."""
        level = column.text("level")
        missing = pc.or_(pc.equal(pc.utf8_upper(pc.coalesce(level, text)), "UNAVAILABLE"), batch.column("removed").fill_null(False))
        missing = pc.or_(missing.fill_null(True), pc.and_(level.is_null(), pc.equal(text, "").fill_null(True)))
        numeric = pc.and_(column.flag("numeric"), pc.invert(missing))
        number = numbers(pc.if_else(numeric, text, pa.scalar(None, pa.string())))
        number = column.scaled(number)
        odd = pc.and_(column.flag("sample"), pc.and_(numeric, number.is_null()))
        if (row := first_of(odd)) >= 0:
            self.remarks.note("M045", _TABLE, "value_num", str(text[row]), str(locator[row]), pc.sum(odd).as_py())
        unsure = pc.or_(odd, pc.and_(number.is_valid(), column.flag("sample_without_unit")))
        for fault in ("M042", "M043", "M044", "M110", "M111"):
            found = column.faulty(fault)
            if fault != "M111" and found is not None:
                found = pc.and_(found, pc.or_(number.is_valid(), column.flag("of_no_kind")))
            if found is None:
                continue
            faulty = np.flatnonzero(found.fill_null(False).to_numpy(zero_copy_only=False))
            for number_of, first, count in zip(*np.unique(column.places[faulty], return_index=True, return_counts=True), strict=True):
                item = column.items[number_of]
                value = item.unit_raw or "" if fault in ("M043", "M044") else item.name
                self.remarks.note(fault, _TABLE, "unit", value, str(locator[int(faulty[first])]), int(count))
        stated = column.text("quality")
        quality = pc.if_else(pc.and_(unsure, pc.equal(stated, "good")), pa.scalar("uncertain"), stated)
        null = pa.scalar(None, pa.string())
        raw = pc.if_else(level.is_valid(), pc.if_else(pc.equal(text, "").fill_null(True), level, text), text)
        return {
            "value_num": number,
            "value_text": pc.if_else(pc.or_(missing, number.is_valid()), null, pc.coalesce(level, text)),
            "unit": pc.if_else(number.is_valid(), column.text("unit"), null),
            "value_raw": raw,
            "quality": pc.if_else(missing, pa.scalar("missing"), quality),
        }

    def _times(self, written: pa.Array, measured: pa.Array, basis: pa.Array, locator: pa.Array) -> None:
        assumed = pc.equal(basis, "assumed")
        if not self.context.options.get("assume_tz") and (row := first_of(assumed)) >= 0:
            self.remarks.note("M112", _TABLE, "measured_at", str(written[row]), str(locator[row]), pc.sum(assumed).as_py())
        unreadable = pc.and_(written.is_valid(), measured.is_null())
        if (row := first_of(unreadable)) >= 0:
            self.remarks.note("M049", _TABLE, "measured_at", str(written[row]), str(locator[row]), pc.sum(unreadable).as_py())

    def _kinds(self, column: _Columns, locator: pa.Array) -> None:
        for number, count in enumerate(np.bincount(column.places, minlength=len(column.items))):
            item = column.items[number]
            if count and item.code == "other":
                row = int(np.argmax(column.places == number))
                self.remarks.note("M113", _TABLE, "parameter_code", item.type or item.name, str(locator[row]), int(count))

    def _sequences(self, batch: pa.RecordBatch) -> None:
        """Find observations numbered higher than their header allows."""
        written = batch.column("sequence")
        sequence = pc.if_else(pc.match_substring_regex(written, _NUMBER), written, None).cast(pa.int64())
        documents = pc.dictionary_encode(batch.column("document"))
        last = pa.array([self.probes.last.get(number) for number in documents.dictionary.to_pylist()], pa.int64()).take(documents.indices)
        beyond = pc.greater(sequence, last)
        if (row := first_of(beyond)) >= 0:
            value = f"{sequence[row]} where the last is {last[row]}"
            self.context.log.find(
                "F262", source=self.context.source, locator=f"sequence {sequence[row]}", count=pc.sum(beyond).as_py(), value=value
            )


_FLAGS: dict[str, Callable[[Item], bool]] = {
    "numeric": lambda item: item.numeric,
    "of_no_kind": lambda item: not item.kind,
    "sample": lambda item: item.kind == "SAMPLE",
    "sample_without_unit": lambda item: item.kind == "SAMPLE" and item.unit is None,
}


class _Columns:
    """Columns of what is the same for all observations of an item."""

    def __init__(self, items: list[Item], which: pa.Array) -> None:
        self.items = items
        self.which = which
        self.places = which.to_numpy()

    def text(self, name: str) -> pa.Array:
        """Return a text of the items."""
        return pa.array([getattr(item, name) for item in self.items], pa.string()).take(self.which)

    def flag(self, name: str) -> pa.Array:
        """Return a yes or no of the items."""
        return pa.array([_FLAGS[name](item) for item in self.items], pa.bool_()).take(self.which)

    def faulty(self, code: str) -> pa.Array | None:
        """Return which rows are of items with a fault, None where no item has it."""
        found = [item.fault == code for item in self.items]
        return pa.array(found, pa.bool_()).take(self.which) if any(found) else None

    def scaled(self, values: pa.Array) -> pa.Array:
        """Return the numbers in the canonical units of their items."""
        scales = {item.scale for item in self.items}
        if len(scales) == 1:
            return scales.pop().apply(values)
        for scale in scales:
            if scale.scale != 1 or scale.offset:
                mask = pa.array([item.scale == scale for item in self.items], pa.bool_()).take(self.which)
                values = pc.if_else(mask, scale.apply(values), values)
        return values

    def rest(self, sequence: pa.Array) -> pa.Array:
        """Return JSON of what has no column, with the sequence number in it."""
        before = pa.array([item.extra[0] for item in self.items], pa.string())
        after = pa.array([item.extra[1] for item in self.items], pa.string())
        comma = pa.array(["" if item.extra[0] == "{" else "," for item in self.items], pa.string())
        behind = pa.array(["" if item.extra[1] == "}" else "," for item in self.items], pa.string())
        both = pa.array([("," if item.extra[0] != "{" and item.extra[1] != "}" else "") for item in self.items], pa.string())
        first = pc.binary_join_element_wise(before, comma, '"sequence":', "").take(self.which)
        with_number = pc.binary_join_element_wise(first, sequence, pc.binary_join_element_wise(behind, after, "").take(self.which), "")
        return pc.coalesce(with_number, pc.binary_join_element_wise(before, both, after, "").take(self.which))


def _keys(entry: pa.Array, cell: pa.Array) -> pa.Array:
    """Return the key of an entry, or its keys."""
    return pc.coalesce(pc.binary_join_element_wise(entry, cell, "/"), entry)
