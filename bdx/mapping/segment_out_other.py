"""Rows that belong to no step -> messages of their own: materials, tests, equipment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Document, Part
from bdx.mapping.segment_nodes import Node
from bdx.mapping.segment_out_fit import Fit, put_back
from bdx.mapping.segment_out_heads import envelope
from bdx.mapping.segment_out_lots import Lots
from bdx.mapping.segment_out_materials import Known, Mentions
from bdx.mapping.segment_out_rows import ByKey, Row, Spool
from bdx.mapping.segment_out_step import Segments
from bdx.mapping.segment_out_values import extra_of, moment

Numbers = np.ndarray[Any, Any]
_WINDOW = 4_096


class Others:
    """Knows the items; keeps count of what no step tells, and tells it."""

    def __init__(self, fit: Fit, segments: Segments, spools: dict[str, Spool]) -> None:
        self.fit = fit
        self.segments = segments
        self.spools = spools
        tables = ("process_parameter", "quality_result", "genealogy")
        self._rows: dict[str, Numbers] = {name: np.arange(spools[name].rows) for name in tables}
        items = spools["item"]
        names = items.column("item_id")
        self._names = pc.unique(names) if items.rows else pa.array([], pa.string())
        self._by_name = ByKey(items, "item_id", self._names)
        self._told = np.zeros(items.rows, bool)
        self._met = np.zeros(len(self._names), bool)

    def stepless(self, rows: dict[str, ByKey], made: ByKey) -> None:
        """Take over the rows that no step has."""
        nobody = np.array([-1])
        for name, by in rows.items():
            self._rows[name] = by.numbers(nobody)[0]
        self._made_apart = made.numbers(nobody)[0]

    def know(self, found: dict[str, dict[int, list[Row]]], produced: dict[int, list[Row]], mentions: Mentions) -> None:
        """Tell the mentions what is known of the items of some steps; what was first said of an item is said once."""
        names: dict[str, None] = {}
        for rows in found["genealogy"].values():
            for row in rows:
                names[row["input_item_id"]] = names[row["output_item_id"]] = None
        for table in ("process_parameter", "quality_result"):
            for rows in found[table].values():
                names.update((row["item_id"], None) for row in rows if row.get("item_id") is not None)
        names.update((row["item_id"], None) for rows in produced.values() for row in rows)
        for rows in produced.values():
            for row in rows:
                self._told[row["#"]] = True
        self._learn(list(names), mentions)

    def _learn(self, names: list[str], mentions: Mentions) -> None:
        places = pc.index_in(pa.array(names, pa.string()), value_set=self._names)
        known = np.unique(pc.drop_null(places).to_numpy(zero_copy_only=False))
        self._met[known] = True
        self.settle(mentions)
        for rows in self._by_name.take(known).values():
            name = rows[0]["item_id"]
            fact = Known()
            for row in rows:
                fact.lot = fact.lot or row.get("lot_id")
                fact.granularity = fact.granularity or row.get("granularity")
                if not self._told[row["#"]] and row.get("produced_by_step_run_id") is None and fact.first is None:
                    fact.first = row
                    self._told[row["#"]] = True
            mentions.items[name] = fact

    def settle(self, mentions: Mentions) -> None:
        """Take back the first words on items that no mention had a place for."""
        for fact in mentions.items.values():
            if fact.first is not None:
                self._told[fact.first["#"]] = False
        mentions.items.clear()

    def messages(self, created: str) -> Iterator[tuple[str, Iterator[Part]]]:
        """Yield name and parts of each further message that has something to tell."""
        self._created = created
        loose = np.array(self.segments.untold, np.int64)
        self._rows["quality_result"] = np.sort(np.concatenate((self._rows["quality_result"], loose)))
        if self._lots().size:
            yield "material.xml", self._materials()
        else:
            self._lose_loose("no lot has a place for them")
        if self._rows["quality_result"].size:
            yield "tests.xml", self._tests()
        if self._machines():
            yield "equipment.xml", self._equipment()

    def refuse(self, name: str) -> None:
        """Name what a message would have told, where there is one file only."""
        self.fit.table = ""
        why = f"one file is one message; a folder (-o folder/) has {name} beside it"
        if name == "material.xml":
            self.fit.lose("item rows that no step mentions", why, len(self._lots()))
            self._lose_loose(why)
        elif name == "tests.xml":
            self.fit.lose("quality_result rows that no step has a place for", why, len(self._rows["quality_result"]))
        else:
            self.fit.lose("equipment rows that no step uses", why, len(self._machines()))

    def _lots(self) -> Numbers:
        """Return the numbers of item rows that no step tells."""
        return np.flatnonzero(~self._told)

    def _lose_loose(self, why: str) -> None:
        self.fit.table = ""
        for name in ("process_parameter", "genealogy"):
            self.fit.lose(f"{name} rows of no step", why, len(self._rows[name]))

    def _machines(self) -> list[str]:
        equipment = self.segments.equipment
        return [name for name in equipment.rows if name not in equipment.met]

    def _message(self, noun: str, elements: Iterator[Any]) -> Iterator[Part]:
        yield from envelope(self.fit, "Sync", noun, {"CreationDateTime": self._created}, {})
        yield Document("Open", (noun, None))
        if noun == "EquipmentInformation":
            yield Document("Element", ("ID", None, noun))
        for element in elements:
            if element is not None:
                yield Document("Element", element)
        for name in (noun, "DataArea", f"Sync{noun}"):
            yield Document("Close", name)

    def _materials(self) -> Iterator[Part]:
        loose = {name: self._rows[name] for name in ("process_parameter", "genealogy")}
        lots = Lots(self.segments, self.spools, self._names, self._by_name, loose)
        return self._message("MaterialInformation", lots.trees(self._lots()))

    def _tests(self) -> Iterator[Part]:
        if self.fit.number == "6":
            return self._message("MaterialInformation", self._tested_lots())
        return self._message("OperationsTestInformation", self._results())

    def _results(self) -> Iterator[Any]:
        numbers = self._rows["quality_result"]
        for start in range(0, len(numbers), _WINDOW):
            for row in self.spools["quality_result"].take(numbers[start : start + _WINDOW]):
                self._apart(row)
                for node in self.segments.stated.results([row]):
                    if row.get("item_id"):
                        node["TestableObjectID"] = row["item_id"]
                    yield self.fit.tree("TestResult", "TestResult", node)

    def _apart(self, row: Row) -> None:
        self.segments.stated.at("quality_result", row)
        if row.get("step_run_id"):
            self.fit.lose("step_run_id", "a message of tests does not say in which step they were made")

    def _tested_lots(self) -> Iterator[Any]:
        """Yield lots with a property for each result: B2MML 6 has test results there alone."""
        numbers = self._rows["quality_result"]
        for start in range(0, len(numbers), _WINDOW):
            for row in self.spools["quality_result"].take(numbers[start : start + _WINDOW]):
                self.segments.stated.at("quality_result", row)
                if not row.get("item_id"):
                    self.fit.lose("rows without an item", "B2MML 6 has test results of lots only")
                    continue
                self._apart(row)
                value = self.segments.stated.value(row)
                result: Node = {"ID": row["result_id"]} if row.get("result_id") else {}
                if value is not None:
                    result["Result"] = value
                if row.get("measured_at") is not None:
                    result["TestDateTime"] = moment(row["measured_at"])
                if row.get("verdict"):
                    self.fit.lose("verdict", "B2MML 6 has none")
                held: Node = {"ID": row["characteristic_name_raw"], "TestResult": result}
                yield self.fit.tree("MaterialLot", "MaterialLot", {"ID": row["item_id"], "MaterialLotProperty": held})

    def _equipment(self) -> Iterator[Part]:
        return self._message("EquipmentInformation", self._machine_trees())

    def _machine_trees(self) -> Iterator[Any]:
        equipment = self.segments.equipment
        for name in self._machines():
            row = equipment.rows[name]
            self.segments.stated.at("equipment", row)
            node: Node = {"ID": name}
            if row.get("name"):
                node["Description"] = row["name"]
            if row.get("level"):
                node["EquipmentLevel"] = row["level"]
            if row.get("class_id"):
                node["EquipmentClassID"] = row["class_id"]
            scope = equipment.scope(name, None)
            if scope is not None:
                node["HierarchyScope"] = scope
            for path in put_back(self.fit, "Equipment", node, extra_of(row)):
                self.fit.lose(f"extra {path}", "the schema has no place for it")
            yield self.fit.tree("Equipment", "Equipment", node)
