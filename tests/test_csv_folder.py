"""A data set as a folder of CSV files: one per table, read back equal, damage found."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bdx import canon, spec
from bdx.canon import Chunk, Log
from bdx.errors import CorruptSource, SinkError, SourceError
from bdx.formats import dataset
from bdx.formats.canonical import WriteOptions
from bdx.formats.source import Source
from bdx.pipeline.converting import convert

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/formats"


def tables(folder: Path) -> dict[str, pa.Table]:
    found: dict[str, list[pa.RecordBatch]] = {}
    for chunk in dataset.read_chunks(Source(str(folder), Log()), spec.format_spec("dataset")):
        for name, batch in chunk.items():
            found.setdefault(name, []).append(batch)
    return {name: pa.Table.from_batches(batches) for name, batches in found.items()}


def write(chunks: list[Chunk], folder: Path) -> Path:
    folder.mkdir()
    dataset.write_csv(chunks, folder, WriteOptions(Log()))
    return folder


@pytest.mark.parametrize(
    "case", ["b2mml/v7-small", "b2mml/oddities", "b2mml/v4-production", "b2mml/material-v7", "maccor/client-decimal-comma", "csv/cycling"]
)
def test_every_table_reads_back_equal(case: str, tmp_path: Path) -> None:
    source = next(iter(sorted((FIXTURES / case).glob("input.*"))))
    convert([source], f"{tmp_path}/parquet/")
    convert([source], f"{tmp_path}/csv/", to="csv")
    wanted, found = tables(tmp_path / "parquet"), tables(tmp_path / "csv")
    assert wanted.keys() == found.keys()
    for name in wanted.keys() - {"source"}:
        assert found[name].equals(wanted[name]), name
    assert sorted(path.name for path in (tmp_path / "csv").iterdir()) == sorted(["datapackage.json", *(f"{name}.csv" for name in wanted)])


def test_texts_that_csv_is_bad_at(tmp_path: Path) -> None:
    texts = ['a,"b"', "", None, " x ", "line\nline\r\nend", "007", "1,5", "NULL", "ä€電", "'=1"]
    rows: list[dict[str, Any]] = [
        {
            "parameter_code": "other",
            "parameter_name_raw": f"p{number}",
            "value_raw": text,
            "value_num": 0.1 + number,
            "value_bool": number > 1,
        }
        for number, text in enumerate(texts)
    ]
    rows[0]["measured_at"] = datetime(2026, 3, 2, 10, 8, 0, 123456, UTC)
    batch = canon.from_rows("process_parameter", rows)
    found = tables(write([{"process_parameter": batch}], tmp_path / "x"))
    assert found["process_parameter"].to_pylist() == batch.to_pylist()


def test_one_file_of_one_table_stays_what_it_was(tmp_path: Path) -> None:
    convert([FIXTURES / "b2mml/v7-small/input.xml"], tmp_path / "x.csv", to="csv", table="item")
    assert (tmp_path / "x.csv").read_text("utf-8").startswith("item_id,")


def test_the_descriptor_names_the_files(tmp_path: Path) -> None:
    folder = write([{"item": canon.from_rows("item", [{"item_id": "A"}])}], tmp_path / "x")
    entry = json.loads((folder / "datapackage.json").read_text("utf-8"))["resources"][0]
    assert (entry["path"], entry["format"], entry["mediatype"], entry["bdx:rows"]) == ("item.csv", "csv", "text/csv", 1)


@pytest.mark.parametrize("fault", ["bytes", "rows", "type", "negative"])
def test_damage_is_found(fault: str, tmp_path: Path) -> None:
    folder = write([{"item": canon.from_rows("item", [{"item_id": "A", "quantity": 1.5}])}], tmp_path / "x")
    path = folder / "item.csv"
    text = path.read_text("utf-8")
    told = json.loads((folder / "datapackage.json").read_text("utf-8"))
    if fault == "bytes":
        path.write_text(text + "\n", "utf-8")
    else:
        changed = {"rows": text, "type": text.replace("1.5", "much"), "negative": text}[fault]
        path.write_text(changed, "utf-8")
        told["resources"][0]["hash"] = "sha256:" + hashlib.sha256(changed.encode()).hexdigest()
        told["resources"][0]["bdx:rows"] = {"rows": 2, "type": 1, "negative": -1}[fault]
        (folder / "datapackage.json").write_text(json.dumps(told), "utf-8")
    with pytest.raises((CorruptSource, SourceError)):
        tables(folder)


def test_an_existing_folder_is_not_replaced_unasked(tmp_path: Path) -> None:
    source = FIXTURES / "b2mml/v7-small/input.xml"
    convert([source], f"{tmp_path}/x/", to="csv")
    with pytest.raises(SinkError, match="--force"):
        convert([source], f"{tmp_path}/x/", to="csv")
    convert([source], f"{tmp_path}/x/", to="csv", force=True)
