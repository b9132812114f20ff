"""Many sources into one record: small tables are laid aside while the large ones stream past, then merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk, Log
from bdx.derive import merge
from bdx.derive.claims import Claim, Terms
from bdx.pipeline.apart import kept_apart
from bdx.pipeline.claiming import PRODUCTION, TESTING, declared, item_names, measured, of_batteries, plants, produced
from bdx.pipeline.ids_file import Ids
from bdx.pipeline.joining_many import join_many
from bdx.pipeline.name_hashes import hashes
from bdx.pipeline.precedence import Precedence
from bdx.pipeline.reading import Opened, ReadOptions, chunks
from bdx.pipeline.spilling import Spool, slices

FEW = 4096
"""Records and tests up to which everything is merged at once."""


@dataclass(slots=True)
class Gathered:
    """What one source said, its large tables aside: laid away in `spool` by number."""

    opened: Opened
    spool: Spool
    rank: int = 1
    records: list[int] = field(default_factory=list)
    names: list[Any] = field(default_factory=list)
    """Of the records in each of those chunks the hashes of their identifiers, a column for each."""
    tables: dict[str, list[int]] = field(default_factory=dict)
    last_unix: float | None = None

    @property
    def makes_items(self) -> bool:
        """Whether the source tells of production, where batteries are made."""
        return any(name in PRODUCTION for name in self.tables)

    @property
    def rows(self) -> int:
        """How many records the source declares."""
        return sum(len(names[0]) for names in self.names)

    def table(self, name: str) -> pa.Table | None:
        """Return the gathered rows of a table, or None where there are none."""
        numbers = self.tables.get(name)
        return pa.Table.from_batches([self.spool.read(number)[name] for number in numbers]) if numbers else None

    def take(self, chunk: Chunk) -> bool:
        """Lay aside what is merged of a chunk; say whether that was its records."""
        if "battery" in chunk:
            for piece in slices({name: batch for name, batch in chunk.items() if name not in ("source", "evidence")}):
                self.records.append(self.spool.add(piece))
                self.names.append([hashes(piece["battery"].column(name)) for name in merge.IDENTIFIERS])
            return True
        for name, batch in chunk.items():
            if name in PRODUCTION or name in TESTING:
                self.tables.setdefault(name, []).append(self.spool.add({name: batch}))
        if "timeseries" in chunk and "unix_time_second" in chunk["timeseries"].schema.names:
            latest = pc.max(chunk["timeseries"].column("unix_time_second")).as_py()
            self.last_unix = latest if latest is not None else self.last_unix
        return False


def gather(
    opened: Opened,
    options: ReadOptions,
    into: list[Gathered],
    precedence: Precedence | None = None,
    *,
    alone: bool = False,
    spool: Spool | None = None,
) -> Iterator[Chunk]:
    """Yield a source's chunks less its records, which are laid aside; appends what was gathered to `into`.

    A canonical source that is not `alone` gets ids of this run. All sources share one spool.
    """
    spool = spool if spool is not None else into[0].spool if into else Spool()
    found = Gathered(opened, spool, (precedence or Precedence()).rank("declared", opened.uri))
    into.append(found)
    stream = chunks(opened, options)
    for chunk in stream if alone or opened.format.world != "canonical" else kept_apart(opened, stream):
        if not found.take(chunk):
            yield chunk


def join(
    gathered: list[Gathered], log: Log, battery: str = "", precedence: Precedence | None = None, ids: Ids | None = None
) -> Iterator[Chunk]:
    """Yield the merged records (battery, children, evidence) of all gathered sources, in the order of the sources.

    `battery` is the serial number that every source is about, where the user says so; `ids` tells which names are one item.
    Few are merged at once, many in pieces, with the evidence of those that several sources speak of.
    """
    precedence = precedence or Precedence()
    terms = Terms(precedence.tolerance)
    rows = sum(found.rows for found in gathered)
    tests = of_batteries(gathered, log, ids)
    if rows + sum(map(len, tests.values())) > FEW and not battery:
        yield from join_many(gathered, tests, log, precedence, terms, ids)
        return
    claims = [claim for found in gathered for claim in declared(found, log, ids, battery)]
    alone = not claims
    known = {name for claim in claims for name in claim.identifiers}
    serials = {battery} if battery else known or None
    said, only = _said(claims), _only(claims)
    for number, found in enumerate(gathered):
        for item in tests.get(number, ()):
            rank = precedence.rank("measured", found.opened.uri)
            known_as = [battery, *item_names(found, item, ids)]
            told = next((said[name] for name in known_as if name in said), {} if item else only)
            claim = measured(found, item, told, rank, ids, alone=alone)
            claims += [claim] if claim is not None else []
    whole, beside = plants(gathered)
    for found in whole:
        claims += produced(found, serials, precedence.rank("derived", found.opened.uri), ids, alone=alone, beside=beside)
    if ids is not None:
        ids.tell(log)
    yield merge.merge(_about(claims, battery, log) if battery else claims, log, terms)


def _said(claims: list[Claim]) -> dict[str, Mapping[str, Any]]:
    """Return by every name what the records of that name declare."""
    found: dict[str, Mapping[str, Any]] = {}
    for claim in claims:
        values = {item.column: item.value for item in claim.values}
        for name in claim.identifiers:
            found[name] = {**values, **found.get(name, {})}
    return found


def _only(claims: list[Claim]) -> Mapping[str, Any]:
    """Return what the only record declares; nothing where there are several."""
    return {item.column: item.value for item in claims[0].values} if len(claims) == 1 else {}


def _about(claims: list[Claim], battery: str, log: Log) -> list[Claim]:
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
