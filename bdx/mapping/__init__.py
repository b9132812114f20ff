"""Vendor fields <-> canonical columns: one description per format, used in both directions.

A mapping's spec (specs/mappings/<id>.toml) names its kind; the kind is a module of this package with

    to_canonical(parts, facts, context) -> Iterator[Chunk]
    from_canonical(chunks, facts, context) -> Iterator[Part]      where the format can be written
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bdx import spec
from bdx.canon import Chunk, Log, Part
from bdx.spec import Facts, FormatSpec


@dataclass(slots=True)
class Context:
    """What a mapping may know of its run: the source's name and id, the log, the model's full id, the user's options."""

    source: str
    source_id: str
    log: Log
    model: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    """`unusable(document, place, value, expected)` is told of a document with a value without meaning, which then does not go on.
    `assume_tz`: IANA zone for naive times; `indent`: pretty JSON; further keys as mappings need them."""


def facts_of(format_spec: FormatSpec) -> Facts:
    """Return the mapping facts of a format; one that the user describes is its own."""
    if "kind" in format_spec.raw:
        return format_spec.raw
    return spec.facts("mappings", format_spec.mapping or format_spec.id)


def to_canonical(parts: Iterable[Part], format_spec: FormatSpec, context: Context) -> Iterator[Chunk]:
    """Yield canonical chunks of parts read from a format."""
    facts = facts_of(format_spec)
    return _kind(facts).to_canonical(parts, facts, context)  # type: ignore[no-any-return]


def from_canonical(chunks: Iterable[Chunk], format_spec: FormatSpec, context: Context) -> Iterator[Part]:
    """Yield parts of a format from canonical chunks; what it cannot hold goes to `context.log.lose`."""
    facts = facts_of(format_spec)
    return _kind(facts).from_canonical(chunks, facts, context)  # type: ignore[no-any-return]


def supplies(format_spec: FormatSpec) -> frozenset[str] | None:
    """Return the columns, as "table.column", that a format has a place for; None where any column has one."""
    facts = facts_of(format_spec)
    known = getattr(_kind(facts), "supplies", None)
    return known(facts["format"]) if known is not None else None


def places(format_spec: FormatSpec) -> dict[str, str]:
    """Return where a document of a format holds columns: JSON pointers by "table.column"; none for what is no document."""
    facts = facts_of(format_spec)
    known = getattr(_kind(facts), "places", None)
    return known(facts["format"]) if known is not None else {}


def fields(format_spec: FormatSpec) -> list[tuple[str, str, str]]:
    """Return (JSON pointer, table, column) of every place of a document; an item of a list is /*. None for what is no document."""
    facts = facts_of(format_spec)
    known = getattr(_kind(facts), "fields", None)
    return known(facts["format"]) if known is not None else []


def _kind(facts: Facts) -> Any:
    return importlib.import_module(f"bdx.mapping.{facts['kind']}")
