"""Names as they are compared and as they name columns, and text of any length as it is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_NOT_WORD = re.compile(r"[\W_]+")


@lru_cache(maxsize=16_384)
def fold(name: str) -> str:
    """Return the name in one case and without blanks, underscores and punctuation ("Step_Index" and "step index" meet)."""
    return _NOT_WORD.sub("", name).casefold()


def snake(name: str) -> str:
    """Return the name as lower snake case; letters of any script stay."""
    return _NOT_WORD.sub("_", name).strip("_").casefold() or "column"


def matches(header: Iterable[str], names: Iterable[str]) -> dict[str, int]:
    """Return the place in a header of each of some names that is found there, spelled alike or nearly (case, blanks, punctuation)."""
    places: dict[str, int] = {}
    folded: dict[str, int] = {}
    for place, cell in enumerate(header):
        places.setdefault(cell, place)
        folded.setdefault(fold(cell), place)
    found: dict[str, int] = {}
    for name in names:
        at = places.get(" ".join(name.split()), folded.get(fold(name)) if fold(name) else None)
        if at is not None and at not in found.values():
            found[name] = at
    return found


def shortened(text: str, most: int = 160) -> str:
    """Return the text in at most `most` characters, its end as "..." where it was cut."""
    return text if len(text) <= most else text[: most - 3] + "..."
