"""Canonical factory tables -> the elements of B2MML messages, in order, a few steps at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk, Document, Part
from bdx.errors import SinkError, UnsupportedVersion
from bdx.mapping import Context
from bdx.mapping.segment_out_fit import Fit, Tree, content
from bdx.mapping.segment_out_heads import Heads
from bdx.mapping.segment_out_materials import Of
from bdx.mapping.segment_out_order import families
from bdx.mapping.segment_out_other import Others
from bdx.mapping.segment_out_rows import ByKey, Row, Spool
from bdx.mapping.segment_out_step import Equipment, Segments
from bdx.mapping.segment_out_values import moment
from bdx.spec import Facts

_TIMES = {"process_step": ("ended_at", "started_at"), "quality_result": ("measured_at",), "item": ("produced_at",)}
_CHILDREN = ("process_parameter", "quality_result", "genealogy")


class Writer:
    """Gathers all rows on disk, since those of one step may come in any chunk, and tells them step by step."""

    def __init__(self, facts: Facts, context: Context) -> None:
        version = context.model.partition("@")[2] or "7"
        held = content()
        if f"v{version}" not in held:
            raise UnsupportedVersion(f"B2MML {version} is read, not written; bdx writes versions 6 and 7")
        self.folder = bool(context.options.get("folder"))
        self.fit = Fit(version, facts["alias"], context.source, context.log)
        self.context = context
        self.limits = held["limits"]
        self.equipment = Equipment()
        self.segments = Segments(self.fit, facts, held["uses"], self.equipment)
        self._carried = held["carried"]
        self._skipped = held["skipped"]
        self._spools = {name: Spool(name, columns) for name, columns in self._carried.items()}

    def gather(self, chunk: Chunk) -> None:
        """Keep the rows of a chunk; what no message can tell is named as lost."""
        self.fit.table = ""
        for table, batch in chunk.items():
            if table not in self._carried:
                if table not in self._skipped:
                    self.fit.lose(f"rows of {table}", "a message tells of steps, materials, equipment and tests", batch.num_rows)
                continue
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                if name not in self._carried[table]:
                    self.fit.lose(f"{table}.{name}", "B2MML has no place for it", len(column) - column.null_count)
            self._spools[table].add(self._kept(table, batch))

    def _kept(self, table: str, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows that are facts: one that takes back another is not told as if it were one."""
        if "record_action" not in batch.schema.names or batch.column("record_action").null_count == batch.num_rows:
            return batch
        action = pc.fill_null(batch.column("record_action"), "add")
        deleted, changed = pc.equal(action, "delete"), pc.equal(action, "change")
        self.fit.lose(f"{table} rows that delete", "a Process message adds; deleting is asked for by another", pc.sum(deleted).as_py() or 0)
        self.fit.lose(f"{table}.record_action change", "a Process message adds what it tells", pc.sum(changed).as_py() or 0)
        return batch.filter(pc.invert(deleted))

    def parts(self) -> Iterator[Part]:
        """Yield parts "Open", "Element" and "Close" of the messages; "File" begins the next one.

        Raises: SinkError where there is nothing a message could tell.
        """
        for spool in self._spools.values():
            spool.finish()
        try:
            yield from self._parts()
        finally:
            for spool in self._spools.values():
                spool.close()

    def _parts(self) -> Iterator[Part]:
        spools = self._spools
        for start in range(0, spools["equipment"].rows, 65_536):
            for row in spools["equipment"].take(np.arange(start, min(start + 65_536, spools["equipment"].rows))):
                self.equipment.rows.setdefault(row["equipment_id"], row)
        others = Others(self.fit, self.segments, spools)
        steps = spools["process_step"].rows > 0
        if steps:
            yield from self._performance(others)
        others.settle(self.segments.mentions)
        told = steps
        for name, parts in others.messages(self._created()):
            if told and not self.folder:
                others.refuse(name)
                continue
            if told:
                yield Document("File", name)
            told = True
            yield from parts
        if not told:
            raise SinkError("holds no steps, items, results or equipment that a B2MML message could tell of")

    def _created(self) -> str:
        """Return when the message was made: SOURCE_DATE_EPOCH, else the newest time in the data; the same input gives the same bytes."""
        epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
        if epoch.isdigit():
            return moment(int(epoch) * 1_000_000)
        times = [
            pc.max(self._spools[table].column(name)).as_py()
            for table, names in _TIMES.items()
            for name in names
            if name in self._spools[table].filled
        ]
        return moment(max((time for time in times if time is not None), default=0))

    def _performance(self, others: Others) -> Iterator[Part]:
        """Yield the message of the steps."""
        steps = self._spools["process_step"]
        ids = steps.column("step_run_id").combine_chunks()
        keys = ids if not isinstance(ids, pa.ChunkedArray) else ids.chunk(0)
        order, parent, lost = families(steps.column("parent_step_run_id"), keys, self.limits["nested"], self.limits["family"])
        self.fit.table = ""
        why = "it is none of the steps, or nests too many of them: they stand beside each other"
        self.fit.lose("process_step.parent_step_run_id", why, lost)
        self._numbered(order)
        rows = {name: ByKey(self._spools[name], "step_run_id", keys) for name in _CHILDREN}
        made = ByKey(self._spools["item"], "produced_by_step_run_id", keys)
        others.stepless(rows, made)
        heads = Heads(self.fit, steps, order, parent)
        yield from heads.open_message(self._created())
        nested: dict[int, list[Tree]] = {}
        for start in range(0, len(order), self.limits["window"]):
            window = order[start : start + self.limits["window"]]
            found = self._window(window, rows, made, others)
            for step, of, values, results in found:
                if parent[step] < 0:
                    yield from heads.before(step, of.step)
                name = "SegmentResponse" if parent[step] < 0 else self.segments.child
                tree = self.segments.tree(of, values, results, name, nested.pop(step, []), heads.order_of(step, of.step))
                if tree is None:
                    continue
                if parent[step] >= 0:
                    nested.setdefault(int(parent[step]), []).append(tree)
                else:
                    yield Document("Element", tree)
        yield from heads.close_message()

    def _numbered(self, order: np.ndarray[Any, Any]) -> None:
        """Count numbers of steps that their places in the message will not say."""
        steps = self._spools["process_step"]
        if "step_seq" not in steps.filled:
            return
        stated = steps.column("step_seq").to_numpy().astype(np.float64)
        if not np.array_equal(np.sort(stated), np.arange(1, len(order) + 1)):
            self.fit.lose("process_step.step_seq", "steps are numbered by their place in the message", int((~np.isnan(stated)).sum()))

    def _window(
        self, window: np.ndarray[Any, Any], rows: dict[str, ByKey], made: ByKey, others: Others
    ) -> Iterator[tuple[int, Of, list[Row], list[Row]]]:
        """Yield steps with what belongs to them."""
        ascending = np.sort(window)
        steps = dict(zip(ascending.tolist(), self._spools["process_step"].take(ascending), strict=True))
        found = {name: by.take(ascending) for name, by in rows.items()}
        produced = made.take(ascending)
        others.know(found, produced, self.segments.mentions)
        for step in window.tolist():
            of = Of(steps[step], found["genealogy"].get(step, []), produced.get(step, []))
            yield step, of, found["process_parameter"].get(step, []), found["quality_result"].get(step, [])
