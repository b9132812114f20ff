"""The tree of a path mapping: objects and lists of a document, the rows in them, and the scopes that rows are read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bdx import spec
from bdx.mapping.paths_quantity import Node
from bdx.spec import Facts

STRUCTURE = ("battery_key", "source_id", "locator", "extra")
"""Columns every mapping fills itself."""


@dataclass(slots=True)
class Object:
    """An object of the document: what stands at its keys. Of the keys of a `choice` one is written, the first that says something."""

    pointer: str
    keys: dict[str, Any] = field(default_factory=dict)
    choice: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The keys of the document's object that have a place here."""
        return frozenset(self.keys).union(*(child.keys for child in self.keys.values() if isinstance(child, Rows)))


def mark_choice(node: Any, path: Iterable[str | int], keys: Sequence[str]) -> bool:
    """Make the object at a path a choice of keys; say whether it is one, and those that may be given up are objects."""
    for step in path:
        node = getattr(node, "keys", {}).get(step)
    if not isinstance(node, Object) or not all(isinstance(node.keys.get(key), Object) for key in keys[1:]):
        return False
    node.choice = tuple(keys)
    return True


@dataclass(slots=True)
class First:
    """A list that has one place in the canonical tables: its first item; the rest is noted, or is rows of its own."""

    pointer: str
    item: Any = None
    rest: Rows | None = None


@dataclass(slots=True)
class Rows:
    """A list of items (`many`) or one object that is rows of a child table, told from other places by constants.

    `values` are set on reading; a row is written here where its `match` columns hold those values (or one of `accepts`)
    and its `implied` columns hold theirs or nothing. `assumed` are set on reading and not asked for on writing; `where` are
    asked for on writing as `implied` are, and not set on reading. `link` copies columns of the parent row into the child's.
    `rest`: only the items of the list that a field of the parent leaves. `read_only`: no row is written here that was not read here.
    `keys`: the row is these keys of the object at the place, which holds others beside them. `hollow`: an object is written for a row
    of which nothing but its being there can be said.
    """

    number: int
    pointer: str
    scope: Scope
    many: bool
    values: Mapping[str, Any]
    match: tuple[str, ...]
    accepts: Mapping[str, tuple[str, ...]]
    implied: Mapping[str, Any]
    assumed: Mapping[str, Any]
    link: Mapping[str, str]
    where: Mapping[str, Any] = field(default_factory=dict)
    rest: bool = False
    read_only: bool = False
    keys: tuple[str, ...] = ()
    hollow: bool = True

    @property
    def fills(self) -> dict[str, Any]:
        """Columns set to the same value in every row read here."""
        return {**self.values, **self.implied, **self.assumed}

    @property
    def carries(self) -> frozenset[str]:
        """Columns of a row that the document holds when the row is written here."""
        return frozenset((*self.scope.carries, *self.values, *self.implied, *self.where, *self.link))


@dataclass(slots=True)
class Scope:
    """What one canonical row is read from: an object, or one scalar of a list (`root` is then a leaf).

    `only_for` says of a pointer at which values of a column the model has that place at all.
    """

    number: int
    table: str
    root: Any
    parameters: tuple[str, ...] = ()
    places: list[Rows] = field(default_factory=list)
    nodes: dict[str, Node] = field(default_factory=dict)
    lists: set[str] = field(default_factory=set)
    containers: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    fallbacks: dict[str, str] = field(default_factory=dict)
    only_for: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns filled by the places of this scope."""
        return tuple(dict.fromkeys(column for node in self.nodes.values() for column in node.columns))

    def keep_for(self, paths: Iterable[str], column: str, values: Iterable[str]) -> None:
        """Say that the model has what stands at or below these paths for some values of a column only."""
        below = tuple("/" + path.replace(".", "/") + "/" for path in paths)
        found = [pointer for pointer, node in self.nodes.items() if node.columns and f"{pointer}/".startswith(below)]
        self.only_for.update(dict.fromkeys(found, (column, frozenset(values))))

    @property
    def carries(self) -> frozenset[str]:
        """Columns that the document holds when a row is written; what only repeats a raw text need not be carried."""
        return frozenset((*self.columns, *STRUCTURE)) | self.unread


def outer_of(places: Iterable[Rows], place: Rows) -> Rows | None:
    """Return the place whose rows hold those of another, None for one at the top."""
    return next((other for other in places if any(inner is place for inner in other.scope.places)), None)


def level(places: Sequence[Rows], place: Rows) -> str:
    """Return how deep rows stand that stand in rows of their own table (modules in a pack, cells in a module), "" for any others."""
    outer = outer_of(places, place)
    if outer is None or outer.scope.table != place.scope.table:
        return ""
    return str(int(level(places, outer) or 0) + 1)


@dataclass(slots=True)
class Plan:
    """A whole mapping: the scope of the main table first, then those of its children."""

    model: str
    scopes: list[Scope]
    rows: list[Rows]
    key: tuple[str, ...]
    resolve: Facts | None
    only_with: Facts
    """"table.column" -> column of the same table: the first says nothing where the second is null."""

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the columns of a table that some scope fills, in canonical order."""
        filled = {column for scope in self.scopes if scope.table == table for column in (*scope.columns, *scope.parameters)}
        return tuple(column.name for column in spec.table(table).columns if column.name in filled)

    def mark_made(self) -> None:
        """Mark the columns of child rows that go into a text: they need no place of their own."""
        for table, columns in self.made_of().items():
            for scope in self.scopes:
                if scope.table == table:
                    scope.unread.update(columns)

    def made_of(self) -> dict[str, set[str]]:
        """Return the child tables that texts of the main table are made of, with the columns that go into them."""
        found: dict[str, set[str]] = {}
        for node in self.scopes[0].nodes.values():
            for way in getattr(node, "made", ()):
                if way.table:
                    found.setdefault(way.table, set()).update(way.columns)
        return found

    @property
    def tables(self) -> tuple[str, ...]:
        """Tables this mapping reads and writes, the main one first."""
        return tuple(dict.fromkeys(scope.table for scope in self.scopes))


def run_columns(facts: Plan, table: str) -> tuple[str, ...]:
    """Return the columns of a row tuple: battery_key, what the mapping fills, where it stands (main table), extra last."""
    inner = tuple(column for column in facts.columns(table) if column not in ("battery_key", "extra"))
    ends = ("source_id", "locator") if table == facts.tables[0] else ()
    return ("battery_key", *inner, *ends, "extra")
