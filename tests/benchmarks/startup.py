"""Start-up of the command against importing click and pyarrow, as whole processes in turn: prints medians and their ratios."""

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main(runs: int = 21) -> None:
    bdx = shutil.which("bdx", path=str(Path(sys.executable).parent)) or "bdx"
    libraries = "import click", "import numpy, pyarrow, pyarrow.compute, pyarrow.csv"
    pairs = {text: [sys.executable, "-c", text] for text in libraries}
    small = Path(__file__).resolve().parents[2] / "fixtures/formats/bdf-csv/machine-names/input.csv"
    pairs |= {"bdx --version": [bdx, "--version"], "bdx --help": [bdx, "--help"], "bdx validate small.csv": [bdx, "validate", str(small)]}
    taken: dict[str, list[float]] = {name: [] for name in pairs}
    for number in range(runs + 2):
        for name, command in pairs.items():
            value = seconds(command)
            if number >= 2:
                taken[name].append(value)
    click, arrow = (statistics.median(taken[text]) for text in libraries)
    for name, values in taken.items():
        median = statistics.median(values)
        print(f"{name[:40]:40} median {median * 1000:6.1f} ms   x click {median / click:5.2f}   x pyarrow {median / arrow:5.2f}")


if __name__ == "__main__":
    main()
