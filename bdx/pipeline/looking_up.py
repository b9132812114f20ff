"""What one source says of batteries, held in memory and looked up by their names while another source streams past."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon
from bdx.canon import Chunk, Log
from bdx.derive.merge import BOOKKEEPING, IDENTIFIERS
from bdx.derive.tolerance import Tolerance
from bdx.formats.canonical import concat
from bdx.formats.rows_cells import text_of
from bdx.formats.sheets_family import MODEL, Children
from bdx.pipeline.agreeing import agreeing
from bdx.pipeline.blending import Blend, added
from bdx.pipeline.reading import Opened

STEP = 1024
"""Batteries looked up at a time: their children come along."""

BESIDE = ("source", "evidence")
"""Tables that tell of the data and not of batteries."""


@dataclass(slots=True)
class _Layer:
    """Rows of one source whose names differ: identifiers (or models) and the rows themselves."""

    rows: pa.RecordBatch
    names: tuple[str, ...]
    used: Any


Against = Callable[[str], tuple[str, str]]
"""Returns why the values of a source count beside those of the source of that id, "" where they do not, and why they do not."""


@dataclass(slots=True)
class Other:
    """What one source says of batteries, looked up by their names."""

    item: Opened
    against: Against
    log: Log
    tolerance: Tolerance = field(default_factory=Tolerance)
    layers: list[_Layer] = field(default_factory=list)
    children: dict[str, Children] = field(default_factory=dict)

    def hold(self, stream: Iterable[Chunk]) -> Iterator[Chunk]:
        """Take in all a source says of batteries; yield what it says besides."""
        held: dict[str, list[pa.RecordBatch]] = {}
        for chunk in stream:
            for table, batch in chunk.items():
                if table in BESIDE:
                    yield {table: batch}
                elif batch.num_rows:
                    held.setdefault(table, []).append(batch)
        for table, batches in held.items():
            if table == "battery":
                self.layers = _layers(concat(batches, batches[0].schema))
            else:
                self.children[table] = Children(table, batches, self.item.source)

    def joined(self, chunk: Chunk, only: str | None, owner: Opened, names: Mapping[str, str]) -> Chunk:
        """Return a chunk of the source `owner` with what this source says of its batteries; `names` are sources by id."""
        batch = chunk["battery"]
        found = dict(chunk)
        evidence: list[pa.RecordBatch] = []
        own: pa.Array | None = None
        for layer in self.layers:
            place = self._places(batch, layer, only)
            if place.null_count == len(place):
                continue
            layer.used[place.drop_null().to_numpy()] = True
            said = layer.rows.take(place)
            batch = self._filled(batch, said, evidence, _Owned(chunk.get("evidence"), owner.id, names))
            own = said.column("battery_key") if own is None else pc.coalesce(own, said.column("battery_key"))
        found["battery"] = batch
        for table, children in self.children.items():
            rows = children.of(batch, only, own)
            if rows is not None:
                mine = chunk.get(table)
                if mine is None:
                    found[table], told = rows, added(rows, table, self.item.id)
                else:
                    found[table], told = self._blend(table, owner).of(mine, rows)
                evidence.append(told)
        if evidence:
            before = [chunk["evidence"]] if "evidence" in chunk else []
            found["evidence"] = concat([*before, *evidence], canon.schema("evidence"))
        return found

    def _blend(self, table: str, owner: Opened) -> Blend:
        wins, stays = self.against(owner.id)
        return Blend(table, (owner.uri, self.item.uri), self.item.id, self.log, wins=wins, stays=stays, tolerance=self.tolerance)

    def _places(self, batch: pa.RecordBatch, layer: _Layer, only: str | None) -> pa.Array:
        """Return for each battery the row of a layer that speaks of it, null where none does."""
        place = pa.nulls(batch.num_rows, pa.int32())
        for name in layer.names:
            place = pc.coalesce(place, pc.index_in(batch.column(name), value_set=layer.rows.column(name), skip_nulls=True))
        if not layer.names and only is not None and layer.rows.num_rows == 1:
            return pa.array([0] * batch.num_rows, pa.int32())
        if "serial_number" not in layer.names:
            return place
        said, serial = layer.rows.column("serial_number").take(place), batch.column("serial_number")
        other = np.flatnonzero(pc.invert(agreeing(serial, said)).to_numpy(zero_copy_only=False))
        for row in other.tolist():
            shared = next((v for n in IDENTIFIERS[1:] if (v := batch.column(n)[row].as_py()) is not None), "")
            facts = {"value": said[row].as_py(), "other": serial[row].as_py(), "shared": shared}
            self.log.find("M065", source=self.item.uri, table="battery", column="serial_number", **facts)
        mask = np.zeros(batch.num_rows, np.bool_)
        mask[other] = True
        return pc.if_else(pa.array(mask), None, place)

    def _filled(self, batch: pa.RecordBatch, said: pa.RecordBatch, evidence: list[pa.RecordBatch], owned: _Owned) -> pa.RecordBatch:
        """Return batteries with the values another source gives; where both have one that differs, a finding."""
        arrays = []
        wins = self.against(owned.owner)[0]
        for field_, mine, theirs in zip(batch.schema, batch.columns, said.columns, strict=True):
            name = field_.name
            if name in ("battery_key", "source_id", "locator") or theirs.null_count == len(theirs):
                arrays.append(mine)
                continue
            known = mine.is_valid()
            taken = pc.and_(pc.invert(known), theirs.is_valid())
            if name not in BOOKKEEPING:
                differs = np.flatnonzero(
                    pc.invert(agreeing(mine, theirs, self.tolerance.of("battery", name))).to_numpy(zero_copy_only=False)
                )
                if len(differs):
                    self._disagree(name, batch, said, differs, owned)
                    if wins:
                        turned = np.zeros(len(mine), np.bool_)
                        turned[differs] = True
                        taken = pc.or_(taken, pa.array(turned))
                evidence.append(_evidence(batch, name, theirs, said, taken, self.item.id))
            arrays.append(_chosen(taken, theirs, mine))
        return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)

    def _disagree(self, name: str, batch: pa.RecordBatch, said: pa.RecordBatch, rows: Any, owned: _Owned) -> None:
        first = int(rows[0])
        value, other = said.column(name)[first].as_py(), batch.column(name)[first].as_py()
        key, mine = batch.column("battery_key")[first].as_py(), batch.column("locator")[first].as_py()
        holder, place = owned.holder(key, name) or (owned.owner, mine)
        wins, stays = self.against(holder)
        turned = bool(self.against(owned.owner)[0])
        facts = {"battery": key, "other": other, "other_source": owned.names[holder], "other_at": f" ({place})" if place else ""}
        facts |= {"at": f" ({at})" if (at := said.column("locator")[first].as_py()) else ""}
        facts |= {"kept": value if turned else other, "why": wins if turned else stays}
        self.log.find("M061", source=self.item.uri, table="battery", column=name, count=len(rows), value=value, **facts)

    def left(self) -> Iterator[Chunk]:
        """Yield the batteries that no other source knows, with their children; tell what is left over."""
        for layer in self.layers:
            left = np.flatnonzero(~layer.used)
            if not len(left):
                continue
            rows = layer.rows.take(pa.array(left))
            if not layer.names or layer.names == (MODEL,):
                named = (
                    f"model '{rows.column(MODEL)[0].as_py()}', which no battery is of"
                    if layer.names
                    else "no battery, and there are several"
                )
                self.log.lose(self.item.uri, "declared values of a row", f"it names {named}", len(left))
                continue
            for start in range(0, rows.num_rows, STEP):
                chunk: Chunk = {"battery": rows.slice(start, STEP)}
                for table, children in self.children.items():
                    mine = children.of(chunk["battery"], None)
                    chunk |= {table: mine} if mine is not None else {}
                yield chunk
        for children in self.children.values():
            rest = children.rest()
            if rest is not None:
                self.log.lose(self.item.uri, f"rows of {children.table}", "they name no battery of the data", rest.num_rows)


@dataclass(frozen=True, slots=True)
class _Owned:
    """Whose values batteries hold: those of the source `owner`, save where the evidence so far says otherwise."""

    evidence: pa.RecordBatch | None
    owner: str
    names: Mapping[str, str]

    def holder(self, key: str, column: str) -> tuple[str, str | None] | None:
        """Return id and place of the source that gave a value of a battery last, None where it is the owner's own."""
        if self.evidence is None:
            return None
        about = {"table": "battery", "key": key, "column": column}
        mask = reduce(pc.and_, [pc.equal(self.evidence.column(name), value).fill_null(False) for name, value in about.items()])
        found = self.evidence.filter(mask)
        if not found.num_rows:
            return None
        row = found.slice(found.num_rows - 1).to_pylist()[0]
        return (row["source_id"], row["locator"]) if row["source_id"] in self.names else None


def _layers(rows: pa.RecordBatch) -> list[_Layer]:
    """Return rows in layers: a name stands once in each; rows that name a model only, and rows that name nothing, by themselves."""
    named = np.zeros(rows.num_rows, np.bool_)
    turn = np.zeros(rows.num_rows, np.int64)
    for name in IDENTIFIERS:
        column = rows.column(name)
        valid = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_)
        named |= valid
        turn[valid] = np.maximum(turn[valid], _turns(column.drop_null()))
    modelled = np.asarray(rows.column(MODEL).is_valid().to_numpy(zero_copy_only=False), np.bool_) & ~named
    found: list[tuple[Any, tuple[str, ...]]] = [(named & (turn == number), IDENTIFIERS) for number in range(int(turn.max(initial=0)) + 1)]
    if modelled.any():
        turns = np.zeros(rows.num_rows, np.int64)
        turns[modelled] = _turns(rows.column(MODEL).filter(pa.array(modelled)))
        found += [(modelled & (turns == number), (MODEL,)) for number in range(int(turns.max()) + 1)]
    found.append((~named & ~modelled, ()))
    return [_Layer(rows.filter(pa.array(mask)), names, np.zeros(int(mask.sum()), np.bool_)) for mask, names in found if mask.any()]


def _turns(column: pa.Array) -> Any:
    """Return how often each value stood before."""
    codes = column.dictionary_encode().indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.r_[0, np.flatnonzero(np.diff(codes[order])) + 1] if len(codes) else np.array([], np.int64)
    found = np.zeros(len(codes), np.int64)
    found[order] = np.arange(len(codes)) - np.repeat(starts, np.diff(np.r_[starts, len(codes)]))
    return found


def _chosen(taken: pa.Array, theirs: pa.Array, mine: pa.Array) -> pa.Array:
    place = np.arange(len(mine))
    place[np.asarray(taken.to_numpy(zero_copy_only=False), np.bool_)] += len(mine)
    return pa.concat_arrays([mine, theirs.cast(mine.type)]).take(pa.array(place))


def _evidence(batch: pa.RecordBatch, name: str, theirs: pa.Array, said: pa.RecordBatch, taken: pa.Array, source_id: str) -> pa.RecordBatch:
    """Return the evidence of the values of one column that another source gave."""
    values = theirs.filter(taken)
    rows = len(values)
    columns = {
        "table": ["battery"] * rows,
        "key": batch.column("battery_key").filter(taken),
        "column": [name] * rows,
        "value": text_of(values, batch.schema.field(name)),
        "method": ["declared"] * rows,
        "source_id": [source_id] * rows,
        "locator": said.column("locator").filter(taken),
    }
    return canon.batch("evidence", columns)
