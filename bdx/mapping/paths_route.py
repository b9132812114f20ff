"""Sends every child row to its place in the document: by the constants of the places, by links, by what the row notes."""

from __future__ import annotations

from typing import Any

from bdx.mapping.paths_held import Held
from bdx.mapping.paths_tree import Rows

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
        if places:
            _route_table(held, table, places, parents, groups)
    for place in plan.rows:
        if place.link:
            _route_linked(held, place, groups)
    for table in plan.tables:
        held.losses.columns(table, held.batches[table], held.places.get(table))
    return groups


def _route_table(held: Held, table: str, places: list[Rows], parents: dict[str, int], groups: Groups) -> None:
    columns = tuple(dict.fromkeys(c for place in places for c in (*place.match, *place.implied)))
    told = list(zip(*(held.values(table, column) for column in columns), strict=True)) if columns else None
    memo: dict[tuple[Any, ...], list[Rows]] = {}
    chosen: list[Rows | None] = []
    notes = held.notes(table)
    for row, key in enumerate(held.values(table, "battery_key")):
        values = told[row] if told is not None else ()
        candidates = memo.get(values)
        if candidates is None:
            told_by = dict(zip(columns, values, strict=True))
            candidates = memo[values] = [place for place in places if _fits(place, told_by)]
        mark = (notes[row] or {}).get("#")
        if mark is not None:
            candidates = [place for place in places if place.pointer == mark] or candidates
        chosen.append(_settle(candidates, parents.get(key), row, groups))
    held.places[table] = chosen


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
    """Give child rows to the parent row they link to: by the number they note, else by equal columns."""
    outer = next(p for p in held.plan.rows if place in p.scope.places)
    child, parent = place.scope.table, outer.scope.table
    keys = held.values(child, "battery_key")
    batteries = held.values(held.plan.tables[0], "battery_key")
    waiting: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        waiting.setdefault(key, []).append(row)
    wanted = [held.values(child, column) for column in place.link]
    given = [held.values(parent, column) for column in place.link.values()]
    notes = held.notes(child)
    chosen: list[Rows | None] = [None] * len(keys)
    for battery, rows in groups[outer.number].items():
        for number, parent_row in enumerate(rows):
            values = [column[parent_row] for column in given]
            for row in waiting.get(batteries[battery], ()):
                mark = (notes[row] or {}).get("#")
                linked = mark == number if mark is not None else [column[row] for column in wanted] == values
                if chosen[row] is None and (linked or (mark is None and len(rows) == 1 and all(c[row] is None for c in wanted))):
                    chosen[row] = place
                    groups[place.number].setdefault(parent_row, []).append(row)
    held.places[child] = chosen


def _fits(place: Rows, held: dict[str, Any]) -> bool:
    for column in place.match:
        if held[column] != place.values[column] and held[column] not in place.accepts.get(column, ()):
            return False
    return all(held[column] is None or held[column] == value for column, value in place.implied.items())
