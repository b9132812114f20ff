"""Documents against a JSON Schema: bdx against python jsonschema, on a valid document and on mutated ones.

    python tests/benchmarks/schemas.py [--schema FILE --example FILE]... [--mutated 1000] [--lines 20000] [--limit 50]

Without files it takes the schema and the passport of this repository. "given" is the path of `bdx validate --schema`, "own" the
one that a passport takes through the schema of its own model (where bdx has it). Each is fed parsed documents and writes its
findings to a log. Last the whole command, rules and all, on `--lines` valid passports as JSON lines, with the last of the schemas,
against python jsonschema alone after `json.loads` (timed over 200 of them). Exit code 1 below the limit, or where verdicts differ.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from jsonschema.validators import validator_for

from bdx import formats, spec
from bdx.canon import Document, Log
from bdx.pipeline.reading import ReadOptions, open_source
from bdx.rules.documents import DocumentCheck
from bdx.rules.user_schema import UserSchema

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fixtures/make"))
import passports

OWN = "schemas/catenax-battery-pass@6.1.0.json"
PART = 200
JUNK: tuple[Any, ...] = (None, True, 0, -1, 1.5, "", "x" * 120, "2026-01-01", [], {}, ["x"], ["x", "x"], [{"a": 1}, {"a": 1}], "LMT", 1e10)


def each(run: Callable[[Any], object], value: Any, times: int) -> float:
    """Return the least microseconds per document of three rounds."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(times):
            run(value)
        best = min(best, (time.perf_counter() - start) / times)
    return best * 1e6


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every holder and key below a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [pair for key, item in pairs for pair in ((value, key), *places(item))]


def mutated(value: Any, chance: random.Random) -> Any:
    """Return a copy with one to four values taken out or replaced."""
    found = copy.deepcopy(value)
    for _ in range(chance.choice((1, 1, 2, 4))):
        holder, key = chance.choice(places(found) or [({"": 0}, "")])
        if chance.random() < 0.3:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(chance.choice(JUNK))
    return found


def as_read(example: Path) -> Document | None:
    """Return a document as its reader yields it, None where bdx has no schema for its model."""
    opened = open_source(str(example), 1, ReadOptions())
    part = next(iter(formats.read(opened.source, opened.format)))
    return part if isinstance(part, Document) and spec.model(part.name).schema else None


def judge(path: Path, example: Path, count: int) -> tuple[float, int]:
    """Print how fast one schema judges its example; return the ratio, and on how many mutated documents the verdicts differ."""
    schema, value = json.loads(path.read_text("utf-8")), json.loads(example.read_text("utf-8"))
    reference, mine = validator_for(schema)(schema), UserSchema(path)
    if not reference.is_valid(value):
        raise SystemExit(f"{example} does not follow {path}")
    log = Log()
    book = each(reference.is_valid, value, 30)
    given = each(lambda it: mine.check([Document("x", it)], log, "x"), value, 3000)
    print(f"{path.parent.name}/{path.name}: {example.stat().st_size:,} bytes; python jsonschema {book:,.0f} us")
    print(f"  given {given:6.1f} us, ratio {book / given:4.0f}")
    document = as_read(example)
    if document is not None:
        own = DocumentCheck(log, "x")
        took = each(lambda it: own.check([it]), document, 3000)
        print(f"  own   {took:6.1f} us, ratio {book / took:4.0f} ({document.name}, {own.failed} failed)")
    chance, valid, differ = random.Random(3), 0, 0
    for _ in range(count):
        other = mutated(value, chance)
        verdict = reference.is_valid(other)
        valid += verdict
        differ += (not mine.check([Document("x", other)], Log(), "x")) != verdict
    print(f"  {count:,} mutated: {valid} valid, {count - valid} not; verdicts differ on {differ}")
    return book / given, differ


def command(path: Path, count: int, folder: Path) -> None:
    """Print how long the whole command takes on JSON lines of the story's passports, and its ratio to python jsonschema alone."""
    source = folder / "in.jsonl"
    with source.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(passports.catenax(number), separators=(",", ":")) + "\n" for number in range(count))
    with source.open(encoding="utf-8") as lines:
        texts = list(islice(lines, PART))
    schema = json.loads(path.read_text("utf-8"))
    reference = validator_for(schema)(schema)
    start = time.process_time()
    if not all(reference.is_valid(json.loads(text)) for text in texts):
        raise SystemExit(f"the passports do not follow {path}")
    book = (time.process_time() - start) / len(texts) * count
    for options in ([], ["--schema", str(path)]):
        taken, peak, report = _run([sys.executable, "-m", "bdx", "validate", str(source), *options, "-O", "json"])
        codes = sorted({finding["code"] for finding in report["findings"]})
        name, size = " ".join(("bdx validate", *options[:1])), source.stat().st_size / 1e6
        print(f"{name}: {count:,} passports, {size:.0f} MB: {taken:.2f} s of processor time, peak {peak:.0f} MiB, findings {codes}")
        print(f"  python jsonschema alone {book:.1f} s (from {PART}); ratio {book / taken:.1f}")


def _run(line: list[str]) -> tuple[float, float, Any]:
    """Return the least processor seconds of two runs of a command, its peak MiB and the report it wrote."""
    best, peak, report = float("inf"), 0.0, None
    for _ in range(2):
        with subprocess.Popen(line, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            text = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            raise SystemExit(f"{' '.join(line)} ended with {process.returncode}")
        report = json.loads(text)
        best, peak = min(best, used.ru_utime + used.ru_stime), used.ru_maxrss / 1024
    return best, peak, report


def main() -> int:
    """Print the figures of each schema, and of the command on the last."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--schema", type=Path, action="append", default=[])
    parser.add_argument("--example", type=Path, action="append", default=[])
    parser.add_argument("--mutated", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--limit", type=float, default=50.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        pairs = list(zip(options.schema, options.example, strict=True))
        if not pairs:
            example = Path(name) / "passport.json"
            example.write_text(json.dumps(passports.catenax()), "utf-8")
            pairs = [(spec.root() / OWN, example)]
        results = [judge(*pair, options.mutated) for pair in pairs]
        if options.lines:
            command(pairs[-1][0], options.lines, Path(name))
    return int(any(ratio < options.limit or differ for ratio, differ in results))


if __name__ == "__main__":
    sys.exit(main())
