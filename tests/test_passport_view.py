"""`bdx inspect` of passports: one as a person reads it, of many the first ten and how they count up."""

import json
from pathlib import Path

import pytest

from bdx.errors import UsageError
from bdx.pipeline.converting import convert
from bdx.pipeline.sections import label
from bdx.pipeline.viewing import InspectResult, inspect
from bdx.report import inspect_text

ROOT = Path(__file__).resolve().parents[1]
STORY = ROOT / "fixtures/formats/catenax-battery-pass/story/input.json"
TITLES = [
    "Identity",
    "Maker",
    "Characteristics",
    "Performance when new",
    "Condition",
    "Materials",
    "Carbon footprint",
    "Circularity",
    "Documents",
]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("many") / "passports.jsonl"
    text = json.dumps(json.loads(STORY.read_text()))
    path.write_text("".join(text.replace("BX36-000042", f"BX36-{number:06d}") + "\n" for number in range(25)))
    return path


def page(result: InspectResult) -> list[str]:
    return inspect_text.render(result).splitlines()


def test_one_passport_is_shown_by_sections_with_units_and_dates() -> None:
    lines = page(inspect(STORY))
    assert [line for line in lines if line in TITLES] == TITLES
    said = {line[2:53].strip(): line[53:].strip() for line in lines if line.startswith("  ") and not line.startswith("   ")}
    assert said["Rated capacity"] == "14 Ah"
    assert said["State of charge"] == "62.5 %  (at 2026-11-20 08:15 UTC)"
    assert said["Warranty period"] == "24 months"
    assert said["Idle temperature minimum"] == "-20 °C"
    assert any(line.startswith("    Graphite: identifier 7782-42-5") for line in lines)
    footprint = [line for line in lines if line.startswith("    total: stage raw total; value 0.083")]
    assert footprint and "facility" not in footprint[0]
    assert any(line.startswith("    all: functional unit kwh") and "facility ID BPNA0000000PL001" in line for line in lines)
    assert not any("battery_key" in line or "rated_capacity_ah" in line for line in lines)


def test_what_is_missing_is_only_counted() -> None:
    lines = page(inspect(STORY))
    (last,) = [line for line in lines if " values given; not given: " in line]
    assert " of maker" in last
    assert not any("Manufacturer street" in line for line in lines)


def test_of_many_the_first_ten_and_counts(many: Path) -> None:
    lines = page(inspect(many))
    at = lines.index("25 battery passports")
    assert lines[at + 1].split("  ")[1] == "Serial number"
    assert [line.split()[0] for line in lines[at + 2 : at + 12]] == [f"BX36-{number:06d}" for number in range(10)]
    assert lines[at + 12].strip() == "... 15 more (--battery SERIAL shows one)"
    assert "  Battery category: lmt 25" in lines
    assert any("100 rows of material" in line for line in lines)


def test_one_of_many_is_shown_by_its_name(many: Path) -> None:
    result = inspect(many, battery="BX36-000017")
    assert result.passport is not None and result.passport.name == "BX36-000017"
    assert "battery passport of BX36-000017" in page(result)
    assert len(next(s for s in result.passport.sections if s.id == "materials").lists[0].rows) == 4
    with pytest.raises(UsageError, match="no battery 'BX36-9' among the 25"):
        inspect(many, battery="BX36-9")


def test_json_has_sections_or_counts(many: Path) -> None:
    one = json.loads(inspect_text.render_json(inspect(STORY)))["passport"]
    assert [section["title"] for section in one["sections"]][: len(TITLES)] == TITLES
    values = {value["column"]: value for section in one["sections"] for value in section["values"]}
    assert values["rated_capacity_ah"]["value"] == 14.0
    assert values["state_of_charge_percent"]["time"].startswith("2026-11-20T08:15")
    assert {table for section in one["sections"] for table in section["lists"]} >= {"material", "document", "carbon_footprint"}
    some = json.loads(inspect_text.render_json(inspect(many)))["passport"]
    assert (some["records"], len(some["first"])) == (25, 10)
    assert some["counts"]["battery_category"] == [{"value": "lmt", "records": 25}]


def test_a_value_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("serial_number,model_name\nA1,\x1b[31mred\n")
    assert "\x1b" not in "\n".join(page(inspect(path)))


def test_a_workbook_and_its_passport_are_shown_alike(tmp_path: Path) -> None:
    convert([STORY], tmp_path / "a.xlsx")
    mine, theirs = inspect(STORY).passport, inspect(tmp_path / "a.xlsx").passport
    assert mine is not None and theirs is not None
    assert mine.sections == theirs.sections


def test_a_source_without_passports_has_no_such_view() -> None:
    cycler = next((ROOT / "fixtures/formats/arbin-csv").glob("*/input.csv"))
    result = inspect(cycler)
    assert result.passport is None
    assert json.loads(inspect_text.render_json(result))["passport"] is None


def test_labels_read_as_words() -> None:
    assert label("battery", "certified_usable_energy_kwh") == "Certified usable energy"
    assert label("battery", "remaining_capacity_ah_time") == "Time of remaining capacity"
    assert label("document", "url") == "URL"
