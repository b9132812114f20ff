"""Passports per second on one core: Catena-X JSON lines into Parquet, and read, checked and written as Battery Pass JSON lines.

    taskset -c 1 python tests/benchmarks/passports.py [--count 20000] [--target battery-pass] [--each-own]

The yardstick reads the same lines with orjson and asks the same compiled schema for yes or no, and does nothing else. The
comparison by the book reads with json and checks with python jsonschema, timed over a part of the file. Times are processor
seconds of this process, the yardstick's the best of three, so that a busy machine does not blur them. `--each-own` makes every
passport of a model of its own: no list of it is like another's. Exit code 1 where a target is missed.
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

import jsonschema_rs
import orjson
import pyarrow.parquet as pq

from bdx import formats, mapping, spec
from bdx.canon import Document, Log
from bdx.formats import document
from bdx.formats.json_text import dumps
from bdx.formats.source import Source
from bdx.rules.documents import first_violation

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fixtures/make"))
import passports

FORMAT = spec.format_spec("catenax-battery-pass")
PART = 200
FLEET = 89.8e6
AT_MOST_ALL, AT_MOST_PARQUET, AT_LEAST_BOOK = 6.0, 4.0, 20.0


def own(value: Any, number: int) -> Any:
    """Return a passport whose texts in lists and numbers differ from those of every other."""
    if isinstance(value, dict):
        return {key: own(item, number) if key != "specVersion" else item for key, item in value.items()}
    if isinstance(value, list):
        return [own(item, number) for item in value]
    if isinstance(value, str) and value.startswith("https://docs"):
        return f"{value}?{number}"
    return round(value + number * 1e-6, 9) if isinstance(value, float) and 1 < value < 90 else value


def documents(path: Path, *, checked: bool) -> Iterator[Document]:
    """Yield the documents of a file; those that are off their schema are an error here."""
    for part in formats.read(Source(str(path)), FORMAT):
        assert isinstance(part, Document)
        assert not checked or first_violation(part) is None
        yield part


def chunks(path: Path, *, checked: bool) -> Iterator[dict[str, Any]]:
    """Yield canonical chunks of a file."""
    context = mapping.Context(str(path), "s1", Log(), FORMAT.full_id)
    return mapping.to_canonical(documents(path, checked=checked), FORMAT, context)


def to_arrow(path: Path) -> int:
    """Return how many passports became rows."""
    return sum(chunk["battery"].num_rows for chunk in chunks(path, checked=False))


def to_parquet(path: Path, folder: Path) -> int:
    """Return how many passports were written, one Parquet file per table."""
    writers: dict[str, pq.ParquetWriter] = {}
    count = 0
    for chunk in chunks(path, checked=False):
        for table, batch in chunk.items():
            if table not in writers:
                writers[table] = pq.ParquetWriter(folder / f"{table}.parquet", batch.schema, compression="zstd")
            writers[table].write_batch(batch)
        count += chunk["battery"].num_rows
    for writer in writers.values():
        writer.close()
    return count


def to_json(path: Path, target: Path, model: str) -> int:
    """Return how many passports were read, checked, and written as JSON lines of another model."""
    wanted = formats.resolve(model)
    with target.open("wb") as sink:
        context = mapping.Context(str(path), "s1", Log(), wanted.full_id)
        document.write(mapping.from_canonical(chunks(path, checked=True), wanted, context), sink, wanted, lines=True)
    return sum(1 for _ in target.open("rb"))


def yardstick(path: Path) -> int:
    """Return how many passports orjson read and the compiled schema found valid."""
    validator = jsonschema_rs.validator_for(spec.schema(FORMAT.schema))
    count = 0
    with path.open("rb") as lines:
        for line in lines:
            assert validator.is_valid(orjson.loads(line))
            count += 1
    return count


OFFICIAL = Path(__file__).resolve().parents[3] / "shared/samples/passport/catenax_battery_pass/6.1.0/BatteryPass-schema.json"
"""The published schema, where it is at hand; ours says the same in fewer steps."""


def by_the_book(path: Path, schema: dict[str, Any]) -> int:
    """Return how many passports json read and python jsonschema checked against a schema."""
    import jsonschema

    validator = jsonschema.validators.validator_for(schema)(schema)
    count = 0
    with path.open("rb") as lines:
        for line in lines:
            assert validator.is_valid(json.loads(line))
            count += 1
    return count


def timed(name: str, run: Callable[[], int], note: str = "", times: int = 1) -> float:
    """Print and return the microseconds of processor time per passport, the best of some times."""
    each = float("inf")
    for _ in range(times):
        start = time.process_time()
        count = run()
        each = min(each, (time.process_time() - start) / count * 1e6)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:<52} {each:8.0f} us each {1e6 / each:8,.0f} /s   peak {peak:,.0f} MiB{note}")
    return each


def main() -> int:
    """Run all, print one line each, and the ratios against what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--target", default="battery-pass")
    parser.add_argument("--each-own", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, part = folder / "in.jsonl", folder / "part.jsonl"
        with path.open("wb") as sink:
            for number in range(arguments.count):
                value = passports.catenax(number)
                sink.write(dumps(own(value, number) if arguments.each_own else value) + b"\n")
        with path.open("rb") as lines, part.open("wb") as sink:
            sink.writelines(line for line, _ in zip(lines, range(PART), strict=False))
        to_json(part, folder / "out.jsonl", arguments.target)
        print(f"{arguments.count:,} passports of {path.stat().st_size / arguments.count:,.0f} bytes")
        least = timed("orjson and compiled schema, no tables", lambda: yardstick(path), times=3)
        timed("read, map into Arrow", lambda: to_arrow(path))
        parquet = timed("read, map, Parquet", lambda: to_parquet(path, folder))
        whole = timed(f"read, check, map, write {arguments.target}", lambda: to_json(path, folder / "out.jsonl", arguments.target))
        note = f"   (from {PART} passports)"
        ours = timed("json and python jsonschema, our schema", lambda: by_the_book(part, spec.schema(FORMAT.schema)), note)
        book = ours
        if OFFICIAL.is_file():
            published = json.loads(OFFICIAL.read_text("utf-8"))
            book = timed("json and python jsonschema, the published schema", lambda: by_the_book(part, published), note)
    print(f"all of it      {whole / least:6.1f} times the yardstick, at most {AT_MOST_ALL:g} asked for")
    print(f"into Parquet   {parquet / least:6.1f} times the yardstick, at most {AT_MOST_PARQUET:g} asked for")
    print(f"by the book    {book / whole:6.1f} times all of it, at least {AT_LEAST_BOOK:g} asked for ({ours / whole:.1f} with our schema)")
    print(f"{1e6 / whole:,.0f} passports per second and core: {FLEET * whole / 3.6e9:.1f} hours for {FLEET / 1e6:g} million on one core")
    return int(whole > AT_MOST_ALL * least or parquet > AT_MOST_PARQUET * least or book < AT_LEAST_BOOK * whole)


if __name__ == "__main__":
    raise SystemExit(main())
