"""What one source says of one battery, and the terms on which such claims are merged."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from bdx import spec
from bdx.canon import Chunk
from bdx.derive.derived import Derived
from bdx.derive.tolerance import Tolerance

PREFERRED = 9
"""The lowest rank of a source that the user prefers."""

MOST_TOLD = 100
"""Disagreements of one column and source that are findings of their own; more are counted with the last of them."""

IDENTIFIERS = ("serial_number", "battery_id", "passport_id")
"""Columns of `battery` that name one battery, the nearest to the factory first."""

BOOKKEEPING = ("battery_key", "source_id", "locator", "extra")


@dataclass(slots=True)
class Claim:
    """What one source says of one battery.

    `identifiers` are the names it gives the battery (none: it speaks of the only one), `rank` its standing
    (higher wins), `method` how its values came about: declared, measured, derived.
    """

    source: str
    source_id: str
    method: str
    rank: int
    identifiers: tuple[str, ...]
    values: list[Derived]
    children: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    extra: str | None = None
    locator: str = ""
    founds: bool = True
    """Whether the claim may found a record of its own where no other source knows the battery."""
    rests: dict[str, list[Derived]] = field(default_factory=dict)
    """Of derived child rows, in their order, the derivation and the rows they rest on."""
    number: int = 0
    """Its place among all claims of a run."""


@dataclass(slots=True)
class Terms:
    """What holds for a whole run, however many claims are merged at a time: the tolerance, and what was told so far."""

    tolerance: Tolerance = field(default_factory=Tolerance)
    told: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def declared(chunk: Chunk, source: str, source_id: str, rank: int = 1) -> list[Claim]:
    """Return one claim per battery row of a chunk, with its children."""
    children: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name, batch in chunk.items():
        if spec.table(name).parent == "battery":
            for row in _filled(batch).to_pylist():
                children.setdefault(row["battery_key"], {}).setdefault(name, []).append(row)
    claims = []
    for row in _filled(chunk["battery"]).to_pylist():
        locator = row.get("locator") or ""
        values = [
            Derived(column, value, "", locator)
            for column, value in row.items()
            if value is not None and value != [] and column not in BOOKKEEPING
        ]
        names = tuple(str(row[column]) for column in IDENTIFIERS if row.get(column))
        rows = children.get(row["battery_key"], {})
        claims.append(Claim(source, source_id, "declared", rank, names, values, rows, row.get("extra"), locator))
    return claims


def _filled(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the columns that hold anything, and the key."""
    return batch.select(
        [
            name
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
            if name == "battery_key" or column.null_count < len(column)
        ]
    )
