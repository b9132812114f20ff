"""What was read before is not read again: the result of a part of a document by its JSON text, bounded, given up where nothing repeats."""

from __future__ import annotations

from typing import Any

import orjson

_MOST_TEXT = 1 << 20
_TRIALS = 128


class Memory:
    """Results by the JSON text of what they were read from.

    A passport shares most of itself with the others of its model. An object or list that is known is found again without
    its text: what hangs together in a document is mostly looked up together.
    """

    __slots__ = ("_hits", "_known", "_misses", "_same", "_size", "_text", "_value", "on")

    def __init__(self) -> None:
        self.on = True
        self._known: dict[bytes, tuple[Any, Any]] = {}
        self._same: dict[int, tuple[Any, Any]] = {}
        self._text: bytes | None = None
        self._value: Any = None
        self._hits = self._misses = self._size = 0

    def get(self, value: Any) -> Any:
        """Return the result for an object or list, None where there is none yet; `keep` may then follow."""
        if not self.on:
            return None
        known = self._same.get(id(value))
        if known is not None:
            return known[1]
        self._text = None
        try:
            text = orjson.dumps(value)
        except TypeError:
            return None  # A number that takes exact digits: its text is no key.
        known = self._known.get(text)
        if known is None:
            self._text, self._value = text, value
            return None
        self._hits += 1
        return known[1]

    def keep(self, result: Any) -> None:
        """Keep the result for what `get` was last asked for."""
        if self._text is None:
            return
        self._misses += 1
        self._size += len(self._text)
        if self._misses >= _TRIALS and self._hits < self._misses:
            self.on = False
        if self._size > _MOST_TEXT or not self.on:
            self._known.clear()
            self._same.clear()
            self._size = len(self._text)
        if self.on:
            # The value is held with its result, so that its id stays its own.
            self._known[self._text] = self._same[id(self._value)] = (self._value, result)
        self._text = self._value = None
