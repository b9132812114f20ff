"""Statistics per cycle of a Maccor tester: cycles, the test they are of, and files that are nearly ones."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from damaging import flipped_and_cut
from making import generator

from bdx import formats, spec
from bdx.errors import BdxError, SourceError
from bdx.formats.source import Source
from bdx.mapping.kipro_cycles import _item
from bdx.pipeline.reading import ReadOptions, chunks, open_source

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/mes/kiprobatt/maccor-stats"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="sample files are not here")
MAKE = generator("kiprobatt")
FACTS = spec.facts("mappings", "maccor-stats")


def read(path: Path | str, **options: Any) -> tuple[dict[str, list[dict[str, Any]]], set[str], Any]:
    opened = open_source(str(path), 1, ReadOptions(**options))
    found: dict[str, list[dict[str, Any]]] = {}
    schema: Any = None
    for chunk in chunks(opened, ReadOptions(**options)):
        schema = chunk["cycle"].schema if "cycle" in chunk else schema
        for name, batch in chunk.items():
            found.setdefault(name, []).extend(batch.to_pylist())
    return found, {finding.code for finding in opened.log.findings}, schema


def test_decimal_comma_and_point_are_the_same_cycles(tmp_path: Path) -> None:
    comma, _, _ = read(FIXTURES / "formats/maccor-stats/german/input.txt")
    point, _, _ = read(FIXTURES / "formats/maccor-stats/points/input.csv")
    assert comma["cycle"] == point["cycle"] and len(comma["cycle"]) == 4
    assert comma["cycle"][1] == comma["cycle"][1] | {
        "cycle_count": 1,
        "charge_capacity_ah": 0.49,
        "basis": "counter",
        "end_time_s": 43200.0,
    }
    assert str(comma["test"][0]["started_local"]) == "2026-03-05 06:00:00"


def test_columns_without_a_home_stay_with_their_names_and_units() -> None:
    found, _, schema = read(FIXTURES / "formats/maccor-stats/german/input.txt")
    field = schema.field("extra_dcir")
    assert field.metadata == {b"bdx.source_name": b"DCIR", b"bdx.unit": b"ohm"}
    assert [row["extra_acr"] for row in found["cycle"]] == [0.05] * 4


def test_without_a_start_dates_stay_as_written() -> None:
    found, codes, _ = read(FIXTURES / "formats/maccor-stats/start-unreadable/input.txt")
    assert codes == {"F310"} and found["cycle"][0]["extra_date"] == 46086.5 and found["cycle"][0]["end_time_s"] is None


@pytest.mark.parametrize(
    ("name", "channel", "item"),
    [
        ("101_lab-ki-230306-lab-0400-059_-STATS-.txt", "59", "lab-ki-230306-lab-0400"),
        ("Lab_KI_230207-lab-0100-055_-STATS-.txt", "55", "Lab_KI_230207-lab-0100"),
        ("Lab_KI_230207-lab-0100-055_-STATS-.txt", "7", "Lab_KI_230207-lab-0100-055"),
        ("/data/files/cell 12 -STATS-.txt", "7", "cell 12"),
        ("formation.txt", "7", None),
        ("<stdin>", None, None),
    ],
)
def test_item_in_the_name_of_a_file(name: str, channel: str | None, item: str | None) -> None:
    assert _item(name, channel, FACTS) == item


def test_a_comment_that_is_an_identifier_names_the_item(tmp_path: Path) -> None:
    path = tmp_path / "other.txt"
    path.write_text(MAKE.statistics().replace("Comment:\t", "Comment:\tBX36-000042"), "utf-8")
    assert read(path)[0]["test"][0]["item_id"] == "BX36-000042"
    path.write_text(MAKE.statistics().replace("Comment:\t", "Comment:\trepeat of yesterday"), "utf-8")
    assert read(path)[0]["test"][0]["item_id"] is None


def test_others_are_not_taken() -> None:
    for path in sorted((FIXTURES / "formats").glob("*/*/input.*")):
        if path.parent.parent.name in ("maccor-stats", "kiprobatt") or path.suffix not in (".txt", ".csv"):
            continue
        try:
            assert formats.detect(Source(str(path))).id != "maccor-stats", path
        except SourceError:
            continue


def test_damaged_files_raise_only_errors_of_bdx() -> None:
    whole = MAKE.statistics(rows=12).encode("cp1252")
    for cut in flipped_and_cut(whole, 7, 150, 7):
        try:
            read("-", from_format="maccor-stats", stdin=io.BytesIO(cut))
        except BdxError:
            continue


@needs_samples
@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*")) if SAMPLES.exists() else [], ids=lambda path: path.name)
def test_sample(path: Path) -> None:
    assert formats.detect(Source(str(path))).id == "maccor-stats"
    lines = [line for line in path.read_text("cp1252").splitlines() if line[:1].isdigit()]
    found, codes, _ = read(path)
    assert not codes and [row["cycle_count"] for row in found["cycle"]] == [int(line.split("\t")[0]) for line in lines]
    charge = [float(cell.replace(",", ".")) if (cell := line.split("\t")[1]) else None for line in lines]
    assert [row["charge_capacity_ah"] for row in found["cycle"]] == charge
    ends = [row["end_time_s"] for row in found["cycle"]]
    assert ends == sorted(ends) and found["test"][0]["item_id"] in path.name and found["test"][0]["channel"].isdigit()
