"""Runs rules over the chunks of one source: feeds checks, counts what they find, and writes one finding per rule and column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk, Log
from bdx.errors import UsageError, did_you_mean
from bdx.rules import checks, chunkwide, folds, order, presence
from bdx.rules.register import Bad, Bound, Fold, Hit, bind
from bdx.rules.view import View
from bdx.spec import Column

EXAMPLES = 5
"""Row numbers kept per finding."""

_KINDS = (checks, order, folds, presence, chunkwide)
"""Importing them registers their checks."""


_KEYLESS = ("battery_key", "parameter_name_raw", "characteristic_name_raw")
"""What names a row of a table without a key."""


def chosen(select: Sequence[str] = (), ignore: Sequence[str] = ()) -> frozenset[str]:
    """Return the codes of the rules that run: all active ones, or those selected, less those ignored.

    Each word is a code or the beginning of one ("T", "T0", "T001"). A preview rule runs only where its full code is selected.
    Raises: UsageError for a word that no code begins with.
    """
    known = {code: rule for code, rule in spec.rules().items() if rule.status != "removed"}
    for word in (*select, *ignore):
        if not word or not any(code.startswith(word) for code in known):
            raise UsageError(f"no rule code is or begins with '{word}'{did_you_mean(word.upper(), known)}; `bdx rules` lists all")
    return frozenset(
        code
        for code, rule in known.items()
        if (not select or code.startswith(tuple(select)))
        and not (ignore and code.startswith(tuple(ignore)))
        and (rule.status != "preview" or code in select)
    )


@cache
def bound_rules() -> tuple[Bound, ...]:
    """Return every rule that has a check, bound to it; raises SpecError for a rule that does not fit its check."""
    return tuple(bind(rule) for rule in spec.rules().values() if rule.check)


@dataclass(slots=True)
class _Found:
    """What one rule found in one column so far."""

    count: int = 0
    row: int | None = None
    value: object = ""
    locator: str = ""
    examples: list[int] = field(default_factory=list)
    slots: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Step:
    """One rule on one column of one shape of table, ready to run."""

    bound: Bound
    column: Column
    inputs: tuple[tuple[str, str, str], ...]


class Checker:
    """The rules at work on one source. Tables may come in any number of batches; the findings do not depend on it.

    `checked` counts the values looked at, `rules_run` the rules that found something to look at.
    Memory grows with rules and columns, never with rows.
    Raises: UsageError for a code in `select` or `ignore` that no rule has.
    """

    def __init__(self, log: Log, source: str, select: Sequence[str] = (), ignore: Sequence[str] = ()) -> None:
        codes = chosen(select, ignore)
        rules = [bound for bound in bound_rules() if bound.rule.code in codes]
        self.checked = 0
        self._log = log
        self._source = source
        self._masks = [bound for bound in rules if bound.check.kind == "mask"]
        self._chunks = [bound for bound in rules if bound.check.kind == "chunk"]
        self._folds: list[tuple[Bound, Fold]] = [(b, b.check.run(**b.literals)) for b in rules if b.check.kind == "fold"]
        self._plans: dict[tuple[str, ...], list[_Step]] = {}
        self._rows: dict[str, int] = {}
        self._last: dict[str, View] = {}
        self._found: dict[tuple[str, str, str], _Found] = {}
        self._run: set[str] = set()

    @property
    def rules_run(self) -> int:
        """How many rules had something to look at."""
        return len(self._run)

    def watch(self, chunk: Chunk) -> None:
        """Look at the tables of one chunk; names that are no canonical table are passed over."""
        tables = {name: batch for name, batch in chunk.items() if batch.num_rows and name in spec.tables()}
        with np.errstate(all="ignore"):
            # NaN and infinity are findings, not faults of the arithmetic.
            for bound in self._chunks:
                self._across(bound, tables)
            for name, batch in tables.items():
                self._table(name, batch, tables)
        for name, batch in tables.items():
            self._rows[name] = self._rows.get(name, 0) + batch.num_rows

    def finish(self) -> None:
        """Write the findings to the log; called once, after the last chunk."""
        for bound, fold in self._folds:
            for hit in fold.finish():
                self._take(bound, hit)
        for (code, table, column), found in sorted(self._found.items()):
            self._log.find(
                code,
                source=self._source,
                table=table,
                column=column,
                row=found.row,
                locator=found.locator,
                count=found.count,
                value=found.value,
                examples=found.examples,
                **found.slots,
            )

    def _table(self, name: str, batch: pa.RecordBatch, chunk: Chunk) -> None:
        view = View(name, batch, self._rows.get(name, 0), self._last.get(name))
        for step in self._plan(view):
            given = view.rows if step.bound.check.nulls else view.rows - view.array(step.column.name).null_count
            if not given:
                continue
            self.checked += given
            self._run.add(step.bound.rule.code)
            arguments = _arguments(step, view)
            mask = step.bound.check.run(**arguments, **step.bound.literals)
            if mask is not None and (count := mask.true_count):
                shown = {key: value for key, value in arguments.items() if isinstance(value, pa.Array)}
                self._note(step.bound, Bad(name, step.column.name, mask, shown), count, chunk)
        for bound, fold in self._folds:
            if bound.rule.table == name:
                self.checked += view.rows
                self._run.add(bound.rule.code)
                fold.feed(view)
        if name == "timeseries":
            self._last[name] = view.tail()

    def _across(self, bound: Bound, chunk: Chunk) -> None:
        for bad in bound.check.run(chunk, **bound.literals):
            self.checked += len(bad.mask)
            self._run.add(bound.rule.code)
            if count := bad.mask.true_count:
                self._note(bound, bad, count, chunk)

    def _plan(self, view: View) -> list[_Step]:
        key = (view.table, *view.names())
        if key not in self._plans:
            self._plans[key] = [
                _Step(bound, column, tuple(_inputs(bound, column, view)))
                for column in spec.table(view.table).columns
                if view.has(column.name)
                for bound in self._masks
                if bound.judges(view.table, column) and _fits(bound, view)
            ]
        return self._plans[key]

    def _note(self, bound: Bound, bad: Bad, count: int, chunk: Chunk) -> None:
        """Count the bad rows of one mask; the first ever met gives the finding its place and its words."""
        found = self._found.setdefault((bound.rule.code, bad.table, bad.column), _Found())
        first = self._rows.get(bad.table, 0)
        rows = pc.indices_nonzero(bad.mask)[:EXAMPLES].to_pylist()
        if not found.count:
            place = rows[0]
            batch = chunk[bad.table]
            found.row = first + place
            found.value = show(batch.column(bad.column)[place].as_py()) if bad.column in batch.schema.names else ""
            found.locator = _locator(bad.table, batch, place, chunk)
            found.slots = _words(bound, bad, place, batch, found.row)
        found.count += count
        found.examples.extend(first + row for row in rows[: EXAMPLES - len(found.examples)])

    def _take(self, bound: Bound, hit: Hit) -> None:
        slots = {"unit": _unit(hit.table, hit.column), "at": f"row {hit.row}" if hit.row is not None else "", **bound.literals, **hit.slots}
        self._found[bound.rule.code, hit.table, hit.column] = _Found(
            hit.count, hit.row, show(hit.value), "", hit.examples[:EXAMPLES], {key: show(value) for key, value in slots.items()}
        )


def _fits(bound: Bound, view: View) -> bool:
    """Say whether a batch carries the columns a rule cannot do without, and not the one that sets it aside."""
    if bound.unless and view.has(bound.unless):
        return False
    return all(optional or view.has(bound.columns[name.removesuffix("_before")]) for name, optional in bound.arrays.items())


def _inputs(bound: Bound, column: Column, view: View) -> Iterator[tuple[str, str, str]]:
    """Yield for each parameter of a check what it is fed: its name, where that comes from, and the column."""
    for name in bound.check.given:
        yield name, name, column.name
    for name in bound.arrays:
        source = bound.columns[name.removesuffix("_before")]
        if view.has(source):
            yield name, "before" if name.endswith("_before") else "now", source


def _arguments(step: _Step, view: View) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, kind, column in step.inputs:
        if kind == "now":
            found[name] = view.array(column)
        elif kind == "before":
            found[name] = view.before(column)
        elif kind == "span":
            found[name] = view.span(column)
        else:
            found[name] = step.column if kind == "facts" else view
    return found


def _words(bound: Bound, bad: Bad, place: int, batch: pa.RecordBatch, row: int) -> dict[str, object]:
    """Return what fills the message beside the finding's own fields."""
    slots: dict[str, object] = {name: show(value) for name, value in bound.literals.items()}
    slots.update({name: show(values[place].as_py()) for name, values in bad.slots.items()})
    facts = spec.table(bad.table).by_name.get(bad.column)
    slots.setdefault("unit", _unit(bad.table, bad.column))
    slots["expected"] = _expected(facts) if facts else ""
    keys = spec.table(bad.table).key or _KEYLESS
    cells = [batch.column(key)[place].as_py() for key in keys if key in batch.schema.names and key not in ("test_id", "record_index")]
    named = [str(cell) for cell in cells if cell is not None]
    slots["at"] = f"row {row}" + (f" ({' > '.join(named)})" if named else "")
    return slots


def _locator(table: str, batch: pa.RecordBatch, place: int, chunk: Chunk) -> str:
    """Return where the row stood in the source: its own locator, else that of the battery it belongs to."""
    if "locator" in batch.schema.names:
        return batch.column("locator")[place].as_py() or ""
    owners = chunk.get("battery")
    if spec.table(table).parent != "battery" or owners is None or "battery_key" not in batch.schema.names:
        return ""
    owner = pc.index(owners.column("battery_key"), batch.column("battery_key")[place]).as_py()
    return (owners.column("locator")[owner].as_py() or "") if owner >= 0 and "locator" in owners.schema.names else ""


def _unit(table: str, column: str) -> str:
    facts = spec.table(table).by_name.get(column)
    return facts.unit if facts and facts.unit != "1" else ""


def _expected(facts: Column) -> str:
    if facts.enum:
        return "one of " + ", ".join(facts.enum)
    if facts.pattern:
        return facts.pattern
    if facts.minimum is not None and facts.maximum is not None:
        return f"{facts.minimum:g} to {facts.maximum:g}"
    if facts.minimum is not None:
        return f"{facts.minimum:g} or more"
    return f"{facts.maximum:g} or less" if facts.maximum is not None else facts.type


def show(value: object) -> str:
    """Return a value as a message shows it: floats short, times in ISO 8601, lists with commas."""
    if value is None:
        return "not given"
    if isinstance(value, float):
        return f"{value:.13g}" if abs(value) >= 1e6 else f"{value:.6g}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(str(item) for item in value)
    return str(value)
