"""One item up and down in a genealogy of five million edges, against plain dictionaries and against joins with pyarrow.

    python tests/benchmarks/lineage.py [--edges 5000000] [--keep FOLDER]

Budget: under one second for both directions after loading. Every way runs in a process of its own and prints what it reached, which has
to be the same.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

PER_CELL = 4
CELLS_OF_A_PACK = 10


def generate(folder: Path, edges: int) -> list[str]:
    """Write a data set of about so many edges; return a cell, a raw material lot and the solvent lot that went into everything."""
    from bdx import canon, spec
    from bdx.canon import Log
    from bdx.formats import dataset
    from bdx.formats.canonical import WriteOptions

    rng = np.random.default_rng(7)
    cells = edges * 10 // (10 * PER_CELL + 10 + 3)
    rolls, raws, packs = cells // 50, 2_000, cells // CELLS_OF_A_PACK
    number = np.arange
    pairs = [
        ("RAW", rng.integers(0, raws, 4 * rolls), "SLURRY", np.repeat(number(rolls), 4)),
        ("SOLVENT", np.zeros(rolls, np.int64), "SLURRY", number(rolls)),
        ("SLURRY", number(rolls), "ROLL", number(rolls)),
        ("ROLL", rng.integers(0, rolls, cells), "CELL", number(cells)),
        ("ROLL", rng.integers(0, rolls, cells), "CELL", number(cells)),
        ("EL", number(cells) // 5_000, "CELL", number(cells)),
        ("CAN", number(cells) // 20_000, "CELL", number(cells)),
        ("CELL", number(cells), "PACK", number(cells) // CELLS_OF_A_PACK),
    ]
    kinds = {
        "RAW": (raws, "raw_material_lot"),
        "SOLVENT": (1, "raw_material_lot"),
        "SLURRY": (rolls, "slurry_batch"),
        "ROLL": (rolls, "coated_roll"),
        "CELL": (cells, "cell"),
        "PACK": (packs, "pack"),
    }

    def chunks() -> Any:
        for prefix, (count, kind) in kinds.items():
            for first in range(0, count, canon.BATCH_ROWS):
                ids = _ids(prefix, np.arange(first, min(count, first + canon.BATCH_ROWS)))
                yield {"item": canon.batch("item", {"item_id": ids, "item_kind": [kind] * len(ids)})}
        for left, inputs, right, outputs in pairs:
            for first in range(0, len(inputs), canon.BATCH_ROWS):
                ends = slice(first, first + canon.BATCH_ROWS)
                rows = len(inputs[ends])
                columns = {
                    "input_item_id": _ids(left, inputs[ends]),
                    "output_item_id": _ids(right, outputs[ends]),
                    "relation": ["assembled" if right == "PACK" else "consumed"] * rows,
                    "step_run_id": _ids(f"STEP-{right}", outputs[ends]),
                    "quantity": pa.array(np.ones(rows)),
                    "match_basis": ["scan"] * rows,
                    "is_estimated": pa.array(np.arange(rows) % 50 == 0),
                }
                yield {"genealogy": canon.batch("genealogy", columns)}

    dataset.write_chunks(chunks(), folder, spec.format_spec("dataset"), WriteOptions(Log()))
    return [f"CELL-{cells // 2:08d}", "RAW-00000007", "SOLVENT-00000000"]


def _ids(prefix: str, numbers: Any) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 8, "0"), "-")


def ours(folder: Path, items: list[str]) -> None:
    """Load the graph of bdx and trace each item."""
    from bdx.pipeline.tracing import follow, load

    start = time.perf_counter()
    factory = load([str(folder)])
    print("load", time.perf_counter() - start)
    for item in items:
        start = time.perf_counter()
        found = follow(factory, item).lineage
        took = time.perf_counter() - start
        print(item, took, *(len(side.nodes) - 1 for side in found.sides.values()))


def _columns(folder: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(folder / "genealogy.parquet", columns=["input_item_id", "output_item_id"])


def dictionaries(folder: Path, items: list[str]) -> None:
    """Build a dictionary of lists for each direction and walk it breadth first."""
    start = time.perf_counter()
    edges = _columns(folder)
    up: dict[str, list[str]] = {}
    down: dict[str, list[str]] = {}
    for left, right in zip(edges["input_item_id"].to_pylist(), edges["output_item_id"].to_pylist(), strict=True):
        down.setdefault(left, []).append(right)
        up.setdefault(right, []).append(left)
    print("load", time.perf_counter() - start)
    for item in items:
        start = time.perf_counter()
        counts = []
        for ways in (up, down):
            seen, front = {item}, [item]
            while front:
                front = list({end for node in front for end in ways.get(node, ())} - seen)
                seen.update(front)
            counts.append(len(seen) - 1)
        print(item, time.perf_counter() - start, *counts)


def joins(folder: Path, items: list[str]) -> None:
    """Look each layer up in the whole column with pyarrow."""
    start = time.perf_counter()
    edges = _columns(folder)
    print("load", time.perf_counter() - start)
    for item in items:
        start = time.perf_counter()
        counts = []
        for near, far in (("output_item_id", "input_item_id"), ("input_item_id", "output_item_id")):
            front = pa.array([item])
            seen = front
            while len(front):
                ends = pc.unique(edges[far].filter(pc.is_in(edges[near], front)))
                front = ends.filter(pc.invert(pc.is_in(ends, seen)))
                seen = pa.concat_arrays([seen, front])
            counts.append(len(seen) - 1)
        print(item, time.perf_counter() - start, *counts)


WAYS = {"bdx": ours, "dict": dictionaries, "pyarrow": joins}


def main() -> None:
    """Generate, run every way, print times, ratios and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, default=5_000_000)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--run", nargs="+", metavar="WAY FOLDER ITEM")
    given = parser.parse_args()
    if given.run:
        way, folder, *items = given.run
        WAYS[way](Path(folder), items)
        print("memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = given.keep or Path(name)
        folder.mkdir(exist_ok=True)
        items = generate(folder, given.edges)
        told = {}
        for way in WAYS:
            code = [sys.executable, __file__, "--run", way, str(folder), *items]
            lines = subprocess.run(code, check=True, capture_output=True, text=True).stdout.splitlines()
            told[way] = {line.split()[0]: [float(word) for word in line.split()[1:]] for line in lines}
    for way, found in told.items():
        print(f"{way:8} load {found['load'][0]:6.2f} s, peak {found['memory'][0]:6.0f} MB")
    for item in items:
        reached = {tuple(found[item][1:]) for found in told.values()}
        assert len(reached) == 1, f"{item}: {reached}"
        up, down = next(iter(reached))
        times = {way: found[item][0] for way, found in told.items()}
        ratios = ", ".join(f"{way} {seconds * 1000:.1f} ms ({seconds / times['bdx']:.1f}x)" for way, seconds in times.items())
        print(f"{item}: {up:,.0f} up, {down:,.0f} down: {ratios}")


if __name__ == "__main__":
    main()
