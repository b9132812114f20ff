"""Tabular instrument parts -> canonical `timeseries` and `test`: header synonyms, units, readers and the sign of current as data.

The spec (specs/mappings/<id>.toml), all keys beyond `kind`, `format` and `[[column]]` optional:

    kind = "columns"
    format = "neware-csv"
    records = ["records"]            names of the Table parts that are time series, read one after the other; others are reported as lost
    info = ["info"]                  names of the Document parts that are facts of the test; others are reported as lost

    [[column]]                       one canonical column of `timeseries`
    from = ["Voltage", "Volt", "电压"]  names in any language, first found wins; matched against field metadata `bdx.name` (else the
                                     field's name) with case, blanks, underscores and punctuation folded away
    to = "voltage_volt"
    unit = "V"                       unit of the values where the field has no `bdx.unit`; left out: already in the canonical unit
    read = "number"                  number | integer | text | duration | datetime; default by the type of the canonical column
                                     duration: "123:00:00.500", "1d 02:00:00" or a number with a unit -> s
                                     datetime: wall time as text or timestamp -> local_timestamp; a timestamp with a zone (any `to`
                                     that is float64) -> seconds since 1970 UTC
    order = "ymd"                    ymd | mdy | dmy, for datetime
    by = "words"                     with = "NAME": look the value (as text) up in [words.NAME]; words that are not there stay as they are
    by = "sign"                      the sign convention of [sign] is applied to this column

    [words.NAME]                     vendor word or code -> word,  e.g.  "1" = "CC Chg"

    [units]                          vendor's spelling -> unit of specs/units.toml, or "clock" for a duration written as text,
                                     e.g.  "h:min:s.ms" = "clock",  "?" = "degC"

    [sign]
    known = "signed"                 the format itself defines charge as positive ("signed") or negative ("reversed"): no evidence needed
    state = "step_type"              else: canonical column whose words tell charge from discharge (see sign.py for the evidence)
    charge = ["CC Chg", "恒流充电"]      words of the vendor (after [words]), folded like names
    discharge = ["CC DChg", "D"]
    idle = ["Rest", "搁置"]             known words that are neither

    [[test]]                         one column of `test`, from the info document
    from = ["channel", "Device.Channel"]   keys; a dot steps into a nested object; first found wins
    to = "channel"
    unit = "mg"                      as above; `read` and `order` too
    value = "Neware"                 instead of `from`: a constant

A field without a home becomes `extra_<snake>` of the same type with `bdx.source_name` and `bdx.unit`. `bdx.scale` and `bdx.offset` of a
field are applied together with its unit, once. Info that no [[test]] names goes to `test.extra`. The `test` row follows the last rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec, units
from bdx.canon import Chunk, Document, Part, Table
from bdx.errors import MappingError, SpecError
from bdx.mapping import Context, clock, numbers
from bdx.mapping.info import test_row
from bdx.mapping.names import fold, snake
from bdx.mapping.numbers import Scale
from bdx.mapping.sign import SignOfCurrent, turn
from bdx.spec import Facts

_READ_OF_TYPE = {"float64": "number", "int64": "integer", "int32": "integer", "string": "text", "local_timestamp": "datetime"}
_CLOCK = "clock"


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield one `timeseries` chunk per batch of records, then the `test` row; what has no home is logged as lost.

    Raises: MappingError for a unit that is unknown or of another quantity, naming header, unit and place.
    """
    run = _Run(facts, context)
    info: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, Document) and part.name in facts.get("info", ("info",)):
            for key, value in part.value.items() if isinstance(part.value, dict) else ((part.name, part.value),):
                info[key if key not in info else f"{part.name}.{key}"] = value
        elif isinstance(part, Table) and part.name in facts.get("records", ("records",)):
            yield from run.timeseries(part)
        else:
            context.log.lose(context.source, part.name, "the mapping has no place for this part")
    run.report()
    row = {"test_id": context.source_id, "source_id": context.source_id, "current_sign": run.sign.verdict if run.current else None}
    yield {"test": canon.from_rows("test", [row | test_row(info, facts, context)])}


@dataclass(frozen=True, slots=True)
class _Step:
    """How one field becomes one canonical column."""

    index: int
    header: str
    to: str
    read: str
    scale: Scale
    clock: bool
    order: str
    words: Facts
    follows_sign: bool


@dataclass(slots=True)
class _Plan:
    """What becomes of every field of one schema: canonical columns, then extras (index, name, metadata)."""

    steps: list[_Step]
    extras: list[tuple[int, str, dict[str, str]]]


@dataclass(slots=True)
class _Run:
    """One run over a source: the sign found so far and the number of rows seen."""

    facts: Facts
    context: Context
    rows: int = 0
    current: bool = False
    timeless: bool = False
    sign: SignOfCurrent = field(init=False)

    def __post_init__(self) -> None:
        self.sign = SignOfCurrent(self.facts.get("sign", {}))

    def timeseries(self, part: Table) -> Iterator[Chunk]:
        """Yield the batches of a table of records in canonical columns."""
        plan = _plan(part.schema, self.facts, self.context)
        found = {step.to for step in plan.steps}
        self.current = self.current or "current_ampere" in found
        self.timeless = self.timeless or not found & {"test_time_second", "unix_time_second"}
        empty = True
        for batch in part.batches:
            yield {"timeseries": self._map(batch, plan)}
            self.rows += batch.num_rows
            empty = False
        if empty:
            yield {"timeseries": self._map(pa.RecordBatch.from_pylist([], schema=part.schema), plan)}

    def report(self) -> None:
        """Log what the whole of the rows showed."""
        self.sign.report(self.context.log, self.context.source)
        if self.timeless:
            self.context.log.find("M023", source=self.context.source, table="timeseries", column="test_time_second")

    def _map(self, batch: pa.RecordBatch, plan: _Plan) -> pa.RecordBatch:
        columns = {step.to: self._read(batch.column(step.index), step) for step in plan.steps}
        if "current_ampere" in columns:
            factors = self.sign.factors(columns["current_ampere"], columns.get(self.facts.get("sign", {}).get("state", "")))
            for step in plan.steps:
                if step.follows_sign:
                    columns[step.to] = turn(columns[step.to], factors)
        extra = {name: (_wide(batch.column(index)), metadata) for index, name, metadata in plan.extras}
        return canon.batch("timeseries", columns, extra)

    def _read(self, raw: pa.Array, step: _Step) -> pa.Array:
        try:
            values = _convert(raw, step)
        except MappingError as error:
            raise MappingError(f"{self.context.source}: column '{step.header}' ({step.to}): {error}") from error
        if values.null_count > raw.null_count:
            self._count_unreadable(raw, values, step)
        return values

    def _count_unreadable(self, raw: pa.Array, values: pa.Array, step: _Step) -> None:
        """Log cells that held something and became null."""
        lost = pc.and_(values.is_null(), raw.is_valid())
        if clock.is_text(raw.type):
            lost = pc.and_(lost, pc.not_equal(pc.utf8_length(numbers.text(raw)), 0))
        rows = pc.indices_nonzero(lost)
        if len(rows):
            first = rows[0].as_py()
            places = [self.rows + row for row in rows[:5].to_pylist()]
            self.context.log.find(
                "M024",
                source=self.context.source,
                table="timeseries",
                column=step.to,
                row=places[0],
                count=len(rows),
                value=raw[first].as_py(),
                examples=places,
                header=step.header,
                read=step.read,
            )


def _plan(schema: pa.Schema, facts: Facts, context: Context) -> _Plan:
    """Return what becomes of every field; the first synonym of the spec that a header matches wins."""
    by_name: dict[str, list[int]] = {}
    for index, item in enumerate(schema):
        by_name.setdefault(fold(_meta(item, "bdx.name") or item.name), []).append(index)
    steps: list[_Step] = []
    taken: set[int] = set()
    for row in facts["column"]:
        hits = [index for name in row["from"] for index in by_name.get(fold(name), ()) if index not in taken]
        if hits and row["to"] not in {step.to for step in steps}:
            taken.add(hits[0])
            steps.append(_step(hits[0], schema.field(hits[0]), row, facts, context))
    if not steps:
        raise MappingError(f"{context.source}: no column has a canonical home; headers: {', '.join(schema.names)}")
    extras: list[tuple[int, str, dict[str, str]]] = []
    used: set[str] = set()
    for index, item in enumerate(schema):
        if index in taken:
            continue
        base = name = f"extra_{snake(_meta(item, 'bdx.name') or item.name)}"
        count = 1
        while name in used:
            count += 1
            name = f"{base}_{count}"
        used.add(name)
        metadata = {"bdx.source_name": item.name, "bdx.unit": _meta(item, "bdx.unit")}
        metadata |= {key: _meta(item, key) for key in ("bdx.scale", "bdx.offset")}
        extras.append((index, name, {key: value for key, value in metadata.items() if value}))
    return _Plan(steps, extras)


def _step(index: int, item: pa.Field, row: Facts, facts: Facts, context: Context) -> _Step:
    target = spec.table("timeseries").column(row["to"])
    read = row.get("read", _READ_OF_TYPE.get(target.type, ""))
    if read not in _READERS:
        raise SpecError(f"mapping {facts['format']}: column {row['to']}: no reader '{read}'; known: {', '.join(_READERS)}")
    by = row.get("by", "")
    if by not in ("", "words", "sign"):
        raise SpecError(f"mapping {facts['format']}: column {row['to']}: by = '{by}'; expected words or sign")
    written = _meta(item, "bdx.unit") or row.get("unit", "")
    unit = facts.get("units", {}).get(written, written)
    scale = Scale(numbers.exact(_meta(item, "bdx.scale") or "1"), numbers.exact(_meta(item, "bdx.offset") or "0"))
    if target.unit and unit and unit != _CLOCK and read in ("number", "duration"):
        try:
            scale = scale.then(*units.factor(unit, target.unit))
        except MappingError as error:
            where = _meta(item, "bdx.locator") or "header"
            raise MappingError(f"{context.source}: {where}: column '{item.name}' with unit '{written}': {error}") from error
    words = facts.get("words", {}).get(row.get("with", ""), {}) if by == "words" else {}
    return _Step(index, item.name, row["to"], read, scale, unit in ("", _CLOCK), row.get("order", "ymd"), words, by == "sign")


def _meta(item: pa.Field, key: str) -> str:
    return str((item.metadata or {}).get(key.encode(), b"").decode())


def _convert(raw: pa.Array, step: _Step) -> pa.Array:
    if step.words:
        raw = _look_up(raw, step.words)
    return _READERS[step.read](raw, step)


def _look_up(raw: pa.Array, words: Facts) -> pa.Array:
    """Return the values as text with known words replaced; one look-up per distinct value."""
    coded = raw if pa.types.is_dictionary(raw.type) else pc.dictionary_encode(raw)
    texts = numbers.text(coded.dictionary).to_pylist()
    return pa.array([words.get(text, text) for text in texts], pa.string()).take(coded.indices)


def _wide(raw: pa.Array) -> pa.Array:
    """Return float32 as float64: text then shows the very number, and reads back as it."""
    return raw.cast(pa.float64()) if pa.types.is_float32(raw.type) else raw


def _number(raw: pa.Array, step: _Step) -> pa.Array:
    return step.scale.apply(numbers.numbers(raw))


def _integer(raw: pa.Array, step: _Step) -> pa.Array:
    return numbers.integers(raw)


def _text(raw: pa.Array, step: _Step) -> pa.Array:
    return numbers.text(raw)


def _duration(raw: pa.Array, step: _Step) -> pa.Array:
    """Return seconds; a text is a clock unless a unit of time says that it is a number."""
    if clock.is_text(raw.type) and step.clock:
        return clock.durations(raw)
    return _number(raw, step)


def _datetime(raw: pa.Array, step: _Step) -> pa.Array:
    if pa.types.is_timestamp(raw.type):
        return clock.unix_seconds(raw) if raw.type.tz else raw.cast(pa.timestamp("us"))
    if not clock.is_text(raw.type):
        raise MappingError(f"values of type {raw.type} cannot be read as dates")
    return clock.wall_times(raw, step.order)


_READERS = {"number": _number, "integer": _integer, "text": _text, "duration": _duration, "datetime": _datetime}
