"""Many sources into one record: small tables are gathered while the large ones stream past, then merged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk, Log
from bdx.derive import merge, performance, production
from bdx.derive.derived import Derived
from bdx.formats.sink import same_path
from bdx.pipeline.apart import kept_apart
from bdx.pipeline.reading import Opened, ReadOptions, chunks

PRODUCTION = ("item", "genealogy", "process_step", "process_parameter", "quality_result", "equipment")
RANKS = {"declared": 1, "produced": 2, "measured": 3}
PREFERRED = 9


@dataclass(slots=True)
class Gathered:
    """What one source said, its large tables aside."""

    opened: Opened
    claims: list[merge.Claim] = field(default_factory=list)
    tables: dict[str, list[pa.RecordBatch]] = field(default_factory=dict)
    last_unix: float | None = None

    @property
    def makes_items(self) -> bool:
        """Whether the source tells of production, where batteries are made."""
        return any(name in PRODUCTION for name in self.tables)

    def table(self, name: str) -> pa.Table | None:
        """Return the gathered rows of a table, or None where there are none."""
        batches = self.tables.get(name)
        return pa.Table.from_batches(batches) if batches else None


def gather(opened: Opened, options: ReadOptions, into: list[Gathered], prefer: str = "", *, alone: bool = False) -> Iterator[Chunk]:
    """Yield a source's chunks less its battery rows, which become claims; appends what was gathered to `into`.

    `prefer` names the source whose values win over all others; a canonical source that is not `alone` gets ids of this run.
    """
    found = Gathered(opened)
    into.append(found)
    rank = PREFERRED if prefer and same_path(prefer, opened.uri) else RANKS["declared"]
    stream = chunks(opened, options)
    for chunk in stream if alone or opened.format.world != "canonical" else kept_apart(opened, stream):
        if "battery" in chunk:
            found.claims += merge.declared(chunk, opened.uri, opened.id, rank)
            continue
        for name, batch in chunk.items():
            if name in PRODUCTION or name in ("cycle", "test"):
                found.tables.setdefault(name, []).append(batch)
        if "timeseries" in chunk and "unix_time_second" in chunk["timeseries"].schema.names:
            latest = pc.max(chunk["timeseries"].column("unix_time_second")).as_py()
            found.last_unix = latest if latest is not None else found.last_unix
        yield chunk


def join(gathered: list[Gathered], log: Log, battery: str = "", prefer: str = "") -> Chunk:
    """Return the merged battery chunk (battery, children, evidence) of all gathered sources.

    `battery` is the serial number that every source is about, where the user says so.
    """
    claims = [claim for found in gathered for claim in found.claims]
    alone = not claims
    serials = {battery} if battery else {name for claim in claims for name in claim.identifiers} or None
    for found in gathered:
        boost = PREFERRED if prefer and same_path(prefer, found.opened.uri) else 0
        claims += _measured(found, alone=alone, rank=boost or RANKS["measured"])
        claims += _produced(found, serials, alone=alone, rank=boost or RANKS["produced"])
    return merge.merge(_about(claims, battery, log) if battery else claims, log)


def _about(claims: list[merge.Claim], battery: str, log: Log) -> list[merge.Claim]:
    """Return the claims about one battery: what instruments and factory say is taken to be about it, declared rows only if they say so."""
    kept = []
    for claim in claims:
        named = battery in claim.identifiers
        if claim.method == "declared" and claim.identifiers and not named:
            log.lose(claim.source, f"battery {claim.identifiers[0]}", f"--battery asks for {battery} only")
            continue
        if not named:
            claim.identifiers = (battery, *claim.identifiers)
        kept.append(claim)
    return kept


def _measured(found: Gathered, *, alone: bool, rank: int) -> list[merge.Claim]:
    """Return one claim per item that the tests of an instrument source name: what the cycles of those tests say of it."""
    cycles = found.table("cycle")
    if cycles is None:
        return []
    opened = found.opened
    items = _items(found.table("test"))
    claims = []
    for item, tests in items.items():
        rows = cycles.filter(pc.is_in(cycles.column("test_id"), pa.array(tests, pa.string()))) if len(items) > 1 else cycles
        batch = rows.combine_chunks().to_batches()[0] if rows.num_rows else None
        values = performance.attributes(batch) if batch is not None else []
        if batch is None or not values:
            reason = performance.why_not(batch) if batch is not None else "it holds no cycle"
            opened.log.find("M062", source=opened.uri, table="cycle", value=reason)
            continue
        if found.last_unix is not None and len(items) == 1:
            at = datetime.fromtimestamp(found.last_unix, UTC)
            known = spec.table("battery").by_name
            values += [Derived(f"{v.column}_time", at, v.by, v.inputs) for v in values if f"{v.column}_time" in known]
        claims.append(merge.Claim(opened.uri, opened.id, "measured", rank, (item,) if item else (), values, founds=alone))
    return claims


def _items(tests: pa.Table | None) -> dict[str, list[str]]:
    """Return the tests of each item that tests name; those that name none are of one item without a name."""
    found: dict[str, list[str]] = {}
    for row in tests.select(["test_id", "item_id"]).to_pylist() if tests is not None else []:
        found.setdefault(str(row["item_id"] or ""), []).append(row["test_id"])
    return found or {"": []}


def _produced(found: Gathered, serials: set[str] | None, *, alone: bool, rank: int) -> list[merge.Claim]:
    """Return one claim per battery that a production source made."""
    tables: dict[str, pa.Table] = {name: table for name in PRODUCTION if (table := found.table(name)) is not None}
    if "item" not in tables:
        return []
    opened = found.opened
    made = production.batteries(tables, serials)
    if not made:
        wanted = ", ".join(sorted(serials)[:3]) if serials else "any finished item"
        opened.log.find("M063", source=opened.uri, table="item", value=wanted)
    claims = []
    for item in made:
        children: dict[str, list[dict[str, Any]]] = {"material": item.materials} if item.materials else {}
        names = tuple(dict.fromkeys(name for name in (item.serial, item.item_id) if name))
        claims.append(merge.Claim(opened.uri, opened.id, "derived", rank, names, list(item.attributes), children, founds=alone))
    return claims
