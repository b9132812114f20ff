"""What a line of a path mapping says: which keys it may have, the columns it names, the steps of its path."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bdx.errors import SpecError
from bdx.spec import Facts

FIELD_KEYS = frozenset(
    (
        *("at", "to", "as", "unit", "raw_to", "fallback", "sum_of", "copies", "also", "time_at", "constant"),
        *("words", "other", "narrow", "language", "unit_at", "word", "per", "scales"),
        *("each", "shared", "key", "value", "time", "picks", "number", "pattern", "kind", "kind_at"),
        *("whole", "limits", "made", "points", "code", "text", "name"),
    )
)
"""What a line of `fields` may say: of every leaf; of words, texts and quantities; of lists of objects."""


def columns_of(entry: Facts) -> Iterator[str]:
    """Yield the columns that a line names."""
    for key in ("to", "per", "raw_to", "fallback", "name"):
        if key in entry:
            yield entry[key]
    yield from entry.get("sum_of", ())
    yield from entry.get("points", ())
    yield from entry.get("each", {}).values()
    yield from entry.get("shared", {}).values()
    for pick in entry.get("picks", ()):
        yield pick["to"]


def beside(path: str, other: str) -> str:
    """Return the path of a sibling; each `../` before its name goes one object up."""
    holder = path.rpartition(".")[0]
    while other.startswith("../"):
        holder, other = holder.rpartition(".")[0], other.removeprefix("../")
    return f"{holder}.{other}" if holder else other


_STEP = re.compile(r"([^.\[\]]+)|\[0\]")


def steps_of(path: str) -> Iterator[str | int]:
    """Yield the steps of a path such as a.b[0].c."""
    end = 0
    for found in _STEP.finditer(path):
        if path[end : found.start()] not in ("", "."):
            raise SpecError(f"path '{path}': expected keys with dots between and [0] for the first item")
        end = found.end()
        yield found[1] if found[1] is not None else 0
    if end != len(path):
        raise SpecError(f"path '{path}': expected keys with dots between and [0] for the first item")
