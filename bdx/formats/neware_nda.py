"""Neware .nda files -> facts of the test and one table of records with vendor names, raw values and units."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from bdx import spec as specs
from bdx.canon import Document, Part, Table
from bdx.errors import CorruptSource, TruncatedSource, UnsupportedVersion
from bdx.formats.neware_blocks import row_type
from bdx.formats.neware_nda_aux import Auxiliary
from bdx.formats.neware_nda_columns import Columns, direction_table
from bdx.formats.neware_nda_facts import facts, facts_bts9
from bdx.formats.neware_nda_rows import Records, Section, section, whole_rows
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

_HEAD = 2048
_BTS9_HEAD = 1024
_MAX_HEADS = 65_536
_MAX_FACTS = 1 << 20
_VERSION_AT, _LAYOUT_AT = 14, 16
_RANGE_AT = 26
_FIRST = b"\x55\x00\x01\x00\x00\x00"
_MAGIC = b"NEWARE"


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the test as `info`, then all records as one table.

    Raises: UnsupportedVersion by name; TruncatedSource after the last whole record of a file that was cut; CorruptSource.
    """
    with source.seekable() as file:
        run = _Run(source, spec, file)
        yield Document("info", run.info)
        yield run.table()


class _Run:
    """One reading of one file: what its head says, then its records."""

    def __init__(self, source: Source, spec: FormatSpec, file: BinaryIO) -> None:
        self.source, self.spec, self.file = source, spec, file
        self.shared = specs.format_spec(spec.raw["shares"]).raw
        self.size = file.seek(0, 2)
        self.head = self._at(0, _HEAD)
        if len(self.head) <= _LAYOUT_AT + 2:
            raise TruncatedSource("ends inside its head", path=source.uri, offset=self.size)
        self.version = self.head[_VERSION_AT]
        self.bts9 = self.version in (129, 130)
        self.aux: Section | None = None
        self.kin, self.first = (self._open_bts9 if self.bts9 else self._open)()
        self.info = self._info()

    def table(self) -> Table:
        """Return the table of the records; what lies beside them is reported when they have been read."""
        layout = self.spec.raw["layout"][self.kin]
        names = [self._name(code) for code in range(256)]
        directions = direction_table(self.shared["directions"])
        columns = Columns(layout, self.shared["range"], tuple(names), directions, self._device_range(), self.first)
        aux = None
        if "aux" in layout:
            aux = Auxiliary(self.file, self.aux, self.spec.raw["layout"]["aux"], layout["aux"])
            aux.scan(self.sections)
        records = Records(self.file, self.source.uri, self.sections, layout, aux is not None and aux.between)
        fields = columns.fields()
        for number, quantity in aux.channels if aux else ():
            unit = self.shared["units"]["pair"][quantity]
            kind = pa.int32() if quantity == "voltage" else pa.int16()
            meta = dict(zip(("bdx.unit", "bdx.scale"), unit, strict=False))
            fields.append(pa.field(f"Aux{number} {quantity.title()}", kind, metadata=meta))
        schema = pa.schema(fields)
        return Table("records", schema, self._batches(records, columns, aux, schema))

    def _batches(self, records: Records, columns: Columns, aux: Auxiliary | None, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            for rows, beside in records.batches():
                if aux:
                    aux.add(beside)
                if not len(rows):
                    continue
                arrays = columns.of(rows)
                if aux:
                    found = aux.take(np.ascontiguousarray(rows["index"]))
                    arrays += [found[key] for key in aux.channels]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        finally:
            self._report(records, columns, aux)

    def _report(self, records: Records, columns: Columns, aux: Auxiliary | None) -> None:
        log, uri = self.source.log, self.source.uri
        for code in sorted(columns.strange):
            log.find("F027", source=uri, value=code)
        if records.events:
            log.lose(uri, "event rows (start, pause and end of the test)", "no canonical table holds events of a cycler", records.events)
        for mark, count in records.strange.items():
            log.lose(uri, f"rows marked {mark:#04x}", "bdx does not know what they hold", count)
        if aux:
            for number, quantity in aux.silent:
                log.lose(uri, f"Aux{number} {quantity.title()}", "it is 0 in every row: not measured")
            lone = aux.finish()
            if lone:
                log.find("F033", source=uri, count=lone)

    def _name(self, code: int) -> str | None:
        own = self.shared["laid"]["step_types"].get(str(code)) if self.bts9 else None
        name = own or self.shared["step_types"].get(str(code))
        return None if name is None else str(name)

    def _open(self) -> tuple[str, int]:
        """Find layout and sections of versions 1 to 29."""
        row = self._kin("nda", self.version, f"nda version {self.version}", _VERSION_AT)
        pointers = self.spec.raw["pointers"]
        begin, length = self._pointer(pointers["main"])
        if begin == 0:
            begin = self._search()
        aux_begin, aux_length = self._pointer(pointers["aux"])
        self.sections = [section(begin, length, self.size)]
        if aux_begin and aux_length and "aux" in self.spec.raw["layout"][row["layout"]]:
            self.aux = section(aux_begin, aux_length, self.size)
        return str(row["layout"]), int(row["cycle"])

    def _open_bts9(self) -> tuple[str, int]:
        """Find layout and sections of BTS 9, whose file may chain several heads with their own records."""
        number = int.from_bytes(self.head[_LAYOUT_AT : _LAYOUT_AT + 2], "little")
        row = self._kin("bts9", number, f"nda version {self.version} with record layout {number}", _LAYOUT_AT)
        main = self.spec.raw["pointers_bts9"]["main"]
        begin, length = self._pointer(main)
        if begin == 0 and length == 0:
            raise CorruptSource("points to no records", path=self.source.uri, offset=main[0])
        self.sections = [section(begin, length, self.size)] if begin else list(self._chain(length))
        for name in row["layouts"]:
            if self._fits(self.spec.raw["layout"][name]):
                return str(name), 0
        sizes = ", ".join(str(self.spec.raw["layout"][name]["size"]) for name in row["layouts"])
        raise CorruptSource(
            f"has record layout {number}, whose records of {sizes} bytes do not stand where the header points",
            path=self.source.uri,
            offset=self.sections[0].begin if self.sections else main[0],
        )

    def _kin(self, table: str, version: int, what: str, offset: int) -> Facts:
        """Return the row of facts for a version; one that no file proved is remarked on."""
        rows = self.spec.raw[table]
        row: Facts | None = next((row for row in rows if version in row["versions"]), None)
        if row is None:
            known = ", ".join(str(version) for version in sorted(version for row in rows for version in row["versions"]))
            raise UnsupportedVersion(f"is of {what}; bdx reads {known}", path=self.source.uri, offset=offset)
        if version not in row["proven"]:
            if "like" in row:
                self.source.log.find("F032", source=self.source.uri, value=what, like=row["like"])
            else:
                self.source.log.find("F028", source=self.source.uri, value=what)
        return row

    def _chain(self, total: int) -> Iterator[Section]:
        """Yield the sections of chained heads, each of which says where the next one stands; of `total` bytes, what is missing last."""
        facts, place = self.spec.raw["pointers_bts9"], _BTS9_HEAD
        for _ in range(_MAX_HEADS):
            head = self._at(place, _BTS9_HEAD)
            begin, length = self._pointer(facts["main"], head)
            if not head.startswith(_MAGIC):
                break
            if length:
                yield section(begin, length, self.size)
                total -= length
            beyond = sum(self._pointer(facts["next"], head))
            if beyond <= place:
                break
            place = beyond
        if total > 0:
            yield section(self.size, total, self.size)

    def _fits(self, layout: Facts) -> bool:
        """Say whether rows of this layout stand in all sections: whole ones, most of them with a known mark."""
        size, known = layout["size"], [*layout["marks"], *layout["events"]]
        for part in self.sections:
            probe = Section(part.begin, part.length, min(part.held, 64 * size))
            marks = [raw.view(np.uint8).reshape(-1, size)[:, layout["mark_at"]] for raw in whole_rows(self.file, probe, size)]
            if (not part.cut and part.length % size) or (marks and np.isin(marks[0], known).mean() < 0.5):
                return False
        return True

    def _search(self) -> int:
        """Return where record 1 stands in a file whose head does not say.

        Raises: CorruptSource where it stands nowhere.
        """
        place = 0
        while data := self._at(place, 1 << 20):
            found = data.find(_FIRST)
            if found >= 0:
                return place + found
            place += max(len(data) - len(_FIRST) + 1, 1) if len(data) == 1 << 20 else len(data)
        raise CorruptSource("points to no records and holds no record 1", path=self.source.uri, offset=64)

    def _device_range(self) -> int:
        if self.bts9:
            return 0
        begin, length = self._pointer(self.spec.raw["pointers"]["device"])
        return int.from_bytes(self._at(begin + _RANGE_AT, 4), "little", signed=True) if length >= _RANGE_AT + 4 else 0

    def _info(self) -> dict[str, Any]:
        """Return the facts of the test."""
        test = self.spec.raw["pointers_bts9" if self.bts9 else "pointers"]["test"]
        begin, length = self._pointer(test)
        rows = self._at(begin, min(length, _MAX_FACTS)) if begin else b""
        if self.bts9:
            info = facts_bts9(self.version, self.head, rows, self.spec.raw)
        else:
            end = min((part.begin for part in self.sections), default=_HEAD)
            info = facts(self.version, self._at(0, min(end, 65_536)), rows, self.spec.raw)
        return {"nda": self.version, **info, **self._first_record()}

    def _first_record(self) -> dict[str, Any]:
        """Return the moment of the first record, and its channel where records name it."""
        layout = self.spec.raw["layout"][self.kin]
        for part in self.sections:
            probe = Section(part.begin, part.length, min(part.held, 64 * layout["size"]))
            for raw in whole_rows(self.file, probe, layout["size"]):
                rows = raw.view(row_type(layout["fields"], layout["size"]))
                rows = rows[np.isin(rows["mark"], layout["marks"])]
                if len(rows) and "unix" in layout["fields"]:
                    per = 1_000_000 if layout["units"]["unix"][0] == "us" else 1
                    seconds = int(rows["unix"][0]) / per
                    return {"FirstRecord": datetime.fromtimestamp(seconds, UTC)} if 0 < seconds < 4e9 else {}
        return {}

    def _pointer(self, where: tuple[int, int], head: bytes | None = None) -> tuple[int, int]:
        place, width = where
        data = self.head if head is None else head
        begin, length = (int.from_bytes(data[at : at + width], "little") for at in (place, place + width))
        return begin, length

    def _at(self, place: int, count: int) -> bytes:
        if place >= self.size:
            return b""
        self.file.seek(place)
        return self.file.read(count)
