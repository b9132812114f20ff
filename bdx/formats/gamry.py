"""Gamry Framework data files (.DTA): explained facts and any number of curves in one text, read as one table of records.

Keys of [gamry] in the format spec:

    curve = "regex"                  names of the tables that are curves; other tables are reported as lost
    prelude = ["OCVCURVE"]           curves recorded before the experiment's own clock starts
    text = ["Over"]                  columns that hold words or flags; integer = ["Pt"]: columns of whole numbers
    time = ["T", "Time"]             columns of the clock
    current = ["Im", "Idc"]          columns of current, turned where the file says that cathodic current is positive
    [gamry.same] Vdc = "Vf"          names under which different kinds of curve show one quantity: theirs -> ours

The file is walked twice: first for its facts and the heads of its curves, so that all batches have one schema, then for the rows.
Every record carries `Curve` (the name of its table) and `Kind` (that name without its number). A clock that starts anew in
later curves is the time within the curve: it goes to the column `Curve T` instead of `T`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from bdx.canon import Document, Part, Table
from bdx.errors import SourceError
from bdx.formats.curves import Curve, Layout, rows_of
from bdx.formats.gamry_index import Index, index
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

_CATHODIC = "0"
"""CONVENTION of a file whose cathodic currents are positive; 1, anodic, is the default."""


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the file, then the rows of all curves in the order of the file.

    Raises: SourceError where the file holds no curve; CorruptSource for lines that never end.
    """
    facts = spec.raw["gamry"]
    with source.seekable() as file:
        found = index(file, source, facts)
        yield Document("info", found.info, "line 1")
        if not found.curves:
            raise SourceError("holds no table of a curve; expected a line such as 'CURVE<tab>TABLE'", path=source.uri)
        layout = _layout(found, facts)
        yield Table("records", layout.schema, _rows(file, source, found, layout))
    for name in found.others:
        source.log.lose(source.uri, f"table {name}", "it is no curve")
    if found.aborted:
        source.log.find("F111", source=source.uri, locator=f"line {found.aborted}")


def _layout(found: Index, facts: Facts) -> Layout:
    within = _clocks_within(found.curves, facts)
    turned = found.info.get("CONVENTION") == _CATHODIC

    def column(curve: Curve, name: str) -> str:
        if name in facts["time"]:
            return "Curve T" if curve.name in within else "T"
        ours = str(facts["same"].get(name, name))
        return name if ours in curve.names else ours

    return Layout(found.curves, column, lambda name: "-1" if turned and name in facts["current"] else "", ("Curve", "Kind"))


def _clocks_within(curves: list[Curve], facts: Facts) -> set[str]:
    """Return the names of the curves whose clock counts within the curve: preludes, and all where a later clock starts anew."""
    main = [curve for curve in curves if curve.name not in facts["prelude"]]
    within = {curve.name for curve in curves} - {curve.name for curve in main} if main else set()
    last = float("-inf")
    for curve in main or curves:
        if curve.first is not None and curve.last is not None:
            if curve.first < last:
                return {each.name for each in curves}
            last = curve.last
    return within


def _rows(file: BinaryIO, source: Source, found: Index, layout: Layout) -> Iterator[pa.RecordBatch]:
    for curve in found.curves:
        yield from rows_of(file, source, curve, layout, found.encoding, whole=not found.aborted)
