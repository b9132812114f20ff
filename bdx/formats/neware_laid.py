"""Tests of BTS 9 in an archive (ndc 15), whose header lays out the rows -> columns."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from bdx.errors import CorruptSource, TruncatedSource
from bdx.formats.neware_blocks import BLOCK, CHECK_AT, ROWS_AT, Member, row_type
from bdx.formats.neware_columns import Column, held
from bdx.formats.neware_nda_columns import Columns, direction_table
from bdx.spec import Facts

if TYPE_CHECKING:
    from bdx.formats.neware_run import Run

_SIZE_AT, _ITEMS_AT, _ITEMS = 516, 520, 300
_ITEM = np.dtype([("axis", "<i4"), ("value", "u1"), ("place", "<i4")])


def laid_columns(run: Run, member: Member) -> tuple[list[Column], int]:
    """Return the columns of the records and how many there are.

    Raises: CorruptSource where the header lays rows out beyond their size.
    """
    laid = run.facts["laid"]
    layout = _layout(member, laid)
    rows = run.rows(member, row_type(layout["fields"], layout["size"]))
    names = dict(run.facts["step_types"]) | dict(laid["step_types"])
    ways = direction_table(run.facts["directions"])
    columns = Columns(layout, run.facts["range"], tuple(names.get(str(code)) for code in range(256)), ways, 0, 0)
    fields = columns.fields()
    arrays = columns.of(rows) if len(rows) else [pa.array([], item.type) for item in fields]
    for code in sorted(columns.strange):
        run.source.log.find("F027", source=run.source.uri, value=code)
    found = []
    for item, array in zip(fields, arrays, strict=True):
        meta = item.metadata or {}
        found.append(held(item.name, array, [meta.get(key, b"").decode() for key in (b"bdx.unit", b"bdx.scale")]))
    return found, len(rows)


def _layout(member: Member, laid: Facts) -> dict[str, Any]:
    """Return size, fields and units of the rows: those every file has, and those its header lists."""
    if len(member.data) < BLOCK:
        raise TruncatedSource("ends inside its header", path=member.path, offset=f"{member.name} byte {len(member.data)}")
    head = member.data[:_ITEMS_AT]
    size = int.from_bytes(head[_SIZE_AT:_ITEMS_AT], "little")
    items = np.frombuffer(member.data, _ITEM, _ITEMS, _ITEMS_AT)
    end = np.flatnonzero((items["axis"] == 0) & (items["value"] == 0))
    fields = dict(laid["fields"])
    for axis, place in items[["axis", "place"]][: int(end[0]) if len(end) else _ITEMS].tolist():
        for number, (name, kind) in enumerate(laid["axes"].get(str(axis), ())):
            fields[name] = (place + 4 * number, kind)
    last = max(offset + np.dtype(kind).itemsize for offset, kind in fields.values())
    if not last <= size <= CHECK_AT - ROWS_AT or min(offset for offset, _ in fields.values()) < 0:
        raise CorruptSource(
            f"lays out rows of {size} bytes with a value that ends at {last}", path=member.path, offset=f"{member.name} byte {_SIZE_AT}"
        )
    if not {"charge", "discharge", "charge_energy", "discharge_energy"} <= set(fields):
        fields = {name: where for name, where in fields.items() if "charge" not in name}
    return {"size": size, "fields": MappingProxyType(fields), "units": laid["units"], "signed": False}
