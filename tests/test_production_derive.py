"""What production tables derive: masses divided through several levels, shares of recycled content, parts, consumption, energy."""

# ruff: noqa: E501 - a table reads better with one row to the line

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bdx import canon, spec
from bdx.canon import Log
from bdx.derive import production
from bdx.derive.production import Produced, batteries
from bdx.derive.production_consumption import consumption, energy
from bdx.derive.production_items import key

STEP = {"step_run_id": "S", "step_code": "pack_assembly", "site_id": "PLANT-1", "ended_raw": "2026-10-02T14:00:00+02:00"}


def made(**tables: list[dict[str, Any]]) -> dict[str, pa.Table]:
    return {name: pa.Table.from_batches([canon.from_rows(name, rows)]) for name, rows in tables.items()}


def piece(name: str, kind: str = "cell", /, **facts: Any) -> dict[str, Any]:
    return {"item_id": name, "item_kind": kind, "granularity": "serial", "serial_number": name, "produced_by_step_run_id": "S", **facts}


def lot(name: str, quantity: float | None = None, unit: str | None = None, /, **facts: Any) -> dict[str, Any]:
    return {"item_id": name, "granularity": "lot", "lot_id": name, "quantity": quantity, "quantity_unit": unit, **facts}


def edge(source: str, target: str, quantity: float | None = None, unit: str | None = None, /, **facts: Any) -> dict[str, Any]:
    row = {"input_item_id": source, "output_item_id": target, "relation": "assembled", "quantity": quantity, "unit": unit}
    return row | {"match_basis": "declared", "is_estimated": False} | facts


def states(item: str, name: str, value: float, unit: str | None = "percent") -> dict[str, Any]:
    row = {"item_id": item, "parameter_code": "other", "parameter_name_raw": name, "role": "material_property"}
    return row | {"value_num": value, "unit": unit}


def result(item: str, code: str, value: float, unit: str, **facts: Any) -> dict[str, Any]:
    row = {"result_id": f"T-{item}-{code}", "item_id": item, "characteristic_code": code, "characteristic_name_raw": code}
    return row | {"value_num": value, "unit": unit} | facts


def masses(found: Produced) -> dict[str, float]:
    return {row["name"]: row["mass_kg"] for row in found.materials}


def codes(found: Produced) -> list[str]:
    log = Log()
    for refusal in found.refused:
        log.find(refusal.code, source="line.xml", **refusal.facts)
    assert all("{" not in finding.message for finding in log.findings)
    return [refusal.code for refusal in found.refused]


def values(found: Produced) -> dict[str, Any]:
    return {value.column: value.value for value in found.attributes}


def chain(*extra: dict[str, Any], length: float | None = 100.0) -> dict[str, pa.Table]:
    """10 kg of powder and 5 kg of solvent in a slurry of 15 kg, 12 kg of it on 100 m of roll, 2 m of that in each of two cells."""
    items = [
        piece("A"),
        piece("B"),
        lot("POWDER"),
        lot("NMP-7", name="NMP"),
        lot("SLURRY", 15.0, "kg"),
        lot("ROLL", length, "m" if length else None),
    ]
    edges = [edge("POWDER", "SLURRY", 10.0, "kg"), edge("NMP-7", "SLURRY", 5.0, "kg"), edge("SLURRY", "ROLL", 12.0, "kg")]
    edges += [edge("ROLL", "A", 2.0, "m"), edge("ROLL", "B", 200.0, "cm")]
    return made(item=items, genealogy=[*edges, *extra], process_step=[STEP])


def test_masses_go_through_all_levels_by_stated_quantities_and_solvents_stay_behind() -> None:
    a, b = batteries(chain())
    assert masses(a) == masses(b) == {"POWDER": pytest.approx(10 * 12 / 15 * 2 / 100)}
    assert codes(a) == []
    rest = a.rests["material"][0]
    assert (rest.by, rest.version, rest.inputs) == ("consumed_mass", "2", "share of lot POWDER through 1 edge")
    assert rest.rows == "item[POWDER] genealogy[POWDER->SLURRY]"


def test_without_the_length_made_the_roll_is_divided_among_what_took_of_it_and_that_is_an_estimate() -> None:
    a, b = batteries(chain(length=None))
    assert masses(a) == masses(b) == {"POWDER": pytest.approx(10 * 12 / 15 / 2)}
    assert codes(a) == ["M171"]
    assert a.rests["material"][0].inputs.startswith("estimated share")


@pytest.mark.parametrize(
    ("quantities", "expected"),
    [
        ((None, None), (4.0, 4.0)),
        ((3.0, 1.0), (6.0, 2.0)),
        ((3.0, None), (4.0, 4.0)),
    ],
    ids=["by pieces", "by stated quantities", "by pieces where one is not stated"],
)
def test_a_lot_is_divided_among_pieces(quantities: tuple[float | None, float | None], expected: tuple[float, float]) -> None:
    items = [piece("A"), piece("B"), lot("RAW"), lot("MIX")]
    took = [edge("MIX", name, q, "m" if q else None) for name, q in zip("AB", quantities, strict=True)]
    found = batteries(made(item=items, genealogy=[edge("RAW", "MIX", 8.0, "kg"), *took]))
    assert tuple(masses(one)["RAW"] for one in found) == expected
    assert all(codes(one) == ["M171"] for one in found)


def test_what_is_left_of_a_lot_is_in_nothing_and_more_than_all_of_it_is_shared() -> None:
    rows = [piece("A"), piece("B"), lot("RAW"), lot("MIX", 10.0, "kg")]
    some = batteries(made(item=rows, genealogy=[edge("RAW", "MIX", 8.0, "kg"), edge("MIX", "A", 1.0, "kg"), edge("MIX", "B", 2000.0, "g")]))
    assert [masses(one)["RAW"] for one in some] == [pytest.approx(0.8), pytest.approx(1.6)]
    over = batteries(made(item=rows, genealogy=[edge("RAW", "MIX", 8.0, "kg"), edge("MIX", "A", 15.0, "kg"), edge("MIX", "B", 5.0, "kg")]))
    assert [masses(one)["RAW"] for one in over] == [pytest.approx(6.0), pytest.approx(2.0)]
    assert codes(over[0]) == ["M171"]


def test_cut_rolls_share_by_their_own_lengths_and_scrap_keeps_its_part() -> None:
    rows = [piece("A"), lot("RAW"), lot("ROLL", 100.0, "m"), lot("GOOD", 75.0, "m"), lot("BAD", 25.0, "m", item_kind="scrap")]
    edges = [edge("RAW", "ROLL", 8.0, "kg"), edge("ROLL", "GOOD"), edge("ROLL", "BAD"), edge("GOOD", "A", 37.5, "m")]
    (found,) = batteries(made(item=rows, genealogy=edges))
    assert masses(found) == {"RAW": pytest.approx(3.0)}
    assert codes(found) == []


def test_estimates_that_outweigh_the_battery_are_left_out() -> None:
    rows = [piece("A", mass_kg=1.0), lot("RAW"), lot("MIX"), lot("LID")]
    edges = [edge("RAW", "MIX", 96.0, "kg"), edge("MIX", "A", 20.0, "1"), edge("LID", "A", 0.3, "kg")]
    (found,) = batteries(made(item=rows, genealogy=edges))
    assert masses(found) == {"LID": 0.3}
    assert codes(found) == ["M172"]
    assert "come to 96.3 kg" in found.refused[0].facts["value"]


def test_what_has_no_mass_is_named() -> None:
    rows = [piece("A"), lot("SCREWS"), piece("BMS-1", "other", mass_kg=0.25, name="BMS board"), lot("TAPE", 2.0, "kg")]
    edges = [edge("SCREWS", "A", 12.0, "1"), edge("BMS-1", "A"), edge("TAPE", "A")]
    (found,) = batteries(made(item=rows, genealogy=edges), {"A"})
    assert masses(found) == {"BMS board": 0.25, "TAPE": 2.0}
    assert codes(found) == ["M170", "M171"]
    assert found.refused[0].facts == {"battery": "A", "count": 1, "value": "SCREWS"}


def test_guessed_edges_carriers_and_what_was_taken_out_again_carry_no_mass() -> None:
    rows = [piece("A"), lot("IN"), lot("GUESS"), lot("OUT"), {"item_id": "TRAY", "item_kind": "carrier", "granularity": "carrier"}]
    later = datetime(2026, 10, 3, tzinfo=UTC)
    edges = [edge("IN", "A", 1.0, "kg"), edge("GUESS", "A", 1.0, "kg", is_estimated=True), edge("TRAY", "A", 1.0, "kg")]
    edges.append(edge("OUT", "A", 1.0, "kg", removed_at=later))
    (found,) = batteries(made(item=rows, genealogy=edges), {"A"})
    assert masses(found) == {"IN": 1.0}
    assert codes(found) == ["M176"]


def test_a_circle_is_named_and_left_out() -> None:
    rows = [piece("P", "pack"), piece("C"), piece("D"), lot("L")]
    edges = [edge("C", "P"), edge("D", "C"), edge("C", "D"), edge("L", "D", 1.0, "kg")]
    (found,) = batteries(made(item=rows, genealogy=edges), {"P"})
    assert masses(found) == {"L": 1.0}
    assert codes(found) == ["M173"]


def test_lots_of_one_material_are_one_row() -> None:
    rows = [piece("A"), lot("N-1", name="NMC"), lot("N-2", name="NMC")]
    edges = [edge("N-1", "A", 1.0, "kg"), edge("N-2", "A", 3.0, "kg")]
    tables = made(
        item=rows, genealogy=edges, process_parameter=[states("N-1", "Recycled Content", 8.0), states("N-2", "recycled_content", 0.0)]
    )
    (found,) = batteries(tables)
    assert found.materials == [{"name": "NMC", "mass_kg": 4.0, "lot_id": "N-1, N-2", "recycled_percent": 2.0}]
    assert found.rests["material"][0].rows == "item[N-1] genealogy[N-1->A] item[N-2] genealogy[N-2->A]"


RECYCLED = [edge("N-1", "A", 1.0, "kg"), edge("N-2", "A", 3.0, "kg"), edge("EL", "A", 2.0, "kg")]


@pytest.mark.parametrize(
    ("said", "expected", "missing"),
    [
        (
            [
                ("N-1", "nickel_content", 40),
                ("N-2", "nickel_content", 20),
                ("N-1", "recycled_content_nickel", 10),
                ("N-2", "recycled_content_nickel", 0),
            ],
            {"nickel": 4.0},
            [],
        ),
        ([("N-1", "recycled content nickel", 10)], {"nickel": 10.0}, []),
        ([("N-1", "recycled_content_nickel", 10), ("N-2", "recycled_content_nickel", 0)], {}, ["N-1, N-2"]),
        ([("N-1", "nickel_content", 40), ("N-2", "nickel_content", 20), ("N-1", "recycled_content_nickel", 10)], {}, ["N-2"]),
        ([("N-1", "Rezyklatanteil Kobalt", 10)], {"cobalt": 10.0}, []),
        ([("N-1", "recycled_content_nickel", 110)], {}, []),
    ],
    ids=["weighted by metal", "of the one lot that holds it", "no weights", "one lot is silent", "in German", "more than all"],
)
def test_recycled_shares(said: list[tuple[str, str, float]], expected: dict[str, float], missing: list[str]) -> None:
    rows = [piece("A"), lot("N-1"), lot("N-2"), lot("EL")]
    (found,) = batteries(made(item=rows, genealogy=RECYCLED, process_parameter=[states(*row) for row in said]))
    assert {row["material"]: row["total_percent"] for row in found.recycled} == expected
    assert [refusal.facts["lots"] for refusal in found.refused if refusal.code == "M174"] == missing


def test_pre_and_post_consumer_shares_add_up_and_items_may_say_so_themselves() -> None:
    rows = [piece("A"), lot("N-1", extra='{"recycled_content_pre_consumer_lithium_percent": "4", "grade": "A"}'), lot("N-2"), lot("EL")]
    post = states("N-1", "post_consumer_recycled_content_li", 0.02, None)
    (found,) = batteries(made(item=rows, genealogy=RECYCLED, process_parameter=[post]))
    assert found.recycled == [{"material": "lithium", "pre_consumer_percent": 4.0, "post_consumer_percent": 2.0, "total_percent": 6.0}]


def test_renewable_share_needs_every_lot() -> None:
    rows = [piece("A"), lot("N-1"), lot("N-2"), lot("EL")]
    said = [states("N-1", "renewable_content", 60), states("N-2", "renewable", 0)]
    (found,) = batteries(made(item=rows, genealogy=RECYCLED, process_parameter=said))
    assert "renewable_content_percent" not in values(found)
    assert [refusal.facts["lots"] for refusal in found.refused] == ["EL"]
    (found,) = batteries(made(item=rows, genealogy=RECYCLED, process_parameter=[*said, states("EL", "renewable content", 0)]))
    assert values(found)["renewable_content_percent"] == 10.0


def pack() -> list[dict[str, Any]]:
    rows = [piece("P", "pack"), piece("M", "module", name="Module"), piece("B 1", "other", name="BMS board")]
    return [*rows, piece("C1", mass_kg=0.3, material_definition_id="CELL-5"), piece("C2"), piece("ST", "stack"), lot("BUS")]


PACK = [edge("M", "P"), edge("B 1", "P"), edge("C1", "M"), edge("C2", "M"), edge("ST", "C1"), edge("BUS", "M", 0.1, "kg")]


def test_parts_are_named_with_what_they_sit_in_and_what_was_measured_of_them() -> None:
    tested = [
        result("C1", "discharge_capacity", 5200, "mAh"),
        result("C1", "dcir", 12, "mOhm"),
        result("C1", "ocv", 3.7, "V"),
        result("C2", "capacity", 4, "Ah", verdict="fail"),
    ]
    found = next(one for one in batteries(made(item=pack(), genealogy=PACK, quality_result=tested)) if one.serial == "P")
    assert found.components == [
        {"kind": "module", "component_id": "M", "name": "Module", "quantity": 1.0},
        {"kind": "bms", "component_id": "B 1", "name": "BMS board", "quantity": 1.0},
        {"kind": "cell", "component_id": "C1", "parent_id": "M", "part_number": "CELL-5", "quantity": 1.0, "mass_kg": 0.3, "capacity_ah": 5.2, "internal_resistance_ohm": 0.012, "open_circuit_voltage_v": 3.7},
        {"kind": "cell", "component_id": "C2", "parent_id": "M", "quantity": 1.0},
    ]  # fmt: skip
    assert "rated_capacity_ah" not in values(found)
    assert found.rests["component"][1].rows == "item[B%201] genealogy[B%201->P]"
    canon.from_rows("component", [{"battery_key": "P", **row} for row in found.components])


@pytest.mark.parametrize(
    ("code", "value", "unit", "verdict", "column", "expected", "refused"),
    [
        ("capacity", 10.2, "Ah", "pass", "rated_capacity_ah", 10.2, []),
        ("discharge_capacity", 10200.0, "mAh", None, "rated_capacity_ah", 10.2, []),
        ("capacity", 9.0, "Ah", "fail", "rated_capacity_ah", None, ["M175"]),
        ("capacity", 10.2, "kg", "pass", "rated_capacity_ah", None, ["M175"]),
        ("dcir", 120.0, "mOhm", "pass", "initial_internal_resistance_pack_ohm", 0.12, []),
        ("dcir", 120.0, "mOhm", "pass", "initial_internal_resistance_cell_ohm", None, []),
    ],
)
def test_results_of_the_battery_itself(
    code: str, value: float, unit: str, verdict: str | None, column: str, expected: float | None, refused: list[str]
) -> None:
    (found,) = batteries(made(item=[piece("P", "pack")], quality_result=[result("P", code, value, unit, verdict=verdict)]))
    assert values(found).get(column) == expected
    assert codes(found) == refused


def test_the_site_may_be_that_of_a_step_around() -> None:
    steps = [{**STEP, "site_id": None, "parent_step_run_id": "ORDER"}, {"step_run_id": "ORDER", "step_code": "other", "site_id": "PLANT-9"}]
    (found,) = batteries(made(item=[piece("P", "pack")], process_step=steps))
    place = next(value for value in found.attributes if value.column == "facility_id")
    assert (place.value, place.rows, place.version) == ("PLANT-9", "process_step[ORDER]", "1")


def test_deleted_items_and_edges_are_gone() -> None:
    rows = [piece("P", "pack"), lot("A"), lot("B"), piece("Q", "pack"), {"item_id": "Q", "record_action": "delete"}]
    edges = [edge("A", "P", 1.0, "kg"), edge("B", "P", 1.0, "kg"), edge("B", "P", None, None, record_action="delete")]
    (found,) = batteries(made(item=rows, genealogy=edges))
    assert (found.serial, masses(found)) == ("P", {"A": 1.0})


def test_consumption_counts_scrap_and_energy_counts_good_pieces() -> None:
    tables = chain(edge("ROLL", "BAD", 6.0, "m"))
    rows = [*tables["item"].to_pylist(), piece("BAD", "scrap")]
    tables |= made(item=rows)
    found = {one.material: one for one in consumption(tables)}
    assert (found["POWDER"].pieces, found["POWDER"].consumed_per_piece_kg) == (2, 5.0)
    assert found["POWDER"].used_percent == pytest.approx(100 * 12 / 15 * 4 / 100)
    assert found["NMP"].held_kg == 0.0
    assert consumption(tables, "module") == []
    meter = {"parameter_code": "energy", "parameter_name_raw": "energy", "role": "actual"}
    steps = [{"step_run_id": f"F{n}", "step_code": "formation", "qty_good": 10.0, "qty_unit": "1"} for n in range(3)]
    metered = [
        {**meter, "step_run_id": "F0", "value_num": 2.0, "unit": "kWh"},
        {**meter, "step_run_id": "F1", "value_num": 3.6, "unit": "MJ"},
        {**meter, "step_run_id": "F2", "value_num": 9.0, "unit": "kWh", "role": "setpoint"},
    ]
    (used,) = energy(made(process_step=steps, process_parameter=metered))
    assert (used.kwh, used.kwh_per_piece, used.runs, used.of_runs) == (pytest.approx(3.0), pytest.approx(0.15), 2, 3)


def test_every_derivation_has_a_function_and_every_value_its_rows() -> None:
    rows = production.derivations()
    assert {row["by"] for row in rows} >= {"item_mass", "consumed_mass", "content_share", "assembled_parts", "item_capacity"}
    assert all(row.get("version") for row in rows)
    for found in batteries(chain()):
        assert all(value.rows and value.version and value.by for value in found.attributes)
        for table, made_rows in found.children.items():
            assert len(found.rests[table]) == len(made_rows)
    assert key("item", "a b[c]%") == "item[a%20b%5Bc%5D%25]"


def test_codes_have_their_rules() -> None:
    known = {row["code"] for row in spec.load(spec.root() / "rules/plant.toml", "rules")["rule"]}
    assert known == {f"M17{n}" for n in range(7)}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mass_is_kept_where_all_of_every_lot_is_used(data: st.DataObject) -> None:
    """Raw lots go through two levels of lots into cells, all used up: the cells together hold what was put in."""
    cells = [f"C{n}" for n in range(data.draw(st.integers(1, 5)))]
    amount = st.floats(0.01, 100.0)
    items, edges, put = [piece(name) for name in cells], [], 0.0
    for number in range(data.draw(st.integers(1, 3))):
        raw, mix, roll = f"R{number}", f"M{number}", f"K{number}"
        mass = data.draw(amount)
        put += mass
        lengths = [data.draw(amount) for _ in cells]
        items += [lot(raw), lot(mix, mass, "kg"), lot(roll, sum(lengths), "m")]
        edges += [edge(raw, mix, mass, "kg"), edge(mix, roll, mass * 1000, "g")]
        edges += [edge(roll, cell, length, "m") for cell, length in zip(cells, lengths, strict=True)]
    random.Random(data.draw(st.integers(0, 9))).shuffle(edges)
    found = batteries(made(item=items, genealogy=edges))
    assert sum(sum(masses(one).values()) for one in found) == pytest.approx(put)
    assert all(codes(one) == [] for one in found)
