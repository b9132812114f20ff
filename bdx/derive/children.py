"""Child rows of one battery from several claims: one row for what two of them name, each value with the claim it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bdx.canon import Log
from bdx.derive.claims import BOOKKEEPING, Claim, Terms
from bdx.derive.derived import Derived
from bdx.derive.tolerance import Tolerance, agree
from bdx.derive.weighed import Value, standing

NAMED_BY = {
    "material": ("name",),
    "carbon_footprint": ("stage",),
    "recycled_content": ("material",),
    "power_capability": ("kind", "state_of_charge_percent"),
}
"""Columns that tell the rows of a battery apart; in other tables only equal rows are one."""

_APART = {"carbon_footprint": ("functional_unit", "impact_category")}
"""Columns that keep rows of one name apart where both state them."""

_AS_ONE = {"recycled_content": ("pre_consumer_percent", "post_consumer_percent", "total_percent")}
"""Columns that hold together: parts of one claim and the total of another would not add up."""

_MANY = ("", "other")


@dataclass(slots=True)
class Child:
    """A child row that is being merged: its values by column, and the bookkeeping of the claim it came with."""

    values: dict[str, Value]
    kept: dict[str, Any]

    def row(self) -> dict[str, Any]:
        """Return the row as it is written."""
        return {column: value.value for column, value in self.values.items()} | self.kept


def twin(known: Sequence[Mapping[str, Any]], row: Mapping[str, Any], table: str) -> int | None:
    """Return the place of the only row that goes by the name of this one, or else of one that says the same; None where there is none."""
    names = NAMED_BY.get(table, ())
    if names and all(word(row.get(name)) not in _MANY for name in names):
        found = [number for number, other in enumerate(known) if _namesake(other, row, table)]
        return found[0] if len(found) == 1 else None
    said = _said(row)
    return next((number for number, other in enumerate(known) if _said(other) == said), None)


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in row.items() if column not in BOOKKEEPING and value not in (None, [])}


def _namesake(other: Mapping[str, Any], row: Mapping[str, Any], table: str) -> bool:
    if any(word(other.get(name)) != word(row.get(name)) for name in NAMED_BY[table]):
        return False
    return all(word(other.get(name)) in ("", word(row.get(name))) or not word(row.get(name)) for name in _APART.get(table, ()))


def held_together(table: str, mine: Mapping[str, Any], theirs: Mapping[str, Any], tolerance: Tolerance) -> tuple[str, ...]:
    """Return the columns that only one of two rows may fill: they hold together, and the rows disagree in one of them."""
    columns = _AS_ONE.get(table, ())
    both = (column for column in columns if mine.get(column) is not None and theirs.get(column) is not None)
    return columns if any(not agree(mine[column], theirs[column], tolerance.of(table, column)) for column in both) else ()


def word(value: Any) -> str:
    """Return a value as names are compared: blanks and case aside."""
    return " ".join(str(value if value is not None else "").split()).casefold()


def join_children(present: list[Child], battery: str, table: str, claim: Claim, log: Log, terms: Terms) -> None:
    """Add the rows of a claim to those of a battery; a row that goes by a known name fills that row up and is weighed against it."""
    known = [child.row() for child in present]
    rests = claim.rests.get(table, ())
    for number, row in enumerate(claim.children[table]):
        rest = rests[number] if number < len(rests) else None
        new = Child(
            {column: _value(value, claim, rest) for column, value in _said(row).items()},
            {column: value for column, value in row.items() if column in BOOKKEEPING},
        )
        place = twin(known, row, table)
        if place is None:
            present.append(new)
            continue
        known[place] = {}
        _fill(present[place], new, battery, table, claim, log, terms)


def _value(value: Any, claim: Claim, rest: Derived | None) -> Value:
    return Value(value, claim, rest.by, rest.inputs, rest.rows, rest.version) if rest is not None else Value(value, claim)


def _fill(child: Child, new: Child, battery: str, table: str, claim: Claim, log: Log, terms: Terms) -> None:
    """Take what is new into a row that is there: empty columns are filled, others weighed."""
    mine, theirs = child.row(), new.row()
    names = NAMED_BY.get(table, ())
    named = ", ".join([battery, *(str(mine[name]) for name in names)])
    together = held_together(table, mine, theirs, terms.tolerance)
    wins = all(claim.rank > child.values[column].claim.rank for column in together if column in child.values)
    for column, value in new.values.items():
        old = child.values.get(column)
        if old is not None and column not in names:
            child.values[column] = standing(old, value, named, (table, column), log, terms)
        elif old is None and (column not in together or wins):
            child.values[column] = value
    for column in together if wins else ():
        if column not in new.values:
            child.values.pop(column, None)
