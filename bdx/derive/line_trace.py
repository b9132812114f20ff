"""How complete the genealogy of a line is, and how many items of which kind it knows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.derive.line_facts import Traced
from bdx.derive.line_rows import NOBODY, Array, Rows, actions, codes, column, hashes, joined, standing, texts
from bdx.descent import numbered, reached

FINISHED = ("cell", "pack", "module", "filled_cell", "dry_cell")
"""Kinds whose way back to raw materials is judged: the first that there is."""
_RAW = "raw_material_lot"
_OF_LOTS = (_RAW, "slurry_batch", "coated_roll", "calendered_roll", "slit_roll", "magazine", "carrier")
_LOTS = ("lot", "sublot", "carrier")


class Trace:
    """Watches items and edges; twenty to thirty bytes are kept of each."""

    def __init__(self) -> None:
        self._items = Rows(item="i8", kind="i1", lot="i1", made="i1", action="i1")
        self._edges = Rows(source="i8", target="i8", run="i8", estimated="i1", carrier="i1", removed="i1", action="i1")
        self._kinds = spec.table("item").column("item_kind").enum
        self.edges = 0

    def watch(self, name: str, batch: pa.RecordBatch) -> None:
        """Look at one batch of one table."""
        if name == "item":
            self._items.add(
                item=hashes(batch.column("item_id")),
                kind=codes(texts(batch, "item_kind"), self._kinds),
                lot=codes(texts(batch, "granularity"), (*_LOTS, "serial")),
                made=_flags(pc.is_valid(texts(batch, "produced_by_step_run_id"))),
                action=actions(batch),
            )
        elif name == "genealogy":
            self.edges += batch.num_rows
            self._edges.add(
                source=hashes(batch.column("input_item_id")),
                target=hashes(batch.column("output_item_id")),
                run=hashes(texts(batch, "step_run_id")),
                estimated=_flags(column(batch, "is_estimated", pa.bool_())),
                carrier=_flags(pc.equal(texts(batch, "role"), "carrier")),
                removed=_flags(pc.is_valid(column(batch, "removed_at", pa.timestamp("us", tz="UTC")))),
                action=actions(batch),
            )

    def finish(self) -> Traced:
        """Return what was met, corrections applied, edges of carriers and of parts taken out again left aside."""
        found = Traced()
        names, kinds, lots, made = self._known(found)
        raw, carrier = self._kinds.index(_RAW), self._kinds.index("carrier")
        edges = self._standing(found)
        found.edges, found.estimated = len(edges["source"]), int(edges["estimated"].sum())
        found.without_input = int((edges["source"] == NOBODY).sum())
        aside = (edges["source"] == NOBODY) | (edges["target"] == NOBODY) | (edges["carrier"] > 0)
        edges = {name: values[~(aside | np.isin(edges["source"], names[kinds == carrier]))] for name, values in edges.items()}
        (item, source, target), everything = numbered(names, edges["source"], edges["target"])
        begun = np.zeros(len(everything), dtype=bool)
        begun[target] = True
        produced = begun.copy()
        produced[item[made]] = True
        produced[item[kinds == carrier]] = False
        found.produced, found.produced_from_something = int(produced.sum()), int((produced & begun).sum())
        found.lots = names[lots]
        start = item[kinds == raw]
        found.raw_known = bool(len(start))
        found.finished_kind = next((kind for kind in FINISHED if (kinds == self._kinds.index(kind)).any()), "")
        if found.finished_kind:
            cells = item[kinds == self._kinds.index(found.finished_kind)]
            sure = edges["estimated"] == 0
            found.finished = len(cells)
            found.finished_from_raw = int(reached(source, target, start, len(everything))[cells].sum())
            found.finished_surely_from_raw = int(reached(source[sure], target[sure], start, len(everything))[cells].sum())
        return found

    def _known(self, found: Traced) -> tuple[Array, Array, Array, Array]:
        """Return the items that stand with their kind, whether they are lots, and whether a step made them; counts them by kind."""
        rows = self._items.all()
        kept = standing(rows["item"], rows["action"])
        found.left_out += len(rows["item"]) - len(kept)
        names, inverse = np.unique(rows["item"][kept], return_inverse=True)
        told = {name: _last_said(rows[name][kept], inverse, len(names)) for name in ("kind", "lot")}
        made = np.zeros(len(names), dtype=bool)
        made[inverse[rows["made"][kept] > 0]] = True
        for place, count in zip(*np.unique(told["kind"], return_counts=True), strict=True):
            found.items[self._kinds[place] if place >= 0 else ""] = int(count)
        of_lots = np.isin(told["kind"], [self._kinds.index(kind) for kind in _OF_LOTS])
        lots = np.where(told["lot"] >= 0, told["lot"] < len(_LOTS), of_lots)
        return names, told["kind"], lots.astype(bool), made

    def _standing(self, found: Traced) -> dict[str, Array]:
        rows = self._edges.all()
        kept = standing(joined(rows["source"], rows["target"], rows["run"]), rows["action"])
        found.left_out += len(rows["source"]) - len(kept)
        rows = {name: values[kept] for name, values in rows.items()}
        pair = joined(rows["source"], rows["target"])
        there = ~np.isin(pair, pair[rows["removed"] > 0])
        return {name: values[there] for name, values in rows.items()}


def _flags(mask: pa.Array) -> Array:
    return np.asarray(mask.fill_null(fill_value=False).to_numpy(zero_copy_only=False))


def _last_said(values: Array, inverse: Array, count: int) -> Array:
    """Return for each item the last value that is known of it, -1 where none is."""
    found = np.full(count, -1, np.int8)
    there = values >= 0
    found[inverse[there]] = values[there]
    return found
