"""Documents <-> canonical tables by one description of paths, compiled once for both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bdx import spec
from bdx.canon import Chunk, Part
from bdx.errors import UsageError
from bdx.mapping import Context
from bdx.mapping.paths_plan import plan
from bdx.mapping.paths_read import to_chunks
from bdx.mapping.paths_tree import Scope
from bdx.mapping.paths_write import to_documents
from bdx.mapping.transforms_base import Options
from bdx.spec import Facts


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield chunks of documents: one row of `battery` each, their children, and what has no column in `extra`.

    A document read here and written by the same mapping is equal as JSON. A raw value without canonical meaning is null
    in its column, kept in `extra`, and a finding.
    """
    options = _options(context)
    return to_chunks(parts, lambda name: _mapping(name) or facts["format"], context, options)


def from_canonical(chunks: Iterable[Chunk], facts: Facts, context: Context) -> Iterator[Part]:
    """Yield one document per row of `battery`; nothing is invented, and what has no place goes to `context.log.lose`."""
    return to_documents(chunks, facts["format"], context, _options(context))


def _mapping(model: str) -> str:
    """Return the mapping of the model that a document is of, "" for a part that names none."""
    if not spec.has("formats", model.partition("@")[0]):
        return ""
    item = spec.model(model)
    return item.mapping or item.id


def supplies(name: str) -> frozenset[str]:
    """Return the columns, as "table.column", that a model of this mapping has a place for."""
    facts = plan(name, Options())
    return frozenset(f"{table}.{column}" for table in facts.tables for column in facts.columns(table))


def places(name: str) -> dict[str, str]:
    """Return the JSON pointers of the columns of the main table, by "table.column"."""
    main = plan(name, Options()).scopes[0]
    found: dict[str, str] = {}
    for pointer, node in main.nodes.items():
        for column in node.columns:
            found.setdefault(f"{main.table}.{column}", pointer)
    return found


def fields(name: str) -> list[tuple[str, str, str]]:
    """Return (JSON pointer, table, column) of every place that a column or a copy of it has, those of child rows too."""
    return list(_fields(plan(name, Options()).scopes[0], ""))


def _fields(scope: Scope, base: str) -> Iterator[tuple[str, str, str]]:
    for pointer, node in scope.nodes.items():
        first = getattr(node, "first", None)
        columns = node.columns or ((first.column,) if first is not None else ())
        yield from ((base + pointer, scope.table, column) for column in columns)
    for row in scope.places:
        yield from _fields(row.scope, f"{base}{row.pointer}/*" if row.many else f"{base}{row.pointer}")


def _options(context: Context) -> Options:
    zone = context.options.get("assume_tz") or ""
    if zone:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise UsageError(f"no time zone '{zone}'; give an IANA name such as Europe/Berlin") from error
    return Options(zone, context.options.get("language") or "")
