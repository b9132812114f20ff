"""Records of an assembly robot: cells, their parts and steps, and records that are odd."""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from making import compared, generator

from bdx.errors import BdxError
from bdx.pipeline.reading import ReadOptions, chunks, open_source

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/formats/aurora-cell-assembly"
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/mes/cell-assembly-json"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="sample files are not here")
MAKE = generator("aurora")
ODD = [None, True, 7, -1.5, "", "x", [], [[]], {}, {"Step": None}, [None], float("1e300"), "2026-03-02 07:00:00 +0100"]


def read(source: Path | bytes) -> tuple[dict[str, list[dict[str, Any]]], Counter[str], str]:
    options = ReadOptions() if isinstance(source, Path) else ReadOptions(from_format="aurora-cell-assembly", stdin=io.BytesIO(source))
    opened = open_source(str(source) if isinstance(source, Path) else "-", 1, options)
    found: dict[str, list[dict[str, Any]]] = {}
    for chunk in chunks(opened, options):
        for name, batch in chunk.items():
            found.setdefault(name, []).extend(batch.to_pylist())
    codes: Counter[str] = Counter()
    for finding in opened.log.findings:
        codes[finding.code] += finding.count
    return found, codes, opened.format.id


def test_fixtures_are_as_the_generator_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MAKE, "CASES", tmp_path / "formats/aurora-cell-assembly")
    MAKE.main()
    assert compared(tmp_path) == (4, [])


def test_a_cell_its_parts_and_what_was_measured_of_them() -> None:
    found, _, format_id = read(FIXTURES / "cells/input.json")
    assert format_id == "aurora-cell-assembly"
    cell = next(row for row in found["item"] if row["serial_number"] == "C002")
    assert (cell["item_kind"], cell["granularity"], cell["produced_by_step_run_id"]) == ("cell", "serial", "260302_pilot_02/7")
    edges = [row for row in found["genealogy"] if row["output_item_id"] == cell["item_id"]]
    assert [(row["input_item_id"], row["role"], row["step_run_id"]) for row in edges] == [
        ("260302_pilot/anode/2", "anode", "260302_pilot_02/2"),
        ("260302_pilot/cathode/8", "cathode", "260302_pilot_02/5"),
        ("260302_pilot/electrolyte/1", "electrolyte", "260302_pilot_02/4"),
    ]
    weight = next(r for r in found["process_parameter"] if r["item_id"] == "260302_pilot/anode/2" and "Weight" in r["parameter_name_raw"])
    assert (weight["parameter_code"], weight["value_raw"], weight["unit_raw"], weight["unit"]) == ("mass", "22.52", "mg", "kg")
    assert weight["value_num"] == pytest.approx(22.52e-6)
    assert {row["role"] for row in found["process_parameter"]} == {"setpoint", "actual", "material_property"}


def test_odd_records_raise_only_errors_of_bdx() -> None:
    chance = random.Random(8)
    for _ in range(150):
        records = [MAKE.record(number) for number in (1, 2)]
        for holder in (records[0], records[1], chance.choice(records[0]["Assembly history"])):
            for key in list(holder):
                if chance.random() < 0.2:
                    holder[key] = chance.choice(ODD)
        try:
            read(json.dumps(records).encode())
        except BdxError:
            continue


@needs_samples
def test_sample() -> None:
    path = SAMPLES / "aurora_240620_kigr_gen2.json"
    records = json.loads(path.read_text("utf-8"))
    found, codes, format_id = read(path)
    assert format_id == "aurora-cell-assembly"
    assert sum(row["item_kind"] == "cell" for row in found["item"]) == len(records) == 36
    assert len(found["process_step"]) == sum(len(record["Assembly history"]) for record in records)
    assert len(found["genealogy"]) == 3 * len(records) and not codes["F313"] and not codes["M049"]
    assert {row["tz_basis"] for row in found["process_step"]} == {"offset"}
    empty = sum(value is None for record in records for key, value in record.items() if key not in ("Comments", "Barcode"))
    assert codes["M047"] == empty == sum(row["quality"] == "missing" for row in found["process_parameter"])
