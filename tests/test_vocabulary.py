"""The words of production: every step, parameter and characteristic by its name in three languages, its unit, and what a step must say."""

from __future__ import annotations

from typing import Any

import pytest

from bdx import spec, units
from bdx.mapping import vocabulary
from bdx.spec import Facts

FACTS = spec.load(spec.root() / "vocabulary.toml", "vocabulary")
STEPS: dict[str, Facts] = {row["code"]: row for row in FACTS["step"]}
PARAMETERS: dict[str, Facts] = {row["code"]: row for row in FACTS["parameter"]}

ORDER = [
    *("incoming_inspection", "dosing_weighing", "dry_mixing", "slurry_mixing", "slurry_transfer_filter", "coating", "drying"),
    *("calendering", "slitting", "vacuum_drying", "notching_separation", "stacking", "tab_welding", "insertion_sealing"),
    *("electrolyte_filling", "wetting", "formation", "degassing_final_seal", "aging", "eol_test", "module_assembly", "pack_assembly"),
]
TERMS = {
    "dry_mixing": "61f4fd10",
    "slurry_mixing": "60aef9bf",
    "extrusion": "61535c53",
    "coating": "efa6b935",
    "drying": "e15fd741",
    "calendering": "3f685553",
    "slitting": "770afd63",
    "vacuum_drying": "73d806fa",
    "notching_separation": "98babfae",
    "stacking": "fad51013",
    "winding": "c44bfddc",
    "z_folding": "38eda6ec",
    "insertion_sealing": "5528bfb0",
    "electrolyte_filling": "e17ca59d",
    "wetting": "ab9ef8ba",
    "formation": "f0e29a4f",
    "degassing_final_seal": "dd4dec74",
    "aging": "f986191d",
    "eol_test": "b0ac1214",
    "module_assembly": "1ba6fc78",
}
MINIMUM = {
    "dosing_weighing": "mass",
    "slurry_mixing": "mixing_time solids_content viscosity",
    "coating": "web_speed areal_loading",
    "drying": "oven_zone_temperature",
    "calendering": "line_load thickness electrode_density porosity",
    "slitting": "burr_height",
    "vacuum_drying": "temperature pressure|vacuum_pressure duration moisture",
    "notching_separation": "sheet_mass|mass",
    "tab_welding": "pull_force",
    "insertion_sealing": "leak_rate",
    "wetting": "wetting_time",
    "aging": "ocv1|ocv ocv2|ocv k_value",
    "formation": "channel|rack|tray_position charge_capacity discharge_capacity first_cycle_efficiency",
    "eol_test": "ocv acir dcir capacity|discharge_capacity grade",
}


def named(row: Facts) -> list[str]:
    return [row["code"], *(row[title] for title in vocabulary.TITLES), *row["aliases"]]


@pytest.mark.parametrize("row", PARAMETERS.values(), ids=list(PARAMETERS))
def test_every_name_of_a_parameter_is_that_parameter(row: Facts) -> None:
    for name in named(row):
        found = vocabulary.parameter(name)
        assert found is not None and found.code == row["code"], name
        assert (found.unit, found.role) == (row.get("unit", ""), row.get("role", ""))


@pytest.mark.parametrize("row", STEPS.values(), ids=list(STEPS))
def test_every_name_of_a_step_is_that_step(row: Facts) -> None:
    for name in named(row):
        found = vocabulary.step(name)
        assert found is not None and found.code == row["code"], name


@pytest.mark.parametrize("row", [*STEPS.values(), *PARAMETERS.values()], ids=[*STEPS, *PARAMETERS])
def test_names_are_in_the_language_they_are_said_to_be_in(row: Facts) -> None:
    assert row["title"].isascii()
    assert any("\u4e00" <= letter <= "\u9fff" for letter in row["title_zh"])
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in row["title_de"])


@pytest.mark.parametrize("row", PARAMETERS.values(), ids=list(PARAMETERS))
def test_every_unit_is_one_that_bdx_knows(row: Facts) -> None:
    if "unit" in row:
        assert units.factor(row["unit"], row["unit"])[0] == 1


@pytest.mark.parametrize("row", STEPS.values(), ids=list(STEPS))
def test_what_a_step_says_is_in_the_vocabulary(row: Facts) -> None:
    told = [*row.get("parameters", ()), *row.get("results", ())]
    assert set(told) <= set(PARAMETERS)
    wanted = [code for choice in row.get("minimum", ()) for code in choice.split("|")]
    assert set(wanted) <= set(PARAMETERS)
    first = {choice.split("|")[0] for choice in row.get("minimum", ())}
    assert first <= set(told), "what a step must say is among what it says"


def test_every_parameter_belongs_to_a_step_or_to_all() -> None:
    told = {code for row in STEPS.values() for code in (*row.get("parameters", ()), *row.get("results", ()))}
    assert set(PARAMETERS) - told == {"relative_humidity", "voltage", "consumed_quantity", "produced_quantity", "event"}


def test_steps_stand_in_the_order_of_the_line() -> None:
    assert [code for code in STEPS if code in ORDER] == ORDER


def test_public_terms_are_those_of_the_ontology() -> None:
    stated = {code: row["bvco"].rsplit("_", 1)[1] for code, row in STEPS.items() if "bvco" in row}
    assert {code: stated.get(code) for code in TERMS} == TERMS


@pytest.mark.parametrize(("code", "choices"), MINIMUM.items())
def test_the_least_that_a_step_says(code: str, choices: str) -> None:
    assert list(STEPS[code]["minimum"]) == choices.split()


@pytest.mark.parametrize(
    ("name", "group", "wanted"),
    [
        ("Zone 3", "Ofentemperatur", ("oven_zone_temperature", 3, "")),
        ("Walzentemperatur Sollwert", "", ("roll_temperature", None, "setpoint")),
        ("辊温设定值", "", ("roll_temperature", None, "setpoint")),
        ("OCV1", "", ("ocv1", None, "")),
        ("OCV 2", "", ("ocv2", None, "")),
        ("OCV", "", ("ocv", None, "")),
        ("dew point actual", "", ("dew_point", None, "actual")),
    ],
)
def test_roles_and_counts_in_names(name: str, group: str, wanted: tuple[Any, ...]) -> None:
    found = vocabulary.parameter(name, group)
    assert found is not None
    assert (found.code, found.index, found.role) == wanted


@pytest.mark.parametrize("name", ["", "Frobnication", "speed", "42"])
def test_names_of_nothing_are_nothing(name: str) -> None:
    assert vocabulary.parameter(name) is None
