"""Neware .ndax archives -> facts of the test and one table of records with vendor names, raw values and units."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bdx.canon import Part
from bdx.formats.neware_run import Run
from bdx.formats.neware_zip import Archive
from bdx.formats.source import Source
from bdx.spec import FormatSpec

_LOCAL_HEADER = re.compile(rb"PK\x03\x04.{22}(.)(.)..", re.DOTALL)
_OWN_NAME = re.compile(rb"data(_\w+)?\.ndc|(TestInfo|VersionInfo|Step|EditStep)\d*\.xml")


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the first members of a ZIP bear names only an .ndax has; data.ndc may stand beyond the first 64 KiB."""
    for header in _LOCAL_HEADER.finditer(head):
        length = header.group(1)[0] | header.group(2)[0] << 8
        if _OWN_NAME.fullmatch(head, header.end(), header.end() + length):
            return True
    return False


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the test as `info`, then all records as one table.

    Raises: CorruptSource, UnsupportedVersion, UnsafeSource, each naming member and place; TruncatedSource after the last whole
    record of an archive that was cut.
    """
    with source.seekable() as file:
        yield from Run(source, spec.raw, Archive(file, source.uri)).parts()
