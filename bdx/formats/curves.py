"""Tables scattered over one text file, each with a head of its own -> one table of records with one schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import pyarrow as pa

from bdx.errors import CorruptSource
from bdx.formats.delimited_blocks import Block
from bdx.formats.delimited_probe import Dialect, Heading
from bdx.formats.delimited_values import TYPES, Parser
from bdx.formats.source import Source

_CHUNK = 4 << 20
_LONGEST_LINE = 1 << 20
_NUMBER = re.compile(r"[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?")


@dataclass(slots=True)
class Curve:
    """One table: its columns, and the bytes from `start` to `end` that hold its rows (the first on line `body_line`).

    `lead` cells stand before the first column and `trailing` ones behind the last; all of them are empty.
    """

    name: str
    line: int
    declared: int | None = None
    names: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    separator: str = "\t"
    decimal: str = "."
    lead: int = 0
    trailing: int = 0
    start: int = 0
    end: int = 0
    body_line: int = 0
    first: float | None = None
    last: float | None = None

    @property
    def kind(self) -> str:
        """The name without its number: CURVE2 -> CURVE."""
        return self.name.rstrip("0123456789")

    def describe(self, rows: Sequence[list[str]], text: Iterable[str], integer: Iterable[str]) -> None:
        """Fill in the decimal mark and the kinds of the columns from the cells of some rows."""
        numeric = [place for place, name in enumerate(self.names) if name not in text]
        comma = self.separator != "," and any(_COMMA.fullmatch(row[place]) for row in rows for place in numeric if place < len(row))
        self.decimal = "," if comma else "."
        for place, name in enumerate(self.names):
            cells = [row[place] for row in rows if place < len(row) and row[place]]
            if name in text or (cells and not any(_NUMBER.fullmatch(cell) for cell in cells)):
                self.kinds.append("text")
            else:
                whole = name in integer and all(cell.lstrip("+-").isdecimal() for cell in cells)
                self.kinds.append("integer" if whole else "number")
        self.trailing = 1 if rows and len(rows[0]) == len(self.names) + 1 and not rows[0][-1] else 0

    def clock(self, rows: Sequence[list[str]], place: int) -> None:
        """Keep the first and the last value of the clock."""
        if rows:
            self.first, self.last = (_float(row[place]) if place < len(row) else None for row in (rows[0], rows[-1]))


def _float(cell: str) -> float | None:
    return float(cell.replace(",", ".")) if _NUMBER.fullmatch(cell) else None


class Walk:
    """The lines of a file, with the number and offset of the one read last."""

    def __init__(self, file: BinaryIO, source: Source) -> None:
        self._file = file
        self._source = source
        self.number = 0
        self.offset = 0
        self._next = 0

    def next(self) -> bytes:
        """Return the next line, nothing at the end.

        Raises: CorruptSource for a line beyond 1 MiB.
        """
        line = self._file.readline(_LONGEST_LINE)
        self.offset, self._next = self._next, self._next + len(line)
        self.number += 1
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            where = f"line {self.number}"
            raise CorruptSource("a line does not end within 1 MiB; expected lines of cells", path=self._source.uri, offset=where)
        return line


def encoding_of(head: bytes) -> str:
    """Return utf-8 where the head is that, else cp1252; a character cut at the end of the head is no fault."""
    try:
        head[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def apart(names: Iterable[str]) -> Iterator[str]:
    """Yield the names; one met before gets a number, a missing one is called by its place."""
    seen: dict[str, int] = {}
    for place, written in enumerate(names, 1):
        name = written or f"column {place}"
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name} {seen[name]}"


class Layout:
    """One schema for all curves: `column(curve, name)` says which column of the records a column of a curve fills.

    Columns meet only where their units do; one that does not keeps a column of its own.
    """

    def __init__(
        self,
        curves: Sequence[Curve],
        column: Callable[[Curve, str], str],
        scale: Callable[[str], str] | None = None,
        words: Sequence[str] = (),
    ) -> None:
        """`scale(name)` gives the factor written beside the values of a column, "" for none.

        `words` are further columns: "Curve", the name of the curve of a row, and "Kind", that name without its number.
        """
        fields: dict[str, pa.Field] = {}
        units: dict[str, str] = {}
        self._keys: dict[int, list[str]] = {}
        for curve in curves:
            keys = self._keys.setdefault(curve.line, [])
            for name, unit, kind in zip(curve.names, curve.units, curve.kinds, strict=True):
                key = column(curve, name)
                if units.setdefault(key, _head(unit)) != _head(unit):
                    key = f"{key} {unit}"
                keys.append(key)
                if key in fields:
                    fields[key] = fields[key].with_type(_wider(fields[key].type, TYPES[kind]))
                    continue
                factor = scale(name) if scale is not None else ""
                metadata = {"bdx.name": key, "bdx.unit": _head(unit), "bdx.locator": f"line {curve.line + 1}", "bdx.scale": factor}
                fields[key] = pa.field(key, TYPES[kind], metadata={k: v for k, v in metadata.items() if v})
        self.schema = pa.schema([*(pa.field(word, pa.string()) for word in words), *fields.values()])

    def dialect(self, curve: Curve, encoding: str) -> Dialect:
        """Return how the rows of a curve are written."""
        blank = Heading("", "", "", "blank")
        headings = [blank] * curve.lead
        for key, unit in zip(self._keys[curve.line], curve.units, strict=True):
            kind = next(word for word, value in TYPES.items() if value == self.schema.field(key).type)
            headings.append(Heading(key, key, unit, kind))
        return Dialect(
            encoding=encoding,
            newline="\n",
            separator=curve.separator,
            decimal=curve.decimal,
            header_line=curve.line + 1,
            first_line=curve.body_line,
            headings=(*headings, *[blank] * curve.trailing),
            preamble=(),
        )

    def fit(self, curve: Curve, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch of one curve in the schema of all."""
        given = {item.name: array for item, array in zip(batch.schema, batch.columns, strict=True)}
        for key, word in (("Curve", curve.name), ("Kind", curve.kind)):
            given[key] = pa.repeat(pa.scalar(word, pa.string()), batch.num_rows)
        arrays = [given[item.name] if item.name in given else pa.nulls(batch.num_rows, item.type) for item in self.schema]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _head(unit: str) -> str:
    """Return the unit itself without what it is measured against: "V vs. Ref." -> "V"."""
    return unit.split(" vs", 1)[0]


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if one == other:
        return one
    return pa.string() if pa.string() in (one, other) else pa.float64()


def rows_of(file: BinaryIO, source: Source, curve: Curve, layout: Layout, encoding: str, *, whole: bool) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one curve; a count other than the declared one is logged where the file is said to be `whole`."""
    parser = Parser(source, layout.dialect(curve, encoding), [""])
    for block in _blocks(file, source, curve, encoding):
        for batch in parser.batches(block):
            yield layout.fit(curve, batch)
    where = f"line {curve.line}"
    if curve.declared is not None and curve.declared != parser.rows and whole:
        source.log.find("F110", source=source.uri, locator=where, part=curve.name, declared=curve.declared, found=parser.rows)
    if not parser.rows:
        source.log.find("F045", source=source.uri, locator=where)


def _blocks(file: BinaryIO, source: Source, curve: Curve, encoding: str) -> Iterator[Block]:
    """Yield the lines of one curve in blocks of a few megabytes, in UTF-8."""
    file.seek(curve.start)
    left, line, rest = curve.end - curve.start, curve.body_line, b""
    while left > 0 and (chunk := file.read(min(_CHUNK, left))):
        left -= len(chunk)
        data = rest + chunk
        cut = data.rfind(b"\n") + 1 if left > 0 else len(data)
        whole, rest = data[:cut], data[cut:]
        if whole:
            yield Block(_plain(whole, encoding, line, source), line)
            line += whole.count(b"\n")
    if left > 0:
        raise CorruptSource("the file became shorter while it was read", path=source.uri, offset=f"line {line}")


def _plain(data: bytes, encoding: str, line: int, source: Source) -> bytes:
    if b"\0" in data:
        at = line + data.count(b"\n", 0, data.index(b"\0"))
        source.log.find("F043", source=source.uri, locator=f"line {at}", count=data.count(b"\0"))
        data = data.replace(b"\0", b"")
    return data if data.isascii() else data.decode(encoding, "replace").encode()
