"""Merging at scale: the same passports however many records there are, whatever is laid aside, and by however many processes."""

import json
from pathlib import Path
from typing import Any

import pytest

from bdx.errors import UsageError
from bdx.pipeline import joining, joining_many, spilling
from bdx.pipeline.converting import ConvertResult, convert
from bdx.pipeline.joined_names import Names
from bdx.pipeline.name_hashes import hashes_of

RECORDS = 60
TESTED = 6


def cycler(path: Path, capacity: float) -> None:
    """Write three full cycles between 30 V and 42 V."""
    lines = ["Test Time / s,Voltage / V,Current / A,Cycle Count / 1"]
    for number in range(6):
        for step in range(61):
            share = step / 60 if number % 2 == 0 else 1 - step / 60
            current = capacity / 2 if number % 2 == 0 else -capacity / 2
            lines.append(f"{(number * 61 + step) * 120},{30 + 12 * share:.4f},{current:.5f},{number // 2 + 1}")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def world(tmp_path: Path) -> list[str]:
    """Return a folder of cycler files named after channels, one of production data, and a master table."""
    (tmp_path / "cycler" / "rack").mkdir(parents=True)
    (tmp_path / "mes").mkdir()
    rows = [f"BX36-{number:03d},https://id.example.com/{number},lmt,14,3.1" for number in range(RECORDS)]
    header = "serial_number,battery_id,battery_category,rated_capacity_ah,battery_mass_kg"
    (tmp_path / "master.csv").write_text("\n".join([header, *rows]) + "\n")
    items, names = ["item_id,item_kind,granularity,serial_number,mass_kg,produced_by_step_run_id"], ["serial_number;channel"]
    for number in range(TESTED):
        serial = f"BX36-{number * 9:03d}"
        cycler(tmp_path / "cycler" / "rack" / f"channel_{number}.csv", 13.0 if number == 2 else 14.0)
        items.append(f"mes-{number},pack,serial,{serial},{4.0 if number == 3 else 3.1},s-{number}")
        names.append(f"{serial};channel_{number}")
    (tmp_path / "mes" / "item.csv").write_text("\n".join(items) + "\n")
    (tmp_path / "ids.csv").write_text("\n".join([*names, "BX36-999;channel_9"]) + "\n")
    (tmp_path / "cycler" / "notes.bin").write_bytes(b"\x01\x02\x03\x04 nothing known")
    return [str(tmp_path / name) for name in ("cycler", "mes", "master.csv")]


def made(world: list[str], **more: Any) -> tuple[bytes, ConvertResult]:
    folder = Path(world[0]).parent
    wanted = {"to": "idta-02035", "ids": folder / "ids.csv", "evidence": None, "force": True} | more
    result = convert(world, folder / "out.jsonl", **wanted)
    return (folder / "out.jsonl").read_bytes(), result


def told(result: ConvertResult) -> list[tuple[str, str, int, str]]:
    return sorted((found.code, found.column, found.count, found.message) for found in result.findings)


def test_folders_and_a_map_of_names_make_one_passport_per_serial(world: list[str]) -> None:
    data, result = made(world)
    documents = [json.loads(line) for line in data.splitlines()]
    assert [document["BatteryNameplate"]["SerialNumber"] for document in documents] == [f"BX36-{number:03d}" for number in range(RECORDS)]
    disagreements = [found for found in result.findings if found.code == "M061"]
    assert sorted((found.column, found.message.split(" is ")[0].split()[-1]) for found in disagreements) == [
        ("battery_mass_kg", "BX36-027"),
        ("rated_capacity_ah", "BX36-018"),
    ]
    assert "channel_2.csv" in disagreements[0].source + disagreements[1].source
    assert any("master.csv" in found.message and "measured before declared" in found.message for found in disagreements)
    (unknown,) = [found for found in result.findings if found.code == "M069"]
    assert (unknown.count, unknown.value) == (1, "notes.bin")
    (idle,) = [found for found in result.findings if found.code == "M067"]
    assert (idle.count, idle.locator) == (1, f"line {TESTED + 2}")


def test_many_records_merge_as_few_do(world: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    few, first = made(world)
    monkeypatch.setattr(joining, "FEW", 0)
    many, second = made(world)
    monkeypatch.setattr(spilling, "STEP", 7)
    monkeypatch.setattr(joining_many, "STEP", 7)
    monkeypatch.setattr(spilling.Spool.__init__, "__defaults__", (0,))
    spilled, third = made(world)
    assert few == many == spilled
    assert told(first) == told(second) == told(third)


def test_a_second_table_in_another_order_joins_over_blocks(world: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    second = Path(world[0]).parent / "second.csv"
    second.write_text("serial_number,model_name\n" + "".join(f"BX36-{number:03d},X{number}\n" for number in reversed(range(RECORDS + 9))))
    few, _ = made([*world, str(second)])
    monkeypatch.setattr(joining, "FEW", 0)
    monkeypatch.setattr(spilling, "STEP", 7)
    many, result = made([*world, str(second)])
    assert few == many
    assert result.rows["battery"] == RECORDS + 9


def test_without_records_tests_and_products_found_them(world: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    few, first = made(world[:2])
    monkeypatch.setattr(joining, "FEW", 0)
    monkeypatch.setattr(joining_many, "STEP", 2)
    many, second = made(world[:2])
    assert few == many
    assert first.rows["battery"] == second.rows["battery"] == TESTED


def test_processes_change_nothing(world: list[str]) -> None:
    one, first = made(world, jobs=1)
    two, second = made(world, jobs=2)
    assert one == two
    assert told(first) == told(second)


def test_a_test_without_a_name_is_told_with_the_way_out(world: list[str]) -> None:
    _, result = made(world, ids="")
    assert {found.source.rpartition("/")[2] for found in result.findings if found.code == "M068"} == {
        f"channel_{number}.csv" for number in range(TESTED)
    }


@pytest.mark.parametrize(
    ("prefer", "kept"), [((), "13.0"), (("declared",), "14.0"), (("measured",), "13.0"), (("derived", "declared"), "14.0")]
)
def test_the_order_of_methods_decides(world: list[str], prefer: tuple[str, ...], kept: str) -> None:
    _, result = made(world, prefer=prefer)
    (found,) = [found for found in result.findings if (found.code, found.column) == ("M061", "rated_capacity_ah")]
    assert f"kept {kept}," in found.message


def test_a_preferred_folder_stands_above_methods(world: list[str]) -> None:
    _, result = made(world, prefer=[world[2]])
    (found,) = [found for found in result.findings if (found.code, found.column) == ("M061", "rated_capacity_ah")]
    assert "kept 14.0, as --prefer asks" in found.message


@pytest.mark.parametrize(
    ("tolerance", "columns"),
    [
        (["10%"], {"battery_mass_kg"}),
        (["rated_capacity_ah=0.1"], {"battery_mass_kg"}),
        (["50 %"], set()),
        (["0.3", "battery_mass_kg=1%"], {"battery_mass_kg"}),
    ],
)
def test_tolerance_is_asked_for(world: list[str], tolerance: list[str], columns: set[str]) -> None:
    _, result = made(world, tolerance=tolerance)
    assert {found.column for found in result.findings if found.code == "M061"} == columns


@pytest.mark.parametrize(
    "wanted",
    [
        {"prefer": "master.xls"},
        {"tolerance": ["2 percent"]},
        {"tolerance": ["rated_capacity=1%"]},
        {"tolerance": ["model_id=1%"]},
        {"tolerance": ["200%"]},
    ],
)
def test_what_is_no_source_or_no_share_is_refused(world: list[str], wanted: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        made(world, **wanted)


def test_names_join_through_one_another() -> None:
    names = Names()
    names.add(0, hashes_of(["a", "b", "", "d", "e"]))
    names.add_one(5, hashes_of(["b", "x"]))
    names.add_one(6, hashes_of(["x", "d"]))
    names.add_one(7, hashes_of(["nobody"]))
    names.settle()
    assert names.labels.tolist() == [0, 1, 2, 1, 4, 1, 1, 7]
    assert names.shared.tolist() == [False, True, False, True, False, True, True, False]
    assert names.named.tolist() == [True, True, False, True, True, True, True, True]
    assert names.joining(0, 5, 5) == [5, 6]
    assert names.joining(5, 8, 5) == [7]
