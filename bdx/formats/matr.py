"""MATLAB 7.3 files of the MIT-Stanford-TRI fast-charging data: a struct of many cells, each with cells of vectors per cycle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.canon import BATCH_ROWS, Document, Part, Table
from bdx.errors import BdxError, CorruptSource
from bdx.formats.canonical import guard
from bdx.formats.hdf_foreign import dataset, get, members, opened
from bdx.formats.matlab import Floats, Matlab
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

_MAX_TESTS = 100_000
_CURRENT, _TIME, _DISCHARGE = "I", "t", "Qd"


def sniff_source(source: Source, spec: FormatSpec) -> bool:
    """Say whether an HDF5 file holds a struct `batch` with cycles and a summary."""
    return members(source).issuperset(spec.raw["all"])


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield for each cell its facts and its records, one cycle after the other.

    Raises: CorruptSource, TruncatedSource, UnsafeSource, each naming the cell and the vector.
    """
    with opened(source) as file:
        run = _Batch(file, spec, source, Matlab(file, source))
        fields = run.fields(get(file, "batch", source))
        count = len(fields[spec.raw["cycles"]])
        yield Document("info", run.facts(file, "", spec.raw["file_facts"]))
        for cell in range(count):
            struct = run.mat.follow(fields[spec.raw["cycles"]][cell], f"batch.cycles({cell + 1})")
            numbers = run.summary(fields, cell)
            yield Document("test" if count > 1 else "info", run.cell_facts(fields, cell))
            yield run.records(struct, numbers, f"batch({cell + 1})")


@dataclass(slots=True)
class _Batch:
    """One reading of one file."""

    file: Any
    spec: FormatSpec
    source: Source
    mat: Matlab
    factor: str = ""
    """What current is multiplied by to be in ampere, once the first full cycle has shown it."""

    def fields(self, struct: Any) -> dict[str, Any]:
        """Return the references of each field of the struct of cells, one per cell.

        Raises: CorruptSource where fields are of unequal length or there is none.
        """
        found: dict[str, Any] = {}
        for name, values in self.members(struct, "batch"):
            with guard(self.source.uri, "HDF5"):
                if values.dtype.kind == "O" and values.size and values.size <= _MAX_TESTS:
                    found[name] = values[()].ravel()
        wanted = self.spec.raw["cycles"]
        lengths = {len(values) for values in found.values()}
        if wanted not in found or len(lengths) != 1:
            raise CorruptSource(
                f"batch has fields of {sorted(lengths)} cells; expected {wanted} and others of one length", path=self.source.uri
            )
        return found

    def members(self, struct: Any, where: str) -> Iterator[tuple[str, Any]]:
        """Yield the name and the values of each field of a struct."""
        with guard(self.source.uri, "HDF5"):
            names = [str(name) for name in struct]
        for name in names:
            yield name, dataset(get(struct, name, self.source), f"{where}.{name}", self.source)

    def facts(self, parent: Any, where: str, names: tuple[str, ...]) -> dict[str, Any]:
        """Return those of some values of a group that stand there and can be read as one number or text."""
        found = {}
        for name in names:
            item = get(parent, name, self.source)
            value = self.mat.plain(item, f"{where}{name}") if item is not None else None
            if value is not None:
                found[name] = value
        return found

    def cell_facts(self, fields: dict[str, Any], cell: int) -> dict[str, Any]:
        """Return the facts of a cell by their own names; those that are vectors are logged as lost."""
        found: dict[str, Any] = {"cell": cell + 1}
        for name, references in fields.items():
            if name in (self.spec.raw["cycles"], self.spec.raw["summary"]):
                continue
            where = f"batch.{name}({cell + 1})"
            value = self.mat.plain(self.mat.follow(references[cell], where), where)
            if value is None:
                self.source.log.lose(self.source.uri, f"batch.{name}", "a grid shared by interpolated curves, which are not carried")
            elif not isinstance(value, float) or not np.isnan(value):
                found[name] = value
        return found

    def summary(self, fields: dict[str, Any], cell: int) -> Floats:
        """Return the numbers of the cycles as the summary gives them; its other vectors are logged as lost."""
        name = self.spec.raw["summary"]
        if name not in fields:
            return np.empty(0)
        group = self.mat.follow(fields[name][cell], f"batch.summary({cell + 1})")
        numbers = np.empty(0)
        for inner, values in self.members(group, f"batch.summary({cell + 1})"):
            if inner == self.spec.raw["number"]:
                numbers = self.mat.vector(values.ref, f"batch.summary({cell + 1}).{inner}")
            else:
                why = "no canonical table holds it; the table cycle is derived from the records"
                self.source.log.lose(self.source.uri, f"values of batch.summary.{inner}", why, int(values.size or 0))
        return numbers

    def records(self, struct: Any, numbers: Floats, where: str) -> Table:
        """Return the records of one cell as a table whose batches are read cycle by cycle."""
        known: Facts = self.spec.raw["vectors"]
        references: dict[str, Any] = {}
        for name, values in self.members(struct, f"{where}.cycles"):
            with guard(self.source.uri, "HDF5"):
                if name not in known:
                    self.source.log.lose(self.source.uri, f"batch.cycles.{name}", "follows from the records", int(values.size or 0))
                elif values.dtype.kind == "O" and values.size is not None:
                    references[name] = values[()].ravel()
        missing = [name for name in known if name not in references]
        if missing or len({len(item) for item in references.values()}) > 1:
            lacks = f"lacks {', '.join(missing)}" if missing else "has vectors of unequal numbers of cycles"
            raise CorruptSource(f"{where}.cycles {lacks}", path=self.source.uri)
        self.settle(references, where)
        fields = [pa.field(name, pa.float64(), metadata=self.units(name, *facts)) for name, facts in known.items()]
        schema = pa.schema([pa.field("cycle", pa.int64()), pa.field("test_time", pa.float64(), metadata={"bdx.unit": "min"}), *fields])
        return Table("records", schema, self.batches(schema, references, numbers, where))

    def units(self, name: str, unit: str, word: str) -> dict[str, str]:
        """Return the field metadata of a vector."""
        scale = {"bdx.scale": self.factor} if name == _CURRENT and self.factor not in ("", "1") else {}
        return {"bdx.name": word, "bdx.unit": unit, **scale}

    def settle(self, references: dict[str, Any], where: str) -> None:
        """Find out whether current is in ampere or in multiples of the nominal capacity: charge tells, on the first full cycles."""
        if self.factor:
            return
        self.factor = "1"
        rate: str = self.spec.raw["rate"]
        for cycle in range(min(len(references[_TIME]), self.spec.raw["settled_by"])):
            time, current, charge = (self.cycle(references, name, cycle, where) for name in (_TIME, _CURRENT, _DISCHARGE))
            if len({len(time), len(current), len(charge)}) > 1 or len(time) < 2:
                continue
            with np.errstate(all="ignore"):
                steps = np.clip(np.diff(time), 0.0, None) / 60.0
                integral = float(np.nansum(np.clip(-(current[1:] + current[:-1]) / 2.0, 0.0, None) * steps))
            counted = float(np.nanmax(charge) - charge[0]) if np.isfinite(charge).any() else 0.0
            if counted < self.spec.raw["least"] or integral <= 0:
                continue
            ratio = counted / integral
            if abs(ratio - float(rate)) < abs(ratio - 1.0) and abs(ratio / float(rate) - 1.0) < self.spec.raw["tolerance"]:
                self.factor = rate
                self.source.log.find("F080", source=self.source.uri, locator=f"{where}.cycles", value=rate, ratio=ratio)
            return

    def cycle(self, references: dict[str, Any], name: str, cycle: int, where: str) -> Floats:
        """Return one vector of one cycle."""
        return self.mat.vector(references[name][cycle], f"{where}.cycles.{name}({cycle + 1})")

    def batches(self, schema: pa.Schema, references: dict[str, Any], numbers: Floats, where: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches of a fixed size, whatever the length of the cycles; whole cycles before damage come first."""
        held: list[pa.RecordBatch] = []
        rows, laid, end, broken = 0, 0, 0.0, None
        for cycle in range(len(references[_TIME])):
            try:
                vectors = {name: self.cycle(references, name, cycle, where) for name in references}
                if len({len(values) for values in vectors.values()}) > 1:
                    lengths = ", ".join(f"{name} {len(values)}" for name, values in vectors.items())
                    raise CorruptSource(f"{where}.cycles({cycle + 1}) has vectors of unequal length: {lengths}", path=self.source.uri)
            except BdxError as error:
                broken = error
                break
            time = vectors[_TIME]
            restarts = bool(len(time)) and cycle > 0 and time[0] < end
            laid += restarts
            start = end if restarts else 0.0
            end = max(end, start + float(np.nanmax(time))) if len(time) and np.isfinite(time).any() else end
            number = numbers[cycle] if cycle < len(numbers) and np.isfinite(numbers[cycle]) else cycle + 1
            columns = [np.full(len(time), int(number)), time + start, *(vectors[field.name] for field in list(schema)[2:])]
            arrays = [pa.array(values, field.type, from_pandas=True) for values, field in zip(columns, schema, strict=True)]
            held.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
            rows += len(time)
            if rows >= BATCH_ROWS:
                *ready, rest = _cut(held, schema, rows)
                yield from ready
                held, rows = [rest], rest.num_rows
        if rows:
            yield from (batch for batch in _cut(held, schema, rows) if batch.num_rows)
        if laid:
            self.source.log.find("F081", source=self.source.uri, count=laid)
        if broken is not None:
            raise broken


def _cut(held: list[pa.RecordBatch], schema: pa.Schema, rows: int) -> list[pa.RecordBatch]:
    """Return the rows in batches of the full size and a last one of what is left over."""
    table = pa.Table.from_batches(held, schema=schema).combine_chunks()
    starts = range(0, rows, BATCH_ROWS)
    found = [batch for start in starts for batch in table.slice(start, BATCH_ROWS).to_batches()]
    if rows % BATCH_ROWS == 0:
        found.append(pa.RecordBatch.from_pylist([], schema=schema))
    return found
