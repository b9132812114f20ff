"""Autolab FRA data files (.dfr): a version, the number of points, one more line, then nine lines for each point.

Keys of [autolab-fra] in the format spec: columns = [names of the nine values], "" for those whose meaning is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from bdx.canon import BATCH_ROWS, Document, Part, Table
from bdx.errors import CorruptSource, TruncatedSource, UnsupportedVersion
from bdx.formats.curves import Walk
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

_NUMBER = re.compile(rb"[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the version, then the points.

    Raises: UnsupportedVersion for another version than 8.0; CorruptSource for a value that is no number; TruncatedSource, after the
    whole points, where the file ends before the declared number of them.
    """
    facts = spec.raw["autolab-fra"]
    with source.seekable() as file:
        walk = Walk(file, source)
        version = _value(walk).decode("latin-1")
        if version.casefold() not in {known.casefold() for known in facts["versions"]}:
            message = f"FRA data '{version[:40]}' are not read; known: {', '.join(facts['versions'])}"
            raise UnsupportedVersion(message, path=source.uri, offset="line 1")
        declared = _value(walk)
        if not declared.isdigit() or len(declared) > 9:
            message = f"'{declared.decode('latin-1')[:40]}' is no number of points"
            raise CorruptSource(message, path=source.uri, offset=f"line {walk.number}")
        yield Document(
            "info", {"version": version, "instrument": "Metrohm Autolab FRA", "third line": _value(walk).decode("latin-1")}, "line 1"
        )
        yield Table("records", _schema(facts), _rows(walk, source, int(declared), facts))


def _value(walk: Walk) -> bytes:
    """Return the next line that is not blank, nothing at the end."""
    while line := walk.next():
        if line.strip():
            return line.strip()
    return b""


def _schema(facts: Facts) -> pa.Schema:
    fields = []
    for place, cell in enumerate(facts["columns"], 1):
        name, _, unit = cell.partition(" (")
        negated = name.startswith("-")
        metadata = {"bdx.name": name.lstrip("-"), "bdx.unit": unit.rstrip(")"), "bdx.scale": "-1" if negated else ""}
        fields.append(pa.field(cell or f"value {place}", pa.float64(), metadata={k: v for k, v in metadata.items() if v}))
    return pa.schema(fields)


def _rows(walk: Walk, source: Source, declared: int, facts: Facts) -> Iterator[pa.RecordBatch]:
    schema = _schema(facts)
    width = len(schema)
    left = declared
    while left > 0:
        values: list[float] = []
        wanted = min(left, BATCH_ROWS) * width
        while len(values) < wanted and (text := _value(walk)):
            if not _NUMBER.fullmatch(text):
                yield from _batch(values, width, schema)
                shown = text.decode("latin-1")[:40]
                raise CorruptSource(f"'{shown}' is no number", path=source.uri, offset=f"line {walk.number}")
            values.append(float(text.replace(b",", b".")))
        yield from _batch(values, width, schema)
        left -= len(values) // width
        if len(values) < wanted:
            message = f"the file ends {left} points before the {declared} that it declares"
            raise TruncatedSource(message, path=source.uri, offset=f"line {walk.number}")


def _batch(values: list[float], width: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the whole points, if there are any."""
    rows = len(values) // width
    if rows:
        found = np.array(values[: rows * width]).reshape(rows, width)
        yield pa.RecordBatch.from_arrays([pa.array(found[:, place]) for place in range(width)], schema=schema)
