"""Two-way functions between an object that says one thing in several keys and the columns that hold it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bdx import spec, units
from bdx.errors import MappingError
from bdx.mapping.paths_extra import same
from bdx.mapping.transforms_base import Fault, Part, PartFault
from bdx.mapping.transforms_bounds import bounds_of
from bdx.mapping.transforms_numbers import as_float, converter
from bdx.spec import Facts


class Measured:
    """An object of several numbers with one unit for all: `each` names the column of every key, `unit_at` the key of the `word`.

    `at` says at which values of other columns the numbers hold: they are set on reading, and asked for on writing. A key named
    `other` is no column but a row of its own, which the path with `[rest]` describes.
    """

    def __init__(self, facts: Facts) -> None:
        table = spec.table(facts["table"])
        self._each: dict[str, str] = dict(facts["each"])
        self._at: dict[str, float] = dict(facts.get("points", {}))
        self._other: str = facts.get("other", "")
        self._unit_at, self._word = facts["unit_at"], facts["word"]
        self._unit = table.column(next(iter(self._each.values()))).unit
        self._bounds = bounds_of(facts)
        points = " and ".join(f"{column} other than {value:g}" for column, value in self._at.items())
        self.beyond = " and for ".join(part for part in (self._bounds.beyond, points) if part)
        self.columns: tuple[str, ...] = (*self._each.values(), *self._at)

    def _number(self, raw: Any, word: Any) -> float:
        if type(word) is not str:
            raise Fault("M007", "a unit beside the value")
        try:
            return converter(word, self._unit)(as_float(raw))
        except MappingError as error:
            raise Fault("M007", str(error)) from error

    def read(self, raw: Any) -> tuple[Any, ...]:
        """Return the number of each column, then what the numbers hold at where there is one; PartFault where some have no meaning."""
        if type(raw) is not dict:
            raise Fault("M003", "an object")
        found: dict[str, float] = {}
        parts: list[Part] = []
        for key, column in self._each.items():
            if raw.get(key) is None:
                continue
            try:
                found[column] = self._number(raw[key], raw.get(self._unit_at))
            except Fault as fault:
                parts.append(Part(column, f"/{key}", raw[key], fault.code, fault.expected))
        values = (*map(found.get, self._each.values()), *(value if found else None for value in self._at.values()))
        if parts:
            raise PartFault(values, parts)
        return values

    def write(self, values: tuple[Any, ...]) -> Any:
        """Return the object of the numbers that fit; null where there is none."""
        if tuple(values[len(self._each) :]) != tuple(self._at.values()):
            return None
        found = {key: self._bounds.fitted(value) for key, value in zip(self._each, values, strict=False) if value is not None}
        found = {key: value for key, value in found.items() if value is not None}
        return {**found, self._unit_at: self._word} if found else None

    def keeps(self, raw: Any, values: tuple[Any, ...]) -> bool:
        """Say whether writing the values gives the object back."""
        return same(self.write(values), raw)

    def unfit(self, values: tuple[Any, ...]) -> Iterator[tuple[str, str]]:
        """Yield the columns whose numbers are not written, and why."""
        for (column, wanted), value in zip(self._at.items(), values[len(self._each) :], strict=True):
            if value != wanted:
                yield from ((name, f"it has a place for it at {column} {wanted:g} only") for name in self._some(values))
                return
        for column, value in zip(self._each.values(), values, strict=False):
            if value is not None and self._bounds.fitted(value) is None:
                yield column, self._bounds.why

    def _some(self, values: tuple[Any, ...]) -> list[str]:
        return [column for column, value in zip(self._each.values(), values, strict=False) if value is not None]

    def left(self, raw: Any) -> list[tuple[int, Any]]:
        """Return the `other` number as the one entry that no column takes; none where it has no unit that is known here."""
        if type(raw) is not dict or raw.get(self._other) is None:
            return []
        word = raw.get(self._unit_at)
        if type(word) is not str or not units.known(word) or units.unit(word) != units.unit(self._unit):
            return []
        return [(0, {self._other: raw[self._other]})]

    def joined(self, found: Any, others: list[Any]) -> dict[str, Any]:
        """Return an object with the entries of its rows, as it is written."""
        together = {**(found or {}), **{key: value for item in others for key, value in item.items()}}
        return {**together, self._unit_at: self._word} if together else together


class Coded:
    """An object of a closed `code` and a free `text` beside it, for two columns: a code in `words`, and its name in words.

    A value that has no code is written as the text, and read from there.
    """

    def __init__(self, facts: Facts) -> None:
        self.columns: tuple[str, ...] = (facts["to"], facts["name"])
        self._code, self._text = facts["code"], facts["text"]
        self._words: dict[str, str] = {}
        self._known: dict[str, str] = {}
        for value, words in facts["words"].items():
            every = (words,) if isinstance(words, str) else tuple(words)
            self._words[_plain(value)] = every[0]
            self._known[every[0]] = value
            self._words.update({_plain(word): every[0] for word in every})

    def read(self, raw: Any) -> tuple[Any, ...]:
        """Return the value that the code stands for, and the text; a text alone is the value."""
        if type(raw) is not dict:
            raise Fault("M003", "an object")
        code, text = raw.get(self._code), raw.get(self._text)
        if not all(part is None or type(part) is str for part in (code, text)):
            raise Fault("M001", "a text")
        if code is None:
            return (text, None)
        return (self._known.get(code, code), text)

    def write(self, values: tuple[Any, ...]) -> Any:
        """Return the object; null where there is nothing to say."""
        value, name = values
        code = None if value is None else self._words.get(_plain(value))
        found = {self._code: code, self._text: value if code is None and value is not None else name}
        return {key: said for key, said in found.items() if said is not None} or None

    def keeps(self, raw: Any, values: tuple[Any, ...]) -> bool:
        """Say whether writing the values gives the object back."""
        return same(self.write(values), raw)

    def unfit(self, values: tuple[Any, ...]) -> Iterator[tuple[str, str]]:
        """Yield what the object says less of than the columns, and why."""
        value, name = values
        code = None if value is None else self._words.get(_plain(value))
        if code is None and value is not None and name is not None:
            yield self.columns[1], f"the words '{value}', which have no code, stand in its place"
        elif code is not None and self._known[code] != value:
            yield self.columns[0], f"its word for '{value}' is '{code}'"


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
