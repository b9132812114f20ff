"""Reads a path mapping's spec into a plan: trees of objects, lists and leaves, one tree per kind of canonical row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

from bdx import spec, units
from bdx.errors import MappingError, SpecError, did_you_mean
from bdx.mapping.paths_extends import extended
from bdx.mapping.paths_extra import escape
from bdx.mapping.paths_nodes import Constant, Copy, Group, Leaf
from bdx.mapping.paths_quantity import Quantity, Scale, UnitOf
from bdx.mapping.paths_tree import First, Object, Plan, Rows, Scope, mark_choice
from bdx.mapping.transforms import make
from bdx.mapping.transforms_base import Options, Transform
from bdx.mapping.transforms_lists import GROUPS
from bdx.spec import Facts

_SETS = ("values", "implied", "assumed")

REST = "[rest]"
"""Ends the path of rows that are the items of a list which a field leaves: all but the first, or those it does not pick."""

_FIELD_KEYS = frozenset(
    (
        *("at", "to", "as", "unit", "raw_to", "fallback", "sum_of", "copies", "also", "time_at", "constant"),
        *("words", "other", "narrow", "language", "unit_at", "word", "per", "scales"),
        *("each", "shared", "key", "value", "time", "picks", "number", "pattern", "kind", "kind_at"),
    )
)
"""What a line of `fields` may say: of every leaf; of words, texts and quantities; of lists of objects."""


@cache
def plan(mapping: str, options: Options) -> Plan:
    """Return the plan of specs/mappings/<mapping>.toml under the user's options.

    Raises: SpecError naming the field that does not fit.
    """
    return _Reader(mapping, options).plan()


class _Reader:
    """Builds one plan; `facts` is the spec, `words` its named word lists, `units` its names of units."""

    def __init__(self, mapping: str, options: Options) -> None:
        self.facts = extended(mapping)
        self.options = options
        self.words = self.facts.get("words", {})
        self.units = self.facts.get("units", {})
        self.shapes = self.facts.get("shapes", {})
        self.where = f"specs/mappings/{mapping}.toml"
        self.scopes: list[Scope] = []
        self.rows: list[Rows] = []

    def plan(self) -> Plan:
        """Return the whole plan."""
        main = self._scope(self.facts.get("table", "battery"), self.facts["fields"])
        main.unread.update(self.facts.get("unread", ()))
        for entry in self.facts.get("rows", ()):
            self._rows(main, entry)
        self._choices(main, self.facts)
        return Plan(
            self.facts["format"],
            self.scopes,
            self.rows,
            tuple(self.facts["key"]),
            self.facts.get("resolve"),
            self.facts.get("only_with", {}),
        )

    def _scope(self, table: str, fields: tuple[Facts, ...], parameters: tuple[str, ...] = ()) -> Scope:
        spec.table(table)
        scope = Scope(len(self.scopes), table, Object(""), parameters)
        self.scopes.append(scope)
        for entry in fields:
            self._field(scope, entry)
        return scope

    def _rows(self, parent: Scope, entry: Facts) -> None:
        """Add a kind of child rows: one scope, and a place per entry of `places`."""
        places = entry.get("places", (entry,))
        link: Mapping[str, str] = entry.get("link", {})
        sets = dict.fromkeys(column for place in places for key in _SETS for column in place.get(key, {}))
        scope = self._scope(entry["table"], entry.get("fields") or self.shapes[entry["shape"]], (*sets, *link))
        scope.unread.update(entry.get("unread", ()))
        for nested in entry.get("rows", ()):
            self._rows(scope, nested)
        self._choices(scope, entry)
        for column in (*sets, *link):
            spec.table(entry["table"]).column(column)
        for place in places:
            path = place["at"]
            values = place.get("values", {})
            row = Rows(
                number=len(self.rows),
                pointer="",
                scope=scope,
                many=path.endswith(("[]", REST)),
                values=values,
                match=tuple(place.get("match", values)),
                accepts=place.get("accepts", {}),
                implied=place.get("implied", {}),
                assumed=place.get("assumed", {}),
                link=link,
                where=place.get("where", {}),
                read_only=place.get("read_only", False),
                rest=path.endswith(REST),
            )
            if row.rest:
                self._rest(parent, path.removesuffix(REST), row)
            else:
                row.pointer = self._place(parent, path.removesuffix("[]"), row)
                parent.containers.add(row.pointer)
            if row.many:
                parent.lists.add(row.pointer)
            parent.places.append(row)
            self.rows.append(row)

    def _rest(self, parent: Scope, path: str, row: Rows) -> None:
        """Give the items of a list that a field does not take to rows."""
        row.pointer = "".join(f"/{escape(str(step))}" for step in _steps(path))
        holder: Any = parent.root
        for step in _steps(path):
            holder = holder.keys.get(str(step)) if isinstance(holder, Object) else None
        picks = isinstance(holder, Group) and hasattr(holder.transform, "left")
        if not (picks or isinstance(holder, First)) or holder.rest is not None:
            raise SpecError(f"{self.where}: '{path}{REST}': no field takes the first of this list, or picks of it")
        holder.rest = row

    def _choices(self, scope: Scope, entry: Facts) -> None:
        """Mark the objects of which one key is written; the keys given up must be objects themselves."""
        for choice in entry.get("choices", ()):
            if not mark_choice(scope.root, _steps(choice["at"]), choice["of"]):
                raise SpecError(f"{self.where}: choice '{choice['at']}': expected an object with objects at {', '.join(choice['of'])}")

    def _field(self, scope: Scope, entry: Facts) -> None:
        """Add what one line of `fields` says."""
        at = entry["at"]
        strange = sorted(entry.keys() - _FIELD_KEYS)
        if strange:
            raise SpecError(f"{self.where}: field '{at}': unknown key '{strange[0]}'{did_you_mean(strange[0], _FIELD_KEYS)}")
        for column in _columns_of(entry):
            spec.table(scope.table).column(column)
        if "constant" in entry:
            self._node(scope, at, lambda pointer: Constant(pointer, entry["constant"], entry.get("raw_to", "")))
        elif entry.get("as") in GROUPS:
            transform = GROUPS[entry["as"]]({**entry, "table": scope.table, "options": self.options})
            self._node(scope, at, lambda pointer: Group(scope.table, pointer, transform))
        elif "unit_at" in entry:
            quantity = self._quantity(scope, entry)
            self._node(scope, at, lambda pointer: _at(quantity, pointer))
            quantity.unit_pointer = self._node(scope, _beside(at, entry["unit_at"]), lambda pointer: UnitOf(quantity, pointer))
        else:
            leaf = self._leaf(scope, entry)
            self._node(scope, at, lambda pointer: _at(leaf, pointer))
            for other in entry.get("copies", ()):
                copy = partial(Copy, leaf, transform=self._transform(scope, {**entry, "as": "", **other}))
                self._node(scope, other["at"], copy)
            for name in entry.get("also", ()):
                alias = partial(Copy, leaf, transform=leaf.transform, read_only=True)
                self._node(scope, name if "." in name else _beside(at, name), alias)
        if "time_at" in entry:
            self._field(scope, {"at": _beside(at, entry["time_at"]), "to": entry["to"] + "_time"})
        if "raw_to" in entry:
            scope.unread.add(entry["raw_to"])
        if "fallback" in entry:
            scope.fallbacks[entry["fallback"]] = entry["to"]

    def _leaf(self, scope: Scope, entry: Facts) -> Leaf:
        transform = self._transform(scope, entry)
        return Leaf(scope.table, entry["to"], "", transform, entry.get("raw_to", ""), entry.get("fallback", ""), entry.get("sum_of", ()))

    def _transform(self, scope: Scope, entry: Facts) -> Transform:
        full = dict(entry)
        if isinstance(entry.get("words"), str):
            full["words"] = self.words[entry["words"]]
        return make(spec.table(scope.table).column(entry["to"]), full, self.options)

    def _quantity(self, scope: Scope, entry: Facts) -> Quantity:
        column = spec.table(scope.table).column(entry["to"])
        if "scales" in entry:
            scales = tuple(Scale(row["per"], row["unit"], row["word"]) for row in entry["scales"])
        else:
            scales = (Scale(None, column.unit, entry["word"]),)
        for scale in scales:
            try:
                units.factor(self.units.get(scale.word, scale.word), scale.unit)
            except MappingError as error:
                raise SpecError(f"{self.where}: field '{entry['at']}': {error}") from error
        return Quantity(
            scope.table,
            column.name,
            "",
            "",
            column.type,
            scales,
            per=entry.get("per", ""),
            raw_to=entry.get("raw_to", ""),
            unit_names=self.units,
        )

    def _node(self, scope: Scope, path: str, build: Any) -> str:
        """Put a node at a path of a scope and return its pointer."""
        if not path:
            node = build("")
            scope.root = node
            scope.nodes[""] = node
            return ""
        holder = _Slot(build)
        pointer = self._place(scope, path, holder)
        assert holder.node is not None
        scope.nodes[pointer] = holder.node
        return pointer

    def _place(self, scope: Scope, path: str, node: Any) -> str:
        """Walk a path, making objects and lists on the way, put the node at its end and return the pointer."""
        current, pointer = scope.root, ""
        path_steps = list(_steps(path))
        for number, step in enumerate(path_steps):
            pointer += f"/{escape(str(step))}"
            last = number == len(path_steps) - 1
            if isinstance(node, _Slot) and last:
                node.make(pointer)
                value: Any = node.node
            else:
                value = node if last else First(pointer) if path_steps[number + 1] == 0 else Object(pointer)
            if not last:
                scope.containers.add(pointer)
                if isinstance(value, First):
                    scope.lists.add(pointer)
            current = self._attach(current, step, value, last, path)
        return pointer

    def _attach(self, holder: Any, step: str | int, value: Any, last: bool, path: str) -> Any:
        known = holder.item if isinstance(holder, First) else holder.keys.get(step)
        if known is not None:
            if last or type(known) is not type(value):
                raise SpecError(f"{self.where}: '{path}' stands where another field does")
            return known
        if isinstance(holder, First):
            holder.item = value
        else:
            holder.keys[step] = value
        return value


class _Slot:
    """A node that learns its pointer when its place is found."""

    def __init__(self, build: Any) -> None:
        self._build = build
        self.node: Any = None

    def make(self, pointer: str) -> None:
        """Build the node for its pointer."""
        self.node = self._build(pointer)


def _at(node: Any, pointer: str) -> Any:
    node.pointer = pointer
    return node


def _columns_of(entry: Facts) -> Iterator[str]:
    for key in ("to", "per", "raw_to", "fallback"):
        if key in entry:
            yield entry[key]
    yield from entry.get("sum_of", ())
    yield from entry.get("each", {}).values()
    yield from entry.get("shared", {}).values()
    for pick in entry.get("picks", ()):
        yield pick["to"]


def _beside(path: str, other: str) -> str:
    """Return the path of a sibling; each `../` before its name goes one object up."""
    holder = path.rpartition(".")[0]
    while other.startswith("../"):
        holder, other = holder.rpartition(".")[0], other.removeprefix("../")
    return f"{holder}.{other}" if holder else other


_STEP = re.compile(r"([^.\[\]]+)|\[0\]")


def _steps(path: str) -> Iterator[str | int]:
    """Yield the steps of a path such as a.b[0].c."""
    end = 0
    for found in _STEP.finditer(path):
        if path[end : found.start()] not in ("", "."):
            raise SpecError(f"path '{path}': expected keys with dots between and [0] for the first item")
        end = found.end()
        yield found[1] if found[1] is not None else 0
    if end != len(path):
        raise SpecError(f"path '{path}': expected keys with dots between and [0] for the first item")
