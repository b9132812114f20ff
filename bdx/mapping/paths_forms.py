"""What a model holds of a column only in part, by its mapping alone: within bounds, within a text, for some kinds of rows."""

from __future__ import annotations

from bdx.mapping.paths_nodes import Group, Leaf
from bdx.mapping.paths_quantity import Quantity
from bdx.mapping.paths_tree import Scope

IN_A_TEXT = "part of one text"
"""What becomes of a value that is written within a text."""


def partly(scope: Scope, column: str) -> tuple[str, str] | None:
    """Return why a place does not hold every value of a column, and what becomes of those; None where it does or has its own words."""
    for pointer, (told, values) in scope.only_for.items():
        if column in scope.nodes[pointer].columns:
            return f"a place for it where {told} is {' or '.join(sorted(values))} only", "left out elsewhere"
    for node in scope.nodes.values():
        if isinstance(node, Leaf):
            for way in node.made:
                if not way.table and column in way.columns and column not in scope.columns:
                    return way.why, way.becomes
        beyond = ""
        if isinstance(node, Quantity) and node.column == column:
            beyond = node.bounds.beyond
        elif isinstance(node, Group) and column in node.columns:
            beyond = getattr(node.transform, "beyond", "")
        if beyond:
            return f"no word for {beyond}", "left out beyond that"
    return None
