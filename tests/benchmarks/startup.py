"""Start-up of the command against `import click`, as whole processes in turn: prints medians and their ratio."""

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
    pairs = {"bdx --version": [bdx, "--version"], "bdx --help": [bdx, "--help"], "import click": [sys.executable, "-c", "import click"]}
    taken: dict[str, list[float]] = {name: [] for name in pairs}
    for number in range(runs + 2):
        for name, command in pairs.items():
            value = seconds(command)
            if number >= 2:
                taken[name].append(value)
    base = statistics.median(taken["import click"])
    for name, values in taken.items():
        median = statistics.median(values)
        print(f"{name:14} median {median * 1000:6.1f} ms   ratio to import click {median / base:.2f}")


if __name__ == "__main__":
    main()
