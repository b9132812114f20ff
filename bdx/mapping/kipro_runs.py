"""One graph after another -> steps and objects of its process runs, with their values and edges."""

from __future__ import annotations

import re
from typing import Any

from bdx import canon
from bdx.mapping import Context, vocabulary
from bdx.mapping.kipro_edges import Edges, Piece, Slot, StepEnds
from bdx.mapping.kipro_graph import Graph, Node, file_name, plain_text, squeezed, words
from bdx.mapping.kipro_rows import Rows
from bdx.mapping.kipro_values import ParameterValues, Place
from bdx.mapping.vocabulary import UNKNOWN_STEP
from bdx.spec import Facts

_ORDINAL = re.compile(r"/S([0-9]{1,9})$")


class Runs:
    """Takes the graphs of one source; remembers which object and step each attached file is of."""

    def __init__(self, facts: Facts, context: Context) -> None:
        self.facts = facts
        self.context = context
        self.rows = Rows(context)
        self.values = ParameterValues(facts, context, self.rows)
        self.files: dict[str, tuple[str | None, str | None]] = {}
        self._names = {squeezed(name): code for name, code in facts["steps"].items()}
        self._references = tuple(facts["references"])

    def take(self, nodes: list[Any], place: str) -> None:
        """Add the rows of one graph."""
        graph = Graph(self._fresh(nodes, place), self.facts)
        for node in graph.by_kind[""]:
            self.rows.note("F309", "process_step", "extra", node["@id"], place)
        runs = {node["@id"]: node for node in graph.by_kind["run"]}
        labels = {node["@id"]: graph.text(node, "name") or "" for node in graph.by_kind["step"]}
        steps = {node["@id"]: self._ends(graph, node, labels[node["@id"]], place) for node in graph.by_kind["step"]}
        found = _Found(graph, place, steps)
        for node in graph.by_kind["parameter"]:
            self._parameter(found, node)
        self._steps(found, runs, labels)
        pieces, locators = self._objects(found)
        edges = Edges(self.facts, self.rows)
        edges.slots(found.slots, steps)
        edges.steps(steps.values(), pieces)
        edges.runs(pieces, locators)

    def _fresh(self, nodes: list[Any], place: str) -> list[Node]:
        """Return the nodes that can be referred to and were not told before."""
        found = []
        for node in nodes:
            name = node.get("@id") if isinstance(node, dict) else None
            if not isinstance(name, str) or not name:
                if not (isinstance(node, dict) and not set(node) - {"@context"}):
                    self.rows.note("F308", "process_step", "step_run_id", "", place)
            elif "@type" not in node:
                # Told of elsewhere: here it is only referred to.
                self.rows.note("F309", "process_step", "extra", name, place)
            elif not self.rows.nodes.add(name):
                self.rows.note("F311", "process_step", "step_run_id", name, place)
            else:
                found.append(node)
        return found

    def _ends(self, graph: Graph, node: Node, name: str, place: str) -> StepEnds:
        own = f"{place} {node['@id']}".strip()
        ended, _ = self.rows.values.time(graph.first(node, "end"), "process_step", "ended_at", own)
        known = self._step_of(name)
        return StepEnds(node["@id"], known.relation, ended, own, graph.values(node, "input"), graph.values(node, "output"))

    def _step_of(self, name: str) -> vocabulary.Step:
        return vocabulary.step(self._names.get(squeezed(name), "")) or vocabulary.step(name) or UNKNOWN_STEP

    def _steps(self, found: _Found, runs: dict[str, Node], labels: dict[str, str]) -> None:
        graph = found.graph
        open_runs = dict(runs)
        for position, node in enumerate(graph.by_kind["step"], 1):
            step_id, ends = node["@id"], found.steps[node["@id"]]
            known = self._step_of(labels[step_id])
            if known is UNKNOWN_STEP:
                self.rows.note("M040", "process_step", "step_code", labels[step_id], ends.locator)
            run_id = graph.first(node, "run")
            run = runs.get(run_id or "")
            told = self._told(graph, open_runs.pop(run_id or "", None))
            extra = {"run": told, "status": graph.first(node, "status"), **found.beside.get(step_id, {})}
            extra = {key: value for key, value in extra.items() if value}
            start, end = graph.first(node, "start"), graph.first(node, "end")
            started, basis = self.rows.values.time(start, "process_step", "started_at", ends.locator)
            _, later = self.rows.values.time(end, "process_step", "ended_at", "") if ends.ended is not None else (None, None)
            ordinal = _ORDINAL.search(step_id)
            tools = found.tools.get(step_id)
            self.rows.add(
                "process_step",
                *(step_id, known.code, labels[step_id] or None, int(ordinal[1]) if ordinal else position, run_id),
                *(graph.first(run, "made") if run else None, tools[0] if tools else None, self._operator(graph, node, run)),
                *(started, ends.ended, basis or later, start, end, None, graph.first(run, "instance") if run else None),
                *(self._recorded(node, ends.locator), ends.locator, canon.dumps(extra) if extra else None),
            )
        for run_id in open_runs:
            self.rows.note("M134", "process_step", "response_id", run_id, f"{found.place} {run_id}".strip())

    def _operator(self, graph: Graph, node: Node, run: Node | None) -> str | None:
        name = graph.text(node, "operator") or (graph.text(run, "operator") if run else None)
        return name.removeprefix("User:") if name else None

    def _recorded(self, node: Node, locator: str) -> int | None:
        value = node.get(self.facts["modified"])
        raw = value.get("@value") if isinstance(value, dict) else value
        return self.rows.values.time(raw if isinstance(raw, str) else None, "process_step", "recorded_at", locator)[0]

    def _told(self, graph: Graph, run: Node | None) -> dict[str, str] | None:
        """Return what a run says of itself that no column of its steps holds."""
        if run is None:
            return None
        said = {key: graph.text(run, key) for key in ("name", "description", "created", "project", "status")}
        return {key: value for key, value in said.items() if value}

    def _parameter(self, found: _Found, node: Node) -> None:
        """Add what one parameter says: an input, a file, a tool or a value."""
        graph = found.graph
        step_id, item_id = graph.first(node, "of_step"), graph.first(node, "of_object")
        step = found.steps.get(step_id or "")
        place = Place(
            graph.text(node, "name") or "", step_id, item_id, step.ended if step else None, f"{found.place} {node['@id']}".strip()
        )
        asked, names = graph.asks(node), self.facts["properties"]
        if asked.intersection(names["predecessor"]):
            inputs = graph.values(node, "predecessor")
            found.slots.append(Slot(step_id, item_id, inputs, place.name, place.locator))
            if not inputs:
                found.aside(step_id, "open_slots", place.name)
        elif asked.intersection(names["file"]):
            self._file(found, node, place)
        elif asked.intersection((*names["tool"], *names["tool_type"])):
            tool = self.values.tool(graph, node, place)
            if tool and step_id:
                found.tools.setdefault(step_id, []).append(tool)
        else:
            self.values.value(graph, node, place)

    def _file(self, found: _Found, node: Node, place: Place) -> None:
        """Keep the name of a file with its step, and what it is of."""
        for reference in found.graph.values(node, "file") or [""]:
            said = {"parameter": place.name, "file": reference.removeprefix("File:"), "item": place.item_id}
            found.aside(place.step_id, "files", {key: value for key, value in said.items() if value})
            if reference:
                self.files.setdefault(file_name(reference), (place.item_id, place.step_id))

    def _objects(self, found: _Found) -> tuple[dict[str, Piece], dict[str, str]]:
        """Add the items of a graph; return them as edges see them, and where they stand."""
        graph, pieces, locators = found.graph, {}, {}
        labels = {node["@id"]: graph.text(node, "label") or "" for node in graph.by_kind["object"]}
        makers = found.makers(labels)
        for node in graph.by_kind["object"]:
            item_id = node["@id"]
            locators[item_id] = f"{found.place} {item_id}".strip()
            kind = self._kind(labels[item_id], locators[item_id])
            run_id = graph.first(node, "output_of")
            pieces[item_id] = Piece(item_id, labels[item_id], run_id, kind.get("record", False))
            raw = graph.first(node, "amount")
            number = self.rows.values.number(raw, "1", "1", "", "item", locators[item_id]) if raw else (None, None, None, "")
            maker = found.steps.get(makers.get(item_id, ""))
            self.rows.add(
                "item",
                *(item_id, kind["kind"], kind["granularity"] or None, graph.first(node, "instance"), labels[item_id] or None),
                *(maker.id if maker else None, maker.ended if maker else None, number[0], number[2], raw, locators[item_id]),
                canon.dumps({"output_of": run_id}) if run_id else None,
            )
        return pieces, locators

    def _kind(self, label: str, locator: str) -> Facts:
        spoken = words(label)[0]
        for row in self.facts["object"]:
            if any(spoken.startswith(word) or spoken.endswith(word) for word in row["words"]):
                return row  # type: ignore[no-any-return]
        self.rows.note("M135", "item", "item_kind", plain_text(label, self._references), locator)
        return {"kind": "other", "granularity": ""}


class _Found:
    """What the parameters of one graph said beside their values: slots, tools by step, and what goes with a step."""

    def __init__(self, graph: Graph, place: str, steps: dict[str, StepEnds]) -> None:
        self.graph = graph
        self.place = place
        self.steps = steps
        self.slots: list[Slot] = []
        self.tools: dict[str, list[str]] = {}
        self.beside: dict[str, dict[str, list[Any]]] = {}

    def aside(self, step_id: str | None, key: str, value: Any) -> None:
        """Keep something with a step."""
        self.beside.setdefault(step_id or "", {}).setdefault(key, []).append(value)

    def makers(self, labels: dict[str, str]) -> dict[str, str]:
        """Return the step that made each object: the one that names it, that has a slot for it, or that names one alike."""
        named = {item: step.id for step in self.steps.values() for item in step.outputs}
        by_label = {labels[item]: step for item, step in named.items() if labels.get(item)}
        slotted = {slot.output: slot.step_id for slot in self.slots if slot.output and slot.step_id}
        found = {item: by_label[label] for item, label in labels.items() if label in by_label}
        return {**found, **slotted, **named}
