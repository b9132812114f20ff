"""Where a finding stands, in the terms of machines: a path below the working folder, a line, a pointer, and a print that lasts."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from bdx.canon import Finding

_LINE = re.compile(r"^line (\d{1,9})\b")
_BYTE = re.compile(r"^byte (\d{1,18})\b")
_POINTER = re.compile(r"(?:^|\s)(/\S.*)$", re.S)
_NUMBER = re.compile(r"(?<=/)\d+(?=/|$)")
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
STDIN = ("", "-", "<stdin>")


def line_of(finding: Finding) -> int | None:
    """Return the line its locator names, counted from 1; None where it names none."""
    found = _LINE.match(finding.locator)
    return int(found[1]) or None if found else None


def byte_of(finding: Finding) -> int | None:
    """Return the byte its locator names, counted from 0; None where it names none."""
    found = _BYTE.match(finding.locator)
    return int(found[1]) if found else None


def pointer_of(finding: Finding) -> str:
    """Return the JSON pointer its locator ends with, or an empty string."""
    found = _POINTER.search(finding.locator)
    return found[1] if found else ""


def path_of(source: str) -> str:
    """Return the path of a source as CI systems match it: with slashes, below the working folder where it lies there."""
    if source in STDIN:
        return "stdin"
    if _SCHEME.match(source):
        return source
    path = os.path.normpath(source)  # purely by name: a link keeps the name the user gave
    if PurePath(path).is_absolute() and PurePath(path).is_relative_to(Path.cwd()):
        path = str(PurePath(path).relative_to(Path.cwd()))
    return PurePath(path).as_posix()


def prints(findings: Iterable[Finding]) -> Iterator[tuple[Finding, str, int]]:
    """Yield each finding with a print that lasts from run to run and its number among those that share it, from 1.

    The print is made of code, source, table, column and JSON pointer less its list numbers, never of counts, rows or
    values: a fault keeps it while data around it change.
    """
    met: dict[str, int] = {}
    for finding in findings:
        pointer = _NUMBER.sub("*", pointer_of(finding))
        parts = (finding.code, path_of(finding.source), finding.table, finding.column, pointer)
        print_ = hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]
        met[print_] = met.get(print_, 0) + 1
        yield finding, print_, met[print_]


def column_of(finding: Finding) -> str:
    """Return "table.column", or the one of both that is known."""
    return ".".join(part for part in (finding.table, finding.column) if part)
