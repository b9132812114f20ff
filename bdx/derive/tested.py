"""What a derivation from tests works on and what it gives: the tables of a test, a value with its rows, or a refusal that says why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Value:
    """A value, what it was computed from in words, and the rows it rests on as the column `evidence.rows` writes them."""

    value: Any
    inputs: str
    rows: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the test does not support a value, with the numbers, under the code of the rule that says so."""

    code: str
    why: str


@dataclass(frozen=True)
class Tested:
    """The canonical tables of the tests of one item, and what other sources declare of it (columns of `battery`)."""

    tables: Mapping[str, pa.Table | pa.RecordBatch]
    said: Mapping[str, Any] = field(default_factory=dict)

    memory: dict[str, Any] = field(default_factory=dict)
    """What derivations found out on the way, for those after them."""

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table, none where the tests have no such table; for tables of few rows."""
        if table not in self.memory:
            self.memory[table] = self.tables[table].to_pylist() if table in self.tables else []
        return self.memory[table]  # type: ignore[no-any-return]


Method = Callable[[Tested], Value | Refused]
"""A derivation by name: what `by` of specs/derivations.toml names."""


def row_range(rows: Iterable[Row]) -> str:
    """Return the records that rows of `cycle`, `step` or `resistance` cover, as the column `evidence.rows` writes them."""
    places = [(row["first_row"], row["last_row"]) for row in rows if row.get("first_row") and row.get("last_row")]
    joined: list[tuple[int, int]] = []
    for first, last in sorted(places):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return " ".join(f"timeseries[{first}:{last}]" for first, last in joined)


def significant(value: Any) -> Any:
    """Return a derived number with six significant digits: no cycler measures more, and float32 records hold seven."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
