"""A value beside its unit: how the pair becomes one canonical number and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from bdx import units
from bdx.errors import MappingError
from bdx.mapping.paths_extra import MISSING, Notes, lookup, put, same, steps
from bdx.mapping.paths_nodes import Constant, Copy, Group, Leaf, Run
from bdx.mapping.transforms_base import Fault
from bdx.mapping.transforms_bounds import ANY, Bounds
from bdx.mapping.transforms_numbers import as_decimal, as_float, as_integer, converter, shortest

_CACHE = 4096


@dataclass(frozen=True, slots=True)
class Scale:
    """One way to say a quantity: what it is per (None where that is fixed), its canonical unit, the word written."""

    per: str | None
    unit: str
    word: str


@dataclass(slots=True)
class Quantity:
    """A value beside its unit: two raw places, one canonical column in its unit; perhaps what it is per, and the unit's text.

    Of several scales the first is written in which the number fits the `bounds`.
    """

    table: str
    column: str
    pointer: str
    unit_pointer: str
    kind: str
    scales: tuple[Scale, ...]
    per: str = ""
    raw_to: str = ""
    sum_of: tuple[str, ...] = ()
    bounds: Bounds = ANY
    unit_names: Mapping[str, str] = field(default_factory=dict)
    _known: dict[tuple[str, str], Any] = field(default_factory=dict)
    _faithful: dict[tuple[float | int, str], tuple[Any, ...]] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns these places fill."""
        return tuple(name for name in (self.column, self.per, self.raw_to) if name)

    @property
    def unit_key(self) -> str:
        """The key of the unit in the object that holds it."""
        return steps(self.unit_pointer)[-1]

    @property
    def plain_word(self) -> str:
        """The unit word under which a raw float is the canonical value as it stands, if there is one."""
        scale = self.scales[0]
        named = self.unit_names.get(scale.word, scale.word)
        plain = self.kind == "float64" and not self.per and self.bounds == ANY
        return scale.word if plain and units.unit(named) == units.unit(scale.unit) else ""

    def read(self, raw: Any, word: Any) -> tuple[Any, str | None]:
        """Return (canonical value, what it is per); raises Fault where the unit is missing, unknown or of another quantity."""
        if type(word) is not str:
            raise Fault("M007", "a unit beside the value")
        name = self.unit_names.get(word, word)
        if not units.known(name):
            raise Fault("M007", "a unit that bdx knows")
        for scale in self.scales:
            if units.unit(name).quantity == units.unit(scale.unit).quantity:
                return self._convert(raw, name, scale.unit), scale.per
        raise Fault("M007", f"a unit of {units.unit(self.scales[0].unit).quantity.replace('_', ' ')}")

    def write(self, value: Any, per: str | None) -> tuple[Any, str | None]:
        """Return (raw value, unit word); (None, None) where the model has no unit for it."""
        for scale in self.scales:
            if value is not None and scale.per == per:
                try:
                    found = self.bounds.fitted(self._convert(value, scale.unit, self.unit_names.get(scale.word, scale.word)))
                except Fault:
                    return None, None
                if found is not None:
                    return found, scale.word
        return None, None

    def _convert(self, raw: Any, source: str, target: str) -> Any:
        if self.kind == "decimal":
            exact = as_decimal(raw)
            return exact if units.unit(source) is units.unit(target) else as_decimal(units.convert_decimal(exact, source, target))
        if self.kind == "int64":
            scale, offset = units.factor(source, target)
            exact_number = Fraction(as_float(raw)) * scale + offset
            return as_integer(int(exact_number) if exact_number.denominator == 1 else float(exact_number))
        step = self._known.get((source, target))
        if step is None:
            step = self._known[source, target] = converter(source, target)
        found = step(as_float(raw))
        if math.isinf(found):
            raise Fault("M006", f"a number below 1.8e308 {target}")
        return found

    def _back(self, value: Any, per: str | None) -> tuple[Any, str | None]:
        raw, word = self.write(value, per)
        return (shortest(raw) if isinstance(raw, Decimal) else raw), word

    def slow(self, raw: Any, word: Any, notes: Notes, run: Run, base: str) -> tuple[Any, ...]:
        """Return one canonical value per column; both raw places are noted where they would not write back the same."""
        if type(raw) in (float, int) and type(word) is str:
            hit = self._faithful.get((raw, word))
            if hit is not None:
                return hit
        value = per = None
        keep = True
        if raw is not MISSING and raw is not None:
            try:
                value, per = self.read(raw, word)
                back, back_word = self._back(value, per)
                keep = not (same(back, raw) and same(back_word, word))
            except (Fault, MappingError) as fault:
                code, expected = (fault.code, fault.expected) if isinstance(fault, Fault) else ("M007", str(fault))
                value = per = None
                found = raw if code != "M007" or word is MISSING else f"{raw} {word}"
                run.fault(code, self.table, self.column, base + self.pointer, found, expected)
        if keep:
            if raw is not MISSING:
                notes[self.pointer] = raw
            if word is not MISSING:
                notes[self.unit_pointer] = word
        found_columns: list[Any] = [value]
        if self.per:
            found_columns.append(per)
        if self.raw_to:
            found_columns.append(word if type(word) is str else None)
        found = tuple(found_columns)
        if not keep and type(raw) in (float, int):
            if len(self._faithful) >= _CACHE:
                self._faithful.clear()
            self._faithful[raw, word] = found
        return found

    def written(self, raw: Any, word: Any) -> tuple[Any, str | None]:
        """Return what the model writes for the canonical value of a raw pair."""
        try:
            return self._back(*self.read(raw, word)) if raw is not None else (None, None)
        except (Fault, MappingError):
            return None, None

    def restore(self, root: Any, raw: Any, notes: Notes, lists: Set[str]) -> bool:
        """Put value and unit back unless the canonical value has changed since."""
        current = lookup(root, self.pointer)
        word = notes.get(self.unit_pointer, MISSING)
        if not same(None if current is MISSING else current, self.written(raw, word)[0]):
            return False
        if word is not MISSING:
            put(root, self.unit_pointer, word, lists, replace=lookup(root, self.unit_pointer) is not MISSING)
        return put(root, self.pointer, raw, lists, replace=current is not MISSING)


@dataclass(slots=True)
class UnitOf:
    """The unit's place beside a quantity; restored with its value, alone only where there is no value."""

    quantity: Quantity
    pointer: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The quantity speaks for its unit."""
        return ()

    def restore(self, root: Any, raw: Any, notes: Notes, lists: Set[str]) -> bool:
        """Put a unit back that stood alone."""
        if self.quantity.pointer in notes or lookup(root, self.quantity.pointer) is not MISSING:
            return True
        return put(root, self.pointer, raw, lists, replace=False)


Node = Leaf | Copy | Constant | Group | Quantity | UnitOf
