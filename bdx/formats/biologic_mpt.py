"""BioLogic text: the delimited engine, led to the header, with headers taken apart and dates in time/s read.

A table whose flag columns all hold the same byte (BT-Lab's server) has its flags taken out of it. Beside [delimited], a format may
have [scale]: factor by the name of a column that counts the other way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Document, Part, Table
from bdx.errors import UnknownFormat
from bdx.formats import delimited
from bdx.formats.biologic_names import describe, field, half_cell, shared, wall_field, wall_times
from bdx.formats.biologic_preamble import declared_header, facts, marked
from bdx.formats.source import Source
from bdx.names import fold
from bdx.spec import Facts, FormatSpec

_STAMP = r"^\s*\d{2}[/.-]\d{2}[/.-]\d{4} \d{2}:\d{2}:\d{2}([.,]\d{1,6})?\s*$"
_NUMBER = r"^\s*[+-]?[0-9]*[.,]?[0-9]+(?:[eE][+-]?[0-9]+)?\s*$"
_DECIMALS = [re.compile(rb"[\t\r\n][+-]?[0-9]+" + mark + rb"[0-9]+(?:[eE][+-]?[0-9]+)?(?=[\t\r\n])") for mark in (rb",", rb"\.")]
"""Cells with a decimal comma, and with a point."""


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether a file begins as the text exports do or holds a header of this dialect."""
    if marked(head):
        return spec.id == "biologic-mpt"
    return delimited.sniff(head, spec)


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the preamble as `info`, then the records with their quantities named.

    Raises: as the delimited engine; TruncatedSource for a file that ends before the header it declares.
    """
    parts = delimited.read(source, _led(source, spec))
    document = next(parts)
    if not isinstance(document, Document):
        raise UnknownFormat("holds no header of a BioLogic export", path=source.uri)
    preamble = document.value.pop("preamble", [])
    info = facts(preamble) | document.value
    yield Document("info", info, document.locator)
    for part in parts:
        if isinstance(part, Table):
            table = _Records(source, part, part.schema.names, info.get("started"), spec.raw.get("scale", {}))
            yield Table(part.name, table.schema, table.batches())
        else:
            yield part


def _led(source: Source, spec: FormatSpec) -> FormatSpec:
    """Return the spec with the header that the file declares as the only one; the head is given as far as the engine must see."""
    found = declared_header(source)
    if found is None:
        return spec
    number, lines = found
    cells = [cell.strip() for cell in lines[number - 1].decode("latin-1").split("\t")]
    names = [cell for cell in cells if cell.isascii() and fold(cell)]
    if len(cells) < 2 or not names:
        return spec
    newline = b"\n" if b"\n" in source.head or b"\r" not in source.head else b"\r"
    source.head = newline.join(lines)
    body = b"\t" + newline.join(lines[number : number + 400]) + newline
    mixed = all(pattern.search(body) for pattern in _DECIMALS)
    own = {
        "header_lines": number,
        "separators": ["\t"],
        "never": [],
        "group": [{"any": [name]} for name in names],
        "text": names if mixed else [],
    }
    return replace(spec, raw={**spec.raw, "delimited": {**spec.raw["delimited"], **own}})


@dataclass(slots=True)
class _Records:
    """The records of one file: the engine's batches with names, units, elapsed time, wall time and flags in their places."""

    source: Source
    part: Table
    headers: list[str]
    start: datetime | None
    scale: Facts

    @property
    def time(self) -> int:
        """The column of time/s, -1 where there is none."""
        return next((index for index, header in enumerate(self.headers) if describe(header) == ("time", "s")), -1)

    @property
    def stamped(self) -> bool:
        """Whether time/s may hold dates."""
        return self.time >= 0 and pa.types.is_string(self.part.schema.field(self.time).type)

    @property
    def walled(self) -> bool:
        """Whether the records get a wall time."""
        return self.stamped or (self.start is not None and self.time >= 0)

    @property
    def schema(self) -> pa.Schema:
        """The fields as the file heads them, each with its name and unit; wall time last."""
        fields = []
        for header, item in zip(self.headers, self.part.schema, strict=True):
            locator = (item.metadata or {}).get(b"bdx.locator", b"").decode()
            kind = pa.float64() if pa.types.is_string(item.type) and self._numeric(header) else item.type
            more = {"bdx.locator": locator, "bdx.scale": self.scale.get(describe(header)[0], "")}
            fields.append(field(header, kind, **more))
        return pa.schema([*fields, wall_field()] if self.walled else fields)

    def _numeric(self, header: str) -> bool:
        """Whether a column read as text holds numbers: everything with a unit does."""
        return bool(describe(header)[1])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the engine's batches in this schema."""
        schema = self.schema
        self._remark(schema)
        origin = None if self.start is None else int(np.datetime64(self.start, "us").astype(np.int64))
        remarked = False
        for batch in self.part.batches:
            columns = _flags(batch, self.headers)
            walls: pa.Array | None = None
            if self.stamped and (stamps := _stamps(columns[self.time])).null_count < len(stamps):
                origin = stamps.drop_null()[0].value if origin is None else origin
                if not remarked:
                    value = str(np.datetime64(origin, "us")).replace("T", " ")
                    self.source.log.find("F102", source=self.source.uri, value=value)
                    remarked = True
                walls = stamps
                columns[self.time] = pc.divide(pc.subtract(stamps.cast(pa.int64()), origin).cast(pa.float64(), safe=False), 1e6)
            columns = [self._decimal(column, item) for column, item in zip(columns, schema, strict=False)]
            if self.walled and walls is None:
                elapsed = columns[self.time].to_numpy(zero_copy_only=False).astype(np.float64)
                walls = wall_times(self.start, elapsed) if self.start else pa.nulls(len(batch), pa.timestamp("us"))
            yield pa.RecordBatch.from_arrays(columns if walls is None else [*columns, walls], schema=schema)

    def _decimal(self, column: pa.Array, item: pa.Field) -> pa.Array:
        """Return numbers of a column read as text because its file mixes decimal marks; what is no number becomes null and is logged."""
        if column.type == item.type:
            return column
        good = pc.match_substring_regex(column, _NUMBER)
        values = pc.replace_substring(pc.utf8_trim_whitespace(pc.if_else(good, column, None)), ",", ".").cast(item.type)
        bad = pc.and_(column.is_valid(), values.is_null())
        if pc.any(bad).as_py():
            first = column.filter(bad)[0].as_py()
            count = pc.sum(bad).as_py()
            self.source.log.find("F040", source=self.source.uri, column=item.name, locator="rows", count=count, value=first)
        return values

    def _remark(self, schema: pa.Schema) -> None:
        if half_cell([describe(header)[0] for header in self.headers]):
            self.source.log.find("F104", source=self.source.uri)
        if self.walled and not self.stamped and self.start is not None:
            self.source.log.find("F101", source=self.source.uri, value=self.start.isoformat(sep=" ", timespec="milliseconds"))


def _stamps(cells: pa.Array) -> pa.Array:
    """Return wall times in microseconds of dates in American order; null for other texts."""
    good = pc.if_else(pc.match_substring_regex(cells, _STAMP), pc.utf8_trim_whitespace(cells), None)
    whole = pc.replace_substring_regex(pc.utf8_slice_codeunits(good, 0, 19), r"^(\d+)[.-](\d+)[.-]", r"\1/\2/")
    seconds = pc.strptime(whole, format="%m/%d/%Y %H:%M:%S", unit="us", error_is_null=True)
    parts = pc.utf8_rpad(pc.utf8_slice_codeunits(good, 20, 26), 6, "0").cast(pa.int64())
    return pc.add(seconds.cast(pa.int64()), parts).cast(pa.timestamp("us"))


def _flags(batch: pa.RecordBatch, headers: list[str]) -> list[Any]:
    """Return the columns; flags are taken out of their byte where a table of BT-Lab's server repeats the byte for each."""
    columns = list(batch.columns)
    if "ox" not in headers or "mode" not in headers:
        return columns
    bits = {flag["header"]: flag["mask"] for flag in shared()["flags"].values()}
    bits["ox"] = bits["ox/red"]
    for index, name in enumerate(headers):
        if name in bits and pa.types.is_integer(columns[index].type):
            byte = columns[index].fill_null(0).to_numpy(zero_copy_only=False)
            values: npt.NDArray[Any] = (byte & bits[name]) // (bits[name] & -bits[name])
            columns[index] = pa.array(values, pa.int64(), mask=columns[index].is_null().to_numpy(zero_copy_only=False))
    return columns
