"""What stands around the steps of a performance: envelope, performance and responses, with what those said beside their columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Document, Part
from bdx.mapping.segment_nodes import Node
from bdx.mapping.segment_out_fit import Fit, put_back
from bdx.mapping.segment_out_rows import Row, Spool
from bdx.mapping.segment_out_values import extra_of

Numbers = np.ndarray[Any, Any]
_ANSWERS = ("Always", "OnError", "Never")
_LEVELS = {"message": '"message/', "performance": '"performance/', "response": '"response/', "after": '"after '}


class Heads:
    """Opens and closes the levels around the steps."""

    def __init__(self, fit: Fit, steps: Spool, order: Numbers, parent: Numbers) -> None:
        self.fit = fit
        self.steps = steps
        self._marks = self._marked(steps, order)
        self._roots = np.flatnonzero(parent[order] < 0)
        self._order = order
        self._place = {"response": -1}
        self._known = {int(order[place]): number for number, place in enumerate(self._roots.tolist())}
        self._groups, self._starts = self._grouped()
        self._held: str | None = None

    def open_message(self, created: str) -> Iterator[Part]:
        """Yield the envelope of the message, with the words of the message that the data came in."""
        said = self._said("message", 0, len(self._order))
        area = said.pop("ApplicationArea", None)
        area = dict(area) if isinstance(area, dict) else {}
        area.setdefault("CreationDateTime", created)
        answer = ""
        for verb in ("Process", "Sync", "Notify", "Show", "Respond"):
            stated = said.get(verb)
            if isinstance(stated, dict) and stated.get("@acknowledgeCode") in _ANSWERS and len(stated) == 1:
                answer = said.pop(verb)["@acknowledgeCode"]
        release = self.fit.version["release"]
        for name in ("@releaseID", "@versionID"):
            if said.get(name) in (release, ""):
                del said[name]
        self.fit.table = "process_step"
        for name in said:
            self.fit.lose(f"extra message/{name}", "the envelope of the message is written anew")
        yield from envelope(self.fit, "Process", "OperationsPerformance", area, {"acknowledgeCode": answer} if answer else {})
        yield from self._performance(0)

    def close_message(self) -> Iterator[Part]:
        """Yield the ends of all levels."""
        for name in ("OperationsResponse", "OperationsPerformance", "DataArea", "ProcessOperationsPerformance"):
            yield Document("Close", name)

    def order_of(self, step: int, row: Row) -> str | None:
        """Return the order that the response around a step states."""
        return self._held

    def before(self, step: int, row: Row) -> Iterator[Part]:
        """Yield what ends and begins before an outermost step."""
        number = self._known[step]
        if number not in self._groups:
            return
        if number:
            yield Document("Close", "OperationsResponse")
            if self._groups[number]:
                yield Document("Close", "OperationsPerformance")
                yield from self._performance(number)
        start = self._first(number)
        end = self._first(self._next(number, performances=False))
        self._held = row.get("order_id")
        node: Node = {}
        if row.get("response_id"):
            node["ID"] = row["response_id"]
        if self._held is not None:
            node["OperationsRequestID"] = self._held
        self._level("response", "OperationsResponse", "SegmentResponse", node, start, end)
        if self.fit.needs("OperationsResponse", "ID"):
            node.setdefault("ID", f"R{number + 1}")
        yield from self._open("OperationsResponse", node, "SegmentResponse")

    def _performance(self, number: int) -> Iterator[Part]:
        node: Node = {}
        start, end = self._first(number), self._first(self._next(number, performances=True))
        self._level("performance", "OperationsPerformance", "OperationsResponse", node, start, end)
        if self.fit.needs("OperationsPerformance", "ID"):
            node.setdefault("ID", f"P{number + 1}")
        yield from self._open("OperationsPerformance", node, "OperationsResponse")

    def _open(self, kind: str, node: Node, inner: str) -> Iterator[Part]:
        """Yield a level up to its first `inner` element."""
        wanted = self.fit.version["types"][kind]
        tree = self.fit.tree(kind, kind, node)
        yield Document("Open", (kind, None))
        for child in tree[2] if tree is not None and wanted else ():
            if child[0] != inner:
                yield Document("Element", child)

    def _level(self, level: str, kind: str, inner: str, node: Node, start: int, end: int) -> None:
        said = self._said(level, start, end)
        for path, value in self._said("after", start, end).items():
            name, _, rest = path.partition("/")
            if name.endswith("Performance") == (level == "performance"):
                said.setdefault(rest, value)
        said.pop(inner, None)
        self.fit.table = "process_step"
        for path in put_back(self.fit, kind, node, said):
            self.fit.lose(f"extra {level}/{path}", "the schema has no place for it")

    def _marked(self, steps: Spool, order: Numbers) -> dict[str, Numbers]:
        """Return the places, in the order of telling, of steps that keep something of each level."""
        found: dict[str, list[Numbers]] = {name: [] for name in _LEVELS}
        if "extra" in steps.filled:
            for chunk in steps.column("extra").chunks:
                for name, mark in _LEVELS.items():
                    hit = pc.fill_null(pc.match_substring(chunk, mark), False)
                    found[name].append(hit.to_numpy(zero_copy_only=False))
        return {name: np.flatnonzero(np.concatenate(hits)[order]) if hits else np.empty(0, np.int64) for name, hits in found.items()}

    def _grouped(self) -> tuple[dict[int, bool], list[int]]:
        """Return which outermost steps begin a response, and whether that begins a performance too."""
        keys = [self._changes(name) for name in ("order_id", "response_id")]
        begins = np.zeros(len(self._roots), bool)
        begins[:1] = True
        for changed in keys:
            begins[1:] |= changed
        performance = np.zeros(len(self._roots), bool)
        for name in ("response", "performance"):
            owners = np.searchsorted(self._roots, self._marks[name], "left")
            begins[owners[owners < len(begins)]] = True
            if name == "performance":
                performance[owners[owners < len(begins)]] = True
        groups = {int(number): bool(performance[number]) for number in np.flatnonzero(begins)}
        return groups, sorted(groups)

    def _changes(self, column: str) -> Numbers:
        """Return where a column of the outermost steps is another than at the step before."""
        if column not in self.steps.filled or len(self._roots) < 2:
            return np.zeros(max(len(self._roots) - 1, 0), bool)
        codes = self.steps.column(column).combine_chunks()
        codes = pc.fill_null(pa.chunked_array([codes]).combine_chunks(), "").dictionary_encode()
        if isinstance(codes, pa.ChunkedArray):
            codes = codes.combine_chunks()
        mine = codes.indices.to_numpy(zero_copy_only=False)[self._order[self._roots]]
        changed: Numbers = mine[1:] != mine[:-1]
        return changed

    def _first(self, number: int) -> int:
        """Return the place of the first step of an outermost step's family, in the order of telling."""
        return int(self._roots[number - 1]) + 1 if number else 0

    def _next(self, number: int, *, performances: bool) -> int:
        at = int(np.searchsorted(self._starts, number, "right"))
        while at < len(self._starts) and performances and not self._groups[self._starts[at]]:
            at += 1
        return self._starts[at] if at < len(self._starts) else len(self._roots)

    def _said(self, level: str, start: int, end: int) -> dict[str, Any]:
        """Return what the steps of a stretch keep of a level."""
        marks = self._marks[level]
        found: dict[str, Any] = {}
        mark = _LEVELS[level][1:]
        places = marks[np.searchsorted(marks, start) : np.searchsorted(marks, end)]
        for row in self.steps.take(np.sort(self._order[places])):
            for key, value in extra_of(row).items():
                if key.startswith(mark):
                    found.setdefault(key[len(mark) :], value)
        return found


def envelope(fit: Fit, verb: str, noun: str, area: Node, attributes: dict[str, str]) -> Iterator[Part]:
    """Yield the root of a transaction, its application area, and its data area up to the verb."""
    version = fit.version
    yield Document("Open", (f"{verb}{noun}", {"xmlns": version["namespace"], "releaseID": version["release"]}))
    fit.table = "process_step"
    tree = fit.tree("ApplicationArea", "TransApplicationArea", area)
    yield Document("Element", tree)
    yield Document("Open", ("DataArea", None))
    yield Document("Element", (verb, attributes or None, ""))
