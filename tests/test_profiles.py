"""Profiles of one's own: what they extend, own fields, conditions, records whose rows come in several chunks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from making import generator

from bdx import canon, spec
from bdx.canon import Chunk, Log
from bdx.cli import profiles
from bdx.errors import SpecError, UsageError
from bdx.gaps import Analysis, GapResult, load
from bdx.pipeline.gap_run import find_gaps

MODELS = generator("model_profiles")
BASE = 'id = "ours"\ntitle = "What we ask"\nversion = "1"\n'
OWN = BASE + 'source = "us"\nlicence = "ours"\npresence = "value"\n'


def written(folder: Path, text: str, name: str = "ours.toml") -> str:
    path = folder / name
    path.write_text(text, "utf-8")
    return str(path)


def run(profile: str, *chunks: Chunk) -> GapResult:
    analysis = Analysis(profile)
    for chunk in chunks:
        analysis.watch(chunk)
    return analysis.finish(Log())


def rows(table: str, *found: dict[str, Any]) -> Chunk:
    return {table: canon.from_rows(table, list(found))}


def test_a_profile_extends_another(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        BASE + 'extends = "ec-guidance"\nwithout = ["ec-2"]\n[[requirement]]\nid = "ec-5"\nstatus = "mandatory"\n'
        '[[requirement]]\nid = "own-1"\nsection = "ours"\ncolumns = ["battery.model_name"]\nbasis = "contract"\nstatus = "mandatory"\n',
    )
    ours, base = load(path), load("ec-guidance")
    by_id = {row.id: row for row in ours.requirements}
    assert len(by_id) == len(base.requirements)
    assert "ec-2" not in by_id
    assert set(by_id["ec-5"].strength.values()) == {"mandatory"}
    assert by_id["ec-5"].action == next(row for row in base.requirements if row.id == "ec-5").action
    assert by_id["own-1"].supplier == ("master_data",)
    assert by_id["own-1"].tier == (spec.table("battery").column("model_name").tier or "public")


def test_own_fields_are_found_in_extra(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        OWN + 'table = "battery"\ncategories = []\n[[requirement]]\nid = "colour"\nsection = "ours"\ncolumns = ["battery.extra#Farbe"]\n'
        'name = "Colour"\nbasis = "contract"\nstatus = "mandatory"\nsupplier = ["master_data"]\naction = "ask design"\n',
    )
    found = run(
        path,
        rows(
            "battery",
            {"battery_key": "1", "extra": '{"Farbe":"rot"}'},
            {"battery_key": "2", "extra": '{"csv":{"Farbe":"blau"}}'},
            {"battery_key": "3", "extra": '{"Farbe":""}'},
            {"battery_key": "4", "extra": '{"x":"Farbe"}'},
            {"battery_key": "5"},
        ),
    )
    assert dict(found.outcomes[0].records) == {"present": 2, "missing": 3}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("battery.battery_mass_kg>25", {"missing": 1, "condition not met": 1, "condition unknown": 1}),
        ("battery.battery_mass_kg <= 25", {"missing": 1, "condition not met": 1, "condition unknown": 1}),
        ("battery.battery_mass_kg?", {"missing": 2, "condition not met": 1}),
        ("battery.serial_number=B", {"missing": 1, "condition not met": 1, "condition unknown": 1}),
        ("material.name[component=cathode]=cobalt", {"missing": 1, "condition unknown": 2}),
        ("material.component=cathode", {"missing": 1, "condition not met": 1, "condition unknown": 1}),
        ("battery.manufacturing_date>=2027-02-18", {"missing": 1, "condition not met": 1, "condition unknown": 1}),
    ],
)
def test_conditions(condition: str, expected: dict[str, int], tmp_path: Path) -> None:
    import datetime

    path = written(
        tmp_path,
        OWN + 'table = "battery"\ncategories = []\n[[requirement]]\nid = "a"\nsection = "s"\ncolumns = ["battery.model_id"]\nbasis = "b"\n'
        f'status = "mandatory"\nwhen = ["{condition}"]\n',
    )
    day = datetime.date
    chunk = rows(
        "battery",
        {"battery_key": "1", "serial_number": "A", "battery_mass_kg": 30.0, "manufacturing_date": day(2027, 2, 17)},
        {"battery_key": "2", "serial_number": "B", "battery_mass_kg": 25.0, "manufacturing_date": day(2027, 2, 18)},
        {"battery_key": "3"},
    ) | rows(
        "material",
        {"battery_key": "1", "name": "cobalt", "component": "cathode"},
        {"battery_key": "2", "name": "graphite", "component": "anode"},
    )
    outcome = run(path, chunk).outcomes[0]
    found = {**outcome.records, **outcome.reasons}
    found.pop("not applicable", None)
    assert found == expected


def test_rows_of_one_step_may_come_in_any_chunk(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        OWN + 'table = "process_step"\ncategories = ["coating", "drying"]\n[scope]\ncategory_column = "step_code"\nothers = "not_filled"\n'
        '[[requirement]]\nid = "speed"\nsection = "coating"\nname = "Web speed"\nbasis = "b"\nstatus = { coating = "mandatory" }\n'
        'columns = ["process_parameter.value_num[parameter_code=web_speed]"]\n',
    )
    parameters = rows(
        "process_parameter",
        {"step_run_id": "a", "parameter_code": "web_speed", "value_num": 2.0},
        {"step_run_id": "b", "parameter_code": "web_speed"},
        {"step_run_id": "c", "parameter_code": "temperature", "value_num": 2.0},
    )
    steps = [
        rows("process_step", {"step_run_id": name, "step_code": code})
        for name, code in zip("abcd", ("coating",) * 3 + ("drying",), strict=True)
    ]
    expected = {"present": 1, "missing": 2, "not applicable": 1}
    for chunks in ([parameters, *steps], [*steps, parameters], [steps[0] | parameters, *steps[1:]]):
        found = run(path, *chunks)
        assert found.records == 4
        assert dict(found.outcomes[0].records) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BASE + 'extends = "ec-guidence"\n', "did you mean 'ec-guidance'"),
        (BASE + 'extends = "ours.toml"\n', "extends itself"),
        (BASE + 'extends = "bdf"\nwithout = ["bdf-99"]\n', "which bdf does not have"),
        (BASE, "lacks source, licence"),
        (BASE + 'extends = "bdf"\n[[requirement]]\nid = "a"\n[[requirement]]\nid = "a"\n', "ours.toml: a: the id is used twice"),
        (BASE + 'extends = "bdf"\n[[requirement]]\nid = "a"\nstatus = "mandatry"\n', r"requirement\.a\.status.*did you mean 'mandatory'"),
        (BASE + 'extends = "bdf"\n[[requirement]]\nid = "a"\nsupplier = ["sap"]\n', "none of bms, .*supplier"),
        ("a = " + "[" * 5000, "nested too deep"),
        (OWN + 'table = "battery"\ncategories = []\n[[requirement]]\nid = "a"\n', "lacks section, columns"),
        (BASE + 'extends = "ec-guidance"\n[[requirement]]\nid = "ec-1"\nwhen = ["battery.battery_mass_kg>x"]\n', "expected a number"),
        (BASE + 'extends = "ec-guidance"\n[[requirement]]\nid = "ec-1"\nwhen = ["battery.battery_category=evv"]\n', "is never 'evv'"),
        (BASE + 'extends = "ec-guidance"\n[[requirement]]\nid = "ec-1"\nwhen = ["heavy"]\n', "is no condition"),
        (BASE + 'extends = "ec-guidance"\n[[requirement]]\nid = "ec-1"\nwhen = ["battery.model_id>A"]\n', "orders texts"),
        (BASE + 'extends = "ec-guidance"\n[[requirement]]\nid = "ec-1"\ncolumns = ["item.item_id"]\n', "neither in table battery"),
        (BASE + 'extends = "ec-guidance"\n[[requirement]]\nid = "ec-1"\ncolumns = ["battery.model_id#x"]\n', "expected battery.extra#x"),
    ],
)
def test_what_is_wrong_is_named(text: str, expected: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises((SpecError, UsageError), match=expected):
        load(path)


def test_check_says_what_a_profile_is(tmp_path: Path) -> None:
    good = written(tmp_path, BASE + 'extends = "bdf"\n')
    found = CliRunner().invoke(profiles.command, ["check", good])
    assert (found.exit_code, "profile ours is sound: 7 requirements" in found.output) == (0, True)
    for word in ("nowhere", "/no/where"):
        with pytest.raises(UsageError, match=f"^{word}: no such profile file"):
            CliRunner().invoke(profiles.command, ["check", word], catch_exceptions=False, standalone_mode=False)
    with pytest.raises(UsageError, match="expected a file to check"):
        CliRunner().invoke(profiles.command, ["check"], catch_exceptions=False, standalone_mode=False)


def test_a_mark_of_byte_order_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(BASE + 'extends = "bdf"\n', encoding="utf-8-sig")
    assert load(str(path)).id == "ours"


@pytest.mark.parametrize("name", spec.names("profiles"))
def test_every_profile_loads_and_names_its_sources(name: str) -> None:
    profile = load(name)
    assert profile.requirements
    assert all(row.basis and row.action and row.supplier for row in profile.requirements)


@pytest.mark.parametrize("model", MODELS.MODELS, ids=lambda model: model.profile)
def test_profiles_of_models_are_what_schema_and_mapping_say(model: Any) -> None:
    made = MODELS.toml(model)
    assert (spec.root() / f"profiles/{model.profile}.toml").read_text("utf-8") == made


@pytest.mark.parametrize(
    ("case", "profile"),
    [
        ("catenax-battery-pass/story", "catenax-battery-pass-6.1"),
        ("battery-pass/story", "battery-pass-1.2"),
        ("idta-02035/release-1-0-2", "idta-02035"),
        ("untp-dpp/story", "untp-dpp"),
        ("gefeg/story", "gefeg-1.0"),
    ],
)
def test_a_document_that_follows_its_schema_has_no_gaps_against_it(case: str, profile: str) -> None:
    source = next((spec.root().parent / "fixtures/formats" / case).glob("input.*"))
    found = find_gaps([str(source)], profile)
    assert [outcome.requirement.columns for outcome in found.outcomes if outcome.is_gap] == []
    assert found.weighed
