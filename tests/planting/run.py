"""Plants the faults of fixtures/planted one by one and validates the data before and after."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from bdx import canon
from bdx.canon import Finding, Log
from bdx.formats import dataset
from bdx.formats.canonical import WriteOptions
from bdx.pipeline import settings as project
from bdx.pipeline.checking import validate
from bdx.pipeline.reading import ReadOptions, chunks, open_source
from planting import cycling, frames, texts, trees
from planting.layouts import FOLDER, write

FIXTURES = FOLDER.parent
LOUD = ("error", "warning")


@dataclass(frozen=True)
class Base:
    """Clean data: made by a function, a file of the fixtures, or the tables of another base."""

    id: str
    what: str
    make: str = ""
    args: dict[str, Any] = field(default_factory=dict)
    file: str = ""
    mend: tuple[tuple[str, str], ...] = ()
    tables_of: str = ""


@dataclass(frozen=True)
class Fault:
    """One fault: the base it is planted in, how, and the codes any of which names it rightly; `open` says why none does."""

    name: str
    what: str
    base: str
    codes: tuple[str, ...]
    layout: str = "bdf-csv"
    frame: tuple[dict[str, Any], ...] = ()
    text: tuple[dict[str, Any], ...] = ()
    document: tuple[dict[str, Any], ...] = ()
    tables: tuple[dict[str, Any], ...] = ()
    profile: str = ""
    expect: tuple[dict[str, Any], ...] = ()
    open: str = ""
    family: str = ""


@cache
def bases() -> dict[str, Base]:
    """Return every base by id."""
    rows = tomllib.loads((FOLDER / "bases.toml").read_text("utf-8"))["base"]
    return {row["id"]: Base(**{**row, "mend": tuple(map(tuple, row.get("mend", ())))}) for row in rows}


@cache
def faults() -> tuple[Fault, ...]:
    """Return every fault, in the order of their files."""
    found = []
    for path in sorted(FOLDER.glob("faults_*.toml")):
        for row in tomllib.loads(path.read_text("utf-8"))["fault"]:
            lists = {key: tuple(value) for key, value in row.items() if isinstance(value, list)}
            found.append(Fault(**{**row, **lists, "family": path.stem.removeprefix("faults_")}))
    return tuple(found)


def plant(fault: Fault, folder: Path) -> Path:
    """Return the path of data with the fault in it."""
    path = clean(fault, folder, fault.frame, fault.tables)
    for facts in fault.document:
        path = trees.spoil_document(path, facts)
    for facts in fault.text:
        path = texts.spoil(path, facts)
    return path


def clean(fault: Fault, folder: Path, frame: tuple[dict[str, Any], ...] = (), tables: tuple[dict[str, Any], ...] = ()) -> Path:
    """Return the path of the data a fault is planted in, with the changes of numbers and tables that are asked for."""
    base = bases()[fault.base]
    folder.mkdir(parents=True, exist_ok=True)
    if base.make:
        found = _made(base.id)
        for facts in frame:
            found = frames.spoil(found, facts)
        return write(found, fault.layout, folder)
    if base.tables_of:
        held = _tables(base.tables_of)
        for facts in tables:
            held = trees.spoil_tables(held, facts)
        return _write_tables(held, folder / "input")
    return _mended(base, folder)


def findings(path: Path, fault: Fault) -> list[Finding]:
    """Return what a validation says of a file, under the settings the fault asks for."""
    wanted = project.Settings(expect=fault.expect)
    if fault.profile:
        wanted = project.with_profile(wanted, fault.profile)
    return validate([path], allow_empty=True, settings=wanted).findings


def seen(found: list[Finding], *, loud: bool = False) -> list[str]:
    """Return the codes of findings once each, in their order; `loud` leaves out remarks."""
    return sorted({finding.code for finding in found if not loud or finding.severity in LOUD})


@cache
def _made(base: str) -> cycling.Frame:
    facts = bases()[base]
    if facts.make == "spectra":
        return cycling.spectra(**facts.args)
    given = dict(facts.args)
    return cycling.test(getattr(cycling, given.pop("battery")), **given)


def _mended(base: Base, folder: Path) -> Path:
    source = FIXTURES / base.file
    path = folder / f"input{source.suffix}"
    if not base.mend:
        return Path(shutil.copyfile(source, path))
    text = source.read_text("utf-8")
    for old, new in base.mend:
        assert old in text, f"'{old}' is not in {base.file}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


@cache
def _tables(base: str) -> trees.Tables:
    """Return the canonical tables of another base as rows."""
    found: trees.Tables = {}
    with tempfile.TemporaryDirectory() as folder:
        opened = open_source(str(_mended(bases()[base], Path(folder))), 1, ReadOptions())
        for chunk in chunks(opened, ReadOptions()):
            for name, batch in chunk.items():
                found.setdefault(name, []).extend(batch.to_pylist())
    found.pop("source")
    return found


def _write_tables(tables: trees.Tables, folder: Path) -> Path:
    folder.mkdir(parents=True)
    chunk = {name: _batch(name, rows) for name, rows in tables.items() if rows}
    dataset.write_chunks([chunk], folder, None, WriteOptions(Log()))  # type: ignore[arg-type]
    return folder


def _batch(name: str, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    return canon.from_rows(name, rows)
