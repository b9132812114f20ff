"""Where the rows of a dialect begin in a head: under a header line, under the headers of several levels, or after a mark."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from bdx.formats.delimited_head import BLANKS, HEADER_WIDTH, LINES, QUOTED_LINES, Head, has_script
from bdx.formats.delimited_names import folded, split_unit, styles_of
from bdx.names import fold
from bdx.spec import Facts

SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Found:
    """A header: the number of its line (from 0), of the first line after it, its cells, and those of outer levels."""

    line: int
    after: int
    separator: str
    cells: list[str]
    refused: Facts | None = None
    outer: tuple[list[str], ...] = ()
    written: bool = True
    """Whether the file has a header line; otherwise the format names the columns and `line` is the one before the first row."""

    @property
    def before(self) -> int:
        """How many lines stand before the header, or before the first row where there is none."""
        return self.line - len(self.outer) if self.written else self.after


@lru_cache(maxsize=512)
def pattern(text: str) -> re.Pattern[str]:
    """Return the compiled pattern of a format's spec; "^" and "$" mean the ends of a line."""
    return re.compile(text, re.MULTILINE)


def find(head: Head, dialect: Facts) -> Found | None:
    """Return where the rows of a dialect begin, or None where the head shows another format."""
    first = _start(head, dialect)
    if first is None:
        return None
    return (_header(head, dialect, first) if dialect.get("group") else None) or _headerless(head, dialect, first)


def _start(head: Head, dialect: Facts) -> int | None:
    """Return the line from which the header is looked for."""
    if "start" not in dialect:
        return 0
    mark = pattern(dialect["start"])
    return next((number + 1 for number, line in enumerate(head.lines) if mark.search(line)), None)


def _header(head: Head, dialect: Facts, first: int) -> Found | None:
    """Return the first line that holds a name of every group, or that of a layout the format refuses by name.

    Any bytes are valid GB18030 more often than not, so there names in Chinese must be among those recognised.
    """
    last = first + dialect.get("header_lines", LINES)
    groups = [folded(group["any"]) for group in dialect["group"]]
    lines = head.folded(last + QUOTED_LINES)
    refused = folded(name for row in dialect.get("refuse", ()) for name in row["any"])
    above = len(dialect.get("levels", ()))
    for number in range(first, min(last, len(head.lines))):
        below = QUOTED_LINES if '"' in head.lines[number] else 1
        text = lines[number] if below == 1 and not above else "\n".join(lines[max(number - above, 0) : number + below])
        likely = all(any(name in text for name in group) for group in groups) or any(name in text for name in refused)
        if likely and len(head.lines[number]) <= HEADER_WIDTH:
            found = _header_at(head, dialect, number, groups)
            if found is not None:
                return found
    return None


def _header_at(head: Head, dialect: Facts, number: int, groups: list[frozenset[str]]) -> Found | None:
    """Return the header on one line under the separator that makes the most cells of it; runs of blanks come last."""
    styles = styles_of(dialect.get("unit", ""))
    best: Found | None = None
    for separator in dialect.get("separators", SEPARATORS):
        if separator not in head.lines[number] or (separator == BLANKS and best is not None):
            continue
        names = head.names(number, separator, styles)
        cells, span = head.row(number, separator)
        if "levels" in dialect and _outer(head, dialect, number + 1, separator):
            continue
        outer = _outer(head, dialect, number, separator)
        known = names.union(*(head.names(number - 1 - up, separator, styles) for up in range(len(outer))))
        refused = _refused(cells, dialect)
        hits = [group & known for group in groups]
        matched = all(hits) and not names & folded(dialect.get("never", ()))
        if refused is None and not matched:
            continue
        if head.encoding == "gb18030" and not has_script(frozenset().union(*hits)):
            continue
        if best is None or _clean(cells) > _clean(best.cells):
            best = Found(number, number + span, separator, cells, refused, outer)
    return best


def _clean(cells: list[str]) -> int:
    """Return how many cells of a header do not begin with a separator: some programs write a tab behind every value of a csv."""
    return sum(cell.strip(" ")[:1] not in (",", ";", "\t") for cell in cells)


def _outer(head: Head, dialect: Facts, number: int, separator: str) -> tuple[list[str], ...]:
    """Return the headers of the outer levels right above that of the records, outermost first; none where there is one level.

    Each starts with fewer empty cells than the one below it, the outermost with none.
    """
    cells = head.row(number, separator)[0] if "levels" in dialect and number < len(head.lines) else []
    depth = 0 if any(cell.strip()[:1].isdigit() for cell in cells) else empty_cells(cells)
    found: list[list[str]] = []
    while depth and len(found) < number:
        above = head.row(number - 1 - len(found), separator)[0]
        next_depth = empty_cells(above)
        if next_depth >= depth:
            return ()
        found.insert(0, above)
        depth = next_depth
    return tuple(found) if not depth else ()


def empty_cells(cells: list[str]) -> int:
    """Return how many empty cells a row starts with."""
    return next((index for index, cell in enumerate(cells) if cell.strip()), len(cells))


def _refused(cells: list[str], dialect: Facts) -> Facts | None:
    for layout in dialect.get("refuse", ()):
        empty = layout["empty"]
        if len(cells) > empty and not any(cell.strip() for cell in cells[:empty]):
            name = fold(split_unit(cells[empty], dialect.get("unit", ""))[0])
            if name in folded(layout["any"]):
                return layout  # type: ignore[no-any-return]
    return None


def _headerless(head: Head, dialect: Facts, first: int) -> Found | None:
    """Return the first row after the mark where the format itself names the columns and the row has a number for the first."""
    columns = list(dialect.get("columns", ()))
    if not columns:
        return None
    skip = pattern(dialect["skip"]) if "skip" in dialect else None
    for number in range(first, min(first + dialect.get("header_lines", LINES), len(head.lines))):
        line = head.lines[number]
        if not line.strip() or (skip is not None and skip.search(line)):
            continue
        for separator in dialect.get("separators", SEPARATORS):
            cells = head.row(number, separator)[0]
            if len(cells) - (not cells[-1:] or not cells[-1].strip()) == len(columns) and any(letter.isdigit() for letter in line):
                return Found(number - 1, number, separator, columns, written=False)
        return None
    return None


def nearest(head: Head, dialect: Facts) -> tuple[float, list[str]]:
    """Return the share of groups that the best line has a name of, and the groups it lacks, written as their names."""
    groups = [folded(group["any"]) for group in dialect.get("group", ())]
    first = _start(head, dialect)
    best: tuple[float, list[str]] = (0.0, [])
    if first is None or not groups:
        return best
    last = first + dialect.get("header_lines", LINES)
    lines = head.folded(last)
    styles = styles_of(dialect.get("unit", ""))
    for number in range(first, min(last, len(head.lines))):
        if sum(any(name in lines[number] for name in group) for group in groups) < 2:
            continue
        for separator in dialect.get("separators", SEPARATORS):
            if separator not in head.lines[number] or len(head.lines[number]) > HEADER_WIDTH:
                continue
            names = head.names(number, separator, styles)
            lacking = [", ".join(facts["any"]) for facts, group in zip(dialect["group"], groups, strict=True) if not group & names]
            score = 1 - len(lacking) / len(groups)
            if score > best[0] and score >= 0.5 and len(groups) - len(lacking) >= 2 and not names & folded(dialect.get("never", ())):
                best = (score, lacking)
    return best
