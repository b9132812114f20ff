"""What one release of a model noted of a row, where another release of the same model has the same field."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from bdx import spec
from bdx.mapping.paths_extra import MISSING, Notes, escape, steps
from bdx.mapping.paths_loss import general
from bdx.mapping.paths_plan import plan
from bdx.mapping.paths_quantity import Node
from bdx.mapping.paths_tree import Plan, Scope
from bdx.mapping.transforms_base import Options


def akin(model: str, other: str) -> bool:
    """Say whether two mappings are of releases of one model that has a format."""
    return model.partition("@")[0] == other.partition("@")[0] and _known(model) and _known(other)


def _known(model: str) -> bool:
    name, _, version = model.partition("@")
    if not spec.has("formats", name) or not spec.has("mappings", model):
        return False
    return not version or version in spec.format_spec(name).versions


def carried(notes: Notes, table: str, source: str, target: str, options: Options) -> tuple[Notes, Notes]:
    """Return the notes that the target release takes over, and those it has no place for.

    A field that no mapping knows is taken over as far as the target's schema has it, a raw value where the target has the same
    columns at the same pointer.
    """
    kept: Notes = {}
    rest: Notes = {}
    known = (source, target, table, options)
    for pointer, raw in notes.items():
        if pointer == "-":
            absent = [other for other in raw if _same_node(general(other), *known)] if isinstance(raw, list) else []
            if absent:
                kept[pointer] = absent
        elif pointer == "+":
            kept[pointer] = raw
        elif pointer == "#":
            if any(place.pointer == raw for place in plan(target, options).rows):
                kept[pointer] = raw
        elif _same_node(general(pointer), *known) and not isinstance(raw, dict | list):
            kept[pointer] = raw
        else:
            part = MISSING
            for schema in _schemas(general(pointer), *known):
                left: Notes = {}
                part = _pruned(raw, schema, pointer, left)
                if part is not MISSING:
                    kept[pointer] = part
                    rest.update(left)
                    break
            if part is MISSING:
                rest[pointer] = raw
    return kept, rest


@lru_cache(maxsize=16384)
def _same_node(pointer: str, source: str, target: str, table: str, options: Options) -> bool:
    theirs, ours = _nodes(source, table, options).get(pointer), _nodes(target, table, options).get(pointer)
    return theirs is not None and type(theirs) is type(ours) and theirs.columns == ours.columns  # type: ignore[union-attr]


@lru_cache(maxsize=16384)
def _schemas(pointer: str, source: str, target: str, table: str, options: Options) -> tuple[dict[str, Any], ...]:
    """Return what the target's schema has at a pointer of a row's element, at any place of such rows, references resolved in full."""
    name = spec.model(target).schema
    nodes = (_nodes(source, table, options).get(pointer), _nodes(target, table, options).get(pointer))
    if not name or (nodes != (None, None) and not _same_node(pointer, source, target, table, options)):
        return ()
    found = (_at(spec.schema(name), base + pointer) for base in _bases(target, table, options))
    return tuple(node for node in found if node is not None)


@lru_cache(maxsize=64)
def _nodes(model: str, table: str, options: Options) -> dict[str, Node]:
    scopes = plan(model, options).scopes
    return {general(pointer): node for scope in scopes if scope.table == table for pointer, node in scope.nodes.items()}


@lru_cache(maxsize=64)
def _bases(model: str, table: str, options: Options) -> tuple[str, ...]:
    """Return the pointers of the elements that rows of a table are read from."""
    facts = plan(model, options)
    return tuple(base for scope in facts.scopes if scope.table == table for base in _bases_of(facts, scope))


def _bases_of(facts: Plan, scope: Scope) -> tuple[str, ...]:
    if not scope.number:
        return ("",)
    found: list[str] = []
    for outer in facts.scopes:
        for place in outer.places:
            if place.scope is scope:
                found += [general(base + place.pointer) + ("/*" if place.many else "") for base in _bases_of(facts, outer)]
    return tuple(found)


def _at(schema: dict[str, Any], pointer: str) -> dict[str, Any] | None:
    """Return what a schema says of a pointer; `*` is any item of a list."""
    node: Any = schema
    for step in steps(pointer):
        node = node.get("items") if step == "*" else node.get("properties", {}).get(step)
        if not isinstance(node, dict):
            return None
        node = _resolved(node, schema)
    return {**node, "$defs": schema.get("$defs", {})}


def _resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = schema
        for name in steps(node["$ref"].removeprefix("#")):
            found = found.get(name, {})
        node = found
    return node


def _pruned(raw: Any, schema: dict[str, Any], pointer: str, rest: Notes) -> Any:
    """Return a value without the fields that a schema does not name, which go to `rest`; MISSING where it is of another type.

    An object of which the schema names no field may hold any, as a text by its language.
    """
    node = _resolved(schema, schema)
    defs = {"$defs": schema.get("$defs", {})}
    kind = node.get("type", "object" if "properties" in node else "")
    if raw is not None and isinstance(kind, str) and not isinstance(raw, _TYPES.get(kind, object)):
        return MISSING
    if isinstance(raw, dict) and "properties" in node:
        return _pruned_object(raw, node, defs, pointer, rest)
    if isinstance(raw, list):
        items: list[Any] = []
        for number, item in enumerate(raw):
            part = _pruned(item, {**node.get("items", {}), **defs}, f"{pointer}/{number}", rest)
            if part is MISSING:
                rest[f"{pointer}/{number}"] = item
            else:
                items.append(part)
        return items
    return raw


def _pruned_object(raw: dict[str, Any], node: dict[str, Any], defs: dict[str, Any], pointer: str, rest: Notes) -> Any:
    found: dict[str, Any] = {}
    for key, value in raw.items():
        inner, at = node.get("properties", {}).get(key), f"{pointer}/{escape(key)}"
        part = MISSING if inner is None else _pruned(value, {**inner, **defs}, at, rest)
        if part is MISSING:
            rest[at] = value
        else:
            found[key] = part
    return found if found or not raw else MISSING


_TYPES: Mapping[str, type | tuple[type, ...]] = MappingProxyType(
    {"object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float, Decimal), "integer": (int, float, Decimal)}
)
