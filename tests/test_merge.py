"""Several sources, one record: joined on identifiers, precedence explicit, disagreement named, evidence kept."""

from datetime import date
from typing import Any

from bdx.canon import Log
from bdx.derive.derived import Derived
from bdx.derive.merge import Claim, merge


def claim(source: str, values: dict[str, Any], *names: str, rank: int = 1, method: str = "declared", **more: Any) -> Claim:
    return Claim(source, source, method, rank, names, [Derived(column, value, "", "") for column, value in values.items()], **more)


def row(chunk: dict[str, Any], number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = chunk["battery"].to_pylist()[number]
    return found


def test_sources_join_by_serial_and_rank_decides() -> None:
    log = Log()
    chunk = merge(
        [
            claim("master.csv", {"serial_number": "A1", "rated_capacity_ah": 14.0, "model_id": "M"}, "A1"),
            claim("test.ndax", {"rated_capacity_ah": 14.1}, "A1", rank=3, method="measured", founds=False),
        ],
        log,
    )
    assert chunk["battery"].num_rows == 1
    assert row(chunk)["rated_capacity_ah"] == 14.1
    assert row(chunk)["model_id"] == "M"
    assert [found.code for found in log.findings] == ["M064"]
    assert "14.1 (measured, test.ndax) instead of 14.0 (master.csv)" in log.findings[0].message
    evidence = {(r["column"], r["method"], r["source_id"]) for r in chunk["evidence"].to_pylist()}
    assert ("rated_capacity_ah", "measured", "test.ndax") in evidence
    assert ("model_id", "declared", "master.csv") in evidence


def test_disagreement_is_a_finding_with_both_sides() -> None:
    log = Log()
    merge(
        [
            claim("a", {"serial_number": "A1", "manufacturing_date": date(2026, 10, 1)}, "A1"),
            claim("b", {"manufacturing_date": date(2026, 10, 2)}, "A1", rank=2, method="derived"),
        ],
        log,
    )
    (found,) = log.findings
    assert found.code == "M061"
    assert "2026-10-01" in found.message and "2026-10-02" in found.message


def test_two_percent_is_agreement() -> None:
    log = Log()
    merge([claim("a", {"battery_mass_kg": 3.10}, "A1"), claim("b", {"battery_mass_kg": 3.15}, "A1")], log)
    assert not log.findings
    merge([claim("a", {"battery_mass_kg": 3.10}, "A1"), claim("b", {"battery_mass_kg": 3.30}, "A1")], log)
    assert [found.code for found in log.findings] == ["M061"]


def test_a_name_nobody_else_knows_is_left_out_with_the_way_out() -> None:
    log = Log()
    chunk = merge([claim("a", {"serial_number": "A1"}, "A1"), claim("t", {"full_cycles": 3}, "lab-7", rank=3, founds=False)], log)
    assert row(chunk)["full_cycles"] is None
    (found,) = log.findings
    assert (found.code, found.severity) == ("M060", "error")
    assert "--battery A1" in found.message
    assert len(log.losses) == 1


def test_a_claim_without_a_name_joins_the_only_battery() -> None:
    log = Log()
    chunk = merge([claim("a", {"serial_number": "A1"}, "A1"), claim("t", {"full_cycles": 3}, rank=3, founds=False)], log)
    assert row(chunk)["full_cycles"] == 3


def test_two_serials_are_two_batteries_whatever_they_share() -> None:
    log = Log()
    chunk = merge(
        [
            claim("a", {"serial_number": "A1", "passport_id": "P"}, "A1", "P"),
            claim("a", {"serial_number": "A2", "passport_id": "P"}, "A2", "P"),
        ],
        log,
    )
    assert chunk["battery"].column("serial_number").to_pylist() == ["A1", "A2"]
    assert [found.code for found in log.findings] == ["M065"]


def test_an_unknown_name_among_several_is_a_loss_not_a_guess() -> None:
    log = Log()
    chunk = merge(
        [
            claim("a", {"serial_number": "A1"}, "A1"),
            claim("a", {"serial_number": "A2"}, "A2"),
            claim("t", {"full_cycles": 3}, "lab-7", rank=3, method="measured", founds=False),
        ],
        log,
    )
    assert chunk["battery"].num_rows == 2
    assert chunk["battery"].column("full_cycles").null_count == 2
    assert [loss.what for loss in log.losses] == ["1 measured values"]


def test_a_part_without_identifier_joins_the_only_battery() -> None:
    log = Log()
    chunk = merge([claim("technical", {"nominal_voltage_v": 36.0}), claim("nameplate", {"serial_number": "A1"}, "A1")], log)
    assert chunk["battery"].num_rows == 1
    assert row(chunk)["nominal_voltage_v"] == 36.0
    assert not log.findings


def test_materials_known_by_name_are_compared_not_doubled() -> None:
    log = Log()
    children = {"material": [{"name": "NMC811", "mass_kg": 1.0}]}
    other = {"material": [{"name": "nmc811", "mass_kg": 1.2, "lot_id": "L1"}, {"name": "PVDF", "mass_kg": 0.1}]}
    chunk = merge([claim("a", {"serial_number": "A1"}, "A1", children=children), claim("b", {}, "A1", children=other)], log)
    rows = {r["name"]: r for r in chunk["material"].to_pylist()}
    assert set(rows) == {"NMC811", "PVDF"}
    assert rows["NMC811"]["mass_kg"] == 1.0
    assert rows["NMC811"]["lot_id"] == "L1"
    assert [found.code for found in log.findings] == ["M061"]
