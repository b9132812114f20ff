"""Records of a message one by one -> rows; what describes them, and what the message says around them, travels with the first."""

from __future__ import annotations

from typing import Any

from bdx import canon
from bdx.canon import Document
from bdx.mapping import Context
from bdx.mapping.record_lots import Lots
from bdx.mapping.record_plant import Plant
from bdx.mapping.record_rows import RecordRun
from bdx.mapping.record_tests import Events, Specification, Tests
from bdx.mapping.segment_nodes import Node, first, many
from bdx.mapping.segment_results import Results
from bdx.mapping.segment_values import Values
from bdx.spec import Facts

_NOTHING: frozenset[str] = frozenset()


class Records:
    """Turns lots, test results, equipment and events into rows.

    The last record waits until the next one, so that definitions that come after it can travel with it.
    """

    def __init__(self, facts: Facts, context: Context, values: Values) -> None:
        self.run = RecordRun(facts, context, values)
        results = Results(self.run)
        self.definitions: dict[str, tuple[str | None, str | None]] = {}
        self.specifications: dict[str, Specification] = {}
        self._takers: dict[str, Any] = {
            "Material": Lots(self.run, results, self.definitions),
            "TestResult": Tests(self.run, results, self.specifications),
            "Equipment": (plant := Plant(self.run, results)),
            "PhysicalAsset": plant,
            "OperationsEvent": Events(self.run),
        }
        self._held: Document | None = None
        self._carried: dict[str, list[Any]] = {}
        self._size = self._count = 0
        self._around: tuple[Node | None, Node | None] = (None, None)

    def take(self, part: Document) -> None:
        """Add the rows of the record before this one; this one waits."""
        if part.name == "Definition":
            self._definition(part)
        elif part.name == "Record":
            self._flush()
            self._held = part
        else:
            self.run.values.remarks.note("M082", "", "", part.value["element"], part.locator)
            self._after(part.value["after"], {})

    def end(self) -> None:
        """Add the rows of the last record of a message; what described nothing is counted as lost."""
        self._flush()
        self.run.places()
        for name, found in self._carried.items():
            self._lose(name, "the message holds no record that it could travel with", len(found))
        self._carried, self._size, self._count = {}, 0, 0
        self.definitions.clear()
        self.specifications.clear()

    def _flush(self) -> None:
        part, self._held = self._held, None
        if part is None:
            return
        unit, run = part.value, self.run
        run.locator = part.locator
        extra: dict[str, Any] = {}
        around = (unit["message"], unit["collection"])
        for level, node, known in zip(("message", "collection"), around, self._around, strict=True):
            if node is not known:
                run.nodes.leftover(node or {}, _NOTHING, _NOTHING, f"{level}/", extra)
                run.scope(node or {})
        self._around = around
        extra |= {f"collection/{name}": found for name, found in self._carried.items()}
        self._carried, self._size, self._count = {}, 0, 0
        self._after(unit["after"], extra)
        taker = next(taker for name, taker in self._takers.items() if unit["element"].startswith(name))
        taker.take(unit, extra)

    def _after(self, after: dict[str, list[Node]], extra: dict[str, Any]) -> None:
        for element, nodes in after.items():
            for node in nodes:
                self.run.nodes.leftover(node, _NOTHING, _NOTHING, f"after {element}/", extra)

    def _definition(self, part: Document) -> None:
        """Note the name and class a definition gives; the whole of it travels with the next record, or the last."""
        element, limits = part.value["element"], self.run.facts["limits"]
        node = self.run.nodes.named(part.value["segment"])
        self.run.locator = part.locator
        self._index(element, node, limits["named"])
        plain = self.run.nodes.plain(part.value["segment"])
        size = len(canon.dumps(plain))
        if self._count >= limits["carried"] or self._size + size > limits["carried_text"]:
            self._lose(element, "more descriptions than can travel with a record")
        elif plain:
            self._count += 1
            self._size += size
            self._carried.setdefault(element, []).append(plain)
        self._after(part.value["after"], {})

    def _index(self, element: str, node: Node, most: int) -> None:
        title = (first(node, "Description") or "").strip() or None
        if element == "MaterialDefinition" and len(self.definitions) < most:
            if name := (first(node, "ID") or "").strip():
                self.definitions[name] = (title, (first(node, "MaterialClassID") or "").strip() or None)
        elif element == "TestSpecification" and len(self.specifications) < most:
            found = ((first(node, "ID") or "").strip() or None, (first(node, "Version") or "").strip() or None, title)
            for key in ("OperationsTestRequirementID", "TestableObjectID", "ID"):
                for name in many(node, key):
                    if type(name) is str and name.strip():
                        self.specifications.setdefault(name.strip(), found)

    def _lose(self, what: str, why: str, count: int = 1) -> None:
        self.run.context.log.lose(self.run.context.source, what, why, count)
