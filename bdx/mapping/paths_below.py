"""What stands below and beside a node of a path mapping, and in a raw value: what the generated reader is laid out by."""

from __future__ import annotations

from typing import Any

from bdx.mapping.paths_quantity import UnitOf
from bdx.mapping.paths_tree import First, Object


def beside(holder: Object, unit: UnitOf) -> bool:
    """Say whether the value of a unit stands in the same object."""
    return any(child is unit.quantity for child in holder.keys.values())


def leaves(node: Any) -> int:
    """Return how many values and lists of rows stand below a node."""
    if isinstance(node, Object):
        return sum(map(leaves, node.keys.values()))
    return leaves(node.item) if isinstance(node, First) else 1


def columns_in(node: Any) -> tuple[str, ...]:
    """Return the columns that an object or leaf of a list's first item fills."""
    if isinstance(node, Object):
        return tuple(column for child in node.keys.values() for column in columns_in(child))
    return getattr(node, "columns", ())


def holds(raw: Any) -> bool:
    """Say whether a raw value gives rows, read from objects, that are written again."""
    return any(type(item) is dict and item for item in (raw if type(raw) is list else [raw]))
