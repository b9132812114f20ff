"""The closed list of named functions between a document's raw values and canonical ones, each in both directions.

Canonical values travel as what Arrow stores: text, float, int, bool, Decimal, list of texts; a date as days and a
timestamp as microseconds since 1970-01-01 (UTC). `read` raises Fault for a raw value without canonical meaning;
`write` returns None for a canonical value the model has no word for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from bdx.errors import SpecError, did_you_mean
from bdx.mapping import transforms_numbers as numbers
from bdx.mapping import transforms_texts as texts
from bdx.mapping import transforms_times as times
from bdx.mapping.transforms_base import Options, Transform
from bdx.spec import Column, Facts

_BY_TYPE: Mapping[str, str] = MappingProxyType(
    {
        "string": "text",
        "float64": "number",
        "int64": "integer",
        "bool": "flag",
        "date": "date",
        "timestamp": "timestamp",
        "decimal": "decimal",
        "strings": "texts",
    }
)

_FACTORIES: Mapping[str, Callable[[Column, Facts, Options], Transform]] = MappingProxyType(
    {
        "text": texts.text,
        "number": numbers.number,
        "integer": numbers.integer,
        "number-text": numbers.number_text,
        "flag": texts.flag,
        "date": times.calendar_date,
        "timestamp": times.timestamp,
        "day": times.day,
        "decimal": numbers.decimal,
        "date-time": times.date_time,
        "months": times.months,
        "month-of-year": times.month_of_year,
        "year-month": times.year_month,
        "told": texts.told,
        "words": texts.words,
        "texts": texts.texts,
        "single": texts.single,
        "first": texts.first,
        "language-text": texts.language_text,
        "language-object": texts.language_object,
        "phases": texts.phases,
    }
)


def make(column: Column, facts: Facts, options: Options) -> Transform:
    """Return the transform of a mapping's field: the one it names with `as`, else the one of the column's type."""
    name = facts.get("as") or _BY_TYPE.get(column.type, "")
    factory = _FACTORIES.get(name)
    if factory is None:
        raise SpecError(f"field '{facts['at']}': no transform '{name}' for {column.type}{did_you_mean(name, _FACTORIES)}")
    return factory(column, facts, options)


def names() -> tuple[str, ...]:
    """Return the names of all transforms a mapping may use."""
    return tuple(_FACTORIES)
