"""Rows of parameters and results -> data, property and test result elements, values as they were written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from bdx.mapping.segment_nodes import Node
from bdx.mapping.segment_out_fit import Fit, is_moment, put_back
from bdx.mapping.segment_out_rows import Row
from bdx.mapping.segment_values import parse
from bdx.mapping.vocabulary import UNKNOWN_PARAMETER, parameter
from bdx.spec import Facts

DEEP = 12
"""Groups nested deeper than this are named in one, joined by a slash: their path stays the same."""
ONE_NAME = "a message has one identifier of a piece"
"""Why a serial number is lost that differs from the identifier of its item."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(micros: int) -> str:
    """Return a time in UTC as XML has it."""
    found = (_EPOCH + timedelta(microseconds=micros)).isoformat().removesuffix("+00:00")
    return (found.rstrip("0") if "." in found else found) + "Z"


def number_text(number: float) -> str:
    """Return the shortest text of a number that reads back the same."""
    return repr(number).removesuffix(".0")


def extra_of(row: Row) -> dict[str, Any]:
    """Return what a row keeps beside its columns."""
    text = row.get("extra")
    found = json.loads(text) if text else {}
    return found if isinstance(found, dict) else {"text": found}


class Stated:
    """Writes values; counts what of them has no place in the message."""

    def __init__(self, fit: Fit, facts: Facts) -> None:
        self.fit = fit
        self.verdicts = {canonical: words[0] for canonical, words in facts["verdicts"].items()}

    def at(self, table: str, row: Row) -> None:
        """Say which row the next losses are of."""
        self.fit.table, self.fit.locator = table, row.get("locator") or ""

    def value(self, row: Row) -> Node | None:
        """Return the Value element of a row, None where it has no value at all."""
        raw, unit, number = row.get("value_raw"), row.get("unit_raw"), row.get("value_num")
        if raw is None:
            stated = number_text(number) if number is not None else row.get("value_text")
            if stated is None and row.get("value_bool") is not None:
                stated = "true" if row["value_bool"] else "false"
            raw, unit = stated, unit or row.get("unit")
        elif not unit and number is not None and row.get("unit") not in (None, "1"):
            unit = row["unit"]
            if parse(raw.strip())[0] != number:
                self.fit.lose("value_raw", "its unit is known only together with the number it became")
                raw = number_text(number)
        if raw is None:
            return None
        node: Node = {"ValueString": raw}
        if raw.strip():
            node["DataType"] = "double" if number is not None else "string"
        if (unit and unit != "1") or row.get("unit_raw"):
            node["UnitOfMeasure"] = unit
        if row.get("condition"):
            node["Key"] = row["condition"]
        return node

    def nested(self, rows: list[Row], element: str, kind: str, role: str, under: str = "") -> list[Node]:
        """Return data or property elements: one for each row, nested by its path below `under`; several values of one name in one."""
        roots: list[Node] = []
        stack: list[tuple[str, Node]] = []
        last: tuple[str, str, int, Node] | None = None
        for row in rows:
            self.at("process_parameter", row)
            path = (row.get("group_path") or "")[len(under) :].removeprefix("/")
            name = row["parameter_name_raw"]
            outer = path.rpartition("/")[2]
            found = parameter(name, outer) or UNKNOWN_PARAMETER
            index = row.get("index")
            value = self.value(row)
            if last is not None and last[:2] == (path, name) and found.index is None and index == last[2] + 1 and value is not None:
                last[3]["Value"].append(value)
                last = (path, name, index, last[3])
                continue
            if index is not None and index not in (found.index, 1):
                self.fit.lose("index", "only the place among several values of one name says it")
            self._meaning(row, found, role)
            while stack and stack[-1][0] != path and not path.startswith(stack[-1][0] + "/"):
                stack.pop()
            self._groups(path, stack, roots, element)
            node: Node = {"ID": name}
            _child(stack, roots, element, node)
            stack.append((f"{path}/{name}" if path else name, node))
            self._beside(row, node, kind, value)
            if value is not None:
                node["Value"] = [value]
            last = (path, name, index, node) if index is not None and value is not None else None
        return roots

    def _meaning(self, row: Row, found: Any, role: str) -> None:
        """Count a code or role that the name does not say."""
        if row.get("parameter_code") not in (None, "other", found.code):
            self.fit.lose("parameter_code", "a message says what a value is by its name alone")
        if row.get("role") not in (None, found.role or role):
            self.fit.lose("role", "a message has setpoints, limits and actual values in the same elements; names tell them apart")

    def _groups(self, path: str, stack: list[tuple[str, Node]], roots: list[Node], element: str) -> None:
        """Open the groups of a path that are not open yet."""
        held = stack[-1][0] if stack else ""
        if path == held:
            return
        names = path[len(held) :].removeprefix("/").split("/")
        room = max(DEEP - len(stack), 1)
        if len(names) > room:
            names[room - 1 :] = ["/".join(names[room - 1 :])]
        for name in names:
            node: Node = {"ID": name}
            _child(stack, roots, element, node)
            held = f"{held}/{name}" if held else name
            stack.append((held, node))

    def _beside(self, row: Row, node: Node, kind: str, value: Node | None) -> None:
        extra = extra_of(row)
        if not extra:
            return
        rest = put_back(self.fit, kind, node, extra)
        if value is not None:
            rest = put_back(self.fit, "Value", value, rest)
        for path in rest:
            self.fit.lose(f"extra {path}", "the schema has no place for it")

    def results(self, rows: list[Row]) -> list[Node]:
        """Return test results; measurements of one result stand together."""
        found: list[Node] = []
        last: tuple[Any, ...] | None = None
        for row in rows:
            self.at("quality_result", row)
            extra = extra_of(row)
            extra.pop("EquipmentID", None)
            measured = extra.pop("measured", None)
            date = moment(row["measured_at"]) if row.get("measured_at") is not None else measured
            if date is not None and not is_moment(date):
                self.fit.lose("measured_at", "it is no date and time as XML has them")
                date = None
            verdict = row.get("verdict_raw") or self.verdicts.get(row.get("verdict") or "")
            name, result = row["characteristic_name_raw"], row.get("result_id")
            about = {key: value for key, value in extra.items() if not self._measurement_holds(key) and self._result_holds(key)}
            value = self.value(row)
            key = (result, verdict, json.dumps(about, sort_keys=True))
            if value is None or result is None or key != last:
                found.append({"ID": result} if result is not None else {})
                if verdict:
                    found[-1]["EvaluatedCriterionResult"] = verdict
                put_back(self.fit, "TestResult", found[-1], about)
            last = key if value is not None else None
            self._name(row)
            if value is None:
                self._judged(found[-1], name, result, date, {key: value for key, value in extra.items() if key not in about})
                continue
            measurement: Node = {"ID": name, "Value": value} if value["ValueString"] or len(value) > 1 else {"ID": name}
            if date is not None:
                measurement["MeasurementDate"] = date
            found[-1].setdefault("PropertyMeasurement", []).append(measurement)
            rest = put_back(self.fit, "PropertyMeasurement", measurement, {key: value for key, value in extra.items() if key not in about})
            for path in put_back(self.fit, "Value", value, rest):
                self.fit.lose(f"extra {path}", "the schema has no place for it")
        return found

    def _measurement_holds(self, path: str) -> bool:
        name = path.partition("/")[0]
        return self.fit.holds("PropertyMeasurement", name) or self.fit.holds("Value", name)

    def _result_holds(self, path: str) -> bool:
        return self.fit.holds("TestResult", path.partition("/")[0])

    def _name(self, row: Row) -> None:
        code = row.get("characteristic_code")
        if code not in (None, "other", (parameter(row["characteristic_name_raw"]) or UNKNOWN_PARAMETER).code):
            self.fit.lose("characteristic_code", "a message says what a value is by its name alone")

    def _judged(self, node: Node, name: str, result: str | None, date: str | None, rest: dict[str, Any]) -> None:
        """Complete a result without a measurement."""
        if result is None or name != result:
            node["Description"] = name
        if date is not None:
            node["EvaluationDate"] = date
        for path in put_back(self.fit, "TestResult", node, rest):
            self.fit.lose(f"extra {path}", "the schema has no place for it")
        if len(node) <= 1:
            self.fit.lose("row", "it says neither a value nor a verdict")


def _child(stack: list[tuple[str, Node]], roots: list[Node], element: str, node: Node) -> None:
    """Put an element into the innermost open one."""
    if not stack:
        roots.append(node)
        return
    stack[-1][1].setdefault(element, []).append(node)
