"""Sensor elements of events -> values of process parameters, or results of quality where the step inspects."""

from __future__ import annotations

import json
import re
from typing import Any

from bdx import canon
from bdx.mapping import vocabulary
from bdx.mapping.epcis_names import Names, last_part, text_of
from bdx.mapping.epcis_rows import Rows
from bdx.mapping.segment_values import parse
from bdx.spec import Facts

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TEXTS = ("stringValue", "uriValue", "hexBinaryValue", "exception")
_PLACED = frozenset(("type", "uom", "time", "deviceID", "component", "booleanValue", *_TEXTS))
_METADATA = frozenset(("time", "deviceID"))


class Sensors:
    """Adds the rows of sensor reports."""

    def __init__(self, facts: Facts, rows: Rows, names: Names) -> None:
        self.facts = facts
        self.rows = rows
        self.names = names
        self._numbers: dict[str, str] = dict(facts["values"])

    def take(self, event: dict[str, Any], step_id: str, item: str | None, at: int | None, basis: str | None, place: str) -> None:
        """Add all reports of an event."""
        elements = event["sensorElementList"]
        if not isinstance(elements, list):
            self.rows.note("F249", "process_parameter", "value_raw", "sensorElementList", place)
            return
        quality = self.names.word(text_of(event.get("bizStep")) or "") in self.facts["quality_steps"]
        for number, element in enumerate(elements, 1):
            if not isinstance(element, dict) or not isinstance(element.get("sensorReport"), list):
                self.rows.note("F249", "process_parameter", "value_raw", f"sensorElementList[{number}]", place)
                self._keep(element, step_id, item, place)
                continue
            metadata = element.get("sensorMetadata")
            metadata = metadata if isinstance(metadata, dict) else {}
            rest: dict[str, Any] = {key: value for key, value in element.items() if key not in ("sensorReport", "sensorMetadata")}
            if left := {key: value for key, value in metadata.items() if key not in _METADATA}:
                rest["sensorMetadata"] = left
            for report in element["sensorReport"]:
                if not isinstance(report, dict):
                    self.rows.note("F249", "process_parameter", "value_raw", str(report), place)
                    self._keep(report, step_id, item, place)
                    continue
                self._report(report, metadata, rest, step_id, item, at, basis, place, quality=quality)
                rest = {}

    def _keep(self, odd: Any, step_id: str, item: str | None, place: str) -> None:
        """Keep what is no sensor report as text."""
        text = json.dumps(odd, ensure_ascii=False, sort_keys=True, default=str)
        nothing = (None,) * 7
        row = (step_id, item, vocabulary.OTHER, "sensorReport", "actual", None, text, None, text, None, None, None, "bad")
        self.rows.add("process_parameter", *row, *nothing[:4], place, None)

    def _report(
        self,
        report: dict[str, Any],
        metadata: dict[str, Any],
        rest: dict[str, Any],
        step_id: str,
        item: str | None,
        at: int | None,
        basis: str | None,
        place: str,
        *,
        quality: bool,
    ) -> None:
        kind = text_of(report.get("type")) or ""
        stated = text_of(report.get("time")) or text_of(metadata.get("time")) or text_of(metadata.get("endTime"))
        table = "quality_result" if quality else "process_parameter"
        if stated is not None:
            at, basis = self.rows.values.time(stated, table, "measured_at", place)
        device = text_of(report.get("deviceID")) or text_of(metadata.get("deviceID"))
        found = self._parameter(kind, table, place)
        unit = report.get("uom") if isinstance(report.get("uom"), str) else ""
        left = {key: value for key, value in report.items() if key not in _PLACED and key not in self._numbers} | rest
        extra = canon.dumps(left) if left else None
        condition = text_of(report.get("component"))
        common = (step_id, item, found, kind or "exception", unit or None, condition, at, basis, device, place)
        told = False
        for key, statistic in self._numbers.items():
            if key in report:
                self._number(report[key], statistic, common, extra if not told else None, table)
                told = True
        for key in (*_TEXTS, "booleanValue"):
            if key in report:
                self._text(report[key], key, common, extra if not told else None, table)
                told = True
        if not told:
            self._add(common, table, (None, None, None, None, "missing"), None, None, extra)

    def _parameter(self, kind: str, table: str, place: str) -> vocabulary.Parameter:
        own = self.names.own(kind, "parameter") or self.names.own(kind, "characteristic")
        name = own or _HUMP.sub(" ", last_part(kind)).removeprefix("has ") if kind else ""
        found = vocabulary.parameter(name) if name else None
        if found is None:
            self.rows.note("M041", table, "parameter_code" if table == "process_parameter" else "characteristic_code", kind, place)
        return found or vocabulary.UNKNOWN_PARAMETER

    def _number(self, value: Any, statistic: str, common: tuple[Any, ...], extra: str | None, table: str) -> None:
        found, unit, place = common[2], common[4], common[9]
        if isinstance(value, bool | dict | list) or value is None:
            self.rows.note("F249", table, "value_num", str(value), place)
            text = None if value is None else json.dumps(value, ensure_ascii=False)
            self._add(common, table, (None, text, None, text, "bad"), statistic, None, extra)
            return
        raw = str(value)
        if isinstance(value, str) and parse(raw.strip())[0] is not None:
            self.rows.note("F250", table, "value_num", f"{common[3]}={raw}", place)
        expected = found.unit if statistic != "std" else ""
        number, text, canonical, quality = self.rows.values.number(raw, unit or "", expected, common[3], table, place)
        self._add(common, table, (number, text, canonical, raw, quality), statistic, None, extra)

    def _text(self, value: Any, key: str, common: tuple[Any, ...], extra: str | None, table: str) -> None:
        if key == "booleanValue" and isinstance(value, bool):
            raw = "true" if value else "false"
            self._add(common, table, (None, None if table == "process_parameter" else raw, None, raw, "good"), None, value, extra)
            return
        raw = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        quality = "uncertain" if key == "exception" else "good"
        self._add(common, table, (None, raw, None, raw, quality), None, None, extra)

    def _add(
        self, common: tuple[Any, ...], table: str, told: tuple[Any, ...], statistic: str | None, truth: bool | None, extra: str | None
    ) -> None:
        step_id, item, found, kind, unit_raw, condition, at, basis, device, place = common
        number, text, unit, raw, quality = told
        if table == "process_parameter":
            self.rows.add(
                table,
                *(
                    step_id,
                    item,
                    found.code,
                    kind,
                    found.role or "actual",
                    number,
                    text,
                    unit,
                    raw,
                    unit_raw,
                    condition,
                    at,
                    quality,
                    device,
                ),
                *(statistic, truth, basis, place, extra),
            )
            return
        if statistic not in (None, "value"):
            condition = f"{condition}, {statistic}" if condition else statistic
        variable = "variable" if number is not None else "text"
        self.rows.add(
            table,
            *(item, step_id, found.code, kind, number, text, unit, raw, unit_raw, condition, at, variable, device, basis, place, extra),
        )
