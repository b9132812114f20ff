"""Known findings: written once, so that a run fails on new ones only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from bdx.canon import Finding
from bdx.errors import UsageError
from bdx.formats.sink import Destination

SCHEMA = "bdx-baseline/1"
Key = tuple[str, str, str, str]


def write(path: str, findings: Iterable[Finding]) -> int:
    """Write the findings as a baseline, sorted, one per code, source, table and column; return how many there are."""
    counts: dict[Key, int] = {}
    for found in findings:
        key = _key(found, path)
        counts[key] = counts.get(key, 0) + found.count
    rows = [
        {"code": code, "source": source, "table": table, "column": column, "count": count}
        for (code, source, table, column), count in sorted(counts.items())
    ]
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    text = f'{{"schema": "{SCHEMA}", "findings": [\n  {lines}\n]}}\n' if rows else f'{{"schema": "{SCHEMA}", "findings": []}}\n'
    with Destination(path, force=True) as sink:
        sink.write(text.encode())
    return len(rows)


def new(path: str, findings: Iterable[Finding]) -> tuple[list[Finding], int]:
    """Return the findings that a baseline does not hold, and how many it does; one that grew is new by what it grew.

    Raises: UsageError where the file is no baseline.
    """
    known = _read(path)
    fresh, old = [], 0
    for found in findings:
        key = _key(found, path)
        left = known.get(key, 0)
        known[key] = max(0, left - found.count)
        if found.count <= left:
            old += 1
        else:
            fresh.append(replace(found, count=found.count - left) if left else found)
    return fresh, old


def _read(path: str) -> dict[Key, int]:
    try:
        document = json.loads(Path(path).read_text("utf-8"))
        if document["schema"] != SCHEMA:
            raise UsageError(f"{path}: schema is '{document['schema']}', expected {SCHEMA}")
        return {(row["code"], row["source"], row["table"], row["column"]): int(row["count"]) for row in document["findings"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no baseline of bdx: {type(error).__name__} {error}; write one with --write-baseline") from error


def _key(found: Finding, path: str) -> Key:
    """Return what makes a finding the same one; its source is named from the folder of the baseline, so that a checkout may move."""
    source = found.source
    if source and not source.startswith("<"):
        folder, place = Path(path).resolve().parent, Path(source).resolve()
        source = place.relative_to(folder).as_posix() if place.is_relative_to(folder) else Path(source).as_posix()
    return found.code, source, found.table, found.column
