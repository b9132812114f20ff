"""What is known of machines: components of a probe as equipment, data items by device, and how documents of an agent follow each other."""

from __future__ import annotations

import json
from typing import Any

from bdx import canon
from bdx.canon import Chunk, Document
from bdx.mapping import Context
from bdx.mapping.observations_items import Declared, device_id, place
from bdx.spec import Facts

_DESCRIPTION = ("@manufacturer", "@serialNumber", "@model", "@station")


class Probes:
    """The devices of a run; what one source says of them stays for those after it."""

    def __init__(self, facts: Facts, context: Context) -> None:
        run = context.options.get("run")
        memory = (run if isinstance(run, dict) else {}).setdefault("mtconnect", {})
        self.facts = facts
        self.context = context
        self.declared: dict[str, Declared] = memory.setdefault("declared", {})
        self.known: set[str] = memory.setdefault("equipment", set())
        self.described: set[str] = memory.setdefault("described", set())
        self.agents: dict[str, tuple[str, int]] = memory.setdefault("agents", {})
        self.last: dict[int, int] = {}
        self.rows: list[dict[str, Any]] = []

    def take(self, part: Document) -> None:
        """Note a header, or a component."""
        if part.name == "Header":
            self._header(part.value, part.locator)
        elif part.name == "Component":
            self._component(part.value, part.locator)

    def met(self, text: str) -> None:
        """Note the equipment of an item that a reader described, where no probe has."""
        said = json.loads(text)
        device, component = said["device"], said["component"]
        machine = device_id(device)
        if machine:
            self._add(machine, {"level": "device", "name": device.get("name"), "class_id": "Device"})
        equipment, _ = place(device, component, self.facts)
        if equipment and equipment != machine:
            self._add(
                equipment,
                {
                    "parent_equipment_id": machine,
                    "level": "component",
                    "class_id": component.get("component"),
                    "name": component.get("name"),
                },
            )

    def equipment(self) -> Chunk | None:
        """Return the rows of equipment not yet handed on."""
        rows, self.rows = self.rows, []
        return {"equipment": canon.from_rows("equipment", rows)} if rows else None

    def _header(self, header: dict[str, Any], locator: str) -> None:
        """Compare a header with the one before it of the same agent."""
        first, last, following = (_whole(header.get(name)) for name in ("firstSequence", "lastSequence", "nextSequence"))
        if last is not None:
            self.last[header["ordinal"]] = last
            if len(self.last) > 65_536:
                self.last.pop(next(iter(self.last)))
        if following is None:
            return
        agent, run = str(header.get("sender", "")), str(header.get("instanceId", ""))
        before = self.agents.get(agent)
        self.agents[agent] = run, following
        if before is None:
            return
        if before[0] != run:
            self.context.log.find("F264", source=self.context.source, locator=locator, value=f"instanceId {before[0]}, then {run}")
            return
        self.agents[agent] = run, max(following, before[1])
        if first is not None and first > before[1]:
            value = f"{first - before[1]:,} from sequence {before[1]} on"
            self.context.log.find("F263", source=self.context.source, locator=locator, value=value)

    def _component(self, said: dict[str, Any], locator: str) -> None:
        device, own, rest = said["device"], said["attributes"], dict(said["rest"])
        machine = device_id(device)
        items = self.declared.setdefault(machine or "", {})
        for name in (device.get("uuid"), device.get("name")):
            if name:
                self.declared[name] = items
        for item in said["items"]:
            for name in (item.get("name"), item.get("id")):
                if isinstance(name, str) and name:
                    items[name] = item
        whole = said["parent"] is None
        equipment, _ = place(device, {**own, "component": "Device" if whole else said["type"]}, self.facts)
        above = None
        if said["parent"] is not None:
            above = machine if said["parent"] == device else place(device, said["parent"], self.facts)[0]
        about = rest.pop("Description", None) or {}
        about = about if isinstance(about, dict) else {"": about}
        extra = {name: text for name, text in own.items() if name not in ("id", "uuid", "name")}
        extra |= {"id": own["id"]} if whole and "id" in own else {}
        extra |= {"dataItems": said["items"]} if said["items"] else {}
        extra |= {"Description": {name: text for name, text in about.items() if name not in _DESCRIPTION[:3]}} if about else {}
        extra |= rest if isinstance(rest, dict) else {}
        if equipment in self.described:
            return
        self.described.add(equipment or "")
        self.known.discard(equipment or "")
        self._add(
            equipment or "",
            {
                "parent_equipment_id": above,
                "level": "device" if whole else "component",
                "class_id": said["type"],
                "name": own.get("name"),
                "manufacturer": about.get("@manufacturer"),
                "model": about.get("@model"),
                "serial_number": about.get("@serialNumber"),
                "locator": locator or None,
                "extra": canon.dumps(extra) if extra else None,
            },
        )

    def _add(self, equipment: str, row: dict[str, Any]) -> None:
        if equipment and equipment not in self.known:
            self.known.add(equipment)
            self.rows.append({"equipment_id": equipment, "source_id": self.context.source_id, **row})


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 else None
