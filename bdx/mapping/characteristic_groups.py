"""The hierarchy of groups and characteristics of a Q-DAS file -> the path of names above each characteristic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bdx.spec import Facts

_DEEP = 64
"""Levels a hierarchy may have; no plan of an inspection comes near."""

Node = tuple[str, int]
"""What a node stands for: "part", "characteristic" or "group", and its index."""


class Groups:
    """Knows what is above what; `broken` names the links that lead nowhere or in a circle."""

    def __init__(self, section: Mapping[str, Any], facts: Facts) -> None:
        self.broken: list[str] = []
        self._section = section
        self._names = facts["names"]
        self._above: dict[Node, Node] = {}
        self._links(section["nodes"], facts)
        self._older(facts)

    def path(self, index: int, names: Mapping[int, str]) -> str | None:
        """Return the names of all that is above a characteristic, outermost first, or None where nothing is."""
        found: list[str] = []
        seen = {("characteristic", index)}
        node = self._above.get(("characteristic", index))
        while node is not None:
            if node in seen or len(seen) > _DEEP:
                self.broken.append(f"{node[0]} {node[1]}")
                return None
            seen.add(node)
            name = self._name(node, names)
            if name:
                found.append(name)
            node = self._above.get(node)
        return "/".join(reversed(found)) or None

    def _name(self, node: Node, names: Mapping[int, str]) -> str:
        kind, index = node
        if kind == "characteristic":
            return names.get(index, "")
        if kind == "part":
            return ""
        fields = self._section["groups"].get(index, {"fields": {}})["fields"]
        return next((fields[name] for name in self._names if fields.get(name)), f"group {index}")

    def _links(self, nodes: list[tuple[str, int, str]], facts: Facts) -> None:
        kinds = {facts[kind]: kind for kind in ("part", "characteristic", "group")}
        stands: dict[int, Node] = {}
        for name, node, text in nodes:
            if name in kinds and text.strip().isdecimal():
                stands[node] = kinds[name], int(text)
        for name, node, text in nodes:
            if name not in (facts["characteristic_link"], facts["node_link"]):
                continue
            parent = stands.get(node)
            number = int(text) if text.strip().isdecimal() else -1
            child = ("characteristic", number) if name == facts["characteristic_link"] else stands.get(number)
            if parent is None or child is None or not self._described(child):
                self.broken.append(f"{name}/{node} {text}")
            elif parent != child:
                self._above[child] = parent

    def _described(self, node: Node) -> bool:
        held = {"part": "parts", "characteristic": "characteristics", "group": "groups"}[node[0]]
        return node[1] in self._section[held]

    def _older(self, facts: Facts) -> None:
        """Take the hierarchy from the numbers of characteristics, where there is no other."""
        if self._above:
            return
        own: dict[tuple[int, str], int] = {}
        said = self._section["characteristics"]
        for index, entry in said.items():
            number = entry["fields"].get(facts["own"], "")
            if number.strip("0 "):
                own.setdefault((entry["part"], number.strip()), index)
        for index, entry in said.items():
            number = entry["fields"].get(facts["above"], "").strip()
            if not number.strip("0"):
                continue
            above = own.get((entry["part"], number))
            if above is None:
                self.broken.append(f"{facts['above']}/{index} {number}")
            elif above != index:
                self._above[("characteristic", index)] = ("characteristic", above)
