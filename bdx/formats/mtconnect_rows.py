"""Observations gathered into tables: what stays the same of a data item is kept once, what varies per row."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from bdx import canon
from bdx.canon import Table

SCHEMA = pa.schema(
    [
        ("document", pa.int32()),
        ("item", pa.dictionary(pa.int32(), pa.string())),
        ("timestamp", pa.string()),
        ("sequence", pa.string()),
        ("text", pa.string()),
        ("entry", pa.string()),
        ("cell", pa.string()),
        ("removed", pa.bool_()),
    ]
)

Entry = tuple[str, str | None, str | None, bool]
"""Key, cell, text and whether it was removed."""


class Observations:
    """The observations read and not yet handed on; `part` hands them on and starts anew.

    `rows` are (item, timestamp, sequence, text); `items` numbers the items of the place where the reader stands by element, names
    and values of attributes. A reader in a hurry uses both itself, as `add` does. `clean` is asked for the attributes of a new item.
    """

    def __init__(self, clean: Callable[[dict[str, str]], dict[str, str]] = dict) -> None:
        self.rows: list[tuple[int, str | None, str | None, str | None]] = []
        self.items: dict[tuple[str, ...], int] = {}
        self._clean = clean
        self._described: list[str] = []
        self._places: dict[tuple[Any, ...], dict[tuple[str, ...], int]] = {}
        self._place: tuple[Mapping[str, str], Mapping[str, str], str] = ({}, {}, "")
        self._entries: dict[int, Entry] = {}
        self._documents: list[tuple[int, int]] = [(0, 0)]

    @property
    def document(self) -> int:
        """Number of the document that the observations are of."""
        return self._documents[-1][1]

    @document.setter
    def document(self, number: int) -> None:
        self._documents.append((len(self.rows), number))

    def place(self, device: Mapping[str, str], component: Mapping[str, str], category: str) -> None:
        """Say where the observations that follow stand."""
        self._place = (device, component, category)
        self.items = self._places.setdefault((*device.items(), "", *component.items(), category), {})

    def new(self, key: tuple[str, ...], element: str, attributes: dict[str, str]) -> int:
        """Return the number of an item that is met for the first time."""
        device, component, category = self._place
        said = {"device": device, "component": component, "category": category, "element": element, "attributes": self._clean(attributes)}
        number = self.items[key] = len(self._described)
        self._described.append(json.dumps(said, ensure_ascii=False))
        return number

    def add(self, element: str, attributes: dict[str, str], text: str | None) -> None:
        """Add an observation; timestamp and sequence are taken out of its attributes."""
        time, sequence = attributes.pop("timestamp", None), attributes.pop("sequence", None)
        key = (element, *attributes, *attributes.values())
        number = self.items.get(key)
        self.rows.append((self.new(key, element, attributes) if number is None else number, time, sequence, text))

    def entries(self, element: str, attributes: dict[str, str], found: list[Entry]) -> None:
        """Add the entries of a data set or table, a row each."""
        for entry in found:
            self._entries[len(self.rows)] = entry
            self.add(element, dict(attributes), entry[2])

    def full(self) -> bool:
        """Say whether there are as many rows as a batch may have."""
        return len(self.rows) >= canon.BATCH_ROWS

    def part(self) -> Table | None:
        """Return the rows so far as a table, None where there are none."""
        if not self.rows:
            return None
        count = len(self.rows)
        items, *texts = zip(*self.rows, strict=True)
        starts = np.array([start for start, _ in self._documents] + [count])
        documents = np.repeat([number for _, number in self._documents], np.diff(starts))
        arrays = [
            pa.array(documents, pa.int32()),
            pa.DictionaryArray.from_arrays(pa.array(items, pa.int32()), pa.array(self._described, pa.string())),
        ]
        arrays += [pa.array(values, pa.string()) for values in texts]
        for place, field in enumerate(list(SCHEMA)[5:]):
            kept = (0, 1, 3)[place]
            values: list[Any] = [None] * count
            for row, entry in self._entries.items():
                values[row] = entry[kept] or None
            arrays.append(pa.array(values, field.type) if self._entries else pa.nulls(count, field.type))
        batch = pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
        self.rows, self._described, self._places, self._entries = [], [], {}, {}
        self._documents = [(0, self.document)]
        self.place(*self._place)
        size = canon.BATCH_ROWS
        return Table("Observations", SCHEMA, iter([batch.slice(start, size) for start in range(0, count, size)]))
