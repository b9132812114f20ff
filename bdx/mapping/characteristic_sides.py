"""What measured values name beside themselves: the pieces and lots they were taken of, the step and machine, the gauges."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon
from bdx.canon import Chunk
from bdx.mapping import Context, vocabulary
from bdx.mapping.characteristic_columns import coalesced
from bdx.mapping.characteristic_facts import Characteristic, Description, PartFacts, first
from bdx.mapping.characteristic_times import moments
from bdx.mapping.segment_rows import Seen
from bdx.spec import Facts

Rows = list[dict[str, Any]]
Ints = npt.NDArray[np.int64]
_TABLES = ("process_step", "equipment")


class Sides:
    """Collects the rows of the other tables; each thing is told at its first mention."""

    def __init__(self, known: Description, facts: Facts, context: Context) -> None:
        self.known = known
        self.facts = facts
        self.names = facts["value"]
        self.context = context
        self.items, self.steps, self.equipment = Seen(), Seen(), Seen()
        self.rows: dict[str, Rows] = {name: [] for name in _TABLES}
        self.batches: list[pa.RecordBatch] = []
        self.shared: dict[str, pa.Array] = {}
        self.whole: dict[str, pa.Array] = {}
        self.shared_for = -1
        described = {id(found.part) for found in known.all}
        for number, part in enumerate(known.parts, 1):
            self._part(part, number, bare=id(part) not in described)
        for found in known.all:
            self._plant(found.fields, "characteristic", found)

    def take(self, at: Ints, held: dict[str, pa.Array], columns: dict[str, Any], batch: pa.RecordBatch) -> Chunk:
        """Set item and step of the values; returns the rows of process_parameter they bring."""
        self._item(at, held, columns, batch)
        self.name_steps(at, columns, self._said(held, "machine", batch))
        gages = held.get(self.names["gage"])
        if gages is not None and gages.null_count < len(gages):
            for number in pc.unique(gages.drop_null()).to_pylist():
                self._entry(self.names["gage"], number, "gauge")
        return self._parameters(held, columns, batch)

    def name_steps(self, at: Ints, columns: dict[str, Any], machines: pa.Array | None = None) -> None:
        """Set the step of each value: that of its part, or of its part on the machine that the value names."""
        parts = {id(part): number for number, part in enumerate(self.known.parts)}
        part_of = np.array([parts[id(found.part)] for found in self.known.all], np.int64)[at]
        steps = pa.array([part.step or None for part in self.known.parts], pa.string())
        columns["step_run_id"] = steps.take(pa.array(part_of))
        if machines is None or machines.null_count == len(machines):
            return
        base = pa.array([f"{self.context.source_id}:part-{number + 1}:machine-" for number in range(len(self.known.parts))])
        own = pc.binary_join_element_wise(base.take(pa.array(part_of)), machines, "")
        coded = own.dictionary_encode()
        columns["step_run_id"] = coalesced(own, columns["step_run_id"])
        codes = coded.indices.fill_null(-1).to_numpy()
        rows = np.flatnonzero(np.diff(np.maximum.accumulate(codes), prepend=-1) > 0)
        for name, row in zip(coded.dictionary.to_pylist(), rows.tolist(), strict=True):
            if self.steps.add(name):
                machine = machines[row].as_py()
                self._step(self.known.parts[int(part_of[row])], name, machine)
                self._entry(self.names["machine"], machine, "machine")

    def left(self) -> Chunk:
        """Return the rows collected so far, and start anew."""
        found = {}
        for table, rows in self.rows.items():
            if rows:
                for row in rows:
                    row["source_id"] = self.context.source_id
                found[table] = canon.from_rows(table, rows)
        if self.batches:
            found["item"] = pa.concat_batches(self.batches)
        self.rows, self.batches = {name: [] for name in _TABLES}, []
        return found

    def _said(self, held: dict[str, pa.Array], what: str, batch: pa.RecordBatch) -> pa.Array:
        found = held.get(self.names[what])
        return pa.nulls(batch.num_rows, pa.string()) if found is None else found

    def _item(self, at: Ints, held: dict[str, pa.Array], columns: dict[str, Any], batch: pa.RecordBatch) -> None:
        """Set item_id: the piece where one is named, else the lot; a new one gets a row."""
        self._products()
        places = pa.array(at)
        lots = pc.utf8_trim_whitespace(pc.utf8_ltrim(self._said(held, "batch", batch), "#"))
        lots = coalesced(pc.if_else(pc.equal(lots, ""), None, lots), self.whole["lot"].take(places))
        pieces = pc.utf8_trim_whitespace(self._said(held, "serial", batch))
        pieces = coalesced(pc.if_else(pc.equal(pieces, ""), None, pieces), self.whole["serial"].take(places))
        columns["item_id"] = coalesced(pieces, lots)
        new = self._new(columns["item_id"])
        self._items(new, columns["item_id"], pieces, lots, at, columns["locator"])
        if pieces.null_count < len(pieces) and lots.null_count < len(lots):
            # The lot of a piece is an item too, where no value names it alone.
            new = self._new(lots)
            self._items(new, lots, pa.nulls(len(lots), pa.string()), lots, at, columns["locator"])

    def _new(self, names: pa.Array) -> pa.Array:
        """Return the rows in which items are named for the first time."""
        coded = names.dictionary_encode()
        codes = coded.indices.fill_null(-1).to_numpy()
        # Codes are given in the order in which names appear: a new one is larger than all before it.
        rows = np.flatnonzero(np.diff(np.maximum.accumulate(codes), prepend=-1) > 0)
        fresh = [self.items.add(name) for name in coded.dictionary.to_pylist()]
        return pa.array(rows[np.array(fresh, np.bool_)] if fresh else rows)

    def _items(self, rows: pa.Array, names: pa.Array, pieces: pa.Array, lots: pa.Array, at: Ints, locators: pa.Array) -> None:
        """Add the items named in some rows."""
        if not len(rows):
            return
        places = pa.array(at).take(rows)
        found = {column: shared.take(places) for column, shared in self._products().items()}
        pieces = pieces.take(rows)
        found |= {"item_id": names.take(rows), "serial_number": pieces, "lot_id": lots.take(rows), "locator": locators.take(rows)}
        found["granularity"] = pc.if_else(pieces.is_valid(), "serial", "lot")
        found["source_id"] = pa.array([self.context.source_id] * len(rows), pa.string())
        self.batches.append(canon.batch("item", found))

    def _products(self) -> dict[str, pa.Array]:
        """Return, by characteristic, what the items of its part are."""
        if len(self.known.all) != self.shared_for:
            self.shared_for = len(self.known.all)
            parts = [found.part for found in self.known.all]
            self.shared = {
                column: pa.array([first(part.fields, names) for part in parts], pa.string()) for column, names in self.facts["item"].items()
            }
            self.shared["item_kind"] = pa.array([self._kind(part) for part in parts], pa.string())
            self.whole = {
                what: pa.array([first(part.fields, names) for part in parts], pa.string()) for what, names in self.facts["whole"].items()
            }
        return self.shared

    def _kind(self, part: PartFacts) -> str:
        step = self._known_step(part)[0]
        return step.produces or "other"

    def _known_step(self, part: PartFacts) -> tuple[vocabulary.Step, str | None]:
        """Return the canonical step of a part, and the words it was found by."""
        words = [part.fields[name] for name in self.facts["step"]["step_name_raw"] if part.fields.get(name)]
        found = next(((step, word) for word in words if (step := vocabulary.step(word)) is not None), None)
        return found or (vocabulary.UNKNOWN_STEP, words[0] if words else None)

    def _part(self, part: PartFacts, number: int, *, bare: bool) -> None:
        """Add step and equipment of a part; one without characteristics has a step of its own, so that it is not lost."""
        if part.step or (bare and part.fields):
            self._step(part, part.step or f"{self.context.source_id}:part-{number}", None, bare=bare)
        self._plant(part.fields, "part", None)

    def _step(self, part: PartFacts, name: str, machine: str | None, *, bare: bool = False) -> None:
        row: dict[str, Any] = {column: first(part.fields, names) for column, names in self.facts["step"].items()}
        step, word = self._known_step(part)
        if step is vocabulary.UNKNOWN_STEP and word:
            self.known.remarks.note("M040", "process_step", "step_code", word, f"K1001/{part.index}")
        row |= {"step_run_id": name, "step_code": step.code, "step_name_raw": word, "step_type": "quality"}
        row["equipment_id"] = machine or row["equipment_id"]
        texts = pa.array([row["started_raw"], row["ended_raw"]], pa.string())
        if texts.null_count < 2:
            known, basis, bad = moments(texts, self.context.options.get("assume_tz") or None)
            row["started_at"], row["ended_at"] = known.to_pylist()
            row["tz_basis"] = next(word for word in ("unknown", "date_only", "assumed", "offset") if word in basis.to_pylist())
            for place, column in enumerate(("started_at", "ended_at")):
                text = texts[place].as_py()
                if text and known[place].as_py() is None:
                    self.known.remarks.note("F230" if bad[place].as_py() else "M048", "process_step", column, text, f"K1001/{part.index}")
        if bare:
            kept = {key: text for key, text in part.fields.items() if key not in self.facts["personal"]["fields"]}
            row["extra"] = canon.dumps({"part": {"index": part.index, **kept}})
        self.rows["process_step"].append(row | {"locator": f"K1001/{part.index}"})

    def _plant(self, fields: dict[str, str], level: str, found: Characteristic | None) -> None:
        """Add the equipment that a part or characteristic names."""
        for facts in self.facts["equipment"]:
            name = first(fields, facts["id"]) if facts["level"] == level else None
            if name and self.equipment.add(name):
                at = f"K2001/{found.index}" if found is not None else "K1001"
                row = {"equipment_id": name, "name": first(fields, facts["name"]), "class_id": facts["class"], "locator": at}
                row |= {"manufacturer": first(fields, facts.get("maker", ())), "serial_number": first(fields, facts.get("serial", ()))}
                self.rows["equipment"].append(row)

    def _entry(self, field: str, number: str, kind: str) -> None:
        """Add equipment that values name by its number in a catalogue, with the name the file's own catalogue gives it."""
        if not self.equipment.add(number):
            return
        names = self.facts["entries"].get(field, ())
        said = (file.get(f"{name}/{number}") for name in reversed(names) for file in self.known.files)
        name = next((text for text in said if text), None)
        self.rows["equipment"].append({"equipment_id": number, "name": name, "class_id": kind, "locator": field})

    def _parameters(self, held: dict[str, pa.Array], columns: dict[str, Any], batch: pa.RecordBatch) -> Chunk:
        """Return the process parameters that values carry, as written: numbers of a catalogue."""
        texts = self._said(held, "parameter", batch)
        if texts.null_count == len(texts):
            return {}
        some = texts.is_valid()
        rows = pc.sum(some).as_py()
        shared = ("item_id", "step_run_id", "measured_at", "tz_basis", "locator")
        found = {name: columns[name].filter(some) for name in shared if name in columns}
        raw = texts.filter(some)
        found |= {"value_raw": raw, "value_text": raw}
        constant = {"parameter_code": "other", "parameter_name_raw": self.names["parameter"], "role": "actual", "quality": "good"}
        constant["source_id"] = self.context.source_id
        found |= {name: pa.array([text] * rows, pa.string()) for name, text in constant.items()}
        return {"process_parameter": canon.batch("process_parameter", found)}
