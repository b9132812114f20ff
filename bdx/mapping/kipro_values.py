"""Parameter nodes -> measured and set values, results of quality checks, tools; texts and the wiki's own numbers are compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bdx import canon, units
from bdx.errors import MappingError
from bdx.mapping import Context, vocabulary
from bdx.mapping.kipro_graph import Graph, Node, amount, plain_text, squeezed, words
from bdx.mapping.kipro_rows import Rows
from bdx.mapping.segment_values import parse
from bdx.mapping.vocabulary import UNKNOWN_PARAMETER, Parameter
from bdx.spec import Facts

_NEAR = 1e-6


@dataclass(slots=True)
class Place:
    """Where a parameter stands: its node's name, step, object, the end of the step, and its place in the source."""

    name: str
    step_id: str | None
    item_id: str | None
    ended: int | None
    locator: str


class ParameterValues:
    """Turns the parameters of a source into rows."""

    def __init__(self, facts: Facts, context: Context, rows: Rows) -> None:
        self._facts = facts
        self._context = context
        self._rows = rows
        self._results = frozenset(facts["results"]["codes"])
        self._names = {squeezed(name): code for name, code in facts["parameters"].items()}
        self._known: dict[tuple[str, str], Parameter] = {}

    @cached_property
    def _references(self) -> tuple[str, ...]:
        return tuple(self._facts["references"])

    def tool(self, graph: Graph, node: Node, place: Place) -> str | None:
        """Add the row of a choice of equipment, and the equipment; return the equipment."""
        kind, setup = graph.first(node, "tool_type"), graph.first(node, "tool_setup")
        tools = graph.values(node, "tool")
        said = {"tool_type": kind, "tool_setup": setup, "further_tools": tools[1:] or None, "file_fault": graph.first(node, "fault")}
        extra = {key: value for key, value in said.items() if value}
        name = plain_text(tools[0], self._references) if tools else None
        if name is None:
            self._rows.note("M047", "process_parameter", "value_num", place.name, place.locator)
        elif self._rows.tools.add(name):
            self._rows.add("equipment", name, kind, place.locator, None)
        self._parameter(
            place, Parameter("equipment"), "actual", (None, name, None, "good" if name else "missing"), (name, None), extra, name
        )
        return name

    def value(self, graph: Graph, node: Node, place: Place) -> None:
        """Add the row of a value; one that is a result of a quality check goes there."""
        typed = next((name for name in self._facts["typed"] if name in graph.asks(node)), "")
        known = self._parameter_of(place.name, typed)
        if known.code == vocabulary.OTHER and not typed:
            self._rows.note("M041", "process_parameter", "parameter_code", place.name, place.locator)
        table = "quality_result" if known.code in self._results else "process_parameter"
        raw, unit = self._written(graph, node, known)
        wiki = graph.named(node, typed)[:1] if typed else []
        counted = self._facts["typed"][typed]["unit"] == "1" if typed else False
        main = self._in_main_unit(typed, wiki) if wiki and not raw else None
        spoken, counted_in = main or (raw, unit)
        number = self._rows.values.number(spoken, counted_in, known.unit or ("1" if counted else ""), place.name, table, place.locator)
        if main:
            raw = wiki[0]
        else:
            self._compare(number[0], raw, unit, typed, wiki, place)
        instances = graph.values(node, "instance")
        said = {
            "property": typed,
            "fault": graph.first(node, "fault"),
            "terms": [name for name in instances if name not in self._facts["roles"]],
        }
        extra = {key: value for key, value in said.items() if value}
        role = known.role or next((self._facts["roles"][name] for name in instances if name in self._facts["roles"]), None)
        if table == "process_parameter":
            self._parameter(place, known, role, number, (raw, unit), extra, None)
            return
        kind = "variable" if number[0] is not None else "text" if number[1] is not None else None
        self._rows.add(
            "quality_result",
            *(place.item_id, place.step_id, known.code, place.name, *number[:3], raw or None, unit or None, place.ended, kind),
            *(place.locator, canon.dumps(extra) if extra else None),
        )

    def _parameter(
        self,
        place: Place,
        known: Parameter,
        role: str | None,
        number: tuple[float | None, str | None, str | None, str],
        written: tuple[str | None, str | None],
        extra: dict[str, Any],
        tool: str | None,
    ) -> None:
        value, text, unit, quality = number
        index = known.index if known.index is not None else words(place.name)[1]
        self._rows.add(
            "process_parameter",
            *(place.step_id, place.item_id, known.code, place.name, role, value, text, unit, written[0] or None, written[1] or None),
            *(index, quality, tool, "value", place.locator, canon.dumps(extra) if extra else None),
        )

    def _parameter_of(self, name: str, typed: str) -> Parameter:
        """Return what a name means: by the words of the data set, by the vocabulary, else by the property its value has."""
        found = self._known.get((name, typed))
        if found is None:
            found = vocabulary.parameter(self._names.get(squeezed(name), "")) or vocabulary.parameter(words(name)[0])
            if found is None and typed and self._facts["typed"][typed]["parameter"]:
                found = vocabulary.parameter(self._facts["typed"][typed]["parameter"])
            found = self._known[name, typed] = found or UNKNOWN_PARAMETER
        return found

    def _written(self, graph: Graph, node: Node, known: Parameter) -> tuple[str, str]:
        """Return the number and unit as typed; a text as a whole where it is no amount."""
        values = graph.values(node, "value")
        if not values:
            return "", ""
        text = plain_text(values[0], self._references) if len(values) == 1 else ", ".join(plain_text(v, self._references) for v in values)
        raw, unit = amount(text)
        if raw[:1] not in "+-0123456789" and values[0].partition(":")[2][:1] in ("-", "+"):
            # A minus that was not escaped reads as the escape of another character.
            bare = amount(values[0].partition(":")[2].replace("_", " "))
            raw, unit = bare if bare[1] or parse(bare[0])[0] is not None else (raw, unit)
        return (raw, unit) if parse(raw)[0] is not None or parse(raw)[1] or known.unit else (text, "")

    def _in_main_unit(self, typed: str, wiki: list[str]) -> tuple[str, str]:
        """Return the number that the wiki alone has, and the unit it is in."""
        facts = self._facts["typed"][typed]
        number = parse(wiki[0])[0]
        return (repr(number * facts.get("scale", 1.0)) if number is not None else wiki[0]), facts["unit"]

    def _compare(self, value: float | None, raw: str, unit: str, typed: str, wiki: list[str], place: Place) -> None:
        """Remark on a number that only the text has, or that is another one in the wiki's typed value."""
        if value is None or not typed:
            return
        if not wiki:
            self._rows.note("M131", "process_parameter", "value_raw", f"{place.name}={raw} {unit}".strip(), place.locator)
            return
        facts = self._facts["typed"][typed]
        number, held = parse(raw)[0], parse(wiki[0])[0]
        if number is None or held is None or not facts["unit"]:
            return
        try:
            main = units.convert(number, unit, facts["unit"]) if unit else number
        except MappingError:
            return  # A unit that is not known is remarked on where the value is read.
        if not math.isclose(main, held * facts.get("scale", 1.0), rel_tol=_NEAR, abs_tol=1e-12):
            self._rows.note("M132", "process_parameter", "value_num", f"{place.name}={raw} {unit} / {wiki[0]}", place.locator)
