"""A table that no maker claims, read because its header says time, voltage and current and the unit of each; nothing is assumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bdx.canon import Part
from bdx.formats import delimited
from bdx.formats.delimited_names import folded, measures, split_unit
from bdx.formats.delimited_probe import probe
from bdx.formats.parquet_records import foreign_names, parts
from bdx.formats.source import Source
from bdx.names import fold
from bdx.spec import Facts, FormatSpec

_QUANTITIES = ("time", "electric_potential", "electric_current")
"""What the three groups of names in the spec measure, in their order."""

_SMALL = {"v": "V", "mv": "mV", "a": "A", "ma": "mA"}


def sniff(head: bytes, format_spec: FormatSpec) -> bool:
    """Say whether a line names all three quantities with units, or a first line names a layout that is known without them."""
    facts = format_spec.raw["delimited"]
    dialect = probe(head, facts)
    if dialect is None:
        return False
    first = dialect.preamble[0] if dialect.preamble else ""
    if any(first.lstrip("\ufeff").startswith(mark) for mark in facts.get("marks", ())):
        return True
    return _says_all([(heading.name, heading.unit) for heading in dialect.headings], facts)


def sniff_source(source: Source, format_spec: FormatSpec) -> bool:
    """Say the same of a source; a Parquet file is told by the names in its footer."""
    if format_spec.raw.get("magic"):
        facts = format_spec.raw["delimited"]
        return _says_all([split_unit(name, facts["unit"]) for name in foreign_names(source)], facts)
    return sniff(source.head, format_spec)


def near(head: bytes, format_spec: FormatSpec) -> tuple[float, list[str]]:
    """Return how near the header of a text comes to such a table, and what it lacks."""
    if format_spec.raw.get("magic"):
        return 0.0, []
    score, lacks = delimited.near(head, format_spec)
    return score, lacks or ["a unit behind each of time, voltage and current in its header"]


def read(source: Source, format_spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts before the table, then its rows.

    Raises: SourceError where no line is such a header, CorruptSource.
    """
    if format_spec.raw.get("magic"):
        return parts(source, format_spec.raw["delimited"]["unit"])
    return delimited.read(source, format_spec)


def _says_all(columns: Iterable[tuple[str, str]], facts: Facts) -> bool:
    """Say whether each quantity has a column whose name is of its group and whose unit, behind it or in it, measures it."""
    known = list(columns)
    for group, quantity in zip(facts["group"], _QUANTITIES, strict=True):
        names = folded(group["any"])
        if not any(fold(name) in names and measures(unit or _behind(name), quantity) for name, unit in known):
            return False
    return bool(known)


def _behind(name: str) -> str:
    """Return the unit that stands behind the last underscore of a name, which may be written small."""
    unit = name.rpartition("_")[2]
    return _SMALL.get(unit, unit)
