"""Lines of generated source, the names they use and the objects those names stand for."""

from __future__ import annotations

from typing import Any

from bdx.mapping import paths_extra
from bdx.mapping.paths_memory import Memory


class Source:
    """Lines of code, the names they use, and the objects those names stand for."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "M": paths_extra.MISSING,
            "note_unknown": paths_extra.note_unknown,
            "note_rest": paths_extra.note_rest,
            "add_notes": paths_extra.add_notes,
            "Memory": Memory,
        }
        self._count = 0

    def line(self, depth: int, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * depth + text)

    def fresh(self, prefix: str) -> str:
        """Return a name not used before."""
        self._count += 1
        return f"{prefix}{self._count}"

    def bind(self, prefix: str, value: Any) -> str:
        """Return a new name for an object."""
        name = self.fresh(prefix)
        self.names[name] = value
        return name
