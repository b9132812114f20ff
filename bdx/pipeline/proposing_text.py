"""A proposed mapping as the TOML that a person edits: one line per column, unknown ones as comments with examples of their cells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from bdx.mapping.flat_headers import Meaning
from bdx.mapping.flat_words import fields
from bdx.pipeline.proposing import Proposal, Proposed, second_item

_WIDTH = 42
_EXAMPLES = 3


def render(made: Proposal) -> str:
    """Return the proposal as text; read back it is a valid mapping file."""
    return "\n".join([*_head(made), *(line for number, table in enumerate(made.tables, 1) for line in _table(table, number))]) + "\n"


def _head(made: Proposal) -> Iterator[str]:
    yield f"# Proposed by `bdx map init` from {_one_line(Path(made.source).name)}. Edit it, see what it does with `bdx map check`,"
    yield "# and use it with `bdx convert -m`. `bdx map fields` lists what a column can be."
    yield 'kind = "flat"'
    yield ""
    yield "[file]"
    if made.written is not None:
        read = f"{made.written.encoding}, cells apart by {json.dumps(made.written.separator)}"
        yield f"# Read as {read}; `encoding` and `separator` can be said here."
    if made.decimal:
        yield _told("decimal", made.decimal, "decimal mark of numbers")
    else:
        yield _told("# decimal", ",", "? the decimal mark: until it is said 1,5 is read and 1,234 is not")
    if made.dates:
        yield _told("dates", made.dates, "order of day, month and year")
    elif made.slashes:
        yield _told("# dates", "dmy", "? dmy or mdy: until it is said, dates that could be of two days stay text")
    if made.zoneless:
        yield _told("# timezone", "Europe/Berlin", "? zone of times that state none (or --assume-tz): until it is said they stay text")
    yield '# null = ["-", "n/a"]  # cells that mean: no value'
    for title in made.left:
        yield f"# Left out, nothing known in its header: {_one_line(title) or 'a block without title'}"


def _told(key: str, value: str, why: str) -> str:
    return f"{f'{key} = {_quoted(value)}':<{_WIDTH}}  # {why}"


def _table(table: Proposed, number: int) -> Iterator[str]:
    yield ""
    yield "[[table]]"
    yield f"name = {_quoted(table.title or f'table {number}')}"
    yield f"{f'makes = {json.dumps(table.makes)}':<{_WIDTH}}  # tables that a row makes rows of"
    if table.sheet:
        yield _told("sheet", table.title, "only this sheet")
    depth = table.header.depth
    if depth > 1:
        yield f'{f"header_rows = {depth}":<{_WIDTH}}  # names of several rows are joined by " > "'
    if table.header.units:
        yield f"{'units_row = true':<{_WIDTH}}  # the last row of the header holds units"
    if table.where is not None:
        column, value = table.where
        yield f"where = {{ column = {_quoted(column)}, is = {_quoted(value)} }}"
    unitless = _unitless(table)
    if table.given or unitless:
        yield ""
        yield "[table.set]  # holds for every row"
        for name, value in table.given.items():
            yield _told(name, value, fields()[name].title)
        if unitless:
            yield _told("# qty_unit", "pcs", "? unit of the quantities: until it is said no yield follows from them")
    yield ""
    yield "[table.columns]"
    beside = second_item(table.header)
    for place, name in enumerate(table.header.names):
        apart = table.where is not None and (name == table.where[0] or not any(len(row) > place and row[place] for row in table.rows))
        if name and not apart:
            yield _column(table, place, name, beside=place == beside)


def _unitless(table: Proposed) -> bool:
    """Say whether a table has quantities of steps and nothing that says in which unit."""
    found = [meaning for meaning in table.meanings if meaning is not None and meaning.field.startswith("qty_")]
    return bool(found) and not any(meaning.unit or meaning.field == "qty_unit" for meaning in found)


def _column(table: Proposed, place: int, name: str, *, beside: bool) -> str:
    meaning = table.meanings[place]
    samples = list(dict.fromkeys(row[place] for row in table.rows if place < len(row) and row[place]))[:_EXAMPLES]
    shown = ", ".join(_one_line(text)[:32] for text in samples) or "(empty)"
    if meaning is None:
        unknown = f"# {_quoted(name)} = {_quoted('?')}"
        if beside:
            shown = f"{shown}: a second item in each row; what stands from here on is of it: map it in a mapping file of its own"
        return f"{unknown:<{_WIDTH}}  # ? {shown}"
    return f"{f'{_quoted(name)} = {_value(meaning)}':<{_WIDTH}}  # {shown}"


def _value(meaning: Meaning) -> str:
    if meaning.field and not meaning.step and not meaning.unit:
        return _quoted(meaning.field)
    pairs = {
        "field": meaning.field,
        "parameter": meaning.parameter,
        "result": meaning.result,
        "input": meaning.given_input,
        "unit": meaning.unit,
        "role": meaning.role if meaning.parameter else "",
        "statistic": meaning.statistic,
        "step": meaning.step,
    }
    told = [f"{key} = {_quoted(value)}" for key, value in pairs.items() if value]
    told += [f"index = {meaning.index}"] if meaning.index is not None else []
    return f"{{ {', '.join(told)} }}"


def _quoted(text: str) -> str:
    """Return a TOML string; its escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
