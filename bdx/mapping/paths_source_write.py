"""Generates the source of a plan's writer: straight code that makes one object per row from prepared columns."""

from __future__ import annotations

from typing import Any

from bdx.mapping.paths_nodes import Constant, Group
from bdx.mapping.paths_quantity import Quantity, UnitOf
from bdx.mapping.paths_source import Source
from bdx.mapping.paths_tree import First, Object, Plan, Rows, Scope


class WriterSource(Source):
    """Source of `make(cells, groups, notes, patch, rows, choose, once)`, which returns the function that writes one row as a document."""

    def __init__(self, facts: Plan) -> None:
        super().__init__()
        self.leaves: list[tuple[Scope, Any]] = []
        self._scope_name = ""
        self._holders: dict[int, str] = {}
        body: list[str] = []
        for scope in reversed(facts.scopes):
            self._scope(scope)
        body, self.lines = self.lines, []
        self.line(0, "def make(cells, groups, notes, patch, rows, choose, once):")
        for number in range(len(self.leaves)):
            self.line(1, f"c{number} = cells[{number}]")
        for place in facts.rows:
            self.line(1, f"g{place.number} = groups[{place.number}]")
        for number, table in enumerate(facts.tables):
            self.line(1, f"e_{table} = notes[{number}]")
        self.lines += body
        self.line(1, "return write_0")

    def text(self) -> str:
        """Return the whole source."""
        return "\n".join(self.lines) + "\n"

    def _cell(self, scope: Scope, node: Any) -> str:
        self.leaves.append((scope, node))
        return f"c{len(self.leaves) - 1}"

    def _scope(self, scope: Scope) -> None:
        self.line(1, f"def write_{scope.number}(j):")
        self._scope_name = self.bind("scope", scope)
        if isinstance(scope.root, Object):
            self.line(2, "o = {}")
            self._fill(scope, scope.root, "o", 2)
        else:
            self.line(2, f"o = {self._cell(scope, scope.root)}[j]")
        self.line(2, f"x = e_{scope.table}[j]")
        self.line(2, f"if x is not None: return patch(o, x, {self._scope_name})")
        if scope.number:
            self.line(2, "return o or M" if isinstance(scope.root, Object) else "return M if o is None else o")
            self.line(1, f"write_{scope.number} = once(write_{scope.number}, {scope.table!r})")
        else:
            self.line(2, "return o")

    def _fill(self, scope: Scope, node: Object, name: str, depth: int) -> None:
        for child in node.keys.values():
            if isinstance(child, UnitOf):
                self._holders[id(child.quantity)] = name
        for key, child in node.keys.items():
            if isinstance(child, Object):
                inner = self.fresh("o")
                self.line(depth, f"{inner} = {{}}")
                self._fill(scope, child, inner, depth)
                if child.choice:
                    self.line(depth, f"if len({inner}) > 1: choose({inner}, {self.bind('object', child)}, {self._scope_name})")
                self.line(depth, f"if {inner}: {name}[{key!r}] = {inner}")
            elif isinstance(child, First):
                self._first(scope, child, name, key, depth)
            elif isinstance(child, Rows):
                self._rows(child, name, key, depth)
            elif isinstance(child, Quantity):
                unit, value = f"{self._holders[id(child)]}[{child.unit_key!r}]", self.fresh("v")
                self.line(depth, f"{value} = {self._cell(scope, child)}[j]")
                self.line(depth, f"if {value} is not None: {name}[{key!r}], {unit} = {value}")
            elif not isinstance(child, UnitOf | Constant):
                value = self.fresh("v")
                self.line(depth, f"{value} = {self._cell(scope, child)}[j]")
                self.line(depth, f"if {value} is not None: {name}[{key!r}] = {value}")
                if isinstance(child, Group):
                    self._rest(child.rest, name, key, depth, getattr(child.transform, "joined", None))
        for key, child in node.keys.items():
            if isinstance(child, Constant):
                condition = f"if {name}: " if node.pointer else ""
                self.line(depth, f"{condition}{name}[{key!r}] = {child.value!r}")

    def _first(self, scope: Scope, node: First, name: str, key: str, depth: int) -> None:
        inner = self.fresh("o")
        if isinstance(node.item, Object):
            self.line(depth, f"{inner} = {{}}")
            self._fill(scope, node.item, inner, depth)
            self.line(depth, f"if {inner}: {name}[{key!r}] = [{inner}]")
        else:
            self.line(depth, f"{inner} = {self._cell(scope, node.item)}[j]")
            self.line(depth, f"if {inner} is not None: {name}[{key!r}] = [{inner}]")
        self._rest(node.rest, name, key, depth)

    def _rest(self, place: Rows | None, name: str, key: str, depth: int, joined: Any = None) -> None:
        """Add rows to the list that a field has begun, or begin it; `joined` adds them to what is no list."""
        if place is None:
            return
        found = self.fresh("q")
        self.line(depth, f"{found} = g{place.number}.get(j)")
        self.line(depth, f"if {found}:")
        self.line(depth + 1, f"{found} = rows(write_{place.scope.number}, {found}, {place.scope.table!r})")
        value = f"{self.bind('joined', joined)}({name}.get({key!r}), {found})" if joined else f"[*{name}.get({key!r}, ()), *{found}]"
        self.line(depth + 1, f"if {found}: {name}[{key!r}] = {value}")

    def _rows(self, place: Rows, name: str, key: str, depth: int) -> None:
        found = self.fresh("q")
        self.line(depth, f"{found} = g{place.number}.get(j)")
        write = f"write_{place.scope.number}"
        if place.many:
            self.line(depth, f"if {found}:")
            self.line(depth + 1, f"{found} = rows({write}, {found}, {place.scope.table!r})")
            self.line(depth + 1, f"if {found}: {name}[{key!r}] = {found}")
        else:
            self.line(depth, f"if {found}:")
            self.line(depth + 1, f"{found} = {write}({found}[0])")
            if place.keys:
                self.line(depth + 1, f"if {found} is not M: {name}.update({found})")
            elif isinstance(place.scope.root, Object) and place.hollow:
                self.line(depth + 1, f"{name}[{key!r}] = {{}} if {found} is M else {found}")
            else:
                self.line(depth + 1, f"if {found} is not M: {name}[{key!r}] = {found}")
