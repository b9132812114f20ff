"""Counters of instruments against the integral of their series, over all sample files: `python tests/benchmarks/derived_agreement.py`.

Prints file, what the instrument counted, what integrating current and power gives, and the deviation, as a Markdown table; above
0.5 % with what the records show about the reason: how much of the counted charge falls on intervals without records, or on long ones.
Needs the sample files; `--all` lists the files without counters, too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa

from bdx.derive.blocks import QUANTITIES, Blocks
from bdx.derive.cycles import AGREE, Cycles
from bdx.errors import BdxError
from bdx.pipeline.reading import ReadOptions, chunks, open_source

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples" / "instrument"
GAP = 10.0
"""An interval this many times the median one is a gap."""


class Reasons:
    """How the charge counted spreads over intervals, and whether time stands still or runs back while the counter moves."""

    def __init__(self) -> None:
        self._blocks = Blocks(steps=True)
        self._seconds: list[np.ndarray] = []
        self._counted: list[np.ndarray] = []
        self._summed: list[np.ndarray] = []
        self._begins: list[np.ndarray] = []

    def watch(self, batch: pa.RecordBatch) -> None:
        """Take in one batch."""
        for block in self._blocks.cut(batch):
            self._take(block)

    def _take(self, block: object) -> None:
        if block.risen is None:  # type: ignore[attr-defined]
            return
        self._seconds.append(block.columns["time"] - block.before["time"])  # type: ignore[attr-defined]
        self._counted.append(block.risen[:2].sum(axis=0))  # type: ignore[attr-defined]
        self._summed.append(block.integral[:2].sum(axis=0))  # type: ignore[attr-defined]
        self._begins.append(block.new_step)  # type: ignore[attr-defined]

    def finish(self) -> str:
        """Return where counter and integral part, largest part first."""
        for block in self._blocks.rest():
            self._take(block)
        if not self._counted:
            return ""
        seconds, counted, summed = map(np.concatenate, (self._seconds, self._counted, self._summed))
        begins = np.concatenate(self._begins)
        apart = counted - summed
        whole = max(counted.sum(), 1e-300)
        usual = float(np.median(seconds[seconds > 0])) if (seconds > 0).any() else np.nan
        first = np.zeros(len(counted), bool)
        first[0] = True
        parts = {
            "first record of the file carries charge from before it": first,
            "time stands still or runs back": ~first & ~(seconds > 0),
            "first record of a step": ~first & begins & (seconds > 0) & (seconds <= GAP * usual),
            f"intervals over {GAP:g} times the usual {usual:.3g} s": ~first & (seconds > GAP * usual),
            "usual intervals": ~first & ~begins & (seconds > 0) & (seconds <= GAP * usual),
        }
        shares = {name: float(apart[mask].sum()) / whole * 100 for name, mask in parts.items()}
        told = sorted(((name, share) for name, share in shares.items() if abs(share) > 0.05), key=lambda item: -abs(item[1]))
        return "; ".join(f"{name}: {share:+.2f} %" for name, share in told)


def judged(path: Path) -> tuple[list[tuple[str, float, float]], str, int]:
    """Return counted and integrated sums of a file, the reasons for a difference, and its records."""
    options = ReadOptions()
    cycles, reasons, rows = Cycles(steps=True), Reasons(), 0
    for chunk in chunks(open_source(str(path), 1, options), options):
        batch = chunk.get("timeseries")
        if batch is not None:
            cycles.watch(batch)
            reasons.watch(batch)
            rows += batch.num_rows
    cycles.finish("s1")
    return cycles.deviations(), reasons.finish(), rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("folder", nargs="?", type=Path, default=SAMPLES)
    asked = parser.parse_args()
    print("| file | records | " + " | ".join(f"{name}: counted, integrated, deviation" for name in QUANTITIES) + " | where they part |")
    print("|---" * 7 + "|")
    files = apart = without = unread = 0
    for path in sorted(asked.folder.rglob("*")):
        if not path.is_file():
            continue
        try:
            found, why, rows = judged(path)
        except BdxError:
            unread += 1
            continue
        if not any(counted for _, counted, _ in found):
            without += 1
            if asked.all and rows:
                print(f"| {path.relative_to(asked.folder)} | {rows:,} | no counters that moved |")
            continue
        files += 1
        cells, beyond = [], False
        for _, counted, summed in found:
            share = (summed / counted - 1) * 100 if counted else 0.0 if not summed else float("inf")
            off = abs(counted - summed) > AGREE * max(counted, summed)
            beyond = beyond or off
            cells.append(f"{counted:.5g}, {summed:.5g}, {'**' if off else ''}{share:+.3f} %{'**' if off else ''}")
        apart += beyond
        cells += [""] * (len(QUANTITIES) - len(cells))
        print(f"| {path.relative_to(asked.folder)} | {rows:,} | " + " | ".join(cells) + f" | {why if beyond else ''} |")
    print(
        f"\n{files} files with counters: {files - apart} agree within {AGREE * 100:g} %, {apart} do not; {without} without, {unread} unread"
    )


if __name__ == "__main__":
    main()
