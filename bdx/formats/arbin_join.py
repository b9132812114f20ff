"""Rows of an Arbin table that belong to records -> columns beside the records, one per value and channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.formats.jet import Column
from bdx.formats.jet_order import Keys, Ordered
from bdx.formats.jet_rows import FIXED
from bdx.spec import Facts


@dataclass(slots=True)
class Joined:
    """A table joined to the records. `left` counts its rows that found no record of their own so far."""

    rows: Ordered
    values: list[Column]
    fields: list[pa.Field]
    left: int

    def columns(self, keys: Keys) -> list[pa.Array]:
        """Return the joined columns for records of ascending keys; null where a record has no row of the channel."""
        size = len(keys)
        channels = self.rows.channels or [()]
        filled = np.zeros((len(channels), size), np.bool_)
        found = [[np.zeros(size, np.dtype(FIXED[column.kind])) for column in self.values] for _ in channels]
        null = [[np.ones(size, np.bool_) for _ in self.values] for _ in channels]
        for theirs, rows in self.rows.between(int(keys[0]), int(keys[-1])) if size else ():
            place = np.searchsorted(keys, theirs)
            hit = (place < size) & (keys[np.minimum(place, size - 1)] == theirs)
            known = self.rows.channel(rows) if self.rows.by else np.zeros((len(rows), 0), np.int64)
            decoded = [rows.values(column) for column in self.values]
            for index, channel in enumerate(channels):
                mine = np.flatnonzero(hit & (known == np.array(channel, np.int64)).all(axis=1))
                at = place[mine]
                first = ~filled[index][at] & _first(at)
                mine, at = mine[first], at[first]
                filled[index][at] = True
                self.left -= len(at)
                for spot, (values, nulls) in enumerate(decoded):
                    found[index][spot][at] = values[mine]
                    null[index][spot][at] = nulls[mine]
        return [
            pa.array(values, item.type, mask=mask)
            for values, mask, item in zip((v for row in found for v in row), (m for row in null for m in row), self.fields, strict=True)
        ]


def joined(rows: Ordered, wish: Facts, facts: Facts, labels: list[dict[str, Any]]) -> Joined:
    """Return a table made ready to stand beside the records; `labels` are the rows that name auxiliary channels and their units."""
    keys = {column.name for column in (*rows.key, *rows.by)}
    names = wish.get("values")
    values = [
        column
        for column in rows.table.columns
        if column.name not in keys and column.fixed and column.kind in FIXED and (names is None or column.name in names)
    ]
    fields = []
    for channel in rows.channels or [()]:
        for column in values:
            template = names[column.name] if names is not None else wish["name"]
            name, unit, label = _name(template, column.name, channel, wish, facts, labels)
            unit = unit or facts["units"].get(column.name, "")
            metadata = {key: text for key, text in (("bdx.unit", unit), ("bdx.label", label)) if text}
            kind = pa.float64() if column.kind == 5 else pa.from_numpy_dtype(np.dtype(FIXED[column.kind]))
            fields.append(pa.field(name, kind, metadata=metadata or None))
    return Joined(rows, values, fields, rows.rows)


def _name(
    template: str, column: str, channel: tuple[int, ...], wish: Facts, facts: Facts, labels: list[dict[str, Any]]
) -> tuple[str, str, str]:
    """Return name, unit and the operator's label of one column."""
    number = channel[-1] + wish.get("first", 0) if channel else 0
    if len(channel) < 2:
        return template.format(column=column, n=number), "", ""
    about = next((row for row in facts["aux"] if row["type"] == channel[0]), {"kind": str(channel[0]), "symbol": "X", "unit": ""})
    type_name, index_name = wish["by"]
    label = next((row for row in labels if (row.get(type_name), row.get(index_name)) == channel), {})
    unit = str(label.get("Unit", "")).strip() or about["unit"]
    name = template.format(column=column, n=number, kind=about["kind"], symbol=about["symbol"])
    if column != next(iter(wish["values"])):
        return name, f"{unit}/s" if unit else "", str(label.get("Nickname", ""))
    if unit not in about.get("units", (unit,)):
        # A thermocouple left in volts is no temperature: under this name the mapping does not take it for one.
        name = f"{name} ({unit})"
    return name, unit, str(label.get("Nickname", ""))


def _first(values: Any) -> Any:
    """Return the mask of the first of equal values."""
    mask = np.zeros(len(values), np.bool_)
    mask[np.unique(values, return_index=True)[1]] = True
    return mask
