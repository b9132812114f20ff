"""What a two-way function is: raw value to canonical and back, faults named, faithful texts remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

_CACHE = 4096


class Fault(Exception):
    """A raw value has no canonical meaning: the rule that says so and what was expected."""

    def __init__(self, code: str, expected: str) -> None:
        super().__init__(expected)
        self.code = code
        self.expected = expected


class PartFault(Fault):
    """Parts of a raw value have no canonical meaning, each a fault of its own; `values` are those of the rest."""

    def __init__(self, values: tuple[Any, ...], parts: list[Part]) -> None:
        super().__init__(parts[0].code, parts[0].expected)
        self.values = values
        self.parts = parts


@dataclass(frozen=True, slots=True)
class Part:
    """A part at fault: the column it is for, where it stands in the raw value, what stands there, what was expected."""

    column: str
    pointer: str
    raw: Any
    code: str
    expected: str


@dataclass(frozen=True, slots=True)
class Options:
    """Choices of the user that change what a value means: zone of zoneless times, preferred language of texts."""

    assume_tz: str = ""
    language: str = ""


@dataclass(slots=True)
class Transform:
    """One two-way function. `inline` names the test that generated code makes before it trusts a value as it is.

    `known` remembers texts that read and write back the same; `narrow` holds words that say less than the value;
    `part` says that the raw form may hold only a part of a canonical value; `limit` names the values it has no form for,
    `why` says so of each of them; `values` are those that a closed list of words may be read as.
    """

    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    inline: str = ""
    column: Callable[[pa.Array], list[Any]] | None = None
    known: dict[str, Any] = field(default_factory=dict)
    narrow: Mapping[Any, str] = field(default_factory=dict)
    part: bool = False
    limit: str = ""
    why: str = ""
    values: tuple[str, ...] = ()

    def remember(self, raw: str, value: Any) -> None:
        """Keep a faithful pair for the next document; the memory is bounded."""
        if len(self.known) >= _CACHE:
            self.known.clear()
        self.known[raw] = value

    def written(self, array: pa.Array) -> list[Any]:
        """Return a canonical column as raw values, None where null or without a word."""
        if self.column is not None:
            return self.column(array)
        return [None if value is None else self.write(value) for value in plain(array)]


def plain(array: pa.Array) -> list[Any]:
    """Return an Arrow column as the Python values transforms work on."""
    if pa.types.is_date32(array.type):
        array = array.cast(pa.int32())
    elif pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return array.to_pylist()  # type: ignore[no-any-return]


def same(value: Any) -> Any:
    """Return the value as it is."""
    return value
