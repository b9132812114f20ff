"""What a document model does not carry: columns without a place, rows without a place, fields of other models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pyarrow as pa

from bdx import spec
from bdx.mapping import Context
from bdx.mapping.paths_extra import Notes, leftover
from bdx.mapping.paths_nodes import Constant, Copy
from bdx.mapping.paths_plan import plan
from bdx.mapping.paths_quantity import Node, Quantity, UnitOf
from bdx.mapping.paths_tree import Plan, Rows
from bdx.mapping.transforms_base import Options


class Losses:
    """Counts what is lost while one chunk is written, and reports it once."""

    def __init__(self, facts: Plan, context: Context, options: Options) -> None:
        self._plan = facts
        self._context = context
        self.options = options
        self._found: Counter[tuple[str, str]] = Counter()
        self.times = 1

    def add(self, what: str, why: str, count: int) -> None:
        """Count something that is not carried."""
        if count:
            self._found[what, why] += count * self.times

    def report(self) -> None:
        """Hand the counts to the log."""
        for (what, why), count in self._found.items():
            self._context.log.lose(self._context.source, what, f"{self._plan.model}: {why}", count)
        self._found.clear()

    def columns(self, table: str, batch: pa.RecordBatch, places: list[Rows | None] | None, weights: list[int] | None) -> None:
        """Count the values of columns that the place of their row does not carry, and rows without a place."""
        times = weights or [1] * batch.num_rows
        if places is None:
            carried = self._plan.scopes[0].carries
            for name, array in zip(batch.schema.names, batch.columns, strict=True):
                if name not in carried:
                    self.add(f"{table}.{name}", "it has no place for this column", len(array) - array.null_count)
            return
        homeless = places.count(None)
        if homeless:
            self._homeless(table, batch, places, times)
        used = {id(place): place for place in places if place is not None}
        carried_by = {number: place.carries for number, place in used.items()}
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            if array.null_count == len(array) or all(name in carried for carried in carried_by.values()):
                continue
            second = {place.scope.fallbacks[name] for place in used.values() if name in place.scope.fallbacks}
            first = batch.column(second.pop()).to_pylist() if second else [name] * len(array)
            count = sum(
                number
                for number, value, place, spoken in zip(times, array.to_pylist(), places, first, strict=True)
                if value is not None
                and place is not None
                and name not in carried_by[id(place)]
                and spoken not in (None, value)
                and place.assumed.get(name) != value
            )
            self.add(f"{table}.{name}", "it has no place for this column", count)

    def _homeless(self, table: str, batch: pa.RecordBatch, places: list[Rows | None], times: list[int]) -> None:
        """Count rows without a place by the column that tells them apart."""
        telling = next((place.match[0] for place in self._plan.rows if place.scope.table == table and place.match), "")
        values = batch.column(telling).to_pylist() if telling in batch.schema.names else [None] * batch.num_rows
        lost: Counter[Any] = Counter()
        for value, place, number in zip(values, places, times, strict=True):
            if place is None:
                lost[value] += number
        for value, count in lost.items():
            name = f"{table}[{telling}={value}]" if telling and value is not None else table
            self.add(name, "it has no place for these rows", count)

    def foreign(self, table: str, model: str, notes: Notes, values_of: Callable[[str], list[Any]], times: list[int]) -> None:
        """Count the fields that rows note for another model: unknown ones, unreadable ones, parts a column cannot hold.

        All rows note the same; `values_of` gives a column of them, `times` how many rows each stands for.
        """
        every = sum(times)
        known = _nodes(model, table, self.options)
        for pointer, raw in notes.items():
            if pointer in ("-", "+", "#") or raw is None or raw in ({}, []):
                continue
            node = known.get(pointer)
            why = f"it has no place for this field of {model}"
            if node is None:
                self.add(f"{table} {general(pointer)}", why, every)
            elif isinstance(node, UnitOf | Copy | Constant):
                continue
            else:
                columns = zip(times, *map(values_of, node.columns), strict=True)
                silent = sum(number for number, *values in columns if all(value is None for value in values))
                self.add(f"{table} {general(pointer)}", f"what {model} holds here has no canonical meaning", silent)
                if silent < every and not isinstance(node, Quantity) and isinstance(raw, dict | list):
                    for part in leftover(raw, node.written(raw)):
                        self.add(f"{table} {general(pointer)}{part}", why, every - silent)


@lru_cache(maxsize=16384)
def general(pointer: str) -> str:
    """Return a pointer with every number of a list as '*'."""
    return "/".join("*" if step.isdecimal() else step for step in pointer.split("/"))


@lru_cache(maxsize=256)
def _nodes(model: str, table: str, options: Options) -> dict[str, Node]:
    """Return the places of another model by pointer within the element of a row; none for a model without a mapping here."""
    if not spec.has("mappings", model) or spec.facts("mappings", model)["kind"] != "paths":
        return {}
    return {pointer: node for scope in plan(model, options).scopes if scope.table == table for pointer, node in scope.nodes.items()}
