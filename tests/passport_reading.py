"""Documents of a passport model through the mapping and back, moved to another model, damaged at random, held to schemas."""

import copy
import io
import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from bdx import formats, mapping, spec
from bdx.canon import Chunk, Document, Log
from bdx.errors import BdxError
from bdx.formats.source import Source
from bdx.mapping.paths_extra import same
from bdx.rules.documents import DocumentCheck

SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/passport"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the public sample files are not here")


def context(model: str, log: Log) -> mapping.Context:
    return mapping.Context("in", "s1", log, model, {"assume_tz": "Europe/Berlin"})


def read(values: Iterable[Any], model: str) -> tuple[list[Chunk], Log]:
    """Return the chunks of documents of one release, and what was said about them."""
    item, log = spec.model(model), Log()
    parts = (Document(model, value, f"line {number}") for number, value in enumerate(values, 1))
    return list(mapping.to_canonical(parts, item, context(item.full_id, log))), log


def written(chunks: list[Chunk], model: str) -> tuple[list[Any], Log]:
    """Return chunks as documents of one release, and what was lost."""
    item, log = spec.model(model), Log()
    return [part.value for part in mapping.from_canonical(iter(chunks), item, context(item.full_id, log))], log  # type: ignore[union-attr]


def back(value: Any, model: str) -> tuple[Any, Log]:
    """Return a document read and written by its own release."""
    found, log = written(read([value], model)[0], model)
    return found[0], log


def crossed(value: Any, source: str, target: str) -> tuple[Any, Log]:
    """Return a document of one release as one of another."""
    found, log = written(read([value], source)[0], target)
    return found[0], log


def rows(chunks: list[Chunk], table: str) -> list[dict[str, Any]]:
    return [row for chunk in chunks if table in chunk for row in chunk[table].to_pylist()]


def lost(log: Log) -> set[str]:
    return {loss.what for loss in log.losses}


def faults(log: Log) -> set[tuple[str, str]]:
    """Return code and pointer of every finding."""
    return {(finding.code, (finding.locator or "").removeprefix("line 1 ")) for finding in log.findings}


def judged(value: Any, model: str) -> set[str]:
    """Return what our schema of a release says of a document."""
    check = DocumentCheck(log := Log(), "x")
    check.check([Document(model, value)])
    return {finding.column for finding in log.findings}


def source_of(value: Any) -> Source:
    return Source("-", stdin=io.BytesIO(json.dumps(value).encode()))  # type: ignore[arg-type]


def told(value: Any) -> str:
    """Return the model and release that a document is found to be of."""
    item = formats.detect(source_of(value))
    return next(iter(formats.read(source_of(value), item))).name


def examples() -> list[str]:
    """Return the paths of the official examples."""
    lines = [line.split("\t") for line in (SAMPLES / "MANIFEST.tsv").read_text("utf-8").splitlines()[1:]]
    return [row[0] for row in lines if row[1] == "example"]


def taken_for(model: str) -> dict[str, str]:
    """Return the official examples that are taken for a model, with the release they are read as."""
    found = {}
    for name in examples():
        try:
            item = formats.detect(Source(str(SAMPLES / name)))
            if item.id == model:
                found[name] = next(iter(formats.read(Source(str(SAMPLES / name)), item))).name
        except BdxError:
            continue
    return found


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return the holder and the key of everything in a document, however deep."""
    found: list[tuple[Any, Any]] = []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        found.append((value, key))
        found.extend(places(item))
    return found


def damaged(value: Any, chance: random.Random, junk: list[Any], within: str = "") -> Any:
    """Return a document with one to eight values, below a key if one is named, taken away or replaced by junk or by one another."""
    found = copy.deepcopy(value)
    for _ in range(chance.choice([1, 1, 2, 4, 8])):
        around = places(found[within] if within else found)
        if not around:
            return found
        holder, key = chance.choice(around)
        if chance.random() < 0.3:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(chance.choice([*junk, chance.choice(around)[1]]))
        if isinstance(holder, dict) and chance.random() < 0.1:
            holder["more"] = chance.choice(junk)
    return found


def assert_survives_and_is_valid(model: str, story: Callable[[int], Any]) -> None:
    """Hold three documents of a release to coming back equal, without finding or loss, and valid."""
    values = [story(number) for number in (42, 43, 44)]
    chunks, log = read(values, model)
    found, out = written(chunks, model)
    assert all(map(same, values, found))
    assert not log.findings and not out.losses
    assert not any(judged(value, model) for value in found)


JUNK = [None, True, 0, -1, 1.5, "", "x", "27.04.2022", [], {}, ["x"], [None], [{}], {"value": None}, 101.0, 10**25]


def mutated(value: Any, chance: random.Random, junk: list[Any] = JUNK) -> Any:
    """Return a document with one to six keys or items taken away, replaced or doubled under another name."""
    found = copy.deepcopy(value)
    for _ in range(chance.choice([1, 2, 6])):
        holder = found
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(holder[key], dict | list) and chance.random() < 0.8:
                holder = holder[key]
                continue
            action = chance.random()
            if action < 0.3:
                del holder[key]
            elif action < 0.8:
                holder[key] = copy.deepcopy(chance.choice(junk))
            elif isinstance(holder, dict):
                holder[f"{key}X"] = copy.deepcopy(holder[key])
            break
    return found


def agrees(model: str, official: dict[str, Any], values: list[Any], number: int = 200) -> tuple[int, list[Any]]:
    """Return how many documents and mutants the official schema takes, and those that ours judges otherwise."""
    import jsonschema

    theirs = jsonschema.validators.validator_for(official)(official)
    ours = jsonschema.Draft202012Validator(spec.schema(spec.model(model).schema))
    valid, wrong = 0, []
    for seed in range(number):
        value = values[seed] if seed < len(values) else mutated(values[seed % len(values)], random.Random(seed))
        verdict = theirs.is_valid(value)
        valid += verdict
        # The compiled validator reads patterns as ECMA 262 does: a break at the end does not match.
        if ours.is_valid(value) != verdict or (not judged(value, model)) != verdict:
            wrong.append(value)
    return valid, wrong
