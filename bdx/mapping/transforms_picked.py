"""A list of objects told apart by one of their keys, as columns: 80 % and 20 % of charge, or cell, module and pack."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from bdx.mapping.paths_extra import same
from bdx.mapping.transforms_base import Fault, Options, Part, PartFault
from bdx.mapping.transforms_numbers import as_float
from bdx.mapping.transforms_times import read_time, time_text
from bdx.spec import Facts

_text = lru_cache(maxsize=4096)(time_text)


class Picked:
    """A list of objects told apart by the value of `key`; `picks` name the column of each.

    Its number is at `value`; the moment of it at `time`, for the column with `_time` after its name.
    """

    def __init__(self, facts: Facts) -> None:
        self._key: str = facts["key"]
        self._value: str = facts["value"]
        self._time: str = facts.get("time", "")
        self._picks: dict[Any, str] = {pick["is"]: pick["to"] for pick in facts["picks"]}
        self._options: Options = facts.get("options", Options())
        named = tuple(self._picks.values())
        self.columns = (*named, *(f"{name}_time" for name in named)) if self._time else named

    def _taken(self, raw: Any) -> dict[str, int]:
        """Return the number of the entry of each column: the first with a value, where a pick stands twice."""
        if type(raw) is not list or not all(type(item) is dict for item in raw):
            raise Fault("M003", "a list of objects")
        found: dict[str, int] = {}
        for number, item in enumerate(raw):
            told = item.get(self._key)
            column = self._picks.get(told) if type(told) in (int, float, str) else None
            if column is not None and column not in found and item.get(self._value) is not None:
                found[column] = number
        return found

    def read(self, raw: Any) -> tuple[Any, ...]:
        """Return the number of each pick, then their times; PartFault where some have no meaning."""
        found: dict[str, Any] = {}
        parts: list[Part] = []
        for column, number in self._taken(raw).items():
            item = raw[number]
            try:
                found[column] = as_float(item[self._value])
            except Fault as fault:
                parts.append(Part(column, f"/{number}/{self._value}", item[self._value], fault.code, fault.expected))
            if self._time and item.get(self._time) is not None:
                try:
                    found[f"{column}_time"] = read_time(item[self._time], self._options.assume_tz)
                except Fault as fault:
                    parts.append(Part(f"{column}_time", f"/{number}/{self._time}", item[self._time], fault.code, fault.expected))
        values = tuple(found.get(column) for column in self.columns)
        if parts:
            raise PartFault(values, parts)
        return values

    def write(self, values: tuple[Any, ...]) -> Any:
        """Return one object per pick that has a number."""
        items: list[dict[str, Any]] = []
        times = values[len(self._picks) :]
        for number, told in enumerate(self._picks):
            if values[number] is not None:
                item = {self._key: told, self._value: values[number]}
                if self._time and times[number] is not None:
                    item[self._time] = _text(times[number])
                items.append(item)
        return items or None

    def keeps(self, raw: Any, values: tuple[Any, ...]) -> bool:
        """Say whether writing the values gives the list back."""
        return same(self.write(values), raw)

    def left(self, raw: Any) -> list[tuple[int, Any]]:
        """Return the entries that no column takes, with their numbers; none of a list that is no list of objects."""
        try:
            taken = set(self._taken(raw).values())
        except Fault:
            return []
        return [(number, item) for number, item in enumerate(raw) if number not in taken] if len(taken) < len(raw) else []
