"""The small language of profiles: column paths and conditions as text, checked against specs/tables."""

from __future__ import annotations

import re

from bdx import spec
from bdx.errors import SpecError, did_you_mean
from bdx.gaps.profile import ColumnPath, Condition

_PATH = re.compile(r"([a-z_]+)\.([a-z][a-z0-9_]*)(?:#([^\[\]|]+))?(?:\[([^\]]+)\])?")
_CONDITION = re.compile(r"(?P<path>.*?[\w\]])\s*(?P<operator>!=|<=|>=|=|<|>|~|\?)\s*(?P<value>[^\[\]]*)")
_NUMBERS = frozenset(("int32", "int64", "float64"))
_TEXTS = frozenset(("string", "date", "bool"))


def known_table(name: str, where: str) -> None:
    """Raise SpecError where there is no such canonical table."""
    if name not in spec.tables():
        raise SpecError(f"{where}: no table '{name}'{did_you_mean(name, spec.tables())}")


def parse_path(text: str, where: str) -> ColumnPath:
    """Return the column path written as `table.column`, `table.column[column=value,...]` or `table.extra#field`.

    Raises: SpecError for a path that is malformed or names what specs/tables does not have.
    """
    match = _PATH.fullmatch(text)
    if match is None:
        raise SpecError(f"{where}: '{text}' is no column path, expected table.column, table.column[column=value] or table.extra#field")
    table, column, field, filters = match.groups()
    known_table(table, where)
    if field and column != "extra":
        raise SpecError(f"{where}: '{text}' names a field of its own, expected {table}.extra#{field}")
    wanted = []
    for pair in filters.split(",") if filters else ():
        name, equals, value = pair.partition("=")
        if not equals or not value:
            raise SpecError(f"{where}: '{text}' filters by '{pair}', expected column=value")
        wanted.append((name, value))
    try:
        spec.table(table).column(column)
        for name, value in wanted:
            facts = spec.table(table).column(name)
            if facts.type != "string" or (facts.enum and value not in facts.enum):
                raise SpecError(f"{table}.{name} is never '{value}'{did_you_mean(value, facts.enum)}")
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from error
    return ColumnPath(table, column, tuple(wanted), field or "")


def parse_condition(text: str, where: str) -> Condition:
    """Return the condition written as a column path, an operator and a value; `path?` asks whether there is a value at all.

    `path~text` asks whether the column's text holds another, in any case of letters.
    Raises: SpecError for an operator the column's type does not have, or a word that the column never holds.
    """
    match = _CONDITION.fullmatch(text.strip())
    if match is None or (match["operator"] == "?") != (not match["value"]):
        raise SpecError(f"{where}: '{text}' is no condition, expected as in battery.battery_mass_kg>25 or battery.serial_number?")
    path, operator, value = parse_path(match["path"], where), match["operator"], match["value"].strip()
    if operator == "?":
        return Condition(path, operator)
    facts = spec.table(path.table).column(path.column)
    if path.field or facts.type not in _NUMBERS | _TEXTS:
        raise SpecError(f"{where}: '{text}' compares a column of type {facts.type}, which can only be asked for (`{path}?`)")
    if operator == "~":
        if facts.type != "string" or facts.enum:
            raise SpecError(f"{where}: '{text}' looks for a part of a text, and {path} holds none")
        return Condition(path, operator, value)
    if facts.type in _NUMBERS:
        try:
            return Condition(path, operator, float(value))
        except ValueError as error:
            raise SpecError(f"{where}: '{text}' compares with '{value}', expected a number") from error
    if operator not in ("=", "!=") and facts.type != "date":
        raise SpecError(f"{where}: '{text}' orders texts, expected = or !=")
    if facts.enum and value not in facts.enum:
        raise SpecError(f"{where}: {path} is never '{value}'{did_you_mean(value, facts.enum)}")
    return Condition(path, operator, value)
