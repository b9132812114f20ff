"""Every instrument file with an expected reading beside the repository is detected by its bytes and agrees with that reading.

python tests/test_samples.py [part of a path]     prints the table of all of them
"""

import csv
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bdx.errors import BdxError
from bdx.pipeline.reading import ReadOptions, chunks, open_source

SHARED = Path(__file__).resolve().parents[2] / "shared"
TABLE = SHARED / "research/instrument_samples.tsv"
COLUMNS = {"t_s": "test_time_second", "V": "voltage_volt", "I_A": "current_ampere"}
NUMBER = r"(-?[0-9.]+(?:e[-+]?[0-9]+)?|nan)"

REFUSED = {
    "maccor_procedure/EXP.000": "procedure",
    "biologic_mpr/250116_kigr_gen6_01_01_GCPL_CD8.mpl": "log",
    "neware_xlsx/Experiment_Record.xlsx": "workbook",
    "not_data/PredictionDiagnostics_parameters.csv": "no known format",
    "not_data/unsupported_test.csv": "no known format",
    "arbin_csv/FastCharge_000025_CH8_Metadata.csv": "no known format",
    "generic_csv/custom_missing_column.csv": "voltage",
    "neware_ndc_loose/20250128_161756_270120_0_69_33_es.ndc": "instead",
    "neware_ndc_loose/20250128_161756_270120_0_69_33_log.ndc": "instead",
    "neware_ndc_loose/20250128_161756_270120_0_69_33_runInfo.ndc": "instead",
    "neware_ndc_loose/20250128_161756_270120_0_69_33_step.ndc": "instead",
}
"""Files that hold no records of a test, or only a part of them, and a word of the message that says so."""

OTHERWISE = {
    "neware_csv/flat.csv": "its only time is that within the step; a test time is not made up",
    "maccor/maccor_two.txt": "its last line is cut in the middle of the current; it is left out and named",
    "repower/basic_repower.csv": "the second row discharges by its state, so its current is negative",
}
"""Where the expected reading is a plain parse of the text and ours differs on purpose."""


def wanted(text: str) -> dict[str, Any]:
    """Return rows and first, last, least and largest value of the columns that an expected reading names."""
    rows = re.search(r"rows=(\d+)", text)
    found: dict[str, Any] = {"rows": int(rows[1])} if rows else {}
    for key, column in COLUMNS.items():
        match = re.search(rf"\b{key}={NUMBER}\.\.{NUMBER}(?: \[min {NUMBER} max {NUMBER}\])?", text)
        if match:
            found[column] = [None if value in (None, "nan") else float(value) for value in match.groups()]
    return found


def faults(path: Path, expected: str) -> tuple[list[str], str, int, list[str]]:
    """Return how our reading differs from the expected one, the format, the rows and the findings."""
    opened = open_source(str(path), 1, ReadOptions())
    batches = [chunk["timeseries"] for chunk in chunks(opened, ReadOptions()) if "timeseries" in chunk]
    table = pa.Table.from_batches(batches) if batches else pa.table({})
    wish = wanted(expected)
    found = []
    if wish.pop("rows", table.num_rows) != table.num_rows:
        found.append(f"{table.num_rows} rows")
    for column, values in wish.items():
        if column not in table.column_names:
            found.append(f"no {column}")
            continue
        ours = table.column(column)
        span = pc.min_max(ours).as_py()
        if not all(near(a, b) for a, b in zip([ours[0].as_py(), ours[-1].as_py(), span["min"], span["max"]], values, strict=True)):
            found.append(f"{column}: {ours[0]}..{ours[-1]} [{span['min']} {span['max']}]")
    codes = sorted({finding.code for finding in opened.log.findings})
    return found, opened.format.id, table.num_rows, codes


def near(found: float | None, expected: float | None) -> bool:
    """Expected readings hold seven digits."""
    return expected is None or (found is not None and abs(found - expected) <= 2e-6 * max(abs(found), abs(expected)) + 6e-7)


def cases() -> list[tuple[str, str]]:
    """Return (path below samples/instrument, expected reading) of every file that is there."""
    if not TABLE.is_file():
        return []
    with TABLE.open(encoding="utf-8") as file:
        rows = [
            (row["dest"], row["expected"] or "")
            for row in csv.DictReader(file, delimiter="\t")
            if row["dest"] and "_bad/" not in row["dest"]
        ]
    return sorted((dest.removeprefix("samples/instrument/"), expected) for dest, expected in rows if (SHARED / dest).is_file())


@pytest.mark.skipif(not TABLE.is_file(), reason="the sample files are not beside the repository")
@pytest.mark.parametrize(("name", "expected"), cases(), ids=lambda value: value if "/" in value and " " not in value else "")
def test_a_sample_agrees_with_its_expected_reading(name: str, expected: str) -> None:
    path = SHARED / "samples/instrument" / name
    if name in REFUSED:
        with pytest.raises(BdxError, match=REFUSED[name]):
            faults(path, expected)
        return
    found = faults(path, expected)[0]
    assert bool(found) == (name in OTHERWISE), found


def main(part: str) -> None:
    print("| file | format | rows | findings | agrees |\n|---|---|---|---|---|")
    for name, expected in cases():
        if part not in name:
            continue
        try:
            found, form, rows, codes = faults(SHARED / "samples/instrument" / name, expected)
            verdict = "yes" if not found else OTHERWISE.get(name, "**" + "; ".join(found) + "**")
            print(f"| {name} | {form} | {rows:,} | {' '.join(codes)} | {verdict} |")
        except BdxError as error:
            print(f"| {name} | | | | refused: {str(error).rpartition('instrument/')[2].partition(': ')[2][:120]} |")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
