"""Parameters and test results of production steps -> rows of process_parameter and quality_result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bdx import canon
from bdx.mapping.segment_nodes import Node, first, many
from bdx.mapping.segment_rows import Run
from bdx.mapping.vocabulary import UNKNOWN_PARAMETER, Parameter, parameter

_DATA_LEAVES = frozenset(("ID", "Description"))
_VALUE_LEAVES = frozenset(("ValueString", "QuantityString", "UnitOfMeasure", "Key"))
_RESULT_LEAVES = frozenset(("ID", "Description", "EvaluationDate", "EvaluatedCriterionResult"))
_RESULT_MANY = frozenset(("PropertyMeasurement", "TestResult", "Result"))
_MEASUREMENT_LEAVES = frozenset(("ID", "MeasurementDate"))
_TEXT = frozenset(("",))
_VALUES = frozenset(("Value", "Quantity"))

Stated = tuple[Any, str, str | None]
"""A value as text, its unit as written, its key; no text where nothing was measured."""


class Results:
    """Adds parameters and test results of the open step."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.nodes = run.nodes

    def parameters(self, nodes: list[Any], element: str, role: str, item: str | None, group: str) -> float | None:
        """Add the values of data or property elements and of those nested in them; returns a mass in kg if one is stated."""
        mass = None
        waiting: list[tuple[Any, str, str]] = [(node, group, "") for node in reversed(nodes)]
        while waiting:
            raw, path, outer = waiting.pop()
            simple = _simple(raw)
            if simple is None:
                found = self._data(raw, element, role, item, path, outer, waiting)
            else:
                name, text, unit = simple
                meant = self._meant(name, outer, "process_parameter", "parameter_code")
                found = self._parameter(name, meant, role, item, (text, unit, None), meant.index, path, None)
            mass = found if found is not None else mass
        return mass

    def _data(
        self, raw: Any, element: str, role: str, item: str | None, path: str, outer: str, waiting: list[tuple[Any, str, str]]
    ) -> float | None:
        """Add the values of one element, whatever it says; those nested in it are to wait."""
        node = self.nodes.named(raw) if type(raw) is dict else {"Value": raw}
        name = (first(node, "ID") or first(node, "Description") or element).strip()
        if "Value" in node or "Quantity" in node:
            meant = self._meant(name, outer, "process_parameter", "parameter_code")
        else:
            meant = parameter(name, outer) or UNKNOWN_PARAMETER
        inner = many(node, element)
        if inner:
            below = f"{path}/{name}" if path else name
            waiting.extend((child, below, name) for child in reversed(inner))
        extra: dict[str, Any] = {}
        self.nodes.leftover(node, _DATA_LEAVES, _VALUES | {element, "TestResult"}, "", extra)
        description = first(node, "Description")
        if description and description.strip() != name:
            extra["Description"] = description.strip()
        values = many(node, "Value") + many(node, "Quantity")
        mass = None
        if "TestResult" in node:
            measured = self.results(many(node, "TestResult"), item, title=name)
            mass = measured if meant.code == "mass" else None
        elif not values and (extra or not inner):
            values = [""]
        for number, value in enumerate(values, 1):
            rest = dict(extra)
            stated = self.value(value, rest)
            index = meant.index if meant.index is not None else number if len(values) > 1 and stated[2] is None else None
            found = self._parameter(name, meant, role, item, stated, index, path, rest)
            mass = found if found is not None else mass
        return mass

    def _meant(self, name: str, outer: str, table: str, column: str) -> Parameter:
        found = parameter(name, outer)
        if found is None:
            self.run.values.remarks.note("M041", table, column, name, self.run.locator)
            return UNKNOWN_PARAMETER
        return found

    def _parameter(
        self, name: str, meant: Parameter, role: str, item: str | None, stated: Stated, index: int | None, path: str, rest: Any
    ) -> float | None:
        """Add one row of process_parameter; returns a mass in kg if it is one."""
        run = self.run
        raw, unit, key = stated
        num, text, canonical, quality = run.values.number(raw, unit, meant.unit, name, "process_parameter", run.locator)
        run.rows["process_parameter"].append((
            run.step_id, item, meant.code, name, meant.role or role, num, text, canonical, raw,
            unit or None, key, index, quality, path or None, run.locator, canon.dumps(rest) if rest else None,
        ))  # fmt: skip
        return num if meant.code == "mass" and canonical == "kg" else None

    def value(self, value: Any, rest: dict[str, Any]) -> Stated:
        """Return text, unit and key of a Value or Quantity element; what else it says goes to `rest`."""
        if type(value) is str:
            return value, "", None
        if len(value) == 3 and "DataType" in value:
            raw, unit = value.get("ValueString") or value.get("QuantityString"), value.get("UnitOfMeasure")
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
            if "TestResult" in node:
                waiting.extend(child for child in reversed(many(node, "TestResult")) if type(child) is dict)
            extra = dict(about) if about else {}
            self.nodes.leftover(node, _RESULT_LEAVES, _RESULT_MANY, "", extra)
            result = first(node, "ID")
            judged = first(node, "EvaluatedCriterionResult")
            evaluated = first(node, "EvaluationDate")
            description = first(node, "Description")
            count = 0
            for name, stated, measured, rest in self._measured(node, (title or description or result or "").strip(), extra):
                found = self._result(item, (result, name, judged), stated, measured or evaluated, rest)
                mass = found if found is not None else mass
                count += 1
            if not count and (judged or extra or "TestResult" not in node):
                name = (title or description or result or "TestResult").strip()
                self._result(item, (result, name, judged), (None, "", None), evaluated, extra)
        return mass

    def _measured(self, node: Node, title: str, extra: dict[str, Any]) -> Iterator[tuple[str, Stated, str | None, dict[str, Any]]]:
        """Yield name, value, time and the rest of every measurement: V7 PropertyMeasurement, V6 Result."""
        for raw in many(node, "PropertyMeasurement"):
            simple = _simple(raw)
            if simple is not None:
                yield simple[0], (simple[1], simple[2], None), None, {**extra}
                continue
            measurement = raw if type(raw) is dict else {"Value": raw}
            rest = {**extra}
            self.nodes.leftover(measurement, _MEASUREMENT_LEAVES, _VALUES, "", rest)
            name = (first(measurement, "ID") or title or "PropertyMeasurement").strip()
            for value in many(measurement, "Value") + many(measurement, "Quantity") or [""]:
                said = {**rest}
                yield name, self.value(value, said), first(measurement, "MeasurementDate"), said
        for value in many(node, "Result"):
            said = {**extra}
            yield title or "Result", self.value(value, said), None, said

    def _result(
        self, item: str | None, named: tuple[str | None, str, str | None], stated: Stated, measured: str | None, rest: dict[str, Any]
    ) -> float | None:
        """Add one row of quality_result; returns a mass in kg if it is one."""
        run = self.run
        result, name, judged = named
        meant = self._meant(name, "", "quality_result", "characteristic_code")
        raw, unit, key = stated
        num = text = canonical = None
        if raw is not None:
            num, text, canonical, _ = run.values.number(raw, unit, meant.unit, name, "quality_result", run.locator)
        moment, _ = run.values.time(measured, "quality_result", "measured_at", run.locator)
        if measured and moment is None:
            rest["measured"] = measured.strip()
        verdict = run.word("verdicts", judged, "quality_result", "verdict", None)
        run.rows["quality_result"].append((
            result, item, run.step_id, meant.code, name, num, text, canonical, raw, unit or None, key, verdict, judged or None,
            moment, run.locator, canon.dumps(rest) if rest else None,
        ))  # fmt: skip
        return num if meant.code == "mass" and canonical == "kg" else None


def _simple(raw: Any) -> tuple[str, str, str] | None:
    """Return name, text and unit of an element that says no more than that, as most do; else None."""
    if type(raw) is not dict or len(raw) != 2:
        return None
    name, value = raw.get("ID"), raw.get("Value")
    if type(value) is not dict or len(value) != 3 or type(name) is not str or not name or "DataType" not in value:
        return None
    text, unit = value.get("ValueString"), value.get("UnitOfMeasure")
    return (name.strip(), text, unit) if type(text) is str and type(unit) is str else None
