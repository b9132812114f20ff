"""Names of persons on their way out: dropped by default, hashed with a key or kept, told of with counts and never with the name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

import bdx
from bdx import canon
from bdx.canon import Chunk, Log
from bdx.cli import cli
from bdx.errors import UsageError
from bdx.pipeline import personal
from bdx.pipeline.checking import validate
from bdx.pipeline.converting import convert
from bdx.pipeline.personal import KEY, shielded
from bdx.rules import line_persons

ROOT = Path(__file__).resolve().parents[1]
V4 = ROOT / "fixtures/formats/b2mml/v4-production/input.xml"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(KEY, raising=False)
    yield


def chunk(names: list[str | None], extra: list[Any] | None = None) -> Chunk:
    runs = [f"S{number}" for number in range(len(names))]
    stored = [value if value is None or isinstance(value, str) else canon.dumps(value) for value in extra or [None] * len(names)]
    step = canon.batch("process_step", {"step_run_id": runs, "step_code": ["coating"] * len(runs), "operator_ref": names, "extra": stored})
    same = canon.batch(
        "quality_result",
        {"characteristic_code": ["ocv"] * len(runs), "characteristic_name_raw": ["OCV"] * len(runs), "inspector_ref": names},
    )
    return {"process_step": step, "quality_result": same}


def out(chunks: list[Chunk], way: str) -> tuple[list[Chunk], Log]:
    log = Log()
    return list(shielded(iter(chunks), way, log, "plant.xml")), log


def column(found: list[Chunk], table: str, name: str) -> list[Any]:
    return pa.chunked_array([part[table].column(name) for part in found]).to_pylist()


def test_names_are_dropped_and_counted_by_column() -> None:
    found, log = out([chunk(["Erika", None, " ", "Max"]), chunk(["Erika"])], "drop")
    assert column(found, "process_step", "operator_ref") == [None, None, " ", None, None]
    assert [(f.code, f.severity, f.table, f.column, f.count) for f in log.findings] == [
        ("P043", "info", "process_step", "operator_ref", 3), ("P043", "info", "quality_result", "inspector_ref", 3),
    ]  # fmt: skip
    assert "Erika" not in str(log.findings)


def test_a_person_has_one_pseudonym_in_all_columns_and_chunks() -> None:
    found, log = out([chunk(["Erika", "Max"]), chunk([" Erika ", None])], "hash")
    told = column(found, "process_step", "operator_ref")
    assert told[0] == told[2] == column(found, "quality_result", "inspector_ref")[0] != told[1]
    assert told[3] is None and all(name is None or name.startswith("person:") for name in told)
    assert "this run only" in log.findings[0].message


def test_pseudonyms_last_with_a_key_and_only_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    loose = [column(out([chunk(["Erika"])], "hash")[0], "process_step", "operator_ref") for _ in range(2)]
    assert loose[0] != loose[1]
    monkeypatch.setenv(KEY, "a key that is long enough")
    kept = [out([chunk(["Erika"])], "hash") for _ in range(2)]
    names = [column(found, "process_step", "operator_ref") for found, _ in kept]
    assert names[0] == names[1] not in loose
    assert "every run" in kept[0][1].findings[0].message
    monkeypatch.setenv(KEY, "another key that is long enough")
    assert column(out([chunk(["Erika"])], "hash")[0], "process_step", "operator_ref") != names[0]


def test_a_weak_key_and_an_unknown_way_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="drop, hash, keep"):
        out([], "hush")
    monkeypatch.setenv(KEY, "short")
    with pytest.raises(UsageError, match="16 or more"):
        out([], "hash")


def test_a_pseudonym_is_not_hashed_again() -> None:
    once, _ = out([chunk(["Erika"], [{"Bediener": "Erika"}])], "hash")
    twice, log = out(once, "hash")
    assert [part.to_pylist() for part in twice[0].values()] == [part.to_pylist() for part in once[0].values()]
    assert log.findings == []


def test_kept_is_kept() -> None:
    given = chunk(["Erika"], [{"Bediener": "Erika"}])
    found, log = out([given], "keep")
    assert found[0] is given and log.findings == []


def test_fields_carried_along_under_names_of_persons() -> None:
    extra = [
        {"after Batch/Prüfer": "Max", "Speed": 3},
        {"vendor": {"operator_name": "Erika", "list": [{"User": 17, "x": None}]}},
        {"Operator": ""},
        {"User manual": "v2"},
        None,
    ]
    dropped, log = out([chunk([None] * 5, extra)], "drop")
    told = [json.loads(text) if text else None for text in column(dropped, "process_step", "extra")]
    assert told == [{"Speed": 3}, {"vendor": {"list": [{"x": None}]}}, extra[2], extra[3], None]
    assert [(found.column, found.count) for found in log.findings] == [("extra", 2)]
    hashed, _ = out([chunk([None] * 5, extra)], "hash")
    said = json.loads(column(hashed, "process_step", "extra")[1])
    assert said["vendor"]["operator_name"].startswith("person:") and said["vendor"]["list"][0]["User"].startswith("person:")


@pytest.mark.parametrize("text", ['{"Operator": "Max"', '["Operator", {"Operator": "Max"}', "[" * 50_000 + '{"Operator": "Max"}'])
def test_carried_text_that_is_no_json_is_left_out_whole(text: str) -> None:
    assert column(out([chunk([None], [text])], "drop")[0], "process_step", "extra") == [None]


def test_columns_of_a_time_series_that_name_persons() -> None:
    series = canon.batch("timeseries", {"voltage_volt": [3.6, 3.7]}, {"extra_user_name": (pa.array(["Max", None]), {})})
    found, log = out([{"timeseries": series}], "drop")
    assert found[0]["timeseries"].column("extra_user_name").to_pylist() == [None, None]
    assert found[0]["timeseries"].schema == series.schema
    assert [finding.count for finding in log.findings] == [1]


def test_every_personal_column_of_the_tables_is_known() -> None:
    told = {table: line_persons.columns(table) for table in bdx.spec.tables() if line_persons.columns(table)}
    assert told == {"test": ("operator",), "process_step": ("operator_ref",), "quality_result": ("inspector_ref",)}
    assert set(told) <= {table for table in bdx.spec.tables() if line_persons.looked_through(table)}


# --- through convert, validate and the command line


def operators(path: Path) -> list[Any]:
    return bdx.read(path)["process_step"].column("operator_ref").drop_null().to_pylist()


def test_convert_leaves_persons_out_unless_told(tmp_path: Path) -> None:
    result = convert([V4], tmp_path / "plain", to="dataset")
    assert operators(tmp_path / "plain") == []
    assert [(f.table, f.column) for f in result.findings if f.code == "P043"] == [("process_step", "operator_ref")]
    convert([V4], tmp_path / "kept", to="dataset", personal="keep")
    assert operators(tmp_path / "kept") == ["P-7"]
    convert([V4], tmp_path / "hashed", to="dataset", personal="hash")
    assert [name[:7] for name in operators(tmp_path / "hashed")] == ["person:"]


def test_a_gate_refuses_persons_on_request(tmp_path: Path) -> None:
    found = validate([V4], select=["P043"]).findings
    assert [(f.code, f.count) for f in found] == [("P043", 1)] and "P-7" not in str(found)
    assert "P043" not in {f.code for f in validate([V4]).findings}
    convert([V4], tmp_path / "hashed", to="dataset", personal="hash")
    assert validate([tmp_path / "hashed"], select=["P043"]).findings == []


def test_the_command_line_takes_the_way(tmp_path: Path) -> None:
    target = str(tmp_path / "out/")
    done = CliRunner().invoke(cli, ["convert", str(V4), "-o", f"{target}/", "--personal", "hash"])
    assert done.exit_code == 0, done.output
    assert [name[:7] for name in operators(tmp_path / "out")] == ["person:"]
    assert CliRunner().invoke(cli, ["convert", str(V4), "--personal", "burn"]).exit_code == 2


def test_a_million_rows_take_a_moment() -> None:
    import time

    part = chunk([f"worker {number % 500}" for number in range(50_000)], [{"note": number % 9} for number in range(50_000)])
    began = time.perf_counter()
    out([part] * 20, "hash")
    assert time.perf_counter() - began < 8
    assert personal.WAYS[0] == "drop"
