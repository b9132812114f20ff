"""Neware .ndax archives -> facts of the test and one table of records with vendor names, raw values and units."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx.canon import BATCH_ROWS, Document, Part, Table
from bdx.formats.neware_aux import NAME, Channel, channels
from bdx.formats.neware_fat import fat_columns
from bdx.formats.neware_ndc import Member, Rows, Stamps, row_type, stamps
from bdx.formats.neware_zip import Archive
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

_LOCAL_HEADER = re.compile(rb"PK\x03\x04.{22}(.)(.)..", re.DOTALL)
_OWN_NAME = re.compile(rb"data(_\w+)?\.ndc|(TestInfo|VersionInfo|Step|EditStep)\d*\.xml")
_READ_MEMBERS = {"data.ndc", "data_runInfo.ndc", "data_step.ndc", "TestInfo.xml", "VersionInfo.xml", "Step.xml"}
_COUNTERS = (
    ("Charge Capacity", "charge", "capacity"),
    ("Discharge Capacity", "discharge", "capacity"),
    ("Charge Energy", "charge_energy", "energy"),
    ("Discharge Energy", "discharge_energy", "energy"),
)
_RECORD, _AUX_RECORD = 0x55, 0x65


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the first members of a ZIP bear names only an .ndax has; data.ndc may stand beyond the first 64 KiB."""
    for header in _LOCAL_HEADER.finditer(head):
        length = header.group(1)[0] | header.group(2)[0] << 8
        if _OWN_NAME.fullmatch(head, header.end(), header.end() + length):
            return True
    return False


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the test as `info`, then all records as one table.

    Raises: CorruptSource, TruncatedSource, UnsupportedVersion, UnsafeSource, each naming member and place.
    """
    file = source.seekable()
    try:
        info, table = _Run(source, spec, Archive(file, source.uri)).parts()
    finally:
        if source.path is not None:
            file.close()
    yield info
    yield table


@dataclass(frozen=True, slots=True)
class _Column:
    """One column to hand out: its field, and its values for records [start, stop)."""

    field: pa.Field
    values: Any


@dataclass(slots=True)
class _Run:
    """One reading of one archive."""

    source: Source
    spec: FormatSpec
    archive: Archive
    count: int = 0

    def parts(self) -> tuple[Document, Table]:
        """Return the facts of the test and its records; all that must be read of the archive has been read."""
        main = self.member("data.ndc", "main")
        facts = main.facts("main")
        fat = facts["style"] == "fat"
        info = {"ndc": facts["version"], **self.info()}
        rows = self.rows(main, "fat" if fat else "main")
        columns = self.fat(rows) if fat else self.stamped(rows, facts, info)
        if not fat:
            test = info["TestInfo"]
            for channel in channels(self.archive.members, test, self.spec.raw["aux"]):
                columns += self.auxiliary(channel, len(rows))
        self.report_losses(fat)
        schema = pa.schema([column.field for column in columns])
        return Document("info", info), Table("records", schema, _batches(columns, schema, self.count))

    def member(self, name: str, kind: str) -> Member:
        """Return a member whose header was found to be of that kind and of a known version."""
        member = Member(name, self.archive.read(name), self.source.uri, self.spec)
        facts = member.facts(kind)
        if not facts["seen"] and kind == "main":
            self.source.log.find("F028", source=self.source.uri, locator=name, value=facts["version"])
        return member

    def rows(self, member: Member, layout: str) -> Rows:
        """Return the rows of a member; blocks that fail their checksum are remarked on."""
        rows = member.rows(row_type(self.spec.raw["layout"][layout], member.row_bytes(_KIND_OF[layout])))
        if member.damaged:
            first, name = member.damaged[0], member.name
            self.source.log.find("F024", source=self.source.uri, locator=name, value=name, count=len(member.damaged), first=first)
        return rows

    def info(self) -> dict[str, Any]:
        """Return what the XML members say of the test, by member and by their own names."""
        log = self.source.log
        test = _node(self.archive.xml("TestInfo.xml", log), "TestInfo")
        step = _node(self.archive.xml("Step.xml", log), "Head_Info")
        head = {key: node.get("Value") for key, node in step.items() if isinstance(node, dict)}
        info = {"TestInfo": test, "VersionInfo": _node(self.archive.xml("VersionInfo.xml", log)), "Step": head}
        place = [str(test[key]) for key in ("DevID", "UnitID", "ChlID") if key in test]
        return {"Channel": "-".join(place), **info} if place else info

    def stamped(self, main: Rows, facts: Facts, info: dict[str, Any]) -> list[_Column]:
        """Return the columns of archives whose time, steps and counters stand in sparse stamps."""
        units = self.spec.raw["units"][facts["units"]]
        voltage, current = np.ascontiguousarray(main["voltage"]), np.ascontiguousarray(main["current"])
        self.count = len(main)
        run = self._optional("data_runInfo.ndc", "run")
        laid = stamps(run, voltage, current, units)
        self._report_stamps(laid)
        steps = self._optional("data_step.ndc", "step")
        if len(laid.unix) and laid.unix[0] > 0:
            info["FirstRecord"] = datetime.fromtimestamp(float(laid.unix[0]) / 1000.0, UTC)
        spread = _Spread(laid)
        columns = [
            _Column(pa.field("Record ID", pa.int64()), lambda a, b: np.arange(a + 1, b + 1)),
            _Column(_field("Voltage", pa.float32(), units["voltage"]), lambda a, b: voltage[a:b]),
            _Column(_field("Current", pa.float32(), units["current"]), lambda a, b: current[a:b]),
        ]
        if laid.total and not len(laid.at):
            return columns
        for header, key in (("Total Time", "total_time"), ("Step Time", "step_time"), ("Absolute Time", "unix")):
            columns.append(_Column(_field(header, pa.float64(), ["s"]), spread.getter(key)))
        columns.append(_Column(pa.field("Step Count", pa.int64()), spread.getter("step")))
        for header, key, unit in _COUNTERS:
            columns.append(_Column(_field(header, pa.float64(), units[unit]), spread.getter(key)))
        return columns + (self._steps(steps, laid, spread) if len(steps) or not laid.total else [])

    def _steps(self, steps: Rows, laid: Stamps, spread: _Spread) -> list[_Column]:
        """Return cycle, program step and step type by the number of the step execution."""
        missing = (laid.step < 1) | (laid.step > len(steps))
        if missing.any():
            lost, value = int(laid.counts[missing].sum()), int(laid.step[missing][0])
            self.source.log.find("F030", source=self.source.uri, locator="data_step.ndc", count=lost, value=value)
        place = spread.getter("step")
        cycles = pa.array(steps["cycle"].astype(np.int64) + 1)
        programs = pa.array(steps["program"]).cast(pa.string())
        kinds = self.step_types(steps["kind"])

        def pick(values: pa.Array) -> Any:
            def of(start: int, stop: int) -> pa.Array:
                step = place(start, stop)
                return values.take(pa.array(step - 1, mask=(step < 1) | (step > len(values))))

            return of

        return [
            _Column(pa.field("Cycle", pa.int64()), pick(cycles)),
            _Column(pa.field("Step ID", pa.string()), pick(programs)),
            _Column(pa.field("Step Type", pa.string()), pick(kinds)),
        ]

    def step_types(self, codes: npt.NDArray[Any]) -> pa.Array:
        """Return the names of step type codes; an unknown code is remarked on and stays empty."""
        names = self.spec.raw["step_types"]
        for code in np.unique(codes).tolist():
            if str(code) not in names:
                self.source.log.find("F027", source=self.source.uri, value=code)
        table = [names.get(str(code)) for code in range(256)]
        return pa.array(table, pa.string()).take(pa.array(codes.astype(np.uint8)))

    def fat(self, rows: Rows) -> list[_Column]:
        """Return the columns of old archives, whose records hold everything."""
        units = self.spec.raw["units"]["fat"]
        kept = rows[rows["mark"] == _RECORD]
        self.count = len(kept)
        if len(kept) < len(rows):
            why = "bdx has seen no file with such rows"
            self.source.log.lose(self.source.uri, "rows of data.ndc that are no records", why, len(rows) - len(kept))
        columns, types = fat_columns(kept, self.spec.raw["range"]), self.step_types(kept["kind"])
        columns["Step Type"] = types
        found = []
        for name, values in columns.items():
            unit = {"Total Time": ["s"], "Step Time": ["s"], "Voltage": units["voltage"], "Current": units["current"]}.get(name)
            unit = unit or next((units[key] for header, _, key in _COUNTERS if header == name), [])
            found.append(_Column(_field(name, values.type, unit), lambda a, b, v=values: v.slice(a, b - a)))
        return found

    def _optional(self, name: str, kind: str) -> Rows:
        if name not in self.archive.members:
            self.source.log.find("F026", source=self.source.uri, locator=name, value=name, reason="there is no such member")
            facts = self.spec.raw["layout"][kind]
            return np.empty(0, row_type(facts, max(offset for offset, _ in facts.values()) + 8))
        return self.rows(self.member(name, kind), kind)

    def _report_stamps(self, laid: Stamps) -> None:
        log, uri, rows = self.source.log, self.source.uri, laid.total
        if laid.unstamped_head:
            log.find("F025", source=uri, row=1, count=laid.unstamped_head)
        if laid.reckoned:
            log.find("F020", source=uri, count=laid.reckoned, rows=rows)
        if laid.unjoined:
            log.find("F021", source=uri, row=laid.unjoined_at, count=laid.unjoined)
        if laid.tail:
            log.find("F022", source=uri, row=rows - laid.tail + 1, count=laid.tail)
        if laid.strangers:
            log.find("F023", source=uri, count=len(laid.strangers), value=laid.strangers[0], rows=rows)

    def report_losses(self, fat: bool) -> None:
        """Log the members and the parts of members that are not carried."""
        for name in sorted(self.archive.members):
            if name not in _READ_MEMBERS and (fat or not NAME.fullmatch(name)):
                self.source.log.lose(self.source.uri, name, "bdx carries records and facts of the test, not this member")
        if "Step.xml" in self.archive.members:
            self.source.log.lose(self.source.uri, "Step.xml: program steps and limits", "no canonical table holds a test program")

    def auxiliary(self, aux: Channel, rows: int) -> list[_Column]:
        """Return one column per quantity of a channel, matched to the records from the first on."""
        member = self.member(aux.member, "aux")
        layout = member.facts("aux").get("aux", "")
        values = self.rows(member, layout or "single")
        if "mark" in (values.dtype.names or ()) and len(values) and values["mark"][0] != _AUX_RECORD:
            mark = int(values["mark"][0])
            self.source.log.find("F031", source=self.source.uri, locator=aux.member, value=aux.member, found=mark)
            return []
        if len(values) != rows:
            self.source.log.find("F029", source=self.source.uri, locator=aux.member, value=aux.member, found=len(values), rows=rows)
        found = []
        for key, unit in self.spec.raw["units"][layout].items():
            name = aux.name if layout == "single" else key.title()
            array = pa.array(np.ascontiguousarray(values[key][:rows]))
            if len(array) < rows:
                array = pa.concat_arrays([array, pa.nulls(rows - len(array), array.type)])
            field = _field(f"Aux{aux.number} {name}", array.type, unit or [aux.unit])
            found.append(_Column(field, lambda a, b, v=array: v.slice(a, b - a)))
        return found


_KIND_OF = {"main": "main", "fat": "main", "run": "run", "step": "step", "single": "aux", "pair": "aux"}


class _Spread:
    """The columns that follow from stamps, laid out once per batch and handed out by name."""

    def __init__(self, laid: Stamps) -> None:
        self._laid = laid
        self._place = (-1, -1)
        self._columns: dict[str, Any] = {}

    def getter(self, key: str) -> Any:
        """Return a function (start, stop) -> values of that column."""

        def of(start: int, stop: int) -> npt.NDArray[Any]:
            if self._place != (start, stop):
                self._columns, self._place = self._laid.spread(start, stop), (start, stop)
            return self._columns[key]  # type: ignore[no-any-return]

        return of


def _node(tree: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return the element under root and config at a path; {} where there is none."""
    for key in ("root", "config", *path):
        tree = tree.get(key, {})
        if not isinstance(tree, dict):
            return {}
    return tree


def _field(name: str, kind: pa.DataType, unit: Any) -> pa.Field:
    keys = [key for key, text in zip(("bdx.unit", "bdx.scale"), unit, strict=False) if text]
    return pa.field(name, kind, metadata=dict(zip(keys, unit, strict=False)) or None)


def _batches(columns: list[_Column], schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, rows, BATCH_ROWS):
        stop = min(start + BATCH_ROWS, rows)
        arrays = []
        for column in columns:
            values = column.values(start, stop)
            if not isinstance(values, pa.Array):
                bad = np.isnan(values) if values.dtype == np.float64 else values < 0 if column.field.name == "Step Count" else None
                values = pa.array(values, column.field.type, mask=bad if bad is not None and bad.any() else None)
            arrays.append(values)
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
