"""Rows of several levels in one file -> rows of records, each with the cells of the outer rows it stands under."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from bdx.formats.delimited_blocks import Block
from bdx.formats.delimited_head import split
from bdx.formats.delimited_probe import Dialect, Heading
from bdx.formats.source import Source

Cells = list[str | None]


@dataclass(slots=True)
class Levels:
    """What is carried from row to row: one list of cells per outer level, for every outer row of the block."""

    source: Source
    dialect: Dialect
    nulls: list[str]
    _states: list[tuple[Cells, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self._states = [tuple([None] * len(level) for level in self.dialect.outer)]

    @property
    def depth(self) -> int:
        """How many empty cells a record starts with."""
        return next(index for index, heading in enumerate(self.dialect.headings) if heading.name)

    @property
    def headings(self) -> list[Heading]:
        """The columns carried from outer rows, outermost first."""
        return [heading for level in self.dialect.outer for heading in level]

    def laid_out(self, block: Block) -> bytes:
        """Return the block with its outer rows blanked and, in the first cell of every record, the number of the outer row above it."""
        newline, apart = self.dialect.newline.encode(), self.dialect.separator.encode()
        self._states = self._states[-1:]
        data = block.data
        starts, depths = _depths(data, newline, apart, self.depth)
        pieces: list[bytes] = []
        start = 0
        for place in np.flatnonzero(depths < self.depth).tolist():
            begin = int(starts[place])
            end = data.find(newline, begin)
            end = len(data) if end < 0 else end
            pieces.append(self._numbered(data[start:begin], newline, apart))
            self._enter(data[begin:end].decode("utf-8", "replace").rstrip("\r"), block.first_line + place)
            start = end
        pieces.append(self._numbered(data[start:], newline, apart))
        return b"".join(pieces)

    def _numbered(self, run: bytes, newline: bytes, apart: bytes) -> bytes:
        number = b"%d" % (len(self._states) - 1)
        numbered = run.replace(newline + apart, newline + number + apart)
        return number + numbered if run.startswith(apart) else numbered

    def _enter(self, line: str, number: int) -> None:
        """Take the cells of an outer row; what stands beyond its own columns is the first row of the next level."""
        cells = split(line, self.dialect.separator)
        depth = next((index for index, cell in enumerate(cells) if cell.strip()), 0)
        level = min(depth, len(self.dialect.outer) - 1)
        state: list[Cells] = list(self._states[-1][:level])
        rest = cells[depth:]
        for headings in self.dialect.outer[level:]:
            own, rest = rest[: len(headings)], rest[len(headings) :]
            state.append([(cell if cell.strip() not in self.nulls else None) for cell in own] + [None] * (len(headings) - len(own)))
        if any(cell.strip() for cell in rest):
            expected = sum(len(headings) for headings in self.dialect.outer[level:]) + depth
            found = len(cells)
            self.source.log.find("F053", source=self.source.uri, locator=f"line {number}", value=line, found=found, expected=expected)
        self._states.append(tuple(state))

    def columns(self, numbers: pa.ChunkedArray | pa.Array) -> Iterator[pa.Array]:
        """Yield one array per carried column: the cells of the outer rows with these numbers."""
        for level, headings in enumerate(self.dialect.outer):
            for index, heading in enumerate(headings):
                values = [state[level][index] for state in self._states]
                yield (self._typed(values, heading) if heading.kind in _READ else pa.array(values, pa.string())).take(numbers)

    def _typed(self, values: Cells, heading: Heading) -> pa.Array:
        read, kind = _READ[heading.kind]
        found: list[float | int | None] = []
        for value in values:
            try:
                text = value.replace(self.dialect.decimal, ".") if value is not None and self.dialect.decimal != "." else value
                found.append(read(text) if text is not None else None)
            except ValueError:
                found.append(None)
                self.source.log.find("F040", source=self.source.uri, column=heading.written, locator="an outer row", value=value)
        return pa.array(found, kind)


_READ = {"number": (float, pa.float64()), "integer": (int, pa.int64())}


def _depths(data: bytes, newline: bytes, apart: bytes, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where each line starts and how many empty cells it starts with, `most` at most; an empty line counts as a record."""
    buffer = np.frombuffer(data, np.uint8)
    starts = np.concatenate(([0], np.flatnonzero(buffer == newline[0]) + 1))
    starts = starts[starts < len(buffer)]
    first = buffer[starts]
    depths = np.where((first == 10) | (first == 13), most, 0)
    leading = np.ones(len(starts), np.bool_)
    for step in range(most):
        places = np.minimum(starts + step, len(buffer) - 1)
        leading &= buffer[places] == apart[0]
        depths += np.where(leading & (depths < most), 1, 0)
    return starts, depths
