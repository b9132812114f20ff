"""Generates the source of a plan's reader: straight code over dicts that makes one row per scope."""

from __future__ import annotations

import re
from typing import Any

from bdx.mapping.paths_below import beside, columns_in, holds, leaves
from bdx.mapping.paths_extra import escape
from bdx.mapping.paths_nodes import Constant, Copy, Group, Leaf
from bdx.mapping.paths_quantity import Quantity, UnitOf
from bdx.mapping.paths_source import Source
from bdx.mapping.paths_tree import First, Object, Plan, Rows, Scope, level, run_columns

_LARGE = 2**53
"""Whole numbers below this are floats without loss."""


_REMEMBERED, _WORTH = 2, 5
"""Objects this deep with so many values or more are remembered: a passport shares most of them with others of its model."""

_NAMES = re.compile(r"\b(?:v_\w+|r\d+|z\d+_\d+)\b")


def _variable(column: str) -> str:
    return f"v_{column}"


class ReaderSource(Source):
    """Source of `make(run, appends)`, which returns the function that reads one document into rows."""

    def __init__(self, facts: Plan) -> None:
        super().__init__()
        self._units: dict[int, str] = {}
        self._memories: list[str] = []
        self.plan = facts
        self.line(0, "def make(run, appends):")
        for number, table in enumerate(facts.tables):
            self.line(1, f"row_{table} = appends[{number}]")
        for name in ("shape", "many", "each", "keep", "notes_of", "begin", "link"):
            self.line(1, f"{name} = run.{name}")
        for scope in reversed(facts.scopes):
            self._scope(scope)
        self.line(1, "return read_0")

    def text(self) -> str:
        """Return the whole source."""
        return "\n".join(self.lines) + "\n"

    def _scope(self, scope: Scope) -> None:
        main = scope.number == 0
        for place in scope.places:
            self.line(1, f"p{place.number} = run.place({place.number}, read_{place.scope.number})")
        arguments = "d, _key=None, base=''" if main else "d, key, base, mark" + "".join(f", {_variable(c)}" for c in scope.parameters)
        start = len(self.lines)
        self.line(1, f"def read_{scope.number}({arguments}):")
        self.line(2, "X = {}" if main else "X = {} if mark is None else {'#': mark}")
        own = [column for column in scope.columns if column not in scope.parameters]
        if own:
            self.line(2, " = ".join(map(_variable, own)) + " = None")
        copies = [node for node in scope.nodes.values() if isinstance(node, Copy)]
        later = [f"r{place.number}" for place in scope.places] + [f"z{scope.number}_{i}" for i in range(len(copies))]
        if later:
            self.line(2, " = ".join(later) + " = M")
        self._copies = {id(node): f"z{scope.number}_{i}" for i, node in enumerate(copies)}
        if isinstance(scope.root, Object):
            self._object_body(scope, scope.root, "d", 2)
        else:
            self._value(scope, scope.root, "d", 2)
        for node in copies:
            name, value = self._copies[id(node)], _variable(node.first.column)
            self.line(2, f"if {name} is not M: {value} = {self.bind('compare', node.compare)}({name}, {value}, X, run, base)")
            if not node.read_only:
                self.line(2, f"elif {value} is not None: X.setdefault('-', []).append({node.pointer!r})")
        for pointer, (column, values) in scope.only_for.items():
            told, said = _variable(column), " or ".join(f"{_variable(name)} is not None" for name in scope.nodes[pointer].columns)
            known = self.bind("K", values)
            self.line(2, f"if {told} is not None and {told} not in {known} and ({said}): X.setdefault('+', []).append({pointer!r})")
        if main:
            self.line(2, "key = " + " or ".join(map(_variable, self.plan.key)) + " or run.number_key()")
            self.line(2, "begin(key)")
        for place in scope.places:
            self._place(place)
        self._misplaced(scope)
        cells = {"battery_key": "key", "source_id": "run.source_id", "locator": "run.locator"}
        held = {**{c: _variable(c) for c in (*scope.columns, *scope.parameters)}, **(cells if main else {"battery_key": "key"})}
        columns = run_columns(self.plan, scope.table)
        body = ", ".join(held.get(column, "None") for column in columns[:-1])
        self.line(2, f"row_{scope.table}(({body}, notes_of(X) if X else None))")
        self.lines[start:start] = [f"    {name} = Memory()" for name in self._memories]
        self._memories.clear()

    def _misplaced(self, scope: Scope) -> None:
        """A row that its values would put at an earlier place, or keep from the one it came from, notes that place."""
        here = next((place for place in self.plan.rows if place.scope is scope), None)
        if here is None or here.match:
            return
        for column, value in here.where.items():
            if column in scope.columns:
                self.line(2, f"if {_variable(column)} not in (None, {value!r}): X['#'] = {here.pointer!r}")
        taken: dict[str, set[Any]] = {}
        for place in self.plan.rows[: here.number]:
            if place.scope.table == scope.table and len(place.match) == 1:
                taken.setdefault(place.match[0], set()).add(place.values[place.match[0]])
        for column, values in taken.items():
            self.line(2, f"if {_variable(column)} in {self.bind('K', frozenset(values))}: X['#'] = {here.pointer!r}")

    def _place(self, place: Rows) -> None:
        name = f"r{place.number}"
        if place.rest:
            self.line(2, f"if {name} is not M: run.rest(p{place.number}, {name}, key, X, base)")
            return
        if not place.link:
            self.line(2, f"if {name} is not M: many(p{place.number}, {name}, key, X, base)")
            return
        linked = {column: _variable(source) for column, source in place.link.items()}
        cells = [linked.get(c) or repr(place.fills.get(c)) for c in place.scope.parameters]
        mark = f"mark{place.number}"
        self.line(2, f"{mark} = link({place.number}, ({', '.join(linked.values())},), {level(self.plan.rows, place)!r})")
        cells_text = "(" + "".join(f"{cell}, " for cell in cells) + ")"
        self.line(2, f"if {name} is not M: each(p{place.number}, {name}, key, X, base, {mark}, {cells_text})")

    def _object(self, scope: Scope, node: Object, name: str, depth: int) -> None:
        self.line(depth, f"if type({name}) is dict:")
        if scope.number == 0 and node.pointer.count("/") <= _REMEMBERED and leaves(node) >= _WORTH:
            self._remembered(scope, node, name, depth + 1)
        else:
            self._object_body(scope, node, name, depth + 1)
        self.line(depth, "else:")
        self.line(depth + 1, f"shape({name}, {node.pointer!r}, X, base, {scope.table!r}, 'an object')")

    def _remembered(self, scope: Scope, node: Object, name: str, depth: int) -> None:
        """Read an object unless its like was read before: then its values, what it held for later and its notes are known."""
        above, self.lines = self.lines, []
        self._object_body(scope, node, name, depth + 1)
        body, self.lines = self.lines, above
        named = set(_NAMES.findall("\n".join(body)))
        own = [v for v in (*map(_variable, scope.columns), *(f"r{p.number}" for p in scope.places), *self._copies.values()) if v in named]
        if not own or any("_alone" in line for line in body):
            self._object_body(scope, node, name, depth)
            return
        memory, known, notes, faults = (self.fresh(prefix) for prefix in ("m", "t", "Y", "f"))
        self._memories.append(memory)
        values = ", ".join(own) + ","
        self.line(depth, f"{known} = {memory}.get({name})")
        self.line(depth, f"if {known} is not None:")
        self.line(depth + 1, f"({values}), {notes} = {known}")
        self.line(depth + 1, f"if {notes}: add_notes(X, {notes})")
        self.line(depth, "else:")
        self.line(depth + 1, f"{notes} = X; X = {{}}; {faults} = run.faults")
        self.lines += body
        self.line(depth + 1, f"keep({memory}, ({values}), X, {faults})")
        self.line(depth + 1, f"if X: add_notes({notes}, X)")
        self.line(depth + 1, f"X = {notes}")

    def _object_body(self, scope: Scope, node: Object, name: str, depth: int) -> None:
        count = self.fresh("n")
        self.line(depth, f"{count} = 0")
        constants = []
        above = [(key, child) for key, child in node.keys.items() if isinstance(child, UnitOf) and not beside(node, child)]
        for key, unit in above:
            self._unit_above(unit, name, count, key, depth)
        for key, child in node.keys.items():
            if isinstance(child, UnitOf):
                continue
            if isinstance(child, Quantity):
                self._quantity(child, name, count, key, depth)
                continue
            if isinstance(child, Constant):
                constants.append((key, child))
                continue
            if isinstance(child, Rows) and child.keys:
                self._some_keys(child, name, count, depth)
                continue
            value = self.fresh("w")
            self.line(depth, f"{value} = {name}.get({key!r}, M)")
            self.line(depth, f"if {value} is not M:")
            self.line(depth + 1, f"{count} += 1")
            self._value(scope, child, value, depth + 1)
        for key, constant in constants:
            self._constant(node, constant, name, count, key, depth)
        for _, unit in above:
            alone = self._units[id(unit.quantity)]
            self.line(depth, f"if {alone} is not M and {alone}_alone: X[{unit.pointer!r}] = {alone}")
        self._given_up(node, name, depth)
        unknown = f"note_unknown({name}, {self.bind('K', node.names)}, {node.pointer!r}, X)"
        self.line(depth, f"if {count} != len({name}) or not {count}: {unknown}")

    def _some_keys(self, place: Rows, name: str, count: str, depth: int) -> None:
        """Take some keys of an object for a row of their own."""
        row = f"r{place.number}"
        self.line(depth, f"{row} = {{k: {name}[k] for k in {place.keys!r} if k in {name}}} or M")
        self.line(depth, f"if {row} is not M: {count} += len({row})")

    def _constant(self, node: Object, constant: Constant, name: str, count: str, key: str, depth: int) -> None:
        """A constant is noted where it differs, stands without the values it goes with, or is missing."""
        value = self.fresh("w")
        others = (column for child in node.keys.values() for column in getattr(child, "columns", ()) if column != constant.raw_to)
        missing = [f"{_variable(column)} is None" for column in others]
        missing += [f"not {self.bind('holds', holds)}(r{child.number})" for child in node.keys.values() if isinstance(child, Rows)]
        alone = f" or ({' and '.join(missing) or 'True'})" if node.pointer else ""
        self.line(depth, f"{value} = {name}.get({key!r}, M)")
        self.line(depth, f"if {value} is M: X.setdefault('-', []).append({constant.pointer!r})")
        self.line(depth, "else:")
        self.line(depth + 1, f"{count} += 1")
        if constant.raw_to:
            texts = f"type({value}) is list and all(type(text) is str for text in {value})"
            taken = texts if isinstance(constant.value, list) else f"type({value}) is str"
            self.line(depth + 1, f"if {taken}: {_variable(constant.raw_to)} = {value}")
        self.line(depth + 1, f"if {value} != {constant.value!r}{alone}: X[{constant.pointer!r}] = {value}")

    def _quantity(self, node: Quantity, name: str, count: str, key: str, depth: int) -> None:
        value, above = self.fresh("w"), self._units.get(id(node))
        unit = above or self.fresh("u")
        if above:
            self.line(depth, f"{value} = {name}.get({key!r}, M)")
            self.line(depth, f"if {value} is not M:")
            self.line(depth + 1, f"{count} += 1; {unit}_alone = False")
        else:
            self.line(depth, f"{value} = {name}.get({key!r}, M); {unit} = {name}.get({node.unit_key!r}, M)")
            self.line(depth, f"if {value} is not M or {unit} is not M:")
            self.line(depth + 1, f"{count} += ({value} is not M) + ({unit} is not M)")
        targets = ", ".join(map(_variable, node.columns))
        comma = "," if len(node.columns) == 1 else ""
        slow = f"{targets}{comma} = {self.bind('slow', node.slow)}({value}, {unit}, X, run, base)"
        if node.plain_word and not node.raw_to:
            self.line(depth + 1, f"if {unit} == {node.plain_word!r} and type({value}) is float: {_variable(node.column)} = {value}")
            self.line(depth + 1, f"else: {slow}")
        else:
            self.line(depth + 1, slow)

    def _unit_above(self, unit: UnitOf, name: str, count: str, key: str, depth: int) -> None:
        """Look up a unit that stands further up than its value; it is noted where it turns out to stand alone."""
        known = self._units[id(unit.quantity)] = self.fresh("u")
        self.line(depth, f"{known} = {name}.get({key!r}, M); {known}_alone = True")
        self.line(depth, f"{count} += {known} is not M")

    def _given_up(self, node: Object, name: str, depth: int) -> None:
        """Note whole what stands beside the key that a choice would write."""
        for number, key in enumerate(node.choice[1:], 1):
            first = " or ".join(f"{name}.get({other!r}, M) is not M" for other in node.choice[:number])
            self.line(depth, f"if {key!r} in {name} and ({first}): X[{f'{node.pointer}/{escape(key)}'!r}] = {name}[{key!r}]")

    def _value(self, scope: Scope, node: Any, name: str, depth: int) -> None:
        if isinstance(node, Object):
            self._object(scope, node, name, depth)
        elif isinstance(node, First):
            self._first(scope, node, name, depth)
        elif isinstance(node, Rows):
            self.line(depth, f"r{node.number} = {name}")
        elif isinstance(node, Copy):
            self.line(depth, f"{self._copies[id(node)]} = {name}")
        elif isinstance(node, Group):
            comma = "," if len(node.columns) == 1 else ""
            targets = ", ".join(map(_variable, node.columns)) + comma
            self.line(depth, f"{targets} = {self.bind('slow', node.slow)}({name}, X, run, base)")
            if node.rest is not None:
                self.line(depth, f"r{node.rest.number} = {self.bind('left', node.left)}({name}) or M")
        else:
            self._leaf(node, name, depth)

    def _first(self, scope: Scope, node: First, name: str, depth: int) -> None:
        item = self.fresh("w")
        self.line(depth, f"if type({name}) is list and {name}:")
        self.line(depth + 1, f"{item} = {name}[0]")
        self._value(scope, node.item, item, depth + 1)
        many = "if"
        if node.rest is not None:
            # Where the first says nothing, rows after it would be written in its place.
            said = " or ".join(f"{_variable(column)} is not None" for column in columns_in(node.item))
            self.line(depth + 1, f"if len({name}) > 1 and ({said}): r{node.rest.number} = [*enumerate({name})][1:]")
            many = "elif"
        self.line(depth + 1, f"{many} len({name}) > 1: note_rest({name}, {node.pointer!r}, X)")
        self.line(depth, "else:")
        self.line(depth + 1, f"shape({name}, {node.pointer!r}, X, base, {scope.table!r}, 'a list')")

    def _leaf(self, node: Leaf, name: str, depth: int) -> None:
        target = _variable(node.column)
        slow = f"{target} = {self.bind('slow', node.slow)}({name}, X, run, base)"
        if node.raw_to:
            self.line(depth, f"if type({name}) is str: {_variable(node.raw_to)} = {name}")
            listed = f"{name} and type({name}) is list and type({name}[0]) is str and len({name}) == 1"
            self.line(depth, f"elif {listed}: {_variable(node.raw_to)} = {name}[0]")
        kind = node.transform.inline
        if kind == "word":
            known = self.bind("known", node.transform.known)
            self.line(depth, f"{target} = {known}.get({name}) if type({name}) is str else None")
            self.line(depth, f"if {target} is None: {slow}")
        elif kind in _TRUSTED:
            self.line(depth, f"if {_TRUSTED[kind].format(name)}: {target} = {name}")
            self.line(depth, f"else: {slow}")
        else:
            self.line(depth, slow)


_TRUSTED = {
    "text": "type({0}) is str",
    "flag": "type({0}) is bool",
    "number": f"type({{0}}) is float or (type({{0}}) is int and -{_LARGE} < {{0}} < {_LARGE})",
    "integer": f"type({{0}}) is int and -{2**63} <= {{0}} < {2**63}",
}
