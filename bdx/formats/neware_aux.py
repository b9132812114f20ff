"""Which auxiliary channel each member of a Neware archive holds, and what it measures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bdx.spec import Facts

NAME = re.compile(r"data_(?:AUX_(\d+)_(\d+)_(\d+)|(\d+))\.ndc")


@dataclass(frozen=True, slots=True)
class Channel:
    """An auxiliary channel: its member, its number, and quantity and unit as far as the archive states them."""

    member: str
    number: int
    name: str
    unit: str


def channels(members: Iterable[str], test: Mapping[str, Any], kinds: tuple[Facts, ...]) -> list[Channel]:
    """Return the auxiliary channels by number: a member's name holds the real channel or the number TestInfo.xml lists.

    Where neither is listed, both sides are taken in order if they are equally many; else the name alone decides.
    """
    listed = [node for key, node in test.items() if re.fullmatch(r"Aux[0-9]+", key) and isinstance(node, dict)]
    named = sorted((tuple(int(part or -1) for part in match.groups()), match.string) for match in map(NAME.fullmatch, members) if match)
    by_real = {node.get("RealChlID"): node for node in listed}
    by_id = {node.get("AuxID"): node for node in listed}
    found = []
    for place, ((real, kind, _, number), member) in enumerate(named):
        node = by_real.get(str(real)) if real >= 0 else by_id.get(str(number))
        if node is None:
            node = listed[place] if len(listed) == len(named) else {}
        own = _integer(node.get("AuxID")) or (number if number >= 0 else place + 1)
        name, unit = _measures(_integer(node.get("ChlType")), kind, kinds)
        found.append(Channel(member, own, name, unit))
    return sorted(found, key=lambda channel: (channel.number, channel.member))


def _measures(listed: int, named: int, kinds: tuple[Facts, ...]) -> tuple[str, str]:
    for row in kinds:
        if listed in row["types"] or (not listed and named in row["kinds"]):
            return row["name"], row["unit"]
    return "Value", ""


def _integer(value: Any) -> int:
    return int(value) if isinstance(value, str) and value.isdecimal() else 0
