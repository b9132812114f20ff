"""Tabular instrument parts -> canonical `timeseries` and `test`: header synonyms, units, readers and the sign of current as data.

The spec (specs/mappings/<id>.toml), all keys beyond `kind`, `format` and `[[column]]` optional:

    kind = "columns"
    format = "neware-csv"
    canonical = true                 after [[column]], a field under the machine-readable name or the label of a canonical column is it
    records = ["records"]            names of the Table parts that are time series, read one after the other; others are reported as lost
    info = ["info"]                  names of the Document parts that are facts of the test; others are reported as lost

    [[column]]                       one canonical column of `timeseries`
    from = ["Voltage", "Volt", "电压"]  names in any language, first found wins; matched against field metadata `bdx.name` (else the
                                     field's name) with case, blanks, underscores and punctuation folded away
    to = "voltage_volt"
    unit = "V"                       unit of the values where the field has no `bdx.unit`; left out: already in the canonical unit.
                                     A list of units of time (["s", "min"]) is decided by the wall clock of the rows, the first of
                                     it where there is none; the choice is a finding
    scale = "-1"                     exact factor on the values, beside the unit (a column of -Im(Z))
    null = [-9999]                   numbers that mean: no value; below = -200.0: so does any number below
    mv = ["mAmps"]                   values above 1000 are mV where one of these headers stands in the file and this one has no unit
    optional = true                  a header with a unit of another quantity stays an extra column (an auxiliary input may be anything)
    epoch = "size"                   for unix_time_second: seconds, ms, us, 100 ns or ns since 1970 by the size of the first number;
                                     days since 1899-12-30 become local_time
    restarts = "step_time_second"    the column is that one where its values fall back within the first rows
    read = "number"                  number | integer | text | duration | datetime; default by the type of the canonical column
                                     duration: "123:00:00.500", "1d 02:00:00" or a number with a unit -> s
                                     datetime: wall time as text, timestamp or number -> local_timestamp; an offset written behind it
                                     (or a timestamp's zone) also gives `unix_time_second`, or alone where `to` is that
    order = "mdy"                    for datetime: the usual order of the parts, ymd | mdy | dmy, where the values show no other; months may
                                     be English names; or a count of days, excel (since 1899-12-30) or matlab (since year 0)
    by = "words"                     with = "NAME": look the value (as text) up in [words.NAME]; words that are not there stay as they are
    by = "sign"                      the sign convention of [sign] is applied to this column

    [words.NAME]                     vendor word or code -> word,  e.g.  "1" = "CC Chg"

    [units]                          vendor's spelling -> unit of specs/units.toml, or "clock" for a duration written as text,
                                     e.g.  "h:min:s.ms" = "clock",  "?" = "degC"

    [sign]
    known = "signed"                 the format itself defines charge as positive ("signed") or negative ("reversed"): no evidence needed
    default = "signed"               what the format defines, where it is known to be broken: holds unless the rows show otherwise
    state = "step_type"              else: canonical column whose words tell charge from discharge (see sign.py for the evidence)
    charge = ["CC Chg", "恒流充电"]      words of the vendor (after [words]), folded like names
    discharge = ["CC DChg", "D"]
    idle = ["Rest", "搁置"]             known words that are neither
                                     Where there is no state, rising charging, discharging or net capacity tells the direction

    several = "test"                 a Document part of this name begins a test of its own: the records after it belong to it
                                     (test_id "s1.1", "s1.2", ...), and it holds the facts of that test beside those of `info`

    [[test]]                         one column of `test`, from the info document
    from = ["channel", "Device.Channel"]   keys; a dot steps into a nested object; first found wins
    to = "channel"
    unit = "mg"                      as above; `read` and `order` too
    value = "Neware"                 instead of `from`: a constant

A field without a home becomes `extra_<snake>` of the same type with `bdx.source_name` and `bdx.unit`. `bdx.scale` and `bdx.offset` of a
field are applied together with its unit, once; those of an extra column too, which then holds floats in its unit. Power that is not
signed gets the direction of current, row by row. Info that no [[test]] names goes to `test.extra`. The `test` row follows the last rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon
from bdx.canon import Chunk, Document, Part, Table
from bdx.errors import MappingError
from bdx.mapping import Context, clock, dates, numbers
from bdx.mapping.columns_plan import Plan, Step, plan
from bdx.mapping.columns_read import convert, extra, instants, sentinels, settle
from bdx.mapping.columns_write import from_canonical
from bdx.mapping.info import test_row
from bdx.mapping.sign import SignOfCurrent, power_against, turn
from bdx.spec import Facts

__all__ = ["from_canonical", "to_canonical"]

_WRITTEN = ("mdy", "dmy")
"""Orders of the parts of a date that has its year last."""


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield one `timeseries` chunk per batch of records, then the `test` row; what has no home is logged as lost.

    Where one source holds several tests, each has its rows and then its `test` row, one after the other.
    Raises: MappingError for a unit that is unknown or of another quantity, naming header, unit and place.
    """
    run = _Run(facts, context)
    info: dict[str, Any] = {}
    several = facts.get("several")
    for part in parts:
        if isinstance(part, Document) and part.name == several:
            if run.number:
                yield run.finish(info)
            run = _Run(facts, context, run.number + 1)
            run.info = part.value
        elif isinstance(part, Document) and part.name in facts.get("info", ("info",)):
            for key, value in part.value.items() if isinstance(part.value, dict) else ((part.name, part.value),):
                info[key if key not in info else f"{part.name}.{key}"] = value
        elif isinstance(part, Table) and part.name in facts.get("records", ("records",)):
            yield from run.timeseries(part)
        else:
            context.log.lose(context.source, part.name, "the mapping has no place for this part")
    yield run.finish(info)


@dataclass(slots=True)
class _Run:
    """One test: the sign found so far and the number of rows seen. `number` counts the tests of a source that may hold several."""

    facts: Facts
    context: Context
    number: int = 0
    rows: int = 0
    current: bool = False
    timeless: bool = False
    order: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    sign: SignOfCurrent = field(init=False)

    def __post_init__(self) -> None:
        self.sign = SignOfCurrent(self.facts.get("sign", {}), self.context.options.get("current_sign") or "")

    @property
    def test_id(self) -> str:
        """The identifier of the test within the data set."""
        return f"{self.context.source_id}.{self.number}" if self.number else self.context.source_id

    def timeseries(self, part: Table) -> Iterator[Chunk]:
        """Yield the batches of a table of records in canonical columns."""
        found = plan(part.schema, self.facts, self.context)
        settled = False
        for batch in part.batches:
            if not settled and batch.num_rows:
                settle(found, batch, self.context)
                settled = True
                self.order = next((step.order for step in found.steps if step.to == "local_time"), "")
            yield {"timeseries": self._map(batch, found)}
            self.rows += batch.num_rows
        if not settled:
            empty = pa.RecordBatch.from_pylist([], schema=part.schema)
            yield {"timeseries": self._map(empty, found)}
        homes = {step.to for step in found.steps}
        self.current = self.current or "current_ampere" in homes
        # A spectrum is a series over frequency: that it has no time is no fault.
        self.timeless = self.timeless or not homes & {"test_time_second", "unix_time_second", "frequency_hertz"}

    def finish(self, info: dict[str, Any]) -> Chunk:
        """Log what the whole of the rows showed and return the `test` row."""
        self.sign.report(self.context.log, self.context.source)
        if self.timeless:
            self.context.log.find("M023", source=self.context.source, table="timeseries", column="test_time_second")
        sign = self.sign.verdict if self.current else None
        row = {"test_id": self.test_id, "source_id": self.context.source_id, "current_sign": sign}
        return {"test": canon.from_rows("test", [row | test_row({**info, **self.info}, self._as_dated(), self.context)])}

    def _as_dated(self) -> Facts:
        """Return the mapping with the order of the rows' dates for those of the test, which alone may not show it."""
        if self.order not in _WRITTEN:
            return self.facts
        rows = [{**row, "order": self.order} if row.get("order") in _WRITTEN else row for row in self.facts.get("test", ())]
        return {**self.facts, "test": rows}

    def _map(self, batch: pa.RecordBatch, found: Plan) -> pa.RecordBatch:
        columns = {}
        for step in found.steps:
            raw = batch.column(step.index)
            columns[step.to] = self._read(raw, step)
            utc = instants(raw, step)
            if utc is not None and all(other.to != "unix_time_second" for other in found.steps):
                columns["unix_time_second"] = utc
        zone = self.context.options.get("assume_tz")
        if zone and "local_time" in columns and "unix_time_second" not in columns:
            columns["unix_time_second"] = dates.in_zone(columns["local_time"], zone)
        if "current_ampere" in columns:
            factors = self.sign.factors(columns)
            for step in found.steps:
                if step.follows_sign:
                    columns[step.to] = turn(columns[step.to], factors)
            self._power(columns)
        if self.number:
            columns["test_id"] = pa.array([self.test_id]).take(pa.array([0] * batch.num_rows, pa.int32()))
            self._power(columns)
        extras = {name: extra(batch.column(index), metadata) for index, name, metadata in found.extras}
        return canon.batch("timeseries", columns, extras)

    def _power(self, columns: dict[str, pa.Array]) -> None:
        """Give power the direction of current where the instrument wrote its size only."""
        if not {"power_watt", "voltage_volt"} <= columns.keys():
            return
        against = power_against(columns["power_watt"], columns["voltage_volt"], columns["current_ampere"])
        rows = np.flatnonzero(against)
        if len(rows):
            columns["power_watt"] = pc.if_else(pa.array(against), pc.negate(columns["power_watt"]), columns["power_watt"])
            place: dict[str, Any] = {"source": self.context.source, "table": "timeseries", "column": "power_watt"}
            self.context.log.find("M031", **place, row=self.rows + int(rows[0]), count=len(rows))

    def _read(self, raw: pa.Array, step: Step) -> pa.Array:
        try:
            absent = sentinels(raw, step)
            count = pc.sum(absent).as_py() if absent is not None else 0
            if count:
                value = raw.filter(absent)[0].as_py()
                row = self.rows + pc.index(absent, True).as_py()
                self._find("M030", step, row=row, count=count, value=value)
                raw = pc.if_else(absent, None, raw)
            values = convert(raw, step)
        except MappingError as error:
            raise MappingError(f"{self.context.source}: column '{step.header}' ({step.to}): {error}") from error
        if values.null_count > raw.null_count:
            self._count_unreadable(raw, values, step)
        return values

    def _count_unreadable(self, raw: pa.Array, values: pa.Array, step: Step) -> None:
        """Log cells that held something and became null."""
        lost = pc.and_(values.is_null(), raw.is_valid())
        if clock.is_text(raw.type):
            lost = pc.and_(lost, pc.not_equal(pc.utf8_length(numbers.text(raw)), 0))
        rows = pc.indices_nonzero(lost)
        if len(rows):
            first = rows[0].as_py()
            places = [self.rows + row for row in rows[:5].to_pylist()]
            self._find("M024", step, row=places[0], count=len(rows), value=raw[first].as_py(), examples=places, read=step.read)

    def _find(self, code: str, step: Step, **facts: Any) -> None:
        self.context.log.find(code, source=self.context.source, table="timeseries", column=step.to, header=step.header, **facts)
