"""Which of several values stands: in child rows as in records, by rank, by order, as --prefer asks; and what evidence says of it."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from bdx.canon import Chunk, Log
from bdx.derive.claims import Claim
from bdx.derive.derived import Derived
from bdx.derive.merge import merge
from bdx.pipeline.converting import convert


def claim(source: str, children: dict[str, list[dict[str, Any]]], rank: int, method: str, by: str = "") -> Claim:
    rests = {table: [Derived("", None, by, f"of {source}", f"item[{source}]", "3")] * len(rows) for table, rows in children.items() if by}
    founds = method == "declared"
    return Claim(source, source, method, rank, ("A1",), [Derived("serial_number", "A1", "", "")], children, founds=founds, rests=rests)


def merged(table: str, declared: list[dict[str, Any]], derived: list[dict[str, Any]], rank: int = 2) -> tuple[Chunk, Log]:
    """Return what merging a declared and a derived claim gives, the declared one of rank 1."""
    log = Log()
    claims = [claim("sheet", {table: declared}, 1, "declared"), claim("line", {table: derived}, rank, "derived", "consumed_mass")]
    return merge(claims, log), log


def values(chunk: Chunk, table: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in chunk[table].to_pylist()]


def evidence(chunk: Chunk, key: str, column: str) -> tuple[Any, ...]:
    (row,) = [row for row in chunk["evidence"].to_pylist() if (row["key"], row["column"]) == (key, column)]
    return row["method"], row["source_id"], row["by"], row["rows"], row["version"]


def test_a_value_that_fills_a_row_keeps_its_own_evidence() -> None:
    chunk, log = merged("material", [{"name": "Graphite", "component": "anode"}], [{"name": "graphite", "mass_kg": 0.8}])
    assert values(chunk, "material", "name", "component", "mass_kg") == [("Graphite", "anode", 0.8)]
    assert evidence(chunk, "A1#1", "component") == ("declared", "sheet", None, None, None)
    assert evidence(chunk, "A1#1", "mass_kg") == ("derived", "line", "consumed_mass", "item[line]", "3")
    assert log.findings == []


@pytest.mark.parametrize(("rank", "kept", "why"), [(2, 0.8, "derived from production before declared"), (0, 2.0, "declared before")])
def test_rank_decides_between_values_of_child_rows(rank: int, kept: float, why: str) -> None:
    chunk, log = merged("material", [{"name": "Graphite", "mass_kg": 2.0}], [{"name": "Graphite", "mass_kg": 0.8}], rank)
    assert values(chunk, "material", "mass_kg") == [(kept,)]
    (found,) = log.findings
    assert found.code == "M061"
    assert f"kept {kept}, {why}" in found.message and "A1, Graphite" in found.message
    assert evidence(chunk, "A1#1", "mass_kg")[0] == ("derived" if kept == 0.8 else "declared")


def test_a_metal_has_one_row_of_recycled_content() -> None:
    said = [{"material": "nickel", "pre_consumer_percent": 16.0, "post_consumer_percent": 4.0}]
    made = [{"material": "nickel", "pre_consumer_percent": 6.0, "post_consumer_percent": 4.0, "total_percent": 10.0}]
    columns = ("pre_consumer_percent", "post_consumer_percent", "total_percent")
    assert values(merged("recycled_content", said, made)[0], "recycled_content", *columns) == [(6.0, 4.0, 10.0)]
    chunk, log = merged("recycled_content", said, made, rank=0)
    assert values(chunk, "recycled_content", *columns) == [(16.0, 4.0, None)], "parts of one and the total of the other do not add up"
    assert [found.code for found in log.findings] == ["M061"]


def test_a_total_goes_with_the_parts_that_gave_way() -> None:
    said = [{"material": "nickel", "pre_consumer_percent": 16.0, "post_consumer_percent": 4.0, "total_percent": 20.0}]
    chunk, _ = merged("recycled_content", said, [{"material": "nickel", "pre_consumer_percent": 6.0, "post_consumer_percent": 4.0}])
    assert values(chunk, "recycled_content", "pre_consumer_percent", "total_percent") == [(6.0, None)]


def test_rows_of_one_name_and_another_unit_stay_two() -> None:
    said = [{"stage": "total", "value": 60, "functional_unit": "kwh"}]
    made = [{"stage": "total", "value": 900, "functional_unit": "piece"}]
    chunk, log = merged("carbon_footprint", said, made)
    assert values(chunk, "carbon_footprint", "value") == [(60,), (900,)]
    assert log.findings == []


def test_equal_rows_of_two_sources_are_one_and_those_of_one_source_stay() -> None:
    report = {"role": "test_report", "url": "https://docs.example.com/r.pdf"}
    assert merged("document", [report], [report])[0]["document"].num_rows == 1
    assert merged("document", [report, report], [])[0]["document"].num_rows == 2


SHEETS = {"a.csv": 10.0, "b.csv": 11.0, "c.csv": 12.0}


@pytest.mark.parametrize("order", list(permutations(SHEETS)), ids=" ".join)
@pytest.mark.parametrize("prefer", [(), ("b.csv",), ("c.csv", "a.csv")], ids=" ".join)
@pytest.mark.parametrize("base", [None, "c.csv"])
def test_of_three_sources_the_preferred_or_first_one_wins(
    order: tuple[str, ...], prefer: tuple[str, ...], base: str | None, tmp_path: Path
) -> None:
    """One of them may be a passport, which the others are then joined to wherever it is named."""
    paths = {}
    for name, capacity in SHEETS.items():
        paths[name] = tmp_path / name
        paths[name].write_text(f"serial_number,battery_category,rated_capacity_ah\nA1,lmt,{capacity}\n")
    if base is not None:
        convert([paths[base]], tmp_path / "base.jsonl", to="idta-02035")
        paths[base] = tmp_path / "base.jsonl"
    result = convert([paths[name] for name in order], tmp_path / "o.jsonl", to="idta-02035", prefer=[str(paths[name]) for name in prefer])
    strongest = [*prefer, *(name for name in order if name not in prefer)]
    document = json.loads((tmp_path / "o.jsonl").read_text("utf-8"))
    assert document["TechnicalData"]["TechnicalPropertyAreas"]["CapacityEnergyVoltage"]["RatedCapacity"] == SHEETS[strongest[0]]
    told = [found.message for found in result.findings if found.code == "M061"]
    assert len(told) == 2
    for message in told:
        for name, capacity in SHEETS.items():
            assert f" {capacity} in " not in message or f" {capacity} in {paths[name]}" in message, message
