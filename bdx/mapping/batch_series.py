"""Data sets of batch records: tags that are columns of the time series -> a test of its own, other tags -> timed parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from bdx import canon
from bdx.canon import Chunk
from bdx.mapping import vocabulary
from bdx.mapping.batch_rows import Batch
from bdx.mapping.batch_tags import Tag, delimiter, fits, order_of, unit_of
from bdx.mapping.segment_nodes import Node, first, leaf, many

_TIMES = ("unix_time_second", "test_time_second", "local_time")
_SET_LEAVES = frozenset(("ID", "StartTime"))
_SET_INNER = frozenset(("DelimitedDataBlock", "OrderedData"))


@dataclass(slots=True)
class _Open:
    """The data set whose rows are being read."""

    ordinal: int
    name: str
    tags: list[Tag]
    step: str
    item: str | None
    test_id: str = ""
    time: str = ""
    counted: bool = False
    rows: int = 0
    columns: dict[str, list[Any]] = field(default_factory=dict)


class Series:
    """Adds the rows of one data set after the other."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.tests = 0
        self.open: _Open | None = None

    def row(self, unit: dict[str, Any]) -> Iterator[Chunk]:
        """Add one row of ordered data; yields rows of the series as a batch of them is full."""
        above = unit["above"]
        found = self._opened(above[-1]["ordinal"], self.batch.named(above[-1]["said"]), above[:-1])
        node = unit["node"]
        values: list[tuple[str, str | None]] = [("", None)] * len(found.tags)
        places = {tag.index: place for place, tag in enumerate(found.tags)}
        for number, raw in enumerate(many(node, "DataValue")):
            value = raw if type(raw) is dict else {"Value": raw}
            index = (first(value, "TagIndex") or "").strip()
            place = places.get(index, number if not index else len(values))
            if place >= len(values):
                self.batch.values.remarks.note("M091", "timeseries", "", index or str(number + 1), self.batch.locator)
                continue
            values[place] = (first(value, "Value") or "", first(value, "Quality"))
        self._add(found, first(node, "TimeValue"), first(node, "OrderIndex"), values, self.batch.locator)
        if found.rows and found.rows % canon.BATCH_ROWS == 0:
            yield from self._flush(found)

    def finish(self, unit: dict[str, Any]) -> Iterator[Chunk]:
        """Add what a data set holds beside its rows; yields the rest of its rows, and its test."""
        batch, node = self.batch, self.batch.named(unit["node"])
        found = self._opened(unit["ordinal"], node, unit["above"])
        block = node.get("DelimitedDataBlock")
        if type(block) is dict:
            yield from self._block(found, block)
        extra: dict[str, Any] = {}
        batch.nodes.leftover(node, _SET_LEAVES, _SET_INNER, "", extra)
        started, _ = batch.values.time(first(node, "StartTime"), "test", "started_at", batch.locator)
        if started is None and first(node, "StartTime"):
            extra["StartTime"] = first(node, "StartTime")
        extra["ID"] = found.name
        self.open = None
        if not found.test_id:
            batch.aside("DataSets", extra)
            return
        yield from self._flush(found)
        sign = "unproven" if "current_ampere" in {tag.column for tag in found.tags} else None
        batch.rows["test"].append((found.test_id, found.item, found.step, started, sign, canon.dumps(extra)))

    def _opened(self, ordinal: int, node: Node, above: list[dict[str, Any]]) -> _Open:
        """Return the data set that is open, or begin another."""
        if self.open is not None and self.open.ordinal == ordinal:
            return self.open
        batch = self.batch
        record = batch.flat(above[0]["said"])
        whole = batch.step_of(above[0]["ordinal"], record, [])
        tags = self._tags(node, whole)
        steps = {tag.step for tag in tags}
        name = (first(node, "ID") or f"data set {ordinal}").strip()
        found = _Open(ordinal, name, tags, steps.pop() if len(steps) == 1 else whole, batch.item([record])[0])
        if any(tag.column for tag in tags):
            self.tests += 1
            found.test_id = f"{batch.context.source_id}.{self.tests}"
            found.columns = {tag.column: [] for tag in tags if tag.column}
        self.open = found
        return found

    def _tags(self, node: Node, whole: str) -> list[Tag]:
        """Return the tags of a data set by their index; each column is given once."""
        batch = self.batch
        sensors = iter(batch.facts["sensors"]["columns"])
        known = frozenset(map(vocabulary.plain, batch.facts["sensors"]["names"]))
        columns = {vocabulary.plain(name): column for name, column in batch.words["series"].items()}
        times = batch.facts["times"]
        taken: set[str] = set()
        tags: list[Tag] = []
        for number, raw in enumerate(many(node, "TagSpecification"), 1):
            said = batch.named(raw) if type(raw) is dict else {"TagIndex": leaf(raw)}
            names = [leaf(text).strip() for key in ("Alias", "Description", "DataSource") for text in many(said, key)]
            names = [name for name in names if name] or [f"tag {number}"]
            tag = Tag((first(said, "TagIndex") or "").strip(), names[0], (first(said, "UnitOfMeasure") or "").strip())
            words = [vocabulary.plain(name) for name in names]
            tag.step, unknown = batch.referred(said, "ProceduralElementReference", whole)
            if unknown:
                tag.extra["ProceduralElementReference"] = unknown
            tag.equipment = batch.equipment(said, tag.extra)
            column = next((columns[word] for word in words if word in columns), "")
            if not column and any(word in known for word in words):
                column = next(sensors, "")
            tag.is_time = (first(said, "DataType") or "") in times["types"] or words[0] in times["names"]
            if column and column not in taken and not tag.is_time and fits(tag.unit, unit_of(column)):
                tag.column, tag.expected = column, unit_of(column)
                taken.add(column)
            tags.append(tag)
        return sorted(tags, key=order_of) if all(tag.index for tag in tags) else tags

    def _block(self, found: _Open, block: Node) -> Iterator[Chunk]:
        """Add the rows of a delimited block: its fields are the tags in order, before them the time where there is one more."""
        batch = self.batch
        between, after = delimiter(first(block, "TagDelimiter"), ","), delimiter(first(block, "OrderDelimiter"), "\n")
        text, locator, width = first(block, "DelimitedData") or "", batch.locator, len(found.tags)
        lines = text.splitlines() if after == "\n" else text.split(after)
        number = 0
        for line in lines:
            if not line.strip():
                continue
            number += 1
            fields = line.strip("\r\n").split(between)
            time = fields.pop(0) if len(fields) == width + 1 else None
            if len(fields) != width:
                batch.values.remarks.note("M091", "timeseries", "", f"row {number}: {len(fields)} for {width} tags", locator)
                fields = [*fields[:width], *[""] * (width - len(fields))]
            self._add(found, time, None, [(value, None) for value in fields], f"{locator}, row {number}")
            if found.rows and found.rows % canon.BATCH_ROWS == 0:
                yield from self._flush(found)
            if batch.longest() >= canon.BATCH_ROWS:
                yield from batch.all_chunks()

    def _add(self, found: _Open, time: str | None, order: str | None, values: Sequence[tuple[str, str | None]], locator: str) -> None:
        """Add a row: its columns to the series, its other tags and what is no number there to the parameters."""
        batch = self.batch
        when = next((value for tag, (value, _) in zip(found.tags, values, strict=True) if tag.is_time), "") or time
        moment, basis, seconds, local = self._moment(when, found.name, locator)
        if found.test_id:
            if not found.rows:
                found.time = next((name for name, at in zip(_TIMES, (moment, seconds, local), strict=True) if at is not None), "")
                found.counted = bool(order and order.strip().isdigit())
                found.columns |= {name: [] for name in (found.time, "record_index" if found.counted else "") if name}
            found.rows += 1
            if found.time:
                at = {"unix_time_second": moment / 1e6 if moment is not None else None, "test_time_second": seconds, "local_time": local}
                found.columns[found.time].append(at[found.time])
            if found.counted:
                text = (order or "").strip()
                found.columns["record_index"].append(int(text) if text.isdigit() and len(text) < 19 else None)
        for tag, (raw, quality) in zip(found.tags, values, strict=True):
            if tag.is_time:
                continue
            judged = batch.word("qualities", quality, "process_parameter", "quality", None)
            if tag.column:
                number, _, _, _ = (
                    batch.values.number(raw, tag.unit, tag.expected, tag.name, "timeseries", locator)
                    if raw.strip()
                    else (None, None, None, "")
                )
                usable = number is not None and judged in (None, "good")
                found.columns[tag.column].append(number if usable else None)
                if usable or not (raw.strip() or quality):
                    continue
            self._parameter(found, tag, raw, judged, (moment, basis, when), locator)

    def _parameter(
        self, found: _Open, tag: Tag, raw: str, judged: str | None, at: tuple[int | None, str | None, str | None], locator: str
    ) -> None:
        batch = self.batch
        moment, basis, written = at
        known = vocabulary.parameter(tag.name)
        if known is None:
            known = vocabulary.UNKNOWN_PARAMETER
            batch.values.remarks.note("M041", "process_parameter", "parameter_code", tag.name, locator)
        expected = known.unit or tag.expected
        number, text, unit, quality = batch.values.number(raw, tag.unit, expected, tag.name, "process_parameter", locator)
        extra = dict(tag.extra)
        if written and moment is None:
            extra["TimeValue"] = written.strip()
        batch.rows["process_parameter"].append(
            (
                *(
                    tag.step,
                    found.item,
                    known.code,
                    tag.name,
                    known.role or "actual",
                    number,
                    text,
                    unit,
                    raw,
                    tag.unit or None,
                    None,
                    None,
                ),
                *(
                    moment,
                    basis,
                    judged or quality,
                    f"DataSets/{found.name}",
                    tag.equipment,
                    locator,
                    canon.dumps(extra) if extra else None,
                ),
            )
        )

    def _moment(self, raw: str | None, name: str, locator: str) -> tuple[int | None, str | None, float | None, datetime | None]:
        """Return a time as microseconds in UTC with the basis of its zone, as seconds from the start, or as wall time."""
        text = (raw or "").strip()
        values = self.batch.values
        if not text:
            values.remarks.note("M092", "timeseries", "", name, locator)
            return None, None, None, None
        try:
            seconds = float(text)
        except ValueError:
            moment, basis = values.time(text, "timeseries", "unix_time_second", locator)
            return moment, basis, None, _wall(text) if moment is None else None
        return None, None, seconds if math.isfinite(seconds) else None, None

    def _flush(self, found: _Open) -> Iterator[Chunk]:
        """Yield the rows of the series so far."""
        rows = len(next(iter(found.columns.values())))
        if not rows:
            return
        columns: dict[str, Any] = {"test_id": pa.array([found.test_id]).take(pa.array([0] * rows, pa.int32()))}
        for name, held in found.columns.items():
            columns[name] = pa.array(held, canon.field_of("timeseries", name).type)
            found.columns[name] = []
        yield {"timeseries": canon.batch("timeseries", columns)}


def _wall(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None
