"""Production tables -> what a passport says of each finished item: serial, model, day, place and mass of making, materials, parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.derive.derived import Derived
from bdx.derive.production_balance import Balance, Lots, balance, by_lot
from bdx.derive.production_content import SHARES, Stated, content, percent, stated
from bdx.derive.production_facts import Facts, facts_of
from bdx.derive.production_items import Plant, key
from bdx.derive.production_parts import Parts
from bdx.derive.production_shares import Shares, shares
from bdx.derive.production_words import inactive, vapours
from bdx.errors import SpecError

FINISHED = ("pack", "module", "cell")
"""Kinds of item that can be a battery, the largest first; the first kind that was made and not used up is meant."""

_UNFINISHED = ("scrap", "sample", "carrier")
_TABLES = ("item", "process_step", "process_parameter", "genealogy", "quality_result")
_BALANCED = ("consumed_mass", "assembled_parts", "content_share", "renewable_share")
_HEAVIER = 1.05
"""Estimated materials may come to this share of the battery's mass before they are disbelieved."""
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a value is not given, or how far it is estimated: a finding, less the name of its source."""

    code: str
    facts: dict[str, Any]


@dataclass(slots=True)
class Produced:
    """One finished item, its derived attributes, the rows of its child tables, and what could not be told.

    `rests` has for each row of a child table, in the same order, the derivation and the rows it rests on.
    """

    serial: str | None
    item_id: str
    attributes: list[Derived] = field(default_factory=list)
    materials: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    recycled: list[dict[str, Any]] = field(default_factory=list)
    rests: dict[str, list[Derived]] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)

    @property
    def children(self) -> dict[str, list[dict[str, Any]]]:
        """Rows by child table, those without a row left out."""
        tables = {"material": self.materials, "component": self.components, "recycled_content": self.recycled}
        return {table: rows for table, rows in tables.items() if rows}


def batteries(tables: Mapping[str, pa.Table], serials: set[str] | None = None) -> list[Produced]:
    """Return the finished items of production tables with what specs/derivations.toml derives of them.

    Finished are the items of the largest kind (pack, module, cell) that were produced and went into nothing else; where
    no item has such a kind, the single pieces that were. `serials` asks for the items of those serial numbers or
    identifiers instead. Scrap, samples and carriers are never finished.
    """
    return list(produced(tables, serials))


def produced(tables: Mapping[str, pa.Table], serials: set[str] | None = None) -> Iterator[Produced]:
    """Yield what `batteries` returns, one finished item at a time."""
    if "item" not in tables or not tables["item"].num_rows:
        return
    plant, rules = Plant(tables), derivations()
    places = _finished(plant, serials)
    if not len(places):
        return
    said = facts_of(plant, places)
    versions = {row["by"]: row.get("version", "") for row in rules}
    balanced = _Balanced(plant, said, versions) if plant.graph.edges and any(row["by"] in _BALANCED for row in rules) else None
    own = [(row["to"].partition(".")[2], row["by"], row.get("version", "")) for row in rules if row["by"] not in _BALANCED]
    for place, item in enumerate(said.items):
        made = Produced(item["serial_number"], item["item_id"])
        made.attributes = [value for rule in own if (value := said.value(rule, place)) is not None]
        made.refused = [Refusal("M175", {"battery": item["item_id"], **facts}) for facts in said.refused(place)]
        if balanced is not None:
            balanced.fill(made, place)
        yield made


def derivations() -> list[Mapping[str, Any]]:
    """Return the rows of specs/derivations.toml that start from production tables.

    Raises: SpecError for one that names no function.
    """
    rows = [row for row in spec.derivations() if all(column.partition(".")[0] in _TABLES for column in row["from"])]
    known = (*Facts.BY, *_BALANCED)
    for row in rows:
        if row["by"] not in known:
            raise SpecError(f"specs/derivations.toml: '{row['by']}' is no derivation of production data; known: {', '.join(known)}")
    return rows


def _finished(plant: Plant, serials: set[str] | None) -> Any:
    """Return the places of the items asked for, else of the finished ones, in the order of the table."""
    items = plant.items
    if serials is not None:
        wanted = pa.array(sorted(serials), pa.string())
        asked = pc.or_(pc.is_in(items["item_id"], value_set=wanted), pc.is_in(pc.fill_null(items["serial_number"], ""), value_set=wanted))
        return np.flatnonzero(asked.to_numpy())
    made = items["produced_by_step_run_id"].is_valid().to_numpy().copy()
    edges = plant.graph.edges
    used = np.zeros(len(plant.graph.ids), bool)
    used[edges.source[edges.source != edges.target]] = True
    made &= ~used[plant.number]
    kinds = pc.fill_null(items["item_kind"], "")
    for kind in FINISHED:
        found = np.flatnonzero(made & pc.equal(kinds, kind).to_numpy())
        if len(found):
            return found
    pieces = pc.equal(pc.fill_null(items["granularity"], ""), "serial").to_numpy()
    return np.flatnonzero(made & pieces & ~pc.is_in(kinds, value_set=pa.array(_UNFINISHED)).to_numpy())


@dataclass(slots=True)
class _Mixed:
    """The lots of one material in one battery."""

    items: list[int] = field(default_factory=list)
    masses: list[float] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    edges: int = 0
    rough: bool = False

    def add(self, item: int, mass: float, rough: bool, edges: int, edge: int) -> None:
        """Add a lot with its mass, whether that is estimated, how many edges it came through, and the first of them."""
        self.items.append(item)
        self.masses.append(mass)
        self.first.append(edge)
        self.edges += edges
        self.rough |= rough

    def share(self, stated: Mapping[int, float]) -> float | None:
        """Return the share that the lots state, by mass; None where one states nothing."""
        if not stated or any(item not in stated for item in self.items):
            return None
        return sum(stated[item] * mass for item, mass in zip(self.items, self.masses, strict=True)) / sum(self.masses)


class _Balanced:
    """The mass balance of all finished items, cut battery by battery."""

    def __init__(self, plant: Plant, said: Facts, versions: Mapping[str, str]) -> None:
        self.plant, self.said, self.versions = plant, said, versions
        self.shares: Shares = shares(plant)
        self.balance: Balance = balance(plant, self.shares, plant.number[said.places], vapours(plant))
        self.lots: Lots = by_lot(plant, self.balance.materials)
        count = np.arange(len(said.places) + 1)
        self.cuts = [np.searchsorted(held.battery, count) for held in (self.lots, self.balance.parts, self.balance.guesses)]
        self.parts = Parts(plant, self.balance.parts, said.tested)
        self.stated: Stated = stated(plant)
        self.names = _names(plant, self.lots)
        self.metals = tuple(plant.facts["metal"])
        passive = frozenset(np.flatnonzero(inactive(plant)).tolist())
        self.beside = {metal: passive for metal in self.metals if metal not in plant.facts["whole"]}
        self._entries: dict[int, str] = {}

    def fill(self, made: Produced, place: int) -> None:
        """Add the materials, parts and shares of one battery, and what could not be told of them."""
        lots, parts, guesses = ((int(cut[place]), int(cut[place + 1])) for cut in self.cuts)
        number = int(self.plant.number[self.said.places[place]])
        if place == 0 and len(self.shares.circular):
            edges = self.plant.graph.edges
            name = self.plant.graph.id(edges.source[self.shares.circular[0]])
            made.refused.append(Refusal("M173", {"value": name, "count": len(self.shares.circular)}))
        self._guessed(made, *guesses)
        self._materials(made, place, *lots)
        made.components, rests = self.parts.of(*parts, number)
        made.rests["component"] = [self._ground("component_id", "assembled_parts", "", rows) for rows in rests]

    def _guessed(self, made: Produced, first: int, end: int) -> None:
        if first == end:
            return
        names = [self.plant.graph.id(self.plant.graph.edges.source[edge]) for edge in self.balance.guesses.edge[first : first + _NAMED]]
        made.refused.append(Refusal("M176", {"battery": made.item_id, "count": end - first, "value": _listed(names, end - first)}))

    def _materials(self, made: Produced, place: int, first: int, end: int) -> None:
        lots, graph = self.lots, self.plant.graph
        kept = np.arange(first, end)
        unknown = kept[lots.unknown[kept]]
        if len(unknown):
            names = [graph.id(lots.item[at]) for at in unknown[:_NAMED]]
            facts = {"battery": made.item_id, "count": len(unknown), "value": _listed(names, len(unknown))}
            made.refused.append(Refusal("M170", facts))
        kept = kept[lots.mass[kept] > 0]
        rough = lots.estimated[kept]
        whole = self.said.mass(place)
        if rough.any() and whole is not None and float(lots.mass[kept].sum()) > whole * _HEAVIER:
            total = float(lots.mass[kept].sum())
            parts = f"materials come to {total:.4g} kg, {float(lots.mass[kept[rough]].sum()):.4g} kg of it estimated"
            value = f"{parts}, the battery weighs {whole:.4g} kg"
            made.refused.append(Refusal("M172", {"battery": made.item_id, "value": value, "count": int(rough.sum())}))
            kept, rough = kept[~rough], rough[~rough]
            unknown = np.append(unknown, -1)
        if rough.any():
            names = [graph.id(lots.item[at]) for at in kept[rough][:_NAMED]]
            facts = {"battery": made.item_id, "count": int(rough.sum()), "value": _listed(names, int(rough.sum()))}
            made.refused.append(Refusal("M171", facts))
        self._rows(made, kept)
        self._content(made, kept, whole_known=not len(unknown))

    def _rows(self, made: Produced, kept: Any) -> None:
        """Add a row for each material; several lots of one are one row with all their names."""
        lots = self.lots
        columns = (lots.item[kept], lots.mass[kept], lots.estimated[kept], lots.edges[kept], lots.edge[kept])
        found: dict[str, _Mixed] = {}
        for item, mass, rough, edges, edge in zip(*(column.tolist() for column in columns), strict=True):
            found.setdefault(self.names[item][0], _Mixed()).add(item, mass, rough, edges, edge)
        rests = made.rests.setdefault("material", [])
        for name, mixed in found.items():
            named = ", ".join(self.names[item][1] for item in mixed.items)
            # Fifteen digits are what a double carries; the rest is noise of adding.
            row = {"name": name, "mass_kg": float(f"{sum(mixed.masses):.15g}"), "lot_id": named}
            for column, what in (("recycled_percent", "recycled"), ("renewable_percent", "renewable")):
                share = mixed.share(self.stated.of(what))
                if share is not None:
                    row[column] = percent(share)
            made.materials.append(row)
            kind = "estimated share" if mixed.rough else "share"
            inputs = f"{kind} of lot {named} through {mixed.edges} edge{'s' if mixed.edges > 1 else ''}"
            rows = " ".join(f"{self.names[item][2]} {self._entry(edge)}" for item, edge in zip(mixed.items, mixed.first, strict=True))
            rests.append(self._ground("mass_kg", "consumed_mass", inputs, rows))

    def _entry(self, edge: int) -> str:
        """Return the row of genealogy that is an edge."""
        if edge not in self._entries:
            graph = self.plant.graph
            self._entries[edge] = key("genealogy", graph.id(graph.edges.source[edge]), graph.id(graph.edges.target[edge]))
        return self._entries[edge]

    def _ground(self, column: str, by: str, inputs: str, rows: str, value: Any = None) -> Derived:
        return Derived(column, value, by, inputs, rows, self.versions[by])

    def _content(self, made: Produced, kept: Any, *, whole_known: bool) -> None:
        if not self.stated.shares:
            return
        found = content(self.stated, self.metals, self.lots.item[kept], self.lots.mass[kept], whole_known, self.beside)
        made.recycled = found.recycled
        lots = self.lots.item[kept].tolist()
        spoken = [self._spoken(lots, [(what, row["material"]) for what in (*SHARES, "metal")]) for row in found.recycled]
        made.rests["recycled_content"] = [self._ground("total_percent", "content_share", *said) for said in spoken]
        if found.renewable is not None:
            said = self._spoken(lots, [("renewable", "")])
            made.attributes.append(self._ground("renewable_content_percent", "renewable_share", *said, found.renewable))
        for what, silent in found.missing:
            names = [self.plant.graph.id(item) for item in silent[:_NAMED]]
            facts = {"battery": made.item_id, "value": what, "lots": _listed(names, len(silent)) or "masses of some are unknown"}
            made.refused.append(Refusal("M174", facts))

    def _spoken(self, lots: list[int], of: list[tuple[str, str]]) -> tuple[str, str]:
        """Return where the lots that state any of these speak of it, in words and as rows."""
        ids = self.plant.graph.id
        speaking = [item for item in lots if any(item in self.stated.of(*what) for what in of)]
        return "; ".join(f"{ids(item)}: {self.stated.where[item]}" for item in speaking[:_NAMED]), " ".join(
            key("item", ids(item)) for item in speaking
        )


def _names(plant: Plant, lots: Lots) -> dict[int, tuple[str, str, str]]:
    """Return name, lot and row of each item that is a material."""
    found = {}
    for item in np.unique(lots.item).tolist():
        place = int(plant.place[item])
        row = plant.rows([place], ("name", "material_definition_id", "lot_id"))[0] if place >= 0 else {"item_id": plant.graph.id(item)}
        name = row.get("name") or row.get("material_definition_id") or row["item_id"]
        found[item] = (name, row.get("lot_id") or row["item_id"], key("item", row["item_id"]))
    return found


def _listed(names: list[str], count: int) -> str:
    return ", ".join(names) + (f" and {count - len(names):,} more" if count > len(names) else "")
