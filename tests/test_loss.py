"""What a model cannot carry of another: from the mappings alone, and borne out by a conversion of real records."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bdx
from bdx.errors import UsageError
from bdx.pipeline import losing

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/formats"


def attributes(source: str, target: str) -> dict[str, tuple[str, str]]:
    return {item.attribute: (item.why, item.becomes) for item in losing.loss(source, target).lost}


def test_what_is_left_out_is_named_with_its_reason() -> None:
    lost = attributes("catenax-battery-pass", "idta-02035")
    assert lost["battery.model_id"] == ("no place for it", "left out")
    assert lost["document[role=sustainability_report]"] == ("no place for it", "left out")
    assert lost["battery.battery_category: sli"] == ("no word for 'sli'", "left out")
    assert "battery.serial_number" not in lost and not any(name.startswith("battery.rated_capacity_ah") for name in lost)
    back = attributes("idta-02035", "catenax-battery-pass")
    assert back["battery.battery_category: stationary"] == ("no word for 'stationary'", "'industrial', its nearest word")
    assert back["battery.manufacturer_street"] == ("no place for it", "left out")


def test_a_model_loses_nothing_to_itself() -> None:
    for model in losing.models():
        if model.writes:
            assert losing.loss(model.id, model.id).lost == (), model.id


@pytest.mark.parametrize("source", [model.id for model in losing.models()])
@pytest.mark.parametrize("target", [model.id for model in losing.models() if model.writes])
def test_whatever_a_conversion_loses_was_foretold(source: str, target: str, tmp_path: Path) -> None:
    story = FIXTURES / source / "story/input.json"
    if source == target or not story.exists():
        pytest.skip("no story of this pair")
    done = bdx.convert([story], tmp_path / "out.json", to=target)
    foretold = {name.partition(": ")[0] for name in attributes(source, target)}
    foretold |= {name.partition("[")[0] + name.rpartition("]")[2] for name in foretold if "]" in name}
    tables = {name.partition(".")[0] for name in foretold}
    for loss in done.losses:
        if "/" in loss.what or loss.what.partition(".")[0] in ("source", "evidence"):
            continue  # fields without a canonical home, and what speaks of sources
        told = loss.what
        if "=" in told and "[" not in told:
            table, _, value = told.partition(".")
            told = f"{table}[{value}]"
        assert {told, told.removesuffix("_time")} & foretold or ("." not in told and told in tables), loss


def test_models_that_are_none_are_refused() -> None:
    for pair, words in {
        ("csv", "idta-02035"): "every canonical column",
        ("idta-02035", "bdf-csv"): "no document model",
        ("idta", "idta-02035"): "did you mean 'idta-02035'",
    }.items():
        with pytest.raises(UsageError, match=words):
            losing.loss(*pair)


def test_the_command_speaks_every_form() -> None:
    def run(*arguments: str) -> str:
        done = subprocess.run([sys.executable, "-m", "bdx", "loss", *arguments], capture_output=True, text=True, check=True)
        return done.stdout

    found = json.loads(run("catenax-battery-pass", "idta-02035", "-O", "json"))
    assert found["attributes"] > 100 and 0 < found["left_out"] < len(found["lost"])
    head, *lines = run("catenax-battery-pass", "idta-02035", "-O", "csv").splitlines()
    assert head == "attribute,what becomes of it,why,meaning" and len(lines) == len(found["lost"])
    assert run("-O", "markdown").startswith("| from / to | attributes |")
    cells = json.loads(run("-O", "json"))
    assert {"from": "catenax-battery-pass", "to": "idta-02035", "attributes": found["attributes"], "left_out": found["left_out"]} in cells
    alone = subprocess.run([sys.executable, "-m", "bdx", "loss", "idta-02035"], capture_output=True, text=True, check=False)
    assert alone.returncode == 2 and "give two models" in alone.stderr
