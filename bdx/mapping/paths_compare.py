"""What one document model cannot carry of another, from the mappings themselves: no data is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from bdx import spec
from bdx.mapping.paths_forms import IN_A_TEXT, partly
from bdx.mapping.paths_made import Listed
from bdx.mapping.paths_nodes import Leaf
from bdx.mapping.paths_plan import plan
from bdx.mapping.paths_tree import STRUCTURE, Plan, Rows, Scope
from bdx.mapping.transforms_base import Fault, Options

_NO_PLACE = "no place for it"
_LEFT = "left out"


@dataclass(frozen=True, slots=True)
class NotCarried:
    """An attribute of one model that another does not carry, or not whole: what, what it means, why, what becomes of it."""

    attribute: str
    meaning: str
    why: str
    becomes: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many attributes one model holds, and those of them that the other does not carry whole."""

    attributes: int
    lost: tuple[NotCarried, ...]

    @property
    def dropped(self) -> int:
        """Attributes of which nothing arrives."""
        return sum(1 for item in self.lost if item.becomes == _LEFT and "[" not in item.attribute and ": " not in item.attribute)


def compare(source: str, target: str) -> Comparison:
    """Return what mapping `target` cannot carry of what mapping `source` reads, attribute by attribute in canonical order.

    An attribute is a canonical column that the source model has a place for. Rows of a child table that the target has a place
    for only in part are named with the value that tells them, as in `document[role=dismantling]`.
    """
    ours, theirs = plan(source, Options()), plan(target, Options())
    held = {f"{scope.table}.{column}" for scope in ours.scopes for column in _carried(scope)}
    lost = [*_main(ours.scopes[0], theirs.scopes[0])]
    for table in ours.tables[1:]:
        lost += _rows(table, ours, theirs)
    order = {
        f"{table}.{column.name}": at for at, (table, column) in enumerate((t, c) for t in spec.tables() for c in spec.table(t).columns)
    }
    lost.sort(key=lambda item: (order.get(_column_of(item), len(order)), item.attribute))
    return Comparison(len(held), tuple(lost))


def _column_of(item: NotCarried) -> str:
    """Return the attribute without the words that tell its rows or its values."""
    table, _, rest = item.attribute.partition(": ")[0].partition("[")
    return f"{table}{rest.rpartition(']')[2]}"


def _carried(scope: Scope) -> list[str]:
    told = (*scope.columns, *scope.parameters)
    return [column for column in dict.fromkeys(told) if column not in STRUCTURE]


def _main(ours: Scope, theirs: Scope) -> Iterator[NotCarried]:
    table, carried = ours.table, theirs.carries
    for column in _carried(ours):
        value = column.removesuffix("_time")
        if value != column and value in ours.carries and value not in carried:
            continue  # A moment goes with its value; the value is named.
        if column not in carried:
            yield _left(table, column)
        else:
            yield from _words(table, column, ours, theirs)


def _left(table: str, column: str, where: str = "", why: str = _NO_PLACE) -> NotCarried:
    meaning = spec.table(table).column(column).meaning
    return NotCarried(f"{table}{where}.{column}", meaning, why, _LEFT)


def _told(table: str, column: str) -> NotCarried:
    return NotCarried(f"{table}.{column}", spec.table(table).column(column).meaning, Listed.why, IN_A_TEXT)


def _leaf(scope: Scope, column: str) -> Leaf | None:
    return next((node for node in scope.nodes.values() if isinstance(node, Leaf) and node.column == column), None)


def _values(scope: Scope, column: str) -> list[Any]:
    """Return the values of a closed list that a place can hold; none where any value may stand."""
    leaf = _leaf(scope, column)
    if leaf is None or leaf.transform.inline != "word":
        return []
    enum = spec.table(scope.table).column(column).enum
    if not enum:
        return list(leaf.transform.values)
    return [value for value in enum if value not in leaf.transform.narrow and leaf.transform.write(value) is not None]


def _of_unknown_words(leaf: Leaf | None) -> Any:
    """Return what a closed list reads a word as that it does not know; None where that is a fault."""
    try:
        return leaf.transform.read("\0") if leaf is not None and leaf.transform.inline == "word" else None
    except Fault:
        return None


def _words(table: str, column: str, ours: Scope, theirs: Scope, where: str = "") -> Iterator[NotCarried]:
    """Yield the words of a column for which the other model has none or a poorer one, and values it holds in part."""
    meaning = spec.table(table).column(column).meaning
    name = f"{table}{where}.{column}"
    told = partly(theirs, column)
    if told is not None and told != partly(ours, column):
        yield NotCarried(name, meaning, *told)
    leaf = _leaf(theirs, column)
    if leaf is None or told is not None:
        return
    if leaf.transform.part:
        mine = _leaf(ours, column)
        if mine is None or not mine.transform.part:
            yield NotCarried(name, meaning, "it holds a part of the value", "the part (the day, or the first of a list)")
        return
    if leaf.transform.limit:
        mine = _leaf(ours, column)
        if mine is None or not mine.transform.limit:
            yield NotCarried(name, meaning, f"no word for {leaf.transform.limit}", "left out beyond that")
        return
    if leaf.transform.inline != "word":
        return
    for value in _values(ours, column):
        narrow = leaf.transform.narrow.get(value)
        if narrow is not None:
            yield NotCarried(f"{name}: {value}", meaning, f"no word for '{value}'", f"'{narrow}', its nearest word")
        elif leaf.transform.write(value) is None and not leaf.fallback:
            yield NotCarried(f"{name}: {value}", meaning, f"no word for '{value}'", _LEFT)


def _rows(table: str, ours: Plan, theirs: Plan) -> list[NotCarried]:
    """Return what is lost of a child table: the whole, rows of some kinds, columns of some."""
    places = [place for place in theirs.rows if place.scope.table == table and not place.read_only]
    mine = [place for place in ours.rows if place.scope.table == table]
    texts = theirs.made_of().get(table, set())
    if not places:
        every = dict.fromkeys(name for place in mine for name in _carried(place.scope))
        return [_told(table, column) if column in texts else _left(table, column) for column in every]
    listed = (
        [column for place in mine for column in _carried(place.scope)]
        if table == "document" and (ours.resolve or {}).get("entries")
        else []
    )
    telling = list(dict.fromkeys(column for place in places for column in (*place.match, *place.where)))
    found: list[NotCarried] = []
    for place in mine:
        for told in _kinds(place, telling, unknown_too=ours is not theirs):
            fitting = _nearest([other for other in places if _fits(other, told)], told)
            where = "".join(f"[{column}={value}]" for column, value in told.items())
            if not fitting:
                title = spec.table(table).title.lower()
                found.append(NotCarried(f"{table}{where}", f"rows of this kind: {title}", _NO_PLACE, _LEFT))
                continue
            same = (column for other in fitting for column, value in other.assumed.items() if place.fills.get(column) == value)
            carried = frozenset(same).union(*(other.carries for other in fitting))
            columns = [column for column in dict.fromkeys((*_carried(place.scope), *listed)) if column not in carried]
            found += [_left(table, column, where) for column in columns]
            found += [_left(table, column, where, f"no word for '{told[column]}'") for column in _unsaid(fitting[0], place, told)]
            for column in set(_carried(place.scope)) - set(columns) - set(told):
                if column in texts - set(fitting[0].scope.columns):
                    found.append(_told(table, column))
                found += _words(table, column, place.scope, fitting[0].scope)
    return _merged(found, len([1 for place in mine for _ in _kinds(place, telling, unknown_too=ours is not theirs)]))


def _unsaid(place: Rows, source: Rows, told: dict[str, Any]) -> Iterator[str]:
    """Yield what tells rows where their place has it in a closed list of words, no word for it, and nothing that speaks for it."""
    for column, value in told.items():
        leaf = None if column in place.match else _leaf(place.scope, column)
        wordless = leaf is not None and leaf.transform.inline == "word" and leaf.transform.write(value) is None
        if wordless and (not leaf.fallback or leaf.fallback not in _carried(source.scope)):  # type: ignore[union-attr]
            yield column


def _merged(found: list[NotCarried], kinds: int) -> list[NotCarried]:
    """Return each loss once; a column that rows of every kind lose is named without them."""
    by_column: dict[str, list[NotCarried]] = {}
    for item in dict.fromkeys(found):
        name = _column_of(item)
        by_column.setdefault(name if "." in name and ": " not in item.attribute else item.attribute, []).append(item)
    merged: list[NotCarried] = []
    for name, items in by_column.items():
        if len(items) >= kinds > 1:
            merged.append(NotCarried(name, items[0].meaning, items[0].why, items[0].becomes))
        else:
            merged += items
    return merged


def _kinds(place: Rows, telling: Iterable[str], *, unknown_too: bool) -> list[dict[str, Any]]:
    """Return what tells the rows of a place apart: its constants, and each word of a closed list that it reads."""
    choices: list[list[tuple[str, Any]]] = []
    for column in telling:
        if column in place.fills:
            choices.append([(column, place.fills[column])])
        elif values := _values(place.scope, column):
            unknown = _of_unknown_words(_leaf(place.scope, column)) if unknown_too else None
            choices.append([(column, value) for value in dict.fromkeys((*values, *([unknown] if unknown is not None else [])))])
    return [dict(choice) for choice in product(*choices)]


def _nearest(places: list[Rows], told: dict[str, Any]) -> list[Rows]:
    """Return the places that ask for most of what tells the rows; rows go there before any other."""
    asked = [sum(column in told for column in place.match) for place in places]
    return [place for place, count in zip(places, asked, strict=True) if count == max(asked)]


def _fits(place: Rows, told: dict[str, Any]) -> bool:
    """Say whether rows that are told so may stand at a place; a column that does not tell may hold what is asked for."""
    return all(
        column not in told or told[column] == place.values.get(column) or told[column] in place.accepts.get(column, ())
        for column in place.match
    ) and all(column not in told or told[column] == value for column, value in place.where.items())
