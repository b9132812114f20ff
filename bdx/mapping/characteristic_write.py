"""Quality results -> the values and the description of a Q-DAS file, batch by batch; what it cannot hold is counted as lost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk, Document, Part, Table
from bdx.mapping import Context
from bdx.mapping.characteristic_book import Book, Entry
from bdx.mapping.characteristic_columns import coalesced, decimals
from bdx.mapping.segment_rows import Seen
from bdx.spec import Facts

RESULT = "quality_result"
_DATE = r"^[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}(?:[/. ][0-9]{1,2}:[0-9]{1,2}(?::[0-9]{1,2})?)?$"
_GUID = r"^\{?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}?$"
_KEYS = (
    *("spec_id", "spec_version", "characteristic_id", "characteristic_name_raw", "unit", "group_path", "nominal", "target", "lower_limit"),
    *("upper_limit", "scrap_low", "scrap_high", "plaus_low", "plaus_high", "gage_resolution"),
)
"""Columns in which the values of one characteristic agree."""
_CARRIED = frozenset(
    (
        *_KEYS,
        *("characteristic_code", "characteristic_type", "value_num", "value_text", "value_raw", "unit_raw", "item_id", "step_run_id"),
        *("measured_at", "measured_raw", "tz_basis", "attribute_code", "sample_size", "defect_count", "defect_code", "gage_id"),
        *("inspector_ref", "subgroup", "cavity", "result_id", "verdict", "verdict_source", "locator", "source_id", "extra"),
    )
)
_ALWAYS = frozenset(("locator", "source_id", "tz_basis", "extra"))
_STEP = frozenset(
    (
        *("step_run_id", "step_code", "step_name_raw", "order_id", "product_definition_id", "equipment_id", "line_id", "shift", "site_id"),
        *("operator_ref", "step_type", "started_at", "ended_at", "started_raw", "ended_raw"),
    )
)
_ITEM = frozenset(("item_id", "item_kind", "granularity", "lot_id", "serial_number", "material_definition_id", "name", "supplier_id"))


def written(chunks: Iterable[Chunk], facts: Facts, context: Context) -> Iterator[Part]:
    """Yield one table of values per batch of quality results, and at the end the description of their characteristics."""
    writer = _Writer(facts, context)
    for chunk in chunks:
        for table, batch in sorted(chunk.items(), key=lambda pair: pair[0] == RESULT):
            if table != RESULT:
                writer.note(table, batch)
            elif batch.num_rows:
                values = writer.values(batch)
                yield Table("values", values.schema, iter((values,)))
    writer.finish()
    yield Document("description", writer.book.document())


class _Writer:
    """Numbers the characteristics of each batch and lays out the fields of its values."""

    def __init__(self, facts: Facts, context: Context) -> None:
        self.facts = facts
        self.names = facts["value"]
        self.book = Book(facts, context)
        self.by_key: dict[str, Entry] = {}
        self.items: dict[str, Mapping[str, Any]] = {}
        self.steps: dict[str, Mapping[str, Any]] = {}
        self.equipment: dict[str, str] = {}
        self.used = Seen()
        self.counts = {"item": 0, "used_items": 0}
        self.lots: set[str] = set()

    def note(self, table: str, batch: pa.RecordBatch) -> None:
        """Remember what the values may refer to; count what no Q-DAS file holds."""
        if table in ("source", "evidence") or not batch.num_rows:
            return
        if table == "process_step":
            self.steps.update((row["step_run_id"], row) for row in batch.to_pylist())
            self._lose_columns(table, batch, _STEP)
        elif table == "item":
            self.counts["item"] += batch.num_rows
            if len(self.items) < self.facts["limits"]["items"]:
                some = batch.select(["item_id", "granularity", "material_definition_id", "name"])
                self.items.update((row["item_id"], row) for row in some.to_pylist())
                pieces = pc.not_equal(batch.column("item_id"), batch.column("lot_id"))
                self.lots.update(pc.unique(batch.column("lot_id").filter(pieces)).drop_null().to_pylist())
            self._lose_columns(table, batch, _ITEM)
        elif table == "equipment":
            self.equipment.update((row["equipment_id"], row["name"] or "") for row in batch.to_pylist())
        else:
            rows = batch.num_rows
            if table == "process_parameter":
                rows -= pc.sum(pc.equal(batch.column("parameter_name_raw"), self.names["parameter"])).as_py() or 0
            if rows:
                self.book.lose(f"table {table}", "AQDEF holds characteristics and their values", rows)

    def finish(self) -> None:
        """Count the steps, items and equipment that nothing in the file speaks of."""
        unused = sum(1 for name in self.steps if name not in self.used)
        # A value names its piece, and with it the lot of the piece.
        used = self.counts["used_items"] + sum(1 for lot in self.lots if lot in self.items and f"item {lot}" not in self.used)
        left = {"process_step": unused, "item": max(self.counts["item"] - used, 0)}
        left["equipment"] = sum(1 for name, title in self.equipment.items() if not {name, title} & self.book.said)
        for table, count in left.items():
            if count:
                self.book.lose(f"table {table}", "AQDEF holds only what values speak of", count)

    def values(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the values of a batch: number of the characteristic, and K-fields as text."""
        held = {name: batch.column(name) for name in batch.schema.names}
        self._lose_columns(RESULT, batch, _CARRIED)
        raw_number = decimals(held["value_raw"])[0]
        as_written = pc.and_(raw_number.is_valid(), pc.or_(held["unit_raw"].is_valid(), held["unit"].is_null()))
        raw = pc.replace_substring(pc.utf8_trim_whitespace(held["value_raw"]), ",", ".")
        number = pc.if_else(as_written, raw, held["value_num"].cast(pa.string()))
        counting = self._counting(held)
        unit = pc.if_else(pc.or_(as_written, held["value_num"].is_null()), coalesced(held["unit_raw"], held["unit"]), held["unit"])
        entries, at = self._entries(batch, held, unit, counting)
        columns = {"characteristic": pa.array([entry.number for entry in entries], pa.int64()).take(pa.array(at))}
        columns |= self._judged(held, number, counting)
        columns |= self._about(held, entries, at)
        for name, texts in self._extra(held["extra"]).items():
            columns[name] = coalesced(texts, columns[name]) if name in columns else texts
        columns = {name: texts for name, texts in columns.items() if name == "characteristic" or texts.null_count < len(texts)}
        some = np.zeros(batch.num_rows, np.bool_)
        for name, texts in columns.items():
            if name != "characteristic":
                some |= texts.is_valid().to_numpy(zero_copy_only=False)
        return pa.RecordBatch.from_pydict(dict(sorted(columns.items()))).filter(pa.array(some))

    def _entries(
        self, batch: pa.RecordBatch, held: Mapping[str, pa.Array], unit: pa.Array, counting: pa.Array
    ) -> tuple[list[Entry], npt.NDArray[np.int64]]:
        """Return the characteristics of a batch and which of them each row is of."""
        texts = [held[name].cast(pa.string()) for name in _KEYS] + [unit, counting.cast(pa.string()), self._part_words(held)]
        keys = pc.binary_join_element_wise(*texts, "\x1f", null_handling="replace", null_replacement="\x1e").dictionary_encode()
        codes = keys.indices.to_numpy()
        rows = np.unique(codes, return_index=True)[1]
        entries: list[Entry] = [Entry(0, 0, {})] * len(rows)
        told = pc.sum(pc.match_substring(held["extra"], '"characteristic":{')).as_py() or 0
        before = self.book.told
        for row in sorted(rows.tolist()):
            key = keys.dictionary[int(codes[row])].as_py()
            entry = self.by_key.get(key)
            if entry is None:
                facts = {name: column[row].as_py() for name, column in held.items()}
                facts |= {"unit_written": unit[row].as_py(), "counting": counting[row].as_py()}
                step = self.steps.get(facts["step_run_id"] or "", {})
                entry = self.by_key[key] = self.book.add(facts, self.items.get(facts["item_id"] or "", {}), step)
            entries[int(codes[row])] = entry
        if alike := told - (self.book.told - before):
            self.book.lose("characteristics alike in all columns", "their values are written as those of one", alike)
        return entries, codes.astype(np.int64)

    def _part_words(self, held: Mapping[str, pa.Array]) -> pa.Array:
        """Return what parts differ in beside their number: the words of the step, and the product where no number is stated."""
        coded = held["step_run_id"].dictionary_encode()
        words = []
        for name in coded.dictionary.to_pylist():
            step = self.steps.get(name, {})
            self.used.add(name)
            words.append(f"{step.get('step_name_raw') or ''}\x1d{step.get('product_definition_id') or ''}")
        steps = pa.array(words, pa.string()).take(coded.indices)
        items = held["item_id"].dictionary_encode()
        products = []
        for name in items.dictionary.to_pylist():
            self.counts["used_items"] += self.used.add(f"item {name}")
            products.append(self.items.get(name, {}).get("material_definition_id"))
        product = pa.array(products, pa.string()).take(items.indices)
        product = pc.if_else(held["spec_id"].is_null(), product, None)
        return pc.binary_join_element_wise(steps, product, "", null_handling="replace", null_replacement="")

    def _counting(self, held: Mapping[str, pa.Array]) -> pa.Array:
        """Say which rows count faults: those of such a characteristic, and those that hold nothing but a verdict."""
        bare = pc.and_(held["value_num"].is_null(), held["value_raw"].is_null())
        judged = pc.is_in(held["verdict"], value_set=pa.array(["pass", "fail"]))
        judged = pc.and_(pc.and_(pc.and_(bare, held["value_text"].is_null()), judged), held["attribute_code"].is_null())
        return pc.or_(pc.fill_null(pc.equal(held["characteristic_type"], "attribute"), False), judged)

    def _judged(self, held: Mapping[str, pa.Array], number: pa.Array, counting: pa.Array) -> dict[str, pa.Array]:
        """Return value, attribute and counts; a verdict stands alone as one fault in one piece, or none."""
        names, scale = self.names, self.facts["sample"]["scale"]
        sample = pc.multiply(held["sample_size"].cast(pa.int64()), scale)
        alone = pc.and_(pc.and_(counting, sample.is_null()), pc.is_in(held["verdict"], value_set=pa.array(["pass", "fail"])))
        faulty = pc.equal(held["verdict"], "fail").cast(pa.int32())
        faults = pc.if_else(pc.and_(alone, held["defect_count"].is_null()), faulty, held["defect_count"])
        sample = pc.if_else(alone, scale, sample)
        told = pc.and_(held["verdict"].is_valid(), pc.fill_null(pc.not_equal(held["verdict_source"], "derived"), True))
        self._lose("verdict", "AQDEF holds limits, not verdicts", pc.and_(pc.invert(alone), told))
        text = held["value_text"]
        only_text = pc.and_(text.is_valid(), number.is_null())
        self._lose("value_text", f"is no number; it stands in K0009, and {names['attribute']} says that there is none", only_text)
        unmarked = pc.and_(only_text, held["attribute_code"].is_null())
        code = pc.if_else(unmarked, self.facts["attributes"]["missing"][-1], held["attribute_code"])
        number = pc.if_else(only_text, "0", number)
        return {
            names["number"]: number,
            names["attribute"]: code.cast(pa.string()),
            names["sample"]: sample.cast(pa.string()),
            names["faults"]: faults.cast(pa.string()),
            "K0009": text,
        }

    def _about(self, held: Mapping[str, pa.Array], entries: list[Entry], at: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
        """Return the time, place and identity of the values."""
        names, places = self.names, pa.array(at)
        raw = held["measured_raw"]
        dated = pc.fill_null(pc.match_substring_regex(raw, _DATE), False)
        moment = pc.strftime(held["measured_at"].cast(pa.timestamp("s", tz="UTC"), safe=False), "%d.%m.%Y/%H:%M:%S")
        made = pc.and_(pc.invert(dated), moment.is_valid())
        self._lose("the zone of measured_at", "AQDEF states no zone; the time is written in UTC", made)
        self._lose("measured_raw", "is no date of the format", pc.and_(pc.invert(dated), pc.and_(raw.is_valid(), moment.is_null())))
        gage = held["gage_id"]
        own = pc.fill_null(pc.not_equal(gage, pa.array([entry.gage for entry in entries], pa.string()).take(places)), True)
        found = {names["measured"]: pc.if_else(dated, raw, moment), names["cavity"]: held["cavity"], names["defect"]: held["defect_code"]}
        for what, texts in (("gage", pc.if_else(pc.and_(own, gage.is_valid()), gage, None)), ("inspector", held["inspector_ref"])):
            numbered = pc.fill_null(pc.match_substring_regex(texts, r"^[0-9]+$"), False)
            column = {"gage": "gage_id", "inspector": "inspector_ref"}[what]
            self._lose(column, "a value names it by its number in a catalogue", pc.and_(texts.is_valid(), pc.invert(numbered)))
            found[names[what]] = pc.if_else(numbered, texts, None)
        result = held["result_id"]
        unique = pc.fill_null(pc.match_substring_regex(result, _GUID), False)
        self._lose("result_id", "is no GUID", pc.and_(result.is_valid(), pc.invert(unique)))
        found[names["result"]] = pc.if_else(unique, result, None)
        return found | self._identity(held, entries, places)

    def _identity(self, held: Mapping[str, pa.Array], entries: list[Entry], places: pa.Array) -> dict[str, pa.Array]:
        """Return the piece or the lot of each value, where neither `extra` nor the part says it."""
        said = pc.fill_null(pc.match_substring_regex(held["extra"], f'"(?:{self.names["serial"]}|{self.names["batch"]})":'), False)
        whole = pc.fill_null(pc.equal(held["item_id"], pa.array([entry.whole for entry in entries], pa.string()).take(places)), False)
        item = pc.if_else(pc.or_(said, whole), None, held["item_id"])
        coded = item.dictionary_encode()
        lots = [self.items.get(name, {}).get("granularity") == "lot" for name in coded.dictionary.to_pylist()]
        is_lot = pc.fill_null(pa.array(lots, pa.bool_()).take(coded.indices), False)
        batch = pc.binary_join_element_wise("#", pc.if_else(is_lot, item, None), "")
        return {self.names["serial"]: pc.if_else(is_lot, None, item), self.names["batch"]: batch}

    def _extra(self, extra: pa.Array) -> dict[str, pa.Array]:
        """Return the K-fields of values that stand in `extra`; what else stands there is lost, but what was told once."""
        coded = extra.dictionary_encode()
        rows = [_fields(text) for text in coded.dictionary.to_pylist()]
        names = sorted({name for fields in rows for name in fields if name[:2] == "K0" and len(name) == 5})
        times = np.bincount(coded.indices.drop_null().to_numpy(), minlength=len(rows))
        for fields, count in zip(rows, times.tolist(), strict=True):
            for name in fields:
                if name not in names and name not in ("characteristic", "part", "groups", "file"):
                    self.book.lose(f"extra {name}", "is no K-field", count)
        found = {name: pa.array([_text(fields.get(name)) for fields in rows], pa.string()) for name in names}
        return {name: texts.take(coded.indices) for name, texts in found.items()}

    def _lose(self, what: str, why: str, which: pa.Array) -> None:
        count = pc.sum(which).as_py() or 0
        if count:
            self.book.lose(f"{RESULT}.{what}" if " " not in what else what, why, count)

    def _lose_columns(self, table: str, batch: pa.RecordBatch, carried: frozenset[str]) -> None:
        for column in spec.table(table).columns:
            place = batch.schema.get_field_index(column.name)
            if place >= 0 and column.name not in carried | _ALWAYS and (count := batch.num_rows - batch.column(place).null_count):
                self.book.lose(f"{table}.{column.name}", "has no K-field", count)


def _fields(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    return None if value is None or isinstance(value, dict | list) else str(value)
