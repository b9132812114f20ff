"""What a model says in one value and the canonical tables in several: texts of columns or rows, a day of a start and months."""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Protocol

import pyarrow as pa

from bdx import spec
from bdx.canon import Chunk
from bdx.mapping.paths_tree import STRUCTURE, Plan
from bdx.mapping.transforms_base import plain
from bdx.mapping.transforms_times import EPOCH
from bdx.spec import Facts

Lose = Callable[[str, str, int], None]
"""Names what is lost: an attribute, why, how many values."""


class Made(Protocol):
    """One way to make a value where its own column is null. What it takes is carried in this way only: a loss, named."""

    columns: tuple[str, ...]
    table: str
    why: str
    becomes: str

    def fill(self, found: list[Any], values: Values, lose: Lose) -> None:
        """Put a value at every row that has none and for which one can be made."""


class Values:
    """The columns of the rows that values are made for, and the other tables of their chunk."""

    def __init__(self, table: str, column: Callable[[str], list[Any]], chunk: Chunk) -> None:
        self.table = table
        self.column = column
        self._chunk = chunk

    def rows(self, table: str, names: list[str]) -> Iterator[tuple[Any, ...]]:
        """Yield (battery_key, value of each name, ...) of another table; null for a column it does not have."""
        batch = self._chunk.get(table)
        if batch is not None:
            columns = (self._array(batch, name) for name in ("battery_key", *names))
            yield from zip(*map(plain, columns), strict=True)

    @staticmethod
    def _array(batch: pa.RecordBatch, name: str) -> pa.Array:
        at = batch.schema.get_field_index(name)
        return batch.column(at) if at >= 0 else pa.nulls(batch.num_rows, pa.string())


class Joined:
    """A text of the columns `of`, with commas between."""

    table = ""
    why = "it holds it within one text"
    becomes = "part of one text"

    def __init__(self, facts: Facts, table: str) -> None:
        self.columns: tuple[str, ...] = tuple(facts["of"])

    def fill(self, found: list[Any], values: Values, lose: Lose) -> None:
        """Join the texts that a row has."""
        taken: Counter[tuple[str, str]] = Counter()
        for row, parts in enumerate(zip(*map(values.column, self.columns), strict=True)):
            if found[row] is None:
                found[row] = ", ".join(part for part in parts if part) or None
                why = self.why
            else:
                why = "another text stands in its place"
            for name, part in zip(self.columns, parts, strict=True):
                if part is not None:
                    taken[name, why] += 1
        for (name, why), count in taken.items():
            lose(f"{values.table}.{name}", why, count)


class Listed:
    """A text of the rows of a child table, semicolons between: of each the first of `of`, then the rest in parentheses with commas.

    What stands in one list of `of` is said in one breath, as "CAS 7782-42-5"; a number has its unit. `where` asks for values of
    columns, `needs` for a column that is not null.
    """

    why = "it holds the rows within one text"
    becomes = "part of one text"

    def __init__(self, facts: Facts, table: str) -> None:
        self.table: str = facts["table"]
        self._of: list[tuple[str, ...]] = [(part,) if isinstance(part, str) else tuple(part) for part in facts["of"]]
        self._where: dict[str, Any] = dict(facts.get("where", {}))
        self._needs: str = facts.get("needs", self._of[0][0])
        self.columns: tuple[str, ...] = tuple(dict.fromkeys((*(name for part in self._of for name in part), *self._where)))
        self._units = {name: spec.table(self.table).column(name).unit for name in self.columns}

    def fill(self, found: list[Any], values: Values, lose: Lose) -> None:
        """Join what the rows of a battery say."""
        texts: dict[str, list[str]] = {}
        names = list(dict.fromkeys((*self.columns, self._needs)))
        known: dict[str, str] = {}
        for key, *cells in values.rows(self.table, names):
            said = dict(zip(names, cells, strict=True))
            if said[self._needs] in (None, []) or any(said[name] != value for name, value in self._where.items()):
                continue
            mark = repr(cells)
            text = known.get(mark)
            if text is None:
                text = known[mark] = self._text(said)
            if text:
                texts.setdefault(key, []).append(text)
        for row, key in enumerate(values.column("battery_key") if texts else ()):
            if found[row] is None and key in texts:
                found[row] = "; ".join(texts[key])

    def _text(self, said: Mapping[str, Any]) -> str:
        parts = [" ".join(filter(None, (self._word(name, said[name]) for name in part))) for part in self._of]
        first, *rest = [part for part in parts if part] or [""]
        return f"{first} ({', '.join(rest)})" if rest else first

    def _word(self, name: str, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, list):
            return ", ".join(filter(None, value))
        if isinstance(value, float):
            unit = self._units[name]
            return f"{repr(value).removesuffix('.0')} {'%' if unit == 'percent' else unit}".rstrip()
        return str(value)


class EndOfMonths:
    """The last day of `months` that begin on the day `start`: the day of the same number, else the last one of its month.

    Source: Regulation (EEC, Euratom) No 1182/71, Article 3(2)(c).
    """

    table = ""
    why = "it holds the day of the end, counted from its start"
    becomes = "the day of the end, where the start is known"

    def __init__(self, facts: Facts, table: str) -> None:
        self._start, self._months = facts["start"], facts["months"]
        self.columns: tuple[str, ...] = (self._months,)

    def fill(self, found: list[Any], values: Values, lose: Lose) -> None:
        """Count the months from the start where both are known."""
        taken: Counter[str] = Counter()
        for row, (start, months) in enumerate(zip(values.column(self._start), values.column(self._months), strict=True)):
            if months is None:
                continue
            if found[row] is not None:
                why = "it holds the day of the end in its place"
            elif start is None:
                why = f"it holds the day of the end, and {self._start} is not known"
            else:
                found[row] = _end(start, months)
                why = f"it holds the day of the end, counted from {self._start}"
                if found[row] is None:
                    why = "it holds the day of the end, which is none of the calendar"
            taken[why] += 1
        for why, count in taken.items():
            lose(f"{values.table}.{self._months}", why, count)


def count_made(table: str, batch: pa.RecordBatch, made: set[str], facts: Plan, lose: Lose) -> None:
    """Name what is lost of a child table that goes into texts: its rows where they have no other place, and columns in none of them."""
    carried = set(facts.columns(table))
    own = table in facts.tables
    if not own:
        lose(table, Listed.why, batch.num_rows)
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        count = len(array) - array.null_count
        if own and name in made - carried:
            lose(f"{table}.{name}", Listed.why, count)
        elif not own and name not in made and name not in STRUCTURE:
            lose(f"{table}.{name}", "it has no place for this column", count)


def _end(start: int, months: int) -> str | None:
    first = EPOCH + timedelta(days=start)
    years, month = divmod(first.month - 1 + months, 12)
    if not 1 <= first.year + years <= 9999:
        return None
    year = first.year + years
    return date(year, month + 1, min(first.day, monthrange(year, month + 1)[1])).isoformat()


WAYS: Mapping[str, Callable[[Facts, str], Made]] = MappingProxyType({"joined": Joined, "listed": Listed, "end-of-months": EndOfMonths})
"""The closed list of ways, by the name that `how` gives them."""
