"""How many planted faults are found: each fault of fixtures/planted in clean data, what is expected and what is said.

    python tests/benchmarks/planted_faults.py [WORD...]

WORDs choose faults by family or part of the name. Prints a Markdown table, the share found by a right code (in all, per family, and
loudly: as an error or warning), how many codes a fault raises, and what is not found with the reason.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from planting import run


@dataclass
class Verdict:
    """What was said of one fault."""

    fault: run.Fault
    codes: list[str]
    loud: list[str]

    @property
    def found(self) -> bool:
        """Whether one of the right codes is among them."""
        return bool(set(self.codes) & set(self.fault.codes))

    @property
    def aloud(self) -> bool:
        """Whether it is as an error or a warning."""
        return bool(set(self.loud) & set(self.fault.codes))

    @property
    def beside(self) -> int:
        """How many other codes the one fault raises as error or warning."""
        return len(set(self.loud) - set(self.fault.codes))


def judge(fault: run.Fault) -> Verdict:
    """Plant a fault, validate, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        found = run.findings(run.plant(fault, Path(folder) / "planted"), fault)
    return Verdict(fault, run.seen(found), run.seen(found, loud=True))


def clean() -> list[str]:
    """Return the bases and layouts that raise an error or warning before anything is planted."""
    loud = []
    for (base, layout), fault in {(fault.base, fault.layout): fault for fault in run.faults()}.items():
        with tempfile.TemporaryDirectory() as folder:
            plain = run.Fault("", "", base, (), layout=layout)
            codes = run.seen(run.findings(run.clean(fault, Path(folder) / "clean"), plain), loud=True)
        loud += [f"{base} {layout}: {', '.join(codes)}"] if codes else []
    return loud


def show(verdicts: list[Verdict]) -> None:
    """Print the table and the totals."""
    print("| fault | planted in | right codes | codes said | found |\n|---|---|---|---|---|")
    for verdict in verdicts:
        fault = verdict.fault
        where = f"{fault.base} {fault.layout}" if run.bases()[fault.base].make else fault.base
        word = "yes" if verdict.aloud else "as a remark" if verdict.found else "**no**"
        print(f"| {fault.family}: {fault.name} | {where} | {' '.join(fault.codes)} | {' '.join(verdict.codes)} | {word} |")
    print()
    families = list(dict.fromkeys(verdict.fault.family for verdict in verdicts))
    for family in [*families, ""]:
        mine = [verdict for verdict in verdicts if not family or verdict.fault.family == family]
        found, loud = sum(verdict.found for verdict in mine), sum(verdict.aloud for verdict in mine)
        share = f"{found} of {len(mine)} found ({100 * found / len(mine):.1f} %), {loud} as error or warning"
        print(f"{family or 'all'}: {share}")
    more = Counter(verdict.beside for verdict in verdicts if verdict.found)
    print(f"other errors or warnings beside the right one: {', '.join(f'{count} faults with {n}' for n, count in sorted(more.items()))}")
    for verdict in verdicts:
        if not verdict.found:
            print(f"not found: {verdict.fault.family}: {verdict.fault.name}: {verdict.fault.what} {verdict.fault.open}")


def main(words: list[str]) -> int:
    """Print all of it; return 1 where a fault that is not known to stay unseen is not found."""
    started = time.perf_counter()
    chosen = [fault for fault in run.faults() if not words or any(word in f"{fault.family}: {fault.name}" for word in words)]
    verdicts = [judge(fault) for fault in chosen]
    show(verdicts)
    loud = clean()
    print(f"clean data with an error or warning: {'; '.join(loud) if loud else 'none'}; {time.perf_counter() - started:.0f} s")
    return int(bool(loud) or any(not verdict.found and not verdict.fault.open for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
