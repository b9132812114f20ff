"""Vendor names made comparable, and made into names of extra columns."""

from __future__ import annotations

import re

_NOT_WORD = re.compile(r"[\W_]+")


def fold(name: str) -> str:
    """Return the name in one case and without blanks, underscores and punctuation ("Step_Index" and "step index" meet)."""
    return _NOT_WORD.sub("", name).casefold()


def snake(name: str) -> str:
    """Return the name as lower snake case; letters of any script stay."""
    return _NOT_WORD.sub("_", name).strip("_").casefold() or "column"
