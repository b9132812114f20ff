"""Personal data on its way out: left out, replaced by pseudonyms, or kept, as the user says; and a word on what was done."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon
from bdx.canon import Chunk, Log
from bdx.errors import UsageError, did_you_mean
from bdx.rules import line_persons

WAYS = ("drop", "hash", "keep")
KEY = "BDX_PERSONAL_KEY"
"""Variable of the environment that holds the key of pseudonyms."""
_LEAST = 16
_DONE = {
    "drop": "; left out of what is written (--personal hash writes pseudonyms, --personal keep the names)",
    "given": f"; pseudonyms are written, the same in every run with this {KEY}",
    "made": f"; pseudonyms are written, good for this run only ({KEY} in the environment makes them last)",
}


def shielded(stream: Iterable[Chunk], way: str, log: Log, source: str) -> Iterator[Chunk]:
    """Return the chunks as they may leave the house: persons dropped, hashed with a key, or kept, by `way`.

    Columns that name persons, and fields of `extra` under names that stand for people, are treated alike. The same person has the
    same pseudonym throughout a run. Each column that was changed is told of once, with its count and without a name.
    Raises: UsageError for another way, or a key too short to keep a secret.
    """
    if way not in WAYS:
        raise UsageError(f"--personal '{way}'{did_you_mean(way, WAYS)}; expected {', '.join(WAYS)}")
    if way == "keep":
        return iter(stream)
    given = os.environ.get(KEY, "")
    if way == "hash" and given and len(given.encode()) < _LEAST:
        raise UsageError(f"{KEY} has {len(given.encode())} bytes; expected {_LEAST} or more, names are guessed from a weak key")
    key = hashlib.blake2b(given.encode() or secrets.token_bytes(32), digest_size=32, person=b"bdx.personal").digest()
    done = _DONE[way if way == "drop" else "given" if given else "made"]
    return _changed(stream, partial(pseudonym, key=key) if way == "hash" else None, log, source, done)


def pseudonym(name: str, *, key: bytes) -> str:
    """Return what stands for a person: a keyed hash of the name, blanks and Unicode form left out of account."""
    plain = " ".join(unicodedata.normalize("NFC", name).split())
    return f"person:{hashlib.blake2b(plain.encode('utf-8', 'surrogatepass'), key=key, digest_size=10).hexdigest()}"


def _changed(stream: Iterable[Chunk], call: Callable[[str], str] | None, log: Log, source: str, done: str) -> Iterator[Chunk]:
    counts: dict[tuple[str, str], int] = {}
    for chunk in stream:
        yield {name: _batch(name, batch, call, counts) for name, batch in chunk.items()}
    for (table, column), count in sorted(counts.items()):
        log.find("P043", source=source, table=table, column=column, count=count, done=done, at="")


def _batch(table: str, batch: pa.RecordBatch, call: Callable[[str], str] | None, counts: dict[tuple[str, str], int]) -> pa.RecordBatch:
    """Return the rows of a table without names of persons, or with pseudonyms in their place; adds to the counts."""
    for column in batch.schema.names:
        personal = column in line_persons.columns(table)
        own = column.startswith("extra_") and line_persons.key().fullmatch(column.removeprefix("extra_")) is not None
        within = column == "extra" and line_persons.looked_through(table)
        if not (personal or own or within):
            continue
        place = batch.schema.get_field_index(column)
        values = batch.column(place)
        mask = line_persons.told(values) if within else _named(values)
        if not mask.true_count:
            continue
        counts[table, column] = counts.get((table, column), 0) + mask.true_count
        changed = _within(values, mask, call) if within else _whole(values, mask, call)
        batch = batch.set_column(place, batch.schema.field(place), changed)
    return batch


def _named(values: pa.Array) -> pa.BooleanArray:
    return line_persons.named(values) if pa.types.is_string(values.type) else pc.is_valid(values)


def _whole(values: pa.Array, mask: pa.BooleanArray, call: Callable[[str], str] | None) -> pa.Array:
    """Return a column of names, each distinct one replaced once; a column that is no text has no pseudonyms and is emptied."""
    if call is None or not pa.types.is_string(values.type):
        return pc.if_else(mask, pa.scalar(None, values.type), values)
    coded = values.filter(mask).dictionary_encode()
    made = pa.array([call(name) for name in coded.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(values, mask, made.take(coded.indices))


def _within(values: pa.Array, mask: pa.BooleanArray, call: Callable[[str], str] | None) -> pa.Array:
    """Return a column of JSON texts whose fields of persons are changed; what is not JSON is emptied."""
    coded = values.filter(mask).dictionary_encode()
    made = pa.array([_text(text, call) for text in coded.dictionary.to_pylist()], values.type)
    return pc.replace_with_mask(values, mask, made.take(coded.indices))


def _text(text: str, call: Callable[[str], str] | None) -> str | None:
    try:
        said = _without(json.loads(text), call)
    except (ValueError, RecursionError):
        return None
    return canon.dumps(said) if said not in ({}, []) else None


def _without(value: Any, call: Callable[[str], str] | None) -> Any:
    """Return a JSON value without the fields that name persons, or with pseudonyms in every text and number below them."""
    if isinstance(value, list):
        return [_without(item, call) for item in value]
    if not isinstance(value, dict):
        return value
    kept: dict[str, Any] = {}
    for name, inner in value.items():
        if line_persons.key().fullmatch(name) is None:
            kept[name] = _without(inner, call)
        elif call is not None:
            kept[name] = _veiled(inner, call)
    return kept


def _veiled(value: Any, call: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {name: _veiled(inner, call) for name, inner in value.items()}
    if isinstance(value, list):
        return [_veiled(item, call) for item in value]
    if value is None or isinstance(value, bool) or value == "" or re.fullmatch(line_persons.PSEUDONYM, str(value)):
        return value
    return call(str(value))
