"""Items and steps of production tables by number: one row per item, what was measured of it, and the graph of what went into what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec, units
from bdx.derive.lineage_graph import Graph
from bdx.derive.lineage_rows import Rows
from bdx.errors import MappingError
from bdx.spec import Facts

_ITEM = (
    *("item_kind", "granularity", "lot_id", "serial_number", "material_definition_id", "name", "produced_by_step_run_id", "produced_at"),
    *("quantity", "quantity_unit", "mass_kg", "material_class", "extra", "locator"),
)
_RESULT = ("item_id", "characteristic_code", "value_num", "unit", "verdict", "result_id", "locator")


class Plant:
    """Production tables as arrays over the numbers of `graph`; an item of several rows has of each column the first value stated."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        self.tables = tables
        rows = Rows()
        for name in ("genealogy", "item", "process_step"):
            for batch in tables[name].to_batches() if name in tables else ():
                rows.take(name, batch)
        self.graph = Graph(rows, spec.load(spec.root() / "lineage.toml", "lineage"))
        self.facts: Facts = spec.load(spec.root() / "balance.toml", "balance")
        self.items = _merged(tables["item"])
        self.place = _numbers(self.graph.ids, self.items["item_id"])
        """Row of `items` of each item of the graph, -1 where no row describes it."""
        self.number = _numbers(self.items["item_id"], self.graph.ids)
        """Number in the graph of each row of `items`."""

    def texts(self, column: str) -> pa.Array:
        """Return a text column over the numbers of the graph, null where nothing is said."""
        return self.items[column].take(pa.array(np.where(self.place < 0, 0, self.place), mask=self.place < 0)).combine_chunks()

    def numbers(self, column: str) -> Any:
        """Return a column of numbers over the numbers of the graph, NaN where nothing is said."""
        return self.texts(column).cast(pa.float64()).fill_null(float("nan")).to_numpy(zero_copy_only=False)

    def is_text(self, column: str, *words: str) -> Any:
        """Return which items have one of the words in a column."""
        found = pc.is_in(self.texts(column), value_set=pa.array(words, pa.string()))
        return np.asarray(found.to_numpy(zero_copy_only=False), bool)

    @cached_property
    def piece(self) -> Any:
        """Which items are single pieces."""
        return self.is_text("granularity", "serial")

    @cached_property
    def amounts(self) -> tuple[Any, Any]:
        """Quantity of each item in the base unit of its dimension, and the number of that dimension (-1: none stated)."""
        return in_base(self.numbers("quantity"), self.texts("quantity_unit").dictionary_encode())

    def rows(self, places: Any, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return rows of items by their place."""
        return self.items.select(["item_id", *(columns or _ITEM)]).take(pa.array(places)).to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def _steps(self) -> dict[str, int]:
        steps = self.tables.get("process_step")
        names = steps["step_run_id"].to_pylist() if steps is not None else []
        return {name: number for number, name in reversed(list(enumerate(names)))}

    def steps(self, names: Sequence[str | None]) -> dict[str, dict[str, Any]]:
        """Return the first row of each step that is named, by its identifier."""
        table = self.tables.get("process_step")
        places = sorted({self._steps[name] for name in names if name in self._steps})
        if table is None or not places:
            return {}
        wanted = table.select(["step_run_id", "parent_step_run_id", "step_code", "site_id", "ended_raw", "locator"])
        return {row["step_run_id"]: row for row in wanted.take(pa.array(places)).to_pylist()}

    def results(self, codes: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
        """Return item -> characteristic -> the last result with a number and a unit."""
        table = self.tables.get("quality_result")
        if table is None or not table.num_rows:
            return {}
        stated = pc.and_(table["value_num"].is_valid(), pc.and_(table["unit"].is_valid(), table["item_id"].is_valid()))
        kept = pc.and_(stated, pc.is_in(table["characteristic_code"], value_set=pa.array(codes, pa.string())))
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for row in table.select(_RESULT).filter(pc.fill_null(kept, False)).to_pylist():
            found.setdefault(row["item_id"], {})[row["characteristic_code"]] = row
        return found


def in_base(values: Any, names: pa.DictionaryArray) -> tuple[Any, Any]:
    """Return values in the base unit of their dimension, and the number of the dimension; NaN and -1 without number or unit."""
    scales, kinds = [float("nan")], [-1]
    for name in names.dictionary.to_pylist():
        try:
            found = units.unit(name)
        except MappingError:
            scales.append(float("nan"))
            kinds.append(-1)
            continue
        scales.append(float(found.scale))
        kinds.append(dimension(found.quantity))
    codes = names.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
    amounts = np.asarray(values) * np.asarray(scales)[codes]
    return amounts, np.where(np.isnan(amounts), -1, np.asarray(kinds)[codes])


@cache
def dimension(quantity: str) -> int:
    """Return the number that stands for a dimension of specs/units.toml."""
    return sorted({row["quantity"] for row in spec.load(spec.root() / "units.toml", "units")["unit"]}).index(quantity)


def key(table: str, *names: str) -> str:
    """Return a row as the column `evidence.rows` writes it; blanks and brackets of identifiers are escaped as in a URL."""
    said = "->".join(names)
    return f"{table}[{said if _ODD.search(said) is None else _ODD.sub(_escaped, said)}]"


_ODD = re.compile(r"[%\s\[\]]")


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def _merged(items: pa.Table) -> pa.Table:
    """Return one row per item that stands: of each column the first value that any row of the item has."""
    if "record_action" in items.column_names and pc.any(pc.equal(items["record_action"], "delete")).as_py():
        items = _standing(items)
    missing = [name for name in _ITEM if name not in items.column_names]
    items = items.select(["item_id", *(name for name in _ITEM if name not in missing)]).combine_chunks()
    if pc.count_distinct(items["item_id"]).as_py() != items.num_rows:
        known = items.column_names[1:]
        grouped = items.group_by("item_id", use_threads=False).aggregate([(name, "first") for name in known])
        items = grouped.select(["item_id", *(f"{name}_first" for name in known)]).rename_columns(["item_id", *known])
    for name in missing:
        items = items.append_column(name, pa.nulls(items.num_rows, pa.float64() if name in ("quantity", "mass_kg") else pa.string()))
    return items


def _standing(items: pa.Table) -> pa.Table:
    """Return the rows that no later row of the same item deletes."""
    codes = np.asarray(items["item_id"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False))
    deletes = np.asarray(pc.fill_null(pc.equal(items["record_action"], "delete"), False).to_numpy(), bool)
    last = np.full(int(codes.max(initial=-1)) + 1, -1, np.int64)
    places = np.flatnonzero(deletes)
    np.maximum.at(last, codes[places], places)
    return items.filter(pa.array(np.arange(len(codes)) > last[codes]))


def _numbers(wanted: pa.Array | pa.ChunkedArray, known: pa.Array | pa.ChunkedArray) -> Any:
    values = known.combine_chunks() if isinstance(known, pa.ChunkedArray) else known
    found = pc.fill_null(pc.index_in(wanted, value_set=values), -1)
    found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    return np.asarray(found.to_numpy(zero_copy_only=False)).astype(np.int64)
