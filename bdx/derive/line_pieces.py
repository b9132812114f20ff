"""Which pieces passed which runs, and how they were judged: pieces, failures, repeats and first passes of every step."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.derive.line_facts import LineStep
from bdx.derive.line_rows import DELETE, NO_TIME, NOBODY, Array, Rows, actions, codes, hashes, joined, texts

VERDICTS = ("pass", "fail", "conditional")
PASS, FAIL, CONDITIONAL = range(3)
JUDGED = 1
_BAD = (1, 2, 3)
"""Results of a step that leave no good piece: nok, rework and hold, by their place in the list of results."""
_ENOUGH = 1 << 20


class _Pairs:
    """Distinct pairs of run and item with flags; repeats are put together whenever the pairs have doubled."""

    def __init__(self) -> None:
        self._parts: list[tuple[Array, Array, Array]] = []
        self._rows, self._limit = 0, _ENOUGH

    def add(self, run: Array, item: Array, flags: Array) -> None:
        part = _distinct(run, item, flags)
        self._parts.append(part)
        self._rows += len(part[0])
        if self._rows > self._limit:
            self.all()
            self._limit = max(_ENOUGH, 2 * self._rows)

    def all(self) -> tuple[Array, Array, Array]:
        if not self._parts:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int8)
        run, item, flags = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        self._parts = [_distinct(run, item, flags)]
        self._rows = len(self._parts[0][0])
        return self._parts[0]


def _distinct(run: Array, item: Array, flags: Array) -> tuple[Array, Array, Array]:
    """Return pairs of a run or none and an item, each once, with all the flags it had, in the order of first meeting."""
    there = item != NOBODY
    run, item, flags = run[there], item[there], flags[there].astype(np.int8)
    _, first, inverse = np.unique(joined(run, item), return_index=True, return_inverse=True)
    added = np.zeros(len(first), np.int8)
    np.bitwise_or.at(added, inverse, flags)
    order = np.argsort(first, kind="stable")
    return run[first[order]], item[first[order]], added[order]


class Pieces:
    """Watches results, parameters, edges and items for the pieces that runs handled."""

    def __init__(self) -> None:
        self._pairs = _Pairs()
        self._verdicts = Rows(run="i8", item="i8", key="i8", verdict="i1")
        self._failing = np.empty(0, np.int64)
        self.results = 0

    def watch(self, name: str, batch: pa.RecordBatch) -> None:
        """Look at one batch of one table."""
        item_column, run_column = {"genealogy": ("output_item_id", "step_run_id"), "item": ("item_id", "produced_by_step_run_id")}.get(
            name, ("item_id", "step_run_id")
        )
        batch = batch.filter(pc.is_valid(texts(batch, item_column)))
        if name != "quality_result":
            batch = batch.filter(pc.is_valid(texts(batch, run_column)))
        if not batch.num_rows:
            return
        item, run, asked = hashes(batch.column(item_column)), hashes(texts(batch, run_column)), actions(batch)
        flags = np.zeros(batch.num_rows, np.int8)
        if name == "quality_result":
            self.results += batch.num_rows
            flags = self._judge(batch, run, item, asked)
        stays = asked != DELETE
        self._pairs.add(run[stays], item[stays], flags[stays])

    def _judge(self, batch: pa.RecordBatch, run: Array, item: Array, asked: Array) -> Array:
        """Keep the verdicts that decide: failures, and what followed for the same characteristic of the same item."""
        verdict = codes(texts(batch, "verdict"), VERDICTS)
        key = joined(item, hashes(texts(batch, "characteristic_name_raw")))
        failed = (verdict == FAIL) & (asked != DELETE)
        self._failing = np.union1d(self._failing, key[failed])
        kept = np.flatnonzero(np.isin(key, self._failing) & ((verdict >= 0) | (asked == DELETE)))
        told = np.where(asked == DELETE, np.int8(-1), verdict)
        self._verdicts.add(run=run[kept], item=item[kept], key=key[kept], verdict=told[kept])
        return np.where(verdict >= 0, np.int8(JUDGED), np.int8(0))

    def finish(self, found: list[LineStep], steps: dict[str, Array], lots: Array) -> None:
        """Fill pieces, failures, repeats and first passes of the steps; the last takes what was judged in no step.

        `steps` are the columns of the runs that stand, `lots` the items that are known to be no single pieces.
        """
        run, item, flags = self._pairs.all()
        order = np.argsort(steps["run"], kind="stable")
        runs = steps["run"][order]
        place = np.minimum(np.searchsorted(runs, run), max(len(runs) - 1, 0))
        known = (runs[place] == run) if len(runs) else np.zeros(len(run), dtype=bool)
        alone = (run == NOBODY) & (flags & JUDGED > 0)
        kept = np.flatnonzero((known | alone) & ~np.isin(item, lots))
        nowhere = len(found) - 1
        at = np.where(known[kept], order[place[kept]] if len(runs) else 0, -1)
        group = np.where(at >= 0, steps["group"][at] - 1 if len(runs) else 0, nowhere)
        result = np.where(at >= 0, steps["result"][at] if len(runs) else 0, -1)
        began = np.where(at >= 0, steps["began"][at] if len(runs) else 0, NO_TIME)
        ever, left = self._failed(run[kept], item[kept])
        pairs = {"at": at, "began": began, "item": item[kept], "group": group, "result": result, "ever": ever, "left": left}
        _fill(found, {**pairs, "judged": flags[kept] & JUDGED > 0})

    def _failed(self, run: Array, item: Array) -> tuple[Array, Array]:
        """Return for each pair whether it failed in this run at all, and whether a failure of it here was never made good."""
        rows = self._verdicts.all()
        fails = rows["verdict"] == FAIL
        pair = joined(run, item)
        ever = np.isin(pair, joined(rows["run"][fails], rows["item"][fails]))
        backwards = np.arange(len(rows["key"]))[::-1]
        keys, first = np.unique(rows["key"][backwards], return_index=True)
        still = keys[rows["verdict"][backwards[first]] == FAIL]
        left = fails & np.isin(rows["key"], still)
        return ever, np.isin(pair, joined(rows["run"][left], rows["item"][left]))


def _fill(found: list[LineStep], pairs: dict[str, Array]) -> None:
    """Fill the steps from the pairs of a run and a piece, those of one piece in the order of their runs."""
    order = np.lexsort((pairs["at"], pairs["began"], pairs["item"], pairs["group"]))
    pairs = {name: values[order] for name, values in pairs.items()}
    group, item, result = pairs["group"], pairs["item"], pairs["result"]
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (group[1:] != group[:-1]) | (item[1:] != item[:-1])
    starts = np.flatnonzero(fresh)
    if not len(starts):
        return
    last = np.concatenate([starts[1:], [len(order)]]) - 1
    # The result of the last run of a piece counts; of verdicts, failures that were never made good.
    bad = np.logical_or.reduceat(pairs["left"], starts) | np.isin(result[last], _BAD)
    told = np.logical_or.reduceat(pairs["judged"] | (result >= 0), starts)
    clean = ~pairs["ever"][starts] & (result[starts] <= 0) & (pairs["judged"][starts] | (result[starts] == 0))
    where = group[starts]
    for number in np.unique(where).tolist():
        mine = where == number
        step = found[number]
        step.pieces, step.judged = int(mine.sum()), int((mine & told).sum())
        step.failed, step.reworked = int((mine & bad).sum()), int((mine & (last > starts)).sum())
        if step.judged:
            step.first_pass = float((mine & clean & told).sum() / step.judged)
