"""Which item a text means: by identifier, serial number, lot or sub-lot, and what comes near where none has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.derive.lineage_graph import Graph
from bdx.errors import did_you_mean
from bdx.names import fold

_COLUMNS = ("serial_number", "sublot_id", "lot_id", "supplier_lot_id", "global_asset_id")
_NEAR = 2_000
"""Identifiers that are compared with a mistyped one letter by letter."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The text that was asked for and, where it is a URI, what it names."""

    text: str
    item_id: str = ""
    gtin: str = ""
    lot: str = ""
    serial: str = ""


def matches(graph: Graph, wanted: Wanted) -> list[int]:
    """Return the items that a text means: the one of that identifier, else all with that number of their own, else all of that lot."""
    for text in dict.fromkeys((wanted.text, wanted.item_id)):
        number = graph.number(text) if text else -1
        if number >= 0:
            return [number]
    for column in _COLUMNS:
        found = graph.having(column, wanted.text)
        if len(found):
            return [int(number) for number in found]
    for column, value in (("serial_number", wanted.serial), ("lot_id", wanted.lot)):
        if value:
            found = [int(number) for number in graph.having(column, value)]
            said = graph.items(found)
            return [number for number, item in zip(found, said, strict=True) if item.get("gtin", wanted.gtin) == wanted.gtin]
    return []


def nearest(graph: Graph, text: str) -> str:
    """Return " (did you mean 'x'?)" for the identifier or serial number that comes nearest, empty where none does."""
    known = [*_near(graph.ids, text)]
    for column in ("serial_number", "lot_id"):
        known += _near(graph.dictionary(column), text)
    same = next((word for word in known if fold(word) == fold(text)), None)
    return f" (did you mean '{same}'?)" if same else did_you_mean(text[:200], [word for word in known if len(word) <= 400])


def _near(words: pa.Array, text: str) -> list[str]:
    """Return some words that begin or end as the text does, the longest common part first."""
    for size in _sizes(len(text)):
        begins = pc.starts_with(words, pattern=text[:size], ignore_case=True)
        ends = pc.ends_with(words, pattern=text[-size:], ignore_case=True)
        mask: Any = np.asarray(pc.or_(begins, ends).fill_null(False).to_numpy(zero_copy_only=False))
        places = np.flatnonzero(mask)
        if len(places):
            return [str(word) for word in words.take(pa.array(places[:_NEAR])).to_pylist()]
    return [str(word) for word in words.slice(0, _NEAR).to_pylist()]


def _sizes(length: int) -> list[int]:
    """Return lengths from the whole text down, each about a third less."""
    sizes = [length]
    while sizes[-1] > 1:
        sizes.append(sizes[-1] * 2 // 3)
    return sizes
