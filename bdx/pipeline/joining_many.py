"""Millions of records merged in flat memory: names are joined as numbers, then records are put together some thousand at a time.

Records that one source alone speaks of pass as columns; the others are merged value by value, as few are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk, Log
from bdx.derive import merge
from bdx.derive.claims import IDENTIFIERS, Claim, Terms
from bdx.formats.canonical import concat
from bdx.pipeline.claiming import item_names, measured, plants, produced, renamed
from bdx.pipeline.ids_file import Ids
from bdx.pipeline.joined_names import Names
from bdx.pipeline.name_hashes import hashes, hashes_of
from bdx.pipeline.precedence import Precedence
from bdx.pipeline.spilling import STEP, Spool, picked

if TYPE_CHECKING:
    from bdx.pipeline.joining import Gathered

SHARES = 64
"""Records that join others are laid aside again in at most so many shares, by where those others stand."""


@dataclass(slots=True)
class _Block:
    """Claims of consecutive numbers: the records of a chunk laid aside, or claims from tests and production (no chunk)."""

    found: Gathered | None
    chunk: int
    first: int
    rows: int


@dataclass(slots=True)
class _Late:
    """A claim that is worked out when its record is put together: the tests of one item, or what production made, laid aside."""

    found: int
    item: str = ""
    place: tuple[int, int] | None = None


@dataclass(slots=True)
class _Run:
    """What all steps of one merging share."""

    gathered: Sequence[Gathered]
    log: Log
    precedence: Precedence
    terms: Terms
    ids: Ids | None
    spool: Spool
    blocks: list[_Block] = field(default_factory=list)
    late: list[_Late] = field(default_factory=list)
    records: int = 0

    @property
    def alone(self) -> bool:
        """Whether tests and production found records themselves, since nothing declares any."""
        return not self.records


def join_many(
    gathered: Sequence[Gathered], tests: Mapping[int, list[str]], log: Log, precedence: Precedence, terms: Terms, ids: Ids | None
) -> Iterator[Chunk]:
    """Yield the merged records in bounded chunks, in the order in which `merge` has them.

    `tests` has the items that the tests of a source name, by the number of the source.
    """
    run = _Run(gathered, log, precedence, terms, ids, gathered[0].spool)
    names = _named(run, tests)
    names.settle()
    pieces = _laid_aside(run, names)
    shares = _shares(len(run.blocks))
    held: list[tuple[Gathered, Any, Chunk]] = []
    share = -1
    for number, block in enumerate(run.blocks):
        if shares[number] != share:
            share = int(shares[number])
            held = [(run.gathered[source], numbers, run.spool.read(piece)) for source, numbers, piece in pieces.pop(share, ())]
        chunk = _merged(run, names, block, held)
        if chunk is not None:
            yield chunk
    _left_over(run, names)
    if ids is not None:
        ids.tell(log)


def _named(run: _Run, tests: Mapping[int, list[str]]) -> Names:
    """Return the names of all claims; numbers them, the records of higher rank first."""
    names = Names()
    for found in sorted(run.gathered, key=lambda found: -found.rank):
        for chunk, columns in zip(found.records, found.names, strict=True):
            block = _Block(found, chunk, run.records, len(columns[0]))
            run.blocks.append(block)
            run.records += block.rows
            for column in columns:
                names.add(block.first, column)
                if run.ids is not None and not np.array_equal(meant := run.ids.firsts(column), column):
                    names.add(block.first, meant)
    known = names.known()
    first = run.records
    for number, found in enumerate(run.gathered):
        for item in tests.get(number, ()):
            names.add_one(run.records + len(run.late), hashes_of(item_names(found, item, run.ids)))
            run.late.append(_Late(number, item))
    whole, beside = plants(run.gathered)
    for number, found in enumerate(run.gathered):
        if found not in whole:
            continue
        wanted, rank = None if run.alone else set[str](), run.precedence.rank("derived", found.opened.uri)
        for claim in produced(found, wanted, rank, run.ids, alone=run.alone, known=_picking(run, known), beside=beside):
            names.add_one(run.records + len(run.late), hashes_of(claim.identifiers))
            run.late.append(_Late(number, place=run.spool.keep(claim)))
    if run.alone:
        run.blocks += [_Block(None, -1, first + at, min(STEP, len(run.late) - at)) for at in range(0, len(run.late), STEP)]
    return names


def _picking(run: _Run, known: Any) -> Any:
    """Return what picks the names out of a list that any record goes by; None where nothing is declared."""
    if run.alone:
        return None

    def picked_names(own: list[str]) -> set[str]:
        numbers = hashes(pa.array(own, pa.large_string()))
        met = np.isin(numbers, known)
        if run.ids is not None:
            met |= np.isin(run.ids.firsts(numbers), known)
        return {own[place] for place in np.flatnonzero(met).tolist()}

    return picked_names


def _shares(blocks: int) -> Any:
    return np.arange(blocks) * min(blocks, SHARES) // max(blocks, 1)


def _laid_aside(run: _Run, names: Names) -> dict[int, list[tuple[int, Any, int]]]:
    """Lay the records that join others aside again, by the share of their block; return source, numbers and piece of each share."""
    found: dict[int, list[tuple[int, Any, int]]] = {}
    firsts = np.array([block.first for block in run.blocks], np.int64)
    shares = _shares(len(run.blocks))
    sources = {id(source): number for number, source in enumerate(run.gathered)}
    for number, block in enumerate(run.blocks):
        own = np.arange(block.first, block.first + block.rows)
        labels = names.labels[block.first : block.first + block.rows]
        homes = np.searchsorted(firsts, labels, side="right") - 1
        moving = np.flatnonzero((labels != own) & (homes != number))
        if not len(moving) or block.found is None:
            continue
        chunk = run.spool.read(block.chunk)
        for share in np.unique(shares[homes[moving]]).tolist():
            rows = moving[shares[homes[moving]] == share]
            piece = run.spool.add(picked(chunk, pa.array(rows)))
            found.setdefault(share, []).append((sources[id(block.found)], own[rows], piece))
    return found


def _merged(run: _Run, names: Names, block: _Block, held: Sequence[tuple[Gathered, Any, Chunk]]) -> Chunk | None:
    """Return the records that begin in a block; None where none does."""
    own = np.arange(block.first, block.first + block.rows)
    labels = names.labels[own]
    joined = names.shared[own]
    chunk = run.spool.read(block.chunk) if block.found is not None else None
    claims: list[Claim] = []
    if joined.any() or chunk is None:
        mine = np.flatnonzero(joined & (labels >= block.first))
        if chunk is not None and block.found is not None and len(mine):
            claims += _declared(run, block.found, picked(chunk, pa.array(mine)), own[mine])
        for source, numbers, piece in held:
            rows = np.flatnonzero((names.labels[numbers] >= block.first) & (names.labels[numbers] < block.first + block.rows))
            if len(rows):
                claims += _declared(run, source, picked(piece, pa.array(rows)), numbers[rows])
        claims += _late(run, names, block, claims)
    lone = np.flatnonzero(~joined & names.named[own]) if chunk is not None else np.zeros(0, np.int64)
    if chunk is not None and block.found is not None and (nameless := int((~joined & ~names.named[own]).sum())):
        run.log.lose(block.found.opened.uri, "declared values of a row", "it names no battery, and there are several", nameless)
    if not claims and not len(lone):
        return None
    ready = _plain(block.found, picked(chunk, pa.array(lone)) if len(lone) < block.rows else chunk) if len(lone) and chunk else None
    if not claims:
        return ready
    made, firsts = merge.merged(sorted(claims, key=lambda claim: claim.number), run.log, run.terms)
    if ready is None:
        return made
    order = np.argsort(np.r_[own[lone], [claim.number for claim in firsts]], kind="stable")
    return _together(ready, made, order)


def _declared(run: _Run, found: Gathered, chunk: Chunk, numbers: Any) -> list[Claim]:
    claims = merge.declared(chunk, found.opened.uri, found.opened.id, found.rank)
    for claim, number in zip(claims, numbers.tolist(), strict=True):
        claim.number = number
    return renamed(claims, run.ids)


def _late(run: _Run, names: Names, block: _Block, claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims from tests and production about records of a block."""
    said: dict[int, dict[str, Any]] = {}
    for claim in claims:
        values = said.setdefault(int(names.labels[claim.number]), {})
        for item in claim.values:
            values.setdefault(item.column, item.value)
    found = []
    for number in names.joining(block.first, block.first + block.rows, run.records):
        late = _worked_out(run, number, said.get(int(names.labels[number]), {}))
        found += [late] if late is not None else []
    return found


def _worked_out(run: _Run, number: int, said: Mapping[str, Any]) -> Claim | None:
    late = run.late[number - run.records]
    found = run.gathered[late.found]
    if late.place is not None:
        claim: Claim | None = run.spool.kept(late.place)
    else:
        claim = measured(found, late.item, said, run.precedence.rank("measured", found.opened.uri), run.ids, alone=run.alone)
    if claim is not None:
        claim.number = number
    return claim


def _left_over(run: _Run, names: Names) -> None:
    """Tell which tests and products belong to no record."""
    if run.alone:
        return
    for number in names.joining(run.records, run.records + len(run.late), run.records):
        late = _worked_out(run, number, {})
        if late is not None:
            merge.left_out(late, run.log)


def _plain(found: Gathered | None, chunk: Chunk) -> Chunk:
    """Return records that one source alone speaks of, by the names that merged ones go by."""
    assert found is not None
    batch = chunk["battery"]
    old = batch.column("battery_key")
    new = pc.coalesce(*(pc.if_else(pc.equal(batch.column(name), ""), None, batch.column(name)) for name in IDENTIFIERS), old)
    own = pa.array([found.opened.id], pa.string()).take(pa.array(np.zeros(batch.num_rows, np.int64)))
    made: Chunk = {"battery": _with(_with(batch, "battery_key", new), "source_id", own)}
    same = new.equals(old)
    for table, rows in chunk.items():
        if table != "battery":
            keys = rows.column("battery_key")
            made[table] = rows if same else _with(rows, "battery_key", new.take(pc.index_in(keys, value_set=old)))
    return made


def _with(batch: pa.RecordBatch, name: str, column: pa.Array) -> pa.RecordBatch:
    place = batch.schema.get_field_index(name)
    return batch.set_column(place, batch.schema.field(place), column)


def _together(ready: Chunk, made: Chunk, order: Any) -> Chunk:
    found: Chunk = {"battery": concat([ready["battery"], made["battery"]], made["battery"].schema).take(pa.array(order))}
    for table in (*spec.tables(),):
        rows = [chunk[table] for chunk in (ready, made) if table in chunk and table != "battery"]
        if rows:
            found[table] = concat(rows, rows[-1].schema)
    return found
