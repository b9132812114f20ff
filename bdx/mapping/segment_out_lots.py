"""Lots and sub-lots that no step tells -> the elements of a material message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.mapping.segment_nodes import Node
from bdx.mapping.segment_out_fit import Fit, Tree, put_back
from bdx.mapping.segment_out_rows import ByKey, Row, Spool
from bdx.mapping.segment_out_step import Segments
from bdx.mapping.segment_out_values import ONE_NAME, extra_of, moment

Numbers = np.ndarray[Any, Any]
_WINDOW = 4_096
_SLIGHT = frozenset(
    (
        "#",
        "item_id",
        "granularity",
        "lot_id",
        "sublot_id",
        "serial_number",
        "quantity",
        "quantity_raw",
        "quantity_unit",
        "locator",
        "source_id",
    )
)
"""Columns of a row that says no more of an item than the assembly it is part of."""


class Lots:
    """Makes lots, with what was assembled into them and the properties that belong to no step."""

    def __init__(self, segments: Segments, spools: dict[str, Spool], names: pa.Array, rows: ByKey, loose: dict[str, Numbers]) -> None:
        self.segments = segments
        self.fit: Fit = segments.fit
        self.spools = spools
        self._names = names
        self._rows = rows
        self._properties = ByKey(spools["process_parameter"], "item_id", names)
        self._parts = ByKey(spools["genealogy"], "output_item_id", names)
        self._loose = {name: _mask(spools[name].rows, numbers) for name, numbers in loose.items()}
        self._told = {name: np.zeros(spools[name].rows, bool) for name in loose}
        self._inputs = self._assembled()
        self._pieces = self._sublots()

    def trees(self, numbers: Numbers) -> Iterator[Tree | None]:
        """Yield lots, then sub-lots, as a material message has them; at last what is left is counted."""
        for sublots in (False, True):
            seen: set[str] = set()
            for start in range(0, len(numbers), _WINDOW):
                rows = self.spools["item"].take(numbers[start : start + _WINDOW])
                places = pc.index_in(pa.array([row["item_id"] for row in rows], pa.string()), value_set=self._names).to_numpy(
                    zero_copy_only=False
                )
                wanted = np.unique(places)
                properties, parts = self._properties.take(wanted), self._parts.take(wanted)
                for row, place in zip(rows, places.tolist(), strict=True):
                    if _is_sublot(row) is not sublots or self._slight(row):
                        continue
                    first = row["item_id"] not in seen
                    seen.add(row["item_id"])
                    yield self._lot(row, properties.get(place, []) if first else [], parts.get(place, []) if first else [])
        for name, told in self._told.items():
            self.fit.table = name
            self.fit.lose(
                "rows of no step", "a lot tells its properties and what was assembled into it", int((self._loose[name] & ~told).sum())
            )

    def _assembled(self) -> set[str]:
        """Return the items that a lot of its own names as its parts."""
        edges = self.spools["genealogy"].take(np.flatnonzero(self._loose["genealogy"]))
        return {edge["input_item_id"] for edge in edges if edge["relation"] == "assembled"}

    def _sublots(self) -> set[str]:
        """Return those of the parts that are sub-lots."""
        places = pc.drop_null(pc.index_in(pa.array(sorted(self._inputs), pa.string()), value_set=self._names))
        rows = self._rows.take(np.unique(places.to_numpy(zero_copy_only=False)))
        return {row["item_id"] for found in rows.values() for row in found if _is_sublot(row)}

    def _slight(self, row: Row) -> bool:
        said = {name for name, value in row.items() if value is not None}
        return row["item_id"] in self._inputs and said <= _SLIGHT

    def _lot(self, row: Row, properties: list[Row], parts: list[Row]) -> Tree | None:
        sublot = _is_sublot(row)
        name = "MaterialSubLot" if sublot else "MaterialLot"
        stated = self.segments.stated
        node: Node = {"ID": row["item_id"]}
        mine = [found for found in properties if self._loose["process_parameter"][found["#"]]]
        if mine:
            node["MaterialLotProperty"] = stated.nested(mine, "MaterialLotProperty", "MaterialLotProperty", "material_property")
            self._told["process_parameter"][[found["#"] for found in mine]] = True
        stated.at("item", row)
        if row.get("serial_number") not in (None, row["item_id"]):
            self.fit.lose("serial_number", ONE_NAME)
        extra = extra_of(row)
        for element, column in (("Description", "name"), ("MaterialDefinitionID", "material_definition_id"), ("Status", "status")):
            if row.get(column):
                node[element] = row[column]
        if row.get("disposition"):
            node["Disposition"] = extra.pop("Disposition", None) or self.segments.dispositions[row["disposition"]]
        for element, column in (("EffectiveStartDate", "effective_from"), ("EffectiveEndDate", "effective_to")):
            if row.get(column) is not None:
                node[element] = extra.pop(element, None) or moment(row[column])
        if row.get("storage_location") and "StorageLocation" not in extra:
            place = self.fit.place(name, "StorageLocation")
            plain = place is not None and self.fit.is_leaf(place.kind)
            node["StorageLocation"] = (
                row["storage_location"] if plain else {"Location": row["storage_location"], "LocationType": "Description"}
            )
        if row.get("quantity_raw") or row.get("quantity") is not None:
            node["Quantity"] = self.segments.mentions.amounts.quantity(
                row.get("quantity_raw"), row.get("quantity"), row.get("quantity_unit")
            )
        if sublot and row.get("lot_id"):
            node["MaterialLotID"] = row["lot_id"]
        self._assemblies(row, node, parts)
        for path in put_back(self.fit, name, node, extra):
            self.fit.lose(f"extra {path}", "the schema has no place for it")
        return self.fit.tree(name, name, node)

    def _assemblies(self, row: Row, node: Node, parts: list[Row]) -> None:
        """Name the parts of a lot, and take for told that a sub-lot is of its lot."""
        for edge in parts:
            if not self._loose["genealogy"][edge["#"]]:
                continue
            part = edge["input_item_id"]
            if edge["relation"] == "split" and part == row.get("lot_id"):
                self._told["genealogy"][edge["#"]] = True
            elif edge["relation"] == "assembled":
                self._told["genealogy"][edge["#"]] = True
                held: Node = {"ID": part}
                if edge.get("quantity") is not None:
                    held["Quantity"] = self.segments.mentions.amounts.quantity(None, edge["quantity"], edge.get("unit"))
                node.setdefault("AssemblySubLot" if part in self._pieces else "AssemblyLot", []).append(held)


def _mask(count: int, numbers: Numbers) -> Numbers:
    mask = np.zeros(count, bool)
    mask[numbers] = True
    return mask


def _is_sublot(row: Row) -> bool:
    """Say whether an item is part of a lot."""
    lot = row.get("lot_id")
    if row.get("sublot_id") is not None or lot not in (None, row["item_id"]):
        return True
    return lot is None and row.get("granularity") in ("sublot", "serial")
