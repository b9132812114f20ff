"""Where a conversion goes: the format by name or suffix, and how documents are laid out there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bdx import formats
from bdx.errors import UsageError
from bdx.formats.packing import split as packing_of
from bdx.spec import FormatSpec


@dataclass(frozen=True, slots=True)
class Shape:
    """How documents are laid out: a folder of files (by part), JSON lines, packed."""

    folder: bool = False
    by_part: bool = False
    lines: bool = False
    packing: str = ""


def shape_of(destination: str, target: FormatSpec, *, by_part: bool) -> Shape:
    """Return how a destination is laid out, by its name.

    Raises: UsageError for parts that go to one file.
    """
    documents = target.engine == "document"
    if documents and (destination.endswith(("/", "\\")) or Path(destination).is_dir()):
        return Shape(folder=True, by_part=by_part)
    if by_part:
        raise UsageError("--parts needs a passport format and a folder to write to: -t idta-02035 -o folder/")
    if target.raw.get("folders") and (destination.endswith(("/", "\\")) or Path(destination).is_dir()):
        return Shape(folder=True)
    bare, packing = packing_of(destination)
    return Shape(target.id == "dataset", False, bare.endswith((".jsonl", ".ndjson")), packing if documents else "")


def target_of(destination: str, to: str | None) -> FormatSpec:
    """Return the target format by name, else by suffix."""
    if to:
        target = formats.resolve(to)
    elif destination == "-":
        raise UsageError("writing to standard output needs a format: give -t, as in -t arrow")
    else:
        found = formats.for_suffix(destination)
        bare, packing = packing_of(destination)
        if found is None and packing and (inner := formats.for_suffix(bare)) is not None and inner.engine == "document":
            found = inner
        if found is None:
            raise UsageError(f"'{destination}': no format is known by this suffix; give -t, as in -t parquet (`bdx formats` lists all)")
        target = found
    if not target.writes:
        raise UsageError(f"format {target.full_id} can be read, not written")
    return target


def check_sources(uris: Sequence[str]) -> None:
    """Raise UsageError where there is no source, or standard input is given twice."""
    if not uris:
        raise UsageError("no source given")
    if uris.count("-") > 1:
        raise UsageError("standard input can be given once")
