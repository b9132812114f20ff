"""Which format a source is of where the user gives a mapping file, and the hint to make one where a file looks like a factory export."""

from __future__ import annotations

from bdx import formats
from bdx.errors import AmbiguousFormat, UnknownFormat, UnsupportedVersion
from bdx.formats import flat
from bdx.formats.source import Source
from bdx.mapping import flat_file
from bdx.pipeline.proposing import looks_like_export
from bdx.spec import FormatSpec


def told(source: Source, mapping: str | None) -> FormatSpec:
    """Return the format of a source: flat where a table of the mapping file has its header in it, else what its bytes show.

    Raises: as `detect`; with a mapping file, what that does not find is told where the source is read.
    """
    if not mapping:
        return _detected(source)
    by = by_mapping(mapping)
    if flat.claims(source, by.raw) or (source.unzip() and flat.claims(source, by.raw)):
        return by
    try:
        return formats.detect(source)
    except (UnknownFormat, AmbiguousFormat):
        return by


def by_mapping(path: str) -> FormatSpec:
    """Return the format that a mapping file of the user's describes."""
    return FormatSpec("flat", "Flat export, read by a mapping file", "flat", "mes", flat_file.load(path), mapping="flat")


def _detected(source: Source) -> FormatSpec:
    try:
        return formats.detect(source)
    except (UnknownFormat, UnsupportedVersion) as error:
        if looks_like_export(source):
            raise UnknownFormat(f"looks like a factory export; try: bdx map init {source.uri}", path=source.uri) from error
        raise
