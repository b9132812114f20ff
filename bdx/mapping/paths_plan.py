"""Reads a path mapping's spec into a plan: trees of objects, lists and leaves, one tree per kind of canonical row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from bdx import spec, units
from bdx.errors import MappingError, SpecError, did_you_mean
from bdx.mapping.paths_extends import extended
from bdx.mapping.paths_extra import escape
from bdx.mapping.paths_lines import FIELD_KEYS, beside, columns_of, steps_of
from bdx.mapping.paths_made import WAYS
from bdx.mapping.paths_nodes import Constant, Copy, Group, Leaf
from bdx.mapping.paths_quantity import Quantity, Scale, UnitOf
from bdx.mapping.paths_tree import First, Object, Plan, Rows, Scope, mark_choice
from bdx.mapping.transforms import make
from bdx.mapping.transforms_base import Options, Transform
from bdx.mapping.transforms_bounds import bounded, bounds_of
from bdx.mapping.transforms_lists import GROUPS
from bdx.spec import Facts

_SETS = ("values", "implied", "assumed")

REST = "[rest]"
"""Ends the path of rows that are the items of a list which a field leaves: all but the first, or those it does not pick."""


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
        for entry in self.facts.get("only_for", ()):
            main.keep_for(entry["at"], entry["column"], entry["values"])
        resolve, only_with = self.facts.get("resolve"), self.facts.get("only_with", {})
        found = Plan(self.facts["format"], self.scopes, self.rows, tuple(self.facts["key"]), resolve, only_with)
        found.mark_made()
        return found

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
                keys=tuple(place.get("keys", ())),
                hollow=entry.get("hollow", True),
                rest=path.endswith(REST),
            )
            if row.rest:
                self._rest(parent, path.removesuffix(REST), row)
            elif row.keys:
                row.pointer = self._place(parent, f"{path}.{' '.join(row.keys)}", row).rpartition("/")[0]
            else:
                row.pointer = self._place(parent, path.removesuffix("[]"), row)
                parent.containers.add(row.pointer)
            if row.many:
                parent.lists.add(row.pointer)
            parent.places.append(row)
            self.rows.append(row)

    def _rest(self, parent: Scope, path: str, row: Rows) -> None:
        """Give the items of a list that a field does not take to rows."""
        row.pointer = "".join(f"/{escape(str(step))}" for step in steps_of(path))
        holder: Any = parent.root
        for step in steps_of(path):
            holder = holder.keys.get(str(step)) if isinstance(holder, Object) else None
        picks = isinstance(holder, Group) and hasattr(holder.transform, "left")
        if not (picks or isinstance(holder, First)) or holder.rest is not None:
            raise SpecError(f"{self.where}: '{path}{REST}': no field takes the first of this list, or picks of it")
        holder.rest = row

    def _choices(self, scope: Scope, entry: Facts) -> None:
        """Mark the objects of which one key is written; the keys given up must be objects themselves."""
        for choice in entry.get("choices", ()):
            if not mark_choice(scope.root, steps_of(choice["at"]), choice["of"]):
                raise SpecError(f"{self.where}: choice '{choice['at']}': expected an object with objects at {', '.join(choice['of'])}")

    def _field(self, scope: Scope, entry: Facts) -> None:
        """Add what one line of `fields` says."""
        at = entry["at"]
        strange = sorted(entry.keys() - FIELD_KEYS)
        if strange:
            raise SpecError(f"{self.where}: field '{at}': unknown key '{strange[0]}'{did_you_mean(strange[0], FIELD_KEYS)}")
        for column in columns_of(entry):
            spec.table(scope.table).column(column)
        if "constant" in entry:
            fixed = list(entry["constant"]) if isinstance(entry["constant"], tuple) else entry["constant"]
            self._node(scope, at, lambda pointer: Constant(pointer, fixed, entry.get("raw_to", "")))
        elif entry.get("as") in GROUPS:
            named = {"words": self.words[entry["words"]]} if "words" in entry else {}
            transform = GROUPS[entry["as"]]({**entry, **named, "table": scope.table, "options": self.options})
            self._node(scope, at, lambda pointer: Group(scope.table, pointer, transform))
        elif "unit_at" in entry:
            quantity = self._quantity(scope, entry)
            self._node(scope, at, lambda pointer: _at(quantity, pointer))
            quantity.unit_pointer = self._node(scope, beside(at, entry["unit_at"]), lambda pointer: UnitOf(quantity, pointer))
        else:
            leaf = self._leaf(scope, entry)
            self._node(scope, at, lambda pointer: _at(leaf, pointer))
            for other in entry.get("copies", ()):
                copy = partial(Copy, leaf, transform=self._transform(scope, {**entry, "as": "", **other}))
                self._node(scope, other["at"], copy)
            for name in entry.get("also", ()):
                alias = partial(Copy, leaf, transform=leaf.transform, read_only=True)
                self._node(scope, name if "." in name else beside(at, name), alias)
        if "time_at" in entry:
            self._field(scope, {"at": beside(at, entry["time_at"]), "to": entry["to"] + "_time"})
        if "raw_to" in entry:
            scope.unread.add(entry["raw_to"])
        if "fallback" in entry:
            scope.fallbacks[entry["fallback"]] = entry["to"]

    def _leaf(self, scope: Scope, entry: Facts) -> Leaf:
        transform = self._transform(scope, entry)
        made = tuple(WAYS[way["how"]](way, scope.table) for way in entry.get("made", ()))
        scope.unread.update(column for way in made if not way.table for column in way.columns)
        raw_to, fallback, sum_of = entry.get("raw_to", ""), entry.get("fallback", ""), entry.get("sum_of", ())
        return Leaf(scope.table, entry["to"], "", transform, raw_to, fallback, sum_of, made)

    def _transform(self, scope: Scope, entry: Facts) -> Transform:
        full = dict(entry)
        if isinstance(entry.get("words"), str):
            full["words"] = self.words[entry["words"]]
        return bounded(make(spec.table(scope.table).column(entry["to"]), full, self.options), entry)

    def _quantity(self, scope: Scope, entry: Facts) -> Quantity:
        column = spec.table(scope.table).column(entry["to"])
        if "scales" in entry:
            scales = tuple(Scale(row["per"], row["unit"], row["word"]) for row in entry["scales"])
        else:
            every = (entry["word"],) if isinstance(entry["word"], str) else entry["word"]
            scales = tuple(Scale(None, entry.get("unit", column.unit), word) for word in every)
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
            sum_of=entry.get("sum_of", ()),
            bounds=bounds_of(entry),
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
        path_steps = list(steps_of(path))
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
