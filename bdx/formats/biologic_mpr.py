"""BioLogic .mpr -> facts of the test and one table of records, headed as EC-Lab's text export heads them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx.canon import BATCH_ROWS, Document, Part, Table
from bdx.errors import CorruptSource, TruncatedSource
from bdx.formats.biologic_modules import Module, Records, Walk, facts_of, records, walk
from bdx.formats.biologic_names import describe, field, half_cell, wall_field, wall_times
from bdx.formats.source import Source
from bdx.spec import FormatSpec

_DERIVED = "I from dq/mA"
_SECONDS_PER_HOUR = 3600.0
_TYPES = {"u": pa.int64(), "f4": pa.float32(), "f8": pa.float64()}


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the test as `info`, then all records as one table.

    Raises: UnsupportedVersion for a module version or column ID that is not known; CorruptSource, TruncatedSource where bytes and
    lengths disagree, after the whole records before that place were yielded.
    """
    with source.seekable() as file:
        found = walk(file, spec.raw["first"], source.uri)
        module = found.first("VMP data")
        if module is None:
            raise found.fault or CorruptSource("holds no module 'VMP data', so no records", path=source.uri)
        info = facts_of(file, found, spec.raw)
        start = info.get("start")
        whole = [spec.raw["techniques"][str(number)] for number in spec.raw["cell_techniques"]]
        cell = info.get("software", "").startswith("BT-Lab") or info.get("technique") in whole
        layout = records(file, module, spec.raw, file.seek(0, 2), source.uri, cell=cell)
        _remark(source, found, module, layout, start)
        yield Document("info", {key: value for key, value in info.items() if key != "start"} | ({"started": start} if start else {}))
        rows = _Rows(file, layout, start)
        yield Table("records", rows.schema, rows.batches(source, found))


def _remark(source: Source, found: Walk, module: Module, layout: Records, start: datetime | None) -> None:
    """Log what the reader of the rows should know, and what of the file is not carried."""
    names = [describe(column.header)[0] for column in layout.columns]
    if start is None:
        source.log.find("F105", source=source.uri)
    elif "time" in names:
        source.log.find("F101", source=source.uri, value=start.isoformat(sep=" ", timespec="milliseconds"))
    if half_cell(names):
        source.log.find("F104", source=source.uri)
    for column in layout.columns:
        if not column.seen:
            where = f"byte {module.start + 5}"
            source.log.find("F106", source=source.uri, column=column.header, locator=where, value=column.id, header=column.header)
    if layout.declared != layout.held:
        source.log.find("F103", source=source.uri, locator=f"byte {module.start}", value=layout.declared, found=layout.held)
    for other in found.modules:
        if other.name == "VMP Set":
            source.log.lose(source.uri, "VMP Set: program of the technique", "no canonical table holds a test program")
        elif other.name not in ("VMP LOG", "VMP data"):
            source.log.lose(source.uri, f"module {other.name}", "bdx carries records and facts of the test, not this module")


class _Rows:
    """Reads records in bounded batches; the current that GCPL does not record follows from charge and time."""

    def __init__(self, file: BinaryIO, layout: Records, start: datetime | None) -> None:
        self._file = file
        self._layout = layout
        self._start = start
        self._before = np.nan
        headers = {column.header: column for column in layout.columns}
        self._time = headers.get("time/s")
        self._charge = headers.get("dq/mA.h") if not {"I/mA", "<I>/mA"} & headers.keys() and self._time else None
        fields = [field(column.header, self._type(column.place, column.mask)) for column in layout.columns]
        if self._charge is not None:
            fields.append(field(_DERIVED, pa.float64()))
        if self._start is not None and self._time is not None:
            fields.append(wall_field())
        self.schema = pa.schema(fields)

    def _type(self, place: str, mask: int) -> pa.DataType:
        kind = self._layout.dtype[place]
        return _TYPES["u" if mask or kind.kind == "u" else f"f{kind.itemsize}"]

    def batches(self, source: Source, found: Walk) -> Iterator[pa.RecordBatch]:
        """Yield all whole records; then raise what kept the file from being whole."""
        if self._charge is not None and self._layout.present:
            source.log.find("F100", source=source.uri, table="timeseries", column="current_ampere")
        width = self._layout.dtype.itemsize
        done = 0
        while done < self._layout.present:
            wanted = min(BATCH_ROWS, self._layout.present - done)
            self._file.seek(self._layout.start + done * width)
            data = self._file.read(wanted * width)
            got = len(data) // width
            if got:
                yield self._batch(np.frombuffer(data, self._layout.dtype, got))
            done += got
            if got < wanted:
                raise TruncatedSource(
                    f"ends after {done} of {self._layout.rows} records", path=source.uri, offset=self._layout.start + done * width
                )
        if self._layout.present < self._layout.rows:
            message = f"ends after {self._layout.present} of {self._layout.rows} records"
            raise TruncatedSource(message, path=source.uri, offset=self._layout.start + self._layout.present * width)
        if found.fault is not None:
            raise found.fault

    def _batch(self, rows: npt.NDArray[Any]) -> pa.RecordBatch:
        arrays: list[pa.Array] = []
        # Flags share one byte, and fields of packed records are slow to walk: each is laid out once.
        laid = {name: np.ascontiguousarray(rows[name]) for name in self._layout.dtype.names or ()}
        for column, target in zip(self._layout.columns, self.schema, strict=False):
            values = laid[column.place]
            if column.mask:
                values = (values & column.mask) // (column.mask & -column.mask)
            if target.type == pa.int64():
                arrays.append(pa.array(values.astype(np.int64)))
            else:
                arrays.append(pa.array(values, target.type, from_pandas=True))
        if self._time is not None:
            seconds = laid[self._time.place]
            if self._charge is not None:
                arrays.append(self._current(seconds, laid[self._charge.place]))
            if self._start is not None:
                arrays.append(wall_times(self._start, seconds))
            self._before = seconds[-1]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _current(self, seconds: npt.NDArray[np.float64], charge: npt.NDArray[np.float64]) -> pa.Array:
        """Return the mean current since the record before, in mA: 0 where no charge moved, null where charge moved in no known time."""
        with np.errstate(all="ignore"):
            elapsed = np.diff(seconds, prepend=self._before)
            current = np.where(charge == 0, 0.0, charge * _SECONDS_PER_HOUR / np.where(elapsed == 0, np.nan, elapsed))
        return pa.array(np.where(np.isfinite(current), current, np.nan), pa.float64(), from_pandas=True)
