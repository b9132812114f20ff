"""What `bdx inspect` tells of a line: counts that were stated, yields where they can be told, nothing invented."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bdx import canon
from bdx.canon import Chunk
from bdx.derive.line import Line
from bdx.derive.line_facts import LineStep
from bdx.descent import numbered, reached
from bdx.pipeline.line_view import LineView, as_json, view_of
from bdx.pipeline.viewing import inspect
from bdx.report import inspect_text, line_text

ROOT = Path(__file__).resolve().parents[1]
PILOT = ROOT.parent / "shared/samples/mes/b2mml-synthetic/operations_performance_v0701_pilot_line.xml"


def steps(*rows: dict[str, Any]) -> Chunk:
    named = [{"step_run_id": f"S{number}", "step_code": "coating", **row} for number, row in enumerate(rows)]
    return {"process_step": canon.from_rows("process_step", named)}


def rows(table: str, *found: dict[str, Any]) -> Chunk:
    return {table: canon.from_rows(table, list(found))}


def edge(source: str, target: str, run: str = "", **more: Any) -> dict[str, Any]:
    base = {"input_item_id": source, "output_item_id": target, "step_run_id": run or None, "relation": "consumed", "match_basis": "scan"}
    return {**base, "is_estimated": False, **more}


def result(item: str, verdict: str, run: str | None = "S0", name: str = "OCV", **more: Any) -> dict[str, Any]:
    return {"item_id": item, "step_run_id": run, "characteristic_code": "ocv", "characteristic_name_raw": name, "verdict": verdict, **more}


def view(*chunks: Chunk) -> LineView:
    line = Line()
    for chunk in chunks:
        line.watch(chunk)
    found = line.finish()
    assert found is not None
    return view_of(found)


def one(*chunks: Chunk) -> LineStep:
    found = view(*chunks).steps
    assert len(found) == 1
    return found[0]


def text(*chunks: Chunk) -> str:
    return "\n".join(line_text.render(view(*chunks)))


# --- quantities


def test_yield_where_in_and_good_stand_in_one_unit() -> None:
    step = one(steps({"qty_in": 100.0, "qty_good": 90.0, "qty_unit": "m"}, {"qty_in": 100.0, "qty_good": 97.0, "qty_unit": "m"}))
    assert (step.basis, step.share, step.amounts[0].runs) == ("quantities", pytest.approx(0.935), 2)


@pytest.mark.parametrize(
    "given",
    [
        ({"qty_in": 100.0, "qty_good": 90.0},),
        ({"qty_good": 90.0, "qty_unit": "m"},),
        ({"qty_in": 100.0, "qty_unit": "m"},),
        ({"qty_in": 0.0, "qty_good": 0.0, "qty_unit": "m"},),
        ({"qty_in": 1.0, "qty_good": 1.0, "qty_unit": "m"}, {"qty_in": 5.0, "qty_good": 4.0, "qty_unit": "kg"}),
        ({},),
    ],
    ids=["no unit", "only good", "only in", "of nothing", "two units", "nothing"],
)
def test_no_yield_is_invented(given: tuple[dict[str, Any], ...]) -> None:
    chunk = steps(*given)
    assert one(chunk).share is None
    assert view(chunk).rolled[0].share is None
    assert "not stated" in text(chunk)


def test_only_runs_that_state_both_count_and_that_is_said() -> None:
    chunk = steps({"qty_in": 100.0, "qty_good": 90.0, "qty_unit": "m"}, {"qty_good": 400.0, "qty_unit": "m"})
    assert one(chunk).share == pytest.approx(0.9)
    assert "m, 1 of 2 runs" in text(chunk)


def test_more_out_than_in_is_no_yield() -> None:
    chunk = steps({"qty_in": 100.0, "qty_good": 141.0, "qty_unit": "kg"})
    assert one(chunk).more_out_than_in
    assert view(chunk).rolled[0].over_stated is None
    assert "more came out than went in: coating" in text(chunk)


def test_scrap_by_reason_with_its_unit() -> None:
    chunk = steps(
        {"qty_scrap": 2.0, "qty_unit": "m", "scrap_reason": "edge defect"},
        {"qty_scrap": 3.5, "qty_unit": "m", "scrap_reason": "edge defect"},
        {"qty_scrap": 9.0, "qty_unit": "m"},
        {"scrap_reason": "foil torn"},
    )
    told = [(item.reason, item.quantity, item.unit, item.runs) for item in one(chunk).scrap]
    assert told == [("", 9.0, "m", 1), ("edge defect", 5.5, "m", 2), ("foil torn", None, "", 1)]
    assert "no reason stated 9 m; edge defect 5.5 m; foil torn 1 run" in text(chunk)


def test_rolled_yield_by_side_and_over_all() -> None:
    whole = {"qty_in": 100.0, "qty_unit": "m"}
    found = view(
        steps(
            {**whole, "electrode": "anode", "qty_good": 90.0},
            {**whole, "electrode": "cathode", "qty_good": 80.0},
            {"step_code": "stacking", "qty_in": 10.0, "qty_good": 5.0, "qty_unit": "1"},
        )
    )
    assert [(item.electrode, item.share) for item in found.rolled] == [
        ("anode", pytest.approx(0.9)),
        ("cathode", pytest.approx(0.8)),
        ("", 0.5),
        ("all", pytest.approx(0.36)),
    ]
    assert [(step.code, step.electrode) for step in found.steps] == [("coating", "anode"), ("coating", "cathode"), ("stacking", "")]


def test_steps_stand_in_the_order_of_the_line_and_unknown_ones_after() -> None:
    found = view(steps({"step_code": "formation"}, {"step_code": "other", "step_name_raw": "Count"}, {"step_code": "slurry_mixing"}))
    assert found.titles == ["Slurry mixing", "Formation", "Count"]


# --- pieces


def test_pieces_count_where_no_quantities_are_stated() -> None:
    step = one(steps({}), rows("quality_result", result("C1", "pass"), result("C2", "fail"), result("C3", "pass"), result("C4", "pass")))
    assert (step.basis, step.pieces, step.failed, step.share, step.first_pass) == ("pieces", 4, 1, 0.75, 0.75)


def test_a_failure_made_good_is_no_failure_but_no_first_pass() -> None:
    step = one(steps({}), rows("quality_result", result("C1", "fail"), result("C1", "pass"), result("C2", "pass")))
    assert (step.failed, step.share, step.first_pass) == (0, 1.0, 0.5)


def test_a_pass_of_another_characteristic_makes_nothing_good() -> None:
    assert one(steps({}), rows("quality_result", result("C1", "fail"), result("C1", "pass", name="ACIR"))).failed == 1


def test_a_pass_before_the_failure_makes_nothing_good() -> None:
    assert one(steps({}), rows("quality_result", result("C1", "pass"), result("C1", "fail"))).failed == 1


def test_a_piece_that_passes_a_step_twice_is_rework() -> None:
    chunk = steps({"result": "rework", "started_at": 1}, {"result": "ok", "started_at": 2}, {"result": "ok", "started_at": 3})
    made = rows("genealogy", edge("L1", "C1", "S0"), edge("L1", "C1", "S1"), edge("L1", "C2", "S2"))
    step = one(chunk, made)
    assert (step.pieces, step.reworked, step.failed, step.first_pass) == (2, 1, 0, 0.5)


def test_lots_are_no_pieces() -> None:
    items = rows("item", {"item_id": "R1", "granularity": "lot"}, {"item_id": "SL", "item_kind": "slurry_batch"})
    step = one(steps({}), items, rows("quality_result", result("R1", "fail"), result("SL", "pass")))
    assert (step.pieces, step.share) == (0, None)


def test_verdicts_without_a_step_are_told_apart() -> None:
    found = view(rows("quality_result", result("C1", "pass", None), result("C2", "fail", None)))
    assert found.titles == ["no step stated"]
    assert (found.steps[0].pieces, found.steps[0].failed, found.rolled) == (2, 1, [])


# --- corrections


def test_deleted_rows_and_what_they_delete_are_left_out() -> None:
    first = steps({"qty_in": 10.0, "qty_good": 9.0, "qty_unit": "1"}, {"qty_in": 10.0, "qty_good": 1.0, "qty_unit": "1"})
    deleted = rows("process_step", {"step_run_id": "S1", "step_code": "coating", "record_action": "delete"})
    found = view(first, deleted)
    assert (found.steps[0].runs, found.steps[0].share, found.left_out) == (1, 0.9, 2)


def test_the_last_of_several_changes_wins() -> None:
    first = steps({"qty_in": 10.0, "qty_good": 9.0, "qty_unit": "1"})
    changes = [
        {"step_run_id": "S0", "step_code": "coating", "record_action": "change", "qty_in": 10.0, "qty_good": good, "qty_unit": "1"}
        for good in (7.0, 8.0)
    ]
    assert one(first, rows("process_step", *changes)).share == 0.8


def test_a_deleted_edge_holds_nothing_and_one_made_anew_does() -> None:
    gone = view(rows("genealogy", edge("A", "B", "S0"), edge("A", "B", "S0", record_action="delete"))).traced
    anew = view(rows("genealogy", edge("A", "B"), edge("A", "B", record_action="delete"), edge("A", "B"))).traced
    assert (gone.edges, anew.edges) == (0, 1)


def test_a_run_within_a_run_of_the_same_step_is_not_counted_again() -> None:
    found = view(steps({}, {"parent_step_run_id": "S0"}, {"parent_step_run_id": "S0", "step_code": "drying"}))
    assert {step.code: step.runs for step in found.steps} == {"coating": 1, "drying": 1}


# --- time, machines, items, genealogy


def test_span_median_and_machines() -> None:
    hour = 3_600_000_000
    step = one(
        steps(
            {"started_at": 0, "ended_at": hour, "equipment_id": "M1"},
            {"started_at": hour, "ended_at": 4 * hour, "equipment_id": "M2"},
            {"started_at": 9 * hour, "ended_at": 8 * hour, "equipment_id": "M2"},
        )
    )
    assert (step.began, step.ended, step.median_second, step.equipment) == (0, 9 * hour, 7200.0, {"M2": 2, "M1": 1})


def test_how_complete_the_genealogy_is() -> None:
    items = rows(
        "item",
        *(
            {"item_id": name, "item_kind": kind, "produced_by_step_run_id": run}
            for name, kind, run in (
                ("RAW", "raw_material_lot", None),
                ("R1", "coated_roll", "S0"),
                ("C1", "cell", "S0"),
                ("C2", "cell", "S0"),
                ("C3", "cell", "S0"),
                ("TRAY", "carrier", None),
                ("RAW", "raw_material_lot", None),
            )
        ),
    )
    edges = rows(
        "genealogy",
        edge("RAW", "R1"),
        edge("R1", "C1"),
        edge("RAW", "C2", is_estimated=True),
        edge("TRAY", "C3"),
        edge("", "C3"),
    )
    traced = view(items, edges).traced
    assert traced.items == {"raw_material_lot": 1, "coated_roll": 1, "cell": 3, "carrier": 1}
    assert (traced.produced, traced.produced_from_something) == (4, 3)
    assert (traced.finished, traced.finished_from_raw, traced.finished_surely_from_raw) == (3, 2, 1)
    assert (traced.edges, traced.estimated, traced.without_input) == (5, 1, 1)


def test_a_part_taken_out_again_is_no_input() -> None:
    taken = edge("C1", "P1", removed_at=5)
    items = rows("item", {"item_id": "P1", "item_kind": "pack"}, {"item_id": "C1", "item_kind": "raw_material_lot"})
    assert view(items, rows("genealogy", edge("C1", "P1"), taken)).traced.finished_from_raw == 0


# --- as a whole


def many(count: int = 400) -> dict[str, pa.RecordBatch]:
    random = np.random.default_rng(7)
    runs = [f"S{number}" for number in range(count)]
    found = steps(
        *(
            {
                "step_run_id": run,
                "step_code": ("coating", "stacking", "eol_test")[number % 3],
                "equipment_id": f"M{number % 4}",
                "started_at": number * 10**6,
                "ended_at": number * 10**6 + int(random.integers(1, 9)) * 10**6,
                "electrode": ("anode", "cathode")[number % 2] if number % 3 == 0 else None,
                "qty_in": float(random.integers(1, 9)) if number % 5 else None,
                "qty_good": 1.0,
                "qty_unit": "m",
                "record_action": "delete" if number % 50 == 49 else None,
                "parent_step_run_id": f"S{number - 3}" if number % 7 == 0 else None,
            }
            for number, run in enumerate(runs)
        )
    )
    verdicts = [result(f"C{number % 60}", ("pass", "fail")[int(random.integers(0, 2))], run) for number, run in enumerate(runs)]
    found |= rows("genealogy", *(edge(f"L{number % 9}", f"C{number % 60}", run) for number, run in enumerate(runs)))
    return found | rows("quality_result", *verdicts)


@pytest.mark.parametrize("size", [1, 37, 400])
def test_the_view_does_not_depend_on_the_batches(size: int) -> None:
    tables = many()
    whole = as_json(view(tables))
    pieces = [{name: batch.slice(first, size)} for name, batch in tables.items() for first in range(0, batch.num_rows, size)]
    assert as_json(view(*pieces)) == whole
    assert as_json(view(*reversed_by_table(pieces))) == whole


def reversed_by_table(chunks: list[Chunk]) -> Iterable[Chunk]:
    """The tables in another order, the rows of each as they were."""
    return sorted(chunks, key=lambda chunk: next(iter(chunk)))


def test_nothing_of_a_line_is_no_line() -> None:
    line = Line()
    line.watch(rows("item", {"item_id": "C1"}))
    assert line.finish() is None


def test_hostile_words_steer_nothing() -> None:
    shown = text(steps({"step_code": "other", "step_name_raw": "\x1b[31m\x01\x01" + "x" * 9_000, "equipment_id": "a\nb\x00"}))
    assert "\x1b" not in shown and "\x00" not in shown and max(map(len, shown.splitlines())) < 400


def test_inspect_shows_the_line_in_both_forms() -> None:
    found = inspect(ROOT / "fixtures/world/line.xml")
    document = json.loads(inspect_text.render_json(found))["line"]
    by_code = {step["code"]: step for step in document["steps"]}
    assert list(by_code) == ["slurry_mixing", "coating", "calendering", "stacking", "electrolyte_filling", "formation", "pack_assembly"]
    assert by_code["calendering"]["yield"] == pytest.approx(1775 / 1780)
    assert (by_code["formation"]["basis"], by_code["formation"]["runs"], by_code["formation"]["pieces"]) == ("quantities", 40, 40)
    assert by_code["coating"]["yield"] is None
    assert document["genealogy"]["finished_from_raw"] == 40
    assert "calendering" in inspect_text.render(found).casefold()


@pytest.mark.skipif(not PILOT.exists(), reason="no samples here")
def test_pilot_line_sample() -> None:
    found = inspect(PILOT).line
    assert found is not None
    assert [(step.code, step.runs) for step in found.steps] == [("slurry_mixing", 1), ("coating", 1), ("stacking", 1)]
    coating = found.steps[1].amounts[0]
    assert (coating.qty_good, coating.qty_scrap, coating.unit, found.steps[1].share) == (438.0, 12.0, "m", None)


# --- descent


def test_descent_of_a_long_chain_a_circle_and_a_diamond() -> None:
    chain = np.arange(100_000)
    assert reached(chain[:-1], chain[1:], [0], len(chain)).all()
    source, target = np.array([0, 1, 2, 0, 3]), np.array([1, 2, 0, 3, 2])
    assert reached(source, target, [0], 5).tolist() == [True, True, True, True, False]
    assert not reached(source, target, [], 5).any()
    (a, b), names = numbered(np.array([5, 9]), np.array([9, 1]))
    assert (names[a].tolist(), names[b].tolist()) == ([5, 9], [9, 1])
