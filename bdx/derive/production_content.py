"""Recycled and renewable shares by mass balance: what lots state of their content, weighted by the mass of each that is held."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.derive.production_items import Plant

SHARES = ("recycled", "pre_consumer", "post_consumer")
_COLUMNS = {"recycled": "total_percent", "pre_consumer": "pre_consumer_percent", "post_consumer": "post_consumer_percent"}


@dataclass(slots=True)
class Stated:
    """What lots state: (what, metal or "") -> number of the item -> share from 0 to 1, with where it is said."""

    shares: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    where: dict[int, str] = field(default_factory=dict)

    def of(self, what: str, metal: str = "") -> dict[int, float]:
        """Return the shares of one kind by item."""
        return self.shares.get((what, metal), {})


def stated(plant: Plant) -> Stated:
    """Return the statements on content among the properties of lots, and among fields of items without a home of their own."""
    words = _words(plant)
    found = Stated()
    numbers = {name: number for number, name in enumerate(plant.graph.ids.to_pylist())} if _speaks(plant) else {}
    for item, name, value, unit, where in _properties(plant):
        meaning = words.get(fold(name))
        number = numbers.get(item)
        if meaning is None or number is None or value is None:
            continue
        share = value / 100.0 if unit in ("percent", "%") else value
        if 0.0 <= share <= 1.0:
            found.shares.setdefault(meaning, {})[number] = share
            found.where.setdefault(number, where)
    return found


def fold(word: str) -> str:
    """Return a word as words are compared: lower case, blanks for hyphens, underscores and dots."""
    return " ".join(re.split(r"[\s_\-./]+", word.casefold())).strip()


def _words(plant: Plant) -> dict[str, tuple[str, str]]:
    """Return the folded name of every statement -> what it states, and of which metal."""
    found: dict[str, tuple[str, str]] = {}
    for what, names in plant.facts["content"].items():
        for name in names:
            if what != "metal":
                found[fold(name)] = (what, "")
            for metal, aliases in plant.facts["metal"].items():
                for alias in aliases:
                    for phrase in (f"{name} {alias}", f"{alias} {name}", f"{alias} {name} percent", f"{name} {alias} percent"):
                        found[fold(phrase)] = (what, metal)
    return found


def _speaks(plant: Plant) -> bool:
    return "process_parameter" in plant.tables or bool(plant.items["extra"].null_count < plant.items.num_rows)


def _properties(plant: Plant) -> Iterable[tuple[str, str, float | None, str | None, str]]:
    """Yield item, name, number, unit and place of everything that may be a statement on content."""
    table = plant.tables.get("process_parameter")
    if table is not None and table.num_rows:
        kept = pc.and_(pc.equal(table["role"], "material_property"), pc.and_(table["item_id"].is_valid(), table["value_num"].is_valid()))
        columns = ("item_id", "parameter_name_raw", "value_num", "unit", "locator")
        for row in table.select(columns).filter(pc.fill_null(kept, False)).to_pylist():
            yield row["item_id"], row["parameter_name_raw"], row["value_num"], row["unit"], f"process_parameter ({row['locator']})"
    said = plant.items.select(["item_id", "extra", "locator"]).filter(plant.items["extra"].is_valid())
    for row in said.filter(_may_speak(said["extra"])).to_pylist() if said.num_rows else ():
        try:
            fields = json.loads(row["extra"])
        except ValueError:
            continue
        for name, value in fields.items() if isinstance(fields, Mapping) else ():
            yield row["item_id"], name, _number(value), "percent" if "percent" in fold(name) else None, f"item.extra ({row['locator']})"


def _may_speak(column: pa.ChunkedArray) -> Any:
    return pc.match_substring_regex(pc.utf8_lower(column), "recycl|renew|rezyklat|nachwachsend|content|gehalt|再生|含量")


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


@dataclass(slots=True)
class Content:
    """The shares of one battery: rows of `recycled_content`, the renewable share, and why others could not be told."""

    recycled: list[dict[str, Any]] = field(default_factory=list)
    renewable: float | None = None
    missing: list[tuple[str, list[int]]] = field(default_factory=list)
    """What could not be told, with the items that state nothing."""


def content(
    said: Stated, metals: Iterable[str], items: Any, masses: Any, mass_known: bool, beside: Mapping[str, Collection[int]]
) -> Content:
    """Return the shares of a battery that holds `masses` kg of `items`; `mass_known` says that no material of it lacks a mass.

    `beside` are by metal the items whose metal does not count.
    """
    found = Content()
    held = {int(item): float(mass) for item, mass in zip(items, masses, strict=True) if mass > 0}
    for metal in metals:
        row = _metal(said, metal, {item: mass for item, mass in held.items() if item not in beside.get(metal, ())}, found)
        if row:
            found.recycled.append({"material": metal, **row})
    renewable = said.of("renewable")
    if any(item in renewable for item in held):
        silent = [item for item in held if item not in renewable]
        if silent or not mass_known:
            found.missing.append(("renewable share", silent))
        else:
            total = sum(held.values())
            found.renewable = percent(sum(mass * renewable[item] for item, mass in held.items()) / total)
    return found


def _metal(said: Stated, metal: str, held: Mapping[int, float], found: Content) -> dict[str, float]:
    """Return the columns of a row for one metal; the metal of each lot weighs, or the lot where it alone holds it."""
    contents = said.of("metal", metal)
    row: dict[str, float] = {}
    for what in SHARES:
        recycled = said.of(what, metal)
        speaking = [item for item in held if item in recycled]
        if not speaking:
            continue
        holding = [item for item in held if contents.get(item, 1.0 if item in recycled else 0.0) > 0]
        silent = [item for item in holding if item not in recycled]
        weighed = len(speaking) == 1 or all(item in contents for item in speaking)
        if silent or not weighed:
            found.missing.append(
                (f"{what.replace('_', '-')} share of {metal}", silent or [item for item in speaking if item not in contents])
            )
            continue
        weights = [held[item] * contents.get(item, 1.0) for item in speaking]
        row[_COLUMNS[what]] = percent(float(np.dot(weights, [recycled[item] for item in speaking]) / sum(weights)))
    if "total_percent" not in row and {"pre_consumer_percent", "post_consumer_percent"} <= row.keys():
        row["total_percent"] = float(f"{row['pre_consumer_percent'] + row['post_consumer_percent']:.6g}")
    return row


def percent(share: float) -> float:
    """Return a share in percent with six digits: no statement of content has more."""
    return float(f"{share * 100.0:.6g}")
