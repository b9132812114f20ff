"""Loose Neware .ndc files: what lies beside the main file, what is refused, cuts."""

import io
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from making import compared, generator
from neware_reading import codes, read_as

from bdx import formats, spec
from bdx.errors import SourceError
from bdx.formats.source import Source

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT.parent / "shared" / "samples" / "instrument" / "neware_ndc_loose"
NDC = spec.format_spec("neware-ndc")
read = partial(read_as, NDC)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the file with the records of a simulated test in a server folder, and what was recorded."""
    made = generator("neware_ndc")
    rec = made.cell_recording()
    single = [struct.pack("<f", value) for value in rec.temperature]
    yield made.folder(tmp_path / "20260302", "20260302_093000_120012_0_1_3", rec, single=single), rec


def test_files_beside_the_main_one_are_found_by_name(server: tuple[Path, Any]) -> None:
    path, rec = server
    table, row, source, _ = read(path)
    assert table is not None and table["test_time_second"].to_pylist() == [t / 1000 for t in rec.total_time]
    assert table["cycle_count"].to_pylist() == [rec.steps[s - 1][0] + 1 for s in rec.step]
    assert table["temperature_t1_celsius"].null_count == 0 and row["started_at"].isoformat() == "2026-03-02T08:30:00+00:00"
    assert set(codes(source)) == {"F020"}
    assert {loss.what for loss in source.log.losses} == {"20260302_093000_120012_0_1_3_log.ndc"}


def test_files_of_another_test_are_left_alone(server: tuple[Path, Any]) -> None:
    path, _ = server
    for name in ("_runInfo", "_step"):
        sibling = path.with_name(f"{path.stem}{name}.ndc")
        sibling.rename(path.with_name(f"{path.stem}3{name}.ndc"))
    table, _, source, _ = read(path)
    assert table is not None and "test_time_second" not in table.column_names
    assert codes(source)["F026"].message.endswith("(there is no such file beside it); its facts are missing")


def test_standard_input_says_what_it_cannot_know(server: tuple[Path, Any]) -> None:
    path, rec = server
    table, _, source, _ = read(Source("-", stdin=io.BytesIO(path.read_bytes())))
    assert table is not None and table.num_rows == len(rec.step)
    assert "standard input has no files beside it" in codes(source)["F026"].message and "F025" in codes(source)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("_runInfo", "time and counters"),
        ("_step", "the list of steps"),
        ("_log", "the log of events"),
        ("_AUX_9_3_1", "an auxiliary channel"),
    ],
)
def test_a_file_without_records_names_the_one_that_has_them(name: str, words: str, server: tuple[Path, Any]) -> None:
    path, _ = server
    sibling = path.with_name(f"{path.stem}{name}.ndc")
    assert formats.detect(Source(str(sibling))).id == "neware-ndc"
    with pytest.raises(SourceError, match=f"holds {words} of a test, not its records; open {path.name} instead"):
        read(sibling)


def test_a_loose_file_cut_inside_a_block(server: tuple[Path, Any]) -> None:
    path, rec = server
    data = path.read_bytes()
    path.write_bytes(data[: 4096 + 132 + 20 * 8 + 1])
    table, _, _, error = read(path)
    assert table is not None and table.num_rows == 20
    assert error.endswith(f"{path.name} byte 4389: ends inside a block; 20 whole records were read")
    assert table["test_time_second"].to_pylist() == [t / 1000 for t in rec.total_time[:20]]


@pytest.mark.skipif(not SAMPLES.exists(), reason="the sample files are not here")
def test_a_real_server_folder() -> None:
    path = SAMPLES / "20250128_161756_270120_0_69_33.ndc"
    table, _, source, _ = read(path)
    assert table is not None and table.num_rows == 43_201 and table["test_time_second"][-1].as_py() == 43_200.0
    assert set(codes(source)) == {"F020"}
    for sibling in path.parent.glob("*_*_*_*_*_*_*.ndc"):
        with pytest.raises(SourceError, match=f"open {path.name} instead"):
            read(sibling)


def test_the_generator_makes_the_committed_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = generator("neware_ndc")
    monkeypatch.setattr(made, "ROOT", tmp_path)
    made.loose()
    assert compared(tmp_path) == (6, [])
