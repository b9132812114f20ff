"""The same findings whatever the batches: faulty files through the whole of `validate`, read in pieces of several sizes."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bdx import canon, formats, mapping
from bdx.canon import Chunk, Log, Part, Table
from bdx.errors import CorruptSource
from bdx.formats import b2mml, delimited_blocks, rows
from bdx.mapping import paths_read
from bdx.pipeline import evening
from bdx.pipeline.checking import validate
from bdx.rules import waiting

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "fixtures" / "make"))

import passports  # noqa: E402

from bdx.formats.json_text import dumps  # noqa: E402

SIZES = (1, 7, 1000)
ROWS = 1100
FEW = 220


def modules() -> Iterator[ModuleType]:
    """Every module that holds the size of a batch under its own name."""
    yield canon
    for item in pkgutil.iter_modules(formats.__path__, "bdx.formats."):
        module = importlib.import_module(item.name)
        if hasattr(module, "BATCH_ROWS"):
            yield module


SIZED = tuple(modules())


def cut(size: int, patch: pytest.MonkeyPatch, *, documents: bool = False) -> None:
    """Make every reader yield batches of at most `size` rows, every mapping too, and every rule look at each of them.

    What a document says belongs together: of those only the bytes read at a time and the documents in a chunk vary.
    """
    for module in () if documents else SIZED:
        patch.setattr(module, "BATCH_ROWS", size)
    patch.setattr(delimited_blocks, "_CHUNK", 97 * size)
    patch.setattr(rows, "BLOCK_BYTES", max(97 * size, 4096))
    patch.setattr(b2mml, "BLOCK", 97 * size)
    patch.setattr(paths_read, "BATCH_DOCUMENTS", size)
    patch.setattr(waiting, "ENOUGH", 1)
    read, to_canonical = formats.read, mapping.to_canonical

    def parts(*given: Any, **options: Any) -> Iterator[Part]:
        for part in read(*given, **options):
            yield (
                Table(part.name, part.schema, (piece for batch in part.batches for piece in pieces(batch)))
                if isinstance(part, Table)
                else part
            )

    def chunks(*given: Any) -> Iterator[Chunk]:
        for chunk in to_canonical(*given):
            yield from ({"timeseries": piece} for piece in pieces(chunk["timeseries"])) if set(chunk) == {"timeseries"} else (chunk,)

    def pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        return (batch.slice(start, size) for start in range(0, max(batch.num_rows, 1), size))

    patch.setattr(formats, "read", parts)
    patch.setattr(mapping, "to_canonical", chunks)


def findings(path: Path) -> tuple[list[dict[str, Any]], dict[str, int], int]:
    """All there is to say of a source: findings whole, rows by table, values looked at."""
    result = validate([path], assume_tz="UTC", allow_empty=True)
    return [dataclasses.asdict(found) for found in result.findings], dict(result.sources[0].rows), result.checked


def same_in_pieces(path: Path, sizes: tuple[int, ...] = SIZES, *, documents: bool = False) -> set[str]:
    """Hold a file to its findings in one piece, for every size; return their codes."""
    whole = findings(path)
    for size in sizes:
        with pytest.MonkeyPatch.context() as patch:
            cut(size, patch, documents=documents)
            assert findings(path) == whole, f"batches of {size}"
    with pytest.MonkeyPatch.context() as patch:
        cut(sizes[0], patch, documents=documents)
        patch.setattr(waiting, "ENOUGH", 100)
        assert findings(path) == whole, "small batches put together"
    return {found["code"] for found in whole[0]}


# --- files of a test, one fault each

Columns = dict[str, Any]
NAMES = {
    "time": "Test Time / s",
    "voltage": "Voltage / V",
    "current": "Current / A",
    "unix": "Unix Time / s",
    "cycle": "Cycle Count / 1",
    "step": "Step Count / 1",
    "temperature": "Ambient Temperature / degC",
    "charge": "Step Charging Capacity / Ah",
    "discharge": "Step Discharging Capacity / Ah",
    "power": "Power / W",
}


def story(count: int) -> Columns:
    """A clean test: a record a minute, an hour of charge and of discharge in turn."""
    index = np.arange(count)
    step, within = index // 60, index % 60
    charging = step % 2 == 0
    current = np.where(charging, 2.0, -2.0)
    voltage = 3.6 + 0.005 * np.where(charging, within, 60 - within) + 0.0001 * np.sin(index)
    moved = within / 30
    return {
        "time": index * 60.0,
        "voltage": voltage,
        "current": current,
        "unix": 1.7e9 + index * 60.0,
        "cycle": step // 2 + 1,
        "step": step + 1,
        "temperature": 25 + np.sin(index / 50),
        "charge": np.where(charging, moved, 0.0),
        "discharge": np.where(charging, 0.0, moved),
        "power": voltage * current,
    }


def _at(name: str, places: Any, change: Callable[[Any], Any]) -> Callable[[Columns], None]:
    """A fault of some rows of a column; two floats are the shares of the file between which they stand."""

    def fault(columns: Columns) -> None:
        count = len(columns[name])
        here = slice(*(int(share * count) for share in places)) if isinstance(places, tuple) else places
        columns[name][here] = change(columns[name][here])

    return fault


def _late(columns: Columns) -> None:
    columns["current"][1:] = columns["current"][:-1].copy()


def _text(columns: Columns) -> None:
    columns["voltage"] = columns["voltage"].astype(object)
    columns["voltage"][[3, 180, -1]] = "n/a?"


EVERY = slice(None)
FAULTS: dict[str, Callable[[Columns], None]] = {
    "current of the wrong sign": _at("current", EVERY, lambda values: -values),
    "current in milliampere": _at("current", EVERY, lambda values: values * 1000),
    "voltage in millivolt": _at("voltage", EVERY, lambda values: values * 1000),
    "time runs back": _at("time", (0.4, 1.0), lambda values: values - 3600),
    "wall clock an hour back": _at("unix", (0.6, 1.0), lambda values: values - 3600),
    "time in minutes": _at("time", EVERY, lambda values: values / 60),
    "rows twice": _at("time", slice(1, None, 7), lambda values: values - 60),
    "a day is missing": _at("time", (0.71, 1.0), lambda values: values + 86_400),
    "spikes": _at("voltage", [0, 6, 7, 99, 100, -1], lambda values: values * 3),
    "a frozen voltage": _at("voltage", (0.1, 0.9), lambda values: values * 0 + 3.7),
    "capacity starts again within steps": _at("charge", slice(30, None, 60), lambda values: values * 0),
    "capacity twice what current carries": _at("charge", EVERY, lambda values: values * 2),
    "the cycle counter falls back": _at("cycle", (0.5, 0.6), lambda values: values - 1),
    "a step counter that leaps": _at("step", (0.3, 1.0), lambda values: values + 40),
    "power of another sign": _at("power", EVERY, lambda values: -values),
    "no values in places": _at("current", [0, 7, 8, 101], lambda values: values * np.nan),
    "hot as fire": _at("temperature", (0.9, 0.95), lambda values: values + 900),
    "current a row late": _late,
    "text among numbers": _text,
}


def written(fault: str, count: int, path: Path) -> Path:
    """Write a test with one fault as Battery Data Format."""
    columns = story(count)
    FAULTS[fault](columns)
    lines = [",".join(NAMES[name] for name in columns)]
    lines += [",".join(str(value).replace("nan", "") for value in row) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_test_is_judged_alike_in_pieces(fault: str, tmp_path: Path) -> None:
    assert same_in_pieces(written(fault, ROWS, tmp_path / "long.csv"), (7, 1000))
    same_in_pieces(written(fault, FEW, tmp_path / "short.csv"), (1,))


# --- files of other formats, with findings of their readers and mappings

FIXTURES = (
    "arbin-csv/mits-cp1252",
    "arbin-res/stored-out-of-order",
    "arbin-xlsx/odd-cells",
    "b2mml/oddities",
    "biologic-mpr/oldest-three-electrodes",
    "biologic-mpt/spectra-names-behind",
    "catenax-battery-pass/faults",
    "digatron/milliseconds-named-seconds",
    "eis-csv/two-spectra-header-again",
    "gamry/rest-and-spectrum-decimal-comma",
    "idta-02035/faults",
    "maccor-eis/cut",
    "maccor/minutes-time-only",
    "matr-mat/two-cells",
    "neware-csv/damaged",
    "neware-csv/utf8-with-a-bad-byte",
    "neware-nda/v130-layout19-chained",
    "neware-ndax/v14-tail",
    "neware-ndc/v14-alone",
    "neware-xlsx/detail-and-auxiliary-sheets",
    "parquet/packs",
    "repower-csv/restarts",
)


@pytest.mark.parametrize("case", FIXTURES)
def test_a_faulty_file_is_judged_alike_in_pieces(case: str) -> None:
    (path,) = (ROOT / "fixtures" / "formats" / case).glob("input*")
    assert same_in_pieces(path, documents=case.startswith("b2mml"))


def test_faulty_passports_are_judged_alike_in_pieces(tmp_path: Path) -> None:
    """Chunks of many batteries, of few, and of one each where a key comes again."""
    path = tmp_path / "in.jsonl"
    with path.open("wb") as sink:
        for number in range(90):
            value = passports.catenax(number // 3 if number % 20 == 1 else number)
            if number % 7 == 3:
                value["materials"]["composition"][0]["concentration"] = 140.0
            if number % 11 == 5:
                del value["metadata"]["version"]
            if number % 13 == 6:
                value["performance"]["rated"]["capacity"]["value"] = -1
            sink.write(dumps(value) + b"\n")
    assert len(same_in_pieces(path, documents=True)) > 2


def test_a_count_that_grows_is_told_as_it_ends() -> None:
    log, other = Log(), Log()
    for count in (2, 3):
        log.find("M030", source="in.csv", table="timeseries", column="voltage_volt", row=0, count=count, header="U", value=-9999)
    other.find("M030", source="in.csv", table="timeseries", column="voltage_volt", row=9, count=4, header="U", value=-9999)
    log.merge(other)
    assert [(found.count, found.message.split()[0]) for found in log.findings] == [(9, "9")]


def test_a_table_comes_in_batches_of_one_length_and_whole_up_to_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evening, "ROWS", 10)

    def rows(*sizes: int, fault: bool = False) -> Iterator[pa.RecordBatch]:
        first = 0
        for size in sizes:
            yield pa.record_batch({"n": pa.array(range(first, first + size), pa.int64())})
            first += size
        if fault:
            raise CorruptSource("is cut")

    def lengths(batches: Iterator[pa.RecordBatch]) -> list[int]:
        (part,) = evening.even(iter([Table("records", pa.schema({"n": pa.int64()}), batches)]))
        found, numbers = [], []
        try:
            for batch in part.batches:
                found.append(batch.num_rows)
                numbers += batch["n"].to_pylist()
        except CorruptSource:
            found.append(-1)
        assert numbers == list(range(len(numbers)))
        return found

    assert lengths(rows(1, 0, 8, 3, 25)) == [10, 10, 10, 7]
    assert lengths(rows(10, 10)) == [10, 10]
    assert lengths(rows(0, 0)) == [0]
    assert lengths(rows()) == []
    assert lengths(rows(4, 5, fault=True)) == [9, -1]
    assert lengths(rows(40, 5, fault=True)) == [10, 10, 10, 10, 5, -1]
