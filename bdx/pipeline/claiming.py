"""What one gathered source claims of batteries: declared by its records, measured by its tests, derived from its production data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Log
from bdx.derive import merge, performance, production
from bdx.derive.claims import Claim
from bdx.pipeline.ids_file import Ids
from bdx.pipeline.name_hashes import hashes, hashes_of
from bdx.pipeline.spilling import picked

if TYPE_CHECKING:
    from bdx.pipeline.joining import Gathered

PRODUCTION = ("item", "genealogy", "process_step", "process_parameter", "quality_result", "equipment")
TESTING = ("cycle", "test", "step", "resistance")
"""Tables of production data and of tests: what claims are derived from."""


def declared(found: Gathered, log: Log, ids: Ids | None, only: str = "") -> Iterator[Claim]:
    """Yield one claim for each record of a source; with `only`, of those that bear the name or none."""
    for number, names in zip(found.records, found.names, strict=True):
        chunk = found.spool.read(number)
        if only:
            wanted = {only} if ids is None else {only, *ids.all_of(only)}
            named: Any = np.isin(np.stack(names), hashes_of(wanted)).any(axis=0)
            kept = np.flatnonzero(named | ~np.stack(names).any(axis=0))
            if len(kept) + _FEW_LEFT < len(named):
                log.lose(found.opened.uri, "batteries", f"--battery asks for {only} only", len(named) - len(kept))
                chunk = picked(chunk, pa.array(kept))
        yield from renamed(merge.declared(chunk, found.opened.uri, found.opened.id, found.rank), ids)


def renamed(claims: list[Claim], ids: Ids | None) -> list[Claim]:
    """Return claims that go by the names of the map as well."""
    known = ids.known([name for claim in claims for name in claim.identifiers]) if ids is not None else {}
    for claim in claims if known else ():
        further = [known[name] for name in claim.identifiers if name in known]
        claim.identifiers = tuple(dict.fromkeys((*claim.identifiers, *further)))
    return claims


_FEW_LEFT = 100
"""Records that --battery leaves out are named one by one up to so many of a chunk."""


def named_tests(found: Gathered) -> list[str]:
    """Return the items that the tests of a source name, "" for those that name none; nothing where it holds no cycles."""
    return list(_items(found.table("test"))) if "cycle" in found.tables else []


def item_names(found: Gathered, item: str, ids: Ids | None) -> tuple[str, ...]:
    """Return the names by which an item of a test is known: those the map knows first, last that of its file."""
    if ids is None:
        return (item,) if item else ()
    names = (ids.first(item), item, ids.of_file(found.opened.uri))
    return tuple(dict.fromkeys(name for name in names if name))


def measured(found: Gathered, item: str, said: Mapping[str, Any], rank: int, ids: Ids | None, *, alone: bool) -> Claim | None:
    """Return what the tests of one item say of it, None with a finding where they support nothing; `said` is what others declare."""
    items = _items(found.table("test"))
    wanted = pa.array(items[item], pa.string())
    tables = {name: table for name in TESTING if (table := found.table(name)) is not None}
    if len(items) > 1:
        tables = {name: table.filter(pc.is_in(table.column("test_id"), value_set=wanted)) for name, table in tables.items()}
    opened = found.opened
    supported = performance.attributes(tables, said)
    if not supported.values:
        opened.log.find("M062", source=opened.uri, table="cycle", value=performance.why_not(tables["cycle"]) or "no value is supported")
        return None
    names = item_names(found, item, ids)
    for column, refused in supported.refused.items():
        opened.log.find(refused.code, source=opened.uri, table="battery", column=column, value=refused.why)
    values = list(supported.values)
    if found.last_unix is not None and len(items) == 1:
        at = datetime.fromtimestamp(found.last_unix, UTC)
        known = spec.table("battery").by_name
        timed = [value for value in values if f"{value.column}_time" in known]
        values += [replace(value, column=f"{value.column}_time", value=at) for value in timed]
    return Claim(opened.uri, opened.id, "measured", rank, names, values, founds=alone)


def _items(tests: pa.Table | None) -> dict[str, list[str]]:
    """Return the tests of each item that tests name; those that name none are of one item without a name."""
    found: dict[str, list[str]] = {}
    for row in tests.select(["test_id", "item_id"]).to_pylist() if tests is not None else []:
        found.setdefault(str(row["item_id"] or ""), []).append(row["test_id"])
    return found or {"": []}


def of_batteries(gathered: Sequence[Gathered], log: Log, ids: Ids | None) -> dict[int, list[str]]:
    """Return by source the items that its tests name, less those that production data call part of another item.

    What was measured on a part is no value of the battery that holds it; how many tests that are is told once (M186).
    """
    tests = {number: names for number, found in enumerate(gathered) if (names := named_tests(found))}
    parts = _parts(gathered) if tests else np.zeros(0, np.uint64)
    if not len(parts):
        return tests
    declared_names = [column for found in gathered for columns in found.names for column in columns]
    parts = np.setdiff1d(parts, np.concatenate(declared_names) if declared_names else parts[:0])
    left: list[tuple[str, str]] = []
    for number, items in list(tests.items()):
        found = gathered[number]
        kept = [item for item in items if not np.isin(hashes_of(item_names(found, item, ids)), parts).any()]
        left += [(found.opened.uri, item) for item in items if item not in kept]
        tests[number] = kept
    if left:
        log.find("M186", source=left[0][0], table="test", column="item_id", value=left[0][1], count=len(left))
    return {number: items for number, items in tests.items() if items}


def _parts(gathered: Sequence[Gathered]) -> Any:
    """Return the hashes of the names of all items that went into another."""
    edges = [table.column("input_item_id") for found in gathered if (table := found.table("genealogy")) is not None]
    if not edges:
        return np.zeros(0, np.uint64)
    inputs = pc.unique(pa.chunked_array([chunk for column in edges for chunk in column.chunks]))
    names = [inputs]
    for found in gathered:
        items = found.table("item")
        if items is not None:
            used = items.filter(pc.is_in(items.column("item_id"), value_set=inputs))
            names.append(pc.unique(used.column("serial_number")).drop_null())
    return np.unique(np.concatenate([hashes(column.cast(pa.large_string())) for column in names]))


def plants(gathered: Sequence[Gathered]) -> tuple[list[Gathered], list[Gathered]]:
    """Return the sources that tell how batteries came about, and those that only say more of the same items.

    A file of measurements or of goods receipt knows no battery by itself: its rows stand beside those of the line.
    """
    factories = [found for found in gathered if "item" in found.tables]
    whole = [found for found in factories if "genealogy" in found.tables]
    return (whole, [found for found in factories if found not in whole]) if whole else (factories, [])


def produced(
    found: Gathered,
    serials: set[str] | None,
    rank: int,
    ids: Ids | None,
    *,
    alone: bool,
    known: Callable[[list[str]], set[str]] | None = None,
    some: tuple[str, ...] = (),
    beside: Sequence[Gathered] = (),
) -> list[Claim]:
    """Return one claim per battery that a production source made, of those in `serials`; `known` picks these out of its own names.

    `some` are names to tell where none of them is among its items; `beside` are sources that say more of the same items.
    """
    tables: dict[str, pa.Table] = {}
    for name in PRODUCTION:
        rows = [table for source in (found, *beside) if (table := source.table(name)) is not None]
        if rows:
            tables[name] = pa.concat_tables(rows)
    opened = found.opened
    if known is not None or (serials is not None and ids is not None):
        own = _names(tables["item"])
        serials = known(own) if known is not None else {name for name in own if ids is not None and _meant(name, ids) & (serials or set())}
    made = production.batteries(tables, serials)
    if not made:
        wanted = ", ".join(some or sorted(serials or ())[:3]) if serials is not None else "any finished item"
        opened.log.find("M063", source=opened.uri, table="item", value=wanted)
    claims = []
    for item in made:
        names = [name for name in (item.serial, item.item_id) if name]
        firsts = [ids.first(name) for name in names] if ids is not None else []
        for refused in item.refused:
            opened.log.find(refused.code, source=opened.uri, **refused.facts)
        claim = Claim(opened.uri, opened.id, "derived", rank, tuple(dict.fromkeys((*firsts, *names))), list(item.attributes), founds=alone)
        claim.children, claim.rests = item.children, item.rests
        claims.append(claim)
    return claims


def _names(items: pa.Table) -> list[str]:
    columns = [items.column(name) for name in ("item_id", "serial_number")]
    return pc.unique(pa.chunked_array([chunk for column in columns for chunk in column.chunks])).drop_null().to_pylist()  # type: ignore[no-any-return]


def _meant(name: str, ids: Ids) -> set[str]:
    return {name, ids.first(name)}
