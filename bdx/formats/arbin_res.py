"""Arbin .res databases -> facts of each test and its records, with the channels of other tables beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.canon import Document, Part, Table
from bdx.errors import CorruptSource, SourceError, TruncatedSource
from bdx.formats.arbin_join import Joined, joined
from bdx.formats.jet import PAGE, Column, Database, Definition
from bdx.formats.jet_order import Ordered, ordered
from bdx.formats.jet_rows import FIXED, TEXT, records
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

_CATALOGUE = 2
_MOST_TABLES = 4096
_TABLE, _SYSTEM = 1, 0x80000002
_PAGE_OF = 0xFFFFFF
_OLE = datetime(1899, 12, 30)
_NOT_AFTER = 2_958_465
"""Days until the end of the year 9999."""


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the facts of the file, then of each test its facts (where there are several) and its records in the order of Data_Point.

    Raises: SourceError for a database that is no Arbin file; CorruptSource, TruncatedSource - after all whole records.
    """
    with source.seekable() as file:
        yield from _Run(source, spec.raw, Database(file, source.uri)).parts()


@dataclass(slots=True)
class _Run:
    """One reading of one database. `fault` is what was found broken while whole records could still be read."""

    source: Source
    facts: Facts
    db: Database
    tables: dict[str, Definition] = field(default_factory=dict)
    fault: SourceError | None = None
    joins: list[Joined] = field(default_factory=list)

    def parts(self) -> Iterator[Part]:
        """Yield the parts; see read."""
        self.catalogue()
        main = self.main()
        for wish in self.facts["join"]:
            table = self.tables.get(wish["table"])
            if table is not None:
                self._join(table, wish)
        shared, by_test = self.small_tables(main)
        tests = sorted(main.majors)
        if len(tests) <= 1:
            own = by_test.pop(tests[0], {}) if tests else {}
            others = {"Tests": [{"Test_ID": key, **value} for key, value in by_test.items()]} if by_test else {}
            yield Document("info", {**shared, **own, **others})
            yield self._records(main, tests[0] if tests else 0, last=True)
            return
        some = ", ".join(str(test) for test in tests[:8])
        self.source.log.find("F071", source=self.source.uri, count=len(tests), value=some)
        yield Document("info", shared)
        for test in tests:
            yield Document("test", {"Test_ID": test, **by_test.get(test, {})})
            yield self._records(main, test, last=test == tests[-1])

    def catalogue(self) -> None:
        """Find the definitions of all user tables.

        Raises: TruncatedSource where the catalogue itself is cut off.
        """
        catalogue = self.db.define("MSysObjects", _CATALOGUE)
        if self.db.owned(catalogue)[1]:
            raise TruncatedSource("ends before the list of its tables", path=self.db.path, offset=self.db.size)
        for row in records(self.db, catalogue, _MOST_TABLES):
            name, number, flags = row.get("Name"), row.get("Id"), row.get("Flags", 0)
            if not (isinstance(name, str) and isinstance(number, int) and isinstance(flags, int)):
                continue
            if row.get("Type") != _TABLE or flags & _SYSTEM or name.startswith("MSys"):
                continue
            try:
                self.tables[name] = self.db.define(name, number & _PAGE_OF)
            except SourceError as error:
                if name == self.facts["tables"]["records"]:
                    raise
                self.fault = self.fault or error

    def main(self) -> Ordered:
        """Return the table of records, its order known.

        Raises: SourceError where there is none.
        """
        name, key = self.facts["tables"]["records"], self.facts["tables"]["key"]
        table = self.tables.get(name)
        if table is None:
            known = ", ".join(sorted(self.tables)[:8]) or "none"
            raise SourceError(f"is an Access database without the table {name}; its tables: {known}", path=self.db.path)
        main = ordered(self.db, table, (key[0], key[1]))
        if main is None:
            raise CorruptSource(f"table {name} has no columns {key[0]} and {key[1]}", path=self.db.path, offset=table.page * PAGE)
        self._check(main)
        if main.late:
            self.source.log.find("F070", source=self.source.uri, count=main.late, rows=main.rows)
        if not main.rows:
            self.source.log.find("F074", source=self.source.uri, value=name)
        for column in table.columns:
            if column.kind not in FIXED or not column.fixed:
                self.source.log.lose(self.source.uri, f"{name}.{column.name}", f"a column of Access type {column.kind}")
        return main

    def small_tables(self, main: Ordered) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
        """Return the rows of tables that hang on no record: those of the whole file by table, and those of each test by Test_ID."""
        names, limit = self.facts["tables"], self.facts["tables"]["small"]
        used = {names["records"], *(part.rows.table.name for part in self.joins)}
        shared: dict[str, Any] = {}
        by_test: dict[int, dict[str, Any]] = {}
        for name, table in self.tables.items():
            if name in used or not table.rows:
                continue
            if table.rows > limit:
                self.source.log.lose(self.source.uri, f"table {name}", "its rows belong to no record", table.rows)
                continue
            for column in table.columns:
                if column.kind != TEXT and not (column.fixed and column.kind in FIXED):
                    self.source.log.lose(self.source.uri, f"{name}.{column.name}", f"a column of Access type {column.kind}")
            for row in self._small(table, limit):
                test = row.pop(names["key"][0], None)
                home = shared if test is None else by_test.setdefault(test, {})
                if name == names["facts"]:
                    home[name] = row
                else:
                    home.setdefault(name, []).append(row)
        return shared, by_test

    def _small(self, table: Definition, limit: int) -> Iterator[dict[str, Any]]:
        dates, unset = self.facts["facts"]["dates"], self.facts["facts"]["unset"]
        try:
            for row in records(self.db, table, limit):
                for name in dates:
                    if isinstance(row.get(name), float):
                        row[name] = _date(row[name])
                yield {name: value for name, value in row.items() if value != "" and not (name in unset and value == 0)}
        except SourceError as error:
            self.fault = self.fault or error

    def _join(self, table: Definition, wish: Facts) -> None:
        key = self.facts["tables"]["key"]
        rows = ordered(self.db, table, (key[0], key[1]), tuple(wish["by"]))
        if rows is None:
            if table.rows:
                self.source.log.lose(self.source.uri, f"table {table.name}", "its columns are not those known", table.rows)
            return
        self._check(rows)
        if rows.rows:
            about = self.tables.get(self.facts["tables"]["auxiliary"])
            labels = list(self._small(about, self.facts["tables"]["small"])) if about is not None and wish["by"] else []
            self.joins.append(joined(rows, wish, self.facts, labels))

    def _check(self, rows: Ordered) -> None:
        """Keep the first fault of a table's pages; compare its own count of rows."""
        name = rows.table.name
        if rows.beyond:
            text = f"ends before {rows.beyond} pages of table {name}"
            self.fault = self.fault or TruncatedSource(text, path=self.db.path, offset=self.db.size)
        if rows.damaged:
            text = f"{len(rows.damaged)} pages of table {name} cannot be read as rows; their records are missing"
            self.fault = self.fault or CorruptSource(text, path=self.db.path, offset=min(rows.damaged) * PAGE)
        if rows.rows != rows.table.rows and not rows.beyond and not rows.damaged:
            self.source.log.find("F072", source=self.source.uri, value=name, expected=rows.table.rows, found=rows.rows)

    def _records(self, main: Ordered, test: int, *, last: bool) -> Table:
        test_column = main.key[0].name
        columns = [column for column in main.table.columns if column.fixed and column.kind in FIXED and column.name != test_column]
        units = self.facts["units"]
        fields = [_field(column, units.get(column.name, "")) for column in columns]
        schema = pa.schema(fields + [item for part in self.joins for item in part.fields])
        return Table("records", schema, self._batches(main, test, columns, schema, last=last))

    def _batches(self, main: Ordered, test: int, columns: list[Column], schema: pa.Schema, *, last: bool) -> Iterator[pa.RecordBatch]:
        for keys, rows in main.batches(test):
            arrays = []
            for column, item in zip(columns, schema, strict=False):
                values, nulls = rows.values(column)
                arrays.append(pa.array(np.ascontiguousarray(values), item.type, mask=nulls if nulls.any() else None))
            for part in self.joins:
                arrays.extend(part.columns(keys))
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        if not last:
            return
        for part in self.joins:
            if part.left:
                name = part.rows.table.name
                self.source.log.find("F073", source=self.source.uri, count=part.left, rows=part.rows.rows, value=name)
        if self.fault is not None:
            raise self.fault


def _field(column: Column, unit: str) -> pa.Field:
    kind = pa.float64() if column.kind == 5 else pa.from_numpy_dtype(np.dtype(FIXED[column.kind]))
    return pa.field(column.name, kind, metadata={"bdx.unit": unit} if unit else None)


def _date(days: float) -> datetime | float:
    """Return the wall time of days since 1899-12-30, to the millisecond; a number no calendar has stays a number."""
    if not 0 < days < _NOT_AFTER:
        return days
    return _OLE + timedelta(milliseconds=round(days * 86_400_000))
