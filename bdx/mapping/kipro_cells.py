"""Records of an assembly robot -> one item per cell with its parts, the steps of its assembly and its properties."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bdx import canon, units
from bdx.canon import Chunk, Document, Part
from bdx.errors import MappingError
from bdx.mapping import Context, vocabulary
from bdx.mapping.row_lists import RowLists
from bdx.mapping.segment_rows import Seen
from bdx.mapping.vocabulary import OTHER, UNKNOWN_PARAMETER, UNKNOWN_STEP, Parameter
from bdx.spec import Facts

_UNIT = re.compile(r"^(?P<name>.*?)\s*\((?P<unit>[^()]*)\)$")
_OFFSET = re.compile(r"\s+(?=[+-][0-9]{2}:?[0-9]{2}$)")
_WORTH = 16_384
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "process_step": (
        *("step_run_id", "step_code", "step_name_raw", "step_seq", "order_id", "ended_at", "tz_basis", "ended_raw", "locator", "extra"),
    ),
    "process_parameter": (
        *("item_id", "parameter_code", "parameter_name_raw", "role", "value_num", "value_text", "unit", "value_raw", "unit_raw"),
        *("quality", "statistic", "locator"),
    ),
    "item": (
        *("item_id", "item_kind", "granularity", "serial_number", "name", "electrode", "produced_by_step_run_id", "produced_at"),
        *("locator", "extra"),
    ),
    "genealogy": (
        *("input_item_id", "output_item_id", "relation", "step_run_id", "occurred_at", "match_basis", "is_estimated", "role", "locator"),
    ),
}


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield the rows of all records in bounded chunks."""
    cells = _Cells(facts, context)
    for part in parts:
        if isinstance(part, Document):
            cells.take(part.value, part.locator)
        if any(len(rows) >= _WORTH for rows in cells.rows.values()):
            yield from cells.chunks()
    yield from cells.chunks()
    cells.tell()


class _Cells(RowLists):
    """The rows made of the records of one source."""

    def __init__(self, facts: Facts, context: Context) -> None:
        super().__init__(context, _COLUMNS)
        self._facts = facts
        self._parts = Seen()
        self._known: dict[str, Parameter] = {}

    def take(self, record: dict[str, Any], place: str) -> None:
        """Add the rows of one cell."""
        facts = self._facts
        item_id = self.values.identifier(_text(record.get(facts["id"])), "item", "item_id", place)
        if item_id is None:
            self.values.remarks.note("F308", "item", "item_id", "", place)
            return
        run = _text(record.get(facts["run"]))
        steps = self._steps(record.get(facts["history"]), item_id, run, place)
        last = max((step for step in steps.values() if step[1] is not None), key=lambda step: step[1] or 0, default=(None, None))
        begins = {part["begins"]: self._part(record, part, item_id, run, steps, place) for part in facts["part"]}
        said = {key: record.get(key) for key in (facts["comment"], *facts["not_values"], facts["run"])}
        extra = {key: value for key, value in said.items() if value is not None}
        told = canon.dumps(extra) if extra else None
        self._add("item", item_id, "cell", "serial", _text(record.get(facts["serial"])), item_id, None, *last, place, told)
        taken = {facts["id"], facts["serial"], facts["history"], facts["comment"], facts["run"], *facts["not_values"]}
        taken |= {part["place"] for part in facts["part"]}
        for key, value in record.items():
            if key not in taken:
                owner = next((part for begin, part in begins.items() if part and key.startswith(begin)), item_id)
                self._property(key, value, owner, f"{place} {key}".strip())

    def _steps(self, history: Any, item_id: str, run: str | None, place: str) -> dict[str, tuple[str, int | None]]:
        """Add the steps of a cell; return the last of each name with its time."""
        names = self._facts["history_keys"]
        found: dict[str, tuple[str, int | None]] = {}
        for number, entry in enumerate(history if isinstance(history, list) else (), 1):
            if not isinstance(entry, dict):
                self.values.remarks.note("F308", "process_step", "step_run_id", _text(entry) or "", place)
                continue
            where = f"{place} step {number}".strip()
            name, raw = _text(entry.get(names["name"])) or "", _text(entry.get(names["time"]))
            known = vocabulary.step(self._facts["steps"].get(name, "")) or vocabulary.step(name) or UNKNOWN_STEP
            if known is UNKNOWN_STEP:
                self.values.remarks.note("M040", "process_step", "step_code", name, where)
            ended, basis = self.values.time(_OFFSET.sub("", raw) if raw else None, "process_step", "ended_at", where)
            unix = entry.get(names["unix"])
            if ended is not None and isinstance(unix, (int, float)) and abs(ended / 1e6 - unix) >= 1:
                self.values.remarks.note("F313", "process_step", "ended_at", f"{raw} / {unix}", where)
            step_id = f"{item_id}/{number}"
            rest = {key: value for key, value in entry.items() if key not in (names["name"], names["time"], names["unix"])}
            told = canon.dumps({**rest, "item": item_id})
            self._add("process_step", step_id, known.code, name or None, number, run, ended, basis, raw, where, told)
            found[name] = (step_id, ended)
        return found

    def _part(
        self, record: dict[str, Any], part: Facts, item_id: str, run: str | None, steps: dict[str, tuple[str, int | None]], place: str
    ) -> str | None:
        """Add a part of a cell and its edge; return the part, None where its place in the rack is not told."""
        position = _text(record.get(part["place"]))
        if not position:
            return None
        name = f"{run or item_id}/{part['role']}/{position}"
        if self._parts.add(name):
            side = part["role"] if part["role"] in ("anode", "cathode") else None
            told = canon.dumps({part["place"]: record[part["place"]]})
            label = _text(record.get(part["description"]))
            self._add("item", name, part["kind"], part["granularity"], None, label, side, None, None, place, told)
        step_id, ended = steps.get(part["step"], (None, None))
        self._add("genealogy", name, item_id, "assembled", step_id, ended, "position", False, part["role"], place)
        return name

    def _property(self, key: str, value: Any, owner: str, place: str) -> None:
        match = _UNIT.match(key)
        name, unit = (match["name"], match["unit"]) if match else (key, "")
        known = self._parameter(name, unit, place)
        counted = not unit and isinstance(value, (int, float)) and name.split()[-1].casefold() in self._facts["counts"]["words"]
        number = self.values.number(_text(value) or "", unit, known.unit or ("1" if counted else ""), key, "process_parameter", place)
        role = next((role for begin, role in self._facts["roles"].items() if name.startswith(begin)), known.role or "material_property")
        raw = _text(value)
        self._add("process_parameter", owner, known.code, key, role, *number[:3], raw, unit or None, number[3], "value", place)

    def _parameter(self, name: str, unit: str, place: str) -> Parameter:
        """Return what the last words of a name mean, where they are of the unit's quantity; the words before say of what it is."""
        key = f"{name} ({unit})"
        if key not in self._known:
            words = name.split()
            ends = (" ".join(words[start:]) for start in range(len(words)))
            found = next((known for known in map(vocabulary.parameter, ends) if known and _fits(unit, known)), None)
            self._known[key] = found or UNKNOWN_PARAMETER
        if self._known[key].code == OTHER:
            self.values.remarks.note("M041", "process_parameter", "parameter_code", name, place)
        return self._known[key]

    def _add(self, table: str, *row: Any) -> None:
        self.rows[table].append(row)


def _fits(unit: str, known: Parameter) -> bool:
    """Say whether a unit is of the quantity of a parameter."""
    if not unit or not known.unit:
        return not unit and not known.unit
    try:
        return units.unit(unit).quantity == units.unit(known.unit).quantity
    except MappingError:
        return False


def _text(value: Any) -> str | None:
    """Return a scalar as text, None for none; what is no scalar as JSON."""
    if value is None:
        return None
    if isinstance(value, (dict, list, bool)):
        return canon.dumps(value)
    return str(value)
