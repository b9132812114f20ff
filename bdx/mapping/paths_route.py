"""Sends every child row to its place in the document: by the constants of the places, by links, by what the row notes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc

from bdx.mapping.paths_distinct import distinct
from bdx.mapping.paths_held import Held
from bdx.mapping.paths_tree import Rows, level, outer_of

Groups = list[dict[int, list[int]]]
"""Per place: number of the parent row -> numbers of its rows."""


def routed(held: Held) -> Groups:
    """Return which rows go to which place; rows and columns without a place are counted as lost."""
    plan = held.plan
    groups: Groups = [{} for _ in plan.rows]
    main = plan.tables[0]
    parents: dict[str, int] = {}
    for number, key in enumerate(held.values(main, "battery_key")):
        parents.setdefault(key, number)
    for table in plan.tables[1:]:
        places = [place for place in plan.rows if place.scope.table == table and not place.link]
        if places and not _route_shared(held, table, places, groups):
            _route_table(held, table, places, parents, groups)
    for place in reversed(plan.rows):  # what holds others comes after them
        if place.link:
            _route_linked(held, place, groups)
    for table in plan.tables:
        held.losses.columns(table, held.batches[table], held.places.get(table), held.weights.get(table))
    return groups


def _route_shared(held: Held, table: str, places: list[Rows], groups: Groups) -> bool:
    """Send rows to their places by kinds of rows that say the same, each looked at once; say whether that was possible.

    It is not where rows stand in one another, lack their parent, or are more than a place holds.
    """
    plan, batch = held.plan, held.batches[table]
    if any(place.link or place.scope.places for place in plan.rows if place.scope.table == table):
        return False
    keys = held.array(plan.tables[0], "battery_key")
    parents = pc.index_in(held.array(table, "battery_key"), value_set=keys)
    found = distinct(batch, "battery_key") if not parents.null_count and pc.count_distinct(keys).as_py() == len(keys) else None
    if found is None:
        return False
    first, kinds = found
    held.share(table, first, np.bincount(kinds).tolist())
    chosen = [candidates[0] if candidates else None for candidates in _candidates(held, table, places)]
    numbers = np.array([-1 if place is None else place.number for place in chosen])[kinds]
    above = parents.to_numpy(zero_copy_only=False)
    for place in {place.number: place for place in chosen if place is not None}.values():
        rows = np.flatnonzero(numbers == place.number)
        if not place.many and len(np.unique(above[rows])) != len(rows):
            held.unshare(table, batch)
            return False
    for number in np.unique(numbers[numbers >= 0]).tolist():
        rows = np.flatnonzero(numbers == number)
        rows = rows[np.argsort(above[rows], kind="stable")]
        ends = np.flatnonzero(np.diff(above[rows], append=-1)) + 1
        said, start = kinds[rows].tolist(), 0
        for parent, end in zip(above[rows[ends - 1]].tolist(), ends.tolist(), strict=True):
            groups[number][parent] = said[start:end]
            start = end
    held.places[table] = chosen
    return True


def _route_table(held: Held, table: str, places: list[Rows], parents: dict[str, int], groups: Groups) -> None:
    keys = held.values(table, "battery_key")
    candidates = _candidates(held, table, places)
    for row in _nested(held, table):
        candidates[row] = []
    held.places[table] = [_settle(candidates[row], parents.get(key), row, groups) for row, key in enumerate(keys)]


def _nested(held: Held, table: str) -> list[int]:
    """Return the rows that stand in other rows of their table: those that link to one, or note its number."""
    plan = held.plan
    links = next((place.link for place in plan.rows if place.scope.table == table and place.link and level(plan.rows, place)), None)
    if links is None:
        return []
    told = zip(*(held.values(table, column) for column in links), strict=True)
    marks = ((notes or {}).get("#", "/") for notes in held.notes(table))
    return [
        row
        for row, (values, mark) in enumerate(zip(told, marks, strict=True))
        if any(value is not None for value in values) or str(mark)[:1] != "/"
    ]


def _candidates(held: Held, table: str, places: list[Rows]) -> list[list[Rows]]:
    """Return per row the places that take it, the one it came from before any other."""
    columns = tuple(dict.fromkeys(c for place in places for c in (*place.match, *place.implied, *place.where)))
    told = list(zip(*(held.values(table, column) for column in columns), strict=True)) if columns else None
    memo: dict[tuple[Any, ...], list[Rows]] = {}
    found: list[list[Rows]] = []
    for row, notes in enumerate(held.notes(table)):
        values = told[row] if told is not None else ()
        candidates = memo.get(values)
        if candidates is None:
            told_by = dict(zip(columns, values, strict=True))
            candidates = memo[values] = [place for place in places if not place.read_only and _fits(place, told_by)]
        mark = (notes or {}).get("#")
        if mark is not None:
            candidates = [place for place in places if place.pointer == mark] or candidates
        found.append(candidates)
    return found


def _settle(candidates: list[Rows], parent: int | None, row: int, groups: Groups) -> Rows | None:
    if parent is None:
        return None
    for place in candidates:
        taken = groups[place.number].setdefault(parent, [])
        if place.many or not taken:
            taken.append(row)
            return place
    return None


def _route_linked(held: Held, place: Rows, groups: Groups) -> None:
    """Give child rows to the parent row they link to: by the number they note, else by equal columns, else to the only one."""
    outer = outer_of(held.plan.rows, place)
    assert outer is not None
    child, parent, depth = place.scope.table, outer.scope.table, level(held.plan.rows, place)
    keys, above, notes = held.values(child, "battery_key"), held.values(parent, "battery_key"), held.notes(child)
    wanted = [held.values(child, column) for column in place.link]
    given = [held.values(parent, column) for column in place.link.values()]
    chosen = held.places.get(child) or [None] * len(keys)
    waiting: dict[tuple[str, Any], list[int]] = {}
    for row, key in enumerate(keys):
        if chosen[row] is None:
            mark = (notes[row] or {}).get("#")
            waiting.setdefault((key, mark if mark is not None else tuple(column[row] for column in wanted)), []).append(row)
    nothing = (None,) * len(wanted)
    counts: dict[str, int] = {}
    for rows in groups[outer.number].values():
        for parent_row in rows:
            key = above[parent_row]
            number = counts[key] = counts.get(key, -1) + 1
            told: list[Any] = [f"{depth}.{number}" if depth else number, tuple(column[parent_row] for column in given)]
            if len(rows) == 1:
                told.append(nothing)
            for row in sorted(row for one in told for row in waiting.pop((key, one), ())):
                chosen[row] = place
                groups[place.number].setdefault(parent_row, []).append(row)
    held.places[child] = chosen


def _fits(place: Rows, held: dict[str, Any]) -> bool:
    for column in place.match:
        if held[column] != place.values[column] and held[column] not in place.accepts.get(column, ()):
            return False
    return all(held[column] is None or held[column] == value for column, value in (*place.implied.items(), *place.where.items()))
