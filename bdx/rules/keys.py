"""Fields of a document that its model does not know, and that come so near to one it knows that a slip of the hand is likely."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk
from bdx.rules.register import Bad, across


@across("almost_known_key")
def almost_known_key(chunk: Chunk, *, alike: float) -> Iterator[Bad]:
    """Yield rows with a field that was only carried along and has nearly, but not exactly, the name of a field of its model."""
    for table, batch in chunk.items():
        if "extra" not in batch.schema.names or spec.table(table).parent != "battery" != table:
            continue
        coded = batch.column("extra").dictionary_encode()
        slips = [_slip(text, alike) for text in coded.dictionary.to_pylist()]
        keys, known = (pa.array(texts, pa.string()).take(coded.indices) for texts in zip(*slips, strict=True)) if slips else (None, None)
        if keys is not None:
            yield Bad(table, "extra", pc.is_valid(keys), {"key": keys, "known": known})


def _slip(text: str, alike: float) -> tuple[str | None, str | None]:
    """Return the first field carried along that is nearly one of its model, and that one; nothing where there is none."""
    try:
        carried = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None, None
    for model, paths in carried.items() if isinstance(carried, dict) else ():
        for path in paths if isinstance(paths, dict) else ():
            near = nearest(model, path, alike)
            if near:
                return path, near
    return None, None


@cache
def nearest(model: str, path: str, alike: float) -> str:
    """Return the name of a model that the last word of a path nearly is; empty where the model knows it or nothing is near."""
    known = _names(model.partition("@")[0])
    word = next((part for part in reversed(path.split("/")) if part and not part.isdigit()), "")
    if not known or not word or word in known:
        return ""
    return next(iter(get_close_matches(word, known, 1, alike)), "")


@cache
def _names(model: str) -> frozenset[str]:
    """Return the names of all fields that the schemas of a model hold, whatever its version."""
    found: set[str] = set()
    for path in sorted((spec.root() / "schemas").glob(f"{model}*.json")):
        _collect(json.loads(path.read_text("utf-8")), found)
    return frozenset(found)


def _collect(value: Any, found: set[str]) -> None:
    if isinstance(value, dict):
        inner = value.get("properties")
        if isinstance(inner, dict):
            found.update(inner)
        for item in value.values():
            _collect(item, found)
    elif isinstance(value, list):
        for item in value:
            _collect(item, found)
