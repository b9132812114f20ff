"""Units that are marked up alike, byte for byte but for their texts: read at once by a pattern made of the first of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection
from typing import Any

from bdx.formats.b2mml_elements import LOCATION, Node

Make = Callable[[list[str]], Any]
"""Makes an element of the texts of its unit."""

_SHAPES, _SKELETONS, _LONGEST = 16, 512, 1 << 16
_TAG = re.compile(rb"<(/?)([^\s<>/!?=&\"']+)([^<>]*?)(/?)>")
_ATTRIBUTE = re.compile(r"""\s+([^\s=:"']+:)?([^\s=:"']+)\s*=\s*(["'])((?:(?!\3)[^<&\r\n\t])*)\3""")
_GAP = rb"[ \t\r\n]*+"
_TEXT = rb"([^<&\r]*+)"
"""A text that needs no change: no reference in it, no line end to be normalised."""


class Shape:
    """The markup of a unit: `match` finds the texts of one that begins at an offset, `node` makes its element of them.

    `depth` is how deep its elements are nested, `name` the name of the unit as expat gives it.
    """

    def __init__(self, name: str, pattern: bytes, make: Make, depth: int) -> None:
        self.name = name
        self.depth = depth
        self.match = re.compile(pattern).match
        self._make = make

    def node(self, found: re.Match[bytes]) -> Node:
        """Return the element: what the handlers of the parser would have made of the same bytes."""
        made: Node = self._make(b"\0".join(found.groups()).decode().split("\0"))
        return made


class Shapes:
    """The shapes met so far, the last one that fitted first; as many as help, bounded.

    A unit is only learned where the element its shape makes equals the one the parser made, so that no shape can err in
    names, attributes or order. What names mean must not change as long as they are kept: `forget` them when it does.
    """

    def __init__(self) -> None:
        self._known: list[Shape] = []
        self._met: set[tuple[bytes, ...]] = set()
        self._left = _SKELETONS

    def forget(self) -> None:
        """Drop what is known: a namespace has begun or ended."""
        if self._known or self._met:
            self._known, self._met = [], set()

    def find(self, data: bytes, start: int) -> tuple[Shape, re.Match[bytes]] | None:
        """Return the shape that the unit at `start` has, with its texts; None where it has none that is known."""
        for place, shape in enumerate(self._known):
            found = shape.match(data, start)
            if found is not None:
                if place:
                    self._known.insert(0, self._known.pop(place))
                return shape, found
        return None

    def holds(self, shape: Shape) -> bool:
        """Say whether a shape is still known."""
        return shape in self._known

    def learn(self, name: str, raw: bytes, node: Node, levels: Collection[str]) -> None:
        """Learn the shape of a unit from its bytes and the element the parser made of them, at the second of its kind."""
        if self._left <= 0 or len(raw) > _LONGEST or len(self._known) >= _SHAPES:
            return
        self._left -= 1
        tags = _TAG.findall(raw)
        skeleton = tuple(b"".join(tag) for tag in tags)
        if skeleton not in self._met:
            self._met.add(skeleton)
            return
        shape = _shape(name, tags, levels)
        found = shape.match(raw) if shape is not None else None
        if shape is None or found is None or found.end() != len(raw) or repr(shape.node(found)) != repr(node):
            return
        self._known.insert(0, shape)
        self._left = _SKELETONS


class _Open:
    """An element whose end has not been met: its name, its attributes, what makes its children so far."""

    def __init__(self, name: str, attributes: Node) -> None:
        self.name = name
        self.attributes = attributes
        self.children: dict[str, list[ast.expr]] = {}

    def add(self, name: str, made: ast.expr) -> None:
        """Add a child."""
        self.children.setdefault(name, []).append(made)


def _shape(name: str, tags: list[tuple[bytes, bytes, bytes, bytes]], levels: Collection[str]) -> Shape | None:
    """Return the shape that tags in their order have; None where the elements cannot be made of the texts alone."""
    pattern: list[bytes] = []
    stack = [_Open("", {})]
    texts = depth = 0
    begun = False
    """Whether the tag before was the start of an element."""
    for closes, raw, said, alone in tags:
        local = raw.decode().rpartition(":")[2]
        leaf = False
        if closes:
            top = stack.pop()
            if not stack:
                return None
            leaf = begun and not top.children
            stack[-1].add(top.name, _leaf(texts, top.attributes) if leaf else _inner(top))
            texts += leaf
        else:
            attributes = _attributes(said.decode())
            if attributes is None or (local in levels and len(stack) > 1):
                return None
            depth = max(depth, len(stack))
            if alone:
                stack[-1].add(local, _inner(_Open(local, attributes)) if attributes else ast.Constant(""))
            else:
                stack.append(_Open(local, attributes))
        begun = not closes and not alone
        pattern += (_TEXT if leaf else _GAP if pattern else b"", re.escape(b"<%b%b%b%b>" % (closes, raw, said, alone)))
    made = [child for children in stack[0].children.values() for child in children]
    return Shape(name, b"".join(pattern), _compiled(made[0]), depth) if len(stack) == 1 and len(made) == 1 and texts else None


def _attributes(said: str) -> Node | None:
    """Return the attributes of a tag as an element holds them; None where they are written in a way that needs the parser."""
    end = 0
    found: Node = {}
    for attribute in _ATTRIBUTE.finditer(said):
        prefix, name, _, value = attribute.groups()
        if attribute.start() != end or prefix == "xmlns:" or (not prefix and name == "xmlns"):
            return None
        if name not in LOCATION:
            found[f"@{name}"] = value
        end = attribute.end()
    return found if not said[end:].strip() else None


def _leaf(place: int, attributes: Node) -> ast.expr:
    """Return what makes an element of the text at `place` alone: that text itself where the element has no attributes."""
    text = ast.Subscript(ast.Name("texts", ast.Load()), ast.Constant(place), ast.Load())
    if not attributes:
        return text
    return ast.Call(ast.Name("beside", ast.Load()), [_inner(_Open("", attributes)), text], [])


def _inner(element: _Open) -> ast.expr:
    """Return what makes an element of its attributes and children."""
    values: list[ast.expr] = [ast.Constant(value) for value in element.attributes.values()]
    values.extend(made[0] if len(made) == 1 else ast.List(made, ast.Load()) for made in element.children.values())
    return ast.Dict([ast.Constant(name) for name in (*element.attributes, *element.children)], values)


def _compiled(made: ast.expr) -> Make:
    """Return the function texts -> element: a display of dicts, in which names and attributes of the file are constants."""
    arguments = ast.arguments(posonlyargs=[], args=[ast.arg("texts")], kwonlyargs=[], kw_defaults=[], defaults=[])
    tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, made)))
    make: Make = eval(compile(tree, "<shape>", "eval"), {"beside": _beside})  # noqa: S307 - no text of the file becomes code
    return make


def _beside(attributes: Node, text: str) -> Node:
    """Return an element with attributes and a text, if it says anything."""
    if text and not text.isspace():
        attributes[""] = text
    return attributes
