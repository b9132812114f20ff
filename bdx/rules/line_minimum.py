"""What a record of a step should say at least, held against what the parameters and results of the source say."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.rules.line_folds import Hashes, hashes
from bdx.rules.register import Hit, fold
from bdx.rules.view import View

_CODES = {"process_parameter": "parameter_code", "quality_result": "characteristic_code"}
_LIMITS = ("limit_low", "limit_high")
_SHOWN = 12


@cache
def minimum() -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return for each step what it should say at least; of several codes in one entry any will do."""
    rows = spec.load(spec.root() / "vocabulary.toml", "vocabulary")["step"]
    return {row["code"]: tuple(tuple(choice.split("|")) for choice in row["minimum"]) for row in rows if row.get("minimum")}


@cache
def _wanted() -> tuple[str, ...]:
    return tuple(sorted({code for choices in minimum().values() for choice in choices for code in choice}))


@fold("minimum_absent")
class MinimumAbsent:
    """Runs of a step that lack what its record should say; what a part of a run says counts for the run.

    A source without any parameter or result is not judged, nor a parameter that stands with items and no step. At most `most`
    values are kept, by hash; of more nothing is said.
    """

    def __init__(self, *, open_states: tuple[str, ...], most: int = 8_000_000) -> None:
        self._open, self._most = open_states, most
        self._runs: list[tuple[Hashes, Hashes, Hashes, Hashes]] = []
        self._said: list[tuple[Hashes, Hashes]] = []
        self._loose: set[str] = set()
        self._count, self._told = 0, False

    def feed(self, view: View) -> None:
        """Keep the runs of a batch that are judged, and who says what."""
        if self._count > self._most:
            return
        if view.table == "process_step":
            self._steps(view)
        elif view.table in _CODES:
            self._told = True
            self._values(view)
        elif view.table == "genealogy" and view.has("quantity") and view.has("step_run_id"):
            run = view.array("step_run_id").filter(pc.is_valid(view.array("quantity")))
            self._say(hashes(run), np.full(len(run), _wanted().index("mass")))
        elif view.table == "item" and view.has("grade") and view.array("grade").null_count < view.rows:
            self._loose.add("grade")

    def finish(self) -> Iterator[Hit]:
        """Yield one hit for all steps, with what is lacking of which."""
        if not self._told or not self._runs or self._count > self._most:
            return
        run, parent, code, row = (np.concatenate(column) for column in zip(*self._runs, strict=True))
        said = self._by_run(run, parent)
        lacking, told = np.zeros(len(run), dtype=bool), []
        for number, (step, choices) in enumerate(minimum().items()):
            mine = np.flatnonzero(code == number)
            for choice in choices if len(mine) else ():
                if self._loose.intersection(choice):
                    continue
                there = np.isin(run[mine], np.concatenate([said[name] for name in choice]))
                lacking[mine[~there]] = True
                if not there.all():
                    told.append(f"{step} {' or '.join(choice)} ({int((~there).sum()):,} of {len(mine):,})")
        if told:
            rows = np.sort(row[lacking])
            more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
            slots: dict[str, object] = {"lacking": ", ".join(told[:_SHOWN]) + more}
            yield Hit("process_step", "step_code", int(rows[0]), len(rows), "", rows[:5].tolist(), slots)

    def _steps(self, view: View) -> None:
        code = pc.index_in(view.array("step_code"), pa.array(list(minimum()), pa.string())).fill_null(-1)
        number = code.to_numpy(zero_copy_only=False).astype(np.int64)
        for column, words in (("state", self._open), ("record_action", ("delete",))):
            if view.has(column):
                number[pc.is_in(view.array(column), pa.array(words, pa.string())).to_numpy(zero_copy_only=False)] = -1
        run = hashes(view.array("step_run_id"))
        parent = hashes(view.array("parent_step_run_id")) if view.has("parent_step_run_id") else np.zeros(view.rows, np.int64)
        self._runs.append((run, parent, number, view.first + np.arange(view.rows)))
        self._count += view.rows

    def _values(self, view: View) -> None:
        place = pc.index_in(view.array(_CODES[view.table]), pa.array(_wanted(), pa.string())).fill_null(-1).to_numpy(zero_copy_only=False)
        told = np.zeros(view.rows, dtype=bool)
        for name in ("value_num", "value_text", "value_bool"):
            if view.has(name):
                told |= pc.is_valid(view.array(name)).to_numpy(zero_copy_only=False)
        told &= place >= 0
        if view.has("role"):
            told &= ~pc.is_in(view.array("role"), pa.array(_LIMITS)).to_numpy(zero_copy_only=False)
        run = hashes(view.array("step_run_id")) if view.has("step_run_id") else np.zeros(view.rows, np.int64)
        self._loose.update(_wanted()[number] for number in np.unique(place[told & (run == 0)]).tolist())
        told &= run != 0
        self._say(run[told], place[told])

    def _say(self, run: Hashes, place: Hashes) -> None:
        """Keep who says what, each once per batch."""
        order = np.lexsort((place, run))
        run, place = run[order], place[order].astype(np.int64)
        fresh = np.ones(len(run), dtype=bool)
        fresh[1:] = (run[1:] != run[:-1]) | (place[1:] != place[:-1])
        self._said.append((run[fresh], place[fresh]))
        self._count += int(fresh.sum())

    def _by_run(self, run: Hashes, parent: Hashes) -> dict[str, Hashes]:
        """Return for each parameter the runs that say it, themselves or by one of their parts."""
        said = [np.concatenate(column) for column in zip(*self._said, strict=True)] if self._said else [np.empty(0, np.int64)] * 2
        part = np.flatnonzero(parent != 0)
        found = {}
        for number, name in enumerate(_wanted()):
            mine = said[0][said[1] == number]
            inner = parent[part[np.isin(run[part], mine)]] if len(part) and len(mine) else mine[:0]
            found[name] = np.concatenate([mine, inner])
        return found
