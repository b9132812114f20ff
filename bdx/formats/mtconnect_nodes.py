"""Elements of a probe as nodes, whether they came as XML or as JSON, and the components among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bdx.canon import Document

_CONTAINERS = ("Components", "DataItems")


@dataclass(slots=True)
class Node:
    """An element: its name, attributes, the elements in it and its text."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def value(self) -> Any:
        """Return the element as plain JSON: its text where it has nothing else."""
        if not self.attributes and not self.children:
            return self.text
        found: dict[str, Any] = {f"@{name}": text for name, text in self.attributes.items()}
        if self.text:
            found[""] = self.text
        for child in self.children:
            found.setdefault(child.name, []).append(child.value())
        return {name: held[0] if isinstance(held, list) and len(held) == 1 else held for name, held in found.items()}


def components(device: Node, locator: str = "") -> Iterator[Document]:
    """Yield `Document("Component", ...)` of a device and of every component in it, outer ones first."""
    waiting: list[tuple[Node, dict[str, str] | None]] = [(device, None)]
    while waiting:
        node, parent = waiting.pop()
        items, rest, inner = [], Node(node.name), []
        for child in node.children:
            if child.name == "DataItems":
                items += [{**item.attributes, **_within(item)} for item in child.children]
            elif child.name == "Components":
                inner += child.children
            else:
                rest.children.append(child)
        said = {"type": node.name, "attributes": node.attributes, "device": device.attributes, "parent": parent, "items": items}
        yield Document("Component", {**said, "rest": rest.value() or {}}, locator)
        waiting.extend((child, node.attributes) for child in reversed(inner))


def from_json(name: str, value: Any) -> Node:
    """Return the node of a JSON value; lists of named objects (version 1) and objects of lists (version 2) come out alike."""
    node = Node(name)
    if not isinstance(value, dict):
        node.text = _text(value)
        return node
    for key, held in value.items():
        if key == "value" and not isinstance(held, dict | list):
            node.text = _text(held)
        elif isinstance(held, dict):
            node.children.append(from_json(key, held))
        elif isinstance(held, list):
            named = list(pairs(held)) if held and all(_named(one) for one in held) else []
            if named:
                node.children.append(Node(key, children=[from_json(*pair) for pair in named]))
            else:
                node.children += [from_json(key, one) for one in held]
        elif held is not None:
            node.attributes[key] = _text(held)
    return node


def pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name, object) of `[{"A": {}}, {"B": {}}]` and of `{"A": [{}, {}], "B": {}}`."""
    for group in value if isinstance(value, list) else [value]:
        if not isinstance(group, dict):
            continue
        for name, held in group.items():
            for one in held if isinstance(held, list) else [held]:
                yield name, one


def _named(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), dict)


def _within(item: Node) -> dict[str, Any]:
    value = item.value()
    return {name: held for name, held in value.items() if name[:1] != "@"} if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
