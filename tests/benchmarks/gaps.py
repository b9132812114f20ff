"""How long the gap analysis takes per battery record: `python tests/benchmarks/gaps.py [ROWS] [PROFILE]`."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from bdx import canon, spec
from bdx.canon import Chunk, Log
from bdx.gaps import Analysis

CATEGORIES = ["lmt", "ev", "industrial", "stationary", "sli", None]


def column(facts: spec.Column, rows: int, rng: np.random.Generator) -> pa.Array:
    """Return a column of which a tenth is null."""
    kind = canon.TYPES[facts.type]
    mask = rng.random(rows) < 0.1
    if facts.enum:
        return pa.array(np.array(facts.enum, dtype=object)[rng.integers(0, len(facts.enum), rows)], kind, mask=mask)
    if facts.type == "strings":
        return pa.array([["water"]] * rows, kind, mask=mask)
    if facts.type in ("string", "json"):
        return pa.array(np.char.add("value ", rng.integers(0, 1000, rows).astype(str)).astype(object), kind, mask=mask)
    return pa.array(rng.integers(1, 90, rows), pa.int32() if facts.type == "date" else pa.int64(), mask=mask).cast(kind)


def batch(table: str, rows: int, rng: np.random.Generator, **given: pa.Array) -> pa.RecordBatch:
    """Return a batch with every column of a table filled."""
    facts = spec.table(table)
    return canon.batch(table, {c.name: given[c.name] if c.name in given else column(c, rows, rng) for c in facts.columns})


def chunk(first: int, rows: int, rng: np.random.Generator) -> Chunk:
    """Return batteries with three documents, four metals, six materials and two markings each."""
    keys = np.char.add("BX36-", np.arange(first, first + rows).astype(str)).astype(object)
    category = pa.array(np.array(CATEGORIES, dtype=object)[rng.integers(0, len(CATEGORIES), rows)], pa.string())
    level = pa.nulls(rows, pa.string())
    found = {"battery": batch("battery", rows, rng, battery_key=pa.array(keys), battery_category=category, passport_granularity=level)}
    roles = np.array(["eu_declaration_of_conformity", "test_report", "safety_measures", "dismantling", "waste_prevention"], dtype=object)
    children = {"document": 3, "recycled_content": 4, "material": 6, "marking": 2, "hazardous_substance": 2, "spare_part": 2}
    for table, each in children.items():
        given = {"battery_key": pa.array(np.repeat(keys, each))}
        if table == "document":
            given["role"] = pa.array(roles[rng.integers(0, len(roles), rows * each)])
        found[table] = batch(table, rows * each, rng, **given)
    return found


def chunks(rows: int) -> Iterator[Chunk]:
    """Yield chunks of `rows` batteries in all."""
    rng = np.random.default_rng(7)
    for first in range(0, rows, canon.BATCH_ROWS):
        yield chunk(first, min(canon.BATCH_ROWS, rows - first), rng)


def main(rows: int, profile: str) -> None:
    """Print records per second of watching, and the seconds of judging."""
    spent = 0.0
    analysis = Analysis(profile)
    for made in chunks(rows):
        start = time.perf_counter()
        analysis.watch(made)
        spent += time.perf_counter() - start
    start = time.perf_counter()
    result = analysis.finish(Log())
    judged = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{profile}: {rows:,} records, {len(result.outcomes)} requirements: {spent:.2f} s, {rows / spent:,.0f} records/s")
    print(f"judged in {judged:.3f} s; peak {peak:,.0f} MB, most of it the made-up records")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000, sys.argv[2] if len(sys.argv) > 2 else "eu-battery-regulation")
