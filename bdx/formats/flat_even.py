"""Rows of a flat file brought to one width: people leave cells out at the end of a row, and spreadsheets add empty ones."""

from __future__ import annotations

import numpy as np

from bdx.formats.delimited_head import split

_NEWLINE = ord("\n")


def evened(data: bytes, separator: str, width: int) -> tuple[bytes, int, int]:
    """Return whole lines of one row each with `width` cells: missing ones are added, empty ones beyond it taken away.

    Rows with more filled cells, or less than half of them, stay as they are. Beside the lines stand how many rows lacked cells, and
    the line of the first of them, counted from 0.
    """
    mark = separator.encode()
    if len(mark) != 1 or not data:
        return data, 0, 0
    text = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(text == _NEWLINE)
    if not len(ends) or ends[-1] != len(text) - 1:
        ends = np.append(ends, len(text))
    starts = np.concatenate(([0], ends[:-1] + 1))
    counts = np.bincount(np.searchsorted(ends, np.flatnonzero(text == mark[0])), minlength=len(ends))
    odd = np.flatnonzero((counts != width - 1) & (ends > starts))
    if not len(odd):
        return data, 0, 0
    pieces: list[bytes] = []
    done, short, first = 0, 0, 0
    for line in odd.tolist():
        row = data[starts[line] : ends[line]]
        bare = row.rstrip(b"\r")
        cells = split(bare.decode("utf-8", "replace"), separator) if b'"' in bare else bare.decode("utf-8", "replace").split(separator)
        if not any(cell.strip() for cell in cells) or len(cells) == width:
            continue
        if len(cells) < width:
            if len(cells) * 2 < width or len(cells) < 2:
                continue  # more like a remark below the table than like a row of it
            new = bare + mark * (width - len(cells))
            first, short = first if short else line, short + 1
        elif not any(cell.strip() for cell in cells[width:]):
            new = bare.rstrip(mark + b" ")
            new += mark * (width - 1 - (len(split(new.decode("utf-8", "replace"), separator)) - 1))
        else:
            continue
        pieces += [data[done : starts[line]], new, row[len(bare) :]]
        done = int(ends[line])
    return (b"".join([*pieces, data[done:]]) if pieces else data), short, first
