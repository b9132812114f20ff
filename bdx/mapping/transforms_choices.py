"""Two-way functions between objects that say one thing in several shapes and the columns that hold it."""

from __future__ import annotations

import re
from typing import Any

from bdx import spec
from bdx.errors import MappingError
from bdx.mapping.paths_extra import MISSING, same
from bdx.mapping.paths_quantity import Quantity, Scale
from bdx.mapping.transforms_base import Fault
from bdx.spec import Facts


class Either:
    """An identifier as `{left: ...}` where it has the form `pattern`, else as `{right: ...}`.

    With `value`, the pair stands at that key of an object whose `kind_at` names the kind of identifier: `kind`, which it begins with.
    """

    def __init__(self, facts: Facts) -> None:
        self.columns: tuple[str, ...] = (facts["to"],)
        self._pattern = re.compile(facts["pattern"])
        self._value: str = facts.get("value", "")
        self._kind = {facts["kind_at"]: facts["kind"]} if "kind_at" in facts else {}

    def read(self, raw: Any) -> tuple[Any, ...]:
        """Return the identifier, whichever side it stands on."""
        pair = raw.get(self._value) if self._value and type(raw) is dict else raw
        if type(pair) is not dict:
            raise Fault("M003", "an object with 'left' or 'right'")
        found = pair.get("left", pair.get("right"))
        if found is not None and type(found) is not str:
            raise Fault("M001", "a text")
        return (found,)

    def write(self, values: tuple[Any, ...]) -> Any:
        """Return the object; the kind of an identifier that does not begin with one is not known."""
        (value,) = values
        if value is None:
            return None
        pair = {"left" if self._pattern.search(value) else "right": value}
        kind = {key: name for key, name in self._kind.items() if value.startswith(name)}
        return {self._value: pair, **kind} if self._value else pair

    def keeps(self, raw: Any, values: tuple[Any, ...]) -> bool:
        """Say whether writing the identifier gives the object back."""
        return same(self.write(values), raw)


_HOUSE = re.compile(r"(.*\S)\s+(\d+\s?[a-zA-Z]?(?:\s?[-/]\s?\d+\s?[a-zA-Z]?)?)")


class Street:
    """A street and its house number in two keys of an object, one text in a column; `kind_at` says that it is a street, `kind`."""

    def __init__(self, facts: Facts) -> None:
        self.columns: tuple[str, ...] = (facts["to"],)
        self._value: str = facts["value"]
        self._number: str = facts["number"]
        self._kind = {facts["kind_at"]: facts["kind"]}

    def read(self, raw: Any) -> tuple[Any, ...]:
        """Return street and number with a space between."""
        if type(raw) is not dict:
            raise Fault("M003", "an object")
        parts = [raw.get(self._value), raw.get(self._number)]
        if not all(part is None or type(part) is str for part in parts):
            raise Fault("M001", "a text")
        return (" ".join(part for part in parts if part) or None,)

    def write(self, values: tuple[Any, ...]) -> Any:
        """Return the object; a text that does not end in a house number is all street."""
        (value,) = values
        if value is None:
            return None
        found = _HOUSE.fullmatch(value)
        parts = {self._value: found[1], self._number: found[2]} if found else {self._value: value}
        return {**parts, **self._kind}

    def keeps(self, raw: Any, values: tuple[Any, ...]) -> bool:
        """Say whether writing the text gives the object back."""
        return same(self.write(values), raw)


class Keyed:
    """A list of objects told apart by the text at `key`; `picks` name the column of each, a text or a number with its unit beside."""

    def __init__(self, facts: Facts) -> None:
        self._key: str = facts["key"]
        self._value: str = facts["value"]
        self._picks: list[Facts] = list(facts["picks"])
        self._quantities = {pick["to"]: _quantity(facts["table"], pick) for pick in self._picks if "unit_at" in pick}
        self.columns: tuple[str, ...] = tuple(pick["to"] for pick in self._picks)

    def read(self, raw: Any) -> tuple[Any, ...]:
        """Return the value of each pick, the first where one stands twice."""
        if type(raw) is not list or not all(type(item) is dict for item in raw):
            raise Fault("M003", "a list of objects")
        found: dict[str, Any] = {}
        for item in raw:
            for pick in self._picks:
                if item.get(self._key) == pick["is"] and found.get(pick["to"]) is None:
                    found[pick["to"]] = self._one(item, pick)
        return tuple(found.get(column) for column in self.columns)

    def _one(self, item: dict[str, Any], pick: Facts) -> Any:
        value = item.get(self._value)
        if value is None:
            return None
        if pick["to"] in self._quantities:
            try:
                return self._quantities[pick["to"]].read(value, item.get(pick["unit_at"], MISSING))[0]
            except MappingError as error:
                raise Fault("M007", str(error)) from error
        if type(value) is not str:
            raise Fault("M001", "a text")
        return value

    def write(self, values: tuple[Any, ...]) -> Any:
        """Return one object per pick that has a value."""
        items: list[dict[str, Any]] = []
        for pick, value in zip(self._picks, values, strict=True):
            if value is not None and pick["to"] in self._quantities:
                number, unit = self._quantities[pick["to"]].write(value, None)
                items.append({self._key: pick["is"], self._value: number, pick["unit_at"]: unit})
            elif value is not None:
                items.append({self._key: pick["is"], self._value: value})
        return items or None

    def keeps(self, raw: Any, values: tuple[Any, ...]) -> bool:
        """Say whether writing the values gives the list back."""
        return same(self.write(values), raw)


def _quantity(table: str, pick: Facts) -> Quantity:
    column = spec.table(table).column(pick["to"])
    return Quantity(table, column.name, "", "", column.type, (Scale(None, column.unit, pick["word"]),))
