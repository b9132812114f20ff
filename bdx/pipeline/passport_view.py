"""Passports as a person reads them: one by sections with its values and lists, of many the first few and how they count up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk
from bdx.derive.merge import IDENTIFIERS
from bdx.errors import UsageError
from bdx.pipeline.sections import hidden, label, sections

SHOWN = 10
"""Passports of many that are listed."""

SUMMARY = ("serial_number", "model_id", "battery_category", "battery_chemistry", "rated_capacity_ah", "battery_status")
COUNTED = ("model_id", "battery_category", "battery_chemistry", "battery_status")
_MOST_KINDS = 1000


@dataclass(frozen=True, slots=True)
class Shown:
    """One value: its column and label, the value with its unit, when it was determined."""

    column: str
    label: str
    value: Any
    unit: str
    time: Any = None


@dataclass(frozen=True, slots=True)
class ListShown:
    """The rows of one child table: labels and units of the columns that have values, and the rows."""

    table: str
    title: str
    columns: list[tuple[str, str, str]]
    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SectionShown:
    """One section of a passport, and how many of its values are not given."""

    id: str
    title: str
    values: list[Shown]
    lists: list[ListShown]
    missing: int


@dataclass(slots=True)
class PassportView:
    """The passports of a source: the sections of one, a summary of the first, counts of all."""

    records: int = 0
    wanted: str = ""
    first: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    children: dict[str, int] = field(default_factory=dict)
    name: str = ""
    sections: list[SectionShown] = field(default_factory=list)

    @property
    def one(self) -> bool:
        """Whether the view is that of one passport."""
        return self.records == 1 or bool(self.wanted)


class Viewer:
    """Watches the chunks of a source and keeps what a view needs; `wanted` names the one battery to show of many."""

    def __init__(self, wanted: str = "") -> None:
        self._view = PassportView(wanted=wanted)
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
        self._row: dict[str, Any] | None = None
        self._lists: dict[str, list[dict[str, Any]]] = {}

    def watch(self, chunk: Chunk) -> None:
        """Look at one chunk."""
        batch = chunk.get("battery")
        if batch is None:
            return
        view = self._view
        view.records += batch.num_rows
        if len(view.first) < SHOWN:
            view.first += batch.select(list(SUMMARY)).slice(0, SHOWN - len(view.first)).to_pylist()
        for name, counter in self._counts.items():
            for item in pc.value_counts(batch.column(name)).to_pylist():
                if item["values"] in counter or len(counter) < _MOST_KINDS:
                    counter[item["values"]] += item["counts"]
        for table, rows in chunk.items():
            if spec.table(table).parent == "battery":
                view.children[table] = view.children.get(table, 0) + rows.num_rows
        place = self._place(batch)
        if self._row is None and place is not None:
            self._row = batch.slice(place, 1).to_pylist()[0]
            key = self._row["battery_key"]
            for table, rows in chunk.items():
                if spec.table(table).parent == "battery":
                    self._lists[table] = rows.filter(pc.equal(rows.column("battery_key"), key)).to_pylist()

    def _place(self, batch: pa.RecordBatch) -> int | None:
        """Return the row of the battery to show, None where it is not among these."""
        if not self._view.wanted:
            return 0 if batch.num_rows else None
        for name in ("battery_key", *IDENTIFIERS):
            place = pc.index(batch.column(name), self._view.wanted).as_py()
            if place >= 0:
                return int(place)
        return None

    def finish(self) -> PassportView | None:
        """Return the view, None where no chunk held a battery.

        Raises: UsageError where the battery that was asked for is not among them.
        """
        view = self._view
        if view.wanted and self._row is None:
            raise UsageError(f"no battery '{view.wanted}' among the {view.records:,} of the source")
        if not view.records:
            return None
        view.counts = {name: dict(counter.most_common()) for name, counter in self._counts.items()}
        if view.one and self._row is not None:
            view.name = next((str(self._row[name]) for name in IDENTIFIERS if self._row[name]), self._row["battery_key"])
            view.sections = _sections(self._row, self._lists)
        return view


def _sections(row: dict[str, Any], lists: dict[str, list[dict[str, Any]]]) -> list[SectionShown]:
    known = spec.table("battery").by_name
    found = []
    for section in sections():
        shown, missing = [], 0
        for name in section.columns:
            value = row[name]
            timed = name.endswith("_time") and name.removesuffix("_time") in known
            if value in (None, "", []):
                missing += not timed
            elif not timed or row[name.removesuffix("_time")] is None:
                shown.append(Shown(name, label("battery", name), value, known[name].unit, row.get(f"{name}_time")))
        tables = [_list(table, lists[table]) for table in section.tables if lists.get(table)]
        found.append(SectionShown(section.id, section.title, shown, tables, missing))
    return found


def _list(table: str, rows: list[dict[str, Any]]) -> ListShown:
    """Return a child table without columns that say nothing here."""
    names = [
        column
        for column in spec.table(table).columns
        if column.name not in hidden() and any(row[column.name] not in (None, "", []) for row in rows)
    ]
    kept = [{column.name: row[column.name] for column in names} for row in rows]
    return ListShown(table, spec.table(table).title, [(column.name, label(table, column.name), column.unit) for column in names], kept)
