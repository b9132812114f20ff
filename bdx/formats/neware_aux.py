"""Which auxiliary channel each member of a Neware archive holds, what it measures, and its values beside the records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx.formats.neware_blocks import BLOCK, ROWS_AT, Member, Rows, row_type
from bdx.formats.neware_columns import Column, held
from bdx.formats.neware_join import join, lay
from bdx.spec import Facts

if TYPE_CHECKING:
    from bdx.formats.neware_run import Run

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


@dataclass(frozen=True, slots=True)
class Beside:
    """The records that auxiliary rows are laid beside: how many, and their numbers where these are not 1, 2, 3, ..."""

    count: int
    index: npt.NDArray[np.int64] | None = None

    def numbers(self) -> npt.NDArray[np.int64]:
        """Return the number of each record."""
        return np.arange(1, self.count + 1) if self.index is None else self.index


def aux_columns(channel: Channel, member: Member, run: Run, beside: Beside) -> list[Column]:
    """Return one column per quantity of a channel: joined by number where the rows name their record, else from the first on."""
    log, uri = run.source.log, run.source.uri
    layout = _layout(member, run.facts)
    if not layout:
        mark = member.data[BLOCK + ROWS_AT]
        log.find("F031", source=uri, locator=member.name, value=member.name, found=mark)
        return []
    size = run.facts["sizes"].get(layout, member.row_bytes("aux"))
    rows = run.rows(member, row_type(run.facts["layout"][layout], size))
    if "index" in (rows.dtype.names or ()):
        return _joined(channel, rows[rows["index"] > 0], run, beside)
    if len(rows) != beside.count and not member.cut:
        log.find("F029", source=uri, locator=member.name, value=member.name, found=len(rows), rows=beside.count)
    found = []
    for key, unit in run.facts["units"][layout].items():
        name = channel.name if layout == "single" else key.title()
        array = pa.array(np.ascontiguousarray(rows[key][: beside.count]))
        if len(array) < beside.count:
            array = pa.concat_arrays([array, pa.nulls(beside.count - len(array), array.type)])
        found.append(held(f"Aux{channel.number} {name}", array, unit or [channel.unit]))
    return found


def _layout(member: Member, facts: Facts) -> str:
    """Return the layout of a member's rows by the mark of its first row, or nothing where no layout has it."""
    names: tuple[str, ...] = member.facts("aux")["aux"]
    if not names:
        return ""
    at = BLOCK + ROWS_AT
    marked = [name for name in names if name in facts["marks"]]
    if not marked or len(member.data) <= at:
        return names[0]
    return next((name for name in marked if facts["marks"][name] == member.data[at]), "")


def _joined(channel: Channel, rows: Rows, run: Run, beside: Beside) -> list[Column]:
    index = beside.numbers()
    hit, place = join(rows["index"].astype(np.int64), index)
    lone = len(rows) - len(place)
    if lone:
        run.source.log.find("F033", source=run.source.uri, count=lone)
    found = []
    for key, unit in run.facts["units"]["beside"].items():
        if key not in (rows.dtype.names or ()):
            continue
        name = f"Aux{channel.number} {key.replace('_', ' ').title()}"
        if not rows[key].any():
            run.source.log.lose(run.source.uri, name, "it is 0 in every row: not measured")
            continue
        found.append(held(name, lay(rows[key][hit], place, len(index)), unit))
    return found
