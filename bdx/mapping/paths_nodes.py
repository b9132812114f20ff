"""The nodes of a path mapping: what stands at a place of a document, how it is read with its faults and restored on writing."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any, Protocol

from bdx.mapping.paths_extra import MISSING, Notes, lookup, put, same
from bdx.mapping.transforms_base import Fault, PartFault, Transform


class Run(Protocol):
    """What reading needs of its run: somewhere to name a fault."""

    def fault(self, code: str, table: str, column: str, pointer: str, value: Any, expected: str) -> None:
        """Record a fault at a pointer of the document being read."""


@dataclass(slots=True)
class Leaf:
    """A raw value at one place that is one canonical column; `raw_to` also takes it as written, `fallback` speaks for it.

    Where the column is null, the sum of the columns `sum_of` is written, if all of them have a value; or what is `made` of others.
    """

    table: str
    column: str
    pointer: str
    transform: Transform
    raw_to: str = ""
    fallback: str = ""
    sum_of: tuple[str, ...] = ()
    made: tuple[Any, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns this place fills."""
        return (self.column, self.raw_to) if self.raw_to else (self.column,)

    def slow(self, raw: Any, notes: Notes, run: Run, base: str) -> Any:
        """Return the canonical value of a raw one that needs a look; what would not write back the same is noted."""
        if raw is None:
            notes[self.pointer] = None
            return None
        try:
            value = self.transform.read(raw)
        except Fault as fault:
            notes[self.pointer] = raw
            run.fault(fault.code, self.table, self.column, base + self.pointer, raw, fault.expected)
            return None
        if not same(None if value is None else self.transform.write(value), raw):
            notes[self.pointer] = raw
        elif type(raw) is str:
            self.transform.remember(raw, value)
        return value

    def written(self, raw: Any) -> Any:
        """Return what the model writes for the canonical value of `raw`, None where it has none."""
        try:
            value = None if raw is None else self.transform.read(raw)
        except Fault:
            return None
        return None if value is None else self.transform.write(value)

    def restore(self, root: Any, raw: Any, notes: Notes, lists: Set[str]) -> bool:
        """Put the raw value back unless the canonical value has changed since; say whether it is in the document now."""
        current = lookup(root, self.pointer)
        # A list of one text, which is no text, speaks for itself as that text where `raw_to` took it.
        spoken = raw[0] if self.fallback and self.fallback == self.raw_to and type(raw) is list and len(raw) == 1 else MISSING
        if not same(None if current is MISSING else current, self.written(raw)) and (spoken is MISSING or not same(current, spoken)):
            return bool(same(current, raw))
        return put(root, self.pointer, raw, lists, replace=current is not MISSING)


@dataclass(slots=True)
class Copy:
    """A second place of a value, perhaps in another form: written beside the first, and read where the first is missing.

    Another name of the first place, as another release of the model has it, is `read_only`: never written for other models.
    """

    first: Leaf
    pointer: str
    transform: Transform
    read_only: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The first place speaks for the column."""
        return ()

    def compare(self, raw: Any, value: Any, notes: Notes, run: Run, base: str) -> Any:
        """Return the canonical value; the copy is noted where it would not be written as it was read."""
        mine = Leaf(self.first.table, self.first.column, self.pointer, self.transform).slow(raw, notes, run, base)
        if value is None and mine is not None and self.first.pointer not in notes:
            notes.setdefault("-", []).append(self.first.pointer)
            value = mine
        if mine != value or self.read_only:
            notes[self.pointer] = raw
        return value

    def restore(self, root: Any, raw: Any, notes: Notes, lists: Set[str]) -> bool:
        """Put the differing copy back."""
        return put(root, self.pointer, raw, lists, replace=lookup(root, self.pointer) is not MISSING)


@dataclass(slots=True)
class Constant:
    """A value that the model itself fixes; `raw_to` takes what the source had in its place."""

    pointer: str
    value: Any
    raw_to: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns this place fills."""
        return (self.raw_to,) if self.raw_to else ()

    def restore(self, root: Any, raw: Any, notes: Notes, lists: Set[str]) -> bool:
        """Put back what the source had."""
        return put(root, self.pointer, raw, lists, replace=lookup(root, self.pointer) is not MISSING)


class GroupTransform(Protocol):
    """A two-way function between one raw value and several columns."""

    columns: tuple[str, ...]

    def read(self, raw: Any) -> tuple[Any, ...]:
        """Return one canonical value per column; raises Fault."""

    def write(self, values: tuple[Any, ...]) -> Any:
        """Return the raw value, None where no column has one."""

    def keeps(self, raw: Any, values: tuple[Any, ...]) -> bool:
        """Say whether writing the values gives the raw value back."""


@dataclass(slots=True)
class Group:
    """A raw list whose entries are several canonical columns; those that are none may be `rest`, rows of a child table."""

    table: str
    pointer: str
    transform: GroupTransform
    rest: Any = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns this place fills."""
        return self.transform.columns

    def slow(self, raw: Any, notes: Notes, run: Run, base: str) -> tuple[Any, ...]:
        """Return one canonical value per column; a list that would not write back the same is noted."""
        nothing = (None,) * len(self.transform.columns)
        if raw is None:
            notes[self.pointer] = None
            return nothing
        try:
            values = self.transform.read(raw)
        except PartFault as fault:
            values = fault.values
            for part in fault.parts:
                run.fault(part.code, self.table, part.column, f"{base}{self.pointer}{part.pointer}", part.raw, part.expected)
        except Fault as fault:
            notes[self.pointer] = raw
            run.fault(fault.code, self.table, self.columns[0], base + self.pointer, raw, fault.expected)
            return nothing
        if not self.transform.keeps(raw, values) and not (self.rest is not None and same(self._back(raw, values), raw)):
            notes[self.pointer] = raw
        return values

    def left(self, raw: Any) -> list[tuple[int, Any]]:
        """Return the entries that are rows of their own, with their numbers."""
        return self.transform.left(raw) if self.rest is not None else []  # type: ignore[attr-defined]

    def written(self, raw: Any) -> Any:
        """Return what the model writes for the canonical values of `raw`, entries that are rows last."""
        try:
            return None if raw is None else self._back(raw, self.transform.read(raw))
        except PartFault as fault:
            return self._back(raw, fault.values)
        except Fault:
            return None

    def _back(self, raw: Any, values: tuple[Any, ...]) -> Any:
        found, others = self.transform.write(values), [item for _, item in self.left(raw)]
        if others and hasattr(self.transform, "joined"):
            return self.transform.joined(found, others)
        return [*(found or ()), *others] if others else found

    def restore(self, root: Any, raw: Any, notes: Notes, lists: Set[str]) -> bool:
        """Put the raw list back unless a canonical value has changed since."""
        current = lookup(root, self.pointer)
        if not same(None if current is MISSING else current, self.written(raw)):
            return bool(same(current, raw))
        return put(root, self.pointer, raw, lists, replace=current is not MISSING)
