"""Parameters and test results of production steps -> rows of process_parameter and quality_result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bdx import canon
from bdx.mapping.segment_nodes import Node, first, many
from bdx.mapping.segment_rows import Run
from bdx.mapping.vocabulary import UNKNOWN_PARAMETER, parameter

_DATA_LEAVES = frozenset(("ID", "Description"))
_VALUE_LEAVES = frozenset(("ValueString", "QuantityString", "UnitOfMeasure", "Key"))
_RESULT_LEAVES = frozenset(("ID", "Description", "EvaluationDate", "EvaluatedCriterionResult"))
_RESULT_MANY = frozenset(("PropertyMeasurement", "TestResult", "Result"))
_MEASUREMENT_LEAVES = frozenset(("ID", "MeasurementDate"))
_TEXT = frozenset(("",))
_PLAIN = frozenset(("ValueString", "DataType", "UnitOfMeasure"))
_VALUES = frozenset(("Value", "Quantity"))


class Results:
    """Adds parameters and test results of the open step."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.nodes = run.nodes

    def parameters(self, nodes: list[Any], element: str, role: str, item: str | None, group: str) -> float | None:
        """Add the values of data or property elements and of those nested in them; returns a mass in kg if one is stated."""
        run = self.run
        mass = None
        taken = _VALUES | {element, "TestResult"}
        waiting: list[tuple[Any, str, str]] = [(node, group, "") for node in reversed(nodes)]
        while waiting:
            raw, path, outer = waiting.pop()
            node = self.nodes.named(raw) if type(raw) is dict else {"Value": raw}
            name = (first(node, "ID") or first(node, "Description") or element).strip()
            found = parameter(name, outer)
            if found is None:
                found = UNKNOWN_PARAMETER
                if "Value" in node or "Quantity" in node:
                    run.values.remarks.note("M041", "process_parameter", "parameter_code", name, run.locator)
            inner = many(node, element)
            if inner:
                below = f"{path}/{name}" if path else name
                waiting.extend((child, below, name) for child in reversed(inner))
            extra: dict[str, Any] = {}
            self.nodes.leftover(node, _DATA_LEAVES, taken, "", extra)
            description = first(node, "Description")
            if description and description.strip() != name:
                extra["Description"] = description.strip()
            values = many(node, "Value") + many(node, "Quantity")
            if "TestResult" in node:
                measured = self.results(many(node, "TestResult"), item, title=name)
                mass = measured if measured is not None and found.code == "mass" else mass
            elif not values and (extra or not inner):
                values = [""]
            for number, value in enumerate(values, 1):
                rest = dict(extra)
                raw_text, unit, key = self.value(value, rest)
                num, text, canonical, quality = run.values.number(raw_text, unit, found.unit, name, "process_parameter", run.locator)
                if found.code == "mass" and canonical == "kg":
                    mass = num
                index = found.index if found.index is not None else number if len(values) > 1 and key is None else None
                run.rows["process_parameter"].append(
                    (
                        *(run.step_id, item, found.code, name, found.role or role, num, text, canonical, raw_text),
                        *(unit or None, key, index, quality, path or None, run.locator, canon.dumps(rest) if rest else None),
                    )
                )
        return mass

    def value(self, value: Any, rest: dict[str, Any]) -> tuple[str, str, str | None]:
        """Return text, unit and key of a Value or Quantity element; what else it says goes to `rest`."""
        if type(value) is str:
            return value, "", None
        if len(value) == 3 and value.keys() == _PLAIN:
            raw, unit = value["ValueString"], value["UnitOfMeasure"]
            if type(raw) is str and type(unit) is str:
                return raw, unit, None
        raw = first(value, "ValueString")
        if raw is None:
            raw = first(value, "QuantityString")
        if raw is None:
            raw = value.get("", "")
        self.nodes.leftover(value, _VALUE_LEAVES, _TEXT, "", rest)
        unit = first(value, "UnitOfMeasure")
        if not unit:
            string = value.get("ValueString") or value.get("QuantityString")
            unit = string.get("@unitCode", "") if type(string) is dict else ""
        key = first(value, "Key")
        return raw, unit, key.strip() or None if key else None

    def results(self, nodes: list[Any], item: str | None, about: dict[str, Any] | None = None, title: str = "") -> float | None:
        """Add the measurements and verdicts of test results, `title` being what was tested; returns a mass in kg if one was measured."""
        mass = None
        waiting = [node for node in reversed(nodes) if type(node) is dict]
        while waiting:
            node = self.nodes.named(waiting.pop())
            waiting.extend(child for child in reversed(many(node, "TestResult")) if type(child) is dict)
            extra = dict(about or {})
            self.nodes.leftover(node, _RESULT_LEAVES, _RESULT_MANY, "", extra)
            result = first(node, "ID")
            judged = first(node, "EvaluatedCriterionResult")
            evaluated = first(node, "EvaluationDate")
            description = first(node, "Description")
            count = 0
            for name, value, measured, rest in self._measured(node, (title or description or result or "").strip()):
                found = self._result(item, (result, name, judged), value, measured or evaluated, extra | rest)
                mass = found if found is not None else mass
                count += 1
            if not count and (judged or extra or "TestResult" not in node):
                self._result(item, (result, (title or description or result or "TestResult").strip(), judged), None, evaluated, extra)
        return mass

    def _measured(self, node: Node, title: str) -> Iterator[tuple[str, Any, str | None, dict[str, Any]]]:
        """Yield name, value, time and the rest of every measurement: V7 PropertyMeasurement, V6 Result."""
        for raw in many(node, "PropertyMeasurement"):
            measurement = raw if type(raw) is dict else {"Value": raw}
            rest: dict[str, Any] = {}
            self.nodes.leftover(measurement, _MEASUREMENT_LEAVES, _VALUES, "", rest)
            name = (first(measurement, "ID") or title or "PropertyMeasurement").strip()
            for value in many(measurement, "Value") + many(measurement, "Quantity") or [""]:
                yield name, value, first(measurement, "MeasurementDate"), rest
        for value in many(node, "Result"):
            yield title or "Result", value, None, {}

    def _result(
        self, item: str | None, named: tuple[str | None, str, str | None], value: Any, measured: str | None, rest: dict[str, Any]
    ) -> float | None:
        run = self.run
        result, name, judged = named
        found = parameter(name)
        if found is None:
            found = UNKNOWN_PARAMETER
            run.values.remarks.note("M041", "quality_result", "characteristic_code", name, run.locator)
        raw, unit, key = self.value(value, rest) if value is not None else (None, "", None)
        num, text, canonical, _ = (
            run.values.number(raw, unit, found.unit, name, "quality_result", run.locator) if raw is not None else (None, None, None, "")
        )
        moment, _ = run.values.time(measured, "quality_result", "measured_at", run.locator)
        if measured and moment is None:
            rest["measured"] = measured.strip()
        verdict = run.word("verdicts", judged, "quality_result", "verdict", None)
        run.rows["quality_result"].append(
            (
                *(result, item, run.step_id, found.code, name, num, text, canonical, raw, unit or None, key, verdict, judged or None),
                *(moment, run.locator, canon.dumps(rest) if rest else None),
            )
        )
        return num if found.code == "mass" and canonical == "kg" else None
