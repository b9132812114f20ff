"""Which parts and characteristics a Q-DAS file to be written has: gathered from quality results, numbered as they are met."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from bdx import units
from bdx.errors import MappingError
from bdx.mapping import Context
from bdx.spec import Facts

Row = Mapping[str, Any]
_TOLERANCE = 1e-9


@dataclass(slots=True)
class Entry:
    """One characteristic of the file: its number, its part, its fields, and what its values take from it."""

    number: int
    part: int
    fields: dict[str, str]
    gage: str | None = None
    whole: str | None = None


@dataclass(slots=True)
class Book:
    """Numbers parts and characteristics; what a Q-DAS file said of them itself is taken over from `extra`."""

    facts: Facts
    context: Context
    parts: dict[tuple[str, ...], int] = field(default_factory=dict)
    part_fields: dict[int, dict[str, str]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    numbers: set[int] = field(default_factory=set)
    file: dict[str, str] = field(default_factory=dict)
    groups: dict[int, dict[str, Any]] = field(default_factory=dict)
    nodes: list[tuple[str, int, str]] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    told: int = 0
    """Characteristics so far whose own fields a Q-DAS file told."""

    def add(self, row: Row, product: Row, step: Row) -> Entry:
        """Return a new characteristic from the first row of its values, `product` and `step` being what is known of item and step."""
        once = _json(row.get("extra"))
        part = self._part(row, product, step, _dict(once.get("part")), _dict(once.get("groups")))
        told = _dict(once.get("characteristic"))
        self.told += bool(told)
        entry = Entry(self._number(told.get("index")), part, {})
        entry.fields = self._fields(row, told)
        texts = self.facts["texts"]
        entry.gage = next((entry.fields[name] for name in texts["gage_id"] if entry.fields.get(name)), None)
        if entry.gage is None and row.get("gage_id") and not _is_number(row["gage_id"]):
            entry.gage = entry.fields[texts["gage_id"][0]] = str(row["gage_id"])
        whole, said = self.facts["whole"], self.part_fields[part]
        entry.whole = next((said[name] for name in (*whole["serial"], *whole["lot"]) if said.get(name)), None)
        self._file(_dict(once.get("file")))
        self.entries.append(entry)
        self.said.update(entry.fields.values())
        return entry

    def document(self) -> dict[str, Any]:
        """Return the description that the format writes."""
        entries = sorted(self.entries, key=lambda entry: entry.number)
        characteristics = {entry.number: {"part": entry.part, "fields": entry.fields} for entry in entries}
        parts = dict(sorted(self.part_fields.items()))
        held = {"file": self.file, "parts": parts, "characteristics": characteristics, "groups": self.groups, "nodes": self.nodes}
        return {"sections": [held]}

    def lose(self, what: str, why: str, count: int = 1) -> None:
        """Record a loss of this run."""
        self.context.log.lose(self.context.source, what, why, count)

    def _number(self, wanted: Any) -> int:
        """Return the number that the source gave a characteristic where it is free, else the next."""
        number = _free(wanted, self.numbers)
        self.numbers.add(number)
        return number

    def _part(self, row: Row, product: Row, step: Row, told: dict[str, Any], groups: dict[str, Any]) -> int:
        named = row.get("spec_id") or step.get("product_definition_id") or product.get("material_definition_id")
        key = (str(named or ""), str(row.get("spec_version") or ""), str(step.get("step_name_raw") or ""))
        number = self.parts.get(key)
        if number is None:
            number = self.parts[key] = _free(told.get("index"), self.part_fields)
            fields = {name: str(text) for name, text in told.items() if name.startswith("K")}
            for names, text in ((self.facts["part"]["spec_id"], named), (self.facts["part"]["spec_version"], row.get("spec_version"))):
                if text:
                    fields[names[0]] = str(text)
            if not told:
                self._foreign(fields, product, step)
            elif step.get("operator_ref"):
                fields.setdefault(self.facts["step"]["operator_ref"][-1], str(step["operator_ref"]))
            self.part_fields[number] = fields
            self.said.update(fields.values())
            for index, said in groups.items():
                self.groups[int(index) if index.isdecimal() else len(self.groups) + 1] = {"part": number, "fields": _dict(said)}
        return number

    def _foreign(self, fields: dict[str, str], product: Row, step: Row) -> None:
        """Set the fields of a part from the item and the step of a source that is no Q-DAS file."""
        if product.get("name"):
            fields.setdefault(self.facts["item"]["name"][0], str(product["name"]))
        for column, names in self.facts["step"].items():
            if step.get(column) and column not in ("product_definition_id", "started_raw", "ended_raw"):
                fields.setdefault(names[-1] if column == "operator_ref" else names[0], str(step[column]))

    def _fields(self, row: Row, told: dict[str, Any]) -> dict[str, str]:
        facts = self.facts
        fields = {name: str(text) for name, text in told.items() if name.startswith("K")}
        texts = facts["texts"]
        if row.get("characteristic_id"):
            fields[texts["characteristic_id"][0]] = str(row["characteristic_id"])
        name = row.get("characteristic_name_raw")
        if name and name not in fields.values():
            fields[texts["characteristic_name_raw"][0]] = str(name)
        unit = row.get("unit_written")
        if unit and not fields.get(facts["unit"]["number"]):
            fields[texts["unit_raw"][0]] = str(unit)
        if row.get("counting") and fields.get("K2004") not in facts["kinds"]["attribute"]:
            fields["K2004"] = facts["kinds"]["attribute"][0]
        if not told:
            fields.setdefault("K2004", "0")
        if not told and row.get("group_path"):
            self.lose("quality_result.group_path", "groups are written only where the source was a Q-DAS file")
        for column, name in facts["numbers"].items():
            self._limit(fields, name, row.get(column), str(row.get("unit") or ""), str(unit or ""))
        return fields

    def _limit(self, fields: dict[str, str], name: str, value: Any, unit: str, written: str) -> None:
        """Set a number of a characteristic in the unit its values are written in; as it was written, where that still holds."""
        if value is None:
            if _decimal(fields.get(name)) is not None:
                del fields[name]
            return
        number = float(value)
        if unit and written and unit != written:
            try:
                number = units.convert(number, unit, written)
            except MappingError:
                self.lose(f"limit {name}", f"is in {unit}, the values are in {written}")
                return
        before = _decimal(fields.get(name))
        if before is None or abs(before - number) > _TOLERANCE * max(abs(before), abs(number)):
            allowance = {"K2110": "K2112", "K2111": "K2113"}.get(name)
            if before is None and allowance and fields.get(allowance):
                return
            fields[name] = format(number, ".15g")

    def _file(self, told: dict[str, Any]) -> None:
        nodes = told.pop("nodes", [])
        if self.file or self.nodes:
            if told or nodes:
                count = len(told) + len(nodes)
                self.lose("fields of a second data set of a file", "one file is written; those of the first stand in it", count)
            return
        self.file = {name: str(text) for name, text in told.items() if name.startswith("K")}
        self.nodes = [(str(node[0]), int(node[1]), str(node[2])) for node in nodes if _is_node(node)]


def _free(wanted: Any, taken: Collection[int]) -> int:
    """Return a number where it is one and not taken, else the next that is free."""
    if isinstance(wanted, int) and 0 < wanted < 1 << 31 and wanted not in taken:
        return wanted
    number = len(taken) + 1
    while number in taken:
        number += 1
    return number


def _is_node(node: Any) -> bool:
    return isinstance(node, list) and len(node) == 3 and isinstance(node[1], int) and str(node[0]).startswith("K5")


def _json(text: Any) -> dict[str, Any]:
    try:
        return _dict(json.loads(text)) if text else {}
    except (ValueError, RecursionError):
        return {}


def _dict(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _is_number(text: Any) -> bool:
    return str(text).isdecimal()


def _decimal(text: str | None) -> float | None:
    try:
        return float(text.replace(",", ".")) if text else None
    except ValueError:
        return None
