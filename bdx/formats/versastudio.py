"""VersaStudio data files (.par): sections of facts and segments of rows in one text, read as one table of records.

A segment names its columns in one line, `Definition=Segment #, Point #, E(V), ...`; its rows follow up to the end of the section.
Keys of [versastudio] in the format spec: integer = [names], columns of whole numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from bdx.canon import Document, Part, Table
from bdx.errors import SourceError
from bdx.formats.curves import Curve, Layout, Walk, apart, encoding_of, rows_of
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

_MOST_FACTS = 5_000
_DEFINITION = b"Definition="
_UNIT = re.compile(r"(.*\S)\s*\(([^()]*)\)")
_SECTION = re.compile(r"<([A-Za-z][A-Za-z ]*[0-9]*)>")
_WEEKDAY = re.compile(r"^[A-Z][a-z]+day, ")


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the sections, then the rows of all segments in the order of the file.

    Raises: SourceError where the file holds no segment with columns; CorruptSource for lines that never end.
    """
    encoding = encoding_of(source.head)
    with source.seekable() as file:
        info, curves = _index(file, source, encoding, spec.raw["versastudio"])
        yield Document("info", info, "line 1")
        if not curves:
            raise SourceError("holds no segment of rows; expected a line such as 'Definition=Segment #, Point #, ...'", path=source.uri)
        layout = Layout(curves, lambda curve, name: name)
        yield Table("records", layout.schema, _rows(file, source, curves, layout, encoding))


def _rows(file: BinaryIO, source: Source, curves: list[Curve], layout: Layout, encoding: str) -> Iterator[pa.RecordBatch]:
    for curve in curves:
        yield from rows_of(file, source, curve, layout, encoding, whole=True)


def _index(file: BinaryIO, source: Source, encoding: str, facts: Facts) -> tuple[dict[str, Any], list[Curve]]:
    """Return the facts of the sections, as "Section.Key", and the segments."""
    info: dict[str, Any] = {}
    curves: list[Curve] = []
    walk = Walk(file, source)
    section = ""
    line = walk.next()
    while line:
        text = line.decode(encoding, "replace").strip()
        head = _SECTION.fullmatch(text.removeprefix("\ufeff"))
        if head is not None:
            section = head.group(1)
        elif line.startswith(_DEFINITION):
            line = _segment(walk, section, text.removeprefix("Definition="), curves, facts)
            continue
        elif "=" in text and section and not text.startswith("<") and len(info) < _MOST_FACTS:
            key, _, value = text.partition("=")
            if value.strip():
                info.setdefault(f"{section}.{key.strip()}", value.strip())
        line = walk.next()
    _explain(info)
    return info, curves


def _segment(walk: Walk, section: str, definition: str, curves: list[Curve], facts: Facts) -> bytes:
    """Note a segment and return the line after its rows."""
    cells = [cell.strip() for cell in definition.split(",")]
    while cells and not cells[-1]:
        cells.pop()
    curve = Curve(section or "Segment", walk.number, separator=",")
    split = [_UNIT.fullmatch(cell) for cell in cells]
    curve.names = list(apart(match.group(1) if match else cell for match, cell in zip(split, cells, strict=True)))
    curve.units = [match.group(2).strip() if match else "" for match in split]
    line = walk.next()
    curve.start, curve.body_line = walk.offset, walk.number
    sample: list[list[str]] = []
    while line and not line.startswith(b"<"):
        if len(sample) < 20 and line.strip():
            sample.append([cell.strip() for cell in line.decode("latin-1").split(",")])
        line = walk.next()
    curve.end = walk.offset
    # Behind the last column the definition may hold a version number, for which the rows have no value.
    while sample and len(curve.names) > len(sample[0]) and curve.names[-1].isdigit():
        curve.names.pop()
        curve.units.pop()
    if curve.names:
        curve.describe(sample, (), facts["integer"])
        curves.append(curve)
    return line


def _explain(info: dict[str, Any]) -> None:
    """Add what follows from several facts: instrument, software, procedure and start."""
    words = [info.get(f"Instrument.{key}", "") for key in ("Type", "Model")]
    info["instrument"] = " ".join(word for word in ("AMETEK", *words) if word)
    info["software"] = " ".join(word for word in ("VersaStudio", info.get("Application.Version", "")) if word)
    actions = [value for key, value in info.items() if re.fullmatch(r"Action[0-9]+\.Name", key) and value != "Common"]
    if actions:
        info["protocol"] = ", ".join(actions[:20])
    date = _WEEKDAY.sub("", info.get("Experiment.DateAcquired", ""))
    if date:
        info["started"] = f"{date} {info.get('Experiment.TimeAcquired', '')}".strip()
