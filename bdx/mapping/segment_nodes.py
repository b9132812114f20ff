"""Elements of production messages: their names brought to one version, their text, and what of them no column takes."""

from __future__ import annotations

from typing import Any

from bdx.canon import Log
from bdx.spec import Facts

Node = dict[str, Any]


def leaf(value: Any) -> str:
    """Return the text of an element, of the first where the name is repeated."""
    if type(value) is str:
        return value
    if type(value) is list:
        return leaf(value[0])
    text: str = value.get("", "")
    return text


def first(node: Node, name: str) -> str | None:
    """Return the text of the first child of that name, or None where there is none."""
    value = node.get(name)
    return value if value is None or type(value) is str else leaf(value)


def many(node: Node, name: str) -> list[Any]:
    """Return all children of that name."""
    value = node.get(name)
    if value is None:
        return []
    return value if type(value) is list else [value]


class Nodes:
    """Reads elements of one source by the facts of its mapping; personal data met on the way is counted as a loss."""

    def __init__(self, facts: Facts, log: Log, source: str) -> None:
        self._alias = dict(facts["alias"])
        self._aliased = frozenset(self._alias)
        self._structural = frozenset(facts["structural"]["names"])
        self._personal = frozenset(facts["personal"]["names"])
        self._log = log
        self._source = source

    def named(self, node: Node) -> Node:
        """Return the element with its children under the names of the newest version."""
        if self._aliased.isdisjoint(node):
            return node
        found: Node = {}
        for name, value in node.items():
            known = self._alias.get(name, name)
            found[known] = many(found, known) + many(node, name) if known in found else value
        return found

    def leftover(self, node: Node, leaves: frozenset[str], inner: frozenset[str], path: str, into: dict[str, Any]) -> None:
        """Add to `into` what `node` says beyond the first text of `leaves` and the elements `inner`, by path."""
        for name, value in node.items():
            if (type(value) is str and name in leaves) or name in inner:
                continue
            known = self._alias.get(name, name)
            if known in leaves:
                self._beyond(f"{path}{name}", value, into)
            elif known not in inner and name not in self._structural:
                self._add(name, value, path, into)

    def _beyond(self, path: str, value: Any, into: dict[str, Any]) -> None:
        """Add the attributes of an element whose text is taken, or all of several."""
        if type(value) is list:
            into[path] = self.plain(value)
        elif type(value) is dict:
            for key, inner in value.items():
                if key:
                    into[f"{path}/{key}"] = self.plain(inner)

    def person(self, node: Node) -> str | None:
        """Return the person that did a step, the first of several; what else is said of persons is counted as lost."""
        found: str | None = None
        for said in many(node, "PersonnelActual"):
            name = (first(said, "PersonID") or "").strip() if type(said) is dict else ""
            beyond = type(said) is not dict or len(said) > 1 or type(said.get("PersonID")) is not str
            if name and found is None:
                found = name
                if not beyond:
                    continue
            self._log.lose(self._source, "PersonnelActual", "of persons only the first identifier of a step is carried")
        return found

    def _add(self, name: str, value: Any, path: str, into: dict[str, Any]) -> None:
        if name in self._personal:
            self._log.lose(self._source, name, "personal data is not carried", len(value) if type(value) is list else 1)
            return
        said = self.plain(value)
        if said != "":
            into[f"{path}{name}" if name else f"{path}text"] = said

    def plain(self, value: Any) -> Any:
        """Return an element as JSON keeps it: no personal data, text trimmed."""
        if type(value) is str:
            return value.strip()
        if type(value) is list:
            return [self.plain(item) for item in value]
        inner: dict[str, Any] = {}
        for name, child in value.items():
            self._add(name, child, "", inner)
        return inner or ""
