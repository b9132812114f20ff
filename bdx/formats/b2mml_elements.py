"""Elements of a message as they begin and end -> dicts; the levels of the reader are told of theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from bdx.formats.b2mml_levels import LevelReader

Node = dict[str, Any]

LOCATION = ("schemaLocation", "noNamespaceSchemaLocation")


class Handlers(NamedTuple):
    """What is called as elements go by; `first` stands for `start` until the first level has begun."""

    first: Callable[[str, dict[str, str]], None]
    start: Callable[[str, dict[str, str]], None]
    end: Callable[[str], None]
    chars: Callable[[str], None]
    whole: Callable[[str, Node, int], None]
    """Takes an element that stands complete, and how deep its own are nested."""
    rest: Callable[[], Node]
    """Returns what stands around the levels when all elements have ended, and forgets it."""


def handlers(reader: LevelReader) -> Handlers:
    """Return the handlers of a reader: closures over the open element, the fastest form Python has for them."""
    names, levels, frames = reader.names, reader.levels, reader.frames
    stack: list[Node | None] = []
    depth, longest = reader.limits["depth"], reader.limits["text"]
    node: Node | None = None
    text = ""

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal node, text
        if text and not text.isspace():
            node = _with_text(node, text)
        text = ""
        stack.append(node)
        if len(stack) > depth:
            raise reader.unsafe(f"elements are nested more than {depth} deep")
        node = _attributes(reader, attributes) if attributes else None
        if levels[name]:
            reader.open(name, stack)

    def first(name: str, attributes: dict[str, str]) -> None:
        if reader.enter(name, [*stack[1:], node] if stack else []):
            reader.entered()
        start(name, attributes)

    def end(name: str) -> None:
        nonlocal node, text
        value: Any = text if node is None else _with_text(node, text) if text and not text.isspace() else node
        text = ""
        node = stack.pop()
        if levels[name] and frames and frames[-1].depth == len(stack) + 1:
            node = reader.close(value if type(value) is dict else _with_text(None, value), node)
            return
        local = names[name]
        if node is None:
            node = {local: value}
        elif local in node:
            _again(node, local, value)
        else:
            node[local] = value

    def chars(data: str) -> None:
        nonlocal text
        # The first piece is never longer than the buffer of the parser.
        if text and len(text) + len(data) > longest:
            raise reader.unsafe(f"the text of one element exceeds {longest:,} characters")
        text += data

    def whole(name: str, found: Node, nested: int) -> None:
        nonlocal node
        if len(stack) + nested > depth:
            raise reader.unsafe(f"elements are nested more than {depth} deep")
        start(name, {})
        node = found
        end(name)

    def rest() -> Node:
        nonlocal node
        found, node = node, None
        return found or {}

    return Handlers(first, start, end, chars, whole, rest)


def beyond(node: Any, message: Node) -> Any:
    """Return what of the elements around the levels the message does not hold: what was said after them, or between."""
    if type(node) is not dict:
        return node
    found: Node = {}
    for name, value in node.items():
        known = message.get(name)
        if value is known or value == "" or (type(value) is str and value.isspace()):
            continue
        if type(value) is list:
            said: Any = [inner for inner in (beyond(each, message) for each in value) if inner]
        else:
            said = beyond(value, message)
        if said:
            found[name] = said
    return found


def _again(node: Node, name: str, value: Any) -> None:
    """Add one more child of a name that the node holds already."""
    known = node[name]
    if type(known) is list:
        known.append(value)
    else:
        node[name] = [known, value]


def _with_text(node: Node | None, text: str) -> Node:
    """Return a node with the text that stands beside its children, if it says anything."""
    found = node if node is not None else {}
    if text.strip():
        found[""] = found.get("", "") + text
    return found


def _attributes(reader: LevelReader, attributes: dict[str, str]) -> Node | None:
    count, length = reader.limits["attributes"], reader.limits["attribute_text"]
    if len(attributes) > count or any(len(text) > length for text in attributes.values()):
        raise reader.unsafe(f"an element has more than {count} attributes, or one longer than {length:,} characters")
    plain = ((name.rpartition(" ")[2], text) for name, text in attributes.items())
    return {f"@{name}": text for name, text in plain if name not in LOCATION} or None
