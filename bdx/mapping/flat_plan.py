"""One table of a mapping file against the header it is read under: which column is which field, which is a value, which has no home."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bdx import spec
from bdx.mapping.flat_words import LONG, fields
from bdx.names import matches
from bdx.spec import Facts

EXTRA = "extra"
"""What a column is said to be that is to be kept without a canonical home."""
VALUE_TABLES = ("process_parameter", "quality_result")
_LONG_FIELDS = frozenset({"parameter", "value", "unit", "setpoint", "lower_limit", "upper_limit"})


@dataclass(frozen=True, slots=True)
class Value:
    """A column each of whose cells is one value: the parameter, result or input lot that it is of."""

    place: int
    header: str
    table: str
    code: str
    unit: str = ""
    role: str = ""
    statistic: str = ""
    step: str = ""
    index: int | None = None


@dataclass(slots=True)
class Plan:
    """Columns of a header by what they are.

    `fields` maps (field, step) to a place and `units` to the unit of its numbers; the step is empty for all steps of a row.
    """

    makes: tuple[str, ...]
    fields: dict[tuple[str, str], int] = field(default_factory=dict)
    units: dict[tuple[str, str], str] = field(default_factory=dict)
    values: list[Value] = field(default_factory=list)
    extra: dict[int, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    where: tuple[int, tuple[str, ...]] | None = None

    @property
    def long(self) -> bool:
        """Whether each row names a parameter and its value."""
        return all((name, "") in self.fields for name in LONG)

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that single columns are of, in their order."""
        named = [value.step for value in self.values if value.table in VALUE_TABLES] + [step for _, step in self.fields]
        return tuple(dict.fromkeys(step for step in named if step))

    @property
    def main(self) -> str:
        """The table whose rows are the rows of the file, one by one; it takes what has no home."""
        if self.long:
            return next(table for table in self.makes if table in VALUE_TABLES)
        return next((table for table in self.makes if table not in VALUE_TABLES), self.makes[0])

    def has(self, name: str, step: str = "") -> bool:
        """Say whether a field has a column or is given."""
        return (name, step) in self.fields or (name, "") in self.fields or name in self.given

    def unit(self, name: str, step: str = "") -> str:
        """Return the unit that the mapping gives to the numbers of a field, empty where it gives none."""
        return self.units.get((name, step if (name, step) in self.fields else ""), "")

    def feeding(self, table: str, step: str = "") -> Iterator[tuple[str, str]]:
        """Yield (canonical column, field) for each column of a table that a field of the file fills; the first field wins."""
        filled: set[str] = set()
        for item in fields().values():
            column = item.feeds.get(table, "")
            if self.long and item.name == "measured_at" and table == "process_step":
                continue  # Each value has its own time: that of none is the time of the step.
            if column and column not in filled and self.has(item.name, step):
                filled.add(column)
                yield column, item.name


def plan(table: Facts, names: Sequence[str]) -> Plan:
    """Return the plan of a table of the mapping file for a header; what fills no column that is made is kept as extra."""
    made = Plan(tuple(table["makes"]), given=dict(table.get("set", {})))
    made.words = {name: dict(pairs) for name, pairs in table.get("words", {}).items()}
    found = matches(names, table["columns"])
    for name, meaning in table["columns"].items():
        place = found.get(name)
        if place is None:
            made.missing.append(name)
        elif isinstance(meaning, str):
            _add_field(made, meaning, "", place, names[place])
        elif "field" in meaning:
            _add_field(made, meaning["field"], meaning.get("step", ""), place, names[place])
            if "unit" in meaning:
                made.units[meaning["field"], meaning.get("step", "")] = meaning["unit"]
        else:
            made.values.append(_value(meaning, place, names[place]))
    where = table.get("where")
    if where is not None:
        at = matches(names, [where["column"]]).get(where["column"])
        wanted = (where["is"],) if isinstance(where["is"], str) else tuple(where["is"])
        if at is None:
            made.missing.append(where["column"])
        else:
            made.where = (at, wanted)
            found.setdefault(where["column"], at)
    for place, name in enumerate(names):
        if place not in found.values():
            made.unmapped.append(name)
            made.extra[place] = name
    _keep_homeless(made, names)
    return made


def _add_field(made: Plan, name: str, step: str, place: int, header: str) -> None:
    if name == EXTRA or (name, step) in made.fields:
        made.extra[place] = header
    else:
        made.fields[name, step] = place


def _value(meaning: Facts, place: int, header: str) -> Value:
    if "input" in meaning:
        return Value(place, header, "genealogy", meaning["input"])
    table = "quality_result" if "result" in meaning else "process_parameter"
    rest = {key: meaning[key] for key in ("unit", "role", "statistic", "step", "index") if key in meaning}
    return Value(place, header, table, meaning.get("result", meaning.get("parameter", "")), **rest)


def _keep_homeless(made: Plan, names: Sequence[str]) -> None:
    """Move to extra what fills no column of the tables that are made."""
    carried = {item for table in made.makes for step in ("", *made.steps) for _, item in made.feeding(table, step)}
    if made.long:
        carried |= _LONG_FIELDS
    if "process_step" in made.makes and ("step_run_id", "") not in made.fields:
        carried |= {"item_id"} if ("item_id", "") in made.fields else {"order_id"}  # a step without an identifier is named by these
    for (name, step), place in list(made.fields.items()):
        if name not in carried:
            del made.fields[name, step]
            made.extra[place] = names[place]
    for value in [value for value in made.values if value.table not in made.makes]:
        made.values.remove(value)
        made.extra[value.place] = value.header


def homes(name: str) -> tuple[str, ...]:
    """Return the tables that a field has a column in, in their documented order."""
    return tuple(table for table in spec.tables() if table in fields()[name].feeds)
