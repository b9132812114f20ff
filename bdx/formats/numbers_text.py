"""Lines of nothing but numbers -> one array; lines that are something else are named and left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bdx.formats.source import Source

LINES = 65_536
"""So many lines are read at a time."""


def numbers_in(lines: Sequence[bytes], width: int, source: Source, first_line: int) -> npt.NDArray[np.float64]:
    """Return the numbers of lines of `width` cells apart by blanks.

    A decimal comma is read as a point. A line with another number of cells or with a cell that is no number is logged and left out.
    Shape: (rows, width).
    """
    cells = [line.replace(b",", b".").split() for line in lines]
    try:
        if all(len(row) == width for row in cells):
            return np.array(cells, dtype=np.float64).reshape(-1, width)
    except ValueError:
        pass  # at least one cell is no number: each line is looked at
    kept: list[list[float]] = []
    for number, row in enumerate(cells, first_line):
        try:
            if len(row) != width:
                raise ValueError
            kept.append([float(cell) for cell in row])
        except ValueError:
            shown = b" ".join(row).decode("latin-1")[:80]
            source.log.find("F041", source=source.uri, locator=f"line {number}", value=shown, found=len(row), expected=width)
    return np.array(kept, np.float64).reshape(-1, width)
