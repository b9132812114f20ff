"""The head of a text made fit to share: header and numbers of the rows stay, what may name a person, a cell or a place does not."""

from __future__ import annotations

import re

LINES = 60
_NUMBER = re.compile(r"\s*[+-]?[0-9.,:/\-T ]+(?:[eE][+-]?[0-9]+)?(?: ?[AP]M)?\s*")
_SEPARATORS = tuple(map(re.compile, (r"\t", ";", r"\|", ",", " {2,}", r"\s+")))
_FACT = re.compile(r"[:=,;\t]")
_NAME = re.compile(r"(?=[^\s,;\t|\"']*[^\W\d_])(?=(?:[^\s,;\t|\"']*[0-9]){2})[^\s,;\t|\"']+")
"""A word with letters and at least two digits: the code of a cell, a file, a channel, never a state."""
_TEXT = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?')
_ELEMENT = re.compile(r"(?<=>)[^<>]+(?=<)|(?<==[\"'])(?!https?:|urn:|[0-9.]+[\"'] encoding|[Uu][Tt][Ff])[^\"'<>]+(?=[\"'])")
"""What stands between the tags of XML, and in its attributes, namespaces aside."""
_SECTION = re.compile(r"\s*(?:[\[<{~#].*|[A-Z][\w-]*(?: [\w.-]+){0,4})\s*")
"""A line that names a section or the file's own kind, as "[Summary]" or "EC-Lab ASCII FILE"."""
_HEADER_LINES = 3


def masked(text: str) -> str:
    """Return the first lines of a text with everything that names a person, a cell or a place made unreadable.

    Kept are the numbers and states of the rows, the header, the keys of the preamble and of JSON; letters become x, digits 0.
    """
    lines = text.splitlines()[:LINES]
    begins = text.lstrip("\ufeff \r\n\t")
    if begins.startswith(("{", "[{", '["', "[\n", "[\r")):
        return "\n".join(_TEXT.sub(lambda found: found[0] if found[2] else _blotted(found[1]), line) for line in lines) + "\n"
    if begins.startswith("<?xml"):
        return "\n".join(_ELEMENT.sub(lambda found: _blotted(found[0]), line) for line in lines) + "\n"
    apart = max(_SEPARATORS, key=lambda separator: sum(_numeric(line, separator) for line in lines))
    rows = [_numeric(line, apart) for line in lines]
    first = next((index for index in range(len(lines)) if rows[index] and (index + 1 >= len(lines) or rows[index + 1])), None)
    header = _header(lines, first, apart)
    below = first if first is not None else max(header, default=len(lines) - 1) + 1
    shown = []
    for index, line in enumerate(lines):
        if index in header:
            shown.append(line)
        elif index < below:
            shown.append(_fact(line, index))
        else:
            shown.append(_NAME.sub(lambda found: _blotted(found[0]), line) if rows[index] else _blotted(line))
    return "\n".join(shown) + "\n"


def _header(lines: list[str], first: int | None, apart: re.Pattern[str]) -> set[int]:
    """Return the lines of the header: those right above the rows with about as many cells; without rows, the first of the widest."""
    if first is None:
        widths = [max(len(separator.split(line)) for separator in _SEPARATORS[:4]) for line in lines]
        return {next(index for index, width in enumerate(widths) if 2 * width >= max(widths))} if max(widths, default=0) > 2 else set()
    found = set()
    width = len(apart.split(lines[first].strip()))
    for index in range(first - 1, max(-1, first - 1 - _HEADER_LINES), -1):
        cells = len(apart.split(lines[index].strip()))
        if 2 * cells >= width and cells > 1:
            found.add(index)
        elif lines[index].strip():
            break
    return found


def _fact(line: str, index: int) -> str:
    """Return a line of the preamble without its value; one that has no key stays if it says what kind of file this is."""
    mark = _FACT.search(line)
    if mark is not None:
        return _NAME.sub(lambda found: _blotted(found[0]), line[: mark.end()]) + _blotted(line[mark.end() :])
    if index < _HEADER_LINES or _SECTION.fullmatch(line):
        return _NAME.sub(lambda found: _blotted(found[0]), line)
    return _blotted(line)


def _numeric(line: str, apart: re.Pattern[str]) -> bool:
    """Say whether at least half of three or more cells are numbers, or both of two."""
    cells = [cell for cell in apart.split(line.strip()) if cell.strip()]
    count = sum(_NUMBER.fullmatch(cell) is not None for cell in cells)
    return 2 * count >= len(cells) if len(cells) > 2 else count == 2


def _blotted(text: str) -> str:
    return re.sub(r"[0-9]", "0", re.sub(r"[^\W\d_]", "x", text))
