"""The graph of a production: items as numbers, edges in compressed rows in both directions, and what is known of each item."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.derive.lineage_edges import NEVER, Edges, standing
from bdx.derive.lineage_rows import ITEM_FACTS, STEP_FACTS, Rows, codes_of
from bdx.spec import Facts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Ways:
    """Edges ordered by the item they leave in one direction: those of item n stand from starts[n] to starts[n + 1]."""

    def __init__(self, leaves: Any, enters: Any, nodes: int) -> None:
        self.nodes = nodes
        self.starts = np.zeros(nodes + 1, np.int64)
        np.cumsum(np.bincount(leaves, minlength=nodes), out=self.starts[1:])
        self.edges = np.argsort(leaves, kind="stable").astype(np.int32)
        self.ends = enters[self.edges]

    def places(self, nodes: Any) -> Any:
        """Return the places of all edges that leave the items, item by item in the order given."""
        if len(nodes) == 1:
            node = nodes[0]
            return np.arange(self.starts[node], self.starts[node + 1])
        first = self.starts[nodes]
        counts = self.starts[nodes + 1] - first
        before = np.cumsum(counts) - counts
        return np.repeat(first - before, counts) + np.arange(int(counts.sum()))


class Graph:
    """Items and edges of all rows taken; `facts` are those of specs/lineage.toml."""

    def __init__(self, rows: Rows, facts: Facts) -> None:
        self.facts = facts
        columns = (("genealogy", "input_item_id"), ("genealogy", "output_item_id"), ("item", "item_id"))
        (source, target, items), self.ids = rows.coded(*columns)
        steps = (("genealogy", "step_run_id"), ("process_step", "step_run_id"))
        (step, runs), self.step_ids = rows.coded(*steps)
        deleted = _of_word(rows, "process_step", "delete")
        self._steps = _Records(rows.table("process_step", STEP_FACTS), runs, deleted, len(self.step_ids))
        self._items = _Records(rows.table("item", ITEM_FACTS), items, _of_word(rows, "item", "delete"), len(self.ids))
        self.edges: Edges = standing(rows, source, target, step, self._steps.void)
        self.down = Ways(self.edges.source, self.edges.target, len(self.ids))
        self.up = Ways(self.edges.target, self.edges.source, len(self.ids))
        self._look()

    def _look(self) -> None:
        """Keep of every item what the walk asks of all: its kind, and whether it is a carrier, a whole class, scrap, made."""
        kinds, self.kinds = self._items.words("item_kind")
        fine, grains = self._items.words("granularity")
        self.kind = kinds
        named = np.zeros(len(self.ids), bool)
        for name in ("lot_id", "serial_number", "granularity"):
            named |= self._items.has(name)
        self.whole_class = self._items.has("gtin") & ~named
        self.grain = np.where(self.whole_class, len(grains), fine)
        self.grains = [*grains, "whole_class"]
        self.carrier = self.is_kind("carrier") | (fine == _place(grains, "carrier"))
        scrap = self.is_kind("scrap")
        for name in ("status", "disposition"):
            codes, words = self._items.words(name)
            bad = [number for number, word in enumerate(words) if word.strip().lower() in self.facts["scrapped"]]
            scrap |= np.isin(codes, bad)
        self.scrap = scrap
        relations, words = self.edges.text("relation")
        self.gathers = np.isin(relations, [number for number, word in enumerate(words) if word in self.facts["gathering"]])
        self.bounded = self.edges.until != NEVER
        for name in ("in_from_m", "out_from_m"):
            self.bounded |= self.edges.facts.column(name).is_valid().to_numpy()
        roles, words = self.edges.text("role")
        held = (roles >= 0) & (roles == _place(words, "carrier"))
        self.on_carrier = held | self.carrier[self.edges.source] | self.carrier[self.edges.target]
        self.unsure = self.edges.estimated | self.whole_class[self.edges.source] | self.whole_class[self.edges.target]
        fed = np.zeros(len(self.ids), bool)
        fed[self.edges.target[~self.on_carrier & (self.edges.source != self.edges.target)]] = True
        self.unfed = ~fed & (self._items.has("produced_by_step_run_id") | self.is_kind(*self.facts["made"])) & ~self.carrier

    def is_kind(self, *kinds: str) -> Any:
        """Return which items are of one of the kinds."""
        return np.isin(self.kind, [number for number, word in enumerate(self.kinds) if word in kinds])

    def id(self, node: int) -> str:
        """Return the identifier of an item."""
        return str(self.ids[int(node)].as_py())

    def items(self, nodes: Any) -> list[dict[str, Any]]:
        """Return what the sources say of each of the items, of each column the last value."""
        return self._items.records(np.asarray(nodes, np.int64))

    def relations(self, edges: Any) -> list[dict[str, Any]]:
        """Return the columns of each of the edges that have a value, with its step under `step`."""
        edges = np.asarray(edges, np.int64)
        numbers = self.edges.step[edges]
        known, place = np.unique(numbers[numbers >= 0], return_inverse=True)
        steps = [
            {"step_run_id": word, **said}
            for word, said in zip(self.step_ids.take(pa.array(known)).to_pylist(), self._steps.records(known), strict=True)
        ]
        found: list[dict[str, Any]] = [
            {name: value for name, value in row.items() if value is not None} for row in self.edges.facts.take(pa.array(edges)).to_pylist()
        ]
        for at, step in zip(np.flatnonzero(numbers >= 0).tolist(), place.tolist(), strict=True):
            found[at]["step"] = steps[step]
        for row, until in zip(found, self.edges.until[edges].tolist(), strict=True):
            if until != NEVER:
                row["removed_at"] = _EPOCH + timedelta(microseconds=until)
        return found

    def label(self, node: int) -> str:
        """Return the kind of an item, else how fine its identifier is."""
        kind, grain = int(self.kind[node]), int(self.grain[node])
        return self.kinds[kind] if kind >= 0 else self.grains[grain] if grain >= 0 else "unknown"

    def having(self, column: str, value: str) -> Any:
        """Return the numbers of the items with that text in a column."""
        return self._items.having(column, value)

    def dictionary(self, column: str) -> pa.Array:
        """Return the words that stand in a column of items."""
        return self._items.dictionary(column)

    def number(self, item_id: str) -> int:
        """Return the number of an item, -1 where no row names it."""
        return int(pc.index(self.ids, pa.scalar(item_id, pa.string())).as_py())


class _Records:
    """Rows by the number of what they are about; a later value stands over an earlier one, a deletion over all before."""

    def __init__(self, table: pa.Table, numbers: Any, deleted: Any, count: int) -> None:
        self._table = table
        self._count = count
        last = np.full(count, -1, np.int64)
        kept = numbers >= 0
        if deleted.any():
            places = np.flatnonzero(deleted & kept)
            np.maximum.at(last, numbers[places], places)
            kept &= np.arange(len(numbers)) > last[numbers]
        self._rows = np.flatnonzero(kept)
        self._numbers = numbers[self._rows]
        alive = np.zeros(count, bool)
        alive[self._numbers] = True
        self.void = np.flatnonzero((last >= 0) & ~alive)
        self._order = np.argsort(self._numbers, kind="stable")
        self._sorted = self._numbers[self._order]

    def words(self, column: str) -> tuple[Any, list[str]]:
        """Return the code of the last value of every record, -1 where it has none, and the words."""
        codes, words = codes_of(self._table.column(column))
        codes = codes[self._rows]
        known = codes >= 0
        found = np.full(self._count, -1, np.int32)
        # Of repeated numbers numpy keeps the last, which is the latest row.
        found[self._numbers[known]] = codes[known]
        return found, words

    def has(self, column: str) -> Any:
        """Return which records have a value in a column."""
        valid = self._table.column(column).is_valid().combine_chunks().to_numpy(zero_copy_only=False)[self._rows]
        found = np.zeros(self._count, bool)
        found[self._numbers[valid]] = True
        return found

    def having(self, column: str, value: str) -> Any:
        """Return the numbers of records a row of which has that text."""
        codes, words = codes_of(self._table.column(column))
        code = _place(words, value)
        return np.unique(self._numbers[codes[self._rows] == code]) if code >= 0 else np.zeros(0, np.int64)

    def dictionary(self, column: str) -> pa.Array:
        """Return the words of a text column."""
        return pa.array(codes_of(self._table.column(column))[1], pa.string())

    def records(self, numbers: Any) -> list[dict[str, Any]]:
        """Return the values that are there, record by record in the order asked for."""
        first, end = np.searchsorted(self._sorted, numbers), np.searchsorted(self._sorted, numbers, side="right")
        counts = end - first
        before = np.cumsum(counts) - counts
        rows = self._rows[self._order[np.repeat(first - before, counts) + np.arange(int(counts.sum()))]]
        said = self._table.take(pa.array(rows)).to_pylist()
        found: list[dict[str, Any]] = []
        for begin, count in zip(before.tolist(), counts.tolist(), strict=True):
            one: dict[str, Any] = {}
            for row in said[begin : begin + count]:
                one |= {name: value for name, value in row.items() if value is not None}
            found.append(one)
        return found


def _of_word(rows: Rows, table: str, word: str) -> Any:
    codes, words = rows.codes(table, "record_action")
    return codes == (words.index(word) if word in words else -2)


def _place(words: list[str], word: str) -> int:
    return words.index(word) if word in words else -2
