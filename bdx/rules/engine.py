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
from bdx.rules.waiting import Together, Waiting
from bdx.rules.wording import locator, show, unit_of, words
from bdx.spec import Column

EXAMPLES = 5
"""Row numbers kept per finding."""

DERIVED = {"cycle": "timeseries"}
"""Tables that are reckoned from another: what a rule found there it does not say again here."""


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

    `checked` counts the values looked at, `rules_run` the rules that found something to look at; both are whole after `finish`.
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
        self._yields = {bound.rule.code: codes.intersection(bound.yields) for bound in rules if bound.yields}
        self.checked = 0
        self._log = log
        self._source = source
        self._masks = [bound for bound in rules if bound.check.kind == "mask"]
        self._chunks = [bound for bound in rules if bound.check.kind == "chunk"]
        self._folds: list[tuple[Bound, Fold]] = [(b, b.check.run(**b.literals)) for b in rules if b.check.kind == "fold"]
        self._plans: dict[tuple[str, ...], list[_Step]] = {}
        self._waiting = Waiting()
        self._met: dict[str, int] = {}
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
                self._met[name] = self._met.get(name, 0) + batch.num_rows
            for together in self._waiting.add(tables):
                self._look(together)

    def finish(self) -> None:
        """Write the findings to the log; called once, after the last chunk."""
        with np.errstate(all="ignore"):
            for together in self._waiting.rest():
                self._look(together)
        for bound, fold in self._folds:
            for hit in fold.finish():
                self._take(bound, hit)
        silent = self._silent()
        self._log.keep(lambda code: code not in silent)
        for (code, table, column), found in sorted(self._found.items()):
            if code in silent or (table in DERIVED and (code, DERIVED[table]) in {key[:2] for key in self._found}):
                continue
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

    def _look(self, together: Together) -> None:
        """Run all masks and folds."""
        for name, batch in together.tables.items():
            self._table(name, batch, together)
            self._rows[name] = self._rows.get(name, 0) + batch.num_rows

    def _silent(self) -> set[str]:
        """Return the codes of rules that leave the word to a rule, a driver or a mapping that named the cause."""
        found = {key[0] for key in self._found} | {finding.code for finding in self._log.findings}
        return {code for code, causes in self._yields.items() if found & causes}

    def _table(self, name: str, batch: pa.RecordBatch, together: Together) -> None:
        view = View(name, batch, self._rows.get(name, 0), self._last.get(name))
        for step in self._plan(view):
            given = view.rows if step.bound.check.nulls else view.rows - view.array(step.column.name).null_count
            if not given:
                continue
            self.checked += given
            self._run.add(step.bound.rule.code)
            mask, shown = _judged(step, view)
            if mask is not None and (count := mask.true_count):
                self._note(step.bound, Bad(name, step.column.name, mask, shown), count, together, view.first)
        for bound, fold in self._folds:
            if matches(name, bound.rule.table):
                self.checked += view.rows
                self._run.add(bound.rule.code)
                fold.feed(view)
        if name == "timeseries":
            self._last[name] = view.tail()

    def _across(self, bound: Bound, chunk: Chunk) -> None:
        """Run one check on what the tables of a chunk say about each other."""
        for bad in bound.check.run(chunk, **bound.literals):
            self.checked += len(bad.mask)
            self._run.add(bound.rule.code)
            if count := bad.mask.true_count:
                self._note(bound, bad, count, Together(chunk, [chunk]), self._met.get(bad.table, 0))

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

    def _note(self, bound: Bound, bad: Bad, count: int, together: Together, first: int) -> None:
        """Count the bad rows of one mask; the first ever met gives the finding its place and its words."""
        if self._every:
            self._each(bound, bad, together, first)
            return
        found = self._found.setdefault((bound.rule.code, bad.table, bad.column), _Found())
        rows = pc.indices_nonzero(bad.mask)[:EXAMPLES].to_pylist()
        if not found.count:
            found.row = first + rows[0]
            found.value, found.locator, found.slots = _told(bound, bad, rows[0], together, found.row)
        found.count += count
        found.examples.extend(first + row for row in rows[: EXAMPLES - len(found.examples)])

    def _each(self, bound: Bound, bad: Bad, together: Together, first: int) -> None:
        """Log every bad row of one mask as a finding of its own."""
        for place in pc.indices_nonzero(bad.mask).to_pylist():
            row = first + place
            value, where, slots = _told(bound, bad, place, together, row)
            self._log.find_each(
                bound.rule.code, source=self._source, table=bad.table, column=bad.column, row=row, locator=where, value=value, **slots
            )

    def _take(self, bound: Bound, hit: Hit) -> None:
        at = f"row {hit.row}" if hit.row is not None else ""
        slots = {"unit": unit_of(hit.table, hit.column), "at": at, **bound.literals, **hit.slots}
        self._found[bound.rule.code, hit.table, hit.column] = _Found(
            hit.count, hit.row, show(hit.value), "", hit.examples[:EXAMPLES], {key: show(value) for key, value in slots.items()}
        )


def _told(bound: Bound, bad: Bad, place: int, together: Together, row: int) -> tuple[str, str, dict[str, Any]]:
    """Return the value of a bad row, its locator, and what fills the message."""
    batch = together.tables[bad.table]
    value = show(batch.column(bad.column)[place].as_py()) if bad.column in batch.schema.names else ""
    chunk, at = together.home(bad.table, place)
    return value, locator(bad.table, chunk[bad.table], at, chunk), words(bound, bad, place, batch, row)


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


def _judged(step: _Step, view: View) -> tuple[pa.BooleanArray | None, dict[str, pa.Array]]:
    """Return the mask of one rule on one column, and the arrays that fill its message; a rule of texts is asked for distinct ones."""
    arguments = _arguments(step, view)
    coded = view.coded(step.column.name) if step.bound.check.texts else None
    asked = arguments if coded is None else {**arguments, "now": coded.dictionary}
    answer = step.bound.check.run(**asked, **step.bound.literals)
    mask, told = answer if isinstance(answer, tuple) else (answer, {})
    if mask is None:
        return None, {}
    if coded is not None:
        mask = mask.take(coded.indices).fill_null(fill_value=False)
        told = {name: values.take(coded.indices) for name, values in told.items()}
    return mask, {**{name: value for name, value in arguments.items() if isinstance(value, pa.Array)}, **told}


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
