"""What stays the same of a data item: its parameter, unit, role and place, found once for all its observations."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bdx import canon, units
from bdx.mapping import vocabulary
from bdx.mapping.numbers import Scale
from bdx.spec import Facts

Declared = dict[str, dict[str, Any]]
"""Data items of a device by their id and by their name, as its probe states them."""

_REPRESENTATION = re.compile(r"(?:TimeSeries|DataSet|Table|Discrete)$")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TAKEN = frozenset(("name", "statistic", "quality"))
CONDITION = ("Condition", "Conditions")


@dataclass(slots=True)
class Item:
    """A data item as its observations need it: constants of their rows, and the step to the canonical unit."""

    code: str
    name: str
    kind: str
    role: str = "actual"
    unit: str | None = None
    unit_raw: str | None = None
    scale: Scale = field(default_factory=Scale)
    fault: str = ""
    statistic: str | None = None
    quality: str = "good"
    level: str | None = None
    equipment: str | None = None
    group: str | None = None
    numeric: bool = False
    type: str = ""
    extra: tuple[str, str] = ("{", "}")
    """JSON before and after the sequence number."""


class Items:
    """Finds the items of one source; `declared` are the data items of devices whose probe was read, by uuid and by name."""

    def __init__(self, facts: Facts, declared: Mapping[str, Declared]) -> None:
        self.facts = facts
        self.declared = declared
        self.known = {*facts["known"]["samples"], *facts["known"]["events"]}
        self.samples = frozenset(facts["known"]["samples"])
        self.numeric = frozenset(facts["numeric"]["events"])
        self.roles = {word: role for role, words in facts["roles"].items() for word in words}

    def item(self, text: str) -> Item:
        """Return the item that a reader described as JSON."""
        said = json.loads(text)
        attributes, category = said["attributes"], said["category"]
        element = "" if category in CONDITION else _REPRESENTATION.sub("", said["element"])
        described, item = self._declared(said["device"], attributes, element)
        kind = _kind(category, item)
        written = str(item.get("type") or element)
        type_ = attributes.get("type", "") if kind == "CONDITION" else _upper(written)
        found = Item(
            code=self._code(type_, kind), name=attributes.get("name") or attributes.get("dataItemId") or written, kind=kind, type=type_
        )
        found.role = self.roles.get(str(attributes.get("subType", item.get("subType", ""))), "actual")
        statistic = str(attributes.get("statistic", item.get("statistic", "")))
        found.statistic = self.facts["statistics"].get(statistic)
        found.quality = self.facts["quality"].get(attributes.get("quality", ""), "good")
        found.equipment, found.group = place(said["device"], said["component"], self.facts)
        if kind == "CONDITION":
            found.level = said["element"]
        found.numeric = kind == "SAMPLE" or (kind == "EVENT" and (type_ in self.numeric or bool(item.get("units"))))
        self._unit(found, described=described, item=item)
        extra = {name: held for name, held in attributes.items() if name not in _TAKEN or (name == "statistic" and not found.statistic)}
        extra |= {"type": item.get("type") or type_} if type_ else {}
        extra |= {"category": kind} if kind else {}
        found.extra = _around(extra)
        return found

    def _declared(self, device: Mapping[str, str], attributes: Mapping[str, str], element: str) -> tuple[bool, dict[str, Any]]:
        """Return whether the device has a probe, and what it says of the data item."""
        known = self.declared.get(device.get("uuid", "")) or self.declared.get(device.get("name", ""))
        if known is None and not device and len({id(items) for items in self.declared.values()}) == 1:
            known = next(iter(self.declared.values()))
        if known is None:
            return False, {}
        found = known.get(attributes.get("dataItemId", "")) or known.get(attributes.get("name", "")) or {}
        # An identifier that the probe has for another kind of data does not lend its unit.
        return True, found if not element or not found.get("type") or _upper(element) == str(found["type"]).upper() else {}

    def _code(self, type_: str, kind: str) -> str:
        if kind == "CONDITION":
            return "condition"
        code = self.facts["codes"].get(type_) or (type_.lower() if type_ in self.known else "")
        return str(code) or vocabulary.OTHER

    def _unit(self, found: Item, *, described: bool, item: Mapping[str, Any]) -> None:
        """Note the unit, the step to it, and what is wrong with it."""
        written = item.get("units")
        if described and not item:
            found.fault = "M111"
        elif not found.kind:
            # A line of an adapter names a key and no more: without a probe nobody knows what kind of data it is.
            found.fault = "M110"
        if not found.numeric:
            return
        if not written:
            if found.kind == "SAMPLE" and not found.fault:
                found.fault = "M042" if described else "M110"
            return
        found.unit_raw = str(written)
        own = self.facts["units"].get(found.unit_raw, "")
        if not own:
            found.fault = "M043"
            return
        unit = units.unit(own)
        known = vocabulary.parameter(found.code)
        wanted = units.unit(known.unit) if known is not None and known.unit else unit
        if wanted.quantity != unit.quantity:
            found.fault, wanted = ("M044" if found.role == "actual" else ""), unit
        found.unit = wanted.name
        found.scale = Scale(*units.factor(unit.name, wanted.name))


def device_id(device: Mapping[str, str]) -> str | None:
    """Return the identifier of a device: its uuid, else its name."""
    return device.get("uuid") or device.get("name") or device.get("id") or None


def place(device: Mapping[str, str], component: Mapping[str, str], facts: Facts) -> tuple[str | None, str | None]:
    """Return the equipment that a component is, and the names it stands under."""
    machine = device_id(device)
    own = component.get("componentId") or component.get("id") or component.get("name")
    whole = component.get("component") in facts["devices"]["types"]
    name = component.get("name") or component.get("component") or own
    group = "/".join(part for part in (device.get("name") or machine, None if whole else name) if part) or None
    return (machine if whole or not own else f"{machine}/{own}" if machine else own), group


def _kind(category: str, item: Mapping[str, Any]) -> str:
    if category:
        return {"Samples": "SAMPLE", "Events": "EVENT"}.get(category, "CONDITION")
    return str(item.get("category", ""))


def _upper(name: str) -> str:
    """Return the type of an element's name: RotaryVelocity is ROTARY_VELOCITY."""
    return name if name.isupper() else _WORDS.sub("_", name).upper().replace("MT_CONNECT", "MTCONNECT")


def _around(extra: dict[str, Any]) -> tuple[str, str]:
    """Return the JSON of an object before and after the number that its key `sequence` takes, keys in order."""
    before = canon.dumps({name: held for name, held in extra.items() if name < "sequence"})[1:-1]
    after = canon.dumps({name: held for name, held in extra.items() if name > "sequence"})[1:-1]
    return "{" + before, after + "}"
