"""Generates the source of a plan's writer: straight code that makes one object per row from prepared columns."""

from __future__ import annotations

from typing import Any

from bdx.mapping.paths_nodes import Constant
from bdx.mapping.paths_quantity import Quantity, UnitOf
from bdx.mapping.paths_source import Source
from bdx.mapping.paths_tree import First, Object, Plan, Rows, Scope


class WriterSource(Source):
    """Source of `make(cells, groups, notes, patch)`, which returns the function that writes one row as a document."""

    def __init__(self, facts: Plan) -> None:
        super().__init__()
        self.leaves: list[tuple[Scope, Any]] = []
        body: list[str] = []
        for scope in reversed(facts.scopes):
            self._scope(scope)
        body, self.lines = self.lines, []
        self.line(0, "def make(cells, groups, notes, patch, rows):")
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
        if isinstance(scope.root, Object):
            self.line(2, "o = {}")
            self._fill(scope, scope.root, "o", 2)
        else:
            self.line(2, f"o = {self._cell(scope, scope.root)}[j]")
        number = self.bind("scope", scope)
        self.line(2, f"x = e_{scope.table}[j]")
        self.line(2, f"if x is not None: return patch(o, x, {number})")
        if scope.number:
            self.line(2, "return o or M" if isinstance(scope.root, Object) else "return M if o is None else o")
        else:
            self.line(2, "return o")

    def _fill(self, scope: Scope, node: Object, name: str, depth: int) -> None:
        for key, child in node.keys.items():
            if isinstance(child, Object):
                inner = self.fresh("o")
                self.line(depth, f"{inner} = {{}}")
                self._fill(scope, child, inner, depth)
                self.line(depth, f"if {inner}: {name}[{key!r}] = {inner}")
            elif isinstance(child, First):
                self._first(scope, child, name, key, depth)
            elif isinstance(child, Rows):
                self._rows(child, name, key, depth)
            elif isinstance(child, Quantity):
                unit_key = next(k for k, other in node.keys.items() if isinstance(other, UnitOf) and other.quantity is child)
                value = self.fresh("v")
                self.line(depth, f"{value} = {self._cell(scope, child)}[j]")
                self.line(depth, f"if {value} is not None: {name}[{key!r}], {name}[{unit_key!r}] = {value}")
            elif not isinstance(child, UnitOf | Constant):
                value = self.fresh("v")
                self.line(depth, f"{value} = {self._cell(scope, child)}[j]")
                self.line(depth, f"if {value} is not None: {name}[{key!r}] = {value}")
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
            self.line(depth + 1, f"{name}[{key!r}] = {{}} if {found} is M else {found}")
