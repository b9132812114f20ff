"""Words that several reports share: the name of a rule, a count with its noun."""

from __future__ import annotations

from bdx import spec


def name_of(code: str) -> str:
    """Return the name of a rule's fault; empty for a code that is no rule."""
    rule = spec.rules().get(code)
    return rule.name if rule else ""


def plural(count: int, word: str) -> str:
    """Return a count with its word, as in "1 row", "12,000 rows"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def times(count: int) -> str:
    """Return " (3x)" for what was met more than once, else nothing."""
    return f" ({count:,}x)" if count > 1 else ""
