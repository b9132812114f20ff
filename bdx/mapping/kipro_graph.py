"""Nodes of a graph as a wiki exports them: their types, the values of their properties, and texts out of escaped identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from bdx.spec import Facts

Node = dict[str, Any]

_PAIRS = re.compile(r"(?:-[0-9A-F]{2})+")
_PREFIX = re.compile(r"^([A-Za-z][A-Za-z0-9]*):(?!//)")
_LANGUAGE = re.compile(r"@[a-z]{2}(?:-[A-Za-z]{2,4})?$")
_AMOUNT = re.compile(r"^([+-]?[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?)\s*(.*)$", re.DOTALL)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Za-z])(?=[0-9])|(?<=[A-Z])(?=[A-Z][a-z])")
_COUNTED = re.compile(r"[\s_]*([0-9]{1,6})$")


class Graph:
    """The nodes of one file by what they are; `facts` is the mapping that names types and properties."""

    def __init__(self, nodes: Iterable[Node], facts: Facts) -> None:
        self._facts = facts
        self._prefix = facts["property"]
        self.by_kind: dict[str, list[Node]] = {kind: [] for kind in (*facts["types"], "")}
        for node in nodes:
            types = node.get("@type")
            said = {name for name in (types if isinstance(types, list) else [types]) if isinstance(name, str)}
            kind = next((kind for kind, types in facts["types"].items() if said.intersection(types)), "")
            self.by_kind[kind].append(node)

    def values(self, node: Node, key: str) -> list[str]:
        """Return the values of a property, named as the mapping names it, in order and as texts; none where it is absent."""
        for name in self._facts["properties"][key]:
            found = self.named(node, name)
            if found:
                return found
        return []

    def named(self, node: Node, name: str) -> list[str]:
        """Return the values of a property, named as the wiki names it."""
        found = node.get(self._prefix + name)
        return [] if found is None else [text for item in (found if isinstance(found, list) else [found]) if (text := scalar(item))]

    def first(self, node: Node, key: str) -> str | None:
        """Return the first value of a property, None where it is absent."""
        return next(iter(self.values(node, key)), None)

    def asks(self, node: Node) -> set[str]:
        """Return the names of the properties a parameter asks for, and of those it has."""
        asked = {name.removeprefix(self._prefix) for name in self.values(node, "asked")}
        return asked | {key.removeprefix(self._prefix) for key in node if key.startswith(self._prefix)}

    def text(self, node: Node, key: str) -> str | None:
        """Return the first value of a property as plain text."""
        found = self.first(node, key)
        return plain_text(found, tuple(self._facts["references"])) if found is not None else None


def scalar(value: Any) -> str:
    """Return a JSON-LD value as text: an identifier, a typed value or a bare one; empty for what is none."""
    if isinstance(value, dict):
        value = value.get("@value", value.get("@id"))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None or isinstance(value, (dict, list)) else str(value)


@lru_cache(maxsize=16_384)
def plain_text(value: str, references: tuple[str, ...]) -> str:
    """Return the text in an identifier that stands for it ("kiprobatt:4-2C3_h" -> "4,3 h"); a reference to a thing as it is."""
    found = _PREFIX.match(value)
    if found is None:
        return value
    if found[1] in references:
        return value
    return _LANGUAGE.sub("", unescaped(value[found.end() :])).replace("_", " ").strip()


def unescaped(name: str) -> str:
    """Return a name without the escapes of the export ("-2C" for a comma); what is no escape of a text stays."""
    return _PAIRS.sub(_characters, name)


def _characters(found: re.Match[str]) -> str:
    try:
        text = bytes.fromhex(found[0].replace("-", "")).decode("utf-8")
    except UnicodeDecodeError:
        return found[0]
    return text if text.isprintable() else found[0]


def amount(text: str) -> tuple[str, str]:
    """Return the number and the unit of a text ("4,3 h" -> "4,3", "h"); all of it and no unit where it begins with no number."""
    found = _AMOUNT.match(text.strip())
    return (found[1], found[2].strip()) if found else (text.strip(), "")


@lru_cache(maxsize=16_384)
def words(name: str) -> tuple[str, int | None]:
    """Return a name in words of one case, and the number at its end ("PredryingMass02" -> "predrying mass", 2)."""
    spaced = " ".join(_HUMP.sub(" ", name).replace("-", " ").replace("_", " ").casefold().split())
    found = _COUNTED.search(spaced)
    return (spaced[: found.start()].strip(), int(found[1])) if found and found.start() else (spaced, None)


@lru_cache(maxsize=16_384)
def squeezed(name: str) -> str:
    """Return a name as words of a mapping are compared: letters and digits in one case, without the number at the end."""
    return re.sub(r"[\W_]+", "", name.casefold()).rstrip("0123456789")


def file_name(reference: str) -> str:
    """Return the name of a file as it is compared: without its prefix, blanks as underscores, in one case."""
    return unescaped_name(reference.removeprefix("File:").rsplit("/", 1)[-1])


def unescaped_name(name: str) -> str:
    """Return a name of a file in one case, with underscores for blanks."""
    return name.strip().replace(" ", "_").casefold()
