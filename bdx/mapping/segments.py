"""ISA-95 segment responses -> process steps with their parameters, items, genealogy, results and equipment."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bdx import canon
from bdx.canon import Chunk, Document, Part
from bdx.errors import SpecError
from bdx.mapping import Context, vocabulary
from bdx.mapping.record_stream import Records
from bdx.mapping.segment_materials import Materials
from bdx.mapping.segment_nodes import Node, Nodes, first, many
from bdx.mapping.segment_out import Writer
from bdx.mapping.segment_places import Places
from bdx.mapping.segment_results import Results
from bdx.mapping.segment_rows import Run
from bdx.spec import Facts

DOCUMENTS = 1_024
"""Documents mapped in one go."""
CHUNK_SHARE = 32
"""A chunk is closed once its longest table has this share of the largest allowed batch; memory stays flat."""

_LEAVES = frozenset(
    (
        "ID",
        "Description",
        "ActualStartTime",
        "ActualEndTime",
        "OperationsType",
        "ProcessSegmentID",
        "OperationsRequestID",
        "OperationsDefinitionID",
        "SegmentState",
    )
)
_INNER = frozenset(("SegmentData", "PersonnelActual", "EquipmentActual", "HierarchyScope", "TestResult"))
_NEAREST = frozenset(("OperationsRequestID", "OperationsDefinitionID", "OperationsType"))
_SCOPE = frozenset(("HierarchyScope",))
_NOTHING: frozenset[str] = frozenset()
_CARRIED = {"message": _NOTHING, "performance": _NEAREST, "response": _NEAREST | {"ID"}}


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield chunks of process_step, process_parameter, item, genealogy, quality_result and equipment.

    One row of `item` per identifier: at its first mention, and once more where a later step is found to have produced
    it; the two never contradict. Lots, test results, equipment and events have a row of their own each. What a mapping of rows
    cannot say stands in `extra` under the path of its element.
    """
    run = Run(facts, context)
    steps = _Steps(run)
    waiting = iter(parts)
    try:
        more = True
        while more:
            more = _some(waiting, steps)
            if not more:
                steps.records.end()
            for rows in (run, steps.records.run):
                closed, rows.closed = rows.closed, []
                yield from closed
                if not more or rows.longest() * CHUNK_SHARE >= canon.BATCH_ROWS:
                    yield from rows.chunks()
    finally:
        run.tell()


def from_canonical(chunks: Iterable[Chunk], facts: Facts, context: Context) -> Iterator[Part]:
    """Yield parts "Open", "Element", "Close" and "File" of messages; what no message has a place for is a loss."""
    writer = Writer(facts, context)
    for chunk in chunks:
        writer.gather(chunk)
    yield from writer.parts()


def _some(parts: Iterator[Part], steps: _Steps) -> bool:
    """Map the next few documents; says whether there may be more.

    The cyclic garbage collector rests meanwhile: it would walk every element alive again and again and find nothing.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        taken = 0
        for part in islice(parts, DOCUMENTS):
            if not isinstance(part, Document):
                raise SpecError(f"mapping 'segments' takes documents, not the table '{part.name}'")
            steps.take(part)
            taken += 1
        return taken == DOCUMENTS
    finally:
        if collects:
            gc.enable()


@dataclass(slots=True)
class _Around:
    """What the levels around a segment say: the same for all steps of one response."""

    message: Node | None = None
    performance: Node | None = None
    response: Node | None = None
    order: str | None = None
    response_id: str | None = None
    product: str | None = None
    type: str | None = None
    place: tuple[str | None, str | None] = (None, None)


class _Steps:
    """Turns one segment response after the other into rows."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.nodes: Nodes = run.nodes
        self.values = run.values
        self.results = Results(run)
        self.materials = Materials(run, self.results)
        self.places = Places(run, self.results)
        self.inner = _INNER | set(run.facts["material"])
        self.around = _Around()
        self.pending: dict[int, str] = {}
        self.message: Node | None = None
        self.records = Records(run.facts, run.context, run.values)

    def take(self, part: Document) -> None:
        """Add the rows of one segment response, or of one record."""
        unit, run, values, locator = part.value, self.run, self.values, part.locator
        run.locator = locator
        action = unit.get("action", "")
        if unit["message"] is not self.message:
            self.message = unit["message"]
            self.records.end()
            if action or run.action:
                run.turn(action)
                self.records.run.turn(action)
        if action:
            values.remarks.note("M080", "", "", action, locator)
        if part.name in ("Record", "Definition", "NoRecords"):
            self.records.take(part)
            return
        if part.name != "SegmentResponse":
            values.remarks.note("M057", "process_step", "", unit["element"], locator)
            return
        extra: dict[str, Any] = {}
        segment = self.nodes.named(unit["segment"])
        if unit["response"] is not self.around.response or unit["performance"] is not self.around.performance:
            self.around = self._around(unit, extra)
        around = self.around
        step_id = self._step_id(segment, unit["ordinal"])
        parent = self.nodes.named(unit["parent"]["said"]) if unit["parent"] else None
        parent_id = self._parent_id(parent, unit["parent"]["ordinal"]) if parent is not None else None
        step, name = self._step(segment, extra)
        started_raw, ended_raw = first(segment, "ActualStartTime"), first(segment, "ActualEndTime")
        started, start_basis = values.time(started_raw, "process_step", "started_at", locator)
        ended, end_basis = values.time(ended_raw, "process_step", "ended_at", locator)
        run.open_step(step_id, step, ended)
        levels = (segment, parent) if parent else (segment,)
        site, place = self.places.scope(levels) or around.place
        if "SegmentData" in segment:
            self.results.parameters(many(segment, "SegmentData"), "SegmentData", "actual", None, "")
        if "TestResult" in segment:
            self.results.results(many(segment, "TestResult"), None)
        equipment = self.places.equipment(segment, place, extra)
        amounts = self.materials.take(segment, extra)
        self.nodes.leftover(segment, _LEAVES, self.inner, "", extra)
        for element, nodes in unit["after"].items():
            for node in nodes:
                self.nodes.leftover(node, _NOTHING, _NOTHING, f"after {element}/", extra)
        state = self._state(segment, extra)
        run.rows["process_step"].append((
            step_id, parent_id, step.code, name, unit["ordinal"],
            self._nearest(levels, "OperationsRequestID") or around.order, around.response_id,
            self._nearest(levels, "OperationsDefinitionID") or around.product, equipment, site,
            self.nodes.person(segment), started, ended,
            _basis(start_basis, end_basis), started_raw, ended_raw, state, self._type(levels) or around.type,
            *amounts, locator, canon.dumps(extra) if extra else None,
        ))  # fmt: skip

    def _around(self, unit: dict[str, Any], extra: dict[str, Any]) -> _Around:
        """Return what response and performance say of all their steps; the first of those carries what no column takes."""
        for level in ("message", "performance", "response"):
            if unit[level] is not getattr(self.around, level):
                self.nodes.leftover(unit[level], _CARRIED[level], _SCOPE, f"{level}/", extra)
        levels = self.nodes.named(unit["response"]), self.nodes.named(unit["performance"])
        return _Around(
            message=unit["message"],
            performance=unit["performance"],
            response=unit["response"],
            order=self._nearest(levels, "OperationsRequestID"),
            response_id=self.values.identifier(first(levels[0], "ID"), "process_step", "response_id", self.run.locator),
            product=self._nearest(levels, "OperationsDefinitionID"),
            type=self._type(levels),
            place=self.places.scope(levels) or (None, None),
        )

    def _step_id(self, segment: Node, ordinal: int) -> str:
        """Return the step's identifier: its ID, made unique within the source by its ordinal, or made of the ordinal alone."""
        known = self.pending.pop(ordinal, None)
        return known if known is not None else self._new_id(segment, ordinal)

    def _new_id(self, segment: Node, ordinal: int) -> str:
        run = self.run
        stated = self.values.identifier(first(segment, "ID"), "process_step", "step_run_id", run.locator)
        if stated is None:
            self.values.remarks.note("M052", "process_step", "step_run_id", "", run.locator)
            return f"{run.context.source_id}:segment-{ordinal}"
        if run.seen_steps.add(stated):
            return stated
        self.values.remarks.note("M051", "process_step", "step_run_id", stated, run.locator)
        return f"{stated}#{ordinal}"

    def _parent_id(self, parent: Node, ordinal: int) -> str:
        """Return the identifier of the segment around this one, whose own row follows."""
        if ordinal not in self.pending:
            self.pending[ordinal] = self._new_id(parent, ordinal)
        return self.pending[ordinal]

    def _step(self, segment: Node, extra: dict[str, Any]) -> tuple[vocabulary.Step, str | None]:
        """Return the canonical step and the words it was found by."""
        description = first(segment, "Description")
        stated = first(segment, "ProcessSegmentID")
        if stated and description is None:
            step = vocabulary.step(stated)
            if step is not None:
                return step, stated.strip() or None
        names = [name for name in (stated, description, first(segment, "ID")) if name and name.strip()]
        for name in names:
            step = vocabulary.step(name)
            if step is not None:
                break
        else:
            step, name = vocabulary.UNKNOWN_STEP, names[0] if names else ""
            self.values.remarks.note("M040", "process_step", "step_code", name, self.run.locator)
        if description and description != name:
            extra["Description"] = description.strip()
        if stated and stated != name:
            extra["ProcessSegmentID"] = stated.strip()
        return step, name.strip() or None

    def _nearest(self, levels: tuple[Node, ...], name: str) -> str | None:
        for node in levels:
            if name in node:
                found = self.values.identifier(first(node, name), "process_step", name, self.run.locator)
                if found:
                    return found
        return None

    def _type(self, levels: tuple[Node, ...]) -> str | None:
        for node in levels:
            if "OperationsType" in node:
                return self.run.word("types", first(node, "OperationsType"), "process_step", "step_type", "other")
        return None

    def _state(self, segment: Node, extra: dict[str, Any]) -> str | None:
        raw = first(segment, "SegmentState")
        state = self.run.word("states", raw, "process_step", "state", "other")
        if state == "other" and raw:
            extra["SegmentState"] = raw.strip()
        return state


def _basis(*found: str | None) -> str | None:
    """Return the weakest of the bases that times of one row have."""
    if found[0] == found[1]:
        return found[0]
    for basis in ("unknown", "date_only", "assumed", "offset"):
        if basis in found:
            return basis
    return None
