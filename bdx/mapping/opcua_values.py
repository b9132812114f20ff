"""Values of OPC UA as JSON: variants, data values and bare ones, their status, time and type, and units by their numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bdx import canon, units
from bdx.spec import Facts

_QUALITY = ("good", "uncertain", "bad", "bad")


@dataclass(slots=True)
class Value:
    """One value of a field with all that stands around it."""

    held: Any = None
    type: str = ""
    status: int = 0
    symbol: str = ""
    source_time: str | None = None
    server_time: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def quality(self) -> str:
        """What the status says: good, uncertain, bad."""
        return _QUALITY[(self.status >> 30) & 3]


def unwrapped(value: Any, facts: Facts, *, depth: int = 0) -> Value:
    """Return a value out of its data value and variant, in the forms of 1.04 ({"Type", "Body"}) and 1.05 ({"UaType", "Value"})."""
    keys = facts["values"]["keys"]
    if not isinstance(value, dict) or not value or any(name not in keys for name in value) or depth > 3:
        return Value(value)
    inner = unwrapped(value["Body"] if "Body" in value else value.get("Value"), facts, depth=depth + 1)
    written = value.get("UaType", value.get("Type"))
    if written is not None:
        inner.type = type_name(written, facts)
    stated = value.get("StatusCode", value.get("Status"))
    if stated is not None:
        status, symbol = status_of(stated)
        if status >> 30 >= inner.status >> 30:
            inner.status, inner.symbol = status, symbol
    inner.source_time = _text(value.get("SourceTimestamp")) or inner.source_time
    inner.server_time = _text(value.get("ServerTimestamp")) or inner.server_time
    for name in ("SourcePicoseconds", "ServerPicoseconds", "Dimensions"):
        if value.get(name) not in (None, 0):
            inner.extra[name] = value[name]
    return inner


def status_of(stated: Any) -> tuple[int, str]:
    """Return the number of a status and its symbol; a symbol alone tells by its first letters."""
    code, symbol = stated, ""
    if isinstance(stated, dict):
        code, symbol = stated.get("Code", 0 if "Symbol" not in stated else None), str(stated.get("Symbol") or "")
    if isinstance(code, str) and code.isdigit():
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool):
        return code & 0xFFFFFFFF, symbol
    symbol = symbol or (code if isinstance(code, str) else "")
    return (0x80000000 if symbol.startswith("Bad") else 0x40000000 if symbol.startswith("Uncertain") else 0), symbol


def type_name(written: Any, facts: Facts) -> str:
    """Return the name of a built-in type given by number or name."""
    names = facts["types"]["names"]
    if isinstance(written, int) and not isinstance(written, bool) and 0 <= written < len(names):
        return str(names[written])
    return written if isinstance(written, str) else ""


def elements(held: Any, prefix: tuple[int, ...] = ()) -> list[tuple[tuple[int, ...], Any]]:
    """Return the elements of an array with their places from 1, in order; one without a place for what is no array."""
    if not isinstance(held, list):
        return [(prefix, held)]
    return [found for number, one in enumerate(held, 1) for found in elements(one, (*prefix, number))]


def text_of(held: Any) -> str | None:
    """Return a value as text: as written where it was a text, JSON where it was more than a number."""
    if held is None or isinstance(held, str):
        return held
    if isinstance(held, bool):
        return "true" if held else "false"
    if isinstance(held, dict):
        texts = [held[name] for name in ("Text", "text") if isinstance(held.get(name), str)]
        return texts[0] if texts and len(held) <= 2 else canon.dumps(held)
    return canon.dumps(held) if isinstance(held, list) else str(held)


def unit_of(field_: dict[str, Any], facts: Facts) -> str:
    """Return the unit that the metadata of a field states: its UN/ECE code where that is known to bdx, else the text shown for it."""
    for key, value in _properties(field_.get("Properties")):
        if key.rpartition(":")[2] != "EngineeringUnits":
            continue
        found = _information(value)
        if found is None:
            return ""
        number, shown = found.get("UnitId"), text_of(found.get("DisplayName")) or ""
        code = _code(number) if found.get("NamespaceUri") in (None, facts["units"]["namespace"]) else ""
        return code if code and (units.known(code) or not shown) else shown
    return ""


def _code(number: Any) -> str:
    """Return the letters that the number of a unit stands for."""
    if not isinstance(number, int) or not 0 < number < 1 << 24:
        return ""
    letters = number.to_bytes(3, "big").lstrip(b"\0")
    return letters.decode("ascii") if letters.isalnum() else ""


def _properties(held: Any) -> list[tuple[str, Any]]:
    if isinstance(held, dict):
        return [(str(name), value) for name, value in held.items()]
    found = []
    for one in held if isinstance(held, list) else []:
        if isinstance(one, dict):
            key = one.get("Key")
            found.append((str(key.get("Name", "")) if isinstance(key, dict) else str(key), one.get("Value")))
    return found


def _information(value: Any) -> dict[str, Any] | None:
    """Return the unit's description out of variant and extension object."""
    for _ in range(6):
        if not isinstance(value, dict):
            return None
        if "UnitId" in value or "DisplayName" in value:
            return value
        value = value.get("Body", value.get("Value"))
    return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
