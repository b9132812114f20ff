"""Runs rules over the chunks of one source: feeds checks, counts what they find, and writes one finding per rule and column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk, Log
from bdx.errors import UsageError, did_you_mean
from bdx.rules.choice import bound_rules, chosen, rebound
from bdx.rules.register import Bad, Bound, Fold, Hit, matches
from bdx.rules.view import View
from bdx.rules.wording import locator, show, unit_of, words
from bdx.spec import Column

EXAMPLES = 5
"""Row numbers kept per finding."""


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
    `enable` names rules that run only on request, `args` replaces thresholds by code, `every` reports each bad row on its own
    (memory then grows with the hits).
    Raises: UsageError for a code that no rule has, or an argument that a rule does not have.
    """

    def __init__(
        self,
        log: Log,
        source: str,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        *,
        enable: Sequence[str] = (),
        args: Mapping[str, Mapping[str, Any]] | None = None,
        every: bool = False,
    ) -> None:
        codes = chosen(select, ignore, enable)
        for code in args or ():
            if code not in spec.rules():
                raise UsageError(f"args: no rule code '{code}'{did_you_mean(code.upper(), spec.rules())}")
        rules = [bound for bound in bound_rules() if bound.rule.code in codes]
        rules = [rebound(bound, args[bound.rule.code]) if args and bound.rule.code in args else bound for bound in rules]
        self._every = every
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

    @property
    def codes_run(self) -> tuple[str, ...]:
        """The codes of the rules that had something to look at, sorted."""
        return tuple(sorted(self._run))

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
            if matches(name, bound.rule.table):
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
        first = self._rows.get(bad.table, 0)
        if self._every:
            self._each(bound, bad, chunk, first)
            return
        found = self._found.setdefault((bound.rule.code, bad.table, bad.column), _Found())
        rows = pc.indices_nonzero(bad.mask)[:EXAMPLES].to_pylist()
        if not found.count:
            place = rows[0]
            batch = chunk[bad.table]
            found.row = first + place
            found.value = show(batch.column(bad.column)[place].as_py()) if bad.column in batch.schema.names else ""
            found.locator = locator(bad.table, batch, place, chunk)
            found.slots = words(bound, bad, place, batch, found.row)
        found.count += count
        found.examples.extend(first + row for row in rows[: EXAMPLES - len(found.examples)])

    def _each(self, bound: Bound, bad: Bad, chunk: Chunk, first: int) -> None:
        """Log every bad row of one mask as a finding of its own."""
        batch = chunk[bad.table]
        for place in pc.indices_nonzero(bad.mask).to_pylist():
            self._log.find_each(
                bound.rule.code,
                source=self._source,
                table=bad.table,
                column=bad.column,
                row=first + place,
                locator=locator(bad.table, batch, place, chunk),
                value=show(batch.column(bad.column)[place].as_py()) if bad.column in batch.schema.names else "",
                **words(bound, bad, place, batch, first + place),
            )

    def _take(self, bound: Bound, hit: Hit) -> None:
        at = f"row {hit.row}" if hit.row is not None else ""
        slots = {"unit": unit_of(hit.table, hit.column), "at": at, **bound.literals, **hit.slots}
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
