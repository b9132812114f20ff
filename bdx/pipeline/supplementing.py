"""Batteries stream from one source while what others say of them is looked up: master data beside passports, in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cmp_to_key

import pyarrow.compute as pc

from bdx import formats, spec
from bdx.canon import Chunk, Log
from bdx.errors import BdxError
from bdx.formats.source import Source
from bdx.pipeline.looking_up import BESIDE, STEP, Against, Other
from bdx.pipeline.precedence import Precedence
from bdx.pipeline.reading import Opened, ReadOptions, chunks

_FIRST = "of the source named first"

PEEKED = ("csv", "jsonl", "parquet", "xlsx")
"""Canonical formats whose tables a first look shows."""


def plan(opened: Sequence[Opened]) -> Opened | None:
    """Return the source that is to stream where all sources only declare what batteries are, None where other tables come along."""
    shown = [_tables(item) for item in opened]
    if any(tables is None or not all(_of_battery(name) for name in tables) for tables in shown):
        return None
    speaking = [item for item, tables in zip(opened, shown, strict=True) if tables is not None and "battery" in tables]
    return next((item for item in speaking if item.format.world == "passport"), speaking[0] if speaking else None)


def _of_battery(table: str) -> bool:
    return table in ("battery", *BESIDE) or spec.table(table).parent == "battery"


def _tables(item: Opened) -> set[str] | None:
    """Return the tables of a source as a first look shows them, None where it does not show them."""
    if item.format.world == "passport":
        return {"battery"}
    if item.format.id not in PEEKED or item.source.path is None:
        return None
    engine, again = formats.engine(item.format), Source(item.uri, Log())
    try:
        if hasattr(engine, "tables"):
            return set(engine.tables(again, item.format))
        return set(next(engine.read_chunks(again, item.format), {}))
    except BdxError:
        return None  # its own reading says so
    finally:
        again.close()


def supplemented(opened: Sequence[Opened], options: ReadOptions, base: Opened, log: Log, precedence: Precedence) -> Iterator[Chunk]:
    """Yield the batteries of `base` with what other sources say of them, then the batteries only others know, each with evidence.

    A row joins the battery of its serial number, battery id or passport id; one without any joins all batteries of its model.
    A value of the base stays unless the other source was named before it or is preferred; what differs is a finding (M061).
    The evidence names the source of each value that is not of the record's own; other sources are held in memory.
    """
    others: list[Other] = []
    names = {item.id: item.uri for item in opened}
    for item in opened:
        if item is base:
            continue
        other = Other(item, _against(item, opened, precedence), log, precedence.tolerance)
        yield from other.hold(chunks(item, options))
        others.append(other)
    turns = _in_turn(others, base)
    counted = _ahead(chunks(base, options))
    for only, chunk in counted:
        if "battery" not in chunk:
            yield chunk
            continue
        for piece in _pieces(chunk):
            for other in turns:
                piece = other.joined(piece, only, base, names)  # noqa: PLW2901 - each adds to what the others made of it
            yield piece
    for place, other in enumerate(others):
        for piece in other.left():
            for later in _in_turn(others[place + 1 :], other.item):
                piece = later.joined(piece, None, other.item, names)  # noqa: PLW2901
            yield piece


def _against(item: Opened, opened: Sequence[Opened], precedence: Precedence) -> Against:
    """Return what says whether the values of a source count beside those of another."""
    found: dict[str, tuple[str, str]] = {}
    for other in opened:
        wins, stays = precedence.reason(item.uri, other.uri), precedence.reason(other.uri, item.uri)
        if not wins and not stays and opened.index(item) < opened.index(other):
            wins = _FIRST
        found[other.id] = (wins, "" if wins else stays or _FIRST)
    return found.__getitem__


def _in_turn(others: Sequence[Other], owner: Opened) -> list[Other]:
    """Return sources in the order in which they speak of the batteries of one.

    First those whose values count, the strongest last, since each turns what stood before; then the others, the strongest first.
    """
    wins = [other for other in others if other.against(owner.id)[0]]
    stays = [other for other in others if not other.against(owner.id)[0]]
    return [*sorted(wins, key=cmp_to_key(_weaker_first)), *sorted(stays, key=cmp_to_key(_weaker_first), reverse=True)]


def _weaker_first(one: Other, other: Other) -> int:
    return 1 if one.against(other.item.id)[0] else -1


def _ahead(stream: Iterable[Chunk]) -> Iterator[tuple[str | None, Chunk]]:
    """Yield chunks, each with the key of the only battery of the source, None where there are more."""
    waiting: list[Chunk] = []
    some: list[str] = []
    for chunk in stream:
        if len(some) < 2 and "battery" in chunk:
            some += chunk["battery"].column("battery_key").slice(0, 2).to_pylist()
        waiting.append(chunk)
        if len(some) > 1:
            yield from ((None, item) for item in waiting)
            waiting = []
    yield from ((some[0] if len(some) == 1 else None, item) for item in waiting)


def _pieces(chunk: Chunk) -> Iterator[Chunk]:
    """Yield a chunk in bounded pieces, children with their batteries."""
    batch = chunk["battery"]
    if batch.num_rows <= STEP:
        yield chunk
        return
    for start in range(0, batch.num_rows, STEP):
        some = batch.slice(start, STEP)
        piece: Chunk = {"battery": some}
        for table, rows in chunk.items():
            if spec.table(table).parent == "battery":
                mine = rows.filter(pc.is_in(rows.column("battery_key"), value_set=some.column("battery_key")))
                piece |= {table: mine} if mine.num_rows else {}
            elif table != "battery" and not start:
                piece[table] = rows
        yield piece
