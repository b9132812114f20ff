"""What a production line did, from its canonical tables: runs, quantities, pieces, yields, times and machines of each step."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk
from bdx.derive.line_facts import Amount, LineFacts, LineStep, Scrap
from bdx.derive.line_pieces import Pieces
from bdx.derive.line_rows import NO_TIME, NOBODY, Array, Rows, Words, actions, codes, hashes, moments, numbers, standing, texts
from bdx.derive.line_trace import Trace

RESULTS = ("ok", "nok", "rework", "hold")
QUANTITIES = ("qty_in", "qty_good", "qty_scrap", "qty_rework")
_MARK = "\x01"


class Line:
    """Watches the chunks of a source. Memory grows with runs, items and edges, by some forty bytes each, never with parameters."""

    def __init__(self) -> None:
        self._steps = Rows(run="i8", parent="i8", group="i4", machine="i4", began="i8", ended="i8", result="i1", action="i1")
        self._stated = Rows(row="i8", unit="i4", reason="i4", **dict.fromkeys(QUANTITIES, "f8"))
        self._groups, self._machines, self._units, self._reasons = Words(), Words(), Words(), Words()
        self._count = 0
        self._pieces = Pieces()
        self._trace = Trace()

    def watch(self, chunk: Chunk) -> None:
        """Look at one chunk; tables that are not of production are passed over."""
        for name, batch in chunk.items():
            if not batch.num_rows:
                continue
            if name == "process_step":
                self._take(batch)
            elif name in ("process_parameter", "quality_result", "genealogy", "item"):
                self._pieces.watch(name, batch)
                self._trace.watch(name, batch)

    def finish(self) -> LineFacts | None:
        """Return what the line did; None where no step, result or edge was met."""
        if not self._count and not self._pieces.results and not self._trace.edges:
            return None
        rows = self._steps.all()
        kept = standing(rows["run"], rows["action"])
        left_out = self._count - len(kept)
        traced = self._trace.finish()
        kept = kept[~_within_its_kind(rows, kept)]
        steps = {name: values[kept] for name, values in rows.items()}
        groups = self._groups.all
        found = [_step(name) for name in groups[1:]] + [LineStep("", "", "")]
        group = steps["group"] - 1
        for number, step in enumerate(found[:-1]):
            self._times(step, {name: values[group == number] for name, values in steps.items()})
        self._amounts(found, kept, rows["group"])
        self._pieces.finish(found, steps, traced.lots)
        shown = [step for step in found if step.runs or step.pieces]
        return LineFacts(shown, traced, left_out + traced.left_out)

    def _take(self, batch: pa.RecordBatch) -> None:
        raw = pc.if_else(pc.equal(texts(batch, "step_code"), "other"), texts(batch, "step_name_raw"), None)
        parts = (texts(batch, "step_code"), texts(batch, "electrode"), raw)
        names = pc.binary_join_element_wise(*(part.fill_null("") for part in parts), _MARK)
        self._steps.add(
            run=hashes(batch.column("step_run_id")),
            parent=hashes(texts(batch, "parent_step_run_id")),
            group=self._groups.places(names),
            machine=self._machines.places(texts(batch, "equipment_id")),
            began=moments(batch, "started_at"),
            ended=moments(batch, "ended_at"),
            result=codes(texts(batch, "result"), RESULTS),
            action=actions(batch),
        )
        stated = {name: numbers(batch, name) for name in QUANTITIES}
        reason = self._reasons.places(texts(batch, "scrap_reason"))
        places = np.flatnonzero(~np.isnan(np.vstack(list(stated.values()))).all(axis=0) | (reason > 0))
        unit = self._units.places(texts(batch, "qty_unit"))
        if len(places):
            kept = {name: values[places] for name, values in stated.items()}
            self._stated.add(row=self._count + places, unit=unit[places], reason=reason[places], **kept)
        self._count += batch.num_rows

    def _times(self, step: LineStep, rows: dict[str, Array]) -> None:
        """Fill runs, span, median duration and machines of one step."""
        step.runs = len(rows["run"])
        began, ended = rows["began"], rows["ended"]
        met = np.concatenate([began, ended])
        met = met[met != NO_TIME]
        if len(met):
            step.began, step.ended = int(met.min()), int(met.max())
        whole = (began != NO_TIME) & (ended != NO_TIME) & (ended >= began)
        if whole.any():
            step.median_second = float(np.median(ended[whole] - began[whole])) / 1e6
        names = self._machines.all
        used, counts = np.unique(rows["machine"][rows["machine"] > 0], return_counts=True)
        step.equipment = {names[place]: int(count) for place, count in sorted(zip(used, counts, strict=True), key=lambda pair: -pair[1])}

    def _amounts(self, found: list[LineStep], kept: Array, groups: Array) -> None:
        """Fill the quantities of all steps, unit by unit, and what was scrapped by reason."""
        stated = self._stated.all()
        stands = np.isin(stated["row"], kept)
        stated = {name: values[stands] for name, values in stated.items()}
        group = groups[stated["row"]] - 1
        units, reasons = self._units.all, self._reasons.all
        for number in np.unique(group).tolist():
            mine = {name: values[group == number] for name, values in stated.items()}
            quantified = ~np.isnan(np.vstack([mine[name] for name in QUANTITIES])).all(axis=0)
            for unit in np.unique(mine["unit"][quantified]).tolist():
                found[number].amounts.append(_amount(units[unit], {name: v[mine["unit"] == unit] for name, v in mine.items()}))
            scrapped = (mine["qty_scrap"] > 0) | (mine["reason"] > 0)
            for reason, unit in sorted(set(zip(mine["reason"][scrapped].tolist(), mine["unit"][scrapped].tolist(), strict=True))):
                these = scrapped & (mine["reason"] == reason) & (mine["unit"] == unit)
                found[number].scrap.append(Scrap(reasons[reason], _sum(mine["qty_scrap"][these]), units[unit], int(these.sum())))
            found[number].scrap.sort(key=lambda item: (-(item.quantity or 0), item.reason))


def _step(name: str) -> LineStep:
    code, electrode, raw = name.split(_MARK, 2)
    return LineStep(code, raw, electrode)


def _within_its_kind(rows: dict[str, Array], kept: Array) -> Array:
    """Return which of the kept runs are part of another run of the same step: they are not counted again."""
    order = np.argsort(rows["run"][kept], kind="stable")
    runs, group = rows["run"][kept][order], rows["group"][kept][order]
    parent = rows["parent"][kept]
    place = np.minimum(np.searchsorted(runs, parent), max(len(runs) - 1, 0))
    if not len(runs):
        return np.zeros(0, dtype=bool)
    return np.asarray((parent != NOBODY) & (runs[place] == parent) & (group[place] == rows["group"][kept]))


def _sum(values: Array) -> float | None:
    """Return the sum of what is stated, None where nothing is; twelve digits, so that the order of rows does not show."""
    there = values[np.isfinite(values)]
    return float(f"{there.sum():.12g}") if len(there) else None


def _amount(unit: str, rows: dict[str, Array]) -> Amount:
    both = np.isfinite(rows["qty_in"]) & np.isfinite(rows["qty_good"])
    went = _sum(rows["qty_in"][both])
    share = (_sum(rows["qty_good"][both]) or 0.0) / went if unit and went else None
    went_in, good, scrap, rework = (_sum(rows[name]) for name in QUANTITIES)
    return Amount(unit, went_in, good, scrap, rework, share, int(both.sum()))
