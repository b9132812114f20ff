"""Passport attributes from production tables."""

# ruff: noqa: E501 - a message reads better with one element to the line

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bdx import canon, mapping, spec
from bdx.canon import Log
from bdx.derive.production import Produced, batteries
from bdx.formats import b2mml
from bdx.formats.source import Source

LINE = Path(__file__).resolve().parents[1] / "fixtures/world/line.xml"


def line() -> tuple[dict[str, pa.Table], Log]:
    log = Log()
    facts = spec.format_spec("b2mml")
    found: dict[str, list[pa.RecordBatch]] = {}
    parts = b2mml.read(Source(str(LINE), log), facts)
    for chunk in mapping.to_canonical(parts, facts, mapping.Context("line.xml", "s1", log)):
        for name, batch in chunk.items():
            found.setdefault(name, []).append(batch)
    return {name: pa.Table.from_batches(batches) for name, batches in found.items()}, log


def made(**tables: list[dict[str, Any]]) -> dict[str, pa.Table]:
    return {name: pa.Table.from_batches([canon.from_rows(name, rows)]) for name, rows in tables.items()}


def item(name: str, /, **facts: Any) -> dict[str, Any]:
    return {"item_id": name, "granularity": "serial", "serial_number": name, "produced_by_step_run_id": "S", **facts}


def edge(source: str, target: str, quantity: float | None = None, unit: str | None = None, estimated: bool = False) -> dict[str, Any]:
    return {
        "input_item_id": source, "output_item_id": target, "relation": "assembled", "quantity": quantity, "unit": unit,
        "match_basis": "declared", "is_estimated": estimated,
    }  # fmt: skip


def values(found: Produced) -> dict[str, Any]:
    return {derived.column: derived.value for derived in found.attributes}


def test_the_story() -> None:
    tables, log = line()
    (pack,) = batteries(tables, None)
    assert pack.serial == pack.item_id == "BX36-000042"
    assert values(pack) == {
        "serial_number": "BX36-000042",
        "batch_number": "LOT-PACK-2640",
        "model_id": "BX36-14",
        "manufacturing_date": date(2026, 10, 2),
        "facility_id": "PLANT-1",
        "battery_mass_kg": 3.12,
    }
    assert pack.materials == [
        {"name": "Housing, aluminium", "mass_kg": 0.31, "lot_id": "HOUSING-L7"},
        {"name": "Busbars, copper", "mass_kg": 0.085, "lot_id": "BUSBAR-L3"},
        {"name": "Electrolyte LP57", "mass_kg": 0.224, "lot_id": "EL-L56"},
    ]
    by = {derived.column: derived for derived in pack.attributes}
    assert by["manufacturing_date"].by == "item_date"
    assert "SR-3001" in by["manufacturing_date"].inputs
    assert {found.code for found in log.findings} == {"M042", "M050"}
    assert [found.count for found in log.findings] == [1, 1]
    cells = [row["input_item_id"] for row in tables["genealogy"].to_pylist() if row["output_item_id"] == pack.item_id]
    assert len([name for name in cells if name.startswith("BX-C-")]) == 40


def test_items_asked_for_by_serial() -> None:
    tables, _ = line()
    assert [found.serial for found in batteries(tables, {"BX-C-000003", "nobody"})] == ["BX-C-000003"]
    assert batteries(tables, {"nobody"}) == []
    assert batteries(tables, set()) == []


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({"P": "pack", "M": "module", "C": "cell"}, ["P"]),
        ({"M": "module", "C": "cell"}, ["M"]),
        ({"C": "cell", "D": "cell"}, ["C", "D"]),
        ({"X": "stack", "Y": "scrap", "Z": "sample"}, ["X"]),
        ({"Y": "scrap"}, []),
    ],
)
def test_the_largest_kind_is_finished(kinds: dict[str, str], expected: list[str]) -> None:
    tables = made(item=[item(name, item_kind=kind) for name, kind in kinds.items()])
    assert [found.item_id for found in batteries(tables)] == expected


def test_what_was_used_up_or_never_made_is_not_finished() -> None:
    rows = [item("A", item_kind="cell"), item("B", item_kind="cell"), item("C", item_kind="cell", produced_by_step_run_id=None)]
    tables = made(item=rows, genealogy=[edge("A", "B")])
    assert [found.item_id for found in batteries(tables)] == ["B"]
    assert [found.item_id for found in batteries(made(item=rows, genealogy=[edge("A", "A")]))] == ["A", "B"]


def test_cycles_and_estimated_edges() -> None:
    tables = made(
        item=[item("P", item_kind="pack"), item("C"), item("D"), item("L", granularity="lot", serial_number=None, lot_id="L", name="Lot"), item("E", granularity="lot")],
        genealogy=[edge("C", "P"), edge("D", "C"), edge("C", "D"), edge("L", "C", 100, "g"), edge("L", "D", 0.2, "kg"), edge("E", "P", 5, "kg", True), edge("L", "P", 3, "1")],
    )  # fmt: skip
    (pack,) = batteries(tables, {"P"})
    assert pack.materials == [{"name": "Lot", "mass_kg": 0.3, "lot_id": "L"}]


def test_a_shared_lot_is_not_followed_further() -> None:
    rows = [item("P", item_kind="pack"), item("ROLL", granularity="lot"), item("SLURRY", granularity="lot")]
    tables = made(item=rows, genealogy=[edge("ROLL", "P", 0.1, "kg"), edge("SLURRY", "ROLL", 500, "kg")])
    assert [row["name"] for row in batteries(tables)[0].materials] == ["ROLL"]


def test_the_day_is_the_one_the_plant_wrote() -> None:
    step = {"step_run_id": "S", "step_code": "pack_assembly", "ended_raw": "2026-10-02T00:30:00+02:00", "site_id": "PLANT-1"}
    produced = datetime(2026, 10, 1, 22, 30, tzinfo=UTC)
    rows = [item("P", item_kind="pack", produced_at=produced)]
    assert values(batteries(made(item=rows, process_step=[step]))[0])["manufacturing_date"] == date(2026, 10, 2)
    assert values(batteries(made(item=rows))[0])["manufacturing_date"] == date(2026, 10, 1)


def test_rows_of_one_item_are_merged_and_a_mass_may_be_measured_later() -> None:
    rows = [item("P", produced_by_step_run_id=None, name="Pack"), item("P", granularity=None, item_kind="pack")]
    result = {
        "result_id": "T",
        "item_id": "P",
        "characteristic_code": "mass",
        "characteristic_name_raw": "mass",
        "value_num": 3.1,
        "unit": "kg",
    }
    (pack,) = batteries(made(item=rows, quality_result=[result]))
    assert values(pack)["battery_mass_kg"] == 3.1


def test_nothing_comes_of_nothing() -> None:
    assert batteries({}) == []
    assert batteries(made(item=[])) == []


def test_long_chains_and_order_do_not_matter() -> None:
    names = [f"N{number}" for number in range(3_000)]
    rows = [item(name) for name in names] + [item("P", item_kind="pack"), item("L", granularity="lot", lot_id="L")]
    edges = [edge(a, b) for a, b in zip(names, [*names[1:], "P"], strict=True)] + [edge("L", "N0", 1, "kg")]
    random.Random(1).shuffle(edges)
    random.Random(2).shuffle(rows)
    (pack,) = batteries(made(item=rows, genealogy=edges), {"P"})
    assert [row["mass_kg"] for row in pack.materials] == [1.0]
