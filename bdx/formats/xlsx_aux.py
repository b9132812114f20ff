"""Sheets whose numbers belong to records of the same key -> columns beside the records."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bdx.formats.delimited_names import folded
from bdx.formats.source import Source
from bdx.formats.xlsx_book import Workbook
from bdx.formats.xlsx_sheet import Sheet
from bdx.formats.xlsx_values import Field
from bdx.names import fold
from bdx.spec import Facts


@dataclass(slots=True)
class Beside:
    """Numbers by key, ascending. `left` counts the rows that found no record so far; `key` holds the folded names of the key."""

    key: frozenset[str]
    sheets: str
    keys: npt.NDArray[np.float64]
    values: list[npt.NDArray[np.float64]]
    fields: list[pa.Field]
    rows: int
    left: int

    def columns(self, keys: pa.Array) -> list[pa.Array]:
        """Return the columns for records of these keys; null where no row has the key."""
        wanted = keys.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        place = np.minimum(np.searchsorted(self.keys, wanted), max(len(self.keys) - 1, 0))
        hit = self.keys[place] == wanted if len(self.keys) else np.zeros(len(wanted), np.bool_)
        self.left -= len(np.unique(place[hit]))
        found = []
        for values in self.values:
            picked = values[place] if len(values) else np.full(len(wanted), np.nan)
            found.append(pa.array(picked, pa.float64(), mask=~hit | np.isnan(picked)))
        return found


def beside(book: Workbook, sheets: list[str], wish: Facts, facts: Facts, source: Source) -> Beside | None:
    """Return the numeric columns of sheets by their key, or None where no sheet has one; sheets of one header follow one another."""
    layout: dict[str, Any] = {"group": [{"any": wish["key"]}], "row": wish["key"], "unit": facts.get("unit", "")}
    layout |= {"null": facts.get("null", ()), "text": [*facts.get("text", ()), *wish.get("drop", ())]}
    wanted: tuple[Field, ...] = ()
    parts: list[pa.RecordBatch] = []
    names = folded(wish["key"])
    for name in sheets:
        sheet = Sheet(book, name, layout)
        header = sheet.typed()
        if header is None:
            continue
        wanted = wanted or tuple(field for field in header.fields if field.kind in ("number", "integer"))
        parts.extend(sheet.batches(header, wanted, source))
    at = next((index for index, field in enumerate(wanted) if fold(field.name) in names), None)
    if at is None or not parts:
        return None
    keys = _numbers([part.column(at) for part in parts])
    order = np.argsort(keys, kind="stable")
    fields, values = [], []
    for index, field in enumerate(wanted):
        if index != at:
            fields.append(_field(field, wish))
            values.append(_numbers([part.column(index) for part in parts])[order])
    return Beside(names, ", ".join(sheets[:4]), keys[order], values, fields, len(keys), len(keys))


def _numbers(columns: list[pa.Array]) -> npt.NDArray[np.float64]:
    return np.concatenate([column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False) for column in columns])


def _field(field: Field, wish: Facts) -> pa.Field:
    """Return the field under the name that the records know it by."""
    name, unit = field.name, field.unit
    for pattern, target, its_unit in wish.get("rename", ()):
        match = re.fullmatch(pattern, name)
        if match is not None:
            name, unit = match.expand(target), its_unit or unit
            break
    metadata = {"bdx.name": name, "bdx.unit": unit}
    return pa.field(field.written, pa.float64(), metadata={key: value for key, value in metadata.items() if value})
