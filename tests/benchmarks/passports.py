"""Passports per second: Catena-X JSON lines into Arrow and Parquet, with and without the schema check, and back to JSON.

    python tests/benchmarks/passports.py [--count 20000] [--limit 500]

The comparison reads with json and checks with python jsonschema; it is timed over a part of the file and extrapolated.
Times are processor seconds of this process, so that a busy machine does not blur them. Exit code 1 where reading,
checking, mapping and writing Parquet takes more than `limit` microseconds per passport.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bdx import formats, mapping, spec
from bdx.canon import Document, Log
from bdx.formats import document
from bdx.formats.json_text import dumps
from bdx.formats.source import Source
from bdx.rules.documents import DocumentCheck

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fixtures/make"))
import passports

FORMAT = spec.format_spec("catenax-battery-pass")
PART = 200
CHECKED = 1


def documents(path: Path, check: DocumentCheck | None) -> Iterator[Document]:
    """Yield the documents of a file, checked in short lists, while they are still in the cache."""
    waiting: list[Document] = []
    for part in formats.read(Source(str(path)), FORMAT):
        assert isinstance(part, Document)
        if check is not None:
            waiting.append(part)
            if len(waiting) == CHECKED:
                check.check(waiting)
                waiting = []
        yield part
    if check is not None:
        check.check(waiting)


def chunks(path: Path, check: DocumentCheck | None = None) -> Iterator[dict[str, Any]]:
    """Yield canonical chunks of a file."""
    return mapping.to_canonical(documents(path, check), FORMAT, mapping.Context(str(path), "s1", Log(), FORMAT.full_id))


def to_arrow(path: Path) -> int:
    """Return how many passports became rows."""
    return sum(chunk["battery"].num_rows for chunk in chunks(path))


def to_parquet(path: Path, folder: Path, *, checked: bool) -> int:
    """Return how many passports were written, one Parquet file per table."""
    check = DocumentCheck(FORMAT.raw["schema"], FORMAT.version, Log(), str(path)) if checked else None
    writers: dict[str, pq.ParquetWriter] = {}
    count = 0
    for chunk in chunks(path, check):
        for table, batch in chunk.items():
            if table not in writers:
                writers[table] = pq.ParquetWriter(folder / f"{table}.parquet", batch.schema, compression="zstd")
            writers[table].write_batch(batch)
        count += chunk["battery"].num_rows
    for writer in writers.values():
        writer.close()
    return count


def to_json(path: Path, target: Path) -> int:
    """Return how many passports went through the canonical tables and out as JSON lines again."""
    with target.open("wb") as sink:
        context = mapping.Context(str(path), "s1", Log(), FORMAT.full_id)
        document.write(mapping.from_canonical(chunks(path), FORMAT, context), sink, FORMAT, lines=True)
    return sum(1 for _ in target.open("rb"))


def by_the_book(path: Path) -> int:
    """Return how many passports json read and python jsonschema checked."""
    import jsonschema

    validator = jsonschema.Draft202012Validator(spec.schema(FORMAT.raw["schema"]))
    count = 0
    with path.open("rb") as lines:
        for line in lines:
            assert validator.is_valid(json.loads(line))
            count += 1
    return count


def timed(name: str, run: Callable[[], int], note: str = "") -> float:
    """Print and return the microseconds of processor time per passport."""
    start = time.process_time()
    count = run()
    each = (time.process_time() - start) / count * 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:<44} {each:9.0f} us each {1e6 / each:9,.0f} /s   peak {peak:,.0f} MiB{note}")
    return each


def main() -> int:
    """Run all and print one line each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--limit", type=float, default=500.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, part = folder / "in.jsonl", folder / "part.jsonl"
        with path.open("wb") as sink:
            for number in range(arguments.count):
                sink.write(dumps(passports.catenax(number)) + b"\n")
        with path.open("rb") as lines, part.open("wb") as sink:
            sink.writelines(line for line, _ in zip(lines, range(PART), strict=False))
        to_arrow(part)
        print(f"{arguments.count:,} passports of {path.stat().st_size / arguments.count:,.0f} bytes")
        timed("read and map into Arrow", lambda: to_arrow(path))
        timed("read, map, Parquet", lambda: to_parquet(path, folder, checked=False))
        full = timed("read, check, map, Parquet", lambda: to_parquet(path, folder, checked=True))
        timed("read, map, write JSON lines", lambda: to_json(path, folder / "out.jsonl"))
        book = timed("json and python jsonschema, no tables", lambda: by_the_book(part), f"   (from {PART} passports)")
        print(f"ratio {book / full:.0f} : 1")
    return int(full > arguments.limit)


if __name__ == "__main__":
    raise SystemExit(main())
