"""What went into what within one process run: slots for inputs, inputs and outputs of steps, and what only the run tells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bdx import canon
from bdx.mapping.kipro_graph import words
from bdx.mapping.kipro_rows import Rows
from bdx.spec import Facts

_MOST = 4_096
"""Objects alike in one run that edges are concluded for."""


@dataclass(slots=True)
class Piece:
    """An object of a run: its label, the run it is an output of, and whether it is a record rather than a thing."""

    id: str
    label: str
    run: str | None
    record: bool


@dataclass(slots=True)
class Slot:
    """A place for inputs of one step: for which object, what was put in, and its name."""

    step_id: str | None
    output: str | None
    inputs: list[str]
    name: str
    locator: str


@dataclass(slots=True)
class StepEnds:
    """A step as edges see it: relation of its inputs to its outputs, its end, and the objects it names as such."""

    id: str
    relation: str
    ended: int | None
    locator: str
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


class Edges:
    """The edges of the runs of one file."""

    def __init__(self, facts: Facts, rows: Rows) -> None:
        self._facts = facts
        self._rows = rows
        self._pairs: set[tuple[str, str]] = set()
        self._fed: set[str] = set()
        self._used: set[str] = set()

    def slots(self, slots: Iterable[Slot], steps: dict[str, StepEnds]) -> None:
        """Add an edge for every input of every slot; one of a slot for no object goes into all objects of its step."""
        known = list(slots)
        made: dict[str | None, dict[str, None]] = {}
        for slot in known:
            if slot.output:
                made.setdefault(slot.step_id, {})[slot.output] = None
        for slot in known:
            if not slot.inputs:
                self._rows.note("M130", "genealogy", "input_item_id", slot.name, slot.locator)
                continue
            step = steps.get(slot.step_id or "")
            outputs = [slot.output] if slot.output else list(made.get(slot.step_id, {})) or (step.outputs if step else [])
            if not outputs:
                self._rows.note("F312", "genealogy", "output_item_id", slot.name, slot.locator)
            for source in slot.inputs:
                for target in outputs:
                    self._edge(source, target, step, slot.step_id, {"slot": slot.name}, slot.locator, role=self._role(slot.name))

    def steps(self, steps: Iterable[StepEnds], pieces: dict[str, Piece]) -> None:
        """Add an edge from what a step took to what it made; objects of one label stand for each other, which is concluded."""
        alike: dict[str, list[str]] = {}
        for piece in pieces.values():
            alike.setdefault(piece.label, []).append(piece.id)
        for step in steps:
            for source in step.inputs:
                for target in step.outputs:
                    self._both(step, source, target, pieces, alike)

    def _both(self, step: StepEnds, source: str, target: str, pieces: dict[str, Piece], alike: dict[str, list[str]]) -> None:
        before = _others(source, pieces, alike)
        after = _others(target, pieces, alike)
        self._edge(source, target, step, step.id, {"step": "input and output"}, step.locator)
        if before and after:
            return  # Which of the ones went into which of the others is told nowhere.
        for other in before[:_MOST]:
            self._conclude(other, target, step, "alike")
        for other in after[:_MOST]:
            self._conclude(source, other, step, "alike")

    def runs(self, pieces: dict[str, Piece], locators: dict[str, str]) -> None:
        """Add an edge to each output of a run that nothing went into, from what was made in the run and not used in it."""
        for run in dict.fromkeys(piece.run for piece in pieces.values() if piece.run):
            bare = [p.id for p in pieces.values() if p.run == run and not p.record and p.id not in self._fed]
            loose = [p.id for p in pieces.values() if not p.run and not p.record and p.id in self._fed and p.id not in self._used]
            if len(bare) * len(loose) == 0 or (len(bare) > 1 and len(loose) > 1):
                continue
            for source in loose[:_MOST]:
                for target in bare[:_MOST]:
                    self._conclude(source, target, None, "run", locators.get(target, ""))

    def _conclude(self, source: str, target: str, step: StepEnds | None, basis: str, locator: str = "") -> None:
        if (source, target) in self._pairs:
            return
        place = step.locator if step else locator
        self._rows.note("M133", "genealogy", "is_estimated", f"{source} to {target}", place)
        self._edge(source, target, step, step.id if step else None, {"concluded": basis}, place, estimated=True)

    def _edge(
        self,
        source: str,
        target: str,
        step: StepEnds | None,
        step_id: str | None,
        extra: dict[str, str],
        locator: str,
        *,
        role: str | None = None,
        estimated: bool = False,
    ) -> None:
        self._pairs.add((source, target))
        self._fed.add(target)
        self._used.add(source)
        relation, ended = (step.relation, step.ended) if step else ("transformed", None)
        self._rows.add("genealogy", source, target, relation, step_id, ended, "declared", estimated, role, locator, canon.dumps(extra))

    def _role(self, name: str) -> str | None:
        spoken = words(name)[0]
        return next((str(row["role"]) for row in self._facts["slot"] if any(word in spoken for word in row["words"])), None)


def _others(name: str, pieces: dict[str, Piece], alike: dict[str, list[str]]) -> list[str]:
    """Return the objects with the label of another."""
    piece = pieces.get(name)
    return [other for other in alike[piece.label] if other != name] if piece and piece.label else []
