"""How long merging takes at scale and how much memory: `python tests/benchmarks/merge.py [RECORDS] [CYCLER_FILES] [--jobs N]`.

A master table of RECORDS batteries, so many cycler files named after channels, production data of as many cells, and a map of names
become passports on JSON lines.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import tempfile
import time
from pathlib import Path

from bdx.pipeline.converting import convert

HEAD = (
    "serial_number,battery_id,passport_id,model_id,model_name,battery_category,battery_status,battery_chemistry,nominal_voltage_v,"
    "min_voltage_v,max_voltage_v,rated_capacity_ah,battery_mass_kg,manufacturer_name,manufacturer_id,manufacturer_country,"
    "economic_operator_id,economic_operator_name,manufacturing_date,warranty_period_months,expected_lifetime_cycles"
)


def master(path: Path, records: int) -> None:
    """Write the master table."""
    with path.open("w") as file:
        file.write(HEAD + "\n")
        for number in range(records):
            serial = f"BX36-{number:07d}"
            file.write(
                f"{serial},https://id.example.com/01/04012345000009/21/{serial},urn:uuid:6d8f3c52-4b7e-4c7c-9a56-{number:012d},BX36-14,"
                "BX36 e-bike pack 14 Ah,lmt,original,NMC,36,30,42,14,3.1,Beispiel Akku GmbH,DE-BEISPIEL-01,DE,DE-BEISPIEL-01,"
                "Beispiel Akku GmbH,2026-10-01,24,800\n"
            )


def cycler(path: Path, number: int, cycles: int = 3) -> None:
    """Write a test with full cycles between 30 V and 42 V, a row a minute."""
    capacity = 14.0 * (1 + (number % 20 - 10) / 1000)
    lines = ["Test Time / s,Voltage / V,Current / A,Cycle Count / 1"]
    moment = 0
    for cycle in range(1, cycles + 1):
        for current in (capacity / 2, -capacity / 2):
            for step in range(121):
                share = step / 120 if current > 0 else 1 - step / 120
                lines.append(f"{moment},{30 + 12 * share:.4f},{current:.5f},{cycle}")
                moment += 60
    path.write_text("\n".join(lines) + "\n")


def world(folder: Path, records: int, files: int) -> list[str]:
    """Write all sources and return their names."""
    master(folder / "master.csv", records)
    (folder / "cycler").mkdir()
    (folder / "mes").mkdir()
    serials = [f"BX36-{(number * max(records // max(files, 1), 1)):07d}" for number in range(files)]
    for number in range(files):
        cycler(folder / "cycler" / f"channel_{number:04d}.csv", number)
    items = ["item_id,item_kind,granularity,serial_number,lot_id,mass_kg,produced_by_step_run_id,produced_at"]
    items += [f"mes-{n},pack,serial,{s},LOT-1,3.105,step-{n},2026-10-01T10:00:00Z" for n, s in enumerate(serials)]
    (folder / "mes" / "item.csv").write_text("\n".join(items) + "\n")
    names = ["serial_number;channel;order item"]
    names += [f"{serial};channel_{number:04d};mes-{number}" for number, serial in enumerate(serials)]
    (folder / "ids.csv").write_text("\n".join(names) + "\n")
    return [str(folder / name) for name in ("cycler", "mes", "master.csv")]


def main() -> None:
    """Print seconds, records per second, peak memory and the digest of what was written."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("records", type=int, nargs="?", default=100_000)
    arguments.add_argument("files", type=int, nargs="?", default=200)
    arguments.add_argument("--jobs", type=int, default=0)
    arguments.add_argument("--second", action="store_true", help="a second table that speaks of every battery, in another order")
    arguments.add_argument("--no-evidence", action="store_true")
    arguments.add_argument("--target", default="idta-02035")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = world(folder, asked.records, asked.files)
        if asked.second:
            rows = [f"BX36-{number:07d},24,8,-20,3.11" for number in range(asked.records)]
            random.Random(1).shuffle(rows)
            header = "serial_number,warranty_period_months,expected_lifetime_years,idle_temperature_min_c,battery_mass_kg"
            (folder / "second.csv").write_text("\n".join([header, *rows]) + "\n")
            sources.append(str(folder / "second.csv"))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start = time.perf_counter()
        out = folder / "passports.jsonl"
        evidence = None if asked.no_evidence else ""
        result = convert(sources, out, to=asked.target, ids=folder / "ids.csv", jobs=asked.jobs, evidence=evidence)
        spent = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        digest = hashlib.sha256(out.read_bytes()).hexdigest()[:16] if asked.records <= 200_000 else ""
        codes = sorted({f"{found.code} x{found.count}" for found in result.findings})
        print(f"{result.rows.get('battery', 0):,} passports of {asked.files} cycler files in {spent:.1f} s, {asked.records / spent:,.0f}/s")
        print(f"peak {peak:,.0f} MB (before {before:,.0f}); {digest}; findings: {', '.join(codes)}")


if __name__ == "__main__":
    main()
