"""What `validate` says of files that real instruments, factories and passport models wrote: a table of codes, and the share spoken of.

    python tests/benchmarks/false_findings.py [FOLDER]

FOLDER holds instrument/, mes/ and passport/; by default it is looked for beside the repository. Files that are no data of a known
format (notes, schemas, settings) are counted apart. Not every finding is false: some files are cut or broken, which the table shows.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bdx.canon import SEVERITIES, Finding
from bdx.errors import BdxError
from bdx.pipeline.checking import validate

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"
WORLDS = ("instrument", "mes", "passport")
APART = "expected"
"""A folder of readings by other programs, not of source files."""
LARGEST = 20_000_000


@dataclass
class Seen:
    """The files of one world: how many were read, and the codes said of them."""

    read: int = 0
    passed_over: int = 0
    loud: int = 0
    errors: int = 0
    files: Counter[str] = field(default_factory=Counter)
    severities: dict[str, str] = field(default_factory=dict)
    first: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, path: Path, found: list[Finding]) -> None:
        """Count one file."""
        self.read += 1
        self.loud += any(finding.severity != "info" for finding in found)
        self.errors += any(finding.severity == "error" for finding in found)
        for finding in found:
            self.severities[finding.code] = finding.severity
            self.first.setdefault(finding.code, (path.name, finding.message))
        self.files.update({finding.code for finding in found})


def look(folder: Path) -> Seen:
    """Validate every file of a folder."""
    seen = Seen()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and APART not in path.parts):
        if path.stat().st_size > LARGEST:
            seen.passed_over += 1
            continue
        try:
            result = validate([path], allow_empty=True)
        except BdxError:
            seen.passed_over += 1
            continue
        if result.sources:
            seen.add(path, result.findings)
        else:
            seen.passed_over += 1
    return seen


def show(world: str, seen: Seen) -> None:
    """Print the table of one world."""
    print(f"\n{world}: {seen.read} files read, {seen.passed_over} of no known format or not whole")
    print("| severity | code | files | first file | what it says |\n|---|---|---|---|---|")
    order = sorted(seen.files, key=lambda code: (-SEVERITIES.index(seen.severities[code]), -seen.files[code], code))
    for code in order:
        name, message = seen.first[code]
        print(f"| {seen.severities[code]} | {code} | {seen.files[code]} | {name} | {message[:100].replace('|', '/')} |")
    if seen.read:
        print(f"files with an error: {100 * seen.errors / seen.read:.1f} %; with an error or warning: {100 * seen.loud / seen.read:.1f} %")


def main(words: list[str]) -> int:
    """Print a table per world."""
    started = time.perf_counter()
    samples = Path(words[0]) if words else SAMPLES
    worlds = [world for world in WORLDS if (samples / world).is_dir()]
    if not worlds:
        print(f"skipped: no folder of samples at {samples}")
        return 0
    for world in worlds:
        show(world, look(samples / world))
    print(f"\n{time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
